//! Reading and writing whole memories.

use std::collections::HashMap;

use futures::try_join;

use tokio_postgres::Row;

use crate::clock::Timestamp;
use crate::store::graph::EntityId;
use crate::store::memory::{
    COLUMNS, Category, Filter, Memory, MemoryCensus, MemoryFields, MemoryId, MemoryState, WHEN,
};
use crate::store::postgres::transaction::{Param, Tx};
use crate::store::postgres::values::Values;
use crate::store::{ProjectSet, StoreError};

/// Reads the columns, then the tags and the entities.
fn memory_from(row: &Row) -> Memory {
    let time = |column: usize| row.get::<_, Option<i64>>(column).map(Timestamp);
    let tags: Vec<String> = row.get(COLUMNS.len());
    let mut text_key = [0; 32];
    let stored: &[u8] = row.get(19);
    if stored.len() == text_key.len() {
        text_key.copy_from_slice(stored);
    }
    Memory {
        id: row.get(0),
        fields: MemoryFields {
            project: row.get(1),
            category: Category::from_name(row.get(2)).unwrap_or_default(),
            importance: row.get(3),
            tags: tags.into_iter().collect(),
            topic_key: row.get(16),
            thread: row.get(15),
            valid_until: time(8),
            said_at: time(18),
        },
        content: row.get(20),
        text_key,
        entities: row.get(COLUMNS.len() + 1),
        state: MemoryState::from_name(row.get(4)).unwrap_or_default(),
        protected: row.get(5),
        supersedes: row.get(13),
        position: row.get(14),
        created_at: Timestamp(row.get(6)),
        recorded_at: time(17),
        updated_at: Timestamp(row.get(9)),
        retired_at: time(7),
        recalled_at: time(10),
        recall_count: row.get::<_, i64>(11).unsigned_abs(),
        revision: row.get(12),
    }
}

/// Memories by column, for one statement that writes all of them.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<MemoryId>,
    project: Vec<&'a str>,
    category: Vec<&'a str>,
    importance: Vec<f64>,
    state: Vec<&'a str>,
    protected: Vec<bool>,
    created_at: Vec<i64>,
    retired_at: Vec<Option<i64>>,
    valid_until: Vec<Option<i64>>,
    updated_at: Vec<i64>,
    recalled_at: Vec<Option<i64>>,
    recall_count: Vec<i64>,
    revision: Vec<i64>,
    supersedes: Vec<Option<MemoryId>>,
    position: Vec<i64>,
    thread: Vec<&'a str>,
    topic_key: Vec<Option<&'a str>>,
    recorded_at: Vec<Option<i64>>,
    said_at: Vec<Option<i64>>,
    text_key: Vec<&'a [u8]>,
    content: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(memories: &[&'a Memory]) -> Columns<'a> {
        let mut all = Columns::default();
        let micros = |time: Option<Timestamp>| time.map(|time| time.0);
        for memory in memories {
            let fields = &memory.fields;
            all.id.push(memory.id);
            all.project.push(&fields.project);
            all.category.push(fields.category.name());
            all.importance.push(fields.importance);
            all.state.push(memory.state.name());
            all.protected.push(memory.protected);
            all.created_at.push(memory.created_at.0);
            all.retired_at.push(micros(memory.retired_at));
            all.valid_until.push(micros(fields.valid_until));
            all.updated_at.push(memory.updated_at.0);
            all.recalled_at.push(micros(memory.recalled_at));
            all.recall_count.push(count_of(memory));
            all.revision.push(memory.revision);
            all.supersedes.push(memory.supersedes);
            all.position.push(memory.position);
            all.thread.push(&fields.thread);
            all.topic_key.push(fields.topic_key.as_deref());
            all.recorded_at.push(micros(memory.recorded_at));
            all.said_at.push(micros(fields.said_at));
            all.text_key.push(&memory.text_key);
            all.content.push(&memory.content);
        }
        all
    }
}

fn count_of(memory: &Memory) -> i64 {
    i64::try_from(memory.recall_count).unwrap_or(i64::MAX)
}

/// Inserts rows and their tags.
pub(super) async fn insert(tx: &Tx, memories: &[&Memory]) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO memory ({}) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], \
         $4::float8[], $5::text[], $6::bool[], $7::bigint[], $8::bigint[], $9::bigint[], \
         $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], \
         $15::bigint[], $16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::bytea[], \
         $21::text[])",
        COLUMNS.join(", ")
    );
    let all = Columns::of(memories);
    tx.execute(
        &sql,
        &[
            &all.id,
            &all.project,
            &all.category,
            &all.importance,
            &all.state,
            &all.protected,
            &all.created_at,
            &all.retired_at,
            &all.valid_until,
            &all.updated_at,
            &all.recalled_at,
            &all.recall_count,
            &all.revision,
            &all.supersedes,
            &all.position,
            &all.thread,
            &all.topic_key,
            &all.recorded_at,
            &all.said_at,
            &all.text_key,
            &all.content,
        ],
    )
    .await?;
    let tags = memories.iter().flat_map(|memory| {
        let tags = memory.fields.tags.iter();
        tags.map(|tag| (memory.id, tag.as_str()))
    });
    let (ids, tags): (Vec<MemoryId>, Vec<&str>) = tags.unzip();
    let tag = async {
        let sql = "INSERT INTO memory_tag (memory_id, tag) \
                   SELECT * FROM unnest($1::bigint[], $2::text[])";
        match ids.is_empty() {
            true => Ok(0),
            false => tx.execute(sql, &[&ids, &tags]).await,
        }
    };
    // Under the lock of all writers of memories; a rollback leaves a gap.
    let newest = all.id.iter().max();
    let sql = "SELECT setval('memory_id_seq', greatest(last_value, $1)) FROM memory_id_seq";
    let values: [Param<'_>; 1] = [&newest];
    try_join!(tag, tx.query(sql, &values))?;
    Ok(())
}

