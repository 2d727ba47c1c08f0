//! Names of people, places and organisations in running text: a linear-chain model over hashed features and word lists, made by
//! the `train` crate. One pass, no allocation a token, the time is linear in the text. See `docs/tagger.md`.

pub mod features;
pub mod model;
pub mod token;

use std::ops::Range;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use features::{Known, PAD, Seen, describe, flag, weigh};
use model::{LABELS, Model, ModelError, Sums};
use token::{Case, Token, block};
use wide::i16x8;

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// A person.
    Person,
    /// A place: country, region, city, building, street, a postal address.
    Location,
    /// A company, institution, club, band.
    Organization,
    /// A nationality, religion or political group, from a list.
    Nrp,
    /// A title before the name of a person, from a list.
    Title,
}

impl Label {
    /// Every label; the first three in the order of the model.
    pub const ALL: [Self; 5] = [Self::Person, Self::Location, Self::Organization, Self::Nrp, Self::Title];

    /// Its name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Location => "LOCATION",
            Self::Organization => "ORGANIZATION",
            Self::Nrp => "NRP",
            Self::Title => "TITLE",
        }
    }
}

/// A name and its place in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tagged {
    /// First byte.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
    /// What it names.
    pub label: Label,
    /// How sure the model is, 0 to 1: about the share of such findings that are names.
    pub score: f32,
}

/// A model that is ready to tag.
#[derive(Debug)]
pub struct Tagger {
    model: Model<'static>,
    /// What was needed for texts before, for the next ones: at most as many as were tagged at once.
    spare: Mutex<Vec<Work>>,
}

/// The model that is shipped, made by `cargo run --release -p train`.
static SHIPPED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../model/names.bin"));

/// At the start of a line of the cache: then no pair of rows is in two.
#[repr(align(64))]
struct Aligned<T: ?Sized>(T);

impl Tagger {
    /// The shipped tagger. It is read in place: nothing is built at first use.
    pub fn shipped() -> &'static Self {
        static TAGGER: LazyLock<Tagger> =
            LazyLock::new(|| Tagger::from_bytes(&SHIPPED.0).expect("the shipped model is tested"));
        &TAGGER
    }

    /// A tagger over the bytes of another model.
    pub fn from_bytes(bytes: &'static [u8]) -> Result<Self, ModelError> {
        Ok(Self { model: Model::parse(bytes)?, spare: Mutex::default() })
    }

    /// Appends the names in `text` to `found`: in order, apart from each other, offsets in bytes.
    pub fn tag(&self, text: &str, found: &mut Vec<Tagged>) {
        let mut work = self.spare().pop().unwrap_or_default();
        let mut from = 0;
        while from < text.len() {
            let end = block(text, from, &mut work.tokens);
            if end <= from {
                break;
            }
            self.tag_block(&mut work, found);
            from = end;
        }
        self.spare().push(work);
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Work>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tag_block(&self, work: &mut Work, found: &mut Vec<Tagged>) {
        near_words(&work.tokens, &mut work.runs);
        let Work { tokens, runs, known, seen, .. } = work;
        describe(tokens, runs, &self.model.gazetteer, |_, word| known.flags(&self.model.gazetteer, word), seen);
        // What stands there from before is not read: names are in runs.
        work.weights.resize(work.tokens.len(), [0; 8]);
        work.labels.clear();
        work.labels.resize(work.tokens.len(), 0);
        for run in &work.runs {
            let weights = &mut work.weights[run.clone()];
            weigh(&self.model, &work.seen[run.start..run.end + 2 * PAD], &mut work.known, weights);
            let ends = Ends { first: run.start == 0, last: run.end == work.tokens.len() };
            best_path(&self.model.transitions, ends, weights, &mut work.back, &mut work.labels[run.clone()]);
        }
        self.collect(work, found);
    }

    /// Makes findings of the labels: a name runs from its first to its last token that is not a mark.
    fn collect(&self, work: &Work, found: &mut Vec<Tagged>) {
        let mut at = 0;
        while at < work.labels.len() {
            let label = usize::from(work.labels[at]);
            if label == 0 {
                if work.seen[at + PAD].flags & (flag::TITLE | flag::NRP) != 0 {
                    listed(work, at, found);
                }
                at += 1;
                continue;
            }
            let kind = (label - 1) / 2;
            let inside = (kind * 2 + 2) as u8;
            let length = 1 + work.labels[at + 1..].iter().take_while(|&&next| next == inside).count();
            let tokens = &work.tokens[at..at + length];
            let visible = |token: &&Token| !matches!(token.case, Case::Mark | Case::Break);
            if let (Some(first), Some(last)) = (tokens.iter().find(visible), tokens.iter().rfind(visible)) {
                let margin = margin(&work.weights[at..at + length], &work.labels[at..at + length]);
                if plausible(work, at, length) {
                    found.push(Tagged {
                        start: first.start,
                        end: last.end,
                        label: Label::ALL[kind],
                        score: self.model.score(margin),
                    });
                }
            }
            at += length;
        }
    }
}

