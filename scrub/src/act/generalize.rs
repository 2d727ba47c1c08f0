//! Values made coarser.
//!
//! | type | becomes |
//! |---|---|
//! | date | its year |
//! | IP address | its /24, or its /48 |
//! | age | a band of ten years, `90+` from 90 on |
//! | postcode | three of five digits, `000` where at most 20,000 people live; the area of others |
//! | coordinates | one decimal, about 10 km |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::canonical::Class;

/// Three-digit ZIP areas of at most 20,000 people by any census since 2000: 17 of 2000, as the guidance of the US Department of Health and Human
/// Services lists them (question 2.3 on 45 CFR 164.514(b)(2)(i)(B)), 14 of 2010 and 18 of 2020 by the tabulation areas of the Census Bureau. The rule
/// asks for the current count; texts are older than that, so an area stays in the list.
pub const SPARSE_ZIP3: [&str; 23] = [
    "036", "059", "063", "102", "202", "203", "204", "205", "369", "556", "692", "753", "772", "790", "821", "823",
    "830", "831", "878", "879", "884", "890", "893",
];

/// A value made coarser, or none when its type or its form has nothing coarser.
pub(super) fn generalize(class: Class, value: &str) -> Option<String> {
    match class {
        Class::Date => year(value).map(str::to_owned),
        Class::Ip => network(value),
        Class::Age => age(value),
        Class::Postcode => postcode(value),
        Class::Gps => coordinates(value),
        _ => None,
    }
}

/// Whether the text at `range` was made coarser before.
pub(super) fn is_general(class: Class, text: &str, (start, end): (usize, usize)) -> bool {
    let (before, value, after) = (&text[..start], &text[start..end], &text[end..]);
    match class {
        Class::Date => value.len() == 4 && year(value).is_some(),
        Class::Ip => {
            let (address, suffix) =
                value.split_once('/').map_or((value, after), |(address, _)| (address, &value[address.len()..]));
            match address.parse() {
                Ok(IpAddr::V4(address)) => address.octets()[3] == 0 && suffix.starts_with("/24"),
                Ok(IpAddr::V6(address)) => address.segments()[3..] == [0; 5] && suffix.starts_with("/48"),
                Err(_) => false,
            }
        }
        Class::Age => {
            let digit = |text: &str, zero: bool| {
                let byte = if zero { text.bytes().next_back() } else { text.bytes().next() };
                byte.is_some_and(|byte| if zero { byte == b'0' } else { byte.is_ascii_digit() })
            };
            let band = |before: &str, after: &str| digit(before, true) && digit(after, false);
            value.contains("90+")
                || value.ends_with("90") && after.starts_with('+')
                || value.split_once('-').is_some_and(|(first, second)| band(first, second))
                || before.strip_suffix('-').is_some_and(|first| band(first, value))
                || after.strip_prefix('-').is_some_and(|second| band(value, second))
        }
        Class::Postcode => {
            // Three digits, two digits, or letters: what [`postcode`] leaves.
            let digits = matches!(value.len(), 2 | 3) && value.bytes().all(|byte| byte.is_ascii_digit());
            let letters = matches!(value.len(), 1 | 2) && value.bytes().all(|byte| byte.is_ascii_alphabetic());
            (digits || letters) && !SPARSE_ZIP3.contains(&value)
        }
        Class::Gps => coordinates(value).as_deref() == Some(value),
        _ => false,
    }
}

/// The only number of four digits, if it can be a year.
fn year(value: &str) -> Option<&str> {
    let mut years = value
        .split(|character: char| !character.is_ascii_digit())
        .filter(|number| number.len() == 4 && matches!(number.as_bytes()[0], b'1' | b'2'));
    let year = years.next()?;
    years.next().is_none().then_some(year)
}

fn network(value: &str) -> Option<String> {
    Some(match value.trim().parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    })
}

/// The value with its only number replaced by a band.
fn age(value: &str) -> Option<String> {
    let start = value.find(|character: char| character.is_ascii_digit())?;
    let end = value[start..].find(|character: char| !character.is_ascii_digit()).map_or(value.len(), |len| start + len);
    if value[end..].contains(|character: char| character.is_numeric()) {
        return None;
    }
    let age: u32 = value[start..end].parse().ok().filter(|age| *age <= 150)?;
    let band = if age >= 90 { "90+".to_owned() } else { format!("{}-{}", age / 10 * 10, age / 10 * 10 + 9) };
    Some(format!("{}{band}{}", &value[..start], &value[end..]))
}

