//! URLs (RFC 3986), the credentials in them, and bare host names.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_word, run, run_back};
use super::{Candidate, Finder, Text};

/// Hosts, with the start of a path where only that is meant, whose URLs name a vocabulary or a licence: they say nothing of anyone.
const PUBLIC: &[&str] = &[
    "www.w3.org/",
    "schemas.",
    "schema.org",
    "json-schema.org/",
    "xmlns.",
    "purl.org/",
    "ns.adobe.com/",
    "www.apache.org/licenses",
    "apache.org/licenses",
    "opensource.org/licenses",
    "www.opensource.org/licenses",
    "www.gnu.org/licenses",
    "creativecommons.org/",
    "mozilla.org/MPL",
    "www.mozilla.org/MPL",
    "www.openxmlformats.org",
    "maven.apache.org/",
    "tools.ietf.org/html/rfc",
    "datatracker.ietf.org/doc/html/rfc",
    "www.rfc-editor.org/",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "0.0.0.0",
];

/// Every URL with a scheme.
pub struct Url(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Url(Served::new(detectors))))
}

impl Finder for Url {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        each(text, &core, |url| {
            let host = url.host(text);
            let sure = if PUBLIC.iter().any(|public| host.starts_with(public)) { Sure::Weak(0.3) } else { Sure::Form };
            self.0.add_whole(text, url.start..url.end, sure, found);
        });
    }
}

/// The `user:password` of URLs that have one.
pub struct Credentials(Served);

/// Makes it.
pub fn make_credentials(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Credentials(Served::new(detectors))))
}

impl Finder for Credentials {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        // The user of a URL that starts before the core may start in it.
        let core = core.start.saturating_sub(SCHEME + 3)..core.end;
        each(text, &core, |url| {
            if let Some(userinfo) = url.userinfo(text)
                && is_secret(&text[userinfo.clone()])
            {
                self.0.add(text, userinfo, Sure::Form, found);
            }
        });
    }
}

/// Whether a userinfo holds a secret: `user:password`, or a token alone; not a placeholder.
fn is_secret(userinfo: &str) -> bool {
    let secret = match userinfo.split_once(':') {
        Some((_, password)) => password,
        None if userinfo.len() >= 16 && userinfo.bytes().any(|byte| byte.is_ascii_digit()) => userinfo,
        None => return false,
    };
    let placeholder =
        secret.starts_with(['<', '{', '$', '[', '%']) && !secret.starts_with("%2") && !secret.starts_with("%3")
            || secret.bytes().all(|byte| matches!(byte, b'*' | b'.' | b'x' | b'X'))
            || secret.starts_with('%') && secret.len() <= 3;
    !placeholder
}

/// Bytes of a scheme that are looked at.
const SCHEME: usize = 24;

struct Place {
    start: usize,
    /// Behind `://`.
    authority: usize,
    end: usize,
}

impl Place {
    /// From the host on, without the user.
    fn host<'a>(&self, text: &'a str) -> &'a str {
        &text[self.userinfo(text).map_or(self.authority, |userinfo| userinfo.end + 1)..self.end]
    }

    fn userinfo(&self, text: &str) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let end = run(&bytes[..self.end], self.authority, 512, |byte| !matches!(byte, b'/' | b'?' | b'#'));
        if let Some(at) = memchr::memrchr(b'@', &bytes[self.authority..end]) {
            return (at > 0).then_some(self.authority..self.authority + at);
        }
        // A password with a slash or a number sign that should have been escaped: `user:a/b@host`.
        let at = memchr::memchr(b'@', &bytes[self.authority..self.end.min(self.authority + 512)])?;
        let userinfo = self.authority..self.authority + at;
        let (user, password) = text[userinfo.clone()].split_once(':')?;
        // What looks like a port or a path before the @ is one.
        let port =
            password.split(['/', '?', '#']).next().is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        (!user.contains(['/', '?', '#']) && !port).then_some(userinfo)
    }
}

/// Calls `with` with each URL that starts in `core`.
fn each(text: &str, core: &Range<usize>, mut with: impl FnMut(Place)) {
    let bytes = text.as_bytes();
    let mut from = core.start;
    let to = bytes.len().min(core.end + SCHEME + 3);
    while let Some(colon) = memchr::memmem::find(&bytes[from.min(to)..to], b"://").map(|at| from + at) {
        from = colon + 3;
        let start =
            run_back(text, colon, SCHEME, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let start = start + bytes[start..colon].iter().take_while(|byte| !byte.is_ascii_alphabetic()).count();
        if colon < start + 2 || !is_host(byte(bytes, from)) {
            continue;
        }
        let end = end(text, from);
        if end < from + 2 {
            continue;
        }
        with(Place { start, authority: from, end });
        from = end;
    }
}

const fn is_host(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'[' | b'%' | b':' | b'-')
}

