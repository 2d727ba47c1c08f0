//! The metadata database beside the object store. It is never the only copy of anything needed to open an object.

pub mod sqlite;
#[cfg(test)]
pub mod suite;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keys::{Oid, object::Facts};
use scrub::act::Tag;

use crate::sqlite as database;

/// What the sidecar says of one object version. Valid only while the backend's own `ETag` is still [`backend_etag`]: every
/// backend response carries it, so a stale record never answers.
///
/// [`backend_etag`]: ObjectRecord::backend_etag
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Which version of which object.
    pub at: ObjectAt,
    /// The backend's `ETag` as it sent it, without quotes.
    pub backend_etag: String,
    /// The object id in its header.
    pub oid: Oid,
    /// The key-encryption key that wraps its DEK.
    pub kek_id: uuid::Uuid,
    /// What the sealed SUMMARY and TABLE say.
    pub facts: Facts,
    /// Access key of the writer; none where the record was rebuilt from the backend.
    pub principal: Option<String>,
    /// Its address, as far as it is known.
    pub client: Option<IpAddr>,
    /// When it was recorded, milliseconds since the Unix epoch.
    pub recorded_at_ms: i64,
    /// Scrub state: `off` until a scrub policy has seen the object.
    pub scrub: String,
}

/// The name of an object version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectAt {
    /// Bucket.
    pub bucket: String,
    /// Key, decoded. S3 keys are UTF-8.
    pub key: String,
    /// `x-amz-version-id` as the backend sends it; none in an unversioned bucket, `null` for the null version.
    pub version_id: Option<String>,
}

/// One row of a LIST to be resolved: is there a record, and is it still the backend's?
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Key, decoded.
    pub key: &'a str,
    /// Version id where the listing has one.
    pub version_id: Option<&'a str>,
    /// The backend's `ETag`, without quotes.
    pub backend_etag: &'a str,
}

/// A write that is about to become visible in the backend: committed before its last byte is sent, replaced by the record
/// after. One that stays was cut off by a crash and is settled by reading the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// Object id that the write will leave in the header.
    pub oid: Oid,
    /// Digest of the header that the write will leave, by [`header_digest`](crate::ops::stored::header_digest): copies of one
    /// source share its oid, and only this tells them apart. None where the header went to the backend before.
    pub header: Option<[u8; 16]>,
    /// Access key of the writer.
    pub principal: Option<String>,
    /// Its address, as far as it is known.
    pub client: Option<IpAddr>,
    /// S3 operation name, `PutObject`.
    pub operation: String,
    /// `x-amz-request-id` of the request.
    pub request_id: String,
    /// Milliseconds since the Unix epoch.
    pub started_at_ms: i64,
}

/// Names a committed [`Intent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentId(pub i64);

/// An edge of the lineage graph: `target` was made from `source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageEdge {
    /// What was read.
    pub source: ObjectAt,
    /// Its backend `ETag` when it was read.
    pub source_etag: String,
    /// What was written.
    pub target: ObjectAt,
    /// The S3 operation that made it.
    pub operation: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A multipart upload under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// The backend's own upload id.
    pub backend_upload_id: String,
    /// The sealed string given to the client; opaque here.
    pub upload_id: String,
    /// Object id of the object being made.
    pub oid: Oid,
    /// What the object is to have, should a policy put it in quarantine.
    pub headers: Vec<(String, String)>,
    /// Access key of the initiator.
    pub principal: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub started_at_ms: i64,
}

/// One attempt at a part: a client that retries part 7 while its first try still runs leaves two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartAttempt {
    /// Object id of the upload.
    pub oid: Oid,
    /// Part number, 1 to 10,000.
    pub number: u16,
    /// The backend's `ETag` for this attempt, without quotes; for a stashed part that of its stash object.
    pub backend_etag: String,
    /// Key of the stash object in the system bucket, where the part waits there (under 5 MiB, or number 10,000).
    pub stash: Option<String>,
    /// What the TABLE will say of it: number, length, salt, commitment, MD5, checksum.
    pub entry: keys::object::PartEntry,
    /// What it was copied from; none where the client sent its bytes.
    pub copied_from: Option<CopiedFrom>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// The source of a copy, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CopiedFrom {
    /// What was read.
    pub at: ObjectAt,
    /// Its backend `ETag`, without quotes.
    pub etag: String,
}

/// What the client of an upload was answered to its Complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Headers that say something of the object.
    pub headers: Vec<(String, String)>,
    /// The document.
    pub body: Bytes,
}

/// Of a short token, by a batch of its vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// `<TYPE:v1_…>`.
    pub token: String,
    /// Tells its value from others.
    pub tag: Tag,
}

