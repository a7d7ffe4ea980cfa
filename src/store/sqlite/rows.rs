//! Reading whole memories: rows to values, filters to SQL. Filters become
//! fixed fragments of SQL with bound values; nothing of a request is spliced.

use std::collections::{HashMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::checksum;
use crate::clock::Timestamp;
use crate::store::graph::EntityId;
use crate::store::memory::{
    COLUMNS, Category, Filter, Memory, MemoryFields, MemoryId, MemoryState, WHEN, replaced_by,
};
use crate::store::{ProjectSet, StoreError};

/// The state of `memory m` in the indexes by age of migration 0016.
pub(super) const INDEXED_STATE: &str = "m.state || ''";

/// The number of columns without those of the text.
const COLUMNS_WITHOUT_TEXT: usize = COLUMNS.len() - 2;

fn values(memory: &Memory) -> [Value; COLUMNS.len()] {
    let fields = &memory.fields;
    let text = |text: &str| Value::Text(text.to_owned());
    let time = |time: Timestamp| Value::Integer(time.0);
    let maybe = |time: Option<Timestamp>| Value::from(time.map(|time| time.0));
    [
        Value::Integer(memory.id),
        text(&fields.project),
        text(fields.category.name()),
        Value::Real(fields.importance),
        text(memory.state.name()),
        Value::from(memory.protected),
        time(memory.created_at),
        maybe(memory.retired_at),
        maybe(fields.valid_until),
        time(memory.updated_at),
        maybe(memory.recalled_at),
        Value::Integer(i64::try_from(memory.recall_count).unwrap_or(i64::MAX)),
        Value::Integer(memory.revision),
        Value::from(memory.supersedes),
        Value::Integer(memory.position),
        text(&fields.thread),
        Value::from(fields.topic_key.clone()),
        maybe(memory.recorded_at),
        maybe(fields.said_at),
        Value::Blob(memory.text_key.to_vec()),
        text(&memory.content),
    ]
}

/// Reads the columns, then the tags and the entities as JSON lists.
fn memory_from(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let category: String = row.get(2)?;
    let state: String = row.get(4)?;
    let time = |column| row.get(column).map(Timestamp);
    let maybe = |column| {
        row.get::<_, Option<i64>>(column)
            .map(|time| time.map(Timestamp))
    };
    let list = COLUMNS.len();
    let tags: String = row.get(list)?;
    let entities: String = row.get(list + 1)?;
    Ok(Memory {
        id: row.get(0)?,
        fields: MemoryFields {
            project: row.get(1)?,
            category: Category::from_name(&category).unwrap_or_default(),
            importance: row.get(3)?,
            tags: serde_json::from_str(&tags).unwrap_or_default(),
            topic_key: row.get(16)?,
            thread: row.get(15)?,
            valid_until: maybe(8)?,
            said_at: maybe(18)?,
        },
        content: row.get(20)?,
        text_key: row.get(19)?,
        entities: serde_json::from_str(&entities).unwrap_or_default(),
        state: MemoryState::from_name(&state).unwrap_or_default(),
        protected: row.get(5)?,
        supersedes: row.get(13)?,
        position: row.get(14)?,
        created_at: time(6)?,
        recorded_at: maybe(17)?,
        updated_at: time(9)?,
        retired_at: maybe(7)?,
        recalled_at: maybe(10)?,
        recall_count: row.get::<_, i64>(11)?.unsigned_abs(),
        revision: row.get(12)?,
    })
}

/// Inserts a row and its tags.
pub(super) fn insert(file: &Connection, memory: &Memory) -> Result<(), StoreError> {
    let marks = marks(COLUMNS.len());
    let columns = COLUMNS.join(", ");
    file.prepare_cached(&format!("INSERT INTO memory ({columns}) VALUES ({marks})"))?
        .execute(params_from_iter(values(memory)))?;
    set_tags(file, memory)?;
    checksum::seal(file, memory.id)
}

/// Stores everything about a memory that can change: its text and its project only
/// where the text did.
pub(super) fn update(
    file: &Connection,
    memory: &Memory,
    text_changed: bool,
) -> Result<(), StoreError> {
    let (columns, condition) = match text_changed {
        true => (1..COLUMNS.len(), "id = ?1"),
        false => (2..COLUMNS_WITHOUT_TEXT, "id = ?1 AND project = ?2"),
    };
    let end = columns.end;
    let set = columns.map(|nth| format!("{} = ?{}", COLUMNS[nth], nth + 1));
    let set: Vec<String> = set.collect();
    let sql = format!("UPDATE memory SET {} WHERE {condition}", set.join(", "));
    let change = || {
        let changed = file
            .prepare_cached(&sql)?
            .execute(params_from_iter(&values(memory)[..end]))?;
        match changed {
            0 => Err(StoreError::NoSuchMemory(vec![memory.id])),
            _ => set_tags(file, memory),
        }
    };
    match text_changed {
        true => change().and_then(|()| checksum::seal(file, memory.id)),
        false => checksum::changing(file, memory.id, change),
    }
}

fn set_tags(file: &Connection, memory: &Memory) -> Result<(), StoreError> {
    let tags = json(&memory.fields.tags);
    file.prepare_cached(
        "DELETE FROM memory_tag WHERE memory_id = ?1 \
         AND tag NOT IN (SELECT value FROM json_each(?2))",
    )?
    .execute(params![memory.id, tags])?;
    file.prepare_cached(
        "INSERT OR IGNORE INTO memory_tag (memory_id, tag) SELECT ?1, value FROM json_each(?2)",
    )?
    .execute(params![memory.id, tags])?;
    Ok(())
}

/// Names as a JSON list.
pub(super) fn json<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&String> = names.into_iter().collect();
    serde_json::json!(names).to_string()
}

