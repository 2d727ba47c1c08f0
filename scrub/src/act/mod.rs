//! What is done with a finding: the text that stands in its place.
//!
//! The keyed strategies (hash, tokenize, pseudonymize) take the canonical value of a finding ([`canonical`]) and a key of its tenant, type and
//! scope ([`ScopeKey`]), so a value is replaced by the same text wherever it stands in the scope, however it is written. Whoever can have texts
//! scrubbed under one key and read them can test guesses: where the values of a type are few (names, birth dates, postcodes), only *label*
//! keeps them secret.

mod canonical;
mod detokenize;
mod ff1;
mod generalize;
mod key;
mod pseudonym;
mod siv;
mod strategy;
mod token;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use detokenize::{Detokenizer, TokenCounts};
pub use generalize::SPARSE_ZIP3;
pub use key::{KeyError, Scope, ScopeKey};
pub use strategy::{Strategy, UnknownStrategy};
pub(crate) use token::base32;
pub use token::{Lookup, Tag, TokenError, Vault, VaultError, label};

pub(crate) use token::{marks, without};

use crate::engine::Engine;
use crate::finding::Kind;
use canonical::{Class, canonical};
use key::KindKey;

/// What is to be done with the findings of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// How.
    pub strategy: Strategy,
    /// Letters and digits at the start that a mask leaves.
    pub keep_first: usize,
    /// Letters and digits at the end that a mask leaves, of values of at least twice as many. None: four of numbers, else none.
    pub keep_last: Option<usize>,
}

impl From<Strategy> for Treatment {
    fn from(strategy: Strategy) -> Self {
        Self { strategy, keep_first: 0, keep_last: None }
    }
}

/// Makes replacements for one scope. The default one has no key: in place of what needs one it puts the label.
#[derive(Clone, Default)]
pub struct Actor {
    keys: Option<Arc<Keys>>,
    vault: Option<Arc<dyn Vault>>,
    /// Nothing is replaced: only the findings are wanted.
    observes: bool,
}

/// By [`Kind`]; none where the policy has no keyed strategy.
struct Keys(Vec<Option<KindKey>>);

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("keyed", &self.keys.is_some())
            .field("vault", &self.vault.is_some())
            .finish_non_exhaustive()
    }
}

impl Actor {
    /// With the keys of a scope for the types that an engine finds.
    pub fn keyed(scope: &ScopeKey, engine: &Engine) -> Result<Self, KeyError> {
        let keys = engine
            .kinds()
            .iter()
            .map(|(kind, name)| engine.is_keyed(kind).then(|| KindKey::derive(scope, name)).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Self { keys: Some(Arc::new(Keys(keys))), vault: None, observes: false })
    }

    /// For a stream of which only the findings are wanted: those count in which there is nothing more to do.
    pub(crate) fn observer() -> Self {
        Self { observes: true, ..Self::default() }
    }

    /// Whether it is one of [`Self::observer`].
    pub(crate) fn observes(&self) -> bool {
        self.observes
    }

    /// With a vault: tokens are short, and turned back by it alone.
    #[must_use]
    pub fn with_vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// What stands in the place of `value`, which is of the type `kind` named `name`. What cannot be done is a label.
    pub(crate) fn replace(&self, treatment: Treatment, kind: Kind, name: &str, value: &str) -> String {
        let class = Class::of(name);
        let key = || self.keys.as_ref().and_then(|keys| keys.0.get(usize::from(kind.0))).and_then(Option::as_ref);
        let replacement = match treatment.strategy {
            Strategy::Label => None,
            Strategy::Drop | Strategy::Block => Some(String::new()),
            Strategy::Mask => Some(mask(value, treatment.keep_first, keep_last(class, treatment.keep_last))),
            Strategy::Generalize => generalize::generalize(class, value),
            Strategy::Hash => key().map(|key| token::hash(key, name, &canonical(class, value))),
            Strategy::Tokenize => key().and_then(|key| {
                let canonical = canonical(class, value);
                match &self.vault {
                    Some(vault) => token::kept(key, name, &canonical, &**vault),
                    None => token::sealed(key, name, &canonical),
                }
            }),
            Strategy::Pseudonymize => {
                key().and_then(|key| pseudonym::surrogate(key, class, name, value, &canonical(class, value)))
            }
        };
        replacement.unwrap_or_else(|| label(name).into())
    }
}

/// Whether the text at `range` is what this treatment makes of a value of the type `name`, so that it is left alone.
pub(crate) fn is_done(treatment: Treatment, name: &str, text: &str, range: &Range<usize>) -> bool {
    let class = Class::of(name);
    let place = (range.start, range.end);
    match treatment.strategy {
        Strategy::Pseudonymize => pseudonym::is_surrogate(class, text, place),
        Strategy::Generalize => generalize::is_general(class, text, place),
        Strategy::Mask => {
            let value = &text[range.clone()];
            let letters = value.chars().filter(|character| character.is_alphanumeric()).count();
            value.contains('*') && letters <= treatment.keep_first + keep_last(class, treatment.keep_last)
        }
        _ => false,
    }
}

