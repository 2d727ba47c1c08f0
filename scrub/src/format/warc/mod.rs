//! Records of the web (WARC 1.0 and 1.1, ISO 28500). Each block is treated as the file that it is, the messages of HTTP by their parts; the head of a record is edited. What does not
//! change stays byte for byte. In a compressed file each record is a member of its own, so that it can be read alone.
//!
//! The head of a record tells the length and the digests of its block and comes before it, so what becomes of a block waits in a [`Stage`].

mod digest;
mod http;

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use super::compressed::Codec;
use super::fields::{Fields, read_head};
use super::hash::Hash;
use super::stage::Stage;
use super::{Format, FormatError, Rule, Summary, Work, file, read_error};
use digest::Kind;

/// Bytes of the head of a record, or of a message of HTTP.
const HEAD: usize = 1 << 20;
/// Bytes of a block that wait in memory.
const IN_MEMORY: usize = 4 << 20;
/// Bytes between two records.
const BETWEEN: usize = 64;
/// Bytes that [`is_warc`] looks at.
pub const MAGIC: usize = 10;

/// Whether a file that begins so is one.
pub fn is_warc(head: &[u8]) -> bool {
    let Some(version) = head.strip_prefix(b"WARC/") else { return false };
    matches!(version, [b'0'..=b'9', b'.', b'0'..=b'9', b'\r' | b'\n', ..] | [b'0', b'.', b'0'..=b'9', b'0'..=b'9', ..])
}

/// Treats a file of records. With `codec` each is compressed by itself.
pub fn scrub(
    codec: Option<Codec>,
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    job.archive(depth)?;
    summary.format.get_or_insert(Format::Warc);
    let source = BufReader::with_capacity(super::READ, source);
    let mut records = Records { source, out, codec, job, depth, summary };
    while records.record()? {}
    Ok(())
}

struct Records<'s, 'a> {
    source: BufReader<&'s mut dyn Read>,
    out: &'a mut dyn Write,
    codec: Option<Codec>,
    job: &'a Work<'a>,
    depth: u32,
    summary: &'a mut Summary,
}

/// What became of a block.
struct Made {
    /// The head of a message.
    head: Vec<u8>,
    /// Around the body, where it is in a chunk.
    before: Vec<u8>,
    body: Stage,
    after: Vec<u8>,
    /// The digest of the payload is that of the body alone.
    payload_is_body: bool,
}

impl Made {
    fn new(job: &Work<'_>) -> Self {
        let (head, before, after) = Default::default();
        Self { head, before, body: job.stage(IN_MEMORY), after, payload_is_body: false }
    }

    fn len(&self) -> u64 {
        (self.head.len() + self.before.len() + self.after.len()) as u64 + self.body.len()
    }

    /// All of it.
    fn block(&mut self) -> Result<impl Read + '_, FormatError> {
        self.body.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        Ok((&self.head[..]).chain(&self.before[..]).chain(&mut self.body).chain(&self.after[..]))
    }

    /// What the digest of the payload is of.
    fn payload(&mut self) -> Result<impl Read + '_, FormatError> {
        self.body.seek(SeekFrom::Start(0)).map_err(FormatError::Write)?;
        let (before, after) =
            if self.payload_is_body { Default::default() } else { (&self.before[..], &self.after[..]) };
        Ok(before.chain(&mut self.body).chain(after))
    }
}

impl Records<'_, '_> {
    fn broken(&self, why: &str) -> FormatError {
        FormatError::Broken { format: "warc", why: why.to_owned(), rule: self.job.on_unknown }
    }

