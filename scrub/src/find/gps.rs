//! Coordinates of the earth: pairs of decimals, degrees with minutes and seconds (ISO 6709 in its forms for people), `geo:` URIs (RFC 5870).

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// All of them.
pub struct Gps(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Gps(Served::new(detectors))))
}

impl Finder for Gps {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from =
            run_back(text, core.start, 32, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b' ' | b'-'));
        let mut numbers = text.numbers_apart(from..core.end + 2);
        while let Some(Range { start, end }) = numbers.next(from) {
            let next = byte(bytes, end);
            let angle = next == b'.' || next == 0xC2;
            if !angle
                || end - start > 3
                || is_word(before(bytes, start)) && before(bytes, start) < 0x80 && !is_hemisphere(before(bytes, start))
            {
                from = run(bytes, end, bytes.len(), |byte| byte.is_ascii_digit() || byte == b'.');
                continue;
            }
            match pair(text, start) {
                Some((range, sure)) => {
                    from = range.end;
                    self.0.add(text, range, sure, found);
                }
                None => from = run(bytes, end, 32, |byte| byte.is_ascii_digit() || byte == b'.'),
            }
        }
    }
}

const fn is_hemisphere(byte: u8) -> bool {
    matches!(byte, b'N' | b'S' | b'E' | b'W')
}

/// One angle.
struct Angle {
    end: usize,
    /// Degrees.
    value: f64,
    /// Digits behind the point of the degrees.
    decimals: usize,
    /// It has a degree sign.
    marked: bool,
    hemisphere: bool,
}

/// The angle whose digits start at `start`: `48.8584`, `48.8584° N`, `48°51'24"N`, `48° 51.5′ N`.
fn angle(text: &str, start: usize) -> Option<Angle> {
    let (mut end, mut value, decimals) = figure(text, start)?;
    let degree = text[end..].strip_prefix(['°', 'º']);
    let marked = degree.is_some();
    if let Some(rest) = degree {
        end = text.len() - rest.len();
        for (signs, part) in [(&["'", "′", "’"][..], 60.0), (&["\"", "″", "”", "''"][..], 3600.0)] {
            let from = run(text.as_bytes(), end, 1, |byte| byte == b' ');
            let Some((to, small, _)) = figure(text, from) else { break };
            let Some(sign) = signs.iter().find(|sign| text[to..].starts_with(**sign)) else { break };
            value += small / part;
            end = to + sign.len();
        }
    }
    let bytes = text.as_bytes();
    let letter = run(bytes, end, 1, |byte| byte == b' ');
    let behind = is_hemisphere(byte(bytes, letter)) && !is_word(byte(bytes, letter + 1));
    let front = is_hemisphere(before(bytes, run_back(text, start, 1, |byte| byte == b' ')));
    if behind {
        end = letter + 1;
    }
    Some(Angle { end, value, decimals, marked, hemisphere: behind || front })
}

/// A number with or without a decimal point: its end, its value, its digits behind the point.
fn figure(text: &str, start: usize) -> Option<(usize, f64, usize)> {
    let bytes = text.as_bytes();
    let whole = run(bytes, start, 4, |byte| byte.is_ascii_digit());
    let mut end = whole;
    if byte(bytes, whole) == b'.' && byte(bytes, whole + 1).is_ascii_digit() {
        end = run(bytes, whole + 1, 18, |byte| byte.is_ascii_digit());
    }
    let value = text[start..end].parse().ok()?;
    Some((end, value, end.saturating_sub(whole + 1)))
}

