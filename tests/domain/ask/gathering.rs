//! Links between stores, outdated facts and contradictions.

use std::future::pending;
use std::sync::Arc;

use mimo::caller::Reach;
use mimo::store::graph::{GraphRead, GraphStore, GraphWrite};
use mimo::store::names::{Names, NamesQuery, SpelledKind};
use mimo::store::{NameStore, Stored};
use serde_json::{Value, json};

use crate::support::tools::Mimo;

fn tell(mimo: &Mimo, project: &str, triples: Value) {
    mimo.call(
        "graph_update",
        json!({"assert": triples, "project": project}),
    )
    .expect("told");
}

fn ask(mimo: &Mimo, query: &str) -> Value {
    let arguments = json!({
        "query": query, "stores": ["episodic", "semantic"], "detail": "full",
    });
    mimo.call("ask_mimo", arguments).expect("an answer")
}

fn citations(answer: &Value) -> Vec<&str> {
    let list = answer["synthesis"]["citations"].as_array();
    list.expect("citations")
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

fn text(answer: &Value) -> &str {
    answer["synthesis"]["text"].as_str().expect("a text")
}

/// The graph's aliases find memories that use another name than the question.
#[test]
fn memories_are_found_by_aliases() {
    let mimo = Mimo::new();
    let people = json!([
        {"subject": "person:Roberta", "predicate": "leads", "object": "team:Harbour"},
        {"subject": "person:Roberta", "predicate": "alias", "object": "Bobbie"},
    ]);
    tell(&mimo, "global", people);
    mimo.store_texts(&["Roberta drinks tea, never coffee."]);
    // Enough other memories that similarity alone finds something else.
    let others: Vec<String> = (0..40)
        .map(|n| format!("Bobbin {n} does drink oil."))
        .collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    mimo.store_texts(&others);
    let answer = ask(&mimo, "What does Bobbie drink?");
    let memories = answer["results"]["episodic"].as_array().expect("rows");
    assert!(memories.iter().any(|row| row["id"] == 1), "{answer:#}");
    let ids: Vec<&Value> = memories.iter().map(|row| &row["id"]).collect();
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(ids.len(), once.len(), "{answer:#}");
}

/// The question names no known entity, but the answering memory does.
#[test]
fn triples_are_found_around_entities_of_the_best_memories() {
    let mimo = Mimo::new();
    let owners =
        json!([{"subject": "service:Ledger", "predicate": "owned_by", "object": "team:Harbour"}]);
    tell(&mimo, "global", owners);
    mimo.store_texts(&["Invoices that fail at night are the fault of Ledger."]);
    let answer = ask(&mimo, "Whose fault are the invoices that fail at night?");
    let triples = answer["results"]["semantic"].as_array().expect("rows");
    assert_eq!(triples[0]["subject"], "service:ledger", "{answer:#}");
    assert_eq!(triples.len(), 1, "{answer:#}");
}

/// A thousand triples point to the entity, one answers.
#[test]
fn the_predicate_asked_for_is_found_among_very_many_triples() {
    let mimo = Mimo::new();
    for fifty in 0..20 {
        let crowd = (0..50).map(|nth| {
            let worker = format!("person:w{fifty}x{nth}");
            json!({"subject": worker, "predicate": "works_at", "object": "company:Acme"})
        });
        tell(&mimo, "global", crowd.collect());
    }
    let founded =
        json!([{"subject": "person:Ines", "predicate": "founded", "object": "company:Acme"}]);
    tell(&mimo, "global", founded);
    let answer = ask(&mimo, "Who founded Acme?");
    assert!(text(&answer).contains("Ines founded Acme"), "{answer:#}");
    assert_eq!(
        answer["results"]["semantic"][0]["subject"], "person:ines",
        "{answer:#}"
    );
}

#[test]
fn superseded_facts_answer_questions_about_the_past() {
    let mimo = Mimo::with("global", &["works_at"], |store| store);
    for company in ["Acme", "Borealis"] {
        let job = json!([{"subject": "person:Alice", "predicate": "works_at", "object": company}]);
        tell(&mimo, "global", job);
        let desk = format!("The desk of Alice is at {company}.");
        let memory = json!([{"content": desk, "topic_key": "alice-desk"}]);
        mimo.store(memory);
    }
    let now = ask(
        &mimo,
        "Where does Alice work, and where is the desk of Alice?",
    );
    assert!(!text(&now).contains("Acme"), "{now:#}");
    assert!(text(&now).contains("Borealis"), "{now:#}");
    let before = ask(
        &mimo,
        "Where did Alice work before, and where was the desk of Alice?",
    );
    let said = text(&before);
    for expected in [
        "Alice works at Acme until 2026-11-22\" [triple:1, 2026-11-22, superseded]",
        "The desk of Alice is at Acme.\" [memory:2, 2026-11-22, superseded]",
        "Alice works at Borealis",
        "The desk of Alice is at Borealis",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn retracted_facts_are_never_used() {
    let mimo = Mimo::new();
    let job = json!([{"subject": "person:Alice", "predicate": "works_at", "object": "Acme"}]);
    tell(&mimo, "global", job);
    mimo.call("graph_update", json!({"retract": [1]}))
        .expect("taken back");
    let answer = ask(&mimo, "Where did Alice work before?");
    assert_eq!(answer["results"]["semantic"], json!([]), "{answer:#}");
}

#[test]
fn contradictory_facts_are_marked() {
    let mimo = Mimo::with("workshop", &["leads"], |store| store);
    tell(
        &mimo,
        "global",
        json!([{"subject": "person:Karim", "predicate": "leads", "object": "project:Apollo"}]),
    );
    tell(
        &mimo,
        "workshop",
        json!([{"subject": "person:Karim", "predicate": "leads", "object": "project:Zephyr"}]),
    );
    let answer = ask(&mimo, "What does Karim lead?");
    for (one, other) in [("triple:1", "triple:2"), ("triple:2", "triple:1")] {
        let note = format!("[{one}, 2026-11-22, contradicts {other}]");
        assert!(text(&answer).contains(&note), "{note}\n{}", text(&answer));
    }
    mimo.store_texts(&[
        "The deposit for the flat is 2400 euros.",
        "The deposit for the flat is 2600 euros.",
    ]);
    let answer = ask(&mimo, "How much is the deposit for the flat?");
    let said = text(&answer);
    let (newer, older) = (
        said.find("2600").expect("said"),
        said.find("2400").expect("said"),
    );
    assert!(newer < older, "{said}");
    assert!(said.contains("contradicts memory:1]"), "{said}");
    assert!(
        citations(&answer).starts_with(&["memory:2", "memory:1"]),
        "{said}"
    );
}

/// The router searches only the graph for such a question; an empty result is
/// reported only after the memories were searched too.
#[test]
fn empty_chosen_stores_fall_back_to_the_others() {
    let mimo = Mimo::new();
    mimo.store_texts(&["Karim leads Apollo since the spring."]);
    let answer = mimo.call(
        "ask_mimo",
        json!({"query": "Who leads Apollo?", "detail": "full"}),
    );
    let answer = answer.expect("an answer");
    assert_eq!(answer["router_decision"]["primary_store"], "semantic");
    assert_eq!(citations(&answer), ["memory:1"], "{answer:#}");
    let why = answer["router_decision"]["reasoning"].as_str();
    assert!(why.expect("said").contains("other stores"), "{answer:#}");
    let chosen = json!({"query": "Who leads Apollo?", "stores": ["semantic"]});
    let answer = mimo.call("ask_mimo", chosen).expect("an answer");
    assert_eq!(citations(&answer), [""; 0], "{answer:#}");
}

/// A graph store that accepts writes and never answers a query.
struct Mute(Arc<dyn GraphStore>);

impl NameStore for Mute {
    fn spellings(
        &self,
        reach: &Reach,
        kind: SpelledKind,
        names: Vec<String>,
    ) -> Stored<'_, Vec<Vec<String>>> {
        self.0.spellings(reach, kind, names)
    }

    fn names(&self, query: NamesQuery) -> Stored<'_, Names> {
        self.0.names(query)
    }

    fn memories_by_name(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        name: String,
        limit: usize,
    ) -> Stored<'_, Vec<i64>> {
        self.0.memories_by_name(reach, projects, name, limit)
    }
}

impl GraphStore for Mute {
    fn read_graph(&self, _: Reach, _: GraphRead) -> Stored<'_, ()> {
        Box::pin(pending())
    }

    fn write_graph(&self, reach: Reach, work: GraphWrite) -> Stored<'_, ()> {
        self.0.write_graph(reach, work)
    }
}

#[test]
fn hanging_store_times_out_and_others_answer() {
    let mimo = Mimo::with("global", &[], |store| Arc::new(Mute(store)));
    mimo.store_texts(&["Karim leads Apollo since the spring."]);
    let patient = json!({
        "query": "Who leads Apollo?", "stores": ["semantic", "episodic"], "timeout_ms": 1500,
    });
    let answer = mimo.call("ask_mimo", patient).expect("an answer");
    assert_eq!(
        answer["failed"],
        json!({"semantic": "timeout"}),
        "{answer:#}"
    );
    assert_eq!(citations(&answer), ["memory:1"], "{answer:#}");
}
