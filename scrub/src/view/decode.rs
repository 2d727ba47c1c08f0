//! One layer of encodings undone.

use std::ops::Range;

use super::map::{Builder, Map};
use super::{Encoding, base64, entity};

/// `text` with one layer undone, or none where there is nothing to undo. Never longer than `text`; time is linear in it.
pub(super) fn decode(text: &str) -> Option<(String, Map)> {
    let alone = undone_alone(text.as_bytes()).map(|special| undo(text, Some(special)));
    alone.flatten().or_else(|| undo(text, None))
}

/// The units that begin with a special character undone, or all but quoted-printable.
fn undo(text: &str, alone: Option<&[u8]>) -> Option<(String, Map)> {
    let bytes = text.as_bytes();
    let special = |from: usize| {
        let rest = &bytes[from..];
        let near = match alone {
            Some([special]) => memchr::memchr(*special, rest),
            Some([first, second]) => memchr::memchr2(*first, *second, rest),
            _ => memchr::memchr3(b'\\', b'%', b'&', rest),
        };
        near.map_or(bytes.len(), |at| from + at)
    };
    let runs = if alone.is_some() { Vec::new() } else { base64::runs(bytes) };
    let mut runs = runs.into_iter().peekable();
    let mut builder = Builder::with_capacity(bytes.len());
    let mut changed = false;
    // Up to where the text was taken over, where the next special character stands, and where the last unit ended.
    let mut done = 0;
    let mut at = special(0);
    let mut escaped = None;
    loop {
        while runs.next_if(|run| run.range().start < done).is_some() {}
        if let Some(run) = runs.next_if(|run| run.range().start <= at) {
            let Range { start, end } = run.range();
            // What adjoins it may be a part of it that is encoded once more, `\/` or a line end: that is undone first.
            let goes_on = |at: usize| at < bytes.len() && bytes[at] != b'=' && unit(text, at).is_some();
            if escaped == Some(start) || goes_on(end) || goes_on(run.digits_end) {
                continue;
            }
            builder.plain(&text[done..start], done);
            builder.base64(&run.text, &run.lines, run.alphabet);
            changed = true;
            done = end;
            if at < end {
                at = special(end);
            }
        } else if at == bytes.len() {
            break;
        } else if let Some(unit) = unit(text, at) {
            builder.plain(&text[done..at], done);
            builder.unit(unit.character, at, unit.len, unit.encoding);
            changed = true;
            done = at + unit.len;
            escaped = Some(done);
            at = special(done);
        } else {
            at = special(at + 1);
        }
    }
    if !changed {
        return None;
    }
    builder.plain(&text[done..], done);
    Some(builder.finish())
}

/// An encoded character, or an encoded nothing.
struct Unit {
    len: usize,
    character: Option<char>,
    encoding: Encoding,
}

/// The unit at `at`, where one of the special characters stands.
fn unit(text: &str, at: usize) -> Option<Unit> {
    let bytes = &text.as_bytes()[at..];
    let (len, character, encoding) = match bytes[0] {
        b'\\' => {
            let (len, character) = backslash(bytes)?;
            (len, Some(character), Encoding::Backslash)
        }
        b'%' => {
            let (len, character) = hex(bytes, b"%").or_else(|| percent_u(bytes))?;
            (len, Some(character), Encoding::Percent)
        }
        b'&' => {
            let (len, character) = entity::read(&text[at..])?;
            (len, Some(character), Encoding::Entity)
        }
        b'=' => {
            let (len, character) = soft_line_end(bytes)
                .map(|len| (len, None))
                .or_else(|| hex(bytes, b"=").map(|(len, character)| (len, Some(character))))?;
            (len, character, Encoding::QuotedPrintable)
        }
        _ => return None,
    };
    Some(Unit { len, character, encoding })
}

/// An escape of C, JSON, JavaScript, Python, Rust or Markdown: its length and its character.
fn backslash(bytes: &[u8]) -> Option<(usize, char)> {
    Some(match *bytes.get(1)? {
        b'n' => (2, '\n'),
        b'r' => (2, '\r'),
        b't' => (2, '\t'),
        b'b' => (2, '\u{8}'),
        b'f' => (2, '\u{C}'),
        b'v' => (2, '\u{B}'),
        b'u' if bytes.get(2) == Some(&b'{') => {
            let end = bytes.iter().take(10).position(|byte| *byte == b'}')?;
            (end + 1, char::from_u32(number(&bytes[3..end])?)?)
        }
        b'u' => {
            let first = number(bytes.get(2..6)?)?;
            let second = bytes.get(6..12).filter(|next| next.starts_with(b"\\u")).and_then(|next| number(&next[2..]));
            match (first, second) {
                (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
                    (12, char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00))?)
                }
                _ => (6, char::from_u32(first)?),
            }
        }
        b'U' => (10, char::from_u32(number(bytes.get(2..10)?)?)?),
        b'x' => hex(bytes, b"\\x")?,
        // Not what begins a unit of another encoding.
        b'&' | b'%' | b'=' => return None,
        byte if byte.is_ascii_punctuation() || byte == b' ' => (2, char::from(byte)),
        _ => return None,
    })
}

/// A number in hexadecimal, of one digit or more.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

