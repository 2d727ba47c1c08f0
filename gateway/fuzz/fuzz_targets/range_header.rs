//! `Range` and `Content-Range`: what is served is a part of the body, and is what the three forms mean.
#![no_main]

use gateway::ops::range::{Asked, Spec, header, parse_content_range};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u64)| {
    let (text, length) = input;
    if let Some((range, total)) = parse_content_range(text) {
        assert!(range.start < range.end && range.end <= total);
    }
    let Some(spec) = Spec::parse(text) else { return };
    let asked = match spec {
        Spec::From(first, last) => first..last.map_or(length, |last| length.min(last.saturating_add(1))),
        Spec::Last(count) => length - count.min(length)..length,
    };
    match spec.of(length) {
        Asked::Unsatisfiable => assert!(asked.is_empty()),
        Asked::Part(range) => {
            assert_eq!(range, asked);
            // The backend, asked in our words, gives the same.
            assert_eq!(Spec::parse(&header(&range)).map(|s| s.of(length)), Some(Asked::Part(range)));
        }
    }
});
