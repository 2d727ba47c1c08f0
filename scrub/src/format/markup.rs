//! XML and HTML, leniently: text, values of attributes, comments and sections are values; the signs of tags and the names of elements are structure. Whatever else stands in a tag
//! or a declaration is text as well, so that nothing is out of reach for being written in a way that a reader takes otherwise than this one.

use memchr::{memchr, memchr2};

use super::fit::{Escape, Key, Lexer, Place, Spans};

/// Letters of a character reference, at most.
const REFERENCE: usize = 34;
/// Letters of the name of an element until it is known for one; of a longer one the rest is text.
const NAME: usize = 64;
/// Elements of HTML that hold no markup up to their end.
const RAW: [&[u8]; 2] = [b"script", b"style"];
/// Attributes whose values are no text but names that must differ: XML Namespaces 1.0.
const NAMESPACE: &[u8] = b"xmlns";

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between tags.
    Content,
    /// Behind `<`: what begins is not known yet.
    Open,
    /// In a tag, outside of values.
    Tag,
    /// Behind the `=` of an attribute.
    Equals,
    /// In a value in quotes.
    Value(u8),
    /// In the value of a namespace.
    Namespace(u8),
    /// In a value without quotes.
    Bare,
    /// In a declaration, in so many brackets.
    Declaration(u8),
    /// In the first word of an instruction.
    Target,
    /// In what goes on to these bytes.
    Until(&'static [u8], Escape),
    /// In an element of HTML without markup, one of [`RAW`].
    Raw(usize),
}

/// See the module.
#[derive(Debug)]
pub struct Markup {
    html: bool,
    state: State,
    /// Bytes that have come, of which what they are depends on the next.
    pending: Vec<u8>,
    /// The tag is that of one of [`RAW`].
    raw: Option<usize>,
    /// Tags that were opened: a number for each.
    tags: u32,
    /// The start of the name of the attribute that was read last; empty where its value came.
    attribute: Vec<u8>,
    /// The last byte of the tag was a space.
    gap: bool,
    /// It was a slash.
    slash: bool,
    unit: u8,
}

impl Markup {
    /// Of XML, or of HTML.
    pub fn new(html: bool) -> Self {
        Self {
            html,
            state: State::Content,
            pending: Vec::new(),
            raw: None,
            tags: 0,
            attribute: Vec::new(),
            gap: false,
            slash: false,
            unit: 0,
        }
    }

    /// Says what is pending.
    fn settle(&mut self, place: Place, spans: &mut Spans) {
        spans.add(self.pending.len(), place, None);
        self.pending.clear();
    }

