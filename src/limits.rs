//! All bounds. The unit is last in each name, and relations between bounds are
//! asserted at compile time.

mod ask;
mod bridge;
mod database;
mod http;
mod install;
mod keeping;
mod keys;
mod offers;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod sandbox;
mod search;
mod skills;
mod update;
mod view;

pub use ask::*;
pub(crate) use bridge::*;
pub(crate) use database::*;
pub(crate) use http::*;
pub(crate) use install::*;
pub use keeping::*;
pub use keys::*;
pub use offers::*;
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(crate) use sandbox::*;
pub(crate) use search::*;
pub use skills::*;
pub(crate) use update::*;
pub(crate) use view::*;

/// One incoming JSON-RPC line without its newline. The longest valid one has 200
/// memories of 100 KB with escapes.
pub(crate) const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The part kept of each end of a longer line, to find its request id, which is
/// nearly always first or last.
pub(crate) const LINE_END_KEPT_BYTES_MAX: usize = 64 * 1024;
/// One read of the input.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// The line buffer and the outgoing buffer shrink to this when they are empty, so
/// that one large message does not occupy memory forever.
pub(crate) const BUFFER_KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Unanswered requests; beyond it the transport stops reading (after the current
/// batch, so there may be `BATCH_MEMBERS_MAX` more).
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1024;
/// Answers waiting for a client that does not read; beyond it no request is read
/// and no handler starts.
pub(crate) const OUTGOING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Handlers that run at the same time; other requests wait.
pub(crate) const CALLS_RUNNING_MAX: usize = 64;
/// Members of one JSON-RPC batch array.
pub(crate) const BATCH_MEMBERS_MAX: usize = 256;
/// How long Mimo waits for open answers after its input has ended.
pub(crate) const DRAIN_SECONDS_MAX: u64 = 60;
/// How often it checks meanwhile that the client can still read them.
pub(crate) const OUTPUT_POLL_MILLIS_MAX: u64 = 100;
/// How long one tool call may run. Claude Desktop gives up at about 60 s.
pub const CALL_SECONDS_MAX: u64 = 55;
/// How long a cancelled handler may take to end by itself, for example to commit,
/// before it is dropped.
pub(crate) const CALL_STOP_MILLIS_MAX: u64 = 500;

/// One memory's text.
pub(crate) const MEMORY_CONTENT_BYTES_MAX: usize = 100 * 1024;
/// Memories in one `memory_store`.
pub(crate) const MEMORY_BATCH_MAX: usize = 200;
pub(crate) const MEMORY_TAGS_MAX: usize = 64;
/// One tag, topic key, thread or project name.
pub(crate) const NAME_BYTES_MAX: usize = 256;
/// The reason of an edit.
pub(crate) const REASON_BYTES_MAX: usize = 2_000;
/// The excerpt of another memory in the result of a store.
pub(crate) const EXCERPT_BYTES_MAX: usize = 240;
/// The nearest stored memories that a new one is compared with.
pub(crate) const NEAREST_TO_NEW_MAX: usize = 8;
/// Memories reported as `similar` to a new one.
pub(crate) const SIMILAR_MAX: usize = 3;
/// Ids in one `memory_edit`.
pub(crate) const MEMORY_EDIT_IDS_MAX: usize = 100;

/// Jobs queued for a store thread; beyond it callers wait.
pub(crate) const STORE_JOBS_QUEUED_MAX: usize = 256;
/// Steps of SQLite's virtual machine between two checks of whether a read's caller
/// still waits: some tens of microseconds.
pub(crate) const STORE_READ_STEPS_MAX: i32 = 4_000;
/// Reading threads, besides the writing one.
pub(crate) const STORE_READERS_MAX: usize = 2;
/// Page cache of the writing thread. With SQLite's default of 2 MB, inserting a
/// million triples takes a quarter more CPU time.
pub(crate) const STORE_WRITER_CACHE_KIB_MAX: i64 = 16 * 1024;
/// Page cache of graph queries.
pub(crate) const STORE_GRAPH_CACHE_KIB_MAX: i64 = 64 * 1024;
/// How long a write waits for another process's write.
pub(crate) const STORE_BUSY_MILLISECONDS_MAX: u64 = 15_000;
/// The pause between attempts where SQLite itself does not wait.
pub(crate) const STORE_LOG_PAUSE_MILLISECONDS: u64 = 5;
/// The write-ahead log, unless one transaction is longer or a program keeps a snapshot.
/// At half of it a writer begins to wait for the readers.
pub(crate) const STORE_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The size to which SQLite truncates the log's file after a checkpoint.
pub(crate) const STORE_LOG_KEPT_BYTES_MAX: i64 = 16 * 1024 * 1024;
/// How long a writer waits for the readers of a long log.
pub(crate) const STORE_CHECKPOINT_MILLIS_MAX: u64 = 1_000;
/// How long the store's threads may take to end.
pub(crate) const STORE_CLOSE_MILLIS_MAX: u64 = 5_000;
/// How often that is checked.
pub(crate) const STORE_CLOSE_POLL_MILLIS: u64 = 1;
/// How long recalls are collected before they are written.
pub(crate) const RECALL_MILLIS_MAX: u64 = 1_000;
/// How long Mimo waits for that write while it shuts down.
pub(crate) const RECALL_CLOSE_MILLIS_MAX: u64 = 5_000;
/// Prepared statements a connection keeps.
pub(crate) const STORE_STATEMENTS_CACHED_MAX: usize = 64;
/// How long an edit can be undone.
pub(crate) const UNDO_DAYS_MAX: i64 = 90;

/// The text of a memory in search results; `ids` returns the whole.
pub(crate) const SNIPPET_BYTES_MAX: usize = 1_500;
/// The least budget of a result; a smaller one is raised to this.
pub(crate) const RESULT_TOKENS_MIN: usize = 64;
/// The greatest budget of a result.
pub(crate) const RESULT_TOKENS_MAX: usize = 200_000;
/// One page of one of Mimo's own resources.
pub(crate) const RESOURCE_TOKENS_MAX: usize = 10_000;

/// Embedded windows of one text, of 254 tokens each: 100 KB of English prose has
/// about 115, at about 10 ms of CPU each.
pub(crate) const EMBED_CHUNKS_MAX: usize = 128;
/// One window of a text for an endpoint's model: it fits 512 tokens, except in scripts
/// with a token or more per character.
pub(crate) const EMBED_WINDOW_BYTES_MAX: usize = 1_200;
/// Numbers of one vector, beyond those of any known model.
pub(crate) const EMBED_DIMENSIONS_MAX: usize = 4_096;
/// One response of an endpoint: all windows of a text.
pub(crate) const EMBED_BODY_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long an endpoint may take for a text, whose model it may have to load.
pub(crate) const EMBED_DOCUMENT_SECONDS_MAX: u64 = 30;
pub(crate) const EMBED_QUERY_SECONDS_MAX: u64 = 5;
/// How long an endpoint gets no requests after it failed.
pub(crate) const EMBED_RETRY_SECONDS: u64 = 15;
/// How often Mimo looks for texts without a vector.
pub(crate) const REEMBED_SECONDS: u64 = 60;
/// Memories that are encoded between two writes.
pub(crate) const REEMBED_MEMORIES_MAX: usize = 32;
/// Vectors of another model that one transaction removes.
pub(crate) const VECTORS_REMOVED_AT_ONCE_MAX: usize = 5_000;
/// The newest memories that a guess of the language examines, and the least number of
/// those whose language must be clear.
pub(crate) const LANGUAGE_MEMORIES_MAX: usize = 100;
pub(crate) const LANGUAGE_MEMORIES_MIN: usize = 10;
/// Ten times multilingual-e5-small.
pub(crate) const MODEL_FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The header of a model file.
pub(crate) const MODEL_HEADER_BYTES_MAX: usize = 64 * 1024;
/// Well beyond multilingual-e5-small: 12 layers, 250,000 pieces of 3 MB, and twice as
/// many slots.
pub(crate) const MODEL_LAYERS_MAX: usize = 48;
pub(crate) const MODEL_PIECES_MAX: usize = 1 << 21;
pub(crate) const MODEL_TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A longer word is an unknown token, as the model defines it.
pub(crate) const EMBED_WORD_CHARS_MAX: usize = 100;
/// Workspaces (about 2.5 MB each) that the encoder keeps for its next calls.
pub(crate) const EMBED_WORKSPACES_MAX: usize = 2;

/// Calls of one session that wait for their client's reply to an
/// `InputRequiredResult`.
pub(crate) const INPUT_REQUESTS_MAX: usize = 64;
/// Errors in a call's arguments that are compared to report one of them: more
/// would not change the message.
pub(crate) const SCHEMA_ERRORS_MAX: usize = 16;
/// Cached lists of tools, one for each set of grants.
pub(crate) const LISTINGS_KEPT_MAX: usize = 64;
/// Notifications queued for one client.
pub(crate) const NOTIFICATIONS_QUEUED_MAX: usize = 128;

/// How long a file must be unchanged before it is reloaded.
pub(crate) const RELOAD_SETTLE_MILLIS: u64 = 100;
/// How often files are polled if their folders cannot be watched.
pub(crate) const RELOAD_POLL_MILLIS_MAX: u64 = 2_000;
/// Commands that one running Mimo answers at a time.
pub(crate) const COMMANDS_ANSWERED_MAX: usize = 16;
/// How often a command looks for the answers of running Mimos.
pub(crate) const ASK_POLL_MILLIS: u64 = 20;
/// How long a command waits for an answer, beyond what the skills may take.
pub(crate) const ASK_SECONDS_MAX: u64 = 10;

/// Attempts to record a decision while other processes continue the execution.
pub(crate) const DECISION_ATTEMPTS_MAX: usize = 5;

/// The name of an entity, its type included.
pub(crate) const ENTITY_NAME_BYTES_MAX: usize = 512;
/// The normalized forms of a name, which may be longer than the name: an index of
/// PostgreSQL holds no more.
pub(crate) const NAME_KEY_BYTES_MAX: usize = 2_048;
/// Triples asserted by one `graph_update`.
pub(crate) const GRAPH_ASSERT_MAX: usize = 50;
/// Triples retracted by one `graph_update`.
pub(crate) const GRAPH_RETRACT_MAX: usize = 200;
/// Entities that one `graph_update` renames.
pub(crate) const GRAPH_RENAME_MAX: usize = 50;
/// Hops of a traversal or a path.
pub(crate) const GRAPH_DEPTH_MAX: usize = 8;
/// Patterns of one query.
pub(crate) const GRAPH_PATTERNS_MAX: usize = 32;
/// Results on one page of `graph_query`.
pub const GRAPH_RESULTS_MAX: usize = 5_000;
/// Triples that one query reads before it returns what it has: about half a second
/// of one CPU.
pub(crate) const GRAPH_READ_TRIPLES_MAX: usize = 500_000;
/// Rows of a join that are processed together.
pub(crate) const GRAPH_JOIN_ROWS_MAX: usize = 1_024;
/// Triples of an export or an import in one batch.
pub(crate) const GRAPH_PORTION_TRIPLES_MAX: usize = 5_000;
/// Triples of a picture by default: as many as a person can look at.
pub(crate) const PICTURE_TRIPLES_DEFAULT: usize = 2_000;
/// The text from which triples are proposed.
pub(crate) const GRAPH_TEXT_BYTES_MAX: usize = 20 * 1024;
/// Names on each side of a misspelled one that are compared with it.
pub(crate) const ENTITY_NAMES_NEAR_MAX: usize = 50;
/// Candidates reported for an ambiguous name.
pub(crate) const ENTITY_CANDIDATES_MAX: usize = 8;
/// Words of the longest name by which a memory is linked to an entity.
pub(crate) const ENTITY_WORDS_LINKED_MAX: usize = 5;
/// Phrases of one memory that are looked up as names: all of a text of about 1,000
/// words.
pub(crate) const MEMORY_PHRASES_LINKED_MAX: usize = 5_000;
/// Memories checked when an entity gets a name.
pub(crate) const ENTITY_MEMORIES_LINKED_MAX: usize = 1_000;
/// How long a client may take to list its roots, if the project follows them.
pub(crate) const ROOTS_MILLIS_MAX: u64 = 5_000;
/// A procedure's definition, as JSON.
pub(crate) const PROCEDURE_BYTES_MAX: usize = 256 * 1024;
/// Mistakes that are reported at once.
pub(crate) const PROCEDURE_MISTAKES_MAX: usize = 100;
/// A value in a message.
pub(crate) const DIAGNOSTIC_VALUE_CHARS_MAX: usize = 120;
/// The cost of one expression, in instructions of the template engine.
pub(crate) const TEMPLATE_FUEL_MAX: u64 = 20_000;
/// Recursion of an expression.
pub(crate) const TEMPLATE_DEPTH_MAX: usize = 32;
/// One `{{ }}`.
pub(crate) const TEMPLATE_EXPRESSION_BYTES_MAX: usize = 4 * 1024;
/// Nesting of operators in one expression; chained operators nest too.
pub(crate) const TEMPLATE_OPERATORS_NESTED_MAX: usize = 100;
/// An intermediate value of an expression; the context is at most half as long.
pub(crate) const TEMPLATE_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// All intermediate values of one template together.
pub(crate) const TEMPLATE_WORK_BYTES_MAX: usize = 64 * 1024 * 1024;
pub(crate) const TEMPLATE_OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of templates in a definition's lists and objects.
pub(crate) const TEMPLATE_NESTING_MAX: usize = 32;
/// The context of an execution, as JSON.
pub(crate) const PROCEDURE_CONTEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The result of one action; a longer one is an error.
pub(crate) const PROCEDURE_RESULT_BYTES_MAX: usize = 1024 * 1024;
/// States that one execution enters: it bounds loops.
pub(crate) const PROCEDURE_ENTERED_MAX: usize = 10_000;
/// How often a call is repeated that Mimo did not survive; then a person decides.
pub(crate) const PROCEDURE_TAKEOVERS_MAX: u32 = 3;
/// Actions that one execution performs, without its rollback.
pub(crate) const PROCEDURE_STEPS_MAX: u64 = 10_000;
/// Items of one map.
pub(crate) const PROCEDURE_ITEMS_MAX: usize = 1_000;
/// Procedures that call each other.
pub(crate) const PROCEDURE_DEPTH_MAX: usize = 8;
/// The default timeout of an execution.
pub(crate) const PROCEDURE_MILLIS_DEFAULT: u64 = 60_000;
/// How long one attempt, one wait or one execution may take: a week.
pub(crate) const PROCEDURE_MILLIS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// Executions that one Mimo runs at the same time; others wait in the store.
pub(crate) const PROCEDURES_RUNNING_MAX: usize = 64;
/// Cached definitions.
pub(crate) const PROCEDURES_READY_MAX: usize = 256;
/// How often a Mimo looks for executions that no Mimo runs.
pub(crate) const PROCEDURE_POLL_MILLIS_MAX: u64 = 5_000;
/// How often an execution of another Mimo is polled while a call waits for it.
pub(crate) const PROCEDURE_WATCH_MILLIS_MAX: u64 = 100;
/// How long a call waits for its execution, which then continues without it.
pub(crate) const PROCEDURE_WAIT_SECONDS_MAX: u64 = 50;
/// How long running actions may take while Mimo shuts down.
pub(crate) const PROCEDURE_CLOSE_MILLIS_MAX: u64 = 5_000;
/// Transitions and actions that a result shows.
pub(crate) const PROCEDURE_SHOWN_MAX: usize = 100;
/// An action's result as shown; of a longer one only the length is.
pub(crate) const PROCEDURE_RESULT_SHOWN_BYTES_MAX: usize = 600;
/// Executions that a procedure's resource, or a status, names.
pub(crate) const PROCEDURE_LISTED_MAX: usize = 20;
/// How long a finished execution is kept.
pub(crate) const EXECUTION_DAYS_MAX: i64 = 90;
/// Finished executions that are deleted when another one starts.
pub(crate) const EXECUTIONS_FORGOTTEN_MAX: usize = 20;
/// An idempotency key.
pub(crate) const PROCEDURE_KEY_BYTES_MAX: usize = 256;
/// Recorded calls of skills, from which procedures can be made.
pub(crate) const RECORDED_CALLS_MAX: usize = 1_000;
/// The arguments of calls that are yet to be recorded.
pub(crate) const RECORDED_PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long recorded calls are collected before they are written.
pub(crate) const RECORD_MILLIS_MAX: u64 = 200;
/// Recorded calls in one procedure.
pub(crate) const RECORDED_CALLS_USED_MAX: usize = 100;
/// The arguments of a call that is recorded.
pub(crate) const RECORDED_CALL_BYTES_MAX: usize = 64 * 1024;

/// The bytes that count as one token of a budget.
pub const TOKEN_BYTES: usize = 4;

/// Threads for blocking work, such as encoding a text.
pub(crate) const BLOCKING_THREADS_MAX: usize = 4;
/// Texts that would wait longer than this to be encoded are refused at once.
pub(crate) const ENCODING_WAIT_SECONDS_MAX: u64 = CALL_SECONDS_MAX / 3;

/// `config.toml`.
pub(crate) const CONFIG_FILE_BYTES_MAX: usize = 256 * 1024;
/// Entries of one of its lists.
pub(crate) const CONFIG_LIST_MAX: usize = 64;
/// A client's settings file: Claude Code's contains its history.
pub(crate) const CLIENT_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Its nesting, in YAML.
pub(crate) const CLIENT_FILE_LEVELS_MAX: usize = 64;

/// Completions of one word in a shell.
pub(crate) const COMPLETIONS_MAX: usize = 50;

/// Free space below which `mimo doctor` warns, or fails, and the status reports it.
pub(crate) const DISK_FREE_BYTES_GOOD: u64 = 200 * 1024 * 1024;
pub(crate) const DISK_FREE_BYTES_MIN: u64 = 20 * 1024 * 1024;
/// How long `mimo doctor` waits for the tools of a skill.
pub(crate) const DOCTOR_SKILL_SECONDS_MAX: u64 = 30;
/// How long `mimo doctor` waits for another program's lock on the database.
pub(crate) const DOCTOR_LOCK_MILLIS_MAX: u64 = 2_000;

/// Lines from the server that the demo has not read yet.
pub(crate) const DEMO_LINES_QUEUED_MAX: usize = 256;
/// How long the demo waits for one answer.
pub(crate) const DEMO_ANSWER_SECONDS_MAX: u64 = 30;

/// One log file; then it is rotated.
pub(crate) const LOG_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Log files, including the current one.
pub(crate) const LOG_FILES_MAX: usize = 4;

const _: () = assert!(LINE_BYTES_MAX > MEMORY_CONTENT_BYTES_MAX * MEMORY_BATCH_MAX);
const _: () = assert!(LINE_END_KEPT_BYTES_MAX * 2 < LINE_BYTES_MAX);
const _: () = assert!(READ_BYTES <= BUFFER_KEPT_BYTES_MAX);

// Windows are spread from the first word to the last.
const _: () = assert!(EMBED_CHUNKS_MAX >= 2);
const _: () = assert!(CALLS_RUNNING_MAX <= REQUESTS_IN_FLIGHT_MAX);
const _: () = assert!(CALL_SECONDS_MAX * 1000 + CALL_STOP_MILLIS_MAX <= DRAIN_SECONDS_MAX * 1000);
const _: () = assert!(LOG_FILES_MAX >= 2, "rotation would erase the newest events");
// A waiting call must be able to report that its execution continues.
const _: () = assert!(PROCEDURE_WAIT_SECONDS_MAX < CALL_SECONDS_MAX);
