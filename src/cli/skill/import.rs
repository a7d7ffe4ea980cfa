//! `mimo skill import`: copies other clients' servers into `skills.json`. Values of
//! their environment are copied as they are and never shown.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::refusals::{error_document, report_refusals};
use super::{edit, install};
use crate::app;
use crate::cli::client_files::{parse_failure, places};
use crate::cli::output::{Exit, Output, Text};
use crate::clients::file::Settings;
use crate::clients::{Client, ENTRY, NAMES};
use crate::config::{Config, Environment};
use crate::failure::{Failure, Kind};
use crate::secret::Secret;
use crate::skills::env::is_of_editor;
use crate::skills::manifest::document::{self, Node};
use crate::skills::manifest::edit::Refused;
use crate::skills::manifest::{self, Manifest, file};
use crate::skills::refusal::Refusal;
use crate::skills::rules::Rules;
use crate::skills::spec::SkillSpec;

/// Where the servers are.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill import claude-desktop     all servers of Claude Desktop
  mimo skill import cursor --dry-run   which would be added, and what may each do?
  mimo skill import .mcp.json          of any file of that kind

The client's file stays as it is; `mimo setup CLIENT --adopt` also leaves only Mimo
there, and `mimo setup` lists the clients. A server that could not run is not added,
and the exit code is 1.")]
pub(super) struct Arguments {
    /// A client, or a file as clients write them
    #[arg(value_name = "CLIENT|FILE")]
    from: String,
    /// Show what would be taken, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Install packages at the first start, not now
    #[arg(long)]
    later: bool,
}

/// The outcome for one server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Added,
    /// Added, but a variable that it names must still be approved or set.
    Waiting,
    /// Already there, with the same content.
    Present,
    Refused,
}

struct ImportedServer {
    key: String,
    state: State,
    /// Its permissions, or the reason why it is refused.
    lines: Vec<String>,
    errors: Vec<Refusal>,
    /// The skill whose package is not installed yet.
    spec: Option<SkillSpec>,
}

