//! Why a signature does not hold, and what S3 says then.

use std::borrow::Cow;

use s3s::S3ErrorCode;

/// Why a request's authentication does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No such access key.
    #[error("the access key is unknown")]
    UnknownAccessKey,
    /// The signature is not the one that the secret key makes over this request.
    #[error("the signature does not match")]
    Mismatch,
    /// The request's time is more than 15 minutes away from ours.
    #[error("the request time is too far from the gateway's")]
    Skewed,
    /// The `Authorization` header is not in its form.
    #[error("malformed authorization header: {0}")]
    HeaderMalformed(&'static str),
    /// The query parameters of a presigned URL are not in their form.
    #[error("malformed presigned query: {0}")]
    QueryMalformed(&'static str),
    /// A presigned URL, after its time.
    #[error("the presigned request has expired")]
    Expired,
    /// A presigned URL, before its time.
    #[error("the presigned request is not valid yet")]
    NotYetValid,
    /// A presigned URL that would live longer than seven days.
    #[error("the presigned request would be valid for more than seven days")]
    ExpiresTooLate,
    /// `X-Amz-Expires` below zero or beyond seven days.
    #[error("X-Amz-Expires is out of range")]
    ExpiresOutOfRange,
    /// A request without any signature, where one is required.
    #[error("anonymous requests are refused")]
    AnonymousRefused,
    /// Neither `x-amz-date` nor `Date`, or not a time.
    #[error("no valid date header")]
    MissingDate,
    /// A header that has to be there for a signature to mean anything.
    #[error("the {0} header is missing")]
    MissingHeader(&'static str),
    /// A signed request without `x-amz-content-sha256`.
    #[error("x-amz-content-sha256 is missing")]
    MissingContentSha256,
    /// `x-amz-content-sha256` is none of the known values.
    #[error("x-amz-content-sha256 is not valid")]
    InvalidContentSha256,
    /// A header that must be signed, and is not.
    #[error("the header {0} is not signed")]
    UnsignedHeader(String),
    /// Authentication in more than one place at once.
    #[error("more than one authentication mechanism")]
    SeveralMechanisms,
    /// An `Authorization` scheme that is not of S3.
    #[error("unknown authorization scheme")]
    UnknownScheme,
    /// Signature Version 2, where it is switched off.
    #[error("signature version 2 is switched off")]
    SigV2Refused,
    /// A session token; the gateway issues none.
    #[error("session tokens are not issued here")]
    SessionToken,
    /// The body is not the one that was signed.
    #[error("the body does not have the signed SHA-256")]
    ContentSha256Mismatch,
}

impl SignatureError {
    /// S3 code and text for the client.
    pub fn s3(&self) -> (S3ErrorCode, Cow<'_, str>) {
        let (code, message) = match self {
            Self::UnknownAccessKey => {
                (S3ErrorCode::InvalidAccessKeyId, "The access key ID you provided does not exist in our records.")
            }
            Self::Mismatch => (
                S3ErrorCode::SignatureDoesNotMatch,
                "The request signature we calculated does not match the signature you provided. Check your secret key and signing method, \
                 and that no proxy on the way changes the path, the query, the Host or a signed header.",
            ),
            Self::Skewed => (
                S3ErrorCode::RequestTimeTooSkewed,
                "The difference between the request time and the server's time is too large. Set your clock; 15 minutes are allowed.",
            ),
            Self::HeaderMalformed(what) => {
                return (
                    S3ErrorCode::AuthorizationHeaderMalformed,
                    format!("The authorization header is malformed; {what}.").into(),
                );
            }
            Self::QueryMalformed(what) => {
                return (
                    S3ErrorCode::AuthorizationQueryParametersError,
                    format!("Error parsing the query authentication parameters; {what}.").into(),
                );
            }
            Self::Expired => (S3ErrorCode::AccessDenied, "Request has expired"),
            Self::NotYetValid => (S3ErrorCode::AccessDenied, "Request is not valid yet"),
            Self::ExpiresTooLate => (
                S3ErrorCode::AccessDenied,
                "Expires lies more than seven days ahead. Presign the URL for a shorter time.",
            ),
            Self::ExpiresOutOfRange => (
                S3ErrorCode::AccessDenied,
                "X-Amz-Expires must be at least 0 and at most 604800 seconds, which is a week",
            ),
            Self::AnonymousRefused => {
                (S3ErrorCode::AccessDenied, "Access Denied. Anonymous requests are refused here; sign the request.")
            }
            Self::MissingDate => {
                (S3ErrorCode::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
            }
            Self::MissingHeader(name) => {
                return (
                    S3ErrorCode::MissingSecurityHeader,
                    format!("Your request is missing a required header: {name}").into(),
                );
            }
            Self::MissingContentSha256 => {
                (S3ErrorCode::InvalidRequest, "Missing required header for this request: x-amz-content-sha256")
            }
            Self::InvalidContentSha256 => (
                S3ErrorCode::InvalidArgument,
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                 STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
            ),
            Self::UnsignedHeader(name) => {
                return (
                    S3ErrorCode::AccessDenied,
                    format!("There were headers present in the request which were not signed: {name}").into(),
                );
            }
            Self::SeveralMechanisms => (
                S3ErrorCode::InvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or \
                 the Authorization header should be specified",
            ),
            Self::UnknownScheme => (S3ErrorCode::InvalidArgument, "Unsupported Authorization Type"),
            Self::SigV2Refused => (
                S3ErrorCode::InvalidRequest,
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            ),
            Self::SessionToken => (
                S3ErrorCode::InvalidToken,
                "The provided token is malformed or otherwise invalid. This endpoint issues no session tokens; use a long-term key \
                 and unset the session token.",
            ),
            Self::ContentSha256Mismatch => (
                S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
                "The provided 'x-amz-content-sha256' header does not match what was computed. Nothing was stored; send it again.",
            ),
        };
        (code, message.into())
    }
}
