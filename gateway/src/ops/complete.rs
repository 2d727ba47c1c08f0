//! `CompleteMultipartUpload`: choose the attempts, seal TABLE and SUMMARY, upload them behind the last part, complete at the backend. Where a policy wants to see the
//! object first, its parts are sealed anew on their way through the engine ([`restream`]).

pub(super) mod restream;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use keys::object::{Checksum, ChecksumKind, ETag, Facts, PartEntry};
use md5::{Digest, Md5};
use s3s::S3ErrorCode;

use self::restream::Filled;
use super::multipart::{backend_parts, end, end_with, held, is_certain, settled, upload_token};
use super::precondition::{self, Precondition};
use super::put::{self, Scrubbed, Sealing, abandon, commit, tail};
use super::scrubbed;
use super::source::{Source, succeeded};
use super::spool::{completed, for_parts};
use super::stored::{Look, answered};
use super::upload_id::{Upload, no_such_upload};
use super::upload_part::{LAST_NUMBER, MIN_PART};
use super::{Call, aside, documents, etag_of, forward, keepalive, set};
use crate::backend::{BackendError, Payload, Template, query_value};
use crate::body::scrub::Seen;
use crate::body::{self, Body};
use crate::config::EtagPolicy;
use crate::leases::job::taken_over;
use crate::s3::intake::Intake;
use crate::s3::xml::{self, CompletedPart};
use crate::s3::{Error, checksum};
use crate::scrubbing::Record;
use crate::sidecar::{
    COMPLETION_AGE, Completion, CopiedFrom, LineageEdge, ObjectAt, ObjectRecord, PartAttempt, SidecarError,
};
use crate::vault::{Vault, now_ms};

/// `CompleteMultipartUpload`.
pub async fn complete_multipart_upload(call: Call, body: Body) -> Result<Response<Body>, Error> {
    let token = upload_token(&call)?;
    let upload = Upload::open(&call.vault, call.bucket()?, call.key()?, &token).await?;
    let mut unused = http::HeaderMap::new();
    let document = forward::small_body(&call, body, &mut unused).await?.unwrap_or_default();
    let listed = xml::read_complete(&document)?;
    keepalive::answer(call, |call| async move { complete(&call, &upload, &listed).await }).await
}

