//! A policy never allows a field that it does not speak of, nor anything after its time. First line: the document; the others: `name=value`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway::s3::form::Fields;
use gateway::s3::post_policy::PostPolicy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let document = lines.next().unwrap_or_default();
    let Ok(policy) = PostPolicy::parse(&BASE64_STANDARD.encode(document)) else { return };
    let mut fields = Fields::default();
    for (name, value) in lines.filter_map(|line| line.split_once('=')) {
        fields.set(&name.to_ascii_lowercase(), value.to_owned());
    }
    let now = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
    if policy.check(&fields, now).is_err() {
        return;
    }
    let unspoken = "x-amz-meta-nobody-speaks-of-this";
    if !document.to_ascii_lowercase().contains(unspoken) && !document.contains("\\u") {
        fields.set(unspoken, String::new());
        assert!(policy.check(&fields, now).is_err(), "a field that the policy does not speak of");
    }
    // The last second that a policy can name.
    let end_of_time = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    assert!(document.contains("9999-") || policy.check(&fields, end_of_time).is_err(), "after its time");
});
