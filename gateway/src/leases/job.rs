//! The lease of a job that one process at a time may do: kept in the sidecar, renewed while the job runs, given back at its end, and lapsed soon after its holder
//! was killed. Whoever waits for it asks again and again; in one process they wait for each other in memory, so that one of them asks.
//!
//! A holder that was stopped for long may wake up when another has the lease. It is told within [`Times::renewed`], but may do harm until then, so a job must not rely on
//! the lease alone: what it does last must fail where another has done the same ([`JobLease::check`] comes before that, to spare the attempt).

use std::sync::Arc;
use std::time::Duration;

use keys::Oid;
use s3s::S3ErrorCode;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Lease, Leases};
use crate::s3::Error;
use crate::sidecar::{Claim, Sidecar};
use crate::vault::now_ms;

/// When what is done.
#[derive(Clone, Copy)]
struct Times {
    /// Longest that a lease is held by nobody alive.
    lasts: Duration,
    /// How often it is renewed.
    renewed: Duration,
    /// How often one that another has is asked for.
    asked: Duration,
}

const TIMES: Times =
    Times { lasts: Duration::from_secs(30), renewed: Duration::from_secs(5), asked: Duration::from_millis(500) };

/// A lease that is held, until this is dropped or it is lost.
pub struct JobLease {
    held: Held,
    lost: CancellationToken,
    _over: DropGuard,
}

/// Which lease, and by whom it is held.
#[derive(Clone)]
struct Held {
    sidecar: Arc<dyn Sidecar>,
    name: String,
    holder: [u8; 16],
    times: Times,
}

impl Leases {
    /// Waits until nobody else completes this upload, which may take as long as a Complete may.
    pub async fn complete(
        self: &Arc<Self>,
        sidecar: &Arc<dyn Sidecar>,
        upload: Oid,
        patience: Duration,
    ) -> Result<Arc<JobLease>, Error> {
        self.job(sidecar, format!("complete/{upload}"), patience, TIMES).await
    }

    async fn job(
        self: &Arc<Self>,
        sidecar: &Arc<dyn Sidecar>,
        name: String,
        patience: Duration,
        times: Times,
    ) -> Result<Arc<JobLease>, Error> {
        let until = Instant::now() + patience;
        // No bucket has this name.
        let here = self.take_within(patience, (String::new(), name.clone())).await?;
        let held = Held { sidecar: sidecar.clone(), name, holder: Oid::random()?.0, times };
        let lapses = loop {
            let lapses = Instant::now() + times.lasts;
            if sidecar.take_lease(held.claim(), now_ms()).await? {
                break lapses;
            }
            if Instant::now() >= until {
                return Err(Error::client(
                    S3ErrorCode::SlowDown,
                    "Another gateway is still at work on this; try again",
                ));
            }
            sleep(times.asked).await;
        };
        let (over, lost) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(held.clone().keep(here, lapses, over.clone(), lost.clone()));
        Ok(Arc::new(JobLease { held, lost, _over: over.drop_guard() }))
    }
}

impl JobLease {
    /// Works as long as the lease is held.
    pub async fn during<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(taken_over()),
            done = work => done,
        }
    }

    /// Fails where another has it now.
    pub async fn check(&self) -> Result<(), Error> {
        let Held { sidecar, .. } = &self.held;
        if !self.lost.is_cancelled() && sidecar.renew_lease(self.held.claim()).await? {
            return Ok(());
        }
        Err(taken_over())
    }
}

/// Another did what this one was about to.
pub fn taken_over() -> Error {
    Error::client(S3ErrorCode::SlowDown, "Another gateway has taken this over; ask again for its answer")
}

impl Held {
    fn claim(&self) -> Claim {
        let lasts = i64::try_from(self.times.lasts.as_millis()).unwrap_or(i64::MAX);
        Claim { name: self.name.clone(), holder: self.holder, until_ms: now_ms().saturating_add(lasts) }
    }

