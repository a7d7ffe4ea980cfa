//! Bounds of what happens to everything that is kept at once: cleaning up,
//! carrying it elsewhere, copying and checking it.

/// How long after a cleanup of memories the next one may follow by itself.
pub const RETENTION_SECONDS_MIN: i64 = 3_600;
/// How often a Mimo that serves looks whether it is time for one; the first time
/// that long after its start.
pub const RETENTION_LOOK_SECONDS: u64 = 300;
/// Memories of each kind that one cleanup archives or erases; the next goes on.
pub const RETENTION_RUN_MEMORIES_MAX: usize = 100_000;
/// Memories archived in one transaction, so that no write waits long.
pub const RETENTION_ARCHIVED_AT_ONCE_MAX: usize = 500;
/// Memories erased in one: of each go up to `EMBED_CHUNKS_MAX` vectors.
pub const RETENTION_PURGED_AT_ONCE_MAX: usize = 50;
/// How long other processes may write between two of them.
pub const RETENTION_PAUSE_MILLIS: u64 = 10;
/// Cleanups that are remembered.
pub const RETENTION_RUNS_KEPT_MAX: i64 = 1_000;
/// The longest that a setting of retention may name.
pub const RETENTION_DAYS_MAX: u64 = 36_500;
/// The most memories that may be set to stay active.
pub const RETENTION_ACTIVE_MAX: u64 = 100_000_000;

/// Memories that are read or taken in at once when all are carried elsewhere.
pub const PORTION_MEMORIES_MAX: usize = 200;
/// Of them those whose texts are this long together begin a portion of their own.
pub const PORTION_BYTES_MAX: usize = 1024 * 1024;
/// The greatest id that a memory brings along: ids never run out behind it.
pub const IMPORT_ID_MAX: i64 = 1 << 40;
/// A file that is one JSON document.
pub const IMPORT_DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Pages of a backup that are copied before it is told how far it is.
pub const BACKUP_STEP_PAGES_MAX: i32 = 256;
/// What is named of everything that has the same thing wrong with it.
pub const VERIFY_EXAMPLES_MAX: usize = 10;

// A Mimo that looks often enough cleans up about hourly.
const _: () = assert!(RETENTION_LOOK_SECONDS as i64 * 2 <= RETENTION_SECONDS_MIN);
// Each memory fits a portion.
const _: () = assert!(PORTION_BYTES_MAX >= super::MEMORY_CONTENT_BYTES_MAX);
