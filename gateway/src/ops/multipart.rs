//! The life of a multipart upload around its parts: create, abort, and the two listings.

use std::collections::{BTreeMap, HashMap, HashSet};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use keys::object::{ChecksumAlgorithm, ChecksumKind, PartEntry};
use s3s::S3ErrorCode;

use super::documents::{PartsPage, ShownUpload};
use super::forward::edited;
use super::put::Sealing;
use super::source::succeeded;
use super::stored::answered;
use super::upload_id::{Upload, no_such_upload};
use super::{Call, aside, documents, set};
use crate::backend::{BackendRequest, Signer, Template, path, query_value};
use crate::body::{self, Body, collect};
use crate::s3::{Error, checksum};
use crate::sidecar::{Completion, ObjectAt, PartAttempt, UploadRecord};
use crate::vault::{Vault, now_ms};

/// `CreateMultipartUpload`: the object's key is made and wrapped into its header now, since metadata is fixed here.
pub async fn create_multipart_upload(call: Call) -> Result<Response<Body>, Error> {
    let vault = call.vault.clone();
    let at = ObjectAt { version_id: None, ..call.at()? };
    let checksum = asked_checksum(&call)?;
    let mut request = call.forward_sealed();
    let mut headers = Vec::new();
    if let Some(policy) = call.policies.of(&at.bucket, &at.key) {
        policy.look_at_names(&at.key, &request.headers)?;
        headers = aside::kept_of(&request.headers);
    }
    let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
    let sealing = Sealing::begin(&call, at, &kek, &mut request.headers)?;
    let response = succeeded(vault.backend.call(request).await?).await?;
    let (parts, answer) = response.into_parts();
    let answer = collect(answer, vault.config.limits.xml_body).await?;
    let backend_id = documents::text(&answer, "UploadId")
        .ok_or_else(|| Error::Protocol("no UploadId in the backend's answer".into()))?;
    let upload = Upload {
        backend_id: backend_id.clone(),
        object: sealing.object.clone(),
        kek_id: sealing.kek_id,
        checksum,
        etag: vault.config.bucket(&sealing.at.bucket).etag,
    };
    let token = upload.seal(&kek, &sealing.at.key)?;
    vault
        .sidecar
        .upload_started(UploadRecord {
            bucket: sealing.at.bucket.clone(),
            key: sealing.at.key.clone(),
            backend_upload_id: backend_id,
            upload_id: token.clone(),
            oid: sealing.object.oid(),
            headers,
            principal: sealing.principal,
            started_at_ms: now_ms(),
        })
        .await?;
    let answer = documents::replace_texts(&answer, &[("UploadId", &token)])?;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    let headers = response.headers_mut();
    crate::s3::operation::strip_owned_response_headers(headers);
    if let Some((algorithm, kind)) = checksum {
        set(headers, HeaderName::from_static("x-amz-checksum-algorithm"), checksum::algorithm_name(algorithm))?;
        set(headers, HeaderName::from_static("x-amz-checksum-type"), checksum::kind_name(kind))?;
    }
    *response.body_mut() = body::full(answer);
    Ok(response)
}

/// `x-amz-checksum-algorithm` and `-type`, and which go together.
fn asked_checksum(call: &Call) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, Error> {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    use ChecksumKind::{Composite, FullObject};
    let invalid = |message: String| Error::client(S3ErrorCode::InvalidRequest, message);
    let kind = match call.header("x-amz-checksum-type") {
        None => None,
        Some(name) => Some(
            checksum::parse_kind(name)
                .ok_or_else(|| invalid(format!("Value for x-amz-checksum-type header is invalid: {name}")))?,
        ),
    };
    let Some(name) = call.header("x-amz-checksum-algorithm") else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.".into(),
            )),
        };
    };
    let algorithm = checksum::parse_algorithm(name)?;
    let kind = match (algorithm, kind) {
        (Crc64Nvme, None) => FullObject,
        (Crc32 | Crc32c | Sha1 | Sha256, None) => Composite,
        (Crc64Nvme, Some(Composite)) | (Sha1 | Sha256, Some(FullObject)) => {
            return Err(invalid(format!(
                "The {} checksum type cannot be used with the {name} checksum algorithm.",
                checksum::kind_name(kind.unwrap_or(FullObject))
            )));
        }
        (_, Some(kind)) => kind,
    };
    Ok(Some((algorithm, kind)))
}

