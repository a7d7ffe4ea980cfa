//! Completion from the project's values in use, within limits.

use serde_json::{Value, json};

use super::{BOTH, Lifecycle, Mimo, procedure};

impl Mimo {
    fn complete(&mut self, of: Value, argument: &str, value: &str) -> Value {
        self.complete_with(of, argument, value, json!({}))
    }

    fn complete_with(&mut self, of: Value, argument: &str, value: &str, others: Value) -> Value {
        let params = json!({
            "ref": of,
            "argument": {"name": argument, "value": value},
            "context": {"arguments": others},
        });
        self.request("completion/complete", params)["completion"].take()
    }
}

fn prompt(name: &str) -> Value {
    json!({"type": "ref/prompt", "name": name})
}

fn template(uri: &str) -> Value {
    json!({"type": "ref/resource", "uri": uri})
}

fn all(values: &[&str]) -> Value {
    json!({"values": values, "total": values.len(), "hasMore": false})
}

#[test]
fn prompt_arguments_complete_from_values_in_use() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        for memory in [
            json!({"content": "One", "tags": ["Release", "100%_sure", "release-2"], "topic_key": "Rel*ease"}),
            json!({"content": "Two", "tags": ["Straße"], "project": "global", "topic_key": "release plan"}),
            json!({"content": "Three", "tags": ["relay", "hidden"], "project": "rockets", "topic_key": "rel secret"}),
        ] {
            mimo.store(memory);
        }
        let forgotten = mimo.store(json!({"content": "Four", "tags": ["relic"]}));
        mimo.tool(
            "memory_edit",
            json!({"action": "forget", "ids": [forgotten]}),
        );
        let triple = |subject: &str| json!({"subject": subject, "predicate": "knows", "object": "person:bob"});
        mimo.tool(
            "graph_update",
            json!({"assert": [triple("person:Relana Smith")]}),
        );
        let elsewhere = json!({"assert": [triple("person:Reland")], "project": "rockets"});
        mimo.tool("graph_update", elsewhere);

        let topics = mimo.complete(prompt("recall"), "topic", "REL");
        let expected = [
            "Rel*ease",
            "release plan",
            "Release",
            "release-2",
            "Relana Smith",
        ];
        assert_eq!(topics, all(&expected));
        let by_word = mimo.complete(prompt("recall"), "topic", "smi");
        assert_eq!(by_word, all(&["Relana Smith"]));
        let given = json!({"project": "rockets"});
        let theirs = mimo.complete_with(prompt("recall"), "topic", "rel", given);
        assert_eq!(theirs, all(&["rel secret", "relay", "Reland"]));
        // No character is special; entity names match by their words.
        for (typed, expected) in [
            ("100%_", &["100%_sure"][..]),
            ("100%s", &[]),
            ("%", &[]),
            ("_", &[]),
            ("*", &[]),
            ("rel*", &["Rel*ease", "Relana Smith"]),
            ("re?", &["Relana Smith"]),
            ("'; --", &[]),
            ("STRASS", &[]),
            ("stra", &["Straße"]),
        ] {
            let found = mimo.complete(prompt("recall"), "topic", typed);
            assert_eq!(found, all(expected), "{typed}");
        }
        let tags = mimo.complete(prompt("recall"), "tag", "rel");
        assert_eq!(tags, all(&["Release", "release-2"]));
        let projects = mimo.complete(prompt("handoff"), "project", "");
        assert_eq!(projects, all(&["website", "global", "rockets"]));
        let categories = mimo.complete(prompt("recall"), "category", "A");
        assert_eq!(categories, all(&["action"]));
        assert_eq!(mimo.complete(prompt("remember"), "what", "a"), all(&[]));
        assert_eq!(mimo.complete(prompt("nothing"), "what", "a"), all(&[]));
        mimo.end();
    }
}

