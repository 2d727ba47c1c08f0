//! BSON documents: printed as JSON, by which their texts, numbers and names go through the engine, and written anew from it where something changed.
//!
//! A value says of itself what it is, so one that cannot hold what stands in its place becomes null. Values that did not change are taken over as bytes.

use std::borrow::Cow;

use super::calendar::{print_time, read_time};
use super::fixed::print_uuid;
use super::form::Form;
use super::json::Json;
use super::scalar::{Printed, print_decimal, print_float, print_text, take, take_bytes};
use crate::format::hash::hex;

/// Documents in each other, at most, as `MongoDB` has it.
const DEPTH: u32 = 100;

/// The types of values.
const DOUBLE: u8 = 0x01;
const TEXT: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BINARY: u8 = 0x05;
const UNDEFINED: u8 = 0x06;
const OBJECT_ID: u8 = 0x07;
const BOOLEAN: u8 = 0x08;
const TIME: u8 = 0x09;
const NULL: u8 = 0x0A;
const PATTERN: u8 = 0x0B;
const POINTER: u8 = 0x0C;
const CODE: u8 = 0x0D;
const SYMBOL: u8 = 0x0E;
const CODE_WITH_SCOPE: u8 = 0x0F;
const INT: u8 = 0x10;
const TIMESTAMP: u8 = 0x11;
const LONG: u8 = 0x12;
const DECIMAL: u8 = 0x13;
const LEAST: u8 = 0xFF;
const MOST: u8 = 0x7F;

/// The subtypes of binary values that are UUIDs.
const UUIDS: [u8; 2] = [3, 4];

/// What is no number, as it is usually written: none, with either sign, and the infinities.
const NO_DOUBLES: [u64; 4] = [0x7FF8 << 48, 0xFFF8 << 48, 0x7FF0 << 48, 0xFFF0 << 48];
const NO_DECIMALS: [u128; 4] = [0x7C00 << 112, 0xFC00 << 112, 0x7800 << 112, 0xF800 << 112];

/// An empty document.
pub const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

/// As JSON; as a text of whatever is in it where it is no such document.
pub fn print(bytes: &[u8]) -> Option<Printed<'_>> {
    match Document::of(bytes) {
        Some(document) => {
            let mut out = Vec::new();
            document.put(&mut out);
            Some(Printed::Json(Cow::Owned(out), document.binaries()))
        }
        None if bytes.is_empty() => None,
        None => Some(Printed::Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes()))),
    }
}

/// The document in the place of `old` that is printed so; none if that is none, or says other things.
pub fn read(text: &[u8], old: &[u8]) -> Option<Vec<u8>> {
    let json = Json::read(std::str::from_utf8(text).ok()?).ok()?;
    Document::of(old)?.rewritten(&json)
}

/// The elements of a document or an array.
struct Document<'a> {
    elements: Vec<Element<'a>>,
    /// It is an array, whose names are numbers, and not shown.
    is_array: bool,
}

struct Element<'a> {
    name: &'a [u8],
    kind: u8,
    /// The value as it stands.
    bytes: &'a [u8],
    shown: Shown<'a>,
}

