//! Every bound, in one place: the unit stands last in each name, and the
//! relations that must hold between bounds are asserted when this compiles.

mod ask;
mod keeping;
mod offers;
mod search;

pub use ask::*;
pub use keeping::*;
pub use offers::*;
pub use search::*;

/// One incoming JSON-RPC line, newline excluded. Ours carry at most a batch of
/// 200 memories of 100 KB written with escapes, so anything longer is a fault.
pub const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What is kept of each end of a line that is longer than that: enough to find
/// its request id, which nearly always stands first or last.
pub const LINE_END_KEPT_BYTES_MAX: usize = 64 * 1024;
/// How much is asked of the input at a time.
pub const READ_BYTES: usize = 64 * 1024;
/// The line buffer and the outgoing buffer give back what exceeds this once
/// they are empty, so one large message does not stay in memory for good.
pub const BUFFER_KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Requests read but not yet answered; beyond it the transport stops reading
/// (a batch in progress is finished, so `BATCH_MEMBERS_MAX` may come on top).
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1024;
/// Answers waiting for a client that does not read; beyond it no request is
/// read and no handler starts.
pub const OUTGOING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests whose handlers run at the same time; the others wait their turn.
pub const CALLS_RUNNING_MAX: usize = 64;
/// Members of one JSON-RPC batch array.
pub const BATCH_MEMBERS_MAX: usize = 256;
/// How long answers are waited for after the input has ended.
pub const DRAIN_SECONDS_MAX: u64 = 60;
/// How long one tool call may run. Claude Desktop gives up at about 60 s.
pub const CALL_SECONDS_MAX: u64 = 55;
/// How long a handler that was told to stop may take to end in its own way (a
/// transaction being committed, say) before it is dropped.
pub const CALL_STOP_MILLIS_MAX: u64 = 500;

/// One memory's text.
pub const MEMORY_CONTENT_BYTES_MAX: usize = 100 * 1024;
/// Memories in one `memory_store`.
pub const MEMORY_BATCH_MAX: usize = 200;
/// Tags on one memory.
pub const MEMORY_TAGS_MAX: usize = 64;
/// One tag, topic key, thread or project name.
pub const NAME_BYTES_MAX: usize = 256;
/// The reason of an edit.
pub const REASON_BYTES_MAX: usize = 2_000;
/// Memories named as `similar` to one that was stored.
pub const SIMILAR_MAX: usize = 3;
/// Ids in one `memory_edit`.
pub const MEMORY_EDIT_IDS_MAX: usize = 100;

/// Jobs that wait for a store thread; beyond it callers wait.
pub const STORE_JOBS_QUEUED_MAX: usize = 256;
/// Threads that read the database beside the one that writes.
pub const STORE_READERS_MAX: usize = 2;
/// Pages of the file that the writing thread keeps in memory. Against SQLite's
/// usual 2 MB, entering a million triples takes a fifth less CPU time.
pub const STORE_WRITER_CACHE_KIB_MAX: i64 = 16 * 1024;
/// Pages of the file that following the graph keeps in memory.
pub const STORE_GRAPH_CACHE_KIB_MAX: i64 = 64 * 1024;
/// How long a write waits for another process's write.
pub const STORE_BUSY_MILLISECONDS_MAX: u64 = 15_000;
/// Where SQLite does not wait for it, how long until it is asked again.
pub const STORE_LOG_PAUSE_MILLISECONDS: u64 = 5;
/// Prepared statements a connection keeps.
pub const STORE_STATEMENTS_CACHED_MAX: usize = 64;
/// How long an edit can be undone.
pub const UNDO_DAYS_MAX: i64 = 90;

/// What a found memory shows of its text; `ids` gives the whole.
pub const SNIPPET_BYTES_MAX: usize = 1_500;
/// The least budget of a result; a smaller one is taken for this.
pub const RESULT_TOKENS_MIN: usize = 64;
/// The greatest budget of a result.
pub const RESULT_TOKENS_MAX: usize = 200_000;

