use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::body;
use crate::config::ForwardedHeaders;
use crate::s3::Error;
use crate::telemetry::RequestId;

/// Echoes bodies; `/slow` takes 400 ms, `/large` answers 64 MiB, `/refuse` answers without reading the body, `/about` says what
/// is known of the request.
#[derive(Default)]
pub(super) struct Echo {
    pub(super) running: AtomicUsize,
    pub(super) failed: Mutex<Vec<String>>,
}

impl Handler for Echo {
    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        struct Running<'a>(&'a AtomicUsize);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(&self.running);
        assert!(request.extensions().get::<RequestId>().is_some());
        let client = *request.extensions().get::<Client>().expect("a client");
        match request.uri().path() {
            "/refuse" => {
                let mut response = Response::new(body::full("no"));
                *response.status_mut() = http::StatusCode::FORBIDDEN;
                return response;
            }
            "/large" => {
                let block = Bytes::from(vec![7; 1 << 16]);
                let frames = futures_util::stream::iter((0..1024).map(move |_| Ok(Frame::data(block.clone()))));
                return Response::new(StreamBody::new(frames).boxed_unsync());
            }
            "/about" => {
                let host = request.headers().get("host").map(|h| h.to_str().unwrap().to_owned()).unwrap_or_default();
                let coding = request.headers().contains_key("transfer-encoding");
                let (address, scheme) = (client.address, client.scheme.as_str());
                let about = format!("{address} {scheme} {host} {} chunked={coding}", request.uri());
                return Response::new(body::full(about));
            }
            "/slow" => tokio::time::sleep(Duration::from_millis(400)).await,
            _ => {}
        }
        match body::collect(request.into_body(), 1 << 20).await {
            Ok(bytes) => Response::new(body::full(bytes)),
            Err(body::CollectError::Broken(error)) => {
                let said = error.downcast_ref::<Error>().map_or_else(|| error.to_string(), |e| e.s3().0.into_owned());
                self.failed.lock().unwrap().push(said);
                Response::new(body::full("failed"))
            }
            Err(error) => Response::new(body::full(error.to_string())),
        }
    }
}

pub(super) struct Running {
    addr: SocketAddr,
    handler: Arc<Echo>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn start(change: impl FnOnce(&mut ServerConfig)) -> Running {
    let mut config = config();
    change(&mut config);
    start_with(config, None).await
}

/// With short times.
pub(super) fn config() -> ServerConfig {
    ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        virtual_host_domain: None,
        max_connections: 8,
        max_header_bytes: 16 << 10,
        max_headers: 100,
        header_read_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        request_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_secs(2),
        tls: None,
        handshake_timeout: Duration::from_millis(400),
        http2_max_streams: 4,
        trusted_proxies: Vec::new(),
        proxy_protocol: false,
        forwarded_headers: ForwardedHeaders::default(),
    }
}

pub(super) async fn start_with(config: ServerConfig, tls: Option<Arc<Tls>>) -> Running {
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let handler = Arc::new(Echo::default());
    let (stop, shutdown) = Shutdown::manual();
    let served = Arc::clone(&handler);
    let task = tokio::spawn(async move { serve(listener, &config, tls, served, None, shutdown).await });
    Running { addr, handler, stop, task }
}

impl Running {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends, and reads until the server ends the connection.
    async fn talk(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_to_end(&mut stream).await
    }
}

