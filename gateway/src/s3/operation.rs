//! Every S3 operation, in one table: what selects it, what it needs permission for, and what becomes of it.
//!
//! Routing, authorization, metrics and `docs/s3-operations.md` read this table. A request that no row selects, or that carries
//! more than its row names, is refused, so nothing reaches the backend unsealed by accident.

mod headers;
mod table;

pub use headers::{
    SEALED_HEADER, answered_headers, describes_body, forwarded_headers, strip_backend_marks, strip_hop_headers,
    strip_owned_response_headers,
};
pub use table::{Op, TABLE};

use http::{HeaderMap, Method, header};
use s3s::S3ErrorCode;

use super::Error;
use super::address::Query;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `/`
    Service,
    /// `/bucket`
    Bucket,
    /// `/bucket/key`
    Object,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// We touch the bytes of the object.
    Sealed,
    /// We touch sizes, `ETag`s, markers or names in the request or the answer.
    Translated,
    /// The backend answers; authentication and the headers we own are edited, the rest passes.
    Forwarded,
    /// Answered here, without the backend.
    Ours,
    /// `NotImplemented`, with the reason.
    Refused(&'static str),
}

impl Treatment {
    /// One lower-case word, for metrics and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Translated => "translated",
            Self::Forwarded => "forwarded",
            Self::Ours => "ours",
            Self::Refused(_) => "refused",
        }
    }
}

/// A query parameter that a row needs: its name, and its value where that matters (`list-type=2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The decoded name.
    pub name: &'static str,
    /// The decoded value; none where any will do, an empty one included.
    pub value: Option<&'static str>,
}

/// A row of the table.
#[derive(Debug)]
pub struct Operation {
    /// Which operation.
    pub op: Op,
    /// Its HTTP method.
    pub method: Method,
    /// What its path names.
    pub scopes: &'static [Scope],
    /// The query parameters that must all be there.
    pub query: &'static [Selector],
    /// A header that must be there, and a piece of its value in lower case (empty: any value).
    pub header: Option<(&'static str, &'static str)>,
    /// The IAM action that it needs; none where S3 asks for no permission.
    pub action: Option<&'static str>,
    /// The IAM action that it needs when the request names a `versionId`; none where that makes no difference.
    pub version_action: Option<&'static str>,
    /// What becomes of it.
    pub treatment: Treatment,
    /// Further query parameters that it accepts and passes on: S3's documented ones, and harmless extensions of backends.
    pub params: &'static [&'static str],
}

impl Operation {
    /// The IAM action for this very request.
    pub fn action_for(&self, query: &Query) -> Option<&'static str> {
        match self.version_action {
            Some(action) if query.has("versionId") => Some(action),
            _ => self.action,
        }
    }

    /// The error of a refused row.
    pub fn refusal(&self) -> Option<Error> {
        match self.treatment {
            Treatment::Refused(reason) => {
                Some(not_implemented(format!("{} is not available through this gateway: {reason}", self.op.name())))
            }
            _ => None,
        }
    }

    /// The query to send on, in its raw encoding: what this row names and nothing else. Authentication, `x-id` and whatever S3
    /// ignores on a read stay behind.
    pub fn passed_query(&self, query: &Query) -> String {
        query.without(|name| !self.names(name))
    }

    /// Whether S3 changes nothing for this request: an unknown parameter is then ignored rather than refused.
    fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    fn names(&self, param: &str) -> bool {
        self.params.contains(&param) || self.query.iter().any(|selector| selector.name == param)
    }

    fn selected_by(&self, query: &Query, headers: &HeaderMap) -> bool {
        self.query.iter().all(|selector| match selector.value {
            None => query.has(selector.name),
            Some(value) => query.get(selector.name) == Some(value),
        }) && self.header.is_none_or(|(name, piece)| {
            headers.get_all(name).iter().any(|value| contains_ignore_case(value.as_bytes(), piece.as_bytes()))
        })
    }
}

