//! Sealing: the key of an object, the messages of its parts, and its trailer.

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::suffix::{FOOTER, TRAILER_LEN, summary_context, table_context, table_len};
use super::{Facts, MAX_PARTS};
use crate::cobblestone::{self, Encryptor, Prefix, SALT, sealed_len};
use crate::length::sealed_object_len;
use crate::{Error, Oid};

/// DEK and object id. The DEK is wiped on drop and never printed.
#[derive(Clone)]
pub struct ObjectKey {
    dek: Zeroizing<[u8; 32]>,
    oid: Oid,
}

impl ObjectKey {
    /// A fresh random one. Fails only when the random generator does.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self { dek: Zeroizing::new(crate::random()?), oid: Oid::random()? })
    }

    /// From stored parts: a wrapped DEK, or the state of an upload.
    pub fn new(dek: Zeroizing<[u8; 32]>, oid: Oid) -> Self {
        Self { dek, oid }
    }

    /// The object id.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// The DEK, for sealing it into the state of an upload.
    pub fn expose(&self) -> &[u8; 32] {
        &self.dek
    }
}

impl std::fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectKey").field("oid", &self.oid).finish_non_exhaustive()
    }
}

/// `"dv1/part" ‖ oid ‖ part number(2)`.
pub(crate) fn part_context(oid: Oid, number: u16) -> [u8; 26] {
    let mut context = *b"dv1/part                  ";
    context[8..24].copy_from_slice(&oid.0);
    context[24..].copy_from_slice(&number.to_be_bytes());
    context
}

/// Seals one part. Each attempt at a part is a sealer of its own, with a fresh salt.
pub struct PartSealer(Encryptor);

impl PartSealer {
    /// For the part of that number, 1 to 10,000.
    pub fn new(key: &ObjectKey, part_number: u16) -> Result<Self, Error> {
        Self::with_salt(key, part_number, &crate::random()?)
    }

    pub(crate) fn with_salt(key: &ObjectKey, part_number: u16, salt: &[u8; SALT]) -> Result<Self, Error> {
        if !(1..=MAX_PARTS).contains(&part_number) {
            return Err(Error::Invalid("part number is not 1 to 10,000"));
        }
        Encryptor::with_salt(&key.dek, &part_context(key.oid, part_number), salt).map(Self)
    }

    /// Salt and commitment, for the SUMMARY or the TABLE.
    pub fn prefix(&self) -> Prefix {
        self.0.prefix()
    }

    /// Appends to `out` what can be sealed: the 56-byte prefix, with the first call, and whole chunks. At most 16 KiB − 1
    /// byte stay behind.
    pub fn update(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        self.0.update(plaintext, out)
    }

    /// Appends the last, short chunk: call it once every checksum of the part has been verified.
    pub fn finish(self, out: &mut BytesMut) -> Result<(), Error> {
        self.0.finish(out)
    }
}

/// `[TABLE] ‖ SUMMARY ‖ FOOTER`. With more than one part, [`Facts::parts`] must be complete.
pub fn trailer(key: &ObjectKey, facts: &Facts) -> Result<Vec<u8>, Error> {
    trailer_with_salts(key, facts, &crate::random()?, &crate::random()?)
}

pub(crate) fn trailer_with_salts(
    key: &ObjectKey,
    facts: &Facts,
    summary_salt: &[u8; SALT],
    table_salt: &[u8; SALT],
) -> Result<Vec<u8>, Error> {
    padding(facts)?;
    // What no reader accepts must not be written.
    if Facts::decode(&facts.encode())? != *facts {
        return Err(Error::Inconsistent("facts that do not read as they were written"));
    }
    let summary =
        cobblestone::seal_with_salt(&key.dek, &summary_context(key.oid), &facts.encode_summary(), summary_salt)?;
    let mut out = Vec::with_capacity((table_len(facts.part_count) + TRAILER_LEN) as usize);
    if facts.part_count > 1 {
        let rows: Vec<u8> = facts.parts.iter().flat_map(super::PartEntry::encode).collect();
        let (prefix, _) = summary.split_first_chunk().ok_or(Error::Truncated)?;
        let table = cobblestone::seal_with_salt(&key.dek, &table_context(key.oid, prefix), &rows, table_salt)?;
        out.extend_from_slice(&table);
    }
    out.extend_from_slice(&summary);
    out.extend_from_slice(&FOOTER);
    Ok(out)
}

/// How many zero bytes stand between the last part and the trailer, so that the whole is `g(length)` bytes. 0 for facts that
/// [`trailer`] refuses.
pub fn padding_len(facts: &Facts) -> u64 {
    padding(facts).unwrap_or(0)
}

/// [`padding_len`], or why these facts are none of an object: they contradict themselves, lack their table, or have parts so
/// many and so small that there is no room for their rows.
pub(crate) fn padding(facts: &Facts) -> Result<u64, Error> {
    let body: u64 = facts.layout()?.map(|(_, length, _)| sealed_len(length)).sum();
    sealed_object_len(facts.length)
        .checked_sub(body + table_len(facts.part_count) + TRAILER_LEN)
        .ok_or(Error::Inconsistent("parts too many and too small"))
}
