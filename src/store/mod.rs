//! The store's port: durable state in the domain's terms. The rooms behind it
//! (`sqlite` and `postgres`) own the SQL, the threads and the files, and expose none of
//! them.

pub(crate) mod candidates;
mod category;
pub mod changes;
mod columns;
mod due;
pub(crate) mod encoding;
pub(crate) mod erasure;
pub mod graph;
pub(crate) mod integrity;
pub mod inventory;
pub mod keys;
mod listing;
pub mod memory;
pub mod names;
pub mod nodes;
pub(crate) mod pins;
pub mod postgres;
pub mod procedure;
pub mod retention;
pub mod sessions;
pub mod sqlite;
pub(crate) mod transfer;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;

use crate::caller::Reach;
use crate::failure::{Failure, Kind};
use crate::meter::store::{self as metrics, Op};

pub(crate) use crate::caller::PROJECT_SHARED;

pub(crate) use changes::Changes;
pub(crate) use encoding::EncodingStore;
pub(crate) use erasure::ErasureStore;
pub(crate) use graph::GraphStore;
pub(crate) use inventory::InventoryStore;
pub use keys::KeyStore;
pub(crate) use memory::MemoryStore;
pub use names::NameStore;
pub use nodes::NodeStore;
pub(crate) use pins::PinStore;
pub(crate) use procedure::ProcedureStore;
pub use retention::RetentionStore;
pub use sessions::SessionStore;

/// All ports of one store, behind one pointer.
pub trait Store:
    MemoryStore + GraphStore + ProcedureStore + NameStore + PinStore + KeyStore + SessionStore + Changes
{
    /// Opens the store now, with the error that every later call would return.
    fn ready(&self) -> Stored<'_, ()>;

    /// Whether anything was ever stored. Recurring work asks first, because any
    /// other call would create the store. Does not wait.
    fn exists(&self) -> bool;

    /// Copies one snapshot to the new file `to` while others use the store; the
    /// copy's size in bytes. `unique` names the unfinished copy, `progress` gets
    /// the parts done and their total. Works on the caller's thread.
    fn backup<'a>(
        &'a self,
        to: &'a Path,
        unique: &'a str,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> Stored<'a, u64>;

    /// Checks one snapshot without changing anything. `model` is the vector
    /// space in use, `progress` gets the name of each part before it is checked.
    /// Works on the caller's thread.
    fn verify<'a>(
        &'a self,
        model: &'a str,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, integrity::Report>;

    /// Rebuilds derived data that does not match its source, in one transaction, with
    /// texts encoded by `encode` for the space `model`; returns what was repaired.
    /// `progress` as above. Works on the caller's thread.
    fn repair<'a>(
        &'a self,
        model: &'a str,
        encode: &'a integrity::EncodeText<'a>,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Vec<integrity::Problem>>;

    /// Replaces everything with the backup `from`, after checking it, in one step; what
    /// was there is named `aside`. Fails while anyone uses the store. `unique` and
    /// `progress` as above. Works on the caller's thread.
    fn restore<'a>(
        &'a self,
        from: &'a Path,
        aside: &'a Path,
        unique: &'a str,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, integrity::Restored>;

    /// The storage format of this version of Mimo.
    fn format(&self) -> StoreFormat;

    /// Instructions for a person who replaces this store with a backup.
    fn restore_steps(&self) -> String;

    /// Where it is, for a person; without a password.
    fn place(&self) -> String;

    /// Facts about the server behind it; none if there is none. Fails if it cannot be
    /// written, or another program keeps it locked.
    fn examine(&self) -> Stored<'_, Vec<integrity::Observation>>;

    /// The part for several Mimos that serve from one database; none on a file.
    fn nodes(self: Arc<Self>) -> Option<Arc<dyn NodeStore>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFormat {
    /// The store room's name.
    pub kind: &'static str,
    pub schema: u32,
}

/// The projects that a statement may touch. A list, even an empty one, means
/// those projects and no others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProjectSet {
    All,
    Only(Vec<String>),
}

impl ProjectSet {
    /// Of `wanted` (empty: of all projects) those that `reach` may read.
    pub(crate) fn readable(reach: &Reach, wanted: &[String]) -> ProjectSet {
        match reach.readable(wanted) {
            None => ProjectSet::All,
            Some(projects) => ProjectSet::Only(projects),
        }
    }

    pub(crate) fn contains(&self, project: &str) -> bool {
        match self {
            ProjectSet::All => true,
            ProjectSet::Only(projects) => projects.iter().any(|own| own == project),
        }
    }
}

