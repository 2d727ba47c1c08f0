//! The definition of a detector: data, built in or given by a user, in TOML.
//!
//! ```toml
//! [[detector]]
//! name = "badge"
//! type = "EMPLOYEE_ID"
//! about = "badge number of our company"
//! pattern = 'EMP-[0-9]{6}'
//! literals = ["EMP-"]
//! score = 0.6
//! max_length = 10
//! examples = ["EMP-004711"]
//! counter_examples = ["EMP-47"]
//! ```
//!
//! Instead of `pattern` and `literals`, `keys = ["acme"]` and `value = '[0-9a-f]{32}'` find the value of a key that contains one of the words,
//! in whatever is written like an assignment. Examples are templates ([`mod@template`]): `EMP-{digits:6}`.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::act::Strategy;
use crate::find::{matcher, pattern};
use crate::segment::MARGIN;
use crate::template;
use crate::validate::{self, Validator};

/// A detector of an engine, as an index into its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DetectorId(pub(crate) u16);

impl DetectorId {
    /// Its place in [`crate::Engine::detectors`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a detector comes by its candidates.
#[derive(Clone, Debug, PartialEq)]
pub enum Find {
    /// A regular expression. With literals, one of them is in every match: where its text is found, the expression is tried there.
    Pattern {
        /// The expression, in the syntax of the `regex` crate.
        pattern: String,
        /// ASCII, compared without case when the pattern begins with `(?i)`. None: the expression is searched everywhere, which is slow.
        literals: Vec<String>,
    },
    /// Shapes of digits and letters: `999-99-9999`, `AA999999A` (9 a digit, A a letter, X either, others themselves).
    Shapes(Vec<String>),
    /// A finder in code, by its name.
    Code(String),
}

/// A definition, checked.
#[derive(Clone, Debug)]
pub struct Detector {
    /// Unique among the detectors of an engine: `us_ssn`.
    pub name: String,
    /// Entity type: `US_SSN`.
    pub kind: String,
    /// For people: `US social security number`.
    pub about: String,
    /// How candidates are found.
    pub find: Find,
    /// What a candidate must pass.
    pub validator: Option<Validator>,
    /// What makes a candidate evident when it passes: a checksum that few others have.
    pub evidence: Option<Validator>,
    /// Words that make a candidate likelier when they stand within 30 characters of it, in lower case.
    pub context: Vec<String>,
    /// Languages whose texts it reads, ISO 639-1; none: all.
    pub languages: Vec<String>,
    /// 0 to 1, of a candidate that passed its validator and has no further evidence.
    pub score: f32,
    /// 0 to 1, with a context word, a field name, official separators or its region enabled.
    pub with_context: f32,
    /// In bytes of UTF-8; at most [`MARGIN`].
    pub max_length: usize,
    /// What is done with it where the policy does not say.
    pub strategy: Strategy,
    /// ISO 3166 alpha-2 code of the country whose document this is.
    pub region: Option<String>,
    /// Texts in each of which it finds something, filled.
    pub examples: Vec<String>,
    /// Texts in none of which it finds anything, filled.
    pub counter_examples: Vec<String>,
}

/// A definition that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}, line {line}: {problem}")]
pub struct DetectorError {
    /// The file.
    pub origin: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    detector: Vec<Spanned<Raw>>,
}

/// A definition, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
    #[serde(default)]
    about: String,
    pattern: Option<Spanned<String>>,
    #[serde(default)]
    literals: Vec<Spanned<String>>,
    #[serde(default)]
    keys: Vec<Spanned<String>>,
    value: Option<Spanned<String>>,
    shapes: Option<Spanned<Vec<String>>>,
    code: Option<String>,
    validator: Option<Spanned<String>>,
    evidence: Option<Spanned<String>>,
    #[serde(default)]
    context: Vec<String>,
    #[serde(default)]
    languages: Vec<Spanned<String>>,
    score: Spanned<f32>,
    with_context: Option<Spanned<f32>>,
    max_length: Spanned<usize>,
    strategy: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    counter_examples: Vec<String>,
}

