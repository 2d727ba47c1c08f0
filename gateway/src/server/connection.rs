//! One connection, from its first byte to its last: PROXY header, TLS handshake, requests, end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::S3ErrorCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use super::body::{IdleBody, Tracked};
use super::http2::Streams;
use super::io::{ClientIo, Exchange, Open};
use super::proxy::{self, ProxyError};
use super::tls::Tls;
use super::{Client, Handler, Scheme, Shutdown};
use crate::body::Body;
use crate::config::ServerConfig;
use crate::s3::Error;
use crate::telemetry::{Metrics, RequestId};

/// The most that hyper reads ahead, and holds back of an answer, for one connection. Enough for a system call to move what
/// a socket buffer holds; a slow connection never grows to it.
const CONNECTION_BUFFER: usize = 256 << 10;

/// How long a connection that ends before its client has sent all is still read from, and thrown away: closing it at once
/// would reset it, and the client would lose the answer that says why.
const LINGER: Duration = Duration::from_secs(2);

/// What the connections of a listener have in common.
pub(super) struct Connections<H> {
    http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
    pub(super) config: ServerConfig,
    tls: Option<Arc<Tls>>,
    handler: Arc<H>,
    metrics: Option<Arc<Metrics>>,
    /// For the requests of all HTTP/2 connections together.
    pub(super) requests: Arc<Semaphore>,
}

/// Why a connection was ended before its first request.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] std::io::Error),
    #[error("PROXY header and TLS handshake took too long")]
    Slow,
}

impl Refused {
    /// As metrics name it.
    fn reason(&self) -> &'static str {
        match self {
            Self::Proxy(_) => "proxy",
            Self::Tls(_) => "tls",
            Self::Slow => "timeout",
        }
    }
}

/// A connection that is ready for requests.
enum Ready {
    Plain(TcpStream),
    Http1(Box<TlsStream<TcpStream>>),
    Http2(Box<TlsStream<TcpStream>>),
}

