//! Avro object container files, block by block.
//!
//! The values of every field go through the engine in their printed form, as those of a column of Parquet do. A block in which nothing is found is copied
//! as it is; one in which something is found is written anew, with the same codec. The schema stays, but for what it says in prose ([`said::edit`]).
//!
//! Memory: the header, and one block with and without its compression; twice that when it is written anew.

mod block;
mod codec;
mod said;
mod schema;
mod walk;

use std::io::{self, BufRead as _, BufReader, Read, Write};

use super::fit::{Key, Names};
use super::table::json::Json;
use super::table::place::Target;
use super::table::{Fault, texts};
use super::{FormatError, Summary, Work};
use block::Columns;
use codec::Codec;
use schema::Schema;
use walk::{put_counted, put_long};

/// What a file starts with.
pub const MAGIC: &[u8; 4] = b"Obj\x01";
/// Bytes of a header, and what it may say, at most.
const HEADER: usize = 16 << 20;
const ENTRIES: usize = 1 << 16;
const SCHEMA: &[u8] = b"avro.schema";
const CODEC: &[u8] = b"avro.codec";
/// Bytes between blocks.
const SYNC: usize = 16;
/// What stands there instead of a text: as good as any.
const INSTEAD: &[u8; SYNC] = b"\x9E\x37\xC1\x05\xEB\x82\x4D\xF6\x13\xA8\x70\xDB\x2C\x95\xFE\x61";

/// Scrubs a file.
pub fn scrub(
    source: &mut dyn Read,
    out: &mut dyn Write,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    run(source, out, work, summary).map_err(|fault| fault.told("Avro", work.on_unknown))
}

fn run(source: &mut dyn Read, out: &mut dyn Write, work: &Work<'_>, summary: &mut Summary) -> Result<(), Fault> {
    let mut input = Input { source: BufReader::new(source) };
    let mut target = Target::new(out, work.actor.is_some());
    let header = Header::read(&mut input)?;
    let text = std::str::from_utf8(header.get(SCHEMA)?.ok_or("it has no schema")?);
    let text = text.map_err(|_| "its schema is no text")?;
    let json = Json::read(text)?;
    let schema = Schema::of(&json)?;
    let codec = Codec::of(header.get(CODEC)?)?;
    let edited = said::edit(text, &json, work, summary)?;
    let sync = header.marker(work, summary)?;
    target.write(&header.scrub(edited, &sync, work, summary)?)?;
    let mut columns = Columns::new(&schema, work);
    while !input.is_at_end()? {
        let (count, size) = (input.long()?, input.long()?);
        let count = u64::try_from(count).map_err(|_| "a block has fewer records than none")?;
        let size = u64::try_from(size).map_err(|_| "a block is shorter than nothing")?;
        if size > work.limits.chunk {
            return Err(codec::too_large(work));
        }
        let mut memory = work.hold(size)?;
        let stored = input.take(size)?;
        if input.take(SYNC as u64)? != header.sync {
            return Err("a block does not end as its header says".into());
        }
        let opened = codec.open(&stored, work, &mut memory)?;
        let new = match columns.scrub(&opened.bytes, count, &mut memory)? {
            Some(new) => codec.pack(new)?,
            None if opened.is_all => stored,
            None => codec.pack(opened.bytes)?,
        };
        let mut head = Vec::new();
        put_long(&mut head, count.cast_signed());
        put_long(&mut head, new.len().cast_signed() as i64);
        target.write(&head)?;
        target.write(&new)?;
        target.write(&sync)?;
    }
    columns.finish(summary);
    Ok(())
}

/// What is said about a file, in the order in which it stands.
struct Header {
    /// As it came, with the marker.
    bytes: Vec<u8>,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// It tells lengths of its parts, which say anything.
    sized: bool,
    sync: Vec<u8>,
}

