//! Surrogates: made-up values of the form of the value, the same for the same value under one key. From ranges that are reserved for
//! examples, or marked as made up, so that no real person is named and a second run leaves them alone.
//!
//! | type | surrogate |
//! |---|---|
//! | e-mail | `first.last.xxxxxx@example.com`, `.net` or `.org` (RFC 2606) |
//! | phone | `+1-AAA-555-01NN` (reserved for fiction by the North American numbering plan) |
//! | payment card | `999999`, an issuer number that ISO/IEC 7812 gives to no scheme, FF1 of what stands behind the issuer's digits, Luhn's digit |
//! | IP address | 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737), `2001:db8::/32` (RFC 3849) |
//! | MAC address | 00-00-5E-00-53-xx (RFC 7042, section 2.1.2) |
//! | URL | `https://example.com/xxxxxxxxxx` |
//! | person | a neutral first name, a tree or a plant, and `Doe` |
//! | place, organisation | `Place-xxxxxx`, `Org-xxxxxx` |
//! | other numbers | `<TYPE:f1_…>`: FF1 of the digits, or of digits and letters, their separators kept |
//!
//! What has no surrogate (fewer than 10⁶ values, dates, ages) gets its label.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::canonical::Class;
use super::key::{KindKey, hmac};
use super::token::{base32, labelled};

/// First names that are given to all genders.
const FIRST: [&str; 32] = [
    "Alex", "Andrea", "Ariel", "Avery", "Bailey", "Blake", "Cameron", "Casey", "Charlie", "Dana", "Devon", "Drew",
    "Eden", "Emery", "Frankie", "Harper", "Hayden", "Jamie", "Jordan", "Kai", "Kim", "Lee", "Logan", "Morgan", "Noel",
    "Parker", "Quinn", "Riley", "Robin", "Sam", "Taylor", "Toni",
];

/// Trees and plants.
const LAST: [&str; 64] = [
    "Acacia", "Alder", "Almond", "Anise", "Apple", "Ash", "Aspen", "Aster", "Balsam", "Bamboo", "Barley", "Basil",
    "Bay", "Beech", "Birch", "Box", "Briar", "Broom", "Cedar", "Cherry", "Clover", "Cypress", "Daisy", "Dill", "Elder",
    "Elm", "Fennel", "Fern", "Fir", "Flax", "Gorse", "Hawthorn", "Hazel", "Heather", "Hemlock", "Holly", "Iris", "Ivy",
    "Juniper", "Larch", "Laurel", "Lilac", "Linden", "Lotus", "Maple", "Mint", "Myrtle", "Oak", "Olive", "Pine",
    "Plum", "Poplar", "Reed", "Rowan", "Rush", "Sage", "Sorrel", "Spruce", "Tansy", "Thyme", "Vetch", "Willow",
    "Yarrow", "Yew",
];

/// Digits at the start of a card number that name its issuer.
const ISSUER: usize = 6;

/// The issuer of surrogates.
const NO_ISSUER: &str = "999999";

