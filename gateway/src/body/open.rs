//! The backend's sealed bytes, opened as they pass.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use keys::object::RangeOpener;

use super::{Body, BoxError, discard};
use crate::s3::Error;
use crate::telemetry::Metrics;

/// Opens a sealed body: the bytes that `opener` asked for (or more behind them) in, authenticated plaintext out. A chunk that
/// does not authenticate ends the stream with an error, so the client sees a broken transfer and never a wrong byte.
pub fn open(sealed: Body, opener: RangeOpener, metrics: Arc<Metrics>) -> Body {
    let source = opener.source();
    let state = State { sealed, left: source.end - source.start, opener: Some(opener), out: BytesMut::new(), metrics };
    StreamBody::new(stream::try_unfold(state, |mut state| async move {
        let frame = state.next().await?;
        Ok::<_, BoxError>(frame.map(|bytes| (Frame::data(bytes), state)))
    }))
    .boxed_unsync()
}

struct State {
    sealed: Body,
    /// Sealed bytes still to be opened.
    left: u64,
    opener: Option<RangeOpener>,
    out: BytesMut,
    metrics: Arc<Metrics>,
}

impl State {
    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            if self.left == 0 {
                let Some(opener) = self.opener.take() else { return Ok(None) };
                opener.finish().map_err(|e| self.refuse(e))?;
                // What follows the covering chunks: padding, TABLE, SUMMARY.
                discard(std::mem::replace(&mut self.sealed, super::empty())).await;
                return Ok(None);
            }
            let Some(opener) = &mut self.opener else { return Ok(None) };
            let Some(frame) = self.sealed.frame().await else {
                return Err(self.refuse(keys::Error::Truncated));
            };
            let Ok(mut sealed) = frame?.into_data() else { continue };
            let take = usize::try_from(self.left).map_or(sealed.len(), |left| left.min(sealed.len()));
            let sealed = sealed.split_to(take);
            self.left -= sealed.len() as u64;
            self.out.reserve(sealed.len());
            if let Err(e) = opener.update(&sealed, &mut self.out) {
                return Err(self.refuse(e));
            }
            if !self.out.is_empty() {
                let plaintext = self.out.split().freeze();
                self.metrics.opened(plaintext.len() as u64);
                return Ok(Some(plaintext));
            }
        }
    }

    fn refuse(&self, error: keys::Error) -> BoxError {
        self.metrics.integrity_failure("stream");
        tracing::error!(%error, "a stored object did not authenticate; the answer was cut off");
        Box::new(Error::Sealed(error))
    }
}
