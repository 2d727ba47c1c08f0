//! Words that stand near a candidate and make it likelier: `SSN`, `Kontonummer`.
//!
//! A text is read word by word. The length and the ends of a word, folded, are the key of a table of the first words of all context phrases, so
//! most words cost one look at a bit; the key of a single letter has what follows it too, `c.c.`. Scripts that do not divide words have no first
//! word: their phrases are searched by an automaton, in texts that have such characters.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::detector::{Detector, DetectorId};
use crate::find::{Header, Text, fold};

/// How many characters may stand between a word and what it speaks for.
pub const REACH: usize = 30;

/// Bytes before and behind a segment in which phrases are looked for: their length and their reach.
const AROUND: usize = 512;

/// Letters that an abbreviation may have, which is written with dots.
const ABBREVIATION: usize = 4;

/// Humps of a word that are looked at.
const HUMPS: usize = 6;

/// Bytes that make the key of a single letter.
const LETTER: usize = 3;

/// Bits of a key that choose a slot of the table.
const SLOTS: u32 = 17;

/// The context words of all detectors.
pub(crate) struct Context {
    phrases: Vec<Phrase>,
    /// By detector: whether any phrase speaks for it.
    spoken_for: Vec<bool>,
    /// A bit for every slot that has a phrase.
    filter: Vec<u64>,
    /// By slot: where in `by_slot` the phrases begin whose first word falls there.
    starts: Vec<u32>,
    by_slot: Vec<u32>,
    /// Phrases of scripts that do not divide words.
    undivided: AhoCorasick,
    /// By the id of a word of `undivided`.
    undivided_phrases: Vec<u32>,
}

struct Phrase {
    text: String,
    /// The detectors that it speaks for, in order.
    speaks_for: Vec<DetectorId>,
}

/// Where the words of a context stand in one text, in order of their ends.
struct Places<'a> {
    context: &'a Context,
    text: &'a str,
    found: Vec<Place>,
}

struct Place {
    start: usize,
    end: usize,
    phrase: u32,
}

impl Context {
    pub(crate) fn new(detectors: &[Detector]) -> Result<Self, aho_corasick::BuildError> {
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut phrases: Vec<Phrase> = Vec::new();
        for (index, detector) in detectors.iter().enumerate() {
            let id = DetectorId(index as u16);
            for text in detector.context.iter().flat_map(|word| spellings(word)) {
                let at = *ids.entry(text).or_insert_with_key(|text| {
                    phrases.push(Phrase { text: text.clone(), speaks_for: Vec::new() });
                    phrases.len() - 1
                });
                if phrases[at].speaks_for.last() != Some(&id) {
                    phrases[at].speaks_for.push(id);
                }
            }
        }
        let mut filter = vec![0; 1 << (SLOTS - 6)];
        let mut slots: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut undivided_phrases = Vec::new();
        for (index, phrase) in phrases.iter().enumerate() {
            let bytes = phrase.text.as_bytes();
            let first = bytes.iter().take_while(|byte| is_word(**byte)).count();
            if first == 0 || phrase.text.chars().any(undivided) {
                undivided_phrases.push(index as u32);
                continue;
            }
            let first = if first == 1 && bytes.len() >= LETTER { LETTER } else { first };
            let slot = slot(bytes, 0, first);
            filter[slot as usize / 64] |= 1 << (slot % 64);
            slots.entry(slot).or_default().push(index as u32);
        }
        let undivided = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(undivided_phrases.iter().map(|index| &phrases[*index as usize].text))?;
        let mut by_slot = Vec::new();
        let mut starts = Vec::with_capacity((1 << SLOTS) + 1);
        for slot in 0..1 << SLOTS {
            starts.push(by_slot.len() as u32);
            by_slot.extend(slots.remove(&slot).unwrap_or_default());
        }
        starts.push(by_slot.len() as u32);
        let spoken_for = detectors.iter().map(|detector| !detector.context.is_empty()).collect();
        Ok(Self { phrases, spoken_for, filter, starts, by_slot, undivided, undivided_phrases })
    }

    /// The detectors that the words in the name of a column speak for, in order.
    pub(crate) fn speaks_for(&self, name: &str) -> Vec<DetectorId> {
        let name = Text::new(name);
        let places = self.places(&name, 0..name.len());
        let phrases = places.found.iter().map(|place| &self.phrases[place.phrase as usize]);
        let mut detectors: Vec<_> = phrases.flat_map(|phrase| phrase.speaks_for.iter().copied()).collect();
        detectors.sort_unstable();
        detectors.dedup();
        detectors
    }

