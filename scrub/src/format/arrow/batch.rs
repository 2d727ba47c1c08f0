//! A batch of records, or of a dictionary's entries: its columns looked into, and its body written anew where something was found.
//!
//! A column is some buffers of the body, one behind the other. Those that stay are taken over as they are stored. What no value is in (bytes between
//! buffers, values of other rows behind those of a column, or texts of none) is not: where there is any the buffer is written without.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};

use super::message::{MALFORMED, Message, VERSION_5};
use super::schema::{Field, Fixed, Kind};
use super::{Columns, column, leads, views};
use crate::format::budget::Held;
use crate::format::compressed::Codec;
use crate::format::stage::Stage;
use crate::format::table::Fault;
use crate::format::table::place::{Place, Target, read_at};
use crate::format::{IN_MEMORY, READ, Work};

/// The fields of a batch.
const LENGTH: usize = 0;
const NODES: usize = 1;
const BUFFERS: usize = 2;
const COMPRESSION: usize = 3;
const VARIADIC: usize = 4;

/// Before the data of a buffer: how long it is without compression, or that it has none.
const PREFIX: usize = 8;
const NOT_COMPRESSED: i64 = -1;

/// A buffer of the new body.
enum Part {
    Source(Place),
    /// So many bytes, behind those before.
    Made(u64),
}

pub struct Batch<'b, 'a> {
    pub columns: &'b mut Columns<'a>,
    work: &'a Work<'a>,
    file: &'b mut Stage,
    /// Where the body starts.
    base: u64,
    message: &'b mut Message,
    table: usize,
    codec: Option<Codec>,
    /// Where the lists of the batch are, and how many elements they have.
    nodes: (usize, usize),
    buffers: (usize, usize),
    variadic: (usize, usize),
    /// What was taken of each.
    taken: (usize, usize, usize),
    /// Where the last buffer ends.
    end: u64,
    parts: Vec<Part>,
    /// How many buffers the texts of each column of views have now.
    counts: Vec<usize>,
    made: Stage,
    changed: bool,
    /// Where buffers start in which there is more than what they give.
    hiding: HashSet<u64>,
    /// What all buffers start at a multiple of.
    round: u64,
    /// The memory of the buffers of the column that is looked into.
    held: Held,
}

impl<'b, 'a> Batch<'b, 'a> {
    /// That which is described in `table` of a message whose body is at `base`.
    pub fn of(
        columns: &'b mut Columns<'a>,
        file: &'b mut Stage,
        base: u64,
        message: &'b mut Message,
        table: usize,
    ) -> Result<Self, Fault> {
        let flat = &message.flat;
        let codec = match flat.slot(table, COMPRESSION) {
            None => None,
            Some(at) => {
                let of = flat.follow(at).ok_or(MALFORMED)?;
                match (flat.byte_field(of, 0), flat.byte_field(of, 1)) {
                    (Some(0), Some(0)) => Some(Codec::Lz4),
                    (Some(1), Some(0)) => Some(Codec::Zstd),
                    (Some(_), Some(_)) => return Err(Fault::unknown("Arrow of an unknown compression")),
                    _ => return Err(MALFORMED.into()),
                }
            }
        };
        let list = |slot: usize, size: usize| flat.list(table, slot, size).ok_or(MALFORMED);
        let (nodes, buffers, variadic) = (list(NODES, 16)?, list(BUFFERS, 16)?, list(VARIADIC, 8)?);
        let work = columns.work;
        Ok(Self {
            columns,
            work,
            file,
            base,
            message,
            table,
            codec,
            nodes,
            buffers,
            variadic,
            taken: (0, 0, 0),
            end: 0,
            parts: Vec::new(),
            counts: Vec::new(),
            made: work.stage(IN_MEMORY),
            changed: false,
            hiding: HashSet::new(),
            round: 64,
            held: work.hold(0)?,
        })
    }

