//! Messages: a flat buffer that says what a body behind it is.

use std::io::Read;

use crate::format::Work;
use crate::format::budget::Held;
use crate::format::table::Fault;
use crate::format::table::flat::Flat;
use crate::format::table::known;
use crate::format::table::place::Target;

/// Bytes of what describes a message, at most.
pub const LONGEST: u64 = 64 << 20;
/// What stands before the length of a message; old writers leave it out.
pub const CONTINUES: [u8; 4] = [0xFF; 4];

/// The kinds of messages.
pub const SCHEMA: u8 = 1;
pub const DICTIONARY: u8 = 2;
pub const BATCH: u8 = 3;

/// The version since which unions have no bits of their own, and the first one that is read.
pub const VERSION_5: u16 = 4;
const VERSION_4: u16 = 3;

/// The fields of messages.
const VERSION: usize = 0;
const KIND: usize = 1;
const HEADER: usize = 2;
const BODY: usize = 3;
const SAID: usize = 4;

pub const MALFORMED: &str = "what describes its data cannot be read";

#[derive(Debug)]
pub struct Message {
    /// It begins with [`CONTINUES`].
    continues: bool,
    pub flat: Flat,
    root: usize,
    pub kind: u8,
    pub version: u16,
    /// Where what is of this kind is described.
    pub header: usize,
    /// Bytes of the body.
    pub body: u64,
    /// Bytes before the body.
    pub size: u64,
    /// The memory of what describes it.
    _held: Held,
}

/// What is at a place of a stream.
#[derive(Debug)]
pub enum Next {
    Message(Message),
    /// The mark of the end.
    Mark(Vec<u8>),
    /// Nothing more.
    End,
}

impl Message {
    pub fn read(source: &mut impl Read, work: &Work<'_>) -> Result<Next, Fault> {
        let mut head = take(source, 4)?;
        if head.is_empty() {
            return Ok(Next::End);
        }
        let continues = head == CONTINUES;
        if continues {
            head.extend(take(source, 4)?);
        }
        let len = head.last_chunk::<4>().filter(|_| head.len() == if continues { 8 } else { 4 }).ok_or("it is cut")?;
        let len = u64::from(u32::from_le_bytes(*len));
        if len == 0 {
            return Ok(Next::Mark(head));
        }
        if len > LONGEST {
            return Err(Fault::limit(format!("a message has a head of {len} bytes, and at most {LONGEST} may be")));
        }
        let memory = work.hold(len)?;
        let bytes = take(source, len)?;
        if bytes.len() as u64 != len {
            return Err("it is cut".into());
        }
        let size = len + head.len() as u64;
        Ok(Next::Message(Self::of(continues, Flat::new(bytes), size, memory).ok_or(MALFORMED)?))
    }

    fn of(continues: bool, flat: Flat, size: u64, held: Held) -> Option<Self> {
        let root = flat.root()?;
        let version = flat.short_field(root, VERSION)?;
        let kind = flat.byte_field(root, KIND)?;
        let header = flat.follow(flat.slot(root, HEADER)?)?;
        let body = u64::try_from(flat.long_field(root, BODY)?).ok()?;
        Some(Self { continues, flat, root, kind, version, header, body, size, _held: held })
            .filter(|it| it.version >= VERSION_4)
    }

    /// Scrubs what is said about the message itself by `text`; whether it changed.
    pub fn edit(&mut self, text: impl FnMut(&str, &[u8]) -> Result<Option<Vec<u8>>, Fault>) -> Result<bool, Fault> {
        let entries = self.flat.entries(self.root, SAID).ok_or(MALFORMED)?;
        self.flat.edit(&entries, text)
    }

    /// Says how long the body is.
    pub fn set_body(&mut self, body: u64) -> Result<(), Fault> {
        let at = self.flat.slot(self.root, BODY).ok_or("a message has values, and no body")?;
        self.body = body;
        self.flat.set_long(at, body.cast_signed()).ok_or_else(|| MALFORMED.into())
    }

    /// Writes all that is before the body, and nothing that says nothing; gives how long that is.
    pub fn write(&mut self, target: &mut Target<'_>) -> Result<u64, Fault> {
        known::blank_rest(&mut self.flat, self.root, &known::MESSAGE)?;
        let mut out = if self.continues { CONTINUES.to_vec() } else { Vec::new() };
        let head = out.len() + 4;
        // Bodies stay at places that are as round as they were.
        let round = if self.size.is_multiple_of(64) { 64 } else { 8 };
        let whole = if self.size == (head + self.flat.bytes.len()) as u64 {
            head + self.flat.bytes.len()
        } else {
            (head + self.flat.bytes.len()).next_multiple_of(round)
        };
        let len = u32::try_from(whole - head).map_err(|_| Fault::limit("a message grows too long".to_owned()))?;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.flat.bytes);
        out.resize(whole, 0);
        target.write(&out)?;
        Ok(whole as u64)
    }
}

/// So many bytes, or as many as there are.
fn take(source: &mut impl Read, len: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    source.take(len).read_to_end(&mut bytes).map_err(Fault::read)?;
    Ok(bytes)
}

/// Whether a stream begins so, of which there may be more.
pub fn is_stream(head: &[u8]) -> bool {
    let Some((len, flat)) = head.strip_prefix(&CONTINUES).and_then(|rest| rest.split_first_chunk::<4>()) else {
        return false;
    };
    let len = u32::from_le_bytes(*len) as usize;
    let flat = Flat::new(flat[..flat.len().min(len)].to_vec());
    let kind = flat.root().and_then(|root| Some((flat.short_field(root, VERSION)?, flat.byte_field(root, KIND)?)));
    matches!(kind, Some((VERSION_4..=VERSION_5, SCHEMA)))
}
