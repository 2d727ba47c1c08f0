//! Amazon S3 User Guide, "Signing and authenticating REST requests": its examples, and what must be refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::super::sigv4::{Authentication, Form, Secrets, SigV2Mode, SignatureError, Verifier};
use super::*;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct ExampleSecrets;

impl Secrets for ExampleSecrets {
    fn secret(&self, access_key: &str) -> Option<&str> {
        (access_key == ACCESS_KEY).then_some(SECRET_KEY)
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn verify(
    now: SystemTime,
    domain: &str,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
) -> Result<Authentication, SignatureError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Verifier { sigv2: SigV2Mode::All, virtual_host_domain: Some(domain), ..Verifier::new(&ExampleSecrets, now) }.verify(
        &method.parse().unwrap(),
        &uri.parse().unwrap(),
        &map,
    )
}

/// An example with an Authorization header, at the time of its date.
fn accept(method: &str, uri: &str, headers: &[(&str, &str)], signature: &str) {
    let date = headers.iter().find(|(name, _)| *name == "date").unwrap().1;
    let now = OffsetDateTime::parse(date, &Rfc2822).unwrap().into();
    let authorization = format!("AWS {ACCESS_KEY}:{signature}");
    let mut headers = headers.to_vec();
    headers.push(("authorization", &authorization));
    let result = verify(now, "s3.amazonaws.com", method, uri, &headers);
    assert!(result.is_ok(), "{method} {uri}: {result:?}");
    let result = verify(now, "s3.amazonaws.com", "OPTIONS", uri, &headers);
    assert_eq!(result.unwrap_err(), SignatureError::Mismatch);
    let late = now + Duration::from_secs(901);
    assert_eq!(verify(late, "s3.amazonaws.com", method, uri, &headers).unwrap_err(), SignatureError::Skewed);
}

#[test]
fn object_get() {
    accept(
        "GET",
        "/photos/puppy.jpg",
        &[("host", "johnsmith.s3.amazonaws.com"), ("date", "Tue, 27 Mar 2007 19:36:42 +0000")],
        "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
    );
}

#[test]
fn object_put() {
    accept(
        "PUT",
        "/photos/puppy.jpg",
        &[
            ("content-type", "image/jpeg"),
            ("content-length", "94328"),
            ("host", "johnsmith.s3.amazonaws.com"),
            ("date", "Tue, 27 Mar 2007 21:15:45 +0000"),
        ],
        "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
    );
}

#[test]
fn list() {
    accept(
        "GET",
        "/?prefix=photos&max-keys=50&marker=puppy",
        &[("host", "johnsmith.s3.amazonaws.com"), ("date", "Tue, 27 Mar 2007 19:42:41 +0000")],
        "htDYFYduRNen8P9ZfE/s9SuKy0U=",
    );
}

#[test]
fn fetch() {
    accept(
        "GET",
        "/?acl",
        &[("host", "johnsmith.s3.amazonaws.com"), ("date", "Tue, 27 Mar 2007 19:44:46 +0000")],
        "c2WLPFtWHVgbEmeEG93a4cG37dM=",
    );
}

#[test]
fn list_all_my_buckets() {
    accept(
        "GET",
        "/",
        &[("host", "s3.amazonaws.com"), ("date", "Wed, 28 Mar 2007 01:29:59 +0000")],
        "qGdzdERIC03wnaRNKh6OqZehG9s=",
    );
}

#[test]
fn unicode_keys() {
    accept(
        "GET",
        "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
        &[("host", "s3.amazonaws.com"), ("date", "Wed, 28 Mar 2007 01:49:49 +0000")],
        "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    );
}

/// Its bucket is `static.johnsmith.net`, from a host that is the bucket.
#[test]
fn upload() {
    let headers = [
        ("host", "static.johnsmith.net:8080"),
        ("date", "Tue, 27 Mar 2007 21:06:08 +0000"),
        ("x-amz-acl", "public-read"),
        ("content-type", "application/x-download"),
        ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
        ("x-amz-meta-reviewedby", "joe@johnsmith.net"),
        ("x-amz-meta-reviewedby", "jane@johnsmith.net"),
        ("x-amz-meta-filechecksum", "0x02661779"),
        ("x-amz-meta-checksumalgorithm", "crc32"),
        ("content-disposition", "attachment; filename=database.dat"),
        ("content-encoding", "gzip"),
        ("content-length", "5913339"),
    ];
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, HeaderValue::from_static(value));
    }
    let uri = "/db-backup.dat.gz".parse().unwrap();
    let message = string_to_sign(&Method::PUT, &uri, &map, headers[1].1, Some("static.johnsmith.net"), false);
    assert!(verifies(SECRET_KEY, &message, "ilyl83RwaSoYIEdixDQcA4OnAnc="));
}

