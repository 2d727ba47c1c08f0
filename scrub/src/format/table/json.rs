//! A document of JSON with the places of its strings, so that one can be edited where it stands.

use std::ops::Range;

use crate::format::table::Fault;

/// Values in values, at most.
const DEPTH: u32 = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// The members as they stand, and their numbers by name.
    Object(Vec<(String, Json)>, Vec<usize>),
    Array(Vec<Json>),
    /// With the place of its quotes and what is between them.
    Text(String, Range<usize>),
    Number(String),
    Other,
}

impl Json {
    pub fn read(text: &str) -> Result<Self, Fault> {
        let checked = serde_json::from_str::<serde::de::IgnoredAny>(text);
        checked.map_err(|error| Fault::Broken(format!("its schema is no JSON: {error}")))?;
        Reader { text, at: 0 }.value(DEPTH)
    }

    /// A member of an object; of several with the same name the last one, as it is for other readers.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members, by_name) = self else { return None };
        let behind = by_name.partition_point(|index| members[*index].0.as_str() <= name);
        let (key, value) = &members[*by_name[..behind].last()?];
        (key == name).then_some(value)
    }

    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text, _) = self { Some(text) } else { None }
    }

    pub fn number(&self) -> Option<i64> {
        if let Self::Number(text) = self { text.parse().ok() } else { None }
    }
}

/// Of a text that is JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<u8, Fault> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().ok_or_else(|| "its schema is cut".into())
    }

    fn value(&mut self, depth: u32) -> Result<Json, Fault> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| Fault::limit(format!("its schema is nested more than {DEPTH} times")))?;
        match self.next()? {
            b'{' => {
                let mut members = Vec::new();
                self.at += 1;
                while self.next()? != b'}' {
                    if self.next()? == b',' {
                        self.at += 1;
                        self.next()?;
                    }
                    let (name, _) = self.string()?;
                    self.next()?;
                    self.at += 1;
                    members.push((name, self.value(depth)?));
                }
                self.at += 1;
                // There may be any number, which are asked for time and again; those of one name stay in their order.
                let mut by_name: Vec<_> = (0..members.len()).collect();
                by_name.sort_by(|one, other| members[*one].0.cmp(&members[*other].0));
                Ok(Json::Object(members, by_name))
            }
            b'[' => {
                let mut values = Vec::new();
                self.at += 1;
                while self.next()? != b']' {
                    if self.next()? == b',' {
                        self.at += 1;
                    }
                    values.push(self.value(depth)?);
                }
                self.at += 1;
                Ok(Json::Array(values))
            }
            b'"' => self.string().map(|(text, range)| Json::Text(text, range)),
            first => {
                let rest = &self.text[self.at..];
                let len = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.at += len;
                let is_number = first == b'-' || first.is_ascii_digit();
                Ok(if is_number { Json::Number(rest[..len].to_owned()) } else { Json::Other })
            }
        }
    }

    fn string(&mut self) -> Result<(String, Range<usize>), Fault> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err("its schema is cut".into()),
            }
        }
        self.at = at + 1;
        let range = start..self.at;
        let text = serde_json::from_str(&self.text[range.clone()]);
        // A lone surrogate is no text.
        Ok((text.map_err(|error| Fault::Broken(format!("its schema is no JSON: {error}")))?, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_known_by_their_places() {
        let text = "{ \"a\\n\" : [1, -2.5e3 ,true,null, {}, []],\n\"b\": \"c\\\"\u{e9}\" , \"b\":\"d\"}";
        let json = Json::read(text).unwrap();
        let Some(Json::Array(values)) = json.get("a\n") else { panic!("{json:?}") };
        assert_eq!(values[..3], [Json::Number("1".to_owned()), Json::Number("-2.5e3".to_owned()), Json::Other]);
        assert_eq!(values[4..], [Json::Object(Vec::new(), Vec::new()), Json::Array(Vec::new())]);
        let Some(Json::Text(last, range)) = json.get("b") else { panic!("{json:?}") };
        assert_eq!((last.as_str(), &text[range.clone()]), ("d", "\"d\""));
        for broken in ["", "{", "[1,]", "{\"a\" 1}", "1 2", "\"\\ud800\""] {
            assert!(matches!(Json::read(broken), Err(Fault::Broken(_))), "{broken}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Json::read(&deep).is_err());
    }
}
