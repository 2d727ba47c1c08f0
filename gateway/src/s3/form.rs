//! The `multipart/form-data` of a browser's upload: its fields, which are read before anything is decided, then its file, as a stream.
//!
//! ```text
//! body      = [preamble CRLF] dash-boundary part *(delimiter part) delimiter "--" [epilogue]
//! part      = padding CRLF *(header CRLF) CRLF content
//! delimiter = CRLF dash-boundary          dash-boundary = "--" boundary
//! ```
//!
//! Sources: RFC 2046 section 5.1.1, RFC 7578; Amazon S3 API Reference, "POST Object". What comes behind the file is read to its end
//! and ignored: a form that is cut off there is no form.

mod disposition;

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use memchr::memmem::Finder;
use memchr::{memmem, memrchr};
use s3s::S3ErrorCode;

use self::disposition::Part;
use super::Error;
use super::intake::IntakeError;
use crate::body::{Body, BoxError};

/// The most that may stand before the file's first byte, delimiters and headers of parts included, in bytes. S3's own bound.
pub const MAX_FIELDS: usize = 20 << 10;
/// The longest boundary, in bytes: RFC 2046.
const MAX_BOUNDARY: usize = 70;
/// The most white space behind a delimiter, in bytes; nobody sends any.
const MAX_PADDING: usize = 256;
/// The field that holds the file.
const FILE: &str = "file";

/// Why a form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// `Content-Type` is not `multipart/form-data` with a boundary.
    #[error("no multipart/form-data boundary")]
    Boundary,
    /// Not in the form of RFC 7578.
    #[error("malformed form: {0}")]
    Malformed(&'static str),
    /// More than [`MAX_FIELDS`] before the file.
    #[error("the fields before the file are too long")]
    TooLong,
    /// No field `file`.
    #[error("the form has no file")]
    NoFile,
    /// A field that is there twice: we and whoever wrote its policy might each mean another.
    #[error("the field {0} is in the form twice")]
    Repeated(String),
}

impl From<FormError> for Error {
    fn from(error: FormError) -> Self {
        let (code, message) = match error {
            FormError::Boundary => (
                S3ErrorCode::MalformedPOSTRequest,
                "The body of your POST request is not well-formed multipart/form-data: its Content-Type names no boundary.".into(),
            ),
            FormError::Malformed(what) => (
                S3ErrorCode::MalformedPOSTRequest,
                format!("The body of your POST request is not well-formed multipart/form-data: {what}."),
            ),
            FormError::TooLong => (
                S3ErrorCode::MaxPostPreDataLengthExceededError,
                "Your POST request fields preceding the upload file were too large.".into(),
            ),
            FormError::NoFile => {
                (S3ErrorCode::InvalidArgument, "POST requires exactly one file upload per request.".into())
            }
            FormError::Repeated(name) => {
                (S3ErrorCode::InvalidArgument, format!("The form has more than one field named '{name}'."))
            }
        };
        Self::client(code, message)
    }
}

/// The fields of a form that stand before its file, but those that begin with `x-ignore-`. Names are in lower case, each there once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Names and values, in the order of the form.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts a value in the place of the one that the form gave, if any.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(other, _)| other != name);
        self.0.push((name.to_owned(), value));
    }

    fn add(&mut self, name: String, value: &[u8]) -> Result<(), FormError> {
        let value = std::str::from_utf8(value).map_err(|_| FormError::Malformed("a field is not UTF-8"))?;
        if name.starts_with("x-ignore-") {
            return Ok(());
        }
        if self.get(&name).is_some() {
            return Err(FormError::Repeated(name));
        }
        self.0.push((name, value.to_owned()));
        Ok(())
    }
}

/// Names only: values hold signatures and keys.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A form whose file is still to come.
pub struct Form {
    /// What stands before the file.
    pub fields: Fields,
    /// The file's name without folders; empty where it has none.
    pub filename: String,
    file: FileReader,
    ahead: Bytes,
    body: Body,
}

impl Form {
    /// Reads up to the file's first byte: at most [`MAX_FIELDS`] bytes are held. Errors: those of [`FormError`], and the body's own.
    pub async fn read(headers: &HeaderMap, mut body: Body) -> Result<Self, Error> {
        let mut reader = FieldReader::new(&boundary(headers)?);
        while let Some(mut data) = next(&mut body).await? {
            if let Some(filename) = reader.read(&mut data)? {
                let (fields, file, ahead) = reader.into_file(&data);
                return Ok(Self { fields, filename, file, ahead, body });
            }
        }
        Err(CUT_OFF.into())
    }

