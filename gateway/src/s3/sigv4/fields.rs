//! The parts of a request that carry a signature, taken apart.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{DATE, HOST};

use super::canonical::{decode, pairs};
use super::date;
use super::error::SignatureError;

/// The authentication parameters of a presigned URL, decoded.
pub struct Presigned<'a> {
    pub algorithm: Cow<'a, str>,
    pub credential: Cow<'a, str>,
    pub date: Cow<'a, str>,
    pub expires: Cow<'a, str>,
    pub signed_headers: Cow<'a, str>,
    pub signature: Cow<'a, str>,
    pub content_sha256: Option<Cow<'a, str>>,
}

impl<'a> Presigned<'a> {
    /// Each must be there once. Names are compared without case, as all `x-amz-` names are.
    pub fn parse(query: &'a str) -> Result<Self, SignatureError> {
        const NAMES: [&str; 7] = [
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-expires",
            "x-amz-signedheaders",
            "x-amz-signature",
            "x-amz-content-sha256",
        ];
        let mut values: [Option<Cow<'a, str>>; 7] = [const { None }; 7];
        for (name, value) in pairs(query) {
            let name = decode(name);
            if name.eq_ignore_ascii_case("x-amz-security-token") {
                return Err(SignatureError::SessionToken);
            }
            let Some(i) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)) else {
                continue;
            };
            if values[i].replace(decode(value)).is_some() {
                return Err(SignatureError::QueryMalformed("a parameter is in it twice"));
            }
        }
        let [algorithm, credential, date, expires, signed_headers, signature, content_sha256] = values;
        let required = |value: Option<Cow<'a, str>>| {
            value.ok_or(SignatureError::QueryMalformed(
                "query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, \
                 X-Amz-SignedHeaders and X-Amz-Expires parameters",
            ))
        };
        Ok(Self {
            algorithm: required(algorithm)?,
            credential: required(credential)?,
            date: required(date)?,
            expires: required(expires)?,
            signed_headers: required(signed_headers)?,
            signature: required(signature)?,
            content_sha256,
        })
    }
}

/// Whether the query carries a signature of version 4, and of version 2.
pub fn query_mechanisms(query: &str) -> (bool, bool) {
    pairs(query).fold((false, false), |(v4, v2), (name, _)| {
        let name = decode(name);
        let is_v4 = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        let is_v2 = matches!(&*name, "AWSAccessKeyId" | "Signature");
        (v4 || is_v4, v2 || is_v2)
    })
}

/// What follows the scheme of an `Authorization` header.
pub fn scheme<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let rest = value.strip_prefix(name)?;
    rest.starts_with(' ').then(|| rest.trim())
}

/// The value of a header that may be there once; not UTF-8, or there twice, is `wrong`.
pub fn single<'a>(
    headers: &'a HeaderMap,
    name: &str,
    wrong: SignatureError,
) -> Result<Option<&'a str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => Ok(Some(value.trim())),
            Err(_) => Err(wrong),
        },
        (Some(_), Some(_)) => Err(wrong),
    }
}

/// The request's time: `x-amz-date`, else `Date`.
pub fn header_time(headers: &HeaderMap) -> Result<i64, SignatureError> {
    let value = match single(headers, "x-amz-date", SignatureError::MissingDate)? {
        Some(value) => Some(value),
        None => single(headers, DATE.as_str(), SignatureError::MissingDate)?,
    };
    // A clock before 1970 is no clock.
    value.and_then(date::parse_any).filter(|seconds| *seconds >= 0).ok_or(SignatureError::MissingDate)
}

/// Names of `SignedHeaders`, sorted.
pub fn signed_names(list: &str) -> Result<Vec<&str>, &'static str> {
    let mut names: Vec<&str> = list.split(';').collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a header is in SignedHeaders twice");
    }
    let valid = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase());
    if !names.iter().all(valid) {
        return Err("SignedHeaders must be lower-case names separated by \";\"");
    }
    Ok(names)
}

/// `host` and every `x-amz-*` header must be signed, or somebody on the way, or with a presigned URL in hand, could add one.
pub fn require_signed(names: &[&str], headers: &HeaderMap) -> Result<(), SignatureError> {
    let unsigned = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-"))
        .chain([HOST.as_str()])
        .find(|name| names.binary_search(name).is_err());
    match unsigned {
        None => Ok(()),
        Some(name) => Err(SignatureError::UnsignedHeader(name.to_owned())),
    }
}

pub fn refuse_session_token(headers: &HeaderMap) -> Result<(), SignatureError> {
    if headers.contains_key("x-amz-security-token") {
        return Err(SignatureError::SessionToken);
    }
    Ok(())
}
