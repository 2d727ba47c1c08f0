//! The line of a street, around the number of a house.

use super::super::scan::lower;
use super::token::{Gap, Token, next, prev, skip};
use super::words::{compound, is_common, is_counted, is_particle, word};

/// A street with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Street {
    pub(super) start: usize,
    pub(super) end: usize,
    /// 0: only what follows can show that it is one; to 3, which needs nothing else.
    pub(super) sureness: u8,
}

/// Words of a name.
const NAMES: usize = 6;

/// What stands between a street and its number: `nº 5`, `No:12`, `д. 5`.
const NUMBER_SIGNS: &[&str] = &[
    "№", "nº", "n°", "no.", "no:", "no", "nr.", "nr", "n.", "num.", "número", "numero", "д.", "дом", "буд.", "č.",
    "αρ.",
];

/// `12 Main Street`, `12 bis, rue de la Paix`, and what of the other order stands behind them.
pub(super) fn number_first(text: &str, number: &Token<'_>) -> Option<Street> {
    let counted = prev(text, number.start).is_some_and(|before| before.gap == Gap::Space && is_counted(&before));
    if counted {
        return None;
    }
    let mut first = next(text, number.end)?;
    if first.gap <= Gap::Space && ["bis", "ter", "quater"].iter().any(|word| first.text.eq_ignore_ascii_case(word)) {
        first = next(text, first.past())?;
    }
    if !matches!(first.gap, Gap::Space | Gap::Comma) || first.is_number() && !first.is_ordinal() {
        return None;
    }
    let before = word(&first).before;
    let street = if before.number_first > 0 && (first.is_title() || !is_common(&first)) {
        behind(text, &first).map(|(end, cased)| (end, weighed(before.number_first, cased), before.name_first))
    } else {
        None
    };
    let (end, sureness, name_first) = street.or_else(|| named(text, &first))?;
    if sureness == 0 && first.gap != Gap::Space {
        return None;
    }
    // A number on both sides: `462 Stubengraben 80`.
    let dot = usize::from(text.as_bytes().get(end) == Some(&b'.'));
    if let Some(house) = next(text, end + dot).filter(|house| house.gap == Gap::Space && house.is_house())
        && sureness > 0
    {
        return Some(Street { start: number.start, end: house.end, sureness: sureness.max(name_first) });
    }
    Some(Street { start: number.start, end, sureness })
}

/// Less sure where all is written small.
fn weighed(sureness: u8, cased: bool) -> u8 {
    if cased { sureness } else { sureness.min(1) }
}

/// The end of the name behind `rue`, and whether it has a capital letter.
fn behind(text: &str, street: &Token<'_>) -> Option<(usize, bool)> {
    let (mut at, mut end, mut cased, mut particle) = (street.past(), None, false, false);
    for _ in 0..NAMES {
        let Some(token) = next(text, at).filter(|token| token.gap <= Gap::Space) else { break };
        let small = is_particle(&token);
        // Dates: `rue du 8 Mai 1945`.
        let date = token.is_number() && (particle || token.text.len() == 4 && token.text.starts_with("19") && cased);
        if token.is_title() || date {
            cased |= token.is_title();
            end = Some(token.end);
        } else if !small {
            // All small: one word is the name.
            if !cased && end.is_none() && !token.is_number() && !is_common(&token) {
                end = Some(token.end);
            }
            break;
        }
        particle = small;
        at = token.past();
        if token.dotted && token.text.chars().count() > 3 {
            break;
        }
    }
    Some((end?, cased))
}

/// From the first word of a name on, to the last word that says street: its end, how sure that is, and how sure with a number behind it. Without
/// such a word, the name is all that is written like one.
fn named(text: &str, first: &Token<'_>) -> Option<(usize, u8, u8)> {
    let mut found = None;
    let (mut token, mut end, mut cased) = (*first, None, false);
    for index in 0..NAMES {
        let known = word(&token);
        let joined = compound(&token);
        let title = token.is_title() || token.is_ordinal();
        if known.road && index <= 2 {
            // `County Road 45`, `Highway 99`.
            if let Some(number) =
                next(text, token.past()).filter(|number| number.gap == Gap::Space && number.is_house() && title)
            {
                return Some((number.end, 2, 2));
            }
        }
        if index > 0 && known.after.number_first > 0 && (title || !cased || known.after.name_first == 3) {
            found = Some((token.end, weighed(known.after.number_first, cased || title), known.after.name_first));
        } else if index == 0
            && known.after.number_first > 1
            && let Some(of) = next(text, token.past()).filter(|of| of.gap == Gap::Space && of.text == "of")
        {
            // `Avenue of the Americas`.
            return behind(text, &of).filter(|(_, cased)| *cased).map(|(end, _)| (end, 3, 1));
        }
        if joined > 0 && title {
            found = Some((token.end, joined, joined));
        }
        let small = is_particle(&token);
        if title {
            cased = true;
            end = Some((token.end, 0, 0));
        } else if cased && !small && known.after.number_first == 0 || !cased && (is_common(&token) || small) {
            break;
        }
        if token.dotted && (token.text.chars().count() > 4 || found.is_some()) {
            break;
        }
        match next(text, token.past()) {
            Some(next) if next.gap == Gap::Space && (!next.is_number() || next.is_ordinal()) => token = next,
            _ => break,
        }
    }
    found.or(end)
}

