//! Stream adapters between the client's body and the backend's.

pub mod open;
pub mod scrub;
pub mod seal;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty, Full};

/// What a body stream may fail with. Callers downcast to [`crate::s3::Error`] where one of ours travelled through hyper.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Every request and response body inside the gateway: a stream of byte frames, pulled by whoever sends it on, so that a slow
/// reader slows the writer (backpressure end to end).
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// A body of no bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of bytes already in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The most that is read of a body only to throw it away.
const DISCARD: u64 = 256 << 10;

/// Gives up an answer. A short rest is read to its end, so that its connection can serve again; a longer one costs more than a new
/// connection does.
pub async fn discard(mut body: Body) {
    if body.size_hint().upper().is_some_and(|rest| rest > DISCARD) {
        return;
    }
    let mut read = 0;
    while read <= DISCARD
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
}

/// Why a body could not be read into memory.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The body is longer than the bound that was given.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The other side broke off.
    #[error("the body broke off")]
    Broken(#[source] BoxError),
}

/// Reads a whole body into memory, at most `limit` bytes.
pub async fn collect<B>(body: B, limit: usize) -> Result<Bytes, CollectError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(body);
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| CollectError::Broken(e.into()))?.into_data() else {
            continue;
        };
        if first.as_ref().map_or(0, Bytes::len).max(whole.len()) + data.len() > limit {
            return Err(CollectError::TooLong { limit });
        }
        let Some(first) = &first else {
            first = Some(data);
            continue;
        };
        if whole.is_empty() {
            let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            whole.reserve((first.len() + data.len()).saturating_add(announced).min(limit));
            whole.extend_from_slice(first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first.unwrap_or_default() } else { whole.freeze() })
}
