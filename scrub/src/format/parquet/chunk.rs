//! The values of one column in one row group: read, scrubbed, and written anew where something was found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Repetition, Type};
use parquet::column::page::{Page, PageReader as _};
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{
    ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96Type,
};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, Type as Node, TypePtr};

use super::pages::Pages;
use crate::format::Work;
use crate::format::budget::Held;
use crate::format::table::Fault;
use crate::format::table::form::Form;
use crate::format::table::scalar::Scalar;
use crate::format::table::values::Values;

/// Rows that are read at a time.
const ROWS: usize = 1024;
/// Bytes that are hashed in the time of one that is scrubbed, at least.
const HASHED: u64 = 16;
/// Bytes of a data page without compression, at least and at most, where the source has others.
const PAGE: std::ops::RangeInclusive<usize> = 64 * 1024..=1024 * 1024;

/// One column in one row group.
pub struct Chunk<'a> {
    /// What the footer says of it, but with places in `bytes`.
    pub meta: &'a ColumnChunkMetaData,
    pub bytes: Bytes,
    pub rows: u64,
    pub pages: Pages,
    pub form: Form,
    /// The source has such.
    pub statistics: bool,
    pub column_index: bool,
    pub bloom_filter: bool,
}

impl Chunk<'_> {
    fn pages(&self) -> parquet::errors::Result<SerializedPageReader<Bytes>> {
        SerializedPageReader::new(Arc::new(self.bytes.clone()), self.meta, self.rows as usize, None)
    }
}

/// A file of one column, and its memory.
type Anew = (Vec<u8>, Held);

/// Scrubs a chunk. If something in it changes, gives a file of this column alone in which it is written anew, if there is somebody who acts.
pub fn scrub(chunk: &Chunk<'_>, values: &mut Values<'_>, work: &Work<'_>) -> Result<Option<Anew>, Fault> {
    match chunk.meta.column_type() {
        Type::BOOLEAN => Ok(None),
        Type::INT32 => typed::<Int32Type>(chunk, values, work),
        Type::INT64 => typed::<Int64Type>(chunk, values, work),
        Type::INT96 => typed::<Int96Type>(chunk, values, work),
        Type::FLOAT => typed::<FloatType>(chunk, values, work),
        Type::DOUBLE => typed::<DoubleType>(chunk, values, work),
        Type::BYTE_ARRAY => typed::<ByteArrayType>(chunk, values, work),
        Type::FIXED_LEN_BYTE_ARRAY => typed::<FixedLenByteArrayType>(chunk, values, work),
    }
}

/// Makes a fault of what the crate cannot read. On data that no writer made some of its decoders panic, by an index or a sum that is too large.
pub fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| "its reader gave up")?.map_err(Fault::from)
}

