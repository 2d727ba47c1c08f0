//! Dates: numeric in every order, with the names of months in twelve languages, Chinese, Japanese and Korean; with the time that follows.
//!
//! A date of prose (`March 15, 1989`, `15.3.1989`, `on 1989-03-15`) is a finding. A point in time with seconds or in ISO 8601's `T` form is
//! what every line of a log and every record of a database has: the finder `timestamp` gives those, and the score of its detector is below
//! the threshold, so that only words of birth, admission and death near it raise it. So are ISO dates that stand in quotes, between
//! delimiters of a table, or in a file name: weak.

use std::collections::HashMap;
use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_letter, is_word, next_digit, run, run_back, word_before};
use super::{Candidate, Finder};

/// Bytes before and behind a number that a date with it may take.
const AROUND: usize = 40;

/// Names of months by their number, of English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish and Danish, Turkish,
/// Russian and Czech; in the case in which dates have them.
const MONTHS: [&str; 12] = [
    "january jan januar jänner janvier janv enero ene gennaio gen janeiro januari stycznia styczeń januari ocak января янв ledna leden",
    "february feb februar february février févr fév fevrier febrero febbraio fevereiro fev februari lutego luty şubat февраля фев února únor",
    "march mar märz maerz mrz mars marzo março maart mrt marca marzec marts mart марта мар března březen",
    "april apr avril avr abril abr aprile kwietnia kwiecień nisan апреля апр dubna duben",
    "may mai mayo maggio maio mei maja maj mayıs мая května květen",
    "june jun juni juin junio giugno giu junho czerwca czerwiec haziran июня июн června červen",
    "july jul juli juillet juil julio luglio lug julho lipca lipiec temmuz июля июл července červenec",
    "august aug août aout agosto ago augustus sierpnia sierpień augusti ağustos августа авг srpna srpen",
    "september sep sept septembre septiembre settembre setembro września wrzesień eylül сентября сен сент září",
    "october oct oktober okt octobre octubre ottobre ott outubro października październik ekim октября окт října říjen",
    "november nov novembre noviembre novembro listopada listopad kasım ноября ноя listopadu",
    "december dec dezember dez décembre décembre decembre diciembre dic dicembre dezembro grudnia grudzień aralık декабря дек prosince prosinec",
];

/// Full names that are words of other kinds too when they are written small.
const WORDS: &[&str] = &["may", "march", "mars", "mart", "mai", "april", "august", "june"];

/// Dates, or points in time.
pub struct Dates {
    served: Served,
    /// Whether each name must be capitalized.
    months: HashMap<&'static str, bool>,
    times: bool,
}

/// Makes it for dates.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Dates::new(detectors, false)))
}

/// Makes it for points in time.
pub fn make_timestamp(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Dates::new(detectors, true)))
}

/// A date, before the time that may follow it.
struct Date {
    range: Range<usize>,
    sure: Sure,
}

impl Finder for Dates {
    fn find(&self, text: &str, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = core.start.saturating_sub(AROUND);
        let to = bytes.len().min(core.end + AROUND);
        let mut word = String::new();
        let mut passed = 0;
        while let Some(start) = next_digit(bytes, from, to) {
            let end = run(bytes, start, bytes.len(), |byte| byte.is_ascii_digit());
            from = end;
            if end - start > 4 || end - start == 3 || before(bytes, start).is_ascii_digit() {
                continue;
            }
            let date = numeric(text, start, end)
                .or_else(|| east_asian(text, start, end))
                .or_else(|| self.day_first(text, start, end, &mut word))
                .or_else(|| self.month_first(text, start, end, &mut word))
                .or_else(|| year_alone(text, start, end));
            let Some(date) = date.filter(|date| date.range.start >= passed) else { continue };
            let (end, time) = clock(text, date.range.end);
            from = from.max(end);
            passed = end;
            let stamp = time == Time::Exact;
            if stamp != self.times {
                continue;
            }
            let sure = if time == Time::Minutes && date.sure == Sure::Weak(0.3) { Sure::Weak(0.3) } else { date.sure };
            self.served.add(text, date.range.start..end, sure, found);
        }
    }
}