/// `Hauptstraße 12`, `Calle Mayor, 5`, `Petőfi utca 12.`
pub(super) fn name_first(text: &str, number: &Token<'_>) -> Option<Street> {
    // Behind the name stand four digits at most.
    if number.text.bytes().take_while(u8::is_ascii_digit).count() > 4 {
        return None;
    }
    let at = before_sign(text, number.start);
    let last = prev(text, at)?;
    if !matches!(last.gap, Gap::Space | Gap::Comma) && at == number.start || last.gap == Gap::Line {
        return None;
    }
    if last.is_number() && !last.is_ordinal() {
        return None;
    }
    let end = lettered(text, number.end);
    let street = |start: usize, sureness: u8| Some(Street { start, end, sureness });
    let joined = compound(&last);
    if joined > 0 && last.gap != Gap::Comma {
        return street(
            adjectives(text, last.start),
            weighed(joined, last.is_title() || joined == 3 && !last.text.is_ascii()),
        );
    }
    let after = word(&last).after;
    if after.name_first > 0
        && last.gap != Gap::Comma
        && let Some((start, cased)) = names_before(text, &last)
    {
        return street(start, weighed(after.name_first, cased));
    }
    let (mut token, mut cased) = (last, false);
    for index in 0..=NAMES {
        let before = word(&token).before;
        if index > 0 && before.name_first > 0 {
            // `via` is an English word too.
            let sure = if token.text == "via" { 1 } else { before.name_first };
            return street(token.start, weighed(sure, cased));
        }
        if !(token.is_title() || is_particle(&token) || token.is_number() || !cased && !is_common(&token)) {
            break;
        }
        cased |= token.is_title();
        match prev(text, token.start) {
            Some(prior) if prior.gap <= Gap::Space => token = prior,
            _ => break,
        }
    }
    // A name and a number, which is an address only where a place follows.
    if last.is_title() && last.gap == Gap::Space && !is_counted(&last) && last.text.chars().count() >= 3 {
        return names_before(text, number).and_then(|(start, _)| street(start, 0));
    }
    None
}

/// The end of a number with its letter: `12 a,`.
fn lettered(text: &str, end: usize) -> usize {
    let letter = next(text, end).filter(|letter| {
        letter.gap == Gap::Space
            && letter.text.len() == 1
            && letter.text.as_bytes()[0].is_ascii_lowercase()
            && !letter.dotted
    });
    letter
        .filter(|letter| skip(text, letter.end).is_some_and(|(at, gap)| gap > Gap::Space || at == text.len()))
        .map_or(end, |letter| letter.end)
}

/// Where the names before a token start, and whether one is capitalized; of small ones, one.
fn names_before(text: &str, token: &Token<'_>) -> Option<(usize, bool)> {
    let (mut at, mut start, mut cased) = (token.start, None, false);
    for _ in 0..4 {
        let Some(name) = prev(text, at).filter(|name| name.gap == Gap::Space) else { break };
        let abbreviated = !name.dotted || name.text.chars().count() <= 3;
        if (name.is_title() || name.is_ordinal()) && abbreviated {
            cased = true;
            start = Some(name.start);
        } else if start.is_none() && !name.is_number() && !is_common(&name) && !is_particle(&name) && abbreviated {
            // All small, or small behind a capital: `Árpád fejedelem útja`.
            start = Some(name.start);
        } else if !is_particle(&name) {
            break;
        }
        at = name.start;
    }
    start.map(|start| (start, cased))
}

/// The start with adjectives before it: `Große Bergstraße`.
fn adjectives(text: &str, start: usize) -> usize {
    const ADJECTIVES: &[&str] = &[
        "Große",
        "Grosse",
        "Kleine",
        "Alte",
        "Neue",
        "Obere",
        "Untere",
        "Hintere",
        "Vordere",
        "Lange",
        "Hohe",
        "Oude",
        "Nieuwe",
        "Grote",
        "Kleine",
        "Lange",
        "Korte",
        "Gamla",
        "Nya",
        "Stora",
        "Lilla",
        "Gamle",
        "Store",
        "Lille",
        "Norra",
        "Södra",
        "Östra",
        "Västra",
        "Nordre",
        "Søndre",
        "Østre",
        "Vestre",
        "Sankt",
        "St",
        "Van",
        "Von",
        "Burgemeester",
        "Prins",
        "Prinses",
        "Koning",
        "Koningin",
        "Dr",
        "Prof",
    ];
    match prev(text, start) {
        Some(before) if before.gap == Gap::Space && ADJECTIVES.contains(&before.text) => before.start,
        _ => start,
    }
}

/// Where the sign before a number starts, or the number.
fn before_sign(text: &str, start: usize) -> usize {
    let near = text[text.floor_char_boundary(start.saturating_sub(12))..start].trim_end_matches(' ');
    if !near.ends_with(['.', ':', 'º', '°', '№', 'o', 'O', 'r', 'R', 'м', 'М']) {
        return start;
    }
    let lower = lower(near);
    for sign in NUMBER_SIGNS {
        if let Some(rest) = lower.strip_suffix(sign)
            && rest.ends_with([' ', ','])
        {
            // Lower case may have another length; then the sign is not taken for one.
            let from = text[..start].trim_end_matches(' ').len();
            return from.checked_sub(sign.len()).filter(|at| text.is_char_boundary(*at)).unwrap_or(start);
        }
    }
    start
}
