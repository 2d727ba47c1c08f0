//! From a [`BackendRequest`] to what goes on the wire: path kept byte for byte, integrity added, signed.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use keys::object::ChecksumAlgorithm;
use md5::{Digest, Md5};

use super::upload::Source;
use crate::backend::{BackendCredential, BackendError, BackendRequest, Payload};
use crate::body::Body;
use crate::s3::checksum;
use crate::s3::chunked::TrailerEncoder;
use crate::s3::sigv4;
use crate::server::Client;
use crate::server::client::{FORWARDED_FOR, FORWARDED_PROTO};

/// What a sealed body carries, so that a bit flipped on its way to the backend is refused there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Checksums {
    /// Of a body in memory.
    pub bytes: CiphertextChecksum,
    /// Of a stream, in its trailer; none where the backend takes no trailer.
    pub stream: Option<ChecksumAlgorithm>,
}

/// A checksum that the backend checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CiphertextChecksum {
    /// `x-amz-checksum-crc64nvme`
    Crc64Nvme,
    /// `x-amz-checksum-crc32c`
    Crc32c,
    /// `Content-MD5`
    ContentMd5,
    /// The backend checks none of them.
    #[default]
    None,
}

const MD5: HeaderName = HeaderName::from_static("content-md5");

/// A request ready to be sent, as often as its body allows.
pub(super) struct Prepared {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Outgoing,
}

pub(super) enum Outgoing {
    Bytes(Bytes),
    Stream {
        body: Body,
        /// On the wire.
        length: u64,
    },
    /// A stream that was given away.
    Spent,
}

impl Outgoing {
    /// What the next attempt sends; none where the body was sent before and cannot be sent again.
    pub(super) fn source(&mut self) -> Option<Source> {
        match std::mem::replace(self, Self::Spent) {
            Self::Spent => None,
            Self::Stream { body, length } => Some(Source::Stream { body, left: length }),
            Self::Bytes(bytes) => {
                *self = Self::Bytes(bytes.clone());
                Some(Source::Bytes(bytes))
            }
        }
    }

    pub(super) fn in_memory(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }
}

/// As whom, and for which region, to sign.
pub(super) struct Identity<'a> {
    pub(super) credential: Option<&'a BackendCredential>,
    pub(super) region: &'a str,
}

/// Makes the wire form of a request.
pub(super) fn prepare(
    request: BackendRequest,
    host: &str,
    identity: &Identity<'_>,
    checksums: Checksums,
) -> Result<Prepared, BackendError> {
    let BackendRequest { method, path, query, mut headers, payload, sender: _ } = request;
    let target = target(&path, &query)?;
    // Not signed, as no client does: it is between us and whoever reads it first.
    let expect = headers.remove(EXPECT);
    let checked = headers.keys().any(|name| *name == MD5 || is_checksum(name.as_str()));
    let signed = identity.credential.is_some();
    let (body, hash) = match payload {
        Payload::Empty => (Outgoing::Bytes(Bytes::new()), sigv4::EMPTY_SHA256.into()),
        Payload::Bytes(bytes) if is_object_data(&method, &path, &query) => {
            if !checked {
                add_checksum(&mut headers, checksums.bytes, &bytes)?;
            }
            (Outgoing::Bytes(bytes), sigv4::UNSIGNED_PAYLOAD.into())
        }
        // A small document: its hash is in the signature, so it is checked whatever the backend knows of checksums.
        Payload::Bytes(bytes) => {
            let hash = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes));
            (Outgoing::Bytes(bytes), hash)
        }
        Payload::Stream { body, length } => match checksums.stream {
            Some(algorithm) if !checked && signed => {
                let encoded = announce_trailer(&mut headers, length, algorithm)?;
                let body = TrailerEncoder::encode(body, length, algorithm);
                let outgoing = Outgoing::Stream { body, length: encoded };
                (outgoing, sigv4::STREAMING_UNSIGNED_PAYLOAD_TRAILER.into())
            }
            _ => (Outgoing::Stream { body, length }, sigv4::UNSIGNED_PAYLOAD.into()),
        },
    };
    let length = match &body {
        Outgoing::Bytes(bytes) => bytes.len() as u64,
        Outgoing::Stream { length, .. } => *length,
        Outgoing::Spent => 0,
    };
    // Stores want a length on every PUT and POST, and none where there can be no body.
    if length > 0 || method == Method::PUT || method == Method::POST {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    sign(&method, &path, &query, &mut headers, host, identity, &hash)?;
    if let Some(expect) = expect.filter(|_| !body.in_memory()) {
        headers.insert(EXPECT, expect);
    }
    Ok(Prepared { method, target, headers, body })
}

/// Says for whom the request is made: `X-Forwarded-For`, the client's address alone, and `X-Forwarded-Proto`. Not the chain of proxies
/// before us: `MinIO` and Ceph RGW take the first address of a list for the client's, and what stands first in a chain is what the client
/// itself wrote. They are not signed, so a proxy on the way may add to them.
pub(super) fn forward_client(headers: &mut HeaderMap, client: Client) -> Result<(), BackendError> {
    if client == Client::UNKNOWN {
        return Ok(());
    }
    headers.insert(FORWARDED_FOR, header_value(&client.address.to_string())?);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(client.scheme.as_str()));
    Ok(())
}

