//! The part of the port that completes what somebody begins to type. Each query
//! is bounded, and its answer says whether there may be more names.

use super::Stored;
use super::memory::MemoryId;
use crate::caller::Reach;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Projects with an active memory: all within reach.
    Project,
    /// Tags of active memories.
    Tag,
    /// Topic keys of active memories.
    TopicKey,
    /// Ids of active memories. Without a prefix the latest first, else the
    /// highest first.
    Memory,
    /// Names of entities: first those that begin with the prefix, then those of
    /// which another word does.
    EntityName,
    /// `type:id` of entities: first those that begin with the prefix, then as for
    /// names.
    EntityKey,
}

#[derive(Clone, Debug)]
pub struct NamesQuery {
    pub kind: NameKind,
    pub reach: Reach,
    /// Only in these projects; empty means all within reach.
    pub projects: Vec<String>,
    /// Case does not matter.
    pub prefix: String,
    pub limit: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Each once; in alphabetical order unless the kind says otherwise.
    pub names: Vec<String>,
    /// Whether there may be others.
    pub(crate) more: bool,
}

/// What [`NameStore::spellings`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpelledKind {
    Project,
    Tag,
}

/// The form in which names are equal that differ in case only.
pub(crate) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

pub trait NameStore: Send + Sync {
    /// For each of `names` the projects or tags of active memories within reach that
    /// differ from it in case only, or not at all; in byte order.
    fn spellings(
        &self,
        reach: &Reach,
        kind: SpelledKind,
        names: Vec<String>,
    ) -> Stored<'_, Vec<Vec<String>>>;

    fn names(&self, query: NamesQuery) -> Stored<'_, Names>;

    /// The active memories with this topic key, or one that continues it after a
    /// colon, then the latest with this tag; in whatever case.
    fn memories_by_name(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        name: String,
        limit: usize,
    ) -> Stored<'_, Vec<MemoryId>>;
}
