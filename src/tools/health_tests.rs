//! Health on a real store, and with each part failing.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::clock::FixedClock;
use crate::graph::Settings;
use crate::store::sqlite::SqliteStore;

const HOUR: i64 = 3_600;

struct World {
    folder: tempfile::TempDir,
    clock: Arc<FixedClock>,
    health: Health,
}

impl World {
    fn new(cleans: bool) -> World {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
        let store: Arc<dyn Store> = Arc::new(store);
        let clock = Arc::new(FixedClock::at(Timestamp(1_795_348_800_000_000)));
        let settings = Settings {
            functional: Vec::new(),
        };
        let graph = Graph::new(store.clone(), clock.clone(), settings);
        let settings = HealthSettings {
            node: "one".to_owned(),
            folder: folder.path().to_owned(),
            model: "words".to_owned(),
            cleans,
        };
        let health = Health::new(store, Arc::new(graph), None, settings, clock.clone());
        World {
            folder,
            clock,
            health,
        }
    }

    async fn opened(cleans: bool) -> World {
        let world = World::new(cleans);
        world.health.store.ready().await.expect("opens");
        world
    }

    /// A report that does not use an earlier answer of the store.
    async fn report(&self) -> HealthReport {
        *self.health.checked.0.lock().await = None;
        self.health.report(ServerCounts::default()).await
    }
}

#[tokio::test]
async fn report_has_every_check() {
    let world = World::opened(true).await;
    world.clock.advance_seconds(90);
    let counts = ServerCounts {
        keys_usable: 3,
        keys_expire_soon: 1,
        sessions: 7,
    };
    let report = world.health.report(counts).await;
    assert!(report.serves);
    let document = &report.document;
    assert_eq!(document["status"], "ok");
    assert_eq!(
        (&document["node"], &document["uptime_s"]),
        (&json!("one"), &json!(90))
    );
    let checks = &document["checks"];
    assert_eq!(checks["store"]["state"], "ok");
    assert_eq!(checks["store"]["kind"], "sqlite");
    assert!(checks["store"]["schema"].as_u64() > Some(0));
    assert!(checks["store"]["latency_ms"].is_u64());
    assert_eq!(checks["encoder"]["model"], "words");
    assert_eq!(checks["keys"], json!({"usable": 3, "expire_soon": 1}));
    assert_eq!(checks["sessions"], 7);
    assert!(checks["disk"]["free_bytes"].is_u64());
    let procedures = json!({"running": 0, "waiting_approval": 0, "unowned": 0});
    assert_eq!(checks["procedures"], procedures);
    assert_eq!(checks["skills"]["failed"], 0);
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let world = World::opened(true).await;
    let health = &world.health;
    assert_eq!(health.readiness(false, 1).await, Readiness::Ok);
    assert_eq!(health.readiness(true, 1).await, Readiness::Draining);
    assert_eq!(health.readiness(false, 0).await, Readiness::Keys);
    assert_eq!(metrics::READY.get(()), Some(0));
    let names = [
        Readiness::Ok,
        Readiness::Draining,
        Readiness::Store,
        Readiness::Keys,
    ];
    assert_eq!(
        names.map(Readiness::name),
        ["ok", "draining", "store", "keys"]
    );
}

#[tokio::test]
async fn unusable_store_makes_the_server_unready() {
    let world = World::new(true);
    std::fs::write(world.folder.path().join("mimo.db"), "no database").expect("written");
    assert_eq!(world.health.readiness(false, 1).await, Readiness::Store);
    let report = world.report().await;
    assert!(!report.serves);
    assert_eq!(report.document["status"], "degraded");
    assert_eq!(report.document["checks"]["store"]["state"], "unavailable");
}

#[tokio::test]
async fn neither_health_nor_metrics_make_a_store() {
    let world = World::new(true);
    let report = world.report().await;
    assert!(report.serves);
    assert_eq!(report.document["checks"]["store"]["state"], "empty");
    world
        .health
        .refresh_metrics()
        .await
        .expect("nothing to ask");
    assert!(!world.folder.path().join("mimo.db").exists());
}

#[tokio::test]
async fn overdue_cleanup_degrades_where_cleanups_are_on() {
    for (cleans, hours, expected) in [(true, 2, false), (true, 4, true), (false, 4, false)] {
        let world = World::opened(cleans).await;
        world.clock.advance_seconds(hours * HOUR);
        let report = world.report().await;
        let status = if expected { "degraded" } else { "ok" };
        assert_eq!(report.document["status"], status, "{cleans} {hours}");
        assert_eq!(report.document["checks"]["retention"]["overdue"], expected);
        assert!(report.serves);
        let at = world.clock.now();
        let run = world
            .health
            .store
            .begin_run(at, None)
            .await
            .expect("stored");
        let run = run.expect("begun");
        world.health.store.end_run(run, at).await.expect("ended");
        let document = world.report().await.document;
        assert_eq!(document["status"], "ok");
        assert_eq!(
            document["checks"]["retention"]["last_finished"],
            at.to_iso()
        );
    }
}

#[tokio::test]
async fn census_fills_the_gauges() {
    let world = World::opened(true).await;
    world.health.refresh_metrics().await.expect("counted");
    assert_eq!(metrics::MEMORIES.get(metrics::MemoryState::Active), Some(0));
    assert_eq!(metrics::TRIPLES.get(()), Some(0));
    assert_eq!(EXECUTIONS.get(ExecutionStatus::WaitingApproval), Some(0));
    assert!(metrics::BYTES.get(()) > Some(0));
    assert!(metrics::DISK_FREE.get(()) > Some(0));
    assert!(metrics::RETENTION_LAST_SUCCESS.get(()) > Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_at_most_once_a_second() {
    let (recent, asked) = (Recent::default(), AtomicU32::new(0));
    let ask = || async { asked.fetch_add(1, Ordering::Relaxed) };
    let both = futures::future::join(recent.get(ask()), recent.get(ask()));
    assert_eq!(both.await, (0, 0));
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(recent.get(ask()).await, 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(recent.get(ask()).await, 1);
}
