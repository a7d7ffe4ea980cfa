//! Decides whether a tool is still the one that was approved. Pure: `approvals`
//! keeps the pins in the store.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::limits::DIFFERENCE_BYTES_MAX;
use crate::skills::client::Tool;
use crate::skills::spec::SkillName;
use crate::store::pins::Pin;

/// The approved definitions, by skill and tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pins(BTreeMap<String, BTreeMap<String, Pin>>);

/// How to treat a tool that is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It is pinned: adding the skill to the manifest was the approval.
    Trust,
    /// It waits for a person.
    Ask,
}

/// Whether a tool may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// The pins have not been read yet.
    Unknown,
    Approved,
    /// Nobody has approved it yet.
    New,
    /// It differs from what was approved; one line for each difference.
    Changed(String),
}

impl FromIterator<Pin> for Pins {
    fn from_iter<I: IntoIterator<Item = Pin>>(all: I) -> Pins {
        let mut pins = Pins::default();
        for pin in all {
            let of_skill = pins.0.entry(pin.skill.clone()).or_default();
            of_skill.insert(pin.tool.clone(), pin);
        }
        pins
    }
}

impl Pins {
    fn get(&self, skill: &str, tool: &str) -> Option<&Pin> {
        self.0.get(skill)?.get(tool)
    }

    /// Adds the pins of tools that have none yet.
    pub(crate) fn add_missing(&mut self, pins: impl IntoIterator<Item = Pin>) {
        for pin in pins {
            let of_skill = self.0.entry(pin.skill.clone()).or_default();
            of_skill.entry(pin.tool.clone()).or_insert(pin);
        }
    }

    /// The state of each tool by name, and the pins of those that are trusted
    /// because they are seen for the first time.
    pub(crate) fn judge(
        &self,
        skill: &SkillName,
        tools: &[Tool],
        first_use: FirstUse,
    ) -> (BTreeMap<String, ApprovalState>, Vec<Pin>) {
        let mut trusted = Vec::new();
        let mut judge = |tool: &Tool| match self.get(skill.as_str(), &tool.name) {
            Some(pin) => compare(pin, tool),
            None if first_use == FirstUse::Ask => ApprovalState::New,
            None => {
                trusted.push(pin(skill, tool));
                ApprovalState::Approved
            }
        };
        let states = tools.iter().map(|tool| (tool.name.clone(), judge(tool)));
        (states.collect(), trusted)
    }

    /// The differences between the approved definition and `tool`, one line
    /// each: the whole definition where nothing was approved.
    pub(crate) fn difference(&self, skill: &SkillName, tool: &Tool) -> Vec<String> {
        let approved = match self.get(skill.as_str(), &tool.name) {
            Some(pin) => parsed(&pin.definition),
            None => Value::Object(serde_json::Map::new()),
        };
        let mut lines = Vec::new();
        difference(&approved, &parsed(tool.raw.get()), "", &mut lines);
        lines
    }
}

/// The pin that approves `tool` as it is now.
pub(crate) fn pin(skill: &SkillName, tool: &Tool) -> Pin {
    Pin {
        skill: skill.to_string(),
        tool: tool.name.clone(),
        hash: hash(&parsed(tool.raw.get())),
        definition: tool.raw.get().to_owned(),
    }
}

fn compare(pin: &Pin, tool: &Tool) -> ApprovalState {
    let now = parsed(tool.raw.get());
    if pin.hash == hash(&now) {
        return ApprovalState::Approved;
    }
    let mut lines = Vec::new();
    difference(&parsed(&pin.definition), &now, "", &mut lines);
    let mut text = lines.join("\n");
    if text.len() > DIFFERENCE_BYTES_MAX {
        let mut end = DIFFERENCE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n(and more)");
    }
    ApprovalState::Changed(text)
}

fn parsed(definition: &str) -> Value {
    serde_json::from_str(definition).unwrap_or_default()
}

/// Equal for definitions that differ only in white space or the order of keys.
fn hash(definition: &Value) -> String {
    let mut text = String::new();
    canonical(definition, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            // A feature of serde_json decides the order of a map: sort it here.
            let sorted: BTreeMap<_, _> = members.iter().collect();
            out.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                canonical(item, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Adds a line for each place where `new` differs from `old`.
fn difference(old: &Value, new: &Value, path: &str, lines: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                // An unescaped key could fake another line or send terminal codes.
                let path = format!("{path}/{}", key.escape_debug());
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => difference(old, new, &path, lines),
                    (Some(old), None) => lines.push(format!("- {path}: {old}")),
                    (None, Some(new)) => lines.push(format!("+ {path}: {new}")),
                    (None, None) => {}
                }
            }
        }
        (old, new) if old == new => {}
        (old, new) => {
            lines.push(format!("- {path}: {old}"));
            lines.push(format!("+ {path}: {new}"));
        }
    }
}