/// Where the URL that goes on at `from` ends: before white space, quotes and brackets, without the punctuation of the sentence.
fn end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let stop = run(bytes, from, bytes.len(), |byte| {
        byte > b' ' && byte != 0x7F && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'\\' | b'^')
    });
    // Spaces and full-width punctuation beyond ASCII end it too.
    let stop = text[from..stop]
        .char_indices()
        .find(|(_, character)| {
            matches!(character, '\u{80}'..='\u{A0}' | '\u{2000}'..='\u{206F}' | '\u{3000}'..='\u{303F}' | '\u{FF00}'..='\u{FF0F}' | '«' | '»')
        })
        .map_or(stop, |(at, _)| from + at);
    // Tags that are written in a text of markup do too, but for signs in a password: `https://a.b/c&lt;/d&gt;`.
    let tag = ["&lt;", "&gt;", "&quot;"].into_iter().filter_map(|sign| text[from..stop].find(sign)).min();
    let stop = tag.filter(|at| !text[from + at..stop].contains('@')).map_or(stop, |at| from + at);
    let url = &text[from..stop];
    let mut end = url.len();
    // Counted once: taking off one bracket after the other must not count each time again.
    let excess = |open: char, close: char| url.matches(close).count().saturating_sub(url.matches(open).count());
    let (mut round, mut square) = (excess('(', ')'), excess('[', ']'));
    while let Some(last) = url[..end].chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        end -= last.len_utf8();
    }
    // `('https://a.b')` and what follows it in code.
    from + url[..end].find("')").or_else(|| url[..end].find("',")).unwrap_or(end)
}

/// Host names without a scheme: `www.example.com/x`, `example.com`.
pub struct Host(Served);

/// Makes it.
pub fn make_host(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Host(Served::new(detectors))))
}

/// Top labels that are seldom anything else than one.
const TOPS: &[&str] = &["com", "org", "net", "edu", "gov", "mil"];

/// Top labels that are words and file endings too: they need context or a path.
const WEAK_TOPS: &[&str] = &[
    "ai", "app", "at", "au", "be", "biz", "blog", "br", "ca", "cc", "ch", "cloud", "club", "cn", "co", "cz", "de",
    "dev", "dk", "es", "eu", "fi", "fr", "gr", "hu", "ie", "il", "in", "info", "io", "it", "jp", "kr", "lt", "lu",
    "lv", "me", "mx", "nl", "no", "nz", "online", "pl", "pt", "ro", "ru", "se", "sg", "shop", "si", "site", "sk",
    "store", "tech", "tr", "tv", "tw", "ua", "uk", "us", "vn", "xyz", "za",
];

/// Names of software that look like hosts.
const SOFTWARE: &[&str] = &["asp.net", "ado.net", "vb.net", "java.net", "paint.net", "system.net", "ml.net"];

impl Finder for Host {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let mut from = core.start;
        while let Some(dot) = memchr::memchr(b'.', &bytes[from.min(core.end)..core.end]).map(|at| from + at) {
            let start = run_back(text, dot, 253, is_part);
            let end = run(bytes, dot, 253, is_part);
            from = end.max(dot + 1);
            let name = text[start..end].trim_end_matches(['.', '-']);
            if let Some((len, sure)) = bare(text, start, name) {
                self.0.add_whole(text, start..start + len, sure, found);
            }
        }
    }
}

