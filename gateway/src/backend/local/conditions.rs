//! `If-Match`, `If-None-Match` and their kin (RFC 9110 section 13, and what S3 makes of it).

use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::index::Version;

/// Conditions of one request, by the names of their headers.
#[allow(clippy::struct_field_names, reason = "the names of the headers")]
#[derive(Default)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<ETagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagCondition>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// Conditions on what a write replaces.
    pub fn on_write(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> Self {
        Self { if_match, if_none_match, ..Self::default() }
    }

    /// From the headers of these names behind a prefix: `x-amz-copy-source-` for the source of a copy, else none. A date that is
    /// none is ignored (RFC 9110 section 13.1.3).
    pub fn from_headers(headers: &HeaderMap, prefix: &str) -> S3Result<Self> {
        let value = |name| headers.get(format!("{prefix}{name}"));
        let etag = |name| {
            value(name)
                .map(|value: &HeaderValue| ETagCondition::parse_http_header(value.as_bytes()))
                .transpose()
                .map_err(|e| s3_error!(e, InvalidArgument, "A condition is not an entity tag."))
        };
        let date = |name| Timestamp::parse(TimestampFormat::HttpDate, value(name)?.to_str().ok()?).ok();
        Ok(Self {
            if_match: etag("if-match")?,
            if_none_match: etag("if-none-match")?,
            if_modified_since: date("if-modified-since"),
            if_unmodified_since: date("if-unmodified-since"),
        })
    }

    /// May a write replace `current`?
    pub fn check_write(&self, current: Option<&Version>) -> S3Result<()> {
        let current = current.filter(|version| !version.marker);
        if let Some(wanted) = &self.if_match {
            let Some(current) = current else {
                return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
            };
            if !matches(wanted, current) {
                return Err(precondition_failed());
            }
        }
        match (&self.if_none_match, current) {
            (Some(unwanted), Some(current)) if matches(unwanted, current) => Err(precondition_failed()),
            _ => Ok(()),
        }
    }

    /// May `version` be read? Else 412, or 304 with its validators.
    pub fn check_read(&self, version: &Version) -> S3Result<()> {
        // HTTP dates have seconds only (RFC 9110 section 13.1.3).
        let modified = version.modified_ms.div_euclid(1000);
        let seconds = |at: &Timestamp| time::OffsetDateTime::from(at.clone()).unix_timestamp();
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) if !matches(wanted, version) => return Err(precondition_failed()),
            (None, Some(at)) if modified > seconds(at) => return Err(precondition_failed()),
            _ => {}
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(known), _) => matches(known, version),
            (None, Some(at)) => modified <= seconds(at),
            (None, None) => false,
        };
        if unchanged {
            return Err(not_modified(version));
        }
        Ok(())
    }

    /// The same for the source of a copy, where there is no 304.
    pub fn check_source(&self, version: &Version) -> S3Result<()> {
        self.check_read(version).map_err(|_| precondition_failed())
    }
}

fn matches(condition: &ETagCondition, version: &Version) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == version.etag,
    }
}

fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

fn not_modified(version: &Version) -> S3Error {
    let mut e = S3Error::new(S3ErrorCode::NotModified);
    let mut headers = HeaderMap::new();
    if let Ok(etag) = ETag::Strong(version.etag.clone()).to_http_header() {
        headers.insert(header::ETAG, etag);
    }
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_millis(version.modified_ms.max(0).cast_unsigned());
    if let Ok(modified) = HeaderValue::from_str(&httpdate::fmt_http_date(modified)) {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    e.set_headers(headers);
    e
}
