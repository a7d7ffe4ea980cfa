//! In which order patterns are joined: always the one next of which the fewest
//! triples are to be expected for a row, found out by asking the indexes for a
//! few rows.

use super::join::Join;
use super::pattern::{Pattern, Query, Term};
use super::reading::Reader;
use crate::store::StoreError;
use crate::store::graph::Range;

/// Rows of which a pattern's triples are counted.
const PROBES: usize = 6;
/// Counting goes no further than this.
const COUNTED: usize = 64;
/// Rows that a plan is tried on.
const SAMPLE: usize = 48;
/// What a pattern costs that shares nothing with those before it.
const APART: f64 = 1e6;

/// The order in which to join the patterns of `query`.
pub fn order(reader: &mut Reader<'_>, query: &Query) -> Result<Vec<usize>, StoreError> {
    let mut order: Vec<usize> = Vec::new();
    let mut rest: Vec<usize> = (0..query.patterns.len()).collect();
    let mut sample = vec![vec![None; query.variables.len()]];
    while !rest.is_empty() {
        let mut best = (f64::INFINITY, 0);
        for (place, nth) in rest.iter().enumerate() {
            let cost = cost(reader, &query.patterns[*nth], &sample)?;
            if cost < best.0 {
                best = (cost, place);
            }
        }
        order.push(rest.remove(best.1));
        if rest.len() > 1 {
            let tried = Join::new(reader, query, &order, 0.0, SAMPLE).run(&[])?;
            let rows = tried.map(|tried| tried.rows).unwrap_or_default();
            // Nothing there: what it costs to find that out stays as it is.
            if !rows.is_empty() {
                sample = rows.into_iter().map(|row| row.values).collect();
            }
        }
    }
    Ok(order)
}

/// Triples of `pattern` to be expected for one of the sampled rows.
fn cost(
    reader: &mut Reader<'_>,
    pattern: &Pattern,
    sample: &[Vec<Option<i64>>],
) -> Result<f64, StoreError> {
    let first = pattern.range(&sample[0]);
    if let Range {
        subject: None,
        predicate,
        object: None,
    } = first
    {
        let uses = match predicate {
            Some(predicate) => reader.graph.word(predicate)?.1 as f64,
            None => 1e12,
        };
        let begins = sample[0].iter().all(Option::is_none);
        return Ok(if begins { uses } else { uses * APART });
    }
    let apart = !sample[0].iter().all(Option::is_none) && !shares(pattern, &sample[0]);
    let every = sample.len().div_ceil(PROBES);
    let (mut triples, mut probes) = (0, 0);
    for row in sample.iter().step_by(every) {
        let mut edges = Vec::new();
        reader.scan(pattern.range(row), None, COUNTED, &mut edges)?;
        triples += edges.len();
        probes += 1;
    }
    let mut expected = triples as f64 / f64::from(probes.max(1));
    // A predicate seldom used cannot have many triples anywhere.
    if expected >= COUNTED as f64
        && let Some(predicate) = first.predicate
    {
        expected = expected.max((reader.graph.word(predicate)?.1 as f64).sqrt());
    }
    Ok(if apart { expected * APART } else { expected })
}

fn shares(pattern: &Pattern, values: &[Option<i64>]) -> bool {
    let is_known = |term: Term| match term {
        Term::Known(_) => false,
        Term::Variable(variable) => values[variable].is_some(),
    };
    pattern.terms().into_iter().any(is_known)
}
