//! Procedures in SQLite: the port's methods, and how their commits are made
//! durable. The SQL is beside it.

mod owner;
mod sql;

use std::path::Path;
use std::sync::OnceLock;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use owner::Owner;

use super::SqliteStore;
use crate::clock::Timestamp;
use crate::store::procedure::{
    Appended, Execution, Kept, KeptDefinition, Made, NewExecution, ProcedureCensus, ProcedureStore,
    RecordedCall, Standing,
};
use crate::store::{StoreError, Stored};

impl SqliteStore {
    /// Like `write`, and the commit is on the disk when it returns: a journal
    /// that forgets an intent would let its action run twice.
    async fn write_durably<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let job = |connection: &mut Connection| {
            connection.pragma_update(None, "synchronous", "full")?;
            let done = commit(connection, work);
            connection.pragma_update(None, "synchronous", "normal")?;
            done
        };
        self.writer.run(job).await
    }

    /// Takes or lets go executions. An owner ends with its process at the
    /// latest, so this need not outlive a crash of the machine.
    async fn write_lease<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Claimant<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (owner, path) = (self.owner.clone(), self.path.clone());
        self.write(move |file| work(file, &claimant(&owner, &path, file)?))
            .await
    }

    /// Like `write_durably`, by this store as an owner.
    async fn write_owning<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Claimant<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (owner, path) = (self.owner.clone(), self.path.clone());
        self.write_durably(move |file| work(file, &claimant(&owner, &path, file)?))
            .await
    }
}

/// Who claims, and where the locks of the others lie.
pub struct Claimant<'a> {
    /// The id of this store.
    pub own: &'a str,
    /// The database beside which the locks lie.
    pub database: &'a Path,
}

fn commit<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// This store as an owner, which it becomes at its first claim.
fn claimant<'a>(
    owner: &'a OnceLock<Owner>,
    database: &'a Path,
    file: &Transaction<'_>,
) -> Result<Claimant<'a>, StoreError> {
    let own = match owner.get() {
        Some(owner) => owner,
        None => {
            let sql = "SELECT lower(hex(randomblob(8)))";
            let id: String = file.query_row(sql, [], |row| row.get(0))?;
            let new = Owner::new(database, id)?;
            owner.get_or_init(|| new)
        }
    };
    Ok(Claimant {
        own: &own.id,
        database,
    })
}

impl ProcedureStore for SqliteStore {
    fn define(&self, definition: KeptDefinition, at: Timestamp) -> Stored<'_, Kept> {
        Box::pin(self.write_durably(move |file| sql::define(file, &definition, at)))
    }

    fn versions(&self, name: String) -> Stored<'_, Vec<KeptDefinition>> {
        Box::pin(self.read(move |file| sql::versions(file, &name)))
    }

    fn definition(&self, hash: String) -> Stored<'_, Option<KeptDefinition>> {
        Box::pin(self.read(move |file| sql::definition(file, &hash)))
    }

    fn definitions(&self) -> Stored<'_, Vec<KeptDefinition>> {
        Box::pin(self.read(sql::definitions))
    }

    fn begin(&self, new: NewExecution, at: Timestamp) -> Stored<'_, Made> {
        Box::pin(self.write_owning(move |file, claimant| sql::begin(file, claimant, &new, at)))
    }

    fn execution(&self, id: String) -> Stored<'_, Option<Execution>> {
        Box::pin(self.read(move |file| sql::execution(file, &id)))
    }

    fn executions(
        &self,
        name: Option<String>,
        status: Option<String>,
        limit: usize,
    ) -> Stored<'_, Vec<Execution>> {
        Box::pin(
            self.read(move |file| sql::executions(file, name.as_deref(), status.as_deref(), limit)),
        )
    }

    fn journal(&self, id: String) -> Stored<'_, Vec<String>> {
        Box::pin(self.read(move |file| sql::journal(file, &id)))
    }

    fn append(
        &self,
        id: String,
        length: u64,
        entries: Vec<String>,
        standing: Standing,
        at: Timestamp,
    ) -> Stored<'_, Appended> {
        Box::pin(self.write_owning(move |file, claimant| {
            sql::append(file, claimant, &id, length, &entries, &standing, at)
        }))
    }

    fn decide(
        &self,
        id: String,
        length: u64,
        entry: String,
        above: Vec<String>,
        at: Timestamp,
    ) -> Stored<'_, Appended> {
        Box::pin(self.write_durably(move |file| sql::decide(file, &id, length, &entry, &above, at)))
    }

    fn claim(&self, id: String) -> Stored<'_, bool> {
        Box::pin(self.write_lease(move |file, claimant| sql::claim(file, claimant, &id)))
    }

    fn claim_any(&self, now: Timestamp, limit: usize) -> Stored<'_, Vec<String>> {
        Box::pin(self.write_lease(move |file, claimant| sql::claim_any(file, claimant, now, limit)))
    }

    fn release(&self, id: String) -> Stored<'_, ()> {
        Box::pin(self.write_lease(move |file, claimant| sql::release(file, claimant, &id)))
    }

    fn ask_cancel(&self, id: String) -> Stored<'_, ()> {
        Box::pin(self.write_durably(move |file| sql::ask_cancel(file, &id)))
    }

    fn to_cancel(&self) -> Stored<'_, Vec<String>> {
        let owner = self.owner.clone();
        Box::pin(self.read(move |file| match owner.get() {
            Some(owner) => sql::to_cancel(file, &owner.id),
            None => Ok(Vec::new()),
        }))
    }

    fn record(&self, call: RecordedCall, keep: usize) -> Stored<'_, ()> {
        Box::pin(self.write(move |file| sql::record(file, &call, keep)))
    }

    fn recorded(&self, ids: Vec<String>) -> Stored<'_, Vec<RecordedCall>> {
        Box::pin(self.read(move |file| sql::recorded(file, &ids)))
    }

    fn recent(&self, limit: usize) -> Stored<'_, Vec<RecordedCall>> {
        Box::pin(self.read(move |file| sql::recent(file, limit)))
    }

    fn procedure_census(&self) -> Stored<'_, ProcedureCensus> {
        Box::pin(self.read(sql::census))
    }
}
