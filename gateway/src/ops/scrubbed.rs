//! What was done to an object, beside it: a small sealed object in the system bucket, named by the id that is in the object's own header. So a sidecar
//! that is lost loses none of it, and whoever reads the storage learns nothing.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use keys::Oid;
use keys::hierarchy::Kek;

use super::stored::answered;
use crate::backend::{BackendRequest, Payload, Signer, path, query_value};
use crate::body::collect;
use crate::s3::Error;
use crate::s3::xml::Document;
use crate::scrubbing::Record;
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
    let sealed = Bytes::from(kek.seal_scrub(oid, &document)?);
    let request = request(vault, Method::PUT, bucket, oid)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .payload(Payload::Bytes(sealed));
    let response = vault.backend.call(request).await?;
    match response.status() {
        status if status.is_success() => Ok(()),
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
    let document = kek.open_scrub(oid, &sealed)?;
    serde_json::from_slice(&document).map(Some).map_err(|_| keys::Error::Inconsistent("a scrub record").into())
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