    /// Looks for the phrases that start in `range` of `text`. Whole words only; `_` and the humps of camel case divide words.
    fn places<'a>(&'a self, text: &Text<'a>, range: Range<usize>) -> Places<'a> {
        let mut found = Vec::new();
        for word in text.words(range.clone()) {
            self.places_from(text, word.clone(), &mut found);
            if text.has_hump(&word) && is_camel(text.as_bytes(), &word) {
                self.humps(text, word, &mut found);
            }
        }
        // Without a branch a byte, so that it is done many bytes at a time.
        let undivided = |block: &[u8]| block.iter().fold(false, |any, byte| any | leads_undivided(*byte));
        let read = range.start..(range.end + self.undivided.max_pattern_len()).min(text.len());
        if text.as_bytes()[read.clone()].chunks(4096).any(undivided) {
            self.undivided_places(text, read, range.end, &mut found);
        }
        found.sort_unstable_by_key(|place| (place.end, place.start));
        Places { context: self, text: text.as_str(), found }
    }

    /// Adds the phrases whose first word is `word`.
    fn places_from(&self, text: &str, word: Range<usize>, found: &mut Vec<Place>) {
        let mut look = |end: usize| {
            let slot = slot(text.as_bytes(), word.start, end);
            if self.filter[slot as usize / 64] >> (slot % 64) & 1 == 1 {
                self.phrases_at(text, word.start, slot, found);
            }
        };
        look(word.end);
        if word.len() == 1 && word.start + LETTER <= text.len() {
            look(word.start + LETTER);
        }
    }

    /// Adds the phrases that stand between humps of a word: `iqama` and `national id` in `iqamaNumber` and `customerNationalId`.
    fn humps(&self, text: &str, word: Range<usize>, found: &mut Vec<Place>) {
        let bytes = text.as_bytes();
        let mut starts = [word.start; HUMPS + 1];
        let mut count = 1;
        for at in (word.start + 1..word.end).filter(|at| is_hump(bytes, *at)).take(HUMPS - 1) {
            starts[count] = at;
            count += 1;
        }
        starts[count] = word.end;
        for from in 0..count {
            for to in from + 1..=count {
                if (from, to) != (0, count) {
                    self.places_from(text, starts[from]..starts[to], found);
                }
            }
        }
    }

    /// Adds the phrases that stand at `at` and whose first word falls into `slot`.
    fn phrases_at(&self, text: &str, at: usize, slot: u32, found: &mut Vec<Place>) {
        let bytes = text.as_bytes();
        let slot = slot as usize;
        for phrase in &self.by_slot[self.starts[slot] as usize..self.starts[slot + 1] as usize] {
            let wanted = self.phrases[*phrase as usize].text.as_bytes();
            let end = at + wanted.len();
            let stands = bytes.get(at..end).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
            // Two letters beside a digit, or letters to f, are part of a number in base 16.
            let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
            let coded = wanted.len() <= 2 || wanted.iter().all(u8::is_ascii_hexdigit);
            let number = coded && (digit(at.checked_sub(1)) || digit(Some(end)));
            let ends = !bytes.get(end).is_some_and(|byte| is_word(*byte)) || is_hump(bytes, end);
            if stands && !number && ends {
                found.push(Place { start: at, end, phrase: *phrase });
            }
        }
    }

    /// Adds the phrases in `read` that start before `until`.
    fn undivided_places(&self, text: &str, read: Range<usize>, until: usize, found: &mut Vec<Place>) {
        let bytes = text.as_bytes();
        for word in self.undivided.find_overlapping_iter(&bytes[read.clone()]) {
            let phrase = self.undivided_phrases[word.pattern().as_usize()];
            let (start, end) = (read.start + word.start(), read.start + word.end());
            if start >= until {
                continue;
            }
            let wanted = &self.phrases[phrase as usize].text;
            let open = |character: Option<char>| character.is_some_and(undivided);
            let begins =
                open(wanted.chars().next()) || !start.checked_sub(1).is_some_and(|before| is_word(bytes[before]));
            let ends = open(wanted.chars().last()) || !bytes.get(end).is_some_and(|byte| is_word(*byte));
            if begins && ends {
                found.push(Place { start, end, phrase });
            }
        }
    }
}