impl Dates {
    fn new(detectors: &[(DetectorId, &Detector)], times: bool) -> Self {
        let months = MONTHS
            .iter()
            .flat_map(|names| names.split(' '))
            .map(|name| (name, name.chars().count() <= 4 || WORDS.contains(&name)))
            .collect();
        Self { served: Served::new(detectors), months, times }
    }

    /// Whether `name` is the name of a month: in any case where a day and a year stand beside it (`certain`). `lower` is room for it.
    fn is_month(&self, name: &str, certain: bool, lower: &mut String) -> bool {
        // 3 to 12 letters, of up to two bytes.
        if !(3..=22).contains(&name.len()) {
            return false;
        }
        lower.clear();
        lower.extend(name.chars().flat_map(char::to_lowercase));
        self.months
            .get(lower.as_str())
            .is_some_and(|capital| certain || !capital || name.starts_with(char::is_uppercase))
    }

    /// `15 March 1989`, `15. März`, `15th of March, 1989`, `15 de enero de 2024`, `15-Jan-2024`, `15/Jan/2024`.
    fn day_first(&self, text: &str, start: usize, end: usize, word: &mut String) -> Option<Date> {
        let bytes = text.as_bytes();
        if end - start > 2 || !is_day(&bytes[start..end]) || is_joined(bytes, start) {
            return None;
        }
        let mut at = end;
        for suffix in ["st", "nd", "rd", "th", "er", "º", "."] {
            if bytes[at..].get(..suffix.len()).is_some_and(|there| there.eq_ignore_ascii_case(suffix.as_bytes())) {
                at += suffix.len();
                break;
            }
        }
        let separator = byte(bytes, at);
        if !matches!(separator, b' ' | b'-' | b'/' | b'.') && at == end {
            return None;
        }
        at = run(bytes, at, 1, |byte| matches!(byte, b' ' | b'-' | b'/' | b'.'));
        for filler in ["of ", "de ", "day of "] {
            if bytes[at..].starts_with(filler.as_bytes()) {
                at += filler.len();
            }
        }
        if !text.is_char_boundary(at) {
            return None;
        }
        let name = text.floor_char_boundary(run(bytes, at, 22, is_letter));
        let whole = Self::year(text, name);
        if !self.is_month(&text[at..name], whole > name, word) || is_word(byte(bytes, name)) {
            return None;
        }
        let sure = if whole > name { Sure::Form } else { Sure::Weak(0.5) };
        (!is_word(byte(bytes, whole))).then_some(Date { range: start..whole, sure })
    }

    /// `March 15, 1989`, `March 15`, `March 1989`, `Mar-15-1989`.
    fn month_first(&self, text: &str, start: usize, end: usize, word: &mut String) -> Option<Date> {
        let bytes = text.as_bytes();
        let mut name_end = run_back(text, start, 3, |byte| matches!(byte, b' ' | b'-' | b'.' | b','));
        for filler in [" de", " the"] {
            if text[..name_end].ends_with(filler) {
                name_end -= filler.len();
            }
        }
        let name = run_back(text, name_end, 24, is_letter);
        if name == name_end || name_end == start {
            return None;
        }
        let dated = end - start <= 2 && {
            let behind =
                end + if ["st", "nd", "rd", "th"].iter().any(|suffix| text[end..].starts_with(suffix)) { 2 } else { 0 };
            Self::year(text, behind) > behind
        };
        if !self.is_month(&text[name..name_end], dated, word) || is_word(before(bytes, name)) {
            return None;
        }
        let figure = &bytes[start..end];
        if is_year(figure) {
            let free = !is_word(byte(bytes, end));
            return free.then_some(Date { range: name..end, sure: Sure::Weak(0.4) });
        }
        let tail = ["st", "nd", "rd", "th"].iter().find(|suffix| text[end..].starts_with(**suffix)).map_or(0, |_| 2);
        let behind = end + tail;
        if figure.len() > 2 || !is_day(figure) || is_word(byte(bytes, behind)) || byte(bytes, behind) == b':' {
            return None;
        }
        // `May 3.5`, `March 3%`
        if byte(bytes, behind) == b'%' || (byte(bytes, behind) == b'.' && byte(bytes, behind + 1).is_ascii_digit()) {
            return None;
        }
        let whole = Self::year(text, behind);
        Some(Date { range: name..whole, sure: if whole > behind { Sure::Form } else { Sure::Weak(0.5) } })
    }

