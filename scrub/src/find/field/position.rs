//! Names of fields that are one half of a position on the earth where the other half is beside them: `pickup_lat` and `pickup_lng`. One alone says nothing.
//!
//! So it is with `lat`, `lon`, `lng` and `long` as whole names: they are latency, Latin and a length too. Beside the other half, wherever that is near, any value counts;
//! alone, one that says by itself that it is an angle: by a degree sign, a hemisphere, or four decimals, some ten metres, within what degrees can be.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use super::super::scan::{before, byte, is_word, run};

/// Bytes of a name that is looked at.
const NAME: usize = 64;
/// Bytes before and behind a field in which the other half is looked for.
const REACH: usize = 512;
/// Bytes of a value, at most.
const LONGEST: usize = 24;
/// Decimals of degrees that hardly anything else has.
const EXACT: usize = 4;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// From -90 to 90 degrees.
    Latitude,
    /// From -180 to 180.
    Longitude,
}

/// Their words, the longer ones first.
const WORDS: [(&str, Half); 6] = [
    ("longitude", Half::Longitude),
    ("latitude", Half::Latitude),
    ("long", Half::Longitude),
    ("lat", Half::Latitude),
    ("lon", Half::Longitude),
    ("lng", Half::Longitude),
];

impl Half {
    /// How a field of it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latitude => "latitude",
            Self::Longitude => "longitude",
        }
    }

    /// Whether a value is a decimal of degrees with a fraction. Whole degrees are some hundred kilometres.
    pub fn fits(self, value: &[u8]) -> bool {
        let most = if self == Self::Latitude { 90.0 } else { 180.0 };
        let is_decimal = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+');
        let degrees = (value.len() <= LONGEST && value.iter().all(is_decimal)).then(|| std::str::from_utf8(value).ok());
        let degrees = degrees.flatten().and_then(|text| text.parse::<f64>().ok());
        degrees.is_some_and(|degrees| degrees.abs() <= most && degrees.fract() != 0.0)
    }

    /// Whether a value says by itself that it is one of degrees.
    pub fn is_exact(self, value: &str) -> bool {
        let bytes = value.as_bytes();
        let end = run(bytes, 0, LONGEST, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
        let sign = run(bytes, end, 1, |byte| byte == b' ');
        let is_marked = value[end..].starts_with(['°', 'º'])
            || matches!(byte(bytes, sign), b'N' | b'S' | b'E' | b'W') && !is_word(byte(bytes, sign + 1));
        let decimals = memchr::memchr(b'.', &bytes[..end]).map_or(0, |point| end - point - 1);
        is_marked || decimals >= EXACT && self.fits(&bytes[..end])
    }
}

/// Which half a name is that stands for other things too.
pub fn short(name: &str) -> Option<Half> {
    let letters = name.trim_matches(|letter: char| letter.is_ascii() && !letter.is_ascii_alphabetic());
    let is = |word: &str| letters.eq_ignore_ascii_case(word);
    if is("lat") {
        return Some(Half::Latitude);
    }
    ["lon", "lng", "long"].into_iter().any(is).then_some(Half::Longitude)
}

/// Whether the value of such a field, which is at `value`, is one of a position: by itself, or by the other half near it.
pub fn is_sure(text: &str, half: Half, value: &Range<usize>) -> bool {
    half.is_exact(&text[value.clone()]) || is_beside(text, half, value)
}

/// Whether the other half is named near a value, as a field is: `&lng=`, `<lon>`, `"longitude": `, `long;`.
fn is_beside(text: &str, half: Half, value: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let start = text.floor_char_boundary(value.start.saturating_sub(REACH));
    let end = text.ceil_char_boundary(text.len().min(value.end + REACH));
    let near = text[start..end].to_ascii_lowercase();
    WORDS.iter().filter(|(_, of)| *of != half).any(|(word, _)| {
        memchr::memmem::find_iter(near.as_bytes(), word).any(|at| {
            let (from, to) = (start + at, start + at + word.len());
            let is_name = !is_word(before(bytes, from)) && !is_word(byte(bytes, to));
            let sign = run(bytes, to, 6, |byte| matches!(byte, b'"' | b'\'' | b' '));
            is_name && matches!(byte(bytes, sign), b':' | b'=' | b'>' | b',' | b';' | b'\t' | b'|')
        })
    })
}

