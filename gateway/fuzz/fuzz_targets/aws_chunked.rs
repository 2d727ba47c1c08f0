//! Unsigned aws-chunked bodies in frames of any size. First two bytes: frame size, declared length.
#![no_main]

use bytes::Bytes;
use gateway::s3::chunked::{Decoder, Framing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [frame, declared, body @ ..] = data else {
        return;
    };
    let decode = |frame: usize| {
        let mut decoder = Decoder::new(Framing::Unsigned, u64::from(*declared));
        let mut out = Vec::new();
        for frame in body.chunks(frame) {
            let mut input = Bytes::copy_from_slice(frame);
            while let Some(data) = decoder.decode(&mut input).ok()? {
                out.extend_from_slice(&data);
            }
        }
        let trailer = decoder.finish().ok()?;
        assert_eq!(out.len(), usize::from(*declared));
        Some((out, trailer))
    };
    assert_eq!(decode(usize::from(*frame).max(1)), decode(body.len().max(1)), "framing must not matter");
});
