//! Policies from TOML, with every mistake and its place.

use std::collections::BTreeMap;

use regex_automata::meta::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::{Allow, Policy, PolicyError, TypeRule};
use crate::act::{Scope, Strategy};
use crate::detector::{self, Detector, Find, Problems, Raw};
use crate::segment::MARGIN;
use crate::view::Views;

/// The longest match of a pattern of a deny list that does not say its own, in bytes.
const LONGEST: usize = 256;

/// The most letters and digits that a mask may leave at either end: the first eight and the last four of a card may be shown.
const KEPT: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: Spanned<String>,
    version: Spanned<u32>,
    extends: Option<Spanned<String>>,
    threshold: Option<Spanned<f32>>,
    languages: Option<Vec<Spanned<String>>>,
    regions: Option<Vec<Spanned<String>>>,
    scope: Option<Spanned<String>>,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    types: BTreeMap<Spanned<String>, RawRule>,
    #[serde(default)]
    allow: Vec<Spanned<RawAllow>>,
    #[serde(default)]
    deny: Vec<Spanned<RawDeny>>,
    #[serde(default)]
    detector: Vec<Spanned<Raw>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    enabled: Option<bool>,
    strategy: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    enabled: Option<bool>,
    threshold: Option<Spanned<f32>>,
    strategy: Option<Spanned<String>>,
    keep_first: Option<Spanned<usize>>,
    keep_last: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllow {
    #[serde(default)]
    types: Vec<Spanned<String>>,
    #[serde(default)]
    exact: Vec<String>,
    pattern: Option<Patterns>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeny {
    #[serde(rename = "type")]
    kind: Spanned<String>,
    #[serde(default)]
    exact: Vec<Spanned<String>>,
    pattern: Option<Patterns>,
    max_length: Option<Spanned<usize>>,
}

/// One expression or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    Several(Vec<String>),
}

impl Patterns {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(pattern) => vec![pattern],
            Self::Several(patterns) => patterns,
        }
    }
}

/// The policy in a TOML document, or every mistake in it with its place.
///
/// `origin` names the document in errors. Whether its types are known is for [`crate::Engine::new`] to say, which has the detectors.
pub fn read(origin: &str, toml: &str) -> Result<Policy, Vec<PolicyError>> {
    let file: File = toml::from_str(toml).map_err(|error| vec![detector::unreadable(origin, toml, &error)])?;
    let mut errors = Vec::new();
    let mut problems = Problems { errors: &mut errors, origin, toml };
    let mut policy = base(file.extends, &mut problems);
    if file.id.get_ref().is_empty() || file.id.get_ref().chars().any(char::is_whitespace) {
        problems.add(file.id.span(), format!("id {:?}: a name without spaces is expected", file.id.get_ref()));
    }
    policy.id = file.id.into_inner();
    if *file.version.get_ref() == 0 {
        problems.add(file.version.span(), "version: a number from 1 on is expected".to_owned());
    }
    policy.version = file.version.into_inner();
    policy.threshold = share(file.threshold, &mut problems).unwrap_or(policy.threshold);
    if let Some(languages) = file.languages {
        policy.languages = codes(languages, "language", u8::is_ascii_lowercase, &mut problems);
    }
    if let Some(regions) = file.regions {
        policy.regions = codes(regions, "region", u8::is_ascii_uppercase, &mut problems);
    }
    if let Some(scope) = file.scope {
        match Scope::by_name(scope.get_ref()) {
            Some(known) => policy.scope = known,
            None => problems
                .add(scope.span(), format!("unknown scope {:?}: one of object, prefix, bucket", scope.get_ref())),
        }
    }
    policy.enabled = file.defaults.enabled.unwrap_or(policy.enabled);
    policy.strategy = strategy(file.defaults.strategy, &mut problems).or(policy.strategy);
    for (kind, raw) in file.types {
        check_kind(&kind, &mut problems);
        let before = policy.types.remove(kind.get_ref()).unwrap_or_default();
        policy.types.insert(kind.into_inner(), rule(raw, &before, &mut problems));
    }
    for raw in file.allow {
        policy.allow.extend(allow(raw, &mut problems));
    }
    for (index, raw) in file.deny.into_iter().enumerate() {
        deny(index, raw, &mut policy.detectors, &mut problems);
    }
    for raw in file.detector {
        policy.detectors.extend(detector::check(raw, &mut problems));
    }
    errors.sort_by_key(|error| error.line);
    if errors.is_empty() { Ok(policy) } else { Err(errors) }
}

