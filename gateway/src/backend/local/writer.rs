//! The one writer of the index: one transaction for as many writes as wait.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use keys::now_ms;
use s3s::S3Error;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::blobs::{BlobId, Blobs, NewBlob, joined};
use super::conditions::Conditions;
use super::failure::{Result, full, internal};
use super::index::{Extent, Index, Version};
use super::kept::Kept;
use super::tags::Tags;
use crate::sqlite;

/// Writes that share one commit at most, so that the first does not wait long for the others.
const BATCH: usize = 128;

/// What the writer task is sent.
pub enum Job {
    /// A write.
    Work(Work),
    /// Finish and say so.
    Close(oneshot::Sender<()>),
}

/// A write, given the open transaction.
pub type Work = Box<dyn for<'t> FnOnce(&'t mut Txn) -> BoxFuture<'t, Done> + Send>;

/// A write that ran in an open transaction.
pub struct Done {
    /// Not: roll its savepoint back.
    pub ok: bool,
    /// The database failed under it: the whole transaction is void, and this is what the others in it are told.
    pub broken: Option<fn() -> S3Error>,
    /// Answers the caller, once the commit is decided.
    pub answer: Box<dyn FnOnce(Option<S3Error>) + Send>,
}

/// A version about to be written.
pub struct Draft {
    /// Bytes.
    pub size: i64,
    /// Without quotes.
    pub etag: String,
    /// Lines of `name:value`.
    pub headers: Vec<u8>,
    /// How many parts; 0 for an object put whole.
    pub parts: i64,
    /// As [`Checksum::to_column`] writes it.
    pub checksum: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Storage class, echoed.
    pub storage_class: String,
    /// Lock, encryption, access list.
    pub kept: Kept,
}

/// What a write left under its key.
pub struct Written {
    /// Of what was written, as S3 shows it: an object that goes into a bucket without versioning, or with suspended one, has none;
    /// a delete marker has one.
    pub version_id: Option<String>,
    /// It is a delete marker.
    pub marker: bool,
    /// Milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// With what the bucket has defaults for.
    pub kept: Kept,
}

/// The open transaction.
pub struct Txn {
    conn: SqliteConnection,
    next_seq: i64,
    /// Blobs that lost their last reference.
    freed: Vec<BlobId>,
    /// Blobs that become part of the index.
    adopted: Vec<NewBlob>,
}

impl Txn {
    /// On a connection, with the first seq that is not in use.
    pub fn new(conn: SqliteConnection, next_seq: i64) -> Self {
        Self { conn, next_seq, freed: Vec::new(), adopted: Vec::new() }
    }

    /// The connection.
    pub fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    /// A fresh seq: greater than every other of versions, uploads and parts.
    pub fn seq(&mut self) -> i64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Gives an owner the bytes of a new blob.
    pub async fn adopt(&mut self, owner: i64, blob: Option<NewBlob>, length: i64) -> Result<()> {
        let Some(blob) = blob else { return Ok(()) };
        let extent = Extent { blob: blob.id(), start: 0, length, part: 0 };
        self.adopted.push(blob);
        self.attach(owner, 0, &extent).await
    }

    /// Gives an owner a slice of a blob: one more reference, no byte moved.
    pub async fn attach(&mut self, owner: i64, n: i64, extent: &Extent) -> Result<()> {
        sqlx::query("INSERT INTO extents (owner, n, part, blob, start, length) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(owner)
            .bind(n)
            .bind(extent.part)
            .bind(extent.blob.0.as_slice())
            .bind(extent.start)
            .bind(extent.length)
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }

    /// Drops the references of an owner.
    pub async fn release(&mut self, owner: i64) -> Result<()> {
        let freed: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT DISTINCT blob FROM extents AS mine WHERE owner = ?1 AND NOT EXISTS
                 (SELECT 1 FROM extents AS other WHERE other.blob = mine.blob AND other.owner <> ?1)",
        )
        .bind(owner)
        .fetch_all(&mut self.conn)
        .await?;
        self.freed.extend(freed.iter().filter_map(|blob| BlobId::parse(blob)));
        sqlx::query("DELETE FROM extents WHERE owner = ?").bind(owner).execute(&mut self.conn).await?;
        Ok(())
    }

