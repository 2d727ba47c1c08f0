//! `/v1`: for security officers, each of whom has a token of their own, and rights.

use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use s3s::S3ErrorCode;
use serde_json::{Value, json};

use super::kept::Kept;
use super::policies::Policies;
use crate::body::{self, Body};
use crate::config::{Officer, Right};
use crate::policies::PoliciesError;
use crate::s3::Error;
use crate::s3::address::decode_query;
use crate::vault::Vault;

/// What is served to security officers.
pub struct Officers {
    vault: Arc<Vault>,
    kept: Kept,
    policies: Policies,
}

/// What a request is about.
pub struct Asked<'a> {
    /// Who asks.
    pub officer: &'a str,
    /// Method.
    pub method: &'a Method,
    /// Headers.
    pub headers: &'a HeaderMap,
    query: Vec<(String, String)>,
}

impl Officers {
    /// Of this gateway.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { kept: Kept { vault: vault.clone() }, policies: Policies { vault: vault.clone() }, vault }
    }

    /// Answers a request below `/v1/`.
    pub async fn handle(&self, request: &Parts, body: Body) -> Response<Body> {
        self.answer(request, body).await.unwrap_or_else(|error| refused(&error))
    }

    async fn answer(&self, request: &Parts, body: Body) -> Result<Response<Body>, PoliciesError> {
        let officer = officer(&self.vault.config.admin.officers, &request.headers)?;
        let query = pairs(request.uri.query().unwrap_or_default())?;
        let asked = Asked { officer: &officer.name, method: &request.method, headers: &request.headers, query };
        let path = request.uri.path().trim_start_matches("/v1/");
        if matches!(path.split('/').next(), Some("policies" | "buckets")) {
            may(officer, Right::Policies)?;
            return self.policies.answer(path, &asked, body).await;
        }
        may(officer, Right::Kept)?;
        Ok(self.kept.answer(path, &asked).await?)
    }
}

impl Asked<'_> {
    /// A parameter of the query.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn refused(error: &PoliciesError) -> Response<Body> {
    let (code, status, message) = match error {
        PoliciesError::Store(error) => {
            let (code, status, message, _) = error.s3();
            (code.into_owned(), status, message.into_owned())
        }
        PoliciesError::Refused { status, code, message } => ((*code).to_owned(), *status, message.clone()),
        PoliciesError::Policy(error) => ("InvalidPolicy".to_owned(), StatusCode::BAD_REQUEST, chain(error)),
        error => ("InternalError".to_owned(), StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    if status.is_server_error() {
        tracing::error!(error = chain(error), "a request of a security officer failed");
    }
    document(status, &json!({ "code": code, "message": message }))
}

/// An error and what caused it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Whose token a request shows. Every token is compared, by its digest, in constant time.
fn officer<'a>(officers: &'a [Officer], headers: &HeaderMap) -> Result<&'a Officer, Error> {
    let denied = |why| Err(Error::client(S3ErrorCode::AccessDenied, why));
    if officers.is_empty() {
        return denied("nobody may: no [[admin.officers]] is configured");
    }
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = shown.and_then(|value| value.strip_prefix("Bearer ")) else {
        return denied("send the token of a security officer as `Authorization: Bearer …`");
    };
    let of = |token: &str| digest::digest(&digest::SHA256, token.as_bytes());
    let shown = of(token);
    let mut found = None;
    for officer in officers {
        if constant_time::verify_slices_are_equal(of(&officer.token).as_ref(), shown.as_ref()).is_ok() {
            found = Some(officer);
        }
    }
    found.map_or_else(|| denied("this is the token of no security officer"), Ok)
}

fn may(officer: &Officer, right: Right) -> Result<(), Error> {
    if officer.may.contains(&right) {
        return Ok(());
    }
    let (name, right) = (&officer.name, right.name());
    Err(Error::client(
        S3ErrorCode::AccessDenied,
        format!("{name} may not: `may` in [[admin.officers]] has no `{right}`"),
    ))
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Error> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| Ok((decode_query(name)?, decode_query(value)?))).collect()
}

/// There is nothing of this name.
pub fn nothing(why: &'static str) -> Error {
    Error::client(S3ErrorCode::NoSuchKey, why)
}

/// An answer in JSON.
pub fn document(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from(format!("{value}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn of(name: &str, token: &str, may: &[Right]) -> Officer {
        Officer { name: name.into(), token: Zeroizing::new(token.into()), may: may.to_vec() }
    }

    #[test]
    fn an_officer_is_who_has_the_token() {
        let officers = [of("alice", "one", &[Right::Kept]), of("bob", "two", &[Right::Kept])];
        let ask = |officers: &[Officer], value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            officer(officers, &headers).map(|officer| officer.name.clone()).map_err(|e| e.s3().2.into_owned())
        };
        assert_eq!(ask(&officers, Some("Bearer two")).unwrap(), "bob");
        for value in [None, Some("Bearer three"), Some("two"), Some("Bearer "), Some("Basic two")] {
            assert!(ask(&officers, value).is_err(), "{value:?}");
        }
        assert!(ask(&[], Some("Bearer ")).unwrap_err().contains("no [[admin.officers]]"));
    }

    #[test]
    fn each_right_is_its_own() {
        for (has, lacks) in [(Right::Kept, Right::Policies), (Right::Policies, Right::Kept)] {
            let officer = of("alice", "one", &[has]);
            assert!(may(&officer, has).is_ok());
            assert!(may(&officer, lacks).unwrap_err().s3().2.contains("alice may not"));
        }
    }
}
