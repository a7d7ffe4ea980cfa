//! Reads `skills.json` into checked skills. A file that is not a manifest is refused
//! whole; an entry that cannot be taken is refused alone, with its place, reason and
//! fix, and the others run. Starts nothing.

mod clients;
mod data;
pub(crate) mod document;
pub(crate) mod edit;
mod entry;
pub(crate) mod file;
mod folders;
mod grants;
mod names;
mod shape;
pub(crate) mod source;

use std::collections::BTreeSet;
use std::path::Path;

use crate::limits::{SKILL_REFUSALS_MAX, SKILLS_MAX};
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;
use crate::skills::spec::{SkillName, SkillSpec};
use document::Node;

/// A manifest whose entries were checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// In the order of the file.
    pub skills: Vec<Skill>,
    /// Entries that cannot be taken.
    pub refused: Vec<RefusedEntry>,
    /// Other keys of the file, which nothing reads.
    pub notes: Vec<String>,
}

/// An entry that cannot be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedEntry {
    /// The key in the file.
    pub key: String,
    /// The name of its skill, where the key makes one.
    pub name: Option<SkillName>,
    /// At least one.
    pub refusals: Vec<Refusal>,
}

impl Manifest {
    pub(crate) fn enabled(&self) -> Vec<SkillSpec> {
        let enabled = self.skills.iter().filter(|skill| !skill.disabled);
        enabled.map(|skill| skill.spec.clone()).collect()
    }

    pub(crate) fn disabled(&self) -> BTreeSet<SkillName> {
        let disabled = self.skills.iter().filter(|skill| skill.disabled);
        disabled.map(|skill| skill.spec.name.clone()).collect()
    }

    /// The manifest, if no entry was refused.
    pub fn whole(self) -> Result<Manifest, Vec<Refusal>> {
        match self.refused.is_empty() {
            true => Ok(self),
            false => Err(self.refusals().cloned().collect()),
        }
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.refused.iter().flat_map(|entry| &entry.refusals)
    }
}

/// An entry of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    pub spec: SkillSpec,
    /// The key in the file.
    pub key: String,
    /// It is not run.
    pub disabled: bool,
    /// Keys of its entry that are ignored, and the reason for its default permissions.
    pub notes: Vec<String>,
    /// The command as the manifest has it.
    pub(crate) command: String,
    /// The names of its environment entries; the values may be secret.
    pub variables: Vec<String>,
}

/// Reads and checks the file at `path`. A missing file has no skills.
pub fn load(path: &Path, rules: &Rules) -> Result<Manifest, Vec<Refusal>> {
    match file::read(path).map_err(|refusal| vec![refusal])? {
        Some(bytes) => check(&bytes, rules),
        None => Ok(Manifest::default()),
    }
}

/// The names of the skills at `path`, valid or not.
pub(crate) fn names(path: &Path) -> Result<Vec<SkillName>, Vec<Refusal>> {
    let Some(bytes) = file::read(path).map_err(|refusal| vec![refusal])? else {
        return Ok(Vec::new());
    };
    let root = document::parse(&bytes)?;
    let (_, entries) = form(&root)?.of(&root);
    let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    Ok(names::names(&keys).into_iter().flatten().collect())
}

/// Checks a manifest and finds every mistake at once. Fails where the file itself is
/// none.
pub fn check(bytes: &[u8], rules: &Rules) -> Result<Manifest, Vec<Refusal>> {
    let root = document::parse(bytes)?;
    let form = form(&root)?;
    let (prefix, entries) = form.of(&root);
    if entries.len() > SKILLS_MAX {
        let why = format!(
            "there are {} skills, and at most {SKILLS_MAX} may run",
            entries.len()
        );
        return Err(vec![
            Refusal::new(Class::Value, why, "take some out").below(&prefix),
        ]);
    }
    let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    let names = names::names(&keys);
    let mut manifest = Manifest {
        notes: form.strays(&root),
        ..Manifest::default()
    };
    for ((key, node), name) in entries.into_iter().zip(names) {
        let read = match name.clone() {
            Some(_) if rules.no_sandbox => Err(vec![without_sandbox()]),
            Some(name) => entry::read(key, name, &node.value(), rules),
            None => Err(vec![nameless(key)]),
        };
        match read {
            Ok(skill) => manifest.skills.push(skill),
            // Nobody asks for it.
            Err(_) if node.get("disabled") == Some(&Node::Leaf(true.into())) => {
                manifest
                    .notes
                    .push(format!("{} is disabled, and not checked", shown(key)));
            }
            Err(wrong) => {
                let place = |each: Refusal| each.under(key).below(&prefix);
                let mut refusals: Vec<Refusal> = wrong.into_iter().map(place).collect();
                refusals.truncate(SKILL_REFUSALS_MAX);
                let key = key.clone();
                manifest.refused.push(RefusedEntry {
                    key,
                    name,
                    refusals,
                });
            }
        }
    }
    for (key, refusal) in folders::crossing(&manifest.skills) {
        let Some(at) = manifest.skills.iter().position(|skill| skill.key == key) else {
            continue;
        };
        let skill = manifest.skills.remove(at);
        manifest.refused.push(RefusedEntry {
            name: Some(skill.spec.name),
            refusals: vec![refusal.under(&key).below(&prefix)],
            key,
        });
    }
    Ok(manifest)
}

