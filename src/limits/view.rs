//! Bounds of the page that shows what is stored.

/// Browsers that are signed in at the same time; the one unused for longest goes first.
pub(crate) const VIEW_SESSIONS_MAX: usize = 256;
/// How long an unused browser stays signed in.
pub(crate) const VIEW_SESSION_IDLE_SECONDS: i64 = 12 * 60 * 60;
/// All files of the page together.
#[cfg(test)]
pub(crate) const VIEW_FILES_BYTES_MAX: usize = 300 * 1024;
/// Triples that the page draws.
pub(crate) const VIEW_TRIPLES_MAX: usize = 5_000;
/// Runs that the page lists.
pub(crate) const VIEW_RUNS_MAX: usize = 100;
/// Entries of a skill's log that the page shows.
pub(crate) const VIEW_LOG_ENTRIES_MAX: usize = 200;
/// Days in its figures.
pub(crate) const VIEW_DAYS: usize = 30;
/// Minutes whose calls a process remembers.
pub(crate) const HISTORY_MINUTES: usize = 60;
/// Projects that the page suggests.
pub(crate) const VIEW_PROJECTS_MAX: usize = 200;
