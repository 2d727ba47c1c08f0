//! Names of months and of days of the week, in 47 languages.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use std::sync::LazyLock;

use super::super::field::fold;
use super::super::scan::{before, byte, lower, run, run_back};

/// Bytes of a name, at most.
const LONGEST: usize = 48;

/// What the name of a month needs beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A day or a year.
    Plain,
    /// As [`Self::Plain`], but a capital where it has no year: an abbreviation.
    Short,
    /// A capital, unless a day and a year stand beside it: it is another word too.
    Word,
    /// A day and a year: an abbreviation that is a word elsewhere, or a name without its accents.
    Dated,
}

/// Full names that are words of other kinds too when they are written small.
const WORDS: &[&str] = &["may", "march", "mart", "mac", "medi"];

/// Abbreviations that say nothing else when they are capitalized.
const ABBREVIATIONS: &[&str] = &[
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "okt", "nov", "dec", "dez", "déc", "janv",
    "févr", "avr", "juil",
];

/// The names.
pub(super) struct Calendar {
    months: HashMap<String, Name>,
    weekdays: HashSet<&'static str>,
}

impl Calendar {
    /// Those of the tables in this folder.
    pub(super) fn shipped() -> &'static Self {
        static CALENDAR: LazyLock<Calendar> = LazyLock::new(Calendar::load);
        &CALENDAR
    }

    fn load() -> Self {
        let mut months = HashMap::new();
        let mut plain = HashSet::new();
        for names in lines(include_str!("months.txt")).flat_map(|line| line.split('|')) {
            let (full, short) = names.split_once('/').unwrap_or((names, ""));
            for name in full.split(' ').filter(|name| !name.is_empty()) {
                let needs = if WORDS.contains(&name) { Name::Word } else { Name::Plain };
                months.insert(name.to_owned(), needs);
                let mut bare = String::new();
                name.chars().for_each(|letter| fold(letter, &mut bare));
                plain.insert(bare);
            }
            for name in short.split(' ').filter(|name| !name.is_empty()) {
                let needs = if ABBREVIATIONS.contains(&name) { Name::Short } else { Name::Dated };
                months.entry(name.to_owned()).or_insert(needs);
            }
        }
        for name in plain {
            months.entry(name).or_insert(Name::Dated);
        }
        let weekdays = lines(include_str!("weekdays.txt")).flat_map(|line| line.split(',')).collect();
        Self { months, weekdays }
    }

    /// What a word needs to be a month.
    pub(super) fn month(&self, word: &str) -> Option<Name> {
        // Two letters at the least, of up to three bytes each.
        if !(2..=LONGEST).contains(&word.len()) {
            return None;
        }
        let small = lower(word);
        // Hebrew `in` is written in one with the name.
        self.months.get(small.as_str()).or_else(|| self.months.get(small.strip_prefix('ב')?)).copied()
    }

    /// Where the name of a day starts that stands before `at`: `Sunday, `, `Sonntag, den `. Else `at`.
    pub(super) fn weekday_before(&self, text: &str, at: usize) -> usize {
        const ARTICLES: &[&str] = &["the", "den", "der", "le", "el", "il", "o", "d", "dem", "am", "a"];
        let space = |end: usize| text[..end].trim_end_matches([' ', ',', '.', '،']).len();
        let mut end = space(at);
        if end == at || at - end > 3 {
            // Thai joins them: `วันพุธที่ 15`.
            return at;
        }
        let mut start = word_start(text, end);
        if ARTICLES.iter().any(|article| text[start..end].eq_ignore_ascii_case(article)) {
            end = space(start);
            start = word_start(text, end);
        }
        let marked = text[end..].starts_with(['.', ',']);
        let name = |start: usize, end: usize| {
            let word = lower(&text[start..end]);
            // Of two letters with a sign behind: `Mo., 4. Juni`.
            (marked || word.chars().count() > 2) && self.weekdays.contains(word.as_str())
                || word.strip_suffix("ที่").is_some_and(|day| self.weekdays.contains(day))
        };
        if start == end {
            return at;
        }
        // Names of two words, or joined by a hyphen.
        if matches!(text[..start].bytes().next_back(), Some(b' ' | b'-')) {
            let two = word_start(text, start - 1);
            if two < start - 1 && name(two, end) {
                return two;
            }
        }
        if name(start, end) { start } else { at }
    }

    /// Where the name of a day ends that stands behind `at`: `, szerda`, ` (Wednesday`. Else `at`.
    pub(super) fn weekday_behind(&self, text: &str, at: usize) -> usize {
        let start = text.len() - text[at..].trim_start_matches([' ', ',', '.', '(']).len();
        if start - at > 3 {
            return at;
        }
        let end = word_end(text, start);
        // In prose a word follows by chance: `15 March on`. Only names of four letters and more count.
        let word = lower(&text[start..end]);
        let counts = word.chars().count() > 3 || word.chars().any(|letter| letter > '\u{2E80}');
        if start > at && counts && self.weekdays.contains(word.as_str()) { end } else { at }
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.split_once(' ')?.1))
}

