//! JSON and lines of JSON, leniently: RFC 8259, and what writers make of it (`NaN`, lone surrogates, bytes that are no UTF-8, several values in a row).

use memchr::memchr3;

use super::fit::{Escape, Key, Lexer, Place, Spans};

/// Open objects and arrays, at most; what is deeper is treated as text.
const DEPTH: usize = 4096;
/// Letters of the longest literal, `-Infinity`.
const LITERAL: usize = 9;
const LITERALS: [&[u8]; 6] = [b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"];

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value is to come; what may end the array in its place.
    Value {
        may_end: bool,
    },
    /// The name of a member is to come.
    Name {
        may_end: bool,
    },
    /// The colon behind it.
    Colon,
    /// What is behind a value.
    Behind,
    /// In a string, which is a name or a value.
    String {
        name: bool,
    },
    /// In an escape of it, so many bytes of which have come.
    Escape {
        name: bool,
        read: u8,
        unicode: bool,
    },
    Number,
    Literal,
    /// In a record that is no JSON, up to the end of its line.
    Broken,
}

/// See the module.
#[derive(Debug)]
pub struct Json {
    state: State,
    /// Whether each open one is an object.
    open: Vec<bool>,
    /// Objects that were opened: a number for each.
    objects: u32,
    /// Of the open ones.
    numbers: Vec<u32>,
    /// The literal that is being read. What its bytes are is said at its end.
    literal: Vec<u8>,
    /// That, when it has come.
    late: Option<(usize, Place)>,
    /// Values outside of any other, so far.
    values: u64,
    /// Which of two numbers the next unit has.
    unit: u8,
    bad: u64,
    /// Bytes of a byte order mark that may still come.
    mark: u8,
}

impl Default for Json {
    fn default() -> Self {
        Self {
            state: State::Value { may_end: false },
            open: Vec::new(),
            objects: 0,
            numbers: Vec::new(),
            literal: Vec::new(),
            late: None,
            values: 0,
            unit: 0,
            bad: 0,
            mark: 3,
        }
    }
}

impl Json {
    /// How many values are outside of any other, so far.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// How many records are no JSON, so far.
    pub fn broken(&self) -> u64 {
        self.bad
    }

    fn key(&self, name: bool) -> Option<Key> {
        name.then(|| Key { depth: self.open.len() as u16, object: self.numbers.last().copied().unwrap_or(0) })
    }

    /// One that is no JSON begins, or goes on, here.
    fn break_off(&mut self) {
        self.bad += 1;
        self.open.clear();
        self.numbers.clear();
        self.state = State::Broken;
    }

    fn open(&mut self, object: bool) {
        if self.open.len() == DEPTH {
            return self.break_off();
        }
        self.open.push(object);
        if object {
            self.objects = self.objects.wrapping_add(1);
            self.numbers.push(self.objects);
        }
        self.state = if object { State::Name { may_end: true } } else { State::Value { may_end: true } };
    }

    fn close(&mut self, object: bool) {
        if self.open.pop() != Some(object) {
            return self.break_off();
        }
        if object {
            self.numbers.pop();
        }
        self.state = State::Behind;
    }

    /// A byte outside of strings, numbers and literals.
    fn structure(&mut self, byte: u8) {
        match (self.state, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n') => {}
            (State::Value { .. }, b'{') => self.open(true),
            (State::Value { .. }, b'[') => self.open(false),
            (State::Value { may_end: true } | State::Behind, b']') => self.close(false),
            (State::Name { may_end: true } | State::Behind, b'}') => self.close(true),
            (State::Value { .. }, b'"') => {
                self.values += u64::from(self.open.is_empty());
                self.state = State::String { name: false };
            }
            (State::Name { .. }, b'"') => self.state = State::String { name: true },
            (State::Colon, b':') => self.state = State::Value { may_end: false },
            (State::Behind, b',') => match self.open.last() {
                Some(true) => self.state = State::Name { may_end: false },
                Some(false) => self.state = State::Value { may_end: false },
                None => self.break_off(),
            },
            // The next of several values.
            (State::Behind, _) if self.open.is_empty() => {
                self.state = State::Value { may_end: false };
                self.structure(byte);
            }
            _ => self.break_off(),
        }
    }

