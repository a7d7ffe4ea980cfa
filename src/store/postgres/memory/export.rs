//! Exporting on a transaction of its own: one snapshot for as long as it takes.

use std::sync::Arc;

use futures::{StreamExt, stream};

use super::rows;
use super::rows::count;
use crate::limits;
use crate::store::memory::{Export, ExportPage, MemoryId};
use crate::store::postgres::connection::{Connector, Pools};
use crate::store::postgres::transaction::Tx;
use crate::store::postgres::values::Values;
use crate::store::{ProjectSet, StoreError};

/// See `MemoryStore::export`.
pub(super) fn export(pools: Pools, connector: Arc<Connector>, projects: ProjectSet) -> Export {
    let first = Some(State {
        tx: None,
        after: MemoryId::MIN,
        total: 0,
        pools,
        connector,
        projects,
    });
    let pages = stream::unfold(first, |state| async move {
        let mut state = state?;
        match state.next_page().await {
            Ok(page) if page.memories.len() < limits::PORTION_MEMORIES_MAX => {
                Some((Ok(page), None))
            }
            Ok(page) => Some((Ok(page), Some(state))),
            Err(error) => Some((Err(error), None)),
        }
    });
    pages.boxed()
}

struct State {
    /// Begun with the first page.
    tx: Option<Tx>,
    after: MemoryId,
    total: u64,
    pools: Pools,
    connector: Arc<Connector>,
    projects: ProjectSet,
}

impl State {
    async fn next_page(&mut self) -> Result<ExportPage, StoreError> {
        let tx = match &mut self.tx {
            Some(tx) => tx,
            None => {
                let tx = Tx::read_only(self.pools.reader(&self.connector).await?);
                // The file that it is written to may be slow.
                tx.batch("SET LOCAL idle_in_transaction_session_timeout = 0")
                    .await?;
                let mut values = Values::default();
                let within = values.within(&self.projects);
                let sql = format!("SELECT count(*) FROM memory m WHERE {within}");
                let total = tx.query_one(&sql, &values.params()).await?;
                self.total = total.get::<_, i64>(0).unsigned_abs();
                self.tx.insert(tx)
            }
        };
        let mut values = Values::default();
        let sql = format!(
            "SELECT m.id FROM memory m WHERE {} AND m.id > {} ORDER BY m.id LIMIT {}",
            values.within(&self.projects),
            values.bind(self.after),
            values.bind(count(limits::PORTION_MEMORIES_MAX))
        );
        let rows = tx.query(&sql, &values.params()).await?;
        let ids: Vec<MemoryId> = rows.iter().map(|row| row.get(0)).collect();
        self.after = ids.last().copied().unwrap_or(self.after);
        Ok(ExportPage {
            total: self.total,
            memories: rows::fetch(tx, &ids, &self.projects).await?,
        })
    }
}
