//! The guarantees of the dispatch, each with a tool that would break it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::caller::{Caller, Grants};
use crate::clock::SystemClock;
use crate::procedure::Procedures;
use crate::store::sqlite::SqliteStore;
use crate::tools::procedure::{self, ProcedureTools};
use crate::tools::{Arguments, Document, fixture};

fn document(reply: Result<Reply, CallError>) -> String {
    match reply {
        Ok(Reply::Document(document)) => document.0,
        other => panic!("no document: {other:?}"),
    }
}

fn failure(reply: Result<Reply, CallError>) -> Failure {
    match reply {
        Err(CallError::Gateway(failure)) => failure,
        other => panic!("no failure of ours: {other:?}"),
    }
}

fn context() -> Context {
    Context::new(Caller::local("global", "s"))
}

fn tool(handler: impl Fn(Arguments, Context) -> ReplyFuture + Send + Sync + 'static) -> Tool {
    Tool {
        name: "t",
        definition: r#"{"name":"t","inputSchema":{"type":"object"}}"#,
        timeout: Duration::ZERO,
        handler: Arc::new(handler),
    }
}

fn dispatch(tools: Vec<Tool>, deadline_ms: u64) -> Arc<Dispatch> {
    let timeout = Duration::from_millis(deadline_ms);
    let tools = tools.into_iter().map(|tool| Tool { timeout, ..tool });
    Arc::new(Dispatch::new(tools.collect(), None, Arc::new(SystemClock)))
}

