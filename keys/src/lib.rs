//! Key hierarchy, root-key providers and the object format `dv1`. Knows nothing of HTTP or S3.
//!
//! ```text
//! root key ──wrap──▶ KEK (bucket, epoch) ──wrap──▶ DEK (object) ──HKDF, fresh salt──▶ one AES-256-GCM key a message
//! object = M₁ ‖ … ‖ M_N ‖ zero padding ‖ [TABLE when N > 1] ‖ SUMMARY(200) ‖ FOOTER(16)
//! ```
//!
//! Every sealed thing is a [Cobblestone-256](cobblestone) message. `docs/format.md` specifies every byte.

pub mod aead;
pub mod cobblestone;
mod error;
pub mod header;
pub mod hierarchy;
pub mod length;
pub mod metadata;
pub mod object;
#[cfg(test)]
mod vectors;

use std::time::{SystemTime, UNIX_EPOCH};

pub use error::{Cause, Error};

/// Object id: 16 random bytes, made with the object's DEK and bound into every message of its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(pub [u8; 16]);

impl Oid {
    /// A fresh one. Fails only when the random generator does.
    pub fn random() -> Result<Self, Error> {
        random().map(Self)
    }
}

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

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// `N` bytes of the operating system's random generator, by way of the cryptographic library.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Provider("random generator"))?;
    Ok(bytes)
}
