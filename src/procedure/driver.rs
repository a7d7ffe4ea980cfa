//! Drives one execution: journals the intent of the next action, performs it, and
//! journals its result together with the next intent, each in one durable
//! transaction.

mod perform;

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::journal::{ActionError, ActionOutcome, Entry, Event, SideEffects, StopReason};
use super::machine::{EvaluatedAction, Machine, Next, StepStart, Task, later};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::meter::skills as metrics;
use crate::store::procedure::{AppendOutcome, Execution, ExecutionStatus, ExecutionUpdate};

/// Why driving an execution stopped.
pub(super) enum DriveOutcome {
    Ended(Box<Machine>),
    /// A person has to decide, until the given time if there is one.
    Parked(Option<Timestamp>),
    /// This Mimo shuts down, or another one owns the execution.
    Released,
}

/// Controls an execution while it is driven.
#[derive(Clone, Default)]
pub(super) struct Control {
    pub(super) cancel: CancellationToken,
    /// Notified after each write to its journal.
    pub(super) written: watch::Sender<()>,
}

struct Driver<'a> {
    engine: &'a Engine,
    id: &'a str,
    execution: Execution,
    machine: Machine,
    /// Number of entries in the store.
    length: u64,
    /// Entries that are not in the store yet.
    pending: Vec<Entry>,
    control: &'a Control,
    /// Whether cancellation had been requested when the current step began.
    cancelling: bool,
}

enum StepOutcome {
    Done(ActionOutcome),
    Parked(Option<Timestamp>),
    Released,
}

/// Whether a step can be performed now.
enum StepClaim {
    Claimed(StepStart),
    /// The machine decides again what comes next.
    Deferred,
    /// Another Mimo has taken over the execution.
    LeaseLost,
}

/// Drives an execution that this Mimo owns.
pub(super) fn drive<'a>(
    engine: &'a Engine,
    id: &'a str,
    control: &'a Control,
) -> BoxFuture<'a, Result<DriveOutcome, Failure>> {
    async move { Driver::load(engine, id, control).await?.run().await }.boxed()
}

