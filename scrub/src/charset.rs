//! What a stream of bytes is: UTF-8, UTF-16 with a byte order mark, or none of both; and binary data told from text.
//!
//! A [`Scrubber`] reads UTF-8 and takes what is none for Latin-1. A [`TextScrubber`] also reads UTF-16 and writes it back as such.

pub(crate) mod utf16;

use std::sync::Arc;

use crate::act::Actor;
use crate::engine::Engine;
use crate::stream::{Blocked, Scrubber, Sink};
use utf16::Utf16;

/// How many bytes [`sniff`] looks at.
pub const SNIFFED: usize = 8 * 1024;

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text that a [`TextScrubber`] reads.
    Text(Charset),
    /// Other data, and what it seems to be.
    Binary(&'static str),
}

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Bytes of which some are no UTF-8: read as Latin-1.
    Latin1,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
}

/// The first bytes of well-known formats.
const MAGICS: &[(&[u8], &str)] = &[
    (b"\x1F\x8B", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ\0", "xz"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
    (b"\x04\x22\x4D\x18", "LZ4"),
    (b"PK\x03\x04", "ZIP, or a document in it"),
    (b"PK\x05\x06", "an empty ZIP"),
    (b"7z\xBC\xAF\x27\x1C", "7z"),
    (b"Rar!\x1A\x07", "RAR"),
    (b"%PDF-", "PDF"),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Office document"),
    (b"{\\rtf", "RTF"),
    (b"PAR1", "Parquet"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"ARROW1", "Arrow"),
    (b"SQLite format 3\0", "SQLite"),
    (b"\x89HDF\r\n\x1A\n", "HDF5"),
    (b"\x93NUMPY", "NumPy"),
    (b"\x89PNG\r\n\x1A\n", "PNG"),
    (b"\xFF\xD8\xFF", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"\x1A\x45\xDF\xA3", "Matroska"),
    (b"\x7FELF", "ELF"),
    (b"\xCA\xFE\xBA\xBE", "Java class or Mach-O"),
    (b"\xCF\xFA\xED\xFE", "Mach-O"),
    (b"\0asm", "WebAssembly"),
    (b"wOF2", "WOFF2"),
    (b"\xFF\xFE\0\0", "UTF-32, which is not read"),
    (b"\0\0\xFE\xFF", "UTF-32, which is not read"),
];

/// What is no text.
pub(crate) const ZEROS: &str = "data with zero bytes";
pub(crate) const CONTROLS: &str = "data with control characters";

/// What the stream is that begins with `head`, of which the first [`SNIFFED`] bytes count.
///
/// RTF and PDF are called binary although they are written in ASCII: their text is not what stands in the file.
pub fn sniff(head: &[u8]) -> Content {
    let head = &head[..head.len().min(SNIFFED)];
    if let Some((_, name)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Content::Binary(name);
    }
    // RIFF and ISO media files say what they are behind a length.
    match (head.get(..4), head.get(4..8), head.get(8..12)) {
        (Some(b"RIFF"), _, Some(b"WEBP" | b"WAVE" | b"AVI ")) => return Content::Binary("RIFF media"),
        (_, Some(b"ftyp"), _) => return Content::Binary("ISO media"),
        _ => {}
    }
    if let Some(charset) = mark(head) {
        return Content::Text(charset);
    }
    if head.contains(&0) {
        return Content::Binary(ZEROS);
    }
    if head.iter().filter(|byte| is_control(**byte)).count() * 50 > head.len() {
        return Content::Binary(CONTROLS);
    }
    match std::str::from_utf8(head) {
        Ok(_) => Content::Text(Charset::Utf8),
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => Content::Text(Charset::Utf8),
        Err(_) => Content::Text(Charset::Latin1),
    }
}

/// Whether a byte controls something. A terminal's escapes and form feeds are in texts; many others are not.
pub(crate) const fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x08 | 0x0B | 0x0C | 0x1B)
}

/// UTF-16 by its byte order mark. `FF FE 00 00` is that of UTF-32.
fn mark(head: &[u8]) -> Option<Charset> {
    match head {
        [0xFF, 0xFE, 0, 0, ..] => None,
        [0xFF, 0xFE, ..] => Some(Charset::Utf16Le),
        [0xFE, 0xFF, ..] => Some(Charset::Utf16Be),
        _ => None,
    }
}

