//! Both rooms find the same memories in the same order, with everything that the ranking
//! asks for.

use std::fmt::Debug;
use std::time::Instant;

use mimo::caller::Reach;
use mimo::memory::rules::edit::MemoryChange;
use mimo::memory::rules::remember::remember;
use mimo::store::Store;
use mimo::store::memory::{CandidateQuery, Filter, NewMemory};
use mimo::text;

use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::support::{Chance, MODEL, an_edit, at, indexed, make_edit, new, vector};
use crate::{Room, harness};

const WORDS: &[&str] = &[
    "run",
    "running",
    "runs",
    "relational",
    "relation",
    "go",
    "went",
    "gone",
    "hopping",
    "hoped",
    "café",
    "cafe",
    "naïve",
    "happily",
    "happy",
    "organization",
    "organize",
    "the",
    "of",
    "and",
    "東京都",
    "犬",
    "2019",
    "v1",
    "room",
    "plan",
    "planned",
    "dog",
    "dogs",
    "write",
    "wrote",
];

/// Talk in threads, with labels, questions and dates, and notes without.
fn texts(chance: &mut Chance) -> Vec<NewMemory> {
    let one = |nth: u64, chance: &mut Chance| {
        let length = 1 + chance.below(12);
        let said: Vec<&str> = (0..length).map(|_| *chance.pick(WORDS)).collect();
        let mut content = format!("{} {nth}", said.join(" "));
        let thread = chance.below(4);
        if thread < 3 {
            let name: &str = chance.pick::<&str>(&["Ann", "Bob", "2023-05-04"]);
            let mark = if chance.one_in(3) { "?" } else { "" };
            content = format!("{name}: {content}{mark}");
        }
        let mut new = new("global", "");
        new.text = indexed(&content);
        new.fields.thread = format!("thread {thread}");
        new
    };
    (0..400).map(|nth| one(nth, chance)).collect()
}

async fn fill(store: &dyn Store) {
    let all = texts(&mut Chance(0x5eed));
    for (second, batch) in (0..).zip(all.chunks(80)) {
        let stored = remember(store, &Reach::Everything, MODEL, batch.to_vec(), at(second));
        stored.await.expect("stored");
    }
    let update = |content: &str| MemoryChange::Update {
        text: Some(indexed(content)),
        importance: None,
        tags: None,
        said_at: None,
        destination: None,
    };
    let changes = vec![
        (5, update("Ann: running dogs of the organization")),
        (9, MemoryChange::Forget),
    ];
    make_edit(store, an_edit("edit", changes), at(20))
        .await
        .expect("edited");
}

/// The numbers in a text, and the rest of it.
fn parts(text: &str) -> (Vec<f64>, String) {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    let (mut numbers, mut rest) = (Vec::new(), String::new());
    for piece in text.split_inclusive(|c: char| !is_number(c)) {
        let number = piece.trim_end_matches(|c: char| !is_number(c));
        match number.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => rest.push_str(number),
        }
        rest.push_str(&piece[number.len()..]);
    }
    (numbers, rest)
}

/// Equal but for the last digits of numbers.
fn assert_alike(found: &impl Debug, expected: &impl Debug, of: &str) {
    let texts = [format!("{found:?}"), format!("{expected:?}")];
    let [each, other] = [&texts[0], &texts[1]].map(|text| text.split_inclusive('}'));
    for (found, expected) in each.zip(other) {
        let (numbers, rest) = parts(found);
        let (wanted, wanted_rest) = parts(expected);
        assert_eq!(rest, wanted_rest, "{of}: {found}, not {expected}");
        assert_eq!(numbers.len(), wanted.len(), "{of}: {found}, not {expected}");
        for (number, wanted) in numbers.iter().zip(&wanted) {
            let near = (number - wanted).abs() <= 1e-4 * wanted.abs().max(1.0);
            assert!(near, "{of}: {found}, not {expected}");
        }
    }
    let length = |text: &String| text.split('}').count();
    assert_eq!(length(&texts[0]), length(&texts[1]), "{of}");
}

#[tokio::test]
async fn both_rooms_find_the_same() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "both_rooms_find_the_same");
    }
    let (sqlite, postgres) = (Sqlite::fresh().await, Postgres::fresh().await);
    let (sqlite, postgres) = (sqlite.open(), postgres.open());
    fill(&*sqlite).await;
    fill(&*postgres).await;
    let mut chance = Chance(0xa5c);
    let mut found_ever = 0;
    for round in 0..60 {
        let asked: Vec<&str> = (0..1 + chance.below(6))
            .map(|_| *chance.pick(WORDS))
            .collect();
        let asked = asked.join(" ");
        let query = CandidateQuery {
            filter: Filter {
                include_superseded: chance.one_in(3),
                ..Filter::within(&Reach::Everything, Vec::new(), at(100))
            },
            words: text::query_words(&asked),
            vector: (!chance.one_in(3)).then(|| vector(&asked)),
            // SQLite's shortlist then has every vector.
            limit: 110,
        };
        let of_sqlite = sqlite
            .candidates(MODEL, query.clone())
            .await
            .expect("found");
        let of_postgres = postgres.candidates(MODEL, query).await.expect("found");
        found_ever += of_sqlite.keyword.len();
        assert_alike(&of_postgres, &of_sqlite, &format!("round {round}: {asked}"));
    }
    assert!(found_ever > 500, "{found_ever}");
}

