//! Joins patterns in the planned order, each for a whole batch of rows. Ranges that
//! several rows look up are read once. Rows come out in one fixed order, so a page can
//! begin after any row.

use std::ops::ControlFlow;

use futures::future::BoxFuture;

use super::ids::IdMap;
use super::pattern::{Pattern, Query, Term};
use super::reading::{ROUNDING, Reader};
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, ScanLimits, TripleId};

/// Edges of the longest range that is kept for other rows.
const SHARED_RANGE_EDGES: usize = 256;
/// Edges, and ranges, that each step keeps for other rows.
const SHARED_EDGES: usize = 16 * 1024;
/// Rows whose ranges are looked up ahead.
const ROWS_AHEAD: usize = 256;
/// Rows to a range from which reading a wider range once is worth it.
const ROWS_PER_SHARED_RANGE: usize = 4;

/// The bindings of the variables, and the triples that they rest on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// By variable; complete once every pattern was joined.
    pub(super) values: Vec<Option<i64>>,
    /// In the order in which the patterns were joined.
    pub(super) triples: Vec<TripleId>,
    /// The product of their confidences.
    pub(super) confidence: f64,
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct JoinPage {
    /// In the order of the indexes.
    pub(super) rows: Vec<Row>,
    /// Where the next page begins: behind these triples, as in [`Row::triples`],
    /// or behind the first of them.
    pub(super) next: Option<Vec<TripleId>>,
}

/// Rows of equal width, in flat lists.
#[derive(Clone, Debug, Default)]
struct Batch {
    variables: usize,
    steps: usize,
    values: Vec<Option<i64>>,
    triples: Vec<TripleId>,
    confidence: Vec<f64>,
}

impl Batch {
    fn new(variables: usize, steps: usize) -> Batch {
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

    /// Adds a row of `from` extended by `edge`, if they agree.
    fn extend(&mut self, from: &Batch, row: usize, query: &Query, pattern: &Pattern, edge: &Edge) {
        let start = self.values.len();
        self.values.extend_from_slice(from.values(row));
        if !bind(query, &mut self.values[start..], pattern, edge) {
            self.values.truncate(start);
            return;
        }
        self.triples.extend_from_slice(from.triples(row));
        self.triples.push(edge.triple);
        self.confidence.push(from.confidence[row] * edge.confidence);
    }
}

/// Binds the variables of `pattern` to the parts of `edge`; whether they agree
/// with the values there are.
fn bind(query: &Query, values: &mut [Option<i64>], pattern: &Pattern, edge: &Edge) -> bool {
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
                    query.allows(variable, part)
                }
            },
        })
}

/// `values` extended by `edge`, if they agree.
pub(super) fn extended(
    query: &Query,
    values: &[Option<i64>],
    pattern: &Pattern,
    edge: &Edge,
) -> Option<Vec<Option<i64>>> {
    let mut values = values.to_vec();
    bind(query, &mut values, pattern, edge).then_some(values)
}

/// Carries out a query.
pub(super) struct Join<'r, 'a> {
    reader: &'r mut Reader<'a>,
    query: &'r Query,
    order: &'r [usize],
    min_confidence: f64,
    limit: usize,
    lookups: Vec<Lookups>,
    joined: JoinPage,
}

