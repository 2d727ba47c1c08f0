//! `GetObject`: authorize → find → open.
//!
//! A whole object is one backend call: a small one is read into memory and opened, a large one is opened as it streams. A range is
//! one call when the object is known, else a suffix read first. Every read after the first carries `If-Match` on the backend's
//! `ETag`, so bytes of two versions never mix. Conditions that may well fail are decided on a suffix read, before a transfer begins.
//!
//! Plaintext from before, in a `migrating` bucket, is one call when it is known as such, else two.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use keys::object::{Facts, RangeOpener};
use s3s::S3ErrorCode;

use super::conditions::{self, Outcome};
use super::range::{Asked, Spec};
use super::source::{Changed, Source, content_length};
use super::stored::{
    Look, Plain, SharedFacts, Stored, add_checksum, add_part_checksum, answer_headers, answered, unsealed,
};
use super::{Call, again, etag_of, set};
use crate::body::{self, Body, collect, discard};
use crate::config::State;
use crate::s3::Error;
use crate::s3::operation::SEALED_HEADER;
use crate::sidecar::ObjectRecord;

/// What is read of an unknown object before a range of it: its SUMMARY, the TABLE of some hundred parts, or all of a small object.
const RANGE_SUFFIX: u64 = 64 << 10;
/// How often a read begins again when the object is replaced underneath it.
const TRIES: usize = 3;

/// What of an object is wanted.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// A range.
    Range(Spec),
    /// One part of a multipart upload.
    Part(u16),
}

/// What that comes to.
pub enum Resolved {
    /// 200, all of it.
    Whole,
    /// 206, these bytes; `parts`: say how many parts there are.
    Partial {
        /// Plaintext bytes.
        bytes: Range<u64>,
        /// Part count to show.
        parts: Option<u16>,
    },
}

/// `GetObject`.
pub async fn get_object(call: Call) -> Result<Response<Body>, Error> {
    match read(&call).await {
        Err(refused @ Error::Unscrubbed { .. }) => {
            again::scrub_on_read(&call, refused).await?;
            read(&call).await
        }
        read => read,
    }
}

async fn read(call: &Call) -> Result<Response<Body>, Error> {
    let source = Source::of(call)?;
    let wanted = Wanted::parse(call)?;
    if let Some(response) = known_plain(call, &source).await? {
        return Ok(response);
    }
    for _ in 0..TRIES {
        let answer = match wanted {
            Wanted::Whole => whole(call, &source).await?,
            Wanted::Range(_) => partial(call, &source, wanted).await?,
            Wanted::Part(_) => match partial(call, &source, wanted).await {
                Err(Error::NoSuchPart) => return Err(source.no_such_part(Method::GET).await?),
                other => other?,
            },
        };
        if let Ok(response) = answer {
            return Ok(response);
        }
    }
    Err(Error::client(S3ErrorCode::SlowDown, "The object is being replaced faster than it can be read; try again"))
}

impl Wanted {
    /// Reads `partNumber` and `Range`, which exclude each other.
    pub fn parse(call: &Call) -> Result<Self, Error> {
        let range = call.header("range").and_then(Spec::parse);
        match (call.query.get("partNumber"), range) {
            (Some(_), Some(_)) => Err(Error::client(
                S3ErrorCode::InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter",
            )),
            (Some(number), None) => match number.parse::<u16>() {
                Ok(number @ 1..=10_000) => Ok(Self::Part(number)),
                _ => Err(Error::client(
                    S3ErrorCode::InvalidArgument,
                    "Part number must be an integer between 1 and 10000, inclusive",
                )),
            },
            (None, Some(spec)) => Ok(Self::Range(spec)),
            (None, None) => Ok(Self::Whole),
        }
    }

    /// Whether the TABLE is needed to say where it is, for a HEAD.
    pub fn needs_table(self) -> bool {
        matches!(self, Self::Part(_))
    }

