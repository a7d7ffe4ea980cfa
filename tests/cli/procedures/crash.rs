//! Mimo is killed just before and just after every journal write. Repeatable steps
//! are not lost, and steps that must not be repeated never run twice unnoticed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mimo::caller::Grants;
use mimo::clock::SystemClock;
use mimo::procedure::Procedures;
use mimo::procedure::journal::Decision;
use mimo::store::Store;
use mimo::store::sqlite::SqliteStore;
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};

use super::workspace::Workspace;

pub(super) const STEPS: u64 = 12;
/// Journal writes: creation, the start of each step, and the end.
pub(super) const WRITES: u64 = STEPS + 2;

/// Every second step is idempotent.
pub(super) fn tool(step: u64) -> &'static str {
    if step.is_multiple_of(2) {
        "put"
    } else {
        "once"
    }
}

pub(super) fn definition() -> Value {
    let mut states = Map::new();
    for step in 1..=STEPS {
        let next = if step == STEPS {
            "end".to_owned()
        } else {
            format!("s{:02}", step + 1)
        };
        states.insert(format!("s{step:02}"), json!({
            "action": {"tool": format!("counter__{}", tool(step)), "arguments": {"id": format!("{step}")}},
            "next": next,
        }));
    }
    states.insert("end".to_owned(), json!({"end": true}));
    json!({"name": "twelve", "version": "1", "initial_state": "s01", "states": states})
}

#[test]
fn execution_ends_correctly_after_a_kill_at_any_journal_write() {
    skip_unless!(node);
    kill_at_any_journal_write(killed_at);
}

/// Runs `killed_at` with each moment that a kill can have, two at a time; it returns how
/// often a person had to decide.
pub(super) fn kill_at_any_journal_write(killed_at: fn(u64) -> u64) {
    let next = AtomicU64::new(1);
    let unknown = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let moment = next.fetch_add(1, Ordering::Relaxed);
                    if moment > 2 * WRITES {
                        return;
                    }
                    unknown.fetch_add(killed_at(moment), Ordering::Relaxed);
                }
            });
        }
    });
    // Killed between intent and result of each of the six.
    assert_eq!(unknown.into_inner(), STEPS);
}

/// One run; how often a person had to decide.
fn killed_at(moment: u64) -> u64 {
    let workspace = Workspace::counting();
    let start = json!({"name": "twelve", "idempotency_key": "k", "timeout_ms": 600_000});
    let mut mimo = workspace.start(&["--die-at-journal", &moment.to_string()]);
    mimo.good("procedure_define", json!({"definition": definition()}));
    assert_eq!(
        mimo.ask("procedure_run", start.clone()),
        None,
        "it dies at {moment}"
    );
    let end = mimo.server.exit_by_itself();
    assert_eq!(end.signal(), Some(Signal::SIGKILL as i32), "at {moment}");

    let mut mimo = workspace.start(&[]);
    let mut asked = 0;
    let mut document = mimo.good("procedure_run", start);
    let id = document["execution_id"].as_str().expect("an id").to_owned();
    while document["status"] != "completed" {
        assert_eq!(
            document["status"], "waiting_approval",
            "at {moment}: {document}"
        );
        assert_eq!(
            document["waits_for"]["kind"], "unknown_outcome",
            "at {moment}"
        );
        let state = document["state"].as_str().expect("a state");
        let step: u64 = state[1..].parse().expect("a number");
        assert_eq!(
            tool(step),
            "once",
            "only what may not be repeated is asked about"
        );
        let line = format!("once {step}");
        let done = workspace
            .calls()
            .iter()
            .filter(|call| **call == line)
            .count();
        assert!(done <= 1, "at {moment}: {line} was done twice");
        let decision = match done {
            1 => Decision::Done,
            _ => Decision::Again,
        };
        let store = SqliteStore::start(workspace.database()).expect("a store");
        decide(Arc::new(store), &id, decision);
        asked += 1;
        document = mimo.good("procedure_run", json!({"execution_id": id}));
    }
    assert!(mimo.server.exit().success());
    check_counts(&workspace, moment);
    asked
}

/// What may not be repeated was done once, and nothing else more than twice.
pub(super) fn check_counts(workspace: &Workspace, moment: u64) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in workspace.calls() {
        *counts.entry(call).or_default() += 1;
    }
    for step in 1..=STEPS {
        let count = counts
            .remove(&format!("{} {step}", tool(step)))
            .unwrap_or(0);
        match tool(step) {
            "once" => assert_eq!(count, 1, "at {moment}: step {step}"),
            _ => assert!(
                (1..=2).contains(&count),
                "at {moment}: step {step} {count} times"
            ),
        }
    }
    assert!(counts.is_empty(), "at {moment}: {counts:?}");
}

/// A person's decision at a terminal.
pub(super) fn decide(store: Arc<dyn Store>, id: &str, decision: Decision) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let procedures = Procedures::new(store, Arc::new(SystemClock), None);
    let done = runtime.expect("a runtime").block_on(procedures.decide(
        &Grants::local("global"),
        id,
        decision,
        "test",
        "",
    ));
    done.expect("decided");
}
