//! Requests with signatures of version 2 and 4, in header and query. First line: method and target; then `name:value`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use gateway::s3::sigv4::{Authentication, Secrets, SigV2Mode, Verifier};
use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;

struct Example;

impl Secrets for Example {
    fn secret(&self, access_key: &str) -> Option<&str> {
        (access_key == "AKIAIOSFODNN7EXAMPLE").then_some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }
}

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|b| *b == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(2, |b| *b == b' ');
    let method = words.next().and_then(|m| Method::from_bytes(m).ok());
    let uri = words.next().and_then(|u| Uri::try_from(u).ok());
    let (Some(method), Some(uri)) = (method, uri) else {
        return;
    };
    let headers = gateway_fuzz::headers(lines);
    let verifier = Verifier {
        sigv2: SigV2Mode::All,
        virtual_host_domain: Some("s3.amazonaws.com"),
        ..Verifier::new(&Example, UNIX_EPOCH + Duration::from_secs(1_369_353_600))
    };
    if let Ok(Authentication::Anonymous) = verifier.verify(&method, &uri, &headers) {
        assert!(!headers.contains_key("authorization"));
    }
});
