//! Bounds of what happens to everything that is kept at once.

/// Pages of a backup that are copied before it is told how far it is.
pub const BACKUP_STEP_PAGES_MAX: i32 = 256;
/// What is named of everything that has the same thing wrong with it.
pub const VERIFY_EXAMPLES_MAX: usize = 10;
