//! The memory and the name ports on SQLite.

use tokio_util::sync::CancellationToken;

use super::unit::{self, Begin, UnitOfWork};
use super::{
    SqliteStore, begin_write, bytes_on_disk, codes, export, inventory, listing, names, recall,
    rows, write,
};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::meter::store::Op;
use crate::platform::free_bytes;
use crate::store::graph::EntityId;
use crate::store::measured;
use crate::store::memory::{
    CandidateQuery, Candidates, EditRecord, Export, Filter, Identity, Lookup, LookupResult, Memory,
    MemoryCensus, MemoryId, MemoryStore, MemoryTransaction, MemoryWork, Write,
};
use crate::store::names::{NameStore, Names, NamesQuery, SpelledKind};
use crate::store::{ProjectSet, Stored};

/// A transaction for a caller of this reach.
struct Transaction<'u, 'c> {
    unit: &'u UnitOfWork<'c>,
    reach: Reach,
    model: String,
}

impl MemoryTransaction for Transaction<'_, '_> {
    fn look_up<'a>(&'a self, lookup: &'a Lookup) -> Stored<'a, LookupResult> {
        self.unit
            .call(|file| write::look_up(file, &self.reach, lookup))
    }

    fn edit_records<'a>(&'a self, undo_id: &'a str) -> Stored<'a, Vec<EditRecord>> {
        self.unit
            .call(|file| write::edit_records(file, &self.reach, undo_id))
    }

    fn apply(&self, writes: Vec<Write>) -> Stored<'_, ()> {
        self.unit
            .call(|file| write::apply(file, &self.reach, &self.model, &writes))
    }
}

impl MemoryStore for SqliteStore {
    fn write_memories(&self, reach: &Reach, model: &str, work: MemoryWork) -> Stored<'_, ()> {
        let (reach, model) = (reach.clone(), model.to_owned());
        measured(
            Op::WriteMemories,
            self.run_write(move |connection| {
                let cancel = CancellationToken::new();
                unit::run(connection, Begin::Write, cancel, |unit| {
                    Box::pin(async move {
                        unit.call(begin_write).await?;
                        work(&Transaction { unit, reach, model }).await?;
                        unit.call(|file| codes::pack(file).map(drop)).await
                    })
                })
            }),
        )
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
        measured(
            Op::Similar,
            self.read(move |file| {
                recall::similar(file, &reach, &model, &probes, threshold, limit, now)
            }),
        )
    }

    fn candidates(&self, model: &str, query: CandidateQuery) -> Stored<'_, Candidates> {
        let model = model.to_owned();
        measured(
            Op::Candidates,
            self.read(move |file| recall::candidates(file, &model, &query)),
        )
    }

    fn newest(
        &self,
        filter: Filter,
        after: Option<(Timestamp, MemoryId)>,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>> {
        measured(
            Op::Newest,
            self.read(move |file| listing::newest(file, &filter, after, limit)),
        )
    }

    fn fetch(&self, reach: &Reach, ids: Vec<MemoryId>) -> Stored<'_, Vec<Memory>> {
        let projects = ProjectSet::readable(reach, &[]);
        measured(
            Op::Fetch,
            self.read(move |file| rows::fetch(file, &ids, &projects)),
        )
    }

    fn fetch_matching(&self, ids: Vec<MemoryId>, filter: Filter) -> Stored<'_, Vec<Memory>> {
        measured(
            Op::FetchMatching,
            self.read(move |file| rows::fetch_matching(file, &ids, &filter)),
        )
    }

    fn mentioning(
        &self,
        entities: Vec<EntityId>,
        filter: Filter,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>> {
        measured(
            Op::Mentioning,
            self.read(move |file| rows::mentioning(file, &entities, &filter, limit)),
        )
    }

    fn similarities(
        &self,
        reach: &Reach,
        model: &str,
        ids: Vec<MemoryId>,
        probe: Vec<f32>,
    ) -> Stored<'_, Vec<(MemoryId, f32)>> {
        let (projects, model) = (ProjectSet::readable(reach, &[]), model.to_owned());
        measured(
            Op::Similarities,
            self.read(move |file| recall::similarities(file, &projects, &model, &ids, probe)),
        )
    }

    fn edit_records(&self, reach: &Reach, undo_id: String) -> Stored<'_, Vec<EditRecord>> {
        let reach = reach.clone();
        measured(
            Op::EditRecords,
            self.read(move |file| write::edit_records(file, &reach, &undo_id)),
        )
    }

    fn identify(&self, reach: &Reach, who: Vec<Identity>) -> Stored<'_, Vec<Option<MemoryId>>> {
        let reach = reach.clone();
        measured(
            Op::Identify,
            self.read(move |file| {
                let find = |identity: &Identity| match reach.can_read(&identity.project) {
                    true => write::identify(file, identity),
                    false => Ok(None),
                };
                who.iter().map(find).collect()
            }),
        )
    }

    fn export(&self, projects: ProjectSet) -> Export {
        export::export(self.path.clone(), projects)
    }

    fn record_recalls(&self, ids: Vec<MemoryId>, at: Timestamp) -> Stored<'_, ()> {
        measured(
            Op::RecordRecalls,
            self.write(move |file| write::record_recalls(file, &ids, at)),
        )
    }

    fn census(&self, reach: &Reach) -> Stored<'_, MemoryCensus> {
        let (projects, path) = (ProjectSet::readable(reach, &[]), self.path.clone());
        measured(
            Op::Census,
            self.read(move |file| {
                let mut census = inventory::census(file, &projects)?;
                census.file_bytes = bytes_on_disk(&path);
                census.read_only = file.is_readonly(rusqlite::MAIN_DB)?;
                census.free_bytes = path.parent().and_then(free_bytes);
                Ok(census)
            }),
        )
    }
}

