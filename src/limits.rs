//! All bounds. The unit is last in each name, and relations between bounds are
//! asserted at compile time.

mod ask;
mod keeping;
mod offers;
mod search;

pub use ask::*;
pub use keeping::*;
pub use offers::*;
pub(crate) use search::*;

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
/// Memories named as `similar` to one that was stored.
pub(crate) const SIMILAR_MAX: usize = 3;
/// Ids in one `memory_edit`.
pub(crate) const MEMORY_EDIT_IDS_MAX: usize = 100;

/// Jobs queued for a store thread; beyond it callers wait.
pub(crate) const STORE_JOBS_QUEUED_MAX: usize = 256;
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

/// Embedded windows of one text, of 254 tokens each: 100 KB of English prose has
/// about 115, at about 10 ms of CPU each.
pub(crate) const EMBED_CHUNKS_MAX: usize = 128;
/// A longer word is unknown to the built-in encoder, as the model defines it.
pub(crate) const EMBED_WORD_CHARS_MAX: usize = 100;
/// Workspaces (about 2.5 MB each) that the encoder keeps for its next calls.
pub(crate) const EMBED_WORKSPACES_MAX: usize = 2;

/// Cached vectors of descriptions of skills' tools.
pub(crate) const TOOL_VECTORS_KEPT_MAX: usize = 4096;
/// How long `skill_find` waits for skills that start for the first time if it has
/// tools of others to show.
pub(crate) const SKILL_LIST_MILLIS_MAX: u64 = 1_500;
/// How long after Mimo's own start it waits for them at all.
pub(crate) const SKILL_LIST_SECONDS_MAX: u64 = 20;
/// How often it checks them.
pub(crate) const SKILL_LOOK_MILLIS_MAX: u64 = 100;
/// Cached long results of skills, for paging.
pub(crate) const SKILL_PAGES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The name of a skill: together with a tool's name it must fit a client's bound.
pub const SKILL_NAME_BYTES_MAX: usize = 32;
/// `skills.json`.
pub(crate) const SKILLS_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of its objects and lists; a skill needs six.
pub(crate) const SKILLS_FILE_DEPTH_MAX: usize = 12;
/// Skills of one manifest.
pub const SKILLS_MAX: usize = 64;
/// Mistakes that are reported at once.
pub(crate) const SKILL_REFUSALS_MAX: usize = 100;
/// One argument, or one value of a skill's environment.
pub const SKILL_TEXT_BYTES_MAX: usize = 32 * 1024;
/// A shorter value is not taken out of what a skill says.
pub(crate) const SECRET_BYTES_MIN: usize = 4;
/// A value without the mark of a secret is taken for one from this length on.
pub(crate) const SECRET_UNMARKED_BYTES_MIN: usize = 8;
/// The name of a variable.
pub(crate) const SKILL_ENV_NAME_BYTES_MAX: usize = 128;
/// A package with its version; npm itself allows names of 214.
pub(crate) const SKILL_PACKAGE_BYTES_MAX: usize = 256;
/// Memory of a skill's process tree, with its data in sockets and pipes.
pub const SKILL_MEMORY_MB_DEFAULT: u64 = 512;
/// CPU time of a skill's process tree.
pub const SKILL_CPU_SECONDS_DEFAULT: u64 = 3600;
/// Processes and threads of a skill.
pub const SKILL_PROCESSES_DEFAULT: u64 = 128;
/// Open files of each of its processes. chrome-devtools-mcp needs more than 256.
pub const SKILL_OPEN_FILES_DEFAULT: u64 = 384;
/// All files in its private folder, which includes npm's cache of a large server.
pub const SKILL_DISK_MB_DEFAULT: u64 = 2048;
/// One file it writes.
pub const SKILL_FILE_MB_DEFAULT: u64 = 512;
/// How long a program may take to print its version: npx takes half a second.
pub(crate) const PROGRAM_VERSION_SECONDS_MAX: u64 = 20;
/// The output that is read.
pub(crate) const PROGRAM_VERSION_BYTES_MAX: u64 = 4096;
/// Cached versions of programs.
pub(crate) const PROGRAM_VERSIONS_KEPT_MAX: usize = 256;
/// How long the removal of one container may take.
pub(crate) const CONTAINER_REMOVAL_SECONDS_MAX: u64 = 10;
/// Leftover containers of a skill that are removed before its next start.
pub(crate) const CONTAINERS_REMOVED_MAX: usize = 16;
/// From a skill's start to its answer to `initialize`: npx may have to download.
pub const SKILL_INITIALIZE_SECONDS_DEFAULT: u64 = 60;

