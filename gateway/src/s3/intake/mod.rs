//! The client's body: decoded as it comes, and verified before its end is told.

mod error;
mod headers;

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use keys::object::{Checksum, ChecksumAlgorithm};
use md5::{Digest as _, Md5};

pub use self::error::IntakeError;
use self::headers::{Coding, Declared, Integrity};
use super::Error;
use super::checksum::Hasher;
use super::chunked::{ChunkedError, Trailer};
use super::sigv4::{Authentication, SignatureError};
use crate::body::Body;

/// How to take a body in.
#[derive(Clone, Copy, Debug)]
pub struct IntakeOptions {
    /// Compute the MD5, for an `ETag`.
    pub md5: bool,
    /// Compute this checksum where the client gives none.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Longest plaintext, in bytes. A longer one is `EntityTooLarge`, at once where the length is declared.
    pub max_length: u64,
    /// Longest wait for the next bytes. After it the request ends in `RequestTimeout`.
    pub idle_timeout: Duration,
}

/// What was received. The digests are there once [`Intake::next`] has told the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Plaintext length in bytes.
    pub length: u64,
    /// MD5 of the plaintext, where it was computed.
    pub md5: Option<[u8; 16]>,
    /// The client's checksum, verified; else the one that the options ask for. Of the bytes themselves.
    pub checksum: Option<Checksum>,
}

/// The client's body. Holds one frame, a chunk's first line and a trailer, never more.
pub struct Intake {
    body: Body,
    /// Bytes that have come and are not yet decoded.
    pending: Bytes,
    coding: Coding,
    declared: Option<u64>,
    options: IntakeOptions,
    digests: Digests,
    integrity: Integrity,
    received: Received,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    Verified,
    /// Failed, so that no later call can tell the end as if all was well.
    Failed,
}

/// What is computed over the plaintext.
struct Digests {
    md5: Option<Md5>,
    checksum: Option<Hasher>,
    /// For `x-amz-content-sha256`; not where the checksum is a SHA-256 already.
    sha256: Option<digest::Context>,
}

impl Digests {
    fn update(&mut self, data: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(data);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(data);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(data);
        }
    }
}

impl Intake {
    /// Reads what the headers say of the body: length, coding, signature, Content-MD5 and checksum. `x-amz-*` parameters of
    /// a presigned query are headers already.
    pub fn new(headers: &HeaderMap, body: Body, auth: &Authentication, options: IntakeOptions) -> Result<Self, Error> {
        let Declared { length, coding, payload } = Declared::read(headers, auth)?;
        if length.is_some_and(|length| length > options.max_length) {
            return Err(IntakeError::TooLarge { max: options.max_length }.into());
        }
        let integrity = Integrity::read(headers, payload, matches!(coding, Coding::Chunked(_)))?;
        let algorithm = integrity.algorithm().or(options.checksum);
        let sha256 = integrity.sha256.is_some() && algorithm != Some(ChecksumAlgorithm::Sha256);
        Ok(Self {
            body,
            pending: Bytes::new(),
            coding,
            declared: length,
            options,
            digests: Digests {
                md5: (options.md5 || integrity.md5.is_some()).then(Md5::new),
                checksum: algorithm.map(Hasher::new),
                sha256: sha256.then(|| digest::Context::new(&digest::SHA256)),
            },
            integrity,
            received: Received::default(),
            stage: Stage::Reading,
        })
    }

