//! Makes the model of the tagger: `cargo run --release -p train`.
//!
//! ```text
//! train                       writes scrub/model/names.bin, then judges it
//! train --out FILE --fold K   leaves the fifth part K of each corpus out, judges by it, and writes FILE
//! train --out FILE --texts N   makes N texts from templates only, for a trial
//! train judge                 judges the shipped model on templates and names that it was not trained on
//! ```

// Counts and weights are small: shares of texts in per cent, weights between -8 and 8, bytes of a file.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "weights and counts are far from the edges of their types"
)]

mod address;
mod calendar;
mod corpora;
mod crf;
mod doc;
mod generate;
mod judge;
mod lists;
mod machine;
mod rng;
mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

use scrub::tagger::features::{FEATURES, describe, features, flag};
use scrub::tagger::model::{MAGIC, Model, STEPS, step_of};
use scrub::tagger::token::block;
use scrub::tagger::{Ends, Tagger, best_path, margin};

use crate::crf::{Block, Crf, NONE, allowed};
use crate::doc::Doc;
use crate::generate::{Generator, Source, Template, machine, templates};
use crate::lists::Lists;
use crate::machine::Kind;
use crate::rng::Rng;
use crate::table::{BUCKETS, Gazetteers, PHRASES, Rows, frequent, gazetteers};

/// log₂ of the rows of the weight table.
const ROWS: u8 = 18;
/// Texts made from templates.
const TEXTS: usize = 100_000;
/// Documents of machine text, for a hundred texts.
const DOCUMENTS: usize = 12;
/// Of a hundred of their lines, so many have names.
const NAMED: usize = 5;
/// Passes over all texts, with the step size of each.
const RATES: [f32; 5] = [0.15, 0.12, 0.09, 0.06, 0.03];
/// Passes of the first training.
const FIRST_RATES: [f32; 2] = [0.15, 0.10];
/// Trainings, each in an order of its own, of which the mean is taken: single ones differ by some tenths of a point.
const TRAININGS: usize = 3;
/// A weight of 1 in the file.
const SCALE: f32 = 16.0;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let lists = Lists::read(&root)?;
    let (train, held_out) = templates(&root.join("train/templates"))?;
    println!("{} templates to train on, {} to judge by", train.len(), held_out.len());
    let (machine_train, machine_held_out) = machine(&root.join("train/templates/machine"))?;
    let train = Templates { texts: train, machine: machine_train };
    let held_out = Templates { texts: held_out, machine: machine_held_out };
    if arguments.first().is_some_and(|a| a == "judge") {
        report(Tagger::shipped(), &lists, &held_out, after("--misses").is_some());
        return Ok(());
    }
    let fold = after("--fold").map(|fold| fold.parse::<u64>()).transpose()?;
    let out = after("--out").map_or_else(|| root.join("model/names.bin"), PathBuf::from);
    let count = after("--texts").map_or(Ok(TEXTS), |count| count.parse())?;
    let model = make(&root, &lists, &train, &held_out, fold, count)?;
    fs::write(&out, &model)?;
    println!(
        "{}: {} bytes, fnv {:016x}",
        out.display(),
        model.len(),
        model.iter().fold(0_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
    );
    let tagger = Tagger::from_bytes(Vec::leak(model))?;
    if let Some(fold) = fold {
        let mut generator = Generator::new(&lists, 31, Source::Train);
        let mut rng = Rng::new(32);
        let sentences = corpora::read(&root.join("train/data"), &lists)?;
        for corpus in
            ["own.natural", "wikigold.natural", "btc", "wnut17", "sec", "europeana_fr", "europeana_de", "europeana_nl"]
        {
            let kept = sentences.iter().filter(|(sentence, _)| sentence.corpus == corpus && sentence.hash % 5 == fold);
            let docs: Vec<Doc> = kept.map(|(sentence, _)| sentence.doc(&mut generator, &mut rng, false)).collect();
            judge::print(corpus, &judge::judge(&tagger, &docs, |_, _| {}));
        }
    }
    report(&tagger, &lists, &held_out, after("--misses").is_some());
    Ok(())
}

/// What texts are made from.
struct Templates {
    texts: Vec<Template>,
    machine: Vec<Kind>,
}

