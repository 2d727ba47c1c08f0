//! Where the parts of a file lie, in the source and in the target.

use std::io::{Read, Seek, SeekFrom};

use parquet::basic::Type;

use super::footer::field;
use super::thrift::{I32, I64, Structure};
use crate::format::table::Fault;
use crate::format::table::place::{Place, Target, read_at};

/// Bytes of the head of a Bloom filter, at most.
const FILTER_HEAD: u64 = 64;

impl Place {
    /// Where the pages of a chunk are.
    pub fn of(chunk: &Structure<'_>) -> Result<Self, Fault> {
        let meta = chunk.structure(field::CHUNK_META)?.unwrap_or_default();
        let len = meta.int(field::META_COMPRESSED)?;
        if len == Some(0) {
            return Ok(Self { start: 0, len: 0 });
        }
        let place = Self::new(first_page(&meta)?, len)?;
        let end = place.start.saturating_add(place.len);
        let data = meta.int(field::META_DATA)?.and_then(|data| u64::try_from(data).ok()).unwrap_or(0);
        if (place.start..end).contains(&data) || data == 0 && meta.int(field::META_VALUES)? == Some(0) {
            Ok(place)
        } else {
            Err("a part of it is nowhere".into())
        }
    }
}

/// Some writers tell the place of a dictionary that is not there, and some none of data pages that are not there.
fn dictionary(meta: &Structure<'_>) -> Result<Option<i64>, Fault> {
    let data = meta.int(field::META_DATA)?.filter(|place| *place > 0).unwrap_or(i64::MAX);
    Ok(meta.int(field::META_DICTIONARY)?.filter(|place| (1..data).contains(place)))
}

fn first_page(meta: &Structure<'_>) -> Result<Option<i64>, Fault> {
    Ok(dictionary(meta)?.or(meta.int(field::META_DATA)?))
}

/// Bytes of a chunk, without compression and with it.
pub fn sizes(chunk: &Structure<'_>) -> Result<(i64, i64), Fault> {
    sizes_of(&chunk.structure(field::CHUNK_META)?.unwrap_or_default())
}

/// The same, by its description.
pub fn sizes_of(meta: &Structure<'_>) -> Result<(i64, i64), Fault> {
    let size = |id: i16| Ok::<_, Fault>(meta.int(id)?.unwrap_or(0));
    Ok((size(field::META_UNCOMPRESSED)?, size(field::META_COMPRESSED)?))
}

/// A Bloom filter whose length may not be told: it is in its head then.
pub fn filter(file: &mut (impl Read + Seek), place: Place) -> Result<Place, Fault> {
    if place.len > 0 {
        return Ok(place);
    }
    let end = file.seek(SeekFrom::End(0)).map_err(Fault::read)?;
    let head = read_at(file, place.start, FILTER_HEAD.min(end.saturating_sub(place.start)))?;
    let mut rest = &head[..];
    let size = Structure::read(&mut rest)?.int(1)?.and_then(|size| u64::try_from(size).ok());
    let len = size.ok_or("a Bloom filter has no size")? + (head.len() - rest.len()) as u64;
    Ok(Place { len, ..place })
}

/// An offset index, of which all pages are moved.
pub fn shift_pages(index: &[u8], shift: i64) -> Result<Vec<u8>, Fault> {
    let mut index = Structure::of(index)?;
    let mut pages: Vec<_> = index.list(1)?.into_iter().map(Structure::into_owned).collect();
    for page in &mut pages {
        move_by(page, 1, shift)?;
    }
    index.set_list(1, &pages);
    let mut out = Vec::new();
    index.write(&mut out);
    Ok(out)
}

/// Zero and less are no places.
fn move_by(of: &mut Structure<'_>, id: i16, shift: i64) -> Result<(), Fault> {
    if let Some(place) = of.int(id)?.filter(|place| *place > 0) {
        of.set_int(id, I64, place.wrapping_add(shift));
    }
    Ok(())
}

/// A part that is still to be written.
pub enum Index {
    /// It is that of the source.
    Source(Place),
    Made(Vec<u8>),
}

/// A chunk that is written, and what belongs to it and is not yet.
pub struct Placed<'g> {
    pub chunk: Structure<'g>,
    /// Its description, until [`Self::finish`].
    pub meta: Structure<'static>,
    pub bloom_filter: Option<Index>,
    /// With that by which its pages were moved.
    pub column_index: Option<(Index, i64)>,
    pub offset_index: Option<(Index, i64)>,
}

impl<'g> Placed<'g> {
    fn new(mut chunk: Structure<'g>, target: &Target<'_>) -> Result<Self, Fault> {
        let mut meta = chunk.structure(field::CHUNK_META)?.unwrap_or_default().into_owned();
        meta.keep_to(field::META_LAST);
        chunk.keep_to(field::CHUNK_LAST);
        // Zero says that the place is not told here.
        if chunk.int(field::CHUNK_OFFSET)?.is_some_and(|place| place != 0) {
            chunk.set_int(field::CHUNK_OFFSET, I64, target.at().cast_signed());
        }
        Ok(Self { chunk, meta, bloom_filter: None, column_index: None, offset_index: None })
    }

