//! Signature Version 4: who a request is from, and our own signature on requests to the backend.
//!
//! ```text
//! canonical request = METHOD \n uri \n query \n (name:value \n)* \n signed;names \n payload hash
//! string to sign    = "AWS4-HMAC-SHA256" \n time \n date/region/s3/aws4_request \n hex(SHA-256(canonical request))
//! signing key       = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), "s3"), "aws4_request")
//! signature         = hex(HMAC(signing key, string to sign))
//! ```
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)". Signature Version 2 is in
//! [`super::sigv2`]; [`Verifier`] is the entrance to both.

mod canonical;
mod date;
mod error;
mod key;
mod sign;
mod verify;

pub(super) use canonical::{decode, pairs};
pub use error::SignatureError;
pub use key::ChunkSigner;
pub use sign::sign;
pub use verify::{Authentication, Form, PayloadHash, Secrets, SigV2Mode, Verified, Verifier};

/// Payload hash of a body that the signature does not cover.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// Payload hash of an aws-chunked body that the signature does not cover, with a checksum in its trailer.
pub const STREAMING_UNSIGNED_PAYLOAD_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
/// SHA-256 of no bytes, in hexadecimal.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

#[cfg(test)]
mod tests;