/// What a name is a half of: which one, and the rest of the name, which that of the other half has too.
fn half(name: &str) -> Option<(Half, String)> {
    let bytes = name.as_bytes();
    let may_be = |three: &[u8]| {
        matches!(
            [three[0] | 0x20, three[1] | 0x20, three[2] | 0x20],
            [b'l', b'a', b't'] | [b'l', b'o', b'n'] | [b'l', b'n', b'g']
        )
    };
    if name.len() > NAME || !bytes.windows(3).any(may_be) {
        return None;
    }
    let small = name.to_ascii_lowercase();
    WORDS.into_iter().find_map(|(word, half)| {
        let start = small.rfind(word)?;
        let end = start + word.len();
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
        // At what is no letter, and at the humps of camel case; at the end of a word of several.
        let hump = |at: usize| byte(bytes, at).is_ascii_uppercase() && bytes[at - 1].is_ascii_lowercase();
        let ends = !is_letter(byte(bytes, end)) || hump(end);
        let begins = start == 0 || !is_letter(bytes[start - 1]) || hump(start) || end == bytes.len();
        (ends && begins).then(|| (half, format!("{} {}", &small[..start], &small[end..])))
    })
}

/// Which fields of a row are halves of positions, each given as the names that lead to it, the outermost first.
pub fn halves<'n>(paths: impl IntoIterator<Item = &'n [&'n str]>) -> Vec<Option<Half>> {
    let mut seen: HashMap<u64, [bool; 2]> = HashMap::new();
    let found: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let (name, around) = path.split_last()?;
            let (half, rest) = half(name)?;
            let mut hash = DefaultHasher::new();
            (around, rest).hash(&mut hash);
            let place = hash.finish();
            seen.entry(place).or_default()[usize::from(half == Half::Latitude)] = true;
            Some((half, place))
        })
        .collect();
    found.into_iter().map(|found| found.filter(|(_, place)| seen[place] == [true; 2]).map(|(half, _)| half)).collect()
}

/// Which half the field in an object of JSON is whose name is at `name` and whose value is at `value`, if the other one is a member of the object too, not far
/// away.
pub fn in_object(text: &str, name: Range<usize>, value: &Range<usize>) -> Option<Half> {
    let (is, rest) = half(&text[name.clone()])?;
    let other =
        |name: Range<usize>| text.get(name).and_then(half).is_some_and(|(half, same)| half != is && same == rest);
    let bytes = text.as_bytes();
    // Behind its quote, if it is in such.
    let end = value.end + usize::from(matches!(before(bytes, value.start), b'"' | b'\''));
    (members_behind(bytes, end).any(&other) || members_before(bytes, name.start).any(&other)).then_some(is)
}

