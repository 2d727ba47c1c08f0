//! Properties of the views: what is planted under any nesting of encoders is found, covered exactly and replaced in its place.

#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "the plainest way is wanted of an encoder that others are held to"
)]

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

/// Encoders and decoders that are not those of this module: the plainest there are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Code {
    Json,
    Ascii,
    Percent,
    EveryByte,
    Html,
    Numeric,
    Quoted,
    Base64,
    Base64Url,
    Mime,
}

const STANDARD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Code {
    fn encode(self, text: &str) -> String {
        match self {
            Self::Json => text
                .chars()
                .map(|c| match c {
                    '"' | '\\' => format!("\\{c}"),
                    '\n' => "\\n".into(),
                    c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
                    c => c.into(),
                })
                .collect(),
            Self::Ascii => text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect(),
            Self::Percent => text
                .bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                    _ => format!("%{byte:02x}"),
                })
                .collect(),
            Self::EveryByte => text.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
            Self::Html => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
            Self::Numeric => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            Self::Quoted => {
                let mut quoted = String::from("quoted-printable ");
                for (index, byte) in text.bytes().enumerate() {
                    match byte {
                        b'!'..=b'<' | b'>'..=b'~' | b' ' => quoted.push(char::from(byte)),
                        _ => quoted.push_str(&format!("={byte:02X}")),
                    }
                    if index % 20 == 19 {
                        quoted.push_str("=\r\n");
                    }
                }
                quoted
            }
            Self::Base64 => base64(text, false, true),
            Self::Base64Url => base64(text, true, false),
            Self::Mime => {
                let encoded = base64(text, false, true);
                encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect()
            }
        }
    }

    /// Decodes what [`Self::encode`] made, also after a replacement in it.
    fn decode(self, text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let mut decoded = Vec::new();
        let mut at = 0;
        let hex = |at: usize, len: usize| u32::from_str_radix(&text[at..at + len], 16).unwrap();
        match self {
            Self::Json | Self::Ascii | Self::EveryByte => {
                let mut utf16 = Vec::new();
                let flush = |utf16: &mut Vec<u16>, decoded: &mut Vec<u8>| {
                    decoded.extend(String::from_utf16(utf16).unwrap().bytes());
                    utf16.clear();
                };
                while at < bytes.len() {
                    let (len, unit) = match (bytes[at], bytes.get(at + 1)) {
                        (b'\\', Some(b'n')) => (2, Err(b'\n')),
                        (b'\\', Some(b'u')) => (6, Ok(hex(at + 2, 4) as u16)),
                        (b'\\', Some(b'x')) => (4, Err(hex(at + 2, 2) as u8)),
                        (b'\\', Some(byte)) => (2, Err(*byte)),
                        (byte, _) => (1, Err(byte)),
                    };
                    match unit {
                        Ok(unit) => utf16.push(unit),
                        Err(byte) => {
                            flush(&mut utf16, &mut decoded);
                            decoded.push(byte);
                        }
                    }
                    at += len;
                }
                flush(&mut utf16, &mut decoded);
            }
            Self::Percent => {
                while at < bytes.len() {
                    let escape = bytes[at] == b'%';
                    decoded.push(if escape { hex(at + 1, 2) as u8 } else { bytes[at] });
                    at += if escape { 3 } else { 1 };
                }
            }
            Self::Quoted => {
                let text = text.trim_start_matches("quoted-printable ").replace("=\r\n", "");
                let bytes = text.as_bytes();
                while at < bytes.len() {
                    let escape = bytes[at] == b'=';
                    let byte = if escape { u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap() } else { bytes[at] };
                    decoded.push(byte);
                    at += if escape { 3 } else { 1 };
                }
            }
            Self::Html | Self::Numeric => {
                let mut text = text;
                while let Some(start) = text.find('&') {
                    decoded.extend(text[..start].bytes());
                    let end = text[start..].find(';').unwrap() + start;
                    let character = match &text[start + 1..end] {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        number => char::from_u32(number[1..].parse().unwrap()).unwrap(),
                    };
                    decoded.extend(character.to_string().bytes());
                    text = &text[end + 1..];
                }
                decoded.extend(text.bytes());
            }
            Self::Base64 | Self::Base64Url | Self::Mime => {
                let text = text.replace("\r\n", "").replace('-', "+").replace('_', "/");
                for unit in text.trim_end_matches('=').as_bytes().chunks(4) {
                    let bits = unit.iter().fold(0_u32, |bits, digit| {
                        bits << 6 | STANDARD.find(char::from(*digit)).unwrap_or_else(|| panic!("{text}")) as u32
                    });
                    let bits = bits << (6 * (4 - unit.len()));
                    decoded.extend_from_slice(&bits.to_be_bytes()[1..unit.len()]);
                }
            }
        }
        decoded
    }

    /// How the units of a text that this encoder made are encoded.
    fn is(self, encoding: Encoding) -> bool {
        match self {
            Self::Json | Self::Ascii | Self::EveryByte => encoding == Encoding::Backslash,
            Self::Percent => encoding == Encoding::Percent,
            Self::Html | Self::Numeric => encoding == Encoding::Entity,
            Self::Quoted => encoding == Encoding::QuotedPrintable,
            Self::Base64 | Self::Base64Url | Self::Mime => matches!(encoding, Encoding::Base64(_)),
        }
    }
}

