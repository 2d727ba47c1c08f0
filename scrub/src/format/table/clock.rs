//! Times of day, durations and intervals: printed as ISO 8601 and read again.

use super::scalar::{print_decimal, read_decimal};

const DAY: i64 = 86_400;
/// Digits of 64 bits.
const DIGITS: u32 = 19;

/// A time of day, as so many units since midnight, of which `units` make a second; none if it is none.
pub fn print_clock(time: i64, units: i64) -> Option<String> {
    let (second, fraction) = (time / units, time % units);
    if time < 0 || second >= DAY {
        return None;
    }
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let width = units.ilog10() as usize;
    Some(if fraction == 0 { clock } else { format!("{clock}.{fraction:0width$}") })
}

/// Units since midnight of a time of day that is printed so.
pub fn read_clock(text: &str, units: i64) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let mut next = |most: i64| parts.next()?.parse().ok().filter(|part: &i64| (0..=most).contains(part));
    let (hour, minute) = (next(23)?, next(59)?);
    let second = read_seconds(parts.next()?, units).filter(|second| (0..60 * units).contains(second))?;
    Some((hour * 3600 + minute * 60) * units + second)
}

/// A duration, as so many units, of which `units` make a second.
pub fn print_duration(time: i64, units: i64) -> String {
    format!("PT{}S", seconds(time, units))
}

/// Units of a duration that is printed so.
pub fn read_duration(text: &str, units: i64) -> Option<i64> {
    read_seconds(text.strip_prefix("PT")?.strip_suffix('S')?, units)
}

/// Seconds with their fraction, if they have one.
fn seconds(time: i64, units: i64) -> String {
    let text = print_decimal(time.into(), units.ilog10());
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text,
    }
}

fn read_seconds(text: &str, units: i64) -> Option<i64> {
    read_decimal(text, units.ilog10(), DIGITS)?.try_into().ok()
}

/// The parts that an interval of so many bytes has: months, days, and the units of a second that its rest is counted in. Four bytes are months, eight days and
/// milliseconds, sixteen all of them, as Arrow has them; twelve are those of Parquet and Avro.
fn parts(width: usize) -> Option<(bool, bool, Option<i64>)> {
    match width {
        4 => Some((true, false, None)),
        8 => Some((false, true, Some(1000))),
        12 => Some((true, true, Some(1000))),
        16 => Some((true, true, Some(1_000_000_000))),
        _ => None,
    }
}

/// An interval in so many bytes, all in little endian.
pub fn print_interval(mut bytes: &[u8]) -> Option<String> {
    let unsigned = bytes.len() == 12;
    let (months, days, units) = parts(bytes.len())?;
    let mut next = |wide: bool| {
        if wide {
            return super::scalar::take(&mut bytes).map(i64::from_le_bytes);
        }
        let part = super::scalar::take(&mut bytes)?;
        Some(if unsigned { u32::from_le_bytes(part).into() } else { i32::from_le_bytes(part).into() })
    };
    let months = if months { format!("{}M", next(false)?) } else { String::new() };
    let days = if days { format!("{}D", next(false)?) } else { String::new() };
    let rest = match units {
        Some(units) => format!("T{}S", seconds(next(units > 1000)?, units)),
        None => String::new(),
    };
    Some(format!("P{months}{days}{rest}"))
}

/// The interval that is printed so, in so many bytes.
pub fn read_interval(text: &str, width: usize) -> Option<Vec<u8>> {
    let (months, days, units) = parts(width)?;
    let (mut rest, mut bytes) = (text.strip_prefix('P')?, Vec::with_capacity(width));
    let mut put = |part: i64, wide: bool| {
        match (wide, width) {
            (true, _) => bytes.extend_from_slice(&part.to_le_bytes()),
            (_, 12) => bytes.extend_from_slice(&u32::try_from(part).ok()?.to_le_bytes()),
            _ => bytes.extend_from_slice(&i32::try_from(part).ok()?.to_le_bytes()),
        }
        Some(())
    };
    for (is_there, letter) in [(months, 'M'), (days, 'D')] {
        if is_there {
            let (part, behind) = rest.split_once(letter)?;
            put(part.parse().ok()?, false)?;
            rest = behind;
        }
    }
    if let Some(units) = units {
        put(read_seconds(rest.strip_prefix('T')?.strip_suffix('S')?, units)?, units > 1000)?;
        rest = "";
    }
    rest.is_empty().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn times_and_durations_are_printed() {
        assert_eq!(print_clock(0, 1000).as_deref(), Some("00:00:00"));
        assert_eq!(print_clock(86_399_999_999, 1_000_000).as_deref(), Some("23:59:59.999999"));
        assert_eq!((print_clock(86_400, 1), print_clock(-1, 1)), (None, None));
        assert_eq!(print_duration(-1500, 1000), "PT-1.500S");
        assert_eq!(print_duration(78_051_120, 1), "PT78051120S");
        let twelve = [14_u32, 3, 4005].map(u32::to_le_bytes).concat();
        assert_eq!(print_interval(&twelve).as_deref(), Some("P14M3DT4.005S"));
        assert_eq!(print_interval(&[0xFF; 4]).as_deref(), Some("P-1M"));
        for text in ["", "P", "24:00:00", "1:60:00", "1:2", "1:2:3:4", "1:2:-3", "<AGE>", "PT<AGE>S", "P1M2DT3.0001S"] {
            assert_eq!((read_clock(text, 1000), read_duration(text, 1000)), (None, None), "{text}");
            assert_eq!(read_interval(text, 12), None, "{text}");
        }
        // Those of Parquet have no sign.
        assert_eq!((read_interval("P-1M0DT0S", 12), read_interval("P1M", 5)), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(
            time in 0..86_400_000_000_000_i64, duration in any::<i64>(), bytes in proptest::collection::vec(any::<u8>(), 16),
        ) {
            for units in [1, 1000, 1_000_000, 1_000_000_000] {
                let time = time / (1_000_000_000 / units);
                prop_assert_eq!(print_clock(time, units).and_then(|text| read_clock(&text, units)), Some(time));
                prop_assert_eq!(read_duration(&print_duration(duration, units), units), Some(duration));
            }
            for width in [4, 8, 12, 16] {
                let interval = &bytes[..width];
                let text = print_interval(interval).unwrap();
                let read = read_interval(&text, width);
                prop_assert_eq!(read.as_deref(), Some(interval), "{}", text);
            }
        }
    }
}
