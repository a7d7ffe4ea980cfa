//! The retention part of the port: which memories are due by given terms, and
//! archiving and erasing them. `memory` sets the terms.

use super::Stored;
use super::memory::MemoryId;
use crate::clock::Timestamp;

/// When a memory is due, as moments. It was last used when it was created,
/// changed or recalled, whichever came last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// An active memory is idle if it was last used at or before one of these
    /// moments and is less important than the number beside it.
    pub idle: [(Timestamp, f64); 2],
    /// Of each project that a key names, and of all others together: a busy project does not
    /// push out the memories of a key. A key that is no longer usable counts until it is
    /// forgotten.
    pub active_max: u64,
    /// Of the memories beyond that number, those used after this moment go last.
    pub fresh: Timestamp,
    /// A memory that was archived at or before this moment is erased.
    pub expired: Timestamp,
}

/// The memories that are due at one moment; no protected memory is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Active and due to be archived, by id.
    pub idle: Vec<MemoryId>,
    /// Active beyond `active_max`: the least important first, of equal ones the
    /// longest unused.
    pub beyond: Vec<MemoryId>,
    /// Archived for so long that they can no longer be restored, oldest first.
    pub expired: Vec<MemoryId>,
    /// Whether more are due than the limit lets through.
    pub more: bool,
}

/// Keeps at most `limit` of `ids`; returns whether there were more.
pub(super) fn truncate(ids: &mut Vec<MemoryId>, limit: usize) -> bool {
    let more = ids.len() > limit;
    ids.truncate(limit);
    more
}

pub(crate) type RunId = i64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveReason {
    Idle,
    /// More are active than may be.
    Beyond,
}

/// The record of a cleanup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first run is 1.
    pub id: RunId,
    pub started_at: Timestamp,
    /// `None` while it goes on, and where it was cut off.
    pub finished_at: Option<Timestamp>,
    /// Memories archived because they were idle.
    pub idle: u64,
    /// Memories archived because too many were active.
    pub(crate) beyond: u64,
    pub purged: u64,
}

/// The evidence of a clock jump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockEvidence {
    /// When the cleanups of the history began, the latest first; without those that
    /// are to come by the clock.
    pub runs: Vec<Timestamp>,
    /// The newest change of a memory before the first cleanup ever; `None` if the
    /// history does not reach back to it.
    pub written_before: Option<Timestamp>,
}

/// Every method is one transaction.
pub trait RetentionStore: Send + Sync {
    /// The memories due by `terms`, at most `limit` of each kind.
    fn due(&self, terms: Terms, limit: usize) -> Stored<'_, Due>;

    /// How many active memories there are beyond `active_max` as [`Terms`] counts them,
    /// idle ones among them.
    fn excess(&self, active_max: u64) -> Stored<'_, u64>;

    /// Records a run that begins now; `None` where another began after
    /// `unless_after`.
    fn begin_run(
        &self,
        at: Timestamp,
        unless_after: Option<Timestamp>,
    ) -> Stored<'_, Option<RunId>>;

    /// Archives those of `ids` that are active, not protected, and were not
    /// used after `at`; how many.
    fn archive(
        &self,
        run: RunId,
        why: ArchiveReason,
        ids: Vec<MemoryId>,
        at: Timestamp,
    ) -> Stored<'_, usize>;

    /// Permanently erases those of `ids` that are archived since `expired` or
    /// longer, and not protected; how many.
    fn purge(&self, run: RunId, ids: Vec<MemoryId>, expired: Timestamp) -> Stored<'_, usize>;

    fn end_run(&self, run: RunId, at: Timestamp) -> Stored<'_, ()>;

    /// As it is before a cleanup at `at`.
    fn clock_evidence(&self, at: Timestamp) -> Stored<'_, ClockEvidence>;

    fn last_run(&self) -> Stored<'_, Option<Run>>;
}
