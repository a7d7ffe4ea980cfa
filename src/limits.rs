//! Every bound, in one place: the unit stands last in each name, and the
//! relations that must hold between bounds are asserted when this compiles.

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
/// How long a write waits for another process's write.
pub const STORE_BUSY_MILLISECONDS_MAX: u64 = 15_000;
/// Prepared statements a connection keeps.
pub const STORE_STATEMENTS_CACHED_MAX: usize = 64;
/// How long an edit can be undone.
pub const UNDO_DAYS_MAX: i64 = 90;

/// The text of a query.
pub const QUERY_BYTES_MAX: usize = 100 * 1024;
/// Different words of one keyword query; the rest are left out.
pub const QUERY_WORDS_MAX: usize = 128;
/// Results on one page.
pub const SEARCH_LIMIT_MAX: usize = 100;
/// Ids in one `memory_search`.
pub const SEARCH_IDS_MAX: usize = 200;
/// The best of each side of a search that are ranked together. The weights
/// were measured with this many; later pages take more.
pub const CANDIDATES_DEFAULT: usize = 200;
/// How deep into a ranked result pages can go.
pub const CANDIDATES_MAX: usize = 2_000;
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
/// Working rooms (about 2.5 MB each) that the encoder keeps for its next calls.
pub const EMBED_ROOMS_MAX: usize = 2;

/// Results of all stores that are weighed against each other for one question:
/// each is compared with each for doubles.
pub const ANSWER_ITEMS_MAX: usize = 256;
/// One quoted sentence; of a longer one the beginning is quoted.
pub const ANSWER_SENTENCE_BYTES_MAX: usize = 500;
/// Sentences quoted of one source.
pub const ANSWER_SENTENCES_OF_ONE_MAX: usize = 3;
/// What is looked at of one source.
pub const ANSWER_SOURCE_BYTES_MAX: usize = 16 * 1024;
/// Conversations that are kept; beyond it the one longest silent goes.
pub const CONVERSATIONS_MAX: usize = 256;
/// How long a silent conversation is kept.
pub const CONVERSATION_SECONDS_MAX: i64 = 3_600;
/// Questions that a conversation looks back on.
pub const CONVERSATION_TURNS_MAX: usize = 8;
/// Entities kept of one question, and as many items.
pub const CONVERSATION_TOUCHED_MAX: usize = 32;
/// What is kept of one question.
pub const CONVERSATION_QUESTION_BYTES_MAX: usize = 1_000;

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
/// Calls that wait for a client of the newest revision to answer a skill.
pub const ROUNDS_WAITING_MAX: usize = 64;
/// Announcements that a client may be behind by.
pub const NEWS_KEPT_MAX: usize = 64;
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

/// A token is counted as this many bytes wherever a result has a budget.
pub const TOKEN_BYTES: usize = 4;

/// Threads for what blocks (encoding a text); the event loop has its own.
pub const BLOCKING_THREADS_MAX: usize = 4;

/// `config.toml`; a longer file is hardly one.
pub const CONFIG_FILE_BYTES_MAX: usize = 256 * 1024;
/// Entries of one list in it.
pub const CONFIG_LIST_MAX: usize = 64;

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
const _: () = assert!(SKILL_BACKOFF_MILLIS_MIN <= SKILL_BACKOFF_MILLIS_MAX);
