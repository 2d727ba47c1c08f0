//! Cobblestone-256: C2SP chunked encryption with HKDF-Expand-SHA-512 and AES-256-GCM.
//!
//! ```text
//! key(32) ‖ base nonce(12) ‖ commitment(32) = HKDF-Expand-SHA-512(prk = input key,
//!     info = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" ‖ 0x00 ‖ salt(24) ‖ context)
//! message = salt(24) ‖ commitment(32) ‖ chunk₀ ‖ chunk₁ ‖ …      chunkₖ = AES-256-GCM(key, base nonce ⊕ k, 16 KiB; the last one less)
//! ```
//!
//! Source: <https://c2sp.org/chunked-encryption>.

#[cfg(test)]
mod tests;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf;
use bytes::BytesMut;
use zeroize::Zeroizing;

use crate::Error;
use crate::aead::{Aead, AwsLc};

/// Plaintext bytes in every chunk but the last, which has fewer.
pub const CHUNK: u64 = 16384;
/// Bytes that a chunk grows by.
pub const TAG: u64 = 16;
/// Bytes before the first chunk: salt and commitment.
pub const PREFIX: usize = 56;
/// Longest message: 4 PiB − 1 byte, 2³⁸ chunks.
pub const MAX_LENGTH: u64 = (1 << 52) - 1;

/// Salt (24 bytes) and commitment (32 bytes).
pub type Prefix = [u8; PREFIX];

pub(crate) const SALT: usize = 24;
const CHUNK_BYTES: usize = CHUNK as usize;
const TAG_BYTES: usize = TAG as usize;
const SEALED_CHUNK: usize = CHUNK_BYTES + TAG_BYTES;

/// Length of the message that seals `plaintext` bytes: `56 + p + 16 (⌊p / 16384⌋ + 1)`. Saturates.
pub const fn sealed_len(plaintext: u64) -> u64 {
    plaintext.saturating_add(PREFIX as u64 + TAG + TAG * (plaintext / CHUNK))
}

/// Inverse of [`sealed_len`]; none where no plaintext has that length sealed.
pub fn plaintext_len(sealed: u64) -> Option<u64> {
    let chunks = sealed.checked_sub(PREFIX as u64)?;
    let last = (chunks % (CHUNK + TAG)).checked_sub(TAG)?;
    Some(chunks / (CHUNK + TAG) * CHUNK + last)
}

/// Keys of one message.
pub(crate) struct Message<A = AwsLc> {
    aead: A,
    base_nonce: [u8; 12],
}

impl<A: Aead> Message<A> {
    /// Derives keys and commitment.
    fn derive(key: &[u8; 32], salt: &[u8; SALT], context: &[u8]) -> Result<(Self, Prefix), Error> {
        struct Length;
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                76
            }
        }
        let mut okm = Zeroizing::new([0; 76]);
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA512, key)
            .expand(&[b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", salt, context], Length)
            .and_then(|derived| derived.fill(&mut *okm))
            .map_err(|_| Error::Provider("HKDF"))?;
        let mut aead_key = Zeroizing::new([0; 32]);
        aead_key.copy_from_slice(&okm[..32]);
        let mut base_nonce = [0; 12];
        base_nonce.copy_from_slice(&okm[32..44]);
        let mut prefix = [0; PREFIX];
        prefix[..SALT].copy_from_slice(salt);
        prefix[SALT..].copy_from_slice(&okm[44..]);
        let aead = A::new(&aead_key)?;
        Ok((Self { aead, base_nonce }, prefix))
    }

    /// Keys for opening, after the commitment was compared in constant time.
    pub(crate) fn open(key: &[u8; 32], context: &[u8], prefix: &Prefix, what: &'static str) -> Result<Self, Error> {
        let mut salt = [0; SALT];
        salt.copy_from_slice(&prefix[..SALT]);
        let (message, derived) = Self::derive(key, &salt, context)?;
        verify_slices_are_equal(&derived, prefix).map_err(|_| Error::NotAuthentic(what))?;
        Ok(message)
    }

    /// Base nonce ⊕ chunk number, big-endian.
    fn nonce(&self, chunk: u64) -> Result<[u8; 12], Error> {
        if chunk > MAX_LENGTH / CHUNK {
            return Err(Error::TooLong);
        }
        let mut nonce = self.base_nonce;
        for (byte, counter) in nonce[4..].iter_mut().zip(chunk.to_be_bytes()) {
            *byte ^= counter;
        }
        Ok(nonce)
    }

    /// Appends chunk number `chunk`, whose plaintext is `head ‖ tail`, sealed.
    fn seal_onto(&self, chunk: u64, head: &[u8], tail: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        let nonce = self.nonce(chunk)?;
        let start = out.len();
        out.extend_from_slice(head);
        out.extend_from_slice(tail);
        let tag = self.aead.seal(nonce, &mut out[start..]);
        match tag {
            Ok(tag) => out.extend_from_slice(&tag),
            Err(_) => out.truncate(start),
        }
        tag.map(|_| ())
    }

    /// Appends the plaintext of chunk number `chunk`; nothing where it is not authentic.
    pub(crate) fn open_onto(
        &self,
        chunk: u64,
        sealed: &[u8],
        what: &'static str,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        let nonce = self.nonce(chunk)?;
        let (ciphertext, tag) = sealed.split_last_chunk().ok_or(Error::Truncated)?;
        let start = out.len();
        out.resize(start + ciphertext.len(), 0);
        if self.aead.open(nonce, ciphertext, tag, &mut out[start..]).is_err() {
            out.truncate(start);
            return Err(Error::NotAuthentic(what));
        }
        Ok(())
    }
}

