//! Rows to values and back.

use keys::Oid;
use keys::object::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Facts, PartEntry};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use crate::sidecar::{Intent, LineageEdge, ObjectAt, ObjectRecord, PartAttempt, SidecarError, UploadRecord};

/// Length of one stored [`PartEntry`].
pub(super) const ENTRY_LEN: usize = 128;

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

/// What stands in a `version` column.
pub(super) fn version_column(version: Option<&str>) -> &str {
    version.unwrap_or_default()
}

fn version(row: &SqliteRow, name: &str) -> Result<Option<String>, SidecarError> {
    let version: String = column(row, name)?;
    Ok((!version.is_empty()).then_some(version))
}

pub(super) fn object(row: &SqliteRow) -> Result<ObjectRecord, SidecarError> {
    let mut facts = facts_without_parts(row)?;
    facts.parts = decode_parts(column(row, "parts")?)?;
    Ok(ObjectRecord {
        at: ObjectAt {
            bucket: column(row, "bucket")?,
            key: column(row, "key")?,
            version_id: version(row, "version_id")?,
        },
        backend_etag: column(row, "backend_etag")?,
        oid: Oid(bytes(row, "oid")?),
        kek_id: uuid::Uuid::from_bytes(bytes(row, "kek_id")?),
        facts,
        principal: column(row, "principal")?,
        recorded_at_ms: column(row, "recorded_at_ms")?,
        scrub: column(row, "scrub")?,
    })
}

pub(super) fn facts_without_parts(row: &SqliteRow) -> Result<Facts, SidecarError> {
    let etag = bytes(row, "etag")?;
    Ok(Facts {
        length: column::<i64>(row, "length")?
            .try_into()
            .map_err(|_| SidecarError::Damaged("length: negative".into()))?,
        etag: match column(row, "etag_kind")? {
            1 => ETag::Md5(etag),
            2 => ETag::Multipart(etag),
            3 => ETag::Opaque(etag),
            kind => return Err(SidecarError::Damaged(format!("etag_kind: {kind}"))),
        },
        checksum: match column(row, "checksum_algorithm")? {
            None => None,
            Some(algorithm) => Some(checksum(algorithm, column(row, "checksum_kind")?, column(row, "checksum")?)?),
        },
        part_count: column(row, "part_count")?,
        first_number: column(row, "first_number")?,
        first_prefix: bytes(row, "first_prefix")?,
        parts: Vec::new(),
    })
}

/// The `etag_kind` and `etag` columns.
pub(super) fn etag_columns(etag: &ETag) -> (u8, &[u8]) {
    match etag {
        ETag::Md5(value) => (1, value),
        ETag::Multipart(value) => (2, value),
        ETag::Opaque(value) => (3, value),
    }
}

/// `value`: at least as many bytes as the algorithm has.
fn checksum(algorithm: u8, kind: u8, value: &[u8]) -> Result<Checksum, SidecarError> {
    let algorithm = match algorithm {
        1 => ChecksumAlgorithm::Crc32,
        2 => ChecksumAlgorithm::Crc32c,
        3 => ChecksumAlgorithm::Crc64Nvme,
        4 => ChecksumAlgorithm::Sha1,
        5 => ChecksumAlgorithm::Sha256,
        _ => {
            return Err(SidecarError::Damaged(format!("checksum algorithm: {algorithm}")));
        }
    };
    let kind = match kind {
        1 => ChecksumKind::FullObject,
        2 => ChecksumKind::Composite,
        _ => return Err(SidecarError::Damaged(format!("checksum kind: {kind}"))),
    };
    let len = algorithm.len();
    let mut whole = [0; 32];
    whole[..len].copy_from_slice(
        value
            .get(..len)
            .ok_or_else(|| SidecarError::Damaged(format!("checksum: {} bytes instead of {len}", value.len())))?,
    );
    Ok(Checksum { algorithm, kind, value: whole })
}

/// `number u16 ‖ length u64 ‖ prefix 56 ‖ md5 16 ‖ checksum algorithm u8, 0 for none ‖ kind u8 ‖ value 32 ‖ zero 12`,
/// integers big-endian.
pub(super) fn encode_entry(entry: &PartEntry) -> [u8; ENTRY_LEN] {
    let mut row = [0; ENTRY_LEN];
    row[0..2].copy_from_slice(&entry.number.to_be_bytes());
    row[2..10].copy_from_slice(&entry.length.to_be_bytes());
    row[10..66].copy_from_slice(&entry.prefix);
    row[66..82].copy_from_slice(&entry.md5);
    if let Some(checksum) = &entry.checksum {
        row[82] = checksum.algorithm as u8;
        row[83] = checksum.kind as u8;
        row[84..116].copy_from_slice(&checksum.value);
    }
    row
}

pub(super) fn decode_entry(row: &[u8; ENTRY_LEN]) -> Result<PartEntry, SidecarError> {
    // The ranges are constants within the array.
    fn at<const N: usize>(row: &[u8; ENTRY_LEN], from: usize) -> [u8; N] {
        std::array::from_fn(|i| row[from + i])
    }
    Ok(PartEntry {
        number: u16::from_be_bytes(at(row, 0)),
        length: u64::from_be_bytes(at(row, 2)),
        prefix: at(row, 10),
        md5: at(row, 66),
        checksum: match row[82] {
            0 => None,
            algorithm => Some(checksum(algorithm, row[83], &row[84..116])?),
        },
    })
}

pub(super) fn encode_parts(parts: &[PartEntry]) -> Vec<u8> {
    let mut table = Vec::with_capacity(parts.len() * ENTRY_LEN);
    for entry in parts {
        table.extend_from_slice(&encode_entry(entry));
    }
    table
}

fn decode_parts(table: &[u8]) -> Result<Vec<PartEntry>, SidecarError> {
    let (rows, rest) = table.as_chunks();
    if !rest.is_empty() {
        return Err(SidecarError::Damaged(format!("parts: {} bytes", table.len())));
    }
    rows.iter().map(decode_entry).collect()
}

pub(super) fn intent(row: &SqliteRow) -> Result<Intent, SidecarError> {
    Ok(Intent {
        bucket: column(row, "bucket")?,
        key: column(row, "key")?,
        oid: Oid(bytes(row, "oid")?),
        principal: column(row, "principal")?,
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
        entry: decode_entry(&bytes(row, "entry")?)?,
        at_ms: column(row, "at_ms")?,
    })
}
