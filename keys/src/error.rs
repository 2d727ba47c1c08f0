//! Why something could not be sealed or opened, and what of it a client may read.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

/// A cause from outside this crate. Shared, because concurrent waiters for one key all get it.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why something could not be sealed or opened. Holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Authentication failed: the bytes, or what they are bound to (object, part, key name, context), were changed.
    #[error("{0} is not authentic")]
    NotAuthentic(&'static str),
    /// Bytes are missing at the end.
    #[error("the sealed bytes end too early")]
    Truncated,
    /// There are more bytes than were sealed.
    #[error("there are bytes after the end of what was sealed")]
    TrailingData,
    /// The stored length is not the length that the sealed plaintext length demands.
    #[error("the stored object has {stored} bytes, its summary demands {expected}")]
    WrongLength {
        /// Bytes in the backend.
        stored: u64,
        /// `g(plaintext length)`.
        expected: u64,
    },
    /// The object does not end in the `dv1` footer.
    #[error("the stored object does not end in a dv1 footer")]
    NoFooter,
    /// A summary, table, facts or row contradicts itself or the others.
    #[error("the object's facts are inconsistent: {0}")]
    Inconsistent(&'static str),
    /// The header is not what this format writes.
    #[error("the dv1 header is malformed: {0}")]
    BadHeader(&'static str),
    /// Written by a version of the format that this program does not know.
    #[error("format version {0} is unknown")]
    UnknownVersion(u32),
    /// Sealed with algorithms that this program does not know.
    #[error("cipher suite {0} is unknown")]
    UnknownSuite(u8),
    /// The stored metadata is not the metadata that was sealed.
    #[error("the object's metadata was changed in the backend")]
    MetadataChanged,
    /// The header names another KEK than the one it was to be opened with.
    #[error("the header names KEK {named}, not {given}")]
    OtherKek {
        /// In the header.
        named: Uuid,
        /// The one at hand.
        given: Uuid,
    },
    /// No record of the KEK exists: lost, or deleted for crypto-shredding.
    #[error("there is no record of KEK {kek_id} of bucket {bucket}")]
    MissingKek {
        /// The bucket asked for.
        bucket: String,
        /// The KEK asked for.
        kek_id: Uuid,
    },
    /// The KEK belongs to another bucket than the object: it was moved in the backend.
    #[error("KEK {kek_id} does not belong to bucket {bucket}")]
    KekOfAnotherBucket {
        /// The bucket asked for.
        bucket: String,
        /// The KEK asked for.
        kek_id: Uuid,
    },
    /// A KEK record is malformed, or not the one that was asked for or written.
    #[error("a KEK record is damaged: {0}")]
    BadKekRecord(&'static str),
    /// The KEK is wrapped under a root key that the provider does not hold.
    #[error("the KEK is wrapped under root key {0:?}, which the provider does not hold")]
    OtherRootKey(String),
    /// The key-management service failed or did not answer in time.
    #[error("the key-management service is not available")]
    KmsUnavailable(#[source] Cause),
    /// KEK records could not be read or written.
    #[error("the store of KEK records failed")]
    StoreFailed(#[source] Cause),
    /// The keyring file cannot be used.
    #[error("keyring {}: {reason}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The message, part or object would be longer than the format allows.
    #[error("longer than the format allows")]
    TooLong,
    /// A caller inside the program asked for something that the format cannot express.
    #[error("invalid request to the format: {0}")]
    Invalid(&'static str),
    /// The cryptographic library or the random generator failed.
    #[error("the cryptographic provider failed: {0}")]
    Provider(&'static str),
}

impl Error {
    /// The key-management service failed.
    pub fn kms(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::KmsUnavailable(Arc::from(cause.into()))
    }

    /// The store of KEK records failed.
    pub fn store(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::StoreFailed(Arc::from(cause.into()))
    }

    /// The S3 error code that fits. `ServiceUnavailable` (503): the same request may succeed later. `InternalError` (500): it
    /// will not, and the operator must act. `InvalidObjectState` is not used: clients take it for an archived object and
    /// ask for its restore. `EntityTooLarge` (400) is the client's own fault.
    pub fn s3_code(&self) -> &'static str {
        match self {
            Self::KmsUnavailable(_) | Self::StoreFailed(_) => "ServiceUnavailable",
            Self::TooLong => "EntityTooLarge",
            Self::NotAuthentic(_)
            | Self::Truncated
            | Self::TrailingData
            | Self::WrongLength { .. }
            | Self::NoFooter
            | Self::Inconsistent(_)
            | Self::BadHeader(_)
            | Self::UnknownVersion(_)
            | Self::UnknownSuite(_)
            | Self::MetadataChanged
            | Self::OtherKek { .. }
            | Self::MissingKek { .. }
            | Self::KekOfAnotherBucket { .. }
            | Self::BadKekRecord(_)
            | Self::OtherRootKey(_)
            | Self::Keyring { .. }
            | Self::Invalid(_)
            | Self::Provider(_) => "InternalError",
        }
    }

    /// What a client may read: what happened, whose fault it is, what to do.
    pub fn client_message(&self) -> &'static str {
        match self {
            Self::NotAuthentic(_) => {
                "The stored object failed authentication: it was altered, swapped, renamed or replaced in the storage backend. Nothing of it is served. Restore it from a good copy."
            }
            Self::Truncated => {
                "The stored object is cut short in the storage backend. Nothing of the missing part is served. Restore it from a good copy."
            }
            Self::TrailingData | Self::WrongLength { .. } => {
                "The stored object does not have the length it was sealed with: it was altered in the storage backend. Restore it from a good copy."
            }
            Self::NoFooter | Self::Inconsistent(_) | Self::BadHeader(_) => {
                "The stored object is not in the form the gateway wrote: its header or its end was altered or removed in the storage backend. Restore it from a good copy."
            }
            Self::UnknownVersion(_) | Self::UnknownSuite(_) => {
                "The object was written by a newer gateway, or its header was altered. Ask the operator to upgrade this gateway."
            }
            Self::MetadataChanged => {
                "The object's metadata was changed in the storage backend, behind the gateway. Ask the operator to restore it, or to recover the bytes with `decrypt --accept-metadata`."
            }
            Self::OtherKek { .. } | Self::KekOfAnotherBucket { .. } => {
                "The object is sealed for another bucket: it was moved in the storage backend, behind the gateway. Copy it through the gateway instead."
            }
            Self::MissingKek { .. } => {
                "The key of this object is gone: deleted on purpose, or lost. Ask the operator; without a copy of the key record the object cannot be opened."
            }
            Self::BadKekRecord(_) => {
                "The key record of this bucket is damaged. Ask the operator to restore it from the system bucket or the metadata store."
            }
            Self::OtherRootKey(_) | Self::Keyring { .. } => {
                "The gateway does not hold the root key of this bucket. Ask the operator to restore the keyring."
            }
            Self::KmsUnavailable(_) => {
                "The key-management service does not answer. Nothing was stored or changed; try again."
            }
            Self::StoreFailed(_) => {
                "The bucket's key records cannot be reached. Nothing was stored or changed; try again."
            }
            Self::TooLong => "The object or part is longer than can be stored.",
            Self::Invalid(_) | Self::Provider(_) => "The gateway failed. See its log by this request id.",
        }
    }
}
