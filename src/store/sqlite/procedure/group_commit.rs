//! Writes to journals that come at the same time are committed group_commit: a disk
//! that is synced once for all of them is synced as often as it can be, and
//! nobody waits for more than the commit before their own.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Claimant, Owner, claimant};
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;

/// One of the writes; gives what tells its caller, once all are committed.
type Member = Box<dyn FnOnce(&Transaction<'_>, &Claimant<'_>) -> Answer + Send>;
/// Given why the commit failed, if it did.
type Answer = Box<dyn FnOnce(Option<&StoreError>) + Send>;

/// Writes that wait for the next commit.
#[derive(Clone, Default)]
pub struct GroupCommit(Arc<Mutex<Vec<Member>>>);

impl GroupCommit {
    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqliteStore {
    /// Runs `work` in one durable transaction with the others that wait. Where it
    /// fails, what it did is taken back and the others stay.
    pub(super) async fn write_grouped<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Claimant<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, value) = oneshot::channel();
        let member: Member = Box::new(move |file, claimant| {
            let done = in_savepoint(file, || work(file, claimant));
            Box::new(move |failed: Option<&StoreError>| {
                let done = match failed {
                    None => done,
                    Some(error) => Err(not_committed(error)),
                };
                let _nobody_waits_any_more = answer.send(done);
            })
        });
        self.group_commit.members().push(member);
        let (group_commit, owner) = (self.group_commit.clone(), self.owner.clone());
        let path = self.path.clone();
        let job =
            move |connection: &mut Connection| commit(connection, &group_commit, &owner, &path);
        self.run_write(job).await?;
        // Another one's commit may have taken it along, and failed.
        value.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable {
                reason: "the journal could not be written".to_owned(),
                hint: "try again; the log names the reason",
            })
        })
    }
}

/// Commits whatever waits by now.
fn commit(
    connection: &mut Connection,
    group_commit: &GroupCommit,
    owner: &OnceLock<Owner>,
    path: &Path,
) -> Result<(), StoreError> {
    let members = std::mem::take(&mut *group_commit.members());
    if members.is_empty() {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", "full")?;
    let done = commit_all(connection, members, owner, path);
    connection.pragma_update(None, "synchronous", "normal")?;
    done
}

fn commit_all(
    connection: &mut Connection,
    members: Vec<Member>,
    owner: &OnceLock<Owner>,
    path: &Path,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let claimant = claimant(owner, path, &transaction)?;
    let one = |member: Member| member(&transaction, &claimant);
    let answers: Vec<Answer> = members.into_iter().map(one).collect();
    let committed = transaction.commit().map_err(StoreError::from);
    for answer in answers {
        answer(committed.as_ref().err());
    }
    committed
}

/// Runs `work` so that its failure takes back only what it did itself.
fn in_savepoint<T>(
    file: &Transaction<'_>,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    file.execute_batch("SAVEPOINT member")?;
    let done = work();
    let end = match &done {
        Ok(_) => "RELEASE member",
        Err(_) => "ROLLBACK TO member; RELEASE member",
    };
    file.execute_batch(end)?;
    done
}

fn not_committed(error: &StoreError) -> StoreError {
    StoreError::Unavailable {
        reason: error.to_string(),
        hint: "free the disk or the database, then try again",
    }
}
