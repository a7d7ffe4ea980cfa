//! Nodes on PostgreSQL: the connection that holds a node's lock ends while its process
//! lives on, and what nodes tell each other.

use std::sync::Arc;
use std::time::Duration;

use mimo::caller::Reach;
use mimo::clock::Timestamp;
use mimo::store::changes::Topic;
use mimo::store::nodes::{NewReload, NodeLabel, ReloadRecord, ReloadState};
use mimo::store::{NodeStore, Store, StoreError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use mimo::store::procedure::{AppendOutcome, BeginOutcome, ExecutionStatus};

use crate::Room;
use crate::harness::{self, WATCHDOG};
use crate::postgres::Postgres;
use crate::procedures::{WRITTEN, definition, new, update};
use crate::support::at;

async fn append(store: &dyn Store, id: &str, length: u64) -> AppendOutcome {
    let update = update(ExecutionStatus::Running, false);
    let entries = vec!["{}".to_owned()];
    let appended = store.append(id.to_owned(), length, entries, update, at(1));
    appended.await.expect("asked")
}

/// Two stores, of which the first drives the execution `x`.
async fn two_nodes(room: &Postgres) -> [Arc<dyn Store>; 2] {
    let stores = [room.open(), room.open()];
    let defined = stores[0]
        .define(Reach::Everything, definition("a"), at(0))
        .await;
    defined.expect("defined");
    let begun = stores[0].begin(new("x"), Timestamp(0), at(0)).await;
    assert_eq!(begun.expect("begun"), BeginOutcome::Created);
    assert_eq!(append(&*stores[0], "x", 1).await, WRITTEN);
    stores
}

#[tokio::test]
async fn a_node_that_loses_its_connection_begins_nothing_and_becomes_another() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "nodes");
    }
    let room = Postgres::fresh().await;
    let [one, two] = two_nodes(&room).await;
    let owner = room.psql("SELECT owner FROM execution");
    // A lock of one number is a node's; the server shows its halves.
    let ended = room.psql(&format!(
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_locks WHERE locktype = 'advisory' \
         AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = {owner}"
    ));
    assert_eq!(ended, "1");

    // The process learns of it no later than its next journal entry is refused.
    let mut length = 2;
    for _ in 0..10_000 {
        match append(&*one, "x", length).await {
            AppendOutcome::Lost => break,
            AppendOutcome::Written { .. } => length += 1,
        }
    }
    assert_eq!(append(&*one, "x", length).await, AppendOutcome::Lost);
    assert_eq!(two.claim_any(at(2), 9).await.expect("claimed"), ["x"]);
    assert_eq!(append(&*two, "x", length).await, WRITTEN);

    let begun = one.begin(new("y"), Timestamp(0), at(3)).await;
    assert_eq!(begun.expect("begun"), BeginOutcome::Created);
    assert_eq!(append(&*one, "y", 1).await, WRITTEN);
    let owners = "SELECT count(DISTINCT owner) FROM execution";
    assert_eq!(room.psql(&format!("{owners} WHERE owner <> {owner}")), "2");
    assert!(!two.claim("y".to_owned()).await.expect("asked"), "it lives");
}

fn label(name: &str) -> NodeLabel {
    NodeLabel {
        name: name.to_owned(),
        host: "here".to_owned(),
        pid: 1,
        version: "1".to_owned(),
    }
}

fn nodes(store: &Arc<dyn Store>) -> Arc<dyn NodeStore> {
    store.clone().nodes().expect("a database has nodes")
}

/// Serves as the node `name`, once it is listed.
async fn serve(store: &Arc<dyn Store>, name: &'static str) -> JoinHandle<()> {
    let own = nodes(store);
    let serving = tokio::spawn(async move { own.serve(label(name)).await });
    until(async || {
        let serving = nodes(store).nodes().await.expect("a list");
        serving.iter().any(|node| node.label.name == name)
    })
    .await;
    serving
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(WATCHDOG, waiting).await.expect("in time");
}

async fn told(announced: &mut watch::Receiver<u64>) {
    let changed = timeout(WATCHDOG, announced.changed()).await;
    changed.expect("in time").expect("the store lives");
}

