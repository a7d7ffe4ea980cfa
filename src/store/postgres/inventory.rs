//! Counts on PostgreSQL.

use super::PostgresStore;
use super::memory;
use super::transaction::Tx;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::meter::store::Op;
use crate::store::inventory::{
    ACTIVITIES, Activity, Group, Inventory, InventoryStore, Spans, Vectors,
};
use crate::store::measured;
use crate::store::memory::{Category, MemoryId};
use crate::store::{StoreError, Stored};

impl InventoryStore for PostgresStore {
    fn inventory(&self) -> Stored<'_, Inventory> {
        measured(Op::Inventory, async move {
            let tx = self.begin_read().await?;
            let inventory = Inventory {
                groups: groups(&tx).await?,
                vectors: vectors(&tx).await?,
                file_bytes: memory::bytes(&tx).await?,
            };
            tx.commit().await?;
            Ok(inventory)
        })
    }

    fn activity(&self, reach: &Reach, spans: Spans) -> Stored<'_, Activity> {
        let projects = reach.readable(&[]);
        measured(Op::Inventory, async move {
            let tx = self.begin_read().await?;
            let mut figures: [Vec<u64>; 4] = Default::default();
            for (figure, (table, at, condition)) in figures.iter_mut().zip(ACTIVITIES) {
                let sql = format!(
                    "SELECT ({at} - $1) / $2, count(*) FROM {table} WHERE {at} >= $1 \
                     AND {at} < $3 AND ($4::text[] IS NULL OR project = ANY ($4)) \
                     AND {condition} GROUP BY 1"
                );
                let end = spans.end().0;
                let rows = tx
                    .query(&sql, &[&spans.since.0, &spans.micros, &end, &projects])
                    .await?;
                *figure = spans.counts(rows.iter().map(|row| (row.get(0), row.get(1))));
            }
            tx.commit().await?;
            Ok(figures.into())
        })
    }

    /// A memory was forgotten on purpose if an edit archived it and every change since
    /// is an edit of an archived memory. Retention makes no edits.
    fn archived_since(&self, since: Timestamp, forgotten: bool) -> Stored<'_, Vec<MemoryId>> {
        let sql = "SELECT m.id FROM memory m WHERE m.state = 'archived' AND m.updated_at >= $1 \
                   AND ($2 OR NOT EXISTS (SELECT 1 FROM memory_edit f \
                   WHERE f.memory_id = m.id AND f.state <> 'archived' \
                   AND m.revision - f.revision = (SELECT count(*) FROM memory_edit e \
                   WHERE e.memory_id = m.id AND e.state = 'archived' AND e.revision > f.revision))) \
                   ORDER BY m.id";
        measured(Op::ArchivedSince, async move {
            let tx = self.begin_read().await?;
            let rows = tx.query(sql, &[&since.0, &forgotten]).await?;
            tx.commit().await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    fn active_versions(&self, id: MemoryId) -> Stored<'_, Vec<MemoryId>> {
        let sql = "WITH RECURSIVE later (id) AS (SELECT $1::bigint UNION \
                   SELECT m.id FROM memory m JOIN later ON m.supersedes = later.id) \
                   SELECT id FROM memory WHERE id IN (SELECT id FROM later) \
                   AND state = 'active' ORDER BY id";
        measured(Op::Fetch, async move {
            let tx = self.begin_read().await?;
            let rows = tx.query(sql, &[&id]).await?;
            tx.commit().await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }
}

async fn groups(tx: &Tx) -> Result<Vec<Group>, StoreError> {
    let sql = "SELECT project, category, count(*) FILTER (WHERE state = 'active'), \
               count(*) FILTER (WHERE state = 'superseded'), \
               count(*) FILTER (WHERE state = 'archived'), count(*) FILTER (WHERE protected), \
               sum(octet_length(content))::bigint FROM memory GROUP BY project, category \
               ORDER BY project, category";
    let group = |row: &tokio_postgres::Row| {
        let count = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        Group {
            project: row.get(0),
            category: Category::from_name(row.get(1)).unwrap_or_default(),
            active: count(2),
            superseded: count(3),
            archived: count(4),
            protected: count(5),
            content_bytes: count(6),
        }
    };
    Ok(tx.query(sql, &[]).await?.iter().map(group).collect())
}

async fn vectors(tx: &Tx) -> Result<Vec<Vectors>, StoreError> {
    let sql = "SELECT m.name, m.dimensions::bigint, count(*) FILTER (WHERE v.\"window\" = 0), \
               count(v.\"window\") FROM embedding_model m \
               LEFT JOIN memory_vector v ON v.model_id = m.id GROUP BY m.id ORDER BY m.id";
    let vectors = |row: &tokio_postgres::Row| {
        let count = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        Vectors {
            model: row.get(0),
            dimensions: count(1),
            memories: count(2),
            vectors: count(3),
        }
    };
    Ok(tx.query(sql, &[]).await?.iter().map(vectors).collect())
}
