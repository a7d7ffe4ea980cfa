//! The three questions as they are asked and answered: in names. What comes
//! between is done on ids.

use super::ids::IdMap;
use super::join::{Join, Row};
use super::mention::Mention;
use super::pattern::{self, Query};
use super::reach::{self, Direction, Hops, Path, Position};
use super::reading::Reader;
use super::resolve::{self, Projects};
use super::{Graph, plan, view};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::store::StoreError;
use crate::store::graph::{EntityId, GraphSnapshot, TripleId, WordId};

/// What every question says.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only triples of these projects; empty is all.
    pub projects: Vec<String>,
    /// What holds at this moment.
    pub at: Timestamp,
    /// The least product of confidences.
    pub min_confidence: f64,
    /// How many results are wanted.
    pub limit: usize,
}

/// Which way to go from a start.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// An entity, or `memory:12` for all that a memory names.
    pub start: String,
    /// Which way triples are followed.
    pub direction: Direction,
    /// Only these predicates; empty is any.
    pub predicates: Vec<String>,
    /// The most hops.
    pub depth: usize,
}

/// A path in names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPath {
    /// From the start to the end.
    pub entities: Vec<String>,
    /// Between them; one that was followed from object to subject begins with `^`.
    pub predicates: Vec<String>,
    /// The triples it rests on.
    pub triples: Vec<TripleId>,
    /// The product of their confidences.
    pub confidence: f64,
    /// Where a page that ends with it goes on.
    pub position: Position,
}

/// A row in names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedRow {
    /// By variable, in the order of [`Found::variables`].
    pub values: Vec<String>,
    /// The triples it rests on, in the order of the patterns.
    pub triples: Vec<TripleId>,
    /// The product of their confidences.
    pub confidence: f64,
}

/// A page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The results.
    pub items: Vec<T>,
    /// Whether there are more.
    pub more: bool,
    /// Whether it ended before everything was looked at that belongs to it.
    pub spent: bool,
    /// Names that were taken for others by likeness: as written, and as taken.
    pub taken: Vec<(String, String)>,
    /// The variables of rows, as they were written.
    pub variables: Vec<String>,
    /// The patterns in the order they were joined, and where the rows go on
    /// if that is not behind the last of them.
    pub plan: Plan,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Found {
            items: Vec::new(),
            more: false,
            spent: false,
            taken: Vec::new(),
            variables: Vec::new(),
            plan: Plan::default(),
        }
    }
}

/// How a join was carried out, and where it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The patterns by their numbers, in the order they are joined.
    pub order: Vec<usize>,
    /// Triples of the first patterns of that order.
    pub after: Vec<TripleId>,
}

