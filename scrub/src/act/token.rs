//! Labels with something behind the type: hashes, tokens and encrypted digits, how they are written and how they are read back.
//!
//! `<TYPE>`, `<TYPE:hash>`, `<TYPE:t1_token>` (AES-SIV), `<TYPE:v1_token>` (of a vault), `<TYPE:f1_digits>` (FF1). The digits of hashes and tokens
//! are those of base32 in lower case (RFC 4648, section 6), which stay what they are in JSON, URLs, HTML and file names.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};

use super::key::{KindKey, ScopeKey, hmac};

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of a hash: 80 bits.
const HASH: usize = 16;

/// Characters of a token of a vault: 40 bits.
const SHORT: usize = 8;

/// How often a token of a vault is tried: each time that its name is taken by another value.
const TRIES: u32 = 16;

/// A keyed digest of a value and its scope, by which a vault tells two of a token apart without knowing them.
pub type Tag = [u8; 16];

/// Keeps values for tokens that must be short. Its calls run where text is scrubbed, so they must be fast: a map in memory or a local table.
pub trait Vault: Send + Sync {
    /// Keeps `value` for `token` when nothing is kept for it. Whether the value of this tag is what is kept for it now.
    fn keep(&self, token: &str, tag: Tag, value: &str) -> Result<bool, VaultError>;
}

/// What a vault has kept for a token.
pub type Lookup = Box<dyn FnMut(&str) -> Result<Option<String>, VaultError> + Send>;

/// A vault that does not answer. Where text is scrubbed, the value is replaced by its label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token vault: {0}")]
pub struct VaultError(pub String);

/// Why a token is not turned back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not of the form of a token.
    #[error("not a token")]
    NotAToken,
    /// It was made under another key, or changed.
    #[error("the token is not of this key")]
    NotAuthentic,
}

/// The name of a type in angle brackets.
pub fn label(kind: &str) -> CompactString {
    format_compact!("<{kind}>")
}

pub(super) fn labelled(kind: &str, what: &str) -> String {
    format!("<{kind}:{what}>")
}

/// `<TYPE:hash>` of a canonical value.
pub(super) fn hash(key: &KindKey, kind: &str, canonical: &str) -> String {
    labelled(kind, &base32(&hmac(&key.hash, canonical.as_bytes()))[..HASH])
}

/// `<TYPE:t1_token>` of a canonical value.
pub(super) fn sealed(key: &KindKey, kind: &str, canonical: &str) -> Option<String> {
    let sealed = key.siv.seal(&[kind.as_bytes()], canonical.as_bytes()).ok()?;
    Some(labelled(kind, &format!("t1_{}", base32(&sealed))))
}

/// `<TYPE:v1_token>` of a canonical value, which `vault` keeps.
pub(super) fn kept(key: &KindKey, kind: &str, canonical: &str, vault: &dyn Vault) -> Option<String> {
    for attempt in 0..TRIES {
        let name = hmac(&key.hash, &[b"vault", &attempt.to_be_bytes()[..], canonical.as_bytes()].concat());
        let token = labelled(kind, &format!("v1_{}", &base32(&name)[..SHORT]));
        let tag: Tag = name[16..].try_into().ok()?;
        if vault.keep(&token, tag, canonical).ok()? {
            return Some(token);
        }
    }
    None
}

/// The canonical value of `t1_token`.
pub(super) fn opened(key: &KindKey, kind: &str, what: &str) -> Result<String, TokenError> {
    let sealed = what.strip_prefix("t1_").and_then(unbase32).ok_or(TokenError::NotAToken)?;
    let value = key.siv.open(&[kind.as_bytes()], &sealed).map_err(|_| TokenError::NotAuthentic)?;
    String::from_utf8(value).map_err(|_| TokenError::NotAuthentic)
}

impl ScopeKey {
    /// The canonical value of a token `<TYPE:t1_…>` that was made under this key.
    pub fn detokenize(&self, token: &str) -> Result<String, TokenError> {
        let (kind, what) = token
            .strip_prefix('<')
            .and_then(|token| token.strip_suffix('>'))
            .and_then(|token| token.split_once(':'))
            .ok_or(TokenError::NotAToken)?;
        let key = KindKey::derive(self, kind).map_err(|_| TokenError::NotAuthentic)?;
        opened(&key, kind, what)
    }

    /// `text` with every token of this key turned back to its canonical value; the rest stays.
    pub fn detokenize_text(&self, text: &str) -> String {
        let mut turned = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in marks(text) {
            if let Ok(value) = self.detokenize(&text[start..end]) {
                turned.push_str(&text[done..start]);
                turned.push_str(&value);
                done = end;
            }
        }
        turned.push_str(&text[done..]);
        turned
    }
}

