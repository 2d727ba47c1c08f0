//! Every operation that touches no object bytes: the client's request, edited and signed again; the backend's answer, edited.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response};
use s3s::S3ErrorCode;

use super::Call;
use crate::backend::Payload;
use crate::body::Body;
use crate::s3::intake::{Intake, IntakeOptions};
use crate::s3::operation::Op;
use crate::s3::{Error, checksum};

/// Sends a request on, and its answer back.
pub async fn forward(call: Call, body: Body) -> Result<Response<Body>, Error> {
    let mut request = call.forward();
    if let Some(body) = small_body(&call, body, &mut request.headers).await? {
        // A bucket policy is JSON, and names nothing that our credential would be lent to.
        if call.operation.op != Op::PutBucketPolicy {
            call.vault.reserved.check_xml_targets(&body)?;
        }
        request.payload = Payload::Bytes(body);
    }
    Ok(edited(call.vault.backend.call(request).await?))
}

/// The client's body, decoded and verified, for operations whose body is a document. Its checksum goes on in its header, and one
/// that came as a trailer becomes one.
pub async fn small_body(call: &Call, body: Body, headers: &mut HeaderMap) -> Result<Option<Bytes>, Error> {
    if matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS)
        || (call.method == Method::DELETE && call.header("content-length").is_none())
    {
        return Ok(None);
    }
    let limit = call.vault.config.limits.xml_body;
    let options = IntakeOptions {
        md5: false,
        checksum: None,
        max_length: limit as u64,
        idle_timeout: call.vault.config.server.idle_timeout,
    };
    let mut described = call.headers.clone();
    if call.operation.op == Op::CompleteMultipartUpload {
        // There the checksum is the object's, not the document's.
        for algorithm in checksum::ALGORITHMS {
            described.remove(checksum::header_name(algorithm));
        }
    }
    let mut intake = Intake::new(&described, body, &call.authentication, options)?;
    let mut whole = Vec::new();
    while let Some(frame) = intake.next().await? {
        whole.extend_from_slice(&frame);
        if whole.len() > limit {
            return Err(Error::client(S3ErrorCode::MaxMessageLengthExceeded, "Your request was too big."));
        }
    }
    for name in ["x-amz-trailer", "x-amz-decoded-content-length"] {
        headers.remove(name);
    }
    if let Some(sum) = intake.received().checksum {
        let name: HeaderName = checksum::header_name(sum.algorithm);
        if !headers.contains_key(&name) {
            super::set(headers, name, &checksum::to_text(&sum, 1))?;
        }
    }
    Ok(Some(whole.into()))
}

/// An answer that passes as it came, less what is between the backend and us.
pub fn edited(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    crate::s3::operation::strip_hop_headers(headers);
    headers.remove(keys::object::HEADER_NAME);
    crate::s3::operation::strip_backend_marks(headers);
    response
}
