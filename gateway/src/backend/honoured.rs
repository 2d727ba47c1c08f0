//! Which conditions a backend honours: found out at start, since a store that does not know a condition ignores it.

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::{Backend, BackendError, BackendRequest, Payload, Signer, path, query_value};
use crate::body::{Body, collect};
use crate::ops::documents;
use crate::ops::spool::completed;

/// An `ETag` that no probe object has.
const ANOTHER: &str = "00000000000000000000000000000000";

/// Longest answer to a request of a probe, in bytes.
const ANSWER: usize = 64 << 10;

/// The conditions that a backend honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "answers of a probe, each by itself")]
pub struct Honoured {
    /// `If-Match` and `If-None-Match` of a PUT.
    pub puts: bool,
    /// The same of `CompleteMultipartUpload`, which Ceph RGW 16 ignores.
    pub completions: bool,
    /// The same of what a copy is written over, which `MinIO` and Ceph RGW ignore.
    pub copies: bool,
    /// `If-Match` of a deletion.
    pub deletions: bool,
    /// On the source of a copy; none: a copy may take another object than was looked at.
    pub copy_source: Option<CopySourceMatch>,
}

/// How a backend is told that the source of a copy must still have an `ETag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopySourceMatch {
    /// As S3 has it.
    Standard,
    /// Ceph RGW ignores S3's header and knows `x-amz-copy-if-match`.
    Rgw,
}

impl CopySourceMatch {
    /// Puts the condition into a copy request. `etag` is without quotes.
    pub fn require(self, headers: &mut HeaderMap, etag: &str) -> Result<(), http::header::InvalidHeaderValue> {
        let (name, value) = match self {
            Self::Standard => ("x-amz-copy-source-if-match", HeaderValue::try_from(format!("\"{etag}\""))?),
            Self::Rgw => ("x-amz-copy-if-match", HeaderValue::try_from(etag)?),
        };
        headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }
}

impl Honoured {
    /// Those of the embedded store.
    pub const ALL: Self = Self {
        puts: true,
        completions: true,
        copies: true,
        deletions: true,
        copy_source: Some(CopySourceMatch::Standard),
    };

    /// Whether a write never passes a condition, whichever way it goes. A PUT may be completed from parts, and a copy streamed.
    pub fn writes(&self) -> bool {
        self.puts && self.completions
    }

    /// Tries them with two objects under `probe/` of `bucket`, which must exist.
    pub async fn by(backend: &dyn Backend, bucket: &str) -> Result<Self, BackendError> {
        let probe = Probe { backend, path: fresh(bucket) };
        let found = probe.run().await;
        for path in [probe.path.clone(), probe.copy()] {
            remove(backend, path).await?;
        }
        found
    }
}

/// Where a probe object may be put.
pub(super) fn fresh(bucket: &str) -> String {
    path(bucket, &format!("probe/{}", uuid::Uuid::new_v4()))
}

/// Deletes a probe object. One that stays is in nobody's way.
pub(super) async fn remove(backend: &dyn Backend, path: String) -> Result<(), BackendError> {
    let removed = backend.call(BackendRequest::new(Method::DELETE, path, Signer::Gateway)).await?.status();
    if !removed.is_success() && removed != StatusCode::NOT_FOUND {
        tracing::warn!(status = %removed, "a probe object could not be removed");
    }
    Ok(())
}

struct Probe<'a> {
    backend: &'a dyn Backend,
    path: String,
}

