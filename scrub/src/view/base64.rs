//! Runs of base64 (RFC 4648) that decode to text.

use std::ops::Range;

use super::Alphabet;

/// The shortest run that is read, in characters. Fewer of any text decode to text by chance.
const SHORTEST: usize = 24;

/// A run that decodes to text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Start and length of its lines, each of whole units but for the last one, which takes in the padding.
    pub(super) lines: Vec<(usize, usize)>,
    pub(super) text: String,
    pub(super) alphabet: Alphabet,
    /// Where its digits end, of which the last ones may not be text.
    pub(super) digits_end: usize,
}

impl Run {
    pub(super) fn range(&self) -> Range<usize> {
        let start = self.lines.first().map_or(0, |line| line.0);
        start..self.lines.last().map_or(0, |line| line.0 + line.1)
    }
}

/// The value of each digit in either alphabet; [`NONE`] for others.
const DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut index = 0;
    while index < 26 {
        digits[b'A' as usize + index] = index as u8;
        digits[b'a' as usize + index] = 26 + index as u8;
        if index < 10 {
            digits[b'0' as usize + index] = 52 + index as u8;
        }
        index += 1;
    }
    digits[b'+' as usize] = 62;
    digits[b'-' as usize] = 62;
    digits[b'/' as usize] = 63;
    digits[b'_' as usize] = 63;
    digits
};

const NONE: u8 = 255;

fn is_digit(byte: u8) -> bool {
    DIGITS[usize::from(byte)] != NONE
}

/// The runs in `bytes`, in order. One at the start of `bytes` may have begun before it, within a unit.
pub(super) fn runs(bytes: &[u8]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    while at + SHORTEST <= bytes.len() {
        // From the end of the shortest run back: most of other texts is never looked at.
        if let Some(other) = bytes[at..at + SHORTEST].iter().rposition(|byte| !is_digit(*byte)) {
            at += other + 1;
            continue;
        }
        let end = end_of_digits(bytes, at);
        let next = parts(bytes, at..end, &mut runs);
        at = next.max(end) + usize::from(next <= end);
    }
    runs
}

fn end_of_digits(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| !is_digit(*byte)).map_or(bytes.len(), |at| from + at)
}

/// Adds what decodes of the digits in `range`; returns where the search goes on.
fn parts(bytes: &[u8], range: Range<usize>, runs: &mut Vec<Run>) -> usize {
    let digits = &bytes[range.clone()];
    let standard = digits.iter().any(|byte| matches!(byte, b'+' | b'/'));
    let url = digits.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = match (standard, url) {
        (false, false) => Some(Alphabet::Either),
        (true, false) => Some(Alphabet::Standard),
        (false, true) => Some(Alphabet::Url),
        (true, true) => None,
    };
    if let Some(alphabet) = alphabet
        && let Some(run) = decode(bytes, range.clone(), alphabet)
    {
        let end = run.range().end;
        runs.push(run);
        return end;
    }
    // The characters of one alphabet are what divides words in the other: `token/aGVs…`, `name-aGVs…`.
    for (divides, others) in [(&b"-_"[..], Alphabet::Standard), (b"+/", Alphabet::Url)] {
        let known = runs.len();
        let mut from = range.start;
        while from < range.end {
            let to =
                bytes[from..range.end].iter().position(|byte| divides.contains(byte)).map_or(range.end, |at| from + at);
            if to - from >= SHORTEST && to - from < range.len() {
                let plain = bytes[from..to].iter().all(u8::is_ascii_alphanumeric);
                runs.extend(decode(bytes, from..to, if plain { Alphabet::Either } else { others }));
            }
            from = to + 1;
        }
        if let Some(run) = runs[known..].last() {
            return run.range().end.max(range.end);
        }
    }
    range.end
}

/// The run that starts at `range`, if it decodes to text from its start on: as far as it does.
fn decode(bytes: &[u8], range: Range<usize>, alphabet: Alphabet) -> Option<Run> {
    let phases = if range.start == 0 { 0..4 } else { 0..1 };
    phases.into_iter().find_map(|phase| decode_from(bytes, range.start + phase..range.end, alphabet, range.start == 0))
}

fn decode_from(bytes: &[u8], range: Range<usize>, alphabet: Alphabet, cut: bool) -> Option<Run> {
    let mut first = range.clone();
    if cut {
        // The start may be in the middle of a character.
        for _ in 0..2 {
            let unit = bytes.get(first.start..first.start + 2)?;
            let byte = DIGITS[usize::from(unit[0])] << 2 | DIGITS[usize::from(unit[1])] >> 4;
            if byte & 0xC0 == 0x80 {
                first.start += 4;
            }
        }
    }
    if first.len() < SHORTEST || text_len(&start(&bytes[first.start..first.start + SHORTEST])) + 3 < SHORTEST / 4 * 3 {
        return None;
    }
    let mut lines = lines(bytes, first);
    let digits_end = lines.last().map_or(0, |line| end_of_digits(bytes, line.0 + line.1));
    let mut decoded = Vec::new();
    for (start, len) in &lines {
        decoded.extend(units(&bytes[*start..start + len]));
    }
    let len = text_len(&decoded);
    if len < decoded.len() {
        // Whole units only, and whole characters.
        let mut whole = len / 3 * 3;
        while whole > 0 && decoded[whole] & 0xC0 == 0x80 {
            whole -= 3;
        }
        decoded.truncate(whole);
        let mut left = whole / 3 * 4;
        lines.retain_mut(|line| {
            line.1 = line.1.min(left);
            left -= line.1;
            line.1 > 0
        });
    } else if let Some(last) = lines.last_mut() {
        let padding = match last.1 % 4 {
            2 => 2,
            3 => 1,
            _ => 0,
        };
        let end = last.0 + last.1;
        if bytes[end..].iter().take(padding).filter(|byte| **byte == b'=').count() == padding {
            last.1 += padding;
        }
    }
    if decoded.len() < SHORTEST / 4 * 3 {
        return None;
    }
    Some(Run { lines, text: String::from_utf8(decoded).ok()?, alphabet, digits_end })
}

