//! Plaintexts that no S3 name reaches: what could not be scrubbed and was put aside (*quarantine*), and what a scrubbed object was made from
//! (*original*, where the policy is `dual`). Each is two objects of the system bucket, `<kind>/<bucket>/<id>/content`, one sealed message, and `…/note`, with the
//! key of the message, sealed under the bucket's KEK. The note is written last: without one there is nothing.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use keys::Oid;
use keys::hierarchy::{Kek, Note as Kind};
use keys::object::{ETag, Facts, ObjectKey, PartSealer, RangeOpener};
use s3s::S3ErrorCode;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::precondition::{self, Held};
use super::put::{self, Scrubbed, Sealing};
use super::source::{Source, succeeded};
use super::spool::OwnUpload;
use super::stored::Look;
use super::{again, etag_of, pages, set, spool};
use crate::backend::{BackendError, BackendRequest, Payload, Signer, Template, path};
use crate::body::scrub::{Original, Seen};
use crate::body::seal::{Finish, body_error, seal};
use crate::body::{Body, collect};
use crate::jobs::scrub::carried;
use crate::s3::Error;
use crate::s3::intake::Intake;
use crate::scrubbing::PolicyId;
use crate::sidecar::{Intent, ObjectAt};
use crate::vault::{Vault, now_ms};

/// Longer notes there are none: headers of an object are at most 64 KiB.
const LONGEST: usize = 256 << 10;
/// Actions on what was put aside that are kept in its note; the first ones stay, and the last.
const ACTIONS: usize = 100;

/// What else of the headers of a write is kept. Never a customer's key.
const KEPT: [&str; 7] = [
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
];

/// What is known of a plaintext that was kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Of this form: 1.
    v: u8,
    /// Bucket it was written to, by its identity.
    pub bucket: String,
    /// Key it was written to.
    pub key: String,
    /// Under which policy.
    pub policy: PolicyId,
    /// Why it was put aside; none of an original.
    pub why: Option<String>,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Access key of its writer.
    pub principal: Option<String>,
    /// From where.
    pub client: Option<IpAddr>,
    /// Metadata and tags that it was to have.
    pub headers: Vec<(String, String)>,
    /// Bytes of plaintext.
    pub length: u64,
    /// What was done with it since, by whom.
    pub actions: Vec<Action>,
    /// What opens it.
    key_of_content: Key,
}