fn base64(text: &str, url: bool, padded: bool) -> String {
    let mut encoded = String::new();
    for unit in text.as_bytes().chunks(3) {
        let mut bits = [0; 4];
        bits[1..=unit.len()].copy_from_slice(unit);
        let bits = u32::from_be_bytes(bits);
        for index in 0..4 {
            let digit = &STANDARD[(bits >> (18 - 6 * index) & 63) as usize..][..1];
            match digit {
                _ if index > unit.len() as u32 as usize => encoded.push_str(if padded { "=" } else { "" }),
                "+" if url => encoded.push('-'),
                "/" if url => encoded.push('_'),
                digit => encoded.push_str(digit),
            }
        }
    }
    encoded
}

fn codes() -> impl Strategy<Value = Code> {
    prop_oneof![
        Just(Code::Json),
        Just(Code::Ascii),
        Just(Code::Percent),
        Just(Code::EveryByte),
        Just(Code::Html),
        Just(Code::Numeric),
        Just(Code::Quoted),
        Just(Code::Base64),
        Just(Code::Base64Url),
        Just(Code::Mime),
    ]
}

/// Prose of words that mean nothing in any encoding, with characters that encoders escape and with others than ASCII.
fn prose() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => "[a-z]{1,9}",
        1 => Just("Zoë".to_owned()),
        1 => Just("東京😀".to_owned()),
        1 => Just("a \"quoted\" word".to_owned()),
        1 => Just("R&D <b>".to_owned()),
        1 => Just("two\nlines".to_owned()),
    ];
    proptest::collection::vec(word, 8..30).prop_map(|words| words.join(" "))
}

const VALUE: &str = "\"Jörg\" <joerg.doe+spam@example.com>";

