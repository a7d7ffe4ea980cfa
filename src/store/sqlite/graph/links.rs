//! Which memories name which entities. Links are made whenever a memory gets a
//! text and whenever an entity gets a name.

use rusqlite::{Connection, params};

use crate::limits;
use crate::store::graph::{EntityId, WordId};
use crate::store::memory::MemoryId;
use crate::store::{PROJECT_SHARED, StoreError};
use crate::text;

/// Links a memory to exactly the entities that its `words` (as `text::words`
/// makes them) name, of those known in its project and the shared one.
pub(in crate::store::sqlite) fn link_memory(
    file: &Connection,
    memory: MemoryId,
    words: &str,
) -> Result<(), StoreError> {
    file.prepare_cached("DELETE FROM memory_entity WHERE memory_id = ?")?
        .execute([memory])?;
    let projects: Vec<WordId> = file
        .prepare_cached(
            "SELECT id FROM graph_word \
             WHERE word IN ((SELECT project FROM memory WHERE id = ?), ?)",
        )?
        .query_map(params![memory, PROJECT_SHARED], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if projects.is_empty() {
        return Ok(());
    }
    let mut find =
        file.prepare_cached("SELECT entity FROM entity_name WHERE words = ? AND project = ?")?;
    let phrases = text::phrases(words, limits::ENTITY_WORDS_LINKED_MAX);
    for phrase in phrases.take(limits::MEMORY_PHRASES_LINKED_MAX) {
        for project in &projects {
            for entity in find.query_map(params![phrase, project], |row| row.get(0))? {
                link(file, memory, entity?)?;
            }
        }
    }
    Ok(())
}

/// Links an entity that is known in `project` to the newest memories that name
/// it by `name`, in words. The keyword index finds those with its words, and each text is
/// searched for the exact phrase.
pub(super) fn link_entity(
    file: &Connection,
    entity: EntityId,
    project: WordId,
    name: &str,
) -> Result<(), StoreError> {
    if !text::is_distinctive(name) {
        return Ok(());
    }
    let sql = "SELECT m.id, m.content FROM memory_words JOIN memory m ON m.id = memory_words.rowid \
         WHERE memory_words MATCH ?1 \
         AND (SELECT word FROM graph_word WHERE id = ?2) IN (m.project, ?4) \
         ORDER BY memory_words.rowid DESC LIMIT ?3";
    let phrase = text::one_spelling(name).replace('"', "\"\"");
    let phrase = format!("\"{phrase}\"");
    let most = i64::try_from(limits::ENTITY_MEMORIES_LINKED_MAX).unwrap_or(i64::MAX);
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query(params![phrase, project, most, PROJECT_SHARED])?;
    while let Some(row) = rows.next()? {
        let content: String = row.get(1)?;
        let words = format!(" {} ", text::words(&content));
        if words.contains(&format!(" {name} ")) {
            link(file, row.get(0)?, entity)?;
        }
    }
    Ok(())
}

fn link(file: &Connection, memory: MemoryId, entity: EntityId) -> Result<(), StoreError> {
    file.prepare_cached("INSERT OR IGNORE INTO memory_entity (memory_id, entity) VALUES (?, ?)")?
        .execute([memory, entity])?;
    Ok(())
}
