//! Every bound, in one place: the unit stands last in each name, and the
//! relations that must hold between bounds are asserted when this compiles.

/// One incoming JSON-RPC line, newline excluded. Ours carry at most a batch of
/// 200 memories of 100 KB written with escapes, so anything longer is a fault.
pub const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests read but not yet answered; beyond it the transport stops reading.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1024;
/// Requests whose handlers run at the same time; the others wait their turn.
pub const CALLS_RUNNING_MAX: usize = 64;
/// Members of one JSON-RPC batch array.
pub const BATCH_MEMBERS_MAX: usize = 256;
/// How long answers are waited for after the input has ended.
pub const DRAIN_SECONDS_MAX: u64 = 60;
/// How long one tool call may run. Claude Desktop gives up at about 60 s.
pub const CALL_SECONDS_MAX: u64 = 55;

/// One memory's text.
pub const MEMORY_CONTENT_BYTES_MAX: usize = 100 * 1024;
/// Memories in one `memory_store`.
pub const MEMORY_BATCH_MAX: usize = 200;
/// Ids in one `memory_edit`.
pub const MEMORY_EDIT_IDS_MAX: usize = 100;

/// Windows of one text that are embedded, each of 254 tokens: 100 KB of English
/// prose needs about 115, at about 10 ms of CPU each.
pub const EMBED_CHUNKS_MAX: usize = 128;
/// Working rooms (about 2.5 MB each) that the encoder keeps for its next calls.
pub const EMBED_ROOMS_MAX: usize = 2;

/// A token is counted as this many bytes wherever a result has a budget.
pub const TOKEN_BYTES: usize = 4;

const _: () = assert!(LINE_BYTES_MAX > MEMORY_CONTENT_BYTES_MAX * MEMORY_BATCH_MAX);
// Windows are laid from the first word to the last.
const _: () = assert!(EMBED_CHUNKS_MAX >= 2);
const _: () = assert!(CALLS_RUNNING_MAX <= REQUESTS_IN_FLIGHT_MAX);
const _: () = assert!(CALL_SECONDS_MAX <= DRAIN_SECONDS_MAX);