/// One line of a skill, newline excluded; a longer one is discarded.
pub(crate) const SKILL_LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Places on a line at which a message may begin after other text.
pub(crate) const BANNER_BRACES_MAX: usize = 8;
/// Unanswered requests to one skill.
pub(crate) const SKILL_REQUESTS_MAX: usize = 256;
/// Lines that wait for a skill to read them.
pub(crate) const SKILL_OUTGOING_LINES_MAX: usize = 256;
/// Bytes that wait for a skill to read them.
pub(crate) const SKILL_OUTGOING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Unanswered requests of one skill to the client.
pub(crate) const SKILL_ASKS_MAX: usize = 16;
/// Bytes that are no answer, after which a skill is read more slowly, so that a
/// flood does not take the CPU from others.
pub(crate) const SKILL_IDLE_BYTES_MAX: usize = 256 * 1024;
/// Notifications of one skill that are forwarded at once.
pub(crate) const SKILL_NOTIFICATIONS_BURST_MAX: u32 = 200;
/// How many more each second; what is beyond is dropped and counted.
pub(crate) const SKILL_NOTIFICATIONS_PER_SECOND_MAX: u32 = 50;
/// Calls in a row that time out while the skill sends nothing at all, after which
/// it is replaced.
pub(crate) const SKILL_SILENT_TIMEOUTS_MAX: u32 = 3;
/// The pause after that many bytes.
pub(crate) const SKILL_PAUSE_MILLIS_MAX: u64 = 2;
/// The `data` of a skill's error in the result of a tool of Mimo's.
pub(crate) const SKILL_ERROR_BYTES_MAX: usize = 16 * 1024;
/// How many times its own timeout a call may last while it reports progress.
pub(crate) const SKILL_PROGRESS_FACTOR_MAX: u32 = 10;
/// The lines of a skill's stdout that are no message, as its status shows them.
pub(crate) const SKILL_JUNK_LINES_SHOWN_MAX: usize = 3;
pub(crate) const SKILL_JUNK_LINE_CHARS_MAX: usize = 200;
/// Pages of one skill's tool list.
pub(crate) const SKILL_TOOL_PAGES_MAX: usize = 64;
/// Tools of one skill; more are left out.
pub(crate) const SKILL_TOOLS_MAX: usize = 512;
/// Definitions of one skill's tools together; more are left out.
pub(crate) const SKILL_TOOLS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Approved definitions kept for one skill's name: those of full lists under two
/// identities.
pub(crate) const SKILL_PINS_KEPT_MAX: usize = 2 * SKILL_TOOLS_MAX;
/// The answer of `skill_find`.
pub(crate) const SKILL_FIND_TOKENS_MAX: usize = 1_500;
/// Skills that are not ready, as that answer names them.
pub(crate) const SKILLS_UNREADY_SHOWN_MAX: usize = 10;
/// The last lines of a skill's stderr in its status.
pub(crate) const SKILL_STDERR_LINES_MAX: usize = 40;
/// The same while it is healthy.
pub(crate) const SKILL_STDERR_HEALTHY_LINES_MAX: usize = 5;
/// The instructions of a skill.
pub(crate) const SKILL_INSTRUCTIONS_CHARS_MAX: usize = 1_000;
/// Notes on one list of a skill: what was mended in it, or left out of it.
pub(crate) const SKILL_NOTES_MAX: usize = 20;
pub(crate) const SKILL_NOTE_CHARS_MAX: usize = 300;
/// Changes of one definition that its note names.
pub(crate) const SKILL_FIXES_SHOWN_MAX: usize = 4;
/// The kept end of a skill's stderr.
pub(crate) const SKILL_STDERR_BYTES_MAX: usize = 16 * 1024;
/// The part of it in the message about a skill's exit.
pub(crate) const SKILL_LAST_WORDS_BYTES_MAX: usize = 500;
/// The least interval between reads of a tool list that a skill says has changed.
pub(crate) const SKILL_RELIST_MILLIS_MAX: u64 = 100;
/// Reads of such lists within a minute; later announcements are taken together.
pub(crate) const SKILL_RELISTS_A_MINUTE_MAX: u32 = 12;
/// How long a skill may take to exit after its stdin is closed.
pub(crate) const SKILL_CLOSE_MILLIS_MAX: u64 = 2_000;
/// How long a skill may take to exit after SIGTERM.
pub(crate) const SKILL_TERMINATE_MILLIS_MAX: u64 = 3_000;
/// How long the pipes of a skill are read after its exit: a process it left behind
/// may hold them open.
pub(crate) const SKILL_REST_MILLIS_MAX: u64 = 200;
/// The first backoff before a restart; it doubles each time.
pub(crate) const SKILL_BACKOFF_MILLIS_MIN: u64 = 250;
/// The longest backoff.
pub(crate) const SKILL_BACKOFF_MILLIS_MAX: u64 = 30_000;
/// Consecutive failures that open the circuit breaker.
pub const SKILL_FAILURES_MAX: u32 = 5;
/// How long the circuit breaker stays open.
pub const SKILL_BROKEN_MILLIS_MAX: u64 = 60_000;
/// A skill that has run this long counts as recovered.
pub const SKILL_STEADY_MILLIS_MIN: u64 = 60_000;
/// Calls that wait for one skill to start.
pub const SKILL_WAITING_MAX: usize = 64;
/// How long a draining skill may take beyond the deadlines of its calls.
pub(crate) const SKILL_DRAIN_MILLIS_MAX: u64 = 1_000;
/// The prefix that Claude Code adds to a tool name, `mcp__mimo__`. A prefixed name of
/// more than 64 characters breaks the whole session.
const CLIENT_PREFIX_BYTES: usize = "mcp__mimo__".len();
/// A tool's name as clients see it, its skill's name included.
pub(crate) const TOOL_NAME_BYTES_MAX: usize = 64 - CLIENT_PREFIX_BYTES;
/// How long a skill's start waits for the client to say what it offers.
pub(crate) const SKILL_GREETING_MILLIS_MAX: u64 = 5_000;
/// How long a list of tools waits until it is known which ones are approved.
pub(crate) const SKILL_PINS_MILLIS_MAX: u64 = 2_000;
/// Calls of one session that wait for their client's reply to an
/// `InputRequiredResult`.
pub(crate) const INPUT_REQUESTS_MAX: usize = 64;
/// Errors in a call's arguments that are compared to report one of them: more
/// would not change the message.
pub(crate) const SCHEMA_ERRORS_MAX: usize = 16;
/// Lists of tools that are kept, each for callers with other grants.
pub(crate) const LISTINGS_KEPT_MAX: usize = 64;
/// Notifications that a client may lag behind.
pub(crate) const NEWS_KEPT_MAX: usize = 128;
/// Tools listed by name; with more, skills are reached by search. Cursor accepts
/// about 40.
pub(crate) const TOOLS_LISTED_MAX: usize = 40;
/// Tokens of all their definitions together.
pub(crate) const TOOLS_LISTED_TOKENS_MAX: usize = 10_000;
/// One page of a result of `skill_read` and `skill_call` by default.
pub(crate) const SKILL_CALL_TOKENS_DEFAULT: i64 = 8_000;
/// One page of a result of a skill's tool that is called by its own name: Claude
/// Code refuses longer ones.
pub(crate) const SKILL_DIRECT_TOKENS_DEFAULT: i64 = 25_000;
/// The longest call that a manifest may allow a skill.
pub(crate) const SKILL_CALL_SECONDS_MAX: u64 = 3_600;
/// The difference between two definitions of a tool, as shown.
pub(crate) const DIFFERENCE_BYTES_MAX: usize = 4 * 1024;
/// Tool lists kept between runs: those of a full manifest in two forms.
pub(crate) const SKILL_LISTS_KEPT_MAX: usize = 2 * SKILLS_MAX;
/// Their total size.
pub(crate) const SKILL_CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long a file must be unchanged before it is reloaded.
pub(crate) const RELOAD_SETTLE_MILLIS: u64 = 100;
/// How often files are polled if their folders cannot be watched.
pub(crate) const RELOAD_LOOK_MILLIS_MAX: u64 = 2_000;
/// Requests of commands that one running Mimo answers at a time.
pub(crate) const ASKS_MAX: usize = 16;
/// How often a command looks for the answers of running Mimos.
pub(crate) const ASK_LOOK_MILLIS: u64 = 20;
/// How long a command waits for an answer, beyond what the skills may take.
pub(crate) const ASK_SECONDS_MAX: u64 = 10;

