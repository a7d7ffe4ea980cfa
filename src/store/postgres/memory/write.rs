//! Writes memories: the lookups of a transaction, and its changes of rows and of the
//! indexes of every text.

use std::collections::{BTreeSet, HashMap};

use futures::try_join;

use super::words::{self, Indexed, project_ids};
use super::{features, rows, vectors};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::memory::{
    EditRecord, Identity, Index, IndexedText, Lookup, LookupResult, Memory, MemoryId, MemoryState,
    Write,
};
use crate::store::postgres::graph::link_memories;
use crate::store::postgres::transaction::Tx;
use crate::store::{ProjectSet, StoreError};
use crate::text;

/// See `MemoryTransaction::look_up`.
pub(super) async fn look_up(
    tx: &Tx,
    reach: &Reach,
    lookup: &Lookup,
) -> Result<LookupResult, StoreError> {
    let of_texts = async {
        let texts = lookup.texts.iter();
        let (projects, keys): (Vec<&str>, Vec<&[u8]>) = texts
            .map(|(project, key)| (project.as_str(), key.as_slice()))
            .unzip();
        let sql = "SELECT m.id FROM unnest($1::text[], $2::bytea[]) l (project, key) \
                   JOIN memory m ON m.project = l.project AND m.text_key = l.key \
                   WHERE m.state = 'active'";
        ids_if(tx, !projects.is_empty(), sql, &[&projects, &keys]).await
    };
    let of_topics = async {
        let topics = lookup.topics.iter();
        let (projects, keys): (Vec<&str>, Vec<&str>) = topics
            .map(|(project, key)| (project.as_str(), key.as_str()))
            .unzip();
        let sql = "SELECT m.id FROM unnest($1::text[], $2::text[]) l (project, key) \
                   JOIN memory m ON m.project = l.project AND m.topic_key = l.key \
                   WHERE m.state = 'active'";
        ids_if(tx, !projects.is_empty(), sql, &[&projects, &keys]).await
    };
    let of_identities = identify(tx, &lookup.identities);
    let last = last_positions(tx, &lookup.threads);
    let next = tx.query_one("SELECT last_value + is_called::int FROM memory_id_seq", &[]);
    let (of_texts, of_topics, of_identities, positions, next) =
        try_join!(of_texts, of_topics, of_identities, last, next)?;
    let mut ids: BTreeSet<MemoryId> = lookup.ids.iter().copied().collect();
    ids.extend(of_texts);
    ids.extend(of_topics);
    ids.extend(of_identities.into_iter().flatten());
    let ids: Vec<MemoryId> = ids.into_iter().collect();
    Ok(LookupResult {
        memories: match ids.is_empty() {
            true => Vec::new(),
            false => rows::fetch(tx, &ids, &ProjectSet::readable(reach, &[])).await?,
        },
        positions,
        next_id: next.get(0),
    })
}

