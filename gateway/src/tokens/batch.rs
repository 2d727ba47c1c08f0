//! What short tokens stand for, as it is stored: `tokens/<bucket>/<id>` in the system bucket, sealed under a KEK of the vault. An id begins with the time, so that
//! later ones stand later in a listing. Batches are never changed, and never removed with an object: others may have its tokens.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, StatusCode, header};
use keys::Oid;
use keys::hierarchy::{Kek, Note};
use scrub::act::Tag;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::kek_scope;
use crate::backend::{BackendRequest, Payload, Signer, path};
use crate::body::collect;
use crate::ops::source::succeeded;
use crate::ops::{aside, pages, rebuild};
use crate::s3::Error;
use crate::sidecar::{ObjectAt, TokenRow};
use crate::vault::{Vault, now_ms};

/// Bytes of tokens and values after which a batch is written.
pub const FULL: usize = 256 << 10;
/// Longer ones there are none: the last value may be of 150 KiB, and an escape is six bytes for one.
const LONGEST: usize = 4 << 20;
/// What clocks may have been wrong by, and a write under way for.
const SLACK_MS: u64 = 24 * 60 * 60 * 1000;

/// A token and what it stands for.
pub struct Pair {
    /// `<TYPE:v1_…>`.
    pub token: String,
    /// Digest of the value.
    pub tag: Tag,
    /// In canonical form.
    pub value: Zeroizing<String>,
}

impl Pair {
    /// What it takes in a batch, but for escapes.
    pub fn weight(&self) -> usize {
        self.token.len() + 2 * self.tag.len() + self.value.len() + 16
    }

    fn row(&self) -> TokenRow {
        TokenRow { token: self.token.clone(), tag: self.tag }
    }
}

/// The document: token, tag in hexadecimal and value of each.
#[derive(Serialize, Deserialize)]
struct Document<T> {
    v: u8,
    tokens: Vec<(T, String, Zeroizing<String>)>,
}

/// Writes a batch. Its tokens are durable when this returns, and in the sidecar. Error: another process has just given one of them to another value.
pub async fn write(vault: &Vault, bucket: &str, pairs: &[Pair]) -> Result<(), Error> {
    let kek = vault.keys.current(&kek_scope(bucket)).await?;
    let id = new_id()?;
    let tokens = pairs.iter().map(|pair| (pair.token.as_str(), hex::encode(pair.tag), pair.value.clone())).collect();
    // Room for all of it, so that no buffer with values in it is outgrown and left behind unwiped.
    let mut json = Zeroizing::new(Vec::with_capacity(LONGEST));
    serde_json::to_writer(&mut *json, &Document { v: 1, tokens }).map_err(|_| Error::Internal("a batch".into()))?;
    let sealed = Bytes::from(kek.seal_note(Note::Tokens, id, &json)?);
    let request = request(vault, Method::PUT, bucket, id)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    succeeded(vault.backend.call(request.payload(Payload::Bytes(sealed))).await?).await?;
    if vault.sidecar.keep_tokens(bucket, id, pairs.iter().map(Pair::row).collect()).await? {
        return Ok(());
    }
    // No object has its tokens yet, and a rebuild must not find it.
    let removed = vault.backend.call(self::request(vault, Method::DELETE, bucket, id)).await?.status();
    if !removed.is_success() {
        tracing::error!(bucket, %id, status = %removed, "a batch of tokens that belong to other values could not be removed");
    }
    Err(Error::client(
        s3s::S3ErrorCode::ServiceUnavailable,
        "Two values came to have the same token at the same time; try again",
    ))
}

/// What a batch has; none where there is no such batch.
pub async fn read(vault: &Vault, bucket: &str, id: Oid) -> Result<Option<Vec<Pair>>, Error> {
    let response = vault.backend.call(request(vault, Method::GET, bucket, id)).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let sealed = collect(succeeded(response).await?.into_body(), LONGEST).await?;
    let kek = vault.keys.by_id(&kek_scope(bucket), Kek::named_in(&sealed)?).await?;
    let json = kek.open_note(Note::Tokens, id, &sealed)?;
    let broken = || keys::Error::Inconsistent("a batch of tokens");
    let document: Document<String> = serde_json::from_slice(&json).map_err(|_| broken())?;
    let pair = |(token, digits, value): (_, String, _)| {
        let mut tag = Tag::default();
        hex::decode_to_slice(digits, &mut tag).map_err(|_| broken())?;
        Ok(Pair { token, tag, value })
    };
    document.tokens.into_iter().map(pair).collect::<Result<_, Error>>().map(Some)
}