    /// Takes the start of `bytes`, and says how much that is.
    fn step(&mut self, bytes: &[u8], spans: &mut Spans) -> usize {
        match self.state {
            State::Content | State::Value(_) | State::Bare => self.referring(bytes, spans),
            State::Open => self.opening(bytes[0], spans),
            State::Tag | State::Equals => self.tag(bytes, spans),
            State::Namespace(quote) => {
                let end = memchr(quote, bytes);
                if end.is_some() {
                    self.state = State::Tag;
                }
                let len = end.map_or(bytes.len(), |at| at + 1);
                spans.add(len, Place::Frame, None);
                len
            }
            State::Declaration(depth) => self.declaration(bytes[0], depth, spans),
            State::Target => {
                let len = bytes.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'?').count();
                if len < bytes.len() {
                    self.state = State::Until(b"?>", Escape::Markup);
                }
                spans.add(len, Place::Frame, None);
                len
            }
            State::Until(end, escape) => self.until(end, escape, bytes, spans),
            State::Raw(which) => self.raw(RAW[which], bytes, spans),
        }
    }

    /// Text in which character references stand.
    fn referring(&mut self, bytes: &[u8], spans: &mut Spans) -> usize {
        let byte = bytes[0];
        let escape = if self.state == State::Bare { Escape::Unquoted } else { Escape::Markup };
        if !self.pending.is_empty() {
            if byte == b';' && self.pending.len() > 1 {
                self.pending.push(byte);
                self.unit ^= 1;
                self.settle(Place::Unit(escape, self.unit), spans);
                return 1;
            }
            if self.pending.len() < REFERENCE && (byte.is_ascii_alphanumeric() || byte == b'#') {
                self.pending.push(byte);
                return 1;
            }
            self.settle(Place::Text(escape), spans);
            return 0;
        }
        let ends = match self.state {
            State::Content => memchr2(b'<', b'&', bytes),
            State::Value(quote) => memchr2(quote, b'&', bytes),
            _ => bytes.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'&')),
        };
        match (ends, self.state) {
            (Some(0), _) if byte == b'&' => {
                self.pending.push(byte);
                1
            }
            (Some(0), State::Content) => {
                self.pending.push(byte);
                self.state = State::Open;
                1
            }
            (Some(0), State::Value(_)) => {
                spans.add(1, Place::Frame, None);
                self.state = State::Tag;
                1
            }
            (Some(0), _) => {
                self.state = State::Tag;
                0
            }
            (len, _) => {
                let len = len.unwrap_or(bytes.len());
                spans.add(len, Place::Text(escape), None);
                len
            }
        }
    }

    /// Behind `<`: a comment, a section, an instruction, a declaration, a tag, or only this sign.
    fn opening(&mut self, byte: u8, spans: &mut Spans) -> usize {
        const COMMENT: &[u8] = b"<!--";
        const SECTION: &[u8] = b"<![CDATA[";
        self.pending.push(byte);
        let pending = &self.pending[..];
        let may_be_section = !self.html && SECTION.starts_with(pending);
        self.state = match pending {
            COMMENT => State::Until(b"-->", Escape::Markup),
            _ if may_be_section && pending.len() == SECTION.len() => State::Until(b"]]>", Escape::None),
            _ if COMMENT.starts_with(pending) || may_be_section => return 1,
            [b'<', b'?'] if self.html => State::Until(b">", Escape::Tag),
            [b'<', b'?'] => State::Target,
            [b'<', b'!', rest @ ..] => {
                // `<!DOCTYPE x>`; what came with it is of its content.
                let more = rest.len();
                self.pending.clear();
                spans.add(2, Place::Frame, None);
                spans.add(more - 1, Place::Text(Escape::Tag), None);
                self.state = if self.html { State::Until(b">", Escape::Tag) } else { State::Declaration(0) };
                return 0;
            }
            [b'<', b'/'] => return 1,
            _ => return self.name(byte, spans),
        };
        self.settle(Place::Frame, spans);
        1
    }

    /// Behind `<` or `</`, in what may be the name of an element.
    fn name(&mut self, byte: u8, spans: &mut Spans) -> usize {
        let name = self.pending.strip_prefix(b"</").unwrap_or(&self.pending[1..]);
        let is_first =
            |byte: u8| byte.is_ascii_alphabetic() || !self.html && (matches!(byte, b'_' | b':') || !byte.is_ascii());
        let is_part =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.') || !byte.is_ascii();
        let is_name = is_first(name[0]);
        if is_name && is_part(byte) && self.pending.len() < NAME {
            return 1;
        }
        let ends = byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/') || self.pending.len() == NAME;
        self.pending.pop();
        if !is_name || !ends {
            // `<john@example.com>`, `a < b`
            self.state = State::Content;
            self.settle(Place::Text(Escape::Markup), spans);
            return 0;
        }
        self.state = State::Tag;
        self.tags = self.tags.wrapping_add(1);
        self.attribute.clear();
        let name = &self.pending[1..];
        self.raw = RAW.iter().position(|raw| self.html && name.eq_ignore_ascii_case(raw));
        self.settle(Place::Frame, spans);
        0
    }

    fn tag(&mut self, bytes: &[u8], spans: &mut Spans) -> usize {
        let byte = bytes[0];
        let slash = std::mem::take(&mut self.slash);
        match (self.state, byte) {
            (State::Equals, b'"' | b'\'') => {
                let is_namespace = !self.html && self.attribute.starts_with(NAMESPACE);
                self.attribute.clear();
                self.state = if is_namespace { State::Namespace(byte) } else { State::Value(byte) };
            }
            (_, b'>') => {
                let raw = self.raw.take().filter(|_| !slash);
                self.state = raw.map_or(State::Content, State::Raw);
            }
            (_, _) if byte.is_ascii_whitespace() => {}
            (State::Equals, _) => {
                self.attribute.clear();
                self.state = State::Bare;
                return 0;
            }
            (_, b'/') => self.slash = true,
            (_, b'=') if !self.attribute.is_empty() => self.state = State::Equals,
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'>' | b'/');
                let len = 1 + bytes[1..].iter().take_while(|byte| !ends(byte)).count();
                // What follows a space is another name.
                if std::mem::take(&mut self.gap) {
                    self.attribute.clear();
                }
                if self.attribute.len() < NAME {
                    self.attribute.extend_from_slice(&bytes[..len.min(NAME)]);
                }
                spans.add(len, Place::Text(Escape::Tag), Some(Key { depth: 0, object: self.tags }));
                return len;
            }
        }
        self.gap = byte.is_ascii_whitespace();
        spans.add(1, Place::Frame, None);
        1
    }

    fn declaration(&mut self, byte: u8, depth: u8, spans: &mut Spans) -> usize {
        self.state = match byte {
            b'[' => State::Declaration(depth.saturating_add(1)),
            b']' => State::Declaration(depth.saturating_sub(1)),
            b'>' if depth == 0 => State::Content,
            _ => self.state,
        };
        let is_sign = matches!(byte, b'[' | b']' | b'<' | b'>' | b'!' | b'"' | b'\'') || byte.is_ascii_whitespace();
        spans.add(1, if is_sign { Place::Frame } else { Place::Text(Escape::Tag) }, None);
        1
    }

    fn until(&mut self, end: &'static [u8], escape: Escape, bytes: &[u8], spans: &mut Spans) -> usize {
        if self.pending.is_empty() {
            let len = memchr(end[0], bytes).unwrap_or(bytes.len());
            if len > 0 {
                spans.add(len, Place::Text(escape), None);
                return len;
            }
        }
        self.pending.push(bytes[0]);
        while !end.starts_with(&self.pending) {
            spans.add(1, Place::Text(escape), None);
            self.pending.remove(0);
        }
        if self.pending.len() == end.len() {
            self.state = State::Content;
            self.settle(Place::Frame, spans);
        }
        1
    }

    /// Up to `</script` and what ends a name.
    fn raw(&mut self, name: &[u8], bytes: &[u8], spans: &mut Spans) -> usize {
        if self.pending.is_empty() {
            let len = memchr(b'<', bytes).unwrap_or(bytes.len());
            if len > 0 {
                spans.add(len, Place::Text(Escape::None), None);
                return len;
            }
        }
        if self.pending.len() == name.len() + 2 && (bytes[0].is_ascii_whitespace() || matches!(bytes[0], b'/' | b'>')) {
            self.state = State::Tag;
            self.tags = self.tags.wrapping_add(1);
            self.attribute.clear();
            self.settle(Place::Frame, spans);
            return 0;
        }
        self.pending.push(bytes[0]);
        let is_start = |pending: &[u8]| match pending {
            [] | [b'<'] => true,
            [b'<', b'/', rest @ ..] => rest.len() <= name.len() && rest.eq_ignore_ascii_case(&name[..rest.len()]),
            _ => false,
        };
        while !is_start(&self.pending) {
            spans.add(1, Place::Text(Escape::None), None);
            self.pending.remove(0);
        }
        1
    }
}

