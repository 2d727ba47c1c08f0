//! Conditions of a write. A client means plaintext `ETag`s, so the object is looked at, and what it then comes to is made a condition of the
//! backend on the very object that was looked at: what happens in between fails there, and is looked at again.
//!
//! On a backend that ignores conditions, or some of them, a write holds a lease on its key from the last look to the backend's answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use s3s::S3ErrorCode;

use super::source::{Seen, Source};
use super::stored::{Look, header_digest};
use super::{Call, conditions, set};
use crate::backend::{BackendError, BackendRequest, Payload};
use crate::body::Body;
use crate::leases::Lease;
use crate::s3::Error;
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// How often a write is sent whose condition held each time it was looked at, and had been overtaken when it arrived.
pub const TRIES: usize = 3;

/// The condition of one write.
#[derive(Clone, Copy)]
pub struct Precondition<'a> {
    call: &'a Call,
    /// The backend was given another condition than the client's.
    resolved: bool,
    /// What a job holds its write to.
    held: Option<&'a Held>,
}

/// What must still be there when a job writes.
#[derive(Clone, Debug)]
pub enum Held {
    /// The object that was read. Its header too: a copy onto itself that changes the metadata keeps the backend's `ETag`.
    To {
        /// The backend's, without quotes.
        etag: String,
        /// Digest of its header; none of plaintext.
        header: Option<[u8; 16]>,
    },
    /// Nothing.
    ToNothing,
}

/// What a client asks of the object that is there.
struct Asked {
    source: Source,
    wanted: Option<String>,
    unwanted: Option<String>,
}

/// What a write does right before its last byte leaves, on a backend without conditions.
pub struct UnderLease {
    vault: Arc<Vault>,
    at: ObjectAt,
    asked: Option<Asked>,
    held: Option<(Source, Held)>,
}

impl<'a> Precondition<'a> {
    /// Weighs `If-Match` and `If-None-Match` and puts what the backend is to hold to into `headers`. `If-None-Match: *` means the same to
    /// both.
    ///
    /// Errors: `PreconditionFailed`; `NoSuchKey` for `If-Match` on nothing; `NotImplemented` where the backend ignores conditions.
    pub async fn resolve(call: &'a Call, headers: &mut HeaderMap) -> Result<Self, Error> {
        call.vault.check_condition(&call.headers)?;
        if call.vault.weighs_writes() && !call.vault.honoured.puts {
            if let Some(asked) = Asked::of(call)? {
                headers.remove(header::IF_MATCH);
                headers.remove(header::IF_NONE_MATCH);
                // Once before the body is read, since it mostly fails now or never.
                asked.look().await?;
            }
            return Ok(Self { call, resolved: false, held: None });
        }
        let this = Self { call, resolved: names_etags(call), held: None };
        if this.resolved {
            this.look(headers).await?;
        }
        Ok(this)
    }

    /// Holds a write of ours, by `call`, to what was read: by conditions of the backend where it has them, and by another look right before its last byte.
    pub fn hold(call: &'a Call, held: Option<&'a Held>, headers: &mut HeaderMap) -> Result<Self, Error> {
        if call.vault.honoured.writes() {
            match held {
                Some(Held::To { etag, .. }) => set(headers, header::IF_MATCH, etag)?,
                Some(Held::ToNothing) => {
                    headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
                }
                None => {}
            }
        }
        Ok(Self { call, resolved: false, held })
    }

    /// What is left to do right before the write.
    pub fn under_lease(&self) -> Result<UnderLease, Error> {
        // MinIO locks the key for as long as a body comes in whose write is held to there being nothing: to look now is to wait for ourselves, and it decides that alone.
        let by_backend = |held: &&Held| matches!(**held, Held::ToNothing) && self.call.vault.honoured.writes();
        let held = self.held.filter(|held| !by_backend(held));
        let held = held.map(|held| Ok::<_, Error>((Source::of(self.call)?, held.clone()))).transpose()?;
        let asked = if self.call.vault.weighs_writes() { Asked::of(self.call)? } else { None };
        Ok(UnderLease { vault: self.call.vault.clone(), at: self.call.at()?, asked, held })
    }

