//! Vector search at a size where the codes decide, against brute force.

use std::collections::BTreeSet;

use mimo::caller::Reach;
use mimo::memory::rules::remember::remember;
use mimo::store::RetentionStore;
use mimo::store::memory::{
    CandidateQuery, Category, ExplicitFields, Filter, IndexedText, MemoryFields, MemoryId,
    MemoryStore, NewMemory,
};
use mimo::store::retention::ArchiveReason;
use mimo::store::sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::metrics::assert_grew;
use crate::support::tools::NOON;

const DIMENSIONS: usize = 128;
const PROJECTS: [&str; 3] = ["global", "site", "attic"];
const MODEL: &str = "made up";

/// Pseudorandom numbers, the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.next() % end).expect("small")
    }

    /// A number from -1 to 1, most of them near 0.
    fn number(&mut self) -> f32 {
        let mut part = || (self.next() % 2_001) as f32 / 1_000.0 - 1.0;
        (part() + part() + part()) / 3.0
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A store, and a copy of its content.
struct World {
    folder: TempDir,
    store: SqliteStore,
    runtime: tokio::runtime::Runtime,
    known: Vec<Known>,
}

struct Known {
    id: MemoryId,
    project: &'static str,
    category: Category,
    tag: String,
    vectors: Vec<Vec<f32>>,
}

impl Known {
    fn cosine(&self, query: &[f32]) -> f32 {
        let each = self.vectors.iter().map(|vector| dot(vector, query));
        each.max_by(f32::total_cmp).expect("a vector")
    }
}

impl World {
    fn new() -> World {
        let folder = TempDir::new().expect("a folder");
        World {
            store: SqliteStore::start(folder.path().join("mimo.db")).expect("threads start"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            known: Vec::new(),
            folder,
        }
    }

    /// With 3,000 memories: many topics, a tenth of them in the attic's project,
    /// a hundredth plans, and three with the tag `rare`.
    fn filled() -> World {
        let mut world = World::new();
        let mut chance = Chance(7);
        let topics: Vec<Vec<f32>> = (0..60)
            .map(|_| (0..DIMENSIONS).map(|_| chance.number()).collect())
            .collect();
        for batch in 0..30 {
            let mut new = Vec::new();
            for nth in batch * 100..batch * 100 + 100 {
                let topic = &topics[chance.below(60)];
                let near = topic.iter().map(|x| x + 0.8 * chance.number());
                let vector = unit(near.collect());
                let project = PROJECTS[[0, 1, 0, 1, 0, 1, 0, 1, 0, 2][nth % 10]];
                let category = match nth % 100 {
                    5 => Category::Plan,
                    _ => Category::Fact,
                };
                let tag = if nth % 1_000 == 321 { "rare" } else { "usual" };
                new.push((project, category, tag, vec![vector]));
            }
            world.store(new);
        }
        world
    }

    fn store(&mut self, new: Vec<(&'static str, Category, &str, Vec<Vec<f32>>)>) {
        let first = self.known.len();
        let batch = new.iter().enumerate();
        let batch = batch.map(|(nth, (project, category, tag, vectors))| {
            let nth = first + nth;
            let mut key = [0; 32];
            key[..8].copy_from_slice(&nth.to_le_bytes());
            NewMemory {
                fields: MemoryFields {
                    category: *category,
                    tags: BTreeSet::from([(*tag).to_owned()]),
                    ..MemoryFields::new(*project, "t")
                },
                text: IndexedText {
                    content: format!("memory {nth}"),
                    key,
                    words: format!("memory {nth}"),
                    vectors: vectors.clone(),
                },
                explicit: ExplicitFields::default(),
                supersedes: None,
            }
        });
        let (reach, batch) = (&Reach::Everything, batch.collect());
        let stored = remember(&self.store, reach, MODEL, batch, NOON);
        let stored = self.runtime.block_on(stored).expect("stored");
        for (stored, (project, category, tag, vectors)) in stored.into_iter().zip(new) {
            self.known.push(Known {
                id: stored.id,
                project,
                category,
                tag: tag.to_owned(),
                vectors,
            });
        }
    }

    fn found(&self, query: &[f32], filter: &Filter, limit: usize) -> Vec<(MemoryId, f32)> {
        let query = CandidateQuery {
            filter: filter.clone(),
            words: Vec::new(),
            vector: Some(query.to_vec()),
            limit,
        };
        let found = self.store.candidates(MODEL, query);
        let found = self.runtime.block_on(found).expect("found").semantic;
        found.into_iter().map(|hit| (hit.id, hit.score)).collect()
    }

    /// The same by brute force.
    fn expected(&self, query: &[f32], filter: &Filter, limit: usize) -> Vec<(MemoryId, f32)> {
        let passes = |known: &&Known| {
            let projects = &filter.projects;
            (projects.is_empty() || projects.iter().any(|project| project == known.project))
                && filter
                    .category
                    .is_none_or(|category| category == known.category)
                && filter.tags.iter().all(|tag| tag.contains(&known.tag))
        };
        let all = self.known.iter().filter(passes);
        let mut all: Vec<_> = all.map(|known| (known.id, known.cosine(query))).collect();
        all.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
        all.truncate(limit);
        all
    }

    /// The recall, after checking the reported similarities and the number of
    /// results.
    fn recall(&self, query: &[f32], filter: &Filter, limit: usize) -> f64 {
        let (found, expected) = (
            self.found(query, filter, limit),
            self.expected(query, filter, limit),
        );
        assert_eq!(found.len(), expected.len(), "as many as match: {filter:?}");
        assert!(found.is_sorted_by(|(_, x), (_, y)| x >= y), "best first");
        for (id, score) in &found {
            let known = self.known.iter().find(|known| known.id == *id);
            let exact = known.expect("ours").cosine(query);
            assert!((score - exact).abs() < 1e-4, "{score} is {exact}");
        }
        if expected.is_empty() {
            return 1.0;
        }
        let ids: BTreeSet<MemoryId> = found.into_iter().map(|(id, _)| id).collect();
        let hits = expected.iter().filter(|(id, _)| ids.contains(id)).count();
        hits as f64 / expected.len() as f64
    }
}

fn filter(projects: &[&str]) -> Filter {
    let projects = projects.iter().map(|&name| name.to_owned()).collect();
    Filter::within(&Reach::Everything, projects, NOON)
}

#[test]
fn best_results_match_brute_force() {
    let world = World::filled();
    let mut chance = Chance(99);
    let (mut first_ten, mut all) = (0.0, 0.0);
    for _ in 0..40 {
        let known = &world.known[chance.below(3_000)].vectors[0];
        let query = unit(known.iter().map(|x| x + 0.05 * chance.number()).collect());
        first_ten += world.recall(&query, &filter(&[]), 10) / 40.0;
        all += world.recall(&query, &filter(&PROJECTS[..2]), 200) / 40.0;
    }
    assert!(first_ten > 0.99 && all > 0.93, "{first_ten} and {all}");
}

#[test]
fn filter_never_leaves_result_slots_empty() {
    let world = World::filled();
    let mut chance = Chance(3);
    let rare = Filter {
        tags: vec![vec!["rare".to_owned()]],
        ..filter(&[])
    };
    let plans = Filter {
        category: Some(Category::Plan),
        ..filter(&["site"])
    };
    let nowhere = filter(&["elsewhere"]);
    for _ in 0..20 {
        let query = unit((0..DIMENSIONS).map(|_| chance.number()).collect());
        for few in [&rare, &plans, &nowhere] {
            assert_eq!(world.recall(&query, few, 10), 1.0, "{few:?}");
        }
        assert!(world.recall(&query, &filter(&["attic"]), 50) > 0.95);
    }
}

/// If a filter excludes most near vectors but passes more than an index is read for, the
/// shortlist grows.
#[test]
fn results_behind_many_filtered_vectors_are_found() {
    let mut world = World::new();
    let mut chance = Chance(5);
    let query = unit((0..DIMENSIONS).map(|_| chance.number()).collect());
    for batch in 0..50 {
        let new = (0..300).map(|_| {
            // The filtered vectors are nearer than all matching ones.
            let crowd = batch < 20;
            let away = if crowd { 0.3 } else { 3.0 };
            let near = query.iter().map(|x| x + away * 0.1 * chance.number());
            let tag = if crowd { "crowd" } else { "counts" };
            ("global", Category::Fact, tag, vec![unit(near.collect())])
        });
        let new = new.collect();
        world.store(new);
    }
    let counts = Filter {
        tags: vec![vec!["counts".to_owned()]],
        ..filter(&["global"])
    };
    assert_grew(&[("mimo_nearest_widened_total", 1.0)], || {
        assert!(world.recall(&query, &counts, 100) > 0.9);
    });
}

/// One long text has hundreds of near windows, which must not crowd out other
/// results.
#[test]
fn long_text_takes_one_result() {
    let mut world = World::filled();
    let mut chance = Chance(11);
    let query = world.known[5].vectors[0].clone();
    let near = |_| unit(query.iter().map(|x| x + 0.01 * chance.number()).collect());
    let windows: Vec<Vec<f32>> = (0..900).map(near).collect();
    world.store(vec![("global", Category::Fact, "usual", windows)]);
    assert!(world.recall(&query, &filter(&[]), 200) > 0.93);
}

/// The blocks hold each vector exactly once.
#[test]
fn blocks_hold_a_code_for_each_coded_vector() {
    let world = World::filled();
    let path = world.folder.path().join("mimo.db");
    drop(world.store);
    let file = Connection::open(path).expect("opens");
    let uncoded: i64 = file
        .query_row(
            "SELECT (SELECT max(id) FROM memory_vector) - coded FROM embedding_model",
            [],
            |row| row.get(0),
        )
        .expect("a count");
    assert!((0..=256).contains(&uncoded), "{uncoded}");
    let rows: i64 = file
        .query_row("SELECT count(*) FROM memory_code", [], |row| row.get(0))
        .expect("a count");
    // 3,000 codes of 16 bytes and ids of 8 in blocks of 7,900 bytes.
    assert!((8..=12).contains(&rows), "{rows}");
}

#[test]
fn erased_memory_leaves_its_block() {
    let world = World::filled();
    let gone: Vec<MemoryId> = world.known.iter().map(|known| known.id).collect();
    let gone: Vec<MemoryId> = gone.into_iter().filter(|id| id % 3 != 0).collect();
    let store = &world.store;
    world.runtime.block_on(async {
        let run = store.begin_run(NOON, None).await.expect("begun");
        let run = run.expect("nobody else runs");
        for batch in gone.chunks(50) {
            let archived = store.archive(run, ArchiveReason::Idle, batch.to_vec(), NOON);
            assert_eq!(archived.await.expect("archived"), batch.len());
            let purged = store.purge(run, batch.to_vec(), NOON);
            assert_eq!(purged.await.expect("erased"), batch.len());
        }
    });
    let query = &world.known[0].vectors[0];
    let found = world.found(query, &filter(&[]), 2_000);
    assert_eq!(found.len(), 1_000);
    assert!(found.iter().all(|(id, _)| id % 3 == 0));

    let path = world.folder.path().join("mimo.db");
    drop(world.store);
    let file = Connection::open(path).expect("opens");
    let count = |sql: &str| -> i64 { file.query_row(sql, [], |row| row.get(0)).expect("a count") };
    let coded = count(
        "SELECT count(*) FROM memory_vector v JOIN embedding_model m ON m.id = v.model_id \
         WHERE v.id <= m.coded",
    );
    assert_eq!(count("SELECT sum(vectors) FROM memory_code"), coded);
    assert!(coded < 1_001);
}
