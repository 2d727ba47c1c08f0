//! The canonical request, shared by the verifier and the signer.

use std::borrow::Cow;

use aws_lc_rs::digest;
use http::HeaderMap;

/// What goes into a canonical request. Path and query are as on the wire.
pub struct Canonical<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// Lower-case names of the signed headers, sorted, each once.
    pub names: &'a [&'a str],
    pub headers: &'a HeaderMap,
    /// Stands for an absent `Host`: the request's `:authority`.
    pub authority: Option<&'a str>,
    pub payload: &'a str,
}

impl Canonical<'_> {
    /// `"AWS4-HMAC-SHA256" \n time \n scope \n hex(SHA-256(canonical request))`
    pub fn string_to_sign(&self, time: &str, scope: &str) -> String {
        let hash = digest::digest(&digest::SHA256, &self.bytes());
        let mut out = String::with_capacity(160);
        for line in [super::ALGORITHM, time, scope] {
            out.push_str(line);
            out.push('\n');
        }
        push_hex(&mut out, hash.as_ref());
        out
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.path.len() + self.query.len());
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'\n');
        recode(&mut out, self.path.as_bytes(), Place::Path);
        out.push(b'\n');
        push_query(&mut out, self.query);
        out.push(b'\n');
        for name in self.names {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            self.push_values(&mut out, name);
            out.push(b'\n');
        }
        out.push(b'\n');
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                out.push(b';');
            }
            out.extend_from_slice(name.as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(self.payload.as_bytes());
        out
    }

    /// All values of a header, joined by `,`; nothing for an absent one.
    fn push_values(&self, out: &mut Vec<u8>, name: &str) {
        let mut values = self.headers.get_all(name).iter().peekable();
        if values.peek().is_none() && name == "host" {
            out.extend_from_slice(self.authority.unwrap_or_default().as_bytes());
        }
        for (i, value) in values.enumerate() {
            if i > 0 {
                out.push(b',');
            }
            push_words(out, value.as_bytes());
        }
    }
}

/// Trims, and makes one space of each run of white space.
fn push_words(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (i, word) in words.enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
}

/// Percent-decodes, then encodes all but the unreserved characters of RFC 3986 (and `/` in a path): clients differ in what
/// they encode on the wire, and S3 signs the one true encoding.
fn recode(out: &mut Vec<u8>, raw: &[u8], place: Place) {
    let mut rest = raw;
    while let Some((byte, next)) = decode_byte(rest, place) {
        rest = next;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            b'/' if place == Place::Path => out.push(byte),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
    }
}

/// The first byte and what follows it. A `%` that no two digits follow stands for itself.
fn decode_byte(raw: &[u8], place: Place) -> Option<(u8, &[u8])> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    Some(match raw {
        [] => return None,
        [b'%', high, low, rest @ ..] => match (digit(high), digit(low)) {
            (Some(high), Some(low)) => ((high * 16 + low) as u8, rest),
            _ => (b'%', &raw[1..]),
        },
        [b'+', rest @ ..] if place == Place::Query => (b' ', rest),
        [byte, rest @ ..] => (*byte, rest),
    })
}

/// The parameters of a raw query as they are: name, and value or the empty string.
pub(in crate::s3) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent-decoded text of a query parameter; bytes that are no UTF-8 become U+FFFD. A `+` stays: base64 is sent unencoded.
pub(in crate::s3) fn decode(raw: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(raw).decode_utf8_lossy()
}

/// The query, recoded and sorted by name, then value, without the signature itself.
fn push_query(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut text = Vec::with_capacity(query.len() + 16);
    let mut spans: Vec<[usize; 3]> = Vec::with_capacity(8);
    for (name, value) in pairs(query) {
        let start = text.len();
        recode(&mut text, name.as_bytes(), Place::Query);
        let middle = text.len();
        if text[start..middle].eq_ignore_ascii_case(b"x-amz-signature") {
            text.truncate(start);
            continue;
        }
        recode(&mut text, value.as_bytes(), Place::Query);
        spans.push([start, middle, text.len()]);
    }
    spans.sort_by(|a, b| {
        let parts = |s: &[usize; 3]| (&text[s[0]..s[1]], &text[s[1]..s[2]]);
        parts(a).cmp(&parts(b))
    });
    for (i, [start, middle, end]) in spans.into_iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(&text[start..middle]);
        out.push(b'=');
        out.extend_from_slice(&text[middle..end]);
    }
}

/// Appends lower-case hexadecimal digits.
pub fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> String {
        let mut out = Vec::new();
        recode(&mut out, raw.as_bytes(), Place::Path);
        String::from_utf8(out).unwrap()
    }

    fn query(raw: &str) -> String {
        let mut out = Vec::new();
        push_query(&mut out, raw);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_path_has_one_encoding() {
        assert_eq!(path("/test$file.text"), "/test%24file.text");
        assert_eq!(path("/test%24file.text"), "/test%24file.text");
        assert_eq!(path("/a%2fb//../c"), "/a/b//../c");
        assert_eq!(path("/a+b%20c"), "/a%2Bb%20c");
        assert_eq!(path("/100%"), "/100%25");
        assert_eq!(path("/100%zz%4"), "/100%25zz%254");
        assert_eq!(path("/fran%c3%a7ais~"), "/fran%C3%A7ais~");
        assert_eq!(path("/français"), "/fran%C3%A7ais");
    }

    #[test]
    fn a_query_is_sorted_and_recoded() {
        assert_eq!(query("prefix=J&max-keys=2"), "max-keys=2&prefix=J");
        assert_eq!(query("lifecycle"), "lifecycle=");
        assert_eq!(query("a=2&a=1&&A=3&b=x/y+z"), "A=3&a=1&a=2&b=x%2Fy%20z");
        assert_eq!(query("b=1&X-Amz-Signature=00&a"), "a=&b=1");
        assert_eq!(query("X%2DAmz-Signature=00"), "");
        assert_eq!(query("a=b=c"), "a=b%3Dc");
        // By name, not by the text with its "=", which is greater than "-".
        assert_eq!(query("a=1&a-=2"), "a=1&a-=2");
    }

    #[test]
    fn header_values_are_trimmed_and_collapsed() {
        let mut out = Vec::new();
        push_words(&mut out, b"  a   b\tc ");
        assert_eq!(out, b"a b c");
    }
}
