//! Imports lines into the graph.

use std::sync::Arc;

use serde_json::Value;

use super::skips::Skips;
use crate::app;
use crate::caller::{PROJECT_SHARED, Reach};
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::graph::Graph;
use crate::graph::portable::Importer;
use crate::graph::update::Outcome;
use crate::limits;

/// The result of an import.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) lines: usize,
    /// Triples.
    pub(super) created: usize,
    pub(super) updated: usize,
    pub(super) known: usize,
    pub(super) contradictions: usize,
    /// New entities.
    pub(super) entities: usize,
}

pub(super) struct GraphLines {
    graph: Graph,
    reach: Reach,
    importer: Importer,
    /// The lines read since the last transaction, with their locations.
    waiting: Vec<(String, Value)>,
    pub(super) counts: Counts,
}

impl GraphLines {
    pub(super) fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Ok(GraphLines {
            graph: app::graph(config, clock)?,
            reach: config.grants().reach,
            importer: Importer::new(&config.project),
            waiting: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Reads a line; a dry run does not keep it.
    pub(super) fn add(
        &mut self,
        place: &str,
        document: &Value,
        is_rehearsal: bool,
    ) -> Result<(), Failure> {
        self.importer.read(document)?;
        match is_rehearsal {
            true => drop(self.importer.take_updates()),
            false => self.waiting.push((place.to_owned(), document.clone())),
        }
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= limits::GRAPH_PORTION_TRIPLES_MAX
    }

    /// Stores everything that was added: in one transaction, or line by line if one of
    /// them fails.
    pub(super) fn store(&mut self, skips: &mut Skips) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut self.waiting);
        let Err(failure) = self.store_updates() else {
            self.counts.lines += waiting.len();
            return Ok(());
        };
        if matches!(failure.kind, Kind::Unavailable | Kind::Internal) {
            return Err(failure);
        }
        // The importer may have stored some projects already: they are known then.
        self.importer.take_updates();
        for (place, document) in waiting {
            let stored = self
                .importer
                .read(&document)
                .and_then(|()| self.store_updates());
            match stored {
                Ok(()) => self.counts.lines += 1,
                Err(failure) => skips.add(&place, &failure),
            }
        }
        Ok(())
    }

    fn store_updates(&mut self) -> Result<(), Failure> {
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
            let new = summary.entities.iter().filter(|entity| entity.is_new);
            self.counts.entities += new.count();
            self.counts.contradictions += summary.contradictions.len();
        }
        Ok(())
    }
}
