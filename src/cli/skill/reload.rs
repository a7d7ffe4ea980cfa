//! `mimo skill reload`: checks the manifest, then has every Mimo that runs on
//! this data folder load it, and prints each outcome.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::refusals::report_refusals;
use crate::app;
use crate::cli::output::{Exit, Output, Text};
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::printable;
use crate::registry::instances::{self, Command, Instance};
use crate::registry::nodes::has_succeeded;
use crate::skills::manifest;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill reload
  mimo skill reload --json | jq '.mimos[] | {pid, started, replaced, failed}'

Running Mimos load skills.json by themselves when it changes; this reports the
outcome, and finds programs that were installed since. An entry with a mistake
leaves its running skill as it is. The exit code is 1 if a Mimo did not reload or
a skill did not start.")]
pub(super) struct Arguments {}

pub(super) fn run(config: &Config, clock: &Arc<dyn Clock>, output: &Output) -> Result<()> {
    let path = &config.skills.manifest;
    let manifest = manifest::load(path, &app::skill_rules(config))
        .map_err(|refusals| report_refusals(path, &refusals, output))?;
    let timeouts = manifest
        .skills
        .iter()
        .map(|skill| skill.spec.timeouts.initialize);
    let timeout = timeouts.max().unwrap_or_default();
    let nodes = app::nodes(config, clock)?;
    let (mut told, place) = match &nodes {
        Some(nodes) => {
            let digest = app::manifest_digest(config);
            (app::run(nodes.reload(digest))?, nodes.place())
        }
        None => {
            let answers = ask_instances(config, &**clock, Command::Reload, timeout)?;
            let mimos: Vec<Value> = answers.iter().map(document).collect();
            let place = config.data_folder.display().to_string();
            (json!({"mimos": mimos}), place)
        }
    };
    let mimos = told["mimos"].as_array().cloned().unwrap_or_default();
    let succeeded = mimos.iter().all(has_succeeded);
    if output.json {
        told["ok"] = json!(succeeded);
        told["file"] = json!(path.display().to_string());
        output.document(&told)?;
    } else if mimos.is_empty() {
        output.print(format!(
            "{} is right; no Mimo runs on {place}, the next one reads it\n",
            path.display(),
        ))?;
    } else {
        let mut text = output.text();
        for mimo in &mimos {
            push_answer(mimo, &mut text);
        }
        output.print(text)?;
    }
    match succeeded {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

/// A Mimo and what it answered, if it did.
type Answer = (Instance, Option<Value>);

/// Asks every Mimo of the data folder; waits `timeout` plus `ASK_SECONDS_MAX`.
pub(super) fn ask_instances(
    config: &Config,
    clock: &dyn Clock,
    command: Command,
    timeout: Duration,
) -> Result<Vec<Answer>, Failure> {
    let folder = config.running_folder();
    let timeout = timeout.saturating_add(Duration::from_secs(limits::ASK_SECONDS_MAX));
    let id = clock.new_id();
    app::run(async {
        let instances = instances::running_instances(&folder);
        let asked = match instances {
            Ok(instances) => {
                instances::send_command(&folder, instances, command, &id, timeout).await
            }
            Err(error) => Err(error),
        };
        asked.map_err(|error| {
            let message = format!(
                "the running Mimos cannot be asked in {}: {error}",
                folder.display()
            );
            Failure::new(Kind::Unavailable, message)
                .hint("check that your account may write to that folder")
        })
    })
}

fn document((mimo, answer): &Answer) -> Value {
    let mut document = answer.clone().unwrap_or_else(
        || json!({"ok": false, "error": {"kind": "timeout", "message": NO_ANSWER}}),
    );
    document["pid"] = json!(mimo.pid);
    document
}

const NO_ANSWER: &str = "it did not answer in time, or ended";

fn push_answer(answer: &Value, text: &mut Text) {
    let place = match answer["host"].as_str() {
        Some(host) => format!(" on {}", printable::line(host)),
        None => String::new(),
    };
    let head = format!("mimo {}{place}", answer["pid"]);
    if answer["ok"] != true {
        let word = |key: &str| printable::line(answer["error"][key].as_str().unwrap_or_default());
        text.paint(31, &head);
        text.push(&format!(": {}\n", word("message")));
        if answer["error"]["hint"].is_string() {
            text.push(&format!("  next: {}\n", word("hint")));
        }
        return;
    }
    text.push(&head);
    let mut separator = ": ";
    for (word, color) in [
        ("kept", 0),
        ("started", 32),
        ("replaced", 33),
        ("stopped", 31),
    ] {
        let names = answer[word].as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(Value::as_str).collect();
        if !names.is_empty() {
            text.push(separator);
            text.paint(color, word);
            text.push(&format!(" {}", names.join(", ")));
            separator = "; ";
        }
    }
    text.push(match separator {
        "; " => "\n",
        _ => ": no skills\n",
    });
    for (name, why) in answer["failed"].as_object().into_iter().flatten() {
        let kept = answer["kept"]
            .as_array()
            .is_some_and(|kept| kept.contains(&json!(name)));
        let next = match kept {
            true => "the one from before goes on",
            false => "it is tried again",
        };
        let why = printable::line(why.as_str().unwrap_or_default());
        text.push("  ");
        text.paint(31, "failed");
        text.push(&format!(" {name}: {why}; {next}\n"));
    }
}