    /// Behind the year that follows at `at`, else `at`.
    fn year(text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let mut from = run(bytes, at, 3, |byte| matches!(byte, b' ' | b',' | b'.' | b'-' | b'/' | b'\''));
        for filler in ["de ", "del ", "of "] {
            if bytes[from..].starts_with(filler.as_bytes()) {
                from += filler.len();
            }
        }
        let end = run(bytes, from, 5, |byte| byte.is_ascii_digit());
        let figure = &bytes[from..end];
        let short = figure.len() == 2 && matches!(before(bytes, from), b'\'' | b'-' | b'/');
        if from > at && !is_word(byte(bytes, end)) && (is_year(figure) || short) { end } else { at }
    }
}

/// Whether the number at `start` is a part of something longer.
fn is_joined(bytes: &[u8], start: usize) -> bool {
    let prior = before(bytes, start);
    is_word(prior) && prior < 0x80
        || (matches!(prior, b'.' | b'-' | b'/' | b':' | b',') && before(bytes, start - 1).is_ascii_digit())
        || matches!(prior, b'$' | b'#' | b'+')
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

fn is_day(digits: &[u8]) -> bool {
    digits.len() <= 2 && (1..=31).contains(&value(digits))
}

fn is_month_number(digits: &[u8]) -> bool {
    digits.len() <= 2 && (1..=12).contains(&value(digits))
}

fn is_year(digits: &[u8]) -> bool {
    digits.len() == 4 && (1800..2200).contains(&value(digits))
}

/// `1989-03-15`, `15.3.1989`, `3/15/89`, `15. 3. 1989`, `5/2021`.
fn numeric(text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    let separator = byte(bytes, end);
    if !matches!(separator, b'-' | b'/' | b'.') || is_joined(bytes, start) {
        return None;
    }
    let prior = before(bytes, start);
    // A path, an option, a part of an identifier.
    if matches!(prior, b'/' | b'\\' | b'.') || (prior == b'-' && is_word(before(bytes, start - 1))) {
        return None;
    }
    let figure = |from: usize| {
        // German and Czech write a space behind the dot.
        let from = if separator == b'.' && byte(bytes, from) == b' ' { from + 1 } else { from };
        let end = run(bytes, from, 5, |byte| byte.is_ascii_digit());
        (end > from).then_some((from, end))
    };
    let (second_start, second_end) = figure(end + 1)?;
    let (first, second) = (&bytes[start..end], &bytes[second_start..second_end]);
    if byte(bytes, second_end) != separator {
        // `5/2021` of a card or an issue.
        let free =
            separator == b'/' && is_month_number(first) && is_year(second) && is_free(bytes, second_end, separator);
        return free.then_some(Date { range: start..second_end, sure: Sure::Weak(0.4) });
    }
    let (third_start, third_end) = figure(second_end + 1)?;
    let third = &bytes[third_start..third_end];
    let spaced = second_start > end + 1 || third_start > second_end + 1;
    let year_first = is_year(first)
        && second.len() <= 2
        && third.len() <= 2
        && (is_month_number(second) && is_day(third) || is_day(second) && is_month_number(third));
    let last = is_day(first) && is_month_number(second) || is_month_number(first) && is_day(second);
    if !is_free(bytes, third_end, separator) {
        // With a time behind it: `2024-03-15T14:30`.
        let timed = year_first && matches!(byte(bytes, third_end), b'T' | b't');
        return timed.then_some(Date { range: start..third_end, sure: Sure::Weak(0.3) });
    }
    let sure = if year_first {
        match separator {
            b'-' if is_data(text, start, third_end) => Sure::Weak(0.3),
            // Releases are numbered so.
            b'.' => Sure::Weak(0.4),
            _ => Sure::Form,
        }
    } else if last && is_year(third) {
        Sure::Form
    } else if last && third.len() == 2 && !spaced {
        let full = first.len() == 2 && second.len() == 2;
        if separator == b'/' || (separator == b'.' && full && prior != b'v') {
            Sure::Weak(0.5)
        } else {
            Sure::Weak(0.4)
        }
    } else {
        return None;
    };
    Some(Date { range: start..third_end, sure })
}

/// `in 1977`, `since 1997`: weak, since a year is no one's. Words of birth and death make it a date.
fn year_alone(text: &str, start: usize, end: usize) -> Option<Date> {
    const BEFORE: &[&str] = &[
        "in", "since", "until", "year", "from", "of", "im", "seit", "jahr", "en", "depuis", "an", "desde", "año",
        "nel", "dal", "em", "w", "roku", "år", "i", "sinds", "в",
    ];
    let bytes = text.as_bytes();
    if !is_year(&bytes[start..end])
        || is_joined(bytes, start)
        || is_word(byte(bytes, end))
        || before(bytes, start) != b' '
    {
        return None;
    }
    let word = word_before(text, start, |byte| byte == b' ');
    let year = BEFORE.iter().any(|known| word.eq_ignore_ascii_case(known)) && !byte(bytes, end + 1).is_ascii_digit();
    year.then_some(Date { range: start..end, sure: Sure::Weak(0.3) })
}

/// Whether a date ends at `end`.
fn is_free(bytes: &[u8], end: usize, separator: u8) -> bool {
    let (next, after) = (byte(bytes, end), byte(bytes, end + 1));
    !(is_word(next) && next < 0x80)
        && !(next == separator && (is_word(after) || separator == b'/'))
        && !(matches!(next, b'.' | b'-') && after.is_ascii_digit())
        && !(next == b'.' && after.is_ascii_alphabetic() && separator == b'-')
}

/// Whether an ISO date at `start..end` is a value of data: in quotes, between delimiters, behind `=`, in a file name or a heading.
fn is_data(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let (prior, next) = (before(bytes, start), byte(bytes, end));
    let delimits = |byte: u8| matches!(byte, b',' | b';' | b'\t' | b'|');
    let edge = |byte: u8| matches!(byte, 0 | b'\n' | b'\r');
    let line = memchr::memrchr(b'\n', bytes[..start].get(start.saturating_sub(80)..).unwrap_or(b""))
        .map_or(start.saturating_sub(80), |at| start.saturating_sub(80) + at + 1);
    (matches!(prior, b'"' | b'\'' | b'`') && prior == next)
        || (delimits(prior) && (delimits(next) || edge(next)))
        || (edge(prior) && delimits(next) && next != b',')
        || (edge(prior) && next == b',' && byte(bytes, end + 1) != b' ')
        || matches!(prior, b'=' | b'_' | b'-' | b'@')
        || matches!(next, b'_' | b'/')
        || byte(bytes, line) == b'#'
}

/// `2024年1月15日`, `2024년 1월 15일`.
fn east_asian(text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    if end - start != 4 || byte(bytes, end) < 0xE0 {
        return None;
    }
    let mut at = end;
    let mut count = 0;
    for (sign, korean) in [('年', '년'), ('月', '월'), ('日', '일')] {
        if count > 0 {
            let from = run(bytes, at, 1, |byte| byte == b' ');
            let figure = run(bytes, from, 2, |byte| byte.is_ascii_digit());
            if figure == from {
                break;
            }
            at = figure;
        }
        let Some(rest) = text[at..].strip_prefix([sign, korean]) else { break };
        at = text.len() - rest.len();
        count += 1;
    }
    let sure = if count == 3 { Sure::Form } else { Sure::Weak(0.4) };
    (count >= 2).then_some(Date { range: start..at, sure })
}

/// What time follows a date.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    None,
    /// `14:30`, `2:30 pm`.
    Minutes,
    /// With seconds, or as in ISO 8601.
    Exact,
}

