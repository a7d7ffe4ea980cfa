//! Executions over a real store: retries, rollback, timeouts, approvals, nested
//! procedures and versions.

use mimo::procedure::Start;
use mimo::procedure::journal::Decision;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;

pub fn call(tool: &str, id: &str) -> Value {
    json!({"tool": tool, "arguments": {"id": id}})
}

#[tokio::test]
async fn values_pass_between_states_with_their_types() {
    let world = World::new();
    let states = json!({
        "a": {"action": {"tool": "read", "arguments": {"id": "{{ n }}", "list": [1, "{{ n }}"]}},
              "assign": {"got": "{{ result.arguments.list[1] }}"}, "next": "b"},
        "b": {"action": {"set": {"sum": "{{ got + n }}"}}, "next": "c"},
        "c": {"action": {"choice": [{"when": "{{ sum > 5 }}", "event": "big"}, {"event": "small"}]},
              "transitions": [{"event": "big", "target": "d"}, {"event": "small", "target": "e"}]},
        "d": {"action": {"validate": [{"that": "{{ sum is integer }}"}]}, "end": true},
        "e": {"fail": {"message": "too small: {{ sum }}"}},
    });
    let schema = json!({"context_schema": {"properties": {"n": {"type": "integer", "default": 3}}},
                        "output": {"sum": "{{ sum }}", "text": "n={{ n }}"}});
    world.define_as("example", states, schema).await;
    let done = world.run(json!({})).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["output"], json!({"sum": 6, "text": "n=3"}));
    let path: Vec<&str> = done["history"]
        .as_array()
        .expect("moves")
        .iter()
        .filter_map(|each| each["to"].as_str())
        .collect();
    assert_eq!(path, ["a", "b", "c", "d"]);
    let failed = world.run(json!({"n": 2})).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["message"], "too small: 4");
}

#[tokio::test]
async fn failures_are_retried_caught_or_rolled_back_in_reverse() {
    let world = World::new();
    world.define(json!({
        "a": {"action": call("do", "a"), "compensate": {"tool": "undo", "arguments": {"id": "{{ result.arguments.id }}"}}, "next": "b"},
        "b": {"action": {"tool": "do", "arguments": {"id": "b", "fail": 2}},
              "retry": {"max_attempts": 2, "interval_ms": 1}, "compensate": call("undo", "b"), "next": "c"},
        "c": {"action": {"tool": "do", "arguments": {"id": "c", "fail": 9, "kind": "not_found"}},
              "catch": [{"errors": ["not_found"], "target": "d"}], "next": "d"},
        "d": {"action": call("read", "d"), "next": "e"},
        "e": {"action": {"tool": "do", "arguments": {"id": "e", "fail": "{{ context.fail }}"}}, "next": "f"},
        "f": {"end": true},
    })).await;
    let done = world.run(json!({"fail": 0})).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(
        world.calls.made(),
        ["do a", "do b", "do b", "do b", "do c", "read d", "do e"]
    );

    let back = world.run(json!({"fail": 9})).await;
    assert_eq!(back["status"], "rolled_back", "{back}");
    assert_eq!(back["compensated"], json!(["b", "a"]));
    assert_eq!(back["error"]["kind"], "tool_failed");
    let made = world.calls.made();
    assert_eq!(made[made.len() - 3..], ["do e", "undo b", "undo a"]);
}

#[tokio::test]
async fn failed_compensation_is_reported() {
    let world = World::new();
    world.define(json!({
        "a": {"action": call("do", "a"), "next": "b"},
        "b": {"action": call("do", "b"), "compensate": {"tool": "undo", "arguments": {"id": "b", "fail": 1}}, "next": "c"},
        "c": {"action": {"map": {"items": [1, 2], "action": {"tool": "do", "arguments": {"id": "{{ item }}"}}}},
              "compensate": {"tool": "undo", "arguments": {"id": "{{ item }}"}}, "next": "d"},
        "d": {"action": {"tool": "do", "arguments": {"id": "d", "fail": 1, "kind": "timeout"}}, "end": true},
    })).await;
    let failed = world.run(json!({})).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    assert_eq!(failed["compensated"], json!(["c[1]", "c[0]"]));
    let remains = failed["remains"].as_array().expect("a list");
    let states: Vec<&str> = remains
        .iter()
        .filter_map(|each| each["state"].as_str())
        .collect();
    assert_eq!(states, ["d", "b", "a"]);
    assert!(
        remains[0]["why"]
            .as_str()
            .expect("why")
            .contains("not known"),
        "{failed}"
    );
}

