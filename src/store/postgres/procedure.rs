//! Procedures in PostgreSQL. What must survive a crash is committed as the server
//! commits everything. PostgreSQL groups commits by itself.

mod definitions;
mod executions;
mod leases;
mod recorded;

use super::PostgresStore;
use super::transaction::Tx;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::meter::store::Op;
use crate::store::changes::Topic;
use crate::store::measured;
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, DefineOutcome, Execution, ExecutionStatus, ExecutionUpdate,
    NewExecution, ProcedureCensus, ProcedureStore, RecordedCall, StoredDefinition,
};
use crate::store::{StoreError, Stored};

impl PostgresStore {
    /// Commits claims. If it is unknown whether they were stored, this process leaves
    /// its node: the next owner takes over what nobody drives.
    async fn commit_lease(&self, tx: Tx) -> Result<(), StoreError> {
        let committed = tx.commit().await;
        if committed.is_err() {
            self.node.leave();
        }
        committed
    }

    async fn append_once(
        &self,
        node: i64,
        id: &str,
        length: u64,
        entries: &[String],
        update: &ExecutionUpdate,
        at: Timestamp,
    ) -> Result<AppendOutcome, StoreError> {
        let tx = self.begin_write(&[]).await?;
        let appended = executions::append(&tx, node, id, length, entries, update, at).await?;
        tx.commit().await?;
        Ok(appended)
    }
}