    fn end_literal(&mut self) {
        let literal = std::mem::take(&mut self.literal);
        // The sign of `-Infinity` was taken for that of a number.
        let len = literal.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        if LITERALS.contains(&&literal[..]) {
            self.late = Some((len, Place::Frame));
            self.state = State::Behind;
        } else {
            self.late = Some((len, Place::Text(Escape::None)));
            self.break_off();
        }
    }

    /// Takes the start of `bytes`; says how many, what they are if they are of no literal, and of which name.
    fn step(&mut self, bytes: &[u8]) -> (usize, Place, Option<Key>) {
        let byte = bytes[0];
        match self.state {
            State::Broken => {
                let end = memchr::memchr(b'\n', bytes);
                if end.is_some() {
                    self.state = State::Value { may_end: false };
                }
                (end.map_or(bytes.len(), |at| at + 1), Place::Text(Escape::None), None)
            }
            State::String { name } => {
                let key = self.key(name);
                match memchr3(b'"', b'\\', b'\n', bytes) {
                    Some(0) if byte == b'"' => {
                        self.state = if name { State::Colon } else { State::Behind };
                        (1, Place::Frame, None)
                    }
                    Some(0) if byte == b'\\' => {
                        self.unit ^= 1;
                        self.state = State::Escape { name, read: 1, unicode: false };
                        (1, Place::Unit(Escape::Json, self.unit), key)
                    }
                    // A line end cannot stand in a string: the record is cut.
                    Some(0) => {
                        self.break_off();
                        (0, Place::Frame, None)
                    }
                    end => (end.unwrap_or(bytes.len()), Place::Text(Escape::Json), key),
                }
            }
            State::Escape { name, read, unicode } => {
                let unicode = unicode || read == 1 && byte == b'u';
                // `\u12"`: cut short.
                if read > 1 && !byte.is_ascii_hexdigit() || byte == b'\n' {
                    self.state = State::String { name };
                    return (0, Place::Frame, None);
                }
                let whole = if unicode { 6 } else { 2 };
                let read = read + 1;
                self.state = if read == whole { State::String { name } } else { State::Escape { name, read, unicode } };
                (1, Place::Unit(Escape::Json, self.unit), self.key(name))
            }
            State::Number => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
                let len = bytes.iter().take_while(|byte| is_part(byte)).count();
                match byte {
                    _ if len > 0 => {}
                    // Of `-Infinity` the sign came.
                    b'I' => {
                        self.literal.push(b'-');
                        self.state = State::Literal;
                    }
                    _ => self.state = State::Behind,
                }
                (len, Place::Number, None)
            }
            State::Literal => {
                if byte.is_ascii_alphabetic() {
                    self.literal.push(byte);
                    if self.literal.len() > LITERAL {
                        self.end_literal();
                    }
                    return (1, Place::Frame, None);
                }
                self.end_literal();
                (0, Place::Frame, None)
            }
            State::Value { .. } | State::Behind
                if (byte.is_ascii_alphabetic() || byte == b'-' || byte.is_ascii_digit())
                    && (self.state != State::Behind || self.open.is_empty()) =>
            {
                self.state = if byte.is_ascii_alphabetic() { State::Literal } else { State::Number };
                (0, Place::Frame, None)
            }
            _ => {
                self.structure(byte);
                if self.state == State::Broken { (0, Place::Frame, None) } else { (1, Place::Frame, None) }
            }
        }
    }
}

impl Lexer for Json {
    fn push(&mut self, mut bytes: &[u8], spans: &mut Spans) {
        while let (1.., Some(byte)) = (self.mark, bytes.first()) {
            let expected = [0xBF, 0xBB, 0xEF][usize::from(self.mark) - 1];
            if *byte != expected {
                self.mark = 0;
                break;
            }
            self.mark -= 1;
            spans.add(1, Place::Frame, None);
            bytes = &bytes[1..];
        }
        while !bytes.is_empty() {
            let of_literal = self.state == State::Literal;
            let (len, place, key) = self.step(bytes);
            if let Some((len, place)) = self.late.take() {
                spans.add(len, place, None);
            }
            if !of_literal {
                spans.add(len, place, key);
            }
            bytes = &bytes[len..];
        }
    }

