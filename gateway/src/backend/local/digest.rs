//! MD5 and the S3 checksums of a body, and those of a multipart upload from its parts.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use crc_fast::CrcAlgorithm;
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3Result, dto, s3_error};

/// An S3 checksum algorithm (`x-amz-checksum-*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name that S3 gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// By that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Its header.
    pub fn header(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        })
    }

    /// The checksum that a Complete claims, by its header.
    pub fn claimed(headers: &HeaderMap) -> Option<(Self, String)> {
        Self::ALL.into_iter().find_map(|algorithm| {
            let value = headers.get(algorithm.header())?.to_str().ok()?;
            Some((algorithm, value.to_owned()))
        })
    }

    fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Self::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Self::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Self::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
        hasher
    }
}

/// A checksum that is kept with an object or a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Which one.
    pub algorithm: Algorithm,
    /// Over checksums of parts (`COMPOSITE`), not over the bytes (`FULL_OBJECT`).
    pub composite: bool,
    /// Base64, followed by `-N` where composite.
    pub value: String,
}

impl Checksum {
    /// As kept in the index: `CRC32 FULL_OBJECT base64`.
    pub fn to_column(&self) -> String {
        format!("{} {} {}", self.algorithm.name(), self.kind(), self.value)
    }

    /// From the index. None where it was written by a version that knew more.
    pub fn from_column(column: &str) -> Option<Self> {
        let mut words = column.splitn(3, ' ');
        Some(Self {
            algorithm: Algorithm::named(words.next()?)?,
            composite: words.next()? == "COMPOSITE",
            value: words.next()?.to_owned(),
        })
    }

    /// `COMPOSITE` or `FULL_OBJECT`.
    pub fn kind(&self) -> &'static str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    /// As response headers.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.value) {
            headers.insert(self.algorithm.header(), value);
            headers.insert("x-amz-checksum-type", HeaderValue::from_static(self.kind()));
        }
    }

    /// As the elements of an XML answer.
    pub fn to_dto(&self) -> dto::Checksum {
        let mut out = dto::Checksum { checksum_type: Some(self.kind().to_owned().into()), ..Default::default() };
        let field = match self.algorithm {
            Algorithm::Crc32 => &mut out.checksum_crc32,
            Algorithm::Crc32c => &mut out.checksum_crc32c,
            Algorithm::Crc64Nvme => &mut out.checksum_crc64nvme,
            Algorithm::Sha1 => &mut out.checksum_sha1,
            Algorithm::Sha256 => &mut out.checksum_sha256,
        };
        *field = Some(self.value.clone());
        out
    }
}

/// A type of `s3s` with the values of a checksum in it: the types have no trait in common.
macro_rules! with_sums {
    ($sums:ident, $type:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let mut out = $type { $($field: $value,)* ..$type::default() };
        out.checksum_crc32 = $sums.checksum_crc32;
        out.checksum_crc32c = $sums.checksum_crc32c;
        out.checksum_crc64nvme = $sums.checksum_crc64nvme;
        out.checksum_sha1 = $sums.checksum_sha1;
        out.checksum_sha256 = $sums.checksum_sha256;
        out
    }};
}
pub(super) use with_sums;

/// What a client says of its body.
#[derive(Debug, Default)]
pub struct Claims {
    md5: Option<[u8; 16]>,
    algorithm: Option<Algorithm>,
    value: Option<String>,
}

impl Claims {
    /// Content-MD5, `x-amz-checksum-*`, and the algorithm announced for a trailer. `upload`: what the multipart upload
    /// of the part asked for.
    pub fn read(headers: &HeaderMap, upload: Option<Algorithm>) -> S3Result<Self> {
        let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let md5 = match headers.get("content-md5") {
            None => None,
            Some(value) => Some(
                BASE64
                    .decode(value.as_bytes())
                    .ok()
                    .and_then(|v| v.try_into().ok())
                    .ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?,
            ),
        };
        let given: Vec<_> =
            Algorithm::ALL.into_iter().filter_map(|a| text(&a.header()).map(|value| (a, value.to_owned()))).collect();
        if given.len() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        if let Some((algorithm, value)) = given.into_iter().next() {
            return Ok(Self { md5, algorithm: Some(algorithm), value: Some(value) });
        }
        let trailer = text(&HeaderName::from_static("x-amz-trailer"))
            .and_then(|name| name.trim().strip_prefix("x-amz-checksum-"));
        let announced = trailer.or_else(|| text(&HeaderName::from_static("x-amz-sdk-checksum-algorithm")));
        Ok(Self { md5, algorithm: announced.and_then(Algorithm::named).or(upload), value: None })
    }

    /// Digests to be run over the body. `md5`: the `ETag` is one.
    pub fn digests(&self, md5: bool) -> Digests {
        Digests { md5: (md5 || self.md5.is_some()).then(Md5::new), checksum: self.algorithm.map(|a| (a, a.hasher())) }
    }

