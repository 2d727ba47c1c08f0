//! Cross-origin requests of browsers: the configuration of a bucket, the preflight, and the headers of answers (Fetch standard,
//! "CORS protocol"; docs.aws.amazon.com, "Elements of a CORS configuration").

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use s3s::dto::{
    CORSConfiguration, CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::documents::{Document, malformed, to_xml, with_status};
use crate::body::{self, Body};

/// S3's bound on the rules of a bucket.
const MAX_RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

impl Store {
    pub(super) async fn get_bucket_cors(
        &self,
        request: S3Request<GetBucketCorsInput>,
    ) -> S3Result<S3Response<GetBucketCorsOutput>> {
        let configuration: CORSConfiguration = self.document(&request.input.bucket, Document::Cors).await?;
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(configuration.cors_rules) }))
    }

    pub(super) async fn put_bucket_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> S3Result<S3Response<PutBucketCorsOutput>> {
        let configuration = request.input.cors_configuration;
        check(&configuration)?;
        self.set_document(request.input.bucket, Document::Cors, Some(to_xml(&configuration)?)).await?;
        Ok(S3Response::new(PutBucketCorsOutput {}))
    }

    pub(super) async fn delete_bucket_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
        self.set_document(request.input.bucket, Document::Cors, None).await?;
        Ok(S3Response::new(DeleteBucketCorsOutput {}))
    }

    /// Answers a preflight.
    pub(super) async fn preflight(&self, path: &str, headers: &HeaderMap) -> S3Result<Response<Body>> {
        let insufficient = || {
            with_status(
                "BadRequest",
                StatusCode::BAD_REQUEST,
                "Insufficient information. Origin request header needed.",
            )
        };
        let asked = Asked::of(headers).ok_or_else(insufficient)?;
        let method = text(headers, header::ACCESS_CONTROL_REQUEST_METHOD).ok_or_else(|| {
            with_status("BadRequest", StatusCode::BAD_REQUEST, "Invalid Access-Control-Request-Method: null")
        })?;
        let wanted = text(headers, header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let configuration: CORSConfiguration =
            self.document_if_any(&bucket_of(path).ok_or_else(forbidden)?, Document::Cors).await?.ok_or_else(|| {
                with_status(
                    "AccessForbidden",
                    StatusCode::FORBIDDEN,
                    "CORSResponse: CORS is not enabled for this bucket.",
                )
            })?;
        let rule = asked.rule(&configuration, method, wanted).ok_or_else(forbidden)?;
        let mut response = Response::new(body::full(Bytes::new()));
        let answer = response.headers_mut();
        asked.add_to(answer, rule);
        if !wanted.is_empty()
            && let Ok(wanted) = HeaderValue::from_str(wanted)
        {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
        if let Some(seconds) = rule.max_age_seconds {
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        answer.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        Ok(response)
    }

    /// What an answer says to the script of a page, where the bucket lets that page ask.
    pub(super) async fn shared_with(&self, path: &str, method: &Method, asked: &Asked) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(bucket) = bucket_of(path) else { return headers };
        match self.document_if_any::<CORSConfiguration>(&bucket, Document::Cors).await {
            Ok(Some(configuration)) => {
                if let Some(rule) = asked.rule(&configuration, method.as_str(), "") {
                    asked.add_to(&mut headers, rule);
                }
            }
            Ok(None) => {}
            // The page's browser withholds an answer without these headers; the answer itself stands.
            Err(e) => tracing::debug!(error = %e, "no CORS configuration"),
        }
        headers
    }
}

/// The page that asks.
pub struct Asked {
    origin: String,
}

impl Asked {
    /// None where it is no page.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        text(headers, header::ORIGIN).map(|origin| Self { origin: origin.to_owned() })
    }

    /// The first rule that allows it.
    fn rule<'c>(&self, configuration: &'c CORSConfiguration, method: &str, wanted: &str) -> Option<&'c CORSRule> {
        configuration.cors_rules.iter().find(|rule| {
            let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
            let mut wanted = wanted.split(',').map(str::trim).filter(|name| !name.is_empty());
            rule.allowed_methods.iter().any(|allowed| allowed == method)
                && rule.allowed_origins.iter().any(|pattern| matches(pattern, &self.origin))
                && wanted.all(|name| {
                    let name = name.to_ascii_lowercase();
                    allowed.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &name))
                })
        })
    }

    fn add_to(&self, headers: &mut HeaderMap, rule: &CORSRule) {
        let any = rule.allowed_origins.iter().any(|pattern| pattern == "*");
        let origin = if any { "*" } else { &self.origin };
        let values = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.to_owned()),
            (header::ACCESS_CONTROL_ALLOW_METHODS, rule.allowed_methods.join(", ")),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, rule.expose_headers.as_deref().unwrap_or_default().join(", ")),
            (header::VARY, VARY.to_owned()),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::from_str(&value)
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        }
        if !any {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Does a pattern with at most one `*` match? Any more are text.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

fn check(configuration: &CORSConfiguration) -> S3Result<()> {
    let rules = &configuration.cors_rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(malformed());
    }
    for rule in rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(malformed());
        }
        if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(s3_error!(
                InvalidRequest,
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        let mut patterns = rule.allowed_origins.iter().chain(rule.allowed_headers.iter().flatten());
        if patterns.any(|pattern| pattern.matches('*').count() > 1) {
            return Err(s3_error!(
                InvalidRequest,
                "An AllowedOrigin or AllowedHeader can not have more than one wildcard."
            ));
        }
    }
    Ok(())
}

fn forbidden() -> S3Error {
    with_status(
        "AccessForbidden",
        StatusCode::FORBIDDEN,
        "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    )
}

fn bucket_of(path: &str) -> Option<String> {
    let name = path.trim_start_matches('/').split('/').next().filter(|name| !name.is_empty())?;
    Some(percent_decode_str(name).decode_utf8().ok()?.into_owned())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wildcard_matches() {
        for (pattern, yes, no) in [
            ("https://example.com", "https://example.com", "https://example.com.evil"),
            ("*", "null", ""),
            ("https://*.example.com", "https://a.example.com", "https://example.com"),
            ("a*a", "aa", "a"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(no.is_empty() || !matches(pattern, no), "{pattern} {no}");
        }
    }
}
