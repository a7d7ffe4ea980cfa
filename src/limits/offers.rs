//! Bounds of prompts, resources, completions, hints and notifications of changes.

use super::NOTIFICATIONS_QUEUED_MAX;

/// Index rows that one search for names reads: about 2 ms in a file with 100,000
/// memories.
pub(crate) const NAMES_ROWS_MAX: usize = 5_000;
/// Memories that one such search reads: about 4 ms there.
pub(crate) const NAMES_MEMORIES_MAX: usize = 500;
/// Latest memories with a tag that are read to find its projects.
pub(crate) const NAMES_MEMORIES_OF_TAG_MAX: i64 = 200;
/// Names of one kind considered for a completion.
pub(crate) const NAMES_GATHERED_MAX: usize = 500;
/// Names in one completion: the protocol's bound.
pub(crate) const COMPLETION_VALUES_MAX: usize = 100;
/// The server's instructions: models tend to skip longer ones.
pub const INSTRUCTIONS_WORDS_MAX: usize = 120;
/// Memories in the list of resources, from which a person picks.
pub const MEMORIES_LISTED_MAX: usize = 10;
pub(crate) const PROCEDURES_LISTED_MAX: usize = 20;
/// The beginning of a text in a title.
pub(crate) const TITLE_CHARS_MAX: usize = 80;
/// Watched resources of one client.
pub const RESOURCES_WATCHED_MAX: usize = 64;
/// How long changes are collected before watched resources are read again.
pub(crate) const CHANGES_SETTLE_MILLIS: u64 = 50;
/// How often Mimo checks for commits of other processes.
pub(crate) const CHANGES_POLL_MILLIS_MAX: u64 = 2_000;
/// One argument of a prompt.
pub const PROMPT_ARGUMENT_BYTES_MAX: usize = 4_000;
/// Stored content quoted in one prompt.
pub const PROMPT_DATA_BYTES_MAX: usize = 12_000;
/// Memories from one search of a prompt.
pub(crate) const PROMPT_MEMORIES_MAX: usize = 12;
/// Latest memories of a project, from which a prompt takes some of each kind.
pub(crate) const PROMPT_LATEST_MAX: usize = 100;
pub(crate) const PROMPT_TRIPLES_MAX: usize = 12;
/// Executions of one status in one prompt.
pub(crate) const PROMPT_EXECUTIONS_MAX: usize = 5;
/// Procedures that clients see as prompts.
pub(crate) const PROMPTS_LISTED_MAX: usize = 100;
/// A corrected call that a hint shows; a longer one has placeholders for its longest values.
pub(crate) const CORRECTED_CALL_BYTES_MAX: usize = 300;
/// A value that is never replaced by a placeholder.
pub(crate) const CORRECTED_VALUE_BYTES_MAX: usize = 60;

// All watched resources and the lists can change at once.
const _: () = assert!(RESOURCES_WATCHED_MAX + 3 <= NOTIFICATIONS_QUEUED_MAX);
