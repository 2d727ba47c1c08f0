//! Postal addresses: a street with the number of a house, a box, a crossing, and what follows it over commas and lines.
//!
//! At every number that may be that of a house it is asked whether a street stands on either side ([`street`]), by words that are known
//! (`streets.txt`); what follows (a part of a house, a postcode, a state) is taken too and makes a less sure street surer. Then what the tagger took
//! for places is joined with numbers and crossings beside it.

mod boxed;
mod follow;
mod street;
#[cfg(test)]
mod tests;
mod token;
mod words;

use std::ops::Range;

use aho_corasick::AhoCorasick;
use aho_corasick::packed::Searcher;

use self::follow::follow;
use self::token::{Gap, Token, next, prev};
use self::words::{compound, is_particle, word};
use super::scan::{Served, Sure, before, byte, is_letter, is_word, run, run_back};
use super::{Candidate, Finder, Text};
use crate::detector::{Detector, DetectorId};

/// How far behind the start of an address its first number may stand, in bytes.
const REACH: usize = 128;

/// How far from a number the word of its street begins, in bytes.
const BESIDE: usize = 24;

/// What is less sure than its detector says.
const WEAK: f32 = 0.4;

/// Words before a crossing.
const CORNERS: &[&str] = &[
    "corner of ",
    "Corner of ",
    "CORNER OF ",
    "ntersection of ",
    "NTERSECTION OF ",
    "esquina de ",
    "esquina con ",
    "angle de la ",
    "angolo tra ",
    "angolo con ",
];

/// Words between the streets of a crossing.
const AND: &[&str] = &["and", "und", "y", "e", "et", "con", "og", "och", "en", "AND"];

struct Addresses {
    served: Served,
    corners: AhoCorasick,
    /// The same by vector instructions, where the processor has them.
    packed: Option<Searcher>,
}

/// Makes it.
pub(super) fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let corners = AhoCorasick::new(CORNERS).map_err(|error| error.to_string())?;
    let packed = Searcher::new(CORNERS);
    Ok(Box::new(Addresses { served: Served::new(detectors), corners, packed }))
}

impl Finder for Addresses {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        self.find_beside(text, core, &[], found);
    }

    fn joins(&self) -> bool {
        true
    }

    fn find_beside(&self, text: &Text<'_>, core: Range<usize>, places: &[Range<usize>], found: &mut Vec<Candidate>) {
        // More lines than those of an address are a table.
        let of_address =
            |place: &&Range<usize>| place.len() <= 256 && text[(*place).clone()].matches('\n').count() <= 4;
        let places: Vec<_> = places.iter().filter(of_address).cloned().collect();
        let streets = self.streets(text, &core, &places, found);
        self.crossings(text, &core, &places, &streets, found);
        self.numbers_beside(text, &places, found);
    }
}

impl Addresses {
    /// Adds streets and boxes with what follows them, and gives those that are sure.
    fn streets(
        &self,
        text: &Text<'_>,
        core: &Range<usize>,
        places: &[Range<usize>],
        found: &mut Vec<Candidate>,
    ) -> Vec<Range<usize>> {
        let bytes = text.as_bytes();
        let mut sure = Vec::new();
        let mut from = core.start;
        let mut numbers = text.numbers_apart(from..core.end + REACH);
        while let Some(Range { start: first, end }) = numbers.next(from) {
            from = end;
            let prior = before(bytes, first);
            let begins = !is_word(prior) && !matches!(prior, b'/' | b'$' | b'+' | b'-' | b'@' | b'%' | b'&' | b'\\')
                || prior >= 0x80;
            // A number of more digits, or one that goes on as a time or an amount, is of no house.
            let next_byte = bytes.get(from).copied().unwrap_or(b'\n');
            if !begins
                || from - first > 6
                || matches!(next_byte, b':' | b'%' | b'_' | b'=' | b'(')
                || matches!(next_byte, b'.' | b',') && bytes.get(from + 1).is_some_and(u8::is_ascii_digit)
                || prior == b'.' && !text[..first - 1].ends_with(|character: char| character.is_alphabetic())
            {
                continue;
            }
            if !has_word_beside(text, first, end) {
                continue;
            }
            let Some(number) = next(text, first) else { continue };
            let Some((range, sureness)) = address(text, &number, places) else { continue };
            if sureness > 0 {
                let form = if sureness >= 2 { Sure::Form } else { Sure::Weak(WEAK) };
                self.served.add(text, range.clone(), form, found);
            }
            if sureness >= 2 {
                from = from.max(range.end);
                sure.push(range);
            }
        }
        sure
    }

