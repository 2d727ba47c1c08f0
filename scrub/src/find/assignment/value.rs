//! What stands behind a name: how a value is written there, and whether it is a secret.

use std::ops::Range;

use super::judge::is_secret;
use super::key::{Class, Key};

/// How far behind its name a value may start, in bytes.
pub(super) const FURTHEST: usize = 96;

/// The longest value, in bytes.
const LONGEST: usize = 2048;

/// A value that is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub range: Range<usize>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// In quotes, or between tags.
    Quoted,
    /// The rest of a line of a file of settings: `NAME=value`.
    Setting,
    /// Behind a sign, in code, a log or a query.
    Bare,
    /// Behind a flag: `--password value`.
    Flag,
    /// In prose: `the password is value`.
    Prose,
    /// Next to the name, or an argument: it must look like a password by itself.
    Beside,
    /// That, in quotes.
    Cited,
}

/// Where runs without a blank end, so that none is read again from each name in it.
#[derive(Debug, Default)]
pub(super) struct Runs {
    blank: Range<usize>,
    sign: Range<usize>,
}

impl Runs {
    /// The end of the run at `at`, of what does not end a `Setting` or a `Bare` value.
    fn end(&mut self, bytes: &[u8], at: usize, setting: bool) -> usize {
        let (run, ends): (&mut Range<usize>, fn(u8) -> bool) =
            if setting { (&mut self.blank, |byte| byte.is_ascii_whitespace()) } else { (&mut self.sign, ends_bare) };
        if !run.contains(&at) {
            *run = at..at + bytes[at..].iter().take_while(|byte| !ends(**byte)).count();
        }
        run.end
    }
}

/// The secret that a name has, if it has one.
pub(super) fn of(text: &str, key: &Key, class: Class, runs: &mut Runs) -> Option<Value> {
    let bytes = text.as_bytes();
    let (mut at, style) = start(text, key, class)?;
    let mut schemed = scheme(&text[at..]);
    at += schemed.unwrap_or(0);
    let (mut range, mut style) = match quote(bytes, at) {
        Some((from, mark)) => {
            let end = close(bytes, from, mark)?;
            let inner = scheme(&text[from..end]);
            schemed = schemed.or(inner);
            (from + inner.unwrap_or(0)..end, if style == Style::Beside { Style::Cited } else { Style::Quoted })
        }
        None if style == Style::Quoted => {
            // Between tags.
            (at..at + memchr::memchr(b'<', &bytes[at..bytes.len().min(at + LONGEST)])?, style)
        }
        // An argument that is no literal is a name.
        None if style == Style::Beside
            && matches!(bytes[at - 1], b' ' | b'\t' | b',')
            && bytes[key.range.end..at].contains(&b',') =>
        {
            return None;
        }
        // A password may hold any sign; in prose and behind a flag nothing but a blank ends it.
        None => {
            let any =
                style == Style::Setting || class == Class::Password && matches!(style, Style::Prose | Style::Flag);
            (at..runs.end(bytes, at, any && schemed.is_none()), style)
        }
    };
    if style == Style::Setting {
        range.end = range.start + field(&bytes[range.clone()]);
        // A line of code ends in these.
        if matches!(bytes[range.clone()].last(), Some(b',' | b';' | b')' | b'(' | b'{' | b'[' | b']')) {
            style = Style::Bare;
            range.end = runs.end(bytes, range.start, false).min(range.end);
        }
    }
    if !matches!(style, Style::Quoted | Style::Cited | Style::Setting) {
        // The end of a sentence or a list is none of its own.
        let ends: &[u8] = if class == Class::Password { b".,:;)\"'`>]}*" } else { b".,:;!?" };
        while range.start < range.end && ends.contains(&bytes[range.end - 1]) {
            range.end -= 1;
        }
    }
    let value = text.get(range.clone())?;
    let next = bytes.get(range.end).copied();
    (value.len() <= LONGEST && is_secret(value, &text[key.range.clone()], class, schemed.is_some(), style, next))
        .then_some(Value { range })
}

