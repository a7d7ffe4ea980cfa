//! The database's side of a transfer. While it is filled, no Mimo can open the schema.

use std::collections::{BTreeMap, HashMap};

use pgvector::Vector;

use super::memory::words::{self, Indexed, project_ids};
use super::migrate::BEING_FILLED;
use super::transaction::{Param, Tx};
use super::{PostgresStore, migrate};
use crate::store::StoreError;
use crate::store::transfer::copy::{
    AUTOINCREMENT, Kind, Row, Source, Summary, TABLES, Table, Target, Value, portion_sql,
};
use crate::text;

pub(in crate::store) struct TransferSide {
    store: PostgresStore,
    /// Of a source, one snapshot; of a target, the transaction of a table.
    tx: Option<Tx>,
}

/// Without the timeouts of calls.
const NO_TIMEOUTS: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

impl TransferSide {
    /// One snapshot of the schema of `store`.
    pub(in crate::store) async fn source(store: PostgresStore) -> Result<TransferSide, StoreError> {
        let tx = store.begin_read().await?;
        tx.batch(NO_TIMEOUTS).await?;
        Ok(TransferSide {
            store,
            tx: Some(tx),
        })
    }

    /// The schema of `store`, which has to be empty.
    pub(in crate::store) fn target(store: PostgresStore) -> TransferSide {
        TransferSide { store, tx: None }
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        let tx = self.store.begin_write(&[]).await?;
        tx.batch(NO_TIMEOUTS).await?;
        Ok(tx)
    }

    fn tx(&self) -> Result<&Tx, StoreError> {
        self.tx.as_ref().ok_or(StoreError::Abandoned)
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
            |name, kind| match kind {
                Kind::Int => format!("\"{name}\"::bigint"),
                Kind::Boolean => format!("\"{name}\"::int::bigint"),
                _ => format!("\"{name}\""),
            },
            |nth, kind| match kind {
                Kind::Text => format!("${}::text", nth + 1),
                _ => format!("${}::bigint", nth + 1),
            },
        );
        let mut values: Vec<Param<'_>> = Vec::new();
        for value in after.unwrap_or_default() {
            match value {
                Value::Integer(number) => values.push(number),
                Value::Text(text) => values.push(text),
                _ => return Err(StoreError::Abandoned),
            }
        }
        let own = match &self.tx {
            Some(_) => None,
            // A target is compared after its tables are committed.
            None => Some(self.store.begin_read().await?),
        };
        let tx = match &own {
            Some(tx) => tx,
            None => self.tx()?,
        };
        let rows = tx.query(&sql, &values).await?;
        if let Some(tx) = own {
            tx.commit().await?;
        }
        let read = |row: &tokio_postgres::Row| {
            let columns = table.columns.iter().enumerate();
            columns
                .map(|(nth, (_, kind))| value(row, nth, *kind))
                .collect()
        };
        Ok(rows.iter().map(read).collect())
    }

    async fn last_ids(&mut self) -> Result<Vec<i64>, StoreError> {
        let mut last = Vec::new();
        for (table, column) in AUTOINCREMENT {
            let sql = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, $2)\
                       ::regclass), 0)";
            let row = self.tx()?.query_one(sql, &[&table, &column]).await?;
            last.push(row.get(0));
        }
        Ok(last)
    }
}

fn value(row: &tokio_postgres::Row, nth: usize, kind: Kind) -> Value {
    match kind {
        Kind::Bigint | Kind::Int | Kind::Boolean => {
            row.get::<_, Option<i64>>(nth).map(Value::Integer)
        }
        Kind::Double => row.get::<_, Option<f64>>(nth).map(Value::Real),
        Kind::Text => row.get::<_, Option<String>>(nth).map(Value::Text),
        Kind::Bytes => row.get::<_, Option<Vec<u8>>>(nth).map(Value::Bytes),
        Kind::Vector => row.get::<_, Option<Vector>>(nth).map(|vector| {
            let numbers = vector.as_slice().iter();
            Value::Bytes(numbers.flat_map(|number| number.to_le_bytes()).collect())
        }),
    }
    .unwrap_or(Value::Null)
}