/// Whether a byte is of a word: a letter, or of a character beyond ASCII.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// Whether the humps of a word divide it: not where it is a run of letters in a text of base 64 or the like.
fn is_camel(bytes: &[u8], word: &Range<usize>) -> bool {
    let coded = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'/'));
    !coded(word.start.checked_sub(1).map(|before| &bytes[before])) && !coded(bytes.get(word.end))
}

/// Whether a word begins at `at` within another: `fooBar`, `XMLFile`.
fn is_hump(bytes: &[u8], at: usize) -> bool {
    let Some([before, byte]) = at.checked_sub(1).and_then(|before| bytes.get(before..=at)) else { return false };
    let next = bytes.get(at + 1);
    byte.is_ascii_uppercase()
        && (before.is_ascii_lowercase() || before.is_ascii_uppercase() && next.is_some_and(u8::is_ascii_lowercase))
}

/// The slot of a word: of its length and its first and last eight bytes, without regard to case.
#[inline]
fn slot(bytes: &[u8], start: usize, end: usize) -> u32 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let len = end - start;
    let (head, tail) = if len >= 8 {
        (read(&bytes[start..]), read(&bytes[end - 8..]))
    } else {
        let word = match bytes.get(start..start + 8) {
            Some(word) => read(word) & ((1 << (8 * len)) - 1),
            None => bytes[start..end].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        (word, 0)
    };
    let key = (head | FOLD).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (tail | FOLD).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
        ^ len as u64;
    (key.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> (64 - SLOTS)) as u32
}

/// The first eight bytes, of at least as many.
fn read(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A word as it may be written: `national id`, `national_id`, `national-id`, `nationalid`; without accents; beyond ASCII in capitals and in
/// camel case too; an abbreviation with dots, `c.i.`. All are compared without regard to the case of ASCII letters.
fn spellings(word: &str) -> Vec<String> {
    let plain: String = word.chars().fold(String::new(), |mut plain, letter| {
        fold(letter, &mut plain);
        plain
    });
    let mut spellings = vec![word.to_owned()];
    if plain.is_ascii() {
        spellings.push(plain);
    }
    if !word.is_ascii() {
        let each = |words: &str| words.split(' ').map(capitalised).collect::<Vec<_>>().join(" ");
        spellings.extend([word.to_uppercase(), capitalised(word), each(word)]);
        // `numéroDeSérie`
        if let Some((first, rest)) = word.split_once(' ') {
            spellings.push(format!("{first} {}", each(rest)));
        }
    }
    if word.contains(' ') {
        for index in 0..spellings.len() {
            let spaced = spellings[index].clone();
            spellings.extend(["_", "-", ""].map(|joint| spaced.replace(' ', joint)));
        }
    } else if (2..=ABBREVIATION).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        spellings.push(word.chars().map(String::from).collect::<Vec<_>>().join("."));
    }
    for spelling in &mut spellings {
        spelling.make_ascii_lowercase();
    }
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters.as_str().chars()).collect()
}

/// Whether a character is of a script that is written without spaces between words: Thai and its neighbours, Han, kana; or of Hangul, where
/// particles follow the word directly.
const fn undivided(character: char) -> bool {
    matches!(character, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3000}'..='\u{D7FF}')
}

/// Whether a byte begins a character of such a script, or of a neighbour of it.
const fn leads_undivided(byte: u8) -> bool {
    matches!(byte, 0xE0 | 0xE1 | 0xE3..=0xED)
}

impl Places<'_> {
    /// The places from the first on that can be within [`REACH`] characters of `range`; a character has at most four bytes.
    fn from(&self, range: &Range<usize>) -> &[Place] {
        let first = self.found.partition_point(|place| place.end + 4 * REACH <= range.start);
        match self.found.get(first) {
            Some(place) if place.start < range.end + 4 * REACH => &self.found[first..],
            _ => &[],
        }
    }

    /// The phrases that stand within [`REACH`] characters of `range`.
    fn around(&self, range: &Range<usize>) -> impl Iterator<Item = &Phrase> {
        let range = range.clone();
        let candidates = self.from(&range);
        let back = |count: usize| self.text[..range.start].char_indices().rev().nth(count - 1).map_or(0, |(at, _)| at);
        let on = |count: usize| {
            self.text[range.end..].char_indices().nth(count).map_or(self.text.len(), |(at, _)| range.end + at)
        };
        let (from, to) = if candidates.is_empty() { (0, 0) } else { (back(REACH), on(REACH)) };
        candidates
            .iter()
            .take_while(move |place| place.start <= to)
            .filter(move |place| if place.end <= range.start { place.end >= from } else { place.start >= range.end })
            .map(|place| &self.context.phrases[place.phrase as usize])
    }
}