/// The pair of angles whose first digits start at `start`, or one that is plain by itself.
fn pair(text: &str, start: usize) -> Option<(Range<usize>, Sure)> {
    let bytes = text.as_bytes();
    let first = angle(text, start)?;
    let open = match before(bytes, start) {
        b'-' | b'+' => start - 1,
        letter if is_hemisphere(letter) => start - 1,
        b' ' if is_hemisphere(before(bytes, start - 1)) && !is_word(before(bytes, start - 2)) => start - 2,
        _ => start,
    };
    if first.decimals < 3 && !first.marked {
        return None;
    }
    let mut from = run(bytes, first.end, 3, |byte| matches!(byte, b',' | b' ' | b';' | b'/'));
    if from == first.end && !first.marked {
        return None;
    }
    if is_hemisphere(byte(bytes, from)) {
        from = run(bytes, from + 1, 1, |byte| byte == b' ');
    }
    if matches!(byte(bytes, from), b'-' | b'+') {
        from += 1;
    }
    let second = if byte(bytes, from).is_ascii_digit() { angle(text, from) } else { None };
    let Some(second) = second.filter(|second| second.decimals >= 3 || second.marked) else {
        // One angle with its hemisphere.
        return (first.marked && first.hemisphere && first.value <= 180.0).then_some((open..first.end, Sure::Form));
    };
    let (latitude, longitude) = (first.value, second.value);
    if !(latitude <= 90.0 && longitude <= 180.0 || latitude <= 180.0 && longitude <= 90.0 && first.hemisphere) {
        return None;
    }
    let end = second.end;
    if is_word(byte(bytes, end)) && byte(bytes, end) < 0x80
        || (byte(bytes, end) == b'.' && byte(bytes, end + 1).is_ascii_digit())
    {
        return None;
    }
    if first.hemisphere && second.hemisphere || first.marked && second.marked {
        return Some((open..end, Sure::Form));
    }
    let prefix = &text[..open];
    if prefix.ends_with("geo:") {
        let whole = run(bytes, end, 80, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b',' | b';' | b'=' | b'.' | b'-')
        });
        return Some((open - 4..end + text[end..whole].trim_end_matches(['.', ',', ';', '-']).len(), Sure::Evident));
    }
    // In a URL of a map.
    if matches!(before(bytes, open), b'@' | b'=')
        && !matches!(byte(bytes, end), b' ')
        && first.decimals >= 4
        && second.decimals >= 4
    {
        return Some((open..end, Sure::Form));
    }
    // Alone, exact to some metres, and not two shares of one.
    let row = |byte: u8| matches!(byte, b' ' | b',' | b'\t' | b';' | b'|' | b'-' | b'[' | b']');
    let left = run_back(text, open, 6, row);
    let right = run(bytes, end, 6, row);
    let alone = !before(bytes, left).is_ascii_digit() && !byte(bytes, right).is_ascii_digit();
    let exact = first.decimals >= 4 && second.decimals >= 4 && (latitude >= 1.0 && longitude >= 1.0);
    let joined = bytes[first.end] == b',';
    Some((open..end, if alone && exact && joined { Sure::Form } else { Sure::Weak(0.3) }))
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::sure;

    #[test]
    fn coordinates() {
        for (text, place) in [
            ("at 48.8584, 2.2945 in", "48.8584, 2.2945"),
            ("at -33.85678,151.21530.", "-33.85678,151.21530"),
            ("at 48°51'24\"N 2°21'03\"E", "48°51'24\"N 2°21'03\"E"),
            ("48.8584° N, 2.2945° E", "48.8584° N, 2.2945° E"),
            ("40.7128 N, 74.0060 W", "40.7128 N, 74.0060 W"),
            ("geo:48.2010,16.3695,183;crs=wgs84", "geo:48.2010,16.3695,183;crs=wgs84"),
            ("maps/@48.8584,2.2945,17z", "48.8584,2.2945"),
            ("N 48° 51.5' E 2° 21.0'", "N 48° 51.5' E 2° 21.0'"),
        ] {
            assert_eq!(sure("gps", text), [place], "{text}");
        }
        for text in [
            "0.1234, 0.5678",
            "1.2345, 2.3456, 3.4567",
            "90°",
            "20.5 C",
            "12.34, 56.78",
            "100.1234, 95.1234",
            "12.3456 45.6789",
            "1.2.3456, 7.8910",
        ] {
            assert!(sure("gps", text).is_empty(), "{text}: {:?}", sure("gps", text));
        }
    }
}
