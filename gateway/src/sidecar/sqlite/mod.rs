//! The sidecar in one `SQLite` file, for one gateway process.
//!
//! Write-ahead log with `synchronous=FULL`: a commit is one fsync of the log. One task writes ([`writer`]), in groups; a
//! small pool of connections reads. Records that nobody waits for are kept back a moment, so that many share a commit; whoever
//! reads has them written first.

mod change;
mod group;
mod row;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use keys::{Oid, object::Facts};
use scrub::act::Tag;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::change::{Change, Rare};
use self::group::Counters;
use self::writer::{Write, Writer};
use super::{
    Claim, Completion, Intent, IntentId, LineageEdge, Listed, ObjectAt, ObjectRecord, PartAttempt, Sidecar,
    SidecarError, TokenRow, UploadRecord,
};
use crate::sqlite;

static MIGRATIONS: Migrator = sqlx::migrate!("src/sidecar/migrations");

/// How long a connection waits for another process's lock, and a reader for a free connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The log is cut back to this many bytes after a checkpoint.
const LOG_LIMIT: &str = "67108864";

/// Where the file is and how much may wait.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file; made with mode 0600 where there is none, its folders with mode 0700.
    pub path: PathBuf,
    /// Most writes in one transaction.
    pub max_batch: usize,
    /// Most writes that wait for the writer; callers beyond it wait to queue.
    pub queue: usize,
    /// Connections that read.
    pub readers: u32,
    /// How long a commit waits for others to join it, where one was made less than that ago.
    pub gather: Duration,
    /// How long a record that nobody waits for is kept back, at most.
    pub linger: Duration,
}

impl SqliteOptions {
    /// 256 writes a transaction, 1,024 queued, 4 readers, 1 ms for a commit to gather, records kept back for 25 ms.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_batch: 256,
            queue: 1024,
            readers: 4,
            gather: Duration::from_millis(1),
            linger: Duration::from_millis(25),
        }
    }

    /// `sqlite://data/sidecar.db` is relative to the working directory, `sqlite:///var/lib/sidecar.db` absolute. Fails with
    /// [`SidecarError::Url`] on anything else.
    pub fn from_url(url: &str) -> Result<Self, SidecarError> {
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains(['?', '#', '\0']) => Ok(Self::new(path)),
            _ => Err(SidecarError::Url(url.to_owned())),
        }
    }
}

