//! `ListBuckets` and `DeleteBucket`.

use http::{Response, header};

use super::forward::edited;
use super::stored::answered;
use super::{Call, documents};
use crate::body::{self, Body, collect};
use crate::s3::Error;

/// `ListBuckets`, without our own bucket.
pub async fn list_buckets(call: Call) -> Result<Response<Body>, Error> {
    let response = call.vault.backend.call(call.forward()).await?;
    if !response.status().is_success() {
        return Err(answered(response).await);
    }
    let (parts, listing) = response.into_parts();
    let listing = collect(listing, call.vault.config.limits.xml_body).await?;
    let listing = documents::without_bucket(&listing, call.vault.reserved.system_bucket())?;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(listing);
    Ok(response)
}

/// `DeleteBucket`. Its keys stay: versions of its objects may live in the backend's own backups.
pub async fn delete_bucket(call: Call) -> Result<Response<Body>, Error> {
    let response = call.vault.backend.call(call.forward()).await?;
    if response.status().is_success() {
        call.vault.bucket_deleted(call.bucket()?);
    }
    Ok(edited(response))
}
