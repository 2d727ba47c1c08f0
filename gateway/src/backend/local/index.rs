//! The index: `SQLite` in WAL mode with `synchronous=FULL`. Its commit is the moment of truth.
//!
//! Reads go over a pool of read-only connections. Writes go to one task, which takes whatever is waiting — each a savepoint —
//! into one transaction, fsyncs the folders of their new blobs, commits, and only then answers. So concurrent writers share an
//! fsync, and a condition is decided in the transaction that acts on it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use s3s::{S3Error, S3Result, s3_error};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::LocalError;
use super::blobs::{BlobId, Blobs};
use super::digest::Checksum;
use super::failure::{Failure, Result, full, internal, is_full};
use super::kept::Kept;
use super::reserve::Reserve;
use super::writer::{Done, Job, Txn, Work, shared_failure, write_all};
use crate::sqlite;

/// In the data directory.
pub const FILE: &str = "index.db";
/// Read-only connections.
const READERS: u32 = 8;
/// Writes that may wait; more wait in their callers.
const QUEUE: usize = 256;

/// The index.
pub struct Index {
    readers: SqlitePool,
    reserve: Arc<Reserve>,
    jobs: mpsc::Sender<Job>,
}

impl Index {
    /// Opens, or makes, the index in `dir`. `lock` is given back when the index closes.
    pub async fn open(
        dir: &Path,
        reserve: Arc<Reserve>,
        blobs: Arc<Blobs>,
        lock: File,
    ) -> std::result::Result<Self, LocalError> {
        let path = dir.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // No temporary file, for which a full disk has no room.
            .pragma("temp_store", "MEMORY")
            .busy_timeout(std::time::Duration::from_secs(10));
        let (mut conn, readers) = connect(options).await.map_err(|e| LocalError::of_index(&path, e))?;
        let next_seq: i64 = sqlx::query_scalar(
            "SELECT 1 + max((SELECT coalesce(max(seq), 0) FROM versions), (SELECT coalesce(max(seq), 0) FROM parts),
                            (SELECT coalesce(max(seq), 0) FROM uploads))",
        )
        .fetch_one(&mut conn)
        .await?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(Txn::new(conn, next_seq), queue, blobs, lock));
        Ok(Self { readers, reserve, jobs })
    }

    /// For reads. A query sees one snapshot.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Runs a write and returns when it is durable, or rolled back. Once queued it runs even if the caller goes away.
    pub async fn write<T, F>(&self, work: F) -> S3Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Txn) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.reserve.keep().await.map_err(Failure::from)?;
        self.queue(work).await
    }

    /// The same for a write that frees space: on a full disk it runs again in the [`Reserve`].
    pub async fn free<T, F>(&self, work: F) -> S3Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Txn) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        match self.queue(work.clone()).await {
            Err(e) if is_full(&e) => {}
            done => return done,
        }
        let _room = self.reserve.give_up().await.map_err(Failure::from)?;
        self.queue(work).await
    }

    async fn queue<T, F>(&self, work: F) -> S3Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Txn) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |txn| {
            Box::pin(async move {
                let result = work(txn).await;
                Done {
                    ok: result.is_ok(),
                    broken: match &result {
                        Err(Failure::Db(e)) if sqlite::is_full(e) => Some(full),
                        Err(Failure::Db(_) | Failure::Io(_)) => Some(shared_failure),
                        Ok(_) | Err(Failure::S3(_)) => None,
                    },
                    answer: Box::new(move |failed| {
                        let result = match (result, failed) {
                            (Ok(_), Some(e)) => Err(e),
                            (result, _) => result.map_err(S3Error::from),
                        };
                        // A caller that has gone away needs no answer.
                        drop(reply.send(result));
                    }),
                }
            })
        });
        let closed = || internal("The embedded backend is shutting down, or its index cannot be written.");
        self.jobs.send(Job::Work(work)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Finishes the writes that wait, closes every connection and gives the lock back.
    pub async fn close(&self) {
        self.readers.close().await;
        let (reply, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_ok() {
            // An error means that the writer has ended, which is what was asked for.
            drop(closed.await);
        }
    }

    /// The latest version of a key, or the one with this id. A delete marker counts.
    pub async fn version<'c, E>(
        executor: E,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Version>>
    where
        E: sqlx::SqliteExecutor<'c>,
    {
        let query = match version_id {
            None => sqlx::query_as("SELECT * FROM versions WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1")
                .bind(bucket)
                .bind(key.as_bytes()),
            Some(id) => sqlx::query_as("SELECT * FROM versions WHERE bucket = ? AND key = ? AND version_id = ?")
                .bind(bucket)
                .bind(key.as_bytes())
                .bind(id),
        };
        Ok(query.fetch_optional(executor).await?)
    }

    /// A bucket, or `NoSuchBucket`.
    pub async fn bucket<'c, E>(executor: E, name: &str) -> Result<BucketRow>
    where
        E: sqlx::SqliteExecutor<'c>,
    {
        sqlx::query_as(
            "SELECT name, region, versioning, tags, object_lock, encryption, ownership, access_block, acl
             FROM buckets WHERE name = ?",
        )
        .bind(name)
        .fetch_optional(executor)
        .await?
        .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist").into())
    }

    /// The bytes of a version or part, in order.
    pub async fn extents<'c, E>(executor: E, owner: i64) -> Result<Vec<Extent>>
    where
        E: sqlx::SqliteExecutor<'c>,
    {
        let rows: Vec<(Vec<u8>, i64, i64, i64)> =
            sqlx::query_as("SELECT blob, start, length, part FROM extents WHERE owner = ? ORDER BY n")
                .bind(owner)
                .fetch_all(executor)
                .await?;
        rows.into_iter()
            .map(|(blob, start, length, part)| {
                let blob = BlobId::parse(&blob).ok_or_else(|| sqlx::Error::Decode("a blob id is 16 bytes".into()))?;
                Ok(Extent { blob, start, length, part })
            })
            .collect()
    }

    /// Does the file hold together? Reads all of it.
    pub async fn check(&self) -> Result<bool> {
        let said: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&self.readers).await?;
        Ok(said == "ok")
    }

    /// True while a version or part has bytes in the blob.
    pub async fn references(&self, blob: BlobId) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM extents WHERE blob = ?)")
            .bind(blob.0.as_slice())
            .fetch_one(&self.readers)
            .await?)
    }
}

