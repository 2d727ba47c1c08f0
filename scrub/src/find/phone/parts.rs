//! What a telephone number is made of: digits, what divides their groups, an extension.

use super::super::scan::{ahead, byte, is_word, run};

/// Digits of one number, at the most: ITU-T E.164 allows 15, a prefix comes before them.
const DIGITS: usize = 19;

/// Digits of a number, without what divides them.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    bytes: [u8; DIGITS],
    start: usize,
    len: usize,
    /// There were more.
    over: bool,
}

impl Default for Digits {
    fn default() -> Self {
        Self { bytes: [b'0'; DIGITS], start: 0, len: 0, over: false }
    }
}

impl Digits {
    pub(super) fn extend(&mut self, digits: &[u8]) {
        for digit in digits {
            match self.bytes.get_mut(self.len) {
                Some(place) => {
                    *place = *digit;
                    self.len += 1;
                }
                None => self.over = true,
            }
        }
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.start = count.min(self.len);
    }

    pub(super) fn len(&self) -> usize {
        if self.over { usize::MAX } else { self.len - self.start }
    }

    /// None of them when there were too many.
    pub(super) fn as_bytes(&self) -> &[u8] {
        if self.over { &[] } else { &self.bytes[self.start..self.len] }
    }
}

/// Where the next group of digits starts when what stands at `at` divides groups of one number.
pub(super) fn divider(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    // Most numbers are divided by one byte, or end.
    match (byte(bytes, at), byte(bytes, at + 1)) {
        (b' ' | b'-' | b'/' | b'(' | b')' | b'.', b'0'..=b'9') => return Some(at + 1),
        (b' ' | b'-' | b'/' | b'(' | b')' | b'.' | 0x80.., _) => {}
        _ => return None,
    }
    let mut next = at;
    let mut prior = ' ';
    for (index, character) in ahead(text, at, 8).chars().enumerate() {
        if character.is_ascii_digit() {
            return (index > 0).then_some(next);
        }
        let divides = match character {
            ' ' | '\u{A0}' | '\u{202F}' | '\u{2009}' => index == 0 || prior != ' ',
            '-' | '/' | '\u{2010}'..='\u{2013}' | '(' | ')' => true,
            '.' => byte(bytes, next + 1).is_ascii_digit(),
            _ => false,
        };
        if !divides || index > 2 {
            return None;
        }
        prior = if character.is_whitespace() { ' ' } else { character };
        next += character.len_utf8();
    }
    None
}

/// The end of an extension that follows at `at`: ` ext. 12`, `x12`, `#12`.
pub(super) fn extension(text: &str, at: usize) -> Option<usize> {
    const NAMES: &[&str] = &[
        "extension",
        "extn",
        "ext.",
        "ext",
        "x",
        "#",
        "durchwahl",
        "dw",
        "poste",
        "interno",
        "int.",
        "int",
        "доб.",
        "доб",
        "wew.",
        "anexo",
        "ramal",
    ];
    let bytes = text.as_bytes();
    let from = run(bytes, at, 2, |byte| matches!(byte, b' ' | b',' | b';'));
    let there = bytes.get(from..)?;
    let name = NAMES
        .iter()
        .find(|name| there.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes())))?;
    let digits = run(bytes, from + name.len(), 2, |byte| matches!(byte, b' ' | b':' | b'=' | b'.'));
    let end = run(bytes, digits, 7, |byte| byte.is_ascii_digit());
    (end > digits && end - digits <= 6 && !is_word(byte(bytes, end))).then_some(end)
}