#[tokio::test]
async fn timeouts_apply_and_cancellation_rolls_back() {
    let world = World::new();
    let undo = call("undo", "a");
    world.define(json!({
        "a": {"action": call("put", "a"), "compensate": undo, "next": "b"},
        "b": {"action": {"tool": "read", "arguments": {"id": "b", "wait": true}}, "timeout_ms": 30,
              "catch": [{"errors": ["timeout"], "target": "c"}], "next": "c"},
        "c": {"action": {"tool": "read", "arguments": {"id": "c", "wait": true}}, "end": true},
    })).await;
    let id = world.start(json!({})).await;
    world.calls.waiting.notified().await;
    // The second wait is c's, since b timed out.
    world.calls.waiting.notified().await;
    assert_eq!(world.calls.made(), ["put a", "read b", "read c"]);
    world
        .procedures
        .cancel(&world.grants, &id)
        .await
        .expect("asked");
    let done = world.wait(&id).await;
    assert_eq!(
        (&done["status"], &done["compensated"]),
        (&json!("cancelled"), &json!(["a"])),
        "{done}"
    );
    assert!(
        world.procedures.cancel(&world.grants, &id).await.is_err(),
        "it has ended"
    );

    // The total timeout starts the rollback, which it does not cut short.
    let start = Start {
        name: "example".into(),
        version: "latest".into(),
        timeout_ms: Some(60),
        ..Start::default()
    };
    let (id, _) = world
        .procedures
        .start(&world.grants, start)
        .await
        .expect("started");
    let done = world.wait(&id).await;
    assert_eq!(done["status"], "rolled_back", "{done}");
    assert_eq!(done["error"]["kind"], "timeout");
}

#[tokio::test]
async fn only_a_person_approves() {
    let world = World::new();
    let states = json!({
        "a": {"action": call("do", "a"), "compensate": call("undo", "a"), "next": "ask"},
        "ask": {"action": {"wait_for_approval": {"message": "Release {{ context.tag }}?"}}, "next": "b"},
        "b": {"action": call("do", "b"), "end": true},
    });
    world
        .define_as("example", states, json!({"timeout_ms": 2000}))
        .await;
    let id = world.start(json!({"tag": "1.2"})).await;
    let waits = world.wait(&id).await;
    assert_eq!(waits["status"], "waiting_approval", "{waits}");
    assert_eq!(waits["waits_for"]["message"], "Release 1.2?");
    assert!(
        !world
            .procedures
            .resume(&world.grants, &id)
            .await
            .expect("asked")
            || world.wait(&id).await["status"] == "waiting_approval"
    );
    assert_eq!(
        world.wait(&id).await["status"],
        "waiting_approval",
        "resuming decides nothing"
    );
    let wrong = world
        .procedures
        .decide(&world.grants, &id, Decision::Done, "ada", "")
        .await;
    assert!(wrong.is_err(), "there is nothing to say about an outcome");
    world
        .procedures
        .decide(&world.grants, &id, Decision::Approved, "ada", "looks good")
        .await
        .expect("decided");
    assert!(
        world
            .procedures
            .decide(&world.grants, &id, Decision::Approved, "bob", "")
            .await
            .is_err()
    );
    world
        .procedures
        .resume(&world.grants, &id)
        .await
        .expect("resumed");
    assert_eq!(world.wait(&id).await["status"], "completed");

    let id = world.start(json!({"tag": "1.3"})).await;
    world.wait(&id).await;
    world
        .procedures
        .decide(&world.grants, &id, Decision::Rejected, "ada", "not yet")
        .await
        .expect("decided");
    world
        .procedures
        .resume(&world.grants, &id)
        .await
        .expect("resumed");
    let back = world.wait(&id).await;
    assert_eq!(
        (&back["status"], &back["error"]["kind"]),
        (&json!("rolled_back"), &json!("rejected"))
    );
    assert_eq!(world.calls.made(), ["do a", "do b", "do a", "undo a"]);

    // A waiting execution can be cancelled, too.
    let id = world.start(json!({"tag": "1.4"})).await;
    world.wait(&id).await;
    world
        .procedures
        .cancel(&world.grants, &id)
        .await
        .expect("asked");
    assert_eq!(world.wait(&id).await["status"], "cancelled");
}

