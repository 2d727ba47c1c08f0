//! The file: a stream between marks, and a footer that says where its batches are.

use std::io::{Read, Seek as _, SeekFrom, Write};

use super::batch::says_something;
use super::message::{CONTINUES, LONGEST, MALFORMED, Message, Next, SCHEMA};
use super::schema::Schema;
use super::{Columns, write_schema};
use crate::format::budget::Held;
use crate::format::stage::Stage;
use crate::format::table::flat::Flat;
use crate::format::table::known;
use crate::format::table::place::{Target, read_at};
use crate::format::table::{Fault, texts};
use crate::format::{IN_MEMORY, Summary, Work};

/// What a file starts and ends with.
pub const MAGIC: &[u8; 6] = b"ARROW1";
/// The length of the footer and the magic.
const TAIL: u64 = 10;
/// Zeros between two messages, at most.
const BETWEEN: u64 = 4096;

/// The fields of a footer.
const FOOTER_SCHEMA: usize = 1;
const DICTIONARIES: usize = 2;
const BATCHES: usize = 3;
const SAID: usize = 4;
/// Bytes of where a message is.
const BLOCK: usize = 24;

/// Where a message is.
struct Block {
    /// Where the footer tells it.
    at: usize,
    start: u64,
    head: u64,
    body: u64,
    end: u64,
}

pub fn run(source: &mut dyn Read, out: &mut dyn Write, work: &Work<'_>, summary: &mut Summary) -> Result<(), Fault> {
    let mut file = work.staged(source, IN_MEMORY)?;
    let mut memory = work.hold(0)?;
    let (mut footer, end) = footer(&mut file, work, &mut memory)?;
    let root = footer.root().ok_or(MALFORMED)?;
    let table = footer.slot(root, FOOTER_SCHEMA).and_then(|at| footer.follow(at)).ok_or(MALFORMED)?;
    let schema = Schema::of(&footer, table)?;
    texts::names(schema.names(), work, summary)?;
    let blocks = blocks(&footer, root, end)?;
    // In a file no dictionary takes the place of another.
    let mut columns = Columns { replaces: false, ..Columns::new(&schema, work) };
    let mut target = Target::new(out, work.actor.is_some());
    let first = blocks.first().map_or(end, |block| block.start);
    let mut said = Summary::default();
    let mut at = begin(&mut file, first, &schema, &mut target, work, &mut said)?;
    for block in &blocks {
        let between = between(&mut file, at, block.start)?;
        target.write(between.as_deref().unwrap_or_default())?;
        at = block.end;
        file.seek(SeekFrom::Start(block.start)).map_err(Fault::read)?;
        let Next::Message(message) = Message::read(&mut file, work)? else {
            return Err("a batch is not where it should be".into());
        };
        if (message.size, message.body) != (block.head, block.body) {
            return Err("a batch has other lengths than the footer says".into());
        }
        let start = target.at();
        let (head, body) = columns.scrub(message, &mut file, block.start + block.head, &mut target, summary)?;
        let told = i32::try_from(head).map_err(|_| Fault::limit("a message grows too long".to_owned()))?;
        let edited = footer
            .set_long(block.at, start.cast_signed())
            .and_then(|()| footer.set_int(block.at + 8, told))
            .and_then(|()| footer.set_long(block.at + 16, body.cast_signed()));
        edited.ok_or(MALFORMED)?;
    }
    // Dictionaries may stand behind what leads to them.
    columns.check_entries()?;
    columns.finish(summary);
    let mark = match between(&mut file, at, end)? {
        Some(zeros) => zeros,
        None => ended(&mut file, at, end)?,
    };
    target.write(&mark)?;
    let mut again = Summary::default();
    let entries = footer.schema_entries(table).ok_or(MALFORMED)?;
    footer.edit(&entries, |name, value| texts::text(name, value, work, &mut again))?;
    // The same texts as in the schema at the start, which need not be there or say as much, are counted once.
    for (kind, count) in again.findings {
        let known = said.findings.entry(kind).or_default();
        *known = count.max(*known);
    }
    summary.unfit += said.unfit.max(again.unfit);
    for (kind, count) in said.findings {
        *summary.findings.entry(kind).or_default() += count;
    }
    let entries = footer.entries(root, SAID).ok_or(MALFORMED)?;
    footer.edit(&entries, |name, value| texts::text(name, value, work, summary))?;
    known::blank_rest(&mut footer, root, &known::FOOTER)?;
    let len = i32::try_from(footer.bytes.len()).map_err(|_| Fault::limit("its footer grows too long".to_owned()))?;
    target.write(&footer.bytes)?;
    target.write(&len.to_le_bytes())?;
    target.write(MAGIC)
}

