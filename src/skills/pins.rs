//! Whether a tool is still the one that was approved. Pure: definitions in,
//! approvals out; who approves and where the pins are kept is decided elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::client::Tool;
use super::spec::SkillName;
use crate::limits::DIFFERENCE_BYTES_MAX;

/// The approved definitions, by skill and tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pins(BTreeMap<String, BTreeMap<String, Pin>>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pin {
    hash: String,
    definition: Value,
}

/// What happens to a definition that is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It is pinned: adding the skill was the approval.
    Trust,
    /// It waits for a person.
    Ask,
}

/// Whether a tool may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// It is what was approved.
    Approved,
    /// Nobody has approved it yet.
    New,
    /// It is not what was approved any more; the difference, a line each.
    Changed(String),
}

impl Pins {
    /// The pins in a file's text.
    pub fn parse(text: &str) -> Result<Pins, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The text of a file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The approval of each tool, by name.
    pub fn judge(
        &mut self,
        skill: &SkillName,
        tools: &[Tool],
        first: FirstUse,
    ) -> BTreeMap<String, ApprovalState> {
        let pins = self.0.entry(skill.as_str().to_owned()).or_default();
        let judge = |tool: &Tool| {
            let approval = match pins.get(&tool.name) {
                Some(pin) => pin.compare(tool),
                None if first == FirstUse::Ask => ApprovalState::New,
                None => {
                    pins.insert(tool.name.clone(), Pin::of(tool));
                    ApprovalState::Approved
                }
            };
            (tool.name.clone(), approval)
        };
        tools.iter().map(judge).collect()
    }

    /// What differs between the approved tool and this one, a line each, whole;
    /// everything of one that was never approved, nothing of one that is.
    pub fn difference(&self, skill: &SkillName, tool: &Tool) -> Vec<String> {
        let pin = self
            .0
            .get(skill.as_str())
            .and_then(|pins| pins.get(&tool.name));
        let mut lines = Vec::new();
        let nothing = Value::Object(serde_json::Map::new());
        let before = pin.map_or(&nothing, |pin| &pin.definition);
        difference(before, &definition(tool), "", &mut lines);
        lines
    }

    /// Approves a tool as it is now.
    pub fn approve(&mut self, skill: &SkillName, tool: &Tool) {
        let pins = self.0.entry(skill.as_str().to_owned()).or_default();
        pins.insert(tool.name.clone(), Pin::of(tool));
    }

    /// The pins that are other ones than in `before`.
    pub fn changes_since(&self, before: &Pins) -> Pins {
        let mut changes = Pins::default();
        for (skill, pins) in &self.0 {
            let known = before.0.get(skill);
            let differs = |(tool, pin): &(&String, &Pin)| {
                known.and_then(|known| known.get(*tool)) != Some(*pin)
            };
            let new = pins.iter().filter(differs);
            let new: BTreeMap<_, _> = new.map(|(tool, pin)| (tool.clone(), pin.clone())).collect();
            if !new.is_empty() {
                changes.0.insert(skill.clone(), new);
            }
        }
        changes
    }

    /// Takes these pins over.
    pub fn apply(&mut self, changes: Pins) {
        for (skill, pins) in changes.0 {
            self.0.entry(skill).or_default().extend(pins);
        }
    }
}

impl Pin {
    fn of(tool: &Tool) -> Pin {
        Pin {
            hash: hash(tool),
            definition: definition(tool),
        }
    }

    fn compare(&self, tool: &Tool) -> ApprovalState {
        if self.hash == hash(tool) {
            return ApprovalState::Approved;
        }
        let mut lines = Vec::new();
        difference(&self.definition, &definition(tool), "", &mut lines);
        let mut text = lines.join("\n");
        if text.len() > DIFFERENCE_BYTES_MAX {
            let fits = (0..=DIFFERENCE_BYTES_MAX)
                .rev()
                .find(|at| text.is_char_boundary(*at));
            text.truncate(fits.unwrap_or(0));
            text.push_str("\n(and more)");
        }
        ApprovalState::Changed(text)
    }
}

fn definition(tool: &Tool) -> Value {
    serde_json::from_str(tool.raw.get()).unwrap_or_default()
}

/// The same for definitions that differ in white space or in the order of
/// members only.
pub fn hash(tool: &Tool) -> String {
    let mut text = String::new();
    canonical(&definition(tool), &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            // Whatever order the map has: a feature of serde_json decides it.
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

/// A line for each place where `new` is not `old`.
fn difference(old: &Value, new: &Value, path: &str, lines: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                // A key could look like another line, or steer a terminal.
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
