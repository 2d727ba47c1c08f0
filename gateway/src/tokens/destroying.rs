//! The end of a vault: none of its tokens stands for anything any more.

use http::Method;
use keys::hierarchy::Note;

use super::kek_scope;
use crate::backend::{BackendRequest, Signer, path};
use crate::ops::source::succeeded;
use crate::ops::{aside, pages};
use crate::s3::Error;
use crate::vault::Vault;

/// Destroys the vault of a bucket, in the order in which nothing is left half: first its keys, where they are to be recovered from and then in the sidecar, by which
/// it is done; then what they open. Cut off, it is to be run again. No process may have the vault open.
pub async fn destroy(vault: &Vault, bucket: &str, by: &str) -> Result<(), Error> {
    tracing::info!(bucket, by, "a vault of short tokens is being destroyed");
    let scope = kek_scope(bucket);
    let keks = empty(vault, &format!("keks/{scope}/")).await?;
    vault.sidecar.forget_tokens(bucket, &scope).await?;
    vault.keys.forget_bucket(&scope);
    let batches = empty(vault, &format!("{}/{bucket}/", aside::name(Note::Tokens))).await?;
    tracing::info!(bucket, by, keks, batches, "a vault of short tokens was destroyed");
    Ok(())
}

/// Removes all that begins so from the system bucket. Gives how much that was.
async fn empty(vault: &Vault, prefix: &str) -> Result<u64, Error> {
    let (mut removed, mut after) = (0, prefix.to_owned());
    loop {
        let page = pages::kept(vault, prefix, &after).await?;
        let Some((last, _)) = page.last() else { return Ok(removed) };
        after.clone_from(last);
        for (key, _) in &page {
            let path = path(vault.reserved.system_bucket(), key);
            succeeded(vault.backend.call(BackendRequest::new(Method::DELETE, path, Signer::Gateway)).await?).await?;
            removed += 1;
        }
    }
}