impl Header {
    fn read(input: &mut Input<'_>) -> Result<Self, Fault> {
        let mut bytes = input.take(MAGIC.len() as u64)?;
        if bytes != MAGIC {
            return Err("it does not begin as such".into());
        }
        let (mut entries, mut sized) = (Vec::new(), false);
        let note = |bytes: &mut Vec<u8>, number: i64| {
            put_long(bytes, number);
            number
        };
        loop {
            let count = note(&mut bytes, input.long()?);
            if count == 0 {
                break;
            }
            if count < 0 {
                note(&mut bytes, input.long()?);
                sized = true;
            }
            if count.unsigned_abs() > (ENTRIES - entries.len()) as u64 {
                return Err(Fault::limit(format!("its header says more than {ENTRIES} things")));
            }
            for _ in 0..count.unsigned_abs() {
                let mut text = || {
                    let len = u64::try_from(note(&mut bytes, input.long()?)).map_err(|_| "its header has no length")?;
                    if len > (HEADER - bytes.len().min(HEADER)) as u64 {
                        return Err(Fault::limit(format!("it has a header of more than {HEADER} bytes")));
                    }
                    let text = input.take(len)?;
                    bytes.extend_from_slice(&text);
                    Ok(text)
                };
                let entry = (text()?, text()?);
                entries.push(entry);
            }
        }
        let sync = input.take(SYNC as u64)?;
        bytes.extend_from_slice(&sync);
        Ok(Self { bytes, entries, sized, sync })
    }

    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, Fault> {
        let mut found = self.entries.iter().filter(|(name, _)| name == key).map(|(_, value)| &value[..]);
        let first = found.next();
        if found.next().is_some() { Err("its header says something twice".into()) } else { Ok(first) }
    }

    /// The marker, or another one in the place of one that says something.
    fn marker(&self, work: &Work<'_>, summary: &mut Summary) -> Result<Vec<u8>, Fault> {
        if std::str::from_utf8(&self.sync).is_err() {
            return Ok(self.sync.clone());
        }
        let new = texts::text("", &self.sync, work, summary)?;
        Ok(if new.is_some() { INSTEAD.to_vec() } else { self.sync.clone() })
    }

    /// The header with the schema, if it is another one, with this marker, and with what else is said scrubbed.
    fn scrub(
        &self,
        schema: Option<String>,
        sync: &[u8],
        work: &Work<'_>,
        summary: &mut Summary,
    ) -> Result<Vec<u8>, Fault> {
        let mut schema = schema.map(String::into_bytes);
        let mut names = Names::default();
        for (key, _) in &self.entries {
            names.make_unique(Key { depth: 0, object: 0 }, &mut key.clone());
        }
        let mut changed = self.sized || self.sync != sync;
        let mut entries = Vec::new();
        put_long(&mut entries, self.entries.len().cast_signed() as i64);
        for (key, value) in &self.entries {
            let (mut name, mut new) = (None, None);
            if key == SCHEMA {
                new = schema.take();
            } else if key != CODEC {
                name = super::rename(key, Some(&mut names), work, summary)
                    .map(|name| Some(name).filter(|name| name != key))?;
                new = texts::text(&String::from_utf8_lossy(key), value, work, summary)?;
            }
            changed |= name.is_some() || new.is_some();
            put_counted(&mut entries, name.as_ref().unwrap_or(key));
            put_counted(&mut entries, new.as_ref().unwrap_or(value));
        }
        if !changed {
            return Ok(self.bytes.clone());
        }
        put_long(&mut entries, 0);
        Ok([&MAGIC[..], &entries, sync].concat())
    }
}

/// The source.
struct Input<'a> {
    source: BufReader<&'a mut dyn Read>,
}

impl Input<'_> {
    fn is_at_end(&mut self) -> Result<bool, Fault> {
        loop {
            match self.source.fill_buf() {
                Ok(bytes) => return Ok(bytes.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::read(error)),
            }
        }
    }

    fn take(&mut self, len: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        (&mut self.source).take(len).read_to_end(&mut bytes).map_err(Fault::read)?;
        if bytes.len() as u64 == len { Ok(bytes) } else { Err("it is cut".into()) }
    }

    fn long(&mut self) -> Result<i64, Fault> {
        let mut bytes = Vec::new();
        while bytes.last().is_none_or(|byte| *byte >= 0x80) && bytes.len() < 10 {
            bytes.extend(self.take(1)?);
        }
        walk::long(&mut &bytes[..]).ok_or_else(|| "a number is too long".into())
    }
}

#[cfg(test)]
mod tests;
