//! `mimo graph export`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::caller::Reach;
use crate::cli::files::{ExportWriter, export_projects};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::graph::picture::Picture;
use crate::graph::portable::{ExportedEntities, Line, Position};
use crate::limits;
use crate::printable;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo graph export --all -o graph.jsonl
  mimo graph export --format html -o graph.html && xdg-open graph.html

JSON lines hold everything, history included; the other forms what holds now.
The page needs no network and holds all of its data.")]
pub(super) struct Arguments {
    /// The form
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Write to this file (mode 0600) instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The triples of every project, not only of the current one and `global`
    #[arg(long)]
    all: bool,
    /// The most triples in a picture
    #[arg(long, value_name = "N", default_value_t = limits::PICTURE_TRIPLES_DEFAULT)]
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Jsonl,
    Graphml,
    Mermaid,
    Html,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let graph = app::graph(config, clock)?;
    let projects = export_projects(config, arguments.all);
    let mut writer = ExportWriter::open(arguments.output.clone())?;
    let reach = &config.grants().reach;
    let written = match arguments.format {
        Format::Jsonl => lines(&graph, reach, projects, &mut writer)?,
        Format::Graphml | Format::Mermaid | Format::Html => {
            let (picture, left_out) = picture(&graph, reach, projects, arguments.limit)?;
            writer.write(&match arguments.format {
                Format::Graphml => picture.graphml(),
                Format::Mermaid => picture.mermaid(),
                _ => picture.page(),
            })?;
            if left_out {
                output.print_error(format!(
                    "mimo: the picture is limited to {}; --limit shows more\n",
                    counted(arguments.limit, "triple", "triples")
                ));
            }
            picture.arrows.len()
        }
    };
    let Some(file) = writer.finish()? else {
        return Ok(());
    };
    match output.json {
        true => output.document(&json!({"file": file.display().to_string(), "triples": written})),
        false => output.print(format!(
            "{} in {}\n",
            counted(written, "triple", "triples"),
            file.display()
        )),
    }
}

/// Writes everything; returns the number of triples.
fn lines(
    graph: &Graph,
    reach: &Reach,
    projects: Vec<String>,
    writer: &mut ExportWriter,
) -> Result<usize> {
    let mut count = 0;
    for_each_line(graph, reach, projects, |line| {
        count += usize::from(line.is_triple());
        let line = serde_json::to_string(line).map_err(Failure::internal)?;
        writer.write(&format!("{}\n", printable::json(&line)))?;
        Ok(true)
    })?;
    Ok(count)
}

/// The triples that hold now, up to `limit`, and whether there were more.
fn picture(
    graph: &Graph,
    reach: &Reach,
    projects: Vec<String>,
    limit: usize,
) -> Result<(Picture, bool)> {
    let mut picture = Picture::default();
    let now = graph.now();
    let all = for_each_line(graph, reach, projects, |line| {
        Ok(picture.add(line, now, limit))
    })?;
    Ok((picture.without_isolated(), !all))
}

/// Calls `visit` with each line, read a page at a time, until it returns false;
/// returns whether every line was visited.
pub(in crate::cli) fn for_each_line(
    graph: &Graph,
    reach: &Reach,
    projects: Vec<String>,
    mut visit: impl FnMut(&Line) -> Result<bool>,
) -> Result<bool> {
    let (mut written, mut after) = (ExportedEntities::new(), Position::START);
    loop {
        let page = graph.export_page(
            reach,
            projects.clone(),
            after,
            limits::GRAPH_PORTION_TRIPLES_MAX,
            written,
        );
        let (page, so_far) = app::run(async { Ok(page.await?) })?;
        written = so_far;
        for line in &page.lines {
            if !visit(line)? {
                return Ok(false);
            }
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(true),
        }
    }
}
