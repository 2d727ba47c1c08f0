//! The vaults of short tokens, `<TYPE:v1_…>`, one a bucket.
//!
//! A token is named by a keyed digest of its value, so that the value has the same one wherever it stands. What tokens stand for is in *batches*
//! ([`batch`]): sealed objects of the system bucket, under KEKs of the vault's own. The sidecar has which token is in which batch and is made again from them;
//! two values of one name are told apart by it, and while they are not there yet by [`TokenVaults`].
//!
//! A batch is durable, and its tokens are in the sidecar, before the object that has the tokens is. A crash between leaves values that no object refers to.

pub mod batch;
pub mod destroying;
pub mod opening;
#[cfg(test)]
mod tests;
pub mod writing;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use moka::sync::Cache;
use scrub::act::Tag;

use crate::config::LimitsConfig;
use crate::s3::Error;
use crate::vault::Vault;

/// Vaults of which it is remembered that the sidecar has all batches.
const VAULTS: u64 = 10_000;

/// What this process knows of all vaults.
pub struct TokenVaults {
    /// Tags of tokens that the sidecar has, by bucket and token.
    known: Cache<(String, String), Tag>,
    /// Those that objects under way are about to add, and how many objects are. At most a batch for each body.
    reserved: Mutex<HashMap<(String, String), (Tag, usize)>>,
    complete: Cache<String, ()>,
    completing: tokio::sync::Mutex<()>,
}

impl TokenVaults {
    /// Within these bounds.
    pub fn new(limits: &LimitsConfig) -> Self {
        Self {
            known: Cache::new(limits.scrub_token_cache),
            reserved: Mutex::default(),
            complete: Cache::new(VAULTS),
            completing: tokio::sync::Mutex::default(),
        }
    }

    /// Reserves a token for a value; false: it is for another. To be [released](Self::release).
    fn reserve(&self, bucket: &str, token: &str, tag: Tag) -> bool {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, count) = reserved.entry((bucket.to_owned(), token.to_owned())).or_insert((tag, 0));
        if *of != tag {
            return false;
        }
        *count += 1;
        true
    }

    fn release(&self, bucket: &str, token: &str) {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (bucket.to_owned(), token.to_owned());
        if let Some((_, count)) = reserved.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                reserved.remove(&name);
            }
        }
    }
}

/// How the KEKs of the vault of a bucket name what they are of. No bucket is called so, so that no object opens by them.
pub fn kek_scope(bucket: &str) -> String {
    format!("{bucket}~tokens")
}

/// Sees to it that the sidecar has every batch of a vault, before a token is named or looked for: a crash leaves one that it has not, a lost sidecar all.
async fn complete(vault: &Vault, bucket: &str) -> Result<(), Error> {
    if vault.tokens.complete.contains_key(bucket) {
        return Ok(());
    }
    let _alone = vault.tokens.completing.lock().await;
    if vault.tokens.complete.contains_key(bucket) {
        return Ok(());
    }
    let after = vault.sidecar.last_token_batch(bucket).await?.map(batch::before).unwrap_or_default();
    let taken = batch::take_in(vault, bucket, &after, |at, error| {
        tracing::warn!(at.key, %error, "a batch of tokens cannot be opened; its tokens stand for nothing");
    })
    .await?;
    if taken > 0 {
        tracing::info!(bucket, batches = taken, "batches of tokens that the sidecar had not were taken in");
    }
    vault.tokens.complete.insert(bucket.to_owned(), ());
    Ok(())
}
