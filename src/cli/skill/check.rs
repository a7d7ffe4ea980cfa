//! `mimo skill check [FILE]` and `mimo skill list`: what the skills of a manifest may
//! do, or its mistakes. Values of the environment are never shown.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::refusals::{error_document, report_refusals};
use crate::app;
use crate::cli::doctor;
use crate::cli::output::Output;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::registry::list_cache;
use crate::registry::tool_cache::ToolCache;
use crate::skills::manifest::{self, Manifest, Skill};
use crate::skills::refusal::Refusal;
use crate::skills::sandbox::policy::Layers;
use crate::skills::spec::Network;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill list
  mimo skill list --json | jq '.skills[] | select(.network != \"none\").name'")]
pub(super) struct ListArguments {}

/// Which file.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill check                     the skills.json that Mimo reads
  mimo skill check .mcp.json           a client's own file: could it move into Mimo?
  mimo skill check --json | jq '.errors[].path'

Reads skills.json of Mimo, and files with mcpServers or servers as clients write
them. No skill is run. The exit code is 0 where every skill could run, else 1.")]
pub(super) struct CheckArguments {
    /// The manifest; Mimo's own where none is named
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn list(config: &Config, layers: &Layers, output: &Output) -> Result<()> {
    let file = &config.skills.manifest;
    print_skills(file, &load(file, config, output)?, config, layers, output)
}

pub(super) fn run(
    arguments: &CheckArguments,
    config: &Config,
    layers: impl Fn() -> Layers,
    output: &Output,
) -> Result<()> {
    match &arguments.file {
        // A file that was named must exist.
        Some(file) if file.symlink_metadata().is_err() => {
            let message = format!("there is no file {}", file.display());
            let hint = "check the spelling; without a name, Mimo's own skills.json is checked";
            Err(Failure::new(Kind::NotFound, message).hint(hint).into())
        }
        Some(file) => check(file, config, &layers(), output),
        None => check(&config.skills.manifest, config, &layers(), output),
    }
}

/// Fails where an entry is refused.
fn check(file: &Path, config: &Config, layers: &Layers, output: &Output) -> Result<()> {
    let manifest = load(file, config, output)?;
    let refusals: Vec<Refusal> = manifest.refusals().cloned().collect();
    match refusals.is_empty() {
        true => print_skills(file, &manifest, config, layers, output),
        false => Err(report_refusals(file, &refusals, output)),
    }
}

fn load(file: &Path, config: &Config, output: &Output) -> Result<Manifest> {
    manifest::load(file, &app::skill_rules(config))
        .map_err(|refusals| report_refusals(file, &refusals, output))
}

/// Prints what each entry may do, or why it is refused.
fn print_skills(
    file: &Path,
    manifest: &Manifest,
    config: &Config,
    layers: &Layers,
    output: &Output,
) -> Result<()> {
    let cache = ToolCache::in_folder(config.data_folder.clone());
    let instructions =
        list_cache::instructions(&cache, manifest.skills.iter().map(|skill| &skill.spec));
    let ok = manifest.refused.is_empty();
    if output.json {
        let skills = manifest.skills.iter().zip(&instructions);
        let skills: Vec<Value> = skills
            .map(|(skill, instructions)| document(skill, instructions))
            .collect();
        let errors: Vec<Value> = manifest.refusals().map(error_document).collect();
        return output.document(&json!({
            "ok": ok,
            "file": file.display().to_string(),
            "skills": skills,
            "errors": errors,
            "notes": manifest.notes,
            "sandbox": doctor::sandbox_document(layers),
        }));
    }
    if manifest.skills.is_empty() && ok {
        return output.print(format!(
            "{} has no skills; `mimo skill add --help` shows how to add one\n",
            file.display()
        ));
    }
    let mut text = output.text();
    text.push(&format!("{}\n", table(manifest, output)));
    let own = manifest.skills.iter().flat_map(|skill| {
        let notes = skill.notes.iter();
        notes.map(|note| format!("{}: {note}", skill.spec.name))
    });
    for note in own.chain(manifest.notes.iter().cloned()) {
        text.push(&format!("{note}\n"));
    }
    for (skill, instructions) in manifest.skills.iter().zip(&instructions) {
        if !instructions.is_empty() {
            text.push(&format!("{} says: {instructions}\n", skill.spec.name));
        }
    }
    for refusal in manifest.refusals() {
        text.push(&format!("not in use: {refusal}; next: {}\n", refusal.fix));
    }
    if ok {
        text.push(&format!("{} is valid\n", file.display()));
    }
    text.push("\n");
    doctor::push_sandbox(layers, &mut text);
    output.print(text)
}

fn document(skill: &Skill, instructions: &str) -> Value {
    let sandbox = &skill.spec.sandbox;
    let (network, ports) = match &sandbox.network {
        Network::None => ("none", &[][..]),
        Network::Outbound(ports) => ("outbound", ports.as_slice()),
    };
    json!({
        "name": skill.spec.name.as_str(),
        "command": skill.command,
        "program": skill.spec.program,
        "cwd": skill.spec.folder,
        "read": sandbox.read,
        "write": sandbox.write,
        "network": network,
        "ports": ports,
        "listen": sandbox.listen,
        "env": skill.variables,
        "memory_bytes": sandbox.memory_bytes,
        "cpu_seconds": sandbox.cpu_seconds,
        "processes": sandbox.processes,
        "open_files": sandbox.open_files,
        "file_bytes": sandbox.file_bytes,
        "disk_bytes": sandbox.disk_bytes,
        "initialize_s": skill.spec.timeouts.initialize.as_secs(),
        "call_s": skill.spec.timeouts.call.as_secs(),
        "start": if skill.spec.eager { "eager" } else { "lazy" },
        "disabled": skill.disabled,
        "key": skill.key,
        "notes": skill.notes,
        "expose": skill.spec.expose.name(),
        "instructions": instructions,
    })
}

fn table(manifest: &Manifest, output: &Output) -> String {
    let head = [
        "skill",
        "command",
        "start",
        "network",
        "memory",
        "may also use",
    ];
    let head = head.map(str::to_owned);
    output.table(std::iter::once(head).chain(manifest.skills.iter().map(row)))
}

fn row(skill: &Skill) -> [String; 6] {
    let sandbox = &skill.spec.sandbox;
    let network = match &sandbox.network {
        Network::None => "none".to_owned(),
        Network::Outbound(ports) if ports.is_empty() => "outbound".to_owned(),
        Network::Outbound(ports) => {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            format!("to {}", ports.join(","))
        }
    };
    let start = match (skill.disabled, skill.spec.eager) {
        (true, _) => "disabled",
        (false, true) => "eager",
        (false, false) => "lazy",
    };
    let paths = |word: &str, paths: &[PathBuf]| {
        paths
            .iter()
            .map(|path| format!("{word} {}", path.display()))
            .collect::<Vec<_>>()
    };
    let mut more = paths("read", &sandbox.read);
    more.extend(paths("write", &sandbox.write));
    let folder = skill.spec.folder.iter();
    more.extend(folder.map(|folder| format!("start in {}", folder.display())));
    more.extend(sandbox.listen.iter().map(|port| format!("listen {port}")));
    more.extend(skill.variables.iter().map(|name| format!("${name}")));
    [
        skill.spec.name.to_string(),
        skill.command.clone(),
        start.to_owned(),
        network,
        format!("{} MB", sandbox.memory_bytes / (1024 * 1024)),
        more.join(", "),
    ]
}
