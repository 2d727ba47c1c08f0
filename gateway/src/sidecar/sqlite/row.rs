//! Rows to values and back.

use std::net::IpAddr;

use keys::Oid;
use keys::object::{Facts, PartEntry};
use scrub::act::Tag;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use crate::sidecar::{
    Completion, CopiedFrom, Intent, LineageEdge, ObjectAt, ObjectRecord, PartAttempt, SidecarError, UploadRecord,
};

/// Length of the `facts` column: [`Facts::encode`] up to its part table, which is the `parts` column.
pub(super) const FACTS_LEN: usize = keys::object::ROW_LEN;

/// The value of one column; a value of another type is damage.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, SidecarError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(|e| SidecarError::Damaged(format!("{name}: {e}")))
}

/// A column of exactly `N` bytes.
pub(super) fn bytes<const N: usize>(row: &SqliteRow, name: &str) -> Result<[u8; N], SidecarError> {
    let value: &[u8] = column(row, name)?;
    value.try_into().map_err(|_| SidecarError::Damaged(format!("{name}: {} bytes instead of {N}", value.len())))
}

fn address(row: &SqliteRow) -> Result<Option<IpAddr>, SidecarError> {
    let text: Option<&str> = column(row, "client")?;
    text.map(str::parse).transpose().map_err(|e| SidecarError::Damaged(format!("client: {e}")))
}

/// What stands in a `version` column.
pub(super) fn version_column(version: Option<&str>) -> &str {
    version.unwrap_or_default()
}

fn version(row: &SqliteRow, name: &str) -> Result<Option<String>, SidecarError> {
    let version: String = column(row, name)?;
    Ok((!version.is_empty()).then_some(version))
}

pub(super) fn name(row: &SqliteRow) -> Result<ObjectAt, SidecarError> {
    Ok(ObjectAt { bucket: column(row, "bucket")?, key: column(row, "key")?, version_id: version(row, "version_id")? })
}

pub(super) fn token(row: &SqliteRow) -> Result<(Tag, Option<Oid>), SidecarError> {
    let batch: Option<&[u8]> = column(row, "batch")?;
    let batch = batch.map(|_| bytes(row, "batch")).transpose()?;
    Ok((bytes(row, "tag")?, batch.map(Oid)))
}

pub(super) fn object(row: &SqliteRow) -> Result<ObjectRecord, SidecarError> {
    let facts: [u8; FACTS_LEN] = bytes(row, "facts")?;
    let parts: &[u8] = column(row, "parts")?;
    Ok(ObjectRecord {
        at: name(row)?,
        backend_etag: column(row, "backend_etag")?,
        oid: Oid(bytes(row, "oid")?),
        kek_id: uuid::Uuid::from_bytes(bytes(row, "kek_id")?),
        facts: Facts::decode(&[&facts, parts].concat()).map_err(|e| SidecarError::Damaged(format!("facts: {e}")))?,
        principal: column(row, "principal")?,
        client: address(row)?,
        recorded_at_ms: column(row, "recorded_at_ms")?,
        scrub: column(row, "scrub")?,
    })
}

/// The answer to a listing: `positions` with commas between, the `facts` of each behind each other.
pub(super) fn positions_and_facts(row: &SqliteRow) -> Result<Vec<(usize, &[u8; FACTS_LEN])>, SidecarError> {
    let positions: Option<&str> = column(row, "positions")?;
    let facts: Option<&[u8]> = column(row, "facts")?;
    let positions = positions.unwrap_or_default().split_terminator(',').map(str::parse);
    let positions: Vec<usize> =
        positions.collect::<Result<_, _>>().map_err(|e| SidecarError::Damaged(format!("positions: {e}")))?;
    let (facts, rest) = facts.unwrap_or_default().as_chunks();
    if !rest.is_empty() || facts.len() != positions.len() {
        return Err(SidecarError::Damaged(format!("{} positions, {} facts", positions.len(), facts.len())));
    }
    Ok(positions.into_iter().zip(facts).collect())
}