/// Whether the text at `range` is labels and what stands between them, or a part of one. `marks` are the labels of the text ([`marks`]).
pub(crate) fn is_scrubbed(text: &str, marks: &[(usize, usize)], range: &Range<usize>) -> bool {
    let mut at = range.start;
    let first = marks.partition_point(|mark| mark.1 <= range.start);
    for (start, end) in marks[first..].iter().take_while(|mark| mark.0 < range.end) {
        if at < *start && text[at..*start].contains(char::is_alphanumeric) {
            return false;
        }
        at = *end;
    }
    at > range.start && (at >= range.end || !text[at..range.end].contains(char::is_alphanumeric))
}

/// Whether the text at `range` is what a mask left of a value: four stars or more stand directly before or behind it, with separators.
pub(crate) fn is_left_by_mask(text: &str, range: &Range<usize>) -> bool {
    /// What a policy may keep at either end.
    const KEPT: usize = 8;
    // Far enough for the separators of any number.
    const REACH: usize = 12;
    let masks = |bytes: &mut dyn Iterator<Item = &u8>| {
        let covered = bytes.take(REACH).take_while(|byte| matches!(byte, b'*' | b'-' | b' ' | b'.' | b'/'));
        covered.filter(|byte| **byte == b'*').count() >= 4
    };
    let letters = text[range.clone()].chars().filter(|character| character.is_alphanumeric()).count();
    letters <= KEPT
        && (masks(&mut text.as_bytes()[..range.start].iter().rev()) || masks(&mut text.as_bytes()[range.end..].iter()))
}

/// How much a mask leaves at the end where the policy does not say: what people know their cards and numbers by.
fn keep_last(class: Class, told: Option<usize>) -> usize {
    told.unwrap_or(match class {
        Class::Card | Class::Phone | Class::Number => 4,
        _ => 0,
    })
}