async fn connect(
    options: SqliteConnectOptions,
) -> std::result::Result<(SqliteConnection, SqlitePool), sqlx::migrate::MigrateError> {
    let mut conn = options.clone().connect().await?;
    sqlx::migrate!("src/backend/local/migrations").run(&mut conn).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        // A file does not hang up.
        .test_before_acquire(false)
        .connect_with(options.read_only(true))
        .await?;
    Ok((conn, readers))
}

/// A row of `buckets`, without the documents that no write asks for.
#[derive(sqlx::FromRow)]
pub struct BucketRow {
    /// Name.
    pub name: String,
    /// `LocationConstraint` as it was given, empty for none.
    pub region: String,
    /// Empty, `Enabled` or `Suspended`.
    pub versioning: String,
    /// As [`Tags`] writes them.
    pub tags: Option<String>,
    /// Its `ObjectLockConfiguration`; none: it has no Object Lock.
    pub object_lock: Option<String>,
    /// Its `ServerSideEncryptionConfiguration`, which can say nothing but `AES256`.
    pub encryption: Option<String>,
    /// Its `OwnershipControls`.
    pub ownership: Option<String>,
    /// Its `PublicAccessBlockConfiguration`.
    pub access_block: Option<String>,
    /// Its access list.
    pub acl: Option<String>,
}

/// A row of `versions`; the schema says what the columns are.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, clippy::struct_field_names, reason = "columns, documented in the schema")]
pub struct Version {
    pub seq: i64,
    pub key: Vec<u8>,
    pub version_id: String,
    pub latest: bool,
    pub marker: bool,
    pub size: i64,
    pub etag: String,
    pub modified_ms: i64,
    pub headers: Vec<u8>,
    pub parts: i64,
    pub checksum: Option<String>,
    pub tags: Option<String>,
    pub storage_class: String,
    #[sqlx(flatten)]
    pub kept: Kept,
}

impl Version {
    /// The checksum that is kept with it.
    pub fn checksum(&self) -> Option<Checksum> {
        self.checksum.as_deref().and_then(Checksum::from_column)
    }
}

/// A slice of a blob.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Which blob.
    pub blob: BlobId,
    /// First byte.
    pub start: i64,
    /// Bytes.
    pub length: i64,
    /// Part number; 0 in an object that was put whole.
    pub part: i64,
}