/// Names of members that follow `from`, in which a value is or has ended.
fn members_behind(bytes: &[u8], from: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let to = bytes.len().min(from + REACH);
    let (mut at, mut depth) = (from, 0_u32);
    std::iter::from_fn(move || {
        while at < to {
            let here = bytes[at];
            at += 1;
            match here {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b'"' | b'\'' => {
                    let start = at;
                    while at < to && bytes[at] != here {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    let end = at.min(to);
                    at += 1;
                    if depth == 0 && is_name(bytes, end) {
                        return Some(start..end);
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// Names of members before `to`, where a name starts.
fn members_before(bytes: &[u8], to: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    // Without the quote of the name.
    let (from, mut at, mut depth) = (to.saturating_sub(REACH), to.saturating_sub(1), 0_u32);
    std::iter::from_fn(move || {
        while at > from {
            at -= 1;
            match bytes[at] {
                b'}' | b']' => depth += 1,
                b'{' | b'[' => depth = depth.checked_sub(1)?,
                quote @ (b'"' | b'\'') => {
                    let end = at;
                    let escaped = |at: usize| at > 0 && bytes[at - 1] == b'\\';
                    while at > from {
                        at -= 1;
                        if bytes[at] == quote && !escaped(at) {
                            break;
                        }
                    }
                    if depth == 0 && is_name(bytes, end) {
                        return Some((at + 1).min(end)..end);
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// Whether the string that ends with the quote at `end` is followed by a colon.
fn is_name(bytes: &[u8], end: usize) -> bool {
    end < bytes.len() && byte(bytes, run(bytes, end + 1, 4, |byte| byte == b' ')) == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<Option<Half>> {
        let paths: Vec<Vec<_>> = names.iter().map(|name| name.split('/').collect()).collect();
        halves(paths.iter().map(Vec::as_slice))
    }

    #[test]
    fn names_are_halves_where_both_are_there() {
        let both = [Some(Half::Latitude), Some(Half::Longitude)];
        for pair in [
            ["lat", "lon"],
            ["latitude", "longitude"],
            ["lat", "long"],
            ["pickup_lat", "pickup_lng"],
            ["pickupLat", "pickupLng"],
            ["start latitude", "start longitude"],
            ["LAT_2", "LON_2"],
            ["startlat", "startlon"],
            ["a/b/lat", "a/b/lng"],
            ["gps.latDeg", "gps.lngDeg"],
        ] {
            assert_eq!(of(&pair), both, "{pair:?}");
        }
        for pair in [
            ["lat", "x"],
            ["y", "x"],
            ["lat_1", "lon_2"],
            ["pickup_lat", "dropoff_lng"],
            ["a/lat", "b/lng"],
            ["plates", "longer"],
            ["lat", "lat"],
            ["latency", "longitude"],
            ["", ""],
        ] {
            assert_eq!(of(&pair), [None; 2], "{pair:?}");
        }
    }

    #[test]
    fn members_of_one_object_belong_together() {
        for (text, expected) in [
            (r#"{"p_lat": 48.85, "p_lng": 2.35}"#, true),
            (r#"{"p_lng": "2.35", "a": {"b": [1]}, "p_lat": "48.85"}"#, true),
            ("{'p_lng' : 2.35, 'p_lat': 48.85}", true),
            (r#"{"p_lng": "a \" b", "p_lat": 48.85}"#, true),
            (r#"{"a": {"p_lng": 2.35}, "p_lat": 48.85}"#, false),
            (r#"{"p_lat": 48.85}, {"p_lng": 2.35}"#, false),
            (r#"{"p_lat": 48.85, "x": "p_lng"}"#, false),
            (r#"{"p_lat": 48.85, "x": "\"p_lng\": 1"}"#, false),
            (r#"{"p_lat": 48.85"#, false),
        ] {
            let name = text.find("p_lat").unwrap();
            let value = text.find("48.85").unwrap();
            let half = in_object(text, name..name + 5, &(value..value + 5));
            assert_eq!(half, expected.then_some(Half::Latitude), "{text}");
        }
    }

    #[test]
    fn values_are_degrees_with_a_fraction() {
        for value in ["48.8584", "-0.5", "+89.9999999", "2.5"] {
            assert!(Half::Latitude.fits(value.as_bytes()), "{value}");
        }
        for value in ["90.5", "48", "48.0", "", "1e-3", "48.8.5", "NaN", "-", "1.2345678901234567890123456"] {
            assert!(!Half::Latitude.fits(value.as_bytes()), "{value}");
        }
        assert!(Half::Longitude.fits(b"-179.99") && !Half::Longitude.fits(b"180.01"));
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "([a-z\"'\\\\{}\\[\\]:, \u{e9}]|\"p_lng\":|\"p_lat\":){0,40}", at in 0..40_usize) {
            let at = text.floor_char_boundary(at.min(text.len()));
            let text = format!("{}\"p_lat\":1{}", &text[..at], &text[at..]);
            in_object(&text, at + 1..at + 6, &(at + 8..at + 9));
        }
    }
}