/// Seals a stream. Holds at most one chunk.
pub struct Encryptor<A = AwsLc> {
    message: Message<A>,
    prefix: Prefix,
    prefix_sent: bool,
    chunk: u64,
    pending: Vec<u8>,
}

impl Encryptor {
    /// A new message under a fresh random salt. The key must be uniformly random.
    pub fn new(key: &[u8; 32], context: &[u8]) -> Result<Self, Error> {
        Self::with_provider(key, context)
    }
}

impl<A: Aead> Encryptor<A> {
    /// [`Encryptor::new`] on a chosen provider.
    pub fn with_provider(key: &[u8; 32], context: &[u8]) -> Result<Self, Error> {
        Self::with_salt(key, context, &crate::random()?)
    }

    /// With a given salt, which must never repeat under this key. Only test vectors call it with one that is not random.
    pub(crate) fn with_salt(key: &[u8; 32], context: &[u8], salt: &[u8; SALT]) -> Result<Self, Error> {
        let (message, prefix) = Message::derive(key, salt, context)?;
        Ok(Self { message, prefix, prefix_sent: false, chunk: 0, pending: Vec::new() })
    }

    /// Salt and commitment.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Appends to `out` what can be sealed: the prefix, with the first call, and whole chunks. At most 16 KiB − 1 byte stay
    /// behind. After an error the message is of no use.
    pub fn update(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        let whole = (self.pending.len() + plaintext.len()) / CHUNK_BYTES;
        out.reserve(PREFIX + whole * SEALED_CHUNK);
        self.send_prefix(out);
        let mut rest = plaintext;
        if !self.pending.is_empty() {
            let missing = CHUNK_BYTES - self.pending.len();
            if rest.len() < missing {
                self.pending.extend_from_slice(rest);
                return Ok(());
            }
            let (head, behind) = rest.split_at(missing);
            self.message.seal_onto(self.chunk, &self.pending, head, out)?;
            self.chunk += 1;
            self.pending.clear();
            rest = behind;
        }
        let mut chunks = rest.chunks_exact(CHUNK_BYTES);
        for chunk in &mut chunks {
            self.message.seal_onto(self.chunk, chunk, &[], out)?;
            self.chunk += 1;
        }
        self.pending.extend_from_slice(chunks.remainder());
        Ok(())
    }

    /// Appends the last, short chunk.
    pub fn finish(mut self, out: &mut BytesMut) -> Result<(), Error> {
        out.reserve(PREFIX + self.pending.len() + TAG_BYTES);
        self.send_prefix(out);
        self.message.seal_onto(self.chunk, &self.pending, &[], out)
    }

    fn send_prefix(&mut self, out: &mut BytesMut) {
        if !self.prefix_sent {
            out.extend_from_slice(&self.prefix);
            self.prefix_sent = true;
        }
    }
}

/// Opens a stream. Holds at most one chunk, and releases no byte that is not authenticated.
pub struct Decryptor<A = AwsLc> {
    key: Zeroizing<[u8; 32]>,
    context: Vec<u8>,
    message: Option<Message<A>>,
    chunk: u64,
    pending: Vec<u8>,
    failed: Option<Error>,
}

impl Decryptor {
    /// For one message.
    pub fn new(key: &[u8; 32], context: &[u8]) -> Self {
        Self::with_provider(key, context)
    }
}

impl<A: Aead> Decryptor<A> {
    /// [`Decryptor::new`] on a chosen provider.
    pub fn with_provider(key: &[u8; 32], context: &[u8]) -> Self {
        Self {
            key: Zeroizing::new(*key),
            context: context.to_vec(),
            message: None,
            chunk: 0,
            pending: Vec::new(),
            failed: None,
        }
    }

