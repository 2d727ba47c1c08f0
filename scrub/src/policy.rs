//! A policy: which types are looked for, how sure a finding must be, and what is done with it. In TOML.
//!
//! ```toml
//! id = "support-tickets"
//! version = 3
//! extends = "gdpr"            # a preset; what follows changes it
//! threshold = 0.5
//! languages = ["en", "de"]
//! regions = ["DE", "AT"]
//! scope = "bucket"            # how far a keyed replacement is the same for the same value
//!
//! [defaults]
//! enabled = true
//! strategy = "label"
//!
//! [types.EMAIL_ADDRESS]
//! strategy = "pseudonymize"
//!
//! [types.CREDIT_CARD]
//! strategy = "mask"
//! keep_last = 4
//!
//! [types.DATE_TIME]
//! enabled = false
//!
//! [[allow]]
//! types = ["EMAIL_ADDRESS"]
//! exact = ["support@example.com"]
//! pattern = '[a-z]+@press\.example\.com'
//!
//! [[deny]]
//! type = "PROJECT_NAME"
//! exact = ["Blue Heron"]
//! ```

mod preset;
mod read;

use std::collections::BTreeMap;

pub use crate::detector::DetectorError as PolicyError;
pub use preset::PRESETS;
pub use read::read;

use crate::act::{Scope, Strategy, Treatment};
use crate::detector::Detector;

/// How one type is treated where that differs from the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeRule {
    /// Whether it is looked for.
    pub enabled: Option<bool>,
    /// The least score of a finding, 0 to 1.
    pub threshold: Option<f32>,
    /// What is done with it.
    pub strategy: Option<Strategy>,
    /// Letters and digits at the start that a mask leaves.
    pub keep_first: Option<usize>,
    /// Letters and digits at the end that a mask leaves.
    pub keep_last: Option<usize>,
}

/// Values that are no findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allow {
    /// The types that it speaks of; none: all.
    pub types: Vec<String>,
    /// Whole values, compared without case.
    pub exact: Vec<String>,
    /// Expressions in the syntax of the `regex` crate that match whole values.
    pub patterns: Vec<String>,
}

/// A policy, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub id: String,
    /// Raised by its owner with each change, so that a result can be told from that of another version.
    pub version: u32,
    /// The least score of a finding, 0 to 1.
    pub threshold: f32,
    /// Languages of the texts, ISO 639-1: detectors of other languages are left out. None: all.
    pub languages: Vec<String>,
    /// Countries whose documents are expected: their weak numbers are acted on without further evidence. ISO 3166 alpha-2.
    pub regions: Vec<String>,
    /// How far a keyed replacement is the same for the same value.
    pub scope: Scope,
    /// Whether types without a rule of their own are looked for.
    pub enabled: bool,
    /// What is done with types without a rule of their own; none: what their detector says.
    pub strategy: Option<Strategy>,
    /// By type.
    pub types: BTreeMap<String, TypeRule>,
    /// Values that are no findings.
    pub allow: Vec<Allow>,
    /// Detectors of the policy: those that it defines, and those of its deny lists.
    pub detectors: Vec<Detector>,
}

impl Default for Policy {
    /// Finds all types; the same as the preset `llm-training`.
    fn default() -> Self {
        Self {
            id: "llm-training".to_owned(),
            version: 1,
            threshold: 0.5,
            languages: Vec::new(),
            regions: Vec::new(),
            scope: Scope::Object,
            enabled: true,
            strategy: None,
            types: BTreeMap::new(),
            allow: Vec::new(),
            detectors: Vec::new(),
        }
    }
}

impl Policy {
    /// The preset of a name of [`PRESETS`].
    pub fn preset(name: &str) -> Option<Self> {
        preset::by_name(name)
    }

    /// Whether a type is looked for.
    pub fn looks_for(&self, kind: &str) -> bool {
        self.types.get(kind).and_then(|rule| rule.enabled).unwrap_or(self.enabled)
    }

    /// Whether a detector is used: its type is looked for and its languages are those of the texts.
    pub fn uses(&self, detector: &Detector) -> bool {
        self.looks_for(&detector.kind)
            && (self.languages.is_empty()
                || detector.languages.is_empty()
                || detector.languages.iter().any(|language| self.languages.contains(language)))
    }

    /// The least score of a finding of a type.
    pub fn threshold(&self, kind: &str) -> f32 {
        self.types.get(kind).and_then(|rule| rule.threshold).unwrap_or(self.threshold)
    }

    /// What is done with a finding of a type whose detector would have `default`.
    pub fn treatment(&self, kind: &str, default: Strategy) -> Treatment {
        let rule = self.types.get(kind);
        Treatment {
            strategy: rule.and_then(|rule| rule.strategy).or(self.strategy).unwrap_or(default),
            keep_first: rule.and_then(|rule| rule.keep_first).unwrap_or(0),
            keep_last: rule.and_then(|rule| rule.keep_last),
        }
    }
}