/// Takes back what is no name: a bare number where nothing speaks of a postcode, and tables of numbers with a word in them.
fn plausible(work: &Work, at: usize, length: usize) -> bool {
    let postcode = |seen: &Seen| seen.flags & flag::STREET_WORD != 0;
    let tokens = &work.tokens[at..at + length];
    let words = tokens.iter().filter(|token| token.is_word()).count();
    let numbers = tokens.iter().filter(|token| token.case == Case::Digits).count();
    if words == 0 { work.seen[..at + PAD].iter().rev().take(3).any(postcode) } else { numbers <= 2 * words + 3 }
}

/// The score of what a closed list holds.
const LISTED: f32 = 0.9;

/// A token of a list that the model left alone: a title when a person follows, or the word of a nation, religion or party.
fn listed(work: &Work, at: usize, found: &mut Vec<Tagged>) {
    let (Some(token), Some(seen)) = (work.tokens.get(at), work.seen.get(at + PAD)) else { return };
    let label = if seen.flags & flag::TITLE != 0 {
        let dot = work.tokens.get(at + 1).is_some_and(|next| next.glued && next.case == Case::Mark);
        let person = work.labels.get(at + 1 + usize::from(dot)) == Some(&1);
        person.then_some(Label::Title)
    } else if seen.flags & flag::NRP != 0 {
        // Some are common words too (*polish*): these count only with a capital that is not the sentence's.
        let common = seen.flags & flag::COMMON != 0;
        let capital = matches!(token.case, Case::Title | Case::Upper);
        (if common { capital && !seen.begins_sentence() } else { capital || token.case == Case::Lower })
            .then_some(Label::Nrp)
    } else {
        None
    };
    if let Some(label) = label {
        found.push(Tagged { start: token.start, end: token.end, label, score: LISTED });
    }
}

/// By how much the labels of a name were preferred to none, on average over its tokens.
pub fn margin(weights: &[Sums], labels: &[u8]) -> i32 {
    let sum: i32 = weights
        .iter()
        .zip(labels)
        .map(|(sums, &label)| i32::from(sums[usize::from(label) & 7]) - i32::from(sums[0]))
        .sum();
    sum / i32::from(labels.len().max(1) as u16)
}

/// What tagging a block needs, used again for the next one.
#[derive(Debug, Default)]
struct Work {
    tokens: Vec<Token>,
    seen: Vec<Seen>,
    known: Known,
    /// By token of a run, from [`weigh`].
    weights: Vec<Sums>,
    /// Where names may be.
    runs: Vec<Range<usize>>,
    back: Vec<[u8; 8]>,
    labels: Vec<u8>,
}

/// How many tokens on both sides of a word may be of a name with it.
const BESIDE: usize = 4;