impl Target for TransferSide {
    async fn done(&mut self) -> Result<BTreeMap<String, Summary>, StoreError> {
        let tx = self.store.begin_read().await?;
        let there = "SELECT to_regclass('transfer') IS NOT NULL";
        let is_begun: bool = tx.query_one(there, &[]).await?.get(0);
        let mut done = BTreeMap::new();
        if is_begun {
            for row in tx
                .query("SELECT name, rows, sha256 FROM transfer", &[])
                .await?
            {
                let summary = Summary {
                    rows: row.get::<_, i64>(1).unsigned_abs(),
                    sha256: row.get(2),
                };
                done.insert(row.get(0), summary);
            }
        } else {
            for table in TABLES {
                let sql = format!("SELECT EXISTS (SELECT 1 FROM \"{}\")", table.name);
                if tx.query_one(&sql, &[]).await?.get(0) {
                    return Err(StoreError::Conflict(format!(
                        "there are rows of {} there already, and a migration replaces nothing; \
                         name another schema in [store], or empty that one",
                        table.name
                    )));
                }
            }
        }
        tx.commit().await?;
        Ok(done)
    }

    async fn clear(&mut self) -> Result<(), StoreError> {
        let tx = self.begin().await?;
        let names: Vec<String> = TABLES
            .iter()
            .map(|table| format!("\"{}\"", table.name))
            .collect();
        tx.batch(&format!(
            "CREATE TABLE IF NOT EXISTS transfer (name text PRIMARY KEY, rows bigint NOT NULL, \
             sha256 text NOT NULL); TRUNCATE transfer, posting, project, {}; \
             UPDATE meta SET compatible_from = {BEING_FILLED}",
            names.join(", ")
        ))
        .await?;
        tx.commit().await
    }

