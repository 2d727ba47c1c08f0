//! `data-vault scrub s3://…`: the objects of a bucket scrubbed where they are, or into another bucket.
//!
//! An object is looked into first, and written only where there is something in it for the policy: through the same engine and the same sealing as a PUT, held to
//! the very object that was read, and read back before it counts. What is about to be written is noted with its id: a job that was killed in between
//! finds its own object, and does not do it twice.

pub(crate) mod carried;

use std::sync::Arc;

use http::{Method, StatusCode};
use keys::Oid;
use scrub::format::{Job, Summary};

use super::look::{self, Object, Stop, persist};
use super::scan::{begin, tell};
use super::state::Begun;
use super::tally::{Outcome, Seen};
use super::walk::{Group, Log, Treat};
use super::{Chosen, JobError, Place};
use crate::backend::{BackendRequest, Signer, query_value};
use crate::body::scrub::Learnt;
use crate::cli::chain;
use crate::ops::pages::Entry;
use crate::ops::precondition::{Held, Precondition};
use crate::ops::put::{self, Scrubbed, Sealing, intake_options};
use crate::ops::scrubbed;
use crate::ops::stored::answered;
use crate::s3::Error;
use crate::s3::intake::{Intake, IntakeOptions};
use crate::scrubbing::{BucketPolicy, Record};
use crate::sidecar::{LineageEdge, ObjectAt, ObjectRecord};
use crate::vault::{Vault, now_ms};
use carried::{carried, lock_of};

/// A scrub of what is there.
pub struct Scrub {
    /// The gateway.
    pub vault: Arc<Vault>,
    /// As whom objects are read and written.
    pub signer: Signer,
    /// By which policy, which enforces.
    pub policy: Chosen,
    /// Where to; none: in place.
    pub to: Option<To>,
    /// Older versions with findings are deleted for good.
    pub destroy_versions: bool,
    /// Nothing is changed.
    pub dry_run: bool,
}

/// Another bucket.
pub struct To {
    /// The bucket, by its identity, and what keys begin with there.
    pub place: Place,
    /// What they begin with where they come from.
    pub from_prefix: String,
    /// It keeps locks.
    pub locks: bool,
    /// What has the name there already is replaced.
    pub overwrite: bool,
}

impl To {
    /// Asks whether its bucket is there, and whether it keeps locks.
    pub async fn new(
        vault: &Vault,
        signer: &Signer,
        place: Place,
        from_prefix: String,
        overwrite: bool,
    ) -> Result<Self, JobError> {
        let cut_off = |e: crate::backend::BackendError| JobError::cut_off(e.into(), None);
        let there = vault.backend.call(BackendRequest::head_bucket(&place.bucket, signer.clone())).await;
        if there.map_err(cut_off)?.status() == StatusCode::NOT_FOUND {
            return Err(JobError::Usage(format!("--to {place}: there is no such bucket")));
        }
        let locks = BackendRequest::about(Method::GET, &place.bucket, "", signer.clone()).query("object-lock");
        let response = vault.backend.call(locks).await.map_err(cut_off)?;
        Ok(Self { place, from_prefix, locks: response.status().is_success(), overwrite })
    }

    /// The name of an object there.
    fn name(&self, at: &ObjectAt) -> ObjectAt {
        let key = at.key.strip_prefix(&self.from_prefix).unwrap_or(&at.key);
        ObjectAt { bucket: self.place.bucket.clone(), key: format!("{}{key}", self.place.prefix), version_id: None }
    }
}

/// An object that was looked into.
struct Known {
    seen: Seen,
    policy: Arc<BucketPolicy>,
    summary: Summary,
    /// As it was read.
    at: ObjectAt,
    headers: http::HeaderMap,
    etag: String,
    header: Option<[u8; 16]>,
    sealed: Option<ObjectRecord>,
}

/// What an object that this job wrote is when it is read back.
enum ReadBack {
    /// What it should be, to the last byte.
    Right,
    /// Something else.
    Wrong(String),
    /// It is gone, or was replaced since: that proves nothing.
    Gone,
}

#[async_trait::async_trait(?Send)]
impl Treat for Scrub {
    async fn treat(&self, entry: &Entry, group: &mut Group, log: &Log) -> Result<Seen, JobError> {
        let mut seen = persist(entry, log, async || self.once(entry, group, log).await).await?;
        // What the newest version holds may be needed, where nothing took its place.
        let done =
            matches!(seen.outcome, Outcome::Clean | Outcome::Scrubbed | Outcome::Sealed | Outcome::ScrubbedBefore);
        seen.spares = entry.latest && !done && !self.dry_run;
        group.spared |= seen.spares;
        Ok(seen)
    }

