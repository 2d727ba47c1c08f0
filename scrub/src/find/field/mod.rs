//! Values of fields, by the names of the fields: `"ssn": "…"`, `patient_name=…`, `Date of birth: …`, `<iban>…</iban>`, `phone,…`, and the
//! columns of a table whose first line names them.

mod key;
pub mod position;
mod table;
mod value;

use std::ops::Range;

use compact_str::CompactString;

use crate::detector::{Detector, DetectorId};

pub(crate) use self::key::fold;
use self::key::{Dictionary, Type};
use self::position::Half;
pub use self::table::Header;
use self::value::{LONGEST, Place};
use super::scan::{Served, Sure, before, byte, is_letter, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// Bytes of a name that are looked at.
const NAME: usize = 64;

/// All of them.
pub struct Fields {
    dictionary: Dictionary,
    /// By type of the dictionary.
    served: Vec<Served>,
    /// That of positions.
    position: Option<Type>,
}

/// The type of positions on the earth.
const POSITION: &str = "GPS_COORDINATES";

/// Makes it for detectors whose types are in the dictionary.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let dictionary = Dictionary::load()?;
    if let Some((_, detector)) =
        detectors.iter().find(|(_, detector)| !dictionary.types.iter().any(|(kind, _)| *kind == detector.kind))
    {
        return Err(format!("detector {:?}: no field names are known of the type {:?}", detector.name, detector.kind));
    }
    let served = dictionary
        .types
        .iter()
        .map(|(kind, _)| {
            let of: Vec<_> = detectors.iter().filter(|(_, detector)| detector.kind == *kind).copied().collect();
            Served::new(&of)
        })
        .collect();
    let position = dictionary.types.iter().position(|(kind, _)| *kind == POSITION);
    Ok(Box::new(Fields { dictionary, served, position }))
}

impl Finder for Fields {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        // A value that starts in the core has its sign before it, by a few bytes.
        let from = text.ceil_char_boundary(core.start.saturating_sub(8));
        let mut words = Vec::new();
        for at in memchr::memchr3_iter(b':', b'=', b'>', &bytes[from..core.end]).map(|at| from + at) {
            let field = match bytes[at] {
                b':' => colon(text, at),
                b'=' => equals(text, at),
                _ => element(text, at),
            };
            if let Some(field) = field {
                self.judge(text, &field, &mut words, found);
            }
        }
        let mut line = from;
        for end in memchr::memchr_iter(b'\n', &bytes[from..core.end]).map(|at| from + at + 1).chain([core.end]) {
            if (line == 0 || bytes[line - 1] == b'\n')
                && let Some(field) = two_columns(text, line)
            {
                self.judge(text, &field, &mut words, found);
            }
            line = end;
        }
    }

    fn knows_columns(&self, header: &Header) -> bool {
        let mut words = Vec::new();
        header.names.iter().any(|name| !self.dictionary.types(name, &mut words).is_empty())
            || header.halves().iter().any(Option::is_some)
    }

    fn find_columns(&self, header: &Header, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let mut words = Vec::new();
        let columns: Vec<&[(Type, bool)]> =
            header.names.iter().map(|name| self.dictionary.types(name, &mut words)).collect();
        let halves = header.halves();
        let shorts: Vec<_> = header.names.iter().map(|name| position::short(name)).collect();
        for line in header.lines(text, core) {
            for (((cell, types), half), short) in line.into_iter().zip(&columns).zip(&halves).zip(&shorts) {
                let space = text[cell.clone()].len() - text[cell.clone()].trim_start().len();
                let value = cell.start + space..cell.end;
                if let (Some(short), None) = (short, half)
                    && !short.is_exact(&text[value.clone()])
                {
                    continue;
                }
                if !self.value(text, value.clone(), types, Place::Data, found)
                    && let Some(half) = half
                {
                    self.half(text, value, *half, found);
                }
            }
        }
    }
}

impl Fields {
    fn judge(&self, text: &str, field: &Field<'_>, words: &mut Vec<CompactString>, found: &mut Vec<Candidate>) {
        let types = self.dictionary.types(field.name, words);
        let start = field.name.as_ptr().addr() - text.as_ptr().addr();
        let in_object = || {
            let is_quoted = matches!(before(text.as_bytes(), start), b'"' | b'\'');
            let name = start..start + field.name.len();
            is_quoted.then(|| position::in_object(text, name, &field.value)).flatten()
        };
        let says_nothing = |half: Half| !position::is_sure(text, half, &field.value) && in_object().is_none();
        if !types.is_empty()
            && !position::short(field.name).is_some_and(says_nothing)
            && self.value(text, field.value.clone(), types, field.place, found)
        {
            return;
        }
        if let Some(half) = in_object() {
            self.half(text, field.value.clone(), half, found);
        }
    }