#[tokio::test]
async fn procedures_call_each_other_and_are_rolled_back_together() {
    let world = World::new();
    let inner = json!({
        "act": {"action": {"tool": "do", "arguments": {"id": "{{ context.id }}"}},
              "compensate": {"tool": "undo", "arguments": {"id": "{{ context.id }}"}}, "next": "ask"},
        "ask": {"action": {"wait_for_approval": {"message": "inner?"}}, "end": true},
    });
    world
        .define_as("inner", inner, json!({"output": "{{ context.id }}"}))
        .await;
    world.define_as("sweep", json!({"s": {"action": {"tool": "do", "arguments": {"id": "{{ failure.kind }}"}}, "end": true}}), json!({})).await;
    let outer = json!({
        "a": {"action": {"call_procedure": {"name": "inner", "context": {"id": "one"}}}, "assign": {"got": "{{ result }}"}, "next": "b"},
        "b": {"action": {"tool": "do", "arguments": {"id": "{{ got }}", "fail": "{{ context.fail }}"}}, "end": true},
    });
    world
        .define_as("outer", outer, json!({"rollback_procedure": "sweep"}))
        .await;
    let id = world.start_as("outer", json!({"fail": 1})).await;
    let waits = world.wait(&id).await;
    assert_eq!(
        waits["status"], "waiting_approval",
        "the inner one waits: {waits}"
    );
    world
        .procedures
        .decide(&world.grants, &id, Decision::Approved, "ada", "")
        .await
        .expect("decided");
    world
        .procedures
        .resume(&world.grants, &id)
        .await
        .expect("resumed");
    let back = world.wait(&id).await;
    assert_eq!(back["status"], "rolled_back", "{back}");
    assert_eq!(back["compensated"], json!(["a", "rollback_procedure"]));
    assert_eq!(
        world.calls.made(),
        ["do one", "do one", "undo one", "do tool_failed"]
    );
    let child = world.view(&format!("{id}.1")).await;
    assert_eq!(child["status"], "rolled_back", "{child}");
}