impl Lexer for Markup {
    fn push(&mut self, mut bytes: &[u8], spans: &mut Spans) {
        while !bytes.is_empty() {
            let len = self.step(bytes, spans);
            bytes = &bytes[len..];
        }
    }

    fn finish(&mut self, spans: &mut Spans) -> u64 {
        // Of a file that is cut.
        let place = match self.state {
            State::Raw(_) => Place::Text(Escape::None),
            State::Until(_, escape) => Place::Text(escape),
            _ => Place::Text(Escape::Markup),
        };
        self.settle(place, spans);
        u64::from(self.state != State::Content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;
    use crate::format::fit::Span;

    /// The places as letters, one a byte: `.` frame, `t` text, `r` raw text, `u` and `v` references.
    fn places(text: &[u8], html: bool, cuts: &[usize]) -> String {
        let (mut lexer, mut spans) = (Markup::new(html), Spans::default());
        let mut at = 0;
        for cut in cuts.iter().copied().chain([text.len()]) {
            lexer.push(&text[at..cut], &mut spans);
            at = cut;
        }
        lexer.finish(&mut spans);
        let letters = spans.drain().flat_map(|Span { len, place, .. }| {
            let letter = match place {
                Place::Frame => '.',
                Place::Text(Escape::None) => 'r',
                Place::Unit(_, 0) => 'u',
                Place::Unit(..) => 'v',
                _ => 't',
            };
            std::iter::repeat_n(letter, len as usize)
        });
        letters.collect()
    }

    #[test]
    fn values_are_told_from_tags() {
        for (text, html, expected) in [
            ("<a b=\"c&amp;d\">e</a>", false, "...t..tvvvvvt..t...."),
            ("<?xml v='1'?><x>a &lt b</x>", false, ".....tttttt.....ttttttt...."),
            ("<!-- a --- b --><x/>", false, "....ttttttttt......."),
            ("x <john@example.com> y < z", false, "tttttttttttttttttttttttttt"),
            ("<p class=a>b<br>", true, "...ttttt.t.t...."),
            ("<x><![CDATA[a]]b]]></x>", false, "............rrrr......."),
            ("<script>if (a<b) \"</p>\"</SCRIPT>t", true, "........rrrrrrrrrrrrrrr.........t"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]>d", false, "..ttttttt.t....tttttt.t..t....t"),
        ] {
            assert_eq!(places(text.as_bytes(), html, &[]), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn places_do_not_depend_on_the_cut(
            text in "(<|>|</|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<\\?|\\?>|<script>|</script|&amp;|&|;|\"|'|=| |a|[\\[\\]/!-]){0,30}",
            html in any::<bool>(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let whole = places(text.as_bytes(), html, &[]);
            prop_assert_eq!(whole.len(), text.len());
            prop_assert_eq!(places(text.as_bytes(), html, &cuts), whole);
        }
    }
}
