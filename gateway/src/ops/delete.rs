//! `DeleteObject` and `DeleteObjects`: the backend deletes, then the records go. A record that stays behind is harmless, since it
//! answers only for the backend `ETag` that is gone.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use s3s::S3ErrorCode;

use super::forward::{edited, small_body};
use super::source::Source;
use super::stored::{Look, answered, last_modified};
use super::{Call, conditions, documents, head, precondition, set};
use crate::backend::{BackendRequest, Payload};
use crate::body::{self, Body, collect};
use crate::s3::{Error, xml};
use crate::sidecar::ObjectAt;

/// What a deletion asks of the object that is there: its plaintext `ETag`, its plaintext size, when it was written. Whoever it is
/// gone for already has what they want.
///
/// Source: `DeleteObject` in the S3 API reference, `If-Match`, `x-amz-if-match-size` and `x-amz-if-match-last-modified-time`.
struct Condition {
    etag: Option<String>,
    size: Option<u64>,
    modified: Option<SystemTime>,
}

/// What a condition let through.
enum Found {
    Nothing,
    Marker,
    /// Of this backend `ETag`.
    Object(String),
}

impl Condition {
    const NAMES: [&'static str; 3] = ["if-match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"];

    fn of(call: &Call) -> Result<Option<Self>, Error> {
        if !Self::NAMES.iter().any(|name| call.headers.contains_key(*name)) {
            return Ok(None);
        }
        let malformed = |name: &str| {
            Error::client(S3ErrorCode::InvalidArgument, format!("The value of the {name} header is not valid"))
        };
        let [_, size, modified] = Self::NAMES;
        Ok(Some(Self {
            etag: call.header("if-match").map(str::to_owned),
            size: call.header(size).map(|text| text.trim().parse().map_err(|_| malformed(size))).transpose()?,
            modified: call
                .header(modified)
                .map(|text| httpdate::parse_http_date(text.trim()).map_err(|_| malformed(modified)))
                .transpose()?,
        }))
    }

    async fn look(&self, source: &Source) -> Result<Found, Error> {
        let (etag, size, modified, backend_etag) = match source.look(head::SUFFIX, false).await {
            Ok(Look::Sealed(sealed)) => {
                let modified = sealed.stored.last_modified();
                (sealed.facts.etag_string(), sealed.facts.length, modified, sealed.stored.backend_etag)
            }
            Ok(Look::Plain(plain)) => (plain.etag.clone(), plain.length, last_modified(&plain.headers), plain.etag),
            Err(Error::Answered { status: StatusCode::NOT_FOUND, response, .. }) => {
                let any = self.etag.as_deref().is_none_or(|list| list.trim() == "*");
                return match response.headers.get("x-amz-delete-marker").is_some_and(|v| v == "true") {
                    false => Ok(Found::Nothing),
                    true if any && self.size.is_none() && self.modified.is_none() => Ok(Found::Marker),
                    true => Err(conditions::failed()),
                };
            }
            Err(e) => return Err(e),
        };
        if self.etag.as_deref().is_some_and(|list| !conditions::matches(list, &etag))
            || self.size.is_some_and(|wanted| wanted != size)
            || self.modified.is_some_and(|wanted| modified != Some(wanted))
        {
            return Err(conditions::failed());
        }
        Ok(Found::Object(backend_etag))
    }
}

/// Deletes what the condition was found to hold for: held to it by the backend's own condition, or by the lease that the caller has.
async fn delete_if(
    call: &Call,
    condition: &Condition,
    mut request: BackendRequest,
) -> Result<Option<Response<Body>>, Error> {
    let vault = &call.vault;
    if !vault.honoured.deletions {
        vault.check_unhonoured()?;
    }
    for name in Condition::NAMES {
        request.headers.remove(name);
    }
    let source = Source::of(call)?;
    for _ in 0..precondition::TRIES {
        request.headers.remove(header::IF_MATCH);
        match condition.look(&source).await? {
            Found::Nothing => return Ok(None),
            Found::Marker => {}
            Found::Object(backend_etag) => set(&mut request.headers, header::IF_MATCH, &backend_etag)?,
        }
        let response = vault.backend.call(request.again(Payload::Empty)).await?;
        if response.status() != StatusCode::PRECONDITION_FAILED {
            return Ok(Some(response));
        }
    }
    Err(precondition::try_again())
}

/// `DeleteObject`.
pub async fn delete_object(call: Call) -> Result<Response<Body>, Error> {
    let at = call.at()?;
    let lease = call.vault.lease(&at).await?;
    let response = match Condition::of(&call)? {
        None => Some(call.vault.backend.call(call.forward()).await?),
        Some(condition) => delete_if(&call, &condition, call.forward()).await?,
    };
    drop(lease);
    let Some(response) = response else {
        let mut nothing = Response::new(body::empty());
        *nothing.status_mut() = StatusCode::NO_CONTENT;
        return Ok(nothing);
    };
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
    let leases = call.vault.lease_all(call.bucket()?, asked.objects.iter().map(|o| o.key.as_str()).collect()).await?;
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
