//! Text into tokens: a run of letters, a number (digits, with single points and colons between them), one punctuation character (a run of the same
//! one is a single token), what a machine wrote in letters and digits, or a line break. Spaces are no tokens, only a flag. All that the features
//! need of a word is hashed in the one pass over its characters, so that neighbours use it again.

use std::ops::Range;

/// Tokens of one block: a block ends at the first line or sentence end after [`BLOCK_SOFT`] tokens, else at [`BLOCK_HARD`].
const BLOCK_SOFT: usize = 192;
/// The most tokens that a block holds.
pub const BLOCK_HARD: usize = 1024;
/// Characters of a word that are hashed; the rest of a longer run is only read past.
const HASHED: usize = 48;

/// How a token is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Case {
    /// `word`
    Lower,
    /// `Word`
    Title,
    /// `WORD`
    Upper,
    /// `W`
    Initial,
    /// `McWord`, `iWORD`
    Mixed,
    /// `camelCase`
    Camel,
    /// A script without case.
    Uncased,
    /// A number, or what a machine wrote.
    Digits,
    /// Anything else that is visible.
    Mark,
    /// One or more line breaks.
    Break,
    /// Before the first and after the last token.
    Edge,
}

/// What sort of sign a token is, as far as it tells programs, records and logs from sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sign {
    /// A line break or the edge of a block.
    None,
    /// `"`
    Quote,
    /// `'`
    Apostrophe,
    /// A grave accent, the quote of Markdown and shells.
    Backtick,
    /// `(`, `[`, `{`
    Open,
    /// `)`, `]`, `}`
    Close,
    /// `_`
    Underscore,
    /// `/`, `\\`
    Slash,
    /// `.`
    Dot,
    /// `:`
    Colon,
    /// `,`, `;`
    Comma,
    /// `-`
    Dash,
    /// `=`
    Equals,
    /// Any other mark.
    Other,
    /// A run of digits, or what a machine wrote.
    Digits,
    /// A word.
    Word,
}

impl Sign {
    const fn of(mark: char) -> Self {
        match mark {
            '"' => Self::Quote,
            '\'' | '\u{2019}' => Self::Apostrophe,
            '`' => Self::Backtick,
            '(' | '[' | '{' => Self::Open,
            ')' | ']' | '}' => Self::Close,
            '_' => Self::Underscore,
            '/' | '\\' => Self::Slash,
            '.' => Self::Dot,
            ':' => Self::Colon,
            ',' | ';' => Self::Comma,
            '-' => Self::Dash,
            '=' => Self::Equals,
            _ => Self::Other,
        }
    }
}

/// A token and the hashes of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// First byte in the text.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
    /// Hash of the whole token, lower case; for digits of their number.
    pub word: u32,
    /// Hash of the first three characters, 0 for shorter words.
    pub prefix: u32,
    /// Hashes of the last two, three and four characters, 0 where the word is no longer than that.
    pub suffix: [u32; 3],
    /// How it is written.
    pub case: Case,
    /// What sort of sign it is.
    pub sign: Sign,
    /// No space stands before it.
    pub glued: bool,
    /// Characters, at most 255; of what a machine wrote, bytes.
    pub length: u8,
}

impl Token {
    /// What stands before the first and after the last token of a block.
    pub const EDGE: Self = Self {
        start: 0,
        end: 0,
        word: 0x5bd1_e995,
        prefix: 0,
        suffix: [0; 3],
        case: Case::Edge,
        sign: Sign::None,
        glued: false,
        length: 0,
    };

    /// A run of digits, or what a machine wrote.
    const fn number(place: Range<usize>, word: u32, glued: bool, length: u8) -> Self {
        let Range { start, end } = place;
        Self { start, end, word, case: Case::Digits, sign: Sign::Digits, glued, length, ..Self::EDGE }
    }

    /// Whether it is a run of letters.
    pub fn is_word(&self) -> bool {
        self.sign == Sign::Word
    }
}

/// Mixes one more value into a hash.
#[inline]
pub const fn mix(hash: u32, value: u32) -> u32 {
    let h = (hash.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b1);
    h ^ (h >> 15)
}

/// The hash that [`Token::word`] has for a word: what gazetteers are keyed by. Only words of one token match.
pub fn word_hash(word: &str) -> u32 {
    let mut tokens = Vec::new();
    let mut end = 0;
    while end < word.len() {
        end = block(word, end, &mut tokens);
        if tokens.len() > 1 {
            return phrase_hash(&tokens);
        }
    }
    tokens.first().map_or(0, |token| token.word)
}

