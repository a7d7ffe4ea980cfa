//! The features of a memory and its neighborhood for ranking, written with the memory
//! and read by its id. Migration 0013 has the tables.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::rows::Condition;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::candidates::{BLOCK_POSITIONS, SPEAKER_MEMORIES_MIN, ThreadPosition, apart_from};
use crate::store::memory::{Candidate, Memory, MemoryId, Surroundings};
use crate::text::features::{Features, QuestionMark, features, numbered_of};

/// Writes the features of a memory, and counts it in its thread. Its vectors are
/// written already.
pub(super) fn add(file: &Connection, memory: &Memory) -> Result<(), StoreError> {
    derive(file, memory)?;
    let thread = &memory.fields.thread;
    count(file, memory.id, thread, memory.position)
}

/// Writes the features of a memory whose text is new or was changed.
pub(super) fn derive(file: &Connection, memory: &Memory) -> Result<(), StoreError> {
    write(file, memory.id, &memory.fields.thread, &memory.content)
}

/// Rewrites the features of a stored memory.
pub(super) fn derive_again(file: &Connection, id: MemoryId) -> Result<(), StoreError> {
    let sql = "SELECT thread, content FROM memory WHERE id = ?";
    let mut statement = file.prepare_cached(sql)?;
    let (thread, content): (String, String) =
        statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    write(file, id, &thread, &content)
}

/// Writes the features of all memories of an older schema.
pub(super) fn derive_all(file: &Connection) -> Result<(), StoreError> {
    let mut statement = file.prepare(
        "SELECT id, thread, position, content, state != 'superseded' FROM memory ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, thread): (MemoryId, String) = (row.get(0)?, row.get(1)?);
        let content: String = row.get(3)?;
        write(file, id, &thread, &content)?;
        if row.get(4)? {
            count(file, id, &thread, row.get(2)?)?;
        }
    }
    Ok(())
}

fn write(file: &Connection, id: MemoryId, thread: &str, text: &str) -> Result<(), StoreError> {
    file.prepare_cached("INSERT INTO thread_talk (thread) VALUES (?) ON CONFLICT DO NOTHING")?
        .execute([thread])?;
    // Replacing the row instead would leave its label counted.
    file.prepare_cached("DELETE FROM memory_feature WHERE memory_id = ?")?
        .execute([id])?;
    let [words, question, time_word, day, label, numbered] = columns(text);
    file.prepare_cached(
        "INSERT INTO memory_feature \
         SELECT ?1, id, ?2, ?3, ?4, ?5, ?6, ?7 FROM thread_talk WHERE thread = ?8",
    )?
    .execute(params![
        id, words, question, time_word, day, label, numbered, thread
    ])?;
    Ok(())
}

/// The features of a text as they are stored.
fn columns(text: &str) -> [Value; 6] {
    let features = features(text);
    let numbered = features.numbered_text();
    [
        features.words.into(),
        (features.question as i64).into(),
        features.time_word.into(),
        features.day.into(),
        features.label.into(),
        numbered.into(),
    ]
}

/// The memories without features, or with those of another text.
pub(super) fn wrong(file: &Connection) -> Result<Vec<MemoryId>, StoreError> {
    let mut statement = file.prepare(
        "SELECT m.id, m.content, f.words, f.question, f.time_word, f.day, f.label, f.numbered \
         FROM memory m LEFT JOIN memory_feature f ON f.memory_id = m.id ORDER BY m.id",
    )?;
    let mut rows = statement.query([])?;
    let mut wrong = Vec::new();
    while let Some(row) = rows.next()? {
        let text = String::from_utf8_lossy(row.get_ref(1)?.as_bytes().unwrap_or_default());
        let expected = columns(&text).into_iter().enumerate();
        let mut is_wrong = false;
        for (nth, value) in expected {
            is_wrong |= row.get::<_, Value>(nth + 2)? != value;
        }
        if is_wrong {
            wrong.push(row.get(0)?);
        }
    }
    Ok(wrong)
}

