//! What [`describe`](super::describe) sets, one reading for each thing and as it is defined: what the fast one is held to.

use std::ops::Range;

use proptest::prelude::*;

use super::super::token::{Case, Sign, Token, block, mix, phrase_hash};
use super::super::{Tagger, near_words};
use super::{Density, EDGE, FIRST, Gazetteer, Mode, PAD, PHRASE, Seen, ends_sentence, flag, widened};

/// As [`super::describe`].
fn describe(
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

/// Checks that both describe a text alike, block after block.
fn described_alike(text: &str) {
    let gazetteer = &Tagger::shipped().model.gazetteer;
    let flags = |_, word| gazetteer.flags(word);
    let (mut tokens, mut runs, mut fast, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut from = 0;
    while from < text.len() {
        from = block(text, from, &mut tokens);
        near_words(&tokens, &mut runs);
        super::describe(&tokens, &runs, gazetteer, flags, &mut fast);
        describe(&tokens, &runs, gazetteer, flags, &mut plain);
        assert_eq!(fast.len(), plain.len());
        // What is between runs is not looked at.
        for i in runs.iter().flat_map(|run| run.start..run.end + 2 * PAD) {
            assert_eq!(fast[i], plain[i], "token {i} of {:?}", &text[..from]);
        }
    }
}

#[test]
fn files_are_described_alike() {
    for text in [
        include_str!("../features.rs"),
        include_str!("../../engine.rs"),
        include_str!("../../../Cargo.toml"),
        include_str!("../../../NOTICE"),
        include_str!("../../builtin/bank.toml"),
        include_str!("../../../../docs/tagger.md"),
        include_str!("../../../../Makefile"),
    ] {
        described_alike(text);
        described_alike(&text.to_uppercase());
        described_alike(&text.replace('\n', " "));
    }
}

proptest! {
    #[test]
    fn any_text_is_described_alike(
        text in "([A-Z][a-z]{0,8}|[a-z]{1,9}|[A-Z]{1,5}|New|York|San|de|Mr|[0-9]{1,3}|[-.:,;=_'\"`(){}/#*!?]{1,2}|//|--|[ \n]|\n\n|\u{e9}|\u{2019}|\u{6f22}){0,300}",
    ) {
        described_alike(&text);
    }

    #[test]
    fn any_words_are_described_alike(text in "([A-Za-z]{1,6}[ .\n]|New York |South |of |the |\\. |! ){0,200}") {
        described_alike(&text);
    }
}
