//! Identifiers of digits and letters, by their shape. One pass over the text stops at every digit, reads the groups of letters and digits from
//! there on with the single separators between them, and walks with their lengths down a tree of all shapes. What arrives at a shape whose
//! detector can be acted on (it needs no context, a context word is near, its separators say what it is) goes to the validator.
//!
//! Shapes of fewer than five characters, and those without a digit, are everywhere: they are looked for only beside a context word, first
//! behind it and then before it.
//!
//! A group ends where letters and digits end. An identifier is not part of something longer: no digits follow or precede it behind a hyphen,
//! a point or a plus, so not a decimal, a version, an UUID. Behind a space it may: three numbers stand in a row, and a card's expiry date
//! follows its number; but then its separators are no evidence.

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::context::{Evidence, REACH};
use crate::detector::{Detector, DetectorId, Find};
use crate::validate::Validator;

use super::{Candidate, Finder};
use shape::{LONGEST, SEPARATORS, Shape, Test};

/// Letters before the first group that has a digit, in a group of their own: `PC 1234567`, `CHE-123.456.789`.
const PREFIX: usize = 6;

/// How many such groups there may be: `RSS MRA 85T10 A562S`.
const PREFIXES: usize = 3;

/// Shapes shorter than this are looked for only beside context words.
const SHORT: usize = 5;

/// Official separators of more types than this say nothing.
const SHARED: usize = 5;

/// Detectors of at most this score are known by the words beside them: their separators are no evidence.
const BY_CONTEXT: f32 = 0.1;

/// How many detectors fit: the bits of a [`Set`].
const MOST: usize = 256;

/// Makes the finder. Fails on a shape that cannot be read.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Shapes::new(detectors)?))
}

/// The finder.
pub struct Shapes {
    detectors: Vec<Compiled>,
    /// By [`DetectorId`]: the index in `detectors`, or none.
    by_id: Vec<Option<u16>>,
    /// Found at digits.
    tree: Tree,
    /// Found beside words.
    labelled: Tree,
    labels: Set,
}

struct Compiled {
    id: DetectorId,
    validator: Option<Validator>,
    score: f32,
}

/// A set of detectors by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set([u64; MOST / 64]);

impl Set {
    fn insert(&mut self, index: u16) {
        self.0[usize::from(index / 64)] |= 1 << (index % 64);
    }

    fn contains(&self, index: u16) -> bool {
        self.0[usize::from(index / 64)] >> (index % 64) & 1 == 1
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    fn with(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits |= others);
        self
    }

    fn within(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits &= others);
        self
    }

    /// In ascending order.
    fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().zip(0..).flat_map(|(bits, word)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < 64).then(|| word * 64 + bit as u16)
            })
        })
    }

    fn contains_all(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(bits, others)| others & !bits == 0)
    }
}

/// Shapes by the lengths of their groups and what separates them.
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// By separator, the lengths of the groups that follow behind it, as bits: most text ends here.
    lengths: [u64; SEPARATORS.len() + 1],
    /// Separator, length of the next group, and the node there; in order.
    children: Vec<(usize, u8, u32)>,
    /// In order of their detectors, those that carry their evidence first.
    entries: Vec<Entry>,
    /// Of the entries that take a text without letters, and with some.
    numeric: Set,
    mixed: Set,
    /// Of the entries that carry their evidence in their separators.
    evident: Set,
}

/// The place of a separator in [`Node::lengths`]; none is 0, before the first group.
const fn place(separator: u8) -> usize {
    match separator {
        b' ' => 1,
        b'-' => 2,
        b'.' => 3,
        b'/' => 4,
        b'(' => 5,
        b'+' => 6,
        _ => 0,
    }
}

struct Entry {
    detector: u16,
    test: Test,
    /// A `)` must follow.
    closed: bool,
    evident: bool,
    /// Its separators are spaces between digits, which stand between numbers too.
    spaced: bool,
}

