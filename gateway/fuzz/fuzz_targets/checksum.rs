//! Values of checksum headers: what is read prints as it was.
#![no_main]

use gateway::s3::checksum::{ALGORITHMS, parse, parse_algorithm, parse_object, to_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for algorithm in ALGORITHMS {
        if let Ok(checksum) = parse(algorithm, text) {
            assert_eq!(to_text(&checksum, 1), text);
        }
        if let Ok((checksum, Some(parts))) = parse_object(algorithm, text) {
            assert_eq!(parse_object(algorithm, &to_text(&checksum, parts)), Ok((checksum, Some(parts))));
        }
    }
    let _ = parse_algorithm(text);
});