/// The surrogate of a value, or none when its type has none.
pub(super) fn surrogate(key: &KindKey, class: Class, kind: &str, value: &str, canonical: &str) -> Option<String> {
    let choice = hmac(&key.choice, canonical.as_bytes());
    let pick = |index: usize, of: usize| {
        let number = u32::from_be_bytes([
            choice[4 * index],
            choice[4 * index + 1],
            choice[4 * index + 2],
            choice[4 * index + 3],
        ]);
        number as usize % of
    };
    let word = |len: usize| base32(&choice[16..])[..len].to_owned();
    Some(match class {
        Class::Email => {
            let domain = ["com", "net", "org"][pick(2, 3)];
            let (first, last) = (FIRST[pick(0, FIRST.len())].to_lowercase(), LAST[pick(1, LAST.len())].to_lowercase());
            format!("{first}.{last}.{}@example.{domain}", word(6))
        }
        // Area codes are from 2 to 9, 0 to 8, 0 to 9.
        Class::Phone => {
            format!("+1-{}{}{}-555-01{:02}", 2 + pick(0, 8), pick(1, 9), pick(2, 10), pick(3, 100))
        }
        Class::Card => card(key, value, canonical)?,
        Class::Ip => match canonical.parse().ok()? {
            IpAddr::V4(_) => {
                let net = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][pick(0, 3)];
                Ipv4Addr::new(net[0], net[1], net[2], 1 + pick(1, 254) as u8).to_string()
            }
            IpAddr::V6(_) => {
                let part = |index: usize| u16::from_be_bytes([choice[2 * index], choice[2 * index + 1]]);
                Ipv6Addr::new(0x2001, 0xdb8, part(0), part(1), part(2), part(3), part(4), part(5)).to_string()
            }
        },
        Class::Mac => mac(value, choice[0]),
        Class::Url => format!("https://example.com/{}", word(10)),
        Class::Person => {
            let (first, last) = (FIRST[pick(0, FIRST.len())], LAST[pick(1, LAST.len())]);
            let name = if canonical.contains(' ') { format!("{first} {last} Doe") } else { format!("{last}-Doe") };
            if value.chars().any(char::is_lowercase) { name } else { name.to_uppercase() }
        }
        Class::Place => format!("Place-{}", word(6)),
        Class::Organization => format!("Org-{}", word(6)),
        Class::Number => labelled(kind, &format!("f1_{}", number(key, value, canonical)?)),
        Class::Date | Class::Age | Class::Postcode | Class::Gps | Class::Words | Class::Secret => return None,
    })
}

/// Whether the text at `range` is a surrogate, or a part of one.
pub(super) fn is_surrogate(class: Class, text: &str, range: (usize, usize)) -> bool {
    let value = &text[range.0..range.1];
    match class {
        Class::Email => {
            let local = value.rsplit_once("@example.").and_then(|(local, domain)| {
                matches!(domain, "com" | "net" | "org").then(|| local.split('.').collect::<Vec<_>>())
            });
            local.is_some_and(|local| {
                let [first, last, word] = local[..] else { return false };
                is_one_of(&FIRST, first) && is_one_of(&LAST, last) && is_word(word, 6)
            })
        }
        Class::Phone => {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            matches!(
                digits.strip_prefix('1').unwrap_or(&digits).as_bytes(),
                [_, _, _, b'5', b'5', b'5', b'0', b'1', _, _]
            )
        }
        Class::Card => value.chars().filter(char::is_ascii_digit).take(ISSUER).eq(NO_ISSUER.chars()),
        Class::Ip => match value.parse() {
            Ok(IpAddr::V4(address)) => address.is_documentation(),
            Ok(IpAddr::V6(address)) => address.segments()[..2] == [0x2001, 0xdb8],
            Err(_) => false,
        },
        Class::Mac => {
            let digits: String = value.chars().filter(char::is_ascii_hexdigit).collect();
            digits.len() == 12 && digits.to_ascii_uppercase().starts_with("00005E0053")
        }
        Class::Url => value.strip_prefix("https://example.com/").is_some_and(|word| is_word(word, 10)),
        Class::Person => is_in_name(text, range),
        Class::Place => value.strip_prefix("Place-").is_some_and(|word| is_word(word, 6)),
        Class::Organization => value.strip_prefix("Org-").is_some_and(|word| is_word(word, 6)),
        _ => false,
    }
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_word(word: &str, len: usize) -> bool {
    word.len() == len && word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'2'..=b'7'))
}

