//! Headers that describe a body, and the body: signed chunks under the published example, or anything from nobody.
//! First byte: which; then `name:value` lines, an empty line, the body.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use gateway::body;
use gateway::s3::intake::{Intake, IntakeOptions};
use gateway::s3::sigv4::{Authentication, Secrets, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use libfuzzer_sys::fuzz_target;

struct Example;

impl Secrets for Example {
    fn secret(&self, _: &str) -> Option<&str> {
        Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }
}

/// Amazon S3 API Reference, "Transferring Payload in Multiple Chunks".
fn signed() -> Authentication {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,\
             Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Verifier::new(&Example, UNIX_EPOCH + Duration::from_secs(1_369_353_600))
        .verify(&Method::PUT, &Uri::from_static("/examplebucket/chunkObject.txt"), &headers)
        .expect("the published example")
}

fuzz_target!(|data: &[u8]| {
    let [which, data @ ..] = data else {
        return;
    };
    let auth = if which & 1 == 0 { Authentication::Anonymous } else { signed() };
    let end = data.windows(2).position(|w| w == b"\n\n");
    let (head, rest) = end.map_or((data, &data[..0]), |i| (&data[..i], &data[i + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|b| *b == b'\n') {
        let mut halves = line.splitn(2, |b| *b == b':');
        let name = halves.next().and_then(|n| HeaderName::from_bytes(n).ok());
        let value = halves.next().and_then(|v| HeaderValue::from_bytes(v).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let options = IntakeOptions {
        md5: true,
        checksum: None,
        max_length: 4096,
        idle_timeout: Duration::from_secs(1),
    };
    let Ok(mut intake) = Intake::new(&headers, body::full(rest.to_vec()), &auth, options) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut length = 0;
        loop {
            match intake.next().await {
                Ok(Some(data)) => length += data.len() as u64,
                Ok(None) => {
                    assert_eq!(intake.received().length, length);
                    assert!(intake.length().is_none_or(|declared| declared == length));
                    assert!(length <= 4096);
                    break;
                }
                Err(_) => {
                    assert!(intake.next().await.is_err(), "no end after an error");
                    break;
                }
            }
        }
    });
});