proptest! {
    #![proptest_config(ProptestConfig { ..ProptestConfig::default() })]

    #[test]
    fn what_is_planted_under_encoders_is_found_covered_and_replaced(
        before in prose(),
        after in prose(),
        codes in proptest::collection::vec(codes(), 0..=DEPTH),
    ) {
        let plain = format!("{before} {VALUE} {after}");
        let source = codes.iter().fold(plain.clone(), |text, code| code.encode(&text));
        let views = Views::of(source.as_bytes());
        let view = views.iter().find(|view| view.text().contains(VALUE));
        prop_assert!(view.is_some(), "{source}");
        let view = view.unwrap();
        let start = view.text().find(VALUE).unwrap();
        let range = start..start + VALUE.len();
        let place = view.source(range.clone());
        // It covers what was planted, and without its first or last unit it does not: the units outside decode without it.
        let replaced = view.encode(range, "<PERSON> <EMAIL_ADDRESS>");
        let scrubbed = format!("{}{replaced}{}", &source[..place.start], &source[place.end..]);
        let decoded = codes.iter().rev().try_fold(scrubbed.clone().into_bytes(), |text, code| {
            String::from_utf8(text).map(|text| code.decode(&text))
        });
        let decoded = String::from_utf8(decoded.unwrap()).unwrap();
        // Base64 is filled with spaces; quoted-printable of this test begins with a name.
        let (head, tail) = decoded.split_once("<PERSON> <EMAIL_ADDRESS>").expect("the replacement");
        let head = head.strip_prefix("quoted-printable ").unwrap_or(head);
        prop_assert_eq!(head.trim_end_matches(' '), &before);
        prop_assert_eq!(tail.trim_start_matches(' '), &after);
    }

    #[test]
    fn a_range_of_a_view_is_that_of_its_units(
        text in prose(),
        code in codes(),
        from in any::<proptest::sample::Index>(),
        to in any::<proptest::sample::Index>(),
    ) {
        let source = code.encode(&text);
        let views = Views::of(source.as_bytes());
        let Some(view) = views.iter().nth(1) else { return Ok(()) };
        let bounds: Vec<_> = view.text().char_indices().map(|(at, _)| at).chain([view.text().len()]).collect();
        let (mut from, mut to) = (bounds[from.index(bounds.len())], bounds[to.index(bounds.len())]);
        if from > to {
            std::mem::swap(&mut from, &mut to);
        }
        if from == to {
            return Ok(());
        }
        let place = view.source(from..to);
        prop_assert!(source.is_char_boundary(place.start) && source.is_char_boundary(place.end));
        // The units of the range, and what shares a unit with it in base64.
        let reach = view.reach(place.clone());
        prop_assert!(reach.start <= from && reach.end >= to);
        let slack = if code.is(Encoding::Base64(Alphabet::Either)) { 2 } else { 0 };
        prop_assert!(from - reach.start <= slack && reach.end - to <= slack, "{from}..{to} {reach:?}");
        let outer = views.iter().next().unwrap();
        prop_assert_eq!(outer.whole(place.clone()), place.clone());
        prop_assert_eq!(outer.within(place.clone()), place);
    }

    #[test]
    fn no_source_is_too_strange(source in any::<Vec<u8>>(), text in r##"([\\%&=;nux0-9A-F"#@ \n]|[a-z]{24}|\\u[dD][89aAcC][0-9a-f]{2}){0,200}"##) {
        for source in [&source[..], text.as_bytes()] {
            let views = Views::of(source);
            let first = views.iter().next().unwrap().text().len();
            for view in views.iter() {
                prop_assert!(view.text().len() <= first);
                let mut end = 0;
                for (at, character) in view.text().char_indices() {
                    let place = view.source(at..at + character.len_utf8());
                    prop_assert!(place.start < place.end && place.end <= source.len());
                    prop_assert!(place.end >= end);
                    end = place.end;
                    let whole = view.whole(at..at + character.len_utf8());
                    prop_assert!(whole.start <= at && whole.end >= at + character.len_utf8());
                    let within = view.within(at..at + character.len_utf8());
                    prop_assert!(within.is_empty() || within == (at..at + character.len_utf8()));
                    view.encode(at..at + character.len_utf8(), "<X>");
                }
            }
        }
    }
}

proptest! {
    /// Where a view reads otherwise than the one around it is told; elsewhere both are the same text.
    #[test]
    fn what_is_undone_is_told(parts in proptest::collection::vec(("[a-z @.0-9\n]{0,900}", prop_oneof![Just("&amp;"), Just(r"\u0040"), Just("%40"), Just("%2540"), Just("")]), 1..8)) {
        let source: String = parts.iter().map(|(plain, encoded)| format!("{plain}{encoded}")).collect();
        let views = Views::of(source.as_bytes());
        for view in views.iter().skip(1) {
            let (text, map) = (view.text(), &view.maps[view.depth - 1]);
            let ranges = view.undone(&(0..text.len()));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            for unit in map.units() {
                prop_assert!(ranges.iter().any(|range| range.start <= unit.start && unit.end <= range.end));
            }
            let starts = ranges.iter().map(|range| range.end);
            let ends = ranges.iter().map(|range| range.start).chain([text.len()]);
            for gap in [0].into_iter().chain(starts).zip(ends).map(|(start, end)| start..end).filter(|gap| !gap.is_empty()) {
                prop_assert_eq!(&view.texts[view.depth - 1][map.source(&gap)], &text[gap]);
            }
        }
    }
}

#[test]
fn a_finding_that_divides_an_escape_is_told() {
    let views = Views::of(br"Hello\njohn@example.com\u0041 ");
    let outer = views.iter().next().unwrap();
    let start = outer.text().find("njohn").unwrap();
    let end = outer.text().find(r"\u0041").unwrap() + 4;
    assert_eq!(outer.whole(start..end), start - 1..end + 2);
    assert_eq!(outer.within(start..end), start + 1..end - 4);
    let two = Views::of(br"Hello\\njohn@example.com");
    let outer = two.iter().next().unwrap();
    let start = outer.text().find("njohn").unwrap();
    assert_eq!(outer.whole(start..24), start - 2..24);
    assert_eq!(outer.within(start..24), start + 1..24);
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = format!("{}u0040", r"\".repeat(1 << 12));
    let views = Views::of(nested.as_bytes());
    assert_eq!(views.iter().count(), DEPTH + 1);
    let percent = "%25".repeat(5000);
    assert_eq!(Views::of(percent.as_bytes()).iter().count(), 2);
}
