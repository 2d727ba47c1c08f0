//! International bank account numbers: the country says how long one is, so it is read off whatever its groups are.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};
use crate::validate::payment::iban_length;

use super::shapes::{begins, ends, group_end};
use super::{Candidate, Finder, Text};

/// Makes the finder.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let detectors = detectors.iter().map(|(id, detector)| (*id, (*detector).clone())).collect();
    Ok(Box::new(Ibans { detectors }))
}

struct Ibans {
    detectors: Vec<(DetectorId, Detector)>,
}

impl Finder for Ibans {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        // Its first digit stands behind the two letters of the country.
        let mut at = core.start;
        let mut numbers = text.numbers(at..core.end + 2);
        while let Some(Range { start: digit, .. }) = numbers.next(at) {
            at = group_end(bytes, digit);
            let Some(start) = digit.checked_sub(2) else { continue };
            if start > 0 && bytes[start - 1].is_ascii_alphanumeric() {
                continue;
            }
            let Some(range) = extent(bytes, start) else { continue };
            for (id, detector) in &self.detectors {
                if detector.validator.is_none_or(|validator| validator(&text[range.clone()])) {
                    let (start, end, score) = (range.start, range.end, detector.score);
                    found.push(Candidate { start, end, detector: *id, score, evident: false });
                }
            }
        }
    }
}

/// What can be an IBAN at `start`: two letters of a country, two digits, and as many letters and digits as the country has, alone or with single
/// separators between groups.
fn extent(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let head = bytes.get(start..start + 4)?;
    if !head[..2].iter().all(u8::is_ascii_alphabetic) || !head[2..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = iban_length([head[0], head[1]])?;
    let mut count = 0;
    let mut at = start;
    while count < length {
        match bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => count += 1,
            b' ' | b'-' | b'.' if bytes[at - 1].is_ascii_alphanumeric() => {}
            _ => return None,
        }
        at += 1;
    }
    (begins(bytes, start) && ends(bytes, at)).then_some(start..at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_country_says_how_long_it_is() {
        for (text, end) in [
            ("DE89370400440532013000", Some(22)),
            ("DE89 3704 0044 0532 0130 00 and 5", Some(27)),
            ("DE89 3704 0044 0532 0130 0012", None),
            ("DE89 3704", None),
            ("NO93 8601 1117 947.", Some(18)),
            ("XX89370400440532013000", None),
        ] {
            assert_eq!(extent(text.as_bytes(), 0), end.map(|end| 0..end), "{text}");
        }
    }
}
