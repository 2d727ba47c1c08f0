//! A replacement encoded as its surroundings are.

use std::fmt::Write;

use super::{Alphabet, Encoding};

/// `text` in an encoding of one character a unit.
pub(super) fn encode(encoding: Encoding, text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match encoding {
            Encoding::Fold | Encoding::Base64(_) => encoded.push(character),
            Encoding::Backslash => match character {
                '"' | '\\' => encoded.extend(['\\', character]),
                '\n' => encoded.push_str("\\n"),
                ..' ' => hex(&mut encoded, "\\u00", character),
                _ => encoded.push(character),
            },
            Encoding::Percent => match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => encoded.push(character),
                _ => hex(&mut encoded, "%", character),
            },
            Encoding::Entity => match character {
                '&' => encoded.push_str("&amp;"),
                '<' => encoded.push_str("&lt;"),
                '>' => encoded.push_str("&gt;"),
                '"' => encoded.push_str("&quot;"),
                '\'' => encoded.push_str("&#39;"),
                _ => encoded.push(character),
            },
            Encoding::QuotedPrintable => match character {
                '=' => hex(&mut encoded, "=", character),
                ' '..='~' => encoded.push(character),
                _ => hex(&mut encoded, "=", character),
            },
        }
    }
    encoded
}

/// The bytes of a character in hexadecimal, each behind `prefix`.
fn hex(encoded: &mut String, prefix: &str, character: char) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        // Writing into a string does not fail.
        let _ = write!(encoded, "{prefix}{byte:02X}");
    }
}

/// How the run of base64 goes on behind a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// The last unit is whole, more may follow.
    Whole,
    /// It ends, padded with `=`.
    Padded,
    /// It ends without padding.
    Open,
}

/// `head`, `text`, `tail` in base64. Where more follows, spaces behind `text` fill the last unit; where the alphabet is not known, spaces before
/// it keep to the characters of both.
pub(super) fn base64(alphabet: Alphabet, head: &[u8], text: &str, tail: &[u8], end: Tail) -> String {
    let with = |lead: usize| {
        let mut bytes = [head, &b"  "[..lead], text.as_bytes()].concat();
        if end == Tail::Whole {
            bytes.resize(bytes.len() + (3 - (bytes.len() + tail.len()) % 3) % 3, b' ');
        }
        bytes.extend_from_slice(tail);
        characters(&bytes, alphabet == Alphabet::Url, end == Tail::Padded)
    };
    if alphabet == Alphabet::Either
        && let Some(encoded) = (0..3).map(with).find(|encoded| !encoded.contains(['+', '/']))
    {
        return encoded;
    }
    with(0)
}

/// Base64 of bytes.
fn characters(bytes: &[u8], url: bool, padded: bool) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for unit in bytes.chunks(3) {
        let byte = |index: usize| u32::from(unit.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index) & 63) as usize];
            match digit {
                _ if index > unit.len() && padded => encoded.push('='),
                _ if index > unit.len() => {}
                b'+' if url => encoded.push('-'),
                b'/' if url => encoded.push('_'),
                digit => encoded.push(char::from(digit)),
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, padded, open) in [
            ("", "", ""),
            ("f", "Zg==", "Zg"),
            ("fo", "Zm8=", "Zm8"),
            ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"),
            ("fooba", "Zm9vYmE=", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(Alphabet::Standard, b"", text, b"", Tail::Padded), padded);
            assert_eq!(base64(Alphabet::Url, b"", text, b"", Tail::Open), open);
        }
    }

    #[test]
    fn spaces_fill_the_unit_and_keep_to_both_alphabets() {
        assert_eq!(base64(Alphabet::Standard, b"a", "<X>", b"b", Tail::Whole), "YTxYPiBi");
        let encoded = base64(Alphabet::Either, b"", "<EMAIL_ADDRESS>", b"", Tail::Whole);
        assert!(!encoded.contains(['+', '/', '-', '_']), "{encoded}");
    }

    #[test]
    fn every_encoding_escapes_what_it_must() {
        for (encoding, expected) in [
            (Encoding::Fold, "<\"&=%\\é>"),
            (Encoding::Backslash, "<\\\"&=%\\\\é>"),
            (Encoding::Percent, "%3C%22%26%3D%25%5C%C3%A9%3E"),
            (Encoding::Entity, "&lt;&quot;&amp;=%\\é&gt;"),
            (Encoding::QuotedPrintable, "<\"&=3D%\\=C3=A9>"),
        ] {
            assert_eq!(encode(encoding, "<\"&=%\\é>"), expected);
        }
    }
}
