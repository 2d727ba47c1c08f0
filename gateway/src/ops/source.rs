//! Reading objects: the client's own GET, HEAD, and the source of a copy.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use keys::object::{ETag, Facts, RangeOpener, Suffix, TRAILER_LEN};

use super::stored::{Look, Plain, Sealed, SharedFacts, Stored, answered, last_modified, unsealed};
use super::upload_part::LAST_NUMBER;
use super::{Call, etag_of, range, scrubbed};
use crate::backend::{self, BackendRequest, Sender};
use crate::body::{Body, collect};
use crate::config::{OnUnscrubbed, State};
use crate::s3::Error;
use crate::s3::address::{CopySource, tenant};
use crate::s3::operation::{self, SEALED_HEADER};
use crate::scrubbing::{BucketPolicy, Table};
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// Past this a SUMMARY's TABLE cannot reach: 10,000 rows of 128 bytes, sealed.
const MAX_SUFFIX: u64 = 2 << 20;

/// An object to read, and as whom.
pub struct Source {
    vault: Arc<Vault>,
    /// Bucket, key and version asked for.
    pub at: ObjectAt,
    path: String,
    query: String,
    headers: HeaderMap,
    sender: Sender,
    /// A client gets to read it: what its bucket's policy has not seen may be refused.
    guarded: bool,
    /// Plaintext is taken in a bucket that is not `migrating` too.
    takes_plain: bool,
    /// What holds for the request that it is read for.
    policies: Arc<Table>,
}

/// What a client knows an object by, and what the backend does.
pub struct Seen {
    /// Without quotes.
    pub etag: String,
    /// Plaintext length in bytes.
    pub size: u64,
    /// `Last-Modified`.
    pub modified: Option<SystemTime>,
    /// The backend's own `ETag`.
    pub backend_etag: String,
}

/// An object was replaced between two reads of it; the caller begins again.
pub struct Changed;

impl Source {
    /// The object that a request names. Of a GET or HEAD the range, conditions and overrides are ours to apply, and the other headers
    /// go along; of a write those that a read has too.
    pub fn of(call: &Call) -> Result<Self, Error> {
        let at = call.at()?;
        // The backend's own checksums, for plaintext from before. They are never shown of a sealed object.
        let with_checksums = call.vault.config.bucket(&at.bucket).state == State::Migrating;
        let reads = matches!(call.method, Method::GET | Method::HEAD);
        let headers = operation::forwarded_headers(&call.headers, |name| {
            if !reads {
                return name.starts_with("x-amz-server-side-encryption-customer-")
                    || matches!(name, "x-amz-request-payer" | "x-amz-expected-bucket-owner");
            }
            let ours = matches!(
                name,
                "range" | "if-match" | "if-none-match" | "if-modified-since" | "if-unmodified-since" | "if-range"
            );
            !ours && (!operation::describes_body(name) || with_checksums && name == "x-amz-checksum-mode")
        });
        let query = call.query.without(|name| name != "versionId");
        Ok(Self {
            vault: call.vault.clone(),
            at,
            path: call.address.raw_path.clone(),
            query,
            headers,
            sender: call.sender(),
            guarded: reads,
            takes_plain: false,
            policies: call.policies.clone(),
        })
    }

    /// The source that a copy names, read with the keys and the payer that the copy names for it.
    pub fn copied(call: &Call, source: &CopySource) -> Self {
        const SSE: &str = "x-amz-copy-source-server-side-encryption-customer-";
        let mut headers = HeaderMap::new();
        for (name, value) in &call.headers {
            let name = name.as_str();
            let read_as = match (name.strip_prefix(SSE), name) {
                (Some(rest), _) => format!("x-amz-server-side-encryption-customer-{rest}"),
                (_, "x-amz-request-payer") => name.to_owned(),
                (_, "x-amz-source-expected-bucket-owner") => "x-amz-expected-bucket-owner".to_owned(),
                _ => continue,
            };
            if let Ok(name) = http::HeaderName::try_from(read_as) {
                headers.insert(name, value.clone());
            }
        }
        let at =
            ObjectAt { bucket: source.bucket.clone(), key: source.key.clone(), version_id: source.version_id.clone() };
        let policies = call.policies.clone();
        Self { headers, guarded: true, policies, ..Self::at(&call.vault, at, call.sender()) }
    }

