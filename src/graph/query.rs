//! The three kinds of query, in names. Everything in between works on ids.

use std::collections::BTreeSet;

use super::Graph;
use super::error::{GraphError, Part, Problem};
use super::ids::IdMap;
use super::join::{Join, Row};
use super::mention::{self, Mention};
use super::pattern;
use super::reach::{self, Direction, HopFilter, Path, Position};
use super::reading::{ROUNDING, Reader};
use super::resolve;
use super::{plan, projects_of};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{Edge, Entity, EntityId, GraphSnapshot, TripleId, View, type_of};

/// Which triples a question covers, and how many results it wants.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Nothing beyond the caller's reach is ever found.
    pub reach: Reach,
    /// Only these projects; empty is all within reach.
    pub projects: Vec<String>,
    /// Triples that hold at this moment.
    pub at: Timestamp,
    /// The least product of confidences.
    pub min_confidence: f64,
    pub limit: usize,
}

impl Scope {
    pub(super) async fn view(&self, graph: &dyn GraphSnapshot) -> Result<View, StoreError> {
        Ok(View {
            projects: projects_of(graph, &self.projects).await?,
            at: self.at,
            include_ended: false,
            min_confidence: self.min_confidence - ROUNDING,
        })
    }
}

/// A traversal from a start.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// An entity, or `memory:12` for all that a memory names.
    pub start: String,
    pub direction: Direction,
    /// Only these predicates; empty is any.
    pub predicates: Vec<String>,
    /// The most hops.
    pub depth: usize,
}

/// A path in names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPath {
    /// The keys from the start to the end.
    pub entities: Vec<String>,
    /// Between them; one that was followed from object to subject begins with `^`.
    pub predicates: Vec<String>,
    /// The triples it rests on.
    pub triples: Vec<TripleId>,
    /// The product of their confidences.
    pub confidence: f64,
    /// The cursor of the page that ends with this path.
    pub position: Position,
}

/// A row in names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedRow {
    /// By variable, in the order of [`Page::variables`].
    pub values: Vec<String>,
    /// The triples it rests on, in the order of the patterns.
    pub(crate) triples: Vec<TripleId>,
    /// The product of their confidences.
    pub confidence: f64,
}

/// A page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub has_more: bool,
    /// Whether the read budget ended the search before it was complete.
    pub is_budget_exhausted: bool,
    /// Names that were resolved by likeness: as written, and the entity's key.
    pub resolved: Vec<(String, String)>,
    /// The variables of rows, as they were written.
    pub variables: Vec<String>,
    /// How rows were joined, and where they go on if that is not behind the last
    /// of them.
    pub plan: Plan,
}

/// The join order of patterns and a place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The patterns by their numbers, in the order in which they are joined.
    pub(crate) order: Vec<usize>,
    /// Triples of the first patterns of that order.
    pub(crate) after: Vec<TripleId>,
}

impl Plan {
    /// The plan of a page that ends with `row`.
    pub(crate) fn after(&self, row: &NamedRow) -> Plan {
        Plan {
            order: self.order.clone(),
            after: self.order.iter().map(|nth| row.triples[*nth]).collect(),
        }
    }
}

impl Graph {
    /// Everything that can be reached, by its shortest path.
    pub async fn reach(
        &self,
        scope: Scope,
        walk: Walk,
        after: Option<Position>,
    ) -> Result<Page<NamedPath>, GraphError> {
        self.read(&scope.reach.clone(), move |graph| {
            Box::pin(async move {
                let (mut reader, start) = start(graph, &scope, walk, None).await?;
                let (paths, has_more) = reach::traverse(
                    &mut reader,
                    &start.entities,
                    &start.hops,
                    after,
                    scope.limit,
                )
                .await?;
                page_of_paths(&reader, &paths, has_more, start.resolved).await
            })
        })
        .await
    }

    /// The shortest path to `goal`, if there is one.
    pub async fn path(
        &self,
        scope: Scope,
        walk: Walk,
        goal: String,
    ) -> Result<Page<NamedPath>, GraphError> {
        self.read(&scope.reach.clone(), move |graph| {
            Box::pin(async move {
                let (mut reader, mut start) = start(graph, &scope, walk, Some(goal)).await?;
                let goal = start.entities.pop().unwrap_or_default();
                let path = reach::shortest(&mut reader, &start.entities, goal, &start.hops).await?;
                page_of_paths(&reader, path.as_slice(), false, start.resolved).await
            })
        })
        .await
    }

