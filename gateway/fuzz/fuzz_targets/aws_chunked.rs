//! Unsigned aws-chunked bodies: what they decode to, or why not, does not depend on where they are cut.
//! First byte: declared length; second: number of cuts; then the size of each; then the body.
#![no_main]

use bytes::Bytes;
use gateway::s3::chunked::{ChunkedError, Decoder, Framing, Trailer};
use libfuzzer_sys::fuzz_target;

fn decode<'a>(declared: u8, frames: impl Iterator<Item = &'a [u8]>) -> Result<(Vec<u8>, Trailer), ChunkedError> {
    let mut decoder = Decoder::new(Framing::Unsigned, declared.into());
    let mut out = Vec::new();
    for frame in frames {
        let mut input = Bytes::copy_from_slice(frame);
        while let Some(data) = decoder.decode(&mut input)? {
            assert!(!data.is_empty());
            out.extend_from_slice(&data);
            assert!(out.len() <= usize::from(declared));
        }
        assert!(input.is_empty());
    }
    let trailer = decoder.finish()?;
    assert_eq!(out.len(), usize::from(declared));
    Ok((out, trailer))
}

fuzz_target!(|data: &[u8]| {
    let [declared, cuts, rest @ ..] = data else {
        return;
    };
    let (cuts, body) = rest.split_at(rest.len().min((*cuts).into()));
    let mut left = body;
    let mut frames = Vec::new();
    // The sizes again and again, until nothing is left.
    for size in cuts.iter().cycle().take_while(|_| cuts.iter().any(|size| *size > 0)) {
        if left.is_empty() {
            break;
        }
        let (frame, rest) = left.split_at(left.len().min((*size).into()));
        frames.push(frame);
        left = rest;
    }
    frames.push(left);
    let whole = decode(*declared, std::iter::once(body));
    assert_eq!(decode(*declared, frames.into_iter()), whole);
    assert_eq!(decode(*declared, body.chunks(1)), whole);
});
