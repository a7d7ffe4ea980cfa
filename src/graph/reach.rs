//! Following triples: everything that can be reached, and the shortest path.
//!
//! Works hop by hop on whole layers of entities. Of the walks to an entity of
//! one length only the surest goes on, and only where it is surer than every
//! shorter one: so cycles end, and no path that would have counted is missed.

use super::ids::IdMap;
use super::reading::{ROUNDING, Reader};
use crate::store::StoreError;
use crate::store::graph::{Edge, EntityId, Range, TripleId, WordId};

/// Which way triples are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From subject to object.
    #[default]
    Out,
    /// From object to subject.
    In,
    /// Both ways.
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

    fn ways(self) -> &'static [bool] {
        match self {
            Direction::Out => &[false],
            Direction::In => &[true],
            Direction::Both => &[false, true],
        }
    }
}

/// Which triples a walk may use.
#[derive(Clone, Debug, Default)]
pub struct Hops {
    /// Which way.
    pub direction: Direction,
    /// Only these predicates; empty is any.
    pub predicates: Vec<WordId>,
    /// The most of them.
    pub depth: usize,
    /// The least product of confidences of a path.
    pub min_confidence: f64,
}

/// A path from a start.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// From the start to the end.
    pub entities: Vec<EntityId>,
    /// Between them.
    pub steps: Vec<Step>,
    /// The product of the triples' confidences.
    pub confidence: f64,
}

/// One triple of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The triple.
    pub triple: TripleId,
    /// Its predicate.
    pub predicate: WordId,
    /// Whether it was followed from object to subject.
    pub backwards: bool,
}

/// Where a traversal goes on: behind the path of so many hops, of that
/// confidence, to that entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Triples of the path.
    pub hops: usize,
    /// Its confidence.
    pub confidence: f64,
    /// Its end.
    pub entity: EntityId,
}

impl Position {
    /// Where a page that ends with `path` goes on.
    pub fn of(path: &Path) -> Position {
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

/// A page of paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reached {
    /// Shorter before longer, then surer before less sure, then older entities
    /// before newer ones.
    pub paths: Vec<Path>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// How an entity was come to, and from where.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    from: EntityId,
    step: Step,
    confidence: f64,
}

/// The layers of a walk from one side.
struct Layers {
    direction: Direction,
    /// Entities by the number of hops; the start has come from nowhere.
    layers: Vec<IdMap<EntityId, Option<Arrival>>>,
    /// The surest walk of any length so far.
    best: IdMap<EntityId, f64>,
}

impl Layers {
    fn from(starts: &[EntityId], direction: Direction) -> Layers {
        Layers {
            direction,
            layers: vec![starts.iter().map(|start| (*start, None)).collect()],
            best: starts.iter().map(|start| (*start, 1.0)).collect(),
        }
    }

    fn depth(&self) -> usize {
        self.layers.len() - 1
    }

    fn last(&self) -> &IdMap<EntityId, Option<Arrival>> {
        &self.layers[self.layers.len() - 1]
    }

    /// One hop more. Gives the entities that were never come to before.
    fn advance(
        &mut self,
        reader: &mut Reader<'_>,
        hops: &Hops,
    ) -> Result<Vec<EntityId>, StoreError> {
        let mut frontier: Vec<(EntityId, f64)> = self
            .last()
            .iter()
            .map(|(entity, arrival)| (*entity, arrival.map_or(1.0, |a| a.confidence)))
            .collect();
        // Neighbours in the index are read one after the other.
        frontier.sort_unstable_by_key(|(entity, _)| *entity);
        let any = [None];
        let named: Vec<Option<WordId>> = hops.predicates.iter().map(|id| Some(*id)).collect();
        let predicates = if named.is_empty() { &any[..] } else { &named };
        let mut layer = IdMap::default();
        let mut new = Vec::new();
        for (from, confidence) in frontier {
            for backwards in self.direction.ways() {
                for predicate in predicates {
                    let range = range(from, *predicate, *backwards);
                    reader.each(range, |edge| {
                        let arrival = Arrival {
                            from,
                            step: Step {
                                triple: edge.triple,
                                predicate: edge.predicate,
                                backwards: *backwards,
                            },
                            confidence: confidence * edge.confidence,
                        };
                        let to = far_end(edge, *backwards);
                        if arrival.confidence + ROUNDING < hops.min_confidence {
                            return;
                        }
                        match self.best.get_mut(&to) {
                            Some(best) if *best >= arrival.confidence => return,
                            Some(best) => *best = arrival.confidence,
                            None => {
                                self.best.insert(to, arrival.confidence);
                                new.push(to);
                            }
                        }
                        layer.insert(to, Some(arrival));
                    })?;
                }
            }
        }
        self.layers.push(layer);
        Ok(new)
    }

