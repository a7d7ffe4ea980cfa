//! A person's decision on an execution that waits for one.

use serde_json::Value;

use super::Procedures;
use super::journal::{Decision, Entry, Event};
use super::machine::{EvaluatedAction, Machine, Next};
use super::view;
use crate::caller::Grants;
use crate::failure::{Failure, Kind};
use crate::limits::DECISION_ATTEMPTS_MAX;
use crate::store::procedure::AppendOutcome;

impl Procedures {
    /// Like it, with the `options` that a command needs in another shell to find its
    /// data.
    pub(crate) fn with_options(mut self, options: &str) -> Procedures {
        self.options = options.into();
        self
    }

    /// The commands with which a person decides what `id` waits for.
    pub(crate) fn decision_commands(&self, id: &str, waits: &Value) -> String {
        view::decision_commands(id, waits, &self.options)
    }

    /// Adds a person's decision to the journal of `id`, or of the execution below it
    /// that waits. Both can continue then, with `resume`.
    pub async fn decide(
        &self,
        grants: &Grants,
        id: &str,
        decision: Decision,
        by: &str,
        note: &str,
    ) -> Result<(), Failure> {
        for _ in 0..DECISION_ATTEMPTS_MAX {
            if self.try_to_decide(grants, id, decision, by, note).await? {
                return Ok(());
            }
        }
        let why = format!("the execution {id} is being continued, and changes all the time");
        Err(Failure::new(Kind::Conflict, why).hint("decide again in a moment"))
    }

    /// False if the journal changed meanwhile, by another decision or by a process that
    /// checked whether it can continue.
    async fn try_to_decide(
        &self,
        grants: &Grants,
        id: &str,
        decision: Decision,
        by: &str,
        note: &str,
    ) -> Result<bool, Failure> {
        let (engine, reach) = (&self.engine, &grants.reach);
        let (mut id, mut ancestors) = (id.to_owned(), Vec::new());
        let (execution, machine) = loop {
            let (execution, machine) = engine.machine(reach, &id).await?;
            match running_child(&machine) {
                Some(child) => ancestors.push(std::mem::replace(&mut id, child)),
                None => break (execution, machine),
            }
        };
        let refused = |why: String| {
            Failure::new(Kind::Conflict, format!("the execution {id}: {why}"))
                .hint("mimo procedure history shows what it waits for")
        };
        let waits = machine.waits_for().map(|(_, started)| started.step);
        let step = waits.ok_or_else(|| refused("it waits for no decision".to_owned()))?;
        machine
            .may_decide(step, decision)
            .map_err(|error| refused(error.0))?;
        let event = Event::Decided {
            step,
            decision,
            by: by.to_owned(),
            note: note.to_owned(),
        };
        // If `id` named the waiting execution itself, its callers can continue too.
        let mut parent = execution.parent.clone();
        while let Some(id) = parent.take().filter(|id| !ancestors.contains(id)) {
            parent = engine.execution(reach, &id).await?.parent;
            ancestors.push(id);
        }
        let entry = Entry::new(engine.clock.now(), event);
        match engine.decide(reach, execution, &entry, ancestors).await? {
            AppendOutcome::Written { .. } => Ok(true),
            AppendOutcome::Lost => Ok(false),
        }
    }
}

/// The called execution that a machine waits for.
fn running_child(machine: &Machine) -> Option<String> {
    match machine.next() {
        Next::Await(task, started) if !started.interrupted => match &task.work {
            EvaluatedAction::Procedure { .. } => Some(machine.child(started.step)),
            EvaluatedAction::Revert { execution } => Some(execution.clone()),
            _ => None,
        },
        _ => None,
    }
}
