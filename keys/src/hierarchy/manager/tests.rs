use super::*;
use crate::hierarchy::{LocalKeyring, ToUnwrap, WrappedKek};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

/// A store in memory that counts what it is asked.
#[derive(Default)]
struct Memory {
    records: Mutex<BTreeMap<(String, Uuid), KekRecord>>,
    reads: AtomicUsize,
    /// Keeps another record than it is given.
    lies: bool,
    /// How long a read takes.
    pause: Duration,
}

#[async_trait::async_trait]
impl KekStore for Memory {
    async fn put(&self, record: &KekRecord) -> Result<(), Error> {
        let mut kept = record.clone();
        if self.lies {
            kept.wrapped_key[0] ^= 1;
        }
        let at = (record.name.bucket.clone(), record.name.kek_id);
        self.records.lock().unwrap().insert(at, kept);
        Ok(())
    }
    async fn get(&self, bucket: &str, kek_id: Uuid) -> Result<Option<KekRecord>, Error> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.pause).await;
        Ok(self.records.lock().unwrap().get(&(bucket.to_owned(), kek_id)).cloned())
    }
    async fn list(&self, bucket: &str) -> Result<Vec<KekRecord>, Error> {
        let records = self.records.lock().unwrap();
        Ok(records.iter().filter(|((of, _), _)| of == bucket).map(|(_, record)| record.clone()).collect())
    }
}

/// A keyring that counts calls and items, can be slow, and can be away.
struct Counted {
    ring: LocalKeyring,
    calls: AtomicUsize,
    items: AtomicUsize,
    away: std::sync::atomic::AtomicBool,
    /// Wraps so that nothing unwraps it.
    spoils: bool,
}

#[async_trait::async_trait]
impl RootKey for Counted {
    fn id(&self) -> &str {
        self.ring.id()
    }
    async fn wrap(&self, batch: &[ToWrap]) -> Vec<Result<WrappedKek, Error>> {
        let mut answers = self.ring.wrap(batch).await;
        for wrapped in answers.iter_mut().flatten().filter(|_| self.spoils) {
            wrapped.wrapped[100] ^= 1;
        }
        answers
    }
    async fn unwrap(&self, batch: &[ToUnwrap]) -> Vec<Result<Zeroizing<[u8; 32]>, Error>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(batch.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.away.load(Ordering::Relaxed) {
            return batch.iter().map(|_| Err(Error::kms("away"))).collect();
        }
        self.ring.unwrap(batch).await
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    root: Arc<Counted>,
    store: Arc<Memory>,
}

impl Fixture {
    fn new(store: Memory) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ring = LocalKeyring::open_or_create(&folder.path().join("keyring.json")).unwrap();
        let root = Counted { ring, calls: 0.into(), items: 0.into(), away: false.into(), spoils: false };
        Self { folder, root: Arc::new(root), store: Arc::new(store) }
    }
    fn manager(&self, bounds: CacheBounds) -> Arc<KeyManager> {
        Arc::new(KeyManager::new(self.root.clone(), self.store.clone(), bounds))
    }
    fn calls(&self) -> usize {
        self.root.calls.load(Ordering::Relaxed)
    }
    /// Puts a record of a fresh KEK into the store.
    async fn add(&self, bucket: &str, epoch: u32, kek_id: u8, retired: bool) -> Uuid {
        let name = KekName {
            kek_id: Uuid::from_bytes([kek_id; 16]),
            bucket_uuid: Uuid::from_bytes([9; 16]),
            bucket: bucket.into(),
            epoch,
        };
        let item = ToWrap { name: name.clone(), key: Zeroizing::new([kek_id; 32]) };
        let wrapped = self.root.wrap(&[item]).await.remove(0).unwrap();
        let record = KekRecord { retired, ..KekRecord::new(name, wrapped, 0) };
        self.store.put(&record).await.unwrap();
        record.name.kek_id
    }
}

#[tokio::test]
async fn another_keyring_is_known_by_the_records() {
    let (own, other) = (Fixture::new(Memory::default()), Fixture::new(Memory::default()));
    own.add("data", 1, 1, false).await;
    other.add("data", 1, 2, false).await;
    let (mine, theirs) = (own.store.list("data").await.unwrap(), other.store.list("data").await.unwrap());
    let manager = own.manager(CacheBounds::default());
    manager.unwraps_one_of(&[]).await.unwrap();
    manager.unwraps_one_of(&mine).await.unwrap();
    assert!(matches!(manager.unwraps_one_of(&theirs).await, Err(Error::OtherRootKey(_))));
    // A record that cannot be unwrapped does not lock out the keyring of the others.
    manager.unwraps_one_of(&[theirs, mine].concat()).await.unwrap();
}