    /// Appends to `out` the plaintext of every chunk that is now whole. The commitment is checked before the first. After an
    /// error every further call fails with it.
    pub fn update(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.open(sealed, out);
        self.failed = result.as_ref().err().cloned();
        result
    }

    fn open(&mut self, mut sealed: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if self.message.is_none() {
            fill(&mut self.pending, PREFIX, &mut sealed);
            let Ok(prefix) = Prefix::try_from(self.pending.as_slice()) else {
                return Ok(());
            };
            self.message = Some(Message::open(&self.key, &self.context, &prefix, "message")?);
            self.pending.clear();
        }
        let Some(message) = &self.message else {
            return Ok(());
        };
        out.reserve(self.pending.len() + sealed.len());
        if !self.pending.is_empty() {
            fill(&mut self.pending, SEALED_CHUNK, &mut sealed);
            if self.pending.len() < SEALED_CHUNK {
                return Ok(());
            }
            message.open_onto(self.chunk, &self.pending, "message", out)?;
            self.chunk += 1;
            self.pending.clear();
        }
        let mut chunks = sealed.chunks_exact(SEALED_CHUNK);
        for chunk in &mut chunks {
            message.open_onto(self.chunk, chunk, "message", out)?;
            self.chunk += 1;
        }
        self.pending.extend_from_slice(chunks.remainder());
        Ok(())
    }

    /// Appends the plaintext of the last, short chunk. [`Error::Truncated`] where there is none.
    pub fn finish(self, out: &mut BytesMut) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let message = self.message.ok_or(Error::Truncated)?;
        message.open_onto(self.chunk, &self.pending, "message", out)
    }
}

/// Moves bytes from `from` to `buffer` until it holds `size`, or there are no more.
pub(crate) fn fill(buffer: &mut Vec<u8>, size: usize, from: &mut &[u8]) {
    let (head, rest) = from.split_at(from.len().min(size.saturating_sub(buffer.len())));
    buffer.extend_from_slice(head);
    *from = rest;
}

/// Seals a small message in memory under a fresh random salt.
pub fn seal(key: &[u8; 32], context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    seal_with_salt(key, context, plaintext, &crate::random()?)
}

pub(crate) fn seal_with_salt(
    key: &[u8; 32],
    context: &[u8],
    plaintext: &[u8],
    salt: &[u8; SALT],
) -> Result<Vec<u8>, Error> {
    let (message, prefix) = Message::<AwsLc>::derive(key, salt, context)?;
    // Exactly enough, so that no copy of a plaintext key is left behind by growth.
    let mut out = Vec::with_capacity(sealed_len(plaintext.len() as u64) as usize);
    out.extend_from_slice(&prefix);
    let whole = plaintext.len() / CHUNK_BYTES;
    for chunk in 0..=whole {
        let begin = chunk * CHUNK_BYTES;
        let end = plaintext.len().min(begin + CHUNK_BYTES);
        let start = out.len();
        out.extend_from_slice(&plaintext[begin..end]);
        let tag = message.aead.seal(message.nonce(chunk as u64)?, &mut out[start..])?;
        out.extend_from_slice(&tag);
    }
    Ok(out)
}

/// Opens a small message in memory. The plaintext is wiped on drop.
pub fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    open_as(key, context, sealed, "message")
}

/// [`open`], with a name for the error.
pub(crate) fn open_as(
    key: &[u8; 32],
    context: &[u8],
    sealed: &[u8],
    what: &'static str,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (prefix, mut chunks) = sealed.split_first_chunk().ok_or(Error::Truncated)?;
    let length = plaintext_len(sealed.len() as u64).ok_or(Error::Truncated)?;
    let message = Message::<AwsLc>::open(key, context, prefix, what)?;
    let mut out = Zeroizing::new(Vec::with_capacity(length as usize));
    let mut index = 0;
    loop {
        let (chunk, rest) = chunks.split_at(chunks.len().min(SEALED_CHUNK));
        let (ciphertext, tag) = chunk.split_last_chunk().ok_or(Error::Truncated)?;
        let start = out.len();
        out.resize(start + ciphertext.len(), 0);
        message
            .aead
            .open(message.nonce(index)?, ciphertext, tag, &mut out[start..])
            .map_err(|_| Error::NotAuthentic(what))?;
        if chunk.len() < SEALED_CHUNK {
            return Ok(out);
        }
        index += 1;
        chunks = rest;
    }
}
