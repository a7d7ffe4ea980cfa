//! Writing vectors.

use pgvector::Vector;

use super::words::project_ids;
use crate::store::StoreError;
use crate::store::memory::{Memory, MemoryId};
use crate::store::postgres::transaction::Tx;

/// Adds vectors of memories that have none, each with the number of its project.
pub(super) async fn add(
    tx: &Tx,
    model: i32,
    memories: &[(MemoryId, i32, &[Vec<f32>])],
) -> Result<(), StoreError> {
    let (mut ids, mut of, mut windows) = (Vec::new(), Vec::new(), Vec::new());
    let mut vectors = Vec::new();
    for (id, project, each) in memories {
        for (window, vector) in (0_i32..).zip(*each) {
            ids.push(id);
            of.push(project);
            windows.push(window);
            vectors.push(Vector::from(vector.clone()));
        }
    }
    let sql = "INSERT INTO memory_vector (memory_id, model_id, project, \"window\", near, vector) \
               SELECT id, $1, project, nth, vector::halfvec, vector \
               FROM unnest($2::bigint[], $3::int[], $4::int[], $5::vector[]) \
               v (id, project, nth, vector)";
    tx.execute(sql, &[&model, &ids, &of, &windows, &vectors])
        .await?;
    Ok(())
}

/// Moves the vectors of a memory to the older version with its former text.
pub(super) async fn move_from(tx: &Tx, memory: &Memory, other: MemoryId) -> Result<(), StoreError> {
    let projects = project_ids(tx, std::iter::once(memory.fields.project.as_str())).await?;
    let project = projects[&memory.fields.project];
    let sql = "UPDATE memory_vector SET memory_id = $1, project = $2 WHERE memory_id = $3";
    tx.execute(sql, &[&memory.id, &project, &other]).await?;
    Ok(())
}

/// The number of a model, which gets one if it has none.
pub(super) async fn model_id(tx: &Tx, model: &str, dimensions: usize) -> Result<i32, StoreError> {
    let wanted = i32::try_from(dimensions).unwrap_or(0);
    let sql = "SELECT id, dimensions FROM embedding_model WHERE name = $1";
    let found = tx.query_opt(sql, &[&model]).await?;
    match found.map(|row| (row.get::<_, i32>(0), row.get::<_, i32>(1))) {
        Some((id, dimensions)) if dimensions == wanted => Ok(id),
        Some((_, dimensions)) => Err(StoreError::Conflict(format!(
            "the embedding model {model:?} gave {wanted} dimensions, and {dimensions} before"
        ))),
        None => {
            let sql = "INSERT INTO embedding_model (name, dimensions) VALUES ($1, $2) RETURNING id";
            Ok(tx.query_one(sql, &[&model, &wanted]).await?.get(0))
        }
    }
}
