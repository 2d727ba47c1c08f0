//! `CopyObject`. A sealed source is copied by the backend, no byte moving through us: exactly the version that was read, with its
//! DEK wrapped anew for its new name and metadata. Bytes stream through only where the source is plaintext from before, or another
//! checksum is asked for.
//!
//! Where a policy of the store demands that a copy keeps what its source has, it keeps the source's header as well, and the one that opens
//! it there becomes an [`alias`].
//!
//! Into a bucket with a scrub policy bytes stream through the engine and are sealed anew. Where a policy of the store takes nothing but a copy, one is made after
//! the engine has looked into the source, if it only looks (`detect`); what it would change (`enforce`) cannot be a copy, and stays refused.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use keys::header::Header;
use keys::hierarchy::Kek;
use keys::metadata::SYSTEM_HEADERS;
use keys::object::{Facts, HEADER_NAME};
use s3s::S3ErrorCode;

use super::precondition::Precondition;
use super::put::{
    Scrubbed, Sealing, Written, abandon, commit, intake_options, look_into, reading_options, tell, wrap_into, write,
};
use super::source::{Source, succeeded};
use super::spool::{OwnUpload, completed};
use super::stored::{Look, Plain, Sealed, answered, has_tags, header_digest, pairs};
use super::upload_part::weigh;
use super::{Call, alias, documents, etag_of, forward, keepalive, range, scrubbed, set};
use crate::backend::{BackendRequest, CopySourceMatch, Payload, query_value};
use crate::body::scrub::Seen;
use crate::body::{self, Body, collect};
use crate::s3::address::{CopySource, tenant};
use crate::s3::intake::Intake;
use crate::s3::{Error, checksum};
use crate::scrubbing::BucketPolicy;
use crate::sidecar::{CopiedFrom, LineageEdge, ObjectAt};
use crate::vault::{Vault, now_ms};

/// How often a copy begins again when its source is replaced underneath it.
const TRIES: usize = 3;
/// Pieces of a copy that passes the backend's bound for one.
const PIECE: u64 = 1 << 30;

/// `CopyObject`.
pub async fn copy_object(call: Call) -> Result<Response<Body>, Error> {
    let named = source_of(&call)?;
    call.vault.check_condition(&call.headers)?;
    keepalive::answer(call, |call| async move {
        for _ in 0..TRIES {
            if let Some(done) = Box::pin(copy(&call, &named)).await? {
                return Ok(done);
            }
        }
        Err(Error::client(
            S3ErrorCode::SlowDown,
            "The source is being replaced faster than it can be copied; try again",
        ))
    })
    .await
}

/// `x-amz-copy-source`, of a bucket that may be named.
pub fn source_of(call: &Call) -> Result<CopySource, Error> {
    let value = call.headers.get("x-amz-copy-source").ok_or_else(|| {
        Error::client(
            S3ErrorCode::InvalidArgument,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    })?;
    let source = CopySource::parse(value.as_bytes(), call.vault.config.backend.bucket_names)?;
    call.vault.reserved.check(&source.bucket)?;
    Ok(source.identified(call.sender().signer.tenant()))
}

/// The headers of a copy request that say what is read, and how.
pub fn strip_copy_headers(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|n| n.as_str().starts_with("x-amz-copy-source") || n.as_str() == "x-amz-source-expected-bucket-owner")
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
    headers.remove("x-amz-metadata-directive");
    headers.remove("x-amz-tagging-directive");
}

/// One try; none where the source was replaced meanwhile.
async fn copy(call: &Call, named: &CopySource) -> Result<Option<Response<Body>>, Error> {
    let source = Source::copied(call, named);
    match source.look(super::head::SUFFIX, true).await? {
        Look::Sealed(sealed) => {
            weigh(call, &sealed.facts.etag_string(), sealed.stored.last_modified())?;
            refuse_copy_to_itself(call, named)?;
            copy_sealed(call, named, &source, &sealed).await
        }
        Look::Plain(plain) => {
            weigh(call, &plain.etag, super::stored::last_modified(&plain.headers))?;
            // A plaintext object copied to itself becomes sealed: that is a change.
            seal_plain(call, named, &source, &plain).await
        }
    }
}

