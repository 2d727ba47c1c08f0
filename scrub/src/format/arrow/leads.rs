//! Where offsets, lengths, types and indices lead: to values that are there. A reader that follows others comes to bytes that were not looked into, or not as what it
//! takes them for.

use super::batch::SHORT;
use super::schema::Field;
use crate::format::table::Fault;

/// What is wrong with a column, which is told by its number: its name may say something.
fn broken<T>(field: &Field, what: &str) -> Result<T, Fault> {
    Err(Fault::Broken(format!("column {} (counted from 0, with those within others): {what}", field.index)))
}

/// Whether a column, of which so many values are asked for, has them.
pub fn within(field: &Field, asked: usize, values: usize) -> Result<(), Fault> {
    if asked <= values { Ok(()) } else { broken(field, "it has fewer values than lead to it") }
}

/// Integers of so many bytes; one that is negative is none.
fn numbers(bytes: &[u8], width: usize, signed: bool) -> impl Iterator<Item = Option<usize>> + '_ {
    bytes.chunks_exact(width).map(move |bytes| {
        let mut whole = [0; 8];
        whole[..width].copy_from_slice(bytes);
        let is_negative = signed && bytes[width - 1] & 0x80 != 0;
        usize::try_from(u64::from_le_bytes(whole)).ok().filter(|_| !is_negative)
    })
}

const fn width(wide: bool) -> usize {
    if wide { 8 } else { 4 }
}

/// Offsets of so many lists, which do not go back: how many values they lead to.
pub fn offsets(field: &Field, bytes: &[u8], rows: usize, wide: bool) -> Result<usize, Fault> {
    if rows == 0 {
        return Ok(0);
    }
    let len = rows.checked_add(1).and_then(|count| count.checked_mul(width(wide))).ok_or(SHORT)?;
    let mut last = 0;
    for offset in numbers(bytes.get(..len).ok_or(SHORT)?, width(wide), true) {
        match offset {
            Some(offset) if offset >= last => last = offset,
            Some(_) => return broken(field, "its offsets go back"),
            None => return broken(field, "an offset is none"),
        }
    }
    Ok(last)
}

/// Offsets and sizes of lists in any order: how many values they lead to.
pub fn views(field: &Field, offsets: &[u8], sizes: &[u8], wide: bool) -> Result<usize, Fault> {
    let mut most = 0;
    for pair in numbers(offsets, width(wide), true).zip(numbers(sizes, width(wide), true)) {
        let (Some(offset), Some(size)) = pair else { return broken(field, "an offset or a size is none") };
        most = most.max(offset.checked_add(size).ok_or(SHORT)?);
    }
    Ok(most)
}

/// By the byte that tells a value's type, which child of a union it is in.
fn places(field: &Field) -> [Option<usize>; 256] {
    let mut places = [None; 256];
    for (place, kind) in field.types.iter().enumerate() {
        places[usize::from(*kind)] = Some(place);
    }
    places
}

fn child(field: &Field, places: &[Option<usize>; 256], kind: u8) -> Result<usize, Fault> {
    places[usize::from(kind)].map_or_else(|| broken(field, "a type is none of its union"), Ok)
}

/// How many values each child of a union is to have that has one for every row.
pub fn sparse(field: &Field, types: &[u8]) -> Result<Vec<usize>, Fault> {
    let places = places(field);
    types.iter().try_for_each(|kind| child(field, &places, *kind).map(drop))?;
    Ok(vec![types.len(); field.children.len()])
}

/// The same of one whose rows lead to values, in any order: some writers go back within a child, and all of a child is looked into.
pub fn dense(field: &Field, types: &[u8], offsets: &[u8]) -> Result<Vec<usize>, Fault> {
    let (places, mut least) = (places(field), vec![0; field.children.len()]);
    for (kind, offset) in types.iter().zip(numbers(offsets, 4, true)) {
        let child: &mut usize = &mut least[child(field, &places, *kind)?];
        let Some(count) = offset.and_then(|offset| offset.checked_add(1)) else {
            return broken(field, "an offset is none");
        };
        *child = count.max(*child);
    }
    Ok(least)
}

/// How many entries the indices of a column lead to; `bits` say which are null, and are empty where none is. What stands under null leads nowhere, and becomes
/// zero where it is not what writers leave there: zero, -1, or a number that others have too. Tells whether one did.
pub fn indices(
    field: &Field,
    stored: &mut [u8],
    bits: &[u8],
    width: usize,
    signed: bool,
) -> Result<(usize, bool), Fault> {
    let is_null = |row: usize| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 0);
    let mut most = 0;
    for (row, index) in numbers(stored, width, signed).enumerate() {
        match index.and_then(|index| index.checked_add(1)) {
            _ if is_null(row) => {}
            Some(count) => most = most.max(count),
            None => return broken(field, "an index is none"),
        }
    }
    let mut changed = false;
    for (_, slot) in stored.chunks_exact_mut(width).enumerate().filter(|(row, _)| is_null(*row)) {
        let is_known = numbers(slot, width, signed).flatten().any(|index| index < most);
        let is_usual = slot.iter().all(|byte| *byte == 0) || slot.iter().all(|byte| *byte == 0xFF);
        if !is_known && !is_usual {
            slot.fill(0);
            changed = true;
        }
    }
    Ok((most, changed))
}

/// Whether runs go on from one to the next, and to the last row, behind which there is none.
pub fn run_ends(field: &Field, stored: &[u8], width: usize, rows: usize) -> Result<(), Fault> {
    let mut last = 0;
    for end in numbers(stored, width, true) {
        match end {
            Some(end) if end > last && (last < rows || last == 0) => last = end,
            Some(end) if end > last => return broken(field, "it has runs behind its rows"),
            _ => return broken(field, "its runs go back"),
        }
    }
    if last >= rows { Ok(()) } else { broken(field, "its runs end before its rows") }
}

/// Whether a dictionary of so many entries has those that a column leads to.
pub fn entries(index: usize, asked: usize, entries: usize) -> Result<(), Fault> {
    if asked <= entries {
        return Ok(());
    }
    Err(Fault::Broken(format!(
        "column {index} (counted from 0, with those within others): an index leads to no entry of its dictionary"
    )))
}