#[tokio::test]
async fn a_new_bucket_gets_one_kek_that_every_replica_finds() {
    let fixture = Fixture::new(Memory::default());
    let manager = fixture.manager(CacheBounds::default());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let manager = Arc::clone(&manager);
            tokio::spawn(async move { manager.current("data").await.unwrap().id() })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(fixture.store.records.lock().unwrap().len(), 1);
    assert_eq!(fixture.calls(), 1);
    let other = fixture.manager(CacheBounds::default());
    let kek = other.current("data").await.unwrap();
    assert_eq!((kek.id(), kek.epoch(), kek.bucket()), (ids[0], 1, "data"));
    assert_eq!(other.by_id("data", ids[0]).await.unwrap().id(), ids[0]);
}

#[tokio::test]
async fn the_newest_kek_that_is_not_retired_is_current() {
    let fixture = Fixture::new(Memory::default());
    fixture.add("data", 1, 1, false).await;
    fixture.add("data", 2, 8, false).await;
    let smallest = fixture.add("data", 2, 3, false).await;
    fixture.add("data", 3, 4, true).await;
    let manager = fixture.manager(CacheBounds::default());
    assert_eq!(manager.current("data").await.unwrap().id(), smallest);
    for kek_id in [3, 8, 1] {
        manager.retire("data", Uuid::from_bytes([kek_id; 16])).await.unwrap();
    }
    let made = manager.current("data").await.unwrap();
    assert_eq!((made.epoch(), made.bucket_uuid()), (4, Uuid::from_bytes([9; 16])));
    // What is retired still opens.
    assert!(manager.by_id("data", smallest).await.is_ok());
}

#[tokio::test]
async fn a_kek_opens_only_in_its_bucket() {
    let fixture = Fixture::new(Memory::default());
    let kek_id = fixture.add("data", 1, 1, false).await;
    let manager = fixture.manager(CacheBounds::default());
    assert!(matches!(manager.by_id("other", kek_id).await, Err(Error::MissingKek { .. })));
    assert!(manager.by_id("data", kek_id).await.is_ok());
    // With the other's in the cache too.
    assert!(matches!(manager.by_id("other", kek_id).await, Err(Error::MissingKek { .. })));
    // A record moved in the backend to another bucket's place, and one under another id.
    let record = fixture.store.get("data", kek_id).await.unwrap().unwrap();
    let wrong_id = Uuid::from_bytes([7; 16]);
    let mut renamed = record.clone();
    renamed.name.bucket = "other".into();
    {
        let mut records = fixture.store.records.lock().unwrap();
        records.insert(("other".into(), kek_id), record.clone());
        records.insert(("data".into(), wrong_id), record);
        records.insert(
            ("third".into(), kek_id),
            KekRecord { name: KekName { bucket: "third".into(), ..renamed.name.clone() }, ..renamed },
        );
    }
    let manager = fixture.manager(CacheBounds::default());
    assert!(matches!(manager.by_id("other", kek_id).await, Err(Error::KekOfAnotherBucket { .. })));
    assert!(matches!(manager.by_id("data", wrong_id).await, Err(Error::BadKekRecord(_))));
    // And one whose text was edited to fit: the wrapping knows better.
    assert!(matches!(manager.by_id("third", kek_id).await, Err(Error::NotAuthentic(_))));
}

