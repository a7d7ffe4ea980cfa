//! Reads against a plain model: every memory, looked at one by one.

use std::collections::{BTreeSet, HashMap};

use futures::StreamExt;
use mimo::caller::Reach;
use mimo::clock::{SystemClock, Timestamp};
use mimo::keys::{Grant, GrantWords, Key};
use mimo::memory::rules::edit::MemoryChange;
use mimo::memory::rules::remember::remember;
use mimo::store::memory::{CandidateQuery, Category, Filter, Memory, MemoryId, MemoryState};
use mimo::store::retention::Terms;
use mimo::store::{ProjectSet, Store, StoreError};
use mimo::text;

use crate::Room;
use crate::support::{
    Chance, MODEL, an_edit, at, everything, make_edit, names, new, only, store_one, vector,
};

const PROJECTS: [&str; 3] = ["global", "site", "attic"];
const WORDS: [&str; 6] = ["red", "green", "blue", "apple", "pear", "plum"];

/// Memories of all kinds and states, a second apart.
async fn filled(store: &dyn Store, chance: &mut Chance) {
    for second in 0..150 {
        let content = format!(
            "{} {} {second}",
            chance.pick::<&str>(&WORDS),
            chance.pick::<&str>(&WORDS)
        );
        let project: &str = chance.pick::<&str>(&PROJECTS);
        let mut new = new(project, &content);
        new.fields.category = *chance.pick(&Category::ALL);
        new.fields.importance = chance.below(10) as f64 / 10.0;
        new.fields.tags = names(&["a", "b"])
            .into_iter()
            .filter(|_| chance.one_in(2))
            .collect();
        if chance.one_in(4) {
            new.fields.topic_key = Some(format!("topic {}", chance.below(5)));
        }
        if chance.one_in(5) {
            new.fields.valid_until = Some(at(chance.below(300) as i64));
        }
        if chance.one_in(5) {
            new.fields.said_at = Some(at(chance.below(300) as i64 - 100));
        }
        match store_one(store, new, at(second)).await {
            Ok(_) | Err(StoreError::Protected(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if chance.one_in(6) {
            let id = 1 + chance.below(second as u64 / 2 + 1) as MemoryId;
            let change = match chance.one_in(2) {
                true => MemoryChange::Forget,
                false => MemoryChange::Protect(true),
            };
            let edit = an_edit(&format!("edit {second}"), vec![(id, change)]);
            let _some_cannot_be_made = make_edit(store, edit, at(second)).await;
        }
    }
}

fn some_filter(chance: &mut Chance) -> Filter {
    let reach = match chance.below(4) {
        0 => Reach::fenced("site"),
        1 => only(&["attic"]),
        2 => only(&[]),
        _ => Reach::Everything,
    };
    let projects = PROJECTS.iter().filter(|_| chance.one_in(2));
    let projects = projects.map(|&project| project.to_owned()).collect();
    Filter {
        category: chance.one_in(3).then(|| *chance.pick(&Category::ALL)),
        tags: names(&["a", "b"])
            .into_iter()
            .filter(|_| chance.one_in(4))
            .map(|tag| vec![tag])
            .collect(),
        since: chance.one_in(4).then(|| at(chance.below(150) as i64)),
        until: chance.one_in(4).then(|| at(chance.below(150) as i64)),
        as_of: chance.one_in(3).then(|| at(chance.below(150) as i64)),
        include_superseded: chance.one_in(3),
        ..Filter::within(&reach, projects, at(150 + chance.below(100) as i64))
    }
}

fn when(memory: &Memory) -> Timestamp {
    memory.fields.said_at.unwrap_or(memory.created_at)
}

fn passes(filter: &Filter, memory: &Memory, all: &[Memory]) -> bool {
    let fields = &memory.fields;
    let lives = |then: Timestamp| {
        let was_replaced = |newer: &Memory| {
            let said_at = newer.fields.said_at;
            newer.supersedes == Some(memory.id) && said_at.is_some_and(|time| time <= then)
        };
        memory
            .retired_at
            .is_none_or(|time| time > then && !all.iter().any(was_replaced))
            && fields.valid_until.is_none_or(|time| time > then)
    };
    let believed = match (filter.as_of, filter.include_superseded) {
        (Some(then), true) => when(memory) <= then,
        (Some(then), false) => when(memory) <= then && lives(then),
        (None, true) => true,
        (None, false) => {
            memory.state == MemoryState::Active
                && fields.valid_until.is_none_or(|time| time > filter.now)
        }
    };
    memory.state != MemoryState::Archived
        && believed
        && filter.reach.can_read(&fields.project)
        && (filter.projects.is_empty() || filter.projects.contains(&fields.project))
        && filter
            .category
            .is_none_or(|wanted| wanted == fields.category)
        && filter.since.is_none_or(|since| when(memory) >= since)
        && filter.until.is_none_or(|until| when(memory) < until)
        && filter
            .tags
            .iter()
            .all(|tag| tag.iter().any(|tag| fields.tags.contains(tag)))
}

pub(crate) async fn filters_agree_with_a_plain_model<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let mut chance = Chance(0x5eed);
    filled(&*store, &mut chance).await;
    let all = everything(&*store).await;
    let mut expected_ever = 0;
    for round in 0..300 {
        let filter = some_filter(&mut chance);
        let mut expected: Vec<&Memory> = all
            .iter()
            .filter(|each| passes(&filter, each, &all))
            .collect();
        expected_ever += expected.len();
        let ids = |memories: &[Memory]| -> BTreeSet<MemoryId> {
            memories.iter().map(|memory| memory.id).collect()
        };
        let wanted: BTreeSet<MemoryId> = expected.iter().map(|memory| memory.id).collect();

        expected.sort_by_key(|memory| (when(memory), memory.id));
        expected.reverse();
        let newest = store
            .newest(filter.clone(), None, 1_000)
            .await
            .expect("found");
        let order = |memories: &[&Memory]| -> Vec<MemoryId> {
            memories.iter().map(|memory| memory.id).collect()
        };
        let found: Vec<&Memory> = newest.iter().collect();
        assert_eq!(order(&found), order(&expected), "round {round}: {filter:?}");
        if let Some(middle) = expected.get(expected.len() / 2) {
            let after = Some((when(middle), middle.id));
            let rest = store
                .newest(filter.clone(), after, 1_000)
                .await
                .expect("found");
            assert_eq!(rest.len(), expected.len() - expected.len() / 2 - 1);
        }

        let every_id = all.iter().map(|memory| memory.id).collect();
        let fetched = store.fetch_matching(every_id, filter.clone()).await;
        assert_eq!(ids(&fetched.expect("found")), wanted, "round {round}");

        let word: &str = chance.pick::<&str>(&WORDS);
        let query = CandidateQuery {
            filter: filter.clone(),
            words: text::query_words(word),
            vector: Some(vector(word)),
            limit: 1_000,
        };
        let found = store.candidates(MODEL, query).await.expect("found");
        let keyword: BTreeSet<MemoryId> = found.keyword.iter().map(|hit| hit.id).collect();
        let with_word = expected
            .iter()
            .filter(|memory| memory.content.contains(word));
        assert_eq!(
            keyword,
            with_word.map(|memory| memory.id).collect(),
            "round {round}"
        );
        let semantic: BTreeSet<MemoryId> = found.semantic.iter().map(|hit| hit.id).collect();
        assert_eq!(semantic, wanted, "round {round}: {filter:?}");
        for hit in &found.semantic {
            let memory = all.iter().find(|memory| memory.id == hit.id).expect("ours");
            let pairs = vector(word).into_iter().zip(vector(&memory.content));
            let cosine: f32 = pairs.map(|(x, y)| x * y).sum();
            assert!(
                (hit.score - cosine).abs() < 1e-5,
                "{} is {cosine}",
                hit.score
            );
        }
    }
    assert!(expected_ever > 2_000, "the filters let something through");
}

pub(crate) async fn an_export_is_one_moment<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    for first in (0..1_000).step_by(100) {
        let batch = (first..first + 100).map(|nth| new("global", &format!("memory {nth}")));
        let batch = batch.collect();
        let stored = remember(&*store, &Reach::Everything, MODEL, batch, at(0));
        stored.await.expect("stored");
    }
    let mut pages = store.export(ProjectSet::All);
    let first = pages.next().await.expect("a page").expect("read");
    assert_eq!(first.total, 1_000);
    store_one(&*store, new("global", "later"), at(1))
        .await
        .expect("stored");
    let edit = an_edit("edit", vec![(1_000, MemoryChange::Forget)]);
    make_edit(&*store, edit, at(1)).await.expect("forgotten");
    let mut rest = first.memories;
    while let Some(page) = pages.next().await {
        rest.extend(page.expect("read").memories);
    }
    assert_eq!(rest.len(), 1_000);
    assert!(
        rest.iter()
            .all(|memory| memory.state == MemoryState::Active)
    );
    assert!(rest.is_sorted_by_key(|memory| memory.id));
    let none = store.export(ProjectSet::Only(Vec::new()));
    let pages: Vec<_> = none.collect().await;
    assert_eq!(pages.len(), 1, "an empty export has its page, too");
    assert_eq!(pages[0].as_ref().expect("read").total, 0);
}

fn key_of(project: &str) -> Key {
    let grant = Grant::parse(GrantWords {
        scopes: &names(&["write"]),
        projects: &names(&[project]),
        ..GrantWords::default()
    });
    let made = Key::generate(&SystemClock, project, grant.expect("a grant"), None);
    made.expect("a key").0
}

pub(crate) async fn due_memories_agree_with_a_plain_model<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let mut chance = Chance(0xd0e);
    filled(&*store, &mut chance).await;
    let all = everything(&*store).await;
    // Projects that keys name: those are counted for themselves.
    let mut apart: Vec<&str> = Vec::new();
    let used = |memory: &Memory| {
        let recalled = memory.recalled_at.unwrap_or(Timestamp(0));
        memory.created_at.max(memory.updated_at).max(recalled)
    };
    for nth in 0..60 {
        if nth % 20 == 10 {
            let project = PROJECTS[nth / 20];
            store.add_key(key_of(project)).await.expect("added");
            apart.push(project);
        }
        let terms = Terms {
            idle: [
                (at(chance.below(150) as i64), chance.below(10) as f64 / 10.0),
                (at(chance.below(150) as i64), chance.below(10) as f64 / 10.0),
            ],
            active_max: chance.below(60),
            fresh: at(chance.below(150) as i64),
            expired: at(chance.below(150) as i64),
        };
        let is_idle = |memory: &&Memory| {
            let due =
                |(time, importance)| used(memory) <= time && memory.fields.importance < importance;
            terms.idle.into_iter().any(due)
        };
        let ids = |memories: Vec<&Memory>| -> Vec<MemoryId> {
            memories.iter().map(|memory| memory.id).collect()
        };
        let active = all
            .iter()
            .filter(|memory| memory.state == MemoryState::Active);
        let (idle, mut others): (Vec<&Memory>, Vec<&Memory>) = active
            .clone()
            .filter(|memory| !memory.protected)
            .partition(is_idle);
        others.sort_by(|a, b| {
            let key = |memory: &Memory| (used(memory) > terms.fresh, memory.fields.importance);
            let (a_key, b_key) = (key(a), key(b));
            let first = a_key.0.cmp(&b_key.0).then(a_key.1.total_cmp(&b_key.1));
            first.then(used(a).cmp(&used(b))).then(a.id.cmp(&b.id))
        });
        let counted_in = |memory: &Memory| {
            let project = &memory.fields.project;
            apart.iter().position(|name| name == project)
        };
        let mut excess = HashMap::new();
        for memory in active.clone() {
            *excess
                .entry(counted_in(memory))
                .or_insert(-(terms.active_max as i64)) += 1;
        }
        let beyond: i64 = excess.values().filter(|count| **count > 0).sum();
        let counted = store.excess(terms.active_max).await.expect("counted");
        assert_eq!(counted, beyond as u64, "{terms:?} {apart:?}");
        for memory in &idle {
            *excess.entry(counted_in(memory)).or_default() -= 1;
        }
        others.retain(|memory| {
            let left = excess.entry(counted_in(memory)).or_default();
            *left -= 1;
            *left >= 0
        });
        let is_expired = |memory: &&Memory| {
            memory.state == MemoryState::Archived
                && !memory.protected
                && memory.updated_at <= terms.expired
        };
        let mut expired: Vec<&Memory> = all.iter().filter(is_expired).collect();
        expired.sort_by_key(|memory| (memory.updated_at, memory.id));
        let due = store.due(terms, 1_000).await.expect("due");
        assert_eq!(due.idle, ids(idle), "{terms:?}");
        assert_eq!(due.beyond, ids(others), "{terms:?} {apart:?}");
        assert_eq!(due.expired, ids(expired), "{terms:?}");
        assert!(!due.more);
    }
}
