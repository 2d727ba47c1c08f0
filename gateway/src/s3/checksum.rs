//! The checksums of S3: names, text, computation and combination.
//!
//! Source: Amazon S3 User Guide, "Checking object integrity".

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crc_fast::CrcAlgorithm;
use http::{HeaderMap, HeaderName};
use keys::object::{Checksum, ChecksumAlgorithm, ChecksumKind};
use s3s::S3ErrorCode;

/// All of them.
pub const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// Most parts of an object.
const MAX_PARTS: u32 = 10_000;

/// Headers that begin as a checksum's do, and hold none.
const NOT_VALUES: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// Why a checksum cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Not base64 of the algorithm's length.
    #[error("the value of {} is not valid", header_name(*.0))]
    Value(ChecksumAlgorithm),
    /// More than one checksum.
    #[error("more than one checksum")]
    Several,
    /// An algorithm that the gateway cannot verify.
    #[error("unknown checksum algorithm {0:?}")]
    Algorithm(String),
}

impl ChecksumError {
    /// S3 code and text for the client.
    pub fn s3(&self) -> (S3ErrorCode, String) {
        let message = match self {
            Self::Value(algorithm) => format!("Value for {} header is invalid.", header_name(*algorithm)),
            Self::Several => {
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.".to_owned()
            }
            Self::Algorithm(name) => format!(
                "Checksum algorithm provided is unsupported: {name}. Please try again with any of the valid types: \
                 [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
            ),
        };
        // S3's own says InvalidRequest of such a value as well; ceph/s3-tests wants what is said of one that is wrong.
        let code = if let Self::Value(_) = self { S3ErrorCode::BadDigest } else { S3ErrorCode::InvalidRequest };
        (code, message)
    }
}

/// The header and trailer that carries a value: `x-amz-checksum-crc32`.
pub const fn header_name(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    })
}

/// The algorithm whose values a header or trailer of this name carries, in any case.
pub fn algorithm_of_header(name: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|a| header_name(*a).as_str().eq_ignore_ascii_case(name))
}

/// The name in XML and in `x-amz-checksum-algorithm`: `CRC32`. The XML element of a value is `Checksum` and this.
pub const fn algorithm_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
    }
}

/// The algorithm of a name, in any case.
pub fn parse_algorithm(name: &str) -> Result<ChecksumAlgorithm, ChecksumError> {
    ALGORITHMS
        .into_iter()
        .find(|a| algorithm_name(*a).eq_ignore_ascii_case(name))
        .ok_or_else(|| ChecksumError::Algorithm(name.to_owned()))
}

/// `FULL_OBJECT` or `COMPOSITE`, as in `x-amz-checksum-type`.
pub const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The kind of a name.
pub fn parse_kind(name: &str) -> Option<ChecksumKind> {
    [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(|k| kind_name(*k) == name)
}

/// Reads base64 of bytes' own checksum.
pub fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Result<Checksum, ChecksumError> {
    // Bounds what is decoded: no value is longer than 44 characters.
    let bytes = (text.len() <= 44)
        .then(|| BASE64_STANDARD.decode(text).ok())
        .flatten()
        .filter(|bytes| bytes.len() == algorithm.len())
        .ok_or(ChecksumError::Value(algorithm))?;
    Ok(of_bytes(algorithm, ChecksumKind::FullObject, &bytes))
}

/// Reads the checksum of an object: base64, and `-N` behind a composite one, which gives N.
pub fn parse_object(algorithm: ChecksumAlgorithm, text: &str) -> Result<(Checksum, Option<u32>), ChecksumError> {
    let Some((value, parts)) = text.rsplit_once('-') else {
        return Ok((parse(algorithm, text)?, None));
    };
    let parts: u32 = parts
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| parts.parse().ok())
        .flatten()
        .filter(|n| (1..=MAX_PARTS).contains(n))
        .ok_or(ChecksumError::Value(algorithm))?;
    let checksum = Checksum { kind: ChecksumKind::Composite, ..parse(algorithm, value)? };
    Ok((checksum, Some(parts)))
}

/// Base64 as clients see it, with `-N` behind a composite one of `parts` parts.
pub fn to_text(checksum: &Checksum, parts: u32) -> String {
    let mut text = BASE64_STANDARD.encode(checksum.bytes());
    if checksum.kind == ChecksumKind::Composite {
        text.push('-');
        text.push_str(&parts.to_string());
    }
    text
}

