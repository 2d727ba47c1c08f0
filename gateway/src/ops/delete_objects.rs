//! `DeleteObjects`: the backend deletes, then the records go. Objects under a condition are weighed and deleted each for itself, since their
//! conditions are on the plaintext; the others in one request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use md5::{Digest, Md5};

use super::delete::{Condition, delete_if, forget};
use super::forward::{edited, small_body};
use super::source::Source;
use super::stored::answered;
use super::{Call, documents, set};
use crate::backend::{BackendRequest, Payload, query_value};
use crate::body::{self, Body, collect};
use crate::s3::xml::{self, DeleteTarget, Document};
use crate::s3::{Error, checksum};
use crate::sidecar::ObjectAt;

/// Objects under a condition that are deleted at once.
const AT_ONCE: usize = 8;

/// `DeleteObjects`.
pub async fn delete_objects(call: Call, body: Body) -> Result<Response<Body>, Error> {
    let mut request = call.forward();
    let document = small_body(&call, body, &mut request.headers).await?.unwrap_or_default();
    let asked = xml::read_delete(&document)?;
    let conditions: Vec<Option<Condition>> =
        asked.objects.iter().map(Condition::of_target).collect::<Result<_, _>>()?;
    let bucket = call.bucket()?.to_owned();
    let leases = call.vault.lease_all(&bucket, asked.objects.iter().map(|o| o.key.as_str()).collect()).await?;

    let mut weighed = Vec::new();
    for (target, condition) in asked.objects.iter().zip(&conditions) {
        if let Some(condition) = condition {
            weighed.push(one(&call, &bucket, target, condition));
        }
    }
    let (alone, all) = (weighed.len(), asked.objects.len());
    let one_by_one: Vec<String> = stream::iter(weighed).buffered(AT_ONCE).collect().await;
    let (parts, answer) = if alone == all {
        let mut parts = Response::new(()).into_parts().0;
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        let empty = "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></DeleteResult>";
        (parts, Bytes::from(xml::with_declaration(empty)))
    } else {
        request.payload =
            Payload::Bytes(if alone == 0 { document } else { without(&document, &conditions, &mut request.headers)? });
        let response = call.vault.backend.call(request).await?;
        if response.status() != StatusCode::OK {
            return Err(answered(response).await);
        }
        let (parts, answer) = response.into_parts();
        (parts, collect(answer, call.vault.config.limits.xml_body).await?)
    };
    drop(leases);
    let answer = if one_by_one.is_empty() { answer } else { with(&answer, &one_by_one, asked.quiet)? };

    let failed = documents::failed_deletes(&answer)?;
    let gone = asked
        .objects
        .into_iter()
        .filter(|o| !failed.iter().any(|(key, version)| *key == o.key && *version == o.version_id))
        .map(|o| ObjectAt { bucket: bucket.clone(), key: o.key, version_id: o.version_id })
        .collect::<Vec<_>>();
    for at in &gone {
        call.vault.known.forget(at);
        call.vault.known.forget(&ObjectAt { version_id: None, ..at.clone() });
    }
    // Without a version id a versioned bucket only gains a delete marker, and its versions keep their records.
    let marked = documents::marked_deletes(&answer)?;
    forget(&call, gone.into_iter().filter(|at| at.version_id.is_some() || !marked.contains(&at.key)).collect()).await;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(answer);
    Ok(response)
}

/// Deletes an object under a condition. Its element of the answer.
async fn one(call: &Call, bucket: &str, target: &DeleteTarget, condition: &Condition) -> String {
    let at = ObjectAt { bucket: bucket.to_owned(), key: target.key.clone(), version_id: target.version_id.clone() };
    let version = target.version_id.as_deref().map(|v| format!("versionId={}", query_value(v))).unwrap_or_default();
    let mut request = BackendRequest::about(Method::DELETE, bucket, &target.key, call.sender()).query(version);
    for name in ["x-amz-bypass-governance-retention", "x-amz-expected-bucket-owner", "x-amz-mfa", "x-amz-request-payer"]
    {
        if let Some(value) = call.headers.get(name) {
            request.headers.insert(name, value.clone());
        }
    }
    let source = Source::at(&call.vault, at, call.sender());
    let deleted = async {
        match delete_if(&call.vault, condition, &source, request).await? {
            Some(response) if !response.status().is_success() => Err(answered(response).await),
            other => Ok(other),
        }
    };
    match deleted.await {
        Ok(response) => deleted_element(target, response.as_ref().map(Response::headers)),
        Err(e) => {
            let (code, _, message, _) = e.s3();
            error_element(target, &code, &message)
        }
    }
}

fn deleted_element(target: &DeleteTarget, headers: Option<&HeaderMap>) -> String {
    let text = |name: &str| headers?.get(name)?.to_str().ok();
    let marker = text("x-amz-delete-marker") == Some("true");
    let mut out = format!("<Deleted><Key>{}</Key>", xml::escape(&target.key));
    if let Some(version) = &target.version_id {
        push(&mut out, "VersionId", version);
    }
    if marker {
        push(&mut out, "DeleteMarker", "true");
        if let Some(version) = text("x-amz-version-id") {
            push(&mut out, "DeleteMarkerVersionId", version);
        }
    }
    out + "</Deleted>"
}

fn error_element(target: &DeleteTarget, code: &str, message: &str) -> String {
    let mut out = format!("<Error><Key>{}</Key>", xml::escape(&target.key));
    if let Some(version) = &target.version_id {
        push(&mut out, "VersionId", version);
    }
    push(&mut out, "Code", code);
    push(&mut out, "Message", message);
    out + "</Error>"
}

fn push(out: &mut String, name: &str, text: &str) {
    for piece in ["<", name, ">", &xml::escape(text), "</", name, ">"] {
        out.push_str(piece);
    }
}

/// The document without the objects under a condition, described anew.
fn without(document: &[u8], conditions: &[Option<Condition>], headers: &mut HeaderMap) -> Result<Bytes, Error> {
    let parsed = Document::parse(document).map_err(|e| e.of_client())?;
    let mut edits = parsed.edit();
    for (element, _) in parsed.root().elements("Object").zip(conditions).filter(|(_, c)| c.is_some()) {
        edits.remove(element);
    }
    let rest = Bytes::from(edits.finish());
    for algorithm in checksum::ALGORITHMS {
        headers.remove(checksum::header_name(algorithm));
    }
    headers.remove("x-amz-sdk-checksum-algorithm");
    set(headers, HeaderName::from_static("content-md5"), &STANDARD.encode(Md5::digest(&rest)))?;
    Ok(rest)
}

/// The backend's answer with the elements of what was deleted one by one; of those that went well none where the client wants quiet.
fn with(answer: &[u8], elements: &[String], quiet: bool) -> Result<Bytes, Error> {
    let parsed = Document::parse(answer).map_err(|e| e.of_backend())?;
    let mut edits = parsed.edit();
    let shown: String = elements.iter().filter(|e| !quiet || e.starts_with("<Error>")).map(String::as_str).collect();
    edits.append(parsed.root(), &shown);
    Ok(edits.finish().into())
}
