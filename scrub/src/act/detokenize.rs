//! Tokens in a stream turned back to what they stand for.

use std::collections::HashMap;
use std::fmt;

use super::key::{KindKey, ScopeKey};
use super::token::{self, Lookup, VaultError};

/// The longest token that is opened, in bytes: of a value of 150 KiB, twice what a segment holds.
const LONGEST: usize = 256 * 1024;

/// Types whose keys are held.
const KINDS: usize = 256;

/// How many tokens there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Turned back.
    pub opened: u64,
    /// `t1_`, of other keys or changed: left.
    pub foreign: u64,
    /// `v1_`, which a vault made that is not asked or does not know them: left.
    pub vault: u64,
}

impl TokenCounts {
    /// Those that are left.
    pub const fn left(&self) -> u64 {
        self.foreign + self.vault
    }
}

/// Turns tokens `<TYPE:t1_…>` of some scopes back to canonical values, in a stream in any cut; all else stays byte for byte. One that XML or HTML has as
/// `&lt;TYPE:t1_…&gt;` becomes its value as it is written there. With a vault, its tokens `<TYPE:v1_…>` too. Memory: the longest
/// token, 256 KiB. Time is linear in the stream.
pub struct Detokenizer {
    scopes: Vec<ScopeKey>,
    vault: Option<Lookup>,
    /// By type, a key a scope.
    keys: HashMap<String, Vec<KindKey>>,
    /// What may be a token so far, from `<` or `&lt;` on.
    held: Vec<u8>,
    state: State,
    counts: TokenCounts,
}

impl fmt::Debug for Detokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detokenizer")
            .field("scopes", &self.scopes.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// Where in a token a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside.
    Text,
    /// So far in `&lt;`.
    Mark(usize),
    /// Behind that or `<`, with so many bytes of the type.
    Kind(usize),
    /// Behind `:`, in `t1_` or `v1_`.
    Version(usize),
    /// Among the digits.
    Digits,
    /// So far in `&gt;`.
    EndMark(usize),
    /// Behind `>`.
    End,
}

impl State {
    /// With the next byte; none when it belongs to no token.
    fn step(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Mark(1), b'l') => Self::Mark(2),
            (Self::Mark(2), b't') => Self::Mark(3),
            (Self::Mark(3), b';') => Self::Kind(0),
            (Self::Kind(0), b'A'..=b'Z') => Self::Kind(1),
            (Self::Kind(count @ 1..), b'A'..=b'Z' | b'0'..=b'9' | b'_') => Self::Kind(count + 1),
            (Self::Kind(2..), b':') => Self::Version(0),
            (Self::Version(0), b't' | b'v') => Self::Version(1),
            (Self::Version(1), b'1') => Self::Version(2),
            (Self::Version(2), b'_') | (Self::Digits, b'a'..=b'z' | b'2'..=b'7') => Self::Digits,
            (Self::Digits, b'&') => Self::EndMark(1),
            (Self::EndMark(1), b'g') => Self::EndMark(2),
            (Self::EndMark(2), b't') => Self::EndMark(3),
            (Self::Digits, b'>') | (Self::EndMark(3), b';') => Self::End,
            _ => return None,
        })
    }
}

impl Detokenizer {
    /// For the tokens of these scopes, which are tried in turn.
    pub fn new(scopes: Vec<ScopeKey>) -> Self {
        Self {
            scopes,
            vault: None,
            keys: HashMap::new(),
            held: Vec::new(),
            state: State::Text,
            counts: TokenCounts::default(),
        }
    }

