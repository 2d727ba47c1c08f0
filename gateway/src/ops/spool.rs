//! A sealed body that cannot be one PUT to the backend: its length is not known, or passes the backend's limit. Up to a bound it
//! waits in memory and goes as one PUT; beyond it, it goes as a multipart upload of our own, which no listing shows.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use http_body_util::BodyExt;

use super::documents;
use super::put::Sealing;
use super::stored::has_tags;
use crate::backend::{BackendError, BackendRequest, Payload, Template, query_value};
use crate::body::Body;
use crate::sidecar::UploadRecord;
use crate::vault::{Vault, now_ms};

/// Writes a sealed body whose length is not declared.
pub async fn put(
    vault: &Arc<Vault>,
    request: BackendRequest,
    mut sealed: Body,
    sealing: &Sealing,
) -> Result<Response<Body>, BackendError> {
    // Where all of it is in the first piece, that is one PUT.
    let most = usize::try_from(vault.config.backend.single_put_limit).unwrap_or(usize::MAX);
    let piece_size = vault.config.limits.body_in_memory.min(most);
    let (first, more) = piece(&mut sealed, BytesMut::new(), piece_size).await?;
    let Some(rest) = more else {
        vault.metrics.sealed(first.len() as u64);
        return vault.backend.call(request.payload(Payload::Bytes(first))).await;
    };
    let target = request.template();
    drop(request);
    let upload = match OwnUpload::create(vault, &target, sealing).await? {
        Ok(upload) => upload,
        Err(refused) => return Ok(refused),
    };
    match upload.fill(first, Some(rest), sealed, piece_size).await {
        Ok(Ok(parts)) => upload.complete(&target, &parts).await,
        Ok(Err(refused)) => {
            upload.abort().await;
            Ok(refused)
        }
        Err(e) => {
            upload.abort().await;
            Err(e)
        }
    }
}

/// A multipart upload of our own at the backend.
pub struct OwnUpload<'a> {
    vault: &'a Arc<Vault>,
    parts: Template,
    /// The backend's id of it.
    pub id: String,
    oid: keys::Oid,
}

/// Headers that belong to the creation of an upload and not to its parts.
const CREATION_ONLY: [&str; 12] = [
    "x-amz-acl",
    "x-amz-tagging",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "content-type",
];