impl Probe<'_> {
    fn copy(&self) -> String {
        format!("{}-copy", self.path)
    }

    async fn run(&self) -> Result<Honoured, BackendError> {
        let another = HeaderValue::from_static(ANOTHER);
        let creates = self.put(Some((IF_NONE_MATCH, HeaderValue::from_static("*")))).await?.status().is_success()
            && self.refuses(Method::PUT, IF_NONE_MATCH, HeaderValue::from_static("*")).await?;
        let puts = creates && self.refuses(Method::PUT, IF_MATCH, another.clone()).await?;
        // A store that refuses such headers as unknown has no object yet.
        let stored = self.put(None).await?;
        let etag = stored.headers().get(ETAG).and_then(|v| v.to_str().ok()).unwrap_or_default().trim_matches('"');
        let mut copy_source = None;
        for kind in [CopySourceMatch::Standard, CopySourceMatch::Rgw] {
            if self.refuses_another(kind, etag).await? {
                copy_source = Some(kind);
                break;
            }
        }
        let copies = puts && self.refuses_to_copy().await?;
        // Where it is not refused, there is another object then.
        let completions = puts && self.refuses_to_complete().await?;
        let deletions = self.refuses(Method::DELETE, IF_MATCH, another).await?;
        Ok(Honoured { puts, completions, copies, deletions, copy_source })
    }

    async fn put(&self, condition: Option<(HeaderName, HeaderValue)>) -> Result<Response<Body>, BackendError> {
        let mut request = BackendRequest::new(Method::PUT, self.path.clone(), Signer::Gateway)
            .payload(Payload::Bytes(Bytes::from_static(b"condition")));
        request.headers.extend(condition);
        self.backend.call(request).await
    }

    async fn refuses(&self, method: Method, name: HeaderName, value: HeaderValue) -> Result<bool, BackendError> {
        let response = if method == Method::PUT {
            self.put(Some((name, value))).await?
        } else {
            let request = BackendRequest::new(method, self.path.clone(), Signer::Gateway).header(name, value);
            self.backend.call(request).await?
        };
        Ok(response.status() == StatusCode::PRECONDITION_FAILED)
    }

    /// Whether an upload is not completed over the object that is there where there must be none.
    async fn refuses_to_complete(&self) -> Result<bool, BackendError> {
        let request =
            |method, query: String| BackendRequest::new(method, self.path.clone(), Signer::Gateway).query(query);
        let created = self.backend.call(request(Method::POST, "uploads=".into())).await?;
        if !created.status().is_success() {
            return Ok(false);
        }
        let document = collect(created.into_body(), ANSWER).await.map_err(|e| BackendError::Broken(Box::new(e)))?;
        let Some(id) = documents::text(&document, "UploadId") else { return Ok(false) };
        let id = query_value(&id);
        let part = request(Method::PUT, format!("partNumber=1&uploadId={id}"));
        let part = self.backend.call(part.payload(Payload::Bytes(Bytes::from_static(b"condition")))).await?;
        let etag =
            part.headers().get(ETAG).and_then(|v| v.to_str().ok()).unwrap_or_default().trim_matches('"').to_owned();
        let complete = request(Method::POST, format!("uploadId={id}"))
            .header(IF_NONE_MATCH, HeaderValue::from_static("*"))
            .payload(Payload::Bytes(documents::complete_request(std::iter::once((1, etag.as_str()))).into()));
        let answer = completed(self.backend.call(complete).await?).await;
        let refused = answer.is_ok_and(|answer| answer.status() == StatusCode::PRECONDITION_FAILED);
        if refused {
            self.backend.call(request(Method::DELETE, format!("uploadId={id}"))).await?;
        }
        Ok(refused)
    }

    /// Whether an object is not copied over one that is there where there must be none.
    async fn refuses_to_copy(&self) -> Result<bool, BackendError> {
        let source = HeaderValue::try_from(self.path.trim_start_matches('/'));
        let source = source.map_err(|e| BackendError::Invalid(e.to_string()))?;
        let name = HeaderName::from_static("x-amz-copy-source");
        let copy =
            || BackendRequest::new(Method::PUT, self.copy(), Signer::Gateway).header(name.clone(), source.clone());
        Ok(self.backend.call(copy()).await?.status().is_success()
            && self.backend.call(copy().header(IF_NONE_MATCH, HeaderValue::from_static("*"))).await?.status()
                == StatusCode::PRECONDITION_FAILED)
    }

    /// Whether a copy under this condition is refused where another `ETag` is named, and made where the right one is.
    async fn refuses_another(&self, kind: CopySourceMatch, etag: &str) -> Result<bool, BackendError> {
        let copy = |etag: &str| {
            let mut request = BackendRequest::new(Method::PUT, self.copy(), Signer::Gateway);
            let source = HeaderValue::try_from(self.path.trim_start_matches('/'));
            request.headers.insert("x-amz-copy-source", source.map_err(|e| BackendError::Invalid(e.to_string()))?);
            kind.require(&mut request.headers, etag).map_err(|e| BackendError::Invalid(e.to_string()))?;
            Ok::<_, BackendError>(request)
        };
        Ok(self.backend.call(copy(ANOTHER)?).await?.status() == StatusCode::PRECONDITION_FAILED
            && self.backend.call(copy(etag)?).await?.status().is_success())
    }
}
