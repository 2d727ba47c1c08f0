//! What security officers set over REST: which policy holds for which bucket, and policies of their own.
//!
//! All of it is a row of changes in the system bucket, numbered from 1, each sealed with all that is set since ([`ledger`]). A change is never written over, and
//! opens under its own number alone: so the last one says what holds, the ones before are the history, and whoever can write there can only take away the last
//! ones. That is found as far as the sidecar knows a later one.
//!
//! A process looks for newer changes every `limits.policies_every`, and serves nothing once it could not for `limits.policies_age`.

mod ledger;
pub mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::s3;
use crate::scrubbing::{Compiled, PolicyError, Table};
use crate::sidecar::SidecarError;
use crate::vault::{Vault, now_ms};
use state::{Change, Revision, Signed, State};

/// How often a change is made again, since another process was first.
const TRIES: usize = 5;

/// Why what is set cannot be read, or changed.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The system bucket does not answer, or says something that is of no use.
    #[error("the system bucket cannot be read")]
    Store(#[from] s3::Error),
    /// One cannot be opened.
    #[error("the change of policies {name} in the system bucket cannot be opened")]
    Sealed {
        /// Its key.
        name: String,
        /// Why.
        #[source]
        source: keys::Error,
    },
    /// It is sealed by us, and not written by this version.
    #[error("the change of policies {name} in the system bucket cannot be read: {why}")]
    Unreadable {
        /// Its key.
        name: String,
        /// Why.
        why: String,
    },
    /// One is gone that there must be.
    #[error(
        "the change of policies {name} is not in the system bucket, and was: somebody has removed it, or put the storage back to an \
         earlier time. Restore it. Where that was meant, docs/operations.md says how to go on"
    )]
    Gone {
        /// Its key.
        name: String,
    },
    /// It is not the one that was there.
    #[error(
        "the change of policies {name} in the system bucket is another than it was: somebody has put one in its place"
    )]
    Replaced {
        /// Its key.
        name: String,
    },
    /// What is set cannot be done.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What is known of the last change cannot be read.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// What was asked for is refused.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// In a word.
        code: &'static str,
        /// Why, and what to do.
        message: String,
    },
}

impl PoliciesError {
    /// A refusal.
    pub fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { status, code, message: message.into() }
    }

    fn cut() -> Self {
        Self::Store(s3::Error::Internal("a task was cut off".into()))
    }
}

/// Reads what holds, at start. `watches`: newer changes are looked for from now on.
pub async fn load(vault: &Arc<Vault>, watches: bool) -> Result<(), PoliciesError> {
    let begun = Instant::now();
    let _alone = vault.scrubbing.changing.lock().await;
    let mark = vault.sidecar.policy_mark().await?;
    // From the first one on, so that the log tells what is missing.
    let last = ledger::last(vault, 0).await?;
    if let Some((number, digest)) = mark {
        ledger::check(vault, number, digest).await?;
    }
    if last > 0 {
        take(vault, last).await?;
    }
    let table = vault.scrubbing.newest();
    for bucket in table.state.buckets.iter().filter(|(_, of)| !of.settings.is_empty()).map(|(bucket, _)| bucket) {
        if vault.config.bucket(bucket).managed_by == crate::config::ManagedBy::Configuration {
            tracing::warn!(
                bucket,
                "what was set over REST for this bucket does not hold, since the configuration says what does"
            );
        }
    }
    if watches {
        vault.scrubbing.known(begun);
    }
    Ok(())
}

/// Looks for newer changes, again and again. Ends when the task is aborted.
pub async fn run(vault: Arc<Vault>) {
    let every = vault.config.limits.policies_every;
    loop {
        tokio::time::sleep(jittered(every)).await;
        let _alone = vault.scrubbing.changing.lock().await;
        if let Err(error) = renew(&vault).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "it is not known which scrub policies hold; soon nothing is served any more"
            );
        }
    }
}

/// Four fifths to all of it, so that processes that were started together do not ask together.
fn jittered(time: Duration) -> Duration {
    let random = keys::Oid::random().map_or(0, |oid| u32::from(oid.0[0]));
    time * (1024 - random * 4 / 5) / 1024
}

/// Takes the newest change, where that is not held already.
async fn renew(vault: &Arc<Vault>) -> Result<(), PoliciesError> {
    let begun = Instant::now();
    let known = vault.scrubbing.newest().number;
    let last = ledger::last(vault, known).await?;
    if last > known {
        take(vault, last).await?;
        tracing::info!(number = last, "scrub policies were changed by another process");
    }
    vault.scrubbing.known(begun);
    Ok(())
}

/// From now on the change of this number holds.
async fn take(vault: &Arc<Vault>, number: u64) -> Result<(), PoliciesError> {
    let (revision, digest) = ledger::read(vault, number).await?.ok_or_else(|| ledger::gone(number))?;
    let table = table(vault, number, revision.state).await?;
    hold(vault, table, digest).await
}

