//! UTF-16 with a byte order mark, as the text that it is: read as UTF-8, of whatever format that is, and written back as it came. A lone surrogate goes as the three
//! bytes that UTF-8 would give it; an odd last byte stays.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use super::narrow::Narrow;
use super::places::Places;
use super::{FormatError, Summary, Work, read_error, sniff, text};
use crate::charset::utf16::{Decoder, encode};

/// Bytes of UTF-8 that decide on the format.
const HEAD: usize = super::HEAD;

/// Treats a text of UTF-16.
pub fn scrub(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    summary: &mut Summary,
    places: Option<&RefCell<Places>>,
) -> Result<(), FormatError> {
    let mut mark = [0; 2];
    source.read_exact(&mut mark).map_err(read_error)?;
    let little = mark == [0xFF, 0xFE];
    if let Some(places) = places {
        places.borrow_mut().begin_utf16();
    }
    let mut decoded = Decoded {
        source,
        decoder: Decoder::new(little),
        narrow: Narrow::new(little),
        bytes: io::Cursor::new(Vec::new()),
        ended: false,
        job,
        places,
    };
    let mut head = Vec::with_capacity(HEAD);
    (&mut decoded).take(HEAD as u64).read_to_end(&mut head).map_err(read_error)?;
    let format = sniff::text(&head, head.len() < HEAD);
    summary.format.get_or_insert(format);
    let mut encoded = Encoded { out, little, cut: Vec::new() };
    if job.actor.is_some() {
        encoded.out.write_all(&mark).map_err(FormatError::Write)?;
    }
    text(format, &mut io::Cursor::new(head).chain(&mut decoded), &mut encoded, job, summary, places)?;
    if let Some(what) = decoded.narrow.found() {
        *summary.passed.entry(what).or_default() += 1;
    }
    encoded.end(decoded.decoder.odd())
}

/// The source as UTF-8.
struct Decoded<'a> {
    source: &'a mut dyn Read,
    decoder: Decoder,
    narrow: Narrow,
    bytes: io::Cursor<Vec<u8>>,
    ended: bool,
    job: &'a Work<'a>,
    places: Option<&'a RefCell<Places>>,
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.bytes.read(buffer)?;
            if read > 0 || self.ended || buffer.is_empty() {
                return Ok(read);
            }
            let mut utf16 = [0; 8192];
            let read = self.source.read(&mut utf16)?;
            self.ended = read == 0;
            self.narrow.look(&utf16[..read], self.ended, self.job).map_err(io::Error::other)?;
            let mut bytes = std::mem::take(&mut self.bytes).into_inner();
            bytes.clear();
            let mut places = self.places.map(RefCell::borrow_mut);
            let tell = |size, ends_line| {
                if let Some(places) = &mut places {
                    places.character(size, ends_line);
                }
            };
            if self.ended {
                self.decoder.end(&mut bytes, tell);
            } else {
                self.decoder.decode(&utf16[..read], &mut bytes, tell);
            }
            self.bytes = io::Cursor::new(bytes);
        }
    }
}

/// UTF-8 written as UTF-16.
struct Encoded<'a> {
    out: &'a mut dyn Write,
    little: bool,
    /// A part of a character.
    cut: Vec<u8>,
}

impl Encoded<'_> {
    fn end(self, odd: Option<u8>) -> Result<(), FormatError> {
        let mut rest = Vec::new();
        encode(&self.cut, self.little, true, &mut rest);
        rest.extend(odd);
        self.out.write_all(&rest).map_err(FormatError::Write)
    }
}

impl Write for Encoded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cut.extend_from_slice(bytes);
        let mut utf16 = Vec::with_capacity(2 * self.cut.len());
        let taken = encode(&self.cut, self.little, false, &mut utf16);
        self.cut.drain(..taken);
        self.out.write_all(&utf16)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
