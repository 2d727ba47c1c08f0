//! Telephone numbers: international (`+49 30 …`, `0049 …`, `011 49 …`) by numbering plan, national by how their digits are grouped, with
//! extensions. Digits in a row are a number only where context says so.

mod beside;
mod parts;
mod plan;

use std::ops::Range;

use crate::detector::{Detector, DetectorId, Find};

use self::beside::{is_date, is_isolated, is_quad, is_thousands, is_told};
use self::parts::{Digits, divider, extension};
use self::plan::Plans;
use super::scan::{Served, Sure, before, byte, is_letter, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// Groups of digits of one number, at the most.
const GROUPS: usize = 10;
/// Bytes of one number that are looked at.
const LONGEST: usize = 64;

/// Numbers with a sign or grouping.
pub struct Phone {
    served: Served,
    /// Those of digits in a row.
    plain: Served,
    plans: Plans,
}

/// The code by which detectors ask for digits in a row.
pub const PLAIN: &str = "phone_plain";

/// Makes it for numbers with a sign or grouping, and for digits in a row.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let code = Find::Code(PLAIN.to_owned());
    let (plain, served): (Vec<_>, Vec<_>) = detectors.iter().partition(|(_, detector)| detector.find == code);
    Ok(Box::new(Phone { served: Served::new(&served), plain: Served::new(&plain), plans: Plans::load()? }))
}

impl Finder for Phone {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = run_back(text, core.start, LONGEST, |byte| {
            byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+')
        });
        let mut numbers = text.numbers_apart(from..core.end + 3);
        while let Some(Range { start: first, end }) = numbers.next(from) {
            // Too few digits, and nothing behind them that may divide them from more.
            let next = byte(bytes, end);
            if end - first < 6 && next < 0x80 && !matches!(next, b' ' | b'-' | b'/' | b'.' | b'(' | b')') {
                from = end;
                continue;
            }
            let cluster = Cluster::read(text, first);
            from = cluster.end();
            if cluster.count < 6 || cluster.count > 40 {
                continue;
            }
            if let Some(range) = cluster.plain(text) {
                self.plain.add(text, range, Sure::Form, found);
            }
            if let Some((range, sure)) = cluster.judge(text, &self.plans) {
                from = from.max(range.end);
                self.served.add(text, range, sure, found);
            }
        }
    }
}

/// Groups of digits that are divided by what stands in telephone numbers.
struct Cluster {
    groups: [(usize, usize); GROUPS],
    len: usize,
    /// Digits in all of them.
    count: usize,
    /// Further groups follow.
    more: bool,
}

impl Cluster {
    /// The groups from the digit at `first` on.
    fn read(text: &str, first: usize) -> Self {
        let bytes = text.as_bytes();
        let mut cluster = Self { groups: [(first, first); GROUPS], len: 0, count: 0, more: false };
        let mut start = first;
        loop {
            let end = run(bytes, start, bytes.len(), |byte| byte.is_ascii_digit());
            if cluster.len == GROUPS {
                cluster.more = true;
                return cluster;
            }
            cluster.groups[cluster.len] = (start, end);
            cluster.len += 1;
            cluster.count += end - start;
            match divider(text, end) {
                Some(next) => start = next,
                None => return cluster,
            }
        }
    }

    fn groups(&self) -> &[(usize, usize)] {
        &self.groups[..self.len]
    }

    fn start(&self) -> usize {
        self.groups[0].0
    }

    fn end(&self) -> usize {
        self.groups[self.len - 1].1
    }

