//! `UploadPart` and `UploadPartCopy`. Every attempt is recorded before it is acknowledged.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use keys::object::{PartEntry, PartSealer};
use s3s::S3ErrorCode;

use super::conditions::{self, Outcome};
use super::get::Resolved;
use super::multipart::{self, upload_token};
use super::put::{intake_options, require_length};
use super::source::{Source, succeeded};
use super::stored::Look;
use super::upload_id::Upload;
use super::{Call, documents, etag_of, keepalive, range, set};
use crate::backend::{BackendRequest, Payload, Signer, path, query_value};
use crate::body::seal::{Finish, body_error, seal};
use crate::body::{self, Body, collect};
use crate::config::EtagPolicy;
use crate::s3::address::CopySource;
use crate::s3::intake::{Intake, IntakeOptions, Received};
use crate::s3::{Error, checksum};
use crate::sidecar::{CopiedFrom, ObjectAt, PartAttempt};
use crate::vault::{Vault, now_ms};

/// A part below this must be the last one, as S3 has it; with our trailer behind it, it is not, so it waits in a stash.
pub const MIN_PART: u64 = 5 << 20;
/// The highest part number; whoever has it has no number left for our trailer.
pub const LAST_NUMBER: u16 = 10_000;
/// S3's bound on a part, less what sealing can add.
const MAX_PART: u64 = (5 << 30) - (8 << 20);

/// Part 10,000 goes to the backend together with padding and TABLE.
fn max_part(number: u16) -> u64 {
    if number == LAST_NUMBER { MAX_PART - (8 << 20) } else { MAX_PART }
}

/// `UploadPart`.
pub async fn upload_part(call: Call, body: Body) -> Result<Response<Body>, Error> {
    let vault = call.vault.clone();
    let number = part_number(&call)?;
    let upload = Upload::open(&vault, call.bucket()?, call.key()?, &upload_token(&call)?).await?;
    let options = IntakeOptions {
        md5: upload.etag == EtagPolicy::Md5,
        max_length: max_part(number),
        ..intake_options(&vault, call.bucket()?, upload.checksum.map(|(a, _)| a))
    };
    require_length(&call)?;
    let intake = Intake::new(&call.headers, body, &call.authentication, options)?;
    let mut request = call.forward_sealed();
    if let Some(expect) = call.expect(intake.length()) {
        request.headers.insert(header::EXPECT, expect);
    }
    let stash = Stash::of(&call)?;
    let (attempt, stored) = write_part(&vault, request, &upload, number, intake, stash, None).await?;
    scrub_ahead(&call, &upload, &attempt)?;

    let mut response = Response::new(body::empty());
    let headers = response.headers_mut();
    headers.extend(encryption(stored));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    set(headers, header::ETAG, &format!("\"{}\"", hex::encode(attempt.entry.md5)))?;
    if let Some(sum) = &attempt.entry.checksum {
        set(headers, checksum::header_name(sum.algorithm), &checksum::to_text(sum, 1))?;
    }
    Ok(response)
}

/// Where a policy wants to see the object, that begins with what has come.
fn scrub_ahead(call: &Call, upload: &Upload, attempt: &PartAttempt) -> Result<(), Error> {
    let at = ObjectAt { version_id: None, ..call.at()? };
    match call.policies.enforced(&at.bucket, &at.key) {
        Some(policy) if attempt.stash.is_some() => {
            call.vault.ahead.arrived(&call.vault, (&at, policy), upload, attempt)
        }
        _ => Ok(()),
    }
}

/// `partNumber`, 1 to 10,000.
fn part_number(call: &Call) -> Result<u16, Error> {
    match call.query.get("partNumber").map(str::parse::<u16>) {
        Some(Ok(number @ 1..=LAST_NUMBER)) => Ok(number),
        _ => Err(Error::client(
            S3ErrorCode::InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive",
        )),
    }
}

