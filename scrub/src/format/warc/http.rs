//! Messages of HTTP (RFC 9112) as WARC keeps them: a head, and a payload that may be in chunks.

use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};

use super::super::fields::{Fields, is_blank, read_head};
use super::super::hash::{Hash, Hashed};
use super::super::stage::Stage;
use super::super::{FormatError, Summary, Work, file, read_error};
use super::digest::Kind;
use super::{HEAD, IN_MEMORY, Made};

/// Bytes of the line before a chunk.
const LINE: u64 = 4096;

/// Treats a message. One that is none is treated as the file that it is. `payload`: the digest that is known of its payload.
pub fn scrub(
    block: &mut dyn BufRead,
    payload: Option<(Kind, Vec<u8>)>,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<Made, FormatError> {
    let (head, complete) = read_head(block, HEAD).map_err(read_error)?;
    let mut made = Made::new(job);
    let first = head.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(data) = first_line(first).filter(|_| complete) else {
        file(&mut Cursor::new(head).chain(block), &mut made.body, job, depth, summary)?;
        return Ok(made);
    };
    let mut fields = Fields::parse(&head);
    for field in &mut fields.0 {
        if is_fixed(field.name(), field.value()) {
            field.data = None;
        }
    }
    if let Some(first) = fields.0.first_mut() {
        first.data = Some(data);
    }
    let last = fields.value("transfer-encoding").and_then(|codings| codings.rsplit(|byte| *byte == b',').next());
    let is_chunked = last.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    fields.scrub(job, summary)?;
    if is_chunked {
        chunked(block, payload, &mut made, job, depth, summary)?;
    } else {
        let mut source = Hashed::new(block);
        treat(&mut source, &mut made.body, job, depth, summary)?;
        if job.actor.is_some() && source.hash.finish() != Hash::of_stage(&mut made.body)? {
            fields.set("content-length", made.body.len().to_string().as_bytes());
        }
    }
    made.head = fields.bytes();
    Ok(made)
}

/// Where data is in the first line: the target of a request, the words of a status.
fn first_line(line: &[u8]) -> Option<std::ops::Range<usize>> {
    let end = line.trim_ascii_end().len();
    let space = line.iter().position(|byte| *byte == b' ').unwrap_or(end);
    if line.starts_with(b"HTTP/") {
        let code = line.get(space + 1..)?;
        let digits = code.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return (digits == 3).then(|| (space + 4).min(end)..end);
    }
    let version = line.windows(6).rposition(|bytes| bytes == b" HTTP/")?;
    let is_method = space > 0 && line[..space].iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    (is_method && space < version).then(|| space + 1..version)
}

/// Whether a field is about the form of the message, and holds nothing else.
fn is_fixed(name: &[u8], value: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    is("content-length") && value.iter().all(u8::is_ascii_digit)
        || (is("transfer-encoding") || is("content-encoding"))
            && value.split(|byte| *byte == b',').all(|coding| {
                let coding = coding.trim_ascii().to_ascii_lowercase();
                matches!(&coding[..], b"chunked" | b"gzip" | b"x-gzip" | b"deflate" | b"br" | b"zstd" | b"identity")
            })
}

/// Treats a payload as the file that it is.
fn treat(
    source: &mut dyn Read,
    stage: &mut Stage,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    file(source, stage, job, depth, summary)?;
    io::copy(source, &mut io::sink()).map_err(read_error)?;
    stage.end().map_err(FormatError::Write)
}

/// Treats a payload in chunks. Where nothing in it changes its chunks stay; else it is written as one.
fn chunked(
    block: &mut dyn BufRead,
    payload: Option<(Kind, Vec<u8>)>,
    made: &mut Made,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    let mut raw = job.staged(block, IN_MEMORY)?;
    let mut source = Hashed::new(Chunks::new(&mut raw));
    treat(&mut source, &mut made.body, job, depth, summary)?;
    let (is_plain, is_chunked) = (source.inner.is_plain(), source.inner.is_chunked);
    if job.actor.is_none() {
        return Ok(());
    }
    if is_plain && source.hash.finish() == Hash::of_stage(&mut made.body)? {
        raw.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        made.body = raw;
        return Ok(());
    }
    if let Some((kind, value)) = payload {
        // Most writers take the digest of the chunks as they are, others of what is in them.
        raw.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        let inner = kind.digest(&value, &mut Chunks::new(&mut raw)).map_err(FormatError::Write)?;
        made.payload_is_body = inner == value;
    }
    if is_chunked {
        let len = made.body.len();
        made.before = if len > 0 { format!("{len:x}\r\n").into_bytes() } else { Vec::new() };
        made.after = if len > 0 { b"\r\n0\r\n\r\n".to_vec() } else { b"0\r\n\r\n".to_vec() };
    }
    Ok(())
}

/// What is in the chunks of a payload. From where on it is in none, it is given as it stands, so that nothing is left out.
struct Chunks<R: Read> {
    source: BufReader<R>,
    state: State,
    /// What was read and is given before all else.
    pending: Cursor<Vec<u8>>,
    /// It began with a chunk.
    is_chunked: bool,
    /// Something that is in no chunk was left out or given: extensions, trailers, what follows.
    has_more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the line of the first chunk, or of another.
    Line { first: bool },
    /// So many bytes of a chunk are left.
    Data(u64),
    /// Behind a chunk.
    End,
    /// In no chunk any more.
    Raw,
    /// Behind the last chunk and its trailers.
    Done,
}

impl<R: Read> Chunks<R> {
    fn new(source: R) -> Self {
        Self {
            source: BufReader::new(source),
            state: State::Line { first: true },
            pending: Cursor::default(),
            is_chunked: false,
            has_more: false,
        }
    }

    /// Whether nothing but chunks was there, to the last one.
    fn is_plain(&self) -> bool {
        self.state == State::Done && !self.has_more
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.source).take(LINE).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// Gives what was read, and then the rest as it is.
    fn raw(&mut self, read: Vec<u8>) {
        self.has_more = true;
        self.pending = Cursor::new(read);
        self.state = State::Raw;
    }

    /// Reads what is between two chunks.
    fn step(&mut self) -> io::Result<()> {
        let line = self.line()?;
        match self.state {
            State::End if is_blank(&line) => self.state = State::Line { first: false },
            State::Line { first } => match size(&line) {
                Some((size, more)) => {
                    self.is_chunked |= first;
                    self.has_more |= more;
                    self.state = State::Data(size);
                    if size == 0 {
                        self.trailers()?;
                    }
                }
                None => self.raw(line),
            },
            _ => self.raw(line),
        }
        Ok(())
    }

    /// Leaves out the trailers.
    fn trailers(&mut self) -> io::Result<()> {
        let (trailers, complete) = read_head(&mut self.source, HEAD)?;
        self.has_more |= !complete || !is_blank(&trailers);
        self.state = State::Done;
        if !self.source.fill_buf()?.is_empty() {
            self.raw(Vec::new());
        }
        Ok(())
    }
}

/// The length that the line before a chunk tells, and whether it tells more.
fn size(line: &[u8]) -> Option<(u64, bool)> {
    let line = line.strip_suffix(b"\n")?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let more = line[digits..].trim_ascii();
    let is_line = more.is_empty() || more[0] == b';';
    let size = std::str::from_utf8(&line[..digits]).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok())?;
    is_line.then_some((size, !more.is_empty()))
}

