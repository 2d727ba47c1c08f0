//! From plaintext to aws-chunked, with the checksum of what passed in the trailer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use keys::object::ChecksumAlgorithm;

use crate::body::{Body, BoxError};
use crate::s3::checksum::{Hasher, header_name, to_text};

/// Why a stream could not be encoded: it does not hold what was declared to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It ended early.
    #[error("the stream ended {missing} bytes before its declared length")]
    Short {
        /// How many bytes were missing.
        missing: u64,
    },
    /// It went on.
    #[error("the stream is longer than its declared length")]
    Long,
}

/// Encodes a stream of known length as `STREAMING-UNSIGNED-PAYLOAD-TRAILER`. Data passes uncopied: a chunk is several frames.
pub struct TrailerEncoder {
    body: Body,
    algorithm: ChecksumAlgorithm,
    hasher: Option<Hasher>,
    /// Plaintext bytes of chunks not yet begun.
    left: u64,
    /// Encoded bytes not yet given out.
    encoded_left: u64,
    state: State,
    /// Plaintext that has come and is not yet given out.
    pending: Bytes,
}

enum State {
    /// The line of the next chunk comes next; `first`: no CRLF of a chunk before it.
    Line {
        first: bool,
    },
    /// Data of a chunk comes next.
    Data {
        left: u64,
    },
    /// The last chunk's line and the trailer are out; the stream must have ended.
    Done,
    Failed,
}

impl TrailerEncoder {
    /// Plaintext bytes in a chunk. Backends bound theirs: 64 KiB is what SDKs send.
    pub const CHUNK: u64 = 64 * 1024;

    /// Exact length in bytes of `length` bytes encoded in chunks of `chunk` bytes.
    pub fn encoded_len(length: u64, chunk: u64, algorithm: ChecksumAlgorithm) -> u64 {
        let framed = |size: u64| hex_len(size) + 2 + size + 2;
        let (full, rest) = (length / chunk, length % chunk);
        let last = if rest == 0 { 0 } else { framed(rest) };
        full * framed(chunk) + last + 3 + trailer_len(algorithm)
    }

    /// Encodes a stream of exactly `length` bytes in chunks of [`Self::CHUNK`]. A stream of another length ends in an
    /// [`EncodeError`], before the last byte has been given out.
    pub fn encode(body: Body, length: u64, algorithm: ChecksumAlgorithm) -> Body {
        Self {
            body,
            algorithm,
            hasher: Some(Hasher::new(algorithm)),
            left: length,
            encoded_left: Self::encoded_len(length, Self::CHUNK, algorithm),
            state: State::Line { first: true },
            pending: Bytes::new(),
        }
        .boxed_unsync()
    }

    /// The next frame; `Ok(None)` at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        loop {
            match self.state {
                State::Line { first } if self.left > 0 => {
                    let size = self.left.min(Self::CHUNK);
                    self.left -= size;
                    self.state = State::Data { left: size };
                    return Poll::Ready(Ok(Some(chunk_line(first, size))));
                }
                State::Line { first } => {
                    // The stream must be at its end before the trailer vouches for it.
                    if ready!(self.poll_pending(cx))? {
                        return Poll::Ready(Err(EncodeError::Long.into()));
                    }
                    self.state = State::Done;
                    return Poll::Ready(Ok(Some(self.end(first))));
                }
                State::Data { left: 0 } => self.state = State::Line { first: false },
                State::Data { left } => {
                    if !ready!(self.poll_pending(cx))? {
                        return Poll::Ready(Err(EncodeError::Short { missing: left + self.left }.into()));
                    }
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.pending.len());
                    let data = self.pending.split_to(length);
                    self.state = State::Data { left: left - length as u64 };
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&data);
                    }
                    return Poll::Ready(Ok(Some(data)));
                }
                State::Done | State::Failed => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Makes `pending` hold something; `false` at the end of the stream.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BoxError>> {
        while self.pending.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(Ok(false)),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.pending = data;
                    }
                }
            }
        }
        Poll::Ready(Ok(true))
    }

    /// The last chunk's line and the trailer.
    fn end(&mut self, first: bool) -> Bytes {
        let value = self.hasher.take().map(|hasher| to_text(&hasher.finish(), 1)).unwrap_or_default();
        let line_end = if first { "" } else { "\r\n" };
        format!("{line_end}0\r\n{}:{value}\r\n\r\n", header_name(self.algorithm).as_str()).into()
    }
}

