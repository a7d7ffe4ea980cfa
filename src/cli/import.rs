//! `mimo import`, and the code that the imports of memories and of the graph share.
//! Parts of a file that cannot be read are skipped, counted and shown; the rest is
//! imported.

mod graph_lines;
mod notes;
mod skips;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::files::{open_input, read_documents, refuse_other_encodings};
use super::interrupt::{INTERRUPTED, Interrupt};
use super::output::{Exit, Output, Progress};
use crate::app;
use crate::caller::Reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::memory::Memories;
use crate::memory::portable::Importer;
use crate::memory::portable::foreign::{self, SkippedFields};
use crate::printable::{self, shell_word};
use crate::procedure::Procedures;
use graph_lines::GraphLines;
use skips::Skips;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo import everything.jsonl          what `mimo export` wrote
  mimo import ~/memory.jsonl            the official memory server's file
  mimo import ~/basic-memory            a folder of Markdown notes
  mimo import CLAUDE.md                 a memory for each bullet and paragraph
  mimo import export.json               of mcp-memory-service, claude-mem or mem0

Parts that cannot be read are skipped, counted and shown; the rest is imported.
Existing items stay as they are, so an import can be repeated. Items without a
project go to the current one.")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) source: Source,
}

#[derive(clap::Args)]
pub(super) struct Source {
    /// The file, a folder of Markdown notes, or - for stdin
    file: PathBuf,
    /// Import nothing if any part cannot be read
    #[arg(long)]
    strict: bool,
}

/// Which parts of a file are imported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    /// Texts that are not relations are only counted.
    Graph,
}

pub(super) fn run(
    source: &Source,
    scope: Scope,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    if source.strict {
        let mut rehearsal = Import::new(scope, config, clock.clone(), output)?;
        rehearsal.is_rehearsal = true;
        if source.file.as_os_str() == "-" {
            let why = "stdin can be read only once, and --strict reads all before it stores any";
            return Err(Failure::new(Kind::Refused, why).hint("name a file").into());
        }
        rehearsal.read(&source.file)?;
        rehearsal.progress.end();
        if !rehearsal.skips.is_empty() {
            return rehearsal.skips.refuse(output);
        }
    }
    let mut import = Import::new(scope, config, clock, output)?;
    import.read(&source.file)?;
    if import.lines == 0 && !import.interrupt.came() {
        import.progress.end();
        let why = format!("{} holds nothing to import", source.file.display());
        let hint = "name a file of `mimo export`, of another program, or a folder of notes";
        return Err(Failure::new(Kind::NotFound, why).hint(hint).into());
    }
    if !import.interrupt.came() {
        import.store()?;
    }
    import.progress.end();
    import.report(output)?;
    import.warn_beyond_maximum(output)
}

struct Import {
    scope: Scope,
    memories: Memories,
    graph: GraphLines,
    procedures: Procedures,
    reach: Reach,
    importer: Importer,
    progress: Progress,
    interrupt: Interrupt,
    skips: Skips,
    left_out: SkippedFields,
    /// Definitions that are new.
    defined: usize,
    /// Texts that an import of the graph alone passes over.
    observations: usize,
    /// Parts of the file, and how many the last line of an archive counts.
    lines: u64,
    counted: Option<u64>,
    is_archive: bool,
    is_cut: bool,
    /// As in the settings.
    active_max: u64,
    /// Reads only.
    is_rehearsal: bool,
}

/// The formats of an archive's first and last line.
pub(super) const ARCHIVE: &str = "mimo-archive";
pub(super) const ARCHIVE_END: &str = "mimo-archive-end";
/// The version of archives that this Mimo writes; it reads this one and all before.
pub(super) const ARCHIVE_VERSION: u64 = 1;

impl Import {
    fn new(
        scope: Scope,
        config: &Config,
        clock: Arc<dyn Clock>,
        output: &Output,
    ) -> Result<Import, Failure> {
        let reach = config.grants().reach;
        let unit = match scope {
            Scope::Everything => "memories",
            Scope::Graph => "lines",
        };
        Ok(Import {
            scope,
            memories: app::memories(config, clock.clone())?,
            graph: GraphLines::new(config, clock.clone())?,
            procedures: app::procedures(config, clock)?,
            importer: Importer::new(&config.project).within(reach.clone()),
            reach,
            progress: Progress::new(output, unit),
            interrupt: Interrupt::watch(output),
            skips: Skips::default(),
            left_out: SkippedFields::new(),
            defined: 0,
            observations: 0,
            lines: 0,
            counted: None,
            is_archive: false,
            is_cut: false,
            active_max: config.memory.retention.active_max,
            is_rehearsal: false,
        })
    }

