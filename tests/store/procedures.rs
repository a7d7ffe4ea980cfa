//! Definitions, executions and recorded calls: owners and their leases, journals
//! that only grow at their end, and the fences of projects.

use std::sync::Arc;

use futures::future::join_all;
use mimo::caller::Reach;
use mimo::clock::Timestamp;
use mimo::store::inventory::{Activity, Spans};
use mimo::store::procedure::{
    AppendOutcome, BeginOutcome, DefineOutcome, Execution, ExecutionStatus, ExecutionUpdate,
    NewExecution, RecordedCall, StoredDefinition,
};
use mimo::store::{Store, StoreError};

use crate::Room;
use crate::support::{at, names, new as memory, only, store_one};

const ALL: Reach = Reach::Everything;
pub(crate) const WRITTEN: AppendOutcome = AppendOutcome::Written { cancel: false };

pub(crate) fn definition(project: &str) -> StoredDefinition {
    StoredDefinition {
        hash: "h".to_owned(),
        project: project.to_owned(),
        name: "n".to_owned(),
        version: "1".to_owned(),
        description: String::new(),
        definition: "{}".to_owned(),
    }
}

pub(crate) fn new(id: &str) -> NewExecution {
    NewExecution {
        id: id.to_owned(),
        project: "a".to_owned(),
        hash: "h".to_owned(),
        idempotency_key: None,
        depth: 0,
        parent: None,
        entry: "{}".to_owned(),
        owned: true,
    }
}

pub(crate) fn update(status: ExecutionStatus, parked: bool) -> ExecutionUpdate {
    ExecutionUpdate {
        status,
        state: "s".to_owned(),
        parked,
        cancelling: false,
        wake_at: None,
    }
}

async fn begin(store: &dyn Store, new: NewExecution) -> Result<BeginOutcome, StoreError> {
    store.begin(new, Timestamp(0), at(0)).await
}

async fn append(store: &dyn Store, id: &str, length: u64, count: usize) -> AppendOutcome {
    let entries = vec!["{}".to_owned(); count];
    let appended = store.append(
        id.to_owned(),
        length,
        entries,
        update(ExecutionStatus::Running, false),
        at(1),
    );
    appended.await.expect("appended")
}

async fn journal(store: &dyn Store, id: &str) -> Option<(Execution, Vec<String>)> {
    let journal = store.journal(ALL, id.to_owned());
    journal.await.expect("a journal")
}

/// Two stores on one database with a definition in the project `a`.
async fn two_stores<R: Room>(room: &R) -> [Arc<dyn Store>; 2] {
    let stores = [room.open(), room.open()];
    let defined = stores[0].define(ALL, definition("a"), at(0)).await;
    assert_eq!(defined.expect("defined"), DefineOutcome::Created);
    stores
}

pub(crate) async fn only_the_owner_appends_and_only_at_the_end<R: Room>() {
    let room = R::fresh().await;
    let [one, two] = two_stores(&room).await;
    begin(&*one, new("x")).await.expect("begun");
    assert_eq!(append(&*two, "x", 1, 1).await, AppendOutcome::Lost);
    assert_eq!(append(&*one, "x", 0, 1).await, AppendOutcome::Lost);
    assert_eq!(append(&*one, "x", 1, 1).await, WRITTEN);
    let (claimed, found) = (two.claim("x".to_owned()).await, two.claim_any(at(2), 9));
    assert!(!claimed.expect("asked"), "its owner is alive");
    assert!(found.await.expect("asked").is_empty());

    let requested = two.request_cancel(ALL, "x".to_owned()).await;
    requested.expect("requested");
    assert_eq!(one.cancel_requests().await.expect("asked"), ["x"]);
    let cancelled = AppendOutcome::Written { cancel: true };
    assert_eq!(append(&*one, "x", 2, 1).await, cancelled);

    // The lease ends with the owner; a server learns of that a moment later.
    drop(one);
    let mut claimed = Vec::new();
    for _ in 0..10_000 {
        claimed = two.claim_any(at(3), 9).await.expect("claimed");
        if !claimed.is_empty() {
            break;
        }
    }
    assert_eq!(claimed, ["x"]);
    assert_eq!(append(&*two, "x", 3, 1).await, cancelled);
    assert_eq!(journal(&*two, "x").await.expect("it is there").1.len(), 4);
}

