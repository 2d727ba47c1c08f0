//! Text within values that are none: of protocol buffers, `MessagePack`, pickles and the like.
//!
//! A finding in such a value costs the whole of it. So a run of text has some length, and media, in which there is some by chance, have none.

use crate::format::sniff::is_media;

/// Characters of a run, at least: fewer stand in every embedding.
const LEAST: usize = 8;
/// The first character that is no letter of UTF-16 here. Behind it are most of those that numbers look like.
const WIDE: u32 = 0x0600;

/// The runs of text in a value, in UTF-8 or in UTF-16 of either order, a zero before each.
pub fn of(bytes: &[u8]) -> Vec<u8> {
    let (mut runs, mut at) = (Vec::new(), 0);
    if is_media(bytes) {
        return runs;
    }
    while at < bytes.len() {
        let len = narrow(&bytes[at..]);
        // Lines end as some tags and lengths are written.
        let start = at + bytes[at..at + len].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (before, run) = (&bytes[..start], &bytes[start..at + len]);
        // Letters of several bytes are made by chance as well.
        if run.iter().filter(|byte| **byte & 0xC0 != 0x80).count() >= LEAST {
            put(&mut runs, run);
            told(before, run).for_each(|text| put(&mut runs, text));
        }
        at += len.max(1);
    }
    // From each place in both orders: what is before a text may look like a letter of the other one.
    for bytes in [bytes, bytes.get(1..).unwrap_or_default()] {
        for order in [u16::from_le_bytes, u16::from_be_bytes] {
            let units = bytes.chunks_exact(2).map(|pair| wide(order([pair[0], pair[1]])));
            let mut text = String::new();
            for letter in units.chain([None]) {
                let Some(letter) = letter else {
                    put_wide(&mut runs, &std::mem::take(&mut text));
                    continue;
                };
                text.push(letter);
            }
        }
    }
    runs
}

fn put(runs: &mut Vec<u8>, text: &[u8]) {
    if !is_like_text(text) {
        return;
    }
    runs.push(0);
    runs.extend_from_slice(text);
}

/// Bytes of UTF-8 at the start that are printed.
fn narrow(bytes: &[u8]) -> usize {
    let mut len = 0;
    while let Some(first) = bytes.get(len) {
        len += match first {
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => 1,
            _ => match letter(&bytes[len..]) {
                Some(width) => width,
                None => break,
            },
        };
    }
    len
}

/// Bytes of a letter beyond ASCII at the start.
fn letter(bytes: &[u8]) -> Option<usize> {
    let width = match bytes.first()? {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes.get(..width)?).ok()?;
    text.chars().all(char::is_alphanumeric).then_some(width)
}

/// What a unit of UTF-16 prints.
fn wide(unit: u16) -> Option<char> {
    let letter = char::from_u32(unit.into()).filter(|letter| u32::from(*letter) < WIDE)?;
    let is_printed = matches!(letter, '\t' | '\n' | '\r' | ' '..='~') || !letter.is_ascii() && letter.is_alphabetic();
    is_printed.then_some(letter)
}

fn put_wide(runs: &mut Vec<u8>, text: &str) {
    if text.len() < LEAST || text.chars().count() < LEAST {
        return;
    }
    put(runs, text.as_bytes());
    // A length before it may look like a letter.
    let rest = text.trim_start_matches(|first: char| !first.is_ascii());
    if rest.len() < text.len() {
        put(runs, rest.as_bytes());
    }
}

/// Whether it is like what somebody wrote: few signs, or runs of letters, of capitals and of digits. Chance makes neither.
fn is_like_text(run: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        0x80.. => 3,
        _ => 4,
    };
    let signs = run.iter().filter(|byte| class(**byte) == 4 && **byte != b' ').count();
    let changes = run.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    signs * 8 <= run.len() || changes * 2 <= run.len()
}