/// Whether a range lies in `Robin Alder Doe` or `Alder-Doe`.
fn is_in_name(text: &str, (start, end): (usize, usize)) -> bool {
    // The longest surrogate is shorter than this.
    const REACH: usize = 32;
    let from = text.floor_char_boundary(end.saturating_sub(REACH));
    let to = text.ceil_char_boundary((start + REACH).min(text.len()));
    if end > to || start < from {
        return false;
    }
    let near = &text[from..to];
    near.match_indices("oe").chain(near.match_indices("OE")).any(|(at, _)| {
        let Some(name) = near[..at].strip_suffix('D').or_else(|| near[..at].strip_suffix('d')) else { return false };
        let name_start = if let Some(plants) = name.strip_suffix('-') {
            last_word(plants).filter(|plant| is_one_of(&LAST, plant)).map(|plant| plants.len() - plant.len())
        } else {
            name.strip_suffix(' ').and_then(|names| {
                let plant = last_word(names).filter(|plant| is_one_of(&LAST, plant))?;
                let names = names[..names.len() - plant.len()].strip_suffix(' ')?;
                let first = last_word(names).filter(|first| is_one_of(&FIRST, first))?;
                Some(names.len() - first.len())
            })
        };
        name_start.is_some_and(|name_start| from + name_start <= start && end <= from + at + 2)
    })
}

fn last_word(text: &str) -> Option<&str> {
    text.rsplit(|character: char| !character.is_alphanumeric()).next()
}

/// A card number of no issuer, with the separators of the value.
fn card(key: &KindKey, value: &str, canonical: &str) -> Option<String> {
    let digits: Vec<u8> =
        canonical.chars().map(|digit| digit.to_digit(10).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let account = digits.get(ISSUER..digits.len().checked_sub(1)?)?;
    let account = key.ff1.encrypt(10, &digits[..ISSUER], account).ok()?;
    let mut number = NO_ISSUER.to_owned();
    number.extend(account.iter().map(|digit| char::from(b'0' + digit)));
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(digit - b'0');
            if index % 2 == 0 { 2 * digit / 10 + 2 * digit % 10 } else { digit }
        })
        .sum();
    let _ = write!(number, "{}", (10 - sum % 10) % 10);
    refill(value, &number)
}

/// The digits, or digits and letters, of a value encrypted, with its separators.
fn number(key: &KindKey, value: &str, canonical: &str) -> Option<String> {
    let radix = if canonical.bytes().all(|byte| byte.is_ascii_digit()) { 10 } else { 36 };
    let digits: Vec<u8> =
        canonical.chars().map(|digit| digit.to_digit(radix).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let encrypted = key.ff1.encrypt(radix, b"", &digits).ok()?;
    let number: String = encrypted
        .iter()
        .filter_map(|digit| char::from_digit(u32::from(*digit), radix))
        .map(|digit| digit.to_ascii_uppercase())
        .collect();
    refill(value, &number)
}

/// `value` with its letters and digits replaced by others in turn; only separators that stand in such numbers are kept.
fn refill(value: &str, with: &str) -> Option<String> {
    let mut with = with.chars();
    let mut filled = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            _ if character.is_alphanumeric() => filled.push(with.next()?),
            '-' | ' ' | '.' | '/' => filled.push(character),
            _ => {}
        }
    }
    with.next().is_none().then_some(filled)
}

