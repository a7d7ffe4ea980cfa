//! The graph on SQLite: a snapshot and a transaction as the port has them.

mod entity_names;
mod links;
mod scan;
mod snapshot;
mod write;

pub(super) use entity_names::rekey;
pub(super) use links::link_memory;

use tokio_util::sync::CancellationToken;

use self::snapshot::Snapshot;
use super::unit::{self, Begin};
use super::{SqliteStore, begin_write};
use crate::caller::Reach;
use crate::meter::store::Op;
use crate::store::Stored;
use crate::store::graph::{GraphRead, GraphStore, GraphWrite};
use crate::store::measured;

impl GraphStore for SqliteStore {
    fn read_graph(&self, reach: Reach, work: GraphRead) -> Stored<'_, ()> {
        measured(Op::ReadGraph, async move {
            let cancel = CancellationToken::new();
            let _cancels_when_dropped = cancel.clone().drop_guard();
            let job = move |connection: &mut _| {
                unit::run(connection, Begin::Read, cancel, |unit| {
                    Box::pin(async move { work(&Snapshot::open(unit, reach).await?).await })
                })
            };
            self.graph_reader.run(job).await
        })
    }

    fn write_graph(&self, reach: Reach, work: GraphWrite) -> Stored<'_, ()> {
        measured(
            Op::WriteGraph,
            self.run_write(move |connection| {
                unit::run(connection, Begin::Write, CancellationToken::new(), |unit| {
                    Box::pin(async move {
                        unit.call(begin_write).await?;
                        work(&Snapshot::open(unit, reach).await?).await
                    })
                })
            }),
        )
    }
}
