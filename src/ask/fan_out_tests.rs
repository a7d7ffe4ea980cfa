//! Stores that hang, fail, panic, are slow or return junk, on a clock that
//! advances only while every task waits.

use std::time::Duration;

use super::*;
use crate::ask::{Evidence, Record, SkillTool};

fn hit(store: StoreKind, text: &str) -> Hit {
    Hit {
        record: Record::Tool(SkillTool {
            name: text.to_owned(),
            skill: String::new(),
            tool: String::new(),
            description: String::new(),
            is_read_only: true,
        }),
        evidence: Evidence::new(store, format!("{}:{text}", store.name()), text.to_owned()),
        entities: Vec::new(),
    }
}

fn finds(hits: Vec<Hit>) -> Result<StoreResults, Failure> {
    Ok(StoreResults {
        hits,
        degraded: None,
    })
}

/// A store that answers after this many milliseconds.
fn after(millis: u64, answer: Result<StoreResults, Failure>) -> StoreSearch {
    Box::new(move || {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            answer
        })
    })
}

fn hangs() -> StoreSearch {
    Box::new(|| Box::pin(std::future::pending()))
}

fn in_millis(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn hanging_store_times_out_and_the_others_answer() {
    let began = Instant::now();
    let searches = vec![
        (StoreKind::Episodic, hangs()),
        (
            StoreKind::Semantic,
            after(300, finds(vec![hit(StoreKind::Semantic, "a")])),
        ),
    ];
    let findings = fan_out(searches, in_millis(1000)).await;
    assert_eq!(began.elapsed(), Duration::from_millis(1000));
    assert_eq!(
        findings.hits,
        [(StoreKind::Semantic, vec![hit(StoreKind::Semantic, "a")])].into()
    );
    assert_eq!(
        findings.failed,
        [(StoreKind::Episodic, Kind::Timeout)].into()
    );
}

#[tokio::test(start_paused = true)]
async fn stores_are_searched_at_once_without_waiting_for_the_deadline() {
    let began = Instant::now();
    let slow = |store| (store, after(700, finds(vec![hit(store, "a")])));
    let findings = fan_out(StoreKind::ALL.map(slow).into(), in_millis(1000)).await;
    assert_eq!(began.elapsed(), Duration::from_millis(700));
    assert_eq!(findings.hits.len(), 4);
    assert_eq!(findings.failed, [].into());
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_reported_by_their_kind() {
    let locked = Failure::new(Kind::Unavailable, "the database is locked");
    let searches: Vec<(StoreKind, StoreSearch)> = vec![
        (StoreKind::Episodic, after(0, Err(locked))),
        (
            StoreKind::Semantic,
            Box::new(|| panic!("before the future")),
        ),
        (
            StoreKind::Procedural,
            Box::new(|| Box::pin(async { panic!("inside of it") })),
        ),
        (
            StoreKind::Skills,
            after(10, finds(vec![hit(StoreKind::Skills, "a")])),
        ),
    ];
    let findings = fan_out(searches, in_millis(1000)).await;
    assert_eq!(
        findings.failed,
        [
            (StoreKind::Episodic, Kind::Unavailable),
            (StoreKind::Semantic, Kind::Internal),
            (StoreKind::Procedural, Kind::Internal),
        ]
        .into()
    );
    assert_eq!(findings.hits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unusable_hits_are_dropped() {
    let many = (0..1000).map(|nth| hit(StoreKind::Semantic, &nth.to_string()));
    let mut nameless = hit(StoreKind::Episodic, "nameless");
    nameless.evidence.citation.clear();
    let junk = vec![
        hit(StoreKind::Episodic, " "),
        hit(StoreKind::Skills, "of another store"),
        nameless,
        hit(StoreKind::Episodic, "good"),
    ];
    let searches = vec![
        (StoreKind::Episodic, after(0, finds(junk))),
        (StoreKind::Semantic, after(0, finds(many.collect()))),
    ];
    let findings = fan_out(searches, in_millis(1000)).await;
    assert_eq!(
        findings.hits[&StoreKind::Episodic],
        [hit(StoreKind::Episodic, "good")]
    );
    assert_eq!(
        findings.hits[&StoreKind::Semantic].len(),
        limits::ASK_HITS_PER_STORE_MAX
    );
    assert_eq!(findings.failed, [].into());
}

#[tokio::test(start_paused = true)]
async fn empty_search_ends_at_once() {
    let began = Instant::now();
    let findings = fan_out(Vec::new(), in_millis(1000)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(findings.hits.is_empty() && findings.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn linked_hits_do_not_revive_a_failed_store() {
    let searches = vec![
        (StoreKind::Episodic, after(0, finds(Vec::new()))),
        (StoreKind::Semantic, hangs()),
    ];
    let mut findings = fan_out(searches, in_millis(10)).await;
    for store in [StoreKind::Episodic, StoreKind::Semantic, StoreKind::Skills] {
        findings.extend(store, Vec::new());
        findings.extend(store, vec![hit(store, "a")]);
    }
    let found = vec![hit(StoreKind::Episodic, "a")];
    assert_eq!(findings.hits, [(StoreKind::Episodic, found)].into());
}
