//! The keys of the keyed strategies: one root, and from it one key for each tenant, scope, type and use.
//!
//! scope key(32) = HKDF-SHA-256(salt = [`SALT`], key = root, info = tenant ‖ scope ‖ name, each behind its length)
//! type key = HKDF-Expand-SHA-256(scope key, info = use ‖ 0 ‖ type)

use std::fmt;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::ff1::Ff1;
use super::siv::Siv;

const SALT: &[u8] = b"llm-data-vault scrub keys 1";

/// How far a replacement is the same for the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In one object.
    #[default]
    Object,
    /// In the objects under one prefix.
    Prefix,
    /// In a bucket.
    Bucket,
}

impl Scope {
    /// Its name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Prefix => "prefix",
            Self::Bucket => "bucket",
        }
    }

    /// The scope of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Object, Self::Prefix, Self::Bucket].into_iter().find(|scope| scope.name() == name)
    }
}

/// The library could not make a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library could not make a key")]
pub struct KeyError;

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// The key of one tenant and one scope. Whoever can have texts scrubbed under it and read them can test guesses of what a hash, a token or a
/// surrogate stands for.
#[derive(Clone)]
pub struct ScopeKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScopeKey")
    }
}

impl ScopeKey {
    /// From a root key. `name` is that of the object, the prefix or the bucket.
    pub fn derive(root: &[u8; 32], tenant: &str, scope: Scope, name: &str) -> Result<Self, KeyError> {
        let mut info = Vec::new();
        for part in [tenant, scope.name(), name] {
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part.as_bytes());
        }
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(root);
        let mut key = Zeroizing::new([0; 32]);
        fill(&prk, &info, &mut *key)?;
        Ok(Self(key))
    }

    /// The key of a use of a type.
    fn expand(&self, purpose: &str, kind: &str, key: &mut [u8]) -> Result<(), KeyError> {
        let info = [purpose.as_bytes(), &[0], kind.as_bytes()].concat();
        fill(&hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &*self.0), &info, key)
    }
}

fn fill(prk: &hkdf::Prk, info: &[u8], key: &mut [u8]) -> Result<(), KeyError> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    prk.expand(&[info], Length(key.len())).and_then(|okm| okm.fill(key)).map_err(KeyError::from)
}

/// The keys of one type.
pub(super) struct KindKey {
    /// For hashes and the names of tokens in a vault.
    pub(super) hash: hmac::Key,
    /// For tokens.
    pub(super) siv: Siv,
    /// For what is chosen from reserved ranges.
    pub(super) choice: hmac::Key,
    /// For digits.
    pub(super) ff1: Ff1,
}

impl KindKey {
    pub(super) fn derive(scope: &ScopeKey, kind: &str) -> Result<Self, KeyError> {
        let mut long = Zeroizing::new([0; 64]);
        scope.expand("token", kind, &mut *long)?;
        let siv = Siv::new(&*long)?;
        let mut key = Zeroizing::new([0; 32]);
        scope.expand("hash", kind, &mut *key)?;
        let hash = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        scope.expand("choice", kind, &mut *key)?;
        let choice = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        scope.expand("digits", kind, &mut *key)?;
        let ff1 = Ff1::new(&*key)?;
        Ok(Self { hash, siv, choice, ff1 })
    }
}

/// HMAC-SHA-256.
pub(super) fn hmac(key: &hmac::Key, value: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let tag = hmac::sign(key, value);
    out.copy_from_slice(tag.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_tenant_scope_name_type_and_use() {
        let key = |tenant: &str, scope: Scope, name: &str, kind: &str, purpose: &str| {
            let mut key = [0; 32];
            ScopeKey::derive(&[1; 32], tenant, scope, name).unwrap().expand(purpose, kind, &mut key).unwrap();
            key
        };
        let keys = [
            key("a", Scope::Bucket, "b", "URL", "hash"),
            key("b", Scope::Bucket, "b", "URL", "hash"),
            key("a", Scope::Prefix, "b", "URL", "hash"),
            key("a", Scope::Bucket, "c", "URL", "hash"),
            key("a", Scope::Bucket, "b", "URLS", "hash"),
            key("a", Scope::Bucket, "b", "URL", "token"),
            key("ab", Scope::Bucket, "", "URL", "hash"),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(one), "{index}");
        }
        assert_eq!(keys[0], key("a", Scope::Bucket, "b", "URL", "hash"));
    }

    #[test]
    fn nothing_is_printed() {
        let key = ScopeKey::derive(&[1; 32], "a", Scope::Object, "b").unwrap();
        assert_eq!(format!("{key:?}"), "ScopeKey");
    }
}
