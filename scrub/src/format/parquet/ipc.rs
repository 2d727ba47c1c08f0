//! The schema of Arrow that its writers keep in the footer: a message of Arrow's IPC in base64.
//!
//! It repeats the names of columns, which stay, and what is said about the file and its fields. That is edited where it stands: a text that changes
//! goes to the end of the message, and its place in the table of its entry points there.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Fault;

/// Under which key it is kept.
pub const KEY: &str = "ARROW:schema";

/// Fields in fields, at most.
const DEPTH: u32 = 128;
/// Tables that are looked at, at most: many may refer to the same ones.
const TABLES: usize = 1 << 20;
/// What stands before the length of a message.
const CONTINUES: [u8; 4] = [0xFF; 4];

/// The schema with its texts scrubbed by `text`, which is given their names; none where it stays.
pub fn scrub(
    value: &[u8],
    mut text: impl FnMut(&str, &[u8]) -> Result<Option<Vec<u8>>, Fault>,
) -> Result<Option<Vec<u8>>, Fault> {
    let message = BASE64_STANDARD.decode(value).ok().and_then(|bytes| Message::of(&bytes));
    let Some(mut message) = message else {
        // It is none, whatever its name is.
        return text(KEY, value);
    };
    let mut changed = false;
    for entry in message.entries.clone() {
        let Some(old) = message.text(entry.value) else { continue };
        let name = message.text(entry.key).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        if let Some(new) = text(&name, old)? {
            message.put(entry.value, &new);
            changed = true;
        }
    }
    Ok(changed.then(|| BASE64_STANDARD.encode(message.finish()).into_bytes()))
}

/// A message that is a flat buffer.
struct Message {
    /// The continuation, or nothing.
    head: Vec<u8>,
    flat: Vec<u8>,
    /// What is behind it.
    tail: Vec<u8>,
    entries: Vec<Entry>,
    /// Tables that were looked at.
    seen: usize,
}

/// Where a key and its value are referred to.
#[derive(Clone, Copy)]
struct Entry {
    key: usize,
    value: usize,
}

impl Message {
    fn of(bytes: &[u8]) -> Option<Self> {
        let head = if bytes.starts_with(&CONTINUES) { CONTINUES.len() } else { 0 };
        let len = u32::from_le_bytes(*bytes.get(head..)?.first_chunk()?) as usize;
        let start = head + 4;
        let end = start.checked_add(len).filter(|end| *end <= bytes.len())?;
        let (flat, tail) = (bytes[start..end].to_vec(), bytes[end..].to_vec());
        let mut message = Self { head: bytes[..head].to_vec(), flat, tail, entries: Vec::new(), seen: 0 };
        message.read()?;
        Some(message)
    }

    /// Finds the entries: those of the message, of the schema and of its fields.
    fn read(&mut self) -> Option<()> {
        let message = self.follow(0)?;
        // Of the types of headers 1 is a schema.
        let kind = self.slot(message, 1).and_then(|at| self.flat.get(at).copied());
        if kind != Some(1) {
            return None;
        }
        let schema = self.follow(self.slot(message, 2)?)?;
        self.read_entries(message, 4)?;
        self.read_entries(schema, 2)?;
        self.read_fields(schema, 1, DEPTH)
    }

    fn read_fields(&mut self, table: usize, slot: usize, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for field in self.tables(table, slot)? {
            self.read_entries(field, 6)?;
            self.read_fields(field, 5, depth)?;
        }
        Some(())
    }

    fn read_entries(&mut self, table: usize, slot: usize) -> Option<()> {
        for entry in self.tables(table, slot)? {
            if let (Some(key), Some(value)) = (self.slot(entry, 0), self.slot(entry, 1)) {
                self.entries.push(Entry { key, value });
            }
        }
        Some(())
    }

    fn word(&self, at: usize) -> Option<usize> {
        Some(u32::from_le_bytes(*self.flat.get(at..)?.first_chunk()?) as usize)
    }

    fn short(&self, at: usize) -> Option<usize> {
        Some(u16::from_le_bytes(*self.flat.get(at..)?.first_chunk()?).into())
    }

    /// Where the reference at `at` leads.
    fn follow(&self, at: usize) -> Option<usize> {
        at.checked_add(self.word(at)?).filter(|to| *to < self.flat.len() && *to > at)
    }

    /// Where a table keeps a field; none if it has it not.
    fn slot(&self, table: usize, index: usize) -> Option<usize> {
        let back = i64::from(i32::from_le_bytes(*self.flat.get(table..)?.first_chunk()?));
        let offsets = usize::try_from(i64::try_from(table).ok()? - back).ok()?;
        let at = 4 + 2 * index;
        if at + 2 > self.short(offsets)? {
            return None;
        }
        let field = self.short(offsets.checked_add(at)?)?;
        (field > 0).then_some(table + field)
    }

    /// The tables of a list; none of a list that is not there.
    fn tables(&mut self, table: usize, slot: usize) -> Option<Vec<usize>> {
        let Some(at) = self.slot(table, slot) else { return Some(Vec::new()) };
        let list = self.follow(at)?;
        let count = self.word(list)?;
        self.seen = self.seen.saturating_add(count);
        if count > self.flat.len() / 4 || self.seen > TABLES {
            return None;
        }
        (0..count).map(|index| self.follow(list + 4 + 4 * index)).collect()
    }

    fn text(&self, reference: usize) -> Option<&[u8]> {
        let at = self.follow(reference)?;
        self.flat.get(at + 4..)?.get(..self.word(at)?)
    }

    /// Puts another text where one is referred to, and blanks out the old one.
    fn put(&mut self, reference: usize, text: &[u8]) {
        let Some(old) = self.follow(reference) else { return };
        let len = self.text(reference).map_or(0, <[u8]>::len);
        self.flat[old + 4..old + 4 + len].fill(b' ');
        let pad = |flat: &mut Vec<u8>| flat.resize(flat.len().next_multiple_of(4), 0);
        pad(&mut self.flat);
        let (Ok(to), Ok(len)) = (u32::try_from(self.flat.len() - reference), u32::try_from(text.len())) else { return };
        self.flat[reference..reference + 4].copy_from_slice(&to.to_le_bytes());
        self.flat.extend_from_slice(&len.to_le_bytes());
        self.flat.extend_from_slice(text);
        self.flat.push(0);
        pad(&mut self.flat);
    }

    fn finish(self) -> Vec<u8> {
        let Self { head, mut flat, tail, .. } = self;
        // What follows the length is so long that the whole is in eights.
        while !(head.len() + 4 + flat.len()).is_multiple_of(8) {
            flat.push(0);
        }
        let len = (flat.len() as u32).to_le_bytes();
        [&head[..], &len, &flat, &tail].concat()
    }
}
