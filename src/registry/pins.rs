//! Decides whether a tool is still the one that was approved. Pure: `approvals`
//! keeps the pins in the store.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::limits::DIFFERENCE_BYTES_MAX;
use crate::printable::prefix;
use crate::skills::client::Tool;
use crate::skills::spec::{Identity, SkillName};
use crate::store::pins::{Approved, FirstListing, Pin, SeenEntry};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pins {
    /// By skill, identity and tool.
    pins: BTreeMap<String, BTreeMap<(String, String), Pin>>,
    /// The entry under which each skill was seen last.
    seen: BTreeMap<String, SeenEntry>,
}

/// How to treat the tools of a manifest entry that is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// They are pinned: writing the entry counts as the approval.
    Trust,
    /// They wait for a person.
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

impl From<Approved> for Pins {
    fn from(approved: Approved) -> Pins {
        let mut pins = Pins::default();
        for pin in approved.pins {
            pins.add_missing(pin);
        }
        let seen = approved.seen.into_iter();
        pins.seen = seen.map(|seen| (seen.skill.clone(), seen)).collect();
        pins
    }
}

impl Pins {
    /// A skill that was never seen owns the pins of earlier versions, which have no
    /// identity.
    fn get(&self, skill: &SkillName, identity: &Identity, tool: &str) -> Option<&Pin> {
        let of_skill = self.pins.get(skill.as_str())?;
        let get = |identity: &str| of_skill.get(&(identity.to_owned(), tool.to_owned()));
        let old = || match self.seen.contains_key(skill.as_str()) {
            true => None,
            false => get(""),
        };
        get(&identity.program).or_else(old)
    }

    fn add_missing(&mut self, pin: Pin) {
        let of_skill = self.pins.entry(pin.skill.clone()).or_default();
        let key = (pin.identity.clone(), pin.tool.clone());
        of_skill.entry(key).or_insert(pin);
    }

    /// Records the first listing of an entry as the store does, unless the entry is
    /// known.
    pub(crate) fn see(&mut self, FirstListing { seen, pins }: FirstListing) {
        let known = self.seen.insert(seen.skill.clone(), seen.clone());
        if known.as_ref() == Some(&seen) {
            return;
        }
        if known.is_none()
            && let Some(of_skill) = self.pins.remove(&seen.skill)
        {
            for ((identity, _), mut pin) in of_skill {
                if identity.is_empty() {
                    pin.identity.clone_from(&seen.identity);
                }
                self.add_missing(pin);
            }
        }
        for pin in pins {
            self.add_missing(pin);
        }
    }

    /// The state of each tool by name, and the first listing of the entry where it is
    /// one.
    pub(crate) fn judge(
        &self,
        skill: &SkillName,
        identity: &Identity,
        tools: &[Tool],
        first_use: FirstUse,
    ) -> (BTreeMap<String, ApprovalState>, Option<FirstListing>) {
        let seen = SeenEntry {
            skill: skill.to_string(),
            identity: identity.program.clone(),
            entry: identity.entry.clone(),
        };
        let first = self.seen.get(skill.as_str()) != Some(&seen);
        let mut pins = Vec::new();
        let mut judge = |tool: &Tool| match self.get(skill, identity, &tool.name) {
            Some(pin) => compare(pin, tool),
            None if first && first_use == FirstUse::Trust => {
                pins.push(pin(skill, identity, tool));
                ApprovalState::Approved
            }
            None => ApprovalState::New,
        };
        let states = tools.iter().map(|tool| (tool.name.clone(), judge(tool)));
        let states = states.collect();
        (states, first.then_some(FirstListing { seen, pins }))
    }

    /// The differences between the approved definition and `tool`, one line
    /// each: the whole definition where nothing was approved.
    pub(crate) fn difference(
        &self,
        skill: &SkillName,
        identity: &Identity,
        tool: &Tool,
    ) -> Vec<String> {
        let approved = match self.get(skill, identity, &tool.name) {
            Some(pin) => parsed(&pin.definition),
            None => Value::Object(serde_json::Map::new()),
        };
        let mut lines = Vec::new();
        difference(&approved, &parsed(tool.raw.get()), "", &mut lines);
        lines
    }
}

/// The pin that approves `tool` as it is now.
pub(crate) fn pin(skill: &SkillName, identity: &Identity, tool: &Tool) -> Pin {
    Pin {
        skill: skill.to_string(),
        identity: identity.program.clone(),
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
        text.truncate(prefix(&text, DIFFERENCE_BYTES_MAX).len());
        text.push_str("\n(and more)");
    }
    ApprovalState::Changed(text)
}

fn parsed(definition: &str) -> Value {
    serde_json::from_str(definition).unwrap_or_default()
}

/// Equal for definitions that differ only in white space or the order of keys.
fn hash(definition: &Value) -> String {
    let mut plain = String::new();
    canonical(definition, &mut plain);
    base16ct::lower::encode_string(&Sha256::digest(plain.as_bytes()))
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
