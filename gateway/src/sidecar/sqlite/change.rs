//! The writes, and the SQL of each.

use bytes::Bytes;
use keys::Oid;
use sqlx::SqliteConnection;

use super::row;
use crate::sidecar::{Intent, IntentId, LineageEdge, ObjectAt, ObjectRecord, PartAttempt, UploadRecord};

/// Most rows that one [`Change::Sweep`] removes, so that it never holds up the writes behind it.
const SWEEP_ROWS: u32 = 10_000;

/// One write, waiting in the queue.
pub(super) enum Change {
    /// Nothing; shows that the writer is alive and the database can be locked.
    Nothing,
    Begin(Intent),
    Record {
        intent: Option<IntentId>,
        record: Box<ObjectRecord>,
        lineage: Vec<LineageEdge>,
    },
    Abandon(IntentId),
    Forget(Vec<ObjectAt>),
    UploadStarted(UploadRecord),
    PartAttempt(Box<PartAttempt>),
    UploadEnded(Oid),
    KeepKek {
        bucket: String,
        kek_id: uuid::Uuid,
        document: Bytes,
    },
    /// Removes attempts older than `before_ms` whose upload is not known: a part that was still running when its upload
    /// ended records itself afterwards, and nobody would ever remove it.
    Sweep {
        before_ms: i64,
    },
}

impl Change {
    /// Runs the statements of this write inside the open transaction. Returns the new row's id where there is one.
    pub(super) async fn apply(&self, db: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        match self {
            Self::Nothing => Ok(0),
            Self::Begin(intent) => begin(db, intent).await,
            Self::Record { intent, record, lineage } => {
                if let Some(intent) = intent {
                    abandon(db, *intent).await?;
                }
                let seq = insert_object(db, record).await?;
                for edge in lineage {
                    insert_edge(db, edge).await?;
                }
                Ok(seq)
            }
            Self::Abandon(intent) => abandon(db, *intent).await,
            Self::Forget(objects) => {
                for at in objects {
                    forget(db, at).await?;
                }
                Ok(0)
            }
            Self::UploadStarted(upload) => insert_upload(db, upload).await,
            Self::PartAttempt(attempt) => insert_attempt(db, attempt).await,
            Self::UploadEnded(oid) => end_upload(db, *oid).await,
            Self::KeepKek { bucket, kek_id, document } => keep_kek(db, bucket, kek_id, document).await,
            Self::Sweep { before_ms } => sweep(db, *before_ms).await,
        }
    }
}

async fn begin(db: &mut SqliteConnection, intent: &Intent) -> Result<i64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO intents (bucket, key, oid, principal, operation, request_id, started_at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&intent.bucket)
    .bind(&intent.key)
    .bind(intent.oid.0.as_slice())
    .bind(&intent.principal)
    .bind(&intent.operation)
    .bind(&intent.request_id)
    .bind(intent.started_at_ms)
    .execute(db)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn abandon(db: &mut SqliteConnection, intent: IntentId) -> Result<i64, sqlx::Error> {
    sqlx::query("DELETE FROM intents WHERE id = ?").bind(intent.0).execute(db).await?;
    Ok(0)
}