    /// Scrubs these columns, which are all; `unique`: no two values are to become the same. Gives how many values the last one has.
    pub fn scrub<'f>(&mut self, fields: impl IntoIterator<Item = &'f Field>, unique: bool) -> Result<usize, Fault> {
        let told = self.message.flat.long_field(self.table, LENGTH).and_then(|rows| usize::try_from(rows).ok());
        let told = told.ok_or("a batch has no length")?;
        // No column need be there.
        let mut rows = told;
        for field in fields {
            rows = self.column(field, unique.then_some(&[0][..]))?;
            if rows != told {
                return Err("a batch has another length than its columns".into());
            }
        }
        if self.nodes.1 == 0 {
            self.check_size(rows as u64)?;
        }
        if (self.taken.0, self.taken.1, self.taken.2) != (self.nodes.1, self.buffers.1, self.variadic.1) {
            return Err("a batch has other columns than the table".into());
        }
        self.look_between(self.message.body)?;
        Ok(rows)
    }

    /// Writes the message: with the body as it is stored, if nothing is to change; gives how long its head is.
    pub fn write(mut self, target: &mut Target<'_>) -> Result<u64, Fault> {
        if !self.changed || self.work.actor.is_none() {
            let size = self.message.write(target)?;
            target.copy(self.file, Place { start: self.base, len: self.message.body })?;
            return Ok(size);
        }
        let (mut elements, mut at) = (Vec::new(), 0_u64);
        let len_of = |part: &Part| match part {
            Part::Source(place) => place.len,
            Part::Made(len) => *len,
        };
        for part in &self.parts {
            elements.extend_from_slice(&at.to_le_bytes());
            elements.extend_from_slice(&len_of(part).to_le_bytes());
            at = (at + len_of(part)).next_multiple_of(self.round);
        }
        let flat = &mut self.message.flat;
        for (index, count) in self.counts.iter().enumerate() {
            flat.set_long(self.variadic.0 + 8 * index, count.cast_signed() as i64).ok_or(MALFORMED)?;
        }
        if self.parts.len() == self.buffers.1 {
            let old = flat.bytes.get_mut(self.buffers.0..).and_then(|bytes| bytes.get_mut(..elements.len()));
            old.ok_or(MALFORMED)?.copy_from_slice(&elements);
        } else {
            flat.set_list(self.table, BUFFERS, self.parts.len(), &elements).ok_or(MALFORMED)?;
        }
        self.message.set_body(at)?;
        let size = self.message.write(target)?;
        let start = target.at();
        self.made.end().map_err(Fault::read)?;
        let mut from = 0;
        for part in &self.parts {
            match part {
                Part::Source(place) => {
                    target.copy(self.file, Place { start: self.base + place.start, len: place.len })?;
                }
                Part::Made(len) => {
                    target.copy(&mut self.made, Place { start: from, len: *len })?;
                    from += len;
                }
            }
            let behind = (target.at() - start).next_multiple_of(self.round) - (target.at() - start);
            target.write(&vec![0; behind as usize])?;
        }
        Ok(size)
    }

    /// How many values a column has. `groups`: no two values between two of these rows are to become the same.
    fn column(&mut self, field: &Field, groups: Option<&[usize]>) -> Result<usize, Fault> {
        let (rows, node) = self.next_node()?;
        if field.takes_nothing() {
            // Its length is a number for which no byte is there.
            self.check_size(rows as u64)?;
        }
        let before = self.held.bytes();
        match field.kind {
            Kind::Null => {}
            Kind::Bits => {
                self.bits(rows)?;
                self.pass(rows.div_ceil(8))?;
            }
            Kind::Fixed(width, of) if field.dictionary.is_some() => self.indices(field, rows, width, of)?,
            Kind::Fixed(width, of) => column::fixed(self, field, (rows, node), width, of)?,
            Kind::Bytes { wide } => column::bytes(self, field, (rows, node), wide, groups)?,
            Kind::Views => views::scrub(self, field, (rows, node), groups)?,
            Kind::List { wide } => {
                self.bits(rows)?;
                let offsets = self.pass(offsets_len(rows, wide)?)?;
                let last = leads::offsets(field, &offsets, rows, wide)?;
                drop(offsets);
                self.children(field, last, before)?;
            }
            Kind::ListViews { wide } => {
                self.bits(rows)?;
                let len = rows.checked_mul(if wide { 8 } else { 4 }).ok_or(SHORT)?;
                let (offsets, sizes) = (self.pass(len)?, self.pass(len)?);
                let last = leads::views(field, &offsets[..len], &sizes[..len], wide)?;
                drop((offsets, sizes));
                self.children(field, last, before)?;
            }
            Kind::FixedList(size) => {
                self.bits(rows)?;
                self.children(field, rows.checked_mul(size).ok_or(SHORT)?, before)?;
            }
            Kind::Structure => {
                self.bits(rows)?;
                self.children(field, rows, before)?;
            }
            Kind::Map => self.map(field, rows)?,
            Kind::Union { dense } => {
                if self.message.version < VERSION_5 {
                    self.bits(rows)?;
                }
                let types = self.pass(rows)?;
                let least = if dense {
                    let len = rows.checked_mul(4).ok_or(SHORT)?;
                    let offsets = self.pass(len)?;
                    leads::dense(field, &types[..rows], &offsets[..len])?
                } else {
                    leads::sparse(field, &types[..rows])?
                };
                drop(types);
                self.held.shrink(before);
                for (child, least) in field.children.iter().zip(least) {
                    let values = self.column(child, None)?;
                    leads::within(child, least, values)?;
                }
            }
            Kind::RunEnds => self.runs(field, rows)?,
        }
        self.held.shrink(before);
        Ok(rows)
    }

    /// The children of a column, which have so many values each at least. The buffers of the column itself are gone by then, so only `before` is held.
    fn children(&mut self, field: &Field, least: usize, before: u64) -> Result<(), Fault> {
        self.held.shrink(before);
        field.children.iter().try_for_each(|child| {
            let values = self.column(child, None)?;
            leads::within(child, least, values)
        })
    }

    /// Lists of pairs, whose keys stay unique in each.
    fn map(&mut self, field: &Field, rows: usize) -> Result<(), Fault> {
        let before = self.held.bytes();
        self.bits(rows)?;
        let len = offsets_len(rows, false)?;
        let offsets = self.pass(len)?;
        self.hold(2 * len as u64)?;
        let groups = column::offsets(&offsets, rows, false)?;
        drop(offsets);
        let [entries] = &field.children[..] else { return Err(MALFORMED.into()) };
        let (entry_rows, _) = self.next_node()?;
        leads::within(field, groups.last().copied().unwrap_or(0), entry_rows)?;
        self.bits(entry_rows)?;
        self.held.shrink(before);
        // Only texts can become the same.
        let mut groups = Some(groups);
        for (index, child) in entries.children.iter().enumerate() {
            let groups = groups.take().filter(|_| index == 0 && matches!(child.kind, Kind::Bytes { .. } | Kind::Views));
            self.hold(groups.as_ref().map_or(0, |groups| groups.len() as u64 * 8))?;
            let values = self.column(child, groups.as_deref())?;
            leads::within(child, entry_rows, values)?;
            self.held.shrink(before);
        }
        Ok(())
    }

    /// Numbers of entries of a dictionary; what stands where there is null leads nowhere.
    fn indices(&mut self, field: &Field, rows: usize, width: usize, of: Fixed) -> Result<(), Fault> {
        let place = self.next()?;
        let bits = self.pass_at(place, if place.len == 0 { 0 } else { rows.div_ceil(8) })?;
        let place = self.next()?;
        let mut stored = self.open(place)?;
        let len = rows.checked_mul(width).filter(|len| *len <= stored.len()).ok_or(SHORT)?;
        let hides = says_something(&stored[len..]);
        stored.truncate(len);
        let (highest, changed) = leads::indices(field, &mut stored, &bits, width, of == Fixed::Signed)?;
        if hides || changed {
            self.put(&stored)?;
        } else {
            self.keep(place)?;
        }
        self.columns.leads_to(field, highest);
        Ok(())
    }

    /// Values that go on for some rows: where each ends, and what it is.
    fn runs(&mut self, field: &Field, rows: usize) -> Result<(), Fault> {
        let before = self.held.bytes();
        let [ends, values] = &field.children[..] else { return Err(MALFORMED.into()) };
        let Kind::Fixed(width, _) = ends.kind else { return Err(MALFORMED.into()) };
        let (count, _) = self.next_node()?;
        self.bits(count)?;
        let len = count.checked_mul(width).ok_or(SHORT)?;
        let stored = self.pass(len)?;
        leads::run_ends(field, &stored[..len], width, rows)?;
        drop(stored);
        self.held.shrink(before);
        let there = self.column(values, None)?;
        leads::within(values, count, there)
    }

    /// How many values the next array has, and where that is told.
    fn next_node(&mut self) -> Result<(usize, usize), Fault> {
        if self.taken.0 >= self.nodes.1 {
            return Err("a batch has fewer columns than the table".into());
        }
        let at = self.nodes.0 + 16 * self.taken.0;
        self.taken.0 += 1;
        let rows = self.message.flat.long(at).filter(|rows| *rows >= 0).ok_or("a column has no length")?;
        // Some writers do not count.
        let nulls = self.message.flat.long(at + 8).filter(|nulls| (-1..=rows).contains(nulls));
        nulls.ok_or("a column has another number of nulls than it can have")?;
        Ok((usize::try_from(rows).map_err(|_| SHORT)?, at))
    }

    /// How many buffers the texts of the next column of views have.
    pub fn next_count(&mut self) -> Result<usize, Fault> {
        if self.taken.2 >= self.variadic.1 {
            return Err("a batch has fewer columns than the table".into());
        }
        let at = self.variadic.0 + 8 * self.taken.2;
        self.taken.2 += 1;
        let count = self.message.flat.long(at).and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count <= self.buffers.1).ok_or_else(|| "a column has no count of buffers".into())
    }

    /// That which it has now.
    pub fn set_count(&mut self, count: usize) {
        self.counts.push(count);
    }

    /// Where the next buffer is.
    pub fn next(&mut self) -> Result<Place, Fault> {
        if self.taken.1 >= self.buffers.1 {
            return Err("a batch has fewer columns than the table".into());
        }
        let at = self.buffers.0 + 16 * self.taken.1;
        self.taken.1 += 1;
        let flat = &self.message.flat;
        let place = Place::new(flat.long(at), flat.long(at + 8))?;
        if place.len == 0 {
            return Ok(Place { start: 0, len: 0 });
        }
        if place.start < self.end || place.start.checked_add(place.len).is_none_or(|end| end > self.message.body) {
            return Err("a buffer lies outside of its batch, or of its order".into());
        }
        self.check_size(place.len)?;
        self.look_between(place.start)?;
        self.end = place.start + place.len;
        if !place.start.is_multiple_of(64) {
            self.round = 8;
        }
        Ok(place)
    }

    /// Looks whether there is something before the next buffer.
    fn look_between(&mut self, to: u64) -> Result<(), Fault> {
        while self.end < to {
            let len = (to - self.end).min(READ as u64);
            let between = read_at(self.file, self.base + self.end, len)?;
            if says_something(&between) {
                self.changed = true;
                return Ok(());
            }
            self.end += len;
        }
        Ok(())
    }

    pub fn check_size(&self, len: u64) -> Result<(), Fault> {
        let limit = self.work.limits.chunk;
        if len > limit {
            return Err(Fault::limit(format!("it has a column of more than {limit} bytes in a batch")));
        }
        Ok(())
    }

    /// The content of a buffer.
    pub fn open(&mut self, place: Place) -> Result<Vec<u8>, Fault> {
        self.hold(place.len)?;
        let mut stored = read_at(self.file, self.base + place.start, place.len)?;
        let Some(codec) = self.codec.filter(|_| place.len > 0) else {
            self.work.take(place.len)?;
            return Ok(stored);
        };
        let len = i64::from_le_bytes(*stored.first_chunk::<PREFIX>().ok_or("a buffer is cut")?);
        if len == NOT_COMPRESSED {
            self.work.take(place.len)?;
            return Ok(stored.split_off(PREFIX));
        }
        let len = u64::try_from(len).map_err(|_| "a buffer has no length")?;
        self.check_size(len)?;
        self.hold(len)?;
        let broken = |error| Fault::decoder(error, "a buffer cannot be opened");
        let take = self.work.windows(self.work.hold(0)?, 0);
        let (mut bytes, mut decoder) = (Vec::new(), codec.decoder(&stored[PREFIX..], take).map_err(broken)?);
        loop {
            // One byte more would be one too many.
            let read = decoder.by_ref().take((READ as u64).min(len + 1 - bytes.len() as u64)).read_to_end(&mut bytes);
            let read = read.map_err(broken)?;
            self.work.take(read as u64)?;
            if read == 0 || bytes.len() as u64 > len {
                break;
            }
        }
        if bytes.len() as u64 != len {
            return Err("a buffer has another length than it says".into());
        }
        drop(decoder);
        if codec.hides(&stored[PREFIX..]) {
            self.hiding.insert(place.start);
        }
        Ok(bytes)
    }

    /// Takes memory for so many bytes of the column.
    pub fn hold(&mut self, bytes: u64) -> Result<(), Fault> {
        Ok(self.work.grow(&mut self.held, bytes)?)
    }

    /// Takes a buffer over that was opened, as it is stored.
    pub fn keep(&mut self, place: Place) -> Result<(), Fault> {
        if self.hiding.contains(&place.start) {
            let bytes = self.open(place)?;
            return self.put(&bytes);
        }
        self.parts.push(Part::Source(place));
        Ok(())
    }

    /// Puts content in the place of the next buffer.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.changed = true;
        if self.work.actor.is_none() {
            return Ok(());
        }
        // With its compression.
        self.hold(bytes.len() as u64 * 2)?;
        let stored = match self.codec.filter(|_| !bytes.is_empty()) {
            None => bytes.to_vec(),
            Some(codec) => {
                let packed = codec.pack(bytes).map_err(Fault::Other)?;
                let (len, body) = if packed.len() < bytes.len() {
                    (bytes.len().cast_signed() as i64, &packed[..])
                } else {
                    (NOT_COMPRESSED, bytes)
                };
                [&len.to_le_bytes(), body].concat()
            }
        };
        self.made.write_all(&stored).map_err(Fault::write)?;
        self.parts.push(Part::Made(stored.len() as u64));
        Ok(())
    }

    /// Takes over a buffer of bits, offsets or types, which has so many bytes. Of a slice there may be more, those of other rows, which go.
    fn pass(&mut self, len: usize) -> Result<Vec<u8>, Fault> {
        let place = self.next()?;
        self.pass_at(place, len)
    }

    pub fn pass_at(&mut self, place: Place, len: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = self.open(place)?;
        if bytes.len() < len {
            return Err(SHORT.into());
        }
        if says_something(&bytes[len..]) {
            bytes.truncate(len);
            self.put(&bytes)?;
        } else {
            self.keep(place)?;
        }
        Ok(bytes)
    }

    /// Takes over the bits that say what is null, which may not be there.
    fn bits(&mut self, rows: usize) -> Result<(), Fault> {
        let place = self.next()?;
        self.bits_at(place, rows)
    }

    pub fn bits_at(&mut self, place: Place, rows: usize) -> Result<(), Fault> {
        self.pass_at(place, if place.len == 0 { 0 } else { rows.div_ceil(8) }).map(drop)
    }

    /// The same, but with these rows as null too, of a column that is described at `node`.
    pub fn set_null(&mut self, place: Place, (rows, node): (usize, usize), nulls: &[usize]) -> Result<(), Fault> {
        if nulls.is_empty() {
            return self.bits_at(place, rows);
        }
        let mut bits = self.open(place)?;
        if place.len == 0 {
            bits = vec![0xFF; rows.div_ceil(8)];
        }
        if bits.len() < rows.div_ceil(8) {
            return Err(SHORT.into());
        }
        bits.truncate(rows.div_ceil(8));
        let mut more = 0;
        for row in nulls {
            let (byte, bit) = (&mut bits[row / 8], 1 << (row % 8));
            more += i64::from(*byte & bit != 0);
            *byte &= !bit;
        }
        let flat = &mut self.message.flat;
        let count = flat.long(node + 8).ok_or(MALFORMED)?;
        if count >= 0 {
            flat.set_long(node + 8, count.checked_add(more).ok_or(MALFORMED)?).ok_or(MALFORMED)?;
        }
        self.put(&bits)
    }

    pub fn acts(&self) -> bool {
        self.work.actor.is_some()
    }

    pub fn work(&self) -> &'a Work<'a> {
        self.work
    }
}

pub const SHORT: &str = "a buffer is shorter than its column";

/// Bytes of the offsets of so many rows; of none there may be none.
pub fn offsets_len(rows: usize, wide: bool) -> Result<usize, Fault> {
    let width = if wide { 8 } else { 4 };
    let count = if rows == 0 { Some(0) } else { rows.checked_add(1) };
    count.and_then(|count| count.checked_mul(width)).ok_or_else(|| SHORT.into())
}

pub fn says_something(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}
