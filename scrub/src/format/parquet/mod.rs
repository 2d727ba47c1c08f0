//! Parquet, column chunk by column chunk.
//!
//! The values of every column go through the engine in their printed form ([`values`]). A chunk in which nothing is found is copied as it is, with its
//! statistics, indexes and Bloom filter; one in which something is found is written anew by itself ([`chunk`]), with the same levels, codec, kind of
//! pages and encoding. The footer is edited where places and sizes change, and is otherwise the one of the source ([`thrift`]): so the schema stays
//! as it was written, to the last annotation. What no field of the footer points to is not taken over.
//!
//! Memory: the footer, and one chunk as it is stored, with a page of it open; twice that when it is written anew. All of it is taken from the budget before.

mod chunk;
mod footer;
mod form;
mod ipc;
mod pages;
mod place;
mod scalar;
mod texts;
mod thrift;

use std::io::{Read, Seek, Write};

use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use super::budget::Held;
use super::table::place::{Place, Target, read_at};
use super::table::values::Values;
use super::table::{self, Fault};
use super::{FormatError, Summary, Work};
use crate::find::position::{Half, halves};
use chunk::Chunk;
use footer::{Footer, field};
use pages::Pages;
use place::{Index, Placed};
use thrift::{I32, I64, Malformed, Structure};

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        "what describes its data cannot be read".into()
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Scrubs a file of `len` bytes.
pub(super) fn scrub(
    file: &mut (impl Read + Seek),
    len: u64,
    out: &mut dyn Write,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    run(file, len, out, work, summary).map_err(|fault| fault.told("Parquet", work.on_unknown))
}

fn run(
    file: &mut (impl Read + Seek),
    len: u64,
    out: &mut dyn Write,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), Fault> {
    let footer = Footer::read(file, len, work)?;
    let root = Structure::of(&footer.bytes)?;
    let elements = root.list(field::FILE_SCHEMA)?;
    table::texts::names(texts::names(&elements)?, work, summary)?;
    let columns = footer.metadata.file_metadata().schema_descr().columns();
    let paths: Vec<_> = columns.iter().map(|column| table::texts::path(column.path().parts())).collect();
    let halves = halves(paths.iter().map(Vec::as_slice));
    let mut source = Source { file, free: len, footer: footer.start, work, held: work.hold(0)?, halves };
    let mut target = Target::new(out, work.actor.is_some());
    target.write(footer::MAGIC)?;
    let groups = root.list(field::FILE_ROW_GROUPS)?;
    let mut written = Vec::new();
    for (group, of) in groups.iter().zip(footer.metadata.row_groups()) {
        written.push(row_group(&mut source, &mut target, group, of, work, summary)?);
    }
    let mut edited = root.clone();
    texts::edit(&mut edited, work, summary)?;
    if work.actor.is_none() {
        return Ok(());
    }
    // All of one kind side by side, as readers expect them.
    for placed in written.iter_mut().flat_map(|(_, columns)| columns) {
        let index = placed.column_index.take();
        index_at(&mut source, &mut target, &mut placed.chunk, field::CHUNK_COLUMN_INDEX, index)?;
    }
    for placed in written.iter_mut().flat_map(|(_, columns)| columns) {
        let index = placed.offset_index.take();
        index_at(&mut source, &mut target, &mut placed.chunk, field::CHUNK_OFFSET_INDEX, index)?;
    }
    let groups: Vec<_> = written
        .into_iter()
        .map(|(mut group, columns)| {
            let chunks: Vec<_> = columns.into_iter().map(|placed| placed.chunk).collect();
            group.set_list(field::GROUP_COLUMNS, &chunks);
            group
        })
        .collect();
    edited.set_list(field::FILE_ROW_GROUPS, &groups);
    edited.keep_to(field::FILE_LAST);
    let mut bytes = Vec::new();
    edited.write(&mut bytes);
    let size = u32::try_from(bytes.len()).map_err(|_| Fault::limit("its footer grows too long".to_owned()))?;
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(footer::MAGIC);
    target.write(&bytes)
}

/// A file that is read at places which its footer names.
struct Source<'a, F> {
    file: &'a mut F,
    /// Bytes that may still be read: no part belongs to two columns, or a short file would make a long one.
    free: u64,
    /// Where the footer starts, before which all else lies.
    footer: u64,
    work: &'a Work<'a>,
    /// The memory of the index or filter that was taken last.
    held: Held,
    /// By column, which half of a position it is.
    halves: Vec<Option<Half>>,
}

impl<F: Read + Seek> Source<'_, F> {
    /// Takes what lies at a place.
    fn take(&mut self, place: Place) -> Result<Vec<u8>, Fault> {
        self.claim(place)?;
        let limit = self.work.limits.chunk;
        if place.len > limit {
            return Err(Fault::limit(format!("it has an index of more than {limit} bytes")));
        }
        self.held.shrink(0);
        self.work.grow(&mut self.held, place.len)?;
        read_at(self.file, place.start, place.len)
    }

    /// Whether the place is one, and no more is taken than there is.
    fn claim(&mut self, place: Place) -> Result<(), Fault> {
        let end = place.start.checked_add(place.len).filter(|end| *end <= self.footer);
        if place.len > 0 && (end.is_none() || place.start < footer::MAGIC.len() as u64) {
            return Err("a part of it lies outside of the file".into());
        }
        self.free = self.free.checked_sub(place.len).ok_or("parts of it overlap")?;
        Ok(())
    }
}

