//! Dates: of numbers in every order, with the names of months in 47 languages, Chinese, Japanese and Korean; with the day of the week before and
//! the time behind.
//!
//! What counts is a date that can be a person's: it fixes a day, or a month of a year. A year alone, a day of the week and a time are shared
//! by everybody (45 CFR 164.514(b)(2)(i)(C) leaves years too); a year becomes one beside words of birth, admission and death.
//!
//! A date of prose (`March 15, 1989`, `15.3.1989`, `on 1989-03-15`) is a finding. A point in time with seconds or in ISO 8601's `T` form is
//! what every line of a log and every record of a database has: unless a sentence leads to it, the finder `timestamp` gives it, and the score of
//! its detector is below the threshold, so that only words of birth, admission and death near it raise it. So are ISO dates that stand in
//! quotes, between delimiters of a table, or in a file name: weak.

mod calendar;
mod clock;
mod east_asian;
mod named;
mod numeric;

use std::ops::Range;

use crate::detector::{Detector, DetectorId, Find};

use self::calendar::Calendar;
use self::clock::{Time, clock};
use super::scan::{Served, Sure, before, byte, is_word, value, word_before};
use super::{Candidate, Finder, Text};

/// Bytes before and behind a number that a date with it may take.
const AROUND: usize = 64;

/// Dates, and points in time.
pub struct Dates {
    days: Served,
    times: Served,
    calendar: &'static Calendar,
}

/// The code by which detectors ask for points in time.
pub const TIMESTAMP: &str = "timestamp";

/// Makes it for dates and for points in time.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let timestamp = Find::Code(TIMESTAMP.to_owned());
    let (times, days): (Vec<_>, Vec<_>) = detectors.iter().partition(|(_, detector)| detector.find == timestamp);
    Ok(Box::new(Dates { days: Served::new(&days), times: Served::new(&times), calendar: Calendar::shipped() }))
}

/// A date, before the time that may follow it.
struct Date {
    range: Range<usize>,
    sure: Sure,
}

impl Finder for Dates {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = core.start.saturating_sub(AROUND);
        let mut numbers = text.numbers_apart(from..core.end + AROUND);
        // Where the last date starts and ends.
        let (mut last, mut passed) = (0, 0);
        while let Some(Range { start, end }) = numbers.next(from) {
            from = end;
            // Cut from a longer number, or in the midst of letters: of a hash.
            let (prior, next) = (before(bytes, start), byte(bytes, end));
            // The letters of `March the15th` are those of fillers.
            let filler = matches!(prior, b'e' | b'l' | b'm');
            let within = |byte: u8| byte < 0x80 && is_word(byte);
            if prior.is_ascii_digit() || within(prior) && !filler && within(next) {
                continue;
            }
            let date = match end - start {
                1 | 2 | 4 => self.date(text, start, end),
                3 => east_asian::east_asian(text, start, end),
                8 => numeric::compact(text, start, end),
                _ => None,
            };
            // One that reaches back into the last is a range that begins with it.
            let is_new = |date: &Date| date.range.start >= passed || date.range.start <= last;
            let Some(date) = date.filter(is_new) else { continue };
            let (end, time) = clock(text, date.range.end);
            let start = self.calendar.weekday_before(text, date.range.start);
            let end = if time == Time::None { self.calendar.weekday_behind(text, end) } else { end };
            from = from.max(end);
            (last, passed) = (date.range.start, end);
            let told = time == Time::Exact && is_told(text, start);
            let served = if time == Time::Exact && !told { &self.times } else { &self.days };
            let sure = if told { Sure::Form } else { date.sure };
            served.add(text, start..end, sure, found);
        }
        if !self.days.is_empty() {
            east_asian::written(text, core, &mut |date| self.days.add(text, date.range, date.sure, found));
        }
    }
}

