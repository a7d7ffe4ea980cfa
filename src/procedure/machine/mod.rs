//! The state machine: derives the next action from a definition and a journal.
//! Pure: no clock, no I/O, no randomness, so replaying a journal gives the same
//! machine.

mod forward;
mod history;
mod rollback;
mod task;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub(crate) use history::{ActionRecord, StateChange};
pub use task::{EvaluatedAction, StepStart, Task};

use super::definition::Definition;
use super::journal::{ActionError, ActionOutcome, Decision, Entry, Event, StopReason};
use crate::caller::Grants;
use crate::clock::Timestamp;

/// The state of an execution.
#[derive(Clone, Debug)]
pub struct Machine {
    definition: Arc<Definition>,
    id: String,
    grants: Arc<Grants>,
    context: Map<String, Value>,
    state: String,
    /// Number of states entered.
    entered: usize,
    entered_at: Timestamp,
    started_at: Timestamp,
    /// The execution is rolled back at this time.
    deadline: Timestamp,
    /// Of the whole execution, without the time in which it waits for a person.
    timeout_ms: u64,
    /// When a called procedure began to wait for a person.
    parked_at: Option<Timestamp>,
    /// Number of the latest step.
    steps: u64,
    current: Option<Task>,
    each: Option<MapProgress>,
    result: Value,
    error: Option<ActionError>,
    /// Effects to undo, oldest first.
    undo: Vec<UndoEntry>,
    rolling_back: bool,
    rollback_called: bool,
    stopped: Option<StopReason>,
    compensated: Vec<String>,
    uncompensated: Vec<Uncompensated>,
    ending: Option<Ending>,
    history: history::History,
}

#[derive(Clone, Debug, PartialEq)]
struct MapProgress {
    items: Vec<Value>,
    at: usize,
    collected: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
struct UndoEntry {
    state: String,
    item: Option<usize>,
    method: UndoMethod,
}

#[derive(Clone, Debug, PartialEq)]
enum UndoMethod {
    Run(EvaluatedAction),
    /// The definition has no compensation.
    Undefined,
    Impossible(String),
}

/// An effect that was not undone, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncompensated {
    pub(crate) state: String,
    pub(crate) why: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With its output.
    Completed(Value),
    /// It failed and everything was undone.
    RolledBack,
    /// It failed, and [`Machine::uncompensated`] lists the effects that remain.
    Failed,
    Cancelled,
}

