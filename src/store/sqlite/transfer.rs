//! The file's side of a transfer. A file is filled under another name, and gets its own once
//! it is whole and compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::connection::{SCHEMA, open_as_it_is, open_writer};
use super::{checksum, codes, derived, mark};
use crate::files::{publish_new, with_ending};
use crate::store::StoreError;
use crate::store::transfer::copy::{
    AUTOINCREMENT, Kind, Row, Source, Summary, TABLES, Table, Target, Value, portion_sql,
};

/// A file, or the unfinished one beside it.
pub(in crate::store) struct TransferSide {
    file: Connection,
    /// Of a target: the unfinished file, and its name in the end.
    names: Option<(PathBuf, PathBuf)>,
}

impl TransferSide {
    /// One snapshot of the file at `path`.
    pub(in crate::store) fn source(path: &Path) -> Result<TransferSide, StoreError> {
        let (file, schema) = open_as_it_is(path)?;
        if schema != SCHEMA {
            return Err(StoreError::Unavailable {
                reason: format!("the database has the schema {schema}, and {SCHEMA} is copied"),
                hint: "run `mimo status` once to bring it up to date, then try again",
            });
        }
        file.execute_batch("BEGIN")?;
        Ok(TransferSide { file, names: None })
    }

    /// The new file `path`, which must not be there.
    pub(in crate::store) fn target(path: &Path) -> Result<TransferSide, StoreError> {
        if path.exists() {
            return Err(StoreError::Conflict(format!(
                "{} already exists, and a migration replaces nothing",
                path.display()
            )));
        }
        let part = with_ending(path, ".unfinished");
        let file = open_writer(&part)?;
        // Rows come in the order of their keys, not of their references; the check of a
        // whole database at the end looks at these.
        file.pragma_update(None, "foreign_keys", false)?;
        Ok(TransferSide {
            file,
            names: Some((part, path.to_owned())),
        })
    }
}

/// The name of a column here: approvals have no number of their own.
fn column<'a>(table: &Table, name: &'a str) -> &'a str {
    match (table.name, name) {
        ("tool_pin", "number") => "rowid",
        _ => name,
    }
}

impl Source for TransferSide {
    async fn portion(
        &mut self,
        table: &'static Table,
        after: Option<&[Value]>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = portion_sql(
            table,
            after.is_some(),
            |name, _| format!("\"{}\"", column(table, name)),
            |nth, _| format!("?{}", nth + 1),
        );
        let mut statement = self.file.prepare_cached(&sql)?;
        let after = after.unwrap_or_default().iter().map(bound);
        let mut rows = statement.query(params_from_iter(after))?;
        let mut portion = Vec::new();
        while let Some(row) = rows.next()? {
            let values = table.columns.iter().enumerate();
            let values = values.map(|(nth, (_, kind))| Ok(value(row.get_ref(nth)?, *kind)));
            portion.push(values.collect::<rusqlite::Result<Row>>()?);
        }
        Ok(portion)
    }

    async fn last_ids(&mut self) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?";
        let mut last = Vec::new();
        for (table, _) in AUTOINCREMENT {
            let id = self.file.query_row(sql, [table], |row| row.get(0));
            last.push(id.optional()?.unwrap_or(0));
        }
        Ok(last)
    }
}

fn value(value: ValueRef<'_>, kind: Kind) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        // A whole number in a column of fractions.
        ValueRef::Integer(number) if kind == Kind::Double => Value::Real(number as f64),
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned()),
    }
}

fn bound(value: &Value) -> rusqlite::types::Value {
    match value.clone() {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(number) => rusqlite::types::Value::Integer(number),
        Value::Real(number) => rusqlite::types::Value::Real(number),
        Value::Text(text) => rusqlite::types::Value::Text(text),
        Value::Bytes(bytes) => rusqlite::types::Value::Blob(bytes),
    }
}

impl Target for TransferSide {
    async fn done(&mut self) -> Result<BTreeMap<String, Summary>, StoreError> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'transfer'";
        if self.file.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(BTreeMap::new());
        }
        let sql = "SELECT name, rows, sha256 FROM transfer";
        let mut statement = self.file.prepare(sql)?;
        let done = statement.query_map([], |row| {
            let summary = Summary {
                rows: row.get::<_, i64>(1)?.unsigned_abs(),
                sha256: row.get(2)?,
            };
            Ok((row.get(0)?, summary))
        })?;
        Ok(done.collect::<Result<_, _>>()?)
    }

    async fn clear(&mut self) -> Result<(), StoreError> {
        let mut sql =
            "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS transfer (name TEXT PRIMARY KEY, \
                       rows INTEGER, sha256 TEXT) STRICT; DELETE FROM transfer; \
                       DELETE FROM memory_words; DELETE FROM memory_code; \
                       DELETE FROM memory_checksum; DELETE FROM vector_checksum;"
                .to_owned();
        for table in TABLES.iter().rev() {
            sql.push_str(&format!("DELETE FROM \"{}\";", table.name));
        }
        sql.push_str("COMMIT");
        Ok(self.file.execute_batch(&sql)?)
    }

    async fn begin_table(&mut self, table: &'static Table) -> Result<(), StoreError> {
        self.file.execute_batch("BEGIN IMMEDIATE")?;
        // Triggers on the features have counted the labels already.
        let sql = format!("DELETE FROM \"{}\"", table.name);
        self.file.execute(&sql, [])?;
        Ok(())
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError> {
        let columns = table.columns.iter();
        let columns: Vec<String> = columns
            .map(|(name, _)| format!("\"{}\"", column(table, name)))
            .collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        let sql = format!(
            "INSERT INTO \"{}\" ({columns}) VALUES ({marks})",
            table.name
        );
        let mut statement = self.file.prepare_cached(&sql)?;
        for row in &rows {
            statement.execute(params_from_iter(row.iter().map(bound)))?;
        }
        Ok(())
    }

    async fn end_table(&mut self, table: &'static Table, done: &Summary) -> Result<(), StoreError> {
        let rows = i64::try_from(done.rows).unwrap_or(i64::MAX);
        self.file.execute(
            "INSERT INTO transfer (name, rows, sha256) VALUES (?, ?, ?)",
            (table.name, rows, &done.sha256),
        )?;
        Ok(self.file.execute_batch("COMMIT")?)
    }

    async fn derive(&mut self, last_ids: Vec<i64>) -> Result<(), StoreError> {
        let tx = self.file.transaction()?;
        derived::rebuild_words(&tx)?;
        codes::rebuild(&tx)?;
        checksum::seal_all(&tx)?;
        for ((table, _), last) in AUTOINCREMENT.iter().zip(last_ids) {
            tx.execute("DELETE FROM sqlite_sequence WHERE name = ?", [table])?;
            let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)";
            tx.execute(sql, (table, last))?;
        }
        tx.commit()?;
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.file.execute_batch(
            "DROP TABLE transfer; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = delete",
        )?;
        mark::renew(&self.file)?;
        let Some((part, path)) = &self.names else {
            return Ok(());
        };
        let named = publish_new(part, path).and_then(|()| std::fs::remove_file(part));
        named.map_err(|error| StoreError::Unavailable {
            reason: format!("{} cannot be named: {error}", path.display()),
            hint: "check the folder and its permissions, then try again with --resume",
        })
    }
}
