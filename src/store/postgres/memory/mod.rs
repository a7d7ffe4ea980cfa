//! The memory port on PostgreSQL.

mod encoding;
mod export;
mod features;
mod index;
mod listing;
mod nearest;
pub(super) mod postings;
mod recall;
mod rows;
mod surroundings;
mod vectors;
pub(super) mod words;
mod write;

pub(super) use rows::bytes;
pub(super) use write::erase;

use futures::future::try_join_all;

use self::nearest::{NearestQuery, Scope};
use super::PostgresStore;
use super::locks::Lock;
use super::transaction::Tx;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::meter::store::Op;
use crate::store::graph::EntityId;
use crate::store::measured;
use crate::store::memory::{
    CandidateQuery, Candidates, EditRecord, Export, Filter, Identity, Lookup, LookupResult, Memory,
    MemoryCensus, MemoryId, MemoryStore, MemoryTransaction, MemoryWork, Write,
};
use crate::store::{ProjectSet, StoreError, Stored};

/// What every writer of memories takes: the entities stay as they are meanwhile.
pub(super) const MEMORY_LOCKS: &[Lock] = &[Lock::GraphStays, Lock::Memories];

/// A transaction for a caller of this reach.
struct Transaction {
    tx: Tx,
    reach: Reach,
    model: String,
}

impl MemoryTransaction for Transaction {
    fn look_up<'a>(&'a self, lookup: &'a Lookup) -> Stored<'a, LookupResult> {
        Box::pin(write::look_up(&self.tx, &self.reach, lookup))
    }

    fn edit_records<'a>(&'a self, undo_id: &'a str) -> Stored<'a, Vec<EditRecord>> {
        Box::pin(write::edit_records(&self.tx, &self.reach, undo_id))
    }

    fn apply(&self, writes: Vec<Write>) -> Stored<'_, ()> {
        Box::pin(async move { write::apply(&self.tx, &self.reach, &self.model, &writes).await })
    }
}

impl MemoryStore for PostgresStore {
    fn write_memories(&self, reach: &Reach, model: &str, work: MemoryWork) -> Stored<'_, ()> {
        let (reach, model) = (reach.clone(), model.to_owned());
        measured(Op::WriteMemories, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let transaction = Transaction { tx, reach, model };
            work(&transaction).await?;
            transaction.tx.commit().await
        })
    }

    fn similar(
        &self,
        reach: &Reach,
        model: &str,
        probes: Vec<(String, Vec<Vec<f32>>)>,
        threshold: f32,
        limit: usize,
        now: Timestamp,
    ) -> Stored<'_, Vec<Vec<(MemoryId, f32)>>> {
        let (reach, model) = (reach.clone(), model.to_owned());
        measured(Op::Similar, async move {
            let begun = self.begin_read().await?;
            let (tx, model) = (&begun, &model);
            let each = probes.iter().map(|(project, vectors)| {
                let filter = Filter::within(&reach, vec![project.clone()], now);
                async move {
                    let scope = Scope::of(tx, &filter.project_set(), model, vectors).await?;
                    let wanted = NearestQuery {
                        vectors,
                        filter: &filter,
                        threshold,
                        limit,
                    };
                    let hits = nearest::nearest(tx, &scope, &wanted).await?;
                    Ok::<_, StoreError>(hits.into_iter().map(|hit| (hit.id, hit.score)).collect())
                }
            });
            let found = try_join_all(each).await?;
            begun.commit().await?;
            Ok(found)
        })
    }

    fn candidates(&self, model: &str, query: CandidateQuery) -> Stored<'_, Candidates> {
        let model = model.to_owned();
        measured(Op::Candidates, async move {
            let tx = self.begin_read().await?;
            let found = recall::candidates(&tx, &model, &query).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn newest(
        &self,
        filter: Filter,
        after: Option<(Timestamp, MemoryId)>,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>> {
        measured(Op::Newest, async move {
            let tx = self.begin_read().await?;
            let found = listing::newest(&tx, &filter, after, limit).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn fetch(&self, reach: &Reach, ids: Vec<MemoryId>) -> Stored<'_, Vec<Memory>> {
        let projects = ProjectSet::readable(reach, &[]);
        measured(Op::Fetch, async move {
            let tx = self.begin_read().await?;
            let found = rows::fetch(&tx, &ids, &projects).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn fetch_matching(&self, ids: Vec<MemoryId>, filter: Filter) -> Stored<'_, Vec<Memory>> {
        measured(Op::FetchMatching, async move {
            let tx = self.begin_read().await?;
            let found = rows::fetch_matching(&tx, &ids, &filter).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn mentioning(
        &self,
        entities: Vec<EntityId>,
        filter: Filter,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>> {
        measured(Op::Mentioning, async move {
            let tx = self.begin_read().await?;
            let found = rows::mentioning(&tx, &entities, &filter, limit).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn similarities(
        &self,
        reach: &Reach,
        model: &str,
        ids: Vec<MemoryId>,
        probe: Vec<f32>,
    ) -> Stored<'_, Vec<(MemoryId, f32)>> {
        let (projects, model) = (ProjectSet::readable(reach, &[]), model.to_owned());
        measured(Op::Similarities, async move {
            let tx = self.begin_read().await?;
            let found = nearest::similarities(&tx, &projects, &model, &ids, &probe).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn edit_records(&self, reach: &Reach, undo_id: String) -> Stored<'_, Vec<EditRecord>> {
        let reach = reach.clone();
        measured(Op::EditRecords, async move {
            let tx = self.begin_read().await?;
            let found = write::edit_records(&tx, &reach, &undo_id).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn identify(&self, reach: &Reach, who: Vec<Identity>) -> Stored<'_, Vec<Option<MemoryId>>> {
        let reach = reach.clone();
        measured(Op::Identify, async move {
            let tx = self.begin_read().await?;
            let mut found = write::identify(&tx, &who).await?;
            for (identity, found) in who.iter().zip(&mut found) {
                *found = found.filter(|_| reach.can_read(&identity.project));
            }
            tx.commit().await?;
            Ok(found)
        })
    }

    fn export(&self, projects: ProjectSet) -> Export {
        export::export(self.pools.clone(), self.connector.clone(), projects)
    }

    fn record_recalls(&self, ids: Vec<MemoryId>, at: Timestamp) -> Stored<'_, ()> {
        measured(Op::RecordRecalls, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let sql = "UPDATE memory m SET recall_count = recall_count + recalled.times, \
                       recalled_at = $2 \
                       FROM (SELECT id, count(*) AS times FROM unnest($1::bigint[]) id GROUP BY id) \
                       recalled WHERE m.id = recalled.id";
            tx.execute(sql, &[&ids, &at.0]).await?;
            tx.commit().await
        })
    }

    fn census(&self, reach: &Reach) -> Stored<'_, MemoryCensus> {
        let projects = ProjectSet::readable(reach, &[]);
        measured(Op::Census, async move {
            let tx = self.begin_read().await?;
            let census = rows::census(&tx, &projects).await?;
            tx.commit().await?;
            Ok(census)
        })
    }
}