impl Dates {
    /// The date that begins with the number at `start..end`, or whose first number that is.
    fn date(&self, text: &str, start: usize, end: usize) -> Option<Date> {
        let plain = numeric::numeric(text, start, end).or_else(|| east_asian::east_asian(text, start, end));
        // Of a time, an address, an amount: nothing that is named begins there.
        let bytes = text.as_bytes();
        let part = match before(bytes, start) {
            b':' | b'.' | b',' => before(bytes, start - 1).is_ascii_digit(),
            prior => matches!(prior, b'$' | b'#' | b'+'),
        };
        if plain.is_some() || part {
            return plain;
        }
        named::year_first(self.calendar, text, start, end)
            .or_else(|| named::day_first(self.calendar, text, start, end))
            .or_else(|| named::month_first(self.calendar, text, start, end))
            .or_else(|| year_alone(text, start, end))
    }
}

/// Whether the sentence in which a point in time stands leads to it: only words stand before it in its line, the last one directly.
fn is_told(text: &str, start: usize) -> bool {
    let bytes = text.as_bytes();
    let from = start.saturating_sub(100);
    let line = memchr::memrchr(b'\n', &bytes[from..start]).map_or(from, |at| from + at + 1);
    let before = &bytes[line..start];
    let words = before.split(|byte| *byte == b' ').count();
    // `INFO`, `ERROR` begin a line of a log.
    let first = before.split(|byte| *byte == b' ').next().unwrap_or_default();
    let shouted = first.len() > 1 && first.iter().all(u8::is_ascii_uppercase);
    words >= 3
        && !shouted
        && before.last() == Some(&b' ')
        && before.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
        && before.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80 || b" ,.'-".contains(byte))
        && before[..before.len() - 1].last().is_some_and(|byte| byte.is_ascii_lowercase() || *byte >= 0x80)
        && !before.windows(2).any(|pair| pair == b"  ")
}