pub(in crate::cli) struct Imported {
    manifest: PathBuf,
    dry_run: bool,
    servers: Vec<ImportedServer>,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> Result<()> {
    let (file, servers) = read(&arguments.from, environment, output)?;
    if servers.is_empty() {
        let message = format!("{} has no servers beside Mimo", file.display());
        return Err(Failure::new(Kind::NotFound, message)
            .hint("`mimo setup` lists the clients' files")
            .into());
    }
    let (dry_run, later) = (arguments.dry_run, arguments.later);
    let imported = import(servers, config, dry_run, later, output)?;
    match output.json {
        true => {
            let mut document = imported.document();
            document["from"] = json!(file.display().to_string());
            output.document(&document)?;
        }
        false => {
            let mut text = output.text();
            imported.push(&mut text);
            output.print(text)?;
        }
    }
    match imported.count(State::Refused) {
        0 => Ok(()),
        _ => Err(Exit(1).into()),
    }
}

/// Adds `servers` to the manifest, in their order; fails only if it cannot be read or
/// written.
pub(in crate::cli) fn import(
    servers: Vec<(String, Node)>,
    config: &Config,
    dry_run: bool,
    later: bool,
    output: &Output,
) -> Result<Imported> {
    let path = &config.skills.manifest;
    let report = |refusals: Vec<Refusal>| report_refusals(path, &refusals, output);
    let before = file::read(path).map_err(|refusal| report(vec![refusal]))?;
    let rules = app::skill_rules(config);
    let (mut bytes, mut imported) = (before.clone(), Vec::new());
    for (key, entry) in servers {
        imported.push(take(&mut bytes, key, entry, &rules).map_err(report)?);
    }
    if !dry_run && !later {
        install_all(&mut imported, &mut bytes, config, output)?;
    }
    let is_new = |each: &ImportedServer| matches!(each.state, State::Added | State::Waiting);
    if let Some(bytes) = bytes.filter(|_| !dry_run && imported.iter().any(is_new)) {
        edit::write(config, &bytes)?;
    }
    Ok(Imported {
        manifest: path.clone(),
        dry_run,
        servers: imported,
    })
}

/// Installs packages. A server whose package cannot be installed is removed from the
/// manifest `bytes`: it may still work in its client.
fn install_all(
    imported: &mut [ImportedServer],
    bytes: &mut Option<Vec<u8>>,
    config: &Config,
    output: &Output,
) -> Result<()> {
    let installer = app::installer(config);
    for each in imported {
        let Some(spec) = each.spec.take().filter(|spec| spec.package.is_some()) else {
            continue;
        };
        let line = match install::install(&installer, &spec, false, output) {
            Ok(installed) => format!("installed {}", installed.version),
            Err(failure) => {
                let left = manifest::edit::remove(bytes.as_deref(), &each.key);
                *bytes = Some(left.map_err(|refused| edit::report(config, refused, output))?);
                each.state = State::Refused;
                format!("{failure}; or add it all the same with --later")
            }
        };
        each.lines.push(line);
    }
    Ok(())
}

/// Adds one entry to the manifest `bytes`, unless that would be refused.
fn take(
    bytes: &mut Option<Vec<u8>>,
    key: String,
    entry: Node,
    rules: &Rules,
) -> Result<ImportedServer, Vec<Refusal>> {
    let mut server = ImportedServer {
        key,
        state: State::Refused,
        lines: Vec::new(),
        errors: Vec::new(),
        spec: None,
    };
    let key = server.key.as_str();
    if let Some(there) = manifest::edit::find(bytes.as_deref(), key)? {
        let line = match there.value() == entry.value() {
            true => {
                server.state = State::Present;
                "skills.json has it already"
            }
            false => "skills.json has another skill of that name; next: rename one of the two",
        };
        server.lines.push(line.to_owned());
        return Ok(server);
    }
    let known = match bytes.as_deref() {
        Some(bytes) => manifest::check(bytes, rules)?,
        None => Manifest::default(),
    };
    let changed = match manifest::edit::add(bytes.as_deref(), key, entry.clone()) {
        Ok(changed) => changed,
        Err(Refused::File(refusals)) => return Err(refusals),
        Err(Refused::Name(failure)) => {
            server.lines.push(failure.to_string());
            return Ok(server);
        }
    };
    match newly_refused(&known, &changed, rules) {
        Ok(manifest) => {
            server.state = State::Added;
            // A disabled entry may be one that is not checked.
            let skill = manifest.skills.into_iter().find(|skill| skill.key == key);
            if let Some(skill) = skill {
                if skill.spec.name.as_str() != key {
                    server
                        .lines
                        .push(format!("its name is {}", skill.spec.name));
                }
                if skill.disabled {
                    let line = format!("disabled; `mimo skill enable {}`", skill.spec.name);
                    server.lines.push(line);
                }
                server.lines.extend(skill.notes);
                server.spec = Some(skill.spec).filter(|_| !skill.disabled);
            }
        }
        Err(refusals) => {
            if newly_refused(&known, &changed, &with_variables(&entry, rules)).is_ok() {
                server.state = State::Waiting;
            }
            let line = |refusal: &Refusal| format!("{refusal}; next: {}", refusal.fix);
            server.lines.extend(refusals.iter().map(line));
            server.errors = refusals;
        }
    }
    if server.state != State::Refused {
        *bytes = Some(changed);
    }
    Ok(server)
}

/// The manifest `changed`, or why an entry in it is refused that was not before.
fn newly_refused(
    known: &Manifest,
    changed: &[u8],
    rules: &Rules,
) -> Result<Manifest, Vec<Refusal>> {
    let manifest = manifest::check(changed, rules)?;
    let was_refused = |key: &str| known.refused.iter().any(|entry| entry.key == key);
    let mut refused = manifest.refused.iter();
    match refused.find(|entry| !was_refused(&entry.key)) {
        Some(entry) => Err(entry.refusals.clone()),
        None => Ok(manifest),
    }
}

/// The rules, as if each variable that `entry` names were approved and set.
fn with_variables(entry: &Node, rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    let env = ["env", "environment", "envs"].map(|key| entry.get(key));
    for (_, value) in env.into_iter().flatten().flat_map(Node::entries) {
        let Node::Leaf(Value::String(text)) = value else {
            continue;
        };
        for named in text
            .split("${")
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
        {
            let name = named.0.strip_prefix("env:").unwrap_or(named.0);
            // No setting gives these a value.
            if is_of_editor(name) {
                continue;
            }
            let is_variable = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.chars().all(is_variable) {
                let value = rules.secrets.entry(name.to_owned()).or_default();
                value.get_or_insert_with(|| Secret::new(""));
            }
        }
    }
    rules
}

/// The file that is meant, and its servers.
fn read(
    from: &str,
    environment: &Environment,
    output: &Output,
) -> Result<(PathBuf, Vec<(String, Node)>)> {
    let places = places(environment);
    let is_toml = Path::new(from).extension().is_some_and(|end| end == "toml");
    let (client, path) = match Client::named(from) {
        Some(client) => (Some(client), client.settings(&places)),
        None if is_toml => (Some(Client::Codex), Some(PathBuf::from(from))),
        None => (None, Some(from.into())),
    };
    let path = path.ok_or_else(|| {
        Failure::new(Kind::NotFound, "this account has no home folder").hint("set HOME")
    })?;
    let settings = Settings::read(&path)?;
    if !settings.exists() {
        let message = format!("there is no file {}", path.display());
        let hint = format!("name a file, or one of {}", NAMES.join(", "));
        return Err(Failure::new(Kind::NotFound, message).hint(hint).into());
    }
    if let Some(client) = client {
        let folder = environment.current_folder.as_deref();
        let servers = of_client(client, &settings, folder)?.into_iter();
        let each = servers.flat_map(|(_, servers)| servers);
        return Ok((
            path,
            each.map(|(name, entry)| (name, entry.into())).collect(),
        ));
    }
    let report = |refusals: Vec<Refusal>| report_refusals(&path, &refusals, output);
    let root = document::parse(settings.text().as_bytes()).map_err(report)?;
    if root
        .get("command")
        .is_some_and(|command| matches!(command, Node::Leaf(Value::String(_))))
    {
        let message = format!("{} is one server without a name", path.display());
        let hint = "wrap it as {\"mcpServers\": {\"NAME\": {..}}}, with a name of yours";
        return Err(Failure::new(Kind::Refused, message).hint(hint).into());
    }
    let entries = manifest::entries(&root).map_err(report)?.into_iter();
    let others = entries.filter(|(key, _)| key != ENTRY);
    Ok((path.clone(), others.cloned().collect()))
}

/// A map of servers: the keys that lead to it, and what it holds.
pub(in crate::cli) type Map = (Vec<String>, Vec<(String, Value)>);

/// The servers of the account, and those of the project in `folder`.
pub(in crate::cli) fn of_client(
    client: Client,
    settings: &Settings,
    folder: Option<&Path>,
) -> Result<Vec<Map>, Failure> {
    let wrong = |mistake| parse_failure(settings, &mistake);
    let mut maps = client.maps(settings.text()).map_err(wrong)?;
    // The folder of a project is the key before the last.
    maps.retain(|map| match map.len() {
        3 => folder.is_some_and(|folder| Path::new(&map[1]) == folder),
        _ => true,
    });
    let each = maps.into_iter().map(|map| {
        let servers = client.servers(settings.text(), &map).map_err(wrong)?;
        Ok((map, servers))
    });
    each.collect()
}

impl Imported {
    /// The key of each server that the manifest has now, so that its client no longer
    /// needs it; `None` for each refused one.
    pub(in crate::cli) fn taken(&self) -> Vec<Option<String>> {
        let taken =
            |each: &ImportedServer| (each.state != State::Refused).then(|| each.key.clone());
        self.servers.iter().map(taken).collect()
    }

