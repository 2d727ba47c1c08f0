//! The embedded backend: an in-process S3 service over a data directory, on the `s3s` server framework.
//!
//! Bytes are in files ([`blobs`]), everything else in `SQLite` ([`index`]), whose commit is the moment of truth. The operations
//! are one file per subject; [`service`] names them all.
//!
//! What survives a power cut, and why:
//!
//! | Step of a PUT or a part | Durable by |
//! |---|---|
//! | folders `data_dir`, `objects`, `blobs`, `blobs/ab`, `blobs/ab/cd` | fsync of the folder that each is in, before its first use |
//! | bytes in `tmp/…` | fsync of the file, before the rename |
//! | its name in `blobs/ab/cd` | fsync of that folder, in [`writer`], before the commit |
//! | row and extents in the index | the commit: `synchronous=FULL` fsyncs the log, and with the first commit the folder it is in |
//! | the answer | after the commit |
//!
//! Complete and copy move and add rows that name durable blobs, so the commit is their one step. A delete, or a write that replaces
//! something, unlinks after its commit. The unlink need not be durable: a blob that no row names is swept at the next start. So is
//! one whose commit a power cut took.

pub mod acl;
mod blobs;
mod buckets;
mod conditions;
mod configuration;
mod copy;
mod cors;
mod delete;
mod digest;
mod documents;
pub mod encryption;
mod failure;
mod index;
mod kept;
mod lifecycle;
mod list;
pub mod lock;
mod multipart;
mod page;
mod put;
mod read;
mod reserve;
mod service;
mod tagging;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod wire;
mod writer;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use keys::now_ms;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{HttpRequest, S3Error, s3_error};
use sqlx::migrate::MigrateError;
use tokio::task::spawn_blocking;

use self::blobs::{BlobId, Blobs, joined};
use self::cors::Asked;
use self::index::{FILE, Index};
use self::reserve::Reserve;
use self::wire::Taken;
use super::{Backend, BackendError, BackendRequest, Payload, Signer};
use crate::body::{self, Body};
use crate::sqlite;

