//! Which memories pass a filter, as far as indexes lead to them: a search then looks up no
//! others.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::rows::{self, Condition, INDEXED_STATE, category_value, marks, state_value};
use crate::limits;
use crate::store::memory::{Filter, MemoryId, WHEN};
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

/// The states of memories that may pass.
fn states(filter: &Filter) -> Vec<Value> {
    filter.states().iter().copied().map(state_value).collect()
}

fn of_tags(filter: &Filter) -> impl Iterator<Item = IdQuery> {
    filter.tags.iter().map(|spellings| {
        let (tags, states) = (text(spellings), states(filter));
        IdQuery {
            sql: format!(
                "SELECT memory_id FROM memory_tag WHERE tag IN ({}) AND state IN ({})",
                marks(tags.len()),
                marks(states.len())
            ),
            values: [tags, states].concat(),
        }
    })
}

fn of_thread(filter: &Filter) -> Option<IdQuery> {
    filter.thread.as_ref().map(|thread| IdQuery {
        sql: "SELECT id FROM memory WHERE thread = ?".to_owned(),
        values: vec![Value::Text(thread.clone())],
    })
}

fn of_category(filter: &Filter) -> Option<IdQuery> {
    filter.category.map(|category| {
        let mut condition = Condition::default();
        condition.and("m.category = ?", [category_value(category)]);
        condition.and_in(INDEXED_STATE, states(filter));
        IdQuery {
            sql: format!(
                "SELECT m.id FROM memory m INDEXED BY memory_by_category WHERE {}",
                condition.sql()
            ),
            values: condition.values().to_vec(),
        }
    })
}

fn of_time(filter: &Filter) -> Option<IdQuery> {
    let mut condition = Condition::default();
    condition.and_in(INDEXED_STATE, states(filter));
    if let Some(since) = filter.since {
        condition.and(&format!("{WHEN} >= ?"), [Value::Integer(since.0)]);
    }
    if let Some(until) = filter.until {
        condition.and(&format!("{WHEN} < ?"), [Value::Integer(until.0)]);
    }
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
