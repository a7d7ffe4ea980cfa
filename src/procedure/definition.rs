//! A procedure as it is run: the typed form of a definition that has passed its
//! check. `schemas/procedure.schema.json` says what each part is for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::limits;

/// A checked definition.
#[derive(Clone, Debug, Deserialize)]
pub struct Definition {
    /// What it is called by.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, for people and models.
    #[serde(default)]
    pub description: String,
    /// Where an execution begins.
    pub initial_state: String,
    /// JSON Schema of the context that an execution begins with.
    #[serde(default)]
    pub context_schema: Option<Value>,
    /// How long an execution may take until its rollback begins.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// What an execution answers.
    #[serde(default)]
    pub output: Option<Value>,
    /// Runs after the compensations of an execution that failed.
    #[serde(default)]
    pub rollback_procedure: Option<String>,
    /// The states by name.
    pub states: BTreeMap<String, State>,
}

/// One state.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// What is done there; nothing means success at once.
    pub action: Option<Action>,
    /// Variables that take values after success.
    pub assign: Map<String, Value>,
    /// How long one attempt may take.
    pub timeout_ms: Option<u64>,
    /// When and how often it is tried again.
    pub retry: Option<Retry>,
    /// Where errors lead.
    pub catch: Vec<Catch>,
    /// Where events lead; the first that fits is taken.
    pub transitions: Vec<Transition>,
    /// Where every other event but `error` leads.
    pub next: Option<String>,
    /// Undoes the action.
    pub compensate: Option<Action>,
    /// The execution is completed after this state.
    pub end: bool,
    /// The execution fails here.
    pub fail: Option<Fail>,
}

/// When and how often an action is tried again.
#[derive(Clone, Debug, Deserialize)]
pub struct Retry {
    /// Attempts after the first.
    pub max_attempts: u32,
    /// The wait before the second attempt.
    #[serde(default = "interval_default")]
    pub interval_ms: u64,
    /// By how much each later wait is longer.
    #[serde(default = "backoff_default")]
    pub backoff_rate: f64,
    /// Kinds of errors that are tried again; empty: all that may pass.
    #[serde(default)]
    pub errors: Vec<String>,
}

fn interval_default() -> u64 {
    1000
}

fn backoff_default() -> f64 {
    2.0
}

impl Retry {
    /// The wait after `attempt` (counted from 1) has failed.
    pub fn wait_ms(&self, attempt: u32) -> u64 {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.interval_ms as f64 * self.backoff_rate.powi(exponent);
        wait.min(limits::PROCEDURE_MILLIS_MAX as f64) as u64
    }
}

/// Where errors of some kinds lead.
#[derive(Clone, Debug, Deserialize)]
pub struct Catch {
    /// The kinds; `*` is every kind.
    pub errors: Vec<String>,
    /// The state that follows.
    pub target: String,
}

/// Where an event leads.
#[derive(Clone, Debug, Deserialize)]
pub struct Transition {
    /// `success`, `error`, an event of a choice, or `default`.
    pub event: String,
    /// The state that follows.
    pub target: String,
    /// Taken only where this is true.
    #[serde(default)]
    pub guard: Option<String>,
}

/// A state in which an execution fails.
#[derive(Clone, Debug, Deserialize)]
pub struct Fail {
    /// The error's kind.
    #[serde(default = "failed")]
    pub error: String,
    /// What happened, as a template.
    pub message: String,
}

fn failed() -> String {
    "failed".to_owned()
}

/// What a state does. Names tools, never code.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawAction")]
pub enum Action {
    /// Calls a tool.
    Tool {
        /// Ours, or a skill's as `<skill>__<tool>`.
        name: String,
        /// Its arguments, with templates.
        arguments: Map<String, Value>,
        /// What the definition says about doing it twice.
        idempotent: Option<bool>,
    },
    /// Gives variables values.
    Set(Map<String, Value>),
    /// Fails unless all of these hold.
    Validate(Vec<Condition>),
    /// Waits; milliseconds, or a template that gives them.
    Delay(Value),
    /// Gives the event of the first case that holds.
    Choice(Vec<Case>),
    /// One action for each of a list.
    Map(Box<MapAction>),
    /// Waits for a person; the message is a template.
    Approval(String),
    /// Runs another procedure.
    Procedure {
        /// Its name.
        name: String,
        /// Its version, or `latest`.
        version: String,
        /// What it begins with, with templates.
        context: Map<String, Value>,
    },
}

/// What must hold.
#[derive(Clone, Debug, Deserialize)]
pub struct Condition {
    /// A template.
    pub that: String,
    /// What is said where it does not hold.
    #[serde(default)]
    pub message: Option<String>,
}

/// One case of a choice.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// A template; without it the case always holds.
    #[serde(default)]
    pub when: Option<String>,
    /// The event it gives.
    pub event: String,
}

