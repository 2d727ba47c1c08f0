//! `GetObjectAttributes`: answered from the sealed SUMMARY and TABLE.

use http::{HeaderValue, Response, header};
use s3s::S3ErrorCode;

use super::source::Source;
use super::stored::Look;
use super::{Call, documents};
use crate::body::{self, Body};
use crate::s3::Error;

/// `GetObjectAttributes`.
pub async fn get_object_attributes(call: Call) -> Result<Response<Body>, Error> {
    let asked: Vec<String> = call
        .headers
        .get_all("x-amz-object-attributes")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|v| v.trim().to_owned())
        .filter(|v| !v.is_empty())
        .collect();
    let known = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];
    if asked.is_empty() || asked.iter().any(|a| !known.contains(&a.as_str())) {
        return Err(Error::client(S3ErrorCode::InvalidArgument, "Invalid attribute name specified."));
    }
    let number = |name: &str| call.header(name).and_then(|v| v.parse::<u16>().ok());
    let page = (number("x-amz-part-number-marker").unwrap_or(0), number("x-amz-max-parts").unwrap_or(1000).min(1000));
    let source = Source::of(&call)?;
    let (headers, answer) = match source.look(super::head::SUFFIX, true).await? {
        Look::Sealed(sealed) => {
            let class = class_of(&sealed.stored.headers);
            let answer = documents::object_attributes(&asked, &sealed.facts, class, page);
            (sealed.stored.headers, answer)
        }
        Look::Plain(plain) => {
            let class = class_of(&plain.headers);
            let answer = documents::plain_attributes(&asked, &plain.etag, plain.length, class);
            (plain.headers, answer)
        }
    };
    let mut response = Response::new(body::full(answer));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    for name in ["x-amz-version-id", "last-modified", "x-amz-delete-marker"] {
        if let Some(value) = headers.get(name) {
            out.insert(http::HeaderName::from_static(name), value.clone());
        }
    }
    Ok(response)
}

fn class_of(headers: &http::HeaderMap) -> &str {
    headers.get("x-amz-storage-class").and_then(|v| v.to_str().ok()).unwrap_or("STANDARD")
}