/// The length of the first of several values in one word: `a;User=b`, `a&user=b`.
fn field(value: &[u8]) -> usize {
    let more = |at: &usize| {
        let rest = &value[at + 1..];
        let name = rest.iter().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        value[*at] == b';' && name == rest.len() || name > 0 && rest.get(name) == Some(&b'=')
    };
    memchr::memchr2_iter(b';', b'&', value).find(more).unwrap_or(value.len())
}

/// Signs of two characters between a name and a value.
const SIGNS: &[[u8; 2]] = &[*b":=", *b"=>", *b"==", *b"=:", *b"?=", *b"+=", *b"|=", *b"!=", *b"<-", *b"->"];

/// Where the value of a name starts and how it is written.
fn start(text: &str, key: &Key, class: Class) -> Option<(usize, Style)> {
    let bytes = text.as_bytes();
    let Range { start: name, end } = key.range;
    let line = memchr::memrchr(b'\n', &bytes[name.saturating_sub(FURTHEST)..name])
        .map_or(name.saturating_sub(FURTHEST), |at| name.saturating_sub(FURTHEST) + at + 1);
    let lead = bytes[line..name].trim_ascii();
    let mut at = end;
    if lead.ends_with(b"<") && bytes.get(at) == Some(&b'>') {
        return Some((at + 1, Style::Quoted));
    }
    let quoted = matches!(bytes.get(at), Some(b'"' | b'\'' | b'`')) && name > 0 && bytes.get(at) == bytes.get(name - 1);
    at += usize::from(quoted);
    if bytes.get(at) == Some(&b']') {
        at += 1;
    }
    // `**Password:** x`, `Password*: x`.
    at += bytes[at..].iter().take(2).take_while(|byte| **byte == b'*').count();
    let blanks = blanks(bytes, at);
    let rest = &bytes[at + blanks..];
    let (sign, style) = match rest {
        [a, b, ..] if SIGNS.contains(&[*a, *b]) && !rest.starts_with(b"--") => {
            (if rest.starts_with(b"===") { 3 } else { 2 }, Style::Bare)
        }
        // A path of names.
        [b':', b':', ..] => return None,
        [b':' | b'=', ..] => (1, Style::Bare),
        // A full-width colon.
        [0xEF, 0xBC, 0x9A, ..] => (3, Style::Prose),
        // `put("password", "…")`, `setPassword("…")`.
        [b',', ..] if quoted => (1, Style::Beside),
        [b'(', b'"' | b'\'', ..] if !quoted && !asks(&text[name..end]) => (1, Style::Beside),
        _ if blanks > 0 && lead.last() == Some(&b'-') || name >= 2 && bytes[..name].ends_with(b"--") => {
            (0, Style::Flag)
        }
        _ if blanks > 0 => return prose(text, at + blanks, class, !text[name..end].eq_ignore_ascii_case("pass")),
        _ => return None,
    };
    at += blanks + sign;
    if style == Style::Bare && rest.starts_with(b":") && bytes.get(at..at + 2) == Some(b"**") {
        at += 2;
    }
    let after = self::blanks(bytes, at);
    let setting = style == Style::Bare
        && sign == 1
        && !quoted
        && (lead.is_empty()
            || matches!(
                lead,
                b"export"
                    | b"set"
                    | b"ENV"
                    | b"-"
                    | b"env"
                    | b"-e"
                    | b"setenv"
                    | b"ARG"
                    | b"Environment="
                    | b"#"
                    | b"*"
            ));
    at += after;
    // `password: str = "…"`: the type is none of the value.
    if let Some(value) = behind_type(bytes, at).filter(|_| rest.starts_with(b":")) {
        return Some((value, Style::Bare));
    }
    let first = text[at..].chars().next()?;
    if first.is_whitespace() {
        return None;
    }
    let prose = style == Style::Bare && after > 0 && rest.starts_with(b":") && !setting && !quoted;
    Some((
        at,
        if setting {
            Style::Setting
        } else if prose {
            Style::Prose
        } else {
            style
        },
    ))
}

