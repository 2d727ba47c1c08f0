//! What follows the line of a street: parts of the house, towns, states, postcodes, countries.

use std::ops::Range;

use super::super::postcode;
use super::token::{Gap, Token, next, skip};
use super::words::{is_particle, word};

/// Parts that are looked at.
const PARTS: usize = 8;

/// Names of towns, districts and states before a postcode, by lines and commas.
const GROUPS: usize = 4;

/// What stands behind a street.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Follows {
    pub(super) end: usize,
    /// What a part of a house, a postcode or a state among it shows: 2, that what is before is an address; 1, that a street is one; 0, nothing.
    pub(super) shows: u8,
}

/// What of an address stands behind `end`. `places` are names of places, in order.
pub(super) fn follow(text: &str, end: usize, places: &[Range<usize>]) -> Follows {
    let mut follows = Follows { end, shows: 0 };
    for _ in 0..PARTS {
        let at = follows.end + usize::from(text.as_bytes().get(follows.end) == Some(&b'.'));
        let step = unit(text, at).or_else(|| locality(text, at));
        let Some((end, shows)) = step.or_else(|| place(text, at, places).map(|end| (end, 0))) else { break };
        follows = Follows { end, shows: follows.shows.max(shows) };
    }
    follows
}

/// The end of a place that was found and starts directly behind `at`.
fn place(text: &str, at: usize, places: &[Range<usize>]) -> Option<usize> {
    let (start, gap) = skip(text, at)?;
    let first = places.partition_point(|place| place.end <= at);
    let place = places.get(first).filter(|place| place.start <= start && gap > Gap::None)?;
    Some(place.end)
}

/// `Apt. 5`, `#5`, `Suite 100-B`, `3rd Floor`, `3º B`.
fn unit(text: &str, at: usize) -> Option<(usize, u8)> {
    let (start, gap) = skip(text, at)?;
    if gap == Gap::None {
        return None;
    }
    if let Some(rest) = text[start..].strip_prefix('#') {
        let space = rest.len() - rest.trim_start_matches(' ').len();
        let id = next(text, start + 1 + space).filter(|id| space <= 1 && id.gap == Gap::None && is_id(id))?;
        return Some((id.end, 2));
    }
    let token = next(text, at)?;
    if token.is_number() {
        let floor = token.text.ends_with(['º', 'ª', '°']) || token.is_ordinal();
        let behind = next(text, token.past()).filter(|behind| behind.gap == Gap::Space);
        let told = behind.filter(|behind| {
            word(behind).unit > 0 || matches!(behind.text, "OG" | "Stock" | "sal" | "tv" | "th" | "mf")
        });
        if let Some(told) = told.filter(|told| floor || token.dotted && !told.text.is_empty()) {
            return Some((told.end, 1));
        }
        // `3º B`, `2º izq.`
        let door = behind.filter(|behind| {
            behind.text.chars().count() == 1 && behind.is_title()
                || matches!(behind.text.to_lowercase().as_str(), "izq" | "dcha" | "dto" | "esq" | "andar" | "piso")
        });
        return (floor && !token.is_ordinal()).then(|| (door.map_or(token.end, |door| door.end), 1));
    }
    let known = word(&token);
    if known.unit == 0 || known.unit == 1 && gap == Gap::Line {
        return None;
    }
    let sign = next(text, token.past()).filter(|id| id.gap <= Gap::Space);
    let id = match sign {
        Some(sign) if matches!(sign.text, "No" | "no" | "Nr" | "nr" | "nº") => {
            next(text, sign.past()).filter(|id| id.gap <= Gap::Space)
        }
        None => {
            // `Apt #5`.
            let hash = skip(text, token.past()).map(|(at, _)| at).filter(|at| text[*at..].starts_with('#'))?;
            next(text, hash + 1).filter(|id| id.gap == Gap::None)
        }
        other => other,
    };
    id.filter(is_id).map(|id| (id.end, known.unit - 1))
}

/// The number of a part of a house: `5`, `4B`, `B`, `B12`, `100-C`.
fn is_id(token: &Token<'_>) -> bool {
    let digits = token.text.chars().any(|character| character.is_ascii_digit());
    let count = token.text.chars().count();
    count <= 8 && (digits || count == 1 && token.is_title())
}

