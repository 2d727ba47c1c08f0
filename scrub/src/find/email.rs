//! E-mail addresses (RFC 5321, section 4.1.2; with letters beyond ASCII, RFC 6531), plain and obfuscated.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, ahead, before, byte, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// Octets of a local part that are looked at; RFC 5321 allows 64.
const LOCAL: usize = 256;
/// Octets of a domain (RFC 5321, section 4.5.3.1.2).
const DOMAIN: usize = 255;

/// Top labels that are endings of file names: `icon@2x.png`.
const FILES: &[&str] = &[
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "ico",
    "css",
    "js",
    "ts",
    "json",
    "html",
    "htm",
    "md",
    "txt",
    "pdf",
    "zip",
    "gz",
    "tgz",
    "jar",
    "exe",
    "dll",
    "so",
    "py",
    "rb",
    "rs",
    "java",
    "cpp",
    "xml",
    "yml",
    "yaml",
    "lock",
    "log",
    "csv",
    "service",
    "target",
    "local",
    "internal",
    "localdomain",
];

/// `john@example.com`.
pub struct Email(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Email(Served::new(detectors))))
}

impl Finder for Email {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut passed = 0;
        // An address that starts in the core may have its @ behind it.
        let to = bytes.len().min(core.end + LOCAL);
        for at in memchr::memchr_iter(b'@', &bytes[core.start..to]).map(|at| at + core.start) {
            let start = local(text, at).max(passed);
            if start >= at {
                continue;
            }
            let Some((end, sure)) = domain(text, at) else { continue };
            passed = end;
            self.0.add(text, start..end, sure, found);
        }
    }
}

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'.' | b'_'
                | b'-'
                | b'+'
                | b'%'
                | b'\''
                | b'!'
                | b'#'
                | b'$'
                | b'&'
                | b'*'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
        || byte >= 0x80
}

/// Where the local part before the `@` at `at` starts; `at` when there is none.
fn local(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    if before(bytes, at) == b'"' && at >= 2 {
        // A quoted string: "john doe"@example.com
        let from = text.ceil_char_boundary(at.saturating_sub(LOCAL));
        return memchr::memrchr(b'"', &bytes[from.min(at - 1)..at - 1]).map_or(at, |open| from + open);
    }
    let mut start = run_back(text, at, LOCAL, is_local);
    // What is legal in a local part, but divides what comes before it far more often: `email=john@…`, `'john@…'`.
    if let Some(cut) = bytes[start..at].iter().rposition(|byte| {
        matches!(byte, b'=' | b'/' | b'?' | b'&' | b'|' | b'{' | b'}' | b'`' | b'*' | b'$' | b'!' | b'#' | b'^')
    }) && start + cut + 1 < at
    {
        start += cut + 1;
    }
    start += bytes[start..at].iter().take_while(|byte| matches!(byte, b'.' | b'\'' | b'%' | b'-' | b'~')).count();
    // Scripts that put no space between words: from where they end.
    let mut cut = start;
    let mut unspaced = false;
    for (index, character) in text[start..at].char_indices() {
        if unspaced && character.is_ascii_alphanumeric() {
            cut = start + index;
        }
        unspaced = is_unspaced(character) || is_divider(character);
    }
    cut
}

/// Chinese, Japanese, Thai, Lao, Khmer, Burmese.
const fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3000}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF65}')
}

/// Punctuation beyond ASCII.
const fn is_divider(character: char) -> bool {
    matches!(character, '\u{A0}'..='\u{BF}' | '\u{2000}'..='\u{206F}')
}