/// `AbortMultipartUpload`. An id that is not sealed by us is the backend's own, as listings show it for uploads that the sidecar
/// has lost: with it only this works.
pub async fn abort_multipart_upload(call: Call) -> Result<Response<Body>, Error> {
    let token = upload_token(&call)?;
    let upload = match Upload::open(&call.vault, call.bucket()?, call.key()?, &token).await {
        Ok(upload) => Some(upload),
        Err(Error::Client { code: S3ErrorCode::NoSuchUpload, .. }) => None,
        Err(e) => return Err(e),
    };
    let backend_id = upload.as_ref().map_or(token.as_str(), |u| u.backend_id.as_str());
    let request = call.forward().query(format!("uploadId={}", query_value(backend_id)));
    let response = call.vault.backend.call(request).await?;
    if !response.status().is_success() {
        return Err(answered(response).await);
    }
    if let Some(upload) = upload {
        end(&call.vault, upload.object.oid()).await;
    }
    Ok(edited(response))
}

/// Forgets an upload that has ended, and what waited for it in the system bucket.
pub async fn end(vault: &Vault, oid: keys::Oid) {
    end_with(vault, oid, None).await;
}

/// The same, where the answer to its Complete is kept.
pub async fn end_with(vault: &Vault, oid: keys::Oid, answer: Option<Completion>) {
    vault.ahead.stop(oid);
    let attempts = match vault.sidecar.parts(oid).await {
        Ok(attempts) => attempts,
        Err(e) => {
            tracing::warn!(error = %e, "an ended upload could not be read; the collector will drop it");
            return;
        }
    };
    for stash in attempts.iter().filter_map(|a| a.stash.as_deref()).collect::<HashSet<_>>() {
        drop_stash(vault, stash).await;
    }
    let ended = match answer {
        Some(answer) => vault.sidecar.upload_completed(oid, answer).await,
        None => vault.sidecar.upload_ended(oid).await,
    };
    if let Err(e) = ended {
        tracing::warn!(error = %e, "an ended upload could not be forgotten; the collector will");
    }
}

/// Reads a stash object, of this `ETag`.
pub async fn read_stash(vault: &Vault, stash: &str, etag: &str) -> Result<Response<Body>, Error> {
    let mut request = BackendRequest::new(Method::GET, path(vault.reserved.system_bucket(), stash), Signer::Gateway);
    set(&mut request.headers, header::IF_MATCH, &format!("\"{etag}\""))?;
    let response = vault.backend.call(request).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    // The system bucket is none of the client's business.
    Err(Error::Protocol(format!("the system bucket answered {status} for what is stashed").into()))
}

/// Deletes a stash object.
pub async fn drop_stash(vault: &Vault, stash: &str) {
    let request = BackendRequest::new(Method::DELETE, path(vault.reserved.system_bucket(), stash), Signer::Gateway);
    match vault.backend.call(request).await {
        Ok(r) if r.status().is_success() || r.status() == StatusCode::NOT_FOUND => {}
        Ok(r) => tracing::warn!(status = %r.status(), "a stashed part could not be dropped; the collector will"),
        Err(e) => tracing::warn!(error = %e, "a stashed part could not be dropped; the collector will"),
    }
}

/// The `uploadId` of a request.
pub fn upload_token(call: &Call) -> Result<String, Error> {
    call.query.get("uploadId").filter(|id| !id.is_empty()).map(str::to_owned).ok_or_else(no_such_upload)
}

/// One part as an upload holds it.
pub struct HeldPart {
    /// The attempt that counts.
    pub attempt: PartAttempt,
    /// When the backend took it.
    pub last_modified: String,
}

/// The backend's own list of an upload's parts: number to `ETag` and time, and its first answer whole.
pub async fn backend_parts(
    vault: &Vault,
    base: &Template,
    backend_id: &str,
) -> Result<(HashMap<u16, (String, String)>, bytes::Bytes), Error> {
    let mut parts = HashMap::new();
    let mut first = None;
    let mut marker = 0u64;
    loop {
        let request = base.request(
            Method::GET,
            format!("max-parts=1000&part-number-marker={marker}&uploadId={}", query_value(backend_id)),
        );
        let response = succeeded(vault.backend.call(request).await?).await?;
        let page = collect(response.into_body(), vault.config.limits.xml_body).await?;
        let listed = documents::read_parts(&page)?;
        let last = listed.parts.last().map(|(number, ..)| u64::from(*number));
        for (number, etag, last_modified) in listed.parts {
            parts.insert(number, (etag, last_modified));
        }
        let first_page = first.get_or_insert(page);
        match last {
            Some(last) if listed.truncated && last > marker => marker = last,
            _ => return Ok((parts, first_page.clone())),
        }
    }
}

/// What stands for the backend's `ETag` of an attempt whose answer has not come: no backend writes such a one.
pub fn unanswered(entry: &PartEntry) -> String {
    format!("?{}", hex::encode(&entry.prefix[..24]))
}

