//! The time that follows a date.

use super::super::scan::{byte, is_word, run, word_at};
use super::value;

/// What time follows a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    None,
    /// `14:30`, `2:30 pm`.
    Minutes,
    /// With seconds, or as in ISO 8601.
    Exact,
}

/// What stands between a date and its time.
const BETWEEN: &[&str] = &[
    " at ",
    " um ",
    " à ",
    " a las ",
    " alle ore ",
    " alle ",
    " às ",
    " om ",
    " kl. ",
    " kl ",
    " klo ",
    " o ",
    " v ",
    " в ",
    " godz. ",
    " saat ",
    ", ",
    " - ",
    "  ",
    "T",
    "t",
    " ",
    ":",
    "_",
];

/// Signs of the half of the day before a time, in Chinese, Japanese and Korean.
const HALVES: &[&str] = &["上午", "下午", "午前", "午後", "오전 ", "오후 "];

/// What may follow a time directly.
const SUFFIXES: &[&str] = &[
    " AM", " PM", " am", " pm", "am", "pm", "AM", "PM", " a.m.", " p.m.", " a. m.", " p. m.", "Z", "z", " Uhr", " h",
    " ч.", " Uhr.",
];

/// Behind the time that follows a date at `at`, and how exact it is.
pub(super) fn clock(text: &str, at: usize) -> (usize, Time) {
    let bytes = text.as_bytes();
    let iso = matches!(byte(bytes, at), b'T' | b't');
    let none = (at, Time::None);
    let Some(between) = word_at(text, at, BETWEEN) else { return none };
    let mut from = at + between.len();
    from += word_at(text, from, HALVES).map_or(0, str::len);
    if let Some(end) = in_words(text, from) {
        return (zone(text, end), Time::Minutes);
    }
    if iso && let Some(end) = basic(bytes, from) {
        return (zone(text, end), Time::Exact);
    }
    let figures = |from: usize| {
        let end = run(bytes, from, 3, |byte| byte.is_ascii_digit());
        (end > from && end - from <= 2).then_some(end)
    };
    let Some(hour) = figures(from).filter(|end| value(&bytes[from..*end]) < 25) else { return none };
    let minutes = |from: usize| figures(from).filter(|end| end - from == 2 && value(&bytes[from..*end]) < 60);
    let (mut end, mut exact) = match byte(bytes, hour) {
        b':' => match minutes(hour + 1) {
            Some(minute) => (minute, iso),
            None => return none,
        },
        // `14h30`, `14h`
        b'h' => (minutes(hour + 1).unwrap_or(hour + 1), false),
        // `14.30 Uhr`, `kl. 14.30`, `14.30.05`
        b'.' if minutes(hour + 1).is_some() => {
            let end = hour + 3;
            let second = if byte(bytes, end) == b'.' { minutes(end + 1) } else { None };
            match second {
                Some(second) => (second, true),
                None if half_or_hour(text, end) > end || between.contains('k') => (end, false),
                None => return none,
            }
        }
        // `5 pm`, `14 Uhr`
        _ if half_or_hour(text, hour) > hour => return (half_or_hour(text, hour), Time::Minutes),
        _ => return none,
    };
    if byte(bytes, hour) == b':'
        && byte(bytes, end) == b':'
        && let Some(second) = figures(end + 1)
    {
        end = second;
        exact = true;
        if matches!(byte(bytes, end), b'.' | b',') {
            let fraction = run(bytes, end + 1, 9, |byte| byte.is_ascii_digit());
            end = if fraction > end + 1 { fraction } else { end };
        }
    }
    if is_word(byte(bytes, end)) && half_or_hour(text, end) == end && !matches!(byte(bytes, end), b'Z' | b'z' | 0x80..)
    {
        return if exact { (end, Time::Exact) } else { none };
    }
    let end = zone(text, half_or_hour(text, end));
    (end, if exact { Time::Exact } else { Time::Minutes })
}

