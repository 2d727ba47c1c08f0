//! A source read as text: UTF-8, or Latin-1 where it is none, with look-alikes folded to the character that they are read as.
//!
//! Folded are decimal digits of every script, full-width and mathematical letters, hyphens, dots, slashes, spaces and at signs that are read as
//! the ASCII ones. Left out are characters that are not seen: soft hyphens, zero-width characters, direction marks. Combining marks stay
//! as they are: they are part of a name.

use super::Encoding;
use super::map::{Builder, Map};

/// A source as text.
pub(super) enum Folded<'a> {
    /// It is the text.
    Same(&'a str),
    /// It differs from it as the map says.
    Changed(String, Map),
}

/// Reads and folds `source`.
pub(super) fn fold(source: &[u8]) -> Folded<'_> {
    if let Ok(text) = std::str::from_utf8(source)
        && (text.is_ascii() || next(text, 0).is_none())
    {
        return Folded::Same(text);
    }
    let mut builder = Builder::with_capacity(source.len() + 16);
    let mut at = 0;
    for chunk in source.utf8_chunks() {
        let text = chunk.valid();
        let mut done = 0;
        while let Some((found, character, read)) = next(text, done) {
            builder.plain(&text[done..found], at + done);
            let len = character.len_utf8();
            builder.unit(read.character(), at + found, len, Encoding::Fold);
            done = found + len;
        }
        builder.plain(&text[done..], at + done);
        at += text.len();
        for byte in chunk.invalid() {
            builder.unit(Some(char::from(*byte)), at, 1, Encoding::Fold);
            at += 1;
        }
    }
    let (text, map) = builder.finish();
    Folded::Changed(text, map)
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Whether a character that is folded may begin with this byte.
const LEADS: [bool; 256] = {
    let mut leads = [false; 256];
    let bytes = [0xC2, 0xCD, 0xD9, 0xDB, 0xDF, 0xE0, 0xE1, 0xE2, 0xE3, 0xEA, 0xEF, 0xF0];
    let mut index = 0;
    while index < bytes.len() {
        leads[bytes[index]] = true;
        index += 1;
    }
    leads
};

/// The first character at or after `from` that is folded, and what it is read as.
fn next(text: &str, from: usize) -> Option<(usize, char, Read)> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        // Blocks of ASCII are stepped over whole.
        let plain = bytes[at..].chunks(BLOCK).take_while(|block| block.is_ascii()).map(<[u8]>::len).sum::<usize>();
        at += plain;
        at += bytes[at..].iter().position(|byte| LEADS[usize::from(*byte)])?;
        let character = text[at..].chars().next()?;
        if let Some(read) = read(character) {
            return Some((at, character, read));
        }
        at += character.len_utf8();
    }
}

/// The zero of each script's decimal digits (Unicode 16, general category Nd); ten of them follow each other. Without the mathematical and the
/// full-width ones.
const ZEROS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136,
    0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0,
    0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1E140, 0x1E2F0,
    0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// What a character is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    As(char),
    Nothing,
}

impl Read {
    fn character(self) -> Option<char> {
        match self {
            Self::As(character) => Some(character),
            Self::Nothing => None,
        }
    }
}

/// What a character is read as. None when it stands for itself.
fn read(character: char) -> Option<Read> {
    let ascii = |first: u8, offset: u32| Read::As(char::from(first + offset as u8));
    let code = u32::from(character);
    let read = match character {
        '\u{AD}'
        | '\u{34F}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{FEFF}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}' => Read::Nothing,
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Read::As(' '),
        '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{2043}' | '\u{FE58}' | '\u{FE63}' => Read::As('-'),
        '\u{2024}' | '\u{FE52}' => Read::As('.'),
        '\u{2044}' | '\u{2215}' => Read::As('/'),
        '\u{2236}' | '\u{FE55}' => Read::As(':'),
        '\u{FE6B}' => Read::As('@'),
        '\u{FF01}'..='\u{FF5E}' => ascii(b'!', code - 0xFF01),
        '\u{1D400}'..='\u{1D6A3}' => {
            let letter = (code - 0x1D400) % 52;
            if letter < 26 { ascii(b'A', letter) } else { ascii(b'a', letter - 26) }
        }
        '\u{1D7CE}'..='\u{1D7FF}' => ascii(b'0', (code - 0x1D7CE) % 10),
        _ => {
            let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
            return (code - zero < 10).then(|| ascii(b'0', code - zero));
        }
    };
    Some(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn folded(source: &[u8]) -> String {
        match fold(source) {
            Folded::Same(text) => text.to_owned(),
            Folded::Changed(text, _) => text,
        }
    }

    #[test]
    fn look_alikes_are_read_as_ascii() {
        for (source, text) in [
            ("０７８－０５－１１２０", "078-05-1120"),
            ("ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "john@example.com"),
            ("٠١٢٣٤٥٦٧٨٩ ۰۹ ०९ ๐๙ ０９ 𝟎𝟗𝟘𝟡 𝟿", "0123456789 09 09 09 09 0909 9"),
            ("555\u{2011}0100 555\u{2013}0100 −1", "555-0100 555-0100 -1"),
            ("jo\u{AD}hn\u{200B}@exam\u{2060}ple.com", "john@example.com"),
            ("06\u{A0}12\u{202F}34", "06 12 34"),
            ("𝐉𝐨𝐡𝐧 𝙹𝚘𝚑𝚗", "John John"),
            ("Zoë Straße 東京、大阪", "Zoë Straße 東京、大阪"),
            ("José e\u{301}", "José e\u{301}"),
        ] {
            assert_eq!(folded(source.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_no_utf_8_is_latin_1() {
        assert_eq!(folded(b"Ren\xE9 \xC3\xA9 \xFF"), "René é ÿ");
    }

    #[test]
    fn zeros_are_in_order_and_their_leads_are_known() {
        assert!(ZEROS.is_sorted());
        for code in 0..=0x10_FFFF_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            if read(character).is_some() {
                assert!(LEADS[usize::from(character.encode_utf8(&mut [0; 4]).as_bytes()[0])], "{code:x}");
                assert!(!character.is_ascii());
            }
            if read(character).and_then(Read::character).is_some_and(|read| read.is_ascii_digit()) {
                assert!(character.is_numeric(), "{code:x}");
            }
        }
    }

    proptest! {
        #[test]
        fn folding_is_done_once(text in any::<String>()) {
            let once = folded(text.as_bytes());
            prop_assert_eq!(folded(once.as_bytes()), once.clone());
            prop_assert!(once.len() <= text.len());
        }
    }
}
