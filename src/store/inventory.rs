//! The part of the port that counts what there is.

use super::Stored;
use super::memory::{Category, MemoryId};
use crate::clock::Timestamp;

/// The memories of one project and category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The namespace.
    pub project: String,
    /// What kind of statement they are.
    pub category: Category,
    /// Those believed now.
    pub active: u64,
    /// Older versions.
    pub superseded: u64,
    /// Forgotten ones, and those that left by themselves.
    pub archived: u64,
    /// Those of them that are protected.
    pub protected: u64,
    /// Bytes of their texts.
    pub content_bytes: u64,
}

/// The vectors of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vectors {
    /// The model's name.
    pub model: String,
    /// Numbers in each.
    pub dimensions: u64,
    /// Memories that have one.
    pub memories: u64,
    /// How many there are: a long text has several.
    pub vectors: u64,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// By project, then category, in byte order.
    pub groups: Vec<Group>,
    /// By model, the first used first.
    pub vectors: Vec<Vectors>,
    /// Bytes on disk, the write-ahead log included.
    pub file_bytes: u64,
}

/// A store that can be counted. Every method is one transaction.
pub trait InventoryStore: Send + Sync {
    /// Everything there is.
    fn inventory(&self) -> Stored<'_, Inventory>;

    /// The memories that were archived at or after `since`, by id; those that
    /// somebody forgot on purpose only if `forgotten`.
    fn archived_since(&self, since: Timestamp, forgotten: bool) -> Stored<'_, Vec<MemoryId>>;
}