#[tokio::test]
async fn a_call_reaches_its_tool_and_a_misspelt_name_suggests_it() {
    let dispatch = dispatch(fixture::tools(), 1000);
    let reply = dispatch
        .call("test_echo", json!({"text":"a"}), context())
        .await;
    assert_eq!(document(reply), r#"{"text":"a"}"#);
    let failure = failure(dispatch.call("test_eco", json!({}), context()).await);
    assert_eq!(failure.kind, Kind::NotFound);
    assert_eq!(failure.hint.as_deref(), Some("did you mean \"test_echo\"?"));
    assert_eq!(dispatch.tools().count(), fixture::tools().len());
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_own_kind() {
    let dispatch = dispatch(fixture::tools(), 1000);
    for arguments in [json!({}), json!({"late": true})] {
        let reply = dispatch.call("test_panic", arguments, context()).await;
        assert!(matches!(reply, Err(CallError::Panicked)));
    }
    let reply = dispatch.call("test_echo", json!([]), context()).await;
    assert_eq!(failure(reply).kind, Kind::InvalidArguments);
}

#[tokio::test]
async fn each_call_is_counted_with_its_outcome() {
    // No other test calls a tool of this name.
    let label = metrics::Tool::MemoryEdit;
    let tools = fixture::tools().into_iter().map(|each| match each.name {
        "test_echo" => Tool {
            name: "memory_edit",
            ..each
        },
        _ => each,
    });
    let dispatch = dispatch(tools.collect(), 1000);
    for arguments in [json!({"text": "a"}), json!([]), json!({"text": "b"})] {
        let _reply = dispatch.call("memory_edit", arguments, context()).await;
    }
    let stopped = context();
    stopped.cancel.cancel();
    let held = dispatch.permits.acquire_many(CALLS_RUNNING_MAX as u32);
    let _held = held.await.expect("all permits");
    let _reply = dispatch.call("memory_edit", json!({}), stopped).await;
    for (outcome, count) in [
        (Outcome::Ok, 2),
        (Outcome::InvalidArguments, 1),
        (Outcome::Cancelled, 1),
        (Outcome::Timeout, 0),
    ] {
        assert_eq!(metrics::CALLS.get((label, outcome)), count, "{outcome:?}");
    }
}

#[tokio::test]
async fn the_deadline_ends_a_call_that_ignores_it() {
    let dispatch = dispatch(vec![tool(|_, _| Box::pin(std::future::pending()))], 10);
    let reply = dispatch.call("t", json!({}), context()).await;
    assert_eq!(failure(reply).kind, Kind::Timeout);
}

#[tokio::test]
async fn a_tool_that_is_not_granted_is_unknown_and_not_listed() {
    let dispatch = dispatch(fixture::tools(), 1000);
    let grants = Arc::new(Grants {
        tools: ToolGrants::Matching(vec!["test_*".to_owned(), "!test_echo".to_owned()]),
        ..Grants::local("global")
    });
    let context = || Context::new(Caller::new(grants.clone(), "s"));
    let reply = dispatch.call("test_echo", json!({}), context()).await;
    let refused = failure(reply);
    assert_eq!(refused.kind, Kind::NotFound);
    assert!(refused.hint.is_some_and(|hint| hint.contains("may not")));
    let reply = dispatch
        .call_within("test_echo", json!({}), context())
        .await;
    assert_eq!(failure(reply).kind, Kind::NotFound);
    let listed = dispatch.definitions(None, &mut AutoChoice::Open, &grants.tools);
    assert_eq!(listed.len(), fixture::tools().len() - 1);
    // A misspelt name does not reveal it either.
    let reply = dispatch.call("test_eco", json!({}), context()).await;
    assert!(
        failure(reply)
            .hint
            .is_none_or(|hint| !hint.contains("test_echo"))
    );
}

/// A transaction that commits as the deadline passes did happen.
#[tokio::test]
async fn work_committed_during_wind_up_is_reported_as_done() {
    let dispatch = dispatch(
        vec![tool(|_, context| {
            Box::pin(async move {
                context.cancel.cancelled().await;
                Ok(Document::of(&"done")?.into())
            })
        })],
        10,
    );
    let reply = dispatch.call("t", json!({}), context()).await;
    assert_eq!(document(reply), "\"done\"");
}

#[tokio::test]
async fn a_cancelled_call_ends_and_cancels_its_handler() {
    let told = Arc::new(Mutex::new(None));
    let seen = told.clone();
    let dispatch = dispatch(
        vec![tool(move |_, context| {
            *seen.lock().expect("the lock") = Some(context.cancel.clone());
            Box::pin(std::future::pending())
        })],
        60_000,
    );
    let context = context();
    let cancel = context.cancel.clone();
    let call = dispatch.call("t", json!({}), context);
    let (reply, ()) = tokio::join!(call, async { cancel.cancel() });
    assert_eq!(failure(reply).kind, Kind::Cancelled);
    let told = told.lock().expect("the lock").take();
    assert!(told.is_some_and(|token| token.is_cancelled()));
}

/// The permits bound the calls of clients; a call made by a running call needs
/// none.
#[tokio::test]
async fn running_calls_are_bounded() {
    let (entered, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, gate) = (entered.clone(), release.clone());
    let dispatch = dispatch(
        vec![tool(move |_, _| {
            let gate = gate.clone();
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                gate.notified().await;
                Ok(Document::of(&1)?.into())
            })
        })],
        60_000,
    );
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS_RUNNING_MAX + 5 {
        let dispatch = dispatch.clone();
        calls.spawn(async move { dispatch.call("t", json!({}), context()).await.is_ok() });
    }
    while entered.load(Ordering::SeqCst) < CALLS_RUNNING_MAX {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(entered.load(Ordering::SeqCst), CALLS_RUNNING_MAX);
    let nested = dispatch.call_within("t", json!({}), context());
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
async fn a_call_waits_for_a_ready_client_until_its_deadline() {
    let dispatch = dispatch(fixture::tools(), 10);
    let never = std::future::pending::<()>();
    let reply = dispatch
        .call_when(never, "test_echo", json!({}), context())
        .await;
    assert_eq!(failure(reply).kind, Kind::Timeout);
}

#[tokio::test]
async fn a_procedure_reaches_no_tool_that_its_starter_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
    let procedures = Procedures::new(Arc::new(store), Arc::new(SystemClock), None);
    let mut tools = fixture::tools();
    tools.extend(procedure::tools(&procedures));
    let dispatch = dispatch(tools, 10_000);
    let shared = dispatch.clone();
    let call = move |name: String, arguments, context| -> ReplyFuture {
        let dispatch = shared.clone();
        Box::pin(async move { dispatch.call_within(&name, arguments, context).await })
    };
    let callable = ProcedureTools::new(dispatch.tools(), None, Arc::new(call));
    procedures.connect(Arc::new(callable));

    let limited = Grants {
        tools: ToolGrants::Matching(vec!["procedure_*".to_owned()]),
        ..Grants::local("global")
    };
    let limited = || Context::new(Caller::new(limited.clone(), "s"));
    let definition = json!({"definition": {
        "name": "echo", "version": "1", "initial_state": "a", "states": {"a": {
            "action": {"tool": "test_echo", "arguments": {"text": "hi"}}, "end": true}},
    }});
    let define = |context| dispatch.call("procedure_define", definition.clone(), context);
    let refused = failure(define(limited()).await);
    assert!(refused.message.contains("there is no tool"), "{refused}");
    let defined = document(define(context()).await);
    assert!(defined.contains(r#""outcome":"created""#), "{defined}");

    let run = |context| dispatch.call("procedure_run", json!({"name": "echo"}), context);
    let done = document(run(context()).await);
    assert!(done.contains(r#""status":"completed""#), "{done}");
    let failed = document(run(limited()).await);
    assert!(failed.contains(r#""status":"failed""#), "{failed}");
    assert!(failed.contains(r#""kind":"not_found""#), "{failed}");
}