    /// Writes a version, whose extents are attached to `seq` already, if the conditions hold. None makes a delete marker.
    pub async fn put_version(
        &mut self,
        seq: i64,
        bucket: &str,
        key: &str,
        conditions: &Conditions,
        draft: Option<Draft>,
    ) -> Result<Written> {
        let row = Index::bucket(&mut self.conn, bucket).await?;
        let current = Index::version(&mut self.conn, bucket, key, None).await?;
        conditions.check_write(current.as_ref())?;
        let modified_ms = now_ms();
        let marker = draft.is_none();
        let mut draft = draft.unwrap_or_else(|| Draft {
            size: 0,
            etag: String::new(),
            headers: Vec::new(),
            parts: 0,
            checksum: None,
            tags: Tags::default(),
            storage_class: String::new(),
            kept: Kept::default(),
        });
        if !marker {
            draft.kept = draft.kept.in_bucket(&row)?;
            draft.kept.lock = draft.kept.lock.or_default(&row, modified_ms)?;
        }
        let kept = draft.kept;
        let version_id = if row.versioning == "Enabled" {
            uuid::Uuid::new_v4().simple().to_string()
        } else {
            if let Some(null) = Index::version(&mut self.conn, bucket, key, Some("null")).await? {
                self.remove_version(&null, false).await?;
            }
            "null".to_owned()
        };
        sqlx::query("UPDATE versions SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1")
            .bind(bucket)
            .bind(key.as_bytes())
            .execute(&mut self.conn)
            .await?;
        sqlx::query(
            "INSERT INTO versions (seq, bucket, key, version_id, latest, marker, size, etag, modified_ms, headers, parts,
                                   checksum, tags, storage_class, acl, encryption, lock_mode, lock_until_ms, legal_hold)
             VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(bucket)
        .bind(key.as_bytes())
        .bind(&version_id)
        .bind(marker)
        .bind(draft.size)
        .bind(draft.etag)
        .bind(modified_ms)
        .bind(draft.headers)
        .bind(draft.parts)
        .bind(draft.checksum)
        .bind(draft.tags.to_column())
        .bind(draft.storage_class)
        .bind(&kept.acl)
        .bind(&kept.encryption)
        .bind(&kept.lock.lock_mode)
        .bind(kept.lock.lock_until_ms)
        .bind(kept.lock.legal_hold)
        .execute(&mut self.conn)
        .await?;
        let shown = if marker { !row.versioning.is_empty() } else { row.versioning == "Enabled" };
        Ok(Written { version_id: shown.then_some(version_id), marker, modified_ms, kept })
    }

    /// Removes one version and its references, unless it is locked. `bypass`: governance does not count. Nothing else removes any.
    pub async fn remove_version(&mut self, version: &Version, bypass: bool) -> Result<()> {
        version.kept.lock.check_removal(bypass, now_ms())?;
        self.release(version.seq).await?;
        sqlx::query("DELETE FROM versions WHERE seq = ?").bind(version.seq).execute(&mut self.conn).await?;
        Ok(())
    }

    /// Runs one write in a savepoint.
    async fn step(&mut self, work: Work) -> Done {
        let (freed, adopted) = (self.freed.len(), self.adopted.len());
        let mut done = match sqlx::query("SAVEPOINT job").execute(&mut self.conn).await {
            Ok(_) => work(self).await,
            // The work is dropped, and with it the way to its caller, which reads that as a failure.
            Err(e) => {
                tracing::error!(error = %e, "a savepoint of the index failed");
                return Done { ok: false, broken: Some(shared_failure), answer: Box::new(|_| ()) };
            }
        };
        if done.broken.is_some() {
            return done;
        }
        let end = if done.ok {
            sqlx::query("RELEASE job").execute(&mut self.conn).await
        } else {
            self.freed.truncate(freed);
            self.adopted.truncate(adopted);
            sqlx::raw_sql("ROLLBACK TO job; RELEASE job").execute(&mut self.conn).await
        };
        if let Err(e) = end {
            tracing::error!(error = %e, "a savepoint of the index failed");
            done.broken = Some(shared_failure);
        }
        done
    }

