//! The schema of Arrow that its writers keep in the footer: a message of Arrow's IPC in base64.
//!
//! It repeats the names of columns, which stay, and what is said about the file and its fields. That is edited where it stands ([`Flat`]). What no reader
//! comes to, behind the message and in it, goes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::format::table::Fault;
use crate::format::table::flat::{Entry, Flat};
use crate::format::table::known;

/// Under which key it is kept.
pub const KEY: &str = "ARROW:schema";

/// What stands before the length of a message.
const CONTINUES: [u8; 4] = [0xFF; 4];

/// The names of columns in it, and zones of times, which need not be those that the footer tells.
pub fn names(value: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let Some((message, _)) = Message::of(&BASE64_STANDARD.decode(value).unwrap_or_default()) else {
        return Ok(Vec::new());
    };
    let names = known::names(&message.flat, message.root, &known::MESSAGE)?;
    Ok(names.into_iter().map(<[u8]>::to_vec).collect())
}

/// The schema with its texts scrubbed by `text`, which is given their names; none where it stays.
pub fn scrub(
    value: &[u8],
    mut text: impl FnMut(&str, &[u8]) -> Result<Option<Vec<u8>>, Fault>,
) -> Result<Option<Vec<u8>>, Fault> {
    let bytes = BASE64_STANDARD.decode(value).unwrap_or_default();
    let Some((mut message, entries)) = Message::of(&bytes) else {
        // It is none, whatever its name is.
        return text(KEY, value);
    };
    message.flat.edit(&entries, text)?;
    known::blank_rest(&mut message.flat, message.root, &known::MESSAGE)?;
    let new = message.finish();
    Ok((new != bytes).then(|| BASE64_STANDARD.encode(new).into_bytes()))
}

/// A message that is a flat buffer.
struct Message {
    /// The continuation, or nothing.
    head: Vec<u8>,
    flat: Flat,
    root: usize,
    /// Bytes of the buffer, as it came.
    len: usize,
}

impl Message {
    /// With the entries of the message, of the schema and of its fields.
    fn of(bytes: &[u8]) -> Option<(Self, Vec<Entry>)> {
        let head = if bytes.starts_with(&CONTINUES) { CONTINUES.len() } else { 0 };
        let len = u32::from_le_bytes(*bytes.get(head..)?.first_chunk()?) as usize;
        let start = head + 4;
        let end = start.checked_add(len).filter(|end| *end <= bytes.len())?;
        let flat = Flat::new(bytes[start..end].to_vec());
        let root = flat.root()?;
        // Of the types of headers 1 is a schema.
        let kind = flat.slot(root, 1).and_then(|at| flat.bytes.get(at).copied());
        if kind != Some(1) {
            return None;
        }
        let schema = flat.follow(flat.slot(root, 2)?)?;
        let mut entries = flat.entries(root, 4)?;
        entries.extend(flat.schema_entries(schema)?);
        Some((Self { head: bytes[..head].to_vec(), flat, root, len }, entries))
    }

    fn finish(self) -> Vec<u8> {
        let Self { head, flat: Flat { bytes: mut flat, .. }, len, .. } = self;
        // What follows the length is so long that the whole is in eights.
        while flat.len() != len && !(head.len() + 4 + flat.len()).is_multiple_of(8) {
            flat.push(0);
        }
        let len = (flat.len() as u32).to_le_bytes();
        [&head[..], &len, &flat].concat()
    }
}
