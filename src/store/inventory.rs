//! The part of the port that counts.

use super::Stored;
use super::memory::{Category, MemoryId};
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

/// Every method is one transaction.
pub trait InventoryStore: Send + Sync {
    fn inventory(&self) -> Stored<'_, Inventory>;

    /// The memories archived at or after `since`, by id; those that an edit forgot only
    /// if `forgotten`.
    fn archived_since(&self, since: Timestamp, forgotten: bool) -> Stored<'_, Vec<MemoryId>>;

    /// The active memories that replaced this one, directly or one after the other.
    fn active_versions(&self, id: MemoryId) -> Stored<'_, Vec<MemoryId>>;
}