pub(super) async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    // A reset after the answer is an end too, but the answer must be there.
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut all)).await.expect("an end");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_pipelined_too() {
    let server = start(|_| {}).await;
    let answer = server
        .talk(
            b"PUT /a HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\noneGET / HTTP/1.1\r\nhost: h\r\n\r\n\
              PUT /b HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntwo",
        )
        .await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    assert!(answer.contains("one") && answer.ends_with("two"), "{answer}");
    let old = server.talk(b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 OK"), "{old}");
}

#[tokio::test]
async fn too_many_or_too_large_headers_get_the_answer_of_s3() {
    let server = start(|_| {}).await;
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "a:b\r\n".repeat(100_000));
    let long = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    for request in [many, long] {
        let answer = server.talk(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("<Code>RequestHeaderSectionTooLarge</Code>"), "{answer}");
        assert!(answer.contains("x-amz-request-id: ") && answer.ends_with("</Error>"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    }
    let answer = server.talk(b"\x01\x02\x03 what\r\n\r\n").await;
    assert!(answer.contains("<Code>BadRequest</Code>"), "{answer}");
    // After a good answer on the same connection too.
    let answer = server.talk(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_body_that_looks_like_a_refusal_passes_as_it_is() {
    let server = start(|_| {}).await;
    let body = "HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n";
    let request =
        format!("PUT /a HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let answer = server.talk(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(body), "{answer}");
}

#[tokio::test]
async fn a_header_that_drips_is_cut_off() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < Duration::from_secs(3) {
        if stream.write_all(b"x").await.is_err() {
            break;
        }
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{sent} bytes were taken");
    assert!(start.elapsed() > Duration::from_millis(250));
}

#[tokio::test]
async fn a_client_at_rest_is_kept_for_the_idle_time_and_no_longer() {
    let server = start(|c| c.idle_timeout = Duration::from_millis(2500)).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    // Longer than the header time, shorter than the idle time.
    tokio::time::sleep(Duration::from_millis(700)).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let start = Instant::now();
    let answer = read_to_end(&mut stream).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!((2000..6000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_that_stops_is_a_request_timeout() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains("failed"), "{answer}");
    assert_eq!(*server.handler.failed.lock().unwrap(), ["RequestTimeout"]);
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_cut_off() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.len() < 64 << 20, "{}", answer.len());
}

#[tokio::test]
async fn a_large_answer_is_whole() {
    let server = start(|_| {}).await;
    let answer = server.talk(b"GET /large HTTP/1.0\r\n\r\n").await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body.len(), 64 << 20);
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /refuse HTTP/1.1\r\nhost: h\r\ncontent-length: 8000000\r\n\r\n").await.unwrap();
    let (mut read, mut write) = stream.split();
    let sending = async {
        let block = vec![0; 1 << 16];
        for _ in 0..122 {
            if write.write_all(&block).await.is_err() {
                break;
            }
        }
    };
    let mut answer = Vec::new();
    let reading = async { while matches!(read.read_buf(&mut answer).await, Ok(1..)) {} };
    tokio::join!(sending, tokio::time::timeout(Duration::from_secs(5), reading)).1.unwrap();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 403"), "{answer:?}");
}

#[tokio::test]
async fn the_handler_is_dropped_when_the_client_goes_away() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.handler.running.load(Ordering::SeqCst), 1);
    drop(stream);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.handler.running.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn continue_is_said_only_when_the_body_is_wanted() {
    let server = start(|_| {}).await;
    let expect = |path| {
        format!(
            "PUT {path} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n"
        )
    };
    let refused = server.talk(expect("/refuse").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let mut stream = server.connect().await;
    stream.write_all(expect("/a").as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("abc"));
}

#[tokio::test]
async fn an_expected_body_of_no_bytes_ends_the_connection() {
    let server = start(|_| {}).await;
    let answer = server.talk(b"PUT /a HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let server = start(|c| c.max_connections = 1).await;
    let first = server.connect().await;
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second was served beside the first");
    drop(first);
    assert!(read_to_end(&mut second).await.starts_with("HTTP/1.0 200"));
}

#[tokio::test]
async fn requests_under_way_are_finished_before_the_end() {
    let server = start(|_| {}).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send_replace(true);
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(read_to_end(&mut busy).await.starts_with("HTTP/1.1 200 OK"));
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let server = start(|c| {
        c.drain_timeout = Duration::from_millis(100);
        c.idle_timeout = Duration::from_mins(1);
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(2), server.task).await.expect("an end").unwrap();
    assert_eq!(server.handler.running.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_for() {
    let server = start(|c| c.request_timeout = Duration::from_millis(100)).await;
    let answer = server.talk(b"GET /slow HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("<Code>RequestTimeout</Code>") && answer.contains("x-amz-request-id: "), "{answer}");
}

const ABOUT: &str = "GET /about HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";

#[tokio::test]
async fn forwarding_headers_count_from_configured_addresses_only() {
    let request = format!("{ABOUT}x-forwarded-for: 192.0.2.9\r\nx-forwarded-proto: https\r\n\r\n");
    let foreign = start(|c| c.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let answer = foreign.talk(request.as_bytes()).await;
    assert!(answer.ends_with("127.0.0.1 http h /about chunked=false"), "{answer}");
    let trusted = start(|c| c.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let answer = trusted.talk(request.as_bytes()).await;
    assert!(answer.ends_with("192.0.2.9 https h /about chunked=false"), "{answer}");
}

#[tokio::test]
async fn a_proxy_header_is_read_from_configured_addresses_and_is_no_http_from_others() {
    let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n".to_vec();
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb".to_vec();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec();
    let with = |header: &[u8]| [header, ABOUT.as_bytes(), b"\r\n"].concat();
    let trusted = start(|c| {
        c.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        c.proxy_protocol = true;
    })
    .await;
    for (header, address) in [(&v1, "192.0.2.1"), (&v2, "192.0.2.1"), (&local, "127.0.0.1")] {
        let answer = trusted.talk(&with(header)).await;
        assert!(answer.ends_with(&format!("{address} http h /about chunked=false")), "{answer}");
    }
    // The client behind the proxy is none: what it forwards is hearsay.
    let spoof = [&v1[..], ABOUT.as_bytes(), b"x-forwarded-for: 203.0.113.1\r\n\r\n"].concat();
    assert!(trusted.talk(&spoof).await.contains("192.0.2.1 http"));
    assert_eq!(trusted.talk(&with(b"")).await, "", "the header is missing");
    let foreign = start(|c| {
        c.trusted_proxies = vec!["127.0.0.2".parse().unwrap()];
        c.proxy_protocol = true;
    })
    .await;
    for header in [&v1, &v2] {
        let answer = foreign.talk(&with(header)).await;
        assert!(answer.contains("<Code>BadRequest</Code>"), "{answer}");
    }
    assert!(foreign.talk(&with(b"")).await.contains("127.0.0.1 http"));
}

#[tokio::test]
async fn a_proxy_header_that_does_not_end_is_cut_off() {
    let server = start(|c| {
        c.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        c.proxy_protocol = true;
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"PROXY TCP4 192.0").await.unwrap();
    let start = Instant::now();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!((300..2000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}
