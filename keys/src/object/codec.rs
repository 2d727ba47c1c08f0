//! The binary forms of facts and rows: 128 bytes each, integers big-endian.
//!
//! ```text
//! SUMMARY                                   row of the TABLE
//!   0  8 plaintext length                     0  8 plaintext length
//!   8  2 part count                           8  2 part number
//!  10  2 number of the first part            10  1 checksum algorithm: 0 none, 1 to 5
//!  12  1 ETag: 1 MD5, 2 multipart, 3 opaque  11  1 checksum kind: 0 none, 1 full object, 2 composite
//!  13  1 checksum algorithm                  12  4 zero
//!  14  1 checksum kind                       16 16 MD5
//!  15  1 zero                                32 32 checksum, zero behind
//!  16 16 ETag                                64 56 salt ‖ commitment
//!  32 32 checksum, zero behind              120  8 zero
//!  64 56 salt ‖ commitment of the first part
//! 120  8 zero
//! ```

use super::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Facts, MAX_PARTS, PartEntry};
use crate::Error;
use crate::cobblestone::MAX_LENGTH;

/// Bytes of a summary and of a row.
pub const ROW_LEN: usize = 128;

impl PartEntry {
    /// The row.
    pub fn encode(&self) -> [u8; ROW_LEN] {
        let [algorithm, kind] = checksum_codes(self.checksum);
        let mut row = [0; ROW_LEN];
        row[..8].copy_from_slice(&self.length.to_be_bytes());
        row[8..10].copy_from_slice(&self.number.to_be_bytes());
        row[10] = algorithm;
        row[11] = kind;
        row[16..32].copy_from_slice(&self.md5);
        row[32..64].copy_from_slice(&self.checksum.map_or([0; 32], |checksum| checksum.value));
        row[64..120].copy_from_slice(&self.prefix);
        row
    }

    /// Reads a row. [`Error::Inconsistent`] where it is not what [`Self::encode`] writes.
    pub fn decode(row: &[u8; ROW_LEN]) -> Result<Self, Error> {
        let entry = Self {
            length: u64::from_be_bytes(field(row, 0)),
            number: u16::from_be_bytes(field(row, 8)),
            checksum: checksum(row[10], row[11], field(row, 32))?,
            md5: field(row, 16),
            prefix: field(row, 64),
        };
        if !(1..=MAX_PARTS).contains(&entry.number) {
            return Err(Error::Inconsistent("part number is not 1 to 10,000"));
        }
        if entry.length > MAX_LENGTH {
            return Err(Error::TooLong);
        }
        zero(&row[12..16])?;
        zero(&row[120..])?;
        Ok(entry)
    }
}

impl Facts {
    /// The plaintext of the SUMMARY.
    pub(crate) fn encode_summary(&self) -> [u8; ROW_LEN] {
        let [algorithm, kind] = checksum_codes(self.checksum);
        let (etag_kind, etag) = match self.etag {
            ETag::Md5(value) => (1, value),
            ETag::Multipart(value) => (2, value),
            ETag::Opaque(value) => (3, value),
            ETag::Received { md5, .. } => (4, md5),
        };
        let mut summary = [0; ROW_LEN];
        summary[..8].copy_from_slice(&self.length.to_be_bytes());
        summary[8..10].copy_from_slice(&self.part_count.to_be_bytes());
        summary[10..12].copy_from_slice(&self.first_number.to_be_bytes());
        summary[12..15].copy_from_slice(&[etag_kind, algorithm, kind]);
        summary[16..32].copy_from_slice(&etag);
        summary[32..64].copy_from_slice(&self.checksum.map_or([0; 32], |checksum| checksum.value));
        summary[64..120].copy_from_slice(&self.first_prefix);
        if let ETag::Received { parts, .. } = self.etag {
            summary[120..122].copy_from_slice(&parts.to_be_bytes());
        }
        summary
    }

    /// The plaintext of the SUMMARY, then, where the TABLE was read, its rows.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROW_LEN * (1 + self.parts.len()));
        out.extend_from_slice(&self.encode_summary());
        for part in &self.parts {
            out.extend_from_slice(&part.encode());
        }
        out
    }

    /// Reads what [`Self::encode`] writes. [`Error::Inconsistent`] where it contradicts itself.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (summary, rows) = bytes.split_first_chunk::<ROW_LEN>().ok_or(Error::Truncated)?;
        let (etag, received) = (field(summary, 16), u16::from_be_bytes(field(summary, 120)));
        let facts = Self {
            length: u64::from_be_bytes(field(summary, 0)),
            part_count: u16::from_be_bytes(field(summary, 8)),
            first_number: u16::from_be_bytes(field(summary, 10)),
            etag: match summary[12] {
                1 => ETag::Md5(etag),
                2 => ETag::Multipart(etag),
                3 => ETag::Opaque(etag),
                4 => ETag::Received { md5: etag, parts: received },
                _ => return Err(Error::Inconsistent("unknown kind of ETag")),
            },
            checksum: checksum(summary[13], summary[14], field(summary, 32))?,
            first_prefix: field(summary, 64),
            parts: decode_rows(rows)?,
        };
        zero(&summary[15..16])?;
        zero(&summary[if matches!(facts.etag, ETag::Received { .. }) { 122 } else { 120 }..])?;
        facts.check()?;
        Ok(facts)
    }
}

/// Reads the rows of a TABLE.
pub(crate) fn decode_rows(rows: &[u8]) -> Result<Vec<PartEntry>, Error> {
    let (rows, rest) = rows.as_chunks::<ROW_LEN>();
    if !rest.is_empty() {
        return Err(Error::Inconsistent("part table is not whole rows"));
    }
    rows.iter().map(PartEntry::decode).collect()
}

/// The `N` bytes at `at`; every call names a field that lies inside the row.
fn field<const N: usize>(row: &[u8; ROW_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&row[at..at + N]);
    out
}

fn zero(bytes: &[u8]) -> Result<(), Error> {
    if bytes.iter().any(|byte| *byte != 0) {
        return Err(Error::Inconsistent("a reserved byte is not zero"));
    }
    Ok(())
}

fn checksum_codes(checksum: Option<Checksum>) -> [u8; 2] {
    checksum.map_or([0, 0], |checksum| [checksum.algorithm as u8, checksum.kind as u8])
}

fn checksum(algorithm: u8, kind: u8, value: [u8; 32]) -> Result<Option<Checksum>, Error> {
    let algorithm = match algorithm {
        0 if kind == 0 => {
            zero(&value)?;
            return Ok(None);
        }
        1 => ChecksumAlgorithm::Crc32,
        2 => ChecksumAlgorithm::Crc32c,
        3 => ChecksumAlgorithm::Crc64Nvme,
        4 => ChecksumAlgorithm::Sha1,
        5 => ChecksumAlgorithm::Sha256,
        _ => return Err(Error::Inconsistent("unknown checksum algorithm")),
    };
    let kind = match kind {
        1 => ChecksumKind::FullObject,
        2 => ChecksumKind::Composite,
        _ => return Err(Error::Inconsistent("unknown kind of checksum")),
    };
    zero(&value[algorithm.len()..])?;
    Ok(Some(Checksum { algorithm, kind, value }))
}
