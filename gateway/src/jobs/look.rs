//! An object as a job reads it: opened where it is sealed, as it is where it is not, and looked into on a thread of its own.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body_util::BodyExt;
use md5::{Digest as _, Md5};
use s3s::S3ErrorCode;
use scrub::format::{self, FormatError, Job, Summary};
use tokio::sync::mpsc;

use super::tally::{Outcome, Seen};
use super::walk::Log;
use super::{JobError, StateError};
use crate::backend::{BackendRequest, Signer};
use crate::body::seal::body_error;
use crate::body::{self, Body};
use crate::cli::chain;
use crate::ops::copy;
use crate::ops::pages::Entry;
use crate::ops::rebuild::of_the_object;
use crate::ops::source::{Source, succeeded};
use crate::ops::stored::{Look, has_tags, header_digest};
use crate::ops::{etag_of, set};
use crate::s3::Error;
use crate::s3::checksum::Hasher;
use crate::sidecar::{ObjectAt, ObjectRecord};
use crate::vault::Vault;
use keys::object::{ChecksumKind, ETag, Facts};

/// What is read of an object first: its end, or all of a small one.
const SUFFIX: u64 = 64 << 10;
/// Frames that wait for the engine.
const FRAMES: usize = 8;
/// How often an object is begun again that is replaced while it is read, or that the backend breaks off.
const TRIES: u32 = 4;
/// How long the first of those waits; each further one twice as long.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 500 });

/// An object that is open.
pub struct Object {
    /// Its name, with the version that it was answered with.
    pub at: ObjectAt,
    /// What is stored with it, tags as a write has them among it.
    pub headers: HeaderMap,
    /// The backend's `ETag`, without quotes.
    pub etag: String,
    /// Digest of its header; none of plaintext.
    pub header: Option<[u8; 16]>,
    /// Bytes of its plaintext.
    pub length: u64,
    /// What it says of itself; none of plaintext.
    pub sealed: Option<ObjectRecord>,
    /// Its plaintext, every byte of which is authenticated, where it was sealed.
    pub body: Body,
}

/// Why an object is not done with.
pub enum Stop {
    /// It is no longer what it was when it was looked at.
    Changed,
    /// Something failed.
    Failed(Error),
    /// The job cannot go on.
    Job(JobError),
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::Job(error.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if is_overtaken(&error) { Self::Changed } else { Self::Failed(error) }
    }
}

/// Whether a condition of ours did not hold.
pub fn is_overtaken(error: &Error) -> bool {
    match error {
        Error::Answered { status: StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT, .. } => true,
        Error::Client { code, .. } => *code == S3ErrorCode::PreconditionFailed,
        _ => false,
    }
}

/// Reads an object. `takes_plain`: plaintext in whatever bucket; else in a `migrating` one only.
pub async fn read(vault: &Arc<Vault>, at: &ObjectAt, signer: &Signer, takes_plain: bool) -> Result<Object, Stop> {
    let source = Source::at(vault, at.clone(), signer.clone());
    let source = if takes_plain { source.taking_plain() } else { source };
    let mut object = match source.look(SUFFIX, true).await? {
        Look::Sealed(sealed) => {
            let (stored, facts) = (&sealed.stored, &sealed.facts);
            let body = if sealed.suffix.len() as u64 == stored.total {
                let (_, plaintext) = keys::object::open_whole(&stored.object, &sealed.suffix).map_err(Error::Sealed)?;
                body::full(plaintext)
            } else {
                match source.open(&stored.backend_etag, facts, 0..facts.length).await? {
                    Ok(opened) => opened.plaintext,
                    Err(_) => return Err(Stop::Changed),
                }
            };
            Object {
                at: stored.at.clone(),
                headers: stored.headers.clone(),
                etag: stored.backend_etag.clone(),
                header: header_digest(&stored.headers),
                length: facts.length,
                sealed: Some(stored.record(Facts::clone(facts))),
                body,
            }
        }
        Look::Plain(plain) => {
            let response = vault.backend.call(source.request(Method::GET, None, Some(&plain.etag))?).await;
            let response = succeeded(response.map_err(Error::from)?).await?;
            if etag_of(response.headers()) != plain.etag || header_digest(response.headers()).is_some() {
                return Err(Stop::Changed);
            }
            let version_id = crate::ops::version_of(response.headers()).or_else(|| at.version_id.clone());
            Object {
                at: ObjectAt { version_id, ..at.clone() },
                headers: plain.headers,
                etag: plain.etag,
                header: None,
                length: plain.length,
                sealed: None,
                body: response.into_body(),
            }
        }
    };
    if has_tags(&object.headers) {
        let request = BackendRequest::about(Method::GET, &at.bucket, &at.key, signer.clone());
        if let Some(tags) = copy::tags(vault, request, at.version_id.as_deref()).await? {
            set(&mut object.headers, HeaderName::from_static("x-amz-tagging"), &tags)?;
        }
    }
    Ok(object)
}

