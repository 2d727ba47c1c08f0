//! The texts in which detectors look: the source as it stands, and with its encodings undone, each with the way back to the bytes.
//!
//! The first view is the source read as UTF-8 (what is none, as Latin-1) with look-alike characters folded ([`mod@fold`]). Each further view
//! undoes one layer of encodings ([`decode`]) of the view before it, to a depth of [`DEPTH`]. No view is longer than the first.

mod base64;
mod decode;
mod encode;
mod entity;
mod fold;
mod map;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use map::Map;

/// Layers of encoding that are undone.
pub const DEPTH: usize = 3;

/// Bytes before and behind what is undone in which that may change what is found: a finding that is no token, and what it is known by.
const NEAR: usize = 512;

/// Bytes between two places that are looked at apart: there are few of them in a segment, since each costs a look around it.
const APART: usize = 2048;

/// Bytes of a token before what is undone in it.
const TOKEN: usize = crate::segment::MARGIN;

/// How a piece of text was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Another character that is read as this one: a full-width digit. Also a byte that is no UTF-8, read as Latin-1.
    Fold,
    /// `\n`, `\"`, `\u0040`, `\x40` of string literals and JSON, `\_` of Markdown.
    Backslash,
    /// `%40` of URLs and forms (RFC 3986).
    Percent,
    /// `&amp;`, `&#64;`, `&#x40;` of HTML and XML.
    Entity,
    /// `=40` and soft line ends (RFC 2045, section 6.7).
    QuotedPrintable,
    /// Base64 of text (RFC 4648), four characters a unit.
    Base64(Alphabet),
}

/// Which characters stand for 62 and 63 in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// `+` and `/`: RFC 4648, section 4.
    Standard,
    /// `-` and `_`: RFC 4648, section 5.
    Url,
    /// None of them was seen.
    Either,
}

/// All views of one source.
#[derive(Clone, Debug)]
pub struct Views<'a> {
    /// By depth.
    texts: Vec<Cow<'a, str>>,
    /// From the first text to the source; none when that is the source.
    first: Option<Map>,
    /// From the text of a depth, less one, to the text before it.
    maps: Vec<Map>,
}

impl<'a> Views<'a> {
    /// Of a source of at most 4 GiB.
    pub fn of(source: &'a [u8]) -> Self {
        let (text, first) = match fold::fold(source) {
            fold::Folded::Same(text) => (Cow::Borrowed(text), None),
            fold::Folded::Changed(text, map) => (Cow::Owned(text), Some(map)),
        };
        let mut views = Self { texts: vec![text], first, maps: Vec::new() };
        while views.maps.len() < DEPTH
            && let Some((text, map)) = decode::decode(&views.texts[views.maps.len()])
        {
            views.texts.push(Cow::Owned(text));
            views.maps.push(map);
        }
        views
    }

    /// From the source as it stands to the innermost.
    pub fn iter(&self) -> impl Iterator<Item = View<'_>> {
        (0..self.texts.len()).map(|depth| View {
            texts: &self.texts,
            first: self.first.as_ref(),
            maps: &self.maps,
            depth,
        })
    }
}

/// A text to search and the way back to the source.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    texts: &'v [Cow<'v, str>],
    first: Option<&'v Map>,
    maps: &'v [Map],
    depth: usize,
}