#[test]
fn procedure_arguments_complete_from_their_schema() {
    let mut mimo = Mimo::start(Lifecycle::Session);
    for name in ["deploy", "recall", "redo.2"] {
        mimo.tool("procedure_define", procedure(name, "Does it"));
    }
    for name in ["deploy", "procedure:recall"] {
        let found = mimo.complete(prompt(name), "to", "p");
        assert_eq!(found, all(&["production", "Preview"]), "{name}");
        assert_eq!(mimo.complete(prompt(name), "who", ""), all(&[]));
    }
    let names = mimo.complete(template("mimo://procedure/{name}"), "name", "RE");
    assert_eq!(names, all(&["recall", "redo.2"]));
    mimo.end();
}

#[test]
fn resources_complete_by_id_key_and_name() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        let memories: Vec<Value> = (1..=12)
            .map(|n| json!({"content": format!("Number {n}")}))
            .collect();
        mimo.tool("memory_store", json!({ "memories": memories }));
        let other = mimo.store(json!({"content": "Theirs", "project": "rockets"}));
        assert_eq!(other, 13);
        let ids = template("mimo://memory/{id}");
        assert_eq!(
            mimo.complete(ids.clone(), "id", "1"),
            all(&["12", "11", "10", "1"])
        );
        assert_eq!(mimo.complete(ids.clone(), "id", "")["values"][0], "12");
        for wrong in ["0", "x", "-1", "99999999999999999999"] {
            assert_eq!(mimo.complete(ids.clone(), "id", wrong), all(&[]), "{wrong}");
        }
        let said = |subject: &str, object: &str, predicate: &str| json!({"subject": subject, "predicate": predicate, "object": object});
        mimo.tool(
            "graph_update",
            json!({"assert": [
                said("person:alice", "person:bob", "knows"),
                said("person:alice", "The Boss", "alias"),
                said("company:alpha", "Bolt Street", "located_in"),
            ]}),
        );
        mimo.tool(
            "graph_update",
            json!({
                "assert": [said("person:alien", "planet:bog", "lives_on")], "project": "rockets",
            }),
        );
        let entities = template("mimo://graph/{entity}");
        for (typed, expected) in [
            ("person:a", &["person:alice"][..]),
            ("PERSON:", &["person:alice", "person:bob"]),
            ("al", &["person:alice", "company:alpha"]),
            ("the b", &["person:alice"]),
            ("bo", &["person:bob", "thing:bolt_street", "person:alice"]),
            ("street", &["thing:bolt_street"]),
        ] {
            let mut found = mimo.complete(entities.clone(), "entity", typed);
            let mut expected = all(expected);
            for list in [&mut found, &mut expected] {
                let values = list["values"].as_array_mut().expect("values");
                values.sort_by_key(Value::to_string);
            }
            assert_eq!(found, expected, "{typed}");
        }
        // Prefix matches of the whole come before those of a word.
        let found = mimo.complete(entities, "entity", "bo");
        assert_eq!(found["values"][2], "person:alice", "{found}");
        mimo.end();
    }
}

#[test]
fn completion_returns_a_hundred_and_counts_the_rest() {
    let mut mimo = Mimo::start(Lifecycle::Session);
    let tags =
        |from: usize| -> Vec<String> { (from..from + 50).map(|n| format!("tag-{n:03}")).collect() };
    for from in [0, 50, 100] {
        mimo.store(json!({"content": format!("From {from}"), "tags": tags(from)}));
    }
    let found = mimo.complete(prompt("recall"), "tag", "TAG");
    assert_eq!(found["values"].as_array().expect("values").len(), 100);
    assert_eq!(
        (&found["total"], &found["hasMore"]),
        (&json!(150), &json!(true))
    );
    assert_eq!(found["values"][99], "tag-099");
    let found = mimo.complete(prompt("recall"), "tag", "tag-14");
    assert_eq!(
        (&found["total"], &found["hasMore"]),
        (&json!(10), &json!(false))
    );
    mimo.end();
}
