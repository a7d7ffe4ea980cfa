//! Joining patterns: one after the other in the planned order, each time for a
//! whole set of rows, with every range read once for all rows that want it.
//! Rows come out in one fixed order, so a page can go on behind any row.

use std::collections::HashMap;

use super::pattern::{Pattern, Query, Term};
use super::reading::Reader;
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, TripleId};

/// A product of shares is not exact; a limit that it meets is met.
const ROUNDING: f64 = 1e-9;
/// Ranges up to this long are read whole where several rows may want them.
const SHARED_RANGE: usize = 256;
/// Edges of shared ranges that are kept at a time, for each step.
const SHARED_EDGES: usize = 16 * 1024;

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

impl Row {
    fn empty(query: &Query) -> Row {
        Row {
            values: vec![None; query.variables.len()],
            triples: Vec::new(),
            confidence: 1.0,
        }
    }
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joined {
    /// In the order of the indexes they were found in.
    pub rows: Vec<Row>,
    /// Where they go on: triples as in [`Row::triples`], or the first of them.
    pub next: Option<Vec<TripleId>>,
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
        let mut rows = vec![Row::empty(self.query)];
        for (step, edge) in after.iter().enumerate() {
            let Some(pattern) = self.order.get(step) else {
                return Ok(None);
            };
            let row = &rows[step];
            let pattern = &self.query.patterns[*pattern];
            let Some(row) = self.extended(row, pattern, edge) else {
                return Ok(None);
            };
            rows.push(row);
        }
        // First the rest of the innermost range that was cut, then outwards.
        for (step, edge) in after.iter().enumerate().rev() {
            let batch = vec![rows[step].clone()];
            if self.step(step, &batch, Some(*edge))? == Flow::Enough {
                return Ok(Some(self.found));
            }
        }
        if after.is_empty() {
            self.step(0, &rows, None)?;
        }
        Ok(Some(self.found))
    }

    /// Joins the pattern of `step`, and those behind it, to every row of
    /// `batch`; of the first one only what lies behind `after`.
    fn step(
        &mut self,
        step: usize,
        batch: &[Row],
        after: Option<Edge>,
    ) -> Result<Flow, StoreError> {
        if step == self.order.len() {
            return Ok(self.emit(batch));
        }
        let pattern = &self.query.patterns[self.order[step]];
        let mut after = after;
        let mut out = Vec::new();
        let mut edges = Vec::new();
        for row in batch {
            loop {
                edges.clear();
                let more = self.edges(step, pattern, row, after, &mut edges)?;
                after = edges.last().copied();
                for edge in &edges {
                    out.extend(self.extended(row, pattern, edge));
                }
                let spent = self.reader.is_spent();
                if spent || more || out.len() >= limits::GRAPH_JOIN_ROWS_MAX {
                    let rows = std::mem::take(&mut out);
                    if self.step(step + 1, &rows, None)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
                if spent {
                    // A row that is done is where the step before it goes on.
                    let mut next = row.triples.clone();
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

    fn emit(&mut self, rows: &[Row]) -> Flow {
        for row in rows {
            if self.found.rows.len() == self.limit {
                self.found.next = self.found.rows.last().map(|row| row.triples.clone());
                return Flow::Enough;
            }
            self.found.rows.push(row.clone());
        }
        Flow::On
    }

    /// `row` with what `edge` adds to it, where they agree.
    fn extended(&self, row: &Row, pattern: &Pattern, edge: &Edge) -> Option<Row> {
        let confidence = row.confidence * edge.confidence;
        if confidence + ROUNDING < self.min_confidence {
            return None;
        }
        let mut values = row.values.clone();
        let parts = [edge.subject, edge.predicate, edge.object];
        for (term, part) in pattern.terms().into_iter().zip(parts) {
            match term {
                Term::Known(id) if id != part => return None,
                Term::Known(_) => {}
                Term::Variable(variable) => match values[variable] {
                    Some(value) if value != part => return None,
                    Some(_) => {}
                    None if !self.query.fits(variable, part) => return None,
                    None => values[variable] = Some(part),
                },
            }
        }
        let mut triples = Vec::with_capacity(self.order.len());
        triples.extend_from_slice(&row.triples);
        triples.push(edge.triple);
        Some(Row {
            values,
            triples,
            confidence,
        })
    }

    /// Edges that `pattern` may have for `row`, behind `after`; whether there
    /// are more.
    fn edges(
        &mut self,
        step: usize,
        pattern: &Pattern,
        row: &Row,
        after: Option<Edge>,
        out: &mut Vec<Edge>,
    ) -> Result<bool, StoreError> {
        let range = pattern.range(&row.values);
        if after.is_none() && step > 0 {
            let wider = wider(range, pattern, self.order, step, self.query);
            if let Some(edges) = self.shared[step].of(wider, self.reader)? {
                match (wider == range, range.object, range.subject) {
                    (true, ..) => out.extend_from_slice(edges),
                    (false, object, subject) => out.extend(edges.iter().filter(|edge| {
                        Some(edge.object) == object && Some(edge.subject) == subject
                    })),
                }
                return Ok(false);
            }
        }
        let scanned = self
            .reader
            .scan(range, after, limits::GRAPH_JOIN_ROWS_MAX, out)?;
        Ok(scanned.more)
    }
}

/// Where both ends are known: the range of the end that was known first, which
/// many rows next to each other share.
fn wider(range: Range, pattern: &Pattern, order: &[usize], step: usize, query: &Query) -> Range {
    let (Some(_), Some(_), Some(_)) = (range.subject, range.predicate, range.object) else {
        return range;
    };
    let known_at = |term: Term| match term {
        Term::Known(_) => 0,
        Term::Variable(_) => order[..step]
            .iter()
            .position(|earlier| query.patterns[*earlier].terms().contains(&term))
            .map_or(step, |at| at + 1),
    };
    match known_at(pattern.subject) <= known_at(pattern.object) {
        true => Range {
            object: None,
            ..range
        },
        false => Range {
            subject: None,
            ..range
        },
    }
}

/// Ranges of one step that were read whole, for the rows that want them too.
#[derive(Default)]
struct Shared {
    /// Where each range lies in `edges`; `None` is one too long to be kept.
    ranges: HashMap<Range, Option<(usize, usize)>>,
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