async fn complete(call: &Call, upload: &Upload, listed: &[CompletedPart]) -> Result<Response<Body>, Error> {
    let vault = &call.vault;
    let oid = upload.object.oid();
    // Scrubbing takes its time, and a client that lost its patience asks again: that waits for the first, and gets the same answer.
    let enforced = call.policies.enforced(call.bucket()?, call.key()?).is_some();
    let patience = vault.config.server.request_timeout;
    let alone = if enforced { Some(vault.leases.complete(&vault.sidecar, oid, patience).await?) } else { None };
    let attempts = settled(vault.sidecar.parts(oid).await?);
    if attempts.is_empty() {
        return repeated(call, upload, listed).await?.ok_or_else(no_such_upload);
    }
    let highest = attempts.iter().map(|a| a.number).max().unwrap_or(0);
    let chosen = choose(call, upload, listed, attempts).await?;
    let mut facts = facts(call, upload, &chosen)?;
    let at = ObjectAt { version_id: None, ..call.at()? };
    let mut sealing = Sealing::of(call, at.clone(), upload.object.clone(), upload.kek_id);
    let lineage = lineage(&chosen, &at);

    let parts = Template {
        path: call.address.raw_path.clone(),
        headers: for_parts(&call.forward_sealed().headers),
        sender: call.sender(),
    };
    let mut request = parts.request(Method::POST, format!("uploadId={}", query_value(&upload.backend_id)));
    if let Some(value) = call.headers.get(header::IF_NONE_MATCH) {
        request.headers.insert(header::IF_NONE_MATCH, value.clone());
    }
    let condition = Precondition::resolve(call, &mut request.headers).await?;
    let anew = restream::is_needed(call, &chosen)?;
    let (numbered, intent, lease) = if anew {
        match restream::fill(call, upload, chosen, &facts, parts, &condition, &mut sealing, alone.clone()).await? {
            Filled::Sealed { numbered, facts: sealed, intent, lease } => {
                facts = sealed;
                (numbered, intent, lease)
            }
            Filled::Gone(error) => return repeated(call, upload, listed).await?.ok_or(error),
        }
    } else {
        let numbered = match append(call, upload, &chosen, &facts, highest, &parts).await? {
            Ok(numbered) => numbered,
            Err(error) => return repeated(call, upload, listed).await?.ok_or(error),
        };
        let lease = condition.under_lease()?.take().await?;
        (numbered, vault.sidecar.begin(sealing.intent()).await?, lease)
    };
    if let Some(alone) = &alone
        && let Err(lost) = alone.check().await
    {
        abandon(vault, Some(intent)).await;
        return Err(lost);
    }
    let document =
        Bytes::from(documents::complete_request(numbered.iter().map(|(number, etag)| (*number, etag.as_str()))));

    let mut tries = 1;
    let response = loop {
        let response = completed(vault.backend.call(request.again(Payload::Bytes(document.clone()))).await?).await?;
        if tries == precondition::TRIES || response.status() == http::StatusCode::NOT_FOUND {
            break response;
        }
        match condition.overtaken(response.status(), &mut request.headers).await {
            Ok(true) => tries += 1,
            Ok(false) => break response,
            Err(e) => {
                abandon(vault, Some(intent)).await;
                return Err(e);
            }
        }
    };
    drop(lease);
    let status = response.status();
    if !status.is_success() {
        let error = answered(response).await;
        if status == http::StatusCode::NOT_FOUND
            && let Some(done) = repeated(call, upload, listed).await?
        {
            return Ok(done);
        }
        if status.is_client_error() {
            abandon(vault, Some(intent)).await;
        }
        if status == http::StatusCode::PRECONDITION_FAILED && condition.is_resolved() {
            return Err(precondition::try_again());
        }
        // The parts are ours, so only another gateway can have written over them. Of the two at most one can complete, and only what is all its own.
        if anew && matches!(&error, Error::Answered { code, .. } if code == "InvalidPart") {
            return Err(taken_over());
        }
        return Err(error);
    }
    let (parts, answer) = response.into_parts();
    let record = sealing.record(facts, &parts.headers);
    let record = commit(vault, Some(intent), record, lineage).await;
    finish(call, &sealing, &record, Response::from_parts(parts, answer)).await
}

/// The answer to the client, once the object is there: kept for whoever asks again.
async fn finish(
    call: &Call,
    sealing: &Sealing,
    record: &ObjectRecord,
    response: Response<Body>,
) -> Result<Response<Body>, Error> {
    let (vault, oid) = (&call.vault, record.oid);
    let (parts, answer) = response.into_parts();
    if sealing.scrub.is_none() && call.policies.of(&record.at.bucket, &record.at.key).is_some() {
        // To look into it takes its time, and a repeat meanwhile finds the object.
        end(vault, oid).await;
    }
    let answered = async {
        let scrubbed = match &sealing.scrub {
            Some(scrubbed) => Some(scrubbed.record()?),
            None => detect(call, sealing, record).await,
        };
        let answer = body::collect(answer, vault.config.limits.xml_body).await?;
        let answer = Bytes::from(documents::edit_complete_result(&answer, &record.facts, &location(call))?);
        let mut response = forward::edited(Response::from_parts(parts, body::empty()));
        crate::s3::operation::strip_owned_response_headers(response.headers_mut());
        put::tell(response.headers_mut(), scrubbed.as_ref())?;
        Ok::<_, Error>((response, answer))
    };
    // The object is there whatever becomes of the answer.
    let answered = answered.await;
    let kept = answered.as_ref().ok().map(|(response, answer)| Completion {
        at_ms: now_ms(),
        headers: repeated_headers(response.headers()),
        body: answer.clone(),
    });
    end_with(vault, oid, kept).await;
    let (mut response, answer) = answered?;
    *response.body_mut() = body::full(answer);
    Ok(response)
}