/// What the engine finds in a body. The outer error: the body could not be read.
pub async fn look_into(mut body: Body, job: Job) -> Result<Result<Summary, FormatError>, Error> {
    let (frames, to_engine) = mpsc::channel::<io::Result<Bytes>>(FRAMES);
    let engine = tokio::task::spawn_blocking(move || {
        let mut source = Frames { frames: to_engine, frame: Bytes::new() };
        format::scrub(&mut source, &mut io::sink(), &job)
    });
    let mut failed = None;
    while let Some(frame) = body.frame().await {
        let sent = match frame {
            Ok(frame) => frames.send(Ok(frame.into_data().unwrap_or_default())).await,
            Err(error) => {
                failed = Some(body_error(error));
                frames.send(Err(io::ErrorKind::BrokenPipe.into())).await
            }
        };
        // An engine that takes no more has made up its mind.
        if failed.is_some() || sent.is_err() {
            break;
        }
    }
    drop(frames);
    let summary = engine.await.map_err(|_| Error::Internal("the scrub engine failed".into()))?;
    failed.map_or(Ok(summary), Err)
}

/// Frames, to be read.
struct Frames {
    frames: mpsc::Receiver<io::Result<Bytes>>,
    frame: Bytes,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.frame.is_empty() {
            match self.frames.blocking_recv() {
                Some(frame) => self.frame = frame?,
                None => return Ok(0),
            }
        }
        let len = self.frame.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.frame.split_to(len));
        Ok(len)
    }
}

/// Reads a body to its end and compares it with what its object says of itself. `Ok(Err(_))`: it is something else.
pub async fn verify(mut body: Body, facts: &Facts) -> Result<Result<(), &'static str>, Error> {
    let (mut length, mut md5) = (0, Md5::new());
    let wanted = facts.checksum.filter(|sum| sum.kind == ChecksumKind::FullObject);
    let mut hasher = wanted.map(|sum| Hasher::new(sum.algorithm));
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(body_error)?.into_data().unwrap_or_default();
        length += data.len() as u64;
        md5.update(&data);
        if let Some(hasher) = &mut hasher {
            hasher.update(&data);
        }
    }
    let md5: [u8; 16] = md5.finalize().into();
    Ok(if length != facts.length {
        Err("its length is another")
    } else if matches!(facts.etag, ETag::Md5(wanted) if wanted != md5) {
        Err("its MD5 is another")
    } else if hasher.map(Hasher::finish) != wanted {
        Err("its checksum is another")
    } else {
        Ok(())
    })
}

/// What an error is to a job.
enum Trouble {
    /// The object is gone.
    Vanished,
    /// This object cannot be treated.
    Object(String),
    /// Nor could another be, now.
    Away(Error),
}

impl Trouble {
    fn of(error: Error) -> Self {
        match error {
            Error::Answered { status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, .. } => Self::Vanished,
            Error::Answered {
                status: StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT,
                ..
            }
            | Error::Intake(_) => Self::Away(error),
            error if of_the_object(&error) => Self::Object(chain(&error)),
            error => Self::Away(error),
        }
    }
}