/// By the store where it can, else by bytes that stream through.
async fn copy_sealed(
    call: &Call,
    named: &CopySource,
    source: &Source,
    sealed: &Sealed,
) -> Result<Option<Response<Body>>, Error> {
    let policy = call.policies.of(call.bucket()?, call.key()?);
    let may_copy = !wants_other_checksum(call, &sealed.facts)?
        && !is_namesake(&named.bucket, call.bucket()?)
        && !would_ignore(call)
        && policy.is_none_or(|policy| !policy.enforces());
    let Some(pin) = pin(&call.vault, sealed.stored.total).filter(|_| may_copy) else {
        return reseal(call, named, source, sealed).await;
    };
    let by_store = ByStore { call, named, source, sealed, pin, policy };
    let in_one = in_one(&call.vault, sealed.stored.total);
    let done = match policy {
        None if by_store.keeps_tags() => by_store.metadata_only().await,
        None => reseal(call, named, source, sealed).await,
        // What goes into a bucket with a policy passes through the engine, which changes nothing as it only looks. A policy of the store may let nothing
        // but a copy through, by `s3:x-amz-copy-source`.
        Some(_) => match reseal(call, named, source, sealed).await {
            Err(e) if is_denied(&e) && in_one && by_store.keeps_tags() => by_store.metadata_only().await,
            done => done,
        },
    };
    match done {
        Err(e) if is_denied(&e) && in_one && (says_copy(call) || policy.is_some() && !replaces(call)) => {
            by_store.as_it_is().await
        }
        done => done,
    }
}

/// Another tenant's bucket of the same name. Ceph RGW 16 compares the names alone, and puts a copy between the two into the source's.
fn is_namesake(source: &str, target: &str) -> bool {
    source != target && tenant::split(source).1 == tenant::split(target).1
}

/// Whether the backend would write a copy over what a condition of the client protects: then it is a PUT.
fn would_ignore(call: &Call) -> bool {
    let asked = call.headers.contains_key(header::IF_MATCH) || call.headers.contains_key(header::IF_NONE_MATCH);
    asked && call.vault.honoured.puts && !call.vault.honoured.copies
}

/// How the backend is held to the very object that was looked at, where it can be. In pieces it knows S3's condition only.
fn pin(vault: &Vault, total: u64) -> Option<CopySourceMatch> {
    vault.honoured.copy_source.filter(|pin| in_one(vault, total) || *pin == CopySourceMatch::Standard)
}

fn in_one(vault: &Vault, total: u64) -> bool {
    total <= vault.config.backend.single_put_limit
}

/// Whether the store may have refused a write only because it was another one than the client asked for.
fn is_denied(refused: &Error) -> bool {
    matches!(refused, Error::Answered { status: StatusCode::FORBIDDEN, code, .. } if code == "AccessDenied")
}

fn says_copy(call: &Call) -> bool {
    call.header("x-amz-metadata-directive").is_some_and(|d| d.eq_ignore_ascii_case("copy"))
}

