//! Going back: compensations in reverse order, then the rollback procedure, and
//! how it ends.

use super::{Ending, Flow, How, Machine, Misfit, Next, Remains, Task, Undo, Work, misfit};
use crate::clock::Timestamp;
use crate::procedure::journal::{Outcome, Reason, Trouble};
use crate::procedure::template::{self, TemplateError};

impl Machine {
    pub(super) fn stop(&mut self, reason: Reason, at: Timestamp) -> Result<Flow, Misfit> {
        match (reason, &self.ending) {
            (Reason::Reverted, Some(Ending::Completed(_))) => {
                self.ending = None;
                self.stopped = Some(reason);
                self.error = None;
                let why = "the procedure that called it is rolled back";
                return Ok(Flow::RollBack(Trouble::new("reverted", why)));
            }
            (Reason::Reverted, _) => return Err(misfit("it was not completed")),
            (_, Some(_)) => return Err(misfit("it has ended")),
            (_, None) if self.rolling_back => return Err(misfit("it is being rolled back")),
            (_, None) => {}
        }
        let error = match reason {
            Reason::TimedOut => Trouble::new("timeout", "its time was over before its end"),
            _ => Trouble::new("cancelled", "it was cancelled"),
        };
        if let Some(task) = self.current.take()
            && let Some(begun) = task.begun
        {
            self.record
                .finish(begun.step, &Outcome::Error(error.clone()), at);
            if matches!(task.work, Work::Tool { .. }) && !begun.conduct.reads {
                self.undo.push(Undo {
                    state: task.state.clone(),
                    item: task.item,
                    how: How::Impossible(format!(
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

    pub(super) fn roll_back(&mut self, error: Trouble) -> Flow {
        self.error = Some(error);
        self.each = None;
        self.rolling_back = true;
        Flow::Undo
    }

    pub(super) fn undo_next(&mut self, at: Timestamp) -> Flow {
        while let Some(Undo { state, item, how }) = self.undo.pop() {
            match how {
                How::Work(work) => {
                    self.current = Some(self.undoing(state, item, work));
                    return Flow::Rest;
                }
                How::Unsaid => self.remains.push(Remains {
                    state,
                    why: UNSAID.to_owned(),
                }),
                How::Impossible(why) => self.remains.push(Remains { state, why }),
            }
        }
        let called = self.definition.rollback_procedure.clone();
        if let Some(name) = called.filter(|_| !self.rollback_called) {
            self.rollback_called = true;
            let work = Work::Procedure {
                name,
                version: crate::procedure::definition::LATEST.to_owned(),
                context: self.rollback_context(),
            };
            self.current = Some(self.undoing(ROLLBACK.to_owned(), None, work));
            return Flow::Rest;
        }
        let ending = match (self.stopped, self.remains.is_empty()) {
            (Some(Reason::Cancelled), _) => Ending::Cancelled,
            (Some(Reason::Reverted), true) => Ending::RolledBack,
            (_, true) if !self.compensated.is_empty() => Ending::RolledBack,
            _ => Ending::Failed,
        };
        self.finish(ending, at);
        Flow::Rest
    }

    fn undoing(&self, state: String, item: Option<usize>, work: Work) -> Task {
        let own = self.definition.states.get(&state);
        Task {
            timeout_ms: own.and_then(|state| state.timeout_ms),
            state,
            work,
            attempt: 1,
            item,
            not_before: None,
            undoes: true,
            begun: None,
        }
    }

    /// What the rollback procedure begins with: the context, and what happened.
    fn rollback_context(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut context = self.context.clone();
        let error = self.error.as_ref();
        let states = self.remains.iter().map(|each| each.state.as_str());
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

    /// A task of the way back is over.
    pub(super) fn undone(&mut self, task: &Task, outcome: Outcome) -> Flow {
        match outcome {
            Outcome::Result(_) => {
                if task.state == ROLLBACK {
                    // What nothing was said about is what it is for.
                    self.remains.retain(|each| each.why != UNSAID);
                }
                self.compensated.push(match task.item {
                    Some(item) => format!("{}[{item}]", task.state),
                    None => task.state.clone(),
                });
            }
            Outcome::Error(error) => self.remains.push(Remains {
                state: task.state.clone(),
                why: format!("{} failed: {}", task.work.label(), error.message),
            }),
        }
        Flow::Undo
    }

    /// The end of the way forward.
    pub(super) fn end(&mut self, at: Timestamp) -> Flow {
        let output = match &self.definition.output {
            Some(output) => template::evaluate(output, &self.scope(&[])),
            None => Ok(self.result.clone()),
        };
        match output {
            Ok(output) => {
                self.finish(Ending::Completed(output), at);
                Flow::Rest
            }
            Err(TemplateError(why)) => {
                let message = format!("output cannot be evaluated: {why}");
                Flow::RollBack(Trouble::new("template", message))
            }
        }
    }

    fn finish(&mut self, ending: Ending, at: Timestamp) {
        self.record
            .end(&self.state, ending.status(), self.entered_at, at);
        self.entered_at = at;
        self.current = None;
        self.ending = Some(ending);
    }
}

/// Why something remains where the definition does not say how to undo it.
const UNSAID: &str = "it has no compensation";
/// What stands for a state where the rollback procedure runs.
const ROLLBACK: &str = "rollback_procedure";

impl Ending {
    /// The contract's word.
    pub fn status(&self) -> &'static str {
        match self {
            Ending::Completed(_) => "completed",
            Ending::RolledBack => "rolled_back",
            Ending::Failed => "failed",
            Ending::Cancelled => "cancelled",
        }
    }
}

impl Machine {
    /// The contract's word for how it is.
    pub fn status(&self) -> &'static str {
        match self.next() {
            Next::Nothing(ending) => ending.status(),
            _ if self.waits_for().is_some() => "waiting_approval",
            _ => "running",
        }
    }
}
