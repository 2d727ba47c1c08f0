//! What the model is told of a token: hashes of the words around it, of how they are written and of what the gazetteers say of
//! them. The trainer and the tagger call the same functions, so a model means the same to both.

use std::ops::Range;

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
#[derive(Clone, Copy, Debug)]
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
            let case = token.case as u8;
            seen.push(Seen {
                word: token.word,
                prefix: token.prefix,
                suffix: token.suffix,
                shape: case | u8::from(token.glued) << 4 | length << 5,
                case: case | u8::from(token.glued) << 4,
                listed: 0,
                flags,
                ..EDGE
            });
        }
    }
    seen.resize(tokens.len() + 2 * PAD, EDGE);
    phrases(tokens, gazetteer, seen);
    for run in widened(runs, tokens.len()) {
        for entry in &mut seen[run.start + PAD..run.end + PAD] {
            let phrase = entry.listed & 3;
            entry.listed = mix(mix(21, u32::from(entry.flags) | phrase << 16), u32::from(entry.case & 15));
            entry.listed_roughly = mix(mix(22, roughly(entry.flags) | phrase << 8), u32::from(entry.case & 15));
        }
    }
    modes(tokens, &mut seen[..tokens.len() + PAD]);
    registers(tokens, &mut seen[..tokens.len() + PAD]);
    words_across_marks(tokens, seen);
}

/// Runs of tokens, of which there are `len`, with [`PAD`] more on both sides and none twice.
fn widened(runs: &[Range<usize>], len: usize) -> impl Iterator<Item = Range<usize>> {
    runs.iter().scan(0, move |done, run| {
        let start = run.start.saturating_sub(PAD).max(*done);
        *done = (run.end + PAD).min(len);
        Some(start..*done)
    })
}

/// Marks names of several words: 1 on the first token, 2 on the others, kept in `listed` until the flags are folded into it.
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
        seen[from + PAD].listed = 1;
        for entry in &mut seen[from + PAD + 1..from + PAD + length] {
            entry.listed = 2;
        }
        from += length;
    }
}

/// The flags in eight groups.
fn roughly(flags: u16) -> u32 {
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
    GROUPS.iter().enumerate().map(|(i, group)| u32::from(flags & group != 0) << i).sum()
}

/// Sets the mode of each sentence, and in it whether the token is the first word.
fn modes(tokens: &[Token], seen: &mut [Seen]) {
    let (mut from, mut counts, mut first) = (0, [0_u32; 3], None);
    for (i, token) in tokens.iter().enumerate() {
        if token.sign == Sign::Word {
            first = first.or(Some(i));
            match token.case {
                Case::Upper => counts[0] += 1,
                Case::Title | Case::Mixed => counts[1] += 1,
                Case::Lower => counts[2] += u32::from(token.length > 3),
                _ => {}
            }
        } else if ends_sentence(token, tokens.get(i + 1)) {
            sentence(counts, first.unwrap_or(i) - from, &mut seen[from + PAD..i + 1 + PAD]);
            (from, counts, first) = (i + 1, [0; 3], None);
        }
    }
    if from < tokens.len() {
        sentence(counts, first.unwrap_or(tokens.len()) - from, &mut seen[from + PAD..tokens.len() + PAD]);
    }
}

/// Whether a sentence ends behind a token that is no word.
fn ends_sentence(token: &Token, next: Option<&Token>) -> bool {
    const SIGNS: [u32; 3] = [mix(3, '.' as u32), mix(3, '!' as u32), mix(3, '?' as u32)];
    token.case == Case::Break
        || matches!(token.sign, Sign::Dot | Sign::Other)
            && SIGNS.contains(&token.word)
            && next.is_some_and(|next| !next.glued && next.case != Case::Break)
}