/// Where the domain behind the `@` at `at` ends, and how sure that makes the address.
fn domain(text: &str, at: usize) -> Option<(usize, Sure)> {
    let bytes = text.as_bytes();
    let from = at + 1;
    if byte(bytes, from) == b'[' {
        // An address literal: [192.0.2.1], [IPv6:2001:db8::1]
        let end = run(bytes, from + 1, 50, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':'));
        let inner = text.get(from + 1..end)?;
        let valid = inner
            .strip_prefix("IPv6:")
            .map_or_else(|| inner.parse::<std::net::Ipv4Addr>().is_ok(), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
        return (valid && byte(bytes, end) == b']').then_some((end + 1, Sure::Form));
    }
    let mut end = from;
    let mut ascii = byte(bytes, from) < 0x80;
    for character in ahead(text, from, DOMAIN).chars() {
        let part = character.is_ascii_alphanumeric()
            || matches!(character, '.' | '-' | '_')
            || (!character.is_ascii() && character.is_alphanumeric());
        // 在 behind `example.com在` is the next word: a label does not change to an unspaced script.
        if !part || (ascii && is_unspaced(character)) {
            break;
        }
        if character == '.' {
            ascii = byte(bytes, end + 1) < 0x80;
        }
        end += character.len_utf8();
    }
    let mut host = text[from..end].trim_end_matches(['.', '-', '_']);
    if host.starts_with(['.', '-']) {
        return None;
    }
    if let Some(double) = host.find("..") {
        host = &host[..double];
    }
    // `example.com.Then`, `example.com-foo`: as much as is a domain.
    let labels = host.split('.').count();
    let top = host.rsplit('.').next()?;
    let end = from + host.len();
    if labels < 2 || host.split('.').any(|label| label.is_empty() || label.len() > 63) {
        let plain = labels == 1
            && host.len() >= 3
            && host.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !is_word(byte(bytes, end));
        return plain.then_some((end, Sure::Weak(0.3)));
    }
    let letters =
        top.chars().all(|character| character.is_alphabetic() || (!top.is_ascii() && character.is_alphanumeric()));
    // `example.comTel`, `example.com123-45`: as much as is a top label that is in use.
    if !letters
        && let Some(known) = ["com", "org", "net", "edu", "gov"].iter().find(|known| {
            top.strip_prefix(**known).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
        })
    {
        return Some((end - top.len() + known.len(), Sure::Form));
    }
    let named = (letters && (top.len() >= 2)) || top.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    if !named {
        return None;
    }
    let called = byte(bytes, end) == b'(';
    let to_repository = byte(bytes, end) == b':' && text[..at].ends_with("git");
    let file = FILES.iter().any(|file| top.eq_ignore_ascii_case(file));
    Some((end, if called || to_repository || file { Sure::Weak(0.3) } else { Sure::Form }))
}

/// `john [at] example [dot] com`.
pub struct Obfuscated(Served);

/// Makes it.
pub fn make_obfuscated(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Obfuscated(Served::new(detectors))))
}

impl Finder for Obfuscated {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let from = text.ceil_char_boundary(core.start);
        let to = text.floor_char_boundary(bytes.len().min(core.end + LOCAL));
        // An at in brackets, or a word at before a dot that is spelled.
        for open in memchr::memchr3_iter(b'[', b'(', b'{', &bytes[from..to]).map(|at| at + from) {
            for at in ["at", "AT", "@"] {
                let close = open + 1 + at.len();
                if bytes[open + 1..].starts_with(at.as_bytes()) && matches!(byte(bytes, close), b']' | b')' | b'}') {
                    self.spelled(text, open, close + 1, found);
                }
            }
        }
        for dot in memchr::memmem::find_iter(&bytes[from..to], "dot").map(|dot| dot + from) {
            let start = text.ceil_char_boundary(dot.saturating_sub(70).max(from));
            for at in [" at ", "_at_"] {
                if let Some(place) = text[start..dot].rfind(at) {
                    self.spelled(text, start + place, start + place + at.len(), found);
                }
            }
        }
    }
}

impl Obfuscated {
    /// Adds the address whose at is at `start..end`.
    fn spelled(&self, text: &str, start: usize, end: usize, found: &mut Vec<Candidate>) {
        let name_end = run_back(text, start, 2, |byte| byte == b' ');
        let name = run_back(text, name_end, 64, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+')
        });
        if name < name_end
            && let Some(end) = spelled_domain(text, end)
        {
            self.0.add(text, name..end, Sure::Form, found);
        }
    }
}

