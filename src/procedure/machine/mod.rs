//! The state machine: from a definition and a journal to the next action. Pure:
//! no clock, no I/O, nothing random; the same journal gives the same machine.

mod forward;
mod record;
mod rollback;
mod task;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use record::{Move, Performed};
pub use task::{Begun, Task, Work};

use super::definition::Definition;
use super::journal::{Decision, Entry, Event, Outcome, Reason, Trouble};
use crate::clock::Timestamp;

/// An execution as its journal tells it.
#[derive(Clone, Debug)]
pub struct Machine {
    definition: Arc<Definition>,
    /// The execution's id.
    id: String,
    context: Map<String, Value>,
    /// The state it is in.
    state: String,
    /// How many states it has entered.
    entered: usize,
    entered_at: Timestamp,
    started_at: Timestamp,
    /// When its rollback begins if it is not over by then.
    deadline: Timestamp,
    /// Since when a procedure that it has called waits for a person.
    parked_at: Option<Timestamp>,
    /// Steps begun so far.
    steps: u64,
    current: Option<Task>,
    /// The map that is being worked on.
    each: Option<Items>,
    /// What the last action gave.
    result: Value,
    /// The last error.
    error: Option<Trouble>,
    /// What would have to be undone, the first done first.
    undo: Vec<Undo>,
    rolling_back: bool,
    rollback_called: bool,
    stopped: Option<Reason>,
    compensated: Vec<String>,
    remains: Vec<Remains>,
    ending: Option<Ending>,
    record: record::Record,
}