pub(crate) async fn a_cancel_request_is_not_lost_while_its_execution_parks<R: Room>() {
    let room = R::fresh().await;
    let [one, two] = two_stores(&room).await;
    begin(&*one, new("x")).await.expect("begun");
    let park = async |length, cancelling| {
        let update = ExecutionUpdate {
            cancelling,
            ..update(ExecutionStatus::WaitingApproval, true)
        };
        let parked = one.append("x".to_owned(), length, Vec::new(), update, at(1));
        parked.await.expect("appended")
    };
    let requested = two.request_cancel(ALL, "x".to_owned()).await;
    requested.expect("requested");
    let cancelled = AppendOutcome::Written { cancel: true };
    assert_eq!(park(1, false).await, cancelled);
    let (execution, _) = journal(&*two, "x").await.expect("it is there");
    assert_eq!(execution.status, ExecutionStatus::Running);
    assert!(!two.claim("x".to_owned()).await.expect("asked"));
    // Whoever knows of it may wait for a person while rolling back.
    assert_eq!(park(1, true).await, cancelled);
    let (execution, _) = journal(&*two, "x").await.expect("it is there");
    assert_eq!(execution.status, ExecutionStatus::WaitingApproval);
    assert!(two.claim("x".to_owned()).await.expect("claimed"));
}

pub(crate) async fn one_of_two_claims_wins<R: Room>() {
    let room = R::fresh().await;
    let stores = two_stores(&room).await;
    for round in 0..20 {
        let id = format!("x{round}");
        let free = NewExecution {
            owned: false,
            ..new(&id)
        };
        begin(&*stores[0], free).await.expect("begun");
        let claims = join_all(stores.iter().map(|store| store.claim(id.clone()))).await;
        let won: Vec<bool> = claims
            .into_iter()
            .map(|each| each.expect("asked"))
            .collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        // Only the winner may write, until it lets go.
        let (winner, loser) = match won[0] {
            true => (&stores[0], &stores[1]),
            false => (&stores[1], &stores[0]),
        };
        assert_eq!(append(&**loser, &id, 1, 1).await, AppendOutcome::Lost);
        assert_eq!(append(&**winner, &id, 1, 1).await, WRITTEN);
        winner.release(id.clone()).await.expect("released");
        assert!(loser.claim(id.clone()).await.expect("claimed"));
        assert_eq!(append(&**winner, &id, 2, 1).await, AppendOutcome::Lost);
    }
}

pub(crate) async fn a_failed_write_leaves_its_group_alone<R: Room>() {
    let room = R::fresh().await;
    let [one, _two] = two_stores(&room).await;
    let unknown = NewExecution {
        hash: "unknown".to_owned(),
        ..new("bad")
    };
    let all = [new("x"), unknown, new("y"), new("x")];
    let made = join_all(all.map(|new| begin(&*one, new))).await;
    assert!(matches!(made[1], Err(StoreError::Conflict(_))), "{made:?}");
    let outcome = |nth: usize| made[nth].as_ref().expect("begun").clone();
    assert_eq!(outcome(2), BeginOutcome::Created);
    // A store may take writes that come at once in any order.
    let existing = BeginOutcome::Existing("x".to_owned());
    let both = [outcome(0), outcome(3)];
    assert!(
        both.contains(&BeginOutcome::Created) && both.contains(&existing),
        "{both:?}"
    );
    let executions = one.executions(ALL, None, None, 9).await;
    assert_eq!(executions.expect("a list").len(), 2);
}

pub(crate) async fn a_journal_is_whole_at_any_change<R: Room>() {
    let room = R::fresh().await;
    let [one, _two] = two_stores(&room).await;
    begin(&*one, new("x")).await.expect("begun");
    for change in 1.. {
        room.fail_at(Some(change));
        let entries = vec!["{}".to_owned(); 3];
        let appended = one.append(
            "x".to_owned(),
            1,
            entries,
            update(ExecutionStatus::Running, false),
            at(1),
        );
        let appended = appended.await;
        room.fail_at(None);
        let (execution, entries) = journal(&*one, "x").await.expect("it is there");
        assert_eq!(execution.entries, entries.len() as u64);
        if appended.is_ok() {
            assert!(change > 1, "no change was counted");
            assert_eq!(entries.len(), 4);
            return;
        }
        assert_eq!(entries.len(), 1, "at change {change}");
    }
}

pub(crate) async fn only_old_ended_executions_are_deleted<R: Room>() {
    let room = R::fresh().await;
    let [one, _two] = two_stores(&room).await;
    for (id, status) in [
        ("ended", ExecutionStatus::Completed),
        ("waits", ExecutionStatus::WaitingApproval),
    ] {
        begin(&*one, new(id)).await.expect("begun");
        let parked = one.append(id.to_owned(), 1, Vec::new(), update(status, true), at(1));
        assert_eq!(parked.await.expect("parked"), WRITTEN);
    }
    begin(&*one, new("runs")).await.expect("begun");
    let begun = one.begin(new("new"), at(2), at(3)).await;
    assert_eq!(begun.expect("begun"), BeginOutcome::Created);
    let left = one.executions(ALL, None, None, 9).await.expect("a list");
    let left: Vec<&str> = left.iter().map(|each| each.id.as_str()).collect();
    assert_eq!(left, ["new", "runs", "waits"]);
    assert_eq!(journal(&*one, "ended").await, None);
}

