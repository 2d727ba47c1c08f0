//! Whether a value is a secret: a password that people chose, or what was drawn at random; not a reference, a placeholder, a name or a type.

use super::key::{Class, PASSWORDS};
use super::value::Style;
use crate::validate::secrets::basic;

/// Whether a value refers to a secret that stands elsewhere, or to none.
pub(in crate::find) fn is_reference(value: &str) -> bool {
    const NONE: &[&str] = &[
        "none",
        "null",
        "nil",
        "undefined",
        "true",
        "false",
        "yes",
        "no",
        "required",
        "optional",
        "string",
        "str",
        "text",
        "bool",
        "boolean",
        "int",
        "integer",
        "number",
        "any",
        "bytes",
        "object",
        "empty",
        "hidden",
        "redacted",
        "omitted",
        "removed",
        "masked",
        "filtered",
        "xxx",
        "todo",
        "tbd",
        "n/a",
        "unset",
        "default",
        "char",
        "varchar",
        "self",
        "this",
        "not",
        "invalid",
        "incorrect",
        "wrong",
        "missing",
        "expired",
        "correct",
        "valid",
        "enabled",
        "disabled",
        "unknown",
        "value",
        "input",
        "stdin",
        "prompt",
        "file",
        "env",
        "void",
        "never",
    ];
    let first = value.as_bytes().first().copied().unwrap_or(b'$');
    let folded = value.to_ascii_lowercase();
    NONE.contains(&folded.as_str())
        || first == b'$'
            && value[1..].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !value[1..].starts_with(|c: char| c.is_ascii_digit() && value.len() > 4)
        || ["${", "$(", "{{", "#{", "%(", "<%", "[%", "$[", "@{", "{%", "%{"].iter().any(|opens| value.contains(opens))
        || matches!(first, b'<' | b'{' | b'[' | b'%') && (value.ends_with(['>', '}', ']', '%']) || value.len() <= 3)
        || value.contains("process.env")
        || value.contains("environ")
        || value.contains("getenv")
        || value.starts_with("secrets.")
        || value.starts_with("ENV[")
        || folded.starts_with("your")
        || folded.starts_with('<') && folded.contains('>')
        || folded.contains("placeholder")
        || value.contains("...")
        || value.contains('\u{2026}')
        || value.contains("://")
        || value.bytes().all(|byte| byte == value.as_bytes()[0])
        || !value.contains(|character: char| character.is_alphanumeric())
        || folded.bytes().filter(u8::is_ascii_alphanumeric).all(|byte| byte == b'x')
}

pub(super) fn is_secret(value: &str, name: &str, class: Class, schemed: bool, style: Style, next: Option<u8>) -> bool {
    if value.len() < 4 || is_reference(value) || value.eq_ignore_ascii_case(name) || is_path(value) {
        return false;
    }
    let constant = value.contains('_')
        && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !matches!(style, Style::Quoted | Style::Cited | Style::Setting) && (constant || value.starts_with("0x")) {
        return false;
    }
    // A call, an index, a path of names.
    let calls = !matches!(style, Style::Quoted | Style::Cited)
        && (matches!(next, Some(b'(' | b'[' | b'{')) || value.contains("::") || value.contains("->"));
    if calls && style != Style::Setting {
        return false;
    }
    match class {
        Class::Password => is_password(value, name, style),
        Class::Secret => is_random(value, if style == Style::Quoted || style == Style::Setting { 8 } else { 12 }),
        Class::Token => is_random(value, 12) && value.len() >= 12,
        Class::Authorization => schemed && (basic(value) || is_random(value, 12)) || is_random(value, 20),
    }
}