impl<'r, 'a> Join<'r, 'a> {
    /// A join of the patterns of `query` in `order` that finds up to `limit` rows.
    pub(super) fn new(
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
            lookups: order.iter().map(|_| Lookups::default()).collect(),
            joined: JoinPage::default(),
        }
    }

    /// The rows after `after` (as in `JoinPage::next`), or all of them. `None` if `after`
    /// does not belong to this query.
    pub(super) async fn run(mut self, after: &[Edge]) -> Result<Option<JoinPage>, StoreError> {
        let mut first = Batch::new(self.query.variables.len(), 0);
        first.values = vec![None; first.variables];
        first.confidence = vec![1.0];
        let mut rows = vec![first];
        for (step, edge) in after.iter().enumerate() {
            let Some(pattern) = self.order.get(step) else {
                return Ok(None);
            };
            let pattern = &self.query.patterns[*pattern];
            let mut row = Batch::new(self.query.variables.len(), step + 1);
            row.extend(&rows[step], 0, self.query, pattern, edge);
            if row.len() == 0 {
                return Ok(None);
            }
            rows.push(row);
        }
        // First the rest of the innermost range that was cut, then outwards.
        for (step, edge) in after.iter().enumerate().rev() {
            if self.step(step, &rows[step], Some(*edge)).await?.is_break() {
                return Ok(Some(self.joined));
            }
        }
        if after.is_empty() {
            let _all = self.step(0, &rows[0], None).await?;
        }
        Ok(Some(self.joined))
    }

    /// Joins the pattern of `step`, and those behind it, to every row of `batch`;
    /// of the first row only the edges behind `after`. Breaks where a page ends.
    fn step<'s>(
        &'s mut self,
        step: usize,
        batch: &'s Batch,
        mut after: Option<Edge>,
    ) -> BoxFuture<'s, Result<ControlFlow<()>, StoreError>> {
        Box::pin(async move {
            if step == self.order.len() {
                return Ok(self.emit(batch));
            }
            let (query, min_confidence) = (self.query, self.min_confidence);
            let pattern = &query.patterns[self.order[step]];
            let sharing = RangeSharing::of(pattern, batch);
            let mut out = Batch::new(batch.variables, step + 1);
            for row in 0..batch.len() {
                let range = pattern.range(batch.values(row));
                loop {
                    // The first pattern has one row, and each page of a long range is
                    // for one row.
                    let shared = match step > 0 && after.is_none() {
                        true => self.look_up(step, pattern, batch, row, sharing).await?,
                        false => None,
                    };
                    let page;
                    let (edges, has_more) = match shared {
                        Some(edges) => (edges, false),
                        None => {
                            page = self.reader.scan(&[range], after, PAGE).await?;
                            (&page.edges[..], page.ranges[0].has_more)
                        }
                    };
                    after = edges.last().copied();
                    for edge in edges {
                        let confidence = batch.confidence[row] * edge.confidence;
                        if confidence + ROUNDING >= min_confidence {
                            out.extend(batch, row, query, pattern, edge);
                        }
                    }
                    let is_exhausted = self.reader.is_exhausted();
                    if is_exhausted || has_more || out.len() >= limits::GRAPH_JOIN_ROWS_MAX {
                        let rows =
                            std::mem::replace(&mut out, Batch::new(batch.variables, step + 1));
                        if self.step(step + 1, &rows, None).await?.is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    if is_exhausted {
                        // After a complete row the previous step continues.
                        let mut next = batch.triples(row).to_vec();
                        next.extend(after.filter(|_| has_more).map(|edge| edge.triple));
                        // Without any triple there is no step before: all was read.
                        self.joined.next = (!next.is_empty()).then_some(next);
                        return Ok(ControlFlow::Break(()));
                    }
                    if !has_more {
                        break;
                    }
                }
                after = None;
            }
            self.step(step + 1, &out, None).await
        })
    }

    fn emit(&mut self, batch: &Batch) -> ControlFlow<()> {
        for row in 0..batch.len() {
            if self.joined.rows.len() == self.limit {
                self.joined.next = self.joined.rows.last().map(|row| row.triples.clone());
                return ControlFlow::Break(());
            }
            self.joined.rows.push(Row {
                values: batch.values(row).to_vec(),
                triples: batch.triples(row).to_vec(),
                confidence: batch.confidence[row],
            });
        }
        ControlFlow::Continue(())
    }

    /// The edges of a row's range from those that rows share; `None` where the
    /// range is too long for that. Looks up the ranges of the next rows as well.
    async fn look_up(
        &mut self,
        step: usize,
        pattern: &Pattern,
        batch: &Batch,
        row: usize,
        sharing: RangeSharing,
    ) -> Result<Option<&[Edge]>, StoreError> {
        let lookups = &mut self.lookups[step];
        let range = pattern.range(batch.values(row));
        let wide = sharing.widened(range);
        if !lookups.ranges.contains_key(&wide) {
            let rows = (row..batch.len()).take(ROWS_AHEAD);
            let ranges = rows.map(|row| sharing.widened(pattern.range(batch.values(row))));
            lookups.load(ranges, self.reader).await?;
        }
        let edges = lookups.edges(&wide);
        Ok(edges.map(|edges| sharing.narrowed(edges, range)))
    }
}

