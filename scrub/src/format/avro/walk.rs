//! The data of a block, value by value, in the order in which they stand.
//!
//! What is open is kept on a stack of its own, so that it can stop anywhere, and no data makes the machine's overflow.

use std::ops::Range;

use super::schema::{Kind, Node, Schema};
use crate::format::Work;
use crate::format::fit::Key;
use crate::format::table::Fault;

/// Records, arrays and maps in each other, at most.
const DEPTH: usize = 4096;

/// A value that is looked into, or the head of a part of an array.
#[derive(Clone, Debug)]
pub enum Step {
    Value(Value),
    /// It tells its length, which may change: a part may go without.
    Head {
        at: Range<usize>,
        count: u64,
    },
}

#[derive(Clone, Debug)]
pub struct Value {
    /// Its type, or the map that it is a key of.
    pub node: Node,
    /// Where it stands, with its length.
    pub at: Range<usize>,
    /// Its bytes.
    pub bytes: Range<usize>,
    /// Where the branch of its union is told, and which one is null.
    pub null: Option<(usize, u64)>,
    /// It is a key.
    pub key: Option<Key>,
}

enum Frame {
    Record { node: Node, next: usize },
    Array { items: Node, left: u64, end: Option<usize> },
    Map { node: Node, values: Node, left: u64, end: Option<usize>, key: Key, at_value: bool },
}

/// The values of so many records.
pub struct Walk<'a> {
    schema: &'a Schema<'a>,
    work: &'a Work<'a>,
    data: &'a [u8],
    at: usize,
    left: u64,
    stack: Vec<Frame>,
    /// Maps that are open, and that were.
    maps: (u16, u32),
}

impl<'a> Walk<'a> {
    pub fn new(schema: &'a Schema<'a>, work: &'a Work<'a>, data: &'a [u8], records: u64) -> Self {
        Self { schema, work, data, at: 0, left: records, stack: Vec::new(), maps: (0, 0) }
    }

    /// The next one; none at the end.
    pub fn next(&mut self) -> Result<Option<Step>, Fault> {
        loop {
            // Many of them may take no byte.
            self.work.take(1)?;
            let schema = self.schema;
            let node = match self.stack.last_mut() {
                None if self.left == 0 && self.at == self.data.len() => return Ok(None),
                None if self.left == 0 => return Err("a block is longer than its records".into()),
                None => {
                    self.left -= 1;
                    schema.root
                }
                Some(Frame::Record { node, next }) => {
                    let Kind::Record(fields) = schema.kind(*node) else { return Err("a record is none".into()) };
                    let Some(field) = fields.get(*next) else {
                        self.stack.pop();
                        continue;
                    };
                    *next += 1;
                    *field
                }
                Some(Frame::Array { left: 0, .. } | Frame::Map { left: 0, at_value: false, .. }) => {
                    if let Some(head) = self.head()? {
                        return Ok(Some(head));
                    }
                    continue;
                }
                Some(Frame::Array { items, left, .. }) => {
                    *left -= 1;
                    *items
                }
                Some(Frame::Map { values, at_value: at_value @ true, .. }) => {
                    *at_value = false;
                    *values
                }
                Some(Frame::Map { node, left, key, at_value, .. }) => {
                    *at_value = true;
                    *left -= 1;
                    let (node, key) = (*node, *key);
                    let start = self.at;
                    let bytes = self.counted()?;
                    return Ok(Some(Step::Value(Value {
                        node,
                        at: start..self.at,
                        bytes,
                        null: None,
                        key: Some(key),
                    })));
                }
            };
            if let Some(value) = self.enter(node)? {
                return Ok(Some(Step::Value(value)));
            }
        }
    }

