//! Reads candidates with their neighborhoods. `features.rs` writes these.

use std::collections::HashMap;

use tokio_postgres::Row;

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::candidates::{BLOCK_POSITIONS, SPEAKER_MEMORIES_MIN, ThreadPosition};
use crate::store::memory::{Candidate, MemoryId, Surroundings};
use crate::store::postgres::transaction::Tx;
use crate::text::features::{Features, QuestionMark, numbered_of};

/// Candidates in the order of `places`.
pub(super) async fn candidates(
    tx: &Tx,
    places: &[(MemoryId, ThreadPosition)],
) -> Result<Vec<Candidate>, StoreError> {
    let sql = "SELECT f.memory_id, f.words, f.question, f.time_word, f.day, f.label, f.numbered, \
               coalesce(l.memories >= $3, false), \
               t.questions::float8 / greatest(t.memories, 1), \
               t.apart / nullif(t.apart_pairs, 0), \
               b.memories, b.labelled, b.questions, b.adjacent, b.pairs, m.said_at \
               FROM memory_feature f JOIN memory m ON m.id = f.memory_id \
               JOIN thread_talk t ON t.id = f.thread_id \
               LEFT JOIN thread_label l ON l.thread_id = f.thread_id AND l.label = f.label, \
               LATERAL (SELECT coalesce(sum(memories), 0)::float8 AS memories, \
               coalesce(sum(labelled), 0)::float8 AS labelled, \
               coalesce(sum(questions), 0)::float8 AS questions, \
               coalesce(sum(adjacent), 0) AS adjacent, coalesce(sum(pairs), 0)::float8 AS pairs \
               FROM thread_block b WHERE b.thread_id = f.thread_id \
               AND b.block BETWEEN m.position / $2 - 1 AND m.position / $2 + 1) b \
               WHERE f.memory_id = ANY ($1)";
    let ids: Vec<MemoryId> = places.iter().map(|(id, _)| *id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx
        .query(sql, &[&ids, &BLOCK_POSITIONS, &SPEAKER_MEMORIES_MIN])
        .await?;
    let mut found: HashMap<MemoryId, Candidate> = rows
        .iter()
        .map(|row| (row.get(0), candidate(row)))
        .collect();
    let each = places.iter().map(|(id, (thread, position))| Candidate {
        id: *id,
        thread: *thread,
        position: *position,
        ..found.remove(id).unwrap_or_default()
    });
    Ok(each.collect())
}

fn candidate(row: &Row) -> Candidate {
    let numbered: Option<&str> = row.get(6);
    let number = |column: usize| row.get::<_, f64>(column) as f32;
    let memories = number(10).max(1.0);
    let pairs = number(14);
    let apart: Option<f64> = row.get(9);
    Candidate {
        features: Features {
            words: u32::try_from(row.get::<_, i64>(1)).unwrap_or(u32::MAX),
            question: match row.get::<_, i32>(2) {
                2 => QuestionMark::AtTheEnd,
                1 => QuestionMark::Inside,
                _ => QuestionMark::None,
            },
            time_word: row.get(3),
            day: row
                .get::<_, Option<i64>>(4)
                .and_then(|day| i32::try_from(day).ok()),
            label: row.get(5),
            numbered: numbered_of(numbered),
        },
        said_at: row.get::<_, Option<i64>>(15).map(Timestamp),
        is_labelled: row.get(7),
        surroundings: Surroundings {
            labelled: number(11) / memories,
            questions: number(12) / memories,
            thread_questions: number(8),
            coherence: apart
                .filter(|_| pairs > 0.0)
                .map(|apart| number(13) / pairs - apart as f32),
        },
        ..Candidate::default()
    }
}
