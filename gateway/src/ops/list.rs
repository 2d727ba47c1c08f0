//! `ListObjects`, `ListObjectsV2` and `ListObjectVersions`: the backend's page, with plaintext sizes and `ETag`s.
//!
//! A size is a function of the sealed length alone; `ETag`s come from memory, and the rest of a page from one sidecar query. What the
//! sidecar does not know is read from the objects themselves, a bounded number at a time, and remembered. A page that comes again as it
//! was is answered as it was.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, header};
use keys::object::Facts;

use super::Call;
use super::forward::edited;
use super::source::{Source, succeeded};
use super::stored::Look;
use crate::backend::Sender;
use crate::body::{self, Body, collect};
use crate::config::State;
use crate::s3::Error;
use crate::s3::address::decode_query;
use crate::s3::xml::{Document, Element};
use crate::sidecar::{Listed, ObjectAt};
use crate::vault::Vault;

/// One object of a page.
struct Row<'d> {
    key: Cow<'d, str>,
    version_id: Option<Cow<'d, str>>,
    /// The backend's, in quotes.
    etag: Cow<'d, str>,
    /// What a sealed object of this length holds; none where no sealed object has it.
    length: Option<u64>,
    element: Element<'d>,
}

impl Row<'_> {
    fn listed(&self) -> Listed<'_> {
        Listed { key: &self.key, version_id: self.version_id.as_deref(), backend_etag: self.backend_etag() }
    }

    fn backend_etag(&self) -> &str {
        self.etag.trim_matches('"')
    }

    /// As these facts say; none where they are not about an object of this length.
    fn sealed(&self, facts: &Facts) -> Option<Shown> {
        (self.length == Some(facts.length)).then(|| Shown::of(facts))
    }
}

/// What a row shows.
enum Shown {
    /// A sealed object.
    Sealed { length: u64, etag: String },
    /// As the backend lists it.
    AsItIs,
}

impl Shown {
    fn of(facts: &Facts) -> Self {
        Self::Sealed { length: facts.length, etag: facts.etag_string() }
    }
}

/// `ListObjects`, `ListObjectsV2`, `ListObjectVersions`.
pub async fn list_objects(call: Call) -> Result<Response<Body>, Error> {
    let vault = &call.vault;
    let request = call.forward();
    let asked = format!("{}?{}", call.bucket()?, request.query);
    let response = succeeded(vault.backend.call(request).await?).await?;
    let (parts, page) = response.into_parts();
    let page = collect(page, vault.config.limits.xml_body).await?;
    let page = match vault.pages.get(&asked, &page) {
        Some(edited) => edited,
        None => edit(&call, asked, &page).await?,
    };
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(page);
    Ok(response)
}

/// The page as the client gets it. It is kept where all of it was known: what is known of a key and a backend `ETag` never changes, so
/// the same page is always edited alike.
async fn edit(call: &Call, asked: String, page: &Bytes) -> Result<Bytes, Error> {
    let document = Document::parse(page).map_err(|e| e.of_backend())?;
    let rows = rows(&document)?;
    let mut shown = known(&call.vault, call.bucket()?, &rows).await;
    let all_known = shown.iter().all(Option::is_some);
    if !all_known {
        look_at_others(&call.vault, call.bucket()?, &call.sender(), &rows, &mut shown).await?;
    }
    let edited = Bytes::from(write(&document, &rows, &shown));
    if all_known {
        call.vault.pages.insert(asked, page, edited.clone());
    }
    Ok(edited)
}

/// Every object on a page.
fn rows<'d>(document: &'d Document<'d>) -> Result<Vec<Row<'d>>, Error> {
    let root = document.root();
    let encoded = root.child_text("EncodingType").map_err(|e| e.of_backend())?.as_deref() == Some("url");
    let mut rows = Vec::new();
    for element in root.children().filter(|e| matches!(e.name(), "Contents" | "Version")) {
        let (mut key, mut length, mut etag, mut version_id) = (None, None, None, None);
        for child in element.children() {
            let text = || child.text().map_err(|e| e.of_backend());
            match child.name() {
                "Key" => key = Some(text()?),
                "Size" => length = text()?.trim().parse().ok(),
                "ETag" => etag = Some(text()?),
                "VersionId" => version_id = Some(text()?),
                _ => {}
            }
        }
        let (Some(mut key), Some(length), Some(etag)) = (key, length, etag) else {
            return Err(Error::Protocol("an entry of a listing without key, size or ETag".into()));
        };
        if encoded && key.contains(['%', '+']) {
            key = Cow::Owned(decode_query(&key)?);
        }
        let length = keys::length::plaintext_object_len(length);
        rows.push(Row { key, version_id, etag, length, element });
    }
    Ok(rows)
}