    /// Reads the head of the next part of an array or a map, or its end; gives it if it tells a length.
    fn head(&mut self) -> Result<Option<Step>, Fault> {
        const WRONG: &str = "a part of an array has another length than it says";
        let start = self.at;
        if let Some(Frame::Array { end: Some(end), .. } | Frame::Map { end: Some(end), .. }) = self.stack.last()
            && *end != start
        {
            return Err(WRONG.into());
        }
        let count = self.long()?;
        if count == 0 {
            if let Some(Frame::Map { .. }) = self.stack.pop() {
                self.maps.0 -= 1;
            }
            return Ok(None);
        }
        let told = count.unsigned_abs();
        let size = if count < 0 { Some(self.long()?) } else { None };
        let behind = size.map(|size| usize::try_from(size).ok()?.checked_add(self.at)).map(|end| end.ok_or(WRONG));
        if let Some(Frame::Array { left, end, .. } | Frame::Map { left, end, .. }) = self.stack.last_mut() {
            (*left, *end) = (told, behind.transpose()?);
        }
        Ok(size.map(|_| Step::Head { at: start..self.at, count: told }))
    }

    /// Reads a value, or what is before the first one in it.
    fn enter(&mut self, mut node: Node) -> Result<Option<Value>, Fault> {
        let mut null = None;
        while let Kind::Union(branches) = self.schema.kind(node) {
            let start = self.at;
            let index = usize::try_from(self.long()?).ok();
            node = *index.and_then(|index| branches.get(index)).ok_or("a union has no such branch")?;
            let is_null = |branch: &Node| *self.schema.kind(*branch) == Kind::Null;
            null = branches.iter().position(is_null).map(|index| (start, index as u64));
        }
        let start = self.at;
        let bytes = match self.schema.kind(node) {
            Kind::Null => return Ok(None),
            Kind::Boolean => self.take(1)?,
            Kind::Int | Kind::Long => {
                self.long()?;
                start..self.at
            }
            Kind::Float => self.take(4)?,
            Kind::Double => self.take(8)?,
            Kind::Fixed(size) => self.take(*size)?,
            Kind::Bytes | Kind::Text => self.counted()?,
            Kind::Enum(symbols) => {
                if !u64::try_from(self.long()?).is_ok_and(|index| index < *symbols) {
                    return Err("an enum has no such symbol".into());
                }
                start..self.at
            }
            Kind::Record(_) => return self.open(Frame::Record { node, next: 0 }),
            Kind::Array(items) => return self.open(Frame::Array { items: *items, left: 0, end: None }),
            Kind::Map(values) => {
                self.maps = (self.maps.0 + 1, self.maps.1.wrapping_add(1));
                let key = Key { depth: self.maps.0, object: self.maps.1 };
                return self.open(Frame::Map { node, values: *values, left: 0, end: None, key, at_value: false });
            }
            Kind::Union(_) => return Err("a union is in none".into()),
        };
        let value = Value { node, at: start..self.at, bytes, null, key: None };
        Ok(self.schema.form(node).map(|_| value))
    }

    fn open(&mut self, frame: Frame) -> Result<Option<Value>, Fault> {
        if self.stack.len() >= DEPTH {
            return Err(Fault::limit(format!("its values are nested more than {DEPTH} times")));
        }
        self.stack.push(frame);
        Ok(None)
    }

    fn long(&mut self) -> Result<i64, Fault> {
        let mut rest = &self.data[self.at..];
        let number = long(&mut rest).ok_or("a number is cut")?;
        self.at = self.data.len() - rest.len();
        Ok(number)
    }

    fn take(&mut self, len: usize) -> Result<Range<usize>, Fault> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.data.len()).ok_or("a value is cut")?;
        let taken = self.at..end;
        self.at = end;
        Ok(taken)
    }

    /// Bytes behind their length.
    fn counted(&mut self) -> Result<Range<usize>, Fault> {
        let len = usize::try_from(self.long()?).map_err(|_| "a value has no length")?;
        self.take(len)
    }
}

/// Takes a number from the start of `bytes`.
pub fn long(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (next, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(next & 0x7F) << shift;
        if *next < 0x80 {
            return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    None
}

pub fn put_long(out: &mut Vec<u8>, number: i64) {
    let mut left = (number << 1 ^ number >> 63).cast_unsigned();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Bytes behind their length.
pub fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len().cast_signed() as i64);
    out.extend_from_slice(bytes);
}