/// The metadata database in a `SQLite` file.
pub struct SqliteSidecar {
    path: PathBuf,
    identity: FileIdentity,
    writes: mpsc::Sender<Write>,
    readers: SqlitePool,
    commits: Arc<AtomicU64>,
    /// Records that nobody waits for and that are not in the file yet.
    kept_back: Arc<AtomicUsize>,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl SqliteSidecar {
    /// Opens the file, or makes it, and brings its schema up to date. Fails with [`SidecarError::File`],
    /// [`SidecarError::NotADatabase`], [`SidecarError::NewerSchema`], [`SidecarError::Migrate`] or
    /// [`SidecarError::Database`].
    pub async fn open(options: SqliteOptions) -> Result<Self, SidecarError> {
        let wanted = options.path.clone();
        let (path, identity): (_, FileIdentity) = tokio::task::spawn_blocking(move || {
            let (path, file) = sqlite::make_file(&wanted)?;
            Ok((path, file.metadata()?.into()))
        })
        .await
        .unwrap_or_else(|e| Err(io::Error::other(e)))
        .map_err(|source| SidecarError::File { path: options.path.clone(), source })?;

        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("journal_size_limit", LOG_LIMIT)
            .disable_statement_logging();
        let mut db = connect_and_migrate(&connect).await.map_err(|e| e.of(&path))?;
        group::prepare(&mut db).await?;
        let counters = Counters::of(&mut db).await?;
        let readers = open_readers(connect, options.readers.max(1)).await?;

        let (writes, queue) = mpsc::channel(options.queue.max(1));
        let commits = Arc::new(AtomicU64::new(0));
        let kept_back = Arc::new(AtomicUsize::new(0));
        let closing = CancellationToken::new();
        let closed = CancellationToken::new();
        let task = Writer {
            db,
            counters,
            queue,
            max_batch: options.max_batch.max(1),
            gather: options.gather,
            linger: options.linger,
            commits: Arc::clone(&commits),
            kept_back: Arc::clone(&kept_back),
            closing: closing.clone(),
            closed: closed.clone(),
        };
        tokio::spawn(task.run());
        Ok(Self { path, identity, writes, readers, commits, kept_back, closing, closed })
    }

    /// Transactions committed since it was opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Takes no more writes, commits and answers those that are queued, and closes every connection. May be called again.
    pub async fn close(&self) {
        self.closing.cancel();
        self.closed.cancelled().await;
        self.readers.close().await;
    }

    /// Drops every lease, at the start of the one process that takes any: whoever had them is gone.
    pub async fn drop_leases(&self) -> Result<(), SidecarError> {
        self.write(Change::Rare(Rare::DropLeases)).await?;
        Ok(())
    }

    /// Queues a change and waits until it is durable.
    async fn write(&self, change: Change) -> Result<i64, SidecarError> {
        let (caller, outcome) = oneshot::channel();
        self.writes.send((change, Some(caller))).await.map_err(|_| SidecarError::Closed)?;
        outcome.await.map_err(|_| SidecarError::Closed)?
    }

    /// The connections that read, once what is kept back is in the file.
    async fn readers(&self) -> &SqlitePool {
        // Where it cannot be written the writer says so; then a reader finds what is there.
        if self.kept_back.load(Ordering::Acquire) > 0 && self.write(Change::Nothing).await.is_err() {
            tracing::debug!("the sidecar is read without the records that could not be written");
        }
        &self.readers
    }
}

/// Device and inode: a file deleted or replaced under an open database has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity(u64, u64);

impl From<std::fs::Metadata> for FileIdentity {
    fn from(metadata: std::fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// Why a file could not be opened as a sidecar.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Connect(#[from] sqlx::Error),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
}

impl OpenError {
    fn of(self, path: &Path) -> SidecarError {
        let path = path.to_owned();
        match self {
            Self::Migrate(MigrateError::VersionMissing(version)) => SidecarError::NewerSchema { path, version },
            Self::Connect(e) | Self::Migrate(MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _))
                if sqlite::is_damaged(&e) =>
            {
                SidecarError::NotADatabase { path, source: Arc::new(e) }
            }
            Self::Connect(e) => e.into(),
            Self::Migrate(e) => e.into(),
        }
    }
}

async fn connect_and_migrate(connect: &SqliteConnectOptions) -> Result<SqliteConnection, OpenError> {
    let mut db = connect.connect().await?;
    MIGRATIONS.run(&mut db).await?;
    Ok(db)
}

/// All connections are made now and kept: one made later would look for the file by name, and that may be gone.
async fn open_readers(connect: SqliteConnectOptions, readers: u32) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new()
        .min_connections(readers)
        .max_connections(readers)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // A page of a listing comes without waiting for the reader of its rows.
        .connect_with(connect.pragma("query_only", "1").row_buffer_size(1024))
        .await?;
    let mut all = Vec::with_capacity(readers as usize);
    for _ in 0..readers {
        all.push(pool.acquire().await?);
    }
    drop(all);
    Ok(pool)
}

#[async_trait::async_trait]
impl Sidecar for SqliteSidecar {
    async fn begin(&self, intent: Intent) -> Result<IntentId, SidecarError> {
        self.write(Change::Begin(intent)).await.map(IntentId)
    }

    async fn record(
        &self,
        intent: Option<IntentId>,
        record: ObjectRecord,
        lineage: Vec<LineageEdge>,
    ) -> Result<(), SidecarError> {
        let record = Arc::new(record);
        self.write(Change::Record { intent, record, lineage }).await?;
        Ok(())
    }

