//! Ranges of the three covering indexes. Each combination of known parts has one
//! fixed statement; parts of a request are only ever bound.

use rusqlite::{Connection, Row, Statement};

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, Scan, ScanLimits, ScannedRange, View, WordId};

/// Every statement reads from its index alone.
macro_rules! scan_sql {
    ($index:literal, $condition:literal, $order:literal) => {
        concat!(
            "SELECT id, since, until, confidence, project, subject, predicate, object \
             FROM triple INDEXED BY ",
            $index,
            " WHERE ",
            $condition,
            " ORDER BY ",
            $order
        )
    };
}

/// The statements by the known parts (subject 1, predicate 2, object 4). Known
/// parts are bound first, then the parts of the edge behind which the range goes
/// on, in the order of the index.
const STATEMENTS: [&str; 8] = [
    scan_sql!(
        "triple_spo",
        "(subject, predicate, object) > (?1, ?2, ?3)",
        "subject, predicate, object"
    ),
    scan_sql!(
        "triple_spo",
        "subject = ?1 AND (predicate, object) > (?2, ?3)",
        "predicate, object"
    ),
    scan_sql!(
        "triple_pos",
        "predicate = ?1 AND (object, subject) > (?2, ?3)",
        "object, subject"
    ),
    scan_sql!(
        "triple_spo",
        "subject = ?1 AND predicate = ?2 AND object > ?3",
        "object"
    ),
    scan_sql!(
        "triple_osp",
        "object = ?1 AND (subject, predicate) > (?2, ?3)",
        "subject, predicate"
    ),
    scan_sql!(
        "triple_osp",
        "subject = ?1 AND object = ?2 AND predicate > ?3",
        "predicate"
    ),
    scan_sql!(
        "triple_pos",
        "predicate = ?1 AND object = ?2 AND subject > ?3",
        "subject"
    ),
    scan_sql!(
        "triple_spo",
        "subject = ?1 AND predicate = ?2 AND object = ?3",
        "object"
    ),
];

/// Which statement serves a range.
fn number(range: &Range) -> usize {
    usize::from(range.subject.is_some())
        + 2 * usize::from(range.predicate.is_some())
        + 4 * usize::from(range.object.is_some())
}

/// The three values of the statement.
fn values(range: &Range, after: Option<Edge>) -> [i64; 3] {
    let from = |part: fn(Edge) -> i64| after.map_or(i64::MIN, part);
    let (subject, predicate, object) = (
        from(|edge| edge.subject),
        from(|edge| edge.predicate),
        from(|edge| edge.object),
    );
    match (range.subject, range.predicate, range.object) {
        (None, None, None) => [subject, predicate, object],
        (Some(s), None, None) => [s, predicate, object],
        (None, Some(p), None) => [p, object, subject],
        (Some(s), Some(p), None) => [s, p, object],
        (None, None, Some(o)) => [o, subject, predicate],
        (Some(s), None, Some(o)) => [s, o, predicate],
        (None, Some(p), Some(o)) => [p, o, subject],
        (Some(s), Some(p), Some(o)) => [s, p, o],
    }
}

/// Which triples are visible.
pub(super) struct Filter<'a> {
    pub(super) view: &'a View,
    /// The projects of the view that are within reach; `None` is all.
    pub(super) projects: Option<&'a [WordId]>,
}

impl Filter<'_> {
    /// The edge of a row, where it is visible. Known parts are not read again.
    fn edge(&self, row: &Row<'_>, range: &Range) -> rusqlite::Result<Option<Edge>> {
        let since = Timestamp(row.get(1)?);
        if since > self.view.at {
            return Ok(None);
        }
        let until: Option<i64> = row.get(2)?;
        if !self.view.include_ended && until.is_some_and(|until| until <= self.view.at.0) {
            return Ok(None);
        }
        let confidence: f64 = row.get(3)?;
        if confidence < self.view.min_confidence {
            return Ok(None);
        }
        if let Some(projects) = self.projects
            && !projects.contains(&row.get(4)?)
        {
            return Ok(None);
        }
        let part = |known: Option<i64>, column: usize| match known {
            Some(known) => Ok(known),
            None => row.get(column),
        };
        Ok(Some(Edge {
            triple: row.get(0)?,
            subject: part(range.subject, 5)?,
            predicate: part(range.predicate, 6)?,
            object: part(range.object, 7)?,
            confidence,
        }))
    }
}

/// See `GraphSnapshot::scan_many`. SQLite answers a range at a time: each needs
/// its own place in an index, and a statement that is kept finds it in about a
/// microsecond.
pub(super) fn scan_many(
    file: &Connection,
    ranges: &[Range],
    mut after: Option<Edge>,
    limits: ScanLimits,
    filter: &Filter<'_>,
) -> Result<Scan, StoreError> {
    let mut statements = [const { None }; 8];
    let mut scan = Scan::default();
    for range in ranges {
        if scan.reads >= limits.reads && !scan.ranges.is_empty() {
            break;
        }
        let number = number(range);
        let after = after.take();
        // A single triple has nothing behind it.
        let has_more = if number == 7 && after.is_some() {
            false
        } else {
            let statement = match &mut statements[number] {
                Some(statement) => statement,
                none => none.insert(file.prepare_cached(STATEMENTS[number])?),
            };
            scan_one(
                statement,
                range,
                after,
                limits.edges_per_range,
                filter,
                &mut scan,
            )?
        };
        scan.reads += 1;
        scan.ranges.push(ScannedRange {
            end: scan.edges.len(),
            has_more,
        });
    }
    Ok(scan)
}

/// Adds the edges of a range to `scan`; whether there are more than `limit`.
fn scan_one(
    statement: &mut Statement<'_>,
    range: &Range,
    after: Option<Edge>,
    limit: usize,
    filter: &Filter<'_>,
    scan: &mut Scan,
) -> Result<bool, StoreError> {
    for (place, value) in values(range, after).into_iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    let mut rows = statement.raw_query();
    let start = scan.edges.len();
    while let Some(row) = rows.next()? {
        scan.reads += 1;
        let Some(edge) = filter.edge(row, range)? else {
            continue;
        };
        // A triple stated in several projects is one edge.
        if let Some(last) = scan.edges[start..].last_mut()
            && (last.subject, last.predicate, last.object)
                == (edge.subject, edge.predicate, edge.object)
        {
            if edge.confidence > last.confidence {
                *last = edge;
            }
            continue;
        }
        if scan.edges.len() - start == limit {
            return Ok(true);
        }
        scan.edges.push(edge);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::connection::open_writer;

    /// SQLite seeks in the index and sorts nothing.
    #[test]
    fn every_range_is_a_search_of_a_covering_index() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let mut file = open_writer(&folder.path().join("test.db")).expect("a database");
        let file = file.transaction().expect("a transaction");
        for sql in STATEMENTS {
            let mut plan = file
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .expect("SQL");
            let plan: Vec<String> = plan
                .query_map([1, 2, 3], |row| row.get(3))
                .expect("a plan")
                .collect::<Result<_, _>>()
                .expect("its steps");
            assert_eq!(plan.len(), 1, "{sql}: {plan:?}");
            assert!(
                plan[0].starts_with("SEARCH triple USING COVERING INDEX"),
                "{sql}: {plan:?}"
            );
        }
    }
}