/// Sets the runs of tokens that are words or near one: a number far from every word is no name.
fn near_words(tokens: &[Token], runs: &mut Vec<Range<usize>>) {
    runs.clear();
    for at in tokens.iter().enumerate().filter(|(_, token)| token.is_word()).map(|(at, _)| at) {
        let (start, end) = (at.saturating_sub(BESIDE), (at + BESIDE + 1).min(tokens.len()));
        match runs.last_mut() {
            Some(run) if start <= run.end => run.end = end,
            _ => runs.push(start..end),
        }
    }
}

/// Whether a run of tokens is the start and the end of its block. Elsewhere it is between tokens that are of no name.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// It is the start.
    pub first: bool,
    /// It is the end.
    pub last: bool,
}

impl Ends {
    /// Those of a whole block.
    pub const BLOCK: Self = Self { first: true, last: true };
}

/// The best sequence of labels (Viterbi), one for each of `weights`: `I` follows only `B` or `I` of its kind, which the trainer writes into
/// `transitions`. The three lowest bits of a score carry the label that it came from, so that one maximum keeps both. Scores are those above a path
/// that ends in label 0, which every label can go to: they stay within some steps of it. Of weights up to 700 the path is the best one (tested); above
/// that scores are cut off at what fits in 16 bits, and another may be taken.
pub fn best_path(
    transitions: &[[i16; 8]; 8],
    ends: Ends,
    weights: &[Sums],
    back: &mut Vec<[u8; 8]>,
    labels: &mut [u8],
) {
    let mut from = -1;
    let steps = transitions.map(|row| {
        from += 1;
        within(eight(row.into())) | i16x8::splat(from)
    });
    let labels_of = i16x8::splat(7);
    back.clear();
    let mut scores = i16x8::ZERO;
    for (i, sums) in weights.iter().enumerate() {
        let mut best = steps[if ends.first { LABELS } else { 0 }];
        if i > 0 {
            let from = scores.to_array();
            let step = |label: usize| i16x8::splat(from[label]).saturating_add(steps[label]);
            best = (1..LABELS).fold(step(0), |best, label| best.max(step(label)));
        }
        back.push((best & labels_of).to_array().map(|label| label.to_le_bytes()[0]));
        let sums = (best & !labels_of).saturating_add(eight((*sums).into()));
        scores = within(sums.saturating_sub(i16x8::splat(sums.to_array()[0])) & !labels_of);
    }
    if !ends.last {
        scores = scores.saturating_add(eight(transitions.map(|steps| steps[0]).into()));
    }
    let scores = scores.to_array();
    let mut label = (0..LABELS).rev().max_by_key(|&label| scores[label]).unwrap_or(0) as u8;
    for (to, from) in labels.iter_mut().zip(&*back).rev() {
        *to = label;
        label = from[usize::from(label) & 7];
    }
}

/// Multiples of eight as far as two of them with a label add up to what fits.
fn within(scores: i16x8) -> i16x8 {
    const MOST: i16 = (i16::MAX >> 4) << 3;
    scores.max(i16x8::splat(-MOST)).min(i16x8::splat(MOST))
}

