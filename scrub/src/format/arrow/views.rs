//! Columns of views: short texts stand in them, longer ones in buffers that they lead to, in any order.

use std::collections::HashMap;
use std::ops::Range;

use super::batch::{Batch, SHORT, says_something};
use super::column::{Keys, ROWS};
use super::schema::Field;
use crate::format::table::Fault;
use crate::format::table::form::Form;
use crate::format::table::scalar::{holds_text, print_text};

/// Bytes of a view, and of the texts that stand in one.
const VIEW: usize = 16;
const INLINE: usize = 12;
/// Bytes that are hashed in the time of one that is scrubbed, at least.
const HASHED: usize = 16;

/// Where a long text is: its buffer, and the bytes there.
type Long = (usize, Range<usize>);

struct Views {
    stored: Vec<u8>,
    /// Which are null; empty: none.
    bits: Vec<u8>,
    buffers: Vec<Vec<u8>>,
}

impl Views {
    /// The text of a row, and where it is if it is long. What a view of null leads to is nowhere.
    fn text(&self, row: usize) -> Result<(&[u8], Option<Long>), Fault> {
        let view = &self.stored[row * VIEW..][..VIEW];
        if self.is_null(row) {
            return Ok((&[], None));
        }
        let number = |at: usize| {
            let bytes = view.get(at..)?.first_chunk()?;
            usize::try_from(i32::from_le_bytes(*bytes)).ok()
        };
        let len = number(0).ok_or("a view has no length")?;
        if len <= INLINE {
            return Ok((&view[4..4 + len], None));
        }
        let long = number(8).zip(number(12)).and_then(|(buffer, start)| {
            let range = start..start.checked_add(len)?;
            Some((self.buffers.get(buffer)?.get(range.clone())?, Some((buffer, range))))
        });
        long.ok_or_else(|| "a view leads to nowhere".into())
    }

    fn is_null(&self, row: usize) -> bool {
        self.bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 0)
    }

    /// Whether a view says more than its text.
    fn says_more(&self, row: usize, text: &[u8]) -> bool {
        let view = &self.stored[row * VIEW..][..VIEW];
        match text.len() {
            _ if self.is_null(row) => says_something(view),
            len @ ..=INLINE => says_something(&view[4 + len..]),
            _ => view[4..8] != text[..4],
        }
    }

    /// Whether all that the buffers say is in one of these texts.
    fn are_all(&self, mut texts: Vec<Long>) -> bool {
        texts.sort_unstable_by_key(|(buffer, range)| (*buffer, range.start));
        let mut ends = vec![0; self.buffers.len()];
        for (buffer, range) in texts {
            let end: &mut usize = &mut ends[buffer];
            if range.start > *end && says_something(&self.buffers[buffer][*end..range.start]) {
                return false;
            }
            *end = range.end.max(*end);
        }
        !self.buffers.iter().zip(ends).any(|(bytes, end)| says_something(&bytes[end..]))
    }
}

/// What is written anew: the views, and one buffer.
#[derive(Default)]
struct Anew {
    views: Vec<u8>,
    data: Vec<u8>,
    /// Where long texts of the source are now, and new ones.
    old: HashMap<Long, usize>,
    new: HashMap<Vec<u8>, usize>,
}

impl Anew {
    fn push(&mut self, text: &[u8], long: Option<Long>) -> Result<(), Fault> {
        let too_long = || Fault::limit("a column grows too long".to_owned());
        let number = |number: usize| i32::try_from(number).map(i32::to_le_bytes).map_err(|_| too_long());
        self.views.extend_from_slice(&number(text.len())?);
        if text.len() <= INLINE {
            self.views.extend_from_slice(text);
            self.views.resize(self.views.len().next_multiple_of(VIEW), 0);
            return Ok(());
        }
        let data = &mut self.data;
        let append = || {
            data.extend_from_slice(text);
            data.len() - text.len()
        };
        let at = match long {
            Some(long) => *self.old.entry(long).or_insert_with(append),
            None => *self.new.entry(text.to_vec()).or_insert_with(append),
        };
        self.views.extend_from_slice(&text[..4]);
        self.views.extend_from_slice(&[0; 4]);
        self.views.extend_from_slice(&number(at)?);
        Ok(())
    }
}

pub fn scrub(
    batch: &mut Batch<'_, '_>,
    field: &Field,
    (rows, node): (usize, usize),
    groups: Option<&[usize]>,
) -> Result<(), Fault> {
    let (bits, place) = (batch.next()?, batch.next()?);
    let count = batch.next_count()?;
    let places = (0..count).map(|_| batch.next()).collect::<Result<Vec<_>, _>>()?;
    let mut views = Views { bits: batch.open(bits)?, stored: batch.open(place)?, buffers: Vec::new() };
    let len = rows.checked_mul(VIEW).filter(|len| *len <= views.stored.len()).ok_or(SHORT)?;
    if !views.bits.is_empty() && views.bits.len() < rows.div_ceil(8) {
        return Err(SHORT.into());
    }
    let mut total = 0;
    for place in &places {
        views.buffers.push(batch.open(*place)?);
        total += views.buffers.last().map_or(0, Vec::len);
        batch.check_size(total as u64)?;
    }
    let form = field.form.unwrap_or(Form::Bytes);
    let (mut changes, mut texts) = (HashMap::new(), Vec::new());
    let mut is_all = !says_something(&views.stored[len..]);
    let (mut keys, mut nulls) = (Keys::new(groups), Vec::new());
    for start in (0..rows).step_by(ROWS) {
        let mut printed = Vec::with_capacity(ROWS);
        for row in start..rows.min(start + ROWS) {
            let (text, long) = views.text(row)?;
            is_all &= !views.says_more(row, text);
            // Any number of views can lead to the same text.
            batch.work().take((text.len() / HASHED) as u64)?;
            printed.push(print_text(text, form));
            texts.extend(long);
        }
        for (row, mut new) in batch.columns.look(field, printed)?.into_iter().enumerate() {
            let row = start + row;
            let (old, _) = views.text(row)?;
            if new.is_some() && !holds_text(old, form) {
                new = Some(vec![0; if field.nullable { 0 } else { old.len() }].into());
                nulls.extend(field.nullable.then_some(row));
            }
            if let Some(new) = keys.take(row, old, new.as_deref()) {
                changes.insert(row, new);
            }
        }
    }
    batch.set_null(bits, (rows, node), &nulls)?;
    if !batch.acts() || changes.is_empty() && is_all && views.are_all(texts) {
        batch.keep(place)?;
        for place in places {
            batch.keep(place)?;
        }
        batch.set_count(count);
        return Ok(());
    }
    batch.hold((views.stored.len() + total) as u64)?;
    let mut anew = Anew::default();
    for row in 0..rows {
        if let Some(new) = changes.get(&row) {
            anew.push(new, None)?;
        } else {
            let (text, long) = views.text(row)?;
            anew.push(text, long)?;
        }
        batch.check_size(anew.data.len() as u64 / 2)?;
    }
    batch.put(&anew.views)?;
    // As many buffers as before, one at least for what is in one.
    let count = if anew.data.is_empty() { count } else { count.max(1) };
    for index in 0..count {
        batch.put(if index == 0 { &anew.data } else { &[] })?;
    }
    batch.set_count(count);
    Ok(())
}