impl<H: Handler> Connections<H> {
    pub(super) fn new(
        config: &ServerConfig,
        tls: Option<Arc<Tls>>,
        handler: Arc<H>,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        Self {
            http1: protocol(config),
            http2: super::http2::protocol(config),
            requests: Arc::new(Semaphore::new(config.max_connections)),
            config: config.clone(),
            tls,
            handler,
            metrics,
        }
    }

    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: Shutdown) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection broke before it was used");
            return;
        }
        let ready = tokio::time::timeout(self.config.handshake_timeout, self.open(stream, peer.ip())).await;
        match ready.unwrap_or(Err(Refused::Slow)) {
            Ok((address, Ready::Plain(stream))) => {
                self.http1(stream, Client { address, scheme: Scheme::Http }, stop).await;
            }
            Ok((address, Ready::Http1(stream))) => {
                self.http1(stream, Client { address, scheme: Scheme::Https }, stop).await;
            }
            Ok((address, Ready::Http2(stream))) => {
                super::http2::serve(self, stream, Client { address, scheme: Scheme::Https }, stop).await;
            }
            Err(refused) => {
                if let Some(metrics) = &self.metrics {
                    metrics.connection_refused(refused.reason());
                }
                tracing::debug!(%peer, "a connection was refused: {refused}");
            }
        }
    }

    /// What comes before the first request.
    async fn open(&self, mut stream: TcpStream, peer: IpAddr) -> Result<(IpAddr, Ready), Refused> {
        let mut address = peer;
        if self.config.proxy_protocol
            && self.config.trusted_proxies.iter().any(|network| network.contains(peer))
            && let Some(source) = proxy::read(&mut stream).await?
        {
            address = source.ip();
        }
        let ready = match &self.tls {
            None => Ready::Plain(stream),
            Some(tls) => match tls.accept(stream).await.map_err(Refused::Tls)? {
                (stream, true) => Ready::Http2(Box::new(stream)),
                (stream, false) => Ready::Http1(Box::new(stream)),
            },
        };
        Ok((address, ready))
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, peer: Client, mut stop: Shutdown) {
        let exchange = Arc::new(Exchange::default());
        let io =
            ClientIo::new(stream, Arc::clone(&exchange), self.config.header_read_timeout, self.config.idle_timeout);
        let service = service_fn(|request| {
            // Here and not in the future: hyper may look at the socket before it polls that.
            let open = exchange.begin();
            Box::pin(self.answer(request, peer, &exchange, open))
        });
        let mut connection = self.http1.serve_connection(TokioIo::new(io), service);
        let mut stopping = pin!(stop.requested());
        let mut told = false;
        let result = loop {
            let run = poll_fn(|cx| connection.poll_without_shutdown(cx));
            tokio::select! {
                result = run => break result,
                () = &mut stopping, if !told => {
                    told = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        let refused = result.as_ref().is_err_and(hyper::Error::is_parse);
        if let Err(error) = result {
            tracing::debug!(peer = %peer.address, %error, "the connection ended early");
        }
        let stream = connection.into_parts().io.into_inner().into_inner();
        close(stream, refused || exchange.left_unread()).await;
    }

    /// Answers a request of HTTP/1.
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Client,
        exchange: &Arc<Exchange>,
        open: Open,
    ) -> Result<Response<Tracked>, Infallible> {
        let expects = request.headers().contains_key(header::EXPECT);
        let empty = request.body().is_end_stream();
        let mut response = self.respond(request, peer, exchange).await;
        // No 100 goes out for a body of no bytes, or for one that nobody asked for. botocore takes a final answer in its place,
        // and reads the next answer on that connection wrongly: so there is no next one.
        if expects && (empty || exchange.left_unread()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Tracked::new(body, open)))
    }

    /// Answers a request of any version. `peer`: the other end of the connection.
    pub(super) async fn respond(
        &self,
        request: Request<Incoming>,
        peer: Client,
        exchange: &Arc<Exchange>,
    ) -> Response<Body> {
        let id = RequestId::random();
        let head = request.method() == Method::HEAD;
        let path = request.uri().path().to_owned();
        // hyper answers `Expect: 100-continue` when the body is first polled, so a request that is refused by its headers
        // costs the client no body.
        let mut request =
            request.map(|incoming| Body::new(IdleBody::new(incoming, self.config.idle_timeout, Arc::clone(exchange))));
        let ServerConfig { trusted_proxies, forwarded_headers, .. } = &self.config;
        let client = Client::behind(peer.address, peer.scheme, trusted_proxies, *forwarded_headers, request.headers());
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(client);
        if request.headers().len() > self.config.max_headers {
            let error = Error::client(
                S3ErrorCode::RequestHeaderSectionTooLarge,
                "Your request header section exceeds the maximum allowed size or number of headers.",
            );
            return refusal(error, &path, &id, head);
        }
        let answer = tokio::time::timeout(self.config.request_timeout, self.handler.handle(request)).await;
        answer.unwrap_or_else(|_| {
            let error = Error::client(
                S3ErrorCode::RequestTimeout,
                "The request was not finished within the time that the gateway gives one.",
            );
            refusal(error, &path, &id, head)
        })
    }
}

fn refusal(error: Error, path: &str, id: &RequestId, head: bool) -> Response<Body> {
    let mut response = error.into_response(path, id.as_str(), head);
    response.headers_mut().insert("x-amz-request-id", id.header());
    response
}

fn protocol(config: &ServerConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // Ours, in `io`: hyper's starts when the previous request ends, so it cannot tell a slow header from an idle client.
        .header_read_timeout(None)
        .max_header_size(config.max_header_bytes)
        .max_buf_size(CONNECTION_BUFFER.max(2 * config.max_header_bytes))
        .writev(true)
        // A client that shuts its sending side has gone away, as far as S3 clients are concerned: its request is dropped.
        .half_close(false);
    // Beyond hyper's own 100 it allocates for every request, so only then.
    if config.max_headers != 100 {
        http.max_headers(config.max_headers);
    }
    http
}

/// Ends a connection. `unread`: the client may still be sending.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, unread: bool) {
    // TLS has something to say at its end, for which there may be no room.
    if !matches!(tokio::time::timeout(LINGER, stream.shutdown()).await, Ok(Ok(()))) || !unread {
        return;
    }
    let mut thrown_away = vec![0; 16 << 10];
    let drain = async { while matches!(stream.read(&mut thrown_away).await, Ok(1..)) {} };
    // Either end is fine: the client has closed, or it has had its time.
    let _ = tokio::time::timeout(LINGER, drain).await;
}
