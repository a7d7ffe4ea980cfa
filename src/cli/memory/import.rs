//! `mimo memory import`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::cli::files::{open_input, read_documents, with_line_number};
use crate::cli::graph::GraphLines;
use crate::cli::output::{Output, Progress};
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
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
    let hint = "name a file of `mimo memory export`, server-memory's memory.jsonl, or the JSON \
                  export of mcp-memory-service";
    for (number, document) in read_documents(open_input(&arguments.file, hint)?) {
        let added = document.and_then(|document| {
            if is_servers(&document) {
                graph.add(&document)?;
            }
            importer.take(&document)
        });
        if let Err(failure) = added {
            // What came before the broken line stays.
            store(&memories, &mut graph, &mut importer, &progress)?;
            progress.end();
            return Err(with_line_number(number, failure).into());
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
        "added {}, merged {} with equal ones, found {} already there\n",
        counted(counts.created, "memory", "memories"),
        counts.merged,
        counts.known
    );
    if graph.counts.created > 0 {
        text.push_str(&format!(
            "added {}\n",
            counted(graph.counts.created, "triple", "triples")
        ));
    }
    if importer.metadata > 0 {
        let count = counted(importer.metadata, "memory", "memories");
        text.push_str(&format!("left out the metadata of {count}\n"));
    }
    if missing > 0 {
        text.push_str(&format!(
            "the first line counts {} more than the file holds: was the file cut off?\n",
            counted(missing, "memory", "memories")
        ));
    }
    output.print(text)
}
