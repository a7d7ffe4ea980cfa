//! Reads one entry of the manifest into a skill. Checks its shape, command,
//! arguments, environment and folders, and reports all mistakes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::folders::{Access, GrantRequest, allowed};
use super::grants::DefaultPermissions;
use super::{Skill, clients, data, grants, shape};
use crate::limits::{CALL_SECONDS_MAX, SKILL_INITIALIZE_SECONDS_DEFAULT};
use crate::secret::{Secret, Secrets};
use crate::skills::env;
use crate::skills::policy::{self, Plan, Program};
use crate::skills::refusal::{Class, Refusal};
use crate::skills::rules::Rules;
use crate::skills::spec::{
    Expose, Grant, Identity, Network, Sandbox, SkillName, SkillSpec, Timeouts,
};

const MB: u64 = 1024 * 1024;

/// An entry that matches the schema.
#[derive(Deserialize)]
struct RawEntry {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    cwd: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    sandbox: RawSandbox,
    #[serde(default)]
    timeouts: RawTimeouts,
    start: Option<String>,
    #[serde(default)]
    disabled: bool,
    expose: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawSandbox {
    #[serde(default)]
    fs: RawFolders,
    network: Option<String>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    listen: Vec<u16>,
    memory_mb: Option<u64>,
    cpu_seconds: Option<u64>,
    nproc: Option<u64>,
    nofile: Option<u64>,
    file_mb: Option<u64>,
    disk_mb: Option<u64>,
}

#[derive(Default, Deserialize)]
struct RawFolders {
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
    #[serde(default)]
    i_know: bool,
}

#[derive(Default, Deserialize)]
struct RawTimeouts {
    initialize_s: Option<u64>,
    call_s: Option<u64>,
}

/// The parts of an entry that its rules decide.
struct CheckedEntry {
    program: Program,
    plan: Plan,
    environment: BTreeMap<String, String>,
    secrets: Secrets,
    sandbox: Sandbox,
}

/// The skill in `entry`, or every mistake in it. Paths are relative to the entry.
pub(super) fn read(
    key: &str,
    name: SkillName,
    entry: &Value,
    rules: &Rules,
) -> Result<Skill, Vec<Refusal>> {
    let mut entry = entry.clone();
    let mut notes = clients::own_form(&mut entry);
    let raw = parse(&entry)?;
    let CheckedEntry {
        program,
        plan,
        mut environment,
        secrets,
        mut sandbox,
    } = check(&raw, &name, rules)?;
    let identity = identity(&entry, &raw.command, &program, &plan);
    sandbox.docker = plan.docker;
    let has_sandbox = entry.get("sandbox").is_some();
    let decided = has_sandbox.then_some(sandbox.grants.as_slice());
    let folder = working_folder(&raw, plan.docker, decided, rules).unwrap_or_else(|why| {
        notes.push(format!("cwd is ignored: {why}"));
        None
    });
    // A container has files of its own.
    let none = BTreeMap::new();
    let variables = if plan.docker { &none } else { &raw.env };
    let mut arguments = plan.arguments;
    if !has_sandbox {
        let defaults = grants::by_default(&arguments, folder.as_ref(), variables, rules);
        arguments = arguments
            .iter()
            .map(|each| grants::without_tilde(each, rules))
            .collect();
        notes.push(apply_defaults(&mut sandbox, defaults));
    }
    notes.extend(data::lacking(&data::named(variables), &sandbox));
    let package = plan.package.as_ref();
    notes.extend(data::kept_privately(package, &raw.env, &mut environment));
    add_missing(&mut sandbox.read, program.read.iter().chain(&plan.read));
    add_missing(&mut sandbox.read, rules.certificates().iter());
    Ok(Skill {
        key: key.to_owned(),
        notes,
        disabled: raw.disabled,
        variables: raw.env.into_keys().collect(),
        command: raw.command,
        spec: SkillSpec {
            name,
            identity,
            package: plan
                .package
                .map(|package| policy::with_tools(package, &program, rules)),
            program: program.path,
            arguments,
            folder: folder.map(|grant| grant.path),
            environment,
            secrets,
            sandbox,
            timeouts: timeouts(&raw.timeouts),
            eager: raw.start.as_deref() == Some("eager"),
            expose: expose(raw.expose.as_deref()),
        },
    })
}

fn parse(entry: &Value) -> Result<RawEntry, Vec<Refusal>> {
    let misshapen = shape::check(entry);
    if !misshapen.is_empty() {
        return Err(misshapen);
    }
    // The schema accepts 5.0 as an integer, serde does not.
    serde_json::from_value(entry.clone()).map_err(|error| {
        let why = format!("cannot be read: {error}");
        let fix = "write whole numbers without a fraction";
        vec![Refusal::new(Class::Value, why, fix)]
    })
}

/// Checks command, arguments, environment and sandbox, each as far as it can be checked
/// without the others, so that all mistakes are reported at once.
fn check(raw: &RawEntry, name: &SkillName, rules: &Rules) -> Result<CheckedEntry, Vec<Refusal>> {
    let mut refused = Vec::new();
    let sandbox = sandbox(&raw.sandbox, rules, &mut refused);
    let declared: Vec<&str> = raw.env.keys().map(String::as_str).collect();
    refused.extend(secrets_in_arguments(&raw.args, &declared));
    let program = policy::program(&raw.command, rules)
        .map_err(|refusal| refused.push(refusal.under("command")))
        .ok();
    let plan = program.as_ref().and_then(|program| {
        let given = (&sandbox, declared.as_slice());
        policy::plan(name.as_str(), program, &raw.args, given, rules)
            .map_err(|refusal| refused.push(refusal.under("args")))
            .ok()
    });
    let (path, forced) = match (&program, &plan) {
        (Some(program), Some(plan)) => (
            policy::search_path(program, rules),
            plan.environment.clone(),
        ),
        _ => Default::default(),
    };
    let settled = match raw.disabled {
        true => &as_if_set(rules),
        false => rules,
    };
    let environment = env::build(&raw.env, path, &forced, settled).unwrap_or_else(|wrong| {
        refused.extend(wrong.into_iter().map(|refusal| refusal.under("env")));
        BTreeMap::new()
    });
    let (Some(program), Some(plan), true) = (program, plan, refused.is_empty()) else {
        return Err(refused);
    };
    Ok(CheckedEntry {
        program,
        plan,
        environment,
        secrets: env::secrets(&raw.env, settled),
        sandbox,
    })
}

fn identity(entry: &Value, command: &str, program: &Program, plan: &Plan) -> Identity {
    let runs = match &plan.package {
        Some(package) => package.names().collect::<Vec<_>>().join(" "),
        None => plan.runs.clone(),
    };
    Identity {
        program: digest(&[program.form(), command, &runs].join("\0")),
        entry: digest(&permissions(entry)),
    }
}

/// The folder of `cwd`, if there is one, or why it cannot be used. `decided` are the
/// grants of an entry with `sandbox`.
fn working_folder(
    raw: &RawEntry,
    is_docker: bool,
    decided: Option<&[Grant]>,
    rules: &Rules,
) -> Result<Option<Grant>, String> {
    match &raw.cwd {
        None => Ok(None),
        Some(_) if is_docker => Err("a container has folders of its own".to_owned()),
        Some(text) => grants::working_folder(text, decided, rules).map(Some),
    }
}

/// Gives `sandbox` the default grants; returns the note about them.
fn apply_defaults(sandbox: &mut Sandbox, defaults: DefaultPermissions) -> String {
    let paths = |writable: bool| {
        let grants = defaults.grants.iter();
        let grants = grants.filter(|grant| grant.writable == writable);
        grants.map(|grant| grant.path.clone()).collect()
    };
    (sandbox.read, sandbox.write) = (paths(false), paths(true));
    sandbox.unix_sockets = defaults.outbound;
    if defaults.outbound {
        sandbox.network = Network::Outbound(Vec::new());
    }
    sandbox.grants = defaults.grants;
    defaults.why
}

fn timeouts(raw: &RawTimeouts) -> Timeouts {
    let seconds = |given: Option<u64>, usual| Duration::from_secs(given.unwrap_or(usual));
    Timeouts {
        initialize: seconds(raw.initialize_s, SKILL_INITIALIZE_SECONDS_DEFAULT),
        call: seconds(raw.call_s, CALL_SECONDS_MAX),
    }
}

fn expose(word: Option<&str>) -> Expose {
    match word {
        Some("direct") => Expose::Direct,
        Some("search") => Expose::Search,
        _ => Expose::Auto,
    }
}

/// The keys of the entry that decide what the skill may do.
fn permissions(entry: &Value) -> String {
    let keys = ["command", "args", "env", "sandbox"];
    let always = keys.iter().map(|key| &entry[key]);
    // Entries without it keep the digest that they had before it was read.
    json!(always.chain(entry.get("cwd")).collect::<Vec<_>>()).to_string()
}

fn digest(content: &str) -> String {
    base16ct::lower::encode_string(&Sha256::digest(content.as_bytes()))
}

/// Gives unset secrets a value: a disabled skill needs none yet.
fn as_if_set(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    for value in rules.secrets.values_mut() {
        value.get_or_insert_with(|| Secret::new(""));
    }
    rules
}

fn add_missing<'a>(to: &mut Vec<PathBuf>, more: impl Iterator<Item = &'a PathBuf>) {
    for path in more {
        if !to.contains(path) {
            to.push(path.clone());
        }
    }
}