/// Scrubs the columns of a row group, and says what the footer is to tell of them.
fn row_group<'g>(
    source: &mut Source<'_, impl Read + Seek>,
    target: &mut Target<'_>,
    group: &'g Structure<'_>,
    of: &RowGroupMetaData,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(Structure<'g>, Vec<Placed<'g>>), Fault> {
    let start = target.at();
    let chunks = group.list(field::GROUP_COLUMNS)?;
    let mut columns = Vec::with_capacity(chunks.len());
    let mut edited = Vec::new();
    // What the group grows by, with and without compression.
    let (mut plain, mut packed) = (0_i64, 0_i64);
    for (index, chunk) in chunks.into_iter().enumerate() {
        let place = Place::of(&chunk)?;
        source.claim(place)?;
        let anew = look(source, place, &chunk, of, index, work, summary)?;
        let before = place::sizes(&chunk)?;
        let mut placed = match &anew {
            None => Placed::copied(source.file, place, chunk, target)?,
            Some((anew, _)) => Placed::anew(anew, chunk, of.column(index).column_type(), target)?,
        };
        texts::edit_column(&mut placed.meta, work, summary)?;
        let after = place::sizes_of(&placed.meta)?;
        plain = plain.saturating_add(after.0.saturating_sub(before.0));
        packed = packed.saturating_add(after.1.saturating_sub(before.1));
        if anew.is_some() {
            edited.push(index.cast_signed() as i64);
        }
        columns.push(placed);
    }
    for placed in &mut columns {
        let filter = match placed.bloom_filter.take() {
            Some(Index::Source(place)) => {
                let place = place::filter(source.file, place)?;
                source.take(place)?
            }
            Some(Index::Made(bytes)) => bytes,
            None => Vec::new(),
        };
        placed.finish(&filter, target)?;
    }
    let mut group = group.clone();
    group.keep_to(field::GROUP_LAST);
    for (id, grown) in [(field::GROUP_SIZE, plain), (field::GROUP_COMPRESSED, packed)] {
        if let Some(size) = group.int(id)? {
            group.set_int(id, I64, size.saturating_add(grown));
        }
    }
    if group.has(field::GROUP_OFFSET) {
        group.set_int(field::GROUP_OFFSET, I64, start.cast_signed());
    }
    // What was sorted by a column that changed need not be sorted any more.
    let sorted = group.list(field::GROUP_SORTING)?;
    if sorted.iter().any(|by| by.int(1).ok().flatten().is_none_or(|index| edited.contains(&index))) {
        group.remove(field::GROUP_SORTING);
    }
    Ok((group, columns))
}

/// Looks into the values of a chunk; gives a file of the column alone if some change, and its memory.
fn look(
    source: &mut Source<'_, impl Read + Seek>,
    place: Place,
    chunk: &Structure<'_>,
    of: &RowGroupMetaData,
    index: usize,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<Option<(Vec<u8>, Held)>, Fault> {
    let meta = of.column(index);
    let Some(form) = form::of(meta.column_descr()) else { return Ok(None) };
    let limit = work.limits.chunk;
    if place.len > limit || u64::try_from(meta.uncompressed_size()).is_ok_and(|size| size > limit) {
        return Err(pages::too_large(limit));
    }
    let mut held = work.hold(place.len)?;
    let bytes = read_at(source.file, place.start, place.len)?;
    let pages = Pages::of(&bytes, meta.column_descr().max_rep_level() > 0, limit)?;
    work.take(pages.total)?;
    // What is open of it is no more than all of its pages.
    work.grow(&mut held, pages.total.saturating_add(pages.levels))?;
    let rebased = meta.clone().into_builder().set_dictionary_page_offset(None).set_data_page_offset(0).build()?;
    let told = chunk.structure(field::CHUNK_META)?.unwrap_or_default();
    let chunk = Chunk {
        meta: &rebased,
        bytes: bytes.into(),
        rows: u64::try_from(of.num_rows()).map_err(|_| "it has fewer rows than none")?,
        pages,
        form,
        statistics: told.has(field::META_STATISTICS),
        column_index: chunk.has(field::CHUNK_COLUMN_INDEX),
        bloom_filter: told.has(field::META_BLOOM),
    };
    let names = table::texts::path(meta.column_path().parts());
    let half = source.halves.get(index).copied().flatten();
    let mut values = Values::of_half(work, &names, half);
    let anew = chunk::scrub(&chunk, &mut values, work)?;
    values.finish(summary);
    Ok(anew)
}

/// Writes an index and says in the chunk where it is, in this field and the next.
fn index_at(
    source: &mut Source<'_, impl Read + Seek>,
    target: &mut Target<'_>,
    chunk: &mut Structure<'_>,
    id: i16,
    index: Option<(Index, i64)>,
) -> Result<(), Fault> {
    let (mut bytes, shift) = match index {
        Some((Index::Source(place), shift)) => (source.take(place)?, shift),
        Some((Index::Made(bytes), shift)) => (bytes, shift),
        None => {
            chunk.remove(id);
            chunk.remove(id + 1);
            return Ok(());
        }
    };
    if id == field::CHUNK_OFFSET_INDEX {
        bytes = place::shift_pages(&bytes, shift)?;
    }
    chunk.set_int(id, I64, target.at().cast_signed());
    chunk.set_int(id + 1, I32, bytes.len().cast_signed() as i64);
    target.write(&bytes)
}

#[cfg(test)]
mod tests;
