//! Searching several stores at once under one deadline. A store that fails,
//! panics or is late is reported and does not affect the others.

use std::collections::{BTreeMap, HashMap};

use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::StoreKind;
use super::answer::Hit;
use crate::failure::{Failure, Kind};
use crate::limits;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StoreResults {
    /// Best first.
    pub(crate) hits: Vec<Hit>,
    /// Why the results may be worse than usual.
    pub(crate) degraded: Option<String>,
}

pub(super) type StoreSearch =
    Box<dyn FnOnce() -> BoxFuture<'static, Result<StoreResults, Failure>> + Send>;

/// The results of several stores.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// By store, best first; stores that failed are missing.
    pub(crate) hits: BTreeMap<StoreKind, Vec<Hit>>,
    pub(crate) failed: BTreeMap<StoreKind, Kind>,
    /// Reasons why the results may be worse than usual.
    pub(crate) degraded: Vec<String>,
}

impl Findings {
    /// Adds hits to a store's. A store that failed or was not searched stays
    /// missing.
    pub(crate) fn extend(&mut self, store: StoreKind, more: Vec<Hit>) {
        if let Some(hits) = self.hits.get_mut(&store) {
            hits.extend(more);
        }
    }

    /// Adds the results of other stores.
    pub(crate) fn merge(&mut self, other: Findings) {
        self.hits.extend(other.hits);
        self.failed.extend(other.failed);
        self.degraded.extend(other.degraded);
    }
}

/// Runs `searches` at once, until `deadline` at the latest.
pub(super) async fn fan_out(
    searches: Vec<(StoreKind, StoreSearch)>,
    deadline: Instant,
) -> Findings {
    let mut running = JoinSet::new();
    let mut findings = Findings::default();
    let mut stores = HashMap::new();
    for (store, search) in searches {
        findings.failed.insert(store, Kind::Timeout);
        // The closure is called in the task too, so that its panic stays there.
        let task = running.spawn(async move { search().await });
        stores.insert(task.id(), store);
    }
    while let Ok(Some(done)) = timeout_at(deadline, running.join_next_with_id()).await {
        let (id, result) = match done {
            Ok((id, result)) => (id, result),
            Err(panicked) => (panicked.id(), Err(Failure::internal(panicked))),
        };
        let Some(store) = stores.get(&id).copied() else {
            continue;
        };
        match result {
            Ok(results) => {
                findings.failed.remove(&store);
                findings.degraded.extend(results.degraded);
                findings.hits.insert(store, usable(store, results.hits));
            }
            Err(failure) => {
                tracing::warn!(store = store.name(), %failure, "a store could not be searched");
                findings.failed.insert(store, failure.kind);
            }
        }
    }
    findings
}

/// A bounded number of hits that belong to this store and can be quoted and cited.
fn usable(store: StoreKind, hits: Vec<Hit>) -> Vec<Hit> {
    let is_usable = |hit: &Hit| {
        let evidence = &hit.evidence;
        let can_be_quoted = !evidence.text.trim().is_empty();
        evidence.store == store && !evidence.citation.is_empty() && can_be_quoted
    };
    let hits = hits.into_iter().filter(is_usable);
    hits.take(limits::ASK_HITS_PER_STORE_MAX).collect()
}

#[cfg(test)]
#[path = "fan_out_tests.rs"]
mod tests;
