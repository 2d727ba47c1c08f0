//! What a flat buffer of Arrow says, of all that is in it: bytes that no table, list or text of it leads to may be anything.

use std::collections::HashSet;

use super::Fault;
use super::flat::Flat;

/// What a field of a table is.
#[derive(Debug)]
pub enum Of {
    /// So many bytes.
    Number(usize),
    Text,
    /// Elements of so many bytes each.
    List(usize),
    Table(&'static [Of]),
    Tables(&'static [Of]),
    /// A table, of which the field before says which one of these it is.
    One(&'static [&'static [Of]]),
}

use Of::{List, Number, One, Table, Tables, Text};

static SAID: [Of; 2] = [Text, Text];
static INT: [Of; 2] = [Number(4), Number(1)];
/// From `Null` to `LargeListView`; none has the number zero.
static TYPES: [&[Of]; 27] = [
    &[],
    &[],
    &INT,
    &[Number(2)],
    &[],
    &[],
    &[],
    &[Number(4), Number(4), Number(4)],
    &[Number(2)],
    &[Number(2), Number(4)],
    &[Number(2), Text],
    &[Number(2)],
    &[],
    &[],
    &[Number(2), List(4)],
    &[Number(4)],
    &[Number(4)],
    &[Number(1)],
    &[Number(2)],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[],
];
static ENTRIES: [Of; 4] = [Number(8), Table(&INT), Number(1), Number(2)];
static FIELD: [Of; 7] = [Text, Number(1), Number(1), One(&TYPES), Table(&ENTRIES), Tables(&FIELD), Tables(&SAID)];
static SCHEMA: [Of; 4] = [Number(2), Tables(&FIELD), Tables(&SAID), List(8)];
static BATCH: [Of; 5] = [Number(8), List(16), List(16), Table(&[Number(1), Number(1)]), List(8)];
static DICTIONARY: [Of; 3] = [Number(8), Table(&BATCH), Number(1)];
/// What describes a message, and the end of a file.
pub static MESSAGE: [Of; 5] =
    [Number(2), Number(1), One(&[&[], &SCHEMA, &DICTIONARY, &BATCH]), Number(8), Tables(&SAID)];
pub static FOOTER: [Of; 5] = [Number(2), Table(&SCHEMA), List(24), List(24), Tables(&SAID)];

/// Blanks out what this table does not say.
pub fn blank_rest(flat: &mut Flat, table: usize, of: &'static [Of]) -> Result<(), Fault> {
    let known = Known::of(flat, table, of)?;
    let mut parts = known.parts;
    parts.sort_unstable();
    let mut end = 0;
    for (start, len) in parts.into_iter().chain([(flat.bytes.len(), 0)]) {
        if start > end {
            flat.bytes.get_mut(end..start).ok_or(UNREADABLE)?.fill(0);
        }
        end = end.max(start.saturating_add(len));
    }
    Ok(())
}

/// The texts in this table that stay: names of fields, and zones of times. Each is told once, however many lead to it.
pub fn names<'f>(flat: &'f Flat, table: usize, of: &'static [Of]) -> Result<Vec<&'f [u8]>, Fault> {
    let mut texts = Known::of(flat, table, of)?.names;
    texts.sort_unstable();
    texts.dedup();
    // Others overlap in no file that a writer made.
    if texts.iter().map(|(_, len)| len).sum::<usize>() > flat.bytes.len() {
        return Err(UNREADABLE.into());
    }
    let text = |(start, len): (usize, usize)| flat.bytes.get(start..)?.get(..len);
    texts.into_iter().map(text).collect::<Option<_>>().ok_or_else(|| UNREADABLE.into())
}

const UNREADABLE: &str = "what describes its data leads to nowhere";

struct Known<'f> {
    flat: &'f Flat,
    /// Where something is that is said, and its length.
    parts: Vec<(usize, usize)>,
    /// Texts that are no entries, likewise.
    names: Vec<(usize, usize)>,
    /// Tables that were looked at: many references may lead to the same one.
    seen: HashSet<usize>,
}

impl<'f> Known<'f> {
    fn of(flat: &'f Flat, table: usize, of: &'static [Of]) -> Result<Self, Fault> {
        let mut known = Self { flat, parts: vec![(0, 4)], names: Vec::new(), seen: HashSet::new() };
        known.table(table, of)?;
        Ok(known)
    }

    /// Its depth is bounded where its columns are read.
    fn table(&mut self, table: usize, of: &'static [Of]) -> Result<(), Fault> {
        if !self.seen.insert(table) {
            return Ok(());
        }
        let (offsets, slots) = self.flat.offsets(table).ok_or(UNREADABLE)?;
        self.parts.push((table, 4));
        self.parts.push((offsets, 4 + 2 * slots.min(of.len())));
        if (of.len()..slots).any(|slot| self.flat.slot(table, slot).is_some()) {
            return Err(Fault::unknown("Arrow that says more than is known"));
        }
        for (slot, field) in of.iter().enumerate() {
            let Some(at) = self.flat.slot(table, slot) else { continue };
            let len = if let Number(len) = field { *len } else { 4 };
            self.parts.push((at, len));
            match *field {
                Number(_) => {}
                Text => {
                    let text = self.flat.follow(at).zip(self.flat.text(at));
                    let (start, text) = text.ok_or(UNREADABLE)?;
                    self.parts.push((start, 4 + text.len()));
                    if !matches!(of, [Text, Text]) {
                        self.names.push((start + 4, text.len()));
                    }
                }
                List(size) => self.list(table, slot, size)?,
                Table(inner) => self.table(self.flat.follow(at).ok_or(UNREADABLE)?, inner)?,
                Tables(inner) => {
                    self.list(table, slot, 4)?;
                    for table in self.flat.tables(table, slot).ok_or(UNREADABLE)? {
                        self.table(table, inner)?;
                    }
                }
                One(kinds) => {
                    let kind = self.flat.byte_field(table, slot - 1).ok_or(UNREADABLE)?;
                    let inner = kinds.get(usize::from(kind)).ok_or(UNREADABLE)?;
                    self.table(self.flat.follow(at).ok_or(UNREADABLE)?, inner)?;
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, table: usize, slot: usize, size: usize) -> Result<(), Fault> {
        let (start, count) = self.flat.list(table, slot, size).ok_or(UNREADABLE)?;
        self.parts.push((start.saturating_sub(4), 4 + count * size));
        Ok(())
    }
}
