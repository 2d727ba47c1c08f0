//! What a file is, by its first bytes.

use super::compressed::Codec;
use super::csv;
use super::fit::{Lexer, Spans};
use super::json::Json;
use super::mail;
use super::tar;
use super::warc;
use super::{arrow, avro};
use crate::charset::{self, Charset, Content};

/// Bytes that [`sniff`] looks at.
pub const HEAD: usize = 64 * 1024;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text without a structure that replacements could break: prose, Markdown, source code, logs.
    Text,
    /// UTF-16, of whatever format.
    Utf16,
    /// One or more values of JSON.
    Json,
    /// A table with this delimiter.
    Csv(u8),
    /// XML, or HTML.
    Markup {
        /// It is HTML: elements need no end, and those of scripts hold no markup.
        html: bool,
    },
    /// A table of Parquet.
    Parquet,
    /// A table of Arrow.
    Arrow {
        /// It is a file with a footer, and no stream.
        file: bool,
    },
    /// An object container file of Avro.
    Avro,
    /// An archive of tar.
    Tar,
    /// An archive of ZIP that is no document.
    Zip,
    /// Records of the web, of WARC.
    Warc,
    /// A message of mail, or several.
    Mail {
        /// Lines `From ` stand before each.
        mbox: bool,
    },
    /// Another file, compressed.
    Compressed(Codec),
    /// A PDF, a document of an office program, an image, audio or video.
    Media(&'static str),
    /// Other data.
    Unknown(&'static str),
}

impl Format {
    /// Its name in records and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Utf16 => "utf-16",
            Self::Json => "json",
            Self::Csv(_) => "csv",
            Self::Markup { html: true } => "html",
            Self::Markup { html: false } => "xml",
            Self::Parquet => "parquet",
            Self::Arrow { .. } => "arrow",
            Self::Avro => "avro",
            Self::Tar => "tar",
            Self::Zip => "zip",
            Self::Warc => "warc",
            Self::Mail { mbox: true } => "mbox",
            Self::Mail { mbox: false } => "mail",
            Self::Compressed(codec) => codec.name(),
            Self::Media(what) | Self::Unknown(what) => what,
        }
    }
}

/// The first bytes of what is not looked into, where [`charset::sniff`] does not know more.
const MEDIA: &[&str] = &[
    "PDF",
    "an old Office document",
    "RTF",
    "PNG",
    "JPEG",
    "GIF",
    "TIFF",
    "Ogg",
    "FLAC",
    "MP3",
    "Matroska",
    "RIFF media",
    "ISO media",
];

/// Whether bytes begin as those of media do.
pub fn is_media(head: &[u8]) -> bool {
    matches!(charset::sniff(head), Content::Binary(what) if MEDIA.contains(&what))
}

/// What the file is that begins with `head`; `whole`: it ends there too.
pub fn sniff(head: &[u8], whole: bool) -> Format {
    if let Some(codec) = Codec::sniff(head) {
        return Format::Compressed(codec);
    }
    if warc::is_warc(head) {
        return Format::Warc;
    }
    if tar::is_tar(head) {
        return Format::Tar;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Format::Zip;
    }
    if head.starts_with(b"PAR1") {
        return Format::Parquet;
    }
    if head.starts_with(b"PARE") {
        return Format::Unknown("an encrypted Parquet");
    }
    if head.starts_with(arrow::MAGIC) {
        return Format::Arrow { file: true };
    }
    if arrow::is_stream(head) {
        return Format::Arrow { file: false };
    }
    if head.starts_with(b"FEA1") {
        return Format::Unknown("Feather of the first version");
    }
    if head.starts_with(avro::MAGIC) {
        return Format::Avro;
    }
    if let Some(mbox) = mail::sniff(head, whole) {
        return Format::Mail { mbox };
    }
    match charset::sniff(head) {
        Content::Binary(what) if MEDIA.contains(&what) => Format::Media(what),
        Content::Binary(what) => Format::Unknown(what),
        Content::Text(Charset::Utf16Le | Charset::Utf16Be) => Format::Utf16,
        Content::Text(Charset::Utf8 | Charset::Latin1) => text(head, whole),
    }
}

/// Of a text of UTF-8, or of Latin-1.
pub fn text(head: &[u8], whole: bool) -> Format {
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    if is_json(start, whole) {
        return Format::Json;
    }
    if let Some(html) = markup(start, whole) {
        return Format::Markup { html };
    }
    csv::delimiter(head, whole).map_or(Format::Text, Format::Csv)
}

/// Whether one of the first records, as far as it is there, is JSON: one that is broken makes no other format of the rest.
fn is_json(start: &[u8], whole: bool) -> bool {
    /// Records that are looked at.
    const RECORDS: usize = 5;
    let reads = |bytes: &[u8], whole: bool| {
        let (mut lexer, mut spans) = (Json::default(), Spans::default());
        lexer.push(bytes, &mut spans);
        // Strings in a row are cells of a table.
        let is_one = bytes.first() != Some(&b'"') || lexer.values() <= 1;
        is_one && lexer.broken() == 0 && (!whole || lexer.finish(&mut spans) == 0)
    };
    let is_container = |text: &[u8]| matches!(text.first(), Some(b'{' | b'['));
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let mut lines = lines.by_ref().take(RECORDS);
    match start.first() {
        Some(b'{' | b'[') => reads(start, whole) || lines.any(|line| is_container(line) && reads(line, true)),
        Some(b'"') => lines.all(|line| reads(line, true)),
        // Numbers and literals in lines are JSON where there is more of it.
        Some(b'0'..=b'9' | b'-' | b'n' | b't' | b'f') => {
            let mut more = false;
            lines.all(|line| {
                more |= is_container(line);
                reads(line, true)
            }) && more
        }
        _ => false,
    }
}

/// Whether it is HTML, if it is markup.
fn markup(start: &[u8], whole: bool) -> Option<bool> {
    let lower = start.strip_prefix(b"<")?.to_ascii_lowercase();
    let behind = |sign: &[u8]| lower.strip_prefix(sign).map(<[u8]>::trim_ascii_start);
    if let Some(of) = behind(b"!doctype") {
        return Some(of.starts_with(b"html"));
    }
    if [&b"html"[..], b"head", b"body"].iter().any(|name| lower.starts_with(name)) {
        return Some(true);
    }
    let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii();
    if lower.first() == Some(&b'?') && lower.get(1).is_some_and(is_first) {
        return Some(false);
    }
    let is_part =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.') || !byte.is_ascii();
    let name = lower.iter().take_while(is_part).count();
    let ends = lower.get(name).is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    if !(lower.starts_with(b"!--") || lower.first().is_some_and(is_first) && ends) {
        return None;
    }
    // What begins with a name in angles need not go on so: elements end somewhere.
    let is_cut = !whole && memchr::memchr(b'>', &lower).is_none();
    let has = |sign: &[u8]| memchr::memmem::find(&lower, sign).is_some();
    (is_cut || has(b"</") || has(b"/>") || has(b"<!--")).then(|| !has(b"xmlns") && has_html_names(&lower))
}

/// Whether a fragment has elements that HTML has and data formats seldom.
fn has_html_names(lower: &[u8]) -> bool {
    let names: [&[u8]; 9] = [b"<div", b"<p>", b"<p ", b"<br", b"<span", b"<table", b"<h1", b"<ul", b"<img"];
    names.iter().any(|name| memchr::memmem::find(lower, name).is_some())
        || [&b"div"[..], b"p>", b"p ", b"span", b"table", b"h1"].iter().any(|name| lower.starts_with(name))
}
