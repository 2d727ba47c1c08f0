//! Uploads whose parts are scrubbed in their order as they arrive: one engine reads the stash while the client still sends, and what is sealed of it waits in the system
//! bucket, in pieces. Complete says what follows, gets the sealed message from its beginning, and goes on with it; where it lists other parts than were read, or another
//! policy holds, it begins anew.
//!
//! What was done ahead is in this process alone, is nothing that anybody relies on, and touches nothing of the upload: it can be dropped at any moment. Part 1 begins
//! it, since the order of what has come is known from there.

mod parts;
mod pieces;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use keys::Oid;
use keys::object::{ETag, Facts, PartSealer, Prefix, RangeOpener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;

use self::parts::Parts;
use self::pieces::Pieces;
use super::complete::restream::stashed;
use super::multipart::held;
use super::put;
use super::upload_id::Upload;
use super::upload_part::MIN_PART;
use crate::body::scrub::{Learnt, Plaintext, Scrubbing, Seen, is_refusal};
use crate::body::seal::{Finish, seal};
use crate::body::{Body, BoxError};
use crate::config::Config;
use crate::s3::Error;
use crate::s3::intake::{Intake, IntakeOptions};
use crate::scrubbing::BucketPolicy;
use crate::sidecar::{ObjectAt, PartAttempt};
use crate::telemetry::Metrics;
use crate::vault::Vault;

pub use self::pieces::is_piece;

/// Those of a gateway.
pub struct Ahead {
    /// How long one waits for the next part.
    idle: Duration,
    /// How long one may go on in all.
    lasts: Duration,
    /// A place for each.
    places: Arc<Semaphore>,
    workers: Mutex<HashMap<Oid, Worker>>,
    metrics: Arc<Metrics>,
}

/// One upload that is scrubbed ahead. It stops when this is dropped.
struct Worker {
    policy: Arc<BucketPolicy>,
    parts: Arc<Parts>,
    task: Option<JoinHandle<Option<Begun>>>,
}

/// What was made of an upload so far, for a Complete to go on with. What waits in the system bucket is deleted when this is dropped.
pub struct Begun {
    /// What is learnt of the plaintext.
    pub seen: Seen,
    /// Of the message that is made.
    pub prefix: Prefix,
    /// Takes what is done at its end.
    finish: oneshot::Sender<Finish>,
    /// The sealed message: its beginning,
    pieces: Pieces,
    /// what follows that,
    next: Bytes,
    /// and the rest, as it is made.
    rest: Body,
    /// Of those that may be under way.
    place: Arc<OwnedSemaphorePermit>,
}

impl Begun {
    /// The sealed message, from its beginning. `finish`: what is done once all of the plaintext was read.
    pub fn sealed(self, finish: Finish) -> Body {
        let Self { finish: to, pieces, next, rest, place, .. } = self;
        // One that was refused comes to no end.
        let _ = to.send(finish);
        let next = stream::once(async move { Ok(next) });
        let rest = rest.into_data_stream().inspect(move |_| {
            let _held = &place;
        });
        let frames = pieces.replay().chain(next).chain(rest);
        StreamBody::new(frames.map(|frame| frame.map(Frame::data))).boxed_unsync()
    }
}

impl Ahead {
    /// None is under way.
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        Self {
            idle: config.limits.scrub_ahead_idle,
            lasts: config.server.request_timeout,
            places: Arc::new(Semaphore::new(config.limits.scrub_ahead)),
            workers: Mutex::default(),
            metrics,
        }
    }

    /// A part waits in the stash of an upload that `policy` wants to see.
    pub fn arrived(
        &self,
        vault: &Arc<Vault>,
        (at, policy): (&ObjectAt, &Arc<BucketPolicy>),
        upload: &Upload,
        part: &PartAttempt,
    ) -> Result<(), Error> {
        let oid = upload.object.oid();
        let mut workers = self.workers();
        if let Some(worker) = workers.get(&oid) {
            if worker.parts.arrived(part) {
                return Ok(());
            }
            // What was read of it is not what it is now.
            workers.remove(&oid);
            self.metrics.scrub.ahead("dropped");
        }
        // One that is shorter is the last.
        if part.number != 1 || part.entry.length < MIN_PART {
            return Ok(());
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else { return Ok(()) };
        let sealer = PartSealer::new(&upload.object, 1)?;
        let parts = Arc::new(Parts::of(part.clone()));
        let work = Work {
            vault: vault.clone(),
            at: at.clone(),
            upload: upload.clone(),
            policy: policy.clone(),
            parts: parts.clone(),
            place: Arc::new(place),
        };
        let task = Some(tokio::spawn(work.run(sealer)));
        workers.insert(oid, Worker { policy: policy.clone(), parts, task });
        Ok(())
    }

    /// What was made of the first of the parts that a Complete chose, under this policy, to go on with the others; none: all is to be done anew.
    pub async fn hand_over(
        &self,
        upload: Oid,
        policy: Option<&Arc<BucketPolicy>>,
        chosen: &[PartAttempt],
    ) -> Option<Begun> {
        let mut worker = self.workers().remove(&upload)?;
        let same = policy.is_some_and(|policy| Arc::ptr_eq(policy, &worker.policy));
        let task = worker.task.take().filter(|_| same && worker.parts.hand_over(chosen));
        // It comes to an end as soon as the piece is written that it is at.
        let begun = match task {
            Some(task) => task.await.ok().flatten(),
            None => None,
        };
        self.metrics.scrub.ahead(if begun.is_some() { "used" } else { "dropped" });
        begun
    }

    /// Ends that of an upload, if there is one.
    pub fn stop(&self, upload: Oid) {
        if self.workers().remove(&upload).is_some() {
            self.metrics.scrub.ahead("dropped");
        }
    }

    fn workers(&self) -> MutexGuard<'_, HashMap<Oid, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.parts.stop.cancel();
    }
}

