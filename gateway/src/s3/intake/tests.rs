use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use keys::object::ChecksumKind;

use super::*;
use crate::body::{self, BoxError};
use crate::s3::checksum::{ALGORITHMS, checksum, header_name, to_text};
use crate::s3::sigv4::EMPTY_SHA256;

const OPTIONS: IntakeOptions =
    IntakeOptions { md5: true, checksum: None, max_length: 1000, idle_timeout: Duration::from_millis(50) };

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.append(*name, value.parse().unwrap());
    }
    map
}

/// Takes in all of a body that comes in frames of 7 bytes.
async fn take(
    list: &[(&'static str, &str)],
    bytes: &[u8],
    options: IntakeOptions,
) -> Result<(Vec<u8>, Received), Error> {
    let frames: Vec<_> =
        bytes.chunks(7).map(|frame| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(frame)))).collect();
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let mut intake = Intake::new(&headers(list), body, &Authentication::Anonymous, options)?;
    let mut data = Vec::new();
    loop {
        match intake.next().await {
            Ok(Some(frame)) => data.extend_from_slice(&frame),
            Ok(None) => break,
            Err(error) => {
                assert_eq!(intake.received().md5, None);
                assert!(intake.next().await.is_err(), "an error must not be followed by an end");
                return Err(error);
            }
        }
    }
    assert!(matches!(intake.next().await, Ok(None)));
    Ok((data, intake.received()))
}

