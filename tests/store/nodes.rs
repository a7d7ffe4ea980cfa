//! Nodes on PostgreSQL: the connection that holds a node's lock ends while its process
//! lives on.

use std::sync::Arc;

use mimo::caller::Reach;
use mimo::clock::Timestamp;
use mimo::store::Store;
use mimo::store::procedure::{AppendOutcome, BeginOutcome, ExecutionStatus};

use crate::Room;
use crate::harness;
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
