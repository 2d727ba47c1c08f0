//! The client's plaintext on its way through the scrub engine, on a thread of its own: the engine and what opens formats are not async.
//!
//! Between the two are channels of a few frames, so that a slow side slows the other. While a thread waits for one of them it gives its slot back:
//! a slow client takes memory for one file, never a processor's turn.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use keys::object::ETag;
use md5::{Digest as _, Md5};
use s3s::S3ErrorCode;
use scrub::format::stage::Stage;
use scrub::format::{self, Control, FormatError, Pause, Summary};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::{Body, BoxError};
use crate::s3::Error;
use crate::s3::checksum::Hasher;
use crate::s3::intake::{Intake, Received};
use crate::scrubbing::BucketPolicy;
use crate::sidecar::ObjectAt;
use crate::telemetry::{Metrics, ScrubOutcome};
use crate::tokens::writing::ObjectTokens;
use crate::vault::Vault;

/// Frames that wait between the client and the engine, and between the engine and the seal.
const FRAMES: usize = 8;
/// Bytes of a frame from the engine.
const FRAME: usize = 64 * 1024;

/// Bytes of what came that are kept in memory; beyond it, in a file without a name, sealed.
const KEPT_IN_MEMORY: usize = 1 << 20;

/// What is learnt of a body on its way.
#[derive(Default)]
pub struct Learnt {
    /// What was found in it, once its end is there.
    pub summary: OnceLock<Summary>,
    /// The `ETag` of what came, where what is made of it is stored.
    pub etag: OnceLock<ETag>,
    /// Why it is to be put aside, where it could not be scrubbed.
    pub aside: OnceLock<String>,
    /// What came, while that may still be wanted.
    original: Mutex<Kept>,
}

/// Whether what came can be read again.
#[derive(Default)]
enum Kept {
    /// Not if the engine does not keep it.
    #[default]
    No,
    /// It will be, by whom the result is for.
    Awaited,
    /// It can.
    Is(Original),
}

/// The same, by all that have to do with the body.
pub type Seen = Arc<Learnt>;

/// A plaintext as it came.
pub struct Original {
    /// Its bytes.
    pub body: Body,
    /// How many.
    pub length: u64,
}

impl Learnt {
    /// Of a body that can be read again.
    pub fn of(original: Original) -> Seen {
        Arc::new(Self { original: Mutex::new(Kept::Is(original)), ..Self::default() })
    }

    /// The same, where who wants the result will [give](Self::keep) what it is read again from.
    pub fn awaited() -> Seen {
        Arc::new(Self { original: Mutex::new(Kept::Awaited), ..Self::default() })
    }

    /// What came.
    pub fn take_original(&self) -> Result<Option<Original>, Error> {
        let mut kept = self.original.lock().map_err(|_| Error::Internal("a lock was poisoned".into()))?;
        match std::mem::take(&mut *kept) {
            Kept::Is(original) => Ok(Some(original)),
            Kept::No | Kept::Awaited => Ok(None),
        }
    }

    /// Whether it is kept by others than the engine.
    fn is_kept(&self) -> bool {
        self.original.lock().is_ok_and(|kept| !matches!(*kept, Kept::No))
    }

    /// What came can be read again from this.
    pub fn keep(&self, original: Original) -> Result<(), io::Error> {
        *self.original.lock().map_err(|_| io::Error::other("a lock was poisoned"))? = Kept::Is(original);
        Ok(())
    }
}

/// A plaintext to be sealed.
pub enum Plaintext {
    /// As the client sent it.
    Client(Box<Intake>),
    /// Looked into, and changed where that is wanted.
    Scrubbed(Box<Scrubbing>),
}

impl From<Intake> for Plaintext {
    fn from(intake: Intake) -> Self {
        Self::Client(Box::new(intake))
    }
}

impl Plaintext {
    /// The next bytes, never empty; none once all that vouches for them holds. After an error there is nothing but errors.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Client(intake) => intake.next().await,
            Self::Scrubbed(scrubbing) => scrubbing.next().await,
        }
    }

    /// What came; so far, until [`Self::next`] has told the end.
    pub fn received(&self) -> Received {
        match self {
            Self::Client(intake) => intake.received(),
            Self::Scrubbed(scrubbing) => scrubbing.received(),
        }
    }

    /// Its length, where that is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Client(intake) => intake.length(),
            Self::Scrubbed(scrubbing) if scrubbing.changed.is_none() => scrubbing.intake.length(),
            Self::Scrubbed(_) => None,
        }
    }
}

