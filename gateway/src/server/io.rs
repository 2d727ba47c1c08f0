//! The client's socket, with the two things that hyper leaves to others: time bounds on a silent client, and an S3 error
//! where hyper refuses a request by itself.

use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Where a connection stands, between its socket and its requests. All of one connection runs in one task, so the order of
/// the loads and stores is that of the program.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Requests begun so far.
    begun: AtomicU64,
    /// Requests whose answer is not yet wholly produced.
    open: AtomicU64,
    /// Everything produced so far has been handed to the kernel.
    flushed: AtomicBool,
    /// A request's body was given up before its end.
    unread: AtomicBool,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            open: AtomicU64::new(0),
            flushed: AtomicBool::new(true),
            unread: AtomicBool::new(false),
        }
    }
}

impl Exchange {
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        self.flushed.store(false, Relaxed);
        Open(Arc::clone(self))
    }

    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(super) fn left_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    fn idle(&self) -> bool {
        self.open.load(Relaxed) == 0
    }

    /// No byte of any answer is on its way: what is written now, hyper has made up itself.
    fn silent(&self) -> bool {
        self.idle() && self.flushed.load(Relaxed)
    }
}

/// A request is open until this is dropped, with the end of its answer's body.
#[derive(Debug)]
pub(super) struct Open(Arc<Exchange>);

impl Drop for Open {
    fn drop(&mut self) {
        // hyper may still hold the last bytes.
        self.0.flushed.store(false, Relaxed);
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// A timer that is set when waiting begins and forgotten when it ends.
struct Stall {
    sleep: Pin<Box<Sleep>>,
    set: bool,
}

impl Stall {
    fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), set: false }
    }

    /// Ready after `bound` of uninterrupted waiting.
    fn poll(&mut self, cx: &mut Context<'_>, bound: Duration) -> Poll<()> {
        if !self.set {
            self.set = true;
            self.sleep.as_mut().reset(Instant::now() + bound);
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// A client's connection, plain or under TLS, whose writes fail once the client has taken no byte for `idle_time`.
pub(super) struct Patient<S> {
    inner: S,
    idle_time: Duration,
    stall: Stall,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, idle_time: Duration) -> Self {
        Self { inner: stream, idle_time, stall: Stall::new() }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<Result<T>>) -> Poll<Result<T>> {
        if polled.is_ready() {
            self.stall.set = false;
            return polled;
        }
        ready!(self.stall.poll(cx, self.idle_time));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.watch(cx, written)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // TLS still holds records when a write has returned: here they are waited for.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.watch(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.watch(cx, shut)
    }
}

/// The connection of an HTTP/1 client.
pub(super) struct ClientIo<S> {
    inner: Patient<S>,
    exchange: Arc<Exchange>,
    header_time: Duration,
    idle_time: Duration,
    /// The value of `Exchange::begun` when a byte was last read outside a request: a header is being read while it stays.
    in_header_of: Option<u64>,
    read_stall: Stall,
    /// When that header must have ended, however steadily its bytes drip.
    header_deadline: Instant,
    /// Our own answer in place of hyper's, not yet written.
    own: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientIo<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>, header_time: Duration, idle_time: Duration) -> Self {
        Self {
            inner: Patient::new(stream, idle_time),
            exchange,
            header_time,
            idle_time,
            in_header_of: None,
            read_stall: Stall::new(),
            header_deadline: Instant::now(),
            own: Bytes::new(),
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.inner.inner
    }

    /// Writes our own answer out, or times out.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.own.is_empty() {
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.own))?;
            if n == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.own.advance(n);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes hyper's own refusal, if this is one, and queues ours instead.
    fn replace_refusal(&mut self, first: &[u8]) -> bool {
        if !self.exchange.silent() {
            return false;
        }
        let Some(answer) = s3_refusal(first) else {
            return false;
        };
        self.own = answer;
        true
    }
}

/// The S3 form of the answers that hyper gives by itself to a request that it cannot parse.
fn s3_refusal(hypers: &[u8]) -> Option<Bytes> {
    let (code, message) = match hypers.get(..13)? {
        b"HTTP/1.1 431 " | b"HTTP/1.0 431 " => (
            "RequestHeaderSectionTooLarge",
            "Your request header section exceeds the maximum allowed size or number of headers.",
        ),
        b"HTTP/1.1 414 " | b"HTTP/1.0 414 " => ("KeyTooLongError", "Your request line is too long."),
        b"HTTP/1.1 400 " | b"HTTP/1.0 400 " => ("BadRequest", "Your request is not HTTP that can be understood."),
        _ => return None,
    };
    let id = crate::telemetry::RequestId::random();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
    );
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\
         x-amz-request-id: {id}\r\ndate: {}\r\n\r\n{xml}",
        xml.len(),
        httpdate::fmt_http_date(std::time::SystemTime::now()),
    );
    Some(answer.into())
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let room = buf.remaining();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let begun = this.exchange.begun.load(Relaxed);
        if polled.is_ready() {
            this.read_stall.set = false;
            if this.exchange.idle() && buf.remaining() < room && this.in_header_of != Some(begun) {
                this.in_header_of = Some(begun);
                this.header_deadline = Instant::now() + this.header_time;
            }
            return polled;
        }
        if !this.exchange.idle() {
            // A body is watched where it is wanted, in `IdleBody`: here nobody may be asking for it.
            this.read_stall.set = false;
            return Poll::Pending;
        }
        if this.in_header_of == Some(begun) {
            ready!(this.read_stall.poll(cx, this.header_deadline.saturating_duration_since(Instant::now())));
            let late = Error::new(ErrorKind::TimedOut, "the request headers did not arrive in time");
            return Poll::Ready(Err(late));
        }
        ready!(this.read_stall.poll(cx, this.idle_time));
        // Nothing read is the end of the connection.
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.own.is_empty() && this.replace_refusal(bufs.first().map_or(&[], |b| b)) {
            return Poll::Ready(Ok(bufs.iter().map(|b| b.len()).sum()));
        }
        ready!(this.poll_own(cx))?;
        Pin::new(&mut this.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_own(cx))?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        // hyper flushes the socket only when it holds nothing back itself.
        if this.exchange.idle() {
            this.exchange.flushed.store(true, Relaxed);
            // hyper may not read again until something wakes it: let it be the end of the idle time, at the latest.
            if this.in_header_of != Some(this.exchange.begun.load(Relaxed)) {
                let _ = this.read_stall.poll(cx, this.idle_time);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_own(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
