//! Leases on keys, for conditional writes on a backend that has none: whoever weighs a condition holds the key until the backend has
//! answered the write, and so does every other writer of it. Those of [jobs](job) are in the sidecar.
//!
//! The sidecar is SQLite and belongs to one process, so leases on keys live in the memory of that process and end with it. As many are
//! held or waited for as there are requests, which `server.max_connections` bounds.

pub mod job;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use s3s::S3ErrorCode;
use tokio::sync::OwnedMutexGuard;

use crate::s3::Error;

/// Longest wait for a lease. It is held for one request to the backend, never while a client sends.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_mins(1) };

/// Bucket and key.
type Name = (String, String);

/// The leases of a process.
#[derive(Default)]
pub struct Leases {
    locks: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>,
}

/// One key, held until this is dropped.
pub struct Lease {
    leases: Arc<Leases>,
    name: Name,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Leases {
    /// Waits for a key. Error: `SlowDown` after a minute.
    pub async fn take(self: &Arc<Self>, bucket: &str, key: &str) -> Result<Lease, Error> {
        self.take_within(PATIENCE, (bucket.to_owned(), key.to_owned())).await
    }

    /// Waits until nobody else changes this note in the system bucket.
    pub async fn note(self: &Arc<Self>, key: &str) -> Result<Lease, Error> {
        self.take_within(Duration::from_mins(1), (String::new(), key.to_owned())).await
    }

    async fn take_within(self: &Arc<Self>, patience: Duration, name: Name) -> Result<Lease, Error> {
        let lock = Arc::clone(self.locks().entry(name.clone()).or_default());
        match tokio::time::timeout(patience, lock.lock_owned()).await {
            Ok(guard) => Ok(Lease { leases: Arc::clone(self), name, guard: Some(guard) }),
            Err(_) => {
                Err(Error::client(S3ErrorCode::SlowDown, "Too many writes of this key wait for each other; try again"))
            }
        }
    }

    /// Waits for several keys of a bucket, in an order that all keep to.
    pub async fn take_all(self: &Arc<Self>, bucket: &str, mut keys: Vec<&str>) -> Result<Vec<Lease>, Error> {
        keys.sort_unstable();
        keys.dedup();
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            taken.push(self.take(bucket, key).await?);
        }
        Ok(taken)
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<Name, Arc<tokio::sync::Mutex<()>>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.leases.locks();
        // The map's own count is the last: nobody waits.
        if locks.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_left() {
        let (leases, inside) = (Arc::new(Leases::default()), Arc::new(AtomicUsize::new(0)));
        let one = |key: &'static str| {
            let (leases, inside) = (leases.clone(), inside.clone());
            async move {
                let lease = leases.take("b", key).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lease);
            }
        };
        futures_util::future::join_all((0..100).map(|_| one("k"))).await;
        assert!(leases.locks().is_empty());
    }

    #[tokio::test]
    async fn keys_do_not_wait_for_each_other_and_a_wait_ends() {
        let leases = Arc::new(Leases::default());
        let held = leases.take_all("b", vec!["y", "x", "x"]).await.unwrap();
        drop(leases.take("b", "z").await.unwrap());
        drop(leases.take("other", "x").await.unwrap());
        assert_eq!(leases.take("b", "x").await.err().map(|e| e.s3().0.into_owned()).as_deref(), Some("SlowDown"));
        drop(held);
        assert!(leases.locks().is_empty());
        leases.take("b", "x").await.unwrap();
    }
}