/// The definitions in a TOML document, or every mistake in it with its place.
///
/// `origin` names the document in errors.
pub fn read(origin: &str, toml: &str) -> Result<Vec<Detector>, Vec<DetectorError>> {
    let file: File = toml::from_str(toml).map_err(|error| vec![unreadable(origin, toml, &error)])?;
    let mut detectors: Vec<Detector> = Vec::with_capacity(file.detector.len());
    let mut errors = Vec::new();
    for raw in file.detector {
        let mut problems = Problems { errors: &mut errors, origin, toml };
        if let Some(detector) = check(raw, &mut problems) {
            detectors.push(detector);
        }
    }
    if errors.is_empty() { Ok(detectors) } else { Err(errors) }
}

/// A document that is not of the form that is expected.
pub(crate) fn unreadable(origin: &str, toml: &str, error: &toml::de::Error) -> DetectorError {
    DetectorError { origin: origin.to_owned(), line: line(toml, error.span()), problem: error.message().to_owned() }
}

/// What is wrong with an expression, in a line.
pub(crate) fn what_is_wrong(error: &regex_automata::meta::BuildError) -> String {
    let whole = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
    whole.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Where the mistakes in a document are collected.
pub(crate) struct Problems<'a> {
    pub(crate) errors: &'a mut Vec<DetectorError>,
    pub(crate) origin: &'a str,
    pub(crate) toml: &'a str,
}

impl Problems<'_> {
    pub(crate) fn add(&mut self, place: Range<usize>, problem: String) {
        self.errors.push(DetectorError { origin: self.origin.to_owned(), line: line(self.toml, Some(place)), problem });
    }
}

fn line(toml: &str, place: Option<Range<usize>>) -> usize {
    let end = place.map_or(0, |place| place.start.min(toml.len()));
    memchr::memchr_iter(b'\n', &toml.as_bytes()[..end]).count() + 1
}

/// Whether a name is one of an entity type.
pub(crate) fn is_kind(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The definition, when it has no mistake.
pub(crate) fn check(raw: Spanned<Raw>, problems: &mut Problems<'_>) -> Option<Detector> {
    let place = raw.span();
    let raw = raw.into_inner();
    let before = problems.errors.len();
    let name = raw.name.get_ref();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        problems.add(raw.name.span(), format!("name {name:?}: lower-case letters, digits and _ are expected"));
    }
    let kind = raw.kind.get_ref();
    if !is_kind(kind) {
        problems.add(raw.kind.span(), format!("type {kind:?}: capital letters, digits and _ are expected"));
    }
    for score in [Some(&raw.score), raw.with_context.as_ref()].into_iter().flatten() {
        if !(0.0..=1.0).contains(score.get_ref()) {
            problems.add(score.span(), format!("a score is from 0 to 1, not {}", score.get_ref()));
        }
    }
    for language in &raw.languages {
        if language.get_ref().len() != 2 || !language.get_ref().bytes().all(|byte| byte.is_ascii_lowercase()) {
            let name = language.get_ref();
            problems.add(language.span(), format!("language {name:?}: two small letters of ISO 639-1 are expected"));
        }
    }
    let longest = *raw.max_length.get_ref();
    if !(1..=MARGIN).contains(&longest) {
        problems.add(raw.max_length.span(), format!("max_length is from 1 to {MARGIN} bytes, not {longest}"));
    }
    let mut validator = |name: Option<Spanned<String>>| {
        let name = name?;
        let found = validate::by_name(name.get_ref());
        if found.is_none() {
            problems.add(name.span(), format!("there is no validator {:?}", name.get_ref()));
        }
        found
    };
    let (validator, evidence) = (validator(raw.validator), validator(raw.evidence));
    let strategy = raw.strategy.map_or(Some(Strategy::Label), |name| match name.get_ref().parse() {
        Ok(strategy) => Some(strategy),
        Err(error) => {
            problems.add(name.span(), format!("{error}"));
            None
        }
    });
    let region = raw.region.map(|region| {
        if region.get_ref().len() != 2 || !region.get_ref().bytes().all(|byte| byte.is_ascii_uppercase()) {
            problems.add(
                region.span(),
                format!("region {:?}: two capital letters of ISO 3166 are expected", region.get_ref()),
            );
        }
        region.into_inner()
    });
    let ways = Ways {
        pattern: raw.pattern,
        literals: raw.literals,
        keys: raw.keys,
        value: raw.value,
        shapes: raw.shapes,
        code: raw.code,
    };
    let find = ways.check(name, &place, problems);
    if raw.examples.is_empty() || raw.counter_examples.is_empty() {
        problems.add(place, format!("detector {name:?}: an example and a counter-example are expected"));
    }
    if problems.errors.len() > before {
        return None;
    }
    let score = raw.score.into_inner();
    Some(Detector {
        name: raw.name.into_inner(),
        kind: raw.kind.into_inner(),
        about: raw.about,
        find: find?,
        validator,
        evidence,
        context: raw.context.into_iter().map(|word| word.to_lowercase()).collect(),
        languages: raw.languages.into_iter().map(Spanned::into_inner).collect(),
        score,
        with_context: raw.with_context.map_or_else(|| score.max(0.85), Spanned::into_inner),
        max_length: longest,
        strategy: strategy?,
        region,
        examples: raw.examples.iter().map(|text| template::fill(text)).collect(),
        counter_examples: raw.counter_examples.iter().map(|text| template::fill(text)).collect(),
    })
}