fn is_unanswered(attempt: &PartAttempt) -> bool {
    attempt.backend_etag.starts_with('?')
}

/// Whether there is no doubt what is held of a part: one answered attempt at the backend and no other, or only stashed ones.
pub fn is_certain(attempts: &[PartAttempt], number: u16) -> bool {
    let of_part = || attempts.iter().filter(|a| a.number == number);
    let at_backend = || of_part().filter(|a| a.stash.is_none());
    match at_backend().count() {
        0 => of_part().any(|a| !is_unanswered(a)),
        1 => at_backend().all(|a| !is_unanswered(a)),
        _ => false,
    }
}

/// The attempts without the rows that an answer has made superfluous.
pub fn settled(attempts: Vec<PartAttempt>) -> Vec<PartAttempt> {
    let answered: HashSet<keys::object::Prefix> =
        attempts.iter().filter(|a| !is_unanswered(a)).map(|a| a.entry.prefix).collect();
    attempts.into_iter().filter(|a| !is_unanswered(a) || !answered.contains(&a.entry.prefix)).collect()
}

/// Of every attempt at a part, the one that counts now: the one that the backend holds, or a stashed one that came later. Without
/// the backend's list there must be one attempt at most that the backend can hold, of each part.
///
/// An attempt without an answer counts where the backend holds a part that no answered attempt made, and it is the only one
/// that can have made it. A stashed one without an answer never counts: the client was not told of it.
pub fn held(attempts: Vec<PartAttempt>, backend: Option<&HashMap<u16, (String, String)>>) -> Vec<HeldPart> {
    let mut by_number: BTreeMap<u16, Vec<PartAttempt>> = BTreeMap::new();
    for attempt in attempts {
        by_number.entry(attempt.number).or_default().push(attempt);
    }
    by_number
        .into_iter()
        .filter_map(|(number, attempts)| {
            let at_backend = match backend.map(|listed| listed.get(&number)) {
                None => AtBackend::NotAsked,
                Some(None) => AtBackend::Nothing,
                Some(Some((etag, when))) => AtBackend::Holds(etag, when),
            };
            current(attempts, at_backend)
        })
        .collect()
}

/// What the backend says of a part.
#[derive(Clone, Copy)]
enum AtBackend<'a> {
    /// It was not asked.
    NotAsked,
    /// It holds none.
    Nothing,
    /// It holds the one of this `ETag`, since this time.
    Holds(&'a str, &'a str),
}

/// Of the attempts at one part, oldest first, the one that counts.
fn current(attempts: Vec<PartAttempt>, backend: AtBackend<'_>) -> Option<HeldPart> {
    let recorded = |attempt: PartAttempt| {
        let last_modified = match backend {
            AtBackend::Holds(etag, when) if etag == attempt.backend_etag => when.to_owned(),
            _ => documents::timestamp(attempt.at_ms),
        };
        HeldPart { attempt, last_modified }
    };
    if let AtBackend::Holds(etag, _) = backend
        && !attempts.iter().any(|a| a.backend_etag == etag)
    {
        let mut unanswered = attempts.iter().filter(|a| a.stash.is_none() && is_unanswered(a));
        if let (Some(only), None) = (unanswered.next(), unanswered.next()) {
            return Some(recorded(PartAttempt { backend_etag: etag.to_owned(), ..only.clone() }));
        }
    }
    let counts = |a: &PartAttempt| match (&a.stash, backend) {
        (Some(_), _) | (None, AtBackend::NotAsked) => !is_unanswered(a),
        (None, AtBackend::Nothing) => false,
        (None, AtBackend::Holds(etag, _)) => etag == a.backend_etag,
    };
    attempts.into_iter().rev().find(counts).map(recorded)
}

/// `ListParts`: the backend's answer with its parts replaced by what the client uploaded.
pub async fn list_parts(call: Call) -> Result<Response<Body>, Error> {
    let token = upload_token(&call)?;
    let upload = Upload::open(&call.vault, call.bucket()?, call.key()?, &token).await?;
    let marker: u16 = number(&call, "part-number-marker")?.unwrap_or(0);
    let max: u16 = number(&call, "max-parts")?.unwrap_or(1000).min(1000);
    let (backend, first_page) = backend_parts(&call.vault, &call.forward().template(), &upload.backend_id).await?;
    let attempts = settled(call.vault.sidecar.parts(upload.object.oid()).await?);
    let mut parts = held(attempts, Some(&backend));
    parts.retain(|p| p.attempt.number > marker);
    // A page of nothing is no page to go on from.
    let truncated = max > 0 && parts.len() > usize::from(max);
    parts.truncate(usize::from(max));
    let answer = documents::write_parts(
        &first_page,
        &PartsPage {
            bucket: call.bucket_name()?,
            key: call.key()?,
            upload_id: &token,
            marker,
            max,
            truncated,
            checksum: upload.checksum,
            parts: &parts,
        },
    )?;
    let mut response = Response::new(body::full(answer));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(response)
}