impl<'a> OwnUpload<'a> {
    /// Creates it, with the metadata of the object it will be. `Err`: the backend's refusal.
    pub async fn create(
        vault: &'a Arc<Vault>,
        target: &Template,
        sealing: &Sealing,
    ) -> Result<Result<Self, Response<Body>>, BackendError> {
        let mut create = target.request(Method::POST, "uploads=");
        for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
            create.headers.remove(name);
        }
        let response = vault.backend.call(create).await?;
        if !response.status().is_success() {
            return Ok(Err(response));
        }
        let answer = small(response).await?;
        let id = documents::text(&answer, "UploadId")
            .ok_or_else(|| BackendError::Invalid("no UploadId in the backend's answer".into()))?;
        let record = UploadRecord {
            bucket: sealing.at.bucket.clone(),
            key: sealing.at.key.clone(),
            backend_upload_id: id.clone(),
            // No client ever sees it: an empty string keeps it out of listings and marks it for the collector.
            upload_id: String::new(),
            oid: sealing.object.oid(),
            headers: Vec::new(),
            principal: sealing.principal.clone(),
            started_at_ms: now_ms(),
        };
        vault
            .sidecar
            .upload_started(record)
            .await
            .map_err(|e| BackendError::Body(Box::new(crate::s3::Error::from(e))))?;
        let parts = Template { headers: for_parts(&target.headers), ..target.clone() };
        Ok(Ok(Self { vault, parts, id, oid: sealing.object.oid() }))
    }

    /// One that is there, to be filled anew.
    pub fn existing(vault: &'a Arc<Vault>, parts: Template, id: String, oid: keys::Oid) -> Self {
        Self { vault, parts, id, oid }
    }

    /// Uploads all of a sealed body; gives the backend's `ETag`s of its parts. `Err`: the backend's refusal.
    pub async fn fill_with(&self, mut sealed: Body) -> Result<Result<Vec<String>, Response<Body>>, BackendError> {
        let size = self.vault.config.limits.body_in_memory;
        let (first, rest) = piece(&mut sealed, BytesMut::new(), size).await?;
        self.fill(first, rest, sealed, size).await
    }

    async fn fill(
        &self,
        first: Bytes,
        mut rest: Option<BytesMut>,
        mut sealed: Body,
        piece_size: usize,
    ) -> Result<Result<Vec<String>, Response<Body>>, BackendError> {
        let mut etags = Vec::new();
        let mut current = first;
        loop {
            self.vault.metrics.sealed(current.len() as u64);
            let number = etags.len() + 1;
            let response = self.vault.backend.call(self.part(number).payload(Payload::Bytes(current))).await?;
            if !response.status().is_success() {
                return Ok(Err(response));
            }
            etags.push(super::etag_of(response.headers()));
            let Some(begun) = rest.take() else { return Ok(Ok(etags)) };
            (current, rest) = piece(&mut sealed, begun, grown(piece_size, etags.len())).await?;
        }
    }

    /// A request for one of its parts.
    pub fn part(&self, number: usize) -> BackendRequest {
        self.parts.request(Method::PUT, format!("partNumber={number}&uploadId={}", query_value(&self.id)))
    }

    /// Makes the object visible, under the conditions that the client set.
    pub async fn complete(&self, target: &Template, etags: &[String]) -> Result<Response<Body>, BackendError> {
        let etags = etags.iter().enumerate().map(|(i, etag)| (i + 1, etag.as_str()));
        let document = documents::complete_request(etags);
        let mut complete = self
            .parts
            .request(Method::POST, format!("uploadId={}", query_value(&self.id)))
            .payload(Payload::Bytes(document.into()));
        for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
            if let Some(value) = target.headers.get(&name) {
                complete.headers.insert(name, value.clone());
            }
        }
        let response = completed(self.vault.backend.call(complete).await?).await?;
        if response.status().is_success() {
            self.forget().await;
            self.keep_tags(target, response.headers()).await?;
        } else if response.status().is_client_error() {
            self.abort().await;
        }
        Ok(response)
    }

    /// Ceph RGW 16 drops the tags that an upload is created with: set again where the object has none. An error tells the client to write
    /// it once more.
    async fn keep_tags(&self, target: &Template, answered: &HeaderMap) -> Result<(), BackendError> {
        let invalid = |e: &dyn std::fmt::Display| BackendError::Invalid(format!("tags of an object in pieces: {e}"));
        let Some(tags) = target.headers.get("x-amz-tagging").filter(|tags| !tags.is_empty()) else { return Ok(()) };
        let version = answered.get("x-amz-version-id").and_then(|v| v.to_str().ok());
        let version = version.map(|v| format!("versionId={}", query_value(v))).unwrap_or_default();
        let head = self.vault.backend.call(self.parts.request(Method::HEAD, version.clone())).await?;
        if has_tags(head.headers()) {
            return Ok(());
        }
        let document = documents::tagging(tags.to_str().map_err(|e| invalid(&e))?).map_err(|e| invalid(&e))?;
        let query = if version.is_empty() { "tagging".to_owned() } else { format!("tagging&{version}") };
        let set = self.parts.request(Method::PUT, query).payload(Payload::Bytes(document.into()));
        let status = self.vault.backend.call(set).await?.status();
        if status.is_success() { Ok(()) } else { Err(invalid(&status)) }
    }

    /// Drops it and its parts. What cannot be dropped now stays in the sidecar for the collector.
    pub async fn abort(&self) {
        if self.drop_at_backend().await {
            self.forget().await;
        }
    }

    /// The same at the backend alone. Whether that was done.
    pub async fn drop_at_backend(&self) -> bool {
        let abort = self.parts.request(Method::DELETE, format!("uploadId={}", query_value(&self.id)));
        match self.vault.backend.call(abort).await {
            Ok(response) if response.status().is_success() || response.status().as_u16() == 404 => return true,
            Ok(response) => tracing::warn!(status = %response.status(), "an upload could not be dropped yet"),
            Err(e) => tracing::warn!(error = %e, "an upload could not be dropped yet"),
        }
        false
    }

    async fn forget(&self) {
        if let Err(e) = self.vault.sidecar.upload_ended(self.oid).await {
            tracing::warn!(error = %e, "an ended upload could not be forgotten; the collector will");
        }
    }
}

