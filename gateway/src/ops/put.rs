//! `PutObject`: scrub → seal → backend → record.
//!
//! The durable steps, in order: the intent row, before the last sealed byte leaves; the backend's own commit; the record that
//! replaces the intent. A crash between any two is settled by reading the key ([`super::settle`]).

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use keys::hierarchy::Kek;
use keys::object::{ChecksumAlgorithm, ETag, Facts, HEADER_NAME, ObjectKey, PartSealer};
use s3s::S3ErrorCode;

use super::aside::{self, Aside};
use super::precondition::{self, Precondition, UnderLease};
use super::source::succeeded;
use super::stored::{add_checksum, header_digest, pairs};
use super::{Call, etag_of, scrubbed, set, spool, version_of};
use crate::backend::{BackendError, BackendRequest, Payload};
use crate::body::Body;
use crate::body::scrub::{Plaintext, Scrubbing, Seen};
use crate::body::seal::{Finish, body_error, seal, seal_whole};
use crate::config::{EtagOf, EtagPolicy};
use crate::leases::Lease;
use crate::s3::intake::{Intake, IntakeOptions, Received};
use crate::s3::{Error, operation};
use crate::scrubbing::{BucketPolicy, Findings, Record};
use crate::sidecar::{Intent, IntentId, LineageEdge, ObjectAt, ObjectRecord};
use crate::vault::{Vault, now_ms};

/// S3's bound on an object of one PUT, bytes.
const MAX_PUT: u64 = 5 << 30;
/// S3's bound on names and values of user metadata together, bytes.
const USER_METADATA: usize = 2048;
/// What our own header takes of it.
const OUR_METADATA: usize = 3 + 228;

/// `PutObject`.
pub async fn put_object(call: Call, body: Body) -> Result<Response<Body>, Error> {
    require_length(&call)?;
    store(&call, body).await?.answer()
}

/// Takes an object in, from its first byte to its record.
pub async fn store(call: &Call, body: Body) -> Result<Written, Error> {
    let vault = &call.vault;
    let at = ObjectAt { version_id: None, ..call.at()? };
    let intake = Intake::new(&call.headers, body, &call.authentication, intake_options(vault, &at.bucket, None))?;
    refuse_what_takes_too_long(call, &at, intake.length())?;

    let mut request = call.forward_sealed();
    if let Some(expect) = call.expect(intake.length()) {
        request.headers.insert(header::EXPECT, expect);
    }
    let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
    let condition = Precondition::resolve(call, &mut request.headers).await?;
    let sealing = Sealing::begin(call, at, &kek, &mut request.headers)?;
    write(call, request, condition, intake, sealing).await
}

