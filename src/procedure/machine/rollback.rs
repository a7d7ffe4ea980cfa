//! Rollback: compensations in reverse order, then the rollback procedure, then
//! the end.

use super::{
    Ending, EvaluatedAction, Flow, JournalError, Machine, Next, Task, Uncompensated, UndoEntry,
    UndoMethod, journal_error,
};
use crate::clock::Timestamp;
use crate::procedure::journal::{ActionError, ActionOutcome, StopReason};
use crate::procedure::template::{self, TemplateError};
use crate::store::procedure::ExecutionStatus;

impl Machine {
    pub(super) fn stop(&mut self, reason: StopReason, at: Timestamp) -> Result<Flow, JournalError> {
        match (reason, &self.ending) {
            (StopReason::Reverted, Some(Ending::Completed(_))) => {
                self.ending = None;
                self.stopped = Some(reason);
                self.error = None;
                let why = "the procedure that called it is rolled back";
                return Ok(Flow::RollBack(ActionError::new("reverted", why)));
            }
            (StopReason::Reverted, _) => return Err(journal_error("it was not completed")),
            (_, Some(_)) => return Err(journal_error("it has ended")),
            (_, None) if self.rolling_back => return Err(journal_error("it is being rolled back")),
            (_, None) => {}
        }
        let error = match reason {
            StopReason::TimedOut => {
                let ms = self.timeout_ms;
                let why = format!("the timeout_ms of {ms} was over before its end");
                ActionError::new("timeout", why)
            }
            _ => ActionError::new("cancelled", "it was cancelled"),
        };
        if let Some(task) = self.current.take()
            && let Some(started) = task.started
        {
            self.history
                .finish(started.step, &ActionOutcome::Error(error.clone()), at);
            if matches!(task.work, EvaluatedAction::Tool { .. }) && !started.effects.read_only {
                self.undo.push(UndoEntry {
                    state: task.state.clone(),
                    item: task.item,
                    method: UndoMethod::Impossible(format!(
                        "whether {} took effect is not known",
                        task.work.label()
                    )),
                });
            }
        }
        self.each = None;
        self.stopped = Some(reason);
        Ok(Flow::RollBack(error))
    }

    pub(super) fn roll_back(&mut self, error: ActionError) -> Flow {
        self.error = Some(error);
        self.each = None;
        self.rolling_back = true;
        Flow::Undo
    }

    pub(super) fn undo_next(&mut self, at: Timestamp) -> Flow {
        while let Some(UndoEntry {
            state,
            item,
            method,
        }) = self.undo.pop()
        {
            match method {
                UndoMethod::Run(work) => {
                    self.current = Some(self.undoing(state, item, work));
                    return Flow::Wait;
                }
                UndoMethod::Undefined => self.uncompensated.push(Uncompensated {
                    state,
                    why: NO_COMPENSATION.to_owned(),
                }),
                UndoMethod::Impossible(why) => {
                    self.uncompensated.push(Uncompensated { state, why })
                }
            }
        }
        let called = self.definition.rollback_procedure.clone();
        if let Some(name) = called.filter(|_| !self.rollback_called) {
            self.rollback_called = true;
            let work = EvaluatedAction::Procedure {
                name,
                version: crate::procedure::definition::LATEST.to_owned(),
                context: self.rollback_context(),
            };
            self.current = Some(self.undoing(ROLLBACK.to_owned(), None, work));
            return Flow::Wait;
        }
        let ending = match (self.stopped, self.uncompensated.is_empty()) {
            (Some(StopReason::Cancelled), _) => Ending::Cancelled,
            (Some(StopReason::Reverted), true) => Ending::RolledBack,
            (_, true) if !self.compensated.is_empty() => Ending::RolledBack,
            _ => Ending::Failed,
        };
        self.finish(ending, at);
        Flow::Wait
    }

    fn undoing(&self, state: String, item: Option<usize>, work: EvaluatedAction) -> Task {
        let own = self.definition.states.get(&state);
        Task {
            timeout_ms: own.and_then(|state| state.timeout_ms),
            state,
            work,
            attempt: 1,
            item,
            not_before: None,
            is_compensation: true,
            started: None,
        }
    }

    /// The context of the rollback procedure: that of the execution, and the failure.
    fn rollback_context(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut context = self.context.clone();
        let error = self.error.as_ref();
        let states = self.uncompensated.iter().map(|each| each.state.as_str());
        context.insert(
            "failure".to_owned(),
            serde_json::json!({
                "kind": error.map(|error| &error.kind),
                "message": error.map(|error| &error.message),
                "remains": states.collect::<Vec<_>>(),
            }),
        );
        context
    }

    /// Records the outcome of a compensation.
    pub(super) fn undone(&mut self, task: &Task, outcome: ActionOutcome) -> Flow {
        match outcome {
            ActionOutcome::Result(_) => {
                if task.state == ROLLBACK {
                    // The rollback procedure is for states without a compensation.
                    self.uncompensated
                        .retain(|each| each.why != NO_COMPENSATION);
                }
                self.compensated.push(match task.item {
                    Some(item) => format!("{}[{item}]", task.state),
                    None => task.state.clone(),
                });
            }
            ActionOutcome::Error(error) => self.uncompensated.push(Uncompensated {
                state: task.state.clone(),
                why: format!("{} failed: {}", task.work.label(), error.message),
            }),
        }
        Flow::Undo
    }

    /// Completes the execution.
    pub(super) fn end(&mut self, at: Timestamp) -> Flow {
        let output = match &self.definition.output {
            Some(output) => template::evaluate(output, &self.scope(&[])),
            None => Ok(self.result.clone()),
        };
        match output {
            Ok(output) => {
                self.finish(Ending::Completed(output), at);
                Flow::Wait
            }
            Err(TemplateError(why)) => {
                let message = format!("output cannot be evaluated: {why}");
                Flow::RollBack(ActionError::new("template", message))
            }
        }
    }

    fn finish(&mut self, ending: Ending, at: Timestamp) {
        self.history
            .end(&self.state, ending.status().name(), self.entered_at, at);
        self.entered_at = at;
        self.current = None;
        self.ending = Some(ending);
    }
}

const NO_COMPENSATION: &str = "it has no compensation";
/// The name of the state while the rollback procedure runs.
const ROLLBACK: &str = "rollback_procedure";

impl Ending {
    pub(crate) fn status(&self) -> ExecutionStatus {
        match self {
            Ending::Completed(_) => ExecutionStatus::Completed,
            Ending::RolledBack => ExecutionStatus::RolledBack,
            Ending::Failed => ExecutionStatus::Failed,
            Ending::Cancelled => ExecutionStatus::Cancelled,
        }
    }
}

impl Machine {
    pub(crate) fn status(&self) -> ExecutionStatus {
        match self.next() {
            Next::Ended(ending) => ending.status(),
            _ if self.waits_for().is_some() => ExecutionStatus::WaitingApproval,
            _ => ExecutionStatus::Running,
        }
    }
}
