//! Opening any range of an object's plaintext from exactly the chunks that cover it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::seal::{ObjectKey, part_context};
use super::suffix::{Suffix, TRAILER_LEN, open_suffix, table_len};
use super::{Facts, Prefix};
use crate::Error;
use crate::cobblestone::{CHUNK, Message, PREFIX, TAG, fill, sealed_len};

const SEALED_CHUNK: u64 = CHUNK + TAG;
const PREFIX_LEN: u64 = PREFIX as u64;

/// Opens one range of plaintext, streaming. Holds at most one chunk, and releases no byte that is not authenticated.
///
/// A range that reaches the end of a part also takes the part's last chunk, even where that is empty: 16 bytes that lie next to the
/// others, and the proof that the part ends there. So the range of the whole object authenticates every message to its end.
pub struct RangeOpener {
    key: ObjectKey,
    source: Range<u64>,
    covers: std::vec::IntoIter<Cover>,
    current: Option<Current>,
    pending: Vec<u8>,
    failed: Option<Error>,
}

/// What is needed of one part.
struct Cover {
    number: u16,
    length: u64,
    prefix: Prefix,
    /// Chunk numbers.
    chunks: Range<u64>,
    /// Bytes of the part's plaintext.
    wanted: Range<u64>,
}

struct Current {
    cover: Cover,
    message: Message,
    /// The salt and commitment in the body are the next bytes.
    at_prefix: bool,
    chunk: u64,
}

/// The bytes of the stored object that cover the plaintext bytes `range`, contiguous, as [`RangeOpener::source`] will want them: known
/// before the object's key is. The same bounds as [`RangeOpener::new`].
pub fn covering(facts: &Facts, range: &Range<u64>) -> Result<Range<u64>, Error> {
    Ok(plan(facts, range)?.0)
}

/// The covering bytes, and what is needed of each part.
fn plan(facts: &Facts, range: &Range<u64>) -> Result<(Range<u64>, Vec<Cover>), Error> {
    if range.start > range.end || range.end > facts.length {
        return Err(Error::Invalid("range outside the object"));
    }
    // An empty range of an object that is not empty needs nothing; the range of an empty object needs all of it.
    let whole = range.start == 0 && range.end == facts.length;
    let mut covers = Vec::new();
    let mut source: Option<Range<u64>> = None;
    let (mut plain, mut sealed) = (0u64, 0u64);
    for (number, length, prefix) in facts.layout()? {
        let begins_after = plain >= range.end && !(range.end == facts.length && length == 0);
        let ends_before = plain + length <= range.start && !(range.start == 0 && length == 0);
        if whole || !(begins_after || ends_before || range.is_empty()) {
            let wanted = range.start.saturating_sub(plain)..length.min(range.end - plain);
            let chunks = wanted.start / CHUNK..if wanted.end == length {
                length / CHUNK + 1
            } else {
                (wanted.end - 1) / CHUNK + 1
            };
            let begin = match chunks.start {
                0 => 0,
                chunk => PREFIX_LEN + chunk * SEALED_CHUNK,
            };
            let end = (PREFIX_LEN + chunks.end * SEALED_CHUNK).min(sealed_len(length));
            source = Some(source.map_or(sealed + begin, |source| source.start)..sealed + end);
            covers.push(Cover { number, length, prefix, chunks, wanted });
        }
        plain += length;
        sealed += sealed_len(length);
    }
    Ok((source.unwrap_or(0..0), covers))
}

impl RangeOpener {
    /// For the plaintext bytes `range`, `start ≤ end ≤ length`. With more than one part, [`Facts::parts`] must be complete.
    pub fn new(key: &ObjectKey, facts: &Facts, range: Range<u64>) -> Result<Self, Error> {
        let (source, covers) = plan(facts, &range)?;
        let mut opener = Self {
            key: key.clone(),
            source,
            covers: covers.into_iter(),
            current: None,
            pending: Vec::new(),
            failed: None,
        };
        opener.next_part()?;
        Ok(opener)
    }

    /// Which bytes of the stored object [`Self::update`] must be given; empty for an empty range, unless the object is empty.
    pub fn source(&self) -> Range<u64> {
        self.source.clone()
    }

