//! Adds and removes entries of a manifest while keeping its form and order. Bytes
//! in, bytes out: checks no meaning and writes no file.

use super::document::{Node, parse};
use super::{SCHEMA, form};
use crate::failure::{Failure, Kind};
use crate::skills::refusal::Refusal;

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
    edit(bytes.unwrap_or(b"{\"skills\":{}}"), |skills| {
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
    edit(bytes.unwrap_or(b"{\"skills\":{}}"), |skills| {
        if let Some(at) = skills
            .iter()
            .position(|(key, _)| key == name && key != SCHEMA)
        {
            skills.remove(at);
            return Ok(());
        }
        let names: Vec<_> = skills
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| *key != SCHEMA)
            .collect();
        let hint = match names.is_empty() {
            true => "the file has no skills".to_owned(),
            false => format!("the skills are {}", names.join(", ")),
        };
        Err(Failure::new(Kind::NotFound, format!("there is no skill {name}")).hint(hint))
    })
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