impl<'v> View<'v> {
    /// What is searched.
    pub fn text(&self) -> &'v str {
        &self.texts[self.depth]
    }

    /// Whether it is the source as it stands.
    pub fn is_outermost(&self) -> bool {
        self.depth == 0
    }

    /// Whether no view undoes more.
    pub fn is_innermost(&self) -> bool {
        self.depth == self.maps.len()
    }

    /// The maps of this view, outermost first.
    fn way(&self) -> impl DoubleEndedIterator<Item = &'v Map> {
        self.first.into_iter().chain(&self.maps[..self.depth])
    }

    /// The smallest run of whole units of the source that covers `range` of the text; `range` is not empty.
    pub fn source(&self, range: Range<usize>) -> Range<usize> {
        self.way().rev().fold(range, |range, map| map.source(&range))
    }

    /// The range of the text in which a match must start for its source to start in `source`. Wider by a unit where units straddle it.
    pub fn reach(&self, source: Range<usize>) -> Range<usize> {
        self.way().fold(source, |range, map| map.text(&range))
    }

    /// Where in `reach` the text may read otherwise than that of the view around it: near what is undone in it, and in the tokens that have some
    /// of it, in order and apart from each other.
    pub fn undone(&self, reach: &Range<usize>) -> Vec<Range<usize>> {
        let Some(map) = self.depth.checked_sub(1).and_then(|last| self.maps.get(last)) else {
            return vec![reach.clone()];
        };
        let text = self.text();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for unit in map.units() {
            let end = text.ceil_char_boundary((unit.end + NEAR).min(text.len()));
            match ranges.last_mut() {
                Some(last) if unit.start <= last.end => last.end = end.max(last.end),
                last => {
                    let from = unit.start.saturating_sub(TOKEN);
                    let token = text.as_bytes()[from..unit.start].iter().rposition(u8::is_ascii_whitespace);
                    let start = token.map_or(from, |space| from + space).saturating_sub(NEAR);
                    match last.filter(|last| start <= last.end + APART) {
                        Some(last) => last.end = end,
                        None => ranges.push(text.floor_char_boundary(start)..end),
                    }
                }
            }
        }
        let inside = |range: Range<usize>| range.start.max(reach.start)..range.end.min(reach.end);
        let ranges: Vec<_> = ranges.into_iter().map(inside).filter(|range| !range.is_empty()).collect();
        // Many small ones cost more than all in one.
        let all = ranges.iter().map(Range::len).sum::<usize>() >= reach.len() / 4 * 3;
        if all && !ranges.is_empty() { vec![reach.clone()] } else { ranges }
    }

    /// `range` of the text, made wider so that it divides no unit of the views within this one.
    pub fn whole(&self, range: Range<usize>) -> Range<usize> {
        Self::widen(&self.maps[self.depth..], range)
    }

    fn widen(maps: &[Map], range: Range<usize>) -> Range<usize> {
        let Some((map, rest)) = maps.split_first() else { return range };
        let inner = map.text(&range);
        if inner.is_empty() {
            return range;
        }
        let source = map.source(&Self::widen(rest, inner));
        source.start.min(range.start)..source.end.max(range.end)
    }

    /// `range` of the text without the units of the views within this one that it divides. May be empty.
    pub fn within(&self, range: Range<usize>) -> Range<usize> {
        Self::narrow(&self.maps[self.depth..], range)
    }

    fn narrow(maps: &[Map], range: Range<usize>) -> Range<usize> {
        let Some((map, rest)) = maps.split_first() else { return range };
        let inner = map.within(&range);
        let inner = if inner.is_empty() { inner } else { Self::narrow(rest, inner) };
        if inner.is_empty() { range.start..range.start } else { map.source(&inner) }
    }

    /// `text` as it must stand in the source in place of `range` of this text, which is not empty: encoded for every layer in which that
    /// was encoded. In base64 what shares a unit with the range is kept, and spaces fill the last unit.
    pub fn encode<'t>(&self, range: Range<usize>, text: &'t str) -> Cow<'t, str> {
        if self.depth == 0 {
            return Cow::Borrowed(text);
        }
        // Spaces that fill a unit of base64 in base64 stand in the innermost text, not in the base64. Four characters a unit: twenty-seven spaces
        // give every remainder in three layers.
        let filled = (0..=27).find_map(|spaces| {
            let (encoded, fits) = self.encode_filled(range.clone(), format!("{text}{:spaces$}", ""));
            fits.then_some(encoded)
        });
        Cow::Owned(filled.unwrap_or_else(|| self.encode_filled(range, text.to_owned()).0))
    }

    /// The text encoded, and whether no base64 in it was filled with spaces.
    fn encode_filled(&self, range: Range<usize>, text: String) -> (String, bool) {
        let mut range = range;
        let mut text = text;
        let mut known = Vec::new();
        let (mut within, mut fits) = (false, true);
        for depth in (0..self.depth).rev() {
            let map = &self.maps[depth];
            let source = map.source(&range);
            let encodings = map.encodings(&range, &known, self.maps.get(depth + 1));
            for encoding in &encodings {
                let Encoding::Base64(alphabet) = encoding else {
                    text = encode::encode(*encoding, &text);
                    continue;
                };
                let (head, tail) = map.rest(&range);
                let decoded = self.texts[depth + 1].as_bytes();
                let last = &self.texts[depth].as_bytes()[source.clone()];
                let end = if tail.end.is_multiple_of(3) {
                    encode::Tail::Whole
                } else if last.ends_with(b"=") {
                    encode::Tail::Padded
                } else {
                    encode::Tail::Open
                };
                let (head, tail) = (&decoded[head], &decoded[range.end..range.end + tail.len]);
                let whole = (head.len() + text.len() + tail.len()).is_multiple_of(3);
                fits &= !within || whole || end != encode::Tail::Whole;
                text = encode::base64(*alphabet, head, &text, tail, end);
                within = true;
            }
            known.extend(encodings);
            range = source;
        }
        (text, fits)
    }
}