/// How long a [`Completion`] is kept.
pub const COMPLETION_AGE: Duration = Duration::from_hours(24);

/// What a holder says of a lease that it wants or has: nobody else has the name until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it is on.
    pub name: String,
    /// Random, another one for each lease that is taken.
    pub holder: [u8; 16],
    /// Milliseconds since the Unix epoch.
    pub until_ms: i64,
}

/// Why the sidecar could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The database failed: full disk, locked file, broken connection. Shared by all writes of the commit that failed.
    #[error("the sidecar database failed")]
    Database(#[source] Arc<sqlx::Error>),
    /// The schema could not be brought up to date.
    #[error("the sidecar schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row does not hold what this version writes.
    #[error("a sidecar row is damaged: {0}")]
    Damaged(String),
    /// The writer task has ended; the process is shutting down.
    #[error("the sidecar is closed")]
    Closed,
    /// The configured URL is none that is known.
    #[error("`{0}` is not a sidecar URL; `sqlite://relative/path.db` and `sqlite:///absolute/path.db` are")]
    Url(String),
    /// The file could not be made or opened.
    #[error("the sidecar file {} cannot be opened", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is damaged, or something else.
    #[error(
        "{} is damaged or no sidecar database; move it away and run `data-vault sidecar rebuild`",
        path.display()
    )]
    NotADatabase {
        /// Which file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The file was written by a later release.
    #[error(
        "{} has schema version {version}, which is newer than this release of data-vault; use the newer release",
        path.display()
    )]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// Its schema version.
        version: i64,
    },
    /// The file was deleted or replaced while it was open.
    #[error("the sidecar file {} was deleted or replaced; restart to make it anew", path.display())]
    Replaced {
        /// Which file.
        path: PathBuf,
    },
}

impl SidecarError {
    /// The disk under it is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Database(e) if database::is_full(e))
    }
}

impl From<sqlx::Error> for SidecarError {
    fn from(e: sqlx::Error) -> Self {
        Self::Database(Arc::new(e))
    }
}

