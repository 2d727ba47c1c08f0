//! Thrift's compact protocol, one level at a time: a structure is its fields, each with its bytes as they came, so that what is not changed stays
//! as it was written, known to us or not.

use std::borrow::Cow;

/// The types of values.
pub const I32: u8 = 5;
pub const I64: u8 = 6;
const BYTE: u8 = 3;
const I16: u8 = 4;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCTURE: u8 = 12;

/// Values in values, at most.
const DEPTH: u32 = 32;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The fields of a structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure<'a>(Vec<Field<'a>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field<'a> {
    id: i16,
    kind: u8,
    /// The value alone; that of a boolean is its kind.
    bytes: Cow<'a, [u8]>,
}

impl<'a> Structure<'a> {
    /// Reads one from the start of `input`, which is moved behind it.
    pub fn read(input: &mut &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Vec::new();
        let mut id = 0_i16;
        while let Some(kind) = next_field(input, &mut id)? {
            let start = *input;
            skip(kind, input, DEPTH)?;
            fields.push(Field { id, kind, bytes: Cow::Borrowed(&start[..start.len() - input.len()]) });
        }
        Ok(Self(fields))
    }

    /// The whole of `bytes` as one.
    pub fn of(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(&mut bytes)
    }

    /// Of fields with the same number the last one counts, as it does for readers that take one after the other.
    fn field(&self, id: i16, kinds: &[u8]) -> Result<Option<&Field<'a>>, Malformed> {
        match self.0.iter().rfind(|field| field.id == id) {
            Some(field) if !kinds.contains(&field.kind) => Err(Malformed),
            found => Ok(found),
        }
    }

    pub fn has(&self, id: i16) -> bool {
        self.0.iter().any(|field| field.id == id)
    }

    pub fn int(&self, id: i16) -> Result<Option<i64>, Malformed> {
        let Some(field) = self.field(id, &[BYTE, I16, I32, I64])? else { return Ok(None) };
        let mut bytes = &field.bytes[..];
        if field.kind == BYTE {
            return Ok(bytes.first().map(|byte| i64::from(byte.cast_signed())));
        }
        Ok(Some(signed(varint(&mut bytes)?)))
    }

    pub fn binary(&self, id: i16) -> Result<Option<&[u8]>, Malformed> {
        let Some(field) = self.field(id, &[BINARY])? else { return Ok(None) };
        let mut bytes = &field.bytes[..];
        varint(&mut bytes)?;
        Ok(Some(bytes))
    }

    pub fn structure(&self, id: i16) -> Result<Option<Structure<'_>>, Malformed> {
        self.field(id, &[STRUCTURE])?.map(|field| Structure::of(&field.bytes)).transpose()
    }

    /// The structures of a list.
    pub fn list(&self, id: i16) -> Result<Vec<Structure<'_>>, Malformed> {
        let Some(field) = self.field(id, &[LIST])? else { return Ok(Vec::new()) };
        let mut bytes = &field.bytes[..];
        let (kind, count) = list_head(&mut bytes)?;
        if kind != STRUCTURE && count > 0 {
            return Err(Malformed);
        }
        (0..count).map(|_| Structure::read(&mut bytes)).collect()
    }

    pub fn set_int(&mut self, id: i16, kind: u8, value: i64) {
        let mut bytes = Vec::new();
        put_signed(&mut bytes, value);
        self.set(id, kind, bytes);
    }

    pub fn set_binary(&mut self, id: i16, value: &[u8]) {
        let mut bytes = Vec::with_capacity(value.len() + 5);
        put_varint(&mut bytes, value.len() as u64);
        bytes.extend_from_slice(value);
        self.set(id, BINARY, bytes);
    }

    pub fn set_structure(&mut self, id: i16, value: &Structure<'_>) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        self.set(id, STRUCTURE, bytes);
    }

    pub fn set_list(&mut self, id: i16, values: &[Structure<'_>]) {
        let mut bytes = Vec::new();
        if let Ok(count @ ..15) = u8::try_from(values.len()) {
            bytes.push(count << 4 | STRUCTURE);
        } else {
            bytes.push(15 << 4 | STRUCTURE);
            put_varint(&mut bytes, values.len() as u64);
        }
        for value in values {
            value.write(&mut bytes);
        }
        self.set(id, LIST, bytes);
    }

    /// Takes a field over from another structure, or its absence.
    pub fn take_over(&mut self, id: i16, from: &Structure<'_>) {
        self.remove(id);
        if let Some(field) = from.0.iter().rfind(|field| field.id == id) {
            self.set(id, field.kind, field.bytes.to_vec());
        }
    }

    fn set(&mut self, id: i16, kind: u8, bytes: Vec<u8>) {
        self.remove(id);
        self.0.push(Field { id, kind, bytes: Cow::Owned(bytes) });
    }

    pub fn remove(&mut self, id: i16) {
        self.0.retain(|field| field.id != id);
    }

    /// The same, of its own.
    pub fn into_owned(self) -> Structure<'static> {
        let own = |field: Field<'a>| Field { bytes: Cow::Owned(field.bytes.into_owned()), ..field };
        Structure(self.0.into_iter().map(own).collect())
    }

    /// Keeps the fields up to this number only.
    pub fn keep_to(&mut self, last: i16) {
        self.0.retain(|field| (1..=last).contains(&field.id));
    }

    /// Writes it, in the order of its numbers.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut fields: Vec<_> = self.0.iter().collect();
        fields.sort_by_key(|field| field.id);
        let mut last = 0_i16;
        for Field { id, kind, bytes } in fields {
            if let Ok(step @ 1..=15) = u8::try_from(id.wrapping_sub(last)) {
                out.push(step << 4 | kind);
            } else {
                out.push(*kind);
                put_signed(out, (*id).into());
            }
            out.extend_from_slice(bytes);
            last = *id;
        }
        out.push(0);
    }
}

