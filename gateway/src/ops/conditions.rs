//! Conditional requests on plaintext `ETag`s (RFC 9110 section 13, as S3 combines them).

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header};
use s3s::S3ErrorCode;

use crate::s3::Error;

/// What the conditions of a read come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Go on.
    Go,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// The names under which a request carries its conditions.
pub struct Names {
    if_match: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
    if_unmodified_since: &'static str,
    /// A copy answers 412 where a GET answers 304.
    copy: bool,
}

/// Of GET and HEAD.
pub const READ: Names = Names {
    if_match: "if-match",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
    if_unmodified_since: "if-unmodified-since",
    copy: false,
};

/// Of the source of a copy.
pub const COPY_SOURCE: Names = Names {
    if_match: "x-amz-copy-source-if-match",
    if_none_match: "x-amz-copy-source-if-none-match",
    if_modified_since: "x-amz-copy-source-if-modified-since",
    if_unmodified_since: "x-amz-copy-source-if-unmodified-since",
    copy: true,
};

/// Weighs a read's conditions. `If-Match` true overrides `If-Unmodified-Since`, `If-None-Match` overrides `If-Modified-Since`.
pub fn weigh(names: &Names, headers: &HeaderMap, etag: &str, last_modified: Option<SystemTime>) -> Outcome {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let unchanged = if names.copy { Outcome::Failed } else { Outcome::NotModified };
    let seconds = |t: SystemTime| t.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let modified_after = |name: &str| -> Option<bool> {
        let since = text(name).and_then(|v| httpdate::parse_http_date(v).ok())?;
        Some(seconds(last_modified?) > seconds(since))
    };
    match text(names.if_match) {
        Some(list) if !matches(list, etag) => return Outcome::Failed,
        None if modified_after(names.if_unmodified_since) == Some(true) => return Outcome::Failed,
        Some(_) | None => {}
    }
    match text(names.if_none_match) {
        Some(list) if matches(list, etag) => unchanged,
        None if modified_after(names.if_modified_since) == Some(false) => unchanged,
        Some(_) | None => Outcome::Go,
    }
}

/// 412.
pub fn failed() -> Error {
    Error::client(S3ErrorCode::PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// Whether a request carries any of them.
pub fn any(names: &Names, headers: &HeaderMap) -> bool {
    [names.if_match, names.if_none_match, names.if_modified_since, names.if_unmodified_since]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Whether they let an object of this `ETag` through, whenever it was modified.
pub fn go_by_etag(names: &Names, headers: &HeaderMap, etag: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    text(names.if_match).map_or(!headers.contains_key(names.if_unmodified_since), |list| matches(list, etag))
        && text(names.if_none_match).map_or(!headers.contains_key(names.if_modified_since), |list| !matches(list, etag))
}

/// Whether an entity-tag list (quoted or not, weak or not, `*`) names this `ETag`.
pub fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| {
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.trim_matches('"') == etag
    })
}

/// Whether a request carries any condition of a read: then a fault in it must not be answered with bytes.
pub fn if_range_allows(headers: &HeaderMap, etag: &str, last_modified: Option<SystemTime>) -> bool {
    let Some(value) = headers.get(header::IF_RANGE).and_then(|v| v.to_str().ok()) else { return true };
    match httpdate::parse_http_date(value) {
        Ok(date) => last_modified == Some(date),
        Err(_) => matches(value, etag) && value.trim() != "*",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ETAG: &str = "9b2cf535f27731c974343645a3985328";
    const OLD: &str = "Thu, 01 Jan 1970 00:00:10 GMT";
    const NEW: &str = "Thu, 01 Jan 1970 00:01:40 GMT";

    fn weighed(pairs: &[(&'static str, &'static str)]) -> Outcome {
        let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        weigh(&READ, &headers, ETAG, Some(UNIX_EPOCH + Duration::from_secs(50)))
    }

    #[test]
    fn each_alone() {
        assert_eq!(weighed(&[]), Outcome::Go);
        assert_eq!(weighed(&[("if-match", ETAG)]), Outcome::Go);
        assert_eq!(weighed(&[("if-match", "\"other\"")]), Outcome::Failed);
        assert_eq!(weighed(&[("if-none-match", "*")]), Outcome::NotModified);
        assert_eq!(weighed(&[("if-none-match", "\"other\"")]), Outcome::Go);
        assert_eq!(weighed(&[("if-modified-since", OLD)]), Outcome::Go);
        assert_eq!(weighed(&[("if-modified-since", NEW)]), Outcome::NotModified);
        assert_eq!(weighed(&[("if-unmodified-since", OLD)]), Outcome::Failed);
        assert_eq!(weighed(&[("if-unmodified-since", NEW)]), Outcome::Go);
    }

    /// What is predicted without a date must be what is decided with any.
    #[test]
    fn by_etag_alone() {
        let own = "\"9b2cf535f27731c974343645a3985328\"";
        for (pairs, go) in [
            (&[][..], true),
            (&[("if-match", own)], true),
            (&[("if-match", own), ("if-unmodified-since", OLD)], true),
            (&[("if-none-match", "\"other\""), ("if-modified-since", NEW)], true),
            (&[("if-match", "\"other\"")], false),
            (&[("if-none-match", own)], false),
            (&[("if-modified-since", OLD)], false),
            (&[("if-unmodified-since", NEW)], false),
            (&[("if-match", own), ("if-modified-since", OLD)], false),
        ] {
            let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
            assert_eq!(any(&READ, &headers), !pairs.is_empty());
            assert_eq!(go_by_etag(&READ, &headers, ETAG), go, "{pairs:?}");
            if go {
                assert_eq!(weighed(pairs), Outcome::Go, "{pairs:?}");
            }
        }
    }

    #[test]
    fn combined_as_s3_documents() {
        assert_eq!(weighed(&[("if-match", ETAG), ("if-unmodified-since", OLD)]), Outcome::Go);
        assert_eq!(weighed(&[("if-none-match", ETAG), ("if-modified-since", OLD)]), Outcome::NotModified);
        assert_eq!(weighed(&[("if-none-match", "\"other\""), ("if-modified-since", NEW)]), Outcome::Go);
    }

    #[test]
    fn lists_and_quotes() {
        for list in [
            ETAG,
            "\"9b2cf535f27731c974343645a3985328\"",
            "\"a\", \"9b2cf535f27731c974343645a3985328\"",
            "W/\"9b2cf535f27731c974343645a3985328\"",
            "*",
        ] {
            assert!(matches(list, ETAG), "{list}");
        }
        assert!(!matches("\"9b2cf535f27731c974343645a398532\"", ETAG));
    }
}