/// One thing that was done with what is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Action {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Name of the security officer.
    pub by: String,
    /// `read`, `release begun`, `released`, `released scrubbed`, `destroyed` or `expired`.
    pub what: String,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Key {
    dek: Zeroizing<String>,
    oid: String,
    prefix: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

/// A write that may end in quarantine: what is needed for it, once the write has failed.
pub struct Aside {
    at: ObjectAt,
    kek_id: uuid::Uuid,
    headers: Vec<(String, String)>,
    principal: Option<String>,
    client: Option<IpAddr>,
    scrub: Option<(PolicyId, Seen)>,
    id: Option<Oid>,
    asks: Option<(Template, Sealing)>,
}

impl Aside {
    /// Of a write with these headers.
    pub fn of(sealing: &Sealing, headers: &HeaderMap) -> Self {
        Self {
            at: sealing.at.clone(),
            kek_id: sealing.kek_id,
            headers: kept_of(headers),
            principal: sealing.principal.clone(),
            client: sealing.client,
            scrub: sealing.scrub.as_ref().map(|scrubbed| (scrubbed.policy.id.clone(), scrubbed.seen.clone())),
            id: None,
            asks: None,
        }
    }

    /// The same of a write of which the backend has not heard yet: it is asked first whether it would take it. Only the gateway itself may certainly write.
    #[must_use]
    pub fn asking(self, mut target: Template, sealing: &Sealing) -> Self {
        if matches!(target.sender.signer, Signer::Gateway) {
            return self;
        }
        target.headers.remove(header::EXPECT);
        Self { asks: Some((target, sealing.clone())), ..self }
    }

    /// The same of an upload in parts: with this id, and once, however often that is asked for.
    pub fn once(sealing: &Sealing, headers: &HeaderMap, id: Oid) -> Self {
        Self { id: Some(id), ..Self::of(sealing, headers) }
    }

    /// Puts what came aside where that is what it was refused for, and says so. Gives the error for the client.
    pub async fn instead_of(self, vault: &Arc<Vault>, refused: Error) -> Result<Error, Error> {
        let Some((policy, seen)) = &self.scrub else { return Ok(refused) };
        let (Some(why), Some(original)) = (seen.aside.get(), seen.take_original()?) else { return Ok(refused) };
        let kek = vault.keys.by_id(&self.at.bucket, self.kek_id).await?;
        if let Some(id) = self.id {
            if let Some(answer) = answered(vault, &self.at.bucket, id).await? {
                return Ok(answer);
            }
            // Of one that was cut off: without a note it is nothing, and under another key.
            destroy(vault, Kind::Quarantine, &self.at.bucket, id, false).await?;
        }
        if let Some((target, sealing)) = &self.asks {
            // An upload is begun with the same right as an object is written, and leaves nothing.
            match OwnUpload::create(vault, target, sealing).await? {
                Ok(upload) => upload.abort().await,
                Err(refused) => return Ok(super::stored::answered(refused).await),
            }
        }
        let id = self.id.map_or_else(Oid::random, Ok)?;
        let note = Note::new((&self.at.bucket, &self.at.key), policy, (self.principal.clone(), self.client));
        let note = Note { why: Some(why.clone()), headers: self.headers.clone(), ..note };
        keep(vault, &kek, Kind::Quarantine, id, note, original).await?;
        tracing::warn!(bucket = self.at.bucket, id = %id, why, "an object was put in quarantine");
        Ok(told(id, why))
    }
}

/// What the client of an upload was told whose content went to quarantine under this id; none where it did not.
pub async fn answered(vault: &Vault, bucket: &str, id: Oid) -> Result<Option<Error>, Error> {
    let note = find(vault, Kind::Quarantine, bucket, id).await?;
    Ok(note.map(|note| told(id, note.why.as_deref().unwrap_or_default())))
}

fn told(id: Oid, why: &str) -> Error {
    Error::client(
        S3ErrorCode::AccessDenied,
        format!(
            "The object was not stored: {why}. It was put in quarantine as {id}, where whoever is responsible for the security of this bucket can release it"
        ),
    )
}

/// The id in quarantine of what an upload makes of these parts, each a number and its `ETag` as the client knows it.
pub fn id_of(upload: Oid, parts: impl Iterator<Item = (u16, String)>) -> Result<Oid, Error> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"dv1/quarantine");
    hash.update(&upload.0);
    for (number, etag) in parts {
        hash.update(&number.to_be_bytes());
        hash.update(&(etag.len() as u64).to_be_bytes());
        hash.update(etag.as_bytes());
    }
    let id = hash.finish().as_ref().first_chunk().copied();
    id.map(Oid).ok_or_else(|| Error::Internal("a hash".into()))
}

/// Of the headers of a write, those that make the object what it is.
pub fn kept_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    kept.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn is_kept(name: &str) -> bool {
    keys::metadata::SYSTEM_HEADERS.contains(&name)
        || name.starts_with("x-amz-meta-") && name != keys::object::HEADER_NAME
        || KEPT.contains(&name)
        || name.starts_with("x-amz-object-lock-")
        || name.starts_with("x-amz-grant-")
}

/// Keeps what a scrubbed object is made from. Durable when this returns, which is before there is the object.
pub async fn keep_original(vault: &Arc<Vault>, kek: &Kek, intent: &Intent, scrubbed: &Scrubbed) -> Result<(), Error> {
    let original = scrubbed.seen.take_original()?;
    let original = original.ok_or_else(|| Error::Internal("an original that was not kept".into()))?;
    let writer = (intent.principal.clone(), intent.client);
    let note = Note::new((&intent.bucket, &intent.key), &scrubbed.policy.id, writer);
    keep(vault, kek, Kind::Original, intent.oid, note, original).await
}