/// The preset that a policy changes.
fn base(extends: Option<Spanned<String>>, problems: &mut Problems<'_>) -> Policy {
    let Some(name) = extends else { return Policy::default() };
    Policy::preset(name.get_ref()).unwrap_or_else(|| {
        let known: Vec<_> = super::PRESETS.iter().map(|(name, _)| *name).collect();
        problems.add(name.span(), format!("there is no preset {:?}: one of {}", name.get_ref(), known.join(", ")));
        Policy::default()
    })
}

/// A number from 0 to 1.
fn share(number: Option<Spanned<f32>>, problems: &mut Problems<'_>) -> Option<f32> {
    let number = number?;
    if !(0.0..=1.0).contains(number.get_ref()) {
        problems.add(number.span(), format!("a threshold is from 0 to 1, not {}", number.get_ref()));
    }
    Some(number.into_inner())
}

fn codes(codes: Vec<Spanned<String>>, what: &str, letter: fn(&u8) -> bool, problems: &mut Problems<'_>) -> Vec<String> {
    for code in &codes {
        if code.get_ref().len() != 2 || !code.get_ref().bytes().all(|byte| letter(&byte)) {
            let standard = if what == "region" { "capital letters of ISO 3166" } else { "small letters of ISO 639-1" };
            problems.add(code.span(), format!("{what} {:?}: two {standard} are expected", code.get_ref()));
        }
    }
    codes.into_iter().map(Spanned::into_inner).collect()
}

fn strategy(name: Option<Spanned<String>>, problems: &mut Problems<'_>) -> Option<Strategy> {
    let name = name?;
    name.get_ref().parse().map_err(|error| problems.add(name.span(), format!("{error}"))).ok()
}

fn check_kind(kind: &Spanned<String>, problems: &mut Problems<'_>) {
    if !detector::is_kind(kind.get_ref()) {
        problems.add(kind.span(), format!("type {:?}: capital letters, digits and _ are expected", kind.get_ref()));
    }
}

fn rule(raw: RawRule, before: &TypeRule, problems: &mut Problems<'_>) -> TypeRule {
    let strategy = strategy(raw.strategy, problems);
    let mut kept = |kept: Option<Spanned<usize>>| {
        let kept = kept?;
        if *kept.get_ref() > KEPT {
            problems.add(kept.span(), format!("at most {KEPT} letters and digits are kept, not {}", kept.get_ref()));
        }
        if strategy.or(before.strategy) != Some(Strategy::Mask) {
            problems.add(kept.span(), "only the strategy mask keeps something".to_owned());
        }
        Some(kept.into_inner())
    };
    let (keep_first, keep_last) = (kept(raw.keep_first), kept(raw.keep_last));
    TypeRule {
        enabled: raw.enabled.or(before.enabled),
        threshold: share(raw.threshold, problems).or(before.threshold),
        strategy: strategy.or(before.strategy),
        keep_first: keep_first.or(before.keep_first),
        keep_last: keep_last.or(before.keep_last),
    }
}

fn allow(raw: Spanned<RawAllow>, problems: &mut Problems<'_>) -> Option<Allow> {
    let place = raw.span();
    let raw = raw.into_inner();
    raw.types.iter().for_each(|kind| check_kind(kind, problems));
    let patterns = raw.pattern.map(Patterns::into_vec).unwrap_or_default();
    for pattern in &patterns {
        if let Err(error) = Regex::new(pattern) {
            problems.add(place.clone(), format!("pattern {pattern:?}: {}", detector::what_is_wrong(&error)));
        }
    }
    if raw.exact.is_empty() && patterns.is_empty() {
        problems.add(place, "an allow list has exact values or a pattern".to_owned());
        return None;
    }
    let types = raw.types.into_iter().map(Spanned::into_inner).collect();
    Some(Allow { types, exact: raw.exact, patterns })
}

