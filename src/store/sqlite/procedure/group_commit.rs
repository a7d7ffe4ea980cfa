//! Group commit: journal writes that are waiting share one transaction and one
//! fsync, so nobody waits for more than the commit before their own.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Claimant, Owner, claimant, synced};
use crate::store::StoreError;
use crate::store::sqlite::{SqliteStore, begin_write};

/// One of the writes. Returns the reply to its caller, due after the commit.
type QueuedWrite = Box<dyn FnOnce(&Transaction<'_>, &Claimant<'_>) -> OnCommit + Send>;
/// Takes the error of the commit, if there was one.
type OnCommit = Box<dyn FnOnce(Option<&StoreError>) + Send>;

/// Writes that wait for the next commit.
#[derive(Clone, Default)]
pub(crate) struct GroupCommit(Arc<Mutex<Vec<QueuedWrite>>>);

impl GroupCommit {
    fn members(&self) -> MutexGuard<'_, Vec<QueuedWrite>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqliteStore {
    /// Runs `work` in one durable transaction with the other waiting writes. If
    /// it fails, its own changes are rolled back and the others stay.
    pub(super) async fn write_grouped<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Claimant<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, value) = oneshot::channel();
        let member: QueuedWrite = Box::new(move |tx, own| {
            let done = in_savepoint(tx, || work(tx, own));
            Box::new(move |failed: Option<&StoreError>| {
                let done = match failed {
                    None => done,
                    Some(error) => Err(not_committed(error)),
                };
                let _ = reply.send(done);
            })
        });
        self.group_commit.members().push(member);
        let (group, owner) = (self.group_commit.clone(), self.owner.clone());
        let path = self.path.clone();
        self.run_write(move |connection| commit(connection, &group, &owner, &path))
            .await?;
        // The commit of another member may have included this one, and failed.
        value.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable {
                reason: "the journal could not be written".to_owned(),
                hint: "try again; the log has the reason",
            })
        })
    }
}

/// Commits the writes that are waiting by now.
fn commit(
    connection: &mut Connection,
    group: &GroupCommit,
    owner: &OnceLock<Owner>,
    path: &Path,
) -> Result<(), StoreError> {
    let members = std::mem::take(&mut *group.members());
    if members.is_empty() {
        return Ok(());
    }
    synced(connection, |connection| {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        begin_write(&tx)?;
        let own = claimant(owner, path, &tx)?;
        let replies: Vec<OnCommit> = members
            .into_iter()
            .map(|member| member(&tx, &own))
            .collect();
        let committed = tx.commit().map_err(StoreError::from);
        for reply in replies {
            reply(committed.as_ref().err());
        }
        committed
    })
}

/// Runs `work` so that its failure rolls back only its own changes.
fn in_savepoint<T>(
    tx: &Transaction<'_>,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    tx.execute_batch("SAVEPOINT member")?;
    let done = work();
    let end = match &done {
        Ok(_) => "RELEASE member",
        Err(_) => "ROLLBACK TO member; RELEASE member",
    };
    tx.execute_batch(end)?;
    done
}

fn not_committed(error: &StoreError) -> StoreError {
    StoreError::Unavailable {
        reason: error.to_string(),
        hint: "free disk space or unlock the database, then try again",
    }
}