/// Sets `host`, and signs unless the request is anonymous.
pub(super) fn sign(
    method: &Method,
    path: &str,
    query: &str,
    headers: &mut HeaderMap,
    host: &str,
    identity: &Identity<'_>,
    hash: &str,
) -> Result<(), BackendError> {
    headers.insert(HOST, header_value(host)?);
    let Some(credential) = identity.credential else {
        headers.remove("x-amz-content-sha256");
        return Ok(());
    };
    let now = SystemTime::now();
    sigv4::sign(method, path, query, headers, credential, identity.region, hash, now)
        .map_err(|_| BackendError::Invalid("access key or region cannot stand in a header".into()))
}

/// `path?query`, refused where `http` would change a byte of it.
pub(super) fn target(path: &str, query: &str) -> Result<PathAndQuery, BackendError> {
    let text = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let unfit = || BackendError::Invalid("the path or query holds a byte that must be percent-encoded".into());
    let target = PathAndQuery::from_maybe_shared(Bytes::from(text.clone())).map_err(|_| unfit())?;
    // A fragment would be cut off.
    if target.as_str() != text || !path.starts_with('/') {
        return Err(unfit());
    }
    Ok(target)
}

/// Whether the body of such a request is an object's, or a part's, and not a document about one.
fn is_object_data(method: &Method, path: &str, query: &str) -> bool {
    let has_key = path.get(1..).and_then(|p| p.split_once('/')).is_some_and(|(_, key)| !key.is_empty());
    let no_subresource = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .all(|pair| ["partNumber", "uploadId", "x-id"].contains(&pair.split('=').next().unwrap_or_default()));
    method == Method::PUT && has_key && no_subresource
}

fn is_checksum(name: &str) -> bool {
    name.strip_prefix("x-amz-checksum-").is_some_and(|rest| !["algorithm", "type", "mode"].contains(&rest))
}

fn add_checksum(headers: &mut HeaderMap, kind: CiphertextChecksum, bytes: &[u8]) -> Result<(), BackendError> {
    let algorithm = match kind {
        CiphertextChecksum::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        CiphertextChecksum::Crc32c => ChecksumAlgorithm::Crc32c,
        CiphertextChecksum::ContentMd5 => {
            headers.insert(MD5, header_value(&STANDARD.encode(Md5::digest(bytes)))?);
            return Ok(());
        }
        CiphertextChecksum::None => return Ok(()),
    };
    let value = STANDARD.encode(checksum::checksum(algorithm, bytes).bytes());
    headers.insert(checksum::header_name(algorithm), header_value(&value)?);
    Ok(())
}

/// Says in the headers that a checksum follows the body; gives the length on the wire.
fn announce_trailer(headers: &mut HeaderMap, length: u64, algorithm: ChecksumAlgorithm) -> Result<u64, BackendError> {
    let coding = match headers.get(CONTENT_ENCODING) {
        None => HeaderValue::from_static("aws-chunked"),
        Some(own) => {
            let mut both = b"aws-chunked,".to_vec();
            both.extend_from_slice(own.as_bytes());
            HeaderValue::from_bytes(&both)
                .map_err(|_| BackendError::Invalid("Content-Encoding cannot be sent on".into()))?
        }
    };
    headers.insert(CONTENT_ENCODING, coding);
    headers.insert("x-amz-decoded-content-length", length.into());
    headers.insert("x-amz-trailer", header_value(checksum::header_name(algorithm).as_str())?);
    Ok(TrailerEncoder::encoded_len(length, TrailerEncoder::CHUNK, algorithm))
}

fn header_value(text: &str) -> Result<HeaderValue, BackendError> {
    HeaderValue::from_str(text).map_err(|_| BackendError::Invalid("a value cannot stand in a header".into()))
}

/// The origin form that goes on the wire.
pub(super) fn origin_form(target: &PathAndQuery) -> Uri {
    Uri::from(target.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_as_they_are_or_are_refused() {
        for (path, query) in [
            ("/", ""),
            ("/b/a//b/../c/./%2e%2E/", ""),
            ("/b/%00%1F%7f%20+&=;:@$,!*'()~", "list-type=2&prefix=%2F&marker"),
            ("/b/{\"k\"}|^[]\\", ""),
            ("/b//", "versionId"),
        ] {
            let target = target(path, query).unwrap_or_else(|e| panic!("{path}: {e}"));
            let wanted = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
            assert_eq!(origin_form(&target).to_string(), wanted);
        }
        for path in ["/b/a b", "/b/a\u{1}", "/b/a#f", "b", ""] {
            assert!(matches!(target(path, ""), Err(BackendError::Invalid(_))), "{path}");
        }
    }

    #[test]
    fn object_data_is_told_from_documents() {
        for (method, path, query, data) in [
            (Method::PUT, "/b/k", "", true),
            (Method::PUT, "/b/k/", "partNumber=1&uploadId=x", true),
            (Method::PUT, "/b/k", "tagging", false),
            (Method::PUT, "/b/k", "acl=", false),
            (Method::PUT, "/b", "", false),
            (Method::PUT, "/b/", "", false),
            (Method::POST, "/b/k", "uploadId=x", false),
            (Method::POST, "/b", "delete", false),
        ] {
            assert_eq!(is_object_data(&method, path, query), data, "{method} {path}?{query}");
        }
    }
}
