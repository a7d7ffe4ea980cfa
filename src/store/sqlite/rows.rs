//! Reading whole memories: rows to values, filters to SQL. Filters become
//! fixed fragments of SQL with bound values; nothing of a request is spliced.

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params_from_iter};

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::EntityId;
use crate::store::memory::{Category, Filter, Memory, MemoryCensus, MemoryId, State};

/// The columns that `memory_from` reads, of a table called `m`.
const COLUMNS: &str = "m.id, m.project, m.category, m.importance, m.state, m.protected, \
     m.created_at, m.valid_until, m.updated_at, m.supersedes, m.thread, m.topic_key, m.content, \
     (SELECT json_group_array(t.tag) FROM memory_tag t WHERE t.memory_id = m.id), \
     (SELECT json_group_array(key) FROM (SELECT e.key FROM memory_entity l \
      JOIN entity e ON e.id = l.entity WHERE l.memory_id = m.id ORDER BY e.key LIMIT 20))";

fn memory_from(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let category: String = row.get(2)?;
    let state: String = row.get(4)?;
    let tags: String = row.get(13)?;
    let entities: String = row.get(14)?;
    Ok(Memory {
        id: row.get(0)?,
        project: row.get(1)?,
        category: Category::from_name(&category).unwrap_or_default(),
        importance: row.get(3)?,
        state: State::from_name(&state).unwrap_or_default(),
        protected: row.get(5)?,
        created_at: Timestamp(row.get(6)?),
        valid_until: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        updated_at: Timestamp(row.get(8)?),
        supersedes: row.get(9)?,
        thread: row.get(10)?,
        topic_key: row.get(11)?,
        content: row.get(12)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        entities: serde_json::from_str(&entities).unwrap_or_default(),
    })
}

/// A condition over `memory m`, built of fixed fragments and bound values.
#[derive(Default)]
pub struct Condition {
    fragments: Vec<String>,
    values: Vec<Value>,
}

impl Condition {
    /// Adds `fragment`, whose question marks stand for `values`.
    pub fn and(&mut self, fragment: &str, values: impl IntoIterator<Item = Value>) {
        self.fragments.push(fragment.to_owned());
        self.values.extend(values);
    }

    /// Adds "`expression` is one of `values`".
    pub fn and_in(&mut self, expression: &str, values: impl IntoIterator<Item = Value>) {
        let before = self.values.len();
        self.values.extend(values);
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.fragments.push(format!("{expression} IN ({marks})"));
    }

    /// The memories that `filter` lets through.
    pub fn of(filter: &Filter) -> Condition {
        let mut condition = Condition::default();
        condition.and_lifetime(filter);
        if !filter.projects.is_empty() {
            let projects = filter.projects.iter().cloned().map(Value::Text);
            // With the plus it is no way into the table: SQLite would take the
            // index of active texts and read the whole project, where ids or the
            // order of age lead to a few rows.
            condition.and_in("+m.project", projects);
        }
        if let Some(category) = filter.category {
            condition.and("m.category = ?", [Value::Text(category.name().to_owned())]);
        }
        if let Some(since) = filter.since {
            condition.and("m.created_at >= ?", [Value::Integer(since.0)]);
        }
        for tag in &filter.tags {
            condition.and(
                "EXISTS (SELECT 1 FROM memory_tag t WHERE t.memory_id = m.id AND t.tag = ?)",
                [Value::Text(tag.clone())],
            );
        }
        condition
    }

    /// What is believed now; or was believed then; or ever, where older
    /// versions are asked for. Archived memories never.
    fn and_lifetime(&mut self, filter: &Filter) {
        if let Some(then) = filter.as_of {
            let then = Value::Integer(then.0);
            self.and("m.state <> 'archived'", []);
            self.and("m.created_at <= ?", [then.clone()]);
            if !filter.include_superseded {
                self.and("(m.retired_at IS NULL OR m.retired_at > ?)", [then.clone()]);
                self.and("(m.valid_until IS NULL OR m.valid_until > ?)", [then]);
            }
        } else if filter.include_superseded {
            self.and("m.state <> 'archived'", []);
        } else {
            self.and("m.state = 'active'", []);
            self.and(
                "(m.valid_until IS NULL OR m.valid_until > ?)",
                [Value::Integer(filter.now.0)],
            );
        }
    }

    /// The condition as SQL; never empty.
    pub fn sql(&self) -> String {
        if self.fragments.is_empty() {
            return "TRUE".to_owned();
        }
        self.fragments.join(" AND ")
    }

    /// The bound values, in the order of the question marks.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// See `MemoryStore::newest`.
pub fn newest(
    file: &Transaction<'_>,
    filter: &Filter,
    after: Option<(Timestamp, MemoryId)>,
    limit: usize,
) -> Result<Vec<Memory>, StoreError> {
    let mut condition = Condition::of(filter);
    if let Some((time, id)) = after {
        condition.and(
            "(m.created_at, m.id) < (?, ?)",
            [Value::Integer(time.0), Value::Integer(id)],
        );
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM memory m WHERE {} ORDER BY m.created_at DESC, m.id DESC LIMIT {limit}",
        condition.sql()
    );
    select(file, &sql, condition.values())
}

/// See `MemoryStore::naming`.
pub fn naming(
    file: &Transaction<'_>,
    entities: &[EntityId],
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Memory>, StoreError> {
    let mut ids: Vec<Value> = Vec::new();
    // Each entity by itself, so that the index ends the search at the limit.
    let sql = format!(
        "SELECT memory_id FROM memory_entity WHERE entity = ? \
         ORDER BY memory_id DESC LIMIT {limit}"
    );
    let mut statement = file.prepare_cached(&sql)?;
    for entity in entities {
        let found = statement.query_map([entity], |row| row.get(0))?;
        for id in found {
            ids.push(Value::Integer(id?));
        }
    }
    let mut condition = Condition::of(filter);
    condition.and_in("m.id", ids);
    let sql = format!(
        "SELECT {COLUMNS} FROM memory m WHERE {} ORDER BY m.created_at DESC, m.id DESC LIMIT {limit}",
        condition.sql()
    );
    select(file, &sql, condition.values())
}

/// See `MemoryStore::fetch`.
pub fn fetch(
    file: &Transaction<'_>,
    ids: &[MemoryId],
    filter: Option<&Filter>,
) -> Result<Vec<Memory>, StoreError> {
    let mut condition = filter.map(Condition::of).unwrap_or_default();
    condition.and_in("m.id", ids.iter().copied().map(Value::Integer));
    let sql = format!("SELECT {COLUMNS} FROM memory m WHERE {}", condition.sql());
    let mut found: HashMap<MemoryId, Memory> = select(file, &sql, condition.values())?
        .into_iter()
        .map(|memory| (memory.id, memory))
        .collect();
    // An id that is asked for twice is answered once.
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

fn select(file: &Transaction<'_>, sql: &str, values: &[Value]) -> Result<Vec<Memory>, StoreError> {
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), memory_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// See `MemoryStore::census`; the file's size is left to the caller.
pub fn census(file: &Transaction<'_>) -> Result<MemoryCensus, StoreError> {
    let sql = "SELECT count(*) FILTER (WHERE state = 'active'), \
               count(*) FILTER (WHERE state = 'superseded'), \
               count(*) FILTER (WHERE state = 'archived'), \
               count(DISTINCT project) FILTER (WHERE state = 'active') FROM memory";
    let census = file.query_row(sql, [], |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(MemoryCensus {
            active: count(0)?,
            superseded: count(1)?,
            archived: count(2)?,
            projects: count(3)?,
            file_bytes: 0,
        })
    })?;
    Ok(census)
}
