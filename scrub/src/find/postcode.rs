//! Postcodes: those that their shape gives away (United Kingdom, Canada, with `〒`, behind a state of the United States or a house number), and
//! any shape of a postcode where context says so.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, back, before, byte, holds, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// The United States, their territories and armed forces, as in addresses.
const STATES: &[&str] = &[
    "AK", "AL", "AR", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "IA", "ID", "IL", "IN", "KS", "KY", "LA",
    "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR",
    "PA", "PR", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VI", "VT", "WA", "WI", "WV", "WY", "GU", "AS", "MP", "AE",
    "AP", "AA",
];

/// Words of a street, in lower case.
const STREETS: &[&str] = &[
    "str.", "straße", "strasse", "street", " st,", " ave", "road", " rd", "rue ", "via ", "calle", "rua ", "straat",
    "weg ", "ul.", "gatan", "platz", "blvd", "lane", "drive",
];

/// Shapes of the postcodes of countries, 9 a digit, A a capital letter; the longer before those that they start with; and how many
/// digits each starts with.
const SHAPES: &[(usize, &str)] = &[
    (5, "99999-9999"),
    (5, "99999-999"),
    (4, "9999-999"),
    (3, "999-9999"),
    (2, "99-999"),
    (4, "9999 AA"),
    (4, "9999AA"),
    (3, "999 99"),
    (6, "999999"),
    (5, "99999"),
    (4, "9999"),
    (3, "999"),
];

/// All of them.
pub struct Postcode(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Postcode(Served::new(detectors))))
}

impl Finder for Postcode {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = core.start;
        // A postcode has a digit among its first three characters.
        let mut numbers = text.numbers_apart(from..core.end + 3);
        while let Some(Range { start: first, end }) = numbers.next(from) {
            from = end;
            if end - first > 6 {
                continue;
            }
            let start = run_back(text, first, 3, |byte| byte.is_ascii_alphabetic());
            if start == first && is_word(before(bytes, first)) && before(bytes, first) < 0x80 {
                continue;
            }
            let place = if start < first { lettered(text, start) } else { numeric(text, first, end) };
            if let Some((range, sure)) = place {
                from = from.max(range.end);
                self.0.add(text, range, sure, found);
            }
        }
    }
}

/// The end of what at `start` has a shape.
fn shaped(bytes: &[u8], start: usize, shape: &str) -> Option<usize> {
    let end = start + shape.len();
    let there = bytes.get(start..end)?;
    let formed = shape.bytes().zip(there).all(|(shape, byte)| match shape {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        _ => shape == *byte,
    });
    (formed && !is_word(byte(bytes, end))).then_some(end)
}

/// The end of what has the shape of a postcode at `start`, within an address.
pub(super) fn code_at(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    if byte(bytes, start).is_ascii_digit() {
        let digits = run(bytes, start, 12, |byte| byte.is_ascii_digit()) - start;
        let of = |shape: &&(usize, &str)| shape.0 == digits && shape.1.len() > 3;
        let end = SHAPES.iter().filter(of).find_map(|(_, shape)| shaped(bytes, start, shape))?;
        return (!matches!(byte(bytes, end), b'/' | b':' | b'%')).then_some(end);
    }
    lettered(text, start).map(|(range, _)| range.end)
}

/// `SW1A 1AA`, `K1A 0B1`.
fn lettered(text: &str, start: usize) -> Option<(Range<usize>, Sure)> {
    let bytes = text.as_bytes();
    let prior = before(bytes, start);
    if is_word(prior) || matches!(prior, b'-' | b'/' | b'.' | b'#' | b'@') {
        return None;
    }
    let end = run(bytes, start, 5, |byte| byte.is_ascii_alphanumeric());
    let space = usize::from(byte(bytes, end) == b' ');
    let inward = bytes.get(end + space..end + space + 3)?;
    let whole = end + space + 3;
    if space == 1 && !is_word(byte(bytes, whole)) {
        let outward = &bytes[start..end];
        let upper = |code: &[u8]| code.iter().all(|byte| !byte.is_ascii_lowercase());
        let sure = if upper(outward) && upper(inward) { Sure::Form } else { Sure::Weak(0.3) };
        if is_british(outward, inward) || is_canadian(outward, inward) {
            return Some((start..whole, sure));
        }
    }
    // Written together.
    let end = run(bytes, start, 8, |byte| byte.is_ascii_alphanumeric());
    let token = &bytes[start..end];
    let (outward, inward) = token.split_at_checked(token.len().checked_sub(3)?)?;
    let free = !is_word(byte(bytes, end)) && byte(bytes, end) != b'-';
    (free
        && token.iter().all(|byte| !byte.is_ascii_lowercase())
        && (is_british(outward, inward) || is_canadian(outward, inward)))
    .then_some((start..end, Sure::Weak(0.3)))
}

