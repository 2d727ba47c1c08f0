//! The writes, and the SQL of the rare ones.

use std::sync::Arc;

use bytes::Bytes;
use keys::Oid;
use sqlx::SqliteConnection;

use super::row;
use crate::sidecar::{
    Claim, Completion, Intent, IntentId, LineageEdge, ObjectAt, ObjectRecord, PartAttempt, UploadRecord,
};

/// Most rows that one [`Rare::Sweep`] removes, so that it never holds up the writes behind it.
const SWEEP_ROWS: u32 = 10_000;

/// One write, waiting in the queue. All but [`Rare`] ones are written by the [`Group`](super::group::Group).
pub(super) enum Change {
    /// Nothing; shows that the writer is alive and the database can be locked.
    Nothing,
    Begin(Intent),
    Record {
        intent: Option<IntentId>,
        record: Arc<ObjectRecord>,
        lineage: Vec<LineageEdge>,
    },
    Abandon(IntentId),
    Forget(Vec<ObjectAt>),
    Rare(Rare),
}

/// A write that has statements of its own.
pub(super) enum Rare {
    UploadStarted(UploadRecord),
    PartAttempt(Box<PartAttempt>),
    UploadEnded(Oid),
    UploadCompleted(Oid, Completion),
    TakeLease {
        claim: Claim,
        now_ms: i64,
    },
    RenewLease(Claim),
    ReleaseLease(Claim),
    /// Of all holders.
    DropLeases,
    KeepKek {
        bucket: String,
        kek_id: uuid::Uuid,
        document: Bytes,
    },
    /// `tokens`: a JSON array of token and tag. Answers how many of them are of another value; then nothing is kept, unless the batch was
    /// `found`: then those stand for nothing any more.
    KeepTokens {
        bucket: String,
        batch: Oid,
        tokens: String,
        found: bool,
    },
    KeepPolicyMark(i64, [u8; 32]),
    ForgetTokens {
        bucket: String,
        kek_scope: String,
    },
    /// Removes attempts older than `before_ms` whose upload is not known: a part that was still running when its upload
    /// ended records itself afterwards, and nobody would ever remove it. And answers older than `answers_before_ms`, and leases that lapsed before.
    Sweep {
        before_ms: i64,
        answers_before_ms: i64,
    },
}

impl Rare {
    /// Runs the statements inside the open transaction; gives what its caller is answered.
    pub(super) async fn apply(&self, db: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        match self {
            Self::KeepTokens { bucket, batch, tokens, found } => {
                return keep_tokens(db, bucket, *batch, tokens, *found).await;
            }
            Self::UploadStarted(upload) => insert_upload(db, upload).await?,
            Self::PartAttempt(attempt) => insert_attempt(db, attempt).await?,
            Self::UploadEnded(oid) => end_upload(db, *oid).await?,
            Self::UploadCompleted(oid, answer) => {
                keep_completion(db, *oid, answer).await?;
                end_upload(db, *oid).await?;
            }
            Self::TakeLease { claim, now_ms } => return take_lease(db, claim, *now_ms).await,
            Self::RenewLease(claim) => return renew_lease(db, claim).await,
            Self::ReleaseLease(claim) => release_lease(db, claim).await?,
            Self::DropLeases => drop_leases(db).await?,
            Self::KeepKek { bucket, kek_id, document } => keep_kek(db, bucket, kek_id, document).await?,
            Self::KeepPolicyMark(number, digest) => keep_policy_mark(db, *number, digest).await?,
            Self::ForgetTokens { bucket, kek_scope } => forget_tokens(db, bucket, kek_scope).await?,
            Self::Sweep { before_ms, answers_before_ms } => {
                sweep(db, *before_ms).await?;
                sweep_completions(db, *answers_before_ms).await?;
                sweep_leases(db, *answers_before_ms).await?;
            }
        }
        Ok(0)
    }
}

