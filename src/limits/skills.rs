//! Bounds of skills: their entries, messages, tools and logs.

/// Cached vectors of descriptions of skills' tools.
pub(crate) const TOOL_VECTORS_KEPT_MAX: usize = 4096;
/// How long one search encodes new descriptions before it continues without the rest:
/// about 500 of them.
pub(crate) const TOOL_ENCODE_MILLIS_MAX: u64 = 1_000;
/// How long `skill_find` waits for skills that start for the first time if tools of
/// others match the query closely; otherwise it waits up to its deadline.
pub(crate) const SKILL_LIST_MILLIS_MAX: u64 = 1_500;
/// The time before that deadline that is reserved for its answer.
pub(crate) const SKILL_FIND_ANSWER_MILLIS_MIN: u64 = 1_000;
/// How long a call waits for the list of its skill, and how long after Mimo's own
/// start a question waits for any.
pub(crate) const SKILL_LIST_SECONDS_MAX: u64 = 20;
/// How often starting skills are checked.
pub(crate) const SKILL_POLL_MILLIS_MAX: u64 = 100;
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
/// Shorter values are not redacted from a skill's output.
pub(crate) const SECRET_BYTES_MIN: usize = 4;
/// Values from this length on are taken for secrets even if nothing marks them as such.
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
/// The part of that output that is read.
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
/// Places on a line where a message is looked for behind other text.
pub(crate) const BANNER_BRACES_MAX: usize = 8;
/// Unanswered requests to one skill.
pub(crate) const SKILL_REQUESTS_MAX: usize = 256;
/// Lines that wait for a skill to read them.
pub(crate) const SKILL_OUTGOING_LINES_MAX: usize = 256;
/// Bytes that wait for a skill to read them.
pub(crate) const SKILL_OUTGOING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Unanswered requests of one skill to the client.
pub(crate) const SKILL_QUESTIONS_OPEN_MAX: usize = 16;
/// Questions of one skill that are put to a client at once.
pub(crate) const SKILL_QUESTIONS_BURST_MAX: u32 = 20;
/// How many more each second; others are refused and counted.
pub(crate) const SKILL_QUESTIONS_PER_SECOND_MAX: u32 = 1;
/// Bytes other than answers after which reading a skill pauses, so that a flood does
/// not take the CPU from others.
pub(crate) const SKILL_UNSOLICITED_BYTES_MAX: usize = 256 * 1024;
/// The pause after that many.
pub(crate) const SKILL_PAUSE_MILLIS_MAX: u64 = 2;
/// Notifications of one skill that are forwarded at once.
pub(crate) const SKILL_NOTIFICATIONS_BURST_MAX: u32 = 200;
/// How many more each second; others are dropped and counted.
pub(crate) const SKILL_NOTIFICATIONS_PER_SECOND_MAX: u32 = 50;
/// Calls in a row that time out while the skill sends nothing at all, after which
/// it is replaced.
pub(crate) const SKILL_SILENT_TIMEOUTS_MAX: u32 = 3;
/// The `data` of a skill's error in the result of one of Mimo's tools.
pub(crate) const SKILL_ERROR_BYTES_MAX: usize = 16 * 1024;
/// How many times its own timeout a call may last while it reports progress.
pub(crate) const SKILL_PROGRESS_FACTOR_MAX: u32 = 10;
/// The lines of a skill's stdout that are not messages, as its status shows them.
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
/// Skills that are not ready whose reason is shown in that answer.
pub(crate) const SKILLS_UNREADY_SHOWN_MAX: usize = 10;
/// The last lines of a skill's stderr in its status.
pub(crate) const SKILL_STDERR_LINES_MAX: usize = 40;
/// The same while it is healthy.
pub(crate) const SKILL_STDERR_HEALTHY_LINES_MAX: usize = 5;
/// The instructions of a skill.
pub(crate) const SKILL_INSTRUCTIONS_CHARS_MAX: usize = 1_000;
/// Notes on one list of a skill: corrections, and items left out.
pub(crate) const SKILL_NOTES_MAX: usize = 20;
pub(crate) const SKILL_NOTE_CHARS_MAX: usize = 300;
/// Changes of one definition that its note names.
pub(crate) const SKILL_FIXES_SHOWN_MAX: usize = 4;
/// The kept end of a skill's stderr.
pub(crate) const SKILL_STDERR_BYTES_MAX: usize = 16 * 1024;
/// The end of stderr in the message about a skill's exit.
pub(crate) const SKILL_EXIT_STDERR_BYTES_MAX: usize = 500;
/// The least interval between reads of a tool list that a skill says has changed.
pub(crate) const SKILL_RELIST_MILLIS_MAX: u64 = 100;
/// Reads of such lists within a minute; further announcements are coalesced.
pub(crate) const SKILL_RELISTS_A_MINUTE_MAX: u32 = 12;
/// How long a skill may take to exit after its stdin is closed.
pub(crate) const SKILL_CLOSE_MILLIS_MAX: u64 = 2_000;
/// How long a skill may take to exit after SIGTERM.
pub(crate) const SKILL_TERMINATE_MILLIS_MAX: u64 = 3_000;
/// How long the pipes of a skill are read after its exit: a process it left behind
/// may hold them open.
pub(crate) const SKILL_EXIT_OUTPUT_MILLIS_MAX: u64 = 200;
/// The first backoff before a restart; it doubles each time.
pub(crate) const SKILL_BACKOFF_MILLIS_MIN: u64 = 250;
/// The longest backoff.
pub(crate) const SKILL_BACKOFF_MILLIS_MAX: u64 = 30_000;
/// Consecutive failures that open the circuit breaker.
pub const SKILL_FAILURES_MAX: u32 = 5;
/// How long the circuit breaker stays open.
pub const SKILL_CIRCUIT_OPEN_MILLIS_MAX: u64 = 60_000;
/// A skill that has run this long counts as recovered.
pub const SKILL_RECOVERED_MILLIS_MIN: u64 = 60_000;
/// Calls that wait for one skill to start.
pub const SKILL_WAITING_CALLS_MAX: usize = 64;
/// How long a draining skill may take beyond the deadlines of its calls.
pub(crate) const SKILL_DRAIN_MILLIS_MAX: u64 = 1_000;
/// The prefix that Claude Code adds to a tool name, `mcp__mimo__`. A prefixed name of
/// more than 64 characters breaks the whole session.
const CLIENT_PREFIX_BYTES: usize = "mcp__mimo__".len();
/// A tool's name as clients see it, its skill's name included.
pub(crate) const TOOL_NAME_BYTES_MAX: usize = 64 - CLIENT_PREFIX_BYTES;
/// How long a skill's start waits for the client's capabilities.
pub(crate) const SKILL_CAPABILITIES_MILLIS_MAX: u64 = 5_000;
/// How long listing tools waits for the pins to be read.
pub(crate) const SKILL_PINS_MILLIS_MAX: u64 = 2_000;
/// Tools listed by name; with more, skills are reached by search. Cursor accepts
/// about 40.
pub(crate) const TOOLS_LISTED_MAX: usize = 40;
/// Tokens of the listed definitions together.
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
/// Skill names that are separate series in metrics; others are counted together.
pub(crate) const SKILL_NAMES_METERED_MAX: usize = SKILLS_MAX;
/// Starts of skills at the same time, from the launch to the answer to `initialize`.
pub(crate) const STARTS_AT_A_TIME_MAX: usize = 4;
/// One log file of a skill's stderr.
pub(crate) const SKILL_LOG_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Such files of each skill, including the current one.
pub(crate) const SKILL_LOG_FILES_MAX: usize = 2;
/// One line in a log; a longer one is split.
pub(crate) const SKILL_LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// The bytes logged in one second, so that a flood does not wear out the disk.
pub(crate) const SKILL_LOG_SECOND_BYTES_MAX: usize = 32 * 1024;
/// How often a followed log is polled.
pub(crate) const SKILL_LOG_POLL_MILLIS: u16 = 100;

// Following a log polls often enough to miss no rotation, even with escapes.
const _: () = assert!(SKILL_LOG_SECOND_BYTES_MAX as u64 * 6 < SKILL_LOG_FILE_BYTES_MAX);
// A page of tools is one line, and the name of a skill leaves room for a separator
// and a hash.
const _: () = assert!(SKILL_TOOLS_BYTES_MAX <= SKILL_LINE_BYTES_MAX);
const _: () = assert!(SKILL_NAME_BYTES_MAX + 2 + 16 <= TOOL_NAME_BYTES_MAX);
const _: () = assert!(SKILL_BACKOFF_MILLIS_MIN <= SKILL_BACKOFF_MILLIS_MAX);
