//! `mimo skill approve`: shows the tools that wait for approval, with the changes of
//! each definition, and pins those that are approved. It goes by what the skills listed
//! last; a tool that has changed since still waits. Also shows granted paths that lead
//! elsewhere than when they were granted.

use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::refusals::report_refusals;
use super::reload;
use crate::app;
use crate::cli::output::{Exit, Output, Text};
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::printable;
use crate::registry::approvals::{Approvals, PendingTool};
use crate::registry::instances::Command;
use crate::registry::tool_cache::ToolCache;
use crate::registry::{Identity, SkillName};
use crate::skills::client::Tool;
use crate::skills::manifest::{self, Manifest, Skill};
use crate::skills::record::{MovedGrant, Records};
use crate::skills::spec::SkillSpec;

/// Which tools.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill approve                   everything that waits, one after the other
  mimo skill approve memory            the tools of one skill
  mimo skill approve memory create_entities --yes
  mimo skill approve --json | jq '.pending[].difference[]'

A tool is approved as its skill listed it last. If it changes, it waits
until a person has seen the difference. Off a terminal nothing is
approved without --yes, and the exit code is 1 while something waits.")]
pub(super) struct Arguments {
    /// The skill; all where none is named
    #[arg(value_name = "SKILL")]
    skill: Option<String>,
    /// One of its tools
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    /// Approve without asking
    #[arg(long)]
    yes: bool,
}

/// A tool or a granted path that waits.
struct PendingItem {
    skill: SkillName,
    subject: Subject,
    /// `new`, `changed`, or `moved` for a path.
    why: &'static str,
    difference: Vec<String>,
}