    async fn begin_table(&mut self, _: &'static Table) -> Result<(), StoreError> {
        let tx = self.begin().await?;
        // A memory may replace one that comes later.
        tx.batch("SET CONSTRAINTS ALL DEFERRED").await?;
        self.tx = Some(tx);
        Ok(())
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError> {
        let tx = self.tx()?;
        let columns = Columns::of(table, &rows);
        match table.name {
            "memory_vector" => write_vectors(tx, &columns).await?,
            name => {
                let names = table.columns.iter();
                let names: Vec<String> = names.map(|(name, _)| format!("\"{name}\"")).collect();
                let sql = format!(
                    "INSERT INTO \"{name}\" ({}) SELECT {} FROM {} r",
                    names.join(", "),
                    columns.casts(),
                    columns.unnested(),
                );
                tx.execute(&sql, &columns.params()).await?;
            }
        }
        if table.name == "memory" {
            index(tx, &rows).await?;
        }
        Ok(())
    }

    async fn end_table(&mut self, table: &'static Table, done: &Summary) -> Result<(), StoreError> {
        let tx = self.tx.take().ok_or(StoreError::Abandoned)?;
        let rows = i64::try_from(done.rows).unwrap_or(i64::MAX);
        let sql = "INSERT INTO transfer (name, rows, sha256) VALUES ($1, $2, $3)";
        tx.execute(sql, &[&table.name, &rows, &done.sha256]).await?;
        tx.commit().await
    }

    async fn derive(&mut self, last_ids: Vec<i64>) -> Result<(), StoreError> {
        let tx = self.begin().await?;
        // Every id that the server gives out comes after those that are there.
        let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns \
                   WHERE table_schema = current_schema() AND is_identity = 'YES'";
        for row in tx.query(sql, &[]).await? {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let used = AUTOINCREMENT.iter().zip(&last_ids);
            let used = used
                .filter(|((name, _), _)| *name == table)
                .map(|(_, last)| *last);
            let used = used.max().unwrap_or(0);
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence($1, $2), \
                 greatest($3::bigint, 1, (SELECT max(\"{column}\")::bigint FROM \"{table}\")), \
                 greatest($3::bigint, (SELECT max(\"{column}\")::bigint FROM \"{table}\")) > 0)"
            );
            tx.query(&sql, &[&table, &column, &used]).await?;
        }
        tx.batch("ANALYZE").await?;
        tx.commit().await
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let tx = self.begin().await?;
        tx.batch(&format!(
            "DROP TABLE transfer; UPDATE meta SET compatible_from = {}",
            migrate::COMPATIBLE_FROM
        ))
        .await?;
        tx.commit().await
    }
}

/// The rows of a portion by columns, as values of one statement.
struct Columns {
    table: &'static Table,
    values: Vec<ColumnValues>,
}

enum ColumnValues {
    Integers(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Vectors(Vec<Option<Vector>>),
}

impl Columns {
    fn of(table: &'static Table, rows: &[Row]) -> Columns {
        let column = |(nth, (_, kind)): (usize, &(&str, Kind))| {
            let values = rows.iter().map(|row| row[nth].clone());
            match kind {
                Kind::Bigint | Kind::Int | Kind::Boolean => ColumnValues::Integers(
                    values
                        .map(|value| match value {
                            Value::Integer(number) => Some(number),
                            _ => None,
                        })
                        .collect(),
                ),
                Kind::Double => ColumnValues::Reals(
                    values
                        .map(|value| match value {
                            Value::Real(number) => Some(number),
                            _ => None,
                        })
                        .collect(),
                ),
                Kind::Text => ColumnValues::Texts(
                    values
                        .map(|value| match value {
                            Value::Text(text) => Some(text),
                            _ => None,
                        })
                        .collect(),
                ),
                Kind::Bytes => ColumnValues::Bytes(values.map(bytes).collect()),
                Kind::Vector => {
                    ColumnValues::Vectors(values.map(|value| bytes(value).map(vector)).collect())
                }
            }
        };
        Columns {
            table,
            values: table.columns.iter().enumerate().map(column).collect(),
        }
    }

    fn params(&self) -> Vec<Param<'_>> {
        let each = self.values.iter();
        each.map(|values| -> Param<'_> {
            match values {
                ColumnValues::Integers(values) => values,
                ColumnValues::Reals(values) => values,
                ColumnValues::Texts(values) => values,
                ColumnValues::Bytes(values) => values,
                ColumnValues::Vectors(values) => values,
            }
        })
        .collect()
    }

    /// `unnest($1::bigint[], ..) r`, with a column c1, c2, .. for each.
    fn unnested(&self) -> String {
        let columns = self.table.columns.iter().enumerate();
        let types = columns.map(|(nth, (_, kind))| {
            let kind = match kind {
                Kind::Bigint | Kind::Int | Kind::Boolean => "bigint",
                Kind::Double => "double precision",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
                Kind::Vector => "vector",
            };
            format!("${}::{kind}[]", nth + 1)
        });
        let names = (1..=self.table.columns.len()).map(|nth| format!("c{nth}"));
        format!(
            "(SELECT * FROM unnest({}) u ({}))",
            types.collect::<Vec<_>>().join(", "),
            names.collect::<Vec<_>>().join(", ")
        )
    }

    /// The columns with the types of the table.
    fn casts(&self) -> String {
        let columns = self.table.columns.iter().enumerate();
        let casts = columns.map(|(nth, (_, kind))| match kind {
            Kind::Int => format!("r.c{}::int", nth + 1),
            Kind::Boolean => format!("r.c{} <> 0", nth + 1),
            _ => format!("r.c{}", nth + 1),
        });
        casts.collect::<Vec<_>>().join(", ")
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn vector(bytes: Vec<u8>) -> Vector {
    let (numbers, _) = bytes.as_chunks::<4>();
    let numbers: Vec<f32> = numbers
        .iter()
        .map(|each| f32::from_le_bytes(*each))
        .collect();
    Vector::from(numbers)
}

/// Vectors stand beside their project and a shorter form of themselves.
async fn write_vectors(tx: &Tx, columns: &Columns) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO memory_vector (id, memory_id, model_id, project, \"window\", near, vector) \
         \
         SELECT r.c1, r.c2, r.c3::int, p.id, r.c4::int, r.c5::halfvec, r.c5 FROM {} r \
         JOIN memory m ON m.id = r.c2 JOIN project p ON p.name = m.project",
        columns.unnested()
    );
    let written = tx.execute(&sql, &columns.params()).await?;
    let wanted = match &columns.values[0] {
        ColumnValues::Integers(ids) => ids.len() as u64,
        _ => 0,
    };
    match written == wanted {
        true => Ok(()),
        false => Err(StoreError::Damaged(
            "vectors belong to memories that do not exist; `mimo verify` names them".to_owned(),
        )),
    }
}

/// The places of the columns of `memory` that the keyword index needs.
const ID: usize = 0;
const PROJECT: usize = 1;

/// Adds memories to the keyword index.
async fn index(tx: &Tx, rows: &[Row]) -> Result<(), StoreError> {
    let mut texts = Vec::new();
    for row in rows {
        if let (Value::Integer(id), Value::Text(project), Some(Value::Text(content))) =
            (&row[ID], &row[PROJECT], row.last())
        {
            texts.push((*id, project.as_str(), text::index_words(content)));
        }
    }
    let projects: HashMap<String, i32> =
        project_ids(tx, texts.iter().map(|(_, project, _)| *project)).await?;
    let indexed: Vec<Indexed<'_>> = texts
        .iter()
        .map(|(id, project, words)| Indexed {
            id: *id,
            project,
            words,
        })
        .collect();
    words::add(tx, &indexed, &projects).await
}
