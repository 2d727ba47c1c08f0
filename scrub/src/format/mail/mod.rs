//! Messages of mail (RFC 5322) and mailboxes of them: parts by MIME (RFC 2045 to 2049) are treated as the files that they are, and encoded again as they were. Parts in which nothing
//! changes stay byte for byte, and so do the lines between them. What is no field begins the body, and a body that is not what its head says is text: nothing is left out.

mod doubt;
mod encoding;
mod header;
mod params;

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use super::fields::{Fields, Pieces, is_blank, is_name};
use super::hash::{Hash, Hashed};
use super::stage::Stage;
use super::{Format, FormatError, Rule, Summary, Work, file, read_error};
use encoding::{Decoded, Encoding, write_base64, write_quoted};

/// Bytes of the head of a message or a part; what goes beyond is body.
const HEAD: usize = 1 << 20;
/// Bytes of a line that are read at a time.
const LINE: usize = 64 * 1024;
/// Bytes of a part that wait in memory, each way.
const IN_MEMORY: usize = 4 << 20;
/// Parts within parts.
const LEVELS: usize = 32;
/// Bytes of a line between parts: RFC 2046 allows 70.
const BOUNDARY: usize = 1024;
/// Bytes of empty lines at the end of a part.
const BLANK: usize = 64 * 1024;

/// Names of fields that messages have. Those of the first group are seldom in another file.
const KNOWN: [&[&str]; 2] = [
    &["from", "received", "return-path", "message-id", "delivered-to", "mime-version"],
    &[
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "sender",
        "reply-to",
        "in-reply-to",
        "references",
        "content-type",
        "content-transfer-encoding",
        "x-mailer",
        "user-agent",
        "dkim-signature",
    ],
];

/// Whether a file that begins so is a mailbox, if it is mail: fields up to an empty line, and several that mail has.
pub fn sniff(head: &[u8], whole: bool) -> Option<bool> {
    let mbox = head.starts_with(b"From ");
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    if mbox && !lines.next().is_some_and(is_separator) {
        return None;
    }
    let (mut known, mut group) = (Vec::new(), false);
    for line in lines {
        let space = matches!(line.first(), Some(b' ' | b'\t'));
        if is_blank(line) || !line.ends_with(b"\n") && !whole {
            break;
        }
        if space && !known.is_empty() {
            continue;
        }
        let name = &line[..line.iter().position(|byte| *byte == b':')?];
        if !is_name(name) || !line.ends_with(b"\n") {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let is = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        group |= is(KNOWN[0]);
        if (is(KNOWN[0]) || is(KNOWN[1]) || known.is_empty()) && !known.contains(&name) {
            known.push(name);
        }
    }
    let is_known =
        |name: &&Vec<u8>| KNOWN.iter().flat_map(|names| names.iter()).any(|known| known.as_bytes() == **name);
    (group && known.iter().filter(is_known).count() >= if mbox { 2 } else { 3 }).then_some(mbox)
}

/// Whether a line stands before a message of a mailbox: `From `, an address, and a time.
fn is_separator(line: &[u8]) -> bool {
    let is_time = |four: &[u8]| matches!(four, [b':', b'0'..=b'5', b'0'..=b'9', b' ' | b':' | b'\r' | b'\n']);
    line.starts_with(b"From ") && line.windows(4).any(is_time)
}

/// Treats a message, or the messages of a mailbox.
pub fn scrub(
    mbox: bool,
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    job.archive(depth)?;
    summary.format.get_or_insert(Format::Mail { mbox });
    let lines = Lines { source: BufReader::with_capacity(LINE, source), piece: Vec::new(), starts: true, read: false };
    let mut mail = Mail { lines, out, job, depth, summary, boundaries: Vec::new(), mbox };
    while mail.lines.peek()?.is_some() {
        if mbox && mail.ends()? == Some(End::Message) {
            let line = mail.lines.take();
            mail.separator(&line)?;
        }
        mail.entity(0)?;
    }
    Ok(())
}

/// A source in lines, long ones in pieces.
struct Lines<'s> {
    source: BufReader<&'s mut dyn Read>,
    /// The next one.
    piece: Vec<u8>,
    /// It begins a line.
    starts: bool,
    /// It was read and not taken.
    read: bool,
}

impl Lines<'_> {
    /// The next piece; none at the end.
    fn peek(&mut self) -> Result<Option<&[u8]>, FormatError> {
        if !self.read {
            self.starts = self.piece.is_empty() || self.piece.ends_with(b"\n");
            self.piece.clear();
            (&mut self.source).take(LINE as u64).read_until(b'\n', &mut self.piece).map_err(read_error)?;
            self.read = true;
        }
        Ok((!self.piece.is_empty()).then_some(&self.piece[..]))
    }

    /// The piece that was looked at.
    fn take(&mut self) -> Vec<u8> {
        self.read = false;
        self.piece.clone()
    }
}

/// What the next line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The message, and another begins or nothing follows.
    Message,
    /// A part of the entity with this boundary; the last one?
    Part { boundary: usize, last: bool },
}

