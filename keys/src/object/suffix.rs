//! Opening the end of a stored object: TABLE, SUMMARY and FOOTER.

use super::Facts;
use super::codec::{ROW_LEN, decode_rows};
use super::seal::{ObjectKey, padding};
use crate::cobblestone::{self, Prefix, sealed_len};
use crate::length::sealed_object_len;
use crate::{Error, Oid};

/// Bytes of the sealed SUMMARY.
pub const SUMMARY_LEN: u64 = sealed_len(ROW_LEN as u64);
/// Bytes of the FOOTER.
pub const FOOTER_LEN: u64 = 16;
/// Bytes of SUMMARY and FOOTER: the least suffix that says what the object is.
pub const TRAILER_LEN: u64 = SUMMARY_LEN + FOOTER_LEN;

/// Magic of every version of the format: not text, and torn by any conversion of line ends.
const MAGIC: [u8; 8] = *b"\x89DV\r\n\x1a\n\0";
/// `magic(8) ‖ version 1 ‖ suite 1 ‖ zero(6)`.
pub(crate) const FOOTER: [u8; FOOTER_LEN as usize] = *b"\x89DV\r\n\x1a\n\0\x01\x01\0\0\0\0\0\0";

/// `"dv1/summary" ‖ oid`.
pub(crate) fn summary_context(oid: Oid) -> [u8; 27] {
    let mut context = *b"dv1/summary                ";
    context[11..].copy_from_slice(&oid.0);
    context
}

/// `"dv1/table" ‖ oid ‖ salt and commitment of the SUMMARY`: no TABLE goes with another SUMMARY.
pub(crate) fn table_context(oid: Oid, summary: &Prefix) -> Vec<u8> {
    [b"dv1/table".as_slice(), &oid.0, summary].concat()
}

/// Bytes of the sealed TABLE; 0 where there is none.
pub fn table_len(part_count: u16) -> u64 {
    if part_count > 1 { sealed_len(u64::from(part_count) * ROW_LEN as u64) } else { 0 }
}

/// Whether these last bytes of an object say that it is sealed, by this or another version of the format. Not authenticated:
/// good for refusing plaintext service, not for trusting.
pub fn has_footer_magic(suffix: &[u8]) -> bool {
    suffix.last_chunk::<{ FOOTER_LEN as usize }>().is_some_and(|footer| footer.starts_with(&MAGIC))
}

/// What a suffix tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// The facts; with their parts where the TABLE was asked for.
    Facts(Facts),
    /// So many last bytes of the object are needed.
    NeedMore(u64),
}

/// Opens the last bytes of an object of `total_len` stored bytes, and checks that summary, table and length agree.
///
/// [`TRAILER_LEN`] bytes suffice without `need_table`, or where the object has one part.
pub fn open_suffix(key: &ObjectKey, suffix: &[u8], total_len: u64, need_table: bool) -> Result<Suffix, Error> {
    let more = |needed: u64| {
        if needed > total_len || suffix.len() as u64 >= total_len {
            return Err(Error::Truncated);
        }
        Ok(Suffix::NeedMore(needed))
    };
    if (suffix.len() as u64) < TRAILER_LEN {
        return more(TRAILER_LEN);
    }
    let (rest, footer) = suffix.split_last_chunk::<{ FOOTER_LEN as usize }>().ok_or(Error::Truncated)?;
    let (rest, summary) = rest.split_last_chunk::<{ SUMMARY_LEN as usize }>().ok_or(Error::Truncated)?;
    if *footer != FOOTER {
        return Err(match footer.strip_prefix(&MAGIC) {
            Some([1, suite, ..]) if *suite != 1 => Error::UnknownSuite(*suite),
            Some([version, ..]) if *version != 1 => Error::UnknownVersion((*version).into()),
            _ => Error::NoFooter,
        });
    }
    let opened = cobblestone::open_as(key.expose(), &summary_context(key.oid()), summary, "summary")?;
    let mut facts = Facts::decode(&opened)?;
    let expected = sealed_object_len(facts.length);
    if expected != total_len {
        return Err(Error::WrongLength { stored: total_len, expected });
    }
    if facts.part_count == 1 || !need_table {
        return Ok(Suffix::Facts(facts));
    }
    let table_len = table_len(facts.part_count);
    let Some((_, table)) = (rest.len()).checked_sub(table_len as usize).and_then(|at| rest.split_at_checked(at)) else {
        return more(table_len + TRAILER_LEN);
    };
    let (summary_prefix, _) = summary.split_first_chunk().ok_or(Error::Truncated)?;
    let rows = cobblestone::open_as(key.expose(), &table_context(key.oid(), summary_prefix), table, "part table")?;
    facts.parts = decode_rows(&rows)?;
    // Checks the rows against the summary, and that there is room for them all.
    padding(&facts)?;
    Ok(Suffix::Facts(facts))
}