    /// Copies a chunk.
    pub fn copied(
        file: &mut (impl Read + Seek),
        place: Place,
        chunk: Structure<'g>,
        target: &mut Target<'_>,
    ) -> Result<Self, Fault> {
        let shift = target.at().cast_signed().wrapping_sub(place.start.cast_signed());
        let mut placed = Self::new(chunk, target)?;
        let Self { chunk, meta, bloom_filter, column_index, offset_index } = &mut placed;
        if dictionary(meta)?.is_none() {
            meta.remove(field::META_DICTIONARY);
        }
        if place.len > 0 {
            for id in [field::META_DATA, field::META_INDEX, field::META_DICTIONARY] {
                move_by(meta, id, shift)?;
            }
        }
        let index = |id: i16| {
            let place = chunk.int(id)?.map(|start| Place::new(Some(start), chunk.int(id + 1)?)).transpose()?;
            Ok::<_, Fault>(place.map(|place| (Index::Source(place), shift)))
        };
        *column_index = index(field::CHUNK_COLUMN_INDEX)?;
        *offset_index = index(field::CHUNK_OFFSET_INDEX)?;
        if let Some(start) = meta.int(field::META_BLOOM)? {
            let len = meta.int(field::META_BLOOM_LENGTH)?.unwrap_or(0);
            *bloom_filter = Some(Index::Source(Place::new(Some(start), Some(len))?));
        }
        target.copy(file, place)?;
        Ok(placed)
    }

    /// Writes a chunk that is in a file of its own.
    pub fn anew(file: &[u8], chunk: Structure<'g>, of: Type, target: &mut Target<'_>) -> Result<Self, Fault> {
        let mut placed = Self::new(chunk, target)?;
        let Self { chunk, meta, bloom_filter, column_index, offset_index } = &mut placed;
        let size = file.len().checked_sub(8).and_then(|end| Some((end, file[end..].first_chunk::<4>()?)));
        let (end, size) = size.ok_or("its new part is cut")?;
        let start = end.checked_sub(u32::from_le_bytes(*size) as usize).ok_or("its new part is cut")?;
        let root = Structure::of(&file[start..end])?;
        let groups = root.list(field::FILE_ROW_GROUPS)?;
        let chunks = groups.first().ok_or("its new part is empty")?.list(field::GROUP_COLUMNS)?;
        let new = chunks.first().ok_or("its new part is empty")?;
        let told = new.structure(field::CHUNK_META)?.unwrap_or_default();
        let place = Place::of(new)?;
        let shift = target.at().cast_signed() - place.start.cast_signed();
        target.write(place.within(file)?)?;

        for id in [
            field::META_ENCODINGS,
            field::META_UNCOMPRESSED,
            field::META_COMPRESSED,
            field::META_DATA,
            field::META_DICTIONARY,
        ] {
            meta.take_over(id, &told);
        }
        // Only what there was before.
        for id in [field::META_STATISTICS, field::META_ENCODING_STATISTICS, field::META_SIZES] {
            if meta.has(id) {
                meta.take_over(id, &told);
            }
        }
        meta.remove(field::META_INDEX);
        meta.remove(field::META_GEOSPATIAL);
        for id in [field::META_DATA, field::META_DICTIONARY] {
            move_by(meta, id, shift)?;
        }
        let part = |start: Option<i64>, len: Option<i64>| {
            let place = start.map(|start| Place::new(Some(start), len)).transpose()?;
            place.map(|place| Ok::<_, Fault>(place.within(file)?.to_vec())).transpose()
        };
        let index = |id: i16| {
            let bytes = if chunk.has(id) { part(new.int(id)?, new.int(id + 1)?)? } else { None };
            Ok::<_, Fault>(bytes.map(|bytes| (Index::Made(bytes), shift)))
        };
        // The order of these types is told by the footer, and not the one by which the writer makes theirs.
        if matches!(of, Type::FLOAT | Type::DOUBLE | Type::INT96) {
            if let Some(statistics) = meta.structure(field::META_STATISTICS)? {
                let mut nulls = Structure::default();
                nulls.take_over(3, &statistics);
                meta.set_structure(field::META_STATISTICS, &nulls);
            }
        } else {
            *column_index = index(field::CHUNK_COLUMN_INDEX)?;
        }
        *offset_index = index(field::CHUNK_OFFSET_INDEX)?;
        let filter = part(told.int(field::META_BLOOM)?, told.int(field::META_BLOOM_LENGTH)?)?;
        *bloom_filter = filter.map(Index::Made);
        Ok(placed)
    }

    /// Writes the Bloom filter, and puts the description where it belongs.
    pub fn finish(&mut self, filter: &[u8], target: &mut Target<'_>) -> Result<(), Fault> {
        self.meta.remove(field::META_BLOOM);
        if filter.is_empty() {
            self.meta.remove(field::META_BLOOM_LENGTH);
        } else {
            self.meta.set_int(field::META_BLOOM, I64, target.at().cast_signed());
            if self.meta.has(field::META_BLOOM_LENGTH) {
                self.meta.set_int(field::META_BLOOM_LENGTH, I32, filter.len().cast_signed() as i64);
            }
            target.write(filter)?;
        }
        self.chunk.set_structure(field::CHUNK_META, &std::mem::take(&mut self.meta));
        Ok(())
    }
}
