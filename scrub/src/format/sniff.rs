//! What a file is, by its first bytes.

use super::compressed::Codec;
use super::csv;
use super::fit::{Lexer, Spans};
use super::json::Json;
use super::tar;
use crate::charset::{self, Charset, Content};

/// Bytes that [`sniff`] looks at.
pub const HEAD: usize = charset::SNIFFED;

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
    /// An archive of tar.
    Tar,
    /// An archive of ZIP that is no document.
    Zip,
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
            Self::Tar => "tar",
            Self::Zip => "zip",
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

/// What the file is that begins with `head`; `whole`: it ends there too.
pub fn sniff(head: &[u8], whole: bool) -> Format {
    if let Some(codec) = Codec::sniff(head) {
        return Format::Compressed(codec);
    }
    if tar::is_tar(head) {
        return Format::Tar;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Format::Zip;
    }
    match charset::sniff(head) {
        Content::Binary(what) if MEDIA.contains(&what) => Format::Media(what),
        Content::Binary(what) => Format::Unknown(what),
        Content::Text(Charset::Utf16Le | Charset::Utf16Be) => Format::Utf16,
        Content::Text(Charset::Utf8 | Charset::Latin1) => text(head, whole),
    }
}

fn text(head: &[u8], whole: bool) -> Format {
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    match start.first() {
        Some(b'{' | b'[' | b'"') if is_json(head, whole) => return Format::Json,
        Some(b'<') if let Some(html) = markup(start) => return Format::Markup { html },
        _ => {}
    }
    csv::delimiter(head, whole).map_or(Format::Text, Format::Csv)
}

/// Whether the first record, as far as it is there, is JSON.
fn is_json(head: &[u8], whole: bool) -> bool {
    // A broken record further on makes lines of JSON no other format.
    let line = memchr::memchr(b'\n', head).map_or(head, |end| &head[..end]);
    let reads = |bytes: &[u8], whole: bool| {
        let (mut lexer, mut spans) = (Json::default(), Spans::default());
        lexer.push(bytes, &mut spans);
        lexer.broken() == 0 && (!whole || lexer.finish(&mut spans) == 0)
    };
    reads(line, true) || reads(head, whole)
}

/// Whether it is HTML, if it is markup.
fn markup(start: &[u8]) -> Option<bool> {
    let lower = start[..start.len().min(1024)].to_ascii_lowercase();
    let html =
        |text: &[u8]| [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|sign| text.starts_with(sign));
    if lower.starts_with(b"<?xml") {
        // XHTML is XML.
        return Some(false);
    }
    if html(&lower) {
        return Some(true);
    }
    let named = lower.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'!' | b'_'));
    // An element that ends, or a comment before one; `<john@example.com> wrote` is neither.
    let end = lower.iter().position(|byte| *byte == b'>')?;
    let name = lower[1..end]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.'))
        .count();
    let behind = lower[1 + name];
    let is_tag =
        lower.starts_with(b"<!--") || name > 0 && (matches!(behind, b'>' | b'/') || behind.is_ascii_whitespace());
    (named && is_tag).then(|| has_html_names(&lower))
}

/// Whether a fragment has elements that HTML has and data formats seldom.
fn has_html_names(lower: &[u8]) -> bool {
    let names: [&[u8]; 9] = [b"<div", b"<p>", b"<p ", b"<br", b"<span", b"<a ", b"<table", b"<script", b"<ul"];
    names.iter().any(|name| memchr::memmem::find(lower, name).is_some())
}
