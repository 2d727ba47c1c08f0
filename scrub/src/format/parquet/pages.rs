//! The pages of a column chunk, by their heads alone: what is impossible in them is refused before anything is decoded, and how the chunk was written
//! is known when it is written anew.

use parquet::basic::Encoding;

use super::thrift::Structure;
use crate::format::table::Fault;

/// The types of pages.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// What the values and levels of a repeated column may take in memory for each byte of the bound.
const SHARE: u64 = 8;

/// How a chunk was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Its data pages are of the second version.
    pub second: bool,
    /// There is a dictionary.
    pub dictionary: bool,
    /// How values were written that are in no dictionary.
    pub encoding: Option<Encoding>,
    /// Bytes of the largest data page, without compression.
    pub size: u64,
    /// Bytes of all of them.
    pub total: u64,
    /// What their levels may take, where a row has any number of them.
    pub levels: u64,
}

impl Pages {
    /// Of a whole chunk, with at most so many bytes without compression.
    pub fn of(mut chunk: &[u8], repeated: bool, limit: u64) -> Result<Self, Fault> {
        let mut pages = Self::default();
        let mut values = 0_u64;
        let whole = chunk.len();
        while !chunk.is_empty() {
            let first = chunk.len() == whole;
            let head = Structure::read(&mut chunk)?;
            let page = size_of(head.int(2)?)?;
            pages.total = pages.total.saturating_add(page);
            if pages.total > limit {
                return Err(too_large(limit));
            }
            chunk = usize::try_from(size_of(head.int(3)?)?).ok().and_then(|len| chunk.get(len..)).ok_or(CUT)?;
            let (body, encoding) = match head.int(1)? {
                Some(DATA) => (5, 2),
                Some(DATA_V2) => (8, 4),
                Some(DICTIONARY) => (7, 2),
                _ => return Err("a page is of no known type".into()),
            };
            let body = head.structure(body)?.ok_or("a page has no head")?;
            let count = size_of(body.int(1)?)?;
            if head.int(1)? == Some(DICTIONARY) {
                // Every value takes a byte at least. What the decoder makes room for is so in proportion to what is there.
                if count > page {
                    return Err("a dictionary has more values than bytes".into());
                }
                // One further on would take the place of this one.
                if !first {
                    return Err("a dictionary is not at the start".into());
                }
                pages.dictionary = true;
                continue;
            }
            values = values.saturating_add(count);
            if repeated && values > limit / SHARE {
                return Err(too_large(limit));
            }
            pages.levels = if repeated { values * SHARE } else { 0 };
            pages.second |= head.int(1)? == Some(DATA_V2);
            pages.size = pages.size.max(page);
            pages.encoding = match body.int(encoding)? {
                Some(0) => Some(Encoding::PLAIN),
                Some(5) => Some(Encoding::DELTA_BINARY_PACKED),
                Some(6) => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
                Some(7) => Some(Encoding::DELTA_BYTE_ARRAY),
                Some(9) => Some(Encoding::BYTE_STREAM_SPLIT),
                _ => pages.encoding,
            };
        }
        Ok(pages)
    }
}

const CUT: &str = "a page is cut";

fn size_of(size: Option<i64>) -> Result<u64, Fault> {
    size.and_then(|size| size.try_into().ok()).ok_or_else(|| "a page has no size".into())
}

pub fn too_large(limit: u64) -> Fault {
    Fault::limit(format!("it has a column of more than {limit} bytes in a row group"))
}