    fn read(&mut self, path: &Path) -> Result<(), Failure> {
        if path.is_dir() {
            for file in notes::files(path)? {
                if self.interrupt.came() {
                    break;
                }
                let name = file.strip_prefix(path).unwrap_or(&file);
                self.read_notes(&file, &name.display().to_string(), true)?;
            }
            return Ok(());
        }
        if notes::is_markdown(path) {
            let name = path.file_name().unwrap_or(path.as_os_str());
            return self.read_notes(path, &name.to_string_lossy(), false);
        }
        let hint = "name a file of `mimo export`, of another program, or a folder of notes";
        let mut input = open_input(path, hint)?;
        refuse_other_encodings(&mut *input, path)?;
        for document in read_documents(input) {
            if self.interrupt.came() {
                break;
            }
            self.is_cut |= document.is_cut;
            let place = format!("line {}", document.line);
            match document.value {
                Ok(value) => {
                    for item in foreign::expand(value, &mut self.left_out) {
                        let path = item.path;
                        let document = item.document.map_err(|failure| failure.below(&path));
                        self.take(&place, document, &path)?;
                    }
                }
                Err(failure) => self.take(&place, Err(failure), "")?,
            }
            if self.importer.is_full() || self.graph.is_full() {
                self.store()?;
            }
        }
        Ok(())
    }

    fn read_notes(&mut self, file: &Path, name: &str, is_named: bool) -> Result<(), Failure> {
        let text = match notes::read(file) {
            Ok(text) => text,
            Err(failure) if is_named => return self.take(name, Err(failure), ""),
            Err(failure) => return Err(failure),
        };
        for item in foreign::notes(&text, name) {
            let place = format!("{name}{}", item.path);
            self.take(&place, item.document, "")?;
        }
        if self.importer.is_full() || self.graph.is_full() {
            self.store()?;
        }
        Ok(())
    }