/// The length of the bare host `name` at `start` with its path, and how sure it is.
fn bare(text: &str, start: usize, name: &str) -> Option<(usize, Sure)> {
    let bytes = text.as_bytes();
    let end = start + name.len();
    if is_word(before(bytes, start))
        || matches!(before(bytes, start), b'@' | b'/' | b'\\' | b'$' | b':' | b'#' | b'%' | b'&')
    {
        return None;
    }
    if is_word(byte(bytes, end)) || matches!(byte(bytes, end), b'(' | b'@' | b'=' | b'[' | b'{' | b'\\') {
        return None;
    }
    // `import java.net.*`
    if byte(bytes, end) == b'.' && matches!(byte(bytes, end + 1), b'*' | b'_' | b'{' | b'$') {
        return None;
    }
    let (labels, top) = name.rsplit_once('.')?;
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || name.split('.').any(str::is_empty) {
        return None;
    }
    let www = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
    // Addresses and decimals.
    if !www && !top.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let lower = top.bytes().all(|byte| byte.is_ascii_lowercase());
    let upper = name.bytes().all(|byte| !byte.is_ascii_lowercase());
    if !(lower || upper) || SOFTWARE.iter().any(|software| name.eq_ignore_ascii_case(software)) {
        return None;
    }
    let is = |tops: &[&str]| tops.iter().any(|known| top.eq_ignore_ascii_case(known));
    let path = byte(bytes, end) == b'/' && is_word(byte(bytes, end + 1));
    let len =
        if byte(bytes, end) == b'/' || byte(bytes, end) == b'?' { self::end(text, start) - start } else { name.len() };
    if www && name.len() > 6 && (2..=24).contains(&top.len()) && labels.len() > 3 {
        return Some((len, Sure::Form));
    }
    // One letter before the top label is a variable.
    let last = labels.rsplit('.').next().unwrap_or(labels);
    if last.len() < 2 {
        return None;
    }
    let double = matches!(last, "co" | "com" | "org" | "ac" | "gov" | "net") && labels.len() > last.len();
    if is(TOPS) {
        return Some((len, Sure::Form));
    }
    is(WEAK_TOPS).then_some((len, if double || path && !upper { Sure::Form } else { Sure::Weak(0.3) }))
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn urls_end_where_they_do() {
        for (text, url) in [
            ("See https://example.com/a(b)?q=1#x.", "https://example.com/a(b)?q=1#x"),
            ("(http://example.com)", "http://example.com"),
            ("<a href='http://a.example/x'>", "http://a.example/x"),
            ("[x](https://a.example/y).", "https://a.example/y"),
            ("postgres://u:p@db:5432/x", "postgres://u:p@db:5432/x"),
            ("看https://a.example/例子。", "https://a.example/例子"),
            ("\"s3://bucket/key\"", "s3://bucket/key"),
            ("http://[2001:db8::1]:80/", "http://[2001:db8::1]:80/"),
            ("curl('https://a.example/y', x)", "https://a.example/y"),
            ("&lt;a&gt;https://a.example/x&amp;y&lt;/a&gt;", "https://a.example/x&amp;y"),
            ("&quot;https://a.example&quot;&gt;", "https://a.example"),
        ] {
            assert_eq!(sure("url", text), [url], "{text}");
        }
        let long = format!("https://a.example/{}", "x/".repeat(4000));
        assert_eq!(sure("url", &long), [long.as_str()]);
        for text in ["a://", "x ://y", "http://www.w3.org/2000/svg", "http:// x", "std::x"] {
            assert!(sure("url", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn credentials_are_the_userinfo() {
        for (text, userinfo) in [
            ("postgres://app:s3cr3t@db.example:5432/x", Some("app:s3cr3t")),
            ("redis://:hunter2@cache", Some(":hunter2")),
            ("https://u:p@ss@host/", Some("u:p@ss")),
            ("https://u:p&lt;ss@host/", Some("u:p&lt;ss")),
            ("amqp://user:pa/ss#w@host/vhost", Some("user:pa/ss#w")),
            ("https://9f86d081884c7d659a2f@github.com/x", Some("9f86d081884c7d659a2f")),
            ("ssh://git@host/x", None),
            ("https://example.com/@user", None),
            ("https://example.com:8080/a@b", None),
            ("postgres://user:${PASSWORD}@db/x", None),
            ("postgres://user:<password>@db/x", None),
            ("postgres://user:****@db/x", None),
        ] {
            let expected: Vec<_> = userinfo.into_iter().collect();
            assert_eq!(sure("url_credentials", text), expected, "{text}");
        }
    }

    #[test]
    fn hosts_without_a_scheme() {
        for (text, host) in [
            ("at microsoft.com, too", "microsoft.com"),
            ("www.example.de/a?b.", "www.example.de/a?b"),
            ("example.co.uk", "example.co.uk"),
            ("go to t-online.de/home", "t-online.de/home"),
        ] {
            assert_eq!(sure("host", text), [host], "{text}");
        }
        for text in [
            "foo.rs",
            "self.x",
            "main.py",
            "System.Net",
            "java.net.URL",
            "a.com(",
            "x.com",
            "user@example.com",
            "com.example.foo",
            "end.It",
            "this.name",
            "obj.info",
            "import java.net.*;",
            "config.io = 3",
            "file.org.bak",
        ] {
            assert!(sure("host", text).is_empty(), "{text}: {:?}", found("host", text));
        }
        assert_eq!(found("host", "see example.de now").len(), 1);
    }
}