/// Windows of one text that are embedded, each of 254 tokens: 100 KB of English
/// prose needs about 115, at about 10 ms of CPU each.
pub const EMBED_CHUNKS_MAX: usize = 128;
/// A longer word is unknown to the built-in encoder as a whole: part of the
/// model, not a choice.
pub const EMBED_WORD_CHARS_MAX: usize = 100;
/// Workspaces (about 2.5 MB each) that the encoder keeps for its next calls.
pub const EMBED_WORKSPACES_MAX: usize = 2;

/// Descriptions of skills' tools whose vectors are kept.
pub const TOOL_VECTORS_KEPT_MAX: usize = 4096;
/// How long `skill_find` waits for skills that start for the first time where it
/// has tools of others to show.
pub const SKILL_LIST_MILLIS_MAX: u64 = 1_500;
/// How long after Mimo's own start it waits for them at all.
pub const SKILL_LIST_SECONDS_MAX: u64 = 20;
/// How often it looks whether they still do.
pub const SKILL_LOOK_MILLIS_MAX: u64 = 100;
/// Long results of skills that are kept so that they can be paged through.
pub const SKILL_PAGES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The name of a skill: with a tool's name behind it, it still has to fit a client's bound.
pub const SKILL_NAME_BYTES_MAX: usize = 32;
/// `skills.json`.
pub const SKILLS_FILE_BYTES_MAX: usize = 1024 * 1024;
/// How deep its objects and lists may lie in each other; a skill needs six.
pub const SKILLS_FILE_DEPTH_MAX: usize = 12;
/// Skills of one manifest.
pub const SKILLS_MAX: usize = 64;
/// Mistakes that are told at once.
pub const SKILL_REFUSALS_MAX: usize = 100;
/// One argument, or one value of a skill's environment.
pub const SKILL_TEXT_BYTES_MAX: usize = 32 * 1024;
/// The name of a variable.
pub const SKILL_ENV_NAME_BYTES_MAX: usize = 128;
/// A package with its version; npm itself allows names of 214.
pub const SKILL_PACKAGE_BYTES_MAX: usize = 256;
/// Resident memory of a skill's process tree.
pub const SKILL_MEMORY_MB_DEFAULT: u64 = 512;
/// CPU time of a skill's process tree.
pub const SKILL_CPU_SECONDS_DEFAULT: u64 = 3600;
/// Processes and threads of a skill.
pub const SKILL_PROCESSES_DEFAULT: u64 = 256;
/// Open files of each of its processes.
pub const SKILL_OPEN_FILES_DEFAULT: u64 = 1024;
/// All files in its private folder: npm's cache of a large server is there too.
pub const SKILL_DISK_MB_DEFAULT: u64 = 2048;
/// One file it writes.
pub const SKILL_FILE_MB_DEFAULT: u64 = 512;
/// How long a program may take to tell its version: npx needs half a second.
pub const PROGRAM_VERSION_SECONDS_MAX: u64 = 20;
/// What is read of its answer.
pub const PROGRAM_VERSION_BYTES_MAX: u64 = 4096;
/// Programs whose versions are remembered.
pub const PROGRAM_VERSIONS_KEPT_MAX: usize = 256;
/// How long the removal of one container may take.
pub const CONTAINER_REMOVAL_SECONDS_MAX: u64 = 10;
/// Left containers of a skill that are removed before its next start.
pub const CONTAINERS_REMOVED_MAX: usize = 16;
/// From a skill's start to its answer to `initialize`: npx may have to fetch.
pub const SKILL_INITIALIZE_SECONDS_DEFAULT: u64 = 60;

