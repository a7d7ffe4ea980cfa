//! Vectors of another model on PostgreSQL.

use super::super::PostgresStore;
use super::super::transaction::Tx;
use super::nearest::VectorSpace;
use super::words::project_ids;
use super::{MEMORY_LOCKS, vectors};
use crate::limits;
use crate::meter::store::Op;
use crate::store::encoding::EncodingStore;
use crate::store::measured;
use crate::store::memory::{IndexedText, MemoryId};
use crate::store::{StoreError, Stored};

impl EncodingStore for PostgresStore {
    fn models(&self) -> Stored<'_, Vec<String>> {
        measured(Op::Inventory, async move {
            let tx = self.begin_read().await?;
            let rows = tx.query("SELECT name FROM embedding_model ORDER BY id", &[]);
            let names = rows.await?.iter().map(|row| row.get(0)).collect();
            tx.commit().await?;
            Ok(names)
        })
    }

    fn unencoded(
        &self,
        model: &str,
        after: MemoryId,
        limit: usize,
    ) -> Stored<'_, Vec<(MemoryId, String)>> {
        let model = model.to_owned();
        let sql = "SELECT id, content FROM memory m WHERE id > $2 AND NOT EXISTS \
                   (SELECT 1 FROM memory_vector v WHERE v.memory_id = m.id \
                   AND v.model_id = (SELECT id FROM embedding_model WHERE name = $1)) \
                   ORDER BY id LIMIT $3";
        measured(Op::Unencoded, async move {
            let tx = self.begin_read().await?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = tx.query(sql, &[&model, &after, &limit]).await?;
            tx.commit().await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    fn add_vectors(&self, model: &str, texts: Vec<(MemoryId, IndexedText)>) -> Stored<'_, ()> {
        let model = model.to_owned();
        measured(Op::AddVectors, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            add(&tx, &model, &texts).await?;
            tx.commit().await
        })
    }

    fn remove_other_vectors(&self, model: &str) -> Stored<'_, bool> {
        let model = model.to_owned();
        measured(Op::RemoveVectors, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let is_more = remove_others(&tx, &model).await?;
            tx.commit().await?;
            Ok(is_more)
        })
    }
}

async fn add(tx: &Tx, model: &str, texts: &[(MemoryId, IndexedText)]) -> Result<(), StoreError> {
    let ids: Vec<MemoryId> = texts.iter().map(|(id, _)| *id).collect();
    let sql = "SELECT m.id, m.text_key, m.project FROM memory m WHERE m.id = ANY ($1) \
               AND NOT EXISTS (SELECT 1 FROM memory_vector v \
               JOIN embedding_model e ON e.id = v.model_id \
               WHERE v.memory_id = m.id AND e.name = $2)";
    let rows = tx.query(sql, &[&ids, &model]).await?;
    let due: Vec<(MemoryId, &[u8], &str)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let projects = project_ids(tx, due.iter().map(|(_, _, project)| *project)).await?;
    let added: Vec<(MemoryId, i32, &[Vec<f32>])> = texts
        .iter()
        .filter_map(|(id, text)| {
            let due = due.iter().find(|due| due.0 == *id && due.1 == text.key)?;
            Some((*id, projects[due.2], &*text.vectors))
        })
        .collect();
    let first = added.iter().find_map(|(_, _, vectors)| vectors.first());
    let Some(first) = first else {
        return Ok(());
    };
    let model = vectors::model_id(tx, model, first.len()).await?;
    vectors::add(tx, model, &added).await
}

async fn remove_others(tx: &Tx, model: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM memory_vector WHERE id IN (SELECT v.id FROM memory_vector v \
               JOIN embedding_model e ON e.id = v.model_id WHERE e.name <> $1 LIMIT $2)";
    let most = limits::VECTORS_REMOVED_AT_ONCE_MAX;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let removed = tx.execute(sql, &[&model, &limit]).await?;
    if removed == most as u64 {
        return Ok(true);
    }
    let sql = "DELETE FROM embedding_model WHERE name <> $1 RETURNING id, dimensions";
    for row in tx.query(sql, &[&model]).await? {
        let index = VectorSpace::new(row.get(0), row.get(1)).index();
        tx.execute(&format!("DROP INDEX IF EXISTS {index}"), &[])
            .await?;
    }
    Ok(false)
}