async fn keep(
    vault: &Arc<Vault>,
    kek: &Kek,
    kind: Kind,
    id: Oid,
    mut note: Note,
    plaintext: Original,
) -> Result<(), Error> {
    let object = Arc::new(ObjectKey::generate()?);
    let sealer = PartSealer::new(&object, 1)?;
    (note.length, note.key_of_content) = (plaintext.length, Key::of(&object, sealer.prefix()));
    let intake = Intake::of_ours(plaintext.body, plaintext.length, put::reading_options(vault))?;
    let finish: Finish = Box::new(|_| Box::pin(async { Ok(Bytes::new()) }));
    let at = ObjectAt {
        bucket: vault.reserved.system_bucket().to_owned(),
        key: format!("{}content", folder(kind, &note.bucket, id)),
        version_id: None,
    };
    let mut request = BackendRequest::new(Method::PUT, path(&at.bucket, &at.key), Signer::Gateway)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if kind == Kind::Quarantine && vault.honoured.writes() {
        // One that was cut off, and still comes in, must not replace the content that a note is about.
        request.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    let sealing = Sealing {
        at,
        object,
        kek_id: kek.id(),
        header: None,
        principal: None,
        client: None,
        operation: "PutAside",
        request_id: String::new(),
        lineage: Vec::new(),
        scrub: None,
    };
    let written = spool::put(vault, request, seal(intake, sealer, finish), &sealing).await;
    succeeded(written.map_err(|e| match e {
        BackendError::Body(e) => body_error(e),
        e => e.into(),
    })?)
    .await?;
    write(vault, kek, kind, id, &note, None).await?;
    Ok(())
}

impl Note {
    /// On what was written to this bucket and key, by this writer, and is about to be kept.
    fn new((bucket, key): (&str, &str), policy: &PolicyId, writer: (Option<String>, Option<IpAddr>)) -> Self {
        Self {
            v: 1,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            policy: policy.clone(),
            why: None,
            at_ms: now_ms(),
            principal: writer.0,
            client: writer.1,
            headers: Vec::new(),
            length: 0,
            actions: Vec::new(),
            key_of_content: Key::default(),
        }
    }
}

impl Key {
    fn of(object: &ObjectKey, prefix: keys::object::Prefix) -> Self {
        Self {
            dek: Zeroizing::new(hex::encode(object.expose())),
            oid: object.oid().to_string(),
            prefix: hex::encode(prefix),
        }
    }

    fn open(&self) -> Result<(ObjectKey, keys::object::Prefix), Error> {
        let broken = |_| keys::Error::Inconsistent("a note");
        let (mut dek, mut oid, mut prefix) = (Zeroizing::new([0; 32]), [0; 16], [0; 56]);
        hex::decode_to_slice(self.dek.as_bytes(), &mut *dek).map_err(broken)?;
        hex::decode_to_slice(&self.oid, &mut oid).map_err(broken)?;
        hex::decode_to_slice(&self.prefix, &mut prefix).map_err(broken)?;
        Ok((ObjectKey::new(dek, Oid(oid)), prefix))
    }
}

/// `<kind>/<bucket>/<id>/` in the system bucket.
fn folder(kind: Kind, bucket: &str, id: Oid) -> String {
    format!("{}/{bucket}/{id}/", name(kind))
}

/// As the system bucket names it.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scrub => "scrubbed",
        Kind::Original => "original",
        Kind::Quarantine => "quarantine",
        Kind::Tokens => "tokens",
    }
}

fn request(vault: &Vault, method: Method, kind: Kind, bucket: &str, id: Oid, part: &str) -> BackendRequest {
    let key = format!("{}{part}", folder(kind, bucket, id));
    BackendRequest::new(method, path(vault.reserved.system_bucket(), &key), Signer::Gateway)
}