/// What is known of a text before candidates are validated: which detectors need no further evidence, and where context words stand.
pub struct Evidence<'a> {
    context: &'a Context,
    text: &'a Text<'a>,
    /// By detector.
    alone: &'a [bool],
    /// Where the phrases are looked for in whose reach what starts in the segment may be, but for what is long.
    range: Range<usize>,
    places: OnceCell<Places<'a>>,
    /// Those behind the range.
    behind: OnceCell<Places<'a>>,
    /// The table that the text is of, and which of its lines are looked at.
    table: Option<(&'a Header, Range<usize>)>,
    cells: OnceCell<Vec<Cell<'a>>>,
}

/// A cell of a table, and the detectors that the name of its column speaks for.
struct Cell<'a> {
    range: Range<usize>,
    speaks_for: &'a [DetectorId],
}

impl<'a> Evidence<'a> {
    pub(crate) fn new(
        context: &'a Context,
        text: &'a Text<'a>,
        core: &Range<usize>,
        alone: &'a [bool],
        table: Option<(&'a Header, Range<usize>)>,
    ) -> Self {
        let from = text.floor_char_boundary(core.start.saturating_sub(AROUND));
        let range = from..text.ceil_char_boundary((core.end + AROUND).min(text.len()));
        let (places, behind) = (OnceCell::new(), OnceCell::new());
        Self { context, text, alone, range, places, behind, table, cells: OnceCell::new() }
    }

    /// Whether a candidate of the detector is acted on without further evidence.
    pub fn alone(&self, detector: DetectorId) -> bool {
        self.alone[usize::from(detector.0)]
    }

    /// Whether a context word of the detector stands within [`REACH`] characters of `range`, or in the name of its column.
    pub fn near(&self, range: &Range<usize>, detector: DetectorId) -> bool {
        self.column(range).binary_search(&detector).is_ok()
            || self.context.spoken_for[usize::from(detector.0)]
                && self
                    .places(range)
                    .any(|places| places.around(range).any(|phrase| phrase.speaks_for.binary_search(&detector).is_ok()))
    }

    /// Whether any context word may stand within [`REACH`] characters of something in `range`: a quick look that may err to yes.
    pub fn may_be_near(&self, range: &Range<usize>) -> bool {
        self.places(range).any(|places| !places.from(range).is_empty())
            || self.cell_from(range.start).is_some_and(|cell| cell.range.start < range.end)
    }

    /// The detectors that a word within [`REACH`] characters of `range` or the name of its column speaks for, some of them repeatedly.
    pub fn around(&self, range: &Range<usize>) -> impl Iterator<Item = DetectorId> {
        let near = self.places(range).flat_map(|places| places.around(range));
        let near = near.flat_map(|phrase| phrase.speaks_for.iter().copied());
        self.column(range).iter().copied().chain(near)
    }

    /// Where context words stand in and near the segment and whom they speak for, in order of their ends.
    pub fn words(&self) -> impl Iterator<Item = (Range<usize>, &[DetectorId])> {
        let places = self.near_segment();
        places
            .found
            .iter()
            .map(|place| (place.start..place.end, &places.context.phrases[place.phrase as usize].speaks_for[..]))
    }

    /// The cells of a table whose column speaks for some detectors, and for which, in order.
    pub fn cells(&self) -> impl Iterator<Item = (Range<usize>, &[DetectorId])> {
        self.in_columns().iter().map(|cell| (cell.range.clone(), cell.speaks_for))
    }

    /// The detectors that the name of the column speaks for in which `range` is.
    fn column(&self, range: &Range<usize>) -> &[DetectorId] {
        self.cell_from(range.start).filter(|cell| cell.range.start <= range.start).map_or(&[], |cell| cell.speaks_for)
    }

    /// The first cell that ends behind `at`.
    fn cell_from(&self, at: usize) -> Option<&Cell<'a>> {
        let cells = self.in_columns();
        cells.get(cells.partition_point(|cell| cell.range.end <= at))
    }

