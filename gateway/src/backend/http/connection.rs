//! Connections to the backend.
//!
//! A connection is driven by whoever uses it, inside the task of the client's own request: hyper's connection future is polled
//! by the call, then by the body of the answer. So bytes pass from socket to socket without changing task, backpressure needs
//! no queue, and dropping the call or the body closes the connection in the same moment.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::io::{Cut, Io};
use super::upload::{Progress, Upload};
use crate::backend::BackendError;
use crate::body::BoxError;

pub(super) type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// The most that hyper reads ahead for one connection.
const BUFFER: usize = 256 << 10;

/// More headers than any store sends.
const MAX_RESPONSE_HEADERS: usize = 512;

/// One connection, at rest or in use.
pub(super) struct Live {
    sender: SendRequest<Upload>,
    connection: http1::Connection<Io<Socket>, Upload>,
    cut: Cut,
    /// It has carried a request before.
    pub(super) reused: bool,
}

/// Why a request had no answer.
pub(super) enum Failure {
    /// The connection had been closed before a byte of the request was written: here it is again.
    Unsent(Box<Request<Upload>>),
    /// The connection broke.
    Broken(BoxError),
    /// The backend was silent for too long.
    Timeout,
}

/// Time bounds on the backend's silence.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) idle: Duration,
    pub(super) response: Duration,
    /// For a 100 (Continue) before a body that was announced by `Expect`.
    pub(super) go_ahead: Duration,
}

impl Live {
    pub(super) async fn open(socket: Socket) -> Result<Self, hyper::Error> {
        let (io, cut) = Io::new(socket);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .max_headers(MAX_RESPONSE_HEADERS)
            .writev(true)
            .handshake(io)
            .await?;
        Ok(Self { sender, connection, cut, reused: false })
    }

    /// Sends one request and waits for the headers of its answer.
    pub(super) async fn exchange(
        &mut self,
        mut request: Request<Upload>,
        progress: &Progress,
        patience: Patience,
    ) -> Result<Response<Incoming>, Failure> {
        let mut held = progress.held();
        if held {
            let progress = progress.clone();
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    progress.release();
                }
            });
        }
        let mut go_ahead = pin!(tokio::time::sleep(patience.go_ahead));
        let mut answer = pin!(self.sender.try_send_request(request));
        let mut sleep = pin!(tokio::time::sleep_until(progress.deadline(patience.idle, patience.response)));
        let mut ended = false;
        poll_fn(|cx| {
            ended = ended || self.connection.poll_without_shutdown(cx).is_ready();
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(|mut e| match e.take_message() {
                    Some(request) => Failure::Unsent(Box::new(request)),
                    None => Failure::Broken(e.into_error().into()),
                }));
            }
            if ended {
                return Poll::Ready(Err(Failure::Broken("the connection ended without an answer".into())));
            }
            // A backend that knows no `Expect` waits for the body: it gets it without a word (RFC 9110, 10.1.1).
            held = held && progress.held();
            if held && go_ahead.as_mut().poll(cx).is_ready() {
                progress.release();
            }
            // The timer is moved when it fires, not at every byte.
            while sleep.as_mut().poll(cx).is_ready() {
                let deadline = progress.deadline(patience.idle, patience.response);
                if deadline <= Instant::now() {
                    return Poll::Ready(Err(Failure::Timeout));
                }
                sleep.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }

    /// Whether something could not be written any more.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_cut()
    }

    /// Whether it is open and ready for a request, found out without waiting.
    fn at_rest(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.connection.poll_without_shutdown(&mut cx).is_pending() && self.sender.is_ready() && !self.is_cut()
    }
}

/// Connections at rest, the last used first.
pub(super) struct Pool {
    idle: Mutex<VecDeque<(Instant, Live)>>,
    size: usize,
    keep: Duration,
}

impl Pool {
    pub(super) fn new(size: usize, keep: Duration) -> Self {
        Self { idle: Mutex::default(), size, keep }
    }

    pub(super) fn take(&self) -> Option<Live> {
        loop {
            let (since, mut live) = self.idle().pop_back()?;
            if since.elapsed() > self.keep {
                // The others are older still.
                self.idle().clear();
                return None;
            }
            if live.at_rest() {
                live.reused = true;
                return Some(live);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end; closes one that is not at rest.
    pub(super) fn put(&self, mut live: Live) {
        if !live.at_rest() {
            return;
        }
        let mut idle = self.idle();
        idle.push_back((Instant::now(), live));
        while idle.len() > self.size || idle.front().is_some_and(|(since, _)| since.elapsed() > self.keep) {
            idle.pop_front();
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Live)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.idle().len()
    }
}

/// The body of an answer. It drives its connection, and gives it back at its end.
pub(super) struct Download {
    incoming: Incoming,
    live: Option<Live>,
    /// None where the connection is not to be used again.
    pool: Option<Arc<Pool>>,
    idle: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Download {
    pub(super) fn new(incoming: Incoming, live: Live, pool: Option<Arc<Pool>>, idle: Duration) -> Self {
        let mut this = Self { incoming, live: Some(live), pool, idle, sleep: None, waiting: false };
        this.release_at_end(false);
        this
    }

    fn release_at_end(&mut self, ended: bool) {
        if (ended || self.incoming.is_end_stream())
            && let Some(live) = self.live.take()
            && let Some(pool) = &self.pool
        {
            pool.put(live);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_ready() {
            return polled;
        }
        if let Some(live) = &mut self.live
            && live.connection.poll_without_shutdown(cx).is_ready()
        {
            self.live = None;
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = this.poll_incoming(cx) {
            this.waiting = false;
            this.release_at_end(frame.is_none());
            return Poll::Ready(frame.map(|f| f.map_err(|e| failed(BackendError::Broken(e.into())))));
        }
        let idle = this.idle;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !this.waiting {
            this.waiting = true;
            sleep.as_mut().reset(Instant::now() + idle);
        }
        sleep.as_mut().poll(cx).map(|()| {
            this.live = None;
            Some(Err(failed(BackendError::Timeout)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn failed(error: BackendError) -> BoxError {
    crate::s3::Error::from(error).into()
}