    /// Takes the next bytes of the source, in any cut, and appends to `out` the authenticated plaintext of the range. After
    /// an error every further call fails with it.
    pub fn update(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.open(sealed, out);
        self.failed = result.as_ref().err().cloned();
        result
    }

    /// [`Error::Truncated`] where bytes of the source are missing.
    pub fn finish(self) -> Result<(), Error> {
        match (self.failed, self.current) {
            (Some(error), _) => Err(error),
            (None, Some(_)) => Err(Error::Truncated),
            (None, None) => Ok(()),
        }
    }

    fn open(&mut self, mut sealed: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        out.reserve(self.pending.len() + sealed.len());
        while !sealed.is_empty() {
            let size = self.current.as_ref().ok_or(Error::TrailingData)?.next_len() as usize;
            if self.pending.is_empty()
                && let Some((piece, rest)) = sealed.split_at_checked(size)
            {
                self.piece(piece, out)?;
                sealed = rest;
                continue;
            }
            fill(&mut self.pending, size, &mut sealed);
            if self.pending.len() == size {
                let mut piece = std::mem::take(&mut self.pending);
                self.piece(&piece, out)?;
                piece.clear();
                self.pending = piece;
            }
        }
        Ok(())
    }

    /// Takes one prefix or one chunk.
    fn piece(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        let Some(current) = &mut self.current else {
            return Err(Error::TrailingData);
        };
        if current.at_prefix {
            if *sealed != current.cover.prefix {
                return Err(Error::NotAuthentic("salt and commitment of a part"));
            }
            current.at_prefix = false;
            return Ok(());
        }
        let start = out.len();
        current.message.open_onto(current.chunk, sealed, "part", out)?;
        let wanted = &current.cover.wanted;
        let chunk = current.chunk * CHUNK;
        let keep = wanted.end.saturating_sub(chunk) as usize;
        let skip = wanted.start.saturating_sub(chunk) as usize;
        out.truncate(start + keep);
        if skip > 0 {
            let end = out.len();
            out.copy_within(start + skip..end, start);
            out.truncate(end - skip);
        }
        current.chunk += 1;
        if current.chunk == current.cover.chunks.end {
            self.next_part()?;
        }
        Ok(())
    }

    /// Derives the keys of the next part and checks its commitment.
    fn next_part(&mut self) -> Result<(), Error> {
        self.current = match self.covers.next() {
            None => None,
            Some(cover) => Some(Current {
                message: Message::open(
                    self.key.expose(),
                    &part_context(self.key.oid(), cover.number),
                    &cover.prefix,
                    "commitment of a part",
                )?,
                at_prefix: cover.chunks.start == 0,
                chunk: cover.chunks.start,
                cover,
            }),
        };
        Ok(())
    }
}

impl Current {
    /// Length of the prefix or chunk that comes next.
    fn next_len(&self) -> u64 {
        if self.at_prefix {
            PREFIX_LEN
        } else if self.chunk < self.cover.length / CHUNK {
            SEALED_CHUNK
        } else {
            self.cover.length % CHUNK + TAG
        }
    }
}

/// Opens a whole stored object in memory, and checks every byte of it, padding included.
pub fn open_whole(key: &ObjectKey, sealed: &[u8]) -> Result<(Facts, Bytes), Error> {
    let total = sealed.len() as u64;
    let Suffix::Facts(facts) = open_suffix(key, sealed, total, true)? else {
        return Err(Error::Truncated);
    };
    let mut opener = RangeOpener::new(key, &facts, 0..facts.length)?;
    let body_end = opener.source().end;
    let trailer = table_len(facts.part_count) + TRAILER_LEN;
    let (body, rest) = sealed.split_at_checked(body_end as usize).ok_or(Error::Truncated)?;
    let padding = rest.get(..rest.len().saturating_sub(trailer as usize)).ok_or(Error::Truncated)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Error::NotAuthentic("padding"));
    }
    let mut plaintext = BytesMut::with_capacity(body.len());
    opener.update(body, &mut plaintext)?;
    opener.finish()?;
    Ok((facts, plaintext.freeze()))
}
