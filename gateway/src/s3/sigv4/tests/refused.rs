//! What must be refused, and as what.

use std::time::Duration;

use s3s::S3ErrorCode;

use super::super::{EMPTY_SHA256, PayloadHash, SigV2Mode, SignatureError, Verifier, sign};
use super::{ACCESS_KEY, ExampleSecrets, Request, SECRET_KEY, may_2013};
use crate::backend::BackendCredential;

/// A request that we have signed ourselves.
fn signed(method: &str, uri: &str, headers: &[(&str, &str)], payload: &str) -> Request {
    signed_as(ACCESS_KEY, SECRET_KEY, method, uri, headers, payload)
}

fn signed_as(access: &str, secret: &str, method: &str, uri: &str, headers: &[(&str, &str)], payload: &str) -> Request {
    let mut request = Request::new(method, uri, headers);
    request.headers.insert("host", "vault:9900".parse().unwrap());
    let credential = BackendCredential {
        access_key: access.to_owned(),
        secret_key: secret.to_owned().into(),
        tenant: String::new(),
    };
    let query = request.uri.query().unwrap_or_default().to_owned();
    let path = request.uri.path().to_owned();
    sign(&request.method, &path, &query, &mut request.headers, &credential, "garage", payload, may_2013()).unwrap();
    request
}

fn get() -> Request {
    signed("GET", "/bucket/key?versionId=1", &[("range", "bytes=0-1")], EMPTY_SHA256)
}

/// Edits the Authorization header.
fn edit(request: &mut Request, from: &str, to: &str) {
    let value = request.headers["authorization"].to_str().unwrap();
    assert!(value.contains(from), "{value} has no {from}");
    let value = value.replace(from, to);
    request.headers.insert("authorization", value.parse().unwrap());
}

#[test]
fn the_untouched_request_is_accepted() {
    assert!(get().verify().is_ok());
}

