//! Columns whose values are of a fixed width, or between offsets.

use super::batch::{Batch, SHORT, offsets_len, says_something};
use super::fixed;
use super::schema::{Field, Fixed};
use crate::format::fit::{Key, Names};
use crate::format::table::Fault;
use crate::format::table::form::Form;
use crate::format::table::scalar::{holds_text, print_text};

/// Values that are looked into at a time.
pub const ROWS: usize = 1024;

/// A value that the type cannot hold becomes null where there may be null, else nothing.
pub fn fixed(
    batch: &mut Batch<'_, '_>,
    field: &Field,
    (rows, node): (usize, usize),
    width: usize,
    of: Fixed,
) -> Result<(), Fault> {
    let (bits, place) = (batch.next()?, batch.next()?);
    let data = batch.open(place)?;
    let len = rows.checked_mul(width).ok_or(SHORT)?;
    let (data, behind) = data.split_at_checked(len).ok_or(SHORT)?;
    let mut anew = says_something(behind).then(|| data.to_vec());
    let mut nulls = Vec::new();
    if let (Some(form), 1..) = (field.form, width) {
        for (index, part) in data.chunks(width * ROWS).enumerate() {
            let printed: Vec<_> = part.chunks(width).map(|value| fixed::print(of, form, value)).collect();
            for (row, text) in batch.columns.look(field, printed)?.into_iter().enumerate() {
                let Some(text) = text else { continue };
                let row = index * ROWS + row;
                if anew.is_none() {
                    batch.hold(len as u64)?;
                }
                let slot = &mut anew.get_or_insert_with(|| data.to_vec())[row * width..][..width];
                if let Some(new) = fixed::read(of, form, slot, &text) {
                    slot.copy_from_slice(&new);
                    continue;
                }
                slot.fill(0);
                if field.nullable {
                    nulls.push(row);
                }
            }
        }
    }
    batch.set_null(bits, (rows, node), &nulls)?;
    match anew {
        Some(anew) => batch.put(&anew),
        None => batch.keep(place),
    }
}

/// Offsets of so many rows, which do not go back.
pub fn offsets(bytes: &[u8], rows: usize, wide: bool) -> Result<Vec<usize>, Fault> {
    if rows == 0 {
        return Ok(vec![0]);
    }
    let width = if wide { 8 } else { 4 };
    let count = rows.checked_add(1).and_then(|count| count.checked_mul(width)).ok_or(SHORT)?;
    let read = |bytes: &[u8]| {
        let mut whole = [0; 8];
        whole[..width].copy_from_slice(bytes);
        usize::try_from(u64::from_le_bytes(whole)).ok()
    };
    let offsets = bytes.get(..count).ok_or(SHORT)?.chunks_exact(width).map(read);
    let offsets = offsets.collect::<Option<Vec<_>>>().ok_or("an offset is none")?;
    if offsets.is_sorted() { Ok(offsets) } else { Err("offsets go back".into()) }
}

/// The names that the values of a column may be, which stay unique within some of them.
pub struct Keys<'g> {
    groups: Option<&'g [usize]>,
    /// Which of them the last row is in.
    group: usize,
    names: Names,
}

impl<'g> Keys<'g> {
    pub fn new(groups: Option<&'g [usize]>) -> Self {
        Self { groups, group: 0, names: Names::default() }
    }

    /// What becomes of a row's value, of those that follow each other.
    pub fn take(&mut self, row: usize, old: &[u8], new: Option<&[u8]>) -> Option<Vec<u8>> {
        let Some(groups) = self.groups else { return new.map(<[u8]>::to_vec) };
        while groups.get(self.group + 1).is_some_and(|next| *next <= row) {
            self.group += 1;
        }
        let key = Key { depth: 0, object: self.group as u32 };
        let Some(new) = new else {
            self.names.keep(key, old);
            return None;
        };
        let mut name = new.to_vec();
        self.names.make_unique(key, &mut name);
        Some(name)
    }
}

/// Values between offsets, written anew from the first on that changes.
pub fn bytes(
    batch: &mut Batch<'_, '_>,
    field: &Field,
    (rows, node): (usize, usize),
    wide: bool,
    groups: Option<&[usize]>,
) -> Result<(), Fault> {
    let (bits, offsets_at, place) = (batch.next()?, batch.next()?, batch.next()?);
    let stored = batch.open(offsets_at)?;
    let from = offsets(&stored, rows, wide)?;
    let is_more = says_something(&stored[offsets_len(rows, wide)?..]);
    drop(stored);
    let data = batch.open(place)?;
    let (first, last) = (from[0], from[rows]);
    if last > data.len() {
        return Err(SHORT.into());
    }
    let is_all = !is_more && !says_something(&data[..first]) && !says_something(&data[last..]);
    let mut anew = (!is_all && batch.acts()).then(|| (vec![0], Vec::new()));
    let (mut keys, form, mut nulls) = (Keys::new(groups), field.form.unwrap_or(Form::Bytes), Vec::new());
    for start in (0..rows).step_by(ROWS) {
        let end = rows.min(start + ROWS);
        let value = |row: usize| &data[from[row]..from[row + 1]];
        let printed: Vec<_> = (start..end).map(|row| print_text(value(row), form)).collect();
        let mut instead = batch.columns.look(field, printed)?;
        for (row, new) in (start..end).zip(&mut instead) {
            // What is no text becomes null, or nothing where there may be no null.
            if new.is_some() && !holds_text(value(row), form) {
                let len = if field.nullable { 0 } else { value(row).len() };
                *new = Some(vec![0; len].into());
                nulls.extend(field.nullable.then_some(row));
            }
        }
        if anew.is_none() && batch.acts() && instead.iter().any(Option::is_some) {
            let before = from[..=start].iter().map(|offset| offset - first);
            // What is written anew, and its offsets.
            batch.hold((data.len() + rows * 8) as u64)?;
            anew = Some((before.collect(), data[first..from[start]].to_vec()));
        }
        for (row, text) in (start..end).zip(&instead) {
            let new = keys.take(row, value(row), text.as_deref());
            if let Some((offsets, data)) = &mut anew {
                data.extend_from_slice(new.as_deref().unwrap_or(value(row)));
                offsets.push(data.len());
                batch.check_size(data.len() as u64 / 2)?;
            }
        }
    }
    batch.set_null(bits, (rows, node), &nulls)?;
    let Some((offsets, data)) = anew else {
        batch.keep(offsets_at)?;
        return batch.keep(place);
    };
    let mut stored = Vec::with_capacity(offsets.len() * 8);
    for offset in offsets {
        if wide {
            stored.extend_from_slice(&(offset as u64).to_le_bytes());
        } else {
            let offset = i32::try_from(offset).map_err(|_| Fault::limit("a column grows too long".to_owned()))?;
            stored.extend_from_slice(&offset.to_le_bytes());
        }
    }
    batch.put(&stored)?;
    batch.put(&data)
}
