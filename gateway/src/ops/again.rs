//! Objects that are written again by the gateway itself: released from quarantine, or scrubbed where they are since they are read.
//!
//! They are read with the gateway's own credential at the backend, and written with that of whoever wrote them, where it has one of its own: so they
//! belong to the same account as before, and a right to write that was taken from it since is not given back.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use s3s::S3ErrorCode;

use super::Call;
use super::precondition::{Held, Precondition};
use super::put::{self, Scrubbed, Sealing, Written};
use crate::backend::Signer;
use crate::body::scrub::{Original, Seen};
use crate::config::OnUnscrubbed;
use crate::identity::ANONYMOUS;
use crate::jobs::look::{self, Stop};
use crate::jobs::scrub::carried::{self, carried};
use crate::s3::Error;
use crate::s3::intake::{Intake, IntakeOptions};
use crate::scrubbing::BucketPolicy;
use crate::sidecar::ObjectAt;
use crate::vault::Vault;

/// As whom a client writes at the backend, by its access key: the gateway itself where it has no credential there, or is not configured any more.
pub fn signer_of(vault: &Vault, access_key: Option<&str>) -> Signer {
    if access_key == Some(ANONYMOUS) {
        return Signer::Anonymous;
    }
    let client = access_key.and_then(|access_key| vault.credentials.find(access_key));
    client.map_or(Signer::Gateway, |client| client.principal().backend)
}

/// Writes a plaintext of ours under a name, with these headers, as a PUT of this signer does. `held`: to what is there; `writer`: for the records.
#[expect(clippy::too_many_arguments, reason = "all that a PUT has, without a client")]
pub async fn write(
    vault: &Arc<Vault>,
    at: &ObjectAt,
    headers: HeaderMap,
    signer: Signer,
    held: Option<Held>,
    plaintext: Original,
    policy: Option<Arc<BucketPolicy>>,
    writer: Option<(Option<String>, Option<IpAddr>)>,
) -> Result<Written, Error> {
    // Who may write need not be allowed to look.
    let looks = carried::call(vault, at, HeaderMap::new(), Signer::Gateway)?;
    let call = carried::call(vault, at, headers, signer)?;
    let mut request = call.forward_sealed();
    let kek = vault.kek_for_write(&at.bucket, &request.sender).await?;
    let condition = Precondition::hold(&looks, held.as_ref(), &mut request.headers)?;
    let mut sealing = Sealing::begin(&call, at.clone(), &kek, &mut request.headers)?;
    if let Some(writer) = writer {
        (sealing.principal, sealing.client) = writer;
    }
    let options = IntakeOptions { max_length: u64::MAX, ..put::intake_options(vault, &at.bucket, None) };
    let intake = Intake::of_ours(plaintext.body, plaintext.length, options)?;
    let plaintext = match &policy {
        Some(policy) => {
            let scrubbed = Scrubbed::begin(policy, &at.key, &request.headers, Seen::default())?;
            let seen = sealing.scrub.insert(scrubbed).seen.clone();
            put::look_into(vault, at, policy, intake, &seen)?
        }
        None => intake.into(),
    };
    put::seal_and_send(vault, request, condition, plaintext, sealing).await
}

/// Scrubs an object where it is, if it was refused to a reader only since its policy has not seen it, and the policy wants that. Held to the very object that is
/// read: what a client writes meanwhile stays. Then the reader looks again.
pub async fn scrub_on_read(call: &Call, refused: Error) -> Result<(), Error> {
    let vault = &call.vault;
    let at = call.at()?;
    let policy = call.policies.enforced(&at.bucket, &at.key);
    let policy = policy.filter(|policy| policy.on_unscrubbed == OnUnscrubbed::ScrubOnRead);
    // Nothing can be written in the place of an older version.
    let (Error::Unscrubbed { .. }, Some(policy), None) = (&refused, policy, &at.version_id) else {
        return Err(refused);
    };
    let object = match look::read(vault, &at, &Signer::Gateway, false).await {
        Ok(object) => object,
        Err(Stop::Changed) => return Ok(()),
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Job(_)) => return Err(Error::Internal("a read that was a job".into())),
    };
    let longest = vault.scrubbing.longest_put();
    if object.length > longest {
        return Err(Error::client(
            S3ErrorCode::AccessDenied,
            format!(
                "Access Denied: the policy {} has not seen this object, and its {} bytes are too many to be scrubbed while you wait (at most {longest}). Ask the operator to scrub the bucket in place",
                policy.id, object.length
            ),
        ));
    }
    let held = Held::To { etag: object.etag, header: object.header };
    let plaintext = Original { body: object.body, length: object.length };
    let policy = Arc::new(policy.for_what_is_there());
    let written_by = vault.sidecar.object(&at).await?.and_then(|record| record.principal);
    let signer = signer_of(vault, written_by.as_deref());
    match write(vault, &at, carried(&object.headers, true), signer, Some(held), plaintext, Some(policy), None).await {
        Err(error) if !look::is_overtaken(&error) => Err(for_the_reader(error)),
        _ => Ok(()),
    }
}

/// What a reader is told where the scrub of an object failed: what helps to try again stays.
fn for_the_reader(error: Error) -> Error {
    match error {
        Error::Client { code: S3ErrorCode::SlowDown | S3ErrorCode::ServiceUnavailable, .. } => error,
        Error::Client { message, .. } => Error::client(
            S3ErrorCode::AccessDenied,
            format!("Access Denied: the object was to be scrubbed before it is read, and cannot be. {message}"),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_try_again_is_not_denied() {
        let told = |code| for_the_reader(Error::client(code, "why")).s3().0.into_owned();
        assert_eq!(told(S3ErrorCode::SlowDown), "SlowDown");
        assert_eq!(told(S3ErrorCode::ServiceUnavailable), "ServiceUnavailable");
        assert_eq!(told(S3ErrorCode::InvalidRequest), "AccessDenied");
    }
}
