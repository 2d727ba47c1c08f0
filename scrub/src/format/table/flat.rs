//! Flat buffers, as far as Arrow has them: read within their bounds, and edited where they stand. What is longer than before goes to the end, and its place
//! into the reference that leads there.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::Fault;

/// Fields in fields, at most.
const DEPTH: u32 = 128;
/// Tables that are looked at, at most: many references may lead to the same ones.
const TABLES: usize = 1 << 20;
/// How often its bytes are looked at as texts, at most: many entries may refer to the same ones, under another key each.
const AGAIN: usize = 4;

const UNREADABLE: &str = "a text that describes its data cannot be read";

/// Where a key and its value are referred to, of which one may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    key: Option<usize>,
    value: Option<usize>,
}

/// A buffer. Tables are known by where they start.
#[derive(Clone, Debug)]
pub struct Flat {
    pub bytes: Vec<u8>,
    /// Tables that were looked at.
    seen: Cell<usize>,
}

impl Flat {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, seen: Cell::new(0) }
    }

    pub fn root(&self) -> Option<usize> {
        self.follow(0)
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    fn word(&self, at: usize) -> Option<usize> {
        Some(u32::from_le_bytes(self.array(at)?) as usize)
    }

    fn short(&self, at: usize) -> Option<usize> {
        Some(u16::from_le_bytes(self.array(at)?).into())
    }

    /// Where the reference at `at` leads.
    pub fn follow(&self, at: usize) -> Option<usize> {
        at.checked_add(self.word(at)?).filter(|to| *to < self.bytes.len() && *to > at)
    }

    /// Where it stands where a table keeps its fields, and how many of them it may have.
    pub fn offsets(&self, table: usize) -> Option<(usize, usize)> {
        let back = i64::from(i32::from_le_bytes(self.array(table)?));
        let offsets = usize::try_from(i64::try_from(table).ok()? - back).ok()?;
        Some((offsets, self.short(offsets)?.saturating_sub(4) / 2))
    }

    /// Where a table keeps a field; none if it has it not.
    pub fn slot(&self, table: usize, index: usize) -> Option<usize> {
        let (offsets, slots) = self.offsets(table)?;
        if index >= slots {
            return None;
        }
        let field = self.short(offsets.checked_add(4 + 2 * index)?)?;
        (field > 0).then_some(table + field)
    }

    /// A field that is a number; zero where it is not there.
    pub fn byte_field(&self, table: usize, index: usize) -> Option<u8> {
        self.slot(table, index).map_or(Some(0), |at| self.bytes.get(at).copied())
    }

    pub fn short_field(&self, table: usize, index: usize) -> Option<u16> {
        self.slot(table, index).map_or(Some(0), |at| self.array(at).map(u16::from_le_bytes))
    }

    pub fn int_field(&self, table: usize, index: usize) -> Option<i32> {
        self.slot(table, index).map_or(Some(0), |at| self.int(at))
    }

    pub fn long_field(&self, table: usize, index: usize) -> Option<i64> {
        self.slot(table, index).map_or(Some(0), |at| self.long(at))
    }

    pub fn long(&self, at: usize) -> Option<i64> {
        self.array(at).map(i64::from_le_bytes)
    }

    pub fn int(&self, at: usize) -> Option<i32> {
        self.array(at).map(i32::from_le_bytes)
    }

    /// Puts a number where one is.
    pub fn set_long(&mut self, at: usize, number: i64) -> Option<()> {
        *self.bytes.get_mut(at..)?.first_chunk_mut()? = number.to_le_bytes();
        Some(())
    }

    pub fn set_int(&mut self, at: usize, number: i32) -> Option<()> {
        *self.bytes.get_mut(at..)?.first_chunk_mut()? = number.to_le_bytes();
        Some(())
    }

    /// Puts another list of elements of eight bytes, or sixteen, in the place of one.
    pub fn set_list(&mut self, table: usize, slot: usize, count: usize, elements: &[u8]) -> Option<()> {
        let reference = self.slot(table, slot)?;
        // The elements are at a place that is a multiple of eight.
        self.pad(8);
        self.bytes.extend_from_slice(&[0; 4]);
        let to = u32::try_from(self.bytes.len().checked_sub(reference)?).ok()?;
        *self.bytes.get_mut(reference..)?.first_chunk_mut()? = to.to_le_bytes();
        self.bytes.extend_from_slice(&u32::try_from(count).ok()?.to_le_bytes());
        self.bytes.extend_from_slice(elements);
        self.pad(8);
        Some(())
    }

    /// The tables of a list; none of a list that is not there.
    pub fn tables(&self, table: usize, slot: usize) -> Option<Vec<usize>> {
        let (list, count) = self.list(table, slot, 4)?;
        self.seen.set(self.seen.get().saturating_add(count));
        if self.seen.get() > TABLES {
            return None;
        }
        (0..count).map(|index| self.follow(list + 4 * index)).collect()
    }

    /// Where the elements of a list start, which have so many bytes each, and how many they are: none of a list that is not there.
    pub fn list(&self, table: usize, slot: usize, size: usize) -> Option<(usize, usize)> {
        let Some(at) = self.slot(table, slot) else { return Some((0, 0)) };
        let list = self.follow(at)?;
        let count = self.word(list)?;
        let len = count.checked_mul(size)?;
        self.bytes.get(list + 4..)?.get(..len)?;
        Some((list + 4, count))
    }

    pub fn text(&self, reference: usize) -> Option<&[u8]> {
        let at = self.follow(reference)?;
        self.bytes.get(at + 4..)?.get(..self.word(at)?)
    }

    /// Puts another text where one is referred to. The old one may be that of a name too; what nothing leads to any more, [`known`](super::known) blanks out.
    fn put(&mut self, reference: usize, text: &[u8]) {
        self.pad(4);
        let Ok(len) = u32::try_from(text.len()) else { return };
        self.refer(reference, self.bytes.len());
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        self.pad(4);
    }

    /// Leads a reference to another place, which is behind it.
    fn refer(&mut self, reference: usize, to: usize) {
        if let Ok(to) = u32::try_from(to - reference) {
            self.bytes[reference..reference + 4].copy_from_slice(&to.to_le_bytes());
        }
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// The keys and values in a field of a table.
    pub fn entries(&self, table: usize, slot: usize) -> Option<Vec<Entry>> {
        let entry = |entry: usize| Entry { key: self.slot(entry, 0), value: self.slot(entry, 1) };
        Some(self.tables(table, slot)?.into_iter().map(entry).collect())
    }

    /// What is said under a key in a field of a table.
    pub fn said(&self, table: usize, slot: usize, key: &[u8]) -> Option<&[u8]> {
        let entries = self.entries(table, slot)?;
        let is_it = |entry: &&Entry| entry.key.and_then(|at| self.text(at)) == Some(key);
        self.text(entries.iter().find(is_it)?.value?)
    }

    /// Those of a schema of Arrow, and of its fields.
    pub fn schema_entries(&self, schema: usize) -> Option<Vec<Entry>> {
        let mut entries = self.entries(schema, 2)?;
        self.field_entries(schema, 1, DEPTH, &mut entries)?;
        Some(entries)
    }

    fn field_entries(&self, table: usize, slot: usize, depth: u32, entries: &mut Vec<Entry>) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for field in self.tables(table, slot)? {
            entries.extend(self.entries(field, 6)?);
            self.field_entries(field, 5, depth, entries)?;
        }
        Some(())
    }

    /// Scrubs entries by `text`, which is given the key of a value, and none of a key; whether one changed.
    pub fn edit(
        &mut self,
        entries: &[Entry],
        mut text: impl FnMut(&str, &[u8]) -> Result<Option<Vec<u8>>, Fault>,
    ) -> Result<bool, Fault> {
        // Where texts are that changed: other entries may refer to the same ones.
        let mut moved: HashMap<usize, usize> = HashMap::new();
        let (mut seen, mut left) = (HashSet::new(), AGAIN * self.bytes.len());
        for entry @ Entry { key, value } in entries {
            let mut name = String::new();
            if !seen.insert(*entry) {
                continue;
            }
            for (at, is_key) in [(*key, true), (*value, false)] {
                let Some(at) = at else { continue };
                let mut from = self.follow(at).ok_or(UNREADABLE)?;
                while let Some(to) = moved.get(&from) {
                    self.refer(at, *to);
                    from = *to;
                }
                let old = self.text(at).ok_or(UNREADABLE)?;
                let rest = left.checked_sub(old.len());
                left =
                    rest.ok_or_else(|| Fault::limit("what describes its data says the same too often".to_owned()))?;
                let new = text(&name, old)?;
                if is_key {
                    name = String::from_utf8_lossy(old).into_owned();
                }
                if let Some(new) = new {
                    self.put(at, &new);
                    moved.insert(from, self.follow(at).ok_or(UNREADABLE)?);
                }
            }
        }
        Ok(!moved.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, and so many references to it.
    fn flat(references: usize) -> (Flat, Vec<Entry>) {
        let mut bytes = Vec::new();
        for index in 0..references {
            bytes.extend_from_slice(&u32::try_from(4 * (references - index)).unwrap().to_le_bytes());
        }
        bytes.extend_from_slice(&1000_u32.to_le_bytes());
        bytes.extend_from_slice(&[b'x'; 1000]);
        (Flat::new(bytes), (0..references).map(|index| Entry { key: None, value: Some(4 * index) }).collect())
    }

    #[test]
    fn a_text_of_many_is_looked_at_some_times() {
        let mut looks = 0;
        let (mut flat, entries) = flat(100);
        let done = flat.edit(&entries, |_, _| {
            looks += 1;
            Ok(None)
        });
        assert!(matches!(done, Err(Fault::Other(_))) && looks < 10, "{done:?}");
        // The same entry any number of times is one.
        assert!(flat.edit(&[entries[0]; 100], |_, _| Ok(None)).is_ok());
    }

    #[test]
    fn a_text_that_changes_stays_for_others() {
        let (mut flat, entries) = flat(2);
        assert!(flat.edit(&entries[..1], |_, _| Ok(Some(b"new".to_vec()))).unwrap());
        assert_eq!((flat.text(0), flat.text(4)), (Some(&b"new"[..]), Some(&[b'x'; 1000][..])));
    }
}