/// What a batch has, by token.
pub async fn values(vault: &Vault, bucket: &str, id: Oid) -> Result<HashMap<String, Zeroizing<String>>, Error> {
    let pairs = read(vault, bucket, id).await?.unwrap_or_default();
    Ok(pairs.into_iter().map(|pair| (pair.token, pair.value)).collect())
}

/// Has the sidecar know the batches of a vault that it does not, behind this id. Tells `skipped` of those that cannot be opened. Gives how many it now knows more.
pub async fn take_in(
    vault: &Vault,
    bucket: &str,
    after: &str,
    mut skipped: impl FnMut(&ObjectAt, &Error),
) -> Result<u64, Error> {
    let prefix = format!("{}/{bucket}/", aside::name(Note::Tokens));
    let (mut taken, mut after) = (0, format!("{prefix}{after}"));
    loop {
        let page = pages::kept(vault, &prefix, &after).await?;
        let ids: Vec<_> = page.iter().filter_map(|(key, _)| id_of(key.strip_prefix(&prefix)?)).collect();
        let adopted = ids.into_iter().map(async |id| (id, adopt(vault, bucket, id).await));
        let mut done = stream::iter(adopted).buffer_unordered(vault.config.limits.list_heal_parallelism);
        while let Some((id, outcome)) = done.next().await {
            match outcome {
                Ok(new) => taken += u64::from(new),
                Err(e) if rebuild::of_the_object(&e) => {
                    let bucket = vault.reserved.system_bucket().to_owned();
                    skipped(&ObjectAt { bucket, key: format!("{prefix}{id}"), version_id: None }, &e);
                }
                Err(e) => return Err(e),
            }
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = last,
            None => return Ok(taken),
        }
    }
}

/// True where the sidecar did not know it.
async fn adopt(vault: &Vault, bucket: &str, id: Oid) -> Result<bool, Error> {
    if vault.sidecar.has_token_batch(bucket, id).await? {
        return Ok(false);
    }
    // None: it was removed since it was listed.
    let Some(pairs) = read(vault, bucket, id).await? else { return Ok(false) };
    let differ = vault.sidecar.adopt_tokens(bucket, id, pairs.iter().map(Pair::row).collect()).await?;
    if differ > 0 {
        tracing::error!(bucket, %id, differ, "batches say different things of some tokens, which stand for nothing from now on");
    }
    Ok(true)
}

/// Where a listing begins that has all that was written since shortly before a batch.
pub fn before(id: Oid) -> String {
    let at = id.0[..6].iter().fold(0, |at, byte| at << 8 | u64::from(*byte));
    hex::encode(&at.saturating_sub(SLACK_MS).to_be_bytes()[2..])
}

fn new_id() -> Result<Oid, Error> {
    let mut id = Oid::random()?;
    id.0[..6].copy_from_slice(&now_ms().to_be_bytes()[2..]);
    Ok(id)
}

fn id_of(name: &str) -> Option<Oid> {
    hex::decode(name).ok()?.try_into().ok().map(Oid)
}

fn request(vault: &Vault, method: Method, bucket: &str, id: Oid) -> BackendRequest {
    let name = format!("{}/{bucket}/{id}", aside::name(Note::Tokens));
    BackendRequest::new(method, path(vault.reserved.system_bucket(), &name), Signer::Gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_the_order_of_time() {
        let id = new_id().unwrap();
        let at = u64::from_str_radix(&id.to_string()[..12], 16).unwrap();
        assert!(now_ms().cast_unsigned().abs_diff(at) < 60_000);
        assert_eq!(u64::from_str_radix(&before(id), 16).unwrap(), at - SLACK_MS);
        assert!(before(id) < id.to_string());
        assert_eq!(before(Oid([0; 16])), "000000000000");
        assert_eq!(id_of(&id.to_string()), Some(id));
        assert_eq!(id_of("0a0b"), None);
    }
}
