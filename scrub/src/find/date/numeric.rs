//! Dates of numbers alone: `1989-03-15`, `15.3.1989`, `3/15/89`, `2024. 1. 15.`, `05/2021`, `19890315`.

use std::ops::Range;

use super::super::scan::{Sure, before, byte, is_word, run, run_back, word_before};
use super::named::era_behind;
use super::{Date, is_day, is_joined, is_month_number, is_year, value};

/// A date whose first number stands at `start..end`.
pub(super) fn numeric(text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    let separator = byte(bytes, end);
    if !matches!(separator, b'-' | b'/' | b'.') || (is_joined(bytes, start) && !behind_a_date(text, start, separator)) {
        return None;
    }
    let prior = before(bytes, start);
    // A path, an option, a part of an identifier.
    if matches!(prior, b'/' | b'\\' | b'.') || (prior == b'-' && before(bytes, start - 1).is_ascii_alphabetic()) {
        return None;
    }
    let figure = |from: usize| {
        // German, Czech, Hungarian and Korean write a space behind the dot.
        let from = if separator == b'.' && byte(bytes, from) == b' ' { from + 1 } else { from };
        let end = run(bytes, from, 5, |byte| byte.is_ascii_digit());
        (end > from).then_some((from, end))
    };
    let (second_start, second_end) = figure(end + 1)?;
    let (first, second) = (&bytes[start..end], &bytes[second_start..second_end]);
    if byte(bytes, second_end) != separator {
        return month_and_year(text, start, end, second_end)
            .or_else(|| day_and_month(text, start..end, second_start..second_end));
    }
    let Some((third_start, third_end)) = figure(second_end + 1) else {
        return day_and_month(text, start..end, second_start..second_end);
    };
    let third = &bytes[third_start..third_end];
    let spaced = second_start > end + 1 || third_start > second_end + 1;
    let year_first = is_year(first)
        && second.len() <= 2
        && third.len() <= 2
        && (is_month_number(second) && is_day(third) || is_day(second) && is_month_number(third));
    let last = is_day(first) && is_month_number(second) || is_month_number(first) && is_day(second);
    let begins_a_range = last && separator != b'-' && before_a_date(bytes, third_end, separator);
    if !is_free(bytes, third_end, separator) && !begins_a_range {
        // With a time behind it: `2024-03-15T14:30`.
        let timed = year_first && matches!(byte(bytes, third_end), b'T' | b't');
        return timed.then_some(Date { range: start..third_end, sure: Sure::Weak(0.3) });
    }
    let buddhist = separator == b'/' && third.len() == 4 && (2480..2600).contains(&value(third));
    let sure = if year_first {
        match separator {
            b'-' if is_data(text, start, third_end) => Sure::Weak(0.3),
            // Releases are numbered so. With spaces or a dot behind it, it is Hungarian or Korean.
            b'.' if !spaced && byte(bytes, third_end) != b'.' => Sure::Weak(0.4),
            _ => Sure::Form,
        }
    } else if last && (is_year(third) || buddhist) {
        Sure::Form
    } else if last && third.len() == 2 && !spaced {
        let full = first.len() == 2 && second.len() == 2;
        match separator {
            b'/' => Sure::Weak(0.5),
            b'.' if full && prior != b'v' => Sure::Weak(0.5),
            b'-' if full && matches!(prior, b' ' | b'\n' | b'"' | b'(' | 0) => Sure::Weak(0.5),
            _ => Sure::Weak(0.4),
        }
    } else if spaced && third.len() <= 2 && first.len() == 2 && is_month_number(second) && is_day(third) {
        // Korean with a short year: `89. 3. 15.`
        if byte(bytes, third_end) == b'.' { Sure::Weak(0.5) } else { return None }
    } else {
        return None;
    };
    let start = if separator == b'.' { range_before(text, start) } else { start };
    Some(Date { range: start..era_behind(text, third_end), sure })
}

/// `19890315`: eight digits are a date only where words say so.
pub(super) fn compact(text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    let digits = &bytes[start..end];
    let dated = digits.len() == 8 && is_year(&digits[..4]) && (is_month_number(&digits[4..6]) && is_day(&digits[6..]));
    let free = !is_word(before(bytes, start)) && !is_joined(bytes, start) && !matches!(byte(bytes, end), b'-' | b'/');
    let next = byte(bytes, end);
    let timed = next == b'T' && byte(bytes, end + 1).is_ascii_digit();
    (dated && free && (timed || !is_word(next))).then_some(Date { range: start..end, sure: Sure::Weak(0.2) })
}