    /// The entity that `name` names for certain, and its other names.
    pub(crate) async fn entity(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<(Entity, BTreeSet<String>)>, GraphError> {
        let mention = Mention::parse(name).map_err(|problem| problem.of(Part::Entity))?;
        let wanted = scope.projects.clone();
        self.read(&scope.reach, move |graph| {
            Box::pin(async move {
                let projects = projects_of(graph, &wanted).await?;
                let projects = projects.as_deref();
                let found = resolve::certain(graph, &mention, projects, Part::Entity).await?;
                let Some(entity) = found else {
                    return Ok(None);
                };
                let names = graph.names(&[entity.id]).await?.into_iter();
                let names = names.filter(|name| {
                    let is_covered = projects.is_none_or(|own| own.contains(&name.project));
                    is_covered && name.name != entity.name
                });
                let aliases = names.map(|name| name.name).collect();
                Ok(Some((entity, aliases)))
            })
        })
        .await
    }

    /// The bindings of variables with which all patterns hold. Without a plan the
    /// best one is looked for.
    pub async fn matches(
        &self,
        scope: Scope,
        patterns: Vec<[String; 3]>,
        plan: Plan,
    ) -> Result<Page<NamedRow>, GraphError> {
        self.read(&scope.reach.clone(), move |graph| {
            Box::pin(async move { matches(graph, &scope, &patterns, plan).await })
        })
        .await
    }
}

async fn page_of_paths(
    reader: &Reader<'_>,
    paths: &[Path],
    has_more: bool,
    resolved: Vec<(String, String)>,
) -> Result<Page<NamedPath>, GraphError> {
    Ok(Page {
        items: named_paths(reader.graph, paths).await?,
        has_more,
        is_budget_exhausted: reader.is_exhausted(),
        resolved,
        variables: Vec::new(),
        plan: Plan::default(),
    })
}

async fn matches(
    graph: &dyn GraphSnapshot,
    scope: &Scope,
    patterns: &[[String; 3]],
    plan: Plan,
) -> Result<Page<NamedRow>, GraphError> {
    let view = scope.view(graph).await?;
    let query = pattern::parse(graph, patterns, view.projects.as_deref()).await?;
    let mut reader = Reader::new(graph, view);
    let order = match plan.order.is_empty() {
        true => plan::order(&mut reader, &query).await?,
        false => plan.order,
    };
    let unknown_cursor = || Problem::UnknownCursor.of(Part::Cursor);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..query.patterns.len()) {
        return Err(unknown_cursor());
    }
    let after = edges(graph, &plan.after)
        .await?
        .ok_or_else(unknown_cursor)?;
    let join = Join::new(
        &mut reader,
        &query,
        &order,
        scope.min_confidence,
        scope.limit,
    );
    let joined = join.run(&after).await?.ok_or_else(unknown_cursor)?;
    Ok(Page {
        items: named_rows(graph, &order, &joined.rows).await?,
        has_more: joined.next.is_some(),
        // Where the budget ended it early, its plan leads on.
        is_budget_exhausted: false,
        variables: query.variables.iter().map(|v| v.name.clone()).collect(),
        resolved: query.resolved,
        plan: Plan {
            order,
            after: joined.next.unwrap_or_default(),
        },
    })
}

/// The edges of triples, in their order; `None` where one of them is unknown.
pub(super) async fn edges(
    graph: &dyn GraphSnapshot,
    ids: &[TripleId],
) -> Result<Option<Vec<Edge>>, StoreError> {
    if ids.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let triples = graph.triples(ids).await?;
    let edge = |id: &TripleId| triples.iter().find(|triple| triple.id == *id);
    Ok(ids
        .iter()
        .map(|id| edge(id).map(|found| found.edge()))
        .collect())
}

/// The start of a traversal, and the predicates it may follow.
struct Start {
    /// A goal comes last.
    entities: Vec<EntityId>,
    /// As in [`Page::resolved`].
    resolved: Vec<(String, String)>,
    hops: HopFilter,
}

