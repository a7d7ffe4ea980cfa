//! The graph: entities, what is said about them, and following it. The rules
//! live here and run in the store on one snapshot or in one transaction; the
//! store knows the indexes, the tools parse and render.

pub mod about;
pub mod grammar;
mod ids;
pub mod join;
pub mod mention;
pub mod pattern;
pub mod picture;
pub mod plan;
pub mod portable;
pub mod query;
pub mod reach;
pub mod reading;
pub mod record;
pub mod resolve;
pub mod update;

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::failure::Failure;
use crate::store::StoreError;
use crate::store::graph::{GraphCensus, GraphSnapshot, GraphStore, GraphTransaction, View, WordId};
use update::{Recorded, Update};

/// What can be set about the graph.
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
    /// A service over these parts.
    pub fn new(store: Arc<dyn GraphStore>, clock: Arc<dyn Clock>, settings: Settings) -> Graph {
        Graph {
            store,
            clock,
            settings,
        }
    }

    /// Now, by the service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Carries out an update: all of it or nothing.
    pub async fn update(&self, update: Update) -> Result<Recorded, Failure> {
        let (functional, at) = (self.settings.functional.clone(), self.clock.now());
        self.write(move |graph| record::record(graph, &update, &functional, at))
            .await
    }

    /// Runs `work` on one snapshot.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn GraphSnapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, value) = slot();
        let work = Box::new(move |graph: &dyn GraphSnapshot| answer(work(graph)?));
        self.store.read_graph(work).await?;
        value()
    }

    /// Runs `work` in one transaction.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn GraphTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, value) = slot();
        let work = Box::new(move |graph: &dyn GraphTransaction| answer(work(graph)?));
        self.store.write_graph(work).await?;
        value()
    }

    /// Counts for a status.
    pub async fn census(&self) -> Result<GraphCensus, Failure> {
        self.read(|graph| graph.census()).await
    }
}

/// Brings one value out of work that the store runs elsewhere.
fn slot<T: Send + 'static>() -> (
    impl FnOnce(T) -> Result<(), StoreError> + Send,
    impl FnOnce() -> Result<T, Failure>,
) {
    let slot = Arc::new(Mutex::new(None));
    let inside = slot.clone();
    let put = move |value| {
        *inside.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    };
    let take = move || {
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Failure::internal("the store answered without doing the work"))
    };
    (put, take)
}

/// Which projects a question covers, in the store's words. A project that no
/// triple belongs to is left out.
pub fn projects_of(
    graph: &dyn GraphSnapshot,
    names: &[String],
) -> Result<Option<Vec<WordId>>, StoreError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for name in names {
        ids.extend(graph.word_id(name)?);
    }
    Ok(Some(ids))
}

/// What a question sees: `names` as in [`projects_of`], at a moment, with at
/// least this confidence.
pub fn view(
    graph: &dyn GraphSnapshot,
    names: &[String],
    at: Timestamp,
    min_confidence: f64,
) -> Result<View, StoreError> {
    Ok(View {
        projects: projects_of(graph, names)?,
        at,
        ended: false,
        min_confidence: min_confidence - reading::ROUNDING,
    })
}
