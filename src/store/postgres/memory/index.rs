//! The index of vectors, which a model gets once comparing all of its vectors would be
//! slower.

use super::super::PostgresStore;
use super::nearest::VectorSpace;
use crate::limits;
use crate::store::StoreError;

impl PostgresStore {
    /// Creates missing indexes, while others go on reading and writing. Takes up to
    /// minutes.
    pub(in crate::store::postgres) async fn index_vectors(&self) -> Result<(), StoreError> {
        let tx = self.begin_read().await?;
        let sql = "SELECT e.id, e.dimensions FROM embedding_model e WHERE $1 < \
                   (SELECT count(*) FROM memory_vector v WHERE v.model_id = e.id)";
        let rows = tx
            .query(sql, &[&limits::NEAREST_EXACT_MEMORIES_MAX])
            .await?;
        let mut missing = Vec::new();
        for row in rows {
            let space = VectorSpace::new(row.get(0), row.get(1));
            if !space.is_indexed(&tx).await? {
                missing.push(space);
            }
        }
        tx.commit().await?;
        if missing.is_empty() {
            return Ok(());
        }
        let client = self.connector.open().await?;
        client
            .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")
            .await?;
        for space in missing {
            // An interrupted build leaves an unusable index. Neither statement may
            // share its transaction with another.
            let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", space.index());
            client.batch_execute(&drop).await?;
            client.batch_execute(&space.make_index()).await?;
        }
        Ok(())
    }
}