enum Subject {
    Tool(Identity, Tool),
    Path(Box<SkillSpec>, MovedGrant),
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Subject::Tool(_, tool) => tool.name.clone(),
            Subject::Path(_, moved) => moved.asked.display().to_string(),
        }
    }
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: &dyn Clock,
    output: &Output,
) -> Result<()> {
    let path = &config.skills.manifest;
    let names =
        manifest::names(path).map_err(|refusals| report_refusals(path, &refusals, output))?;
    let approvals = app::approvals(config)?;
    let mut pending = pending(arguments, config, &approvals, &names)?;
    match manifest::load(path, &app::skill_rules(config)) {
        Ok(manifest) => pending.extend(moved(arguments, config, manifest)?),
        Err(refusals) if pending.is_empty() => {
            return Err(report_refusals(path, &refusals, output));
        }
        // Tools can be approved even if the file has mistakes.
        Err(_) => {}
    }
    if pending.is_empty() {
        return match output.json {
            true => output.document(&document(&[], &[])),
            false => output.print("nothing waits for approval\n"),
        };
    }
    let is_interactive = !arguments.yes && output.terminal && std::io::stdin().is_terminal();
    let mut approved = Vec::new();
    for each in &pending {
        if !output.json {
            output.print(text(each, output))?;
        }
        if arguments.yes || (is_interactive && !output.json && confirm(each, output)?) {
            approved.push(each);
        }
    }
    if !approved.is_empty() {
        approve(&approved, config, &approvals)?;
    }
    let is_path = |each: &&PendingItem| matches!(each.subject, Subject::Path(..));
    let answers = match approved.is_empty() {
        true => Vec::new(),
        false if approved.iter().any(is_path) => {
            reload::ask_instances(config, clock, Command::Reload, Duration::ZERO)?
        }
        false => reload::ask_instances(config, clock, Command::Approvals, Duration::ZERO)?,
    };
    if output.json {
        output.document(&document(&pending, &approved))?;
    } else {
        output.print(summary(&approved, pending.len()))?;
        for (mimo, _) in answers.iter().filter(|(_, answer)| answer.is_none()) {
            let pid = mimo.pid;
            let text = format!("mimo: the Mimo {pid} did not answer; it reads it when it starts\n");
            output.print_error(text);
        }
    }
    match approved.len() == pending.len() || is_interactive {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

/// The selected tools that wait.
fn pending(
    arguments: &Arguments,
    config: &Config,
    approvals: &Approvals,
    names: &[SkillName],
) -> Result<Vec<PendingItem>, Failure> {
    let is_selected = |name: &SkillName| {
        let named = arguments.skill.as_deref();
        named.is_none_or(|named| named == name.as_str())
    };
    if let Some(named) = &arguments.skill
        && !names.iter().any(is_selected)
    {
        let known: Vec<&str> = names.iter().map(SkillName::as_str).collect();
        let failure = Failure::new(Kind::NotFound, format!("there is no skill {named}"));
        return Err(failure.hint(match known.is_empty() {
            true => "the manifest has no skills".to_owned(),
            false => format!("the skills are {}", known.join(", ")),
        }));
    }
    let pins = app::run(approvals.load())?;
    let cache = ToolCache::in_folder(config.data_folder.clone());
    let mut is_listed = false;
    let is_wanted = |skill: &SkillName, tool: &Tool| {
        let named = arguments.tool.as_ref();
        let is_wanted = names.contains(skill)
            && is_selected(skill)
            && named.is_none_or(|name| *name == tool.name);
        is_listed |= is_wanted;
        is_wanted
    };
    let pending = PendingTool::all(&pins, &cache, app::first_use(config), is_wanted);
    let pending = pending.into_iter().map(|each| PendingItem {
        skill: each.skill,
        subject: Subject::Tool(each.identity, each.tool),
        why: each.why,
        difference: each.difference,
    });
    let pending = pending.collect();
    match (&arguments.tool, is_listed) {
        (Some(tool), false) => {
            let message = format!("no tool {tool} was listed by that skill");
            Err(Failure::new(Kind::NotFound, message)
                .hint("a skill lists its tools when it first runs; is the name spelt right?"))
        }
        _ => Ok(pending),
    }
}

/// The selected paths that keep skills from starting.
fn moved(
    arguments: &Arguments,
    config: &Config,
    manifest: Manifest,
) -> Result<Vec<PendingItem>, Failure> {
    let records = Records::below(&config.data_folder);
    let mut pending = Vec::new();
    for Skill { spec, .. } in manifest.skills {
        let named = arguments.skill.as_deref();
        if arguments.tool.is_some() || named.is_some_and(|named| named != spec.name.as_str()) {
            continue;
        }
        for moved in records.moved(&spec)? {
            pending.push(PendingItem {
                skill: spec.name.clone(),
                why: "moved",
                difference: vec![
                    format!("- {}", moved.was.display()),
                    format!("+ {}", moved.now.display()),
                ],
                subject: Subject::Path(Box::new(spec.clone()), moved),
            });
        }
    }
    Ok(pending)
}

fn approve(
    approved: &[&PendingItem],
    config: &Config,
    approvals: &Approvals,
) -> Result<(), Failure> {
    let records = Records::below(&config.data_folder);
    let mut tools = Vec::new();
    for each in approved {
        match &each.subject {
            Subject::Path(spec, moved) => records.accept(spec, std::slice::from_ref(moved))?,
            Subject::Tool(identity, tool) => {
                tools.push((each.skill.clone(), identity.clone(), tool.clone()));
            }
        }
    }
    app::run(approvals.approve(&tools)).map_err(|mut failure| {
        failure.message = format!("nothing was approved: {}", failure.message);
        failure
    })
}

fn confirm(pending: &PendingItem, output: &Output) -> Result<bool> {
    let name = pending.subject.name();
    let name = printable::line(&name);
    output.print(format!("approve {name} of {}? [y/N] ", pending.skill))?;
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn text(pending: &PendingItem, output: &Output) -> Text {
    let name = pending.subject.name();
    let name = printable::line(&name);
    let why = match pending.why {
        "new" => "nobody has approved it yet",
        "moved" => "it is not the file or folder that was granted",
        _ => "it is not what was approved",
    };
    let mut text = output.text();
    text.push(&format!("{} {name}: {why}\n", pending.skill));
    for line in &pending.difference {
        let color = match line.as_bytes().first() {
            Some(b'-') => 31,
            _ => 32,
        };
        text.push("  ");
        text.paint(color, &printable::line(line));
        text.push("\n");
    }
    text
}

fn summary(approved: &[&PendingItem], pending: usize) -> String {
    let paths = approved
        .iter()
        .any(|each| matches!(each.subject, Subject::Path(..)));
    let approved = approved.len();
    let rest = pending - approved;
    let done = match paths {
        true => counted(approved, "item", "items"),
        false => counted(approved, "tool", "tools"),
    };
    match (approved, rest) {
        (_, 0) => format!("approved {done}\n"),
        (0, _) => format!("approved none; {rest} pending (--yes approves what is shown)\n"),
        _ => format!("approved {done}; {rest} pending\n"),
    }
}

fn document(pending: &[PendingItem], approved: &[&PendingItem]) -> Value {
    let shown = |each: &PendingItem| {
        let kind = match each.subject {
            Subject::Tool(..) => "tool",
            Subject::Path(..) => "path",
        };
        json!({
            "skill": each.skill.as_str(),
            kind: each.subject.name(),
            "why": each.why,
            "difference": each.difference,
        })
    };
    let all = approved.len() == pending.len();
    let approved: Vec<Value> = approved.iter().map(|each| shown(each)).collect();
    let pending = match approved.is_empty() {
        true => pending.iter().map(shown).collect(),
        // With --json it is all or nothing.
        false => Vec::new(),
    };
    json!({"ok": all, "pending": pending, "approved": approved})
}
