//! The keyword index: a row for each stem that a memory has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::limits;
use crate::store::StoreError;
use crate::store::memory::MemoryId;
use crate::store::postgres::transaction::Tx;
use crate::text;

/// A memory whose words are added or removed.
pub(super) struct Indexed<'a> {
    pub(crate) id: MemoryId,
    pub(crate) project: &'a str,
    /// As `text::words` makes them.
    pub(crate) words: &'a str,
}

/// Numbers of projects by name; those that have none get one.
pub(super) async fn project_ids<'a>(
    tx: &Tx,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, i32>, StoreError> {
    let names: BTreeSet<&str> = names.collect();
    let names: Vec<&str> = names.into_iter().collect();
    let sql = "SELECT name, id FROM project WHERE name = ANY ($1)";
    let rows = tx.query(sql, &[&names]).await?;
    let mut ids: HashMap<String, i32> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    // An insert that conflicts would use up a number each time.
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !ids.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        let sql = "INSERT INTO project (name) SELECT unnest($1::text[]) RETURNING name, id";
        let rows = tx.query(sql, &[&missing]).await?;
        ids.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
    }
    Ok(ids)
}

/// How often a text has each stem, and how many words it has.
fn stems(words: &str) -> (BTreeMap<String, i32>, i32) {
    let mut stems = BTreeMap::new();
    let mut length = 0;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        *stems.entry(text::stem(word)).or_default() += 1;
        length += 1;
    }
    (stems, length)
}

/// Adds the words of new texts.
pub(super) async fn add(
    tx: &Tx,
    memories: &[Indexed<'_>],
    projects: &HashMap<String, i32>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    let mut sizes = Sizes::default();
    for memory in memories {
        let project = projects[memory.project];
        let (stems, length) = stems(memory.words);
        sizes.count(project, 1, length);
        let each = stems.into_iter();
        rows.extend(each.map(|(word, count)| (memory.id, project, length, count, word)));
    }
    let sql = "INSERT INTO posting (memory, project, length, count, word) \
               SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[])";
    for rows in rows.chunks(limits::POSTINGS_WRITTEN_AT_ONCE_MAX) {
        let ids: Vec<MemoryId> = rows.iter().map(|row| row.0).collect();
        let projects: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let lengths: Vec<i32> = rows.iter().map(|row| row.2).collect();
        let counts: Vec<i32> = rows.iter().map(|row| row.3).collect();
        let words: Vec<&str> = rows.iter().map(|row| row.4.as_str()).collect();
        tx.execute(sql, &[&ids, &projects, &lengths, &counts, &words])
            .await?;
    }
    sizes.store(tx).await
}

/// Removes the words of texts that are about to change or to go. Which rows they have
/// follows from the texts, so no index by memory is kept.
pub(super) async fn remove(tx: &Tx, memories: &[Indexed<'_>]) -> Result<(), StoreError> {
    let projects = project_ids(tx, memories.iter().map(|memory| memory.project)).await?;
    let mut rows = Vec::new();
    let mut sizes = Sizes::default();
    for memory in memories {
        let project = projects[memory.project];
        let (stems, length) = stems(memory.words);
        sizes.count(project, -1, -length);
        rows.extend(stems.into_keys().map(|word| (memory.id, project, word)));
    }
    let sql = "DELETE FROM posting o \
               USING unnest($1::bigint[], $2::int[], $3::text[]) gone (memory, project, word) \
               WHERE o.project = gone.project AND o.word = gone.word AND o.memory = gone.memory";
    for rows in rows.chunks(limits::POSTINGS_WRITTEN_AT_ONCE_MAX) {
        let ids: Vec<MemoryId> = rows.iter().map(|row| row.0).collect();
        let projects: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let words: Vec<&str> = rows.iter().map(|row| row.2.as_str()).collect();
        tx.execute(sql, &[&ids, &projects, &words]).await?;
    }
    sizes.store(tx).await
}

/// What changes of the sizes of projects.
#[derive(Default)]
struct Sizes(BTreeMap<i32, (i64, i64)>);

impl Sizes {
    fn count(&mut self, project: i32, documents: i64, words: i32) {
        let size = self.0.entry(project).or_default();
        size.0 += documents;
        size.1 += i64::from(words);
    }

    async fn store(&self, tx: &Tx) -> Result<(), StoreError> {
        let projects: Vec<i32> = self.0.keys().copied().collect();
        let (documents, words): (Vec<i64>, Vec<i64>) = self.0.values().copied().unzip();
        let sql = "UPDATE project p SET documents = p.documents + c.documents, \
                   words = p.words + c.words \
                   FROM unnest($1::int[], $2::bigint[], $3::bigint[]) c (id, documents, words) \
                   WHERE p.id = c.id";
        tx.execute(sql, &[&projects, &documents, &words]).await?;
        Ok(())
    }
}
