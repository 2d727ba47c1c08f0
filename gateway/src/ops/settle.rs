//! What a crash left behind. Intents are settled by reading the key they are about; uploads of our own and stashed parts that
//! nobody will complete are dropped.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use keys::Oid;

use super::multipart::{drop_stash, end};
use super::source::Source;
use super::stored::{Look, answered, header_digest};
use super::{ahead, pages, scrubbed};
use crate::backend::{BackendRequest, Signer, path, query_value};
use crate::s3::Error;
use crate::sidecar::{Intent, IntentId, ObjectAt, ObjectRecord, UploadRecord};
use crate::vault::{Vault, now_ms};

/// How often the settler looks.
const EVERY: Duration = Duration::from_mins(1);
/// How many rows it takes at a time.
const BATCH: u32 = 500;

/// How many uploads are looked at in one pass.
const UPLOADS: u32 = 10_000;
/// What a backend says of the parts of an upload that it does not have. Ceph RGW 16 looks for them as for an object.
const GONE: [&str; 3] = ["NoSuchUpload", "NoSuchKey", "NoSuchBucket"];
/// How long a stashed part is kept of which the sidecar knows nothing: another gateway over the same system bucket, with a sidecar
/// of its own, may know it. Longer than an upload lasts.
const UNKNOWN_STASH_MS: i64 = 30 * 24 * 3600 * 1000;