    async fn record_later(&self, intent: IntentId, record: Arc<ObjectRecord>) -> Result<(), SidecarError> {
        let change = Change::Record { intent: Some(intent), record, lineage: Vec::new() };
        let slot = self.writes.reserve().await.map_err(|_| SidecarError::Closed)?;
        self.kept_back.fetch_add(1, Ordering::Release);
        slot.send((change, None));
        Ok(())
    }

    async fn abandon(&self, intent: IntentId) -> Result<(), SidecarError> {
        self.write(Change::Abandon(intent)).await?;
        Ok(())
    }

    async fn stale_intents(&self, before_ms: i64, limit: u32) -> Result<Vec<(IntentId, Intent)>, SidecarError> {
        sqlx::query("SELECT * FROM intents WHERE started_at_ms < ? ORDER BY started_at_ms, id LIMIT ?")
            .bind(before_ms)
            .bind(limit)
            .fetch_all(self.readers().await)
            .await?
            .iter()
            .map(|found| Ok((IntentId(row::column(found, "id")?), row::intent(found)?)))
            .collect()
    }

    async fn object(&self, at: &ObjectAt) -> Result<Option<ObjectRecord>, SidecarError> {
        // The null version is recorded under no version id while its bucket is unversioned, under `null` after.
        sqlx::query(
            "SELECT * FROM objects WHERE bucket = ?1 AND key = ?2 AND version_id = (SELECT version_id FROM objects \
             WHERE bucket = ?1 AND key = ?2 AND (?3 = '' OR version_id = ?3 OR (?3 = 'null' AND version_id = '')) \
             ORDER BY seq DESC LIMIT 1)",
        )
        .bind(&at.bucket)
        .bind(&at.key)
        .bind(row::version_column(at.version_id.as_deref()))
        .fetch_optional(self.readers().await)
        .await?
        .as_ref()
        .map(row::object)
        .transpose()
    }

