//! One file a verb. Every operation takes a [`Call`], which cannot be made without a [`Permit`].

pub mod again;
pub mod ahead;
mod alias;
pub mod aside;
mod attributes;
mod buckets;
mod complete;
pub mod conditions;
pub(crate) mod copy;
mod delete;
mod delete_objects;
pub mod documents;
mod forward;
mod get;
pub(crate) mod head;
pub mod keepalive;
mod list;
mod multipart;
pub(crate) mod pages;
pub mod post;
pub(crate) mod precondition;
pub(crate) mod put;
pub mod range;
pub mod rebuild;
pub(crate) mod scrubbed;
pub mod settle;
pub(crate) mod source;
pub mod spool;
pub(crate) mod stored;
pub mod sweep;
pub mod tables;
pub mod upload_id;
mod upload_part;

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use s3s::S3ErrorCode;

use crate::authorize::Permit;
use crate::backend::{BackendRequest, Sender};
use crate::body::Body;
use crate::s3::Error;
use crate::s3::address::{Address, Query, tenant};
use crate::s3::operation::{Op, Operation, Treatment};
use crate::s3::sigv4::Authentication;
use crate::scrubbing::Table;
use crate::server::Client;
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// One authenticated and authorized request.
pub struct Call {
    /// The gateway.
    pub vault: Arc<Vault>,
    /// Which operation.
    pub operation: &'static Operation,
    /// Method.
    pub method: Method,
    /// Bucket and key.
    pub address: Address,
    /// Query, authentication parameters taken off.
    pub query: Query,
    /// Headers; `x-amz-*` parameters of a presigned query are among them. Hop-by-hop and authentication headers are still there.
    pub headers: HeaderMap,
    /// How it was authenticated, for the body's own signatures.
    pub authentication: Authentication,
    /// That it may be done.
    pub permit: Permit,
    /// Where it came from, and over what.
    pub client: Client,
    /// `x-amz-request-id`.
    pub request_id: String,
    /// What scrub policies hold for it, to its end.
    pub policies: Arc<Table>,
}

impl Call {
    /// The bucket, by its identity. Every operation of bucket or object scope has one.
    pub fn bucket(&self) -> Result<&str, Error> {
        self.address.bucket.as_deref().ok_or_else(|| Error::Internal("operation without a bucket".into()))
    }

    /// The bucket's name as answers show it: without its tenant.
    pub fn bucket_name(&self) -> Result<&str, Error> {
        Ok(tenant::split(self.bucket()?).1)
    }

    /// The key. Every operation of object scope has one.
    pub fn key(&self) -> Result<&str, Error> {
        self.address.key.as_deref().ok_or_else(|| Error::Internal("operation without a key".into()))
    }

    /// The name of the object version asked for.
    pub fn at(&self) -> Result<ObjectAt, Error> {
        Ok(ObjectAt {
            bucket: self.bucket()?.to_owned(),
            key: self.key()?.to_owned(),
            version_id: self.query.get("versionId").map(str::to_owned).filter(|v| !v.is_empty()),
        })
    }

    /// As whom, and for whom, the backend is asked.
    pub fn sender(&self) -> Sender {
        Sender { signer: self.permit.principal().backend.clone(), client: Some(self.client) }
    }

    /// Who asks, for the records.
    pub fn principal(&self) -> Option<String> {
        Some(self.permit.principal().access_key.clone())
    }

    /// From where, for the records; none where that is not known.
    pub fn client_address(&self) -> Option<IpAddr> {
        (self.client != Client::UNKNOWN).then_some(self.client.address)
    }

    /// A header as text; none where it is absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The client's request on its way to the backend: same path, query and headers, less what belongs to the connection and to
    /// authentication.
    pub fn forward(&self) -> BackendRequest {
        self.forward_with(|_| true)
    }

    /// The same for a request whose body we change: the headers that describe the client's body are left out too.
    pub fn forward_sealed(&self) -> BackendRequest {
        self.forward_with(|name| !crate::s3::operation::describes_body(name))
    }