    /// Whether the backend refused what the condition had been made, and the client's own still holds: then `headers` hold it
    /// for another try. Errors as [`Self::resolve`].
    pub async fn overtaken(&self, status: StatusCode, headers: &mut HeaderMap) -> Result<bool, Error> {
        // 404: what was looked at is gone.
        let gone = status == StatusCode::NOT_FOUND && self.call.headers.contains_key(header::IF_MATCH);
        if !self.resolved || !(gone || status == StatusCode::PRECONDITION_FAILED) {
            return Ok(false);
        }
        self.look(headers).await?;
        Ok(true)
    }

    /// Sends a write whose body is in memory; again where its condition was overtaken and still holds.
    pub async fn send(&self, mut request: BackendRequest, body: Bytes) -> Result<Response<Body>, BackendError> {
        let backend = &self.call.vault.backend;
        if self.resolved {
            for _ in 1..TRIES {
                let answer = backend.call(request.again(Payload::Bytes(body.clone()))).await?;
                // Where it does not hold any more, whoever concludes the write finds out and says so.
                if !self.overtaken(answer.status(), &mut request.headers).await.unwrap_or(false) {
                    return Ok(answer);
                }
            }
        }
        backend.call(request.payload(Payload::Bytes(body))).await
    }

    /// Whether the backend was given another condition than the client's.
    pub fn is_resolved(&self) -> bool {
        self.resolved
    }

    async fn look(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        let Some(asked) = Asked::of(self.call)? else { return Ok(()) };
        match asked.look().await? {
            None => {
                headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
                Ok(())
            }
            Some(backend_etag) => {
                headers.remove(header::IF_NONE_MATCH);
                // Without quotes, as every store takes it: Ceph RGW compares what it is sent, quotes and all, with the bare `ETag`.
                set(headers, header::IF_MATCH, &backend_etag)
            }
        }
    }
}

impl Asked {
    fn of(call: &Call) -> Result<Option<Self>, Error> {
        let (wanted, unwanted) = (call.header("if-match"), call.header("if-none-match"));
        if wanted.is_none() && unwanted.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            source: Source::of(call)?,
            wanted: wanted.map(str::to_owned),
            unwanted: unwanted.map(str::to_owned),
        }))
    }

    /// The backend's `ETag` of what is there, where that is as asked; none where nothing is there.
    async fn look(&self) -> Result<Option<String>, Error> {
        let Seen { etag, backend_etag, .. } = match self.source.seen().await {
            Ok(seen) => seen,
            Err(Error::Answered { status: StatusCode::NOT_FOUND, .. }) if self.wanted.is_none() => return Ok(None),
            Err(e) => return Err(e),
        };
        if self.wanted.as_ref().is_some_and(|list| !conditions::matches(list, &etag))
            || self.unwanted.as_ref().is_some_and(|list| conditions::matches(list, &etag))
        {
            return Err(conditions::failed());
        }
        Ok(Some(backend_etag))
    }
}

impl Held {
    /// Error: `PreconditionFailed`.
    async fn check(&self, source: &Source) -> Result<(), Error> {
        let is = match source.look(super::head::SUFFIX, false).await {
            Ok(Look::Sealed(found)) => Some((found.stored.backend_etag.clone(), header_digest(&found.stored.headers))),
            Ok(Look::Plain(found)) => Some((found.etag, None)),
            Err(Error::Answered { status: StatusCode::NOT_FOUND, .. }) => None,
            Err(e) => return Err(e),
        };
        let holds = match (self, &is) {
            (Self::To { etag, header }, Some((found, of))) => etag == found && header == of,
            (Self::ToNothing, None) => true,
            _ => false,
        };
        if holds { Ok(()) } else { Err(conditions::failed()) }
    }
}

impl UnderLease {
    /// Waits for the key, and looks again at what is there. None where the backend holds to conditions by itself. The lease is
    /// to be kept until the backend has answered.
    pub async fn take(&self) -> Result<Option<Lease>, Error> {
        let lease = self.vault.lease(&self.at).await?;
        if let Some(asked) = &self.asked {
            asked.look().await?;
        }
        if let Some((source, held)) = &self.held {
            held.check(source).await?;
        }
        Ok(lease)
    }
}

/// Whether the condition speaks of `ETag`s, and is not only of there being an object or none.
fn names_etags(call: &Call) -> bool {
    call.header("if-match").is_some() || call.header("if-none-match").is_some_and(|list| list.trim() != "*")
}

/// For a write that cannot be sent again from here: every SDK sends it again by itself.
pub fn try_again() -> Error {
    Error::client(
        S3ErrorCode::ServiceUnavailable,
        "The object was replaced while it was being written, by one that the condition allows too; try again",
    )
}
