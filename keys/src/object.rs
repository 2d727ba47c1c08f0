//! The object format: what a sealed object says of itself, how it is sealed, opened whole, and opened in ranges.
//!
//! ```text
//! M₁ ‖ … ‖ M_N ‖ zero padding ‖ [TABLE when N > 1] ‖ SUMMARY(200) ‖ FOOTER(16)        total g(P) bytes, see crate::length
//! Mᵢ       sealed under the DEK, context "dv1/part" ‖ oid ‖ part number(2)
//! SUMMARY  sealed under the DEK, context "dv1/summary" ‖ oid                          128 bytes of plaintext
//! TABLE    sealed under the DEK, context "dv1/table" ‖ oid ‖ first 56 bytes of SUMMARY   128 bytes a part
//! ```

mod codec;
mod range;
mod seal;
mod suffix;
#[cfg(test)]
mod tests;

use crate::Error;
use crate::cobblestone::MAX_LENGTH;

pub use crate::cobblestone::Prefix;
pub use crate::metadata::HEADER_NAME;
pub use codec::ROW_LEN;
pub use range::{RangeOpener, covering, open_whole};
#[cfg(test)]
pub(crate) use seal::trailer_with_salts;
pub use seal::{ObjectKey, PartSealer, padding_len, trailer};
pub use suffix::{FOOTER_LEN, SUMMARY_LEN, Suffix, TRAILER_LEN, has_footer_magic, open_suffix, table_len};

/// Highest part number, and most parts of an object.
pub const MAX_PARTS: u16 = 10_000;

/// What the sealed SUMMARY and TABLE say: enough to answer HEAD and LIST and to find any plaintext byte. Holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Plaintext length in bytes.
    pub length: u64,
    /// The `ETag` that clients see.
    pub etag: ETag,
    /// The checksum of the whole object that clients see, if one was given at its writing.
    pub checksum: Option<Checksum>,
    /// How many parts, 1 to 10,000. An object written by one PUT has one.
    pub part_count: u16,
    /// Number of the first part: 1 for an object written by one PUT; a multipart upload may begin with any.
    pub first_number: u16,
    /// Salt and commitment of the first part's message.
    pub first_prefix: Prefix,
    /// The TABLE, in order; empty where `part_count` is 1, or where it was not read.
    pub parts: Vec<PartEntry>,
}

impl Facts {
    /// The `ETag` as clients see it, without quotes: 32 hexadecimal digits, and `-N` for a multipart or an opaque one.
    pub fn etag_string(&self) -> String {
        match self.etag {
            ETag::Md5(md5) | ETag::Received { md5, parts: 0 } => format!("{:032x}", u128::from_be_bytes(md5)),
            ETag::Multipart(md5) | ETag::Opaque(md5) => {
                format!("{:032x}-{}", u128::from_be_bytes(md5), self.part_count)
            }
            ETag::Received { md5, parts } => format!("{:032x}-{parts}", u128::from_be_bytes(md5)),
        }
    }

    /// Checks what must hold between the fields: lengths, numbers and prefixes of the parts against the whole.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.length > MAX_LENGTH {
            return Err(Error::TooLong);
        }
        if !(1..=MAX_PARTS).contains(&self.part_count) {
            return Err(Error::Inconsistent("part count is not 1 to 10,000"));
        }
        if !(1..=MAX_PARTS).contains(&self.first_number) {
            return Err(Error::Inconsistent("first part number is not 1 to 10,000"));
        }
        if self.part_count > 1 && matches!(self.etag, ETag::Md5(_)) {
            return Err(Error::Inconsistent("several parts, but the ETag of one"));
        }
        if let ETag::Received { parts, .. } = self.etag
            && (self.part_count != 1 || parts > MAX_PARTS)
        {
            return Err(Error::Inconsistent("the ETag of what was received, of parts that are stored"));
        }
        let Some(first) = self.parts.first() else {
            return Ok(());
        };
        if self.part_count == 1 || self.parts.len() != usize::from(self.part_count) {
            return Err(Error::Inconsistent("table has another number of parts"));
        }
        if first.number != self.first_number || first.prefix != self.first_prefix {
            return Err(Error::Inconsistent("table begins with another part"));
        }
        if !self.parts.is_sorted_by(|a, b| a.number < b.number) {
            return Err(Error::Inconsistent("part numbers do not ascend"));
        }
        let sum = self.parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.length));
        if sum != Some(self.length) {
            return Err(Error::Inconsistent("parts do not add up to the length"));
        }
        Ok(())
    }

    /// The parts in order as (number, plaintext length, prefix). Fails where there are several and the TABLE was not read.
    pub(crate) fn layout(&self) -> Result<impl Iterator<Item = (u16, u64, Prefix)> + '_, Error> {
        self.check()?;
        if self.part_count > 1 && self.parts.is_empty() {
            return Err(Error::Invalid("the part table was not read"));
        }
        let single = (self.part_count == 1).then_some((self.first_number, self.length, self.first_prefix));
        let table = self.parts.iter().map(|part| (part.number, part.length, part.prefix));
        Ok(single.into_iter().chain(table))
    }
}

/// Where the client's `ETag` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ETag {
    /// MD5 of the plaintext.
    Md5([u8; 16]),
    /// MD5 of the concatenated MD5s of the parts, shown with `-N`.
    Multipart([u8; 16]),
    /// Sixteen random bytes, shown with `-N` so that no client takes them for an MD5.
    Opaque([u8; 16]),
    /// Of what was received, where something else is stored: MD5 of it, or of the MD5s of the parts that it came in.
    Received {
        /// The MD5.
        md5: [u8; 16],
        /// Parts that it came in, shown as `-N`; 0: one PUT.
        parts: u16,
    },
}

impl ETag {
    /// Whether it is made of MD5s of parts, which a client tells from its `-N`.
    pub fn is_of_parts(self) -> bool {
        matches!(self, Self::Multipart(_) | Self::Received { parts: 1.., .. })
    }
}

/// One row of the TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartEntry {
    /// The part number that the client gave it, 1 to 10,000.
    pub number: u16,
    /// Plaintext length in bytes.
    pub length: u64,
    /// Salt and commitment of its message.
    pub prefix: Prefix,
    /// MD5 of its plaintext; sixteen random bytes under `etag = "opaque"`.
    pub md5: [u8; 16],
    /// Its checksum, if one was given.
    pub checksum: Option<Checksum>,
}

/// A checksum that S3 knows, by value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// Which algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// Of the bytes themselves, or of the parts' checksums.
    pub kind: ChecksumKind,
    /// The value in the first [`ChecksumAlgorithm::len`] bytes, big-endian for the CRCs; zero behind.
    pub value: [u8; 32],
}

impl Checksum {
    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.value[..self.algorithm.len()]
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}/{:?}({})", self.algorithm, self.kind, hex::encode(self.bytes()))
    }
}

/// The checksum algorithms of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32 = 1,
    /// CRC-32C (Castagnoli).
    Crc32c = 2,
    /// CRC-64/NVME.
    Crc64Nvme = 3,
    /// SHA-1.
    Sha1 = 4,
    /// SHA-256.
    Sha256 = 5,
}

impl ChecksumAlgorithm {
    /// Length of a value in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a checksum is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// What a whole object's checksum is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChecksumKind {
    /// The object's bytes.
    FullObject = 1,
    /// The concatenated checksums of its parts; shown with `-N`.
    Composite = 2,
}