const PRESIGNED: &str = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";

fn presigned(now: u64, uri: &str, headers: &[(&str, &str)]) -> Result<Authentication, SignatureError> {
    let mut headers = headers.to_vec();
    headers.push(("host", "johnsmith.s3.amazonaws.com"));
    verify(at(now), "s3.amazonaws.com", "GET", uri, &headers)
}

#[test]
fn query_string_authentication() {
    let accepted = presigned(1_175_139_620, PRESIGNED, &[]).unwrap();
    assert!(matches!(accepted, Authentication::Signed(v) if v.presigned && v.access_key == ACCESS_KEY));
    // As some send it: base64 not encoded.
    assert!(presigned(1_175_139_620, &PRESIGNED.replace("%2B", "+").replace("%3D", "="), &[]).is_ok());
    // What version 2 does not sign.
    assert!(presigned(1_175_139_620, &format!("{PRESIGNED}&prefix=x"), &[]).is_ok());
}

#[test]
fn presigned_refused() {
    assert_eq!(presigned(1_175_139_621, PRESIGNED, &[]).unwrap_err(), SignatureError::Expired);
    let week_before = 1_175_139_620 - 604_800 - 901;
    assert_eq!(presigned(week_before, PRESIGNED, &[]).unwrap_err(), SignatureError::ExpiresTooLate);
    for subresource in SUBRESOURCES {
        let uri = format!("{PRESIGNED}&{subresource}=x");
        assert_eq!(presigned(1_175_139_620, &uri, &[]).unwrap_err(), SignatureError::Mismatch, "{subresource}");
    }
    for (name, value) in [("x-amz-acl", "public-read"), ("content-type", "text/html"), ("content-md5", "x")] {
        assert_eq!(
            presigned(1_175_139_620, PRESIGNED, &[(name, value)]).unwrap_err(),
            SignatureError::Mismatch,
            "{name}"
        );
        let uri = format!("{PRESIGNED}&{name}={value}");
        assert_eq!(presigned(1_175_139_620, &uri, &[]).unwrap_err(), SignatureError::Mismatch, "{name}");
    }
    for (from, to) in [
        ("Expires=1175139620", ""),
        ("Expires=1175139620", "Expires=x"),
        ("Expires=1175139620", "Expires=1175139620&Expires=1175139620"),
        ("AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE", ""),
    ] {
        let error = presigned(1_175_139_620, &PRESIGNED.replace(from, to), &[]).unwrap_err();
        assert!(matches!(error, SignatureError::QueryMalformed(_)), "{to}: {error}");
    }
    let unknown = PRESIGNED.replace("AKIAIOSFODNN7EXAMPLE", "AKIANOBODY");
    assert_eq!(presigned(1_175_139_620, &unknown, &[]).unwrap_err(), SignatureError::UnknownAccessKey);
}

#[test]
fn chunks_cannot_be_signed_by_version_2() {
    let message = b"GET\n\n\n1175139620\nx-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n/johnsmith/k";
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET_KEY.as_bytes());
    let signature = BASE64_STANDARD.encode(hmac::sign(&key, message));
    let uri = format!("/k?AWSAccessKeyId={ACCESS_KEY}&Expires=1175139620&Signature={}", signature.replace('+', "%2B"));
    let headers = [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")];
    assert_eq!(presigned(1_175_139_620, &uri, &headers).unwrap_err(), SignatureError::InvalidContentSha256);
}

#[test]
fn post_form() {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET_KEY.as_bytes());
    let signature = BASE64_STANDARD.encode(hmac::sign(&key, b"cG9saWN5"));
    let form = Form::V2 { access_key: ACCESS_KEY, signature: &signature };
    let verifier = Verifier::new(&ExampleSecrets, at(0));
    assert!(verifier.verify_form("cG9saWN5", form).is_ok());
    assert_eq!(verifier.verify_form("cG9saWN6", form).unwrap_err(), SignatureError::Mismatch);
    let off = Verifier { sigv2: SigV2Mode::Off, ..verifier };
    assert_eq!(off.verify_form("cG9saWN5", form).unwrap_err(), SignatureError::SigV2Refused);
}

#[test]
fn subresources_are_sorted() {
    assert!(SUBRESOURCES.is_sorted());
}

#[test]
fn buckets_of_hosts() {
    let bucket = |host: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        host_bucket(&"/".parse().unwrap(), &headers, Some("Vault.example.com"))
    };
    assert_eq!(bucket("My.Bucket.vault.example.com:9900").as_deref(), Some("my.bucket"));
    for none in ["vault.example.com", ".vault.example.com", "xvault.example.com", "other.example.com:80"] {
        assert_eq!(bucket(none), None, "{none}");
    }
}