    /// Applies it to an object.
    pub fn of(self, facts: &Facts) -> Result<Resolved, Error> {
        match self {
            Self::Whole => Ok(Resolved::Whole),
            Self::Range(spec) => match spec.of(facts.length) {
                Asked::Part(bytes) => Ok(Resolved::Partial { bytes, parts: None }),
                Asked::Unsatisfiable => Err(Error::Range { length: facts.length }),
            },
            Self::Part(number) => {
                let multipart = !matches!(facts.etag, keys::object::ETag::Md5(_)) && facts.part_count > 1;
                if !multipart {
                    let parts = facts.etag.is_of_parts().then_some(1);
                    return match (number, facts.length) {
                        // S3 answers 206 for the one part that every object has, unless it is empty.
                        (1, 0) => Ok(Resolved::Whole),
                        (1, length) => Ok(Resolved::Partial { bytes: 0..length, parts }),
                        _ => Err(Error::NoSuchPart),
                    };
                }
                let mut start = 0;
                for part in &facts.parts {
                    if part.number == number {
                        return Ok(Resolved::Partial {
                            bytes: start..start + part.length,
                            parts: Some(facts.part_count),
                        });
                    }
                    start += part.length;
                }
                Err(Error::NoSuchPart)
            }
        }
    }
}

async fn whole(call: &Call, source: &Source) -> Result<Result<Response<Body>, Changed>, Error> {
    let vault = source.vault();
    if conditions::any(&conditions::READ, &call.headers) && !will_go(call, source).await {
        match source.look(RANGE_SUFFIX, false).await? {
            Look::Plain(found) => return plain(call, source, &found).await,
            Look::Sealed(sealed) => {
                if let Some(response) = unless_go(call, &sealed.stored, &sealed.facts)? {
                    return Ok(Ok(response));
                }
                if sealed.suffix.len() as u64 == sealed.stored.total {
                    return small(call, source, &sealed.stored, &sealed.suffix).map(Ok);
                }
            }
        }
    }
    let response = vault.backend.call(source.request(Method::GET, None, None)?).await?;
    if response.status() != StatusCode::OK {
        return Err(answered(response).await);
    }
    let total = content_length(response.headers())?;
    if !response.headers().contains_key(SEALED_HEADER) {
        return unsealed_whole(call, source, response, total).await;
    }
    let (parts, sealed) = response.into_parts();
    let stored = Stored::from_answer(vault, &source.at, parts.headers, total).await?;
    source.admit(&stored).await?;
    if total <= vault.config.limits.small_object {
        return small(call, source, &stored, &in_memory(sealed, total).await?).map(Ok);
    }

    // Large: the stream waits, unread, while its SUMMARY is fetched if nobody knows it yet.
    let facts = match stored.known_facts(vault, true).await {
        Some(facts) => facts,
        None => match source.look(super::head::SUFFIX, true).await? {
            Look::Sealed(sealed) if sealed.stored.backend_etag == stored.backend_etag => sealed.facts,
            Look::Sealed(_) | Look::Plain(_) => return Ok(Err(Changed)),
        },
    };
    if let Some(response) = unless_go(call, &stored, &facts)? {
        discard(sealed).await;
        return Ok(Ok(response));
    }
    let opener = RangeOpener::new(&stored.object, &facts, 0..facts.length)?;
    let plaintext = body::open::open(sealed, opener, vault.metrics.clone());
    answer(call, &stored, &facts, &Resolved::Whole, plaintext).map(Ok)
}

/// Whether the conditions will hold, by what is known of the object.
async fn will_go(call: &Call, source: &Source) -> bool {
    let known = source.vault().known_record(&source.at, |_| true).await;
    known.is_some_and(|record| conditions::go_by_etag(&conditions::READ, &call.headers, &record.facts.etag_string()))
}

/// A small object, in memory: every byte is verified before the first is answered.
fn small(call: &Call, source: &Source, stored: &Stored, sealed: &[u8]) -> Result<Response<Body>, Error> {
    let vault = source.vault();
    let (facts, plaintext) = keys::object::open_whole(&stored.object, sealed)?;
    vault.metrics.opened(facts.length);
    let facts = match vault.known.sealed(&stored.at, &stored.backend_etag) {
        Some(record) if record.facts == facts => SharedFacts(record),
        _ => {
            let record = Arc::new(stored.record(facts));
            vault.learn(&source.at, record.clone());
            SharedFacts(record)
        }
    };
    match unless_go(call, stored, &facts)? {
        Some(response) => Ok(response),
        None => answer(call, stored, &facts, &Resolved::Whole, body::full(plaintext)),
    }
}

