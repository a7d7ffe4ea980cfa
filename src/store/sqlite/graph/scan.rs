//! Ranges of the three covering indexes. Each combination of known parts has one
//! fixed statement; parts of a request are only ever bound.

use std::sync::LazyLock;

use rusqlite::{Connection, Row, Statement};

use crate::store::StoreError;
use crate::store::graph::{Edge, Range, Scan, ScanLimits, ScannedRange, View, WordId};

/// An index with the order of its columns, which are numbered as the parts of a
/// triple: 0 is the subject, 2 the object.
type Index = (&'static str, [usize; 3]);
const SPO: Index = ("triple_spo", [0, 1, 2]);
const POS: Index = ("triple_pos", [1, 2, 0]);
const OSP: Index = ("triple_osp", [2, 0, 1]);

/// The index for each set of known parts (subject 1, predicate 2, object 4),
/// which are its first columns.
const INDEXES: [Index; 8] = [SPO, SPO, POS, SPO, OSP, OSP, POS, SPO];

static STATEMENTS: LazyLock<[String; 8]> = LazyLock::new(|| std::array::from_fn(statement));

/// The statement for a set of known parts. It reads from its index alone. Known
/// parts are bound first, then those of the edge behind which the range goes on.
fn statement(known: usize) -> String {
    let (index, order) = INDEXES[known];
    let columns = order.map(|part| ["subject", "predicate", "object"][part]);
    let (first, rest) = columns.split_at(known.count_ones() as usize);
    let mut conditions: Vec<String> = first.iter().map(|name| format!("{name} = ?")).collect();
    if !rest.is_empty() {
        let places = vec!["?"; rest.len()].join(", ");
        conditions.push(format!("({}) > ({places})", rest.join(", ")));
    }
    format!(
        "SELECT id, since, until, confidence, project, subject, predicate, object \
         FROM triple INDEXED BY {index} WHERE {} ORDER BY {}",
        conditions.join(" AND "),
        columns.join(", ")
    )
}

/// Which triples are visible.
pub(super) struct Filter<'a> {
    pub(super) view: &'a View,
    /// The projects of the view that are within reach; `None` is all.
    pub(super) projects: Option<&'a [WordId]>,
}

impl Filter<'_> {
    fn shows(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let (at, until) = (self.view.at.0, row.get::<_, Option<i64>>(2)?);
        let holds = row.get::<_, i64>(1)? <= at
            && (self.view.include_ended || until.is_none_or(|until| until > at));
        Ok(holds
            && row.get::<_, f64>(3)? >= self.view.min_confidence
            && match self.projects {
                Some(projects) => projects.contains(&row.get(4)?),
                None => true,
            })
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
        let parts = [range.subject, range.predicate, range.object];
        let known: usize = (0..3).map(|n| usize::from(parts[n].is_some()) << n).sum();
        let after = after.take();
        // A single triple has nothing behind it.
        let has_more = known != 7 || after.is_none();
        let has_more = has_more && {
            let statement = match &mut statements[known] {
                Some(statement) => statement,
                none => none.insert(file.prepare_cached(&STATEMENTS[known])?),
            };
            let after = after.map(|edge| [edge.subject, edge.predicate, edge.object]);
            for (place, part) in INDEXES[known].1.into_iter().enumerate() {
                let value = parts[part].or(after.map(|after| after[part]));
                statement.raw_bind_parameter(place + 1, value.unwrap_or(i64::MIN))?;
            }
            scan_one(statement, parts, limits.edges_per_range, filter, &mut scan)?
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
    parts: [Option<i64>; 3],
    limit: usize,
    filter: &Filter<'_>,
    scan: &mut Scan,
) -> Result<bool, StoreError> {
    let mut rows = statement.raw_query();
    let start = scan.edges.len();
    while let Some(row) = rows.next()? {
        scan.reads += 1;
        if !filter.shows(row)? {
            continue;
        }
        // Known parts need not be read again.
        let part = |nth: usize| parts[nth].map_or_else(|| row.get(5 + nth), Ok);
        let edge = Edge {
            triple: row.get(0)?,
            subject: part(0)?,
            predicate: part(1)?,
            object: part(2)?,
            confidence: row.get(3)?,
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
        for sql in STATEMENTS.iter() {
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
