//! The way from a decoded text back to the text that it was decoded from.

use std::ops::Range;

use super::{Alphabet, Encoding};

/// A stretch of a text: as it was in the text before (`encoding` is none; both are of one length), a run of base64, or one unit of another
/// encoding. It ends where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    text: u32,
    source: u32,
    source_len: u32,
    encoding: Option<Encoding>,
}

impl Stretch {
    fn text(self) -> usize {
        self.text as usize
    }

    fn source(self) -> usize {
        self.source as usize
    }

    fn source_end(self) -> usize {
        (self.source + self.source_len) as usize
    }
}

/// The way from a decoded text back to the text that it was decoded from.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    stretches: Vec<Stretch>,
    text_len: usize,
}

/// What stands behind a range in its last unit.
pub(super) struct Rest {
    /// How much.
    pub(super) len: usize,
    /// Bytes that the unit means.
    pub(super) end: usize,
}

impl Map {
    /// The stretch in which the byte at `at` of the decoded text stands.
    fn at(&self, at: usize) -> usize {
        self.stretches.partition_point(|stretch| stretch.text() <= at).saturating_sub(1)
    }

    /// Where a stretch ends in the text.
    fn text_end(&self, index: usize) -> usize {
        self.stretches.get(index + 1).map_or(self.text_len, |next| next.text())
    }

    /// The unit of the source in which the byte at `at` of the text stands.
    fn unit(&self, at: usize) -> Range<usize> {
        let Some(stretch) = self.stretches.get(self.at(at)).copied() else { return 0..0 };
        match stretch.encoding {
            None => {
                let start = stretch.source() + (at - stretch.text());
                start..start + 1
            }
            Some(Encoding::Base64(_)) => {
                let start = stretch.source() + (at - stretch.text()) / 3 * 4;
                // The last unit may be shorter.
                start..(start + 4).min(stretch.source_end())
            }
            Some(_) => stretch.source()..stretch.source_end(),
        }
    }

    /// The smallest run of whole source units that covers a range of the text which is not empty.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        self.unit(range.start).start..self.unit(range.end - 1).end
    }

    /// Where the units are in the text, in order. One that means nothing is empty.
    pub(super) fn units(&self) -> impl Iterator<Item = Range<usize>> {
        let units = self.stretches.iter().enumerate().filter(|(_, stretch)| stretch.encoding.is_some());
        units.map(|(index, stretch)| stretch.text()..self.text_end(index))
    }

    /// How a range of the text which is not empty was encoded: in base64 when it starts in it, else in others, in the order in which they are
    /// nested in practice, innermost first. An encoding of `known`, which layers within undid too, counts where it is of a unit of that
    /// next one: `%2540`.
    pub(super) fn encodings(&self, range: &Range<usize>, known: &[Encoding], within: Option<&Self>) -> Vec<Encoding> {
        let (first, last) = (self.at(range.start), self.at(range.end - 1));
        if let Some(encoding @ Encoding::Base64(_)) = self.stretches[first].encoding {
            return vec![encoding];
        }
        let is_one = |encoding: Encoding| {
            let mut of_it = (first..=last).filter(|index| self.stretches[*index].encoding == Some(encoding));
            of_it.any(|index| {
                let unit = self.stretches[index].text()..self.text_end(index);
                !known.contains(&encoding) || within.is_some_and(|within| within.has(&unit, encoding))
            })
        };
        let all = [Encoding::Percent, Encoding::Entity, Encoding::Backslash, Encoding::QuotedPrintable];
        all.into_iter().filter(|encoding| is_one(*encoding)).collect()
    }

    /// Whether there is a unit of an encoding in a range of the source.
    fn has(&self, source: &Range<usize>, encoding: Encoding) -> bool {
        let first = self.stretches.partition_point(|stretch| stretch.source_end() <= source.start);
        self.stretches[first..]
            .iter()
            .take_while(|stretch| stretch.source() < source.end)
            .any(|stretch| stretch.encoding == Some(encoding))
    }

    /// Of a range that starts in base64: what stands before it in its first unit, and what behind it in its last one.
    pub(super) fn rest(&self, range: &Range<usize>) -> (Range<usize>, Rest) {
        let first = self.stretches[self.at(range.start)].text();
        let head = first + (range.start - first) / 3 * 3..range.start;
        let last = self.at(range.end - 1);
        let stretch = self.stretches[last];
        let rest = if matches!(stretch.encoding, Some(Encoding::Base64(_))) {
            let unit = stretch.text() + (range.end - 1 - stretch.text()) / 3 * 3;
            let end = (unit + 3).min(self.text_end(last));
            Rest { len: end - range.end, end: end - unit }
        } else {
            Rest { len: 0, end: 3 }
        };
        (head, rest)
    }

    /// The least range of the text whose source covers what lies in `source`: whole units, also those that only reach into it.
    pub(super) fn text(&self, source: &Range<usize>) -> Range<usize> {
        let start = self.forward(source.start, |part, whole| part == whole, |bytes| bytes / 4 * 3);
        let end = self.forward(source.end, |part, _| part > 0, |bytes| bytes.div_ceil(4) * 3);
        start..end.max(start)
    }

    /// The range of the text whose units lie in `source` as a whole. May be empty.
    pub(super) fn within(&self, source: &Range<usize>) -> Range<usize> {
        let start = self.forward(source.start, |part, _| part > 0, |bytes| bytes.div_ceil(4) * 3);
        let end = self.forward(source.end, |part, whole| part == whole, |bytes| bytes / 4 * 3);
        start..end.max(start)
    }

    /// Where `at` of the source is in the text. At a unit, of which a part is before `at`, `behind` says whether that is behind it; in base64
    /// `quanta` turns bytes of source into bytes of text.
    fn forward(&self, at: usize, behind: fn(usize, usize) -> bool, quanta: fn(usize) -> usize) -> usize {
        let index = self.stretches.partition_point(|stretch| stretch.source() <= at).saturating_sub(1);
        let Some(stretch) = self.stretches.get(index) else { return 0 };
        let part = at.saturating_sub(stretch.source()).min(stretch.source_len as usize);
        let end = self.text_end(index);
        match stretch.encoding {
            None => stretch.text() + part,
            Some(Encoding::Base64(_)) if part == stretch.source_len as usize => end,
            Some(Encoding::Base64(_)) => (stretch.text() + quanta(part)).min(end),
            Some(_) if behind(part, stretch.source_len as usize) => end,
            Some(_) => stretch.text(),
        }
    }
}