    /// Adds the value of one half of a position, if it is one.
    fn half(&self, text: &str, value: Range<usize>, half: Half, found: &mut Vec<Candidate>) {
        let degrees = text[value.clone()].trim_end_matches([',', ' ', '\r']);
        if let Some(kind) = self.position
            && half.fits(degrees.as_bytes())
        {
            self.served[kind].add(text, value.start..value.start + degrees.len(), Sure::Form, found);
        }
    }

    /// Adds the value for the first type whose form it has; whether it has one.
    fn value(
        &self,
        text: &str,
        value: Range<usize>,
        types: &[(Type, bool)],
        place: Place,
        found: &mut Vec<Candidate>,
    ) -> bool {
        if value.len() > LONGEST {
            return false;
        }
        for (kind, _) in types {
            let len = self.dictionary.types[*kind].1.take(&text[value.clone()], place, &self.dictionary);
            if len > 0 {
                self.served[*kind].add(text, value.start..value.start + len, Sure::Form, found);
                return true;
            }
        }
        false
    }
}

/// A name and where its value may be.
struct Field<'a> {
    name: &'a str,
    value: Range<usize>,
    place: Place,
}

/// `"key": "value"`, `'key': 1`, `Key words: value`.
fn colon(text: &str, at: usize) -> Option<Field<'_>> {
    let bytes = text.as_bytes();
    if matches!(byte(bytes, at + 1), b':' | b'/') || before(bytes, at) == b':' {
        return None;
    }
    let end = run_back(text, at, 2, |byte| byte == b' ');
    let (name, quoted) = name_before(text, end, true)?;
    let start = run(bytes, at + 1, 4, |byte| matches!(byte, b' ' | b'\t'));
    // A line below: `Name:\n  John`
    value(text, start, quoted, |byte| {
        matches!(byte, b'\n' | b'\r' | b'\t' | b'|' | b';' | b'"' | b'<' | b'>' | b'{' | b'}' | b'[')
    })
    .map(|(value, place)| Field { name, value, place })
}

/// `key=value`, `key = "value"`, `key="value"` of XML, `?key=value&`.
fn equals(text: &str, at: usize) -> Option<Field<'_>> {
    let bytes = text.as_bytes();
    if matches!(byte(bytes, at + 1), b'=' | b'>' | b'~')
        || matches!(before(bytes, at), b'=' | b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'^')
    {
        return None;
    }
    let end = run_back(text, at, 2, |byte| matches!(byte, b' ' | b':'));
    let (name, quoted) = name_before(text, end, false)?;
    let start = run(bytes, at + 1, 2, |byte| byte == b' ');
    let field = value(text, start, quoted, |byte| {
        matches!(
            byte,
            b'\n' | b'\r' | b'\t' | b'|' | b';' | b'"' | b'<' | b'>' | b'{' | b'}' | b'[' | b'&' | b'\'' | b',' | b'('
        )
    });
    let glued = end == at && start == at + 1;
    field.map(|(value, place)| {
        let is_one_of_many = glued && is_attribute(text, name, &value, place);
        Field { name, place: if is_one_of_many { place.of_attribute() } else { place }, value }
    })
}

/// Whether what stands around `name=value` divides it from others of its kind, as in logfmt, settings, URLs and tags of XML: code divides arguments otherwise.
fn is_attribute(text: &str, name: &str, value: &Range<usize>, place: Place) -> bool {
    let bytes = text.as_bytes();
    let divides = |byte: u8| byte == 0 || byte.is_ascii_whitespace() || byte == b'&';
    let start = name.as_ptr().addr() - text.as_ptr().addr();
    let opens = divides(before(bytes, start)) || before(bytes, start) == b'?';
    let end = match place {
        Place::Quoted => value.end + 1,
        _ => run(bytes, value.start, value.len(), |byte| byte != b' '),
    };
    opens && (divides(byte(bytes, end)) || place == Place::Quoted && matches!(byte(bytes, end), b'/' | b'>'))
}

/// `<key>value</key>`.
fn element(text: &str, at: usize) -> Option<Field<'_>> {
    let bytes = text.as_bytes();
    let start = run_back(text, at, NAME * 2, |byte| !matches!(byte, b'<' | b'>' | b'\n'));
    if before(bytes, start) != b'<' || !is_letter(byte(bytes, start)) || before(bytes, at) == b'/' {
        return None;
    }
    let name_end =
        text.floor_char_boundary(run(bytes, start, NAME, |byte| is_word(byte) || matches!(byte, b'-' | b':' | b'.')));
    let name = &text[start..name_end];
    let value = at + 1;
    let end = value + memchr::memchr2(b'<', b'\n', bytes.get(value..bytes.len().min(value + LONGEST + 1))?)?;
    (bytes[end..].starts_with(b"</") && end > value).then_some(Field { name, value: value..end, place: Place::Data })
}

