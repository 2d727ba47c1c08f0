//! What the finders in code have in common: steps over bytes that are not looked for, words beside a candidate, and whom they find for.

use std::ops::Range;

use compact_str::CompactString;

use crate::detector::{Detector, DetectorId};
use crate::validate::Validator;

use super::Candidate;

/// The detectors that a finder serves: each of them gets each candidate.
pub(super) struct Served {
    detectors: Vec<Of>,
}

struct Of {
    id: DetectorId,
    score: f32,
    validator: Option<Validator>,
    longest: usize,
}

/// How sure a finder is of the form of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sure {
    /// As its detector says.
    Form,
    /// Less than that: at most this score, so that only context takes it over a threshold.
    Weak(f32),
    /// It carries its evidence in itself.
    Evident,
}

impl Served {
    pub(super) fn new(detectors: &[(DetectorId, &Detector)]) -> Self {
        let detectors = detectors
            .iter()
            .map(|(id, detector)| Of {
                id: *id,
                score: detector.score,
                validator: detector.validator,
                longest: detector.max_length,
            })
            .collect();
        Self { detectors }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.detectors.is_empty()
    }

    /// Adds `range` of `text` as a candidate of every detector whose validator it passes and that allows its length.
    pub(super) fn add(&self, text: &str, range: Range<usize>, sure: Sure, found: &mut Vec<Candidate>) {
        if self.detectors.iter().all(|of| range.len() <= of.longest) {
            self.add_whole(text, range, sure, found);
        }
    }

    /// Adds `range`, however long it is: a part of it must not stay.
    pub(super) fn add_whole(&self, text: &str, range: Range<usize>, sure: Sure, found: &mut Vec<Candidate>) {
        for of in &self.detectors {
            if of.validator.is_none_or(|validator| validator(&text[range.clone()])) {
                let score = if let Sure::Weak(score) = sure { of.score.min(score) } else { of.score };
                found.push(Candidate {
                    start: range.start,
                    end: range.end,
                    detector: of.id,
                    score,
                    evident: sure == Sure::Evident,
                });
            }
        }
    }
}

/// The value of a number of at most nine digits.
pub(super) fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// The byte at `at`, or 0 outside of the text.
pub(super) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The byte before `at`, or 0 at the start of the text.
pub(super) fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(0, |at| byte(bytes, at))
}

/// Whether a byte belongs to a word: a letter (any beyond ASCII), a digit, `_`.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a byte belongs to a letter.
pub(super) const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// Where the run of bytes that `of` takes, from `at` on, ends; at most `most` bytes on.
pub(super) fn run(bytes: &[u8], at: usize, most: usize, of: impl Fn(u8) -> bool) -> usize {
    let end = bytes.len().min(at + most);
    bytes[at..end].iter().position(|byte| !of(*byte)).map_or(end, |offset| at + offset)
}

/// Where the run of bytes that `of` takes, up to `at`, starts; at most `most` bytes back, on a character boundary.
pub(super) fn run_back(text: &str, at: usize, most: usize, of: impl Fn(u8) -> bool) -> usize {
    let bytes = text.as_bytes();
    let start = at.saturating_sub(most);
    let start = bytes[start..at].iter().rposition(|byte| !of(*byte)).map_or(start, |offset| start + offset + 1);
    text.ceil_char_boundary(start)
}

/// The word that ends at `at`, but for what `between` takes: at most four bytes of that, at most 32 of the word.
pub(super) fn word_before(text: &str, at: usize, between: impl Fn(u8) -> bool) -> &str {
    let end = run_back(text, at, 4, between);
    &text[run_back(text, end, 32, is_letter)..end]
}

/// The first of some words that stands at `at`. Most texts are told by one byte.
pub(super) fn word_at<'w>(text: &str, at: usize, words: &[&'w str]) -> Option<&'w str> {
    let first = text.as_bytes().get(at)?;
    words.iter().find(|word| word.as_bytes().first() == Some(first) && text[at..].starts_with(**word)).copied()
}

/// The first of some words that ends at `at`. Most texts are told by one byte.
pub(super) fn word_to<'w>(text: &str, at: usize, words: &[&'w str]) -> Option<&'w str> {
    let last = text.as_bytes().get(at.checked_sub(1)?)?;
    words.iter().find(|word| word.as_bytes().last() == Some(last) && text[..at].ends_with(**word)).copied()
}

/// A word in lower case, kept in place where it is as short as most.
pub(super) fn lower(word: &str) -> CompactString {
    if !word.is_ascii() {
        return CompactString::from_str_to_lowercase(word);
    }
    let mut lower = CompactString::from(word);
    lower.make_ascii_lowercase();
    lower
}