/// The one row that a request selects. The row may be a refused one: see [`Operation::refusal`].
///
/// `x-amz-*` parameters of a presigned query that stand for headers must have become headers already. Errors:
/// `MethodNotAllowed` where no row has this method and scope; `NotImplemented` for a sub-resource or an extension that the row
/// does not name; `InvalidArgument` for a known parameter or header that does not belong to the operation, and for one given
/// twice, since we and the backend might each believe another.
pub fn select(method: &Method, scope: Scope, query: &Query, headers: &HeaderMap) -> Result<&'static Operation, Error> {
    let operation = TABLE
        .iter()
        .filter(|row| row.method == *method && row.scopes.contains(&scope))
        .filter(|row| row.selected_by(query, headers))
        .max_by_key(|row| (row.query.len(), row.header.is_some()))
        .ok_or_else(|| {
            Error::client(S3ErrorCode::MethodNotAllowed, "The specified method is not allowed against this resource.")
        })?;
    if *method == Method::OPTIONS {
        // A preflight carries the query of the request that it asks for, which is nothing to it.
        return Ok(operation);
    }
    check_params(operation, query)?;
    headers::check(operation, headers)?;
    Ok(operation)
}

/// Sub-resources of backends that are not S3's. They are refused on reads too, where another unknown parameter that has a value
/// is ignored: each of them turns the request into something that is not the row's.
const VENDOR_SUBRESOURCES: &[&str] = &[
    // MinIO: notification streams, object lambda, replication tools.
    "events",
    "ping",
    "lambdaArn",
    "replication-metrics",
    "replication-reset",
    "replication-reset-status",
    "replication-check",
    // Ceph RGW: append, layouts, metadata search, usage, bucket index tools.
    "append",
    "position",
    "layout",
    "mdsearch",
    "usage",
    "quota",
    "bucketQuota",
];

fn check_params(operation: &Operation, query: &Query) -> Result<(), Error> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in query.iter() {
        if let Some(reason) = headers::refused_by_name(&name.to_ascii_lowercase()) {
            return Err(not_implemented(format!("{}: {reason}", shown(name))));
        }
        if operation.names(name) {
            if seen.contains(&name) {
                return Err(invalid_argument(format!("The query parameter {} is given more than once.", shown(name))));
            }
            seen.push(name);
        } else if is_common(name) || is_signed_header(name, query) {
            // Read by whoever verifies the signature; not sent on.
        } else if name == "list-type" && operation.op == Op::ListObjects {
            // Its one value selects another row. S3 does not fall back to the first version of the listing.
            return Err(invalid_argument("The value of list-type must be 2.".to_owned()));
        } else if is_selector(name) {
            return Err(not_implemented(format!(
                "The sub-resource {} does not go with {}.",
                shown(name),
                operation.op.name()
            )));
        } else if VENDOR_SUBRESOURCES.contains(&name) {
            return Err(not_implemented(format!(
                "The extension {} is not available through this gateway.",
                shown(name)
            )));
        } else if TABLE.iter().any(|row| row.params.contains(&name)) {
            if !operation.is_read() {
                return Err(invalid_argument(format!(
                    "{} does not accept the query parameter {}.",
                    operation.op.name(),
                    shown(name)
                )));
            }
        } else if value.is_none() || !operation.is_read() {
            // A bare name is how a sub-resource is written, and on a write anything unknown may change what is written.
            return Err(not_implemented(format!(
                "The query parameter {} is not known for {}.",
                shown(name),
                operation.op.name()
            )));
        }
    }
    Ok(())
}

/// Allowed on every request and never sent on: authentication, and the SDKs' own label of the operation.
fn is_common(name: &str) -> bool {
    matches!(name, "x-id" | "AWSAccessKeyId" | "Signature" | "Expires")
        || name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
}

/// boto3 repeats the headers that Signature Version 2 signs in the query of a presigned URL. The signature is over the headers, and those
/// are what counts.
fn is_signed_header(name: &str, query: &Query) -> bool {
    matches!(name, "content-type" | "content-md5") && query.has("AWSAccessKeyId")
}

fn is_selector(name: &str) -> bool {
    TABLE.iter().any(|row| row.query.iter().any(|selector| selector.name == name))
}

/// A client's own word in an answer, at most 64 characters of it.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn contains_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_TYPE)
        .iter()
        .any(|value| contains_ignore_case(value.as_bytes(), b"multipart/form-data"))
}

fn not_implemented(message: String) -> Error {
    Error::client(S3ErrorCode::NotImplemented, message)
}

fn invalid_argument(message: String) -> Error {
    Error::client(S3ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests;
