//! What is in a bucket, page by page, for the jobs that look at every object.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::documents;
use super::stored::answered;
use crate::backend::{BackendRequest, Signer, path, query_value};
use crate::body::collect;
use crate::s3::Error;
use crate::s3::xml::{Document, Element};
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// An object, or a version of one.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub at: ObjectAt,
    /// Its length as it is stored, bytes.
    pub size: u64,
    /// It is what its key holds now.
    pub latest: bool,
}

/// A page, in the order of keys; versions of one key begin with the newest.
pub struct Page {
    /// What is on it.
    pub entries: Vec<Entry>,
    /// The query of the next one; none: it is the last.
    pub next: Option<String>,
}

/// At most [`KEPT`] keys of the system bucket that begin so, behind `after`, and when each was written, in milliseconds since 1970; none where nothing was ever kept
/// there.
pub async fn kept(vault: &Vault, prefix: &str, after: &str) -> Result<Vec<(String, i64)>, Error> {
    let query =
        format!("list-type=2&max-keys={KEPT}&prefix={}&start-after={}", query_value(prefix), query_value(after));
    let request = BackendRequest::new(Method::GET, path(vault.reserved.system_bucket(), ""), Signer::Gateway);
    let response = vault.backend.call(request.query(query)).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(Vec::new()),
        _ => return Err(answered(response).await),
    }
    documents::listed_keys(&collect(response.into_body(), vault.config.limits.xml_body).await?)
}

/// Keys on a page of the system bucket.
const KEPT: usize = if cfg!(test) { 5 } else { 1000 };

/// One page of what begins with `prefix`; `markers`: of [`Page::next`], empty for the first. `versions`: all of them, but of a backend that has none.
pub async fn page(
    vault: &Arc<Vault>,
    bucket: &str,
    prefix: &str,
    markers: &str,
    signer: &Signer,
    versions: bool,
) -> Result<Page, Error> {
    let prefix = if prefix.is_empty() { String::new() } else { format!("&prefix={}", query_value(prefix)) };
    let objects = || {
        BackendRequest::about(Method::GET, bucket, "", signer.clone())
            .query(format!("encoding-type=url{prefix}{markers}"))
    };
    let request = if versions {
        BackendRequest::about(Method::GET, bucket, "", signer.clone())
            .query(format!("encoding-type=url&versions={prefix}{markers}"))
    } else {
        objects()
    };
    let mut response = vault.backend.call(request).await?;
    if versions && matches!(response.status(), StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST) {
        response = vault.backend.call(objects()).await?;
    }
    if response.status() != StatusCode::OK {
        return Err(answered(response).await);
    }
    let listing = collect(response.into_body(), vault.config.limits.xml_body).await?;
    let document = Document::parse(&listing).map_err(|e| e.of_backend())?;
    let root = document.root();
    let text = |e: Element<'_>, name: &str| -> Result<Option<String>, Error> {
        Ok(e.child_text(name).map_err(|e| e.of_backend())?.map(std::borrow::Cow::into_owned))
    };
    let encoded = text(root, "EncodingType")?.as_deref() == Some("url");
    let mut entries = Vec::new();
    for entry in root.children().filter(|e| matches!(e.name(), "Contents" | "Version")) {
        let key = text(entry, "Key")?.unwrap_or_default();
        let key = if encoded { crate::s3::address::decode(&key.replace('+', "%20"))? } else { key };
        entries.push(Entry {
            at: ObjectAt { bucket: bucket.to_owned(), key, version_id: text(entry, "VersionId")? },
            size: text(entry, "Size")?.and_then(|size| size.parse().ok()).unwrap_or_default(),
            latest: text(entry, "IsLatest")?.is_none_or(|latest| latest == "true"),
        });
    }
    let next = next_page(root, &entries)?;
    Ok(Page { entries, next })
}

fn next_page(root: Element<'_>, entries: &[Entry]) -> Result<Option<String>, Error> {
    let mut fields: HashMap<&str, String> = HashMap::new();
    for child in root.children() {
        if matches!(child.name(), "IsTruncated" | "NextKeyMarker" | "NextVersionIdMarker" | "NextMarker") {
            fields.insert(child.name(), child.text().map_err(|e| e.of_backend())?.into_owned());
        }
    }
    if fields.get("IsTruncated").map(String::as_str) != Some("true") {
        return Ok(None);
    }
    // Markers in an answer of encoding-type=url are encoded already.
    let raw = |s: &String| s.replace('+', "%20");
    Ok(Some(match (fields.get("NextKeyMarker"), fields.get("NextVersionIdMarker"), fields.get("NextMarker")) {
        (Some(key), Some(version), _) => format!("&key-marker={}&version-id-marker={}", raw(key), query_value(version)),
        (Some(key), None, _) => format!("&key-marker={}", raw(key)),
        (None, _, Some(marker)) => format!("&marker={}", raw(marker)),
        (None, _, None) => match entries.last() {
            Some(last) => format!("&marker={}", query_value(&last.at.key)),
            None => return Ok(None),
        },
    }))
}
