//! The values of a block: looked into, and written anew where something was found.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::schema::{Kind, Node, Schema};
use super::walk::{Step, Value, Walk, long, put_counted, put_long};
use crate::format::budget::Held;
use crate::format::fit::Names;
use crate::format::table::Fault;
use crate::format::table::fixed;
use crate::format::table::form::Form;
use crate::format::table::scalar::{
    Printed, Scalar, big_endian, holds_text, print_big_endian, print_text, read_decimal,
};
use crate::format::table::values::Values;
use crate::format::{Summary, Work};

/// Values that are looked into at a time, at most, and their bytes.
const VALUES: usize = 32 * 1024;
const BYTES: usize = 4 << 20;

/// What becomes of each value of a batch.
type Instead = Vec<Option<Rc<[u8]>>>;

/// The columns of a file, which go on from block to block.
pub struct Columns<'a> {
    schema: &'a Schema<'a>,
    work: &'a Work<'a>,
    values: BTreeMap<usize, Values<'a>>,
}

impl<'a> Columns<'a> {
    pub fn new(schema: &'a Schema<'a>, work: &'a Work<'a>) -> Self {
        Self { schema, work, values: BTreeMap::new() }
    }

    /// At the end: tells what was found.
    pub fn finish(self, summary: &mut Summary) {
        self.values.into_values().for_each(|values| values.finish(summary));
    }

    /// Scrubs the data of a block of so many records. If something in it changes, gives it anew.
    pub fn scrub(&mut self, data: &[u8], records: u64, held: &mut Held) -> Result<Option<Vec<u8>>, Fault> {
        let (schema, work) = (self.schema, self.work);
        let mut walk = Walk::new(schema, work, data, records);
        let mut before = 0;
        loop {
            let steps = batch(&mut walk)?;
            if steps.is_empty() {
                return Ok(None);
            }
            let instead = self.look(&steps, data)?;
            if work.actor.is_some() && instead.iter().any(Option::is_some) {
                // The new block, and what it is compressed to.
                work.grow(held, (data.len() as u64).saturating_mul(2))?;
                return self.rewrite(data, records, before, walk, (&steps, &instead)).map(Some);
            }
            before += 1;
        }
    }

    /// Writes a block anew: so many batches as they were, the one in which something was found, and what follows.
    fn rewrite(
        &mut self,
        data: &[u8],
        records: u64,
        before: u64,
        mut walk: Walk<'_>,
        found: (&[Step], &Instead),
    ) -> Result<Vec<u8>, Fault> {
        let mut writer =
            Writer { schema: self.schema, data, at: 0, out: Vec::with_capacity(data.len()), names: Names::default() };
        let mut again = Walk::new(self.schema, self.work, data, records);
        for _ in 0..before {
            writer.write(&batch(&mut again)?, &[]);
        }
        writer.write(found.0, found.1);
        loop {
            let steps = batch(&mut walk)?;
            if steps.is_empty() {
                break;
            }
            let instead = self.look(&steps, data)?;
            writer.write(&steps, &instead);
            if writer.out.len() as u64 > self.work.limits.chunk.saturating_mul(2) {
                return Err(super::codec::too_large(self.work));
            }
        }
        writer.copy_to(data.len());
        Ok(writer.out)
    }

    /// What becomes of the values among these steps, column by column.
    fn look(&mut self, steps: &[Step], data: &[u8]) -> Result<Instead, Fault> {
        let mut columns: BTreeMap<usize, (Node, Vec<usize>)> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            if let Step::Value(value) = step {
                columns.entry(value.node.index()).or_insert((value.node, Vec::new())).1.push(index);
            }
        }
        let mut instead = vec![None; steps.len()];
        let (schema, work) = (self.schema, self.work);
        for (column, (node, indexes)) in columns {
            let Some(form) = schema.form(node) else { continue };
            let printed: Vec<_> = indexes
                .iter()
                .map(|index| match &steps[*index] {
                    Step::Value(value) => print(schema.kind(node), form, &data[value.bytes.clone()]),
                    Step::Head { .. } => None,
                })
                .collect();
            let values = self.values.entry(column).or_insert_with(|| {
                Values::of_half(work, &schema.path(node), schema.half(node)).sharing(schema.columns())
            });
            for (index, new) in indexes.into_iter().zip(values.scrub(&printed)?) {
                instead[index] = new;
            }
        }
        Ok(instead)
    }
}

