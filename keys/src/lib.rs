//! Key hierarchy, root-key providers and the object format `dv1`. Knows nothing of HTTP or S3.
//!
//! `docs/format.md` specifies every byte.

pub mod object;

/// Object id: 16 random bytes, made with the object's DEK and bound into every message of its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(pub [u8; 16]);

impl std::fmt::Debug for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Oid({})", hex::encode(self.0))
    }
}

impl std::fmt::Display for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

impl Error {
    /// The S3 error code that fits.
    pub fn s3_code(&self) -> &'static str {
        match *self {}
    }
    /// What a client may read.
    pub fn client_message(&self) -> &'static str {
        match *self {}
    }
}
