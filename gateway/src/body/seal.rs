//! The client's plaintext, sealed as it passes.

use std::future::Future;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use keys::object::PartSealer;

use super::scrub::Plaintext;
use super::{Body, BoxError, CollectError};
use crate::s3::Error;
use crate::s3::intake::Received;

/// What is done once the whole plaintext has been read and verified, and before the last sealed bytes are let go: it gives the
/// bytes that follow the message. An error here, like one of the plaintext, ends the stream, and nothing is committed.
pub type Finish = Box<dyn FnOnce(Received) -> Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>> + Send>;

/// Seals a plaintext as one message, followed by what `finish` gives. The last chunk is held back until the client's length,
/// checksums and signatures have been verified.
pub fn seal(plaintext: impl Into<Plaintext>, sealer: PartSealer, finish: Finish) -> Body {
    let state = State { plaintext: plaintext.into(), sealer: Some((sealer, finish)), out: BytesMut::new(), held: None };
    StreamBody::new(stream::try_unfold(state, |mut state| async move {
        let next = state.next().await.map_err(|e| Box::new(e) as BoxError)?;
        Ok::<_, BoxError>(next.map(|bytes| (Frame::data(bytes), state)))
    }))
    .boxed_unsync()
}

/// Seals a plaintext as [`seal`] does, but into one buffer, for a body that is sent from memory. `length`: of what comes out, bytes.
pub async fn seal_whole(
    plaintext: impl Into<Plaintext>,
    mut sealer: PartSealer,
    finish: Finish,
    length: usize,
) -> Result<Bytes, Error> {
    let mut plaintext = plaintext.into();
    let mut out = BytesMut::with_capacity(length);
    while let Some(bytes) = plaintext.next().await? {
        sealer.update(&bytes, &mut out)?;
    }
    let tail = finish(plaintext.received()).await?;
    sealer.finish(&mut out)?;
    out.extend_from_slice(&tail);
    Ok(out.freeze())
}

struct State {
    plaintext: Plaintext,
    sealer: Option<(PartSealer, Finish)>,
    out: BytesMut,
    held: Option<Bytes>,
}

impl State {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        loop {
            let Some((sealer, _)) = &mut self.sealer else { return Ok(None) };
            if let Some(bytes) = self.plaintext.next().await? {
                self.out.reserve(bytes.len() + (bytes.len() / 1024) + 128);
                sealer.update(&bytes, &mut self.out)?;
                if !self.out.is_empty() {
                    return Ok(Some(self.out.split().freeze()));
                }
                continue;
            }
            let Some((sealer, finish)) = self.sealer.take() else { return Ok(None) };
            let tail = finish(self.plaintext.received()).await?;
            sealer.finish(&mut self.out)?;
            let last = self.out.split().freeze();
            if !tail.is_empty() {
                self.held = Some(tail);
            }
            return Ok(Some(last));
        }
    }
}

/// The error of ours that travelled through a body stream, or the fact that the stream broke.
pub fn body_error(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(other) => Error::Backend(crate::backend::BackendError::Body(other)),
    }
}

impl From<CollectError> for Error {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Broken(e) => body_error(e),
            CollectError::TooLong { limit } => Self::client(
                s3s::S3ErrorCode::EntityTooLarge,
                format!("The body is longer than the {limit} bytes allowed here"),
            ),
        }
    }
}
