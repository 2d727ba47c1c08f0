//! Aliases: headers that are kept beside their objects.
//!
//! A store's policy may demand that a copy keeps what its source has (`x-amz-metadata-directive: COPY`). The object then lies under its new
//! name with its source's header, which does not open there. The one that does, its *alias*, is in the system bucket, named by that key and that
//! header (format.md section 4). It is bound and authenticated as every header is: whoever could forge it could as well have put it
//! into the object.
//!
//! Aliases are never removed. Versions, and a copy made again, share one, so that no deletion shows that it is not needed any more.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use keys::header::{ENCODED_LEN, Header};

use crate::backend::{BackendRequest, Payload, Signer, path};
use crate::body::collect;
use crate::s3::Error;
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// Whether a header failed to open in the way of one that was made for another key or bucket.
pub fn may_help(failure: &keys::Error) -> bool {
    matches!(
        failure,
        keys::Error::NotAuthentic(_) | keys::Error::MissingKek { .. } | keys::Error::KekOfAnotherBucket { .. }
    )
}

/// The header that opens, under this name, an object that has `header`; none where no copy of ours left one there.
pub async fn find(vault: &Vault, at: &ObjectAt, header: &Header) -> Result<Option<Header>, Error> {
    let response = vault.backend.call(request(vault, Method::GET, at, header)).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(keys::Error::store(format!("the system bucket answered {status} for an alias")).into()),
    }
    let alias = collect(response.into_body(), ENCODED_LEN).await.map_err(keys::Error::store)?;
    Ok(Some(Header::decode(&alias)?))
}

/// Keeps the header that opens an object under this name which has, or is about to have, `header`. Durable when this returns.
pub async fn keep(vault: &Vault, at: &ObjectAt, header: &Header, alias: &Header) -> Result<(), Error> {
    let request = request(vault, Method::PUT, at, header)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))
        .payload(Payload::Bytes(Bytes::from(alias.encode())));
    let status = vault.backend.call(request).await?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(keys::Error::store(format!("the system bucket answered {status} to an alias")).into())
}

fn request(vault: &Vault, method: Method, at: &ObjectAt, header: &Header) -> BackendRequest {
    BackendRequest::new(method, path(vault.reserved.system_bucket(), &name(at, header)), Signer::Gateway)
}

/// `aliases/<bucket>/<SHA-256("dv1/alias" ‖ len(key)(4) ‖ key ‖ header(228))>`, the hash in hexadecimal digits.
fn name(at: &ObjectAt, header: &Header) -> String {
    // No key is longer than 1,024 bytes.
    let length = u32::try_from(at.key.len()).unwrap_or(u32::MAX).to_be_bytes();
    let named = [b"dv1/alias", &length[..], at.key.as_bytes(), header.encode().as_bytes()].concat();
    format!("aliases/{}/{}", at.bucket, hex::encode(digest(&SHA256, &named)))
}

#[cfg(test)]
mod tests;