/// The hash of several tokens in a row.
pub fn phrase_hash(tokens: &[Token]) -> u32 {
    tokens.iter().fold(0x811c_9dc5, |hash, token| mix(hash, token.word))
}

/// Class of an ASCII byte: 0 mark, 1 lower case, 2 upper case, 3 digit, 4 space, 5 line break.
const CLASS: [u8; 128] = {
    let mut class = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        class[byte] = match byte as u8 {
            b'a'..=b'z' => 1,
            b'A'..=b'Z' => 2,
            b'0'..=b'9' => 3,
            b' ' | b'\t' | 0x0b | 0x0c => 4,
            b'\n' | b'\r' => 5,
            _ => 0,
        };
        byte += 1;
    }
    class
};

/// The class of a character beyond ASCII. Letters without case have a class of their own, 6.
fn class_beyond(c: char) -> u8 {
    match c {
        // Combining marks belong to the letter before them.
        '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}' | '\u{ad}' => 6,
        '\u{85}' | '\u{2028}' | '\u{2029}' => 5,
        _ if c.is_lowercase() => 1,
        _ if c.is_uppercase() => 2,
        _ if c.is_alphabetic() => 6,
        _ if c.is_numeric() => 3,
        _ if c.is_whitespace() => 4,
        _ => 0,
    }
}

/// The character at `at`, its class, and where the next one is. None at the end.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call for every character is what tokens cost")]
fn read(text: &str, at: usize) -> Option<(char, u8, usize)> {
    let byte = *text.as_bytes().get(at)?;
    match CLASS.get(usize::from(byte)) {
        Some(class) => Some((char::from(byte), *class, at + 1)),
        None => read_beyond(text, at),
    }
}

/// As [`read`], beyond ASCII.
#[cold]
#[inline(never)]
fn read_beyond(text: &str, at: usize) -> Option<(char, u8, usize)> {
    let c = text.get(at..)?.chars().next()?;
    Some((c, class_beyond(c), at + c.len_utf8()))
}

/// The same sign for the many ways in which quotes, apostrophes and dashes are written.
const fn plain_mark(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '\u{b4}' | '`' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => '"',
        '\u{2010}'..='\u{2015}' => '-',
        _ => c,
    }
}

/// So often letters and digits follow each other in what a machine wrote: a hash, a UUID.
const SWITCHES: usize = 5;

/// Letters in a row that such a text may have.
const LETTERS: u8 = 6;

/// Letters in a row, without a digit between dashes, that may be a name: `anna-3f9a0b`.
const NAME: u8 = 3;

/// Tokens side by side, of letters and digits with dashes between, in which what a machine wrote may be: they are counted as they come, and looked at
/// again, by [`Coded`], where letters and digits follow each other often enough.
#[derive(Default)]
struct Joined {
    /// Where the first of them is.
    first: usize,
    switches: usize,
}

impl Joined {
    /// Adds a token.
    #[inline]
    fn push(&mut self, tokens: &mut Vec<Token>, token: Token) {
        let last = tokens.last().map_or(Sign::None, |last| last.sign);
        let of = |sign| matches!(sign, Sign::Word | Sign::Digits | Sign::Dash);
        if token.glued && of(token.sign) && of(last) {
            self.switches += usize::from(last != token.sign && last != Sign::Dash && token.sign != Sign::Dash);
        } else {
            self.end(tokens);
            self.first = tokens.len();
        }
        tokens.push(token);
    }

    /// No more of them follow.
    #[inline]
    fn end(&mut self, tokens: &mut Vec<Token>) {
        if self.switches >= SWITCHES {
            Coded::join(tokens, self.first);
        }
        self.switches = 0;
    }
}

/// Tokens side by side that may be of what a machine wrote: letters and digits of ASCII, with dashes between. That is one token, as a number is, so
/// that its letters are taken for no words.
#[derive(Default)]
struct Coded {
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
    fn join(tokens: &mut Vec<Token>, from: usize) {
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
            let length = (last.end - first.start).min(255) as u8;
            let one = Token::number(first.start..last.end, mix(8, u32::from(length / 8)), first.glued, length);
            tokens.splice(self.first..end, [one]);
        }
        self.start(tokens);
    }
}

/// Reads the block that begins at byte `from` into `tokens` (cleared first) and gives the byte where the next one begins.
pub fn block(text: &str, from: usize, tokens: &mut Vec<Token>) -> usize {
    tokens.clear();
    let mut joined = Joined::default();
    let end = read_block(text, from, tokens, |tokens, token| joined.push(tokens, token));
    joined.end(tokens);
    end
}