/// All steps from texts to the bytes of the model.
fn make(
    root: &Path,
    lists: &Lists,
    train: &Templates,
    held_out: &Templates,
    fold: Option<u64>,
    count: usize,
) -> Result<Vec<u8>, Failure> {
    let started = Instant::now();
    let step = |what: &str| println!("{:6.1} s  {what}", started.elapsed().as_secs_f64());
    let words = gazetteers(lists);
    println!("{} words found no place in the gazetteer table", words.dropped);
    let mut bytes = file(&Rows::place(std::iter::empty(), 2), 2, &Crf::new(4), &[0; STEPS], &words);
    let docs = texts(root, lists, train, fold, count)?;
    step(&format!("{} texts", docs.len()));
    let lookup = Model::parse(&bytes)?;
    let mut hashes = Vec::new();
    let mut blocks = Vec::new();
    for doc in &docs {
        encode(doc, &lookup, |block, found| {
            hashes.extend(found);
            blocks.push(block);
        });
    }
    step(&format!("{} tokens", hashes.len() / FEATURES));
    let counts = frequent(hashes.clone(), 3);
    println!("{} features occur three times or more", counts.len());
    // A first, short training with a row for nearly all features finds those that decide something.
    let all = Rows::place(counts.iter().map(|&(feature, _)| feature), 22);
    let assign = |blocks: &mut Vec<Block>, rows: &Rows| {
        let mut at = 0;
        for block in blocks {
            let n = block.labels.len() * FEATURES;
            block.rows = hashes[at..at + n].iter().map(|&hash| rows.row(hash).unwrap_or(NONE)).collect();
            at += n;
        }
    };
    assign(&mut blocks, &all);
    let mut crf = Crf::new(all.len());
    let mut rng = Rng::new(7);
    for &rate in &FIRST_RATES {
        crf.epoch(&blocks, &mut rng, rate);
        step("first pass");
    }
    let mut worth: Vec<(i64, u32)> = counts
        .iter()
        .filter_map(|&(feature, count)| {
            let weights = crf.row(all.row(feature)? as usize);
            let (least, most) = weights.iter().fold((f32::MAX, f32::MIN), |(l, m), &w| (l.min(w), m.max(w)));
            let frequency = (count as f32).min(400.0).sqrt();
            Some((-((most - least) * frequency * 1024.0) as i64, feature))
        })
        .collect();
    worth.sort_unstable();
    let rows = Rows::place(worth.into_iter().map(|(_, feature)| feature), ROWS);
    assign(&mut blocks, &rows);
    step("rows chosen");
    let mut crf = Crf::new(rows.len());
    for _ in 0..TRAININGS {
        let mut one = Crf::new(rows.len());
        for rate in RATES {
            one.epoch(&blocks, &mut rng, rate);
        }
        crf.add(&one, 1.0 / TRAININGS as f32);
        step("training");
    }
    drop(blocks);
    bytes = file(&rows, ROWS, &crf, &[0; STEPS], &words);
    let calibration = calibrate(&Model::parse(&bytes)?, lists, held_out);
    Ok(file(&rows, ROWS, &crf, &calibration, &words))
}

/// The texts to train on: templates, corpora, and their variants.
fn texts(root: &Path, lists: &Lists, train: &Templates, fold: Option<u64>, count: usize) -> Result<Vec<Doc>, Failure> {
    let mut rng = Rng::new(3);
    let mut generator = Generator::new(lists, 1, Source::Train);
    let mut docs = Vec::new();
    for _ in 0..count {
        let mut doc = generator.text(&train.texts);
        doc.vary(&mut rng);
        docs.push(doc);
        if rng.chance(DOCUMENTS) {
            docs.push(generator.document(&train.machine, NAMED));
        }
    }
    for (sentence, times) in corpora::read(&root.join("train/data"), lists)? {
        if fold.is_some_and(|fold| sentence.hash % 5 == fold) {
            continue;
        }
        for time in 0..times {
            let mut doc = sentence.doc(&mut generator, &mut rng, time > 0);
            if time > 0 {
                doc.vary(&mut rng);
            }
            docs.push(doc);
        }
    }
    Ok(docs)
}

/// Labels and features of a text, block by block.
fn encode(doc: &Doc, model: &Model<'_>, mut take: impl FnMut(Block, Vec<u32>)) {
    const KEPT: u16 = flag::ORG_WORD | flag::STREET_WORD | flag::COMMON | flag::WORD | flag::TITLE | flag::NRP;
    let text = doc.text();
    let names = doc.names();
    let (mut tokens, mut seen) = (Vec::new(), Vec::new());
    let mut from = 0;
    while from < text.len() {
        let end = block(&text, from, &mut tokens);
        let mut labels = Vec::with_capacity(tokens.len());
        let mut hide = Vec::with_capacity(tokens.len());
        let mut last = None;
        for token in &tokens {
            let name = names.iter().position(|name| name.0 < token.end && token.start < name.1);
            labels.push(match name {
                Some(at) if last == name => names[at].2 * 2,
                Some(at) => names[at].2 * 2 - 1,
                None => 0,
            });
            hide.push(if name.is_some_and(|at| names[at].3) { !KEPT } else { 0 });
            last = name;
        }
        let whole = 0..tokens.len();
        describe(
            &tokens,
            std::slice::from_ref(&whole),
            &model.gazetteer,
            |i, word| model.gazetteer.flags(word) & !hide[i],
            &mut seen,
        );
        let found = seen.array_windows().flat_map(features).collect();
        take(Block { rows: Vec::new(), labels, machine: doc.machine }, found);
        from = end;
    }
}

