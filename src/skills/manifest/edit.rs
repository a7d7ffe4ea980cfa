//! Adds and removes entries of a manifest while keeping its form and order. Bytes
//! in, bytes out: checks no meaning and writes no file.

use super::clients::SWITCHES;
use super::document::{Node, parse};
use super::{SCHEMA, form, names};
use crate::failure::{Failure, Kind};
use crate::skills::refusal::Refusal;
use crate::skills::spec::SkillName;

/// A manifest without skills.
const EMPTY: &[u8] = b"{\"skills\":{}}";
const DISABLED: &str = "disabled";

/// Why an edit was refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The file cannot be edited.
    File(Vec<Refusal>),
    /// The name exists already, or does not exist.
    Name(Failure),
}

/// The manifest `bytes` (or a new one) with `entry` under `name`.
pub(crate) fn add(bytes: Option<&[u8]>, name: &str, entry: Node) -> Result<Vec<u8>, Refused> {
    edit(bytes.unwrap_or(EMPTY), |skills| {
        if skills.iter().any(|(key, _)| key == name) {
            let message = format!("there is a skill {name} already");
            let hint = format!("remove it first (mimo skill remove {name}), or use another name");
            return Err(Failure::new(Kind::Conflict, message).hint(hint));
        }
        skills.push((name.to_owned(), entry));
        Ok(())
    })
}

/// The manifest `bytes` without the skill `name`.
pub(crate) fn remove(bytes: Option<&[u8]>, name: &str) -> Result<Vec<u8>, Refused> {
    edit(bytes.unwrap_or(EMPTY), |skills| {
        skills.remove(position(skills, name)?);
        Ok(())
    })
}

/// The manifest `bytes` with the skill `name` switched on or off, whichever client's
/// key says it so far.
pub(crate) fn set_disabled(
    bytes: Option<&[u8]>,
    name: &str,
    disabled: bool,
) -> Result<Vec<u8>, Refused> {
    edit(bytes.unwrap_or(EMPTY), |skills| {
        let at = position(skills, name)?;
        if let Node::Object(entry) = &mut skills[at].1 {
            entry.retain(|(key, _)| key != DISABLED && !SWITCHES.contains(&key.as_str()));
            if disabled {
                entry.push((DISABLED.to_owned(), Node::Leaf(true.into())));
            }
        }
        Ok(())
    })
}

/// The entry of the skill in `bytes` that has this key, or the name that is made of it.
pub(crate) fn find(bytes: Option<&[u8]>, key: &str) -> Result<Option<Node>, Vec<Refusal>> {
    let root = parse(bytes.unwrap_or(EMPTY))?;
    let (_, entries) = form(&root)?.of(&root);
    let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    let made = names::names(&[key]).pop().flatten();
    let is_named = |name: &Option<SkillName>| name.is_some() && *name == made;
    let by_name = || names::names(&keys).iter().position(is_named);
    let at = keys.iter().position(|each| *each == key).or_else(by_name);
    Ok(at.map(|at| entries[at].1.clone()))
}

/// Where the skill is that has this key, or else this name.
fn position(skills: &[(String, Node)], name: &str) -> Result<usize, Failure> {
    let keys = skills.iter().enumerate();
    let keys = keys.filter(|(_, (key, _))| key != SCHEMA);
    let (places, keys): (Vec<usize>, Vec<&str>) =
        keys.map(|(at, (key, _))| (at, key.as_str())).unzip();
    let names = names::names(&keys);
    let is_named =
        |each: &Option<SkillName>| each.as_ref().is_some_and(|each| each.as_str() == name);
    let by_key = keys.iter().position(|key| *key == name);
    if let Some(at) = by_key.or_else(|| names.iter().position(is_named)) {
        return Ok(places[at]);
    }
    let hint = match keys.is_empty() {
        true => "the file has no skills".to_owned(),
        false => format!("the skills are {}", keys.join(", ")),
    };
    Err(Failure::new(Kind::NotFound, format!("there is no skill {name}")).hint(hint))
}

fn edit(
    bytes: &[u8],
    change: impl FnOnce(&mut Vec<(String, Node)>) -> Result<(), Failure>,
) -> Result<Vec<u8>, Refused> {
    let mut root = parse(bytes).map_err(Refused::File)?;
    let form = form(&root).map_err(Refused::File)?;
    let skills = form
        .0
        .iter()
        .try_fold(&mut root, |node, wrapper| match node {
            Node::Object(entries) => {
                let found = entries.iter_mut().find(|(key, _)| key == wrapper);
                found.map(|(_, node)| node)
            }
            _ => None,
        });
    // `form` has found an object there.
    if let Some(Node::Object(skills)) = skills {
        change(skills).map_err(Refused::Name)?;
    }
    let mut bytes = serde_json::to_vec_pretty(&root)
        .map_err(|error| Refused::Name(Failure::internal(error)))?;
    bytes.push(b'\n');
    Ok(bytes)
}
