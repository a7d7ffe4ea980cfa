//! Joining patterns: one after the other in the planned order, each time for a
//! whole set of rows, with a range that several rows want read once for all.
//! Rows come out in one fixed order, so a page can go on behind any row.

use super::ids::IdMap;
use super::pattern::{Pattern, Query, Term};
use super::reading::{ROUNDING, Reader};
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, TripleId};

/// Ranges up to this long are kept for the next row that wants them.
const SHARED_RANGE: usize = 256;
/// Edges of shared ranges that are kept at a time, for each step.
const SHARED_EDGES: usize = 16 * 1024;
/// From so many rows a range on, it is read whole where each row wants one
/// triple of it.
const WORTH_SHARING: usize = 4;

/// What the variables stand for, and what that rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// By variable; all known once every pattern was joined.
    pub values: Vec<Option<i64>>,
    /// The triples, in the order the patterns were joined.
    pub triples: Vec<TripleId>,
    /// The product of their confidences.
    pub confidence: f64,
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joined {
    /// In the order of the indexes they were found in.
    pub rows: Vec<Row>,
    /// Where they go on: triples as in [`Row::triples`], or the first of them.
    pub next: Option<Vec<TripleId>>,
}

/// Rows of equal width, one behind the other.
#[derive(Clone, Debug, Default)]
struct Batch {
    variables: usize,
    steps: usize,
    values: Vec<Option<i64>>,
    triples: Vec<TripleId>,
    confidence: Vec<f64>,
}

impl Batch {
    fn of(variables: usize, steps: usize) -> Batch {
        Batch {
            variables,
            steps,
            ..Batch::default()
        }
    }

    fn len(&self) -> usize {
        self.confidence.len()
    }

    fn values(&self, row: usize) -> &[Option<i64>] {
        &self.values[row * self.variables..][..self.variables]
    }

    fn triples(&self, row: usize) -> &[TripleId] {
        &self.triples[row * self.steps..][..self.steps]
    }

    /// Takes a row of `from` on with what `edge` adds to it, where they agree.
    fn extend(&mut self, from: &Batch, row: usize, query: &Query, pattern: &Pattern, edge: &Edge) {
        let start = self.values.len();
        self.values.extend_from_slice(from.values(row));
        if !agree(query, &mut self.values[start..], pattern, edge) {
            self.values.truncate(start);
            return;
        }
        self.triples.extend_from_slice(from.triples(row));
        self.triples.push(edge.triple);
        self.confidence.push(from.confidence[row] * edge.confidence);
    }
}

/// Sets the variables of `pattern` to the parts of `edge`; whether they could
/// be that.
fn agree(query: &Query, values: &mut [Option<i64>], pattern: &Pattern, edge: &Edge) -> bool {
    let parts = [edge.subject, edge.predicate, edge.object];
    pattern
        .terms()
        .into_iter()
        .zip(parts)
        .all(|(term, part)| match term {
            Term::Known(id) => id == part,
            Term::Variable(variable) => match values[variable] {
                Some(value) => value == part,
                None => {
                    values[variable] = Some(part);
                    query.fits(variable, part)
                }
            },
        })
}

/// `values` with what `edge` adds to them, where they agree.
pub fn extended(
    query: &Query,
    values: &[Option<i64>],
    pattern: &Pattern,
    edge: &Edge,
) -> Option<Vec<Option<i64>>> {
    let mut values = values.to_vec();
    agree(query, &mut values, pattern, edge).then_some(values)
}

/// Carries out a query.
pub struct Join<'r, 'a> {
    reader: &'r mut Reader<'a>,
    query: &'r Query,
    order: &'r [usize],
    min_confidence: f64,
    limit: usize,
    shared: Vec<Shared>,
    found: Joined,
}

/// Whether the search goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Enough,
}

impl<'r, 'a> Join<'r, 'a> {
    /// A join of the patterns of `query` in `order` that finds up to `limit` rows.
    pub fn new(
        reader: &'r mut Reader<'a>,
        query: &'r Query,
        order: &'r [usize],
        min_confidence: f64,
        limit: usize,
    ) -> Join<'r, 'a> {
        Join {
            reader,
            query,
            order,
            min_confidence,
            limit,
            shared: order.iter().map(|_| Shared::default()).collect(),
            found: Joined::default(),
        }
    }

    /// The rows behind `after` (as `Joined::next` has it), or from the first.
    /// `None` where `after` does not belong to this query.
    pub fn run(mut self, after: &[Edge]) -> Result<Option<Joined>, StoreError> {
        let mut first = Batch::of(self.query.variables.len(), 0);
        first.values = vec![None; first.variables];
        first.confidence = vec![1.0];
        let mut rows = vec![first];
        for (step, edge) in after.iter().enumerate() {
            let Some(pattern) = self.order.get(step) else {
                return Ok(None);
            };
            let mut row = Batch::of(self.query.variables.len(), step + 1);
            row.extend(
                &rows[step],
                0,
                self.query,
                &self.query.patterns[*pattern],
                edge,
            );
            if row.len() == 0 {
                return Ok(None);
            }
            rows.push(row);
        }
        // First the rest of the innermost range that was cut, then outwards.
        for (step, edge) in after.iter().enumerate().rev() {
            if self.step(step, &rows[step], Some(*edge))? == Flow::Enough {
                return Ok(Some(self.found));
            }
        }
        if after.is_empty() {
            self.step(0, &rows[0], None)?;
        }
        Ok(Some(self.found))
    }

