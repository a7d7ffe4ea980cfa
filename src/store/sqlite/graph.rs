//! The graph on SQLite: a snapshot and a transaction as the port has them.

mod links;
mod scan;
mod snapshot;
mod write;

pub use links::link_memory;

use super::SqliteStore;
use crate::store::Stored;
use crate::store::graph::{GraphStore, Reading, Writing};
use snapshot::Snapshot;

impl GraphStore for SqliteStore {
    fn read_graph(&self, work: Reading) -> Stored<'_, ()> {
        Box::pin(self.graph_reader.run(move |connection| {
            let snapshot = connection.transaction()?;
            work(&Snapshot::of(&snapshot))
        }))
    }

    fn write_graph(&self, work: Writing) -> Stored<'_, ()> {
        Box::pin(self.write(move |file| work(&Snapshot::of(file))))
    }
}
