//! Where findings are in a file whose own bytes are text, kept while it passes. What is compressed, archived or in a table of Parquet has no line.

use crate::charset::utf16;
use crate::finding::Finding;
use crate::lines::Lines;
use crate::stream::Scrubber;

/// A finding in a text, and its place as a person looks it up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// With its place in bytes of the file.
    pub finding: Finding,
    /// Of its first character, counted from 1.
    pub line: u64,
    /// Of its first character in its line, in bytes, counted from 1.
    pub column: u64,
}

/// The first findings of a text, and its lines as far as findings may still lie there.
#[derive(Debug)]
pub struct Places {
    most: usize,
    placed: Vec<Placed>,
    lines: Lines,
    /// Of UTF-16, which the engine reads as UTF-8: the way back.
    utf16: Option<utf16::Places>,
}

impl Places {
    /// At the start of a file. So many are kept.
    pub fn new(most: usize) -> Self {
        Self { most, placed: Vec::new(), lines: Lines::default(), utf16: None }
    }

    /// Whether further findings are not kept.
    fn is_full(&self) -> bool {
        self.placed.len() >= self.most
    }

    /// The file is of UTF-16, and its mark was read.
    pub fn begin_utf16(&mut self) {
        self.utf16 = Some(utf16::Places::behind_mark());
    }

    /// The next character of UTF-16 has so many bytes in UTF-8.
    pub fn character(&mut self, size: usize, ends_line: bool) {
        let Some(utf16) = &mut self.utf16 else { return };
        utf16.push(size);
        if ends_line {
            self.lines.end_at(utf16.seen());
        }
    }

    /// The next bytes that the engine reads.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.utf16.is_none() && !self.is_full() {
            self.lines.push(bytes);
        }
    }

    /// Keeps what was found since, in order.
    pub fn found(&mut self, findings: &mut Vec<Finding>) {
        for mut finding in findings.drain(..) {
            if self.is_full() {
                continue;
            }
            if let Some(utf16) = &self.utf16 {
                finding.start = utf16.place(finding.start, false);
                finding.end = utf16.place(finding.end, true);
            }
            let (line, column) = self.lines.place(finding.start);
            self.placed.push(Placed { finding, line, column });
        }
    }

    /// Forgets what the scrubber has done with.
    pub fn forget(&mut self, scrubber: &Scrubber) {
        let settled = scrubber.settled();
        match &mut self.utf16 {
            None => self.lines.forget(settled),
            Some(utf16) => {
                self.lines.forget(utf16.place(settled, false));
                utf16.forget(scrubber.held_from(), scrubber.open_from());
            }
        }
    }

    /// In their order.
    pub fn into_placed(self) -> Vec<Placed> {
        self.placed
    }
}
