//! What every operation works with: the backend, the keys, the sidecar, the caches and the bounds.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use keys::Oid;
use keys::hierarchy::{Kek, KeyManager};
use moka::sync::Cache;
use s3s::S3ErrorCode;
use tokio::sync::Semaphore;

use crate::backend::{Backend, BackendRequest, Honoured, Sender, Signer};
use crate::config::{Conditions, Config};
use crate::identity::Credentials;
use crate::leases::{Lease, Leases};
use crate::ops::ahead::Ahead;
use crate::ops::keepalive::Ongoing;
use crate::s3::Error;
use crate::s3::address::Reserved;
use crate::scrubbing::Scrubbing;
use crate::sidecar::{COMPLETION_AGE, ObjectAt, ObjectRecord, Sidecar, SidecarError};
use crate::telemetry::{Cache as Cached, Metrics};
use crate::tokens::TokenVaults;

pub use keys::now_ms;

/// Refused Completes that are remembered.
const REFUSED: u64 = 10_000;

/// An upload, and a digest of the attempts at parts that its Complete chose.
pub type Refused = (Oid, [u8; 16]);

/// How many records that a read found may wait for the sidecar at once.
const LEARNING: usize = 256;

/// The parts of a running gateway. Built once, in [`crate::app`].
pub struct Vault {
    /// The configuration it was built from.
    pub config: Config,
    /// Object storage.
    pub backend: Arc<dyn Backend>,
    /// Key-encryption keys.
    pub keys: KeyManager,
    /// Metadata.
    pub sidecar: Arc<dyn Sidecar>,
    /// Client credentials.
    pub credentials: Credentials,
    /// Bucket names that no client may reach.
    pub reserved: Reserved,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// The conditions that the backend honours.
    pub honoured: Honoured,
    /// Leases on keys, where the backend has no conditions.
    pub leases: Arc<Leases>,
    /// What is known of objects.
    pub known: KnownObjects,
    /// Pages of listings that were edited.
    pub pages: KnownPages,
    /// Copies and completions that are under way.
    pub ongoing: Ongoing,
    /// Uploads that are scrubbed before their Complete.
    pub ahead: Ahead,
    /// Completes that the scrub engine refused, and what their clients were told.
    pub refused: Cache<Refused, (S3ErrorCode, Cow<'static, str>)>,
    /// What the scrub engine does for which bucket.
    pub scrubbing: Scrubbing,
    /// The vaults of short tokens.
    pub tokens: TokenVaults,
    /// Buckets that were seen to exist, so that a write need not ask before it makes a first key for one.
    known_buckets: Cache<String, ()>,
    learning: Arc<Semaphore>,
}

impl Vault {
    /// Puts the parts together.
    #[expect(clippy::too_many_arguments, reason = "called once, by app, with every part named")]
    pub fn new(
        config: Config,
        backend: Arc<dyn Backend>,
        keys: KeyManager,
        sidecar: Arc<dyn Sidecar>,
        credentials: Credentials,
        reserved: Reserved,
        metrics: Arc<Metrics>,
        honoured: Honoured,
        scrubbing: Scrubbing,
    ) -> Self {
        let known = KnownObjects::new(config.limits.facts_cache_entries);
        let tokens = TokenVaults::new(&config.limits);
        let pages = KnownPages::new(config.limits.list_cache);
        let ahead = Ahead::new(&config, metrics.clone());
        let known_buckets = Cache::builder().max_capacity(10_000).time_to_live(Duration::from_mins(5)).build();
        Self {
            config,
            backend,
            keys,
            sidecar,
            credentials,
            reserved,
            metrics,
            honoured,
            leases: Arc::default(),
            known,
            pages,
            known_buckets,
            ongoing: Ongoing::default(),
            ahead,
            refused: Cache::builder().max_capacity(REFUSED).time_to_live(COMPLETION_AGE).build(),
            scrubbing,
            tokens,
            learning: Arc::new(Semaphore::new(LEARNING)),
        }
    }

    /// Whether the conditions of writes are weighed here, under a lease, since the backend ignores some.
    pub fn weighs_writes(&self) -> bool {
        !self.honoured.writes() && self.config.backend.conditions == Conditions::Lease
    }

    /// A lease on a key for a write or a deletion, where any condition is weighed here.
    pub async fn lease(&self, at: &ObjectAt) -> Result<Option<Lease>, Error> {
        if !self.takes_leases() {
            return Ok(None);
        }
        self.leases.take(&at.bucket, &at.key).await.map(Some)
    }