/// What needs no look at the object itself: none where it does. Memory first; the sidecar is asked once for all the rest.
async fn known(vault: &Vault, bucket: &str, rows: &[Row<'_>]) -> Vec<Option<Shown>> {
    let migrating = vault.config.bucket(bucket).state == State::Migrating;
    // One name for all rows, so that none of them allocates.
    let mut at = ObjectAt { bucket: bucket.to_owned(), key: String::new(), version_id: None };
    let mut in_memory = |row: &Row<'_>| {
        if row.length.is_none() {
            return Some(Shown::AsItIs);
        }
        row.key.as_ref().clone_into(&mut at.key);
        at.version_id = row.version_id.as_deref().map(str::to_owned);
        match vault.known.sealed(&at, row.backend_etag()) {
            Some(record) => row.sealed(&record.facts),
            None => (migrating && vault.known.is_plain(&at, row.backend_etag())).then_some(Shown::AsItIs),
        }
    };
    let mut shown: Vec<Option<Shown>> = rows.iter().map(&mut in_memory).collect();
    let (unknown, asked): (Vec<usize>, Vec<Listed<'_>>) =
        (0..).zip(rows).zip(&shown).filter(|(_, shown)| shown.is_none()).map(|((i, row), _)| (i, row.listed())).unzip();
    if asked.is_empty() {
        return shown;
    }
    match vault.sidecar.listed(bucket, &asked).await {
        Ok(answers) => {
            for (i, facts) in unknown.into_iter().zip(answers) {
                shown[i] = facts.and_then(|facts| rows[i].sealed(&facts));
            }
        }
        // The objects say all of it themselves: a sidecar that fails makes a LIST slow, not wrong.
        Err(e) => tracing::warn!(error = %e, "sidecar read failed"),
    }
    shown
}

/// Reads the objects of which nothing is known.
async fn look_at_others(
    vault: &Arc<Vault>,
    bucket: &str,
    sender: &Sender,
    rows: &[Row<'_>],
    shown: &mut [Option<Shown>],
) -> Result<(), Error> {
    let migrating = vault.config.bucket(bucket).state == State::Migrating;
    let looks: Vec<_> = (0..)
        .zip(rows)
        .zip(shown.iter())
        .filter(|(_, shown)| shown.is_none())
        .map(|((index, row), _)| {
            let version_id = row.version_id.as_deref().map(str::to_owned);
            let at = ObjectAt { bucket: bucket.to_owned(), key: row.key.as_ref().to_owned(), version_id };
            let source = Source::at(vault, at, sender.clone());
            let backend_etag = row.backend_etag().to_owned();
            async move { (index, look(&source, &backend_etag, migrating).await) }
        })
        .collect();
    let mut looks = stream::iter(looks).buffer_unordered(vault.config.limits.list_heal_parallelism);
    while let Some((index, seen)) = looks.next().await {
        let index: usize = index;
        shown[index] = Some(match seen? {
            // It could not be read; its size is known all the same.
            Shown::AsItIs if !migrating => unreadable(&rows[index]),
            seen => seen,
        });
    }
    Ok(())
}

async fn look(source: &Source, backend_etag: &str, migrating: bool) -> Result<Shown, Error> {
    match source.look(super::head::SUFFIX, true).await {
        // Replaced since the page was made, perhaps: then this is what is there now.
        Ok(Look::Sealed(sealed)) => Ok(Shown::of(&sealed.facts)),
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
    match row.length {
        Some(length) => Shown::Sealed { length, etag: format!("{}-1", row.backend_etag().replace('-', "")) },
        None => Shown::AsItIs,
    }
}

fn write(document: &Document<'_>, rows: &[Row<'_>], shown: &[Option<Shown>]) -> Vec<u8> {
    let mut edits = document.edit();
    for (row, shown) in rows.iter().zip(shown) {
        let Some(Shown::Sealed { length, etag }) = shown else { continue };
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
