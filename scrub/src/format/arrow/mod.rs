//! Arrow IPC: the stream, batch by batch, and the file (Feather V2), which is read from its end.
//!
//! The values of every column go through the engine in their printed form, as those of Parquet do; entries of dictionaries by the names of every column that
//! has them. A batch in which nothing is found is copied as it is. Of one in which something is found the body is written anew, buffer by buffer,
//! with the same compression; what describes it is edited where it stands ([`Flat`](super::table::flat::Flat)). So are the schema's texts.
//!
//! Memory: what describes a message, and the buffers of one column of one batch, twice where it is written anew; bodies wait as files do that cannot
//! be streamed.

mod batch;
mod column;
mod file;
mod fixed;
mod leads;
mod message;
mod schema;
mod views;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::rc::Rc;

use super::stage::Stage;
use super::table::place::Target;
use super::table::scalar::Printed;
use super::table::values::Values;
use super::table::{Fault, texts};
use super::{FormatError, IN_MEMORY, Summary, Work};
use batch::Batch;
use message::{BATCH, DICTIONARY, MALFORMED, Message, Next, SCHEMA};
use schema::{Field, Schema};

pub use file::MAGIC;
pub use message::is_stream;

/// Scrubs a stream.
pub fn stream(
    source: &mut dyn Read,
    out: &mut dyn Write,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    run(source, out, work, summary).map_err(|fault| fault.told("Arrow", work.on_unknown))
}

/// Scrubs a file.
pub fn file(
    source: &mut dyn Read,
    out: &mut dyn Write,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    file::run(source, out, work, summary).map_err(|fault| fault.told("Arrow", work.on_unknown))
}

fn run(mut source: &mut dyn Read, out: &mut dyn Write, work: &Work<'_>, summary: &mut Summary) -> Result<(), Fault> {
    let mut target = Target::new(out, work.actor.is_some());
    let Next::Message(first) = Message::read(&mut source, work)? else { return Err("it has no schema".into()) };
    let schema = write_schema(first, &mut target, work, summary)?;
    texts::names(schema.names(), work, summary)?;
    let mut columns = Columns::new(&schema, work);
    loop {
        let message = match Message::read(&mut source, work)? {
            Next::Message(message) => message,
            Next::Mark(mark) => {
                target.write(&mark)?;
                break;
            }
            // The end of the stream is one too.
            Next::End => break,
        };
        let mut body = work.staged(&mut source.take(message.body), IN_MEMORY)?;
        if body.len() != message.body {
            return Err("it is cut".into());
        }
        let is_batch = message.kind == BATCH;
        columns.scrub(message, &mut body, 0, &mut target, summary)?;
        // Dictionaries come before the batches that lead to them, in any order if one leads to another, and others may follow.
        if is_batch {
            columns.check_entries()?;
        }
    }
    columns.check_entries()?;
    columns.finish(summary);
    let mut behind = Vec::new();
    source.take(1).read_to_end(&mut behind).map_err(Fault::read)?;
    if behind.is_empty() { Ok(()) } else { Err("there is something behind its end".into()) }
}

/// Writes the message of a schema with its texts scrubbed.
fn write_schema(
    mut message: Message,
    target: &mut Target<'_>,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<Schema, Fault> {
    if message.kind != SCHEMA || message.body > 0 {
        return Err("it has no schema".into());
    }
    let schema = Schema::of(&message.flat, message.header)?;
    let entries = message.flat.schema_entries(message.header).ok_or(MALFORMED)?;
    message.flat.edit(&entries, |name, value| texts::text(name, value, work, summary))?;
    message.edit(|name, value| texts::text(name, value, work, summary))?;
    message.write(target)?;
    Ok(schema)
}

/// The columns of a table, which go on from batch to batch.
pub struct Columns<'a> {
    schema: &'a Schema,
    work: &'a Work<'a>,
    values: BTreeMap<usize, Values<'a>>,
    /// How many entries each dictionary has.
    entries: BTreeMap<i64, usize>,
    /// Whether one that is no part of another takes its place; else they are in any order.
    replaces: bool,
    /// By dictionary, how many it is to have, and the column that asks for most.
    asked: BTreeMap<i64, (usize, usize)>,
}

impl<'a> Columns<'a> {
    fn new(schema: &'a Schema, work: &'a Work<'a>) -> Self {
        Self { schema, work, values: BTreeMap::new(), entries: BTreeMap::new(), replaces: true, asked: BTreeMap::new() }
    }

    /// A column leads to so many entries of its dictionary.
    fn leads_to(&mut self, field: &Field, entries: usize) {
        if let Some(id) = field.dictionary {
            let asked = self.asked.entry(id).or_default();
            *asked = (*asked).max((entries, field.index));
        }
    }

    /// Whether all entries are there that columns led to so far.
    fn check_entries(&mut self) -> Result<(), Fault> {
        std::mem::take(&mut self.asked).into_iter().try_for_each(|(id, (asked, index))| {
            leads::entries(index, asked, self.entries.get(&id).copied().unwrap_or(0))
        })
    }

    /// What stands in the place of each of these values, by each name of their column; none where it stays.
    fn look(&mut self, field: &Field, mut printed: Vec<Option<Printed<'_>>>) -> Result<Vec<Option<Rc<[u8]>>>, Fault> {
        let (work, columns) = (self.work, self.schema.count);
        let mut instead = vec![None; printed.len()];
        for (path, index) in std::iter::once((&field.path, &field.index)).chain(&field.also) {
            let values = self.values.entry(*index).or_insert_with(|| {
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                Values::of_half(work, &path, self.schema.halves[*index]).sharing(columns)
            });
            values.scrub_left(&mut printed, &mut instead)?;
        }
        Ok(instead)
    }

    /// At the end: tells what was found.
    fn finish(self, summary: &mut Summary) {
        self.values.into_values().for_each(|values| values.finish(summary));
    }

    /// Scrubs a message whose body is at a place of `file`; gives the lengths of its head and its body.
    fn scrub(
        &mut self,
        mut message: Message,
        file: &mut Stage,
        base: u64,
        target: &mut Target<'_>,
        summary: &mut Summary,
    ) -> Result<(u64, u64), Fault> {
        let work = self.work;
        message.edit(|name, value| texts::text(name, value, work, summary))?;
        let (schema, header) = (self.schema, message.header);
        let size = match message.kind {
            BATCH => {
                let mut batch = Batch::of(self, file, base, &mut message, header)?;
                batch.scrub(&schema.fields, false)?;
                batch.write(target)?
            }
            DICTIONARY => {
                let flat = &message.flat;
                let id = flat.long_field(header, 0).ok_or(MALFORMED)?;
                let table = flat.slot(header, 1).and_then(|at| flat.follow(at)).ok_or(MALFORMED)?;
                let is_more = flat.byte_field(header, 2).ok_or(MALFORMED)? != 0;
                let field = schema.dictionaries.get(&id).ok_or("it has a dictionary of no column")?;
                let mut batch = Batch::of(self, file, base, &mut message, table)?;
                // Readers may refuse one that says something twice.
                let entries = batch.scrub([field], true)?;
                let size = batch.write(target)?;
                let known = self.entries.entry(id).or_default();
                *known = if is_more || !self.replaces { known.saturating_add(entries) } else { entries };
                size
            }
            SCHEMA => return Err("it has two schemas".into()),
            _ => return Err(Fault::unknown("Arrow of tensors")),
        };
        Ok((size, message.body))
    }
}

#[cfg(test)]
mod tests;
