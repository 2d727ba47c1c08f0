//! From aws-chunked to plaintext.

use std::borrow::Cow;

use aws_lc_rs::digest;
use bytes::{Buf, Bytes};
use http::StatusCode;
use s3s::S3ErrorCode;

use crate::s3::sigv4::{ChunkSigner, SignatureError};

/// Longest line before a chunk, in bytes.
const MAX_LINE: usize = 1024;
/// Longest trailer, in bytes.
const MAX_TRAILER: usize = 16 * 1024;
/// Shortest signed chunk that is not the last of the data, in bytes: S3's own bound, which keeps signatures a small part of the work.
const MIN_SIGNED_CHUNK: u64 = 8192;

/// Why an aws-chunked body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkedError {
    /// It ends before it is complete.
    #[error("the body ends within its chunks")]
    Incomplete,
    /// It is not in its form.
    #[error("malformed chunk: {0}")]
    Malformed(&'static str),
    /// Its chunks hold more, or fewer, bytes than were declared.
    #[error("the chunks do not hold the declared {0} bytes")]
    Length(u64),
    /// A signed chunk below 8 KiB that is not the last.
    #[error("chunk {0} is too small")]
    ChunkSize(u64),
    /// A chunk or the trailer is not signed as the request was.
    #[error("the signature of chunk {0} does not match")]
    Signature(u64),
    /// The trailer is not in its form.
    #[error("malformed trailer: {0}")]
    Trailer(&'static str),
}

impl ChunkedError {
    /// S3 code, status and text for the client.
    pub fn s3(&self) -> (S3ErrorCode, StatusCode, Cow<'_, str>) {
        match self {
            Self::Incomplete => (
                S3ErrorCode::IncompleteBody,
                StatusCode::BAD_REQUEST,
                "The request body terminated unexpectedly. Nothing was stored; send it again.".into(),
            ),
            Self::Malformed(what) => (
                S3ErrorCode::IncompleteBody,
                StatusCode::BAD_REQUEST,
                format!("The aws-chunked request body is malformed: {what}.").into(),
            ),
            Self::Length(declared) => (
                S3ErrorCode::IncompleteBody,
                StatusCode::BAD_REQUEST,
                format!("You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header, {declared}.").into(),
            ),
            Self::ChunkSize(_) => (
                S3ErrorCode::Custom("InvalidChunkSizeError".into()),
                StatusCode::FORBIDDEN,
                "Only the last chunk is allowed to have a size less than 8192 bytes".into(),
            ),
            Self::Signature(_) => {
                let (code, message) = SignatureError::Mismatch.s3();
                (code, StatusCode::FORBIDDEN, message.into_owned().into())
            }
            Self::Trailer(what) => (
                S3ErrorCode::Custom("MalformedTrailerError".into()),
                StatusCode::BAD_REQUEST,
                format!("The request contained trailing data that was not well-formed or did not conform to our published schema: {what}.").into(),
            ),
        }
    }
}

/// What is signed in an aws-chunked body, and whether a trailer follows it.
#[derive(Clone, Debug)]
pub enum Framing {
    /// Each chunk, and the trailer if there is one.
    Signed {
        /// Verifies them.
        signer: Box<ChunkSigner>,
        /// A trailer follows.
        trailer: bool,
    },
    /// Nothing; a trailer may follow.
    Unsigned,
}

/// Name, lower-case, and value of each trailing header, as verified.
pub type Trailer = Vec<(String, String)>;

/// Decodes an aws-chunked body as it comes. Keeps at most one line, or the trailer, never a chunk.
///
/// Data is given out before the signature of its chunk is known: an error comes at the chunk's end, so nothing may be
/// committed before [`Decoder::finish`].
pub struct Decoder {
    framing: Framing,
    /// Plaintext bytes still to come.
    left: u64,
    declared: u64,
    /// The chunk that is being read, from 1.
    number: u64,
    /// The last signed chunk was below the bound: no further data may follow.
    short: bool,
    state: State,
    /// The line, or the trailer, as far as it has come.
    line: Vec<u8>,
}

enum State {
    /// Before or in the line that begins a chunk.
    Line,
    /// In the data of a chunk.
    Data { left: u64, signed: Option<Box<Signed>> },
    /// In the CRLF behind the data.
    DataEnd { seen_cr: bool },
    /// Behind the last chunk's line.
    Trailer,
}

/// A chunk's signature and what has come of its data.
struct Signed {
    signature: String,
    hash: digest::Context,
}

impl Decoder {
    /// `declared`: plaintext length, `x-amz-decoded-content-length`.
    pub fn new(framing: Framing, declared: u64) -> Self {
        Self { framing, left: declared, declared, number: 1, short: false, state: State::Line, line: Vec::new() }
    }

    /// Takes bytes off the front of `input` and gives the next piece of plaintext, a slice of it. `None`: all of `input` is
    /// taken and more is needed.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Line => {
                    if let Some(line) = self.take_line(input)? {
                        self.begin_chunk(&line)?;
                    }
                }
                State::Data { left, signed } => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(length);
                    *left -= length as u64;
                    if let Some(signed) = signed {
                        signed.hash.update(&data);
                    }
                    if *left == 0 {
                        self.end_chunk()?;
                    }
                    return Ok(Some(data));
                }
                State::DataEnd { seen_cr } => match (input.get_u8(), *seen_cr) {
                    (b'\r', false) => *seen_cr = true,
                    (b'\n', true) => {
                        self.number += 1;
                        self.state = State::Line;
                    }
                    _ => {
                        return Err(ChunkedError::Malformed("no line end follows a chunk's data"));
                    }
                },
                State::Trailer => {
                    if self.line.len() + input.len() > MAX_TRAILER {
                        return Err(ChunkedError::Trailer("it is longer than 16 KiB"));
                    }
                    self.line.extend_from_slice(input);
                    input.clear();
                }
            }
        }
        Ok(None)
    }

    /// Ends the body: verifies that it is complete, and its trailer.
    pub fn finish(mut self) -> Result<Trailer, ChunkedError> {
        if !matches!(self.state, State::Trailer) {
            return Err(ChunkedError::Incomplete);
        }
        let (trailer, signature) = parse_trailer(&self.line)?;
        match &mut self.framing {
            Framing::Unsigned => {
                if signature.is_some() {
                    return Err(ChunkedError::Trailer("it is signed, and the request is not streaming-signed"));
                }
            }
            Framing::Signed { trailer: false, .. } => {
                if !trailer.is_empty() || signature.is_some() {
                    return Err(ChunkedError::Trailer("none was announced by x-amz-content-sha256"));
                }
            }
            Framing::Signed { trailer: true, signer } => {
                let signature = signature.ok_or(ChunkedError::Trailer("x-amz-trailer-signature is missing"))?;
                if !signer.verify_trailer(&trailer_hash(&trailer), &signature) {
                    return Err(ChunkedError::Signature(self.number));
                }
            }
        }
        Ok(trailer)
    }

    /// A whole line without its CRLF; `None` if its end has not come.
    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, ChunkedError> {
        let end = input.iter().position(|b| *b == b'\n');
        let part = input.split_to(end.map_or(input.len(), |end| end + 1));
        if self.line.len() + part.len() > MAX_LINE {
            return Err(ChunkedError::Malformed("a chunk's first line is longer than 1 KiB"));
        }
        self.line.extend_from_slice(&part);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        if !line.ends_with(b"\r\n") {
            return Err(ChunkedError::Malformed("a chunk's first line does not end with CRLF"));
        }
        line.truncate(line.len() - 2);
        Ok(Some(line))
    }

    /// `size [";" extension]*`
    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), ChunkedError> {
        let line =
            std::str::from_utf8(line).map_err(|_| ChunkedError::Malformed("a chunk's first line is not text"))?;
        let (size, extensions) = line.split_once(';').unwrap_or((line, ""));
        let size = parse_size(size).ok_or(ChunkedError::Malformed("a chunk's size is not a hexadecimal number"))?;
        let signed = match self.framing {
            Framing::Unsigned => None,
            Framing::Signed { .. } => {
                let signature = extensions
                    .split(';')
                    .find_map(|e| e.strip_prefix("chunk-signature="))
                    .ok_or(ChunkedError::Malformed("a chunk has no signature"))?
                    .to_owned();
                Some(Box::new(Signed { signature, hash: digest::Context::new(&digest::SHA256) }))
            }
        };
        self.left = self.left.checked_sub(size).ok_or(ChunkedError::Length(self.declared))?;
        if size > 0 && self.short {
            return Err(ChunkedError::ChunkSize(self.number - 1));
        }
        self.short = signed.is_some() && size < MIN_SIGNED_CHUNK;
        self.state = State::Data { left: size, signed };
        if size == 0 {
            if self.left > 0 {
                return Err(ChunkedError::Length(self.declared));
            }
            self.end_chunk()?;
            self.state = State::Trailer;
        }
        Ok(())
    }

    /// All data of the chunk has come.
    fn end_chunk(&mut self) -> Result<(), ChunkedError> {
        let state = std::mem::replace(&mut self.state, State::DataEnd { seen_cr: false });
        if let (State::Data { signed: Some(signed), .. }, Framing::Signed { signer, .. }) = (state, &mut self.framing)
            && !signer.verify_chunk(&signed.hash.finish(), &signed.signature)
        {
            return Err(ChunkedError::Signature(self.number));
        }
        Ok(())
    }
}