async fn insert_upload(db: &mut SqliteConnection, upload: &UploadRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO uploads (oid, bucket, key, backend_upload_id, upload_id, headers, principal, started_at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(upload.oid.0.as_slice())
    .bind(&upload.bucket)
    .bind(&upload.key)
    .bind(&upload.backend_upload_id)
    .bind(&upload.upload_id)
    .bind(headers_column(&upload.headers)?)
    .bind(&upload.principal)
    .bind(upload.started_at_ms)
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_attempt(db: &mut SqliteConnection, attempt: &PartAttempt) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO part_attempts (oid, number, backend_etag, stash, entry, copied_from, at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(attempt.oid.0.as_slice())
    .bind(attempt.number)
    .bind(&attempt.backend_etag)
    .bind(&attempt.stash)
    .bind(attempt.entry.encode().to_vec())
    .bind(attempt.copied_from.as_ref().map(row::copied_from_column))
    .bind(attempt.at_ms)
    .execute(db)
    .await?;
    Ok(())
}

async fn end_upload(db: &mut SqliteConnection, oid: Oid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM part_attempts WHERE oid = ?").bind(oid.0.as_slice()).execute(&mut *db).await?;
    sqlx::query("DELETE FROM uploads WHERE oid = ?").bind(oid.0.as_slice()).execute(db).await?;
    Ok(())
}

fn headers_column(headers: &[(String, String)]) -> Result<String, sqlx::Error> {
    serde_json::to_string(headers).map_err(|e| sqlx::Error::Encode(e.into()))
}

async fn keep_completion(db: &mut SqliteConnection, oid: Oid, answer: &Completion) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO completions (oid, at_ms, headers, body) VALUES (?, ?, ?, ?)")
        .bind(oid.0.as_slice())
        .bind(answer.at_ms)
        .bind(headers_column(&answer.headers)?)
        .bind(answer.body.as_ref())
        .execute(db)
        .await?;
    Ok(())
}

async fn keep_kek(
    db: &mut SqliteConnection,
    bucket: &str,
    kek_id: &uuid::Uuid,
    document: &Bytes,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO keks (bucket, kek_id, document) VALUES (?, ?, ?)")
        .bind(bucket)
        .bind(kek_id.as_bytes().as_slice())
        .bind(document.as_ref())
        .execute(db)
        .await?;
    Ok(())
}

async fn keep_tokens(
    db: &mut SqliteConnection,
    bucket: &str,
    batch: Oid,
    tokens: &str,
    found: bool,
) -> Result<i64, sqlx::Error> {
    let differ: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM json_each(?2) AS asked CROSS JOIN tokens AS t \
         ON t.bucket = ?1 AND t.token = asked.value ->> 0 AND t.tag <> unhex(asked.value ->> 1)",
    )
    .bind(bucket)
    .bind(tokens)
    .fetch_one(&mut *db)
    .await?;
    if differ > 0 && !found {
        return Ok(differ);
    }
    sqlx::query(
        "INSERT INTO tokens (bucket, token, tag, batch) SELECT ?1, value ->> 0, unhex(value ->> 1), ?3 FROM json_each(?2) \
         WHERE true ON CONFLICT DO UPDATE SET tag = zeroblob(16), batch = NULL WHERE tag <> excluded.tag",
    )
    .bind(bucket)
    .bind(tokens)
    .bind(batch.0.as_slice())
    .execute(&mut *db)
    .await?;
    sqlx::query("INSERT OR IGNORE INTO token_batches (bucket, id) VALUES (?, ?)")
        .bind(bucket)
        .bind(batch.0.as_slice())
        .execute(db)
        .await?;
    Ok(differ)
}

async fn keep_policy_mark(db: &mut SqliteConnection, number: i64, digest: &[u8; 32]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO policy_mark (id, number, digest) VALUES (0, ?, ?) ON CONFLICT (id) DO UPDATE \
         SET number = excluded.number, digest = excluded.digest WHERE excluded.number > policy_mark.number",
    )
    .bind(number)
    .bind(digest.as_slice())
    .execute(db)
    .await?;
    Ok(())
}

async fn forget_tokens(db: &mut SqliteConnection, bucket: &str, kek_scope: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM keks WHERE bucket = ?").bind(kek_scope).execute(&mut *db).await?;
    sqlx::query("DELETE FROM tokens WHERE bucket = ?").bind(bucket).execute(&mut *db).await?;
    sqlx::query("DELETE FROM token_batches WHERE bucket = ?").bind(bucket).execute(db).await?;
    Ok(())
}

async fn sweep(db: &mut SqliteConnection, before_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM part_attempts WHERE seq IN (SELECT a.seq FROM part_attempts AS a WHERE a.at_ms < ?1 \
         AND NOT EXISTS (SELECT 1 FROM uploads AS u WHERE u.oid = a.oid) LIMIT ?2)",
    )
    .bind(before_ms)
    .bind(SWEEP_ROWS)
    .execute(db)
    .await?;
    Ok(())
}

async fn sweep_completions(db: &mut SqliteConnection, before_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM completions WHERE oid IN (SELECT oid FROM completions WHERE at_ms < ? LIMIT ?)")
        .bind(before_ms)
        .bind(SWEEP_ROWS)
        .execute(db)
        .await?;
    Ok(())
}

async fn take_lease(db: &mut SqliteConnection, claim: &Claim, now_ms: i64) -> Result<i64, sqlx::Error> {
    let taken = sqlx::query(
        "INSERT INTO leases (name, holder, until_ms) VALUES (?1, ?2, ?3) ON CONFLICT (name) \
         DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms WHERE until_ms < ?4",
    )
    .bind(&claim.name)
    .bind(claim.holder.as_slice())
    .bind(claim.until_ms)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(taken.rows_affected().cast_signed())
}

async fn renew_lease(db: &mut SqliteConnection, claim: &Claim) -> Result<i64, sqlx::Error> {
    let renewed = sqlx::query("UPDATE leases SET until_ms = ?3 WHERE name = ?1 AND holder = ?2")
        .bind(&claim.name)
        .bind(claim.holder.as_slice())
        .bind(claim.until_ms)
        .execute(db)
        .await?;
    Ok(renewed.rows_affected().cast_signed())
}

async fn release_lease(db: &mut SqliteConnection, claim: &Claim) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM leases WHERE name = ? AND holder = ?")
        .bind(&claim.name)
        .bind(claim.holder.as_slice())
        .execute(db)
        .await?;
    Ok(())
}

async fn drop_leases(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM leases").execute(db).await?;
    Ok(())
}

async fn sweep_leases(db: &mut SqliteConnection, before_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM leases WHERE name IN (SELECT name FROM leases WHERE until_ms < ? LIMIT ?)")
        .bind(before_ms)
        .bind(SWEEP_ROWS)
        .execute(db)
        .await?;
    Ok(())
}