    async fn is_deleted(&self, begun: &Seen, bucket: &str) -> Result<bool, Error> {
        let Some(version) = &begun.version else { return Ok(false) };
        let request = BackendRequest::about(Method::HEAD, bucket, &begun.key, self.signer.clone())
            .query(format!("versionId={}", query_value(version)));
        Ok(self.vault.backend.call(request).await?.status() == StatusCode::NOT_FOUND)
    }
}

impl Scrub {
    /// One try at an object.
    async fn once(&self, entry: &Entry, group: &mut Group, log: &Log) -> Result<Seen, Stop> {
        if let Some(seen) = self.written_before(entry, group).await? {
            return Ok(seen);
        }
        let object = look::read(&self.vault, &entry.at, &self.signer, false).await?;
        let seen = |outcome| Seen::of(&entry.at.key, entry.at.version_id.as_deref(), outcome);
        let target = self.to.as_ref().map_or_else(|| entry.at.clone(), |to| to.name(&entry.at));
        let Some(policy) = self.policy.of(&self.vault, &target.bucket, &target.key).filter(|policy| policy.enforces())
        else {
            return Ok(seen(Outcome::Refused).because("no policy that enforces is configured for it"));
        };
        if self.to.is_none()
            && let Some(sealed) = &object.sealed
        {
            if let Some(begun) = of_ours(group, sealed.oid) {
                return self.finish(begun.seen, sealed, &object.headers).await;
            }
            let record = scrubbed::find(&self.vault, &entry.at.bucket, sealed.oid).await?;
            if record.is_some_and(|record| is_by(&record, &policy)) {
                return Ok(Seen { bytes: object.length, ..seen(Outcome::ScrubbedBefore) });
            }
        }
        let known = match self.look(entry, object, policy).await? {
            Ok(known) => known,
            Err(refused) => return Ok(refused),
        };
        let found = !known.seen.findings.is_empty();
        match (&self.to, entry.latest, found, &known.sealed) {
            (None, _, false, Some(sealed)) => {
                let seen = Seen { outcome: Outcome::Clean, ..known.seen.clone() };
                if !self.dry_run {
                    log.begin(&Begun { oid: Some(sealed.oid.to_string()), seen: seen.clone() })?;
                    self.keep_record(sealed, &known).await?;
                }
                Ok(seen)
            }
            // Nothing can be written in the place of an older version.
            (None, false, false, None) => Ok(Seen { outcome: Outcome::Clean, ..known.seen }),
            (None, false, true, _) => self.older(entry, known, group, log).await,
            _ if self.dry_run => {
                let outcome = match (found, &self.to) {
                    (true, _) => Outcome::WouldBeScrubbed,
                    (false, None) => Outcome::WouldBeSealed,
                    (false, Some(_)) => Outcome::WouldBeCopied,
                };
                Ok(Seen { outcome, ..known.seen })
            }
            _ => self.write(entry, known, group, log).await,
        }
    }

    /// Looks into an object. `Ok(Err(_))`: that cannot be done, or the policy refuses what it is.
    async fn look(
        &self,
        entry: &Entry,
        object: Object,
        policy: Arc<BucketPolicy>,
    ) -> Result<Result<Known, Seen>, Error> {
        let (at, etag, header) = (object.at.clone(), object.etag.clone(), object.header);
        let (headers, sealed) = (object.headers.clone(), object.sealed.clone());
        let (mut seen, body) = begin(entry, object, &policy)?;
        match look::look_into(body, Job { actor: None, ..policy.job.clone() }).await? {
            Ok(summary) => {
                tell(&mut seen, &summary);
                Ok(Ok(Known { seen, policy, summary, at, headers, etag, header, sealed }))
            }
            Err(error) => Ok(Err(refused(seen, &error.to_string()))),
        }
    }

    /// An older version with findings.
    async fn older(&self, entry: &Entry, known: Known, group: &Group, log: &Log) -> Result<Seen, Stop> {
        let Known { mut seen, headers, .. } = known;
        seen.outcome = match (self.destroy_versions, self.dry_run) {
            (true, true) => Outcome::WouldBeDestroyed,
            (true, false) if !group.spared => Outcome::Destroyed,
            _ => Outcome::OldVersionStays,
        };
        if group.spared && self.destroy_versions {
            seen = seen.because("the newest version of its key could not be treated");
        }
        if seen.outcome == Outcome::Destroyed {
            log.begin(&Begun { oid: None, seen: seen.clone() })?;
            (seen.outcome, seen.why) = self.destroy(&entry.at, &headers).await?;
        }
        Ok(seen)
    }