impl ProcedureStore for PostgresStore {
    fn define(
        &self,
        reach: Reach,
        definition: StoredDefinition,
        at: Timestamp,
    ) -> Stored<'_, DefineOutcome> {
        measured(Op::Define, async move {
            let tx = self.begin_write(&[]).await?;
            let defined = definitions::define(&tx, &reach, &definition, at).await?;
            tx.commit().await?;
            Ok(defined)
        })
    }

    fn remove_definition(
        &self,
        reach: Reach,
        project: String,
        name: String,
        version: Option<String>,
    ) -> Stored<'_, usize> {
        measured(Op::RemoveDefinition, async move {
            let tx = self.begin_write(&[]).await?;
            let removed =
                definitions::remove(&tx, &reach, &project, &name, version.as_deref()).await?;
            tx.commit().await?;
            Ok(removed)
        })
    }

    fn definitions(&self, reach: Reach, name: Option<String>) -> Stored<'_, Vec<StoredDefinition>> {
        measured(Op::Definitions, async move {
            let tx = self.begin_read().await?;
            let found = definitions::definitions(&tx, &reach, name.as_deref()).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn definition(&self, hash: String) -> Stored<'_, Option<String>> {
        measured(Op::Definition, async move {
            let tx = self.begin_read().await?;
            let found = definitions::definition(&tx, &hash).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn begin(
        &self,
        new: NewExecution,
        forget_before: Timestamp,
        at: Timestamp,
    ) -> Stored<'_, BeginOutcome> {
        measured(Op::Begin, async move {
            let owner = match new.owned {
                true => Some(self.node.join(&self.connector).await?),
                false => None,
            };
            let tx = self.begin_write(&[]).await?;
            let begun = executions::begin(&tx, owner, &new, forget_before, at).await?;
            let Err(error) = tx.commit().await else {
                return Ok(begun);
            };
            // A caller that gets an error does not drive it.
            match self.execution(Reach::Everything, new.id).await {
                Ok(Some(_)) => Ok(begun),
                Ok(None) => Err(error),
                Err(_) => {
                    self.node.leave();
                    Err(error)
                }
            }
        })
    }

    fn execution(&self, reach: Reach, id: String) -> Stored<'_, Option<Execution>> {
        measured(Op::Execution, async move {
            let tx = self.begin_read().await?;
            let found = executions::execution(&tx, &reach, &id).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn journal(&self, reach: Reach, id: String) -> Stored<'_, Option<(Execution, Vec<String>)>> {
        measured(Op::Journal, async move {
            let tx = self.begin_read().await?;
            let found = executions::journal(&tx, &reach, &id).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn executions(
        &self,
        reach: Reach,
        name: Option<String>,
        status: Option<ExecutionStatus>,
        limit: usize,
    ) -> Stored<'_, Vec<Execution>> {
        measured(Op::Executions, async move {
            let tx = self.begin_read().await?;
            let found = executions::executions(&tx, &reach, name.as_deref(), status, limit).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn append(
        &self,
        id: String,
        length: u64,
        entries: Vec<String>,
        update: ExecutionUpdate,
        at: Timestamp,
    ) -> Stored<'_, AppendOutcome> {
        measured(Op::Append, async move {
            // Without its node this process may begin nothing: another may be about to
            // take the execution over.
            let Some(node) = self.node.current() else {
                return Ok(AppendOutcome::Lost);
            };
            let appended = self.append_once(node, &id, length, &entries, &update, at);
            let error = match appended.await {
                Err(error @ StoreError::Unavailable { .. }) => error,
                done => return done,
            };
            // The answer to a commit may be lost after the commit.
            let stored = async {
                let tx = self.begin_read().await?;
                let stored = executions::appended(&tx, &id, length, &entries).await?;
                tx.commit().await?;
                Ok::<_, StoreError>(stored)
            };
            stored.await.ok().flatten().ok_or(error)
        })
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
        measured(Op::Decide, async move {
            let tx = self.begin_write(&[]).await?;
            let decided =
                executions::decide(&tx, &reach, &id, length, &entry, &ancestors, at).await?;
            tx.commit().await?;
            Ok(decided)
        })
    }

    fn claim(&self, id: String) -> Stored<'_, bool> {
        measured(Op::Claim, async move {
            let node = self.node.join(&self.connector).await?;
            let tx = self.begin_write(&[]).await?;
            let claimed = leases::claim(&tx, node, &id).await?;
            self.commit_lease(tx).await?;
            Ok(claimed)
        })
    }

    fn claim_any(&self, now: Timestamp, limit: usize) -> Stored<'_, Vec<String>> {
        measured(Op::ClaimAny, async move {
            // Most attempts find nothing, and need neither a node nor a place among the
            // writers.
            let own = self.node.current().unwrap_or_default();
            let tx = self.begin_read().await?;
            let any = leases::any_to_claim(&tx, own, now).await?;
            tx.commit().await?;
            if !any {
                return Ok(Vec::new());
            }
            let node = self.node.join(&self.connector).await?;
            let tx = self.begin_write(&[]).await?;
            let claimed = leases::claim_any(&tx, node, now, limit).await?;
            self.commit_lease(tx).await?;
            Ok(claimed)
        })
    }

    fn release(&self, id: String) -> Stored<'_, ()> {
        measured(Op::Release, async move {
            // What a lost node owned is free already.
            let Some(node) = self.node.current() else {
                return Ok(());
            };
            let tx = self.begin_write(&[]).await?;
            leases::release(&tx, node, &id).await?;
            tx.commit().await
        })
    }

    fn request_cancel(&self, reach: Reach, id: String) -> Stored<'_, ()> {
        measured(Op::RequestCancel, async move {
            let tx = self.begin_write(&[]).await?;
            executions::request_cancel(&tx, &reach, &id).await?;
            self.announce(&tx, Topic::Cancels).await?;
            tx.commit().await
        })
    }

    fn cancel_requests(&self) -> Stored<'_, Vec<String>> {
        measured(Op::CancelRequests, async move {
            let Some(node) = self.node.current() else {
                return Ok(Vec::new());
            };
            let tx = self.begin_read().await?;
            let found = leases::cancel_requests(&tx, node).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn record(&self, calls: Vec<RecordedCall>, keep: usize) -> Stored<'_, ()> {
        measured(Op::Record, async move {
            let tx = self.begin_write(&[]).await?;
            recorded::record(&tx, &calls, keep).await?;
            tx.commit().await
        })
    }

    fn recorded(&self, reach: Reach, ids: Vec<String>) -> Stored<'_, Vec<RecordedCall>> {
        measured(Op::Recorded, async move {
            let tx = self.begin_read().await?;
            let found = recorded::recorded(&tx, &reach, &ids).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn recent(&self, reach: Reach, limit: usize) -> Stored<'_, Vec<RecordedCall>> {
        measured(Op::Recent, async move {
            let tx = self.begin_read().await?;
            let found = recorded::recent(&tx, &reach, limit).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn procedure_census(&self, reach: Reach) -> Stored<'_, ProcedureCensus> {
        measured(Op::ProcedureCensus, async move {
            let tx = self.begin_read().await?;
            let census = ProcedureCensus {
                definitions: definitions::count(&tx, &reach).await?,
                executions: executions::count(&tx, &reach).await?,
            };
            tx.commit().await?;
            Ok(census)
        })
    }
}