/// Eight times as much, as far as that fits: the lowest three bits are 0.
fn eight(weights: i16x8) -> i16x8 {
    const MOST: i16 = i16::MAX >> 3;
    weights.max(i16x8::splat(-MOST)).min(i16x8::splat(MOST)) << 3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tagged(text: &str) -> Vec<(&str, Label)> {
        let mut found = Vec::new();
        Tagger::shipped().tag(text, &mut found);
        found.iter().map(|name| (&text[name.start..name.end], name.label)).collect()
    }

    #[test]
    fn names_in_every_case() {
        for text in ["John Smith lives in Paris.", "john smith lives in paris", "MR JOHN SMITH LIVES IN PARIS"] {
            let found: Vec<_> = tagged(text).into_iter().map(|(name, label)| (name.to_lowercase(), label)).collect();
            assert!(found.contains(&("john smith".to_owned(), Label::Person)), "{text}: {found:?}");
            assert!(found.contains(&("paris".to_owned(), Label::Location)), "{text}: {found:?}");
        }
        assert!(tagged("MR JOHN SMITH").contains(&("MR", Label::Title)));
    }

    #[test]
    fn names_in_fields_and_addresses() {
        assert_eq!(tagged(r#"{"name":"Mary Johnson","count":48213}"#), [("Mary Johnson", Label::Person)]);
        assert_eq!(
            tagged("Address: 123 Main St, Springfield, IL 62704"),
            [("123 Main St, Springfield, IL 62704", Label::Location)]
        );
        assert!(
            tagged("She works at Miller & Sons Ltd in Leeds.").contains(&("Miller & Sons Ltd", Label::Organization))
        );
        assert!(tagged("The Russian language has six cases.").contains(&("Russian", Label::Nrp)));
    }

    #[test]
    fn text_without_names_is_left_alone() {
        for text in [
            "",
            "The committee will mark the papers in May and bill the customer on Monday.",
            "let mut rows = Vec::new(); for row in rows { println!(\"{row}\"); }",
            r#"{"id": "550e8400-e29b-41d4-a716-446655440000", "count": 12345, "ok": true}"#,
            "12345\t678\t90.12\n55555\t1\t-7",
        ] {
            assert_eq!(tagged(text), [], "{text}");
        }
    }

    #[test]
    fn a_long_text_gives_what_its_parts_give() {
        let line = "Please call Susan Miller in Boston.\n";
        let once = tagged(line).len();
        assert!(once >= 2);
        assert_eq!(tagged(&line.repeat(3_000)).len(), once * 3_000);
    }

    /// Whatever the bytes are: no panic, and findings in order, apart, on character boundaries, in the text.
    fn well_formed(text: &str) {
        let mut found = Vec::new();
        Tagger::shipped().tag(text, &mut found);
        let mut last = 0;
        for name in found {
            assert!(last <= name.start && name.start < name.end && name.end <= text.len());
            assert!(text.is_char_boundary(name.start) && text.is_char_boundary(name.end));
            assert!((0.0..=1.0).contains(&name.score));
            last = name.end;
        }
    }

    #[test]
    fn endless_runs_take_linear_time() {
        for unit in ["a", "A", "-", "1", "\n", "a.", "John ", "\u{300}", "漢", "\u{200d}", "New York "] {
            let time = |count: usize| {
                let text = unit.repeat(count);
                let started = std::time::Instant::now();
                well_formed(&text);
                started.elapsed().as_secs_f64()
            };
            let small = time(20_000).max(0.002);
            let large = time(200_000);
            assert!(large < small * 100.0, "{unit:?}: {small} s, then {large} s for ten times as much");
        }
    }

    /// What is kept of words changes no sum, whatever words were before.
    #[test]
    fn sums_are_those_of_the_features() {
        let (mut work, model) = (Work::default(), &Tagger::shipped().model);
        let text = "Dear Ms. Zoë O'Brien, the bank (est. 1989) in New York wrote: \"see p. 12\".\n".repeat(3)
            + "fn open(path: &Path) -> io::Result<File> { x.y_z(3f9a0b7c1d4e) }\n\nДмитрий Иванов, 東京\n";
        for text in [text.clone(), text.to_uppercase(), text.to_lowercase(), text] {
            let mut from = 0;
            while from < text.len() {
                from = block(&text, from, &mut work.tokens);
                let whole = 0..work.tokens.len();
                let Work { tokens, known, seen, .. } = &mut work;
                let flags = |_, word| known.flags(&model.gazetteer, word);
                describe(tokens, std::slice::from_ref(&whole), &model.gazetteer, flags, seen);
                work.weights.resize(work.tokens.len(), [0; 8]);
                weigh(model, &work.seen, &mut work.known, &mut work.weights);
                for (weights, window) in work.weights.iter().zip(work.seen.array_windows()) {
                    assert_eq!(*weights, model.sums(&features::features(window)));
                }
            }
        }
    }

    #[test]
    fn names_are_looked_for_near_words() {
        let mut tokens = Vec::new();
        let mut runs = Vec::new();
        block("12 34 56 78 90 Main 1 2 3 4 5 6, 7.8.9 3f9a0b7c1d4e", 0, &mut tokens);
        near_words(&tokens, &mut runs);
        assert_eq!(runs.as_slice(), std::slice::from_ref(&(1..10)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        /// By definition.
        #[test]
        fn runs_are_of_what_is_near_words(text in "([0-9]{1,2} |[a-z] |[.,] ){0,60}") {
            let (mut tokens, mut runs) = (Vec::new(), Vec::new());
            block(&text, 0, &mut tokens);
            near_words(&tokens, &mut runs);
            let near = |at: usize| tokens[at.saturating_sub(BESIDE)..(at + BESIDE + 1).min(tokens.len())].iter().any(Token::is_word);
            let all: Vec<_> = (0..tokens.len()).filter(|at| near(*at)).collect();
            prop_assert!(runs.array_windows().all(|[run, next]| run.end < next.start));
            prop_assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), all);
        }

        #[test]
        fn any_text(text in "\\PC{0,200}|[ \\n.,:\"a-zA-Z0-9éÄшΩ漢\\u{300}\\u{200d}\\u{feff}]{0,3000}") {
            well_formed(&text);
        }

        #[test]
        fn any_bytes_that_are_nearly_text(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            well_formed(&String::from_utf8_lossy(&bytes));
        }

        /// No sequence of labels is worth more, and none that is not allowed is taken.
        #[test]
        fn the_best_path_is_the_best(
            weights in proptest::collection::vec(proptest::array::uniform8(-700_i16..700), 1..40),
            (first, last) in any::<(bool, bool)>(),
        ) {
            let transitions = &Tagger::shipped().model.transitions;
            let mut labels = vec![0; weights.len()];
            best_path(transitions, Ends { first, last }, &weights, &mut Vec::new(), &mut labels);
            let step = |from: usize, to: usize| i32::from(transitions[from][to]);
            let before = if first { LABELS } else { 0 };
            let (mut worth, mut at) = (0, before);
            let mut best: Vec<_> = (0..LABELS).map(|to| step(before, to)).collect();
            for (i, (sums, label)) in weights.iter().zip(&labels).enumerate() {
                worth += step(at, usize::from(*label)) + i32::from(sums[usize::from(*label)]);
                at = usize::from(*label);
                if i > 0 {
                    let to = |to| (0..LABELS).map(|from| best[from] + step(from, to)).max().unwrap();
                    best = (0..LABELS).map(to).collect();
                }
                best.iter_mut().zip(sums).for_each(|(best, sum)| *best += i32::from(*sum));
            }
            if !last {
                worth += step(at, 0);
                best.iter_mut().enumerate().for_each(|(from, best)| *best += step(from, 0));
            }
            prop_assert_eq!(worth, *best.iter().max().unwrap());
        }

        #[test]
        fn any_weights_give_labels(
            weights in proptest::collection::vec(proptest::array::uniform8(-3_200_i16..3_200), 1..20),
            (first, last) in any::<(bool, bool)>(),
        ) {
            let mut labels = vec![0; weights.len()];
            let transitions = &Tagger::shipped().model.transitions;
            best_path(transitions, Ends { first, last }, &weights, &mut Vec::new(), &mut labels);
            prop_assert!(labels.iter().all(|label| usize::from(*label) < LABELS));
        }

        #[test]
        fn any_bytes_as_a_model(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Tagger::from_bytes(Vec::leak(bytes));
        }
    }
}