/// Stores everything about a memory that can change: its text and its project only
/// where the text did.
pub(super) async fn update(tx: &Tx, memory: &Memory, text_changed: bool) -> Result<(), StoreError> {
    let (text, condition) = match text_changed {
        true => (", project = $18, text_key = $19, content = $20", ""),
        false => ("", " AND project = $18"),
    };
    let sql = format!(
        "WITH changed AS (UPDATE memory SET category = $2, importance = $3, state = $4, \
         protected = $5, created_at = $6, retired_at = $7, valid_until = $8, updated_at = $9, \
         recalled_at = $10, recall_count = $11, revision = $12, supersedes = $13, \
         position = $14, thread = $15, topic_key = $16, recorded_at = $17, \
         said_at = $22{text} \
         WHERE id = $1{condition} RETURNING id), \
         gone AS (DELETE FROM memory_tag t USING changed c \
         WHERE t.memory_id = c.id AND t.tag <> ALL ($21::text[])), \
         added AS (INSERT INTO memory_tag (memory_id, tag) SELECT c.id, tag \
         FROM changed c, unnest($21::text[]) tag ON CONFLICT DO NOTHING) \
         SELECT id FROM changed WHERE $19::bytea IS NOT NULL AND $20::text IS NOT NULL"
    );
    let fields = &memory.fields;
    let tags: Vec<&str> = fields.tags.iter().map(String::as_str).collect();
    let micros = |time: Option<Timestamp>| time.map(|time| time.0);
    let changed = tx
        .query(
            &sql,
            &[
                &memory.id,
                &fields.category.name(),
                &fields.importance,
                &memory.state.name(),
                &memory.protected,
                &memory.created_at.0,
                &micros(memory.retired_at),
                &micros(fields.valid_until),
                &memory.updated_at.0,
                &micros(memory.recalled_at),
                &count_of(memory),
                &memory.revision,
                &memory.supersedes,
                &memory.position,
                &fields.thread,
                &fields.topic_key,
                &micros(memory.recorded_at),
                &fields.project,
                &memory.text_key.as_slice(),
                &memory.content,
                &tags,
                &micros(fields.said_at),
            ],
        )
        .await?;
    match changed.is_empty() {
        true => Err(StoreError::NoSuchMemory(vec![memory.id])),
        false => Ok(()),
    }
}

