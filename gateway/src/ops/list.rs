//! `ListObjects`, `ListObjectsV2` and `ListObjectVersions`: the backend's page, with plaintext sizes and `ETag`s.
//!
//! A size is a function of the sealed length alone; `ETag`s come from one sidecar query a page. What the sidecar does not know is read
//! from the objects themselves, a bounded number at a time, and remembered.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http::{Response, header};
use keys::object::Facts;

use super::Call;
use super::forward::edited;
use super::source::{Source, succeeded};
use super::stored::Look;
use crate::backend::Signer;
use crate::body::{self, Body, collect};
use crate::config::State;
use crate::s3::Error;
use crate::s3::address::decode;
use crate::s3::xml::{Document, Element};
use crate::sidecar::{Listed, ObjectAt};
use crate::vault::Vault;

/// Elements of an entry that describe the ciphertext.
const OF_CIPHERTEXT: [&str; 2] = ["ChecksumAlgorithm", "ChecksumType"];

/// One object of a page.
struct Row<'d> {
    listed: Listed,
    length: u64,
    element: Element<'d>,
}

/// What a row shows.
enum Shown {
    /// A sealed object.
    Sealed { length: u64, etag: String },
    /// As the backend lists it.
    AsItIs,
}

/// `ListObjects`, `ListObjectsV2`, `ListObjectVersions`.
pub async fn list_objects(call: Call) -> Result<Response<Body>, Error> {
    let vault = call.vault.clone();
    let response = succeeded(vault.backend.call(call.forward()).await?).await?;
    let (parts, page) = response.into_parts();
    let page = collect(page, vault.config.limits.xml_body).await?;
    let bucket = call.bucket()?;
    let rows = read(&page)?;
    let shown = resolve(&vault, bucket, &call.signer(), rows).await?;
    let page = write(&page, &shown)?;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(page);
    Ok(response)
}

/// Key, version, backend `ETag` and sealed length of every object on a page.
fn read(page: &[u8]) -> Result<Vec<(Listed, u64)>, Error> {
    let document = Document::parse(page).map_err(|e| e.of_backend())?;
    Ok(rows(&document)?.into_iter().map(|row| (row.listed, row.length)).collect())
}

fn rows<'d>(document: &'d Document<'d>) -> Result<Vec<Row<'d>>, Error> {
    let root = document.root();
    let encoded = root.child_text("EncodingType").map_err(|e| e.of_backend())?.as_deref() == Some("url");
    let mut rows = Vec::new();
    for element in root.children().filter(|e| matches!(e.name(), "Contents" | "Version")) {
        let text = |name: &str| element.child_text(name).map_err(|e| e.of_backend());
        let missing = || Error::Protocol("an entry of a listing without key, size or ETag".into());
        let key = text("Key")?.ok_or_else(missing)?;
        // In form encoding a space is a plus sign.
        let key = if encoded { decode(&key.replace('+', "%20"))? } else { key.into_owned() };
        let length = text("Size")?.and_then(|s| s.trim().parse().ok()).ok_or_else(missing)?;
        let backend_etag = text("ETag")?.ok_or_else(missing)?.trim_matches('"').to_owned();
        let version_id = text("VersionId")?.map(std::borrow::Cow::into_owned);
        rows.push(Row { listed: Listed { key, version_id, backend_etag }, length, element });
    }
    Ok(rows)
}

async fn resolve(
    vault: &Arc<Vault>,
    bucket: &str,
    signer: &Signer,
    rows: Vec<(Listed, u64)>,
) -> Result<Vec<Shown>, Error> {
    let listed: Vec<Listed> = rows.iter().map(|(listed, _)| listed.clone()).collect();
    let known = match vault.sidecar.listed(bucket, &listed).await {
        Ok(known) => known,
        // The objects say all of it themselves: a sidecar that fails makes a LIST slow, not wrong.
        Err(e) => {
            tracing::warn!(error = %e, "sidecar read failed");
            vec![None; listed.len()]
        }
    };
    let migrating = vault.config.bucket(bucket).state == State::Migrating;
    let rows = rows.into_iter().zip(known);
    stream::iter(
        rows.map(|((listed, sealed_length), facts)| {
            row(vault, bucket, signer, listed, sealed_length, facts, migrating)
        }),
    )
    .buffered(vault.config.limits.list_heal_parallelism)
    .collect::<Vec<Result<Shown, Error>>>()
    .await
    .into_iter()
    .collect()
}

async fn row(
    vault: &Arc<Vault>,
    bucket: &str,
    signer: &Signer,
    listed: Listed,
    sealed_length: u64,
    facts: Option<Facts>,
    migrating: bool,
) -> Result<Shown, Error> {
    let by_length = keys::length::plaintext_object_len(sealed_length);
    if let Some(facts) = facts.filter(|f| Some(f.length) == by_length) {
        return Ok(Shown::Sealed { length: facts.length, etag: facts.etag_string() });
    }
    // A length that no sealed object has.
    let Some(length) = by_length else { return Ok(Shown::AsItIs) };
    let at = ObjectAt { bucket: bucket.to_owned(), key: listed.key, version_id: listed.version_id };
    if migrating && vault.known.is_plain(&at, &listed.backend_etag) {
        return Ok(Shown::AsItIs);
    }
    match Source::at(vault, at, signer.clone()).look(super::head::SUFFIX, true).await {
        // Replaced since the page was made, perhaps: then this is what is there now.
        Ok(Look::Sealed(sealed)) => Ok(Shown::Sealed { length: sealed.facts.length, etag: sealed.facts.etag_string() }),
        Ok(Look::Plain(_)) => Ok(Shown::AsItIs),
        Err(e @ (Error::Backend(_) | Error::Internal(_))) => Err(e),
        // One object that cannot be opened must not hide the others; a GET of it says what is wrong.
        Err(e) => {
            tracing::warn!(error = %e, "an object of a listing could not be read");
            Ok(if migrating { Shown::AsItIs } else { Shown::Sealed { length, etag: listed.backend_etag } })
        }
    }
}

fn write(page: &[u8], shown: &[Shown]) -> Result<Vec<u8>, Error> {
    let document = Document::parse(page).map_err(|e| e.of_backend())?;
    let mut edits = document.edit();
    for (row, shown) in rows(&document)?.into_iter().zip(shown) {
        let Shown::Sealed { length, etag } = shown else { continue };
        if let Some(e) = row.element.child("Size") {
            edits.set_text(e, &length.to_string());
        }
        if let Some(e) = row.element.child("ETag") {
            edits.set_text(e, &format!("\"{etag}\""));
        }
        for e in row.element.children().filter(|e| OF_CIPHERTEXT.contains(&e.name())) {
            edits.remove(e);
        }
    }
    Ok(edits.finish())
}
