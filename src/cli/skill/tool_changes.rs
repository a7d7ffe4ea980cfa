//! The tools of a skill before and after an update.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::start_once::start_once;
use crate::app;
use crate::cli::output::Text;
use crate::failure::Failure;
use crate::printable;
use crate::registry::tool_cache::ToolCache;
use crate::skills::child::ChildLauncher;
use crate::skills::client::Tool;
use crate::skills::spec::SkillSpec;

/// The names of tools by kind of change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ToolChanges {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// The tools that the skill listed last; if it never did, those that it lists when
/// started once.
pub(super) fn known(
    spec: &SkillSpec,
    cache: &ToolCache,
    launcher: &Arc<dyn ChildLauncher>,
) -> Result<Arc<[Tool]>, Failure> {
    let cached = cache.latest().remove(&spec.name);
    let cached = cached.filter(|(identity, _)| identity.program == spec.identity.program);
    match cached {
        Some((_, tools)) => Ok(tools),
        None => listed(spec, launcher),
    }
}

/// The tools that the skill lists when it is started once.
pub(super) fn listed(
    spec: &SkillSpec,
    launcher: &Arc<dyn ChildLauncher>,
) -> Result<Arc<[Tool]>, Failure> {
    app::run(start_once(spec.clone(), launcher.clone())).map(|answer| answer.tools)
}

impl ToolChanges {
    pub(super) fn of(before: &[Tool], after: &[Tool]) -> ToolChanges {
        let (before, after) = (by_name(before), by_name(after));
        let mut changes = ToolChanges::default();
        for (name, definition) in &after {
            match before.get(name) {
                None => changes.added.push((*name).to_owned()),
                Some(old) if old != definition => changes.changed.push((*name).to_owned()),
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        changes.removed = gone.map(|name| (*name).to_owned()).collect();
        changes
    }

    pub(super) fn document(&self) -> Value {
        json!({"added": self.added, "removed": self.removed, "changed": self.changed})
    }

    pub(super) fn push(&self, text: &mut Text) {
        let all = [
            (32, "added  ", &self.added),
            (31, "removed", &self.removed),
            (33, "changed", &self.changed),
        ];
        if all.iter().all(|(_, _, names)| names.is_empty()) {
            text.push("  its tools are the same\n");
        }
        for (color, word, names) in all {
            for name in names {
                text.push("  ");
                text.paint(color, word);
                text.push(&format!(" {}\n", printable::line(name)));
            }
        }
    }
}

/// Definitions as values, so that the order of keys does not matter.
fn by_name(tools: &[Tool]) -> BTreeMap<&str, Value> {
    let read = |tool: &Tool| serde_json::from_str(tool.raw.get()).unwrap_or_default();
    tools
        .iter()
        .map(|tool| (tool.name.as_str(), read(tool)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn tool(definition: &str) -> Tool {
        let raw = RawValue::from_string(definition.to_owned()).expect("JSON");
        Tool::read(&raw).expect("a tool")
    }

    #[test]
    fn tools_are_compared_by_name_and_definition() {
        let schema = r#""inputSchema":{"type":"object"}"#;
        let before = [
            tool(&format!(r#"{{"name":"same",{schema}}}"#)),
            tool(&format!(r#"{{"name":"gone",{schema}}}"#)),
            tool(&format!(r#"{{"name":"other",{schema}}}"#)),
        ];
        let after = [
            tool(&format!(r#"{{"name":"new",{schema}}}"#)),
            tool(&format!(r#"{{{schema}, "name": "same"}}"#)),
            tool(&format!(r#"{{"name":"other","description":"x",{schema}}}"#)),
        ];
        let names = |name: &str| vec![name.to_owned()];
        let changes = ToolChanges::of(&before, &after);
        let expected = ToolChanges {
            added: names("new"),
            removed: names("gone"),
            changed: names("other"),
        };
        assert_eq!(changes, expected);
        assert_eq!(ToolChanges::of(&before, &before), ToolChanges::default());
    }
}
