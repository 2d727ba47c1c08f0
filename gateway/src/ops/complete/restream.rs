//! An upload whose parts all wait in the stash: opened one after the other, looked into, and sealed anew as one message into the upload itself, which has the headers
//! of the object to be. So nothing is at the object's place that no policy has seen, and the object is that of this upload, by its id.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use keys::object::{ETag, Facts, PartSealer, RangeOpener};
use md5::{Digest, Md5};
use s3s::S3ErrorCode;

use super::super::Call;
use super::super::ahead::Begun;
use super::super::aside::{self, Aside};
use super::super::multipart::{end, read_stash};
use super::super::put::{self, Scrubbed, Sealing, Settled};
use super::super::source::content_length;
use super::super::spool::OwnUpload;
use super::super::upload_id::Upload;
use crate::backend::{BackendError, Template};
use crate::body::scrub::{Learnt, Original, Plaintext, is_refusal};
use crate::body::seal::{Finish, body_error, seal};
use crate::body::{Body, BoxError};
use crate::leases::Lease;
use crate::leases::job::JobLease;
use crate::ops::precondition::Precondition;
use crate::ops::stored::answered;
use crate::s3::Error;
use crate::s3::intake::{Intake, IntakeOptions};
use crate::sidecar::{IntentId, PartAttempt};
use crate::telemetry::ScrubOutcome;
use crate::vault::{Refused, Vault};

/// What is then to be completed.
pub enum Filled {
    /// All of it is there.
    Sealed {
        /// Numbers and the backend's `ETag`s of its parts.
        numbered: Vec<(usize, String)>,
        /// What it is now.
        facts: Facts,
        /// The intent of the write.
        intent: IntentId,
        /// That nobody else writes the key, where that is needed.
        lease: Option<Lease>,
    },
    /// The backend no longer has the upload.
    Gone(Error),
}

/// Whether the parts go this way: since a policy wants to see them, or did when they were uploaded.
pub fn is_needed(call: &Call, chosen: &[PartAttempt]) -> Result<bool, Error> {
    let enforced = call.policies.enforced(call.bucket()?, call.key()?).is_some();
    let stashed = |attempt: &PartAttempt| attempt.stash.is_some();
    let all = chosen.iter().all(stashed);
    if enforced && !all {
        return Err(Error::client(
            S3ErrorCode::InvalidPart,
            "Parts of this upload came before the bucket had its scrub policy; upload them again",
        ));
    }
    let early = chosen.split_last().is_some_and(|(_, others)| others.iter().any(stashed));
    if early && !all {
        return Err(Error::client(
            S3ErrorCode::InvalidPart,
            "Parts of this upload came before and after a change of the bucket's scrub policy; upload them again",
        ));
    }
    Ok(enforced || early)
}