    /// Seven to thirteen digits in a row, on their own.
    fn plain(&self, text: &str) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let (start, end) = (self.start(), self.end());
        let free = !is_word(before(bytes, start))
            && !matches!(before(bytes, start), b'#' | b'$' | b'.' | b'-' | b'/' | b'+' | b'*')
            && !is_word(byte(bytes, end))
            && !matches!(byte(bytes, end), b'%' | b'-' | b'/' | b'*');
        (self.len == 1 && (7..=13).contains(&self.count) && free).then_some(start..end)
    }

    /// The number that the cluster starts with, and how sure that is.
    fn judge(&self, text: &str, plans: &Plans) -> Option<(Range<usize>, Sure)> {
        let bytes = text.as_bytes();
        let digit = self.start();
        let opened = before(bytes, digit) == b'(';
        let signed = digit - usize::from(opened);
        if before(bytes, signed) == b'+' || (opened && before(bytes, digit) == b'+') {
            return self.international(text, signed - 1, plans);
        }
        if before(bytes, digit) == b'+' {
            return self.international(text, digit - 1, plans);
        }
        let start = signed;
        let prior = before(bytes, start);
        // `tel:030…` is a number, `a:030…` of a host and port or of a time is none.
        let labelled = prior == b':' && is_letter(before(bytes, start - 1)) || !matches!(prior, b'-' | b':');
        if joins(text[..start].chars().next_back())
            || matches!(prior, b'/' | b'.' | b'$' | b'#' | b'+' | b'*' | b'@' | b'%' | b'\\')
            || (!labelled && is_word(before(bytes, start - 1)))
        {
            return None;
        }
        self.dialled(text, start, plans).or_else(|| self.national(text, start, opened, plans))
    }

    /// Behind a `+` at `start`: as many groups as make a number of a plan, else as make one at all.
    fn international(&self, text: &str, start: usize, plans: &Plans) -> Option<(Range<usize>, Sure)> {
        let bytes = text.as_bytes();
        if is_word(before(bytes, start)) || before(bytes, start) == b')' {
            return None;
        }
        let start = if text[..start].ends_with("tel:") { start - 4 } else { start };
        let start = start - usize::from(before(bytes, start) == b'(' && byte(bytes, self.groups[0].1) == b')');
        for (len, digits) in self.prefixes(bytes, 0) {
            if plans.international(digits.as_bytes()) {
                return self.closed(text, start, len).map(|end| (start..end, Sure::Evident));
            }
        }
        let (len, digits) = self.prefixes(bytes, 0).find(|(_, digits)| (8..=15).contains(&digits.len()))?;
        if !plans.has_code(digits.as_bytes()) {
            return None;
        }
        let end = self.closed(text, start, len)?;
        // `+911007728378` says what it is, though the plan has no such number.
        let long = digits.len() >= 11 && !matches!(before(bytes, start), b'+' | b'-' | b'=' | b'\n' | 0);
        Some((start..end, if len > 1 { Sure::Form } else { Sure::Weak(if long { 0.5 } else { 0.4 }) }))
    }

    /// Behind the prefix `00` or `011` of international calls.
    fn dialled(&self, text: &str, start: usize, plans: &Plans) -> Option<(Range<usize>, Sure)> {
        let bytes = text.as_bytes();
        let first = &bytes[self.groups[0].0..self.groups[0].1];
        let prefix = [&b"011"[..], b"00"].into_iter().find(|prefix| first.starts_with(prefix))?;
        let (len, _) = self.prefixes(bytes, prefix.len()).find(|(_, digits)| plans.international(digits.as_bytes()))?;
        let end = self.closed(text, start, len)?;
        Some((start..end, if len > 1 { Sure::Form } else { Sure::Weak(0.4) }))
    }

    /// The first groups, from all of them down to one, and their digits but for the first `skipped` and a trunk zero in brackets.
    fn prefixes<'a>(&'a self, bytes: &'a [u8], skipped: usize) -> impl Iterator<Item = (usize, Digits)> + 'a {
        (1..=self.len).rev().map(move |len| {
            let mut digits = Digits::default();
            for (index, (start, end)) in self.groups[..len].iter().enumerate() {
                let trunk = index > 0 && end - start == 1 && bytes[*start] == b'0' && before(bytes, *start) == b'(';
                if !trunk {
                    digits.extend(&bytes[*start..*end]);
                }
            }
            digits.skip(skipped);
            (len, digits)
        })
    }

    /// Without a sign: by its grouping.
    fn national(&self, text: &str, start: usize, opened: bool, plans: &Plans) -> Option<(Range<usize>, Sure)> {
        let bytes = text.as_bytes();
        if self.more || self.len < 2 || !(6..=14).contains(&self.count) {
            return None;
        }
        let opened = opened && byte(bytes, self.groups[0].1) == b')';
        let start = if opened { start } else { self.start() };
        let end = self.closed(text, start, self.len)?;
        let lens = self.groups.map(|(start, end)| end - start);
        let lens = &lens[..self.len];
        let mut seps = self.groups().windows(2).map(|pair| bytes[pair[0].1]);
        let first_sep = seps.next()?;
        let one_sep = seps.clone().all(|sep| sep == first_sep);
        // A dot beside other signs is a decimal point.
        if !one_sep && (first_sep == b'.' || seps.any(|sep| sep == b'.')) {
            return None;
        }
        let dotted = one_sep && first_sep == b'.';
        let spaced = one_sep && first_sep == b' ';
        if (one_sep && matches!(first_sep, b'-' | b'.' | b'/') && is_date(bytes, self.groups()))
            || (dotted && (lens.len() == 2 || (lens.len() == 4 && is_quad(bytes, self.groups()))))
            || (lens.len() == 3 && lens[..2] == [3, 2] && !spaced)
            // A ZIP code with its four.
            || (lens == [5, 4] && first_sep == b'-')
        {
            return None;
        }
        let digits = self.prefixes(bytes, 0).next()?.1;
        let digits = digits.as_bytes();
        // What follows `page=` ends at the space.
        let isolated = is_isolated(text, start, end) && !(spaced && before(bytes, start) == b'=');
        let book = digits.starts_with(b"978") || digits.starts_with(b"979");
        if book && digits.len() >= 13 {
            return None;
        }
        let form = |sure: bool| if sure { Sure::Form } else { Sure::Weak(0.3) };
        // North America: area, exchange, line.
        let american = match lens {
            [3, 3, 4] if digits[0] >= b'2' => Some(digits),
            [1, 3, 3, 4] if digits[0] == b'1' && digits[1] >= b'2' => Some(&digits[1..]),
            _ => None,
        };
        if let Some(number) = american {
            let sure = !spaced || (number[3] >= b'2' && isolated);
            return Some((start..end, form(sure)));
        }
        if opened {
            let area = lens[0];
            return (2..=6)
                .contains(&area)
                .then(|| (start..end, form(self.count >= 9 || digits[0] == b'0' || (self.len >= 3 && !spaced))));
        }
        let zero = digits[0] == b'0'
            && digits[1] != b'0'
            && lens[0] <= 6
            && (lens[0] > 1 || (lens.len() >= 3 && lens[1] == 3));
        let long = (9..=14).contains(&digits.len()) || (digits.len() == 8 && lens.len() >= 3);
        if zero && long && !(dotted && lens.len() < 4) {
            return Some((start..end, form(isolated && plans.behind_zero(&digits[1..]))));
        }
        // Numbers that the called pays, or that cost more, in many countries: 0800 1234, 1300 123 456, 1-300-12-3456
        let special = digits.starts_with(b"0800")
            || digits.starts_with(b"0900")
            || (digits[0] == b'1'
                && matches!(digits[1], b'3' | b'5' | b'6' | b'7' | b'8' | b'9')
                && digits[2..].starts_with(b"00"));
        let set_off = matches!(first_sep, b' ' | b'-') && (lens[0] == 4 || (lens[0] == 1 && lens[1] == 3 && !spaced));
        let short = lens[1..].iter().all(|len| (2..=4).contains(len));
        if special && set_off && short && !dotted && (8..=12).contains(&digits.len()) {
            return Some((start..end, form(isolated)));
        }
        // Russia and its neighbours: 8 800 555-35-35, 8 0152 45-09-11
        if lens[0] == 1 && digits[0] == b'8' && digits.len() == 11 && (3..=5).contains(&lens[1]) {
            return Some((start..end, form(isolated)));
        }
        let even = lens.iter().all(|len| *len == lens[0]);
        let small = lens.iter().all(|len| (2..=4).contains(len));
        let sure = match lens.len() {
            4.. => {
                small
                    && !(dotted && lens[0] < 3)
                    && (8..=12).contains(&digits.len())
                    && !(even && (spaced || lens[0] == 3))
            }
            3 => !spaced && !dotted && (8..=12).contains(&digits.len()) && lens[2] >= 3 && lens[0] <= 4,
            _ => false,
        };
        let grouped = lens[1..].iter().all(|len| *len >= 2) && !(spaced && is_thousands(lens));
        if !sure && isolated && grouped && is_told(text, start) {
            return Some((start..end, Sure::Weak(0.5)));
        }
        Some((start..end, form(sure && isolated)))
    }

    /// Where a number of the first `len` groups ends, with its extension; none when it runs into something else.
    fn closed(&self, text: &str, start: usize, len: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let end = self.groups[len - 1].1;
        if let Some(end) = extension(text, end) {
            return Some(end);
        }
        let next = byte(bytes, end);
        let foreign = joins(text[end..].chars().next())
            || matches!(next, b'%' | b'@')
            || (matches!(next, b'-' | b'/' | b'.' | b':' | b',')
                && len == self.len
                && byte(bytes, end + 1).is_ascii_digit())
            || (next == b'-' && is_word(byte(bytes, end + 1)));
        (!foreign && end - start <= LONGEST).then_some(end)
    }
}

