//! Replacements fitted to the format that they stand in.
//!
//! The engine reads a file as text, whatever it is, and so finds what it finds in text. A [`Lexer`] says of every byte what it is in the format; a [`Fit`]
//! takes both and changes values only: structure stays byte for byte, and a replacement is escaped for where it stands. See ADR 16.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use crate::finding::{Finding, Kind};
use crate::stream::Sink;

/// What a byte is in its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Structure: it stays as it is.
    Frame,
    /// Of a value that is text.
    Text(Escape),
    /// Of an escape sequence in a value that is text: it is replaced as one. Two that follow each other differ in the number.
    Unit(Escape, u8),
    /// Of a number: it is replaced as one, by another number or by `null`.
    Number,
}

/// How text is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    None,
    /// In a JSON string.
    Json,
    /// In a cell of CSV between quotes of this kind, which are doubled.
    Quoted(u8),
    /// In a cell of CSV without quotes: this delimiter, quotes and line ends cannot stand there.
    Bare(u8),
    /// In XML or HTML.
    Markup,
}

/// The name of a value rather than a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// How many objects are open around it.
    pub depth: u32,
    /// Which object of this depth.
    pub object: u64,
}

/// Consecutive bytes of one [`Place`]. A token is what is between two of [`Place::Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes.
    pub len: u64,
    /// What they are.
    pub place: Place,
    /// They are of a name.
    pub key: Option<Key>,
}

/// The spans of a stream, from the first byte that was not yet passed on.
#[derive(Debug, Default)]
pub struct Spans(VecDeque<Span>);

impl Spans {
    /// Says what the next `len` bytes are.
    pub fn add(&mut self, len: usize, place: Place, key: Option<Key>) {
        match self.0.back_mut() {
            _ if len == 0 => {}
            Some(last) if (last.place, last.key) == (place, key) => last.len += len as u64,
            _ => self.0.push_back(Span { len: len as u64, place, key }),
        }
    }

    /// All of them.
    #[cfg(test)]
    pub fn drain(&mut self) -> impl Iterator<Item = Span> {
        self.0.drain(..)
    }

    /// Takes at most `len` bytes of one span. Of what no lexer spoke of it is said to be text.
    fn take(&mut self, len: usize) -> (usize, Span) {
        let Some(front) = self.0.front_mut() else {
            return (len, Span { len: len as u64, place: Place::Text(Escape::None), key: None });
        };
        let span = *front;
        let taken = span.len.min(len as u64);
        front.len -= taken;
        if front.len == 0 {
            self.0.pop_front();
        }
        (taken as usize, span)
    }
}

/// Reads a format, in any cut.
pub trait Lexer {
    /// Says of every one of these bytes, which follow those before, what it is. A few of the last may wait for the next ones.
    fn push(&mut self, bytes: &[u8], spans: &mut Spans);

    /// At the end of the stream: says how many records are not what the format says. They are treated as text.
    fn finish(&mut self, spans: &mut Spans) -> u64;
}

/// Bytes of a number or a name that are kept together. A longer number loses what is found in it, and a longer name may come to be another one's.
const HELD: usize = 16 * 1024;

/// Fits what a scrubber puts out to the format of its source.
#[derive(Debug)]
pub struct Fit<S> {
    /// Of what the scrubber was given and has not put out.
    pub spans: Spans,
    labels: Vec<String>,
    sink: S,
    current: Option<Span>,
    whole: Whole,
    name: Option<Name>,
    finding: Covering,
    names: Names,
    /// Findings that are of the frame alone, which stays.
    unfit: u64,
}

/// A unit or a number, which is changed as one.
#[derive(Debug, Default)]
struct Whole {
    source: Vec<u8>,
    /// Bytes of it that findings cover.
    covered: usize,
    /// What stands in its place then.
    instead: String,
    /// It was too long to be kept, and its start was passed on.
    overlong: bool,
}

/// A name that is being read.
#[derive(Debug)]
struct Name {
    key: Key,
    bytes: Vec<u8>,
    changed: bool,
    overlong: bool,
}

/// How far the finding that is being replaced has come.
#[derive(Debug, Default)]
struct Covering {
    /// Its replacement, until it stands somewhere.
    first: Option<String>,
    /// What stands in further tokens that it covers.
    rest: String,
    /// The current token has its share.
    stands: bool,
    /// It covers something of the frame that says something.
    framed: bool,
}

