//! Selection of results of several stores within a budget.

use mimo::ask::{Candidate, Evidence, Router, StoreKind, select};

use super::answering::item;

fn found(store: StoreKind, citation: &str, text: &str, rank: usize, bytes: usize) -> Candidate {
    let item = Evidence {
        store,
        ..item(citation, text)
    };
    Candidate {
        evidence: item,
        rank,
        bytes,
    }
}

const ASKED: &str = "Who owns the billing service?";

fn kept(found: &[Candidate], tokens: usize) -> (Vec<&str>, bool) {
    let selection = select(ASKED, None, found, tokens);
    let name = |place: &usize| found[*place].evidence.citation.as_str();
    (
        selection.indices.iter().map(name).collect(),
        selection.is_truncated,
    )
}

#[test]
fn answers_of_every_store_are_selected() {
    let all = [
        found(
            StoreKind::Episodic,
            "memory:1",
            "The garden needs water.",
            0,
            400,
        ),
        found(StoreKind::Episodic, "memory:2", "The sea is cold.", 1, 400),
        found(
            StoreKind::Semantic,
            "triple:1",
            "Priya owns the billing service",
            0,
            400,
        ),
        found(
            StoreKind::Skills,
            "skill:a__b",
            "Lists invoices of the billing service",
            5,
            400,
        ),
    ];
    assert_eq!(kept(&all, 200), (vec!["triple:1", "skill:a__b"], true));
    let (everything, truncated) = kept(&all, 400);
    assert_eq!((everything.len(), truncated), (4, false));
}

#[test]
fn oversized_item_yields_to_smaller_ones() {
    let all = [
        found(
            StoreKind::Semantic,
            "triple:1",
            "Priya owns the billing service",
            0,
            900,
        ),
        found(
            StoreKind::Semantic,
            "triple:2",
            "Billing depends on ledger",
            1,
            100,
        ),
    ];
    assert_eq!(kept(&all, 100), (vec!["triple:2"], true));
    assert_eq!(kept(&all, 0), (vec![], true));
    assert_eq!(kept(&[], 0), (vec![], false));
}

#[test]
fn duplicates_across_stores_count_once() {
    let all = [
        found(
            StoreKind::Episodic,
            "memory:1",
            "Priya owns the billing service.",
            0,
            10,
        ),
        found(
            StoreKind::Semantic,
            "triple:1",
            "priya owns the billing service",
            0,
            10,
        ),
        found(
            StoreKind::Episodic,
            "memory:2",
            "Priya owns not the billing service.",
            1,
            10,
        ),
    ];
    assert_eq!(kept(&all, 100), (vec!["memory:1", "memory:2"], false));
}

#[test]
fn ties_prefer_the_primary_store_and_the_newer_item() {
    let decision = Router::new().expect("routes").route(ASKED, None);
    assert_eq!(decision.primary, StoreKind::Semantic);
    let mut all = vec![
        found(
            StoreKind::Episodic,
            "memory:1",
            "Billing service: Priya",
            0,
            10,
        ),
        found(
            StoreKind::Semantic,
            "triple:1",
            "Billing service: Tom",
            0,
            10,
        ),
    ];
    let first = |all: &[Candidate]| select(ASKED, Some(&decision), all, 100).indices[0];
    assert_eq!(first(&all), 1);
    all[1].evidence.superseded = true;
    assert_eq!(first(&all), 0);
}
