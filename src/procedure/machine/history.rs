//! The history of an execution: its state changes and its actions.

use serde_json::{Value, json};

use super::{EvaluatedAction, Task};
use crate::clock::Timestamp;
use crate::limits;
use crate::procedure::journal::{ActionError, ActionOutcome};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateChange {
    /// `None` at the start.
    pub(crate) from: Option<String>,
    /// `None` at the end.
    pub(crate) to: Option<String>,
    /// The event, or the status at the end.
    pub(crate) event: String,
    pub(crate) at: Timestamp,
    /// Time spent in the previous state.
    pub(crate) ms: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ActionRecord {
    /// Counted from 1.
    pub(crate) step: u64,
    pub(crate) state: String,
    pub(crate) label: String,
    /// Secrets are not redacted.
    pub(crate) arguments: Value,
    /// Counted from 1.
    pub(crate) attempt: u32,
    /// Index of the item of a map.
    pub(crate) item: Option<usize>,
    pub(crate) is_compensation: bool,
    /// How often another Mimo took it over.
    pub(crate) takeovers: u32,
    pub at: Timestamp,
    /// `None` while it is being performed.
    pub(crate) ms: Option<f64>,
    pub(crate) result_bytes: Option<usize>,
    /// Absent if it is long.
    pub(crate) result: Option<Value>,
    pub(crate) error: Option<ActionError>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(crate) moves: Vec<StateChange>,
    pub(crate) performed: Vec<ActionRecord>,
}

impl History {
    pub(super) fn move_on(
        &mut self,
        from: &str,
        to: &str,
        event: String,
        since: Timestamp,
        at: Timestamp,
    ) {
        self.moves.push(StateChange {
            from: (!self.moves.is_empty()).then(|| from.to_owned()),
            to: Some(to.to_owned()),
            event,
            at,
            ms: millis(since, at),
        });
    }

    pub(super) fn end(&mut self, from: &str, status: &str, since: Timestamp, at: Timestamp) {
        self.moves.push(StateChange {
            from: Some(from.to_owned()),
            to: None,
            event: status.to_owned(),
            at,
            ms: millis(since, at),
        });
    }

    pub(super) fn begin(&mut self, task: &Task, step: u64, at: Timestamp) {
        self.performed.push(ActionRecord {
            step,
            state: task.state.clone(),
            label: task.work.label(),
            arguments: arguments(&task.work),
            attempt: task.attempt,
            item: task.item,
            is_compensation: task.is_compensation,
            takeovers: 0,
            at,
            ms: None,
            result_bytes: None,
            result: None,
            error: None,
        });
    }

    pub(super) fn finish(&mut self, step: u64, outcome: &ActionOutcome, at: Timestamp) {
        let found = self.performed.iter_mut().rfind(|each| each.step == step);
        let Some(performed) = found else { return };
        performed.ms = Some(millis(performed.at, at));
        match outcome {
            ActionOutcome::Result(result) => {
                let bytes = result.to_string().len();
                performed.result_bytes = Some(bytes);
                performed.result =
                    (bytes <= limits::PROCEDURE_RESULT_SHOWN_BYTES_MAX).then(|| result.clone());
            }
            ActionOutcome::Error(error) => performed.error = Some(error.clone()),
        }
    }

    pub(super) fn taken_over(&mut self, step: u64, takeovers: u32) {
        if let Some(performed) = self.performed.iter_mut().rfind(|each| each.step == step) {
            performed.takeovers = takeovers;
        }
    }

    /// Marks a step that did not take effect.
    pub(super) fn forget(&mut self, step: u64) {
        if let Some(at) = self.performed.iter().rposition(|each| each.step == step) {
            self.performed[at].error = Some(ActionError::new("interrupted", "it was not done"));
        }
    }
}

fn arguments(work: &EvaluatedAction) -> Value {
    match work {
        EvaluatedAction::Tool { arguments, .. } => Value::Object(arguments.clone()),
        EvaluatedAction::Procedure { context, .. } => Value::Object(context.clone()),
        EvaluatedAction::Delay { ms } => json!({"delay_ms": ms}),
        EvaluatedAction::Approval { message } => json!({"message": message}),
        EvaluatedAction::Revert { execution } => json!({"execution_id": execution}),
    }
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    (to.0 - from.0).max(0) as f64 / 1e3
}