fn postcode(value: &str) -> Option<String> {
    let value = value.trim();
    if !value.is_ascii() {
        return None;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, second) = value.split_once([' ', '-']).unwrap_or((value, ""));
    // ZIP and ZIP+4, and the five digits of others.
    if digits(first) && first.len() == 5 && (second.is_empty() || digits(second)) {
        return Some(if SPARSE_ZIP3.contains(&&first[..3]) { "000".to_owned() } else { first[..3].to_owned() });
    }
    // United Kingdom, Canada: the letters are an area or a province. Netherlands, Japan, Poland: two digits are a region.
    if !second.is_empty() {
        let letters = first.bytes().take_while(u8::is_ascii_alphabetic).count();
        let kept = if letters > 0 { letters } else { 2 };
        return first.get(..kept).map(str::to_owned);
    }
    match (digits(value), value.len()) {
        (true, 3) if SPARSE_ZIP3.contains(&value) => Some("000".to_owned()),
        (true, 4) => Some(value[..2].to_owned()),
        (true, 6..=8) => Some(value[..3].to_owned()),
        _ => None,
    }
}

/// Decimal degrees with one decimal; no other numbers.
fn coordinates(value: &str) -> Option<String> {
    let mut general = String::with_capacity(value.len());
    let mut rest = value;
    let mut numbers = 0;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let number = &rest[start..];
        let end =
            number.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(number.len());
        let (whole, decimals) = number[..end].split_once('.')?;
        if whole.is_empty() || whole.len() > 3 || decimals.is_empty() || decimals.contains('.') {
            return None;
        }
        general.push_str(&rest[..start]);
        general.push_str(whole);
        general.push('.');
        general.push_str(&decimals[..1]);
        numbers += 1;
        rest = &number[end..];
    }
    general.push_str(rest);
    (numbers > 0).then_some(general)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    #[test]
    fn values_are_made_coarser() {
        for (kind, value, expected) in [
            ("DATE_TIME", "12 March 1985", Some("1985")),
            ("DATE_TIME", "1985-03-12T10:20:30Z", Some("1985")),
            ("DATE_OF_BIRTH", "03/12/1985", Some("1985")),
            ("DATE_TIME", "03/12/85", None),
            ("DATE_TIME", "Monday at 10:30", None),
            ("IP_ADDRESS", "192.168.7.42", Some("192.168.7.0/24")),
            ("IP_ADDRESS", "2001:db8:1:2:3:4:5:6", Some("2001:db8:1::/48")),
            ("AGE", "45", Some("40-49")),
            ("AGE", "7 years old", Some("0-9 years old")),
            ("AGE", "89", Some("80-89")),
            ("AGE", "90", Some("90+")),
            ("AGE", "aged 104", Some("aged 90+")),
            ("AGE", "forty", None),
            ("POSTCODE", "90210", Some("902")),
            ("POSTCODE", "90210-1234", Some("902")),
            ("POSTCODE", "03601", Some("000")),
            ("POSTCODE", "82190-0001", Some("000")),
            ("POSTCODE", "036", Some("000")),
            ("POSTCODE", "SW1A 1AA", Some("SW")),
            ("POSTCODE", "K1A 0B1", Some("K")),
            ("POSTCODE", "1010", Some("10")),
            ("POSTCODE", "150-0002", Some("15")),
            ("GPS_COORDINATES", "48.8584, 2.2945", Some("48.8, 2.2")),
            ("GPS_COORDINATES", "-33.8568,151.2153", Some("-33.8,151.2")),
            ("GPS_COORDINATES", "48°51'29\"N", None),
            ("PERSON", "Ada", None),
        ] {
            assert_eq!(generalize(Class::of(kind), value).as_deref(), expected, "{kind} {value}");
        }
    }

    #[test]
    fn what_was_made_coarser_is_known() {
        for (kind, text, value) in [
            ("DATE_TIME", "in 1985", "1985"),
            ("IP_ADDRESS", "from 192.168.7.0/24", "192.168.7.0"),
            ("IP_ADDRESS", "from 192.168.7.0/24", "192.168.7.0/24"),
            ("IP_ADDRESS", "from 2001:db8:1::/48", "2001:db8:1::"),
            ("POSTCODE", "ZIP 902", "902"),
            ("POSTCODE", "ZIP 000", "000"),
            ("POSTCODE", "area SW", "SW"),
            ("AGE", "40-49 years old", "49 years old"),
            ("AGE", "40-49 years old", "40-49 years old"),
            ("AGE", "age 40-49", "40"),
            ("AGE", "aged 90+", "90"),
            ("GPS_COORDINATES", "at 48.8, 2.2", "48.8, 2.2"),
        ] {
            let start = text.find(value).unwrap();
            assert!(is_general(Class::of(kind), text, (start, start + value.len())), "{value} in {text}");
        }
        for (kind, value) in [
            ("AGE", "45"),
            ("POSTCODE", "036"),
            ("POSTCODE", "90210"),
            ("IP_ADDRESS", "192.168.7.0"),
            ("GPS_COORDINATES", "48.85, 2.2"),
        ] {
            assert!(!is_general(Class::of(kind), value, (0, value.len())), "{value}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in ".*", number in "[0-9/.:+ -]{0,20}") {
            for value in [&value, &number] {
                for kind in ["DATE_TIME", "IP_ADDRESS", "AGE", "POSTCODE", "GPS_COORDINATES"] {
                    generalize(Class::of(kind), value);
                    is_general(Class::of(kind), value, (0, value.len()));
                }
            }
        }
    }
}