/// Counts a memory in its thread and in its block.
fn count(file: &Connection, id: MemoryId, thread: &str, position: i64) -> Result<(), StoreError> {
    let adjacent = cosine(file, id, thread, position - 1)?;
    let apart = match apart_from(position) {
        Some(other) => cosine(file, id, thread, other)?,
        None => None,
    };
    file.prepare_cached(
        "UPDATE thread_talk SET memories = memories + 1, \
         questions = questions + (SELECT question > 0 FROM memory_feature WHERE memory_id = ?1), \
         apart = apart + ifnull(?2, 0), apart_pairs = apart_pairs + (?2 IS NOT NULL) \
         WHERE thread = ?3",
    )?
    .execute(params![id, apart, thread])?;
    file.prepare_cached(
        "INSERT INTO thread_block \
         SELECT f.thread_id, ?2, 1, ifnull(l.memories >= ?3, 0), f.question > 0, \
                ifnull(?4, 0), ?4 IS NOT NULL \
         FROM memory_feature f LEFT JOIN thread_label l USING (thread_id, label) \
         WHERE f.memory_id = ?1 \
         ON CONFLICT DO UPDATE SET memories = memories + 1, \
         labelled = labelled + excluded.labelled, questions = questions + excluded.questions, \
         adjacent = adjacent + excluded.adjacent, pairs = pairs + excluded.pairs",
    )?
    .execute(params![
        id,
        position.div_euclid(BLOCK_POSITIONS),
        SPEAKER_MEMORIES_MIN,
        adjacent
    ])?;
    Ok(())
}

/// The cosine between a memory and the one at `position` of its thread.
fn cosine(
    file: &Connection,
    id: MemoryId,
    thread: &str,
    position: i64,
) -> Result<Option<f64>, StoreError> {
    let found = file
        .prepare_cached(
            "SELECT 1 - vec_distance_cosine(a.vector, b.vector) \
             FROM memory_vector a JOIN memory_vector b ON b.model_id = a.model_id \
             WHERE a.memory_id = ?1 AND a.window = 0 AND b.window = 0 AND b.memory_id = \
             (SELECT id FROM memory WHERE thread = ?2 AND position = ?3 AND id != ?1 \
              ORDER BY id DESC LIMIT 1) \
             AND length(a.vector) = length(b.vector) ORDER BY a.model_id DESC LIMIT 1",
        )?
        .query_row(params![id, thread, position], |row| {
            row.get::<_, Option<f64>>(0)
        });
    Ok(found.optional()?.flatten())
}

/// Reads candidates with their surroundings, each block of a thread once.
#[derive(Default)]
pub(super) struct Reader {
    threads: HashMap<i64, Thread>,
    blocks: HashMap<(i64, i64), Block>,
    speakers: HashMap<(i64, String), bool>,
}

#[derive(Clone, Copy, Default)]
struct Thread {
    questions: f32,
    /// The mean cosine of memories far from each other.
    apart: Option<f32>,
}

#[derive(Clone, Copy, Default)]
struct Block {
    memories: f32,
    labelled: f32,
    questions: f32,
    adjacent: f32,
    pairs: f32,
}

/// What [`Reader::candidate`] reads of `memory_feature f` and `memory m`.
const READ: &str = "f.thread_id, f.words, f.question, f.time_word, f.day, f.label, f.numbered, \
                    m.said_at";

