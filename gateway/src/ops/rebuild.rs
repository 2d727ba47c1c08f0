//! `data-vault sidecar rebuild`: the sidecar made again from the backend. Every object says of itself what a record holds, except
//! who wrote it.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};

use super::pages::{self, Page};
use super::scrubbed;
use super::source::Source;
use super::stored::{Look, answered};
use crate::backend::{BackendRequest, Signer};
use crate::body::collect;
use crate::s3::Error;
use crate::s3::address::tenant;
use crate::s3::xml::Document;
use crate::sidecar::ObjectAt;
use crate::tokens::batch;
use crate::vault::Vault;

/// What a rebuild found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebuilt {
    /// Sealed objects recorded.
    pub objects: u64,
    /// Objects without a header, in `migrating` buckets.
    pub plain: u64,
    /// Batches of short tokens.
    pub token_batches: u64,
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
            let Page { entries, next: more } = pages::page(vault, &bucket, "", &markers, &signer, true).await?;
            let parallel = vault.config.limits.list_heal_parallelism;
            let mut done = stream::iter(entries.into_iter().map(|entry| record(vault, entry.at, &signer, scrubbed)))
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
        total.token_batches += batch::take_in(vault, &bucket, "", |at, e| {
            total.skipped += 1;
            skipped(at, e);
        })
        .await?;
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
pub fn of_the_object(e: &Error) -> bool {
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
