//! Performing one action: a tool through the door, time passing, or an execution
//! that is a part of this one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Came, Drive, Performed, drive, wake_at};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::journal::{Entry, Event, Outcome, Reason, Trouble};
use crate::procedure::machine::{Begun, Ending, Machine, Next, Task, Work, later};
use crate::procedure::{Inner, lookup, written};
use crate::store::procedure::{Made, NewExecution};

impl Drive<'_> {
    pub(super) async fn perform(
        &self,
        shared: &Arc<Inner>,
        task: &Task,
        begun: Begun,
    ) -> Result<Performed, Failure> {
        match &task.work {
            Work::Tool {
                name, arguments, ..
            } => Ok(Performed::Over(
                self.call(task, name, arguments.clone()).await,
            )),
            Work::Delay { ms } => Ok(self.delay(task, begun, *ms).await),
            Work::Procedure {
                name,
                version,
                context,
            } => {
                let child = self.machine.child(begun.step);
                match self.child(&child, name, version, context.clone()).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(Performed::Away),
                    Err(failure) if failure.kind == Kind::Internal => return Err(failure),
                    Err(failure) => return Ok(Performed::Over(Outcome::Error(failure.into()))),
                }
                self.within(shared, task, begun, &child).await
            }
            Work::Revert { execution } => {
                if !self.revert(execution).await? {
                    return Ok(Performed::Away);
                }
                self.within(shared, task, begun, execution).await
            }
            Work::Approval { .. } => Ok(Performed::Parked(wake_at(task, begun))),
        }
    }

    /// The moment by which a task must be over.
    fn end_of(&self, task: &Task, since: Timestamp, usual_ms: u64) -> Timestamp {
        let own = later(since, task.timeout_ms.unwrap_or(usual_ms));
        self.machine.deadline().map_or(own, |end| end.min(own))
    }

    async fn call(&self, task: &Task, name: &str, arguments: Map<String, Value>) -> Outcome {
        let Some(tools) = self.inner.tools.get() else {
            return Outcome::Error(Trouble::new("unavailable", "no tools are connected"));
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
            Ok(result) => Outcome::Result(bounded(result)),
            Err(trouble) if late && trouble.kind == "cancelled" => Outcome::Error(Trouble::new(
                "timeout",
                format!("{name} was not done within {} ms", left.as_millis()),
            )),
            Err(trouble) => Outcome::Error(trouble),
        }
    }

    async fn delay(&self, task: &Task, begun: Begun, ms: u64) -> Performed {
        let wanted = later(begun.at, ms);
        let end = self
            .end_of(task, begun.at, limits::PROCEDURE_MILLIS_MAX)
            .min(wanted);
        self.sleep(end).await;
        let now = self.inner.clock.now();
        let outcome = if self.inner.running.stop.is_cancelled() && now < wanted {
            return Performed::Away;
        } else if now >= wanted {
            Outcome::Result(Value::Null)
        } else if self.cancel.is_cancelled() && !task.undoes {
            Outcome::Error(Trouble::new("cancelled", "the delay was cut short"))
        } else {
            Outcome::Error(Trouble::new("timeout", "the delay is longer than its time"))
        };
        Performed::Over(outcome)
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
            Made::Created => Ok(true),
            Made::Found(_) => Ok(self.inner.store.claim(id.to_owned()).await?),
        }
    }

    /// Sees that a completed execution is being rolled back; false where another
    /// Mimo has it.
    async fn revert(&self, id: &str) -> Result<bool, Failure> {
        if !self.inner.store.claim(id.to_owned()).await? {
            return Ok(false);
        }
        let (execution, machine) = self.inner.machine(id).await?;
        if matches!(machine.next(), Next::Nothing(Ending::Completed(_))) {
            let cancel = CancellationToken::new();
            let mut child = Drive::of(self.inner, id, &execution, machine, &cancel);
            child.note(Event::Stopped {
                reason: Reason::Reverted,
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
        begun: Begun,
        id: &str,
    ) -> Result<Performed, Failure> {
        let cancel = CancellationToken::new();
        let end = self.end_of(task, begun.at, limits::PROCEDURE_MILLIS_MAX);
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
            Came::Parked(wake_at) => Performed::Parked(wake_at),
            Came::Away => Performed::Away,
            Came::End(machine) => Performed::Over(answer(task, &machine, late)),
        })
    }
}

/// What the end of a called procedure means to its caller.
fn answer(task: &Task, machine: &Machine, late: bool) -> Outcome {
    let Next::Nothing(ending) = machine.next() else {
        return Outcome::Error(Trouble::new("internal", "it has not ended"));
    };
    let reverts = matches!(task.work, Work::Revert { .. });
    let name = &machine.definition().name;
    match ending {
        Ending::Completed(output) if !reverts => Outcome::Result(bounded(output.clone())),
        Ending::RolledBack if reverts => Outcome::Result(Value::Null),
        _ if late => Outcome::Error(Trouble::new(
            "timeout",
            format!("the procedure {name} was not done in time and was rolled back"),
        )),
        ending => {
            let why = machine
                .failure()
                .map_or_else(String::new, |why| format!(": {}", why.message));
            let remains: Vec<&str> = machine
                .remains()
                .iter()
                .map(|each| each.state.as_str())
                .collect();
            let rest = match remains.is_empty() {
                true => String::new(),
                false => format!("; not undone: {}", remains.join(", ")),
            };
            let status = ending.status();
            let message = format!("the procedure {name} is {status}{why}{rest}");
            Outcome::Error(Trouble::new("procedure_failed", message))
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
