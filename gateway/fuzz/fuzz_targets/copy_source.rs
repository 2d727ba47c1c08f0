//! `x-amz-copy-source`: what is written for the backend names what the client named.
#![no_main]

use gateway::s3::address::CopySource;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    if let Ok(source) = CopySource::parse(value) {
        let again = CopySource::parse(source.to_header().as_bytes());
        assert_eq!(again.expect("our own header"), source);
    }
});
