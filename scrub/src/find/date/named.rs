//! Dates with the name of a month: `15 March 1989`, `March 15th`, `1989. március 15.`, `March 1989`, and ranges of days and months.

use super::super::scan::{Sure, before, byte, is_word, run, run_back, word_at, word_to};
use super::calendar::{Calendar, Name, is_thai, word_end, word_start};
use super::{Date, is_day, is_joined, is_year, value};

/// What stands between a day, a month and a year.
const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'/' | b'.' | b',')
}

/// Words between a day and the name of its month.
const BEFORE_MONTH: &[&str] = &["of ", "day of ", "de ", "d'", "d’", "di "];

/// Words between a month and its year.
const BEFORE_YEAR: &[&str] = &["de ", "del ", "of ", "พ.ศ. ", "ค.ศ. ", "พ.ศ.", "năm "];

/// What makes a number a day.
const ORDINALS: &[&str] = &["st", "nd", "rd", "th", "er", "ste", "de", "e", "º", "ª", "o"];

/// What divides the first and the last of a range, without the spaces.
const RANGES: &[&str] = &[
    "-", "–", "—", "/", "to the", "to", "and the", "and", "until", "till", "through", "bis zum", "bis", "und", "au",
    "et", "al", "y", "e", "a", "do", "i", "til", "tot", "en", "och", "по", "и",
];

/// `15 March 1989`, `15. März`, `15th of March, 1989`, `15 de enero de 2024`, `15-Jan-2024`, `15MAR1989`.
pub(super) fn day_first(calendar: &Calendar, text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    if end - start > 2 || !is_day(&bytes[start..end]) {
        return None;
    }
    // Most numbers are followed by something else.
    if !(is_between(byte(bytes, end)) || is_word(byte(bytes, end))) {
        return None;
    }
    // Where the date starts, a range of days with its first; none where that is a part of something longer.
    let first = || {
        let first = range_before(calendar, text, start, value(&bytes[start..end]));
        (!is_joined(bytes, first)).then_some(first)
    };
    if let Some(month) = text[..start].strip_suffix("tháng ").or_else(|| text[..start].strip_suffix("Tháng "))
        && let Some((_, year)) = year_behind(text, end, "")
    {
        return first().map(|_| Date { range: month.len()..year, sure: Sure::Weak(0.5) });
    }
    if let Some((month, whole)) = vietnamese(text, end) {
        let sure = if whole > month { Sure::Form } else { Sure::Weak(0.5) };
        return first().map(|first| Date { range: first..whole, sure });
    }
    let day = ordinal(text, end);
    let mut at = run(bytes, day, 2, is_between);
    let glued = at == end;
    let filler = word_at(text, at, BEFORE_MONTH).map_or(0, str::len);
    at += filler;
    let name = word_end(text, at);
    let month = &text[at..name];
    let needs = calendar.month(month)?;
    let first = first()?;
    let (_, year) = year_behind(text, name, month).unwrap_or((name, name));
    let dated = year > name;
    if glued {
        // `15MAR1989`, on its own.
        let written = month.starts_with(char::is_uppercase) && month.len() == 3;
        let year = run(bytes, name, 5, |byte| byte.is_ascii_digit());
        let whole = matches!(year - name, 2 | 4) && !is_word(byte(bytes, year));
        let valid = written && whole && (year - name == 2 || is_year(&bytes[name..year]));
        return valid.then_some(Date { range: first..year, sure: Sure::Weak(0.5) });
    }
    if byte(bytes, name) == b'_' || byte(bytes, name).is_ascii_alphanumeric() || byte(bytes, name) == b'(' {
        return None;
    }
    // `28 de out.`; beyond Latin letters no abbreviation is a word of code.
    let plain = needs != Name::Word && (filler > 0 || month.starts_with(|first: char| first >= '\u{370}'));
    // A cell and the next one: nobody writes so.
    if !dated && &bytes[day..at] == b"," {
        return None;
    }
    let sure = strength(if plain { Name::Plain } else { needs }, month, dated);
    let whole = if dated { era_behind(text, year) } else { dot_behind(text, name, month) };
    Some(Date { range: first..whole, sure })
}

