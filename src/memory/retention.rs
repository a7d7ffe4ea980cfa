//! Retention: unused memories are archived, and archived ones erased after some
//! time. Protected memories stay.

use std::time::Duration;

use super::{Memories, clock_jump};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::meter::store as metrics;
use crate::store::memory::{Memory, MemoryId};
use crate::store::retention::{ArchiveReason, RunId, Terms};

pub(crate) use crate::store::retention::{Due, Run};

const DAY: i64 = 24 * 3600;

/// When a memory is archived or erased. It is used when it is created, changed,
/// restored or recalled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Days after which an unused memory below `idle_importance` is archived.
    pub idle_days: u64,
    pub idle_importance: f64,
    /// The same for memories of little importance.
    pub minor_days: u64,
    pub minor_importance: f64,
    /// Beyond so many active memories the least important are archived, of equal
    /// ones the longest unused; those used within `minor_days` after all others. Each
    /// project that a key names is counted for itself, all others together.
    pub active_max: u64,
    /// Days for which an archived memory can be restored.
    pub restore_days: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            idle_days: 30,
            idle_importance: 0.7,
            minor_days: 7,
            minor_importance: 0.3,
            active_max: 100_000,
            restore_days: 90,
        }
    }
}

impl Rules {
    /// The rules as moments, at the moment `now`.
    pub(crate) fn at(&self, now: Timestamp) -> Terms {
        let before = |days: u64| {
            let days = i64::try_from(days).unwrap_or(i64::MAX);
            now.plus_seconds(days.saturating_mul(-DAY))
        };
        Terms {
            idle: [
                (before(self.idle_days), self.idle_importance),
                (before(self.minor_days), self.minor_importance),
            ],
            active_max: self.active_max,
            fresh: before(self.minor_days),
            expired: before(self.restore_days),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// Memories archived because they were not used for long.
    pub idle: usize,
    /// Memories archived because too many were active.
    pub beyond: usize,
    pub purged: usize,
    /// Memories that were due to be erased and stay, because the clock jumped.
    pub held: usize,
    /// Until when they do.
    pub held_until: Option<Timestamp>,
    /// Whether more are due: a run is bounded.
    pub(crate) more: bool,
}

impl Memories {
    /// The memories that a cleanup would archive or erase now.
    pub async fn due(&self) -> Result<Due, Failure> {
        self.due_at(self.clock.now()).await
    }

    /// How many active memories there are beyond the maximum.
    pub async fn excess(&self) -> Result<u64, Failure> {
        Ok(self
            .store
            .excess(self.settings.retention.active_max)
            .await?)
    }

    /// The memories with these ids, in their order, without counting a recall.
    pub(crate) async fn peek(&self, ids: Vec<MemoryId>) -> Result<Vec<Memory>, Failure> {
        Ok(self.store.fetch(&Reach::Everything, ids).await?)
    }

    /// Cleans up now, regardless of earlier runs. `report` gets how many of the due
    /// memories are done and their total.
    pub async fn cleanup(&self, report: impl Fn(usize, usize)) -> Result<CleanupReport, Failure> {
        let at = self.clock.now();
        let held_until = self.held_until(at).await?;
        match self.store.begin_run(at, None).await? {
            Some(run) => self.run(run, at, held_until, report).await,
            None => Ok(CleanupReport::default()),
        }
    }

    /// Cleans up, unless some Mimo did within the last hour.
    pub async fn cleanup_hourly(&self) -> Result<Option<CleanupReport>, Failure> {
        let at = self.clock.now();
        let hour_ago = at.plus_seconds(-limits::RETENTION_SECONDS_MIN);
        // Read first, without writing: mostly another Mimo has done it.
        let is_recent = |run: Run| run.started_at > hour_ago && run.started_at <= at;
        if self.store.last_run().await?.is_some_and(is_recent) {
            return Ok(None);
        }
        let held_until = self.held_until(at).await?;
        match self.store.begin_run(at, Some(hour_ago)).await? {
            Some(run) => Ok(Some(self.run(run, at, held_until, |_, _| ()).await?)),
            None => Ok(None),
        }
    }

    /// Cleans up hourly for as long as it is polled, first some time after the
    /// start. It makes no store where `exists` says that there is none.
    pub async fn keep_clean(&self, exists: impl Fn() -> bool) {
        let mut logged = String::new();
        loop {
            tokio::time::sleep(Duration::from_secs(limits::RETENTION_POLL_SECONDS)).await;
            if exists()
                && let Err(failure) = self.cleanup_hourly().await
                && logged != failure.message
            {
                tracing::warn!("memories were not cleaned up: {failure}");
                logged = failure.message;
            }
        }
    }

    pub async fn last_cleanup(&self) -> Result<Option<Run>, Failure> {
        Ok(self.store.last_run().await?)
    }

    /// Until when a cleanup erases nothing, because the clock jumped.
    pub(crate) async fn erasing_held_until(&self) -> Result<Option<Timestamp>, Failure> {
        self.held_until(self.clock.now()).await
    }

    async fn held_until(&self, at: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let evidence = self.store.clock_evidence(at).await?;
        let days = self.settings.retention.restore_days;
        Ok(clock_jump::held_until(at, &evidence, days))
    }

    async fn due_at(&self, at: Timestamp) -> Result<Due, Failure> {
        let terms = self.settings.retention.at(at);
        let due = self.store.due(terms, limits::RETENTION_RUN_MEMORIES_MAX);
        Ok(due.await?)
    }

    async fn run(
        &self,
        run: RunId,
        at: Timestamp,
        held_until: Option<Timestamp>,
        report: impl Fn(usize, usize),
    ) -> Result<CleanupReport, Failure> {
        let mut due = self.due_at(at).await?;
        let mut held = 0;
        if let Some(until) = held_until {
            held = std::mem::take(&mut due.expired).len();
            tracing::warn!(
                held,
                until = until.to_iso(),
                "nothing is erased: the clock jumped, or no cleanup ran for long"
            );
        }
        let total = due.idle.len() + due.beyond.len() + due.expired.len();
        let mut cleaned = CleanupReport {
            held,
            held_until: held_until.filter(|_| held > 0),
            more: due.more,
            ..CleanupReport::default()
        };
        let mut done = 0;
        for (why, ids) in [
            (ArchiveReason::Idle, &due.idle),
            (ArchiveReason::Beyond, &due.beyond),
        ] {
            for batch in ids.chunks(limits::RETENTION_ARCHIVED_AT_ONCE_MAX) {
                let archived = self.store.archive(run, why, batch.to_vec(), at).await?;
                let label = match why {
                    ArchiveReason::Idle => {
                        cleaned.idle += archived;
                        metrics::ArchiveReason::Idle
                    }
                    ArchiveReason::Beyond => {
                        cleaned.beyond += archived;
                        metrics::ArchiveReason::Beyond
                    }
                };
                metrics::RETENTION_ARCHIVED.add(label, archived as u64);
                done += batch.len();
                report(done, total);
                let_others_write().await;
            }
        }
        let expired = self.settings.retention.at(at).expired;
        for batch in due.expired.chunks(limits::RETENTION_PURGED_AT_ONCE_MAX) {
            let purged = self.store.purge(run, batch.to_vec(), expired).await?;
            metrics::RETENTION_ERASED.add((), purged as u64);
            cleaned.purged += purged;
            done += batch.len();
            report(done, total);
            let_others_write().await;
        }
        self.store.end_run(run, self.clock.now()).await?;
        metrics::RETENTION_RUNS.increment(());
        tracing::info!(
            idle = cleaned.idle,
            beyond = cleaned.beyond,
            purged = cleaned.purged,
            more = cleaned.more,
            "memories were cleaned up"
        );
        Ok(cleaned)
    }
}

/// Another process that waits for the write lock polls it only now and then.
async fn let_others_write() {
    tokio::time::sleep(Duration::from_millis(limits::RETENTION_PAUSE_MILLIS)).await;
}