#[derive(Debug, PartialEq)]
pub enum Next<'a> {
    /// Journal the intent of this task, then perform it.
    Perform(&'a Task),
    /// This task was begun and has no result yet.
    Await(&'a Task, StepStart),
    Ended(&'a Ending),
}

/// An entry contradicts those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalError(pub String);

/// A transition that needs no I/O.
enum Flow {
    Enter(String, String),
    Leave(String),
    Fail(ActionError),
    RollBack(ActionError),
    Undo,
    End,
    Wait,
}

impl Machine {
    /// Applies all entries of a journal.
    pub fn replay(
        definition: Arc<Definition>,
        id: &str,
        journal: &[Entry],
    ) -> Result<Machine, JournalError> {
        let (first, rest) = journal
            .split_first()
            .ok_or_else(|| journal_error("no entries"))?;
        let mut machine = Machine::start(definition, id, first)?;
        for entry in rest {
            machine.apply(entry)?;
        }
        Ok(machine)
    }

    fn start(
        definition: Arc<Definition>,
        id: &str,
        first: &Entry,
    ) -> Result<Machine, JournalError> {
        let Event::Started {
            context,
            timeout_ms,
            grants,
        } = &first.event
        else {
            return Err(journal_error("it does not begin with its start"));
        };
        let at = Timestamp(first.at);
        let initial = definition.initial_state.clone();
        let mut machine = Machine {
            definition,
            id: id.to_owned(),
            grants: grants.clone(),
            context: context.clone(),
            state: initial.clone(),
            entered: 0,
            entered_at: at,
            started_at: at,
            deadline: later(at, *timeout_ms),
            timeout_ms: *timeout_ms,
            parked_at: None,
            steps: 0,
            current: None,
            each: None,
            result: Value::Null,
            error: None,
            undo: Vec::new(),
            rolling_back: false,
            rollback_called: false,
            stopped: None,
            compensated: Vec::new(),
            uncompensated: Vec::new(),
            ending: None,
            history: history::History::default(),
        };
        machine.run(Flow::Enter(initial, "started".to_owned()), at);
        Ok(machine)
    }

    /// Applies the next entry of the journal. An invalid one changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let at = Timestamp(entry.at);
        let flow = match &entry.event {
            Event::Started { .. } => return Err(journal_error("it was started already")),
            Event::StepStarted { step, effects } => {
                if *step != self.steps + 1 {
                    return Err(journal_error("a step out of turn"));
                }
                let task = self.current.as_mut();
                let Some(task) = task.filter(|task| task.started.is_none()) else {
                    return Err(journal_error("nothing is due"));
                };
                task.started = Some(StepStart {
                    step: *step,
                    at,
                    effects: *effects,
                    interrupted: false,
                    takeovers: 0,
                });
                self.steps = *step;
                self.history.begin(task, *step, at);
                Flow::Wait
            }
            Event::StepFinished { step, outcome } => {
                let (task, started) = self.take_started(*step)?;
                self.history.finish(*step, outcome, at);
                if matches!(task.work, EvaluatedAction::Approval { .. }) {
                    self.extend_deadline(started.at, at);
                }
                self.finished(task, started, outcome.clone(), at)
            }
            Event::StepTakenOver { step } => self.annotate(*step, |started| {
                started.takeovers += 1;
            })?,
            Event::StepInterrupted { step } => self.annotate(*step, |started| {
                started.interrupted = true;
            })?,
            Event::Parked => {
                let can_wait = |task: &Task| task.started.is_some() && task.work.is_execution();
                if !self.current.as_ref().is_some_and(can_wait) {
                    return Err(journal_error("no part of it can wait"));
                }
                self.parked_at.get_or_insert(at);
                return Ok(());
            }
            Event::Decided { step, decision, .. } => {
                self.may_decide(*step, *decision)?;
                let (task, started) = self.take_started(*step)?;
                self.decided(task, started, *decision, at)
            }
            Event::Stopped { reason } => self.stop(*reason, at)?,
        };
        if let Some(since) = self.parked_at.take() {
            self.extend_deadline(since, at);
        }
        self.run(flow, at);
        Ok(())
    }

    pub fn next(&self) -> Next<'_> {
        match (&self.ending, &self.current) {
            (None, Some(task)) => match task.started {
                None => Next::Perform(task),
                Some(started) => Next::Await(task, started),
            },
            (Some(ending), _) => Next::Ended(ending),
            // Unreachable: `run` leaves a task or an ending.
            (None, None) => Next::Ended(&Ending::Failed),
        }
    }

    pub fn next_step(&self) -> u64 {
        self.steps + 1
    }

    /// Id of the execution that `step` calls.
    pub(crate) fn child(&self, step: u64) -> String {
        format!("{}.{step}", self.id)
    }

    /// When the rollback begins by itself. `None` while a person is waited for,
    /// during the rollback and after the end.
    pub fn deadline(&self) -> Option<Timestamp> {
        let waits = self.parked_at.is_some() || self.waits_for().is_some();
        (!self.rolling_back && self.ending.is_none() && !waits).then_some(self.deadline)
    }

    /// Whether a called procedure waits for a person.
    pub fn parked(&self) -> bool {
        self.parked_at.is_some()
    }

    pub fn waits_for(&self) -> Option<(&Task, StepStart)> {
        let task = self.current.as_ref()?;
        let started = task.started?;
        let waits = started.interrupted || matches!(task.work, EvaluatedAction::Approval { .. });
        waits.then_some((task, started))
    }

    /// Fails if `decision` does not answer what `step` waits for.
    pub(crate) fn may_decide(&self, step: u64, decision: Decision) -> Result<(), JournalError> {
        let waits = self.waits_for().filter(|(_, started)| started.step == step);
        let Some((task, started)) = waits else {
            return Err(journal_error("it waits for no decision"));
        };
        let about_approval = matches!(decision, Decision::Approved | Decision::Rejected);
        match about_approval != started.interrupted {
            true => Ok(()),
            false if started.interrupted => Err(journal_error(format!(
                "{} of the state {} was interrupted: it was done, is to be done again, or failed",
                task.work.label(),
                task.state
            ))),
            false => Err(journal_error(
                "it waits for an approval: it is approved or rejected",
            )),
        }
    }

    pub(crate) fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The grants with which its steps are called.
    pub(super) fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    pub fn state(&self) -> &str {
        &self.state
    }

    pub(crate) fn context(&self) -> &Map<String, Value> {
        &self.context
    }

    pub fn failure(&self) -> Option<&ActionError> {
        let failed = self.rolling_back && self.stopped != Some(StopReason::Reverted);
        self.error.as_ref().filter(|_| failed)
    }

    pub fn rolling_back(&self) -> bool {
        self.rolling_back
    }

    /// The undone states, in the order of undoing.
    pub fn compensated(&self) -> &[String] {
        &self.compensated
    }

    pub fn uncompensated(&self) -> &[Uncompensated] {
        &self.uncompensated
    }

    pub(crate) fn moves(&self) -> &[StateChange] {
        &self.history.moves
    }

    pub fn performed(&self) -> &[ActionRecord] {
        &self.history.performed
    }

    fn run(&mut self, mut flow: Flow, at: Timestamp) {
        loop {
            flow = match flow {
                Flow::Enter(state, event) => self.enter(state, event, at),
                Flow::Leave(event) => self.leave(event),
                Flow::Fail(error) => self.fail(error),
                Flow::RollBack(error) => self.roll_back(error),
                Flow::Undo => self.undo_next(at),
                Flow::End => self.end(at),
                Flow::Wait => return,
            };
        }
    }

    fn take_started(&mut self, step: u64) -> Result<(Task, StepStart), JournalError> {
        let started = self.current.as_ref().and_then(|task| task.started);
        match started.filter(|started| started.step == step) {
            Some(started) => match self.current.take() {
                Some(task) => Ok((task, started)),
                None => Err(journal_error("nothing is being done")),
            },
            None => Err(journal_error("that step is not being done")),
        }
    }

    /// Changes what is known of a step that was begun.
    fn annotate(&mut self, step: u64, note: impl Fn(&mut StepStart)) -> Result<Flow, JournalError> {
        let (mut task, mut started) = self.take_started(step)?;
        note(&mut started);
        self.history.taken_over(step, started.takeovers);
        task.started = Some(started);
        self.current = Some(task);
        Ok(Flow::Wait)
    }

    fn finished(
        &mut self,
        task: Task,
        started: StepStart,
        outcome: ActionOutcome,
        at: Timestamp,
    ) -> Flow {
        if let ActionOutcome::Error(error) = &outcome
            && self.may_retry(&task, started, error)
        {
            self.current = Some(self.retry(task, at));
            return Flow::Wait;
        }
        self.conclude(&task, started, outcome)
    }

    /// Continues after an action whose outcome is final.
    fn conclude(&mut self, task: &Task, started: StepStart, outcome: ActionOutcome) -> Flow {
        match (task.is_compensation, outcome) {
            (false, ActionOutcome::Result(result)) => self.succeeded(task, started, result),
            (false, ActionOutcome::Error(error)) => self.failed(task, started, error),
            (true, outcome) => self.undone(task, outcome),
        }
    }

    fn may_retry(&self, task: &Task, started: StepStart, error: &ActionError) -> bool {
        let retry = self.definition.states.get(&task.state);
        let Some(retry) = retry.and_then(|state| state.retry.as_ref()) else {
            return false;
        };
        let wanted = match retry.errors.as_slice() {
            [] => error.is_transient(),
            kinds => error.is_one_of(kinds),
        };
        // A repetition is safe if the action is idempotent or did not happen.
        let harmless = started.effects.idempotent || !error.may_have_taken_effect();
        task.attempt <= retry.max_attempts && wanted && harmless
    }

    fn retry(&self, task: Task, at: Timestamp) -> Task {
        let retry = self.definition.states.get(&task.state);
        let retry = retry.and_then(|state| state.retry.as_ref());
        let wait = retry.map_or(0, |retry| retry.wait_ms(task.attempt));
        Task {
            attempt: task.attempt + 1,
            not_before: Some(later(at, wait)),
            started: None,
            ..task
        }
    }

    /// Extends the deadline by the time spent waiting for a person.
    fn extend_deadline(&mut self, since: Timestamp, at: Timestamp) {
        let waited = at.0.saturating_sub(since.0).max(0);
        self.deadline = Timestamp(self.deadline.0.saturating_add(waited));
    }

    fn decided(
        &mut self,
        task: Task,
        started: StepStart,
        decision: Decision,
        at: Timestamp,
    ) -> Flow {
        self.extend_deadline(started.at, at);
        let outcome = match decision {
            Decision::Approved | Decision::Done => {
                ActionOutcome::Result(json!({"decision": decision.name()}))
            }
            Decision::Rejected => {
                let message = format!("the approval in the state {} was refused", task.state);
                ActionOutcome::Error(ActionError::new("rejected", message))
            }
            Decision::Failed => {
                let message = format!("{} was interrupted and failed", task.work.label());
                ActionOutcome::Error(ActionError::new("interrupted", message))
            }
            Decision::Again => {
                self.history.forget(started.step);
                self.current = Some(Task {
                    started: None,
                    ..task
                });
                return Flow::Wait;
            }
        };
        self.history.finish(started.step, &outcome, at);
        self.conclude(&task, started, outcome)
    }
}

pub(in crate::procedure) fn later(at: Timestamp, ms: u64) -> Timestamp {
    let micros = i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX);
    Timestamp(at.0.saturating_add(micros))
}

fn journal_error(why: impl Into<String>) -> JournalError {
    JournalError(why.into())
}
