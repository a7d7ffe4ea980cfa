//! Checksums of memories and of vectors. SQLite notices a damaged page only where its
//! structure breaks, not a changed bit in a text or a number.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use crate::store::StoreError;
use crate::store::memory::{COLUMNS, MemoryId};

/// The first bytes of a SHA-256.
type Checksum = i64;

/// Writes the checksum of a memory that is new, or whose text was rewritten.
pub(super) fn seal(file: &Connection, id: MemoryId) -> Result<(), StoreError> {
    let checksum = of_memory(file, id)?;
    write(file, id, checksum)
}

/// Changes a memory and its checksum. Damage that was there before stays visible.
pub(super) fn changing<T>(
    file: &Connection,
    id: MemoryId,
    change: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let before = of_memory(file, id)?;
    let changed = change()?;
    let after = of_memory(file, id)?;
    let sealed: Option<Checksum> = file
        .prepare_cached("SELECT checksum FROM memory_checksum WHERE memory_id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if let (Some(sealed), Some(before), Some(after)) = (sealed, before, after)
        && before != after
    {
        write(file, id, Some(sealed ^ before ^ after))?;
    }
    Ok(changed)
}

fn write(file: &Connection, id: MemoryId, checksum: Option<Checksum>) -> Result<(), StoreError> {
    if let Some(checksum) = checksum {
        file.prepare_cached("INSERT OR REPLACE INTO memory_checksum VALUES (?, ?)")?
            .execute([id, checksum])?;
    }
    Ok(())
}

/// Writes the checksums of all memories and vectors that have none.
pub(super) fn seal_all(file: &Connection) -> Result<u64, StoreError> {
    let mut seal = file.prepare("INSERT INTO memory_checksum VALUES (?, ?)")?;
    let mut sealed = 0;
    each_memory(file, |id, found, expected| {
        if expected.is_none() {
            sealed += 1;
            seal.execute([id, found])?;
        }
        Ok(())
    })?;
    let mut seal = file.prepare("INSERT INTO vector_checksum VALUES (?, ?)")?;
    let mut statement = file.prepare(
        "SELECT id, vector FROM memory_vector \
         WHERE id NOT IN (SELECT vector_id FROM vector_checksum) ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        sealed += 1;
        let vector = row.get_ref(1)?.as_blob().unwrap_or_default();
        seal.execute(params![row.get::<_, i64>(0)?, of_vector(vector)])?;
    }
    Ok(sealed)
}

/// Writes the checksum of the vector that was inserted last.
pub(super) fn seal_vector(file: &Connection, vector: &[u8]) -> Result<(), StoreError> {
    file.prepare_cached("INSERT INTO vector_checksum VALUES (last_insert_rowid(), ?)")?
        .execute([of_vector(vector)])?;
    Ok(())
}

/// The memories with other values or tags than were stored.
pub(super) fn changed_memories(file: &Connection) -> Result<Vec<MemoryId>, StoreError> {
    let mut changed = Vec::new();
    each_memory(file, |id, found, expected| {
        changed.extend((expected.is_some_and(|expected| expected != found)).then_some(id));
        Ok(())
    })?;
    Ok(changed)
}

/// The memories with vectors of other numbers than were stored, each once.
pub(super) fn changed_vectors(file: &Connection) -> Result<Vec<MemoryId>, StoreError> {
    let mut statement = file.prepare(
        "SELECT v.memory_id, v.vector, c.checksum FROM memory_vector v \
         JOIN vector_checksum c ON c.vector_id = v.id ORDER BY v.id",
    )?;
    let mut rows = statement.query([])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        let vector = row.get_ref(1)?.as_blob().unwrap_or_default();
        if of_vector(vector) != row.get::<_, Checksum>(2)? {
            changed.push(row.get(0)?);
        }
    }
    changed.sort_unstable();
    changed.dedup();
    Ok(changed)
}

/// Visits the memories with the checksums that they have and should have.
fn each_memory(
    file: &Connection,
    mut visit: impl FnMut(MemoryId, Checksum, Option<Checksum>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let columns = COLUMNS.map(|column| format!("m.{column}")).join(", ");
    let mut statement = file.prepare(&format!(
        "SELECT {columns}, c.checksum FROM memory m \
         LEFT JOIN memory_checksum c ON c.memory_id = m.id ORDER BY m.id"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found = of_row(file, row)?;
        visit(row.get(0)?, found, row.get(COLUMNS.len())?)?;
    }
    Ok(())
}

fn of_memory(file: &Connection, id: MemoryId) -> Result<Option<Checksum>, StoreError> {
    let columns = COLUMNS.join(", ");
    let mut statement =
        file.prepare_cached(&format!("SELECT {columns} FROM memory WHERE id = ?"))?;
    let mut rows = statement.query([id])?;
    match rows.next()? {
        Some(row) => Ok(Some(of_row(file, row)?)),
        None => Ok(None),
    }
}

/// The checksum of a row that begins with the columns of a memory, and of its tags.
fn of_row(file: &Connection, row: &Row<'_>) -> Result<Checksum, StoreError> {
    let mut hash = Sha256::new();
    for (column, name) in COLUMNS.iter().enumerate() {
        match row.get_ref(column)? {
            // Memories from before schema 15 have their checksums without this column.
            ValueRef::Null if *name == "said_at" => {}
            value => add(&mut hash, value),
        }
    }
    let sql = "SELECT tag FROM memory_tag WHERE memory_id = ? ORDER BY tag";
    let mut statement = file.prepare_cached(sql)?;
    let mut tags = statement.query([row.get::<_, MemoryId>(0)?])?;
    while let Some(tag) = tags.next()? {
        add(&mut hash, tag.get_ref(0)?);
    }
    Ok(beginning(hash))
}

/// Adds a value with its type and its length, so that no two rows give the same bytes.
fn add(hash: &mut Sha256, value: ValueRef<'_>) {
    let mut sized = |kind: u8, bytes: &[u8]| {
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    match value {
        ValueRef::Null => sized(0, &[]),
        ValueRef::Integer(number) => sized(1, &number.to_le_bytes()),
        ValueRef::Real(number) => sized(2, &number.to_bits().to_le_bytes()),
        ValueRef::Text(text) => sized(3, text),
        ValueRef::Blob(bytes) => sized(4, bytes),
    }
}

fn of_vector(vector: &[u8]) -> Checksum {
    let mut hash = Sha256::new();
    hash.update(vector);
    beginning(hash)
}

fn beginning(hash: Sha256) -> Checksum {
    let hash: [u8; 32] = hash.finalize().into();
    let (first, _) = hash.as_chunks::<8>();
    Checksum::from_le_bytes(first[0])
}