/// Seals a part and puts it where it waits for Complete: at the backend, or in the stash.
async fn write_part(
    vault: &Arc<Vault>,
    request: BackendRequest,
    upload: &Upload,
    number: u16,
    intake: Intake,
    stash: Stash,
    copied_from: Option<CopiedFrom>,
) -> Result<(PartAttempt, HeaderMap), Error> {
    let declared = intake.length();
    if declared.is_none_or(|length| stash.takes(length, number)) {
        // The backend is not asked for a stashed part, so it is asked whether there still is such an upload.
        let query = format!("max-parts=1&uploadId={}", query_value(&upload.backend_id));
        let asked = request.template().request(http::Method::GET, query);
        succeeded(vault.backend.call(asked).await?).await?;
    }
    let sealer = PartSealer::new(&upload.object, number)?;
    let prefix = sealer.prefix();
    let attempted: Attempted = Arc::default();
    let stash_key = format!("stash/{}/{number:05}-{}", upload.object.oid(), uuid::Uuid::new_v4());
    let finish = finish(vault, upload, number, prefix, (stash, stash_key.clone()), copied_from, attempted.clone());
    let ciphertext = seal(intake, sealer, finish);
    let (payload, length) = match declared {
        Some(length)
            if length > vault.config.limits.small_object
                || (request.headers.contains_key(header::EXPECT) && !stash.takes(length, number)) =>
        {
            (Payload::Stream { body: ciphertext, length: keys::cobblestone::sealed_len(length) }, length)
        }
        _ => {
            let limit = vault.config.limits.body_in_memory;
            let bytes = collect(ciphertext, limit).await.map_err(|e| match e {
                body::CollectError::TooLong { .. } => Error::client(
                    S3ErrorCode::MissingContentLength,
                    "A part of this size needs a Content-Length header",
                ),
                body::CollectError::Broken(e) => body_error(e),
            })?;
            let length = keys::cobblestone::plaintext_len(bytes.len() as u64)
                .ok_or_else(|| Error::Internal("sealed length".into()))?;
            (Payload::Bytes(bytes), length)
        }
    };
    vault.metrics.sealed(length);
    let stash = stash.takes(length, number).then_some(stash_key);
    let request = match &stash {
        Some(key) => BackendRequest::new(http::Method::PUT, path(vault.reserved.system_bucket(), key), Signer::Gateway),
        None => request.query(format!("partNumber={number}&uploadId={}", query_value(&upload.backend_id))),
    };
    let response = match vault.backend.call(request.payload(payload)).await {
        Ok(response) => succeeded(response).await?,
        Err(crate::backend::BackendError::Body(e)) => return Err(body_error(e)),
        Err(e) => return Err(e.into()),
    };
    let attempt = attempted.lock().map_err(|_| Error::Internal("a lock was poisoned".into()))?.take();
    let attempt =
        attempt.ok_or_else(|| Error::Protocol("the backend acknowledged a part that it had not read".into()))?;
    let attempt = PartAttempt { backend_etag: etag_of(response.headers()), at_ms: now_ms(), ..attempt };
    vault.sidecar.part_attempt(attempt.clone()).await?;
    Ok((attempt, response.into_parts().0.headers))
}

/// How the backend says that it encrypts, and who pays.
fn encryption(answer: HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let named = answer.into_iter().filter_map(|(name, value)| Some((name?, value)));
    named.filter(|(name, _)| {
        name.as_str().starts_with("x-amz-server-side-encryption") || name.as_str() == "x-amz-request-charged"
    })
}

/// Which parts do not go to the backend until Complete.
#[derive(Clone, Copy)]
enum Stash {
    /// Those that cannot stand before others.
    Few,
    /// All: what is found may reach over the end of a part, so nothing of the object is at its place before all of it is scrubbed.
    All,
}

impl Stash {
    fn of(call: &Call) -> Result<Self, Error> {
        let policy = call.policies.enforced(call.bucket()?, call.key()?);
        Ok(if policy.is_some() { Self::All } else { Self::Few })
    }

    fn takes(self, length: u64, number: u16) -> bool {
        matches!(self, Self::All) || length < MIN_PART || number == LAST_NUMBER
    }
}

/// What was recorded before the last bytes of a part were let go.
type Attempted = Arc<Mutex<Option<PartAttempt>>>;

/// The attempt is recorded before its last bytes leave, under no backend `ETag` yet: if its answer is lost, because the client or this
/// process goes away, and the backend holds it all the same, Complete can still tell what it is.
fn finish(
    vault: &Arc<Vault>,
    upload: &Upload,
    number: u16,
    prefix: keys::object::Prefix,
    (stash, stash_key): (Stash, String),
    copied_from: Option<CopiedFrom>,
    slot: Attempted,
) -> Finish {
    let (vault, oid, asked) = (vault.clone(), upload.object.oid(), upload.checksum.map(|(a, _)| a));
    Box::new(move |received: Received| {
        Box::pin(async move {
            if let (Some(asked), Some(sum)) = (asked, &received.checksum)
                && sum.algorithm != asked
            {
                return Err(Error::client(
                    S3ErrorCode::InvalidRequest,
                    format!(
                        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                        checksum::algorithm_name(asked).to_ascii_lowercase(),
                        checksum::algorithm_name(sum.algorithm).to_ascii_lowercase()
                    ),
                ));
            }
            let md5 = match received.md5 {
                Some(md5) => md5,
                None => keys::Oid::random()?.0,
            };
            let entry = PartEntry { number, length: received.length, prefix, md5, checksum: received.checksum };
            let stash = stash.takes(entry.length, number).then_some(stash_key);
            let backend_etag = multipart::unanswered(&entry);
            let attempt = PartAttempt { oid, number, backend_etag, stash, entry, copied_from, at_ms: now_ms() };
            vault.sidecar.part_attempt(attempt.clone()).await?;
            *slot.lock().map_err(|_| Error::Internal("a lock was poisoned".into()))? = Some(attempt);
            Ok(Bytes::new())
        })
    })
}