/// `over`: the note that it is to replace, by the backend's `ETag`. False: another is there by now.
async fn write(vault: &Vault, kek: &Kek, kind: Kind, id: Oid, note: &Note, over: Option<&str>) -> Result<bool, Error> {
    // Room for all of it, so that no buffer with the DEK in it is outgrown and left behind unwiped.
    let mut json = Zeroizing::new(Vec::with_capacity(LONGEST));
    serde_json::to_writer(&mut *json, note).map_err(|_| Error::Internal("a note".into()))?;
    let sealed = Bytes::from(kek.seal_note(kind, id, &json)?);
    let mut request = request(vault, Method::PUT, kind, &note.bucket, id, "note")
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(etag) = over {
        set(&mut request.headers, header::IF_MATCH, etag)?;
    }
    let response = vault.backend.call(request.payload(Payload::Bytes(sealed))).await?;
    let gone =
        matches!(response.status(), StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT | StatusCode::NOT_FOUND);
    if over.is_some() && gone {
        return Ok(false);
    }
    succeeded(response).await?;
    Ok(true)
}

/// The note on what was kept under this id; none where there is nothing.
pub async fn find(vault: &Vault, kind: Kind, bucket: &str, id: Oid) -> Result<Option<Note>, Error> {
    Ok(read(vault, kind, bucket, id).await?.map(|(note, _)| note))
}

/// The note, and the backend's `ETag` of it.
async fn read(vault: &Vault, kind: Kind, bucket: &str, id: Oid) -> Result<Option<(Note, String)>, Error> {
    let response = vault.backend.call(request(vault, Method::GET, kind, bucket, id, "note")).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let response = succeeded(response).await?;
    let etag = etag_of(response.headers());
    let sealed = collect(response.into_body(), LONGEST).await?;
    let kek = vault.keys.by_id(bucket, Kek::named_in(&sealed)?).await?;
    let json = kek.open_note(kind, id, &sealed)?;
    let note = serde_json::from_slice(&json).map_err(|_| keys::Error::Inconsistent("a note"))?;
    Ok(Some((note, etag)))
}

/// What was kept, as it came.
pub async fn open(vault: &Arc<Vault>, kind: Kind, id: Oid, note: &Note) -> Result<Body, Error> {
    let (object, first_prefix) = note.key_of_content.open()?;
    let response = vault.backend.call(request(vault, Method::GET, kind, &note.bucket, id, "content")).await?;
    let response: Response<Body> = succeeded(response).await?;
    let facts = Facts {
        length: note.length,
        etag: ETag::Opaque([0; 16]),
        checksum: None,
        part_count: 1,
        first_number: 1,
        first_prefix,
        parts: Vec::new(),
    };
    let opener = RangeOpener::new(&object, &facts, 0..note.length)?;
    Ok(crate::body::open::open(response.into_body(), opener, vault.metrics.clone()))
}

/// The id of an object, by which its original is kept.
pub async fn oid_of(vault: &Arc<Vault>, at: ObjectAt, signer: Signer) -> Result<Oid, Error> {
    match Source::at(vault, at, signer).look(super::head::SUFFIX, false).await? {
        Look::Sealed(sealed) => Ok(sealed.stored.oid()),
        Look::Plain(_) => Err(super::stored::unsealed()),
    }
}

/// Stores what was put aside where it was to be: through the engine, as far as that can look into it, or as it came. Error: what is there already, or
/// what the policy blocks.
pub async fn release(vault: &Arc<Vault>, id: Oid, note: &Note, scrub: bool, overwrite: bool) -> Result<(), Error> {
    let at = ObjectAt { bucket: note.bucket.clone(), key: note.key.clone(), version_id: None };
    let policies = vault.scrubbing.now()?;
    let policy = policies.of(&at.bucket, &at.key);
    let policy = policy.map(|policy| Arc::new(if scrub { policy.passing() } else { policy.releasing() }));
    let plaintext = Original { body: open(vault, Kind::Quarantine, id, note).await?, length: note.length };
    let held = (!overwrite).then_some(Held::ToNothing);
    let writer = (note.principal.clone(), note.client);
    let mut headers = headers(&note.headers)?;
    carried::drop_locks_that_are_over(&mut headers);
    let signer = again::signer_of(vault, note.principal.as_deref());
    again::write(vault, &at, headers, signer, held, plaintext, policy, Some(writer)).await?;
    Ok(())
}

