//! Why a body is refused, and what S3 says then.

use std::borrow::Cow;

use http::StatusCode;
use keys::object::ChecksumAlgorithm;
use s3s::S3ErrorCode;

use crate::body::BoxError;
use crate::s3::checksum::{ChecksumError, algorithm_name};
use crate::s3::chunked::ChunkedError;

/// Why a client's body is refused.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Content-MD5 is not base64 of 16 bytes.
    #[error("Content-MD5 is not valid")]
    InvalidDigest,
    /// A length is not a number.
    #[error("{0} is not valid")]
    InvalidLength(&'static str),
    /// An aws-chunked body without its plaintext length.
    #[error("x-amz-decoded-content-length is missing")]
    MissingLength,
    /// Longer than may be.
    #[error("the body is longer than {max} bytes")]
    TooLarge {
        /// The bound in bytes.
        max: u64,
    },
    /// Not as long as declared.
    #[error("the body does not have the declared {declared} bytes")]
    Length {
        /// Declared plaintext length in bytes.
        declared: u64,
    },
    /// No byte for too long.
    #[error("the client sent nothing for too long")]
    Timeout,
    /// The connection to the client broke.
    #[error("the client's body broke off")]
    Broken(#[source] BoxError),
    /// Content-MD5 is that of other bytes.
    #[error("Content-MD5 does not match")]
    Md5Mismatch,
    /// The checksum is that of other bytes.
    #[error("the {} checksum does not match", algorithm_name(*.0))]
    ChecksumMismatch(ChecksumAlgorithm),
    /// A checksum cannot be read.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// `x-amz-sdk-checksum-algorithm`, and no checksum.
    #[error("x-amz-sdk-checksum-algorithm without a checksum")]
    NoChecksum,
    /// `x-amz-sdk-checksum-algorithm`, and a checksum of another algorithm.
    #[error("x-amz-sdk-checksum-algorithm does not fit the checksum")]
    OtherAlgorithm,
    /// `x-amz-trailer` announces something that is not a checksum, or on a body that has no trailer.
    #[error("x-amz-trailer is not valid")]
    TrailerHeader,
    /// The chunks are wrong.
    #[error(transparent)]
    Chunked(#[from] ChunkedError),
    /// An earlier error was passed over.
    #[error("the body has failed before")]
    Failed,
}

impl IntakeError {
    /// S3 code, status and text for the client.
    pub fn s3(&self) -> (S3ErrorCode, StatusCode, Cow<'_, str>) {
        let (code, message): (_, Cow<'_, str>) = match self {
            Self::InvalidDigest => (
                S3ErrorCode::InvalidDigest,
                "The Content-MD5 you specified is not valid. It is the base64 of 16 bytes.".into(),
            ),
            Self::InvalidLength(header) => (
                S3ErrorCode::InvalidArgument,
                format!("{header} must be a number of bytes.").into(),
            ),
            Self::MissingLength => (
                S3ErrorCode::MissingContentLength,
                "You must provide the x-amz-decoded-content-length HTTP header with an aws-chunked body.".into(),
            ),
            Self::TooLarge { max } => (
                S3ErrorCode::EntityTooLarge,
                format!("Your proposed upload exceeds the maximum allowed size, {max} bytes.").into(),
            ),
            Self::Length { declared } => (
                S3ErrorCode::IncompleteBody,
                format!("You did not provide the number of bytes specified by the Content-Length HTTP header, {declared}. Nothing was stored; send it again.").into(),
            ),
            Self::Timeout => (
                S3ErrorCode::RequestTimeout,
                "Your socket connection to the server was not read from or written to within the timeout period. Nothing was stored; send it again."
                    .into(),
            ),
            Self::Broken(_) | Self::Failed => (
                S3ErrorCode::IncompleteBody,
                "The request body terminated unexpectedly. Nothing was stored; send it again.".into(),
            ),
            Self::Md5Mismatch => (
                S3ErrorCode::BadDigest,
                "The Content-MD5 you specified did not match what we received. Nothing was stored; send it again.".into(),
            ),
            Self::ChecksumMismatch(algorithm) => (
                S3ErrorCode::BadDigest,
                format!("The {} you specified did not match the calculated checksum. Nothing was stored; send it again.", algorithm_name(*algorithm)).into(),
            ),
            Self::Checksum(error) => {
                let (code, message) = error.s3();
                (code, message.into())
            }
            Self::NoChecksum => (
                S3ErrorCode::InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.".into(),
            ),
            Self::OtherAlgorithm => (
                S3ErrorCode::InvalidRequest,
                "Value for x-amz-sdk-checksum-algorithm header is invalid.".into(),
            ),
            Self::TrailerHeader => (
                S3ErrorCode::InvalidRequest,
                "The value specified in the x-amz-trailer header is not supported: it names one x-amz-checksum-* of an aws-chunked body.".into(),
            ),
            Self::Chunked(error) => return error.s3(),
        };
        let status = code.status_code().unwrap_or(StatusCode::BAD_REQUEST);
        (code, status, message)
    }
}
