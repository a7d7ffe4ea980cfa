//! The procedure part of the port: definitions by hash, executions with their
//! journals and their owners, and the calls of skills that were recorded. The
//! definitions and the journal's entries are texts here; what they mean is
//! `procedure`'s.

use super::Stored;
use crate::clock::Timestamp;

/// A definition as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDefinition {
    /// SHA-256 of the definition, in hex: what an execution is pinned to.
    pub hash: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub description: String,
    /// The whole, as JSON.
    pub definition: String,
}

/// What keeping a definition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefineOutcome {
    /// There was no such name and version.
    Created,
    /// It takes the place of another under this name and version; executions
    /// of that one go on with it.
    Replaced,
    /// It was there.
    Unchanged,
}

impl DefineOutcome {
    /// The contract's word.
    pub fn name(self) -> &'static str {
        match self {
            DefineOutcome::Created => "created",
            DefineOutcome::Replaced => "replaced",
            DefineOutcome::Unchanged => "unchanged",
        }
    }
}

/// An execution that is to be made.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Its id.
    pub id: String,
    /// The definition it is pinned to.
    pub hash: String,
    /// A start with the same key and name gives the same execution.
    pub idempotency_key: Option<String>,
    /// How deep procedures have called each other; a call of its own has 0.
    pub depth: u32,
    /// The execution that called it.
    pub parent: Option<String>,
    /// Its first entry.
    pub entry: String,
    /// Whether the caller drives it from now on; else anyone may.
    pub owned: bool,
}

/// What making an execution came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginOutcome {
    /// It is there now.
    Created,
    /// There is one with this idempotency key, or with this id.
    Existing(String),
}

/// An execution without its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// The definition it is pinned to.
    pub hash: String,
    /// That definition's name.
    pub name: String,
    /// That definition's version.
    pub version: String,
    /// The contract's word for how it is.
    pub status: String,
    /// The state it is in.
    pub state: String,
    /// How deep procedures have called each other.
    pub depth: u32,
    /// The execution that called it.
    pub parent: Option<String>,
    /// Someone asked for its end.
    pub cancel: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its journal last grew.
    pub updated_at: Timestamp,
    /// Entries of its journal.
    pub entries: u64,
}

/// What stands beside entries that are added to a journal.
#[derive(Clone, Debug)]
pub struct ExecutionUpdate {
    /// The contract's word for how the execution is.
    pub status: &'static str,
    /// The state it is in.
    pub state: String,
    /// It is driven no further for now: its owner lets it go.
    pub parked: bool,
    /// When it is to be looked at again although nobody decided, if ever.
    pub wake_at: Option<Timestamp>,
}

/// Why an owner's write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The entries are durable. `cancel`: someone asked for the end.
    Written {
        /// Someone asked for its end.
        cancel: bool,
    },
    /// Another owner has it, or its journal has other entries by now: whoever
    /// asked must stop driving it.
    Lost,
}

/// A call of a skill's tool that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// Its id.
    pub id: String,
    /// The tool, as `<skill>__<tool>`.
    pub tool: String,
    /// Its arguments as JSON, secrets left out.
    pub arguments: String,
    /// When it was made.
    pub at: Timestamp,
}

/// Counts for a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcedureCensus {
    /// Names with a definition.
    pub definitions: u64,
    /// Executions by status.
    pub executions: Vec<(String, u64)>,
}

/// Durable procedures. Every method is one transaction. What `begin` and
/// `append` have written survives a crash of the whole machine.
///
/// An execution has at most one owner: the store itself, as long as its process
/// lives. What an owner that is gone has left is given to whoever claims it.
pub trait ProcedureStore: Send + Sync {
    /// Keeps a definition; it becomes the one of its name and version.
    fn define(&self, definition: StoredDefinition, at: Timestamp) -> Stored<'_, DefineOutcome>;

    /// The definitions called `name`, one of each version.
    fn versions(&self, name: String) -> Stored<'_, Vec<StoredDefinition>>;

    /// The definition with this hash.
    fn definition(&self, hash: String) -> Stored<'_, Option<StoredDefinition>>;

    /// The definitions there are, one of each name and version, newest first.
    fn definitions(&self) -> Stored<'_, Vec<StoredDefinition>>;

    /// Makes an execution.
    fn begin(&self, new: NewExecution, at: Timestamp) -> Stored<'_, BeginOutcome>;

    /// The execution with this id.
    fn execution(&self, id: String) -> Stored<'_, Option<Execution>>;

    /// The newest executions, those of `name` or with `status` only.
    fn executions(
        &self,
        name: Option<String>,
        status: Option<String>,
        limit: usize,
    ) -> Stored<'_, Vec<Execution>>;

    /// An execution's journal, oldest entry first.
    fn journal(&self, id: String) -> Stored<'_, Vec<String>>;

    /// Adds entries to the journal of an execution of ours that has `length`.
    fn append(
        &self,
        id: String,
        length: u64,
        entries: Vec<String>,
        standing: ExecutionUpdate,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome>;

    /// Adds a person's decision to the journal of an execution that waits for
    /// one and has `length`: it can go on then, and so can those it is a part of
    /// (`above`).
    fn decide(
        &self,
        id: String,
        length: u64,
        entry: String,
        above: Vec<String>,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome>;

    /// Takes an execution nobody drives; false where someone does, or where
    /// there is none.
    fn claim(&self, id: String) -> Stored<'_, bool>;

    /// Takes up to `limit` executions that nobody drives and that can go on:
    /// those of owners that are gone, those that wait for a driver, and those
    /// that are to be looked at by `now`. The oldest first. One that is a part of
    /// another is driven with it.
    fn claim_any(&self, now: Timestamp, limit: usize) -> Stored<'_, Vec<String>>;

    /// Lets an execution go: anyone may drive it.
    fn release(&self, id: String) -> Stored<'_, ()>;

    /// Asks for the end of an execution. One that nobody drives can be claimed
    /// then.
    fn ask_cancel(&self, id: String) -> Stored<'_, ()>;

    /// Those of ours whose end was asked for.
    fn to_cancel(&self) -> Stored<'_, Vec<String>>;

    /// Records calls in their order, and forgets the oldest beyond `keep`.
    fn record(&self, calls: Vec<RecordedCall>, keep: usize) -> Stored<'_, ()>;

    /// The recorded calls with these ids, in that order, those that are not
    /// there missing.
    fn recorded(&self, ids: Vec<String>) -> Stored<'_, Vec<RecordedCall>>;

    /// The newest recorded calls.
    fn recent(&self, limit: usize) -> Stored<'_, Vec<RecordedCall>>;

    /// Counts for a status.
    fn procedure_census(&self) -> Stored<'_, ProcedureCensus>;
}