    /// Joins the pattern of `step`, and those behind it, to every row of
    /// `batch`; of the first one only what lies behind `after`.
    fn step(
        &mut self,
        step: usize,
        batch: &Batch,
        mut after: Option<Edge>,
    ) -> Result<Flow, StoreError> {
        if step == self.order.len() {
            return Ok(self.emit(batch));
        }
        let pattern = &self.query.patterns[self.order[step]];
        let wider = Wider::of(pattern, batch);
        let mut out = Batch::of(batch.variables, step + 1);
        let mut edges = Vec::new();
        for row in 0..batch.len() {
            loop {
                edges.clear();
                let range = pattern.range(batch.values(row));
                let more = self.edges(step, range, wider, after, &mut edges)?;
                after = edges.last().copied();
                for edge in &edges {
                    let confidence = batch.confidence[row] * edge.confidence;
                    if confidence + ROUNDING >= self.min_confidence {
                        out.extend(batch, row, self.query, pattern, edge);
                    }
                }
                let spent = self.reader.is_spent();
                if spent || more || out.len() >= limits::GRAPH_JOIN_ROWS_MAX {
                    let rows = std::mem::replace(&mut out, Batch::of(batch.variables, step + 1));
                    if self.step(step + 1, &rows, None)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
                if spent {
                    // A row that is done is where the step before it goes on.
                    let mut next = batch.triples(row).to_vec();
                    next.extend(after.filter(|_| more).map(|edge| edge.triple));
                    // Of the first step there is nothing before it: all was read.
                    self.found.next = (!next.is_empty()).then_some(next);
                    return Ok(Flow::Enough);
                }
                if !more {
                    break;
                }
            }
            after = None;
        }
        self.step(step + 1, &out, None)
    }

    fn emit(&mut self, batch: &Batch) -> Flow {
        for row in 0..batch.len() {
            if self.found.rows.len() == self.limit {
                self.found.next = self.found.rows.last().map(|row| row.triples.clone());
                return Flow::Enough;
            }
            self.found.rows.push(Row {
                values: batch.values(row).to_vec(),
                triples: batch.triples(row).to_vec(),
                confidence: batch.confidence[row],
            });
        }
        Flow::On
    }

    /// The edges of a range behind `after`; whether there are more.
    fn edges(
        &mut self,
        step: usize,
        range: Range,
        wider: Wider,
        after: Option<Edge>,
        out: &mut Vec<Edge>,
    ) -> Result<bool, StoreError> {
        let shared = match wider {
            _ if after.is_some() || step == 0 => None,
            Wider::No => None,
            Wider::Same => self.shared[step].of(range, self.reader)?,
            Wider::Subject | Wider::Object => {
                let mut whole = range;
                match wider {
                    Wider::Subject => whole.object = None,
                    _ => whole.subject = None,
                }
                self.shared[step].of(whole, self.reader)?
            }
        };
        if let Some(edges) = shared {
            match wider {
                Wider::Same | Wider::No => out.extend_from_slice(edges),
                Wider::Subject => out.extend(
                    edges
                        .binary_search_by_key(&range.object, |edge| Some(edge.object))
                        .map(|at| edges[at]),
                ),
                Wider::Object => out.extend(
                    edges
                        .binary_search_by_key(&range.subject, |edge| Some(edge.subject))
                        .map(|at| edges[at]),
                ),
            }
            return Ok(false);
        }
        let scanned = self
            .reader
            .scan(range, after, limits::GRAPH_JOIN_ROWS_MAX, out)?;
        Ok(scanned.more)
    }
}

/// What is read for a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wider {
    /// Its own range, for itself.
    No,
    /// Its own range, which other rows may want too.
    Same,
    /// All that its subject leads to: other rows have it too.
    Subject,
    /// All that leads to its object: other rows have it too.
    Object,
}

impl Wider {
    /// What serves the rows of `batch` best. Where both ends are known each row
    /// wants one triple; if many share an end, what that end has is read once.
    fn of(pattern: &Pattern, batch: &Batch) -> Wider {
        if batch.len() < WORTH_SHARING {
            return Wider::Same;
        }
        let range = pattern.range(batch.values(0));
        let (Some(_), Some(_), Some(_)) = (range.subject, range.predicate, range.object) else {
            return Wider::Same;
        };
        let different = |term: Term| match term {
            Term::Known(_) => 1,
            Term::Variable(variable) => {
                let values = (0..batch.len()).map(|row| (batch.values(row)[variable], ()));
                values.collect::<IdMap<_, _>>().len()
            }
        };
        let (subjects, objects) = (different(pattern.subject), different(pattern.object));
        match subjects.min(objects) * WORTH_SHARING > batch.len() {
            true => Wider::No,
            false if subjects <= objects => Wider::Subject,
            false => Wider::Object,
        }
    }
}

/// Ranges of one step that were read whole, for the rows that want them too.
#[derive(Default)]
struct Shared {
    /// Where each range lies in `edges`; `None` is one too long to be kept.
    ranges: IdMap<Range, Option<(usize, usize)>>,
    edges: Vec<Edge>,
}

impl Shared {
    /// The edges of a range, unless it is too long.
    fn of(&mut self, range: Range, reader: &mut Reader<'_>) -> Result<Option<&[Edge]>, StoreError> {
        if let Some(known) = self.ranges.get(&range) {
            return Ok(known.map(|(start, end)| &self.edges[start..end]));
        }
        if self.edges.len() > SHARED_EDGES || self.ranges.len() > SHARED_EDGES {
            self.ranges.clear();
            self.edges.clear();
        }
        let start = self.edges.len();
        let scanned = reader.scan(range, None, SHARED_RANGE, &mut self.edges)?;
        if scanned.more {
            self.edges.truncate(start);
        }
        let place = (!scanned.more).then_some((start, self.edges.len()));
        self.ranges.insert(range, place);
        Ok(place.map(|(start, end)| &self.edges[start..end]))
    }
}
