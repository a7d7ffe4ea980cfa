//! Lists memories, newest first, from the index that leads to the fewest.

use super::rows::{count, select};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::listing::{AgeIndex, start};
use crate::store::memory::{Filter, Memory, MemoryId, WHEN};
use crate::store::postgres::transaction::Tx;
use crate::store::postgres::values::Values;

/// The runs of `index` as a table `r`, and the condition that an entry is of one.
fn runs(index: &AgeIndex, values: &mut Values) -> (String, String) {
    let places = 0..=index.columns.len();
    let columns = places.map(|nth| -> Vec<String> {
        let runs = index.runs.iter();
        runs.map(|run| run[nth].clone()).collect()
    });
    let columns = columns.map(|column| format!("{}::text[]", values.bind(column)));
    let columns: Vec<String> = columns.collect();
    let names = (0..columns.len()).map(|nth| format!("c{nth}"));
    let names: Vec<String> = names.collect();
    let each = index.columns.iter().chain([&index.state]);
    let is_equal = each.zip(&names);
    let is_equal = is_equal.map(|(column, name)| format!("{column} = r.{name}"));
    (
        format!("unnest({}) r ({})", columns.join(", "), names.join(", ")),
        is_equal.collect::<Vec<_>>().join(" AND "),
    )
}

/// The index of `filter` that leads to the fewest entries.
async fn fewest(tx: &Tx, filter: &Filter) -> Result<AgeIndex, StoreError> {
    let mut indexes = AgeIndex::all_of(filter);
    let mut place = 0;
    for most in limits::LISTING_COUNTED_MAX {
        if indexes.len() == 1 {
            break;
        }
        let mut values = Values::default();
        let enough = values.bind(count(most + 1));
        let counts = indexes.iter().map(|index| {
            let (runs, is_of_run) = runs(index, &mut values);
            format!(
                "(SELECT count(*) FROM (SELECT FROM {runs} CROSS JOIN LATERAL \
                 (SELECT FROM {} WHERE {is_of_run} LIMIT {enough}) e LIMIT {enough}) counted)",
                index.table
            )
        });
        let sql = format!("SELECT ARRAY[{}]", counts.collect::<Vec<_>>().join(", "));
        let counts: Vec<i64> = tx.query_one(&sql, &values.params()).await?.get(0);
        for (nth, entries) in counts.iter().enumerate() {
            if *entries < counts[place] {
                place = nth;
            }
        }
        if counts[place] <= count(most) {
            break;
        }
    }
    Ok(indexes.swap_remove(place))
}

/// See `MemoryStore::newest`.
pub(super) async fn newest(
    tx: &Tx,
    filter: &Filter,
    after: Option<(Timestamp, MemoryId)>,
    limit: usize,
) -> Result<Vec<Memory>, StoreError> {
    let index = fewest(tx, filter).await?;
    let AgeIndex {
        table,
        join,
        joined,
        time,
        id,
        ..
    } = &index;
    let mut values = Values::default();
    let (runs, mut passing) = runs(&index, &mut values);
    passing.push_str(&format!(" AND {joined} AND {}", values.passing(filter)));
    if let Some(since) = filter.since {
        passing.push_str(&format!(" AND {time} >= {}", values.bind(since.0)));
    }
    if let Some((before, below)) = start(filter, after) {
        let (before, below) = (values.bind(before.0), values.bind(below));
        passing.push_str(&format!(" AND ({time}, {id}) < ({before}, {below})"));
    }
    let limit = values.bind(count(limit));
    let listed = format!(
        "m.id IN (SELECT id FROM (SELECT DISTINCT l.time, l.id FROM {runs} \
         CROSS JOIN LATERAL (SELECT {time} AS time, {id} AS id FROM {table} {join} \
         WHERE {passing} ORDER BY {time} DESC, {id} DESC LIMIT {limit}) l \
         ORDER BY l.time DESC, l.id DESC LIMIT {limit}) newest)"
    );
    let order = format!("ORDER BY {WHEN} DESC, m.id DESC");
    select(tx, &filter.project_set(), values, &listed, &order).await
}
