//! The changes, as objects of the system bucket: `policies/<number>`, each `kek id(16) ‖ seal(KEK of the system bucket, context with the number, JSON)`.

use aws_lc_rs::digest;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use keys::hierarchy::Kek;

use super::PoliciesError;
use super::state::Revision;
use crate::backend::{BackendRequest, Payload, Signer, path};
use crate::body::collect;
use crate::ops::pages;
use crate::ops::stored::answered;
use crate::s3;
use crate::vault::Vault;

/// Bytes of one change, sealed. In JSON it may have half as many: some 5,000 settings.
const LONGEST: usize = 2 << 20;

const FOLDER: &str = "policies/";

fn name(number: u64) -> String {
    format!("{FOLDER}{number:016}")
}

fn request(vault: &Vault, method: Method, number: u64) -> BackendRequest {
    BackendRequest::new(method, path(vault.reserved.system_bucket(), &name(number)), Signer::Gateway)
}

pub(super) fn gone(number: u64) -> PoliciesError {
    PoliciesError::Gone { name: name(number) }
}

pub(super) fn unreadable(number: u64, why: impl Into<String>) -> PoliciesError {
    PoliciesError::Unreadable { name: name(number), why: why.into() }
}

/// The number of the last change, no sooner than the one of `known`, which must be there; 0: there is none. Of others that are missing only the log is told: they
/// are history, and the last one says all that holds.
pub(super) async fn last(vault: &Vault, known: u64) -> Result<u64, PoliciesError> {
    // With the known one in front, so that it is seen whether that is still there.
    let mut last = known.saturating_sub(1);
    let mut after = if last == 0 { FOLDER.to_owned() } else { name(last) };
    let mut found = Vec::new();
    loop {
        let page = pages::kept(vault, FOLDER, &after).await?;
        for (key, _) in &page {
            match number_of(key) {
                Some(number) => found.push(number),
                None => {
                    tracing::warn!(key, "something in the place of changes of policies in the system bucket is none");
                }
            }
        }
        // Only a page with nothing on it is the last: how many keys a storage lists at most is its own affair.
        match page.last() {
            Some((key, _)) => after.clone_from(key),
            None => break,
        }
    }
    if known > 0 && found.first() != Some(&known) {
        return Err(gone(known));
    }
    for number in found {
        if number != last + 1 {
            tracing::error!(
                from = name(last + 1),
                to = name(number - 1),
                "changes of policies are missing in the system bucket"
            );
        }
        last = number;
    }
    Ok(last)
}

fn number_of(key: &str) -> Option<u64> {
    let digits = key.strip_prefix(FOLDER)?;
    digits.parse().ok().filter(|number| *number > 0 && name(*number) == key)
}

/// One change, and the digest of its bytes; none: there is no such.
pub(super) async fn read(vault: &Vault, number: u64) -> Result<Option<(Revision, [u8; 32])>, PoliciesError> {
    let Some(sealed) = bytes(vault, number).await? else { return Ok(None) };
    let of_it = |source| PoliciesError::Sealed { name: name(number), source };
    let kek_id = Kek::named_in(&sealed).map_err(of_it)?;
    let kek = vault.keys.by_id(vault.reserved.system_bucket(), kek_id).await.map_err(of_it)?;
    let json = kek.open_policies(number, &sealed).map_err(of_it)?;
    let revision: Revision = serde_json::from_slice(&json).map_err(|e| unreadable(number, e.to_string()))?;
    if revision.v != 1 || revision.signed.number != number {
        return Err(unreadable(number, "it is of a later version, or of another number"));
    }
    Ok(Some((revision, digest_of(&sealed))))
}

/// Whether the change of this number is the one that it was.
pub(super) async fn check(vault: &Vault, number: u64, digest: [u8; 32]) -> Result<(), PoliciesError> {
    match bytes(vault, number).await? {
        None => Err(gone(number)),
        Some(sealed) if digest_of(&sealed) != digest => Err(PoliciesError::Replaced { name: name(number) }),
        Some(_) => Ok(()),
    }
}

/// Writes a change. Durable when this returns its digest; none: another process has made one of this number.
pub(super) async fn append(vault: &Vault, revision: &Revision) -> Result<Option<[u8; 32]>, PoliciesError> {
    let number = revision.signed.number;
    let json = serde_json::to_vec(revision).map_err(|e| unreadable(number, e.to_string()))?;
    if json.len() > LONGEST / 2 {
        return Err(PoliciesError::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "TooMuch",
            "more cannot be set: take back settings of buckets that are gone",
        ));
    }
    let kek = vault.keys.current(vault.reserved.system_bucket()).await.map_err(s3::Error::from)?;
    let sealed = Bytes::from(kek.seal_policies(number, &json).map_err(s3::Error::from)?);
    let mut request = request(vault, Method::PUT, number)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .payload(Payload::Bytes(sealed.clone()));
    if vault.honoured.puts {
        request.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    let response = vault.backend.call(request).await.map_err(s3::Error::from)?;
    let taken = matches!(response.status(), StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT);
    if !response.status().is_success() && !taken {
        return Err(answered(response).await.into());
    }
    // Read back: nothing may hold that is not durably there. One that was sent again after its answer was lost finds itself.
    match bytes(vault, number).await? {
        Some(stored) if stored == sealed => Ok(Some(digest_of(&sealed))),
        _ => Ok(None),
    }
}

async fn bytes(vault: &Vault, number: u64) -> Result<Option<Bytes>, PoliciesError> {
    let response = vault.backend.call(request(vault, Method::GET, number)).await.map_err(s3::Error::from)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        _ => return Err(answered(response).await.into()),
    }
    let sealed = collect(response.into_body(), LONGEST).await;
    sealed.map(Some).map_err(|e| unreadable(number, e.to_string()))
}

fn digest_of(sealed: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, sealed).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        assert!(name(9) < name(10) && name(99_999) < name(100_000));
        assert_eq!(number_of(&name(1)), Some(1));
        for other in [
            "policies/1",
            "policies/0000000000000000",
            "policies/+000000000000001",
            "policies/0000000000000001.bak",
            "policies/",
        ] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
