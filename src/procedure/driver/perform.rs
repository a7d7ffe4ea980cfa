//! Performs one action: calls a tool, waits, or drives a called execution.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Control, DriveOutcome, Driver, StepOutcome, drive, wake_at};
use crate::caller::{Caller, Reach};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::context;
use crate::procedure::journal::{ActionError, ActionOutcome, Entry, Event, StopReason};
use crate::procedure::machine::{Ending, EvaluatedAction, Machine, Next, StepStart, Task, later};
use crate::store::procedure::{AppendOutcome, BeginOutcome, NewExecution};

impl Driver<'_> {
    pub(super) async fn perform(
        &self,
        task: &Task,
        started: StepStart,
    ) -> Result<StepOutcome, Failure> {
        match &task.work {
            EvaluatedAction::Tool {
                name, arguments, ..
            } => Ok(StepOutcome::Done(
                self.call(task, name, arguments.clone()).await,
            )),
            EvaluatedAction::Delay { ms } => Ok(self.delay(task, started, *ms).await),
            EvaluatedAction::Procedure {
                name,
                version,
                context,
            } => {
                let child = self.machine.child(started.step);
                match self
                    .claim_child(&child, name, version, context.clone())
                    .await
                {
                    Ok(true) => {}
                    Ok(false) => return Ok(StepOutcome::Released),
                    Err(failure) if failure.kind == Kind::Internal => return Err(failure),
                    Err(failure) => {
                        return Ok(StepOutcome::Done(ActionOutcome::Error(failure.into())));
                    }
                }
                self.drive_child(task, started, &child).await
            }
            EvaluatedAction::Revert { execution } => {
                if !self.revert(execution).await? {
                    return Ok(StepOutcome::Released);
                }
                self.drive_child(task, started, execution).await
            }
            EvaluatedAction::Approval { .. } => Ok(StepOutcome::Parked(wake_at(task, started))),
        }
    }

    /// Ends once the execution is cancelled, which does not interrupt a
    /// compensation.
    async fn cancelled(&self, task: &Task) {
        match task.is_compensation {
            true => std::future::pending().await,
            false => self.control.cancel.cancelled().await,
        }
    }

    /// The deadline of a task.
    fn deadline_of(&self, task: &Task, since: Timestamp, usual_ms: u64) -> Timestamp {
        let own = later(since, task.timeout_ms.unwrap_or(usual_ms));
        self.machine.deadline().map_or(own, |end| end.min(own))
    }

    async fn call(&self, task: &Task, name: &str, arguments: Map<String, Value>) -> ActionOutcome {
        let Some(tools) = self.engine.tools.get() else {
            return ActionOutcome::Error(ActionError::new("unavailable", "no tools are connected"));
        };
        let now = self.engine.clock.now();
        let end = self.deadline_of(task, now, limits::CALL_SECONDS_MAX * 1000);
        let left = Duration::from_micros((end.0 - now.0).max(0) as u64);
        let stop = CancellationToken::new();
        let grants = self.machine.grants();
        let grants = match task.is_compensation {
            true => Arc::new(grants.without_key()),
            false => grants.clone(),
        };
        let caller = Caller::for_execution(grants, self.id);
        let mut call = tools.call(name, arguments, caller, stop.clone());
        let (answer, late) = tokio::select! {
            biased;
            answer = &mut call => (answer, false),
            () = self.cancelled(task) => {
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
            Err(error) if late && error.kind == "cancelled" => {
                ActionOutcome::Error(ActionError::new(
                    "timeout",
                    match task.timeout_ms {
                        Some(own) if u128::from(own) <= left.as_millis() => {
                            format!("{name} was not done within the timeout_ms of {own}")
                        }
                        _ => format!(
                            "{name} was not done within {} ms; timeout_ms of its state, and of the \
                             run, set the limit",
                            left.as_millis()
                        ),
                    },
                ))
            }
            Err(error) => ActionOutcome::Error(error),
        }
    }

    async fn delay(&self, task: &Task, started: StepStart, ms: u64) -> StepOutcome {
        let wanted = later(started.at, ms);
        let end = self
            .deadline_of(task, started.at, limits::PROCEDURE_MILLIS_MAX)
            .min(wanted);
        self.sleep(end).await;
        let now = self.engine.clock.now();
        let outcome = if self.engine.stop.is_cancelled() && now < wanted {
            return StepOutcome::Released;
        } else if now >= wanted {
            ActionOutcome::Result(Value::Null)
        } else if self.control.cancel.is_cancelled() && !task.is_compensation {
            ActionOutcome::Error(ActionError::new("cancelled", "the delay was cut short"))
        } else {
            ActionOutcome::Error(ActionError::new(
                "timeout",
                match task.timeout_ms {
                    Some(own) => {
                        format!("the delay of {ms} ms is longer than the timeout_ms of {own}")
                    }
                    None => {
                        format!("the delay of {ms} ms is longer than the timeout_ms of the run")
                    }
                },
            ))
        };
        StepOutcome::Done(outcome)
    }

    /// Claims the execution of a called procedure, which it makes where there is
    /// none. `false` where another Mimo drives it.
    async fn claim_child(
        &self,
        id: &str,
        name: &str,
        version: &str,
        context: Map<String, Value>,
    ) -> Result<bool, Failure> {
        let store = &self.engine.store;
        let existing = store.execution(Reach::Everything, id.to_owned()).await?;
        if existing.is_none() {
            let new = self.new_child(id, name, version, context).await?;
            if self.engine.begin(new).await? == BeginOutcome::Created {
                return Ok(true);
            }
        }
        Ok(store.claim(id.to_owned()).await?)
    }

    /// The called procedure runs with its caller's grants.
    async fn new_child(
        &self,
        id: &str,
        name: &str,
        version: &str,
        given: Map<String, Value>,
    ) -> Result<NewExecution, Failure> {
        let depth = self.execution.depth + 1;
        if depth as usize >= limits::PROCEDURE_DEPTH_MAX {
            let most = limits::PROCEDURE_DEPTH_MAX;
            let message = format!("procedures call each other more than {most} deep");
            return Err(Failure::new(Kind::LimitExceeded, message));
        }
        let grants = self.machine.grants();
        let stored = self.engine.definition(grants, name, version).await?;
        let definition = self.engine.definition_by_hash(&stored.hash).await?;
        let event = Event::Started {
            context: context::initial(&definition, given)?,
            timeout_ms: definition
                .timeout_ms
                .unwrap_or(limits::PROCEDURE_MILLIS_MAX),
            grants: grants.clone(),
        };
        Ok(NewExecution {
            id: id.to_owned(),
            project: grants.project.clone(),
            hash: stored.hash,
            idempotency_key: None,
            depth,
            parent: Some(self.id.to_owned()),
            entry: Entry::new(self.engine.clock.now(), event).to_json()?,
            owned: true,
        })
    }

    /// Claims a completed execution and begins its rollback. `false` where
    /// another Mimo drives it.
    async fn revert(&self, id: &str) -> Result<bool, Failure> {
        if !self.engine.store.claim(id.to_owned()).await? {
            return Ok(false);
        }
        let control = Control::default();
        let mut child = Driver::load(self.engine, id, &control).await?;
        if matches!(child.machine.next(), Next::Ended(Ending::Completed(_))) {
            child.record(Event::Stopped {
                reason: StopReason::Reverted,
            })?;
            return Ok(child.write(false, None).await? != AppendOutcome::Lost);
        }
        Ok(true)
    }

    async fn drive_child(
        &self,
        task: &Task,
        started: StepStart,
        id: &str,
    ) -> Result<StepOutcome, Failure> {
        let mut control = Control::default();
        if !task.is_compensation {
            control.cancel = self.control.cancel.child_token();
        }
        let end = self.deadline_of(task, started.at, limits::PROCEDURE_MILLIS_MAX);
        let left = Duration::from_micros((end.0 - self.engine.clock.now().0).max(0) as u64);
        let mut driven = drive(self.engine, id, &control);
        let (outcome, late) = tokio::select! {
            biased;
            outcome = &mut driven => (outcome?, false),
            () = tokio::time::sleep(left), if !task.is_compensation => {
                control.cancel.cancel();
                (driven.await?, !self.control.cancel.is_cancelled())
            }
        };
        Ok(match outcome {
            DriveOutcome::Parked(wake_at) => StepOutcome::Parked(wake_at),
            DriveOutcome::Released => StepOutcome::Released,
            DriveOutcome::Ended(machine) => StepOutcome::Done(child_outcome(task, &machine, late)),
        })
    }
}

/// The outcome of a called procedure for its caller.
fn child_outcome(task: &Task, machine: &Machine, late: bool) -> ActionOutcome {
    let Next::Ended(ending) = machine.next() else {
        return ActionOutcome::Error(ActionError::new("internal", "it has not ended"));
    };
    let reverts = matches!(task.work, EvaluatedAction::Revert { .. });
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

/// Replaces a result that is too long for the journal with its size.
fn bounded(result: Value) -> Value {
    let bytes = result.to_string().len();
    match bytes > limits::PROCEDURE_RESULT_BYTES_MAX {
        true => json!({"too_long_bytes": bytes}),
        false => result,
    }
}
