//! Rebuilds derived data: keyword entries, vectors, their codes, features, counts and
//! SQLite's indexes. Callers' data is never changed, and nothing is derived from a
//! memory that is damaged itself.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connection::open_writer;
use super::{begin_write, bound_log, checksum, codes, derived, features, lock_wait, verify, write};
use crate::limits;
use crate::store::StoreError;
use crate::store::integrity::{
    COUNTS, EncodeText, FEATURES, FILE, INDEX, Problem, REFERENCES, TEXTS, VECTORS,
};
use crate::store::memory::MemoryId;

/// Repairs the database at `path` in one transaction, so that others see all of it or
/// nothing. Returns what was repaired.
pub(super) fn repair(
    path: &Path,
    model: &str,
    encode: &EncodeText<'_>,
    progress: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Vec<Problem>, StoreError> {
    lock_wait::begin(limits::STORE_BUSY_MILLISECONDS_MAX);
    let mut connection = open_writer(path)?;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    begin_write(&tx)?;
    let mut repair = Repair {
        file: &tx,
        damaged: BTreeSet::new(),
        mended: Vec::new(),
    };
    progress(FILE);
    let is_index_broken = repair.indexes()?;
    progress(TEXTS);
    repair.damaged = checksum::changed_memories(&tx)?.into_iter().collect();
    progress(REFERENCES);
    repair.orphans()?;
    progress(INDEX);
    repair.words(is_index_broken)?;
    progress(VECTORS);
    repair.vectors(model, encode)?;
    progress(FEATURES);
    repair.features()?;
    progress(COUNTS);
    repair.counts()?;
    let mended = repair.mended;
    tx.commit()?;
    bound_log(&connection, path);
    Ok(mended)
}

/// Orphaned rows of derived tables.
const ORPHANS: [(&str, &str); 6] = [
    (
        "entries of the keyword index belonged to no memory",
        "DELETE FROM memory_words WHERE rowid IN \
         (SELECT rowid FROM memory_words EXCEPT SELECT id FROM memory)",
    ),
    (
        "vectors belonged to no memory",
        "DELETE FROM memory_vector WHERE memory_id NOT IN (SELECT id FROM memory)",
    ),
    (
        "links to entities belonged to no memory",
        "DELETE FROM memory_entity WHERE memory_id NOT IN (SELECT id FROM memory)",
    ),
    (
        "features belonged to no memory",
        "DELETE FROM memory_feature WHERE memory_id NOT IN (SELECT id FROM memory)",
    ),
    (
        "checksums belonged to no memory",
        "DELETE FROM memory_checksum WHERE memory_id NOT IN (SELECT id FROM memory)",
    ),
    (
        "checksums belonged to no vector",
        "DELETE FROM vector_checksum WHERE vector_id NOT IN (SELECT id FROM memory_vector)",
    ),
];

struct Repair<'f> {
    file: &'f Connection,
    /// Memories that differ from what was stored.
    damaged: BTreeSet<MemoryId>,
    mended: Vec<Problem>,
}

impl Repair<'_> {
    fn repair<T: ToString>(&mut self, what: &str, names: impl IntoIterator<Item = T>) {
        self.mended.extend(Problem::of(what, names));
    }

    /// Rebuilds SQLite's indexes that differ from their tables. Returns whether the
    /// keyword index is malformed.
    fn indexes(&mut self) -> Result<bool, StoreError> {
        let of_words = |line: &String| line.contains("memory_words");
        // Damage that ends the check is beyond repair, and verify reports it.
        let (mut said, _) = verify::damage(self.file);
        let mut is_index_broken = said.iter().any(of_words);
        if !said.iter().all(of_words) && self.file.execute_batch("REINDEX").is_ok() {
            let (left, _) = verify::damage(self.file);
            is_index_broken |= left.iter().any(of_words);
            said.retain(|line| !left.contains(line));
            self.repair("entries of indexes were rebuilt", said);
        }
        Ok(is_index_broken)
    }

    fn orphans(&mut self) -> Result<(), StoreError> {
        for (what, sql) in ORPHANS {
            let count = self.file.execute(sql, [])?;
            if count > 0 {
                self.mended.push(Problem {
                    what: format!("{what}, and are gone"),
                    count: count as u64,
                    examples: Vec::new(),
                });
            }
        }
        Ok(())
    }

    /// The memories of `ids` that are intact, so that data can be derived from them.
    fn sound(&self, ids: Vec<MemoryId>) -> Vec<MemoryId> {
        let is_sound = |id: &MemoryId| !self.damaged.contains(id);
        ids.into_iter().filter(is_sound).collect()
    }

    fn words(&mut self, is_broken: bool) -> Result<(), StoreError> {
        let wrong = match is_broken {
            true => Err(StoreError::Damaged(String::new())),
            false => derived::wrong_words(self.file),
        };
        match wrong {
            Ok(wrong) => {
                let wrong = self.sound(wrong);
                derived::rewrite_words(self.file, &wrong)?;
                self.repair("memories were indexed again for keywords", wrong);
            }
            Err(StoreError::Damaged(_)) => {
                derived::rebuild_words(self.file)?;
                self.repair("keyword index was rebuilt", ["the whole index"]);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn vectors(&mut self, model: &str, encode: &EncodeText<'_>) -> Result<(), StoreError> {
        let wrong = verify::memories_of_wrong_vectors(self.file)?;
        let wrong = self.sound(wrong);
        for id in &wrong {
            let content: String = self
                .file
                .prepare_cached("SELECT content FROM memory WHERE id = ?")?
                .query_row([id], |row| row.get(0))?;
            let vectors = encode(&content)?;
            self.file
                .prepare_cached("DELETE FROM memory_vector WHERE memory_id = ?")?
                .execute([id])?;
            write::add_vectors(self.file, model, *id, &vectors)?;
        }
        let are_codes_wrong = !wrong.is_empty() || verify::are_codes_wrong(self.file)?;
        self.repair("memories got new vectors from their texts", wrong);
        if are_codes_wrong {
            codes::rebuild(self.file)?;
            self.repair("codes were rebuilt from the vectors", ["all of them"]);
        }
        let sealed = checksum::seal_all(self.file)?;
        if sealed > 0 {
            self.mended.push(Problem {
                what: "memories and vectors without a checksum got one".to_owned(),
                count: sealed,
                examples: Vec::new(),
            });
        }
        Ok(())
    }

    fn features(&mut self) -> Result<(), StoreError> {
        let wrong = self.sound(features::wrong(self.file)?);
        for id in &wrong {
            features::derive_again(self.file, *id)?;
        }
        self.repair("memories got new features from their texts", wrong);
        Ok(())
    }

    fn counts(&mut self) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for part in [FEATURES, COUNTS] {
            verify::run_checks(self.file, part, super::connection::SCHEMA, &mut found)?;
        }
        if !found.is_empty() {
            derived::recount(self.file)?;
            let count = found.iter().map(|problem| problem.count).sum();
            let examples = found.into_iter().flat_map(|problem| problem.examples);
            self.mended.push(Problem {
                what: "counts were corrected".to_owned(),
                count,
                examples: examples.take(limits::VERIFY_EXAMPLES_MAX).collect(),
            });
        }
        Ok(())
    }
}