/// Whether a text contains a word, ASCII letters without case.
pub(super) fn holds(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// The `most` bytes before `at`, from a character boundary.
pub(super) fn back(text: &str, at: usize, most: usize) -> &str {
    &text[text.ceil_char_boundary(at.saturating_sub(most))..at]
}

/// The `most` bytes from `at` on, to a character boundary.
pub(super) fn ahead(text: &str, at: usize, most: usize) -> &str {
    &text[at..text.floor_char_boundary(text.len().min(at + most))]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::detector;
    use crate::find::{self, Text};

    /// What the finder `code` finds alone: the text of each candidate and its score.
    pub(crate) fn found<'a>(code: &str, text: &'a str) -> Vec<(&'a str, f32)> {
        let mut found = candidates(code, text, 0..text.len());
        found.sort_by_key(|candidate| (candidate.start, candidate.end));
        found.iter().map(|candidate| (&text[candidate.start..candidate.end], candidate.score)).collect()
    }

    /// What the finder `code` finds that is not weak: it reaches 0.5 alone.
    pub(crate) fn sure<'a>(code: &str, text: &'a str) -> Vec<&'a str> {
        found(code, text).into_iter().filter(|(_, score)| *score >= 0.5).map(|(text, _)| text).collect()
    }

    pub(crate) fn candidates(code: &str, text: &str, range: Range<usize>) -> Vec<Candidate> {
        // Some finders know their types: `words NRP`.
        let (code, kind) = code.split_once(' ').unwrap_or((code, if code == "field" { "PERSON" } else { "NRP" }));
        // And some their detectors.
        let name = if code == "assignment" { "password_assignment" } else { "x" };
        let kind = if code == "names" { "PERSON" } else { kind };
        let toml = format!(
            "[[detector]]\nname = {name:?}\ntype = {kind:?}\ncode = {code:?}\nscore = 0.9\nmax_length = 4096\nexamples = [\"\"]\ncounter_examples = [\"\"]"
        );
        let detectors = detector::read("test", &toml).unwrap();
        let finder = find::by_name(code).unwrap()(&[(DetectorId(0), &detectors[0])]).unwrap();
        let mut found = Vec::new();
        finder.find(&Text::new(text), range, &mut found);
        found
    }

    /// Any text, and such as has the pieces that make finders look.
    pub(crate) fn texts() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::{any, prop_oneof};
        use proptest::sample::select;
        use proptest::strategy::Strategy as _;
        const PIECES: &[&str] = &[
            "@",
            ".",
            ":",
            "::",
            "://",
            "http",
            "www.",
            "a",
            "com",
            "[at]",
            " at ",
            " dot ",
            "+",
            "0",
            "49",
            "(",
            ")",
            "-",
            " ",
            "\n",
            "/",
            "2024",
            "12",
            "31",
            "March",
            "\u{e9}",
            "\u{4e2d}",
            "°",
            "'",
            "\"",
            "=",
            "<",
            ">",
            ",",
            "ssn",
            "name",
            "{",
            "0x",
            "bc1",
            "1",
            "fe80",
            "%",
            "T",
            "Z",
            "years old",
            "age",
            "Polish",
            "Mr",
            "ext",
            "1234567",
            "\u{2019}",
            "'s",
            ";",
            "|",
            "\t",
            "geo:",
            "12.34567",
            "patient_name",
            "é",
            "〒",
        ];
        prop_oneof![
            1 => any::<String>(),
            4 => proptest::collection::vec(select(PIECES), 0..40).prop_map(|pieces| pieces.concat()),
        ]
    }

    #[test]
    fn words_that_stand_at_a_place() {
        let words = ["to", "to the", "–"];
        assert_eq!(word_at("a to the b", 2, &words), Some("to"));
        assert_eq!(word_at("a–b", 1, &words), Some("–"));
        assert_eq!(word_at("a", 1, &words), None);
        assert_eq!(word_to("a to the b", 8, &words), Some("to the"));
        assert_eq!(word_to("a–b", 4, &words), Some("–"));
        assert_eq!(word_to("to", 0, &words), None);
    }

    #[test]
    fn words_beside() {
        assert_eq!(word_before("born: 1", 6, |byte| matches!(byte, b' ' | b':')), "born");
        assert_eq!(word_before("né 1", 4, |byte| byte == b' '), "né");
    }

    proptest::proptest! {
        /// No finder panics, and each gives ranges on character boundaries that hold something.
        #[test]
        fn finders_hold_for_any_text(text in texts(), from in 0_usize..40, len in 0_usize..400) {
            let from = text.floor_char_boundary(from);
            let to = text.floor_char_boundary(from + len).max(from);
            for (code, _) in find::CODE {
                for candidate in candidates(code, &text, from..to) {
                    proptest::prop_assert!(candidate.start < candidate.end && candidate.end <= text.len(), "{code} {candidate:?}");
                    proptest::prop_assert!(text.is_char_boundary(candidate.start) && text.is_char_boundary(candidate.end), "{code} {candidate:?}");
                }
            }
        }
    }
}
