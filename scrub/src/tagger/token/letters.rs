//! Words: where a run of letters ends, how it is written, and the hashes of it, of its beginning and of its ends.

use std::ops::Range;

use super::{Case, Sign, Token, mix, read};

/// Characters of a word that are hashed; the rest of a longer run is only read past.
const HASHED: usize = 48;

/// The run of letters at `start`; `glued` is left to the caller. Of ASCII, as nearly all are, eight are read at once.
#[inline]
pub(super) fn letters(text: &str, start: usize) -> Token {
    let bytes = text.as_bytes();
    let mut word = Folded::default();
    let mut end = start;
    // Some letter is small, some is a capital, several are.
    let (mut small, mut capital, mut capitals) = (false, false, false);
    loop {
        let chunk = chunk(bytes, end);
        let letters = ascii_letters(chunk);
        let count = (!letters & HIGH).trailing_zeros() / 8;
        let kept = u64::MAX.checked_shr(64 - 8 * count).unwrap_or(0);
        if end < start + HASHED && count > 0 {
            word.add((chunk | (EACH * 0x20)) & kept);
        }
        // A capital letter has no bit 5, here moved to the place of bit 7.
        let upper = letters & !(chunk << 2) & kept;
        small |= letters & (chunk << 2) & kept != 0;
        capitals |= capital && upper != 0 || upper & upper.wrapping_sub(1) != 0;
        capital |= upper != 0;
        end += count as usize;
        if count < 8 {
            break;
        }
    }
    if !bytes.get(end).is_none_or(u8::is_ascii) && matches!(read(text, end), Some((_, 1 | 2 | 6, _))) {
        return letters_beyond(text, start);
    }
    let run = &bytes[start..end];
    let first = std::array::from_fn(|at| run.get(at).map_or(0, |byte| u32::from(byte | 0x20)));
    let last =
        std::array::from_fn(|at| run.len().checked_sub(at + 1).map_or(0, |behind| u32::from(run[behind] | 0x20)));
    let first_upper = run.first().is_some_and(u8::is_ascii_uppercase);
    let upper = usize::from(capital) + usize::from(capitals);
    let case = case(upper, usize::from(small), run.len(), first_upper);
    word.token(start..end, run.len(), first, last, case)
}

/// As [`letters`], where some are beyond ASCII.
#[cold]
#[inline(never)]
fn letters_beyond(text: &str, start: usize) -> Token {
    let mut folded = [0_u8; 4 * HASHED];
    let (mut hashed, mut length, mut end) = (0, 0, start);
    let (mut upper, mut lower, mut first_upper) = (0, 0, false);
    let (mut first, mut last) = ([0_u32; 3], [0_u32; 4]);
    while let Some((c, class @ (1 | 2 | 6), next)) = read(text, end) {
        let small = if class == 2 { c.to_lowercase().next().unwrap_or(c) } else { c };
        if length < HASHED {
            hashed += small.encode_utf8(&mut folded[hashed..]).len();
        }
        if let Some(first) = first.get_mut(length) {
            *first = small as u32;
        }
        last = [small as u32, last[0], last[1], last[2]];
        first_upper |= length == 0 && class == 2;
        upper += usize::from(class == 2);
        lower += usize::from(class == 1);
        length += 1;
        end = next;
    }
    let mut word = Folded::default();
    for at in (0..hashed).step_by(8) {
        word.add(chunk(&folded[..hashed], at));
    }
    word.token(start..end, length, first, last, case(upper, lower, length, first_upper))
}

/// One in each byte.
const EACH: u64 = u64::MAX / 255;
/// The highest bit of each byte.
const HIGH: u64 = EACH << 7;

/// The eight bytes at `at`, the first the lowest; zeros behind the end.
#[inline]
fn chunk(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |chunk, byte| chunk << 8 | u64::from(*byte)),
    }
}

/// The highest bit of each byte that is a letter of ASCII.
#[inline]
const fn ascii_letters(chunk: u64) -> u64 {
    // Without its highest bit and in lower case a byte is at least `a` where the first sum reaches that bit, and above `z` where the second does.
    let small = (chunk | (EACH * 0x20)) & !HIGH;
    (small + EACH * (0x80 - b'a' as u64)) & !(small + EACH * (0x7f - b'z' as u64)) & !chunk & HIGH
}

/// How a word is written, by its numbers of capital and small letters (of which two or one stand for more) and of all characters.
const fn case(upper: usize, lower: usize, length: usize, first_upper: bool) -> Case {
    match (upper, lower) {
        (0, 0) => Case::Uncased,
        (0, _) => Case::Lower,
        (1, 0) if length == 1 => Case::Initial,
        (_, 0) => Case::Upper,
        (1, _) if first_upper => Case::Title,
        _ if first_upper => Case::Mixed,
        _ => Case::Camel,
    }
}

/// The hash of a word in lower case, of eight bytes after the other.
struct Folded(u64);

impl Default for Folded {
    fn default() -> Self {
        Self(0x8445_d61a_4e77_4912)
    }
}

impl Folded {
    #[inline]
    const fn add(&mut self, chunk: u64) {
        self.0 = (self.0.rotate_left(23) ^ chunk).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// The token of the word, of which the first three and the last four characters (the last one first) are given.
    #[inline]
    fn token(&self, place: Range<usize>, length: usize, first: [u32; 3], last: [u32; 4], case: Case) -> Token {
        let word = ((self.0 ^ self.0 >> 32).wrapping_mul(0xc2b2_ae3d_27d4_eb4f) >> 32) as u32;
        let two = mix(mix(11, last[0]), last[1]);
        let three = mix(two, last[2]);
        Token {
            start: place.start,
            end: place.end,
            word,
            prefix: if length > 3 { mix(mix(mix(7, first[0]), first[1]), first[2]) | 1 } else { 0 },
            suffix: [
                if length > 2 { two } else { 0 },
                if length > 3 { three } else { 0 },
                if length > 4 { mix(three, last[3]) } else { 0 },
            ],
            case,
            sign: Sign::Word,
            length: length.min(255) as u8,
            ..Token::EDGE
        }
    }
}
