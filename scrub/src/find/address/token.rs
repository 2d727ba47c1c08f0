//! A text around a number, token by token: words, numbers, and what stands between them.

/// What stands between two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing.
    None,
    /// One space or two.
    Space,
    /// A comma and white space.
    Comma,
    /// The end of a line, with or without a comma; no empty line.
    Line,
}

/// A word or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Without a dot behind it.
    pub text: &'a str,
    pub start: usize,
    pub end: usize,
    /// Between it and where it was looked for from.
    pub gap: Gap,
    pub dotted: bool,
}

/// Bytes of a token that are looked at.
const LONGEST: usize = 64;

/// Spaces at the start of a line that are no gap in it.
const INDENT: usize = 16;

impl Token<'_> {
    /// Behind its dot.
    pub(super) fn past(&self) -> usize {
        self.end + usize::from(self.dotted)
    }

    pub(super) fn is_number(&self) -> bool {
        self.text.starts_with(|first: char| first.is_ascii_digit())
    }

    /// Whether it begins with a capital letter, or has no case.
    pub(super) fn is_title(&self) -> bool {
        let name = self
            .text
            .split_once(['\'', '\u{2019}'])
            .map_or(self.text, |(article, name)| if article.chars().count() <= 2 { name } else { self.text });
        [self.text, name]
            .iter()
            .any(|text| text.starts_with(|first: char| first.is_alphabetic() && !first.is_lowercase()))
    }

    /// `5th`, `42nd`.
    pub(super) fn is_ordinal(&self) -> bool {
        let digits = self.text.trim_end_matches(char::is_alphabetic);
        let ending = &self.text[digits.len()..];
        (1..=3).contains(&digits.len()) && ["st", "nd", "rd", "th"].iter().any(|end| ending.eq_ignore_ascii_case(end))
    }

    /// The number of a house: `12`, `12a`, `12-14`, `12/3`, `1234`.
    pub(super) fn is_house(&self) -> bool {
        let digits = self.text.bytes().take_while(u8::is_ascii_digit).count();
        let rest = &self.text[digits..];
        (1..=5).contains(&digits)
            && rest.len() <= 8
            && (rest.is_empty()
                || rest.starts_with(['-', '/'])
                || rest.chars().count() <= 2
                    && rest.chars().next().is_some_and(char::is_alphabetic)
                    && !self.is_ordinal())
    }
}

/// The token behind `at`.
pub(super) fn next(text: &str, at: usize) -> Option<Token<'_>> {
    let (start, gap) = skip(text, at)?;
    let end = end_of(text, start);
    let dotted = text.as_bytes().get(end) == Some(&b'.');
    (end > start).then(|| Token { text: &text[start..end], start, end, gap, dotted })
}

/// Where what follows `at` starts, and what is between.
pub(super) fn skip(text: &str, at: usize) -> Option<(usize, Gap)> {
    let (mut gap, mut end, mut spaces, mut most) = (Gap::None, at, 0, 2);
    let mut characters = text.get(at..)?.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\u{A0}' | '\r' => {
                gap = gap.max(Gap::Space);
                spaces += 1;
            }
            ',' if gap != Gap::Comma && characters.peek().is_none_or(|next| next.is_whitespace()) => {
                gap = gap.max(Gap::Comma);
            }
            '\n' if gap != Gap::Line => (gap, most) = (Gap::Line, INDENT),
            _ => break,
        }
        if spaces > most {
            return None;
        }
        end += character.len_utf8();
    }
    Some((end, gap))
}

/// The token before `at`.
pub(super) fn prev(text: &str, at: usize) -> Option<Token<'_>> {
    let (mut gap, mut end, mut spaces) = (Gap::None, at, 0);
    for character in text.get(..at)?.chars().rev() {
        match character {
            ' ' | '\u{A0}' | '\r' => {
                gap = gap.max(Gap::Space);
                spaces += 1;
            }
            ',' if gap > Gap::None && gap != Gap::Comma => gap = gap.max(Gap::Comma),
            '\n' if gap != Gap::Line => gap = Gap::Line,
            _ => break,
        }
        if spaces > INDENT || spaces > 2 && gap != Gap::Line {
            return None;
        }
        end -= character.len_utf8();
    }
    let dotted = text[..end].ends_with('.');
    let end = end - usize::from(dotted);
    let mut start = end;
    let mut characters = text[..end].chars().rev().peekable();
    while let Some(character) = characters.next() {
        let inner = is_inner(character) && start < end && characters.peek().is_some_and(|next| next.is_alphanumeric());
        // `C/ Mayor`.
        let slash = character == '/' && start == end && matches!(characters.peek(), Some('c' | 'C'));
        if !(character.is_alphanumeric() || inner || slash) || end - start > LONGEST {
            break;
        }
        start -= character.len_utf8();
    }
    (start < end && end - start <= LONGEST).then(|| Token { text: &text[start..end], start, end, gap, dotted })
}

fn end_of(text: &str, start: usize) -> usize {
    let mut end = start;
    let mut characters = text[start..].chars().peekable();
    while let Some(character) = characters.next() {
        let slash = character == '/' && matches!(&text[start..end], "c" | "C");
        let inner = end > start && is_inner(character) && characters.peek().is_some_and(|next| next.is_alphanumeric());
        if !(character.is_alphanumeric() || inner || slash) {
            break;
        }
        end += character.len_utf8();
        if end - start > LONGEST {
            return start;
        }
    }
    end
}

const fn is_inner(character: char) -> bool {
    matches!(character, '\'' | '\u{2019}' | '-' | '/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn tokens_in_both_directions() {
        let text = "12 bis, rue de l'Église\n  C/ Mayor, 5/2 St. John";
        let (mut at, mut forward) = (0, Vec::new());
        while let Some(token) = next(text, at) {
            forward.push((token.text, token.gap));
            at = token.past();
        }
        let words: Vec<_> = forward.iter().map(|(text, _)| *text).collect();
        assert_eq!(words, ["12", "bis", "rue", "de", "l'Église", "C/", "Mayor", "5/2", "St", "John"]);
        assert_eq!((forward[2].1, forward[5].1, forward[7].1), (Gap::Comma, Gap::Line, Gap::Comma));
        let (mut at, mut backward) = (text.len(), Vec::new());
        while let Some(token) = prev(text, at) {
            backward.push(token.text);
            at = token.start;
        }
        backward.reverse();
        assert_eq!(backward, words);
    }

    proptest! {
        #[test]
        fn they_lie_on_characters(text in "[a-z0-9 ,.\n'/\u{e9}\u{4e2d}-]{0,60}", at in 0_usize..60) {
            let at = text.floor_char_boundary(at);
            if let Some(token) = next(&text, at) {
                prop_assert!(at <= token.start && token.start < token.end);
                prop_assert_eq!(&text[token.start..token.end], token.text);
            }
            if let Some(token) = prev(&text, at) {
                prop_assert!(token.start < token.end && token.past() <= at);
                prop_assert_eq!(&text[token.start..token.end], token.text);
            }
        }
    }
}
