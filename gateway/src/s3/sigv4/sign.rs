//! Our signature on requests to the backend.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue, Method};

use super::canonical::Canonical;
use super::date;
use super::key::{BACKEND_KEYS, Scope};
use crate::backend::BackendCredential;

/// Headers that are left out of the signature: hop by hop, or changed on the way by tracing and by proxies.
const UNSIGNED: [&str; 9] = [
    "authorization",
    "connection",
    "expect",
    "te",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Signs a request: adds `x-amz-date`, `x-amz-content-sha256` and `authorization` to `headers`, in which `host` is set and
/// every other header that is to be signed.
///
/// `raw_path` and `raw_query` are as they go on the wire. `payload` is the body's SHA-256 in hexadecimal,
/// [`super::UNSIGNED_PAYLOAD`] or [`super::STREAMING_UNSIGNED_PAYLOAD_TRAILER`]. Fails where access key, region or payload
/// cannot stand in a header.
#[expect(clippy::too_many_arguments, reason = "a request taken apart, and as whom to sign it")]
pub fn sign(
    method: &Method,
    raw_path: &str,
    raw_query: &str,
    headers: &mut HeaderMap,
    credential: &BackendCredential,
    region: &str,
    payload: &str,
    now: SystemTime,
) -> Result<(), InvalidHeaderValue> {
    // A clock outside the years 0 to 9999 signs as 1970, which the backend refuses as skewed.
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let time =
        i64::try_from(seconds).ok().and_then(date::format_basic).unwrap_or_else(|| "19700101T000000Z".to_owned());
    headers.insert("x-amz-date", HeaderValue::from_str(&time)?);
    headers.insert("x-amz-content-sha256", HeaderValue::from_str(payload)?);
    let text = format!("{}/{}/{region}/s3/aws4_request", credential.access_key, &time[..8]);
    let scope = Scope { credential: &text, access_key: &credential.access_key, date: &time[..8], region };
    let mut names: Vec<&str> =
        headers.keys().map(http::HeaderName::as_str).filter(|name| !UNSIGNED.contains(name)).collect();
    names.sort_unstable();
    let message = Canonical {
        method: method.as_str(),
        path: raw_path,
        query: raw_query,
        names: &names,
        headers,
        authority: None,
        payload,
    }
    .string_to_sign(&time, scope.text());
    let key = BACKEND_KEYS.key(&text, &credential.secret_key, scope.date, region);
    let value = format!(
        "{} Credential={text}, SignedHeaders={}, Signature={}",
        super::ALGORITHM,
        names.join(";"),
        key.sign(message.as_bytes()),
    );
    let mut value = HeaderValue::from_str(&value)?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}
