//! Several processes on one file: an execution goes on where its process ended.

use std::sync::Arc;
use std::time::Instant;

use mimo::procedure::journal::Decision;
use serde_json::json;

use super::running::call;
use super::world::World;
use crate::metrics::value;
use crate::support::WATCHDOG;

/// A process that can end as by a kill: its tasks are dropped and its lock is
/// released.
struct Mortal {
    world: World,
    runtime: tokio::runtime::Runtime,
}

impl Mortal {
    fn on(folder: &Arc<tempfile::TempDir>) -> Mortal {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let world = World::on(folder.clone(), None);
        Mortal {
            world,
            runtime: runtime.expect("a runtime"),
        }
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn recovers(&self) -> usize {
        self.wait(self.world.procedures.recover()).expect("looked")
    }
}

/// The definition wins over the tool, which says that it only reads.
#[test]
fn call_that_its_definition_calls_not_idempotent_waits_for_a_person() {
    let folder = Arc::new(tempfile::TempDir::new().expect("a folder"));
    let first = Mortal::on(&folder);
    let id = first.wait(async {
        let read =
            json!({"tool": "read", "arguments": {"id": "a", "wait": true}, "idempotent": false});
        first
            .world
            .define(json!({"a": {"action": read, "end": true}}))
            .await;
        let id = first.world.start(json!({})).await;
        first.world.calls.waiting.notified().await;
        id
    });
    drop(first);
    let second = Mortal::on(&folder);
    assert_eq!(second.recovers(), 1);
    let document = second.wait(second.world.wait(&id));
    assert_eq!(
        document["waits_for"]["kind"], "unknown_outcome",
        "{document}"
    );
    assert!(second.world.calls.made().is_empty());
}

/// An action that ends each Mimo that repeats it is not repeated for ever.
#[test]
fn a_call_that_ends_every_mimo_waits_for_a_person_at_last() {
    let folder = Arc::new(tempfile::TempDir::new().expect("a folder"));
    let first = Mortal::on(&folder);
    let id = first.wait(async {
        let put = json!({"tool": "put", "arguments": {"id": "a", "wait": true}});
        first
            .world
            .define(json!({"a": {"action": put, "end": true}}))
            .await;
        let id = first.world.start(json!({})).await;
        first.world.calls.waiting.notified().await;
        id
    });
    drop(first);
    for nth in 1..=3 {
        let next = Mortal::on(&folder);
        assert_eq!(next.recovers(), 1);
        next.wait(next.world.calls.waiting.notified());
        assert_eq!(next.world.calls.made(), ["put a"], "the {nth}. time");
    }
    let last = Mortal::on(&folder);
    assert_eq!(last.recovers(), 1);
    last.wait(async {
        let world = &last.world;
        let waits = world.wait(&id).await;
        let message = waits["waits_for"]["message"].as_str().expect("a message");
        assert!(message.contains("ended 4 times while put"), "{waits}");
        assert_eq!(waits["status"], "waiting_approval");
        assert!(world.calls.made().is_empty());
        let (_, machine) = world
            .procedures
            .snapshot(&world.grants, &id)
            .await
            .expect("kept");
        assert_eq!(
            mimo::procedure::view::performed(&machine)[0]["takeovers"],
            3
        );
        // Who lets it be called again gives it as many attempts as before.
        world
            .procedures
            .decide(&world.grants, &id, Decision::Again, "ada", "")
            .await
            .expect("decided");
        assert!(
            world
                .procedures
                .resume(&world.grants, &id)
                .await
                .expect("resumed")
        );
        world.calls.waiting.notified().await;
        world.calls.gate.notify_one();
        assert_eq!(world.wait(&id).await["status"], "completed");
    });
}

#[test]
fn a_lease_that_another_process_took_is_counted() {
    let folder = Arc::new(tempfile::TempDir::new().expect("a folder"));
    let first = Mortal::on(&folder);
    let before = value("mimo_leases_lost_total");
    first.wait(async {
        let put = json!({"tool": "put", "arguments": {"id": "a", "wait": true}});
        first
            .world
            .define(json!({"a": {"action": put, "end": true}}))
            .await;
        first.world.start(json!({})).await;
        first.world.calls.waiting.notified().await;
        let file = rusqlite::Connection::open(folder.path().join("mimo.db")).expect("opens");
        let taken = file.execute("UPDATE execution SET owner = 'another'", []);
        assert_eq!(taken.expect("written"), 1);
        first.world.calls.gate.notify_one();
        let began = Instant::now();
        while value("mimo_leases_lost_total") == before {
            assert!(began.elapsed() < WATCHDOG, "no lost lease was counted");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn orphaned_execution_is_taken_over() {
    let folder = Arc::new(tempfile::TempDir::new().expect("a folder"));
    let first = Mortal::on(&folder);
    let id = first.wait(async {
        first.world.define(json!({
            "a": {"action": call("put", "a"), "next": "b"},
            "b": {"action": {"tool": "put", "arguments": {"id": "b", "wait": true}}, "next": "c"},
            "c": {"action": {"tool": "do", "arguments": {"id": "c", "wait": true}}, "next": "d"},
            "d": {"action": call("do", "d"), "end": true},
        })).await;
        let id = first.world.start(json!({})).await;
        first.world.calls.waiting.notified().await;
        id
    });
    // While the first process lives, no other one takes it.
    let second = Mortal::on(&folder);
    assert_eq!(second.recovers(), 0);
    assert!(
        !second
            .wait(second.world.procedures.resume(&second.world.grants, &id))
            .expect("asked")
    );
    // It ends during an idempotent action, which is repeated.
    drop(first);
    assert_eq!(second.recovers(), 1);
    second.wait(async {
        second.world.calls.waiting.notified().await;
        second.world.calls.gate.notify_one();
        second.world.calls.waiting.notified().await;
    });
    assert_eq!(second.world.calls.made(), ["put b", "do c"]);
    // It ends during another action, so a person has to decide.
    drop(second);
    let third = Mortal::on(&folder);
    assert_eq!(third.recovers(), 1);
    third.wait(async {
        let world = &third.world;
        let waits = world.wait(&id).await;
        assert_eq!(waits["waits_for"]["kind"], "unknown_outcome", "{waits}");
        assert!(world.calls.made().is_empty());
        world
            .procedures
            .decide(&world.grants, &id, Decision::Done, "ada", "saw it")
            .await
            .expect("decided");
        world
            .procedures
            .resume(&world.grants, &id)
            .await
            .expect("resumed");
        assert_eq!(world.wait(&id).await["status"], "completed");
        assert_eq!(world.calls.made(), ["do d"]);
    });
}