/// The signs of countries and states that follow a town: United States, Canada, Australia, Brazil, Italy.
const STATES: &[&str] = &[
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "PR", "GU", "VI", "AE", "AP", "AA",
    "ON", "QC", "BC", "AB", "SK", "MB", "NS", "NB", "NL", "YT", "NT", "NU", "NSW", "VIC", "QLD", "TAS", "ACT", "SA",
    "SP", "RJ", "MG", "RS", "BA",
];

/// The end of towns and states behind `at`, as far as a postcode or a state shows that they are such.
fn locality(text: &str, at: usize) -> Option<(usize, u8)> {
    let mut end = at;
    let mut shown = None;
    for group in 0..GROUPS {
        let (start, gap) = skip(text, end)?;
        if gap == Gap::None {
            return shown;
        }
        if let Some(code) = code(text, start, gap, shown.is_some()) {
            // The town behind a postcode.
            let town = names(text, code).filter(|(_, gap, _)| *gap == Gap::Space).map_or(code, |(end, ..)| end);
            let long = shown.is_some() || code - start > 4 || gap > Gap::Space && group == 0 && town > code;
            return Some((bracketed(text, district(text, town)), if long { 2 } else { 1 }));
        }
        let Some((town, _, state)) = names(text, end) else { return shown };
        if state && (group > 0 || gap > Gap::Space) {
            shown = Some((town, 1));
        }
        end = town;
    }
    shown
}

/// A postcode at `start`, behind a gap, and behind a state where that is `told`: its end.
fn code(text: &str, start: usize, gap: Gap, told: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    // `D-10115`, `CH-8001`.
    let sign = bytes[start..].iter().take(3).take_while(|byte| byte.is_ascii_uppercase()).count();
    let signed = (1..=2).contains(&sign) && bytes.get(start + sign) == Some(&b'-');
    let start = if signed { start + sign + 1 } else { start };
    let end = postcode::code_at(text, start)?;
    let digits = bytes[start..end].iter().filter(|byte| byte.is_ascii_digit()).count();
    let year = end - start == 4 && (text[start..end].starts_with("19") || text[start..end].starts_with("20"));
    let town =
        next(text, end).is_some_and(|town| town.gap == Gap::Space && town.is_title() && town.text.chars().count() > 1);
    let lettered = bytes[start..end].iter().any(u8::is_ascii_alphabetic);
    // Four digits are often something else.
    (lettered
        || digits >= 5 && (gap > Gap::None)
        || digits == 4 && (told || (town || gap == Gap::Line) && !year)
        || signed)
        .then_some(end)
}

/// The capitalized words behind `at`: their end, what is before them, and whether the last is the sign of a state.
fn names(text: &str, at: usize) -> Option<(usize, Gap, bool)> {
    let (mut end, mut gap, mut from, mut state) = (None, Gap::None, at, false);
    for index in 0..4 {
        let Some(token) = next(text, from) else { break };
        if index == 0 {
            gap = token.gap;
        } else if token.gap != Gap::Space {
            break;
        }
        if token.is_title() && !token.text.contains(|digit: char| digit.is_ascii_digit()) {
            state = STATES.contains(&token.text);
            end = Some(token.end);
        } else if !is_particle(&token) || index == 0 {
            break;
        }
        from = token.past();
        if token.dotted && token.text.chars().count() > 3 || state {
            break;
        }
    }
    end.map(|end| (end, gap, state))
}

/// The end with the number of a district: `Praha 1`.
fn district(text: &str, end: usize) -> usize {
    let number =
        next(text, end).filter(|number| number.gap == Gap::Space && number.text.len() <= 2 && number.is_house());
    number
        .filter(|number| {
            skip(text, number.end).is_none_or(|(at, gap)| {
                at == text.len()
                    || gap > Gap::Space
                    || number.dotted && !text[number.past()..].starts_with(|next: char| next.is_ascii_digit())
            })
        })
        .map_or(end, |number| number.end)
}

/// The end with what is in brackets or behind a slash: `Milano (MI)`, `Santos / SP`, `Paris Cedex 05`.
fn bracketed(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    for (open, close) in [(" (", ")"), (" / ", ""), ("/", ""), (" - ", ""), (" Cedex ", ""), (" CEDEX ", "")] {
        if let Some(within) = rest.strip_prefix(open) {
            let sign = within.bytes().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
            if (1..=3).contains(&sign) && within[sign..].starts_with(close) {
                return end + open.len() + sign + close.len();
            }
        }
    }
    end
}
