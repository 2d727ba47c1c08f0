//! The bytes that are sent: one block over and over, made once.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

const BLOCK: usize = 256 * 1024;

/// Bytes that do not compress and repeat only after a block: a xorshift generator (Marsaglia, 2003).
static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block.into()
});

/// A request body of a given length.
#[derive(Debug)]
pub struct Noise {
    left: u64,
}

impl Noise {
    /// A body of `length` bytes.
    pub fn new(length: u64) -> Self {
        Self { left: length }
    }
}

impl Iterator for Noise {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let take = self.left.min(BLOCK as u64);
        self.left -= take;
        (take > 0).then(|| NOISE.slice(..take as usize))
    }
}

impl http_body::Body for Noise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|block| Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// SHA-256 of a body of `length` bytes, in hexadecimal.
pub fn sha256(length: u64) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    Noise::new(length).for_each(|block| context.update(&block));
    hex::encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_length_it_declares() {
        for length in [0, 1, BLOCK as u64 - 1, BLOCK as u64, BLOCK as u64 * 3 + 7] {
            let sent: u64 = Noise::new(length).map(|block| block.len() as u64).sum();
            assert_eq!(sent, length);
        }
    }

    #[test]
    fn the_hash_of_nothing_is_known() {
        assert_eq!(sha256(0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
