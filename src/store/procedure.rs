//! The procedure part of the port: definitions, executions with their journals
//! and owners, and recorded calls of skills. Definitions and journal entries are
//! opaque texts here; `procedure` gives them meaning.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Stored;
use crate::caller::Reach;
use crate::clock::Timestamp;

/// A definition under its name and version in one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDefinition {
    /// SHA-256 of the definition in hex. An execution is pinned to it.
    pub hash: String,
    pub project: String,
    pub name: String,
    pub version: String,
    pub description: String,
    /// JSON.
    pub definition: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefineOutcome {
    Created,
    /// Another definition had this name and version. Its executions continue with it.
    Replaced,
    Unchanged,
}

impl DefineOutcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            DefineOutcome::Created => "created",
            DefineOutcome::Replaced => "replaced",
            DefineOutcome::Unchanged => "unchanged",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewExecution {
    pub id: String,
    /// The project of its starter.
    pub project: String,
    /// The definition it is pinned to.
    pub hash: String,
    /// Starts with the same project, name and key return the same execution.
    pub idempotency_key: Option<String>,
    /// Number of callers above it.
    pub depth: u32,
    /// The execution that called it.
    pub parent: Option<String>,
    /// The first entry of its journal.
    pub entry: String,
    /// Whether this store drives it from now on. Otherwise anyone may claim it.
    pub owned: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginOutcome {
    Created,
    /// The execution that already has this id or this idempotency key.
    Existing(String),
}

/// The status of an execution; the names are those of the contract and the
/// database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// No owner has claimed it yet.
    Pending,
    Running,
    WaitingApproval,
    Completed,
    RolledBack,
    Failed,
    Cancelled,
}

impl ExecutionStatus {
    const ALL: [ExecutionStatus; 7] = [
        ExecutionStatus::Pending,
        ExecutionStatus::Running,
        ExecutionStatus::WaitingApproval,
        ExecutionStatus::Completed,
        ExecutionStatus::RolledBack,
        ExecutionStatus::Failed,
        ExecutionStatus::Cancelled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ExecutionStatus::Pending => "pending",
            ExecutionStatus::Running => "running",
            ExecutionStatus::WaitingApproval => "waiting_approval",
            ExecutionStatus::Completed => "completed",
            ExecutionStatus::RolledBack => "rolled_back",
            ExecutionStatus::Failed => "failed",
            ExecutionStatus::Cancelled => "cancelled",
        }
    }

    /// Whether it continues without a person.
    pub fn is_active(self) -> bool {
        matches!(self, ExecutionStatus::Pending | ExecutionStatus::Running)
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl FromStr for ExecutionStatus {
    type Err = String;

    fn from_str(name: &str) -> Result<ExecutionStatus, String> {
        let found = ExecutionStatus::ALL
            .into_iter()
            .find(|status| status.name() == name);
        found.ok_or_else(|| {
            let names = ExecutionStatus::ALL.map(ExecutionStatus::name);
            format!("use one of {}", names.join(", "))
        })
    }
}

/// An execution without its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    pub id: String,
    pub project: String,
    /// The definition it is pinned to, with its name and version.
    pub(crate) hash: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub status: ExecutionStatus,
    pub(crate) state: String,
    pub(crate) depth: u32,
    /// The execution that called it.
    pub(crate) parent: Option<String>,
    /// Whether someone asked to cancel it.
    pub(crate) cancel: bool,
    pub(crate) created_at: Timestamp,
    /// When its journal last grew.
    pub(crate) updated_at: Timestamp,
    /// Length of its journal.
    pub entries: u64,
}

/// The changes of an execution besides its new journal entries.
#[derive(Clone, Debug)]
pub struct ExecutionUpdate {
    pub status: ExecutionStatus,
    pub state: String,
    /// Nothing can be done for now: its owner releases it.
    pub parked: bool,
    /// Whether its owner knows that the execution is to be cancelled. One that waits
    /// for a person and is to be cancelled unknown to its owner stays with it.
    pub cancelling: bool,
    /// When to claim a parked execution although nobody decided.
    pub wake_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The entries are durable. `cancel`: someone asked to cancel the execution.
    Written { cancel: bool },
    /// Another owner has the execution, or its journal has another length. The
    /// caller must stop driving it.
    Lost,
}

