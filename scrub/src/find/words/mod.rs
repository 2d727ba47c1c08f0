//! Closed lists of words: nationalities, religions and political groups; titles of persons.

use foldhash::{HashMap, HashMapExt as _};
use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_word, lower, run};
use super::{Candidate, Finder, Text};

/// The first letters of the words, as bits of a hash: most words of a text are dismissed by them.
const FILTER: usize = 1 << 14;

/// Bytes of a first word.
const LONGEST: usize = 32;

/// The lists: the type that their words are of.
const LISTS: [(&str, &str); 2] = [(NRP, include_str!("nrp.txt")), (TITLE, include_str!("titles.txt"))];
const NRP: &str = "NRP";
const TITLE: &str = "TITLE";

/// Words of all lists.
pub struct Words {
    /// By list.
    served: [Served; LISTS.len()],
    filter: Vec<u64>,
    /// By its first word in lower case, those that go on the longest first.
    entries: HashMap<String, Vec<Entry>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// What follows its first word, with the space before it, in lower case.
    rest: String,
    /// It must be capitalized.
    capital: bool,
    list: usize,
}

/// Makes it for detectors of the types of the lists.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    if let Some((_, detector)) =
        detectors.iter().find(|(_, detector)| !LISTS.iter().any(|(kind, _)| *kind == detector.kind))
    {
        return Err(format!("detector {:?}: there is no list of words of the type {:?}", detector.name, detector.kind));
    }
    let served = LISTS.map(|(kind, _)| {
        let of: Vec<_> = detectors.iter().filter(|(_, detector)| detector.kind == kind).copied().collect();
        Served::new(&of)
    });
    let mut words = Words { served, filter: vec![0; FILTER / 64], entries: HashMap::new() };
    for (index, (kind, list)) in LISTS.iter().enumerate() {
        if detectors.iter().any(|(_, detector)| detector.kind == *kind) {
            words.read(index, list);
        }
    }
    Ok(Box::new(words))
}

impl Words {
    /// `text`: entries divided by commas and line ends; `#` begins a comment line; `=` before an entry: only capitalized; `a/b/c`: `ab` and `ac`.
    fn read(&mut self, list: usize, text: &str) {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for entry in lines.flat_map(|line| line.split(',')).map(str::trim).filter(|entry| !entry.is_empty()) {
            let (entry, capital) = entry.strip_prefix('=').map_or((entry, false), |entry| (entry, true));
            let mut parts = entry.split('/');
            let stem = parts.next().unwrap_or_default();
            if entry.contains('/') {
                parts.for_each(|ending| self.insert(list, &format!("{stem}{ending}"), capital));
            } else {
                self.insert(list, stem, capital);
            }
        }
        for entries in self.entries.values_mut() {
            entries.sort_by(|a, b| b.rest.len().cmp(&a.rest.len()).then(a.cmp(b)));
            entries.dedup();
        }
    }

    fn insert(&mut self, list: usize, entry: &str, capital: bool) {
        let lower = entry.to_lowercase();
        let first = run(lower.as_bytes(), 0, lower.len(), is_word);
        let bit = bit(&lower.as_bytes()[..first]);
        self.filter[bit / 64] |= 1 << (bit % 64);
        let entry = Entry { rest: lower[first..].to_owned(), capital, list };
        self.entries.entry(lower[..first].to_owned()).or_default().push(entry);
    }

    /// The list of the entry whose first word is at `start..end`, and where the entry ends.
    fn entry(&self, text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
        let word = text.get(start..end)?;
        let entries = self.entries.get(lower(word).as_str())?;
        let capitalized = word.starts_with(char::is_uppercase);
        let bytes = text.as_bytes();
        let entry = entries.iter().find(|Entry { rest, capital, list }| {
            let whole = end + rest.len();
            let follows = rest.is_empty() || text.get(end..whole).is_some_and(|there| there.to_lowercase() == **rest);
            follows
                && (capitalized || !capital)
                && (rest.ends_with('.') || !is_word(byte(bytes, whole)))
                && (LISTS[*list].0 != TITLE || is_before_name(text, start, whole))
        })?;
        let end = end + entry.rest.len();
        // The dot of `Mr.` belongs to it.
        let dot = LISTS[entry.list].0 == TITLE && byte(bytes, end) == b'.' && before(bytes, end) != b'.';
        Some((entry.list, end + usize::from(dot)))
    }
}

