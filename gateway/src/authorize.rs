//! From a principal and an operation to a [`Permit`], which every operation must be handed.

use policy::{Effect, Request, Rules, decide};
use s3s::S3ErrorCode;

use crate::identity::Principal;
use crate::s3::Error;
use crate::s3::address::{Address, CopySource, Query, tenant};
use crate::s3::operation::Operation;

/// Proof that policy allowed this principal this operation on this resource. Only [`authorize`] makes one.
#[derive(Debug)]
pub struct Permit {
    principal: Principal,
}

impl Permit {
    /// Who was allowed.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

/// Asks policy. `copy_source`: what a copy reads, which needs an action of its own. Error: `AccessDenied`.
pub fn authorize(
    rules: Rules,
    principal: Principal,
    operation: &Operation,
    address: &Address,
    query: &Query,
    copy_source: Option<&CopySource>,
) -> Result<Permit, Error> {
    let resource = arn(address.bucket.as_deref(), address.key.as_deref());
    ask(rules, &principal, operation.action_for(query), &resource)?;
    if let Some(source) = copy_source {
        let action = if source.version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        ask(rules, &principal, Some(action), &arn(Some(&source.bucket), Some(&source.key)))?;
    }
    Ok(Permit { principal })
}

fn ask(rules: Rules, principal: &Principal, action: Option<&str>, resource: &str) -> Result<(), Error> {
    let asks = if principal.is_anonymous() {
        policy::Principal::Anonymous
    } else {
        policy::Principal::Authenticated(&principal.access_key)
    };
    match decide(rules, &Request { principal: asks, action, resource }).effect {
        Effect::Allow => Ok(()),
        Effect::Deny => Err(Error::client(S3ErrorCode::AccessDenied, "Access Denied")),
    }
}

fn arn(bucket: Option<&str>, key: Option<&str>) -> String {
    match (bucket, key) {
        (Some(bucket), key) => {
            let (tenant, name) = tenant::split(bucket);
            // As Ceph writes them: the tenant where Amazon has the account.
            let slash = if key.is_some() { "/" } else { "" };
            format!("arn:aws:s3::{tenant}:{name}{slash}{}", key.unwrap_or_default())
        }
        (None, _) => "*".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources() {
        assert_eq!(arn(Some("bucket"), Some("a:b/c")), "arn:aws:s3:::bucket/a:b/c");
        assert_eq!(arn(Some("bucket"), None), "arn:aws:s3:::bucket");
        assert_eq!(arn(Some("testx:bucket"), Some("k")), "arn:aws:s3::testx:bucket/k");
        assert_eq!(arn(None, None), "*");
    }
}
