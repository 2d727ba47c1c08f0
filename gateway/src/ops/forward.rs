//! Every operation that touches no object bytes: the client's request, edited and signed again; the backend's answer, edited.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use s3s::S3ErrorCode;

use super::Call;
use crate::backend::Payload;
use crate::body::Body;
use crate::s3::intake::{Intake, IntakeOptions};
use crate::s3::operation::{Op, SEALED_HEADER};
use crate::s3::{Error, checksum, xml};

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
    let response = call.vault.backend.call(request).await?;
    if call.method == Method::GET && response.status().is_success() {
        return unless_ignored(&call, response).await;
    }
    Ok(edited(response))
}

/// A store that does not know a sub-resource may answer as if it were not there: with stored bytes, or with a listing that shows the
/// sizes and `ETag`s of ciphertexts and our own bucket. Neither is what was asked for.
async fn unless_ignored(call: &Call, response: Response<Body>) -> Result<Response<Body>, Error> {
    let ignored = || {
        let message = format!("{} is not implemented by the object store behind the gateway", call.operation.op.name());
        Error::client(S3ErrorCode::NotImplemented, message)
    };
    if response.headers().contains_key(SEALED_HEADER) {
        return Err(ignored());
    }
    let (parts, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    let root = loop {
        if let Some(root) = root_element(&read) {
            break root;
        }
        if read.len() > PROLOGUE {
            break b"";
        }
        let Some(frame) = body.frame().await else { break b"" };
        let frame = frame.map_err(|e| Error::Protocol(format!("an answer could not be read: {e}").into()))?;
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(data);
        }
    };
    if LISTINGS.contains(&root) {
        return Err(ignored());
    }
    let begun = stream::iter([Ok(Frame::data(read.freeze()))]);
    let body = StreamBody::new(begun.chain(BodyStream::new(body))).boxed_unsync();
    Ok(edited(Response::from_parts(parts, body)))
}

/// What comes before the root element of a document that is searched for it, at most.
const PROLOGUE: usize = 4 << 10;

/// The root elements of listings.
const LISTINGS: [&[u8]; 3] = [b"ListBucketResult", b"ListVersionsResult", b"ListAllMyBucketsResult"];

/// The local name of the element that a document begins with; empty where it is no XML. None: more of it is needed.
fn root_element(document: &[u8]) -> Option<&[u8]> {
    let mut rest = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document).trim_ascii_start();
    loop {
        if rest.is_empty() {
            return None;
        }
        let skipped: &[u8] = if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!--") {
            b"-->"
        } else {
            break;
        };
        let end = rest.windows(skipped.len()).position(|window| window == skipped)?;
        rest = rest[end + skipped.len()..].trim_ascii_start();
    }
    let Some(name) = rest.strip_prefix(b"<") else { return Some(b"") };
    let end = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
    name[..end].rsplit(|byte| *byte == b':').next()
}

/// The longest document of an operation, in bytes: of those that we read ourselves the longest that S3 allows, whatever is
/// configured; else `xml_body`, and the backend judges.
fn largest_document(op: Op, xml_body: usize) -> usize {
    match op {
        Op::CompleteMultipartUpload => xml::MAX_COMPLETE,
        Op::DeleteObjects => xml::MAX_DELETE,
        _ => xml_body,
    }
}

/// The client's body, decoded and verified, for operations whose body is a document. Its checksum goes on in its header, and one
/// that came as a trailer becomes one.
pub async fn small_body(call: &Call, body: Body, headers: &mut HeaderMap) -> Result<Option<Bytes>, Error> {
    if matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS)
        || (call.method == Method::DELETE && call.header("content-length").is_none())
    {
        return Ok(None);
    }
    let limit = largest_document(call.operation.op, call.vault.config.limits.xml_body);
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

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// 10,000 parts with every checksum, indented: legal, and no bound of ours may refuse it.
    #[test]
    fn the_longest_legal_complete_is_read_whatever_is_configured() {
        let mut document =
            String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n");
        let (word, long, sha1, sha256) = ("AAAAAA==", "AAAAAAAAAAA=", "A".repeat(27) + "=", "A".repeat(43) + "=");
        for number in 1..=10_000 {
            write!(
                document,
                "    <Part>\n        <PartNumber>{number}</PartNumber>\n        <ETag>&quot;{:032x}&quot;</ETag>\n        \
                 <ChecksumCRC32>{word}</ChecksumCRC32>\n        <ChecksumCRC32C>{word}</ChecksumCRC32C>\n        \
                 <ChecksumCRC64NVME>{long}</ChecksumCRC64NVME>\n        <ChecksumSHA1>{sha1}</ChecksumSHA1>\n        \
                 <ChecksumSHA256>{sha256}</ChecksumSHA256>\n    </Part>\n",
                0
            )
            .unwrap();
        }
        document.push_str("</CompleteMultipartUpload>");
        let smallest = 1 << 20;
        assert!(document.len() > 4 << 20, "longer than xml_body is by default");
        assert!(document.len() <= largest_document(Op::CompleteMultipartUpload, smallest), "{}", document.len());
        let parts = xml::read_complete(document.as_bytes()).unwrap();
        assert_eq!((parts.len(), parts[9_999].number, parts[9_999].checksums.len()), (10_000, 10_000, 5));
    }

    #[test]
    fn documents_that_the_backend_judges_have_the_configured_bound() {
        assert_eq!(largest_document(Op::PutBucketPolicy, 1 << 20), 1 << 20);
        assert_eq!(largest_document(Op::DeleteObjects, 1 << 20), xml::MAX_DELETE);
    }

    #[test]
    fn the_root_element_of_a_document() {
        for (document, root) in [
            ("<ListBucketResult xmlns=\"x\"><Name>", Some("ListBucketResult")),
            ("\u{feff}<?xml version=\"1.0\"?>\n<!-- <a> -->\n<ns:ListVersionsResult>", Some("ListVersionsResult")),
            ("<Empty/>", Some("Empty")),
            ("{\"Version\": \"2012-10-17\"}", Some("")),
            ("text", Some("")),
            ("", None),
            (" \n", None),
            ("<?xml version=\"1.0\"", None),
            ("<!-- ", None),
            ("<ListBucketRes", None),
        ] {
            assert_eq!(root_element(document.as_bytes()), root.map(str::as_bytes), "{document}");
        }
    }
}