/// `March 15, 1989`, `March 15–20`, `March 1989`, `Mar-15-1989`.
pub(super) fn month_first(calendar: &Calendar, text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    let mut name_end = run_back(text, start, 3, |byte| is_between(byte) || byte == b'\'');
    if matches!(before(bytes, name_end), b'e' | b'l' | b'm') {
        for filler in [" de", " del", " the", " năm"] {
            if text[..name_end].ends_with(filler) {
                name_end -= filler.len();
            }
        }
    }
    let name = word_start(text, name_end);
    if name == name_end || name_end == start {
        return None;
    }
    let month = &text[name..name_end];
    let needs = calendar.month(month)?;
    if is_word(before(bytes, name)) {
        return None;
    }
    let figure = &bytes[start..end];
    let apostrophe = figure.len() == 2 && before(bytes, start) == b'\'';
    if is_year(figure) || is_thai_year(figure, month) || apostrophe {
        let decimal = byte(bytes, end) == b'.' && byte(bytes, end + 1).is_ascii_digit();
        let free = !is_word(byte(bytes, end)) && !decimal;
        let dotted = byte(bytes, name_end) == b'.';
        let sure = match needs {
            Name::Plain | Name::Short => Sure::Weak(0.5),
            Name::Word if month.starts_with(char::is_uppercase) => Sure::Weak(0.5),
            // `set. 2019`; beyond Latin letters no abbreviation is a word of code.
            Name::Dated if dotted || month.starts_with(|first: char| first >= '\u{370}') => Sure::Weak(0.5),
            Name::Word | Name::Dated => Sure::Weak(0.3),
        };
        let first = months_before(calendar, text, name);
        return free.then_some(Date { range: first..era_behind(text, end), sure });
    }
    if figure.len() > 2 || !is_day(figure) {
        return None;
    }
    let day = range_behind(text, ordinal(text, end));
    // `May 3.5`, `March 3%`, `Mar 3:`
    if is_word(byte(bytes, day))
        || matches!(byte(bytes, day), b':' | b'%')
        || (byte(bytes, day) == b'.' && byte(bytes, day + 1).is_ascii_digit())
    {
        return None;
    }
    let (_, year) = year_behind(text, day, month).unwrap_or((day, day));
    let sure = strength(needs, month, year > day);
    Some(Date { range: name..era_behind(text, year), sure })
}

/// `1989 March 15`, `1989. március 15.`, `1989 m. kovo 15 d.`, `1989. gada 15. marts`, `1989-Mar-15`.
pub(super) fn year_first(calendar: &Calendar, text: &str, start: usize, end: usize) -> Option<Date> {
    const FILLERS: &[&str] = &["m. ", "gada. ", "gada ", "g. ", "рік "];
    let bytes = text.as_bytes();
    if !is_year(&bytes[start..end]) || is_joined(bytes, start) {
        return None;
    }
    let mut at = run(bytes, end, 2, is_between);
    if at == end {
        return None;
    }
    if let Some(filler) = FILLERS.iter().find(|filler| text[at..].starts_with(**filler)) {
        at += filler.len();
    }
    let figure = |from: usize| {
        let end = run(bytes, from, 3, |byte| byte.is_ascii_digit());
        (end > from && is_day(&bytes[from..end])).then_some(end)
    };
    let whole = if let Some(day) = figure(at) {
        // `15. marts`
        let name = run(bytes, day, 2, |byte| matches!(byte, b' ' | b'.'));
        let end = word_end(text, name);
        let needs = (name > day).then(|| calendar.month(&text[name..end])).flatten()?;
        // The dot of an abbreviation that a time follows.
        let dot = needs != Name::Plain && byte(bytes, end) == b'.' && byte(bytes, end + 1) == b' ';
        end + usize::from(dot)
    } else {
        let name = word_end(text, at);
        let month = &text[at..name];
        let needs = calendar.month(month)?;
        let day = run(bytes, name, 2, is_between);
        match figure(day).filter(|_| day > name) {
            Some(end) => era_behind(text, end),
            // `1989. március`
            None if needs == Name::Plain && month.len() > 3 && byte(bytes, end) != b',' => name,
            None => return None,
        }
    };
    let free = !is_word(byte(bytes, whole)) && byte(bytes, whole) != b':';
    free.then_some(Date { range: start..whole, sure: Sure::Form })
}

