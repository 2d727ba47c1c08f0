//! Names of secrets, in code, files and prose.

use std::ops::Range;

use compact_str::CompactString;

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Chosen by people: it may look like a word.
    Password = 0,
    /// A secret or key, mostly drawn at random.
    Secret = 1,
    /// A word with other meanings too: the value must look random.
    Token = 2,
    /// The header, whose value begins with a scheme.
    Authorization = 3,
}

/// What the names of secrets of all classes contain; without case.
const STEMS: &[&str] = &["pass", "pwd", "secret", "token", "key", "auth", "jwt", "bearer"];

/// The longest name, on either side of its root, in bytes.
pub(super) const LONGEST: usize = 64;

/// Names of passwords, small.
pub(super) const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passwrd",
    "passwort",
    "passphrase",
    "passcode",
    "pwd",
    "kennwort",
    "contraseña",
    "contrasena",
    "contraseñas",
    "senha",
    "wachtwoord",
    "lösenord",
    "hasło",
    "heslo",
    "salasana",
    "şifre",
    "sifre",
    "jelszó",
    "adgangskode",
    "пароль",
    "пароля",
    "密码",
    "密碼",
    "パスワード",
    "비밀번호",
    "passwords",
];

/// What makes a key secret, when it stands before `key`.
const SECRET_KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "priv",
    "encryption",
    "encrypt",
    "signing",
    "signature",
    "account",
    "auth",
    "master",
    "app",
    "application",
    "service",
    "storage",
    "subscription",
    "shared",
    "session",
    "webhook",
    "deploy",
    "license",
    "consumer",
    "client",
    "admin",
    "root",
    "hmac",
    "aes",
    "crypto",
    "cipher",
    "ssh",
    "security",
    "server",
    "ingest",
    "integration",
    "write",
    "read",
    "rest",
    "project",
    "merchant",
    "publishable",
    "restricted",
    "live",
    "registry",
    "user",
    "bot",
    "ai",
    "functions",
    "host",
];

/// Words behind a name that do not change what its value is.
const NEUTRAL: &[&str] = &[
    "value",
    "plain",
    "plaintext",
    "text",
    "string",
    "str",
    "env",
    "var",
    "raw",
    "base64",
    "b64",
    "hash",
    "default",
    "new",
    "old",
    "confirmation",
    "confirm",
];

/// What every name contains one of, as literals that are compared without the case of ASCII: the stems, and the names of passwords that have
/// none of them, those beyond ASCII in small letters, capitalized and in capitals.
pub(super) fn roots() -> Vec<String> {
    let mut roots: Vec<String> = STEMS.iter().map(|stem| (*stem).to_owned()).collect();
    for name in PASSWORDS.iter().filter(|name| !STEMS.iter().any(|stem| name.contains(stem))) {
        let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
        for form in [(*name).to_owned(), first.to_uppercase() + rest, name.to_uppercase()] {
            if !roots.iter().any(|known| known.eq_ignore_ascii_case(&form)) {
                roots.push(form);
            }
        }
    }
    roots
}

/// A name in a text.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub range: Range<usize>,
}

impl Key {
    /// The name around the root at `at`.
    pub fn at(text: &str, at: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        // Scripts that do not divide words.
        if bytes[at] >= 0xE0
            && let Some(name) = PASSWORDS.iter().find(|known| text[at..].starts_with(**known))
        {
            return Some(Self { range: at..at + name.len() });
        }
        let before = bytes[..at].iter().rev().take(LONGEST + 1).take_while(|byte| is_of_name(**byte)).count();
        let after = bytes[at..].iter().take(LONGEST + 1).take_while(|byte| is_of_name(**byte)).count();
        if before > LONGEST || after > LONGEST {
            return None;
        }
        let mut range = at - before..at + after;
        // A dash or point at the ends is none of its own: `--password`, `password.`.
        while range.start < at && matches!(bytes[range.start], b'-' | b'.') {
            range.start += 1;
        }
        while range.end > at && matches!(bytes[range.end - 1], b'-' | b'.') {
            range.end -= 1;
        }
        (range.start < range.end && text.is_char_boundary(range.start) && text.is_char_boundary(range.end))
            .then_some(Self { range })
    }