/// One line of a skill, newline excluded; a longer one is discarded.
pub const SKILL_LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Requests to one skill that are not answered yet.
pub const SKILL_REQUESTS_MAX: usize = 256;
/// Lines that wait for a skill to read them.
pub const SKILL_OUTGOING_LINES_MAX: usize = 256;
/// Bytes that wait for a skill to read them.
pub const SKILL_OUTGOING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests of one skill to the client that are not answered yet.
pub const SKILL_ASKS_MAX: usize = 16;
/// Bytes that answer nothing, after which a skill is read more slowly: a flood
/// must not take the processor from the others.
pub const SKILL_IDLE_BYTES_MAX: usize = 256 * 1024;
/// The pause after each so many bytes.
pub const SKILL_PAUSE_MILLIS_MAX: u64 = 2;
/// Pages of one skill's tool list.
pub const SKILL_TOOL_PAGES_MAX: usize = 64;
/// Tools of one skill.
pub const SKILL_TOOLS_MAX: usize = 1024;
/// Definitions of one skill's tools together.
pub const SKILL_TOOLS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The last of a skill's stderr that is kept.
pub const SKILL_STDERR_BYTES_MAX: usize = 16 * 1024;
/// What of that is told where its end is told.
pub const SKILL_LAST_WORDS_BYTES_MAX: usize = 500;
/// How often a skill's announced change of its tools is looked at, at most.
pub const SKILL_RELIST_MILLIS_MAX: u64 = 100;
/// How long a skill may take to end once its stdin is closed.
pub const SKILL_CLOSE_MILLIS_MAX: u64 = 2_000;
/// How long a skill may take to end once it was told to terminate.
pub const SKILL_TERMINATE_MILLIS_MAX: u64 = 3_000;
/// How long the pipes of a skill that has ended are still read: a process it
/// left behind may hold them open.
pub const SKILL_REST_MILLIS_MAX: u64 = 200;
/// The first wait before a skill is started again; it doubles each time.
pub const SKILL_BACKOFF_MILLIS_MIN: u64 = 250;
/// The longest such wait.
pub const SKILL_BACKOFF_MILLIS_MAX: u64 = 30_000;
/// Failures in a row after which a skill is left alone for a while.
pub const SKILL_FAILURES_MAX: u32 = 5;
/// How long it is left alone.
pub const SKILL_BROKEN_MILLIS_MAX: u64 = 60_000;
/// A skill that ran this long is taken to have recovered.
pub const SKILL_STEADY_MILLIS_MIN: u64 = 60_000;
/// Calls that wait for one skill to start.
pub const SKILL_WAITING_MAX: usize = 64;
/// Beyond its calls' own deadlines, how long a skill that leaves is waited for.
pub const SKILL_DRAIN_MILLIS_MAX: u64 = 1_000;
/// A tool's name as clients see it, its skill's name included.
pub const TOOL_NAME_BYTES_MAX: usize = 56;
/// How long a skill's start waits for the client to say what it offers.
pub const SKILL_GREETING_MILLIS_MAX: u64 = 5_000;
/// How long a list of tools waits until it is known which ones are approved.
pub const SKILL_PINS_MILLIS_MAX: u64 = 2_000;
/// Calls of one session that wait for their client's reply to an
/// `InputRequiredResult`.
pub const INPUT_REQUESTS_MAX: usize = 64;
/// Errors in a call's arguments that are compared to report one of them: more
/// would not change the message.
pub const SCHEMA_ERRORS_MAX: usize = 16;
/// Lists of tools that are kept, each for callers with other grants.
pub const LISTINGS_KEPT_MAX: usize = 64;
/// Announcements that a client may be behind by.
pub const NEWS_KEPT_MAX: usize = 128;
/// Tools that a client is shown by name before skills are left to the search:
/// Cursor takes about 40.
pub const TOOLS_LISTED_MAX: usize = 40;
/// Tokens of all their definitions together.
pub const TOOLS_LISTED_TOKENS_MAX: usize = 10_000;
/// The result of a skill's tool that is called by its own name: Claude Code
/// refuses longer ones. The rest is a page.
pub const SKILL_DIRECT_TOKENS_MAX: usize = 25_000;
/// The longest call that a manifest may allow a skill.
pub const SKILL_CALL_SECONDS_MAX: u64 = 3_600;
/// The shown difference between two definitions of a tool.
pub const DIFFERENCE_BYTES_MAX: usize = 4 * 1024;
/// Tool lists kept between runs: those of a full manifest in two forms.
pub const SKILL_LISTS_KEPT_MAX: usize = 2 * SKILLS_MAX;
/// The same in bytes, all together.
pub const SKILL_CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// After a change of a file, how long whoever makes it is left to finish.
pub const RELOAD_SETTLE_MILLIS: u64 = 100;
/// How often files are looked at where their folders cannot be watched.
pub const RELOAD_LOOK_MILLIS_MAX: u64 = 2_000;
/// Requests of commands that one running Mimo answers at a time.
pub const ASKS_MAX: usize = 16;
/// How often a command looks for the answers of running Mimos.
pub const ASK_LOOK_MILLIS: u64 = 20;
/// How long a command waits for an answer, beyond what the skills may take.
pub const ASK_SECONDS_MAX: u64 = 10;