/// A skill's policy on its way to its sandbox: arguments, environment, paths.
pub(crate) const SANDBOX_POLICY_BYTES_MAX: usize = 1024 * 1024;
pub(crate) const SANDBOX_REPORT_BYTES_MAX: usize = 64 * 1024;
/// RLIMIT_DATA of a skill's process, in units of its tree's memory: a backstop
/// behind the watchdog, which counts what is used rather than what is asked for.
pub(crate) const SANDBOX_DATA_FACTOR: u64 = 2;
/// POSIX message queues of a skill, which no process's memory shows.
pub(crate) const SANDBOX_QUEUES_BYTES_MAX: u64 = 0;
/// Signals and timers of a skill that wait, each of which is memory of the kernel.
pub(crate) const SANDBOX_SIGNALS_MAX: u64 = 256;
/// Memory that one process of a skill may lock.
pub(crate) const SANDBOX_LOCKED_BYTES_MAX: u64 = 64 * 1024;
/// The longest interval of the watchdog; it varies from a half.
pub(crate) const SANDBOX_WATCH_MILLIS_MAX: u64 = 250;
/// The interval while memory is near its bound.
pub(crate) const SANDBOX_WATCH_NEAR_MILLIS_MAX: u64 = 50;
/// The share of the bound that counts as near.
pub(crate) const SANDBOX_NEAR_PERCENT: u64 = 60;
/// How often a decision is tried while other processes continue the execution.
pub(crate) const DECISION_ATTEMPTS_MAX: usize = 5;
/// Installs of packages at the same time.
pub(crate) const INSTALLS_AT_A_TIME_MAX: usize = 2;
/// Starts of skills at the same time, from the launch to the answer to `initialize`.
pub(crate) const STARTS_AT_A_TIME_MAX: usize = 4;
/// One install with all its steps.
pub(crate) const INSTALL_SECONDS_MAX: u64 = 600;
/// How often an install looks whether another process has finished the same.
pub(crate) const INSTALL_LOCK_LOOK_MILLIS: u64 = 100;
/// The trial start after an install.
pub(crate) const INSTALL_TRIAL_SECONDS_MAX: u64 = 10;
pub(crate) const INSTALL_MEMORY_MB_MAX: u64 = 2_048;
pub(crate) const INSTALL_PROCESSES_MAX: u64 = 256;
pub(crate) const INSTALL_OPEN_FILES_MAX: u64 = 4_096;
/// The tree and the package manager's cache together.
pub(crate) const INSTALL_DISK_MB_MAX: u64 = 4_096;
/// Output of an install step on one pipe.
pub(crate) const INSTALL_OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A line of a package manager in a message.
pub(crate) const INSTALL_LINE_CHARS_MAX: usize = 200;
/// The account's settings for npm.
pub(crate) const INSTALL_SETTINGS_BYTES_MAX: usize = 64 * 1024;
/// From the release of a package to the newest dependencies that it is installed
/// with, where those of today break it: thirty days.
pub(crate) const INSTALL_AS_OF_SECONDS: i64 = 30 * 24 * 60 * 60;

