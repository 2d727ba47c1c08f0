//! `x-amz-copy-source`: what is written for the backend names what the client named.
#![no_main]

use gateway::s3::address::{BucketNames, CopySource};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    for names in [BucketNames::Plain, BucketNames::Tenanted] {
        if let Ok(source) = CopySource::parse(value, names) {
            let again = CopySource::parse(source.to_header().as_bytes(), names);
            assert_eq!(again.expect("our own header"), source);
        }
    }
});