    fn in_columns(&self) -> &[Cell<'a>] {
        let Some((header, lines)) = &self.table else { return &[] };
        self.cells.get_or_init(|| {
            if header.speaks_for.iter().all(Vec::is_empty) {
                return Vec::new();
            }
            let lines = header.lines(self.text, lines.clone());
            let cells = lines.flat_map(|line| line.into_iter().zip(&header.speaks_for));
            let speaking = cells.filter(|(cell, speaks_for)| !cell.is_empty() && !speaks_for.is_empty());
            speaking.map(|(range, speaks_for)| Cell { range, speaks_for }).collect()
        })
    }

    fn near_segment(&self) -> &Places<'a> {
        self.places.get_or_init(|| self.context.places(self.text, self.range.clone()))
    }

    /// Where the phrases are that may be within [`REACH`] characters of `range`.
    fn places(&self, range: &Range<usize>) -> impl Iterator<Item = &Places<'a>> {
        let end = self.range.end;
        let behind = (range.end + 4 * REACH > end && end < self.text.len())
            .then(|| self.behind.get_or_init(|| self.context.places(self.text, end..self.text.len())));
        [self.near_segment()].into_iter().chain(behind)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::detector;

    fn context(words: &str) -> Context {
        let toml = format!(
            "[[detector]]\nname = \"a\"\ntype = \"A\"\npattern = '[0-9]'\nscore = 0.1\nmax_length = 1\ncontext = [{words}]\nexamples = [\"\"]\ncounter_examples = [\"\"]"
        );
        Context::new(&detector::read("test", &toml).unwrap()).unwrap()
    }

    fn found(context: &Context, text: &str) -> Vec<String> {
        let text = Text::new(text);
        context.places(&text, 0..text.len()).found.iter().map(|place| text[place.start..place.end].to_owned()).collect()
    }

    #[test]
    fn words_are_whole_and_of_any_case_and_joint() {
        let context = context(
            r#""ssn", "national id", "егн", "身份证", "numéro de série", "iban", "cvv2", "cc", "aba", "единен граждански номер""#,
        );
        for (text, places) in [
            ("SSN ssn Ssns ssn_x xssn my-ssn", &["SSN", "ssn", "ssn", "ssn"][..]),
            (
                "National ID, national_id, nationalId, national-id, national  id",
                &["National ID", "national_id", "nationalId", "national-id"],
            ),
            ("ЕГН Егн егн xегн", &["ЕГН", "Егн", "егн"]),
            ("居民身份证号码", &["身份证"]),
            ("NUMÉRO DE SÉRIE", &["NUMÉRO DE SÉRIE"]),
            ("cvv2 cvv2x cvv", &["cvv2"]),
            ("iban", &["iban"]),
            ("cc 1, a1cc-, cc12, CC: 1", &["cc", "CC"]),
            ("aba 1, 9f1aba, aba:1", &["aba", "aba"]),
            ("c.c. 1, C.C: 2", &["c.c", "C.C"]),
            ("ssnNumber customerSSN, customerNationalId, XSsnX", &["ssn", "SSN", "NationalId", "Ssn"]),
            ("NUMERO DE SERIE, Numéro De Série", &["NUMERO DE SERIE", "Numéro De Série"]),
            ("единенГражданскиНомер, Единен_гражданскиНомер", &["единенГражданскиНомер"]),
            ("/aSsnBcd+ 1aSsnB", &[]),
        ] {
            assert_eq!(found(&context, text), places, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_surrounds_a_word_does_not_hide_it(before in "[ 0-9.,;:_-]{0,20}", word in "[a-z]{3,20}|[a-f]{3,5}", after in "[ 0-9.,;:_-]{0,20}") {
            let context = context(&format!("{word:?}"));
            let text = format!("{before}{}{after}", word.to_uppercase());
            // But a digit beside letters to f: that is a number in base 16.
            let coded = word.bytes().all(|letter| letter <= b'f')
                && (before.ends_with(|at: char| at.is_ascii_digit()) || after.starts_with(|at: char| at.is_ascii_digit()));
            let expected = if coded { vec![] } else { vec![word.to_uppercase()] };
            prop_assert_eq!(found(&context, &text), expected);
        }
    }
}
