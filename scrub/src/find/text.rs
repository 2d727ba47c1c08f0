//! A text to look through, with what several finders ask of it, read once: where its words and its numbers are.

use std::cell::OnceCell;
use std::ops::{Deref, Range};

/// Bytes whose classes are told together, a bit each.
const BLOCK: usize = 64;

/// The text of a view.
#[derive(Debug)]
pub struct Text<'a> {
    source: &'a str,
    /// What is looked through, and [`BESIDE`] more on both sides.
    near: Range<usize>,
    /// The runs there.
    runs: OnceCell<Runs>,
    /// Those of the whole text, where something further off is asked for.
    all: OnceCell<Runs>,
}

/// Bytes beside what is looked through whose runs are read with it: as far as finders look, and further.
const BESIDE: usize = 1024;

/// Bytes of a run that is cut at the end of those, at the least: it is longer than anything that is looked for.
const CUT: usize = 256;

/// Runs of bytes of one kind, in order: where each starts and where it ends.
#[derive(Debug, Default)]
struct Runs {
    /// Of ASCII digits.
    numbers: Vec<(u32, u32)>,
    /// Of letters: those of ASCII, and every byte of a character beyond.
    words: Vec<(u32, u32)>,
    /// Where a capital letter follows a small one, both of ASCII.
    humps: Vec<u32>,
    /// The numbers that are not of what a machine wrote.
    apart: OnceCell<Vec<(u32, u32)>>,
}

impl<'a> Text<'a> {
    /// Of a text of at most 4 GiB.
    pub fn new(text: &'a str) -> Self {
        Self::near(text, &(0..text.len()))
    }

    /// Of a text of which `range` is looked through.
    pub(crate) fn near(text: &'a str, range: &Range<usize>) -> Self {
        let near = range.start.saturating_sub(BESIDE)..text.len().min(range.end + BESIDE);
        Self { source: text, near, runs: OnceCell::new(), all: OnceCell::new() }
    }

    /// The text itself.
    pub fn as_str(&self) -> &'a str {
        self.source
    }

    /// The runs of at least `range`.
    fn runs(&self, range: &Range<usize>) -> &Runs {
        let Range { start, end } = self.near;
        let is_near =
            (start == 0 || range.start >= start + CUT) && (end == self.source.len() || range.end + CUT <= end);
        let (kept, of) = if is_near { (&self.runs, start..end) } else { (&self.all, 0..self.source.len()) };
        kept.get_or_init(|| Runs::of(self.source.as_bytes(), of))
    }

    /// The runs of ASCII digits that have a digit in `range`.
    pub(super) fn numbers(&self, range: Range<usize>) -> Numbers<'_> {
        Numbers { rest: reaching(&self.runs(&range).numbers, range.start), to: range.end }
    }

    /// As [`Self::numbers`], without those of what a machine wrote: nobody writes a date or a number of a house in a hash or a UUID.
    pub(super) fn numbers_apart(&self, range: Range<usize>) -> Numbers<'_> {
        let apart = self.runs(&range).apart(self.source.as_bytes());
        Numbers { rest: reaching(apart, range.start), to: range.end }
    }

    /// The runs of letters that have a letter in `range` and start before its end, as they stand between other bytes.
    pub(crate) fn words(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let words = reaching(&self.runs(&range).words, range.start).iter();
        let words = words.map(|(start, end)| *start as usize..*end as usize);
        words.take_while(move |word| word.start < range.end)
    }

    /// Whether a capital letter follows a small one in `range`.
    pub(crate) fn has_hump(&self, range: &Range<usize>) -> bool {
        let humps = &self.runs(range).humps;
        humps
            .get(humps.partition_point(|at| (*at as usize) <= range.start))
            .is_some_and(|at| (*at as usize) < range.end)
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.source
    }
}

/// The runs from the first on that ends behind `at`.
fn reaching(runs: &[(u32, u32)], at: usize) -> &[(u32, u32)] {
    &runs[runs.partition_point(|(_, end)| *end as usize <= at)..]
}

/// The runs of digits that are left of a range.
pub(super) struct Numbers<'t> {
    rest: &'t [(u32, u32)],
    to: usize,
}

impl Numbers<'_> {
    /// The next run, as far as it is not before `from`; one that starts in the range may end behind it. `from` never goes back.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> Option<Range<usize>> {
        while let Some(((start, end), rest)) = self.rest.split_first() {
            let (start, end) = (*start as usize, *end as usize);
            if end > from {
                let start = start.max(from);
                return (start < self.to).then_some(start..end);
            }
            self.rest = rest;
        }
        None
    }
}

