//! Lists memories, newest first, from the index that leads to the fewest.

use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, params_from_iter};

use super::rows::{self, Condition, INDEXED_STATE};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::listing::{AgeIndex, start};
use crate::store::memory::{Filter, Memory, MemoryId, WHEN};

/// The entries of one run, as a source and a condition.
fn entries(index: &AgeIndex) -> (String, String) {
    let state = match index.state {
        "m.state" => INDEXED_STATE,
        of_tag => of_tag,
    };
    let columns = index.columns.iter().chain([&state]);
    let run: Vec<String> = columns.map(|column| format!("{column} = ?")).collect();
    (
        format!("{} INDEXED BY {}", index.table, index.name),
        run.join(" AND "),
    )
}

/// How many entries `index` leads to, but no more than one beyond `most`.
fn count(file: &Connection, index: &AgeIndex, most: usize) -> Result<usize, StoreError> {
    let (source, run) = entries(index);
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {run} LIMIT ?)");
    let mut statement = file.prepare_cached(&sql)?;
    let mut sum = 0;
    for run in &index.runs {
        let left = (most + 1 - sum) as i64;
        let values = run.iter().map(|value| -> &dyn ToSql { value });
        let values = params_from_iter(values.chain([&left as &dyn ToSql]));
        let count: i64 = statement.query_row(values, |row| row.get(0))?;
        sum += count.unsigned_abs() as usize;
        if sum > most {
            break;
        }
    }
    Ok(sum)
}

/// The place of the index that leads to the fewest entries.
fn fewest(file: &Connection, indexes: &[AgeIndex]) -> Result<usize, StoreError> {
    let mut place = 0;
    if indexes.len() == 1 {
        return Ok(place);
    }
    for most in limits::LISTING_COUNTED_MAX {
        let mut fewest = most + 1;
        for (nth, index) in indexes.iter().enumerate() {
            let count = count(file, index, fewest - 1)?;
            if count < fewest {
                (place, fewest) = (nth, count);
            }
            if fewest == 0 {
                return Ok(place);
            }
        }
        if fewest <= most {
            break;
        }
    }
    Ok(place)
}

/// See `MemoryStore::newest`.
pub(super) fn newest(
    file: &Connection,
    filter: &Filter,
    after: Option<(Timestamp, MemoryId)>,
    limit: usize,
) -> Result<Vec<Memory>, StoreError> {
    let mut indexes = AgeIndex::all_of(filter);
    let index = indexes.swap_remove(fewest(file, &indexes)?);
    let AgeIndex { join, time, id, .. } = &index;
    let mut passing = Condition::of(filter);
    passing.and(index.joined, []);
    if let Some(since) = filter.since {
        passing.and(&format!("{time} >= ?"), [Value::Integer(since.0)]);
    }
    if let Some((before, below)) = start(filter, after) {
        // SQLite does not search an index of an expression by a pair of values.
        passing.and(&format!("{time} <= ?"), [Value::Integer(before.0)]);
        let pair = [Value::Integer(before.0), Value::Integer(below)];
        passing.and(&format!("({time}, {id}) < (?, ?)"), pair);
    }
    let (source, run) = entries(&index);
    let sql = format!(
        "SELECT {time}, {id} FROM {source} {join} WHERE {run} AND {} \
         ORDER BY {time} DESC, {id} DESC LIMIT {limit}",
        passing.sql()
    );
    let mut statement = file.prepare_cached(&sql)?;
    let mut found: Vec<(i64, MemoryId)> = Vec::new();
    for run in &index.runs {
        let run = run.iter().map(|value| -> &dyn ToSql { value });
        let values = run.chain(passing.values().iter().map(|value| -> &dyn ToSql { value }));
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    // A memory may have a tag in two spellings.
    found.dedup();
    found.truncate(limit);
    let ids: Vec<MemoryId> = found.into_iter().map(|(_, id)| id).collect();
    let mut listed = Condition::within(&filter.project_set());
    listed.and_id_in(&ids);
    let order = format!("ORDER BY +{WHEN} DESC, m.id DESC");
    rows::select(file, &filter.project_set(), &listed, &order)
}