/// The kind of the next field, whose number is put into `id`; none at the end.
fn next_field(input: &mut &[u8], id: &mut i16) -> Result<Option<u8>, Malformed> {
    let head = byte(input)?;
    let kind = head & 15;
    if kind == 0 {
        return Ok(None);
    }
    *id = match head >> 4 {
        0 => i16::try_from(signed(varint(input)?)).map_err(|_| Malformed)?,
        step => id.checked_add(i16::from(step)).ok_or(Malformed)?,
    };
    Ok(Some(kind))
}

/// Moves `input` behind a value, which is a field's.
fn skip(kind: u8, input: &mut &[u8], depth: u32) -> Result<(), Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    match kind {
        1 | 2 => {}
        BYTE => take(input, 1)?,
        I16 | I32 | I64 => {
            varint(input)?;
        }
        7 => take(input, 8)?,
        BINARY => {
            let len = varint(input)?;
            take(input, len)?;
        }
        LIST | 10 => {
            let (kind, count) = list_head(input)?;
            for _ in 0..count {
                skip_element(kind, input, depth)?;
            }
        }
        11 => {
            let count = varint(input)?;
            let kinds = if count > 0 { byte(input)? } else { 0 };
            for _ in 0..count {
                skip_element(kinds >> 4, input, depth)?;
                skip_element(kinds & 15, input, depth)?;
            }
        }
        STRUCTURE => {
            let mut id = 0;
            while let Some(kind) = next_field(input, &mut id)? {
                skip(kind, input, depth)?;
            }
        }
        13 => take(input, 16)?,
        _ => return Err(Malformed),
    }
    Ok(())
}

/// In a list a boolean is a byte. So every element takes one at least, and no count says more than there are bytes.
fn skip_element(kind: u8, input: &mut &[u8], depth: u32) -> Result<(), Malformed> {
    if matches!(kind, 1 | 2) { take(input, 1) } else { skip(kind, input, depth) }
}

/// The kind of the elements of a list, and how many there are.
fn list_head(input: &mut &[u8]) -> Result<(u8, u64), Malformed> {
    let head = byte(input)?;
    let count = if head >> 4 == 15 { varint(input)? } else { u64::from(head >> 4) };
    Ok((head & 15, count))
}

fn byte(input: &mut &[u8]) -> Result<u8, Malformed> {
    let (first, rest) = input.split_first().ok_or(Malformed)?;
    *input = rest;
    Ok(*first)
}

fn take(input: &mut &[u8], len: u64) -> Result<(), Malformed> {
    *input = usize::try_from(len).ok().and_then(|len| input.get(len..)).ok_or(Malformed)?;
    Ok(())
}

fn varint(input: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let next = byte(input)?;
        number |= u64::from(next & 0x7F) << shift;
        if next < 0x80 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

/// A number that `varint` gave, with its sign in the last bit.
fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, (number << 1 ^ number >> 63).cast_unsigned());
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let mut inner = Structure::default();
        inner.set_int(1, I32, -7);
        inner.set_int(40, I64, i64::MIN);
        let mut outer = Structure::default();
        outer.set_binary(3, b"text");
        outer.set_list(2, &vec![inner.clone(); 20]);
        outer.set_structure(700, &inner);
        outer.set_int(3, I64, 1);
        let mut bytes = Vec::new();
        outer.write(&mut bytes);
        bytes.push(9);
        let mut rest = &bytes[..];
        let read = Structure::read(&mut rest).unwrap();
        assert_eq!(rest, [9]);
        assert_eq!((read.int(3), read.binary(3)), (Ok(Some(1)), Err(Malformed)));
        assert_eq!(read.list(2).unwrap().len(), 20);
        assert_eq!(read.structure(700).unwrap().unwrap().int(40), Ok(Some(i64::MIN)));
        assert_eq!(read.list(2).unwrap()[3].int(1), Ok(Some(-7)));
        assert!(!read.has(4));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(read) = Structure::of(&bytes) {
                let mut written = Vec::new();
                read.write(&mut written);
                let mut again = Vec::new();
                Structure::of(&written).unwrap().write(&mut again);
                prop_assert_eq!(written, again);
            }
        }
    }
}
