//! HTTP/2, under TLS only (RFC 9113).
//!
//! The bounds of HTTP/1 hold for it too: silence between requests, in a body, and of a client that takes no bytes. A stream
//! whose client gives no window is reset by itself; the others of its connection go on. All connections together have no more
//! requests under way than there may be connections, so that what a request may take of memory is not multiplied by streams.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::connection::Connections;
use super::io::Patient;
use super::{Client, Handler, Shutdown};
use crate::body::{Body, BoxError};
use crate::config::ServerConfig;

/// What a client may send of one body, and of all bodies of a connection, before it is asked for more.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// What is held back of one answer.
const SEND_BUFFER: usize = 64 << 10;

/// Against rapid resets (CVE-2023-44487) stand h2's own bounds, which are left as they are: 20
/// streams reset before they were taken up, 1,024 resets of ours, and the connection ends.
pub(super) fn protocol(config: &ServerConfig) -> http2::Builder<Streams> {
    let mut http = http2::Builder::new(Streams { idle_time: config.idle_timeout });
    http.timer(TokioTimer::new())
        .max_concurrent_streams(config.http2_max_streams.max(1))
        .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    http
}

/// Serves one connection until it ends, or is told to.
pub(super) async fn serve<H, S>(connections: Arc<Connections<H>>, stream: S, peer: Client, mut stop: Shutdown)
where
    H: Handler,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let idle_time = connections.config.idle_timeout;
    let io = TokioIo::new(Patient::new(stream, idle_time));
    let (open, seen) = watch::channel(0);
    let open = Arc::new(open);
    let http = connections.http2.clone();
    let service = service_fn(|request| {
        let (connections, begun) = (Arc::clone(&connections), Begun::new(&open));
        async move { Ok::<_, Infallible>(answer(&connections, request, peer, begun).await) }
    });
    let mut connection = pin!(http.serve_connection(io, service));
    // GOAWAY is said first. A client that is at rest and does not leave on it is cut off.
    let mut told = false;
    let result = loop {
        tokio::select! {
            result = connection.as_mut() => break result,
            () = stop.requested(), if !told => {}
            () = idle(seen.clone(), idle_time) => {
                if told {
                    return;
                }
            }
        }
        told = true;
        connection.as_mut().graceful_shutdown();
    };
    if let Err(error) = result {
        tracing::debug!(peer = %peer.address, %error, "the connection ended early");
    }
}

/// Returns once no request has been open, or begun, for `time`.
async fn idle(mut open: watch::Receiver<usize>, time: Duration) {
    // An error means that the connection is gone.
    while open.wait_for(|open| *open == 0).await.is_ok() {
        if !matches!(tokio::time::timeout(time, open.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// A request is open until this is dropped, with the end of its answer's body.
struct Begun(Arc<watch::Sender<usize>>);

impl Begun {
    fn new(open: &Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(Arc::clone(open))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn answer<H: Handler>(
    connections: &Connections<H>,
    mut request: Request<Incoming>,
    peer: Client,
    begun: Begun,
) -> Response<Paced> {
    let pace = PACE.try_with(Arc::clone).ok();
    // Never closed.
    let permit = Arc::clone(&connections.requests).acquire_owned().await.ok();
    as_http1(&mut request);
    let response = connections.respond(request, peer, &Arc::default()).await;
    response.map(|inner| Paced { inner, pace, _begun: begun, _permit: permit })
}

/// Gives a request the form of one of HTTP/1.1, which is what all behind us reads: `:authority` becomes `Host` (RFC 9113, 8.3.1),
/// the target a path. A body needs no length here, since the end of its stream cannot be lost unseen: it counts as chunked.
fn as_http1(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
    if let Some(host) = authority {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = request.uri().path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    let may_have_body = !request.body().is_end_stream() || [Method::PUT, Method::POST].contains(request.method());
    if may_have_body && !request.headers().contains_key(header::CONTENT_LENGTH) {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

tokio::task_local! {
    /// That of the stream whose task this is.
    static PACE: Arc<Pace>;
}

/// Runs each stream in a task of its own, until its client has taken no byte of the answer for `idle_time`: it is reset then.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    idle_time: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let pace = Arc::new(Pace::new());
        let idle_time = self.idle_time;
        tokio::spawn(PACE.scope(Arc::clone(&pace), async move {
            tokio::select! { () = stream => {}, () = pace.stalled(idle_time) => {} }
        }));
    }
}

/// Since when a frame of an answer has waited for the client's window. hyper asks for the next frame only when there is room.
#[derive(Debug)]
struct Pace {
    epoch: Instant,
    /// Milliseconds since `epoch`, and 1; 0 while nothing waits.
    given: AtomicU64,
}

impl Pace {
    fn new() -> Self {
        Self { epoch: Instant::now(), given: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// Returns when a frame has waited for `most`, after twice that at the latest.
    async fn stalled(&self, most: Duration) {
        loop {
            let waited = match self.given.load(Relaxed) {
                0 => Duration::ZERO,
                given => Duration::from_millis(self.now().saturating_sub(given)),
            };
            match most.checked_sub(waited) {
                None | Some(Duration::ZERO) => return,
                Some(rest) => tokio::time::sleep(rest).await,
            }
        }
    }
}

/// An answer's body, with which its request ends.
pub(super) struct Paced {
    inner: Body,
    pace: Option<Arc<Pace>>,
    _begun: Begun,
    _permit: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mark = |given: u64| {
            if let Some(pace) = &this.pace {
                pace.given.store(given, Relaxed);
            }
        };
        mark(0);
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        mark(this.pace.as_ref().map_or(0, |pace| pace.now()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests;