/// A character as the bytes of its UTF-8, each behind `prefix` in hexadecimal; what is none is one of Latin-1.
fn hex(bytes: &[u8], prefix: &[u8]) -> Option<(usize, char)> {
    let mut at = 0;
    let mut next = || -> Option<(u8, usize)> {
        // A line of quoted-printable may end within a character.
        at += if prefix == b"=" { soft_line_end(&bytes[at..]).unwrap_or(0) } else { 0 };
        let digits = bytes[at..].strip_prefix(prefix)?.get(..2)?;
        at += prefix.len() + 2;
        Some((number(digits)? as u8, at))
    };
    let (first, mut end) = next()?;
    let len = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    let mut utf8 = [first, 0, 0, 0];
    let whole = utf8[1..len].iter_mut().all(|byte| next().map(|(next, at)| (*byte, end) = (next, at)).is_some());
    match std::str::from_utf8(&utf8[..len]) {
        Ok(text) if whole => Some((end, text.chars().next()?)),
        // The control characters of Latin-1 are in no text.
        _ => (first >= 0xA0).then(|| (prefix.len() + 2, char::from(first))),
    }
}

/// `%u0040` of JavaScript's `escape`.
fn percent_u(bytes: &[u8]) -> Option<(usize, char)> {
    let digits = bytes.get(2..6).filter(|_| bytes[1] == b'u')?;
    Some((6, char::from_u32(number(digits)?)?))
}

/// The length of a soft line end of quoted-printable, with the white space that transport adds.
fn soft_line_end(bytes: &[u8]) -> Option<usize> {
    let spaces = bytes.iter().skip(1).take(76).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match (bytes.first(), bytes.get(1 + spaces..)?) {
        (Some(b'='), [b'\n', ..]) => Some(spaces + 2),
        (Some(b'='), [b'\r', b'\n', ..]) => Some(spaces + 3),
        _ => None,
    }
}

/// The special characters of the encodings that are to be undone before all others, because they divide their units.
///
/// That is quoted-printable, of the transport, when there is evidence of it: the text says so, a character beyond ASCII is written so, or lines
/// end so and characters are. Where its line ends are encoded once more, what they are encoded in comes first, and what may be around that.
fn undone_alone(bytes: &[u8]) -> Option<&'static [u8]> {
    let (mut soft, mut characters, mut beyond_ascii) = (0_usize, false, false);
    for at in memchr::memchr_iter(b'=', bytes) {
        match &bytes[at + 1..] {
            [b'\n', ..] | [b'\r', b'\n', ..] => {
                // Two of them are the end of base64.
                soft += usize::from(at == 0 || bytes[at - 1] != b'=');
            }
            [b'\\', b'n' | b'r' | b'\\', ..] | [b'\\', b'u', b'0', b'0', b'0', ..] => return Some(b"\\&"),
            [b'%', b'0', b'A' | b'D' | b'a' | b'd', ..] => return Some(b"%"),
            [b'0'..=b'9' | b'A'..=b'F', b'0'..=b'9' | b'A'..=b'F', ..] => {
                characters = true;
                beyond_ascii = beyond_ascii || hex(&bytes[at..], b"=").is_some_and(|(len, _)| len > 3);
            }
            _ => {}
        }
    }
    let evident = beyond_ascii || characters && soft > 0 || (characters || soft > 1) && says_quoted_printable(bytes);
    evident.then_some(b"=")
}

fn says_quoted_printable(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"quoted-printable";
    memchr::memchr2_iter(b'q', b'Q', bytes)
        .any(|at| bytes.get(at..at + NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<String> {
        decode(text).map(|(text, _)| text)
    }

    #[test]
    fn each_encoding_is_undone() {
        for (source, text) in [
            (r#"{"a":"x\u0040y\n\"z\"\/"}"#, "{\"a\":\"x@y\n\"z\"/\"}"),
            (r"\ud83d\ude00 \u{1F600} \U0001F600", "😀 😀 😀"),
            (r"\ud83d \x40 \xc3\xa9 \xe9", r"\ud83d @ é é"),
            (r"john\_doe John\ Smith", "john_doe John Smith"),
            ("john%40example.com %C3%A9 %E9 %u0040 100%", "john@example.com é é @ 100%"),
            ("&lt;john&#64;example&#x2E;com&gt; AT&T", "<john@example.com> AT&T"),
            ("John=20Smi=\r\nth is 44 =E2=82=AC", "John Smith is 44 €"),
            (
                "Content-Transfer-Encoding: Quoted-Printable\n\na=3Db",
                "Content-Transfer-Encoding: Quoted-Printable\n\na=b",
            ),
            ("c2VlIGpvaG4uZG9lQGV4YW1wbGUuY29t", "see john.doe@example.com"),
            (r#""c2VlIGpvaG4uZG9lQGV4YW1wbGUuY29t\"""#, "\"c2VlIGpvaG4uZG9lQGV4YW1wbGUuY29t\"\""),
            (r"aGVsbG8gd29ybGQgYW5kIHNvIG9u\/z8", "aGVsbG8gd29ybGQgYW5kIHNvIG9u/z8"),
        ] {
            assert_eq!(decoded(source).as_deref(), Some(text), "{source}");
        }
    }

    #[test]
    fn what_is_not_encoded_stays() {
        for text in
            ["plain", r"C:\data\who \d+ \", "100 % & more", "a=20&b=40", "%4", "x = \n 5", r"\u00", "=", "\\\u{e9}"]
        {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