impl Covering {
    fn is_unfit(&self) -> bool {
        self.first.is_some() && self.framed
    }
}

/// Of what lies between two values only that is worth a label which says something.
fn says_something(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

impl<S: Sink> Fit<S> {
    /// `labels`: the names of types, by [`Kind`].
    pub fn new(labels: Vec<String>, sink: S) -> Self {
        Self {
            spans: Spans::default(),
            labels,
            sink,
            current: None,
            whole: Whole::default(),
            name: None,
            finding: Covering::default(),
            names: Names::default(),
            unfit: 0,
        }
    }

    /// At the end of the stream: passes on what is held.
    pub fn finish(mut self) -> S {
        self.end_span();
        self.end_token();
        self.sink
    }

    /// Findings in what no value is, such as the name of an element, which stayed as they are.
    pub fn unfit(&self) -> u64 {
        self.unfit + u64::from(self.finding.is_unfit())
    }

    /// Where the results go.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Takes the next bytes of the source, covered by a finding or not, span by span.
    fn take(&mut self, mut source: &[u8], covered: bool) {
        while !source.is_empty() {
            let (len, span) = self.spans.take(source.len());
            if self.current.is_none_or(|current| (current.place, current.key) != (span.place, span.key)) {
                self.end_span();
                if span.place == Place::Frame || self.name.as_ref().map(|name| name.key) != span.key {
                    self.end_token();
                }
                self.current = Some(span);
                if self.name.is_none()
                    && let Some(key) = span.key
                {
                    self.name = Some(Name { key, bytes: Vec::new(), changed: false, overlong: false });
                }
            }
            let (these, others) = source.split_at(len);
            source = others;
            match span.place {
                Place::Frame => {
                    self.finding.framed |= covered && says_something(these);
                    self.emit(these);
                }
                Place::Text(escape) if covered => {
                    let instead = self.instead(these, escape);
                    self.emit(instead.as_bytes());
                }
                Place::Text(_) => self.emit(these),
                Place::Unit(..) | Place::Number => self.take_whole(these, span, covered),
            }
        }
    }

    fn take_whole(&mut self, bytes: &[u8], span: Span, covered: bool) {
        if covered {
            let escape = if let Place::Unit(escape, _) = span.place { escape } else { Escape::Json };
            let instead = self.instead(bytes, escape);
            self.whole.instead += &instead;
            self.whole.covered += bytes.len();
        }
        self.whole.source.extend_from_slice(bytes);
        if self.whole.source.len() > HELD {
            let keeps = self.whole.covered == 0 || self.whole.overlong;
            let whole = std::mem::take(&mut self.whole);
            if !keeps {
                self.emit(b"null");
            } else if whole.covered == 0 {
                self.emit(&whole.source);
            }
            self.whole = Whole { overlong: true, covered: usize::from(!keeps), ..Whole::default() };
        }
    }

    /// What stands in the place of bytes that the finding covers.
    fn instead(&mut self, source: &[u8], escape: Escape) -> String {
        let says_something = says_something(source);
        let Covering { first, rest, stands, .. } = &mut self.finding;
        let text = match first.take_if(|_| says_something) {
            Some(first) => first,
            None if *stands || !says_something => return String::new(),
            None => rest.clone(),
        };
        *stands = true;
        if let Some(name) = &mut self.name {
            name.changed = true;
        }
        escape.fit(&text).into_owned()
    }

    /// Ends a run of bytes of one place.
    fn end_span(&mut self) {
        let Some(span) = self.current.take() else { return };
        if !matches!(span.place, Place::Unit(..) | Place::Number) {
            return;
        }
        let whole = std::mem::take(&mut self.whole);
        match span.place {
            _ if whole.covered == 0 => self.emit(&whole.source),
            // Its start stands, or `null` does.
            _ if whole.overlong => {}
            Place::Number if whole.covered < whole.source.len() || !is_number(&whole.instead) => self.emit(b"null"),
            _ => self.emit(whole.instead.as_bytes()),
        }
    }

    /// Ends what stands between two parts of the frame.
    fn end_token(&mut self) {
        self.finding.stands = false;
        let Some(mut name) = self.name.take() else { return };
        if name.changed && !name.overlong {
            self.names.make_unique(name.key, &mut name.bytes);
        }
        self.sink.bytes(&name.bytes);
    }

    fn emit(&mut self, bytes: &[u8]) {
        match &mut self.name {
            Some(name) if !name.overlong => {
                name.bytes.extend_from_slice(bytes);
                if name.bytes.len() > HELD {
                    self.sink.bytes(&std::mem::take(&mut name.bytes));
                    name.overlong = true;
                }
            }
            _ => self.sink.bytes(bytes),
        }
    }
}

impl<S: Sink> Sink for Fit<S> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.take(bytes, false);
    }

    fn replaced(&mut self, source: &[u8], replacement: Option<&str>, kind: Kind) {
        if let Some(replacement) = replacement {
            let label = || format!("<{}>", self.labels.get(usize::from(kind.index())).map_or("", String::as_str));
            // What is dropped is dropped everywhere.
            let rest = if replacement.is_empty() { String::new() } else { label() };
            self.unfit += u64::from(self.finding.is_unfit());
            self.finding = Covering { first: Some(replacement.to_owned()), rest, ..Covering::default() };
        }
        self.take(source, true);
    }

    fn finding(&mut self, finding: Finding) {
        self.sink.finding(finding);
    }
}