/// Of up to four first bytes of a word, without their case; those beyond ASCII are all as one, since they differ between cases.
fn bit(word: &[u8]) -> usize {
    let mut first = [0; 4];
    for (first, letter) in first.iter_mut().zip(word) {
        *first = if letter.is_ascii() { letter | 0x20 } else { 0x80 };
    }
    (u32::from_le_bytes(first).wrapping_mul(0x9E37_79B1) >> (32 - FILTER.trailing_zeros())) as usize
}

impl Finder for Words {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        // Where the last entry ends.
        let mut passed = core.start;
        for Range { start, end } in text.words(core) {
            let bit = bit(&bytes[start..end]);
            // Whole words only: `anti_german` and `de2` are of code.
            if self.filter[bit / 64] >> (bit % 64) & 1 == 0
                || start < passed
                || end - start > LONGEST
                || is_word(before(bytes, start))
                || is_word(byte(bytes, end))
            {
                continue;
            }
            // `French-speaking` is of the list, `a.german` is of code.
            let foreign = matches!(before(bytes, start), b'.' | b'$' | b'@' | b'/' | b'\\')
                || matches!(byte(bytes, end), b'(' | b'=' | b'/');
            if !foreign && let Some((list, whole)) = self.entry(text, start, end) {
                self.served[list].add(text, start..whole, Sure::Form, found);
                passed = whole;
            }
        }
    }
}

/// Whether a capital letter follows the title at `start..end` behind a dot and white space; behind one in capitals only, two.
fn is_before_name(text: &str, start: usize, end: usize) -> bool {
    let rest = &text[end..];
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let name = rest.trim_start_matches([' ', '\u{A0}', '-']);
    rest.len() - name.len() <= 2
        && name.starts_with(char::is_uppercase)
        && (text[start..end].contains(char::is_lowercase) || !name[1..].starts_with(char::is_lowercase))
        && (rest.len() > name.len() || text[end..].starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::sure;

    #[test]
    fn nationalities_religions_politics() {
        for (text, words) in [
            ("It serves Polish food, a Swede said", vec!["Polish", "Swede"]),
            ("i am bruneian and american", vec!["bruneian", "american"]),
            ("the African American voters, Republicans all", vec!["African American", "Republicans"]),
            ("eine deutsche Firma, ein Italiener", vec!["deutsche", "Italiener"]),
            ("BRITISH", vec!["BRITISH"]),
            ("русский человек", vec!["русский"]),
            ("French-speaking", vec!["French"]),
            ("New Zealanders", vec!["New Zealanders"]),
        ] {
            assert_eq!(sure("words NRP", text), words, "{text}");
        }
        for text in ["polish the table", "anti_german", "a turkey", "x.german", "may", "germane", "the liberal arts"] {
            assert!(sure("words NRP", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn titles_stand_before_names() {
        for (text, titles) in [
            ("Mr. Smith and Mrs Jones", vec!["Mr.", "Mrs"]),
            ("Prof. Dr. Müller", vec!["Prof.", "Dr."]),
            ("Frau Müller", vec!["Frau"]),
            ("señora García", vec!["señora"]),
            ("Mme Dupont", vec!["Mme"]),
        ] {
            assert_eq!(sure("words TITLE", text), titles, "{text}");
        }
        for text in ["the dr said", "a miss is", "Mr", "Drive", "ms 10", "let mr = X", "MS Windows"] {
            assert!(sure("words TITLE", text).is_empty(), "{text}");
        }
    }
}
