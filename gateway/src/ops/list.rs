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
    let document = Document::parse(&page).map_err(|e| e.of_backend())?;
    let rows = rows(&document)?;
    let shown = resolve(&vault, call.bucket()?, &call.signer(), &rows).await?;
    let page = write(&document, &rows, &shown);
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(page);
    Ok(response)
}

/// Every object on a page.
fn rows<'d>(document: &'d Document<'d>) -> Result<Vec<Row<'d>>, Error> {
    let root = document.root();
    let encoded = root.child_text("EncodingType").map_err(|e| e.of_backend())?.as_deref() == Some("url");
    let mut rows = Vec::new();
    for element in root.children().filter(|e| matches!(e.name(), "Contents" | "Version")) {
        let (mut key, mut length, mut backend_etag, mut version_id) = (None, None, None, None);
        for child in element.children() {
            let text = || child.text().map_err(|e| e.of_backend());
            match child.name() {
                "Key" => key = Some(text()?),
                "Size" => length = text()?.trim().parse().ok(),
                "ETag" => backend_etag = Some(text()?.trim_matches('"').to_owned()),
                "VersionId" => version_id = Some(text()?.into_owned()),
                _ => {}
            }
        }
        let (Some(key), Some(length), Some(backend_etag)) = (key, length, backend_etag) else {
            return Err(Error::Protocol("an entry of a listing without key, size or ETag".into()));
        };
        // In form encoding a space is a plus sign.
        let key = if encoded { decode(&key.replace('+', "%20"))? } else { key.into_owned() };
        rows.push(Row { listed: Listed { key, version_id, backend_etag }, length, element });
    }
    Ok(rows)
}

async fn resolve(vault: &Arc<Vault>, bucket: &str, signer: &Signer, rows: &[Row<'_>]) -> Result<Vec<Shown>, Error> {
    // Memory first; the sidecar is asked once for all the rest.
    let mut known: Vec<Option<Facts>> = rows.iter().map(|row| in_memory(vault, bucket, &row.listed)).collect();
    let unknown: Vec<usize> = (0..rows.len()).filter(|&i| known[i].is_none()).collect();
    if !unknown.is_empty() {
        let asked: Vec<Listed> = unknown.iter().map(|&i| rows[i].listed.clone()).collect();
        match vault.sidecar.listed(bucket, &asked).await {
            Ok(answers) => unknown.iter().zip(answers).for_each(|(&i, facts)| known[i] = facts),
            // The objects say all of it themselves: a sidecar that fails makes a LIST slow, not wrong.
            Err(e) => tracing::warn!(error = %e, "sidecar read failed"),
        }
    }
    let migrating = vault.config.bucket(bucket).state == State::Migrating;
    let mut shown = Vec::with_capacity(rows.len());
    let mut to_look_at = Vec::new();
    for (index, (row, facts)) in rows.iter().zip(known).enumerate() {
        let at_once = at_once(vault, bucket, row, facts, migrating);
        if at_once.is_none() {
            to_look_at.push((index, row.listed.clone()));
        }
        shown.push(at_once.unwrap_or(Shown::AsItIs));
    }
    let looks = to_look_at.into_iter().map(|(index, listed)| {
        let at = ObjectAt { bucket: bucket.to_owned(), key: listed.key, version_id: listed.version_id };
        let source = Source::at(vault, at, signer.clone());
        async move { (index, look(&source, &listed.backend_etag, migrating).await) }
    });
    let mut looks = stream::iter(looks).buffer_unordered(vault.config.limits.list_heal_parallelism);
    while let Some((index, seen)) = looks.next().await {
        shown[index] = match seen? {
            // It could not be read; its size is known all the same.
            Shown::AsItIs if !migrating => unreadable(&rows[index]),
            seen => seen,
        };
    }
    Ok(shown)
}

/// What memory knows of a row, without its part table.
fn in_memory(vault: &Vault, bucket: &str, listed: &Listed) -> Option<Facts> {
    let at = ObjectAt { bucket: bucket.to_owned(), key: listed.key.clone(), version_id: listed.version_id.clone() };
    let record = vault.known.sealed(&at, &listed.backend_etag)?;
    let Facts { length, etag, checksum, part_count, first_number, first_prefix, .. } = record.facts;
    Some(Facts { length, etag, checksum, part_count, first_number, first_prefix, parts: Vec::new() })
}

/// What needs no look at the object itself.
fn at_once(vault: &Vault, bucket: &str, row: &Row<'_>, facts: Option<Facts>, migrating: bool) -> Option<Shown> {
    // A length that no sealed object has.
    let Some(length) = keys::length::plaintext_object_len(row.length) else { return Some(Shown::AsItIs) };
    if let Some(facts) = facts.filter(|f| f.length == length) {
        return Some(Shown::Sealed { length, etag: facts.etag_string() });
    }
    let at =
        ObjectAt { bucket: bucket.to_owned(), key: row.listed.key.clone(), version_id: row.listed.version_id.clone() };
    (migrating && vault.known.is_plain(&at, &row.listed.backend_etag)).then_some(Shown::AsItIs)
}

async fn look(source: &Source, backend_etag: &str, migrating: bool) -> Result<Shown, Error> {
    match source.look(super::head::SUFFIX, true).await {
        // Replaced since the page was made, perhaps: then this is what is there now.
        Ok(Look::Sealed(sealed)) => Ok(Shown::Sealed { length: sealed.facts.length, etag: sealed.facts.etag_string() }),
        Ok(Look::Plain(_)) => Ok(Shown::AsItIs),
        Err(e @ (Error::Backend(_) | Error::Internal(_))) => Err(e),
        // One object that cannot be opened must not hide the others; a GET of it says what is wrong.
        Err(e) => {
            tracing::warn!(error = %e, backend_etag, migrating, "an object of a listing could not be read");
            Ok(Shown::AsItIs)
        }
    }
}

/// A row of a `sealed` bucket that could not be read: deleted meanwhile, or not to be opened. The length says its size; its `ETag` is
/// none that any client takes for an MD5.
fn unreadable(row: &Row<'_>) -> Shown {
    match keys::length::plaintext_object_len(row.length) {
        Some(length) => Shown::Sealed { length, etag: format!("{}-1", row.listed.backend_etag.replace('-', "")) },
        None => Shown::AsItIs,
    }
}

fn write(document: &Document<'_>, rows: &[Row<'_>], shown: &[Shown]) -> Vec<u8> {
    let mut edits = document.edit();
    for (row, shown) in rows.iter().zip(shown) {
        let Shown::Sealed { length, etag } = shown else { continue };
        for e in row.element.children() {
            match e.name() {
                "Size" => edits.set_text(e, &length.to_string()),
                "ETag" => edits.set_text(e, &format!("\"{etag}\"")),
                // They describe the ciphertext.
                "ChecksumAlgorithm" | "ChecksumType" => edits.remove(e),
                _ => {}
            }
        }
    }
    edits.finish()
}