    /// `the corner of Main Street and 5th Avenue`; `Elm and 12 Main Street`.
    fn crossings(
        &self,
        text: &str,
        core: &Range<usize>,
        places: &[Range<usize>],
        streets: &[Range<usize>],
        found: &mut Vec<Candidate>,
    ) {
        let window = core.start..text.floor_char_boundary(text.len().min(core.end + REACH));
        let bytes = &text.as_bytes()[window.clone()];
        let corners: Vec<_> = match &self.packed {
            Some(packed) => packed.find_iter(bytes).collect(),
            None => self.corners.find_iter(bytes).collect(),
        };
        for corner in corners {
            let at = window.start + corner.end();
            let Some((first, cased, known)) = side(text, at, places, streets) else { continue };
            let Some(and) =
                next(text, after_dot(text, first)).filter(|and| and.gap == Gap::Space && AND.contains(&and.text))
            else {
                continue;
            };
            let Some((second, also_cased, also_known)) = side(text, and.end, places, streets) else { continue };
            let end = follow(text, second, places).end;
            let mut start = window.start + corner.start();
            // `Intersection`, `the corner`.
            if let Some(word) = prev(text, start + 1).filter(|word| word.end > start) {
                start = word.start;
            }
            if let Some(the) =
                prev(text, start).filter(|the| the.gap == Gap::Space && matches!(the.text, "the" | "The" | "la" | "l"))
            {
                start = the.start;
            }
            let sure = if known || also_known || cased && also_cased { Sure::Form } else { Sure::Weak(WEAK) };
            self.served.add(text, start..end, sure, found);
        }
        for street in streets {
            if let Some(start) = crossed(text, street.start) {
                self.served.add(text, start..street.end, Sure::Form, found);
            }
        }
    }

    /// Numbers beside places: `462 Stubengraben 80`, `in Cheb 2.`, `København K`.
    fn numbers_beside(&self, text: &str, places: &[Range<usize>], found: &mut Vec<Candidate>) {
        for place in places {
            let numbered = text[place.clone()].bytes().any(|byte| byte.is_ascii_digit());
            let start = numbers_before(text, place.start, numbered);
            let mut end = place.end;
            if let Some(district) = next(text, place.end).filter(|district| district.gap == Gap::Space) {
                let ends = text[district.past()..]
                    .chars()
                    .next()
                    .is_none_or(|after| matches!(after, '\n' | '"' | ')' | '?' | '!' | ';' | ','))
                    || district.dotted
                        && text[district.past()..]
                            .trim_start()
                            .chars()
                            .next()
                            .is_none_or(|after| !after.is_lowercase());
                let told = || {
                    prev(text, place.start)
                        .is_some_and(|word| word.gap == Gap::Comma || BEFORE_PLACE.contains(&word.text))
                };
                let letter =
                    matches!(district.text, "K" | "V" | "N" | "S" | "Ø" | "C" | "NV" | "SV" | "SØ") && !district.dotted;
                if letter || !numbered && district.text.len() <= 2 && district.is_house() && ends && told() {
                    end = district.end;
                }
            }
            let start = if numbered || end > place.end { crossed(text, start).unwrap_or(start) } else { start };
            if (start, end) != (place.start, place.end) {
                self.served.add(text, start..end, Sure::Form, found);
            }
        }
    }
}

