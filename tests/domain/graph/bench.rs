//! A graph on a store in a temporary folder, asked without a wire.

use std::sync::Arc;

use mimo::caller::Reach;
use mimo::clock::{Clock, FixedClock, Timestamp};
use mimo::failure::Failure;
use mimo::graph::mention::{self, Mention};
use mimo::graph::query::{NamedPath, NamedRow, Page, Plan, Scope, Walk};
use mimo::graph::update::{Assertion, Update, UpdateSummary};
use mimo::graph::{Graph, Settings};
use mimo::store::graph::{GraphRead, GraphStore, Triple};
use mimo::store::sqlite::SqliteStore;
use tempfile::TempDir;

/// 2026-11-22T12:00:00Z.
pub const NOON: Timestamp = Timestamp(1_795_348_800_000_000);

/// The graph of one client.
pub struct Bench {
    pub clock: Arc<FixedClock>,
    pub graph: Graph,
    pub store: Arc<SqliteStore>,
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl Bench {
    /// An empty graph with these functional predicates.
    pub fn new(functional: &[&str]) -> Bench {
        let folder = TempDir::new().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
        let store = Arc::new(store);
        let clock = Arc::new(FixedClock::at(NOON));
        let settings = Settings {
            functional: functional.iter().map(|name| (*name).to_owned()).collect(),
        };
        Bench {
            graph: Graph::new(store.clone(), clock.clone(), settings),
            clock,
            store,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            _folder: folder,
        }
    }

    pub fn history(&self) -> Vec<Triple> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let work: GraphRead = Box::new(move |graph| {
            Box::pin(async move {
                let triples = graph.triples_after(None, 0, 1_000).await?;
                sender.send(triples).expect("it is awaited");
                Ok(())
            })
        });
        self.wait(self.store.read_graph(Reach::Everything, work))
            .expect("read");
        receiver.recv().expect("triples")
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Applies an update, then advances the clock by a second.
    pub fn update(&self, update: Update) -> Result<UpdateSummary, Failure> {
        let done = self.wait(self.graph.update(&Reach::Everything, update));
        self.clock.advance_seconds(1);
        Ok(done?)
    }

    pub fn assert(&self, triples: &[(&str, &str, &str)]) -> UpdateSummary {
        let assertions = triples.iter().map(|(s, p, o)| assertion(s, p, o, 1.0));
        let update = Update {
            assertions: assertions.collect(),
            ..update_of("global")
        };
        self.update(update).expect("asserted")
    }

    /// Current triples of these projects.
    pub fn scope(&self, projects: &[&str]) -> Scope {
        Scope {
            reach: Reach::Everything,
            projects: projects.iter().map(|name| (*name).to_owned()).collect(),
            at: self.clock.now(),
            min_confidence: 0.0,
            limit: 1_000,
        }
    }

    /// All reachable entities.
    pub fn reach(&self, scope: Scope, walk: Walk) -> Result<Page<NamedPath>, Failure> {
        Ok(self.wait(self.graph.reach(scope, walk, None))?)
    }

    pub fn matches(
        &self,
        scope: Scope,
        patterns: &[[String; 3]],
    ) -> Result<Page<NamedRow>, Failure> {
        let matches = self
            .graph
            .matches(scope, patterns.to_vec(), Plan::default());
        Ok(self.wait(matches)?)
    }
}

/// An empty update in a project.
pub fn update_of(project: &str) -> Update {
    Update {
        project: project.to_owned(),
        visible: vec!["global".to_owned()],
        ..Update::default()
    }
}

/// An assertion that is valid from now on.
pub fn assertion(subject: &str, predicate: &str, object: &str, confidence: f64) -> Assertion {
    let [subject, object] = [subject, object].map(|name| Mention::parse(name).expect("a name"));
    let predicate = mention::predicate(predicate).expect("a predicate");
    Assertion {
        confidence,
        ..Assertion::new(subject, predicate, object)
    }
}
