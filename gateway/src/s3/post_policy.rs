//! The policy of a POST form: what its signer allows the form to hold. Source: Amazon S3 API Reference, "POST Policy".
//!
//! ```text
//! policy    = base64({"expiration": ISO 8601 in UTC, "conditions": [condition…]})
//! condition = {"field": "value"} | ["eq" | "starts-with", "$field", "value"] | ["content-length-range", least, most]
//! ```
//!
//! Names of fields and of operators are compared without case, values byte for byte. A field that the form lacks counts as empty.

use std::ops::RangeInclusive;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::S3ErrorCode;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Error;
use super::form::Fields;

/// Why a policy refuses a form, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The document cannot be read.
    #[error("Invalid Policy: {0}.")]
    Invalid(&'static str),
    /// After its time.
    #[error("Invalid according to Policy: Policy expired.")]
    Expired,
    /// A condition, as the document has it, does not hold.
    #[error("Invalid according to Policy: Policy Condition failed: {0}")]
    Failed(String),
    /// A field that no condition speaks of.
    #[error("Invalid according to Policy: Extra input fields: {0}")]
    Extra(String),
}

impl From<PolicyError> for Error {
    fn from(error: PolicyError) -> Self {
        let code = match error {
            PolicyError::Invalid(_) => S3ErrorCode::InvalidPolicyDocument,
            PolicyError::Expired | PolicyError::Failed(_) | PolicyError::Extra(_) => S3ErrorCode::AccessDenied,
        };
        Self::client(code, error.to_string())
    }
}

/// What the signer of a form allows it to hold.
#[derive(Debug)]
pub struct PostPolicy {
    expires: OffsetDateTime,
    conditions: Vec<Condition>,
    lengths: RangeInclusive<u64>,
}

#[derive(Debug)]
struct Condition {
    /// In lower case, without the `$`.
    field: String,
    value: String,
    matching: Matching,
    /// As the document has it, for the client.
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Matching {
    Equal,
    StartsWith,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    expiration: String,
    conditions: Vec<Value>,
}

impl PostPolicy {
    /// Reads the field `policy` as it came. Error: [`PolicyError::Invalid`].
    pub fn parse(encoded: &str) -> Result<Self, PolicyError> {
        let encoded: String = encoded.split_ascii_whitespace().collect();
        let json =
            BASE64_STANDARD.decode(encoded).map_err(|_| PolicyError::Invalid("The policy is not base64 encoded"))?;
        let document: Document = serde_json::from_slice(&escapes_of_json(&json)).map_err(|_| {
            PolicyError::Invalid("It is not a JSON document of a string 'expiration' and a list 'conditions'")
        })?;
        let mut policy =
            Self { expires: expiration(&document.expiration)?, conditions: Vec::new(), lengths: 0..=u64::MAX };
        for condition in &document.conditions {
            policy.add(condition)?;
        }
        Ok(policy)
    }

    /// The lengths that the file may have, in bytes.
    pub fn lengths(&self) -> RangeInclusive<u64> {
        self.lengths.clone()
    }

    /// Whether it allows these fields at this time: every condition holds, and every field is spoken of but those that cannot be known when
    /// the policy is written. `bucket` and `key` are what they come to, whatever the form says.
    pub fn check(&self, fields: &Fields, now: SystemTime) -> Result<(), PolicyError> {
        if OffsetDateTime::from(now) >= self.expires {
            return Err(PolicyError::Expired);
        }
        let failed = |condition: &&Condition| !condition.holds(fields.get(&condition.field).unwrap_or_default());
        if let Some(condition) = self.conditions.iter().find(failed) {
            return Err(PolicyError::Failed(condition.text.clone()));
        }
        let covered = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        let extra: Vec<&str> =
            fields.iter().map(|(name, _)| name).filter(|name| !needs_no_condition(name) && !covered(name)).collect();
        if extra.is_empty() { Ok(()) } else { Err(PolicyError::Extra(extra.join(", "))) }
    }