#[inline]
fn read_block(text: &str, from: usize, tokens: &mut Vec<Token>, mut push: impl FnMut(&mut Vec<Token>, Token)) -> usize {
    let mut at = from;
    let mut glued = false;
    loop {
        let start = at;
        let Some((c, class, next)) = read(text, at) else { return text.len() };
        at = next;
        match class {
            4 => glued = false,
            5 => {
                if tokens.last().is_none_or(|last| last.case != Case::Break) {
                    push(
                        tokens,
                        Token { start, end: at, word: mix(1, 10), case: Case::Break, length: 1, ..Token::EDGE },
                    );
                } else if c == '\n'
                    && let Some(last) = tokens.last_mut()
                {
                    // An empty line is another sign than the end of a line.
                    last.word = mix(2, 10);
                    last.end = at;
                }
                glued = false;
                if tokens.len() >= BLOCK_SOFT {
                    return at;
                }
            }
            0 => {
                let mut same = 1_u8;
                while let Some((again, _, next)) = read(text, at)
                    && again == c
                {
                    at = next;
                    same = same.saturating_add(1);
                }
                let word = mix(3 + u32::from(same > 1), plain_mark(c) as u32);
                push(
                    tokens,
                    Token {
                        start,
                        end: at,
                        word,
                        case: Case::Mark,
                        sign: Sign::of(c),
                        glued,
                        length: same,
                        ..Token::EDGE
                    },
                );
                glued = true;
                let ends = matches!(c, '.' | '!' | '?') && matches!(text.as_bytes().get(at), Some(b' ' | b'\t'));
                if ends && tokens.len() >= BLOCK_SOFT {
                    return at;
                }
            }
            3 => {
                let mut length = 1_u8;
                let mut value = u32::from(c == '1') * 2 + u32::from(c == '2');
                while let Some((digit, 3, next)) = read(text, at) {
                    at = next;
                    if length == 1 {
                        // 19xx and 20xx are years more often than not.
                        value = value * 4 + u32::from(digit == '9') * 2 + u32::from(digit == '0');
                    }
                    length = length.saturating_add(1);
                }
                let year = u32::from(length == 4 && (value == 10 || value == 5));
                let mut word = mix(5 + year, u32::from(length.min(9)));
                // `12.5`, `10:30:05`, `192.0.2.1` are one number.
                let (mut parts, mut colons) = (1_u32, 0);
                while let [sign @ (b'.' | b':'), b'0'..=b'9', ..] = text.as_bytes()[at..] {
                    let digits = text.as_bytes()[at + 1..].iter().take_while(|digit| digit.is_ascii_digit()).count();
                    at += 1 + digits;
                    length = length.saturating_add(digits.min(255) as u8);
                    parts += 1;
                    colons += u32::from(sign == b':');
                }
                if parts > 1 {
                    word = mix(9, parts.min(4) << 2 | colons.min(3));
                }
                push(tokens, Token::number(start..at, word, glued, length));
                glued = true;
            }
            _ => {
                let token = letters(text, start);
                at = token.end;
                push(tokens, Token { glued, ..token });
                glued = true;
            }
        }
        if tokens.len() >= BLOCK_HARD {
            return at;
        }
    }
}

/// The run of letters at `start`; `glued` is left to the caller. Of ASCII, as nearly all are, eight are read at once.
#[inline]
fn letters(text: &str, start: usize) -> Token {
    let bytes = text.as_bytes();
    let mut word = Folded::default();
    let mut end = start;
    // Some letter is small, some is a capital, several are.
    let (mut small, mut capital, mut capitals) = (false, false, false);
    loop {
        let chunk = chunk(bytes, end);
        let letters = ascii_letters(chunk);
        let count = (!letters & HIGH).trailing_zeros() / 8;
        let kept = u64::MAX.checked_shr(64 - 8 * count).unwrap_or(0);
        if end < start + HASHED && count > 0 {
            word.add((chunk | (EACH * 0x20)) & kept);
        }
        // A capital letter has no bit 5, here moved to the place of bit 7.
        let upper = letters & !(chunk << 2) & kept;
        small |= letters & (chunk << 2) & kept != 0;
        capitals |= capital && upper != 0 || upper & upper.wrapping_sub(1) != 0;
        capital |= upper != 0;
        end += count as usize;
        if count < 8 {
            break;
        }
    }
    if !bytes.get(end).is_none_or(u8::is_ascii) && matches!(read(text, end), Some((_, 1 | 2 | 6, _))) {
        return letters_beyond(text, start);
    }
    let run = &bytes[start..end];
    let first = std::array::from_fn(|at| run.get(at).map_or(0, |byte| u32::from(byte | 0x20)));
    let last =
        std::array::from_fn(|at| run.len().checked_sub(at + 1).map_or(0, |behind| u32::from(run[behind] | 0x20)));
    let first_upper = run.first().is_some_and(u8::is_ascii_uppercase);
    let upper = usize::from(capital) + usize::from(capitals);
    let case = case(upper, usize::from(small), run.len(), first_upper);
    word.token(start..end, run.len(), first, last, case)
}

