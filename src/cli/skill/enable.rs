//! `mimo skill enable` and `mimo skill disable`: switch an entry on and off.

use anyhow::Result;

use super::edit::{change, print_change};
use crate::app;
use crate::cli::output::Output;
use crate::config::Config;
use crate::skills::manifest::edit::{self, Refused};
use crate::skills::manifest::{self, Manifest, RefusedEntry, Skill};
use crate::skills::rules::Rules;

/// The skill to switch.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill disable memory            its entry stays, and it is not run
  mimo skill enable memory             refused, with the fix, where it could not run

A running Mimo reads the file again by itself.")]
pub(super) struct Arguments {
    /// Its name, or its key in skills.json
    name: String,
}

pub(super) fn run(
    arguments: &Arguments,
    disabled: bool,
    config: &Config,
    output: &Output,
) -> Result<()> {
    let name = &arguments.name;
    change(config, output, |bytes| match disabled {
        true => edit::set_disabled(bytes, name, true),
        false => enabled(bytes, name, &app::skill_rules(config)).map(|(changed, _)| changed),
    })?;
    let word = if disabled { "disabled" } else { "enabled" };
    print_change(word, name, &[], config, output)
}

/// The manifest with `name` switched on, and the skill; fails where it could not run.
pub(super) fn enabled(
    bytes: Option<&[u8]>,
    name: &str,
    rules: &Rules,
) -> Result<(Vec<u8>, Skill), Refused> {
    let changed = edit::set_disabled(bytes, name, false)?;
    let Manifest {
        skills, refused, ..
    } = manifest::check(&changed, rules).map_err(Refused::File)?;
    let by_key = skills.iter().position(|skill| skill.key == name);
    let by_name = || {
        let mut names = skills.iter().map(|skill| skill.spec.name.as_str());
        names.position(|each| each == name)
    };
    let at = by_key.or_else(by_name);
    match at.and_then(|at| skills.into_iter().nth(at)) {
        Some(skill) => Ok((changed, skill)),
        None => {
            let is_it = |entry: &RefusedEntry| {
                let named = entry.name.as_ref().map(|each| each.as_str());
                entry.key == name || named == Some(name)
            };
            let own = refused.into_iter().find(is_it);
            Err(Refused::File(
                own.map(|entry| entry.refusals).unwrap_or_default(),
            ))
        }
    }
}