/// A recorded call of a skill's tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    pub id: String,
    /// The project of the caller.
    pub project: String,
    /// `<skill>__<tool>`.
    pub tool: String,
    /// JSON with secrets redacted.
    pub arguments: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcedureCensus {
    /// Distinct names.
    pub definitions: u64,
    pub executions: Vec<(ExecutionStatus, u64)>,
}

/// Durable procedures. Every method is one transaction. The writes of `begin`,
/// `append` and `decide` survive a crash of the machine.
///
/// An execution has at most one owner: a store, for as long as its process
/// lives. Methods that take a `Reach` see the projects within it and no others;
/// those without one serve whoever drives executions.
pub trait ProcedureStore: Send + Sync {
    /// Sets the current definition of its project, name and version.
    fn define(
        &self,
        reach: Reach,
        definition: StoredDefinition,
        at: Timestamp,
    ) -> Stored<'_, DefineOutcome>;

    /// Removes `name` in `version`, or in all versions, from `project`; how many. The
    /// texts go with the last execution that is pinned to them.
    fn remove_definition(
        &self,
        reach: Reach,
        project: String,
        name: String,
        version: Option<String>,
    ) -> Stored<'_, usize>;

    /// The current definitions, newest first; all versions of one name, or all
    /// there are.
    fn definitions(&self, reach: Reach, name: Option<String>) -> Stored<'_, Vec<StoredDefinition>>;

    /// The text of the definition with this hash.
    fn definition(&self, hash: String) -> Stored<'_, Option<String>>;

    /// Creates an execution and deletes some that ended before `forget_before`.
    fn begin(
        &self,
        new: NewExecution,
        forget_before: Timestamp,
        at: Timestamp,
    ) -> Stored<'_, BeginOutcome>;

    fn execution(&self, reach: Reach, id: String) -> Stored<'_, Option<Execution>>;

    /// An execution and its journal, oldest entry first, in one snapshot.
    fn journal(&self, reach: Reach, id: String) -> Stored<'_, Option<(Execution, Vec<String>)>>;

    /// The newest executions, of `name` or with `status` only.
    fn executions(
        &self,
        reach: Reach,
        name: Option<String>,
        status: Option<ExecutionStatus>,
        limit: usize,
    ) -> Stored<'_, Vec<Execution>>;

    /// Adds entries to the journal of an execution that this store owns and
    /// whose journal has `length` entries.
    fn append(
        &self,
        id: String,
        length: u64,
        entries: Vec<String>,
        update: ExecutionUpdate,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome>;

    /// Adds a person's decision to the journal of an execution that waits for
    /// one and whose journal has `length` entries. It can continue then, and so can
    /// its `ancestors`.
    fn decide(
        &self,
        reach: Reach,
        id: String,
        length: u64,
        entry: String,
        ancestors: Vec<String>,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome>;

    /// Claims an execution without an owner; `false` if it has one or does not exist.
    fn claim(&self, id: String) -> Stored<'_, bool>;

    /// Claims up to `limit` executions that can continue and have no live owner:
    /// those of owners that ended, pending ones, and those to wake by `now`. A
    /// called execution is driven with its caller.
    fn claim_any(&self, now: Timestamp, limit: usize) -> Stored<'_, Vec<String>>;

    /// Releases an execution: anyone may claim it.
    fn release(&self, id: String) -> Stored<'_, ()>;

    /// Asks to cancel an execution. An execution that waits for a person becomes
    /// claimable.
    fn request_cancel(&self, reach: Reach, id: String) -> Stored<'_, ()>;

    /// The executions of this store that are to be cancelled.
    fn cancel_requests(&self) -> Stored<'_, Vec<String>>;

    /// Records calls in their order and deletes the oldest beyond `keep`.
    fn record(&self, calls: Vec<RecordedCall>, keep: usize) -> Stored<'_, ()>;

    /// The recorded calls with these ids, in that order. Unknown ids are left
    /// out.
    fn recorded(&self, reach: Reach, ids: Vec<String>) -> Stored<'_, Vec<RecordedCall>>;

    /// Newest first.
    fn recent(&self, reach: Reach, limit: usize) -> Stored<'_, Vec<RecordedCall>>;

    fn procedure_census(&self, reach: Reach) -> Stored<'_, ProcedureCensus>;
}
