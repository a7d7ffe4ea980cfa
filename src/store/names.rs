//! The part of the port that completes what somebody begins to type: the names
//! in use that begin so. Each look is bounded, and says whether it saw all.

use super::Stored;
use super::memory::MemoryId;
use crate::caller::Reach;

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Projects with an active memory: all within reach.
    Project,
    /// Tags of active memories.
    Tag,
    /// Topic keys of active memories.
    TopicKey,
    /// Ids of active memories: without a beginning those recorded last, the latest
    /// first; else the highest first.
    Memory,
    /// Entities as they are written: by how a name begins, then by how one of
    /// its words does.
    EntityName,
    /// `type:id` of entities: by how that begins, then as for their names.
    EntityKey,
}

/// Which names are asked for.
#[derive(Clone, Debug)]
pub struct NamesQuery {
    /// What is named.
    pub kind: Kind,
    /// What the caller may read.
    pub reach: Reach,
    /// Only in these projects; empty means all within reach.
    pub projects: Vec<String>,
    /// How they begin, in whatever case.
    pub prefix: String,
    /// How many are wanted.
    pub limit: usize,
}

/// Names that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Each once; in alphabetical order unless the kind says otherwise.
    pub names: Vec<String>,
    /// Whether there may be others.
    pub more: bool,
}

/// Names in use.
pub trait NameStore: Send + Sync {
    /// Those that a query asks for.
    fn names(&self, query: NamesQuery) -> Stored<'_, Names>;

    /// The active memories that go by `name`, in whatever case: those with this
    /// topic key, or one that goes on behind it with a colon, then the latest
    /// with this tag.
    fn called(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        name: String,
        limit: usize,
    ) -> Stored<'_, Vec<MemoryId>>;
}
