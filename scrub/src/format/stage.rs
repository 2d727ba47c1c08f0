//! Where a file waits that must be read from its end, or whose length must be known before it is written: in memory up to a bound, beyond it in a file
//! without a name, sealed under a key that is nowhere else. What a crash leaves on the disk is noise.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::budget::Held;

/// Bytes that are sealed as one.
const CHUNK: usize = 64 * 1024;
/// What sealing adds to them.
const TAG: usize = 16;

/// A file that is written once, and then read anywhere.
pub struct Stage {
    /// Bytes that are kept in memory; beyond it all are in the file.
    in_memory: usize,
    /// All of it, or the chunk that is being written or was read last.
    bytes: Vec<u8>,
    spilled: Option<Spilled>,
    len: u64,
    /// Where it is read.
    at: u64,
    /// Its memory, where that is shared.
    held: Option<Held>,
}

struct Spilled {
    file: File,
    key: LessSafeKey,
    /// Chunks that are written.
    chunks: u64,
    /// Which chunk is in memory, while it is read.
    loaded: Option<u64>,
}

impl Stage {
    /// An empty one.
    pub fn new(in_memory: usize) -> Self {
        Self { in_memory: in_memory.max(CHUNK), bytes: Vec::new(), spilled: None, len: 0, at: 0, held: None }
    }

    /// An empty one which is no longer in memory than there is some for it.
    pub(super) fn sharing(in_memory: usize, held: Held) -> Self {
        Self { held: Some(held), ..Self::new(in_memory) }
    }

    /// Of all that `source` gives.
    pub fn of(source: &mut dyn Read, in_memory: usize) -> io::Result<Self> {
        let mut stage = Self::new(in_memory);
        stage.fill(source)?;
        Ok(stage)
    }

    /// Writes all that `source` gives, and ends the writing.
    pub fn fill(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = source.read(&mut buffer)?;
            if read == 0 {
                return self.end();
            }
            self.write_all(&buffer[..read])?;
        }
    }

    /// Whether so many bytes more may be in memory.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= self.in_memory && self.held.as_mut().is_none_or(|held| held.try_grow(bytes as u64))
    }

    /// Bytes that were written.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the writing: from now on it is read.
    pub fn end(&mut self) -> io::Result<()> {
        let Some(spilled) = &mut self.spilled else { return Ok(()) };
        if !self.bytes.is_empty() {
            spilled.seal(&mut self.bytes)?;
        }
        self.bytes.clear();
        self.at = 0;
        Ok(())
    }
}

impl Spilled {
    fn begin() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        rand::fill(&mut *key).map_err(|_| io::Error::other("no random bytes"))?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| io::Error::other("no key"))?;
        Ok(Self { file: tempfile::tempfile()?, key: LessSafeKey::new(key), chunks: 0, loaded: None })
    }

    /// The number of a chunk: no two are written under one key.
    fn nonce(chunk: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&chunk.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals a chunk behind the others.
    fn seal(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let nonce = Self::nonce(self.chunks);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), bytes)
            .map_err(|_| io::Error::other("sealing failed"))?;
        self.file.write_all(bytes)?;
        self.chunks += 1;
        bytes.clear();
        Ok(())
    }

    /// Opens a chunk into `bytes`.
    fn open(&mut self, chunk: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(chunk * (CHUNK + TAG) as u64))?;
        bytes.clear();
        (&mut self.file).take((CHUNK + TAG) as u64).read_to_end(bytes)?;
        let opened = self.key.open_in_place(Self::nonce(chunk), Aad::empty(), bytes);
        let len = opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a staged file was altered"))?.len();
        bytes.truncate(len);
        self.loaded = Some(chunk);
        Ok(())
    }
}