/// A word as it stands in an expression.
fn escape(word: &str) -> String {
    let escaped = word.chars().map(|character| {
        let special = character.is_ascii_punctuation();
        if special { format!(r"\{character}") } else { character.to_string() }
    });
    escaped.collect::<Vec<_>>().concat()
}

/// A deny list as detectors.
fn deny(index: usize, raw: Spanned<RawDeny>, detectors: &mut Vec<Detector>, problems: &mut Problems<'_>) {
    let place = raw.span();
    let raw = raw.into_inner();
    check_kind(&raw.kind, problems);
    let kind = raw.kind.into_inner();
    let mut add = |about: &str, pattern: String, literals: Vec<String>, max_length: usize| {
        let name = format!("deny_{}_{}", index + 1, detectors.len() + 1);
        detectors.push(Detector {
            name,
            kind: kind.clone(),
            about: about.to_owned(),
            find: Find::Pattern { pattern, literals },
            validator: None,
            evidence: None,
            context: Vec::new(),
            languages: Vec::new(),
            score: 1.0,
            with_context: 1.0,
            max_length,
            strategy: Strategy::Label,
            region: None,
            examples: Vec::new(),
            counter_examples: Vec::new(),
        });
    };
    for exact in &raw.exact {
        let words: Vec<_> = exact.get_ref().split_whitespace().collect();
        // As it stands in a view.
        let folded = words.join(" ");
        let folded = Views::of(folded.as_bytes()).iter().next().map_or(String::new(), |view| view.text().to_owned());
        let words: Vec<_> = folded.split_whitespace().collect();
        if folded.is_empty() || folded.len() > MARGIN / 2 {
            let most = MARGIN / 2;
            problems.add(exact.span(), format!("a value of a deny list has from 1 to {most} bytes"));
            continue;
        }
        let edge = |character: Option<char>| if character.is_some_and(char::is_alphanumeric) { r"\b" } else { "" };
        let escaped: Vec<_> = words.iter().map(|word| escape(word)).collect();
        let (start, end) = (edge(folded.chars().next()), edge(folded.chars().next_back()));
        let pattern = format!("(?i){start}{}{end}", escaped.join(r"\s{1,4}"));
        let literal = words
            .iter()
            .flat_map(|word| word.split(|character: char| !character.is_ascii()))
            .max_by_key(|part| part.len())
            // Letters outside of ASCII fold to these: the long s and the sign for kelvin.
            .filter(|part| part.len() >= 2 && !part.contains(['s', 'S', 'k', 'K']));
        let literals = literal.map(str::to_owned).into_iter().collect();
        add("value of a deny list", pattern, literals, folded.len() + 4 * words.len());
    }
    let longest = raw.max_length.as_ref().map_or(LONGEST, |longest| *longest.get_ref());
    if let Some(max_length) = raw.max_length.filter(|longest| !(1..=MARGIN).contains(longest.get_ref())) {
        problems.add(max_length.span(), format!("max_length is from 1 to {MARGIN} bytes"));
    }
    let patterns = raw.pattern.map(Patterns::into_vec).unwrap_or_default();
    if raw.exact.is_empty() && patterns.is_empty() {
        problems.add(place.clone(), "a deny list has exact values or a pattern".to_owned());
    }
    for pattern in patterns {
        match Regex::new(&pattern) {
            Err(error) => {
                problems.add(place.clone(), format!("pattern {pattern:?}: {}", detector::what_is_wrong(&error)));
            }
            Ok(regex) if regex.is_match("") => {
                problems.add(place.clone(), format!("the pattern {pattern:?} matches the empty text"));
            }
            Ok(_) => add("pattern of a deny list", pattern, Vec::new(), longest),
        }
    }
}