/// A body that the engine looks into.
pub struct Scrubbing {
    intake: Intake,
    /// To the engine; gone once the client's body has ended.
    input: Option<mpsc::Sender<Bytes>>,
    /// What comes in the place of the client's body; none where only the findings are wanted.
    changed: Option<Changed>,
    engine: Option<JoinHandle<Result<Summary, FormatError>>>,
    policy: Arc<BucketPolicy>,
    bucket: String,
    metrics: Arc<Metrics>,
    seen: Seen,
    /// Where its short tokens are kept.
    tokens: Option<Arc<ObjectTokens>>,
    /// A client sends it, and reads no answer before it has sent it.
    sent: bool,
    failed: bool,
}

/// What comes first.
enum Event {
    /// Bytes of the engine, or its end.
    Out(Option<Bytes>),
    /// It was given bytes, or never will be again.
    In { more: bool },
}

/// Waits until the engine takes bytes, and gives it the client's next ones; for ever where the client has no more. Says whether there was any of both. Cancel safe.
async fn feed(input: Option<&mpsc::Sender<Bytes>>, intake: &mut Intake) -> Result<bool, Error> {
    let Some(input) = input else { return std::future::pending().await };
    let Ok(room) = input.reserve().await else { return Ok(false) };
    let bytes = intake.next().await?;
    Ok(bytes.map(|bytes| room.send(bytes)).is_some())
}

/// What the engine gives, and its digests.
struct Changed {
    output: mpsc::Receiver<Bytes>,
    md5: Option<Md5>,
    checksum: Option<Hasher>,
    received: Received,
}

impl Scrubbing {
    /// Begins. `place`: its own among the bodies under way, held as long as the engine is.
    pub fn begin(
        vault: &Arc<Vault>,
        at: &ObjectAt,
        policy: &Arc<BucketPolicy>,
        place: impl Send + 'static,
        intake: Intake,
        seen: &Seen,
    ) -> Result<Self, Error> {
        let mut job = policy.job_of(at).map_err(|_| Error::Internal("the key of a scrub".into()))?;
        let tokens = policy.has_vault().then(|| Arc::new(ObjectTokens::new(vault, &at.bucket)));
        if let Some(tokens) = &tokens {
            job.actor = job.actor.map(|actor| actor.with_vault(tokens.clone()));
        }
        let (slots, rate) = (vault.scrubbing.slots.clone(), vault.scrubbing.rate.clone());
        let metrics = vault.metrics.clone();
        let (input, from_client) = mpsc::channel(FRAMES);
        let (to_seal, output) = mpsc::channel(FRAMES);
        let changed = policy.job.actor.is_some().then(|| Changed {
            output,
            md5: intake.options().md5.then(Md5::new),
            checksum: intake.algorithm().map(Hasher::new),
            received: Received::default(),
        });
        let sent = !seen.is_kept();
        let keeps = (policy.keeps_originals() || policy.has_quarantine()) && sent;
        let (handle, control) = (Handle::current(), Control::of(&at.key));
        let (learnt, rules, figures, given) = (seen.clone(), policy.clone(), metrics.clone(), tokens.clone());
        let engine = tokio::task::spawn_blocking(move || {
            let _place = place;
            let turn = RefCell::new(Turn { slots, slot: None, worked: Duration::ZERO, handle });
            let kept = keeps.then(|| Stage::new(KEPT_IN_MEMORY));
            let mut source = Source { input: from_client, frame: Bytes::new(), read: 0, kept, turn: &turn };
            let mut target = Target { output: to_seal, frame: BytesMut::new(), turn: &turn };
            let scrubbed = format::scrub_as(&mut source, &mut target, &job, control, Some(&Waits(&turn)))
                .and_then(|summary| target.flush().map(|()| summary).map_err(FormatError::Write));
            turn.borrow_mut().give_back();
            // What its tokens stand for is durable before the object can be.
            if let (Ok(_), Some(tokens)) = (&scrubbed, given) {
                tokens.finish();
            }
            let worked = turn.borrow().worked;
            rate.measured(source.read, worked);
            figures.scrub.worked(source.read, worked);
            let wanted = match &scrubbed {
                Ok(_) => rules.keeps_originals(),
                Err(error) => rules.puts_aside(error),
            };
            if wanted && let Some(kept) = source.whole().map_err(FormatError::Read)? {
                learnt.keep(staged(kept)).map_err(FormatError::Read)?;
            }
            scrubbed
        });
        Ok(Self {
            intake,
            input: Some(input),
            changed,
            engine: Some(engine),
            policy: policy.clone(),
            bucket: at.bucket.clone(),
            metrics,
            seen: seen.clone(),
            tokens,
            sent,
            failed: false,
        })
    }

