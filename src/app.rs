//! Builds the parts, connects them, and shuts them down in order. Decides
//! nothing itself.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config, MemorySettings};
use crate::dispatch::Dispatch;
use crate::embed::{self, Embedder};
use crate::failure::{Failure, Kind};
use crate::limits::BLOCKING_THREADS_MAX;
use crate::memory::{self, Memories, Weights};
use crate::procedure::{self, Procedures};
use crate::registry::files::Files;
use crate::registry::{Parts, Registry, SkillName};
use crate::server;
use crate::skills::link::NoClient;
use crate::skills::manifest;
use crate::skills::pins::FirstSight;
use crate::skills::policy::{Rules, Secret};
use crate::skills::sandboxed::Sandboxed;
use crate::store::sqlite::SqliteStore;
use crate::tools::procedure::Door;
use crate::tools::skills::Skills;
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
    /// Absent where tests of the protocol are served.
    registry: Option<Arc<Registry>>,
    procedures: Procedures,
    database: PathBuf,
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
        App::build_watched(config, clock, toolset, None)
    }

    /// Like [`App::build`], and `watch` is told of every write to a journal.
    pub fn build_watched(
        config: &Config,
        clock: Arc<dyn Clock>,
        toolset: Toolset,
        watch: Option<procedure::Watch>,
    ) -> Result<App, Failure> {
        // A folder that cannot be made is what the calls that need it answer,
        // like any other database that cannot be opened: a client whose
        // greeting fails shows nobody the reason.
        if let Some(folder) = config.database.parent()
            && let Err(failure) = config::private_folder(folder)
        {
            tracing::error!("{failure}");
        }
        let store = SqliteStore::start(config.database.clone()).map_err(Failure::internal)?;
        let store = Arc::new(store);
        let procedures = Procedures::new(store.clone(), clock.clone(), watch);
        let embedder = embed::builtin();
        let memories = Arc::new(Memories::new(
            store,
            embedder.clone(),
            clock.clone(),
            settings(&config.memory),
        ));
        let (tools, registry, skills) = match toolset {
            Toolset::Standard => {
                let (registry, skills) = skills(config, embedder, clock.clone())?;
                let skills = Some(Arc::new(skills));
                let tools =
                    tools::standard(&memories, &config.project, skills.clone(), &procedures);
                (tools, Some(registry), skills)
            }
            Toolset::Fixture => (tools::fixture::tools(), None, None),
        };
        let dispatch = Arc::new(Dispatch::new(tools, clock.clone()));
        procedures.connect(Arc::new(door(&dispatch, skills)));
        Ok(App {
            dispatch,
            memories,
            registry,
            procedures,
            database: config.database.clone(),
            clock,
        })
    }

    /// The door to the tools.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// The procedures.
    pub fn procedures(&self) -> &Procedures {
        &self.procedures
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
        let database = self.database.clone();
        self.procedures.keep(move || database.exists());
        let served = server::serve_stdio(self.dispatch.clone(), self.clock.clone(), shutdown).await;
        self.close().await;
        served
    }

    /// Lets the parts finish, the last used first.
    pub async fn close(self) {
        self.procedures.close().await;
        if let Some(registry) = &self.registry {
            registry.shutdown().await;
        }
        self.memories.settle().await;
    }
}

/// How procedures call tools: through the door that every call goes through.
fn door(dispatch: &Arc<Dispatch>, skills: Option<Arc<Skills>>) -> Door {
    let through = Arc::downgrade(dispatch);
    let call = move |name: String, arguments, context| -> BoxFuture<'static, _> {
        let dispatch = through.upgrade();
        Box::pin(async move {
            match dispatch {
                Some(dispatch) => dispatch.call_within(&name, arguments, context).await,
                None => Err(Failure::new(Kind::Unavailable, "Mimo is shutting down")),
            }
        })
    };
    Door::new(dispatch.tools(), skills, Arc::new(call))
}

/// The registry of the manifest's skills, and the tools over it. A manifest
/// with mistakes stops no server: there are no skills then, and the status
/// says why.
fn skills(
    config: &Config,
    embedder: Arc<dyn Embedder>,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<Registry>, Skills), Failure> {
    let path = &config.skills.manifest;
    let (specs, problem) = match manifest::load(path, &skill_rules(config)) {
        Ok(manifest) => {
            let enabled = manifest.skills.into_iter().filter(|skill| !skill.disabled);
            (enabled.map(|skill| skill.spec).collect(), None)
        }
        Err(refusals) => {
            let first = refusals.first().map(ToString::to_string);
            let problem = format!(
                "{} is not in use: {} (`mimo skill check` lists every mistake)",
                path.display(),
                first.unwrap_or_default()
            );
            tracing::error!("{problem}");
            (Vec::new(), Some(problem))
        }
    };
    let launch = Arc::new(Sandboxed::new(
        // The same program even when the file is replaced while it runs.
        "/proc/self/exe".into(),
        config.data_folder.join("skills"),
        false,
    ));
    let parts = |files| Parts {
        launch: launch.clone(),
        upstream: Arc::new(NoClient),
        files,
        first_sight: FirstSight::Approve,
    };
    let files = Files::in_folder(config.data_folder.clone());
    let (registry, problem) = match Registry::start(parts(Some(files)), specs) {
        Ok(registry) => (registry, problem),
        // Without its pins every changed tool would pass for a new one.
        Err(failure) => {
            tracing::error!("no skills are run: {failure}");
            let none = Registry::start(parts(None), Vec::new())?;
            (none, Some(failure.to_string()))
        }
    };
    let registry = Arc::new(registry);
    let sandbox = Arc::new(move |skill: &SkillName| launch.report(skill));
    let skills = Skills::new(registry.clone(), embedder, clock, sandbox, problem);
    Ok((registry, skills))
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
