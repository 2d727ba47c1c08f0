//! The fields of a message: encoded words (RFC 2047) and parameters (RFC 2231) are read as what they stand for, and written anew where that changes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::super::fields::{Field, Fields, Pieces};
use super::super::{FormatError, Job, Summary};
use super::encoding::{Encoding, decoded};
use super::params::params;

/// Around what an encoded word stands for, where the engine sees it.
const MARK: u8 = 0x02;
/// Bytes that are looked at for the end of one; a longer one is read as text.
const LONGEST_WORD: usize = 2048;
/// Bytes of a text in one encoded word, which has at most 75 characters.
const WORD: usize = 45;
/// What stands in an extended parameter as it is (RFC 5987, `attr-char`).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a field as it is written, and what it stands for.
enum Coded {
    Words { raw: Vec<u8>, text: Vec<u8> },
    Param { raw: Vec<u8>, name: Vec<u8>, text: Vec<u8> },
}

impl Coded {
    fn text(&self) -> &[u8] {
        match self {
            Self::Words { text, .. } | Self::Param { text, .. } => text,
        }
    }

    /// As it is written, where the engine made `text` of it.
    fn write(&self, text: &[u8], end: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Words { raw, text: before } | Self::Param { raw, text: before, .. } if before == text => {
                out.extend_from_slice(raw);
            }
            Self::Words { .. } => write_words(text, end, out),
            Self::Param { name, .. } => {
                out.extend_from_slice(name);
                out.extend_from_slice(b"*=utf-8''");
                out.extend(percent_encode(text, PLAIN).to_string().into_bytes());
            }
        }
    }
}

/// Takes all that is data in a head through the engine.
pub fn scrub(fields: &mut Fields, job: &Job, summary: &mut Summary) -> Result<(), FormatError> {
    let mut pieces = Pieces::default();
    let mut coded = Vec::new();
    let mut lines = Vec::new();
    for field in &mut fields.0 {
        // What marks is in no head of a message.
        field.bytes.iter_mut().filter(|byte| **byte == MARK).for_each(|byte| *byte = b' ');
        let before = pieces.lines();
        show(field, &mut pieces, &mut coded);
        lines.push(pieces.lines() - before);
    }
    let scrubbed = pieces.scrub(job, summary)?;
    let mut rest = scrubbed.split_inclusive(|byte| *byte == b'\n');
    let mut coded = coded.into_iter();
    for (field, lines) in fields.0.iter_mut().zip(lines) {
        let end: &[u8] = if field.bytes.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        // A last line may have no end.
        let ends = field.bytes.ends_with(b"\n");
        let text: Vec<u8> = rest.by_ref().take(lines + usize::from(!ends)).flatten().copied().collect();
        let mut out = Vec::with_capacity(text.len());
        for (index, part) in text.split(|byte| *byte == MARK).enumerate() {
            match (index % 2, coded_at(index, &mut coded)) {
                (1, Some(coded)) => coded.write(part, end, &mut out),
                _ => out.extend_from_slice(part),
            }
        }
        field.bytes = out;
    }
    Ok(())
}

/// Every second part is one that was coded.
fn coded_at(index: usize, coded: &mut impl Iterator<Item = Coded>) -> Option<Coded> {
    if index % 2 == 1 { coded.next() } else { None }
}

