//! The one writer: it takes every write that waits and commits them together, so that concurrent callers share one fsync.
//! Records that nobody waits for are kept back while there is nothing but intents to write, since those need the fsync at once
//! and touch one page; any other write, and whoever reads, brings them along, in the order they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::change::{Change, Rare};
use super::group::{Counters, Group};
use crate::sidecar::{COMPLETION_AGE, SidecarError};

/// How long an attempt whose upload is not known is kept. Longer than any client keeps an upload open.
const ORPHAN_AGE: Duration = Duration::from_hours(30 * 24);
const FIRST_SWEEP: Duration = Duration::from_mins(5);
const SWEEP_EVERY: Duration = Duration::from_hours(1);

type Outcome = Result<i64, SidecarError>;

/// A write and who waits for it, if anyone does.
pub(super) type Write = (Change, Option<oneshot::Sender<Outcome>>);

pub(super) struct Writer {
    /// [Prepared](super::group::prepare).
    pub(super) db: SqliteConnection,
    pub(super) counters: Counters,
    pub(super) queue: mpsc::Receiver<Write>,
    /// Most writes in one transaction.
    pub(super) max_batch: usize,
    /// How long a commit waits for company that soon after another.
    pub(super) gather: Duration,
    /// How long a record that nobody waits for is kept back.
    pub(super) linger: Duration,
    /// Transactions committed since start.
    pub(super) commits: Arc<AtomicU64>,
    /// Records sent with nobody to wait for them, until they are committed or have failed.
    pub(super) kept_back: Arc<AtomicUsize>,
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
        let mut kept_back: Vec<Write> = Vec::new();
        let mut write_by = None;
        let mut last_commit = Instant::now() - self.gather;
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                _ = sweep.tick() => self.sweep().await,
                taken = self.queue.recv_many(&mut batch, self.max_batch) => {
                    if taken == 0 {
                        break;
                    }
                    // Whoever is ready to write joins before the disk is made to wait for them; where the disk has just been
                    // busy with others, there are more on their way.
                    if last_commit.elapsed() < self.gather {
                        tokio::time::sleep(self.gather).await;
                    } else {
                        tokio::task::yield_now().await;
                    }
                    while batch.len() < self.max_batch && let Ok(write) = self.queue.try_recv() {
                        batch.push(write);
                    }
                    if batch.iter().all(|write| matches!(write, (Change::Begin(_), _) | (_, None))) {
                        kept_back.extend(batch.extract_if(.., |(_, caller)| caller.is_none()));
                    } else {
                        self.write(&mut kept_back).await;
                    }
                    self.write(&mut batch).await;
                    last_commit = Instant::now();
                }
                () = sleep_until(write_by) => self.write(&mut kept_back).await,
            }
            // Under load the queue is never empty, and the sleep above never looked at.
            if kept_back.len() >= self.max_batch || write_by.is_some_and(|when| when <= Instant::now()) {
                self.write(&mut kept_back).await;
            }
            write_by =
                if kept_back.is_empty() { None } else { write_by.or_else(|| Some(Instant::now() + self.linger)) };
        }
        self.write(&mut kept_back).await;
        if let Err(e) = self.db.close().await {
            tracing::warn!(error = %e, "the sidecar database did not close cleanly; it is recovered at the next start");
        }
    }

    /// Commits writes, and answers those who wait.
    async fn write(&mut self, writes: &mut Vec<Write>) {
        if writes.is_empty() {
            return;
        }
        let (changes, callers): (Vec<_>, Vec<_>) = writes.drain(..).unzip();
        let outcomes = self.commit(&changes).await;
        let nobody_waited = callers.iter().filter(|caller| caller.is_none()).count();
        answer(callers, outcomes);
        self.kept_back.fetch_sub(nobody_waited, Ordering::Release);
    }

    async fn sweep(&mut self) {
        let before = |age: Duration| {
            let since = (SystemTime::now() - age).duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(0, |d| d.as_millis() as i64)
        };
        let sweep = Rare::Sweep { before_ms: before(ORPHAN_AGE), answers_before_ms: before(COMPLETION_AGE) };
        if let Err(e) = self.commit(&[Change::Rare(sweep)]).await {
            tracing::warn!(error = %e, "orphaned part attempts, old answers and leases could not be removed from the sidecar");
        }
    }

    /// One transaction over all changes. `Err`: none of them happened. `Ok`: one outcome each, those that are `Ok` durable.
    async fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, Arc<sqlx::Error>> {
        let mut done = self.commit_all(changes).await;
        if done.is_err() {
            // One write is bad. That is rare, so only now is every write given a savepoint of its own.
            self.rollback().await;
            done = self.commit_each(changes).await;
        }
        if done.is_err() {
            self.rollback().await;
        } else {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        done.map_err(Arc::new)
    }

    /// Where one group holds them all, its statement is the transaction.
    async fn commit_all(&mut self, mut changes: &[Change]) -> Result<Vec<Outcome>, sqlx::Error> {
        let group = Group::take(&mut changes, &mut self.counters);
        let alone = changes.is_empty();
        if !alone {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut self.db).await?;
        }
        let mut answers = group.write(&mut self.db).await?;
        if !alone {
            answers.extend(self.apply(changes).await?);
            sqlx::query("COMMIT").execute(&mut self.db).await?;
        }
        Ok(answers.into_iter().map(Ok).collect())
    }

    /// As [`Self::commit_all`], but a write that fails leaves the others be. `Err` where `SQLite` ended the whole transaction, as
    /// it does on a full disk or an I/O error.
    async fn commit_each(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, sqlx::Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.db).await?;
        // Should another process have used the ids, all of them failed.
        self.counters.intent = Counters::of(&mut self.db).await?.intent.max(self.counters.intent);
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            sqlx::query("SAVEPOINT one").execute(&mut self.db).await?;
            let answer = self.apply(std::slice::from_ref(change)).await;
            if answer.is_err() {
                sqlx::query("ROLLBACK TO one").execute(&mut self.db).await?;
            }
            sqlx::query("RELEASE one").execute(&mut self.db).await?;
            outcomes.push(answer.map(|answer| answer.into_iter().sum()).map_err(SidecarError::from));
        }
        sqlx::query("COMMIT").execute(&mut self.db).await?;
        Ok(outcomes)
    }

    /// Writes changes in their order inside the open transaction.
    async fn apply(&mut self, mut changes: &[Change]) -> Result<Vec<i64>, sqlx::Error> {
        let mut answers = Vec::with_capacity(changes.len());
        while let Some((first, rest)) = changes.split_first() {
            if let Change::Rare(rare) = first {
                answers.push(rare.apply(&mut self.db).await?);
                changes = rest;
            } else {
                let group = Group::take(&mut changes, &mut self.counters);
                answers.extend(group.write(&mut self.db).await?);
            }
        }
        Ok(answers)
    }

    async fn rollback(&mut self) {
        if let Err(e) = sqlx::query("ROLLBACK").execute(&mut self.db).await {
            // Where BEGIN failed or SQLite rolled back by itself there is no transaction left to end.
            tracing::debug!(error = %e, "no sidecar transaction to roll back");
        }
    }
}

/// Never, where there is nothing to wake up for.
async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// A caller that has gone away hears nothing; its write stands.
fn answer(callers: Vec<Option<oneshot::Sender<Outcome>>>, outcomes: Result<Vec<Outcome>, Arc<sqlx::Error>>) {
    let outcomes: Vec<Outcome> = match outcomes {
        Ok(outcomes) => outcomes,
        Err(e) => callers.iter().map(|_| Err(SidecarError::Database(Arc::clone(&e)))).collect(),
    };
    for (caller, outcome) in callers.into_iter().zip(outcomes) {
        match (caller, outcome) {
            (Some(caller), outcome) => {
                let _ = caller.send(outcome);
            }
            (None, Err(e)) => tracing::error!(error = %e, "a write could not be recorded; its intent will be settled"),
            (None, Ok(_)) => {}
        }
    }
}
