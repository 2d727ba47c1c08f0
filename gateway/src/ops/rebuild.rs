//! `data-vault sidecar rebuild`: the sidecar made again from the backend. Every object says of itself what a record holds, except
//! who wrote it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};

use super::scrubbed;
use super::source::Source;
use super::stored::{Look, answered};
use crate::backend::{BackendRequest, Signer, query_value};
use crate::body::collect;
use crate::s3::Error;
use crate::s3::address::tenant;
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

/// Records every version of every object in every bucket that the gateway's own credential or one of its clients' has, and tells `skipped` of those that cannot be opened. A failure that is not
/// the object's own (backend away, sidecar not writable) ends it.
pub async fn rebuild(vault: &Arc<Vault>, mut skipped: impl FnMut(&ObjectAt, &Error)) -> Result<Rebuilt, Error> {
    let mut total = Rebuilt::default();
    let mut seen = HashSet::new();
    for (bucket, signer) in all_buckets(vault).await? {
        if vault.reserved.contains(&bucket) || !seen.insert(bucket.clone()) {
            continue;
        }
        let scrubbed = scrubbed::any(vault, &bucket).await?;
        let mut next = Some(String::new());
        while let Some(markers) = next {
            let (versions, more) = page(vault, &bucket, &markers, &signer).await?;
            let parallel = vault.config.limits.list_heal_parallelism;
            let mut done = stream::iter(versions.into_iter().map(|at| record(vault, at, &signer, scrubbed)))
                .buffer_unordered(parallel);
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

/// True where it was sealed, false where it is plaintext. `scrubbed`: its bucket has objects that a policy has seen.
async fn record(vault: &Arc<Vault>, at: ObjectAt, signer: &Signer, scrubbed: bool) -> (ObjectAt, Result<bool, Error>) {
    let outcome = async {
        match Source::at(vault, at.clone(), signer.clone()).look(super::head::SUFFIX, true).await? {
            Look::Sealed(sealed) => {
                let mut record = sealed.stored.record(sealed.facts.clone());
                if scrubbed {
                    record.scrub = scrubbed::state(vault, &at.bucket, record.oid).await?;
                }
                vault.sidecar.record(None, record, Vec::new()).await?;
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

/// The buckets of every credential at the backend, the gateway's own first: by identity, with who may read them.
async fn all_buckets(vault: &Arc<Vault>) -> Result<Vec<(String, Signer)>, Error> {
    let clients = vault.config.credentials.iter().filter_map(|client| client.backend.clone()).map(Signer::Client);
    let mut all = Vec::new();
    for signer in std::iter::once(Signer::Gateway).chain(clients) {
        let names = match buckets(vault, &signer).await {
            // A client that may not list its buckets may still have some, of which the gateway's own credential sees those it may.
            Err(e @ Error::Answered { status: StatusCode::FORBIDDEN, .. }) if matches!(signer, Signer::Client(_)) => {
                tracing::warn!(error = %e, ?signer, "the buckets of a client cannot be listed");
                continue;
            }
            other => other?,
        };
        all.extend(names.into_iter().map(|name| (tenant::identity(&name, signer.tenant()), signer.clone())));
    }
    Ok(all)
}

async fn buckets(vault: &Arc<Vault>, signer: &Signer) -> Result<Vec<String>, Error> {
    let response = vault.backend.call(BackendRequest::new(Method::GET, "/".into(), signer.clone())).await?;
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
async fn page(
    vault: &Arc<Vault>,
    bucket: &str,
    markers: &str,
    signer: &Signer,
) -> Result<(Vec<ObjectAt>, Option<String>), Error> {
    let versions = BackendRequest::about(Method::GET, bucket, "", signer.clone())
        .query(format!("encoding-type=url&versions={markers}"));
    let mut response = vault.backend.call(versions).await?;
    if matches!(response.status(), StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST) {
        let objects =
            BackendRequest::about(Method::GET, bucket, "", signer.clone()).query(format!("encoding-type=url{markers}"));
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