impl Write for Stage {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.spilled.is_none() && !self.has_room(bytes.len()) {
            let mut spilled = Spilled::begin()?;
            let whole = std::mem::take(&mut self.bytes);
            let mut chunks = whole.chunks_exact(CHUNK);
            for chunk in &mut chunks {
                self.bytes.extend_from_slice(chunk);
                spilled.seal(&mut self.bytes)?;
            }
            self.bytes.extend_from_slice(chunks.remainder());
            self.spilled = Some(spilled);
            self.held = None;
        }
        let taken = if self.spilled.is_some() { bytes.len().min(CHUNK - self.bytes.len()) } else { bytes.len() };
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.len += taken as u64;
        if let Some(spilled) = &mut self.spilled
            && self.bytes.len() == CHUNK
        {
            spilled.seal(&mut self.bytes)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stage {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.len {
            return Ok(0);
        }
        let mut from = self.at;
        if let Some(spilled) = &mut self.spilled {
            let chunk = self.at / CHUNK as u64;
            if spilled.loaded != Some(chunk) {
                spilled.open(chunk, &mut self.bytes)?;
            }
            from -= chunk * CHUNK as u64;
        }
        let here = self.bytes.get(from as usize..).unwrap_or_default();
        let len = here.len().min(buffer.len());
        buffer[..len].copy_from_slice(&here[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Stage {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the start"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;
    use crate::format::budget::{Budget, Share};

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 % 251) as u8).collect()
    }

    #[test]
    fn what_is_spilled_is_noise() {
        let text = b"a name that nobody may read ".repeat(10_000);
        let mut stage = Stage::of(&mut &text[..], CHUNK).unwrap();
        let file = &mut stage.spilled.as_mut().unwrap().file;
        let mut on_disk = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut on_disk).unwrap();
        assert!(on_disk.len() > text.len());
        assert!(!on_disk.windows(4).any(|bytes| bytes == b"name"));
        let mut read = Vec::new();
        stage.read_to_end(&mut read).unwrap();
        assert!(read == text);
    }

    #[test]
    fn what_was_altered_is_not_read() {
        let mut stage = Stage::of(&mut &bytes(3 * CHUNK)[..], CHUNK).unwrap();
        let file = &mut stage.spilled.as_mut().unwrap().file;
        file.seek(SeekFrom::Start(CHUNK as u64 + 100)).unwrap();
        file.write_all(b"x").unwrap();
        let error = io::copy(&mut stage, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_there_is_no_memory_for_is_spilled() {
        let budget = Arc::new(Budget::new(6 << 20, Duration::ZERO));
        let stage = || Stage::sharing(4 << 20, Held::new(&Share::of(Some(&budget))));
        let (mut first, mut second) = (stage(), stage());
        let all = bytes(3 << 20);
        for stage in [&mut first, &mut second] {
            stage.fill(&mut &all[..]).unwrap();
        }
        assert_eq!((first.spilled.is_some(), second.spilled.is_some()), (false, false));
        let mut third = stage();
        third.fill(&mut &all[..]).unwrap();
        assert!(third.spilled.is_some() && budget.most() == 6 << 20);
        let mut read = Vec::new();
        third.read_to_end(&mut read).unwrap();
        assert!(read == all);
        drop((first, second));
        assert_eq!(budget.taken(), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_anywhere(
            len in 0_usize..4 * CHUNK, pieces in 1_usize..CHUNK * 2, in_memory in 0_usize..5 * CHUNK,
            places in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..CHUNK * 2), 0..8),
        ) {
            let all = bytes(len);
            let mut stage = Stage::new(in_memory);
            for piece in all.chunks(pieces) {
                stage.write_all(piece).unwrap();
            }
            stage.end().unwrap();
            prop_assert_eq!(stage.len(), len as u64);
            let mut read = Vec::new();
            stage.read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read, &all);
            for (at, count) in places {
                let at = at.index(len + 1);
                stage.seek(SeekFrom::End(-i64::try_from(len - at).unwrap())).unwrap();
                let mut read = Vec::new();
                Read::by_ref(&mut stage).take(count as u64).read_to_end(&mut read).unwrap();
                prop_assert_eq!(&read[..], &all[at..(at + count).min(len)]);
            }
        }
    }
}