impl<'a> Driver<'a> {
    async fn load(
        engine: &'a Engine,
        id: &'a str,
        control: &'a Control,
    ) -> Result<Driver<'a>, Failure> {
        let (execution, machine) = engine.machine(&Reach::Everything, id).await?;
        if execution.cancel {
            control.cancel.cancel();
        }
        Ok(Driver {
            engine,
            id,
            length: execution.entries,
            execution,
            machine,
            pending: Vec::new(),
            control,
            cancelling: false,
        })
    }

    async fn run(&mut self) -> Result<DriveOutcome, Failure> {
        loop {
            let now = self.engine.clock.now();
            self.cancelling = self.control.cancel.is_cancelled();
            let (task, started) = match self.machine.next() {
                Next::Ended(_) => {
                    return Ok(match self.write(true, None).await? {
                        AppendOutcome::Written { .. } => {
                            DriveOutcome::Ended(Box::new(self.machine.clone()))
                        }
                        AppendOutcome::Lost => DriveOutcome::Released,
                    });
                }
                Next::Perform(task) => (task.clone(), None),
                Next::Await(task, started) => (task.clone(), Some(started)),
            };
            // A called execution stops and rolls itself back where it is driven,
            // below.
            let runs_below = started.is_some() && task.work.is_execution();
            if let Some(reason) = self.must_stop(now).filter(|_| !runs_below) {
                self.record(Event::Stopped { reason })?;
                continue;
            }
            if self.machine.waits_for().is_some() {
                match self.wait_for_decision(&task, started, now).await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                }
            }
            if self.engine.stop.is_cancelled() {
                return self.release().await;
            }
            let started = match self.claim_step(&task, started, now).await? {
                StepClaim::Claimed(started) => started,
                StepClaim::Deferred => continue,
                StepClaim::LeaseLost => return Ok(DriveOutcome::Released),
            };
            if matches!(task.work, EvaluatedAction::Approval { .. }) {
                continue;
            }
            match self.perform(&task, started).await? {
                StepOutcome::Done(outcome) => {
                    metrics::STEPS.increment(match &outcome {
                        ActionOutcome::Result(_) => metrics::StepOutcome::Done,
                        ActionOutcome::Error(_) => metrics::StepOutcome::Failed,
                    });
                    self.record_outcome(started.step, outcome)?;
                }
                StepOutcome::Parked(wake_at) => {
                    if !self.machine.parked() {
                        self.record(Event::Parked)?;
                    }
                    if let Some(outcome) = self.park(wake_at).await? {
                        return Ok(outcome);
                    }
                }
                StepOutcome::Released => return self.release().await,
            }
        }
    }

    /// Waits for a person's decision until the timeout of `task`; gives the outcome if
    /// the execution is left to whoever decides.
    async fn wait_for_decision(
        &mut self,
        task: &Task,
        started: Option<StepStart>,
        now: Timestamp,
    ) -> Result<Option<DriveOutcome>, Failure> {
        let late = started.and_then(|started| wake_at(task, started));
        if late.is_some_and(|late| late <= now) {
            let step = started.map_or(0, |started| started.step);
            let ms = task.timeout_ms.unwrap_or_default();
            let why = format!("nobody decided within the timeout_ms of {ms}");
            let outcome = ActionOutcome::Error(ActionError::new("timeout", why));
            self.record(Event::StepFinished { step, outcome })?;
            return Ok(None);
        }
        self.park(late).await
    }

    /// Journals that this Mimo performs `task`, before it does.
    async fn claim_step(
        &mut self,
        task: &Task,
        started: Option<StepStart>,
        now: Timestamp,
    ) -> Result<StepClaim, Failure> {
        let Some(started) = started else {
            if !self.wait_until_due(task, now).await? {
                return Ok(StepClaim::Deferred);
            }
            let started = self.record_intent(task).await?;
            return Ok(started.map_or(StepClaim::LeaseLost, StepClaim::Claimed));
        };
        if !matches!(task.work, EvaluatedAction::Tool { .. }) {
            return Ok(StepClaim::Claimed(started));
        }
        // A tool call from before this Mimo claimed it: its outcome is unknown.
        if !may_repeat(started) {
            self.record(Event::StepInterrupted { step: started.step })?;
            return Ok(StepClaim::Deferred);
        }
        self.record(Event::StepTakenOver { step: started.step })?;
        Ok(match self.write(false, None).await? {
            AppendOutcome::Written { .. } => StepClaim::Claimed(started),
            AppendOutcome::Lost => StepClaim::LeaseLost,
        })
    }

    /// Records the outcome of an action. An action that was cut short because the
    /// execution must stop does not count as failed.
    fn record_outcome(&mut self, step: u64, outcome: ActionOutcome) -> Result<(), Failure> {
        let cut = match &outcome {
            ActionOutcome::Error(error) => {
                error.may_have_taken_effect() || error.kind == "procedure_failed"
            }
            ActionOutcome::Result(_) => false,
        };
        let reason = self.must_stop(self.engine.clock.now());
        self.record(match reason.filter(|_| cut) {
            Some(reason) => Event::Stopped { reason },
            None => Event::StepFinished { step, outcome },
        })
    }

    fn must_stop(&self, now: Timestamp) -> Option<StopReason> {
        if self.machine.rolling_back() {
            return None;
        }
        if self.control.cancel.is_cancelled() {
            return Some(StopReason::Cancelled);
        }
        let late = self.machine.deadline().is_some_and(|end| end <= now);
        late.then_some(StopReason::TimedOut)
    }

    /// Applies an event to the machine; the next write stores it.
    fn record(&mut self, event: Event) -> Result<(), Failure> {
        let entry = Entry::new(self.engine.clock.now(), event);
        let fits = self.machine.apply(&entry);
        fits.map_err(|journal_error| {
            Failure::internal(format!("{}: {}", self.id, journal_error.0))
        })?;
        self.pending.push(entry);
        Ok(())
    }

    /// Writes the pending entries.
    async fn write(
        &mut self,
        parked: bool,
        wake_at: Option<Timestamp>,
    ) -> Result<AppendOutcome, Failure> {
        let entries: Vec<String> = self
            .pending
            .iter()
            .map(Entry::to_json)
            .collect::<Result<_, _>>()?;
        let count = entries.len() as u64;
        let status = match self.machine.status() {
            // A called execution waits for a person.
            ExecutionStatus::Running if parked => ExecutionStatus::WaitingApproval,
            status => status,
        };
        let update = ExecutionUpdate {
            status,
            state: self.machine.state().to_owned(),
            parked,
            cancelling: self.cancelling,
            wake_at,
        };
        let engine = self.engine;
        let appended = engine.append(self.id, self.length, entries, update).await?;
        self.pending.clear();
        self.length += count;
        self.control.written.send_replace(());
        match appended {
            AppendOutcome::Written { cancel } => {
                if cancel {
                    self.control.cancel.cancel();
                }
            }
            AppendOutcome::Lost => {
                metrics::LEASES_LOST.increment(());
                tracing::warn!(
                    execution = self.id,
                    "another Mimo has taken this execution over"
                );
            }
        }
        Ok(appended)
    }

    /// Parks the execution for a person's decision. `None` if it is to be cancelled
    /// instead, which became known only now.
    async fn park(&mut self, wake_at: Option<Timestamp>) -> Result<Option<DriveOutcome>, Failure> {
        Ok(match self.write(true, wake_at).await? {
            AppendOutcome::Written { cancel: true } if !self.cancelling => None,
            AppendOutcome::Written { .. } => Some(DriveOutcome::Parked(wake_at)),
            AppendOutcome::Lost => Some(DriveOutcome::Released),
        })
    }

    /// Releases the execution for the next owner.
    async fn release(&mut self) -> Result<DriveOutcome, Failure> {
        if self.pending.is_empty() || self.write(false, None).await? != AppendOutcome::Lost {
            self.engine.store.release(self.id.to_owned()).await?;
        }
        Ok(DriveOutcome::Released)
    }

    /// Waits until a task may begin; `false` if something else happened meanwhile.
    async fn wait_until_due(&mut self, task: &Task, now: Timestamp) -> Result<bool, Failure> {
        let Some(not_before) = task.not_before.filter(|at| *at > now) else {
            return Ok(true);
        };
        if self.write(false, None).await? == AppendOutcome::Lost {
            return Err(Failure::new(Kind::Conflict, "another Mimo has it"));
        }
        self.sleep(not_before).await;
        Ok(false)
    }

    /// Sleeps until `end`, the deadline, a cancellation or the shutdown.
    async fn sleep(&self, end: Timestamp) {
        let end = match self.machine.deadline() {
            Some(deadline) => end.min(deadline),
            None => end,
        };
        let left = Duration::from_micros((end.0 - self.engine.clock.now().0).max(0) as u64);
        let cancelled = async {
            match self.machine.rolling_back() {
                true => std::future::pending().await,
                false => self.control.cancel.cancelled().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = cancelled => {}
            () = self.engine.stop.cancelled() => {}
        }
    }

    async fn record_intent(&mut self, task: &Task) -> Result<Option<StepStart>, Failure> {
        let effects = match &task.work {
            EvaluatedAction::Tool {
                name, idempotent, ..
            } => {
                let known = self
                    .engine
                    .tools
                    .get()
                    .map(|tools| tools.side_effects(name));
                let known = known.unwrap_or_default();
                SideEffects {
                    // The definition overrides what its tools declare.
                    idempotent: idempotent.unwrap_or(known.idempotent || known.read_only),
                    ..known
                }
            }
            // Their own journal or the clock shows how far these are.
            _ => SideEffects {
                read_only: !matches!(
                    task.work,
                    EvaluatedAction::Procedure { .. } | EvaluatedAction::Revert { .. }
                ),
                idempotent: true,
            },
        };
        let step = self.machine.next_step();
        self.record(Event::StepStarted { step, effects })?;
        if matches!(task.work, EvaluatedAction::Approval { .. }) {
            // Parking writes it in the same transaction.
            return Ok(self.started());
        }
        Ok(match self.write(false, None).await? {
            AppendOutcome::Written { .. } => self.started(),
            AppendOutcome::Lost => None,
        })
    }

    fn started(&self) -> Option<StepStart> {
        match self.machine.next() {
            Next::Await(_, started) => Some(started),
            _ => None,
        }
    }
}

/// Whether a call may be repeated after Mimo ended during it: only if it is idempotent,
/// and a few times at most, because it may be what ends Mimo.
fn may_repeat(started: StepStart) -> bool {
    started.effects.idempotent && started.takeovers < limits::PROCEDURE_TAKEOVERS_MAX
}

fn wake_at(task: &Task, started: StepStart) -> Option<Timestamp> {
    let own = task.timeout_ms.filter(|_| !started.interrupted)?;
    Some(later(started.at, own))
}
