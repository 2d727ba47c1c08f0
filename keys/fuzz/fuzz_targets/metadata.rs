//! Any header values are digested, and the mask names no header that is not there.
#![no_main]

use keys::metadata::{SYSTEM_HEADERS, digest, mask};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: Vec<(u8, &str, &[u8])>| {
    let headers = || {
        data.iter().map(|(which, name, value)| {
            let name = match SYSTEM_HEADERS.get(usize::from(*which)) {
                Some(system) => system,
                None if which % 2 == 0 => "x-amz-meta-a",
                None => *name,
            };
            (name, *value)
        })
    };
    let mask = mask(headers());
    let present = |name: &str| headers().any(|(sent, _)| sent.eq_ignore_ascii_case(name));
    for (bit, name) in SYSTEM_HEADERS.iter().enumerate() {
        assert!(mask & 1 << bit == 0 || present(name));
    }
    assert_eq!(digest(headers(), mask), digest(headers(), mask));
});
