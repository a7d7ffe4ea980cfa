//! Blocks of one-bit codes, a chain of them for each project: a semantic search
//! reads them instead of every vector, a 27th of the bytes. A block is a row that
//! fits a page. Vectors are coded some hundred at a time, so that storing one
//! rewrites no block; the few after the last coded one are compared exactly.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};

use crate::limits;
use crate::store::memory::MemoryId;
use crate::store::{ProjectSet, StoreError};
use crate::vector;

/// A row of `memory_vector`.
pub(super) type VectorId = i64;

/// A block's bytes, so that it and its other columns fit a page of the file.
const BLOCK_BYTES: usize = 7_900;
/// The bytes of a vector's id in a block.
const ID_BYTES: usize = size_of::<VectorId>();

#[derive(Clone, Copy, Debug)]
pub(super) struct VectorSpace {
    pub(crate) model: i64,
    dimensions: usize,
    /// The last vector with a code.
    pub(crate) coded: VectorId,
}

impl VectorSpace {
    /// The space of the model with this name and number of dimensions, if any
    /// text was encoded by it.
    pub(crate) fn find(
        file: &Connection,
        model: &str,
        dimensions: usize,
    ) -> Result<Option<VectorSpace>, StoreError> {
        let sql = "SELECT id, dimensions, coded FROM embedding_model \
                   WHERE name = ? AND dimensions = ?";
        let number = i64::try_from(dimensions).unwrap_or(0);
        let mut statement = file.prepare_cached(sql)?;
        Ok(statement
            .query_row((model, number), VectorSpace::from_row)
            .optional()?)
    }

    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<VectorSpace> {
        let dimensions: i64 = row.get(1)?;
        Ok(VectorSpace {
            model: row.get(0)?,
            dimensions: usize::try_from(dimensions).unwrap_or(0),
            coded: row.get(2)?,
        })
    }

    fn code_bytes(&self) -> usize {
        self.dimensions.div_ceil(8)
    }

