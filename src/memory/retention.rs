//! Retention: which memories leave search by themselves, and when what has left
//! it is erased. What is protected never goes.

use std::time::Duration;

use super::Memories;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::store::memory::{Memory, MemoryId};
use crate::store::retention::{RunId, Terms, Why};

pub use crate::store::retention::{Due, Run};

const DAY: i64 = 24 * 3600;

/// Who goes when. A memory is used when it is created, changed, restored or
/// recalled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Days after which an unused memory is archived..
    pub idle_days: u64,
    /// ..if it is less important than this.
    pub idle_importance: f64,
    /// The same for what is of little importance.
    pub minor_days: u64,
    /// See [`Rules::minor_days`].
    pub minor_importance: f64,
    /// Memories that may be active; beyond it the least important go, of equal
    /// ones the longest unused; those used within `minor_days` after all others.
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
    /// What they mean at the moment `now`.
    pub fn at(&self, now: Timestamp) -> Terms {
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

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Memories archived because they were not used for long.
    pub idle: usize,
    /// Memories archived because there were more than may be active.
    pub beyond: usize,
    /// Memories erased.
    pub purged: usize,
    /// Whether more is due: a run does a bounded part.
    pub more: bool,
}

impl Memories {
    /// What a cleanup would do now.
    pub async fn due(&self) -> Result<Due, Failure> {
        self.due_at(self.clock.now()).await
    }

    /// The memories with these ids, in their order, without counting a recall.
    pub async fn look_at(&self, ids: Vec<MemoryId>) -> Result<Vec<Memory>, Failure> {
        Ok(self.store.fetch(&Reach::Everything, ids).await?)
    }

    /// Cleans up now, whoever did so before. `report` is told how many of what
    /// is due are done, of how many.
    pub async fn cleanup(&self, report: impl Fn(usize, usize)) -> Result<Cleaned, Failure> {
        let at = self.clock.now();
        match self.store.begin_run(at, None).await? {
            Some(run) => self.run(run, at, report).await,
            None => Ok(Cleaned::default()),
        }
    }

    /// Cleans up, unless some Mimo did within the last hour.
    pub async fn cleanup_hourly(&self) -> Result<Option<Cleaned>, Failure> {
        let at = self.clock.now();
        let hour_ago = at.plus_seconds(-limits::RETENTION_SECONDS_MIN);
        // Looked at first without writing, because mostly another has.
        let is_recent = |run: Run| run.started_at > hour_ago && run.started_at <= at;
        if self.store.last_run().await?.is_some_and(is_recent) {
            return Ok(None);
        }
        match self.store.begin_run(at, Some(hour_ago)).await? {
            Some(run) => Ok(Some(self.run(run, at, |_, _| ()).await?)),
            None => Ok(None),
        }
    }

    /// Cleans up hourly for as long as it is polled, first some time after the
    /// start. Where `exists` says that there is no database, none is made.
    pub async fn keep_clean(&self, exists: impl Fn() -> bool) {
        let mut told = String::new();
        loop {
            tokio::time::sleep(Duration::from_secs(limits::RETENTION_LOOK_SECONDS)).await;
            if exists()
                && let Err(failure) = self.cleanup_hourly().await
                && told != failure.message
            {
                tracing::warn!("memories were not cleaned up: {failure}");
                told = failure.message;
            }
        }
    }

    /// The latest cleanup.
    pub async fn last_cleanup(&self) -> Result<Option<Run>, Failure> {
        Ok(self.store.last_run().await?)
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
        report: impl Fn(usize, usize),
    ) -> Result<Cleaned, Failure> {
        let due = self.due_at(at).await?;
        let total = due.idle.len() + due.beyond.len() + due.expired.len();
        let mut cleaned = Cleaned {
            more: due.more,
            ..Cleaned::default()
        };
        let mut done = 0;
        for (why, ids) in [(Why::Idle, &due.idle), (Why::Beyond, &due.beyond)] {
            for batch in ids.chunks(limits::RETENTION_ARCHIVED_AT_ONCE_MAX) {
                let archived = self.store.archive(run, why, batch.to_vec(), at).await?;
                match why {
                    Why::Idle => cleaned.idle += archived,
                    Why::Beyond => cleaned.beyond += archived,
                }
                done += batch.len();
                report(done, total);
                let_others_write().await;
            }
        }
        let expired = self.settings.retention.at(at).expired;
        for batch in due.expired.chunks(limits::RETENTION_PURGED_AT_ONCE_MAX) {
            cleaned.purged += self.store.purge(run, batch.to_vec(), expired).await?;
            done += batch.len();
            report(done, total);
            let_others_write().await;
        }
        self.store.end_run(run, self.clock.now()).await?;
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

/// Another process that waits to write looks again only now and then.
async fn let_others_write() {
    tokio::time::sleep(Duration::from_millis(limits::RETENTION_PAUSE_MILLIS)).await;
}
