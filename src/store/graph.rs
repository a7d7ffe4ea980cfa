//! The graph part of the port. The domain resolves names, joins patterns and
//! decides what an update changes; its work is handed to the store as an async
//! closure and sees one snapshot, or is one transaction. Every method takes a
//! batch, because elsewhere a call is a round trip over a network. A snapshot
//! is opened for one caller: nothing beyond the caller's reach is in it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use super::{MemoryId, NameStore, StoreError, Stored};
use crate::caller::Reach;
use crate::clock::Timestamp;

/// Identifies an entity. The upper half is the [`WordId`] of its type, so a
/// type is a range of ids and costs a join nothing to check.
pub(crate) type EntityId = i64;

/// Identifies a word of the dictionary: a predicate, type, project or source.
pub type WordId = i64;

/// Identifies a triple; ids are never used again.
pub(crate) type TripleId = i64;

/// Where the type begins in an [`EntityId`].
pub(crate) const TYPE_SHIFT: u32 = 32;

pub(crate) fn type_of(entity: EntityId) -> WordId {
    entity >> TYPE_SHIFT
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    pub(crate) id: EntityId,
    /// `type:id`, as clients name it.
    pub(crate) key: String,
    /// How it is displayed: a name from a project within reach, else its key.
    pub(crate) name: String,
}

/// A name by which an entity is found in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityName {
    pub entity: EntityId,
    pub project: WordId,
    /// Its identity (`text::identity`).
    pub key: String,
    /// The name as it was written.
    pub name: String,
}

/// Leaves out entities that have none of `names`, and displays the others by one of them:
/// the name that their key is made of, else the first in alphabetical order. The stored
/// name may be another project's.
pub(super) fn display_by_names(mut entities: Vec<Entity>, names: Vec<EntityName>) -> Vec<Entity> {
    let mut known: HashMap<EntityId, Vec<EntityName>> = HashMap::new();
    for name in names {
        known.entry(name.entity).or_default().push(name);
    }
    entities.retain_mut(|entity| {
        let Some(names) = known.get(&entity.id) else {
            return false;
        };
        let id = entity.key.split_once(':').map_or("", |(_, id)| id);
        let best = names.iter().min_by_key(|name| (name.key != id, &name.name));
        entity.name = best.map_or_else(|| entity.key.clone(), |best| best.name.clone());
        true
    });
    entities
}

/// An entity found by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMatch {
    /// The identity of the name.
    pub(crate) key: String,
    pub(crate) entity: EntityId,
}

/// Why a triple ended before its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Retracted,
    /// A newer triple contradicts it.
    Superseded,
}

impl Closed {
    const ALL: [Closed; 2] = [Closed::Retracted, Closed::Superseded];

    /// The triple's state in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Closed::Retracted => "retracted",
            Closed::Superseded => "superseded",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Closed> {
        Closed::ALL.into_iter().find(|closed| closed.name() == name)
    }
}

/// A triple with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Triple {
    /// 0 while it is not stored.
    pub id: TripleId,
    pub subject: EntityId,
    pub predicate: WordId,
    pub object: EntityId,
    pub project: WordId,
    /// 0 to 1.
    pub confidence: f64,
    pub source: Option<WordId>,
    /// It holds from this moment: the one given, else when it was recorded.
    pub since: Timestamp,
    /// It holds before this moment.
    pub until: Option<Timestamp>,
    pub recorded_at: Timestamp,
    /// Why it ended before its own time, and when that was recorded.
    pub closed: Option<(Closed, Timestamp)>,
}

impl Triple {
    /// Ends it at `end`, unless it ended before; recorded at `at`.
    pub(crate) fn close(&mut self, end: Timestamp, why: Closed, at: Timestamp) {
        self.until = Some(self.until.map_or(end, |until| until.min(end)));
        self.closed = Some((why, at));
    }

    pub(crate) fn edge(&self) -> Edge {
        Edge {
            triple: self.id,
            subject: self.subject,
            predicate: self.predicate,
            object: self.object,
            confidence: self.confidence,
        }
    }
}

/// A triple as a scan finds it. Of triples that say the same in several
/// projects it is the one with the highest confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    pub triple: TripleId,
    pub subject: EntityId,
    pub predicate: WordId,
    pub object: EntityId,
    /// 0 to 1.
    pub confidence: f64,
}

/// Which triples a scan finds, within the reach of its snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// `None` is every project within reach.
    pub projects: Option<Vec<WordId>>,
    /// Those that hold at this moment.
    pub at: Timestamp,
    /// Also those that held before and ended.
    pub include_ended: bool,
    pub min_confidence: f64,
}