async fn insert_object(db: &mut SqliteConnection, record: &ObjectRecord) -> Result<i64, sqlx::Error> {
    let facts = &record.facts;
    let (etag_kind, etag) = row::etag_columns(&facts.etag);
    // A u64 beyond i64 turns negative, which the table refuses.
    let length = facts.length.cast_signed();
    let done = sqlx::query(
        "INSERT OR REPLACE INTO objects (bucket, key, version_id, backend_etag, oid, kek_id, length, etag_kind, etag, \
         checksum_algorithm, checksum_kind, checksum, part_count, first_number, first_prefix, principal, recorded_at_ms, scrub, parts) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&record.at.bucket)
    .bind(&record.at.key)
    .bind(row::version_column(record.at.version_id.as_deref()))
    .bind(&record.backend_etag)
    .bind(record.oid.0.as_slice())
    .bind(record.kek_id.as_bytes().as_slice())
    .bind(length)
    .bind(etag_kind)
    .bind(etag)
    .bind(facts.checksum.map(|c| c.algorithm as u8))
    .bind(facts.checksum.map(|c| c.kind as u8))
    .bind(facts.checksum.as_ref().map(keys::object::Checksum::bytes))
    .bind(facts.part_count)
    .bind(facts.first_number)
    .bind(facts.first_prefix.as_slice())
    .bind(&record.principal)
    .bind(record.recorded_at_ms)
    .bind(&record.scrub)
    .bind(row::encode_parts(&facts.parts))
    .execute(db)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn insert_edge(db: &mut SqliteConnection, edge: &LineageEdge) -> Result<i64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO lineage (source_bucket, source_key, source_version, source_etag, target_bucket, target_key, \
         target_version, operation, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&edge.source.bucket)
    .bind(&edge.source.key)
    .bind(row::version_column(edge.source.version_id.as_deref()))
    .bind(&edge.source_etag)
    .bind(&edge.target.bucket)
    .bind(&edge.target.key)
    .bind(row::version_column(edge.target.version_id.as_deref()))
    .bind(&edge.operation)
    .bind(edge.at_ms)
    .execute(db)
    .await?;
    Ok(done.last_insert_rowid())
}

/// The null version of a bucket is recorded under no version id while the bucket is unversioned, under `null` after.
async fn forget(db: &mut SqliteConnection, at: &ObjectAt) -> Result<i64, sqlx::Error> {
    sqlx::query(
        "DELETE FROM objects WHERE bucket = ?1 AND key = ?2 \
         AND (version_id = ?3 OR (?3 = 'null' AND version_id = ''))",
    )
    .bind(&at.bucket)
    .bind(&at.key)
    .bind(row::version_column(at.version_id.as_deref()))
    .execute(db)
    .await?;
    Ok(0)
}

async fn insert_upload(db: &mut SqliteConnection, upload: &UploadRecord) -> Result<i64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT OR REPLACE INTO uploads (oid, bucket, key, backend_upload_id, upload_id, principal, started_at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(upload.oid.0.as_slice())
    .bind(&upload.bucket)
    .bind(&upload.key)
    .bind(&upload.backend_upload_id)
    .bind(&upload.upload_id)
    .bind(&upload.principal)
    .bind(upload.started_at_ms)
    .execute(db)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn insert_attempt(db: &mut SqliteConnection, attempt: &PartAttempt) -> Result<i64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT OR REPLACE INTO part_attempts (oid, number, backend_etag, stash, entry, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(attempt.oid.0.as_slice())
    .bind(attempt.number)
    .bind(&attempt.backend_etag)
    .bind(&attempt.stash)
    .bind(row::encode_entry(&attempt.entry).to_vec())
    .bind(attempt.at_ms)
    .execute(db)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn end_upload(db: &mut SqliteConnection, oid: Oid) -> Result<i64, sqlx::Error> {
    sqlx::query("DELETE FROM part_attempts WHERE oid = ?").bind(oid.0.as_slice()).execute(&mut *db).await?;
    sqlx::query("DELETE FROM uploads WHERE oid = ?").bind(oid.0.as_slice()).execute(db).await?;
    Ok(0)
}

async fn keep_kek(
    db: &mut SqliteConnection,
    bucket: &str,
    kek_id: &uuid::Uuid,
    document: &Bytes,
) -> Result<i64, sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO keks (bucket, kek_id, document) VALUES (?, ?, ?)")
        .bind(bucket)
        .bind(kek_id.as_bytes().as_slice())
        .bind(document.as_ref())
        .execute(db)
        .await?;
    Ok(0)
}

async fn sweep(db: &mut SqliteConnection, before_ms: i64) -> Result<i64, sqlx::Error> {
    sqlx::query(
        "DELETE FROM part_attempts WHERE seq IN (SELECT a.seq FROM part_attempts AS a WHERE a.at_ms < ?1 \
         AND NOT EXISTS (SELECT 1 FROM uploads AS u WHERE u.oid = a.oid) LIMIT ?2)",
    )
    .bind(before_ms)
    .bind(SWEEP_ROWS)
    .execute(db)
    .await?;
    Ok(0)
}
