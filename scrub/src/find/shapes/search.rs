//! The search in one text: at every digit down the tree of shapes, and beside the words that speak for short ones.

use std::ops::Range;

use crate::context::{Evidence, REACH};
use crate::detector::DetectorId;

use super::super::Candidate;
use super::super::Text;
use super::Shapes;
use super::group::{LETTER, PREFIX, begins, ends, group, group_end, group_start, prefix};
use super::shape::{LONGEST, SEPARATORS};
use super::tree::{Node, Set};

/// How many groups of letters before the first with a digit there may be: `RSS MRA 85T10 A562S`.
const PREFIXES: usize = 3;

/// The search.
pub(super) struct Search<'a, 'b> {
    finder: &'a Shapes,
    text: &'a Text<'a>,
    bytes: &'a [u8],
    /// The detectors that need no further evidence.
    alone: Set,
    evidence: Option<&'a Evidence<'b>>,
    found: &'a mut Vec<Candidate>,
}

impl<'a, 'b> Search<'a, 'b> {
    /// `alone`: the detectors that need no further evidence. What is found goes to `found`.
    pub(super) fn new(
        finder: &'a Shapes,
        text: &'a Text<'a>,
        alone: Set,
        evidence: Option<&'a Evidence<'b>>,
        found: &'a mut Vec<Candidate>,
    ) -> Self {
        Self { finder, text, bytes: text.as_bytes(), alone, evidence, found }
    }

    /// What has a digit.
    pub(super) fn digits(&mut self, core: &Range<usize>) {
        let bytes = self.bytes;
        // A candidate that starts in the core may have its first digit behind it.
        let mut at = core.start;
        let mut numbers = self.text.numbers(at..core.end + PREFIXES * (PREFIX + 1));
        while let Some(Range { start: digit, .. }) = numbers.next(at) {
            let start = group_start(bytes, digit);
            let (end, mut classes) = group(bytes, digit);
            at = end;
            let Some(start) = start.filter(|start| end - start <= LONGEST) else { continue };
            if start < digit {
                // Before the first digit of a group are letters.
                classes |= LETTER;
            }
            self.walk(start, (end, classes));
            let mut behind = start;
            for _ in 0..PREFIXES {
                let Some(prefix) = prefix(bytes, behind) else { break };
                self.walk(prefix, (behind - 1, LETTER));
                behind = prefix;
            }
        }
    }