/// Words before the name of a place that a number belongs to.
const BEFORE_PLACE: &[&str] = &[
    "in", "at", "to", "from", "near", "and", "with", "v", "ve", "à", "nach", "aus", "bei", "i", "til", "do", "w", "en",
    "a",
];

/// The address at the number of a house, and how sure it is, 0 to 3.
fn address(text: &str, number: &Token<'_>, places: &[Range<usize>]) -> Option<(Range<usize>, u8)> {
    let special =
        boxed::boxed(text, number).or_else(|| boxed::military(text, number)).or_else(|| boxed::eastern(text, number));
    if let Some((start, end, sureness)) = special {
        let follows = follow(text, end, places);
        let sureness = if follows.shows > 0 { 3 } else { sureness };
        return Some((start..follows.end, sureness));
    }
    if !number.is_house() {
        return None;
    }
    let judged = |street: street::Street| {
        let follows = follow(text, street.end, places);
        let range = street.start..follows.end;
        let known = || places.iter().any(|place| place.start < street.end && street.start < place.end);
        let sureness = match street.sureness {
            0 if follows.shows < 2 => 0,
            _ if follows.shows > 0 => 3,
            1 | 2 if follows.end > street.end || known() => 3,
            2 if is_continued(text, street.end) => 1,
            other => other,
        };
        (range, sureness)
    };
    let first = street::name_first(text, number).map(judged);
    let second = street::number_first(text, number).map(judged);
    let (range, sureness) = match (first, second) {
        (Some(first), Some(second)) if first.1 >= 2 && second.1 >= 2 => {
            (first.0.start.min(second.0.start)..first.0.end.max(second.0.end), first.1.max(second.1))
        }
        (Some(first), Some(second)) => {
            if second.1 > first.1 {
                second
            } else {
                first
            }
        }
        (first, second) => first.or(second)?,
    };
    let start = unit_before(text, numbers_before(text, range.start, true));
    Some((start..range.end, sureness))
}

/// Whether a letter stands beside the number at `start..end`, or across what may be between it and a street: a quick look that may err to yes.
fn has_word_beside(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize| run(bytes, from, BESIDE, |byte| byte.is_ascii_digit());
    let mut at = end;
    // `12-14`, `12/3`, `12/A`
    while matches!(byte(bytes, at), b'-' | b'/' | b'\'') && byte(bytes, at + 1).is_ascii_alphanumeric() {
        at = digits(at + 1);
    }
    // `02/Mar/2026` is a date.
    if let Some([a, b, c, b'/', year @ ..]) = bytes.get(at..at + 8)
        && [a, b, c].iter().all(|byte| byte.is_ascii_alphabetic())
        && year.iter().all(u8::is_ascii_digit)
        && before(bytes, at) == b'/'
    {
        return false;
    }
    let gap = |byte: u8| matches!(byte, b' ' | b',' | b'.' | b'\n' | b'\r');
    let sign = |byte: u8| gap(byte) || matches!(byte, b'#' | b':');
    // A word, or what begins with one: `A2`.
    let word_before = || {
        let end = run_back(text, start, BESIDE, sign);
        bytes[run_back(text, end, BESIDE, is_word)..end].iter().any(|byte| is_letter(*byte))
    };
    is_letter(byte(bytes, at))
        // `12 5th Avenue`
        || is_letter(byte(bytes, digits(run(bytes, at, BESIDE, gap))))
        || word_before()
}

/// Whether a word in small letters goes on with what may not have been a street: `2 Supreme Court decisions`.
fn is_continued(text: &str, end: usize) -> bool {
    next(text, end).is_some_and(|word| {
        word.gap == Gap::Space
            && word.text.starts_with(char::is_lowercase)
            && ![
                "and", "in", "at", "on", "is", "was", "by", "for", "near", "before", "after", "last", "where", "or",
                "to", "has",
            ]
            .contains(&word.text)
    })
}

