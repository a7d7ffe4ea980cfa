//! `ask_mimo` over real stores in a temporary folder.

use std::sync::atomic::Ordering;

use mimo::failure::Kind;
use serde_json::{Value, json};

use crate::support::tools::Mimo;

/// Sample data: project leads, the release procedure, and decisions.
fn workshop() -> Mimo {
    let mimo = Mimo::in_project("workshop");
    mimo.store_texts(&[
        "We decided that Apollo ships its release every second Tuesday.",
        "The coffee machine on the third floor is broken.",
    ]);
    let triples = json!([
        {"subject": "person:Karim", "predicate": "leads", "object": "project:Apollo"},
        {"subject": "person:Karim", "predicate": "lives_in", "object": "city:Lyon"},
        {"subject": "person:Zoe", "predicate": "paints", "object": "thing:Fences"},
    ]);
    mimo.call("graph_update", json!({ "assert": triples }))
        .expect("told");
    let definition = json!({
        "name": "ship_release", "version": "1.2.0", "initial_state": "note",
        "description": "How Apollo ships a release: tag it, then tell everyone.",
        "states": {
            "note": {
                "action": {"tool": "memory_store", "arguments": {"content": "shipped"}},
                "next": "done",
            },
            "done": {"end": true},
        },
    });
    let defined = mimo.call("procedure_define", json!({ "definition": definition }));
    assert_eq!(defined.expect("defined")["outcome"], "created");
    mimo
}

fn ask(mimo: &Mimo, arguments: Value) -> Value {
    mimo.call("ask_mimo", arguments).expect("an answer")
}

fn citations(answer: &Value) -> Vec<&str> {
    let list = answer["synthesis"]["citations"].as_array();
    let list = list.expect("citations").iter();
    list.filter_map(Value::as_str).collect()
}

fn text(answer: &Value) -> &str {
    answer["synthesis"]["text"].as_str().expect("a text")
}

#[test]
fn one_question_is_answered_from_memory_graph_and_procedure() {
    let mimo = workshop();
    let query = "Who leads Apollo, when did we decide it ships, and how do we ship a release?";
    let answer = ask(&mimo, json!({ "query": query, "detail": "full" }));
    let mut cited = citations(&answer);
    cited.sort_unstable();
    assert_eq!(
        cited,
        ["memory:1", "procedure:ship_release@1.2.0", "triple:1"],
        "{answer:#}"
    );
    for said in [
        "Karim leads Apollo",
        "every second Tuesday",
        "tag it, then tell",
    ] {
        assert!(text(&answer).contains(said), "{answer:#}");
    }
    assert_eq!(answer["results"]["episodic"][0]["id"], 1, "{answer:#}");
    let triple = &answer["results"]["semantic"][0];
    assert_eq!(triple["subject"], "person:karim", "{answer:#}");
    let procedure = &answer["results"]["procedural"][0];
    assert_eq!(procedure["name"], "ship_release", "{answer:#}");
    assert_eq!(answer["failed"], json!({}));
    assert_eq!(answer["synthesis"]["by"], "extract");
    let keys: Vec<&String> = answer.as_object().expect("an object").keys().collect();
    assert!(!keys.iter().any(|key| *key == "truncated"), "{keys:?}");
    assert!(!keys.iter().any(|key| *key == "degraded"), "{keys:?}");
}

/// The default answer: what it quotes and where from, and nothing twice.
#[test]
fn by_default_only_cited_passages_come_back() {
    let mimo = workshop();
    let answer = ask(&mimo, json!({"query": "When does Apollo ship?"}));
    let keys: Vec<&String> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["synthesis", "context_id"], "{answer:#}");
    assert_eq!(citations(&answer).first(), Some(&"memory:1"), "{answer:#}");
    let whole = answer.to_string();
    assert_eq!(whole.matches("every second Tuesday").count(), 1, "{whole}");
    assert!(!whole.contains("coffee machine"), "{whole}");
    let reversed = json!({"query": "When does Apollo ship?", "detail": "half"});
    let failure = mimo.call("ask_mimo", reversed).expect_err("no such detail");
    assert_eq!(failure.path.as_deref(), Some("/detail"));
}

/// Beside a text with many relevant memories, the answer stays short.
#[test]
fn default_answer_is_short_however_much_is_relevant() {
    let mimo = Mimo::new();
    let notes: Vec<String> = ('a'..='z')
        .map(|letter| {
            format!(
                "Apollo note {}: the launch needs more of it.",
                letter.to_string().repeat(4)
            )
        })
        .collect();
    let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    mimo.store_texts(&notes);
    let query = "What was noted about the Apollo launch?";
    let short = ask(&mimo, json!({ "query": query })).to_string();
    assert!(short.len() < 1200, "{}: {short}", short.len());
    let full = json!({"query": query, "detail": "full"});
    assert!(ask(&mimo, full).to_string().len() > 2 * short.len());
}

