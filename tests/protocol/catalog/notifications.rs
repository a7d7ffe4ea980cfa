//! Notifications of changed lists and resources.

use serde_json::{Value, json};

use super::{BOTH, Lifecycle, Mimo, command, procedure};

#[test]
fn defined_procedure_is_announced_as_a_prompt() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        match lifecycle {
            Lifecycle::Stateless => mimo.listen(json!({"promptsListChanged": true})),
            // A client that never listed is not notified of list changes.
            Lifecycle::Session => drop(mimo.request("prompts/list", json!({}))),
        }
        mimo.tool("procedure_define", procedure("deploy", "Deploys it"));
        mimo.wait_for("notifications/prompts/list_changed");
        let listed = mimo.request("prompts/list", json!({})).to_string();
        assert!(listed.contains(r#""name":"deploy""#), "{listed}");
        // A new version with a new description changes the prompt.
        let mut newer = procedure("deploy", "Deploys it well");
        newer["definition"]["version"] = json!("2.0.0");
        mimo.tool("procedure_define", newer);
        mimo.wait_for("notifications/prompts/list_changed");
        mimo.end();
    }
}

#[test]
fn changes_of_another_process_are_announced() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        let id = mimo.store(json!({"content": "The door is red", "topic_key": "door"}));
        let uri = format!("mimo://memory/{id}");
        mimo.watch(&[&uri]);
        match lifecycle {
            Lifecycle::Stateless => mimo.listen(json!({"promptsListChanged": true})),
            Lifecycle::Session => drop(mimo.request("prompts/list", json!({}))),
        }
        let file = mimo.folder.path().join("deploy.json");
        let definition = procedure("deploy", "Deploys it")["definition"].to_string();
        std::fs::write(&file, definition).expect("written");
        let path = file.to_str().expect("a path");
        let added = command(mimo.folder.path(), &["procedure", "add", path]).output();
        assert!(added.expect("it runs").status.success());
        mimo.wait_for("notifications/prompts/list_changed");

        let mut other = Mimo::beside(mimo.folder.clone(), Lifecycle::Session, "website");
        let upserted = other.store(json!({"content": "The door is blue", "topic_key": "door"}));
        assert_eq!(upserted, id);
        assert_eq!(mimo.updated(), uri);
        other.end();
        mimo.end();
    }
}

#[test]
fn watched_resource_is_announced_whoever_changes_it() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        let key = json!({"content": "The door is red", "topic_key": "door"});
        let id = mimo.store(key);
        let edited = mimo.store(json!({"content": "The wall is white"}));
        let triple = json!({"subject": "person:ada", "predicate": "owns", "object": "lamp"});
        mimo.tool("graph_update", json!({"assert": [triple]}));
        mimo.tool("procedure_define", procedure("deploy", "Deploys it"));
        let memory = format!("mimo://memory/{id}");
        let wall = format!("mimo://memory/{edited}");
        let (entity, deploy) = ("mimo://graph/person:ada", "mimo://procedure/deploy");
        mimo.watch(&[&memory, &wall, entity, deploy]);

        mimo.store(json!({"content": "The door is blue", "topic_key": "door"}));
        assert_eq!(mimo.updated(), memory);
        mimo.tool(
            "memory_edit",
            json!({"action": "update", "ids": [edited], "tags": ["colour"]}),
        );
        assert_eq!(mimo.updated(), wall);
        mimo.tool("memory_edit", json!({"action": "forget", "ids": [edited]}));
        assert_eq!(mimo.updated(), wall);
        let triple = json!({"subject": "person:ada", "predicate": "knows", "object": "person:bob"});
        mimo.tool("graph_update", json!({"assert": [triple]}));
        assert_eq!(mimo.updated(), entity);
        mimo.tool("graph_update", json!({"retract": [2]}));
        assert_eq!(mimo.updated(), entity);
        mimo.tool("procedure_define", procedure("deploy", "Deploys it well"));
        assert_eq!(mimo.updated(), deploy);
        mimo.tool("procedure_run", json!({"name": "deploy"}));
        assert_eq!(mimo.updated(), deploy);
        // Reading counts a recall, which is no change of the resource.
        mimo.request("resources/read", json!({ "uri": memory }));
        // A procedure's writes are announced like a tool's.
        let writes = json!({"definition": {
            "name": "paint", "version": "1.0.0", "initial_state": "paint",
            "states": {"paint": {
                "action": {"tool": "memory_store", "arguments": {
                    "content": "The door is green", "topic_key": "door"}},
                "end": true,
            }},
        }});
        mimo.tool("procedure_define", writes);
        let ran = mimo.tool("procedure_run", json!({"name": "paint"}));
        assert_eq!(ran["status"], "completed", "{ran}");
        assert_eq!(mimo.updated(), memory);
        let read = mimo.request("resources/read", json!({ "uri": memory }));
        let text = read["contents"][0]["text"].as_str().expect("a text");
        assert!(text.contains("green"), "{text}");
        mimo.end();
    }
}

