//! What is kept of an execution: its journal. AnyName else about it follows
//! from the definition and these entries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::caller::{Grants, PROJECT_SHARED};
use crate::clock::Timestamp;
use crate::failure::Failure;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written, in microseconds since 1970.
    pub at: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// `event` at `at`.
    pub fn new(at: Timestamp, event: Event) -> Entry {
        Entry { at: at.0, event }
    }

    pub(super) fn to_json(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(Failure::internal)
    }
}

/// Old journals have no grants: only the local user could start them, and their
/// steps acted in the shared project.
fn grants_before_journaled() -> Arc<Grants> {
    Arc::new(Grants::local(PROJECT_SHARED))
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The execution was started.
    Started {
        /// Its context.
        context: Map<String, Value>,
        /// How long it may take until its rollback begins.
        timeout_ms: u64,
        /// Of whoever started it: every step is a call by them.
        #[serde(default = "grants_before_journaled")]
        grants: Arc<Grants>,
    },
    /// An action is about to be performed.
    #[serde(rename = "begun")]
    StepStarted {
        /// Counted from 1 in each execution.
        step: u64,
        /// What is known of the action.
        #[serde(flatten)]
        effects: SideEffects,
    },
    /// An action is over.
    #[serde(rename = "finished")]
    StepFinished {
        /// Which.
        step: u64,
        /// How it went.
        #[serde(flatten)]
        outcome: ActionOutcome,
    },
    /// Mimo ended while the action was being performed, and doing it twice may
    /// do harm: a person has to say how it went.
    #[serde(rename = "interrupted")]
    StepInterrupted {
        /// Which.
        step: u64,
    },
    /// A procedure that it has called waits for a person: until the next entry
    /// the time is not its own.
    Parked,
    /// A person decided.
    Decided {
        /// The approval, or the interrupted action.
        step: u64,
        /// What.
        decision: Decision,
        /// Who, as the system knows them.
        by: String,
        /// Why, in their words.
        note: String,
    },
    /// The execution is not to go on.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// What is known of an action before it is performed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideEffects {
    /// It changes nothing.
    #[serde(rename = "reads")]
    pub read_only: bool,
    /// Doing it twice is as good as once.
    pub idempotent: bool,
}

/// How an action went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionOutcome {
    /// It gave this.
    Result(Value),
    /// It failed.
    Error(ActionError),
}

/// An error as templates and people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionError {
    /// The kind, by which it is caught.
    pub kind: String,
    /// What happened and why.
    pub message: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ActionError {
    /// An error of `kind`.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> ActionError {
        ActionError {
            kind: kind.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// Whether the action may have happened all the same.
    pub fn leaves_doubt(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "timeout" | "cancelled" | "unavailable" | "internal"
        )
    }

    /// Whether trying again can help, where the definition does not say.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self.kind.as_str(),
            "invalid_arguments" | "refused" | "cancelled" | "unknown_outcome" | "rejected"
        )
    }

    /// Whether one of `kinds` means it.
    pub fn is_one_of(&self, kinds: &[String]) -> bool {
        kinds.iter().any(|kind| kind == "*" || *kind == self.kind)
    }
}

impl From<Failure> for ActionError {
    fn from(failure: Failure) -> ActionError {
        ActionError {
            kind: failure.kind.name().to_owned(),
            message: failure.message,
            hint: failure.hint,
        }
    }
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The approval is given.
    Approved,
    /// The approval is refused.
    Rejected,
    /// The interrupted action was done: go on.
    Done,
    /// The interrupted action was not done: do it.
    Again,
    /// The interrupted action failed.
    Failed,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Decision; 5] = [
        Decision::Approved,
        Decision::Rejected,
        Decision::Done,
        Decision::Again,
        Decision::Failed,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Approved => "approved",
            Decision::Rejected => "rejected",
            Decision::Done => "done",
            Decision::Again => "again",
            Decision::Failed => "failed",
        }
    }
}

/// Why an execution is not to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Someone cancelled it.
    Cancelled,
    /// Its time is over.
    TimedOut,
    /// It was completed, and the procedure that called it is rolled back.
    Reverted,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_written_and_read_back() {
        let step = 3;
        let events = [
            Event::Started {
                context: Map::from_iter([("a".to_owned(), json!(1))]),
                timeout_ms: 5,
                grants: Arc::new(Grants::fenced("website")),
            },
            Event::StepStarted {
                step,
                effects: SideEffects {
                    read_only: false,
                    idempotent: true,
                },
            },
            Event::StepFinished {
                step,
                outcome: ActionOutcome::Result(json!({"kind": "timeout"})),
            },
            Event::StepFinished {
                step,
                outcome: ActionOutcome::Result(Value::Null),
            },
            Event::StepFinished {
                step,
                outcome: ActionOutcome::Error(ActionError::new("timeout", "late")),
            },
            Event::StepInterrupted { step },
            Event::Parked,
            Event::Decided {
                step,
                decision: Decision::Again,
                by: "ada".to_owned(),
                note: String::new(),
            },
            Event::Stopped {
                reason: StopReason::TimedOut,
            },
        ];
        for event in events {
            let entry = Entry::new(Timestamp(7), event);
            let text = serde_json::to_string(&entry).expect("written");
            let read: Entry = serde_json::from_str(&text).expect(&text);
            assert_eq!(read, entry, "{text}");
        }
    }

    #[test]
    fn an_old_journal_runs_as_the_local_user() {
        let text = r#"{"at":1,"event":"started","context":{},"timeout_ms":5}"#;
        let entry: Entry = serde_json::from_str(text).expect("an entry");
        let Event::Started { grants, .. } = entry.event else {
            panic!("{entry:?}");
        };
        assert_eq!(*grants, Grants::local(PROJECT_SHARED));
    }
}