/// The end of `example [dot] com` or `example (.) co dot uk` behind `at`: at least one dot is spelled, or the `at` was in brackets.
fn spelled_domain(text: &str, at: usize) -> Option<usize> {
    const DOTS: &[&str] =
        &["[dot]", "(dot)", "{dot}", "<dot>", "[.]", "(.)", "dot ", "_dot_", "[punkt]", "(punkt)", "."];
    let bytes = text.as_bytes();
    let label = |from: usize| run(bytes, from, 63, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let bracketed = !matches!(before(bytes, at), b' ');
    let mut spelled = false;
    let mut from = run(bytes, at, 2, |byte| byte == b' ');
    let mut end = label(from);
    let mut labels = 0;
    let mut last = from..end;
    while end > from && labels < 6 {
        labels += 1;
        last = from..end;
        let next = run(bytes, end, 2, |byte| byte == b' ');
        let Some(dot) = DOTS.iter().find(|dot| {
            bytes.get(next..next + dot.len()).is_some_and(|there| there.eq_ignore_ascii_case(dot.as_bytes()))
        }) else {
            break;
        };
        let word = *dot == "dot ";
        if (word || *dot == ".") && (word != (next > end)) {
            break;
        }
        spelled |= *dot != ".";
        from = if *dot == "." { next + 1 } else { run(bytes, next + dot.len(), 2, |byte| byte == b' ') };
        end = label(from);
    }
    let top = &bytes[last.clone()];
    let named = labels >= 2 && (2..=12).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    (named && (spelled || bracketed)).then_some(last.end)
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn addresses_are_found_whole() {
        for (text, address) in [
            ("Write to john.doe+x@example.co.uk.", "john.doe+x@example.co.uk"),
            ("<mailto:a@b.de>", "a@b.de"),
            ("email=john@example.com&x=1", "john@example.com"),
            ("'o'brien@example.com'", "o'brien@example.com"),
            ("jürgen@müller.de", "jürgen@müller.de"),
            ("请联系zhang@example.com谢谢", "zhang@example.com"),
            ("用户@例子.广告", "用户@例子.广告"),
            ("user@xn--80ak6aa92e.com", "user@xn--80ak6aa92e.com"),
            ("\"john doe\"@example.com", "\"john doe\"@example.com"),
            ("john@acme.com123-45-6789", "john@acme.com"),
            ("x@[192.0.2.1]", "x@[192.0.2.1]"),
            ("x@[IPv6:2001:db8::1],", "x@[IPv6:2001:db8::1]"),
            ("JOHN@EXAMPLE.COM", "JOHN@EXAMPLE.COM"),
            ("a_b-c@sub.example.museum)", "a_b-c@sub.example.museum"),
        ] {
            assert_eq!(sure("email", text), [address], "{text}");
        }
    }

    #[test]
    fn what_only_has_an_at_is_none() {
        for text in [
            "react@17.0.2",
            "@app.route",
            "icon@2x.png",
            "git@github.com:user/repo.git",
            "user@localhost",
            "a @ b",
            "@",
            "x@.com",
            "x@y..",
            "matrix @ b.T",
            "name@sha256:abc",
            "obj@mod.func(x)",
        ] {
            assert!(sure("email", text).is_empty(), "{text}: {:?}", found("email", text));
        }
    }

    #[test]
    fn spelled_addresses_are_found() {
        for text in [
            "john [at] example [dot] com",
            "john.doe (at) example.com",
            "john at example dot com",
            "john(AT)example(DOT)co(DOT)uk",
            "john_at_example_dot_com",
        ] {
            assert_eq!(sure("email_obfuscated", &format!("I am {text}, yes")), [text]);
        }
        for text in ["look at example.com", "we met at noon dot", "at (at) dot", "at the dot of"] {
            assert!(sure("email_obfuscated", text).is_empty(), "{text}");
        }
    }
}