/// `UploadPartCopy`: the source's bytes are opened and sealed again under the new object's key.
pub async fn upload_part_copy(call: Call) -> Result<Response<Body>, Error> {
    let number = part_number(&call)?;
    let source = super::copy::source_of(&call)?;
    let upload = Upload::open(&call.vault, call.bucket()?, call.key()?, &upload_token(&call)?).await?;
    keepalive::answer(call, |call| async move { copy_part(&call, &source, &upload, number).await }).await
}

async fn copy_part(call: &Call, named: &CopySource, upload: &Upload, number: u16) -> Result<Response<Body>, Error> {
    let vault = &call.vault;
    let source = Source::copied(call, named);
    let (plaintext, length, copied_from) = read_source(call, &source).await?;
    let options = IntakeOptions {
        md5: upload.etag == EtagPolicy::Md5,
        max_length: max_part(number),
        ..intake_options(vault, call.bucket()?, upload.checksum.map(|(a, _)| a))
    };
    let intake = Intake::of_ours(plaintext, length, options)?;
    let version = copied_from.at.version_id.clone();
    let mut request = call.forward_sealed();
    super::copy::strip_copy_headers(&mut request.headers);
    let stash = Stash::of(call)?;
    let (attempt, stored) = write_part(vault, request, upload, number, intake, stash, Some(copied_from)).await?;
    scrub_ahead(call, upload, &attempt)?;
    let answer =
        documents::copy_part_result(&hex::encode(attempt.entry.md5), attempt.at_ms, attempt.entry.checksum.as_ref());
    let mut response = Response::new(body::full(answer));
    response.headers_mut().extend(encryption(stored));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Some(version) = version {
        set(response.headers_mut(), HeaderName::from_static("x-amz-copy-source-version-id"), &version)?;
    }
    Ok(response)
}

/// The bytes that a part copy asks for, as plaintext, how many, and of what.
async fn read_source(call: &Call, source: &Source) -> Result<(Body, u64, CopiedFrom), Error> {
    for _ in 0..3 {
        match source.look(super::head::SUFFIX, true).await? {
            Look::Sealed(sealed) => {
                weigh(call, &sealed.facts.etag_string(), sealed.stored.last_modified())?;
                let Resolved::Partial { bytes, .. } = wanted(call, sealed.facts.length)? else {
                    return Err(Error::Internal("a part copy resolves to a range".into()));
                };
                let length = bytes.end - bytes.start;
                if let Ok(opened) = source.open(&sealed.stored.backend_etag, &sealed.facts, bytes).await? {
                    let from = CopiedFrom { at: opened.stored.at, etag: opened.stored.backend_etag };
                    return Ok((opened.plaintext, length, from));
                }
            }
            Look::Plain(plain) => {
                weigh(call, &plain.etag, super::stored::last_modified(&plain.headers))?;
                let Resolved::Partial { bytes, .. } = wanted(call, plain.length)? else {
                    return Err(Error::Internal("a part copy resolves to a range".into()));
                };
                let length = bytes.end - bytes.start;
                if length == 0 {
                    return Ok((body::empty(), 0, CopiedFrom { at: source.at.clone(), etag: plain.etag }));
                }
                let request = source.request(http::Method::GET, Some(&range::header(&bytes)), Some(&plain.etag))?;
                let response = call.vault.backend.call(request).await?;
                if response.status() == http::StatusCode::PARTIAL_CONTENT && etag_of(response.headers()) == plain.etag {
                    let version_id = super::version_of(response.headers());
                    let from = CopiedFrom { at: ObjectAt { version_id, ..source.at.clone() }, etag: plain.etag };
                    return Ok((response.into_body(), length, from));
                }
            }
        }
    }
    Err(Error::client(S3ErrorCode::SlowDown, "The source is being replaced faster than it can be read; try again"))
}

/// The conditions on the source.
pub fn weigh(call: &Call, etag: &str, last_modified: Option<std::time::SystemTime>) -> Result<(), Error> {
    match conditions::weigh(&conditions::COPY_SOURCE, &call.headers, etag, last_modified) {
        Outcome::Go => Ok(()),
        Outcome::NotModified | Outcome::Failed => Err(conditions::failed()),
    }
}

/// `x-amz-copy-source-range: bytes=first-last`, or all of the source.
fn wanted(call: &Call, length: u64) -> Result<Resolved, Error> {
    let Some(text) = call.header("x-amz-copy-source-range") else {
        return Ok(Resolved::Partial { bytes: 0..length, parts: None });
    };
    match range::parse_copy_range(text) {
        Some((first, last)) if last < length => Ok(Resolved::Partial { bytes: first..last + 1, parts: None }),
        Some(_) => Err(Error::client(
            S3ErrorCode::InvalidRange,
            format!("Range specified is not valid for source object of size: {length}"),
        )),
        None => Err(Error::client(
            S3ErrorCode::InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        )),
    }
}