/// Behind `1430` or `143000`, the basic form of ISO 8601.
fn basic(bytes: &[u8], from: usize) -> Option<usize> {
    let end = run(bytes, from, 7, |byte| byte.is_ascii_digit());
    let figures = &bytes[from..end];
    let valid = matches!(figures.len(), 4 | 6)
        && value(&figures[..2]) < 25
        && figures[2..].chunks(2).all(|figure| value(figure) < 61);
    valid.then_some(end)
}

/// Behind `8시 20분 22초`, `8時20分`.
fn in_words(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = None;
    let mut at = from;
    for signs in [['시', '時', '时'], ['분', '分', '分'], ['초', '秒', '秒']] {
        let start = if end.is_some() { run(bytes, at, 1, |byte| byte == b' ') } else { at };
        let figure = run(bytes, start, 2, |byte| byte.is_ascii_digit());
        let Some(rest) = text[figure..].strip_prefix(signs).filter(|_| figure > start) else { break };
        at = text.len() - rest.len();
        end = Some(at);
    }
    end
}

/// Behind what says which half of the day it is, or that it is an hour.
fn half_or_hour(text: &str, at: usize) -> usize {
    let found = SUFFIXES.iter().find(|suffix| text[at..].starts_with(**suffix)).map_or(at, |suffix| at + suffix.len());
    if is_word(byte(text.as_bytes(), found)) && byte(text.as_bytes(), found) < 0x80 { at } else { found }
}

/// Behind the distance from UTC, or the name of the zone: `+02:00`, ` +0100`, ` UTC+2`, ` CET`.
fn zone(text: &str, at: usize) -> usize {
    const ZONES: &[&str] = &[
        "UTC", "GMT", "CET", "CEST", "BST", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "JST", "MEZ",
        "MESZ", "MSK", "IST", "AEST",
    ];
    let bytes = text.as_bytes();
    let mut end = if byte(bytes, at) == b'Z' && !is_word(byte(bytes, at + 1)) { at + 1 } else { at };
    let name = run(bytes, end, 1, |byte| byte == b' ');
    if let Some(zone) = ZONES.iter().find(|zone| text[name..].starts_with(**zone))
        && !byte(bytes, name + zone.len()).is_ascii_alphanumeric()
    {
        end = name + zone.len();
    }
    let sign = run(bytes, end, 1, |byte| byte == b' ');
    if matches!(byte(bytes, sign), b'+' | b'-') {
        let offset = run(bytes, sign + 1, 5, |byte| byte.is_ascii_digit() || byte == b':');
        if offset - sign > 1 + usize::from(end == at) && !is_word(byte(bytes, offset)) {
            end = offset;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_behind_dates() {
        for (text, time, exact) in [
            (" 14:30", " 14:30", Time::Minutes),
            ("T14:30:00+02:00 x", "T14:30:00+02:00", Time::Exact),
            ("T1430Z", "T1430Z", Time::Exact),
            ("T143000+0200", "T143000+0200", Time::Exact),
            (" at 5 pm.", " at 5 pm", Time::Minutes),
            (" um 14.30 Uhr", " um 14.30 Uhr", Time::Minutes),
            (" à 14h30,", " à 14h30", Time::Minutes),
            (" kl. 14.30", " kl. 14.30", Time::Minutes),
            (" 下午2:30", " 下午2:30", Time::Minutes),
            (" 10:22:33,123 x", " 10:22:33,123", Time::Exact),
            (":10:22:33 +0000]", ":10:22:33 +0000", Time::Exact),
            (" 14:30 UTC+2.", " 14:30 UTC+2", Time::Minutes),
            (", 2:30 PM EST", ", 2:30 PM EST", Time::Minutes),
            ("  14:36:25", "  14:36:25", Time::Exact),
            (" 오후 8시 20분", " 오후 8시 20분", Time::Minutes),
            (" 14 people", "", Time::None),
            (" 5.10 Euro", "", Time::None),
            ("", "", Time::None),
        ] {
            let (end, found) = clock(text, 0);
            assert_eq!((&text[..end], found), (time, exact), "{text}");
        }
    }
}
