//! Closed lists of words: nationalities, religions and political groups; titles of persons.

use std::collections::HashMap;
use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_word, run};
use super::{Candidate, Finder};

/// The first letters of the words, as bits of a hash: most words of a text are dismissed by them.
const FILTER: usize = 1 << 14;

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
        let bit = bit(&lower.as_bytes()[..first], 0);
        self.filter[bit / 64] |= 1 << (bit % 64);
        let entry = Entry { rest: lower[first..].to_owned(), capital, list };
        self.entries.entry(lower[..first].to_owned()).or_default().push(entry);
    }

    /// The list of the entry whose first word is at `start..end`, and where the entry ends. `lower` is room for it.
    fn entry(&self, text: &str, start: usize, end: usize, lower: &mut String) -> Option<(usize, usize)> {
        let word = text.get(start..end)?;
        lower.clear();
        if word.is_ascii() {
            lower.push_str(word);
            lower.make_ascii_lowercase();
        } else {
            lower.extend(word.chars().flat_map(char::to_lowercase));
        }
        let entries = self.entries.get(lower.as_str())?;
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

/// What the filter makes of a byte: letters without case, those beyond ASCII all as one, since their bytes differ between cases; 0 what is no word.
const FOLD: [u8; 256] = {
    let mut fold = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        if is_word(value) {
            fold[byte] = if value >= 0x80 { 0x80 } else { value.to_ascii_lowercase() };
        }
        byte += 1;
    }
    fold
};

/// Of up to four first bytes of the word at `at`.
fn bit(bytes: &[u8], at: usize) -> usize {
    let mut hash = 0_u32;
    for index in at..at + 4 {
        let letter = FOLD[usize::from(byte(bytes, index))];
        if letter == 0 {
            break;
        }
        hash = hash.wrapping_mul(0x0100_0193) ^ u32::from(letter);
    }
    (hash ^ hash >> 15) as usize % FILTER
}

impl Finder for Words {
    fn find(&self, text: &str, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let word_end = |at: usize| {
            bytes[at..].iter().position(|byte| FOLD[usize::from(*byte)] == 0).map_or(bytes.len(), |len| at + len)
        };
        let mut lower = String::new();
        let mut at = core.start;
        if is_word(before(bytes, at)) {
            at = word_end(at);
        }
        while at < core.end {
            if FOLD[usize::from(bytes[at])] == 0 {
                at += 1;
                continue;
            }
            let bit = bit(bytes, at);
            let end = word_end(at);
            if self.filter[bit / 64] >> (bit % 64) & 1 == 0 || end - at > 32 {
                at = end;
                continue;
            }
            // `French-speaking` is of the list, `anti_german` and `a.german` are of code.
            let foreign = matches!(before(bytes, at), b'.' | b'$' | b'@' | b'/' | b'\\')
                || matches!(byte(bytes, end), b'(' | b'=' | b'/');
            match self.entry(text, at, end, &mut lower) {
                Some((list, whole)) if !foreign => {
                    self.served[list].add(text, at..whole, Sure::Form, found);
                    at = whole;
                }
                _ => at = end,
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
