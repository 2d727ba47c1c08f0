//! The modes by which a bucket is to be scrubbed, and the honest answer to which of them the gateway can do.

use std::fmt;
use std::str::FromStr;

/// What is to be done with the findings in an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Objects are not looked into.
    #[default]
    Off,
    /// Findings are recorded, the object is stored as it came.
    Detect,
    /// Findings are replaced before the object is stored.
    Enforce,
    /// The original and a scrubbed copy are stored.
    Dual,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Off, Self::Detect, Self::Enforce, Self::Dual];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Detect => "detect",
            Self::Enforce => "enforce",
            Self::Dual => "dual",
        }
    }

    /// Whether this version does what the mode says. A configuration that asks for another must be refused: data that its
    /// owner believes scrubbed would be stored as it came.
    pub const fn is_implemented(self) -> bool {
        matches!(self, Self::Off)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMode(String);

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Mode::ALL.map(Mode::name).join(", ");
        write!(f, "unknown scrub mode {:?}: one of {names}", self.0)
    }
}

impl std::error::Error for UnknownMode {}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| UnknownMode(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for mode in Mode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
            assert_eq!(mode.to_string(), mode.name());
        }
        let error = "Off".parse::<Mode>().unwrap_err();
        assert_eq!(error.to_string(), "unknown scrub mode \"Off\": one of off, detect, enforce, dual");
    }

    #[test]
    fn only_off_is_implemented() {
        let implemented: Vec<_> = Mode::ALL.into_iter().filter(|mode| mode.is_implemented()).collect();
        assert_eq!(implemented, [Mode::default()]);
    }
}