/// The footer, and where it starts.
fn footer(file: &mut Stage, work: &Work<'_>, held: &mut Held) -> Result<(Flat, u64), Fault> {
    let len = file.len();
    if len < TAIL + MAGIC.len() as u64 {
        return Err("it is too short".into());
    }
    let tail = read_at(file, len - TAIL, TAIL)?;
    let (size, magic) = tail.split_first_chunk::<4>().ok_or("it is too short")?;
    if magic != MAGIC || read_at(file, 0, MAGIC.len() as u64)? != MAGIC {
        return Err("it does not end as it begins".into());
    }
    let size = u64::from(u32::from_le_bytes(*size));
    if size > LONGEST {
        return Err(Fault::limit(format!("it has a footer of {size} bytes, and at most {LONGEST} may be")));
    }
    let start = (len - TAIL).checked_sub(size).filter(|start| *start >= MAGIC.len() as u64);
    let start = start.ok_or("its footer is longer than the file")?;
    work.grow(held, size)?;
    Ok((Flat::new(read_at(file, start, size)?), start))
}

/// The messages that the footer tells of, in the order in which they stand.
fn blocks(footer: &Flat, root: usize, end: u64) -> Result<Vec<Block>, Fault> {
    let mut blocks = Vec::new();
    for list in [DICTIONARIES, BATCHES] {
        let (start, count) = footer.list(root, list, BLOCK).ok_or(MALFORMED)?;
        for at in (0..count).map(|index| start + BLOCK * index) {
            let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).ok_or(MALFORMED);
            let (start, body) = (number(footer.long(at))?, number(footer.long(at + 16))?);
            let head = number(footer.int(at + 8).map(i64::from))?;
            let last = start.checked_add(head).and_then(|body_at| body_at.checked_add(body));
            let last = last.filter(|last| *last <= end && start >= MAGIC.len() as u64 && head > 0);
            blocks.push(Block { at, start, head, body, end: last.ok_or("a batch lies outside of the file")? });
        }
    }
    blocks.sort_by_key(|block| block.start);
    Ok(blocks)
}

/// Writes what is before the first batch: the magic, and the schema as a stream has it, of which the footer says the same. Gives where that ends.
fn begin(
    file: &mut Stage,
    first: u64,
    schema: &Schema,
    target: &mut Target<'_>,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<u64, Fault> {
    let head = read_at(file, 0, first.min(BETWEEN))?;
    let zeros = head[MAGIC.len()..].iter().take_while(|byte| **byte == 0).count();
    // Messages begin at multiples of eight.
    let at = (MAGIC.len() + zeros) / 8 * 8;
    if at < MAGIC.len() {
        return Err("it has no schema".into());
    }
    target.write(&head[..at])?;
    file.seek(SeekFrom::Start(at as u64)).map_err(Fault::read)?;
    if at as u64 == first {
        return Ok(first);
    }
    let Next::Message(message) = Message::read(file, work)? else { return Ok(at as u64) };
    let behind = at as u64 + message.size;
    if message.kind != SCHEMA || write_schema(message, target, work, summary)? != *schema {
        return Err("its footer has another schema".into());
    }
    Ok(behind)
}

/// The zeros between two messages; none if there is something else, which no reader comes to.
fn between(file: &mut Stage, from: u64, to: u64) -> Result<Option<Vec<u8>>, Fault> {
    let len = to.checked_sub(from).ok_or("parts of it overlap")?;
    if len > BETWEEN {
        return Ok(None);
    }
    let bytes = read_at(file, from, len)?;
    Ok((!says_something(&bytes)).then_some(bytes))
}

/// The mark of the end of a stream, with zeros behind it as they were.
fn ended(file: &mut Stage, from: u64, to: u64) -> Result<Vec<u8>, Fault> {
    let bytes = read_at(file, from, (to - from).min(BETWEEN))?;
    let is_mark = bytes.strip_prefix(&CONTINUES).is_some_and(|rest| rest.len() >= 4 && !says_something(rest));
    Ok(if is_mark && to - from <= BETWEEN { bytes } else { [CONTINUES, [0; 4]].concat() })
}
