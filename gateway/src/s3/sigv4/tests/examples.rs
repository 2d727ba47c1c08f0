//! Amazon S3 API Reference: "Transferring Payload in a Single Chunk", "Using Query Parameters", and the seed signatures of
//! the two chunked uploads. The chunks themselves are in the tests of `chunked`.

use super::super::{EMPTY_SHA256, Form, PayloadHash, SignatureError, Verifier};
use super::{ACCESS_KEY, ExampleSecrets, Request, may_2013};

const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");
const EMPTY: (&str, &str) = ("x-amz-content-sha256", EMPTY_SHA256);

fn authorization(names: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={names},Signature={signature}"
    )
}

fn accept(method: &str, uri: &str, headers: &[(&str, &str)], names: &str, signature: &str) -> PayloadHash {
    let authorization = authorization(names, signature);
    let mut headers = headers.to_vec();
    headers.push(("authorization", &authorization));
    let request = Request::new(method, uri, &headers);
    let verified = request.verify().unwrap();
    assert_eq!(verified.access_key, ACCESS_KEY);
    assert!(!verified.presigned);
    verified.payload
}

#[test]
fn get_object() {
    let payload = accept(
        "GET",
        "/test.txt",
        &[HOST, ("range", "bytes=0-9"), EMPTY, DATE],
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    assert!(matches!(payload, PayloadHash::Sha256(_)));
}

#[test]
fn put_object() {
    for path in ["/test$file.text", "/test%24file.text"] {
        accept(
            "PUT",
            path,
            &[
                HOST,
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                DATE,
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ],
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
    }
}

#[test]
fn get_bucket_lifecycle() {
    accept(
        "GET",
        "/?lifecycle",
        &[HOST, EMPTY, DATE],
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
}

#[test]
fn list_objects() {
    for query in ["max-keys=2&prefix=J", "prefix=J&max-keys=2"] {
        accept(
            "GET",
            &format!("/?{query}"),
            &[HOST, EMPTY, DATE],
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
    }
}

#[test]
fn chunked_upload_seed() {
    let payload = accept(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            DATE,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ],
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    assert_eq!(payload, PayloadHash::StreamingSigned { trailer: false });
}

#[test]
fn chunked_upload_with_trailer_seed() {
    let payload = accept(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            DATE,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ],
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    assert_eq!(payload, PayloadHash::StreamingSigned { trailer: true });
}

#[test]
fn presigned_get() {
    let request = Request::new(
        "GET",
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        &[HOST],
    );
    let verified = request.verify().unwrap();
    assert!(verified.presigned);
    assert_eq!(verified.payload, PayloadHash::Unsigned);

    let at = |seconds| request.verify_at(may_2013() + std::time::Duration::from_secs(seconds));
    assert!(at(86_400).is_ok());
    assert_eq!(at(86_401).unwrap_err(), SignatureError::Expired);
    let before = may_2013() - std::time::Duration::from_secs(901);
    assert_eq!(request.verify_at(before).unwrap_err(), SignatureError::NotYetValid);
}

/// "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)", whose time is 2015-12-29.
#[test]
fn post_form() {
    const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    let form = Form::V4 {
        algorithm: "AWS4-HMAC-SHA256",
        credential: "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        date: "20151229T000000Z",
        signature: "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
    };
    let verifier = Verifier::new(&ExampleSecrets, may_2013());
    assert!(verifier.verify_form(POLICY, form).is_ok());
    assert_eq!(verifier.verify_form(&POLICY[4..], form).unwrap_err(), SignatureError::Mismatch);
}