/// The map that is being worked on.
#[derive(Clone, Debug, PartialEq)]
struct Items {
    items: Vec<Value>,
    at: usize,
    collected: Vec<Value>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
struct Undo {
    state: String,
    item: Option<usize>,
    how: How,
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    /// By this.
    Work(Work),
    /// Nothing was said about it.
    Unsaid,
    /// It cannot be undone, for this reason.
    Impossible(String),
}

/// Something that was done and not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The state that did it.
    pub state: String,
    /// Why it remains.
    pub why: String,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// All was done; this is the answer.
    Completed(Value),
    /// It failed, and all that it had done is undone.
    RolledBack,
    /// It failed; what could not be undone is in [`Machine::remains`].
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// What is to happen next.
#[derive(Debug, PartialEq)]
pub enum Next<'a> {
    /// Begin this: journal that it begins, then perform it.
    Perform(&'a Task),
    /// This has begun, and nothing tells yet how it went.
    Await(&'a Task, Begun),
    /// Nothing: it has ended.
    Nothing(&'a Ending),
}

/// An entry that does not fit what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(pub String);

/// What the machine does by itself until the world is needed.
enum Flow {
    Enter(String, String),
    Leave(String),
    Fail(Trouble),
    RollBack(Trouble),
    Undo,
    End,
    Rest,
}

impl Machine {
    /// The machine that `journal` leads to.
    pub fn replay(
        definition: Arc<Definition>,
        id: &str,
        journal: &[Entry],
    ) -> Result<Machine, Misfit> {
        let (first, rest) = journal.split_first().ok_or_else(|| misfit("no entries"))?;
        let mut machine = Machine::start(definition, id, first)?;
        for entry in rest {
            machine.apply(entry)?;
        }
        Ok(machine)
    }

    fn start(definition: Arc<Definition>, id: &str, first: &Entry) -> Result<Machine, Misfit> {
        let Event::Started {
            context,
            timeout_ms,
        } = &first.event
        else {
            return Err(misfit("it does not begin with its start"));
        };
        let at = Timestamp(first.at);
        let initial = definition.initial_state.clone();
        let mut machine = Machine {
            definition,
            id: id.to_owned(),
            context: context.clone(),
            state: initial.clone(),
            entered: 0,
            entered_at: at,
            started_at: at,
            deadline: later(at, *timeout_ms),
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
            remains: Vec::new(),
            ending: None,
            record: record::Record::default(),
        };
        machine.run(Flow::Enter(initial, "started".to_owned()), at);
        Ok(machine)
    }

    /// Takes the next entry of the journal. One that does not fit changes
    /// nothing.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Misfit> {
        let at = Timestamp(entry.at);
        let flow = match &entry.event {
            Event::Started { .. } => return Err(misfit("it was started already")),
            Event::Begun { step, conduct } => {
                if *step != self.steps + 1 {
                    return Err(misfit("a step out of turn"));
                }
                let task = self.current.as_mut();
                let Some(task) = task.filter(|task| task.begun.is_none()) else {
                    return Err(misfit("nothing is due"));
                };
                task.begun = Some(Begun {
                    step: *step,
                    at,
                    conduct: *conduct,
                    interrupted: false,
                });
                self.steps = *step;
                self.record.begin(task, *step, at);
                Flow::Rest
            }
            Event::Finished { step, outcome } => {
                let (task, begun) = self.take_begun(*step)?;
                self.record.finish(*step, outcome, at);
                if matches!(task.work, Work::Approval { .. }) {
                    self.give_back(begun.at, at);
                }
                self.finished(task, begun, outcome.clone(), at)
            }
            Event::Interrupted { step } => {
                let (mut task, begun) = self.take_begun(*step)?;
                task.begun = Some(Begun {
                    interrupted: true,
                    ..begun
                });
                self.current = Some(task);
                Flow::Rest
            }
            Event::Parked => {
                let can_wait = |task: &Task| task.begun.is_some() && task.work.is_execution();
                if !self.current.as_ref().is_some_and(can_wait) {
                    return Err(misfit("no part of it can wait"));
                }
                self.parked_at.get_or_insert(at);
                return Ok(());
            }
            Event::Decided { step, decision, .. } => {
                self.may_decide(*step, *decision)?;
                let (task, begun) = self.take_begun(*step)?;
                self.decided(task, begun, *decision, at)
            }
            Event::Stopped { reason } => self.stop(*reason, at)?,
        };
        if let Some(since) = self.parked_at.take() {
            self.give_back(since, at);
        }
        self.run(flow, at);
        Ok(())
    }

    /// What is to happen next.
    pub fn next(&self) -> Next<'_> {
        match (&self.ending, &self.current) {
            (None, Some(task)) => match task.begun {
                None => Next::Perform(task),
                Some(begun) => Next::Await(task, begun),
            },
            (Some(ending), _) => Next::Nothing(ending),
            // `run` leaves a task or an ending.
            (None, None) => Next::Nothing(&Ending::Failed),
        }
    }

    /// The step that begins next.
    pub fn next_step(&self) -> u64 {
        self.steps + 1
    }

    /// The id of the execution that step `step` runs.
    pub fn child(&self, step: u64) -> String {
        format!("{}.{step}", self.id)
    }

    /// When the rollback begins by itself; `None` where that has no meaning:
    /// while a person is waited for, while it is rolled back, and at its end.
    pub fn deadline(&self) -> Option<Timestamp> {
        let waits = self.parked_at.is_some() || self.waits_for().is_some();
        (!self.rolling_back && self.ending.is_none() && !waits).then_some(self.deadline)
    }

    /// Whether a procedure that it has called waits for a person.
    pub fn parked(&self) -> bool {
        self.parked_at.is_some()
    }

    /// The task that only a person can end.
    pub fn waits_for(&self) -> Option<(&Task, Begun)> {
        let task = self.current.as_ref()?;
        let begun = task.begun?;
        let waits = begun.interrupted || matches!(task.work, Work::Approval { .. });
        waits.then_some((task, begun))
    }

    /// Whether `decision` answers what step `step` waits for.
    pub fn may_decide(&self, step: u64, decision: Decision) -> Result<(), Misfit> {
        let waits = self.waits_for().filter(|(_, begun)| begun.step == step);
        let Some((task, begun)) = waits else {
            return Err(misfit("it waits for no decision"));
        };
        let about_approval = matches!(decision, Decision::Approved | Decision::Rejected);
        match about_approval != begun.interrupted {
            true => Ok(()),
            false if begun.interrupted => Err(misfit(format!(
                "{} of the state {} was interrupted: it was done, is to be done again, or failed",
                task.work.label(),
                task.state
            ))),
            false => Err(misfit(
                "it waits for an approval: it is approved or rejected",
            )),
        }
    }

    /// The definition it follows.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The state it is in.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Its variables.
    pub fn context(&self) -> &Map<String, Value> {
        &self.context
    }

    /// Why it fails, once it does.
    pub fn failure(&self) -> Option<&Trouble> {
        let failed = self.rolling_back && self.stopped != Some(Reason::Reverted);
        self.error.as_ref().filter(|_| failed)
    }

    /// Whether it is being rolled back, or was.
    pub fn rolling_back(&self) -> bool {
        self.rolling_back
    }

    /// The states that were undone, in that order.
    pub fn compensated(&self) -> &[String] {
        &self.compensated
    }

    /// What was done and not undone.
    pub fn remains(&self) -> &[Remains] {
        &self.remains
    }

    /// From state to state, in order.
    pub fn moves(&self) -> &[Move] {
        &self.record.moves
    }

    /// What was performed, in order.
    pub fn performed(&self) -> &[Performed] {
        &self.record.performed
    }

    /// When it began.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
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
                Flow::Rest => return,
            };
        }
    }

    fn take_begun(&mut self, step: u64) -> Result<(Task, Begun), Misfit> {
        let begun = self.current.as_ref().and_then(|task| task.begun);
        match begun.filter(|begun| begun.step == step) {
            Some(begun) => match self.current.take() {
                Some(task) => Ok((task, begun)),
                None => Err(misfit("nothing is being done")),
            },
            None => Err(misfit("that step is not being done")),
        }
    }

    fn finished(&mut self, task: Task, begun: Begun, outcome: Outcome, at: Timestamp) -> Flow {
        if let Outcome::Error(error) = &outcome
            && self.may_retry(&task, begun, error)
        {
            self.current = Some(self.again(task, at));
            return Flow::Rest;
        }
        match (task.undoes, outcome) {
            (false, Outcome::Result(result)) => self.succeeded(&task, begun, result),
            (false, Outcome::Error(error)) => self.gave_up(&task, begun, error),
            (true, outcome) => self.undone(&task, outcome),
        }
    }

    fn may_retry(&self, task: &Task, begun: Begun, error: &Trouble) -> bool {
        let retry = self.definition.states.get(&task.state);
        let Some(retry) = retry.and_then(|state| state.retry.as_ref()) else {
            return false;
        };
        let wanted = match retry.errors.as_slice() {
            [] => error.may_pass(),
            kinds => error.is_one_of(kinds),
        };
        // Twice is once too often where the first may have happened.
        let harmless = begun.conduct.idempotent || !error.leaves_doubt();
        task.attempt <= retry.max_attempts && wanted && harmless
    }

    fn again(&self, task: Task, at: Timestamp) -> Task {
        let retry = self.definition.states.get(&task.state);
        let retry = retry.and_then(|state| state.retry.as_ref());
        let wait = retry.map_or(0, |retry| retry.wait_ms(task.attempt));
        Task {
            attempt: task.attempt + 1,
            not_before: Some(later(at, wait)),
            begun: None,
            ..task
        }
    }

    /// Time spent waiting for a person is not the procedure's.
    fn give_back(&mut self, since: Timestamp, at: Timestamp) {
        let waited = at.0.saturating_sub(since.0).max(0);
        self.deadline = Timestamp(self.deadline.0.saturating_add(waited));
    }

    fn decided(&mut self, task: Task, begun: Begun, decision: Decision, at: Timestamp) -> Flow {
        self.give_back(begun.at, at);
        let outcome = match decision {
            Decision::Approved | Decision::Done => {
                Outcome::Result(json!({"decision": decision.name()}))
            }
            Decision::Rejected => {
                let message = format!("the approval in the state {} was refused", task.state);
                Outcome::Error(Trouble::new("rejected", message))
            }
            Decision::Failed => {
                let message = format!("{} was interrupted and failed", task.work.label());
                Outcome::Error(Trouble::new("interrupted", message))
            }
            Decision::Again => {
                self.record.forget(begun.step);
                self.current = Some(Task {
                    begun: None,
                    ..task
                });
                return Flow::Rest;
            }
        };
        self.record.finish(begun.step, &outcome, at);
        match (task.undoes, outcome) {
            (false, Outcome::Result(result)) => self.succeeded(&task, begun, result),
            (false, Outcome::Error(error)) => self.gave_up(&task, begun, error),
            (true, outcome) => self.undone(&task, outcome),
        }
    }
}

/// A moment `ms` later.
pub(in crate::procedure) fn later(at: Timestamp, ms: u64) -> Timestamp {
    let micros = i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX);
    Timestamp(at.0.saturating_add(micros))
}

fn misfit(why: impl Into<String>) -> Misfit {
    Misfit(why.into())
}
