//! Signing keys and their cache.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::{constant_time, digest, hmac};
use moka::sync::Cache;
use zeroize::Zeroizing;

use super::canonical::push_hex;

/// The key of one credential, day and region. aws-lc cleanses it when it is dropped.
#[derive(Clone)]
pub struct SigningKey(Arc<hmac::Key>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), "s3"), "aws4_request")`; `date` is `YYYYMMDD`.
    pub fn derive(secret: &str, date: &str, region: &str) -> Self {
        let mut first = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret.as_bytes());
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, &first);
        let mut step = Zeroizing::new([0; 32]);
        for message in [date, region, "s3", "aws4_request"] {
            hmac::sign_to_buffer(&key, message.as_bytes(), step.as_mut_slice())
                .expect("the buffer has the length of a SHA-256 tag");
            key = hmac::Key::new(hmac::HMAC_SHA256, step.as_slice());
        }
        Self(Arc::new(key))
    }

    /// Signature in hexadecimal.
    pub fn sign(&self, message: &[u8]) -> String {
        let mut out = String::with_capacity(64);
        push_hex(&mut out, hmac::sign(&self.0, message).as_ref());
        out
    }

    /// Compares in constant time. Only lower-case hexadecimal is a signature: the next chunk's covers this text.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        constant_time::verify_slices_are_equal(self.sign(message).as_bytes(), signature.as_bytes()).is_ok()
    }
}

/// Keys by `access key/date/region/s3/aws4_request`: at most 1,024, dropped after an hour without use.
pub struct KeyCache(Cache<String, Entry>);

#[derive(Clone)]
struct Entry {
    key: SigningKey,
    /// The secret that the key was derived from: a rotated secret must not go on verifying.
    secret: Arc<Zeroizing<String>>,
}

/// Keys of clients.
pub static CLIENT_KEYS: LazyLock<KeyCache> = LazyLock::new(KeyCache::new);
/// Keys of ours at the backend.
pub static BACKEND_KEYS: LazyLock<KeyCache> = LazyLock::new(KeyCache::new);
/// Takes the place of a key that the cache does not hold, so that a miss costs what a hit costs.
static NO_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::derive("", "", ""));

impl KeyCache {
    fn new() -> Self {
        Self(Cache::builder().max_capacity(1024).time_to_idle(Duration::from_hours(1)).build())
    }

    fn lookup(&self, credential: &str, secret: &str) -> Option<SigningKey> {
        let entry = self.0.get(credential)?;
        constant_time::verify_slices_are_equal(entry.secret.as_bytes(), secret.as_bytes()).ok()?;
        Some(entry.key)
    }

    fn insert(&self, credential: &str, secret: &str, key: SigningKey) {
        let secret = Arc::new(Zeroizing::new(secret.to_owned()));
        self.0.insert(credential.to_owned(), Entry { key, secret });
    }

    /// The key for signing.
    pub fn key(&self, credential: &str, secret: &str, date: &str, region: &str) -> SigningKey {
        self.lookup(credential, secret).unwrap_or_else(|| {
            let key = SigningKey::derive(secret, date, region);
            self.insert(credential, secret, key.clone());
            key
        })
    }

    /// The key, if it verifies the signature.
    ///
    /// Every refusal costs the same, whether the key was cached or not and whether the access key is known or not: one
    /// verification with a ready key, one derivation, one verification with what it gave. Only keys that verified are kept,
    /// so nobody fills the cache with made-up regions.
    pub fn verify(&self, scope: &Scope<'_>, secret: &str, message: &[u8], signature: &str) -> Option<SigningKey> {
        let cached = self.lookup(scope.credential, secret);
        let ready = cached.as_ref().unwrap_or(&NO_KEY);
        if ready.verifies(message, signature)
            && let Some(key) = cached
        {
            return Some(key);
        }
        let key = SigningKey::derive(secret, scope.date, scope.region);
        if !key.verifies(message, signature) {
            return None;
        }
        self.insert(scope.credential, secret, key.clone());
        Some(key)
    }
}

/// `access key/date/region/s3/aws4_request`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// All of it.
    pub credential: &'a str,
    /// May itself contain a `/`.
    pub access_key: &'a str,
    /// `YYYYMMDD`
    pub date: &'a str,
    /// Any; the gateway stands in every region.
    pub region: &'a str,
}

impl<'a> Scope<'a> {
    /// Fails with what is wrong.
    pub fn parse(credential: &'a str) -> Result<Self, &'static str> {
        let mut parts = credential.rsplitn(5, '/');
        let mut part = || parts.next().filter(|p| !p.is_empty());
        let (Some(terminator), Some(service), Some(region), Some(date), Some(access_key)) =
            (part(), part(), part(), part(), part())
        else {
            return Err("the Credential must have the form \"<access-key>/YYYYMMDD/REGION/s3/aws4_request\"");
        };
        if terminator != "aws4_request" {
            return Err("the Credential must end with \"aws4_request\"");
        }
        if service != "s3" {
            return Err("the service of the Credential must be \"s3\"");
        }
        if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) {
            return Err("the date of the Credential must have the form \"YYYYMMDD\"");
        }
        Ok(Self { credential, access_key, date, region })
    }

    /// `date/region/s3/aws4_request`
    pub fn text(&self) -> &'a str {
        &self.credential[self.access_key.len() + 1..]
    }
}

/// Verifies the chain of signatures in an aws-chunked body, beginning with the signature of its request.
///
/// Source: Amazon S3 API Reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
#[derive(Clone, Debug)]
pub struct ChunkSigner {
    pub(super) key: SigningKey,
    /// `20130524T000000Z`
    pub(super) time: String,
    pub(super) scope: String,
    pub(super) previous: String,
}

impl ChunkSigner {
    /// Whether `signature` is that of the next chunk, whose bytes have this SHA-256. If so the chain moves on.
    #[must_use]
    pub fn verify_chunk(&mut self, hash: &digest::Digest, signature: &str) -> bool {
        let prefix = format!("{}\n", super::EMPTY_SHA256);
        self.verify("AWS4-HMAC-SHA256-PAYLOAD", &prefix, hash, signature)
    }

    /// Whether `signature` is that of the trailer, whose `(name:value \n)*` has this SHA-256.
    #[must_use]
    pub fn verify_trailer(&mut self, hash: &digest::Digest, signature: &str) -> bool {
        self.verify("AWS4-HMAC-SHA256-TRAILER", "", hash, signature)
    }

    /// Signs the next chunk, as a client does.
    #[cfg(test)]
    pub fn sign_chunk(&mut self, hash: &digest::Digest) -> String {
        let prefix = format!("{}\n", super::EMPTY_SHA256);
        let signature = self.key.sign(self.message("AWS4-HMAC-SHA256-PAYLOAD", &prefix, hash).as_bytes());
        self.previous.clone_from(&signature);
        signature
    }

    fn message(&self, algorithm: &str, prefix: &str, hash: &digest::Digest) -> String {
        let mut message = format!("{algorithm}\n{}\n{}\n{}\n{prefix}", self.time, self.scope, self.previous);
        push_hex(&mut message, hash.as_ref());
        message
    }

    fn verify(&mut self, algorithm: &str, prefix: &str, hash: &digest::Digest, signature: &str) -> bool {
        let message = self.message(algorithm, prefix, hash);
        let matches = self.key.verifies(message.as_bytes(), signature);
        if matches {
            signature.clone_into(&mut self.previous);
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIAL: &str = "AK/ID/20130524/us-east-1/s3/aws4_request";

    #[test]
    fn scope_is_taken_apart_from_the_right() {
        let scope = Scope::parse(CREDENTIAL).unwrap();
        assert_eq!((scope.access_key, scope.date, scope.region), ("AK/ID", "20130524", "us-east-1"));
        assert_eq!(scope.text(), "20130524/us-east-1/s3/aws4_request");
        for wrong in [
            "",
            "AK",
            "/20130524/us-east-1/s3/aws4_request",
            "AK/20130524//s3/aws4_request",
            "AK/20130524/us-east-1/sts/aws4_request",
            "AK/20130524/us-east-1/s3/aws4",
            "AK/2013-5-24/us-east-1/s3/aws4_request",
        ] {
            assert!(Scope::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cached_key_dies_with_its_secret() {
        let cache = KeyCache::new();
        let scope = Scope::parse(CREDENTIAL).unwrap();
        let signature = SigningKey::derive("old", scope.date, scope.region).sign(b"message");
        for _ in 0..2 {
            assert!(cache.verify(&scope, "old", b"message", &signature).is_some());
        }
        assert!(cache.verify(&scope, "new", b"message", &signature).is_none());
        assert!(cache.verify(&scope, "old", b"other", &signature).is_none());
    }

    #[test]
    fn only_verified_keys_are_kept() {
        let cache = KeyCache::new();
        let scope = Scope::parse(CREDENTIAL).unwrap();
        assert!(cache.verify(&scope, "secret", b"message", &"0".repeat(64)).is_none());
        assert!(cache.lookup(CREDENTIAL, "secret").is_none());
    }
}
