//! The transfer encodings of mail (RFC 2045, section 6), undone as leniently as readers of mail do and done again as strictly as they are written.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::params::without_comments;

/// Bytes that are read at a time.
const READ: usize = 8 * 1024;
/// Bytes of a line that are read at a time.
const LINE: u64 = 64 * 1024;
/// The longest line of an encoded text (RFC 2045).
const WIDTH: usize = 76;
/// The longest line of mail (RFC 5322).
const LONGEST: usize = 998;
/// Space behind a `=` that ends a line.
const SPACE: usize = 256;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    /// By the value of `Content-Transfer-Encoding`, as far as it begins as one.
    pub fn of(value: &[u8]) -> Self {
        let value = without_comments(value);
        let value = value.trim_ascii();
        let end = value.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-'));
        match &value[..end.unwrap_or(value.len())].to_ascii_lowercase()[..] {
            b"base64" => Self::Base64,
            b"quoted-printable" => Self::QuotedPrintable,
            _ => Self::Identity,
        }
    }

    /// By the same; none where it says something else, which readers of mail may know how to undo.
    pub fn known(value: &[u8]) -> Option<Self> {
        let value = without_comments(value);
        let word = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        (word.is_empty() || Self::is_word(word)).then(|| Self::of(word))
    }

    /// Whether it is a word for one, of the standard or such as some write for it, and nothing else.
    pub fn is_word(value: &[u8]) -> bool {
        const WORDS: &str =
            "base64 quoted-printable 7bit 8bit binary 7-bit 8-bit 7bits 8bits none plain ascii us-ascii utf-8";
        WORDS.split(' ').any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// What undoes it.
    pub fn decoder(self) -> Decoder {
        match self {
            Self::Identity => Decoder::Identity,
            Self::Base64 => Decoder::Base64(Base64::default()),
            Self::QuotedPrintable => Decoder::QuotedPrintable(Vec::new()),
        }
    }
}

/// Undoes an encoding, in any cut.
#[derive(Debug)]
pub enum Decoder {
    Identity,
    Base64(Base64),
    /// With what may be an escape so far.
    QuotedPrintable(Vec<u8>),
}

/// Base 64, of which other characters are left out and cut ends taken as far as they go.
#[derive(Debug, Default)]
pub struct Base64 {
    /// Six each.
    bits: u32,
    count: u32,
    /// `=` that must follow.
    pads: u32,
    padded: bool,
    /// Something in it was left out.
    has_more: bool,
    /// Characters of the first line, and whether it has ended.
    width: usize,
    next_line: bool,
}

impl Base64 {
    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\r' | b'\n' => {
                self.next_line |= self.width > 0;
                return;
            }
            b'=' if self.count >= 2 => {
                self.pads = 3 - self.count;
                self.padded = true;
                return self.end(out);
            }
            b'=' if self.pads > 0 => {
                self.pads -= 1;
                return;
            }
            _ => {
                self.has_more = true;
                return;
            }
        };
        self.has_more |= self.padded;
        self.width += usize::from(!self.next_line);
        self.bits = self.bits << 6 | u32::from(value);
        self.count += 1;
        if self.count == 4 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
            (self.bits, self.count) = (0, 0);
        }
    }

    /// What is left of a unit that is not complete.
    fn end(&mut self, out: &mut Vec<u8>) {
        if self.count > 0 {
            let bytes = (self.bits << (6 * (4 - self.count))).to_be_bytes();
            let (bytes, rest) = bytes[1..].split_at(self.count as usize - 1);
            out.extend_from_slice(bytes);
            self.has_more |= rest.iter().any(|byte| *byte != 0);
            (self.bits, self.count) = (0, 0);
        }
    }
}

impl Decoder {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(bytes),
            Self::Base64(base64) => bytes.iter().for_each(|byte| base64.push(*byte, out)),
            Self::QuotedPrintable(held) => bytes.iter().for_each(|byte| quoted(held, *byte, out)),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Identity => {}
            Self::Base64(base64) => {
                base64.has_more |= base64.count > 0 || base64.pads > 0;
                base64.end(out);
            }
            // At the end a `=` ends a line as it does elsewhere.
            Self::QuotedPrintable(held) if held.iter().skip(1).all(u8::is_ascii_whitespace) => held.clear(),
            Self::QuotedPrintable(held) => out.append(held),
        }
    }

    /// Whether nothing of the source was left out that could say something.
    pub fn is_whole(&self) -> bool {
        !matches!(self, Self::Base64(base64) if base64.has_more)
    }

    /// How long lines are to be.
    pub fn width(&self) -> usize {
        match self {
            Self::Base64(base64) if base64.width >= 4 => base64.width.min(LONGEST) / 4 * 4,
            _ => WIDTH,
        }
    }
}

/// The next byte of quoted-printable.
fn quoted(held: &mut Vec<u8>, byte: u8, out: &mut Vec<u8>) {
    if held.is_empty() {
        if byte == b'=' {
            held.push(byte);
        } else {
            out.push(byte);
        }
        return;
    }
    held.push(byte);
    let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    match held[1..] {
        [high, low] if hex(high).is_some() && hex(low).is_some() => {
            out.push(hex(high).unwrap_or(0) << 4 | hex(low).unwrap_or(0));
            held.clear();
        }
        [first] if hex(first).is_some() => {}
        [ref space @ .., b'\n'] if space.trim_ascii().is_empty() => held.clear(),
        [ref space @ .., b' ' | b'\t' | b'\r']
            if space.iter().all(|byte| matches!(byte, b' ' | b'\t')) && space.len() < SPACE => {}
        // No escape: its sign is one of the text.
        _ => {
            let rest = std::mem::take(held);
            out.push(b'=');
            rest[1..].iter().for_each(|byte| quoted(held, *byte, out));
        }
    }
}

