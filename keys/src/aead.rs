//! AES-256-GCM behind one trait, so that two independent implementations run the same format.

use aes_gcm::KeyInit;
use aes_gcm::aead::AeadInOut;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::Error;

/// AES-256-GCM with a 96-bit nonce, a 128-bit tag and no associated data. Implementations wipe the key on drop.
pub trait Aead: Sized + Send + Sync {
    /// Expands the key. Fails only when the library does.
    fn new(key: &[u8; 32]) -> Result<Self, Error>;
    /// Encrypts in place and returns the tag.
    fn seal(&self, nonce: [u8; 12], in_out: &mut [u8]) -> Result<[u8; 16], Error>;
    /// Authenticates, and decrypts into `out`, which is as long as `ciphertext`. On an error the content of `out` is unspecified.
    fn open(&self, nonce: [u8; 12], ciphertext: &[u8], tag: &[u8; 16], out: &mut [u8]) -> Result<(), NotAuthentic>;
}

/// The tag does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;

/// `aws-lc-rs`: the default.
pub struct AwsLc(LessSafeKey);

impl Aead for AwsLc {
    fn new(key: &[u8; 32]) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Error::Provider("AES key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    fn seal(&self, nonce: [u8; 12], in_out: &mut [u8]) -> Result<[u8; 16], Error> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag =
            self.0.seal_in_place_separate_tag(nonce, Aad::empty(), in_out).map_err(|_| Error::Provider("AES-GCM"))?;
        tag.as_ref().try_into().map_err(|_| Error::Provider("AES-GCM"))
    }

    fn open(&self, nonce: [u8; 12], ciphertext: &[u8], tag: &[u8; 16], out: &mut [u8]) -> Result<(), NotAuthentic> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, out).map_err(|_| NotAuthentic)
    }
}

/// `aes-gcm`: pure Rust. Portable, and the test oracle of the other.
pub struct Portable(aes_gcm::Aes256Gcm);

impl Aead for Portable {
    fn new(key: &[u8; 32]) -> Result<Self, Error> {
        aes_gcm::Aes256Gcm::new_from_slice(key).map(Self).map_err(|_| Error::Provider("AES key"))
    }

    fn seal(&self, nonce: [u8; 12], in_out: &mut [u8]) -> Result<[u8; 16], Error> {
        self.0
            .encrypt_inout_detached(&nonce.into(), b"", in_out.into())
            .map(Into::into)
            .map_err(|_| Error::Provider("AES-GCM"))
    }

    fn open(&self, nonce: [u8; 12], ciphertext: &[u8], tag: &[u8; 16], out: &mut [u8]) -> Result<(), NotAuthentic> {
        let in_out = aes_gcm::aead::inout::InOutBuf::new(ciphertext, out).map_err(|_| NotAuthentic)?;
        self.0.decrypt_inout_detached(&nonce.into(), b"", in_out, &(*tag).into()).map_err(|_| NotAuthentic)
    }
}