/// A file that is copied into a skill's root rather than mounted there.
pub(crate) const SANDBOX_COPY_BYTES_MAX: u64 = 64 * 1024;
/// Links that the path of a granted file may lead through.
pub(crate) const SANDBOX_LINKS_MAX: usize = 40;
/// Inotify instances of a skill; the account's are few.
pub(crate) const SANDBOX_INOTIFY_MAX: u32 = 16;
/// The data that one socket holds: Linux's default of 208 KiB and one packet that may
/// exceed it.
pub(crate) const SANDBOX_SOCKET_BYTES_MAX: u64 = 212 * 1024;
/// The data that one pipe holds.
pub(crate) const SANDBOX_PIPE_BYTES_MAX: u64 = 64 * 1024;
/// The estimate of CPU time that ends a skill, as a share of its bound and beside it: an
/// estimate from samples may be too high.
pub(crate) const SANDBOX_CPU_ESTIMATE_PERCENT: u64 = 125;
pub(crate) const SANDBOX_CPU_ESTIMATE_SECONDS: u64 = 2;
/// How long the main process of a skill may be stopped, in which it answers no call.
pub(crate) const SANDBOX_STOPPED_SECONDS_MAX: u64 = 5;
/// Measurements in a row that may find the open files of a process unreadable.
pub(crate) const SANDBOX_HIDDEN_LOOKS_MAX: u32 = 2;
/// Levels of folders in a skill's private folder; npm's stay under 30.
pub(crate) const SANDBOX_FOLDER_DEPTH_MAX: usize = 64;
/// How long the private folder is walked before the next measurement of memory.
pub(crate) const SANDBOX_WALK_MILLIS_MAX: u64 = 5;
/// How long the processes of a control group may take to end after they were killed.
pub(crate) const SANDBOX_CGROUP_END_MILLIS_MAX: u16 = 2_000;
/// Searches for orphans of a tree without a pid namespace.
pub(crate) const SANDBOX_SWEEPS_MAX: usize = 1_000;

