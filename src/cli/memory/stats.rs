//! `mimo memory stats`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::memory::inventory::{Group, Inventory};
use crate::memory::retention::Run;
use crate::printable;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory stats
  mimo memory stats --json

Counts of all projects, or of those within --fence; sizes are of the texts, the vectors and the file.")]
pub(super) struct Arguments {}

/// A group of counts.
#[derive(Default)]
struct CountGroup {
    active: u64,
    superseded: u64,
    archived: u64,
    protected: u64,
    bytes: u64,
}

impl CountGroup {
    fn add(&mut self, group: &Group) {
        self.active += group.active;
        self.superseded += group.superseded;
        self.archived += group.archived;
        self.protected += group.protected;
        self.bytes += group.content_bytes;
    }

    fn document(&self) -> Value {
        json!({
            "active": self.active,
            "superseded": self.superseded,
            "archived": self.archived,
            "protected": self.protected,
            "content_bytes": self.bytes,
        })
    }

    fn row(&self, name: &str) -> String {
        format!(
            "{name:<24}{:>10}{:>12}{:>10}{:>11}{:>12}\n",
            self.active,
            self.superseded,
            self.archived,
            self.protected,
            human_bytes(self.bytes)
        )
    }
}

pub(super) fn run(
    _: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let memories = app::memories(config, clock)?;
    let inventory = app::run(memories.inventory())?;
    let last = app::run(memories.last_cleanup())?;
    let mut all = CountGroup::default();
    let mut projects: BTreeMap<&str, CountGroup> = BTreeMap::new();
    let mut categories: BTreeMap<&str, CountGroup> = BTreeMap::new();
    let reach = config.grants().reach;
    let readable = |group: &&Group| reach.can_read(&group.project);
    for group in inventory.groups.iter().filter(readable) {
        all.add(group);
        projects.entry(&group.project).or_default().add(group);
        categories
            .entry(group.category.name())
            .or_default()
            .add(group);
    }
    if output.json {
        let each = |sums: &BTreeMap<&str, CountGroup>| -> Value {
            let sums = sums.iter().map(|(name, sum)| (*name, sum.document()));
            sums.collect::<BTreeMap<_, _>>().into_iter().collect()
        };
        return output.document(&json!({
            "all": all.document(),
            "projects": each(&projects),
            "categories": each(&categories),
            "vectors": vectors(&inventory),
            "file_bytes": inventory.file_bytes,
            "last_cleanup": last.map(cleanup),
        }));
    }
    let mut text = format!(
        "{:<24}{:>10}{:>12}{:>10}{:>11}{:>12}\n",
        "", "active", "superseded", "archived", "protected", "texts"
    );
    text.push_str(&all.row("all"));
    for (title, sums) in [("projects", &projects), ("categories", &categories)] {
        text.push_str(&format!("\n{title}\n"));
        for (name, sum) in sums {
            text.push_str(&sum.row(&format!("  {}", printable::line(name))));
        }
    }
    text.push_str("\nvectors\n");
    for of in &inventory.vectors {
        let bytes = human_bytes(of.vectors * of.dimensions * 4);
        text.push_str(&format!(
            "  {}: {} of {}, {bytes}\n",
            of.model,
            of.vectors,
            counted(of.memories, "memory", "memories")
        ));
    }
    text.push_str(&format!("\nfile: {}\n", human_bytes(inventory.file_bytes)));
    text.push_str(&match last {
        None => "memories were not cleaned up yet\n".to_owned(),
        Some(run) => format!(
            "last cleanup: {}{}, {} archived, {} erased; number {}\n",
            run.started_at.to_iso(),
            match run.finished_at {
                Some(_) => "",
                None => " (not finished)",
            },
            run.idle + run.beyond,
            run.purged,
            run.id
        ),
    });
    output.print(text)
}

fn vectors(inventory: &Inventory) -> Vec<Value> {
    let each = inventory.vectors.iter().map(|of| {
        json!({
            "model": of.model,
            "dimensions": of.dimensions,
            "memories": of.memories,
            "vectors": of.vectors,
            "bytes": of.vectors * of.dimensions * 4,
        })
    });
    each.collect()
}

fn cleanup(run: Run) -> Value {
    json!({
        "number": run.id,
        "started_at": run.started_at.to_iso(),
        "finished_at": run.finished_at.map(|at| at.to_iso()),
        "archived": {"idle": run.idle, "beyond": run.beyond},
        "erased": run.purged,
    })
}

/// `1.5 MB`.
fn human_bytes(bytes: u64) -> String {
    let (amount, unit) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (bytes as f64 / 1e3, "KB"),
        1_000_000..1_000_000_000 => (bytes as f64 / 1e6, "MB"),
        _ => (bytes as f64 / 1e9, "GB"),
    };
    format!("{amount:.1} {unit}")
}
