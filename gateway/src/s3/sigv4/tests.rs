//! The examples that Amazon publishes, what must be refused, and `aws-sigv4` as the other side.

mod examples;
mod other_side;
mod refused;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::{Authentication, Secrets, SigV2Mode, SignatureError, Verified, Verifier};

pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// 20130524T000000Z, the time of all examples of version 4.
pub fn may_2013() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(380_376)
}

/// Knows the one credential of the examples.
pub struct ExampleSecrets;

impl Secrets for ExampleSecrets {
    fn secret(&self, access_key: &str) -> Option<&str> {
        (access_key == ACCESS_KEY).then_some(SECRET_KEY)
    }
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
}

impl Request {
    pub fn new(method: &str, uri: &str, headers: &[(&str, &str)]) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Self { method: method.parse().unwrap(), uri: uri.parse().unwrap(), headers: map }
    }

    pub fn verify_at(&self, now: SystemTime) -> Result<Verified, SignatureError> {
        let verifier = Verifier {
            sigv2: SigV2Mode::All,
            virtual_host_domain: Some("s3.amazonaws.com"),
            ..Verifier::new(&ExampleSecrets, now)
        };
        match verifier.verify(&self.method, &self.uri, &self.headers)? {
            Authentication::Signed(who) => Ok(who),
            Authentication::Anonymous => Err(SignatureError::AnonymousRefused),
        }
    }

    pub fn verify(&self) -> Result<Verified, SignatureError> {
        self.verify_at(may_2013())
    }
}
