//! Literals by a hash of three of their bytes without case, in a bit table that stays in the first cache: a load, a multiplication and a test a
//! byte of text, eight places at a time without a branch. What passes is tested once more with a fourth byte, and then compared.

use std::ops::Range;

use super::{Hit, Literal, Literals};

/// The bytes of a literal that are looked for first.
const WINDOW: usize = 3;

/// Places that are tested together.
const STEP: usize = 8;

const HASH_BITS: u32 = 16;
const BUCKET_BITS: u32 = 10;

/// A bit for every hash.
type Bits = [u64; 1 << (HASH_BITS - 6)];

/// The matcher in pure Rust.
pub(super) struct Table {
    literals: Vec<Literal>,
    /// The hashes of three bytes of each literal.
    three: Box<Bits>,
    /// The hashes of those and the next one, where the literal has one; else with every byte.
    four: Box<Bits>,
    /// Where the entries of a bucket start, by the low bits of the hash of three bytes.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
    /// Literals shorter than a window.
    short: Vec<u32>,
    /// The furthest window from the start of its literal.
    deepest: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    bucket: u32,
    literal: u32,
    /// Of the window in the literal.
    offset: u32,
}

impl Table {
    pub(super) fn new(literals: &[Literal]) -> Self {
        let mut table = Self {
            literals: literals.to_vec(),
            three: Box::new([0; 1 << (HASH_BITS - 6)]),
            four: Box::new([0; 1 << (HASH_BITS - 6)]),
            buckets: Vec::new(),
            entries: Vec::new(),
            short: Vec::new(),
            deepest: 0,
        };
        for (index, literal) in literals.iter().enumerate() {
            let bytes = literal.text.as_bytes();
            if bytes.len() < WINDOW {
                table.short.push(index as u32);
                continue;
            }
            let offset = rarest(literal);
            table.deepest = table.deepest.max(offset);
            let window = [bytes[offset], bytes[offset + 1], bytes[offset + 2]];
            let hash = hash_three([window[0], window[1], window[2], 0]);
            set(&mut table.three, hash);
            let next = bytes.get(offset + WINDOW).map_or(0..=u8::MAX, |byte| *byte..=*byte);
            for next in next {
                set(&mut table.four, hash_four([window[0], window[1], window[2], next]));
            }
            table.entries.push(Entry { bucket: bucket(hash), literal: index as u32, offset: offset as u32 });
        }
        table.entries.sort_by_key(|entry| entry.bucket);
        table.buckets = (0..=1 << BUCKET_BITS)
            .map(|bucket| table.entries.partition_point(|entry| entry.bucket < bucket) as u32)
            .collect();
        table
    }

    /// Adds the literals whose window is at `at`.
    fn verify(&self, text: &[u8], at: usize, starts: &Range<usize>, hits: &mut Vec<Hit>) {
        let bucket = bucket(hash_three([text[at], text[at + 1], text[at + 2], 0])) as usize;
        for entry in &self.entries[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize] {
            if let Some(start) = at.checked_sub(entry.offset as usize)
                && starts.contains(&start)
                && self.stands(text, start, entry.literal)
            {
                hits.push(Hit { literal: entry.literal, start: start as u32 });
            }
        }
    }

    fn stands(&self, text: &[u8], start: usize, literal: u32) -> bool {
        let Literal { text: literal, fold } = &self.literals[literal as usize];
        text.get(start..start + literal.len()).is_some_and(|found| {
            if *fold { found.eq_ignore_ascii_case(literal.as_bytes()) } else { found == literal.as_bytes() }
        })
    }
}

impl Literals for Table {
    fn hits(&self, text: &[u8], starts: Range<usize>, hits: &mut Vec<Hit>) {
        let starts = starts.start.min(text.len())..starts.end.min(text.len());
        for literal in &self.short {
            let Literal { text: bytes, fold } = &self.literals[*literal as usize];
            let first = bytes.as_bytes()[0];
            let (low, high) =
                if *fold { (first.to_ascii_lowercase(), first.to_ascii_uppercase()) } else { (first, first) };
            for at in memchr::memchr2_iter(low, high, &text[starts.clone()]) {
                let start = starts.start + at;
                if self.stands(text, start, *literal) {
                    hits.push(Hit { literal: *literal, start: start as u32 });
                }
            }
        }
        if self.entries.is_empty() {
            return;
        }
        // Windows start in this range.
        let end = (starts.end + self.deepest).min((text.len() + 1).saturating_sub(WINDOW));
        let mut at = starts.start;
        while at + STEP <= end
            && let Some(bytes) = text[at..].first_chunk::<{ STEP + WINDOW }>()
        {
            let window = |index: usize| [bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3]];
            let mut found = 0;
            for index in 0..STEP {
                found |= get(&self.three, hash_three(window(index))) << index;
            }
            while found != 0 {
                let index = found.trailing_zeros() as usize;
                if get(&self.four, hash_four(window(index))) != 0 {
                    self.verify(text, at + index, &starts, hits);
                }
                found &= found - 1;
            }
            at += STEP;
        }
        for at in at..end {
            if get(&self.three, hash_three([text[at], text[at + 1], text[at + 2], 0])) != 0 {
                self.verify(text, at, &starts, hits);
            }
        }
    }
}

/// Letters without their case, other bytes with another of their kind.
const FOLD: u32 = 0x2020_2020;

/// Of the first three bytes; multiplicative, as Knuth describes it (TAOCP 3, 6.4).
#[inline]
const fn hash_three(window: [u8; 4]) -> u32 {
    ((u32::from_le_bytes(window) | FOLD) & 0x00FF_FFFF).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)
}

/// Of all four bytes.
#[inline]
const fn hash_four(window: [u8; 4]) -> u32 {
    (u32::from_le_bytes(window) | FOLD).wrapping_mul(0x85EB_CA6B) >> (32 - HASH_BITS)
}

#[inline]
const fn get(bits: &Bits, hash: u32) -> u64 {
    bits[(hash >> 6) as usize] >> (hash & 63) & 1
}

const fn set(bits: &mut Bits, hash: u32) {
    bits[(hash >> 6) as usize] |= 1 << (hash & 63);
}

const fn bucket(hash: u32) -> u32 {
    hash & ((1 << BUCKET_BITS) - 1)
}

/// Where the window of a literal is that stands in the fewest other texts, with a byte behind it where there is one.
fn rarest(literal: &Literal) -> usize {
    let bytes = literal.text.as_bytes();
    // The product of how common its bytes are; of equal ones, the first.
    (0..=bytes.len().saturating_sub(WINDOW + 1))
        .min_by_key(|at| bytes[*at..at + WINDOW].iter().map(|byte| commonness(*byte)).product::<u32>())
        .unwrap_or(0)
}

/// How common a byte is in prose and code, in a rough scale.
fn commonness(byte: u8) -> u32 {
    match byte.to_ascii_lowercase() {
        b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 40,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 20,
        b'f' | b'g' | b'b' | b'y' | b'w' | b'v' | b'k' => 10,
        b'0'..=b'9' | b'.' | b'-' | b'/' | b'=' | b'"' => 6,
        _ => 4,
    }
}
