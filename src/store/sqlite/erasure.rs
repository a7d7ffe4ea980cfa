//! Permanent erasure on SQLite: rows are overwritten, then the keyword index, the file
//! and its log are rewritten, because each keeps remains of deleted rows.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{SqliteStore, in_transaction, retention};
use crate::meter::store::Op;
use crate::store::erasure::{ErasureStore, TRACES, TraceFinder, Traces};
use crate::store::measured;
use crate::store::memory::MemoryId;
use crate::store::{StoreError, Stored};

impl ErasureStore for SqliteStore {
    fn containing(&self, text: String) -> Stored<'_, Vec<MemoryId>> {
        let sql = "SELECT id, content FROM memory \
                   UNION ALL SELECT memory_id, content FROM memory_edit";
        measured(
            Op::Containing,
            self.read(move |file| {
                let finder = TraceFinder::containing(&text);
                let mut statement = file.prepare(sql)?;
                let mut rows = statement.query([])?;
                let mut ids = BTreeSet::new();
                while let Some(row) = rows.next()? {
                    if finder.is_in(row.get_ref(1)?.as_bytes().unwrap_or_default()) {
                        ids.insert(row.get::<_, MemoryId>(0)?);
                    }
                }
                Ok(ids.into_iter().collect())
            }),
        )
    }

    fn erase(&self, ids: Vec<MemoryId>) -> Stored<'_, Vec<String>> {
        measured(
            Op::Erase,
            self.run_write(move |connection| {
                overwriting(connection, |connection| {
                    in_transaction(connection, |file| {
                        let texts = texts(file, &ids)?;
                        retention::erase_all(file, &ids)?;
                        Ok(texts)
                    })
                })
            }),
        )
    }

    fn erase_traces(&self, wanted: Traces) -> Stored<'_, Vec<String>> {
        measured(
            Op::EraseTraces,
            self.run_write(move |connection| {
                overwriting(connection, |connection| {
                    in_transaction(connection, |file| erase_traces(file, &wanted))
                })
            }),
        )
    }

    fn compact(&self) -> Stored<'_, bool> {
        measured(
            Op::Compact,
            self.run_write(|connection| overwriting(connection, compact)),
        )
    }
}

/// Runs `work` so that SQLite overwrites what it deletes.
fn overwriting<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.pragma_update(None, "secure_delete", true)?;
    let done = work(connection);
    connection.pragma_update(None, "secure_delete", false)?;
    done
}

/// The texts of these memories, with the earlier ones.
fn texts(file: &Connection, ids: &[MemoryId]) -> Result<Vec<String>, StoreError> {
    let mut statement = file.prepare_cached(
        "SELECT content FROM memory WHERE id = ?1 \
         UNION SELECT content FROM memory_edit WHERE memory_id = ?1",
    )?;
    let mut texts = Vec::new();
    for id in ids {
        for text in statement.query_map([id], |row| row.get(0))? {
            texts.push(text?);
        }
    }
    Ok(texts)
}

fn erase_traces(file: &Connection, wanted: &Traces) -> Result<Vec<String>, StoreError> {
    let finder = TraceFinder::of(wanted);
    let mut calls = Vec::new();
    let mut statement = file.prepare("SELECT number, arguments FROM recorded_call")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if finder.is_in(row.get_ref(1)?.as_bytes().unwrap_or_default()) {
            calls.push(row.get::<_, i64>(0)?);
        }
    }
    let mut traces = Vec::new();
    for number in calls {
        if wanted.dry_run {
            traces.push(format!("recorded call {number}"));
            continue;
        }
        file.execute(
            "DELETE FROM recorded_call WHERE number = ?",
            params![number],
        )?;
    }
    for (what, sql) in TRACES {
        let mut statement = file.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if finder.is_in(row.get_ref(1)?.as_bytes().unwrap_or_default()) {
                let name: String = row.get(0)?;
                traces.push(format!("{what} {name}"));
            }
        }
    }
    traces.dedup();
    Ok(traces)
}

fn compact(connection: &mut Connection) -> Result<bool, StoreError> {
    // The keyword index only marks its entries as deleted.
    connection.execute(
        "INSERT INTO memory_words (memory_words) VALUES ('optimize')",
        [],
    )?;
    // VACUUM builds the new file in a temporary one: in memory it could be too large.
    connection.pragma_update(None, "temp_store", "file")?;
    let vacuumed = connection.execute_batch("VACUUM");
    connection.pragma_update(None, "temp_store", "memory")?;
    vacuumed?;
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!is_busy)
}
