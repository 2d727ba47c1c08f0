//! Whether what was read is what is written, known by its hash.

use std::io::{self, Read, Seek, SeekFrom};

use aws_lc_rs::digest::{Context, SHA256};

use super::{FormatError, READ};

/// Two digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// A SHA-256.
pub struct Hash(Context);

impl Default for Hash {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hash {
    /// Of all that `source` gives.
    pub fn of(source: &mut dyn Read) -> Result<Vec<u8>, FormatError> {
        let (mut hash, mut buffer) = (Self::default(), vec![0; READ]);
        loop {
            match source.read(&mut buffer).map_err(FormatError::Write)? {
                0 => return Ok(hash.finish()),
                read => hash.update(&buffer[..read]),
            }
        }
    }

    /// Of what is staged, which is at its start then.
    pub fn of_stage(stage: &mut (impl Read + Seek)) -> Result<Vec<u8>, FormatError> {
        stage.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        let hash = Self::of(stage)?;
        stage.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        Ok(hash)
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all of them.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

/// Hashes what is read.
pub struct Hashed<R> {
    /// The source.
    pub inner: R,
    /// Of what was read.
    pub hash: Hash,
}

impl<R> Hashed<R> {
    /// From where the source is.
    pub fn new(inner: R) -> Self {
        Self { inner, hash: Hash::default() }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