/// The bytes of a model, as `scrub::tagger::model` describes them.
fn file(rows: &Rows, log2: u8, crf: &Crf, calibration: &[u8; STEPS], words: &Gazetteers) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([log2, BUCKETS, PHRASES]);
    bytes.resize(16, 0);
    for from in 0..8 {
        for to in 0..8 {
            let weight = if allowed(from, to) { (crf.transitions()[from][to] * SCALE).round() as i16 } else { -20_000 };
            bytes.extend(weight.to_le_bytes());
        }
    }
    bytes.extend(calibration);
    for at in 0..rows.len() {
        for weight in crf.row(at) {
            bytes.push((128.0 + (weight * SCALE).round().clamp(-127.0, 127.0)) as u8);
        }
        bytes.push(rows.check(at));
    }
    bytes.extend(&words.buckets);
    bytes.extend(&words.phrases);
    bytes
}

/// The share of findings that touch a name, for each step of their margin, on texts not trained on; never falling.
fn calibrate(model: &Model<'_>, lists: &Lists, held_out: &Templates) -> [u8; STEPS] {
    let mut generator = Generator::new(lists, 11, Source::Train);
    let mut rng = Rng::new(12);
    let (mut right, mut all) = ([0_u32; STEPS], [0_u32; STEPS]);
    let (mut tokens, mut seen, mut back, mut labels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..8000 {
        let mut doc = generator.text(&held_out.texts);
        doc.vary(&mut rng);
        let text = doc.text();
        let names = doc.names();
        let mut from = 0;
        while from < text.len() {
            from = block(&text, from, &mut tokens);
            let whole = 0..tokens.len();
            describe(
                &tokens,
                std::slice::from_ref(&whole),
                &model.gazetteer,
                |_, word| model.gazetteer.flags(word),
                &mut seen,
            );
            let sums = seen.array_windows().map(|window| model.sums(&features(window)));
            let weights: Vec<_> = sums.collect();
            labels.clear();
            labels.resize(tokens.len(), 0);
            best_path(&model.transitions, Ends::BLOCK, &weights, &mut back, &mut labels);
            let mut at = 0;
            while at < labels.len() {
                let length = 1 + labels[at + 1..]
                    .iter()
                    .take_while(|&&l| labels[at] > 0 && l == labels[at].div_ceil(2) * 2)
                    .count();
                if labels[at] > 0 {
                    let step = step_of(margin(&weights[at..at + length], &labels[at..at + length]));
                    let (start, end) = (tokens[at].start, tokens[at + length - 1].end);
                    all[step] += 1;
                    right[step] += u32::from(names.iter().any(|name| name.0 < end && start < name.1));
                }
                at += length;
            }
        }
    }
    let mut calibration = [0_u8; STEPS];
    let mut least = 0.0_f64;
    for (step, score) in calibration.iter_mut().enumerate() {
        // A window of steps smooths the share; few findings say little.
        let window = step.saturating_sub(2)..(step + 3).min(STEPS);
        let (r, n): (u32, u32) = (right[window.clone()].iter().sum(), all[window].iter().sum());
        if n >= 20 {
            least = least.max(f64::from(r) / f64::from(n + 1));
        }
        *score = (least * 255.0).round() as u8;
    }
    calibration
}

/// Figures on templates that were not trained on, with names from the lists and with names from no list.
fn report(tagger: &Tagger, lists: &Lists, held_out: &Templates, misses: bool) {
    for (title, source, vary) in [
        ("held out, listed names", Source::Listed, false),
        ("held out, unseen names", Source::Unseen, false),
        ("listed, all spellings", Source::Listed, true),
        ("unseen, all spellings", Source::Unseen, true),
    ] {
        let mut generator = Generator::new(lists, 21, source);
        let mut rng = Rng::new(22);
        let docs: Vec<Doc> = (0..6000)
            .map(|_| {
                let mut doc = generator.single(&held_out.texts);
                if vary {
                    doc.vary(&mut rng);
                }
                doc
            })
            .collect();
        let mut shown = 0;
        let kinds = judge::judge(tagger, &docs, |name, text| {
            shown += 1;
            if misses && shown <= 60 {
                println!("  missed {name:?} in {:?}", text.chars().take(160).collect::<String>());
            }
        });
        judge::print(title, &kinds);
    }
    for (title, source) in [("machine, listed names", Source::Listed), ("machine, unseen names", Source::Unseen)] {
        let mut generator = Generator::new(lists, 23, source);
        let docs: Vec<Doc> = (0..1500).map(|_| generator.named_document(&held_out.machine)).collect();
        judge::print(title, &judge::judge(tagger, &docs, |_, _| {}));
    }
}
