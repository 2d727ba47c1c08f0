//! Text into tokens: a run of letters, a number (digits, with single points and colons between them), one punctuation character (a run of the same
//! one is a single token), what a machine wrote in letters and digits, or a line break. Spaces are no tokens, only a flag. All that the features
//! need of a word is hashed in the one pass over its characters, so that neighbours use it again.

mod coded;
mod letters;

use std::ops::Range;

use coded::Joined;
use letters::letters;

/// Tokens of one block: a block ends at the first line or sentence end after [`BLOCK_SOFT`] tokens, else at [`BLOCK_HARD`].
const BLOCK_SOFT: usize = 192;
/// The most tokens that a block holds.
pub const BLOCK_HARD: usize = 1024;

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
    const fn number(place: Range<usize>, word: u32, length: u8) -> Self {
        let Range { start, end } = place;
        Self { start, end, word, case: Case::Digits, sign: Sign::Digits, length, ..Self::EDGE }
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

/// What a mark says of its token.
#[derive(Clone, Copy)]
struct Mark {
    /// Its hash alone, and that of several of it.
    words: [u32; 2],
    sign: Sign,
}

impl Mark {
    const fn of(mark: char) -> Self {
        let plain = plain_mark(mark) as u32;
        Self { words: [mix(3, plain), mix(4, plain)], sign: Sign::of(mark) }
    }
}

/// Of ASCII, ready: which mark comes cannot be foretold.
static MARKS: [Mark; 128] = {
    let mut marks = [Mark::of('\0'); 128];
    let mut byte = 0;
    while byte < 128 {
        marks[byte] = Mark::of(byte as u8 as char);
        byte += 1;
    }
    marks
};

/// Reads the block that begins at byte `from` into `tokens` (cleared first) and gives the byte where the next one begins.
pub fn block(text: &str, from: usize, tokens: &mut Vec<Token>) -> usize {
    tokens.clear();
    let mut joined = Joined::default();
    let end = read_block(text, from, tokens, |tokens, token| joined.push(tokens, token), coded::whole);
    joined.end(tokens);
    end
}

/// The number at `start`: digits with single points and colons between them, as in `12.5`, `10:30:05`, `192.0.2.1`.
#[inline]
fn number(text: &str, start: usize) -> Token {
    let bytes = text.as_bytes();
    let (mut at, mut length, mut first) = (start, 0_u8, ['0'; 2]);
    while let Some((digit, 3, next)) = read(text, at) {
        at = next;
        if let Some(place) = first.get_mut(usize::from(length)) {
            *place = digit;
        }
        length = length.saturating_add(1);
    }
    // 19xx and 20xx are years more often than not.
    let year = u32::from(length == 4 && matches!(first, ['1', '9'] | ['2', '0']));
    let mut word = mix(5 + year, u32::from(length.min(9)));
    let (mut parts, mut colons) = (1_u32, 0);
    while let [sign @ (b'.' | b':'), b'0'..=b'9', ..] = bytes[at..] {
        let digits = bytes[at + 1..].iter().take_while(|digit| digit.is_ascii_digit()).count();
        at += 1 + digits;
        length = length.saturating_add(digits.min(255) as u8);
        parts += 1;
        colons += u32::from(sign == b':');
    }
    if parts > 1 {
        word = mix(9, parts.min(4) << 2 | colons.min(3));
    }
    Token::number(start..at, word, length)
}

#[inline]
fn read_block(
    text: &str,
    from: usize,
    tokens: &mut Vec<Token>,
    mut push: impl FnMut(&mut Vec<Token>, Token),
    coded: impl Fn(&[u8], usize) -> Option<usize>,
) -> usize {
    let bytes = text.as_bytes();
    // Where letters and digits follow each other, with nothing before them that they are joined with.
    let coded = |tokens: &[Token], start, glued: bool| {
        let apart = !glued || tokens.last().is_none_or(|last| !Joined::is_of(last.sign));
        apart.then(|| coded(bytes, start)).flatten()
    };
    let mut at = from;
    let mut glued = false;
    loop {
        let start = at;
        let Some((c, class, next)) = read(text, at) else { return text.len() };
        at = next;
        match class {
            4 => {
                glued = false;
                // Lines of programs begin with many.
                while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
                    let others = u64::from_le_bytes(*eight) ^ u64::from_le_bytes([b' '; 8]);
                    at += others.trailing_zeros() as usize / 8;
                    if others != 0 {
                        break;
                    }
                }
            }
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
                let mark = if let Some(mark) = MARKS.get(c as usize) {
                    while bytes.get(at).is_some_and(|again| u32::from(*again) == c as u32) {
                        at += 1;
                        same = same.saturating_add(1);
                    }
                    *mark
                } else {
                    while let Some((again, _, next)) = read(text, at)
                        && again == c
                    {
                        at = next;
                        same = same.saturating_add(1);
                    }
                    Mark::of(c)
                };
                push(
                    tokens,
                    Token {
                        start,
                        end: at,
                        word: mark.words[usize::from(same > 1)],
                        case: Case::Mark,
                        sign: mark.sign,
                        glued,
                        length: same,
                        ..Token::EDGE
                    },
                );
                glued = true;
                let ends = matches!(c, '.' | '!' | '?') && matches!(bytes.get(at), Some(b' ' | b'\t'));
                if ends && tokens.len() >= BLOCK_SOFT {
                    return at;
                }
            }
            _ => {
                let token = if class == 3 { number(text, start) } else { letters(text, start) };
                let joins = bytes.get(token.end).is_some_and(u8::is_ascii_alphanumeric);
                let coded = if joins { coded(tokens, start, glued) } else { None };
                let token = coded.map_or(token, |end| coded::token(start..end));
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

#[cfg(test)]
mod tests {
    use super::coded::Coded;
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
        /// By definition: a run of one mark, as long as it is, with what follows from the mark.
        #[test]
        fn marks_are_what_they_are(text in "([ -~]|[-. ]{1,20}|[\t\n]|[\u{ab}\u{2019}\u{2013}\u{20ac}\u{e9}\u{a0}]){0,80}") {
            let mut tokens = Vec::new();
            block(&text, 0, &mut tokens);
            let mut end = 0;
            for token in tokens {
                let between = &text[end..token.start];
                proptest::prop_assert!(between.chars().all(char::is_whitespace));
                end = token.end;
                let Some(mark) = text[token.start..].chars().next().filter(|_| token.case == Case::Mark) else { continue };
                let run = text[token.start..].chars().take_while(|next| *next == mark).count();
                proptest::prop_assert_eq!(token.end - token.start, run * mark.len_utf8());
                proptest::prop_assert_eq!(usize::from(token.length), run);
                proptest::prop_assert_eq!(token.word, mix(3 + u32::from(run > 1), plain_mark(mark) as u32));
                proptest::prop_assert_eq!(token.sign, Sign::of(mark));
                let before = text[..token.start].chars().next_back();
                proptest::prop_assert_eq!(token.glued, before.is_some_and(|before| !before.is_whitespace()));
            }
            proptest::prop_assert!(text[end..].chars().all(char::is_whitespace));
        }

        /// Tokens are looked at again only where it may matter.
        #[test]
        fn what_is_joined_does_not_depend_on_where_it_is_looked_for(
            text in "([0-9]{1,3}|[a-f]{1,3}|[a-zA-Z]{3,8}|[0-9a-f]{6,20}|-|--|[ .:_\"\n\u{e9}]){0,60}",
        ) {
            let (mut joined, mut tokens) = (Vec::new(), Vec::new());
            block(&text, 0, &mut joined);
            read_block(&text, 0, &mut tokens, Vec::push, |_, _| None);
            Coded::join(&mut tokens, 0);
            let places = |tokens: &[Token]| tokens.iter().map(|token| (token.start, token.end, token.word)).collect::<Vec<_>>();
            proptest::prop_assert_eq!(places(&joined), places(&tokens));
        }
    }
}
