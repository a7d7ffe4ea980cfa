//! Which memories pass a filter, as far as indexes lead to them: a search and a listing
//! then look up no others.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::rows::{self, Condition, category_value, marks};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::memory::{Filter, Memory, MemoryId, WHEN};
use crate::store::{ProjectSet, StoreError};

/// Selects the ids of the memories that pass a part of a filter.
struct IdQuery {
    sql: String,
    values: Vec<Value>,
}

impl IdQuery {
    /// The ids, unless there are more than `most`.
    fn ids(&self, file: &Connection, most: usize) -> Result<Option<Vec<MemoryId>>, StoreError> {
        let sql = format!("{} LIMIT {}", self.sql, most.saturating_add(1));
        let mut statement = file.prepare_cached(&sql)?;
        let ids = statement.query_map(params_from_iter(&self.values), |row| row.get(0))?;
        let ids: Vec<MemoryId> = ids.collect::<Result<_, _>>()?;
        Ok((ids.len() <= most).then_some(ids))
    }
}

fn text(names: &[String]) -> Vec<Value> {
    names.iter().cloned().map(Value::Text).collect()
}

fn of_tags(filter: &Filter) -> impl Iterator<Item = IdQuery> {
    filter.tags.iter().map(|spellings| IdQuery {
        sql: format!(
            "SELECT memory_id FROM memory_tag WHERE tag IN ({})",
            marks(spellings.len())
        ),
        values: text(spellings),
    })
}

fn of_thread(filter: &Filter) -> Option<IdQuery> {
    filter.thread.as_ref().map(|thread| IdQuery {
        sql: "SELECT id FROM memory WHERE thread = ?".to_owned(),
        values: vec![Value::Text(thread.clone())],
    })
}

fn of_category(filter: &Filter) -> Option<IdQuery> {
    filter.category.map(|category| IdQuery {
        sql: "SELECT id FROM memory INDEXED BY memory_by_category WHERE category = ?".to_owned(),
        values: vec![category_value(category)],
    })
}

fn of_time(filter: &Filter) -> Option<IdQuery> {
    let mut condition = Condition::default();
    condition.and_said_between(filter);
    (filter.since.is_some() || filter.until.is_some()).then(|| IdQuery {
        sql: format!(
            "SELECT m.id FROM memory m INDEXED BY memory_by_age WHERE {}",
            condition.sql()
        ),
        values: condition.values().to_vec(),
    })
}

/// What narrows a search. Its projects narrow the codes that it reads.
fn narrowing_queries(filter: &Filter) -> Vec<IdQuery> {
    let queries = of_tags(filter).chain(of_thread(filter));
    queries
        .chain(of_category(filter))
        .chain(of_time(filter))
        .collect()
}

/// The current versions in its projects: the index of a project's texts has no others.
fn of_projects(filter: &Filter) -> Option<IdQuery> {
    match filter.project_set() {
        // An index cannot be asked for a project of none.
        ProjectSet::Only(projects)
            if !projects.is_empty() && filter.as_of.is_none() && !filter.include_superseded =>
        {
            Some(IdQuery {
                sql: format!(
                    "SELECT id FROM memory INDEXED BY memory_by_text \
                     WHERE state = 'active' AND project IN ({})",
                    marks(projects.len())
                ),
                values: text(&projects),
            })
        }
        _ => None,
    }
}

/// See `MemoryStore::newest`.
pub(super) fn newest(
    file: &Connection,
    filter: &Filter,
    after: Option<(Timestamp, MemoryId)>,
    limit: usize,
) -> Result<Vec<Memory>, StoreError> {
    let mut condition = Condition::of(filter);
    if let Some((time, id)) = after {
        condition.and(
            &format!("({WHEN}, m.id) < (?, ?)"),
            [Value::Integer(time.0), Value::Integer(id)],
        );
    }
    // In the order of age, a filter that few pass reads nearly every memory.
    let no_index = match listing_ids(file, filter)? {
        Some(ids) if ids.is_empty() => return Ok(Vec::new()),
        Some(ids) => {
            condition.and_id_in(&ids);
            "+"
        }
        None => {
            if let Some(category) = filter.category {
                condition.and("m.category = ?", [category_value(category)]);
            }
            ""
        }
    };
    let order = format!("ORDER BY {no_index}{WHEN} DESC, m.id DESC LIMIT {limit}");
    rows::select(file, &filter.project_set(), &condition, &order)
}

/// The memories that pass the tags, the thread or the projects of `filter`, for a listing,
/// if these are few; more conditions may apply to them. None pass where no memory is of
/// its category.
fn listing_ids(file: &Connection, filter: &Filter) -> Result<Option<Vec<MemoryId>>, StoreError> {
    if let Some(category) = filter.category {
        let mut counted = Condition::within(&filter.project_set());
        counted.and("category = ?", [category_value(category)]);
        let sql = format!(
            "SELECT count(*) FROM memory_count m WHERE {}",
            counted.sql()
        );
        let mut statement = file.prepare_cached(&sql)?;
        let values = params_from_iter(counted.values());
        let count: i64 = statement.query_row(values, |row| row.get(0))?;
        if count == 0 {
            return Ok(Some(Vec::new()));
        }
    }
    let queries = of_tags(filter).chain(of_thread(filter));
    for query in queries.chain(of_projects(filter)) {
        if let Some(ids) = query.ids(file, limits::LISTING_SORTED_MAX)? {
            return Ok(Some(ids));
        }
    }
    Ok(None)
}

/// The memories that pass the tags, the thread, the category and the time of `filter`, for
/// a search, ascending, if reading them takes no longer than the look-ups it saves; more
/// conditions may apply to them.
pub(super) fn search_ids(
    file: &Connection,
    filter: &Filter,
) -> Result<Option<Vec<MemoryId>>, StoreError> {
    let queries = narrowing_queries(filter);
    if queries.is_empty() {
        return Ok(None);
    }
    let memories = usize::try_from(rows::max_id(file)?).unwrap_or(0);
    let most = memories.saturating_mul(limits::PREFILTER_FACTOR);
    let mut passing: Option<Vec<MemoryId>> = None;
    for query in queries {
        if let Some(mut ids) = query.ids(file, most.isqrt())? {
            ids.sort_unstable();
            ids.dedup();
            if let Some(known) = &passing {
                ids.retain(|id| known.binary_search(id).is_ok());
            }
            passing = Some(ids);
        }
    }
    Ok(passing)
}

/// All that pass `filter`, unless there are more than `most`.
pub(super) fn all_ids(
    file: &Connection,
    filter: &Filter,
    most: usize,
) -> Result<Option<Vec<MemoryId>>, StoreError> {
    let mut condition = Condition::of(filter);
    if let Some(query) = narrowing_queries(filter)
        .into_iter()
        .chain(of_projects(filter))
        .next()
    {
        condition.and(&format!("m.id IN ({})", query.sql), query.values);
    }
    let sql = format!("SELECT m.id FROM memory m WHERE {}", condition.sql());
    let values = condition.values().to_vec();
    IdQuery { sql, values }.ids(file, most)
}
