//! Signature Version 2, which stock boto3 still makes for a presigned URL in `us-east-1`.
//!
//! ```text
//! string to sign = METHOD \n Content-MD5 \n Content-Type \n date \n (x-amz-name:value \n)* resource
//! resource       = ["/" bucket of the host] raw path ["?" sub-resources]
//! signature      = base64(HMAC-SHA1(secret, string to sign))
//! ```
//!
//! `date` is the `Date` header, nothing where `x-amz-date` is signed instead, or `Expires` of a presigned URL. Source: Amazon
//! S3 User Guide, "Signing and authenticating REST requests (AWS Signature Version 2)".

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Uri};

use super::sigv4::{decode, pairs};

/// Query parameters that are signed, sorted. Others, such as `prefix`, are not: so every one that selects an operation must be here,
/// or the holder of a presigned URL could turn it into another request.
const SUBRESOURCES: [&str; 48] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "session",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// What is signed. `bucket` is that of a virtual-hosted request.
///
/// The `x-amz-*` parameters of a presigned URL count as headers, and so do its `content-md5` and `content-type` where the
/// header is absent: boto3 moves them all into the query.
pub(super) fn string_to_sign(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    date: &str,
    bucket: Option<&str>,
    presigned: bool,
) -> Vec<u8> {
    let query = uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        pairs(query)
            .filter(|_| presigned)
            .find(|(key, _)| decode(key).eq_ignore_ascii_case(name))
            .map(|(_, value)| decode(value).into_owned().into_bytes())
    };
    let header = |name: &str| match headers.get(name) {
        Some(value) => value.as_bytes().trim_ascii().to_vec(),
        None => parameter(name).unwrap_or_default(),
    };
    let mut out = Vec::with_capacity(256);
    for line in [method.as_str().as_bytes(), &header("content-md5"), &header(CONTENT_TYPE.as_str()), date.as_bytes()] {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    for (name, value) in amz_headers(headers, query, presigned) {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&value);
        out.push(b'\n');
    }
    if let Some(bucket) = bucket {
        out.push(b'/');
        out.extend_from_slice(bucket.as_bytes());
    }
    out.extend_from_slice(uri.path().as_bytes());
    push_subresources(&mut out, query);
    out
}

/// `x-amz-*`, sorted, values of one name joined by `,`.
fn amz_headers(headers: &HeaderMap, query: &str, presigned: bool) -> BTreeMap<String, Vec<u8>> {
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |name: String, value: &[u8]| {
        let value = value.trim_ascii();
        all.entry(name)
            .and_modify(|values| {
                values.push(b',');
                values.extend_from_slice(value);
            })
            .or_insert_with(|| value.to_vec());
    };
    for (name, value) in headers {
        if name.as_str().starts_with("x-amz-") {
            add(name.as_str().to_owned(), value.as_bytes());
        }
    }
    for (name, value) in pairs(query).filter(|_| presigned) {
        let name = decode(name).to_ascii_lowercase();
        if name.starts_with("x-amz-") {
            add(name, decode(value).as_bytes());
        }
    }
    all
}

/// `?acl&versionId=…`: by name, values decoded, no `=` where there is no value.
fn push_subresources(out: &mut Vec<u8>, query: &str) {
    let mut found: Vec<_> = pairs(query)
        .map(|(name, value)| (decode(name), decode(value)))
        .filter(|(name, _)| SUBRESOURCES.binary_search(&name.as_ref()).is_ok())
        .collect();
    found.sort_unstable();
    for (i, (name, value)) in found.iter().enumerate() {
        out.push(if i == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// Compares in constant time. A signature that is not base64 costs the same and does not match.
pub(super) fn verifies(secret: &str, message: &[u8], signature: &str) -> bool {
    let signature = BASE64_STANDARD.decode(signature).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    hmac::verify(&key, message, &signature).is_ok()
}

/// The bucket in the request's host, lower-case: what stands before `.<domain>`.
pub(super) fn host_bucket(uri: &Uri, headers: &HeaderMap, domain: Option<&str>) -> Option<String> {
    let host = match headers.get(HOST) {
        Some(host) => host.to_str().ok()?,
        None => uri.authority()?.as_str(),
    };
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
    .to_ascii_lowercase();
    let bucket = host.strip_suffix(&domain?.to_ascii_lowercase())?.strip_suffix('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

#[cfg(test)]
mod tests;
