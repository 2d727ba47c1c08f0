//! What the binary formats of tables share: how values are printed, go through the engine and are read back, and what can be wrong with a file.

pub mod bson;
pub mod calendar;
pub mod clock;
pub mod fixed;
pub mod flat;
pub mod form;
pub mod json;
pub mod known;
pub mod place;
pub mod runs;
pub mod scalar;
pub mod texts;
pub mod values;

use std::io;

use super::{FormatError, Rule};
use crate::stream::Blocked;

/// Why a file is not scrubbed, before it is told what is done with it then.
#[derive(Debug)]
pub enum Fault {
    /// It is not what it begins as.
    Broken(String),
    /// It is, or holds, what is not read.
    Unknown(&'static str),
    /// Any other reason.
    Other(FormatError),
}

impl Fault {
    pub fn unknown(what: &'static str) -> Self {
        Self::Unknown(what)
    }

    pub fn limit(why: String) -> Self {
        Self::Other(FormatError::Limit(why))
    }

    pub fn read(error: io::Error) -> Self {
        Self::Other(super::read_error(error))
    }

    /// Of a decoder, whose source may be what failed.
    pub fn decoder(error: io::Error, what: &str) -> Self {
        match super::read_error(error) {
            FormatError::Read(error) => Self::Broken(format!("{what}: {error}")),
            other => Self::Other(other),
        }
    }

    pub fn write(error: io::Error) -> Self {
        Self::Other(FormatError::Write(error))
    }

    /// Of a file of this format.
    pub fn told(self, format: &'static str, rule: Rule) -> FormatError {
        match self {
            Self::Broken(why) => FormatError::Broken { format, why, rule },
            Self::Unknown(what) => FormatError::Unknown { what, nested: false, rule },
            Self::Other(error) => error,
        }
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Self::Broken(why.to_owned())
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        Self::Other(error)
    }
}

impl From<Blocked> for Fault {
    fn from(blocked: Blocked) -> Self {
        Self::Other(blocked.into())
    }
}

#[cfg(test)]
pub mod tests;
