//! The store and what it holds.

use super::series::{Counter, Gauge, Histogram, Labels, WORK_BOUNDS, label};

label! {
    /// A method of the store's port.
    Op, "op", {
        Ready = "ready",
        Version = "version",
        WriteMemories = "write_memories",
        Similar = "similar",
        Candidates = "candidates",
        Newest = "newest",
        Fetch = "fetch",
        FetchMatching = "fetch_matching",
        Mentioning = "mentioning",
        Similarities = "similarities",
        EditRecords = "edit_records",
        Identify = "identify",
        RecordRecalls = "record_recalls",
        Census = "census",
        Names = "names",
        MemoriesByName = "memories_by_name",
        ReadGraph = "read_graph",
        WriteGraph = "write_graph",
        Pins = "pins",
        Trust = "trust",
        Pin = "pin",
        Containing = "containing",
        Erase = "erase",
        EraseTraces = "erase_traces",
        Compact = "compact",
        Due = "due",
        BeginRun = "begin_run",
        Archive = "archive",
        Purge = "purge",
        EndRun = "end_run",
        LastRun = "last_run",
        Inventory = "inventory",
        ArchivedSince = "archived_since",
        Define = "define",
        RemoveDefinition = "remove_definition",
        Definitions = "definitions",
        Definition = "definition",
        Begin = "begin",
        Execution = "execution",
        Journal = "journal",
        Executions = "executions",
        Append = "append",
        Decide = "decide",
        Claim = "claim",
        ClaimAny = "claim_any",
        Release = "release",
        RequestCancel = "request_cancel",
        CancelRequests = "cancel_requests",
        Record = "record",
        Recorded = "recorded",
        Recent = "recent",
        ProcedureCensus = "procedure_census",
        Unencoded = "unencoded",
        AddVectors = "add_vectors",
        RemoveVectors = "remove_vectors",
        Keys = "keys",
        KeysVersion = "keys_version",
        Key = "key",
        AddKey = "add_key",
        RotateKey = "rotate_key",
        RevokeKey = "revoke_key",
        RevokeAllKeys = "revoke_all_keys",
        TouchKey = "touch_key",
        OpenSession = "open_session",
        LoadSession = "load_session",
        TouchSession = "touch_session",
        ChangeSession = "change_session",
        CloseSession = "close_session",
        ExpireSessions = "expire_sessions",
    }
}

label! {
    /// A failure of the store or its machine; refusals are not errors.
    ErrorKind, "kind", {
        Unavailable = "unavailable",
        Damaged = "damaged",
        Defect = "defect",
    }
}

label! {
    Side, "side", {
        Read = "read",
        Graph = "graph",
        Write = "write",
    }
}

label! {
    ConnectionState, "state", {
        Idle = "idle",
        Busy = "busy",
    }
}

label! {
    MemoryState, "state", {
        Active = "active",
        Superseded = "superseded",
        Archived = "archived",
    }
}

label! {
    /// Why retention archived a memory.
    ArchiveReason, "why", {
        Idle = "idle",
        Beyond = "beyond",
    }
}

pub static SECONDS: Histogram<Op, 11, { Op::COUNT }> = Histogram::new(
    "store_seconds",
    "Time of operations of the store, with their wait in its queue",
    &WORK_BOUNDS,
);
pub static ERRORS: Counter<ErrorKind, { ErrorKind::COUNT }> =
    Counter::new("store_errors", "Operations that the store failed to do");
pub static QUEUE: Gauge<Side, { Side::COUNT }> = Gauge::new(
    "store_queue",
    "Operations that wait for a connection of the store",
);
pub static BYTES: Gauge<()> = Gauge::unset("store_bytes", "Size of the database");
pub static CONNECTIONS: Gauge<ConnectionState, { ConnectionState::COUNT }> =
    Gauge::new("store_connections", "Open connections to the database");
pub static RETRIES: Counter<()> = Counter::new(
    "store_retries",
    "Attempts repeated because another process was at work on the database",
);

pub static MEMORIES: Gauge<MemoryState, { MemoryState::COUNT }> =
    Gauge::unset("memories", "Stored memories");
pub static TRIPLES: Gauge<()> = Gauge::unset("triples", "Triples of the graph that are current");
pub static NEAREST_WIDENED: Counter<()> = Counter::new(
    "nearest_widened",
    "Searches by vector that needed a second, larger selection",
);

pub static RETENTION_RUNS: Counter<()> =
    Counter::new("retention_runs", "Cleanups that this process finished");
pub static RETENTION_ARCHIVED: Counter<ArchiveReason, { ArchiveReason::COUNT }> =
    Counter::new("retention_archived", "Memories that cleanups archived");
pub static RETENTION_ERASED: Counter<()> =
    Counter::new("retention_erased", "Archived memories that cleanups erased");
pub static RETENTION_LAST_SUCCESS: Gauge<()> = Gauge::unset(
    "retention_last_success_seconds",
    "Unix time at which some process finished a cleanup, or at which this one began to look; \
     absent while cleanups are off",
);

pub static DISK_FREE: Gauge<()> = Gauge::unset(
    "disk_free_bytes",
    "Free space where the database is, for this user",
);
pub static READY: Gauge<()> = Gauge::unset(
    "ready",
    "1 while the server takes requests, 0 while it does not",
);
