//! Builds the parts, connects them, and shuts them down in order. Decides
//! nothing itself.

use std::future::Future;
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config, MemorySettings};
use crate::dispatch::Dispatch;
use crate::embed;
use crate::failure::Failure;
use crate::limits::BLOCKING_THREADS_MAX;
use crate::memory::{self, Memories, Weights};
use crate::server;
use crate::skills::policy::{Rules, Secret};
use crate::store::sqlite::SqliteStore;
use crate::tools::{self, Context, Progress, Reply};

/// Which tools are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolset {
    /// What users get.
    Standard,
    /// What tests of the protocol call.
    Fixture,
}

/// The connected parts.
pub struct App {
    dispatch: Arc<Dispatch>,
    memories: Arc<Memories>,
    clock: Arc<dyn Clock>,
}

/// Runs `work` to its end on the one thread that answers fastest over stdio;
/// what blocks (encoding a text) has a few threads of its own.
pub fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(Failure::internal)?
        .block_on(work)
}

/// What the settings allow skills.
pub fn skill_rules(config: &Config) -> Rules {
    let settings = &config.skills;
    let secret = |(name, value): (&String, &Option<config::Kept>)| {
        let value = value.as_ref().map(|kept| Secret::new(kept.0.clone()));
        (name.clone(), value)
    };
    Rules {
        commands: settings.commands.clone(),
        path: settings.path.clone(),
        temporary: settings.temporary.clone(),
        secrets: settings.secrets.iter().map(secret).collect(),
        locale: settings.locale.clone(),
        home: settings.home.clone(),
        own: vec![
            config.config_folder.clone(),
            config.data_folder.clone(),
            config.database.clone(),
            settings.manifest.clone(),
        ],
    }
}

impl App {
    /// Builds every part that `toolset` needs. The database is opened by the
    /// first call that needs it.
    pub fn build(config: &Config, clock: Arc<dyn Clock>, toolset: Toolset) -> Result<App, Failure> {
        // A folder that cannot be made is what the calls that need it answer,
        // like any other database that cannot be opened: a client whose
        // greeting fails shows nobody the reason.
        if let Some(folder) = config.database.parent()
            && let Err(failure) = config::private_folder(folder)
        {
            tracing::error!("{failure}");
        }
        let store = SqliteStore::start(config.database.clone()).map_err(Failure::internal)?;
        let memories = Arc::new(Memories::new(
            Arc::new(store),
            embed::builtin(),
            clock.clone(),
            settings(&config.memory),
        ));
        let tools = match toolset {
            Toolset::Standard => tools::standard(&memories, &config.project),
            Toolset::Fixture => tools::fixture::tools(),
        };
        Ok(App {
            dispatch: Arc::new(Dispatch::new(tools, clock.clone())),
            memories,
            clock,
        })
    }

    /// The door to the tools.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Calls one tool, as a client would.
    pub async fn call(&self, name: &str, arguments: Value) -> Result<Reply, Failure> {
        let context = Context {
            session: self.clock.new_id().into(),
            cancel: CancellationToken::new(),
            progress: Progress::default(),
        };
        self.dispatch.call(name, arguments, context).await
    }

    /// Serves stdin and stdout until the client leaves or a signal comes.
    pub async fn serve(self) -> Result<(), Failure> {
        let shutdown = server::shutdown_signals()?;
        let served = server::serve_stdio(self.dispatch.clone(), self.clock.clone(), shutdown).await;
        self.close().await;
        served
    }

    /// Lets the parts finish, the last used first.
    pub async fn close(self) {
        self.memories.settle().await;
    }
}

fn settings(config: &MemorySettings) -> memory::Settings {
    memory::Settings {
        weights: Weights {
            keyword: config.keyword_weight as f32,
            semantic: config.semantic_weight as f32,
            neighbours: config.neighbour_weights.map(|weight| weight as f32),
        },
        similar_threshold: config.similar_threshold as f32,
    }
}
