//! Bounds of retention, export and import, backups and verification.

/// The least interval between automatic cleanups.
pub(crate) const RETENTION_SECONDS_MIN: i64 = 3_600;
/// How often a serving Mimo checks whether a cleanup is due, for the first time after
/// this interval.
pub const RETENTION_POLL_SECONDS: u64 = 300;
/// Memories that one cleanup archives, and as many that it erases; the next one
/// continues.
pub(crate) const RETENTION_RUN_MEMORIES_MAX: usize = 100_000;
/// Memories archived in one transaction, so that no other write waits long.
pub(crate) const RETENTION_ARCHIVED_AT_ONCE_MAX: usize = 500;
/// Memories erased in one transaction, each with up to `EMBED_CHUNKS_MAX` vectors.
pub(crate) const RETENTION_PURGED_AT_ONCE_MAX: usize = 50;
/// The pause between two such transactions, for writes of other processes.
pub(crate) const RETENTION_PAUSE_MILLIS: u64 = 10;
/// Cleanups in the history.
pub(crate) const RETENTION_RUNS_KEPT_MAX: i64 = 1_000;
/// Bounds of the days without a cleanup that count as a jump of the clock; within them
/// it is half of `restore_days`.
pub(crate) const RETENTION_JUMP_DAYS_MIN: i64 = 2;
/// The history covers at least this many days of cleanups.
pub(crate) const RETENTION_JUMP_DAYS_MAX: i64 = 35;
/// The longest time in a retention setting.
pub(crate) const RETENTION_DAYS_MAX: u64 = 36_500;
/// The greatest value of `active_max`.
pub(crate) const RETENTION_ACTIVE_MAX: u64 = 100_000_000;

/// Memories in one portion of an export or an import.
pub(crate) const PORTION_MEMORIES_MAX: usize = 200;
/// Total bytes of texts in one portion.
pub(crate) const PORTION_BYTES_MAX: usize = 1024 * 1024;
/// The greatest id that an import keeps, so that ids never run out after it.
pub(crate) const IMPORT_ID_MAX: i64 = 1 << 40;
/// A file that is one JSON document.
pub(crate) const IMPORT_DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The valid years for when a memory was said, or an imported one created.
pub(crate) const MOMENT_YEAR_MIN: i32 = 1;
pub(crate) const MOMENT_YEAR_MAX: i32 = 2100;
/// Notes of one folder.
pub(crate) const IMPORT_FILES_MAX: usize = 100_000;
/// Levels of folders that an import descends.
pub(crate) const IMPORT_DEPTH_MAX: usize = 32;
/// Skipped parts of a file that are shown; all are counted.
pub(crate) const IMPORT_SKIPS_SHOWN_MAX: usize = 20;

/// Other copies of a shorter text are not searched when its memory is erased: half of
/// all files would contain it.
pub(crate) const ERASED_TRACE_BYTES_MIN: usize = 8;
/// Erased texts whose other copies are searched.
pub(crate) const ERASED_TRACES_MAX: usize = 200;
/// The part of a text by which backups that contain it are found.
pub(crate) const ERASED_PIECE_BYTES_MAX: usize = 64;
/// One read of a file that may contain an erased text.
pub(crate) const ERASED_READ_BYTES: usize = 1024 * 1024;

/// How long a restore waits for the last user of the database to close it.
pub(crate) const RESTORE_WAIT_MILLIS_MAX: u64 = 1_000;
/// How often a log that seems to belong to another file is compared again: others may
/// have written between the two reads.
pub(crate) const STORE_LOG_CHECKS_MAX: usize = 3;

/// Pages of a backup between two reports of its progress.
pub(crate) const BACKUP_STEP_PAGES_MAX: i32 = 256;
/// Examples reported of one kind of problem.
pub(crate) const VERIFY_EXAMPLES_MAX: usize = 10;
/// Memories whose keyword entries are compared together.
pub(crate) const VERIFY_PORTION_MEMORIES_MAX: usize = 2_000;

/// A cleanup that finished longer ago is overdue.
pub(crate) const RETENTION_OVERDUE_SECONDS: i64 = 3 * 3_600;

/// How often stored data is counted for metrics.
pub(crate) const CENSUS_SECONDS: u64 = 30;
/// How old the store's last answer may be in a health check.
pub(crate) const HEALTH_CACHED_MILLIS_MAX: u64 = 1_000;
/// How long a health check waits for the store.
pub(crate) const HEALTH_STORE_MILLIS_MAX: u64 = 2_000;

// A jump stays in the history while it counts.
const _: () = assert!(RETENTION_JUMP_DAYS_MAX * 24 < RETENTION_RUNS_KEPT_MAX);
// A cleanup runs about hourly.
const _: () = assert!(RETENTION_POLL_SECONDS as i64 * 2 <= RETENTION_SECONDS_MIN);
const _: () = assert!(RETENTION_SECONDS_MIN * 2 <= RETENTION_OVERDUE_SECONDS);
// Each memory fits a portion.
const _: () = assert!(PORTION_BYTES_MAX >= super::MEMORY_CONTENT_BYTES_MAX);