    /// For those of a vault as well.
    #[must_use]
    pub fn with_vault(self, vault: Lookup) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// Takes the next bytes of the stream, and adds what they become to `out`. Error: the vault does not answer.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), VaultError> {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.state == State::Text {
                let start = memchr::memchr2(b'<', b'&', bytes).unwrap_or(bytes.len());
                out.extend_from_slice(&bytes[..start]);
                bytes = &bytes[start..];
                if let Some((mark, rest)) = bytes.split_first() {
                    self.held.push(*mark);
                    self.state = if *mark == b'<' { State::Kind(0) } else { State::Mark(1) };
                    bytes = rest;
                }
                continue;
            }
            match self.state.step(*byte).filter(|_| self.held.len() < LONGEST) {
                Some(next) => {
                    self.held.push(*byte);
                    self.state = next;
                    bytes = rest;
                    if next == State::End {
                        self.token(out)?;
                    }
                }
                // The byte is looked at again: it may begin another.
                None => self.release(out),
            }
        }
        Ok(())
    }

    /// Ends the stream: how many tokens there were in it.
    pub fn finish(mut self, out: &mut Vec<u8>) -> TokenCounts {
        self.release(out);
        self.counts
    }

    /// What is held was no token.
    fn release(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.state = State::Text;
    }

    /// What is held is of the form of a token.
    fn token(&mut self, out: &mut Vec<u8>) -> Result<(), VaultError> {
        let held = std::str::from_utf8(&self.held).ok();
        let of_markup = self.held.first() == Some(&b'&');
        let (start, end) = if of_markup { ("&lt;", "&gt;") } else { ("<", ">") };
        let parts = held.and_then(|token| token.strip_prefix(start)?.strip_suffix(end)?.split_once(':'));
        match parts {
            Some((kind, digits)) if digits.starts_with("v1_") => {
                let value = match &mut self.vault {
                    Some(vault) => vault(&format!("<{kind}:{digits}>"))?,
                    None => None,
                };
                match value {
                    Some(value) => self.opened(&value, of_markup, out),
                    None => self.counts.vault += 1,
                }
            }
            Some((kind, digits)) => {
                if !self.keys.contains_key(kind) {
                    if self.keys.len() >= KINDS {
                        self.keys.clear();
                    }
                    let keys = self.scopes.iter().filter_map(|scope| KindKey::derive(scope, kind).ok()).collect();
                    self.keys.insert(kind.to_owned(), keys);
                }
                let value = self.keys[kind].iter().find_map(|key| token::opened(key, kind, digits).ok());
                match value {
                    Some(value) => self.opened(&value, of_markup, out),
                    None => self.counts.foreign += 1,
                }
            }
            None => {}
        }
        self.release(out);
        Ok(())
    }

    /// What is held stands for this.
    fn opened(&mut self, value: &str, of_markup: bool, out: &mut Vec<u8>) {
        self.counts.opened += 1;
        if of_markup {
            out.extend_from_slice(escaped(value).as_bytes());
        } else {
            out.extend_from_slice(value.as_bytes());
        }
        self.held.clear();
    }
}