    fn received(&self) -> Received {
        self.changed.as_ref().map_or_else(|| self.intake.received(), |changed| changed.received)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.failed {
            return Err(Error::Internal("the body failed before".into()));
        }
        let next = if self.changed.is_some() { self.changed().await } else { self.watched().await };
        self.failed = next.is_err();
        next
    }

    /// The client's bytes as they come, a copy of which goes to the engine.
    async fn watched(&mut self) -> Result<Option<Bytes>, Error> {
        if self.engine.is_none() {
            return Ok(None);
        }
        if let Some(bytes) = self.intake.next().await? {
            // An engine that cannot read on has ended; what comes is stored all the same.
            if let Some(input) = &self.input
                && input.send(bytes.clone()).await.is_err()
            {
                self.input = None;
            }
            return Ok(Some(bytes));
        }
        self.input = None;
        self.end().await?;
        Ok(None)
    }

    /// What the engine makes of the client's bytes.
    async fn changed(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(changed) = self.changed.as_mut().filter(|_| self.engine.is_some()) else { return Ok(None) };
            let event = tokio::select! {
                biased;
                bytes = changed.output.recv() => Event::Out(bytes),
                more = feed(self.input.as_ref(), &mut self.intake) => Event::In { more: more? },
            };
            match event {
                Event::Out(Some(bytes)) => {
                    changed.take(&bytes);
                    return Ok(Some(bytes));
                }
                Event::Out(None) => {
                    self.end().await?;
                    self.finish();
                    return Ok(None);
                }
                // The client has sent all, or the engine ended before that: why, its end tells.
                Event::In { more: false } => self.input = None,
                Event::In { more: true } => {}
            }
        }
    }

    /// Waits for the engine, and keeps what it says.
    async fn end(&mut self) -> Result<(), Error> {
        self.input = None;
        let Some(engine) = self.engine.take() else { return Ok(()) };
        // A panic is a bug of ours: nothing of the body is stored.
        let summary = engine.await.map_err(|_| Error::Internal("the scrub engine failed".into()))?;
        let summary = match summary {
            Ok(summary) => summary,
            // Nothing is refused where nothing is enforced, and what was not looked into is counted.
            Err(error) if self.changed.is_none() => Summary::passed(error.what()),
            Err(error) => {
                self.drain().await?;
                let outcome = if self.policy.puts_aside(&error) {
                    let _ = self.seen.aside.set(error.to_string());
                    ScrubOutcome::Quarantined
                } else {
                    ScrubOutcome::Refused
                };
                self.ended(outcome);
                return Err(refused(&error));
            }
        };
        if let Some(failure) = self.tokens.as_ref().and_then(|tokens| tokens.failure()) {
            self.drain().await?;
            self.ended(ScrubOutcome::Refused);
            return Err(failure);
        }
        // Only what vouches for the client's bytes is left of them: no engine ends before its source does.
        if self.intake.next().await?.is_some() {
            return Err(Error::Internal("the scrub engine left bytes behind".into()));
        }
        self.metrics.scrub.found(&self.bucket, &summary.findings);
        let _ = self.seen.summary.set(summary);
        Ok(())
    }

    /// What became of it; where that is not its own to say, whoever asked for it does.
    fn ended(&self, outcome: ScrubOutcome) {
        if self.sent {
            self.metrics.scrub.ended(&self.bucket, outcome);
        }
    }

    /// Reads on, so that a client which still sends gets to read the answer.
    async fn drain(&mut self) -> Result<(), Error> {
        const MOST: u64 = 16 << 20;
        if !self.sent {
            return Ok(());
        }
        let from = self.intake.received().length;
        while self.intake.received().length - from < MOST && self.intake.next().await?.is_some() {}
        Ok(())
    }

    fn finish(&mut self) {
        let received = self.intake.received();
        if let Some(changed) = &mut self.changed {
            changed.received.md5 = changed.md5.take().map(|md5| md5.finalize().into());
            if let Some(md5) = received.md5 {
                let _ = self.seen.etag.set(ETag::Received { md5, parts: 0 });
            }
            changed.received.checksum = changed.checksum.take().map(Hasher::finish);
        }
    }
}

impl Changed {
    fn take(&mut self, bytes: &[u8]) {
        self.received.length += bytes.len() as u64;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }
}

