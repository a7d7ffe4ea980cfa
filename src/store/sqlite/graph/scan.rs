//! Ranges of the three covering indexes. There is one fixed statement for each
//! combination of known parts; what a request brings is only ever bound.

use rusqlite::{Row, Transaction, params_from_iter};

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{Edge, Range, Scanned, View};

/// What every statement reads, from the index alone.
macro_rules! scan_sql {
    ($index:literal, $condition:literal, $order:literal) => {
        concat!(
            "SELECT id, subject, predicate, object, project, since, until, confidence \
             FROM triple INDEXED BY ",
            $index,
            " WHERE ",
            $condition,
            " ORDER BY ",
            $order
        )
    };
}

/// The statement that serves a range: known parts are bound first, then the
/// parts of the edge after which it goes on, in the order of the index.
fn statement(range: &Range) -> &'static str {
    match (range.subject, range.predicate, range.object) {
        (Some(_), Some(_), Some(_)) => scan_sql!(
            "triple_spo",
            "subject = ?1 AND predicate = ?2 AND object = ?3 AND (?4 IS NULL)",
            "object"
        ),
        (Some(_), Some(_), None) => scan_sql!(
            "triple_spo",
            "subject = ?1 AND predicate = ?2 AND object > ?3",
            "object"
        ),
        (Some(_), None, None) => scan_sql!(
            "triple_spo",
            "subject = ?1 AND (predicate, object) > (?2, ?3)",
            "predicate, object"
        ),
        (None, Some(_), Some(_)) => scan_sql!(
            "triple_pos",
            "predicate = ?1 AND object = ?2 AND subject > ?3",
            "subject"
        ),
        (None, Some(_), None) => scan_sql!(
            "triple_pos",
            "predicate = ?1 AND (object, subject) > (?2, ?3)",
            "object, subject"
        ),
        (Some(_), None, Some(_)) => scan_sql!(
            "triple_osp",
            "object = ?2 AND subject = ?1 AND predicate > ?3",
            "predicate"
        ),
        (None, None, Some(_)) => scan_sql!(
            "triple_osp",
            "object = ?1 AND (subject, predicate) > (?2, ?3)",
            "subject, predicate"
        ),
        (None, None, None) => scan_sql!(
            "triple_spo",
            "(subject, predicate, object) > (?1, ?2, ?3)",
            "subject, predicate, object"
        ),
    }
}

/// The values of the statement.
fn values(range: &Range, after: Option<Edge>) -> Vec<Option<i64>> {
    let known = [range.subject, range.predicate, range.object];
    let mut values: Vec<Option<i64>> = known.into_iter().flatten().map(Some).collect();
    let from = |part: fn(Edge) -> i64| Some(after.map_or(i64::MIN, part));
    let (subject, predicate, object) = (
        from(|edge| edge.subject),
        from(|edge| edge.predicate),
        from(|edge| edge.object),
    );
    match known {
        // One triple is never gone on with: bound, it is over.
        [Some(_), Some(_), Some(_)] => values.push(after.map(|edge| edge.triple)),
        [Some(_), Some(_), None] => values.push(object),
        [Some(_), None, None] => values.extend([predicate, object]),
        [None, Some(_), Some(_)] => values.push(subject),
        [None, Some(_), None] => values.extend([object, subject]),
        [Some(_), None, Some(_)] => values.push(predicate),
        [None, None, Some(_)] => values.extend([subject, predicate]),
        [None, None, None] => values.extend([subject, predicate, object]),
    }
    values
}

/// See `GraphSnapshot::scan`.
pub fn scan(
    file: &Transaction<'_>,
    range: Range,
    after: Option<Edge>,
    limit: usize,
    view: &View,
    out: &mut Vec<Edge>,
) -> Result<Scanned, StoreError> {
    let mut statement = file.prepare_cached(statement(&range))?;
    let mut rows = statement.query(params_from_iter(values(&range, after)))?;
    let mut scanned = Scanned::default();
    let start = out.len();
    while let Some(row) = rows.next()? {
        scanned.read += 1;
        let Some(edge) = visible(row, view)? else {
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

fn visible(row: &Row<'_>, view: &View) -> rusqlite::Result<Option<Edge>> {
    let confidence: f64 = row.get(7)?;
    let since = Timestamp(row.get(5)?);
    let until: Option<i64> = row.get(6)?;
    let project: i64 = row.get(4)?;
    let seen = confidence >= view.min_confidence
        && since <= view.at
        && until.is_none_or(|until| view.at.0 < until)
        && view
            .projects
            .as_ref()
            .is_none_or(|projects| projects.contains(&project));
    if !seen {
        return Ok(None);
    }
    Ok(Some(Edge {
        triple: row.get(0)?,
        subject: row.get(1)?,
        predicate: row.get(2)?,
        object: row.get(3)?,
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
        for known in 0..8 {
            let part = |bit: i32| (known & bit != 0).then_some(1);
            let range = Range {
                subject: part(1),
                predicate: part(2),
                object: part(4),
            };
            let sql = format!("EXPLAIN QUERY PLAN {}", statement(&range));
            let mut plan = file.prepare(&sql).expect("SQL");
            let plan: Vec<String> = plan
                .query_map(params_from_iter(values(&range, None)), |row| row.get(3))
                .expect("a plan")
                .collect::<Result<_, _>>()
                .expect("its steps");
            assert_eq!(plan.len(), 1, "{range:?}: {plan:?}");
            assert!(
                plan[0].starts_with("SEARCH triple USING COVERING INDEX"),
                "{range:?}: {plan:?}"
            );
        }
    }
}