#[tokio::test]
async fn announcements_reach_other_nodes_also_after_a_broken_connection() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "nodes");
    }
    let room = Postgres::fresh().await;
    let [one, two] = two_nodes(&room).await;
    let serving = serve(&two, "two").await;
    let mut cancels = two.announced(Topic::Cancels);
    let mut keys = two.announced(Topic::Keys);
    cancels.mark_unchanged();
    keys.mark_unchanged();
    let cancelled = one.request_cancel(Reach::Everything, "x".to_owned()).await;
    cancelled.expect("asked");
    told(&mut cancels).await;
    assert!(!keys.has_changed().expect("it lives"), "only what was said");

    let owner = room.psql("SELECT id FROM node");
    let ended = format!(
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_locks \
         WHERE locktype = 'advisory' AND objsubid = 1 \
         AND (classid::bigint << 32 | objid::bigint) = {owner}"
    );
    assert_eq!(room.psql(&ended), "1");
    // Announcements may have been missed: everything counts as announced.
    told(&mut keys).await;
    until(async || {
        let serving = nodes(&one).nodes().await.expect("a list");
        serving.len() == 1 && room.psql("SELECT id FROM node") != owner
    })
    .await;
    keys.mark_unchanged();
    one.revoke_all_keys(at(5)).await.expect("revoked");
    told(&mut keys).await;
    serving.abort();
}

fn reload(store: &Arc<dyn Store>) -> JoinHandle<Result<ReloadRecord, StoreError>> {
    let nodes = nodes(store);
    let new = NewReload {
        manifest: "abc".to_owned(),
        by: "a test".to_owned(),
        at: at(0),
    };
    tokio::spawn(async move { nodes.reload_nodes(new, WATCHDOG).await })
}

async fn answer(store: &Arc<dyn Store>, name: &str, epoch: i64, outcome: Value) {
    let nodes = nodes(store);
    let answered = nodes.answer_reload(epoch, label(name), outcome);
    answered.await.expect("answered");
}

async fn state(store: &Arc<dyn Store>) -> Option<ReloadState> {
    let last = nodes(store).last_reload().await.expect("read");
    last.map(|record| record.state)
}

#[tokio::test]
async fn one_reload_runs_at_a_time_and_that_of_a_dead_node_is_abandoned() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "nodes");
    }
    let room = Postgres::fresh().await;
    let stores = [room.open(), room.open()];
    let serving = [
        serve(&stores[0], "one").await,
        serve(&stores[1], "two").await,
    ];
    let running = reload(&stores[0]);
    until(async || state(&stores[1]).await == Some(ReloadState::Running)).await;
    let refused = reload(&stores[1]).await.expect("it ends");
    let Err(StoreError::Conflict(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        why.starts_with("reload_in_progress: a test began one"),
        "{why}"
    );
    for (store, name) in stores.iter().zip(["one", "two"]) {
        let asked = nodes(store).newest_reload(name.to_owned()).await;
        let asked = asked.expect("read").expect("one");
        assert!(asked.is_asked && asked.manifest == "abc", "{asked:?}");
        let outcome = json!({"ok": true, "by": name});
        answer(store, name, asked.epoch, outcome).await;
    }
    let record = running.await.expect("it ends").expect("reloaded");
    assert_eq!(record.state, ReloadState::Ended);
    let outcomes = record.answers.iter().map(|answer| &answer.outcome);
    let outcomes: Vec<_> = outcomes.flatten().map(|outcome| &outcome["by"]).collect();
    assert_eq!(outcomes, ["one", "two"]);
    assert_eq!(state(&stores[1]).await, Some(ReloadState::Ended));

    // Whoever began this one is gone before there is an answer.
    let running = reload(&stores[0]);
    until(async || state(&stores[1]).await == Some(ReloadState::Running)).await;
    running.abort();
    until(async || state(&stores[1]).await == Some(ReloadState::Abandoned)).await;

    // A node that ends is waited for no longer.
    let running = reload(&stores[0]);
    until(async || state(&stores[0]).await == Some(ReloadState::Running)).await;
    let [one, two] = stores;
    serving[1].abort();
    drop(two);
    let asked = nodes(&one).newest_reload("one".to_owned()).await;
    let epoch = asked.expect("read").expect("one").epoch;
    answer(&one, "one", epoch, json!({"ok": true})).await;
    let record = running.await.expect("it ends").expect("reloaded");
    let gone: Vec<bool> = record.answers.iter().map(|answer| answer.is_gone).collect();
    assert_eq!(gone, [false, true]);
    serving[0].abort();
}

#[tokio::test]
async fn only_a_database_has_nodes() {
    let file = crate::sqlite::Sqlite::fresh().await.open();
    assert!(file.clone().nodes().is_none());
    let announced = file.announced(Topic::Reloads);
    let early = timeout(Duration::from_millis(1), announced.clone().changed()).await;
    assert!(early.is_err(), "nothing is announced, and nothing ends");
}