/// A body of `total` bytes, read whole.
async fn in_memory(body: Body, total: u64) -> Result<Bytes, Error> {
    let bytes = collect(body, usize::try_from(total).unwrap_or(usize::MAX))
        .await
        .map_err(|e| Error::Protocol(format!("the object could not be read: {e}").into()))?;
    if bytes.len() as u64 != total {
        return Err(keys::Error::Truncated.into());
    }
    Ok(bytes)
}

async fn partial(call: &Call, source: &Source, wanted: Wanted) -> Result<Result<Response<Body>, Changed>, Error> {
    let vault = source.vault();
    // Known: one call, which fails its condition if what is known is stale.
    if !call.headers.contains_key(header::IF_RANGE)
        && let Some(record) = known(source).await
        && let Ok(Resolved::Partial { bytes, parts }) = wanted.of(&record.facts)
        && !bytes.is_empty()
        && conditions::go_by_etag(&conditions::READ, &call.headers, &record.facts.etag_string())
    {
        match source.open(&record.backend_etag, &record.facts, bytes.clone()).await? {
            Ok(opened) => {
                return ranged(call, &opened.stored, &record.facts, bytes, parts, opened.plaintext).map(Ok);
            }
            Err(Changed) => vault.known.forget(&source.at),
        }
    }
    let sealed = match source.look(RANGE_SUFFIX, true).await? {
        Look::Sealed(sealed) => sealed,
        Look::Plain(found) => return plain(call, source, &found).await,
    };
    let (stored, facts) = (&sealed.stored, &sealed.facts);
    if let Some(response) = unless_go(call, stored, facts)? {
        return Ok(Ok(response));
    }
    if !conditions::if_range_allows(&call.headers, &facts.etag_string(), stored.last_modified()) {
        return whole(call, source).await;
    }
    let (bytes, parts) = match wanted.of(facts)? {
        Resolved::Partial { bytes, parts } => (bytes, parts),
        Resolved::Whole => return whole(call, source).await,
    };
    if bytes.is_empty() {
        return ranged(call, stored, facts, bytes, parts, body::empty()).map(Ok);
    }
    // What was read to look may hold the covering chunks already.
    let covering = keys::object::covering(facts, &bytes)?;
    let read_from = stored.total - sealed.suffix.len() as u64;
    if covering.start >= read_from {
        let at = |offset: u64| usize::try_from(offset - read_from).unwrap_or(usize::MAX);
        let chunks = sealed.suffix.get(at(covering.start)..at(covering.end)).ok_or(keys::Error::Truncated)?;
        let mut opener = RangeOpener::new(&stored.object, facts, bytes.clone())?;
        let mut plaintext = BytesMut::new();
        opener.update(chunks, &mut plaintext)?;
        opener.finish()?;
        vault.metrics.opened(plaintext.len() as u64);
        return ranged(call, stored, facts, bytes, parts, body::full(plaintext.freeze())).map(Ok);
    }
    match source.open(&stored.backend_etag, facts, bytes.clone()).await? {
        Ok(opened) => ranged(call, &opened.stored, facts, bytes, parts, opened.plaintext).map(Ok),
        Err(changed) => Ok(Err(changed)),
    }
}

/// What memory or the sidecar hold under the name, good enough to ask the backend for a range under `If-Match`.
async fn known(source: &Source) -> Option<Arc<ObjectRecord>> {
    let usable = |r: &ObjectRecord| r.facts.part_count == 1 || !r.facts.parts.is_empty();
    source.vault().known_record(&source.at, usable).await
}