/// Treats an object until that is done: again where it was replaced meanwhile or the backend broke off. Error: the job cannot go on.
pub async fn persist(
    entry: &Entry,
    log: &Log,
    mut once: impl AsyncFnMut() -> Result<Seen, Stop>,
) -> Result<Seen, JobError> {
    let seen = |outcome| Seen::of(&entry.at.key, entry.at.version_id.as_deref(), outcome);
    for attempt in 1.. {
        let last = attempt == TRIES;
        let error = match once().await {
            Ok(seen) => return Ok(seen),
            Err(Stop::Changed) if last => return Ok(seen(Outcome::Changed)),
            Err(Stop::Changed) => continue,
            Err(Stop::Job(error)) => return Err(error),
            Err(Stop::Failed(error)) => error,
        };
        match Trouble::of(error) {
            Trouble::Vanished => return Ok(seen(Outcome::Vanished)),
            Trouble::Object(why) => return Ok(seen(Outcome::Failed).because(why)),
            Trouble::Away(error) if last => return Err(log.cut_off(error)),
            Trouble::Away(error) => {
                tracing::warn!(%error, "an object is read again");
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
            }
        }
    }
    Ok(seen(Outcome::Changed))
}

#[cfg(test)]
mod tests {
    use super::super::state::State;
    use super::super::tally::Tally;
    use super::*;

    fn entry() -> Entry {
        let at = ObjectAt { bucket: "b".into(), key: "k".into(), version_id: None };
        Entry { at, size: 0, latest: true }
    }

    #[tokio::test]
    async fn an_object_is_tried_again_and_a_job_ends_where_nothing_helps() {
        let log = Log::new(State::nowhere(), Tally::new(1), indicatif::ProgressBar::hidden());
        let entry = entry();
        let mut tries = 0;
        let done = persist(&entry, &log, || {
            tries += 1;
            let turn = tries;
            async move {
                match turn {
                    1 => Err(Stop::Changed),
                    2 => Err(Stop::Failed(crate::backend::BackendError::Timeout.into())),
                    _ => Ok(Seen::of("k", None, Outcome::Clean)),
                }
            }
        });
        assert_eq!(done.await.unwrap().outcome, Outcome::Clean);
        let away = persist(&entry, &log, || async { Err(Stop::Failed(crate::backend::BackendError::Timeout.into())) });
        assert!(away.await.is_err());
        let changed = persist(&entry, &log, || async { Err(Stop::Changed) });
        assert_eq!(changed.await.unwrap().outcome, Outcome::Changed);
        let stripped = persist(&entry, &log, || async { Err(Stop::Failed(Error::Stripped)) });
        let stripped = stripped.await.unwrap();
        assert_eq!(stripped.outcome, Outcome::Failed);
        assert!(stripped.why.unwrap().contains("lost its sealed header"));
    }

    #[tokio::test]
    async fn what_is_read_back_is_compared() {
        let mut facts = Facts {
            length: 3,
            etag: ETag::Md5(Md5::digest(b"abc").into()),
            checksum: None,
            part_count: 1,
            first_number: 1,
            first_prefix: [0; 56],
            parts: Vec::new(),
        };
        assert_eq!(verify(body::full("abc"), &facts).await.unwrap(), Ok(()));
        assert_eq!(verify(body::full("abd"), &facts).await.unwrap(), Err("its MD5 is another"));
        assert_eq!(verify(body::full("ab"), &facts).await.unwrap(), Err("its length is another"));
        let mut hasher = Hasher::new(keys::object::ChecksumAlgorithm::Crc32);
        hasher.update(b"abd");
        facts.checksum = Some(hasher.finish());
        assert_eq!(verify(body::full("abc"), &facts).await.unwrap(), Err("its checksum is another"));
    }
}
