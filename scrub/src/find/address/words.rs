//! The words of streets, units and boxes, with how sure each makes an address.

use foldhash::{HashMap, HashMapExt as _};
use std::sync::LazyLock;

use super::super::scan::lower;
use super::token::Token;

/// How sure a word makes an address with a number before the name, and with one behind it; 0: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sureness {
    pub(super) number_first: u8,
    pub(super) name_first: u8,
}

/// What is known of a word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    /// It stands behind the name of a street.
    pub(super) after: Sureness,
    /// It stands before the name of a street.
    pub(super) before: Sureness,
    /// It stands before the number of a part of a house: 3 where it shows that the rest is an address, 2 that a street is one, 1 neither.
    pub(super) unit: u8,
    /// Roads that have numbers.
    pub(super) road: bool,
}

struct Table {
    words: HashMap<&'static str, Word>,
    compounds: Vec<(&'static str, u8)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { words: HashMap::new(), compounds: Vec::new() };
    for line in include_str!("streets.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(' ').peekable();
        let class = parts.next().unwrap_or_default();
        let digits: Vec<u8> = parts
            .next_if(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|part| part.bytes().map(|byte| byte - b'0').collect())
            .unwrap_or_default();
        let digit = |index: usize| digits.get(index).copied().unwrap_or_default();
        let sureness = Sureness { number_first: digit(0), name_first: digit(1) };
        for part in parts {
            if class == "compound" {
                table.compounds.push((part, digit(0)));
                continue;
            }
            let word = table.words.entry(part).or_default();
            match class {
                "after" => word.after = sureness,
                "before" => word.before = sureness,
                "unit" => word.unit = digit(0),
                _ => word.road = true,
            }
        }
    }
    // The longest ending counts.
    table.compounds.sort_by_key(|(ending, _)| std::cmp::Reverse(ending.len()));
    table
});

/// What is known of a token, with its dot and without.
pub(super) fn word(token: &Token<'_>) -> Word {
    let mut lower = lower(token.text);
    let bare = TABLE.words.get(lower.as_str()).copied().unwrap_or_default();
    if !token.dotted {
        return bare;
    }
    lower.push('.');
    let dotted = TABLE.words.get(lower.as_str()).copied().unwrap_or_default();
    Word {
        after: dotted.after.max(bare.after),
        before: dotted.before.max(bare.before),
        unit: dotted.unit.max(bare.unit),
        road: dotted.road || bare.road,
    }
}

/// Words with the endings of streets that are none.
const NO_STREETS: &[&str] =
    &["brigade", "renegade", "promenade", "ersatzplatz", "arbeitsplatz", "parkplatz", "speicherplatz", "unterwegs"];

/// How sure a word like `Hauptstraße` makes an address with a number behind it.
pub(super) fn compound(token: &Token<'_>) -> u8 {
    let lower = lower(token.text);
    let last = lower.as_bytes().last();
    TABLE
        .compounds
        .iter()
        // Most are told by one byte.
        .filter(|(ending, _)| ending.as_bytes().last() == last)
        .find(|(ending, _)| lower.strip_suffix(ending).is_some_and(|stem| stem.chars().count() >= 3))
        .filter(|_| !NO_STREETS.contains(&lower.as_str()))
        // `Hauptstr.` is surer than `substr`.
        .map_or(0, |(ending, sureness)| if *ending == "str" && token.dotted { 3 } else { *sureness })
}

/// Words within the name of a street that are written small.
const PARTICLES: &[&str] = &[
    "de", "la", "du", "des", "del", "della", "delle", "dei", "degli", "dello", "di", "da", "do", "dos", "das", "el",
    "los", "las", "le", "les", "à", "en", "sur", "y", "e", "van", "der", "den", "dem", "het", "von", "zu", "zum",
    "zur", "am", "an", "auf", "im", "of", "the", "af", "av", "na", "pod", "bei", "u", "nad", "św", "sv",
];

/// Whether a word may stand small within the name of a street.
pub(super) fn is_particle(token: &Token<'_>) -> bool {
    PARTICLES.contains(&token.text)
}

/// Words of which no name of a street is made when all is small.
const COMMON: &[&str] = &[
    "a",
    "about",
    "across",
    "all",
    "along",
    "and",
    "any",
    "are",
    "as",
    "at",
    "away",
    "be",
    "been",
    "before",
    "behind",
    "but",
    "by",
    "can",
    "dead",
    "did",
    "different",
    "down",
    "each",
    "every",
    "few",
    "for",
    "from",
    "had",
    "has",
    "have",
    "her",
    "his",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "just",
    "lane",
    "less",
    "like",
    "main-",
    "many",
    "mile",
    "miles",
    "minutes",
    "more",
    "most",
    "my",
    "near",
    "new",
    "no",
    "not",
    "off",
    "on",
    "one",
    "only",
    "or",
    "other",
    "our",
    "out",
    "over",
    "own",
    "per",
    "same",
    "so",
    "some",
    "such",
    "than",
    "that",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "times",
    "to",
    "two",
    "under",
    "until",
    "up",
    "was",
    "way",
    "we",
    "were",
    "when",
    "where",
    "which",
    "who",
    "will",
    "with",
    "you",
    "your",
];

/// Whether a word says something rather than names it.
pub(super) fn is_common(token: &Token<'_>) -> bool {
    COMMON.contains(&token.text)
}

/// Words before a number that counts something else.
const COUNTED: &[&str] = &[
    "chapter",
    "figure",
    "fig",
    "table",
    "section",
    "step",
    "part",
    "page",
    "version",
    "volume",
    "vol",
    "item",
    "question",
    "exercise",
    "line",
    "level",
    "lesson",
    "episode",
    "season",
    "article",
    "appendix",
    "phase",
    "stage",
    "round",
    "week",
    "day",
    "year",
    "grade",
    "class",
    "top",
    "line",
    "windows",
    "kapitel",
    "abschnitt",
    "seite",
    "tabelle",
    "capítulo",
    "página",
    "chapitre",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
];

/// Whether the number behind a word counts something that is no house.
pub(super) fn is_counted(token: &Token<'_>) -> bool {
    COUNTED.contains(&lower(token.text).as_str())
}