/// Up to 16 hexadecimal digits, at least one, nothing else.
fn parse_size(text: &str) -> Option<u64> {
    let valid = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Lines of `name:value`, and the signature's. Clients end them with LF or CRLF, and some put empty lines between, as the
/// example of the S3 documentation does; the end is where HTTP says it is.
fn parse_trailer(bytes: &[u8]) -> Result<(Trailer, Option<String>), ChunkedError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ChunkedError::Trailer("it is not text"))?;
    let mut trailer = Trailer::new();
    let mut signature = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        if signature.is_some() {
            return Err(ChunkedError::Trailer("something follows x-amz-trailer-signature"));
        }
        let (name, value) = line.split_once(':').ok_or(ChunkedError::Trailer("a line has no \":\""))?;
        let name = name.to_ascii_lowercase();
        let value = value.trim().to_owned();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ChunkedError::Trailer("a name is not valid"));
        }
        if name == "x-amz-trailer-signature" {
            signature = Some(value);
        } else if trailer.iter().any(|(other, _)| *other == name) {
            return Err(ChunkedError::Trailer("a name is in it twice"));
        } else {
            trailer.push((name, value));
        }
    }
    Ok((trailer, signature))
}

/// SHA-256 of `(name:value \n)*`, sorted by name.
fn trailer_hash(trailer: &Trailer) -> digest::Digest {
    let mut sorted: Vec<_> = trailer.iter().collect();
    sorted.sort_unstable();
    let mut hash = digest::Context::new(&digest::SHA256);
    for (name, value) in sorted {
        for part in [name, ":", value, "\n"] {
            hash.update(part.as_bytes());
        }
    }
    hash.finish()
}

#[cfg(test)]
mod tests;
