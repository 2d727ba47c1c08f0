//! What the model is told of a token: hashes of the words around it, of how they are written and of what the gazetteers say of
//! them. The trainer and the tagger call the same functions, so a model means the same to both.

#[cfg(test)]
mod plain;

use std::ops::Range;

use wide::i16x8;

use super::model::{Gazetteer, Model, Sums};
use super::token::{Case, Sign, Token, mix, phrase_hash};

/// Features of a token.
pub const FEATURES: usize = OWN + BESIDE + NEAR;
/// Edge tokens before the first and after the last token of a block.
pub const PAD: usize = 2;
/// Tokens of the longest name of several words that is looked up.
const PHRASE: usize = 5;

/// Bits of a gazetteer entry.
pub mod flag {
    /// A frequent given name.
    pub const FIRST: u16 = 1;
    /// A given name.
    pub const FIRST_RARE: u16 = 1 << 1;
    /// One of the most frequent family names.
    pub const LAST: u16 = 1 << 2;
    /// A family name.
    pub const LAST_MID: u16 = 1 << 3;
    /// A rare family name.
    pub const LAST_RARE: u16 = 1 << 4;
    /// A large city.
    pub const CITY: u16 = 1 << 5;
    /// A town.
    pub const TOWN: u16 = 1 << 6;
    /// A country.
    pub const COUNTRY: u16 = 1 << 7;
    /// A state, province, county.
    pub const REGION: u16 = 1 << 8;
    /// A word of a place name of several words.
    pub const PLACE_PART: u16 = 1 << 9;
    /// A word by which organisations are known: `Ltd`, `Universität`, `bank`.
    pub const ORG_WORD: u16 = 1 << 10;
    /// A word of addresses: `Street`, `Calle`, `Apt`.
    pub const STREET_WORD: u16 = 1 << 11;
    /// A frequent English word.
    pub const COMMON: u16 = 1 << 12;
    /// A word of English or of another language.
    pub const WORD: u16 = 1 << 13;
    /// `Mr`, `Dr`, `Señora`.
    pub const TITLE: u16 = 1 << 14;
    /// A nationality, religion or political group.
    pub const NRP: u16 = 1 << 15;
}

/// How a sentence is written, which decides what a capital letter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    Sentence,
    Capitals,
    LowerCase,
    Headline,
}

/// A token as its neighbours see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    word: u32,
    prefix: u32,
    suffix: [u32; 3],
    /// Case, whether a space is before it, length class.
    shape: u8,
    /// The first two of these.
    case: u8,
    /// Gazetteer flags with case.
    listed: u32,
    /// The same in eight groups.
    listed_roughly: u32,
    mode: u8,
    /// Line and block by their marks, in which quotes or comment it stands: see [`registers`].
    register: u8,
    /// The signs that touch it on both sides.
    touched: u8,
    /// The last word before it when only marks are between, and their number.
    before: u32,
    /// The next word after it when only marks are between.
    after: u32,
    /// Flags as they stand in the gazetteer.
    pub flags: u16,
}

impl Seen {
    /// Whether it is the first word of a sentence or line.
    pub const fn begins_sentence(&self) -> bool {
        self.mode & FIRST != 0
    }

    /// Whether it is a mark or a line break.
    const fn is_plain(&self) -> bool {
        const MARK: u8 = Case::Mark as u8;
        const BREAK: u8 = Case::Break as u8;
        matches!(self.case & 15, MARK | BREAK)
    }
}

/// The bit of [`Seen::mode`] for the first word of a sentence.
const FIRST: u8 = 16;

const EDGE: Seen = Seen {
    word: Token::EDGE.word,
    prefix: 0,
    suffix: [0; 3],
    shape: 0xee,
    case: 0xee,
    listed: 0xee_1234,
    listed_roughly: 0xee_4321,
    mode: 0,
    register: 0,
    touched: 0,
    before: 0xee,
    after: 0xee,
    flags: 0,
};