fn number(call: &Call, name: &str) -> Result<Option<u16>, Error> {
    match call.query.get(name).filter(|v| !v.is_empty()) {
        None => Ok(None),
        Some(value) => match value.parse::<u32>() {
            Ok(n) => Ok(Some(u16::try_from(n).unwrap_or(u16::MAX))),
            Err(_) => Err(Error::client(
                S3ErrorCode::InvalidArgument,
                format!("Provided {name} not an integer or within integer range"),
            )),
        },
    }
}

/// `ListMultipartUploads`: the backend's answer with the ids that clients know, and without the uploads of our own.
pub async fn list_multipart_uploads(call: Call) -> Result<Response<Body>, Error> {
    let bucket = call.bucket()?.to_owned();
    let mut request = call.forward();
    if let (Some(marker), Some(key)) = (call.query.get("upload-id-marker"), call.query.get("key-marker"))
        && let Ok(upload) = Upload::open(&call.vault, &bucket, key, marker).await
    {
        let rest = call.query.without(|name| name == "upload-id-marker");
        let and = if rest.is_empty() { "" } else { "&" };
        request.query = format!("{rest}{and}upload-id-marker={}", query_value(&upload.backend_id));
    }
    let response = succeeded(call.vault.backend.call(request).await?).await?;
    let (parts, listing) = response.into_parts();
    let listing = collect(listing, call.vault.config.limits.xml_body).await?;
    let ids = documents::upload_ids(&listing)?;
    let known = call.vault.sidecar.uploads(&bucket, &ids).await?;
    let names: HashMap<&str, Option<&str>> = ids
        .iter()
        .zip(&known)
        .filter_map(|(id, record)| {
            record.as_ref().map(|r| (id.as_str(), (!r.upload_id.is_empty()).then_some(r.upload_id.as_str())))
        })
        .collect();
    let listing = documents::rename_uploads(&listing, |id| match names.get(id) {
        Some(Some(token)) => ShownUpload::Named((*token).to_owned()),
        Some(None) => ShownUpload::Hidden,
        None => ShownUpload::AsItIs,
    })?;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(listing);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(etag: &str, stash: Option<&str>, salt: u8) -> PartAttempt {
        let entry = PartEntry { number: 7, length: 6 << 20, prefix: [salt; 56], md5: [salt; 16], checksum: None };
        let backend_etag = if etag.is_empty() { unanswered(&entry) } else { etag.to_owned() };
        PartAttempt {
            oid: keys::Oid([0; 16]),
            number: 7,
            backend_etag,
            stash: stash.map(str::to_owned),
            entry,
            copied_from: None,
            at_ms: i64::from(salt),
        }
    }

    fn salt(attempts: &[PartAttempt], backend: Option<&str>) -> Option<u8> {
        let listed = backend.map(|etag| HashMap::from([(7, (etag.to_owned(), "then".to_owned()))]));
        let held = held(settled(attempts.to_vec()), listed.as_ref());
        assert!(held.len() <= 1);
        held.first().map(|h| h.attempt.entry.md5[0])
    }

    #[test]
    fn the_backend_says_which_of_two_tries_it_holds() {
        let tries = [attempt("", None, 1), attempt("a", None, 1), attempt("", None, 2), attempt("b", None, 2)];
        assert_eq!(salt(&tries, Some("a")), Some(1));
        assert_eq!(salt(&tries, Some("b")), Some(2));
        assert_eq!(salt(&tries, Some("c")), None);
    }

    #[test]
    fn a_try_whose_answer_was_lost_is_found() {
        let tries = [attempt("", None, 1), attempt("", None, 2), attempt("b", None, 2)];
        assert_eq!(salt(&tries, Some("b")), Some(2));
        assert_eq!(salt(&tries, Some("held")), Some(1), "only the first can have made it");
        let two = [attempt("", None, 1), attempt("", None, 3), attempt("b", None, 2)];
        assert_eq!(salt(&two, Some("held")), None, "either could have");
    }

    #[test]
    fn the_later_of_stash_and_backend_counts() {
        let answered = [attempt("a", None, 1), attempt("s", Some("key"), 2)];
        assert_eq!(salt(&answered, Some("a")), Some(2));
        assert_eq!(salt(&answered, None), Some(2));
        let lost = [attempt("a", None, 1), attempt("", Some("key"), 2)];
        assert_eq!(salt(&lost, Some("a")), Some(1), "the client was not told of the stashed one");
    }
}
