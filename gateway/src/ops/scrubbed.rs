//! What was done to an object, beside it: a small sealed object in the system bucket, named by the id that is in the object's own header. So a sidecar
//! that is lost loses none of it, and whoever reads the storage learns nothing.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use keys::Oid;
use keys::hierarchy::{Kek, Note};

use super::stored::answered;
use crate::backend::{BackendRequest, Payload, Signer, path, query_value};
use crate::body::collect;
use crate::s3::Error;
use crate::s3::xml::Document;
use crate::scrubbing::{BucketPolicy, PolicyId, Record};
use crate::sidecar::ObjectAt;
use crate::telemetry::ScrubOutcome;
use crate::vault::Vault;

/// Findings by type, in the answer to a write.
pub const FINDINGS: HeaderName = HeaderName::from_static("x-data-vault-findings");
/// The policy that was applied, in the answer to a write.
pub const POLICY: HeaderName = HeaderName::from_static("x-data-vault-policy");
/// Longer ones there are none.
const LONGEST: usize = 64 << 10;

/// Keeps it. Durable when this returns, which is before there is the object.
pub async fn keep(vault: &Vault, bucket: &str, kek: &Kek, oid: Oid, record: &Record) -> Result<(), Error> {
    let document = serde_json::to_vec(record).map_err(|_| Error::Internal("a scrub record".into()))?;
    let sealed = Bytes::from(kek.seal_note(Note::Scrub, oid, &document)?);
    let request = request(vault, Method::PUT, bucket, oid)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .payload(Payload::Bytes(sealed));
    let response = vault.backend.call(request).await?;
    match response.status() {
        status if status.is_success() => {
            let by = (record.policy.clone(), record.changed());
            vault.scrubbing.seen.insert((bucket.to_owned(), oid), by);
            Ok(())
        }
        // A full store is full for the object as well.
        StatusCode::INSUFFICIENT_STORAGE => Err(answered(response).await),
        status => Err(unusable(status)),
    }
}

/// What was done to the object of this id; none where no policy has seen it.
pub async fn find(vault: &Vault, bucket: &str, oid: Oid) -> Result<Option<Record>, Error> {
    let response = vault.backend.call(request(vault, Method::GET, bucket, oid)).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(unusable(status)),
    }
    let sealed = collect(response.into_body(), LONGEST).await.map_err(keys::Error::store)?;
    let kek = vault.keys.by_id(bucket, Kek::named_in(&sealed)?).await?;
    let document = kek.open_note(Note::Scrub, oid, &sealed)?;
    serde_json::from_slice(&document).map(Some).map_err(|_| keys::Error::Inconsistent("a scrub record").into())
}

/// Removes it, once its object is gone.
pub async fn remove(vault: &Vault, bucket: &str, oid: Oid) -> Result<(), Error> {
    let status = vault.backend.call(request(vault, Method::DELETE, bucket, oid)).await?.status();
    if status.is_success() || status == StatusCode::NOT_FOUND { Ok(()) } else { Err(unusable(status)) }
}

/// Refuses a read of what this policy, which wants that, has not seen in this version. An object says so itself, by the record that is sealed beside it; which it
/// was is remembered.
pub async fn admit(vault: &Vault, policy: &BucketPolicy, at: &ObjectAt, oid: Oid) -> Result<(), Error> {
    let seen = |by: &(PolicyId, bool)| by.1 && by.0 == policy.id;
    let name = (at.bucket.clone(), oid);
    if vault.scrubbing.seen.get(&name).is_some_and(|by| seen(&by)) {
        return Ok(());
    }
    if let Some(record) = find(vault, &at.bucket, oid).await? {
        let by = (record.policy.clone(), record.changed());
        vault.scrubbing.seen.insert(name, by.clone());
        if seen(&by) {
            return Ok(());
        }
    }
    Err(unscrubbed(vault, at, policy))
}

/// That a policy has not seen it, and keeps readers from it.
pub fn unscrubbed(vault: &Vault, at: &ObjectAt, policy: &BucketPolicy) -> Error {
    vault.metrics.scrub.ended(&at.bucket, ScrubOutcome::Unscrubbed);
    Error::Unscrubbed { policy: policy.id.to_string() }
}

/// What a record of the object says of its scrub: mode and policy, or `off`.
pub async fn state(vault: &Vault, bucket: &str, oid: Oid) -> Result<String, Error> {
    Ok(find(vault, bucket, oid).await?.map_or_else(|| "off".to_owned(), |record| record.state()))
}

/// Whether any object of the bucket was seen by a policy.
pub async fn any(vault: &Vault, bucket: &str) -> Result<bool, Error> {
    let listing = BackendRequest::new(Method::GET, path(vault.reserved.system_bucket(), ""), Signer::Gateway)
        .query(format!("list-type=2&max-keys=1&prefix={}", query_value(&format!("scrubbed/{bucket}/"))));
    let response = vault.backend.call(listing).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(false),
        status => return Err(unusable(status)),
    }
    let listing = collect(response.into_body(), LONGEST).await.map_err(keys::Error::store)?;
    let document = Document::parse(&listing).map_err(|e| e.of_backend())?;
    Ok(document.root().elements("Contents").next().is_some())
}

/// The system bucket is none of the client's business.
fn unusable(status: StatusCode) -> Error {
    Error::Protocol(format!("the system bucket answered {status} for a scrub record").into())
}

/// `scrubbed/<bucket>/<oid>`.
fn request(vault: &Vault, method: Method, bucket: &str, oid: Oid) -> BackendRequest {
    let name = format!("scrubbed/{bucket}/{oid}");
    BackendRequest::new(method, path(vault.reserved.system_bucket(), &name), Signer::Gateway)
}
