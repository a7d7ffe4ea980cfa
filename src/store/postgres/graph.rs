//! The graph on PostgreSQL: a snapshot and a transaction as the port has them.

mod links;
mod scan;
mod snapshot;
mod write;

pub(super) use links::link_memories;

use self::snapshot::Snapshot;
use super::PostgresStore;
use super::locks::Lock;
use crate::caller::Reach;
use crate::meter::store::Op;
use crate::store::Stored;
use crate::store::graph::{GraphRead, GraphStore, GraphWrite};
use crate::store::measured;

impl GraphStore for PostgresStore {
    fn read_graph(&self, reach: Reach, work: GraphRead) -> Stored<'_, ()> {
        measured(Op::ReadGraph, async move {
            let tx = self.begin_read().await?;
            work(&Snapshot::open(&tx, reach).await?).await?;
            tx.commit().await
        })
    }

    fn write_graph(&self, reach: Reach, work: GraphWrite) -> Stored<'_, ()> {
        measured(Op::WriteGraph, async move {
            let tx = self.begin_write(&[Lock::Graph]).await?;
            work(&Snapshot::open(&tx, reach).await?).await?;
            tx.commit().await
        })
    }
}