/// Where numbers that stand directly before an address start, at most two; a place without a number takes one only behind another or behind `at`.
fn numbers_before(text: &str, start: usize, numbered: bool) -> usize {
    let mut from = start;
    let plain = |token: &Token<'_>| {
        token.gap == Gap::Space
            && !token.dotted
            && token.text.len() <= 6
            && token.text.bytes().all(|byte| byte.is_ascii_digit())
    };
    for _ in 0..2 {
        match prev(text, from).filter(plain) {
            Some(number) if !text[..number.start].ends_with(['.', '/', '-', ':', '+', '$']) => from = number.start,
            _ => break,
        }
    }
    let told = || prev(text, from).is_some_and(|word| matches!(word.text, "at" | "At" | "to" | "from"));
    let second = || prev(text, start).is_some_and(|number| number.start > from);
    if numbered || from < start && (second() || told()) { from } else { start }
}

/// Where a part of a house before its address starts: `Flat 3, 12 High Street`, `Unit 5/12 Smith Street`.
fn unit_before(text: &str, start: usize) -> usize {
    let unit = |at: usize| prev(text, at).filter(|unit| unit.gap == Gap::Space && word(unit).unit >= 2);
    let both = next(text, start).filter(|number| number.text.contains('/')).and_then(|_| unit(start));
    let id = prev(text, start)
        .filter(|id| !id.dotted && (id.is_number() && id.text.len() <= 6 || id.text.chars().count() == 1));
    both.or_else(|| unit(id?.start)).map_or(start, |unit| unit.start)
}

/// Behind the dot at `at`, if there is one.
fn after_dot(text: &str, at: usize) -> usize {
    at + usize::from(text.as_bytes().get(at) == Some(&b'.'))
}

/// One street of a crossing, behind `at`: its end, whether it is capitalized, whether something shows that it is a street.
fn side(text: &str, at: usize, places: &[Range<usize>], streets: &[Range<usize>]) -> Option<(usize, bool, bool)> {
    let (mut end, mut cased, mut known, mut from) = (None, false, false, at);
    for index in 0..6 {
        let Some(token) = next(text, from) else { break };
        if token.gap > Gap::Space || AND.contains(&token.text) && index > 0 {
            break;
        }
        let spoken = word(&token);
        let street = spoken.after.number_first > 1
            || spoken.before.name_first > 1
            || spoken.after.name_first > 1
            || compound(&token) > 1;
        let small = !token.is_title() && !token.is_number();
        let numbered = || next(text, token.past()).is_some_and(|number| number.gap == Gap::Space && number.is_house());
        if small && cased && !street && !is_particle(&token) && !numbered() {
            break;
        }
        cased |= token.is_title();
        known |= street || token.is_ordinal() || token.is_house();
        end = Some(token.end);
        from = token.past();
        // All small: to the word that says street and its number.
        if small
            && street
            && spoken.before.name_first < 2
            && !cased
            && next(text, from).is_none_or(|next| !next.is_number())
        {
            break;
        }
    }
    let mut end = end?;
    for area in places.iter().chain(streets) {
        if area.start < end && area.end > at {
            known = true;
            if area.start >= at
                && !text[area.start..area.end.max(area.start)].contains('\n')
                && AND.iter().all(|and| !text[area.clone()].contains(&format!(" {and} ")))
            {
                end = end.max(area.end);
            }
        }
    }
    Some((end, cased, known))
}

/// Where the first street of a crossing starts whose second one starts at `start`: `Elm and 12 Main Street`.
fn crossed(text: &str, start: usize) -> Option<usize> {
    let and = prev(text, start).filter(|and| and.gap == Gap::Space && (AND[..6].contains(&and.text)))?;
    let mut from = None;
    let mut at = and.start;
    for _ in 0..3 {
        let Some(name) = prev(text, at)
            .filter(|name| name.gap == Gap::Space && name.is_title() && (!name.dotted || name.text.len() <= 4))
        else {
            break;
        };
        at = name.start;
        from = Some(at);
    }
    from
}
