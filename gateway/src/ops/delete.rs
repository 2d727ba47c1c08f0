//! `DeleteObject`: the backend deletes, then the record goes. One that stays behind is harmless, since it answers only for the backend
//! `ETag` that is gone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Response, StatusCode, header};
use s3s::S3ErrorCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::forward::edited;
use super::source::{Seen, Source};
use super::stored::answered;
use super::{Call, conditions, precondition, set};
use crate::backend::{BackendRequest, Payload};
use crate::body::{self, Body};
use crate::s3::Error;
use crate::s3::xml::DeleteTarget;
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// What a deletion asks of the object that is there: its plaintext `ETag`, its plaintext size, when it was written. Whoever it is
/// gone for already has what they want.
///
/// Source: `DeleteObject` in the S3 API reference, `If-Match`, `x-amz-if-match-size` and `x-amz-if-match-last-modified-time`.
pub struct Condition {
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

    /// Of a `DeleteObject`.
    pub fn of_headers(call: &Call) -> Result<Option<Self>, Error> {
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
            modified: call.header(modified).map(|text| moment(text).ok_or_else(|| malformed(modified))).transpose()?,
        }))
    }

    /// Of an object of a `DeleteObjects`. Error: `MalformedXML` for a time that is none.
    pub fn of_target(target: &DeleteTarget) -> Result<Option<Self>, Error> {
        if target.etag.is_none() && target.size.is_none() && target.last_modified.is_none() {
            return Ok(None);
        }
        let malformed = || Error::client(S3ErrorCode::MalformedXML, "A LastModifiedTime is not a time");
        let modified = target.last_modified.as_deref().map(|text| moment(text).ok_or_else(malformed)).transpose()?;
        Ok(Some(Self { etag: target.etag.clone(), size: target.size, modified }))
    }

    async fn look(&self, source: &Source) -> Result<Found, Error> {
        let Seen { etag, size, modified, backend_etag } = match source.seen().await {
            Ok(seen) => seen,
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

/// A time in the form of HTTP or of ISO 8601, to the second, as `LastModified` is.
fn moment(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    httpdate::parse_http_date(text).ok().or_else(|| {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(at.unix_timestamp()).ok()?))
    })
}

/// Deletes what the condition was found to hold for: held to it by the backend's own condition, or by the lease that the caller has.
/// None: there was nothing to delete.
pub async fn delete_if(
    vault: &Vault,
    condition: &Condition,
    source: &Source,
    mut request: BackendRequest,
) -> Result<Option<Response<Body>>, Error> {
    if !vault.honoured.deletions {
        vault.check_unhonoured()?;
    }
    for name in Condition::NAMES {
        request.headers.remove(name);
    }
    for _ in 0..precondition::TRIES {
        request.headers.remove(header::IF_MATCH);
        match condition.look(source).await? {
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
    let response = match Condition::of_headers(&call)? {
        None => Some(call.vault.backend.call(call.forward()).await?),
        Some(condition) => delete_if(&call.vault, &condition, &Source::of(&call)?, call.forward()).await?,
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

/// Drops the records of what was deleted.
pub async fn forget(call: &Call, gone: Vec<ObjectAt>) {
    if let Err(e) = call.vault.sidecar.forget_all(gone).await {
        tracing::warn!(error = %e, "records of deleted objects could not be dropped");
    }
}