/// The answer to a Complete: an error may hide in a 200, and the new `ETag` is in the body. It comes back as an ordinary answer.
pub async fn completed(response: Response<Body>) -> Result<Response<Body>, BackendError> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = crate::body::collect(body, 1 << 20).await.map_err(|e| BackendError::Broken(Box::new(e)))?;
    if let Some(code) = documents::error_code(&bytes) {
        parts.status = match code.as_str() {
            "PreconditionFailed" => http::StatusCode::PRECONDITION_FAILED,
            "NoSuchUpload" | "NoSuchKey" | "NoSuchBucket" => http::StatusCode::NOT_FOUND,
            "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "MalformedXML" => http::StatusCode::BAD_REQUEST,
            "ConditionalRequestConflict" => http::StatusCode::CONFLICT,
            "AccessDenied" => http::StatusCode::FORBIDDEN,
            _ => http::StatusCode::INTERNAL_SERVER_ERROR,
        };
    } else {
        let etag = documents::text(&bytes, "ETag")
            .ok_or_else(|| BackendError::Invalid("no ETag in the backend's answer to Complete".into()))?;
        let value = HeaderValue::from_str(&format!("\"{}\"", etag.trim_matches('"')))
            .map_err(|_| BackendError::Invalid("an unusable ETag in the backend's answer".into()))?;
        parts.headers.insert(header::ETAG, value);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(parts, crate::body::full(bytes)))
}

/// The headers that go along with every part: keys of SSE-C, the payer, the expected owner.
pub fn for_parts(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let n = name.as_str();
        if n.starts_with("x-amz-")
            && !n.starts_with("x-amz-meta-")
            && !n.starts_with("x-amz-grant-")
            && !n.starts_with("x-amz-copy-source")
            && !n.starts_with("x-amz-metadata-directive")
            && !n.starts_with("x-amz-tagging-directive")
            && !CREATION_ONLY.contains(&n)
        {
            kept.insert(HeaderName::clone(name), value.clone());
        }
    }
    kept
}

/// The size of a piece behind so many others, where the first has `size`. There are 10,000 at most, and how many it takes nobody knows before: so they grow, to 16 times
/// that, and all of them together reach to 62,000 times.
const fn grown(size: usize, others: usize) -> usize {
    let doubled = if others < 8000 { others / 2000 } else { 4 };
    size << doubled
}

/// Reads on until there are `size` bytes. The second half is what was read past them; none where the body ended.
async fn piece(body: &mut Body, mut begun: BytesMut, size: usize) -> Result<(Bytes, Option<BytesMut>), BackendError> {
    while begun.len() <= size {
        let Some(frame) = body.frame().await else { return Ok((begun.freeze(), None)) };
        if let Ok(data) = frame.map_err(BackendError::Body)?.into_data() {
            begun.extend_from_slice(&data);
        }
    }
    let rest = begun.split_off(size);
    Ok((begun.freeze(), Some(rest)))
}

async fn small(response: Response<Body>) -> Result<Bytes, BackendError> {
    crate::body::collect(response.into_body(), 1 << 20).await.map_err(|e| BackendError::Broken(Box::new(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_an_object_are_not_too_many() {
        let size = 8 << 20;
        assert_eq!(grown(size, 0), size);
        assert_eq!(grown(size, 1999), size);
        assert_eq!(grown(size, 2000), 2 * size);
        assert!((1..10_000).all(|others| grown(size, others - 1) <= grown(size, others)));
        assert_eq!(grown(size, 9999), 16 * size);
        assert_eq!((0..10_000).map(|others| grown(size, others)).sum::<usize>(), 62_000 * size);
    }
}
