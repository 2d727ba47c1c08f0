//! The one writer: it takes every write that waits and commits them together, so that concurrent callers share one fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::change::Change;
use crate::sidecar::SidecarError;

/// How long an attempt whose upload is not known is kept. Longer than any client keeps an upload open.
const ORPHAN_AGE: Duration = Duration::from_hours(30 * 24);
const FIRST_SWEEP: Duration = Duration::from_mins(5);
const SWEEP_EVERY: Duration = Duration::from_hours(1);

type Outcome = Result<i64, SidecarError>;

/// A write and who waits for it.
pub(super) type Write = (Change, oneshot::Sender<Outcome>);

pub(super) struct Writer {
    pub(super) db: SqliteConnection,
    pub(super) queue: mpsc::Receiver<Write>,
    /// Most writes in one transaction.
    pub(super) max_batch: usize,
    /// Transactions committed since start.
    pub(super) commits: Arc<AtomicU64>,
    /// Cancelled to end the writer once it has committed what is queued.
    pub(super) closing: CancellationToken,
    /// Cancelled when the writer has ended.
    pub(super) closed: CancellationToken,
}

impl Writer {
    /// Ends when the queue is closed, or every sender is gone, and all that was queued is committed and answered.
    pub(super) async fn run(mut self) {
        let _closed = self.closed.clone().drop_guard();
        let mut sweep = tokio::time::interval_at(Instant::now() + FIRST_SWEEP, SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch: Vec<Write> = Vec::with_capacity(self.max_batch);
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                _ = sweep.tick() => self.sweep().await,
                taken = self.queue.recv_many(&mut batch, self.max_batch) => {
                    if taken == 0 {
                        break;
                    }
                    let (changes, callers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
                    answer(callers, self.commit(&changes).await);
                }
            }
        }
        if let Err(e) = self.db.close().await {
            tracing::warn!(error = %e, "the sidecar database did not close cleanly; it is recovered at the next start");
        }
    }

    async fn sweep(&mut self) {
        let before = SystemTime::now() - ORPHAN_AGE;
        let before_ms = before.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        if let Err(e) = self.commit(&[Change::Sweep { before_ms }]).await {
            tracing::warn!(error = %e, "orphaned part attempts could not be removed from the sidecar");
        }
    }

    /// One transaction over all changes. `Err`: none of them happened. `Ok`: one outcome each, those that are `Ok` durable.
    async fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, Arc<sqlx::Error>> {
        let done = self.transact(changes).await;
        if done.is_err() {
            self.rollback().await;
        } else {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        done.map_err(Arc::new)
    }

    async fn transact(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, sqlx::Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.db).await?;
        let mut outcomes = self.apply(changes).await;
        if outcomes.is_err() && changes.len() > 1 {
            // One write is bad. That is rare, so only now is every write given a savepoint of its own.
            self.rollback().await;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut self.db).await?;
            outcomes = self.apply_each(changes).await;
        }
        let outcomes = outcomes?;
        sqlx::query("COMMIT").execute(&mut self.db).await?;
        Ok(outcomes)
    }

    async fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(Ok(change.apply(&mut self.db).await?));
        }
        Ok(outcomes)
    }

    /// As [`Self::apply`], but a write that fails leaves the others be. `Err` where `SQLite` ended the whole transaction, as it
    /// does on a full disk or an I/O error.
    async fn apply_each(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            sqlx::query("SAVEPOINT one").execute(&mut self.db).await?;
            let outcome = change.apply(&mut self.db).await;
            if outcome.is_err() {
                sqlx::query("ROLLBACK TO one").execute(&mut self.db).await?;
            }
            sqlx::query("RELEASE one").execute(&mut self.db).await?;
            outcomes.push(outcome.map_err(SidecarError::from));
        }
        Ok(outcomes)
    }

    async fn rollback(&mut self) {
        if let Err(e) = sqlx::query("ROLLBACK").execute(&mut self.db).await {
            // Where BEGIN failed or SQLite rolled back by itself there is no transaction left to end.
            tracing::debug!(error = %e, "no sidecar transaction to roll back");
        }
    }
}

/// A caller that has gone away hears nothing; its write stands.
fn answer(callers: Vec<oneshot::Sender<Outcome>>, outcomes: Result<Vec<Outcome>, Arc<sqlx::Error>>) {
    match outcomes {
        Ok(outcomes) => {
            for (caller, outcome) in callers.into_iter().zip(outcomes) {
                let _ = caller.send(outcome);
            }
        }
        Err(e) => {
            for caller in callers {
                let _ = caller.send(Err(SidecarError::Database(Arc::clone(&e))));
            }
        }
    }
}
