//! `DeleteObject` and `DeleteObjects`: the backend deletes, then the records go. A record that stays behind is harmless, since it
//! answers only for the backend `ETag` that is gone.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use s3s::S3ErrorCode;

use super::forward::{edited, small_body};
use super::precondition::{self, Precondition};
use super::stored::answered;
use super::{Call, documents};
use crate::backend::Payload;
use crate::body::{self, Body, collect};
use crate::s3::{Error, xml};
use crate::sidecar::ObjectAt;

/// `DeleteObject`.
pub async fn delete_object(call: Call) -> Result<Response<Body>, Error> {
    let at = call.at()?;
    let mut request = call.forward();
    let condition = Precondition::resolve(&call, &mut request.headers).await?;
    let lease = condition.under_lease()?.take().await?;
    let response = condition.send(request, Bytes::new()).await?;
    drop(lease);
    if condition.overtaken(response.status(), &mut HeaderMap::new()).await? {
        return Err(precondition::try_again());
    }
    if !response.status().is_success() {
        return Err(answered(response).await);
    }
    // A delete marker hides the object and keeps its versions, and their records.
    let marker = response.headers().get("x-amz-delete-marker").is_some_and(|v| v == "true");
    call.vault.known.forget(&at);
    call.vault.known.forget(&ObjectAt { version_id: None, ..at.clone() });
    if !(marker && at.version_id.is_none()) {
        forget(&call, vec![at]).await;
    }
    Ok(edited(response))
}

/// `DeleteObjects`.
pub async fn delete_objects(call: Call, body: Body) -> Result<Response<Body>, Error> {
    let mut request = call.forward();
    let document = small_body(&call, body, &mut request.headers).await?.unwrap_or_default();
    let asked = xml::read_delete(&document)?;
    if asked.objects.iter().any(|o| o.etag.is_some() || o.size.is_some() || o.last_modified.is_some()) {
        // They would be weighed against the ciphertext.
        return Err(Error::client(
            S3ErrorCode::NotImplemented,
            "Conditions inside DeleteObjects are not available through this gateway; use DeleteObject with If-Match",
        ));
    }
    request.payload = Payload::Bytes(document);
    let leases = if call.vault.by_lease() {
        call.vault.leases.take_all(call.bucket()?, asked.objects.iter().map(|o| o.key.as_str()).collect()).await?
    } else {
        Vec::new()
    };
    let response = call.vault.backend.call(request).await?;
    drop(leases);
    if response.status() != StatusCode::OK {
        return Err(answered(response).await);
    }
    let (parts, answer) = response.into_parts();
    let answer: Bytes = collect(answer, call.vault.config.limits.xml_body).await?;
    let bucket = call.bucket()?.to_owned();
    let failed = documents::failed_deletes(&answer)?;
    let gone = asked
        .objects
        .into_iter()
        .filter(|o| !failed.iter().any(|(key, version)| *key == o.key && *version == o.version_id))
        .map(|o| ObjectAt { bucket: bucket.clone(), key: o.key, version_id: o.version_id })
        .collect::<Vec<_>>();
    for at in &gone {
        call.vault.known.forget(at);
        call.vault.known.forget(&ObjectAt { version_id: None, ..at.clone() });
    }
    // Without a version id a versioned bucket only gains a delete marker, and its versions keep their records.
    let marked = super::documents::marked_deletes(&answer)?;
    forget(&call, gone.into_iter().filter(|at| at.version_id.is_some() || !marked.contains(&at.key)).collect()).await;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(answer);
    Ok(response)
}

async fn forget(call: &Call, gone: Vec<ObjectAt>) {
    if let Err(e) = call.vault.sidecar.forget_all(gone).await {
        tracing::warn!(error = %e, "records of deleted objects could not be dropped");
    }
}
