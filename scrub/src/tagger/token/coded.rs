//! What a machine wrote in letters and digits (a hash, a UUID), as one token.

use std::ops::Range;

use super::{Sign, Token, mix};

/// So often letters and digits follow each other in what a machine wrote: a hash, a UUID.
const SWITCHES: usize = 5;

/// Letters in a row that such a text may have.
const LETTERS: u8 = 6;

/// Letters in a row, without a digit between dashes, that may be a name: `anna-3f9a0b`.
const NAME: u8 = 3;

/// The end of what a machine wrote that begins at `start`, where that is all of what stands there side by side. None where [`Joined`] is to tell: this is
/// the same, of one reading, for the plain and frequent.
pub(super) fn whole(bytes: &[u8], start: usize) -> Option<usize> {
    // Selected, not branched on: where letters and digits follow each other in a hash cannot be foretold.
    const DIGIT: u8 = 0;
    const LETTER: u8 = 1;
    const DASH: u8 = 2;
    let (mut switches, mut letters, mut name, mut digits, mut last) = (0, 0, 0, false, DASH);
    let mut at = start;
    loop {
        let byte = bytes.get(at).copied().unwrap_or(b'\n');
        let letter = byte.is_ascii_alphabetic();
        if letter || byte.is_ascii_digit() {
            let sort = if letter { LETTER } else { DIGIT };
            switches += usize::from(sort ^ last == 1);
            letters = (letters + 1) * sort;
            name = letters.max(name);
            digits |= !letter;
            last = sort;
            if letters > LETTERS {
                return None;
            }
        } else {
            // `12.5` is one number.
            let goes_on = byte >= 0x80
                || matches!(byte, b'.' | b':') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
                || byte == b'-' && (last == DASH || !digits && name >= NAME);
            if goes_on {
                return None;
            }
            if byte != b'-' {
                break;
            }
            (letters, name, digits, last) = (0, 0, false, DASH);
        }
        at += 1;
    }
    (switches >= SWITCHES && last != DASH && (digits || name < NAME)).then_some(at)
}

/// What a machine wrote, as one token.
pub(super) fn token(place: Range<usize>) -> Token {
    let length = place.len().min(255) as u8;
    Token::number(place, mix(8, u32::from(length / 8)), length)
}

/// Tokens side by side, of letters and digits with dashes between, in which what a machine wrote may be: they are counted as they come, and looked at
/// again, by [`Coded`], where letters and digits follow each other often enough.
#[derive(Default)]
pub(super) struct Joined {
    /// Where the first of them is.
    first: usize,
    switches: usize,
    /// Of the last one.
    last: Last,
}

/// The sign of the last token.
struct Last(Sign);

impl Default for Last {
    fn default() -> Self {
        Self(Sign::None)
    }
}

impl Joined {
    /// Whether tokens of this sort are of them.
    pub(super) const fn is_of(sign: Sign) -> bool {
        matches!(sign, Sign::Word | Sign::Digits | Sign::Dash)
    }

    /// Adds a token.
    #[inline]
    pub(super) fn push(&mut self, tokens: &mut Vec<Token>, token: Token) {
        let last = std::mem::replace(&mut self.last.0, token.sign);
        if token.glued && Self::is_of(token.sign) && Self::is_of(last) {
            self.switches += usize::from(last != token.sign && last != Sign::Dash && token.sign != Sign::Dash);
        } else {
            self.end(tokens);
            self.first = tokens.len();
        }
        tokens.push(token);
    }

    /// No more of them follow.
    #[inline]
    pub(super) fn end(&mut self, tokens: &mut Vec<Token>) {
        if self.switches >= SWITCHES {
            Coded::join(tokens, self.first);
        }
        self.switches = 0;
    }
}

/// Tokens side by side that may be of what a machine wrote: letters and digits of ASCII, with dashes between. That is one token, as a number is, so
/// that its letters are taken for no words.
#[derive(Default)]
pub(super) struct Coded {
    /// Where the first of them is; behind the last token where there is none.
    first: usize,
    /// Where the part of them behind the last dash is.
    part: usize,
    switches: usize,
    /// Of the longest run of letters.
    letters: u8,
    /// Of the longest run of letters in the last part.
    name: u8,
    /// The last part has a digit.
    digits: bool,
}

impl Coded {
    /// Joins those of `tokens` behind `from` that are of what a machine wrote.
    #[cold]
    pub(super) fn join(tokens: &mut Vec<Token>, from: usize) {
        let joined: Vec<_> = tokens.drain(from..).collect();
        let mut coded = Self { first: from, part: from, ..Self::default() };
        for token in joined {
            coded.push(tokens, token);
        }
        coded.end(tokens);
    }

    /// Adds a token.
    fn push(&mut self, tokens: &mut Vec<Token>, token: Token) {
        let plain = token.end - token.start == usize::from(token.length);
        let joins = token.glued && self.first < tokens.len() && plain;
        match token.sign {
            Sign::Word | Sign::Digits if plain => {
                if !joins {
                    self.end(tokens);
                }
                let word = token.sign == Sign::Word;
                if let Some(last) = tokens.get(self.first..).and_then(<[Token]>::last) {
                    self.switches += usize::from(last.sign != Sign::Dash && (last.sign == Sign::Word) != word);
                }
                if word {
                    self.name = self.name.max(token.length);
                    self.letters = self.letters.max(token.length);
                } else {
                    self.digits = true;
                }
                tokens.push(token);
            }
            Sign::Dash if joins && token.length == 1 && !self.may_be_name() => {
                tokens.push(token);
                (self.part, self.name, self.digits) = (tokens.len(), 0, false);
            }
            _ => {
                self.end(tokens);
                tokens.push(token);
                self.start(tokens);
            }
        }
    }

    /// Whether the last part is letters alone, and as many as a name has.
    const fn may_be_name(&self) -> bool {
        !self.digits && self.name >= NAME
    }

    /// The next token is the first.
    fn start(&mut self, tokens: &[Token]) {
        *self = Self { first: tokens.len(), part: tokens.len(), ..Self::default() };
    }

    /// Makes one token of those so far if they are of what a machine wrote, but for a part at their end that may be a name.
    fn end(&mut self, tokens: &mut Vec<Token>) {
        // A dash at the end is none of theirs.
        let end =
            if self.may_be_name() || self.part == tokens.len() { self.part.saturating_sub(1) } else { tokens.len() };
        if self.switches >= SWITCHES
            && self.letters <= LETTERS
            && end > self.first
            && let (Some(first), Some(last)) = (tokens.get(self.first).copied(), tokens.get(end - 1).copied())
        {
            tokens.splice(self.first..end, [Token { glued: first.glued, ..token(first.start..last.end) }]);
        }
        self.start(tokens);
    }
}
