//! Erasing for good on PostgreSQL. The server keeps deleted rows until it cleans its
//! tables, so those are rewritten; its log and its backups are the server's own.

use futures::TryStreamExt;

use super::PostgresStore;
use super::locks::Lock;
use super::memory::{self, MEMORY_LOCKS};
use super::transaction::Tx;
use crate::meter::store::Op;
use crate::store::erasure::{ErasureStore, TRACES, TraceFinder};
use crate::store::measured;
use crate::store::memory::MemoryId;
use crate::store::{StoreError, Stored};

impl ErasureStore for PostgresStore {
    /// Under the collation C, `lower` folds ASCII alone.
    fn containing(&self, text: String) -> Stored<'_, Vec<MemoryId>> {
        let sql = "SELECT id FROM memory WHERE strpos(lower(content), lower($1 COLLATE \"C\")) > 0 \
                   UNION SELECT memory_id FROM memory_edit \
                   WHERE strpos(lower(content), lower($1 COLLATE \"C\")) > 0 ORDER BY 1";
        measured(Op::Containing, async move {
            let tx = self.begin_read().await?;
            let rows = tx.query(sql, &[&text]).await?;
            tx.commit().await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
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

    fn erase_traces(&self, texts: Vec<String>) -> Stored<'_, Vec<String>> {
        measured(Op::EraseTraces, async move {
            let tx = self.begin_write(&[Lock::Procedures]).await?;
            let traces = erase_traces(&tx, &texts).await?;
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
            for table in [
                "memory",
                "memory_edit",
                "posting",
                "memory_vector",
                "memory_tag",
                "recorded_call",
            ] {
                client
                    .batch_execute(&format!("VACUUM (FULL) {table}"))
                    .await?;
            }
            Ok(false)
        })
    }
}

async fn erase_traces(tx: &Tx, texts: &[String]) -> Result<Vec<String>, StoreError> {
    let finder = TraceFinder::of(texts);
    let sql = "SELECT number::text, arguments FROM recorded_call";
    let calls = names_of(tx, sql, &finder).await?;
    let sql = "DELETE FROM recorded_call WHERE number::text = ANY ($1)";
    tx.execute(sql, &[&calls]).await?;
    let mut traces = Vec::new();
    for (what, sql) in TRACES {
        let names = names_of(tx, sql, &finder).await?.into_iter();
        traces.extend(names.map(|name| format!("{what} {name}")));
    }
    traces.dedup();
    Ok(traces)
}

/// The first column of the rows whose second one is a trace. Rows are read one by one:
/// all of them may be more than fits in memory.
async fn names_of(tx: &Tx, sql: &str, finder: &TraceFinder) -> Result<Vec<String>, StoreError> {
    let mut rows = std::pin::pin!(tx.stream(sql).await?);
    let mut names = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if finder.is_in(row.get::<_, &str>(1).as_bytes()) {
            names.push(row.get(0));
        }
    }
    Ok(names)
}