    /// Treats the next record. Whether there was one.
    fn record(&mut self) -> Result<bool, FormatError> {
        let (head, complete) = read_head(&mut self.source, HEAD).map_err(read_error)?;
        if head.is_empty() {
            return Ok(false);
        }
        if !is_warc(&head) {
            return Err(self.broken("something that is no record follows one"));
        }
        if !complete {
            return Err(match head.len() {
                HEAD => FormatError::Limit(format!("the head of a record in its warc has more than {HEAD} bytes")),
                _ => self.broken("it ends within the head of a record"),
            });
        }
        let mut fields = Fields::parse(&head);
        let length = fields.value("content-length").filter(|_| fields.count("content-length") == 1);
        let Some(length) = length.and_then(number) else {
            return Err(self.broken("a record does not tell its length"));
        };
        if fields.value("warc-segment-number").is_some() {
            return Err(FormatError::Unknown {
                what: "a warc with records in pieces",
                nested: self.depth > 1,
                // Where a piece begins is not known, so none can be passed on.
                rule: if self.job.on_unknown == Rule::Pass { Rule::Refuse } else { self.job.on_unknown },
            });
        }
        let mut block = Block { source: &mut self.source, left: length, hash: Hash::default() };
        let mut made = treat(&mut block, &fields, self.job, self.depth, self.summary)?;
        io::copy(&mut block, &mut io::sink()).map_err(read_error)?;
        let Block { left, hash, .. } = block;
        if left > 0 {
            return Err(self.broken("it ends within a record"));
        }
        let between = self.between()?;
        for field in &mut fields.0 {
            if is_fixed(field.name(), field.value()) {
                field.data = None;
            } else if let Some(data) = &mut field.data {
                data.start += scheme(&field.bytes[data.start..]);
            }
        }
        // The line of the version.
        if let Some(first) = fields.0.first_mut() {
            first.data = None;
        }
        fields.scrub(self.job, self.summary)?;
        if self.job.actor.is_none() {
            return Ok(true);
        }
        made.body.end().map_err(FormatError::Write)?;
        if Hash::of(&mut made.block()?)? != hash.finish() {
            self.changed(&mut fields, &mut made)?;
        }
        let mut write = |out: &mut dyn Write| {
            out.write_all(&fields.bytes()).map_err(FormatError::Write)?;
            io::copy(&mut made.block()?, out).map_err(FormatError::Write)?;
            out.write_all(&between).map_err(FormatError::Write)
        };
        match self.codec {
            None => write(self.out)?,
            Some(codec) => codec.encode(self.out, write)?,
        }
        Ok(true)
    }

    /// Computes anew what the head tells of the block.
    fn changed(&mut self, fields: &mut Fields, made: &mut Made) -> Result<(), FormatError> {
        fields.set("content-length", made.len().to_string().as_bytes());
        let is_revisit = fields.value("warc-type").is_some_and(|kind| kind.eq_ignore_ascii_case(b"revisit"));
        for name in ["warc-block-digest", "warc-payload-digest"] {
            let Some(value) = fields.value(name).map(<[u8]>::to_vec) else { continue };
            let is_payload = name == "warc-payload-digest";
            // The payload of a visit that is told again is elsewhere.
            if is_payload && is_revisit {
                continue;
            }
            let Some(kind) = Kind::of(&value) else {
                self.summary.bad_records += 1;
                fields.remove(name);
                continue;
            };
            let digest = if is_payload {
                kind.digest(&value, &mut made.payload()?)
            } else {
                kind.digest(&value, &mut made.block()?)
            };
            fields.set(name, &digest.map_err(FormatError::Write)?);
        }
        Ok(())
    }

    /// The line ends behind a record.
    fn between(&mut self) -> Result<Vec<u8>, FormatError> {
        let mut between = Vec::new();
        loop {
            let ahead = self.source.fill_buf().map_err(read_error)?;
            let ends = ahead.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if ends == 0 {
                return Ok(between);
            }
            between.extend_from_slice(&ahead[..ends.min(BETWEEN + 1)]);
            self.source.consume(ends);
            if between.len() > BETWEEN {
                return Err(self.broken("there is too much between its records"));
            }
        }
    }
}