fn mac(value: &str, last: u8) -> String {
    let digits = format!("00005E0053{last:02X}");
    let digits = if value.bytes().any(|byte| byte.is_ascii_lowercase()) { digits.to_lowercase() } else { digits };
    let separators = value.chars().filter(|character| matches!(character, ':' | '-' | '.')).count();
    let (separator, group) = match (separators, value.chars().find(|character| matches!(character, ':' | '-' | '.'))) {
        (5, Some(separator)) => (separator, 2),
        (2, Some(separator)) => (separator, 4),
        (0, None) => return digits,
        _ => (':', 2),
    };
    let groups: Vec<_> = digits.as_bytes().chunks(group).map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(&separator.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::act::canonical::canonical;
    use crate::act::{Scope, ScopeKey};

    fn make(kind: &str, value: &str) -> Option<String> {
        let scope = ScopeKey::derive(&[9; 32], "tenant", Scope::Bucket, "bucket").unwrap();
        let key = KindKey::derive(&scope, kind).unwrap();
        let class = Class::of(kind);
        surrogate(&key, class, kind, value, &canonical(class, value))
    }

    #[test]
    fn surrogates_are_of_their_form_and_known_again() {
        for (kind, value, other) in [
            ("EMAIL_ADDRESS", "John@Corp.test", "john@corp.test"),
            ("PHONE_NUMBER", "(212) 555-7788", "+1 212 555 7788"),
            ("CREDIT_CARD", "4242 4242 4242 4242", "4242424242424242"),
            ("IP_ADDRESS", "10.1.2.3", "10.1.2.3"),
            ("IP_ADDRESS", "fe80::1", "FE80:0::1"),
            ("MAC_ADDRESS", "3c:22:fb:00:11:22", "3C22.FB00.1122"),
            ("URL", "https://intranet.corp.test/x", "HTTPS://intranet.corp.test/x"),
            ("PERSON", "Ada Lovelace", "ADA LOVELACE"),
            ("PERSON", "Ada", "ADA"),
            ("LOCATION", "Kyoto", "kyoto"),
            ("ORGANIZATION", "ACME Ltd", "Acme ltd"),
            ("US_SSN", "219-09-9999", "219 09 9999"),
            ("DE_TAX_ID", "86 095 742 719", "86095742719"),
            ("VIN", "1HGCM82633A004352", "1hgcm82633a004352"),
        ] {
            let surrogate = make(kind, value).unwrap();
            let letters =
                |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            assert_eq!(letters(&surrogate), letters(&make(kind, other).unwrap()), "{value} and {other}");
            assert_ne!(letters(&surrogate), letters(value));
            let marked = is_surrogate(Class::of(kind), &surrogate, (0, surrogate.len()))
                || crate::act::token::marks(&surrogate) == [(0, surrogate.len())];
            assert!(marked, "{surrogate}");
            assert!(!is_surrogate(Class::of(kind), value, (0, value.len())), "{value}");
        }
        assert_eq!(make("CREDIT_CARD", "4242-4242-4242-4242").unwrap().matches('-').count(), 3);
        assert!(make("MAC_ADDRESS", "3c:22:fb:00:11:22").unwrap().starts_with("00:00:5e:00:53:"));
        for kind in ["DATE_TIME", "AGE", "SECRET", "POSTCODE"] {
            assert_eq!(make(kind, "2001-02-03 04:05"), None);
        }
        assert_eq!(make("POLICY_NUMBER", "12345"), None, "the domain is too small");
    }

    #[test]
    fn a_part_of_a_made_up_name_is_known() {
        let text = "Dear Robin Alder Doe, and ALDER-DOE, and Robin Alder, Jane Doe";
        for (name, known) in [("Robin", true), ("Alder Doe", true), ("ALDER-DOE", true), ("Jane Doe", false)] {
            let start = text.find(name).unwrap();
            assert_eq!(is_in_name(text, (start, start + name.len())), known, "{name}");
        }
        let start = text.rfind("Robin Alder").unwrap();
        assert!(!is_in_name(text, (start, start + 11)));
    }

    proptest! {
        #[test]
        fn cards_are_valid_by_luhn_and_of_no_issuer(number in "[2-6][0-9]{12,18}") {
            let surrogate = make("CREDIT_CARD", &number).unwrap();
            prop_assert!(surrogate.starts_with(NO_ISSUER));
            prop_assert_eq!(surrogate.len(), number.len());
            let sum: u32 = surrogate.bytes().rev().enumerate().map(|(index, digit)| {
                let digit = u32::from(digit - b'0') * if index % 2 == 1 { 2 } else { 1 };
                digit / 10 + digit % 10
            }).sum();
            prop_assert_eq!(sum % 10, 0);
        }

        #[test]
        fn nothing_panics(value in ".*") {
            for kind in ["EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IP_ADDRESS", "MAC_ADDRESS", "PERSON", "OTHER"] {
                make(kind, &value);
                is_surrogate(Class::of(kind), &value, (0, value.len()));
            }
        }
    }
}