/// Settles at start what an earlier process left, then every minute what is older than any request can be. Ends when the task is
/// aborted.
///
/// The backend may still be at work on what the earlier process asked of it last. What it has committed is recorded at once; that
/// something did not happen is believed only when the backend has had the time in which every answer is due.
pub async fn run(vault: Arc<Vault>) {
    let started = now_ms();
    let quiet = started.saturating_add(millis(vault.config.backend.answers_within()));
    let oldest = millis(vault.config.server.request_timeout);
    let mut swept = false;
    loop {
        let now = now_ms();
        let before = started.max(now.saturating_sub(oldest));
        let over = now >= quiet;
        let done = async {
            settle_writes(&vault, before, over).await?;
            if over {
                drop_own_uploads(&vault, before).await?;
                // Only a crash can leave one that its Complete has ended, so this is for the start.
                if !swept {
                    drop_ended_uploads(&vault, started).await?;
                    swept = true;
                }
            }
            drop_stashes(&vault, before, now.saturating_sub(oldest.saturating_mul(3))).await
        };
        if let Err(e) = done.await {
            tracing::warn!(error = %e, "settling was cut short; it goes on in a minute");
        }
        let pause = if over { EVERY } else { EVERY.min(Duration::from_millis(quiet.abs_diff(now))) };
        tokio::time::sleep(pause).await;
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Every write that began before `before_ms`, as far as its key tells; `over`: one that is not there will not come any more.
async fn settle_writes(vault: &Arc<Vault>, before_ms: i64, over: bool) -> Result<(), Error> {
    loop {
        let intents = vault.sidecar.stale_intents(before_ms, BATCH).await?;
        let full = intents.len() == BATCH as usize;
        let mut left = 0;
        for (id, intent) in intents {
            // One that cannot be settled now must not hold up the others.
            match settle(vault, id, intent, over).await {
                Ok(true) => {}
                Ok(false) => left += 1,
                Err(e) => {
                    tracing::warn!(error = %e, "a write that was cut off cannot be settled yet");
                    left += 1;
                }
            }
        }
        if !full || left > 0 {
            return Ok(());
        }
    }
}

/// Uploads of the gateway's own, which no client can complete.
async fn drop_own_uploads(vault: &Arc<Vault>, before_ms: i64) -> Result<(), Error> {
    for upload in vault.sidecar.stale_uploads(before_ms, UPLOADS).await? {
        if upload.upload_id.is_empty()
            && let Err(e) = drop_own_upload(vault, &upload).await
        {
            tracing::warn!(error = %e, "an unfinished upload of ours could not be dropped yet");
        }
    }
    Ok(())
}

/// Uploads of clients that the backend no longer has: their Complete or Abort was done, and a crash came before that was noted; or their
/// bucket is gone.
async fn drop_ended_uploads(vault: &Arc<Vault>, before_ms: i64) -> Result<(), Error> {
    for upload in vault.sidecar.stale_uploads(before_ms, UPLOADS).await? {
        let request = BackendRequest::new(Method::GET, path(&upload.bucket, &upload.key), Signer::Gateway)
            .query(format!("max-parts=1&uploadId={}", query_value(&upload.backend_upload_id)));
        let response = vault.backend.call(request).await?;
        if response.status() == StatusCode::NOT_FOUND
            && matches!(answered(response).await, Error::Answered { code, .. } if GONE.contains(&code.as_str()))
        {
            end(vault, upload.oid).await;
        }
    }
    Ok(())
}

/// The key says whether the write happened: it carries the intent's oid and header, or it does not. Whether that settled it.
async fn settle(vault: &Arc<Vault>, id: IntentId, intent: Intent, over: bool) -> Result<bool, Error> {
    let at = ObjectAt { bucket: intent.bucket.clone(), key: intent.key.clone(), version_id: None };
    let looked = Source::at(vault, at.clone(), Signer::Gateway).look(super::head::SUFFIX, true).await;
    match looked {
        Ok(Look::Sealed(sealed)) if is_of(&intent, sealed.stored.oid(), header_digest(&sealed.stored.headers)) => {
            let (principal, client) = (intent.principal, intent.client);
            let scrub = scrubbed::state(vault, &at.bucket, sealed.stored.oid()).await?;
            let record = ObjectRecord { principal, client, scrub, ..sealed.stored.record(sealed.facts.clone()) };
            vault.known.insert(Arc::new(record.clone()));
            vault.sidecar.record(Some(id), record, Vec::new()).await?;
            tracing::info!(
                operation = intent.operation,
                request_id = intent.request_id,
                "a write that was cut off had been committed"
            );
        }
        // Something else is there, or nothing: this write did not happen, or was overwritten; or the backend is still at it.
        Ok(_) | Err(Error::Answered { status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, .. }) => {
            if !over {
                return Ok(false);
            }
            vault.sidecar.abandon(id).await?;
            tracing::info!(
                operation = intent.operation,
                request_id = intent.request_id,
                "a write that was cut off had not been committed"
            );
        }
        // Plaintext from before, or an object that lost its header, or one under a key that only its client has: whoever reads that
        // makes the record.
        Err(Error::Client { .. } | Error::Stripped | Error::Answered { status: StatusCode::BAD_REQUEST, .. }) => {
            vault.sidecar.abandon(id).await?;
        }
        // The backend, or the keys, cannot be asked now, or the object cannot be opened: it stays, and is tried again.
        Err(e) => return Err(e),
    }
    Ok(true)
}

/// Whether an object with this oid and header is what the intent's write left. Copies of one source share its oid: the header, in
/// which the DEK is wrapped anew each time, tells them apart; but for copies with their source's header, which leave the same whenever they
/// were made.
fn is_of(intent: &Intent, oid: Oid, header: Option<[u8; 16]>) -> bool {
    oid == intent.oid && (intent.header.is_none() || header == intent.header)
}

async fn drop_own_upload(vault: &Arc<Vault>, upload: &UploadRecord) -> Result<(), Error> {
    let request = BackendRequest::new(Method::DELETE, path(&upload.bucket, &upload.key), Signer::Gateway)
        .query(format!("uploadId={}", query_value(&upload.backend_upload_id)));
    let status = vault.backend.call(request).await?.status();
    if status.is_success() || status == StatusCode::NOT_FOUND {
        end(vault, upload.oid).await;
        tracing::info!("an unfinished upload of ours was dropped");
    }
    Ok(())
}

/// Stashed parts that nobody knows any more, and what was made of some ahead, of before the second time, by a process that was killed.
async fn drop_stashes(vault: &Arc<Vault>, before_ms: i64, pieces_ms: i64) -> Result<(), Error> {
    let mut after = String::new();
    loop {
        let page = pages::kept(vault, "stash/", &after).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        for (key, last_modified_ms) in page {
            let piece = ahead::is_piece(&key) && last_modified_ms < pieces_ms;
            if piece || last_modified_ms < before_ms - UNKNOWN_STASH_MS && !is_known(vault, &key).await? {
                drop_stash(vault, &key).await;
            }
        }
    }
}

async fn is_known(vault: &Arc<Vault>, key: &str) -> Result<bool, Error> {
    let oid = key.split('/').nth(1).and_then(|hex| hex::decode(hex).ok()).and_then(|b| b.try_into().ok());
    let Some(oid) = oid else { return Ok(true) };
    let attempts = vault.sidecar.parts(Oid(oid)).await?;
    Ok(attempts.iter().any(|a| a.stash.as_deref() == Some(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::suite::intent;

    /// The copy that was cut off has the oid of the earlier copy that it was to replace.
    #[test]
    fn a_copy_onto_an_earlier_copy_of_its_source_is_told_from_it() {
        let intent = intent("k", 0);
        assert!(is_of(&intent, intent.oid, intent.header));
        assert!(!is_of(&intent, intent.oid, Some([8; 16])));
        assert!(!is_of(&intent, intent.oid, None));
        assert!(!is_of(&intent, Oid([1; 16]), intent.header));
    }

    #[test]
    fn an_intent_without_header_goes_by_its_oid() {
        let intent = Intent { header: None, ..intent("k", 0) };
        assert!(is_of(&intent, intent.oid, Some([8; 16])));
        assert!(!is_of(&intent, Oid([1; 16]), Some([8; 16])));
    }
}