    fn add(&mut self, condition: &Value) -> Result<(), PolicyError> {
        let string = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or(PolicyError::Invalid("The value of a condition is not a string"))
        };
        let (field, value, matching) = match condition {
            Value::Object(pairs) => {
                let mut pairs = pairs.iter();
                let (Some((field, value)), None) = (pairs.next(), pairs.next()) else {
                    return Err(PolicyError::Invalid("A simple condition has exactly one property"));
                };
                (field.as_str(), string(value)?, Matching::Equal)
            }
            Value::Array(list) => {
                let (operator, first, second) = match list.as_slice() {
                    [Value::String(operator), first, second] => (operator.to_ascii_lowercase(), first, second),
                    _ => return Err(PolicyError::Invalid("A condition is a list of an operator and two arguments")),
                };
                let matching = match operator.as_str() {
                    "eq" => Matching::Equal,
                    "starts-with" => Matching::StartsWith,
                    "content-length-range" => return self.bound(first, second),
                    _ => return Err(PolicyError::Invalid("A condition has an unknown operator")),
                };
                let field = first
                    .as_str()
                    .and_then(|field| field.strip_prefix('$'))
                    .ok_or(PolicyError::Invalid("The field of a condition does not begin with $"))?;
                (field, string(second)?, matching)
            }
            _ => return Err(PolicyError::Invalid("A condition is neither an object nor a list")),
        };
        let field = field.to_ascii_lowercase();
        self.conditions.push(Condition { field, value, matching, text: condition.to_string() });
        Ok(())
    }

    /// `content-length-range`; several must all hold.
    fn bound(&mut self, least: &Value, most: &Value) -> Result<(), PolicyError> {
        let number = |value: &Value| {
            let number = match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            };
            number.ok_or(PolicyError::Invalid("An argument of content-length-range is not a number of bytes"))
        };
        let (least, most) = (number(least)?, number(most)?);
        self.lengths = least.max(*self.lengths.start())..=most.min(*self.lengths.end());
        Ok(())
    }
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        match self.matching {
            Matching::Equal => value == self.value,
            // A list of types must hold to it one by one.
            Matching::StartsWith if self.field == "content-type" => {
                value.split(',').all(|one| one.trim_start().starts_with(&self.value))
            }
            Matching::StartsWith => value.starts_with(&self.value),
        }
    }
}

/// The policy itself and its signature; the file's checksum, which nobody knows before the file.
fn needs_no_condition(name: &str) -> bool {
    name.starts_with("x-amz-checksum-")
        || matches!(
            name,
            "policy"
                | "signature"
                | "awsaccesskeyid"
                | "x-amz-algorithm"
                | "x-amz-credential"
                | "x-amz-date"
                | "x-amz-signature"
                | "x-amz-sdk-checksum-algorithm"
        )
}

/// Seconds and their fractions in UTC, or with an offset: `2015-12-30T12:00:00.000Z`.
fn expiration(text: &str) -> Result<OffsetDateTime, PolicyError> {
    let invalid = PolicyError::Invalid("The expiration is not a time like 2030-12-30T12:00:00.000Z");
    if text.as_bytes().get(10) != Some(&b'T') {
        return Err(invalid);
    }
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid)
}

