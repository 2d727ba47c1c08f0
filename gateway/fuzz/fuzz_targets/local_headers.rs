//! What the embedded backend takes off a request's headers: kept ones come back byte for byte. Lines of `name:value`.
#![no_main]

use gateway::backend::local::tags::Tags;
use gateway::backend::local::wire::{Taken, stored_headers};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut headers = gateway_fuzz::headers(data.split(|b| *b == b'\n'));
    let sent = headers.clone();
    let taken = Taken::off(&mut headers);
    let back = stored_headers(&taken.stored);
    for name in sent.keys().filter(|name| !headers.contains_key(*name) && name.as_str() != "range") {
        let values: Vec<_> = sent.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(back[name].as_bytes(), values.join(&b','));
    }
    if let Ok(source) = taken.source() {
        assert!(!source.bucket.is_empty() && (1..=1024).contains(&source.key.len()));
    }
    if let Ok(tags) = Tags::from_header(sent.get("x-amz-tagging").and_then(|v| v.to_str().ok())) {
        assert!(tags.len() <= 10);
        assert_eq!(Tags::from_column(tags.to_column().as_deref()), tags);
    }
});