/// See `MemoryStore::mentioning`.
pub(super) async fn mentioning(
    tx: &Tx,
    entities: &[EntityId],
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Memory>, StoreError> {
    let mut values = Values::default();
    // Each entity by itself, so that the index ends the search at the limit.
    let condition = format!(
        "m.id IN (SELECT l.memory_id FROM unnest({}::bigint[]) e (id), LATERAL (SELECT memory_id \
         FROM memory_entity WHERE entity = e.id ORDER BY memory_id DESC LIMIT {}) l) AND {}",
        values.bind(entities.to_vec()),
        values.bind(count(limit)),
        values.passing(filter)
    );
    let order = format!(
        "ORDER BY {WHEN} DESC, m.id DESC LIMIT {}",
        values.bind(count(limit))
    );
    select(tx, &filter.project_set(), values, &condition, &order).await
}

/// A limit as the server takes it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// See `MemoryStore::fetch`.
pub(super) async fn fetch(
    tx: &Tx,
    ids: &[MemoryId],
    projects: &ProjectSet,
) -> Result<Vec<Memory>, StoreError> {
    let mut values = Values::default();
    let condition = values.within(projects);
    in_order(tx, ids, projects, values, condition).await
}

/// See `MemoryStore::fetch_matching`.
pub(super) async fn fetch_matching(
    tx: &Tx,
    ids: &[MemoryId],
    filter: &Filter,
) -> Result<Vec<Memory>, StoreError> {
    let mut values = Values::default();
    let condition = values.passing(filter);
    in_order(tx, ids, &filter.project_set(), values, condition).await
}

async fn in_order(
    tx: &Tx,
    ids: &[MemoryId],
    projects: &ProjectSet,
    mut values: Values,
    mut condition: String,
) -> Result<Vec<Memory>, StoreError> {
    let wanted = values.bind(ids.to_vec());
    condition.push_str(&format!(" AND m.id = ANY ({wanted})"));
    let found = select(tx, projects, values, &condition, "").await?;
    let mut found: HashMap<MemoryId, Memory> = found
        .into_iter()
        .map(|memory| (memory.id, memory))
        .collect();
    // A repeated id gives one memory.
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Whole memories for a caller who may read `projects`: so may be the names of the
/// entities that are shown with them.
pub(super) async fn select(
    tx: &Tx,
    projects: &ProjectSet,
    mut values: Values,
    condition: &str,
    order: &str,
) -> Result<Vec<Memory>, StoreError> {
    let names = match projects {
        ProjectSet::All => String::new(),
        ProjectSet::Only(projects) => format!(
            "AND EXISTS (SELECT FROM entity_name n JOIN graph_word w ON w.id = n.project \
             WHERE n.entity = e.id AND w.word = ANY ({}))",
            values.bind(projects.clone())
        ),
    };
    let columns = COLUMNS.map(|column| format!("m.{column}")).join(", ");
    let sql = format!(
        "SELECT {columns}, ARRAY(SELECT t.tag FROM memory_tag t WHERE t.memory_id = m.id), \
         ARRAY(SELECT e.key FROM memory_entity l JOIN entity e ON e.id = l.entity \
         WHERE l.memory_id = m.id {names} ORDER BY e.key LIMIT 20) \
         FROM memory m WHERE {condition} {order}"
    );
    let rows = tx.query(&sql, &values.params()).await?;
    Ok(rows.iter().map(memory_from).collect())
}

/// See `MemoryStore::census`.
pub(super) async fn census(tx: &Tx, projects: &ProjectSet) -> Result<MemoryCensus, StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "SELECT count(*) FILTER (WHERE state = 'active'), \
         count(*) FILTER (WHERE state = 'superseded'), \
         count(*) FILTER (WHERE state = 'archived'), \
         count(DISTINCT project) FILTER (WHERE state = 'active'), pg_is_in_recovery() \
         FROM memory m WHERE {}",
        values.within(projects)
    );
    let row = tx.query_one(&sql, &values.params()).await?;
    let count = |column: usize| row.get::<_, i64>(column).unsigned_abs();
    Ok(MemoryCensus {
        active: count(0),
        superseded: count(1),
        archived: count(2),
        projects: count(3),
        file_bytes: bytes(tx).await?,
        read_only: row.get(4),
        free_bytes: None,
    })
}

/// What the tables and indexes of the schema occupy on the server's disk.
pub(in crate::store::postgres) async fn bytes(tx: &Tx) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = current_schema() AND c.relkind = 'r'";
    let row = tx.query_one(sql, &[]).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
