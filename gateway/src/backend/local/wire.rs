//! Between a [`BackendRequest`] and `s3s`: what is taken off the request so that it is kept byte for byte, and a body whose
//! failure is not lost on the way.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;
use percent_encoding::percent_decode;
use s3s::dto::Range;
use s3s::{S3Request, S3Result, StdError, s3_error};

use super::encryption::CustomerHeaders;
use super::failure::Failure;
use crate::body::{Body, BoxError};

/// Bytes of headers kept with an object. S3 allows 2 KiB of user metadata; the gateway adds its own.
const MAX_STORED_HEADERS: usize = 16 * 1024;
/// Headers, beside `x-amz-meta-*`, that are kept with an object.
const STORED: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CACHE_CONTROL,
    header::EXPIRES,
    HeaderName::from_static("x-amz-website-redirect-location"),
];
const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// What was taken off a request, which `s3s` would decode (RFC 2047, dates), refuse (bucket names of the old rules) or log (keys).
#[derive(Clone, Default)]
pub struct Taken {
    /// Headers to be kept with the object: lines of `name:value`.
    pub stored: Vec<u8>,
    /// The client's key for what is written or read.
    pub customer: CustomerHeaders,
    /// And for the source of a copy.
    pub source_customer: CustomerHeaders,
    source: Option<Source>,
    trailers: Arc<Mutex<HeaderMap>>,
}

/// `x-amz-copy-source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// Version.
    pub version_id: Option<String>,
}

impl Taken {
    /// Takes them off. A `Range` that is not one goes too: it is ignored (RFC 9110 section 14.2).
    pub fn off(headers: &mut HeaderMap) -> Self {
        let names: Vec<HeaderName> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-amz-meta-") || STORED.contains(name))
            .cloned()
            .collect();
        let mut stored = Vec::new();
        for name in names {
            let values: Vec<_> = headers.get_all(&name).into_iter().map(HeaderValue::as_bytes).collect();
            stored.extend_from_slice(name.as_str().as_bytes());
            stored.push(b':');
            stored.extend_from_slice(&values.join(&b','));
            stored.push(b'\n');
            headers.remove(&name);
        }
        let source = headers.get_mut(COPY_SOURCE).and_then(|value| {
            let source = Source::parse(value.as_bytes());
            *value = HeaderValue::from_static("bucket/key");
            source
        });
        let usable = |v: &HeaderValue| v.to_str().is_ok_and(|v| Range::parse(v).is_ok());
        if headers.get(header::RANGE).is_some_and(|v| !usable(v)) {
            headers.remove(header::RANGE);
        }
        Self {
            stored,
            customer: CustomerHeaders::off(headers, "x-amz-"),
            source_customer: CustomerHeaders::off(headers, "x-amz-copy-source-"),
            source,
            trailers: Arc::default(),
        }
    }

    /// Of the request that an operation was given.
    pub fn of<T>(request: &S3Request<T>) -> Self {
        request.extensions.get().cloned().unwrap_or_default()
    }

    /// The headers to be kept, if they are not too many.
    pub fn checked_headers(&self) -> S3Result<Vec<u8>> {
        if self.stored.len() > MAX_STORED_HEADERS {
            return Err(s3_error!(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"));
        }
        Ok(self.stored.clone())
    }

    /// The source of a copy.
    pub fn source(&self) -> S3Result<Source> {
        self.source.clone().ok_or_else(|| {
            s3_error!(InvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
        })
    }

    /// Trailers of the body, complete when it has ended.
    pub fn trailers(&self) -> HeaderMap {
        lock(&self.trailers).clone()
    }

    /// Watches the body of the request. `length` bytes are declared.
    pub fn guard(&self, body: Body, length: u64) -> (Guarded, Fault) {
        let fault = Fault::default();
        let guarded = Guarded { body, left: length, fault: fault.clone(), trailers: Arc::clone(&self.trailers) };
        (guarded, fault)
    }
}

impl Source {
    fn parse(header: &[u8]) -> Option<Self> {
        const VERSION: &[u8] = b"?versionId=";
        let at = header.windows(VERSION.len()).rposition(|w| w == VERSION);
        let (path, version_id) = match at {
            Some(at) => (&header[..at], Some(&header[at + VERSION.len()..])),
            None => (header, None),
        };
        let path = percent_decode(path).decode_utf8().ok()?;
        let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/')?;
        if bucket.is_empty() || key.is_empty() || key.len() > 1024 {
            return None;
        }
        Some(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: match version_id {
                None => None,
                Some(id) => Some(percent_decode(id).decode_utf8().ok()?.into_owned()),
            },
        })
    }
}

/// The headers that were kept, for an answer.
pub fn stored_headers(stored: &[u8]) -> HeaderMap {
    stored
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
        })
        .collect()
}

