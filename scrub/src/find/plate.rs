//! Licence plates: short groups of capital letters and digits together. Weak always: only context makes one of them a plate.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// All of them.
pub struct Plate(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Plate(Served::new(detectors))))
}

/// Letters and digits of a plate with what divides them.
const LONGEST: usize = 16;

impl Finder for Plate {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = core.start;
        let mut numbers = text.numbers_apart(from..core.end + LONGEST);
        while let Some(Range { start: first, end: number_end }) = numbers.next(from) {
            // Letters stand beside it, or across a divider.
            let beside = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'-');
            if !beside(before(bytes, first)) && !beside(byte(bytes, number_end)) {
                from = number_end;
                continue;
            }
            let start = start(text, first);
            let end = end(bytes, first);
            from = end.max(first + 1);
            let plate = &text[start..end];
            let count = plate.bytes().filter(u8::is_ascii_alphanumeric).count();
            let letters = plate.bytes().filter(u8::is_ascii_uppercase).count();
            let free = !is_word(before(bytes, start))
                && !is_word(byte(bytes, end))
                && !matches!(before(bytes, start), b'-' | b'/' | b'.' | b'#');
            if free && (4..=10).contains(&count) && (1..=6).contains(&letters) {
                self.0.add(text, start..end, Sure::Form, found);
            }
        }
    }
}

/// Where the groups of capitals and digits that end with the digit at `at` start.
fn start(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let prior = before(bytes, at);
    // Most numbers stand by themselves.
    if !(prior.is_ascii_uppercase() || matches!(prior, b' ' | b'-') && before(bytes, at - 1).is_ascii_uppercase()) {
        return at;
    }
    let mut start = run_back(text, at, 8, |byte| byte.is_ascii_uppercase());
    // `B-MW 1234`: at most two groups of letters before the first digit, three letters each.
    for _ in 0..2 {
        let divider = run_back(text, start, 1, |byte| matches!(byte, b' ' | b'-'));
        let group = run_back(text, divider, 4, |byte| byte.is_ascii_uppercase());
        if divider == start || group == divider || divider - group > 3 || is_word(before(bytes, group)) {
            break;
        }
        start = group;
    }
    start
}

/// Where the groups of capitals and digits that the digit at `at` begins end.
fn end(bytes: &[u8], at: usize) -> usize {
    let group = |from: usize| run(bytes, from, LONGEST, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let mut end = group(at);
    for _ in 0..3 {
        if !matches!(byte(bytes, end), b' ' | b'-') {
            break;
        }
        let next = group(end + 1);
        if next == end + 1 || next - end > 5 || next - at > LONGEST || is_word(byte(bytes, next)) {
            break;
        }
        end = next;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::found;

    #[test]
    fn plates() {
        for plate in [
            "B-MW 1234",
            "AB12 CDE",
            "KA53ME3456",
            "7ABC123",
            "AA-229-AA",
            "1234 BCD",
            "34 ABC 123",
            "M AB 123",
            "ABC-1234",
        ] {
            assert_eq!(found("plate", &format!("plate {plate}.")), [(plate, 0.9)]);
        }
        for text in ["12345", "abc123", "123e4567-e89b", "3A"] {
            assert!(found("plate", text).is_empty(), "{text}");
        }
    }
}