/// How much of the bytes is text: UTF-8 without control characters that texts do not have.
fn text_len(bytes: &[u8]) -> usize {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || *byte == 0x7F;
    bytes[..valid].iter().position(control).unwrap_or(valid)
}

/// Digits decoded; a single digit at the end means nothing.
fn units(digits: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for unit in digits.chunks(4) {
        bytes.extend_from_slice(&decoded(unit)[..unit.len() - 1]);
    }
    bytes
}

/// The first [`SHORTEST`] digits decoded: most runs are told by them.
fn start(digits: &[u8]) -> [u8; SHORTEST / 4 * 3] {
    let mut bytes = [0; SHORTEST / 4 * 3];
    for (unit, bytes) in digits.chunks(4).zip(bytes.chunks_mut(3)) {
        bytes.copy_from_slice(&decoded(unit));
    }
    bytes
}

/// Up to four digits decoded; those that are missing are zeros.
fn decoded(unit: &[u8]) -> [u8; 3] {
    let bits = unit.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(DIGITS[usize::from(*digit)]));
    let [_, bytes @ ..] = (bits << (6 * (4 - unit.len()))).to_be_bytes();
    bytes
}

/// The lines of a run whose first one is `first`: MIME and PEM break them. All but the last are equally long.
fn lines(bytes: &[u8], first: Range<usize>) -> Vec<(usize, usize)> {
    // A single digit at the end belongs to no unit.
    let whole = |len: usize| if len % 4 == 1 { len - 1 } else { len };
    let length = first.len();
    let mut lines = vec![(first.start, whole(length))];
    let mut end = first.end;
    while lines.last().is_some_and(|line| line.1.is_multiple_of(4) && line.0 + line.1 == end) {
        let Some(start) = next_line(bytes, end) else { break };
        let next = end_of_digits(bytes, start);
        let len = next - start;
        // The first line may have begun before the start of the bytes.
        if len == 0 || len > length && lines.len() > 1 {
            break;
        }
        lines.push((start, whole(len)));
        end = next;
    }
    if lines.last().is_some_and(|line| line.1 == 0) {
        lines.pop();
    }
    lines
}

/// Where the next line starts when a line ends at `end`.
fn next_line(bytes: &[u8], end: usize) -> Option<usize> {
    let rest = &bytes[end..];
    let wrap = [&b"\r\n"[..], b"\n"].into_iter().find(|wrap| rest.starts_with(wrap))?.len();
    let indent = rest[wrap..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Some(end + wrap + indent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(Range<usize>, String)> {
        runs(source.as_bytes()).into_iter().map(|run| (run.range(), run.text)).collect()
    }

    #[test]
    fn runs_that_decode_to_text_are_found() {
        // The text of RFC 4648's own abstract, by coreutils' base64.
        let encoded = "VGhpcyBkb2N1bWVudCBkZXNjcmliZXMgdGhlIGNvbW1vbmx5IHVzZWQ=";
        let text = "This document describes the commonly used";
        assert_eq!(texts(encoded), [(0..56, text.to_owned())]);
        let data = format!("data:text/plain;base64,{encoded}\" ");
        assert_eq!(texts(&data), [(23..79, text.to_owned())]);
        let path = format!("/token/name/{}", encoded.trim_end_matches('='));
        assert_eq!(texts(&path), [(12..67, text.to_owned())]);
        let wrapped = format!("{}\r\n{}\n", &encoded[..28], &encoded[28..]);
        assert_eq!(texts(&wrapped), [(0..58, text.to_owned())]);
        for phase in 1..4 {
            let rest = &texts(&encoded[phase..])[0].1;
            assert!(text.ends_with(rest) && rest.len() > text.len() - 6, "{rest}");
        }
    }

    #[test]
    fn other_runs_are_not() {
        for other in [
            "d41d8cd98f00b204e9800998ecf8427e",
            "3fdba35f04dc8c462986c992bcf875546257113072a909c162f7e470e581e278",
            "/usr/local/lib/python/site-packages/package/module",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "Pneumonoultramicroscopicsilicovolcanoconiosis",
        ] {
            assert_eq!(texts(other), [], "{other}");
        }
    }
}