/// Why the body of a request failed, if it did.
#[derive(Clone, Default)]
pub struct Fault(Arc<Mutex<Option<BoxError>>>);

impl Fault {
    /// Takes it.
    pub fn take(&self) -> Option<BoxError> {
        lock(&self.0).take()
    }
}

/// A request body that ends in an error unless it is exactly as long as declared, remembers its error for the caller, and
/// its trailers for the operation.
pub struct Guarded {
    body: Body,
    left: u64,
    fault: Fault,
    trailers: Arc<Mutex<HeaderMap>>,
}

impl Guarded {
    fn fail(&mut self, cause: BoxError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        *lock(&self.fault.0) = Some(cause);
        self.body = crate::body::empty();
        self.left = 0;
        Poll::Ready(Some(Err("the request body failed".into())))
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(cause)) => return self.fail(cause),
            None if self.left > 0 => return self.fail("the body ended early".into()),
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref() {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return self.fail("the body is longer than declared".into()),
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            lock(&self.trailers).extend(trailers.clone());
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

/// A body that broke off: nothing is stored. The caller of the backend is told the cause itself.
pub fn broken_body(cause: StdError) -> Failure {
    s3_error!(BrokenBody(cause), IncompleteBody).into()
}

#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
struct BrokenBody(#[source] StdError);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_decoded() {
        let source = |bucket: &str, key: &str, version_id: Option<&str>| {
            Some(Source { bucket: bucket.to_owned(), key: key.to_owned(), version_id: version_id.map(str::to_owned) })
        };
        assert_eq!(Source::parse(b"b/k"), source("b", "k", None));
        assert_eq!(Source::parse(b"/Old_Name/a%20b%3Fc/+?versionId=v1"), source("Old_Name", "a b?c/+", Some("v1")));
        assert_eq!(Source::parse("b/ä".as_bytes()), source("b", "ä", None));
        assert_eq!(Source::parse(b"b"), None);
        assert_eq!(Source::parse(b"b/"), None);
        assert_eq!(Source::parse(b"b/%ff"), None);
    }

    #[test]
    fn headers_are_kept_byte_for_byte() {
        let mut headers = HeaderMap::new();
        let odd = HeaderValue::from_bytes(b"=?UTF-8?Q?=C3=A4?= \xff:x").expect("a header value");
        headers.insert("x-amz-meta-odd", odd.clone());
        headers.append("x-amz-meta-two", HeaderValue::from_static("a"));
        headers.append("x-amz-meta-two", HeaderValue::from_static("b"));
        headers.insert(header::EXPIRES, HeaderValue::from_static("never"));
        headers.insert(header::RANGE, HeaderValue::from_static("lines=1"));
        headers.insert("x-amz-acl", HeaderValue::from_static("private"));
        let taken = Taken::off(&mut headers);
        assert_eq!(headers.len(), 1, "the others stay: {headers:?}");
        let back = stored_headers(&taken.stored);
        assert_eq!(back["x-amz-meta-odd"], odd);
        assert_eq!(back["x-amz-meta-two"], "a,b");
        assert_eq!(back[header::EXPIRES], "never");
    }
}