impl Tree {
    fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    fn add(&mut self, shape: &Shape, detector: u16, evident: bool) {
        let mut at = 0;
        for (index, group) in shape.groups.iter().enumerate() {
            let place = if index == 0 { 0 } else { place(shape.separators[index - 1]) };
            at = match self.nodes[at].children.binary_search_by_key(&(place, *group), |child| (child.0, child.1)) {
                Ok(found) => self.nodes[at].children[found].2 as usize,
                Err(gap) => {
                    let child = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at].children.insert(gap, (place, *group, child as u32));
                    self.nodes[at].lengths[place] |= 1 << group;
                    child
                }
            };
        }
        let node = &mut self.nodes[at];
        let entry = Entry {
            detector,
            test: shape.test(),
            closed: shape.closed,
            evident,
            spaced: shape.numeric() && shape.separators.contains(&b' '),
        };
        if evident {
            node.evident.insert(detector);
        }
        if shape.numeric() {
            node.numeric.insert(detector);
        }
        if !shape.only_digits() {
            node.mixed.insert(detector);
        }
        let gap = node.entries.partition_point(|other| (other.detector, !other.evident) <= (detector, !evident));
        node.entries.insert(gap, entry);
    }

    fn child(&self, node: usize, separator: u8, group: usize) -> Option<usize> {
        let node = &self.nodes[node];
        let place = place(separator);
        if group > LONGEST || node.lengths[place] >> group & 1 == 0 {
            return None;
        }
        // Its place in the order: behind those of lesser separators, and of lesser lengths.
        let before: u32 = node.lengths[..place].iter().map(|lengths| lengths.count_ones()).sum();
        let lesser = (node.lengths[place] & ((1 << group) - 1)).count_ones();
        Some(node.children[(before + lesser) as usize].2 as usize)
    }
}

impl Shapes {
    fn new(detectors: &[(DetectorId, &Detector)]) -> Result<Self, String> {
        if detectors.len() > MOST {
            return Err(format!("{} detectors with shapes, of which {MOST} are allowed", detectors.len()));
        }
        let mut finder = Self {
            detectors: Vec::new(),
            by_id: Vec::new(),
            tree: Tree::new(),
            labelled: Tree::new(),
            labels: Set::default(),
        };
        let mut read: Vec<(Vec<Shape>, u16)> = Vec::new();
        let mut types: BTreeMap<(Vec<u8>, Vec<u8>), BTreeSet<&str>> = BTreeMap::new();
        for (id, detector) in detectors {
            let Find::Shapes(shapes) = &detector.find else { continue };
            let index = finder.detectors.len() as u16;
            let mut all = Vec::new();
            for definition in shapes {
                all.extend(Shape::all(definition).map_err(|error| format!("{}: {error}", detector.name))?);
            }
            for shape in all.iter().filter(|shape| shape.official && detector.score > BY_CONTEXT) {
                types.entry((shape.groups.clone(), shape.separators.clone())).or_default().insert(&detector.kind);
            }
            read.push((all, index));
            finder.detectors.push(Compiled { id: *id, validator: detector.validator, score: detector.score });
            let slot = usize::from(id.0);
            if finder.by_id.len() <= slot {
                finder.by_id.resize(slot + 1, None);
            }
            finder.by_id[slot] = Some(index);
        }
        for (shapes, index) in read {
            let labelled = shapes.iter().any(|shape| shape.len() < SHORT || !shape.may_have_digit());
            let known_by_context = finder.detectors[usize::from(index)].score <= BY_CONTEXT;
            for shape in shapes {
                if labelled {
                    finder.labels.insert(index);
                    finder.labelled.add(&shape, index, false);
                } else {
                    let shared = types.get(&(shape.groups.clone(), shape.separators.clone())).map_or(0, BTreeSet::len);
                    let evident = shape.is_distinctive() && shared <= SHARED && !known_by_context;
                    finder.tree.add(&shape, index, evident);
                }
            }
        }
        Ok(finder)
    }

    fn search(&self, text: &str, core: &Range<usize>, evidence: Option<&Evidence<'_>>, found: &mut Vec<Candidate>) {
        let mut alone = Set::default();
        for (index, detector) in self.detectors.iter().enumerate() {
            if evidence.is_none_or(|evidence| evidence.alone(detector.id)) {
                alone.insert(index as u16);
            }
        }
        let mut search = Search { finder: self, text, bytes: text.as_bytes(), alone, evidence, found };
        search.digits(core);
        if let Some(evidence) = evidence.filter(|_| !self.labels.is_empty()) {
            search.labelled(core, evidence);
        }
    }
}

impl Finder for Shapes {
    fn find(&self, text: &str, core: Range<usize>, found: &mut Vec<Candidate>) {
        self.search(text, &core, None, found);
    }

    fn find_with(&self, text: &str, core: Range<usize>, evidence: &Evidence<'_>, found: &mut Vec<Candidate>) {
        self.search(text, &core, Some(evidence), found);
    }
}

/// The next digit at or behind `at`.
pub(super) fn next_digit(bytes: &[u8], mut at: usize) -> Option<usize> {
    const STEP: usize = 32;
    // Where digits are frequent, one is near.
    if let Some(near) = bytes.get(at..)?.iter().take(8).position(u8::is_ascii_digit) {
        return Some(at + near);
    }
    at += 8;
    while let Some(block) = bytes.get(at..at + STEP) {
        // Without a branch a byte, so that it is done many bytes at a time.
        if block.iter().fold(false, |any, byte| any | byte.is_ascii_digit()) {
            break;
        }
        at += STEP;
    }
    bytes.get(at..)?.iter().position(u8::is_ascii_digit).map(|offset| at + offset)
}

