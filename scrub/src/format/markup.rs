//! XML and HTML, leniently: text, values of attributes, comments and sections are values; tags are structure.

use memchr::{memchr, memchr2};

use super::fit::{Escape, Lexer, Place, Spans};

/// Letters of a character reference, at most.
const REFERENCE: usize = 34;
/// Letters of the name of an element until it is known for one; a longer one is.
const NAME: usize = 64;
/// Elements of HTML that hold no markup up to their end.
const RAW: [&[u8]; 2] = [b"script", b"style"];

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between tags.
    Content,
    /// Behind `<`: what begins is not known yet.
    Open,
    /// In a tag, outside of values.
    Tag,
    /// Behind `=` in a tag.
    Equals,
    /// In a value in quotes.
    Value(u8),
    /// In a value without.
    Bare,
    /// In a declaration, in so many brackets.
    Declaration(u8),
    /// In quotes in it.
    Literal(u8, u8),
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
    unit: u8,
}

impl Markup {
    /// Of XML, or of HTML.
    pub fn new(html: bool) -> Self {
        Self { html, state: State::Content, pending: Vec::new(), raw: None, unit: 0 }
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
            State::Declaration(depth) => self.declaration(bytes[0], depth, spans),
            State::Literal(quote, depth) => {
                let len = memchr(quote, bytes);
                if len == Some(0) {
                    self.state = State::Declaration(depth);
                    spans.add(1, Place::Frame, None);
                    return 1;
                }
                let len = len.unwrap_or(bytes.len());
                spans.add(len, Place::Text(Escape::Markup), None);
                len
            }
            State::Until(end, escape) => self.until(end, escape, bytes, spans),
            State::Raw(which) => self.raw(RAW[which], bytes, spans),
        }
    }

    /// Text in which character references stand.
    fn referring(&mut self, bytes: &[u8], spans: &mut Spans) -> usize {
        let byte = bytes[0];
        if !self.pending.is_empty() {
            if byte == b';' && self.pending.len() > 1 {
                self.pending.push(byte);
                self.unit ^= 1;
                self.settle(Place::Unit(Escape::Markup, self.unit), spans);
                return 1;
            }
            if self.pending.len() < REFERENCE && (byte.is_ascii_alphanumeric() || byte == b'#') {
                self.pending.push(byte);
                return 1;
            }
            self.settle(Place::Text(Escape::Markup), spans);
            return 0;
        }
        let ends = match self.state {
            State::Content => memchr2(b'<', b'&', bytes),
            State::Value(quote) => memchr2(quote, b'&', bytes),
            _ => bytes.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'&')),
        };
        match ends {
            Some(0) if byte == b'&' => {
                self.pending.push(byte);
                1
            }
            Some(0) => {
                match self.state {
                    State::Content => {
                        self.pending.push(byte);
                        self.state = State::Open;
                    }
                    State::Value(_) => {
                        spans.add(1, Place::Frame, None);
                        self.state = State::Tag;
                    }
                    _ => {
                        self.state = State::Tag;
                        return 0;
                    }
                }
                1
            }
            len => {
                let len = len.unwrap_or(bytes.len());
                spans.add(len, Place::Text(Escape::Markup), None);
                len
            }
        }
    }

    /// Behind `<`: a comment, a section, an instruction, a declaration, a tag, or only this sign.
    fn opening(&mut self, byte: u8, spans: &mut Spans) -> usize {
        const COMMENT: &[u8] = b"<!--";
        const SECTION: &[u8] = b"<![CDATA[";
        self.pending.push(byte);
        let (pending, state) = (&self.pending[..], &mut self.state);
        match pending {
            COMMENT => *state = State::Until(b"-->", Escape::Markup),
            SECTION => *state = State::Until(b"]]>", Escape::None),
            _ if COMMENT.starts_with(pending) || SECTION.starts_with(pending) => return 1,
            [b'<', b'?'] => *state = State::Until(b"?>", Escape::Markup),
            [b'<', b'!', ..] => {
                // `<!DOCTYPE x>`; what came with it is of its name.
                *state = State::Declaration(0);
                self.pending.pop();
                self.settle(Place::Frame, spans);
                return 0;
            }
            [b'<', b'/'] => return 1,
            [b'<', rest @ ..] => {
                let name = rest.strip_prefix(b"/").unwrap_or(rest);
                let first = name[0].is_ascii_alphabetic() || matches!(name[0], b'_' | b':') || !name[0].is_ascii();
                let is_part =
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.') || !byte.is_ascii();
                if first && is_part && pending.len() < NAME {
                    return 1;
                }
                let ends = byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/') || pending.len() == NAME;
                self.pending.pop();
                if !first || !ends {
                    // `<john@example.com>`, `a < b`
                    *state = State::Content;
                    self.settle(Place::Text(Escape::Markup), spans);
                    return 0;
                }
                *state = State::Tag;
                let name = &self.pending[1..];
                self.raw = RAW.iter().position(|raw| self.html && name.eq_ignore_ascii_case(raw));
                self.settle(Place::Frame, spans);
                return 0;
            }
            _ => {}
        }
        self.settle(Place::Frame, spans);
        1
    }

    fn tag(&mut self, bytes: &[u8], spans: &mut Spans) -> usize {
        let byte = bytes[0];
        match (self.state, byte) {
            (State::Equals, b'"' | b'\'') => self.state = State::Value(byte),
            (State::Equals, _) if byte.is_ascii_whitespace() => {}
            (_, b'>') => self.state = self.raw.take().map_or(State::Content, State::Raw),
            (State::Equals, _) => {
                self.state = State::Bare;
                return 0;
            }
            (_, b'=') => self.state = State::Equals,
            _ => {
                let len = memchr2(b'=', b'>', bytes).unwrap_or(bytes.len());
                spans.add(len, Place::Frame, None);
                return len;
            }
        }
        spans.add(1, Place::Frame, None);
        1
    }

    fn declaration(&mut self, byte: u8, depth: u8, spans: &mut Spans) -> usize {
        self.state = match byte {
            b'"' | b'\'' => State::Literal(byte, depth),
            b'[' => State::Declaration(depth.saturating_add(1)),
            b']' => State::Declaration(depth.saturating_sub(1)),
            b'>' if depth == 0 => State::Content,
            _ => State::Declaration(depth),
        };
        spans.add(1, Place::Frame, None);
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

    /// Up to `</script`.
    fn raw(&mut self, name: &[u8], bytes: &[u8], spans: &mut Spans) -> usize {
        if self.pending.is_empty() {
            let len = memchr(b'<', bytes).unwrap_or(bytes.len());
            if len > 0 {
                spans.add(len, Place::Text(Escape::None), None);
                return len;
            }
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
        if self.pending.len() == name.len() + 2 {
            self.state = State::Tag;
            self.settle(Place::Frame, spans);
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
            State::Raw(_) | State::Until(_, Escape::None) => Place::Text(Escape::None),
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
            ("<a b=\"c&amp;d\">e</a>", false, "......tvvvvvt..t...."),
            ("<?xml v='1'?><x>a &lt b</x>", false, "..ttttttttt.....ttttttt...."),
            ("<!-- a --- b --><x/>", false, "....ttttttttt......."),
            ("x <john@example.com> y < z", false, "tttttttttttttttttttttttttt"),
            ("<p class=a>b<br>", true, ".........t.t...."),
            ("<x><![CDATA[a]]b]]></x>", false, "............rrrr......."),
            ("<script>if (a<b) \"</p>\"</SCRIPT>t", true, "........rrrrrrrrrrrrrrr.........t"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]>d", false, ".........................t....t"),
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
