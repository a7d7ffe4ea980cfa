//! `mimo skill approve`: shows the tools that wait for a person, each with what
//! is new in its definition, and pins those that are approved. It judges by what
//! the skills listed last; a tool that has changed again by then still waits.

use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::{refused, reload};
use crate::app;
use crate::cli::output::{Exit, Output, Text};
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::printable;
use crate::registry::approvals::Approvals;
use crate::registry::instances::Command;
use crate::registry::tool_cache::ToolCache;
use crate::registry::{ApprovalState, Identity, SkillName};
use crate::skills::client::Tool;
use crate::skills::manifest;

/// Which tools.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill approve                   everything that waits, one after the other
  mimo skill approve memory            the tools of one skill
  mimo skill approve memory create_entities --yes
  mimo skill approve --json | jq '.pending[].difference[]'

A tool is approved as its skill listed it last. Once it is something else, it is
kept back until a person has looked at the difference. Off a terminal nothing is
approved without --yes, and the exit code is 1 while something waits.")]
pub(super) struct Arguments {
    /// The skill; all where none is named
    #[arg(value_name = "SKILL")]
    skill: Option<String>,
    /// One tool of it
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    /// Approve without asking
    #[arg(long)]
    yes: bool,
}

/// A tool that waits.
struct Waiting {
    skill: SkillName,
    identity: Identity,
    tool: Tool,
    /// `new` or `changed`.
    why: &'static str,
    difference: Vec<String>,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: &dyn Clock,
    output: &Output,
) -> Result<()> {
    let path = &config.skills.manifest;
    let names = manifest::names(path).map_err(|refusals| refused(path, &refusals, output))?;
    let approvals = app::approvals(config)?;
    let waiting = waiting(arguments, config, &approvals, &names)?;
    if waiting.is_empty() {
        return match output.json {
            true => output.document(&document(&[], &[])),
            false => output.print("nothing waits for approval\n"),
        };
    }
    let asks = !arguments.yes && output.terminal && std::io::stdin().is_terminal();
    let mut approved = Vec::new();
    for each in &waiting {
        if !output.json {
            output.print(text(each, output))?;
        }
        if arguments.yes || (asks && !output.json && agreed(each, output)?) {
            approved.push(each);
        }
    }
    if !approved.is_empty() {
        approve(&approved, &approvals)?;
    }
    let told = match approved.is_empty() {
        true => Vec::new(),
        false => reload::ask(config, clock, Command::Approvals, Duration::ZERO)?,
    };
    if output.json {
        output.document(&document(&waiting, &approved))?;
    } else {
        output.print(summary(approved.len(), waiting.len()))?;
        for (mimo, _) in told.iter().filter(|(_, answer)| answer.is_none()) {
            let pid = mimo.pid;
            let text = format!("mimo: the Mimo {pid} did not answer; it reads it when it starts\n");
            output.complain(text);
        }
    }
    match approved.len() == waiting.len() || asks {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

/// What waits, of what was asked for.
fn waiting(
    arguments: &Arguments,
    config: &Config,
    approvals: &Approvals,
    names: &[SkillName],
) -> Result<Vec<Waiting>, Failure> {
    let wanted = |name: &SkillName| {
        let named = arguments.skill.as_deref();
        named.is_none_or(|named| named == name.as_str())
    };
    if let Some(named) = &arguments.skill
        && !names.iter().any(wanted)
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
    let (mut waiting, mut seen) = (Vec::new(), false);
    for (skill, (identity, tools)) in cache.latest() {
        if !names.contains(&skill) || !wanted(&skill) {
            continue;
        }
        let (states, _) = pins.judge(&skill, &identity, &tools, app::first_use(config));
        for tool in tools.iter() {
            if arguments
                .tool
                .as_ref()
                .is_some_and(|name| *name != tool.name)
            {
                continue;
            }
            seen = true;
            let why = match states.get(&tool.name) {
                Some(ApprovalState::New) => "new",
                Some(ApprovalState::Changed(_)) => "changed",
                _ => continue,
            };
            waiting.push(Waiting {
                skill: skill.clone(),
                identity: identity.clone(),
                tool: tool.clone(),
                why,
                difference: pins.difference(&skill, &identity, tool),
            });
        }
    }
    match (&arguments.tool, seen) {
        (Some(tool), false) => {
            let message = format!("no tool {tool} was listed by that skill");
            Err(Failure::new(Kind::NotFound, message)
                .hint("a skill lists its tools when it first runs; is the name spelt right?"))
        }
        _ => Ok(waiting),
    }
}

fn approve(approved: &[&Waiting], approvals: &Approvals) -> Result<(), Failure> {
    let tools: Vec<_> = approved
        .iter()
        .map(|each| {
            let identity = each.identity.clone();
            (each.skill.clone(), identity, each.tool.clone())
        })
        .collect();
    app::run(approvals.approve(&tools)).map_err(|mut failure| {
        failure.message = format!("nothing was approved: {}", failure.message);
        failure
    })
}

fn agreed(waiting: &Waiting, output: &Output) -> Result<bool> {
    let name = printable::line(&waiting.tool.name);
    output.print(format!("approve {name} of {}? [y/N] ", waiting.skill))?;
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn text(waiting: &Waiting, output: &Output) -> Text {
    let name = printable::line(&waiting.tool.name);
    let why = match waiting.why {
        "new" => "nobody has approved it yet",
        _ => "it is not what was approved",
    };
    let mut text = output.text();
    text.push(&format!("{} {name}: {why}\n", waiting.skill));
    for line in &waiting.difference {
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

fn summary(approved: usize, waiting: usize) -> String {
    match (approved, waiting - approved) {
        (approved, 0) => format!("approved {approved}\n"),
        (0, rest) => format!("approved none; {rest} wait (--yes approves what is shown)\n"),
        (approved, rest) => format!("approved {approved}; {rest} wait\n"),
    }
}

fn document(waiting: &[Waiting], approved: &[&Waiting]) -> Value {
    let shown = |each: &Waiting| {
        json!({
            "skill": each.skill.as_str(),
            "tool": each.tool.name,
            "why": each.why,
            "difference": each.difference,
        })
    };
    let all = approved.len() == waiting.len();
    let approved: Vec<Value> = approved.iter().map(|each| shown(each)).collect();
    let pending = match approved.is_empty() {
        true => waiting.iter().map(shown).collect(),
        // With --json it is all or nothing.
        false => Vec::new(),
    };
    json!({"ok": all, "pending": pending, "approved": approved})
}
