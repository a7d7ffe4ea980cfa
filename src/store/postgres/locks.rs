//! Advisory locks: the writers of one kind follow each other, as all writers of a
//! SQLite file do. A transaction takes all its locks at once and in one order, so
//! that no two wait for each other, and the server frees them when it ends.

use sha2::{Digest, Sha256};

/// In the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    /// Shared: keeps the graph unchanged while memories are linked to its entities.
    GraphStays,
    /// Exclusive: for changes of the graph.
    Graph,
    /// For changes of memories: equal texts, topic keys, threads and ids.
    Memories,
    Procedures,
    Keys,
    Sessions,
    Pins,
}

/// The first number of this program's locks; others use the database too.
const CLASS: i32 = 0x4d69_6d00;
/// The lock of whoever changes a schema. One for the database, whose extensions all
/// schemas share.
const MIGRATION: i32 = CLASS;
/// Follows those of [`Lock`].
const RELOAD: i32 = CLASS + 7;

impl Lock {
    fn class(self) -> i32 {
        let number = match self {
            Lock::GraphStays | Lock::Graph => 1,
            Lock::Memories => 2,
            Lock::Procedures => 3,
            Lock::Keys => 4,
            Lock::Sessions => 5,
            Lock::Pins => 6,
        };
        CLASS + number
    }
}

/// The statements that take `locks` for the rest of a transaction.
pub(super) fn statements(locks: &[Lock], schema_key: i32) -> String {
    debug_assert!(locks.is_sorted(), "{locks:?}");
    let each = locks.iter().map(|lock| {
        let shared = match lock {
            Lock::GraphStays => "_shared",
            _ => "",
        };
        let class = lock.class();
        format!("; SELECT pg_advisory_xact_lock{shared}({class}, {schema_key})")
    });
    each.collect()
}

/// Tries to take, for a session, the lock of whoever has all nodes reload their skills,
/// and names the server's process.
pub(super) fn try_lock_reload(schema_key: i32) -> String {
    format!("SELECT pg_try_advisory_lock({RELOAD}, {schema_key}), pg_backend_pid()")
}

pub(super) fn unlock_reload(schema_key: i32) -> String {
    format!("SELECT pg_advisory_unlock({RELOAD}, {schema_key})")
}

/// An expression: whether the process `holder` has that lock. Looking does not take it, which would
/// refuse a reload that begins at the same moment.
pub(super) fn is_reload_locked(schema_key: i32) -> String {
    let key = schema_key.cast_unsigned();
    format!(
        "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = holder \
         AND classid = {RELOAD} AND objid = {key} AND objsubid = 2 AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
}

pub(super) fn migration() -> String {
    format!("SELECT pg_advisory_xact_lock({MIGRATION}, 0)")
}

/// Distinguishes the locks of one schema from those of another. The server's own hash
/// could change with its version.
pub(super) fn schema_key(schema: &str) -> i32 {
    let hash = Sha256::digest(schema.as_bytes());
    i32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_is_shared_by_writers_of_memories() {
        let sql = statements(&[Lock::GraphStays, Lock::Memories], 7);
        assert_eq!(
            sql,
            "; SELECT pg_advisory_xact_lock_shared(1298754817, 7)\
             ; SELECT pg_advisory_xact_lock(1298754818, 7)"
        );
        assert_ne!(schema_key("mimo"), schema_key("other"));
    }
}
