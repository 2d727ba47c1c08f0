mod damage;
mod files;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::walk::long;
use super::*;
use crate::act::Strategy;
use crate::format::table::tests::job;
use crate::format::{Job, Limits, Rule};

static LABELS: LazyLock<Job> = LazyLock::new(|| job(Strategy::Label));

/// As a part of what the gateway reads.
fn run(job: &Job, mut file: &[u8]) -> Result<(Vec<u8>, Summary), FormatError> {
    let mut out = Vec::new();
    let summary = crate::format::scrub(&mut file, &mut out, job)?;
    Ok((out, summary))
}

/// A second reading of the specification, by which files are written and read here.
struct Types<'s> {
    named: HashMap<String, &'s Json>,
    /// Arrays and maps are written in parts of this many items that tell their length; none: in one that does not.
    parts: Option<usize>,
}

impl<'s> Types<'s> {
    fn of(schema: &'s Json, parts: Option<usize>) -> Self {
        let mut named = HashMap::new();
        let mut open = vec![schema];
        while let Some(next) = open.pop() {
            match next {
                Json::Array(branches) => open.extend(branches),
                Json::Object(members) => {
                    if let (Some(name), Some("record" | "enum" | "fixed")) =
                        (next["name"].as_str(), next["type"].as_str())
                    {
                        named.insert(name.to_owned(), next);
                    }
                    open.extend(members.values());
                }
                _ => {}
            }
        }
        Self { named, parts }
    }

    /// The word for a type, and the type.
    fn resolve(&self, mut of: &'s Json) -> (&'s str, &'s Json) {
        loop {
            match of {
                Json::String(name) if self.named.contains_key(name) => of = self.named[name],
                Json::String(word) => return (word, of),
                Json::Array(_) => return ("union", of),
                _ if of["type"].is_object() => of = &of["type"],
                _ => match of["type"].as_str() {
                    Some(name) if self.named.contains_key(name) => of = self.named[name],
                    Some(word) => return (word, of),
                    None => panic!("{of}"),
                },
            }
        }
    }

    /// A value of a union is its branch and the value.
    fn write(&self, of: &'s Json, value: &Json, out: &mut Vec<u8>) {
        let (word, of) = self.resolve(of);
        let text = || value.as_str().unwrap().as_bytes();
        match word {
            "null" => {}
            "boolean" => out.push(value.as_bool().unwrap().into()),
            "int" | "long" | "enum" => put_long(out, value.as_i64().unwrap()),
            "float" => out.extend_from_slice(&(value.as_f64().unwrap() as f32).to_le_bytes()),
            "double" => out.extend_from_slice(&value.as_f64().unwrap().to_le_bytes()),
            "string" | "bytes" => put_counted(out, text()),
            "fixed" => out.extend_from_slice(text()),
            "record" => {
                for field in of["fields"].as_array().unwrap() {
                    self.write(&field["type"], &value[field["name"].as_str().unwrap()], out);
                }
            }
            "union" => {
                put_long(out, value[0].as_i64().unwrap());
                self.write(&of[value[0].as_u64().unwrap() as usize], &value[1], out);
            }
            "array" => {
                let items = value.as_array().unwrap().iter().map(|item| {
                    let mut bytes = Vec::new();
                    self.write(&of["items"], item, &mut bytes);
                    bytes
                });
                self.write_items(&items.collect::<Vec<_>>(), out);
            }
            "map" => {
                let items = value.as_object().unwrap().iter().map(|(key, item)| {
                    let mut bytes = Vec::new();
                    put_counted(&mut bytes, key.as_bytes());
                    self.write(&of["values"], item, &mut bytes);
                    bytes
                });
                self.write_items(&items.collect::<Vec<_>>(), out);
            }
            other => panic!("{other}"),
        }
    }

    fn write_items(&self, items: &[Vec<u8>], out: &mut Vec<u8>) {
        for part in items.chunks(self.parts.unwrap_or(usize::MAX)) {
            let bytes = part.concat();
            if self.parts.is_some() {
                put_long(out, -number(part.len()));
                put_long(out, number(bytes.len()));
            } else {
                put_long(out, number(part.len()));
            }
            out.extend_from_slice(&bytes);
        }
        put_long(out, 0);
    }

