//! Tables with a delimiter: RFC 4180, and what writers make of it (other delimiters, line ends of any kind, quotes in the middle of cells).

use memchr::{memchr, memchr3};

use super::fit::{Escape, Key, Lexer, Place, Spans};

/// The quote of RFC 4180.
const QUOTE: u8 = b'"';
/// Delimiters that are looked for, the likelier ones first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A cell begins.
    Start,
    Bare,
    Quoted,
    /// A quote came in a quoted cell: it ends the cell, or another one follows and both stand for one.
    Quote,
}

/// See the module.
#[derive(Debug)]
pub struct Csv {
    delimiter: u8,
    state: State,
    /// The cells of the first line are names.
    first: bool,
    unit: u8,
}

impl Csv {
    /// Of a table with this delimiter.
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::Start, first: true, unit: 0 }
    }

    fn key(&self) -> Option<Key> {
        self.first.then_some(Key { depth: 0, object: 0 })
    }

    /// Takes the start of `bytes`, and says how much that is.
    fn step(&mut self, bytes: &[u8], spans: &mut Spans) -> usize {
        let byte = bytes[0];
        if self.state == State::Quote {
            if byte == QUOTE {
                self.unit ^= 1;
                self.state = State::Quoted;
                spans.add(2, Place::Unit(Escape::Quoted(QUOTE), self.unit), self.key());
                return 1;
            }
            spans.add(1, Place::Frame, None);
            self.state = State::Bare;
        }
        let (len, place) = match self.state {
            State::Start if byte == QUOTE => {
                self.state = State::Quoted;
                (1, Place::Frame)
            }
            State::Quoted if byte == QUOTE => {
                self.state = State::Quote;
                return 1;
            }
            State::Quoted => (memchr(QUOTE, bytes).unwrap_or(bytes.len()), Place::Text(Escape::Quoted(QUOTE))),
            _ if byte == self.delimiter || matches!(byte, b'\n' | b'\r') => {
                self.state = State::Start;
                self.first &= byte == self.delimiter;
                (1, Place::Frame)
            }
            _ => {
                self.state = State::Bare;
                let end = memchr3(self.delimiter, b'\n', b'\r', bytes);
                (end.unwrap_or(bytes.len()), Place::Text(Escape::Bare(self.delimiter)))
            }
        };
        spans.add(len, place, if place == Place::Frame { None } else { self.key() });
        len
    }
}

impl Lexer for Csv {
    fn push(&mut self, mut bytes: &[u8], spans: &mut Spans) {
        while !bytes.is_empty() {
            let len = self.step(bytes, spans);
            bytes = &bytes[len..];
        }
    }

    fn finish(&mut self, spans: &mut Spans) -> u64 {
        if self.state == State::Quote {
            spans.add(1, Place::Frame, None);
        }
        // A quote that nothing closes.
        u64::from(self.state == State::Quoted)
    }
}

/// The delimiter of the table that a text starts with: one that every whole line has equally often, outside of quotes, in two lines at least.
/// `whole`: the text ends where `head` does.
pub fn delimiter(head: &[u8], whole: bool) -> Option<u8> {
    let head = without_comments(head);
    // Of old Macs and some exports.
    let line_end = if head.contains(&b'\n') { b'\n' } else { b'\r' };
    DELIMITERS.into_iter().find(|delimiter| {
        let (mut counts, mut count, mut quoted, mut start, mut empty) = (Vec::new(), 0_usize, false, true, true);
        for &byte in head {
            match byte {
                QUOTE if quoted || start => quoted = !quoted,
                _ if byte == line_end && !quoted => {
                    if !empty {
                        counts.push(count);
                    }
                    (count, empty) = (0, true);
                }
                _ if byte == *delimiter && !quoted => count += 1,
                _ => {}
            }
            if byte != b'\n' && byte != b'\r' {
                empty = false;
            }
            start = !quoted && (byte == *delimiter || byte == line_end);
        }
        if whole && !empty {
            counts.push(count);
        }
        counts.len() >= 2 && counts[0] > 0 && counts.iter().all(|count| *count == counts[0])
    })
}

/// What exports write above their tables is no row.
fn without_comments(mut head: &[u8]) -> &[u8] {
    while head.starts_with(b"#") {
        head = memchr(b'\n', head).map_or(&[], |end| &head[end + 1..]);
    }
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;
    use crate::format::fit::Span;

    /// The places as letters, one a byte: `.` frame, `b` bare text, `q` quoted text, `2` a pair of quotes; in capitals in names.
    fn places(text: &[u8], cuts: &[usize]) -> (String, u64) {
        let (mut lexer, mut spans) = (Csv::new(b','), Spans::default());
        let mut at = 0;
        for cut in cuts.iter().copied().chain([text.len()]) {
            lexer.push(&text[at..cut], &mut spans);
            at = cut;
        }
        let bad = lexer.finish(&mut spans);
        let letters = spans.drain().flat_map(|Span { len, place, key }| {
            let letter = match place {
                Place::Frame => '.',
                Place::Text(Escape::Bare(_)) => 'b',
                Place::Text(_) => 'q',
                _ => '2',
            };
            std::iter::repeat_n(if key.is_some() { letter.to_ascii_uppercase() } else { letter }, len as usize)
        });
        (letters.collect(), bad)
    }

    #[test]
    fn cells_are_told_from_structure() {
        for (text, expected, bad) in [
            ("a,\"b\"\r\n1,\"x, \"\"y\"\"\"\n", "B..Q...b..qqq22q22..", 0),
            ("a\n\"x\"y,z", "B..q.b.b", 0),
            ("a\n5\"x,\"\"", "B.bbb...", 0),
            ("\"open\nz", ".QQQQQQ", 1),
        ] {
            assert_eq!(places(text.as_bytes(), &[]), (expected.to_owned(), bad), "{text}");
        }
    }

    #[test]
    fn tables_are_told_from_prose() {
        for (text, expected) in [
            ("a,b\n1,2\n", Some(b',')),
            ("a;b,c\n1;2\n3;4", Some(b';')),
            ("a\tb\n\"x\ty\"\tz\n", Some(b'\t')),
            ("id,note\n1,\"two\nlines, one cell\"\n", Some(b',')),
            ("a,b\n", None),
            ("Dear Ann,\nthank you, and see you soon,\n", None),
            ("word\nword\n", None),
        ] {
            assert_eq!(delimiter(text.as_bytes(), true), expected, "{text}");
        }
        assert_eq!(delimiter(b"a,b\n1,2\n3", false), Some(b','));
    }

    proptest! {
        #[test]
        fn places_do_not_depend_on_the_cut(
            text in "[a,\"\r\n]{0,40}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let whole = places(text.as_bytes(), &[]);
            prop_assert_eq!(whole.0.len(), text.len());
            prop_assert_eq!(places(text.as_bytes(), &cuts), whole);
        }
    }
}
