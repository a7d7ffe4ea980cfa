//! Ranges of the three covering indexes, many in one statement. Each combination
//! of known parts has one fixed branch; parts of a request are only ever bound.

use tokio_postgres::Row;

use crate::store::StoreError;
use crate::store::graph::{Edge, Range, Scan, ScanLimits, ScannedRange, View, WordId};
use crate::store::postgres::transaction::Tx;

/// The columns in the order in which an index sorts for each set of known parts
/// (subject 1, predicate 2, object 4), which come first. A part is numbered: 0 is
/// the subject, 2 the object.
const ORDERS: [[usize; 3]; 8] = [SPO, SPO, POS, SPO, OSP, OSP, POS, SPO];
const SPO: [usize; 3] = [0, 1, 2];
const POS: [usize; 3] = [1, 2, 0];
const OSP: [usize; 3] = [2, 0, 1];

/// The triples of a range with one set of known parts. Of triples that say the
/// same in several projects the one with the highest confidence comes first, of
/// equals the first in the index of SQLite.
fn branch(known: usize) -> String {
    let columns = ORDERS[known].map(|part| ["subject", "predicate", "object"][part]);
    let values = ["r.first", "r.second", "r.third"];
    let count = known.count_ones() as usize;
    let mut conditions = format!("r.known = {known}");
    for (column, value) in columns.iter().zip(values).take(count) {
        conditions.push_str(&format!(" AND {column} = {value}"));
    }
    if count < 3 {
        let (rest, behind) = (columns[count..].join(", "), values[count..].join(", "));
        conditions.push_str(&format!(" AND ({rest}) > ({behind})"));
    }
    let order = columns.join(", ");
    format!(
        "(SELECT DISTINCT ON ({order}) id, subject, predicate, object, confidence FROM triple \
         WHERE {conditions} AND since <= $5 AND ($6 OR until IS NULL OR until > $5) \
         AND confidence >= $7 AND ($8::bigint[] IS NULL OR project = ANY ($8)) \
         ORDER BY {order}, confidence DESC, project, since, until NULLS FIRST, id LIMIT $9)"
    )
}

/// The statement for ranges with any of these sets of known parts (bit n: set n). It is a
/// nested loop over the ranges in their order, which ends with its limit.
fn statement(sets: u8) -> String {
    let branches: Vec<String> = (0..8)
        .filter(|known| sets & (1 << known) != 0)
        .map(branch)
        .collect();
    format!(
        "SELECT r.nth, t.id, t.subject, t.predicate, t.object, t.confidence FROM \
         (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
         WITH ORDINALITY r (known, first, second, third, nth) ORDER BY nth) r \
         CROSS JOIN LATERAL ({}) t ORDER BY r.nth LIMIT $10",
        branches.join(" UNION ALL ")
    )
}

fn known(range: &Range) -> usize {
    let parts = [range.subject, range.predicate, range.object];
    (0..3).map(|n| usize::from(parts[n].is_some()) << n).sum()
}

/// See `GraphSnapshot::scan_many`. Triples that the view leaves out are not counted
/// as read, because the server passes over them.
pub(super) async fn scan_many(
    tx: &Tx,
    ranges: &[Range],
    after: Option<Edge>,
    limits: ScanLimits,
    view: &View,
    projects: Option<&[WordId]>,
) -> Result<Scan, StoreError> {
    // Each range counts as one read at least.
    let ranges = &ranges[..ranges.len().min(limits.reads.max(1))];
    let mut sets = 0;
    let mut bound: [Vec<i64>; 4] = Default::default();
    for (nth, range) in ranges.iter().enumerate() {
        let known = known(range);
        sets |= 1u8 << known;
        bound[0].push(known as i64);
        let parts = [range.subject, range.predicate, range.object];
        let after = after.filter(|_| nth == 0);
        let after = after.map(|edge| [edge.subject, edge.predicate, edge.object]);
        for (place, part) in ORDERS[known].into_iter().enumerate() {
            let value = parts[part].or(after.map(|after| after[part]));
            bound[1 + place].push(value.unwrap_or(i64::MIN));
        }
    }
    // A single triple has nothing behind it.
    let is_ended = after.is_some() && ranges.first().is_some_and(|range| known(range) == 7);
    if is_ended {
        bound[0][0] = -1;
    }
    // One more of each range tells that it goes on. A range begins before the limit
    // of reads, so no more rows than these are looked at.
    let of_each = limits.edges_per_range.saturating_add(1);
    let of_all = limits.reads.saturating_add(of_each);
    let found = tx
        .query(
            &statement(sets),
            &[
                &bound[0],
                &bound[1],
                &bound[2],
                &bound[3],
                &view.at.0,
                &view.include_ended,
                &view.min_confidence,
                &projects,
                &as_bound(of_each),
                &as_bound(of_all),
            ],
        )
        .await?;
    Ok(collect(&found, ranges.len(), limits))
}

fn as_bound(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn collect(found: &[Row], ranges: usize, limits: ScanLimits) -> Scan {
    let mut scan = Scan::default();
    let mut found = found.iter().peekable();
    for nth in 1..=ranges {
        if scan.reads >= limits.reads && !scan.ranges.is_empty() {
            break;
        }
        let start = scan.edges.len();
        let mut has_more = false;
        while let Some(row) = found.next_if(|row| row.get::<_, i64>(0) == nth as i64) {
            scan.reads += 1;
            if scan.edges.len() - start == limits.edges_per_range {
                has_more = true;
                break;
            }
            scan.edges.push(Edge {
                triple: row.get(1),
                subject: row.get(2),
                predicate: row.get(3),
                object: row.get(4),
                confidence: row.get(5),
            });
        }
        scan.reads += 1;
        scan.ranges.push(ScannedRange {
            end: scan.edges.len(),
            has_more,
        });
    }
    scan
}
