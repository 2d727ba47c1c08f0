//! Groups of letters and digits in a text, and whether what begins or ends there is whole.

use super::shape::{LONGEST, SEPARATORS};

/// Letters before the first group that has a digit, in a group of their own: `PC 1234567`, `CHE-123.456.789`.
pub(super) const PREFIX: usize = 6;

/// What the bytes of a group are, as bits.
const DIGIT: u8 = 1;
pub(super) const LETTER: u8 = 2;

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
pub(in crate::find) fn group_end(bytes: &[u8], at: usize) -> usize {
    group(bytes, at).0
}

/// Where the letters and digits that begin at `at` end, and which of both they are.
pub(super) fn group(bytes: &[u8], at: usize) -> (usize, u8) {
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
pub(in crate::find) fn begins(bytes: &[u8], start: usize) -> bool {
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
pub(in crate::find) fn ends(bytes: &[u8], end: usize) -> bool {
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

/// Where a group of a few letters begins that stands before the group at `start`, with one separator between them.
pub(super) fn prefix(bytes: &[u8], start: usize) -> Option<usize> {
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
