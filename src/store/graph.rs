//! The graph part of the port. The domain's own work (resolving names, joining
//! patterns, the rules of asserting) is handed to the store and run there on
//! one snapshot or in one transaction, through the primitives named here: look
//! up, scan a range of an index, insert, close.

use super::{MemoryId, StoreError, Stored};
use crate::clock::Timestamp;

/// Names one entity for ever. Its upper half is the [`WordId`] of its type, so
/// a type is a range of ids and costs a join nothing to check.
pub type EntityId = i64;

/// Names one word of the dictionary: a predicate, a type, a project, a source.
pub type WordId = i64;

/// Names one triple for ever; ids are never used again.
pub type TripleId = i64;

/// Where the type stands in an [`EntityId`].
pub const TYPE_SHIFT: u32 = 32;

/// The type of an entity.
pub fn type_of(entity: EntityId) -> WordId {
    entity >> TYPE_SHIFT
}

/// Something that triples are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its id.
    pub id: EntityId,
    /// `type:id`, as clients name it.
    pub key: String,
    /// What it is called.
    pub name: String,
}

/// A name by which an entity can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The entity.
    pub entity: EntityId,
    /// The name as `graph::mention` compares names.
    pub key: String,
}

/// Why a triple does not hold any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was said to be no longer true.
    Retracted,
    /// A newer triple took its place.
    Superseded,
}

impl Closed {
    const ALL: [Closed; 2] = [Closed::Retracted, Closed::Superseded];

    /// The contract's word for the triple's state.
    pub fn name(self) -> &'static str {
        match self {
            Closed::Retracted => "retracted",
            Closed::Superseded => "superseded",
        }
    }

    /// What `name` stands for.
    pub fn from_name(name: &str) -> Option<Closed> {
        Closed::ALL.into_iter().find(|closed| closed.name() == name)
    }
}

/// A triple as it is stored, history included.
#[derive(Clone, Debug, PartialEq)]
pub struct Triple {
    /// Its id; 0 while it is not stored.
    pub id: TripleId,
    /// What it is about.
    pub subject: EntityId,
    /// How the two are related.
    pub predicate: WordId,
    /// What it leads to.
    pub object: EntityId,
    /// The namespace it belongs to.
    pub project: WordId,
    /// 0 to 1.
    pub confidence: f64,
    /// Who or what said so.
    pub source: Option<WordId>,
    /// It holds from this moment: the one given, else when it was recorded.
    pub since: Timestamp,
    /// It holds before this moment.
    pub until: Option<Timestamp>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Why it ended before its own time, and when that was recorded.
    pub closed: Option<(Closed, Timestamp)>,
}

impl Triple {
    /// What of it a reading meets.
    pub fn edge(&self) -> Edge {
        Edge {
            triple: self.id,
            subject: self.subject,
            predicate: self.predicate,
            object: self.object,
            confidence: self.confidence,
        }
    }
}

/// A triple as a reading meets it: the best of those that say the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The triple.
    pub triple: TripleId,
    /// What it is about.
    pub subject: EntityId,
    /// How the two are related.
    pub predicate: WordId,
    /// What it leads to.
    pub object: EntityId,
    /// 0 to 1.
    pub confidence: f64,
}

/// Which triples a reading sees.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Only those of these projects; `None` is all.
    pub projects: Option<Vec<WordId>>,
    /// Those that hold at this moment.
    pub at: Timestamp,
    /// Those too that held before and do not any more.
    pub ended: bool,
    /// Only those with at least this confidence.
    pub min_confidence: f64,
}

/// The triples with the given parts: a range of one index, whichever parts
/// those are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// With this subject.
    pub subject: Option<EntityId>,
    /// With this predicate.
    pub predicate: Option<WordId>,
    /// With this object.
    pub object: Option<EntityId>,
}

/// Counts for a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCensus {
    /// Entities.
    pub entities: u64,
    /// Triples that nothing has closed.
    pub triples: u64,
    /// Closed ones.
    pub closed: u64,
    /// Different predicates.
    pub predicates: u64,
}

/// One snapshot of the graph.
pub trait GraphSnapshot {
    /// Adds to `out` the edges of `range` that `view` sees, in the order of the
    /// index that serves it (always the same for the same parts), those behind
    /// `after`, at most `limit`. Whether there are more, and how many triples
    /// were looked at.
    fn scan(
        &self,
        range: Range,
        after: Option<Edge>,
        limit: usize,
        view: &View,
        out: &mut Vec<Edge>,
    ) -> Result<Scanned, StoreError>;

    /// The id of a word, if it was ever used.
    fn word_id(&self, word: &str) -> Result<Option<WordId>, StoreError>;