/// Secrets in arguments are refused: every process can read another's arguments. A
/// `${NAME}` of the skill's own environment is left to the server to replace.
fn secrets_in_arguments(arguments: &[String], declared: &[&str]) -> Vec<Refusal> {
    let holds = |text: &str| env::expanded_names(text).any(|name| !declared.contains(&name));
    let all = arguments.iter().enumerate().filter(|(_, text)| holds(text));
    all.map(|(at, text)| {
        let why =
            "a ${NAME} in an argument is not expanded, because every process could read it there";
        let fix = match env::expanded_names(text).any(env::is_of_editor) {
            true => "write what it stands for, such as the absolute path of the folder",
            false => "put NAME under env, where the server reads it",
        };
        Refusal::new(Class::Secret, why, fix)
            .under(at)
            .under("args")
    })
    .collect()
}

fn sandbox(raw: &RawSandbox, rules: &Rules, refused: &mut Vec<Refusal>) -> Sandbox {
    let mut grants = Vec::new();
    let known = raw.fs.i_know;
    let mut folders = |texts: &[String], access, key: &str| {
        let mut all = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let request = GrantRequest {
                text,
                access,
                known,
            };
            match allowed(&request, rules) {
                Ok(grant) => {
                    add_missing(&mut all, std::iter::once(&grant.path));
                    grants.push(grant);
                }
                Err(refusal) => {
                    refused.push(refusal.under(at).under(key).under("fs").under("sandbox"));
                }
            }
        }
        all
    };
    let read = folders(&raw.fs.read, Access::Read, "read");
    let write = folders(&raw.fs.write, Access::Write, "write");
    let network = match raw.network.as_deref() {
        Some("outbound") => Network::Outbound(raw.ports.clone()),
        _ => Network::None,
    };
    for (key, ports) in [("ports", &raw.ports), ("listen", &raw.listen)] {
        if network == Network::None && !ports.is_empty() {
            let why = "ports are given, but the skill has no network";
            let fix = "add \"network\": \"outbound\", or remove the ports";
            refused.push(
                Refusal::new(Class::Value, why, fix)
                    .under(key)
                    .under("sandbox"),
            );
        }
    }
    let usual = Sandbox::default();
    let bytes = |megabytes: Option<u64>, usual| megabytes.map_or(usual, |number| number * MB);
    Sandbox {
        grants,
        listen: raw.listen.clone(),
        unix_sockets: read.is_empty() && write.is_empty(),
        read,
        write,
        network,
        memory_bytes: bytes(raw.memory_mb, usual.memory_bytes),
        cpu_seconds: raw.cpu_seconds.unwrap_or(usual.cpu_seconds),
        processes: raw.nproc.unwrap_or(usual.processes),
        open_files: raw.nofile.unwrap_or(usual.open_files),
        file_bytes: bytes(raw.file_mb, usual.file_bytes),
        disk_bytes: bytes(raw.disk_mb, usual.disk_bytes),
        ..usual
    }
}
