//! A sealed object as one answer of the backend describes it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use keys::Oid;
use keys::header::Header;
use keys::object::{Checksum, ChecksumKind, Facts, HEADER_NAME, ObjectKey};
use s3s::S3ErrorCode;

use super::{alias, etag_of};
use crate::body::{Body, collect};
use crate::s3::error::Answer;
use crate::s3::{Error, checksum};
use crate::sidecar::{ObjectAt, ObjectRecord};
use crate::vault::{Vault, now_ms};

/// Error documents longer than this are cut off: no S3 error is.
const ERROR_BODY_LIMIT: usize = 64 << 10;

/// A sealed object: its header was opened, so name, key-encryption key and metadata are the ones it was sealed under.
pub struct Stored {
    /// Name and version, as the backend answered.
    pub at: ObjectAt,
    /// The answer's headers, without the system headers that the client did not send at the writing: the backend, or whoever
    /// owns it, has added them since.
    pub headers: HeaderMap,
    /// The backend's `ETag`, without quotes.
    pub backend_etag: String,
    /// Length of the sealed body.
    pub total: u64,
    /// What opens it.
    pub object: ObjectKey,
    /// Under which key-encryption key its DEK is wrapped.
    pub kek_id: uuid::Uuid,
}

impl Stored {
    /// Opens the header of an answer about `asked`, whose sealed body is `total` bytes long. Where that one belongs elsewhere, its alias.
    pub async fn from_answer(
        vault: &Vault,
        asked: &ObjectAt,
        mut headers: HeaderMap,
        total: u64,
    ) -> Result<Self, Error> {
        let mut header = Header::find(pairs(&headers))?.ok_or(Error::Stripped)?;
        let mut object = unwrap(vault, asked, &headers, &header).await;
        if object.as_ref().is_err_and(alias::may_help)
            && let Some(alias) = alias::find(vault, asked, &header).await?
        {
            object = unwrap(vault, asked, &headers, &alias).await;
            header = alias;
        }
        let object = object?;
        if keys::length::plaintext_object_len(total).is_none() {
            return Err(keys::Error::Inconsistent("no sealed object has this length").into());
        }
        let at =
            ObjectAt { version_id: super::version_of(&headers).or_else(|| asked.version_id.clone()), ..asked.clone() };
        let backend_etag = etag_of(&headers);
        remove_unsealed(&mut headers, header.mask);
        Ok(Self { at, headers, backend_etag, total, object, kek_id: header.kek_id })
    }

    /// What the memory or the sidecar know of exactly this object.
    pub async fn known_facts(&self, vault: &Vault, need_table: bool) -> Option<SharedFacts> {
        let usable = |record: &ObjectRecord| {
            record.backend_etag == self.backend_etag
                && record.oid == self.object.oid()
                && keys::length::sealed_object_len(record.facts.length) == self.total
                && (!need_table || record.facts.part_count == 1 || !record.facts.parts.is_empty())
        };
        vault.known_record(&self.at, usable).await.map(SharedFacts)
    }

    /// The record that this object deserves, of nobody's writing that is known.
    pub fn record(&self, facts: Facts) -> ObjectRecord {
        ObjectRecord {
            at: self.at.clone(),
            backend_etag: self.backend_etag.clone(),
            oid: self.object.oid(),
            kek_id: self.kek_id,
            facts,
            principal: None,
            client: None,
            recorded_at_ms: now_ms(),
            scrub: "off".to_owned(),
        }
    }

    /// `Last-Modified`.
    pub fn last_modified(&self) -> Option<SystemTime> {
        last_modified(&self.headers)
    }

    /// The object id.
    pub fn oid(&self) -> Oid {
        self.object.oid()
    }
}

/// What a header opens, where it was made for this name and for the metadata that are stored.
async fn unwrap(
    vault: &Vault,
    asked: &ObjectAt,
    stored: &HeaderMap,
    header: &Header,
) -> Result<ObjectKey, keys::Error> {
    let kek = vault.keys.by_id(&asked.bucket, header.kek_id).await?;
    kek.unwrap(&asked.key, header, keys::metadata::digest(pairs(stored), header.mask))
}

