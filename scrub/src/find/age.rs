//! Ages, by what stands beside the number: `aged 45`, `45-year-old`, `45 Jahre alt`.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, ahead, back, before, byte, is_letter, is_word, run_back, value};
use super::{Candidate, Finder, Text};

/// What follows an age, in lower case.
const BEHIND: &[&str] = &[
    " years old",
    " year old",
    "-year-old",
    " year-old",
    "-years-old",
    " yr old",
    "-yr-old",
    " yrs old",
    " yr. old",
    " years of age",
    " y/o",
    " yo ",
    " yo,",
    " yo.",
    " y.o.",
    "yo ",
    "y/o",
    "-yo ",
    " months old",
    "-month-old",
    " month old",
    " weeks old",
    "-week-old",
    " days old",
    " jahre alt",
    "-jährig",
    " jährig",
    "jährig",
    " jahre jung",
    " ans et demi",
    " años de edad",
    " anos de idade",
    " anni di età",
    " jaar oud",
    "-jarige",
    "-jähriger",
    " år gammal",
    " år gammel",
    " yaşında",
    " let star",
    " roku życia",
    " лет от роду",
    "-летн",
    "-letni",
    "岁",
    "歳",
    "살",
];

/// What may follow an age and may follow a duration.
const WEAK: &[&str] = &[
    " ans", " años", " anos", " anni", " jaar", " lat", " let", " лет", " год", " år", "세", " years", " yrs", " jahre",
];

/// What stands before an age, in lower case.
const BEFORE: &[&str] = &[
    "age",
    "aged",
    "ages",
    "turned",
    "turning",
    "turn",
    "alter",
    "alter von",
    "âge",
    "âgé de",
    "âgée de",
    "agé de",
    "agée de",
    "edad",
    "edad de",
    "età",
    "età di",
    "all'età di",
    "idade",
    "idade de",
    "leeftijd",
    "leeftijd van",
    "wiek",
    "w wieku",
    "ålder",
    "alder",
    "yaş",
    "yaşı",
    "возраст",
    "в возрасте",
    "věk",
    "ve věku",
    "age of",
    "ages of",
    "age is",
    "age was",
    "年龄",
    "年齢",
    "나이",
];

/// All of them.
pub struct Age(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Age(Served::new(detectors))))
}

impl Finder for Age {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let (mut numbers, mut from) = (text.numbers_apart(core.clone()), core.start);
        while let Some(Range { start, end }) = numbers.next(from) {
            from = end;
            if end - start > 3 {
                continue;
            }
            let (prior, next) = (before(bytes, start), byte(bytes, end));
            let part = (is_word(prior) && prior < 0x80)
                || (matches!(prior, b'.' | b',' | b'-' | b'/' | b':') && before(bytes, start - 1).is_ascii_digit())
                || matches!(prior, b'$' | b'#' | b'/' | b'.')
                || (matches!(next, b'.' | b',' | b':' | b'/') && byte(bytes, end + 1).is_ascii_digit())
                || next == b'%';
            if part || !(1..=120).contains(&value(&bytes[start..end])) {
                continue;
            }
            if let Some(sure) = judge(text, start, end) {
                self.0.add(text, start..end, sure, found);
            }
        }
    }
}

fn judge(text: &str, start: usize, end: usize) -> Option<Sure> {
    let bytes = text.as_bytes();
    // Most numbers stand beside none of these: look at single bytes first.
    let next = byte(bytes, end);
    let divided = usize::from(matches!(next, b' ' | b'-'));
    let letter = byte(bytes, end + divided);
    let follows = |list: &[&str]| {
        // In all lists, a letter of ASCII is one of these.
        let begins = letter >= 0x80 || b"yjmwdalr".contains(&letter.to_ascii_lowercase());
        begins && list.iter().any(|unit| starts(ahead(text, end, 20), unit))
    };
    if follows(BEHIND) || told(text, start) {
        return Some(Sure::Form);
    }
    follows(WEAK).then_some(Sure::Weak(0.3))
}

/// Whether a text starts with another, without case; the other is in lower case.
fn starts(text: &str, lower: &str) -> bool {
    if lower.is_ascii() {
        return text.as_bytes().get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower.as_bytes()));
    }
    let mut letters = text.chars().flat_map(char::to_lowercase);
    lower.chars().all(|letter| letters.next() == Some(letter))
}

/// Whether a word before the number says that an age follows.
fn told(text: &str, start: usize) -> bool {
    let bytes = text.as_bytes();
    let word = run_back(text, start, 3, |byte| matches!(byte, b' ' | b':'));
    if !is_letter(before(bytes, word)) {
        return false;
    }
    let near = back(text, start, 28);
    let trimmed = near.trim_end_matches([' ', ':']);
    // Two spaces at the most.
    if near.len() - trimmed.len() > 2 || trimmed.len() == near.len() && !near.ends_with(|last: char| last > '\u{2E80}')
    {
        return false;
    }
    let last = trimmed.bytes().next_back().unwrap_or_default();
    let ends = |word: &&&str| last >= 0x80 || word.as_bytes().last() == Some(&last.to_ascii_lowercase());
    BEFORE.iter().filter(ends).any(|word| {
        let Some(at) = trimmed.len().checked_sub(word.len()).filter(|at| trimmed.is_char_boundary(*at)) else {
            return false;
        };
        let free =
            !is_letter(before(trimmed.as_bytes(), at)) || trimmed[at..].starts_with(|first: char| first > '\u{2E80}');
        free && !matches!(before(trimmed.as_bytes(), at), b'-' | b'_') && starts(&trimmed[at..], word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::sure;

    #[test]
    fn ages() {
        for text in [
            "I am 45 years old",
            "a 45-year-old man",
            "at the age of 45",
            "aged 45,",
            "Age: 45",
            "45 Jahre alt",
            "im Alter von 45 Jahren",
            "âgé de 45 ans",
            "45 años de edad",
            "a 45 y/o male",
            "just turned 45.",
            "45-jährige",
            "tiene una edad de 45",
            "45岁",
            "年龄45",
        ] {
            assert_eq!(sure("age", text), ["45"], "{text}");
        }
        for text in [
            "page 45",
            "max-age 45",
            "45 years",
            "average: 45.5",
            "the 45 older",
            "version 45",
            "age 450",
            "45 days",
            "45 ans",
            "mortgage 45",
        ] {
            assert!(sure("age", text).is_empty(), "{text}");
        }
    }
}
