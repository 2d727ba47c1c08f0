//! Stretches of a text that are none: what is appended to one, behind the bytes that told what it is. As text they are looked into, and that sees little of them.

use std::io::{self, Read};

use super::{FormatError, Rule};
use crate::charset::{CONTROLS, SNIFFED, ZEROS, is_control};

/// Bytes that are judged together.
const STRETCH: usize = 512;

/// A text on its way, of which each stretch is held to what its start was held to.
pub struct Stretches<'a> {
    source: &'a mut dyn Read,
    rule: Rule,
    /// Bytes that were judged before.
    judged: usize,
    /// Bytes of the stretch so far, and how many of them control something.
    len: usize,
    controls: usize,
    found: Option<&'static str>,
}

impl<'a> Stretches<'a> {
    /// `rule`: what is done with what is no text.
    pub fn new(source: &'a mut dyn Read, rule: Rule) -> Self {
        Self { source, rule, judged: SNIFFED, len: 0, controls: 0, found: None }
    }

    /// What the first stretch is that is no text.
    pub fn found(&self) -> Option<&'static str> {
        self.found
    }

    fn look(&mut self, bytes: &[u8]) -> Option<&'static str> {
        let by = self.judged.min(bytes.len());
        self.judged -= by;
        let mut rest = &bytes[by..];
        if memchr::memchr(0, rest).is_some() {
            return Some(ZEROS);
        }
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(STRETCH - self.len));
            rest = behind;
            self.len += part.len();
            self.controls += part.iter().filter(|byte| is_control(**byte)).count();
            if self.controls * 50 > STRETCH {
                return Some(CONTROLS);
            }
            if self.len == STRETCH {
                (self.len, self.controls) = (0, 0);
            }
        }
        None
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
