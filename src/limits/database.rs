//! Bounds of a store on a PostgreSQL server.

/// How long a connection may take to be established.
pub(crate) const DATABASE_CONNECT_SECONDS_MAX: u64 = 5;
/// How long a call waits for one of the connections.
pub(crate) const DATABASE_WAIT_SECONDS_MAX: u64 = 20;
/// How long a statement waits for a lock of another transaction.
pub(crate) const DATABASE_LOCK_SECONDS_MAX: u64 = 15;
/// How long a transaction may do nothing before the server ends it.
pub(crate) const DATABASE_IDLE_SECONDS_MAX: u64 = 60;
/// How long a rollback may take before its connection is closed instead.
pub(crate) const DATABASE_ROLLBACK_SECONDS_MAX: u64 = 10;
/// Connections of one kind that the settings may ask for.
pub(crate) const DATABASE_CONNECTIONS_MAX: usize = 64;
/// Connections for reading, unless the settings say otherwise.
pub(crate) const DATABASE_READERS_DEFAULT: u64 = 4;
/// Connections for writing, likewise.
pub(crate) const DATABASE_WRITERS_DEFAULT: u64 = 2;
/// The timeout of a statement, likewise: calls are given up soon after.
pub(crate) const DATABASE_STATEMENT_SECONDS_DEFAULT: u64 = 50;
/// The longest timeout of a statement in the settings.
pub(crate) const DATABASE_STATEMENT_SECONDS_MAX: u64 = 3_600;
/// Rows of the keyword index that one statement writes.
pub(crate) const POSTINGS_WRITTEN_AT_ONCE_MAX: usize = 10_000;
/// In projects with at most this many memories a search compares every vector.
pub(crate) const NEAREST_EXACT_MEMORIES_MAX: i64 = 50_000;
/// The least and the greatest number of vectors that an index search examines; the
/// server allows no more.
pub(crate) const NEAREST_INDEX_SEARCHED_MIN: usize = 200;
pub(crate) const NEAREST_INDEX_SEARCHED_MAX: usize = 1_000;
/// The longest name of a schema: PostgreSQL truncates longer ones.
pub(crate) const DATABASE_SCHEMA_BYTES_MAX: usize = 63;
/// Rows of a table that are copied to another store at a time.
pub(crate) const TRANSFER_PORTION_ROWS_MAX: usize = 5_000;
/// The round trip beyond which `mimo doctor` warns: a search takes several.
pub(crate) const DATABASE_LATENCY_MILLIS_GOOD: f64 = 5.0;
/// The clock difference beyond which it warns.
pub(crate) const DATABASE_CLOCK_MICROS_GOOD: i64 = 1_000_000;
/// How often a node tests its connection, and how long it waits for the answer.
pub(crate) const NODE_HEARTBEAT_SECONDS: u64 = 5;
pub(crate) const NODE_ANSWER_SECONDS_MAX: u64 = 9;
/// The first and the longest pause between attempts to become a node again.
pub(crate) const NODE_REJOIN_MILLIS_MIN: u64 = 100;
pub(crate) const NODE_REJOIN_MILLIS_MAX: u64 = 5_000;
/// How often a node polls for reloads in case it missed an announcement, and how many
/// of these polls pass between two for approvals.
pub(crate) const NODES_POLL_SECONDS_MAX: u64 = 5;
pub(crate) const NODES_POLLS_PER_APPROVALS: u32 = 12;
/// How long a reload waits for the answers of all nodes, and how often it polls for
/// them.
pub(crate) const NODES_RELOAD_SECONDS_MAX: u64 = 60;
pub(crate) const NODES_RELOAD_POLL_MILLIS: u64 = 100;
/// Reloads whose outcome is kept.
pub(crate) const NODES_RELOADS_KEPT_MAX: i64 = 20;

const _: () = assert!(DATABASE_STATEMENT_SECONDS_DEFAULT < super::CALL_SECONDS_MAX);