impl Runs {
    /// Those in `range` of a text; one that goes on is cut there.
    fn of(bytes: &[u8], range: Range<usize>) -> Self {
        let (from, bytes) = (range.start, &bytes[range]);
        // As many as most texts have: a vector that grows is copied.
        let mut runs = Self {
            numbers: Vec::with_capacity(bytes.len() / 16),
            words: Vec::with_capacity(bytes.len() / 5),
            ..Self::default()
        };
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let mut last = Classes::default();
        for (index, block) in blocks.iter().enumerate() {
            last = runs.read((from + index * BLOCK) as u32, Classes::of(block), last);
        }
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        // The zeros behind the rest end the last run; without a rest it ends with the text.
        runs.read((from + bytes.len() - rest.len()) as u32, Classes::of(&block), last);
        runs
    }

    /// The numbers that are not of what a machine wrote.
    fn apart(&self, bytes: &[u8]) -> &[(u32, u32)] {
        self.apart.get_or_init(|| self.numbers_apart(bytes))
    }

    fn numbers_apart(&self, bytes: &[u8]) -> Vec<(u32, u32)> {
        let mut apart = Vec::with_capacity(self.numbers.len());
        let mut words = self.words.iter().peekable();
        let mut joined = Joined { start: 0, end: u32::MAX, switches: 0, before: 0 };
        for number in &self.numbers {
            while words.next_if(|word| word.1 < number.0).is_some() {}
            let start = match words.peek() {
                Some(word) if word.1 == number.0 => {
                    let letters = &bytes[word.0 as usize..word.1 as usize];
                    word.1 - letters.iter().rev().take_while(|byte| byte.is_ascii()).count() as u32
                }
                _ => number.0,
            };
            if start < number.0 && start == joined.end {
                joined.switches += 2;
            } else {
                joined.close(bytes, &mut apart);
                joined = Joined { start, end: 0, switches: u32::from(start < number.0), before: apart.len() };
            }
            joined.end = number.1;
            apart.push(*number);
        }
        joined.close(bytes, &mut apart);
        apart
    }

    /// Adds what is in the block at `from`, behind one of the classes `last`.
    fn read(&mut self, from: u32, classes: Classes, last: Classes) -> Classes {
        toggle(&mut self.numbers, from, classes.digits, last.digits);
        toggle(&mut self.words, from, classes.letters, last.letters);
        let mut humps = classes.upper & (classes.lower << 1 | last.lower >> 63);
        while humps != 0 {
            self.humps.push(from + humps.trailing_zeros());
            humps &= humps - 1;
        }
        classes
    }
}

/// Letters and digits of ASCII side by side.
struct Joined {
    start: u32,
    /// Behind the last digit.
    end: u32,
    /// How often letters and digits follow each other up to there.
    switches: u32,
    /// How many numbers apart are before them.
    before: usize,
}

/// So often letters and digits follow each other in what a machine wrote, and so long it is at least. An IBAN switches up to six times too, but who looks
/// for identifiers asks for all numbers.
const SWITCHES: u32 = 6;
const CODED: usize = 16;

impl Joined {
    /// Takes the numbers in it from those apart if a machine wrote it.
    fn close(&self, bytes: &[u8], apart: &mut Vec<(u32, u32)>) {
        let (start, end) = (self.start as usize, (self.end as usize).min(bytes.len()));
        let letters = bytes[end..].iter().take(CODED).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let to = end + letters;
        if self.switches + u32::from(letters > 0) >= SWITCHES && to >= start + CODED {
            // A number at its start may be one by itself (`34F5ft11in…`), and so may one at its end that letters beyond ASCII follow: a year of
            // Chinese.
            let first = usize::from(apart.get(self.before).is_some_and(|number| number.0 == self.start));
            let space = usize::from(bytes.get(end) == Some(&b' '));
            let last = apart
                .last()
                .copied()
                .filter(|_| letters == 0 && bytes.get(end + space).is_some_and(|byte| *byte >= 0x80));
            apart.truncate(self.before + first);
            apart.extend(last);
        } else if to == start + UUID_END
            && let Some(from) = to.checked_sub(UUID)
            && is_uuid(&bytes[from..to])
        {
            while apart.pop_if(|number| number.0 as usize >= from).is_some() {}
        }
    }
}

/// Characters of a UUID, and of its last part.
const UUID: usize = 36;
const UUID_END: usize = 12;