/// Removes the system headers that are not in the mask of an object's header. `Expires` stays: in a form that backends change it
/// is stored without being authenticated, and so cannot be told from one that was added. A store that gives a type to what came without
/// one shows S3's.
fn remove_unsealed(headers: &mut HeaderMap, mask: u8) {
    for (bit, name) in (0u8..).zip(keys::metadata::SYSTEM_HEADERS) {
        if mask & 1 << bit == 0
            && name != header::EXPIRES
            && headers.remove(name).is_some()
            && name == header::CONTENT_TYPE
        {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("binary/octet-stream"));
        }
    }
}

/// The facts of a record, shared with the memory: a part table of 10,000 rows is never copied to be read.
pub struct SharedFacts(pub Arc<ObjectRecord>);

impl Deref for SharedFacts {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0.facts
    }
}

/// What was found under a name.
pub enum Look {
    /// A sealed object.
    Sealed(Box<Sealed>),
    /// Plaintext from before, in a bucket that is `migrating`.
    Plain(Plain),
}

/// A sealed object whose SUMMARY was read.
pub struct Sealed {
    /// The object.
    pub stored: Stored,
    /// What it says of itself.
    pub facts: SharedFacts,
    /// The last bytes of its sealed body, as many as were read.
    pub suffix: bytes::Bytes,
}

/// Plaintext from before.
pub struct Plain {
    /// The backend's `ETag`, which is the client's too.
    pub etag: String,
    /// The answer's headers, unedited.
    pub headers: HeaderMap,
    /// Its length.
    pub length: u64,
}

/// `Last-Modified` of an answer.
pub fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    headers.get(header::LAST_MODIFIED)?.to_str().ok().and_then(|v| httpdate::parse_http_date(v).ok())
}

/// Whether an object has tags, by the headers that it is answered with. Ceph RGW counts them where there are none too.
pub fn has_tags(headers: &HeaderMap) -> bool {
    headers.get("x-amz-tagging-count").is_some_and(|count| count != "0")
}

/// First 16 bytes of SHA-256 over our header's value, white space around it left out: which write left an object. None where there
/// is no header.
pub fn header_digest(headers: &HeaderMap) -> Option<[u8; 16]> {
    let value = headers.get(HEADER_NAME)?.as_bytes().trim_ascii();
    digest(&SHA256, value).as_ref().first_chunk().copied()
}

/// Headers as the pairs that the metadata digest reads.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// An error answer of the backend, on its way to the client as it came.
pub async fn answered(response: Response<Body>) -> Error {
    let (mut parts, body) = response.into_parts();
    let body = match collect(body, ERROR_BODY_LIMIT).await {
        Ok(body) => body,
        Err(e) => return Error::Protocol(format!("an error answer could not be read: {e}").into()),
    };
    // A redirect names the backend, and a success here is a protocol that we do not know: neither is for the client.
    if parts.status.is_redirection() && parts.status != StatusCode::NOT_MODIFIED || parts.status.is_success() {
        return Error::Protocol(format!("the backend answered {}", parts.status).into());
    }
    let code = super::documents::error_code(&body).unwrap_or_default();
    crate::s3::operation::strip_owned_response_headers(&mut parts.headers);
    Error::Answered { status: parts.status, code, response: Box::new(Answer { headers: parts.headers, body }) }
}

/// An object that has no header in a bucket where every object must have one.
pub fn unsealed() -> Error {
    Error::client(
        S3ErrorCode::InvalidObjectState,
        "This object was not written through the gateway and its bucket is not in the migrating state, so it is not served. \
         Ask the operator to set state = \"migrating\" for the bucket, or write the object again",
    )
}

/// The headers of a successful answer about a sealed object: the backend's own, less those that describe the sealed bytes, plus ours.
pub fn answer_headers(stored: &HeaderMap, facts: &Facts) -> Result<HeaderMap, Error> {
    let mut headers = crate::s3::operation::answered_headers(stored);
    super::set(&mut headers, header::ETAG, &format!("\"{}\"", facts.etag_string()))?;
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(headers)
}