/// Whether a character is part of a name: letters, and the marks that write vowels.
fn is_of_name(character: char) -> bool {
    character.is_alphabetic()
        || matches!(character,
            '\u{300}'..='\u{36F}' | '’' | '׳' | '\u{93C}' | '\u{94D}' | '\u{970}' | '\u{E31}' | '\u{E34}'..='\u{E3A}' | '\u{E47}'..='\u{E4E}')
}

/// Where the word that begins at `at` ends, or `at`.
pub(super) fn word_end(text: &str, at: usize) -> usize {
    // Most are of ASCII alone.
    let plain = run(text.as_bytes(), at, LONGEST, |byte| byte.is_ascii_alphabetic());
    if plain < at + LONGEST && byte(text.as_bytes(), plain) < 0x80 {
        return plain;
    }
    let mut end = at;
    let mut prior = ' ';
    for (offset, character) in text[at..].char_indices() {
        // Thai abbreviations have points inside: `มี.ค.`
        let point = character == '.' && is_thai(prior) && text[at + offset + 1..].starts_with(is_thai);
        if offset > LONGEST || !(is_of_name(character) || point) {
            break;
        }
        prior = character;
        end = at + offset + character.len_utf8();
    }
    end
}

/// Where the word that ends at `at` starts, or `at`.
pub(super) fn word_start(text: &str, at: usize) -> usize {
    let plain = run_back(text, at, LONGEST, |byte| byte.is_ascii_alphabetic());
    if plain + LONGEST > at && before(text.as_bytes(), plain) < 0x80 {
        return plain;
    }
    let mut start = at;
    for (offset, character) in text[..at].char_indices().rev() {
        let point = character == '.' && text[start..at].starts_with(is_thai) && text[..offset].ends_with(is_thai);
        if at - offset > LONGEST || !(is_of_name(character) || point) {
            break;
        }
        start = offset;
    }
    start
}

pub(super) const fn is_thai(character: char) -> bool {
    matches!(character, '\u{E01}'..='\u{E4E}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_and_end_at_what_is_no_letter() {
        let long = "a".repeat(60);
        for (text, word) in [
            ("12 March 5", "March"),
            ("12 März, 5", "März"),
            ("12 Mar\u{e9}5", "Mar\u{e9}"),
            ("3 de août.", "août"),
            ("5 มี.ค. 2532", "มี.ค"),
            ("x-Sunday-y", "Sunday"),
            (&long, &long[..49]),
        ] {
            let at = text.find(word).unwrap();
            assert_eq!(&text[at..word_end(text, at)], word, "{text}");
            if word.len() < 40 {
                assert_eq!(&text[word_start(text, at + word.len())..at + word.len()], word, "{text}");
            }
        }
    }

    #[test]
    fn names_of_months() {
        let calendar = Calendar::load();
        for (word, needs) in [
            ("January", Some(Name::Plain)),
            ("MÄRZ", Some(Name::Plain)),
            ("Μάρτιος", Some(Name::Plain)),
            ("ΜΆΡΤΙΟΣ", Some(Name::Plain)),
            ("мая", Some(Name::Plain)),
            ("maaliskuuta", Some(Name::Plain)),
            ("במרץ", Some(Name::Plain)),
            ("may", Some(Name::Word)),
            ("Mar", Some(Name::Short)),
            ("set", Some(Name::Dated)),
            ("out", Some(Name::Dated)),
            ("fevrier", Some(Name::Dated)),
            ("marches", None),
            ("x", None),
        ] {
            assert_eq!(calendar.month(word), needs, "{word}");
        }
        assert_eq!(lines(include_str!("months.txt")).count(), 47);
        assert!(lines(include_str!("months.txt")).all(|line| line.split('|').count() == 12));
    }

    #[test]
    fn days_of_the_week_beside_a_date() {
        let calendar = Calendar::load();
        for (before, day) in [
            ("on Sunday, ", "Sunday, "),
            ("am Sonntag, den ", "Sonntag, den "),
            ("na quarta-feira, ", "quarta-feira, "),
            ("Thứ Tư, ", "Thứ Tư, "),
            ("a sunny ", ""),
            ("the ", ""),
            ("", ""),
        ] {
            assert_eq!(&before[calendar.weekday_before(before, before.len())..], day, "{before}");
        }
        assert_eq!(calendar.weekday_behind("15., szerda, a", 3), 11);
        assert_eq!(calendar.weekday_behind("15 sat", 2), 2);
    }
}
