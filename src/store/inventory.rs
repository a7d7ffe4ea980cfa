//! The part of the port that counts.

use super::Stored;
use super::memory::{Category, MemoryId};
use crate::caller::Reach;
use crate::clock::Timestamp;

/// The memories of one project and category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) project: String,
    pub(crate) category: Category,
    pub(crate) active: u64,
    pub(crate) superseded: u64,
    pub(crate) archived: u64,
    /// In any state.
    pub(crate) protected: u64,
    pub(crate) content_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    pub(crate) model: String,
    pub(crate) dimensions: u64,
    /// Number of memories with a vector.
    pub(crate) memories: u64,
    /// A long text has several.
    pub(crate) vectors: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// By project, then category, in byte order.
    pub(crate) groups: Vec<Group>,
    /// By model, the first used first.
    pub(crate) vectors: Vec<Vectors>,
    /// On disk, the write-ahead log included.
    pub(crate) file_bytes: u64,
}

/// Equal spans of time, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    pub since: Timestamp,
    pub micros: i64,
    pub count: usize,
}

impl Spans {
    pub(crate) fn end(&self) -> Timestamp {
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        Timestamp(
            self.since
                .0
                .saturating_add(self.micros.saturating_mul(count)),
        )
    }

    /// The counts of all spans from those of some, each with its span's number.
    pub(crate) fn counts(&self, some: impl IntoIterator<Item = (i64, i64)>) -> Vec<u64> {
        let mut all = vec![0; self.count];
        for (nth, count) in some {
            if let Some(place) = usize::try_from(nth).ok().and_then(|nth| all.get_mut(nth)) {
                *place = count.unsigned_abs();
            }
        }
        all
    }
}

/// What happened, by spans of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Versions of memories that were recorded.
    pub memories: Vec<u64>,
    /// Executions that began.
    pub runs: Vec<u64>,
    /// Those of them that failed or were rolled back.
    pub failed_runs: Vec<u64>,
    /// Calls of skills' tools, as far back as they are recorded.
    pub skill_calls: Vec<u64>,
}

/// A table with one figure of [`Activity`], the column of its time, and which rows count.
pub(crate) const ACTIVITIES: [(&str, &str, &str); 4] = [
    ("memory", "created_at", "TRUE"),
    ("execution", "created_at", "TRUE"),
    (
        "execution",
        "created_at",
        "status IN ('failed', 'rolled_back')",
    ),
    ("recorded_call", "called_at", "TRUE"),
];

impl From<[Vec<u64>; 4]> for Activity {
    /// The figures in the order of [`ACTIVITIES`].
    fn from([memories, runs, failed_runs, skill_calls]: [Vec<u64>; 4]) -> Activity {
        Activity {
            memories,
            runs,
            failed_runs,
            skill_calls,
        }
    }
}

/// Every method is one transaction.
pub trait InventoryStore: Send + Sync {
    fn inventory(&self) -> Stored<'_, Inventory>;

    fn activity(&self, reach: &Reach, spans: Spans) -> Stored<'_, Activity>;

    /// The memories archived at or after `since`, by id; those that an edit forgot only
    /// if `forgotten`.
    fn archived_since(&self, since: Timestamp, forgotten: bool) -> Stored<'_, Vec<MemoryId>>;

    /// The active memories that replaced this one, directly or one after the other.
    fn active_versions(&self, id: MemoryId) -> Stored<'_, Vec<MemoryId>>;
}
