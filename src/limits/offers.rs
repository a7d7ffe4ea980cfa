//! Bounds of what is offered beside tools: prompts, resources, completion, and
//! what is told of their changes.

use super::NEWS_KEPT_MAX;

/// Rows of an index that one look for names may meet: about 2 ms in a file with
/// 100,000 memories.
pub const NAMES_ROWS_MAX: usize = 5_000;
/// Memories that it may look up beside: about 4 ms there.
pub const NAMES_MEMORIES_MAX: usize = 500;
/// Memories with a tag, the latest, that are looked at for whose tag it is.
pub const NAMES_MEMORIES_OF_TAG_MAX: i64 = 200;
/// Names of one kind that are gathered to complete what somebody types.
pub const NAMES_GATHERED_MAX: usize = 500;
/// Names that one completion gives: the protocol's bound.
pub const COMPLETION_VALUES_MAX: usize = 100;
/// The words of the server's instructions, so that they are read.
pub const INSTRUCTIONS_WORDS_MAX: usize = 120;
/// Memories in the list of resources: a person picks from it.
pub const MEMORIES_LISTED_MAX: usize = 10;
/// Procedures in it.
pub const PROCEDURES_LISTED_MAX: usize = 20;
/// What a title shows of a text.
pub const TITLE_CHARS_MAX: usize = 80;
/// Our own resources that a client watches.
pub const RESOURCES_WATCHED_MAX: usize = 64;
/// After something was stored, how long further changes are waited for, so that
/// many at once are looked at once.
pub const CHANGES_SETTLE_MILLIS: u64 = 50;
/// How often it is looked at whether another process has stored something.
pub const CHANGES_LOOK_MILLIS_MAX: u64 = 2_000;
/// One argument of a prompt.
pub const PROMPT_ARGUMENT_BYTES_MAX: usize = 4_000;
/// What a prompt quotes of what is stored.
pub const PROMPT_DATA_BYTES_MAX: usize = 12_000;
/// Memories that one search of a prompt may bring.
pub const PROMPT_MEMORIES_MAX: usize = 12;
/// The latest memories of a project, of which a prompt takes some of each kind.
pub const PROMPT_LATEST_MAX: usize = 100;
/// Triples in one prompt.
pub const PROMPT_TRIPLES_MAX: usize = 12;
/// Executions of one status in one prompt.
pub const PROMPT_EXECUTIONS_MAX: usize = 5;
/// Procedures that clients see as prompts.
pub const PROMPTS_LISTED_MAX: usize = 100;

// Everything that is watched can change at once, and the lists with it.
const _: () = assert!(RESOURCES_WATCHED_MAX + 3 <= NEWS_KEPT_MAX);
