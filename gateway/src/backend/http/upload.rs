//! The body of a request to the backend, and how far it has come.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use crate::body::{Body, BoxError};

/// What the body is made of.
pub(super) enum Source {
    Bytes(Bytes),
    Stream {
        body: Body,
        /// Bytes still to come.
        left: u64,
    },
    /// Nothing more is sent, and the end is never reached.
    Stopped,
}

/// The body as the connection pulls it.
pub(super) struct Upload {
    source: Source,
    progress: Progress,
}

/// How far an upload has come: shared by the connection that sends it and the call that waits for the answer. Both run in
/// one task, so the lock is never waited for.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

enum Hold {
    /// The source is not asked for anything yet: the backend has been asked whether it wants it. And whom to wake when it does.
    Held(Option<Waker>),
    Released,
}

struct State {
    /// When the connection last took a frame.
    moved: Instant,
    /// The source has been asked for a frame and has none yet.
    starved: bool,
    done: bool,
    stopped: bool,
    hold: Hold,
    error: Option<BoxError>,
}

/// What an upload that broke its own declaration fails with.
#[derive(Debug, thiserror::Error)]
pub(super) enum LengthError {
    #[error("the body ended {0} bytes before its declared length")]
    Short(u64),
    #[error("the body is longer than its declared length")]
    Long,
}

impl Upload {
    /// `held`: nothing is asked of the source until [`Progress::release`].
    pub(super) fn new(source: Source, held: bool) -> (Self, Progress) {
        let done = matches!(&source, Source::Bytes(b) if b.is_empty());
        let progress = Progress(Arc::new(Mutex::new(State {
            moved: Instant::now(),
            starved: false,
            done,
            stopped: false,
            hold: if held { Hold::Held(None) } else { Hold::Released },
            error: None,
        })));
        let shared = progress.clone();
        (Self { source, progress: shared }, progress)
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        match &mut self.source {
            Source::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Source::Stopped => Poll::Pending,
            Source::Stream { left: 0, .. } => Poll::Ready(None),
            Source::Stream { body, left } => loop {
                let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                    return Poll::Pending;
                };
                return Poll::Ready(Some(match frame.map(|f| f.map(Frame::into_data)) {
                    None => Err(LengthError::Short(*left).into()),
                    Some(Err(e)) => Err(e),
                    // Trailers of the client have no place in a body of declared length; empty frames say nothing.
                    Some(Ok(Err(_))) => continue,
                    Some(Ok(Ok(data))) if data.is_empty() => continue,
                    Some(Ok(Ok(data))) => match left.checked_sub(data.len() as u64) {
                        None => Err(LengthError::Long.into()),
                        Some(rest) => {
                            *left = rest;
                            Ok(data)
                        }
                    },
                }));
            },
        }
    }

    fn ended(&self) -> bool {
        match &self.source {
            Source::Bytes(bytes) => bytes.is_empty(),
            Source::Stream { left, .. } => *left == 0,
            Source::Stopped => false,
        }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        {
            let mut state = this.progress.state();
            if let Hold::Held(waiting) = &mut state.hold {
                *waiting = Some(cx.waker().clone());
                state.starved = true;
                return Poll::Pending;
            }
            if state.stopped {
                this.source = Source::Stopped;
            }
        }
        let polled = this.poll_source(cx);
        let mut state = this.progress.state();
        state.starved = polled.is_pending();
        state.moved = Instant::now();
        state.done = this.ended();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Poll::Ready(Some(Err(error))) => {
                let told = error.to_string();
                // Kept for the caller: the error that hyper makes of it does not hold it for sure.
                state.error = Some(error);
                Poll::Ready(Some(Err(told.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream { left, .. } => SizeHint::with_exact(*left),
            Source::Stopped => SizeHint::default(),
        }
    }
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection has taken everything.
    pub(super) fn done(&self) -> bool {
        self.state().done
    }

    /// Sends nothing more.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
    }

    /// Whether the source is still held back.
    pub(super) fn held(&self) -> bool {
        matches!(self.state().hold, Hold::Held(_))
    }

    /// Lets a source go that was held back.
    pub(super) fn release(&self) {
        let waiting = {
            let mut state = self.state();
            state.moved = Instant::now();
            std::mem::replace(&mut state.hold, Hold::Released)
        };
        if let Hold::Held(Some(waker)) = waiting {
            waker.wake();
        }
    }

    /// Why the source failed, if it did.
    pub(super) fn take_error(&self) -> Option<BoxError> {
        self.state().error.take()
    }

    /// When waiting for the backend has been too long: after `idle` in which it took no byte that we had for it, or after
    /// `response` since it took the last one. A source that is slow itself is not the backend's fault, and has its own bound.
    pub(super) fn deadline(&self, idle: Duration, response: Duration) -> Instant {
        let state = self.state();
        if state.done {
            state.moved + response
        } else if state.starved {
            Instant::now() + idle
        } else {
            state.moved + idle
        }
    }
}
