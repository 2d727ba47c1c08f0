//! What the headers say of a body.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use keys::object::{Checksum, ChecksumAlgorithm};

use super::IntakeError;
use crate::s3::Error;
use crate::s3::checksum::{self, ChecksumError};
use crate::s3::chunked::{ChunkedError, Decoder, Framing, Trailer};
use crate::s3::sigv4::{Authentication, PayloadHash, SignatureError};

const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// How the plaintext is wrapped.
pub enum Coding {
    /// Not at all.
    Plain,
    /// In aws-chunked.
    Chunked(Box<Decoder>),
}

/// Length and coding of a body.
pub struct Declared {
    pub length: Option<u64>,
    pub coding: Coding,
    pub payload: PayloadHash,
}

impl Declared {
    pub fn read(headers: &HeaderMap, auth: &Authentication) -> Result<Self, Error> {
        let (payload, signer) = match auth {
            Authentication::Signed(verified) => (verified.payload, verified.chunks.as_ref()),
            Authentication::Anonymous => (PayloadHash::from_headers(headers)?.unwrap_or(PayloadHash::Unsigned), None),
        };
        let decoded_length = length(headers, DECODED_LENGTH)?;
        let framing = match payload {
            PayloadHash::StreamingSigned { trailer } => {
                // Chunks are signed by the request's own signature: without one there is nothing to verify them by.
                let signer = signer.ok_or(SignatureError::InvalidContentSha256)?;
                Some(Framing::Signed { signer: Box::new(signer.clone()), trailer })
            }
            PayloadHash::StreamingUnsignedTrailer => Some(Framing::Unsigned),
            // Signature Version 2 and presigned URLs have no payload hash to say so.
            PayloadHash::Unsigned if decoded_length.is_some() && is_aws_chunked(headers) => Some(Framing::Unsigned),
            PayloadHash::Unsigned | PayloadHash::Sha256(_) => None,
        };
        Ok(match framing {
            None => Self { length: length(headers, CONTENT_LENGTH.as_str())?, coding: Coding::Plain, payload },
            Some(framing) => {
                let declared = decoded_length.ok_or(IntakeError::MissingLength)?;
                Self {
                    length: Some(declared),
                    coding: Coding::Chunked(Box::new(Decoder::new(framing, declared))),
                    payload,
                }
            }
        })
    }
}

fn is_aws_chunked(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
}

/// A length in bytes: digits, nothing else, once.
fn length(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, IntakeError> {
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    value
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(IntakeError::InvalidLength(name))
}

/// What the client gives to verify the body by.
#[derive(Debug)]
pub struct Integrity {
    /// Content-MD5.
    pub md5: Option<[u8; 16]>,
    /// `x-amz-content-sha256`.
    pub sha256: Option<[u8; 32]>,
    promise: Promise,
}

/// Where the checksum is.
#[derive(Debug, PartialEq, Eq)]
enum Promise {
    None,
    Header(Checksum),
    Trailer(ChecksumAlgorithm),
}

impl Integrity {
    pub fn read(headers: &HeaderMap, payload: PayloadHash, chunked: bool) -> Result<Self, IntakeError> {
        let promise = match (checksum::from_headers(headers)?, announced(headers)?) {
            (None, None) => Promise::None,
            (Some(checksum), None) => Promise::Header(checksum),
            (None, Some(algorithm)) if chunked => Promise::Trailer(algorithm),
            (None, Some(_)) => return Err(IntakeError::TrailerHeader),
            (Some(_), Some(_)) => return Err(ChecksumError::Several.into()),
        };
        let integrity = Self {
            md5: content_md5(headers)?,
            sha256: match payload {
                PayloadHash::Sha256(hash) => Some(hash),
                _ => None,
            },
            promise,
        };
        if let Some(name) = headers.get("x-amz-sdk-checksum-algorithm") {
            let named = checksum::parse_algorithm(&String::from_utf8_lossy(name.as_bytes()))?;
            match integrity.algorithm() {
                None => return Err(IntakeError::NoChecksum),
                Some(algorithm) if algorithm != named => return Err(IntakeError::OtherAlgorithm),
                Some(_) => {}
            }
        }
        Ok(integrity)
    }

    /// Of the client's checksum.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match &self.promise {
            Promise::None => None,
            Promise::Header(checksum) => Some(checksum.algorithm),
            Promise::Trailer(algorithm) => Some(*algorithm),
        }
    }

    /// The client's checksum. A trailer holds what was announced, and nothing else.
    pub fn checksum(&self, trailer: &Trailer) -> Result<Option<Checksum>, IntakeError> {
        let malformed = |what| Err(ChunkedError::Trailer(what).into());
        match (&self.promise, trailer.as_slice()) {
            (Promise::None, []) => Ok(None),
            (Promise::Header(checksum), []) => Ok(Some(*checksum)),
            (Promise::Trailer(algorithm), [(name, value)]) if checksum::header_name(*algorithm) == name.as_str() => {
                Ok(Some(checksum::parse(*algorithm, value)?))
            }
            (Promise::Trailer(_), []) => malformed("it lacks the checksum that x-amz-trailer announces"),
            _ => malformed("it holds what x-amz-trailer does not announce"),
        }
    }
}

/// The algorithm of the checksum that `x-amz-trailer` announces.
fn announced(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, IntakeError> {
    let mut values = headers.get_all("x-amz-trailer").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(|name| checksum::algorithm_of_header(name.trim()))
            .map(Some)
            .ok_or(IntakeError::TrailerHeader),
        (Some(_), Some(_)) => Err(IntakeError::TrailerHeader),
    }
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, IntakeError> {
    let mut values = headers.get_all("content-md5").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value.len() <= 32 => BASE64_STANDARD
            .decode(value.as_bytes().trim_ascii())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Some)
            .ok_or(IntakeError::InvalidDigest),
        (Some(_), _) => Err(IntakeError::InvalidDigest),
    }
}
