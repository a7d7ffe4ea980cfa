//! Stores that hang, fail, panic, dawdle or talk nonsense, on a clock that
//! moves only where everyone waits.

use std::time::Duration;

use serde_json::json;

use super::*;

fn hit(store: Store, text: &str) -> Hit {
    Hit {
        row: json!({ "text": text }),
        item: Item::new(store, format!("{}:{text}", store.name()), text.to_owned()),
        entities: Vec::new(),
    }
}

fn finds(list: Vec<Hit>) -> Result<Hits, Failure> {
    Ok(Hits {
        list,
        degraded: None,
    })
}

/// A store that answers after so many milliseconds.
fn after(millis: u64, answer: Result<Hits, Failure>) -> Search {
    Box::new(move || {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            answer
        })
    })
}

fn hangs() -> Search {
    Box::new(|| Box::pin(std::future::pending()))
}

fn in_millis(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_late_and_the_others_answer() {
    let began = Instant::now();
    let searches = vec![
        (Store::Episodic, hangs()),
        (
            Store::Semantic,
            after(300, finds(vec![hit(Store::Semantic, "a")])),
        ),
    ];
    let gathered = gather(searches, in_millis(1000)).await;
    assert_eq!(began.elapsed(), Duration::from_millis(1000));
    assert_eq!(
        gathered.found,
        [(Store::Semantic, vec![hit(Store::Semantic, "a")])].into()
    );
    assert_eq!(gathered.failed, [(Store::Episodic, Kind::Timeout)].into());
}

#[tokio::test(start_paused = true)]
async fn stores_are_searched_at_once_and_nobody_waits_for_the_deadline() {
    let began = Instant::now();
    let slow = |store| (store, after(700, finds(vec![hit(store, "a")])));
    let gathered = gather(Store::ALL.map(slow).into(), in_millis(1000)).await;
    assert_eq!(began.elapsed(), Duration::from_millis(700));
    assert_eq!(gathered.found.len(), 4);
    assert_eq!(gathered.failed, [].into());
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_named_by_their_kind() {
    let locked = Failure::new(Kind::Unavailable, "the database is locked");
    let searches: Vec<(Store, Search)> = vec![
        (Store::Episodic, after(0, Err(locked))),
        (Store::Semantic, Box::new(|| panic!("before the future"))),
        (
            Store::Procedural,
            Box::new(|| Box::pin(async { panic!("inside of it") })),
        ),
        (
            Store::Skills,
            after(10, finds(vec![hit(Store::Skills, "a")])),
        ),
    ];
    let gathered = gather(searches, in_millis(1000)).await;
    assert_eq!(
        gathered.failed,
        [
            (Store::Episodic, Kind::Unavailable),
            (Store::Semantic, Kind::Internal),
            (Store::Procedural, Kind::Internal),
        ]
        .into()
    );
    assert_eq!(gathered.found.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn junk_is_left_out() {
    let many = (0..1000).map(|nth| hit(Store::Semantic, &nth.to_string()));
    let mut nameless = hit(Store::Episodic, "nameless");
    nameless.item.citation.clear();
    let junk = vec![
        hit(Store::Episodic, " "),
        hit(Store::Skills, "of another store"),
        nameless,
        hit(Store::Episodic, "good"),
    ];
    let searches = vec![
        (Store::Episodic, after(0, finds(junk))),
        (Store::Semantic, after(0, finds(many.collect()))),
    ];
    let gathered = gather(searches, in_millis(1000)).await;
    assert_eq!(
        gathered.found[&Store::Episodic],
        [hit(Store::Episodic, "good")]
    );
    assert_eq!(
        gathered.found[&Store::Semantic].len(),
        limits::ASK_HITS_OF_ONE_MAX
    );
    assert_eq!(gathered.failed, [].into());
}

#[tokio::test(start_paused = true)]
async fn nothing_to_search_is_over_at_once() {
    let began = Instant::now();
    let gathered = gather(Vec::new(), in_millis(1000)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(gathered.found.is_empty() && gathered.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_failed_stays_missing_whatever_others_lead_to() {
    let searches = vec![
        (Store::Episodic, after(0, finds(Vec::new()))),
        (Store::Semantic, hangs()),
    ];
    let mut gathered = gather(searches, in_millis(10)).await;
    for store in [Store::Episodic, Store::Semantic, Store::Skills] {
        gathered.bring(store, Vec::new());
        gathered.bring(store, vec![hit(store, "a")]);
    }
    let found = vec![hit(Store::Episodic, "a")];
    assert_eq!(gathered.found, [(Store::Episodic, found)].into());
}
