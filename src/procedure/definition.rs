//! The typed form of a checked definition. `schemas/procedure.schema.json`
//! describes each part.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::limits;

#[derive(Clone, Debug, Deserialize)]
pub struct Definition {
    pub name: String,
    pub(crate) version: String,
    /// For people and models.
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) initial_state: String,
    /// JSON Schema of the context that an execution begins with.
    #[serde(default)]
    pub(crate) context_schema: Option<Value>,
    /// The rollback of an execution begins after this time.
    #[serde(default)]
    pub(crate) timeout_ms: Option<u64>,
    /// A template: the result of an execution.
    #[serde(default)]
    pub(crate) output: Option<Value>,
    /// Runs after the compensations of an execution that failed.
    #[serde(default)]
    pub(crate) rollback_procedure: Option<String>,
    pub states: BTreeMap<String, State>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// For people and models.
    pub(crate) description: String,
    /// Without one the state succeeds at once.
    pub(crate) action: Option<Action>,
    /// Variables to set after success.
    pub(crate) assign: Map<String, Value>,
    /// Limit of one attempt.
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) retry: Option<Retry>,
    pub(crate) catch: Vec<Catch>,
    /// The first that matches is taken.
    pub(crate) transitions: Vec<Transition>,
    /// The target of every other event except `error`.
    pub(crate) next: Option<String>,
    /// The action that undoes this state's.
    pub compensate: Option<Action>,
    /// Whether the execution is completed after this state.
    pub end: bool,
    /// Makes the execution fail here.
    pub(crate) fail: Option<Fail>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Retry {
    /// Attempts after the first.
    pub(crate) max_attempts: u32,
    /// Delay before the second attempt.
    #[serde(default = "interval_default")]
    pub(crate) interval_ms: u64,
    /// Factor of each later delay.
    #[serde(default = "backoff_default")]
    pub(crate) backoff_rate: f64,
    /// Kinds of errors to retry; empty: all that may be transient.
    #[serde(default)]
    pub(crate) errors: Vec<String>,
}

fn interval_default() -> u64 {
    1000
}

fn backoff_default() -> f64 {
    2.0
}

impl Retry {
    /// The delay after `attempt` (counted from 1) failed.
    pub(super) fn wait_ms(&self, attempt: u32) -> u64 {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.interval_ms as f64 * self.backoff_rate.powi(exponent);
        wait.min(limits::PROCEDURE_MILLIS_MAX as f64) as u64
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Catch {
    /// `*` is every kind.
    pub(crate) errors: Vec<String>,
    pub(crate) target: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Transition {
    /// `success`, `error`, an event of a choice, or `default`.
    pub(crate) event: String,
    pub(crate) target: String,
    /// A template that must be true.
    #[serde(default)]
    pub(crate) guard: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fail {
    #[serde(default = "failed")]
    pub(crate) error: String,
    pub(crate) message: String,
}

fn failed() -> String {
    "failed".to_owned()
}

/// The action of a state. It names tools, never code.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawAction")]
pub enum Action {
    Tool {
        /// Ours, or a skill's as `<skill>__<tool>`.
        name: String,
        /// May contain templates.
        arguments: Map<String, Value>,
        /// Overrides the tool's own annotation.
        idempotent: Option<bool>,
    },
    Set(Map<String, Value>),
    /// Fails unless all conditions are true.
    Validate(Vec<Condition>),
    /// Milliseconds, or a template for them.
    Delay(Value),
    /// Emits the event of the first case that is true.
    Choice(Vec<Case>),
    Map(Box<MapAction>),
    /// Waits for a person. The message is a template.
    Approval(String),
    Procedure {
        name: String,
        /// A version or [`LATEST`].
        version: String,
        /// May contain templates.
        context: Map<String, Value>,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub struct Condition {
    pub(crate) that: String,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// A template. Without it the case is always true.
    #[serde(default)]
    pub(crate) when: Option<String>,
    pub(crate) event: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct MapAction {
    /// A list, or a template for it.
    pub(crate) items: Value,
    /// Name of the item in templates.
    #[serde(rename = "as", default = "item")]
    pub(crate) name: String,
    pub(crate) action: Action,
    /// A template: the part of each result to collect.
    #[serde(default)]
    pub(crate) collect: Option<Value>,
}

fn item() -> String {
    "item".to_owned()
}

/// An action in JSON, which has one of these keys.
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

/// The name of the highest version.
pub(crate) const LATEST: &str = "latest";

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
    pub(super) fn key(&self) -> &'static str {
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

    /// A short description.
    pub(super) fn label(&self) -> String {
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

/// SHA-256 of a definition in hex. Object keys are sorted, so the order in which
/// they were written does not matter.
pub(super) fn hash(definition: &Value) -> String {
    base16ct::lower::encode_string(&Sha256::digest(definition.to_string().as_bytes()))
}

/// Compares versions part by part, numbers as numbers and other parts as text.
/// `1.0.0-rc1` is before `1.0.0`.
pub(super) fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
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
    fn retry_delays_grow_and_are_bounded() {
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