    /// Folders, then the commit. An error is what every caller of the transaction is told.
    async fn commit(&mut self) -> std::result::Result<(), Uncommitted> {
        let folders: BTreeSet<PathBuf> = self.adopted.iter().map(NewBlob::folder).collect();
        if !folders.is_empty() {
            let synced = spawn_blocking(move || -> io::Result<()> {
                for folder in folders {
                    File::open(folder)?.sync_all()?;
                }
                Ok(())
            });
            if let Err(e) = joined(synced.await) {
                self.roll_back().await;
                tracing::error!(error = %e, "a folder of blobs could not be made durable");
                return Err(Uncommitted { told: shared_failure, known: true });
            }
        }
        match sqlx::query("COMMIT").execute(&mut self.conn).await {
            Ok(_) => Ok(()),
            Err(e) => {
                // A commit that failed on a full disk wrote no commit record. Any other failure may have, so the new blobs
                // stay: whichever way recovery decides, the next start sweeps what the index does not name.
                tracing::error!(error = %e, "the index could not commit");
                let known = sqlite::is_full(&e);
                self.roll_back().await;
                Err(Uncommitted { told: if known { full } else { shared_failure }, known })
            }
        }
    }

    async fn roll_back(&mut self) {
        // Fails where SQLite has rolled back by itself, which is as good.
        if let Err(e) = sqlx::query("ROLLBACK").execute(&mut self.conn).await {
            tracing::debug!(error = %e, "nothing to roll back");
        }
    }
}

/// A transaction that did not become durable.
struct Uncommitted {
    /// What its callers are told.
    told: fn() -> S3Error,
    /// It certainly did not; false: recovery may find it committed.
    known: bool,
}

/// The transaction that a write was part of did not become durable.
pub fn shared_failure() -> S3Error {
    internal("The index of the embedded backend could not be written. Try again.")
}

/// The writer task.
pub async fn write_all(mut txn: Txn, mut queue: mpsc::Receiver<Job>, blobs: Arc<Blobs>, lock: File) {
    let mut closing = None;
    while let Some(job) = queue.recv().await {
        match job {
            Job::Work(first) => closing = write_batch(&mut txn, first, &mut queue, &blobs).await,
            Job::Close(reply) => closing = Some(reply),
        }
        if closing.is_some() {
            break;
        }
    }
    if let Err(e) = txn.conn.close().await {
        tracing::error!(error = %e, "the index did not close cleanly");
    }
    drop(lock);
    if let Some(reply) = closing {
        // Whoever asked may have stopped waiting.
        let _ = reply.send(());
    }
}

/// One transaction of as many writes as wait. Returns a request to close that was met among them.
async fn write_batch(
    txn: &mut Txn,
    first: Work,
    queue: &mut mpsc::Receiver<Job>,
    blobs: &Arc<Blobs>,
) -> Option<oneshot::Sender<()>> {
    if let Err(e) = sqlx::query("BEGIN IMMEDIATE").execute(&mut txn.conn).await {
        tracing::error!(error = %e, "a transaction of the index could not begin");
        return None;
    }
    let mut closing = None;
    let mut answers = Vec::new();
    let mut next = Some(first);
    let mut broken = None;
    while let Some(work) = next.take() {
        let done = txn.step(work).await;
        answers.push(done.answer);
        broken = done.broken;
        if broken.is_some() || answers.len() == BATCH {
            break;
        }
        match queue.try_recv() {
            Ok(Job::Work(work)) => next = Some(work),
            Ok(Job::Close(reply)) => closing = Some(reply),
            Err(_) => {}
        }
    }
    let outcome = if let Some(told) = broken {
        txn.roll_back().await;
        Err(Uncommitted { told, known: true })
    } else {
        txn.commit().await
    };
    let freed = std::mem::take(&mut txn.freed);
    let adopted = std::mem::take(&mut txn.adopted);
    match outcome {
        Ok(()) => {
            adopted.into_iter().for_each(NewBlob::keep);
            for answer in answers {
                answer(None);
            }
            blobs.discard(freed);
        }
        Err(Uncommitted { told, known }) => {
            if known {
                drop(adopted);
            } else {
                adopted.into_iter().for_each(NewBlob::keep);
            }
            for answer in answers {
                answer(Some(told()));
            }
        }
    }
    closing
}