/// As [`letters`], where some are beyond ASCII.
#[cold]
#[inline(never)]
fn letters_beyond(text: &str, start: usize) -> Token {
    let mut folded = [0_u8; 4 * HASHED];
    let (mut hashed, mut length, mut end) = (0, 0, start);
    let (mut upper, mut lower, mut first_upper) = (0, 0, false);
    let (mut first, mut last) = ([0_u32; 3], [0_u32; 4]);
    while let Some((c, class @ (1 | 2 | 6), next)) = read(text, end) {
        let small = if class == 2 { c.to_lowercase().next().unwrap_or(c) } else { c };
        if length < HASHED {
            hashed += small.encode_utf8(&mut folded[hashed..]).len();
        }
        if let Some(first) = first.get_mut(length) {
            *first = small as u32;
        }
        last = [small as u32, last[0], last[1], last[2]];
        first_upper |= length == 0 && class == 2;
        upper += usize::from(class == 2);
        lower += usize::from(class == 1);
        length += 1;
        end = next;
    }
    let mut word = Folded::default();
    for at in (0..hashed).step_by(8) {
        word.add(chunk(&folded[..hashed], at));
    }
    word.token(start..end, length, first, last, case(upper, lower, length, first_upper))
}

/// One in each byte.
const EACH: u64 = u64::MAX / 255;
/// The highest bit of each byte.
const HIGH: u64 = EACH << 7;

/// The eight bytes at `at`, the first the lowest; zeros behind the end.
#[inline]
fn chunk(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |chunk, byte| chunk << 8 | u64::from(*byte)),
    }
}

/// The highest bit of each byte that is a letter of ASCII.
#[inline]
const fn ascii_letters(chunk: u64) -> u64 {
    // Without its highest bit and in lower case a byte is at least `a` where the first sum reaches that bit, and above `z` where the second does.
    let small = (chunk | (EACH * 0x20)) & !HIGH;
    (small + EACH * (0x80 - b'a' as u64)) & !(small + EACH * (0x7f - b'z' as u64)) & !chunk & HIGH
}

/// How a word is written, by its numbers of capital and small letters (of which two or one stand for more) and of all characters.
const fn case(upper: usize, lower: usize, length: usize, first_upper: bool) -> Case {
    match (upper, lower) {
        (0, 0) => Case::Uncased,
        (0, _) => Case::Lower,
        (1, 0) if length == 1 => Case::Initial,
        (_, 0) => Case::Upper,
        (1, _) if first_upper => Case::Title,
        _ if first_upper => Case::Mixed,
        _ => Case::Camel,
    }
}

/// The hash of a word in lower case, of eight bytes after the other.
struct Folded(u64);

impl Default for Folded {
    fn default() -> Self {
        Self(0x8445_d61a_4e77_4912)
    }
}

