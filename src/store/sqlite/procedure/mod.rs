//! Procedures in SQLite: the port's methods and how durable their commits are.

mod definitions;
mod executions;
mod group_commit;
mod leases;
mod owner;
mod recorded;

use std::path::Path;
use std::sync::OnceLock;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(super) use group_commit::GroupCommit;
pub(super) use owner::Owner;

use super::{SqliteStore, begin_write};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::meter::store::Op;
use crate::store::measured;
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, DefineOutcome, Execution, ExecutionStatus, ExecutionUpdate,
    NewExecution, ProcedureCensus, ProcedureStore, RecordedCall, StoredDefinition,
};
use crate::store::{StoreError, Stored};

impl SqliteStore {
    /// Like `write`, and the commit is on the disk when it returns: a journal
    /// that forgets an intent would let its action run twice.
    async fn write_durably<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_write(|connection| synced(connection, |connection| commit(connection, work)))
            .await
    }

    /// Claims or releases executions. An owner ends with its process at the
    /// latest, so this need not survive a crash of the machine.
    async fn write_lease<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Claimant<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (owner, path) = (self.owner.clone(), self.path.clone());
        self.write(move |tx| work(tx, &claimant(&owner, &path, tx)?))
            .await
    }
}

/// The owner id of this store, and the database next to which all owners' lock files
/// are.
struct Claimant<'a> {
    id: &'a str,
    database: &'a Path,
}

/// Runs `work` so that its commits wait for the disk.
fn synced<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.pragma_update(None, "synchronous", "full")?;
    let done = work(connection);
    connection.pragma_update(None, "synchronous", "normal")?;
    done
}

fn commit<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    begin_write(&tx)?;
    let value = work(&tx)?;
    tx.commit()?;
    Ok(value)
}

/// This store as an owner, which it becomes at its first claim.
fn claimant<'a>(
    owner: &'a OnceLock<Owner>,
    database: &'a Path,
    tx: &Transaction<'_>,
) -> Result<Claimant<'a>, StoreError> {
    let own = match owner.get() {
        Some(owner) => owner,
        None => {
            let sql = "SELECT lower(hex(randomblob(8)))";
            let id: String = tx.query_row(sql, [], |row| row.get(0))?;
            let new = Owner::new(database, id)?;
            owner.get_or_init(|| new)
        }
    };
    Ok(Claimant {
        id: &own.id,
        database,
    })
}

/// The projects that may be read, for `json_each`; null where all may.
fn readable(reach: &Reach) -> Option<String> {
    reach
        .readable(&[])
        .map(|projects| serde_json::json!(projects).to_string())
}