/// Sets the mode of a sentence of so many words in capitals, with a capital, and longer ones without; `first` is the place of its first word.
fn sentence([upper, title, lower]: [u32; 3], first: usize, seen: &mut [Seen]) {
    let mode = if upper >= 2 && upper > 2 * (lower + title) {
        Mode::Capitals
    } else if lower >= 2 && upper + title == 0 {
        Mode::LowerCase
    } else if title >= 3 && title > 2 * lower {
        Mode::Headline
    } else {
        Mode::Sentence
    };
    for (i, entry) in seen.iter_mut().enumerate() {
        entry.mode = mode as u8 | if i <= first { FIRST } else { 0 };
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
fn count(token: &Token, last: &Token, density: &mut Density) {
    density.marks += match token.sign {
        Sign::Word => {
            density.words += 1;
            // `x.y`, `name2`, `camelCase`
            u32::from(token.glued && matches!(last.sign, Sign::Dot | Sign::Digits)) * 2
                + u32::from(token.case == Case::Camel) * 2
        }
        Sign::Underscore | Sign::Equals => 2,
        Sign::Other => 1 + u32::from(token.glued),
        Sign::Open | Sign::Close | Sign::Quote | Sign::Backtick | Sign::Colon | Sign::Slash | Sign::Dash => {
            u32::from(token.glued)
        }
        Sign::Digits => u32::from(token.glued && last.sign == Sign::Word),
        Sign::None | Sign::Apostrophe | Sign::Dot | Sign::Comma => 0,
    };
}

/// Sets how the line and the block are written (bits 0–1 and 2–3), whether the token is in quotes (bit 4) or behind the sign of a
/// comment (bit 5), and which signs touch it.
fn registers(tokens: &[Token], seen: &mut [Seen]) {
    let mut whole = Density::default();
    let mut line = Density::default();
    let (mut quote, mut comment, mut first, mut last) = (Sign::None, false, true, &Token::EDGE);
    let mut from = 0;
    for (i, token) in tokens.iter().enumerate() {
        if token.sign == Sign::None {
            let level = line.level();
            seen[from + PAD..i + PAD].iter_mut().for_each(|entry| entry.register |= level);
            whole = Density { words: whole.words + line.words, marks: whole.marks + line.marks };
            (line, quote, comment, first, from) = (Density::default(), Sign::None, false, true, i);
            last = token;
            continue;
        }
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
        first = false;
        last = token;
    }
    let level = line.level();
    seen[from + PAD..].iter_mut().for_each(|entry| entry.register |= level);
    let level = Density { words: whole.words + line.words, marks: whole.marks + line.marks }.level() << 2;
    seen[PAD..].iter_mut().for_each(|entry| entry.register |= level);
}

/// Sets the words that stand before and after a token when only marks, at most seven, are between. A mark has none: rows are for words.
fn words_across_marks(tokens: &[Token], seen: &mut [Seen]) {
    across(tokens.iter().zip(&mut seen[PAD..]), |entry, word| entry.before = word);
    across(tokens.iter().zip(&mut seen[PAD..]).rev(), |entry, word| entry.after = word);
}

/// Hands each token what came before it in the order given.
fn across<'a>(order: impl Iterator<Item = (&'a Token, &'a mut Seen)>, set: impl Fn(&mut Seen, u32)) {
    let (mut word, mut marks) = (0xee, 0);
    for (token, entry) in order {
        set(entry, if entry.is_plain() { 0xee } else { mix(word, marks) });
        // Selected, not branched on: where marks are cannot be foretold.
        let mark = token.case == Case::Mark;
        marks = if mark { marks + 1 } else { 0 };
        word = if !mark {
            token.word
        } else if marks > 7 {
            0xee
        } else {
            word
        };
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
    let (shape, case) = (u32::from(t.shape), u32::from(t.case));
    let (mode, register) = (u32::from(t.mode), u32::from(t.register));
    // Of the sentence and of the block.
    let around = mode & 15 | (register >> 2 & 3) << 2;
    [
        two(19, if t.is_plain() { 0 } else { b1.word }, t.word),
        three(20, shape, mode, register),
        three(21, b1.listed_roughly, t.listed_roughly, n1.listed_roughly.wrapping_add(around)),
        two(22, t.before, case),
        two(23, t.after, case),
        three(24, case, u32::from(t.touched), register),
    ]
}

/// What the features of a token by itself sum up to: for it, and for the tokens beside it. A text has few words again and again, so these are
/// kept. A word is known by all that they are made of: what is kept never changes a sum.
#[derive(Debug)]
pub struct Known {
    sums: Vec<Entry>,
    /// Words with what the gazetteers say of them, and whether that was looked up.
    flags: Vec<(u32, u16, bool)>,
}

/// Words that are kept.
const KNOWN: usize = 1 << 12;

/// Where a hash is kept: one of [`KNOWN`] places.
#[inline]
const fn slot(hash: u32) -> usize {
    (hash.wrapping_mul(0x9e37_79b1) >> (32 - KNOWN.trailing_zeros())) as usize
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    word: u32,
    prefix: u32,
    suffix: [u32; 3],
    listed: u32,
    shape: u8,
    sums: Parts,
}

/// For the token itself, the one behind it, the one before it, and the next ones on both sides.
pub type Parts = [Sums; 5];

impl Default for Known {
    fn default() -> Self {
        // No token has this shape.
        let none = Entry { word: 0, prefix: 0, suffix: [0; 3], listed: 0, shape: 0xff, sums: [[0; 8]; 5] };
        Self { sums: vec![none; KNOWN], flags: vec![(0, 0, false); KNOWN] }
    }
}

impl Known {
    /// [`Gazetteer::flags`].
    #[inline]
    pub fn flags(&mut self, gazetteer: &Gazetteer<'_>, word: u32) -> u16 {
        let kept = &mut self.flags[slot(word)];
        if (kept.0, kept.2) != (word, true) {
            *kept = (word, gazetteer.flags(word), true);
        }
        kept.1
    }

    #[inline]
    fn parts(&mut self, model: &Model<'_>, t: &Seen) -> &Parts {
        let entry = &mut self.sums[slot(t.word ^ u32::from(t.case) << 7)];
        let known = (entry.word, entry.prefix, entry.suffix, entry.listed, entry.shape);
        if known != (t.word, t.prefix, t.suffix, t.listed, t.shape) {
            let sums = [
                model.sums(&own(t)),
                model.sums(&behind(t)),
                model.sums(&before(t)),
                model.sums(&behind_next(t)),
                model.sums(&before_next(t)),
            ];
            let Seen { word, prefix, suffix, listed, shape, .. } = *t;
            *entry = Entry { word, prefix, suffix, listed, shape, sums };
        }
        &entry.sums
    }
}

/// Sets `weights` to the sums of all features of the tokens in the middle of `seen`, which has [`PAD`] more on both sides; before and behind
/// them are twice as many without meaning.
pub fn weigh(model: &Model<'_>, seen: &[Seen], known: &mut Known, weights: &mut Vec<Sums>) {
    weights.clear();
    weights.resize(seen.len() + 2 * PAD, [0; 8]);
    for (at, t) in seen.iter().enumerate() {
        let parts = known.parts(model, t);
        let Some([b2, b1, own, n1, n2]) = weights[at..].first_chunk_mut() else { break };
        for (weights, sums) in [(own, &parts[0]), (n1, &parts[1]), (b1, &parts[2]), (n2, &parts[3]), (b2, &parts[4])] {
            add(weights, sums);
        }
    }
    for (weights, window) in weights[2 * PAD..].iter_mut().zip(seen.array_windows()) {
        add(weights, &model.sums(&near(window)));
    }
}

/// The last is 0: eight are as many as go side by side.
#[inline]
fn add(weights: &mut Sums, sums: &Sums) {
    for (weight, sum) in weights.iter_mut().zip(sums) {
        *weight += sum;
    }
}
