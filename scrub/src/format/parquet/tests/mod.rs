mod columns;
mod damage;
mod file;
mod odd;

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::Page;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96,
    Int96Type,
};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::*;
use crate::act::Strategy;
use crate::format::table::tests::job;
use crate::format::{Job, Limits, Rule};
use crate::policy::Policy;
use crate::{Engine, builtin};

static LABELS: LazyLock<Job> = LazyLock::new(|| job(Strategy::Label));

fn run(job: &Job, file: &[u8]) -> Result<(Vec<u8>, Summary), FormatError> {
    let (mut out, mut summary) = (Vec::new(), Summary::default());
    let work = Work::new(job);
    work.taken.set(file.len() as u64);
    scrub(&mut Cursor::new(file), file.len() as u64, &mut out, &work, &mut summary)?;
    Ok((out, summary))
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// A file of one row group.
fn file(schema: &str, properties: WriterPropertiesBuilder, write: impl FnOnce(&mut Group<'_>)) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let mut group = file.next_row_group().unwrap();
    write(&mut group);
    group.close().unwrap();
    file.into_inner().unwrap()
}

fn column<D: DataType>(group: &mut Group<'_>, values: &[D::T], definitions: &[i16], repetitions: &[i16]) {
    let mut column = group.next_column().unwrap().unwrap();
    let levels = |levels: &'static [i16]| (!levels.is_empty()).then_some(levels);
    let definitions = levels(definitions.to_vec().leak());
    let repetitions = levels(repetitions.to_vec().leak());
    column.typed::<D>().write_batch(values, definitions, repetitions).unwrap();
    column.close().unwrap();
}

fn texts(texts: &[&str]) -> Vec<ByteArray> {
    texts.iter().map(|text| ByteArray::from(*text)).collect()
}

fn reader(file: &[u8]) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::copy_from_slice(file)).unwrap()
}

fn rows(file: &[u8]) -> Vec<String> {
    reader(file).get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

fn pages(file: &[u8], column: usize) -> Vec<Page> {
    let reader = reader(file);
    let group = reader.get_row_group(0).unwrap();
    group.get_column_page_reader(column).unwrap().map(Result::unwrap).collect()
}

/// The bytes of a chunk as they are stored.
fn stored(file: &[u8], column: usize) -> Vec<u8> {
    let (start, len) = reader(file).metadata().row_group(0).column(column).byte_range();
    file[start as usize..(start + len) as usize].to_vec()
}

fn codecs() -> [Compression; 7] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::BROTLI(parquet::basic::BrotliLevel::default()),
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
    ]
}

/// All that may be in a file, in little.
fn various(version: WriterVersion) -> Vec<u8> {
    let schema = "message m {
        optional binary note (STRING); required int64 id; optional int96 time; required boolean ok;
        optional group tags (LIST) { repeated group list { optional binary element (STRING); } }
        optional double ratio; optional binary blob; required fixed_len_byte_array(2) price (DECIMAL(4, 2));
    }";
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(Compression::SNAPPY)
        .set_bloom_filter_enabled(true)
        .set_key_value_metadata(Some(vec![KeyValue::new("key".to_owned(), "value".to_owned())]));
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    for rows in [3_usize, 0, 2] {
        let mut group = file.next_row_group().unwrap();
        let some = vec![1_i16; rows];
        let notes = texts(&["a note", "EMP-004711", "a note"]);
        column::<ByteArrayType>(&mut group, &notes[..rows], &some, &[]);
        column::<Int64Type>(&mut group, &[1, 2, 3][..rows], &[], &[]);
        column::<Int96Type>(&mut group, &vec![Int96::from(vec![0, 0, 2_447_601]); rows], &some, &[]);
        column::<parquet::data_type::BoolType>(&mut group, &[true, false, true][..rows], &[], &[]);
        let tags: &[i16] = if rows == 0 { &[] } else { &[0, 1, 3, 3] };
        let again: &[i16] = if rows == 0 { &[] } else { &[0, 0, 0, 1] };
        let (tags, again) = if rows == 3 { (tags, again) } else { (&tags[..rows], &again[..rows]) };
        column::<ByteArrayType>(&mut group, if rows == 3 { &notes[..2] } else { &[] }, tags, again);
        column::<DoubleType>(&mut group, &[], &vec![0; rows], &[]);
        column::<ByteArrayType>(&mut group, &vec![ByteArray::from(vec![0, 1, 2]); rows], &some, &[]);
        column::<FixedLenByteArrayType>(&mut group, &vec![vec![1, 2].into(); rows], &[], &[]);
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}