/// Whether a function asks for a secret, so that its argument is none.
fn asks(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "get", "read", "prompt", "ask", "has", "is", "find", "lookup", "validate", "check", "generate", "load",
        "input", "parse", "from", "env", "expect",
    ]
    .iter()
    .any(|verb| name.starts_with(verb))
}

/// The value in prose: `… is hunter2`, `… for the server is hunter2`, `… hunter2`.
fn prose(text: &str, at: usize, class: Class, named: bool) -> Option<(usize, Style)> {
    const VERBS: &[&str] =
        &["is", "was", "ist", "lautet", "est", "es", "é", "er", "este", "on", "=", "->", "is:", "are", "как", "this:"];
    let rest = &text[at..text.ceil_char_boundary((at + FURTHEST - 32).min(text.len()))];
    let line = rest.split(['\n', '\r']).next()?;
    let mut from = 0;
    for (words, word) in line.split_inclusive(' ').enumerate() {
        let bare = word.trim_end();
        if VERBS.contains(&bare) {
            let value = from + word.len() + line[from + word.len()..].bytes().take_while(|byte| *byte == b' ').count();
            return (value < line.len()).then_some((at + value, Style::Prose));
        }
        // Up to six words may say what the password is for.
        if words == 6
            || bare.is_empty()
            || !bare.chars().all(|character| character.is_alphanumeric() || "'-_".contains(character))
        {
            break;
        }
        from += word.len();
    }
    (class == Class::Password && named).then_some((at, Style::Beside))
}

/// Where the value stands behind a type: `str = "…"`, `&'static str = "…"`.
fn behind_type(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..bytes.len().min(at + 48)];
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_&<>[]. '|?:".contains(byte)).count();
    if length == 0
        || rest.get(length) != Some(&b'=')
        || rest.get(length + 1) == Some(&b'=')
        || !rest[..length].ends_with(b" ")
    {
        return None;
    }
    let value = at + length + 1;
    let value = value + blanks(bytes, value);
    quote(bytes, value).map(|_| value)
}

/// The content behind a quotation mark at `at`, and the mark.
fn quote(bytes: &[u8], at: usize) -> Option<(usize, u8)> {
    let mut from = at;
    // `b"…"`, `r'…'`, `@"…"`.
    if matches!(bytes.get(from), Some(b'b' | b'r' | b'f' | b'u' | b'L' | b'B' | b'R' | b'@' | b'&' | b'(')) {
        from += 1;
    }
    let mark = *bytes.get(from).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
    from += 1;
    if bytes.get(from..from + 2) == Some(&[mark, mark]) {
        from += 2;
    }
    Some((from, mark))
}

/// Where the quoted text ends: at its mark, not escaped, on the same line.
fn close(bytes: &[u8], from: usize, mark: u8) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = &bytes[at..bytes.len().min(from + LONGEST)];
        at += memchr::memchr3(mark, b'\\', b'\n', rest)?;
        match bytes[at] {
            b'\n' => return None,
            b'\\' => at = (at + 2).min(bytes.len()),
            _ => return Some(at),
        }
        if at > from + LONGEST {
            return None;
        }
    }
}

/// The length of the scheme of an `Authorization` header and the blanks behind it.
fn scheme(value: &str) -> Option<usize> {
    [
        "Bearer ",
        "Basic ",
        "Token ",
        "token ",
        "bearer ",
        "basic ",
        "ApiKey ",
        "Digest ",
        "Bot ",
        "GenieKey ",
        "SharedKey ",
        "Splunk ",
    ]
    .into_iter()
    .find(|scheme| value.starts_with(scheme))
    .map(|scheme| scheme.len() + value[scheme.len()..].bytes().take_while(|byte| *byte == b' ').count())
}

fn blanks(bytes: &[u8], at: usize) -> usize {
    bytes[at.min(bytes.len())..].iter().take(16).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn ends_bare(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",;)}]>\"'&|<`{(\\".contains(&byte)
}