/// The name of an entity, its type included.
pub(crate) const ENTITY_NAME_BYTES_MAX: usize = 512;
/// Triples asserted by one `graph_update`.
pub(crate) const GRAPH_ASSERT_MAX: usize = 50;
/// Triples retracted by one `graph_update`.
pub(crate) const GRAPH_RETRACT_MAX: usize = 200;
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
/// Multiplications in one template: each can make a text of 100 MB.
pub(crate) const TEMPLATE_PRODUCTS_MAX: usize = 4;
pub(crate) const TEMPLATE_OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of templates in a definition's lists and objects.
pub(crate) const TEMPLATE_NESTING_MAX: usize = 32;
/// The context of an execution, as JSON.
pub(crate) const PROCEDURE_CONTEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The result of one action; a longer one is an error.
pub(crate) const PROCEDURE_RESULT_BYTES_MAX: usize = 1024 * 1024;
/// States that one execution enters, which ends its loops.
pub(crate) const PROCEDURE_ENTERED_MAX: usize = 10_000;
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
pub(crate) const PROCEDURE_LOOK_MILLIS_MAX: u64 = 5_000;
/// How often an execution of another Mimo is polled while a call waits for it.
pub(crate) const PROCEDURE_WATCH_MILLIS_MAX: u64 = 100;
/// How long a call waits for its execution, which then continues without it.
pub(crate) const PROCEDURE_WAIT_SECONDS_MAX: u64 = 50;
/// How long running actions may take while Mimo shuts down.
pub(crate) const PROCEDURE_CLOSE_MILLIS_MAX: u64 = 5_000;
/// Transitions and actions that a result shows.
pub(crate) const PROCEDURE_SHOWN_MAX: usize = 100;
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

/// `config.toml`.
pub(crate) const CONFIG_FILE_BYTES_MAX: usize = 256 * 1024;
/// Entries of one list in it.
pub(crate) const CONFIG_LIST_MAX: usize = 64;
/// A client's settings file: Claude Code's contains its history.
pub(crate) const CLIENT_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Lines of the server that the demo has not read yet.
pub(crate) const DEMO_LINES_QUEUED_MAX: usize = 256;
/// How long the demo waits for one answer.
pub(crate) const DEMO_ANSWER_SECONDS_MAX: u64 = 30;

/// One log file; then it is rotated.
pub(crate) const LOG_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Log files, including the current one.
pub(crate) const LOG_FILES_MAX: usize = 4;

/// One file of what a skill wrote to stderr.
pub(crate) const SKILL_LOG_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Such files of each skill, including the current one.
pub(crate) const SKILL_LOG_FILES_MAX: usize = 2;
/// One line in it; a longer one is split.
pub(crate) const SKILL_LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// The bytes logged in one second, so that a flood does not wear out the disk.
pub(crate) const SKILL_LOG_SECOND_BYTES_MAX: usize = 32 * 1024;
/// How often a followed log is polled.
pub(crate) const SKILL_LOG_LOOK_MILLIS: u16 = 100;

const _: () = assert!(LINE_BYTES_MAX > MEMORY_CONTENT_BYTES_MAX * MEMORY_BATCH_MAX);
const _: () = assert!(LINE_END_KEPT_BYTES_MAX * 2 < LINE_BYTES_MAX);
const _: () = assert!(READ_BYTES <= BUFFER_KEPT_BYTES_MAX);

// Windows are spread from the first word to the last.
const _: () = assert!(EMBED_CHUNKS_MAX >= 2);
const _: () = assert!(CALLS_RUNNING_MAX <= REQUESTS_IN_FLIGHT_MAX);
const _: () = assert!(CALL_SECONDS_MAX * 1000 + CALL_STOP_MILLIS_MAX <= DRAIN_SECONDS_MAX * 1000);
const _: () = assert!(LOG_FILES_MAX >= 2, "rotation would erase the newest events");
// Following polls often enough to miss no rotation, even with escapes.
const _: () = assert!(SKILL_LOG_SECOND_BYTES_MAX as u64 * 6 < SKILL_LOG_FILE_BYTES_MAX);
// A page of tools is one line, and the name of a skill leaves room for a separator
// and a hash.
const _: () = assert!(SKILL_TOOLS_BYTES_MAX <= SKILL_LINE_BYTES_MAX);
const _: () = assert!(SKILL_NAME_BYTES_MAX + 2 + 16 <= TOOL_NAME_BYTES_MAX);
// A waiting call must be able to report that its execution continues.
const _: () = assert!(PROCEDURE_WAIT_SECONDS_MAX < CALL_SECONDS_MAX);
const _: () = assert!(SKILL_BACKOFF_MILLIS_MIN <= SKILL_BACKOFF_MILLIS_MAX);
