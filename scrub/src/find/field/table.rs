//! Tables of delimited columns (RFC 4180 and its relatives) whose first line names them.

use std::ops::Range;

use super::position::{Half, halves};
use crate::detector::DetectorId;

/// Bytes of a first line that may name columns.
const LINE: usize = 4096;
/// Columns that are looked at.
const COLUMNS: usize = 512;

/// What the first line of a stream says about the columns of all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) delimiter: u8,
    /// By column, the name of its field.
    pub(crate) names: Vec<String>,
    /// By column, the detectors that a context word in its name speaks for.
    pub(crate) speaks_for: Vec<Vec<DetectorId>>,
}

impl Header {
    /// The columns that the first line of `text` names, where it can be a line of names.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let end = memchr::memchr(b'\n', text.as_bytes())?;
        let line = text[..end].trim_end_matches('\r');
        if line.len() > LINE {
            return None;
        }
        let count = |delimiter: u8| memchr::memchr_iter(delimiter, line.as_bytes()).count();
        let delimiter = [b',', b';', b'\t', b'|']
            .into_iter()
            .max_by_key(|delimiter| count(*delimiter))
            .filter(|delimiter| count(*delimiter) > 0)?;
        let names: Vec<String> =
            cells(line, delimiter).take(COLUMNS).map(|cell| line[cell].trim().to_owned()).collect();
        let plausible = names.iter().all(|name| {
            name.len() <= 64
                && name.chars().all(|c| c.is_alphanumeric() || " _-.#/()'’".contains(c))
                && !name.starts_with(|c: char| c.is_ascii_digit())
        });
        let empty = names.iter().filter(|name| name.is_empty()).count();
        let speaks_for = vec![Vec::new(); names.len()];
        (plausible && empty <= 2).then_some(Self { delimiter, names, speaks_for })
    }

    /// By column, which half of a position it is.
    pub(super) fn halves(&self) -> Vec<Option<Half>> {
        let names: Vec<_> = self.names.iter().map(|name| [name.as_str()]).collect();
        halves(names.iter().map(<[_; 1]>::as_slice))
    }

    /// The cells of the lines that start in `range`, line by line: where each is, by column. Lines of another number of cells are not of
    /// the table.
    pub(crate) fn lines<'a>(
        &self,
        text: &'a str,
        range: Range<usize>,
    ) -> impl Iterator<Item = Vec<Range<usize>>> + use<'a> {
        let bytes = text.as_bytes();
        let (delimiter, columns) = (self.delimiter, self.names.len());
        let mut from = range.start;
        if from > 0 && bytes[from - 1] != b'\n' {
            // In the middle of a line that is longer than a segment: its columns cannot be told.
            from = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |end| from + end + 1);
        }
        std::iter::from_fn(move || {
            while from < range.end {
                let start = from;
                let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |end| start + end);
                from = end + 1;
                let line = &text[start..end];
                let line = line.strip_suffix('\r').unwrap_or(line);
                // Counted no further than one more than the header has.
                let found: Vec<_> =
                    cells(line, delimiter).take(columns + 1).map(|cell| start + cell.start..start + cell.end).collect();
                if found.len() == columns {
                    return Some(found);
                }
            }
            None
        })
    }
}

/// The cells of a line, without their quotes.
fn cells(line: &str, delimiter: u8) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = line.as_bytes();
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let start = at?;
        if bytes.get(start) == Some(&b'"') {
            // To the quote that is not doubled.
            let mut end = start + 1;
            loop {
                match memchr::memchr(b'"', &bytes[end..]) {
                    Some(quote) if bytes.get(end + quote + 1) == Some(&b'"') => end += quote + 2,
                    Some(quote) => {
                        end += quote;
                        break;
                    }
                    None => {
                        end = bytes.len();
                        break;
                    }
                }
            }
            at = memchr::memchr(delimiter, bytes.get(end..).unwrap_or(&[])).map(|next| end + next + 1);
            return Some(start + 1..end);
        }
        let end = memchr::memchr(delimiter, &bytes[start..]).map(|next| start + next);
        at = end.map(|end| end + 1);
        Some(start..end.unwrap_or(bytes.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_lines() {
        let of = |line: &str| -> Vec<String> { cells(line, b',').map(|cell| line[cell].to_owned()).collect() };
        assert_eq!(of("a,b,,c"), ["a", "b", "", "c"]);
        assert_eq!(of("\"a,\"\"b\",c"), ["a,\"\"b", "c"]);
        assert_eq!(of("\"a"), ["a"]);
        assert_eq!(of("a,"), ["a", ""]);
        assert_eq!(of(""), [""]);
    }

    #[test]
    fn headers() {
        let header = Header::read("id;First Name;ssn\r\n1;John;2\n").unwrap();
        assert_eq!(
            (header.delimiter, header.names),
            (b';', vec!["id".to_owned(), "First Name".to_owned(), "ssn".to_owned()])
        );
        for text in ["id,ssn", "1,2\n", "plain\n", "He said: hello, you\n"] {
            assert_eq!(Header::read(text), None, "{text}");
        }
    }
}