async fn start<'a>(
    graph: &'a dyn GraphSnapshot,
    scope: &Scope,
    walk: Walk,
    goal: Option<String>,
) -> Result<(Reader<'a>, Start), GraphError> {
    let view = scope.view(graph).await?;
    let mut starts = Vec::new();
    let mut written = Vec::new();
    if let Some(memory) = memory_id(&walk.start) {
        starts = graph.entities_of(memory).await?;
        if starts.is_empty() {
            return Err(Problem::NoEntitiesIn(memory).of(Part::Start));
        }
    } else {
        written.push((Part::Start, walk.start));
    }
    written.extend(goal.map(|goal| (Part::Goal, goal)));
    let mut mentions = Vec::with_capacity(written.len());
    for (part, text) in &written {
        let mention = Mention::parse(text).map_err(|problem| problem.of(*part))?;
        mentions.push((*part, mention));
    }
    let mut resolved = Vec::new();
    let entities = resolve::likely(graph, &mentions, view.projects.as_deref()).await?;
    for ((_, text), (entity, by_likeness)) in written.into_iter().zip(entities) {
        starts.push(entity.id);
        if by_likeness {
            resolved.push((text, entity.key));
        }
    }
    // Of several predicates it is enough that one is in use.
    let (mut names, mut predicates, mut unknown) = (Vec::new(), Vec::new(), None);
    for predicate in &walk.predicates {
        match mention::predicate(predicate) {
            Ok(name) => names.push((Part::Predicates, name)),
            Err(problem) => unknown = Some(problem.of(Part::Predicates)),
        }
    }
    for predicate in pattern::predicates(graph, &names).await? {
        match predicate {
            Ok(id) => predicates.push(id),
            Err(error) => unknown = Some(error),
        }
    }
    if let Some(error) = unknown.filter(|_| predicates.is_empty()) {
        return Err(error);
    }
    let hops = HopFilter {
        direction: walk.direction,
        predicates,
        depth: walk.depth,
        min_confidence: scope.min_confidence,
    };
    let start = Start {
        entities: starts,
        resolved,
        hops,
    };
    Ok((Reader::new(graph, view), start))
}

fn memory_id(start: &str) -> Option<i64> {
    start.trim().strip_prefix("memory:")?.trim().parse().ok()
}

/// The keys of entities and the texts of words, by their ids.
async fn names(
    graph: &dyn GraphSnapshot,
    mut ids: Vec<i64>,
) -> Result<IdMap<i64, String>, StoreError> {
    ids.sort_unstable();
    ids.dedup();
    // Only the id of an entity has a type in its upper half.
    let (words, entities) = ids.split_at(ids.partition_point(|id| type_of(*id) == 0));
    let mut names = IdMap::default();
    if !entities.is_empty() {
        names.extend(graph.keys(entities).await?);
    }
    if !words.is_empty() {
        let texts = graph.words(words).await?;
        names.extend(words.iter().copied().zip(texts));
    }
    Ok(names)
}

fn name(names: &IdMap<i64, String>, id: i64) -> String {
    names.get(&id).cloned().unwrap_or_default()
}

async fn named_paths(
    graph: &dyn GraphSnapshot,
    paths: &[Path],
) -> Result<Vec<NamedPath>, StoreError> {
    let ids = paths.iter().flat_map(|path| {
        let predicates = path.steps.iter().map(|step| step.predicate);
        predicates.chain(path.entities.iter().copied())
    });
    let names = names(graph, ids.collect()).await?;
    let named = paths.iter().map(|path| NamedPath {
        entities: path.entities.iter().map(|id| name(&names, *id)).collect(),
        predicates: path
            .steps
            .iter()
            .map(|step| match step.is_backwards {
                true => format!("^{}", name(&names, step.predicate)),
                false => name(&names, step.predicate),
            })
            .collect(),
        triples: path.steps.iter().map(|step| step.triple).collect(),
        confidence: path.confidence,
        position: Position::of(path),
    });
    Ok(named.collect())
}

async fn named_rows(
    graph: &dyn GraphSnapshot,
    order: &[usize],
    rows: &[Row],
) -> Result<Vec<NamedRow>, StoreError> {
    let ids = rows.iter().flat_map(|row| row.values.iter().flatten());
    let names = names(graph, ids.copied().collect()).await?;
    let named = rows.iter().map(|row| {
        let values = row.values.iter();
        // In the order the patterns were written instead of joined.
        let mut triples = vec![0; row.triples.len()];
        for (nth, triple) in order.iter().zip(&row.triples) {
            triples[*nth] = *triple;
        }
        NamedRow {
            values: values
                .map(|value| name(&names, value.unwrap_or_default()))
                .collect(),
            triples,
            confidence: row.confidence,
        }
    });
    Ok(named.collect())
}
