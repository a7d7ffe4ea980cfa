//! Ranges of the three covering indexes. There is one fixed statement for each
//! combination of known parts; what a request brings is only ever bound.

use std::cell::{OnceCell, RefCell};

use rusqlite::{CachedStatement, Row, Transaction};

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, Scanned, View};

/// What every statement reads, from the index alone.
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

/// The statements by the known parts (subject 1, predicate 2, object 4): those
/// are bound first, then the parts of the edge behind which the range goes on,
/// in the order of the index.
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

/// The statements of one snapshot, each prepared at its first use.
#[derive(Default)]
pub struct Scans<'a>([OnceCell<RefCell<CachedStatement<'a>>>; 8]);

impl<'a> Scans<'a> {
    /// See `GraphSnapshot::scan`.
    pub fn scan(
        &self,
        file: &'a Transaction<'a>,
        range: Range,
        after: Option<Edge>,
        limit: usize,
        view: &View,
        out: &mut Vec<Edge>,
    ) -> Result<Scanned, StoreError> {
        let number = number(&range);
        let mut scanned = Scanned::default();
        // One triple is never gone on with: it is over.
        if number == 7 && after.is_some() {
            return Ok(scanned);
        }
        let statement = match self.0[number].get() {
            Some(statement) => statement,
            None => {
                let prepared = file.prepare_cached(STATEMENTS[number])?;
                self.0[number].get_or_init(|| RefCell::new(prepared))
            }
        };
        let mut statement = statement.borrow_mut();
        for (place, value) in values(&range, after).into_iter().enumerate() {
            statement.raw_bind_parameter(place + 1, value)?;
        }
        let mut rows = statement.raw_query();
        let start = out.len();
        while let Some(row) = rows.next()? {
            scanned.read += 1;
            let Some(edge) = visible(row, &range, view)? else {
                continue;
            };
            // The same said in several projects is one edge, the surest of them.
            if let Some(last) = out[start..].last_mut()
                && (last.subject, last.predicate, last.object)
                    == (edge.subject, edge.predicate, edge.object)
            {
                if edge.confidence > last.confidence {
                    *last = edge;
                }
                continue;
            }
            if out.len() - start == limit {
                scanned.more = true;
                break;
            }
            out.push(edge);
        }
        Ok(scanned)
    }
}

fn visible(row: &Row<'_>, range: &Range, view: &View) -> rusqlite::Result<Option<Edge>> {
    let since = Timestamp(row.get(1)?);
    if since > view.at {
        return Ok(None);
    }
    let until: Option<i64> = row.get(2)?;
    if !view.ended && until.is_some_and(|until| until <= view.at.0) {
        return Ok(None);
    }
    let confidence: f64 = row.get(3)?;
    if confidence < view.min_confidence {
        return Ok(None);
    }
    if let Some(projects) = &view.projects
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::connection::open_writer;

    /// Whatever parts are known, SQLite seeks in a covering index and sorts
    /// nothing.
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
