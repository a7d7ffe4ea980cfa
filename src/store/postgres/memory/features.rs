//! The features of a memory and its neighborhood for ranking, written with the memory.
//! `surroundings.rs` reads them.

use std::collections::{BTreeMap, HashMap};

use futures::try_join;

use crate::store::StoreError;
use crate::store::candidates::{BLOCK_POSITIONS, SPEAKER_MEMORIES_MIN, apart_from};
use crate::store::memory::{Memory, MemoryId};
use crate::store::postgres::transaction::{Param, Tx};
use crate::text::features::{Features, features};

/// Features of a memory in a thread.
pub(super) struct DerivedFeatures<'a> {
    memory: &'a Memory,
    thread: i64,
    features: Features,
}

/// Writes the features of memories whose text is new or was changed.
pub(super) async fn derive(tx: &Tx, memories: &[&Memory]) -> Result<(), StoreError> {
    let written = derive_each(tx, memories).await?;
    let ids: Vec<MemoryId> = memories.iter().map(|memory| memory.id).collect();
    remove(tx, &ids).await?;
    write(tx, &written).await.map(drop)
}

/// Removes the features of memories, and their labels from the counts.
pub(super) async fn remove(tx: &Tx, ids: &[MemoryId]) -> Result<(), StoreError> {
    let sql = "DELETE FROM memory_feature WHERE memory_id = ANY ($1) RETURNING thread_id, label";
    let mut gone: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for row in tx.query(sql, &[&ids]).await? {
        if let Some(label) = row.get::<_, Option<String>>(1) {
            *gone.entry((row.get(0), label)).or_default() += 1;
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let (threads, labels, counts) = columns(&gone);
    let sql = "UPDATE thread_label l SET memories = l.memories - g.memories \
               FROM unnest($1::bigint[], $2::text[], $3::bigint[]) g (thread, label, memories) \
               WHERE l.thread_id = g.thread AND l.label = g.label";
    tx.execute(sql, &[&threads, &labels, &counts]).await?;
    let sql = "DELETE FROM thread_label l \
               USING unnest($1::bigint[], $2::text[]) g (thread, label) \
               WHERE l.thread_id = g.thread AND l.label = g.label AND l.memories < 1";
    tx.execute(sql, &[&threads, &labels]).await?;
    Ok(())
}

fn columns(counts: &BTreeMap<(i64, String), i64>) -> (Vec<i64>, Vec<&str>, Vec<i64>) {
    let (keys, counts): (Vec<_>, Vec<i64>) = counts.iter().unzip();
    let (threads, labels) = keys
        .into_iter()
        .map(|(id, name)| (*id, name.as_str()))
        .unzip();
    (threads, labels, counts)
}

pub(super) async fn derive_each<'a>(
    tx: &Tx,
    memories: &[&'a Memory],
) -> Result<Vec<DerivedFeatures<'a>>, StoreError> {
    let threads = thread_ids(tx, memories).await?;
    let each = memories.iter().map(|memory| DerivedFeatures {
        memory,
        thread: threads[memory.fields.thread.as_str()],
        features: features(&memory.content),
    });
    Ok(each.collect())
}

/// Numbers of the memories' threads by name; those that have none get one.
async fn thread_ids(tx: &Tx, memories: &[&Memory]) -> Result<HashMap<String, i64>, StoreError> {
    let mut names: Vec<&str> = memories
        .iter()
        .map(|each| each.fields.thread.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let sql = "SELECT thread, id FROM thread_talk WHERE thread = ANY ($1)";
    let rows = tx.query(sql, &[&names]).await?;
    let mut ids: HashMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    names.retain(|name| !ids.contains_key(*name));
    if !names.is_empty() {
        let sql = "INSERT INTO thread_talk (thread) SELECT unnest($1::text[]) RETURNING thread, id";
        let rows = tx.query(sql, &[&names]).await?;
        ids.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
    }
    Ok(ids)
}

/// Inserts the features and counts their labels. Returns for each whether its label was
/// a speaker's by then.
pub(super) async fn write(
    tx: &Tx,
    written: &[DerivedFeatures<'_>],
) -> Result<Vec<bool>, StoreError> {
    let of =
        |take: fn(&DerivedFeatures<'_>) -> i64| -> Vec<i64> { written.iter().map(take).collect() };
    let ids = of(|each| each.memory.id);
    let threads = of(|each| each.thread);
    let words = of(|each| i64::from(each.features.words));
    let questions: Vec<i32> = written
        .iter()
        .map(|each| each.features.question as i32)
        .collect();
    let times: Vec<bool> = written.iter().map(|each| each.features.time_word).collect();
    let days: Vec<Option<i64>> = written
        .iter()
        .map(|each| each.features.day.map(i64::from))
        .collect();
    let labels: Vec<Option<&str>> = written
        .iter()
        .map(|each| each.features.label.as_deref())
        .collect();
    let numbered: Vec<Option<String>> = written
        .iter()
        .map(|each| each.features.numbered_text())
        .collect();
    let sql = "INSERT INTO memory_feature (memory_id, thread_id, words, question, time_word, day, \
               label, numbered) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
               $4::int[], $5::bool[], $6::bigint[], $7::text[], $8::text[])";
    tx.execute(
        sql,
        &[
            &ids, &threads, &words, &questions, &times, &days, &labels, &numbered,
        ],
    )
    .await?;
    let mut added: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for (thread, label) in threads.iter().zip(&labels) {
        if let Some(label) = label {
            *added.entry((*thread, (*label).to_owned())).or_default() += 1;
        }
    }
    if added.is_empty() {
        return Ok(vec![false; written.len()]);
    }
    let (of, names, counts) = columns(&added);
    let sql = "INSERT INTO thread_label AS l \
               SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) \
               ON CONFLICT (thread_id, label) DO UPDATE SET memories = l.memories + excluded.memories \
               RETURNING thread_id, label, memories";
    let mut known: HashMap<(i64, String), i64> = HashMap::new();
    for row in tx.query(sql, &[&of, &names, &counts]).await? {
        let key = (row.get(0), row.get(1));
        let before = row.get::<_, i64>(2) - added.get(&key).copied().unwrap_or(0);
        known.insert(key, before);
    }
    let mut is_speaker = |(thread, label): (&i64, &Option<&str>)| {
        let Some(label) = label else { return false };
        let count = known.entry((*thread, (*label).to_owned())).or_default();
        *count += 1;
        *count >= SPEAKER_MEMORIES_MIN
    };
    Ok(threads.iter().zip(&labels).map(&mut is_speaker).collect())
}

/// The change of the counts of a thread or of a block.
#[derive(Clone, Copy, Default)]
struct Counts {
    memories: i64,
    labelled: i64,
    questions: i64,
    cosines: f64,
    pairs: i64,
}

/// Counts memories in their threads and in their blocks. Their vectors are written already.
pub(super) async fn count(
    tx: &Tx,
    written: &[DerivedFeatures<'_>],
    labelled: &[bool],
) -> Result<(), StoreError> {
    let adjacent = written.iter().map(|each| each.memory.position - 1);
    let apart = written.iter().map(|each| apart_from(each.memory.position));
    let (adjacent, apart) = try_join!(
        cosines(tx, written, adjacent.map(Some).collect()),
        cosines(tx, written, apart.collect())
    )?;
    let mut threads: BTreeMap<i64, Counts> = BTreeMap::new();
    let mut blocks: BTreeMap<(i64, i64), Counts> = BTreeMap::new();
    for (nth, each) in written.iter().enumerate() {
        let questions = i64::from(each.features.question as i32 > 0);
        let thread = threads.entry(each.thread).or_default();
        thread.memories += 1;
        thread.questions += questions;
        thread.cosines += apart[nth].unwrap_or(0.0);
        thread.pairs += i64::from(apart[nth].is_some());
        let place = each.memory.position.div_euclid(BLOCK_POSITIONS);
        let block = blocks.entry((each.thread, place)).or_default();
        block.memories += 1;
        block.labelled += i64::from(labelled[nth]);
        block.questions += questions;
        block.cosines += adjacent[nth].unwrap_or(0.0);
        block.pairs += i64::from(adjacent[nth].is_some());
    }
    let ids: Vec<i64> = threads.keys().copied().collect();
    let all: Vec<Counts> = threads.into_values().collect();
    let count_threads = "UPDATE thread_talk t SET memories = t.memories + c.memories, \
               questions = t.questions + c.questions, apart = t.apart + c.apart, \
               apart_pairs = t.apart_pairs + c.pairs \
               FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::float8[], $5::bigint[]) \
               c (id, memories, questions, apart, pairs) WHERE t.id = c.id";
    let [memories, _, questions, pairs] = numbers(&all);
    let apart = sums(&all);
    let values: [Param<'_>; 5] = [&ids, &memories, &questions, &apart, &pairs];
    let threads = tx.execute(count_threads, &values);
    let (of, places): (Vec<i64>, Vec<i64>) = blocks.keys().copied().unzip();
    let all: Vec<Counts> = blocks.into_values().collect();
    let count_blocks = "INSERT INTO thread_block AS b (thread_id, block, memories, labelled, questions, \
               adjacent, pairs) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
               $4::bigint[], $5::bigint[], $6::float8[], $7::bigint[]) \
               ON CONFLICT (thread_id, block) DO UPDATE SET memories = b.memories + excluded.memories, \
               labelled = b.labelled + excluded.labelled, \
               questions = b.questions + excluded.questions, \
               adjacent = b.adjacent + excluded.adjacent, pairs = b.pairs + excluded.pairs";
    let [memories, labelled, questions, pairs] = numbers(&all);
    let adjacent = sums(&all);
    let values: [Param<'_>; 7] = [
        &of, &places, &memories, &labelled, &questions, &adjacent, &pairs,
    ];
    try_join!(threads, tx.execute(count_blocks, &values))?;
    Ok(())
}

fn numbers(all: &[Counts]) -> [Vec<i64>; 4] {
    let of = |take: fn(&Counts) -> i64| all.iter().map(take).collect();
    [
        of(|counts| counts.memories),
        of(|counts| counts.labelled),
        of(|counts| counts.questions),
        of(|counts| counts.pairs),
    ]
}

fn sums(all: &[Counts]) -> Vec<f64> {
    all.iter().map(|counts| counts.cosines).collect()
}

/// The cosine between each memory and the one at the position beside it, of its
/// thread.
async fn cosines(
    tx: &Tx,
    written: &[DerivedFeatures<'_>],
    positions: Vec<Option<i64>>,
) -> Result<Vec<Option<f64>>, StoreError> {
    let mut cosines = vec![None; written.len()];
    if positions.iter().all(Option::is_none) {
        return Ok(cosines);
    }
    let ids: Vec<MemoryId> = written.iter().map(|each| each.memory.id).collect();
    let threads: Vec<&str> = written
        .iter()
        .map(|each| each.memory.fields.thread.as_str())
        .collect();
    let sql = "SELECT u.nth, c.cosine \
               FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY \
               u (id, thread, position, nth), \
               LATERAL (SELECT id FROM memory o WHERE o.thread = u.thread \
               AND o.position = u.position AND o.id <> u.id ORDER BY o.id DESC LIMIT 1) o, \
               LATERAL (SELECT 1 - (a.vector <=> b.vector) AS cosine FROM memory_vector a \
               JOIN memory_vector b ON b.model_id = a.model_id \
               WHERE a.memory_id = u.id AND b.memory_id = o.id \
               AND a.\"window\" = 0 AND b.\"window\" = 0 \
               ORDER BY a.model_id DESC LIMIT 1) c \
               WHERE c.cosine <> 'NaN'";
    for row in tx.query(sql, &[&ids, &threads, &positions]).await? {
        let nth = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        if let Some(cosine) = cosines.get_mut(nth) {
            *cosine = row.get(1);
        }
    }
    Ok(cosines)
}