/// Reads the one `x-amz-checksum-*` header that carries a value of the bytes themselves.
pub fn from_headers(headers: &HeaderMap) -> Result<Option<Checksum>, ChecksumError> {
    let Some((algorithm, text)) = header_value(headers)? else {
        return Ok(None);
    };
    parse(algorithm, text).map(Some)
}

/// Algorithm and text of the one `x-amz-checksum-*` header that carries a value. On Complete it is an object's, for
/// [`parse_object`].
pub fn header_value(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, &str)>, ChecksumError> {
    let mut found = None;
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with("x-amz-checksum-") || NOT_VALUES.contains(&name) {
            continue;
        }
        let algorithm = algorithm_of_header(name)
            .ok_or_else(|| ChecksumError::Algorithm(name.trim_start_matches("x-amz-checksum-").to_ascii_uppercase()))?;
        let text = value.to_str().map_err(|_| ChecksumError::Value(algorithm))?.trim();
        if found.replace((algorithm, text)).is_some() {
            return Err(ChecksumError::Several);
        }
    }
    Ok(found)
}

/// Computes a checksum as bytes pass.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    Sha(ChecksumAlgorithm, digest::Context),
}

impl Hasher {
    /// Of no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        Self(match algorithm {
            ChecksumAlgorithm::Sha1 => State::Sha(algorithm, digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            ChecksumAlgorithm::Sha256 => State::Sha(algorithm, digest::Context::new(&digest::SHA256)),
            ChecksumAlgorithm::Crc32 => State::crc(algorithm, CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => State::crc(algorithm, CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => State::crc(algorithm, CrcAlgorithm::Crc64Nvme),
        })
    }

    /// Takes more bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Crc(_, digest) => digest.update(data),
            State::Sha(_, context) => context.update(data),
        }
    }

    /// The checksum of all bytes taken.
    pub fn finish(self) -> Checksum {
        match self.0 {
            State::Crc(algorithm, digest) => of_crc(algorithm, digest.finalize()),
            State::Sha(algorithm, context) => of_bytes(algorithm, ChecksumKind::FullObject, context.finish().as_ref()),
        }
    }
}

impl State {
    fn crc(algorithm: ChecksumAlgorithm, crc: CrcAlgorithm) -> Self {
        Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc)))
    }
}

/// The checksum of bytes in memory.
pub fn checksum(algorithm: ChecksumAlgorithm, data: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(data);
    hasher.finish()
}

/// The checksum of the whole object out of those of its parts, in order, with their plaintext lengths in bytes. `None` for
/// no part, for a SHA, which cannot be combined, and for parts of several algorithms.
pub fn full_object(parts: impl IntoIterator<Item = (Checksum, u64)>) -> Option<Checksum> {
    let mut parts = parts.into_iter();
    let (first, _) = parts.next()?;
    let crc = crc_algorithm(first.algorithm)?;
    let whole = parts.try_fold(crc_value(&first), |whole, (part, length)| {
        (part.algorithm == first.algorithm).then(|| crc_fast::checksum_combine(crc, whole, crc_value(&part), length))
    })?;
    Some(of_crc(first.algorithm, whole))
}

/// The checksum of the concatenated checksums of the parts, in order. `None` for no part, for CRC-64/NVME, of which S3
/// knows no composite, and for parts of several algorithms.
pub fn composite(parts: impl IntoIterator<Item = Checksum>) -> Option<Checksum> {
    let mut parts = parts.into_iter();
    let first = parts.next()?;
    if first.algorithm == ChecksumAlgorithm::Crc64Nvme {
        return None;
    }
    let mut hasher = Hasher::new(first.algorithm);
    hasher.update(first.bytes());
    for part in parts {
        if part.algorithm != first.algorithm {
            return None;
        }
        hasher.update(part.bytes());
    }
    Some(Checksum { kind: ChecksumKind::Composite, ..hasher.finish() })
}