    fn read(&self, of: &'s Json, bytes: &mut &[u8]) -> Json {
        let (word, of) = self.resolve(of);
        let mut take = |len: usize| {
            let (first, rest) = bytes.split_at(len);
            *bytes = rest;
            first
        };
        match word {
            "null" => Json::Null,
            "boolean" => (take(1)[0] == 1).into(),
            "int" | "long" | "enum" => long(bytes).unwrap().into(),
            "float" => f32::from_le_bytes(take(4).try_into().unwrap()).into(),
            "double" => f64::from_le_bytes(take(8).try_into().unwrap()).into(),
            "string" | "bytes" => Self::read_text(bytes).into(),
            "fixed" => String::from_utf8(take(of["size"].as_u64().unwrap() as usize).to_vec()).unwrap().into(),
            "record" => {
                let fields = of["fields"].as_array().unwrap().iter();
                let read =
                    fields.map(|field| (field["name"].as_str().unwrap().to_owned(), self.read(&field["type"], bytes)));
                Json::Object(read.collect())
            }
            "union" => {
                let branch = usize::try_from(long(bytes).unwrap()).unwrap();
                json!([branch, self.read(&of[branch], bytes)])
            }
            "array" => {
                let mut items = Vec::new();
                while let count @ 1.. = Self::read_head(bytes) {
                    items.extend((0..count).map(|_| self.read(&of["items"], bytes)));
                }
                items.into()
            }
            "map" => {
                let mut items = serde_json::Map::new();
                while let count @ 1.. = Self::read_head(bytes) {
                    for _ in 0..count {
                        let key = Self::read_text(bytes);
                        let value = self.read(&of["values"], bytes);
                        assert!(items.insert(key, value).is_none(), "a key is there twice");
                    }
                }
                items.into()
            }
            other => panic!("{other}"),
        }
    }

    fn read_text(bytes: &mut &[u8]) -> String {
        let len = usize::try_from(long(bytes).unwrap()).unwrap();
        let (text, rest) = bytes.split_at(len);
        *bytes = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn read_head(bytes: &mut &[u8]) -> u64 {
        let count = long(bytes).unwrap();
        if count < 0 {
            let size = long(bytes).unwrap();
            assert!(usize::try_from(size).unwrap() <= bytes.len());
        }
        count.unsigned_abs()
    }
}

fn number(len: usize) -> i64 {
    i64::try_from(len).unwrap()
}

const MARKER: [u8; SYNC] = *b"0123456789abcdef";
const CODECS: [&str; 6] = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"];

fn head(schema: &str, codec: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_long(&mut out, number(more.len()) + 2);
    for (key, value) in [("avro.codec", codec), ("avro.schema", schema)].iter().chain(more) {
        put_counted(&mut out, key.as_bytes());
        put_counted(&mut out, value.as_bytes());
    }
    put_long(&mut out, 0);
    out.extend_from_slice(&MARKER);
    out
}

fn put_block(out: &mut Vec<u8>, codec: &str, count: i64, data: &[u8]) {
    let packed = Codec::of(Some(codec.as_bytes())).unwrap().pack(data.to_vec()).unwrap();
    put_long(out, count);
    put_counted(out, &packed);
    out.extend_from_slice(&MARKER);
}

/// A file of these records, so many in a block.
fn file(schema: &Json, codec: &str, records: &[Json], in_block: usize, parts: Option<usize>) -> Vec<u8> {
    let mut out = head(&schema.to_string(), codec, &[]);
    let types = Types::of(schema, parts);
    for block in records.chunks(in_block) {
        let mut data = Vec::new();
        for record in block {
            types.write(schema, record, &mut data);
        }
        put_block(&mut out, codec, number(block.len()), &data);
    }
    out
}

/// What is said about a file, and its records.
fn read(file: &[u8]) -> (HashMap<String, String>, Vec<Json>) {
    let mut source = file;
    let mut input = Input { source: BufReader::new(&mut source) };
    let header = Header::read(&mut input).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let said: HashMap<_, _> = header.entries.iter().map(|(key, value)| (text(key), text(value))).collect();
    let schema: Json = serde_json::from_str(&said["avro.schema"]).unwrap();
    let types = Types::of(&schema, None);
    let codec = Codec::of(Some(said["avro.codec"].as_bytes())).unwrap();
    let mut records = Vec::new();
    let job = LABELS.clone();
    let work = Work::new(&job);
    while !input.is_at_end().unwrap() {
        let (count, size) = (input.long().unwrap(), input.long().unwrap());
        let data = codec
            .open(&input.take(size.try_into().unwrap()).unwrap(), &work, &mut work.hold(0).unwrap())
            .unwrap()
            .bytes;
        assert_eq!(input.take(SYNC as u64).unwrap(), MARKER);
        let mut rest = &data[..];
        records.extend((0..count).map(|_| types.read(&schema, &mut rest)));
        assert!(rest.is_empty());
    }
    (said.clone(), records)
}