impl Graph {
    /// Everything that can be reached, by its shortest path.
    pub async fn reach(
        &self,
        scope: Scope,
        walk: Walk,
        after: Option<Position>,
    ) -> Result<Found<NamedPath>, Failure> {
        self.read(move |graph| {
            let view = view(graph, &scope.projects, scope.at, scope.min_confidence)?;
            let projects = view.projects.as_deref();
            let (starts, taken, hops) = begin(graph, &scope, &walk, projects)?;
            let mut reader = Reader::new(graph, view);
            let reached = reach::traverse(&mut reader, &starts, &hops, after, scope.limit)?;
            let mut names = Names::of(graph);
            Ok(Found {
                items: names.paths(&reached.paths)?,
                more: reached.more,
                spent: reader.is_spent(),
                taken,
                ..Found::default()
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
    ) -> Result<Found<NamedPath>, Failure> {
        self.read(move |graph| {
            let view = view(graph, &scope.projects, scope.at, scope.min_confidence)?;
            let projects = view.projects.as_deref();
            let (starts, mut taken, hops) = begin(graph, &scope, &walk, projects)?;
            let mention = Mention::parse(&goal, "/to")?;
            let (goal_entity, by_likeness) = resolve::likely(graph, &mention, projects, "/to")?;
            if by_likeness {
                taken.push((goal, goal_entity.key));
            }
            let mut reader = Reader::new(graph, view);
            let path = reach::shortest(&mut reader, &starts, goal_entity.id, &hops)?;
            let mut names = Names::of(graph);
            Ok(Found {
                items: names.paths(path.as_slice())?,
                spent: reader.is_spent(),
                taken,
                ..Found::default()
            })
        })
        .await
    }

    /// What the variables of `patterns` can stand for, all of them together.
    /// Without a plan the best is looked for.
    pub async fn matches(
        &self,
        scope: Scope,
        patterns: Vec<[String; 3]>,
        plan: Plan,
    ) -> Result<Found<NamedRow>, Failure> {
        self.read(move |graph| matches(graph, &scope, &patterns, plan))
            .await
    }
}

fn matches(
    graph: &dyn GraphSnapshot,
    scope: &Scope,
    patterns: &[[String; 3]],
    plan: Plan,
) -> Result<Found<NamedRow>, StoreError> {
    let view = view(graph, &scope.projects, scope.at, scope.min_confidence)?;
    let query = pattern::parse(graph, patterns, view.projects.as_deref(), "/patterns")?;
    let mut reader = Reader::new(graph, view);
    let order = match plan.order.is_empty() {
        true => plan::order(&mut reader, &query)?,
        false => plan.order,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..query.patterns.len()) {
        return Err(unknown_cursor().into());
    }
    let mut after = Vec::new();
    for id in &plan.after {
        after.push(graph.triple(*id)?.ok_or_else(unknown_cursor)?.edge());
    }
    let join = Join::new(
        &mut reader,
        &query,
        &order,
        scope.min_confidence,
        scope.limit,
    );
    let joined = join.run(&after)?.ok_or_else(unknown_cursor)?;
    let mut names = Names::of(graph);
    let entities = |row: &Row| {
        let named = query.variables.iter().zip(row.values.iter());
        let entity = named.filter(|(variable, _)| !variable.is_predicate);
        entity.filter_map(|(_, value)| *value).collect::<Vec<_>>()
    };
    names.learn(joined.rows.iter().flat_map(entities))?;
    let rows = joined.rows.iter().map(|row| {
        Ok(NamedRow {
            values: names.values(&query, &row.values)?,
            triples: as_written(&order, &row.triples),
            confidence: row.confidence,
        })
    });
    Ok(Found {
        items: rows.collect::<Result<_, StoreError>>()?,
        more: joined.next.is_some(),
        // Where it stopped early, its plan leads on.
        spent: false,
        variables: query.variables.iter().map(|v| v.name.clone()).collect(),
        taken: query.taken,
        plan: Plan {
            order,
            after: joined.next.unwrap_or_default(),
        },
    })
}

impl Plan {
    /// The plan of a page that ends with `row`.
    pub fn after(&self, row: &NamedRow) -> Plan {
        Plan {
            order: self.order.clone(),
            after: self.order.iter().map(|nth| row.triples[*nth]).collect(),
        }
    }
}

/// Triples in the order the patterns were written instead of joined.
fn as_written(order: &[usize], triples: &[TripleId]) -> Vec<TripleId> {
    let mut written = vec![0; triples.len()];
    for (nth, triple) in order.iter().zip(triples) {
        written[*nth] = *triple;
    }
    written
}

/// A cursor that does not belong to the question.
pub fn unknown_cursor() -> Failure {
    Failure::invalid("/cursor", "this cursor does not belong to this question")
        .hint("pass next_cursor unchanged, together with the same question")
}

type Begun = (Vec<EntityId>, Vec<(String, String)>, Hops);

/// Where a walk begins and what it may use.
fn begin(
    graph: &dyn GraphSnapshot,
    scope: &Scope,
    walk: &Walk,
    projects: Projects<'_>,
) -> Result<Begun, StoreError> {
    let mut taken = Vec::new();
    let starts = match memory_of(&walk.start) {
        Some(memory) => {
            let entities = graph.entities_of(memory)?;
            if entities.is_empty() {
                return Err(Failure::new(
                    Kind::NotFound,
                    format!("memory {memory} names no entity that the graph knows"),
                )
                .at("/start")
                .hint("start from an entity; graph_update makes them known")
                .into());
            }
            entities
        }
        None => {
            let mention = Mention::parse(&walk.start, "/start")?;
            let (entity, by_likeness) = resolve::likely(graph, &mention, projects, "/start")?;
            if by_likeness {
                taken.push((walk.start.clone(), entity.key));
            }
            vec![entity.id]
        }
    };
    // Of several predicates it is enough that one is in use.
    let (mut predicates, mut unknown) = (Vec::new(), None);
    for predicate in &walk.predicates {
        match pattern::predicate(graph, predicate, "/predicate") {
            Ok(id) => predicates.push(id),
            Err(error) => unknown = Some(error),
        }
    }
    if let Some(error) = unknown.filter(|_| predicates.is_empty()) {
        return Err(error);
    }
    let hops = Hops {
        direction: walk.direction,
        predicates,
        depth: walk.depth,
        min_confidence: scope.min_confidence,
    };
    Ok((starts, taken, hops))
}

fn memory_of(start: &str) -> Option<i64> {
    start.trim().strip_prefix("memory:")?.trim().parse().ok()
}

/// Ids to names, each looked up once.
struct Names<'a> {
    graph: &'a dyn GraphSnapshot,
    entities: IdMap<EntityId, String>,
    words: IdMap<WordId, String>,
}

impl<'a> Names<'a> {
    fn of(graph: &'a dyn GraphSnapshot) -> Names<'a> {
        Names {
            graph,
            entities: IdMap::default(),
            words: IdMap::default(),
        }
    }

    /// Looks up all of these at once.
    fn learn(&mut self, ids: impl Iterator<Item = EntityId>) -> Result<(), StoreError> {
        let mut ids: Vec<EntityId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        self.entities.extend(self.graph.keys(&ids)?);
        Ok(())
    }

    fn entity(&self, id: EntityId) -> String {
        self.entities.get(&id).cloned().unwrap_or_default()
    }

    fn word(&mut self, id: WordId) -> Result<String, StoreError> {
        if let Some(word) = self.words.get(&id) {
            return Ok(word.clone());
        }
        let (word, _) = self.graph.word(id)?;
        self.words.insert(id, word.clone());
        Ok(word)
    }

    fn paths(&mut self, paths: &[Path]) -> Result<Vec<NamedPath>, StoreError> {
        self.learn(paths.iter().flat_map(|path| &path.entities).copied())?;
        let mut named = Vec::with_capacity(paths.len());
        for path in paths {
            let mut predicates = Vec::with_capacity(path.steps.len());
            for step in &path.steps {
                let word = self.word(step.predicate)?;
                predicates.push(if step.backwards {
                    format!("^{word}")
                } else {
                    word
                });
            }
            named.push(NamedPath {
                entities: path.entities.iter().map(|id| self.entity(*id)).collect(),
                predicates,
                triples: path.steps.iter().map(|step| step.triple).collect(),
                confidence: path.confidence,
                position: Position::of(path),
            });
        }
        Ok(named)
    }

    fn values(&mut self, query: &Query, row: &[Option<i64>]) -> Result<Vec<String>, StoreError> {
        let named = query.variables.iter().zip(row).map(|(variable, value)| {
            let value = value.unwrap_or_default();
            match variable.is_predicate {
                true => self.word(value),
                false => Ok(self.entity(value)),
            }
        });
        named.collect()
    }
}