pub(crate) async fn procedures_end_at_reach<R: Room>() {
    let room = R::fresh().await;
    let [one, _two] = two_stores(&room).await;
    let (a, b) = (only(&["a"]), only(&["b"]));
    begin(&*one, new("x")).await.expect("begun");
    let call = RecordedCall {
        id: "c".to_owned(),
        project: "a".to_owned(),
        tool: "files__read".to_owned(),
        arguments: "{}".to_owned(),
        at: at(0),
    };
    one.record(vec![call], 9).await.expect("recorded");

    for (reach, count) in [(&ALL, 1), (&a, 1), (&b, 0)] {
        let reach = || reach.clone();
        let definitions = one.definitions(reach(), Some("n".to_owned())).await;
        assert_eq!(definitions.expect("definitions").len(), count);
        let executions = one.executions(reach(), None, None, 9).await;
        assert_eq!(executions.expect("executions").len(), count);
        let execution = one.execution(reach(), "x".to_owned()).await;
        assert_eq!(execution.expect("asked").is_some(), count == 1);
        let journal = one.journal(reach(), "x".to_owned()).await;
        assert_eq!(journal.expect("asked").is_some(), count == 1);
        let calls = one.recorded(reach(), names(&["c"])).await;
        assert_eq!(calls.expect("calls").len(), count);
        assert_eq!(one.recent(reach(), 9).await.expect("calls").len(), count);
        let census = one.procedure_census(reach()).await.expect("counts");
        assert_eq!(census.definitions, count as u64);
        assert_eq!(census.executions.len(), count);
    }

    let is_refused = |error: StoreError| assert!(matches!(error, StoreError::NoAccess(_)));
    let defined = one.define(b.clone(), definition("a"), at(1)).await;
    is_refused(defined.expect_err("refused"));
    let cancelled = one.request_cancel(b.clone(), "x".to_owned()).await;
    is_refused(cancelled.expect_err("refused"));
    let entry = "{}".to_owned();
    let decided = one.decide(b.clone(), "x".to_owned(), 1, entry, Vec::new(), at(1));
    is_refused(decided.await.expect_err("refused"));

    // The same definition in another project is that project's own.
    let defined = one.define(b.clone(), definition("b"), at(1)).await;
    assert_eq!(defined.expect("defined"), DefineOutcome::Created);
    let defined = one.define(ALL, definition("a"), at(2)).await;
    assert_eq!(defined.expect("defined"), DefineOutcome::Unchanged);
    // So are idempotency keys.
    for project in ["a", "b"] {
        let keyed = NewExecution {
            project: project.to_owned(),
            idempotency_key: Some("k".to_owned()),
            ..new(&format!("keyed in {project}"))
        };
        let begun = begin(&*one, keyed).await.expect("begun");
        assert_eq!(begun, BeginOutcome::Created);
    }
}

pub(crate) async fn activity_is_counted_by_spans_within_reach<R: Room>() {
    let room = R::fresh().await;
    let [store, _] = two_stores(&room).await;
    for (project, text, second) in [
        ("a", "one", -1),
        ("a", "two", 0),
        ("b", "three", 9),
        ("a", "four", 20),
        ("a", "five", 30),
    ] {
        let stored = store_one(&*store, memory(project, text), at(second)).await;
        stored.expect("stored");
    }
    for (id, second) in [("x", 1), ("y", 12)] {
        let begun = store.begin(new(id), Timestamp(0), at(second)).await;
        assert_eq!(begun.expect("begun"), BeginOutcome::Created);
    }
    let failed = update(ExecutionStatus::Failed, false);
    let appended = store.append("y".to_owned(), 1, names(&["{}"]), failed, at(25));
    assert_eq!(appended.await.expect("appended"), WRITTEN);
    let call = |id: &str, project: &str, second| RecordedCall {
        id: id.to_owned(),
        project: project.to_owned(),
        tool: "t".to_owned(),
        arguments: "{}".to_owned(),
        at: at(second),
    };
    let calls = vec![call("1", "a", 5), call("2", "b", 29), call("3", "a", 29)];
    store.record(calls, 10).await.expect("recorded");
    let spans = Spans {
        since: at(0),
        micros: 10_000_000,
        count: 3,
    };
    let all = store.activity(&ALL, spans).await.expect("counted");
    assert_eq!(
        all,
        Activity {
            memories: vec![2, 0, 1],
            runs: vec![1, 1, 0],
            failed_runs: vec![0, 1, 0],
            skill_calls: vec![1, 0, 2],
        }
    );
    let of_b = store.activity(&only(&["b"]), spans).await.expect("counted");
    assert_eq!(
        of_b,
        Activity {
            memories: vec![1, 0, 0],
            runs: vec![0; 3],
            failed_runs: vec![0; 3],
            skill_calls: vec![0, 0, 1],
        }
    );
}
