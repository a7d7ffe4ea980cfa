//! A graph on a store in a temporary folder, asked without a wire.

use std::sync::Arc;

use mimo::clock::{Clock, FixedClock, Timestamp};
use mimo::failure::Failure;
use mimo::graph::mention::{self, Mention};
use mimo::graph::query::{Found, NamedPath, NamedRow, Plan, Scope, Walk};
use mimo::graph::update::{Assertion, Recorded, Update};
use mimo::graph::{Graph, Settings};
use mimo::store::sqlite::SqliteStore;
use tempfile::TempDir;

/// 2026-11-22T12:00:00Z.
pub const NOON: Timestamp = Timestamp(1_795_348_800_000_000);

/// One client's graph.
pub struct Bench {
    pub clock: Arc<FixedClock>,
    pub graph: Graph,
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl Bench {
    /// An empty one, with these predicates functional.
    pub fn new(functional: &[&str]) -> Bench {
        let folder = TempDir::new().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
        let clock = Arc::new(FixedClock::at(NOON));
        let settings = Settings {
            functional: functional.iter().map(|name| (*name).to_owned()).collect(),
        };
        Bench {
            graph: Graph::new(Arc::new(store), clock.clone(), settings),
            clock,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            _folder: folder,
        }
    }

    /// Waits for `work`.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Carries out an update; the clock moves on a second after it.
    pub fn update(&self, update: Update) -> Result<Recorded, Failure> {
        let done = self.wait(self.graph.update(update));
        self.clock.advance_seconds(1);
        done
    }

    /// Asserts triples in `global`.
    pub fn assert(&self, triples: &[(&str, &str, &str)]) -> Recorded {
        let assertions = triples.iter().map(|(s, p, o)| assertion(s, p, o, 1.0));
        let update = Update {
            assertions: assertions.collect(),
            ..update_of("global")
        };
        self.update(update).expect("asserted")
    }

    /// What holds now, in these projects.
    pub fn scope(&self, projects: &[&str]) -> Scope {
        Scope {
            projects: projects.iter().map(|name| (*name).to_owned()).collect(),
            at: self.clock.now(),
            min_confidence: 0.0,
            limit: 1_000,
        }
    }

    /// Everything that is reached.
    pub fn reach(&self, scope: Scope, walk: Walk) -> Result<Found<NamedPath>, Failure> {
        self.wait(self.graph.reach(scope, walk, None))
    }

    /// Every row.
    pub fn matches(
        &self,
        scope: Scope,
        patterns: &[[String; 3]],
    ) -> Result<Found<NamedRow>, Failure> {
        self.wait(
            self.graph
                .matches(scope, patterns.to_vec(), Plan::default()),
        )
    }
}

/// An update of nothing yet, in a project.
pub fn update_of(project: &str) -> Update {
    Update {
        project: project.to_owned(),
        visible: vec!["global".to_owned()],
        ..Update::default()
    }
}

/// An assertion of what holds from now on.
pub fn assertion(subject: &str, predicate: &str, object: &str, confidence: f64) -> Assertion {
    Assertion {
        subject: Mention::parse(subject, "").expect("a name"),
        predicate: mention::predicate(predicate, "").expect("a predicate"),
        object: Mention::parse(object, "").expect("a name"),
        confidence,
        valid_from: None,
        valid_until: None,
        source: None,
        history: None,
        path: "/assert/0".to_owned(),
    }
}
