//! Lines and columns of findings, counted while a stream passes.

use std::collections::VecDeque;

/// Where the lines of a stream start, as far as findings may still lie there.
#[derive(Debug, Default)]
pub struct Lines {
    /// Of the line that starts at `start`, counted from 0.
    number: u64,
    start: u64,
    /// Where the lines behind it start.
    next: VecDeque<u64>,
    seen: u64,
}

impl Lines {
    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.next.extend(memchr::memchr_iter(b'\n', bytes).map(|at| self.seen + at as u64 + 1));
        self.seen += bytes.len() as u64;
    }

    /// A line ends before `at`, of a stream whose line ends are found elsewhere.
    pub(crate) fn end_at(&mut self, at: u64) {
        self.next.push_back(at);
    }

    /// Line and column of a byte, both counted from 1. Calls are in order: what lies before `at` is forgotten.
    pub fn place(&mut self, at: u64) -> (u64, u64) {
        self.forget(at);
        (self.number + 1, at.saturating_sub(self.start) + 1)
    }

    /// Nothing before `at` is asked for again.
    pub fn forget(&mut self, at: u64) {
        while let Some(start) = self.next.front().filter(|start| **start <= at) {
            self.start = *start;
            self.number += 1;
            self.next.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_from_one() {
        let mut lines = Lines::default();
        lines.push(b"ab\ncd");
        lines.push(b"\n\nef");
        assert_eq!(lines.place(0), (1, 1));
        assert_eq!(lines.place(2), (1, 3));
        assert_eq!(lines.place(3), (2, 1));
        assert_eq!(lines.place(6), (3, 1));
        assert_eq!(lines.place(8), (4, 2));
        assert!(lines.next.is_empty());
    }
}