/// A line of two columns, a name and its value: `phone,030 1234567`.
fn two_columns(text: &str, line: usize) -> Option<Field<'_>> {
    let bytes = text.as_bytes();
    // Most lines end otherwise than a value: what divides them is looked for first.
    let near = &bytes[line..bytes.len().min(line + NAME + 1)];
    if !near.iter().fold(false, |any, byte| any | matches!(byte, b',' | b';' | b'\t' | b'|')) {
        return None;
    }
    let end = text.floor_char_boundary(run(bytes, line, NAME, |byte| is_word(byte) || matches!(byte, b' ' | b'-')));
    let delimiter = byte(bytes, end);
    if end == line || !matches!(delimiter, b',' | b';' | b'\t' | b'|') {
        return None;
    }
    let value = run(bytes, end + 1, 1, |byte| byte == b'"');
    let close = value
        + memchr::memchr2(b'\n', delimiter, bytes.get(value..bytes.len().min(value + LONGEST))?)
            .unwrap_or(bytes.len().min(value + LONGEST) - value);
    let alone = close == bytes.len() || bytes[close] == b'\n';
    let text_end = value + text.get(value..close)?.trim_end_matches(['\r', '"', ' ']).len();
    alone.then_some(Field { name: &text[line..end], value: value..text_end, place: Place::Data })
}

/// The name that ends at `end`, and whether it is in quotes.
fn name_before(text: &str, end: usize, spaces: bool) -> Option<(&str, bool)> {
    let bytes = text.as_bytes();
    match before(bytes, end) {
        quote @ (b'"' | b'\'') => {
            let close = end - 1;
            let start = run_back(text, close, NAME, |byte| byte != quote && byte != b'\n');
            (start > 0 && bytes[start - 1] == quote && start < close).then(|| (&text[start..close], true))
        }
        byte if is_word(byte) || byte == b'.' || byte == b')' => {
            let start = run_back(text, end, NAME, |byte| {
                is_word(byte) || matches!(byte, b'-' | b'\'') || (spaces && matches!(byte, b' ' | b'.'))
            });
            let name = text[start..end].trim_start();
            (!name.is_empty()).then_some((name, false))
        }
        // **Name**: of Markdown
        b'*' => {
            let close = run_back(text, end, 2, |byte| byte == b'*');
            let start = run_back(text, close, NAME, |byte| byte != b'*' && byte != b'\n');
            Some((&text[start..close], false))
        }
        _ => None,
    }
}