#[tokio::test]
async fn waiting_child_uses_no_time_and_is_cancelled_with_its_parent() {
    let world = World::new();
    let inner = json!({
        "act": {"action": call("do", "inner"), "compensate": call("undo", "inner"), "next": "rest"},
        "rest": {"action": {"delay_ms": 20}, "next": "ask"},
        "ask": {"action": {"wait_for_approval": {"message": "inner?"}}, "end": true},
    });
    world.define_as("inner", inner, json!({})).await;
    world
        .define(json!({
            "a": {"action": {"call_procedure": {"name": "inner"}}, "next": "b"},
            "b": {"action": call("do", "outer"), "end": true},
        }))
        .await;
    let start = || Start {
        name: "example".into(),
        version: "latest".into(),
        timeout_ms: Some(1),
        ..Start::default()
    };
    // The outer times out before the inner one has waited.
    let (id, _) = world
        .procedures
        .start(&world.grants, start())
        .await
        .expect("started");
    let done = world.wait(&id).await;
    assert_eq!(done["error"]["kind"], "timeout", "{done}");

    let id = world.start(json!({})).await;
    assert_eq!(world.wait(&id).await["status"], "waiting_approval");
    let (_, machine) = world
        .procedures
        .snapshot(&world.grants, &id)
        .await
        .expect("a machine");
    assert_eq!((machine.deadline(), machine.parked()), (None, true));
    world
        .procedures
        .cancel(&world.grants, &id)
        .await
        .expect("asked");
    // It waits for approval until it has taken notice.
    let mut done = world.wait(&id).await;
    while done["status"] == "waiting_approval" {
        tokio::task::yield_now().await;
        done = world.wait(&id).await;
    }
    assert_eq!(done["status"], "cancelled", "{done}");
    let child = world.view(&format!("{id}.1")).await;
    assert_eq!(child["status"], "cancelled", "{child}");
    let made = world.calls.made();
    assert_eq!(made[made.len() - 2..], ["do inner", "undo inner"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_execution_that_is_resumed_and_cancelled_at_once_is_cancelled() {
    let world = World::new();
    let inner = json!({"ask": {"action": {"wait_for_approval": {"message": "?"}}, "end": true}});
    world.define_as("inner", inner, json!({})).await;
    let outer = json!({"a": {"action": {"call_procedure": {"name": "inner"}}, "end": true}});
    world.define(outer).await;
    for _ in 0..40 {
        let id = world.start(json!({})).await;
        assert_eq!(world.wait(&id).await["status"], "waiting_approval");
        let (resumed, cancelled) = tokio::join!(
            world.procedures.resume(&world.grants, &id),
            world.procedures.cancel(&world.grants, &id),
        );
        resumed.expect("resumed");
        cancelled.expect("asked");
        let ended = async {
            while world.wait(&id).await["status"] != "cancelled" {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
        ended.unwrap_or_else(|_| panic!("the request to cancel {id} was lost"));
    }
}

#[tokio::test]
async fn endless_recursion_is_bounded() {
    let world = World::new();
    world
        .define_as(
            "example",
            json!({"a": {"action": {"call_procedure": {"name": "example"}}, "end": true}}),
            json!({}),
        )
        .await;
    let done = world.run(json!({})).await;
    assert_eq!(done["status"], "failed", "{done}");
    assert!(
        done["error"]["message"]
            .as_str()
            .expect("why")
            .contains("deep"),
        "{done}"
    );

    world.define(json!({
        "a": {"action": {"set": {"n": 1}}, "transitions": [{"event": "success", "guard": "{{ n == 1 }}", "target": "a"}], "next": "b"},
        "b": {"end": true},
    })).await;
    let done = world.run(json!({})).await;
    assert_eq!(done["error"]["kind"], "limit_exceeded", "{done}");
}

#[tokio::test]
async fn execution_keeps_its_definition_version() {
    let world = World::new();
    let states = |id: &str| {
        json!({
            "a": {"action": {"tool": "read", "arguments": {"wait": true}}, "next": "b"},
            "b": {"action": call("do", id), "end": true},
        })
    };
    let first = world.define(states("old")).await;
    let id = world.start(json!({})).await;
    world.calls.waiting.notified().await;
    let second = world.define(states("new")).await;
    assert_ne!(first, second);
    world.calls.gate.notify_one();
    assert_eq!(world.wait(&id).await["status"], "completed");
    assert_eq!(world.calls.made(), ["read", "do old"]);
    assert_eq!(
        world
            .procedures
            .definition(&world.grants, "example", "latest")
            .await
            .expect("there")
            .hash,
        second
    );

    // Ten comes after nine, and defining an old version does not make it the latest.
    for version in ["1.10", "1.9"] {
        world
            .define_as("example", states(version), json!({"version": version}))
            .await;
    }
    let latest = world
        .procedures
        .definition(&world.grants, "example", "latest")
        .await
        .expect("there");
    assert_eq!(latest.version, "1.10");
    let missing = world
        .procedures
        .definition(&world.grants, "example", "7")
        .await
        .expect_err("there is none");
    assert!(missing.hint.expect("a hint").contains("1.9"));
}

#[tokio::test]
async fn idempotency_key_starts_once() {
    let world = World::new();
    world
        .define(json!({"a": {"action": call("do", "a"), "end": true}}))
        .await;
    let start = |n: i64| Start {
        name: "example".into(),
        version: "latest".into(),
        context: json!({"n": n}).as_object().cloned().expect("an object"),
        idempotency_key: Some("k".into()),
        ..Start::default()
    };
    let (id, new) = world
        .procedures
        .start(&world.grants, start(1))
        .await
        .expect("started");
    assert!(new);
    world.wait(&id).await;
    let again = world
        .procedures
        .start(&world.grants, start(1))
        .await
        .expect("found");
    assert_eq!(again, (id, false));
    assert_eq!(world.calls.made(), ["do a"]);
    let other = world
        .procedures
        .start(&world.grants, start(2))
        .await
        .expect_err("another start");
    assert_eq!(other.kind.name(), "conflict");
}

#[tokio::test]
async fn more_executions_than_slots_all_end() {
    let world = World::new();
    world.define(json!({"a": {"action": {"tool": "do", "arguments": {"id": "{{ context.n }}"}}, "end": true}})).await;
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(world.start(json!({"n": n})).await);
    }
    for id in &ids {
        assert_eq!(world.wait(id).await["status"], "completed");
    }
    let mut made = world.calls.made();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 200, "each once");
}
