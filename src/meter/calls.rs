//! Calls of tools, and the work behind them outside the store.

use super::history;
use super::series::{CALL_BOUNDS, Counter, Gauge, Histogram, Labels, WORK_BOUNDS, label};
use crate::failure::{CallError, Kind};

label! {
    Tool, "tool", {
        AskMimo = "ask_mimo",
        GraphQuery = "graph_query",
        GraphUpdate = "graph_update",
        MemoryEdit = "memory_edit",
        MemorySearch = "memory_search",
        MemoryStore = "memory_store",
        MimoStatus = "mimo_status",
        ProcedureDefine = "procedure_define",
        ProcedureFind = "procedure_find",
        ProcedureRun = "procedure_run",
        SkillCall = "skill_call",
        SkillFind = "skill_find",
        SkillRead = "skill_read",
        /// A skill's tool, called by its own name.
        Skill = "skill",
        /// A tool of tests, a legacy tool without a successor, an unknown name.
        Other = "other",
    }
}

impl Tool {
    /// Our own tool of this name.
    pub fn named(name: &str) -> Tool {
        let mut tools = Tool::ALL.iter().copied();
        tools
            .find(|tool| tool.name() == name)
            .unwrap_or(Tool::Other)
    }
}

label! {
    Outcome, "outcome", {
        Ok = "ok",
        InvalidArguments = "invalid_arguments",
        NotFound = "not_found",
        Conflict = "conflict",
        LimitExceeded = "limit_exceeded",
        Timeout = "timeout",
        Cancelled = "cancelled",
        Unavailable = "unavailable",
        Refused = "refused",
        Internal = "internal",
        /// A skill answered with an error of its own.
        SkillError = "skill_error",
    }
}

impl From<Kind> for Outcome {
    fn from(kind: Kind) -> Outcome {
        match kind {
            Kind::InvalidArguments => Outcome::InvalidArguments,
            Kind::NotFound => Outcome::NotFound,
            Kind::Conflict => Outcome::Conflict,
            Kind::LimitExceeded => Outcome::LimitExceeded,
            Kind::Timeout => Outcome::Timeout,
            Kind::Cancelled => Outcome::Cancelled,
            Kind::Unavailable => Outcome::Unavailable,
            Kind::Refused => Outcome::Refused,
            Kind::Internal => Outcome::Internal,
        }
    }
}

impl Outcome {
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Outcome::Ok | Outcome::Cancelled)
    }

    pub(crate) fn of<T>(result: &Result<T, CallError>) -> Outcome {
        match result {
            Ok(_) => Outcome::Ok,
            Err(CallError::Gateway(failure)) => failure.kind.into(),
            Err(CallError::Upstream(_)) => Outcome::SkillError,
            Err(CallError::Panicked) => Outcome::Internal,
        }
    }
}

type Call = (Tool, Outcome);

pub static CALLS: Counter<Call, { Call::COUNT }> =
    Counter::new("tool_calls", "Calls of tools, by outcome");
/// Counts a call that has ended.
pub(crate) fn ended(tool: Tool, outcome: Outcome) {
    CALLS.increment((tool, outcome));
    history::record(outcome.is_failure());
}

pub static SECONDS: Histogram<Tool, 13, { Tool::COUNT }> = Histogram::new(
    "tool_seconds",
    "Time that a tool took, without the wait for its turn",
    &CALL_BOUNDS,
);
pub static RUNNING: Gauge<()> = Gauge::new("calls_running", "Calls that have their turn");
pub static WAIT: Histogram<(), 13> = Histogram::new(
    "call_wait_seconds",
    "Time that calls waited for their turn",
    &CALL_BOUNDS,
);

pub static ENCODE_SECONDS: Histogram<(), 11> = Histogram::new(
    "encode_seconds",
    "Time in which one text was encoded",
    &WORK_BOUNDS,
);
pub static ENCODE_WINDOWS: Counter<()> =
    Counter::new("encode_windows", "Windows of texts that were encoded");
pub static ENCODE_QUEUE: Gauge<()> = Gauge::new(
    "encode_queue",
    "Encodings that wait for a thread or occupy one",
);

pub static ENDPOINT_SECONDS: Histogram<(), 13> = Histogram::new(
    "endpoint_seconds",
    "Time in which the configured model answered or failed",
    &CALL_BOUNDS,
);
pub static ENDPOINT_ERRORS: Counter<()> = Counter::new(
    "endpoint_errors",
    "Requests that the configured model did not answer",
);

pub static SEARCH_DEGRADED: Counter<()> = Counter::new(
    "search_degraded",
    "Searches that were answered without one of their sides",
);

pub static LOG_DROPPED: Counter<()> =
    Counter::new("log_dropped", "Log lines that could not be written");
pub static PANICS: Counter<()> = Counter::new("panics", "Panics, each of which is a defect");