fn typed<D>(chunk: &Chunk<'_>, values: &mut Values<'_>, work: &Work<'_>) -> Result<Option<Anew>, Fault>
where
    D: DataType,
    D::T: Scalar,
{
    let observes = work.actor.is_none();
    let anew = !observes && chunk.pages.dictionary && dictionary_changes::<D>(chunk, values)?;
    let mut rows = Rows::<D>::new(chunk)?;
    let mut before = 0;
    while rows.next(work)? {
        let instead = rows.scrub(chunk.form, values)?;
        if anew || !observes && instead.iter().any(Option::is_some) {
            return rewrite(chunk, values, rows, before, &instead, work).map(Some);
        }
        before += 1;
    }
    Ok(None)
}

/// Whether something is found in the dictionary: it may have values that are in no row any more.
fn dictionary_changes<D>(chunk: &Chunk<'_>, values: &mut Values<'_>) -> Result<bool, Fault>
where
    D: DataType,
    D::T: Scalar,
{
    let Some(Page::DictionaryPage { buf, num_values, .. }) = guarded(|| chunk.pages()?.get_next_page())? else {
        return Ok(false);
    };
    let (mut rest, mut left) = (&buf[..], num_values as usize);
    let width = usize::try_from(chunk.meta.column_descr().type_length()).unwrap_or(0);
    while left > 0 {
        let next = (0..left.min(ROWS)).map(|_| D::T::plain(&mut rest, width));
        let entries = next.collect::<Option<Vec<_>>>().ok_or("a dictionary is cut")?;
        left -= entries.len();
        let printed: Vec<_> = entries.iter().map(|entry| entry.print(chunk.form)).collect();
        if values.change(&printed)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes the chunk anew: so many batches as they were, that of `rows` with `instead`, and what follows.
fn rewrite<D>(
    chunk: &Chunk<'_>,
    values: &mut Values<'_>,
    mut rows: Rows<D>,
    before: u64,
    instead: &[Option<Rc<[u8]>>],
    work: &Work<'_>,
) -> Result<Anew, Fault>
where
    D: DataType,
    D::T: Scalar,
{
    // What is read again, and the new file.
    let mut held = work.hold(chunk.pages.total.saturating_mul(2))?;
    let column = chunk.meta.column_descr();
    let mut file = SerializedFileWriter::new(Vec::new(), schema(column)?, Arc::new(properties(chunk)))?;
    let mut group = file.next_row_group()?;
    let mut writer = group.next_column()?.ok_or("it has no such column")?;
    let out = writer.typed::<D>();
    let mut again = Rows::<D>::new(chunk)?;
    for _ in 0..before {
        again.next(work)?;
        again.write(out, work)?;
    }
    drop(again);
    rows.replace(instead, chunk.form, column);
    rows.write(out, work)?;
    while rows.next(work)? {
        let instead = rows.scrub(chunk.form, values)?;
        rows.replace(&instead, chunk.form, column);
        rows.write(out, work)?;
    }
    guarded(|| writer.close())?;
    guarded(|| group.close())?;
    let file = guarded(|| file.into_inner())?;
    held.shrink(0);
    work.grow(&mut held, file.len() as u64)?;
    Ok((file, held))
}

/// A batch of rows after the other.
struct Rows<D: DataType> {
    reader: ColumnReaderImpl<D>,
    /// Rows and levels that are still to come.
    left: (u64, u64),
    /// The highest levels.
    most: (i16, i16),
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    values: Vec<D::T>,
}

impl<D> Rows<D>
where
    D: DataType,
    D::T: Scalar,
{
    fn new(chunk: &Chunk<'_>) -> Result<Self, Fault> {
        let column = chunk.meta.column_descr_ptr();
        Ok(Self {
            most: (column.max_def_level(), column.max_rep_level()),
            reader: get_typed_column_reader(get_column_reader(column, Box::new(chunk.pages()?))),
            left: (chunk.rows, chunk.meta.num_values().try_into().unwrap_or(0)),
            definitions: Vec::new(),
            repetitions: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Reads the next rows; false at the end.
    fn next(&mut self, work: &Work<'_>) -> Result<bool, Fault> {
        self.definitions.clear();
        self.repetitions.clear();
        self.values.clear();
        let (rows, _, levels) = guarded(|| {
            let (definitions, repetitions) = (Some(&mut self.definitions), Some(&mut self.repetitions));
            self.reader.read_records(ROWS, definitions, repetitions, &mut self.values)
        })?;
        work.take(levels as u64)?;
        // Their bits have room for more levels than there are.
        let within = |levels: &[i16], most: i16| levels.iter().all(|level| (0..=most).contains(level));
        if !within(&self.definitions, self.most.0) || !within(&self.repetitions, self.most.1) {
            return Err("a level is too high".into());
        }
        // The rows of all columns are read side by side: more or fewer would give the values of one to another.
        let count = |left: u64, read: usize| left.checked_sub(read as u64).ok_or("it has more rows than it says");
        self.left = (count(self.left.0, rows)?, count(self.left.1, levels)?);
        if rows == 0 && self.left != (0, 0) {
            return Err("it has fewer rows than it says".into());
        }
        Ok(rows > 0)
    }

    fn scrub(&self, form: Form, values: &mut Values<'_>) -> Result<Vec<Option<Rc<[u8]>>>, Fault> {
        let printed: Vec<_> = self.values.iter().map(|value| value.print(form)).collect();
        values.scrub(&printed)
    }

    fn write(&self, out: &mut ColumnWriterImpl<'_, D>, work: &Work<'_>) -> Result<(), Fault> {
        // The same entry of a dictionary any number of times is hashed each time, at some bytes for one that is scrubbed.
        work.take(self.values.iter().map(|value| value.size() as u64).sum::<u64>() / HASHED)?;
        let definitions = (!self.definitions.is_empty()).then_some(&self.definitions[..]);
        let repetitions = (!self.repetitions.is_empty()).then_some(&self.repetitions[..]);
        guarded(|| out.write_batch(&self.values, definitions, repetitions))?;
        Ok(())
    }

    /// Puts texts in the place of values. One that is none of this type becomes null, or nothing where there may be no null.
    fn replace(&mut self, instead: &[Option<Rc<[u8]>>], form: Form, column: &ColumnDescriptor) {
        let nullable = column.self_type().get_basic_info().repetition() == Repetition::OPTIONAL;
        let mut nulls = vec![false; self.values.len()];
        for ((value, instead), null) in self.values.iter_mut().zip(instead).zip(&mut nulls) {
            let Some(text) = instead else { continue };
            match value.read_bytes(text, form) {
                Some(read) => *value = read,
                None if nullable => *null = true,
                None => *value = value.nothing(form),
            }
        }
        if !nulls.contains(&true) {
            return;
        }
        let defined = self.definitions.iter_mut().filter(|level| **level == self.most.0);
        for (level, _) in defined.zip(&nulls).filter(|(_, null)| **null) {
            *level -= 1;
        }
        let mut kept = nulls.iter().map(|null| !null);
        self.values.retain(|_| kept.next().unwrap_or(true));
    }
}

/// A schema of this column alone, with the same levels; its groups are others.
fn schema(column: &ColumnDescriptor) -> Result<TypePtr, Fault> {
    let leaf = column.self_type_ptr();
    let repetition = leaf.get_basic_info().repetition();
    let repeated = column.max_rep_level() - i16::from(repetition == Repetition::REPEATED);
    let optional = column.max_def_level() - i16::from(repetition != Repetition::REQUIRED) - repeated;
    let mut node = leaf;
    for repetition in std::iter::repeat_n(Repetition::REPEATED, usize::try_from(repeated).unwrap_or(0))
        .chain(std::iter::repeat_n(Repetition::OPTIONAL, usize::try_from(optional).unwrap_or(0)))
    {
        let group = Node::group_type_builder("group").with_repetition(repetition).with_fields(vec![node]);
        node = Arc::new(group.build()?);
    }
    Ok(Arc::new(Node::group_type_builder("schema").with_fields(vec![node]).build()?))
}

/// As the source was written, as far as can be seen.
fn properties(chunk: &Chunk<'_>) -> WriterProperties {
    let Pages { second, dictionary, encoding, size, .. } = chunk.pages;
    let version = if second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let statistics = match (chunk.column_index, chunk.statistics) {
        (true, _) => EnabledStatistics::Page,
        (false, true) => EnabledStatistics::Chunk,
        (false, false) => EnabledStatistics::None,
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX).clamp(*PAGE.start(), *PAGE.end());
    let encoding = encoding.filter(|encoding| writes(*encoding, chunk.meta.column_type())).unwrap_or(Encoding::PLAIN);
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(chunk.meta.compression())
        .set_dictionary_enabled(dictionary)
        .set_encoding(encoding)
        .set_data_page_size_limit(size)
        .set_statistics_enabled(statistics);
    if !chunk.bloom_filter {
        return properties.build();
    }
    // One of the source would tell whether a value was there.
    let values = u64::try_from(chunk.meta.num_values()).unwrap_or(0).max(1);
    properties
        .set_bloom_filter_enabled(true)
        .set_bloom_filter_max_ndv(values)
        .set_bloom_filter_for_dictionary_encoded_chunks(true)
        .build()
}

/// Whether the writer has an encoding for a type.
fn writes(encoding: Encoding, of: Type) -> bool {
    match encoding {
        Encoding::DELTA_BINARY_PACKED => matches!(of, Type::INT32 | Type::INT64),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => of == Type::BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY => matches!(of, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY),
        Encoding::BYTE_STREAM_SPLIT => {
            matches!(of, Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE | Type::FIXED_LEN_BYTE_ARRAY)
        }
        other => other == Encoding::PLAIN,
    }
}
