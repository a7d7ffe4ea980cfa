//! Following triples: everything that can be reached, and the shortest path.
//!
//! A breadth-first search over whole frontiers. Of several paths of equal length
//! to an entity only the one with the highest confidence is extended, and only if
//! that is higher than the confidence of every shorter path. So cycles end, and no
//! qualifying path is missed.

use super::ids::IdMap;
use super::reading::{ROUNDING, Reader};
use crate::store::StoreError;
use crate::store::graph::{Edge, EntityId, Range, TripleId, WordId};

/// Entities of a frontier whose ranges are asked for together.
const FRONTIER_PART: usize = 4_096;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From subject to object.
    #[default]
    Out,
    /// From object to subject.
    In,
    Both,
}

impl Direction {
    fn reversed(self) -> Direction {
        match self {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
            Direction::Both => Direction::Both,
        }
    }

    /// The orders in which to follow triples: `true` is from object to subject.
    fn orientations(self) -> &'static [bool] {
        match self {
            Direction::Out => &[false],
            Direction::In => &[true],
            Direction::Both => &[false, true],
        }
    }
}

/// Which triples a traversal follows.
#[derive(Clone, Debug, Default)]
pub(super) struct HopFilter {
    pub(super) direction: Direction,
    /// Only these predicates; empty is any.
    pub(super) predicates: Vec<WordId>,
    /// The most hops.
    pub(super) depth: usize,
    /// The least product of confidences of a path.
    pub(super) min_confidence: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    /// From the start to the end.
    pub(super) entities: Vec<EntityId>,
    /// Between them.
    pub(super) steps: Vec<Step>,
    /// The product of the triples' confidences.
    pub(super) confidence: f64,
}

/// One triple of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) triple: TripleId,
    pub(super) predicate: WordId,
    /// Whether it was followed from object to subject.
    pub(super) is_backwards: bool,
}

/// The sort key of a path: the cursor of the page that ends with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub(crate) hops: usize,
    pub(crate) confidence: f64,
    /// The end of the path.
    pub(crate) entity: EntityId,
}

impl Position {
    pub(super) fn of(path: &Path) -> Position {
        Position {
            hops: path.steps.len(),
            confidence: path.confidence,
            entity: path.entities.last().copied().unwrap_or_default(),
        }
    }

    fn is_before(&self, hops: usize, confidence: f64, entity: EntityId) -> bool {
        let order = self
            .hops
            .cmp(&hops)
            .then(confidence.total_cmp(&self.confidence))
            .then(self.entity.cmp(&entity));
        order.is_lt()
    }
}

/// The last hop of the best path to an entity.
#[derive(Clone, Copy, Debug)]
struct Predecessor {
    entity: EntityId,
    step: Step,
    /// The confidence of the whole path.
    confidence: f64,
}

/// A breadth-first search from one side.
struct Search {
    direction: Direction,
    /// The entities at each depth; a start has no predecessor.
    frontiers: Vec<IdMap<EntityId, Option<Predecessor>>>,
    /// The highest confidence of a path to each entity so far, of any length.
    best: IdMap<EntityId, f64>,
}

impl Search {
    fn new(starts: &[EntityId], direction: Direction) -> Search {
        Search {
            direction,
            frontiers: vec![starts.iter().map(|start| (*start, None)).collect()],
            best: starts.iter().map(|start| (*start, 1.0)).collect(),
        }
    }

    fn depth(&self) -> usize {
        self.frontiers.len() - 1
    }

    fn frontier(&self) -> &IdMap<EntityId, Option<Predecessor>> {
        &self.frontiers[self.frontiers.len() - 1]
    }

    /// Makes one hop. Returns the entities that were not reached before.
    async fn advance(
        &mut self,
        reader: &mut Reader<'_>,
        hops: &HopFilter,
    ) -> Result<Vec<EntityId>, StoreError> {
        let confidence_of = |reached: &Option<Predecessor>| reached.map_or(1.0, |p| p.confidence);
        let frontier = self.frontier().iter();
        let mut frontier: Vec<(EntityId, f64)> = frontier
            .map(|(entity, reached)| (*entity, confidence_of(reached)))
            .collect();
        // Neighbors in the index are read one after the other.
        frontier.sort_unstable_by_key(|(entity, _)| *entity);
        let mut next = IdMap::default();
        let mut new = Vec::new();
        for part in frontier.chunks(FRONTIER_PART) {
            let (origins, ranges) = self.ranges(part, hops);
            let best = &mut self.best;
            let visit = |range: usize, edge: &Edge| {
                let (entity, confidence, is_backwards) = origins[range];
                let reached = Predecessor {
                    entity,
                    step: Step {
                        triple: edge.triple,
                        predicate: edge.predicate,
                        is_backwards,
                    },
                    confidence: confidence * edge.confidence,
                };
                if reached.confidence + ROUNDING < hops.min_confidence {
                    return;
                }
                let to = if is_backwards {
                    edge.subject
                } else {
                    edge.object
                };
                match best.get_mut(&to) {
                    Some(best) if *best >= reached.confidence => return,
                    Some(best) => *best = reached.confidence,
                    None => {
                        best.insert(to, reached.confidence);
                        new.push(to);
                    }
                }
                next.insert(to, Some(reached));
            };
            reader.visit(&ranges, visit).await?;
        }
        self.frontiers.push(next);
        Ok(new)
    }

