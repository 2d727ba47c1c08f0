//! Dates and times since 1970, printed as ISO 8601 and read again.

const DAY: i64 = 86_400;

/// Years that are printed with four digits. Others are of no date that anybody wrote.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

/// A day, as so many days since 1970.
pub fn print_date(days: i64) -> Option<String> {
    let (year, month, day) = civil(days)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// A time, as so many units since 1970, of which `units` make a second. Midnight is printed as its day: a date that is kept as a time.
pub fn print_time(time: i64, units: i64) -> Option<String> {
    let (seconds, fraction) = (time.div_euclid(units), time.rem_euclid(units));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let date = print_date(days)?;
    if (second, fraction) == (0, 0) {
        return Some(date);
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let time = format!("{date} {hour:02}:{minute:02}:{second:02}");
    if fraction == 0 {
        return Some(time);
    }
    let width = units.ilog10() as usize;
    Some(format!("{time}.{fraction:0width$}"))
}

/// Days since 1970 of a day that is printed so.
pub fn read_date(text: &str) -> Option<i64> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.strip_prefix('-')?.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let days = days(year, month, day);
    // The 31st of a short month is another day.
    (civil(days)? == (year, month, day)).then_some(days)
}

/// Units since 1970 of a time, or of the start of a day, that is printed so.
pub fn read_time(text: &str, units: i64) -> Option<i64> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time.strip_suffix('Z').unwrap_or(time)),
        None => (text, "00:00:00"),
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let width = units.ilog10() as usize;
    let fraction = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<width$}"), width)? };
    let seconds = read_date(date)? * DAY + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(units)?.checked_add(fraction)
}

/// A number of so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Year, month and day: <https://howardhinnant.github.io/date_algorithms.html>
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    let shifted = days.checked_add(719_468)?;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    YEARS.contains(&year).then_some((year, month, day))
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn days_and_times_are_printed() {
        assert_eq!(print_date(0).as_deref(), Some("1970-01-01"));
        assert_eq!(print_date(-1).as_deref(), Some("1969-12-31"));
        assert_eq!(print_date(11_016).as_deref(), Some("2000-02-29"));
        assert_eq!(print_date(i64::MAX), None);
        assert_eq!(print_time(86_400_000, 1000).as_deref(), Some("1970-01-02"));
        assert_eq!(print_time(-1, 1000).as_deref(), Some("1969-12-31 23:59:59.999"));
        assert_eq!(read_time("1969-12-31T23:59:59.999Z", 1000), Some(-1));
        assert_eq!(read_time("1970-01-01 00:00:01.5", 1_000_000), Some(1_500_000));
        for text in
            ["1970", "1970-02-30", "1970-1-1", "<DATE>", "1970-01-01 24:00:00", "1970-01-01 1", "é970-01-01", ""]
        {
            assert_eq!((read_date(text), read_time(text, 1000)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(days in -700_000_i64..2_900_000, time in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            prop_assert_eq!(print_date(days).and_then(|text| read_date(&text)), Some(days));
            prop_assert_eq!(print_time(time, 1_000_000).and_then(|text| read_time(&text, 1_000_000)), Some(time));
        }
    }
}