/// One action for each of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct MapAction {
    /// The list, or a template that gives it.
    pub items: Value,
    /// The item's name in templates.
    #[serde(rename = "as", default = "item")]
    pub name: String,
    /// What is done with each.
    pub action: Action,
    /// What is kept of each result.
    #[serde(default)]
    pub collect: Option<Value>,
}

fn item() -> String {
    "item".to_owned()
}

/// An action as JSON has it: one of these keys.
#[derive(Deserialize)]
struct RawAction {
    tool: Option<String>,
    #[serde(default)]
    arguments: Map<String, Value>,
    idempotent: Option<bool>,
    set: Option<Map<String, Value>>,
    validate: Option<Vec<Condition>>,
    delay_ms: Option<Value>,
    choice: Option<Vec<Case>>,
    map: Option<Box<MapAction>>,
    wait_for_approval: Option<RawApproval>,
    call_procedure: Option<RawCall>,
}

#[derive(Deserialize)]
struct RawApproval {
    message: String,
}

#[derive(Deserialize)]
struct RawCall {
    name: String,
    #[serde(default = "latest")]
    version: String,
    #[serde(default)]
    context: Map<String, Value>,
}

fn latest() -> String {
    LATEST.to_owned()
}

/// The version that stands for the highest there is.
pub const LATEST: &str = "latest";

impl TryFrom<RawAction> for Action {
    type Error = &'static str;

    fn try_from(raw: RawAction) -> Result<Action, Self::Error> {
        let RawAction {
            arguments,
            idempotent,
            ..
        } = raw;
        let tool = raw.tool.map(|name| Action::Tool {
            name,
            arguments,
            idempotent,
        });
        let called = raw.call_procedure.map(|called| Action::Procedure {
            name: called.name,
            version: called.version,
            context: called.context,
        });
        tool.or(called)
            .or(raw.set.map(Action::Set))
            .or(raw.validate.map(Action::Validate))
            .or(raw.delay_ms.map(Action::Delay))
            .or(raw.choice.map(Action::Choice))
            .or(raw.map.map(Action::Map))
            .or(raw.wait_for_approval.map(|m| Action::Approval(m.message)))
            .ok_or("an action needs one of its keys")
    }
}

impl Action {
    /// The key it is raw with.
    pub fn key(&self) -> &'static str {
        match self {
            Action::Tool { .. } => "tool",
            Action::Set(_) => "set",
            Action::Validate(_) => "validate",
            Action::Delay(_) => "delay_ms",
            Action::Choice(_) => "choice",
            Action::Map(_) => "map",
            Action::Approval(_) => "wait_for_approval",
            Action::Procedure { .. } => "call_procedure",
        }
    }

    /// What it does, in a few words.
    pub fn label(&self) -> String {
        match self {
            Action::Tool { name, .. } => name.clone(),
            Action::Procedure { name, .. } => format!("procedure {name}"),
            Action::Map(each) => format!("{} for each {}", each.action.label(), each.name),
            Action::Approval(_) => "approval".to_owned(),
            Action::Delay(_) => "delay".to_owned(),
            Action::Set(_) | Action::Validate(_) | Action::Choice(_) => self.key().to_owned(),
        }
    }
}

/// SHA-256 of a definition in hex. The keys of objects are sorted, so the same
/// definition has the same hash however it was raw.
pub fn hash(definition: &Value) -> String {
    let digest = Sha256::digest(definition.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Orders versions: number by number, a part that is no number as a text, and
/// `1.0.0-rc1` before `1.0.0`.
pub fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    fn split(version: &str) -> (&str, Option<&str>) {
        let version = version.split('+').next().unwrap_or_default();
        match version.split_once('-') {
            Some((core, before)) => (core, Some(before)),
            None => (version, None),
        }
    }
    fn parts(a: &str, b: &str) -> Ordering {
        let (mut a, mut b) = (a.split('.'), b.split('.'));
        loop {
            let order = match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                },
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }
    let ((a, before_a), (b, before_b)) = (split(a), split(b));
    parts(a, b).then_with(|| match (before_a, before_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => parts(a, b),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_number_by_number() {
        let sorted = [
            "1",
            "1.0",
            "1.0.0-rc.1",
            "1.0.0-rc.2",
            "1.0.0",
            "1.2",
            "1.10",
            "2.0",
            "2024.1",
        ];
        for (at, low) in sorted.iter().enumerate() {
            for high in &sorted[at + 1..] {
                assert!(compare_versions(low, high).is_lt(), "{low} < {high}");
                assert!(compare_versions(high, low).is_gt(), "{high} > {low}");
            }
        }
        assert!(compare_versions("1.0+a", "1.0+b").is_eq());
    }

    #[test]
    fn the_waits_between_attempts_grow_and_are_bounded() {
        let retry = Retry {
            max_attempts: 20,
            interval_ms: 100,
            backoff_rate: 3.0,
            errors: Vec::new(),
        };
        assert_eq!([1, 2, 3].map(|n| retry.wait_ms(n)), [100, 300, 900]);
        assert_eq!(retry.wait_ms(u32::MAX), limits::PROCEDURE_MILLIS_MAX);
    }
}