/// Why a body is refused, for its sender.
fn refused(error: &FormatError) -> Error {
    match error {
        FormatError::Blocked(blocked) => Error::client(
            S3ErrorCode::AccessDenied,
            format!("Access Denied: the object holds {}, which the policy of this bucket blocks", blocked.kind),
        ),
        FormatError::Unknown { .. } => Error::client(
            S3ErrorCode::InvalidRequest,
            format!("The object was not stored: {error}, and the policy of this bucket refuses that"),
        ),
        FormatError::Broken { .. } | FormatError::Limit(_) => {
            Error::client(S3ErrorCode::InvalidRequest, format!("The object was not stored: {error}"))
        }
        FormatError::Busy => {
            Error::client(S3ErrorCode::SlowDown, "Too many large objects are looked into. Reduce your request rate")
        }
        FormatError::Read(_) | FormatError::Write(_) => Error::Internal("the scrub engine was cut off".into()),
    }
}

/// Whether it is one of these for what the body holds, which it will hold the next time too.
pub fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Client { code: S3ErrorCode::AccessDenied | S3ErrorCode::InvalidRequest, .. })
}

/// The turn of an engine on a processor.
struct Turn {
    slots: Arc<Semaphore>,
    /// Since when.
    slot: Option<(OwnedSemaphorePermit, Instant)>,
    /// How long it had one, before.
    worked: Duration,
    handle: Handle,
}

impl Turn {
    fn take(&mut self) -> io::Result<()> {
        if self.slot.is_none() {
            let slot = self.handle.block_on(Arc::clone(&self.slots).acquire_owned());
            self.slot = Some((slot.map_err(io::Error::other)?, Instant::now()));
        }
        Ok(())
    }

    fn give_back(&mut self) {
        if let Some((_, since)) = self.slot.take() {
            self.worked += since.elapsed();
        }
    }
}

/// While it waits for memory: others, which hold that, may need a turn to come to their end.
struct Waits<'a>(&'a RefCell<Turn>);

impl Pause for Waits<'_> {
    fn pause(&self) {
        self.0.borrow_mut().give_back();
    }

    fn go_on(&self) -> io::Result<()> {
        self.0.borrow_mut().take()
    }
}

/// The client's frames, to be read.
struct Source<'a> {
    input: mpsc::Receiver<Bytes>,
    frame: Bytes,
    /// Bytes, so far.
    read: u64,
    /// All of them, where they may be wanted again.
    kept: Option<Stage>,
    turn: &'a RefCell<Turn>,
}

impl Source<'_> {
    /// All that came, and what still comes; none where it was not kept.
    fn whole(&mut self) -> io::Result<Option<Stage>> {
        if self.kept.is_none() {
            return Ok(None);
        }
        io::copy(self, &mut io::sink())?;
        self.turn.borrow_mut().give_back();
        let mut kept = self.kept.take();
        if let Some(kept) = &mut kept {
            kept.end()?;
        }
        Ok(kept)
    }
}

/// What was staged, as a body. Nothing is read before it is asked for.
fn staged(mut kept: Stage) -> Original {
    let length = kept.len();
    let frames = stream::once(async move {
        let (frames, body) = mpsc::channel(FRAMES);
        tokio::task::spawn_blocking(move || {
            let mut left = kept.len();
            while left > 0 {
                let mut frame = vec![0; FRAME.min(usize::try_from(left).unwrap_or(FRAME))];
                let read = kept.read_exact(&mut frame).map(|()| Bytes::from(frame));
                left -= read.as_ref().map_or(left, |frame| frame.len() as u64);
                // Whoever reads it may have gone away.
                if frames.blocking_send(read).is_err() {
                    return;
                }
            }
        });
        body
    });
    let frames = frames.flat_map(|body| stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) }));
    let frames = frames.map(|frame| frame.map(Frame::data).map_err(|e| Box::new(e) as BoxError));
    Original { body: StreamBody::new(frames).boxed_unsync(), length }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.frame.is_empty() {
            let frame = match self.input.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.turn.borrow_mut().give_back();
                    self.input.blocking_recv()
                }
                frame => frame.ok(),
            };
            let Some(frame) = frame else { return Ok(0) };
            self.frame = frame;
        }
        self.turn.borrow_mut().take()?;
        let len = self.frame.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.frame.split_to(len));
        if let Some(kept) = &mut self.kept {
            kept.write_all(&buffer[..len])?;
        }
        self.read += len as u64;
        Ok(len)
    }
}

/// Frames for the seal.
struct Target<'a> {
    output: mpsc::Sender<Bytes>,
    frame: BytesMut,
    turn: &'a RefCell<Turn>,
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        if self.frame.len() >= FRAME {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let frame = self.frame.split().freeze();
        if frame.is_empty() {
            return Ok(());
        }
        let frame = match self.output.try_send(frame) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(frame) | mpsc::error::TrySendError::Closed(frame)) => frame,
        };
        self.turn.borrow_mut().give_back();
        self.output.blocking_send(frame).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.turn.borrow_mut().take()
    }
}