/// How a value is printed.
enum Shown<'a> {
    /// There is nothing in it to be looked into.
    Nothing,
    /// The same, of bytes that are no text.
    Binary,
    Text(Cow<'a, str>),
    Number(String),
    Document(Document<'a>),
    /// A text, and what follows it.
    Pair(Cow<'a, str>, Box<Shown<'a>>),
}

impl<'a> Document<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        Self::read(&mut rest, false, DEPTH).filter(|_| rest.is_empty())
    }

    /// Takes one from the start of `input`.
    fn read(input: &mut &'a [u8], is_array: bool, depth: u32) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let len = usize::try_from(i32::from_le_bytes(*input.first_chunk()?)).ok()?;
        let (whole, behind) = input.split_at_checked(len)?;
        let mut rest = whole.get(4..)?;
        *input = behind;
        let (mut elements, mut numbers) = (Vec::new(), true);
        loop {
            let [kind] = take(&mut rest)?;
            if kind == 0 {
                break;
            }
            let name = text_to_zero(&mut rest)?;
            let start = rest;
            let shown = Shown::read(kind, &mut rest, depth)?;
            numbers &= name == elements.len().to_string().as_bytes();
            elements.push(Element { name, kind, bytes: &start[..start.len() - rest.len()], shown });
        }
        rest.is_empty().then_some(Self { elements, is_array: is_array && numbers })
    }

    fn put(&self, out: &mut Vec<u8>) {
        let [open, close] = if self.is_array { *b"[]" } else { *b"{}" };
        out.push(open);
        for (index, element) in self.elements.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if !self.is_array {
                put_text(&String::from_utf8_lossy(element.name), out);
                out.push(b':');
            }
            element.shown.put(out);
        }
        out.push(close);
    }

    /// How many values in it are no text.
    fn binaries(&self) -> u64 {
        self.elements.iter().map(|element| element.shown.binaries()).sum()
    }

    fn rewritten(&self, json: &Json) -> Option<Vec<u8>> {
        let mut out = vec![0; 4];
        let values: Vec<(Option<&String>, &Json)> = match json {
            Json::Object(members, _) if !self.is_array => {
                members.iter().map(|(name, value)| (Some(name), value)).collect()
            }
            Json::Array(values) if self.is_array => values.iter().map(|value| (None, value)).collect(),
            _ => return None,
        };
        if values.len() != self.elements.len() {
            return None;
        }
        for (element, (name, value)) in self.elements.iter().zip(values) {
            let new = element.rewritten(value)?;
            let (kind, bytes) = new.as_ref().map_or((element.kind, element.bytes), |(kind, bytes)| (*kind, bytes));
            out.push(kind);
            match name {
                Some(name) if *name != String::from_utf8_lossy(element.name) => {
                    out.extend(name.bytes().filter(|byte| *byte != 0));
                }
                _ => out.extend_from_slice(element.name),
            }
            out.push(0);
            out.extend_from_slice(bytes);
        }
        out.push(0);
        let len = i32::try_from(out.len()).ok()?;
        out[..4].copy_from_slice(&len.to_le_bytes());
        Some(out)
    }
}

impl<'a> Shown<'a> {
    /// Takes a value of this kind from the start of `input`.
    fn read(kind: u8, input: &mut &'a [u8], depth: u32) -> Option<Self> {
        let number = |text: String| Some(Self::Number(text));
        let bits = *input;
        match kind {
            DOUBLE => Some(match print_float(f64::from_le_bytes(take(input)?)) {
                Some(Printed::Number(text)) => Self::Number(text),
                _ => Self::nothing(NO_DOUBLES.contains(&u64::from_le_bytes(*bits.first_chunk()?))),
            }),
            TEXT | CODE | SYMBOL => text(input).map(Self::Text),
            DOCUMENT | ARRAY => Document::read(input, kind == ARRAY, depth).map(Self::Document),
            BINARY => {
                let len = usize::try_from(i32::from_le_bytes(take(input)?)).ok()?;
                let [subtype] = take(input)?;
                let (bytes, rest) = input.split_at_checked(len)?;
                *input = rest;
                Some(match print_text(bytes, Form::Bytes) {
                    _ if UUIDS.contains(&subtype) && len == 16 => Self::Text(print_uuid(bytes)?.into()),
                    Some(Printed::Maybe(..)) => Self::Text(String::from_utf8_lossy(bytes)),
                    Some(_) => Self::Binary,
                    None => Self::Nothing,
                })
            }
            UNDEFINED | NULL | LEAST | MOST => Some(Self::Nothing),
            OBJECT_ID => hexadecimal(input).map(Self::Text),
            BOOLEAN => take::<1>(input).map(|[value]| Self::nothing(value <= 1)),
            TIME => {
                let time = i64::from_le_bytes(take(input)?);
                print_time(time, 1000).map(|text| Self::Text(text.into())).or_else(|| number(time.to_string()))
            }
            PATTERN => {
                let pattern = String::from_utf8_lossy(text_to_zero(input)?);
                let options = String::from_utf8_lossy(text_to_zero(input)?);
                Some(Self::Pair(pattern, Box::new(Self::Text(options))))
            }
            POINTER => Some(Self::Pair(text(input)?, Box::new(hexadecimal(input).map(Self::Text)?))),
            CODE_WITH_SCOPE => {
                let len = usize::try_from(i32::from_le_bytes(*input.first_chunk()?)).ok()?;
                let (whole, behind) = input.split_at_checked(len)?;
                let mut rest = whole.get(4..)?;
                *input = behind;
                let code = text(&mut rest)?;
                let scope = Document::read(&mut rest, false, depth)?;
                rest.is_empty().then(|| Self::Pair(code, Box::new(Self::Document(scope))))
            }
            INT => number(i32::from_le_bytes(take(input)?).to_string()),
            LONG => number(i64::from_le_bytes(take(input)?).to_string()),
            TIMESTAMP => number(u64::from_le_bytes(take(input)?).to_string()),
            DECIMAL => {
                let bits = u128::from_le_bytes(take(input)?);
                Some(decimal(bits).map_or_else(|| Self::nothing(NO_DECIMALS.contains(&bits)), Self::Number))
            }
            _ => None,
        }
    }

