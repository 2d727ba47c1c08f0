//! Writes that go to the database together, as the arguments of one statement.
//!
//! A statement is a trip to `SQLite`'s thread and back, two thread switches, and a transaction spelled out is a trip more at either
//! end. So the writer's connection has a view with a trigger that takes a whole group of writes as one row: one INSERT, which is a
//! transaction by itself, whatever the group holds. Text and numbers come as JSON, what is binary as one blob of all rows behind
//! each other.

use std::net::IpAddr;

use serde::Serialize;
use sqlx::SqliteConnection;

use super::change::Change;
use super::row;
use crate::sidecar::{Intent, LineageEdge, ObjectAt, ObjectRecord};

/// A group takes no more once its blob is this long, so that large part tables are not copied by the hundred.
const ENOUGH_BYTES: usize = 4 << 20;
/// Nor once it forgets this many objects: as many as one `DeleteObjects` names.
const ENOUGH_FORGOTTEN: usize = 1000;

/// Made anew for each connection that writes, so that they always fit this code. `bytes`: `oid 16 ‖ KEK id 16 ‖ facts 128 ‖ parts`
/// for each record; `oids`: `oid 16 ‖ header digest 16` for each intent, zeros where it has none.
const VIEW: &str = "
    CREATE TEMP VIEW written (dropped, intents, oids, forgotten, records, bytes, lineage)
    AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL;

    CREATE TEMP TRIGGER write_group INSTEAD OF INSERT ON written BEGIN
        DELETE FROM intents WHERE id IN (SELECT value FROM json_each(NEW.dropped));
        INSERT INTO intents (id, bucket, key, oid, header, principal, operation, request_id, started_at_ms, client)
            SELECT value ->> 0, value ->> 1, value ->> 2, substr(NEW.oids, 1 + 32 * key, 16),
                CASE WHEN value ->> 7 THEN substr(NEW.oids, 17 + 32 * key, 16) END, value ->> 3, value ->> 4, value ->> 5,
                value ->> 6, value ->> 8
            FROM json_each(NEW.intents);
        DELETE FROM objects WHERE (bucket, key, version_id) IN
            (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(NEW.forgotten));
        INSERT OR REPLACE INTO objects (bucket, key, version_id, seq, backend_etag, principal, recorded_at_ms, scrub, oid,
                kek_id, facts, parts, client)
            SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
                substr(NEW.bytes, value ->> 8, 16), substr(NEW.bytes, (value ->> 8) + 16, 16),
                substr(NEW.bytes, (value ->> 8) + 32, 128), substr(NEW.bytes, (value ->> 8) + 160, value ->> 9),
                value ->> 10
            FROM json_each(NEW.records);
        INSERT INTO lineage (source_bucket, source_key, source_version, source_etag, target_bucket, target_key,
                target_version, operation, at_ms)
            SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
                value ->> 8
            FROM json_each(NEW.lineage);
    END";

/// A group of nothing but intents, as most are under load, needs no trigger. Ids ascend and the oids are in their order.
const INTENTS: &str = "
    INSERT INTO intents (id, bucket, key, oid, header, principal, operation, request_id, started_at_ms, client)
        SELECT value ->> 0, value ->> 1, value ->> 2, substr(?2, 1 + 32 * key, 16),
            CASE WHEN value ->> 7 THEN substr(?2, 17 + 32 * key, 16) END, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
            value ->> 8
        FROM json_each(?1)";

/// Prepares a connection for [`Group::write`].
pub(super) async fn prepare(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(VIEW).execute(db).await?;
    Ok(())
}

/// What new rows are numbered with.
pub(super) struct Counters {
    /// Id of the next intent.
    pub(super) intent: i64,
    /// `seq` of the record before.
    pub(super) seq: i64,
}

impl Counters {
    /// Beyond every intent in the file. Ids of intents that are gone are free: no one who knew them lives.
    pub(super) async fn of(db: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let intent = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM intents").fetch_one(db).await?;
        Ok(Self { intent, seq: 0 })
    }

    fn next_intent(&mut self) -> i64 {
        self.intent += 1;
        self.intent - 1
    }

    /// Microseconds since the Unix epoch, or one more than the one before: ascends without a look at the table.
    /// A clock set back over a restart lets an older record answer for its key; its backend `ETag` then shows it stale.
    fn next_seq(&mut self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.seq = (self.seq + 1).max(now.map_or(0, |now| now.as_micros() as i64));
        self.seq
    }
}

/// Consecutive writes of a batch, in columns of rows.
#[derive(Default)]
pub(super) struct Group<'a> {
    /// What each write answers: the id of a new intent, else 0.
    answers: Vec<i64>,
    dropped: Vec<i64>,
    intents: Vec<IntentRow<'a>>,
    oids: Vec<u8>,
    forgotten: Vec<(&'a str, &'a str, &'a str)>,
    records: Vec<RecordRow<'a>>,
    bytes: Vec<u8>,
    lineage: Vec<EdgeRow<'a>>,
}