/// A page of one long range.
const PAGE: ScanLimits = ScanLimits {
    edges_per_range: limits::GRAPH_JOIN_ROWS_MAX,
    reads: usize::MAX,
};

/// The range that is read for a row. If both ends are known, each row needs one triple;
/// if many rows share an end, all triples of that end are read at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RangeSharing {
    /// The row's own range.
    Exact,
    /// Every object of its subject.
    BySubject,
    /// Every subject of its object.
    ByObject,
}

impl RangeSharing {
    fn of(pattern: &Pattern, batch: &Batch) -> RangeSharing {
        if batch.len() < ROWS_PER_SHARED_RANGE {
            return RangeSharing::Exact;
        }
        let range = pattern.range(batch.values(0));
        let (Some(_), Some(_), Some(_)) = (range.subject, range.predicate, range.object) else {
            return RangeSharing::Exact;
        };
        let distinct = |term: Term| match term {
            Term::Known(_) => 1,
            Term::Variable(variable) => {
                let values = (0..batch.len()).map(|row| (batch.values(row)[variable], ()));
                values.collect::<IdMap<_, _>>().len()
            }
        };
        let (subjects, objects) = (distinct(pattern.subject), distinct(pattern.object));
        match subjects.min(objects) * ROWS_PER_SHARED_RANGE > batch.len() {
            true => RangeSharing::Exact,
            false if subjects <= objects => RangeSharing::BySubject,
            false => RangeSharing::ByObject,
        }
    }

    /// The range that is read for `range`.
    fn widened(self, range: Range) -> Range {
        match self {
            RangeSharing::Exact => range,
            RangeSharing::BySubject => Range {
                object: None,
                ..range
            },
            RangeSharing::ByObject => Range {
                subject: None,
                ..range
            },
        }
    }

    /// Those of the widened range's edges that belong to `range`.
    fn narrowed(self, edges: &[Edge], range: Range) -> &[Edge] {
        let found = match self {
            RangeSharing::Exact => return edges,
            RangeSharing::BySubject => {
                edges.binary_search_by_key(&range.object, |edge| Some(edge.object))
            }
            RangeSharing::ByObject => {
                edges.binary_search_by_key(&range.subject, |edge| Some(edge.subject))
            }
        };
        found.map_or(&[], |at| &edges[at..=at])
    }
}

/// Ranges of one step that were read for all rows.
#[derive(Default)]
struct Lookups {
    /// Where the edges of each range are; `None` for a range that is too long.
    ranges: IdMap<Range, Option<(usize, usize)>>,
    edges: Vec<Edge>,
}

impl Lookups {
    fn edges(&self, range: &Range) -> Option<&[Edge]> {
        let (start, end) = (*self.ranges.get(range)?)?;
        Some(&self.edges[start..end])
    }

    /// Reads ranges, at least the first, as many as one call brings.
    async fn load(
        &mut self,
        ranges: impl Iterator<Item = Range>,
        reader: &mut Reader<'_>,
    ) -> Result<(), StoreError> {
        if self.edges.len() > SHARED_EDGES || self.ranges.len() > SHARED_EDGES {
            self.ranges.clear();
            self.edges.clear();
        }
        let mut missing = Vec::new();
        for range in ranges {
            self.ranges.entry(range).or_insert_with(|| {
                missing.push(range);
                None
            });
        }
        let limits = ScanLimits {
            edges_per_range: SHARED_RANGE_EDGES,
            reads: limits::GRAPH_JOIN_ROWS_MAX,
        };
        let scan = reader.scan(&missing, None, limits).await?;
        for (range, (edges, has_more)) in missing.iter().zip(scan.by_range()) {
            if !has_more {
                let start = self.edges.len();
                self.edges.extend_from_slice(edges);
                self.ranges.insert(*range, Some((start, self.edges.len())));
            }
        }
        for range in &missing[scan.ranges.len()..] {
            self.ranges.remove(range);
        }
        Ok(())
    }
}
