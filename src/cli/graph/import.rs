//! `mimo graph import`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app;
use crate::caller::{PROJECT_SHARED, Reach};
use crate::cli::files::{open_input, read_documents, with_line_number};
use crate::cli::output::{Output, Progress};
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::Failure;
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
pub(in crate::cli) struct Counts {
    lines: usize,
    pub(in crate::cli) created: usize,
    updated: usize,
    known: usize,
    contradictions: usize,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let mut graph = GraphLines::new(config, clock)?;
    let mut waiting = 0;
    let progress = Progress::new(output, "lines");
    let hint = "name a file of `mimo graph export`, or the official memory server's memory.jsonl";
    for (number, document) in read_documents(open_input(&arguments.file, hint)?) {
        let added = document.and_then(|document| graph.add(&document));
        added.map_err(|failure| with_line_number(number, failure))?;
        waiting += 1;
        if waiting == limits::GRAPH_PORTION_TRIPLES_MAX {
            waiting = 0;
            graph.store()?;
            progress.show(graph.counts.lines as u64, None);
        }
    }
    graph.store()?;
    progress.end();
    print_counts(&graph.counts, graph.importer.observations, output)
}

/// Lines on their way into the graph.
pub(in crate::cli) struct GraphLines {
    graph: Graph,
    reach: Reach,
    importer: Importer,
    pub(in crate::cli) counts: Counts,
}

impl GraphLines {
    pub(in crate::cli) fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Ok(GraphLines {
            graph: app::graph(config, clock)?,
            reach: config.grants().reach,
            importer: Importer::new(&config.project),
            counts: Counts::default(),
        })
    }

    pub(in crate::cli) fn add(&mut self, document: &Value) -> Result<(), Failure> {
        self.importer.read(document)?;
        self.counts.lines += 1;
        Ok(())
    }

    /// Stores everything that was added.
    pub(in crate::cli) fn store(&mut self) -> Result<(), Failure> {
        for mut update in self.importer.take_updates() {
            update.visible = vec![PROJECT_SHARED.to_owned()];
            let done = self.graph.update(&self.reach, update);
            let summary = app::run(async { Ok(done.await?) })?;
            for (_, outcome) in &summary.triples {
                match outcome {
                    Outcome::Created => self.counts.created += 1,
                    Outcome::Updated => self.counts.updated += 1,
                    Outcome::Unchanged | Outcome::Aliased => self.counts.known += 1,
                }
            }
            self.counts.contradictions += summary.contradictions.len();
        }
        Ok(())
    }
}

fn print_counts(counts: &Counts, observations: usize, output: &Output) -> Result<()> {
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
        "added {}, updated {}, found {} already there\n",
        counted(counts.created, "triple", "triples"),
        counts.updated,
        counts.known
    );
    if counts.contradictions > 0 {
        let closed = counted(counts.contradictions, "older triple", "older triples");
        text.push_str(&format!("closed {closed} by contradiction\n"));
    }
    if observations > 0 {
        let skipped = counted(observations, "observation", "observations");
        text.push_str(&format!(
            "skipped {skipped}: `mimo memory import` reads texts that are no relations\n"
        ));
    }
    output.print(text)
}