#[tokio::test]
async fn misses_of_many_keks_are_one_batch() {
    let fixture = Fixture::new(Memory::default());
    for kek_id in 1..=50 {
        fixture.add("data", kek_id.into(), kek_id, false).await;
    }
    let manager = fixture.manager(CacheBounds::default());
    let tasks: Vec<_> = (1..=50u8)
        .flat_map(|kek_id| [kek_id, kek_id])
        .map(|kek_id| {
            let manager = Arc::clone(&manager);
            tokio::spawn(async move { manager.by_id("data", Uuid::from_bytes([kek_id; 16])).await.unwrap().epoch() })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, 2 * (50 * 51 / 2));
    assert_eq!(fixture.root.items.load(Ordering::Relaxed), 50);
    assert!(fixture.calls() <= 3, "{} calls", fixture.calls());
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_others() {
    let fixture = Fixture::new(Memory::default());
    let kek_id = fixture.add("data", 1, 1, false).await;
    let manager = fixture.manager(CacheBounds::default());
    let first = {
        let manager = manager.clone();
        tokio::spawn(async move { manager.by_id("data", kek_id).await.map(|_| ()) })
    };
    let second = {
        let manager = manager.clone();
        tokio::spawn(async move { manager.by_id("data", kek_id).await.map(|_| ()) })
    };
    tokio::time::sleep(Duration::from_millis(5)).await;
    first.abort();
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test]
async fn entries_end_by_use_by_age_and_on_demand() {
    let fixture = Fixture::new(Memory::default());
    let kek_id = fixture.add("data", 1, 1, false).await;
    let bounds = CacheBounds { max_uses: 10, ..CacheBounds::default() };
    let manager = fixture.manager(bounds);
    for _ in 0..30 {
        manager.by_id("data", kek_id).await.unwrap();
    }
    assert_eq!(fixture.calls(), 3);
    manager.forget_bucket("another");
    manager.by_id("data", kek_id).await.unwrap();
    assert_eq!(fixture.calls(), 4, "the tenth use after the third unwrap was the last");
    manager.by_id("data", kek_id).await.unwrap();
    manager.forget_bucket("data");
    manager.by_id("data", kek_id).await.unwrap();
    assert_eq!(fixture.calls(), 5);
    let manager = fixture.manager(CacheBounds { max_age: Duration::from_millis(30), ..bounds });
    manager.by_id("data", kek_id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    manager.by_id("data", kek_id).await.unwrap();
    assert_eq!(fixture.calls(), 7);
}

#[tokio::test]
async fn an_error_is_told_and_not_cached() {
    let fixture = Fixture::new(Memory::default());
    let kek_id = fixture.add("data", 1, 1, false).await;
    let manager = fixture.manager(CacheBounds::default());
    fixture.root.away.store(true, Ordering::Relaxed);
    let error = manager.by_id("data", kek_id).await.unwrap_err();
    assert!(matches!(error, Error::KmsUnavailable(_)));
    assert_eq!(error.s3_code(), "ServiceUnavailable");
    fixture.root.away.store(false, Ordering::Relaxed);
    assert!(manager.by_id("data", kek_id).await.is_ok());
}

#[tokio::test]
async fn a_record_that_does_not_read_back_is_not_used() {
    let fixture = Fixture::new(Memory { lies: true, ..Memory::default() });
    let manager = fixture.manager(CacheBounds::default());
    assert!(matches!(manager.current("data").await, Err(Error::BadKekRecord(_))));
}

#[tokio::test]
async fn rotating_the_root_key_rewraps_records_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    let store = Arc::new(Memory::default());
    let before =
        KeyManager::new(Arc::new(LocalKeyring::open_or_create(&path).unwrap()), store.clone(), CacheBounds::default());
    let kek = before.current("data").await.unwrap();
    let object = crate::object::ObjectKey::generate().unwrap();
    let header = kek.wrap("key", &object, 0, [0; 32]).unwrap();
    let ring = Arc::new(LocalKeyring::rotate(&path).unwrap());
    let after = KeyManager::new(ring.clone(), store.clone(), CacheBounds::default());
    assert_eq!(after.rewrap("data").await.unwrap(), 1);
    assert_eq!(after.rewrap("data").await.unwrap(), 0);
    let record = store.get("data", kek.id()).await.unwrap().unwrap();
    assert_eq!(record.root_key_id, ring.id());
    let again = after.by_id("data", header.kek_id).await.unwrap();
    assert_eq!(again.unwrap("key", &header, [0; 32]).unwrap().expose(), object.expose());
}

/// Whoever asks under a bucket of his own for a KEK that he knows by name must not have others, who ask at the same time and rightly,
/// get his answer.
#[tokio::test]
async fn an_asker_from_another_bucket_does_not_answer_for_the_owner() {
    let fixture = Fixture::new(Memory { pause: Duration::from_millis(10), ..Memory::default() });
    let kek_id = fixture.add("data", 1, 1, false).await;
    let manager = fixture.manager(CacheBounds::default());
    let (stranger, owner) = tokio::join!(manager.by_id("other", kek_id), manager.by_id("data", kek_id));
    assert!(matches!(stranger, Err(Error::MissingKek { .. })));
    assert!(owner.is_ok());
}

#[tokio::test]
async fn a_wrapping_that_does_not_unwrap_replaces_nothing() {
    let fixture = Fixture::new(Memory::default());
    let kek_id = fixture.add("data", 1, 1, false).await;
    let before = fixture.store.get("data", kek_id).await.unwrap();
    let ring = LocalKeyring::rotate(&fixture.folder.path().join("keyring.json")).unwrap();
    let root = Counted { ring, calls: 0.into(), items: 0.into(), away: false.into(), spoils: true };
    let manager = KeyManager::new(Arc::new(root), fixture.store.clone(), CacheBounds::default());
    assert!(manager.rewrap("data").await.is_err());
    assert_eq!(fixture.store.get("data", kek_id).await.unwrap(), before);
}

#[tokio::test]
async fn callers_that_went_away_cost_the_provider_nothing() {
    let fixture = Fixture::new(Memory::default());
    for kek_id in 1..=50 {
        fixture.add("data", kek_id.into(), kek_id, false).await;
    }
    let manager = fixture.manager(CacheBounds::default());
    let ask = |kek_id: u8| {
        let manager = Arc::clone(&manager);
        tokio::spawn(async move { manager.by_id("data", Uuid::from_bytes([kek_id; 16])).await.map(|_| ()) })
    };
    let first = ask(1);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let rest: Vec<_> = (2..=50).map(ask).collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    rest.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(first.await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.root.items.load(Ordering::Relaxed), 1);
}