async fn refused(list: &[(&'static str, &str)], bytes: &[u8]) -> String {
    match take(list, bytes, OPTIONS).await {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.s3().0.into_owned(),
    }
}

const HELLO: &[u8] = b"hello world";
const HELLO_MD5: &str = "XrY7u+Ae7tCTyyK7j1rNww==";
const HELLO_SHA256: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

#[tokio::test]
async fn plain() {
    let (data, received) = take(&[("content-length", "11")], HELLO, OPTIONS).await.unwrap();
    assert_eq!(data, HELLO);
    assert_eq!(received.length, 11);
    assert_eq!(BASE64_STANDARD.encode(received.md5.unwrap()), HELLO_MD5);
    assert_eq!(received.checksum, None);

    let (data, received) = take(&[], b"", IntakeOptions { md5: false, ..OPTIONS }).await.unwrap();
    assert_eq!((data.len(), received), (0, Received::default()));
}

#[tokio::test]
async fn a_checksum_that_nobody_gave() {
    let options = IntakeOptions { checksum: Some(ChecksumAlgorithm::Crc64Nvme), ..OPTIONS };
    let (_, received) = take(&[], HELLO, options).await.unwrap();
    assert_eq!(received.checksum, Some(checksum(ChecksumAlgorithm::Crc64Nvme, HELLO)));
    let crc = to_text(&checksum(ChecksumAlgorithm::Crc32, HELLO), 1);
    let (_, received) = take(&[("x-amz-checksum-crc32", &crc)], HELLO, options).await.unwrap();
    assert_eq!(received.checksum, Some(checksum(ChecksumAlgorithm::Crc32, HELLO)));
}

#[tokio::test]
async fn lengths() {
    for (length, expected) in [
        ("10", "IncompleteBody"),
        ("12", "IncompleteBody"),
        ("1001", "EntityTooLarge"),
        ("-1", "InvalidArgument"),
        ("+11", "InvalidArgument"),
        ("", "InvalidArgument"),
        ("11", "accepted"),
    ] {
        assert_eq!(refused(&[("content-length", length)], HELLO).await, expected, "{length}");
    }
    assert_eq!(refused(&[], &[0; 1001]).await, "EntityTooLarge");
    assert_eq!(refused(&[], &[0; 1000]).await, "accepted");
    let intake = Intake::new(&headers(&[]), body::empty(), &Authentication::Anonymous, OPTIONS).unwrap();
    assert_eq!(intake.length(), None);
}

#[tokio::test]
async fn content_md5() {
    assert_eq!(refused(&[("content-md5", HELLO_MD5)], HELLO).await, "accepted");
    assert_eq!(refused(&[("content-md5", HELLO_MD5)], b"hello worle").await, "BadDigest");
    for wrong in ["", "x", "XrY7u+Ae7tCTyyK7j1rN", "5eb63bbbe01eeed093cb22bb8f5acdc3"] {
        assert_eq!(refused(&[("content-md5", wrong)], HELLO).await, "InvalidDigest", "{wrong}");
    }
}

#[tokio::test]
async fn content_sha256() {
    let with = |value: &'static str| [("x-amz-content-sha256", value)];
    assert_eq!(refused(&with(HELLO_SHA256), HELLO).await, "accepted");
    assert_eq!(refused(&with(EMPTY_SHA256), HELLO).await, "XAmzContentSHA256Mismatch");
    assert_eq!(refused(&with(HELLO_SHA256), b"").await, "XAmzContentSHA256Mismatch");
    // Computed once where the checksum is the same digest.
    let sum = to_text(&checksum(ChecksumAlgorithm::Sha256, HELLO), 1);
    for (value, expected) in [(HELLO_SHA256, "accepted"), (EMPTY_SHA256, "XAmzContentSHA256Mismatch")] {
        let list = [("x-amz-content-sha256", value), ("x-amz-checksum-sha256", sum.as_str())];
        assert_eq!(refused(&list, HELLO).await, expected);
    }
    let streaming =
        [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("x-amz-decoded-content-length", "0")];
    assert_eq!(refused(&streaming, b"").await, "InvalidArgument");
}

#[tokio::test]
async fn checksum_headers() {
    for algorithm in ALGORITHMS {
        let name = header_name(algorithm);
        let good = to_text(&checksum(algorithm, HELLO), 1);
        let bad = to_text(&checksum(algorithm, b"hello worle"), 1);
        let map = |value: &str| {
            let mut map = HeaderMap::new();
            map.insert(name.clone(), value.parse().unwrap());
            map
        };
        for (value, accepted) in [(&good, true), (&bad, false)] {
            let body = body::full(HELLO);
            let mut intake = Intake::new(&map(value), body, &Authentication::Anonymous, OPTIONS).unwrap();
            assert_eq!(intake.next().await.unwrap().unwrap(), HELLO);
            let end = intake.next().await;
            assert_eq!(end.is_ok(), accepted);
            if accepted {
                let sum = intake.received().checksum.unwrap();
                assert_eq!((sum.algorithm, sum.kind), (algorithm, ChecksumKind::FullObject));
            } else {
                assert_eq!(end.unwrap_err().s3().0, "BadDigest");
            }
        }
    }
}

#[tokio::test]
async fn checksum_headers_that_contradict() {
    let crc = ("x-amz-checksum-crc32", "DUoRhQ==");
    assert_eq!(refused(&[crc], HELLO).await, "accepted");
    for list in [
        vec![crc, ("x-amz-checksum-crc32c", "yZRlqg==")],
        vec![crc, ("x-amz-sdk-checksum-algorithm", "SHA256")],
        vec![crc, ("x-amz-sdk-checksum-algorithm", "MD4")],
        vec![("x-amz-sdk-checksum-algorithm", "CRC32")],
        vec![("x-amz-checksum-xxhash64", "DUoRhQ==")],
        vec![("x-amz-trailer", "x-amz-checksum-crc32")],
        vec![crc, ("x-amz-trailer", "x-amz-checksum-crc32")],
    ] {
        assert_eq!(refused(&list, HELLO).await, "InvalidRequest", "{list:?}");
    }
    for malformed in ["bad", "!", "", "DUoRhQ", "DUoRhQ==-2"] {
        assert_eq!(refused(&[("x-amz-checksum-crc32", malformed)], HELLO).await, "BadDigest", "{malformed}");
    }
    assert_eq!(refused(&[crc, ("x-amz-sdk-checksum-algorithm", "crc32")], HELLO).await, "accepted");
}

const CHUNKED: [(&str, &str); 3] = [
    ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ("content-encoding", "aws-chunked"),
    ("x-amz-decoded-content-length", "11"),
];
const ANNOUNCED: (&str, &str) = ("x-amz-trailer", "x-amz-checksum-crc32");

#[tokio::test]
async fn trailers() {
    let good = b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    let [sha, coding, length] = CHUNKED;
    let list = [sha, coding, length, ANNOUNCED];
    let (data, received) = take(&list, good, OPTIONS).await.unwrap();
    assert_eq!(data, HELLO);
    assert_eq!(received.checksum, Some(checksum(ChecksumAlgorithm::Crc32, HELLO)));
    // A presigned URL or version 2: nothing but the coding says so.
    assert_eq!(refused(&[("content-encoding", "gzip, aws-chunked"), length, ANNOUNCED], good).await, "accepted");

    let edited = |from: &str, to: &str| String::from_utf8_lossy(good).replace(from, to).into_bytes();
    for (body, expected) in [
        (edited("DUoRhQ==", "DUoRhA=="), "BadDigest"),
        (edited("DUoRhQ==", "DUoR"), "BadDigest"),
        (edited("crc32:", "crc32c:"), "MalformedTrailerError"),
        (edited("x-amz-checksum-crc32:DUoRhQ==\r\n", ""), "MalformedTrailerError"),
        (edited("==\r\n", "==\r\nx-amz-meta-a:b\r\n"), "MalformedTrailerError"),
        (edited("\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", ""), "IncompleteBody"),
        (edited("b\r\n", "c\r\n"), "IncompleteBody"),
    ] {
        assert_eq!(refused(&list, &body).await, expected, "{}", body.escape_ascii());
    }
    assert_eq!(refused(&CHUNKED, good).await, "MalformedTrailerError");
    assert_eq!(refused(&[sha, coding, ANNOUNCED], good).await, "MissingContentLength");
    assert_eq!(refused(&[sha, coding, length, ("x-amz-trailer", "x-amz-meta-a")], good).await, "InvalidRequest");
    assert_eq!(refused(&[sha, coding, length, ANNOUNCED, ANNOUNCED], good).await, "InvalidRequest");
}

#[tokio::test]
async fn a_content_encoding_alone_is_the_clients_own() {
    assert_eq!(refused(&[("content-encoding", "aws-chunked"), ("content-length", "11")], HELLO).await, "accepted");
}

#[tokio::test]
async fn a_silent_client() {
    let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, BoxError>>()).boxed_unsync();
    let mut intake = Intake::new(&headers(&[]), body, &Authentication::Anonymous, OPTIONS).unwrap();
    let error = intake.next().await.unwrap_err();
    let (code, status, ..) = error.s3();
    assert_eq!((&*code, status.as_u16()), ("RequestTimeout", 400));
}

#[tokio::test]
async fn a_broken_connection() {
    let frames = [Ok(Frame::data(Bytes::from_static(b"x"))), Err(BoxError::from("reset"))];
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let mut intake = Intake::new(&headers(&[]), body, &Authentication::Anonymous, OPTIONS).unwrap();
    assert_eq!(intake.next().await.unwrap().unwrap(), &b"x"[..]);
    assert_eq!(intake.next().await.unwrap_err().s3().0, "IncompleteBody");

    let frames = [Err::<Frame<Bytes>, _>(BoxError::from(Error::Internal("ours".into())))];
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let mut intake = Intake::new(&headers(&[]), body, &Authentication::Anonymous, OPTIONS).unwrap();
    assert!(matches!(intake.next().await, Err(Error::Internal(_))));
}
