//! Permanent erasure on PostgreSQL. The server keeps deleted rows until it vacuums, so
//! the tables are rewritten; its log and its backups are beyond this program.

use futures::TryStreamExt;
use tokio_postgres::types::FromSql;

use super::PostgresStore;
use super::error::unavailable;
use super::locks::Lock;
use super::memory::{self, MEMORY_LOCKS};
use super::transaction::Tx;
use crate::meter::store::Op;
use crate::store::erasure::{ErasureStore, TRACES, TraceFinder, Traces};
use crate::store::measured;
use crate::store::memory::MemoryId;
use crate::store::{StoreError, Stored};

impl ErasureStore for PostgresStore {
    fn containing(&self, text: String) -> Stored<'_, Vec<MemoryId>> {
        let sql = "SELECT id, content FROM memory \
                   UNION ALL SELECT memory_id, content FROM memory_edit";
        measured(Op::Containing, async move {
            let tx = self.begin_read().await?;
            let finder = TraceFinder::containing(&text);
            let mut ids: Vec<MemoryId> = names_of(&tx, sql, &finder).await?;
            tx.commit().await?;
            ids.sort_unstable();
            ids.dedup();
            Ok(ids)
        })
    }

    fn erase(&self, ids: Vec<MemoryId>) -> Stored<'_, Vec<String>> {
        let sql = "SELECT content FROM memory WHERE id = ANY ($1) \
                   UNION SELECT content FROM memory_edit WHERE memory_id = ANY ($1)";
        measured(Op::Erase, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let texts = tx.query(sql, &[&ids]).await?;
            memory::erase(&tx, &ids).await?;
            tx.commit().await?;
            Ok(texts.iter().map(|row| row.get(0)).collect())
        })
    }

    fn erase_traces(&self, wanted: Traces) -> Stored<'_, Vec<String>> {
        measured(Op::EraseTraces, async move {
            let tx = self.begin_write(&[Lock::Procedures]).await?;
            let traces = erase_traces(&tx, &wanted).await?;
            tx.commit().await?;
            Ok(traces)
        })
    }

    /// Rewrites the tables that held texts. The server's log is not this program's to
    /// empty.
    fn compact(&self) -> Stored<'_, bool> {
        measured(Op::Compact, async move {
            let client = self.connector.open().await?;
            client.batch_execute("SET statement_timeout = 0").await?;
            // The server would only warn, and leave the table as it is.
            let sql = "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class \
                       WHERE oid = ANY ($1::text[]::regclass[])";
            let tables = REWRITTEN.to_vec();
            if !client.query_one(sql, &[&tables]).await?.get::<_, bool>(0) {
                return Err(unavailable(
                    "its role does not own the tables, and only their owner may rewrite them",
                    "run `mimo memory erase --compact` with the URL of the role that owns the \
                     schema (install/guide/postgres.md)",
                ));
            }
            for table in REWRITTEN {
                client
                    .batch_execute(&format!("VACUUM (FULL) {table}"))
                    .await?;
            }
            Ok(false)
        })
    }
}

/// The tables that hold texts, or data derived from them.
const REWRITTEN: [&str; 6] = [
    "memory",
    "memory_edit",
    "posting",
    "memory_vector",
    "memory_tag",
    "recorded_call",
];

async fn erase_traces(tx: &Tx, wanted: &Traces) -> Result<Vec<String>, StoreError> {
    let finder = TraceFinder::of(wanted);
    let sql = "SELECT number, arguments FROM recorded_call";
    let calls: Vec<i64> = names_of(tx, sql, &finder).await?;
    let mut traces = Vec::new();
    if wanted.dry_run {
        traces.extend(calls.iter().map(|number| format!("recorded call {number}")));
    } else {
        let sql = "DELETE FROM recorded_call WHERE number = ANY ($1)";
        tx.execute(sql, &[&calls]).await?;
    }
    for (what, sql) in TRACES {
        let names: Vec<String> = names_of(tx, sql, &finder).await?;
        let names = names.into_iter();
        traces.extend(names.map(|name| format!("{what} {name}")));
    }
    traces.dedup();
    Ok(traces)
}

/// The first column of the rows whose second one is a trace. Rows are read one by one:
/// all of them may be more than fits in memory.
async fn names_of<N>(tx: &Tx, sql: &str, finder: &TraceFinder) -> Result<Vec<N>, StoreError>
where
    N: for<'a> FromSql<'a>,
{
    let mut rows = std::pin::pin!(tx.stream(sql).await?);
    let mut names = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if finder.is_in(row.get::<_, &str>(1).as_bytes()) {
            names.push(row.get(0));
        }
    }
    Ok(names)
}