/// A [`Scrubber`] that also reads UTF-16 with a byte order mark, and writes it back as such. Places of findings are those of the source's
/// bytes. What is no UTF-16 (a lone surrogate, an odd last byte) stays as it is.
pub struct TextScrubber {
    scrubber: Scrubber,
    /// The first bytes, until there are enough of them to know the encoding.
    head: Option<Vec<u8>>,
    utf16: Option<Utf16>,
}

/// Bytes that tell UTF-16 from UTF-32.
const HEAD: usize = 4;

impl TextScrubber {
    /// At the start of a stream.
    pub fn new(engine: Arc<Engine>, actor: Actor) -> Self {
        Self::around(Scrubber::new(engine, actor))
    }

    /// At the start of a stream of which only the findings are wanted.
    pub fn observer(engine: Arc<Engine>) -> Self {
        Self::around(Scrubber::observer(engine))
    }

    fn around(scrubber: Scrubber) -> Self {
        Self { scrubber, head: Some(Vec::new()), utf16: None }
    }

    /// Up to where the source is treated at least: no finding that is still to come starts before.
    pub fn settled(&self) -> u64 {
        // Three bytes of UTF-8 are at least two of UTF-16.
        if self.utf16.is_some() { self.scrubber.settled() / 3 * 2 } else { self.scrubber.settled() }
    }

    /// What reads it as UTF-8.
    pub(crate) fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Blocked> {
        if let Some(head) = &mut self.head {
            let need = HEAD - head.len();
            head.extend_from_slice(&bytes[..need.min(bytes.len())]);
            if head.len() < HEAD {
                return Ok(());
            }
            self.begin(sink)?;
            return self.pass(&bytes[need..], sink);
        }
        self.pass(bytes, sink)
    }

    /// Ends the stream.
    pub fn finish(mut self, sink: &mut impl Sink) -> Result<(), Blocked> {
        self.begin(sink)?;
        match self.utf16 {
            Some(utf16) => utf16.finish(self.scrubber, sink),
            None => self.scrubber.finish(sink),
        }
    }

    /// Decides on the encoding by the head, and passes that on.
    fn begin(&mut self, sink: &mut impl Sink) -> Result<(), Blocked> {
        let Some(head) = self.head.take() else { return Ok(()) };
        self.utf16 = mark(&head).map(|charset| Utf16::new(charset == Charset::Utf16Le));
        self.pass(&head, sink)
    }

    fn pass(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Blocked> {
        match &mut self.utf16 {
            Some(utf16) => utf16.push(&mut self.scrubber, bytes, sink),
            None => self.scrubber.push(bytes, sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_binary_data() {
        for (head, content) in [
            (&b"plain text\n"[..], Content::Text(Charset::Utf8)),
            (b"", Content::Text(Charset::Utf8)),
            (b"\xEF\xBB\xBFwith a mark", Content::Text(Charset::Utf8)),
            ("Zoë 東京".as_bytes(), Content::Text(Charset::Utf8)),
            (&"Zoë 東京".as_bytes()[..6], Content::Text(Charset::Utf8)),
            (b"Zo\xEB is here", Content::Text(Charset::Latin1)),
            (b"\xFF\xFEh\0i\0", Content::Text(Charset::Utf16Le)),
            (b"\xFE\xFF\0h\0i", Content::Text(Charset::Utf16Be)),
            (b"\x1B[31mred\x1B[0m and a page\x0C", Content::Text(Charset::Utf8)),
            (b"\xFF\xFE\0\0h\0\0\0", Content::Binary("UTF-32, which is not read")),
            (b"%PDF-1.7\n", Content::Binary("PDF")),
            (b"PK\x03\x04docx", Content::Binary("ZIP, or a document in it")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Content::Binary("RIFF media")),
            (b"\0\0\0\x18ftypmp42", Content::Binary("ISO media")),
            (b"abc\0def", Content::Binary("data with zero bytes")),
            (b"\x01\x02\x03\x04abc", Content::Binary("data with control characters")),
        ] {
            assert_eq!(sniff(head), content, "{head:?}");
        }
        assert_eq!(sniff(&[&[b'a'; SNIFFED][..], &[0]].concat()), Content::Text(Charset::Utf8));
    }
}