/// Describes the tokens of a block in and beside `runs` of them, in order, with [`PAD`] edges on both sides. `flags` says
/// what is known of a token by its place and hash: the trainer takes some away, so that the model does not come to rely on lists alone.
pub fn describe(
    tokens: &[Token],
    runs: &[Range<usize>],
    gazetteer: &Gazetteer<'_>,
    mut flags: impl FnMut(usize, u32) -> u16,
    seen: &mut Vec<Seen>,
) {
    seen.clear();
    let mut some = 0;
    for run in widened(runs, tokens.len()) {
        // What is between runs is not looked at.
        seen.resize(run.start + PAD, EDGE);
        for (i, token) in tokens.iter().enumerate().take(run.end).skip(run.start) {
            let flags = if token.is_word() { flags(i, token.word) } else { 0 };
            let length = match token.length {
                n @ 0..=3 => n,
                4..=6 => 4,
                7..=10 => 5,
                _ => 6,
            };
            some |= flags;
            let case = token.case as u8;
            let (listed, listed_roughly) = listed(flags, 0, token.case);
            seen.push(Seen {
                word: token.word,
                prefix: token.prefix,
                suffix: token.suffix,
                shape: case | u8::from(token.glued) << 4 | length << 5,
                case: case | u8::from(token.glued) << 4,
                listed,
                listed_roughly,
                flags,
                ..EDGE
            });
        }
    }
    seen.resize(tokens.len() + 2 * PAD, EDGE);
    if some & flag::PLACE_PART != 0 {
        phrases(tokens, gazetteer, seen);
    }
    lines_and_sentences(tokens, &mut seen[..tokens.len() + PAD]);
    words_behind_marks(tokens, seen);
}

/// What [`Seen::listed`] and [`Seen::listed_roughly`] say: the flags with the place in a name of several words (1 for the first, 2 for the others) and
/// the case.
#[inline]
const fn listed(flags: u16, phrase: u32, case: Case) -> (u32, u32) {
    let case = case as u32;
    (mix(mix(21, flags as u32 | phrase << 16), case), mix(mix(22, roughly(flags) | phrase << 8), case))
}

/// Runs of tokens, of which there are `len`, with [`PAD`] more on both sides and none twice.
fn widened(runs: &[Range<usize>], len: usize) -> impl Iterator<Item = Range<usize>> {
    runs.iter().scan(0, move |done, run| {
        let start = run.start.saturating_sub(PAD).max(*done);
        *done = (run.end + PAD).min(len);
        Some(start..*done)
    })
}

/// Marks names of several words: what is listed of their first token is another than of the further ones.
fn phrases(tokens: &[Token], gazetteer: &Gazetteer<'_>, seen: &mut [Seen]) {
    let mut from = 0;
    while from < tokens.len() {
        let is_part = |i: usize| seen[i + PAD].flags & flag::PLACE_PART != 0;
        if !is_part(from) {
            from += 1;
            continue;
        }
        // The words of names have the flag, but for a few that found no place in the table.
        let most = tokens[from..].iter().take(PHRASE).zip(from..);
        let most = most.take_while(|(token, i)| !token.is_word() || is_part(*i)).count();
        let longest = (2..=most)
            .rev()
            .find(|&n| is_part(from + n - 1) && gazetteer.has_phrase(phrase_hash(&tokens[from..from + n])));
        let Some(length) = longest else {
            from += 1;
            continue;
        };
        for (i, token) in tokens[from..from + length].iter().enumerate() {
            let entry = &mut seen[from + i + PAD];
            (entry.listed, entry.listed_roughly) = listed(entry.flags, if i == 0 { 1 } else { 2 }, token.case);
        }
        from += length;
    }
}

