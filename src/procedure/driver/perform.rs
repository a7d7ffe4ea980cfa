//! Performing one action: a tool through the door, time passing, or an execution
//! that is a part of this one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{DriveOutcome, Driver, StepOutcome, drive, wake_at};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::journal::{ActionError, ActionOutcome, Entry, Event, StopReason};
use crate::procedure::machine::{Ending, Machine, Next, StepStart, Task, Work, later};
use crate::procedure::{Inner, lookup, written};
use crate::store::procedure::{BeginOutcome, NewExecution};

impl Driver<'_> {
    pub(super) async fn perform(
        &self,
        shared: &Arc<Inner>,
        task: &Task,
        started: StepStart,
    ) -> Result<StepOutcome, Failure> {
        match &task.work {
            Work::Tool {
                name, arguments, ..
            } => Ok(StepOutcome::Done(
                self.call(task, name, arguments.clone()).await,
            )),
            Work::Delay { ms } => Ok(self.delay(task, started, *ms).await),
            Work::Procedure {
                name,
                version,
                context,
            } => {
                let child = self.machine.child(started.step);
                match self.child(&child, name, version, context.clone()).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(StepOutcome::Released),
                    Err(failure) if failure.kind == Kind::Internal => return Err(failure),
                    Err(failure) => {
                        return Ok(StepOutcome::Done(ActionOutcome::Error(failure.into())));
                    }
                }
                self.within(shared, task, started, &child).await
            }
            Work::Revert { execution } => {
                if !self.revert(execution).await? {
                    return Ok(StepOutcome::Released);
                }
                self.within(shared, task, started, execution).await
            }
            Work::Approval { .. } => Ok(StepOutcome::Parked(wake_at(task, started))),
        }
    }

    /// The moment by which a task must be over.
    fn end_of(&self, task: &Task, since: Timestamp, usual_ms: u64) -> Timestamp {
        let own = later(since, task.timeout_ms.unwrap_or(usual_ms));
        self.machine.deadline().map_or(own, |end| end.min(own))
    }

    async fn call(&self, task: &Task, name: &str, arguments: Map<String, Value>) -> ActionOutcome {
        let Some(tools) = self.inner.tools.get() else {
            return ActionOutcome::Error(ActionError::new("unavailable", "no tools are connected"));
        };
        let now = self.inner.clock.now();
        let end = self.end_of(task, now, limits::CALL_SECONDS_MAX * 1000);
        let left = Duration::from_micros((end.0 - now.0).max(0) as u64);
        let stop = CancellationToken::new();
        let mut call = tools.call(name, arguments, self.id, stop.clone());
        // An undoing is not undone half-way.
        let cancelled = async {
            match task.undoes {
                true => std::future::pending().await,
                false => self.cancel.cancelled().await,
            }
        };
        let (answer, late) = tokio::select! {
            biased;
            answer = &mut call => (answer, false),
            () = cancelled => {
                stop.cancel();
                (call.await, false)
            }
            () = tokio::time::sleep(left) => {
                stop.cancel();
                (call.await, true)
            }
        };
        match answer {
            Ok(result) => ActionOutcome::Result(bounded(result)),
            Err(trouble) if late && trouble.kind == "cancelled" => {
                ActionOutcome::Error(ActionError::new(
                    "timeout",
                    format!("{name} was not done within {} ms", left.as_millis()),
                ))
            }
            Err(trouble) => ActionOutcome::Error(trouble),
        }
    }

    async fn delay(&self, task: &Task, started: StepStart, ms: u64) -> StepOutcome {
        let wanted = later(started.at, ms);
        let end = self
            .end_of(task, started.at, limits::PROCEDURE_MILLIS_MAX)
            .min(wanted);
        self.sleep(end).await;
        let now = self.inner.clock.now();
        let outcome = if self.inner.running.stop.is_cancelled() && now < wanted {
            return StepOutcome::Released;
        } else if now >= wanted {
            ActionOutcome::Result(Value::Null)
        } else if self.cancel.is_cancelled() && !task.undoes {
            ActionOutcome::Error(ActionError::new("cancelled", "the delay was cut short"))
        } else {
            ActionOutcome::Error(ActionError::new(
                "timeout",
                "the delay is longer than its time",
            ))
        };
        StepOutcome::Done(outcome)
    }

    /// Makes the execution of a called procedure, or finds the one that was
    /// made; false where another Mimo has it.
    async fn child(
        &self,
        id: &str,
        name: &str,
        version: &str,
        context: Map<String, Value>,
    ) -> Result<bool, Failure> {
        if self.inner.store.execution(id.to_owned()).await?.is_some() {
            return Ok(self.inner.store.claim(id.to_owned()).await?);
        }
        let depth = self.depth + 1;
        if depth as usize >= limits::PROCEDURE_DEPTH_MAX {
            let most = limits::PROCEDURE_DEPTH_MAX;
            let message = format!("procedures call each other more than {most} deep");
            return Err(Failure::new(Kind::LimitExceeded, message));
        }
        let kept = self.inner.definition(name, version).await?;
        let definition = self.inner.by_hash(&kept.hash).await?;
        let context = lookup::begin_with(&definition, context)?;
        let timeout_ms = definition
            .timeout_ms
            .unwrap_or(limits::PROCEDURE_MILLIS_MAX);
        let event = Event::Started {
            context,
            timeout_ms,
        };
        let new = NewExecution {
            id: id.to_owned(),
            hash: kept.hash,
            idempotency_key: None,
            depth,
            parent: Some(self.id.to_owned()),
            entry: written(&Entry::new(self.inner.clock.now(), event))?,
            owned: true,
        };
        match self.inner.begin(new).await? {
            BeginOutcome::Created => Ok(true),
            BeginOutcome::Existing(_) => Ok(self.inner.store.claim(id.to_owned()).await?),
        }
    }

    /// Sees that a completed execution is being rolled back; false where another
    /// Mimo has it.
    async fn revert(&self, id: &str) -> Result<bool, Failure> {
        if !self.inner.store.claim(id.to_owned()).await? {
            return Ok(false);
        }
        let (execution, machine) = self.inner.machine(id).await?;
        if matches!(machine.next(), Next::Ended(Ending::Completed(_))) {
            let cancel = CancellationToken::new();
            let mut child = Driver::of(self.inner, id, &execution, machine, &cancel);
            child.note(Event::Stopped {
                reason: StopReason::Reverted,
            })?;
            return child.write(false, None).await;
        }
        Ok(true)
    }

    /// Drives an execution that is a part of this one.
    async fn within(
        &self,
        shared: &Arc<Inner>,
        task: &Task,
        started: StepStart,
        id: &str,
    ) -> Result<StepOutcome, Failure> {
        let cancel = CancellationToken::new();
        let end = self.end_of(task, started.at, limits::PROCEDURE_MILLIS_MAX);
        let left = Duration::from_micros((end.0 - self.inner.clock.now().0).max(0) as u64);
        let mut driven = drive(shared, id, &cancel);
        let asked = async {
            match task.undoes {
                true => std::future::pending().await,
                false => self.cancel.cancelled().await,
            }
        };
        let (came, late) = tokio::select! {
            biased;
            came = &mut driven => (came?, false),
            () = asked => {
                cancel.cancel();
                (driven.await?, false)
            }
            () = tokio::time::sleep(left), if !task.undoes => {
                cancel.cancel();
                (driven.await?, true)
            }
        };
        Ok(match came {
            DriveOutcome::Parked(wake_at) => StepOutcome::Parked(wake_at),
            DriveOutcome::Released => StepOutcome::Released,
            DriveOutcome::Ended(machine) => StepOutcome::Done(answer(task, &machine, late)),
        })
    }
}