/// Makes a decoded text and its [`Map`], from front to back.
pub(super) struct Builder {
    text: String,
    map: Map,
}

impl Builder {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), map: Map::default() }
    }

    /// `text` stands in the source at `at` as it is.
    pub(super) fn plain(&mut self, text: &str, at: usize) {
        if text.is_empty() {
            return;
        }
        let joins = self.map.stretches.last_mut().filter(|last| last.encoding.is_none() && last.source_end() == at);
        match joins {
            Some(last) => last.source_len += text.len() as u32,
            None => self.push(self.text.len(), at, text.len(), None),
        }
        self.text.push_str(text);
    }

    /// The `len` bytes of the source at `at` are one unit and mean `character`, or nothing.
    pub(super) fn unit(&mut self, character: Option<char>, at: usize, len: usize, encoding: Encoding) {
        self.push(self.text.len(), at, len, Some(encoding));
        self.text.extend(character);
    }

    /// `lines` of the source (start, length) are base64 of `text`, each of whole units but for the last.
    pub(super) fn base64(&mut self, text: &str, lines: &[(usize, usize)], alphabet: Alphabet) {
        let mut at = self.text.len();
        for (index, (source, len)) in lines.iter().enumerate() {
            self.push(at, *source, *len, Some(Encoding::Base64(alphabet)));
            at += len / 4 * 3;
            if let Some((next, _)) = lines.get(index + 1) {
                // The line end between them means nothing.
                self.push(at, source + len, next - (source + len), Some(Encoding::Base64(alphabet)));
            }
        }
        self.text.push_str(text);
    }

    fn push(&mut self, text: usize, source: usize, source_len: usize, encoding: Option<Encoding>) {
        // A unit that means nothing (a soft line end) leaves no text: it goes with what stands on both sides of it, when that goes.
        let stretch = Stretch { text: text as u32, source: source as u32, source_len: source_len as u32, encoding };
        self.map.stretches.push(stretch);
    }

    pub(super) fn finish(mut self) -> (String, Map) {
        self.map.text_len = self.text.len();
        (self.text, self.map)
    }
}