/// Adds a field to what the engine sees.
fn show(field: &Field, pieces: &mut Pieces, coded: &mut Vec<Coded>) {
    let bytes = &field.bytes[..];
    let start = field.start();
    let is = |name: &str| field.name().eq_ignore_ascii_case(name.as_bytes());
    pieces.frame(&bytes[..start]);
    let is_version = |value: &[u8]| matches!(value, [b'0'..=b'9', b'.', b'0'..=b'9']);
    if is("mime-version") && is_version(field.value())
        || is("content-transfer-encoding") && Encoding::is_word(field.value())
    {
        return pieces.frame(&bytes[start..]);
    }
    if !(is("content-type") || is("content-disposition")) {
        return words(&bytes[start..], pieces, coded);
    }
    let mut done = start;
    let kind = start + bytes[start..].iter().position(|byte| *byte == b';').unwrap_or(bytes.len() - start);
    // With digits it may say something.
    let is_kind = |byte: &u8| byte.is_ascii_alphabetic() || b"/+-. \t\r\n".contains(byte);
    if bytes[start..kind].iter().all(is_kind) {
        pieces.frame(&bytes[start..kind]);
        done = kind;
    }
    for param in params(field) {
        if param.whole.start < done {
            continue;
        }
        between(&bytes[done..param.whole.start], pieces);
        if param.name == b"boundary" {
            // It is in the lines between the parts.
            pieces.frame(&bytes[param.whole.clone()]);
        } else if param.is_extended {
            let raw = bytes[param.whole.clone()].to_vec();
            let text = shown(&param.value);
            add(Coded::Param { raw, name: param.name, text }, pieces, coded);
        } else {
            between(&bytes[param.whole.start..param.inner.start], pieces);
            words(&bytes[param.inner.clone()], pieces, coded);
            pieces.frame(&bytes[param.inner.end..param.whole.end]);
        }
        done = param.whole.end;
    }
    pieces.data(&bytes[done..]);
}

/// Adds what is before a parameter or its value: its name, and space. With digits it may say something, and so may what is no parameter.
fn between(bytes: &[u8], pieces: &mut Pieces) {
    let is_word = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'=' | b'"') || is_free(*byte);
    if bytes.iter().copied().all(is_free) || bytes.contains(&b'=') && bytes.iter().all(is_word) {
        pieces.frame(bytes);
    } else {
        pieces.data(bytes);
    }
}

/// Whether it can stand between two parameters.
fn is_free(byte: u8) -> bool {
    byte == b';' || byte.is_ascii_whitespace()
}

/// Adds what something stands for, between marks.
fn add(part: Coded, pieces: &mut Pieces, coded: &mut Vec<Coded>) {
    pieces.frame(&[MARK]);
    pieces.data(part.text());
    pieces.frame(&[MARK]);
    coded.push(part);
}

/// As the engine sees it: one line, in UTF-8, without marks.
fn shown(text: &[u8]) -> Vec<u8> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|byte| char::from(*byte)).collect(),
    };
    text.into_bytes().into_iter().map(|byte| if matches!(byte, b'\r' | b'\n' | MARK) { b' ' } else { byte }).collect()
}

/// Adds a text in which encoded words may be. Those with nothing but space between are one.
fn words(bytes: &[u8], pieces: &mut Pieces, coded: &mut Vec<Coded>) {
    let mut done = 0;
    while let Some(at) = memchr::memmem::find(&bytes[done..], b"=?").map(|at| done + at) {
        let (mut end, mut segments) = (at, Vec::<(Vec<u8>, Vec<u8>)>::new());
        let mut next = at;
        while let Some((charset, text, len)) = word(&bytes[next..]) {
            match segments.last_mut() {
                Some((last, bytes)) if *last == charset => bytes.extend(text),
                _ => segments.push((charset, text)),
            }
            end = next + len;
            next = end + bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        }
        if end == at {
            pieces.data(&bytes[done..at + 2]);
            done = at + 2;
            continue;
        }
        pieces.data(&bytes[done..at]);
        let text = segments.iter().flat_map(|(_, text)| shown(text)).collect();
        add(Coded::Words { raw: bytes[at..end].to_vec(), text }, pieces, coded);
        done = end;
    }
    pieces.data(&bytes[done..]);
}

