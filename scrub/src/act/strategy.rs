//! The ways to treat a finding.

use std::fmt;
use std::str::FromStr;

/// What is to be done with the findings of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Covered, its length kept: `****-1234`.
    Mask,
    /// Made coarser: a date to its year, an address to its network.
    Generalize,
    /// A made-up value of the same form, the same for the same value.
    Pseudonymize,
    /// A token that can be turned back with the key.
    Tokenize,
    /// A keyed hash.
    Hash,
    /// The name of its type: `<EMAIL_ADDRESS>`.
    Label,
    /// Nothing stands in its place.
    Drop,
    /// The whole text is refused.
    Block,
}

impl Strategy {
    /// Every strategy, from the mildest to the strictest.
    pub const ALL: [Self; 8] = [
        Self::Mask,
        Self::Generalize,
        Self::Pseudonymize,
        Self::Tokenize,
        Self::Hash,
        Self::Label,
        Self::Drop,
        Self::Block,
    ];

    /// Its name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Generalize => "generalize",
            Self::Pseudonymize => "pseudonymize",
            Self::Tokenize => "tokenize",
            Self::Hash => "hash",
            Self::Label => "label",
            Self::Drop => "drop",
            Self::Block => "block",
        }
    }

    /// Whether something of the value stays.
    pub const fn keeps_some(self) -> bool {
        matches!(self, Self::Mask | Self::Generalize)
    }

    /// How strict it is: of overlapping findings the strictest strategy is taken. The three keyed ones are equal.
    pub const fn strictness(self) -> u8 {
        match self {
            Self::Mask => 0,
            Self::Generalize => 1,
            Self::Pseudonymize | Self::Tokenize | Self::Hash => 2,
            Self::Label => 3,
            Self::Drop => 4,
            Self::Block => 5,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown strategy {0:?}: one of mask, generalize, pseudonymize, tokenize, hash, label, drop, block")]
pub struct UnknownStrategy(String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name).ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}
