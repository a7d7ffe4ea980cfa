//! `mimo demo`: starts the real server on a temporary folder, tells a short
//! story over real pipes, and fails at the first unexpected answer.

mod ask;
mod client;
mod crash;
mod fixture_skill;
mod graph;
mod hello;
mod memory;
mod procedure;
mod session;
mod skill;
mod step_log;
mod story;
mod temporary;

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::output::{Output, Text, display_width, truncate};
use super::serve::client_entry;
use crate::clients;
use crate::clock::Clock;
use crate::config::Environment;
use crate::failure::{Failure, Kind};
use crate::printable::shell_word;
use fixture_skill::FixtureSkill;
use session::Session;
use step_log::{Line, StepLog};
use story::STEPS;
use temporary::TemporaryFolder;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo demo
  mimo demo --json | jq -c '{step, ok, ms}'

It touches nothing of yours: its folder is temporary, and its server sees no
environment. The exit code is 0 only where every answer was the expected one.")]
pub(super) struct Arguments {}

pub(super) fn run(environment: &Environment, clock: &dyn Clock, output: &Output) -> Result<()> {
    let executable = environment.executable.as_deref().ok_or_else(|| {
        Failure::new(
            Kind::Unavailable,
            "the system does not tell where this program is",
        )
        .hint("start it by its absolute path")
    })?;
    let folder = TemporaryFolder::make(&environment.temporary_folder, clock)?;
    let skill = FixtureSkill::install(&folder.0, environment, clock)?;
    if !output.json {
        output.print(
            "Mimo, shown on a temporary folder over a real stdio pipe. \
             Times are the server's, as a client sees them.\n\n",
        )?;
    }
    let mut session = Session::begin(executable, &folder.0, clock, skill)?;
    let mut shown = 0;
    for (number, (title, act)) in STEPS.iter().enumerate() {
        let mut log = StepLog::default();
        let acted = act(&mut session, &mut log);
        let failed = acted.as_ref().err();
        match output.json {
            true => output.document(&document(number + 1, title, &log, failed))?,
            false => output.print(as_text(output, number + 1, title, &log, failed))?,
        }
        acted.map_err(|failure| stopped(number + 1, &failure))?;
        shown += usize::from(log.skipped.is_none());
    }
    session.end()?;
    if !output.json {
        let all = STEPS.len();
        let summary = match all - shown {
            0 => format!("All {all} steps gave the expected answers."),
            left => format!(
                "{shown} of {all} steps gave the expected answers; {left} could not be shown here."
            ),
        };
        output.print(format!(
            "{summary} To give your AI client this memory:\n\n  \
             {} setup CLIENT    ({})\n\n\
             or put this into its settings yourself:\n\n{}\n",
            shell_word(&executable.to_string_lossy()),
            clients::NAMES.join(", "),
            client_entry(Some(executable)),
        ))?;
    }
    Ok(())
}

fn stopped(number: usize, failure: &Failure) -> Failure {
    Failure::new(
        Kind::Internal,
        format!("step {number} of the demo failed: {failure}"),
    )
    .hint("please report it with the output of `mimo demo --json`")
}

fn document(number: usize, title: &str, log: &StepLog, failed: Option<&Failure>) -> Value {
    let asked: Vec<Value> = log
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Call(what, arguments) => Some(json!({"call": what, "arguments": arguments})),
            Line::Note(_) => None,
        })
        .collect();
    json!({
        "step": number,
        "title": title,
        // Neither, where nothing was shown.
        "ok": log.skipped.is_none().then_some(failed.is_none()),
        "skipped": log.skipped,
        "ms": (log.waited.as_secs_f64() * 1e6).round() / 1e3,
        "asked": asked,
        "answers": log.documents,
        "error": failed.map(ToString::to_string),
    })
}

fn as_text(
    output: &Output,
    number: usize,
    title: &str,
    log: &StepLog,
    failed: Option<&Failure>,
) -> Text {
    let (mark, color) = match (failed, &log.skipped) {
        (Some(_), _) => ("✗", 31),
        (None, Some(_)) => ("–", 33),
        (None, None) => ("✓", 32),
    };
    let time = time(log.waited);
    let room = output.columns.saturating_sub(6 + display_width(&time));
    let title = truncate(title, room);
    let gap = " ".repeat(room.saturating_sub(display_width(&title)));
    let mut text = output.text();
    text.push(&format!("{number:>2} "));
    text.paint(color, mark);
    text.push(" ");
    text.paint(1, &title);
    text.push(&format!("{gap} "));
    text.paint(2, &time);
    text.push("\n");
    let room = output.columns.saturating_sub(7);
    for line in &log.lines {
        match line {
            Line::Call(what, arguments) => {
                let line = truncate(&format!("{what} {}", brief(arguments)), room);
                text.push("     ");
                text.paint(36, &format!("→ {line}"));
                text.push("\n");
            }
            Line::Note(what) => text.push(&format!("     ← {}\n", truncate(what, room))),
        }
    }
    text.push("\n");
    text
}

/// Arguments as a person reads them: `query: "..", limit: 1`.
fn brief(arguments: &Value) -> String {
    let Some(fields) = arguments.as_object() else {
        return arguments.to_string();
    };
    // What is asked comes first, how it is asked after it.
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| match name.as_str() {
        "action" => 0,
        "content" | "query" => 1,
        _ => 2,
    });
    let fields = fields.into_iter().map(|(name, value)| match value {
        Value::Array(items) if items.len() > 3 => format!("{name}: [{} items]", items.len()),
        Value::Object(inner) if inner.len() == 1 => format!("{name}: {value}"),
        Value::Object(_) => format!("{name}: {{..}}"),
        value => format!("{name}: {value}"),
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn time(waited: Duration) -> String {
    match waited.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_fits_the_columns_and_has_no_color_off_a_terminal() {
        let mut log = StepLog::default();
        let call = json!({"query": "a question that is a good deal longer than the line", "n": 1});
        log.lines.push(Line::Call("memory_search".into(), call));
        log.note("木曜日 ".repeat(20));
        let output = Output {
            json: false,
            terminal: false,
            color: false,
            columns: 50,
        };
        let text = as_text(&output, 3, "A title", &log, None);
        let text = text.as_str();
        assert!(text.starts_with(" 3 ✓ A title"), "{text}");
        log.skipped = Some("there is no node".into());
        let skipped = as_text(&output, 3, "A title", &log, None);
        assert!(skipped.as_str().starts_with(" 3 – A title"));
        assert_eq!(document(3, "A title", &log, None)["ok"], Value::Null);
        for line in text.lines() {
            assert!(display_width(line) <= 50, "{line}");
            assert!(!line.contains('\x1b'), "{line}");
        }
    }

    #[test]
    fn the_question_by_meaning_shares_no_word_with_any_memory() {
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect()
        };
        let asked = words(memory::ASKED_BY_MEANING);
        let answer = words(memory::LEARNED[1].1);
        assert!(
            answer.iter().all(|word| !asked.contains(word)),
            "{answer:?}"
        );
    }
}
