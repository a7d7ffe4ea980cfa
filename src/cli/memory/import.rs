//! `mimo memory import`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::cli::files::{at_line, documents, open};
use crate::cli::graph::GraphLines;
use crate::cli::output::{Output, Progress};
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::Failure;
use crate::memory::Memories;
use crate::memory::portable::{Importer, is_servers};

/// From where.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory import memories.jsonl
  mimo memory import ~/memory.jsonl         the official memory server's file, its graph too
  mimo memory import service-export.json    mcp-memory-service's JSON export
  zcat memories.jsonl.gz | mimo memory import -

What is there already changes nothing, so an import that was cut off can simply
be repeated. Equal texts of a project become one memory. Memories that name no
project go to the current one.")]
pub(super) struct Arguments {
    /// The file, or - for stdin
    file: PathBuf,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let memories = app::memories(config, clock.clone())?;
    let mut graph = GraphLines::new(config, clock)?;
    let mut importer = Importer::new(&config.project).within(config.grants().reach);
    let progress = Progress::new(output, "memories");
    let wanted = "name a file of `mimo memory export`, server-memory's memory.jsonl, or the JSON \
                  export of mcp-memory-service";
    for (number, document) in documents(open(&arguments.file, wanted)?) {
        let taken = document.and_then(|document| {
            if is_servers(&document) {
                graph.take(&document)?;
            }
            importer.take(&document)
        });
        if let Err(failure) = taken {
            // What came before the broken line stays.
            store(&memories, &mut graph, &mut importer, &progress)?;
            progress.end();
            return Err(at_line(number, failure).into());
        }
        if importer.is_full() {
            store(&memories, &mut graph, &mut importer, &progress)?;
        }
    }
    store(&memories, &mut graph, &mut importer, &progress)?;
    progress.end();
    print_counts(&graph, &importer, output)
}

/// The graph first: memories are linked to the entities that there are.
fn store(
    memories: &Memories,
    graph: &mut GraphLines,
    importer: &mut Importer,
    progress: &Progress,
) -> Result<(), Failure> {
    graph.store()?;
    let total = importer.named;
    app::run(memories.import(importer, |done| progress.show(done as u64, total)))
}

fn print_counts(graph: &GraphLines, importer: &Importer, output: &Output) -> Result<()> {
    let counts = importer.counts;
    let missing = importer
        .named
        .map_or(0, |named| named.saturating_sub(counts.all() as u64));
    if output.json {
        return output.document(&json!({
            "created": counts.created,
            "merged": counts.merged,
            "unchanged": counts.known,
            "missing": missing,
            "triples": graph.counts.created,
            "metadata": importer.metadata,
        }));
    }
    let mut text = format!(
        "{} memories are new, {} were merged with equal ones, {} were there already\n",
        counts.created, counts.merged, counts.known
    );
    if graph.counts.created > 0 {
        text.push_str(&format!("{} triples are new\n", graph.counts.created));
    }
    if importer.metadata > 0 {
        let count = importer.metadata;
        text.push_str(&format!("the metadata of {count} memories was left out\n"));
    }
    if missing > 0 {
        text.push_str(&format!(
            "{missing} memories are missing that the first line counts: was the file cut off?\n"
        ));
    }
    output.print(text)
}
