//! What security officers do with what no S3 name reaches, quarantine and originals. What is done is written down under their name.
//!
//! ```text
//! GET    /v1/quarantine/{bucket}[?after={id}]     what is there, 100 at a time
//! GET    /v1/quarantine/{bucket}/{id}             one of them
//! GET    /v1/quarantine/{bucket}/{id}/findings    what the bucket's policy finds in it now, by type
//! GET    /v1/quarantine/{bucket}/{id}/content     its bytes
//! POST   /v1/quarantine/{bucket}/{id}/release     stored where it was to be: scrubbed with ?scrub=true, else as it came; never over what is there, but with ?overwrite=true
//! DELETE /v1/quarantine/{bucket}/{id}             destroyed; that it was there is still told
//! GET    /v1/originals/{bucket}/{key}[?versionId=]   what a scrubbed object was made from
//! ```

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use keys::Oid;
use keys::hierarchy::Note as Kind;
use serde_json::{Value, json};

use super::officers::{Asked, document, nothing};
use crate::backend::Signer;
use crate::body::Body;
use crate::body::scrub::Seen;
use crate::ops::aside::{self, Note};
use crate::ops::{documents, put};
use crate::s3::Error;
use crate::s3::address;
use crate::s3::intake::Intake;
use crate::scrubbing::{Findings, Record};
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// Items of one page.
const PAGE: usize = 100;

/// What is served to those who may deal with what is kept.
pub struct Kept {
    /// The gateway.
    pub vault: Arc<Vault>,
}

impl Kept {
    /// Answers a request for what is below `/v1/`.
    pub async fn answer(&self, path: &str, asked: &Asked<'_>) -> Result<Response<Body>, Error> {
        let mut parts = path.splitn(3, '/');
        let (kind, bucket, rest) = (parts.next(), parts.next(), parts.next());
        let bucket = bucket.map(address::decode).transpose()?.filter(|bucket| !bucket.is_empty());
        match (asked.method.as_str(), kind, bucket, rest) {
            ("GET", Some("quarantine"), Some(bucket), None) => self.list(&bucket, asked).await,
            ("GET", Some("originals"), Some(bucket), Some(key)) => {
                self.original(&bucket, &address::decode(key)?, asked).await
            }
            (method, Some("quarantine"), Some(bucket), Some(rest)) => {
                let (id, of) = rest.split_once('/').unwrap_or((rest, ""));
                let id = parse(id)?;
                let note = aside::find(&self.vault, Kind::Quarantine, &bucket, id).await?;
                let note = note.ok_or_else(|| nothing("nothing of this id is or was in this bucket's quarantine"))?;
                match (method, of) {
                    ("GET", "") => Ok(document(StatusCode::OK, &shown(id, &note))),
                    ("GET", "findings") => self.findings(id, &note).await,
                    ("GET", "content") => self.content(Kind::Quarantine, id, note, asked).await,
                    ("DELETE", "") => self.destroy(id, note, asked).await,
                    ("POST", "release") => self.release(id, note, asked).await,
                    _ => Err(nowhere()),
                }
            }
            _ => Err(nowhere()),
        }
    }

    async fn list(&self, bucket: &str, asked: &Asked<'_>) -> Result<Response<Body>, Error> {
        let mut after = asked.value("after").map(parse).transpose()?.map(aside::behind);
        let mut items = Vec::new();
        loop {
            let (ids, more) = aside::list(&self.vault, Kind::Quarantine, bucket, after.as_deref()).await?;
            for id in ids {
                if items.len() == PAGE {
                    let next = items.last().and_then(|item: &Value| item["id"].as_str()).map(str::to_owned);
                    return Ok(document(StatusCode::OK, &json!({ "items": items, "next": next })));
                }
                if let Some(note) = aside::find(&self.vault, Kind::Quarantine, bucket, id).await? {
                    items.push(shown(id, &note));
                }
            }
            if more.is_none() {
                return Ok(document(StatusCode::OK, &json!({ "items": items, "next": null })));
            }
            after = more;
        }
    }

    /// Where nothing can be looked into, that is told too.
    async fn findings(&self, id: Oid, note: &Note) -> Result<Response<Body>, Error> {
        let vault = &self.vault;
        let policies = vault.scrubbing.now()?;
        let policy = policies.of(&note.bucket, &note.key);
        let policy =
            policy.ok_or_else(|| nothing("the key has no policy any more by which it could be looked into"))?;
        let policy = Arc::new(policy.observing());
        let plaintext = aside::open(vault, Kind::Quarantine, id, note).await?;
        let intake = Intake::of_ours(plaintext, note.length, put::reading_options(vault))?;
        let seen = Seen::default();
        let at = ObjectAt { bucket: note.bucket.clone(), key: note.key.clone(), version_id: None };
        let mut looked = put::look_into(vault, &at, &policy, intake, &seen)?;
        while looked.next().await?.is_some() {}
        let summary = seen.summary.get().ok_or_else(|| Error::Internal("a body ended before its scrub".into()))?;
        let record = Record::of(&policy, &note.key, summary, Findings::new());
        let told = serde_json::to_value(&record).map_err(|_| Error::Internal("a scrub record".into()))?;
        Ok(document(StatusCode::OK, &told))
    }