    fn count(&self, state: State) -> usize {
        self.servers
            .iter()
            .filter(|each| each.state == state)
            .count()
    }

    pub(in crate::cli) fn document(&self) -> Value {
        let server = |each: &ImportedServer| {
            json!({
                "key": each.key,
                "state": each.state.name(),
                "notes": each.lines,
                "errors": each.errors.iter().map(error_document).collect::<Vec<_>>(),
            })
        };
        json!({
            "ok": self.count(State::Refused) == 0,
            "file": self.manifest.display().to_string(),
            "dry_run": self.dry_run,
            "servers": self.servers.iter().map(server).collect::<Vec<_>>(),
        })
    }

    pub(in crate::cli) fn push(&self, text: &mut Text) {
        for each in &self.servers {
            text.push(&format!("{}: ", crate::printable::line(&each.key)));
            text.paint(each.state.color(), each.state.words(self.dry_run));
            text.push("\n");
            for line in &each.lines {
                text.push(&format!("  {}\n", crate::printable::line(line)));
            }
        }
        let added = self.count(State::Added) + self.count(State::Waiting);
        let would = if self.dry_run { "would be " } else { "" };
        let (all, file) = (self.servers.len(), self.manifest.display());
        text.push(&format!("{added} of {all} {would}added to {file}\n"));
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Added => "added",
            State::Waiting => "waiting",
            State::Present => "present",
            State::Refused => "refused",
        }
    }

    fn words(self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (State::Added, false) => "added",
            (State::Added, true) => "would be added",
            (State::Waiting, false) => "added, and waits for a variable",
            (State::Waiting, true) => "would be added, and wait for a variable",
            (State::Present, _) => "not added",
            (State::Refused, _) => "refused",
        }
    }

    fn color(self) -> u8 {
        match self {
            State::Added => 32,
            State::Waiting => 33,
            State::Present => 0,
            State::Refused => 31,
        }
    }
}