    /// An object that the gateway itself reads.
    pub fn at(vault: &Arc<Vault>, at: ObjectAt, sender: impl Into<Sender>) -> Self {
        let query =
            at.version_id.as_deref().map(|v| format!("versionId={}", backend::query_value(v))).unwrap_or_default();
        let sender = sender.into();
        let path = backend::path(&tenant::name_for(&at.bucket, sender.signer.tenant()), &at.key);
        let headers = HeaderMap::new();
        let policies = vault.scrubbing.newest();
        Self { vault: vault.clone(), at, path, query, headers, sender, guarded: false, takes_plain: false, policies }
    }

    /// Refuses what no client may read, since its bucket's policy has not seen it.
    pub async fn admit(&self, stored: &Stored) -> Result<(), Error> {
        match self.guarding() {
            Some(policy) => scrubbed::admit(&self.vault, policy, &stored.at, stored.oid()).await,
            None => Ok(()),
        }
    }

    /// The same of plaintext from before, which no policy has seen.
    pub fn admit_plain(&self) -> Result<(), Error> {
        self.guarding().map_or(Ok(()), |policy| Err(scrubbed::unscrubbed(&self.vault, &self.at, policy)))
    }

    /// The policy that keeps clients from what it has not seen.
    fn guarding(&self) -> Option<&BucketPolicy> {
        let policy = self.policies.enforced(&self.at.bucket, &self.at.key).filter(|_| self.guarded)?;
        (policy.on_unscrubbed != OnUnscrubbed::Serve).then_some(&**policy)
    }

    /// Plaintext is taken whatever the state of its bucket: for one who only looks at it.
    #[must_use]
    pub fn taking_plain(self) -> Self {
        Self { takes_plain: true, ..self }
    }

    /// A request for it.
    pub fn request(
        &self,
        method: Method,
        bytes: Option<&str>,
        if_match: Option<&str>,
    ) -> Result<BackendRequest, Error> {
        let mut headers = self.headers.clone();
        if let Some(bytes) = bytes {
            super::set(&mut headers, header::RANGE, bytes)?;
        }
        if let Some(etag) = if_match {
            super::set(&mut headers, header::IF_MATCH, &format!("\"{etag}\""))?;
        }
        Ok(BackendRequest::new(method, self.path.clone(), self.sender.clone())
            .query(self.query.clone())
            .headers(headers))
    }

    /// What the backend itself says of a part number beyond the last, since stores differ; our own word where it does not mind.
    pub async fn no_such_part(&self, method: Method) -> Result<Error, Error> {
        // The highest: no object has it that was not uploaded with it.
        let version = if self.query.is_empty() { String::new() } else { format!("&{}", self.query) };
        let request = self.request(method, None, None)?.query(format!("partNumber={LAST_NUMBER}{version}"));
        let response = self.vault.backend.call(request).await?;
        Ok(if response.status().is_client_error() { answered(response).await } else { Error::NoSuchPart })
    }