    /// The index ranges of the edges of some frontier entities, and for each range
    /// its entity, that entity's confidence, and whether it is followed backwards.
    fn ranges(
        &self,
        part: &[(EntityId, f64)],
        hops: &HopFilter,
    ) -> (Vec<(EntityId, f64, bool)>, Vec<Range>) {
        let any = [None];
        let named: Vec<Option<WordId>> = hops.predicates.iter().copied().map(Some).collect();
        let predicates = if named.is_empty() { &any[..] } else { &named };
        let mut origins = Vec::new();
        let mut ranges = Vec::new();
        for (from, confidence) in part {
            for is_backwards in self.direction.orientations() {
                for predicate in predicates {
                    origins.push((*from, *confidence, *is_backwards));
                    ranges.push(Range {
                        subject: (!is_backwards).then_some(*from),
                        predicate: *predicate,
                        object: is_backwards.then_some(*from),
                    });
                }
            }
        }
        (origins, ranges)
    }

    /// The path to an entity of the frontier at `depth`.
    fn path(&self, entity: EntityId, depth: usize) -> Path {
        let confidence = self.frontiers[depth][&entity].map_or(1.0, |p| p.confidence);
        let mut entities = vec![entity];
        let mut steps = Vec::new();
        for frontier in self.frontiers[..=depth].iter().rev() {
            let last = entities[entities.len() - 1];
            if let Some(Some(predecessor)) = frontier.get(&last) {
                steps.push(predecessor.step);
                entities.push(predecessor.entity);
            }
        }
        entities.reverse();
        steps.reverse();
        Path {
            entities,
            steps,
            confidence,
        }
    }
}

/// The shortest path from `starts` to every entity that can be reached; of several
/// the one with the highest confidence. Sorted by length, then confidence
/// (descending), then entity id. Returns up to `limit` paths after the position
/// `after`, and whether there are more.
pub(super) async fn traverse(
    reader: &mut Reader<'_>,
    starts: &[EntityId],
    hops: &HopFilter,
    after: Option<Position>,
    limit: usize,
) -> Result<(Vec<Path>, bool), StoreError> {
    let mut search = Search::new(starts, hops.direction);
    let mut paths = Vec::new();
    for depth in 1..=hops.depth {
        let new = search.advance(reader, hops).await?;
        let mut reached: Vec<(f64, EntityId)> = new
            .iter()
            .map(|entity| (search.best[entity], *entity))
            .collect();
        reached.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let is_behind = |(confidence, entity): &(f64, EntityId)| {
            after.is_none_or(|after| after.is_before(depth, *confidence, *entity))
        };
        for (_, entity) in reached.into_iter().filter(is_behind) {
            if paths.len() == limit {
                return Ok((paths, true));
            }
            paths.push(search.path(entity, depth));
        }
        if search.frontier().is_empty() || reader.is_exhausted() {
            break;
        }
    }
    Ok((paths, false))
}

/// The shortest path from one of `starts` to `goal`, of those the one with the
/// highest confidence. Searches from both ends, always from the side with the
/// smaller frontier.
pub(super) async fn shortest(
    reader: &mut Reader<'_>,
    starts: &[EntityId],
    goal: EntityId,
    hops: &HopFilter,
) -> Result<Option<Path>, StoreError> {
    let mut forth = Search::new(starts, hops.direction);
    let mut back = Search::new(&[goal], hops.direction.reversed());
    loop {
        if let Some(path) = meeting(&forth, &back, hops.min_confidence) {
            return Ok(Some(path));
        }
        let is_over = forth.depth() + back.depth() >= hops.depth || reader.is_exhausted();
        if is_over || forth.frontier().is_empty() || back.frontier().is_empty() {
            return Ok(None);
        }
        let side = match forth.frontier().len() <= back.frontier().len() {
            true => &mut forth,
            false => &mut back,
        };
        side.advance(reader, hops).await?;
    }
}

/// The path of highest confidence through an entity that is in both frontiers.
fn meeting(forth: &Search, back: &Search, min_confidence: f64) -> Option<Path> {
    let confidence = |reached: &Option<Predecessor>| reached.map_or(1.0, |p| p.confidence);
    let both = forth.frontier().iter().filter_map(|(entity, reached)| {
        let other = back.frontier().get(entity)?;
        Some((confidence(reached) * confidence(other), *entity))
    });
    let (best, entity) =
        both.max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(&one.1)))?;
    if best + ROUNDING < min_confidence {
        return None;
    }
    let mut path = forth.path(entity, forth.depth());
    let mut rest = back.path(entity, back.depth());
    rest.entities.reverse();
    rest.steps.reverse();
    path.entities.extend(&rest.entities[1..]);
    // The search from the goal followed every triple in the opposite direction.
    path.steps.extend(rest.steps.iter().map(|step| Step {
        is_backwards: !step.is_backwards,
        ..*step
    }));
    path.confidence = best;
    Some(path)
}