/// Texts in a run whose length is told before them: what is before and behind them may look like text too, such as the tag of a field.
fn told<'r>(before: &[u8], run: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    let last = before.last().copied().unwrap_or(0);
    let whole = before.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let of = |byte: u8| {
        let byte = usize::from(byte);
        // As it is; twice that, as Avro tells it; with what says that it is a text, as MessagePack and CBOR do.
        [byte, if byte % 2 == 0 { byte / 2 } else { 0 }, byte & 0x1F]
    };
    let behind = [whole].into_iter().chain(of(last)).map(|len| (0, len));
    let within = of(run[0]).into_iter().map(|len| (1, len));
    let fits = |(start, len): (usize, usize)| {
        run.get(start..start + len).filter(|text| (LEAST..run.len()).contains(&text.len()))
    };
    behind.chain(within).filter_map(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &[u8]) -> Vec<String> {
        let runs = of(bytes);
        runs.split(|byte| *byte == 0).skip(1).map(|run| String::from_utf8(run.to_vec()).unwrap()).collect()
    }

    #[test]
    fn runs_are_found_in_every_encoding() {
        let text = "EMP-004711";
        let wide = |order: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
        for (before, behind) in [(&b""[..], &b""[..]), (b"\0\x01", b"\0"), (b"\xFF", b"\xFE\x07\0")] {
            let within = |bytes: &[u8]| [before, bytes, behind].concat();
            assert_eq!(texts(&within(text.as_bytes())), [text]);
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                assert!(texts(&within(&wide(order, text))).iter().any(|run| run == text));
                assert!(
                    !texts(&within(&wide(order, "\u{416}\u{438}\u{432}\u{430}\u{433}\u{43e} Zo\u{eb}"))).is_empty()
                );
            }
        }
        assert_eq!(texts("\u{1}Zo\u{eb} Fran\u{e7}ois\u{2}".as_bytes()), ["Zo\u{eb} Fran\u{e7}ois"]);
        assert!(texts(b"\x01EMP-004\x01EMP-005").is_empty());
        assert!(texts(b"\x89PNG\r\n\x1A\n\0\0EMP-004711").is_empty());
    }

    #[test]
    fn lengths_tell_texts_from_what_is_around_them() {
        for (bytes, text) in [
            // A pickle, a protocol buffer, MessagePack, CBOR, and Avro.
            (&b"\x80\x02X\x0A\0\0\0EMP-004711q\x01."[..], "EMP-004711"),
            (b"\x0A\x0AEMP-0047112\x01\0", "EMP-004711"),
            (b"\x81\xA1k\xAAEMP-00471127\0", "EMP-004711"),
            (b"\x81jEMP-00471127\0", "EMP-004711"),
            (b"\x02\x14EMP-0047117\0", "EMP-004711"),
            (
                b"\x0A2EMP-004711 is the badge of the one that this is of2\0",
                "EMP-004711 is the badge of the one that this is of",
            ),
        ] {
            assert!(texts(bytes).iter().any(|run| run == text), "{:?}", texts(bytes));
        }
    }

    #[test]
    fn what_chance_makes_is_like_no_text() {
        assert!(
            [
                "carol.smith@example.com",
                "219-09-9999",
                "Mary Johnson",
                "EMP-004711",
                "dGhlIHF1aWNrIGJyb3du",
                "+49 30 1234567"
            ]
            .iter()
            .all(|text| is_like_text(text.as_bytes()))
        );
        assert!(["x$3Bq}0@m.Z~", "{a+B-9<c,D>"].iter().all(|text| !is_like_text(text.as_bytes())));
    }

    #[test]
    fn any_bytes_are_looked_at_in_proportion() {
        for bytes in [
            &b"a".repeat(1 << 20)[..],
            &b"a\0".repeat(1 << 19),
            &b"a\0b\x04".repeat(1 << 18),
            &b"aaaaaaa\0".repeat(1 << 17),
        ] {
            assert!(of(bytes).len() <= 16 * bytes.len());
        }
    }
}
