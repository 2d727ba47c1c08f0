//! Jobs over the objects of a bucket, on the command line: `data-vault scan` and `data-vault scrub s3://…`.
//!
//! Both are one walk ([`walk`]): pages of keys, the objects of a page several at a time, what came of each a line in a file ([`state`]) from which a job that
//! was cut off goes on. They read and write through the gateway's own [`Vault`], as requests do.

pub mod look;
pub mod report;
pub mod scan;
pub mod scrub;
pub mod state;
pub mod tally;
pub mod walk;

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::backend::Signer;
use crate::config::{PolicyName, ScrubConfig};
use crate::s3::Error;
use crate::s3::address::tenant;
use crate::scrubbing::{BucketPolicy, PolicyError};
use crate::vault::Vault;

pub use state::StateError;

/// As whom the writes of a job are recorded. No client is called so: an access key holds no space.
pub const PRINCIPAL: &str = "data-vault scrub";

/// A bucket, or what in it begins with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As it was written; [`Place::identified`] makes the bucket's identity of it.
    pub bucket: String,
    /// Empty: all of it.
    pub prefix: String,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text.strip_prefix("s3://").map(|named| named.split_once('/').unwrap_or((named, "")));
        match named {
            Some((bucket, prefix)) if !bucket.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            _ => Err("expected s3://bucket or s3://bucket/prefix".to_owned()),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl Place {
    /// With the identity of its bucket, where this signer asks. Error: a name that nobody may reach.
    pub fn identified(&self, vault: &Vault, signer: &Signer) -> Result<Self, JobError> {
        let bucket = tenant::identity(&self.bucket, signer.tenant());
        vault.reserved.check(&bucket).map_err(JobError::Object)?;
        Ok(Self { bucket, prefix: self.prefix.clone() })
    }
}

/// Why a job could not be done. What fails for one object alone is in its report.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It cannot be done as it was asked for.
    #[error("{0}")]
    Usage(String),
    /// The policy cannot be used.
    #[error("cannot use the scrub policy")]
    Policy(#[from] PolicyError),
    /// The file that it goes on from.
    #[error(transparent)]
    State(#[from] StateError),
    /// Object storage, keys or sidecar.
    #[error("the job was cut off; {hint}")]
    CutOff {
        /// What to do.
        hint: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The bucket, or what is asked of it.
    #[error(transparent)]
    Object(#[from] Error),
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
}

impl JobError {
    /// Whether the command line, or what it names, is wrong.
    pub fn is_usage(&self) -> bool {
        let of_state = |error: &StateError| !matches!(error, StateError::Io(..));
        matches!(self, Self::Usage(_) | Self::Policy(_)) || matches!(self, Self::State(error) if of_state(error))
    }

    /// Of a job that keeps its state there.
    fn cut_off(source: Error, state: Option<&PathBuf>) -> Self {
        let hint = match state {
            Some(path) => format!("run it again with --resume {} and it goes on where it was", path.display()),
            None => "with --resume FILE it would go on where it was; run it again".to_owned(),
        };
        Self::CutOff { hint, source }
    }
}

/// Which policy a job looks and acts by.
#[derive(Clone)]
pub enum Chosen {
    /// The one that is configured for each object.
    Configured,
    /// This one.
    Given(Arc<BucketPolicy>),
}

impl Chosen {
    /// The policy of an object that is called so; none where none is configured.
    pub fn of(&self, vault: &Vault, bucket: &str, key: &str) -> Option<Arc<BucketPolicy>> {
        match self {
            Self::Configured => vault.scrubbing.newest().of(bucket, key).cloned(),
            Self::Given(policy) => Some(policy.clone()),
        }
    }
}

/// A policy by name in the place of the configured one, with the bucket's other settings.
pub fn given(vault: &Vault, bucket: &str, name: &str, mode: crate::config::Scrub) -> Result<Chosen, JobError> {
    let policy = PolicyName::Configured(name.to_owned());
    let config = ScrubConfig { mode, policy, ..vault.scrubbing.newest().holds(bucket, "").said.clone() };
    let policy = BucketPolicy::given(&vault.config, &config)?;
    policy.map(Chosen::Given).ok_or_else(|| JobError::Usage(format!("{name} does nothing")))
}

/// The signer of a client, or of the gateway itself.
pub fn signer(vault: &Vault, access_key: Option<&str>) -> Result<Signer, JobError> {
    let Some(access_key) = access_key else { return Ok(Signer::Gateway) };
    let client = vault.config.credentials.iter().find(|client| client.access_key == access_key);
    let client = client.ok_or_else(|| JobError::Usage(format!("--as {access_key}: no such client is configured")))?;
    Ok(client.backend.clone().map_or(Signer::Gateway, Signer::Client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let place = |bucket: &str, prefix: &str| Ok(Place { bucket: bucket.into(), prefix: prefix.into() });
        assert_eq!("s3://b".parse(), place("b", ""));
        assert_eq!("s3://b/".parse(), place("b", ""));
        assert_eq!("s3://b/x/y".parse(), place("b", "x/y"));
        for wrong in ["b", "s3://", "s3:///k", "S3://b", "https://b"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