/// The flags in eight groups.
#[inline]
const fn roughly(flags: u16) -> u32 {
    // By halves: what a group has in either.
    const HALVES: [[u8; 256]; 2] = {
        let mut halves = [[0; 256]; 2];
        let mut byte = 0;
        while byte < 256 {
            halves[0][byte] = in_groups(byte as u16);
            halves[1][byte] = in_groups((byte as u16) << 8);
            byte += 1;
        }
        halves
    };
    (HALVES[0][(flags & 255) as usize] | HALVES[1][(flags >> 8) as usize]) as u32
}

/// The groups that have one of the flags.
const fn in_groups(flags: u16) -> u8 {
    const GROUPS: [u16; 8] = [
        flag::FIRST | flag::FIRST_RARE,
        flag::LAST | flag::LAST_MID | flag::LAST_RARE,
        flag::CITY | flag::TOWN | flag::COUNTRY | flag::REGION,
        flag::ORG_WORD,
        flag::STREET_WORD,
        flag::COMMON,
        flag::TITLE,
        flag::NRP,
    ];
    let (mut groups, mut at) = (0, 0);
    while at < GROUPS.len() {
        groups |= ((flags & GROUPS[at] != 0) as u8) << at;
        at += 1;
    }
    groups
}

/// Whether a sentence ends behind a token that is no word.
fn ends_sentence(token: &Token, next: Option<&Token>) -> bool {
    const SIGNS: [u32; 3] = [mix(3, '.' as u32), mix(3, '!' as u32), mix(3, '?' as u32)];
    token.case == Case::Break
        || matches!(token.sign, Sign::Dot | Sign::Other)
            && SIGNS.contains(&token.word)
            && next.is_some_and(|next| !next.glued && next.case != Case::Break)
}

/// The sentence that is being read.
#[derive(Default)]
struct Sentence {
    /// Where it starts.
    from: usize,
    /// Words in capitals, with a capital, and longer ones without.
    upper: u32,
    title: u32,
    lower: u32,
    /// Its first word.
    first: Option<usize>,
}

impl Sentence {
    #[inline]
    fn add(&mut self, i: usize, token: &Token) {
        if token.sign == Sign::Word {
            self.first = self.first.or(Some(i));
            self.upper += u32::from(token.case == Case::Upper);
            self.title += u32::from(matches!(token.case, Case::Title | Case::Mixed));
            self.lower += u32::from(token.case == Case::Lower && token.length > 3);
        }
    }

    /// Sets the mode of its tokens, which end before `end`; without a word, all up to `last` are the first. Another one starts at `end`.
    fn end(&mut self, end: usize, last: usize, seen: &mut [Seen]) {
        let Self { from, upper, title, lower, first } = *self;
        let mode = if upper >= 2 && upper > 2 * (lower + title) {
            Mode::Capitals
        } else if lower >= 2 && upper + title == 0 {
            Mode::LowerCase
        } else if title >= 3 && title > 2 * lower {
            Mode::Headline
        } else {
            Mode::Sentence
        } as u8;
        let behind = (first.unwrap_or(last) + 1).min(end);
        seen[from + PAD..behind + PAD].iter_mut().for_each(|entry| entry.mode = mode | FIRST);
        seen[behind + PAD..end + PAD].iter_mut().for_each(|entry| entry.mode = mode);
        *self = Self { from: end, ..Self::default() };
    }
}

/// How much the marks of a line or block speak of programs, records or logs, for its number of words.
#[derive(Clone, Copy, Default)]
struct Density {
    words: u32,
    marks: u32,
}

impl Density {
    /// 0 for sentences to 3 for a line that is mostly marks.
    const fn level(self) -> u8 {
        let Self { words, marks } = self;
        if marks * 8 <= words {
            0
        } else if marks * 3 <= words {
            1
        } else if marks <= words * 2 {
            2
        } else {
            3
        }
    }
}

/// Counts a token; `last` is the one before it.
#[inline]
fn count(token: &Token, last: &Token, density: &mut Density) {
    let of = MARKS[last.sign as usize & 15][token.sign as usize & 15][usize::from(token.glued)];
    density.words += u32::from(token.sign == Sign::Word);
    density.marks += u32::from(of) + u32::from(token.case == Case::Camel) * 2;
}

