//! The real object store behind the gateway, as one thing: an async function from an HTTP request to an HTTP response.
//!
//! [`http`] is a remote S3 (`MinIO`, Amazon S3, Ceph RGW, Garage); [`local`] is an in-process S3 service over a data directory.

mod honoured;
pub mod http;
pub mod local;

use std::sync::Arc;
use std::time::Instant;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use bytes::Bytes;

pub use self::honoured::{CopySourceMatch, Honoured};
use crate::body::Body;
use crate::s3::address::tenant;
use crate::server::Client;
use crate::telemetry::{BackendOutcome, Metrics};

/// A request to the backend: the client's own request, edited. It is signed, if at all, by the backend that sends it.
#[derive(Debug)]
pub struct BackendRequest {
    /// The method.
    pub method: Method,
    /// Path-style path, percent-encoded exactly as it goes on the wire: `/`, `/bucket` or `/bucket/key`.
    pub path: String,
    /// Query exactly as it goes on the wire, without the `?`; empty for none. Authentication parameters are never in it.
    pub query: String,
    /// Headers without `host`, `authorization`, `content-length` and transfer coding, all of which the backend sets. `expect` holds a
    /// streamed body back until a remote S3 wants it.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
    /// As whom the request is made, and for whom.
    pub sender: Sender,
}

impl BackendRequest {
    /// A request of our own making: no query, headers or body yet.
    pub fn new(method: Method, path: String, sender: impl Into<Sender>) -> Self {
        let sender = sender.into();
        Self { method, path, query: String::new(), headers: HeaderMap::new(), payload: Payload::Empty, sender }
    }

    /// A request of our own making about the bucket of this identity, or about an object in it.
    pub fn about(method: Method, bucket: &str, key: &str, sender: impl Into<Sender>) -> Self {
        let sender = sender.into();
        Self::new(method, path(&tenant::name_for(bucket, sender.signer.tenant()), key), sender)
    }

    /// `HeadBucket`.
    pub fn head_bucket(bucket: &str, sender: impl Into<Sender>) -> Self {
        Self::about(Method::HEAD, bucket, "", sender)
    }

    /// What further requests about the same object have in common with it.
    pub fn template(&self) -> Template {
        Template { path: self.path.clone(), headers: self.headers.clone(), sender: self.sender.clone() }
    }

    /// The same request once more, with this body.
    #[must_use]
    pub fn again(&self, payload: Payload) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            payload,
            sender: self.sender.clone(),
        }
    }

    /// With this raw query.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    /// With these headers.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With this body. Object bytes get a checksum of the ciphertext on the way, so that a bit flipped there is refused; a
    /// document keeps the client's own checksum headers.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// What several requests about one object have in common.
#[derive(Clone, Debug)]
pub struct Template {
    /// As [`BackendRequest::path`].
    pub path: String,
    /// As [`BackendRequest::headers`].
    pub headers: HeaderMap,
    /// As [`BackendRequest::sender`].
    pub sender: Sender,
}

impl Template {
    /// A request of it, without a body.
    pub fn request(&self, method: Method, query: impl Into<String>) -> BackendRequest {
        BackendRequest::new(method, self.path.clone(), self.sender.clone()).query(query).headers(self.headers.clone())
    }
}

/// The path-style path of a bucket (`key` empty) or an object, percent-encoded as in the canonical URI of `SigV4`.
pub fn path(bucket: &str, key: &str) -> String {
    let bucket = tenant::in_path(bucket);
    if key.is_empty() {
        format!("/{bucket}")
    } else {
        format!("/{bucket}/{}", percent_encoding::utf8_percent_encode(key, PATH))
    }
}

/// Percent-encodes a query value.
pub fn query_value(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, QUERY).to_string()
}

const QUERY: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &percent_encoding::AsciiSet = &QUERY.remove(b'/');

/// The body of a [`BackendRequest`].
#[derive(Debug)]
pub enum Payload {
    /// None.
    Empty,
    /// In memory, so it can be sent again after a failure.
    Bytes(Bytes),
    /// A stream of exactly `length` bytes, sent once. An error from the stream aborts the upstream request.
    Stream {
        /// The bytes.
        body: Body,
        /// How many, declared to the backend before the first.
        length: u64,
    },
}

/// As whom a request to the backend is made, and for whom.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Whose signature it carries.
    pub signer: Signer,
    /// The client whose request brought it about; none where the gateway works on its own account.
    pub client: Option<Client>,
}

impl From<Signer> for Sender {
    fn from(signer: Signer) -> Self {
        Self { signer, client: None }
    }
}

/// As whom a request to the backend is made.
#[derive(Clone, Debug)]
pub enum Signer {
    /// The `[backend]` credential: the system bucket, and clients without a mapping of their own.
    Gateway,
    /// The backend credential of one client.
    Client(Arc<BackendCredential>),
    /// Unsigned: an anonymous client that configuration lets through.
    Anonymous,
}

impl Signer {
    /// The tenant in which the backend looks for a bucket that is named alone; empty for the one without a name.
    pub fn tenant(&self) -> &str {
        match self {
            Self::Client(credential) => &credential.tenant,
            Self::Gateway | Self::Anonymous => "",
        }
    }
}

/// A credential at the backend.
pub struct BackendCredential {
    /// The access key id.
    pub access_key: String,
    /// The secret key, zeroized on drop.
    pub secret_key: zeroize::Zeroizing<String>,
    /// The tenant of its user, where the backend has tenants; else empty.
    pub tenant: String,
}

impl std::fmt::Debug for BackendCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendCredential").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Why the backend gave no answer. An answer that is an S3 error is a response, not one of these.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No connection could be made within the connect timeout and the retries.
    #[error("the backend cannot be reached")]
    Connect(#[source] crate::body::BoxError),
    /// No answer, or no further byte of one, within the configured time.
    #[error("the backend did not answer in time")]
    Timeout,
    /// The connection broke in the middle.
    #[error("the connection to the backend broke")]
    Broken(#[source] crate::body::BoxError),
    /// Our own body stream failed, and the upstream request was aborted: nothing was committed. Downcast to
    /// [`crate::s3::Error`] for the reason.
    #[error("the request body failed")]
    Body(#[source] crate::body::BoxError),
    /// The request cannot be expressed to this backend.
    #[error("the request cannot be sent to the backend: {0}")]
    Invalid(String),
}

/// A real object store.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Sends one request and returns its answer as soon as the headers are there. Dropping the future, or the body of the
    /// response, aborts the request.
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError>;
}

/// A backend whose calls are counted and timed.
pub struct Measured<B> {
    inner: Arc<B>,
    metrics: Arc<Metrics>,
}

impl<B: Backend> Measured<B> {
    /// Around a backend.
    pub fn new(inner: Arc<B>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait::async_trait]
impl<B: Backend> Backend for Measured<B> {
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError> {
        let method = request.method.clone();
        let begun = Instant::now();
        let result = self.inner.call(request).await;
        let outcome = match &result {
            Ok(response) => BackendOutcome::Status(response.status()),
            Err(BackendError::Connect(_)) => BackendOutcome::Connect,
            Err(BackendError::Timeout) => BackendOutcome::Timeout,
            Err(BackendError::Broken(_)) => BackendOutcome::Broken,
            Err(BackendError::Body(_)) => BackendOutcome::Body,
            Err(BackendError::Invalid(_)) => BackendOutcome::Invalid,
        };
        self.metrics.backend_done(&method, outcome, begun.elapsed());
        result
    }
}