/// `lengths`: 8 bytes each, big-endian.
pub(super) fn lengths(row: &SqliteRow) -> Result<Vec<u64>, SidecarError> {
    let lengths: Option<&[u8]> = column(row, "lengths")?;
    let (lengths, rest) = lengths.unwrap_or_default().as_chunks();
    if !rest.is_empty() {
        return Err(SidecarError::Damaged("lengths: not 8 bytes each".to_owned()));
    }
    Ok(lengths.iter().copied().map(u64::from_be_bytes).collect())
}

pub(super) fn intent(row: &SqliteRow) -> Result<Intent, SidecarError> {
    Ok(Intent {
        bucket: column(row, "bucket")?,
        key: column(row, "key")?,
        oid: Oid(bytes(row, "oid")?),
        header: column::<Option<&[u8]>>(row, "header")?.map(|_| bytes(row, "header")).transpose()?,
        principal: column(row, "principal")?,
        client: address(row)?,
        operation: column(row, "operation")?,
        request_id: column(row, "request_id")?,
        started_at_ms: column(row, "started_at_ms")?,
    })
}

pub(super) fn edge(row: &SqliteRow) -> Result<LineageEdge, SidecarError> {
    Ok(LineageEdge {
        source: ObjectAt {
            bucket: column(row, "source_bucket")?,
            key: column(row, "source_key")?,
            version_id: version(row, "source_version")?,
        },
        source_etag: column(row, "source_etag")?,
        target: ObjectAt {
            bucket: column(row, "target_bucket")?,
            key: column(row, "target_key")?,
            version_id: version(row, "target_version")?,
        },
        operation: column(row, "operation")?,
        at_ms: column(row, "at_ms")?,
    })
}

pub(super) fn upload(row: &SqliteRow) -> Result<UploadRecord, SidecarError> {
    Ok(UploadRecord {
        bucket: column(row, "bucket")?,
        key: column(row, "key")?,
        backend_upload_id: column(row, "backend_upload_id")?,
        upload_id: column(row, "upload_id")?,
        oid: Oid(bytes(row, "oid")?),
        headers: headers(row)?,
        principal: column(row, "principal")?,
        started_at_ms: column(row, "started_at_ms")?,
    })
}

pub(super) fn attempt(row: &SqliteRow) -> Result<PartAttempt, SidecarError> {
    Ok(PartAttempt {
        oid: Oid(bytes(row, "oid")?),
        number: column(row, "number")?,
        backend_etag: column(row, "backend_etag")?,
        stash: column(row, "stash")?,
        entry: PartEntry::decode(&bytes(row, "entry")?).map_err(|e| SidecarError::Damaged(format!("entry: {e}")))?,
        copied_from: column::<Option<&str>>(row, "copied_from")?.map(copied_from).transpose()?,
        at_ms: column(row, "at_ms")?,
    })
}

pub(super) fn completion(row: &SqliteRow) -> Result<Completion, SidecarError> {
    Ok(Completion {
        at_ms: column(row, "at_ms")?,
        headers: headers(row)?,
        body: column::<Vec<u8>>(row, "body")?.into(),
    })
}

fn headers(row: &SqliteRow) -> Result<Vec<(String, String)>, SidecarError> {
    serde_json::from_str(column(row, "headers")?).map_err(|e| SidecarError::Damaged(format!("headers: {e}")))
}

/// The `copied_from` column.
pub(super) fn copied_from_column(CopiedFrom { at, etag }: &CopiedFrom) -> String {
    serde_json::json!([at.bucket, at.key, at.version_id, etag]).to_string()
}

fn copied_from(text: &str) -> Result<CopiedFrom, SidecarError> {
    let (bucket, key, version_id, etag) =
        serde_json::from_str(text).map_err(|e| SidecarError::Damaged(format!("copied_from: {e}")))?;
    Ok(CopiedFrom { at: ObjectAt { bucket, key, version_id }, etag })
}
