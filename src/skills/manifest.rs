//! Reads `skills.json` into checked skills, or reports everything that is wrong
//! with it, each with its place, reason and fix. Starts nothing.

pub(crate) mod document;
pub(crate) mod edit;
mod entry;
pub(crate) mod file;
mod folders;
mod shape;
pub(crate) mod source;

use std::path::Path;

use crate::limits::{SKILL_REFUSALS_MAX, SKILLS_MAX};
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;
use crate::skills::spec::{SkillName, SkillSpec};
use document::Node;

/// A manifest that passed all checks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// In the order of the file.
    pub skills: Vec<Skill>,
}

impl Manifest {
    pub(crate) fn enabled(&self) -> Vec<SkillSpec> {
        let enabled = self.skills.iter().filter(|skill| !skill.disabled);
        enabled.map(|skill| skill.spec.clone()).collect()
    }
}

/// An entry of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    pub spec: SkillSpec,
    /// It is checked, but not run.
    pub disabled: bool,
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
    let names = entries.into_iter();
    Ok(names.filter_map(|(key, _)| SkillName::new(key)).collect())
}

/// Checks a manifest and finds every mistake at once.
pub fn check(bytes: &[u8], rules: &Rules) -> Result<Manifest, Vec<Refusal>> {
    let root = document::parse(bytes)?;
    let (mut skills, mut refused) = (Vec::new(), Vec::new());
    let (prefix, entries) = match form(&root) {
        Ok(form) => form.of(&root),
        Err(wrong) => {
            refused.extend(wrong);
            return Err(refused);
        }
    };
    if entries.len() > SKILLS_MAX {
        let why = format!(
            "there are {} skills, and at most {SKILLS_MAX} may run",
            entries.len()
        );
        refused.push(Refusal::new(Class::Value, why, "take some out").below(&prefix));
        return Err(refused);
    }
    for (key, node) in entries {
        let read = name(key).and_then(|name| entry::read(name, &node.value(), rules));
        match read {
            Ok(skill) => skills.push(skill),
            Err(wrong) => {
                refused.extend(wrong.into_iter().map(|each| each.under(key).below(&prefix)));
            }
        }
    }
    let crossing = folders::crossing(&skills).into_iter();
    refused.extend(crossing.map(|each| each.below(&prefix)));
    refused.truncate(SKILL_REFUSALS_MAX);
    match refused.is_empty() {
        true => Ok(Manifest { skills }),
        false => Err(refused),
    }
}

fn name(key: &str) -> Result<SkillName, Vec<Refusal>> {
    SkillName::new(key).ok_or_else(|| {
        vec![Refusal::new(
            Class::Name,
            format!("{} is not a valid skill name", shown(key)),
            "use 1 to 32 lowercase letters, digits, - and _, a letter or digit first, no __",
        )]
    })
}

/// The key that holds the skills; `None` where the file is the map itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form(Option<&'static str>);

impl Form {
    /// The JSON Pointer to the skills, and the skills.
    fn of(self, root: &Node) -> (String, Vec<&(String, Node)>) {
        let (prefix, map) = match self.0 {
            Some(key) => (format!("/{key}"), root.get(key).unwrap_or(root)),
            None => (String::new(), root),
        };
        (
            prefix,
            map.entries()
                .iter()
                .filter(|(key, _)| key != SCHEMA)
                .collect(),
        )
    }
}

const SCHEMA: &str = "$schema";
/// Mimo's own key first.
const WRAPPERS: [&str; 3] = ["skills", "mcpServers", "servers"];

/// Finds which of the four forms the file has.
pub(super) fn form(root: &Node) -> Result<Form, Vec<Refusal>> {
    let Node::Object(entries) = root else {
        let why = format!(
            "the file contains {}, not an object",
            shape::kind(&root.value())
        );
        return Err(vec![Refusal::new(
            Class::Value,
            why,
            "begin with {\"skills\": {\"NAME\": {\"command\": \"npx\", \"args\": [..]}}}",
        )]);
    };
    let mut refused = Vec::new();
    if let Some(node) = root.get(SCHEMA)
        && !node.value().is_string()
    {
        let why = "must be a string: the address of the schema";
        refused.push(Refusal::new(Class::Value, why, "leave it out").under(SCHEMA));
    }
    let wrapper = WRAPPERS.into_iter().find(|key| root.get(key).is_some());
    if let Some(key) = wrapper {
        let strays = entries.iter().map(|(name, _)| name.as_str());
        for stray in strays.filter(|name| *name != key && *name != SCHEMA) {
            let fix = match stray {
                "inputs" => {
                    "Mimo does not prompt: put ${NAME} into env, and approve the name".into()
                }
                _ => format!("keep only {key} in the file; the rest belongs to its client"),
            };
            let why = format!("{} is beside {key}, where nothing reads it", shown(stray));
            refused.push(Refusal::new(Class::Key, why, fix).under(stray));
        }
        if !matches!(root.get(key), Some(Node::Object(_))) {
            let fix = "write {\"NAME\": {\"command\": \"npx\", \"args\": [..]}}";
            let why = "must be an object of skills by name";
            refused.push(Refusal::new(Class::Value, why, fix).under(key));
        }
    }
    match refused.is_empty() {
        true => Ok(Form(wrapper)),
        false => Err(refused),
    }
}
