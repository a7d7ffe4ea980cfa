//! Whose procedures these are: steps act with the grants of whoever started
//! them, and projects fence definitions, executions and their keys.

use std::sync::Arc;

use mimo::caller::{Grants, ToolGrants};
use mimo::procedure::Start;
use mimo::procedure::journal::Decision;
use mimo::store::procedure::ExecutionStatus;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::world::World;

fn call(tool: &str, id: &str) -> Value {
    json!({"tool": tool, "arguments": {"id": id}})
}

fn start(name: &str) -> Start {
    Start {
        name: name.to_owned(),
        version: "latest".to_owned(),
        ..Start::default()
    }
}

fn limited(project: &str) -> Grants {
    Grants {
        tools: ToolGrants::Matching(vec!["do".to_owned(), "undo".to_owned()]),
        is_local: false,
        ..Grants::fenced(project)
    }
}

#[tokio::test]
async fn steps_children_and_compensations_run_with_the_starters_grants() {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    let mut world = World::on(folder.clone(), None);
    world.grants = limited("website");
    let child = json!({
        "c": {"action": call("do", "c"), "compensate": call("undo", "c"), "end": true},
    });
    world.define_as("child", child, json!({})).await;
    world
        .define(json!({
            "a": {"action": {"call_procedure": {"name": "child"}}, "next": "ask"},
            "ask": {"action": {"wait_for_approval": {"message": "go on?"}}, "next": "b"},
            "b": {"action": call("do", "b"), "compensate": call("undo", "b"), "next": "c"},
            "c": {"fail": {"message": "no"}},
        }))
        .await;
    let id = world.start(json!({})).await;
    assert_eq!(world.wait(&id).await["status"], "waiting_approval");
    world.procedures.close().await;
    let calls = world.calls.clone();
    let grants = world.grants.clone();
    drop(world);

    // Another Mimo, whose own user may do anything, goes on.
    let other = World::on(folder, None);
    let (procedures, local) = (&other.procedures, &other.grants);
    let decided = procedures.decide(local, &id, Decision::Approved, "ada", "");
    decided.await.expect("decided");
    procedures.resume(local, &id).await.expect("resumed");
    assert_eq!(other.wait(&id).await["status"], "rolled_back");
    assert_eq!(calls.made(), ["do c"]);
    assert_eq!(other.calls.made(), ["do b", "undo b", "undo c"]);
    for caller in [calls.callers(), other.calls.callers()].concat() {
        assert_eq!(*caller.grants, grants);
        let execution = caller.execution.expect("an execution");
        assert!(execution.starts_with(&id), "{execution}");
    }
}

#[tokio::test]
async fn projects_fence_definitions_executions_and_keys() {
    let world = World::new();
    let procedures = &world.procedures;
    let [website, other] = ["website", "other"].map(Grants::fenced);
    let definition = |text: &str| {
        json!({"name": "release", "version": "1", "initial_state": "a",
               "states": {"a": {"action": call("do", text), "end": true}}})
    };
    let define = async |grants: &Grants, text: &str| {
        let defined = procedures.define(grants, &definition(text), false).await;
        defined.expect("stored").expect("valid").checked.hash
    };
    let hash = define(&website, "secret plan").await;

    // Nothing of it is visible to the other project.
    let found = procedures.find(&other, None, 9).await.expect("a list");
    assert!(found.is_empty(), "{found:?}");
    for failure in [
        procedures
            .definition(&other, "release", "latest")
            .await
            .err(),
        procedures.start(&other, start("release")).await.err(),
        procedures.resource(&other, "release").await.err(),
    ] {
        let failure = failure.expect("it is not found");
        assert_eq!(failure.kind.name(), "not_found");
        assert_eq!(
            failure.hint.as_deref(),
            Some("define one with procedure_define")
        );
    }

    // Each project has its own definition under one name, and its own keys.
    assert_ne!(define(&other, "mine").await, hash);
    let keyed = || Start {
        idempotency_key: Some("k".to_owned()),
        ..start("release")
    };
    let (id, _) = procedures.start(&website, keyed()).await.expect("started");
    let (own, new) = procedures.start(&other, keyed()).await.expect("started");
    assert!(new && own != id);
    world.wait(&id).await;
    world.wait(&own).await;

    // A foreign execution does not exist.
    for failure in [
        procedures.execution(&other, &id).await.err(),
        procedures.snapshot(&other, &id).await.err(),
        procedures.cancel(&other, &id).await.err(),
        procedures.resume(&other, &id).await.err(),
        procedures
            .decide(&other, &id, Decision::Approved, "eve", "")
            .await
            .err(),
    ] {
        let message = failure.expect("it is not found").message;
        assert_eq!(message, format!("there is no execution {id:?}"));
    }
    let listed = procedures.executions(&other, None, None, 9).await;
    let listed: Vec<String> = listed.expect("a list").into_iter().map(|e| e.id).collect();
    assert_eq!(listed, [own]);
    let census = procedures.census(&other).await.expect("counts");
    assert_eq!(census.definitions, 1);
    assert_eq!(census.executions, [(ExecutionStatus::Completed, 1)]);

    // The local user sees all of it.
    let all = procedures.executions(&world.grants, None, None, 9).await;
    assert_eq!(all.expect("a list").len(), 2);
}

#[tokio::test]
async fn the_shared_project_may_be_read_and_run_but_not_changed_behind_a_fence() {
    let world = World::new();
    let procedures = &world.procedures;
    let fenced = Grants::fenced("website");
    world
        .define(json!({
            "ask": {"action": {"wait_for_approval": {"message": "so?"}}, "next": "a"},
            "a": {"action": call("do", "a"), "end": true},
        }))
        .await;
    let shared = world.start(json!({})).await;
    world.wait(&shared).await;
    let shown = procedures.execution(&fenced, &shared).await;
    assert_eq!(shown.expect("it may be read").project, "global");
    for failure in [
        procedures.cancel(&fenced, &shared).await.err(),
        procedures
            .decide(&fenced, &shared, Decision::Approved, "eve", "")
            .await
            .err(),
    ] {
        assert_eq!(failure.expect("refused").kind.name(), "refused");
    }
    // A run of its own belongs to the project of its starter.
    let own = procedures.start(&fenced, start("example")).await;
    let own = own.expect("started").0;
    let execution = procedures.execution(&fenced, &own).await.expect("its own");
    assert_eq!(execution.project, "website");
}
