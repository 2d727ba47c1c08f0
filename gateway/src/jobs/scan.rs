//! `data-vault scan`: what is in the objects of a bucket, sealed or not. Nothing is changed.

use std::sync::Arc;

use scrub::format::Summary;

use super::look::{self, Object, Stop, persist};
use super::tally::{Outcome, Seen};
use super::walk::{Group, Log, Treat};
use super::{Chosen, JobError};
use crate::backend::Signer;
use crate::ops::pages::Entry;
use crate::scrubbing::BucketPolicy;
use crate::vault::Vault;

/// A scan.
pub struct Scan {
    /// The gateway.
    pub vault: Arc<Vault>,
    /// As whom objects are read.
    pub signer: Signer,
    /// By which policy.
    pub policy: Chosen,
    /// The one for objects for which none is configured.
    pub otherwise: Arc<BucketPolicy>,
}

#[async_trait::async_trait(?Send)]
impl Treat for Scan {
    async fn treat(&self, entry: &Entry, _group: &mut Group, log: &Log) -> Result<Seen, JobError> {
        persist(entry, log, async || self.once(entry).await).await
    }
}

impl Scan {
    async fn once(&self, entry: &Entry) -> Result<Seen, Stop> {
        let object = look::read(&self.vault, &entry.at, &self.signer, true).await?;
        let policy =
            self.policy.of(&self.vault, &entry.at.bucket, &entry.at.key).unwrap_or_else(|| self.otherwise.clone());
        let (mut seen, body) = begin(entry, object, &policy)?;
        match look::look_into(body, policy.observing().job).await? {
            Ok(summary) => tell(&mut seen, &summary),
            Err(error) => {
                tell(&mut seen, &Summary::passed(error.what()));
                seen.why = Some(error.to_string());
            }
        }
        Ok(seen)
    }
}

/// What is known of an object before its content is, and the content.
pub fn begin(
    entry: &Entry,
    object: Object,
    policy: &BucketPolicy,
) -> Result<(Seen, crate::body::Body), crate::s3::Error> {
    let names = policy.for_what_is_there().look_at_names(&entry.at.key, &object.headers)?;
    let seen = Seen {
        bytes: object.length,
        plain: object.sealed.is_none(),
        names,
        ..Seen::of(&entry.at.key, entry.at.version_id.as_deref(), Outcome::LookedInto)
    };
    Ok((seen, object.body))
}

/// Adds what the engine says.
pub fn tell(seen: &mut Seen, summary: &Summary) {
    seen.format = summary.format.map(|format| format.name().to_owned());
    seen.findings.clone_from(&summary.findings);
    seen.passed = summary.passed.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
    (seen.bad_records, seen.unfit) = (summary.bad_records, summary.unfit);
}