    /// What is there: one read of the last `suffix` bytes, a second one where the TABLE is needed and lies before them.
    pub async fn look(&self, suffix: u64, need_table: bool) -> Result<Look, Error> {
        let mut suffix = suffix.max(TRAILER_LEN);
        let mut if_match: Option<String> = None;
        loop {
            let (headers, bytes, total) = self.suffix(suffix, if_match.as_deref()).await?;
            if !headers.contains_key(SEALED_HEADER) {
                return self.plain(headers, &bytes, total).await.map(Look::Plain);
            }
            let stored = Stored::from_answer(&self.vault, &self.at, headers, total).await?;
            self.admit(&stored).await?;
            if let Some(facts) = stored.known_facts(&self.vault, need_table).await {
                return Ok(Look::Sealed(Box::new(Sealed { stored, facts, suffix: bytes })));
            }
            if bytes.is_empty() {
                // Archived: not a byte of it can be read, but its length says that of its plaintext.
                let facts = SharedFacts(Arc::new(stored.record(opaque_facts(&stored)?)));
                return Ok(Look::Sealed(Box::new(Sealed { stored, facts, suffix: bytes })));
            }
            match keys::object::open_suffix(&stored.object, &bytes, total, need_table)? {
                Suffix::Facts(facts) => {
                    let record = Arc::new(stored.record(facts));
                    // A record without its table would answer later calls that need one.
                    if need_table || record.facts.part_count == 1 {
                        self.vault.learn(&self.at, record.clone());
                    }
                    return Ok(Look::Sealed(Box::new(Sealed { stored, facts: SharedFacts(record), suffix: bytes })));
                }
                Suffix::NeedMore(more) if more <= MAX_SUFFIX && more > suffix => {
                    suffix = more;
                    if_match = Some(stored.backend_etag);
                }
                Suffix::NeedMore(_) => return Err(keys::Error::Inconsistent("the table is longer than any").into()),
            }
        }
    }

    /// What the conditions of a write or a deletion are about: one read.
    pub async fn seen(&self) -> Result<Seen, Error> {
        Ok(match self.look(super::head::SUFFIX, false).await? {
            Look::Sealed(sealed) => Seen {
                etag: sealed.facts.etag_string(),
                size: sealed.facts.length,
                modified: sealed.stored.last_modified(),
                backend_etag: sealed.stored.backend_etag,
            },
            Look::Plain(plain) => Seen {
                etag: plain.etag.clone(),
                size: plain.length,
                modified: last_modified(&plain.headers),
                backend_etag: plain.etag,
            },
        })
    }

