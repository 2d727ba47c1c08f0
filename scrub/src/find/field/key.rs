//! The dictionary of field names.

use compact_str::CompactString;
use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::value::Form;

/// Words of one name that are looked at, from its end.
const WORDS: usize = 6;

/// A type of the dictionary, as an index.
pub(super) type Type = usize;

/// Names of fields and the types of their values.
pub(super) struct Dictionary {
    /// The type and the form of its values.
    pub(super) types: Vec<(&'static str, Form)>,
    /// By the name without spaces: its types, and whether it must be the whole name of the field.
    names: HashMap<String, Vec<(Type, bool)>>,
    /// The last words of all names, and whole names that may be written in one word.
    lasts: HashSet<String>,
    /// A bit for every hash of the last three letters of those.
    endings: Vec<u64>,
}

impl Dictionary {
    /// The one in this folder.
    pub(super) fn load() -> Result<Self, String> {
        let mut dictionary =
            Self { types: Vec::new(), names: HashMap::new(), lasts: HashSet::new(), endings: Vec::new() };
        let mut words = Vec::new();
        for line in include_str!("fields.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some(head) = line.strip_prefix('[') {
                let (kind, form) = head.split_once("] ").ok_or_else(|| format!("field names: {line:?}"))?;
                let form = Form::by_name(form).ok_or_else(|| format!("field names: no form {form:?}"))?;
                dictionary.types.push((kind, form));
                continue;
            }
            let Some(kind) = dictionary.types.len().checked_sub(1) else {
                return Err(format!("field names: {line:?}"));
            };
            for name in line.split(", ") {
                let (name, whole) = name.strip_prefix('=').map_or((name, false), |name| (name, true));
                split(name, &mut words);
                if let Some(last) = words.last() {
                    dictionary.lasts.insert(last.to_string());
                }
                let joined = words.concat();
                dictionary.lasts.insert(joined.clone());
                let types = dictionary.names.entry(joined).or_default();
                if !types.iter().any(|(known, _)| *known == kind) {
                    types.push((kind, whole));
                }
            }
        }
        dictionary.endings = vec![0; 1 << (ENDING_BITS - 6)];
        for last in &dictionary.lasts {
            if let Some(ending) = ending(last) {
                dictionary.endings[ending / 64] |= 1 << (ending % 64);
            }
        }
        Ok(dictionary)
    }

    /// The types that values of a field of this name may have; the most specific name counts. `words` is room for its words.
    pub(super) fn types(&self, name: &str, words: &mut Vec<CompactString>) -> &[(Type, bool)] {
        // Most names end otherwise.
        if ending(name).is_some_and(|ending| self.endings[ending / 64] >> (ending % 64) & 1 == 0) {
            return &[];
        }
        split(name, words);
        if !words.last().is_some_and(|last| self.lasts.contains(last.as_str())) {
            return &[];
        }
        let first = words.len().saturating_sub(WORDS);
        for from in first..words.len() {
            if let Some(types) = self.names.get(words[from..].concat().as_str())
                && (from == 0 || types.iter().any(|(_, whole)| !whole))
            {
                return types;
            }
        }
        &[]
    }

    /// Whether words are the whole name of a field.
    pub(super) fn is_name(&self, words: &[CompactString]) -> bool {
        words.len() <= WORDS && self.names.contains_key(words.concat().as_str())
    }
}

/// A hash of the last three letters of a name, without their case. None where these are not letters of ASCII side by side, or the last word may
/// be shorter.
fn ending(name: &str) -> Option<usize> {
    let end = name.trim_end_matches(|last: char| last.is_ascii() && !last.is_ascii_alphabetic()).len();
    let last: &[u8; 3] = name.as_bytes()[..end].last_chunk()?;
    // A hump, `userId`, begins a word.
    let one_word = last[1..].iter().all(u8::is_ascii_lowercase) && last[0].is_ascii_alphabetic()
        || last.iter().all(u8::is_ascii_uppercase);
    let letters = last.iter().fold(0, |letters, byte| letters << 5 | usize::from(byte & 31));
    one_word.then_some(letters)
}

/// Bits of a hash of three letters.
const ENDING_BITS: u32 = 15;

/// The words of a name, small and without accents: at what is no letter, and at the humps of camel case. Digits do not count.
pub(super) fn split(name: &str, words: &mut Vec<CompactString>) {
    words.clear();
    let mut word = CompactString::default();
    let mut letters = name.chars().peekable();
    let mut prior = ' ';
    while let Some(letter) = letters.next() {
        let hump = letter.is_uppercase()
            && (prior.is_lowercase()
                || (prior.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase())));
        if (hump || !(letter.is_alphabetic() || matches!(letter, '\'' | '’'))) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphabetic() {
            letter.to_lowercase().for_each(|letter| fold(letter, &mut word));
        }
        prior = letter;
    }
    if !word.is_empty() {
        words.push(word);
    }
}

/// A small letter without its accent, as names of fields are often written.
pub(crate) fn fold(letter: char, word: &mut impl Extend<char>) {
    let plain = match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' => 'd',
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì' | 'í' | 'î' | 'ï' | 'ı' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' => 's',
        'ß' => {
            word.extend(['s', 's']);
            return;
        }
        'ť' => 't',
        'ù' | 'ú' | 'û' | 'ü' | 'ů' => 'u',
        'ý' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        // The dot that İ leaves behind when it is made small.
        '\u{307}' => return,
        other => other,
    };
    word.extend([plain]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_however_they_are_written() {
        let dictionary = Dictionary::load().unwrap();
        let mut words = Vec::new();
        let mut kind =
            |name: &str| dictionary.types(name, &mut words).first().map(|(kind, _)| dictionary.types[*kind].0);
        for (name, expected) in [
            ("ssn", "US_SSN"),
            ("patient_name", "PERSON"),
            ("dob", "DATE_OF_BIRTH"),
            ("address_line_1", "LOCATION"),
            ("telefono", "PHONE_NUMBER"),
            ("geburtsdatum", "DATE_OF_BIRTH"),
            ("customerEmail", "EMAIL_ADDRESS"),
            ("Driver's License", "DRIVER_LICENSE"),
            ("FIRST_NAME", "PERSON"),
            ("prénom", "PERSON"),
            ("prenom", "PERSON"),
            ("home-phone-2", "PHONE_NUMBER"),
            ("Straße", "LOCATION"),
            ("numeroDeTelefono", "PHONE_NUMBER"),
            ("номер телефона", "PHONE_NUMBER"),
            ("ipAddr", "IP_ADDRESS"),
        ] {
            assert_eq!(kind(name), Some(expected), "{name}");
        }
        for name in [
            "file_name",
            "name",
            "hostname",
            "page",
            "average",
            "capacity",
            "",
            "_",
            "1",
            "description",
            "velocity",
            "message",
        ] {
            assert_eq!(kind(name), None, "{name}");
        }
    }
}