/// Identifies one memory for ever; ids are never reused.
pub type MemoryId = i64;

/// The future that every call of the port returns.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// An operation, counted as `op`.
pub(crate) fn measured<'a, T: 'a>(
    op: Op,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> Stored<'a, T> {
    Box::pin(async move {
        let started = Instant::now();
        let result = work.await;
        metrics::SECONDS.since(op, started);
        if let Some(kind) = result.as_ref().err().and_then(StoreError::metered) {
            metrics::ERRORS.increment(kind);
        }
        result
    })
}

/// Why a store could not do what it was asked; nothing was changed.
#[derive(Debug)]
pub enum StoreError {
    /// No memory has these ids.
    NoSuchMemory(Vec<i64>),
    /// No edit can be undone by this id.
    NoSuchEdit(String),
    /// No key has this id.
    NoSuchKey(String),
    /// The change contradicts what is stored.
    Conflict(String),
    Protected(Vec<i64>),
    /// The caller may not write to this project.
    NoAccess(String),
    /// Nobody waits for the result any more.
    Cancelled,
    /// The store cannot be used now (locked, full, being opened elsewhere).
    Unavailable {
        /// For a person.
        reason: String,
        /// The next step.
        hint: &'static str,
    },
    /// The file is damaged, or not a Mimo database.
    Damaged(String),
    /// The domain's work failed and asked for a rollback; it keeps the reason.
    Abandoned,
    /// A defect of Mimo.
    Defect(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NoSuchMemory(ids) => write!(out, "no memory has {}", name_ids(ids)),
            StoreError::NoSuchEdit(id) => write!(out, "no edit can be undone by the id {id:?}"),
            StoreError::NoSuchKey(id) => write!(out, "no key has the id {id:?}"),
            StoreError::Conflict(reason) => out.write_str(reason),
            StoreError::Protected(ids) => write!(out, "protected: {}", name_ids(ids)),
            StoreError::NoAccess(project) => {
                write!(
                    out,
                    "the project {project:?} cannot be written to from here"
                )
            }
            StoreError::Cancelled => out.write_str("the call was cancelled"),
            StoreError::Unavailable { reason, .. } | StoreError::Damaged(reason) => {
                out.write_str(reason)
            }
            StoreError::Abandoned => out.write_str("the work was rolled back"),
            StoreError::Defect(source) => write!(out, "{source}"),
        }
    }
}

impl Error for StoreError {}

impl StoreError {
    /// The kind in metrics, unless the store works and the caller was refused.
    fn metered(&self) -> Option<metrics::ErrorKind> {
        match self {
            StoreError::Unavailable { .. } => Some(metrics::ErrorKind::Unavailable),
            StoreError::Damaged(_) => Some(metrics::ErrorKind::Damaged),
            StoreError::Defect(_) => Some(metrics::ErrorKind::Defect),
            _ => None,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NoSuchMemory(_) => Failure::new(Kind::NotFound, message)
                .hint("nothing was changed; memory_search shows the ids there are"),
            StoreError::NoSuchEdit(_) => Failure::new(Kind::NotFound, message)
                .hint("use the undo_id that the edit returned; edits are kept for 90 days"),
            StoreError::NoSuchKey(_) => Failure::new(Kind::NotFound, message)
                .hint("nothing was changed; `mimo keys list` shows the ids there are"),
            StoreError::Conflict(_) => Failure::new(Kind::Conflict, message),
            StoreError::Protected(_) => Failure::new(Kind::Refused, message)
                .hint("nothing was changed; use memory_edit with action unprotect first"),
            StoreError::NoAccess(_) => Failure::new(Kind::Refused, message)
                .hint("nothing was changed; leave project out to use your own"),
            StoreError::Cancelled => Failure::new(Kind::Cancelled, message),
            StoreError::Unavailable { hint, .. } => {
                Failure::new(Kind::Unavailable, message).hint(hint)
            }
            StoreError::Damaged(_) => Failure::new(Kind::Unavailable, message)
                .hint("`mimo verify` says what is wrong and how to go back to a backup"),
            StoreError::Abandoned => Failure::internal(message),
            StoreError::Defect(source) => Failure::internal(source),
        }
    }
}

fn name_ids(ids: &[i64]) -> String {
    let list: Vec<String> = ids.iter().map(i64::to_string).collect();
    let word = if ids.len() == 1 { "id" } else { "ids" };
    format!("the {word} {}", list.join(", "))
}