/// All that a worker needs.
struct Work {
    vault: Arc<Vault>,
    at: ObjectAt,
    upload: Upload,
    policy: Arc<BucketPolicy>,
    parts: Arc<Parts>,
    place: Arc<OwnedSemaphorePermit>,
}

/// Forgets a worker that ends, however it does.
struct Over {
    vault: Arc<Vault>,
    upload: Oid,
    parts: Arc<Parts>,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.parts.end();
        let ahead = &self.vault.ahead;
        let mut workers = ahead.workers();
        if workers.get(&self.upload).is_some_and(|worker| Arc::ptr_eq(&worker.parts, &self.parts)) {
            workers.remove(&self.upload);
            ahead.metrics.scrub.ahead("dropped");
        }
    }
}

impl Work {
    /// Works until a Complete takes over; none where it cannot.
    async fn run(self, sealer: PartSealer) -> Option<Begun> {
        let (vault, parts) = (self.vault.clone(), self.parts.clone());
        let _over = Over { vault: vault.clone(), upload: self.upload.object.oid(), parts: parts.clone() };
        let begun = async { tokio::time::timeout(vault.ahead.lasts, self.work(sealer)).await };
        tokio::select! {
            biased;
            () = parts.stop.cancelled() => None,
            begun = begun => match begun.ok()? {
                Ok(begun) => begun,
                Err(e) => {
                    tracing::debug!(error = %e, "an upload is not scrubbed ahead any more");
                    None
                }
            },
        }
    }

    async fn work(self, sealer: PartSealer) -> Result<Option<Begun>, BoxError> {
        let Self { vault, at, upload, policy, parts, place } = self;
        let earlier = held(vault.sidecar.parts(upload.object.oid()).await?, None).into_iter().map(|part| part.attempt);
        parts.came(earlier.filter(|part| part.stash.is_some() && part.number > 1));
        let options = IntakeOptions {
            max_length: u64::MAX,
            // How long it waits for a part is told where that comes from, and the backend has a limit of its own.
            idle_timeout: Duration::MAX,
            ..put::intake_options(&vault, &at.bucket, upload.checksum.map(|(algorithm, _)| algorithm))
        };
        let (seen, prefix) = (Learnt::awaited(), sealer.prefix());
        let intake = Intake::of_ours(plaintext(&vault, &upload, parts.clone()), None, options)?;
        let scrubbing = Scrubbing::begin(&vault, &at, &policy, place.clone(), intake, &seen)?;
        let (finish, ends) = oneshot::channel::<Finish>();
        let at_end: Finish = Box::new(|received| {
            Box::pin(async move {
                let finish = ends.await.map_err(|_| Error::Internal("a Complete that went away".into()))?;
                finish(received).await
            })
        });
        let mut rest = seal(Plaintext::Scrubbed(Box::new(scrubbing)), sealer, at_end);
        let mut pieces = Pieces::new(&vault, upload.object.oid());
        let (mut next, size) = (BytesMut::new(), vault.config.limits.body_in_memory);
        loop {
            let frame = tokio::select! {
                biased;
                () = parts.taken.cancelled() => break,
                frame = rest.frame() => frame,
            };
            match frame {
                Some(Ok(frame)) => next.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(e)) if e.downcast_ref().is_some_and(is_refusal) => {
                    // What was read is refused whatever follows: the Complete says so.
                    tokio::time::timeout(vault.ahead.idle, parts.taken.cancelled()).await?;
                    (rest, pieces, next) = (failed(e), Pieces::new(&vault, upload.object.oid()), BytesMut::new());
                    break;
                }
                Some(Err(e)) => return Err(e),
                None => return Err("a message that ended before its Complete".into()),
            }
            while next.len() > size {
                pieces.write(next.split_to(size).freeze()).await?;
            }
        }
        Ok(Some(Begun { seen, prefix, finish, pieces, next: next.freeze(), rest, place }))
    }
}

/// A body that fails.
fn failed(error: BoxError) -> Body {
    StreamBody::new(stream::once(async move { Err(error) })).boxed_unsync()
}

/// The plaintext of the parts, as they come.
fn plaintext(vault: &Arc<Vault>, upload: &Upload, parts: Arc<Parts>) -> Body {
    let (vault, object, idle) = (vault.clone(), upload.object.clone(), vault.ahead.idle);
    let attempts = stream::try_unfold(parts, move |parts| async move {
        Ok::<_, BoxError>(parts.next(idle).await?.map(|part| (part, parts)))
    });
    let opened = attempts.and_then(move |part| {
        let (vault, object) = (vault.clone(), object.clone());
        async move {
            let boxed = |e: Error| Box::new(e) as BoxError;
            let length = part.entry.length;
            // Of an object that is this one part.
            let facts = Facts {
                length,
                etag: ETag::Opaque([0; 16]),
                checksum: None,
                part_count: 1,
                first_number: part.number,
                first_prefix: part.entry.prefix,
                parts: Vec::new(),
            };
            let opener = RangeOpener::new(&object, &facts, 0..length).map_err(|e| boxed(e.into()))?;
            let (sealed, _) = stashed(&vault, &part).await.map_err(boxed)?;
            Ok(crate::body::open::open(sealed, opener, vault.metrics.clone()).into_data_stream())
        }
    });
    StreamBody::new(opened.try_flatten().map(|frame| frame.map(Frame::data))).boxed_unsync()
}
