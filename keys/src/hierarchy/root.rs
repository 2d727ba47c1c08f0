//! The root key: what a KMS, or a keyring file, does for us.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::push_prefixed;
use crate::Error;

/// What names a KEK, all of it bound into its wrapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KekName {
    /// Random id.
    pub kek_id: Uuid,
    /// Random id of the bucket's life.
    pub bucket_uuid: Uuid,
    /// Name of the bucket.
    pub bucket: String,
    /// Generation within the bucket, from 1.
    pub epoch: u32,
}

impl KekName {
    /// `"dv1/kek" ‖ kek id(16) ‖ bucket uuid(16) ‖ epoch(4) ‖ len(4) ‖ bucket`: the context of the local provider, and what a
    /// remote one gives its KMS as associated data.
    pub fn context(&self) -> Result<Vec<u8>, Error> {
        let mut context = b"dv1/kek".to_vec();
        context.extend_from_slice(self.kek_id.as_bytes());
        context.extend_from_slice(self.bucket_uuid.as_bytes());
        context.extend_from_slice(&self.epoch.to_be_bytes());
        push_prefixed(&mut context, &self.bucket)?;
        Ok(context)
    }
}

/// A KEK to be wrapped.
pub struct ToWrap {
    /// Its name.
    pub name: KekName,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
}

/// A KEK, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKek {
    /// The root key that wraps it.
    pub root_key_id: String,
    /// The provider's bytes.
    pub wrapped: Vec<u8>,
}

/// A KEK to be unwrapped.
#[derive(Clone, Debug)]
pub struct ToUnwrap {
    /// Its name.
    pub name: KekName,
    /// The root key that wraps it.
    pub root_key_id: String,
    /// The provider's bytes.
    pub wrapped: Vec<u8>,
}

/// A provider of root keys. Both operations take a batch, and answer each item in the order given, so that a remote provider
/// can make one call of many misses. The wrapping must bind [`KekName::context`].
#[async_trait::async_trait]
pub trait RootKey: Send + Sync + 'static {
    /// The root key that new KEKs are wrapped under.
    fn id(&self) -> &str;
    /// Wraps under [`Self::id`].
    async fn wrap(&self, batch: &[ToWrap]) -> Vec<Result<WrappedKek, Error>>;
    /// Unwraps. [`Error::OtherRootKey`] for a root key that the provider does not hold, [`Error::NotAuthentic`] for a wrapped
    /// key that was changed or renamed, [`Error::KmsUnavailable`] where the provider does not answer.
    async fn unwrap(&self, batch: &[ToUnwrap]) -> Vec<Result<Zeroizing<[u8; 32]>, Error>>;
}