    /// Imports a part, or counts it as skipped if it cannot be read. A store that
    /// cannot be used ends the import.
    fn take(
        &mut self,
        place: &str,
        document: Result<Value, Failure>,
        path: &str,
    ) -> Result<(), Failure> {
        self.lines += 1;
        let document = match document {
            Ok(document) => document,
            Err(failure) => {
                self.skips.add(place, &failure);
                return Ok(());
            }
        };
        match self.add(place, &document) {
            Err(failure) if matches!(failure.kind, Kind::Unavailable | Kind::Internal) => {
                Err(failure)
            }
            Err(failure) => {
                self.skips.add(place, &failure.below(path));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn add(&mut self, place: &str, document: &Value) -> Result<(), Failure> {
        let text = |key: &str| {
            document
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match (text("format"), text("type")) {
            (ARCHIVE, _) => {
                self.is_archive = true;
                let version = document["version"].as_u64();
                if version.is_none_or(|version| version > ARCHIVE_VERSION) {
                    let why = "the file was written by a newer Mimo";
                    let failure = Failure::new(Kind::Unavailable, why);
                    return Err(failure.hint("update Mimo, then import again"));
                }
                return Ok(());
            }
            (ARCHIVE_END, _) => {
                self.counted = document["lines"].as_u64();
                return Ok(());
            }
            _ => {}
        }
        match text("type") {
            "entity" | "relation" | "triple" => self.graph.add(place, document, self.is_rehearsal),
            "procedure" if self.scope == Scope::Graph || self.is_rehearsal => Ok(()),
            "procedure" => {
                let imported = app::run(self.procedures.import(&self.reach, document));
                self.defined += usize::from(imported?);
                Ok(())
            }
            _ if self.scope == Scope::Graph => match document.get("content") {
                Some(_) => {
                    self.observations += 1;
                    Ok(())
                }
                None => self.graph.add(place, document, self.is_rehearsal),
            },
            _ if self.is_rehearsal => {
                self.importer.take_one(document)?;
                self.importer.forget_waiting();
                Ok(())
            }
            _ => self.importer.take_one(document),
        }
    }

    /// The graph first, because memories are linked to existing entities.
    fn store(&mut self) -> Result<(), Failure> {
        self.graph.store(&mut self.skips)?;
        if self.scope == Scope::Graph {
            self.progress.show(self.graph.counts.lines as u64, None);
        }
        let (total, progress) = (self.importer.named, &self.progress);
        let interrupt = &self.interrupt;
        let importing = self.memories.import(&mut self.importer, |done| {
            progress.show(done as u64, total);
            match interrupt.came() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        app::run(importing)
    }

    fn report(&self, output: &Output) -> Result<()> {
        let counts = self.importer.counts;
        let missing = self
            .importer
            .named
            .map_or(0, |named| named.saturating_sub(counts.all() as u64));
        let is_short = match self.counted {
            // The first and the last line are not counted there.
            Some(counted) => counted + 2 > self.lines,
            None => self.is_archive,
        };
        let missing_is_skipped = missing <= self.skips.len() as u64;
        let is_stopped = self.interrupt.came();
        let is_cut = !is_stopped && (self.is_cut || is_short || !missing_is_skipped);
        match output.json {
            true => output.document(&self.document(missing, is_cut))?,
            false => {
                output.print(self.text(missing, is_cut))?;
                self.skips.print(output);
            }
        }
        if is_stopped {
            return Err(Exit(INTERRUPTED).into());
        }
        let is_all_skipped = !self.skips.is_empty() && self.skips.len() as u64 >= self.lines;
        match is_cut || is_all_skipped {
            true => Err(Exit(1).into()),
            false => Ok(()),
        }
    }

    /// Warns if more memories are active than the retention settings keep.
    fn warn_beyond_maximum(&self, output: &Output) -> Result<()> {
        if self.scope == Scope::Graph {
            return Ok(());
        }
        let excess = app::run(self.memories.excess())?;
        if excess > 0 {
            let active = app::run(self.memories.census(&Reach::Everything))?.active;
            let most = self.active_max;
            output.print_error(format!(
                "mimo: {active} memories are active, and the next cleanup archives the {excess} \
                 least important: memory.retention.active_max is {most}. Raise it in \
                 config.toml first if they are to stay; `mimo memory restore` brings them back\n"
            ));
        }
        Ok(())
    }

    fn document(&self, missing: u64, is_cut: bool) -> Value {
        let (counts, graph) = (self.importer.counts, &self.graph.counts);
        let mut document = match self.scope {
            Scope::Graph => json!({
                "lines": graph.lines,
                "created": graph.created,
                "updated": graph.updated,
                "unchanged": graph.known,
                "contradictions": graph.contradictions,
                "observations": self.observations,
            }),
            Scope::Everything => json!({
                "created": counts.created,
                "merged": counts.merged,
                "unchanged": counts.known,
                "missing": missing,
                "triples": graph.created,
                "entities": graph.entities,
                "procedures": self.defined,
                "metadata": self.left_out.get("metadata").copied().unwrap_or(0),
                "left_out": self.left_out,
                "tags_cut": self.importer.cut_tags,
            }),
        };
        document["skipped"] = json!(self.skips.len());
        document["skipped_items"] = self.skips.document();
        document["cut_off"] = json!(is_cut);
        if self.interrupt.came() {
            document["stopped"] = json!(true);
        }
        document
    }

    fn text(&self, missing: u64, is_cut: bool) -> String {
        let (counts, graph) = (self.importer.counts, &self.graph.counts);
        let mut lines = Vec::new();
        if self.scope == Scope::Graph {
            lines.push(format!(
                "added {}, updated {}, found {} already there",
                counted(graph.created, "triple", "triples"),
                graph.updated,
                graph.known
            ));
        } else {
            lines.push(format!(
                "added {}, merged {} with equal ones, found {} already there",
                counted(counts.created, "memory", "memories"),
                counts.merged,
                counts.known
            ));
            for (count, one, many) in [
                (graph.entities, "entity", "entities"),
                (graph.created, "triple", "triples"),
                (self.defined, "procedure", "procedures"),
            ] {
                if count > 0 {
                    lines.push(format!("added {}", counted(count, one, many)));
                }
            }
        }
        if self.scope == Scope::Everything && graph.known > 0 {
            let known = counted(graph.known, "triple", "triples");
            lines.push(format!("found {known} already there"));
        }
        for (project, count) in &self.importer.others {
            let count = counted(*count, "memory is", "memories are");
            let project = printable::line(project);
            let word = shell_word(&project);
            lines.push(format!(
                "{count} in the project {project}: `mimo --project {word} memory list` shows them"
            ));
        }
        if graph.contradictions > 0 {
            let closed = counted(graph.contradictions, "older triple", "older triples");
            lines.push(format!("closed {closed} by contradiction"));
        }
        if self.observations > 0 {
            let skipped = counted(self.observations, "observation", "observations");
            lines.push(format!(
                "skipped {skipped}: `mimo memory import` reads texts that are not relations"
            ));
        }
        for (what, count) in &self.left_out {
            lines.push(match *what {
                "metadata" => {
                    let of = counted(*count, "memory", "memories");
                    format!("left out the metadata of {of}")
                }
                what => format!(
                    "left out {}",
                    counted(*count, what, &format!("{what}s")).replace("memorys", "memories")
                ),
            });
        }
        if self.importer.cut_tags > 0 {
            let of = counted(self.importer.cut_tags, "memory", "memories");
            let most = crate::limits::MEMORY_TAGS_MAX;
            lines.push(format!(
                "{of} had more than {most} tags; the first {most} were kept"
            ));
        }
        if self.interrupt.came() {
            let of = match self.importer.named {
                Some(named) => format!("{} of {named}", counts.all()),
                None => counts.all().to_string(),
            };
            lines.push(format!(
                "stopped by Ctrl-C: {of} memories and {} lines of the graph are in; run it again, \
                 and what is in changes nothing",
                graph.lines
            ));
        } else if is_cut && missing > 0 {
            lines.push(format!(
                "the first line counts {} more than the file holds: was the file cut off?",
                counted(missing, "memory", "memories")
            ));
        } else if is_cut {
            lines.push("the file was cut off: what came before its end is in".to_owned());
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