    /// What is no number, text or document; others than the usual ones have bytes that may say something.
    const fn nothing(is_usual: bool) -> Self {
        if is_usual { Self::Nothing } else { Self::Binary }
    }

    fn binaries(&self) -> u64 {
        match self {
            Self::Binary => 1,
            Self::Document(document) => document.binaries(),
            Self::Pair(_, second) => second.binaries(),
            Self::Nothing | Self::Text(_) | Self::Number(_) => 0,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing | Self::Binary => out.extend_from_slice(b"null"),
            Self::Text(text) => put_text(text, out),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::Document(document) => document.put(out),
            Self::Pair(first, second) => {
                out.push(b'[');
                put_text(first, out);
                out.push(b',');
                second.put(out);
                out.push(b']');
            }
        }
    }

    fn is(&self, json: &Json) -> bool {
        match (self, json) {
            (Self::Nothing | Self::Binary, Json::Other) => true,
            (Self::Text(old), Json::Text(new, _)) => *old == **new,
            (Self::Number(old), Json::Number(new)) => old == new,
            (Self::Pair(first, second), Json::Array(values)) => {
                let [Json::Text(new, _), behind] = &values[..] else { return false };
                *first == **new && second.is(behind)
            }
            _ => false,
        }
    }
}

impl Element<'_> {
    /// Another kind and value in the place of this one, if it changed; an outer none: it says other things.
    #[expect(clippy::option_option, reason = "what stays is told from what cannot be")]
    fn rewritten(&self, json: &Json) -> Option<Option<(u8, Vec<u8>)>> {
        if let Shown::Document(document) = &self.shown {
            return document.rewritten(json).map(|bytes| Some((self.kind, bytes)));
        }
        if self.shown.is(json) {
            return Some(None);
        }
        Some(Some(self.changed(json).unwrap_or((NULL, Vec::new()))))
    }

    /// None where its type cannot hold it.
    fn changed(&self, json: &Json) -> Option<(u8, Vec<u8>)> {
        let bytes = match (self.kind, json) {
            (TEXT | CODE | SYMBOL, Json::Text(new, _)) => counted(new),
            (BINARY, Json::Text(new, _)) if !UUIDS.contains(self.bytes.get(4)?) => {
                let len = i32::try_from(new.len()).ok()?;
                [&len.to_le_bytes(), &self.bytes[4..5], new.as_bytes()].concat()
            }
            (TIME, Json::Text(new, _)) => read_time(new, 1000)?.to_le_bytes().to_vec(),
            (DOUBLE, Json::Number(new)) => new.parse::<f64>().ok()?.to_le_bytes().to_vec(),
            (INT, Json::Number(new)) => new.parse::<i32>().ok()?.to_le_bytes().to_vec(),
            (LONG | TIME, Json::Number(new)) => new.parse::<i64>().ok()?.to_le_bytes().to_vec(),
            // A pattern that is another one would be no pattern, and a pointer none.
            (CODE_WITH_SCOPE, Json::Array(values)) => {
                let ([Json::Text(code, _), scope], Shown::Pair(_, old)) = (&values[..], &self.shown) else {
                    return None;
                };
                let Shown::Document(old) = &**old else { return None };
                let body = [counted(code), old.rewritten(scope)?].concat();
                let len = i32::try_from(body.len() + 4).ok()?;
                [&len.to_le_bytes(), &body[..]].concat()
            }
            _ => return None,
        };
        Some((self.kind, bytes))
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// Bytes up to a zero, which is taken too.
fn text_to_zero<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(0, input)?;
    let text = &input[..end];
    *input = &input[end + 1..];
    Some(text)
}