/// The servers in any client's file; of a bare map those that a program or an
/// address makes one.
pub(crate) fn entries(root: &Node) -> Result<Vec<&(String, Node)>, Vec<Refusal>> {
    let form = form(root)?;
    let (_, mut entries) = form.of(root);
    let is_server = |node: &Node| {
        let keys = ["command", "cmd", "url", "serverUrl", "httpUrl"];
        keys.iter().any(|key| node.get(key).is_some())
    };
    entries.retain(|(_, node)| !form.0.is_empty() || is_server(node));
    Ok(entries)
}

fn without_sandbox() -> Refusal {
    Refusal::new(
        Class::Command,
        "Mimo runs skills on Linux and macOS only, where it has a sandbox for them",
        "put this server into the client's own settings, beside Mimo",
    )
}

fn nameless(key: &str) -> Refusal {
    Refusal::new(
        Class::Name,
        format!("{} has no letter or digit to make a name of", shown(key)),
        "use lowercase letters, digits, - and _",
    )
}

/// The keys that hold the skills, the outer one first; none where the file is the map
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form(&'static [&'static str]);

impl Form {
    /// The JSON Pointer to the skills, and the skills.
    fn of(self, root: &Node) -> (String, Vec<&(String, Node)>) {
        let prefix = self.0.iter().map(|key| format!("/{key}")).collect();
        let map = self
            .0
            .iter()
            .fold(root, |node, key| node.get(key).unwrap_or(node));
        let skills = map.entries().iter().filter(|(key, _)| key != SCHEMA);
        (prefix, skills.collect())
    }

    /// Notes on the file's other keys.
    fn strays(self, root: &Node) -> Vec<String> {
        let Some(wrapper) = self.0.first() else {
            return Vec::new();
        };
        let keys = root.entries().iter().map(|(key, _)| key.as_str());
        let others = keys.filter(|key| key != wrapper && *key != SCHEMA);
        others
            .map(|key| match key {
                "inputs" => "inputs is ignored: Mimo does not prompt; put ${NAME} into env, and \
                             approve the name"
                    .to_owned(),
                _ => format!("{} is ignored: it belongs to its client", shown(key)),
            })
            .collect()
    }
}

const SCHEMA: &str = "$schema";
/// Mimo's own key first, then those of other clients.
const WRAPPERS: [&[&str]; 7] = [
    &["skills"],
    &["mcpServers"],
    &["servers"],
    &["context_servers"],
    &["mcp_servers"],
    &["mcp", "servers"],
    &["mcp"],
];

/// Finds which form the file has.
pub(super) fn form(root: &Node) -> Result<Form, Vec<Refusal>> {
    if !matches!(root, Node::Object(_)) {
        let why = format!(
            "the file contains {}, not an object",
            shape::kind(&root.value())
        );
        return Err(vec![Refusal::new(
            Class::Value,
            why,
            "begin with {\"skills\": {\"NAME\": {\"command\": \"npx\", \"args\": [..]}}}",
        )]);
    }
    let found = |keys: &&&[&str]| {
        let inner = keys.iter().try_fold(root, |node, key| node.get(key));
        // A bare map may have a skill of that name.
        inner.is_some_and(|node| node.get("command").is_none())
    };
    let Some(keys) = WRAPPERS.iter().find(found) else {
        return Ok(Form(&[]));
    };
    let inner = keys.iter().try_fold(root, |node, key| node.get(key));
    match inner {
        Some(Node::Object(_)) => Ok(Form(keys)),
        _ => Err(vec![
            Refusal::new(
                Class::Value,
                "must be an object of skills by name",
                "write {\"NAME\": {\"command\": \"npx\", \"args\": [..]}}",
            )
            .below(&keys.iter().map(|key| format!("/{key}")).collect::<String>()),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_a_sandbox_takes_no_entry() {
        let rules = Rules {
            no_sandbox: true,
            ..Rules::default()
        };
        let text = br#"{"mcpServers": {
            "files": {"command": "npx", "args": ["-y", "files"]},
            "off": {"command": "npx", "disabled": true}
        }}"#;
        let manifest = check(text, &rules).expect("a manifest");
        assert!(manifest.skills.is_empty());
        let [refused] = manifest.refused.as_slice() else {
            panic!("not one: {:#?}", manifest.refused);
        };
        let [refusal] = refused.refusals.as_slice() else {
            panic!("not one: {refused:#?}");
        };
        let said = refusal.to_string();
        assert!(said.contains("on Linux and macOS only"), "{said}");
        assert!(refusal.fix.contains("the client's own settings"));
    }
}
