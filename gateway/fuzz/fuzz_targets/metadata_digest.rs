//! Any header values are digested, and the mask names no header that is not there. Lines of `name:value`.
#![no_main]

use keys::metadata::{SYSTEM_HEADERS, digest, mask};
use libfuzzer_sys::fuzz_target;

/// Without the white space that HTTP allows around a value.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fuzz_target!(|data: &[u8]| {
    let lines: Vec<_> = data.split(|b| *b == b'\n').collect();
    let headers = || {
        lines.iter().filter_map(|line| {
            let colon = line.iter().position(|b| *b == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
        })
    };
    let mask = mask(headers());
    let present = |name: &str| headers().any(|(sent, _)| sent.eq_ignore_ascii_case(name));
    for (bit, name) in SYSTEM_HEADERS.iter().enumerate() {
        assert!(mask & 1 << bit == 0 || present(name));
    }
    // Header names have no case, and a backend may trim values.
    let changed: Vec<_> = headers().map(|(name, value)| (name.to_ascii_uppercase(), trim(value))).collect();
    assert_eq!(digest(headers(), mask), digest(changed.iter().map(|(name, value)| (name.as_str(), *value)), mask));
});
