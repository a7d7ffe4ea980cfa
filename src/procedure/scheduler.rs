//! The executions that this Mimo drives: their slots, their ends, what is asked
//! of them from outside, and the look for those that nobody drives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journal::{Decision, Entry, Event};
use super::machine::{Next, Work};
use super::{Inner, Procedures, driver, written};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::procedure::{AppendOutcome, BeginOutcome, Execution, NewExecution};

/// Told of every write to a journal: tests end the process there.
pub type JournalHook = Arc<dyn Fn(JournalWrite) + Send + Sync>;

/// When a watch is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalWrite {
    /// Before entries are written.
    Before,
    /// Once they are durable.
    After,
}

/// What this Mimo drives.
pub(super) struct Running {
    slots: Arc<Semaphore>,
    live: Mutex<HashMap<String, Driven>>,
    tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    watch: Option<JournalHook>,
}

/// One that is driven.
struct Driven {
    cancel: CancellationToken,
    changes: watch::Sender<u64>,
}

impl Running {
    pub(super) fn new(watch: Option<JournalHook>) -> Running {
        Running {
            slots: Arc::new(Semaphore::new(limits::PROCEDURES_RUNNING_MAX)),
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            watch,
        }
    }

    /// A slot for one more execution, if there is one.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let free = !self.stop.is_cancelled();
        free.then(|| self.slots.clone().try_acquire_owned().ok())?
    }

    /// Runs what nobody waits for; the end of Mimo does.
    pub(super) fn behind(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    pub(super) fn tell(&self, moment: JournalWrite) {
        if let Some(watch) = &self.watch {
            watch(moment);
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<String, Driven>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That something about an execution has changed.
    pub(super) fn changed(&self, id: &str) {
        if let Some(live) = self.live().get(id) {
            live.changes.send_modify(|count| *count += 1);
        }
    }
}

/// Drives an execution that this Mimo owns, on a task of its own. When it is
/// over, the slot goes to another that waits.
pub(super) fn spawn(inner: &Arc<Inner>, id: String, slot: OwnedSemaphorePermit) {
    let cancel = CancellationToken::new();
    let live = Driven {
        cancel: cancel.clone(),
        changes: watch::Sender::new(0),
    };
    inner.running.live().insert(id.clone(), live);
    let task = inner.clone();
    inner.running.tasks.spawn(async move {
        if let Err(failure) = driver::drive(&task, &id, &cancel).await {
            tracing::error!(execution = id, "an execution cannot go on: {failure}");
            if let Err(error) = task.store.release(id.clone()).await {
                tracing::error!(execution = id, "nor can it be let go: {error}");
            }
        }
        // Whoever waits for a change sees that the sender is gone.
        task.running.live().remove(&id);
        if let Err(failure) = more(&task, slot).await {
            tracing::warn!("no further execution was looked for: {failure}");
        }
    });
}

/// Gives a slot to an execution that waits for one.
async fn more(inner: &Arc<Inner>, slot: OwnedSemaphorePermit) -> Result<(), Failure> {
    if inner.running.stop.is_cancelled() {
        return Ok(());
    }
    let mut found = inner.store.claim_any(inner.clock.now(), 1).await?;
    if let Some(id) = found.pop() {
        spawn(inner, id, slot);
    }
    Ok(())
}

impl Inner {
    /// Makes an execution in the store.
    pub(super) async fn begin(&self, new: NewExecution) -> Result<BeginOutcome, Failure> {
        self.running.tell(JournalWrite::Before);
        let made = self.store.begin(new, self.clock.now()).await?;
        self.running.tell(JournalWrite::After);
        Ok(made)
    }
}

impl Procedures {
    /// Drives `id` if nobody does and it can go on; whether this Mimo drives it
    /// now.
    pub async fn resume(&self, id: &str) -> Result<bool, Failure> {
        let inner = &self.0;
        if inner.running.live().contains_key(id) {
            return Ok(true);
        }
        let Some(slot) = inner.running.slot() else {
            return Ok(false);
        };
        let claimed = inner.store.claim(id.to_owned()).await?;
        if claimed {
            spawn(inner, id.to_owned(), slot);
        }
        Ok(claimed)
    }

    /// Looks once for executions that nobody drives, and drives them.
    pub async fn recover(&self) -> Result<usize, Failure> {
        let inner = &self.0;
        for id in inner.store.to_cancel().await? {
            if let Some(live) = inner.running.live().get(&id) {
                live.cancel.cancel();
            }
        }
        // Seats are not held meanwhile: what is started now needs them, too.
        let free = inner.running.slots.available_permits();
        let found = inner.store.claim_any(inner.clock.now(), free).await?;
        let count = found.len();
        for id in found {
            match inner.running.slot() {
                Some(slot) => spawn(inner, id, slot),
                None => inner.store.release(id).await?,
            }
        }
        Ok(count)
    }

    /// Looks again and again, while `exists` says that there is a database.
    pub fn keep(&self, exists: impl Fn() -> bool + Send + 'static) {
        let procedures = self.clone();
        let stop = self.0.running.stop.clone();
        let look = async move {
            let mut told = String::new();
            loop {
                if exists()
                    && let Err(failure) = procedures.recover().await
                    && told != failure.message
                {
                    tracing::warn!("executions were not looked for: {failure}");
                    told = failure.message;
                }
                tokio::time::sleep(Duration::from_millis(limits::PROCEDURE_LOOK_MILLIS_MAX)).await;
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(look).await });
    }

    /// Asks for the end of an execution: what it did is rolled back.
    pub async fn cancel(&self, id: &str) -> Result<(), Failure> {
        let (_, machine) = self.0.machine(id).await?;
        if let Next::Ended(ending) = machine.next() {
            let message = format!("the execution {id} is {} already", ending.status());
            return Err(Failure::new(Kind::Conflict, message).at("/execution_id"));
        }
        self.0.store.ask_cancel(id.to_owned()).await?;
        if let Some(live) = self.0.running.live().get(id) {
            live.cancel.cancel();
            return Ok(());
        }
        self.resume(id).await?;
        Ok(())
    }

    /// Takes a person's decision on what an execution, or one that it has
    /// called, waits for. It can go on then; `resume` lets it.
    pub async fn decide(
        &self,
        id: &str,
        decision: Decision,
        by: &str,
        note: &str,
    ) -> Result<(), Failure> {
        let (mut id, mut above) = (id.to_owned(), Vec::new());
        let (execution, machine) = loop {
            let (execution, machine) = self.0.machine(&id).await?;
            match called(&machine) {
                Some(child) => above.push(std::mem::replace(&mut id, child)),
                None => break (execution, machine),
            }
        };
        let waits = machine.waits_for().map(|(_, started)| started.step);
        let refused = |why: String| {
            Failure::new(Kind::Conflict, format!("the execution {id}: {why}"))
                .hint("mimo procedure history shows what it waits for")
        };
        let step = waits.ok_or_else(|| refused("it waits for no decision".to_owned()))?;
        machine
            .may_decide(step, decision)
            .map_err(|journal_error| refused(journal_error.0))?;
        let event = Event::Decided {
            step,
            decision,
            by: by.to_owned(),
            note: note.to_owned(),
        };
        let now = self.0.clock.now();
        let entry = written(&Entry::new(now, event))?;
        let length = execution.entries;
        // Those that called it can go on with it, also where it was named itself.
        let mut parent = execution.parent;
        while let Some(id) = parent.take().filter(|id| !above.contains(id)) {
            parent = self.0.execution(&id).await?.parent;
            above.push(id);
        }
        self.0.running.tell(JournalWrite::Before);
        let done = self
            .0
            .store
            .decide(id.clone(), length, entry, above, now)
            .await?;
        self.0.running.tell(JournalWrite::After);
        match done {
            AppendOutcome::Written { .. } => Ok(()),
            AppendOutcome::Lost => Err(refused("someone else has just decided".to_owned())),
        }
    }

    /// Waits until an execution has ended or waits for a person, or until `end`;
    /// `changed` is told of what happens meanwhile.
    pub async fn wait(
        &self,
        id: &str,
        end: Instant,
        mut changed: impl FnMut(&Execution),
    ) -> Result<(), Failure> {
        let mut changes = {
            let live = self.0.running.live();
            live.get(id).map(|live| live.changes.subscribe())
        };
        loop {
            let execution = self.0.execution(id).await?;
            changed(&execution);
            let going = matches!(execution.status.as_str(), "pending" | "running");
            if !going || Instant::now() >= end {
                return Ok(());
            }
            let look = Duration::from_millis(limits::PROCEDURE_WATCH_MILLIS_MAX);
            match &mut changes {
                Some(live) => match tokio::time::timeout_at(end, live.changed()).await {
                    Ok(Ok(())) => {}
                    // It is driven no longer: its last entry is in the store.
                    Ok(Err(_)) => changes = None,
                    Err(_) => return Ok(()),
                },
                None => tokio::time::sleep_until(end.min(Instant::now() + look)).await,
            }
        }
    }

    /// Begins no further action and waits a moment for those that are being
    /// performed. What is not over by then goes on at the next start.
    pub async fn close(&self) {
        let running = &self.0.running;
        running.stop.cancel();
        running.tasks.close();
        let moment = Duration::from_millis(limits::PROCEDURE_CLOSE_MILLIS_MAX);
        if tokio::time::timeout(moment, running.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("procedures were left in the middle of an action");
        }
    }
}

/// The execution that a machine waits for, where that is its current task.
fn called(machine: &super::machine::Machine) -> Option<String> {
    match machine.next() {
        Next::Await(task, started) if !started.interrupted => match &task.work {
            Work::Procedure { .. } => Some(machine.child(started.step)),
            Work::Revert { execution } => Some(execution.clone()),
            _ => None,
        },
        _ => None,
    }
}