#[test]
fn no_answer_is_reported() {
    let answer = ask(
        &workshop(),
        json!({"query": "Which violin did Paganini own?"}),
    );
    assert_eq!(citations(&answer), [""; 0], "{answer:#}");
    let said = text(&answer);
    assert!(
        said.starts_with("Nothing that answers this was found"),
        "{said}"
    );
}

#[test]
fn only_chosen_stores_are_searched() {
    let mimo = workshop();
    let chosen = json!({
        "query": "Who leads Apollo?", "stores": ["procedural", "episodic"], "detail": "full",
    });
    let answer = ask(&mimo, chosen);
    let decision = &answer["router_decision"];
    assert_eq!(decision["primary_store"], "procedural");
    assert_eq!(decision["secondary_stores"], json!(["episodic"]));
    assert_eq!(answer["results"]["semantic"], json!([]));
    assert_eq!(answer["results"]["skills"], json!([]));
    assert_ne!(answer["results"]["episodic"], json!([]), "{answer:#}");
}

#[test]
fn failed_store_is_named_and_the_others_answer() {
    let mimo = workshop();
    let file = mimo.folder.path().join("mimo.db");
    let file = rusqlite::Connection::open(file).expect("the database");
    file.execute_batch("ALTER TABLE graph_word RENAME TO gone")
        .expect("renamed");
    let answer = ask(
        &mimo,
        json!({"query": "When does Apollo ship?", "stores": ["semantic", "procedural"]}),
    );
    let failed = answer["failed"].as_object().expect("an object");
    assert_eq!(
        failed.keys().collect::<Vec<_>>(),
        ["semantic"],
        "{answer:#}"
    );
    assert_eq!(citations(&answer), ["procedure:ship_release@1.2.0"]);
}

#[test]
fn without_an_encoder_keywords_decide_and_a_note_says_so() {
    let mimo = workshop();
    mimo.encoder.broken.store(true, Ordering::Relaxed);
    let answer = ask(&mimo, json!({"query": "Who leads Apollo?"}));
    assert!(citations(&answer).contains(&"triple:1"), "{answer:#}");
    let degraded = answer["degraded"].as_str().expect("said");
    assert!(degraded.contains("words only"), "{degraded}");
}

#[test]
fn conversation_continues() {
    let mimo = workshop();
    let first = ask(&mimo, json!({"query": "Who leads Apollo?"}));
    let id = &first["context_id"];
    let next = json!({"query": "Where does he live?", "context_id": id});
    let answer = ask(&mimo, next);
    assert_eq!(&answer["context_id"], id);
    assert!(text(&answer).contains("Karim lives in Lyon"), "{answer:#}");
    let alone = ask(&mimo, json!({"query": "Where does he live?"}));
    assert!(!text(&alone).contains("Lyon"), "{alone:#}");
    let lost = json!({"query": "Where does he live?", "context_id": "0123456789abcdef"});
    let lost = ask(&mimo, lost);
    assert_ne!(lost["context_id"], "0123456789abcdef");
    let degraded = lost["degraded"].as_str().expect("said");
    assert!(degraded.contains("context_id"), "{degraded}");
}

#[test]
fn whole_answer_stays_within_budget() {
    let mimo = workshop();
    let memories: Vec<Value> = (0..30u8)
        .map(|nth| {
            let quoted = "\"so\" \\ ".repeat(40);
            // Words, because of notes that differ in numbers the newest would do.
            let word = char::from(b'a' + nth % 26)
                .to_string()
                .repeat(3 + usize::from(nth / 26));
            json!({"content": format!("Apollo note {word}: it said {quoted} and {word} more.")})
        })
        .collect();
    mimo.store(json!(memories));
    for (max_tokens, detail) in [
        (256, "full"),
        (400, "full"),
        (1000, "cited"),
        (2000, "full"),
    ] {
        let query = "What was noted about Apollo?";
        let arguments = json!({"query": query, "max_tokens": max_tokens, "detail": detail});
        let answer = ask(&mimo, arguments);
        let bytes = answer.to_string().len();
        assert!(bytes <= max_tokens * 4, "{bytes} for {max_tokens}");
        assert_eq!(answer["truncated"], true);
    }
    let large = json!({"query": "Who leads Apollo?", "max_tokens": 200_000});
    assert_eq!(ask(&mimo, large).get("truncated"), None);
}

#[test]
fn invalid_arguments_are_explained() {
    let mimo = workshop();
    for (arguments, path) in [
        (json!({}), "/query"),
        (json!({"query": "  "}), "/query"),
        (json!({"query": "a".repeat(200_000)}), "/query"),
        (json!({"query": "a", "stores": ["attic"]}), "/stores/0"),
        (json!({"query": "a", "timeout_ms": 0}), "/timeout_ms"),
        (
            json!({"query": "a", "timeout_ms": 86_400_000}),
            "/timeout_ms",
        ),
        (json!({"query": "a", "max_tokens": 10}), "/max_tokens"),
    ] {
        let failure = mimo.call("ask_mimo", arguments).expect_err("no sense");
        assert_eq!(failure.kind, Kind::InvalidArguments, "{failure}");
        assert_eq!(failure.path.as_deref(), Some(path), "{failure}");
    }
}