    /// Renews it until the job is over. `lapses`: when others may take it. `here`: the same within this process.
    async fn keep(self, here: Lease, mut lapses: Instant, over: CancellationToken, lost: CancellationToken) {
        loop {
            tokio::select! {
                () = over.cancelled() => break,
                () = sleep(self.times.renewed) => {}
            }
            let next = Instant::now() + self.times.lasts;
            match timeout_at(lapses, self.sidecar.renew_lease(self.claim())).await {
                Ok(Ok(true)) => lapses = next,
                Ok(Err(e)) if Instant::now() < lapses => {
                    tracing::warn!(error = %e, "a lease could not be renewed; it is tried again");
                }
                Ok(Ok(false) | Err(_)) | Err(_) => {
                    tracing::warn!(name = self.name, "a lease was lost; its job ends");
                    lost.cancel();
                    break;
                }
            }
        }
        if let Err(e) = self.sidecar.release_lease(self.claim()).await {
            tracing::warn!(error = %e, "a lease could not be given back; it lapses");
        }
        drop(here);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::sidecar::sqlite::{SqliteOptions, SqliteSidecar};

    const SOON: Times =
        Times { lasts: Duration::from_mins(1), renewed: Duration::from_millis(5), asked: Duration::from_millis(5) };
    const LONG: Duration = Duration::from_mins(1);

    async fn sidecar() -> (Arc<dyn Sidecar>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let sidecar = SqliteSidecar::open(SqliteOptions::new(folder.path().join("sidecar.db"))).await.unwrap();
        (Arc::new(sidecar), folder)
    }

    /// Two processes over one sidecar.
    fn processes() -> [Arc<Leases>; 2] {
        [Arc::default(), Arc::default()]
    }

    #[tokio::test]
    async fn another_process_waits_for_the_end_of_the_job() {
        let ((sidecar, _folder), [one, two]) = (sidecar().await, processes());
        let first = one.job(&sidecar, "a".into(), LONG, SOON).await.unwrap();
        drop(two.job(&sidecar, "b".into(), LONG, SOON).await.unwrap());
        let refused = two.job(&sidecar, "a".into(), Duration::ZERO, SOON).await;
        assert_eq!(refused.err().map(|e| e.s3().0.into_owned()).as_deref(), Some("SlowDown"));
        let ended = Arc::new(AtomicBool::new(false));
        let waits = {
            let (sidecar, ended) = (sidecar.clone(), ended.clone());
            tokio::spawn(async move {
                let second = two.job(&sidecar, "a".into(), LONG, SOON).await.unwrap();
                assert!(ended.load(Ordering::SeqCst));
                second.check().await
            })
        };
        // Renewed meanwhile, several times over.
        sleep(10 * SOON.renewed).await;
        first.during(async { Ok(()) }).await.unwrap();
        ended.store(true, Ordering::SeqCst);
        drop(first);
        waits.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_lease_that_another_took_ends_the_job() {
        let ((sidecar, _folder), [one, two]) = (sidecar().await, processes());
        let first = one.job(&sidecar, "a".into(), LONG, SOON).await.unwrap();
        let claim = Claim { name: "a".into(), holder: [7; 16], until_ms: i64::MAX };
        // As if the first had slept.
        assert!(sidecar.take_lease(claim.clone(), i64::MAX).await.unwrap());
        let ended = first.during(std::future::pending::<Result<(), Error>>()).await;
        assert_eq!(ended.unwrap_err().s3().0, "SlowDown");
        assert!(first.check().await.is_err());
        drop(first);
        assert!(two.job(&sidecar, "a".into(), Duration::ZERO, SOON).await.is_err(), "it gives back only its own");
        assert!(sidecar.renew_lease(claim).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_killed_process_held_lapses() {
        let ((sidecar, _folder), [one, _]) = (sidecar().await, processes());
        let claim = Claim { name: "a".into(), holder: [7; 16], until_ms: now_ms() + 20 };
        assert!(sidecar.take_lease(claim, now_ms()).await.unwrap());
        one.job(&sidecar, "a".into(), LONG, SOON).await.unwrap().check().await.unwrap();
    }

    #[tokio::test]
    async fn jobs_of_one_process_wait_for_each_other() {
        let ((sidecar, _folder), [one, _]) = (sidecar().await, processes());
        for _ in 0..3 {
            drop(one.job(&sidecar, "a".into(), LONG, SOON).await.unwrap());
        }
        let all = futures_util::future::join_all((0..20).map(|_| async {
            let lease = one.job(&sidecar, "a".into(), LONG, SOON).await.unwrap();
            lease.check().await.unwrap();
        }));
        all.await;
    }
}
