//! The join order of patterns: always the pattern next that is expected to match
//! the fewest triples for a row. The estimates come from probing the indexes for
//! a few sample rows.

use super::ids::IdMap;
use super::join::extended;
use super::pattern::{Pattern, Query, Term};
use super::reading::Reader;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, ScanLimits, WordId};

/// Sample rows for which a pattern is probed.
const PROBES: usize = 6;
/// Edges that are counted for a probe.
const COUNTED: usize = 32;
/// The factor on the cost of a pattern that shares no variable with those before
/// it: a cross product.
const CROSS_PRODUCT: f64 = 1e6;
/// The cost of reading every triple.
const FULL_SCAN_COST: f64 = 1e12;

type Values = Vec<Option<i64>>;

/// An estimate of joining one pattern next.
struct Estimate {
    /// Expected triples for a row.
    cost: f64,
    /// Some of the rows it would make.
    rows: Vec<Values>,
}

/// The order in which to join the patterns of `query`.
pub(super) async fn order(
    reader: &mut Reader<'_>,
    query: &Query,
) -> Result<Vec<usize>, StoreError> {
    let mut order: Vec<usize> = Vec::new();
    let mut rest: Vec<usize> = (0..query.patterns.len()).collect();
    let mut sample = vec![vec![None; query.variables.len()]];
    let mut uses: IdMap<WordId, f64> = IdMap::default();
    while rest.len() > 1 {
        let patterns: Vec<&Pattern> = rest.iter().map(|nth| &query.patterns[*nth]).collect();
        learn_uses(reader, &patterns, &sample[0], &mut uses).await?;
        let estimates = estimates(reader, query, &patterns, &sample, &uses).await?;
        let best = estimates.into_iter().enumerate();
        let Some((place, best)) = best.min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost)) else {
            break;
        };
        order.push(rest.remove(place));
        // Where nothing matches, the sample so far still serves.
        if !best.rows.is_empty() {
            sample = best.rows;
        }
    }
    order.extend(rest);
    Ok(order)
}

/// Looks up how often the predicates of these patterns are used.
async fn learn_uses(
    reader: &Reader<'_>,
    patterns: &[&Pattern],
    values: &[Option<i64>],
    uses: &mut IdMap<WordId, f64>,
) -> Result<(), StoreError> {
    let predicates = patterns.iter().filter_map(|p| p.range(values).predicate);
    let unknown: Vec<WordId> = predicates.filter(|id| !uses.contains_key(id)).collect();
    if !unknown.is_empty() {
        let counts = reader.graph.predicate_uses(&unknown).await?;
        uses.extend(
            unknown
                .into_iter()
                .zip(counts.into_iter().map(|n| n as f64)),
        );
    }
    Ok(())
}

/// The estimate of each pattern, from probes that are one scan.
async fn estimates(
    reader: &mut Reader<'_>,
    query: &Query,
    patterns: &[&Pattern],
    sample: &[Values],
    uses: &IdMap<WordId, f64>,
) -> Result<Vec<Estimate>, StoreError> {
    let is_first = sample[0].iter().all(Option::is_none);
    let is_cross = |pattern: &Pattern| !is_first && !is_joined(pattern, &sample[0]);
    let rows: Vec<&Values> = sample
        .iter()
        .step_by(sample.len().div_ceil(PROBES))
        .collect();
    let probes = |pattern: &Pattern| match is_cross(pattern) && is_whole(&pattern.range(&sample[0]))
    {
        // Its cost is the count of its predicate; no probe could tell more.
        true => &[],
        false => &rows[..],
    };
    let ranges: Vec<Range> = patterns
        .iter()
        .flat_map(|pattern| probes(pattern).iter().map(|row| pattern.range(row)))
        .collect();
    let limits = ScanLimits {
        edges_per_range: COUNTED,
        reads: usize::MAX,
    };
    let scan = reader.scan(&ranges, None, limits).await?;
    let mut found = scan.by_range().map(|(edges, _)| edges);
    let each = patterns.iter().map(|pattern| {
        let probes = probes(pattern);
        let edges: Vec<&[Edge]> = found.by_ref().take(probes.len()).collect();
        let first = pattern.range(&sample[0]);
        let all = first.predicate.map_or(FULL_SCAN_COST, |id| uses[&id]);
        let count: usize = edges.iter().map(|edges| edges.len()).sum();
        let mut cost = count as f64 / probes.len().max(1) as f64;
        if probes.is_empty() {
            cost = all;
        } else if cost >= COUNTED as f64 {
            // Every probe met the limit, so the range may be as long as the
            // predicate's.
            cost = cost.max(if is_whole(&first) { all } else { all.sqrt() });
        }
        if is_cross(pattern) {
            cost *= CROSS_PRODUCT;
        }
        // A few rows from each probe, so that one long range does not dominate.
        let rows = probes.iter().zip(edges).flat_map(|(row, edges)| {
            let some = edges.iter().step_by(edges.len().div_ceil(PROBES).max(1));
            some.filter_map(move |edge| extended(query, row, pattern, edge))
        });
        Estimate {
            cost,
            rows: rows.collect(),
        }
    });
    Ok(each.collect())
}

/// Whether neither end is known.
fn is_whole(range: &Range) -> bool {
    range.subject.is_none() && range.object.is_none()
}

/// Whether a variable of the pattern has a value already.
fn is_joined(pattern: &Pattern, values: &[Option<i64>]) -> bool {
    let has_value = |term: Term| match term {
        Term::Known(_) => false,
        Term::Variable(variable) => values[variable].is_some(),
    };
    pattern.terms().into_iter().any(has_value)
}
