//! The parameters of fields (RFC 2045, section 5.1; RFC 2231) and their comments (RFC 5322, section 3.2.2).

use std::ops::Range;

use percent_encoding::percent_decode;

use super::super::fields::Field;

/// A parameter of a field.
#[derive(Debug)]
pub struct Param {
    /// In small letters, without `*` and number.
    pub name: Vec<u8>,
    /// What it stands for.
    pub value: Vec<u8>,
    /// Where it is in its field, with its name.
    pub whole: Range<usize>,
    /// Where its value is, without quotes.
    pub inner: Range<usize>,
    /// It is in more than one piece, or has a charset.
    pub is_extended: bool,
}

/// The parameters of a field, those in pieces put together.
pub fn params(field: &Field) -> Vec<Param> {
    let bytes = &field.bytes[..];
    let mut params: Vec<Param> = Vec::new();
    for segment in segments(bytes).into_iter().skip(1) {
        let Some(equals) = bytes[segment.clone()].iter().position(|byte| *byte == b'=') else { continue };
        let blank = |range: &Range<usize>| bytes[range.clone()].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let start = segment.start + blank(&segment);
        let mut inner = segment.start + equals + 1..segment.end;
        inner.start += blank(&inner);
        inner.end = inner.start + bytes[inner.clone()].trim_ascii_end().len();
        let end = inner.end;
        let is_quoted = bytes[inner.clone()].len() > 1 && bytes[inner.start] == b'"' && bytes[end - 1] == b'"';
        if is_quoted {
            inner = inner.start + 1..end - 1;
        }
        let name = bytes[start..segment.start + equals].trim_ascii().to_ascii_lowercase();
        let mut parts = name.splitn(2, |byte| *byte == b'*');
        let (base, extension) = (parts.next().unwrap_or_default().to_vec(), parts.next());
        let text = &bytes[inner.clone()];
        let Some(extension) = extension else {
            let value = if is_quoted { unquoted(text) } else { text.to_vec() };
            params.push(Param { name: base, value, whole: start..end, inner, is_extended: false });
            continue;
        };
        let is_first = !extension.first().is_some_and(|byte| (b'1'..=b'9').contains(byte));
        let value = if extension.is_empty() || extension.ends_with(b"*") {
            let text = if is_first { behind_charset(text) } else { text };
            percent_decode(text).collect()
        } else {
            unquoted(text)
        };
        match params.last_mut() {
            Some(last) if !is_first && last.is_extended && last.name == base => {
                last.value.extend(value);
                last.whole.end = end;
            }
            _ => params.push(Param { name: base, value, whole: start..end, inner, is_extended: true }),
        }
    }
    params
}

/// Between the semicolons that stand in no quotes.
fn segments(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut segments, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                segments.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.push(start..bytes.len());
    segments
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            b'\r' | b'\n' => {}
            _ => out.push(*byte),
        }
    }
    out
}

/// A value with space in the place of its comments (RFC 5322, section 3.2.2). One that does not end is none.
pub fn without_comments(value: &[u8]) -> Vec<u8> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    let blanked = value.iter().map(|byte| {
        let inside = depth > 0;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted || inside,
            b'"' if !inside => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if inside => depth -= 1,
            _ => {}
        }
        if inside || depth > 0 { b' ' } else { *byte }
    });
    let blanked = blanked.collect();
    if depth > 0 { value.to_vec() } else { blanked }
}

/// Behind `charset'language'`.
fn behind_charset(text: &[u8]) -> &[u8] {
    let mut quotes = text.iter().enumerate().filter(|(_, byte)| **byte == b'\'').map(|(at, _)| at);
    quotes.nth(1).map_or(text, |at| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::super::super::fields::Fields;
    use super::*;

    #[test]
    fn parameters_are_read() {
        let head = b"Content-Type: multipart/mixed; Boundary=\"a;\\\"b\"; x=y ; z*0*=utf-8''%41; z*1=b";
        let fields = Fields::parse(head);
        let params: Vec<_> = params(&fields.0[0]).into_iter().map(|param| (param.name, param.value)).collect();
        let expected = [(&b"boundary"[..], &b"a;\"b"[..]), (b"x", b"y"), (b"z", b"Ab")];
        assert_eq!(params, expected.map(|(name, value)| (name.to_vec(), value.to_vec())));
    }

    #[test]
    fn comments_are_space() {
        for (value, expected) in [
            ("(a(b)\\)c)x (d) y", "         x     y"),
            ("\"(a)\\\"(b)\"(c)", "\"(a)\\\"(b)\"   "),
            ("x (a", "x (a"),
            ("x) y\\(z)", "x) y\\   "),
        ] {
            assert_eq!(String::from_utf8(without_comments(value.as_bytes())).unwrap(), expected);
        }
    }
}
