//! The embedded backend: an in-process S3 service over a data directory, on the `s3s` server framework.
//!
//! Bytes are in files ([`blobs`]), everything else in `SQLite` ([`index`]), whose commit is the moment of truth. The operations
//! are one file per subject; [`service`] names them all.

mod blobs;
mod buckets;
mod conditions;
mod copy;
mod delete;
mod digest;
mod failure;
mod index;
mod list;
mod multipart;
mod page;
mod put;
mod read;
mod service;
mod tagging;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod wire;
mod writer;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{HttpRequest, s3_error};
use tokio::task::spawn_blocking;

use self::blobs::{BlobId, Blobs, joined};
use self::index::Index;
use self::wire::Taken;
use super::{Backend, BackendError, BackendRequest, Payload, Signer};
use crate::body::{self, Body};

/// How a [`LocalBackend`] behaves.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// `ETag`s of writes are 16 random bytes in place of an MD5: unique a write, which is all that the gateway needs of
    /// ciphertext, and no CPU spent on it. The default.
    pub cheap_etag: bool,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self { cheap_etag: true }
    }
}

/// Why the embedded backend cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Another process has the directory open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The directory cannot be made, read or written.
    #[error("the data directory cannot be used")]
    Io(#[from] io::Error),
    /// The index cannot be opened.
    #[error("the index of the embedded backend cannot be opened")]
    Database(#[from] sqlx::Error),
    /// The index cannot be brought up to date, or is of a newer version.
    #[error("the index of the embedded backend cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// An S3 service over a data directory.
pub struct LocalBackend {
    service: S3Service,
    store: Arc<Store>,
    sweep: tokio::task::JoinHandle<()>,
}

/// What every operation works on.
pub(crate) struct Store {
    index: Index,
    blobs: Arc<Blobs>,
    options: LocalOptions,
}

impl LocalBackend {
    /// Opens the directory, making it with mode 0700 at first. Temporary files of a crash are gone when this returns; blobs
    /// that no commit names are swept in the background.
    pub async fn open(dir: &Path, options: LocalOptions) -> Result<Self, LocalError> {
        let root = dir.to_owned();
        let prepared = spawn_blocking(move || {
            let lock = lock(&root)?;
            Ok::<_, LocalError>((lock, Blobs::open(&root)?))
        });
        let (lock, blobs) = prepared.await.map_err(io::Error::other)??;
        let blobs = Arc::new(blobs);
        let index = Index::open(dir, Arc::clone(&blobs), lock).await?;
        let store = Arc::new(Store { index, blobs, options });
        let mut builder = S3ServiceBuilder::new(service::Service(Arc::clone(&store)));
        builder.set_validation(BucketNames);
        Ok(Self { service: builder.build(), sweep: tokio::spawn(sweep(Arc::clone(&store))), store })
    }

    /// Finishes the writes that wait and gives the directory back. Requests after this fail.
    pub async fn close(&self) {
        self.sweep.abort();
        self.store.index.close().await;
    }
}

impl Drop for LocalBackend {
    fn drop(&mut self) {
        self.sweep.abort();
    }
}

#[async_trait::async_trait]
impl Backend for LocalBackend {
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError> {
        let BackendRequest { method, path, query, mut headers, payload, signer } = request;
        let head = method == Method::HEAD;
        if matches!(signer, Signer::Anonymous) {
            // Every bucket here is private.
            let denied = s3_error!(AccessDenied, "Access Denied").to_http_response();
            let denied = denied.map_err(|e| BackendError::Broken(Box::new(e)))?;
            return Ok(answer(denied, head));
        }
        let uri: Uri = if query.is_empty() { path } else { format!("{path}?{query}") }
            .parse()
            .map_err(|e| BackendError::Invalid(format!("not a path and query: {e}")))?;
        let taken = Taken::off(&mut headers);
        let mut fault = None;
        let (body, length) = match payload {
            Payload::Empty => (s3s::Body::empty(), 0),
            Payload::Bytes(bytes) => {
                let length = bytes.len() as u64;
                (s3s::Body::from(bytes), length)
            }
            Payload::Stream { body, length } => {
                let (guarded, watched) = taken.guard(body, length);
                fault = Some(watched);
                (s3s::Body::http_body_unsync(guarded), length)
            }
        };
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let mut request = HttpRequest::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(taken);
        let response = self.service.call(request).await;
        if let Some(cause) = fault.and_then(|fault| fault.take()) {
            return Err(BackendError::Body(cause));
        }
        let response = response.map_err(|e| BackendError::Broken(e.into()))?;
        Ok(answer(response, head))
    }
}

/// As it would come over a wire.
fn answer(response: s3s::HttpResponse, head: bool) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if head {
        if parts.headers.contains_key(header::CONTENT_RANGE) && parts.status == StatusCode::OK {
            parts.status = StatusCode::PARTIAL_CONTENT;
        }
        return Response::from_parts(parts, body::empty());
    }
    if let Some(length) = body.size_hint().exact()
        && parts.status != StatusCode::NO_CONTENT
        && parts.status != StatusCode::NOT_MODIFIED
    {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    let body = if parts.status == StatusCode::NOT_MODIFIED { body::empty() } else { body.boxed_unsync() };
    Response::from_parts(parts, body)
}

/// Bucket names of the old rules (docs.aws.amazon.com, "Bucket naming rules", the classic ones of `us-east-1`): 3 to 255
/// letters, digits, `.`, `-` and `_`. The gateway's own system bucket is among them.
struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        (3..=255).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    }
}

/// Makes the directory and takes it for this process.
fn lock(dir: &Path) -> Result<File, LocalError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    if let Some(parent) = dir.canonicalize()?.parent() {
        File::open(parent)?.sync_all()?;
    }
    let file = File::options().create(true).append(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LocalError::InUse(dir.to_owned())),
        Err(fs::TryLockError::Error(e)) => Err(e.into()),
    }
}

/// Removes the blobs that no commit names: a crash came between the rename and the commit, or between a commit and an unlink.
async fn sweep(store: Arc<Store>) {
    if let Err(e) = try_sweep(&store).await {
        tracing::warn!(error = ?e, "the sweep for orphaned blobs ended early; the next start sweeps again");
    }
}

async fn try_sweep(store: &Arc<Store>) -> failure::Result<()> {
    let blobs = Arc::clone(&store.blobs);
    let shelves = joined(spawn_blocking(move || blobs.shelves()).await)?;
    let mut removed = 0_u64;
    for shelf in shelves {
        let listed = spawn_blocking(move || -> io::Result<Vec<_>> {
            fs::read_dir(shelf)?.map(|entry| Ok(entry?.path())).collect()
        });
        for path in joined(listed.await)? {
            let id = path
                .file_name()
                .and_then(|name| hex::decode(name.as_encoded_bytes()).ok())
                .and_then(|name| BlobId::parse(&name));
            let Some(id) = id else {
                tracing::warn!(path = %path.display(), "not a blob; left alone");
                continue;
            };
            // In this order: a blob that is not fresh any more is in the index by now, if it ever will be.
            if store.blobs.in_use(id) || store.index.references(id).await? {
                continue;
            }
            store.blobs.discard(vec![id]);
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(removed, "orphaned blobs of an earlier run were removed");
    }
    Ok(())
}