/// For how many marks a sign counts: by the sign before it, itself, and whether nothing is between them. A table, since which signs come cannot be
/// foretold.
const MARKS: [[[u8; 2]; 16]; 16] = {
    use Sign::{
        Apostrophe, Backtick, Close, Colon, Comma, Dash, Digits, Dot, Equals, None, Open, Other, Quote, Slash,
        Underscore, Word,
    };
    const ALL: [Sign; 16] = [
        None, Quote, Apostrophe, Backtick, Open, Close, Underscore, Slash, Dot, Colon, Comma, Dash, Equals, Other,
        Digits, Word,
    ];
    let mut marks = [[[0; 2]; 16]; 16];
    let mut at = 0;
    while at < 16 * 16 {
        let (last, sign) = (ALL[at / 16], ALL[at % 16]);
        marks[last as usize][sign as usize] = match sign {
            // `x.y`, `name2`
            Word if matches!(last, Dot | Digits) => [0, 2],
            Underscore | Equals => [2, 2],
            Other => [1, 2],
            Open | Close | Quote | Backtick | Colon | Slash | Dash => [0, 1],
            Digits if matches!(last, Word) => [0, 1],
            Word | Digits | None | Apostrophe | Dot | Comma => [0, 0],
        };
        at += 1;
    }
    marks
};

/// In one reading, for each token: the mode of its sentence, and in it whether it is the first word; how the line and the block are written (bits 0–1 and
/// 2–3), whether it is in quotes (bit 4) or behind the sign of a comment (bit 5); which signs touch it; and the word that stands before it when only
/// marks are between.
fn lines_and_sentences(tokens: &[Token], seen: &mut [Seen]) {
    let mut sentence = Sentence::default();
    let mut across = Across::default();
    let (mut whole, mut line) = (Density::default(), Density::default());
    let (mut quote, mut comment, mut first, mut last) = (Sign::None, false, true, &Token::EDGE);
    let mut from = 0;
    for (i, token) in tokens.iter().enumerate() {
        let plain = seen[i + PAD].is_plain();
        seen[i + PAD].before = across.next(token, plain);
        if token.sign == Sign::None {
            let level = line.level();
            seen[from + PAD..i + PAD].iter_mut().for_each(|entry| entry.register |= level);
            whole = Density { words: whole.words + line.words, marks: whole.marks + line.marks };
            (line, quote, comment, first, from) = (Density::default(), Sign::None, false, true, i);
            last = token;
            sentence.end(i + 1, i, seen);
            continue;
        }
        sentence.add(i, token);
        count(token, last, &mut line);
        if token.sign == quote {
            quote = Sign::None;
        }
        if token.glued && i > 0 {
            seen[i + PAD].touched = last.sign as u8;
            seen[i + PAD - 1].touched |= (token.sign as u8) << 4;
        }
        seen[i + PAD].register = u8::from(quote != Sign::None) << 4 | u8::from(comment) << 5;
        match token.sign {
            Sign::Quote | Sign::Backtick if quote == Sign::None && token.length == 1 => quote = token.sign,
            Sign::Apostrophe if quote == Sign::None && !(token.glued && last.sign == Sign::Word) => quote = token.sign,
            Sign::Slash => comment |= token.length > 1 && !token.glued,
            Sign::Dash => comment |= first && token.length == 2,
            // `# x`, ` * x`, `/* x`
            Sign::Other => comment |= first && !token.glued || last.sign == Sign::Slash && token.glued,
            _ => {}
        }
        if matches!(token.sign, Sign::Dot | Sign::Other) && ends_sentence(token, tokens.get(i + 1)) {
            sentence.end(i + 1, i, seen);
        }
        first = false;
        last = token;
    }
    sentence.end(tokens.len(), tokens.len(), seen);
    let level = line.level();
    seen[from + PAD..].iter_mut().for_each(|entry| entry.register |= level);
    let level = Density { words: whole.words + line.words, marks: whole.marks + line.marks }.level() << 2;
    seen[PAD..].iter_mut().for_each(|entry| entry.register |= level);
}

