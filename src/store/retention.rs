//! The retention part of the port: which memories are due by given terms, and
//! what is done with them. What the terms are is `memory`'s to say.

use super::Stored;
use super::memory::MemoryId;
use crate::clock::Timestamp;

/// What makes a memory due, as moments. A memory was last used when it was
/// created, changed or recalled, whichever came last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// An active one is idle if it was last used at or before one of these
    /// moments and is less important than what stands beside it.
    pub idle: [(Timestamp, f64); 2],
    /// So many may be active.
    pub active_max: u64,
    /// Of those beyond that number, the ones used after this moment go last.
    pub fresh: Timestamp,
    /// One that was archived at or before this moment is erased.
    pub expired: Timestamp,
}

/// What is due at one moment of the store; no protected memory is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Active ones that were not used for long, by id.
    pub idle: Vec<MemoryId>,
    /// Of the other active ones, those beyond the number that may be: the least
    /// important first, of equal ones the one longest unused.
    pub beyond: Vec<MemoryId>,
    /// Archived ones whose time to be restored is over, oldest first.
    pub expired: Vec<MemoryId>,
    /// Whether more is due than was asked for.
    pub more: bool,
}

/// Names a run.
pub type RunId = i64;

/// Why a memory is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was not used for long.
    Idle,
    /// There are more than may be active.
    Beyond,
}

/// A run, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number: the first one's is 1.
    pub id: RunId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it goes on, and where it was cut off.
    pub finished_at: Option<Timestamp>,
    /// Memories archived because they were idle.
    pub idle: u64,
    /// Memories archived because there were too many.
    pub beyond: u64,
    /// Memories erased.
    pub purged: u64,
}

/// A store that forgets. Every method is one transaction.
pub trait RetentionStore: Send + Sync {
    /// What is due by `terms`, at most `limit` of each kind.
    fn due(&self, terms: Terms, limit: usize) -> Stored<'_, Due>;

    /// Enters a run that begins now; `None` where another began after
    /// `unless_after`.
    fn begin_run(
        &self,
        at: Timestamp,
        unless_after: Option<Timestamp>,
    ) -> Stored<'_, Option<RunId>>;

    /// Archives those of `ids` that are active, not protected, and were not
    /// used after `at`; how many.
    fn archive(&self, run: RunId, why: Why, ids: Vec<MemoryId>, at: Timestamp)
    -> Stored<'_, usize>;

    /// Erases for good those of `ids` that are archived since `expired` or
    /// longer, and not protected; how many.
    fn purge(&self, run: RunId, ids: Vec<MemoryId>, expired: Timestamp) -> Stored<'_, usize>;

    /// Notes that a run has come to its end.
    fn end_run(&self, run: RunId, at: Timestamp) -> Stored<'_, ()>;

    /// The latest run.
    fn last_run(&self) -> Stored<'_, Option<Run>>;
}