/// Adds `x-amz-checksum-*`, as `x-amz-checksum-mode: ENABLED` asks for.
pub fn add_checksum(headers: &mut HeaderMap, facts: &Facts) -> Result<(), Error> {
    let Some(sum) = &facts.checksum else { return Ok(()) };
    super::set(headers, checksum::header_name(sum.algorithm), &checksum::to_text(sum, facts.part_count.into()))?;
    super::set(headers, HeaderName::from_static("x-amz-checksum-type"), checksum::kind_name(sum.kind))
}

/// The same of one part: the checksum of its own bytes, and the type of the object's. An only part has no row in a TABLE, so its checksum is
/// known where it is the object's too; a composite one is that of a checksum, which no reader could compare with the bytes.
pub fn add_part_checksum(headers: &mut HeaderMap, facts: &Facts, number: u16) -> Result<(), Error> {
    let Some(whole) = &facts.checksum else { return Ok(()) };
    let of_part = match facts.parts.iter().find(|part| part.number == number) {
        Some(part) => part.checksum,
        None => facts.checksum.filter(|sum| facts.part_count == 1 && sum.kind == ChecksumKind::FullObject),
    };
    let Some(sum) = of_part else { return Ok(()) };
    let sum = Checksum { kind: ChecksumKind::FullObject, ..sum };
    super::set(headers, checksum::header_name(sum.algorithm), &checksum::to_text(&sum, 1))?;
    super::set(headers, HeaderName::from_static("x-amz-checksum-type"), checksum::kind_name(whole.kind))
}

#[cfg(test)]
mod tests {
    use keys::object::{ChecksumAlgorithm, ETag, PartEntry};

    use super::*;

    fn shown(facts: &Facts, number: u16) -> Vec<String> {
        let mut headers = HeaderMap::new();
        add_part_checksum(&mut headers, facts, number).unwrap();
        headers.values().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_count_of_no_tags_is_no_tags() {
        let tagged = |count: &[&'static str]| {
            let headers = count.iter().map(|c| ("x-amz-tagging-count".parse().unwrap(), c.parse().unwrap()));
            has_tags(&headers.collect::<HeaderMap>())
        };
        assert!(tagged(&["2"]));
        assert!(!tagged(&["0"]), "Ceph RGW");
        assert!(!tagged(&[]));
    }

    #[test]
    fn the_checksum_of_a_part_is_of_its_own_bytes() {
        let sum = |kind, byte| {
            let mut value = [0; 32];
            value[..4].fill(byte);
            Checksum { algorithm: ChecksumAlgorithm::Crc32, kind, value }
        };
        let part = |number: u16| PartEntry {
            number,
            length: 1,
            prefix: [0; 56],
            md5: [0; 16],
            checksum: Some(sum(ChecksumKind::FullObject, number as u8)),
        };
        let of = |kind, parts: Vec<PartEntry>| Facts {
            length: 2,
            etag: ETag::Multipart([0; 16]),
            checksum: Some(sum(kind, 0)),
            part_count: parts.len().max(1) as u16,
            first_number: 1,
            first_prefix: [0; 56],
            parts,
        };
        let composite = of(ChecksumKind::Composite, vec![part(1), part(7)]);
        assert_eq!(shown(&composite, 7), ["BwcHBw==", "COMPOSITE"]);
        assert!(shown(&composite, 2).is_empty());
        assert_eq!(shown(&of(ChecksumKind::FullObject, vec![part(1), part(7)]), 1), ["AQEBAQ==", "FULL_OBJECT"]);
        // An only part has no row.
        assert_eq!(shown(&of(ChecksumKind::FullObject, vec![]), 1), ["AAAAAA==", "FULL_OBJECT"]);
        assert!(shown(&of(ChecksumKind::Composite, vec![]), 1).is_empty());
        assert!(shown(&Facts { checksum: None, ..composite }, 7).is_empty());
    }
}
