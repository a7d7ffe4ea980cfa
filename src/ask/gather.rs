//! Several stores are searched at once, under one deadline. One that fails,
//! panics or is late is named as such, and neither spoils nor delays the rest.

use std::collections::{BTreeMap, HashMap};

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Item, Store};
use crate::failure::{Failure, Kind};
use crate::limits;

/// A result of a store, twice: as a client sees it, and as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its row in the results.
    pub row: Value,
    /// What an answer may rest on.
    pub item: Item,
    /// Entities that it is about, the most prominent first.
    pub entities: Vec<String>,
}

/// What one store finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// Best first.
    pub list: Vec<Hit>,
    /// What could not be used, in words.
    pub degraded: Option<String>,
}

/// The search of one store.
pub type Search = Box<dyn FnOnce() -> BoxFuture<'static, Result<Hits, Failure>> + Send>;

/// What all of them found.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// By store, each best first; those that failed are missing.
    pub found: BTreeMap<Store, Vec<Hit>>,
    /// Those that gave nothing, and why.
    pub failed: BTreeMap<Store, Kind>,
    /// What the others could not use, in words.
    pub degraded: Vec<String>,
}

impl Gathered {
    /// Adds to what a store found. One that failed, or was not searched, stays
    /// missing.
    pub fn bring(&mut self, store: Store, more: Vec<Hit>) {
        if let Some(found) = self.found.get_mut(&store) {
            found.extend(more);
        }
    }

    /// Adds what other stores found.
    pub fn join(&mut self, other: Gathered) {
        self.found.extend(other.found);
        self.failed.extend(other.failed);
        self.degraded.extend(other.degraded);
    }
}

/// Carries out `searches`, and gives up at `deadline` what is not there by then.
pub async fn gather(searches: Vec<(Store, Search)>, deadline: Instant) -> Gathered {
    let mut running = JoinSet::new();
    let mut gathered = Gathered::default();
    let mut stores = HashMap::new();
    for (store, search) in searches {
        gathered.failed.insert(store, Kind::Timeout);
        // Called inside too, so that a panic of the closure itself stays there.
        let task = running.spawn(async move { search().await });
        stores.insert(task.id(), store);
    }
    while let Ok(Some(done)) = timeout_at(deadline, running.join_next_with_id()).await {
        let (id, outcome) = match done {
            Ok((id, outcome)) => (id, outcome),
            Err(panicked) => (panicked.id(), Err(Failure::internal(panicked))),
        };
        let Some(store) = stores.get(&id).copied() else {
            continue;
        };
        match outcome {
            Ok(hits) => {
                gathered.failed.remove(&store);
                gathered.degraded.extend(hits.degraded);
                gathered.found.insert(store, sound(store, hits.list));
            }
            Err(failure) => {
                tracing::warn!(store = store.name(), %failure, "a store could not be searched");
                gathered.failed.insert(store, failure.kind);
            }
        }
    }
    gathered
}

/// The hits that can be weighed: of this store, with something to say and a
/// name to cite it by, at most so many.
fn sound(store: Store, list: Vec<Hit>) -> Vec<Hit> {
    let usable = |hit: &Hit| {
        let item = &hit.item;
        item.store == store && !item.citation.is_empty() && !item.text.trim().is_empty()
    };
    let list = list.into_iter().filter(usable);
    list.take(limits::ASK_HITS_OF_ONE_MAX).collect()
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