/// Writes down what is done, and gives the note with it. Nothing is lost of what others write down at the same time: in this process, since whoever does holds a
/// lease, and in others where the backend has conditions.
pub async fn record(
    vault: &Vault,
    kind: Kind,
    bucket: &str,
    id: Oid,
    by: &str,
    what: &'static str,
) -> Result<Note, Error> {
    let _lease = vault.leases.note(&folder(kind, bucket, id)).await?;
    for _ in 0..precondition::TRIES {
        let found = read(vault, kind, bucket, id).await?;
        let (mut note, etag) = found.ok_or_else(|| Error::client(S3ErrorCode::NoSuchKey, "it is gone by now"))?;
        if note.actions.len() >= ACTIONS {
            note.actions.remove(ACTIONS / 2);
        }
        note.actions.push(Action { at_ms: now_ms(), by: by.to_owned(), what: what.to_owned() });
        let kek = vault.keys.current(bucket).await?;
        if write(vault, &kek, kind, id, &note, vault.honoured.puts.then_some(&*etag)).await? {
            tracing::info!(kind = name(kind), bucket, id = %id, by, what, "what was kept is dealt with");
            return Ok(note);
        }
    }
    Err(precondition::try_again())
}

/// Destroys what was kept. Its note is left where that says what became of it.
pub async fn destroy(vault: &Vault, kind: Kind, bucket: &str, id: Oid, with_note: bool) -> Result<(), Error> {
    for part in ["content", "note"].into_iter().take(if with_note { 2 } else { 1 }) {
        let response = vault.backend.call(request(vault, Method::DELETE, kind, bucket, id, part)).await?;
        if response.status() != StatusCode::NOT_FOUND {
            succeeded(response).await?;
        }
    }
    Ok(())
}

/// Whether the content of what was kept is still there.
pub async fn has_content(vault: &Vault, kind: Kind, bucket: &str, id: Oid) -> Result<bool, Error> {
    let response = vault.backend.call(request(vault, Method::HEAD, kind, bucket, id, "content")).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Ok(false);
    }
    succeeded(response).await.map(|_| true)
}

/// Where the listing goes on behind this id.
pub fn behind(id: Oid) -> String {
    // Behind all that is in its folder.
    format!("{id}/~")
}

/// The ids of what is kept of a bucket, in order, from where an earlier page ended or [`behind`] one of them: at most 1,000 entries of the storage's own listing. The
/// second: where to go on, which may be between the two objects of one id.
pub async fn list(
    vault: &Vault,
    kind: Kind,
    bucket: &str,
    after: Option<&str>,
) -> Result<(Vec<Oid>, Option<String>), Error> {
    let prefix = format!("{}/{bucket}/", name(kind));
    let after = after.map(|after| format!("{prefix}{after}")).unwrap_or_default();
    let keys = pages::kept(vault, &prefix, &after).await?;
    let mut ids = Vec::new();
    for (key, _) in &keys {
        let Some((id, "note")) = key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) else { continue };
        ids.extend(hex::decode(id).ok().and_then(|bytes| bytes.try_into().ok()).map(Oid));
    }
    // Only a page with nothing on it is the last: how many keys a storage lists at most is its own affair.
    let last = keys.last().and_then(|(key, _)| key.strip_prefix(&prefix)).map(str::to_owned);
    Ok((ids, last))
}

/// What a kept plaintext is to have as an object.
pub fn headers(kept: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in kept {
        let named = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        let (name, value) = named.ok_or(keys::Error::Inconsistent("a note"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