    /// What the name says, or none when it names no secret.
    pub fn class(&self, text: &str) -> Option<Class> {
        let name = &text[self.range.clone()];
        let words = words(name);
        let mut words: Vec<&str> = words.iter().map(CompactString::as_str).collect();
        let mut hashed = false;
        while words.len() > 1
            && words.last().is_some_and(|word| NEUTRAL.contains(word) || word.bytes().all(|byte| byte.is_ascii_digit()))
        {
            hashed |= words.pop() == Some("hash");
        }
        let last = words.pop()?;
        let last = last.trim_end_matches(|character: char| character.is_ascii_digit());
        let before = words.last().copied().or_else(|| self.word_before(text));
        if matches!(before, Some("public" | "no" | "not" | "max" | "min" | "num" | "is" | "has" | "type" | "count")) {
            return None;
        }
        let class = if PASSWORDS.iter().any(|known| last.ends_with(known))
            || last == "pass" && !matches!(before, Some("render" | "first" | "second" | "multi" | "single"))
            || last == "passe" && matches!(before, Some("de" | "palavra"))
            || last == "word" && before == Some("pass")
            || last == "phrase" && matches!(before, Some("pass" | "seed"))
            || last.ends_with("pass")
                && ["db", "user", "smtp", "my", "root", "admin", "mail", "sudo"]
                    .iter()
                    .any(|of| last.len() == of.len() + 4 && last.starts_with(of))
        {
            Class::Password
        } else if last.ends_with("secret") || last == "secrets" && !words.is_empty() {
            Class::Secret
        } else if let Some(of) = last.strip_suffix("key").or_else(|| last.strip_suffix("keys")) {
            let of = if of.is_empty() { before? } else { of };
            if SECRET_KEYS.iter().any(|known| if known.len() < 4 { of == *known } else { of.ends_with(known) })
                || of.ends_with("api")
            {
                Class::Secret
            } else {
                return None;
            }
        } else if last.ends_with("token") || last == "jwt" {
            Class::Token
        } else if last == "authorization" || last == "auth" || last == "bearer" {
            Class::Authorization
        } else {
            return None;
        };
        Some(if hashed && class == Class::Password { Class::Secret } else { class })
    }

    /// The word before a name in prose: `API key`.
    fn word_before<'a>(&self, text: &'a str) -> Option<&'a str> {
        let start = self.range.start;
        let rest = text[..start].strip_suffix(' ')?;
        let length = rest.bytes().rev().take(16).take_while(u8::is_ascii_alphabetic).count();
        let word = &rest[rest.len() - length..];
        // Case is told apart by what is asked for: these few are all that are.
        [
            "api",
            "access",
            "secret",
            "private",
            "pass",
            "encryption",
            "de",
            "signing",
            "account",
            "auth",
            "license",
            "public",
            "no",
            "max",
            "account",
            "master",
            "seed",
        ]
        .into_iter()
        .find(|known| word.eq_ignore_ascii_case(known))
    }
}

/// The words of a name, in lower case: `dbPassword`, `DB_PASSWORD` and `db.password` are `db`, `password`.
fn words(name: &str) -> Vec<CompactString> {
    let mut words = Vec::new();
    let mut word = CompactString::default();
    let mut previous = '_';
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let divides = !character.is_alphanumeric();
        // `dbPassword`, and `DBPassword` before its `P`.
        let rises = character.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase()));
        if (divides || rises) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !divides {
            word.extend(character.to_lowercase());
        }
        previous = character;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str) -> Option<Class> {
        let at = roots().iter().filter_map(|root| name.to_ascii_lowercase().find(&root.to_ascii_lowercase())).min()?;
        Key::at(name, at)?.class(name)
    }

    #[test]
    fn names_are_known_by_their_last_words() {
        for (name, expected) in [
            ("password", Some(Class::Password)),
            ("DB_PASSWORD", Some(Class::Password)),
            ("dbPassword2", Some(Class::Password)),
            ("spring.datasource.password", Some(Class::Password)),
            ("Passwort", Some(Class::Password)),
            ("DB_PASS", Some(Class::Password)),
            ("client_secret", Some(Class::Secret)),
            ("clientSecret", Some(Class::Secret)),
            ("X-Api-Key", Some(Class::Secret)),
            ("apikey", Some(Class::Secret)),
            ("OPENAI_API_KEY", Some(Class::Secret)),
            ("AccountKey", Some(Class::Secret)),
            ("password_hash", Some(Class::Secret)),
            ("API key", Some(Class::Secret)),
            ("access_token", Some(Class::Token)),
            ("authToken", Some(Class::Token)),
            ("Authorization", Some(Class::Authorization)),
            ("contraseña", Some(Class::Password)),
            ("пароль", Some(Class::Password)),
            ("Пароль", Some(Class::Password)),
            ("ПАРОЛЬ", Some(Class::Password)),
            ("LÖSENORD", Some(Class::Password)),
            ("palavra_passe", Some(Class::Password)),
            ("palavra de passe", Some(Class::Password)),
            ("max_tokens", None),
            ("tokenizer", None),
            ("password_field", None),
            ("public_key", None),
            ("primary_key", None),
            ("key", None),
            ("keyword", None),
            ("compass", None),
            ("bypass", None),
            ("monkey", None),
            ("secretary", None),
            ("author", None),
            ("sort_key", None),
            ("passed", None),
            ("token_count", None),
            ("passenger", None),
            ("no_password", None),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
    }
}