/// So many question marks.
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// A condition over `memory m`, built of fixed fragments and bound values.
#[derive(Default)]
pub(super) struct Condition {
    fragments: Vec<String>,
    values: Vec<Value>,
}

impl Condition {
    /// Adds `fragment`, whose question marks stand for `values`.
    pub(crate) fn and(&mut self, fragment: &str, values: impl IntoIterator<Item = Value>) {
        self.fragments.push(fragment.to_owned());
        self.values.extend(values);
    }

    /// Adds "`expression` is one of `values`".
    pub(crate) fn and_in(&mut self, expression: &str, values: impl IntoIterator<Item = Value>) {
        let before = self.values.len();
        self.values.extend(values);
        let marks = marks(self.values.len() - before);
        self.fragments.push(format!("{expression} IN ({marks})"));
    }

    /// Adds that it is one of these, which may be many.
    pub(crate) fn and_id_in(&mut self, ids: &[MemoryId]) {
        let list = serde_json::json!(ids).to_string();
        let fragment = "m.id IN (SELECT value FROM json_each(?))";
        self.and(fragment, [Value::Text(list)]);
    }

    /// The memories of these projects.
    pub(crate) fn within(projects: &ProjectSet) -> Condition {
        let mut condition = Condition::default();
        condition.and_project_in(projects);
        condition
    }

    fn and_project_in(&mut self, projects: &ProjectSet) {
        if let ProjectSet::Only(projects) = projects {
            // The plus keeps SQLite from the index of active texts, by which it
            // would read the whole project where ids or the order of age lead to
            // a few rows.
            let projects = projects.iter().cloned().map(Value::Text);
            self.and_in("+m.project", projects);
        }
    }

    /// The memories that `filter` lets through.
    pub(crate) fn of(filter: &Filter) -> Condition {
        let mut condition = Condition::default();
        condition.and_lifetime(filter);
        condition.and_project_in(&filter.project_set());
        if let Some(category) = filter.category {
            // The plus keeps SQLite from its index, which leads to more than most others.
            condition.and("+m.category = ?", [category_value(category)]);
        }
        // So does the plus before a time.
        if let Some(since) = filter.since {
            condition.and(&format!("+{WHEN} >= ?"), [Value::Integer(since.0)]);
        }
        if let Some(until) = filter.until {
            condition.and(&format!("+{WHEN} < ?"), [Value::Integer(until.0)]);
        }
        if let Some(thread) = &filter.thread {
            condition.and("m.thread = ?", [Value::Text(thread.clone())]);
        }
        for spellings in &filter.tags {
            let marks = marks(spellings.len());
            condition.and(
                &format!(
                    "EXISTS (SELECT 1 FROM memory_tag t WHERE t.memory_id = m.id \
                     AND t.tag IN ({marks}))"
                ),
                spellings.iter().cloned().map(Value::Text),
            );
        }
        condition
    }