/// A whole object without our header. In a `migrating` bucket it is plaintext from before, once its end was seen not to be that of a
/// sealed object whose header is gone; the answer that is here already then passes.
async fn unsealed_whole(
    call: &Call,
    source: &Source,
    response: Response<Body>,
    total: u64,
) -> Result<Result<Response<Body>, Changed>, Error> {
    let config = &source.vault().config;
    if config.bucket(&source.at.bucket).state != State::Migrating {
        return Err(unsealed());
    }
    let (mut parts, mut body) = response.into_parts();
    let found = if total <= config.limits.small_object {
        let bytes = in_memory(body, total).await?;
        let found = source.plain(parts.headers.clone(), &bytes, total).await?;
        body = body::full(bytes);
        found
    } else {
        match source.look(super::head::SUFFIX, false).await? {
            Look::Plain(found) if found.etag == etag_of(&parts.headers) => found,
            Look::Plain(_) | Look::Sealed(_) => return Ok(Err(Changed)),
        }
    };
    if conditions::any(&conditions::READ, &call.headers) {
        // Expected to hold for what was known under this name, which this is not.
        discard(body).await;
        return plain(call, source, &found).await;
    }
    overrides(call, &mut parts.headers)?;
    Ok(Ok(super::forward::edited(Response::from_parts(parts, body))))
}

/// Plaintext from before: the client's own request is sent on, and what is answered must be what was found.
pub async fn plain(call: &Call, source: &Source, found: &Plain) -> Result<Result<Response<Body>, Changed>, Error> {
    let response = source.vault().backend.call(call.forward()).await?;
    if is_about(&response, &found.etag) {
        return Ok(Ok(super::forward::edited(response)));
    }
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        discard(response.into_body()).await;
        return Ok(Err(Changed));
    }
    Err(answered(response).await)
}

/// The same where memory holds that the name is plaintext. None: it says so no more, or the backend does not say of what it speaks.
pub async fn known_plain(call: &Call, source: &Source) -> Result<Option<Response<Body>>, Error> {
    let vault = source.vault();
    let Some(etag) = vault.known.plain(&source.at) else { return Ok(None) };
    source.admit_plain()?;
    let response = vault.backend.call(call.forward()).await?;
    if is_about(&response, &etag) {
        return Ok(Some(super::forward::edited(response)));
    }
    if response.status() == StatusCode::NOT_FOUND {
        return Err(answered(response).await);
    }
    vault.known.forget(&source.at);
    discard(response.into_body()).await;
    Ok(None)
}

/// Whether an answer is about an unsealed object of this `ETag`. Ceph RGW says "not modified" without one, which is true of whatever is
/// there: no sealed object's own `ETag` is one that a client names, and its time is its time.
fn is_about(response: &Response<Body>, etag: &str) -> bool {
    let unmodified = response.status() == StatusCode::NOT_MODIFIED;
    let same = if unmodified && !response.headers().contains_key(header::ETAG) {
        true
    } else {
        (response.status().is_success() || unmodified) && etag_of(response.headers()) == etag
    };
    same && !response.headers().contains_key(SEALED_HEADER)
}

/// The conditions, on the plaintext `ETag`: none where the request goes on.
pub fn unless_go(call: &Call, stored: &Stored, facts: &Facts) -> Result<Option<Response<Body>>, Error> {
    match conditions::weigh(&conditions::READ, &call.headers, &facts.etag_string(), stored.last_modified()) {
        Outcome::Go => Ok(None),
        Outcome::Failed => Err(conditions::failed()),
        Outcome::NotModified => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            let headers = answer_headers(&stored.headers, facts)?;
            let kept = [
                "etag",
                "last-modified",
                "cache-control",
                "expires",
                "x-amz-version-id",
                "x-amz-delete-marker",
                "vary",
            ];
            response
                .headers_mut()
                .extend(headers.into_iter().filter(|(n, _)| n.as_ref().is_some_and(|n| kept.contains(&n.as_str()))));
            Ok(Some(response))
        }
    }
}

fn ranged(
    call: &Call,
    stored: &Stored,
    facts: &Facts,
    bytes: Range<u64>,
    parts: Option<u16>,
    plaintext: Body,
) -> Result<Response<Body>, Error> {
    if let Some(response) = unless_go(call, stored, facts)? {
        return Ok(response);
    }
    answer(call, stored, facts, &Resolved::Partial { bytes, parts }, plaintext)
}

