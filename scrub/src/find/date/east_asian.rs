//! Chinese, Japanese and Korean dates: `2024年1月15日`, `2024년 1월 15일`, `令和6年1月15日`, `二〇二四年一月十五日`.

use std::ops::Range;

use super::super::scan::{Sure, byte, run};
use super::{Date, is_day, is_month_number, is_year};

/// Eras and calendars before a year.
const ERAS: &[&str] =
    &["令和", "平成", "昭和", "大正", "明治", "民國", "民国", "西暦", "西元", "公元", "佛曆", "단기", "서기"];

/// Digits as they are written in words; `十` is ten, `元` the first year of an era.
const NUMERALS: &[char] = &['〇', '零', '一', '二', '三', '四', '五', '六', '七', '八', '九', '十', '元'];

/// A date whose first number stands at `start..end`.
pub(super) fn east_asian(text: &str, start: usize, end: usize) -> Option<Date> {
    let bytes = text.as_bytes();
    // All these signs begin with such a byte, but for a space.
    let sign = run(bytes, end, 1, |byte| byte == b' ');
    if byte(bytes, sign) < 0xE0 {
        return None;
    }
    let mut at = start;
    let mut named = start;
    let mut count = 0;
    if let Some(behind) = behind(text, sign, ['年', '년']) {
        let era = ERAS.iter().find(|era| text[..start].trim_end_matches(' ').ends_with(**era));
        if !(is_year(&bytes[start..end]) || (end - start <= 3 && era.is_some())) {
            return None;
        }
        named = era.map_or(start, |era| text[..start].trim_end_matches(' ').len() - era.len());
        at = behind;
        count = 1;
    }
    let year = count;
    for (signs, fits) in [(['月', '월'], is_month_number as fn(&[u8]) -> bool), (['日', '일'], is_day)] {
        let from = if count > 0 { run(bytes, at, 1, |byte| byte == b' ') } else { at };
        let figure = run(bytes, from, 3, |byte| byte.is_ascii_digit());
        let sign = run(bytes, figure, 1, |byte| byte == b' ');
        match behind(text, sign, signs) {
            Some(behind) if figure > from && fits(&bytes[from..figure]) => at = behind,
            _ => break,
        }
        count += 1;
    }
    let first_year = (year == 0 && count == 2).then(|| text[..start].strip_suffix("元年")).flatten();
    if let Some(era) = first_year.and_then(|before| ERAS.iter().find_map(|era| before.strip_suffix(era))) {
        named = era.len();
    }
    let sure = match (count, year) {
        (3, _) => Sure::Form,
        (2, _) => Sure::Weak(0.5),
        (1, 1) if named < start => Sure::Weak(0.4),
        _ => return None,
    };
    Some(Date { range: named..weekday_behind(text, at), sure })
}

/// Dates in written numerals, whose signs for `year` stand in `core`.
pub(super) fn written(text: &str, core: Range<usize>, add: &mut impl FnMut(Date)) {
    let bytes = text.as_bytes();
    let numerals = |text: &str| text.len() - text.trim_start_matches(NUMERALS).len();
    for year in memchr::memmem::find_iter(&bytes[core.start..core.end.min(bytes.len())], "年".as_bytes()) {
        let year = core.start + year;
        let before = &text[..year];
        let digits = before.trim_end_matches(NUMERALS).len();
        if digits == year || year - digits > 12 {
            continue;
        }
        let era = ERAS.iter().find(|era| text[..digits].ends_with(**era)).map_or(0, |era| era.len());
        if era == 0 && year - digits != 12 {
            continue;
        }
        let mut at = year + '年'.len_utf8();
        let mut count = 1;
        for sign in ['月', '日'] {
            let end = at + numerals(&text[at..]);
            match text[end..].strip_prefix(sign) {
                Some(rest) if (3..=9).contains(&(end - at)) => at = text.len() - rest.len(),
                _ => break,
            }
            count += 1;
        }
        if count > 1 {
            add(Date { range: digits - era..at, sure: if count == 3 { Sure::Form } else { Sure::Weak(0.5) } });
        }
    }
}

fn behind(text: &str, at: usize, signs: [char; 2]) -> Option<usize> {
    text.get(at..)?.strip_prefix(signs).map(|rest| text.len() - rest.len())
}

/// Behind the day of the week that follows: `月曜日`, `(月)`, `星期一`, `周一`, ` 월요일`, `(월)`.
fn weekday_behind(text: &str, at: usize) -> usize {
    const DAYS: &[char] = &[
        '日', '月', '火', '水', '木', '金', '土', '一', '二', '三', '四', '五', '六', '天', '일', '월', '화', '수',
        '목', '금', '토',
    ];
    let rest = text[at..].trim_start_matches(' ');
    let bracketed = rest.strip_prefix('(');
    let inner = bracketed.unwrap_or(rest);
    let behind = |rest: &str| text.len() - rest.len();
    for prefix in ["星期", "周", "週", "礼拜"] {
        if let Some(rest) = inner.strip_prefix(prefix).and_then(|day| day.strip_prefix(DAYS)) {
            return behind(rest);
        }
    }
    let Some(day) = inner.strip_prefix(DAYS) else { return at };
    for suffix in ["曜日", "曜", "요일"] {
        if let Some(rest) = day.strip_prefix(suffix) {
            return behind(rest);
        }
    }
    if bracketed.is_some() && day.starts_with(')') { behind(day) } else { at }
}