struct Mail<'s, 'a> {
    lines: Lines<'s>,
    out: &'a mut dyn Write,
    job: &'a Work<'a>,
    depth: u32,
    summary: &'a mut Summary,
    /// Of the entities around, the innermost last.
    boundaries: Vec<Vec<u8>>,
    mbox: bool,
}

/// What is known of a body before it is read.
#[derive(Clone, Copy)]
struct About {
    encoding: Encoding,
    /// Lines end in carriage return and line feed.
    crlf: bool,
    /// Readers show it, and take files out of it that are written into it.
    shown: bool,
}

impl Mail<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        if self.job.actor.is_none() {
            return Ok(());
        }
        self.out.write_all(bytes).map_err(FormatError::Write)
    }

    /// What the next line ends, if it does.
    fn ends(&mut self) -> Result<Option<End>, FormatError> {
        let Some(piece) = self.lines.peek()? else { return Ok(Some(End::Message)) };
        let piece = piece.to_vec();
        if !self.lines.starts {
            return Ok(None);
        }
        if self.mbox && is_separator(&piece) {
            return Ok(Some(End::Message));
        }
        Ok(self.delimiter(&piece))
    }

    /// What a line ends by a boundary.
    fn delimiter(&self, line: &[u8]) -> Option<End> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        self.boundaries.iter().enumerate().rev().find_map(|(boundary, name)| match line.strip_prefix(&name[..])? {
            b"" => Some(End::Part { boundary, last: false }),
            b"--" => Some(End::Part { boundary, last: true }),
            _ => None,
        })
    }

    /// Whether a line ends a part for those that look at its start alone, as RFC 2046, section 5.1.1, has it, and ends none here.
    fn is_like_delimiter(&self, line: &[u8]) -> bool {
        let name = line.strip_prefix(b"--");
        let is_one = name.is_some_and(|name| self.boundaries.iter().any(|boundary| name.starts_with(boundary)));
        is_one && self.delimiter(line).is_none()
    }

    /// Tells of such a line: what follows it may be a part.
    fn doubt_line(&mut self, starts: bool, line: &[u8]) -> Result<(), FormatError> {
        if starts && self.is_like_delimiter(line) {
            self.not_looked_into("mail in parts that cannot be told apart")?;
        }
        Ok(())
    }

    /// The line before a message: its address is data, and what is no date.
    fn separator(&mut self, line: &[u8]) -> Result<(), FormatError> {
        let rest = &line[b"From ".len()..];
        let address = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let mut pieces = Pieces::default();
        pieces.frame(b"From ");
        pieces.data(&rest[..address]);
        if is_date(&rest[address..]) {
            pieces.frame(&rest[address..]);
        } else {
            pieces.data(&rest[address..]);
        }
        let line = pieces.scrub(self.job, self.summary)?;
        self.write(&line)
    }

    /// Reads fields up to an empty line, which is the last of them, or to what is none.
    fn head(&mut self) -> Result<Vec<u8>, FormatError> {
        let mut head: Vec<u8> = Vec::new();
        while self.ends()?.is_none() {
            let starts = self.lines.starts;
            let Some(piece) = self.lines.peek()? else { break };
            let blank = is_blank(piece);
            let goes_on = !starts || !head.is_empty() && matches!(piece.first(), Some(b' ' | b'\t'));
            let name =
                piece.iter().position(|byte| *byte == b':').is_some_and(|at| is_name(piece[..at].trim_ascii_end()));
            if !(blank || goes_on || name) || head.len() + piece.len() > HEAD {
                break;
            }
            let piece = self.lines.take();
            self.doubt_line(starts, &piece)?;
            head.extend(piece);
            if blank {
                break;
            }
        }
        Ok(head)
    }

    /// Treats a message or a part: its head and its body.
    fn entity(&mut self, level: usize) -> Result<(), FormatError> {
        if level > LEVELS {
            return Err(FormatError::Limit(format!("its mail holds parts within {LEVELS} parts")));
        }
        let mut fields = Fields::parse(&self.head()?);
        if let Some(what) = doubt::of_head(&fields) {
            self.not_looked_into(what)?;
        }
        let kind = doubt::kind(fields.value("content-type").unwrap_or_default());
        let encoding = fields.value("content-transfer-encoding").map_or(Encoding::Identity, Encoding::of);
        let about = About {
            encoding,
            crlf: fields.0.first().is_none_or(|field| field.bytes.ends_with(b"\r\n")),
            shown: encoding != Encoding::Base64 || kind.is_empty() || kind.starts_with(b"text/"),
        };
        let boundary = doubt::boundary(&fields).filter(|_| kind.starts_with(b"multipart/"));
        header::scrub(&mut fields, self.job, self.summary)?;
        self.write(&fields.bytes())?;
        let is_message = kind == b"message/rfc822" || kind == b"message/global";
        match boundary {
            Some(boundary) => self.parts(boundary, about, level),
            None if is_message && about.encoding == Encoding::Identity => self.entity(level + 1),
            None => self.body(about),
        }
    }

    /// Of a part that others may read as something else than is looked into: it is counted, where that may be.
    fn not_looked_into(&mut self, what: &'static str) -> Result<(), FormatError> {
        if self.job.on_unknown != Rule::Pass {
            return Err(FormatError::Unknown { what, nested: true, rule: self.job.on_unknown });
        }
        *self.summary.passed.entry(what).or_default() += 1;
        Ok(())
    }

    /// Treats the parts of an entity, and what stands before and behind them.
    fn parts(&mut self, name: Vec<u8>, about: About, level: usize) -> Result<(), FormatError> {
        let own = self.boundaries.len();
        self.boundaries.push(name);
        self.body(about)?;
        loop {
            match self.ends()? {
                Some(End::Part { boundary, last }) if boundary == own => {
                    let line = self.lines.take();
                    self.write(&line)?;
                    if last {
                        break;
                    }
                    self.entity(level + 1)?;
                }
                // One around it ends, and this one with it.
                _ => {
                    self.boundaries.truncate(own);
                    return Ok(());
                }
            }
        }
        self.boundaries.truncate(own);
        self.body(about)
    }

    /// Treats what stands up to the end of a part.
    fn body(&mut self, about: About) -> Result<(), FormatError> {
        let (mut raw, held) = self.raw()?;
        if !raw.is_empty() {
            self.content(&mut raw, about)?;
        }
        self.write(&held)
    }

    /// Reads up to the end of a part. Its last line ends are apart: they belong to what follows.
    fn raw(&mut self) -> Result<(Stage, Vec<u8>), FormatError> {
        let (mut raw, mut held) = (self.job.stage(IN_MEMORY), Vec::new());
        while self.ends()?.is_none() {
            let starts = self.lines.starts;
            let piece = self.lines.take();
            self.doubt_line(starts, &piece)?;
            let text = piece.strip_suffix(b"\n").map_or(&piece[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
            if !text.is_empty() || held.len() > BLANK {
                raw.write_all(&held).map_err(FormatError::Write)?;
                held.clear();
            }
            raw.write_all(text).map_err(FormatError::Write)?;
            held.extend_from_slice(&piece[text.len()..]);
        }
        raw.end().map_err(FormatError::Write)?;
        Ok((raw, held))
    }

    /// Treats what is in a body, and writes it encoded as it was.
    fn content(&mut self, raw: &mut Stage, about: About) -> Result<(), FormatError> {
        if about.shown {
            let mut text = BufReader::with_capacity(LINE, Decoded::new(&mut *raw, about.encoding));
            if let Some(what) = doubt::in_text(&mut text).map_err(read_error)? {
                self.not_looked_into(what)?;
            }
            raw.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        }
        let mut made = self.job.stage(IN_MEMORY);
        let mut source = Hashed::new(Decoded::new(&mut *raw, about.encoding));
        file(&mut source, &mut made, self.job, self.depth, self.summary)?;
        io::copy(&mut source, &mut io::sink()).map_err(read_error)?;
        let Hashed { inner: Decoded { decoder, .. }, hash } = source;
        if self.job.actor.is_none() {
            return Ok(());
        }
        made.end().map_err(FormatError::Write)?;
        if Hash::of_stage(&mut made)? == hash.finish() && decoder.is_whole() {
            raw.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
            return io::copy(raw, self.out).map(drop).map_err(FormatError::Write);
        }
        let end: &[u8] = if about.crlf { b"\r\n" } else { b"\n" };
        match about.encoding {
            Encoding::Base64 => write_base64(&mut made, decoder.width(), end, self.out).map_err(FormatError::Write),
            Encoding::QuotedPrintable => write_quoted(&mut made, end, self.out).map_err(FormatError::Write),
            Encoding::Identity => self.changed(made),
        }
    }

    /// Writes a text that changed. None of its lines begins another message or ends a part.
    fn changed(&mut self, made: Stage) -> Result<(), FormatError> {
        let mut made = BufReader::new(made);
        let (mut line, mut starts) = (Vec::new(), true);
        loop {
            line.clear();
            (&mut made).take(LINE as u64).read_until(b'\n', &mut line).map_err(FormatError::Write)?;
            if line.is_empty() {
                return Ok(());
            }
            if starts
                && (self.mbox && line.starts_with(b"From ")
                    || self.delimiter(&line).is_some()
                    || self.is_like_delimiter(&line))
            {
                self.write(b">")?;
            }
            starts = line.ends_with(b"\n");
            self.write(&line)?;
        }
    }
}

/// Whether it is a date of C's `asctime`, with a zone or without.
fn is_date(bytes: &[u8]) -> bool {
    const NAMES: &[u8] = b"Sun Mon Tue Wed Thu Fri Sat Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec UTC GMT";
    bytes.split(u8::is_ascii_whitespace).all(|word| match word {
        [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => {
            word.len() <= 8
                && word[1..].iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
                && (word.len() <= 5 || word.contains(&b':'))
        }
        word => word.is_empty() || word.len() == 3 && NAMES.chunks(4).any(|name| name.starts_with(word)),
    })
}

#[cfg(test)]
mod tests;