impl<R: Read> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                _ if buffer.is_empty() => return Ok(0),
                State::Done => return Ok(0),
                State::Raw => {
                    return match self.pending.read(buffer)? {
                        0 => self.source.read(buffer),
                        read => Ok(read),
                    };
                }
                State::Data(0) => self.state = State::End,
                State::Data(left) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    let read = self.source.read(&mut buffer[..most])?;
                    self.state = State::Data(left - read as u64);
                    if read == 0 {
                        // It was cut off there.
                        self.has_more = true;
                        self.state = State::Done;
                    }
                    return Ok(read);
                }
                State::Line { .. } | State::End => self.step()?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dechunked(source: &[u8]) -> (Vec<u8>, bool, bool) {
        let (mut chunks, mut out) = (Chunks::new(source), Vec::new());
        chunks.read_to_end(&mut out).unwrap();
        (out, chunks.is_chunked, chunks.is_plain())
    }

    #[test]
    fn nothing_in_chunks_is_left_out() {
        for (source, expected, is_chunked, is_plain) in [
            (&b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"[..], &b"abcde"[..], true, true),
            (b"0\r\n\r\n", b"", true, true),
            (b"3\nabc\n0\n\n", b"abc", true, true),
            (b"3;name=a\r\nabc\r\n0\r\n\r\n", b"abc", true, false),
            (b"3\r\nabc\r\n0\r\nX: secret\r\n\r\n", b"abc", true, false),
            (b"3\r\nabc\r\n0\r\n\r\nmore", b"abcmore", true, false),
            (b"3\r\nabc", b"abc", true, false),
            (b"9\r\nabc", b"abc", true, false),
            (b"3\r\nabcd\r\n0\r\n\r\n", b"abcd\r\n0\r\n\r\n", true, false),
            (b"3\r\nabc\r\nnone\r\nx", b"abcnone\r\nx", true, false),
            (b"ffffffffffffffffff\r\nabc", b"ffffffffffffffffff\r\nabc", false, false),
            (b"no chunks", b"no chunks", false, false),
            (b"", b"", false, false),
        ] {
            assert_eq!(dechunked(source), (expected.to_vec(), is_chunked, is_plain), "{}", source.escape_ascii());
        }
    }

    #[test]
    fn first_lines_are_known() {
        for (line, data) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], Some(&b" OK"[..])),
            (b"HTTP/1.0 404\r\n", Some(b"")),
            (b"GET /a?b=c d HTTP/1.1\r\n", Some(b"/a?b=c d")),
            (b"GET /a\r\n", None),
            (b"HTTP/1.1\r\n", None),
            (b" / HTTP/1.1\r\n", None),
            (b"", None),
        ] {
            assert_eq!(first_line(line).map(|range| &line[range]), data, "{}", line.escape_ascii());
        }
    }
}