impl Folded {
    #[inline]
    const fn add(&mut self, chunk: u64) {
        self.0 = (self.0.rotate_left(23) ^ chunk).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// The token of the word, of which the first three and the last four characters (the last one first) are given.
    #[inline]
    fn token(&self, place: Range<usize>, length: usize, first: [u32; 3], last: [u32; 4], case: Case) -> Token {
        let word = ((self.0 ^ self.0 >> 32).wrapping_mul(0xc2b2_ae3d_27d4_eb4f) >> 32) as u32;
        let two = mix(mix(11, last[0]), last[1]);
        let three = mix(two, last[2]);
        Token {
            start: place.start,
            end: place.end,
            word,
            prefix: if length > 3 { mix(mix(mix(7, first[0]), first[1]), first[2]) | 1 } else { 0 },
            suffix: [
                if length > 2 { two } else { 0 },
                if length > 3 { three } else { 0 },
                if length > 4 { mix(three, last[3]) } else { 0 },
            ],
            case,
            sign: Sign::Word,
            length: length.min(255) as u8,
            ..Token::EDGE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut tokens = Vec::new();
        let mut found = Vec::new();
        let mut from = 0;
        while from < text.len() {
            let end = block(text, from, &mut tokens);
            assert!(end > from);
            found.extend(tokens.iter().map(|token| &text[token.start..token.end]));
            from = end;
        }
        found
    }

    #[test]
    fn words_digits_marks_and_breaks() {
        assert_eq!(
            words("O'Brien, 12 Main St.\n\nMTV2--x"),
            ["O", "'", "Brien", ",", "12", "Main", "St", ".", "\n\n", "MTV", "2", "--", "x"]
        );
        assert_eq!(
            words("At 10:30 12.5 of 192.0.2.1, 1.x 3..4 5: 6. 7,8"),
            [
                "At",
                "10:30",
                "12.5",
                "of",
                "192.0.2.1",
                ",",
                "1",
                ".",
                "x",
                "3",
                "..",
                "4",
                "5",
                ":",
                "6",
                ".",
                "7",
                ",",
                "8"
            ]
        );
        assert_eq!(words("Zoë Ångström 北京 Иван"), ["Zoë", "Ångström", "北京", "Иван"]);
    }

    #[test]
    fn what_a_machine_wrote_is_one_token() {
        assert_eq!(
            words("id 3f9a0b7c1d4e, 550e8400-e29b-41d4-a716-446655440000 A1B2C3"),
            ["id", "3f9a0b7c1d4e", ",", "550e8400-e29b-41d4-a716-446655440000", "A1B2C3"]
        );
        // Longer words, fewer changes, and what stands around them.
        for (text, tokens) in [
            ("k9smithers8x7y6z", &["k", "9", "smithers", "8", "x", "7", "y", "6", "z"][..]),
            ("SW1A 1AA-2b", &["SW", "1", "A", "1", "AA", "-", "2", "b"]),
            ("x(\"3f9a0b7c1d4e\")", &["x", "(", "\"", "3f9a0b7c1d4e", "\"", ")"]),
            ("-3f9a0b7c1d4e-", &["-", "3f9a0b7c1d4e", "-"]),
            ("anna-7f3c9d2e1b", &["anna", "-", "7f3c9d2e1b"]),
            ("3f9a0b7c1d4e-Smith", &["3f9a0b7c1d4e", "-", "Smith"]),
            ("3f9a0b7c-anna-1d2e3f4a5b", &["3f9a0b7c", "-", "anna", "-", "1d2e3f4a5b"]),
            ("2024\u{5e74}3\u{6708}15\u{65e5}", &["2024", "\u{5e74}", "3", "\u{6708}", "15", "\u{65e5}"]),
        ] {
            assert_eq!(words(text), tokens, "{text}");
        }
        assert_eq!(words(&"a1".repeat(3)), ["a1a1a1"]);
    }

    #[test]
    fn case_is_folded_in_hashes_only() {
        let mut tokens = Vec::new();
        block("Müller MÜLLER müller McDonald J 2019 1", 0, &mut tokens);
        assert!(tokens[0].word == tokens[1].word && tokens[1].word == tokens[2].word);
        assert_eq!(tokens[0].suffix, tokens[1].suffix);
        let cases: Vec<_> = tokens.iter().map(|token| token.case).collect();
        assert_eq!(
            cases,
            [Case::Title, Case::Upper, Case::Lower, Case::Mixed, Case::Initial, Case::Digits, Case::Digits]
        );
        assert_ne!(tokens[5].word, tokens[6].word);
        assert_eq!(word_hash("MÜLLER"), tokens[0].word);
    }

    #[test]
    fn long_runs_are_one_token_and_blocks_are_bounded() {
        assert_eq!(words(&"a".repeat(100_000)).len(), 1);
        assert_eq!(words(&"-".repeat(100_000)).len(), 1);
        let mut tokens = Vec::new();
        let text = "a,".repeat(5_000);
        assert!(block(&text, 0, &mut tokens) < text.len());
        assert_eq!(tokens.len(), BLOCK_HARD);
    }

    proptest::proptest! {
        /// Tokens are looked at again only where it may matter.
        #[test]
        fn what_is_joined_does_not_depend_on_where_it_is_looked_for(
            text in "([0-9]{1,3}|[a-f]{1,3}|[a-zA-Z]{3,8}|-|--|[ .\n\u{e9}]){0,60}",
        ) {
            let (mut joined, mut tokens) = (Vec::new(), Vec::new());
            block(&text, 0, &mut joined);
            read_block(&text, 0, &mut tokens, Vec::push);
            Coded::join(&mut tokens, 0);
            let places = |tokens: &[Token]| tokens.iter().map(|token| (token.start, token.end, token.word)).collect::<Vec<_>>();
            proptest::prop_assert_eq!(places(&joined), places(&tokens));
        }
    }
}
