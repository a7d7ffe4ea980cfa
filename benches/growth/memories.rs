//! Made-up memories with every kind of filter: projects, categories and tags of several
//! shares.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use mimo::caller::Reach;
use mimo::clock::Timestamp;
use mimo::memory::rules::remember::remember;
use mimo::store::memory::{Category, Given, IndexedText, MemoryFields, NewMemory};
use mimo::store::sqlite::SqliteStore;
use mimo::text;

use crate::texts::{Chance, numbers, sentence, unit};

const TOPICS: usize = 60;
const WORDS_OF_A_TEXT: usize = 14;
const BATCH: usize = 500;
/// The memories before this number are the only ones of the category `action`.
const OLD: usize = 500;

/// Adds the memories of these numbers to the database at `path`.
pub fn add(path: &Path, model: &str, range: Range<usize>) {
    let store = SqliteStore::start(path.to_owned()).expect("threads start");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut chance = Chance(7);
    let topics: Vec<Vec<f32>> = (0..TOPICS).map(|_| numbers(&mut chance)).collect();
    let mut chance = Chance(11 + range.start as u64);
    for first in range.clone().step_by(BATCH) {
        let last = (first + BATCH).min(range.end);
        let batch = (first..last).map(|nth| memory(nth, &topics, &mut chance));
        let (reach, batch) = (&Reach::Everything, batch.collect());
        let stored = remember(&store, reach, model, batch, Timestamp(first as i64));
        runtime.block_on(stored).expect("stored");
    }
}

fn memory(nth: usize, topics: &[Vec<f32>], chance: &mut Chance) -> NewMemory {
    let topic = &topics[chance.below(TOPICS as u64)];
    let far = numbers(chance);
    let vector = topic.iter().zip(&far).map(|(near, far)| near + 0.8 * far);
    let content = format!("{} {nth}", sentence(chance, WORDS_OF_A_TEXT, 1));
    let project = if nth % 10 < 3 { "work" } else { "global" };
    let mut fields = MemoryFields::new(project, format!("thread {}", nth / 200));
    fields.category = match nth {
        _ if nth < OLD => Category::Action,
        _ if nth % 20 == 7 => Category::Plan,
        _ => Category::Fact,
    };
    let tags = [
        ("half", nth.is_multiple_of(2)),
        ("twentieth", nth % 20 == 3),
        ("rare", nth % 1_000 == 9),
    ];
    let tags = tags.into_iter().filter(|(_, has)| *has);
    fields.tags = tags.map(|(tag, _)| tag.to_owned()).collect::<BTreeSet<_>>();
    NewMemory {
        fields,
        text: IndexedText {
            key: text::key(&content),
            words: text::words(&content),
            vectors: vec![unit(vector.collect())],
            content,
        },
        given: Given::default(),
        supersedes: None,
    }
}