async fn ids_if(
    tx: &Tx,
    is_asked: bool,
    sql: &str,
    params: &[crate::store::postgres::transaction::Param<'_>],
) -> Result<Vec<MemoryId>, StoreError> {
    match is_asked {
        true => Ok(tx
            .query(sql, params)
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect()),
        false => Ok(Vec::new()),
    }
}

async fn last_positions(tx: &Tx, threads: &[String]) -> Result<HashMap<String, i64>, StoreError> {
    if threads.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT t.name, m.position FROM unnest($1::text[]) t (name), \
               LATERAL (SELECT position FROM memory WHERE thread = t.name \
               ORDER BY position DESC LIMIT 1) m";
    let rows = tx.query(sql, &[&threads]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The first memory of each identity.
pub(super) async fn identify(
    tx: &Tx,
    who: &[Identity],
) -> Result<Vec<Option<MemoryId>>, StoreError> {
    let mut found = vec![None; who.len()];
    if who.is_empty() {
        return Ok(found);
    }
    let threads: Vec<&str> = who.iter().map(|each| each.thread.as_str()).collect();
    let positions: Vec<i64> = who.iter().map(|each| each.position).collect();
    let projects: Vec<&str> = who.iter().map(|each| each.project.as_str()).collect();
    let keys: Vec<&[u8]> = who.iter().map(|each| each.key.as_slice()).collect();
    let created: Vec<Option<i64>> = who
        .iter()
        .map(|each| each.created_at.map(|at| at.0))
        .collect();
    let sql = "SELECT u.nth, min(m.id) \
               FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::bigint[]) \
               WITH ORDINALITY u (thread, position, project, key, created, nth) \
               JOIN memory m ON m.thread = u.thread AND m.position = u.position \
               AND m.project = u.project AND m.text_key = u.key \
               AND (u.created IS NULL OR m.created_at = u.created) GROUP BY u.nth";
    let rows = tx
        .query(sql, &[&threads, &positions, &projects, &keys, &created])
        .await?;
    for row in rows {
        let nth = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        if let Some(place) = found.get_mut(nth) {
            *place = row.get(1);
        }
    }
    Ok(found)
}

/// See `MemoryTransaction::apply`. New texts that follow each other are written
/// together.
pub(super) async fn apply(
    tx: &Tx,
    reach: &Reach,
    model: &str,
    writes: &[Write],
) -> Result<(), StoreError> {
    let mut rest = writes;
    while let Some(first) = rest.first() {
        let mut taken = 1;
        match first {
            Write::Insert {
                index: Index::Text(_),
                ..
            } => {
                let news: Vec<(&Memory, &IndexedText)> = rest.iter().map_while(new_text).collect();
                taken = news.len();
                insert(tx, reach, model, &news).await?;
            }
            Write::Insert {
                memory,
                index: Index::MovedFrom(other),
            } => insert_older(tx, reach, memory, *other).await?,
            Write::Update { memory, text } => {
                refuse_beyond(reach, memory)?;
                match text {
                    Some(text) => update_text(tx, reach, model, memory, text).await?,
                    None => rows::update(tx, memory, false).await?,
                }
            }
            Write::LogEdit(_) => {
                let records = rest.iter().map_while(|write| match write {
                    Write::LogEdit(record) => Some(record),
                    _ => None,
                });
                let records: Vec<&EditRecord> = records.collect();
                taken = records.len();
                log_edits(tx, &records).await?;
            }
            Write::ForgetEdits(before) => {
                let sql = "DELETE FROM memory_edit WHERE edited_at < $1";
                tx.execute(sql, &[&before.0]).await?;
            }
        }
        rest = &rest[taken..];
    }
    Ok(())
}

fn new_text(write: &Write) -> Option<(&Memory, &IndexedText)> {
    match write {
        Write::Insert {
            memory,
            index: Index::Text(text),
        } => Some((memory, text)),
        _ => None,
    }
}

async fn insert(
    tx: &Tx,
    reach: &Reach,
    model: &str,
    news: &[(&Memory, &IndexedText)],
) -> Result<(), StoreError> {
    let memories: Vec<&Memory> = news.iter().map(|(memory, _)| *memory).collect();
    for memory in &memories {
        refuse_beyond(reach, memory)?;
    }
    let ((), numbers, derived) = try_join!(
        rows::insert(tx, &memories),
        Numbers::find(tx, model, news),
        features::derive_each(tx, &memories)
    )?;
    let ((), labelled) = try_join!(index(tx, &numbers, news), features::write(tx, &derived))?;
    features::count(tx, &derived, &labelled).await
}

/// Stores an earlier text as a version of its own, with its vectors.
async fn insert_older(
    tx: &Tx,
    reach: &Reach,
    memory: &Memory,
    other: MemoryId,
) -> Result<(), StoreError> {
    refuse_beyond(reach, memory)?;
    rows::insert(tx, &[memory]).await?;
    vectors::move_from(tx, memory, other).await?;
    let project = std::iter::once(memory.fields.project.as_str());
    let projects = project_ids(tx, project).await?;
    let words = text::index_words(&memory.content);
    add_words(tx, &projects, &[(memory, &words)]).await?;
    features::derive(tx, &[memory]).await
}

async fn update_text(
    tx: &Tx,
    reach: &Reach,
    model: &str,
    memory: &Memory,
    text: &IndexedText,
) -> Result<(), StoreError> {
    let id = memory.id;
    let sql = "SELECT project, content FROM memory WHERE id = $1";
    let found = tx.query_opt(sql, &[&id]).await?;
    let row = found.ok_or_else(|| StoreError::NoSuchMemory(vec![id]))?;
    // A text may move to another project, so the one it is in counts as well.
    let project: &str = row.get(0);
    match (reach.can_write(project), reach.can_read(project)) {
        (true, _) => {}
        (false, true) => return Err(StoreError::NoAccess(project.to_owned())),
        (false, false) => return Err(StoreError::NoSuchMemory(vec![id])),
    }
    let words = &text::index_words(row.get(1));
    words::remove(tx, &[Indexed { id, project, words }]).await?;
    rows::update(tx, memory, true).await?;
    let news = [(memory, text)];
    let numbers = Numbers::find(tx, model, &news).await?;
    index(tx, &numbers, &news).await?;
    features::derive(tx, &[memory]).await
}

fn refuse_beyond(reach: &Reach, memory: &Memory) -> Result<(), StoreError> {
    let project = &memory.fields.project;
    match reach.can_write(project) {
        true => Ok(()),
        false => Err(StoreError::NoAccess(project.clone())),
    }
}

/// What the indexes have instead of names.
struct Numbers {
    projects: HashMap<String, i32>,
    /// `None` where no text has vectors.
    model: Option<i32>,
}

impl Numbers {
    async fn find(
        tx: &Tx,
        model: &str,
        news: &[(&Memory, &IndexedText)],
    ) -> Result<Numbers, StoreError> {
        let names = news
            .iter()
            .map(|(memory, _)| memory.fields.project.as_str());
        let vector = news.iter().find_map(|(_, text)| text.vectors.first());
        let (projects, model) = try_join!(project_ids(tx, names), async {
            match vector {
                Some(vector) => vectors::model_id(tx, model, vector.len()).await.map(Some),
                None => Ok(None),
            }
        })?;
        Ok(Numbers { projects, model })
    }
}

async fn index(
    tx: &Tx,
    numbers: &Numbers,
    news: &[(&Memory, &IndexedText)],
) -> Result<(), StoreError> {
    let each = news.iter();
    let texts: Vec<(&Memory, &str)> = each
        .map(|(memory, text)| (*memory, text.words.as_str()))
        .collect();
    let words = add_words(tx, &numbers.projects, &texts);
    let Some(model) = numbers.model else {
        return words.await;
    };
    let vectors: Vec<(MemoryId, i32, &[Vec<f32>])> = news
        .iter()
        .map(|(memory, text)| {
            let project = numbers.projects[&memory.fields.project];
            (memory.id, project, &*text.vectors)
        })
        .collect();
    try_join!(words, vectors::add(tx, model, &vectors))?;
    Ok(())
}

/// Adds words to the keyword index and links the memories to the entities that they
/// name.
async fn add_words(
    tx: &Tx,
    projects: &HashMap<String, i32>,
    texts: &[(&Memory, &str)],
) -> Result<(), StoreError> {
    let each = texts.iter().map(|(memory, words)| Indexed {
        id: memory.id,
        project: &memory.fields.project,
        words,
    });
    let indexed: Vec<Indexed<'_>> = each.collect();
    let said = texts.iter().map(|(memory, _)| text::words(&memory.content));
    let said: Vec<String> = said.collect();
    let linked = texts.iter().zip(&said);
    let linked: Vec<(MemoryId, &str)> = linked
        .map(|((memory, _), words)| (memory.id, words.as_str()))
        .collect();
    try_join!(
        words::add(tx, &indexed, projects),
        link_memories(tx, &linked)
    )?;
    Ok(())
}

async fn log_edits(tx: &Tx, records: &[&EditRecord]) -> Result<(), StoreError> {
    let sql = "INSERT INTO memory_edit (undo_id, memory_id, revision, edited_at, text_changed, \
               importance, state, protected, reason, tags, project, content, said_at) \
               SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], \
               $5::bool[], $6::float8[], $7::text[], $8::bool[], $9::text[], $10::text[], \
               $11::text[], $12::text[], $13::bigint[])";
    let text = |take: fn(&EditRecord) -> &str| -> Vec<&str> {
        records.iter().map(|record| take(record)).collect()
    };
    let number = |take: fn(&EditRecord) -> i64| -> Vec<i64> {
        records.iter().map(|record| take(record)).collect()
    };
    let is = |take: fn(&EditRecord) -> bool| -> Vec<bool> {
        records.iter().map(|record| take(record)).collect()
    };
    let maybe = |take: fn(&EditRecord) -> Option<&str>| -> Vec<Option<&str>> {
        records.iter().map(|record| take(record)).collect()
    };
    let importance: Vec<f64> = records.iter().map(|record| record.importance).collect();
    let said_at = records.iter().map(|record| record.said_at);
    let said_at: Vec<Option<i64>> = said_at.map(|time| time.map(|time| time.0)).collect();
    let tags = records
        .iter()
        .map(|record| serde_json::json!(record.tags).to_string());
    let tags: Vec<String> = tags.collect();
    tx.execute(
        sql,
        &[
            &text(|record| &record.undo_id),
            &number(|record| record.memory),
            &number(|record| record.revision),
            &number(|record| record.edited_at.0),
            &is(|record| record.text_changed),
            &importance,
            &text(|record| record.state.name()),
            &is(|record| record.protected),
            &maybe(|record| record.reason.as_deref()),
            &tags,
            &maybe(|record| record.project.as_deref()),
            &text(|record| &record.content),
            &said_at,
        ],
    )
    .await?;
    Ok(())
}

/// See `MemoryTransaction::edit_records`.
pub(super) async fn edit_records(
    tx: &Tx,
    reach: &Reach,
    undo_id: &str,
) -> Result<Vec<EditRecord>, StoreError> {
    let sql = "SELECT e.memory_id, e.revision, e.edited_at, e.text_changed, e.importance, e.state, \
               e.protected, e.reason, e.tags, e.content, m.project, e.project, e.said_at \
               FROM memory_edit e JOIN memory m ON m.id = e.memory_id \
               WHERE e.undo_id = $1 ORDER BY e.memory_id";
    let mut records = Vec::new();
    for row in tx.query(sql, &[&undo_id]).await? {
        if !reach.can_read(row.get(10)) {
            return Ok(Vec::new());
        }
        records.push(EditRecord {
            undo_id: undo_id.to_owned(),
            memory: row.get(0),
            revision: row.get(1),
            edited_at: Timestamp(row.get(2)),
            text_changed: row.get(3),
            importance: row.get(4),
            state: MemoryState::from_name(row.get(5)).unwrap_or_default(),
            protected: row.get(6),
            reason: row.get(7),
            tags: serde_json::from_str(row.get(8)).unwrap_or_default(),
            content: row.get(9),
            project: row.get(11),
            said_at: row.get::<_, Option<i64>>(12).map(Timestamp),
        });
    }
    Ok(records)
}

/// Erases memories and everything else about them. A version that replaced one has no
/// older version then.
pub(in crate::store::postgres) async fn erase(tx: &Tx, ids: &[MemoryId]) -> Result<(), StoreError> {
    let sql = "SELECT id, project, content FROM memory WHERE id = ANY ($1)";
    let rows = tx.query(sql, &[&ids]).await?;
    let texts: Vec<String> = rows
        .iter()
        .map(|row| text::index_words(row.get(2)))
        .collect();
    let indexed = rows.iter().zip(&texts).map(|(row, words)| Indexed {
        id: row.get(0),
        project: row.get(1),
        words,
    });
    let indexed: Vec<Indexed<'_>> = indexed.collect();
    words::remove(tx, &indexed).await?;
    features::remove(tx, ids).await?;
    for sql in [
        "DELETE FROM memory_vector WHERE memory_id = ANY ($1)",
        "DELETE FROM memory_tag WHERE memory_id = ANY ($1)",
        "DELETE FROM memory_entity WHERE memory_id = ANY ($1)",
        "DELETE FROM memory_edit WHERE memory_id = ANY ($1)",
        "UPDATE memory SET supersedes = NULL WHERE supersedes = ANY ($1)",
        "DELETE FROM memory WHERE id = ANY ($1)",
    ] {
        tx.execute(sql, &[&ids]).await?;
    }
    Ok(())
}
