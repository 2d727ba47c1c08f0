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
    /// In HTML, as the value of an attribute without quotes.
    Unquoted,
    /// In a tag or a declaration of them, outside of values: letters, digits and `_` only.
    Tag,
}

/// The name of a value rather than a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// How many objects are open around it.
    pub depth: u16,
    /// Which object of this depth, as far as 32 bits tell them apart.
    pub object: u32,
}

/// Consecutive bytes of one [`Place`]. A token is what is between two of [`Place::Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes.
    pub len: u32,
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
            Some(last) if (last.place, last.key) == (place, key) => last.len += len as u32,
            _ => self.0.push_back(Span { len: len as u32, place, key }),
        }
    }

    /// All of them.
    #[cfg(test)]
    pub fn drain(&mut self) -> impl Iterator<Item = Span> {
        self.0.drain(..)
    }

    /// Whether something of the frame is among the next `len` bytes.
    fn have_frame(&self, len: usize) -> bool {
        let mut left = len;
        for span in &self.0 {
            if left == 0 {
                break;
            }
            if span.place == Place::Frame {
                return true;
            }
            left = left.saturating_sub(span.len as usize);
        }
        false
    }

    /// Takes at most `len` bytes of one span, of which there is one.
    fn take(&mut self, len: usize) -> (usize, Span) {
        let Some(front) = self.0.front_mut() else {
            return (len, Span { len: len as u32, place: Place::Text(Escape::None), key: None });
        };
        let span = *front;
        let taken = (span.len as usize).min(len) as u32;
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
    /// What was put out before the lexer, which waits for the next bytes, has spoken of it; whether findings cover it.
    waiting: Vec<(Vec<u8>, bool)>,
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
    /// It covers something of the frame.
    several: bool,
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
            waiting: Vec::new(),
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
        self.take(&[], false);
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
    fn take(&mut self, source: &[u8], covered: bool) {
        for (bytes, covered) in std::mem::take(&mut self.waiting) {
            self.take_known(&bytes, covered);
        }
        self.take_known(source, covered);
    }

    fn take_known(&mut self, mut source: &[u8], covered: bool) {
        while !source.is_empty() {
            if self.spans.0.is_empty() {
                self.waiting.push((source.to_vec(), covered));
                return;
            }
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
        if covered && !self.whole.overlong {
            let escape = if let Place::Unit(escape, _) = span.place { escape } else { Escape::Json };
            let instead = self.instead(bytes, escape);
            self.whole.instead += &instead;
            self.whole.covered += bytes.len();
        }
        if self.whole.overlong {
            return self.take_overlong(bytes, covered);
        }
        self.whole.source.extend_from_slice(bytes);
        if self.whole.source.len() > HELD {
            let whole = std::mem::take(&mut self.whole);
            let replaced = whole.covered > 0;
            if replaced {
                self.emit(b"null");
            } else {
                self.emit(&whole.source);
            }
            self.whole = Whole { overlong: true, covered: usize::from(replaced), ..Whole::default() };
        }
    }

    /// The rest of a number of which the start was passed on: `null` stands for it, or it loses what is found in it, and stays a number.
    fn take_overlong(&mut self, bytes: &[u8], covered: bool) {
        if self.whole.covered > 0 {
            return;
        }
        if covered {
            self.emit(&b"0"[..bytes.len().min(1)]);
        } else {
            self.emit(bytes);
        }
    }

    /// What stands in the place of bytes that the finding covers.
    fn instead(&mut self, source: &[u8], escape: Escape) -> String {
        let Covering { first, rest, stands, several, .. } = &mut self.finding;
        let says_something = !*several || says_something(source);
        // One that loses what says nothing may come to be another one's.
        if let Some(name) = &mut self.name {
            name.changed = true;
        }
        let text = match first.take_if(|_| says_something) {
            Some(first) => first,
            None if *stands || !says_something => return String::new(),
            None => rest.clone(),
        };
        *stands = true;
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
            // Its start stands, or `null` does.
            _ if whole.overlong => {}
            _ if whole.covered == 0 => self.emit(&whole.source),
            Place::Number if whole.covered < whole.source.len() || !is_number(&whole.instead) => self.emit(b"null"),
            _ => self.emit(whole.instead.as_bytes()),
        }
    }

    /// Ends what stands between two parts of the frame.
    fn end_token(&mut self) {
        self.finding.stands = false;
        let Some(mut name) = self.name.take() else { return };
        if name.changed && !name.overlong {
            // One of no bytes is not seen here, and may be another one's.
            if name.bytes.is_empty() {
                name.bytes.push(b'_');
            }
            self.names.make_unique(name.key, &mut name.bytes);
        } else if !name.overlong {
            self.names.keep(name.key, &name.bytes);
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
            self.take(&[], false);
            let label = || format!("<{}>", self.labels.get(usize::from(kind.index())).map_or("", String::as_str));
            // What is dropped is dropped everywhere.
            let rest = if replacement.is_empty() { String::new() } else { label() };
            self.unfit += u64::from(self.finding.is_unfit());
            let several = self.spans.have_frame(source.len());
            // What a mask or a generalization makes of several values and what is between them is true of none.
            let first = if several { rest.clone() } else { replacement.to_owned() };
            self.finding = Covering { first: Some(first), rest, several, ..Covering::default() };
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
            Self::Unquoted if text.is_empty() => Cow::Borrowed("\"\""),
            Self::Unquoted => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '=' | '`');
                markup(&text.replace(ends, "_")).into_owned().into()
            }
            Self::Tag => {
                let name: String = text.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
                // Where nothing is to stand something has to.
                Cow::Owned(if name.is_empty() { "_".to_owned() } else { name })
            }
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
    let number = name.strip_prefix('#').map(|number| number.strip_prefix(['x', 'X']).unwrap_or(number));
    let name = number.unwrap_or(name);
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Names of an object that are remembered; behind as many each changed one has a number of its own.
const NAMES: usize = 4096;

/// Names that were changed, or look as if they were, of the objects that may be open.
#[derive(Debug, Default)]
pub struct Names {
    open: Vec<(Key, HashMap<Vec<u8>, u64>)>,
    /// Those that are no longer remembered.
    others: u64,
}

impl Names {
    /// Those of an object, which are all that were read since it was opened.
    fn of(&mut self, key: Key) -> &mut HashMap<Vec<u8>, u64> {
        let is_over = |last: &Key| last.depth > key.depth || last.depth == key.depth && last.object != key.object;
        while self.open.last().is_some_and(|(last, _)| is_over(last)) {
            self.open.pop();
        }
        if self.open.last().is_none_or(|(last, _)| *last != key) {
            self.open.push((key, HashMap::new()));
        }
        let last = self.open.len() - 1;
        &mut self.open[last].1
    }

    /// A name that was not changed: one that looks like a label may be what another becomes.
    pub fn keep(&mut self, key: Key, name: &[u8]) {
        if name.first() == Some(&b'<') {
            let names = self.of(key);
            if names.len() < NAMES {
                names.entry(name.to_vec()).or_insert(1);
            }
        }
    }

    /// Makes a changed name one that its object does not have yet.
    pub fn make_unique(&mut self, key: Key, name: &mut Vec<u8>) {
        let names = self.of(key);
        if names.len() >= NAMES && !names.contains_key(name) {
            self.others += 1;
            return name.extend_from_slice(format!("_0{}", self.others).as_bytes());
        }
        let made = name.clone();
        while let Some(count) = names.get_mut(name) {
            *count += 1;
            let count = *count;
            name.clone_from(&made);
            name.extend_from_slice(format!("_{count}").as_bytes());
            if !names.contains_key(name) {
                break;
            }
            name.clone_from(&made);
        }
        if names.len() < NAMES {
            names.insert(name.clone(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Collected;

    /// As of an object whose names are addresses.
    #[test]
    fn names_take_no_memory_without_bound() {
        let mut fit = Fit::new(vec!["MAIL".to_owned()], Collected::default());
        let key = Some(Key { depth: 1, object: 1 });
        for index in 0..100_000 {
            let rest = format!("user {index}");
            for (len, key, place) in
                [(1, None, Place::Frame), (1 + rest.len(), key, Place::Text(Escape::Json)), (4, None, Place::Frame)]
            {
                fit.spans.add(len, place, key);
            }
            fit.bytes(b"\"");
            fit.replaced(b"x", Some("<MAIL>"), Kind(0));
            fit.bytes(rest.as_bytes());
            fit.bytes(b"\":1,");
        }
        let kept: usize = fit.names.open.iter().map(|(_, names)| names.len()).sum();
        assert!(kept < 10_000, "{kept} names are kept");
    }

    #[test]
    fn spans_are_small() {
        let mut spans = Spans::default();
        super::super::json::Json::default()
            .push("[".chars().chain("1,".repeat(65_536).chars()).collect::<String>().as_bytes(), &mut spans);
        let bytes = spans.0.capacity() * size_of::<Span>();
        assert!(bytes <= 6 << 20, "{bytes} bytes for 128 KiB of source");
    }
}
