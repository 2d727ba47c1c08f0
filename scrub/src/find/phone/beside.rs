//! What numbers that look like telephone numbers are otherwise, and what stands beside those that are.

use super::super::scan::{back, before, byte, run, run_back, word_before};

/// `2024-03-15`, `15.3.2024`, `3/15/24`.
pub(super) fn is_date(bytes: &[u8], groups: &[(usize, usize)]) -> bool {
    let value = |index: usize| {
        bytes[groups[index].0..groups[index].1]
            .iter()
            .fold(0_u64, |value, digit| (value * 10 + u64::from(digit - b'0')) % 100_000_000)
    };
    let len = |index: usize| groups[index].1 - groups[index].0;
    groups.len() == 3
        && match (len(0), len(1), len(2)) {
            (4, 1 | 2, 1 | 2) => (1000..2200).contains(&value(0)) && value(1) <= 31 && value(2) <= 31,
            (2, 2, 4) if bytes[groups[0].1] == b'/' => true,
            (1 | 2, 1 | 2, 4) => (1000..2200).contains(&value(2)) && value(0) <= 31 && value(1) <= 31,
            (1 | 2, 1 | 2, 2) => value(0) <= 31 && value(1) <= 31,
            _ => false,
        }
}

/// `192.168.10.1`: each of its numbers can be a byte.
pub(super) fn is_quad(bytes: &[u8], groups: &[(usize, usize)]) -> bool {
    groups.iter().all(|(start, end)| {
        bytes[*start..*end].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')) < 256
    })
}

/// Whether no other number stands directly before `start` or behind `end`: in a row of numbers none of them is a telephone number.
pub(super) fn is_isolated(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let between = |byte: u8| matches!(byte, b' ' | b'\t' | b',' | b';' | b'|' | b'.');
    let prior = run_back(text, start, 4, between);
    let next = run(bytes, end, 4, between);
    !before(bytes, prior).is_ascii_digit() && !byte(bytes, next).is_ascii_digit()
}

/// Whether a sentence says to somebody that the number at `start` is where to find a person: `… you at `, `… mich unter `. A pronoun stands
/// before, and a preposition directly.
pub(super) fn is_told(text: &str, start: usize) -> bool {
    const PREPOSITIONS: &[&str] =
        &["at", "on", "under", "unter", "auf", "au", "al", "en", "no", "op", "på", "pod", "по"];
    const PRONOUNS: &[&str] = &[
        "i", "me", "my", "you", "your", "he", "him", "his", "she", "her", "us", "our", "them", "their", "ich", "mich",
        "mir", "mein", "meine", "du", "dich", "dir", "sie", "ihn", "ihm", "uns", "je", "moi", "mon", "ma", "vous",
        "lui", "nous", "yo", "mi", "usted", "le", "nos", "io", "noi", "eu", "meu", "minha", "você", "ik", "mij",
        "mijn", "u", "jag", "mig", "min", "mnie", "mój", "я", "мне", "мой", "меня",
    ];
    if before(text.as_bytes(), start) != b' ' {
        return false;
    }
    let word = word_before(text, start, |byte| byte == b' ');
    PREPOSITIONS.iter().any(|known| word.eq_ignore_ascii_case(known))
        && back(text, start, 48)
            .split(|letter: char| !letter.is_alphabetic())
            .skip(1)
            .any(|word| PRONOUNS.contains(&word.to_lowercase().as_str()))
}

/// Whether groups divided by spaces may be the thousands of one number: `516 466 638`.
pub(super) fn is_thousands(lens: &[usize]) -> bool {
    lens[0] <= 3 && lens[1..].iter().all(|len| *len == 3)
}
