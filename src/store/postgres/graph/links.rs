//! Which memories name which entities. Links are made whenever a memory gets a
//! text and whenever an entity gets a name.

use std::collections::{BTreeSet, HashSet};

use futures::future::try_join_all;
use futures::try_join;

use crate::limits;
use crate::store::graph::{EntityId, WordId};
use crate::store::memory::MemoryId;
use crate::store::postgres::transaction::{Param, Tx};
use crate::store::{PROJECT_SHARED, StoreError};
use crate::text;

/// Links each memory to exactly the entities that its words (as `text::words`
/// makes them) name, of those known in its project and the shared one.
pub(in crate::store::postgres) async fn link_memories(
    tx: &Tx,
    memories: &[(MemoryId, &str)],
) -> Result<(), StoreError> {
    let ids: Vec<MemoryId> = memories.iter().map(|(id, _)| *id).collect();
    let sql = "DELETE FROM memory_entity WHERE memory_id = ANY ($1)";
    let values: [Param<'_>; 1] = [&ids];
    let unlink = tx.execute(sql, &values);
    // Most projects have no graph, and phrases are many.
    let sql = "SELECT m.id FROM memory m WHERE m.id = ANY ($1) \
         AND EXISTS (SELECT FROM graph_word WHERE word IN (m.project, $2))";
    let values: [Param<'_>; 2] = [&ids, &PROJECT_SHARED];
    let (_, known) = try_join!(unlink, tx.query(sql, &values))?;
    let known: HashSet<MemoryId> = known.iter().map(|row| row.get(0)).collect();
    let (mut of, mut phrases) = (Vec::new(), Vec::new());
    for (id, words) in memories.iter().filter(|(id, _)| known.contains(id)) {
        let all = text::phrases(words, limits::ENTITY_WORDS_LINKED_MAX);
        for phrase in all.take(limits::MEMORY_PHRASES_LINKED_MAX) {
            of.push(*id);
            phrases.push(phrase);
        }
    }
    if phrases.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO memory_entity (memory_id, entity) \
         SELECT DISTINCT said.memory, n.entity \
         FROM unnest($1::bigint[], $2::text[]) said (memory, phrase) \
         JOIN entity_name n ON n.words = said.phrase \
         JOIN graph_word w ON w.id = n.project \
         JOIN memory m ON m.id = said.memory \
         WHERE w.word IN (m.project, $3)";
    tx.execute(sql, &[&of, &phrases, &PROJECT_SHARED]).await?;
    Ok(())
}

/// A name under which an entity is known in a project.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct KnownName {
    pub(super) entity: EntityId,
    pub(super) project: WordId,
    pub(super) words: String,
}

/// Links each entity to the newest memories that name it. The keyword index finds
/// those with its words, and each text is searched for the exact phrase.
pub(super) async fn link_entities(tx: &Tx, names: HashSet<KnownName>) -> Result<(), StoreError> {
    let names = names
        .into_iter()
        .filter(|name| text::is_distinctive(&name.words));
    let found = try_join_all(names.map(|name| naming(tx, name))).await?;
    let (entities, memories): (Vec<EntityId>, Vec<MemoryId>) = found.into_iter().flatten().unzip();
    if entities.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO memory_entity (memory_id, entity) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[&memories, &entities]).await?;
    Ok(())
}

/// The entity of `name` with each of the newest memories that have its words next to
/// each other.
async fn naming(tx: &Tx, name: KnownName) -> Result<Vec<(EntityId, MemoryId)>, StoreError> {
    let words = text::one_spelling(&name.words);
    let stems: BTreeSet<String> = words.split(' ').map(text::stem).collect();
    let stems: Vec<String> = stems.into_iter().collect();
    let count = stems.len() as i64;
    let sql = "WITH found AS MATERIALIZED (SELECT o.memory FROM graph_word w \
         JOIN project p ON w.word IN (p.name, $2) JOIN posting o ON o.project = p.id \
         WHERE w.id = $1 AND o.word = ANY ($3) AND o.memory < $4 \
         GROUP BY o.memory HAVING count(*) = $5 ORDER BY o.memory DESC LIMIT $6) \
         SELECT m.id, m.content FROM found JOIN memory m ON m.id = found.memory \
         ORDER BY m.id DESC";
    let most = limits::ENTITY_MEMORIES_LINKED_MAX;
    let phrase = format!(" {} ", name.words);
    let (mut named, mut before) = (Vec::new(), MemoryId::MAX);
    // Words may be in a memory without being the phrase, so more may be needed.
    while named.len() < most {
        let bound: &[Param<'_>] = &[
            &name.project,
            &PROJECT_SHARED,
            &stems,
            &before,
            &count,
            &(most as i64),
        ];
        let found = tx.query(sql, bound).await?;
        for row in &found {
            let (memory, content): (MemoryId, &str) = (row.get(0), row.get(1));
            before = memory;
            if format!(" {} ", text::words(content)).contains(&phrase) {
                named.push((name.entity, memory));
            }
        }
        if found.len() < most {
            break;
        }
    }
    Ok(named)
}
