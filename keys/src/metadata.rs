//! The canonical digest of an object's metadata. It does not change by what backends do to metadata that they store
//! faithfully, and changes by everything else.
//!
//! Covered are `x-amz-meta-*` without our own header and, of six system headers, those whose bit is set in the mask: the ones
//! that the client sent, for backends fill in defaults. Backends differ in how they give headers back: names in another
//! case or with `-` for `_`, duplicates joined by `,` or `, `, empty values dropped, text beyond ASCII as UTF-8, as
//! ISO 8859-1, as RFC 2047 encoded words, or UTF-8 taken for ISO 8859-1 and encoded once more. So each of these differences is
//! removed before hashing; see [`digest()`]. What that costs: an operator of the backend can change `a, b` to `a,b`, or add a header with an empty
//! value, unseen; `docs/format.md` lists all of it.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine;

/// Name of the header that [`crate::header::Header`] travels in.
pub const HEADER_NAME: &str = "x-amz-meta-dv1";

/// The system headers that a mask can name: bit 0 is the first.
pub const SYSTEM_HEADERS: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

/// A mask of all of them.
pub const ALL: u8 = 0b11_1111;

const USER_PREFIX: &str = "x-amz-meta-";
const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];
/// Rounds of decoding a value; what is still encoded then is taken as it stands.
const ROUNDS: usize = 4;

/// Which of [`SYSTEM_HEADERS`] are there, with a value that is not empty in canonical form.
pub fn mask<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> u8 {
    let canonical = canonical(headers, ALL);
    (0u8..)
        .zip(SYSTEM_HEADERS)
        .filter(|(_, name)| canonical.contains_key(*name))
        .fold(0, |mask, (bit, _)| mask | 1 << bit)
}

/// SHA-256 of `"dv1/metadata" ‖ mask(1) ‖ count(4) ‖ { length(4) ‖ name ‖ length(4) ‖ value }…`, integers big-endian,
/// headers sorted by the bytes of their names.
///
/// Name: ASCII lower case; in `x-amz-meta-*`, `_` becomes `-`. Value: read as UTF-8, else as ISO 8859-1; then, until nothing
/// changes and at most four times, RFC 2047 words in UTF-8 are decoded (in system headers only what is beyond ASCII), and text
/// that is UTF-8 read as ISO 8859-1 is undone; then it is split at commas, the pieces are trimmed of white space and joined by
/// `,`, after those of earlier headers of that name; of names that fall together, in the order of the names as they came.
/// `aws-chunked` is removed from Content-Encoding. Headers whose value is then empty do not count.
pub fn digest<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>, mask: u8) -> [u8; 32] {
    let canonical = canonical(headers, mask);
    let mut hash = digest::Context::new(&digest::SHA256);
    let length = |bytes: &str| (bytes.len() as u32).to_be_bytes();
    hash.update(b"dv1/metadata");
    hash.update(&[mask]);
    hash.update(&(canonical.len() as u32).to_be_bytes());
    for (name, value) in &canonical {
        hash.update(&length(name));
        hash.update(name.as_bytes());
        hash.update(&length(value));
        hash.update(value.as_bytes());
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// The headers that count, in canonical form.
pub(crate) fn canonical<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>, mask: u8) -> BTreeMap<String, String> {
    // By the name as it came: headers whose names fall together are joined in an order that no backend changes.
    let mut pieces = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let of_user = name.starts_with(USER_PREFIX);
        let covered = if of_user {
            name != HEADER_NAME
        } else {
            (0u8..).zip(SYSTEM_HEADERS).any(|(bit, system)| system == name && mask & 1 << bit != 0)
        };
        if !covered {
            continue;
        }
        let is_encoding = name == "content-encoding";
        let text = text(value, of_user);
        let of_name = pieces.entry(name).or_default();
        of_name.extend(
            text.split(',')
                .map(|piece| piece.trim_matches(WHITE))
                .filter(|piece| !(is_encoding && piece.eq_ignore_ascii_case("aws-chunked")))
                .map(str::to_owned),
        );
    }
    let mut joined = BTreeMap::<String, Vec<String>>::new();
    for (name, pieces) in pieces {
        let name = if name.starts_with(USER_PREFIX) { name.replace('_', "-") } else { name };
        joined.entry(name).or_default().extend(pieces);
    }
    joined.into_iter().map(|(name, pieces)| (name, pieces.join(","))).filter(|(_, value)| !value.is_empty()).collect()
}

