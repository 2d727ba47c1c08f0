//! Listeners: connections in, bounds around them, drain at the end. What a request means is the [`Handler`]'s.

mod body;
mod io;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::S3ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::body::Body;
use crate::config::ServerConfig;
use crate::s3::Error;
use crate::telemetry::{Metrics, RequestId};
use body::{IdleBody, Tracked};
use io::{ClientIo, Exchange, Open};

/// The scheme under which clients reach the S3 listener, as URLs in answers give it. `X-Forwarded-Proto` is not believed.
pub const SCHEME: &str = "http";

/// The most that hyper reads ahead, and holds back of an answer, for one connection. Enough for a system call to move what
/// a socket buffer holds; a slow connection never grows to it.
const CONNECTION_BUFFER: usize = 256 << 10;

/// How long a connection that ends before its client has sent all is still read from, and thrown away: closing it at once
/// would reset it, and the client would lose the answer that says why.
const LINGER: Duration = Duration::from_secs(2);

/// Answers requests. The server puts a [`RequestId`] and a [`PeerAddr`] into the request's extensions.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn handle(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Tells listeners to stop. Clones see the same moment.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// At the first SIGTERM or SIGINT. A second one ends the process at once, with status 130.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::info!("shutting down: requests under way are finished; a second signal ends at once");
            tell.send_replace(true);
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            std::process::exit(130);
        });
        Ok(Self(told))
    }

    /// When the returned sender says `true`, or is dropped.
    pub fn manual() -> (watch::Sender<bool>, Self) {
        let (tell, told) = watch::channel(false);
        (tell, Self(told))
    }

    /// Returns when it is time to stop.
    pub async fn requested(&mut self) {
        // An error means that the sender is gone: nobody can ask any more, so stop.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Serves `listener` until `shutdown`, then gives requests under way `drain_timeout`.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    config: &ServerConfig,
    handler: Arc<H>,
    metrics: Option<Arc<Metrics>>,
    mut shutdown: Shutdown,
) {
    let places = Arc::new(Semaphore::new(config.max_connections));
    let stop = shutdown.clone();
    let connections = Connections { http: protocol(config), config: Arc::new(config.clone()), handler };
    let mut tasks = JoinSet::new();
    let mut stopping = pin!(shutdown.requested());
    loop {
        // Taken before the connection is accepted: beyond the bound clients wait in the kernel's queue, and cost nothing.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut stopping => break,
            next = accepted => next,
        };
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let guard = (place, metrics.as_ref().map(|m| m.connection()));
                let connection = connections.clone().serve(stream, peer, stop.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(guard);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: some connection must end before the next can begin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(config.drain_timeout, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(left = tasks.len(), "requests were still under way after the drain timeout and are cut off");
        tasks.shutdown().await;
    }
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

struct Connections<H> {
    http: http1::Builder,
    config: Arc<ServerConfig>,
    handler: Arc<H>,
}

impl<H> Clone for Connections<H> {
    fn clone(&self) -> Self {
        Self { http: self.http.clone(), config: Arc::clone(&self.config), handler: Arc::clone(&self.handler) }
    }
}

impl<H: Handler> Connections<H> {
    async fn serve(self, stream: TcpStream, peer: SocketAddr, mut stop: Shutdown) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection broke before it was used");
            return;
        }
        let exchange = Arc::new(Exchange::default());
        let io =
            ClientIo::new(stream, Arc::clone(&exchange), self.config.header_read_timeout, self.config.idle_timeout);
        let service = service_fn(|request| {
            // Here and not in the future: hyper may look at the socket before it polls that.
            let open = exchange.begin();
            Box::pin(self.answer(request, peer, &exchange, open))
        });
        let mut connection = self.http.serve_connection(TokioIo::new(io), service);
        let mut stopping = pin!(stop.requested());
        let mut told = false;
        let result = loop {
            let run = poll_fn(|cx| connection.poll_without_shutdown(cx));
            tokio::select! {
                result = run => break result,
                () = &mut stopping, if !told => {
                    told = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        let refused = result.as_ref().is_err_and(hyper::Error::is_parse);
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "the connection ended early");
        }
        let stream = connection.into_parts().io.into_inner().into_inner();
        close(stream, refused || exchange.left_unread()).await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        exchange: &Arc<Exchange>,
        open: Open,
    ) -> Result<Response<Tracked>, Infallible> {
        let id = RequestId::random();
        let head = request.method() == Method::HEAD;
        let path = request.uri().path().to_owned();
        let expects = request.headers().contains_key(header::EXPECT);
        let empty = request.body().is_end_stream();
        // hyper answers `Expect: 100-continue` when the body is first polled, so a request that is refused by its headers
        // costs the client no body.
        let mut request =
            request.map(|incoming| Body::new(IdleBody::new(incoming, self.config.idle_timeout, Arc::clone(exchange))));
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(PeerAddr(peer));
        let answer = tokio::time::timeout(self.config.request_timeout, self.handler.handle(request)).await;
        let mut response = answer.unwrap_or_else(|_| {
            let error = Error::client(
                S3ErrorCode::RequestTimeout,
                "The request was not finished within the time that the gateway gives one.",
            );
            let mut response = error.into_response(&path, id.as_str(), head);
            response.headers_mut().insert("x-amz-request-id", id.header());
            response
        });
        // No 100 goes out for a body of no bytes, or for one that nobody asked for. botocore takes a final answer in its place,
        // and reads the next answer on that connection wrongly: so there is no next one.
        if expects && (empty || exchange.left_unread()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Tracked::new(body, open)))
    }
}

/// Ends a connection. `unread`: the client may still be sending.
async fn close(mut stream: TcpStream, unread: bool) {
    if stream.shutdown().await.is_err() || !unread {
        return;
    }
    let mut thrown_away = vec![0; 16 << 10];
    let drain = async { while matches!(stream.read(&mut thrown_away).await, Ok(1..)) {} };
    // Either end is fine: the client has closed, or it has had its time.
    let _ = tokio::time::timeout(LINGER, drain).await;
}

#[cfg(test)]
mod tests;
