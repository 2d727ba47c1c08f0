//! Which conditions a backend honours: found out at start, since a store that does not know a condition ignores it.

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::{Backend, BackendError, BackendRequest, Payload, Signer, path};
use crate::body::Body;

/// An `ETag` that no probe object has.
const ANOTHER: &str = "00000000000000000000000000000000";

/// The conditions that a backend honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Honoured {
    /// `If-Match` and `If-None-Match` of a write.
    pub writes: bool,
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
    pub const ALL: Self = Self { writes: true, deletions: true, copy_source: Some(CopySourceMatch::Standard) };

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
        let replaces = creates && self.refuses(Method::PUT, IF_MATCH, another.clone()).await?;
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
        let deletions = self.refuses(Method::DELETE, IF_MATCH, another).await?;
        Ok(Honoured { writes: creates && replaces, deletions, copy_source })
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