/// The next steps; none at the end.
fn batch(walk: &mut Walk<'_>) -> Result<Vec<Step>, Fault> {
    let (mut steps, mut bytes) = (Vec::new(), 0);
    while steps.len() < VALUES && bytes < BYTES {
        let Some(step) = walk.next()? else { break };
        if let Step::Value(value) = &step {
            bytes += value.bytes.len();
        }
        steps.push(step);
    }
    Ok(steps)
}

struct Writer<'a> {
    schema: &'a Schema<'a>,
    data: &'a [u8],
    /// Up to where the data is written.
    at: usize,
    out: Vec<u8>,
    /// Keys of the maps that are open.
    names: Names,
}

impl Writer<'_> {
    fn copy_to(&mut self, to: usize) {
        self.out.extend_from_slice(&self.data[self.at..to]);
        self.at = to;
    }

    fn write(&mut self, steps: &[Step], instead: &[Option<Rc<[u8]>>]) {
        for (index, step) in steps.iter().enumerate() {
            match (step, instead.get(index).and_then(Option::as_deref)) {
                (Step::Head { at, count }, _) => {
                    self.copy_to(at.start);
                    // Its length is not told any more.
                    put_long(&mut self.out, count.cast_signed());
                    self.at = at.end;
                }
                (Step::Value(value), Some(new)) => self.replace(value, new),
                (Step::Value(value), None) => {
                    if let Some(key) = value.key {
                        self.names.keep(key, &self.data[value.bytes.clone()]);
                    }
                }
            }
        }
    }

    /// Puts a text in the place of a value. Where the type cannot hold it, the value becomes null, or nothing where there may be no null.
    fn replace(&mut self, value: &Value, text: &[u8]) {
        let old = &self.data[value.bytes.clone()];
        if let Some(key) = value.key {
            let mut name = text.to_vec();
            self.names.make_unique(key, &mut name);
            self.copy_to(value.at.start);
            put_counted(&mut self.out, &name);
        } else {
            let kind = self.schema.kind(value.node);
            let form = self.schema.form(value.node).unwrap_or(Form::Bytes);
            let new = encode(kind, form, old, text);
            match (new, value.null) {
                (None, Some((start, null))) => {
                    self.copy_to(start);
                    put_long(&mut self.out, null.cast_signed());
                }
                (new, _) => {
                    self.copy_to(value.at.start);
                    self.out.extend_from_slice(&new.unwrap_or_else(|| nothing(kind, old)));
                }
            }
        }
        self.at = value.at.end;
    }
}

fn print<'b>(kind: &Kind, form: Form, mut bytes: &'b [u8]) -> Option<Printed<'b>> {
    match kind {
        // Some readers take one that is larger than its type.
        Kind::Int | Kind::Long => long(&mut bytes)?.print(form).map(own),
        Kind::Float => f32::plain(&mut bytes, 4)?.print(form).map(own),
        Kind::Double => f64::plain(&mut bytes, 8)?.print(form).map(own),
        Kind::Fixed(_) => fixed::print(bytes, form),
        _ => match form {
            Form::Decimal { scale, .. } => print_big_endian(bytes, scale),
            _ => print_text(bytes, form),
        },
    }
}

/// A number does not borrow.
fn own(printed: Printed<'_>) -> Printed<'static> {
    match printed {
        Printed::Number(text) => Printed::Number(text),
        other => Printed::Text(other.bytes().to_vec().into()),
    }
}

/// A value that is printed so, as the type is written; none if it has no such value.
fn encode(kind: &Kind, form: Form, old: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = || std::str::from_utf8(text).ok();
    match kind {
        Kind::Int => put_long(&mut out, 0_i32.read(read()?, form)?.into()),
        Kind::Long => put_long(&mut out, 0_i64.read(read()?, form)?),
        Kind::Float => out.extend_from_slice(&0_f32.read(read()?, form)?.to_le_bytes()),
        Kind::Double => out.extend_from_slice(&0_f64.read(read()?, form)?.to_le_bytes()),
        Kind::Fixed(_) => out.extend_from_slice(&fixed::read(text, form, old)?),
        _ => match form {
            Form::Decimal { scale, precision } => {
                put_counted(&mut out, &big_endian(read_decimal(read()?, scale, precision)?, old.len())?);
            }
            _ if !holds_text(old, form) => return None,
            _ => put_counted(&mut out, text),
        },
    }
    Some(out)
}

/// What stands in the place of a value that can neither be kept nor be null.
fn nothing(kind: &Kind, old: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Bytes | Kind::Text => {
            let mut out = Vec::new();
            put_counted(&mut out, &vec![0; old.len()]);
            out
        }
        Kind::Int | Kind::Long => vec![0],
        _ => vec![0; old.len()],
    }
}