/// Id, bucket, key, principal, operation, request id, time, whether it has a header digest, client address.
type IntentRow<'a> = (i64, &'a str, &'a str, Option<&'a str>, &'a str, &'a str, i64, bool, Option<IpAddr>);
/// Bucket, key, version, seq, backend `ETag`, principal, time, scrub state, place in `bytes` from 1, length of the part table, client address.
type RecordRow<'a> =
    (&'a str, &'a str, &'a str, i64, &'a str, Option<&'a str>, i64, &'a str, usize, usize, Option<IpAddr>);
/// Bucket, key, version and `ETag` of the source; bucket, key and version of the target; operation, time.
type EdgeRow<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str, i64);

impl<'a> Group<'a> {
    /// Takes as many of `changes` as can be written by one statement with the same effect as one after the other; the rest is
    /// left. None only where the first is a [`Change::Rare`].
    pub(super) fn take(changes: &mut &'a [Change], counters: &mut Counters) -> Self {
        let mut group = Self::default();
        while let Some((first, rest)) = changes.split_first() {
            if !group.add(first, counters) {
                break;
            }
            *changes = rest;
        }
        group
    }

    fn add(&mut self, change: &'a Change, counters: &mut Counters) -> bool {
        if self.bytes.len() > ENOUGH_BYTES || self.forgotten.len() > ENOUGH_FORGOTTEN {
            return false;
        }
        let mut answer = 0;
        match change {
            Change::Nothing => {}
            Change::Begin(intent) => {
                answer = counters.next_intent();
                self.begin(answer, intent);
            }
            Change::Abandon(intent) => self.dropped.push(intent.0),
            // The statement forgets before it records.
            Change::Forget(_) if !self.records.is_empty() => return false,
            Change::Forget(objects) => objects.iter().for_each(|at| self.forget(at)),
            Change::Record { intent, record, lineage } => {
                self.dropped.extend(intent.map(|intent| intent.0));
                self.record(record, counters.next_seq());
                self.lineage.extend(lineage.iter().map(edge));
            }
            Change::Rare(_) => return false,
        }
        self.answers.push(answer);
        true
    }

    fn begin(&mut self, id: i64, intent: &'a Intent) {
        self.oids.extend_from_slice(&intent.oid.0);
        self.oids.extend_from_slice(&intent.header.unwrap_or_default());
        let Intent { bucket, key, oid: _, header, principal, client, operation, request_id, started_at_ms } = intent;
        let (principal, digest) = (principal.as_deref(), header.is_some());
        self.intents.push((id, bucket, key, principal, operation, request_id, *started_at_ms, digest, *client));
    }

    /// The null version of a bucket is recorded under no version id while the bucket is unversioned, under `null` after.
    fn forget(&mut self, at: &'a ObjectAt) {
        let version = row::version_column(at.version_id.as_deref());
        self.forgotten.push((&at.bucket, &at.key, version));
        if version == "null" {
            self.forgotten.push((&at.bucket, &at.key, ""));
        }
    }

    fn record(&mut self, record: &'a ObjectRecord, seq: i64) {
        let facts = record.facts.encode();
        self.records.push((
            &record.at.bucket,
            &record.at.key,
            row::version_column(record.at.version_id.as_deref()),
            seq,
            &record.backend_etag,
            record.principal.as_deref(),
            record.recorded_at_ms,
            &record.scrub,
            self.bytes.len() + 1,
            facts.len() - row::FACTS_LEN,
            record.client,
        ));
        self.bytes.extend_from_slice(&record.oid.0);
        self.bytes.extend_from_slice(record.kek_id.as_bytes());
        self.bytes.extend_from_slice(&facts);
    }

    /// Writes it: a transaction by itself, or a part of the open one. Returns what each write answers.
    pub(super) async fn write(self, db: &mut SqliteConnection) -> Result<Vec<i64>, sqlx::Error> {
        if self.answers.is_empty() {
            return Ok(self.answers);
        }
        if self.intents.len() == self.answers.len() {
            sqlx::query(INTENTS).bind(json(&self.intents)?).bind(self.oids).execute(db).await?;
            return Ok(self.answers);
        }
        sqlx::query("INSERT INTO written VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(json(&self.dropped)?)
            .bind(json(&self.intents)?)
            .bind(self.oids)
            .bind(json(&self.forgotten)?)
            .bind(json(&self.records)?)
            .bind(self.bytes)
            .bind(json(&self.lineage)?)
            .execute(db)
            .await?;
        Ok(self.answers)
    }
}

fn edge(edge: &LineageEdge) -> EdgeRow<'_> {
    let LineageEdge { source, source_etag, target, operation, at_ms } = edge;
    (
        &source.bucket,
        &source.key,
        row::version_column(source.version_id.as_deref()),
        source_etag,
        &target.bucket,
        &target.key,
        row::version_column(target.version_id.as_deref()),
        operation,
        *at_ms,
    )
}

/// None for no rows, which `json_each` takes for an empty array.
fn json<T: Serialize>(rows: &[T]) -> Result<Option<String>, sqlx::Error> {
    let rows = (!rows.is_empty()).then_some(rows);
    rows.map(serde_json::to_string).transpose().map_err(|e| sqlx::Error::Encode(e.into()))
}