    /// The path to an entity of the layer `depth`.
    fn path(&self, entity: EntityId, depth: usize) -> Path {
        let confidence = self.layers[depth][&entity].map_or(1.0, |arrival| arrival.confidence);
        let mut entities = vec![entity];
        let mut steps = Vec::new();
        for layer in self.layers[..=depth].iter().rev() {
            let last = entities[entities.len() - 1];
            if let Some(Some(arrival)) = layer.get(&last) {
                steps.push(arrival.step);
                entities.push(arrival.from);
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

fn range(from: EntityId, predicate: Option<WordId>, backwards: bool) -> Range {
    Range {
        subject: (!backwards).then_some(from),
        predicate,
        object: backwards.then_some(from),
    }
}

fn far_end(edge: &Edge, backwards: bool) -> EntityId {
    if backwards { edge.subject } else { edge.object }
}

/// Every entity that can be reached from `starts`, by its shortest path (the
/// surest of those); at most `limit`, those behind `after`.
pub fn traverse(
    reader: &mut Reader<'_>,
    starts: &[EntityId],
    hops: &Hops,
    after: Option<Position>,
    limit: usize,
) -> Result<Reached, StoreError> {
    let mut layers = Layers::from(starts, hops.direction);
    let mut reached = Reached::default();
    for depth in 1..=hops.depth {
        let new = layers.advance(reader, hops)?;
        let mut found: Vec<(f64, EntityId)> = new
            .iter()
            .map(|entity| (layers.best[entity], *entity))
            .collect();
        found.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let behind = |(confidence, entity): &(f64, EntityId)| {
            after.is_none_or(|after| after.is_before(depth, *confidence, *entity))
        };
        for (_, entity) in found.into_iter().filter(behind) {
            if reached.paths.len() == limit {
                reached.more = true;
                return Ok(reached);
            }
            reached.paths.push(layers.path(entity, depth));
        }
        if layers.last().is_empty() || reader.is_spent() {
            break;
        }
    }
    Ok(reached)
}

/// The shortest path from one of `starts` to `goal`, the surest of those.
/// Searched from both ends, always from the side with fewer entities to go on
/// from.
pub fn shortest(
    reader: &mut Reader<'_>,
    starts: &[EntityId],
    goal: EntityId,
    hops: &Hops,
) -> Result<Option<Path>, StoreError> {
    let mut there = Layers::from(starts, hops.direction);
    let mut back = Layers::from(&[goal], hops.direction.reversed());
    loop {
        if let Some(path) = meeting(&there, &back, hops.min_confidence) {
            return Ok(Some(path));
        }
        let spent = there.depth() + back.depth() >= hops.depth || reader.is_spent();
        if spent || there.last().is_empty() || back.last().is_empty() {
            return Ok(None);
        }
        let side = match there.last().len() <= back.last().len() {
            true => &mut there,
            false => &mut back,
        };
        side.advance(reader, hops)?;
    }
}

/// The surest path through an entity that is on both last layers.
fn meeting(there: &Layers, back: &Layers, min_confidence: f64) -> Option<Path> {
    let confidence = |arrival: &Option<Arrival>| arrival.map_or(1.0, |a| a.confidence);
    let both = there.last().iter().filter_map(|(entity, arrival)| {
        let other = back.last().get(entity)?;
        Some((confidence(arrival) * confidence(other), *entity))
    });
    let (best, entity) =
        both.max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(&one.1)))?;
    if best + ROUNDING < min_confidence {
        return None;
    }
    let mut path = there.path(entity, there.depth());
    let mut rest = back.path(entity, back.depth());
    rest.entities.reverse();
    rest.steps.reverse();
    path.entities.extend(&rest.entities[1..]);
    // Seen from the goal, every triple was followed the other way.
    path.steps.extend(rest.steps.iter().map(|step| Step {
        backwards: !step.backwards,
        ..*step
    }));
    path.confidence = best;
    Some(path)
}