/// Sets the words that stand behind a token when only marks, at most seven, are between. A mark has none: rows are for words.
fn words_behind_marks(tokens: &[Token], seen: &mut [Seen]) {
    let mut across = Across::default();
    for (token, entry) in tokens.iter().zip(&mut seen[PAD..]).rev() {
        entry.after = across.next(token, entry.is_plain());
    }
}

/// What a token finds when it looks across marks.
struct Across {
    word: u32,
    marks: u32,
}

impl Default for Across {
    fn default() -> Self {
        Self { word: NOTHING, marks: 0 }
    }
}

/// No word, or too far off.
const NOTHING: u32 = 0xee;

impl Across {
    /// What the token finds, and then what the next one may find.
    #[inline]
    fn next(&mut self, token: &Token, plain: bool) -> u32 {
        let found = if plain { NOTHING } else { mix(self.word, self.marks) };
        // Selected, not branched on: where marks are cannot be foretold.
        let mark = token.case == Case::Mark;
        self.marks = if mark { self.marks + 1 } else { 0 };
        self.word = if !mark {
            token.word
        } else if self.marks > 7 {
            NOTHING
        } else {
            self.word
        };
        found
    }
}

/// Two values under the number of their feature: the upper half of a sum of products (multilinear hashing).
#[inline]
const fn two(number: u64, a: u32, b: u32) -> u32 {
    three(number, a, b, 0)
}

