//! What a scrubbed object keeps of the one that it was read from, and the request that writes it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use keys::metadata::SYSTEM_HEADERS;
use keys::object::HEADER_NAME;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::authorize::authorize;
use crate::backend::Signer;
use crate::identity::Principal;
use crate::jobs::PRINCIPAL;
use crate::ops::Call;
use crate::s3::Error;
use crate::s3::address::{Address, Query, tenant};
use crate::s3::operation::{self, Scope};
use crate::s3::sigv4::Authentication;
use crate::server::Client;
use crate::sidecar::ObjectAt;
use crate::telemetry::RequestId;
use crate::vault::Vault;

const LOCK_MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const LOCK_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const LEGAL_HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
/// What else an answer says as a write does.
const OTHERS: [&str; 4] = [
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
];

/// Of the headers that an object is answered with, those that it is written with: metadata, content headers, tags, storage class and encryption of the
/// backend, and where its bucket has them the locks that still hold.
pub fn carried(stored: &HeaderMap, with_locks: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in stored {
        let n = name.as_str();
        if n.starts_with("x-amz-meta-") && n != HEADER_NAME || SYSTEM_HEADERS.contains(&n) || OTHERS.contains(&n) {
            headers.append(name, value.clone());
        }
    }
    // What lies in an archive cannot be read back.
    if let Some(class) = stored.get(STORAGE_CLASS).filter(|class| !is_archive(class.as_bytes())) {
        headers.insert(STORAGE_CLASS, class.clone());
    }
    if !with_locks {
        return headers;
    }
    if let (Some(mode), Some(until)) = (stored.get(LOCK_MODE), stored.get(LOCK_UNTIL))
        && until.to_str().is_ok_and(is_to_come)
    {
        headers.insert(LOCK_MODE, mode.clone());
        headers.insert(LOCK_UNTIL, until.clone());
    }
    if let Some(hold) = stored.get(LEGAL_HOLD).filter(|hold| hold.as_bytes() == b"ON") {
        headers.insert(LEGAL_HOLD, hold.clone());
    }
    headers
}

/// Takes a retention away whose end has come meanwhile: a write with it would be refused.
pub fn drop_locks_that_are_over(headers: &mut HeaderMap) {
    if headers.get(LOCK_UNTIL).is_some_and(|until| !until.to_str().is_ok_and(is_to_come)) {
        headers.remove(LOCK_MODE);
        headers.remove(LOCK_UNTIL);
    }
}

fn is_archive(class: &[u8]) -> bool {
    matches!(class, b"GLACIER" | b"DEEP_ARCHIVE")
}

fn is_to_come(date: &str) -> bool {
    OffsetDateTime::parse(date, &Rfc3339).is_ok_and(|date| date > OffsetDateTime::now_utc())
}

/// What keeps an object from being deleted, in words.
pub fn lock_of(stored: &HeaderMap) -> Option<String> {
    let text = |name: HeaderName| stored.get(name).and_then(|value| value.to_str().ok());
    if text(LEGAL_HOLD) == Some("ON") {
        return Some("legal hold".to_owned());
    }
    let (mode, until) = (text(LOCK_MODE)?, text(LOCK_UNTIL)?);
    Some(format!("Object Lock, {mode} until {until}"))
}

/// The PUT of a job, as if it had come from a client.
pub fn call(vault: &Arc<Vault>, at: &ObjectAt, headers: HeaderMap, signer: Signer) -> Result<Call, Error> {
    let mut address = Address::object(&tenant::name_for(&at.bucket, signer.tenant()), &at.key)?;
    address.identified(signer.tenant());
    let query = Query::default();
    let operation = operation::select(&Method::PUT, Scope::Object, &query, &headers)?;
    let principal = Principal { access_key: PRINCIPAL.to_owned(), backend: signer };
    let permit = authorize(policy::Rules::default(), principal, operation, &address, &query, None)?;
    Ok(Call {
        vault: vault.clone(),
        operation,
        method: Method::PUT,
        address,
        query,
        headers,
        authentication: Authentication::Anonymous,
        permit,
        client: Client::UNKNOWN,
        request_id: RequestId::random().to_string(),
        policies: vault.scrubbing.now()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_carried() {
        let stored = headers(&[
            ("x-amz-meta-a", "1"),
            (HEADER_NAME, "sealed"),
            ("content-type", "text/plain"),
            ("content-length", "7"),
            ("etag", "\"x\""),
            ("x-amz-version-id", "v"),
            ("x-amz-tagging", "k=v"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2999-01-01T00:00:00Z"),
            ("x-amz-object-lock-legal-hold", "OFF"),
        ]);
        let kept = |with_locks| {
            let mut names: Vec<_> = carried(&stored, with_locks).keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        let without = ["content-type", "x-amz-meta-a", "x-amz-storage-class", "x-amz-tagging"];
        assert_eq!(kept(false), without);
        let locks = ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"];
        let mut all: Vec<_> = without.into_iter().chain(locks).collect();
        all.sort_unstable();
        assert_eq!(kept(true), all);
    }

    /// A retention that is over would have the write refused.
    #[test]
    fn a_lock_that_is_over_is_none() {
        let over = headers(&[
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-retain-until-date", "2001-01-01T00:00:00Z"),
            ("x-amz-storage-class", "DEEP_ARCHIVE"),
        ]);
        assert!(carried(&over, true).is_empty());
    }

    #[test]
    fn a_lock_is_named() {
        let lock = headers(&[
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2999-01-01T00:00:00Z"),
        ]);
        assert_eq!(lock_of(&lock).unwrap(), "Object Lock, COMPLIANCE until 2999-01-01T00:00:00Z");
        assert_eq!(lock_of(&headers(&[("x-amz-object-lock-legal-hold", "ON")])).unwrap(), "legal hold");
        assert_eq!(lock_of(&headers(&[])), None);
    }
}