    /// A word, and about how many triples use it as their predicate.
    fn word(&self, id: WordId) -> Result<(String, u64), StoreError>;

    /// The entity with this id.
    fn entity(&self, id: EntityId) -> Result<Option<Entity>, StoreError>;

    /// The `type:id` of each of these entities, in any order.
    fn keys(&self, ids: &[EntityId]) -> Result<Vec<(EntityId, String)>, StoreError>;

    /// The entity called `type:id`.
    fn entity_by_key(&self, key: &str) -> Result<Option<Entity>, StoreError>;

    /// The entities that go by the name `key` in these projects, oldest first.
    fn named(&self, key: &str, projects: Option<&[WordId]>) -> Result<Vec<EntityId>, StoreError>;

    /// Names next to `key` in alphabetical order, read forwards and backwards:
    /// whatever differs from it in one place is among them, unless `limit` on
    /// each side is filled by nearer ones.
    fn near(
        &self,
        key: &str,
        projects: Option<&[WordId]>,
        limit: usize,
    ) -> Result<Vec<Naming>, StoreError>;

    /// What an entity is called in these projects beside its name.
    fn aliases(
        &self,
        entity: EntityId,
        projects: Option<&[WordId]>,
    ) -> Result<Vec<String>, StoreError>;

    /// The projects in which an entity was named.
    fn projects_of(&self, entity: EntityId) -> Result<Vec<WordId>, StoreError>;

    /// The triple with this id, whatever became of it.
    fn triple(&self, id: TripleId) -> Result<Option<Triple>, StoreError>;

    /// Triples of these projects, those after `after` (0: from the first), in
    /// the order of their ids, whatever became of them.
    fn triples(
        &self,
        projects: Option<&[WordId]>,
        after: TripleId,
        limit: usize,
    ) -> Result<Vec<Triple>, StoreError>;

    /// The entities that a memory names.
    fn entities_of(&self, memory: MemoryId) -> Result<Vec<EntityId>, StoreError>;

    /// Counts for a status.
    fn census(&self) -> Result<GraphCensus, StoreError>;
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Whether the range goes on behind the last edge.
    pub more: bool,
    /// Triples looked at, those that the view leaves out included.
    pub read: usize,
}

/// One transaction on the graph: all of it is stored, or nothing.
pub trait GraphTransaction: GraphSnapshot {
    /// The id of a word, which is entered where it is new.
    fn intern(&self, word: &str) -> Result<WordId, StoreError>;

    /// Enters an entity of type `kind`; its key is not taken yet.
    fn new_entity(&self, kind: WordId, key: &str, name: &str) -> Result<EntityId, StoreError>;

    /// Gives an entity another type, and its key with it; everything that
    /// names it follows. Its new id.
    fn retype(
        &self,
        entity: EntityId,
        kind: WordId,
        key: &str,
        name: &str,
    ) -> Result<EntityId, StoreError>;

    /// Lets an entity be found as `key` in a project; `name` is how it is
    /// written there. Whether that is new. Memories of the project that name it
    /// are linked to it.
    fn add_name(
        &self,
        entity: EntityId,
        project: WordId,
        key: &str,
        name: &str,
    ) -> Result<bool, StoreError>;

    /// The triples of a project that say (subject, predicate, object), or with
    /// `None` (subject, predicate, anything), whatever became of them.
    fn said(
        &self,
        subject: EntityId,
        predicate: WordId,
        object: Option<EntityId>,
        project: WordId,
    ) -> Result<Vec<Triple>, StoreError>;

    /// Enters a triple; its id.
    fn insert(&self, triple: &Triple) -> Result<TripleId, StoreError>;

    /// Sets what can change of a triple: its confidence, its moments, and how
    /// it was closed.
    fn update(&self, triple: &Triple) -> Result<(), StoreError>;

    /// Counts triples that were entered with a predicate, for planning.
    fn count_uses(&self, predicate: WordId, triples: u64) -> Result<(), StoreError>;
}

/// Work on a snapshot.
pub type Reading = Box<dyn FnOnce(&dyn GraphSnapshot) -> Result<(), StoreError> + Send>;

/// Work in a transaction.
pub type Writing = Box<dyn FnOnce(&dyn GraphTransaction) -> Result<(), StoreError> + Send>;

/// A durable graph.
pub trait GraphStore: Send + Sync {
    /// Runs `work` on one snapshot.
    fn read_graph(&self, work: Reading) -> Stored<'_, ()>;

    /// Runs `work` in one transaction; an error of it takes everything back.
    fn write_graph(&self, work: Writing) -> Stored<'_, ()>;
}