/// A copy to itself must change something, or it is a mistake.
fn refuse_copy_to_itself(call: &Call, named: &CopySource) -> Result<(), Error> {
    let same = call.bucket()? == named.bucket && call.key()? == named.key && named.version_id.is_none();
    let changes = replaces(call)
        || call.headers.keys().any(|n| {
            n.as_str().starts_with("x-amz-server-side-encryption")
                || matches!(
                    n.as_str(),
                    "x-amz-storage-class" | "x-amz-website-redirect-location" | "x-amz-checksum-algorithm"
                )
        });
    if same && !changes {
        return Err(Error::client(
            S3ErrorCode::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    Ok(())
}

fn replaces(call: &Call) -> bool {
    call.header("x-amz-metadata-directive").is_some_and(|d| d.eq_ignore_ascii_case("replace"))
}

fn wants_other_checksum(call: &Call, facts: &Facts) -> Result<bool, Error> {
    let Some(name) = call.header("x-amz-checksum-algorithm") else { return Ok(false) };
    let algorithm = checksum::parse_algorithm(name)?;
    Ok(facts.checksum.is_none_or(|sum| sum.algorithm != algorithm))
}

/// The request that writes the target, with the metadata that it will have: the source's own, or the client's.
fn target(call: &Call, stored: &HeaderMap) -> BackendRequest {
    let mut request = call.forward_sealed();
    request.headers.remove("x-amz-checksum-algorithm");
    if !replaces(call) {
        let names: Vec<HeaderName> = request
            .headers
            .keys()
            .filter(|n| n.as_str().starts_with("x-amz-meta-") || SYSTEM_HEADERS.contains(&n.as_str()))
            .cloned()
            .collect();
        for name in names {
            request.headers.remove(name);
        }
        for (name, value) in stored {
            if (name.as_str().starts_with("x-amz-meta-") && name.as_str() != HEADER_NAME)
                || SYSTEM_HEADERS.contains(&name.as_str())
            {
                request.headers.append(name, value.clone());
            }
        }
    }
    request
}

/// A copy of a sealed source that the store makes.
struct ByStore<'a> {
    call: &'a Call,
    named: &'a CopySource,
    source: &'a Source,
    sealed: &'a Sealed,
    /// How the store is held to the version that was read.
    pin: CopySourceMatch,
    /// The policy of the target, which only looks.
    policy: Option<&'a Arc<BucketPolicy>>,
}

impl ByStore<'_> {
    /// The backend copies the sealed bytes; only the header changes. Under a policy they are looked into before.
    async fn metadata_only(&self) -> Result<Option<Response<Body>>, Error> {
        let Self { call, sealed, .. } = *self;
        let vault = &call.vault;
        let at = ObjectAt { version_id: None, ..call.at()? };
        let mut request = target(call, &sealed.stored.headers);
        let condition = Precondition::resolve(call, &mut request.headers).await?;
        let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
        let object = Arc::new(sealed.stored.object.clone());
        wrap_into(&kek, &at.key, &object, &mut request.headers)?;
        set(&mut request.headers, HeaderName::from_static("x-amz-metadata-directive"), "REPLACE")?;
        let mut sealing = Sealing::of(call, at, object, kek.id());
        sealing.header = header_digest(&request.headers);
        if let Some(policy) = self.policy {
            self.ask(&mut request).await?;
            let Some(seen) = self.look_into(policy, request.headers.clone(), &kek).await? else { return Ok(None) };
            sealing.scrub = Some(seen);
        }
        self.name_source(&mut request.headers, &sealed.stored.backend_etag)?;
        if !in_one(vault, sealed.stored.total) {
            // An upload starts without tags; a copy in one takes the source's by itself.
            carry_tags(call, &self.exact(), &mut request.headers).await?;
        }
        copied_by_backend(call, sealed, request, condition, sealing).await
    }

    /// The backend copies header and all, as its policy demands. What opens the copy is durable before there is one.
    async fn as_it_is(&self) -> Result<Option<Response<Body>>, Error> {
        let Self { call, sealed, .. } = *self;
        let vault = &call.vault;
        let at = ObjectAt { version_id: None, ..call.at()? };
        let mut request = target(call, &HeaderMap::new());
        let condition = Precondition::resolve(call, &mut request.headers).await?;

        self.ask(&mut request).await?;

        let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
        let mut sealing = Sealing::of(call, at.clone(), Arc::new(sealed.stored.object.clone()), kek.id());
        sealing.header = header_digest(&sealed.stored.headers);
        if let Some(policy) = self.policy {
            let headers = target(call, &sealed.stored.headers).headers;
            let Some(seen) = self.look_into(policy, headers, &kek).await? else { return Ok(None) };
            sealing.scrub = Some(seen);
        }
        let header = Header::find(pairs(&sealed.stored.headers))?.ok_or(Error::Stripped)?;
        let alias = kek.wrap(&at.key, &sealed.stored.object, header.mask, header.metadata_digest)?;
        alias::keep(vault, &at, &header, &alias).await?;

        self.name_source(&mut request.headers, &sealed.stored.backend_etag)?;
        let taken = sealing.header;
        let done = copied_by_backend(call, sealed, request, condition, sealing).await?;
        // An object keeps its `ETag` where its metadata are replaced: then another header may have been copied, one without an alias here.
        // Each is new, so one that is still there was there all the time.
        match self.source.look(super::head::SUFFIX, false).await? {
            Look::Sealed(now) if header_digest(&now.stored.headers) == taken => Ok(done),
            _ => Ok(None),
        }
    }

    /// Asks the store for a copy under a condition on its source that never holds: whoever may not write leaves nothing in the system bucket. Error: that
    /// it lets none through, or what else it says.
    async fn ask(&self, request: &mut BackendRequest) -> Result<(), Error> {
        /// An `ETag` that no object has.
        const NONE: &str = "00000000000000000000000000000000";
        self.name_source(&mut request.headers, NONE)?;
        let refused = completed(self.call.vault.backend.call(request.again(Payload::Empty)).await?).await?;
        match refused.status() {
            StatusCode::PRECONDITION_FAILED => Ok(()),
            _ => Err(answered(refused).await),
        }
    }

    /// Has the engine look into the source, of which it changes nothing, and keeps what it saw before there is a copy. `headers`: those that the copy
    /// will have. None where the source was replaced since. The copy will have the id of its source: where a stricter rule of the bucket made the source,
    /// its record is needed as it is, and there is no copy.
    async fn look_into(
        &self,
        policy: &Arc<BucketPolicy>,
        mut headers: HeaderMap,
        kek: &Kek,
    ) -> Result<Option<Scrubbed>, Error> {
        let Self { call, sealed, .. } = *self;
        let (vault, at) = (&call.vault, call.at()?);
        let (length, oid) = (sealed.facts.length, sealed.stored.object.oid());
        if scrubbed::find(vault, &at.bucket, oid).await?.is_some_and(|record| record.changed()) {
            return Err(Error::client(
                S3ErrorCode::AccessDenied,
                "The bucket takes copies only, and this source was scrubbed under another rule of the same bucket: it cannot be copied as it is",
            ));
        }
        // Who may not read tags is not told that there are some, and is denied the copy by the store then.
        if has_tags(&sealed.stored.headers) {
            carry_tags(call, &self.exact(), &mut headers).await?;
        }
        let opened = self.source.open(&sealed.stored.backend_etag, &sealed.facts, 0..length).await?;
        let Ok(opened) = opened else { return Ok(None) };
        let scrub = Scrubbed::begin(policy, &at.key, &headers, Seen::default())?;
        let intake = Intake::of_ours(opened.plaintext, length, reading_options(vault))?;
        let mut plaintext = look_into(vault, &at, policy, intake, &scrub.seen)?;
        while plaintext.next().await?.is_some() {}
        scrubbed::keep(vault, &at.bucket, kek, oid, &scrub.record()?).await?;
        Ok(Some(scrub))
    }

    /// Ceph RGW drops the tags of an object whose metadata are replaced, and takes no others with a copy: only a PUT carries them.
    fn keeps_tags(&self) -> bool {
        self.pin != CopySourceMatch::Rgw || replaces(self.call) || !has_tags(&self.sealed.stored.headers)
    }

    /// The very version that was read.
    fn exact(&self) -> CopySource {
        let version_id = self.sealed.stored.at.version_id.clone().or_else(|| self.named.version_id.clone());
        CopySource { version_id, ..self.named.clone() }
    }

    /// What is copied, and that it must still be what has this backend `ETag`. The client's own conditions on it were weighed on its
    /// plaintext `ETag` already.
    fn name_source(&self, headers: &mut HeaderMap, etag: &str) -> Result<(), Error> {
        for name in [
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-copy-source-if-modified-since",
            "x-amz-copy-source-if-unmodified-since",
        ] {
            headers.remove(name);
        }
        set(headers, HeaderName::from_static("x-amz-copy-source"), &self.named.to_header())?;
        self.pin.require(headers, etag).map_err(|_| Error::Protocol("an ETag that is no header".into()))
    }
}

/// Intent, copy, record.
async fn copied_by_backend(
    call: &Call,
    sealed: &Sealed,
    request: BackendRequest,
    condition: Precondition<'_>,
    mut sealing: Sealing,
) -> Result<Option<Response<Body>>, Error> {
    let vault = &call.vault;
    let from = CopiedFrom { at: sealed.stored.at.clone(), etag: sealed.stored.backend_etag.clone() };
    sealing.lineage = vec![edge(call, from, sealing.at.clone())];
    let lease = condition.under_lease()?.take().await?;
    let intent = vault.sidecar.begin(sealing.intent()).await?;
    let response = if in_one(vault, sealed.stored.total) {
        completed(vault.backend.call(request).await?).await?
    } else {
        in_pieces(vault, request, &sealing, sealed.stored.total).await?
    };
    drop(lease);
    let status = response.status();
    if !status.is_success() {
        if status.is_client_error() {
            abandon(vault, Some(intent)).await;
        }
        // A condition of ours failed: the source was replaced since it was read, or the target since it was looked at.
        if status == StatusCode::PRECONDITION_FAILED
            && (condition.is_resolved() || !call.headers.contains_key(header::IF_NONE_MATCH))
        {
            return Ok(None);
        }
        return Err(answered(response).await);
    }
    let (parts, answer) = response.into_parts();
    let answer = collect(answer, vault.config.limits.xml_body).await?;
    let last_modified = documents::text(&answer, "LastModified");
    let record = sealing.record(sealed.facts.clone(), &parts.headers);
    let record = commit(vault, Some(intent), record, sealing.lineage).await;
    let mut response = finished(parts.headers, &record.facts, last_modified);
    tell(response.headers_mut(), sealing.scrub.map(|scrub| scrub.record()).transpose()?.as_ref())?;
    Ok(Some(response))
}

/// A sealed source beyond the backend's bound for one copy: raw ranges of it, as parts of an upload of our own.
async fn in_pieces(
    vault: &Arc<Vault>,
    request: BackendRequest,
    sealing: &Sealing,
    total: u64,
) -> Result<Response<Body>, Error> {
    let copy_headers: HeaderMap = request
        .headers
        .iter()
        .filter(|(n, _)| n.as_str().starts_with("x-amz-copy-source"))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let mut create = request.template();
    drop(request);
    strip_copy_headers(&mut create.headers);
    let upload = match OwnUpload::create(vault, &create, sealing).await? {
        Ok(upload) => upload,
        Err(refused) => return Ok(refused),
    };
    let mut etags = Vec::new();
    let mut start = 0;
    while start < total {
        let piece = start..(start + PIECE).min(total);
        start = piece.end;
        let mut part = upload.part(etags.len() + 1);
        part.headers.extend(copy_headers.clone());
        set(&mut part.headers, HeaderName::from_static("x-amz-copy-source-range"), &range::header(&piece))?;
        let copied = async { Ok::<_, Error>(completed(vault.backend.call(part).await?).await?) }.await;
        match copied {
            Ok(response) if response.status().is_success() => etags.push(etag_of(response.headers())),
            other => {
                upload.abort().await;
                return other;
            }
        }
    }
    Ok(upload.complete(&create, &etags).await?)
}

/// Opens a sealed source and seals it again, for a checksum that it does not have.
async fn reseal(
    call: &Call,
    named: &CopySource,
    source: &Source,
    sealed: &Sealed,
) -> Result<Option<Response<Body>>, Error> {
    let Ok(opened) = source.open(&sealed.stored.backend_etag, &sealed.facts, 0..sealed.facts.length).await? else {
        return Ok(None);
    };
    let from = CopiedFrom { at: sealed.stored.at.clone(), etag: sealed.stored.backend_etag.clone() };
    stream_through(call, named, opened.plaintext, sealed.facts.length, &sealed.stored.headers, from).await
}

/// Seals plaintext from before under its new name.
async fn seal_plain(
    call: &Call,
    named: &CopySource,
    source: &Source,
    plain: &Plain,
) -> Result<Option<Response<Body>>, Error> {
    let response = call.vault.backend.call(source.request(Method::GET, None, Some(&plain.etag))?).await?;
    if response.status() == StatusCode::PRECONDITION_FAILED || etag_of(response.headers()) != plain.etag {
        return Ok(None);
    }
    let response = succeeded(response).await?;
    let at = ObjectAt { version_id: super::version_of(response.headers()), ..source.at.clone() };
    let (parts, body) = response.into_parts();
    let from = CopiedFrom { at, etag: plain.etag.clone() };
    stream_through(call, named, body, plain.length, &parts.headers, from).await
}

async fn stream_through(
    call: &Call,
    named: &CopySource,
    plaintext: Body,
    length: u64,
    stored: &HeaderMap,
    from: CopiedFrom,
) -> Result<Option<Response<Body>>, Error> {
    let vault = &call.vault;
    let at = ObjectAt { version_id: None, ..call.at()? };
    let mut request = target(call, stored);
    strip_copy_headers(&mut request.headers);
    let condition = Precondition::resolve(call, &mut request.headers).await?;
    carry_tags(call, named, &mut request.headers).await?;
    // What the store may refuse for being no copy it is to refuse before the body.
    let only_looks = call.policies.of(&at.bucket, &at.key).is_some_and(|policy| !policy.enforces());
    if only_looks && length > vault.config.limits.small_object {
        request.headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    }
    let algorithm = call.header("x-amz-checksum-algorithm").and_then(|name| checksum::parse_algorithm(name).ok());
    let intake = Intake::of_ours(plaintext, length, intake_options(vault, &at.bucket, algorithm))?;
    let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
    let mut sealing = Sealing::begin(call, at.clone(), &kek, &mut request.headers)?;
    let version = from.at.version_id.clone().or_else(|| named.version_id.clone());
    sealing.lineage = vec![edge(call, from, at)];
    let Written { mut headers, record, scrubbed } = write(call, request, condition, intake, sealing).await?;
    if let Some(version) = version {
        set(&mut headers, HeaderName::from_static("x-amz-copy-source-version-id"), &version)?;
    }
    let mut response = finished(headers, &record.facts, None);
    tell(response.headers_mut(), scrubbed.as_ref())?;
    Ok(Some(response))
}

/// A copy keeps its source's tags unless it is told to replace them; where the backend does not copy it in one, we carry
/// them.
async fn carry_tags(call: &Call, named: &CopySource, headers: &mut HeaderMap) -> Result<(), Error> {
    if call.header("x-amz-tagging-directive").is_some_and(|d| d.eq_ignore_ascii_case("replace")) {
        return Ok(());
    }
    let request = BackendRequest::new(Method::GET, named.raw_path(), call.sender());
    if let Some(tags) = tags(&call.vault, request, named.version_id.as_deref()).await? {
        set(headers, HeaderName::from_static("x-amz-tagging"), &tags)?;
    }
    Ok(())
}

/// The tags of an object, as the header of a write has them; `request`: a GET of it.
pub async fn tags(vault: &Vault, request: BackendRequest, version: Option<&str>) -> Result<Option<String>, Error> {
    let version = version.map(|v| format!("&versionId={}", query_value(v))).unwrap_or_default();
    let response = vault.backend.call(request.query(format!("tagging{version}"))).await?;
    // No tags, or a backend that has none.
    if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED) {
        return Ok(None);
    }
    let tags = collect(succeeded(response).await?.into_body(), vault.config.limits.xml_body).await?;
    Ok(Some(documents::tags(&tags)?).filter(|tags| !tags.is_empty()))
}

fn edge(call: &Call, from: CopiedFrom, target: ObjectAt) -> LineageEdge {
    LineageEdge {
        source: from.at,
        source_etag: from.etag,
        target,
        operation: call.operation.op.name().to_owned(),
        at_ms: now_ms(),
    }
}

/// The answer: the backend's headers, our document.
fn finished(headers: HeaderMap, facts: &Facts, last_modified: Option<String>) -> Response<Body> {
    let last_modified = last_modified.unwrap_or_else(|| documents::timestamp(now_ms()));
    let mut response = Response::new(body::empty());
    *response.headers_mut() = headers;
    let mut response = forward::edited(response);
    crate::s3::operation::strip_owned_response_headers(response.headers_mut());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    *response.body_mut() = body::full(documents::copy_object_result(facts, &last_modified));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namesakes() {
        for (source, target, are) in [
            ("testx:bucket", "bucket", true),
            ("bucket", "testx:bucket", true),
            ("a:bucket", "b:bucket", true),
            ("bucket", "bucket", false),
            ("testx:bucket", "testx:bucket", false),
            ("testx:bucket", "other", false),
        ] {
            assert_eq!(is_namesake(source, target), are, "{source} to {target}");
        }
    }
}
