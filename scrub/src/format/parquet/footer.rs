//! The footer of a file: what it says, taken apart and checked before anything is read by it.

use std::io::{Read, Seek};

use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::chunk::guarded;
use super::thrift::Structure;
use crate::format::Work;
use crate::format::budget::Held;
use crate::format::table::Fault;
use crate::format::table::place::read_at;

/// Bytes of a footer, at most.
const LONGEST: u64 = 64 << 20;
/// Groups in groups, at most.
const DEPTH: usize = 128;
/// What a file starts and ends with.
pub const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED: &[u8; 4] = b"PARE";
/// The length of the footer and the magic.
const TAIL: u64 = 8;

/// The fields of the structures, as the format numbers them.
pub mod field {
    pub const FILE_SCHEMA: i16 = 2;
    pub const FILE_ROW_GROUPS: i16 = 4;
    pub const FILE_KEY_VALUES: i16 = 5;
    pub const FILE_CREATED_BY: i16 = 6;
    pub const FILE_LAST: i16 = 7;
    pub const FILE_ENCRYPTION: [i16; 2] = [8, 9];

    pub const SCHEMA_NAME: i16 = 4;
    pub const SCHEMA_CHILDREN: i16 = 5;

    pub const KEY: i16 = 1;
    pub const VALUE: i16 = 2;

    pub const GROUP_COLUMNS: i16 = 1;
    pub const GROUP_SIZE: i16 = 2;
    pub const GROUP_SORTING: i16 = 4;
    pub const GROUP_OFFSET: i16 = 5;
    pub const GROUP_COMPRESSED: i16 = 6;
    pub const GROUP_LAST: i16 = 7;

    pub const CHUNK_FILE: i16 = 1;
    pub const CHUNK_OFFSET: i16 = 2;
    pub const CHUNK_META: i16 = 3;
    pub const CHUNK_OFFSET_INDEX: i16 = 4;
    pub const CHUNK_COLUMN_INDEX: i16 = 6;
    pub const CHUNK_LAST: i16 = 7;
    pub const CHUNK_ENCRYPTION: [i16; 2] = [8, 9];

    pub const META_ENCODINGS: i16 = 2;
    pub const META_CODEC: i16 = 4;
    pub const META_VALUES: i16 = 5;
    pub const META_UNCOMPRESSED: i16 = 6;
    pub const META_COMPRESSED: i16 = 7;
    pub const META_KEY_VALUES: i16 = 8;
    pub const META_DATA: i16 = 9;
    pub const META_INDEX: i16 = 10;
    pub const META_DICTIONARY: i16 = 11;
    pub const META_STATISTICS: i16 = 12;
    pub const META_ENCODING_STATISTICS: i16 = 13;
    pub const META_BLOOM: i16 = 14;
    pub const META_BLOOM_LENGTH: i16 = 15;
    pub const META_SIZES: i16 = 16;
    pub const META_GEOSPATIAL: i16 = 17;
    pub const META_LAST: i16 = 17;
}

/// The last part of a file.
pub struct Footer {
    /// As it came.
    pub bytes: Vec<u8>,
    /// Where it starts.
    pub start: u64,
    /// What its columns are.
    pub metadata: ParquetMetaData,
    /// The memory of all that.
    _held: Held,
}

/// Bytes in memory for one of a footer: as it came, what is read of it, and what is written.
const TIMES: u64 = 4;

impl Footer {
    /// Of a file of so many bytes.
    pub fn read(file: &mut (impl Read + Seek), len: u64, work: &Work<'_>) -> Result<Self, Fault> {
        if len < TAIL + MAGIC.len() as u64 {
            return Err("it is too short".into());
        }
        let head = read_at(file, 0, MAGIC.len() as u64)?;
        let tail = read_at(file, len - TAIL, TAIL)?;
        let (size, magic) = tail.split_first_chunk::<4>().ok_or("it is too short")?;
        if magic == ENCRYPTED || head == ENCRYPTED {
            return Err(Fault::unknown("encrypted Parquet"));
        }
        if magic != MAGIC || head != MAGIC {
            return Err("it does not end as it begins".into());
        }
        let size = u64::from(u32::from_le_bytes(*size));
        let start = (len - TAIL).checked_sub(size).filter(|start| *start >= MAGIC.len() as u64);
        let start = start.ok_or("its footer is longer than the file")?;
        if size > LONGEST {
            return Err(Fault::limit(format!("it has a footer of {size} bytes, and at most {LONGEST} may be")));
        }
        let memory = work.hold(size * TIMES)?;
        let bytes = read_at(file, start, size)?;
        check(&Structure::of(&bytes)?)?;
        // Statistics are taken over as bytes, so it does not matter whether they are read.
        let options = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options)))?;
        Ok(Self { bytes, start, metadata, _held: memory })
    }
}

/// Refuses what cannot be read, and what the reader must not be given.
fn check(file: &Structure<'_>) -> Result<(), Fault> {
    if field::FILE_ENCRYPTION.iter().any(|id| file.has(*id)) {
        return Err(Fault::unknown("Parquet with encrypted columns"));
    }
    check_depth(&file.list(field::FILE_SCHEMA)?)?;
    for group in file.list(field::FILE_ROW_GROUPS)? {
        for chunk in group.list(field::GROUP_COLUMNS)? {
            if field::CHUNK_ENCRYPTION.iter().any(|id| chunk.has(*id)) {
                return Err(Fault::unknown("Parquet with encrypted columns"));
            }
            if chunk.binary(field::CHUNK_FILE)?.is_some_and(|path| !path.is_empty()) {
                return Err(Fault::unknown("Parquet in several files"));
            }
            let meta = chunk.structure(field::CHUNK_META)?.ok_or("a column has no description")?;
            match meta.int(field::META_CODEC)? {
                Some(3) => return Err(Fault::unknown("Parquet compressed by LZO")),
                Some(0..=7) => {}
                _ => return Err(Fault::unknown("Parquet of an unknown compression")),
            }
        }
    }
    Ok(())
}

/// The reader goes down into the schema by recursion.
fn check_depth(elements: &[Structure<'_>]) -> Result<(), Fault> {
    let mut open: Vec<i64> = Vec::new();
    for element in elements {
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        let children = element.int(field::SCHEMA_CHILDREN)?.unwrap_or(0);
        if children > 0 {
            open.push(children);
        }
        if open.len() > DEPTH {
            return Err(Fault::limit(format!("its columns are nested more than {DEPTH} times")));
        }
    }
    Ok(())
}