    /// Walks down the tree with the groups from `start` on, of which the first ends and is as `first` says.
    fn walk(&mut self, start: usize, first: (usize, u8)) {
        let (finder, bytes) = (self.finder, self.bytes);
        let tree = &finder.tree;
        let mut near = None;
        let (mut node, mut separator, mut at, mut len) = (0, 0, start, 0);
        let (mut end, mut classes) = first;
        loop {
            len += end - at;
            if len > LONGEST {
                return;
            }
            match tree.child(node, separator, end - at) {
                Some(child) => node = child,
                None => return,
            }
            if !tree.nodes[node].entries.is_empty() {
                let fitting = if classes & LETTER == 0 { &tree.nodes[node].numeric } else { &tree.nodes[node].mixed };
                let wanted = self.wanted(fitting, &tree.nodes[node].evident, start..end, &mut near);
                if !wanted.is_empty() {
                    if !begins(bytes, start) {
                        return;
                    }
                    self.arrive(&tree.nodes[node], &wanted, start..end);
                }
            }
            match bytes.get(end) {
                Some(byte)
                    if SEPARATORS.contains(byte) && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric) =>
                {
                    separator = *byte;
                    at = end + 1;
                    let (next, more) = group(bytes, at);
                    end = next;
                    classes |= more;
                }
                _ => return,
            }
        }
    }

    /// Those of the fitting detectors that would be acted on at `range`, of which `evident` carry their evidence. `near`: whether any
    /// context word is, once that is known of this walk.
    fn wanted(&self, fitting: &Set, evident: &Set, range: Range<usize>, near: &mut Option<bool>) -> Set {
        let mut wanted = self.alone.with(evident);
        if let Some(evidence) = self.evidence.filter(|_| !wanted.contains_all(fitting)) {
            // A walk is never longer than twice its letters and digits.
            let reach = range.start..range.start + 2 * LONGEST;
            if *near.get_or_insert_with(|| evidence.may_be_near(&reach)) {
                for id in evidence.around(&range) {
                    if let Some(Some(index)) = self.finder.by_id.get(usize::from(id.0)) {
                        wanted.insert(*index);
                    }
                }
            }
        }
        wanted.within(fitting)
    }

    /// Adds the candidates of the wanted detectors' shapes at a node.
    fn arrive(&mut self, node: &Node, wanted: &Set, range: Range<usize>) {
        let mut canonical = [0_u8; LONGEST];
        let (mut len, mut digits) = (0, 0_u64);
        for byte in self.bytes[range.clone()].iter().filter(|byte| byte.is_ascii_alphanumeric()) {
            digits |= u64::from(byte.is_ascii_digit()) << len;
            canonical[len] = byte.to_ascii_uppercase();
            len += 1;
        }
        let ended = ends(self.bytes, range.end);
        let closing = self.bytes.get(range.end) == Some(&b')');
        for index in wanted.iter() {
            let first = node.entries.partition_point(|entry| entry.detector < index);
            let detector = &self.finder.detectors[usize::from(index)];
            let candidate = node.entries[first..]
                .iter()
                .take_while(|entry| entry.detector == index)
                .filter(|entry| entry.test.passes(digits, &canonical[..len]))
                .filter(|entry| if entry.closed { closing } else { ended })
                .find(|entry| {
                    let end = range.end + usize::from(entry.closed);
                    detector.validator.is_none_or(|validator| validator(&self.text[range.start..end]))
                });
            let Some(entry) = candidate else { continue };
            let (start, end) = (range.start, range.end + usize::from(entry.closed));
            let evident = entry.evident && !(entry.spaced && self.is_in_a_row(&range));
            self.found.push(Candidate { start, end, detector: detector.id, score: detector.score, evident });
        }
    }

    /// Whether numbers divided by spaces go on before or behind, or are all that their line holds.
    fn is_in_a_row(&self, range: &Range<usize>) -> bool {
        let before = self.bytes[..range.start].iter().rev().take_while(|byte| **byte == b' ').count();
        let behind = self.bytes[range.end..].iter().take(REACH).take_while(|byte| **byte == b' ').count();
        let line_end = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b'\t'));
        let last = self.bytes[..range.start - before.min(range.start)].last();
        let next = &self.bytes[range.end + behind..];
        let goes_on = next.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
        let number_before = last.is_some_and(u8::is_ascii_digit);
        // What follows a card: its expiry date or its security code.
        let number_behind = behind > 0 && goes_on >= 4;
        number_before || number_behind || line_end(last) && line_end(next.first())
    }

    /// What is short or has no digit, beside the words that speak for it or in the columns whose names do.
    pub(super) fn labelled(&mut self, core: &Range<usize>, evidence: &Evidence<'_>) {
        for (cell, detectors) in evidence.cells() {
            let wanted = self.finder.labelled_of(detectors);
            if !wanted.is_empty() {
                self.beside(&wanted, cell, false);
            }
        }
        for (word, detectors) in evidence.words() {
            let wanted = self.finder.labelled_of(detectors);
            if wanted.is_empty() || word.end + 4 * REACH < core.start || word.start > core.end + 4 * REACH {
                continue;
            }
            let to = self.text[word.end..].char_indices().nth(REACH).map_or(self.text.len(), |(at, _)| word.end + at);
            if !self.beside(&wanted, word.end..to, false) {
                let from = self.text[..word.start].char_indices().rev().nth(REACH - 1).map_or(0, |(at, _)| at);
                self.beside(&wanted, from..word.start, true);
            }
        }
    }

    /// Adds the first or the last that lies in `range`, and says whether there is one.
    fn beside(&mut self, wanted: &Set, range: Range<usize>, last: bool) -> bool {
        let (finder, bytes) = (self.finder, self.bytes);
        let mut nearest: Option<Vec<Candidate>> = None;
        let mut at = range.start;
        while at < range.end {
            if !bytes[at].is_ascii_alphanumeric() || at > 0 && bytes[at - 1].is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            let found = finder.labelled_at(self.text, at, range.end, wanted);
            if !found.is_empty() {
                nearest = Some(found);
                if !last {
                    break;
                }
            }
            at += 1;
        }
        let any = nearest.is_some();
        self.found.extend(nearest.unwrap_or_default());
        any
    }
}

impl Shapes {
    /// Those of the detectors that have labelled shapes.
    fn labelled_of(&self, detectors: &[DetectorId]) -> Set {
        let mut wanted = Set::default();
        for id in detectors {
            if let Some(Some(index)) = self.by_id.get(usize::from(id.0)) {
                wanted.insert(*index);
            }
        }
        wanted.within(&self.labels)
    }

    /// The longest labelled shape of each wanted detector that begins at `start` and ends at `to` or before.
    fn labelled_at(&self, text: &str, start: usize, to: usize, wanted: &Set) -> Vec<Candidate> {
        let bytes = text.as_bytes();
        let mut found: Vec<Candidate> = Vec::new();
        if !begins(bytes, start) {
            return found;
        }
        let mut canonical = Vec::new();
        let mut digits = 0_u64;
        let (mut node, mut separator, mut at) = (0, 0, start);
        loop {
            let end = group_end(&bytes[..to], at);
            match self.labelled.child(node, separator, end - at) {
                Some(child) if canonical.len() + (end - at) <= LONGEST => node = child,
                _ => return found,
            }
            for byte in &bytes[at..end] {
                digits |= u64::from(byte.is_ascii_digit()) << canonical.len();
                canonical.push(byte.to_ascii_uppercase());
            }
            if ends(bytes, end) {
                for entry in &self.labelled.nodes[node].entries {
                    let detector = &self.detectors[usize::from(entry.detector)];
                    if wanted.contains(entry.detector)
                        && entry.test.passes(digits, &canonical)
                        && detector.validator.is_none_or(|validator| validator(&text[start..end]))
                    {
                        found.retain(|shorter| shorter.detector != detector.id);
                        let (score, detector) = (detector.score, detector.id);
                        found.push(Candidate { start, end, detector, score, evident: true });
                    }
                }
            }
            match bytes[..to].get(end) {
                Some(byte)
                    if SEPARATORS.contains(byte) && bytes[..to].get(end + 1).is_some_and(u8::is_ascii_alphanumeric) =>
                {
                    separator = *byte;
                    at = end + 1;
                }
                _ => return found,
            }
        }
    }
}