fn is_password(value: &str, name: &str, style: Style) -> bool {
    let bytes = value.as_bytes();
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let (letters, digits) = (count(u8::is_ascii_alphabetic), count(u8::is_ascii_digit));
    let letters = letters + count(|byte| *byte >= 0x80);
    let blanks = count(|byte| *byte == b' ');
    let signs = bytes.len() - letters - digits - blanks;
    let names_itself = names_password(value);
    if blanks > 0 {
        // A phrase of at least three words, or two with a digit and a sign; not a sentence.
        let phrase = blanks >= 2 && signs == 0 && !is_sentence(value);
        return matches!(style, Style::Quoted | Style::Cited)
            && !names_itself
            && (style == Style::Quoted && phrase || blanks == 1 && digits > 0 && signs > 0);
    }
    let mixed = digits > 0 && letters > 0 && bytes.len() >= 5;
    // Signs of code do not make a password: those between letters that code has none of do.
    let signed = letters >= 3
        && bytes.len() >= 6
        && bytes[1..].iter().any(|byte| b"!@#$%^*~?+".contains(byte))
        && bytes[0].is_ascii_alphanumeric();
    match style {
        Style::Quoted => {
            if names_itself && digits == 0 && !signed {
                return false;
            }
            // Words with dashes, points and low lines are names of fields and messages.
            mixed
                || signed
                || signs == 0
                || digits >= 4 && letters == 0 && signs < digits
                || signs >= 2 && digits > 0 && letters > 0
        }
        Style::Setting => {
            let upper = name.bytes().all(|byte| !byte.is_ascii_lowercase());
            if names_itself && digits == 0 && !signed || is_type(value) {
                return false;
            }
            mixed && !is_name(value)
                || signed
                || digits >= 4 && letters == 0 && signs < 3
                || upper && signs == 0
                || signs == 0 && !upper && letters >= 5 && value.bytes().all(|byte| byte.is_ascii_lowercase())
        }
        Style::Flag => {
            mixed && !is_type(value) && !is_name(value) || signed || digits >= 4 && letters == 0 && signs == 0
        }
        Style::Bare | Style::Prose => {
            mixed && !is_type(value) && !is_name(value)
                || signed && !names_itself
                || digits >= 4 && letters == 0 && signs == 0 && !name.eq_ignore_ascii_case("pass")
        }
        Style::Cited => mixed && !is_type(value) && !is_name(value) || signed,
        Style::Beside => {
            mixed
                && bytes.len() >= 6
                && !is_type(value)
                && !names_itself
                && !is_name(value)
                && (digits >= 2 || signed || letters >= 6)
        }
    }
}

/// Whether a word looks like a password by itself: letters with a digit or another sign among them, and two of those or both cases.
pub(crate) fn looks_like_password(word: &str) -> bool {
    let any = |is: fn(u8) -> bool| word.bytes().any(is);
    let (digit, lower, upper) = (
        any(|byte| byte.is_ascii_digit()),
        any(|byte| byte.is_ascii_lowercase()),
        any(|byte| byte.is_ascii_uppercase()),
    );
    let sign = any(|byte| b"!@#$%^&*~?+".contains(&byte));
    let count = [digit, lower, upper, sign].into_iter().filter(|is| *is).count();
    word.len() >= 6 && (lower || upper) && (digit || sign) && count >= 3 && !is_name(word) && !is_reference(word)
}

/// Whether words are a sentence, a title or a label rather than a phrase to pass.
fn is_sentence(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "the", "a", "an", "is", "are", "be", "must", "your", "you", "please", "enter", "for", "of", "to", "in", "and",
        "or", "not", "with", "this", "should", "at", "le", "la", "de", "el", "der", "die", "das", "from", "on", "by",
        "no", "was", "has", "if", "new", "old",
    ];
    value.to_lowercase().split(' ').any(|word| WORDS.contains(&word))
}

/// Whether a value speaks of passwords itself: `new_password`, `Passwort`.
fn names_password(value: &str) -> bool {
    let folded = value.to_lowercase();
    PASSWORDS
        .iter()
        .chain(&["secret", "token", "passe", "pass_", "_pass", "userpass"])
        .any(|word| folded.contains(word))
        || folded == "pass"
}