/// Where labels stand in a text, in order, with what is behind the type. Time is linear in the text.
pub(crate) fn marks(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut marks = Vec::new();
    for start in memchr::memchr_iter(b'<', bytes) {
        let name = bytes[start + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_')
            .count();
        let after = start + 1 + name;
        if name < 2 || !bytes[start + 1].is_ascii_uppercase() {
            continue;
        }
        let end = match bytes.get(after) {
            Some(b'>') => after,
            Some(b':') => {
                let end = after
                    + 1
                    + bytes[after + 1..].iter().take_while(|byte| !matches!(byte, b'<' | b'>' | b'\n')).count();
                if bytes.get(end) != Some(&b'>') || !is_payload(&text[after + 1..end]) {
                    continue;
                }
                end
            }
            _ => continue,
        };
        marks.push((start, end + 1));
    }
    marks
}

/// A text of the same length with spaces in place of its labels.
pub(crate) fn without<'a>(text: &'a str, marks: &[(usize, usize)]) -> Cow<'a, str> {
    if marks.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut unmarked = String::with_capacity(text.len());
    for (start, end) in marks {
        unmarked.push_str(&text[unmarked.len()..*start]);
        unmarked.extend(std::iter::repeat_n(' ', end - start));
    }
    unmarked.push_str(&text[unmarked.len()..]);
    Cow::Owned(unmarked)
}

fn is_payload(what: &str) -> bool {
    let base32 = |text: &str| text.bytes().all(|byte| DIGITS.contains(&byte));
    match (what.get(..3), what.get(3..)) {
        (Some("t1_"), Some(token)) => token.len() >= 26 && base32(token),
        (Some("v1_"), Some(token)) => token.len() == SHORT && base32(token),
        (Some("f1_"), Some(digits)) => digits.len() >= 4 && digits.len() <= 128,
        _ => what.len() == HASH && base32(what),
    }
}

/// Base 32 (RFC 4648) in small letters without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for unit in bytes.chunks(5) {
        let mut bits = [0; 8];
        bits[3..3 + unit.len()].copy_from_slice(unit);
        let bits = u64::from_be_bytes(bits);
        for index in 0..(unit.len() * 8).div_ceil(5) {
            text.push(char::from(DIGITS[(bits >> (35 - 5 * index) & 31) as usize]));
        }
    }
    text
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    for unit in text.as_bytes().chunks(8) {
        let bits = unit.iter().enumerate().try_fold(0_u64, |bits, (index, digit)| {
            let value = DIGITS.iter().position(|known| known == digit)?;
            Some(bits | (value as u64) << (35 - 5 * index))
        })?;
        let len = unit.len() * 5 / 8;
        // One text for one value: as many digits as needed, the bits behind the last byte zero.
        if (len * 8).div_ceil(5) != unit.len() || bits & ((1 << (40 - len * 8)) - 1) != 0 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[3..3 + len]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::act::Scope;

    /// RFC 4648, section 10.
    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (text, encoded) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
        ] {
            assert_eq!(base32(text.as_bytes()), encoded);
            assert_eq!(unbase32(encoded).as_deref(), Some(text.as_bytes()));
        }
        for wrong in ["m", "mz1q", "mzxw6y", "mz", "MY"] {
            assert_eq!(unbase32(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn labels_are_seen() {
        let text = "<PERSON> <b> <X> < PERSON> <US_SSN:abcdefghijklmnop> <US_SSN:078-05-1120> <A1:v1_abcdefgh> <PERSON";
        let seen: Vec<_> = marks(text).into_iter().map(|(start, end)| &text[start..end]).collect();
        assert_eq!(seen, ["<PERSON>", "<US_SSN:abcdefghijklmnop>", "<A1:v1_abcdefgh>"]);
        let unmarked = without(text, &marks(text));
        assert_eq!(unmarked.len(), text.len());
        assert_eq!(unmarked.split_whitespace().next(), Some("<b>"));
    }

    proptest! {
        #[test]
        fn tokens_are_turned_back(value in any::<String>(), other in any::<[u8; 32]>()) {
            let scope = ScopeKey::derive(&[3; 32], "tenant", Scope::Bucket, "bucket").unwrap();
            let key = KindKey::derive(&scope, "PERSON").unwrap();
            let token = sealed(&key, "PERSON", &value).unwrap();
            prop_assert_eq!(scope.detokenize(&token), Ok(value.clone()));
            prop_assert_eq!(scope.detokenize_text(&format!("a {token} <b> {token}")), format!("a {value} <b> {value}"));
            let other = ScopeKey::derive(&other, "tenant", Scope::Bucket, "bucket").unwrap();
            prop_assert_eq!(other.detokenize(&token), Err(TokenError::NotAuthentic));
            prop_assert_eq!(scope.detokenize(&token.replace("PERSON", "PLACE")), Err(TokenError::NotAuthentic));
        }
    }
}