    /// Restricts to memories that are current now or at `as_of`, with older versions
    /// if they are included; never archived ones.
    fn and_lifetime(&mut self, filter: &Filter) {
        if let Some(then) = filter.as_of {
            let then = Value::Integer(then.0);
            self.and("m.state <> 'archived'", []);
            self.and(&format!("+{WHEN} <= ?"), [then.clone()]);
            if !filter.include_superseded {
                let holds = format!(
                    "(m.retired_at IS NULL OR m.retired_at > ? AND NOT {})",
                    replaced_by("?")
                );
                self.and(&holds, [then.clone(), then.clone()]);
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
    pub(crate) fn sql(&self) -> String {
        if self.fragments.is_empty() {
            return "TRUE".to_owned();
        }
        self.fragments.join(" AND ")
    }

    /// The bound values, in the order of the question marks.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }
}

pub(super) fn category_value(category: Category) -> Value {
    Value::Text(category.name().to_owned())
}

pub(super) fn state_value(state: MemoryState) -> Value {
    Value::Text(state.name().to_owned())
}

/// At least the number of memories: ids are never used again.
pub(super) fn max_id(file: &Connection) -> Result<MemoryId, StoreError> {
    let sql = "SELECT ifnull(max(id), 0) FROM memory";
    Ok(file.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

pub(super) fn mentioning(
    file: &Connection,
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
    let order = format!("ORDER BY {WHEN} DESC, m.id DESC LIMIT {limit}");
    select(file, &filter.project_set(), &condition, &order)
}

/// See `MemoryStore::fetch`.
pub(super) fn fetch(
    file: &Connection,
    ids: &[MemoryId],
    projects: &ProjectSet,
) -> Result<Vec<Memory>, StoreError> {
    in_order(file, ids, projects, Condition::within(projects))
}

/// See `MemoryStore::fetch_matching`.
pub(super) fn fetch_matching(
    file: &Connection,
    ids: &[MemoryId],
    filter: &Filter,
) -> Result<Vec<Memory>, StoreError> {
    in_order(file, ids, &filter.project_set(), Condition::of(filter))
}

fn in_order(
    file: &Connection,
    ids: &[MemoryId],
    projects: &ProjectSet,
    mut condition: Condition,
) -> Result<Vec<Memory>, StoreError> {
    condition.and_in("m.id", ids.iter().copied().map(Value::Integer));
    let found = select(file, projects, &condition, "")?;
    let mut found: HashMap<MemoryId, Memory> = found
        .into_iter()
        .map(|memory| (memory.id, memory))
        .collect();
    // A repeated id gives one memory.
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Those of `ids` that are memories of these projects, in their order.
pub(super) fn ids_within(
    file: &Connection,
    ids: &[MemoryId],
    projects: &ProjectSet,
) -> Result<Vec<MemoryId>, StoreError> {
    let ProjectSet::Only(_) = projects else {
        return Ok(ids.to_vec());
    };
    let mut condition = Condition::within(projects);
    condition.and_in("m.id", ids.iter().copied().map(Value::Integer));
    let sql = format!("SELECT m.id FROM memory m WHERE {}", condition.sql());
    let mut statement = file.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(condition.values()), |row| row.get(0))?;
    let found: HashSet<MemoryId> = found.collect::<Result<_, _>>()?;
    Ok(ids
        .iter()
        .copied()
        .filter(|id| found.contains(id))
        .collect())
}

/// Whole memories for a caller who may read `projects`: so may be the names of the
/// entities that are shown with them.
pub(super) fn select(
    file: &Connection,
    projects: &ProjectSet,
    condition: &Condition,
    order: &str,
) -> Result<Vec<Memory>, StoreError> {
    let (names, readable) = match json_list(projects) {
        None => ("", None),
        Some(list) => (
            "AND EXISTS (SELECT 1 FROM entity_name n JOIN graph_word w ON w.id = n.project \
             WHERE n.entity = e.id AND w.word IN (SELECT value FROM json_each(?)))",
            Some(Value::Text(list)),
        ),
    };
    let columns = COLUMNS.map(|column| format!("m.{column}")).join(", ");
    let sql = format!(
        "SELECT {columns}, \
         (SELECT json_group_array(t.tag) FROM memory_tag t WHERE t.memory_id = m.id), \
         (SELECT json_group_array(key) FROM (SELECT e.key FROM memory_entity l \
          JOIN entity e ON e.id = l.entity WHERE l.memory_id = m.id {names} \
          ORDER BY e.key LIMIT 20)) \
         FROM memory m WHERE {} {order}",
        condition.sql()
    );
    let mut statement = file.prepare_cached(&sql)?;
    let values = params_from_iter(readable.iter().chain(condition.values()));
    let rows = statement.query_map(values, memory_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The projects as a JSON list, NULL for all.
pub(super) fn json_list(projects: &ProjectSet) -> Option<String> {
    match projects {
        ProjectSet::All => None,
        ProjectSet::Only(projects) => Some(json(projects)),
    }
}
