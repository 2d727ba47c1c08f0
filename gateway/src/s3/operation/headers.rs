//! The headers that are ours: taken off on the way in and on the way out, or refused because they change what a write means.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method};

use super::{Op, Operation, Scope, invalid_argument, is_form, not_implemented};
use crate::s3::Error;

/// The user-metadata header in which the format keeps an object's key material. Clients never see it and may not send it.
pub const SEALED_HEADER: HeaderName = HeaderName::from_static(keys::object::HEADER_NAME);

/// Why a header may not be sent by a client, if so. `name` in lower case.
pub(super) fn refused_by_name(name: &str) -> Option<&'static str> {
    const EXTENSION: &str = "this extension is not available through the gateway";
    if name == SEALED_HEADER.as_str() {
        return Some("this metadata name is reserved");
    }
    if name == "x-amz-write-offset-bytes" {
        return Some("appending is not supported: a sealed object is written whole");
    }
    if name.starts_with("x-amz-meta-snowball-")
        || name.starts_with("x-amz-meta-minio-snowball")
        || name == "x-amz-replication-status"
        || ["x-minio-", "x-rgw-", "rgwx-"].iter().any(|prefix| name.starts_with(prefix))
    {
        return Some(EXTENSION);
    }
    None
}

/// Refuses headers that would make the backend do something else than the row says.
pub(super) fn check(operation: &Operation, headers: &HeaderMap) -> Result<(), Error> {
    for name in headers.keys() {
        if let Some(reason) = refused_by_name(name.as_str()) {
            return Err(not_implemented(format!("{name}: {reason}")));
        }
    }
    let copy_sources = headers.get_all("x-amz-copy-source").iter().count();
    let copies = matches!(operation.op, Op::CopyObject | Op::UploadPartCopy);
    if copy_sources > usize::from(copies) {
        return Err(invalid_argument(format!(
            "{} takes {} x-amz-copy-source header.",
            operation.op.name(),
            if copies { "one" } else { "no" }
        )));
    }
    // Some backends take every POST of a form for an upload, whatever its query says.
    if operation.method == Method::POST
        && operation.op != Op::PostObject
        && operation.scopes != [Scope::Service]
        && is_form(headers)
    {
        return Err(invalid_argument(format!("{} does not take a form.", operation.op.name())));
    }
    Ok(())
}

/// Whether a request header, in lower case, describes the client's body: its checksums, signature and length. Of a body that we change the
/// backend is told by whoever seals.
pub fn describes_body(name: &str) -> bool {
    name.starts_with("x-amz-checksum-")
        || matches!(
            name,
            "content-md5"
                | "content-length"
                | "x-amz-sdk-checksum-algorithm"
                | "x-amz-trailer"
                | "x-amz-decoded-content-length"
                | "x-amz-content-sha256"
                | "x-amz-mp-object-size"
        )
}

/// The client's headers on their way to the backend: a copy without what is between the client and us only, without the client's
/// authentication, host and length, and without those that `keep` does not want.
pub fn forwarded_headers(headers: &HeaderMap, keep: impl Fn(&str) -> bool) -> HeaderMap {
    let named = named_by_connection(headers);
    let mut copy = copy_where(headers, |name| {
        !is_hop(name, &named) && !is_auth(name) && !matches!(name, "host" | "content-length") && keep(name)
    });
    strip_aws_chunked(&mut copy);
    copy
}

/// The headers of an answer about a sealed object: a copy without those that [`strip_owned_response_headers`] takes off.
pub fn answered_headers(headers: &HeaderMap) -> HeaderMap {
    let named = named_by_connection(headers);
    let mut copy =
        copy_where(headers, |name| !is_owned_of_response(name) && !is_backend_mark(name) && !is_hop(name, &named));
    strip_aws_chunked(&mut copy);
    copy
}

/// Takes off what is between the client and us only (RFC 9110, 7.6.1): `Connection` and what it names, transfer coding, `Expect`,
/// `Accept-Encoding`, `aws-chunked`, and the forwarding headers, which nobody but a configured proxy may set.
pub fn strip_hop_headers(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    remove_where(headers, |name| is_hop(name, &named));
    strip_aws_chunked(headers);
}

/// The tokens of `Connection`, in lower case.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
        .collect()
}

fn is_hop(name: &str, named_by_connection: &[String]) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("proxy-")
        || named_by_connection.iter().any(|other| other == name)
        || matches!(
            name,
            "connection"
                | "keep-alive"
                | "expect"
                | "te"
                | "trailer"
                | "accept-encoding"
                | "transfer-encoding"
                | "upgrade"
                | "forwarded"
                | "via"
                | "x-real-ip"
        )
}

/// The client's authentication, in header form: the backend request is signed again.
fn is_auth(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "date"
            | "x-amz-algorithm"
            | "x-amz-content-sha256"
            | "x-amz-credential"
            | "x-amz-date"
            | "x-amz-expires"
            | "x-amz-region-set"
            | "x-amz-s3session-token"
            | "x-amz-security-token"
            | "x-amz-signature"
            | "x-amz-signedheaders"
    )
}

/// Takes off an answer of the backend what describes the ciphertext, and what is between the backend and us only.
pub fn strip_owned_response_headers(headers: &mut HeaderMap) {
    remove_where(headers, |name| is_owned_of_response(name) || is_backend_mark(name));
    strip_hop_headers(headers);
}

fn is_owned_of_response(name: &str) -> bool {
    name.starts_with("x-amz-checksum-")
        || name == keys::object::HEADER_NAME
        || matches!(name, "content-length" | "content-range" | "etag" | "x-amz-mp-parts-count")
}

/// Takes off an answer what says which backend gave it, or speaks of our connection to it as if it were the client's.
pub fn strip_backend_marks(headers: &mut HeaderMap) {
    remove_where(headers, is_backend_mark);
}

fn is_backend_mark(name: &str) -> bool {
    name.starts_with("x-minio-")
        || name.starts_with("x-ratelimit-")
        || matches!(
            name,
            "x-amz-request-id"
                | "x-amz-id-2"
                | "server"
                | "date"
                | "strict-transport-security"
                | "x-content-type-options"
                | "x-xss-protection"
                | "alt-svc"
        )
}

/// `Content-Encoding: aws-chunked, gzip` becomes `gzip`; S3 stores it so.
fn strip_aws_chunked(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    let is_chunked = |token: &&str| token.trim().eq_ignore_ascii_case("aws-chunked");
    let codings: Vec<&str> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    if !codings.iter().any(is_chunked) {
        return;
    }
    let kept: Vec<&str> =
        codings.iter().map(|coding| coding.trim()).filter(|coding| !coding.is_empty() && !is_chunked(coding)).collect();
    let kept = HeaderValue::from_str(&kept.join(", ")).ok();
    headers.remove(header::CONTENT_ENCODING);
    if let Some(kept) = kept.filter(|kept| !kept.is_empty()) {
        headers.insert(header::CONTENT_ENCODING, kept);
    }
}

fn copy_where(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| wanted(name.as_str())) {
        copy.append(name, value.clone());
    }
    copy
}

fn remove_where(headers: &mut HeaderMap, mut unwanted: impl FnMut(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
