//! In which order patterns are joined: always the one next of which the fewest
//! triples are to be expected for a row, found out by asking the indexes for a
//! few rows.

use super::join::extended;
use super::pattern::{Pattern, Query, Term};
use super::reading::Reader;
use crate::store::StoreError;
use crate::store::graph::Range;

/// Rows of which a pattern's triples are counted.
const PROBES: usize = 6;
/// Counting goes no further than this.
const COUNTED: usize = 32;
/// What a pattern costs that shares nothing with those before it.
const APART: f64 = 1e6;

type Values = Vec<Option<i64>>;

/// What joining a pattern next would come to.
struct Tried {
    /// Triples to be expected for a row.
    cost: f64,
    /// Some of the rows it would make.
    rows: Vec<Values>,
}

/// The order in which to join the patterns of `query`.
pub fn order(reader: &mut Reader<'_>, query: &Query) -> Result<Vec<usize>, StoreError> {
    let mut order: Vec<usize> = Vec::new();
    let mut rest: Vec<usize> = (0..query.patterns.len()).collect();
    let mut sample = vec![vec![None; query.variables.len()]];
    while rest.len() > 1 {
        let mut best: Option<(usize, Tried)> = None;
        for (place, nth) in rest.iter().enumerate() {
            let tried = attempt(reader, query, &query.patterns[*nth], &sample)?;
            if best.as_ref().is_none_or(|(_, best)| tried.cost < best.cost) {
                best = Some((place, tried));
            }
        }
        let Some((place, tried)) = best else { break };
        order.push(rest.remove(place));
        // Nothing there: what it costs to find that out stays as it is.
        if !tried.rows.is_empty() {
            sample = tried.rows;
        }
    }
    order.extend(rest);
    Ok(order)
}

fn attempt(
    reader: &mut Reader<'_>,
    query: &Query,
    pattern: &Pattern,
    sample: &[Values],
) -> Result<Tried, StoreError> {
    let first = pattern.range(&sample[0]);
    let begins = sample[0].iter().all(Option::is_none);
    let uses = |reader: &Reader<'_>| match first.predicate {
        Some(predicate) => Ok(reader.graph.word(predicate)?.1 as f64),
        None => Ok::<f64, StoreError>(1e12),
    };
    let apart = if begins || shares(pattern, &sample[0]) {
        1.0
    } else {
        APART
    };
    if let Range {
        subject: None,
        object: None,
        ..
    } = first
        && apart > 1.0
    {
        let cost = uses(reader)? * apart;
        return Ok(Tried {
            cost,
            rows: Vec::new(),
        });
    }
    let every = sample.len().div_ceil(PROBES);
    let (mut found, mut probes, mut rows) = (0, 0, Vec::new());
    for row in sample.iter().step_by(every) {
        let mut edges = Vec::new();
        reader.scan(pattern.range(row), None, COUNTED, &mut edges)?;
        found += edges.len();
        probes += 1;
        // A few from each, so that one long range does not stand for all.
        let thin = edges.len().div_ceil(PROBES).max(1);
        let some = edges.iter().step_by(thin);
        rows.extend(some.filter_map(|edge| extended(query, row, pattern, edge)));
    }
    let mut cost = found as f64 / f64::from(probes.max(1));
    // Counted to the end, it may be anything up to all of the predicate's.
    if cost >= COUNTED as f64 {
        let all = uses(reader)?;
        let whole = first.subject.is_none() && first.object.is_none();
        cost = cost.max(if whole { all } else { all.sqrt() });
    }
    Ok(Tried {
        cost: cost * apart,
        rows,
    })
}

fn shares(pattern: &Pattern, values: &[Option<i64>]) -> bool {
    let is_known = |term: Term| match term {
        Term::Known(_) => false,
        Term::Variable(variable) => values[variable].is_some(),
    };
    pattern.terms().into_iter().any(is_known)
}