/// Behind the time that follows a date at `at`, and how exact it is.
fn clock(text: &str, at: usize) -> (usize, Time) {
    let bytes = text.as_bytes();
    let iso = matches!(byte(bytes, at), b'T' | b't');
    let from = [" at ", " um ", " à ", ", ", "T", "t", " ", ":", "_"]
        .iter()
        .find(|between| text[at..].starts_with(**between))
        .map_or(at, |between| at + between.len());
    let figures = |from: usize| {
        let end = run(bytes, from, 3, |byte| byte.is_ascii_digit());
        (end > from && end - from <= 2).then_some(end)
    };
    let none = (at, Time::None);
    if from == at {
        return none;
    }
    let Some(hour) = figures(from).filter(|end| value(&bytes[from..*end]) < 25 && byte(bytes, *end) == b':') else {
        return none;
    };
    let Some(minute) = figures(hour + 1).filter(|end| value(&bytes[hour + 1..*end]) < 60) else { return none };
    let mut end = minute;
    let mut exact = iso;
    if byte(bytes, end) == b':'
        && let Some(second) = figures(end + 1)
    {
        end = second;
        exact = true;
        if matches!(byte(bytes, end), b'.' | b',') {
            let fraction = run(bytes, end + 1, 9, |byte| byte.is_ascii_digit());
            end = if fraction > end + 1 { fraction } else { end };
        }
    }
    for suffix in
        [" AM", " PM", " am", " pm", "am", "pm", "AM", "PM", " a.m.", " p.m.", "Z", "z", " UTC", " GMT", " Uhr"]
    {
        if text[end..].starts_with(suffix) {
            end += suffix.len();
            break;
        }
    }
    let zone = run(bytes, end, 1, |byte| byte == b' ');
    if matches!(byte(bytes, zone), b'+' | b'-') {
        let offset = run(bytes, zone + 1, 5, |byte| byte.is_ascii_digit() || byte == b':');
        if offset - zone > 2 && !is_word(byte(bytes, offset)) {
            end = offset;
        }
    }
    (end, if exact { Time::Exact } else { Time::Minutes })
}