/// A text behind its length, which counts the zero at its end.
fn text<'a>(input: &mut &'a [u8]) -> Option<Cow<'a, str>> {
    let len = usize::try_from(i32::from_le_bytes(take(input)?)).ok()?;
    let (text, rest) = input.split_at_checked(len)?;
    *input = rest;
    text.strip_suffix(b"\0").map(String::from_utf8_lossy)
}

fn counted(text: &str) -> Vec<u8> {
    let len = (text.len() as u32 + 1).to_le_bytes();
    [&len, text.as_bytes(), b"\0"].concat()
}

/// An identifier of an object.
fn hexadecimal<'a>(input: &mut &[u8]) -> Option<Cow<'a, str>> {
    Some(hex(&take_bytes(input, 12)?).into())
}

/// A number of IEEE 754 in 128 bits, with its coefficient in binary; none of one that is none, or so large or small that it is no number of anybody.
fn decimal(bits: u128) -> Option<String> {
    if bits >> 125 & 3 == 3 {
        return None;
    }
    let exponent = (bits >> 113 & 0x3FFF).cast_signed() - 6176;
    let size = (bits & ((1 << 113) - 1)).cast_signed();
    let value = if bits >> 127 == 0 { size } else { -size };
    match u32::try_from(exponent.unsigned_abs()).ok().filter(|places| *places <= 38)? {
        places if exponent <= 0 => Some(print_decimal(value, places)),
        places => Some(value.checked_mul(10_i128.checked_pow(places)?)?.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::strategy::{Just, Strategy};

    use super::*;

    fn document(elements: &[(u8, &str, Vec<u8>)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, name, value) in elements {
            body.push(*kind);
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(value);
        }
        let len = (body.len() as u32 + 5).to_le_bytes();
        [&len[..], &body, b"\0"].concat()
    }

    fn printed(bytes: &[u8]) -> String {
        String::from_utf8(print(bytes).unwrap().bytes().to_vec()).unwrap()
    }

    /// The example of bsonspec.org, and one of every type.
    fn every_type() -> Vec<u8> {
        let inner = document(&[(TEXT, "0", counted("awesome")), (DOUBLE, "1", 5.05_f64.to_le_bytes().to_vec())]);
        let named = document(&[(TEXT, "a name", counted("x"))]);
        let scope = document(&[(INT, "x", vec![7, 0, 0, 0])]);
        let code = [counted("f(x)"), scope].concat();
        let code = [&(code.len() as u32 + 4).to_le_bytes()[..], &code].concat();
        // -1.23
        let number = ((1 << 127) | (6174_u128 << 113) | 0x7B).to_le_bytes().to_vec();
        document(&[
            (ARRAY, "BSON", inner),
            (ARRAY, "odd", named.clone()),
            (DOCUMENT, "in", named),
            (BINARY, "raw", [&[6, 0, 0, 0, 0][..], b"a text"].concat()),
            (BINARY, "id", [&[16, 0, 0, 0, 4][..], &[0xAB; 16]].concat()),
            (BINARY, "image", vec![2, 0, 0, 0, 0, 0xFF, 0]),
            (OBJECT_ID, "_id", vec![0xCD; 12]),
            (BOOLEAN, "b", vec![1]),
            (TIME, "at", 1500_i64.to_le_bytes().to_vec()),
            (NULL, "n", vec![]),
            (PATTERN, "re", b"^a\0i\0".to_vec()),
            (CODE_WITH_SCOPE, "f", code),
            (LONG, "l", 78_051_120_i64.to_le_bytes().to_vec()),
            (TIMESTAMP, "ts", vec![1; 8]),
            (DECIMAL, "d", number),
            (LEAST, "least", vec![]),
        ])
    }

    #[test]
    fn documents_are_printed_and_read_again() {
        let source = every_type();
        let text = printed(&source);
        assert_eq!(
            text,
            "{\"BSON\":[\"awesome\",5.05],\"odd\":{\"a name\":\"x\"},\"in\":{\"a name\":\"x\"},\"raw\":\"a text\",\
             \"id\":\"abababab-abab-abab-abab-abababababab\",\"image\":null,\"_id\":\"cdcdcdcdcdcdcdcdcdcdcdcd\",\"b\":null,\
             \"at\":\"1970-01-01 00:00:01.500\",\"n\":null,\"re\":[\"^a\",\"i\"],\"f\":[\"f(x)\",{\"x\":7}],\"l\":78051120,\
             \"ts\":72340172838076673,\"d\":-1.23,\"least\":null}"
        );
        assert_eq!(read(text.as_bytes(), &source), Some(source));
    }

    /// What is no number has bytes of which none is looked into.
    #[test]
    fn odd_values_are_counted() {
        let count = |kind: u8, bytes: &[u8]| {
            let source = document(&[(kind, "x", bytes.to_vec())]);
            let Some(Printed::Json(text, binaries)) = print(&source) else { panic!() };
            assert_eq!(read(&text, &source).as_ref(), Some(&source));
            (String::from_utf8_lossy(&text).into_owned(), binaries)
        };
        let null = || "{\"x\":null}".to_owned();
        for double in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(count(DOUBLE, &double.to_le_bytes()), (null(), 0));
        }
        for top in [0x7C_u8, 0xFC, 0x78, 0xF8] {
            assert_eq!(count(DECIMAL, &[&[0; 15][..], &[top]].concat()), (null(), 0));
            assert_eq!(count(DECIMAL, &[b"by EMP-004711..", &[top][..]].concat()), (null(), 1));
        }
        assert_eq!(count(DOUBLE, b"EMP-47\xF8\x7F"), (null(), 1));
        assert_eq!(
            (count(BOOLEAN, &[0]), count(BOOLEAN, &[1]), count(BOOLEAN, b"E")),
            ((null(), 0), (null(), 0), (null(), 1))
        );
        assert_eq!(count(TIMESTAMP, &219_099_999_u64.to_le_bytes()), ("{\"x\":219099999}".to_owned(), 0));
        // One in which something is found is none any more.
        let source = document(&[(TIMESTAMP, "x", 219_099_999_u64.to_le_bytes().to_vec())]);
        assert_eq!(read(b"{\"x\":null}", &source), Some(document(&[(NULL, "x", Vec::new())])));
    }

    #[test]
    fn what_changes_is_written_anew() {
        let source = every_type();
        let text = printed(&source);
        for (old, new) in [
            ("awesome", "<A>"),
            ("5.05", "7"),
            ("5.05", "null"),
            ("\"a name\"", "\"<NAME>\""),
            ("a text", "longer than before"),
            ("f(x)", "<CODE>"),
            ("78051120", "12"),
            ("\"x\":7", "\"x\":null"),
            ("1970-01-01 00:00:01.500", "1970-01-02"),
        ] {
            let edited = text.replace(old, new);
            let out = read(edited.as_bytes(), &source).unwrap();
            assert_eq!(printed(&out), edited);
            assert_eq!(read(text.as_bytes(), &out).map(|_| ()), Some(()));
        }
        // What the type cannot hold becomes null.
        for (old, gone) in [
            ("\"1970-01-01 00:00:01.500\"", "\"<DATE>\""),
            ("-1.23", "-7.5"),
            ("\"^a\",", "\"<A>\","),
            ("\"cdcdcdcdcdcdcdcdcdcdcdcd\"", "\"<ID>\""),
            ("\"abababab-abab-abab-abab-abababababab\"", "\"<ID>\""),
        ] {
            let out = read(text.replace(old, gone).as_bytes(), &source).unwrap();
            assert!(!printed(&out).contains(old) && !printed(&out).contains(gone), "{}", printed(&out));
        }
        for other in ["{}", "[]", "7", "{\"BSON\":[]", ""] {
            assert_eq!(read(other.as_bytes(), &source), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_document_is_text_of_what_is_in_it() {
        let deep = (0..200)
            .fold(document(&[(TEXT, "a", counted("EMP-004711"))]), |inner, _| document(&[(DOCUMENT, "d", inner)]));
        for bytes in [&deep[..], b"EMP-004711", &every_type()[1..]] {
            let Some(Printed::Text(text)) = print(bytes) else { panic!() };
            assert_eq!(read(&text, bytes), None);
        }
        assert!(printed(&deep).contains("EMP-004711"));
        assert_eq!(print(b""), None);
        assert_eq!(printed(&EMPTY), "{}");
    }

    fn any_document() -> impl Strategy<Value = Vec<u8>> {
        let leaf = proptest::prop_oneof![
            "[a-z\"\\\\ \u{e9}]{0,9}".prop_map(|text| (TEXT, counted(&text))),
            any::<i64>().prop_map(|number| (LONG, number.to_le_bytes().to_vec())),
            any::<f64>().prop_map(|number| (DOUBLE, number.to_le_bytes().to_vec())),
            any::<u128>().prop_map(|number| (DECIMAL, number.to_le_bytes().to_vec())),
            Just((NULL, Vec::new())),
        ];
        let of = |elements: Vec<(String, (u8, Vec<u8>))>| {
            let elements: Vec<_> =
                elements.iter().map(|(name, (kind, value))| (*kind, name.as_str(), value.clone())).collect();
            document(&elements)
        };
        let tree = leaf.prop_recursive(4, 24, 6, move |inner| {
            (proptest::bool::ANY, proptest::collection::vec(("[a-z0-9]{0,3}", inner), 0..6))
                .prop_map(move |(is_array, elements)| (if is_array { ARRAY } else { DOCUMENT }, of(elements)))
        });
        proptest::collection::vec(("[a-z]{0,3}", tree), 0..6).prop_map(of)
    }

    proptest! {
        #[test]
        fn any_document_is_printed_and_read(source in any_document(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let text = print(&source).unwrap();
            prop_assert!(matches!(text, Printed::Json(..)));
            prop_assert!(serde_json::from_slice::<serde_json::Value>(text.bytes()).is_ok(), "{:?}", text);
            let again = read(text.bytes(), &source);
            prop_assert_eq!(again.as_ref(), Some(&source));
            // Damaged in any way it is one, or text.
            let mut damaged = source;
            let at = at.index(damaged.len());
            damaged[at] = byte;
            if let Some(text) = print(&damaged) {
                read(text.bytes(), &damaged);
            }
        }
    }
}