/// A value as text, with every encoding that a backend may have added taken off.
fn text(value: &[u8], of_user: bool) -> String {
    let mut text = utf8_or_latin1(value);
    for _ in 0..ROUNDS {
        let next = undo_latin1(decode_words(&text, of_user));
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// If the text is UTF-8 that someone took for ISO 8859-1, what it was.
fn undo_latin1(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text)
}

/// Decodes the RFC 2047 words in a text. White space between two words disappears, and their bytes are joined before they
/// are read as UTF-8 (else ISO 8859-1), for encoders cut in the middle of a character.
///
/// A run of words that say nothing beyond ASCII is decoded only in user metadata, whose senders may encode what they like. No backend
/// encodes such a system header, and a browser that is given `=?UTF-8?Q?attachment?=` does not read `attachment`.
fn decode_words(text: &str, of_user: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some((mut bytes, mut behind)) = word(from) else {
            out.push('=');
            rest = &from[1..];
            continue;
        };
        while let Some((more, further)) = word(behind.trim_start_matches(WHITE)) {
            bytes.extend_from_slice(&more);
            behind = further;
        }
        let run = from.strip_suffix(behind).unwrap_or(from);
        let decoded = utf8_or_latin1(&bytes);
        out.push_str(if of_user || !decoded.is_ascii() { &decoded } else { run });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The RFC 2047 word that `text` starts with, `=?UTF-8?B?…?=` or `=?UTF-8?Q?…?=`: its bytes, and what follows it.
fn word(text: &str) -> Option<(Vec<u8>, &str)> {
    let (head, body) = text.split_at_checked(10)?;
    let [charset @ .., encoding, b'?'] = head.as_bytes() else {
        return None;
    };
    if !charset.eq_ignore_ascii_case(b"=?utf-8?") {
        return None;
    }
    let end = body.bytes().position(|byte| byte == b'?' || !byte.is_ascii_graphic())?;
    let (encoded, end) = body.split_at(end);
    let behind = end.strip_prefix("?=")?;
    let bytes = match *encoding {
        b'B' | b'b' => base64::engine::general_purpose::STANDARD.decode(encoded).ok()?,
        b'Q' | b'q' => quoted(encoded.as_bytes())?,
        _ => return None,
    };
    Some((bytes, behind))
}

/// RFC 2047 section 4.2, the `Q` encoding.
fn quoted(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let pair = [*bytes.next()?, *bytes.next()?];
                let mut decoded = [0];
                hex::decode_to_slice(pair, &mut decoded).ok()?;
                decoded[0]
            }
            other => *other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs<'a> = &'a [(&'a str, &'a [u8])];

    fn of(headers: Pairs<'_>) -> [u8; 32] {
        digest(headers.iter().copied(), ALL)
    }

    /// Each row is one piece of metadata in the forms in which backends give it back.
    #[test]
    fn what_backends_do_to_metadata_does_not_count() {
        let rows: &[&[Pairs<'_>]] = &[
            &[
                &[("x-amz-meta-a", b"1"), ("X-Amz-Meta-B", b"2")],
                &[("x-amz-meta-b", b" 2 "), ("x-amz-meta-A", b"1\t")],
                &[("X-AMZ-META-A", b"1"), ("x-amz-meta-b", b"2"), ("x-amz-meta-dv1", b"ours")],
                &[
                    ("x-amz-meta-a", b"1"),
                    ("x-amz-meta-b", b"2"),
                    ("x-amz-meta-c", b""),
                    ("etag", b"x"),
                    ("x-amz-storage-class", b"STANDARD"),
                ],
            ],
            &[
                &[("x-amz-meta-a", b"1"), ("x-amz-meta-a", b"2")],
                &[("x-amz-meta-a", b"1,2")],
                &[("x-amz-meta-a", b"1, 2")],
                &[("x-amz-meta-a", b"1 ,\t2 ")],
            ],
            &[&[("x-amz-meta-a_b", b"1")], &[("x-amz-meta-a-b", b"1")]],
            &[
                &[("x-amz-meta-a", "caf\u{e9} \u{65e5}".as_bytes())],
                &[("x-amz-meta-a", b"=?UTF-8?B?Y2Fmw6kg5pel?=")],
                &[("x-amz-meta-a", b"=?utf-8?q?caf=C3=A9_=E6=97=A5?=")],
                // A character cut in two, RFC 2047 against the rules but seen.
                &[("x-amz-meta-a", b"=?UTF-8?Q?caf=C3?= =?UTF-8?Q?=A9?=\r\n =?UTF-8?Q?_=E6=97=A5?=")],
                &[("x-amz-meta-a", b"caf=?UTF-8?Q?=C3=A9?= =?UTF-8?B?IOaXpQ==?=")],
            ],
            &[
                &[("x-amz-meta-a", b"caf\xe9")],
                &[("x-amz-meta-a", b"caf\xc3\xa9")],
                &[("x-amz-meta-a", b"caf\xc3\x83\xc2\xa9")],
                &[("x-amz-meta-a", b"=?UTF-8?Q?caf=C3=83=C2=A9?=")],
                // The client sent an encoded word beside raw UTF-8, and the backend encoded the whole.
                &[("x-amz-meta-a", b"=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fcaf=3F=3D=C3=A9?=")],
            ],
            &[
                &[("content-encoding", b"aws-chunked,gzip"), ("Content-Type", b"a/b")],
                &[("Content-Encoding", b"gzip"), ("content-type", b"a/b")],
            ],
        ];
        let digests: Vec<_> = rows.iter().map(|row| of(row[0])).collect();
        for (row, expected) in rows.iter().zip(&digests) {
            for form in *row {
                assert_eq!(of(form), *expected, "{form:?}");
            }
        }
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), rows.len());
    }

    #[test]
    fn everything_else_counts() {
        let base = of(&[("x-amz-meta-a", b"1"), ("content-type", b"text/plain")]);
        let changed: &[Pairs<'_>] = &[
            &[("x-amz-meta-a", b"2"), ("content-type", b"text/plain")],
            &[("x-amz-meta-b", b"1"), ("content-type", b"text/plain")],
            &[("x-amz-meta-a", b"1"), ("content-type", b"text/html")],
            &[("x-amz-meta-a", b"1")],
            &[("content-type", b"text/plain")],
            &[("x-amz-meta-a", b"1"), ("content-type", b"text/plain"), ("x-amz-meta-c", b"3")],
            &[("x-amz-meta-a", b"1"), ("x-amz-meta-a", b"1"), ("content-type", b"text/plain")],
            &[("x-amz-meta-a", b"=?UTF-8?Q?1=?="), ("content-type", b"text/plain")],
            &[("x-amz-meta-a", b"=?UTF-16?Q?1?="), ("content-type", b"text/plain")],
        ];
        for form in changed {
            assert_ne!(of(form), base, "{form:?}");
        }
        // Lengths are in the hash, so a boundary cannot move.
        assert_ne!(of(&[("x-amz-meta-ab", b"c")]), of(&[("x-amz-meta-a", b"bc")]));
    }

    /// Backends give headers back in an order of their own, and a word that nobody encoded must not hide what a browser obeys.
    #[test]
    fn names_that_fall_together_keep_their_own_order() {
        let one: Pairs<'_> = &[("x-amz-meta-a_b", b"1"), ("x-amz-meta-a-b", b"2")];
        let reordered: Pairs<'_> = &[("x-amz-meta-a-b", b"2"), ("X-Amz-Meta-A_b", b"1")];
        let exchanged: Pairs<'_> = &[("x-amz-meta-a-b", b"1"), ("x-amz-meta-a_b", b"2")];
        assert_eq!(of(one), of(reordered));
        assert_ne!(of(one), of(exchanged));
    }

    #[test]
    fn no_word_hides_an_ascii_system_header() {
        for (plain, word) in [
            ("attachment; filename=a", "=?UTF-8?Q?attachment=3B_filename=3Da?="),
            ("attachment; filename=a", "attachment; =?UTF-8?Q?filename=3Da?="),
            ("attachment; filename=a", "=?UTF-8?B?PT9VVEYtOD9RP2F0dGFjaG1lbnQ9M0JfZmlsZW5hbWU9M0RhPz0=?="),
        ] {
            let name = "content-disposition";
            assert_ne!(of(&[(name, plain.as_bytes())]), of(&[(name, word.as_bytes())]), "{word}");
            let name = "x-amz-meta-a";
            assert_eq!(of(&[(name, plain.as_bytes())]), of(&[(name, word.as_bytes())]), "{word}");
        }
        let name = "content-disposition";
        assert_eq!(of(&[(name, "x=\u{fc}".as_bytes())]), of(&[(name, b"=?UTF-8?Q?x=3D=C3=BC?=")]));
    }

    #[test]
    fn a_word_cut_by_a_wide_character_is_no_word() {
        let _ = of(&[("x-amz-meta-a", "=?utf-8\u{65e5}?=".as_bytes())]);
        assert_eq!(text("=?utf-8?q\u{e9}?=".as_bytes(), true), "=?utf-8?q\u{e9}?=");
        assert_eq!(text(b"==?UTF-8?Q?a?= =?UTF-8?Q?=zz?=", true), "=a =?UTF-8?Q?=zz?=");
    }

    #[test]
    fn system_headers_count_by_mask() {
        let sent: Pairs<'_> = &[("Content-Type", b"a/b"), ("Expires", b"0"), ("content-encoding", b"AWS-chunked")];
        assert_eq!(mask(sent.iter().copied()), 0b11_0000);
        let with_default: Pairs<'_> = &[("content-type", b"binary/octet-stream")];
        assert_eq!(digest(with_default.iter().copied(), 0), digest([].into_iter(), 0));
        assert_ne!(digest([].into_iter(), 0), digest([].into_iter(), 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_and_canonical_text_stays(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = of(&[("x-amz-meta-a", &value)]);
            let mut word = b"=?UTF-8?".to_vec();
            word.extend_from_slice(&value);
            let _ = of(&[("x-amz-meta-a", &word)]);
        }

        #[test]
        fn encoded_words_equal_their_text(words in "[ -~\u{a0}-\u{ff}\u{4e00}-\u{4eff}]{0,40}") {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&words);
            prop_assert_eq!(
                of(&[("x-amz-meta-a", words.as_bytes())]),
                of(&[("x-amz-meta-a", format!("=?UTF-8?B?{base64}?=").as_bytes())])
            );
        }
    }
}
