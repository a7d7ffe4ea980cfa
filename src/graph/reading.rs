//! Reading triples within the budget of one question.

use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Edge, GraphSnapshot, Range, Scan, ScanLimits, View};

/// Rounding tolerance for products of confidences at a minimum.
pub(super) const ROUNDING: f64 = 1e-9;
/// Edges of one range per call.
const EDGES_PER_RANGE: usize = 1_024;
/// Triples after which a call begins no further range.
const READS_PER_CALL: usize = 16 * 1_024;

/// A snapshot, the visible part of it, and how much more may be read.
pub(super) struct Reader<'a> {
    pub(super) graph: &'a dyn GraphSnapshot,
    view: View,
    budget: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(graph: &'a dyn GraphSnapshot, view: View) -> Reader<'a> {
        Reader::with_budget(graph, view, limits::GRAPH_READ_TRIPLES_MAX)
    }

    /// A reader of about so many triples.
    pub(super) fn with_budget(
        graph: &'a dyn GraphSnapshot,
        view: View,
        budget: usize,
    ) -> Reader<'a> {
        Reader {
            graph,
            view,
            budget,
        }
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.budget == 0
    }

    /// See `GraphSnapshot::scan_many`. At least one range is read, also where the
    /// budget is exhausted.
    pub(super) async fn scan(
        &mut self,
        ranges: &[Range],
        after: Option<Edge>,
        limits: ScanLimits,
    ) -> Result<Scan, StoreError> {
        let limits = ScanLimits {
            reads: limits.reads.min(self.budget),
            ..limits
        };
        let scan = self
            .graph
            .scan_many(ranges, after, limits, &self.view)
            .await?;
        self.budget = self.budget.saturating_sub(scan.reads);
        Ok(scan)
    }

    /// Visits every edge with the number of its range, range after range, until
    /// the budget is exhausted.
    pub(super) async fn visit(
        &mut self,
        ranges: &[Range],
        mut visit: impl FnMut(usize, &Edge),
    ) -> Result<(), StoreError> {
        let limits = ScanLimits {
            edges_per_range: EDGES_PER_RANGE,
            reads: READS_PER_CALL,
        };
        let mut first = 0;
        while first < ranges.len() && !self.is_exhausted() {
            let scan = self.scan(&ranges[first..], None, limits).await?;
            for (nth, (edges, has_more)) in scan.by_range().enumerate() {
                let range = first + nth;
                edges.iter().for_each(|edge| visit(range, edge));
                // The rest of a long range comes before the next range.
                let mut last = edges.last().copied().filter(|_| has_more);
                while last.is_some() && !self.is_exhausted() {
                    let rest = self.scan(&ranges[range..=range], last, limits).await?;
                    rest.edges.iter().for_each(|edge| visit(range, edge));
                    let has_more = rest.ranges[0].has_more;
                    last = rest.edges.last().copied().filter(|_| has_more);
                }
            }
            first += scan.ranges.len();
        }
        Ok(())
    }
}