impl http_body::Body for TrailerEncoder {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let result = ready!(self.poll_next(cx));
        match &result {
            Ok(Some(data)) => self.encoded_left -= data.len() as u64,
            Ok(None) => {}
            Err(_) => self.state = State::Failed,
        }
        Poll::Ready(result.transpose().map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.encoded_left)
    }
}

/// `[CRLF] size CRLF`, with the CRLF that ends the chunk before.
fn chunk_line(first: bool, size: u64) -> Bytes {
    match (first, size) {
        (false, TrailerEncoder::CHUNK) => Bytes::from_static(b"\r\n10000\r\n"),
        (false, _) => format!("\r\n{size:x}\r\n").into(),
        (true, _) => format!("{size:x}\r\n").into(),
    }
}

fn hex_len(size: u64) -> u64 {
    u64::from(size.checked_ilog(16).unwrap_or(0)) + 1
}

/// `name ":" base64 CRLF CRLF`
fn trailer_len(algorithm: ChecksumAlgorithm) -> u64 {
    let base64 = algorithm.len().div_ceil(3) * 4;
    (header_name(algorithm).as_str().len() + 1 + base64 + 4) as u64
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use proptest::prelude::*;

    use super::super::decode::{Decoder, Framing};
    use super::*;
    use crate::s3::checksum::{ALGORITHMS, checksum};

    fn stream_of(frames: &[Vec<u8>]) -> Body {
        let frames: Vec<_> = frames.iter().map(|f| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(f)))).collect();
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    fn collect(body: Body) -> Result<Bytes, BoxError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { Ok(body.collect().await?.to_bytes()) })
    }

    #[test]
    fn an_object_of_no_bytes() {
        let encoded = collect(TrailerEncoder::encode(crate::body::empty(), 0, ChecksumAlgorithm::Crc32c)).unwrap();
        assert_eq!(&encoded[..], b"0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n");
    }

    #[test]
    fn a_stream_of_another_length_fails_before_its_end() {
        for (given, declared) in [(9, 10), (11, 10), (0, 1), (1, 0), (65_536, 65_537), (65_537, 65_536)] {
            let body = TrailerEncoder::encode(stream_of(&[vec![7; given]]), declared, ChecksumAlgorithm::Crc32);
            let error = collect(body).unwrap_err();
            let expected = if given as u64 > declared { EncodeError::Long } else { EncodeError::Short { missing: 1 } };
            assert_eq!(error.downcast_ref::<EncodeError>(), Some(&expected), "{given} of {declared}");
        }
    }

    proptest! {
        #[test]
        fn length_is_exact_and_the_decoder_takes_it(
            lengths in proptest::collection::vec(0usize..150_000, 0..5),
            at in 0usize..ALGORITHMS.len(),
        ) {
            let algorithm = ALGORITHMS[at];
            let frames: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(i, n)| vec![i as u8; *n]).collect();
            let plain = frames.concat();
            let length = plain.len() as u64;
            let body = TrailerEncoder::encode(stream_of(&frames), length, algorithm);
            let expected = TrailerEncoder::encoded_len(length, TrailerEncoder::CHUNK, algorithm);
            prop_assert_eq!(body.size_hint().exact(), Some(expected));
            let mut encoded = collect(body).unwrap();
            prop_assert_eq!(encoded.len() as u64, expected);

            let mut decoder = Decoder::new(Framing::Unsigned, length);
            let mut decoded = Vec::new();
            while let Some(data) = decoder.decode(&mut encoded).unwrap() {
                decoded.extend_from_slice(&data);
            }
            let trailer = decoder.finish().unwrap();
            prop_assert!(decoded == plain);
            let value = to_text(&checksum(algorithm, &plain), 1);
            prop_assert_eq!(trailer, vec![(header_name(algorithm).to_string(), value)]);
        }
    }
}