    fn finish(&mut self, spans: &mut Spans) -> u64 {
        if self.state == State::Literal {
            self.end_literal();
        }
        if let Some((len, place)) = self.late.take() {
            spans.add(len, place, None);
        }
        let is_whole =
            matches!(self.state, State::Value { may_end: false } | State::Behind | State::Number | State::Broken);
        self.bad + u64::from(!is_whole || !self.open.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::format::fit::Span;

    /// The places as letters, one a byte: `.` frame, `t` text, `n` number, `u` and `v` units, `k` text of a name, `b` broken.
    fn places(text: &[u8], cuts: &[usize]) -> (String, u64) {
        let (mut lexer, mut spans) = (Json::default(), Spans::default());
        let mut at = 0;
        for cut in cuts.iter().copied().chain([text.len()]) {
            lexer.push(&text[at..cut], &mut spans);
            at = cut;
        }
        let bad = lexer.finish(&mut spans);
        let letters = spans.drain().flat_map(|Span { len, place, key }| {
            let letter = match (place, key) {
                (Place::Frame, _) => '.',
                (Place::Text(Escape::None), _) => 'b',
                (Place::Text(_), None) => 't',
                (Place::Text(_), Some(_)) => 'k',
                (Place::Number, _) => 'n',
                (Place::Unit(_, 0), _) => 'u',
                (Place::Unit(..), _) => 'v',
            };
            std::iter::repeat_n(letter, len as usize)
        });
        (letters.collect(), bad)
    }

    fn read(text: &str) -> (String, u64) {
        places(text.as_bytes(), &[])
    }

    #[test]
    fn values_and_names_are_told_from_structure() {
        for (text, expected, bad) in [
            (r#"{"ab": "c\nd", "e": -1.5e3}"#, "..kk....tvvt....k...nnnnnn.", 0),
            (r#"[1, true, null, NaN, -Infinity, ""]"#, ".n...................n.............", 0),
            (r#""\u00e9\"x""#, ".vvvvvvuut.", 0),
            ("{}\n{\"a\":1}\n", ".....k..n..", 0),
            ("1 2\n\"x\"", "n.n..t.", 0),
            ("{\"a\":1,}\n{}", "..k..n.bb..", 1),
            ("{\"a\": x}\n[2]", "..k...bbb.n.", 1),
            ("\u{feff}[3]", "....n.", 0),
            ("{\"cut", "..kkk", 1),
            ("\"a\nb\"\n\"c\"", ".tbbbb.t.", 2),
        ] {
            assert_eq!(read(text), (expected.to_owned(), bad), "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_is_text() {
        let (places, bad) = read(&"[".repeat(DEPTH + 1));
        assert_eq!((places.matches('.').count(), places.matches('b').count(), bad), (DEPTH, 1, 1));
    }

    proptest! {
        #[test]
        fn places_do_not_depend_on_the_cut(
            text in r#"[{}\[\]:,"\\a-fnu0-9tre. \nI-]{0,60}"#,
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let whole = read(&text);
            prop_assert_eq!(whole.0.len(), text.len());
            prop_assert_eq!(places(text.as_bytes(), &cuts), whole);
        }

        /// What `serde_json` reads has no bad record, and of what it does not read some is, but for numbers, which are not looked into.
        #[test]
        fn records_are_those_of_serde_json(text in r#"[{}\[\]:,"a1 ]{0,24}|\{("[a-z]{0,3}":([1-9]|"x"|\[\]),?){0,4}\}"#) {
            let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
            let is_json = values.collect::<Result<Vec<_>, _>>().is_ok();
            let (_, bad) = read(&text);
            prop_assert!(!is_json || bad == 0, "{}: {} bad", text, bad);
            // It asks for a space between some values in a row.
            let is_row = bad == 0 && !text.starts_with('{');
            prop_assert!(is_json || is_row || bad > 0 || text.contains('}'), "{}", text);
        }
    }
}