/// How sure a day and a month are, `dated` when a year stands beside them.
fn strength(needs: Name, month: &str, dated: bool) -> Sure {
    match needs {
        _ if dated => Sure::Form,
        Name::Plain => Sure::Weak(0.5),
        // Of an address in a network.
        Name::Word if month == "MAC" => Sure::Weak(0.2),
        Name::Short | Name::Word if month.starts_with(char::is_uppercase) => Sure::Weak(0.5),
        Name::Short | Name::Word | Name::Dated => Sure::Weak(0.2),
    }
}

/// Behind the ordinal sign that follows a number at `end`.
fn ordinal(text: &str, end: usize) -> usize {
    // Of ASCII, they begin with a letter.
    if matches!(byte(text.as_bytes(), end), 0..b'A') {
        return end;
    }
    let found = ORDINALS.iter().find(|sign| {
        text.as_bytes()[end..].get(..sign.len()).is_some_and(|there| there.eq_ignore_ascii_case(sign.as_bytes()))
            && !is_word(byte(text.as_bytes(), end + sign.len()))
    });
    found.map_or(end, |sign| end + sign.len())
}

/// The year that follows a month or a day at `at`: where it starts and ends.
fn year_behind(text: &str, at: usize, month: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut from = run(bytes, at, 3, |byte| is_between(byte) || byte == b'\'');
    for sign in ["،", "’"] {
        if word_at(text, from, &[sign]).is_some() {
            from = run(bytes, from + sign.len(), 1, |byte| byte == b' ');
        }
    }
    from += word_at(text, from, BEFORE_YEAR).map_or(0, str::len);
    let end = run(bytes, from, 5, |byte| byte.is_ascii_digit());
    let figure = &bytes[from..end];
    // `'89`, `-89`; behind a space only what can be no day.
    let short = figure.len() == 2
        && (matches!(before(bytes, from), b'\'' | b'-' | b'/' | 0x80..)
            || before(bytes, from) == b' ' && (figure[0] == b'0' || value(figure) > 31 || month.len() == 3))
        && !matches!(byte(bytes, end), b':' | b'%')
        && !(matches!(byte(bytes, end), b'.' | b',' | b'-') && byte(bytes, end + 1).is_ascii_digit());
    let year = is_year(figure) || short || is_thai_year(figure, month);
    (from > at && year && !byte(bytes, end).is_ascii_alphanumeric() && byte(bytes, end) != b'_').then_some((from, end))
}

/// A year of the Buddhist era, in which Thai dates are.
fn is_thai_year(figure: &[u8], month: &str) -> bool {
    month.starts_with(is_thai) && figure.len() == 4 && (2400..2600).contains(&value(figure))
}

/// Behind what says that a year is one, in Slavic languages and Lithuanian: ` г.`, ` р.`, ` d.`
pub(super) fn era_behind(text: &str, at: usize) -> usize {
    const ERAS: &[&str] = &[" г.", " г", " р.", " р", " г.", " d.", ". d.", " года", " року", " r.", " AD"];
    let bytes = text.as_bytes();
    let found = word_at(text, at, ERAS).map_or(at, |era| at + era.len());
    if found > at && before(bytes, found) != b'.' && is_word(byte(bytes, found)) { at } else { found }
}

/// Behind the dot of an abbreviation in a date that ends with it: `15 мар.`
fn dot_behind(text: &str, at: usize, month: &str) -> usize {
    let dot = month.chars().count() <= 4 && month.starts_with(|first: char| first >= '\u{400}');
    at + usize::from(dot && byte(text.as_bytes(), at) == b'.')
}