impl Reader {
    /// Candidates at these places, in their order.
    pub(crate) fn of_ids(
        &mut self,
        file: &Connection,
        places: &BTreeMap<MemoryId, ThreadPosition>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let sql = format!(
            "SELECT f.memory_id, {READ} FROM json_each(?) each \
             CROSS JOIN memory_feature f ON f.memory_id = each.value \
             CROSS JOIN memory m ON m.id = f.memory_id"
        );
        let ids: Vec<&MemoryId> = places.keys().collect();
        let mut statement = file.prepare_cached(&sql)?;
        let mut rows = statement.query([serde_json::json!(ids).to_string()])?;
        let mut found: BTreeMap<MemoryId, Candidate> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if let Some(place) = places.get(&id) {
                found.insert(id, self.candidate(file, row, 1, place.1)?);
            }
        }
        let each = places.iter().map(|(id, (thread, position))| Candidate {
            id: *id,
            thread: *thread,
            position: *position,
            ..found.remove(id).unwrap_or_default()
        });
        Ok(each.collect())
    }

    /// Candidates of a thread at these positions that pass `condition`.
    pub(crate) fn at_positions(
        &mut self,
        file: &Connection,
        condition: &Condition,
        (thread, name): (u32, &str),
        positions: &RangeInclusive<i64>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let sql = format!(
            "SELECT m.id, m.position, {READ} FROM memory m INDEXED BY memory_by_thread \
             CROSS JOIN memory_feature f ON f.memory_id = m.id \
             WHERE m.thread = ? AND m.position BETWEEN ? AND ? AND {}",
            condition.sql()
        );
        let mut statement = file.prepare_cached(&sql)?;
        let place: [&dyn ToSql; 3] = [&name, positions.start(), positions.end()];
        let values = condition.values().iter().map(|value| value as &dyn ToSql);
        let mut rows = statement.query(params_from_iter(place.into_iter().chain(values)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let position = row.get(1)?;
            found.push(Candidate {
                id: row.get(0)?,
                thread,
                position,
                ..self.candidate(file, row, 2, position)?
            });
        }
        Ok(found)
    }

    /// A candidate of [`READ`] from the column `first` on, without its place.
    fn candidate(
        &mut self,
        file: &Connection,
        row: &Row<'_>,
        first: usize,
        position: i64,
    ) -> Result<Candidate, StoreError> {
        let thread: i64 = row.get(first)?;
        let numbered = row.get::<_, Option<String>>(first + 6)?;
        let features = Features {
            words: row.get(first + 1)?,
            question: match row.get(first + 2)? {
                2 => QuestionMark::AtTheEnd,
                1 => QuestionMark::Inside,
                _ => QuestionMark::None,
            },
            time_word: row.get(first + 3)?,
            day: row.get(first + 4)?,
            label: row.get(first + 5)?,
            numbered: numbered_of(numbered.as_deref()),
        };
        let said_at: Option<i64> = row.get(first + 7)?;
        Ok(Candidate {
            is_labelled: match &features.label {
                Some(label) => self.is_speaker(file, thread, label)?,
                None => false,
            },
            surroundings: self.surroundings(file, thread, position)?,
            features,
            said_at: said_at.map(Timestamp),
            ..Candidate::default()
        })
    }

    fn is_speaker(
        &mut self,
        file: &Connection,
        thread: i64,
        label: &str,
    ) -> Result<bool, StoreError> {
        let key = (thread, label.to_owned());
        if let Some(known) = self.speakers.get(&key) {
            return Ok(*known);
        }
        let sql = "SELECT memories >= ?3 FROM thread_label WHERE thread_id = ?1 AND label = ?2";
        let values = params![thread, label, SPEAKER_MEMORIES_MIN];
        let found = file
            .prepare_cached(sql)?
            .query_row(values, |row| row.get(0));
        let found = found.optional()?.unwrap_or(false);
        self.speakers.insert(key, found);
        Ok(found)
    }

    fn surroundings(
        &mut self,
        file: &Connection,
        thread_id: i64,
        position: i64,
    ) -> Result<Surroundings, StoreError> {
        let thread = self.thread(file, thread_id)?;
        let middle = position.div_euclid(BLOCK_POSITIONS);
        let mut near = Block::default();
        for block in middle - 1..=middle + 1 {
            let block = self.block(file, thread_id, block)?;
            near.memories += block.memories;
            near.labelled += block.labelled;
            near.questions += block.questions;
            near.adjacent += block.adjacent;
            near.pairs += block.pairs;
        }
        let memories = near.memories.max(1.0);
        Ok(Surroundings {
            labelled: near.labelled / memories,
            questions: near.questions / memories,
            thread_questions: thread.questions,
            coherence: thread
                .apart
                .filter(|_| near.pairs > 0.0)
                .map(|apart| near.adjacent / near.pairs - apart),
        })
    }

    fn thread(&mut self, file: &Connection, id: i64) -> Result<Thread, StoreError> {
        if let Some(known) = self.threads.get(&id) {
            return Ok(*known);
        }
        let sql = "SELECT CAST(questions AS REAL) / max(memories, 1), apart / nullif(apart_pairs, 0) \
                   FROM thread_talk WHERE id = ?";
        let thread = file.prepare_cached(sql)?.query_row([id], |row| {
            Ok(Thread {
                questions: row.get(0)?,
                apart: row.get(1)?,
            })
        })?;
        self.threads.insert(id, thread);
        Ok(thread)
    }

    fn block(&mut self, file: &Connection, thread: i64, block: i64) -> Result<Block, StoreError> {
        if let Some(known) = self.blocks.get(&(thread, block)) {
            return Ok(*known);
        }
        let sql = "SELECT memories, labelled, questions, adjacent, pairs FROM thread_block \
                   WHERE thread_id = ? AND block = ?";
        let found = file.prepare_cached(sql)?.query_row([thread, block], |row| {
            Ok(Block {
                memories: row.get(0)?,
                labelled: row.get(1)?,
                questions: row.get(2)?,
                adjacent: row.get(3)?,
                pairs: row.get(4)?,
            })
        });
        let found = found.optional()?.unwrap_or_default();
        self.blocks.insert((thread, block), found);
        Ok(found)
    }
}
