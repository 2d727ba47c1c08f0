//! Signature Version 4.

use std::borrow::Cow;

/// Why a request's authentication does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {}

impl SignatureError {
    /// S3 code and text for the client.
    pub fn s3(&self) -> (s3s::S3ErrorCode, Cow<'_, str>) {
        match *self {}
    }
}