    /// Of a plaintext that we opened ourselves: only its length vouches for it, where that is known.
    pub fn of_ours(body: Body, length: impl Into<Option<u64>>, options: IntakeOptions) -> Result<Self, Error> {
        let mut declared = HeaderMap::new();
        if let Some(length) = length.into() {
            declared.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(length));
        }
        Self::new(&declared, body, &Authentication::Anonymous, options)
    }

    /// Plaintext length in bytes, where it is declared: `x-amz-decoded-content-length` or `Content-Length`.
    pub fn length(&self) -> Option<u64> {
        self.declared
    }

    /// How it is taken in.
    pub fn options(&self) -> IntakeOptions {
        self.options
    }

    /// The checksum that is computed: the client's, else the one that the options ask for.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.integrity.algorithm().or(self.options.checksum)
    }

    /// What was received; so far, until [`Intake::next`] has told the end.
    pub fn received(&self) -> Received {
        self.received
    }

    /// The next plaintext, never empty.
    ///
    /// `Ok(None)` is told only once everything holds that vouches for the body: its length, the signatures of its chunks,
    /// `x-amz-content-sha256`, Content-MD5 and the checksum in header or trailer. After an error there is nothing but errors.
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.stage {
            Stage::Verified => return Ok(None),
            Stage::Failed => return Err(IntakeError::Failed.into()),
            Stage::Reading => {}
        }
        let result = self.read().await;
        match result {
            Ok(Some(_)) => {}
            Ok(None) => self.stage = Stage::Verified,
            Err(_) => self.stage = Stage::Failed,
        }
        result
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(data) = self.coding.decode(&mut self.pending).map_err(IntakeError::Chunked)? {
                self.take(&data)?;
                return Ok(Some(data));
            }
            let frame = tokio::time::timeout(self.options.idle_timeout, self.body.frame());
            match frame.await.map_err(|_| IntakeError::Timeout)? {
                None => {
                    self.verify()?;
                    return Ok(None);
                }
                // HTTP's own trailers say nothing in S3.
                Some(Ok(frame)) => self.pending = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    return Err(match error.downcast::<Error>() {
                        Ok(ours) => *ours,
                        Err(error) => IntakeError::Broken(error).into(),
                    });
                }
            }
        }
    }

    fn take(&mut self, data: &Bytes) -> Result<(), IntakeError> {
        let length = self.received.length.saturating_add(data.len() as u64);
        if let Some(declared) = self.declared
            && length > declared
        {
            return Err(IntakeError::Length { declared });
        }
        if length > self.options.max_length {
            return Err(IntakeError::TooLarge { max: self.options.max_length });
        }
        self.received.length = length;
        self.digests.update(data);
        Ok(())
    }

    fn verify(&mut self) -> Result<(), Error> {
        let trailer = match std::mem::replace(&mut self.coding, Coding::Plain) {
            Coding::Plain => Trailer::new(),
            Coding::Chunked(decoder) => decoder.finish().map_err(IntakeError::Chunked)?,
        };
        if let Some(declared) = self.declared
            && self.received.length != declared
        {
            return Err(IntakeError::Length { declared }.into());
        }
        let checksum = self.digests.checksum.take().map(Hasher::finish);
        if let Some(expected) = self.integrity.sha256 {
            let hash = self.digests.sha256.take().map(digest::Context::finish);
            let computed = match (&hash, &checksum) {
                (Some(hash), _) => hash.as_ref(),
                (None, Some(checksum)) => checksum.bytes(),
                (None, None) => &[],
            };
            if constant_time::verify_slices_are_equal(computed, &expected).is_err() {
                return Err(SignatureError::ContentSha256Mismatch.into());
            }
        }
        let md5: Option<[u8; 16]> = self.digests.md5.take().map(|md5| md5.finalize().into());
        if self.integrity.md5.is_some() && self.integrity.md5 != md5 {
            return Err(IntakeError::Md5Mismatch.into());
        }
        let expected = self.integrity.checksum(&trailer)?;
        if let Some(expected) = expected
            && checksum != Some(expected)
        {
            return Err(IntakeError::ChecksumMismatch(expected.algorithm).into());
        }
        self.received.md5 = md5;
        self.received.checksum = checksum;
        Ok(())
    }
}

impl Coding {
    fn decode(&mut self, pending: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        match self {
            Self::Plain => Ok((!pending.is_empty()).then(|| std::mem::take(pending))),
            Self::Chunked(decoder) => decoder.decode(pending),
        }
    }
}

#[cfg(test)]
mod tests;