impl ProcedureStore for SqliteStore {
    fn define(
        &self,
        reach: Reach,
        definition: StoredDefinition,
        at: Timestamp,
    ) -> Stored<'_, DefineOutcome> {
        measured(
            Op::Define,
            self.write_durably(move |tx| definitions::define(tx, &reach, &definition, at)),
        )
    }

    fn remove_definition(
        &self,
        reach: Reach,
        project: String,
        name: String,
        version: Option<String>,
    ) -> Stored<'_, usize> {
        measured(
            Op::RemoveDefinition,
            self.write_durably(move |tx| {
                definitions::remove(tx, &reach, &project, &name, version.as_deref())
            }),
        )
    }

    fn definitions(&self, reach: Reach, name: Option<String>) -> Stored<'_, Vec<StoredDefinition>> {
        measured(
            Op::Definitions,
            self.read(move |tx| definitions::definitions(tx, &reach, name.as_deref())),
        )
    }

    fn definition(&self, hash: String) -> Stored<'_, Option<String>> {
        measured(
            Op::Definition,
            self.read(move |tx| definitions::definition(tx, &hash)),
        )
    }

    fn begin(
        &self,
        new: NewExecution,
        forget_before: Timestamp,
        at: Timestamp,
    ) -> Stored<'_, BeginOutcome> {
        measured(
            Op::Begin,
            self.write_grouped(move |tx, own| executions::begin(tx, own, &new, forget_before, at)),
        )
    }

    fn execution(&self, reach: Reach, id: String) -> Stored<'_, Option<Execution>> {
        measured(
            Op::Execution,
            self.read(move |tx| executions::execution(tx, &reach, &id)),
        )
    }

    fn journal(&self, reach: Reach, id: String) -> Stored<'_, Option<(Execution, Vec<String>)>> {
        measured(
            Op::Journal,
            self.read(move |tx| executions::journal(tx, &reach, &id)),
        )
    }

    fn executions(
        &self,
        reach: Reach,
        name: Option<String>,
        status: Option<ExecutionStatus>,
        limit: usize,
    ) -> Stored<'_, Vec<Execution>> {
        measured(
            Op::Executions,
            self.read(move |tx| executions::executions(tx, &reach, name.as_deref(), status, limit)),
        )
    }

    fn append(
        &self,
        id: String,
        length: u64,
        entries: Vec<String>,
        update: ExecutionUpdate,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome> {
        measured(
            Op::Append,
            self.write_grouped(move |tx, own| {
                executions::append(tx, own, &id, length, &entries, &update, at)
            }),
        )
    }

    fn decide(
        &self,
        reach: Reach,
        id: String,
        length: u64,
        entry: String,
        ancestors: Vec<String>,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome> {
        measured(
            Op::Decide,
            self.write_durably(move |tx| {
                executions::decide(tx, &reach, &id, length, entry, &ancestors, at)
            }),
        )
    }

    fn claim(&self, id: String) -> Stored<'_, bool> {
        measured(
            Op::Claim,
            self.write_lease(move |tx, own| leases::claim(tx, own, &id)),
        )
    }

    fn claim_any(&self, now: Timestamp, limit: usize) -> Stored<'_, Vec<String>> {
        measured(Op::ClaimAny, async move {
            // Most attempts find nothing and need not take the write lock.
            let own = self.owner.get().map(|owner| owner.id.clone());
            let any = self.read(move |tx| leases::any_to_claim(tx, own.as_deref(), now));
            if !any.await? {
                return Ok(Vec::new());
            }
            self.write_lease(move |tx, own| leases::claim_any(tx, own, now, limit))
                .await
        })
    }

    fn release(&self, id: String) -> Stored<'_, ()> {
        measured(
            Op::Release,
            self.write_lease(move |tx, own| leases::release(tx, own, &id)),
        )
    }

    fn request_cancel(&self, reach: Reach, id: String) -> Stored<'_, ()> {
        measured(
            Op::RequestCancel,
            self.write_durably(move |tx| executions::request_cancel(tx, &reach, &id)),
        )
    }

    fn cancel_requests(&self) -> Stored<'_, Vec<String>> {
        let owner = self.owner.clone();
        measured(
            Op::CancelRequests,
            self.read(move |tx| match owner.get() {
                Some(owner) => leases::cancel_requests(tx, &owner.id),
                None => Ok(Vec::new()),
            }),
        )
    }

    fn record(&self, calls: Vec<RecordedCall>, keep: usize) -> Stored<'_, ()> {
        measured(
            Op::Record,
            self.write(move |tx| recorded::record(tx, &calls, keep)),
        )
    }

    fn recorded(&self, reach: Reach, ids: Vec<String>) -> Stored<'_, Vec<RecordedCall>> {
        measured(
            Op::Recorded,
            self.read(move |tx| recorded::recorded(tx, &reach, &ids)),
        )
    }

    fn recent(&self, reach: Reach, limit: usize) -> Stored<'_, Vec<RecordedCall>> {
        measured(
            Op::Recent,
            self.read(move |tx| recorded::recent(tx, &reach, limit)),
        )
    }

    fn procedure_census(&self, reach: Reach) -> Stored<'_, ProcedureCensus> {
        measured(
            Op::ProcedureCensus,
            self.read(move |tx| {
                Ok(ProcedureCensus {
                    definitions: definitions::count(tx, &reach)?,
                    executions: executions::count(tx, &reach)?,
                })
            }),
        )
    }
}
