//! Names of buckets where the object store has tenants, as Ceph RGW does: each of its users belongs to a tenant or to the empty one, and each
//! tenant has its own buckets. A user who asks for `bucket` gets that of its own tenant, who asks for `tenant:bucket` that of this one, and
//! `:bucket` is that of the empty tenant (Ceph documentation, "RGW Multi-tenancy").
//!
//! So a bucket has several names. Keys, records and leases go by one of them, its *identity*: `tenant:bucket`, and `bucket` alone
//! in the empty tenant. [`identity`] makes it of what the client wrote, [`name_for`] makes of it what a user of some tenant must write.

use std::borrow::Cow;

/// The names of buckets that are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketNames {
    /// `bucket`
    #[default]
    Plain,
    /// `tenant:bucket` and `:bucket` too: the object store has tenants.
    Tenanted,
}

/// The identity of the bucket that a user of `tenant` means by `written`; the empty tenant is the empty string.
pub fn identity(written: &str, tenant: &str) -> String {
    match written.split_once(':') {
        Some(("", bucket)) => bucket.to_owned(),
        None if !tenant.is_empty() => format!("{tenant}:{written}"),
        _ => written.to_owned(),
    }
}

/// What a user of `tenant` writes for the bucket of this identity.
pub fn name_for<'a>(identity: &'a str, tenant: &str) -> Cow<'a, str> {
    if tenant.is_empty() || identity.contains(':') {
        Cow::Borrowed(identity)
    } else {
        Cow::Owned(format!(":{identity}"))
    }
}

/// Tenant and bucket of a name or an identity; the tenant is empty where it says none.
pub fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

/// Letters, digits and `_`, as Ceph has it; none is the empty tenant.
pub fn is_tenant(tenant: &str) -> bool {
    tenant.len() <= 255 && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A name as it stands in a path: `:` encoded, as SDKs write it and as signatures are made.
pub fn in_path(name: &str) -> Cow<'_, str> {
    if name.contains(':') { Cow::Owned(name.replace(':', "%3A")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_has_one_identity_by_all_its_names() {
        for (written, tenant, is) in [
            ("bucket", "", "bucket"),
            (":bucket", "", "bucket"),
            (":bucket", "testx", "bucket"),
            ("bucket", "testx", "testx:bucket"),
            ("testx:bucket", "testx", "testx:bucket"),
            ("testx:bucket", "", "testx:bucket"),
            ("other:bucket", "testx", "other:bucket"),
        ] {
            assert_eq!(identity(written, tenant), is, "{written} of {tenant}");
        }
        assert_eq!(name_for("bucket", "testx"), ":bucket");
        assert_eq!(name_for("bucket", ""), "bucket");
        assert_eq!(name_for("other:bucket", "testx"), "other:bucket");
        assert_eq!(split("testx:bucket"), ("testx", "bucket"));
        assert_eq!(split("bucket"), ("", "bucket"));
    }

    proptest! {
        /// Whoever asks by whatever name: what is asked of the store for an identity is the bucket of that identity.
        #[test]
        fn what_is_asked_for_an_identity_is_that_bucket(written in "([a-z0-9_]{0,5}:)?[a-z0-9.-]{1,9}", asker in "[a-z0-9_]{0,5}", other in "[a-z0-9_]{0,5}") {
            let is = identity(&written, &asker);
            prop_assert_eq!(identity(&name_for(&is, &other), &other), is.clone());
            prop_assert_eq!(split(&is).1, split(&written).1);
            prop_assert!(!is.starts_with(':'));
        }
    }
}
