//! The health of a server, for those who operate it: whether it takes requests,
//! the state of each part, and the metrics that the store has to be asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::skills::Skills;
use crate::caller::Reach;
use crate::clock::{Clock, Timestamp};
use crate::graph::Graph;
use crate::limits;
use crate::meter::calls::ENCODE_QUEUE;
use crate::meter::skills::{EXECUTIONS, ExecutionStatus};
use crate::meter::store as metrics;
use crate::platform::free_bytes;
use crate::registry::nodes;
use crate::store::nodes::ReloadRecord;
use crate::store::procedure::ExecutionStatus as Status;
use crate::store::{Store, StoreError};

/// The facts that a health report needs besides the parts.
pub struct HealthSettings {
    /// Distinguishes servers on one database.
    pub node: String,
    /// The folder whose file system must have free space.
    pub folder: PathBuf,
    /// The encoder's vector space.
    pub model: String,
    /// Whether retention runs.
    pub cleans: bool,
}

/// The counts that the server keeps itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerCounts {
    pub keys_usable: u64,
    /// Usable keys that expire within a week.
    pub keys_expire_soon: u64,
    pub sessions: u64,
}

/// Whether the server takes requests, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ok,
    /// It is shutting down.
    Draining,
    /// The store cannot be used.
    Store,
    /// No key is usable.
    Keys,
}

impl Readiness {
    pub fn name(self) -> &'static str {
        match self {
            Readiness::Ok => "ok",
            Readiness::Draining => "draining",
            Readiness::Store => "store",
            Readiness::Keys => "keys",
        }
    }
}

/// The answer to `GET /health`.
#[derive(Clone, Debug)]
pub struct HealthReport {
    pub document: Value,
    /// Whether the store works, without which nothing does.
    pub serves: bool,
}

pub struct Health {
    store: Arc<dyn Store>,
    graph: Arc<Graph>,
    skills: Option<Arc<Skills>>,
    settings: HealthSettings,
    clock: Arc<dyn Clock>,
    began: Timestamp,
    checked: Recent<StoreCheck>,
}

/// The store's answer.
#[derive(Clone, Debug)]
struct StoreCheck {
    state: &'static str,
    latency: Duration,
    last_cleanup: Option<Timestamp>,
    executions: Vec<(Status, u64)>,
    /// Of those that serve from one database: how many there are, and the last reload of
    /// their skills.
    nodes: Option<(usize, Option<ReloadRecord>)>,
}

impl StoreCheck {
    fn works(&self) -> bool {
        matches!(self.state, "ok" | "empty")
    }

    fn executions(&self, status: Status) -> u64 {
        let mut all = self.executions.iter();
        all.find(|(each, _)| *each == status)
            .map_or(0, |(_, count)| *count)
    }
}

/// The skills by what an operator must do about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SkillCounts {
    running: usize,
    /// Ended by themselves, and to be started again.
    failed: usize,
    /// Not needed yet, or starting.
    waiting: usize,
    quarantined: usize,
    /// The manifest, or an entry of it, is not in use.
    is_refused: bool,
}

impl SkillCounts {
    fn of(skills: &Skills) -> SkillCounts {
        let mut counts = SkillCounts {
            quarantined: skills.registry().pending().len(),
            is_refused: skills.problem().is_some(),
            ..SkillCounts::default()
        };
        for skill in skills.registry().statuses() {
            match skill.state {
                "running" => counts.running += 1,
                "restarting" | "broken" => counts.failed += 1,
                _ => counts.waiting += 1,
            }
        }
        counts
    }
}

impl Health {
    pub fn new(
        store: Arc<dyn Store>,
        graph: Arc<Graph>,
        skills: Option<Arc<Skills>>,
        settings: HealthSettings,
        clock: Arc<dyn Clock>,
    ) -> Health {
        Health {
            store,
            graph,
            skills,
            settings,
            began: clock.now(),
            clock,
            checked: Recent::default(),
        }
    }

    /// Asks the store at most once a second.
    pub async fn readiness(&self, is_draining: bool, keys_usable: u64) -> Readiness {
        let ready = match (is_draining, keys_usable) {
            (true, _) => Readiness::Draining,
            (false, 0) => Readiness::Keys,
            _ if !self.checked.get(self.check()).await.works() => Readiness::Store,
            _ => Readiness::Ok,
        };
        metrics::READY.set((), i64::from(ready == Readiness::Ok));
        ready
    }