/// A policy may say `\$` and `\v`, which JSON does not know.
fn escapes_of_json(policy: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(policy.len());
    let mut rest = policy;
    loop {
        match rest {
            [b'\\', b'$', tail @ ..] => {
                out.push(b'$');
                rest = tail;
            }
            [b'\\', b'v', tail @ ..] => {
                out.extend_from_slice(b"\\u000b");
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                out.extend_from_slice(&[b'\\', *escaped]);
                rest = tail;
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
            [] => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2030-01-01T00:00:00Z
    const NEW_YEAR: u64 = 1_893_456_000;

    fn parse(document: &str) -> Result<PostPolicy, PolicyError> {
        PostPolicy::parse(&BASE64_STANDARD.encode(document))
    }

    fn with(conditions: &str) -> Result<PostPolicy, PolicyError> {
        parse(&format!(r#"{{"expiration": "2030-01-01T00:00:00.000Z", "conditions": [{conditions}]}}"#))
    }

    fn check(conditions: &str, form: &[(&str, &str)]) -> Result<(), PolicyError> {
        let mut fields = Fields::default();
        for (name, value) in form {
            fields.set(name, (*value).to_owned());
        }
        with(conditions).unwrap().check(&fields, UNIX_EPOCH + Duration::from_secs(NEW_YEAR - 1))
    }

    #[test]
    fn conditions_hold_or_do_not() {
        let failed = |conditions: &str, form: &[(&str, &str)]| {
            assert!(matches!(check(conditions, form), Err(PolicyError::Failed(_))), "{conditions} {form:?}");
        };
        for equal in [r#"{"aCl": "private"}"#, r#"["EQ", "$AcL", "private"]"#] {
            check(equal, &[("acl", "private")]).unwrap();
            for other in ["Private", "private ", ""] {
                failed(equal, &[("acl", other)]);
            }
            failed(equal, &[]);
        }
        let starts = r#"["starts-with", "$key", "user/"]"#;
        check(starts, &[("key", "user/a")]).unwrap();
        failed(starts, &[("key", "use")]);
        let any = r#"["starts-with", "$key", ""], ["starts-with", "$x-amz-meta-tag", ""]"#;
        check(any, &[("key", "anything")]).unwrap();
        let text = check(r#"["eq","$key","a"]"#, &[("key", "b")]).unwrap_err().to_string();
        assert_eq!(text, r#"Invalid according to Policy: Policy Condition failed: ["eq","$key","a"]"#);
    }

    #[test]
    fn every_type_of_a_list_must_begin_so() {
        let images = r#"["starts-with", "$Content-Type", "image/"]"#;
        check(images, &[("content-type", "image/jpeg, image/png")]).unwrap();
        assert!(check(images, &[("content-type", "image/jpeg,video/mp4")]).is_err());
    }

    #[test]
    fn every_field_is_spoken_of() {
        let form =
            [("bucket", "b"), ("key", "k"), ("policy", "…"), ("x-amz-signature", "…"), ("x-amz-checksum-crc32", "…")];
        check(r#"{"bucket": "b"}, {"key": "k"}"#, &form).unwrap();
        assert_eq!(check(r#"{"key": "k"}"#, &form).unwrap_err(), PolicyError::Extra("bucket".into()));
        let more = [("bucket", "b"), ("key", "k"), ("acl", "public-read"), ("submit", "Go")];
        let extra = check(r#"{"bucket": "b"}, {"key": "k"}"#, &more).unwrap_err();
        assert_eq!(extra, PolicyError::Extra("acl, submit".into()));
    }

    #[test]
    fn a_policy_expires() {
        let policy = with("").unwrap();
        let at = |seconds| policy.check(&Fields::default(), UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(NEW_YEAR - 1), Ok(()));
        assert_eq!(at(NEW_YEAR), Err(PolicyError::Expired));
    }

    #[test]
    fn lengths() {
        let of = |conditions: &str| with(conditions).unwrap().lengths();
        assert_eq!(of(""), 0..=u64::MAX);
        assert_eq!(of(r#"["content-length-range", 1, 10]"#), 1..=10);
        assert_eq!(of(r#"["Content-Length-Range", "1", "10"], ["content-length-range", 0, 5]"#), 1..=5);
    }

    #[test]
    fn escapes() {
        let form = [("key", r"\$foo.txt"), ("acl", "$a\u{b}")];
        check(r#"["starts-with", "\$key", "\\$foo"], {"acl": "\$a\v"}"#, &form).unwrap();
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for document in [
            "",
            "[]",
            r#"{"conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z"}"#,
            r#"{"EXPIRATION": "2030-01-01T00:00:00Z", "conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "CONDITIONS": []}"#,
            r#"{"expiration": "2030-01-01 00:00:00.1+00:00", "conditions": []}"#,
            r#"{"expiration": "2030-01-01", "conditions": []}"#,
            r#"{"expiration": 1893456000, "conditions": []}"#,
        ] {
            assert!(matches!(parse(document), Err(PolicyError::Invalid(_))), "{document}");
        }
        for condition in [
            "{}",
            r#"{"acl": "a", "key": "k"}"#,
            r#"{"acl": 1}"#,
            r#""acl""#,
            r#"["eq", "$acl"]"#,
            r#"["eq", "acl", "a"]"#,
            r#"["eq", "$acl", "a", "b"]"#,
            r#"["ends-with", "$acl", "a"]"#,
            r#"["content-length-range", 0]"#,
            r#"["content-length-range", -1, 0]"#,
            r#"["content-length-range", 0, 1.5]"#,
            r#"["content-length-range", "a", 1]"#,
        ] {
            assert!(matches!(with(condition), Err(PolicyError::Invalid(_))), "{condition}");
        }
        assert!(matches!(PostPolicy::parse("%%%"), Err(PolicyError::Invalid(_))));
    }

    #[test]
    fn base64_may_have_line_ends() {
        let encoded = BASE64_STANDARD.encode(r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": []}"#);
        assert!(PostPolicy::parse(&format!("{}\r\n{}", &encoded[..10], &encoded[10..])).is_ok());
    }
}
