//! Tokens opened for one who may.

use std::collections::HashMap;
use std::sync::Arc;

use keys::Oid;
use zeroize::Zeroizing;

use super::{batch, complete};
use crate::ops::rebuild;
use crate::s3::Error;
use crate::vault::Vault;

/// Batches that are held.
const BATCHES: usize = 32;
/// Tokens whose values are held. One that is opened again is not written down again.
const TOKENS: usize = 10_000;

/// Opens the tokens of a vault, each written down with who opens it.
pub struct Opening {
    vault: Arc<Vault>,
    bucket: String,
    by: String,
    /// Every batch of the vault was looked for.
    is_complete: bool,
    batches: HashMap<Oid, HashMap<String, Zeroizing<String>>>,
    opened: HashMap<String, Option<Zeroizing<String>>>,
}

impl Opening {
    /// Of the vault of a bucket.
    pub fn new(vault: Arc<Vault>, bucket: String, by: String) -> Self {
        Self { vault, bucket, by, is_complete: false, batches: HashMap::new(), opened: HashMap::new() }
    }

    /// What a token stands for; none where the vault has nothing for it, or what it has cannot be opened any more.
    pub async fn value(&mut self, token: &str) -> Result<Option<String>, Error> {
        if let Some(value) = self.opened.get(token) {
            return Ok(value.as_ref().map(|value| value.to_string()));
        }
        if self.opened.len() >= TOKENS {
            self.opened.clear();
        }
        let value = match self.find(token).await {
            Err(e) if rebuild::of_the_object(&e) => {
                tracing::warn!(bucket = self.bucket, token, error = %e, "a token cannot be opened any more");
                None
            }
            found => found?,
        };
        if value.is_some() {
            tracing::info!(bucket = self.bucket, token, by = self.by, "a token is opened");
        }
        self.opened.insert(token.to_owned(), value.clone());
        Ok(value.map(|value| value.to_string()))
    }

    async fn find(&mut self, token: &str) -> Result<Option<Zeroizing<String>>, Error> {
        complete(&self.vault, &self.bucket).await?;
        let mut found = self.vault.sidecar.token(&self.bucket, token).await?;
        if found.is_none() && !self.is_complete {
            // A gateway with a sidecar of its own may have made it.
            batch::take_in(&self.vault, &self.bucket, "", |_, _| {}).await?;
            self.is_complete = true;
            found = self.vault.sidecar.token(&self.bucket, token).await?;
        }
        let Some((_, Some(id))) = found else { return Ok(None) };
        if !self.batches.contains_key(&id) {
            if self.batches.len() >= BATCHES {
                self.batches.clear();
            }
            self.batches.insert(id, batch::values(&self.vault, &self.bucket, id).await?);
        }
        Ok(self.batches[&id].get(token).cloned())
    }
}