    /// The ids and the codes of a block.
    fn parts<'b>(&self, block: &'b [u8]) -> Option<(&'b [[u8; ID_BYTES]], &'b [u8])> {
        let count = block.len() / (ID_BYTES + self.code_bytes());
        let (ids, codes) = block.split_at_checked(count * ID_BYTES)?;
        let whole = codes.len() == count * self.code_bytes();
        whole.then_some((ids.as_chunks().0, codes))
    }

    /// Visits the blocks of these projects: ids, and as many codes.
    pub(crate) fn scan(
        &self,
        file: &Connection,
        projects: &ProjectSet,
        mut visit: impl FnMut(&[[u8; ID_BYTES]], &[u8]),
    ) -> Result<(), StoreError> {
        let mut read = |rows: &mut rusqlite::Rows<'_>| -> Result<(), StoreError> {
            while let Some(row) = rows.next()? {
                let block = row.get_ref(0)?.as_blob().unwrap_or_default();
                let damaged = || StoreError::Damaged("a block of codes is cut off".to_owned());
                let (ids, codes) = self.parts(block).ok_or_else(damaged)?;
                visit(ids, codes);
            }
            Ok(())
        };
        let ProjectSet::Only(projects) = projects else {
            let sql = "SELECT block FROM memory_code WHERE model_id = ?";
            return read(&mut file.prepare_cached(sql)?.query([self.model])?);
        };
        let sql = "SELECT block FROM memory_code WHERE model_id = ? AND project = ?";
        let mut statement = file.prepare_cached(sql)?;
        for project in projects {
            read(&mut statement.query(params![self.model, project])?)?;
        }
        Ok(())
    }

    /// The vectors that have no code yet.
    pub(crate) fn uncoded(&self, file: &Connection) -> Result<Vec<VectorId>, StoreError> {
        let sql = "SELECT id FROM memory_vector WHERE id > ? AND model_id = ?";
        let mut statement = file.prepare_cached(sql)?;
        let ids = statement.query_map([self.coded, self.model], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// The vectors of these memories, ascending.
    pub(crate) fn vectors_of(
        &self,
        file: &Connection,
        ids: &[MemoryId],
    ) -> Result<Vec<VectorId>, StoreError> {
        let sql = "SELECT id FROM memory_vector WHERE model_id = ? \
                   AND memory_id IN (SELECT value FROM json_each(?))";
        let mut statement = file.prepare_cached(sql)?;
        let ids = serde_json::json!(ids).to_string();
        let vectors = statement.query_map(params![self.model, ids], |row| row.get(0))?;
        let mut vectors: Vec<VectorId> = vectors.collect::<Result<_, _>>()?;
        vectors.sort_unstable();
        Ok(vectors)
    }

    /// Codes the vectors after the last coded one, up to a bound per call.
    fn pack(&self, file: &Connection, newest: VectorId) -> Result<(), StoreError> {
        let mut chains: BTreeMap<String, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
        let sql = "SELECT v.id, m.project, v.vector FROM memory_vector v \
                   JOIN memory m ON m.id = v.memory_id \
                   WHERE v.id > ? AND v.model_id = ? ORDER BY v.id LIMIT ?";
        let mut statement = file.prepare_cached(sql)?;
        let most = limits::VECTORS_CODED_AT_ONCE_MAX;
        let mut rows = statement.query((self.coded, self.model, most))?;
        let (mut read, mut last) = (0, newest);
        while let Some(row) = rows.next()? {
            let id: VectorId = row.get(0)?;
            let (ids, codes) = chains.entry(row.get(1)?).or_default();
            let code = code_of(row.get_ref(2)?.as_blob().unwrap_or_default());
            // A vector of another length has no cosine, and gets no code.
            if code.len() == self.code_bytes() {
                ids.extend(id.to_le_bytes());
                codes.extend(code);
            }
            read += 1;
            last = if read == most { id } else { newest };
        }
        for (project, (ids, codes)) in &chains {
            self.append(file, project, ids, codes)?;
        }
        file.prepare_cached("UPDATE embedding_model SET coded = ? WHERE id = ?")?
            .execute([last, self.model])?;
        Ok(())
    }

    /// Removes the codes of vectors from a project's chain.
    fn remove(
        &self,
        file: &Connection,
        project: &str,
        gone: &HashSet<VectorId>,
    ) -> Result<(), StoreError> {
        let blocks: Vec<(i64, Vec<u8>)> = file
            .prepare_cached("SELECT id, block FROM memory_code WHERE model_id = ? AND project = ?")?
            .query_map(params![self.model, project], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        for (id, block) in blocks {
            let Some((ids, codes)) = self.parts(&block) else {
                continue;
            };
            let each = ids.iter().zip(codes.chunks(self.code_bytes()));
            let kept = each.filter(|(id, _)| !gone.contains(&VectorId::from_le_bytes(**id)));
            let (kept_ids, kept_codes): (Vec<&[u8; ID_BYTES]>, Vec<&[u8]>) = kept.unzip();
            if kept_ids.len() == ids.len() {
                continue;
            }
            if kept_ids.is_empty() {
                file.prepare_cached("DELETE FROM memory_code WHERE id = ?")?
                    .execute([id])?;
                continue;
            }
            let vectors = i64::try_from(kept_ids.len()).unwrap_or(0);
            let ids = kept_ids.iter().flat_map(|id| id.iter());
            let block: Vec<u8> = ids
                .chain(kept_codes.into_iter().flatten())
                .copied()
                .collect();
            file.prepare_cached("UPDATE memory_code SET vectors = ?, block = ? WHERE id = ?")?
                .execute(params![vectors, block, id])?;
        }
        Ok(())
    }

    /// Fills the last block of a project's chain, then adds new blocks.
    fn append(
        &self,
        file: &Connection,
        project: &str,
        ids: &[u8],
        codes: &[u8],
    ) -> Result<(), StoreError> {
        let last: Option<(i64, Vec<u8>)> = file
            .prepare_cached(
                "SELECT id, block FROM memory_code WHERE model_id = ? AND project = ? \
                 ORDER BY id DESC LIMIT 1",
            )?
            .query_row(params![self.model, project], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (mut place, (mut all_ids, mut all_codes)) = (None, (Vec::new(), Vec::new()));
        if let Some((id, block)) = last
            && let Some((ids, codes)) = self.parts(&block)
            && block.len() + ID_BYTES + self.code_bytes() <= BLOCK_BYTES
        {
            place = Some(id);
            all_ids.extend_from_slice(ids.as_flattened());
            all_codes.extend_from_slice(codes);
        }
        all_ids.extend_from_slice(ids);
        all_codes.extend_from_slice(codes);
        let each = (BLOCK_BYTES / (ID_BYTES + self.code_bytes())).max(1);
        let blocks = all_ids
            .chunks(each * ID_BYTES)
            .zip(all_codes.chunks(each * self.code_bytes()));
        for (ids, codes) in blocks {
            let vectors = i64::try_from(ids.len() / ID_BYTES).unwrap_or(0);
            file.prepare_cached(
                "INSERT OR REPLACE INTO memory_code (id, model_id, project, vectors, block) \
                 VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                place.take(),
                self.model,
                project,
                vectors,
                [ids, codes].concat()
            ])?;
        }
        Ok(())
    }
}

/// Removes the codes of these memories' vectors from their blocks, before the
/// vectors themselves are erased.
pub(super) fn remove(file: &Connection, memories: &[MemoryId]) -> Result<(), StoreError> {
    let sql = "SELECT e.id, e.dimensions, e.coded, m.project, v.id FROM memory m \
               JOIN memory_vector v ON v.memory_id = m.id \
               JOIN embedding_model e ON e.id = v.model_id \
               WHERE m.id = ? AND v.id <= e.coded";
    let mut statement = file.prepare_cached(sql)?;
    let mut chains: BTreeMap<(i64, String), (VectorSpace, HashSet<VectorId>)> = BTreeMap::new();
    for memory in memories {
        let mut rows = statement.query([memory])?;
        while let Some(row) = rows.next()? {
            let space = VectorSpace::from_row(row)?;
            let chain = chains.entry((space.model, row.get(3)?));
            let (_, gone) = chain.or_insert((space, HashSet::new()));
            gone.insert(row.get(4)?);
        }
    }
    for ((_, project), (space, gone)) in &chains {
        space.remove(file, project, gone)?;
    }
    Ok(())
}

/// Names the codes that are not those of their vectors, or in another project's chain.
pub(super) fn wrong(file: &Connection) -> Result<Vec<String>, StoreError> {
    let mut wrong = Vec::new();
    let spaces: Vec<VectorSpace> = file
        .prepare("SELECT id, dimensions, coded FROM embedding_model")?
        .query_map([], VectorSpace::from_row)?
        .collect::<Result<_, _>>()?;
    let mut source = file.prepare(
        "SELECT v.memory_id, v.vector, m.project FROM memory_vector v \
         JOIN memory m ON m.id = v.memory_id WHERE v.id = ? AND v.model_id = ?",
    )?;
    let mut blocks =
        file.prepare("SELECT project, block FROM memory_code WHERE model_id = ? ORDER BY id")?;
    for space in spaces {
        let mut rows = blocks.query([space.model])?;
        while let Some(row) = rows.next()? {
            let project: String = row.get(0)?;
            let Some((ids, codes)) = space.parts(row.get_ref(1)?.as_blob().unwrap_or_default())
            else {
                continue;
            };
            for (id, code) in ids.iter().zip(codes.chunks(space.code_bytes().max(1))) {
                let id = VectorId::from_le_bytes(*id);
                let mut found = source.query([id, space.model])?;
                let Some(vector) = found.next()? else {
                    wrong.push(format!("vector {id}"));
                    continue;
                };
                let is_same = code_of(vector.get_ref(1)?.as_blob().unwrap_or_default()) == code
                    && vector.get::<_, String>(2)? == project;
                if !is_same {
                    wrong.push(vector.get::<_, MemoryId>(0)?.to_string());
                }
            }
        }
    }
    Ok(wrong)
}

/// The code of a vector as it is stored.
fn code_of(vector: &[u8]) -> Vec<u8> {
    let numbers = vector.as_chunks().0.iter().copied().map(f32::from_le_bytes);
    vector::code(&numbers.collect::<Vec<f32>>())
}

/// Makes every code anew.
pub(super) fn rebuild(file: &Connection) -> Result<(), StoreError> {
    file.execute_batch("DELETE FROM memory_code; UPDATE embedding_model SET coded = 0")?;
    while pack(file)? {}
    Ok(())
}

/// Codes vectors once enough of them have no code; returns whether there may be
/// more. Every transaction that inserts vectors ends with this.
pub(super) fn pack(file: &Connection) -> Result<bool, StoreError> {
    let newest: Option<VectorId> = file
        .prepare_cached("SELECT max(id) FROM memory_vector")?
        .query_row([], |row| row.get(0))?;
    let Some(newest) = newest else {
        return Ok(false);
    };
    let behind = newest.saturating_sub(limits::VECTORS_UNCODED_MAX);
    let spaces: Vec<VectorSpace> = file
        .prepare_cached("SELECT id, dimensions, coded FROM embedding_model WHERE coded < ?")?
        .query_map([behind], VectorSpace::from_row)?
        .collect::<Result<_, _>>()?;
    for space in &spaces {
        space.pack(file, newest)?;
    }
    Ok(!spaces.is_empty())
}
