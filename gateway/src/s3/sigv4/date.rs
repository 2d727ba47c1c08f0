//! The three spellings of time in signatures.

use time::format_description::well_known::Rfc2822;
use time::{Date, Month, OffsetDateTime, Time};

/// Seconds since 1970 of `20130524T000000Z`.
pub fn parse_basic(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0u16, |n, b| b.is_ascii_digit().then(|| n * 10 + u16::from(b - b'0')))
    };
    let small = |range| number(range).and_then(|n| u8::try_from(n).ok());
    let month = Month::try_from(small(4..6)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(0..4)?), month, small(6..8)?).ok()?;
    let time = Time::from_hms(small(9..11)?, small(11..13)?, small(13..15)?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}

/// `20130524T000000Z` of seconds since 1970; `None` outside the years 0 to 9999.
pub fn format_basic(seconds: i64) -> Option<String> {
    let t = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    (0..=9999).contains(&t.year()).then(|| {
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    })
}

/// Seconds since 1970 of `Fri, 24 May 2013 00:00:00 GMT` (or `+0000`), or of the basic form.
pub fn parse_any(text: &str) -> Option<i64> {
    parse_basic(text).or_else(|| OffsetDateTime::parse(text, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_means_the_same() {
        for text in [
            "20130524T000000Z",
            "Fri, 24 May 2013 00:00:00 GMT",
            "Fri, 24 May 2013 00:00:00 +0000",
            "Fri, 24 May 2013 02:00:00 +0200",
        ] {
            assert_eq!(parse_any(text), Some(1_369_353_600), "{text}");
        }
        assert_eq!(format_basic(1_369_353_600).as_deref(), Some("20130524T000000Z"));
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "20130524",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T250000Z",
            "2013052aT000000Z",
            "20130524T000000z",
            "yesterday",
            "２０１３0524T0Z",
        ] {
            assert_eq!(parse_any(text), None, "{text}");
        }
        assert_eq!(format_basic(i64::MAX), None);
    }
}