    /// The file's bytes. They end only once the whole form has come and was well formed; a file whose length is outside `lengths` ends in
    /// `EntityTooSmall` or `EntityTooLarge`. What is ignored behind it counts as silence: it must come within the idle time of whoever reads.
    pub fn into_file(self, lengths: RangeInclusive<u64>) -> Body {
        let file = File { reader: self.file, ahead: Some(self.ahead), body: self.body, length: 0, lengths };
        StreamBody::new(stream::try_unfold(file, |mut file| async move {
            let content = file.next().await.map_err(|e| Box::new(e) as BoxError)?;
            Ok::<_, BoxError>(content.map(|bytes| (Frame::data(bytes), file)))
        }))
        .boxed_unsync()
    }
}

/// The bytes of a file, as the form's come.
struct File {
    reader: FileReader,
    ahead: Option<Bytes>,
    body: Body,
    length: u64,
    lengths: RangeInclusive<u64>,
}

impl File {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let data = match self.ahead.take() {
                Some(ahead) => ahead,
                None => match next(&mut self.body).await? {
                    Some(data) => data,
                    None => break,
                },
            };
            let content = self.reader.read(data)?;
            self.length = self.length.saturating_add(content.len() as u64);
            if self.length > *self.lengths.end() {
                let message = "Your proposed upload exceeds the maximum allowed size that the form's policy sets.";
                return Err(Error::client(S3ErrorCode::EntityTooLarge, message));
            }
            if !content.is_empty() {
                return Ok(Some(content));
            }
        }
        self.reader.finish()?;
        if self.length < *self.lengths.start() {
            let message = "Your proposed upload is smaller than the minimum allowed size that the form's policy sets.";
            return Err(Error::client(S3ErrorCode::EntityTooSmall, message));
        }
        Ok(None)
    }
}

/// The next bytes of a body; none at its end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => {
                return Err(match error.downcast::<Error>() {
                    Ok(ours) => *ours,
                    Err(error) => IntakeError::Broken(error).into(),
                });
            }
        }
    }
    Ok(None)
}

const CUT_OFF: FormError = FormError::Malformed("it ends before its last delimiter");

/// The boundary that `Content-Type` names.
fn boundary(headers: &HeaderMap) -> Result<String, FormError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(FormError::Boundary) };
    let value = value.to_str().map_err(|_| FormError::Boundary)?;
    let (kind, parameters) = disposition::split(value).map_err(|_| FormError::Boundary)?;
    parameters
        .into_iter()
        .find(|(name, _)| name == "boundary")
        .map(|(_, boundary)| boundary)
        .filter(|boundary| {
            kind.eq_ignore_ascii_case("multipart/form-data")
                && (1..=MAX_BOUNDARY).contains(&boundary.len())
                && boundary.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
                && !boundary.ends_with(' ')
        })
        .ok_or(FormError::Boundary)
}

/// What follows a delimiter.
enum Line {
    /// A part begins behind so many bytes.
    Part(usize),
    /// It was the last one.
    Close,
}

impl Line {
    /// None: more bytes are needed.
    fn read(bytes: &[u8]) -> Result<Option<Self>, FormError> {
        let padding = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match &bytes[padding..] {
            [b'-', b'-', ..] if padding == 0 => Ok(Some(Self::Close)),
            [b'\r', b'\n', ..] => Ok(Some(Self::Part(padding + 2))),
            [] | [b'\r'] if padding <= MAX_PADDING => Ok(None),
            [b'-'] if padding == 0 => Ok(None),
            _ => Err(FormError::Malformed("a boundary is not alone on its line")),
        }
    }
}

/// Takes the fields off a form as its bytes come.
pub struct FieldReader {
    delimiter: Finder<'static>,
    /// What has come and is not taken apart yet.
    buffer: BytesMut,
    /// How much of it has been searched in vain.
    searched: usize,
    /// Bytes that have come.
    read: usize,
    stage: Stage,
    fields: Fields,
}

enum Stage {
    /// The content of the field of this name; none: before the first delimiter.
    Content(Option<String>),
    /// Behind a delimiter.
    Line,
    /// In the headers of a part.
    Head,
}

impl FieldReader {
    /// For the boundary of a form.
    pub fn new(boundary: &str) -> Self {
        Self {
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
            // The first delimiter needs no CRLF in front of it.
            buffer: BytesMut::from(b"\r\n".as_slice()),
            searched: 0,
            read: 0,
            stage: Stage::Content(None),
            fields: Fields::default(),
        }
    }

    /// Takes what it needs off `data`. The file's name, once its content begins: in what is left of `data`, or before.
    pub fn read(&mut self, data: &mut Bytes) -> Result<Option<String>, FormError> {
        loop {
            if let Some(filename) = self.take_apart()? {
                return Ok(Some(filename));
            }
            if data.is_empty() {
                return Ok(None);
            }
            let room = MAX_FIELDS - self.read;
            if room == 0 {
                return Err(FormError::TooLong);
            }
            let taken = data.split_to(room.min(data.len()));
            self.read += taken.len();
            self.buffer.extend_from_slice(&taken);
        }
    }