async fn hold(vault: &Vault, table: Arc<Table>, digest: [u8; 32]) -> Result<(), PoliciesError> {
    let number = table.number;
    vault.scrubbing.hold(table);
    vault.metrics.scrub.policies(number);
    // Without it what holds is right all the same, until somebody takes this change away and this process ends.
    if let Err(error) = vault.sidecar.keep_policy_mark(number, digest).await {
        tracing::warn!(%error, number, "which change of policies is the last could not be kept in the sidecar");
    }
    Ok(())
}

/// What is to hold, compiled.
async fn table(vault: &Arc<Vault>, number: u64, state: State) -> Result<Arc<Table>, PoliciesError> {
    let held = vault.scrubbing.newest();
    let mut texts = Vec::new();
    for id in state.needed(&vault.config) {
        let name = crate::config::PolicyName::Stored(id.clone());
        if held.engines().contains_key(&name) || texts.iter().any(|(other, _)| *other == id) {
            continue;
        }
        let signed = state.stored(&id).ok_or_else(|| PolicyError::NotStored(id.clone()))?;
        texts.push((id, stored(vault, signed.number).await?));
    }
    let vault = vault.clone();
    let compiled = tokio::task::spawn_blocking(move || {
        let stored = texts.iter().map(|(id, toml)| Compiled::read(&id.to_string(), toml));
        let stored = stored.collect::<Result<Vec<_>, _>>()?;
        held.changed(&vault.config, number, Arc::new(state), stored).map(Arc::new)
    });
    Ok(compiled.await.map_err(|_| PoliciesError::cut())??)
}

/// The policy that the change of this number stored.
pub async fn stored(vault: &Vault, number: u64) -> Result<String, PoliciesError> {
    match revision(vault, number).await?.change {
        Change::Policy { toml, .. } => Ok(toml),
        Change::Setting { .. } => Err(ledger::unreadable(number, "it stores no policy")),
    }
}

/// One change.
pub async fn revision(vault: &Vault, number: u64) -> Result<Revision, PoliciesError> {
    let read = ledger::read(vault, number).await?;
    read.map(|(revision, _)| revision).ok_or_else(|| ledger::gone(number))
}

/// Makes a change by this officer: `decide` says what, by what is set now; none: nothing is to be done. It is durable, and holds for every request that begins
/// here later, when this returns. An officer that goes away meanwhile stops nothing.
pub async fn change(
    vault: &Arc<Vault>,
    by: &str,
    decide: impl Fn(&State, &Signed) -> Result<Option<(State, Change)>, PoliciesError> + Send + Sync + 'static,
) -> Result<Arc<Table>, PoliciesError> {
    let (vault, by) = (vault.clone(), by.to_owned());
    let done = tokio::spawn(async move {
        let _alone = vault.scrubbing.changing.lock().await;
        for _ in 0..TRIES {
            renew(&vault).await?;
            let held = vault.scrubbing.newest();
            let signed = Signed { number: held.number + 1, by: by.clone(), at_ms: now_ms() };
            let Some((state, change)) = decide(&held.state, &signed)? else { return Ok(held) };
            // What cannot be done is not written.
            let table = table(&vault, signed.number, state.clone()).await?;
            let revision = Revision { v: 1, signed, change, state };
            if let Some(digest) = ledger::append(&vault, &revision).await? {
                told(&vault, &revision);
                hold(&vault, table.clone(), digest).await?;
                return Ok(table);
            }
        }
        Err(PoliciesError::refused(
            StatusCode::CONFLICT,
            "Conflict",
            "others change policies at the same time; try again",
        ))
    });
    done.await.map_err(|_| PoliciesError::cut())?
}

fn told(vault: &Vault, revision: &Revision) {
    vault.metrics.scrub.policy_changed(revision.change.kind());
    let Signed { number, by, .. } = &revision.signed;
    match &revision.change {
        Change::Setting { bucket, prefix, before, after, .. } => {
            let text = |setting: &Option<crate::config::Setting>| serde_json::to_string(setting).unwrap_or_default();
            let (before, after) = (text(before), text(after));
            tracing::info!(number, by, bucket, prefix, before, after, "the scrub policy of a bucket was changed");
        }
        Change::Policy { policy, .. } => tracing::info!(number, by, %policy, "a scrub policy was stored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_do_not_ask_together() {
        let times: Vec<_> = (0..64).map(|_| jittered(Duration::from_secs(10))).collect();
        assert!(
            times.iter().all(|time| (Duration::from_secs(8)..=Duration::from_secs(10)).contains(time)),
            "{times:?}"
        );
        assert!(times.iter().any(|time| *time != times[0]));
    }
}