/// Whether a value is the name of a variable or a field with a number: `utf8_value`, `arg1.password2`.
fn is_name(value: &str) -> bool {
    let parts = value.split(['_', '.', '-']);
    value.contains(['_', '.'])
        && parts.clone().all(|part| {
            let letters = part.trim_end_matches(|character: char| character.is_ascii_digit());
            !part.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
        && parts.clone().any(|part| part.len() > 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// Whether a value is the name of a type: `u8`, `String256`, `varchar(64)`.
fn is_type(value: &str) -> bool {
    let letters = value.trim_start_matches('_').trim_end_matches(|character: char| character.is_ascii_digit());
    let types = [
        "u", "i", "f", "int", "uint", "str", "string", "utf", "char", "varchar", "nvarchar", "bytes", "byte", "vec",
        "array", "bool", "text", "sha", "md", "bcrypt", "pbkdf", "base", "argon", "oauth", "arg", "var", "tmp", "x",
        "rfc", "col", "field",
    ];
    types.iter().any(|known| letters.eq_ignore_ascii_case(known)) || value.contains("sha256") && value.len() < 16
}

/// Whether a value looks like a path of a file.
fn is_path(value: &str) -> bool {
    let starts = value.starts_with('/')
        || value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("~/")
        || value.get(1..3) == Some(":\\");
    starts && value.split('/').all(|part| part.len() < 32)
}

/// Whether a value of at least `least` characters looks drawn at random.
fn is_random(value: &str, least: usize) -> bool {
    let bytes = value.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_.-~!@#$%^&*:|?".contains(byte);
    if bytes.len() < least || !bytes.iter().all(plain) {
        return false;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let lower = bytes.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    let upper = bytes.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let mut counts = [0_u32; 128];
    for byte in bytes {
        counts[usize::from(byte & 127)] += 1;
    }
    let length = f64::from(bytes.len() as u32);
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum();
    // Names and versions: words, each with a number at most behind it.
    let words = bytes.split(|byte| b"_.-/:".contains(byte)).all(|part| {
        let letters = part.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        part[letters..].iter().all(u8::is_ascii_digit)
            && (part.len() - letters <= 4 || letters == 0)
            && (letters <= 12
                || part[..letters]
                    .windows(2)
                    .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
                    .count()
                    <= letters / 5)
            && !(letters >= 16 && part[..letters].iter().any(u8::is_ascii_uppercase) && rises(&part[..letters]) > 4)
    });
    let mixed = digits > 0 && lower + upper > 0;
    // `CamelCase` turns once or twice a word, random letters at every other place.
    let turning = rises(bytes) * 5 > bytes.len() * 2;
    let cases = lower > 0 && upper > 0 && bytes.len() >= 20 && turning;
    if lower > 0 && upper > 0 && digits <= 4 && turns(bytes) <= 3 && !turning && bytes.len() >= 12 && rises(bytes) > 2 {
        return false;
    }
    // A number is one of an account, or a time.
    if lower + upper == 0 || !mixed && !cases && bytes.len() < 24 {
        return false;
    }
    let floor = if bytes.len() < 12 {
        2.3
    } else if bytes.len() < 20 {
        2.9
    } else {
        3.1
    };
    entropy >= floor
        && (!words || bytes.len() >= 16 && mixed && bytes.len() < 200 && rises(bytes) + turns(bytes) > bytes.len() / 5)
}

/// How often small letters follow capitals or the reverse.
fn rises(bytes: &[u8]) -> usize {
    bytes
        .windows(2)
        .filter(|pair| {
            pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()
                || pair[0].is_ascii_uppercase() && pair[1].is_ascii_lowercase()
        })
        .count()
}

/// How often digits follow letters or the reverse.
fn turns(bytes: &[u8]) -> usize {
    bytes
        .windows(2)
        .filter(|pair| {
            pair[0].is_ascii_alphabetic() && pair[1].is_ascii_digit()
                || pair[0].is_ascii_digit() && pair[1].is_ascii_alphabetic()
        })
        .count()
}