/// A source with its encoding undone.
pub struct Decoded<R> {
    source: R,
    /// What undoes it.
    pub decoder: Decoder,
    bytes: Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    pub fn new(source: R, encoding: Encoding) -> Self {
        Self { source, decoder: encoding.decoder(), bytes: Cursor::default(), ended: false }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.bytes.read(buffer)?;
            if read > 0 || self.ended || buffer.is_empty() {
                return Ok(read);
            }
            let mut encoded = [0; READ];
            let read = self.source.read(&mut encoded)?;
            self.ended = read == 0;
            let mut bytes = std::mem::take(&mut self.bytes).into_inner();
            bytes.clear();
            if self.ended {
                self.decoder.finish(&mut bytes);
            } else {
                self.decoder.push(&encoded[..read], &mut bytes);
            }
            self.bytes = Cursor::new(bytes);
        }
    }
}

/// What is undone of a short text.
pub fn decoded(encoded: &[u8], encoding: Encoding) -> Vec<u8> {
    let (mut decoder, mut out) = (encoding.decoder(), Vec::new());
    decoder.push(encoded, &mut out);
    decoder.finish(&mut out);
    out
}

/// Writes base 64 in lines of this width, with `end` between them.
pub fn write_base64(source: &mut dyn Read, width: usize, end: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut between: &[u8] = b"";
    loop {
        let mut line = Vec::with_capacity(width / 4 * 3);
        (&mut *source).take((width / 4 * 3) as u64).read_to_end(&mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        out.write_all(between)?;
        out.write_all(STANDARD.encode(&line).as_bytes())?;
        between = end;
    }
}

/// Writes quoted-printable. Line ends that are `end` stay; no line begins as one of a mailbox or as the end of a part.
pub fn write_quoted(source: &mut dyn Read, end: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut source = BufReader::new(source);
    let (mut line, mut width) = (Vec::new(), 0);
    loop {
        line.clear();
        (&mut source).take(LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let (text, behind) = line.strip_suffix(end).map_or((&line[..], &b""[..]), |text| (text, end));
        let mut written = Vec::with_capacity(text.len() + text.len() / 8);
        for (at, byte) in text.iter().enumerate() {
            if width + 3 > WIDTH - 1 {
                written.push(b'=');
                written.extend_from_slice(end);
                width = 0;
            }
            let is_last = at + 1 == text.len();
            let misleads = width == 0 && (*byte == b'-' || *byte == b'.' || text[at..].starts_with(b"From "));
            let stays = match byte {
                b' ' | b'\t' => !is_last,
                b'!'..=b'~' => *byte != b'=' && !misleads,
                _ => false,
            };
            let len = if stays { 1 } else { 3 };
            if stays {
                written.push(*byte);
            } else {
                written.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
            width += len;
        }
        out.write_all(&written)?;
        out.write_all(behind)?;
        if !behind.is_empty() {
            width = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn what_is_none_is_left_out() {
        for (text, expected, is_whole) in [
            ("Zm9v\r\nYmFy\r\n", "foobar", true),
            ("Zm8=", "fo", true),
            ("Zg==\n\n", "f", true),
            ("Z m9v", "foo", false),
            ("Zm9v!", "foo", false),
            ("Zm8", "fo", false),
            ("Zg=", "f", false),
            ("Zh==", "f", false),
            ("Zg==Zm9v", "ffoo", false),
            ("Zg====", "f", false),
            ("Z", "", false),
            ("", "", true),
        ] {
            let mut source = Decoded::new(text.as_bytes(), Encoding::Base64);
            let mut out = Vec::new();
            source.read_to_end(&mut out).unwrap();
            assert_eq!((&out[..], source.decoder.is_whole()), (expected.as_bytes(), is_whole), "{text}");
        }
        for (text, expected) in [
            ("a=20b=3d=\r\nc=  \nd", "a b=cd"),
            ("=C3=A9 =", "\u{e9} "),
            ("a=b =x= =4=41", "a=b =x= =4A"),
            ("==41=", "=A"),
            ("1=2", "1=2"),
        ] {
            assert_eq!(String::from_utf8(decoded(text.as_bytes(), Encoding::QuotedPrintable)).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "([a-z =.\t-]|From |\r\n|\n|\r){0,200}",
            width in 1_usize..250, crlf in any::<bool>(),
        ) {
            let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
            for source in [&bytes[..], text.as_bytes()] {
                let mut out = Vec::new();
                write_base64(&mut &source[..], width * 4, end, &mut out).unwrap();
                let mut read = Decoded::new(&out[..], Encoding::Base64);
                let mut back = Vec::new();
                read.read_to_end(&mut back).unwrap();
                prop_assert_eq!(&back[..], source);
                prop_assert!(read.decoder.is_whole());
                out.clear();
                write_quoted(&mut &source[..], end, &mut out).unwrap();
                prop_assert_eq!(&decoded(&out, Encoding::QuotedPrintable)[..], source);
                for line in out.split(|byte| *byte == b'\n') {
                    prop_assert!(line.len() <= WIDTH + 1 && !line.starts_with(b"From ") && !line.starts_with(b"-"));
                }
            }
        }
    }
}
