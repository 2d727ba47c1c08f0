//! The corpora of `scrub/train/data`: sentences that people wrote and marked. Each is used as it is, and with other names put in
//! the place of its own.

use std::path::Path;
use std::{fs, io};

use crate::doc::{Doc, NONE, ORG, PERSON, PLACE};
use crate::generate::Generator;
use crate::lists::Lists;
use crate::rng::{Rng, fnv};

/// A marked sentence: parts of text with their kind.
#[derive(Clone, Debug)]
pub struct Sentence {
    parts: Vec<(String, u8)>,
    /// Words and marks are apart by spaces.
    tokens: bool,
    /// The language, by which other names are chosen.
    language: &'static str,
    /// FNV-1a of the line, by which folds are made.
    pub hash: u64,
    /// The name of the corpus.
    pub corpus: &'static str,
}

/// Corpora, their language, and how often each sentence is used.
const CORPORA: [(&str, &str, usize); 8] = [
    ("own.natural", "en", 4),
    ("wikigold.natural", "en", 10),
    ("btc", "en", 3),
    ("wnut17", "en", 3),
    ("sec", "en", 3),
    ("europeana_fr", "fr", 1),
    ("europeana_de", "de", 1),
    ("europeana_nl", "nl", 1),
];

/// Reads all corpora of the folder.
pub fn read(folder: &Path, lists: &Lists) -> io::Result<Vec<(Sentence, usize)>> {
    let mut sentences = Vec::new();
    for (corpus, language, times) in CORPORA {
        for line in fs::read_to_string(folder.join(format!("{corpus}.txt")))?.lines() {
            let mut parts = parts_of(&line.replace('⏎', "\n"));
            clean(&mut parts, corpus, lists);
            let tokens = !corpus.ends_with(".natural");
            sentences.push((Sentence { parts, tokens, language, hash: fnv(line), corpus }, times));
        }
    }
    Ok(sentences)
}

fn parts_of(line: &str) -> Vec<(String, u8)> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some((before, name)) = rest.split_once('⟨') {
        if !before.is_empty() {
            parts.push((before.to_owned(), NONE));
        }
        let (name, after) = name.split_once('⟩').unwrap_or((name, ""));
        let (kind, name) = name.split_once(' ').unwrap_or(("", name));
        let kind = match kind {
            "P" => PERSON,
            "L" => PLACE,
            "O" => ORG,
            _ => NONE,
        };
        parts.push((name.to_owned(), kind));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push((rest.to_owned(), NONE));
    }
    parts
}

/// Takes back marks that another reading of "name" gave: handles in tweets, the parties of a contract ("Borrower"), and nationalities.
fn clean(parts: &mut [(String, u8)], corpus: &str, lists: &Lists) {
    for (text, kind) in parts {
        let handle = text.starts_with(['@', '#']);
        let contract = corpus == "sec"
            && !text.contains(' ')
            && (text.starts_with(char::is_lowercase)
                || lists.common.binary_search(&text.to_lowercase()).is_ok()
                || lists.english.binary_search(&text.to_lowercase()).is_ok());
        let people = *kind == PLACE && lists.own("nrp").iter().any(|nrp| nrp.eq_ignore_ascii_case(text));
        if handle || contract || people {
            *kind = NONE;
        }
        if handle {
            *text = text.replace("@ ", "@").replace("# ", "#");
        }
    }
}

impl Sentence {
    /// The sentence as a text, with other names in 60 of 100 cases where `change` says so.
    pub fn doc(&self, generator: &mut Generator<'_>, rng: &mut Rng, change: bool) -> Doc {
        let mut doc = Doc { machine: self.corpus == "own.natural", ..Doc::default() };
        let joined = self.tokens && rng.chance(70);
        for (text, kind) in &self.parts {
            let text = if joined { joined_up(text) } else { text.clone() };
            if *kind == NONE {
                doc.plain(&text);
                continue;
            }
            let other =
                change && rng.chance(60) && text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-'));
            if !other {
                doc.name(text, *kind, rng.chance(35));
                continue;
            }
            let words = text.split(' ').count();
            match (*kind, words) {
                (PERSON, 1) => generator.slot(if rng.chance(50) { "F" } else { "N" }, self.language, &mut doc),
                (PERSON, _) => generator.slot("PN", self.language, &mut doc),
                (PLACE, _) => generator.slot("L", self.language, &mut doc),
                _ => generator.slot("O", self.language, &mut doc),
            };
        }
        if joined {
            close_marks(&mut doc);
        }
        doc
    }
}

/// Tokens written together as people write them.
fn joined_up(text: &str) -> String {
    let mut out = text.to_owned();
    for (from, to) in [
        (" .", "."),
        (" ,", ","),
        (" ;", ";"),
        (" :", ":"),
        (" !", "!"),
        (" ?", "?"),
        (" )", ")"),
        ("( ", "("),
        (" 's", "'s"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 're", "'re"),
        (" 've", "'ve"),
        (" 'll", "'ll"),
        (" %", "%"),
        ("$ ", "$"),
        ("' ", "'"),
    ] {
        out = out.replace(from, to);
    }
    out
}

/// Marks after a name stand at the beginning of the next piece: the space before them goes too.
fn close_marks(doc: &mut Doc) {
    for piece in &mut doc.pieces {
        if let Some(rest) = piece.text.strip_prefix(' ')
            && (rest.starts_with(['.', ',', ';', ':', '!', '?', ')', '%']) || rest.starts_with("'s"))
        {
            piece.text = rest.to_owned();
        }
    }
}