#[test]
fn keys() {
    let unknown = signed_as("AKIANOBODY", SECRET_KEY, "GET", "/", &[], EMPTY_SHA256);
    assert_eq!(unknown.verify().unwrap_err(), SignatureError::UnknownAccessKey);
    let wrong = signed_as(ACCESS_KEY, "wrong", "GET", "/", &[], EMPTY_SHA256);
    assert_eq!(wrong.verify().unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn skew() {
    for (seconds, accepted) in [(900, true), (901, false)] {
        let skew = Duration::from_secs(seconds);
        for now in [may_2013() + skew, may_2013() - skew] {
            let result = get().verify_at(now);
            assert_eq!(result.is_ok(), accepted, "{seconds}");
            assert!(accepted || result.unwrap_err() == SignatureError::Skewed);
        }
    }
}

#[test]
fn an_unsigned_amz_header() {
    let mut request = get();
    request.headers.insert("x-amz-acl", "public-read".parse().unwrap());
    assert_eq!(request.verify().unwrap_err(), SignatureError::UnsignedHeader("x-amz-acl".to_owned()));
    let mut request = get();
    edit(&mut request, "host;", "");
    assert_eq!(request.verify().unwrap_err(), SignatureError::UnsignedHeader("host".to_owned()));
    let mut request = get();
    request.headers.insert("x-custom", "not of S3".parse().unwrap());
    assert!(request.verify().is_ok());
}

#[test]
fn a_second_value_of_a_signed_header() {
    for (name, value) in [("range", "bytes=5-"), ("host", "other")] {
        let mut request = get();
        request.headers.append(name, value.parse().unwrap());
        assert_eq!(request.verify().unwrap_err(), SignatureError::Mismatch, "{name}");
    }
    let mut request = get();
    request.headers.append("x-amz-date", "20130524T000000Z".parse().unwrap());
    assert_eq!(request.verify().unwrap_err(), SignatureError::MissingDate);
    let mut request = get();
    request.headers.append("x-amz-content-sha256", EMPTY_SHA256.parse().unwrap());
    assert_eq!(request.verify().unwrap_err(), SignatureError::InvalidContentSha256);
}

#[test]
fn missing_parts() {
    for (name, expected) in [
        ("x-amz-date", SignatureError::MissingDate),
        ("x-amz-content-sha256", SignatureError::MissingContentSha256),
        ("host", SignatureError::MissingHeader("Host")),
        ("authorization", SignatureError::AnonymousRefused),
        ("range", SignatureError::Mismatch),
    ] {
        let mut request = get();
        request.headers.remove(name);
        assert_eq!(request.verify().unwrap_err(), expected, "{name}");
    }
}

#[test]
fn malformed_authorization() {
    for (from, to) in [
        ("/s3/", "/sts/"),
        ("/aws4_request", "/aws3_request"),
        ("/20130524/", "/20130525/"),
        ("/20130524/", "/"),
        ("Signature=", "Sig="),
        ("Signature=", "Signature"),
        (", Signature=", ", Signature=0, Signature="),
        ("host;", "host;host;"),
        ("host;", "Host;"),
        ("host;", ";host;"),
        ("Credential=", "Credentials="),
    ] {
        let mut request = get();
        edit(&mut request, from, to);
        let error = request.verify().unwrap_err();
        assert!(matches!(error, SignatureError::HeaderMalformed(_)), "{from} to {to}: {error}");
    }
    for value in ["Bearer x", "AWS4-ECDSA-P256-SHA256 x", "AWS4-HMAC-SHA256", "", "AWSx y:z"] {
        let mut request = get();
        request.headers.insert("authorization", value.parse().unwrap());
        assert_eq!(request.verify().unwrap_err(), SignatureError::UnknownScheme, "{value}");
    }
}

#[test]
fn a_signature_in_other_digits() {
    let mut request = get();
    let value = request.headers["authorization"].to_str().unwrap();
    let (head, signature) = value.rsplit_once('=').unwrap();
    let value = format!("{head}={}", signature.to_ascii_uppercase());
    request.headers.insert("authorization", value.parse().unwrap());
    assert_eq!(request.verify().unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn several_mechanisms() {
    for query in ["X-Amz-Signature=0", "x-amz-algorithm=x", "AWSAccessKeyId=a", "Signature=s", "Sign%61ture=s"] {
        let request = signed("GET", &format!("/bucket/key?{query}"), &[], EMPTY_SHA256);
        assert_eq!(request.verify().unwrap_err(), SignatureError::SeveralMechanisms, "{query}");
    }
    let mut request = get();
    let again = request.headers["authorization"].clone();
    request.headers.append("authorization", again);
    assert_eq!(request.verify().unwrap_err(), SignatureError::SeveralMechanisms);
    let request = Request::new("GET", "/?X-Amz-Signature=0&Signature=s", &[("host", "vault")]);
    assert_eq!(request.verify().unwrap_err(), SignatureError::SeveralMechanisms);
}

#[test]
fn a_session_token() {
    let request = signed("GET", "/", &[("x-amz-security-token", "t")], EMPTY_SHA256);
    assert_eq!(request.verify().unwrap_err(), SignatureError::SessionToken);
}

#[test]
fn payload_hashes() {
    for (value, expected) in [
        ("UNSIGNED-PAYLOAD", Some(PayloadHash::Unsigned)),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Some(PayloadHash::StreamingUnsignedTrailer)),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Some(PayloadHash::StreamingSigned { trailer: false })),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", None),
        ("", None),
        ("e3b0", None),
        ("unsigned-payload", None),
    ] {
        let result = signed("PUT", "/bucket/key", &[], value).verify();
        match expected {
            Some(expected) => assert_eq!(result.unwrap().payload, expected),
            None => assert_eq!(result.unwrap_err(), SignatureError::InvalidContentSha256, "{value}"),
        }
    }
}

const PRESIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
     &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
     &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

fn presigned(from: &str, to: &str) -> Result<super::Verified, SignatureError> {
    assert!(PRESIGNED.contains(from));
    let uri = format!("/test.txt?{}", PRESIGNED.replace(from, to));
    Request::new("GET", &uri, &[("host", "examplebucket.s3.amazonaws.com")]).verify()
}

#[test]
fn malformed_presigned() {
    for (from, to) in [
        ("X-Amz-Expires=86400", "X-Amz-Expires=99999999999999999999"),
        ("X-Amz-Expires=86400", "X-Amz-Expires="),
        ("X-Amz-Expires=86400", ""),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130525T000000Z"),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=2013"),
        ("X-Amz-Date", "X-Amz-Date=20130524T000000Z&x-amz-date"),
        ("X-Amz-Signature", "X-Amz-Signature=0&X-Amz-Signature"),
        ("HMAC-SHA256", "ECDSA"),
        ("%2Fs3%2F", "%2Fsts%2F"),
        ("SignedHeaders=host", "SignedHeaders="),
    ] {
        let error = presigned(from, to).unwrap_err();
        assert!(matches!(error, SignatureError::QueryMalformed(_)), "{to}: {error}");
    }
    assert_eq!(
        presigned("SignedHeaders=host", "SignedHeaders=range").unwrap_err(),
        SignatureError::UnsignedHeader("host".into())
    );
    for expires in ["X-Amz-Expires=-7", "X-Amz-Expires=604801"] {
        assert_eq!(presigned("X-Amz-Expires=86400", expires).unwrap_err(), SignatureError::ExpiresOutOfRange);
    }
    assert_eq!(presigned("X-Amz-Expires=86400", "X-Amz-Expires=0").unwrap_err(), SignatureError::Expired);
    assert_eq!(presigned("X-Amz-Expires=86400", "X-Amz-Expires=86401").unwrap_err(), SignatureError::Mismatch);
    assert_eq!(presigned("&X-Amz-Date", "&versionId=2&X-Amz-Date").unwrap_err(), SignatureError::Mismatch);
    assert_eq!(
        presigned("&X-Amz-Date", "&X-Amz-Security-Token=t&X-Amz-Date").unwrap_err(),
        SignatureError::SessionToken
    );
    assert!(presigned("X-Amz", "X-Amz").is_ok());
}

#[test]
fn codes_are_those_of_s3() {
    let code = |error: SignatureError| error.s3().0;
    assert_eq!(code(SignatureError::UnknownAccessKey), S3ErrorCode::InvalidAccessKeyId);
    assert_eq!(code(SignatureError::Expired), S3ErrorCode::AccessDenied);
    assert_eq!(code(SignatureError::Skewed), S3ErrorCode::RequestTimeTooSkewed);
    let error = crate::s3::Error::from(SignatureError::ContentSha256Mismatch);
    let (code, status, ..) = error.s3();
    assert_eq!((&*code, status.as_u16()), ("XAmzContentSHA256Mismatch", 400));
}

#[test]
fn version_2_by_mode() {
    let header = Request::new(
        "GET",
        "/",
        &[
            ("host", "vault"),
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:AAAA"),
        ],
    );
    let query = Request::new(
        "GET",
        "/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1369353601&Signature=AAAA",
        &[("host", "vault")],
    );
    for (mode, header_error, query_error) in [
        (SigV2Mode::Off, SignatureError::SigV2Refused, SignatureError::SigV2Refused),
        (SigV2Mode::Presigned, SignatureError::SigV2Refused, SignatureError::Mismatch),
        (SigV2Mode::All, SignatureError::Mismatch, SignatureError::Mismatch),
    ] {
        let verifier = Verifier { sigv2: mode, ..Verifier::new(&ExampleSecrets, may_2013()) };
        let verify = |r: &Request| verifier.verify(&r.method, &r.uri, &r.headers).unwrap_err();
        assert_eq!(verify(&header), header_error, "{mode:?}");
        assert_eq!(verify(&query), query_error, "{mode:?}");
    }
}