/// The ways in which a definition may say how its candidates are found.
struct Ways {
    pattern: Option<Spanned<String>>,
    literals: Vec<Spanned<String>>,
    keys: Vec<Spanned<String>>,
    value: Option<Spanned<String>>,
    shapes: Option<Spanned<Vec<String>>>,
    code: Option<String>,
}

impl Ways {
    /// The one that is given.
    fn check(self, name: &str, place: &Range<usize>, problems: &mut Problems<'_>) -> Option<Find> {
        let (pattern, literals) = match (self.pattern, self.value) {
            (None, Some(value)) if !self.keys.is_empty() => {
                let words: Vec<_> = self.keys.iter().map(|word| word.get_ref().as_str()).collect();
                let pattern = pattern::keyed(&words, value.get_ref());
                (Some(Spanned::new(value.span(), pattern)), self.keys)
            }
            (pattern, None) => (pattern, self.literals),
            (_, Some(value)) => {
                problems.add(value.span(), "a value goes with keys and without a pattern".to_owned());
                (None, Vec::new())
            }
        };
        match (pattern, self.shapes, self.code) {
            (Some(pattern), None, None) => {
                match pattern::compile(pattern.get_ref()) {
                    Err(error) => problems.add(pattern.span(), format!("pattern: {error}")),
                    Ok(regex) if regex.is_match("") => {
                        problems.add(pattern.span(), "the pattern matches the empty text".to_owned());
                    }
                    Ok(_) => {}
                }
                for literal in &literals {
                    let text = literal.get_ref();
                    if text.is_empty() || text.len() > matcher::LONGEST || !text.is_ascii() {
                        problems.add(
                            literal.span(),
                            format!("literal {text:?}: up to {} ASCII characters are expected", matcher::LONGEST),
                        );
                    }
                }
                let literals = literals.into_iter().map(Spanned::into_inner).collect();
                Some(Find::Pattern { pattern: pattern.into_inner(), literals })
            }
            (None, Some(shapes), None) if !shapes.get_ref().is_empty() => Some(Find::Shapes(shapes.into_inner())),
            (None, None, Some(code)) => Some(Find::Code(code)),
            _ => {
                problems.add(
                    place.clone(),
                    format!("detector {name:?}: one of pattern, keys with value, shapes and code is expected"),
                );
                None
            }
        }
    }
}