    /// What holds the body of a write back until the backend wants it: the client's own `Expect`, where the backend may well refuse the
    /// write (an anonymous one) or the body is large. A small one of a client that we know is not worth the wait.
    pub fn expect(&self, length: Option<u64>) -> Option<HeaderValue> {
        // Beyond what sockets hold, a store that refuses early breaks the connection, and its answer can be lost with it.
        const LARGE: u64 = 1 << 20;
        let asked = self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let worth = self.permit.principal().is_anonymous() || length.is_some_and(|length| length > LARGE);
        (asked && worth && length.is_some()).then(|| HeaderValue::from_static("100-continue"))
    }

    fn forward_with(&self, keep: impl Fn(&str) -> bool) -> BackendRequest {
        let headers = crate::s3::operation::forwarded_headers(&self.headers, keep);
        BackendRequest::new(self.method.clone(), self.address.raw_path.clone(), self.sender())
            .query(self.operation.passed_query(&self.query))
            .headers(headers)
    }
}

/// Does what was asked. One arm a row of the operation table that is not simply forwarded.
pub async fn run(call: Call, body: Body) -> Result<Response<Body>, Error> {
    match call.operation.op {
        Op::PutObject => put::put_object(call, body).await,
        Op::GetObject => get::get_object(call).await,
        Op::HeadObject => head::head_object(call).await,
        Op::CopyObject => copy::copy_object(call).await,
        Op::DeleteObject => Box::pin(delete::delete_object(call)).await,
        Op::DeleteObjects => Box::pin(delete_objects::delete_objects(call, body)).await,
        Op::GetObjectAttributes => attributes::get_object_attributes(call).await,
        Op::CreateMultipartUpload => multipart::create_multipart_upload(call).await,
        Op::UploadPart => upload_part::upload_part(call, body).await,
        Op::UploadPartCopy => upload_part::upload_part_copy(call).await,
        Op::CompleteMultipartUpload => Box::pin(complete::complete_multipart_upload(call, body)).await,
        Op::AbortMultipartUpload => multipart::abort_multipart_upload(call).await,
        Op::ListParts => multipart::list_parts(call).await,
        Op::ListMultipartUploads => multipart::list_multipart_uploads(call).await,
        Op::ListObjects | Op::ListObjectsV2 | Op::ListObjectVersions => list::list_objects(call).await,
        Op::ListBuckets => buckets::list_buckets(call).await,
        Op::HeadBucket => buckets::head_bucket(call).await,
        Op::DeleteBucket => buckets::delete_bucket(call).await,
        _ => match call.operation.treatment {
            Treatment::Forwarded | Treatment::Translated => forward::forward(call, body).await,
            Treatment::Sealed | Treatment::Ours | Treatment::Refused(_) => {
                Err(Error::Internal("operation without an arm".into()))
            }
        },
    }
}

/// The sealed header is ours alone: a client that could send it could choose the key that opens an object.
pub fn refuse_our_header(query: &Query, headers: &HeaderMap) -> Result<(), Error> {
    let name = keys::object::HEADER_NAME;
    if headers.contains_key(name) || query.iter().any(|(k, _)| k.eq_ignore_ascii_case(name)) {
        return Err(Error::client(
            S3ErrorCode::InvalidArgument,
            "The metadata name dv1 belongs to the gateway; choose another",
        ));
    }
    Ok(())
}

/// Sets a header whose value we made ourselves.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|_| Error::Protocol("a header value cannot be sent".into()))?;
    headers.insert(name, value);
    Ok(())
}

/// An `ETag` header's value without its quotes; empty where there is none.
pub(crate) fn etag_of(headers: &HeaderMap) -> String {
    headers
        .get(http::header::ETAG)
        .and_then(|v| v.to_str().ok())
        .map(|e| e.trim_matches('"').to_owned())
        .unwrap_or_default()
}

/// `x-amz-version-id` of an answer.
pub(crate) fn version_of(headers: &HeaderMap) -> Option<String> {
    headers.get("x-amz-version-id").and_then(|v| v.to_str().ok()).map(str::to_owned)
}
