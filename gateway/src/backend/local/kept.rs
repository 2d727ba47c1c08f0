//! What a version, or an upload that becomes one, keeps beside its bytes, headers and tags.

use http::HeaderMap;
use s3s::S3Result;

use super::acl::Acl;
use super::encryption::{CustomerKey, Encryption};
use super::index::BucketRow;
use super::lock::Lock;
use super::wire::Taken;

/// Columns of `versions` and of `uploads`; the schema says what they are.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns, documented in the schema")]
pub struct Kept {
    pub acl: Option<String>,
    pub encryption: Option<String>,
    #[sqlx(flatten)]
    pub lock: Lock,
}

impl Kept {
    /// What a write asks for by its headers, and the key that it was sent with.
    pub fn asked(headers: &HeaderMap, taken: &Taken) -> S3Result<(Self, Option<CustomerKey>)> {
        let key = taken.customer.key()?;
        let kept = Self {
            acl: Acl::of_headers(headers)?.map(|acl| acl.to_column()).transpose()?.flatten(),
            encryption: Encryption::of_write(headers, key.as_ref())?.to_column(),
            lock: Lock::of_headers(headers)?,
        };
        Ok((kept, key))
    }

    /// The same as the bucket has it: what it does not allow is an error, and what it has a default for is filled in.
    pub fn in_bucket(mut self, bucket: &BucketRow) -> S3Result<Self> {
        Acl::from_column(self.acl.as_deref())?.admit(bucket)?;
        bucket.check_lock(&self.lock)?;
        if self.encryption.is_none() && bucket.encryption.is_some() {
            self.encryption = Encryption::Managed.to_column();
        }
        Ok(self)
    }

    /// How it is encrypted.
    pub fn encryption(&self) -> Encryption {
        Encryption::from_column(self.encryption.as_deref())
    }
}