/// Does it. `received`: what the parts are as they were uploaded; `parts`: where they are; `alone`: that nobody else does.
#[expect(clippy::too_many_arguments, reason = "what a Complete has found out so far, each another thing")]
pub async fn fill(
    call: &Call,
    upload: &Upload,
    chosen: Vec<PartAttempt>,
    received: &Facts,
    parts: Template,
    condition: &Precondition<'_>,
    sealing: &mut Sealing,
    alone: Option<Arc<JobLease>>,
) -> Result<Filled, Error> {
    let vault = &call.vault;
    // An error inside a 200 is sent again by most clients, several times: that is not scrubbed, nor put aside, once more.
    let asked = asked(upload, &chosen);
    if let Some((code, message)) = vault.refused.get(&asked) {
        return Err(Error::client(code, message));
    }
    let oid = upload.object.oid();
    let policy = call.policies.enforced(&sealing.at.bucket, &sealing.at.key);
    // What the upload was created with, for the object to be.
    let known = vault.sidecar.uploads(call.bucket()?, std::slice::from_ref(&upload.backend_id)).await?;
    let created = aside::headers(&known.into_iter().flatten().next().map(|known| known.headers).unwrap_or_default())?;
    let id = aside::id_of(oid, chosen.iter().map(|part| (part.number, hex::encode(part.entry.md5))))?;
    let opened = |chosen| {
        let opener = RangeOpener::new(&upload.object, received, 0..received.length)?;
        Ok::<_, Error>(crate::body::open::open(stashes(vault.clone(), chosen), opener, vault.metrics.clone()))
    };
    // The parts stay in the stash until all is done, so that what came can be read again.
    let original = Original { body: opened(chosen.clone())?, length: received.length };
    // Its parts were scrubbed as they came, or all of it is to be done now.
    let begun = vault.ahead.hand_over(oid, policy, &chosen).await;
    let (work, prefix) = if let (Some(begun), Some(policy)) = (begun, policy) {
        begun.seen.keep(original).map_err(|_| Error::Internal("a lock was poisoned".into()))?;
        sealing.scrub = Some(Scrubbed::begin(policy, &sealing.at.key, &created, begun.seen.clone())?);
        let prefix = begun.prefix;
        (Work::Rest(Box::new(begun)), prefix)
    } else {
        let options = IntakeOptions {
            max_length: u64::MAX,
            ..put::intake_options(vault, call.bucket()?, upload.checksum.map(|(algorithm, _)| algorithm))
        };
        let intake = Intake::of_ours(opened(chosen)?, received.length, options)?;
        let plaintext = put::under_policy(call, sealing, &created, intake, Learnt::of(original))?;
        let sealer = PartSealer::new(&upload.object, 1)?;
        let prefix = sealer.prefix();
        (Work::All(Box::new((plaintext, sealer))), prefix)
    };
    if let (Some(scrubbed), ETag::Multipart(md5)) = (&mut sealing.scrub, received.etag) {
        scrubbed.etag = Some(ETag::Received { md5, parts: received.part_count });
    }
    let aside = Aside::once(sealing, &created, id);
    let settled = Settled::default();
    let finish = put::finish(vault, sealing, upload.etag, prefix, condition.under_lease()?, settled.clone());
    let own = OwnUpload::existing(vault, parts, upload.backend_id.clone(), oid);
    let filled = match alone {
        Some(alone) => {
            let message = work.sealed(if_still(alone.clone(), finish));
            alone.during(async { Ok(own.fill_with(message).await) }).await
        }
        None => Ok(own.fill_with(work.sealed(finish)).await),
    };
    let settled = settled.lock().map_err(|_| Error::Internal("a lock was poisoned".into()))?.take();
    let refused = match filled {
        Ok(Ok(Ok(etags))) => {
            let Some((facts, intent, lease)) = settled else {
                return Err(Error::Protocol("the backend acknowledged parts that it had not read".into()));
            };
            let numbered = (1..).zip(etags).collect();
            return Ok(Filled::Sealed { numbered, facts, intent, lease });
        }
        Ok(Ok(Err(refused))) => Ok(refused),
        Ok(Err(BackendError::Body(e))) => {
            let refused = aside.instead_of(vault, body_error(e)).await?;
            if sealing.scrub.as_ref().is_some_and(|scrubbed| scrubbed.seen.aside.get().is_some()) {
                // All of it is durable in quarantine: nothing is left to be completed.
                vault.metrics.scrub.ended(&sealing.at.bucket, ScrubOutcome::Quarantined);
                own.drop_at_backend().await;
                end(vault, oid).await;
            } else if is_refusal(&refused)
                && let Error::Client { code, message } = &refused
            {
                vault.metrics.scrub.ended(&sealing.at.bucket, ScrubOutcome::Refused);
                // The note of one in quarantine says it.
                vault.refused.insert(asked, (code.clone(), message.clone()));
            }
            Err(refused)
        }
        Ok(Err(e)) => Err(e.into()),
        Err(lost) => Err(lost),
    };
    // Nothing is at the object's place.
    put::abandon(vault, settled.map(|(_, intent, _)| intent)).await;
    let refused = refused?;
    let gone = refused.status() == http::StatusCode::NOT_FOUND;
    let error = answered(refused).await;
    if gone { Ok(Filled::Gone(error)) } else { Err(error) }
}

/// What is still to be done of it.
enum Work {
    /// What was not yet done when it was completed.
    Rest(Box<Begun>),
    /// All of it.
    All(Box<(Plaintext, PartSealer)>),
}

impl Work {
    /// The sealed message.
    fn sealed(self, finish: Finish) -> Body {
        match self {
            Self::Rest(begun) => begun.sealed(finish),
            Self::All(whole) => seal(whole.0, whole.1, finish),
        }
    }
}

/// These very attempts of this upload.
fn asked(upload: &Upload, chosen: &[PartAttempt]) -> Refused {
    let mut attempts = Md5::new();
    for attempt in chosen {
        attempts.update(attempt.entry.prefix);
    }
    (upload.object.oid(), attempts.finalize().into())
}

/// What is kept beside the object is written before its end: not where another may be at that.
fn if_still(alone: Arc<JobLease>, finish: Finish) -> Finish {
    Box::new(move |received| {
        Box::pin(async move {
            alone.check().await?;
            finish(received).await
        })
    })
}

/// The sealed parts, one behind the other.
fn stashes(vault: Arc<Vault>, chosen: Vec<PartAttempt>) -> Body {
    let bodies = stream::iter(chosen).then(move |attempt| {
        let vault = vault.clone();
        async move { stashed(&vault, &attempt).await.map_err(|e| Box::new(e) as BoxError) }
    });
    let frames = bodies.map_ok(|(body, _)| body.into_data_stream().map_ok(Frame::data)).try_flatten();
    StreamBody::new(frames).boxed_unsync()
}

/// A part that waits in the stash, and its length as it is sealed.
pub async fn stashed(vault: &Vault, attempt: &PartAttempt) -> Result<(Body, u64), Error> {
    let Some(stash) = &attempt.stash else { return Err(Error::Internal("a part that is in no stash".into())) };
    let response = read_stash(vault, stash, &attempt.backend_etag).await?;
    let length = content_length(response.headers())?;
    if length != keys::cobblestone::sealed_len(attempt.entry.length) {
        return Err(keys::Error::Inconsistent("a stashed part has another length than was sealed").into());
    }
    Ok((response.into_body(), length))
}
