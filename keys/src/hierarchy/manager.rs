//! Which KEK to use, cached: of the bucket's records the newest, or the one that a header names.

#[cfg(test)]
mod tests;
mod unwrapper;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use moka::future::Cache;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Kek, KekName, KekRecord, RootKey, ToWrap};
use crate::{Error, now_ms};
use unwrapper::Unwrapper;

/// Where KEK records are kept: the system bucket and the sidecar. Never the only keeper of anything: a record is also readable in the
/// other.
#[async_trait::async_trait]
pub trait KekStore: Send + Sync + 'static {
    /// Keeps a record, replacing one of the same bucket and id. Returns when it is durable.
    async fn put(&self, record: &KekRecord) -> Result<(), Error>;
    /// One record of a bucket.
    async fn get(&self, bucket: &str, kek_id: Uuid) -> Result<Option<KekRecord>, Error>;
    /// Every record of a bucket.
    async fn list(&self, bucket: &str) -> Result<Vec<KekRecord>, Error>;
}

/// Bounds of the cache of unwrapped KEKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBounds {
    /// Most KEKs held.
    pub max_entries: u64,
    /// Longest life of an entry: so long may another replica go on sealing under a KEK that was retired.
    pub max_age: Duration,
    /// Most uses of an entry before it is fetched and unwrapped again; concurrent requests may go over by their number.
    pub max_uses: u64,
}

impl Default for CacheBounds {
    fn default() -> Self {
        Self { max_entries: 10_000, max_age: Duration::from_mins(5), max_uses: 1_000_000 }
    }
}

/// Finds, makes, unwraps and caches KEKs. Concurrent misses for one KEK make one unwrap, those for several one batch.
pub struct KeyManager {
    root: Arc<dyn RootKey>,
    store: Arc<dyn KekStore>,
    bounds: CacheBounds,
    unwrapper: Unwrapper,
    current: Cache<String, Uuid>,
    /// By bucket too, or whoever asks for it from another bucket would answer for the one who waits for the same KEK rightly.
    by_id: Cache<(String, Uuid), Arc<Entry>>,
}

struct Entry {
    kek: Arc<Kek>,
    uses: AtomicU64,
}

impl KeyManager {
    /// Over a provider and a store.
    pub fn new(root: Arc<dyn RootKey>, store: Arc<dyn KekStore>, bounds: CacheBounds) -> Self {
        Self {
            unwrapper: Unwrapper::new(Arc::clone(&root)),
            current: cache(bounds),
            by_id: cache(bounds),
            root,
            store,
            bounds,
        }
    }

    /// The KEK to seal new objects of a bucket under: of the records that are not retired the one of the highest epoch, and of
    /// several such the one of the smallest id. Where there is none it is made, and is durable before this returns.
    pub async fn current(&self, bucket: &str) -> Result<Arc<Kek>, Error> {
        let kek_id = self
            .current
            .try_get_with_by_ref(bucket, self.find_current(bucket))
            .await
            .map_err(|error: Arc<Error>| (*error).clone())?;
        self.by_id(bucket, kek_id).await
    }

    /// The KEK that a header names. [`Error::MissingKek`], or [`Error::KekOfAnotherBucket`] where its record is not of this bucket.
    pub async fn by_id(&self, bucket: &str, kek_id: Uuid) -> Result<Arc<Kek>, Error> {
        let mut entry = self.unwrapped_by_id(bucket, kek_id).await?;
        if entry.is_spent(self.bounds) {
            self.by_id.invalidate(&(bucket.to_owned(), kek_id)).await;
            entry = self.unwrapped_by_id(bucket, kek_id).await?;
            entry.uses.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Arc::clone(&entry.kek))
    }