/// What the end of a called procedure means to its caller.
fn answer(task: &Task, machine: &Machine, late: bool) -> ActionOutcome {
    let Next::Ended(ending) = machine.next() else {
        return ActionOutcome::Error(ActionError::new("internal", "it has not ended"));
    };
    let reverts = matches!(task.work, Work::Revert { .. });
    let name = &machine.definition().name;
    match ending {
        Ending::Completed(output) if !reverts => ActionOutcome::Result(bounded(output.clone())),
        Ending::RolledBack if reverts => ActionOutcome::Result(Value::Null),
        _ if late => ActionOutcome::Error(ActionError::new(
            "timeout",
            format!("the procedure {name} was not done in time and was rolled back"),
        )),
        ending => {
            let why = machine
                .failure()
                .map_or_else(String::new, |why| format!(": {}", why.message));
            let remaining: Vec<&str> = machine
                .uncompensated()
                .iter()
                .map(|each| each.state.as_str())
                .collect();
            let rest = match remaining.is_empty() {
                true => String::new(),
                false => format!("; not undone: {}", remaining.join(", ")),
            };
            let status = ending.status();
            let message = format!("the procedure {name} is {status}{why}{rest}");
            ActionOutcome::Error(ActionError::new("procedure_failed", message))
        }
    }
}

/// A result as it is kept; of one that is too long only its size is.
fn bounded(result: Value) -> Value {
    let bytes = result.to_string().len();
    match bytes > limits::PROCEDURE_RESULT_BYTES_MAX {
        true => json!({"too_long_bytes": bytes}),
        false => result,
    }
}
