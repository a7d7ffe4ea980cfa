//! `mimo graph import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app;
use crate::cli::output::{Ended, Output};
use crate::clock::Clock;
use crate::config::{Config, PROJECT_DEFAULT};
use crate::failure::{Failure, Kind};
use crate::graph::Graph;
use crate::graph::portable::Importer;
use crate::graph::update::Outcome;
use crate::limits;

/// From where.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo graph import graph.jsonl
  mimo graph import ~/memory.jsonl          the official memory server's file
  zcat graph.jsonl.gz | mimo graph import -

What is there already is not entered again, so an import that was cut off can
simply be repeated. Lines that name no project go to the current one.")]
pub(super) struct Arguments {
    /// The file, or - for stdin
    file: PathBuf,
}

/// What an import came to.
#[derive(Default)]
struct Counts {
    lines: usize,
    created: usize,
    updated: usize,
    known: usize,
    contradictions: usize,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<(), Ended> {
    let graph = app::graph(config, clock)?;
    let mut importer = Importer::new(&config.project);
    let mut counts = Counts::default();
    let mut waiting = 0;
    let watched = io::stderr().is_terminal() && !output.json;
    for (number, document) in documents(open(&arguments.file)?).enumerate() {
        let taken = document.and_then(|document| importer.take(&document));
        taken.map_err(|failure| at_line(number + 1, failure))?;
        counts.lines += 1;
        waiting += 1;
        if waiting == limits::GRAPH_PORTION_TRIPLES_MAX {
            waiting = 0;
            store(&graph, &mut importer, &mut counts)?;
            if watched {
                output.complain(&format!("\r{} lines", counts.lines));
            }
        }
    }
    store(&graph, &mut importer, &mut counts)?;
    if watched && counts.lines >= limits::GRAPH_PORTION_TRIPLES_MAX {
        output.complain("\r");
    }
    told(&counts, importer.observations, output)
}

fn told(counts: &Counts, observations: usize, output: &Output) -> Result<(), Ended> {
    if output.json {
        return output.document(&json!({
            "lines": counts.lines,
            "created": counts.created,
            "updated": counts.updated,
            "unchanged": counts.known,
            "contradictions": counts.contradictions,
            "observations": observations,
        }));
    }
    let mut text = format!(
        "{} triples are new, {} were updated, {} were there already\n",
        counts.created, counts.updated, counts.known
    );
    if counts.contradictions > 0 {
        let closed = counts.contradictions;
        text.push_str(&format!(
            "{closed} older triples were contradicted and closed\n"
        ));
    }
    if observations > 0 {
        text.push_str(&format!(
            "{observations} observations are texts, not relations, and were left out\n"
        ));
    }
    output.print(&text)
}

fn store(graph: &Graph, importer: &mut Importer, counts: &mut Counts) -> Result<(), Failure> {
    for mut update in importer.updates() {
        update.visible = vec![PROJECT_DEFAULT.to_owned()];
        let recorded = app::run(graph.update(update))?;
        for (_, outcome) in &recorded.triples {
            match outcome {
                Outcome::Created => counts.created += 1,
                Outcome::Updated => counts.updated += 1,
                Outcome::Unchanged | Outcome::Aliased => counts.known += 1,
            }
        }
        counts.contradictions += recorded.contradictions.len();
    }
    Ok(())
}

fn open(path: &PathBuf) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|error| {
        Failure::new(
            Kind::NotFound,
            format!("{} cannot be read: {error}", path.display()),
        )
        .hint("name a file of `mimo graph export`, or the official memory server's memory.jsonl")
    })?;
    Ok(Box::new(BufReader::new(file)))
}

/// A document a line; where the first line is none by itself, the whole file is
/// one document.
fn documents(mut input: Box<dyn BufRead>) -> impl Iterator<Item = Result<Value, Failure>> {
    let mut first = true;
    std::iter::from_fn(move || {
        loop {
            let line = match line(&mut *input) {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(failure) => return Some(Err(failure)),
            };
            if line.trim().is_empty() {
                continue;
            }
            let was_first = std::mem::replace(&mut first, false);
            let parsed = match serde_json::from_str(&line) {
                Err(_) if was_first => whole(line, &mut *input),
                parsed => parsed.map_err(not_json),
            };
            return Some(parsed);
        }
    })
}

fn not_json(error: serde_json::Error) -> Failure {
    Failure::invalid("", format!("this is not JSON: {error}"))
}

fn line(input: &mut dyn BufRead) -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let mut input = input.take(limits::LINE_BYTES_MAX as u64);
    let read = input.read_line(&mut line).map_err(unreadable)?;
    if line.len() == limits::LINE_BYTES_MAX {
        return Err(Failure::new(
            Kind::LimitExceeded,
            format!("a line is longer than {} bytes", limits::LINE_BYTES_MAX),
        ));
    }
    Ok((read > 0).then_some(line))
}

fn whole(mut text: String, input: &mut dyn BufRead) -> Result<Value, Failure> {
    let mut rest = input.take(limits::LINE_BYTES_MAX as u64);
    rest.read_to_string(&mut text).map_err(unreadable)?;
    serde_json::from_str(&text).map_err(not_json)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(
        Kind::Unavailable,
        format!("the file cannot be read: {error}"),
    )
}

fn at_line(number: usize, failure: Failure) -> Failure {
    let hint = failure.hint.clone().unwrap_or_default();
    let place = failure.path.as_deref().unwrap_or_default();
    let message = format!(
        "line {number}: {}{}",
        failure.message,
        match place {
            "" => String::new(),
            place => format!(" (at {place})"),
        }
    );
    let again = "correct it and import again: what is in already is not doubled";
    let hint = match hint.as_str() {
        "" => again.to_owned(),
        hint => format!("{hint}; {again}"),
    };
    // The file's fault, not the command line's.
    Failure::new(Kind::Refused, message).hint(hint)
}