/// BS 7666: `A9 9AA`, `A99`, `A9A`, `AA9`, `AA99`, `AA9A`, without the letters that stand in none of these places; `GIR 0AA`.
fn is_british(outward: &[u8], inward: &[u8]) -> bool {
    let area = outward.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (out, district) = (|index: usize| outward[index].to_ascii_uppercase(), &outward[area..]);
    let formed = (1..=2).contains(&area)
        && match district {
            [digit] => digit.is_ascii_digit(),
            [digit, last] => digit.is_ascii_digit() && last.is_ascii_alphanumeric(),
            _ => false,
        };
    let letters = || !matches!(out(0), b'Q' | b'V' | b'X') && (area < 2 || !matches!(out(1), b'I' | b'J' | b'Z'));
    formed
        && letters()
        && inward[0].is_ascii_digit()
        && inward[1..].iter().all(|byte| {
            byte.is_ascii_alphabetic() && !matches!(byte.to_ascii_uppercase(), b'C' | b'I' | b'K' | b'M' | b'O' | b'V')
        })
}

/// Canada Post: `A9A 9A9` without D, F, I, O, Q and U; not W or Z first.
fn is_canadian(outward: &[u8], inward: &[u8]) -> bool {
    let letter = |byte: u8| {
        byte.is_ascii_alphabetic() && !matches!(byte.to_ascii_uppercase(), b'D' | b'F' | b'I' | b'O' | b'Q' | b'U')
    };
    outward.len() == 3
        && letter(outward[0])
        && !matches!(outward[0].to_ascii_uppercase(), b'W' | b'Z')
        && outward[1].is_ascii_digit()
        && letter(outward[2])
        && inward[0].is_ascii_digit()
        && letter(inward[1])
        && inward[2].is_ascii_digit()
}

/// Those that start with a digit.
fn numeric(text: &str, start: usize, end: usize) -> Option<(Range<usize>, Sure)> {
    let bytes = text.as_bytes();
    let prior = before(bytes, start);
    if matches!(prior, b'.' | b'/' | b'$' | b'#' | b'+' | b'_' | b':')
        && (prior != b':' || before(bytes, start - 1).is_ascii_digit())
        || (matches!(prior, b',') && before(bytes, start - 1).is_ascii_digit() && end - start == 3)
    {
        return None;
    }
    let whole = SHAPES
        .iter()
        .filter(|(digits, _)| *digits == end - start)
        .find_map(|(_, shape)| shaped(bytes, start, shape))?;
    let next = byte(bytes, whole);
    if next == b'%'
        || (matches!(next, b'.' | b'-' | b'/' | b':' | b',') && byte(bytes, whole + 1).is_ascii_digit())
        || next == b'-' && is_word(byte(bytes, whole + 1))
    {
        return None;
    }
    if text[..start].ends_with('〒') {
        return Some((start..whole, Sure::Evident));
    }
    if prior == b'-' {
        // D-10115 Berlin: the sign of the country before it.
        let sign = run_back(text, start - 1, 2, |byte| byte.is_ascii_uppercase());
        let signed = sign < start - 1
            && !is_word(before(bytes, sign))
            && before(bytes, sign) != b'-'
            && matches!(end - start, 4 | 5);
        let town = next == b' ' && text[whole + 1..].starts_with(char::is_uppercase);
        return signed.then_some((sign..whole, if town { Sure::Form } else { Sure::Weak(0.3) }));
    }
    let len = whole - start;
    if len == 5 || len == 10 {
        let near = back(text, start, 5);
        let state = near
            .strip_suffix(' ')
            .and_then(|near| near.get(near.len().saturating_sub(2)..))
            .is_some_and(|state| STATES.contains(&state));
        // `, CA 90210`: not `OR 12345`.
        if state && matches!(before(bytes, start.saturating_sub(3)), b' ' | b',') && back(text, start, 6).contains(',')
        {
            return Some((start..whole, Sure::Form));
        }
    }
    // `Hauptstr. 5, 10115 Berlin`: a town behind it and a street before.
    if (4..=7).contains(&len)
        && end - start >= 4
        && next == b' '
        && text[whole + 1..].starts_with(char::is_uppercase)
        && matches!(prior, b' ' | b'\n')
    {
        let line = back(text, start, 48);
        let street = line.trim_end().trim_end_matches(',');
        let numbered = street.len() < line.trim_end().len() || prior == b'\n';
        let house = street.trim_end_matches(char::is_alphabetic).ends_with(|last: char| last.is_ascii_digit());
        let lower = street.to_lowercase();
        if numbered && house && STREETS.iter().any(|word| holds(&lower, word)) {
            return Some((start..whole, Sure::Form));
        }
    }
    Some((start..whole, Sure::Weak(0.2)))
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn postcodes_by_shape() {
        for (text, code) in [
            ("London SW1A 1AA.", "SW1A 1AA"),
            ("M1 1AE", "M1 1AE"),
            ("Ottawa K1A 0B1", "K1A 0B1"),
            ("Beverly Hills, CA 90210", "90210"),
            ("Beverly Hills, CA 90210-1234", "90210-1234"),
            ("D-10115 Berlin", "D-10115"),
            ("Hauptstr. 5, 10115 Berlin", "10115"),
            ("〒100-0001 東京", "100-0001"),
        ] {
            assert_eq!(sure("postcode", text), [code], "{text}");
        }
        for text in
            ["OR 12345", "B2B 4AA4", "X1 1AA", "in 1998 The", "12345", "M1 1AC", "WHERE x, 10115 Berlin", "AB12-3CD"]
        {
            assert!(sure("postcode", text).is_empty(), "{text}: {:?}", found("postcode", text));
        }
        for text in ["12345", "1012 AB", "12345-678", "53-320", "880"] {
            assert_eq!(found("postcode", text), [(text, 0.2)]);
        }
    }
}