/// The triples with the given parts: a range of one index, whichever parts
/// those are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    pub subject: Option<EntityId>,
    pub predicate: Option<WordId>,
    pub object: Option<EntityId>,
}

/// How far one scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Edges of each range; the rest of the range is passed over.
    pub edges_per_range: usize,
    /// No further range is begun once so many triples were read.
    pub reads: usize,
}

/// The edges of some ranges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    pub edges: Vec<Edge>,
    /// The ranges that were read, in the order asked for: all of them, or those
    /// before the limit of reads, at least one.
    pub ranges: Vec<ScannedRange>,
    /// Triples that were read, and one for each range. Triples that the view does not
    /// show may count: a room knows them where it filters them itself.
    pub(crate) reads: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedRange {
    /// Where its edges end in [`Scan::edges`].
    pub end: usize,
    /// Whether the range goes on behind them.
    pub has_more: bool,
}

impl Scan {
    /// The edges of each range that was read, and whether it goes on.
    pub(crate) fn by_range(&self) -> impl Iterator<Item = (&[Edge], bool)> {
        let starts = std::iter::once(0).chain(self.ranges.iter().map(|range| range.end));
        let ranges = starts.zip(&self.ranges);
        ranges.map(|(start, range)| (&self.edges[start..range.end], range.has_more))
    }
}

/// Counts for a status, of what is within reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCensus {
    pub entities: u64,
    /// Triples that were not closed.
    pub triples: u64,
    pub(crate) closed: u64,
    /// Different predicates.
    pub(crate) predicates: u64,
}

/// The projects that a statement sees; `None` is all.
pub(super) type Projects = Option<Arc<[WordId]>>;

/// The projects within a caller's reach that the dictionary knows. A transaction may
/// add some.
pub(super) struct VisibleProjects(Mutex<Projects>);

impl VisibleProjects {
    pub(super) fn new(projects: Projects) -> VisibleProjects {
        VisibleProjects(Mutex::new(projects))
    }

    fn projects(&self) -> MutexGuard<'_, Projects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of `projects` that are visible.
    pub(super) fn within(&self, projects: Option<&[WordId]>) -> Projects {
        match (&*self.projects(), projects) {
            (None, projects) => projects.map(Arc::from),
            (visible, None) => visible.clone(),
            (Some(visible), Some(projects)) => {
                let both = projects.iter().filter(|project| visible.contains(project));
                Some(both.copied().collect())
            }
        }
    }

    /// Makes projects within `reach` visible that were interned since.
    pub(super) fn see(&self, reach: &Reach, words: &HashMap<&str, WordId>) {
        let mut visible = self.projects();
        if let Some(visible) = &mut *visible {
            let readable = words.iter().filter(|(word, _)| reach.can_read(word));
            let all: BTreeSet<WordId> = visible
                .iter()
                .chain(readable.map(|(_, id)| id))
                .copied()
                .collect();
            *visible = all.into_iter().collect();
        }
    }
}