/// A skill's policy on its way to its sandbox: arguments, environment, paths.
pub const SANDBOX_POLICY_BYTES_MAX: usize = 1024 * 1024;
/// One report of a sandbox.
pub const SANDBOX_REPORT_BYTES_MAX: usize = 64 * 1024;
/// RLIMIT_DATA of a skill's process, in units of its tree's memory: a backstop
/// behind the watchdog, which counts what is used rather than what is asked for.
pub const SANDBOX_DATA_FACTOR: u64 = 2;
/// POSIX message queues of a skill, which no process's memory shows.
pub const SANDBOX_QUEUES_BYTES_MAX: u64 = 0;
/// How long the watchdog of a skill looks away.
pub const SANDBOX_WATCH_MILLIS_MAX: u64 = 250;
/// The same where the tree's memory is near its bound.
pub const SANDBOX_WATCH_NEAR_MILLIS_MAX: u64 = 50;
/// What counts as near.
pub const SANDBOX_NEAR_PERCENT: u64 = 60;
/// How often the strays of a tree without a pid namespace are looked for.
pub const SANDBOX_SWEEPS_MAX: usize = 1_000;
/// How long the layers of this machine are probed.
pub const SANDBOX_PROBE_SECONDS_MAX: u64 = 10;

/// The name of an entity, its type included.
pub const ENTITY_NAME_BYTES_MAX: usize = 512;
/// Triples asserted by one `graph_update`.
pub const GRAPH_ASSERT_MAX: usize = 50;
/// Triples retracted by one `graph_update`.
pub const GRAPH_RETRACT_MAX: usize = 200;
/// Hops of a traversal or a path.
pub const GRAPH_DEPTH_MAX: usize = 8;
/// Patterns of one query.
pub const GRAPH_PATTERNS_MAX: usize = 32;
/// Results on one page of `graph_query`.
pub const GRAPH_RESULTS_MAX: usize = 5_000;
/// Triples that one question reads before it answers with what it has; about half a
/// second of one processor.
pub const GRAPH_READ_TRIPLES_MAX: usize = 500_000;
/// Rows of a join that are taken from step to step together.
pub const GRAPH_JOIN_ROWS_MAX: usize = 1_024;
/// Triples of an export or an import that are read or entered together.
pub const GRAPH_PORTION_TRIPLES_MAX: usize = 5_000;
/// Triples of a picture, unless more are asked for: what can still be looked at.
pub const PICTURE_TRIPLES_DEFAULT: usize = 2_000;
/// Text that triples are proposed from.
pub const GRAPH_TEXT_BYTES_MAX: usize = 20 * 1024;
/// Names on each side of a misspelt one that are held against it.
pub const ENTITY_NAMES_NEAR_MAX: usize = 50;
/// Entities named where a name could be several.
pub const ENTITY_CANDIDATES_MAX: usize = 8;
/// Words of the longest name by which a memory is linked to an entity.
pub const ENTITY_WORDS_LINKED_MAX: usize = 5;
/// Different runs of words of one memory that are looked up as names: all of a
/// text of about 1,000 words.
pub const MEMORY_PHRASES_LINKED_MAX: usize = 5_000;
/// Memories that are looked at when an entity gets a name.
pub const ENTITY_MEMORIES_LINKED_MAX: usize = 1_000;
/// A procedure's definition, as JSON.
pub const PROCEDURE_BYTES_MAX: usize = 256 * 1024;
/// States of one procedure; its schema says the same.
pub const PROCEDURE_STATES_MAX: usize = 200;
/// Mistakes that are told at once.
pub const PROCEDURE_MISTAKES_MAX: usize = 100;
/// What a message shows of a value.
pub const DIAGNOSTIC_VALUE_CHARS_MAX: usize = 120;
/// What evaluating one expression may cost, in the engine's own instructions.
pub const TEMPLATE_FUEL_MAX: u64 = 20_000;
/// How deep an expression may call into itself.
pub const TEMPLATE_DEPTH_MAX: usize = 32;
/// Multiplications in one template: each can make a text of 100 MB.
pub const TEMPLATE_PRODUCTS_MAX: usize = 4;
/// What one template gives.
pub const TEMPLATE_OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// How deep templates may lie in a definition's lists and objects.
pub const TEMPLATE_NESTING_MAX: usize = 32;
/// The context of an execution, as JSON.
pub const PROCEDURE_CONTEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is kept of one action's result; a longer one is an error.
pub const PROCEDURE_RESULT_BYTES_MAX: usize = 1024 * 1024;
/// States that one execution enters, so that its loops end.
pub const PROCEDURE_ENTERED_MAX: usize = 10_000;
/// Actions that one execution performs, its rollback not counted.
pub const PROCEDURE_STEPS_MAX: u64 = 10_000;
/// Items of one map.
pub const PROCEDURE_ITEMS_MAX: usize = 1_000;
/// Procedures that call each other.
pub const PROCEDURE_DEPTH_MAX: usize = 8;
/// How long an execution may take where nothing says so.
pub const PROCEDURE_MILLIS_DEFAULT: u64 = 60_000;
/// How long one attempt, one wait or one execution may take: a week.
pub const PROCEDURE_MILLIS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// Executions that one Mimo drives at the same time; the others wait in the store.
pub const PROCEDURES_RUNNING_MAX: usize = 64;
/// Definitions kept ready for their executions.
pub const PROCEDURES_READY_MAX: usize = 256;
/// How often a Mimo looks for executions that nobody drives.
pub const PROCEDURE_LOOK_MILLIS_MAX: u64 = 5_000;
/// How often an execution that another Mimo drives is looked at while a call
/// waits for it.
pub const PROCEDURE_WATCH_MILLIS_MAX: u64 = 100;
/// How long a call waits for its execution; that goes on behind it.
pub const PROCEDURE_WAIT_SECONDS_MAX: u64 = 50;
/// How long actions that are being performed may take once Mimo ends.
pub const PROCEDURE_CLOSE_MILLIS_MAX: u64 = 5_000;
/// Moves and actions that a result shows.
pub const PROCEDURE_SHOWN_MAX: usize = 100;
/// Executions that a procedure's resource, or a status, names.
pub const PROCEDURE_LISTED_MAX: usize = 20;
/// How long an execution that has ended is kept.
pub const EXECUTION_DAYS_MAX: i64 = 90;
/// Ended executions that are forgotten when another one begins.
pub const EXECUTIONS_FORGOTTEN_MAX: usize = 20;
/// An idempotency key.
pub const PROCEDURE_KEY_BYTES_MAX: usize = 256;
/// Calls of skills that are kept to make procedures of.
pub const RECORDED_CALLS_MAX: usize = 1_000;
/// The arguments of calls that are yet to be recorded.
pub const RECORDED_PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a call waits to be recorded together with others.
pub const RECORD_MILLIS_MAX: u64 = 200;
/// Recorded calls in one procedure.
pub const RECORDED_CALLS_USED_MAX: usize = 100;
/// The arguments of a call that is recorded.
pub const RECORDED_CALL_BYTES_MAX: usize = 64 * 1024;