/// A value as it stands in XML and HTML.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::act::{Scope, label};

    fn scope(name: &str) -> ScopeKey {
        ScopeKey::derive(&[5; 32], "tenant", Scope::Object, name).unwrap()
    }

    fn token(scope: &ScopeKey, kind: &str, value: &str) -> String {
        token::sealed(&KindKey::derive(scope, kind).unwrap(), kind, value).unwrap()
    }

    fn open(scopes: Vec<ScopeKey>, parts: &[&[u8]]) -> (String, TokenCounts) {
        let mut detokenizer = Detokenizer::new(scopes);
        let mut out = Vec::new();
        for part in parts {
            detokenizer.push(part, &mut out).unwrap();
        }
        let counts = detokenizer.finish(&mut out);
        (String::from_utf8(out).unwrap(), counts)
    }

    /// Made by an independent implementation: HKDF-SHA-256 and AES-SIV of the Python package `cryptography`.
    #[test]
    fn known_answers() {
        let scope = ScopeKey::derive(&[0x42; 32], "acme", Scope::Bucket, "reports").unwrap();
        for (kind, value, sealed) in KNOWN {
            assert_eq!(token(&scope, kind, value), *sealed);
            assert_eq!(open(vec![scope.clone()], &[sealed.as_bytes()]).0, *value);
        }
    }

    const KNOWN: &[(&str, &str, &str)] = &[
        ("PERSON", "ada lovelace", "<PERSON:t1_x7ai57je3cxslolsotkfnerbps36vpxd7n2mavid4kulu>"),
        ("US_SSN", "078051120", "<US_SSN:t1_tftouzerpiripf3owo2d3tjn457fwhp3fzigxtsi>"),
        (
            "EMAIL_ADDRESS",
            "john@example.com",
            "<EMAIL_ADDRESS:t1_hijba6zkgry6n7pzx5y64zfi63lp7sgr3koqesictwfm2yqrtwpa>",
        ),
        ("SECRET", "päss \\word", "<SECRET:t1_3pxecugpmeo3esfzwsfh52c4feynljyoxecgrdieefpa>"),
    ];

    #[test]
    fn others_are_left_and_counted() {
        let (mine, other) = (scope("a"), scope("b"));
        let (one, two) = (token(&mine, "PERSON", "ada <x> \u{e9}"), token(&other, "PERSON", "bob"));
        let text = format!(
            "<{one}<b> {two} <PERSON:v1_abcdefgh> <PERSON> <PERSON:abcdefghijklmnop> <A:t1_> <PERSON:t1_a{one}"
        );
        let opened = text.replace(&one, "ada <x> \u{e9}");
        let counts = TokenCounts { opened: 2, foreign: 1, vault: 1 };
        assert_eq!(open(vec![mine.clone()], &[text.as_bytes()]), (opened.clone(), counts));
        assert_eq!(counts.left(), 2);
        let both = (opened.replace(&two, "bob"), TokenCounts { opened: 3, foreign: 0, vault: 1 });
        assert_eq!(open(vec![mine, other], &[text.as_bytes()]), both);
        assert_eq!(open(vec![], &[text.as_bytes()]).0, text);
        assert!(!format!("{:?}", Detokenizer::new(vec![scope("a")])).contains('5'));
    }

    #[test]
    fn tokens_of_markup_are_opened_as_markup() {
        let mine = scope("a");
        let one = token(&mine, "PERSON", "ada <x> & co");
        let marked = one.replace('<', "&lt;").replace('>', "&gt;");
        let mixed = one.replace('>', "&gt;");
        let text = format!("<a b=\"{marked}\">&&lt;{marked}&lt; {mixed} &lt;PERSON:t1_a&</a>");
        let opened = text.replace(&marked, "ada &lt;x&gt; &amp; co");
        for cut in [0, 12, text.len() / 2] {
            let (head, tail) = text.as_bytes().split_at(cut);
            let (out, counts) = open(vec![mine.clone()], &[head, tail]);
            assert_eq!((out, counts.opened), (opened.clone(), 2));
        }
    }

    #[test]
    fn those_of_a_vault_are_opened_by_it() {
        let known = |token: &str| (token == "<PERSON:v1_abcdefgh>").then(|| "ada <x>".to_owned());
        let with = |vault: Lookup, text: &str| {
            let mut detokenizer = Detokenizer::new(Vec::new()).with_vault(vault);
            let mut out = Vec::new();
            let pushed = detokenizer.push(text.as_bytes(), &mut out);
            (pushed, detokenizer.finish(&mut out), String::from_utf8(out).unwrap())
        };
        let text = "<PERSON:v1_abcdefgh>, &lt;PERSON:v1_abcdefgh&gt; <PERSON:v1_bbbbbbbb> <PLACE:v1_abcdefgh>";
        let opened = "ada <x>, ada &lt;x&gt; <PERSON:v1_bbbbbbbb> <PLACE:v1_abcdefgh>";
        let counts = TokenCounts { opened: 2, foreign: 0, vault: 2 };
        assert_eq!(with(Box::new(move |token| Ok(known(token))), text), (Ok(()), counts, opened.to_owned()));
        let away = VaultError("it is away".to_owned());
        let silent = away.clone();
        assert_eq!(with(Box::new(move |_| Err(silent.clone())), text).0, Err(away));
    }

    #[test]
    fn what_never_ends_is_not_held() {
        let text = format!("<PERSON:t1_{}", "a".repeat(3 * LONGEST));
        let mut detokenizer = Detokenizer::new(vec![scope("a")]);
        let mut out = Vec::new();
        for part in text.as_bytes().chunks(1000) {
            detokenizer.push(part, &mut out).unwrap();
            assert!(detokenizer.held.len() <= LONGEST);
        }
        assert_eq!(detokenizer.finish(&mut out), TokenCounts::default());
        assert_eq!(out, text.as_bytes());
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(parts in proptest::collection::vec((any::<bool>(), "[<>&;:A-Zt1_a-z ]{0,20}"), 0..12), cut in any::<proptest::sample::Index>()) {
            let scope = scope("a");
            let part = |(is_token, text): &(bool, String)| if *is_token { token(&scope, "PERSON", text) } else { text.clone() };
            let text: String = parts.iter().map(part).collect();
            let whole = open(vec![scope.clone()], &[text.as_bytes()]);
            let (head, tail) = text.as_bytes().split_at(cut.index(text.len() + 1));
            prop_assert_eq!(&open(vec![scope.clone()], &[head, tail]), &whole);
            prop_assert_eq!(&scope.detokenize_text(&text), &whole.0);
        }

        #[test]
        fn text_without_tokens_stays(text in any::<String>()) {
            let text = format!("{text}{}", label("PERSON"));
            prop_assert_eq!(open(vec![scope("a")], &[text.as_bytes()]), (text.clone(), TokenCounts::default()));
        }
    }
}