/// Whether the number at `start` is a part of something longer.
fn is_joined(bytes: &[u8], start: usize) -> bool {
    let prior = before(bytes, start);
    is_word(prior) && prior < 0x80
        || (matches!(prior, b'.' | b'-' | b'/' | b':' | b',') && before(bytes, start - 1).is_ascii_digit())
        || matches!(prior, b'$' | b'#' | b'+')
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

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    const PROSE: &[&str] = &[
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
        "the 5th of May",
        "5 May '89",
        "March '89",
        "nov. 2015",
        "28 de out.",
        "19 мар.",
        "มิ.ย. 1930",
        "01.2001 г.",
        "1948년 10월 5일 오후 8시 20분 22초",
        "apr 1950",
        "13 lip–16 sie 2000",
        "21 de nov. – 18 de dez. de 1946",
        "16. 5. - 11. 7. 1979",
        "Mo., 4. Juni 2001",
        "17.10.2004 г.",
        "tháng 3 năm 2005",
        "11 thg 9, 2008",
        "15-03-89",
        "15-Mar-89",
        "15MAR1989",
        "March the15th, 1989",
        "Mar 15, 1989",
        "March 1989",
        "05/2021",
        "1989 March 15",
        "1989-Mar-15",
        "Sunday, March 15, 1989",
        "Sonntag, den 15. März 1989",
        "1989. március 15., szerda",
        "1989 m. kovo 15 d.",
        "1989. gada 15. marts",
        "15 марта 1989 г.",
        "15 березня 1989 р.",
        "15. maaliskuuta 1989",
        "15 Μαρτίου 1989",
        "15 במרץ 1989",
        "15 مارس، 1989",
        "15 मार्च 1989",
        "15 มีนาคม 2532",
        "15 มี.ค. 2532",
        "15 tháng 3, 1989",
        "15 de març de 1989",
        "15 d’abril de 1989",
        "15 mars",
        "15-20 March 1989",
        "15 to 20 March 1989",
        "the 15th of March",
        "March 15-20, 1989",
        "15. bis 20. März 1989",
        "15.-20.03.2020",
        "2024. 1. 15.",
        "1월 15일",
        "2024年1月15日月曜日",
        "2024年1月15日(月)",
        "令和6年1月15日",
        "令和元年5月1日",
        "二〇二四年一月十五日",
        "15 March 1989 at 5 pm",
        "15. März 1989 um 14.30 Uhr",
        "15 mars 1989 à 14h30",
    ];

    #[test]
    fn dates_of_prose() {
        let covered = |date: &str| {
            let text = format!("It was on {date}.");
            let found = sure("date", &text);
            let date = date.strip_prefix("the ").unwrap_or(date).trim_end_matches(['.', ')']).to_owned();
            found.iter().any(|found| found.trim_end_matches(['.', ')']) == date)
        };
        let missed: Vec<_> = PROSE.iter().filter(|date| !covered(date)).collect();
        assert!(missed.is_empty(), "{missed:?}");
        for (text, date) in [
            ("x,15 March 1989,y", "15 March 1989"),
            ("7,March 15,x", "March 15"),
            ("15,March,1989", "15,March,1989"),
            ("7 Mac 1989", "7 Mac 1989"),
            ("7 MAC 1989", "7 MAC 1989"),
            ("15, March", "15, March"),
            ("15 Mac", "15 Mac"),
        ] {
            assert_eq!(sure("date", text), [date], "{text}");
        }
        // Each of a pair.
        assert_eq!(sure("date", "from March 15 - April 20, 1989 on"), ["March 15", "April 20, 1989"]);
        assert_eq!(sure("date", "from March to April 1989 on"), ["March to April 1989"]);
        assert_eq!(sure("date", "am 16. Jan. - 23. Feb. 1930"), ["16. Jan", "16. Jan. - 23. Feb. 1930"]);
        assert_eq!(sure("date", "am 15.03.2020-20.03.2020 auf"), ["15.03.2020", "20.03.2020"]);
        assert_eq!(sure("date", "am 15.03. und"), ["15.03"]);
        for date in ["5/2021", "2024.01.15", "gen 1989", "5/21", "19890315", "31 jan", "set 2019"] {
            assert!(
                matches!(found("date", &format!("It was on {date} or so"))[..], [(text, 0.2..=0.4)] if text == date),
                "{date}"
            );
        }
    }

    #[test]
    fn points_in_time_are_of_another_finder() {
        for (text, stamp) in [
            ("2024-03-15T14:30:00+02:00 INFO", "2024-03-15T14:30:00+02:00"),
            ("[15/Jan/2024:10:22:33 +0000]", "15/Jan/2024:10:22:33 +0000"),
            ("Jan 15 10:22:33 host", "Jan 15 10:22:33"),
            ("2024-01-15 10:22:33,123 x", "2024-01-15 10:22:33,123"),
            ("Mon, 15 Jan 2024 10:22:33 GMT", "Mon, 15 Jan 2024 10:22:33 GMT"),
            ("\"2024-03-15T14:30Z\"", "2024-03-15T14:30Z"),
        ] {
            assert!(found("date", text).is_empty(), "{text}: {:?}", found("date", text));
            assert_eq!(found("timestamp", text).first().map(|found| found.0), Some(stamp), "{text}");
        }
    }

    /// A sentence that leads to a point in time makes it a date; what a log or a record has before it does not.
    #[test]
    fn points_in_time_of_prose() {
        for stamp in ["2024-03-15T14:30:00+02:00", "2024-03-15 14:30:05", "15 Mar 2024 14:30:00 GMT"] {
            assert_eq!(sure("date", &format!("The patient was admitted on {stamp} and")), [stamp]);
            for text in [
                format!("{stamp} INFO"),
                format!("at={stamp} x"),
                format!("INFO done {stamp}"),
                format!("Start: {stamp}"),
            ] {
                assert!(found("date", &text).is_empty(), "{text}");
            }
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
            "Step 3 Set the",
            "10 Out of",
            "12dec45",
            "5/2000",
            "24/7",
            "in 1977",
            "on Monday at 10:30",
            "1/15",
            "20240115",
            "2.5.2021.3",
            "15 Mar(",
            "3 oct and 3 dec",
            "12-34-56",
            // A cell behind another one.
            "7,MAC address 00:1B:44:11:3A:B7",
            "7,March of Dimes",
            "12,April Jones,x",
            "7,May",
            "the 2 MAC addresses",
            "MAC 7",
        ] {
            assert!(sure("date", text).is_empty(), "{text}: {:?}", found("date", text));
        }
    }
}