/// A token is counted as this many bytes wherever a result has a budget.
pub const TOKEN_BYTES: usize = 4;

/// Threads for what blocks (encoding a text); the event loop has its own.
pub const BLOCKING_THREADS_MAX: usize = 4;

/// `config.toml`; a longer file is hardly one.
pub const CONFIG_FILE_BYTES_MAX: usize = 256 * 1024;
/// Entries of one list in it.
pub const CONFIG_LIST_MAX: usize = 64;
/// A client's settings file: Claude Code keeps its history in the same one.
pub const CLIENT_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Lines of the server that the demo has not looked at yet.
pub const DEMO_LINES_QUEUED_MAX: usize = 256;
/// How long the demo waits for one answer.
pub const DEMO_ANSWER_SECONDS_MAX: u64 = 30;

/// One log file; the next event begins another.
pub const LOG_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Log files kept, the one being written included.
pub const LOG_FILES_MAX: usize = 4;

/// One file of what a skill wrote to stderr.
pub const SKILL_LOG_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Such files of each skill, the one being written included.
pub const SKILL_LOG_FILES_MAX: usize = 2;
/// One line in it; a longer one is kept in pieces.
pub const SKILL_LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// What is kept of one second of it: a flood must not wear the disk out.
pub const SKILL_LOG_SECOND_BYTES_MAX: usize = 32 * 1024;
/// How often it is looked at while somebody follows it.
pub const SKILL_LOG_LOOK_MILLIS: u16 = 100;