/// Letters and digits covered, but for some at the start and the end of values of at least twice as many; separators stay.
fn mask(value: &str, first: usize, last: usize) -> String {
    let count = value.chars().filter(|character| character.is_alphanumeric()).count();
    let (first, last) = if count >= 2 * (first + last) { (first, last) } else { (0, 0) };
    let mut index = 0;
    value
        .chars()
        .map(|character| {
            if !character.is_alphanumeric() {
                // Others than ASCII say something about the text that they stand in.
                return if character.is_ascii() { character } else { '*' };
            }
            index += 1;
            if index <= first || index > count - last { character } else { '*' }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;
    use crate::detector;
    use crate::policy::{Policy, TypeRule};

    fn engine(strategy: Strategy) -> Engine {
        let toml = r#"
            [[detector]]
            name = "badge"
            type = "BADGE"
            pattern = 'EMP-?[0-9]{6}'
            score = 0.6
            max_length = 10
            examples = ["EMP-004711"]
            counter_examples = ["EMP-47"]
        "#;
        let rule = TypeRule { strategy: Some(strategy), ..TypeRule::default() };
        let policy = Policy { types: [("BADGE".to_owned(), rule)].into(), ..Policy::default() };
        Engine::new(detector::read("test", toml).unwrap(), &policy).unwrap()
    }

    fn scope(name: &str) -> ScopeKey {
        ScopeKey::derive(&[5; 32], "tenant", Scope::Object, name).unwrap()
    }

    fn replaced(actor: &Actor, strategy: Strategy, value: &str) -> String {
        actor.replace(strategy.into(), Kind(0), "BADGE", value)
    }

    #[test]
    fn without_a_key_the_keyed_strategies_label() {
        for strategy in [Strategy::Hash, Strategy::Tokenize, Strategy::Pseudonymize] {
            assert_eq!(replaced(&Actor::default(), strategy, "EMP-004711"), "<BADGE>");
            let unkeyed = Actor::keyed(&scope("a"), &engine(Strategy::Label)).unwrap();
            assert_eq!(replaced(&unkeyed, strategy, "EMP-004711"), "<BADGE>");
        }
    }

    #[test]
    fn a_value_is_replaced_alike_in_its_scope_and_otherwise_in_others() {
        for strategy in [Strategy::Hash, Strategy::Tokenize, Strategy::Pseudonymize] {
            let engine = engine(strategy);
            let actor = Actor::keyed(&scope("a"), &engine).unwrap();
            let other = Actor::keyed(&scope("b"), &engine).unwrap();
            let one = replaced(&actor, strategy, "EMP-004711");
            assert_eq!(one.replace('-', ""), replaced(&actor, strategy, "EMP004711").replace('-', ""));
            assert_ne!(one, replaced(&actor, strategy, "EMP-004712"));
            assert_ne!(one, replaced(&other, strategy, "EMP-004711"));
            assert_eq!(marks(&one), [(0, one.len())], "{one}");
        }
    }

    #[test]
    fn a_token_is_turned_back_with_its_key() {
        let actor = Actor::keyed(&scope("a"), &engine(Strategy::Tokenize)).unwrap();
        let token = replaced(&actor, Strategy::Tokenize, "EMP-004711");
        assert_eq!(scope("a").detokenize(&token).as_deref(), Ok("EMP004711"));
        assert_eq!(scope("b").detokenize(&token), Err(TokenError::NotAuthentic));
        assert_eq!(scope("a").detokenize("<BADGE>"), Err(TokenError::NotAToken));
    }

    #[derive(Default)]
    struct Map(Mutex<HashMap<String, (Tag, String)>>);

    impl Map {
        fn value(&self, token: &str) -> Option<String> {
            self.0.lock().unwrap().get(token).map(|(_, value)| value.clone())
        }
    }

    impl Vault for Map {
        fn keep(&self, token: &str, tag: Tag, value: &str) -> Result<bool, VaultError> {
            let mut map = self.0.lock().unwrap();
            Ok(map.entry(token.to_owned()).or_insert_with(|| (tag, value.to_owned())).0 == tag)
        }
    }

    #[test]
    fn tokens_of_a_vault_are_short_and_never_shared() {
        let vault = Arc::new(Map::default());
        let keyed = Actor::keyed(&scope("a"), &engine(Strategy::Tokenize)).unwrap();
        let actor = keyed.with_vault(vault.clone());
        let token = replaced(&actor, Strategy::Tokenize, "EMP-004711");
        assert_eq!(token.len(), "<BADGE:v1_12345678>".len());
        assert_eq!(vault.value(&token).as_deref(), Some("EMP004711"));
        assert_eq!(replaced(&actor, Strategy::Tokenize, "EMP004711"), token);
        // The name is taken by another value, or by this one of another scope: the next one is tried.
        vault.0.lock().unwrap().insert(token.clone(), ([7; 16], "EMP004711".to_owned()));
        let second = replaced(&actor, Strategy::Tokenize, "EMP-004711");
        assert_ne!(second, token);
        assert_eq!(vault.value(&second).as_deref(), Some("EMP004711"));
    }

    struct Silent;

    impl Vault for Silent {
        fn keep(&self, _: &str, _: Tag, _: &str) -> Result<bool, VaultError> {
            Err(VaultError("it is away".to_owned()))
        }
    }

    #[test]
    fn a_vault_that_does_not_answer_leaves_the_label() {
        let keyed = Actor::keyed(&scope("a"), &engine(Strategy::Tokenize)).unwrap();
        let actor = keyed.with_vault(Arc::new(Silent));
        assert_eq!(replaced(&actor, Strategy::Tokenize, "EMP-004711"), "<BADGE>");
    }

    #[test]
    fn masks_keep_the_length_and_what_the_policy_says() {
        for (value, first, last, masked) in [
            ("4242 4242 4242 4242", 0, 4, "**** **** **** 4242"),
            ("4242-4242-4242-4242", 6, 2, "4242-42**-****-**42"),
            ("1234567", 0, 4, "*******"),
            ("12345678", 0, 4, "****5678"),
            ("Zoë·1", 0, 0, "*****"),
        ] {
            assert_eq!(mask(value, first, last), masked);
            assert_eq!(masked.chars().count(), value.chars().count());
        }
        let mask = |name: &str, value: &str| Actor::default().replace(Strategy::Mask.into(), Kind(0), name, value);
        assert_eq!(mask("EMAIL_ADDRESS", "john@example.com"), "****@*******.***");
        assert_eq!(mask("US_SSN", "078-05-1120"), "***-**-1120");
    }

    #[test]
    fn labels_and_what_is_between_them_are_scrubbed() {
        let text = "Dr <PERSON>, <PERSON:abcdefghijklmnop> x <URL>";
        let marks = marks(text);
        for (part, scrubbed) in [
            ("<PERSON>", true),
            ("PERSON", true),
            ("<PERSON>, <PERSON:abcdefghijklmnop>", true),
            ("<PERSON>, <", true),
            ("abcdefghijklmnop> x", false),
            ("abcdefghijklmnop> x <URL>", false),
            ("Dr", false),
            (", ", false),
            ("Dr <PERSON>", false),
        ] {
            let start = text.find(part).unwrap();
            assert_eq!(is_scrubbed(text, &marks, &(start..start + part.len())), scrubbed, "{part}");
        }
    }

    #[test]
    fn no_key_is_printed() {
        let actor = Actor::keyed(&scope("a"), &engine(Strategy::Hash)).unwrap();
        assert_eq!(format!("{actor:?}"), "Actor { keyed: true, vault: false, .. }");
    }
}