/// What the bytes of a group are, as bits.
const DIGIT: u8 = 1;
const LETTER: u8 = 2;

/// By byte: [`DIGIT`], [`LETTER`] or neither.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_digit() {
            classes[byte] = DIGIT;
        } else if (byte as u8).is_ascii_alphabetic() {
            classes[byte] = LETTER;
        }
        byte += 1;
    }
    classes
};

/// Where the letters and digits that begin at `at` end.
pub(super) fn group_end(bytes: &[u8], at: usize) -> usize {
    group(bytes, at).0
}

/// Where the letters and digits that begin at `at` end, and which of both they are.
fn group(bytes: &[u8], at: usize) -> (usize, u8) {
    let mut end = at;
    let mut classes = 0;
    while let Some(byte) = bytes.get(end) {
        let class = CLASSES[usize::from(*byte)];
        if class == 0 {
            break;
        }
        classes |= class;
        end += 1;
    }
    (end, classes)
}

/// Where the group begins that `at` is in, unless that is further off than [`LONGEST`].
pub(super) fn group_start(bytes: &[u8], at: usize) -> Option<usize> {
    let back = bytes[..at].iter().rev().take(LONGEST + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (back <= LONGEST).then(|| at - back)
}

/// Whether what begins at `start` is not the rest of something longer.
pub(super) fn begins(bytes: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1) else { return true };
    let beyond = before.checked_sub(1).map(|at| bytes[at]);
    match bytes[before] {
        b'+' => false,
        b'.' => beyond.is_some_and(|byte| byte.is_ascii_alphabetic() || byte >= 0x80),
        b'-' if beyond.is_some_and(|byte| byte.is_ascii_alphanumeric()) => {
            let back =
                bytes[..before].iter().rev().take(PREFIX * 4).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            is_word(&bytes[before - back..before])
        }
        byte => !byte.is_ascii_alphanumeric(),
    }
}

/// Whether what ends at `end` does not go on.
pub(super) fn ends(bytes: &[u8], end: usize) -> bool {
    let beyond = bytes.get(end + 1);
    match bytes.get(end) {
        Some(b'.') => !beyond.is_some_and(u8::is_ascii_digit),
        Some(b'-') if beyond.is_some_and(u8::is_ascii_alphanumeric) => {
            let more = bytes[end + 1..].iter().take(PREFIX * 4).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            is_word(&bytes[end + 1..end + 1 + more])
        }
        Some(byte) => !byte.is_ascii_alphanumeric(),
        None => true,
    }
}

/// Letters that are no part of an UUID.
fn is_word(group: &[u8]) -> bool {
    group.iter().all(u8::is_ascii_alphabetic)
        && !(matches!(group.len(), 4 | 8 | 12) && group.iter().all(u8::is_ascii_hexdigit))
}

struct Search<'a, 'b> {
    finder: &'a Shapes,
    text: &'a str,
    bytes: &'a [u8],
    /// The detectors that need no further evidence.
    alone: Set,
    evidence: Option<&'a Evidence<'b>>,
    found: &'a mut Vec<Candidate>,
}

impl Search<'_, '_> {
    /// What has a digit.
    fn digits(&mut self, core: &Range<usize>) {
        let bytes = self.bytes;
        // A candidate that starts in the core may have its first digit behind it.
        let to = (core.end + PREFIXES * (PREFIX + 1)).min(bytes.len());
        let mut at = core.start;
        while let Some(digit) = next_digit(&bytes[..to], at) {
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

    /// What is short or has no digit, beside the words that speak for it.
    fn labelled(&mut self, core: &Range<usize>, evidence: &Evidence<'_>) {
        for (word, detectors) in evidence.words() {
            let mut wanted = Set::default();
            for id in detectors {
                if let Some(Some(index)) = self.finder.by_id.get(usize::from(id.0)) {
                    wanted.insert(*index);
                }
            }
            let wanted = wanted.within(&self.finder.labels);
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

/// Where a group of a few letters begins that stands before the group at `start`, with one separator between them.
fn prefix(bytes: &[u8], start: usize) -> Option<usize> {
    let separator = start.checked_sub(1)?;
    if !SEPARATORS.contains(&bytes[separator]) {
        return None;
    }
    let letters =
        bytes[..separator].iter().rev().take(PREFIX + 1).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let first = separator - letters;
    let whole = first.checked_sub(1).is_none_or(|at| !bytes[at].is_ascii_alphanumeric());
    ((1..=PREFIX).contains(&letters) && whole).then_some(first)
}