    /// Leases on several keys of a bucket.
    pub async fn lease_all(&self, bucket: &str, keys: Vec<&str>) -> Result<Vec<Lease>, Error> {
        if !self.takes_leases() {
            return Ok(Vec::new());
        }
        self.leases.take_all(bucket, keys).await
    }

    fn takes_leases(&self) -> bool {
        let honours_all = self.honoured.writes() && self.honoured.deletions;
        !honours_all && self.config.backend.conditions == Conditions::Lease
    }

    /// A condition that the backend would ignore must not be sent to it: the client would take an overwrite for a success.
    pub fn check_condition(&self, headers: &http::HeaderMap) -> Result<(), Error> {
        let asked = headers.contains_key(http::header::IF_MATCH) || headers.contains_key(http::header::IF_NONE_MATCH);
        if !asked || self.honoured.writes() { Ok(()) } else { self.check_unhonoured() }
    }

    /// Whether a condition may be asked for that the backend does not honour.
    pub fn check_unhonoured(&self) -> Result<(), Error> {
        if self.config.backend.conditions != Conditions::Refuse {
            return Ok(());
        }
        Err(Error::client(
            S3ErrorCode::NotImplemented,
            "The object store behind the gateway has no conditional writes, and backend.conditions = \"refuse\" has If-Match and \
             If-None-Match refused rather than ignored",
        ))
    }

