//! Stretches of a text that are none: what is appended to one, behind the bytes that told what it is. As text they are looked into, and that sees little of them.
//!
//! A log has a few bytes of such for other reasons: zeros where power went before a block was written, the bells of a terminal, the marks between fields of FIX. So
//! what counts is how many there are in as much as the start is judged by, how many kinds of them in less, and whether zeros stand as UTF-16 has them.

use std::io::{self, Read};

use super::{FormatError, Rule};
use crate::charset::{CONTROLS, SNIFFED, ZEROS, is_control};

/// Bytes that are judged together where many kinds of them control something, as chance has it.
const STRETCH: usize = 512;
const KINDS: u32 = 8;
/// Zeros in a row that are a hole, and say nothing.
const HOLE: usize = 9;
/// Zeros with one byte between each and the next.
const WIDE: usize = 8;

/// A text on its way, which is held throughout to what its start was held to.
pub struct Stretches<'a> {
    source: &'a mut dyn Read,
    rule: Rule,
    /// Bytes that were judged before.
    judged: usize,
    /// Bytes since as many as the start is judged by were judged, and how many of them control something.
    len: usize,
    controls: usize,
    /// Of the last stretch: how many control something, and a bit for each kind.
    near: usize,
    kinds: u32,
    /// Zeros in a row, bytes since the last zero, and zeros that had one byte between them.
    zeros: usize,
    since: usize,
    wide: usize,
    found: Option<&'static str>,
}

impl<'a> Stretches<'a> {
    /// `rule`: what is done with what is no text.
    pub fn new(source: &'a mut dyn Read, rule: Rule) -> Self {
        Self {
            source,
            rule,
            judged: SNIFFED,
            len: 0,
            controls: 0,
            near: 0,
            kinds: 0,
            zeros: 0,
            since: usize::MAX,
            wide: 0,
            found: None,
        }
    }

    /// What the first stretch is that is no text.
    pub fn found(&self) -> Option<&'static str> {
        self.found
    }

    fn look(&mut self, bytes: &[u8]) -> Option<&'static str> {
        let by = self.judged.min(bytes.len());
        self.judged -= by;
        let mut rest = &bytes[by..];
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(STRETCH - self.len % STRETCH));
            rest = behind;
            // All of them are counted: that is faster than to stop at the first.
            if part.iter().filter(|byte| is_control(**byte)).count() > 0 {
                if let Some(what) = part.iter().find_map(|byte| self.count(*byte)) {
                    return Some(what);
                }
            } else {
                self.zeros = 0;
                self.since = self.since.saturating_add(part.len());
            }
            self.len += part.len();
            if self.len.is_multiple_of(STRETCH) {
                (self.near, self.kinds) = (0, 0);
            }
            if self.len == SNIFFED {
                (self.len, self.controls) = (0, 0);
            }
        }
        None
    }

    /// What it is that has this byte, if that tells it.
    fn count(&mut self, byte: u8) -> Option<&'static str> {
        if byte == 0 {
            self.wide = if self.since == 1 { self.wide + 1 } else { 0 };
            (self.since, self.zeros) = (0, self.zeros + 1);
            if self.zeros == HOLE {
                // Those before it are of the hole too.
                self.near = self.near.saturating_sub(HOLE - 1);
                self.controls = self.controls.saturating_sub(HOLE - 1);
            }
            if self.zeros >= HOLE {
                return None;
            }
        } else {
            (self.since, self.zeros) = (self.since.saturating_add(1), 0);
            if !is_control(byte) {
                return None;
            }
        }
        self.near += 1;
        self.controls += 1;
        self.kinds |= 1 << byte;
        let by_kinds = self.near * 50 > STRETCH && self.kinds.count_ones() >= KINDS;
        let is_none = by_kinds || self.controls * 50 > SNIFFED || self.wide >= WIDE;
        is_none.then_some(if byte == 0 { ZEROS } else { CONTROLS })
    }
}

impl Read for Stretches<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if self.found.is_none() {
            self.found = self.look(&buffer[..read]);
            if let Some(what) = self.found.filter(|_| self.rule != Rule::Pass) {
                return Err(io::Error::other(FormatError::Unknown { what, nested: true, rule: self.rule }));
            }
        }
        Ok(read)
    }
}