impl NameStore for SqliteStore {
    fn spellings(
        &self,
        reach: &Reach,
        kind: SpelledKind,
        wanted: Vec<String>,
    ) -> Stored<'_, Vec<Vec<String>>> {
        let projects = ProjectSet::readable(reach, &[]);
        measured(
            Op::Names,
            self.read(move |file| names::spellings(file, &projects, kind, &wanted)),
        )
    }

    fn names(&self, query: NamesQuery) -> Stored<'_, Names> {
        measured(Op::Names, self.read(move |file| names::names(file, &query)))
    }

    fn memories_by_name(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        name: String,
        limit: usize,
    ) -> Stored<'_, Vec<MemoryId>> {
        let projects = ProjectSet::readable(reach, &projects);
        measured(
            Op::MemoriesByName,
            self.read(move |file| names::memories_by_name(file, projects, &name, limit)),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::limits;
    use crate::store::memory::Category;
    use crate::store::sqlite::connection::open_writer;

    /// The tens of steps that statements of `file` take.
    fn count_steps(file: &mut rusqlite::Connection) -> Arc<AtomicUsize> {
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = steps.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        };
        file.progress_handler(10, Some(count)).expect("counted");
        steps
    }

    /// The memories beside a result are read by their places, however long its thread is.
    #[test]
    fn a_search_reads_as_much_of_a_long_thread_as_of_a_short_one() {
        let cost = |memories: u32| {
            let folder = tempfile::TempDir::new().expect("a folder");
            let mut file = open_writer(&folder.path().join("mimo.db")).expect("opened");
            file.execute_batch(&format!(
                "INSERT INTO thread_talk VALUES (1, 't', {memories}, {memories}, 0, 0);
                 WITH RECURSIVE n(n) AS
                     (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {memories})
                 INSERT INTO memory (id, project, category, importance, state, created_at,
                                     updated_at, position, text_key, thread, content)
                 SELECT n, 'global', 'fact', 0.5, 'active', n, n, n,
                        CAST(printf('%032d', n) AS BLOB), 't', 'c' FROM n;
                 INSERT INTO thread_block SELECT 1, id, 10, 0, 10, 0, 0 FROM memory;
                 INSERT INTO memory_feature SELECT id, 1, 5, 1, 0, NULL, NULL, NULL FROM memory;
                 INSERT INTO memory_words (rowid, words)
                 SELECT id, iif(id % 40 = 9 AND id < 400, 'lantern', 'fog') FROM memory;"
            ))
            .expect("filled");
            let query = CandidateQuery {
                filter: Filter::within(
                    &Reach::Everything,
                    vec!["global".to_owned()],
                    Timestamp(i64::from(memories)),
                ),
                words: crate::text::query_words("lantern"),
                vector: None,
                limit: 20,
            };
            let steps = count_steps(&mut file);
            let found = recall::candidates(&file, "", &query).expect("found");
            assert_eq!(found.keyword.len(), 10);
            assert!(found.pool.len() > 60, "{}", found.pool.len());
            steps.load(Ordering::Relaxed)
        };
        let (short, long) = (cost(500), cost(5_000));
        assert!(
            long <= 2 * short,
            "{long} for a long thread, {short} for a short one"
        );
    }

    /// A listing reads about as much whichever filter leads to it, however old what passes
    /// is and however many others there are.
    #[test]
    fn listing_is_led_by_the_rarest_of_its_filters() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let mut file = open_writer(&folder.path().join("mimo.db")).expect("opened");
        file.execute_batch(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
             INSERT INTO memory (id, project, category, importance, state, created_at,
                                 updated_at, position, text_key, thread, content)
             SELECT n, iif(n <= 3000, 'old', 'new'), iif(n <= 3000, 'action', 'fact'), 0.5,
                    iif(n > 6000 AND n <= 11000, 'superseded', 'active'), n, n, n,
                    CAST(printf('%032d', n) AS BLOB), iif(n <= 3000, 'early', 'late'), 'c'
             FROM n;
             INSERT INTO memory_tag (memory_id, tag)
             SELECT id, iif(id <= 3000, 'first', 'then') FROM memory;
             INSERT INTO memory_tag (memory_id, tag) SELECT id, 'all' FROM memory;
             UPDATE memory SET state = 'superseded' WHERE id > 11000;",
        )
        .expect("filled");
        let steps = count_steps(&mut file);
        let everything = Filter::within(&Reach::Everything, Vec::new(), Timestamp(20_000));
        let cost = |filter: &Filter| {
            steps.store(0, Ordering::Relaxed);
            let found = listing::newest(&file, filter, None, 20).expect("read");
            let ids: Vec<MemoryId> = found.iter().map(|memory| memory.id).collect();
            (ids, steps.load(Ordering::Relaxed))
        };
        let (found, plain) = cost(&everything);
        assert_eq!(found, (5981..=6000).rev().collect::<Vec<_>>());
        let of_project = |project: &str| Filter {
            projects: vec![project.to_owned()],
            ..everything.clone()
        };
        let of_category = |category| Filter {
            category: Some(category),
            ..everything.clone()
        };
        let of_tag = |tag: &str| Filter {
            tags: vec![vec![tag.to_owned()]],
            ..everything.clone()
        };
        let old: Vec<MemoryId> = (2981..=3000).rev().collect();
        for (filter, ids) in [
            (of_project("old"), &old),
            (of_category(Category::Action), &old),
            (of_tag("first"), &old),
            (of_tag("all"), &found),
            (
                Filter {
                    thread: Some("early".to_owned()),
                    ..everything.clone()
                },
                &old,
            ),
            (
                Filter {
                    until: Some(Timestamp(3001)),
                    ..everything.clone()
                },
                &old,
            ),
            (of_category(Category::Plan), &vec![]),
            (
                Filter {
                    category: Some(Category::Action),
                    ..of_project("new")
                },
                &vec![],
            ),
            (of_tag("unknown"), &vec![]),
        ] {
            let (found, steps) = cost(&filter);
            assert_eq!(found, *ids, "{filter:?}");
            assert!(steps <= 2 * plain, "{filter:?}: {steps}, {plain} without");
        }
        // Two that each lead to many are counted, in ten steps an entry at most.
        let both = Filter {
            projects: vec!["old".to_owned()],
            ..of_tag("all")
        };
        let (found, counted) = cost(&both);
        assert_eq!(found, old);
        let entries = 2 * (limits::LISTING_COUNTED_MAX[0] + 1) + 6_000 + 3_000;
        assert!(counted <= 2 * plain + entries, "{counted}");
    }
}
