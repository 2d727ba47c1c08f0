use std::net::{IpAddr, Ipv4Addr};

use http::StatusCode;
use http_body_util::{BodyExt, Channel, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::server::Scheme;
use crate::server::tests::{Echo, config};

type Payload = http_body_util::combinators::BoxBody<Bytes, Infallible>;

struct Served {
    handler: Arc<Echo>,
    connections: Arc<Connections<Echo>>,
    stop: watch::Sender<bool>,
    shutdown: Shutdown,
}

impl Served {
    fn new(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = config();
        change(&mut config);
        let handler = Arc::new(Echo::default());
        let connections = Arc::new(Connections::new(&config, None, Arc::clone(&handler), None));
        let (stop, shutdown) = Shutdown::manual();
        Self { handler, connections, stop, shutdown }
    }

    /// The client's end of a new connection, and the task that serves it.
    fn connect(&self) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let peer = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), scheme: Scheme::Https };
        (ours, tokio::spawn(serve(Arc::clone(&self.connections), theirs, peer, self.shutdown.clone())))
    }

    async fn client(&self) -> (SendRequest<Payload>, JoinHandle<()>) {
        let (io, task) = self.connect();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
        tokio::spawn(connection);
        (sender, task)
    }
}

fn get(path: &str) -> Request<Payload> {
    Request::get(format!("https://vault.example{path}")).body(Empty::new().boxed()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// `:method: GET`, `:scheme: https`, `:path: /` by their places in the table, `:authority: h` written out (RFC 7541, appendix A).
const GET: [u8; 6] = [0x82, 0x87, 0x84, 0x41, 1, b'h'];

/// Reads frames until the connection ends: kind, flags, payload.
async fn frames(io: &mut (impl AsyncRead + Unpin)) -> Vec<(u8, u8, Vec<u8>)> {
    let mut all = Vec::new();
    let mut head = [0; 9];
    while io.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        io.read_exact(&mut payload).await.unwrap();
        all.push((head[3], head[4], payload));
    }
    all
}

#[tokio::test]
async fn a_request_has_the_form_of_http_1() {
    let served = Served::new(|_| {});
    let (mut client, _) = served.client().await;
    let about = client.send_request(get("/about?x=%2F")).await.unwrap();
    assert_eq!(text(about).await, "127.0.0.1 https vault.example /about?x=%2F chunked=false");
    // `Host` beside `:authority` is passed over; a body without length is one that is chunked.
    let (sender, unknown) = Channel::<Bytes, Infallible>::new(1);
    drop(sender);
    let post = Request::post("https://vault.example/about").header("host", "other").body(unknown.boxed()).unwrap();
    let about = client.send_request(post).await.unwrap();
    assert_eq!(text(about).await, "127.0.0.1 https vault.example /about chunked=true");
    let put = Request::put("https://h/a").body(Full::from("some bytes").boxed()).unwrap();
    assert_eq!(text(client.send_request(put).await.unwrap()).await, "some bytes");
}

#[tokio::test]
async fn the_bounds_are_announced() {
    let served = Served::new(|_| {});
    let (mut io, task) = served.connect();
    io.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    let seen = frames(&mut io).await;
    task.await.unwrap();
    let (kind, flags, settings) = &seen[0];
    assert_eq!((*kind, *flags), (SETTINGS, 0));
    let settings: std::collections::HashMap<u16, u32> = settings
        .chunks(6)
        .map(|s| (u16::from_be_bytes([s[0], s[1]]), u32::from_be_bytes([s[2], s[3], s[4], s[5]])))
        .collect();
    // RFC 9113, 6.5.2: concurrent streams, window, header list.
    assert_eq!((settings[&3], settings[&4], settings[&6]), (4, STREAM_WINDOW, 16 << 10), "{settings:?}");
    // Said after the idle time, and the connection did not outlast it by much.
    assert!(seen.iter().any(|(kind, ..)| *kind == GOAWAY), "{seen:?}");
}

#[tokio::test]
async fn a_connection_without_requests_ends() {
    let served = Served::new(|_| {});
    // No preface, half of one, and one with a header that never ends.
    let open_headers = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 0, 1, &GET)].concat();
    for begin in [&b""[..], &PREFACE[..10], &open_headers] {
        let (mut io, task) = served.connect();
        io.write_all(begin).await.unwrap();
        let start = Instant::now();
        tokio::time::timeout(Duration::from_secs(3), task).await.expect("an end").unwrap();
        assert!((500..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_client_that_only_pings_does_not_stay() {
    let served = Served::new(|_| {});
    let (mut io, task) = served.connect();
    io.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    let (mut read, mut write) = tokio::io::split(io);
    let reading = tokio::spawn(async move { frames(&mut read).await });
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) && write.write_all(&frame(6, 0, 0, &[0; 8])).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((500..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    task.await.unwrap();
    assert!(reading.await.unwrap().iter().any(|(kind, ..)| *kind == GOAWAY));
}

#[tokio::test]
async fn requests_keep_a_connection_alive() {
    let served = Served::new(|_| {});
    let (mut client, task) = served.client().await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(client.send_request(get("/about")).await.unwrap().status(), StatusCode::OK);
    }
    assert!(!task.is_finished());
    tokio::time::timeout(Duration::from_secs(3), task).await.expect("an end after the idle time").unwrap();
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let served = Served::new(|_| {});
    let (io, task) = served.connect();
    let (mut read, mut write) = tokio::io::split(io);
    let reading = tokio::spawn(async move { frames(&mut read).await });
    write.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    let mut taken = 0;
    'sending: for batch in 0..1000_u32 {
        let mut bytes = Vec::new();
        for stream in batch * 64..(batch + 1) * 64 {
            let stream = 2 * stream + 1;
            bytes.extend(frame(HEADERS, 5, stream, &GET));
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        if write.write_all(&bytes).await.is_err() {
            break 'sending;
        }
        taken += 64;
    }
    task.await.unwrap();
    assert!(taken < 64_000, "all were taken");
    let seen = reading.await.unwrap();
    let goaway = seen.iter().find(|(kind, ..)| *kind == GOAWAY).expect("GOAWAY");
    assert_eq!(goaway.2[4..8], 11_u32.to_be_bytes(), "ENHANCE_YOUR_CALM");
    assert!(served.handler.running.load(std::sync::atomic::Ordering::SeqCst) == 0);
}

#[tokio::test]
async fn a_stream_whose_client_takes_no_bytes_is_reset_and_the_others_go_on() {
    let served = Served::new(|_| {});
    let (mut client, task) = served.client().await;
    let stalled = client.send_request(get("/large")).await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1800) {
        let answer = client.send_request(get("/about")).await.unwrap();
        assert!(text(answer).await.contains("https"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut body = stalled.into_body();
    let mut length = 0;
    let error = loop {
        match body.frame().await.expect("the answer is not whole") {
            Ok(frame) => length += frame.data_ref().map_or(0, Bytes::len),
            Err(error) => break error,
        }
    };
    assert!(length < 8 << 20, "{length}");
    assert!(!task.is_finished(), "{error}");
    // One that is taken, however slowly, is whole.
    let mut body = client.send_request(get("/large")).await.unwrap().into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
        if length < 4 << 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(length, 64 << 20);
}

#[tokio::test]
async fn a_body_that_stops_is_a_request_timeout() {
    let served = Served::new(|_| {});
    let (mut client, _) = served.client().await;
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
    sender.send_data(Bytes::from_static(b"abc")).await.unwrap();
    let put = Request::put("https://h/a").body(body.boxed()).unwrap();
    assert_eq!(text(client.send_request(put).await.unwrap()).await, "failed");
    assert_eq!(*served.handler.failed.lock().unwrap(), ["RequestTimeout"]);
}

#[tokio::test]
async fn the_handler_is_dropped_when_the_client_goes_away() {
    let served = Served::new(|_| {});
    let (mut client, task) = served.client().await;
    let running = || served.handler.running.load(std::sync::atomic::Ordering::SeqCst);
    let request = tokio::spawn(async move { client.send_request(get("/slow")).await.map(|_| ()) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(running(), 1);
    request.abort();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(running(), 0);
    task.await.unwrap();
}

#[tokio::test]
async fn too_many_headers_get_the_answer_of_s3() {
    let served = Served::new(|c| c.max_headers = 20);
    let (mut client, _) = served.client().await;
    let mut request = get("/about");
    for n in 0..21 {
        request
            .headers_mut()
            .insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from_static("v"));
    }
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(text(answer).await.contains("<Code>RequestHeaderSectionTooLarge</Code>"));
    let mut long = get("/about");
    long.headers_mut().insert("x", HeaderValue::try_from("y".repeat(17 << 10)).unwrap());
    // Refused by either side: by ours with 431, by a client that heeds the bound before it is sent.
    let refused = client.send_request(long).await;
    assert!(refused.is_err() || refused.is_ok_and(|r| r.status().as_u16() == 431));
}

#[tokio::test]
async fn all_connections_share_the_bound_on_requests() {
    let served = Served::new(|c| c.max_connections = 1);
    let ((mut one, _), (mut two, _)) = (served.client().await, served.client().await);
    let start = Instant::now();
    let (first, second) = tokio::join!(one.send_request(get("/slow")), two.send_request(get("/slow")));
    drop(text(first.unwrap()).await);
    drop(text(second.unwrap()).await);
    assert!(start.elapsed() >= Duration::from_millis(780), "{:?}", start.elapsed());
}

#[tokio::test]
async fn requests_under_way_are_finished_before_the_end() {
    let served = Served::new(|_| {});
    let (mut client, task) = served.client().await;
    let slow = tokio::spawn(async move { client.send_request(get("/slow")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    served.stop.send_replace(true);
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    tokio::time::timeout(Duration::from_secs(1), task).await.expect("an end").unwrap();
}