const _: () = assert!(LINE_BYTES_MAX > MEMORY_CONTENT_BYTES_MAX * MEMORY_BATCH_MAX);
const _: () = assert!(LINE_END_KEPT_BYTES_MAX * 2 < LINE_BYTES_MAX);
const _: () = assert!(READ_BYTES <= BUFFER_KEPT_BYTES_MAX);

// Windows are laid from the first word to the last.
const _: () = assert!(EMBED_CHUNKS_MAX >= 2);
const _: () = assert!(CALLS_RUNNING_MAX <= REQUESTS_IN_FLIGHT_MAX);
const _: () = assert!(CALL_SECONDS_MAX * 1000 + CALL_STOP_MILLIS_MAX <= DRAIN_SECONDS_MAX * 1000);
const _: () = assert!(
    LOG_FILES_MAX >= 2,
    "turning over would erase the newest events"
);
// Following looks often enough that no file turns over twice unseen, escapes
// included.
const _: () = assert!(SKILL_LOG_SECOND_BYTES_MAX as u64 * 6 < SKILL_LOG_FILE_BYTES_MAX);
// A page of tools comes in one line, and the name of a skill must leave room
// for a separator and a hash.
const _: () = assert!(SKILL_TOOLS_BYTES_MAX <= SKILL_LINE_BYTES_MAX);
const _: () = assert!(SKILL_NAME_BYTES_MAX + 2 + 16 <= TOOL_NAME_BYTES_MAX);
// A call that waits must still be able to say that its execution goes on.
const _: () = assert!(PROCEDURE_WAIT_SECONDS_MAX < CALL_SECONDS_MAX);
const _: () = assert!(SKILL_BACKOFF_MILLIS_MIN <= SKILL_BACKOFF_MILLIS_MAX);