    /// The last `length` bytes, the headers and the total.
    async fn suffix(&self, length: u64, if_match: Option<&str>) -> Result<(HeaderMap, Bytes, u64), Error> {
        let response =
            self.vault.backend.call(self.request(Method::GET, Some(&format!("bytes=-{length}")), if_match)?).await?;
        let total = match response.status() {
            // MinIO answers a suffix of no bytes with a range of none.
            StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
                Ok((_, total)) => total,
                Err(_) => return self.headers_alone().await,
            },
            // A backend may answer a suffix that covers the object with all of it.
            StatusCode::OK => content_length(response.headers())?,
            StatusCode::RANGE_NOT_SATISFIABLE => return self.headers_alone().await,
            StatusCode::FORBIDDEN => {
                let error = answered(response).await;
                return match &error {
                    Error::Answered { code, .. } if code == "InvalidObjectState" => self.headers_alone().await,
                    _ => Err(error),
                };
            }
            _ => return Err(answered(response).await),
        };
        let (parts, body) = response.into_parts();
        let bytes = collect(body, usize::try_from(length).unwrap_or(usize::MAX))
            .await
            .map_err(|e| Error::Protocol(format!("a suffix read failed: {e}").into()))?;
        Ok((parts.headers, bytes, total))
    }

    /// For objects of which no byte can be read: empty ones, and archived ones.
    async fn headers_alone(&self) -> Result<(HeaderMap, Bytes, u64), Error> {
        let response = self.vault.backend.call(self.request(Method::HEAD, None, None)?).await?;
        if !response.status().is_success() {
            return Err(answered(response).await);
        }
        let total = content_length(response.headers())?;
        Ok((response.into_parts().0.headers, Bytes::new(), total))
    }

    /// No header. In a `migrating` bucket that is plaintext from before, unless anything says that it was sealed: a stripped
    /// header must not turn ciphertext into an answer.
    pub async fn plain(&self, headers: HeaderMap, suffix: &[u8], length: u64) -> Result<Plain, Error> {
        let migrating = self.vault.config.bucket(&self.at.bucket).state == State::Migrating;
        if !migrating && !self.takes_plain {
            return Err(unsealed());
        }
        self.admit_plain()?;
        let etag = etag_of(&headers);
        let at = ObjectAt {
            version_id: super::version_of(&headers).or_else(|| self.at.version_id.clone()),
            ..self.at.clone()
        };
        let recorded = self.vault.sidecar.object(&at).await?.is_some_and(|r| r.backend_etag == etag);
        if recorded || keys::object::has_footer_magic(suffix) {
            return Err(Error::Stripped);
        }
        if !migrating {
            return Ok(Plain { etag, headers, length });
        }
        if at != self.at {
            self.vault.known.insert_plain(self.at.clone(), &etag);
        }
        self.vault.known.insert_plain(at, &etag);
        Ok(Plain { etag, headers, length })
    }

    /// The plaintext `wanted` of a sealed object: one read of the covering chunks of exactly this version.
    /// `Ok(Err(Changed))`: it was replaced meanwhile.
    pub async fn open(
        &self,
        backend_etag: &str,
        facts: &Facts,
        wanted: Range<u64>,
    ) -> Result<Result<Opened, Changed>, Error> {
        let covering = keys::object::covering(facts, &wanted)?;
        let response = self
            .vault
            .backend
            .call(self.request(Method::GET, Some(&range::header(&covering)), Some(backend_etag))?)
            .await?;
        let (got, total) = match response.status() {
            StatusCode::PARTIAL_CONTENT => content_range(response.headers())?,
            StatusCode::OK => {
                let total = content_length(response.headers())?;
                (0..total, total)
            }
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Ok(Err(Changed));
            }
            _ => return Err(answered(response).await),
        };
        // A backend without conditions on reads is caught by its own ETag.
        if etag_of(response.headers()) != backend_etag {
            return Ok(Err(Changed));
        }
        if got != covering {
            return Err(Error::Protocol("the backend answered with other bytes than were asked for".into()));
        }
        let (parts, body) = response.into_parts();
        let stored = Stored::from_answer(&self.vault, &self.at, parts.headers, total).await?;
        self.admit(&stored).await?;
        let expected = keys::length::sealed_object_len(facts.length);
        if expected != total {
            return Err(keys::Error::WrongLength { stored: total, expected }.into());
        }
        let opener = RangeOpener::new(&stored.object, facts, wanted)?;
        let plaintext = crate::body::open::open(body, opener, self.vault.metrics.clone());
        Ok(Ok(Opened { stored, plaintext }))
    }

    /// The gateway that reads it.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }
}

/// What can be said of a sealed object of which no byte can be read: its length, and an `ETag` that stays the same.
fn opaque_facts(stored: &Stored) -> Result<Facts, Error> {
    let length = keys::length::plaintext_object_len(stored.total)
        .ok_or(keys::Error::Inconsistent("no sealed object has this length"))?;
    Ok(Facts {
        length,
        etag: ETag::Opaque(stored.oid().0),
        checksum: None,
        part_count: 1,
        first_number: 1,
        first_prefix: [0; 56],
        parts: Vec::new(),
    })
}

/// A plaintext stream.
pub struct Opened {
    /// The object, its header opened from this very answer.
    pub stored: Stored,
    /// Its bytes. Every one was authenticated before it appears here.
    pub plaintext: Body,
}

/// `Content-Range` of an answer.
pub fn content_range(headers: &HeaderMap) -> Result<(Range<u64>, u64), Error> {
    headers
        .get(header::CONTENT_RANGE)
        .and_then(|v| v.to_str().ok())
        .and_then(range::parse_content_range)
        .ok_or_else(|| Error::Protocol("a 206 without a usable Content-Range".into()))
}

/// `Content-Length` of an answer.
pub fn content_length(headers: &HeaderMap) -> Result<u64, Error> {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v: &HeaderValue| v.to_str().ok())
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| Error::Protocol("an answer without Content-Length".into()))
}

/// The answer of a backend that must have succeeded.
pub async fn succeeded(response: Response<Body>) -> Result<Response<Body>, Error> {
    if response.status().is_success() { Ok(response) } else { Err(answered(response).await) }
}
