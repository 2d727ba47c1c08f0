//! Credentials in URLs: `postgres://user:password@host`, `https://token@host` (RFC 3986, section 3.2.1). What is found is the password, or the
//! user where it is a token.

use std::ops::Range;

use memchr::memmem;

use crate::detector::{Detector, DetectorId};
use crate::validate::secrets::varied;

use super::assignment::judge::is_reference;
use super::{Candidate, Finder, Text};

/// The name by which a detector asks for it.
pub const CODE: &str = "connection";

/// The longest user information that is looked at.
const LONGEST: usize = 1024;

/// The longest password with characters that should have been escaped.
const LONGEST_RAW: usize = 256;

/// The shortest user that is taken for a token.
const TOKEN: usize = 16;

/// Finds credentials in URLs.
pub struct Connections {
    detector: DetectorId,
    score: f32,
}

impl Connections {
    /// For the one detector that asks for it.
    pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
        match detectors {
            [(detector, definition)] => Ok(Box::new(Self { detector: *detector, score: definition.score })),
            _ => Err(format!("one detector has the code {CODE:?}")),
        }
    }
}

impl Finder for Connections {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        // The scheme stands before the core where a segment was cut hard within it.
        let from = core.start.saturating_sub(LONGEST);
        for at in memmem::find_iter(&text.as_bytes()[from..core.end], b"://").map(|at| from + at) {
            if let Some(range) = credentials(text, at) {
                found.push(Candidate {
                    start: range.start,
                    end: range.end,
                    detector: self.detector,
                    score: self.score,
                    evident: true,
                });
            }
        }
    }
}

/// The secret in the authority behind the `://` at `at`.
fn credentials(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let scheme = bytes[..at].iter().rev().take(16).take_while(|byte| is_of_scheme(**byte)).count();
    if scheme == 0 {
        return None;
    }
    let start = at + 3;
    let rest = &bytes[start..bytes.len().min(start + LONGEST)];
    let authority = rest.iter().take_while(|byte| !ends(**byte) && !b"/?#".contains(byte)).count();
    let web = matches!(&bytes[at - scheme..at], b"http" | b"https");
    let sign = memchr::memrchr(b'@', &rest[..authority]).or_else(|| {
        // A password with a slash or such in it, unescaped, as database drivers take it.
        let raw = rest.iter().take(LONGEST_RAW).take_while(|byte| !ends(**byte)).count();
        memchr::memchr(b':', &rest[..authority]).filter(|_| !web).and_then(|_| memchr::memrchr(b'@', &rest[..raw]))
    })?;
    let user = &rest[..sign];
    let range = match memchr::memchr(b':', user) {
        Some(colon) => start + colon + 1..start + sign,
        None if sign >= TOKEN && varied(&text[start..start + sign]) => start..start + sign,
        None => return None,
    };
    (!range.is_empty() && !is_reference(&text[range.clone()])).then_some(range)
}

const fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether a byte ends a URL in text.
const fn ends(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Connections { detector: DetectorId(0), score: 0.9 }.find(&Text::new(text), 0..text.len(), &mut found);
        found.iter().map(|candidate| text[candidate.start..candidate.end].to_owned()).collect()
    }

    #[test]
    fn the_password_is_found() {
        for (text, password) in [
            ("postgres://bob:s3cret@db:5432/x", "s3cret"),
            ("redis://:s3cret@cache:6379", "s3cret"),
            ("mongodb+srv://bob:p%40ss@a.b/?w=1", "p%40ss"),
            ("\"amqp://guest:guest@mq\"", "guest"),
            ("jdbc:mysql://bob:a/b#c@db/x", "a/b#c"),
            ("https://bob:hunter2@example.com/a@b", "hunter2"),
            ("https://0123456789abcdef0123@o1.example.com/1", "0123456789abcdef0123"),
        ] {
            assert_eq!(found(text), [password], "{text}");
        }
    }

    #[test]
    fn what_is_no_password_is_not() {
        for text in [
            "https://example.com:8080/a@b",
            "git://bob@example.com",
            "http://${USER}:${PASSWORD}@host",
            "://a:b@c",
            "redis://host:6379",
            "https://user:<password>@host",
            "ftp://example.com/a:b@c",
            "scheme://",
            "mailto:a:b@c",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\PC|://|:|@|a){0,60}", from in 0_usize..60) {
            let from = text.floor_char_boundary(from.min(text.len()));
            let mut found = Vec::new();
            Connections { detector: DetectorId(0), score: 0.9 }.find(&Text::new(&text), from..text.len(), &mut found);
            for candidate in found {
                prop_assert!(text.get(candidate.start..candidate.end).is_some_and(|text| !text.is_empty()));
            }
        }
    }
}