/// Whether `UUID` bytes are one (RFC 9562, section 4). One whose last part has no digit is not looked at, which one in 130,000 has.
fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Starts and ends runs where the bits of a block differ from the bit before.
fn toggle(runs: &mut Vec<(u32, u32)>, from: u32, bits: u64, last: u64) {
    let mut edges = bits ^ (bits << 1 | last >> 63);
    while edges != 0 {
        let index = edges.trailing_zeros();
        match runs.last_mut() {
            Some(run) if bits >> index & 1 == 0 => run.1 = from + index,
            // Open, until its end is seen.
            _ => runs.push((from + index, u32::MAX)),
        }
        edges &= edges - 1;
    }
}

/// What the bytes of a block are, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Classes {
    digits: u64,
    /// Small letters of ASCII.
    lower: u64,
    /// Capital letters of ASCII.
    upper: u64,
    /// Letters of ASCII, and all bytes beyond.
    letters: u64,
}

impl Classes {
    #[cfg(target_arch = "x86_64")]
    fn of(block: &[u8; BLOCK]) -> Self {
        use safe_arch::{cmp_gt_mask_i8_m128i, cmp_lt_mask_i8_m128i, m128i, move_mask_i8_m128i, set_splat_i8_m128i};
        let mut classes = Self::default();
        for (index, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
            let bytes = m128i::from(*bytes);
            let mask = |bytes: m128i| u64::from(move_mask_i8_m128i(bytes).cast_unsigned() & 0xFFFF) << (16 * index);
            // Bytes beyond ASCII are negative.
            let within = |first: u8, last: u8| {
                mask(cmp_gt_mask_i8_m128i(bytes, set_splat_i8_m128i((first - 1).cast_signed())))
                    & mask(cmp_lt_mask_i8_m128i(bytes, set_splat_i8_m128i((last + 1).cast_signed())))
            };
            let (lower, upper) = (within(b'a', b'z'), within(b'A', b'Z'));
            classes.digits |= within(b'0', b'9');
            classes.lower |= lower;
            classes.upper |= upper;
            classes.letters |= lower | upper | mask(bytes);
        }
        classes
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of(block: &[u8; BLOCK]) -> Self {
        Self::one_by_one(block)
    }

    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn one_by_one(block: &[u8; BLOCK]) -> Self {
        let bits = |of: fn(&u8) -> bool| {
            block.iter().enumerate().fold(0, |bits, (index, byte)| bits | u64::from(of(byte)) << index)
        };
        Self {
            digits: bits(u8::is_ascii_digit),
            lower: bits(u8::is_ascii_lowercase),
            upper: bits(u8::is_ascii_uppercase),
            letters: bits(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn numbers_are_cut_at_their_start_only() {
        let text = Text::new("12 345 6");
        let mut numbers = text.numbers(1..5);
        assert_eq!(numbers.next(1), Some(1..2));
        assert_eq!(numbers.next(2), Some(3..6));
        assert_eq!(numbers.next(4), Some(4..6));
        assert_eq!(numbers.next(6), None);
    }

    #[test]
    fn words_reach_into_their_range() {
        let text = Text::new("ab cdE f");
        assert_eq!((text.words(1..7).next(), text.words(1..7).count()), (Some(0..2), 2));
        assert_eq!((text.words(2..7).next(), text.words(2..7).count()), (Some(3..6), 1));
        assert_eq!(text.words(0..8).count(), 3);
        assert!(text.has_hump(&(3..6)) && !text.has_hump(&(5..8)) && !text.has_hump(&(0..3)));
    }

    /// What stands beside a code without a space.
    #[test]
    fn numbers_at_the_ends_of_codes() {
        for (text, kept) in [
            ("X5F7K9P3R8T2W2024\u{5e74}3\u{6708}", &["2024", "3"][..]),
            ("A1B2C3D4E5F6G7H8 \u{5e74}", &["8"]),
            ("Age:34F5ft11in140lbs", &["34"]),
            ("born 20240115T10h30m15s", &["20240115"]),
            ("X5F7K9P3R8T2W2024 3", &["3"]),
        ] {
            let text = Text::new(text);
            let (mut numbers, mut found, mut from) = (text.numbers_apart(0..text.len()), Vec::new(), 0);
            while let Some(number) = numbers.next(from) {
                from = number.end;
                found.push(&text[number]);
            }
            assert_eq!(found, kept, "{}", text.as_str());
        }
    }

    /// By definition.
    fn runs(text: &str, of: impl Fn(u8) -> bool) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for (at, _) in text.bytes().enumerate().filter(|(_, byte)| of(*byte)) {
            match runs.last_mut() {
                Some(run) if run.1 == at as u32 => run.1 += 1,
                _ => runs.push((at as u32, at as u32 + 1)),
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn every_byte_is_in_its_run(text in "([0-9]{1,80}|[ a-zA-Z]{1,80}|[a-z]{64}|\\PC){0,12}") {
            let all = Runs::of(text.as_bytes(), 0..text.len());
            prop_assert_eq!(all.numbers, runs(&text, |byte| byte.is_ascii_digit()));
            prop_assert_eq!(all.words, runs(&text, |byte| byte.is_ascii_alphabetic() || byte >= 0x80));
            let humps = text.as_bytes().windows(2).zip(1..).filter(|(pair, _)| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
            prop_assert_eq!(all.humps, humps.map(|(_, at)| at).collect::<Vec<u32>>());
        }

        /// By definition: a number is of what a machine wrote if the letters and digits around it are.
        #[test]
        fn numbers_apart_are_of_no_code(text in "([0-9]{1,9}|[ .a-zA-Z\u{e9}-]{1,3}|[0-9a-f]{12,40}|[0-9a-f]{15}[0-9] ?\u{5e74}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}){0,9}") {
            let bytes = text.as_bytes();
            let uuids: Vec<_> = (0..(bytes.len() + 1).saturating_sub(UUID))
                .filter(|at| is_uuid(&bytes[*at..at + UUID]) && !bytes.get(at + UUID).is_some_and(u8::is_ascii_alphanumeric))
                .filter(|at| bytes[at + UUID - UUID_END..at + UUID].iter().any(u8::is_ascii_digit))
                .collect();
            let is_apart = |number: &(u32, u32)| {
                let (start, end) = (number.0 as usize, number.1 as usize);
                let from = bytes[..start].iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
                let to = bytes[end..].iter().position(|byte| !byte.is_ascii_alphanumeric()).map_or(bytes.len(), |at| end + at);
                let switches = bytes[from..to].windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit()).count();
                let last = end == to && bytes[to..].iter().find(|byte| **byte != b' ').is_some_and(|byte| *byte >= 0x80)
                    && bytes.get(to + 1) != Some(&b' ');
                let coded = switches >= SWITCHES as usize && to - from >= CODED && start > from && !last;
                !coded && uuids.iter().all(|at| !(*at..at + UUID).contains(&start))
            };
            let runs = Runs::of(bytes, 0..bytes.len());
            let expected: Vec<_> = runs.numbers.iter().copied().filter(is_apart).collect();
            prop_assert_eq!(runs.apart(bytes), expected);
        }

        /// What is asked for beside what is looked through is what the whole text has there, and so is what is further off.
        #[test]
        fn what_is_near_is_as_in_the_whole(
            pieces in proptest::collection::vec("[0-9]{1,9}|[ .-]{1,3}|[a-zA-Z\u{e9}]{1,9}|[0-9a-f]{20,40}", 400..900),
            (from, to, by) in (0_usize..6_000, 0_usize..6_000, 0_usize..BESIDE),
        ) {
            let text = pieces.concat();
            let (from, to) = (from.min(to).min(text.len()), from.max(to).min(text.len()));
            let (near, whole) = (Text::near(&text, &(from..to)), Text::new(&text));
            for range in [from.saturating_sub(by)..to, from..to + by, from..to] {
                prop_assert!(near.words(range.clone()).eq(whole.words(range.clone())));
                let all = |mut numbers: Numbers<'_>| {
                    let mut at = range.start;
                    std::iter::from_fn(move || numbers.next(at).inspect(|number| at = number.end)).collect::<Vec<_>>()
                };
                prop_assert_eq!(all(near.numbers(range.clone())), all(whole.numbers(range.clone())));
                prop_assert_eq!(all(near.numbers_apart(range.clone())), all(whole.numbers_apart(range.clone())));
                prop_assert_eq!(near.has_hump(&range), whole.has_hump(&range));
            }
        }

        #[test]
        fn classes_are_those_of_each_byte(block in any::<[u8; 32]>(), rest in any::<[u8; 32]>()) {
            let mut bytes = [0; BLOCK];
            bytes[..32].copy_from_slice(&block);
            bytes[32..].copy_from_slice(&rest);
            prop_assert_eq!(Classes::of(&bytes), Classes::one_by_one(&bytes));
        }
    }
}