/// The metadata database. One test suite runs over every implementation.
///
/// Writes return when they are durable; implementations group concurrent ones into one commit.
#[async_trait::async_trait]
pub trait Sidecar: Send + Sync + 'static {
    /// Commits an intent before its effect.
    async fn begin(&self, intent: Intent) -> Result<IntentId, SidecarError>;
    /// Replaces an intent (if any) by the record of what was written, and adds its lineage; one transaction. A record of the
    /// same name is replaced.
    async fn record(
        &self,
        intent: Option<IntentId>,
        record: ObjectRecord,
        lineage: Vec<LineageEdge>,
    ) -> Result<(), SidecarError>;
    /// Queues the record that replaces an intent, and returns before it is durable: a crash leaves the intent, which is settled by
    /// reading the key. Every call made after this one returned sees the record.
    async fn record_later(&self, intent: IntentId, record: Arc<ObjectRecord>) -> Result<(), SidecarError>;
    /// Drops an intent whose write did not happen.
    async fn abandon(&self, intent: IntentId) -> Result<(), SidecarError>;
    /// Intents started before `before_ms`, oldest first, at most `limit`.
    async fn stale_intents(&self, before_ms: i64, limit: u32) -> Result<Vec<(IntentId, Intent)>, SidecarError>;

    /// The record of one object version. With `version_id` none: the record written last under that bucket and key.
    async fn object(&self, at: &ObjectAt) -> Result<Option<ObjectRecord>, SidecarError>;
    /// One query for a whole page of a LIST, answers in the order asked; none where there is no record with that very
    /// backend `ETag`. A listing without version ids matches on key and backend `ETag`. The facts come without part tables.
    async fn listed(&self, bucket: &str, rows: &[Listed<'_>]) -> Result<Vec<Option<Facts>>, SidecarError>;
    /// Plaintext lengths of the records of a bucket, every version, in no order; at most `limit`.
    async fn lengths(&self, bucket: &str, limit: u32) -> Result<Vec<u64>, SidecarError>;
    /// Names of the records of a bucket that have this object id, which copies share with their source; at most `limit`.
    async fn with_oid(&self, bucket: &str, oid: Oid, limit: u32) -> Result<Vec<ObjectAt>, SidecarError>;
    /// Whether a write with this object id is under way: there is an intent, an upload or a part of one.
    async fn is_under_way(&self, oid: Oid) -> Result<bool, SidecarError>;
    /// Forgets one object version, after the backend deleted it.
    async fn forget(&self, at: &ObjectAt) -> Result<(), SidecarError>;
    /// Forgets several, in one transaction.
    async fn forget_all(&self, at: Vec<ObjectAt>) -> Result<(), SidecarError>;
    /// Lineage edges into one object, newest first, at most `limit`.
    async fn lineage(&self, target: &ObjectAt, limit: u32) -> Result<Vec<LineageEdge>, SidecarError>;

    /// Remembers a multipart upload.
    async fn upload_started(&self, upload: UploadRecord) -> Result<(), SidecarError>;
    /// The uploads of one bucket with these backend ids, in the order asked.
    async fn uploads(
        &self,
        bucket: &str,
        backend_upload_ids: &[String],
    ) -> Result<Vec<Option<UploadRecord>>, SidecarError>;
    /// Uploads started before `before_ms`, oldest first, at most `limit`: what a collector looks at.
    async fn stale_uploads(&self, before_ms: i64, limit: u32) -> Result<Vec<UploadRecord>, SidecarError>;
    /// Remembers an attempt at a part, before the part is acknowledged.
    async fn part_attempt(&self, attempt: PartAttempt) -> Result<(), SidecarError>;
    /// Every attempt at every part of an upload, by part number, then oldest first.
    async fn parts(&self, oid: Oid) -> Result<Vec<PartAttempt>, SidecarError>;
    /// Forgets an upload and its attempts, after Complete or Abort.
    async fn upload_ended(&self, oid: Oid) -> Result<(), SidecarError>;
    /// The same after a Complete, whose answer is kept for [`COMPLETION_AGE`]; one transaction.
    async fn upload_completed(&self, oid: Oid, answer: Completion) -> Result<(), SidecarError>;
    /// What was answered to the Complete of an upload, not before `since_ms`.
    async fn completion(&self, oid: Oid, since_ms: i64) -> Result<Option<Completion>, SidecarError>;

    /// Takes a lease that nobody has, or that was not renewed in time. Whether it is the claimant's now.
    async fn take_lease(&self, claim: Claim, now_ms: i64) -> Result<bool, SidecarError>;
    /// Prolongs it. Whether the holder still has it: one that lapsed and was not taken by another is as good as before.
    async fn renew_lease(&self, claim: Claim) -> Result<bool, SidecarError>;
    /// Gives it back, where the holder still has it.
    async fn release_lease(&self, claim: Claim) -> Result<(), SidecarError>;

    /// Keeps a KEK record: an opaque document (it is also in the system bucket).
    async fn keep_kek(&self, bucket: &str, kek_id: uuid::Uuid, document: Bytes) -> Result<(), SidecarError>;
    /// One KEK record.
    async fn kek(&self, bucket: &str, kek_id: uuid::Uuid) -> Result<Option<Bytes>, SidecarError>;
    /// KEK records of any buckets, at most `limit`.
    async fn some_keks(&self, limit: u32) -> Result<Vec<Bytes>, SidecarError>;
    /// Every KEK record of a bucket.
    async fn keks(&self, bucket: &str) -> Result<Vec<(uuid::Uuid, Bytes)>, SidecarError>;

    /// Keeps the tokens of a batch that was just written. False: another value has one of them, and nothing was kept.
    async fn keep_tokens(&self, bucket: &str, batch: Oid, tokens: Vec<TokenRow>) -> Result<bool, SidecarError>;
    /// Keeps those of a batch that was found. One that another batch has for another value stands for neither from now on; gives how many.
    async fn adopt_tokens(&self, bucket: &str, batch: Oid, tokens: Vec<TokenRow>) -> Result<u64, SidecarError>;
    /// The tag of a token, and the batch that has its value; none: batches differ on it.
    async fn token(&self, bucket: &str, token: &str) -> Result<Option<(Tag, Option<Oid>)>, SidecarError>;
    /// Whether the tokens of a batch are kept.
    async fn has_token_batch(&self, bucket: &str, batch: Oid) -> Result<bool, SidecarError>;
    /// The batch of the highest id, whose tokens are kept.
    async fn last_token_batch(&self, bucket: &str) -> Result<Option<Oid>, SidecarError>;
    /// Keeps which change of policies is the last, and the digest of its bytes, unless a later one is known.
    async fn keep_policy_mark(&self, number: u64, digest: [u8; 32]) -> Result<(), SidecarError>;
    /// The last change of policies that is known.
    async fn policy_mark(&self) -> Result<Option<(u64, [u8; 32])>, SidecarError>;

    /// Forgets the tokens and batches of a bucket, and the KEK records of this scope; one transaction.
    async fn forget_tokens(&self, bucket: &str, kek_scope: &str) -> Result<(), SidecarError>;

    /// Answers when the database does: for `/readyz`.
    async fn ping(&self) -> Result<(), SidecarError>;
}
