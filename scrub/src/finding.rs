//! What was found, and where.

use std::fmt;

use crate::detector::DetectorId;

/// An entity type, as an index into the [`Kinds`] of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub(crate) u16);

impl Kind {
    /// Its place among the [`Kinds`].
    pub fn index(self) -> u16 {
        self.0
    }
}

/// The names of the entity types that an engine knows, `EMAIL_ADDRESS`, in the order in which they were first named.
#[derive(Clone, Debug, Default)]
pub struct Kinds(Vec<String>);

impl Kinds {
    /// The type of this name; a new one when there is none.
    pub(crate) fn intern(&mut self, name: &str) -> Kind {
        if let Some(kind) = self.get(name) {
            return kind;
        }
        self.0.push(name.to_owned());
        Kind((self.0.len() - 1) as u16)
    }

    /// The type of this name.
    pub fn get(&self, name: &str) -> Option<Kind> {
        self.0.iter().position(|known| known == name).map(|index| Kind(index as u16))
    }

    /// Its name.
    pub fn name(&self, kind: Kind) -> &str {
        &self.0[usize::from(kind.0)]
    }

    /// Every type, in the order of its index.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.0.iter().enumerate().map(|(index, name)| (Kind(index as u16), name.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A detected piece of personal data or a secret: its type, place and score, never its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Of its first byte, in bytes from the start of the stream.
    pub start: u64,
    /// Behind its last byte.
    pub end: u64,
    /// What it is.
    pub kind: Kind,
    /// Which detector found it.
    pub detector: DetectorId,
    /// How sure that is, 0 to 1.
    pub score: f32,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}