/// The encoded word that `bytes` begin with: its charset, its bytes, and its length.
fn word(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let rest = bytes.strip_prefix(b"=?")?;
    let rest = &rest[..rest.len().min(LONGEST_WORD)];
    let charset = rest.iter().position(|byte| *byte == b'?')?;
    let encoding = *rest.get(charset + 1)?;
    let text = rest.get(charset + 2..)?.strip_prefix(b"?")?;
    let len = memchr::memmem::find(text, b"?=")?;
    let is_one = rest[..charset].iter().all(u8::is_ascii_graphic) && !text[..len].contains(&b'\n');
    let value = match encoding {
        b'b' | b'B' => decoded(&text[..len], Encoding::Base64),
        b'q' | b'Q' => {
            let spaced: Vec<u8> = text[..len].iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
            decoded(&spaced, Encoding::QuotedPrintable)
        }
        _ => return None,
    };
    is_one.then(|| (rest[..charset].to_ascii_lowercase(), value, 2 + charset + 3 + len + 2))
}

/// Writes a text as encoded words of UTF-8, one a line.
fn write_words(text: &[u8], end: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(text);
    let mut rest = &text[..];
    while !rest.is_empty() {
        let len = (1..=WORD.min(rest.len())).rev().find(|len| rest.is_char_boundary(*len)).unwrap_or(rest.len());
        let (word, more) = rest.split_at(len);
        out.extend_from_slice(b"=?utf-8?B?");
        out.extend_from_slice(STANDARD.encode(word).as_bytes());
        out.extend_from_slice(b"?=");
        if !more.is_empty() {
            out.extend_from_slice(end);
            out.push(b' ');
        }
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::super::super::tests::{LABELS, job};
    use super::*;
    use crate::policy::Policy;
    use crate::{Engine, builtin};

    fn scrubbed(head: &str) -> String {
        let mut fields = Fields::parse(head.as_bytes());
        scrub(&mut fields, &LABELS, &mut Summary::default()).unwrap();
        String::from_utf8(fields.bytes()).unwrap()
    }

    #[test]
    fn what_stands_for_data_is_read() {
        let word = |text: &str| format!("=?utf-8?B?{}?=", STANDARD.encode(text));
        for (head, expected) in [
            (
                format!("Subject: x {} y\r\n\r\n", word("is EMP-004711")),
                format!("Subject: x {} y\r\n\r\n", word("is <BADGE>")),
            ),
            // In two words, the lines of which are folded.
            (
                format!("To: {}\r\n {} <a@b.com>\r\nX: y\r\n", word("EMP-00"), word("4711 \u{e9}")),
                format!("To: {} <<MAIL>>\r\nX: y\r\n", word("<BADGE> \u{e9}")),
            ),
            (
                "Subject: =?iso-8859-1?Q?=E9_EMP=2D004711?=\n\n".to_owned(),
                format!("Subject: {}\n\n", word("\u{e9} <BADGE>")),
            ),
            (
                format!("Subject: {}\r\n", word(&format!("{}EMP-004711", "w ".repeat(30)))),
                format!(
                    "Subject: {}\r\n {}\r\n",
                    word(&format!("{}w", "w ".repeat(22))),
                    word(&format!(" {}<BADGE>", "w ".repeat(7)))
                ),
            ),
            // What nothing is found in stays as it is written.
            (format!("Subject: {}\r\n {} =?x?= =?utf-8?Z?a?=\r\n", word("some"), word("text")), String::new()),
            ("Content-Type: text/plain; charset=\"utf-8\"; name=a\r\n".to_owned(), String::new()),
            ("Content-Disposition: attachment; filename*0=\"a\";\r\n filename*1*=%41\r\n".to_owned(), String::new()),
            (
                "Content-Type: application/x; boundary=\"a@b.com\"; name=\"EMP-004711.pdf\"\r\n".to_owned(),
                "Content-Type: application/x; boundary=\"a@b.com\"; name=\"<BADGE>.pdf\"\r\n".to_owned(),
            ),
            (
                "Content-Disposition: attachment; filename*=utf-8'en'EMP%2D004711.pdf; x=y\r\n".to_owned(),
                "Content-Disposition: attachment; filename*=utf-8''%3CBADGE%3E.pdf; x=y\r\n".to_owned(),
            ),
            (
                "Content-Disposition: attachment;\r\n filename*0=\"EMP-00\";\r\n filename*1=\"4711;.pdf\"; x=y\r\n"
                    .to_owned(),
                "Content-Disposition: attachment;\r\n filename*=utf-8''%3CBADGE%3E%3B.pdf; x=y\r\n".to_owned(),
            ),
            ("MIME-Version: 47110815\r\n".to_owned(), "MIME-Version: <NUMBER>\r\n".to_owned()),
            ("MIME-Version: 1.0 (of EMP-004711)\n".to_owned(), "MIME-Version: 1.0 (of <BADGE>)\n".to_owned()),
            (
                "Content-Transfer-Encoding: 47110815\r\n".to_owned(),
                "Content-Transfer-Encoding: <NUMBER>\r\n".to_owned(),
            ),
            ("Content-Type: text/47110815; x=y\r\n".to_owned(), "Content-Type: text/<NUMBER>; x=y\r\n".to_owned()),
            (
                "Content-Type: text/a; EMP-004711; b=c; EMP-004712 = d\r\n".to_owned(),
                "Content-Type: text/a; <BADGE>; b=c; <BADGE> = d\r\n".to_owned(),
            ),
            ("Content-Type: text/EMP-004711\r\n".to_owned(), "Content-Type: text/<BADGE>\r\n".to_owned()),
            (
                format!("Content-Type: x/y; name=\"{}\"\n", word("EMP-004711")),
                format!("Content-Type: x/y; name=\"{}\"\n", word("<BADGE>")),
            ),
            (
                "MIME-Version: 1.0\r\nX: a@b.com\u{2} EMP-004711".to_owned(),
                "MIME-Version: 1.0\r\nX: <MAIL> <BADGE>".replace("> <", ">  <"),
            ),
        ] {
            let expected = if expected.is_empty() { &head } else { &expected };
            assert_eq!(&scrubbed(&head), expected);
        }
    }

    /// What the engine finds nothing in, of any policy.
    #[test]
    fn words_with_digits_stay() {
        let heads = [
            "MIME-Version: 1.0\r\n",
            "Content-Transfer-Encoding: Base64\r\n",
            "Content-Transfer-Encoding: 8bit\r\n",
            "Content-Type: application/x-7z-compressed\r\n",
            "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n",
            "Content-Type: application/vnd.ms-excel.sheet.binary.macroEnabled.12\r\n",
            "Content-Type: application/vnd.3gpp2.bcmcsinfo+xml\r\n",
            "Content-Type: audio/G726-16\r\n",
            "Content-Type: image/jp2\r\n",
            "Content-Type: message/rfc822\r\n",
            "Content-Type: application/x-x509-ca-cert\r\n",
        ]
        .concat();
        for preset in ["gdpr", "hipaa", "llm-training", "pci-dss", "secrets-only"] {
            let policy = Policy::preset(preset).unwrap();
            let job = job(&Arc::new(Engine::new(builtin::detectors(), &policy).unwrap()));
            let mut fields = Fields::parse(heads.as_bytes());
            scrub(&mut fields, &job, &mut Summary::default()).unwrap();
            assert_eq!(String::from_utf8(fields.bytes()).unwrap(), heads, "{preset}");
        }
    }

    proptest! {
        #[test]
        fn any_head(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "(Content-Type: |[a-z;*0=\"? \r\n]|=\\?utf-8\\?[BQ]\\?|=\\?|=41|EMP-004711){0,40}") {
            for head in [&bytes[..], text.as_bytes()] {
                let head: Vec<u8> = head.iter().copied().filter(|byte| *byte != MARK).collect();
                let mut fields = Fields::parse(&head);
                let mut summary = Summary::default();
                scrub(&mut fields, &LABELS, &mut summary).unwrap();
                if summary.findings.is_empty() {
                    prop_assert_eq!(fields.bytes(), head);
                }
            }
        }
    }
}