/// Whether a character beside a number makes it a part of a word. Scripts without spaces do not.
fn joins(character: Option<char>) -> bool {
    character.is_some_and(|character| character == '_' || (character.is_alphanumeric() && character < '\u{2E80}'))
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn international_numbers() {
        for number in [
            "+49 30 1234567",
            "+49 (0)30 1234567",
            "+1-555-111-2222",
            "+1 (212) 555-0123",
            "+442079460958",
            "0049 30 1234567",
            "011 44 20 7946 0958",
            "+41 (0)96 471 07 95",
            "+33.1.23.45.67.89",
            "tel:+49-30-1234567",
            "(+44) 20 7946 0958",
            "+1 212 555 0123 ext. 45",
            "+86 138 0013 8000",
        ] {
            assert_eq!(sure("phone", &format!("You can get me at {number}.")), [number]);
        }
        assert_eq!(sure("phone", "+44 20 7946 0958 10115 x"), ["+44 20 7946 0958"]);
    }

    #[test]
    fn national_numbers() {
        for number in [
            "(212) 555-0123",
            "212-555-0123",
            "212.555.0123",
            "1-800-555-0199",
            "(555) 444-9999",
            "020 7946 0958",
            "01 23 45 67 89",
            "0171/1234567",
            "03.93.92.16.85",
            "(021) 0025-967",
            "(03) 5327 5996",
            "8 (800) 555-35-35",
            "612 34 56 78",
            "512-345-678",
            "212-555-0123 x89",
            "532.123.45.67",
            "0 532 123 45 67",
            "0 (917) 123 4567",
            "0660 565 36 45",
            "20-32-85-26",
            "030 - 12345678",
            "0800 1234",
            "1300 123 456",
            "1-300-12-3456",
            "03668/14538401",
            "8 0152 45-09-11",
            "020 7946 0958 int 123",
        ] {
            assert_eq!(sure("phone", &format!("I am at {number} today")), [number]);
        }
        for number in ["781 5991", "9472 7916", "469 34 883", "516 466 638", "73 448 266", "99 668472", "555-1234"] {
            assert_eq!(found("phone", &format!("I am at {number} today")), [(number, 0.3)]);
        }
        assert_eq!(sure("phone_plain", "phone 5551234567."), ["5551234567"]);
        for text in ["you can find me on 9472 7916", "Sie erreichen mich unter 7344 8266"] {
            assert_eq!(sure("phone", text).len(), 1, "{text}");
        }
        for text in ["the total stood at 9472 7916", "I counted on 12 345 678", "me on 9472 7916 7 8"] {
            assert!(sure("phone", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn other_numbers() {
        for text in [
            "2024-03-15",
            "15.03.2024",
            "192.168.100.200",
            "123.456.789",
            "1 234 567",
            "10 20 30 40",
            "978-3-16-148410-0",
            "123-45-6789",
            "123e4567-e89b-12d3-a456-426614174000",
            "12.345 67.890 11.234",
            "212 555 0123 333 444",
            "x+123456789",
            "2001-2003",
            "1.2.3.4",
            "4111 1111 1111 1111",
            "2024/03/15 10:20:30",
            "v1-212-555-0123-x",
            "0.123 0.456",
            "12 345 6789",
            "01/32/2020",
            "02111-1307",
            "0 1 2 3 4 5 6 7 8",
            "step 1500/10000",
            "page=0 404 260260",
            "0-943396-61-1",
            "123-45-67890",
        ] {
            assert!(sure("phone", text).is_empty(), "{text}: {:?}", found("phone", text));
        }
    }
}
