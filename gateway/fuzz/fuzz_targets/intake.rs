//! Headers that describe a body, and the body: signed chunks under the published example, or anything from nobody.
//! First byte: which; second: size of the frames; then `name:value` lines, an empty line, the body. Of the published example, the
//! first two bytes of the body say from where the others take the place of its own.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream;
use gateway::body::BoxError;
use gateway::s3::intake::{Intake, IntakeOptions};
use gateway::s3::sigv4::{Authentication, Secrets, Verifier};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
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

/// Its body: two chunks of data and the empty one.
static BODY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut body = Vec::new();
    for (size, signature) in [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ] {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.resize(body.len() + size, b'a');
        body.extend_from_slice(b"\r\n");
    }
    body
});

const MAX_LENGTH: u64 = 100_000;

/// Takes in a body in frames of that size: its plaintext, or the S3 code of the error.
fn take_in(headers: &HeaderMap, auth: &Authentication, body: &[u8], frame: usize) -> Result<Vec<u8>, String> {
    let options =
        IntakeOptions { md5: true, checksum: None, max_length: MAX_LENGTH, idle_timeout: Duration::from_secs(1) };
    let frames: Vec<_> =
        body.chunks(frame).map(|frame| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(frame)))).collect();
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let mut intake = Intake::new(headers, body, auth, options).map_err(|e| e.s3().0.into_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut out = Vec::new();
        loop {
            match intake.next().await {
                Ok(Some(data)) => out.extend_from_slice(&data),
                Ok(None) => {
                    let length = out.len() as u64;
                    assert_eq!(intake.received().length, length);
                    assert!(intake.length().is_none_or(|declared| declared == length));
                    assert!(length <= MAX_LENGTH);
                    return Ok(out);
                }
                Err(error) => {
                    assert!(intake.next().await.is_err(), "no end after an error");
                    return Err(error.s3().0.into_owned());
                }
            }
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let [which, frame, data @ ..] = data else {
        return;
    };
    let end = data.windows(2).position(|w| w == b"\n\n");
    let (head, rest) = end.map_or((data, &data[..0]), |i| (&data[..i], &data[i + 2..]));
    let (auth, body) = match rest {
        [high, low, patch @ ..] if which & 1 == 1 => {
            let mut body = BODY.clone();
            let at = usize::from(u16::from_be_bytes([*high, *low])) + usize::from(which >> 1) * 512;
            for (byte, patch) in body.iter_mut().skip(at).zip(patch) {
                *byte = *patch;
            }
            (signed(), body)
        }
        _ => (Authentication::Anonymous, rest.to_vec()),
    };
    let headers = gateway_fuzz::headers(head.split(|b| *b == b'\n'));
    let frame = usize::from(*frame) * if which & 1 == 1 { 64 } else { 1 } + 1;
    let whole = take_in(&headers, &auth, &body, body.len().max(1));
    assert_eq!(take_in(&headers, &auth, &body, frame), whole, "framing must not matter");
    if let (Authentication::Signed(_), Ok(data)) = (&auth, &whole)
        && headers.get("x-amz-content-sha256").is_some_and(|v| v == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    {
        assert!(data.iter().all(|b| *b == b'a'), "data that nobody signed");
    }
});