/// `tháng 3, 1989`, `tháng 03 năm 1989` behind a day: behind its month and behind its year.
fn vietnamese(text: &str, at: usize) -> Option<(usize, usize)> {
    const MONTH: &[&str] = &[" tháng ", " Tháng ", " thg "];
    let bytes = text.as_bytes();
    let month = at + word_at(text, at, MONTH)?.len();
    let end = run(bytes, month, 3, |byte| byte.is_ascii_digit());
    let valid = end > month && super::is_month_number(&bytes[month..end]) && !is_word(byte(bytes, end));
    valid.then(|| (end, year_behind(text, end, "").map_or(end, |(_, year)| year)))
}

/// What stands before the sign of a range that ends at `start`, without the space between. A word is such a sign with spaces around it.
fn range_sign_before(text: &str, start: usize) -> Option<&str> {
    let back = run_back(text, start, 1, |byte| byte == b' ');
    let sign = word_to(text, back, RANGES)?;
    let before = &text[..back - sign.len()];
    let first = before.strip_suffix(' ').unwrap_or(before);
    let spaced = first.len() < before.len() && back < start;
    (spaced || !sign.starts_with(char::is_alphabetic)).then_some(first)
}

/// Where a range of days begins that ends with the day `last` at `start`: `15–20 March`, `from the 15th to the 20th of May`,
/// `13 lip–16 sie 2000`.
fn range_before(calendar: &Calendar, text: &str, start: usize, last: u32) -> usize {
    let bytes = text.as_bytes();
    let Some(first) = range_sign_before(text, start) else { return start };
    let mut end = first.len();
    let name_end = first.trim_end_matches('.').len();
    let name = word_start(text, name_end);
    if name < name_end && calendar.month(&text[name..name_end]).is_some() {
        let filler = text[..name].strip_suffix(" de ").map_or(name, |rest| rest.len() + 1);
        let day_end = run_back(text, filler, 2, is_between);
        let day = run_back(text, day_end, 3, |byte| byte.is_ascii_digit());
        let whole = day < day_end && day_end < filler && is_day(&bytes[day..day_end]) && !is_joined(bytes, day);
        return if whole { day } else { start };
    }
    for sign in ["st", "nd", "rd", "th", ".", "er"] {
        if text[..end].ends_with(sign) {
            end -= sign.len();
            break;
        }
    }
    let first = run_back(text, end, 3, |byte| byte.is_ascii_digit());
    let day = first < end && is_day(&bytes[first..end]) && value(&bytes[first..end]) < last;
    if day && !is_joined(bytes, first) { first } else { start }
}

/// Where a range of days ends that begins with the day that ends at `end`: `March 15–20`, `March 15th to 20th, 1989`.
fn range_behind(text: &str, end: usize) -> usize {
    let bytes = text.as_bytes();
    let at = run(bytes, end, 1, |byte| byte == b' ');
    let Some(sign) = word_at(text, at, RANGES) else { return end };
    let behind = at + sign.len();
    let word = sign.as_bytes()[0].is_ascii_alphabetic();
    let from = run(bytes, behind, 1, |byte| byte == b' ');
    if word && (at == end || from == behind) {
        return end;
    }
    let last = run(bytes, from, 3, |byte| byte.is_ascii_digit());
    if last == from || !is_day(&bytes[from..last]) {
        return end;
    }
    let whole = ordinal(text, last);
    let goes_on = matches!(byte(bytes, whole), b'.' | b'-' | b'/') && byte(bytes, whole + 1).is_ascii_digit();
    let ends = !is_word(byte(bytes, whole)) && !matches!(byte(bytes, whole), b':' | b'%') && !goes_on;
    // `March 15 to 20 people`: words need the year behind them.
    let dated = !word || year_behind(text, whole, "").is_some();
    if ends && dated { whole } else { end }
}

/// Where a range of months begins that ends with the month at `start`: `March–April 1989`.
fn months_before(calendar: &Calendar, text: &str, start: usize) -> usize {
    let Some(rest) = range_sign_before(text, start) else { return start };
    let end = rest.trim_end_matches([' ', '.']).len();
    let first = word_start(text, end);
    let is_month = match calendar.month(&text[first..end]) {
        Some(Name::Plain) => true,
        Some(Name::Word) => text[first..end].starts_with(char::is_uppercase),
        _ => false,
    };
    if is_month && !is_word(before(text.as_bytes(), first)) { first } else { start }
}
