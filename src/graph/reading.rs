//! Reading triples within a bound: what every question goes through.

use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Edge, GraphSnapshot, Range, Scanned, View};

/// A product of shares is not exact; a limit that it meets is met.
pub const ROUNDING: f64 = 1e-9;
/// Edges taken from the store at a time.
const CHUNK: usize = 1_024;

/// A snapshot, what of it is seen, and how much more may be read.
pub struct Reader<'a> {
    /// The snapshot.
    pub graph: &'a dyn GraphSnapshot,
    view: View,
    left: usize,
    edges: Vec<Edge>,
}

impl<'a> Reader<'a> {
    /// A reader that has read nothing yet.
    pub fn new(graph: &'a dyn GraphSnapshot, view: View) -> Reader<'a> {
        Reader::bounded(graph, view, limits::GRAPH_READ_TRIPLES_MAX)
    }

    /// A reader of about so many triples.
    pub fn bounded(graph: &'a dyn GraphSnapshot, view: View, triples: usize) -> Reader<'a> {
        Reader {
            graph,
            view,
            left: triples,
            edges: Vec::new(),
        }
    }

    /// Whether everything was read that one question may read.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// See `GraphSnapshot::scan`.
    pub fn scan(
        &mut self,
        range: Range,
        after: Option<Edge>,
        limit: usize,
        out: &mut Vec<Edge>,
    ) -> Result<Scanned, StoreError> {
        let scanned = self.graph.scan(range, after, limit, &self.view, out)?;
        self.left = self.left.saturating_sub(scanned.read + 1);
        Ok(scanned)
    }

    /// Visits the edges of a range, all of them unless the reader is spent.
    pub fn each(&mut self, range: Range, mut visit: impl FnMut(&Edge)) -> Result<(), StoreError> {
        let mut edges = std::mem::take(&mut self.edges);
        let mut after = None;
        while !self.is_spent() {
            edges.clear();
            let scanned = self.scan(range, after, CHUNK, &mut edges)?;
            edges.iter().for_each(&mut visit);
            after = edges.last().copied();
            if !scanned.more {
                break;
            }
        }
        self.edges = edges;
        Ok(())
    }
}
