//! `data-vault sidecar rebuild`: the sidecar made again from the backend. Every object says of itself what a record holds, except
//! who wrote it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};

use super::source::Source;
use super::stored::{Look, answered};
use crate::backend::{BackendRequest, Signer, path, query_value};
use crate::body::collect;
use crate::s3::Error;
use crate::s3::xml::Document;
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// What a rebuild found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebuilt {
    /// Sealed objects recorded.
    pub objects: u64,
    /// Objects without a header, in `migrating` buckets.
    pub plain: u64,
    /// Objects that cannot be opened: altered, stripped, plaintext where none may be, under a lost key, or refused by the backend.
    pub skipped: u64,
}

/// Records every version of every object in every bucket, and tells `skipped` of those that cannot be opened. A failure that is not
/// the object's own (backend away, sidecar not writable) ends it.
pub async fn rebuild(vault: &Arc<Vault>, mut skipped: impl FnMut(&ObjectAt, &Error)) -> Result<Rebuilt, Error> {
    let mut total = Rebuilt::default();
    for bucket in buckets(vault).await? {
        if vault.reserved.contains(&bucket) {
            continue;
        }
        let mut next = Some(String::new());
        while let Some(markers) = next {
            let (versions, more) = page(vault, &bucket, &markers).await?;
            let parallel = vault.config.limits.list_heal_parallelism;
            let mut done = stream::iter(versions.into_iter().map(|at| record(vault, at))).buffer_unordered(parallel);
            while let Some((at, outcome)) = done.next().await {
                match outcome {
                    Ok(true) => total.objects += 1,
                    Ok(false) => total.plain += 1,
                    Err(e) if of_the_object(&e) => {
                        total.skipped += 1;
                        skipped(&at, &e);
                    }
                    Err(e) => return Err(e),
                }
            }
            next = more;
        }
    }
    Ok(total)
}

/// True where it was sealed, false where it is plaintext.
async fn record(vault: &Arc<Vault>, at: ObjectAt) -> (ObjectAt, Result<bool, Error>) {
    let outcome = async {
        match Source::at(vault, at.clone(), Signer::Gateway).look(super::head::SUFFIX, true).await? {
            Look::Sealed(sealed) => {
                vault.sidecar.record(None, sealed.stored.record(sealed.facts.clone()), Vec::new()).await?;
                Ok(true)
            }
            Look::Plain(_) => Ok(false),
        }
    };
    let outcome = outcome.await;
    (at, outcome)
}

/// Another object may well be read.
fn of_the_object(e: &Error) -> bool {
    match e {
        Error::Sealed(e) => !matches!(e, keys::Error::KmsUnavailable(_) | keys::Error::StoreFailed(_)),
        Error::Backend(_) | Error::Sidecar(_) | Error::Internal(_) => false,
        _ => true,
    }
}

async fn buckets(vault: &Arc<Vault>) -> Result<Vec<String>, Error> {
    let response = vault.backend.call(BackendRequest::new(Method::GET, "/".into(), Signer::Gateway)).await?;
    if response.status() != StatusCode::OK {
        return Err(answered(response).await);
    }
    let listing = collect(response.into_body(), vault.config.limits.xml_body).await?;
    let document = Document::parse(&listing).map_err(|e| e.of_backend())?;
    let names = document
        .iter()
        .filter(|e| e.name() == "Bucket")
        .filter_map(|b| b.child_text("Name").ok().flatten().map(std::borrow::Cow::into_owned));
    Ok(names.collect())
}

/// One page of versions, and the query of the next one. A backend without versions lists its objects.
async fn page(vault: &Arc<Vault>, bucket: &str, markers: &str) -> Result<(Vec<ObjectAt>, Option<String>), Error> {
    let versions = BackendRequest::new(Method::GET, path(bucket, ""), Signer::Gateway)
        .query(format!("encoding-type=url&versions={markers}"));
    let mut response = vault.backend.call(versions).await?;
    if matches!(response.status(), StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST) {
        let objects = BackendRequest::new(Method::GET, path(bucket, ""), Signer::Gateway)
            .query(format!("encoding-type=url{markers}"));
        response = vault.backend.call(objects).await?;
    }
    if response.status() != StatusCode::OK {
        return Err(answered(response).await);
    }
    let listing = collect(response.into_body(), vault.config.limits.xml_body).await?;
    let document = Document::parse(&listing).map_err(|e| e.of_backend())?;
    let root = document.root();
    let text = |e: crate::s3::xml::Element<'_>, name: &str| -> Result<Option<String>, Error> {
        Ok(e.child_text(name).map_err(|e| e.of_backend())?.map(std::borrow::Cow::into_owned))
    };
    let encoded = text(root, "EncodingType")?.as_deref() == Some("url");
    let mut versions = Vec::new();
    for entry in root.children().filter(|e| matches!(e.name(), "Contents" | "Version")) {
        let key = text(entry, "Key")?.unwrap_or_default();
        let key = if encoded { crate::s3::address::decode(&key.replace('+', "%20"))? } else { key };
        versions.push(ObjectAt { bucket: bucket.to_owned(), key, version_id: text(entry, "VersionId")? });
    }
    let next = next_page(root, &versions)?;
    Ok((versions, next))
}

fn next_page(root: crate::s3::xml::Element<'_>, versions: &[ObjectAt]) -> Result<Option<String>, Error> {
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
        (None, _, None) => match versions.last() {
            Some(last) => format!("&marker={}", query_value(&last.key)),
            None => return Ok(None),
        },
    }))
}