    /// Compares what the client said, in headers and in trailers, with what arrived.
    pub fn verify(&self, sums: &Sums, trailers: &HeaderMap) -> S3Result<()> {
        if self.md5.is_some() && self.md5 != sums.md5 {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        let Some(actual) = &sums.checksum else {
            return Ok(());
        };
        let trailed = trailers.get(actual.algorithm.header()).and_then(|v| v.to_str().ok());
        for claimed in [self.value.as_deref(), trailed].into_iter().flatten() {
            if claimed != actual.value {
                return Err(s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    actual.algorithm.name()
                ));
            }
        }
        Ok(())
    }
}

/// Digests being run over a body.
pub struct Digests {
    md5: Option<Md5>,
    checksum: Option<(Algorithm, ChecksumHasher)>,
}

impl Digests {
    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            Digest::update(md5, bytes);
        }
        if let Some((_, checksum)) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    /// No more bytes.
    pub fn finish(self) -> Sums {
        Sums {
            md5: self.md5.map(|md5| md5.finalize().into()),
            checksum: self.checksum.and_then(|(algorithm, hasher)| {
                let sums = hasher.finalize();
                let value = match algorithm {
                    Algorithm::Crc32 => sums.checksum_crc32,
                    Algorithm::Crc32c => sums.checksum_crc32c,
                    Algorithm::Crc64Nvme => sums.checksum_crc64nvme,
                    Algorithm::Sha1 => sums.checksum_sha1,
                    Algorithm::Sha256 => sums.checksum_sha256,
                }?;
                Some(Checksum { algorithm, composite: false, value })
            }),
        }
    }
}

/// The digests of a body.
#[derive(Debug, Default)]
pub struct Sums {
    /// MD5, where it was asked for.
    pub md5: Option<[u8; 16]>,
    /// The checksum that was asked for.
    pub checksum: Option<Checksum>,
}

/// The checksum of a multipart object from those of its parts and their sizes. `composite` none: what S3 takes by default,
/// the whole object's for CRC64NVME and a composite one for the others. None where a part has no such checksum.
pub fn of_parts(algorithm: Algorithm, composite: Option<bool>, parts: &[(Option<Checksum>, i64)]) -> Option<Checksum> {
    let composite = composite.unwrap_or(algorithm != Algorithm::Crc64Nvme);
    let mut raw = Vec::with_capacity(parts.len());
    for (checksum, size) in parts {
        let checksum = checksum.as_ref().filter(|c| c.algorithm == algorithm)?;
        raw.push((BASE64.decode(&checksum.value).ok()?, size.cast_unsigned()));
    }
    let value = if composite {
        let mut digests = Digests { md5: None, checksum: Some((algorithm, algorithm.hasher())) };
        for (bytes, _) in &raw {
            digests.update(bytes);
        }
        format!("{}-{}", digests.finish().checksum?.value, parts.len())
    } else {
        let (crc, width) = algorithm.crc()?;
        let mut whole = 0;
        for (bytes, size) in raw {
            let part = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            whole = crc_fast::checksum_combine(crc, whole, part, size);
        }
        BASE64.encode(&whole.to_be_bytes()[8 - width..])
    };
    Some(Checksum { algorithm, composite, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut digests = Digests { md5: None, checksum: Some((algorithm, algorithm.hasher())) };
        digests.update(bytes);
        digests.finish().checksum.expect("asked for")
    }

    #[test]
    fn a_full_object_checksum_is_that_of_the_bytes() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts = [
                (Some(sum(algorithm, b"hello, ")), 7),
                (Some(sum(algorithm, b"")), 0),
                (Some(sum(algorithm, b"world")), 5),
            ];
            let whole = of_parts(algorithm, Some(false), &parts).expect("a CRC combines");
            assert_eq!(whole, sum(algorithm, b"hello, world"));
        }
        assert_eq!(of_parts(Algorithm::Sha1, Some(false), &[]), None);
    }

    #[test]
    fn a_composite_checksum_is_that_of_the_checksums() {
        let one = sum(Algorithm::Sha256, b"a");
        let two = sum(Algorithm::Sha256, b"b");
        let mut raw = BASE64.decode(&one.value).expect("base64");
        raw.extend(BASE64.decode(&two.value).expect("base64"));
        let whole = of_parts(Algorithm::Sha256, None, &[(Some(one), 1), (Some(two), 1)]);
        assert_eq!(whole.expect("both parts have one").value, format!("{}-2", sum(Algorithm::Sha256, &raw).value));
        assert_eq!(of_parts(Algorithm::Sha256, None, &[(None, 1)]), None);
    }

    #[test]
    fn a_column_reads_back() {
        let checksum = sum(Algorithm::Crc64Nvme, b"x");
        assert_eq!(Checksum::from_column(&checksum.to_column()), Some(checksum));
        assert_eq!(Checksum::from_column("XXH3 FULL_OBJECT x"), None);
    }
}
