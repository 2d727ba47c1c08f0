//! The keys of strategies that need one.

use std::error::Error;
use std::path::Path;

use scrub::Engine;
use scrub::act::{Actor, Scope, ScopeKey};
use zeroize::Zeroizing;

use super::{ScrubError, named};

/// A root key and how far its replacements are the same for the same value; without a key they are labels.
pub struct Keys {
    root: Option<Zeroizing<[u8; 32]>>,
    scope: Scope,
}

/// The root key in a file that holds 64 hexadecimal digits.
pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, Box<dyn Error>> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| named(path, &error))?);
    let mut root = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *root).map_err(|_| ScrubError::NoKey(path.to_owned()))?;
    Ok(root)
}

impl Keys {
    /// Of a file that holds 64 hexadecimal digits.
    pub fn read(path: Option<&Path>, scope: Scope) -> Result<Self, Box<dyn Error>> {
        let Some(path) = path else { return Ok(Self { root: None, scope }) };
        Ok(Self { root: Some(read_key(path)?), scope })
    }

    /// What acts on the text of this name.
    pub fn actor(&self, engine: &Engine, name: &str) -> Result<Actor, Box<dyn Error>> {
        let Some(root) = &self.root else { return Ok(Actor::default()) };
        // There is no bucket or prefix here: what is wider than a text is all that is scrubbed with the key.
        let name = if self.scope == Scope::Object { name } else { "" };
        Ok(Actor::keyed(&ScopeKey::derive(root, "", self.scope, name)?, engine)?)
    }
}