/// The answer to a GET or HEAD of a sealed object.
pub fn answer(
    call: &Call,
    stored: &Stored,
    facts: &Facts,
    resolved: &Resolved,
    plaintext: Body,
) -> Result<Response<Body>, Error> {
    let mut headers = answer_headers(&stored.headers, facts)?;
    let length = match resolved {
        Resolved::Whole => facts.length,
        Resolved::Partial { bytes, parts } => {
            let last = bytes.end.saturating_sub(1);
            // An empty part has no range that could be written.
            if !bytes.is_empty() {
                set(&mut headers, header::CONTENT_RANGE, &format!("bytes {}-{last}/{}", bytes.start, facts.length))?;
            }
            if let Some(parts) = parts {
                headers.insert(HeaderName::from_static("x-amz-mp-parts-count"), HeaderValue::from(*parts));
            }
            bytes.end - bytes.start
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if call.header("x-amz-checksum-mode").is_some_and(|m| m.eq_ignore_ascii_case("enabled")) {
        match call.query.get("partNumber").and_then(|number| number.parse().ok()) {
            Some(number) => add_part_checksum(&mut headers, facts, number)?,
            // Of a range there is none, even where it is the whole.
            None if call.header("range").is_none() => add_checksum(&mut headers, facts)?,
            None => {}
        }
    }
    overrides(call, &mut headers)?;
    let mut response = Response::new(plaintext);
    *response.status_mut() =
        if matches!(resolved, Resolved::Whole) { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    *response.headers_mut() = headers;
    Ok(response)
}

/// `response-content-type` and its like, which S3 lets a signed request set.
fn overrides(call: &Call, headers: &mut http::HeaderMap) -> Result<(), Error> {
    for (parameter, name) in [
        ("response-content-type", header::CONTENT_TYPE),
        ("response-content-language", header::CONTENT_LANGUAGE),
        ("response-expires", header::EXPIRES),
        ("response-cache-control", header::CACHE_CONTROL),
        ("response-content-disposition", header::CONTENT_DISPOSITION),
        ("response-content-encoding", header::CONTENT_ENCODING),
    ] {
        let Some(value) = call.query.get(parameter) else { continue };
        if call.permit.principal().is_anonymous() {
            return Err(Error::client(
                S3ErrorCode::InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests",
            ));
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            Error::client(S3ErrorCode::InvalidArgument, format!("{parameter} holds characters that no header may hold"))
        })?;
        headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: StatusCode, headers: &[(&str, &str)]) -> Response<Body> {
        let mut response = Response::new(body::empty());
        *response.status_mut() = status;
        response
            .headers_mut()
            .extend(headers.iter().map(|(n, v)| (n.parse::<http::HeaderName>().unwrap(), v.parse().unwrap())));
        response
    }

    #[test]
    fn an_answer_is_about_the_object_that_was_looked_at() {
        let (tag, other) = (("etag", "\"a\""), ("etag", "\"b\""));
        assert!(is_about(&answer(StatusCode::OK, &[tag]), "a"));
        assert!(is_about(&answer(StatusCode::PARTIAL_CONTENT, &[tag]), "a"));
        assert!(is_about(&answer(StatusCode::NOT_MODIFIED, &[tag]), "a"));
        assert!(is_about(&answer(StatusCode::NOT_MODIFIED, &[]), "a"), "Ceph RGW");
        assert!(!is_about(&answer(StatusCode::OK, &[other]), "a"));
        assert!(!is_about(&answer(StatusCode::NOT_MODIFIED, &[other]), "a"));
        assert!(!is_about(&answer(StatusCode::OK, &[]), "a"));
        assert!(!is_about(&answer(StatusCode::PRECONDITION_FAILED, &[tag]), "a"));
    }

    /// An object that was sealed meanwhile must not go out as it lies there.
    #[test]
    fn a_sealed_object_is_never_the_plain_one() {
        for status in [StatusCode::OK, StatusCode::NOT_MODIFIED] {
            assert!(!is_about(&answer(status, &[("etag", "\"a\""), (SEALED_HEADER.as_str(), "x")]), "a"));
            assert!(!is_about(&answer(status, &[(SEALED_HEADER.as_str(), "x")]), "a"));
        }
    }
}