    /// The fields, a reader for the file, and what has come of it; `left`: what [`Self::read`] left.
    pub fn into_file(mut self, left: &[u8]) -> (Fields, FileReader, Bytes) {
        self.buffer.extend_from_slice(left);
        let file = FileReader { delimiter: self.delimiter, held: Bytes::new(), stage: FileStage::Content };
        (self.fields, file, self.buffer.freeze())
    }

    /// As far as the buffer goes.
    fn take_apart(&mut self) -> Result<Option<String>, FormError> {
        loop {
            match &mut self.stage {
                Stage::Content(name) => {
                    let name = name.take();
                    let Some(content) = self.take_until(None) else {
                        self.stage = Stage::Content(name);
                        return Ok(None);
                    };
                    if let Some(name) = name {
                        self.fields.add(name, &content)?;
                    }
                    self.stage = Stage::Line;
                }
                Stage::Line => match Line::read(&self.buffer)? {
                    None => return Ok(None),
                    Some(Line::Close) => return Err(FormError::NoFile),
                    Some(Line::Part(length)) => {
                        drop(self.buffer.split_to(length));
                        self.stage = Stage::Head;
                    }
                },
                Stage::Head => {
                    if self.buffer.starts_with(b"\r\n") {
                        return Err(FormError::Malformed("a part has no headers"));
                    }
                    let Some(head) = self.take_until(Some(b"\r\n\r\n")) else { return Ok(None) };
                    let part = Part::read(&head)?;
                    if part.name == FILE {
                        return Ok(Some(part.filename));
                    }
                    self.stage = Stage::Content(Some(part.name));
                }
            }
        }
    }

    /// Takes what stands before `end`, or before the next delimiter, and that off the buffer.
    fn take_until(&mut self, end: Option<&[u8]>) -> Option<BytesMut> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let (found, length) = match end {
            Some(end) => (memmem::find(unsearched, end), end.len()),
            None => (self.delimiter.find(unsearched), self.delimiter.needle().len()),
        };
        let Some(found) = found else {
            self.searched = self.buffer.len().saturating_sub(length - 1);
            return None;
        };
        let taken = self.buffer.split_to(self.searched + found);
        drop(self.buffer.split_to(length));
        self.searched = 0;
        Some(taken)
    }
}

/// Takes the file off a form as its bytes come. Holds back only what may be the beginning of a delimiter.
pub struct FileReader {
    delimiter: Finder<'static>,
    held: Bytes,
    stage: FileStage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileStage {
    /// In the file.
    Content,
    /// Behind a delimiter that is behind it.
    Line,
    /// In a part that is ignored.
    Ignored,
    /// Behind the last delimiter.
    Epilogue,
}

impl FileReader {
    /// The file's bytes in `data`; none where they are held back, or have ended.
    pub fn read(&mut self, data: Bytes) -> Result<Bytes, FormError> {
        let mut data = if self.held.is_empty() {
            data
        } else {
            let mut joined = BytesMut::from(self.held.as_ref());
            joined.extend_from_slice(&data);
            joined.freeze()
        };
        self.held = Bytes::new();
        let mut content = Bytes::new();
        loop {
            match self.stage {
                FileStage::Content | FileStage::Ignored => {
                    let found = self.delimiter.find(&data);
                    let before = data.split_to(found.unwrap_or_else(|| data.len() - self.beginning(&data)));
                    if self.stage == FileStage::Content {
                        content = before;
                    }
                    if found.is_none() {
                        self.held = data;
                        return Ok(content);
                    }
                    drop(data.split_to(self.delimiter.needle().len()));
                    self.stage = FileStage::Line;
                }
                FileStage::Line => match Line::read(&data)? {
                    None => {
                        self.held = data;
                        return Ok(content);
                    }
                    Some(Line::Close) => self.stage = FileStage::Epilogue,
                    Some(Line::Part(length)) => {
                        // A part without headers or content may be nothing but its delimiter.
                        drop(data.split_to(length - 2));
                        self.stage = FileStage::Ignored;
                    }
                },
                FileStage::Epilogue => return Ok(content),
            }
        }
    }

    /// The body has ended.
    pub fn finish(&self) -> Result<(), FormError> {
        if self.stage == FileStage::Epilogue { Ok(()) } else { Err(CUT_OFF) }
    }

    /// How many of the last bytes may be the beginning of a delimiter. Its only CR is its first byte.
    fn beginning(&self, data: &[u8]) -> usize {
        let delimiter = self.delimiter.needle();
        let tail = &data[data.len().saturating_sub(delimiter.len() - 1)..];
        memrchr(b'\r', tail).map(|at| &tail[at..]).filter(|end| delimiter.starts_with(end)).map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests;
