//! What a value is, apart from how it is written: the input of every keyed strategy.

use std::net::IpAddr;

/// What types have in common for the strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Email,
    Phone,
    Card,
    Ip,
    Mac,
    Url,
    Date,
    Age,
    Postcode,
    Gps,
    Person,
    Place,
    Organization,
    /// A text that is compared without case: a title, a nationality.
    Words,
    /// Every byte counts.
    Secret,
    /// Letters and digits with separators: all other types.
    Number,
}

/// By type. All others are numbers.
const CLASSES: &[(&str, Class)] = &[
    ("EMAIL_ADDRESS", Class::Email),
    ("PHONE_NUMBER", Class::Phone),
    ("CREDIT_CARD", Class::Card),
    ("IP_ADDRESS", Class::Ip),
    ("MAC_ADDRESS", Class::Mac),
    ("URL", Class::Url),
    ("DATE_TIME", Class::Date),
    ("DATE_OF_BIRTH", Class::Date),
    ("AGE", Class::Age),
    ("POSTCODE", Class::Postcode),
    ("GPS_COORDINATES", Class::Gps),
    ("PERSON", Class::Person),
    ("LOCATION", Class::Place),
    ("ORGANIZATION", Class::Organization),
    ("NRP", Class::Words),
    ("TITLE", Class::Words),
    ("USERNAME", Class::Words),
    ("SECRET", Class::Secret),
    ("URL_CREDENTIALS", Class::Secret),
    ("CRYPTO", Class::Secret),
];

impl Class {
    pub(super) fn of(kind: &str) -> Self {
        CLASSES.iter().find(|(known, _)| *known == kind).map_or(Self::Number, |(_, class)| *class)
    }
}

/// The canonical form of a value of a type.
pub(super) fn canonical(class: Class, value: &str) -> String {
    match class {
        Class::Email | Class::Words | Class::Person | Class::Place | Class::Organization | Class::Date => words(value),
        Class::Phone => phone(value),
        Class::Ip => value.trim().parse::<IpAddr>().map_or_else(|_| words(value), |address| address.to_string()),
        Class::Url => url(value),
        Class::Secret => value.to_owned(),
        Class::Gps => value.split_whitespace().collect(),
        Class::Card | Class::Mac | Class::Age | Class::Postcode | Class::Number => {
            value.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_uppercase).collect()
        }
    }
}

/// Folded case, single spaces.
fn words(value: &str) -> String {
    let words: Vec<_> = value.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// E.164 (`+` and digits) where the country is told, by `+`, `00`, `011` or the ten digits of North America; else the digits. The extension
/// behind `;ext=` (RFC 3966).
fn phone(value: &str) -> String {
    let lower = value.to_lowercase();
    let (number, extension) = ["ext", "x", "#", "durchwahl", "poste"]
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min()
        .map_or((lower.as_str(), ""), |at| lower.split_at(at));
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    // The zero in +44 (0) 20 is not dialled.
    let national = if number.contains('+') { number.replacen("(0)", "", 1) } else { number.to_owned() };
    let bare = digits(&national);
    let international = if number.contains('+') {
        Some(bare.clone())
    } else if let Some(rest) = bare.strip_prefix("011").filter(|rest| rest.len() >= 8) {
        Some(rest.to_owned())
    } else if let Some(rest) = bare.strip_prefix("00") {
        Some(rest.to_owned())
    } else {
        match bare.as_bytes() {
            [b'1', b'2'..=b'9', _, _, b'2'..=b'9', _, _, _, _, _, _] => Some(bare.clone()),
            [b'2'..=b'9', _, _, b'2'..=b'9', _, _, _, _, _, _] => Some(format!("1{bare}")),
            _ => None,
        }
    };
    let number = international.map_or(bare, |number| format!("+{number}"));
    let extension = digits(extension);
    if extension.is_empty() { number } else { format!("{number};ext={extension}") }
}

/// Scheme and host folded (RFC 3986, section 6.2.2.1), without the slash of an empty path.
fn url(value: &str) -> String {
    let authority = value.find("://").map_or(0, |at| at + 3);
    let end = value[authority..].find(['/', '?', '#']).map_or(value.len(), |at| authority + at);
    let rest = if &value[end..] == "/" { "" } else { &value[end..] };
    format!("{}{rest}", value[..end].to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;

    #[test]
    fn every_type_with_a_class_is_that_of_a_detector() {
        let detectors = builtin::detectors();
        for (kind, _) in CLASSES {
            assert!(detectors.iter().any(|detector| detector.kind == *kind), "{kind}");
        }
    }

    #[test]
    fn one_value_has_one_form() {
        for (kind, form, values) in [
            ("EMAIL_ADDRESS", "john.doe@example.com", &["John.Doe@Example.COM", "john.doe@example.com"][..]),
            (
                "PHONE_NUMBER",
                "+12125550123",
                &[
                    "+1 212 555 0123",
                    "(212) 555-0123",
                    "1-212-555-0123",
                    "001 212.555.0123",
                    "2125550123",
                    "011 1 212 555 0123",
                ],
            ),
            ("PHONE_NUMBER", "+442079460000", &["+44 (0)20 7946 0000", "0044 20 7946 0000", "+44-20-79460000"]),
            ("PHONE_NUMBER", "02079460000", &["020 7946 0000", "(020) 7946-0000"]),
            ("PHONE_NUMBER", "+12125550123;ext=42", &["212-555-0123 ext. 42", "+1 212 555 0123 x42"]),
            ("IP_ADDRESS", "2001:db8::1", &["2001:DB8:0:0::1", "2001:0db8::0001"]),
            ("MAC_ADDRESS", "00005E005301", &["00:00:5e:00:53:01", "0000.5E00.5301"]),
            ("US_SSN", "078051120", &["078-05-1120", "078 05 1120"]),
            ("IBAN_CODE", "DE89370400440532013000", &["de89 3704 0044 0532 0130 00", "DE89370400440532013000"]),
            ("PERSON", "john smith", &["John  Smith", "JOHN SMITH", "John\nSmith"]),
            ("URL", "https://example.com", &["HTTPS://Example.com/", "https://example.com"]),
            ("URL", "https://example.com/A?b=C", &["https://EXAMPLE.com/A?b=C"]),
            ("SECRET", "aB c", &["aB c"]),
        ] {
            for value in values {
                assert_eq!(canonical(Class::of(kind), value), form, "{kind} {value}");
            }
        }
    }
}
