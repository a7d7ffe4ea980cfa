//! The promises of the door, each with a tool that would break it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::caller::Caller;
use crate::clock::SystemClock;
use crate::tools::{Arguments, Document, fixture};

fn context() -> Context {
    Context::new(Caller::local("global", "s"))
}

fn tool(handler: impl Fn(Arguments, Context) -> Answer + Send + Sync + 'static) -> Tool {
    Tool {
        name: "t",
        definition: r#"{"name":"t","inputSchema":{"type":"object"}}"#,
        patience: Duration::ZERO,
        handler: Arc::new(handler),
    }
}

fn door(tools: Vec<Tool>, deadline_ms: u64) -> Arc<Dispatch> {
    let patience = Duration::from_millis(deadline_ms);
    let tools = tools.into_iter().map(|tool| Tool { patience, ..tool });
    Arc::new(Dispatch::new(tools.collect(), None, Arc::new(SystemClock)))
}

#[tokio::test]
async fn a_call_reaches_its_tool_and_a_wrong_name_names_the_near_ones() {
    let door = door(fixture::tools(), 1000);
    let answer = door.call("test_echo", json!({"text":"a"}), context()).await;
    let expected = Document(r#"{"text":"a"}"#.to_owned());
    assert_eq!(answer.expect("an answer"), Reply::Document(expected));
    let failure = door
        .call("test_eco", json!({}), context())
        .await
        .expect_err("none");
    assert_eq!(failure.kind, Kind::NotFound);
    assert_eq!(failure.hint.as_deref(), Some("did you mean test_echo?"));
    assert_eq!(door.tools().count(), fixture::tools().len());
}

#[tokio::test]
async fn a_panic_is_a_failure_of_its_own_kind() {
    let door = door(fixture::tools(), 1000);
    for arguments in [json!({}), json!({"late": true})] {
        let failure = door
            .call("test_panic", arguments, context())
            .await
            .expect_err("it panics");
        assert!(Dispatch::panicked(&failure));
        // The cause is for the log, not for the caller.
        assert!(!failure.document().to_string().contains("panicked"));
    }
    let failure = door
        .call("test_echo", json!([]), context())
        .await
        .expect_err("no object");
    assert!(!Dispatch::panicked(&failure));
}

#[tokio::test]
async fn the_deadline_ends_a_call_that_takes_no_notice() {
    let door = door(vec![tool(|_, _| Box::pin(std::future::pending()))], 10);
    let failure = door
        .call("t", json!({}), context())
        .await
        .expect_err("late");
    assert_eq!(failure.kind, Kind::Timeout);
}

/// A transaction that is being committed when the time is up did happen.
#[tokio::test]
async fn what_was_done_when_told_to_stop_is_reported_as_done() {
    let door = door(
        vec![tool(|_, context| {
            Box::pin(async move {
                context.cancel.cancelled().await;
                Document::of(&"done").map(Reply::from)
            })
        })],
        10,
    );
    let answer = door.call("t", json!({}), context()).await;
    let expected = Document("\"done\"".to_owned());
    assert_eq!(answer.expect("it was done"), Reply::Document(expected));
}

#[tokio::test]
async fn a_cancelled_call_ends_and_its_handler_is_told() {
    let told = Arc::new(Mutex::new(None));
    let seen = told.clone();
    let door = door(
        vec![tool(move |_, context| {
            *seen.lock().expect("the lock") = Some(context.cancel.clone());
            Box::pin(std::future::pending())
        })],
        60_000,
    );
    let context = context();
    let cancel = context.cancel.clone();
    let call = door.call("t", json!({}), context);
    let (answer, ()) = tokio::join!(call, async { cancel.cancel() });
    assert_eq!(answer.expect_err("cancelled").kind, Kind::Cancelled);
    let told = told.lock().expect("the lock").take();
    assert!(told.is_some_and(|token| token.is_cancelled()));
}

/// As many as may run do, the next waits its turn, and a call made by one that
/// runs does not.
#[tokio::test]
async fn the_calls_that_run_are_bounded() {
    let (entered, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, gate) = (entered.clone(), release.clone());
    let door = door(
        vec![tool(move |_, _| {
            let gate = gate.clone();
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                gate.notified().await;
                Document::of(&1).map(Reply::from)
            })
        })],
        60_000,
    );
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS_RUNNING_MAX + 5 {
        let door = door.clone();
        calls.spawn(async move { door.call("t", json!({}), context()).await.is_ok() });
    }
    while entered.load(Ordering::SeqCst) < CALLS_RUNNING_MAX {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(entered.load(Ordering::SeqCst), CALLS_RUNNING_MAX);
    let nested = door.call_within("t", json!({}), context());
    let free = async {
        while entered.load(Ordering::SeqCst) == CALLS_RUNNING_MAX {
            tokio::task::yield_now().await;
        }
        for _ in 0..CALLS_RUNNING_MAX + 6 {
            release.notify_one();
            tokio::task::yield_now().await;
        }
    };
    let (nested, ()) = tokio::join!(nested, free);
    assert!(nested.is_ok());
    while let Some(done) = calls.join_next().await {
        assert!(done.expect("no panic"));
        release.notify_one();
    }
}

#[tokio::test]
async fn a_call_waits_for_room_only_once_it_is_its_turn() {
    let door = door(fixture::tools(), 10);
    let never = std::future::pending::<()>();
    let failure = door
        .call_when(never, "test_echo", json!({}), context())
        .await;
    assert_eq!(failure.expect_err("no room").kind, Kind::Timeout);
}