/// A client waits in silence for the answer to a PUT, and gives up; to a Complete it does not.
fn refuse_what_takes_too_long(call: &Call, at: &ObjectAt, length: Option<u64>) -> Result<(), Error> {
    let longest = call.vault.scrubbing.longest_put();
    match length {
        Some(length) if length > longest && call.policies.enforced(&at.bucket, &at.key).is_some() => {
            Err(Error::client(
                S3ErrorCode::EntityTooLarge,
                format!(
                    "This bucket has a scrub policy, and the scrub of {length} bytes would take too long for one PUT: send more than {longest} bytes \
                 as a multipart upload"
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// A PUT says how long its body is, or that it comes in chunks: one that says neither may have lost its body on the way.
pub fn require_length(call: &Call) -> Result<(), Error> {
    if call.headers.contains_key(header::CONTENT_LENGTH) || call.headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    Err(Error::client(S3ErrorCode::MissingContentLength, "You must provide the Content-Length HTTP header."))
}

/// What the client's body is checked for, and how much of it there may be.
pub fn intake_options(vault: &Vault, bucket: &str, checksum: Option<ChecksumAlgorithm>) -> IntakeOptions {
    IntakeOptions {
        md5: vault.config.bucket(bucket).etag == EtagPolicy::Md5,
        checksum,
        max_length: MAX_PUT,
        idle_timeout: vault.config.server.idle_timeout,
    }
}

/// The same for a plaintext of ours that is only read on: nothing of it is computed, and it may be as long as any object.
pub fn reading_options(vault: &Vault) -> IntakeOptions {
    IntakeOptions { md5: false, checksum: None, max_length: u64::MAX, idle_timeout: vault.config.server.idle_timeout }
}

/// An object about to be sealed: its key, already wrapped into the request's header.
#[derive(Clone)]
pub struct Sealing {
    /// Where it goes.
    pub at: ObjectAt,
    /// DEK and oid.
    pub object: Arc<ObjectKey>,
    /// The KEK that wraps it.
    pub kek_id: uuid::Uuid,
    /// Digest of the header that it will have; none where that went to the backend with an earlier request.
    pub header: Option<[u8; 16]>,
    /// Who writes.
    pub principal: Option<String>,
    /// From where.
    pub client: Option<IpAddr>,
    /// S3 operation name.
    pub operation: &'static str,
    /// `x-amz-request-id`.
    pub request_id: String,
    /// What it is made from.
    pub lineage: Vec<LineageEdge>,
    /// The policy that sees it, and what it saw.
    pub scrub: Option<Scrubbed>,
}

/// An object under a policy.
#[derive(Clone)]
pub struct Scrubbed {
    /// Its bucket's.
    pub policy: Arc<BucketPolicy>,
    /// The object's key.
    pub key: String,
    /// What is learnt of its content on its way.
    pub seen: Seen,
    /// What was found in its key, metadata and tags.
    pub names: Findings,
    /// The `ETag` of the parts that it came in, where that is to be its own.
    pub etag: Option<ETag>,
}

impl Scrubbed {
    /// One whose content is still to come.
    pub fn begin(policy: &Arc<BucketPolicy>, key: &str, headers: &HeaderMap, seen: Seen) -> Result<Self, Error> {
        let names = policy.look_at_names(key, headers)?;
        Ok(Self { policy: policy.clone(), key: key.to_owned(), seen, names, etag: None })
    }

    /// The `ETag` that the object gets: that of what is stored, or of what was received.
    fn etag(&self, stored: ETag) -> ETag {
        if self.policy.etag_of == EtagOf::Stored || matches!(stored, ETag::Opaque(_)) {
            return stored;
        }
        self.etag.or(self.seen.etag.get().copied()).unwrap_or(stored)
    }

    /// What was done, once the end of the body was seen.
    pub fn record(&self) -> Result<Record, Error> {
        let summary = self.seen.summary.get().ok_or_else(|| Error::Internal("a body ended before its scrub".into()))?;
        Ok(Record::of(&self.policy, &self.key, summary, self.names.clone()))
    }
}

impl Sealing {
    /// Makes a fresh object key and puts it, wrapped, into the headers that will be stored.
    pub fn begin(call: &Call, at: ObjectAt, kek: &Kek, headers: &mut HeaderMap) -> Result<Self, Error> {
        let object = Arc::new(ObjectKey::generate()?);
        wrap_into(kek, &at.key, &object, headers)?;
        Ok(Self { header: header_digest(headers), ..Self::of(call, at, object, kek.id()) })
    }

    /// For an object key that is wrapped already.
    pub fn of(call: &Call, at: ObjectAt, object: Arc<ObjectKey>, kek_id: uuid::Uuid) -> Self {
        Self {
            at,
            object,
            kek_id,
            header: None,
            principal: call.principal(),
            client: call.client_address(),
            operation: call.operation.op.name(),
            request_id: call.request_id.clone(),
            lineage: Vec::new(),
            scrub: None,
        }
    }

    /// The intent of this write.
    pub fn intent(&self) -> Intent {
        Intent {
            bucket: self.at.bucket.clone(),
            key: self.at.key.clone(),
            oid: self.object.oid(),
            header: self.header,
            principal: self.principal.clone(),
            client: self.client,
            operation: self.operation.to_owned(),
            request_id: self.request_id.clone(),
            started_at_ms: now_ms(),
        }
    }
}

/// Wraps an object key under the headers that will be stored with it, and adds the result as our header.
pub fn wrap_into(kek: &Kek, key: &str, object: &ObjectKey, headers: &mut HeaderMap) -> Result<(), Error> {
    headers.remove(HEADER_NAME);
    let metadata: usize = headers
        .iter()
        .filter_map(|(name, value)| Some(name.as_str().strip_prefix("x-amz-meta-")?.len() + value.len()))
        .sum();
    if metadata > USER_METADATA - OUR_METADATA {
        return Err(Error::client(
            S3ErrorCode::MetadataTooLarge,
            format!(
                "Your metadata headers exceed the maximum allowed metadata size: {} bytes through this gateway",
                USER_METADATA - OUR_METADATA
            ),
        ));
    }
    let mut mask = keys::metadata::mask(pairs(headers));
    if !expires_is_canonical(headers) {
        mask &= !EXPIRES;
    }
    let digest = keys::metadata::digest(pairs(headers), mask);
    let sealed = kek.wrap(key, object, mask, digest)?.encode();
    set(headers, HeaderName::from_static(HEADER_NAME), &sealed)
}

/// The mask bit of `Expires`.
const EXPIRES: u8 = 1 << 5;

/// Backends rewrite, join or drop an `Expires` that is not one date in the form of RFC 9110 section 5.6.7. Such a value is stored
/// as it comes and not authenticated, or the object could not be opened again.
fn expires_is_canonical(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::EXPIRES).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(one), None) => one
            .to_str()
            .is_ok_and(|text| httpdate::parse_http_date(text).is_ok_and(|date| httpdate::fmt_http_date(date) == text)),
        (Some(_), Some(_)) => false,
    }
}

/// A finished write.
pub struct Written {
    /// The backend's answer, unedited.
    pub headers: HeaderMap,
    /// What was written.
    pub record: Arc<ObjectRecord>,
    /// What was done to it before.
    pub scrubbed: Option<Record>,
}

impl Written {
    /// The answer to a PUT.
    pub fn answer(self) -> Result<Response<Body>, Error> {
        let mut headers = self.headers;
        operation::strip_owned_response_headers(&mut headers);
        set(&mut headers, header::ETAG, &format!("\"{}\"", self.record.facts.etag_string()))?;
        add_checksum(&mut headers, &self.record.facts)?;
        tell(&mut headers, self.scrubbed.as_ref())?;
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let mut response = Response::new(crate::body::empty());
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Tells the writer what was found, if its bucket has a policy.
pub fn tell(headers: &mut HeaderMap, scrubbed: Option<&Record>) -> Result<(), Error> {
    let Some(record) = scrubbed else { return Ok(()) };
    set(headers, scrubbed::FINDINGS, &record.findings_header())?;
    set(headers, scrubbed::POLICY, &record.policy.to_string())
}

/// What the end of the plaintext settled.
pub type Settled = Arc<Mutex<Option<(Facts, IntentId, Option<Lease>)>>>;

/// Seals a plaintext and writes it: in memory where it is small, streamed under a declared length where that is known, else through
/// a multipart upload of our own.
pub async fn write(
    call: &Call,
    request: BackendRequest,
    condition: Precondition<'_>,
    intake: Intake,
    mut sealing: Sealing,
) -> Result<Written, Error> {
    let plaintext = under_policy(call, &mut sealing, &request.headers, intake, Seen::default())?;
    seal_and_send(&call.vault, request, condition, plaintext, sealing).await
}

/// The same of a plaintext that goes through the engine already, where it is to.
pub async fn seal_and_send(
    vault: &Arc<Vault>,
    mut request: BackendRequest,
    condition: Precondition<'_>,
    plaintext: Plaintext,
    sealing: Sealing,
) -> Result<Written, Error> {
    let may_go_aside = sealing.scrub.as_ref().is_some_and(|scrubbed| scrubbed.policy.has_quarantine());
    let aside = may_go_aside.then(|| Aside::of(&sealing, &request.headers).asking(request.template(), &sealing));
    // A body that the backend may not want is not read before it says so.
    let expects = request.headers.contains_key(header::EXPECT);
    let declared = plaintext.length().map(|length| (length, keys::length::sealed_object_len(length)));
    let policy = vault.config.bucket(&sealing.at.bucket).etag;
    let settled = Settled::default();
    let sealer = PartSealer::new(&sealing.object, 1)?;
    let finish = finish(vault, &sealing, policy, sealer.prefix(), condition.under_lease()?, settled.clone());

    let outcome = match declared {
        Some((length, sealed_length)) if sealed_length <= vault.config.backend.single_put_limit => {
            if length <= vault.config.limits.small_object && !expects {
                let room = usize::try_from(sealed_length).unwrap_or_default();
                let bytes = seal_whole(plaintext, sealer, finish, room).await?;
                vault.metrics.sealed(length);
                condition.send(request, bytes).await
            } else {
                vault.metrics.sealed(length);
                let body = seal(plaintext, sealer, finish);
                vault.backend.call(request.payload(Payload::Stream { body, length: sealed_length })).await
            }
        }
        _ => {
            request.headers.remove(header::EXPECT);
            spool::put(vault, request, seal(plaintext, sealer, finish), &sealing).await
        }
    };
    let done = match (conclude(vault, outcome, sealing, &settled).await, aside) {
        (Err(refused), Some(aside)) => Err(aside.instead_of(vault, refused).await?),
        (done, _) => done,
    };
    match done {
        Err(Error::Answered { status, .. }) if condition.overtaken(status, &mut HeaderMap::new()).await? => {
            Err(precondition::try_again())
        }
        other => other,
    }
}

/// The plaintext of an object: as it comes, or on its way through the engine where its bucket has a policy.
pub fn under_policy(
    call: &Call,
    sealing: &mut Sealing,
    headers: &HeaderMap,
    intake: Intake,
    seen: Seen,
) -> Result<Plaintext, Error> {
    let Some(policy) = call.policies.of(&sealing.at.bucket, &sealing.at.key) else {
        return Ok(Plaintext::from(intake));
    };
    let scrubbed = sealing.scrub.insert(Scrubbed::begin(policy, &sealing.at.key, headers, seen)?);
    look_into(&call.vault, &sealing.at, policy, intake, &scrubbed.seen)
}

/// A body on its way through the engine.
pub fn look_into(
    vault: &Arc<Vault>,
    at: &ObjectAt,
    policy: &Arc<BucketPolicy>,
    intake: Intake,
    seen: &Seen,
) -> Result<Plaintext, Error> {
    let place = vault.scrubbing.bodies.clone().try_acquire_owned().map_err(|_| {
        Error::client(S3ErrorCode::SlowDown, "Too many bodies are being scrubbed; reduce your request rate")
    })?;
    Ok(Plaintext::Scrubbed(Box::new(Scrubbing::begin(vault, at, policy, place, intake, seen)?)))
}

/// Facts, intent, and the bytes behind the message.
pub fn finish(
    vault: &Arc<Vault>,
    sealing: &Sealing,
    policy: EtagPolicy,
    prefix: keys::object::Prefix,
    condition: UnderLease,
    settled: Settled,
) -> Finish {
    let (vault, object, intent) = (vault.clone(), sealing.object.clone(), sealing.intent());
    let (scrub, kek_id) = (sealing.scrub.clone(), sealing.kek_id);
    Box::new(move |received: Received| {
        Box::pin(async move {
            let mut etag = etag(policy, received.md5)?;
            if let Some(scrubbed) = scrub {
                etag = scrubbed.etag(etag);
                let record = scrubbed.record()?;
                let kek = vault.keys.by_id(&intent.bucket, kek_id).await?;
                if scrubbed.policy.keeps_originals() {
                    aside::keep_original(&vault, &kek, &intent, &scrubbed).await?;
                }
                scrubbed::keep(&vault, &intent.bucket, &kek, object.oid(), &record).await?;
            }
            let facts = Facts {
                length: received.length,
                etag,
                checksum: received.checksum,
                part_count: 1,
                first_number: 1,
                first_prefix: prefix,
                parts: Vec::new(),
            };
            let tail = tail(&object, &facts)?;
            let lease = condition.take().await?;
            let intent = vault.sidecar.begin(intent).await?;
            *settled.lock().map_err(|_| Error::Internal("a lock was poisoned".into()))? = Some((facts, intent, lease));
            Ok(tail)
        })
    })
}

/// Zero padding, TABLE, SUMMARY and FOOTER.
pub fn tail(object: &ObjectKey, facts: &Facts) -> Result<Bytes, Error> {
    let trailer = keys::object::trailer(object, facts)?;
    let padding = usize::try_from(keys::object::padding_len(facts)).map_err(|_| Error::Internal("padding".into()))?;
    let mut tail = BytesMut::with_capacity(padding + trailer.len());
    tail.put_bytes(0, padding);
    tail.extend_from_slice(&trailer);
    Ok(tail.freeze())
}

/// The `ETag` of a plaintext under the bucket's policy.
pub fn etag(policy: EtagPolicy, md5: Option<[u8; 16]>) -> Result<ETag, Error> {
    match (policy, md5) {
        (EtagPolicy::Md5, Some(md5)) => Ok(ETag::Md5(md5)),
        (EtagPolicy::Md5, None) => Err(Error::Internal("no MD5 was taken".into())),
        (EtagPolicy::Opaque, _) => Ok(ETag::Opaque(keys::Oid::random()?.0)),
    }
}

/// The backend has spoken: the intent becomes a record, or is dropped where nothing can have been written. Where nobody knows (a
/// time-out, a broken connection) it stays, and is settled by reading the key.
async fn conclude(
    vault: &Arc<Vault>,
    outcome: Result<Response<Body>, BackendError>,
    sealing: Sealing,
    settled: &Settled,
) -> Result<Written, Error> {
    let settled = settled.lock().map_err(|_| Error::Internal("a lock was poisoned".into()))?.take();
    let response = match outcome {
        Ok(response) => response,
        Err(BackendError::Body(e)) => {
            abandon(vault, settled.map(|(_, intent, _)| intent)).await;
            return Err(body_error(e));
        }
        Err(e) => return Err(e.into()),
    };
    let status = response.status();
    let response = match succeeded(response).await {
        Ok(response) => response,
        Err(e) => {
            if status.is_client_error() {
                abandon(vault, settled.map(|(_, intent, _)| intent)).await;
            }
            return Err(e);
        }
    };
    let Some((facts, intent, lease)) = settled else {
        return Err(Error::Protocol("the backend acknowledged a body that it had not read".into()));
    };
    drop(lease);
    let headers = response.into_parts().0.headers;
    let record = sealing.record(facts, &headers);
    let scrubbed = sealing.scrub.as_ref().map(Scrubbed::record).transpose()?;
    Ok(Written { record: commit(vault, Some(intent), record, sealing.lineage).await, headers, scrubbed })
}

impl Sealing {
    /// The record of what was written, by the backend's answer.
    pub fn record(&self, facts: Facts, answer: &HeaderMap) -> ObjectRecord {
        ObjectRecord {
            at: ObjectAt { version_id: version_of(answer), ..self.at.clone() },
            backend_etag: etag_of(answer),
            oid: self.object.oid(),
            kek_id: self.kek_id,
            facts,
            principal: self.principal.clone(),
            client: self.client,
            recorded_at_ms: now_ms(),
            scrub: self.scrub.as_ref().map_or_else(
                || "off".to_owned(),
                |scrubbed| format!("{} {}", scrubbed.policy.mode.name(), scrubbed.policy.id),
            ),
        }
    }
}

/// Replaces an intent by its record. The object itself is durable by now, and the intent is: a sidecar that fails here loses
/// nothing, since the intent is settled later, so the client gets its answer.
pub async fn commit(
    vault: &Vault,
    intent: Option<IntentId>,
    record: ObjectRecord,
    mut lineage: Vec<LineageEdge>,
) -> Arc<ObjectRecord> {
    for edge in &mut lineage {
        edge.target = record.at.clone();
    }
    let record = Arc::new(record);
    vault.known.insert(record.clone());
    if record.at.version_id.is_some() {
        vault.known.insert_as(ObjectAt { version_id: None, ..record.at.clone() }, record.clone());
    }
    let recorded = match intent {
        // An object without versions is there for as long as its write can be in doubt, so reading the key settles it: the client
        // need not wait for the record. Of a version under others, or of what a copy was made from, reading the key tells too little.
        Some(intent) if record.at.version_id.is_none() && lineage.is_empty() => {
            vault.sidecar.record_later(intent, record.clone()).await
        }
        intent => vault.sidecar.record(intent, ObjectRecord::clone(&record), lineage).await,
    };
    if let Err(e) = recorded {
        tracing::error!(error = %e, "a write could not be recorded; its intent will be settled");
    }
    record
}

/// Drops an intent whose write did not happen.
pub async fn abandon(vault: &Vault, intent: Option<IntentId>) {
    let Some(intent) = intent else { return };
    if let Err(e) = vault.sidecar.abandon(intent).await {
        tracing::warn!(error = %e, "an intent could not be dropped; it will be settled");
    }
}