fn crc_algorithm(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// A CRC as a number.
fn crc_value(checksum: &Checksum) -> u64 {
    checksum.bytes().iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn of_crc(algorithm: ChecksumAlgorithm, value: u64) -> Checksum {
    of_bytes(algorithm, ChecksumKind::FullObject, &value.to_be_bytes()[8 - algorithm.len()..])
}

/// `bytes` has the algorithm's length.
fn of_bytes(algorithm: ChecksumAlgorithm, kind: ChecksumKind, bytes: &[u8]) -> Checksum {
    let mut value = [0; 32];
    value[..algorithm.len()].copy_from_slice(bytes);
    Checksum { algorithm, kind, value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            assert_eq!(hex::encode(checksum(algorithm, b"123456789").bytes()), expected);
        }
    }

    #[test]
    fn names_go_both_ways() {
        for algorithm in ALGORITHMS {
            assert_eq!(algorithm_of_header(header_name(algorithm).as_str()), Some(algorithm));
            assert_eq!(parse_algorithm(algorithm_name(algorithm)), Ok(algorithm));
        }
        assert_eq!(parse_kind("COMPOSITE"), Some(ChecksumKind::Composite));
        assert!(parse_algorithm("MD4").is_err());
    }

    #[test]
    fn only_the_right_length_is_a_value() {
        let crc = ChecksumAlgorithm::Crc32;
        assert!(parse(crc, "AAAAAA==").is_ok());
        for wrong in ["", "AAAA", "AAAAAAA=", "AAAAAA", "!", "AAAAAA==-1", &"A".repeat(4096)] {
            assert_eq!(parse(crc, wrong), Err(ChecksumError::Value(crc)), "{wrong}");
        }
        assert_eq!(parse_object(crc, "AAAAAA==-17").unwrap().1, Some(17));
        for wrong in ["AAAAAA==-", "AAAAAA==-0", "AAAAAA==-10001", "AAAAAA==-+1", "AAAAAA==--1"] {
            assert!(parse_object(crc, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_header_at_most() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-type", "FULL_OBJECT".parse().unwrap());
        assert_eq!(from_headers(&headers), Ok(None));
        headers.insert("x-amz-checksum-crc32", "AAAAAA==".parse().unwrap());
        assert!(from_headers(&headers).unwrap().is_some());
        headers.append("x-amz-checksum-crc32", "AAAAAA==".parse().unwrap());
        assert_eq!(from_headers(&headers), Err(ChecksumError::Several));
        headers.remove("x-amz-checksum-crc32");
        headers.insert("x-amz-checksum-xxhash3", "AAAAAA==".parse().unwrap());
        assert_eq!(from_headers(&headers), Err(ChecksumError::Algorithm("XXHASH3".to_owned())));
    }

    #[test]
    fn what_cannot_be_combined_is_not() {
        let sha = checksum(ChecksumAlgorithm::Sha256, b"a");
        let crc = checksum(ChecksumAlgorithm::Crc32, b"a");
        assert_eq!(full_object([(sha, 1)]), None);
        assert_eq!(full_object([(crc, 1), (sha, 1)]), None);
        assert_eq!(full_object([]), None);
        assert_eq!(composite([crc, sha]), None);
        assert_eq!(composite([checksum(ChecksumAlgorithm::Crc64Nvme, b"a")]), None);
    }

    proptest! {
        #[test]
        fn parts_combine_to_the_whole(parts: Vec<Vec<u8>>) {
            prop_assume!(!parts.is_empty());
            let whole = parts.concat();
            for algorithm in &ALGORITHMS[..3] {
                let of_parts = parts.iter().map(|p| (checksum(*algorithm, p), p.len() as u64));
                prop_assert_eq!(full_object(of_parts), Some(checksum(*algorithm, &whole)));
            }
            let sums: Vec<_> = parts.iter().map(|p| checksum(ChecksumAlgorithm::Sha1, p)).collect();
            let joined: Vec<u8> = sums.iter().flat_map(|c| c.bytes().to_vec()).collect();
            let expected = checksum(ChecksumAlgorithm::Sha1, &joined);
            let computed = composite(sums).unwrap();
            prop_assert_eq!(computed.bytes(), expected.bytes());
        }

        #[test]
        fn text_goes_both_ways(data: Vec<u8>, parts in 1u32..=10_000) {
            for algorithm in ALGORITHMS {
                let sum = checksum(algorithm, &data);
                prop_assert_eq!(parse(algorithm, &to_text(&sum, parts)), Ok(sum));
                let sum = Checksum { kind: ChecksumKind::Composite, ..sum };
                prop_assert_eq!(parse_object(algorithm, &to_text(&sum, parts)), Ok((sum, Some(parts))));
            }
        }
    }
}