fn is_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

impl Escape {
    /// The text as it can stand there; unchanged where it can. What was escaped already stays so.
    fn fit(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed(text),
            Self::Json => json(text),
            Self::Quoted(quote) if !text.as_bytes().contains(&quote) => Cow::Borrowed(text),
            Self::Quoted(quote) => {
                // Pairs are pairs of the source, which a mask leaves.
                let quote = char::from(quote);
                let mut out = String::with_capacity(text.len() + 4);
                let mut rest = text.chars().peekable();
                while let Some(character) = rest.next() {
                    out.push(character);
                    if character == quote {
                        rest.next_if_eq(&quote);
                        out.push(quote);
                    }
                }
                Cow::Owned(out)
            }
            Self::Bare(delimiter) => {
                let stands = |c: char| c != char::from(delimiter) && !matches!(c, '"' | '\'' | '\r' | '\n');
                if text.chars().all(stands) {
                    return Cow::Borrowed(text);
                }
                Cow::Owned(text.chars().map(|c| if stands(c) { c } else { ' ' }).collect())
            }
            Self::Markup => markup(text),
        }
    }
}

/// For a JSON string: RFC 8259 section 7.
fn json(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let escape = escape_len(&text.as_bytes()[at..]);
        if escape > 0 {
            out += &text[at..at + escape];
            at += escape;
            continue;
        }
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\x1F' => {
                let code = u32::from(character);
                out += "\\u00";
                out.extend([code >> 4, code & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            _ => out.push(character),
        }
        at += character.len_utf8();
    }
    Cow::Owned(out)
}

/// Bytes of the escape that `text` starts with; 0 if it starts with none.
fn escape_len(text: &[u8]) -> usize {
    match text {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
        [b'\\', b'u', digits @ ..] if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => 6,
        _ => 0,
    }
}

/// For text and for values of attributes.
fn markup(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (at, character) in text.char_indices() {
        match character {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '&' if !is_reference(&text[at..]) => out += "&amp;",
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// Whether the text starts with a character reference.
fn is_reference(text: &str) -> bool {
    let Some((name, _)) = text[1..].split_once(';') else { return false };
    let digits = name.strip_prefix('#').map(|number| number.strip_prefix(['x', 'X']).unwrap_or(number));
    (1..=32).contains(&name.len()) && digits.unwrap_or(name).bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Names that were changed, of the objects that may be open.
#[derive(Debug, Default)]
struct Names(Vec<(Key, HashMap<Vec<u8>, u64>)>);

impl Names {
    /// Makes a changed name one that its object does not have yet.
    fn make_unique(&mut self, key: Key, name: &mut Vec<u8>) {
        let is_over = |last: &Key| last.depth > key.depth || last.depth == key.depth && last.object != key.object;
        while self.0.last().is_some_and(|(last, _)| is_over(last)) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|(last, _)| *last != key) {
            self.0.push((key, HashMap::new()));
        }
        let Some((_, names)) = self.0.last_mut() else { return };
        let count = names.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
        if *count > 1 {
            name.extend_from_slice(format!("_{count}").as_bytes());
        }
    }
}
