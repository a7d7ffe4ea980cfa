//! `mimo skill add` and `mimo skill remove`: change `skills.json` in the form
//! it has. Nothing is written unless the whole of the result could run.

use anyhow::Result;
use serde_json::json;

use super::install;
use super::refusals::report_refusals;
use crate::app;
use crate::cli::output::Output;
use crate::config::{self, Config};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::printable;
use crate::skills::manifest::document::Node;
use crate::skills::manifest::edit::{self, Refused};
use crate::skills::manifest::{self, file};

/// The new skill.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill add memory --network none -- npx -y @modelcontextprotocol/server-memory
  mimo skill add notes --read /srv/notes --write /srv/notes/drafts -- \\
      npx -y @modelcontextprotocol/server-filesystem /srv/notes
  mimo skill add github --env 'GITHUB_PERSONAL_ACCESS_TOKEN=${GITHUB_TOKEN}' --network outbound -- \\
      docker run -i --rm -e GITHUB_PERSONAL_ACCESS_TOKEN ghcr.io/github/github-mcp-server

Quote ${NAME}, so that your shell leaves it to Mimo: the file then holds the name,
not the secret. A package is installed at once, in a sandbox of its own that has network;
the skill itself needs --network outbound only for what it does later.")]
pub(super) struct AddArguments {
    /// 1 to 32 small letters, digits, - and _
    name: String,
    /// A variable of its environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A file or folder that it may read
    #[arg(long, value_name = "PATH")]
    read: Vec<String>,
    /// A file or folder that it may read and change
    #[arg(long, value_name = "PATH")]
    write: Vec<String>,
    /// Network access: none or outbound
    #[arg(long, value_name = "ACCESS", value_parser = ["none", "outbound"])]
    network: Option<String>,
    /// Start it with Mimo, not at its first use
    #[arg(long)]
    eager: bool,
    /// Install what npx or uvx runs at the first start, not now
    #[arg(long)]
    later: bool,
    /// The command and its arguments, behind --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The skill to remove.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  mimo skill remove memory")]
pub(super) struct RemoveArguments {
    /// Its name
    name: String,
}

pub(super) fn add(arguments: &AddArguments, config: &Config, output: &Output) -> Result<()> {
    let entry = entry(arguments)?;
    let name = &arguments.name;
    let place = |bytes: Option<&[u8]>| {
        let changed = edit::add(bytes, name, entry.clone())?;
        // As for a reload: an entry that Mimo refuses is never written.
        let rules = app::skill_rules(config);
        let manifest = manifest::check(&changed, &rules).map_err(Refused::File)?;
        match manifest.skills.into_iter().find(|skill| skill.key == *name) {
            Some(skill) => Ok((changed, skill)),
            None => {
                // The last entry, so its refusal is the last one too.
                let refused = manifest.refused.into_iter().next_back();
                Err(Refused::File(
                    refused.map(|entry| entry.refusals).unwrap_or_default(),
                ))
            }
        }
    };
    let path = &config.skills.manifest;
    let bytes = file::read(path).map_err(|refusal| report_refusals(path, &[refusal], output))?;
    let placed = place(bytes.as_deref()).map_err(|refused| report(config, refused, output));
    let (_, skill) = placed?;
    let mut lines = Vec::new();
    if skill.spec.package.is_some() && !arguments.later {
        let result = install::install(&app::installer(config), &skill.spec, false, output);
        lines.push(install::line(&skill.spec, None, &result));
        result.map_err(|failure| {
            let next = failure.hint.clone().unwrap_or_default();
            let next = next.trim_end_matches('.');
            failure.hint(format!(
                "{next}; {name} was not added, and --later adds it all the same"
            ))
        })?;
    }
    lines.extend(skill.notes);
    // An install takes long, so the file may have changed meanwhile.
    change(config, output, |bytes| Ok(place(bytes)?.0))?;
    print_change("added", name, &lines, config, output)
}

pub(super) fn remove(arguments: &RemoveArguments, config: &Config, output: &Output) -> Result<()> {
    let name = &arguments.name;
    // Not checked, because removing entries is how mistakes are fixed.
    change(config, output, |bytes| edit::remove(bytes, name))?;
    print_change("removed", name, &[], config, output)
}

pub(super) fn print_change(
    word: &str,
    name: &str,
    lines: &[String],
    config: &Config,
    output: &Output,
) -> Result<()> {
    let path = config.skills.manifest.display().to_string();
    if output.json {
        return output.document(&json!({"ok": true, word: name, "file": path, "notes": lines}));
    }
    let mut text = format!("{word} {name}: {path}\n");
    for line in lines {
        text.push_str(&format!("{}\n", printable::line(line)));
    }
    output.print(text)
}

pub(super) fn change(
    config: &Config,
    output: &Output,
    edit: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>, Refused>,
) -> Result<()> {
    let path = &config.skills.manifest;
    let bytes = file::read(path).map_err(|refusal| report_refusals(path, &[refusal], output))?;
    let changed = edit(bytes.as_deref()).map_err(|refused| report(config, refused, output))?;
    write(config, &changed)?;
    Ok(())
}

/// Prints why an edit of `skills.json` was refused.
pub(super) fn report(config: &Config, refused: Refused, output: &Output) -> anyhow::Error {
    match refused {
        Refused::File(refusals) => report_refusals(&config.skills.manifest, &refusals, output),
        Refused::Name(failure) => failure.into(),
    }
}

pub(super) fn write(config: &Config, bytes: &[u8]) -> Result<(), Failure> {
    let path = &config.skills.manifest;
    if let Some(folder) = path.parent() {
        config::private_folder(folder)?;
    }
    files::replace(path, bytes).map_err(|error| {
        let message = format!("{} cannot be written: {error}", path.display());
        let hint = "the file is unchanged; check that your account may write to its folder";
        Failure::new(Kind::Unavailable, message).hint(hint)
    })
}

/// The entry in a manifest's form, with its keys in the usual order. Options that are
/// not given keep their defaults.
fn entry(arguments: &AddArguments) -> Result<Node, Failure> {
    let leaf = |value: &str| Node::from(json!(value));
    let mut env = Vec::new();
    for each in &arguments.env {
        let (name, value) = each.split_once('=').ok_or_else(|| {
            Failure::invalid("", "--env takes NAME=VALUE, and a = is missing")
                .hint("for example --env 'GITHUB_TOKEN=${GITHUB_TOKEN}'")
        })?;
        env.push((name.to_owned(), leaf(value)));
    }
    let paths = [("read", &arguments.read), ("write", &arguments.write)];
    let fs = paths
        .into_iter()
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(key, paths)| (key.to_owned(), Node::from(json!(paths))))
        .collect();
    let mut sandbox = Vec::new();
    add_filled(&mut sandbox, "fs", fs);
    if let Some(network) = &arguments.network {
        sandbox.push(("network".to_owned(), leaf(network)));
    }
    let (command, args) = arguments
        .command
        .split_first()
        .ok_or_else(|| Failure::invalid("", "a command is missing").hint("write it behind --"))?;
    let mut entry = vec![
        ("command".to_owned(), leaf(command)),
        ("args".to_owned(), Node::from(json!(args))),
    ];
    add_filled(&mut entry, "env", env);
    add_filled(&mut entry, "sandbox", sandbox);
    if arguments.eager {
        entry.push(("start".to_owned(), leaf("eager")));
    }
    Ok(Node::Object(entry))
}

fn add_filled(to: &mut Vec<(String, Node)>, key: &str, inner: Vec<(String, Node)>) {
    if !inner.is_empty() {
        to.push((key.to_owned(), Node::Object(inner)));
    }
}
