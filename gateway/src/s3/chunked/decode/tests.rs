use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::s3::sigv4::{Authentication, Secrets, Verifier};

struct ExampleSecrets;

impl Secrets for ExampleSecrets {
    fn secret(&self, _: &str) -> Option<&str> {
        Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }
}

/// The state after the request of the documentation's example, whose seed signature this is.
fn example(trailer: bool) -> Framing {
    let (payload, names, extra, seed) = if trailer {
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        )
    } else {
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
            ("content-length", "66824"),
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", payload),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        extra,
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={names},Signature={seed}"
    );
    headers.insert("authorization", authorization.parse().unwrap());
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_hours(380_376);
    let uri = "/examplebucket/chunkObject.txt".parse().unwrap();
    match Verifier::new(&ExampleSecrets, now).verify(&http::Method::PUT, &uri, &headers) {
        Ok(Authentication::Signed(verified)) => Framing::Signed { signer: Box::new(verified.chunks.unwrap()), trailer },
        other => panic!("{other:?}"),
    }
}

const CHUNKS: [(usize, &str); 3] = [
    (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
];

const TRAILER_CHUNKS: [(usize, &str); 3] = [
    (65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
];

fn body(chunks: &[(usize, &str)], trailer: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (size, signature) in chunks {
        out.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        if *size > 0 {
            out.extend(std::iter::repeat_n(b'a', *size));
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(trailer.as_bytes());
    out
}

/// Decodes a body that comes in frames of `frame` bytes.
fn decode(framing: Framing, declared: u64, body: &[u8], frame: usize) -> Result<(Vec<u8>, Trailer), ChunkedError> {
    let mut decoder = Decoder::new(framing, declared);
    let mut out = Vec::new();
    for frame in body.chunks(frame) {
        let mut input = Bytes::copy_from_slice(frame);
        while let Some(data) = decoder.decode(&mut input)? {
            assert!(!data.is_empty());
            out.extend_from_slice(&data);
        }
        assert!(input.is_empty());
    }
    Ok((out, decoder.finish()?))
}

const SIGNED_TRAILER: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
     x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";

#[test]
fn example_of_a_chunked_upload() {
    let body = body(&CHUNKS, "\r\n");
    assert_eq!(body.len(), 66_824);
    for frame in [1, 7, 8192, 100_000] {
        let (data, trailer) = decode(example(false), 66_560, &body, frame).unwrap();
        assert!(data == vec![b'a'; 66_560]);
        assert!(trailer.is_empty());
    }
}

#[test]
fn example_of_a_chunked_upload_with_trailer() {
    // As SDKs send it, and as the documentation prints it.
    for trailer in [SIGNED_TRAILER.to_owned(), SIGNED_TRAILER.replace("==\r\n", "==\n\r\n")] {
        let body = body(&TRAILER_CHUNKS, &trailer);
        for frame in [1, 100, 100_000] {
            let (data, trailer) = decode(example(true), 66_560, &body, frame).unwrap();
            assert_eq!(data.len(), 66_560);
            assert_eq!(trailer, [("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]);
        }
    }
}

#[test]
fn no_changed_byte_passes() {
    let good = body(&TRAILER_CHUNKS, SIGNED_TRAILER);
    let step = |i: usize| if (200..65_500).contains(&i) { 997 } else { 1 };
    let mut i = 0;
    while i < good.len() {
        let mut bad = good.clone();
        bad[i] ^= 1;
        let result = decode(example(true), 66_560, &bad, 4096);
        assert!(result.is_err() || i >= good.len() - 4 || good[i] == b'\r', "byte {i}: {:?}", result.unwrap().1);
        i += step(i);
    }
}

#[test]
fn a_body_cut_anywhere_is_incomplete() {
    let good = body(&CHUNKS, "\r\n");
    for length in (0..300).chain(65_500..good.len() - 2) {
        let result = decode(example(false), 66_560, &good[..length], 65_536);
        assert_eq!(result.unwrap_err(), ChunkedError::Incomplete, "{length}");
    }
}

#[test]
fn chunks_swapped_repeated_or_left_out() {
    let [a, b, end] = CHUNKS;
    for chunks in [vec![b, a, end], vec![a, a, b, end], vec![a, end], vec![a, b, b, end], vec![end]] {
        assert!(decode(example(false), 66_560, &body(&chunks, "\r\n"), 4096).is_err());
    }
}

#[test]
fn a_small_signed_chunk_must_be_the_last() {
    let framing = example(false);
    let Framing::Signed { mut signer, .. } = framing.clone() else { unreachable!() };
    let mut sign = |size: usize| {
        let hash = digest::digest(&digest::SHA256, &vec![b'a'; size]);
        signer.sign_chunk(&hash)
    };
    let signatures: Vec<_> = [8192, 8191, 1, 0].map(|size| (size, sign(size))).into();
    let chunks: Vec<_> = signatures.iter().map(|(size, signature)| (*size, signature.as_str())).collect();
    let result = decode(framing.clone(), 16_384, &body(&chunks, "\r\n"), 4096);
    assert_eq!(result.unwrap_err(), ChunkedError::ChunkSize(2));
    let (code, status, _) = ChunkedError::ChunkSize(2).s3();
    assert_eq!((code.as_str(), status.as_u16()), ("InvalidChunkSizeError", 403));
}

#[test]
fn unsigned() {
    let good = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    for frame in 1..good.len() {
        let (data, trailer) = decode(Framing::Unsigned, 11, good, frame).unwrap();
        assert_eq!(data, b"hello world");
        assert_eq!(trailer.len(), 1);
    }
    assert_eq!(decode(Framing::Unsigned, 0, b"0\r\n\r\n", 9).unwrap().0, b"");
}

#[test]
fn malformed() {
    let malformed = |body: &[u8]| {
        let error = decode(Framing::Unsigned, 5, body, 3).unwrap_err();
        assert!(matches!(error, ChunkedError::Malformed(_)), "{}: {error}", body.escape_ascii());
    };
    malformed(b"hello\r\n");
    malformed(&[b'0'; 2000]);
    malformed(b"5\nhello\r\n0\r\n\r\n");
    malformed(b"\r\nhello");
    malformed(b"+5\r\nhello\r\n0\r\n\r\n");
    malformed(b"0x5\r\nhello\r\n0\r\n\r\n");
    malformed(b"5 \r\nhello\r\n0\r\n\r\n");
    malformed(b"5\r\nhello0\r\n\r\n");
    malformed(b"5\r\nhello\n0\r\n\r\n");
    malformed(b"00000000000000005\r\nhello\r\n0\r\n\r\n");
    malformed(b"\xff\r\n");
    let length = |body: &[u8]| {
        assert_eq!(decode(Framing::Unsigned, 5, body, 3).unwrap_err(), ChunkedError::Length(5));
    };
    length(b"6\r\nhello!\r\n0\r\n\r\n");
    length(b"ffffffffffffffff\r\n");
    length(b"4\r\nhell\r\n0\r\n\r\n");
    length(b"0\r\n\r\n");
}

#[test]
fn malformed_trailers() {
    for trailer in [
        "x\r\n\r\n",
        ":v\r\n\r\n",
        "a b:v\r\n\r\n",
        "a:1\r\nA:2\r\n\r\n",
        "x-amz-trailer-signature:00\r\n\r\n",
        &"a".repeat(17_000),
    ] {
        let body = format!("0\r\n{trailer}");
        let error = decode(Framing::Unsigned, 0, body.as_bytes(), 100).unwrap_err();
        assert!(matches!(error, ChunkedError::Trailer(_)), "{trailer}: {error}");
    }
    let unannounced = body(&CHUNKS, "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n");
    assert!(matches!(decode(example(false), 66_560, &unannounced, 4096), Err(ChunkedError::Trailer(_))));
    let unsigned = body(&TRAILER_CHUNKS, "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n");
    assert!(matches!(decode(example(true), 66_560, &unsigned, 4096), Err(ChunkedError::Trailer(_))));
    let (code, status, _) = ChunkedError::Trailer("").s3();
    assert_eq!((code.as_str(), status.as_u16()), ("MalformedTrailerError", 400));
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(body: Vec<u8>, declared in 0u64..64, frame in 1usize..64) {
        let _ = decode(Framing::Unsigned, declared, &body, frame);
    }

    #[test]
    fn framing_does_not_matter(sizes in prop::collection::vec(1usize..5000, 0..6), frame in 1usize..6000) {
        let mut encoded = Vec::new();
        let mut plain = Vec::new();
        for (i, size) in sizes.iter().enumerate() {
            let data = vec![i as u8; *size];
            encoded.extend_from_slice(format!("{size:X}\r\n").as_bytes());
            encoded.extend_from_slice(&data);
            encoded.extend_from_slice(b"\r\n");
            plain.extend_from_slice(&data);
        }
        encoded.extend_from_slice(b"0\r\n\r\n");
        let (data, _) = decode(Framing::Unsigned, plain.len() as u64, &encoded, frame).unwrap();
        prop_assert!(data == plain);
    }
}
