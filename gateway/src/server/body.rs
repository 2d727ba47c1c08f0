//! The two bodies of an exchange, watched.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use s3s::S3ErrorCode;
use tokio::time::{Instant, Sleep};

use super::io::{Exchange, Open};
use crate::body::{Body, BoxError};
use crate::s3::Error;

/// A client's body, which fails when no byte of it arrives for `idle` while one is wanted.
pub(super) struct IdleBody {
    inner: Incoming,
    idle: Duration,
    /// Made when a frame has to be waited for, so a body that is there costs no timer.
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    ended: bool,
    exchange: Arc<Exchange>,
}

impl IdleBody {
    pub(super) fn new(inner: Incoming, idle: Duration, exchange: Arc<Exchange>) -> Self {
        Self { inner, idle, sleep: None, waiting: false, ended: false, exchange }
    }
}

impl HttpBody for IdleBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.waiting = false;
            this.ended = frame.is_none();
            return Poll::Ready(frame.map(|f| f.map_err(BoxError::from)));
        }
        let idle = this.idle;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !this.waiting {
            this.waiting = true;
            sleep.as_mut().reset(Instant::now() + idle);
        }
        sleep.as_mut().poll(cx).map(|()| {
            Some(Err(Error::client(
                S3ErrorCode::RequestTimeout,
                "Your socket connection to the server was not read from or written to within the timeout period.",
            )
            .into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for IdleBody {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.exchange.leave_unread();
        }
    }
}

/// An answer's body, with which its request ends.
pub(super) struct Tracked {
    inner: Body,
    _open: Open,
}

impl Tracked {
    pub(super) fn new(inner: Body, open: Open) -> Self {
        Self { inner, _open: open }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
