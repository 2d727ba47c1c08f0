//! Every way a request can end badly, and the one place that maps it to an S3 error code.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use s3s::S3ErrorCode;

use super::xml;
use crate::backend::BackendError;
use crate::body::{self, Body};
use crate::sidecar::SidecarError;

/// Whose fault an error is: for metrics and for the operator's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The client asked for something wrong.
    Client,
    /// The backend failed or holds something that cannot be trusted.
    Backend,
    /// We failed.
    Ours,
}

/// A request that ends in an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client is wrong: an S3 code and what to do about it.
    #[error("{}: {message}", code.as_str())]
    Client {
        /// S3 error code.
        code: S3ErrorCode,
        /// For the client. Never holds a secret.
        message: Cow<'static, str>,
    },
    /// No byte of the object is in the range asked for: 416.
    #[error("the range is past the object's {length} bytes")]
    Range {
        /// Plaintext length, shown in `Content-Range: bytes */length`.
        length: u64,
    },
    /// The object has no part of the number asked for: 416.
    #[error("the object has no such part")]
    NoSuchPart,
    /// The policy of the object's key has not seen it, and such are kept from readers.
    #[error("the policy {policy} has not seen the object")]
    Unscrubbed {
        /// Name and version of the policy.
        policy: String,
    },
    /// Which policies hold is not known, so nothing is done that one of them may forbid.
    #[error("which scrub policies hold could not be found out for longer than limits.policies_age")]
    PoliciesUnknown,
    /// The signature, or what it covers, does not hold.
    #[error(transparent)]
    Signature(#[from] super::sigv4::SignatureError),
    /// The client's body is not what it should be.
    #[error(transparent)]
    Intake(#[from] super::intake::IntakeError),
    /// A checksum outside a body cannot be read.
    #[error(transparent)]
    Checksum(#[from] super::checksum::ChecksumError),
    /// The backend answered with an S3 error, which passes to the client as it came.
    #[error("the backend answered {status} {code}")]
    Answered {
        /// HTTP status.
        status: StatusCode,
        /// S3 error code in its body, empty where there was none.
        code: String,
        /// The answer itself, already edited.
        response: Box<Answer>,
    },
    /// The backend gave no answer.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// What the backend holds is not what was sealed: flipped, cut, swapped, renamed, stripped. Nothing of it is served.
    #[error("the stored object cannot be trusted")]
    Sealed(#[from] keys::Error),
    /// An object whose sealed header is gone although its body or its record says that it was sealed.
    #[error("the stored object has lost its sealed header")]
    Stripped,
    /// The backend broke its protocol.
    #[error("the backend's answer cannot be used: {0}")]
    Protocol(Cow<'static, str>),
    /// The sidecar failed.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// We failed.
    #[error("internal error: {0}")]
    Internal(Cow<'static, str>),
}

/// An error answer of the backend, whole.
#[derive(Debug)]
pub struct Answer {
    /// Its headers, edited.
    pub headers: HeaderMap,
    /// Its body, edited.
    pub body: bytes::Bytes,
}

impl Error {
    /// The client is wrong.
    pub fn client(code: S3ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Client { code, message: message.into() }
    }

    /// S3 code, HTTP status, text for the client and whose fault it is. The one exhaustive mapping.
    #[expect(clippy::too_many_lines, reason = "one arm an error, and nowhere else")]
    pub fn s3(&self) -> (Cow<'_, str>, StatusCode, Cow<'_, str>, Fault) {
        match self {
            Self::Client { code, message } => (
                code.as_str().to_owned().into(),
                code.status_code().unwrap_or(StatusCode::BAD_REQUEST),
                Cow::Borrowed(message.as_ref()),
                Fault::Client,
            ),
            Self::Range { .. } => (
                "InvalidRange".into(),
                StatusCode::RANGE_NOT_SATISFIABLE,
                "The requested range is not satisfiable".into(),
                Fault::Client,
            ),
            Self::NoSuchPart => (
                "InvalidPartNumber".into(),
                StatusCode::RANGE_NOT_SATISFIABLE,
                "The requested partnumber is not satisfiable".into(),
                Fault::Client,
            ),
            Self::Unscrubbed { policy } => (
                "AccessDenied".into(),
                StatusCode::FORBIDDEN,
                format!(
                    "Access Denied: the policy {policy} has not seen this object, and on_unscrubbed keeps such from readers. Write it again, or ask the operator to scrub the bucket in place"
                )
                .into(),
                Fault::Client,
            ),
            Self::PoliciesUnknown => (
                "ServiceUnavailable".into(),
                StatusCode::SERVICE_UNAVAILABLE,
                "The gateway cannot find out which scrub policies hold, so it serves nothing. Its /readyz and its log say why. Try again."
                    .into(),
                Fault::Backend,
            ),
            Self::Signature(e) => {
                let (code, message) = e.s3();
                // The one code of its own, XAmzContentSHA256Mismatch, is a 400.
                let status = code.status_code().unwrap_or(StatusCode::BAD_REQUEST);
                (code.as_str().to_owned().into(), status, message, Fault::Client)
            }
            Self::Intake(e) => {
                let (code, status, message) = e.s3();
                (code.as_str().to_owned().into(), status, message, Fault::Client)
            }
            Self::Checksum(e) => {
                let (code, message) = e.s3();
                let status = code.status_code().unwrap_or(StatusCode::BAD_REQUEST);
                (code.as_str().to_owned().into(), status, message.into(), Fault::Client)
            }
            Self::Answered { status, code, .. } => {
                let fault = if status.is_server_error() { Fault::Backend } else { Fault::Client };
                (Cow::Borrowed(code.as_str()), *status, Cow::Borrowed("The backend refused the request."), fault)
            }
            Self::Backend(BackendError::Body(_)) => (
                "IncompleteBody".into(),
                StatusCode::BAD_REQUEST,
                "The request body ended early or could not be read. Nothing was stored; send it again.".into(),
                Fault::Client,
            ),
            Self::Backend(BackendError::Invalid(_)) => (
                "InternalError".into(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "The request could not be expressed to the backend. See the gateway's log by this request id.".into(),
                Fault::Ours,
            ),
            Self::Backend(BackendError::Connect(_) | BackendError::Timeout | BackendError::Broken(_)) => (
                "ServiceUnavailable".into(),
                StatusCode::SERVICE_UNAVAILABLE,
                "The object store behind the gateway cannot be reached or did not answer in time. Try again.".into(),
                Fault::Backend,
            ),
            Self::Sealed(e) => {
                let (status, fault) = match e.s3_code() {
                    "ServiceUnavailable" => (StatusCode::SERVICE_UNAVAILABLE, Fault::Backend),
                    "EntityTooLarge" => (StatusCode::BAD_REQUEST, Fault::Client),
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, Fault::Backend),
                };
                (e.s3_code().into(), status, e.client_message().into(), fault)
            }
            Self::Stripped => (
                "InvalidObjectState".into(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "The stored object has lost the header that it was sealed with, so it cannot be opened. It was changed in the \
                 object store, not through the gateway; restore it from there."
                    .into(),
                Fault::Backend,
            ),
            Self::Protocol(_) => (
                "InternalError".into(),
                StatusCode::BAD_GATEWAY,
                "The object store behind the gateway gave an answer that cannot be used.".into(),
                Fault::Backend,
            ),
            Self::Sidecar(e) if e.is_full() => (
                "InsufficientStorage".into(),
                StatusCode::INSUFFICIENT_STORAGE,
                "The disk under the gateway's metadata store is full. Nothing was stored.".into(),
                Fault::Ours,
            ),
            Self::Sidecar(_) => (
                "ServiceUnavailable".into(),
                StatusCode::SERVICE_UNAVAILABLE,
                "The gateway's metadata store does not answer. Nothing was acknowledged; try again.".into(),
                Fault::Ours,
            ),
            Self::Internal(_) => (
                "InternalError".into(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "The gateway failed. See its log by this request id.".into(),
                Fault::Ours,
            ),
        }
    }

    /// The answer to the client. `head`: a HEAD has no body.
    pub fn into_response(self, resource: &str, request_id: &str, head: bool) -> Response<Body> {
        let (code, status, message, _) = self.s3();
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><Resource>{}</Resource><RequestId>{}</RequestId></Error>",
            quick_xml::escape::escape(code.as_ref()),
            quick_xml::escape::escape(message.as_ref()),
            quick_xml::escape::escape(resource),
            quick_xml::escape::escape(request_id),
        );
        if let Self::Answered { status, response, .. } = self {
            let body = if head { body::empty() } else { body::full(with_request_id(response.body, request_id)) };
            let mut out = Response::new(body);
            *out.status_mut() = status;
            *out.headers_mut() = response.headers;
            return out;
        }
        let content_range = if let Self::Range { length } = &self {
            HeaderValue::from_str(&format!("bytes */{length}")).ok()
        } else {
            None
        };
        let bodiless = head || status == StatusCode::NOT_MODIFIED;
        let mut out = Response::new(if bodiless { body::empty() } else { body::full(xml) });
        *out.status_mut() = status;
        if let Some(content_range) = content_range {
            out.headers_mut().insert(header::CONTENT_RANGE, content_range);
        }
        if !bodiless {
            out.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        out
    }
}

/// The backend's error document under our request id, by which our log is searched. Whatever is no such document passes.
fn with_request_id(document: bytes::Bytes, request_id: &str) -> bytes::Bytes {
    let Ok(parsed) = xml::Document::parse(&document) else { return document };
    let root = parsed.root();
    if root.name() != "Error" {
        return document;
    }
    let mut edits = parsed.edit();
    match root.child("RequestId") {
        Some(element) => edits.set_text(element, request_id),
        None => edits.append(root, &format!("<RequestId>{}</RequestId>", xml::escape(request_id))),
    }
    if let Some(element) = root.child("HostId") {
        edits.remove(element);
    }
    edits.finish().into()
}
