//! `If-Match` and its kin: a condition and its opposite never both hold. Lines of `name:value`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use gateway::ops::conditions::{COPY_SOURCE, Outcome, READ, if_range_allows, matches, weigh};
use libfuzzer_sys::fuzz_target;

const ETAG: &str = "9b2cf535f27731c974343645a3985328";

fuzz_target!(|data: &[u8]| {
    let headers = gateway_fuzz::headers(data.split(|b| *b == b'\n'));
    let last_modified = Some(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
    for (names, unchanged, if_match, if_none_match) in [
        (&READ, Outcome::NotModified, "if-match", "if-none-match"),
        (&COPY_SOURCE, Outcome::Failed, "x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match"),
    ] {
        let named = |name: &str| {
            let list = headers.get(name).and_then(|v| v.to_str().ok())?;
            Some(matches(list, ETAG))
        };
        let outcome = weigh(names, &headers, ETAG, last_modified);
        match (named(if_match), named(if_none_match)) {
            (Some(false), _) => assert_eq!(outcome, Outcome::Failed),
            (Some(true), Some(true)) => assert_eq!(outcome, unchanged),
            (Some(true), Some(false)) => assert_eq!(outcome, Outcome::Go),
            _ => {}
        }
    }
    let _ = if_range_allows(&headers, ETAG, last_modified);
});