/// Three values under the number of their feature.
#[inline]
const fn three(number: u64, a: u32, b: u32, c: u32) -> u32 {
    let sum = (a as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((b as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
        .wrapping_add((c as u64).wrapping_mul(0x1656_67b1_9e37_79f9))
        .wrapping_add(number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    (sum >> 32) as u32
}

/// The features of the token in the middle of five, in the order of the model.
pub fn features(window: &[Seen; 2 * PAD + 1]) -> [u32; FEATURES] {
    let [b2, b1, t, n1, n2] = window;
    let mut features = [0; FEATURES];
    let (own_of, rest) = features.split_at_mut(OWN);
    own_of.copy_from_slice(&own(t));
    let (beside_of, near_of) = rest.split_at_mut(BESIDE);
    let mut at = 0;
    for of in [&behind(b1)[..], &before(n1), &behind_next(b2), &before_next(n2)] {
        beside_of[at..at + of.len()].copy_from_slice(of);
        at += of.len();
    }
    near_of.copy_from_slice(&near(window));
    features
}

/// Features of a token by itself.
const OWN: usize = 7;
/// Features of the tokens beside it, each by itself.
const BESIDE: usize = 12;
/// Features of several tokens, or of where they stand.
const NEAR: usize = 6;

/// Those that a token has by itself, wherever it stands.
#[inline]
fn own(t: &Seen) -> [u32; OWN] {
    let case = u32::from(t.case);
    [
        two(0, t.word, 0),
        two(1, t.word, case),
        two(2, t.prefix, case),
        two(3, t.suffix[0], case),
        two(4, t.suffix[1], case),
        two(5, t.suffix[2], case),
        two(6, t.listed, 0),
    ]
}

/// Those that it gives to the token behind it.
#[inline]
fn behind(t: &Seen) -> [u32; 4] {
    let (case, shape) = (u32::from(t.case), u32::from(t.shape));
    [two(7, t.word, 0), two(8, t.listed, 0), two(9, t.suffix[1], case), two(10, shape, 0)]
}

/// To the token before it.
#[inline]
fn before(t: &Seen) -> [u32; 4] {
    let (case, shape) = (u32::from(t.case), u32::from(t.shape));
    [two(11, t.word, 0), two(12, t.listed, 0), two(13, t.suffix[1], case), two(14, shape, 0)]
}

/// To the next one behind it.
#[inline]
fn behind_next(t: &Seen) -> [u32; 2] {
    [two(15, t.word, 0), two(16, t.listed, 0)]
}

/// To the next one before it.
#[inline]
fn before_next(t: &Seen) -> [u32; 2] {
    [two(17, t.word, 0), two(18, t.listed, 0)]
}

/// The other features of the token in the middle of five. Of a mark or a line break the words around it are left out: half of the tokens of code are
/// such, and pairs with them took rows from those of words, which say more.
#[inline]
fn near([_, b1, t, n1, _]: &[Seen; 2 * PAD + 1]) -> [u32; NEAR] {
    let [pair, before, after] = if t.is_plain() { alone(t) } else { in_words(b1, t) };
    let [written, touched] = placed(t);
    [pair, written, listed_around(b1, t, n1), before, after, touched]
}

/// Those of a token with the words around it.
#[inline]
fn in_words(b1: &Seen, t: &Seen) -> [u32; 3] {
    let case = u32::from(t.case);
    [two(19, b1.word, t.word), two(22, t.before, case), two(23, t.after, case)]
}

/// The same of a mark or a line break, which it has by itself.
#[inline]
fn alone(t: &Seen) -> [u32; 3] {
    let case = u32::from(t.case);
    [two(19, 0, t.word), two(22, NOTHING, case), two(23, NOTHING, case)]
}

/// Those of how a token is written and where it stands.
#[inline]
fn placed(t: &Seen) -> [u32; 2] {
    let (shape, case) = (u32::from(t.shape), u32::from(t.case));
    let (mode, register) = (u32::from(t.mode), u32::from(t.register));
    [three(20, shape, mode, register), three(24, case, u32::from(t.touched), register)]
}

/// That of what is listed of a token and of those beside it.
#[inline]
fn listed_around(b1: &Seen, t: &Seen, n1: &Seen) -> u32 {
    // Of the sentence and of the block.
    let around = u32::from(t.mode) & 15 | (u32::from(t.register) >> 2 & 3) << 2;
    three(21, b1.listed_roughly, t.listed_roughly, n1.listed_roughly.wrapping_add(around))
}

/// What features sum up to: those of a token by itself, for it and for the tokens beside it, and those of where it stands. A text has few words, and few
/// ways in which they stand, again and again, so these are kept. What is kept is known by all that it is made of: it never changes a sum.
#[derive(Debug)]
pub struct Known {
    sums: Vec<Entry>,
    /// Of how a token is written and where it stands, with all that says so.
    placed: Vec<(u32, i16x8)>,
    /// Words with what the gazetteers say of them, and whether that was looked up.
    flags: Vec<(u32, u16, bool)>,
    /// Not kept: where words are in a run, and their features with the words around them.
    words: Vec<(u32, [u32; 3])>,
}

/// Words that are kept.
const KNOWN: usize = 1 << 12;
/// Words whose flags are kept.
const FLAGS: usize = 1 << 13;

/// Ways to stand that are kept.
const PLACED: usize = 1 << 11;

/// Where a hash is kept: one of so many places, a power of two.
#[inline]
const fn slot<const PLACES: usize>(hash: u32) -> usize {
    (hash.wrapping_mul(0x9e37_79b1) >> (32 - PLACES.trailing_zeros())) as usize
}

/// In two lines of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(128))]
struct Entry {
    word: u32,
    prefix: u32,
    suffix: [u32; 3],
    listed: u32,
    shape: u8,
    sums: Parts,
}

/// For the token itself, the one behind it, the one before it, and the next ones on both sides.
type Parts = [i16x8; 5];

/// No token has this shape.
const NO_SHAPE: u8 = 0xff;

impl Default for Known {
    fn default() -> Self {
        let sums = [i16x8::ZERO; 5];
        let none = Entry { word: 0, prefix: 0, suffix: [0; 3], listed: 0, shape: NO_SHAPE, sums };
        let nowhere = (u32::from(NO_SHAPE), i16x8::ZERO);
        Self {
            sums: vec![none; KNOWN],
            placed: vec![nowhere; PLACED],
            flags: vec![(0, 0, false); FLAGS],
            words: Vec::new(),
        }
    }
}

impl Known {
    /// [`Gazetteer::flags`].
    #[inline]
    pub fn flags(&mut self, gazetteer: &Gazetteer<'_>, word: u32) -> u16 {
        let kept = &mut self.flags[slot::<FLAGS>(word)];
        if (kept.0, kept.2) != (word, true) {
            *kept = (word, gazetteer.flags(word), true);
        }
        kept.1
    }

    #[inline]
    fn parts(&mut self, model: &Model<'_>, t: &Seen) -> &Parts {
        let entry = &mut self.sums[slot::<KNOWN>(t.word ^ u32::from(t.case) << 7)];
        let known = (entry.word, entry.prefix, entry.suffix, entry.listed, entry.shape);
        if known != (t.word, t.prefix, t.suffix, t.listed, t.shape) {
            *entry = Entry::new(model, t);
        }
        &entry.sums
    }

    #[inline]
    fn placed(&mut self, model: &Model<'_>, t: &Seen) -> i16x8 {
        let way = u32::from_le_bytes([t.shape, t.mode, t.register, t.touched]);
        let kept = &mut self.placed[slot::<PLACED>(way)];
        if kept.0 != way {
            *kept = (way, model.lanes(&placed(t)));
        }
        kept.1
    }
}

impl Entry {
    #[cold]
    #[inline(never)]
    fn new(model: &Model<'_>, t: &Seen) -> Self {
        let own = model.lanes(&own(t));
        let own = if t.is_plain() { own + model.lanes(&alone(t)) } else { own };
        let sums = [
            own,
            model.lanes(&behind(t)),
            model.lanes(&before(t)),
            model.lanes(&behind_next(t)),
            model.lanes(&before_next(t)),
        ];
        let Seen { word, prefix, suffix, listed, shape, .. } = *t;
        Self { word, prefix, suffix, listed, shape, sums }
    }
}

/// Sets `weights` to the sums of all features of the tokens in the middle of `seen`, which has [`PAD`] more on both sides.
pub fn weigh(model: &Model<'_>, seen: &[Seen], known: &mut Known, weights: &mut [Sums]) {
    // What those before, the token and those behind it have so far: of the second before it all is known by then.
    let mut open = [i16x8::ZERO; 2 * PAD];
    let mut add = |t: &Seen, known: &mut Known| {
        let [own, behind, before, behind_next, before_next] = known.parts(model, t);
        let done = open[0] + *before_next;
        open = [open[1] + *before, open[2] + *own, open[3] + *behind, *behind_next];
        done
    };
    for t in seen.iter().take(2 * PAD) {
        add(t, known);
    }
    let mut in_run = std::mem::take(&mut known.words);
    if in_run.len() < weights.len() {
        in_run.resize(weights.len(), (0, [0; 3]));
    }
    let mut words = 0;
    for (at, (weights, window)) in weights.iter_mut().zip(seen.array_windows::<{ 2 * PAD + 1 }>()).enumerate() {
        let [_, b1, t, n1, n2] = window;
        let single = add(n2, known) + known.placed(model, t);
        *weights = (single + model.lanes(&[listed_around(b1, t, n1)])).to_array();
        in_run[words] = (at as u32, in_words(b1, t));
        words += usize::from(!t.is_plain());
    }
    // By themselves: their rows are all over the table, and so many of them are asked for at once.
    for (at, features) in &in_run[..words] {
        let weights = &mut weights[*at as usize];
        *weights = (i16x8::new(*weights) + model.lanes(features)).to_array();
    }
    known.words = in_run;
}
