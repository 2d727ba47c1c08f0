//! The vault as the engine sees it while it treats one object.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use s3s::S3ErrorCode;
use scrub::act::{self, Tag, VaultError};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::batch::{self, Pair};
use super::complete;
use crate::s3::Error;
use crate::vault::Vault;

/// Gathers the tokens of an object that its vault has not yet, and writes them in batches. Runs on the engine's thread, which waits for the sidecar where a token is
/// not known in memory. Once something failed it gives no token any more, and the object must not be stored.
pub struct ObjectTokens {
    vault: Arc<Vault>,
    bucket: String,
    handle: Handle,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    /// Not written yet; each is reserved.
    pairs: Vec<Pair>,
    tags: HashMap<String, Tag>,
    /// What the pairs take.
    bytes: usize,
    /// Tokens that the object adds, so far.
    added: u64,
    failed: Option<Failed>,
}

/// The first failure, until it is told.
enum Failed {
    Untold(Box<Error>),
    Told,
}

impl ObjectTokens {
    /// For an object of this bucket.
    pub fn new(vault: &Arc<Vault>, bucket: &str) -> Self {
        Self { vault: vault.clone(), bucket: bucket.to_owned(), handle: Handle::current(), gathered: Mutex::default() }
    }

    /// Writes what is left, on a thread that may wait. From here on the object may be stored, unless there is a [`failure`](Self::failure).
    pub fn finish(&self) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.failed.is_none()
            && let Err(e) = self.write(&mut gathered)
        {
            gathered.failed = Some(Failed::Untold(Box::new(e)));
        }
    }

    /// Why the object must not be stored.
    pub fn failure(&self) -> Option<Error> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match std::mem::replace(gathered.failed.as_mut()?, Failed::Told) {
            Failed::Untold(e) => *e,
            Failed::Told => Error::Internal("the tokens of a body failed before".into()),
        })
    }

    fn kept(&self, gathered: &mut Gathered, token: &str, tag: Tag, value: &str) -> Result<bool, Error> {
        let vaults = &self.vault.tokens;
        let name = (self.bucket.clone(), token.to_owned());
        if let Some(known) = gathered.tags.get(token).copied().or_else(|| vaults.known.get(&name)) {
            return Ok(known == tag);
        }
        // Before the sidecar is asked: whoever releases it has it there.
        if !vaults.reserve(&self.bucket, token, tag) {
            return Ok(false);
        }
        match self.stored(token) {
            Ok(None) => {}
            found => {
                vaults.release(&self.bucket, token);
                let known = found?.unwrap_or_default();
                vaults.known.insert(name, known);
                return Ok(known == tag);
            }
        }
        let most = self.vault.config.limits.scrub_tokens;
        if gathered.added >= most {
            vaults.release(&self.bucket, token);
            return Err(Error::client(
                S3ErrorCode::InvalidRequest,
                format!(
                    "The object was not stored: it has more than {most} values without a token so far, and the policy of this bucket gives each a token: split it"
                ),
            ));
        }
        let pair = Pair { token: token.to_owned(), tag, value: Zeroizing::new(value.to_owned()) };
        gathered.added += 1;
        gathered.bytes += pair.weight();
        gathered.tags.insert(token.to_owned(), tag);
        gathered.pairs.push(pair);
        if gathered.bytes >= batch::FULL {
            self.write(gathered)?;
        }
        Ok(true)
    }

    /// The tag of a token that the sidecar has.
    fn stored(&self, token: &str) -> Result<Option<Tag>, Error> {
        self.handle.block_on(async {
            complete(&self.vault, &self.bucket).await?;
            Ok(self.vault.sidecar.token(&self.bucket, token).await?.map(|(tag, _)| tag))
        })
    }

    fn write(&self, gathered: &mut Gathered) -> Result<(), Error> {
        if gathered.pairs.is_empty() {
            return Ok(());
        }
        self.handle.block_on(batch::write(&self.vault, &self.bucket, &gathered.pairs))?;
        for pair in &gathered.pairs {
            self.vault.tokens.known.insert((self.bucket.clone(), pair.token.clone()), pair.tag);
        }
        self.release(gathered);
        Ok(())
    }

    fn release(&self, gathered: &mut Gathered) {
        for pair in gathered.pairs.drain(..) {
            self.vault.tokens.release(&self.bucket, &pair.token);
        }
        gathered.tags.clear();
        gathered.bytes = 0;
    }
}

impl act::Vault for ObjectTokens {
    fn keep(&self, token: &str, tag: Tag, value: &str) -> Result<bool, VaultError> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let away = || VaultError("it gives no token to this object".to_owned());
        if gathered.failed.is_some() {
            return Err(away());
        }
        self.kept(&mut gathered, token, tag, value).map_err(|e| {
            gathered.failed = Some(Failed::Untold(Box::new(e)));
            away()
        })
    }
}

impl Drop for ObjectTokens {
    fn drop(&mut self) {
        let mut gathered = std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        self.release(&mut gathered);
    }
}
