//! Lines of `Name: value`, as the heads of mail, HTTP and WARC have them: values are data, names and line ends stay.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use super::fit::{Escape, Place, Spans};
use super::{FormatError, Job, Summary, fitted};

/// Replacements hold neither quotes nor line ends there.
const VALUE: Place = Place::Text(Escape::Bare(0));

/// A short text on its way through the engine, of which is known what stays.
#[derive(Default)]
pub struct Pieces {
    text: Vec<u8>,
    spans: Spans,
    lines: usize,
}

impl Pieces {
    /// Adds what stays.
    pub fn frame(&mut self, bytes: &[u8]) {
        self.add(bytes, Place::Frame);
    }

    /// Adds data. Line ends in it, and the space that begins the line behind, stay.
    pub fn data(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let space = line.iter().take_while(|byte| is_space(**byte)).count();
            let (space, line) = line.split_at(space);
            let text = line.trim_suffix_of(b"\n").trim_suffix_of(b"\r");
            self.frame(space);
            self.add(text, VALUE);
            self.frame(&line[text.len()..]);
        }
    }

    fn add(&mut self, bytes: &[u8], place: Place) {
        self.text.extend_from_slice(bytes);
        self.lines += memchr::memchr_iter(b'\n', bytes).count();
        self.spans.add(bytes.len(), place, None);
    }

    /// Line ends in it.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// What the engine makes of it.
    pub fn scrub(self, job: &Job, summary: &mut Summary) -> Result<Vec<u8>, FormatError> {
        if self.text.is_empty() {
            return Ok(self.text);
        }
        fitted(&self.text, self.spans, job, summary)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

trait TrimSuffix {
    fn trim_suffix_of(&self, suffix: &[u8]) -> &[u8];
}

impl TrimSuffix for [u8] {
    fn trim_suffix_of(&self, suffix: &[u8]) -> &[u8] {
        self.strip_suffix(suffix).unwrap_or(self)
    }
}

/// Reads lines up to the first empty one, which is among them, or as far as `most` bytes go. Whether that is there.
pub fn read_head(source: &mut dyn BufRead, most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::new();
    loop {
        let start = head.len();
        (&mut *source).take((most - start) as u64).read_until(b'\n', &mut head)?;
        let line = &head[start..];
        if is_blank(line) {
            return Ok((head, true));
        }
        if !line.ends_with(b"\n") {
            return Ok((head, false));
        }
    }
}

/// Whether a line is empty but for its end.
pub fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// One field, or the line before them.
#[derive(Debug)]
pub struct Field {
    /// With its line ends.
    pub bytes: Vec<u8>,
    /// Where its name is; empty where a line has none.
    name: Range<usize>,
    /// Behind the colon.
    start: usize,
    /// Where data is; none where the whole stays.
    pub data: Option<Range<usize>>,
}

impl Field {
    /// Of lines that belong together.
    fn of(bytes: Vec<u8>) -> Self {
        let colon = bytes.iter().position(|byte| *byte == b':').unwrap_or(0);
        // Some write space before the colon, and some read it.
        let name = bytes[..colon].trim_ascii_end();
        let (name, start) = if is_name(name) { (0..name.len(), colon + 1) } else { (0..0, 0) };
        Self { data: Some(start..bytes.len()), name, start, bytes }
    }

    /// Its name as it is written.
    pub fn name(&self) -> &[u8] {
        &self.bytes[self.name.clone()]
    }

    /// Its value without space around it.
    pub fn value(&self) -> &[u8] {
        if self.name.is_empty() { &[] } else { self.bytes[self.start..].trim_ascii() }
    }

    /// Where its value begins.
    pub fn start(&self) -> usize {
        self.start
    }

    fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Adds it to what the engine sees.
    fn show(&self, data: &Range<usize>, pieces: &mut Pieces) {
        pieces.frame(&self.bytes[..data.start]);
        pieces.data(&self.bytes[data.clone()]);
        pieces.frame(&self.bytes[data.end..]);
    }
}

/// Whether it can be the name of a field.
pub fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// The fields of a head, with the empty line at its end.
#[derive(Debug)]
pub struct Fields(pub Vec<Field>);

impl Fields {
    /// Of a head. A line that begins with space belongs to the one before.
    pub fn parse(head: &[u8]) -> Self {
        let mut fields: Vec<Vec<u8>> = Vec::new();
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            match fields.last_mut() {
                Some(last) if line.first().is_some_and(|byte| is_space(*byte)) => last.extend_from_slice(line),
                _ => fields.push(line.to_vec()),
            }
        }
        Self(fields.into_iter().map(Field::of).collect())
    }

    /// The value of the first field of this name.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|field| field.is(name)).map(Field::value)
    }

    /// How many fields of this name there are.
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|field| field.is(name)).count()
    }

    /// Changes the value of the fields of this name.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        for field in self.0.iter_mut().filter(|field| field.is(name)) {
            let end: &[u8] = if field.bytes.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
            field.bytes = [field.name(), b": ", value, end].concat();
            field.start = field.name.end + 1;
        }
    }

    /// Takes the fields of this name out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|field| !field.is(name));
    }

    /// Takes all that is data through the engine.
    pub fn scrub(&mut self, job: &Job, summary: &mut Summary) -> Result<(), FormatError> {
        let mut pieces = Pieces::default();
        for field in &self.0 {
            if let Some(data) = &field.data {
                field.show(data, &mut pieces);
            }
        }
        let scrubbed = pieces.scrub(job, summary)?;
        // Line ends are of the frame: there are as many as before.
        let mut lines = scrubbed.split_inclusive(|byte| *byte == b'\n');
        for field in self.0.iter_mut().filter(|field| field.data.is_some()) {
            let count = field.bytes.split_inclusive(|byte| *byte == b'\n').count();
            let scrubbed: Vec<u8> = lines.by_ref().take(count).flatten().copied().collect();
            let is_changed = scrubbed != field.bytes;
            field.bytes = scrubbed;
            // A line without a name could have become the end of the head, or a part of the field before.
            let begins = |byte: &u8| is_space(*byte) || matches!(byte, b'\r' | b'\n');
            if is_changed && field.name.is_empty() && field.bytes.first().is_none_or(begins) {
                field.bytes.clear();
            }
        }
        Ok(())
    }

    /// As they are written.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|field| &field.bytes).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::super::tests::LABELS;
    use super::*;

    fn scrubbed(head: &str) -> String {
        let mut fields = Fields::parse(head.as_bytes());
        fields.scrub(&LABELS, &mut Summary::default()).unwrap();
        String::from_utf8(fields.bytes()).unwrap()
    }

    #[test]
    fn values_are_data_and_lines_stay() {
        for (head, expected) in [
            ("To: a@b.com\r\n\tEMP-004711, x\r\n\r\n", "To: <MAIL>\r\n\t<BADGE>, x\r\n\r\n"),
            ("A: left\r\nB: right\r\n\r\n", "A: <PAIR>\r\nB: <PAIR>\r\n\r\n"),
            ("no name EMP-004711\nA:EMP-004711\n\n", "no name <BADGE>\nA:<BADGE>\n\n"),
        ] {
            assert_eq!(scrubbed(head), expected);
        }
    }

    #[test]
    fn heads_are_bounded() {
        let mut source = &b"a: b\r\nc: d\r\n\r\nbody"[..];
        assert_eq!(read_head(&mut source, 99).unwrap(), (b"a: b\r\nc: d\r\n\r\n".to_vec(), true));
        assert_eq!(read_head(&mut &b"a: b\r\nc: d"[..], 99).unwrap(), (b"a: b\r\nc: d".to_vec(), false));
        assert_eq!(read_head(&mut &b"a: b\n".repeat(99)[..], 12).unwrap(), (b"a: b\na: b\na:".to_vec(), false));
    }

    #[test]
    fn values_are_changed_and_taken_out() {
        let mut fields = Fields::parse(b"Length: 5\r\nlength:\r\n 6\r\nX: y\n\r\n");
        assert_eq!((fields.value("LENGTH"), fields.count("length")), (Some(&b"5"[..]), 2));
        fields.set("length", b"7");
        fields.remove("x");
        assert_eq!(fields.bytes(), b"Length: 7\r\nlength: 7\r\n\r\n");
    }

    proptest! {
        #[test]
        fn any_head(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "([a-zA: \r\n]|EMP-004711|a@b\\.com){0,60}") {
            for head in [&bytes[..], text.as_bytes()] {
                let mut fields = Fields::parse(head);
                prop_assert_eq!(&fields.bytes()[..], head);
                let mut summary = Summary::default();
                fields.scrub(&LABELS, &mut summary).unwrap();
                if summary.findings.is_empty() {
                    prop_assert_eq!(&fields.bytes()[..], head);
                }
            }
        }
    }
}