/// `05/2021`; of one digit or without its zero it may be an issue, a share or a count.
fn month_and_year(text: &str, start: usize, first_end: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    let (first, second) = (&bytes[start..first_end], &bytes[first_end + 1..end]);
    if !is_month_number(first) || second.iter().any(|byte| !byte.is_ascii_digit()) || !is_year(second) {
        return None;
    }
    // `01.2001 г.`
    let told = era_behind(text, end);
    if told > end {
        return Some(Date { range: start..told, sure: Sure::Weak(0.5) });
    }
    let free = byte(bytes, first_end) == b'/' && is_free(bytes, end, b'/');
    let zero = first.len() == 2 && first[0] == b'0';
    free.then_some(Date { range: start..end, sure: Sure::Weak(if zero { 0.5 } else { 0.4 }) })
}

/// `am 15.03.`; `15/3` only where words say so.
fn day_and_month(text: &str, day: Range<usize>, month: Range<usize>) -> Option<Date> {
    const BEFORE: &[&str] = &["am", "vom", "zum", "bis", "ab", "seit", "den", "dem"];
    let bytes = text.as_bytes();
    let (start, end) = (day.start, month.end);
    let spaced = month.start > day.end + 1;
    let (first, second) = (&bytes[day.clone()], &bytes[month]);
    if spaced || !is_day(first) || !is_day(second) || !(is_month_number(first) || is_month_number(second)) {
        return None;
    }
    let alone = matches!(before(bytes, start), b' ' | b'\n' | 0) && !is_word(byte(bytes, end));
    match byte(bytes, day.end) {
        b'.' if is_month_number(second)
            && byte(bytes, end) == b'.'
            && !byte(bytes, end + 1).is_ascii_alphanumeric() =>
        {
            let word = word_before(text, start, |byte| byte == b' ');
            (alone && BEFORE.contains(&word)).then_some(Date { range: start..end, sure: Sure::Weak(0.5) })
        }
        // Around the clock, all week.
        b'/' if alone && !matches!(byte(bytes, end), b'/' | b'.' | b'%') && (first, second) != (b"24", b"7") => {
            Some(Date { range: start..end, sure: Sure::Weak(0.2) })
        }
        _ => None,
    }
}

/// Whether a date ends at `end`.
fn is_free(bytes: &[u8], end: usize, separator: u8) -> bool {
    let (next, after) = (byte(bytes, end), byte(bytes, end + 1));
    !(is_word(next) && next < 0x80)
        && !(next == separator && (is_word(after) || separator == b'/'))
        && !(matches!(next, b'.' | b'-') && after.is_ascii_digit())
        && !(next == b'.' && after.is_ascii_alphabetic() && separator == b'-')
}

/// Whether another date of the same form follows behind a hyphen: `15.03.2020-20.03.2020`.
fn before_a_date(bytes: &[u8], end: usize, separator: u8) -> bool {
    byte(bytes, end) == b'-' && {
        let first = run(bytes, end + 1, 3, |byte| byte.is_ascii_digit());
        first > end + 1 && byte(bytes, first) == separator
    }
}

/// Whether a date of the same form stands before, behind which is a hyphen.
fn behind_a_date(text: &str, start: usize, separator: u8) -> bool {
    let bytes = text.as_bytes();
    if separator == b'-' || before(bytes, start) != b'-' {
        return false;
    }
    let first = run_back(text, start - 1, 10, |byte| byte.is_ascii_digit() || byte == separator);
    let parts = bytes[first..start - 1].split(|byte| *byte == separator).count();
    parts > if separator == b'.' { 1 } else { 2 }
}

/// Where a range of days begins that ends with the date at `start`: `15.-20.03.2020`, `15.03. - 20.03.2020`.
fn range_before(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let hyphen = run_back(text, start, 1, |byte| byte == b' ');
    if before(bytes, hyphen) != b'-' {
        return start;
    }
    let end = run_back(text, hyphen - 1, 1, |byte| byte == b' ');
    // `16. 5. - 11. 7. 1979`
    let first = run_back(text, end, 7, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' '));
    let first = first + text[first..end].len() - text[first..end].trim_start_matches([' ', '.']).len();
    let mut figures = text[first..end].strip_suffix('.').unwrap_or(&text[first..end]).split('.').map(str::trim_start);
    let is_figure = |figure: &str| !figure.is_empty() && figure.bytes().all(|byte| byte.is_ascii_digit());
    let day = figures.next().is_some_and(|figure| is_figure(figure) && is_day(figure.as_bytes()));
    let month = figures.next().is_none_or(|figure| is_figure(figure) && is_month_number(figure.as_bytes()));
    let free = !is_word(before(bytes, first));
    if day && month && free && figures.next().is_none() { first } else { start }
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