#[test]
fn unsubscribed_resource_is_not_announced() {
    let mut mimo = Mimo::start(Lifecycle::Session);
    let first = mimo.store(json!({"content": "One", "topic_key": "one"}));
    let second = mimo.store(json!({"content": "Two", "topic_key": "two"}));
    let (first, second) = (
        format!("mimo://memory/{first}"),
        format!("mimo://memory/{second}"),
    );
    mimo.watch(&[&first, &second]);
    mimo.request("resources/unsubscribe", json!({ "uri": first }));
    // In one transaction, and so announced together in order.
    mimo.tool(
        "memory_store",
        json!({"memories": [
            {"content": "Changed one", "topic_key": "one"},
            {"content": "Changed two", "topic_key": "two"},
        ]}),
    );
    assert_eq!(mimo.updated(), second);
    mimo.end();
}

#[test]
fn subscription_accepts_missing_resources_and_a_session_does_not() {
    let uri = "mimo://procedure/deploy";
    let mut mimo = Mimo::start(Lifecycle::Session);
    let refused = mimo.refusal("resources/subscribe", json!({ "uri": uri }));
    assert_eq!(refused["code"], -32002, "{refused}");
    mimo.end();
    let mut mimo = Mimo::start(Lifecycle::Stateless);
    mimo.watch(&[uri]);
    mimo.tool("procedure_define", procedure("deploy", "Deploys it"));
    assert_eq!(mimo.updated(), uri);
    mimo.end();
}

#[test]
fn watched_resources_are_bounded() {
    let most = mimo::limits::RESOURCES_WATCHED_MAX;
    let memories: Vec<Value> = (0..=most)
        .map(|n| json!({"content": format!("Number {n}")}))
        .collect();
    let uris: Vec<String> = (1..=most + 1)
        .map(|id| format!("mimo://memory/{id}"))
        .collect();
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        mimo.tool("memory_store", json!({ "memories": memories }));
        let refused = match lifecycle {
            Lifecycle::Session => {
                for uri in &uris[..most] {
                    // Watching twice counts once.
                    mimo.watch(&[uri, uri]);
                }
                mimo.refusal("resources/subscribe", json!({ "uri": uris[most] }))
            }
            Lifecycle::Stateless => {
                let asked = json!({"notifications": {"resourceSubscriptions": uris}});
                let refused = mimo.refusal("subscriptions/listen", asked);
                mimo.told.clear();
                refused
            }
        };
        let message = refused["message"].as_str().expect("a message");
        assert!(
            message.contains("there are 64 resource subscriptions"),
            "{message}"
        );
        // One fewer leaves room; a refused subscription uses none.
        match lifecycle {
            Lifecycle::Session => {
                mimo.request("resources/unsubscribe", json!({ "uri": uris[0] }));
                mimo.watch(&[&uris[most]]);
            }
            Lifecycle::Stateless => {
                let some: Vec<&str> = uris[2..].iter().map(String::as_str).collect();
                mimo.watch(&some);
            }
        }
        let last = (most + 1) as i64;
        mimo.tool(
            "memory_edit",
            json!({"action": "update", "ids": [last], "importance": 0.9}),
        );
        assert_eq!(mimo.updated(), uris[most]);
        mimo.end();
    }
}

#[test]
fn list_changes_are_announced_after_a_listing() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        mimo.store(json!({"content": "Before anybody asked"}));
        match lifecycle {
            Lifecycle::Session => drop(mimo.request("resources/list", json!({}))),
            Lifecycle::Stateless => mimo.listen(json!({"resourcesListChanged": true})),
        }
        mimo.store(json!({"content": "Afterwards"}));
        mimo.wait_for("notifications/resources/list_changed");
        mimo.end();
    }
}
