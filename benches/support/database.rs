//! What the benches of a SQLite database share: made-up memories, a server on their
//! folder, and the search of sqlite-vec beside it.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use mimo::caller::Reach;
use mimo::clock::Timestamp;
use mimo::memory::rules::remember::remember;
use mimo::store::memory::{ExplicitFields, IndexedText, MemoryFields, NewMemory};
use mimo::store::sqlite::SqliteStore;
use mimo::text;
use rusqlite::Connection;

use crate::support::Client;
use crate::texts::{Chance, numbers, sentence, unit};

const TOPICS: usize = 60;
const WORDS_OF_A_TEXT: usize = 14;
const BATCH: usize = 500;

/// Adds the memories of these numbers to the database at `path`: vectors around a few
/// topics, and texts that have nothing to do with them. `fields` gives the rest of each.
pub fn add(path: &Path, model: &str, range: Range<usize>, fields: fn(usize) -> MemoryFields) {
    let store = SqliteStore::start(path.to_owned()).expect("threads start");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut chance = Chance(7);
    let topics: Vec<Vec<f32>> = (0..TOPICS).map(|_| numbers(&mut chance)).collect();
    let mut chance = Chance(11 + range.start as u64);
    for first in range.clone().step_by(BATCH) {
        let last = (first + BATCH).min(range.end);
        let batch = (first..last).map(|nth| {
            let topic = &topics[chance.below(TOPICS as u64)];
            let far = numbers(&mut chance);
            let vector = topic.iter().zip(&far).map(|(near, far)| near + 0.8 * far);
            let content = format!("{} {nth}", sentence(&mut chance, WORDS_OF_A_TEXT, 1));
            NewMemory {
                fields: fields(nth),
                text: IndexedText {
                    key: text::key(&content),
                    words: text::words(&content),
                    vectors: vec![unit(vector.collect())],
                    content,
                },
                explicit: ExplicitFields::default(),
                supersedes: None,
            }
        });
        let (reach, batch) = (&Reach::Everything, batch.collect());
        let stored = remember(&store, reach, model, batch, Timestamp(first as i64));
        runtime.block_on(stored).expect("stored");
    }
}

/// A server on the database in `folder`, after the handshake.
pub fn start(folder: &Path) -> Client {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .arg("serve")
        .env("MIMO_DATA_DIR", folder)
        .env("MIMO_CONFIG_DIR", folder);
    let mut client = Client::start(&mut command);
    client.initialize();
    client
}

/// The nearest ten by sqlite-vec's distance over all vectors.
pub fn by_sqlite_vec(file: &Connection, probe: &[f32]) {
    let bytes: Vec<u8> = probe.iter().flat_map(|x| x.to_le_bytes()).collect();
    let sql = "SELECT memory_id FROM memory_vector \
               ORDER BY vec_distance_cosine(vector, ?) LIMIT 10";
    let mut statement = file.prepare_cached(sql).expect("SQL");
    let ids = statement.query_map([bytes], |row| row.get::<_, i64>(0));
    assert_eq!(ids.expect("rows").count(), 10);
}