/// What an answer says of the object, and not of the request.
fn repeated_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let said = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        name == header::CONTENT_TYPE
            || name.starts_with("x-data-vault-")
            || name == "x-amz-version-id"
            || name == "x-amz-expiration"
            || name.starts_with("x-amz-server-side-encryption")
    });
    said.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

/// TABLE and SUMMARY go behind the last part, under a number that no part ever had; with a stashed last part in front of them. Gives numbers and the backend's
/// `ETag`s of all parts; `Err`: the backend no longer has the upload.
async fn append(
    call: &Call,
    upload: &Upload,
    chosen: &[PartAttempt],
    facts: &Facts,
    highest: u16,
    parts: &Template,
) -> Result<Result<Vec<(usize, String)>, Error>, Error> {
    let vault = &call.vault;
    let stashed = chosen.last().filter(|a| a.stash.is_some());
    let number = if highest >= LAST_NUMBER { LAST_NUMBER } else { highest + 1 };
    let request =
        parts.request(Method::PUT, format!("partNumber={number}&uploadId={}", query_value(&upload.backend_id)));
    let payload = last_part(vault, stashed, tail(&upload.object, facts)?).await?;
    let response = match vault.backend.call(request.payload(payload)).await {
        Ok(response) => response,
        // What failed is the stash that was being read, not the client's body.
        Err(BackendError::Body(e)) => return Err(Error::Backend(BackendError::Broken(e))),
        Err(e) => return Err(e.into()),
    };
    if response.status() == http::StatusCode::NOT_FOUND {
        return Ok(Err(answered(response).await));
    }
    let trailer_etag = etag_of(succeeded(response).await?.headers());
    let at_backend = chosen.iter().filter(|a| a.stash.is_none());
    let mut numbered: Vec<_> = at_backend.map(|a| (usize::from(a.number), a.backend_etag.clone())).collect();
    numbered.push((usize::from(number), trailer_etag));
    Ok(Ok(numbered))
}

/// Looks into an object that is there, for a policy that changes nothing. What fails here fails nobody: the object is as it should be.
async fn detect(call: &Call, sealing: &Sealing, record: &ObjectRecord) -> Option<Record> {
    // One that changes what is stored has had its say before, and can be satisfied by nothing that is looked at afterwards.
    let policy = call.policies.of(&record.at.bucket, &record.at.key).filter(|policy| !policy.enforces())?;
    let looked = async {
        let source = Source::at(&call.vault, record.at.clone(), call.sender());
        let Ok(opened) = source.open(&record.backend_etag, &record.facts, 0..record.facts.length).await? else {
            return Ok(None);
        };
        let intake = Intake::of_ours(opened.plaintext, record.facts.length, put::reading_options(&call.vault))?;
        let scrubbed = Scrubbed::begin(policy, &record.at.key, &opened.stored.headers, Seen::default())?;
        let mut plaintext = put::look_into(&call.vault, &record.at, policy, intake, &scrubbed.seen)?;
        while plaintext.next().await?.is_some() {}
        let done = scrubbed.record()?;
        let kek = call.vault.keys.by_id(&record.at.bucket, sealing.kek_id).await?;
        scrubbed::keep(&call.vault, &record.at.bucket, &kek, record.oid, &done).await?;
        let seen = ObjectRecord { scrub: done.state(), ..record.clone() };
        call.vault.sidecar.record(None, seen, Vec::new()).await?;
        Ok::<_, Error>(Some(done))
    };
    looked
        .await
        .inspect_err(|e| tracing::warn!(error = %e, "an object that was put together could not be looked into"))
        .ok()?
}