/// How often it is looked whether the reserve is there.
const KEEP_EVERY: Duration = Duration::from_mins(1);
/// How often lifecycle rules are applied. They count in days.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

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
    /// There are blobs and no index that names them. Nothing is swept.
    #[error(
        "{} is missing or empty, but there are objects in {}: without the index they cannot be read. Restore the whole folder from \
         a backup, or move it away to begin anew",
        .0.display(),
        .0.with_file_name("blobs").display()
    )]
    IndexLost(PathBuf),
    /// The index is damaged, or something else.
    #[error("{} is damaged or no database; restore the whole folder that it is in from a backup", .0.display())]
    IndexDamaged(PathBuf, #[source] MigrateError),
    /// The index cannot be read or written.
    #[error("the index of the embedded backend cannot be opened")]
    Database(#[from] sqlx::Error),
    /// The index cannot be brought up to date, or is of a newer version.
    #[error("the index of the embedded backend cannot be migrated")]
    Migrate(#[from] MigrateError),
}

impl LocalError {
    fn of_index(path: &Path, e: MigrateError) -> Self {
        match e {
            MigrateError::Execute(ref cause) | MigrateError::ExecuteMigration(ref cause, _)
                if sqlite::is_damaged(cause) =>
            {
                Self::IndexDamaged(path.to_owned(), e)
            }
            MigrateError::Execute(e) => Self::Database(e),
            e => Self::Migrate(e),
        }
    }
}

/// An S3 service over a data directory.
pub struct LocalBackend {
    service: S3Service,
    store: Arc<Store>,
    upkeep: tokio::task::JoinHandle<()>,
}

/// What every operation works on.
pub(crate) struct Store {
    index: Index,
    blobs: Arc<Blobs>,
    reserve: Arc<Reserve>,
    options: LocalOptions,
}

impl LocalBackend {
    /// Opens the directory, making it with mode 0700 at first. Temporary files of a crash are gone when this returns; blobs
    /// that no commit names are swept in the background.
    pub async fn open(dir: &Path, options: LocalOptions) -> Result<Self, LocalError> {
        let root = dir.to_owned();
        let prepared = spawn_blocking(move || {
            let lock = lock(&root)?;
            let reserve = Arc::new(Reserve::open(&root)?);
            let blobs = Blobs::open(&root, Arc::clone(&reserve))?;
            index_file(&root, &blobs)?;
            Ok::<_, LocalError>((lock, reserve, blobs))
        });
        let (lock, reserve, blobs) = prepared.await.map_err(io::Error::other)??;
        let blobs = Arc::new(blobs);
        let index = Index::open(dir, Arc::clone(&reserve), Arc::clone(&blobs), lock).await?;
        let store = Arc::new(Store { index, blobs, reserve, options });
        let mut builder = S3ServiceBuilder::new(service::Service(Arc::clone(&store)));
        builder.set_validation(BucketNames);
        Ok(Self { service: builder.build(), upkeep: tokio::spawn(upkeep(Arc::clone(&store))), store })
    }

    /// Finishes the writes that wait and gives the directory back. Requests after this fail.
    pub async fn close(&self) {
        self.upkeep.abort();
        self.store.index.close().await;
    }
}

impl Drop for LocalBackend {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

#[async_trait::async_trait]
impl Backend for LocalBackend {
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError> {
        let BackendRequest { method, path, query, mut headers, payload, sender } = request;
        let head = method == Method::HEAD;
        if method == Method::OPTIONS {
            return match self.store.preflight(&path, &headers).await {
                Ok(response) => Ok(response),
                Err(e) => error(e, head),
            };
        }
        if matches!(sender.signer, Signer::Anonymous) {
            // Every bucket here is private.
            return error(s3_error!(AccessDenied, "Access Denied"), head);
        }
        let shared = match Asked::of(&headers) {
            Some(asked) => self.store.shared_with(&path, &method, &asked).await,
            None => HeaderMap::new(),
        };
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
        let mut response = response.map_err(|e| BackendError::Broken(e.into()))?;
        response.headers_mut().extend(shared);
        Ok(answer(response, head))
    }
}

fn error(e: S3Error, head: bool) -> Result<Response<Body>, BackendError> {
    let response = e.to_http_response().map_err(|e| BackendError::Broken(Box::new(e)))?;
    Ok(answer(response, head))
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
    sqlite::make_folder(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    // Should an earlier process have made it and ended before this.
    if let Some(parent) = dir.canonicalize()?.parent() {
        File::open(parent)?.sync_all()?;
    }
    let file = File::options().create(true).append(true).mode(0o600).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LocalError::InUse(dir.to_owned())),
        Err(fs::TryLockError::Error(e)) => Err(e.into()),
    }
}

/// Makes the file of the index, unless there are blobs already: an empty index would have them all swept. The modes are for
/// files that an earlier release made.
fn index_file(dir: &Path, blobs: &Blobs) -> Result<(), LocalError> {
    let path = dir.join(FILE);
    if fs::metadata(&path).map_or(true, |file| file.len() == 0) && !blobs.is_empty()? {
        return Err(LocalError::IndexLost(path));
    }
    sqlite::make_file(&path)?;
    for name in ["lock", FILE, "index.db-wal", "index.db-shm"] {
        match fs::set_permissions(dir.join(name), Permissions::from_mode(0o600)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The sweep at the start, then now and then the reserve, should no write have made it again, and the lifecycle rules.
async fn upkeep(store: Arc<Store>) {
    if let Err(e) = sweep(&store).await {
        tracing::warn!(error = ?e, "the sweep for orphaned blobs ended early; the next start sweeps again");
    }
    let mut expired = None::<Instant>;
    loop {
        if expired.is_none_or(|at| at.elapsed() >= EXPIRE_EVERY) {
            expired = Some(Instant::now());
            if let Err(e) = store.expire(now_ms()).await {
                tracing::warn!(error = %e, "lifecycle rules could not all be applied; they are again in an hour");
            }
        }
        tokio::time::sleep(KEEP_EVERY).await;
        if let Err(e) = store.reserve.keep().await {
            tracing::warn!(error = %e, "the room for deletes on a full disk could not be put aside; writes are refused until it can");
        }
    }
}

/// Removes the blobs that no commit names: a crash came between the rename and the commit, or between a commit and an unlink.
async fn sweep(store: &Arc<Store>) -> failure::Result<()> {
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
            // What a damaged index does not name may well be an object.
            if removed == 0 && !store.index.check().await? {
                tracing::error!(
                    "the index is damaged, so no blob is removed; restore the data directory from a backup"
                );
                return Ok(());
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