/// Whether the date at `at` of a text reads on: for tests of others.
#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn dates_of_prose() {
        for date in [
            "March 15, 1989",
            "15 March 1989",
            "15th of March, 1989",
            "15. März 1989",
            "1er janvier 2020",
            "15 de enero de 2024",
            "15-Jan-2024",
            "5/10/1963",
            "15.3.1989",
            "15. 3. 1989",
            "1989-03-15",
            "1989/03/15",
            "3/15/89",
            "2024年1月15日",
            "2024년 1월 15일",
            "March 15",
            "3. Mai",
            "15 марта 1989",
            "15 Şubat 2020",
            "December 3rd, 2001",
            "1989-03-15 14:30",
            "March 5, 1977 at 10:30 AM",
            "Mar. 5, 1977",
            "15 MARCH 1989",
            "march 15, 1989",
            "15 mar 1989",
            "may 3rd, 2001",
            "01.02.99",
        ] {
            assert_eq!(sure("date", &format!("It was on {date}.")), [date]);
        }
        for date in ["March 1989", "5/2021", "2024.01.15"] {
            assert_eq!(found("date", &format!("It was on {date} or so")), [(date, 0.4)]);
        }
    }

    #[test]
    fn points_in_time_are_of_another_finder() {
        for (text, stamp) in [
            ("2024-03-15T14:30:00+02:00 INFO", "2024-03-15T14:30:00+02:00"),
            ("[15/Jan/2024:10:22:33 +0000]", "15/Jan/2024:10:22:33 +0000"),
            ("Jan 15 10:22:33 host", "Jan 15 10:22:33"),
            ("2024-01-15 10:22:33,123 x", "2024-01-15 10:22:33,123"),
            ("Mon, 15 Jan 2024 10:22:33 GMT", "15 Jan 2024 10:22:33 GMT"),
            ("\"2024-03-15T14:30Z\"", "2024-03-15T14:30Z"),
        ] {
            assert!(found("date", text).is_empty(), "{text}: {:?}", found("date", text));
            assert_eq!(found("timestamp", text).first().map(|found| found.0), Some(stamp), "{text}");
        }
    }

    #[test]
    fn other_numbers() {
        for text in [
            "1.2.10",
            "v1.12.3",
            "you may 3 times",
            "\"2024-01-15\"",
            "a,2024-01-15,b",
            "/2023/01/15/",
            "report-2024-01-15.pdf",
            "1/2",
            "3/4/5",
            "192.168.10.12",
            "99/99/9999",
            "2024-13-45",
            "12 marches",
            "May 3.5",
            "## [1.0.0] - 2024-01-15",
            "1-2-3",
            "0.15.2024.1",
            "section 3 march on",
        ] {
            assert!(sure("date", text).is_empty(), "{text}: {:?}", found("date", text));
        }
    }
}