    /// Writes it, through the engine.
    async fn write(&self, entry: &Entry, known: Known, group: &mut Group, log: &Log) -> Result<Seen, Stop> {
        let vault = &self.vault;
        let object = look::read(vault, &entry.at, &self.signer, false).await?;
        if object.etag != known.etag || object.header != known.header {
            return Err(Stop::Changed);
        }
        let mut seen = known.seen;
        seen.outcome = match (seen.findings.is_empty(), &self.to) {
            (false, _) => Outcome::Scrubbed,
            (true, None) => Outcome::Sealed,
            (true, Some(_)) => Outcome::Copied,
        };
        let (at, held) = match &self.to {
            None => {
                let held = Held::To { etag: known.etag.clone(), header: known.header };
                (ObjectAt { version_id: None, ..entry.at.clone() }, Some(held))
            }
            Some(to) => (to.name(&entry.at), (!to.overwrite).then_some(Held::ToNothing)),
        };
        let with_locks = self.to.as_ref().is_none_or(|to| to.locks);
        let policy = Arc::new(known.policy.for_what_is_there());
        let call = carried::call(vault, &at, carried(&object.headers, with_locks), self.signer.clone())?;
        let mut request = call.forward_sealed();
        let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
        let condition = Precondition::hold(&call, held.as_ref(), &mut request.headers)?;
        let mut sealing = match Sealing::begin(&call, at.clone(), &kek, &mut request.headers) {
            Ok(sealing) => sealing,
            // Metadata that ours find no room beside.
            Err(Error::Client { message, .. }) => return Ok(refused(seen, &message)),
            Err(error) => return Err(error.into()),
        };
        if self.to.is_some() {
            sealing.lineage = vec![LineageEdge {
                source: known.at,
                source_etag: known.etag,
                target: at.clone(),
                operation: "Scrub".to_owned(),
                at_ms: now_ms(),
            }];
        }
        let algorithm = known.sealed.and_then(|record| record.facts.checksum).map(|sum| sum.algorithm);
        let options = IntakeOptions { max_length: u64::MAX, ..intake_options(vault, &at.bucket, algorithm) };
        let intake = Intake::of_ours(object.body, object.length, options)?;
        let scrubbed = Scrubbed::begin(&policy, &at.key, &request.headers, Learnt::default().into())?;
        let plaintext = put::look_into(vault, &at, &policy, intake, &scrubbed.seen)?;
        sealing.scrub = Some(scrubbed);

        let begun = Begun { oid: Some(sealing.object.oid().to_string()), seen: seen.clone() };
        log.begin(&begun)?;
        group.begun.insert((seen.key.clone(), seen.version.clone()), begun);
        match put::seal_and_send(vault, request, condition, plaintext, sealing).await {
            Ok(written) => self.finish(seen, &written.record, &object.headers).await,
            Err(error) if look::is_overtaken(&error) && self.to.is_some() => {
                let before = self.written_before(entry, group).await?;
                Ok(before.unwrap_or(Seen { outcome: Outcome::NameTaken, ..seen }))
            }
            // The engine, or the policy.
            Err(Error::Client { code, message }) if code != s3s::S3ErrorCode::PreconditionFailed => {
                Ok(refused(seen, &message))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What was written is read back, and only then does what it was read from go. `headers`: of that.
    async fn finish(&self, mut seen: Seen, written: &ObjectRecord, headers: &http::HeaderMap) -> Result<Seen, Stop> {
        match self.read_back(written).await? {
            ReadBack::Wrong(why) => {
                seen.outcome = Outcome::Failed;
                return Ok(seen.because(format!("what was written does not read back: {why}")));
            }
            // In another bucket that is nobody's concern here. In this one what is there now is to be looked at, and what it was read from may be needed.
            ReadBack::Gone if self.to.is_none() => return Err(Stop::Changed),
            ReadBack::Right | ReadBack::Gone => {}
        }
        if self.to.is_some() {
            return Ok(seen);
        }
        let made = written.at.version_id.clone().filter(|made| Some(made) != seen.version.as_ref());
        let Some(made) = made else { return Ok(seen) };
        seen.made = Some(made);
        if !self.destroy_versions {
            seen.old = Some(Outcome::OldVersionStays);
            return Ok(seen);
        }
        let old = ObjectAt { version_id: seen.version.clone(), ..written.at.clone() };
        let (outcome, why) = self.destroy(&old, headers).await?;
        (seen.old, seen.why) = (Some(outcome), why);
        Ok(seen)
    }

    /// Reads an object that this job wrote.
    async fn read_back(&self, written: &ObjectRecord) -> Result<ReadBack, Error> {
        let object = match look::read(&self.vault, &written.at, &self.signer, false).await {
            Ok(object) => object,
            Err(Stop::Failed(Error::Sealed(error))) => return Ok(ReadBack::Wrong(chain(&error))),
            Err(Stop::Failed(error)) if !matches!(error, Error::Answered { status: StatusCode::NOT_FOUND, .. }) => {
                return Err(error);
            }
            Err(_) => return Ok(ReadBack::Gone),
        };
        if object.sealed.as_ref().map(|record| record.oid) != Some(written.oid) {
            return Ok(ReadBack::Gone);
        }
        match look::verify(object.body, &written.facts).await {
            Ok(Ok(())) => Ok(ReadBack::Right),
            Ok(Err(why)) => Ok(ReadBack::Wrong(why.to_owned())),
            Err(Error::Sealed(error)) => Ok(ReadBack::Wrong(chain(&error))),
            Err(error) => Err(error),
        }
    }

    /// Deletes a version for good.
    async fn destroy(&self, at: &ObjectAt, headers: &http::HeaderMap) -> Result<(Outcome, Option<String>), Error> {
        let Some(version) = &at.version_id else { return Err(Error::Internal("a version without an id".into())) };
        let request = BackendRequest::about(Method::DELETE, &at.bucket, &at.key, self.signer.clone())
            .query(format!("versionId={}", query_value(version)));
        let response = self.vault.backend.call(request).await?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_FOUND {
            self.vault.known.forget(at);
            self.vault.sidecar.forget(at).await?;
            return Ok((Outcome::Destroyed, None));
        }
        let error = answered(response).await;
        if !status.is_client_error() {
            return Err(error);
        }
        let why = chain(&error);
        Ok(match lock_of(headers) {
            Some(lock) => (Outcome::Locked, Some(format!("{lock}: {why}"))),
            None => (Outcome::Failed, Some(format!("the version cannot be deleted: {why}"))),
        })
    }

    /// An object that this job has written to the other bucket before it was cut off.
    async fn written_before(&self, entry: &Entry, group: &Group) -> Result<Option<Seen>, Stop> {
        let Some(to) = &self.to else { return Ok(None) };
        let begun = group.begun.get(&(entry.at.key.clone(), entry.at.version_id.clone()));
        let Some(Begun { oid: Some(oid), seen }) = begun else { return Ok(None) };
        let there = match look::read(&self.vault, &to.name(&entry.at), &self.signer, false).await {
            Ok(there) => there,
            Err(Stop::Failed(Error::Answered { status: StatusCode::NOT_FOUND, .. })) => return Ok(None),
            Err(stop) => return Err(stop),
        };
        match there.sealed.filter(|record| record.oid.to_string() == *oid) {
            Some(record) => Ok(Some(self.finish(seen.clone(), &record, &there.headers).await?)),
            None => Ok(None),
        }
    }

    /// Notes with an object that the policy has nothing to do about it.
    async fn keep_record(&self, sealed: &ObjectRecord, known: &Known) -> Result<(), Error> {
        let vault = &self.vault;
        let record = Record::of(&known.policy, &sealed.at.key, &known.summary, known.seen.names.clone());
        let kek = vault.keys.by_id(&sealed.at.bucket, sealed.kek_id).await?;
        scrubbed::keep(vault, &sealed.at.bucket, &kek, sealed.oid, &record).await?;
        // Where the sidecar knows another object under the name, that is newer than what was read.
        match vault.sidecar.object(&sealed.at).await? {
            Some(known) if known.backend_etag == sealed.backend_etag && known.oid == sealed.oid => {
                vault.sidecar.record(None, ObjectRecord { scrub: record.state(), ..known }, Vec::new()).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn refused(mut seen: Seen, why: &str) -> Seen {
    seen.outcome = Outcome::Refused;
    seen.because(why)
}

/// What this job was about to do when it wrote the object of this id.
fn of_ours(group: &Group, oid: Oid) -> Option<Begun> {
    let oid = oid.to_string();
    group.begun.values().find(|begun| begun.oid.as_ref() == Some(&oid)).cloned()
}

/// Whether an object was scrubbed just so.
fn is_by(record: &Record, policy: &BucketPolicy) -> bool {
    record.mode != crate::config::Scrub::Detect.name()
        && record.policy == policy.id
        && record.engine == env!("CARGO_PKG_VERSION")
}