/// For each part that the client lists, the attempt that it means and that is still there.
async fn choose(
    call: &Call,
    upload: &Upload,
    listed: &[CompletedPart],
    attempts: Vec<PartAttempt>,
) -> Result<Vec<PartAttempt>, Error> {
    // Two attempts at one part, or none that was answered: what the backend holds, and whether it still knows the upload, only it
    // can say.
    let contested = listed.iter().any(|part| !is_certain(&attempts, part.number));
    let backend = if contested {
        let base = Template {
            path: call.address.raw_path.clone(),
            headers: for_parts(&call.forward_sealed().headers),
            sender: call.sender(),
        };
        Some(backend_parts(&call.vault, &base, &upload.backend_id).await?.0)
    } else {
        None
    };
    let mut held: HashMap<u16, PartAttempt> =
        held(attempts, backend.as_ref()).into_iter().map(|p| (p.attempt.number, p.attempt)).collect();
    let mut chosen: Vec<PartAttempt> = Vec::with_capacity(listed.len());
    for part in listed {
        let attempt = held
            .remove(&part.number)
            .filter(|attempt| hex::encode(attempt.entry.md5) == part.etag)
            .ok_or_else(invalid_part)?;
        for (algorithm, value) in &part.checksums {
            let claimed = checksum::parse(*algorithm, value)?;
            if attempt.entry.checksum.as_ref().is_some_and(|sum| *sum != claimed) {
                return Err(invalid_part());
            }
        }
        chosen.push(attempt);
    }
    if let Some((_, rest)) = chosen.split_last()
        && rest.iter().any(|a| a.entry.length < MIN_PART)
    {
        return Err(Error::client(
            S3ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    Ok(chosen)
}

fn invalid_part() -> Error {
    Error::client(
        S3ErrorCode::InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    )
}

/// An edge from each object that parts were copied from, as of the last of them.
fn lineage(chosen: &[PartAttempt], target: &ObjectAt) -> Vec<LineageEdge> {
    let mut latest: HashMap<&CopiedFrom, i64> = HashMap::new();
    for (from, at_ms) in chosen.iter().filter_map(|a| Some((a.copied_from.as_ref()?, a.at_ms))) {
        let latest = latest.entry(from).or_insert(at_ms);
        *latest = at_ms.max(*latest);
    }
    let edge = |(from, at_ms): (&CopiedFrom, i64)| LineageEdge {
        source: from.at.clone(),
        source_etag: from.etag.clone(),
        target: target.clone(),
        operation: "UploadPartCopy".into(),
        at_ms,
    };
    latest.into_iter().map(edge).collect()
}

/// What TABLE and SUMMARY will say.
fn facts(call: &Call, upload: &Upload, chosen: &[PartAttempt]) -> Result<Facts, Error> {
    let entries: Vec<PartEntry> = chosen.iter().map(|a| a.entry.clone()).collect();
    let first = entries.first().ok_or_else(invalid_part)?;
    let length: u64 = entries.iter().map(|e| e.length).sum();
    if let Some(size) = call.header("x-amz-mp-object-size")
        && size.parse() != Ok(length)
    {
        return Err(Error::client(
            S3ErrorCode::InvalidRequest,
            format!(
                "The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {length}"
            ),
        ));
    }
    let etag = match upload.etag {
        EtagPolicy::Md5 => {
            let all: Vec<u8> = entries.iter().flat_map(|e| e.md5).collect();
            ETag::Multipart(Md5::digest(&all).into())
        }
        EtagPolicy::Opaque => ETag::Opaque(keys::Oid::random()?.0),
    };
    let checksum = whole_checksum(call, upload, &entries)?;
    let part_count = u16::try_from(entries.len()).map_err(|_| invalid_part())?;
    let (first_number, first_prefix) = (first.number, first.prefix);
    Ok(Facts {
        length,
        etag,
        checksum,
        part_count,
        first_number,
        first_prefix,
        parts: if part_count == 1 { Vec::new() } else { entries },
    })
}

fn whole_checksum(call: &Call, upload: &Upload, entries: &[PartEntry]) -> Result<Option<Checksum>, Error> {
    let Some((algorithm, kind)) = upload.checksum else { return Ok(None) };
    let sums: Option<Vec<(Checksum, u64)>> = entries.iter().map(|e| e.checksum.map(|c| (c, e.length))).collect();
    let sums = sums.ok_or_else(invalid_part)?;
    let whole = match kind {
        ChecksumKind::Composite => checksum::composite(sums.into_iter().map(|(c, _)| c)),
        ChecksumKind::FullObject => checksum::full_object(sums),
    };
    let whole = whole.ok_or_else(invalid_part)?;
    // A value that the client sends for the whole object must be the one that the parts give.
    if let Some(claimed) = call.header(checksum::header_name(algorithm).as_str())
        && checksum::parse_object(algorithm, claimed)?.0.bytes() != whole.bytes()
    {
        return Err(Error::client(
            S3ErrorCode::BadDigest,
            "The checksum that you specified did not match the one calculated from the parts",
        ));
    }
    Ok(Some(whole))
}

/// The bytes of the backend's last part.
async fn last_part(vault: &Arc<Vault>, stashed: Option<&PartAttempt>, tail: Bytes) -> Result<Payload, Error> {
    let Some(attempt) = stashed else { return Ok(Payload::Bytes(tail)) };
    let (sealed, length) = restream::stashed(vault, attempt).await?;
    let total = length + tail.len() as u64;
    let sealed = sealed.into_data_stream().map(|f| f.map(Frame::data));
    let body = StreamBody::new(sealed.chain(stream::once(async move { Ok(Frame::data(tail)) }))).boxed_unsync();
    Ok(Payload::Stream { body, length: total })
}

/// A Complete whose answer was lost, sent again: it was done where its answer is known, which the upload's own token entitles to, or the key holds the object of
/// this upload.
async fn repeated(call: &Call, upload: &Upload, listed: &[CompletedPart]) -> Result<Option<Response<Body>>, Error> {
    let since = now_ms() - i64::try_from(COMPLETION_AGE.as_millis()).unwrap_or(i64::MAX);
    let oid = upload.object.oid();
    if let Some(answer) = call.vault.sidecar.completion(oid, since).await? {
        let mut response = Response::new(body::full(answer.body));
        for (name, value) in &answer.headers {
            let name = HeaderName::try_from(name).map_err(|e| SidecarError::Damaged(format!("a header: {e}")))?;
            set(response.headers_mut(), name, value)?;
        }
        return Ok(Some(response));
    }
    if call.policies.of(call.bucket()?, call.key()?).is_some() {
        let id = aside::id_of(oid, listed.iter().map(|part| (part.number, part.etag.clone())))?;
        if let Some(refused) = aside::answered(&call.vault, call.bucket()?, id).await? {
            return Err(refused);
        }
    }
    let at = ObjectAt { version_id: None, ..call.at()? };
    let look = match Source::at(&call.vault, at, call.sender()).look(super::head::SUFFIX, false).await {
        Ok(look) => look,
        Err(Error::Answered { .. }) => return Ok(None),
        Err(e) => return Err(e),
    };
    let Look::Sealed(sealed) = look else { return Ok(None) };
    if sealed.stored.oid() != oid {
        return Ok(None);
    }
    let answer = documents::complete_result(call.bucket_name()?, call.key()?, &sealed.facts, &location(call));
    let answer = Bytes::from(answer);
    let mut response = Response::new(body::full(answer.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Some(version) = &sealed.stored.at.version_id {
        set(response.headers_mut(), HeaderName::from_static("x-amz-version-id"), version)?;
    }
    if call.policies.enforced(call.bucket()?, call.key()?).is_some() {
        let record = scrubbed::find(&call.vault, call.bucket()?, oid).await?;
        put::tell(response.headers_mut(), record.as_ref())?;
    }
    let kept = Completion { at_ms: now_ms(), headers: repeated_headers(response.headers()), body: answer };
    end_with(&call.vault, oid, Some(kept)).await;
    Ok(Some(response))
}

/// Where the client finds the object: through us.
pub fn location(call: &Call) -> String {
    let host = call.header("host").unwrap_or_default();
    format!("{}://{host}{}", call.client.scheme.as_str(), call.address.raw_path)
}
