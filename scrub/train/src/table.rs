//! The tables of a model file: word lists as flags, names of several words, and the choice of the features that get a row.

use std::collections::BTreeMap;

use scrub::tagger::features::flag;
use scrub::tagger::token::{Token, block, phrase_hash};

use crate::lists::Lists;

/// log₂ of the buckets of the word table: eight entries each.
pub const BUCKETS: u8 = 17;
/// log₂ of the slots for names of several words.
pub const PHRASES: u8 = 16;

/// The word and phrase tables as they stand in the file.
pub struct Gazetteers {
    /// 32 bytes a bucket.
    pub buckets: Vec<u8>,
    /// 4 bytes a slot.
    pub phrases: Vec<u8>,
    /// Words that found no place.
    pub dropped: usize,
}

/// Collects the lists into flags a word. What comes first has the first claim on a full bucket.
pub fn gazetteers(lists: &Lists) -> Gazetteers {
    let mut words = Words::default();
    for (list, bit) in [
        ("titles", flag::TITLE),
        ("org_suffix", flag::ORG_WORD),
        ("org_words", flag::ORG_WORD),
        ("org_words_foreign", flag::ORG_WORD),
        ("street_words", flag::STREET_WORD),
        ("nrp", flag::NRP),
    ] {
        for entry in lists.own(list) {
            words.each(entry, bit);
        }
    }
    for word in &lists.common {
        words.each(word, flag::COMMON);
    }
    let us = &lists.people["us"];
    for (rank, name) in us.last.iter().enumerate() {
        words.each(
            name,
            if rank < 3000 {
                flag::LAST
            } else if rank < 20_000 {
                flag::LAST_MID
            } else {
                flag::LAST_RARE
            },
        );
    }
    for name in &us.first {
        words.each(name, flag::FIRST);
    }
    for (language, names) in &lists.people {
        if language != "us" {
            names.first.iter().for_each(|name| words.each(name, flag::FIRST_RARE));
            names.last.iter().for_each(|name| words.each(name, flag::LAST_MID));
        }
    }
    for (list, bit) in [
        (&lists.countries, flag::COUNTRY),
        (&lists.regions, flag::REGION),
        (&lists.cities, flag::CITY),
        (&lists.towns, flag::TOWN),
    ] {
        for name in list {
            words.place(name, bit);
        }
    }
    for word in lists.english.iter().chain(&lists.foreign) {
        words.each(word, flag::WORD);
    }
    words.tables()
}

#[derive(Default)]
struct Words {
    flags: BTreeMap<u32, (usize, u16)>,
    phrases: Vec<u32>,
}

fn tokens_of(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    block(text, 0, &mut tokens);
    tokens
}

impl Words {
    /// Each word of an entry; the particles of names ("de", "van") say nothing alone.
    fn each(&mut self, entry: &str, bit: u16) {
        let tokens = tokens_of(entry);
        let several = tokens.len() > 1 && bit & (flag::ORG_WORD | flag::STREET_WORD | flag::TITLE) == 0;
        for token in tokens.iter().filter(|token| token.is_word() && (!several || token.length > 3)) {
            self.add(token.word, bit);
        }
    }

    fn place(&mut self, name: &str, bit: u16) {
        let tokens = tokens_of(name);
        match tokens.as_slice() {
            [one] => self.add(one.word, bit),
            [] => {}
            several => {
                several.iter().filter(|token| token.is_word()).for_each(|token| self.add(token.word, flag::PLACE_PART));
                if several.len() <= 5 && several.iter().all(|token| token.is_word() || token.length == 1) {
                    self.phrases.push(phrase_hash(several));
                }
            }
        }
    }

    fn add(&mut self, word: u32, bit: u16) {
        let next = self.flags.len();
        self.flags.entry(word).or_insert((next, 0)).1 |= bit;
    }

    fn tables(self) -> Gazetteers {
        let mut entries: Vec<(usize, u32, u16)> =
            self.flags.into_iter().map(|(word, (at, bits))| (at, word, bits)).collect();
        entries.sort_unstable();
        let mut buckets = vec![0_u8; 32 << BUCKETS];
        let mut filled = vec![0_usize; 1 << BUCKETS];
        let mut dropped = 0;
        for (_, word, bits) in entries {
            let bucket = (word.wrapping_mul(0x9e37_79b1) >> (32 - u32::from(BUCKETS))) as usize;
            if filled[bucket] == 8 {
                dropped += 1;
                continue;
            }
            let at = bucket * 32 + filled[bucket] * 4;
            buckets[at..at + 2].copy_from_slice(&(word as u16).to_le_bytes());
            buckets[at + 2..at + 4].copy_from_slice(&bits.to_le_bytes());
            filled[bucket] += 1;
        }
        let mut phrases = self.phrases;
        phrases.sort_unstable();
        phrases.dedup();
        let mut slots = vec![0_u32; 1 << PHRASES];
        let mask = slots.len() - 1;
        for hash in phrases.into_iter().filter(|&hash| hash != 0).take(slots.len() * 7 / 10) {
            let mut at = hash.wrapping_mul(0x9e37_79b1) as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = hash;
        }
        Gazetteers { buckets, phrases: slots.iter().flat_map(|slot| slot.to_le_bytes()).collect(), dropped }
    }
}

/// Which feature has which row.
pub struct Rows {
    /// By row: the feature and true, or false for an empty row.
    taken: Vec<(u32, bool)>,
    shift: u32,
}

/// Features that occur at least `least` times and how often, the most frequent ones first.
pub fn frequent(mut features: Vec<u32>, least: usize) -> Vec<(u32, u32)> {
    features.sort_unstable();
    let mut counts: Vec<(u32, u32)> = features
        .chunk_by(|a, b| a == b)
        .filter(|same| same.len() >= least)
        .map(|same| (same[0], same.len() as u32))
        .collect();
    counts.sort_unstable_by_key(|&(feature, count)| (u32::MAX - count, feature));
    counts
}

impl Rows {
    /// Gives a row to each feature, in the order given, as long as one of its two rows is free.
    pub fn place(features: impl Iterator<Item = u32>, log2: u8) -> Self {
        let mut rows = Self { taken: vec![(0, false); 1 << log2], shift: 32 - u32::from(log2) };
        for feature in features {
            let first = (feature >> rows.shift) as usize;
            // Two features with one check byte in a pair of rows could not be told apart: the first one stays.
            let twin = |at: usize| rows.taken[at].1 && rows.taken[at].0 as u8 == feature as u8;
            if twin(first) || twin(first ^ 1) {
                continue;
            }
            if let Some(at) = [first, first ^ 1].into_iter().find(|&at| !rows.taken[at].1) {
                rows.taken[at] = (feature, true);
            }
        }
        println!("{} of {} rows are taken", rows.taken.iter().filter(|row| row.1).count(), rows.taken.len());
        rows
    }

    /// The row of a feature.
    pub fn row(&self, feature: u32) -> Option<u32> {
        let first = (feature >> self.shift) as usize;
        [first, first ^ 1].into_iter().find(|&at| self.taken[at] == (feature, true)).map(|at| at as u32)
    }

    /// The check byte of a row.
    pub fn check(&self, at: usize) -> u8 {
        self.taken[at].0 as u8
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.taken.len()
    }
}
