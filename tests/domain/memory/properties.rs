//! Any sequence of calls against a plain model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::random::property;
use crate::support::tools::Mimo;

const TEXTS: [&str; 5] = [
    "red apple",
    "green pear",
    "blue plum",
    "old cherry",
    "new fig",
];
const TOPICS: [&str; 2] = ["fruit/best", "fruit/worst"];

#[derive(Clone, Debug)]
enum Step {
    Store { text: usize, topic: Option<usize> },
    Supersede { text: usize, id: i64 },
    Update { id: i64, text: usize },
    Forget { id: i64 },
    Restore { id: i64 },
    UndoLast,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = 0..TEXTS.len();
    let id = 1..8i64;
    let step = prop_oneof![
        4 => (text.clone(), proptest::option::of(0..TOPICS.len()))
            .prop_map(|(text, topic)| Step::Store { text, topic }),
        2 => (text.clone(), id.clone()).prop_map(|(text, id)| Step::Supersede { text, id }),
        2 => (text, id.clone()).prop_map(|(text, id)| Step::Update { id, text }),
        2 => id.clone().prop_map(|id| Step::Forget { id }),
        2 => id.prop_map(|id| Step::Restore { id }),
        2 => Just(Step::UndoLast),
    ];
    proptest::collection::vec(step, 1..25)
}

/// Everything a client can see of every memory: text, state and topic by id.
type Seen = BTreeMap<i64, (String, String, Option<String>)>;

fn seen(mimo: &Mimo) -> Seen {
    let ids: Vec<i64> = (1..=60).collect();
    let Ok(found) = mimo.call("memory_search", json!({"ids": ids, "max_tokens": 100_000})) else {
        return Seen::new();
    };
    let text = |item: &Value, key: &str| item[key].as_str().map(str::to_owned);
    found["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            let state = text(item, "state").unwrap_or_else(|| "active".to_owned());
            let content = text(item, "content").expect("a text");
            (
                item["id"].as_i64().expect("id"),
                (content, state, text(item, "topic_key")),
            )
        })
        .collect()
}

fn perform(mimo: &Mimo, step: &Step, undo_id: &Value) -> Result<Value, mimo::failure::Failure> {
    let edit = |arguments| mimo.call("memory_edit", arguments);
    match step {
        Step::Store { text, topic } => mimo.call(
            "memory_store",
            json!({"content": TEXTS[*text], "topic_key": topic.map(|topic| TOPICS[topic])}),
        ),
        Step::Supersede { text, id } => mimo.call(
            "memory_store",
            json!({"content": TEXTS[*text], "supersedes_id": id}),
        ),
        Step::Update { id, text } => {
            edit(json!({"action": "update", "ids": [id], "content": TEXTS[*text]}))
        }
        Step::Forget { id } => edit(json!({"action": "forget", "ids": [id]})),
        Step::Restore { id } => edit(json!({"action": "restore", "ids": [id]})),
        Step::UndoLast => edit(json!({"action": "undo", "undo_id": undo_id})),
    }
}

/// Invariants after every step.
fn check_invariants(before: &Seen, after: &Seen, failed: bool) {
    if failed {
        assert_eq!(before, after, "a refused call changed something");
    }
    for id in before.keys() {
        assert!(after.contains_key(id), "memory {id} was erased");
    }
    let active: Vec<_> = after
        .values()
        .filter(|(_, state, _)| state == "active")
        .collect();
    for (nth, one) in active.iter().enumerate() {
        for other in &active[nth + 1..] {
            assert_ne!(one.0, other.0, "two active memories say the same");
            assert!(
                one.2.is_none() || one.2 != other.2,
                "two hold one topic key"
            );
        }
    }
}

/// The effect of the step itself.
fn check_effect(step: &Step, answer: &Value, after: &Seen) {
    let stored = || {
        let id = answer["results"][0]["id"].as_i64().expect("an id");
        after[&id].clone()
    };
    match step {
        Step::Store { text, topic } => {
            let (content, state, held) = stored();
            assert_eq!((content.as_str(), state.as_str()), (TEXTS[*text], "active"));
            if let Some(topic) = topic {
                assert_eq!(held.as_deref(), Some(TOPICS[*topic]));
            }
        }
        Step::Supersede { text, id } => {
            assert_eq!(stored().0, TEXTS[*text]);
            let same = answer["results"][0]["id"] == *id;
            assert_eq!(after[id].1, if same { "active" } else { "superseded" });
        }
        Step::Update { id, text } => assert_eq!(after[id].0, TEXTS[*text]),
        Step::Forget { id } => assert_eq!(after[id].1, "archived"),
        Step::Restore { id } => assert_ne!(after[id].1, "archived"),
        Step::UndoLast => {}
    }
}

/// Search shows the active memories and no others.
fn check_search(mimo: &Mimo, after: &Seen) {
    let active = |(_, (_, state, _)): &(&i64, &(String, String, Option<String>))| state == "active";
    let expected: Vec<i64> = after.iter().filter(active).map(|(id, _)| *id).collect();
    let sorted = |arguments: Value| {
        let mut ids = mimo.ids(arguments);
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(json!({"limit": 100})), expected);
    let all = "red green blue old new apple pear plum cherry fig";
    for mode in ["keyword", "semantic", "hybrid"] {
        let ask = json!({"query": all, "mode": mode, "threshold": -1, "limit": 100});
        assert_eq!(sorted(ask), expected, "{mode}");
    }
}

proptest! {
    #![proptest_config(property(48))]

    #[test]
    fn any_sequence_of_calls_matches_the_model(steps in steps()) {
        let mimo = Mimo::new();
        let mut before = Seen::new();
        // The last edit's undo id, and the state before that edit.
        let mut undo: (Value, Seen) = (json!("none"), Seen::new());
        for step in &steps {
            let answer = perform(&mimo, step, &undo.0);
            let after = seen(&mimo);
            check_invariants(&before, &after, answer.is_err());
            if let Ok(answer) = &answer {
                check_effect(step, answer, &after);
                if let Step::UndoLast = step {
                    for id in answer["changed"].as_array().expect("ids") {
                        let id = id.as_i64().expect("an id");
                        prop_assert_eq!(&after[&id], &undo.1[&id], "undone");
                    }
                }
                if !answer["undo_id"].is_null() {
                    undo = (answer["undo_id"].clone(), before.clone());
                }
            }
            before = after;
        }
        check_search(&mimo, &before);
    }
}