/// The value at `start`: what is in quotes, or as far as `stop` does not stop it.
fn value(text: &str, start: usize, quoted: bool, stop: impl Fn(u8) -> bool) -> Option<(Range<usize>, Place)> {
    let bytes = text.as_bytes();
    if let quote @ (b'"' | b'\'') = byte(bytes, start) {
        let from = start + 1;
        let end = run(bytes, from, LONGEST + 1, |byte| byte != quote && byte != b'\n');
        return (byte(bytes, end) == quote && text.is_char_boundary(end))
            .then_some((from..end, if quoted { Place::Data } else { Place::Quoted }));
    }
    let start = start + usize::from(text[start..].starts_with("**")) * 2;
    let start = run(bytes, start, 1, |byte| byte == b' ');
    let end = text.floor_char_boundary(run(bytes, start, LONGEST, |byte| !stop(byte)));
    // Code goes on behind a name: `Patient(`, `Foo.bar`
    let open = matches!(byte(bytes, end), b'(' | b'[' | b'{' | b'<');
    (end > start && (!open || text[start..end].contains(' '))).then_some((start..end, Place::Bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::detector::{self, Find};

    /// The values that are found, with the types of their detectors.
    fn fields(text: &str) -> Vec<(String, String)> {
        let dictionary = Dictionary::load().unwrap();
        let kinds: std::collections::BTreeSet<_> = dictionary.types.iter().map(|(kind, _)| kind).collect();
        let toml = kinds.into_iter().fold(String::new(), |toml, kind| {
            let name = kind.to_lowercase();
            toml + &format!(
                "[[detector]]
name = {name:?}
type = {kind:?}
code = \"field\"
score = 0.9
max_length = 256
"
            ) + "examples = [\"\"]
counter_examples = [\"\"]
"
        });
        let detectors = detector::read("test", &toml).unwrap();
        let of: Vec<_> =
            detectors.iter().enumerate().map(|(index, detector)| (DetectorId(index as u16), detector)).collect();
        let finder = make(&of).unwrap();
        let mut found = Vec::new();
        let text = &Text::new(text);
        finder.find(text, 0..text.len(), &mut found);
        if let Some(header) = Header::read(text).filter(|header| finder.knows_columns(header)) {
            finder.find_columns(&header, text, 0..text.len(), &mut found);
        }
        found.sort_by_key(|candidate| candidate.start);
        found
            .iter()
            .map(|candidate| {
                (
                    detectors[usize::from(candidate.detector.0)].kind.clone(),
                    text[candidate.start..candidate.end].to_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn values_by_their_names() {
        for (text, kind, value) in [
            (r#"{"ssn": "078-05-1120"}"#, "US_SSN", "078-05-1120"),
            (r#"{"ssn":78051120,"x":1}"#, "US_SSN", "78051120"),
            (r"{'patient_name': 'john smith'}", "PERSON", "john smith"),
            ("patient_name=John", "PERSON", "John"),
            ("Name of patient: John van der Berg, born", "PERSON", "John van der Berg"),
            ("Date of birth: 3 March 1989 in Rome", "DATE_OF_BIRTH", "3 March 1989"),
            ("DOB: 03/15/1989, MRN", "DATE_OF_BIRTH", "03/15/1989"),
            ("<dateOfBirth>1989-03-15</dateOfBirth>", "DATE_OF_BIRTH", "1989-03-15"),
            ("<person firstName=\"John\"/>", "PERSON", "John"),
            ("address_line_1: 12 Main St, Springfield", "LOCATION", "12 Main St, Springfield"),
            ("Address: 12 Main St, Springfield, Phone: x", "LOCATION", "12 Main St, Springfield"),
            ("Geburtsdatum: 15.03.1989", "DATE_OF_BIRTH", "15.03.1989"),
            ("telefono = 612345678", "PHONE_NUMBER", "612345678"),
            ("?phone=5551234567&x=1", "PHONE_NUMBER", "5551234567"),
            ("**Phone**: 781 5991", "PHONE_NUMBER", "781 5991"),
            ("Passport No.: C01X00T47", "PASSPORT", "C01X00T47"),
            ("NINO: AB 12 34 56 C", "NATIONAL_ID", "AB 12 34 56 C"),
            ("phone,030 1234567\n", "PHONE_NUMBER", "030 1234567"),
            ("age: 45", "AGE", "45"),
            ("\"lat\": 48.8584,", "GPS_COORDINATES", "48.8584"),
            ("{\"pickup_lat\": -48.5, \"pickup_lng\": 200.5}", "GPS_COORDINATES", "-48.5"),
            ("{'pickupLng': 200.5, 'x': 1.5, 'pickupLat': '48.5'}", "GPS_COORDINATES", "48.5"),
            ("{\"latitude\": 2.5, \"longitude\": 7}", "GPS_COORDINATES", "2.5"),
            ("lat=48.8584 x", "GPS_COORDINATES", "48.8584"),
            ("?lat=48.85&zoom=7&lng=2", "GPS_COORDINATES", "48.85"),
            ("<p><lat>48.85</lat><lon>2</lon></p>", "GPS_COORDINATES", "48.85"),
            ("latitude: 48.85", "GPS_COORDINATES", "48.85"),
            ("lat: 48.85° N", "GPS_COORDINATES", "48.85°"),
            ("{\"lat_1\": 48.85, \"lon_1\": 2}", "GPS_COORDINATES", "48.85"),
            ("{\"at\": {\"lat\": 48.85}, \"lon\": 2}", "GPS_COORDINATES", "48.85"),
            ("Фамилия: Иванов", "PERSON", "Иванов"),
            ("{\"employer\": \"cable one\"}", "ORGANIZATION", "cable one"),
            ("INFO company=Warren and Moore done", "ORGANIZATION", "Warren and Moore"),
            ("Employer: Steele, Warren & Moore, since 2001", "ORGANIZATION", "Steele, Warren & Moore"),
            ("Firma: Könige 3 GmbH & Co. KG, Tel: x", "ORGANIZATION", "Könige 3 GmbH & Co. KG"),
            ("INFO update WOHNORT=Bad Wiessee done", "LOCATION", "Bad Wiessee"),
            ("level=info city=\"north leeds\" took=3ms", "LOCATION", "north leeds"),
            ("level=info surname=\"von braun\" took=3ms", "PERSON", "von braun"),
            ("level=info surname=braun took=3ms", "PERSON", "braun"),
            ("place_of_birth=leeds\n", "LOCATION", "leeds"),
            ("It says city=leeds. Then", "LOCATION", "leeds"),
            ("/search?city=leeds&page=2", "LOCATION", "leeds"),
            ("<person city=\"leeds\"/>", "LOCATION", "leeds"),
            ("Geburtsort: Wien", "LOCATION", "Wien"),
        ] {
            assert_eq!(fields(text), [(kind.to_owned(), value.to_owned())], "{text}");
        }
    }

    #[test]
    fn code_and_placeholders_are_no_values() {
        for text in [
            "ssn: String,",
            "email: str = None",
            "first_name: CharField(max_length=30)",
            "\"first_name\": \"First name\"",
            "ssn = None",
            "\"ssn\": null",
            "phone: ${PHONE}",
            "ssn=<US_SSN>",
            "\"ssn\": \"<US_SSN>\"",
            "name: John",
            "file_name=\"Report\"",
            "patient: Patient",
            "address: 0x7fff1234",
            "std::address::x",
            "phone == 12345678",
            "age >= 18",
            "page: 45",
            "dob: \"\"",
            "\"email\": \"Please enter an email\"",
            "self.last_name = last_name",
            "the address: it is the",
            "\"phone\": \"****\"",
            "lastName = user.lastName",
            "<first-name></first-name>",
            "case city:",
            "city: Town",
            "town: Optional[str]",
            "find(city=place, surname=other)",
            "find(city=\"leeds\", surname=\"other\")",
            "city = \"leeds\"",
            "city=place;",
            "city=none x",
            "t(city=name )",
            "address=\"localhost\" port=80",
            "address=localhost port=80",
            "x surname=ab x",
            "{\"pickup_lat\": 48.8584, \"dropoff_lng\": 2.2945}",
            "{\"pickup_lat\": 48.8584}",
            "{\"pickup_lat\": 48, \"pickup_lng\": 2}",
            // Latency, Latin, a word for what is not short.
            "{\"lat\": 12.75, \"host\": \"a\"}",
            "lat=12.75 host=a",
            "lat: 123.456789",
            "<lat>12.75</lat>",
            "lat,12.75\n",
            "{\"long\": 1.575}",
            "{\"lat\": 12.75, \"prolong\": 1.5, \"long_name\": \"x\"}",
            "{\"y\": 48.8584, \"x\": 2.2945}",
        ] {
            assert!(fields(text).is_empty(), "{text}: {:?}", fields(text));
        }
    }

    /// Names of fields without a detector would say nothing, and a type that other detectors do not know would be a second name for one thing.
    #[test]
    fn every_type_of_the_dictionary_is_that_of_a_detector() {
        // Kinds of documents and accounts that only the name of a field tells.
        const BY_FIELD_ONLY: &[&str] = &["TAX_ID", "USERNAME"];
        let is_field = |detector: &&Detector| detector.find == Find::Code("field".to_owned());
        let detectors = builtin::detectors();
        let (fields, others): (Vec<_>, Vec<_>) = detectors.iter().partition(is_field);
        for (kind, _) in &Dictionary::load().unwrap().types {
            assert!(fields.iter().any(|detector| detector.kind == *kind), "{kind} has no detector of fields");
            let known = others.iter().any(|detector| detector.kind == *kind);
            assert!(known != BY_FIELD_ONLY.contains(kind), "{kind} is found by names of fields only");
        }
    }

    #[test]
    fn columns_of_a_table() {
        let found = fields(
            "id,first_name,ssn,comment\n1,john,078051120,\"a, b\"\n2,\"Mary Ann\",,x\nno table\n3,Bob,123456789,y,z\n",
        );
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["john", "078051120", "Mary Ann"]);
        assert!(fields("id,name\n1,john\n").is_empty());
        let found = fields("id,start_lat,start_lng,end_lat,y\n1.5,48.5,-2.25,7.5,48.8584\n2,\"90.5\",\"2.5\",,\n");
        assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["48.5", "-2.25", "2.5"]);
        assert!(found.iter().all(|(kind, _)| kind == "GPS_COORDINATES"));
        assert!(fields("host,lat,code\na,12.75,7\nb,113.254,8\n").is_empty());
        let found = fields("host,lat,code\na,12.7512,7\nb,113.254,8\n");
        assert_eq!(found, [("GPS_COORDINATES".to_owned(), "12.7512".to_owned())]);
        let found = fields("host,lat,lon\na,12.75,7.5\n");
        assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["12.75", "7.5"]);
    }
}
