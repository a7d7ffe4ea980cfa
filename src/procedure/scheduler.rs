//! The executions that this Mimo drives: a bounded number at once, each on a
//! task of its own, and the search for executions without an owner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::driver::{Control, drive};
use super::engine::Engine;
use crate::failure::Failure;
use crate::limits;
use crate::store::changes::Topic;

pub(super) struct Scheduler {
    engine: Arc<Engine>,
    slots: Arc<Semaphore>,
    driven: Mutex<HashMap<String, Control>>,
    tasks: TaskTracker,
}

impl Scheduler {
    pub(super) fn new(engine: Arc<Engine>, tasks: TaskTracker) -> Scheduler {
        Scheduler {
            engine,
            slots: Arc::new(Semaphore::new(limits::PROCEDURES_RUNNING_MAX)),
            driven: Mutex::default(),
            tasks,
        }
    }

    fn driven(&self) -> MutexGuard<'_, HashMap<String, Control>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for one more execution, if one is free.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let stopping = self.engine.stop.is_cancelled();
        (!stopping).then(|| self.slots.clone().try_acquire_owned().ok())?
    }

    /// Drives an execution that this Mimo owns. When it ends, its slot goes to
    /// another that waits.
    pub(super) fn spawn(self: &Arc<Self>, id: String, slot: OwnedSemaphorePermit) {
        let control = Control::default();
        self.driven().insert(id.clone(), control.clone());
        let scheduler = self.clone();
        self.tasks.spawn(async move {
            let engine = &scheduler.engine;
            if let Err(failure) = drive(engine, &id, &control).await {
                tracing::error!(execution = id, "the execution cannot go on: {failure}");
                if let Err(error) = engine.store.release(id.clone()).await {
                    tracing::error!(execution = id, "the execution was not released: {error}");
                }
            }
            // Its watchers see that the sender is gone.
            scheduler.driven().remove(&id);
            drop(control);
            if let Err(failure) = scheduler.claim_next(slot).await {
                tracing::warn!("waiting executions were not claimed: {failure}");
            }
        });
    }

    /// Gives a slot to an execution that waits for one.
    async fn claim_next(self: &Arc<Self>, slot: OwnedSemaphorePermit) -> Result<(), Failure> {
        let engine = &self.engine;
        if engine.stop.is_cancelled() {
            return Ok(());
        }
        let mut found = engine.store.claim_any(engine.clock.now(), 1).await?;
        if let Some(id) = found.pop() {
            self.spawn(id, slot);
        }
        Ok(())
    }

    /// Claims and drives `id` if it has no owner and a slot is free. Returns
    /// whether this Mimo drives it now.
    pub(super) async fn resume(self: &Arc<Self>, id: &str) -> Result<bool, Failure> {
        if self.driven().contains_key(id) {
            return Ok(true);
        }
        let Some(slot) = self.slot() else {
            return Ok(false);
        };
        let claimed = self.engine.store.claim(id.to_owned()).await?;
        if claimed {
            self.spawn(id.to_owned(), slot);
        }
        Ok(claimed)
    }

    /// Cancels `id` if this Mimo drives it; returns whether it does.
    pub(super) fn cancel(&self, id: &str) -> bool {
        let driven = self.driven();
        let control = driven.get(id);
        control.inspect(|control| control.cancel.cancel()).is_some()
    }

    /// Notified of each journal write of `id`, if this Mimo drives it.
    pub(super) fn watch(&self, id: &str) -> Option<watch::Receiver<()>> {
        self.driven()
            .get(id)
            .map(|control| control.written.subscribe())
    }

    /// Claims and drives executions without an owner; returns how many.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<usize, Failure> {
        let store = &self.engine.store;
        for id in store.cancel_requests().await? {
            self.cancel(&id);
        }
        // Slots stay free meanwhile, because new executions need them as well.
        let free = self.slots.available_permits();
        let found = store.claim_any(self.engine.clock.now(), free).await?;
        let count = found.len();
        for id in found {
            match self.slot() {
                Some(slot) => self.spawn(id, slot),
                None => store.release(id).await?,
            }
        }
        Ok(count)
    }

    /// Recovers at intervals, once there is a store.
    pub(super) fn recover_periodically(self: &Arc<Self>) {
        let scheduler = self.clone();
        let work = async move {
            let mut logged = String::new();
            let mut cancels = scheduler.engine.store.announced(Topic::Cancels);
            loop {
                cancels.mark_unchanged();
                if scheduler.engine.store.exists()
                    && let Err(failure) = scheduler.recover().await
                    && logged != failure.message
                {
                    tracing::warn!("executions were not recovered: {failure}");
                    logged = failure.message;
                }
                let pause = Duration::from_millis(limits::PROCEDURE_POLL_MILLIS_MAX);
                // Both are reasons to look.
                let _ = tokio::time::timeout(pause, cancels.changed()).await;
            }
        };
        let stop = self.engine.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
    }
}