/// One snapshot of the graph, as far as its caller's reach goes. `projects` is
/// narrowed down to that; `None` is all of it.
pub trait GraphSnapshot: Sync {
    /// The edges of many ranges, each in the order of the index that serves it,
    /// which is the same whenever the same parts are known. The first range
    /// begins behind `after`.
    fn scan_many<'a>(
        &'a self,
        ranges: &'a [Range],
        after: Option<Edge>,
        limits: ScanLimits,
        view: &'a View,
    ) -> Stored<'a, Scan>;

    /// The id of each word; `None` where the dictionary lacks it.
    fn word_ids<'a>(&'a self, words: &'a [&'a str]) -> Stored<'a, Vec<Option<WordId>>>;

    /// The words that have these ids, in their order.
    fn words<'a>(&'a self, ids: &'a [WordId]) -> Stored<'a, Vec<String>>;

    /// An estimate of how many triples have each word as predicate; 0 is exact.
    fn predicate_uses<'a>(&'a self, words: &'a [WordId]) -> Stored<'a, Vec<u64>>;

    /// The entities that have these ids, in any order.
    fn entities<'a>(&'a self, ids: &'a [EntityId]) -> Stored<'a, Vec<Entity>>;

    /// The `type:id` of each of these entities, in any order.
    fn keys<'a>(&'a self, ids: &'a [EntityId]) -> Stored<'a, Vec<(EntityId, String)>>;

    /// The entities that have these `type:id` and are known in these projects,
    /// in any order.
    fn entities_by_key<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<Entity>>;

    /// The entities that go by these names in these projects: in the order of
    /// `keys`, then oldest first.
    fn named<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<NameMatch>>;

    /// The entities with a name of exactly these words (`text::name_words`) in
    /// these projects: in the order of `words`, then oldest first.
    fn named_by_words<'a>(
        &'a self,
        words: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<NameMatch>>;

    /// For each key the names of the same words, and those next to it in
    /// alphabetical order, read forwards and backwards, at most `limit` on each
    /// side. A name that differs in one place is among them unless nearer ones fill
    /// the limit.
    fn near<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
        limit: usize,
    ) -> Stored<'a, Vec<Vec<NameMatch>>>;

    /// Every name of these entities, in any order.
    fn names<'a>(&'a self, entities: &'a [EntityId]) -> Stored<'a, Vec<EntityName>>;

    /// The triples that have these ids, in any order and any state.
    fn triples<'a>(&'a self, ids: &'a [TripleId]) -> Stored<'a, Vec<Triple>>;

    /// The triples of these projects behind `after` (0: from the first), in the
    /// order of their ids and in any state.
    fn triples_after<'a>(
        &'a self,
        projects: Option<&'a [WordId]>,
        after: TripleId,
        limit: usize,
    ) -> Stored<'a, Vec<Triple>>;

    /// The entities that these projects know behind `after` (0: from the first), in
    /// the order of their ids.
    fn entities_after<'a>(
        &'a self,
        projects: Option<&'a [WordId]>,
        after: EntityId,
        limit: usize,
    ) -> Stored<'a, Vec<EntityId>>;

    /// The entities that a memory names, oldest first; none where the memory is
    /// beyond reach.
    fn entities_of(&self, memory: MemoryId) -> Stored<'_, Vec<EntityId>>;

    fn census(&self) -> Stored<'_, GraphCensus>;
}

/// An entity to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntity {
    pub kind: WordId,
    pub key: String,
    pub name: String,
}

/// What a triple says; without an object, anything about the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    pub(crate) subject: EntityId,
    pub(crate) predicate: WordId,
    pub(crate) object: Option<EntityId>,
}

/// One transaction on the graph: all of it is stored, or nothing. Changes in a
/// project that the caller may not write fail with [`StoreError::NoAccess`].
pub trait GraphTransaction: GraphSnapshot {
    /// The id of each word; new words are added in their order.
    fn intern<'a>(&'a self, words: &'a [&'a str]) -> Stored<'a, Vec<WordId>>;

    /// Creates entities; their ids. One that is there already, known only beyond
    /// the caller's reach, is used instead.
    fn create<'a>(&'a self, entities: &'a [NewEntity]) -> Stored<'a, Vec<EntityId>>;

    /// Gives an entity another key, or merges it into the entity that has it; its
    /// new id. Names, triples and links of the caller's projects follow. The old
    /// entity stays where others know it too.
    fn rekey<'a>(&'a self, entity: EntityId, new: &'a NewEntity) -> Stored<'a, EntityId>;

    /// Makes entities known by names; those known already stay as they are.
    /// Memories that name the entity are linked to it.
    fn add_names<'a>(&'a self, names: &'a [EntityName]) -> Stored<'a, ()>;

    /// The triples of a project that say any of this, in any state, in any order.
    fn stating<'a>(
        &'a self,
        statements: &'a [Statement],
        project: WordId,
    ) -> Stored<'a, Vec<Triple>>;

    /// Inserts triples; their ids, which grow.
    fn insert<'a>(&'a self, triples: &'a [Triple]) -> Stored<'a, Vec<TripleId>>;

    /// Stores what can change of triples: confidence, moments, and how they were
    /// closed.
    fn update<'a>(&'a self, triples: &'a [Triple]) -> Stored<'a, ()>;
}

/// Work on a snapshot.
pub type GraphRead =
    Box<dyn for<'a> FnOnce(&'a dyn GraphSnapshot) -> BoxFuture<'a, Result<(), StoreError>> + Send>;

/// Work in a transaction.
pub type GraphWrite = Box<
    dyn for<'a> FnOnce(&'a dyn GraphTransaction) -> BoxFuture<'a, Result<(), StoreError>> + Send,
>;

/// A durable graph.
pub trait GraphStore: NameStore {
    /// Runs `work` on one snapshot. Dropping the future stops it at its next
    /// call.
    fn read_graph(&self, reach: Reach, work: GraphRead) -> Stored<'_, ()>;

    /// Runs `work` in one transaction, which an error of it rolls back. Where the
    /// future is dropped before its end, either everything is stored or nothing.
    fn write_graph(&self, reach: Reach, work: GraphWrite) -> Stored<'_, ()>;
}