    async fn original(&self, bucket: &str, key: &str, asked: &Asked<'_>) -> Result<Response<Body>, Error> {
        let version_id = asked.value("versionId").map(str::to_owned);
        let at = ObjectAt { bucket: bucket.to_owned(), key: key.to_owned(), version_id };
        let oid = aside::oid_of(&self.vault, at, Signer::Gateway).await?;
        let note = aside::find(&self.vault, Kind::Original, bucket, oid).await?;
        let note = note.ok_or_else(|| {
            nothing("no original is kept of this object: its policy was not `dual` when it was written")
        })?;
        self.content(Kind::Original, oid, note, asked).await
    }

    /// Written down before the first byte is given.
    async fn content(&self, kind: Kind, id: Oid, note: Note, asked: &Asked<'_>) -> Result<Response<Body>, Error> {
        let plaintext = aside::open(&self.vault, kind, id, &note).await?;
        aside::record(&self.vault, kind, &note.bucket, id, asked.officer, "read").await?;
        let mut response = Response::new(plaintext);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(note.length));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn release(&self, id: Oid, note: Note, asked: &Asked<'_>) -> Result<Response<Body>, Error> {
        let is = |name: &str| asked.value(name).is_some_and(|value| value == "true");
        let (scrub, overwrite) = (is("scrub"), is("overwrite"));
        // Should it be cut off in between, or be refused, it is still told who wanted it.
        aside::record(&self.vault, Kind::Quarantine, &note.bucket, id, asked.officer, "release begun").await?;
        aside::release(&self.vault, id, &note, scrub, overwrite).await?;
        let what = if scrub { "released scrubbed" } else { "released" };
        let note = aside::record(&self.vault, Kind::Quarantine, &note.bucket, id, asked.officer, what).await?;
        aside::destroy(&self.vault, Kind::Quarantine, &note.bucket, id, false).await?;
        Ok(document(StatusCode::OK, &shown(id, &note)))
    }

    /// Written down before: should this be cut off, the content is still there, and it is done again.
    async fn destroy(&self, id: Oid, note: Note, asked: &Asked<'_>) -> Result<Response<Body>, Error> {
        let note = aside::record(&self.vault, Kind::Quarantine, &note.bucket, id, asked.officer, "destroyed").await?;
        aside::destroy(&self.vault, Kind::Quarantine, &note.bucket, id, false).await?;
        Ok(document(StatusCode::OK, &shown(id, &note)))
    }
}

fn parse(id: &str) -> Result<Oid, Error> {
    let mut oid = [0; 16];
    hex::decode_to_slice(id, &mut oid).map_err(|_| nothing("an id has 32 hexadecimal digits"))?;
    Ok(Oid(oid))
}

fn nowhere() -> Error {
    nothing("there is /v1/quarantine/{bucket}[/{id}[/findings|/content|/release]] and /v1/originals/{bucket}/{key}")
}

/// Without what opens it.
fn shown(id: Oid, note: &Note) -> Value {
    let actions: Vec<_> = note
        .actions
        .iter()
        .map(|action| json!({ "at": documents::timestamp(action.at_ms), "by": action.by, "what": action.what }))
        .collect();
    json!({
        "id": id.to_string(),
        "bucket": note.bucket,
        "key": note.key,
        "why": note.why,
        "policy": note.policy.to_string(),
        "at": documents::timestamp(note.at_ms),
        "principal": note.principal,
        "client": note.client,
        "length": note.length,
        "actions": actions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_it_is_not_shown() {
        let note: Note = serde_json::from_value(json!({
            "v": 1, "bucket": "b", "key": "k", "policy": { "id": "p", "version": 1 }, "why": "w", "at_ms": 0, "principal": null,
            "client": null, "headers": [], "length": 3, "actions": [], "key_of_content": { "dek": "ab12", "oid": "cd34", "prefix": "ef56" }
        }))
        .unwrap();
        let text = shown(Oid([1; 16]), &note).to_string();
        assert!(!["ab12", "cd34", "ef56"].iter().any(|secret| text.contains(secret)), "{text}");
        assert!(!format!("{note:?}").contains("ab12"));
    }
}