    /// Is this the provider of these records? An error: it unwraps none of them, and why not the first. None of none is fine.
    pub async fn unwraps_one_of(&self, records: &[KekRecord]) -> Result<(), Error> {
        let mut failed = None;
        for record in records {
            match self.unwrapper.unwrap(record.to_unwrap()).await {
                Ok(_) => return Ok(()),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Forgets what is cached of a bucket: after its deletion, or after a KEK of it was retired or deleted.
    pub fn forget_bucket(&self, bucket: &str) {
        let (of_current, of_kek) = (bucket.to_owned(), bucket.to_owned());
        for result in [
            self.current.invalidate_entries_if(move |bucket, _| *bucket == of_current),
            self.by_id.invalidate_entries_if(move |(bucket, _), _| *bucket == of_kek),
        ] {
            // Fails only for a cache that was built without support for it.
            if let Err(error) = result {
                tracing::error!(%error, bucket, "the key cache could not be invalidated");
            }
        }
    }

    /// Marks a KEK as retired: no new object is sealed under it from now on here, and within [`CacheBounds::max_age`] by other
    /// replicas.
    pub async fn retire(&self, bucket: &str, kek_id: Uuid) -> Result<(), Error> {
        let mut record = self.record(bucket, kek_id).await?;
        record.retired = true;
        self.store.put(&record).await?;
        self.forget_bucket(bucket);
        Ok(())
    }

    /// Wraps every KEK of a bucket under the root key that is active now, after a rotation of the root key. Returns how many were
    /// wrapped anew. A record is replaced only once its new wrapping has been unwrapped again.
    pub async fn rewrap(&self, bucket: &str) -> Result<usize, Error> {
        let mut rewrapped = 0;
        for mut record in self.store.list(bucket).await? {
            if record.root_key_id == self.root.id() {
                continue;
            }
            let key = self.unwrapper.unwrap(record.to_unwrap()).await?;
            let wrapped = self.wrap(record.name.clone(), key.clone()).await?;
            record.root_key_id = wrapped.root_key_id;
            record.wrapped_key = wrapped.wrapped;
            let again = self.unwrapper.unwrap(record.to_unwrap()).await?;
            verify_slices_are_equal(&*again, &*key).map_err(|_| Error::Provider("a KEK wrapped anew is another"))?;
            self.store.put(&record).await?;
            rewrapped += 1;
        }
        Ok(rewrapped)
    }

    async fn find_current(&self, bucket: &str) -> Result<Uuid, Error> {
        let records = self.store.list(bucket).await?;
        match newest(&records, bucket) {
            Some(record) => Ok(record.name.kek_id),
            None => self.create(bucket, &records).await,
        }
    }

    async fn create(&self, bucket: &str, retired: &[KekRecord]) -> Result<Uuid, Error> {
        // Retired KEKs leave the bucket what it was; without any it begins a life of its own.
        let before =
            retired.iter().filter(|record| record.name.bucket == bucket).max_by_key(|record| record.name.epoch);
        let name = KekName {
            kek_id: Uuid::new_v4(),
            bucket_uuid: before.map_or_else(Uuid::new_v4, |record| record.name.bucket_uuid),
            bucket: bucket.to_owned(),
            epoch: before
                .map_or(Some(1), |record| record.name.epoch.checked_add(1))
                .ok_or(Error::BadKekRecord("the last epoch is used"))?,
        };
        let key = Zeroizing::new(crate::random()?);
        let wrapped = self.wrap(name.clone(), key).await?;
        let record = KekRecord::new(name, wrapped, now_ms());
        self.store.put(&record).await?;
        let stored = self.store.get(bucket, record.name.kek_id).await?;
        if stored.as_ref() != Some(&record) {
            return Err(Error::BadKekRecord("read back is not what was written"));
        }
        // Another replica may have made one at the same time. Both stay valid; that all go on with one of them only keeps
        // their number small.
        let records = self.store.list(bucket).await?;
        Ok(newest(&records, bucket).map_or(record.name.kek_id, |newest| newest.name.kek_id))
    }

    async fn wrap(&self, name: KekName, key: Zeroizing<[u8; 32]>) -> Result<super::WrappedKek, Error> {
        let root = Arc::clone(&self.root);
        unwrapper::within_limit(async move { root.wrap(&[ToWrap { name, key }]).await })
            .await?
            .pop()
            .ok_or(Error::Provider("the root key provider gave no answer"))?
    }

    async fn record(&self, bucket: &str, kek_id: Uuid) -> Result<KekRecord, Error> {
        let record = self
            .store
            .get(bucket, kek_id)
            .await?
            .ok_or_else(|| Error::MissingKek { bucket: bucket.to_owned(), kek_id })?;
        if record.name.bucket != bucket {
            return Err(Error::KekOfAnotherBucket { bucket: bucket.to_owned(), kek_id });
        }
        if record.name.kek_id != kek_id {
            return Err(Error::BadKekRecord("it is the record of another KEK"));
        }
        Ok(record)
    }

    async fn unwrapped_by_id(&self, bucket: &str, kek_id: Uuid) -> Result<Arc<Entry>, Error> {
        let find = async {
            let record = self.record(bucket, kek_id).await?;
            let key = self.unwrapper.unwrap(record.to_unwrap()).await?;
            Ok(Arc::new(Entry { kek: Arc::new(Kek::new(record.name, key)), uses: AtomicU64::new(0) }))
        };
        self.by_id.try_get_with((bucket.to_owned(), kek_id), find).await.map_err(|error: Arc<Error>| (*error).clone())
    }
}

impl Entry {
    /// Counts one use; true once there were more than the bounds allow.
    fn is_spent(&self, bounds: CacheBounds) -> bool {
        self.uses.fetch_add(1, Ordering::Relaxed) >= bounds.max_uses
    }
}

fn cache<K, V>(bounds: CacheBounds) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(bounds.max_entries)
        .time_to_live(bounds.max_age)
        .support_invalidation_closures()
        .build()
}

/// The highest epoch, then the smallest id, of the records of this bucket that are not retired.
fn newest<'a>(records: &'a [KekRecord], bucket: &str) -> Option<&'a KekRecord> {
    records
        .iter()
        .filter(|record| !record.retired && record.name.bucket == bucket)
        .min_by_key(|record| (std::cmp::Reverse(record.name.epoch), record.name.kek_id))
}
