//! The graph: entities, triples about them, and following those. The rules are
//! here and run in the store on one snapshot or in one transaction; the store
//! knows the indexes, the tools parse and render.

pub(crate) mod about;
mod directory;
pub mod error;
pub(crate) mod grammar;
mod ids;
mod join;
pub mod mention;
mod pattern;
pub(crate) mod picture;
mod plan;
pub(crate) mod portable;
pub mod query;
pub mod reach;
mod reading;
mod record;
mod rename;
mod resolve;
#[cfg(test)]
mod tests;
pub mod update;

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use self::error::GraphError;
use self::update::{Update, UpdateSummary};
use crate::caller::Reach;
use crate::clock::{Clock, Timestamp};
use crate::store::graph::{
    GraphCensus, GraphRead, GraphSnapshot, GraphStore, GraphTransaction, GraphWrite, WordId,
};
use crate::store::{NameStore, StoreError};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Predicates that have one object at a time.
    pub functional: Vec<String>,
}

/// The graph service.
pub struct Graph {
    store: Arc<dyn GraphStore>,
    clock: Arc<dyn Clock>,
    settings: Settings,
}

impl Graph {
    pub fn new(store: Arc<dyn GraphStore>, clock: Arc<dyn Clock>, settings: Settings) -> Graph {
        Graph {
            store,
            clock,
            settings,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// For reading the moments that the user names.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The port that knows the names of what is stored.
    pub(crate) fn names(&self) -> &dyn NameStore {
        &*self.store
    }

    /// Carries out an update: all of it or nothing.
    pub async fn update(&self, reach: &Reach, update: Update) -> Result<UpdateSummary, GraphError> {
        let (functional, at) = (self.settings.functional.clone(), self.clock.now());
        let access = reach.clone();
        self.write(reach, move |graph| {
            Box::pin(async move { record::record(graph, &access, &update, &functional, at).await })
        })
        .await
    }

    /// Runs `work` on one snapshot of what is within reach.
    async fn read<T: Send + 'static>(
        &self,
        reach: &Reach,
        work: impl for<'a> FnOnce(&'a dyn GraphSnapshot) -> BoxFuture<'a, Result<T, GraphError>>
        + Send
        + 'static,
    ) -> Result<T, GraphError> {
        let (sender, receiver) = oneshot::channel();
        let work: GraphRead =
            Box::new(move |graph| Box::pin(async move { hand_over(work(graph).await, sender) }));
        let stored = self.store.read_graph(reach.clone(), work).await;
        outcome(stored, receiver)
    }

    /// Runs `work` in one transaction.
    async fn write<T: Send + 'static>(
        &self,
        reach: &Reach,
        work: impl for<'a> FnOnce(&'a dyn GraphTransaction) -> BoxFuture<'a, Result<T, GraphError>>
        + Send
        + 'static,
    ) -> Result<T, GraphError> {
        let (sender, receiver) = oneshot::channel();
        let work: GraphWrite =
            Box::new(move |graph| Box::pin(async move { hand_over(work(graph).await, sender) }));
        let stored = self.store.write_graph(reach.clone(), work).await;
        outcome(stored, receiver)
    }

    /// Counts for a status, of what is within reach.
    pub(crate) async fn census(&self, reach: &Reach) -> Result<GraphCensus, GraphError> {
        self.read(reach, |graph| {
            Box::pin(async move { Ok(graph.census().await?) })
        })
        .await
    }
}

/// Sends the result of work to where it is awaited; a failure is rolled back.
fn hand_over<T>(
    done: Result<T, GraphError>,
    sender: oneshot::Sender<Result<T, GraphError>>,
) -> Result<(), StoreError> {
    let is_done = done.is_ok();
    let _nobody_waits = sender.send(done);
    is_done.then_some(()).ok_or(StoreError::Abandoned)
}

fn outcome<T>(
    stored: Result<(), StoreError>,
    mut receiver: oneshot::Receiver<Result<T, GraphError>>,
) -> Result<T, GraphError> {
    match receiver.try_recv() {
        Ok(Err(error)) => Err(error),
        Ok(Ok(value)) => Ok(stored.map(|()| value)?),
        Err(_) => Err(stored.err().unwrap_or(StoreError::Abandoned).into()),
    }
}

/// The ids of projects, `None` for all. Projects without triples are left out.
async fn projects_of(
    graph: &dyn GraphSnapshot,
    names: &[String],
) -> Result<Option<Vec<WordId>>, StoreError> {
    if names.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ids = graph.word_ids(&names).await?;
    Ok(Some(ids.into_iter().flatten().collect()))
}