/// Treats a block as what its head says that it is.
fn treat(
    block: &mut Block<'_, '_>,
    fields: &Fields,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<Made, FormatError> {
    if fields.value("content-type").unwrap_or_default().to_ascii_lowercase().starts_with(b"application/http") {
        let payload = fields.value("warc-payload-digest");
        let payload = payload.and_then(|value| Some((Kind::of(value)?, value.to_vec())));
        return http::scrub(block, payload, job, depth, summary);
    }
    let mut made = Made::new(job);
    // By content too where it is said to be text.
    file(block, &mut made.body, job, depth, summary)?;
    Ok(made)
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// Bytes of the scheme that a URI begins with: by it readers know what a block is.
fn scheme(value: &[u8]) -> usize {
    const SCHEMES: [&[u8]; 6] = [b"http://", b"https://", b"ftp://", b"dns:", b"urn:", b"metadata:"];
    let space = value.len() - value.trim_ascii_start().len();
    let begins = |scheme: &&&[u8]| value[space..].starts_with(scheme);
    SCHEMES.iter().find(begins).map_or(0, |scheme| space + scheme.len())
}

/// Whether a field is about the form of a record, and holds nothing else. All others are data.
fn is_fixed(name: &[u8], value: &[u8]) -> bool {
    let all = |of: fn(&u8) -> bool| value.iter().all(of);
    match &name.to_ascii_lowercase()[..] {
        b"content-length" => all(u8::is_ascii_digit),
        b"warc-type" | b"warc-truncated" => all(u8::is_ascii_lowercase),
        b"warc-date" | b"warc-refers-to-date" => is_date(value),
        b"warc-record-id" | b"warc-concurrent-to" | b"warc-refers-to" | b"warc-warcinfo-id" => {
            let id = value.strip_prefix(b"<urn:uuid:").and_then(|id| id.strip_suffix(b">"));
            id.is_some_and(|id| has_form(id, b"00000000-0000-0000-0000-000000000000", u8::is_ascii_hexdigit))
        }
        b"warc-block-digest" | b"warc-payload-digest" => Kind::of(value).is_some(),
        b"warc-profile" => {
            let profile = value.strip_prefix(b"http://netpreserve.org/warc/");
            let is_part = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'/');
            profile.and_then(|of| of.split_at_checked(3)).is_some_and(|(version, profile)| {
                has_form(version, b"0.0", u8::is_ascii_digit) && profile.iter().all(is_part)
            })
        }
        _ => false,
    }
}

/// Whether it is as long as `form`, with digits where that has zeros, and else the same.
fn has_form(value: &[u8], form: &[u8], is_digit: fn(&u8) -> bool) -> bool {
    let holds = |(byte, form): (&u8, &u8)| if *form == b'0' { is_digit(byte) } else { byte == form };
    value.len() == form.len() && value.iter().zip(form).all(holds)
}

/// Whether it is a date as WARC has them (of ISO 8601): cut to the year, month, day or minute, or with up to nine digits of a second behind it.
fn is_date(value: &[u8]) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let value = value.strip_suffix(b"Z").unwrap_or(value);
    let (date, fraction) = value.split_at(value.len().min(FORM.len()));
    let is_fraction = fraction.is_empty()
        || (2..=10).contains(&fraction.len()) && fraction[0] == b'.' && fraction[1..].iter().all(u8::is_ascii_digit);
    let is_cut = matches!(date.len(), 4 | 7 | 10 | 16 | 19);
    is_fraction && is_cut && has_form(date, &FORM[..date.len()], u8::is_ascii_digit)
}

/// The block of a record, as far as it was not read.
struct Block<'a, 'b> {
    source: &'a mut BufReader<&'b mut dyn Read>,
    left: u64,
    hash: Hash,
}

impl Read for Block<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ahead = self.fill_buf()?;
        let len = ahead.len().min(buffer.len());
        buffer[..len].copy_from_slice(&ahead[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Block<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let ahead = self.source.fill_buf()?;
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(ahead.len());
        Ok(&ahead[..len])
    }

    fn consume(&mut self, len: usize) {
        let read = &self.source.buffer()[..len];
        self.hash.update(read);
        self.source.consume(len);
        self.left -= len as u64;
    }
}

#[cfg(test)]
mod tests;
