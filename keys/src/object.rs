//! What a sealed object says of itself.

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
    /// Salt and commitment of the first part's message.
    pub first_prefix: Prefix,
    /// The TABLE, in order; empty where `part_count` is 1, or where it was not read.
    pub parts: Vec<PartEntry>,
}

impl Facts {
    /// The `ETag` as clients see it, without quotes: 32 hexadecimal digits, and `-N` for a multipart or an opaque one.
    pub fn etag_string(&self) -> String {
        match self.etag {
            ETag::Md5(md5) => hex::encode(md5),
            ETag::Multipart(md5) | ETag::Opaque(md5) => {
                format!("{}-{}", hex::encode(md5), self.part_count)
            }
        }
    }
}

/// Salt (24 bytes) and key commitment (32 bytes) at the start of a Cobblestone message.
pub type Prefix = [u8; 56];

/// Where the client's `ETag` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ETag {
    /// MD5 of the plaintext.
    Md5([u8; 16]),
    /// MD5 of the concatenated MD5s of the parts, shown with `-N`.
    Multipart([u8; 16]),
    /// Sixteen random bytes, shown with `-N` so that no client takes them for an MD5.
    Opaque([u8; 16]),
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
        write!(
            f,
            "{:?}/{:?}({})",
            self.algorithm,
            self.kind,
            hex::encode(self.bytes())
        )
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
