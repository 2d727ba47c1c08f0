//! Text of one byte a letter within a file of UTF-16, as `>>` of a shell appends it to a file that another one wrote. Two letters are read as one character, which is
//! Chinese mostly, so nothing is found in it; nor is it in UTF-16 that is moved by one byte, behind an odd number of such.
//!
//! It cannot be changed where it stands, since what is around it is written in two bytes a letter, so it is told as what cannot be looked into; but only if there is
//! something to be found in it: real Chinese has pairs of bytes that are letters, too.

use std::sync::Arc;

use super::{FormatError, Rule, Work};
use crate::segment::MARGIN;
use crate::stream::Scrubber;

/// What it is.
const NARROW: &str = "text of one byte a letter in UTF-16";
/// Characters that are looked into: what is found in fewer is not known by more than chance.
const FEWEST: usize = 4;
/// Bytes that are looked into together.
const WINDOW: usize = 32 * 1024;

/// Two bytes at a time, as what they may be instead of one character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    /// Two letters of one byte each.
    Two,
    /// The half of one letter of UTF-16, and of the next.
    Moved,
}

/// Looks for it in what is read.
pub struct Narrow {
    little: bool,
    /// A byte that waits for its second one.
    odd: Option<u8>,
    /// Letters of pairs of one kind that follow each other.
    run: Vec<u8>,
    pair: Pair,
    /// Pairs of the run.
    pairs: usize,
    /// There is one that is no usual character of a script whose characters look like letters.
    is_told: bool,
    found: Option<&'static str>,
}

impl Narrow {
    /// Of UTF-16 of this order.
    pub fn new(little: bool) -> Self {
        Self { little, odd: None, run: Vec::new(), pair: Pair::Two, pairs: 0, is_told: false, found: None }
    }

    /// What was found that is no UTF-16 and passes.
    pub fn found(&self) -> Option<&'static str> {
        self.found
    }

    /// Looks into the next bytes, behind the mark; at the end of them, `is_last`.
    pub fn look(&mut self, bytes: &[u8], is_last: bool, job: &Work<'_>) -> Result<(), FormatError> {
        for byte in bytes {
            if self.found.is_some() {
                return Ok(());
            }
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let (low, high) = if self.little { (first, *byte) } else { (*byte, first) };
            match (is_letter(low), is_letter(high)) {
                (true, true) => {
                    // Kana, Chinese, general punctuation and the scripts of India begin with bytes that letters begin with as well.
                    let is_told = matches!(high, 0x21..=0x2F | 0x31..=0x4D);
                    self.push(Pair::Two, &[first, *byte], is_told, job)?;
                }
                // One Chinese character of 256 is such, and a rule of a table is.
                (false, true) if low == 0 => self.push(Pair::Moved, &[high], true, job)?,
                _ => self.end(job)?,
            }
        }
        if is_last {
            if self.pair == Pair::Two && self.pairs > 0 {
                self.run.extend(self.odd);
            }
            self.end(job)?;
        }
        Ok(())
    }

    fn push(&mut self, pair: Pair, letters: &[u8], is_told: bool, job: &Work<'_>) -> Result<(), FormatError> {
        if pair != self.pair {
            self.end(job)?;
            self.pair = pair;
        }
        self.run.extend_from_slice(letters);
        self.pairs += 1;
        self.is_told |= is_told;
        if self.run.len() < WINDOW {
            return Ok(());
        }
        self.search(job)?;
        // What begins in the window may end behind it.
        self.run.drain(..self.run.len() - MARGIN);
        Ok(())
    }

    /// The run ends.
    fn end(&mut self, job: &Work<'_>) -> Result<(), FormatError> {
        if self.pairs > 0 {
            self.search(job)?;
        }
        self.run.clear();
        (self.pairs, self.is_told) = (0, false);
        Ok(())
    }

    fn search(&mut self, job: &Work<'_>) -> Result<(), FormatError> {
        if self.pairs < FEWEST || !self.is_told {
            return Ok(());
        }
        let is_clean = match &job.actor {
            Some(actor) => Scrubber::new(Arc::clone(&job.engine), actor.clone()).whole(&self.run)?.bytes == self.run,
            None => job.engine.detect(&self.run).is_empty(),
        };
        if is_clean {
            return Ok(());
        }
        if job.on_unknown != Rule::Pass {
            return Err(FormatError::Unknown { what: NARROW, nested: true, rule: job.on_unknown });
        }
        self.found = Some(NARROW);
        Ok(())
    }
}

fn is_letter(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}