    /// Asks the store at most once a second.
    pub async fn report(&self, counts: ServerCounts) -> HealthReport {
        let store = self.checked.get(self.check()).await;
        let skills = self.skills.as_deref().map(SkillCounts::of);
        let skills = skills.unwrap_or_default();
        let is_overdue = self.is_cleanup_overdue(&store);
        let is_degraded = !store.works() || skills.failed > 0 || skills.is_refused || is_overdue;
        let format = self.store.format();
        let uptime = (self.clock.now().0 - self.began.0).max(0) / 1_000_000;
        let mut document = json!({
            "status": if is_degraded { "degraded" } else { "ok" },
            "version": env!("CARGO_PKG_VERSION"),
            "node": self.settings.node,
            "uptime_s": uptime,
            "checks": {
                "store": {
                    "state": store.state,
                    "kind": format.kind,
                    "latency_ms": store.latency.as_millis() as u64,
                    "schema": format.schema,
                },
                "encoder": {
                    "model": self.settings.model,
                    "queue": ENCODE_QUEUE.get(()),
                },
                "skills": {
                    "running": skills.running,
                    "failed": skills.failed,
                    "waiting": skills.waiting,
                    "quarantined": skills.quarantined,
                    "refused": skills.is_refused,
                },
                "procedures": {
                    "running": store.executions(Status::Running),
                    "waiting_approval": store.executions(Status::WaitingApproval),
                    "unowned": store.executions(Status::Pending),
                },
                "retention": {
                    "last_finished": store.last_cleanup.map(Timestamp::to_iso),
                    "overdue": is_overdue,
                },
                "keys": {
                    "usable": counts.keys_usable,
                    "expire_soon": counts.keys_expire_soon,
                },
                "disk": {"free_bytes": free_bytes(&self.settings.folder)},
                "sessions": counts.sessions,
            },
        });
        if let Some((count, reload)) = &store.nodes {
            document["checks"]["nodes"] = json!({
                "serving": count,
                "reload": reload.as_ref().map(nodes::document),
            });
        }
        HealthReport {
            document,
            serves: store.works(),
        }
    }

    /// A server that has just started has not missed a cleanup.
    fn is_cleanup_overdue(&self, store: &StoreCheck) -> bool {
        let last = store.last_cleanup.unwrap_or(self.began).max(self.began);
        let due = last.plus_seconds(limits::RETENTION_OVERDUE_SECONDS);
        self.settings.cleans && store.works() && due < self.clock.now()
    }

    async fn check(&self) -> StoreCheck {
        let began = Instant::now();
        let mut check = StoreCheck {
            state: "empty",
            latency: Duration::ZERO,
            last_cleanup: None,
            executions: Vec::new(),
            nodes: None,
        };
        if !self.store.exists() {
            return check;
        }
        let most = Duration::from_millis(limits::HEALTH_STORE_MILLIS_MAX);
        let asked = async {
            let run = self.store.last_run().await?;
            let census = self.store.procedure_census(Reach::Everything).await?;
            let nodes = match self.store.clone().nodes() {
                None => None,
                Some(nodes) => Some((nodes.nodes().await?.len(), nodes.last_reload().await?)),
            };
            Ok::<_, StoreError>((run, census.executions, nodes))
        };
        check.state = match timeout(most, asked).await {
            Ok(Ok((run, executions, nodes))) => {
                check.last_cleanup = run.and_then(|run| run.finished_at);
                check.executions = executions;
                check.nodes = nodes;
                "ok"
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the health check found the store unusable");
                "unavailable"
            }
            Err(_) => {
                tracing::warn!("the store did not answer the health check in time");
                "timeout"
            }
        };
        check.latency = began.elapsed();
        check
    }

    /// Refreshes the metrics that the store has to be asked for, as long as it is
    /// polled.
    pub async fn keep_metrics(&self) {
        loop {
            if let Err(error) = self.refresh_metrics().await {
                tracing::warn!(%error, "the stored data was not counted for the metrics");
            }
            tokio::time::sleep(Duration::from_secs(limits::CENSUS_SECONDS)).await;
        }
    }

    /// Does not make a store where there is none.
    pub async fn refresh_metrics(&self) -> Result<(), StoreError> {
        if let Some(free) = free_bytes(&self.settings.folder) {
            metrics::DISK_FREE.set((), number(free));
        }
        if !self.store.exists() {
            return Ok(());
        }
        let everything = Reach::Everything;
        let memories = self.store.census(&everything).await?;
        for (state, count) in [
            (metrics::MemoryState::Active, memories.active),
            (metrics::MemoryState::Superseded, memories.superseded),
            (metrics::MemoryState::Archived, memories.archived),
        ] {
            metrics::MEMORIES.set(state, number(count));
        }
        metrics::BYTES.set((), number(memories.file_bytes));
        // The graph logs its own failures; the other counts are good without it.
        if let Ok(graph) = self.graph.census(&everything).await {
            metrics::TRIPLES.set((), number(graph.triples));
        }
        let procedures = self.store.procedure_census(everything).await?;
        for status in ExecutionStatus::ALL.iter().copied() {
            let mut counts = procedures.executions.iter();
            let count = counts.find(|(each, _)| each.name() == status.name());
            EXECUTIONS.set(status, number(count.map_or(0, |(_, count)| *count)));
        }
        if self.settings.cleans {
            let last = self.store.last_run().await?.and_then(|run| run.finished_at);
            let last = last.unwrap_or(self.began).max(self.began);
            metrics::RETENTION_LAST_SUCCESS.set((), last.0 / 1_000_000);
        }
        Ok(())
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value that is refreshed once it is a second old. Concurrent callers share one
/// refresh.
struct Recent<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent(Mutex::new(None))
    }
}

impl<T: Clone> Recent<T> {
    async fn get(&self, ask: impl Future<Output = T>) -> T {
        let age_max = Duration::from_millis(limits::HEALTH_CACHED_MILLIS_MAX);
        let mut last = self.0.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < age_max
        {
            return value.clone();
        }
        let value = ask.await;
        *last = Some((Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