    /// The key that seals new objects of a bucket. A bucket that does not exist gets the backend's `NoSuchBucket`, and no key:
    /// else every misspelt name would leave a record behind.
    pub async fn kek_for_write(&self, bucket: &str, sender: &Sender) -> Result<Arc<Kek>, Error> {
        if !self.known_buckets.contains_key(bucket) {
            let mut status = self.backend.call(BackendRequest::head_bucket(bucket, sender.clone())).await?.status();
            if status == StatusCode::FORBIDDEN {
                // Whether this client may write is for the backend to say; whether the bucket exists is asked as ourselves.
                status = self.backend.call(BackendRequest::head_bucket(bucket, Signer::Gateway)).await?.status();
            }
            let refused = match status.as_u16() {
                // 403: it belongs to others. Who may not list a bucket may still write to it.
                200..=299 | 403 => None,
                400 => Some((S3ErrorCode::InvalidBucketName, "The specified bucket is not valid.")),
                404 => Some((S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")),
                _ => return Err(Error::Protocol(format!("HeadBucket answered {status}").into())),
            };
            if let Some((code, message)) = refused {
                return Err(Error::client(code, message));
            }
            self.known_buckets.insert(bucket.to_owned(), ());
        }
        Ok(self.keys.current(bucket).await?)
    }

    /// Remembers what was read of an object: in memory, and in the sidecar where it heals what was lost. The reader does not wait,
    /// and a read that is not remembered only costs the next one a call, so that is dropped where too many are under way.
    pub fn learn(self: &Arc<Self>, asked: &ObjectAt, record: Arc<ObjectRecord>) {
        self.known.insert(record.clone());
        if *asked != record.at {
            self.known.insert_as(asked.clone(), record.clone());
        }
        let Ok(slot) = self.learning.clone().try_acquire_owned() else { return };
        let vault = self.clone();
        tokio::spawn(async move {
            if let Err(e) = vault.heal(ObjectRecord::clone(&record)).await {
                tracing::warn!(error = %e, "what was read of an object could not be kept");
            }
            drop(slot);
        });
    }

    /// The record under a name, of memory or else of the sidecar, if it is of use. A sidecar that fails only makes the answer slower:
    /// the object says all of it itself.
    pub async fn known_record(
        &self,
        at: &ObjectAt,
        usable: impl Fn(&ObjectRecord) -> bool,
    ) -> Option<Arc<ObjectRecord>> {
        if let Some(record) = self.known.latest(at).filter(|r| usable(r)) {
            self.metrics.cache(Cached::Facts, true);
            return Some(record);
        }
        self.metrics.cache(Cached::Facts, false);
        let record = self
            .sidecar
            .object(at)
            .await
            .inspect_err(|e| tracing::warn!(error = %e, "sidecar read failed"))
            .ok()?
            .filter(|r| usable(r))
            .map(Arc::new)?;
        self.known.insert_as(at.clone(), record.clone());
        Some(record)
    }

    /// Records what was read of an object, unless a record says so already. Who wrote it, and when, stays as it was recorded; a
    /// record made in the last minute is never replaced, since what was read may be older than it.
    async fn heal(&self, mut record: ObjectRecord) -> Result<(), SidecarError> {
        const RECENT_MS: i64 = 60_000;
        match self.sidecar.object(&record.at).await {
            Ok(Some(known)) if known.backend_etag == record.backend_etag && known.facts == record.facts => {
                return Ok(());
            }
            Ok(Some(known)) if known.oid == record.oid => {
                record.principal = known.principal;
                record.client = known.client;
                record.recorded_at_ms = known.recorded_at_ms;
                record.scrub = known.scrub;
            }
            Ok(Some(known)) if known.recorded_at_ms > record.recorded_at_ms - RECENT_MS => return Ok(()),
            Ok(_) | Err(SidecarError::Damaged(_)) => {}
            Err(e) => return Err(e),
        }
        self.sidecar.record(None, record, Vec::new()).await
    }

    /// A bucket was deleted: its name may come back with another life.
    pub fn bucket_deleted(&self, bucket: &str) {
        self.known_buckets.invalidate(bucket);
        self.keys.forget_bucket(bucket);
    }
}

/// What is known of objects, in memory: sidecar records by name, and names in `migrating` buckets that were found to be plaintext.
/// Every entry holds the backend's `ETag` and answers only while that is still the backend's.
pub struct KnownObjects {
    sealed: Cache<ObjectAt, Arc<ObjectRecord>>,
    plain: Cache<ObjectAt, Arc<str>>,
}

impl KnownObjects {
    fn new(entries: u64) -> Self {
        // Counted by part rows, since a record of 10,000 parts weighs as much as 3,000 small ones.
        let weigh =
            |_: &ObjectAt, r: &Arc<ObjectRecord>| 1 + u32::try_from(r.facts.parts.len() / 3).unwrap_or(u32::MAX);
        Self {
            sealed: Cache::builder().max_capacity(entries).weigher(weigh).build(),
            plain: Cache::builder().max_capacity(entries).build(),
        }
    }

    /// The record under this name, of whatever backend `ETag`.
    pub fn latest(&self, at: &ObjectAt) -> Option<Arc<ObjectRecord>> {
        self.sealed.get(at)
    }

    /// The record under this name if it is still about the object that the backend holds.
    pub fn sealed(&self, at: &ObjectAt, backend_etag: &str) -> Option<Arc<ObjectRecord>> {
        self.sealed.get(at).filter(|r| r.backend_etag == backend_etag)
    }

    /// Remembers a record.
    pub fn insert(&self, record: Arc<ObjectRecord>) {
        self.sealed.insert(record.at.clone(), record);
    }

    /// Remembers it under the name that was asked for too: without a version id, in a versioned bucket.
    pub fn insert_as(&self, asked: ObjectAt, record: Arc<ObjectRecord>) {
        self.sealed.insert(asked, record);
    }

    /// Forgets a name.
    pub fn forget(&self, at: &ObjectAt) {
        self.sealed.invalidate(at);
        self.plain.invalidate(at);
    }

    /// Whether the object was found to be plaintext from before.
    pub fn is_plain(&self, at: &ObjectAt, backend_etag: &str) -> bool {
        self.plain(at).is_some_and(|etag| *etag == *backend_etag)
    }

    /// The backend's `ETag` of the plaintext from before that was found under this name.
    pub fn plain(&self, at: &ObjectAt) -> Option<Arc<str>> {
        self.plain.get(at)
    }

    /// Remembers that it is.
    pub fn insert_plain(&self, at: ObjectAt, backend_etag: &str) {
        self.plain.insert(at, Arc::from(backend_etag));
    }
}

/// Pages of listings: the backend's as it came last, and what the client got for it. One answers only where the backend's is the same to
/// the byte, so that whoever may not see an object gets no page with it.
pub struct KnownPages(Cache<String, Arc<KnownPage>>);

struct KnownPage {
    of_backend: Bytes,
    edited: Bytes,
}

impl KnownPages {
    fn new(bytes: u64) -> Self {
        // About what an entry takes beside its bytes.
        const ENTRY: usize = 256;
        let weigh = |asked: &String, page: &Arc<KnownPage>| {
            u32::try_from(ENTRY + asked.len() + page.of_backend.len() + page.edited.len()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(bytes).weigher(weigh).build())
    }

    /// What the client got for this very page. `asked`: path and query of the request.
    pub fn get(&self, asked: &str, of_backend: &[u8]) -> Option<Bytes> {
        self.0.get(asked).filter(|page| page.of_backend == of_backend).map(|page| page.edited.clone())
    }

    /// Remembers a page, in the place of an older one.
    pub fn insert(&self, asked: String, of_backend: &[u8], edited: Bytes) {
        // A copy, since a piece of a larger buffer would keep all of that.
        let of_backend = Bytes::copy_from_slice(of_backend);
        self.0.insert(asked, Arc::new(KnownPage { of_backend, edited }));
    }
}

#[cfg(test)]
impl Vault {
    /// Over a store of a test, with these settings and all else in this folder.
    pub async fn of_tests(folder: &std::path::Path, settings: &str, backend: Arc<dyn Backend>) -> Self {
        use crate::sidecar::sqlite::{SqliteOptions, SqliteSidecar};

        let sidecar = SqliteSidecar::open(SqliteOptions::new(folder.join("sidecar.db"))).await.unwrap();
        Self::of_a_test(folder, settings, backend, Arc::new(sidecar))
    }

    /// The same, over this sidecar.
    pub fn of_a_test(
        folder: &std::path::Path,
        settings: &str,
        backend: Arc<dyn Backend>,
        sidecar: Arc<dyn Sidecar>,
    ) -> Self {
        use keys::hierarchy::{CacheBounds, LocalKeyring};

        let folder_name = folder.display().to_string();
        let text = format!("data_dir = {folder_name:?}\n[backend]\nkind = \"local\"\n{settings}");
        let config = Config::parse(folder, text).unwrap();
        let system = config.backend.system_bucket.clone();
        let records = crate::keks::SystemBucketKeks::new(backend.clone(), sidecar.clone(), system.clone());
        let root = LocalKeyring::open_or_create(&folder.join("keyring.json")).unwrap();
        let bounds = CacheBounds {
            max_entries: config.keys.cache_entries,
            max_age: config.keys.cache_age,
            max_uses: config.keys.cache_uses,
        };
        let keys = KeyManager::new(Arc::new(root), Arc::new(records), bounds);
        let credentials = Credentials::new(Vec::new()).unwrap();
        let scrubbing = Scrubbing::load(&config).unwrap();
        let reserved = Reserved::new(system, Vec::new());
        Self::new(config, backend, keys, sidecar, credentials, reserved, Metrics::new([]), Honoured::ALL, scrubbing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_answers_only_while_the_backends_is_the_same() {
        let pages = KnownPages::new(10_000);
        pages.insert("/b?list-type=2".into(), b"sealed 1", Bytes::from_static(b"plain 1"));
        assert_eq!(pages.get("/b?list-type=2", b"sealed 1").unwrap(), "plain 1");
        assert_eq!(pages.get("/b?list-type=2", b"sealed 2"), None);
        assert_eq!(pages.get("/c?list-type=2", b"sealed 1"), None);
        pages.insert("/b?list-type=2".into(), b"sealed 2", Bytes::from_static(b"plain 2"));
        assert_eq!(pages.get("/b?list-type=2", b"sealed 2").unwrap(), "plain 2");
        assert_eq!(pages.get("/b?list-type=2", b"sealed 1"), None);
    }

    #[test]
    fn pages_are_bounded_in_bytes() {
        let pages = KnownPages::new(10_000);
        let page = |i: usize| vec![b'a' + i as u8; 1000];
        for i in 0..20 {
            pages.insert(format!("/b{i}?"), &page(i), page(i).into());
        }
        pages.insert("/large?".into(), &[0; 9000], vec![0; 9000].into());
        pages.0.run_pending_tasks();
        assert!(pages.0.weighted_size() <= 10_000, "{}", pages.0.weighted_size());
        assert!((0..20).any(|i| pages.get(&format!("/b{i}?"), &page(i)).is_some()));
        assert_eq!(pages.get("/large?", &[0; 9000]), None);
        let none = KnownPages::new(0);
        none.insert("/b?".into(), b"a", Bytes::from_static(b"b"));
        none.0.run_pending_tasks();
        assert_eq!(none.get("/b?", b"a"), None);
    }
}
