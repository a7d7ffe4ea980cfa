//! Procedures in SQLite: the port's methods, and how their commits are made
//! durable. The SQL is beside it.

mod group_commit;
mod owner;
mod sql;

use std::path::Path;
use std::sync::OnceLock;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use group_commit::GroupCommit;
pub use owner::Owner;

use super::SqliteStore;
use crate::clock::Timestamp;
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, DefineOutcome, Execution, ExecutionUpdate, NewExecution,
    ProcedureCensus, ProcedureStore, RecordedCall, StoredDefinition,
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
        self.run_write(job).await
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
    fn define(&self, definition: StoredDefinition, at: Timestamp) -> Stored<'_, DefineOutcome> {
        Box::pin(self.write_durably(move |file| sql::define(file, &definition, at)))
    }

    fn versions(&self, name: String) -> Stored<'_, Vec<StoredDefinition>> {
        Box::pin(self.read(move |file| sql::versions(file, &name)))
    }

    fn definition(&self, hash: String) -> Stored<'_, Option<StoredDefinition>> {
        Box::pin(self.read(move |file| sql::definition(file, &hash)))
    }

    fn definitions(&self) -> Stored<'_, Vec<StoredDefinition>> {
        Box::pin(self.read(sql::definitions))
    }

    fn begin(&self, new: NewExecution, at: Timestamp) -> Stored<'_, BeginOutcome> {
        Box::pin(self.write_grouped(move |file, claimant| sql::begin(file, claimant, &new, at)))
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
        standing: ExecutionUpdate,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome> {
        Box::pin(self.write_grouped(move |file, claimant| {
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
    ) -> Stored<'_, AppendOutcome> {
        Box::pin(self.write_durably(move |file| sql::decide(file, &id, length, &entry, &above, at)))
    }

    fn claim(&self, id: String) -> Stored<'_, bool> {
        Box::pin(self.write_lease(move |file, claimant| sql::claim(file, claimant, &id)))
    }

    fn claim_any(&self, now: Timestamp, limit: usize) -> Stored<'_, Vec<String>> {
        Box::pin(async move {
            // Most looks find nothing, and need not hold up who writes.
            let own = self.owner.get().map(|owner| owner.id.clone());
            let any = self.read(move |file| sql::any_to_claim(file, own.as_deref(), now));
            if !any.await? {
                return Ok(Vec::new());
            }
            self.write_lease(move |file, claimant| sql::claim_any(file, claimant, now, limit))
                .await
        })
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

    fn record(&self, calls: Vec<RecordedCall>, keep: usize) -> Stored<'_, ()> {
        Box::pin(self.write(move |file| sql::record(file, &calls, keep)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn wait<T>(work: impl Future<Output = Result<T, StoreError>>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(work).expect("stored")
    }

    fn new(id: &str) -> NewExecution {
        NewExecution {
            id: id.to_owned(),
            hash: "h".to_owned(),
            idempotency_key: None,
            depth: 0,
            parent: None,
            entry: "{}".to_owned(),
            owned: true,
        }
    }

    fn standing(status: &'static str, parked: bool) -> ExecutionUpdate {
        ExecutionUpdate {
            status,
            state: "s".to_owned(),
            parked,
            wake_at: None,
        }
    }

    fn two_stores() -> (tempfile::TempDir, SqliteStore, SqliteStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let start = || SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
        let (one, two) = (start(), start());
        let definition = StoredDefinition {
            hash: "h".to_owned(),
            name: "n".to_owned(),
            version: "1".to_owned(),
            description: String::new(),
            definition: "{}".to_owned(),
        };
        wait(one.define(definition, Timestamp(0)));
        (folder, one, two)
    }

    #[test]
    fn only_its_owner_writes_to_a_journal_and_only_at_its_end() {
        let (_folder, one, two) = two_stores();
        let at = Timestamp(1);
        wait(one.begin(new("a"), at));
        let append = |store: &SqliteStore, length| {
            let entries = vec!["{}".to_owned()];
            wait(store.append(
                "a".to_owned(),
                length,
                entries,
                standing("running", false),
                at,
            ))
        };
        assert_eq!(append(&two, 1), AppendOutcome::Lost, "it is another's");
        assert_eq!(append(&one, 0), AppendOutcome::Lost, "it has grown");
        let written = AppendOutcome::Written { cancel: false };
        assert_eq!(append(&one, 1), written);
        assert!(!wait(two.claim("a".to_owned())), "its owner lives");
        assert_eq!(wait(two.claim_any(at, 9)), Vec::<String>::new());
        wait(two.ask_cancel("a".to_owned()));
        assert_eq!(wait(one.to_cancel()), ["a"]);
        assert_eq!(append(&one, 2), AppendOutcome::Written { cancel: true });
        drop(one);
        assert_eq!(wait(two.claim_any(at, 9)), ["a"]);
        assert_eq!(append(&two, 3), AppendOutcome::Written { cancel: true });
        assert_eq!(wait(two.journal("a".to_owned())).len(), 4);
    }

    #[test]
    fn one_of_several_writes_at_once_that_fails_takes_no_other_along() {
        let (_folder, one, _two) = two_stores();
        let unknown = NewExecution {
            hash: "unknown".to_owned(),
            ..new("bad")
        };
        let at = Timestamp(1);
        let made = wait(async {
            let all = futures::join!(
                one.begin(new("a"), at),
                one.begin(unknown, at),
                one.begin(new("b"), at),
                one.begin(new("a"), at),
            );
            assert!(matches!(all.1, Err(StoreError::Conflict(_))), "{all:?}");
            Ok([all.0?, all.2?, all.3?])
        });
        let again = BeginOutcome::Existing("a".to_owned());
        assert_eq!(made, [BeginOutcome::Created, BeginOutcome::Created, again]);
        assert_eq!(wait(one.executions(None, None, 9)).len(), 2);
    }

    #[test]
    fn what_ended_long_ago_is_forgotten_and_nothing_else() {
        let (_folder, one, _two) = two_stores();
        for (id, status) in [("ended", "completed"), ("waits", "waiting_approval")] {
            wait(one.begin(new(id), Timestamp(1)));
            let parked = standing(status, true);
            wait(one.append(id.to_owned(), 1, Vec::new(), parked, Timestamp(2)));
        }
        wait(one.begin(new("runs"), Timestamp(1)));
        let later = Timestamp(3).plus_seconds(limits::EXECUTION_DAYS_MAX * 24 * 60 * 60);
        wait(one.begin(new("new"), later));
        let left = wait(one.executions(None, None, 9));
        let left: Vec<&str> = left.iter().map(|each| each.id.as_str()).collect();
        assert_eq!(left, ["new", "runs", "waits"]);
        assert!(wait(one.journal("ended".to_owned())).is_empty());
    }
}