    async fn listed(&self, bucket: &str, rows: &[Listed<'_>]) -> Result<Vec<Option<Facts>>, SidecarError> {
        let mut answers = vec![None; rows.len()];
        if rows.is_empty() {
            return Ok(answers);
        }
        let asked = json(rows.iter().map(|row| (row.key, row.version_id, row.backend_etag)))?;
        // All answers in one row, since each row and each column of one has its price.
        let found = sqlx::query(
            "WITH asked (position, key, version_id, backend_etag) AS MATERIALIZED \
             (SELECT key, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2)) \
             SELECT group_concat(position) AS positions, CAST(group_concat(facts, '') AS BLOB) AS facts FROM ( \
             SELECT position, facts FROM asked CROSS JOIN objects AS o \
             ON o.bucket = ?1 AND o.key = asked.key AND o.version_id = '' AND o.backend_etag = asked.backend_etag \
             WHERE asked.version_id IS NULL OR asked.version_id = 'null' \
             UNION ALL \
             SELECT position, facts FROM asked CROSS JOIN objects AS o INDEXED BY objects_by_backend_etag \
             ON o.bucket = ?1 AND o.key = asked.key AND o.version_id <> '' AND o.backend_etag = asked.backend_etag \
             WHERE asked.version_id IS NULL OR o.version_id = asked.version_id)",
        )
        .bind(bucket)
        .bind(asked)
        .fetch_one(self.readers().await)
        .await?;
        for (position, facts) in row::positions_and_facts(&found)? {
            let slot =
                answers.get_mut(position).ok_or_else(|| SidecarError::Damaged(format!("position: {position}")))?;
            match Facts::decode(facts) {
                Ok(facts) => *slot = Some(facts),
                // As if there were none: one bad row must not fail the page, and reading the object replaces it.
                Err(e) => tracing::warn!(error = %e, bucket, "a sidecar row is left out of a listing"),
            }
        }
        Ok(answers)
    }

    async fn lengths(&self, bucket: &str, limit: u32) -> Result<Vec<u64>, SidecarError> {
        // One row for all, as in a listing. The facts begin with the length.
        let found = sqlx::query(
            "SELECT CAST(group_concat(length, '') AS BLOB) AS lengths FROM \
             (SELECT substr(facts, 1, 8) AS length FROM objects WHERE bucket = ? LIMIT ?)",
        )
        .bind(bucket)
        .bind(limit)
        .fetch_one(self.readers().await)
        .await?;
        row::lengths(&found)
    }

    async fn with_oid(&self, bucket: &str, oid: Oid, limit: u32) -> Result<Vec<ObjectAt>, SidecarError> {
        sqlx::query("SELECT bucket, key, version_id FROM objects WHERE bucket = ? AND oid = ? LIMIT ?")
            .bind(bucket)
            .bind(oid.0.as_slice())
            .bind(limit)
            .fetch_all(self.readers().await)
            .await?
            .iter()
            .map(row::name)
            .collect()
    }

    async fn is_under_way(&self, oid: Oid) -> Result<bool, SidecarError> {
        let found = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM intents WHERE oid = ?1) OR EXISTS (SELECT 1 FROM uploads WHERE oid = ?1) \
             OR EXISTS (SELECT 1 FROM part_attempts WHERE oid = ?1) AS under_way",
        )
        .bind(oid.0.as_slice())
        .fetch_one(self.readers().await)
        .await?;
        row::column(&found, "under_way")
    }

    async fn forget(&self, at: &ObjectAt) -> Result<(), SidecarError> {
        self.forget_all(vec![at.clone()]).await
    }

    async fn forget_all(&self, at: Vec<ObjectAt>) -> Result<(), SidecarError> {
        self.write(Change::Forget(at)).await?;
        Ok(())
    }

    async fn lineage(&self, target: &ObjectAt, limit: u32) -> Result<Vec<LineageEdge>, SidecarError> {
        sqlx::query(
            "SELECT * FROM lineage WHERE target_bucket = ?1 AND target_key = ?2 \
             AND (?3 = '' OR target_version = ?3 OR (?3 = 'null' AND target_version = '')) \
             ORDER BY at_ms DESC, seq DESC LIMIT ?4",
        )
        .bind(&target.bucket)
        .bind(&target.key)
        .bind(row::version_column(target.version_id.as_deref()))
        .bind(limit)
        .fetch_all(self.readers().await)
        .await?
        .iter()
        .map(row::edge)
        .collect()
    }

    async fn upload_started(&self, upload: UploadRecord) -> Result<(), SidecarError> {
        self.write(Change::Rare(Rare::UploadStarted(upload))).await?;
        Ok(())
    }

    async fn uploads(
        &self,
        bucket: &str,
        backend_upload_ids: &[String],
    ) -> Result<Vec<Option<UploadRecord>>, SidecarError> {
        let mut answers = vec![None; backend_upload_ids.len()];
        if backend_upload_ids.is_empty() {
            return Ok(answers);
        }
        let found = sqlx::query(
            "SELECT asked.key AS position, u.* FROM json_each(?2) AS asked CROSS JOIN uploads AS u \
             ON u.bucket = ?1 AND u.backend_upload_id = asked.value",
        )
        .bind(bucket)
        .bind(json(backend_upload_ids)?)
        .fetch_all(self.readers().await)
        .await?;
        for found in &found {
            place(&mut answers, found, row::upload(found)?)?;
        }
        Ok(answers)
    }

    async fn stale_uploads(&self, before_ms: i64, limit: u32) -> Result<Vec<UploadRecord>, SidecarError> {
        sqlx::query("SELECT * FROM uploads WHERE started_at_ms < ? ORDER BY started_at_ms, oid LIMIT ?")
            .bind(before_ms)
            .bind(limit)
            .fetch_all(self.readers().await)
            .await?
            .iter()
            .map(row::upload)
            .collect()
    }

    async fn part_attempt(&self, attempt: PartAttempt) -> Result<(), SidecarError> {
        self.write(Change::Rare(Rare::PartAttempt(Box::new(attempt)))).await?;
        Ok(())
    }

    async fn parts(&self, oid: Oid) -> Result<Vec<PartAttempt>, SidecarError> {
        sqlx::query("SELECT * FROM part_attempts WHERE oid = ? ORDER BY number, at_ms, seq")
            .bind(oid.0.as_slice())
            .fetch_all(self.readers().await)
            .await?
            .iter()
            .map(row::attempt)
            .collect()
    }

    async fn upload_ended(&self, oid: Oid) -> Result<(), SidecarError> {
        self.write(Change::Rare(Rare::UploadEnded(oid))).await?;
        Ok(())
    }

    async fn upload_completed(&self, oid: Oid, answer: Completion) -> Result<(), SidecarError> {
        self.write(Change::Rare(Rare::UploadCompleted(oid, answer))).await?;
        Ok(())
    }

    async fn completion(&self, oid: Oid, since_ms: i64) -> Result<Option<Completion>, SidecarError> {
        sqlx::query("SELECT * FROM completions WHERE oid = ? AND at_ms >= ?")
            .bind(oid.0.as_slice())
            .bind(since_ms)
            .fetch_optional(self.readers().await)
            .await?
            .as_ref()
            .map(row::completion)
            .transpose()
    }

    async fn take_lease(&self, claim: Claim, now_ms: i64) -> Result<bool, SidecarError> {
        Ok(self.write(Change::Rare(Rare::TakeLease { claim, now_ms })).await? > 0)
    }

    async fn renew_lease(&self, claim: Claim) -> Result<bool, SidecarError> {
        Ok(self.write(Change::Rare(Rare::RenewLease(claim))).await? > 0)
    }

    async fn release_lease(&self, claim: Claim) -> Result<(), SidecarError> {
        self.write(Change::Rare(Rare::ReleaseLease(claim))).await?;
        Ok(())
    }

    async fn keep_kek(&self, bucket: &str, kek_id: uuid::Uuid, document: Bytes) -> Result<(), SidecarError> {
        let bucket = bucket.to_owned();
        self.write(Change::Rare(Rare::KeepKek { bucket, kek_id, document })).await?;
        Ok(())
    }

    async fn kek(&self, bucket: &str, kek_id: uuid::Uuid) -> Result<Option<Bytes>, SidecarError> {
        sqlx::query("SELECT document FROM keks WHERE bucket = ? AND kek_id = ?")
            .bind(bucket)
            .bind(kek_id.as_bytes().as_slice())
            .fetch_optional(self.readers().await)
            .await?
            .as_ref()
            .map(document)
            .transpose()
    }

    async fn some_keks(&self, limit: u32) -> Result<Vec<Bytes>, SidecarError> {
        let found = sqlx::query("SELECT document FROM keks LIMIT ?").bind(limit).fetch_all(&self.readers).await?;
        found.iter().map(document).collect()
    }

    async fn keks(&self, bucket: &str) -> Result<Vec<(uuid::Uuid, Bytes)>, SidecarError> {
        sqlx::query("SELECT kek_id, document FROM keks WHERE bucket = ? ORDER BY kek_id")
            .bind(bucket)
            .fetch_all(self.readers().await)
            .await?
            .iter()
            .map(|found| {
                let kek_id = uuid::Uuid::from_bytes(row::bytes(found, "kek_id")?);
                Ok((kek_id, document(found)?))
            })
            .collect()
    }

    async fn keep_tokens(&self, bucket: &str, batch: Oid, tokens: Vec<TokenRow>) -> Result<bool, SidecarError> {
        let tokens = token_columns(&tokens)?;
        let keep = Rare::KeepTokens { bucket: bucket.to_owned(), batch, tokens, found: false };
        Ok(self.write(Change::Rare(keep)).await? == 0)
    }

    async fn adopt_tokens(&self, bucket: &str, batch: Oid, tokens: Vec<TokenRow>) -> Result<u64, SidecarError> {
        let tokens = token_columns(&tokens)?;
        let keep = Rare::KeepTokens { bucket: bucket.to_owned(), batch, tokens, found: true };
        Ok(self.write(Change::Rare(keep)).await?.cast_unsigned())
    }

    async fn token(&self, bucket: &str, token: &str) -> Result<Option<(Tag, Option<Oid>)>, SidecarError> {
        sqlx::query("SELECT tag, batch FROM tokens WHERE bucket = ? AND token = ?")
            .bind(bucket)
            .bind(token)
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(row::token)
            .transpose()
    }

    async fn has_token_batch(&self, bucket: &str, batch: Oid) -> Result<bool, SidecarError> {
        let found = sqlx::query("SELECT 1 FROM token_batches WHERE bucket = ? AND id = ?")
            .bind(bucket)
            .bind(batch.0.as_slice())
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.is_some())
    }

    async fn last_token_batch(&self, bucket: &str) -> Result<Option<Oid>, SidecarError> {
        sqlx::query("SELECT id FROM token_batches WHERE bucket = ? ORDER BY id DESC LIMIT 1")
            .bind(bucket)
            .fetch_optional(&self.readers)
            .await?
            .map(|found| Ok(Oid(row::bytes(&found, "id")?)))
            .transpose()
    }

    async fn keep_policy_mark(&self, number: u64, digest: [u8; 32]) -> Result<(), SidecarError> {
        let number =
            i64::try_from(number).map_err(|_| SidecarError::Damaged(format!("change of policies {number}")))?;
        self.write(Change::Rare(Rare::KeepPolicyMark(number, digest))).await?;
        Ok(())
    }

    async fn policy_mark(&self) -> Result<Option<(u64, [u8; 32])>, SidecarError> {
        let found = sqlx::query("SELECT number, digest FROM policy_mark").fetch_optional(self.readers().await).await?;
        let Some(found) = found else { return Ok(None) };
        let number: i64 = row::column(&found, "number")?;
        let number = u64::try_from(number).map_err(|_| SidecarError::Damaged(format!("number: {number}")))?;
        Ok(Some((number, row::bytes(&found, "digest")?)))
    }

    async fn forget_tokens(&self, bucket: &str, kek_scope: &str) -> Result<(), SidecarError> {
        let (bucket, kek_scope) = (bucket.to_owned(), kek_scope.to_owned());
        self.write(Change::Rare(Rare::ForgetTokens { bucket, kek_scope })).await?;
        Ok(())
    }

    /// Fails too where the file was deleted or replaced: the open one answers on, but is gone at the next start.
    async fn ping(&self) -> Result<(), SidecarError> {
        let there = tokio::fs::metadata(&self.path).await;
        if there.map_or(true, |file| FileIdentity::from(file) != self.identity) {
            return Err(SidecarError::Replaced { path: self.path.clone() });
        }
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        self.write(Change::Nothing).await?;
        Ok(())
    }
}

/// A JSON array for `json_each`, whose `key` is then the position in it.
fn json<T: serde::Serialize>(asked: impl IntoIterator<Item = T>) -> Result<String, SidecarError> {
    let asked: Vec<T> = asked.into_iter().collect();
    serde_json::to_string(&asked).map_err(|e| sqlx::Error::Encode(e.into()).into())
}

/// Tokens and their tags, for `json_each`.
fn token_columns(tokens: &[TokenRow]) -> Result<String, SidecarError> {
    json(tokens.iter().map(|row| (&row.token, hex::encode(row.tag))))
}

fn place<T>(answers: &mut [Option<T>], found: &sqlx::sqlite::SqliteRow, answer: T) -> Result<(), SidecarError> {
    let position: u32 = row::column(found, "position")?;
    let slot =
        answers.get_mut(position as usize).ok_or_else(|| SidecarError::Damaged(format!("position: {position}")))?;
    *slot = Some(answer);
    Ok(())
}

fn document(row: &sqlx::sqlite::SqliteRow) -> Result<Bytes, SidecarError> {
    row::column(row, "document").map(|document: Vec<u8>| document.into())
}