/// So many that their vectors get an index, some topics apart from each other.
const MANY: usize = 60_000;

#[tokio::test]
async fn a_large_project_is_searched_by_an_index() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "a_large_project_is_searched_by_an_index");
    }
    let room = Postgres::fresh().await;
    let store = room.open();
    // The first gives the model and the project their numbers; the others are copies.
    let first = remember(
        &*store,
        &Reach::Everything,
        MODEL,
        vec![new("global", "first")],
        at(0),
    );
    first.await.expect("stored");
    room.psql(&format!(
        "SET session_replication_role = replica; SELECT setseed(0.5); \
         CREATE TEMP TABLE topic AS SELECT t, (SELECT array_agg(random() - 0.5) \
         FROM generate_series(1, 32) WHERE t >= 0) AS middle FROM generate_series(0, 199) t; \
         CREATE TEMP TABLE made AS SELECT n AS id, (SELECT array_agg(m + 0.6 * (random() - 0.5)) \
         FROM unnest(middle) m)::vector AS vector \
         FROM generate_series(2, {MANY}) n JOIN topic ON t = n % 200; \
         INSERT INTO memory (id, created_at, updated_at, position, importance, project, category, \
         state, text_key, thread, content) SELECT id, 0, 0, id, 0.5, 'global', 'fact', 'active', \
         int8send(id), 'thread', 'text ' || id FROM made; \
         INSERT INTO memory_tag SELECT id, 'rare' FROM made WHERE id % 3000 = 7; \
         INSERT INTO memory_vector (memory_id, model_id, project, \"window\", near, vector) \
         SELECT id, 1, 1, 0, vector::halfvec, vector FROM made; \
         UPDATE project SET documents = {MANY}"
    ));
    let run = store
        .begin_run(at(1), None)
        .await
        .expect("begun")
        .expect("a run");
    store.end_run(run, at(2)).await.expect("ended");
    let made = room.psql(
        "SELECT count(*) FROM pg_index WHERE indexrelid = \
                          to_regclass('memory_vector_near_1') AND indisvalid",
    );
    assert_eq!(made.lines().last(), Some("1"));

    let search = async |probe: Vec<f32>, tags: Vec<String>| {
        let query = CandidateQuery {
            filter: Filter {
                tags: tags.into_iter().map(|tag| vec![tag]).collect(),
                ..Filter::within(&Reach::Everything, Vec::new(), at(100))
            },
            words: Vec::new(),
            vector: Some(probe),
            limit: 10,
        };
        let found = store.candidates(MODEL, query).await.expect("found");
        found.semantic.iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    let (mut right, mut all) = (0, 0);
    for nth in 0..20 {
        let id = 1_000 + nth * 2_501;
        let probe = room.psql(&format!(
            "SELECT array_to_string(vector::real[], ',') FROM memory_vector WHERE memory_id = {id}"
        ));
        let probe: Vec<f32> = probe
            .split(',')
            .map(|x| x.parse().expect("a number"))
            .collect();
        let nearest = room.psql(&format!(
            "SET enable_indexscan = off; SELECT v.memory_id FROM memory_vector v, \
             (SELECT vector FROM memory_vector WHERE memory_id = {id}) p \
             ORDER BY v.vector <=> p.vector, v.memory_id LIMIT 10"
        ));
        let nearest: Vec<i64> = nearest
            .lines()
            .map(|id| id.parse().expect("an id"))
            .collect();
        let found = search(probe.clone(), Vec::new()).await;
        assert_eq!(found.len(), 10);
        right += found.iter().filter(|id| nearest.contains(id)).count();
        all += nearest.len();
        // A filter that few pass is exact and misses none of them.
        let rare = search(probe, vec!["rare".to_owned()]).await;
        assert_eq!(rare.len(), 10, "{rare:?}");
    }
    assert!(right * 100 >= all * 99, "{right} of {all}");
    // A session reports what it used when it ends.
    drop(store);
    let begun = Instant::now();
    let used = "SELECT idx_scan > 0 FROM pg_stat_user_indexes \
                WHERE indexrelid = to_regclass('memory_vector_near_1')";
    while room.psql(used).lines().last() != Some("t") {
        assert!(begun.elapsed() < harness::WATCHDOG, "the index is not used");
        tokio::task::yield_now().await;
    }
}
