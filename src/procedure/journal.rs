//! The journal of an execution. Its state follows from the definition and these
//! entries alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::caller::{Grants, PROJECT_SHARED};
use crate::clock::Timestamp;
use crate::failure::Failure;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Started {
        context: Map<String, Value>,
        /// The rollback begins after this time.
        timeout_ms: u64,
        /// The grants of the starter, with which every step is called.
        #[serde(default = "grants_before_journaled")]
        grants: Arc<Grants>,
    },
    /// The intent to perform an action.
    #[serde(rename = "begun")]
    StepStarted {
        /// Counted from 1 in each execution.
        step: u64,
        #[serde(flatten)]
        effects: SideEffects,
    },
    /// The result of an action.
    #[serde(rename = "finished")]
    StepFinished {
        step: u64,
        #[serde(flatten)]
        outcome: ActionOutcome,
    },
    /// Mimo ended during an action, which another Mimo repeats. These are counted,
    /// because the action may be the cause.
    #[serde(rename = "taken_over")]
    StepTakenOver { step: u64 },
    /// Mimo ended during an action that must not be repeated, or not again. A person
    /// has to decide its outcome.
    #[serde(rename = "interrupted")]
    StepInterrupted { step: u64 },
    /// A called procedure waits for a person. The time until the next entry does
    /// not count against the timeout.
    Parked,
    Decided {
        /// The step of the approval or of the interrupted action.
        step: u64,
        decision: Decision,
        /// User name of the person.
        by: String,
        /// The person's reason.
        note: String,
    },
    /// The execution must stop.
    Stopped { reason: StopReason },
}

/// What a tool declares about its effects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideEffects {
    #[serde(rename = "reads")]
    pub read_only: bool,
    pub idempotent: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionOutcome {
    Result(Value),
    Error(ActionError),
}

/// An error as templates see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionError {
    pub(crate) kind: String,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl ActionError {
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> ActionError {
        ActionError {
            kind: kind.into(),
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn may_have_taken_effect(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "timeout" | "cancelled" | "unavailable" | "internal"
        )
    }

    /// Whether to retry by default.
    pub(super) fn is_transient(&self) -> bool {
        !matches!(
            self.kind.as_str(),
            "invalid_arguments" | "refused" | "cancelled" | "unknown_outcome" | "rejected"
        )
    }

    /// Whether one of `kinds` matches; `*` matches every error.
    pub(super) fn is_one_of(&self, kinds: &[String]) -> bool {
        kinds.iter().any(|kind| kind == "*" || *kind == self.kind)
    }
}

impl From<Failure> for ActionError {
    fn from(failure: Failure) -> ActionError {
        ActionError {
            kind: failure.kind.name().to_owned(),
            hint: failure.next_step(),
            message: failure.message,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approved,
    Rejected,
    /// The interrupted action took effect.
    Done,
    /// The interrupted action did not take effect: perform it.
    Again,
    /// The interrupted action failed.
    Failed,
}

impl Decision {
    pub(crate) const ALL: [Decision; 5] = [
        Decision::Approved,
        Decision::Rejected,
        Decision::Done,
        Decision::Again,
        Decision::Failed,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Decision::Approved => "approved",
            Decision::Rejected => "rejected",
            Decision::Done => "done",
            Decision::Again => "again",
            Decision::Failed => "failed",
        }
    }
}

/// Why an execution must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    Cancelled,
    TimedOut,
    /// It was completed, but its caller is being rolled back.
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
            Event::StepTakenOver { step },
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
