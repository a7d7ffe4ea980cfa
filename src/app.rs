//! Builds the parts, connects them, and shuts them down in order. Decides
//! nothing itself.

mod encoders;
mod http;
mod reload;
mod runtime;
mod skills;
mod store;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::reload::Reloading;
use self::skills::skills;
use self::store::store;
use crate::ask::Writers;
use crate::caller::{Caller, Grants, ToolGrants};
use crate::catalog::{Catalog, Commits};
use crate::clock::Clock;
use crate::config::{Config, MemorySettings, RetentionSettings};
use crate::dispatch::Dispatch;
use crate::endpoint::Endpoint;
use crate::failure::{CallError, Failure, Kind};
use crate::graph::{self, Graph};
use crate::keys::KeyId;
use crate::memory::{self, Memories, Weights};
use crate::procedure::{self, Procedures};
use crate::registry::{DownstreamClient, Registry};
use crate::server::{self, Hub, Server};
use crate::skills::client::NoClient;
use crate::store::nodes::NodeLabel;
use crate::store::{KeyStore, NameStore, Store};
use crate::tools::legacy;
use crate::tools::procedure::ProcedureTools;
use crate::tools::profile::Profile;
use crate::tools::skills::Skills;
use crate::tools::{self, Context, Reply};

pub(crate) use self::encoders::{InstalledModel, encoder, models};
pub(crate) use self::reload::{manifest_digest, nodes};
pub(crate) use self::runtime::{run, run_threaded};
pub(crate) use self::skills::{approvals, first_use, installer, launcher, skill_rules};
pub(crate) use self::store::{database, repair, store_as_it_is, store_in};

/// Which tools are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolset {
    /// The tools of the configured profile.
    Standard,
    /// Tools for tests of the protocol.
    Fixture,
}

/// The connected parts.
pub(crate) struct App {
    dispatch: Arc<Dispatch>,
    memories: Arc<Memories>,
    graph: Arc<Graph>,
    grants: Arc<Grants>,
    /// Whether the client's only root is its project.
    follows_root: bool,
    /// Absent with [`Toolset::Fixture`].
    registry: Option<Arc<Registry>>,
    procedures: Procedures,
    store: Arc<dyn Store>,
    /// Connects skills to clients; absent when a command runs without a client.
    hub: Option<Arc<Hub>>,
    reloading: Option<Reloading>,
    /// Whether retention runs while serving.
    cleans: bool,
    label: NodeLabel,
    clock: Arc<dyn Clock>,
}

fn graph_on(store: Arc<dyn Store>, config: &Config, clock: Arc<dyn Clock>) -> Graph {
    let settings = graph::Settings {
        functional: config.graph.functional.clone(),
    };
    Graph::new(store, clock, settings)
}

/// The graph alone, for the commands that work on it.
pub(crate) fn graph(config: &Config, clock: Arc<dyn Clock>) -> Result<Graph, Failure> {
    Ok(graph_on(store(config)?, config, clock))
}

/// The procedures alone, for the commands that work on definitions.
pub(crate) fn procedures(config: &Config, clock: Arc<dyn Clock>) -> Result<Procedures, Failure> {
    Ok(Procedures::new(store(config)?, clock, None).with_options(&config.options))
}

/// The keys alone, for the commands that work on them.
pub(crate) fn keys(config: &Config) -> Result<Arc<dyn KeyStore>, Failure> {
    Ok(store(config)?)
}

fn memories_on(store: Arc<dyn Store>, config: &Config, clock: Arc<dyn Clock>) -> Memories {
    Memories::new(store, encoder(config), clock, settings(&config.memory))
}

/// The memories alone, for the commands that work on them.
pub(crate) fn memories(config: &Config, clock: Arc<dyn Clock>) -> Result<Memories, Failure> {
    Ok(memories_on(store(config)?, config, clock))
}

impl App {
    /// Builds every part that a command needs. There is no client that skills could
    /// ask. The first call that needs the database opens it.
    pub(crate) fn build(config: &Config, clock: Arc<dyn Clock>) -> Result<App, Failure> {
        App::of(config, clock, Toolset::Standard, None, None)
    }

    /// Builds every part that serves a client with `toolset`; `watch` is called with
    /// every write to a procedure's journal.
    pub(crate) fn serving(
        config: &Config,
        clock: Arc<dyn Clock>,
        toolset: Toolset,
        watch: Option<procedure::JournalHook>,
    ) -> Result<App, Failure> {
        App::of(config, clock, toolset, Some(Arc::default()), watch)
    }

    fn of(
        config: &Config,
        clock: Arc<dyn Clock>,
        toolset: Toolset,
        hub: Option<Arc<Hub>>,
        watch: Option<procedure::JournalHook>,
    ) -> Result<App, Failure> {
        let store = store(config)?;
        let label = reload::label(&*clock);
        let graph = Arc::new(graph_on(store.clone(), config, clock.clone()));
        let procedures = Procedures::new(store.clone(), clock.clone(), watch);
        let procedures = procedures.with_options(&config.options);
        let memories = Arc::new(memories_on(store.clone(), config, clock.clone()));
        let profile = match toolset {
            Toolset::Standard => Profile::named(&config.profile).unwrap_or_default(),
            Toolset::Fixture => Profile::Standard,
        };
        let (tools, skills, parts) = match toolset {
            Toolset::Standard => {
                let downstream: Arc<dyn DownstreamClient> = match &hub {
                    Some(hub) => hub.clone(),
                    None => Arc::new(NoClient),
                };
                let (registry, skills, reloading) =
                    skills(config, &store, &label, clock.clone(), downstream);
                let skills = Some(Arc::new(skills));
                let mut tools = tools::standard(
                    &memories,
                    &graph,
                    skills.clone(),
                    &procedures,
                    writers(config),
                );
                if profile == Profile::Legacy {
                    tools.extend(legacy::tools(&tools, reload(&reloading)));
                }
                (tools, skills, Some((registry, reloading)))
            }
            Toolset::Fixture => (tools::fixture::tools(), None, None),
        };
        let (registry, reloading) = parts.unzip();
        let dispatch = Dispatch::new(tools, skills.clone(), clock.clone());
        let dispatch = Arc::new(dispatch.with_profile(profile));
        procedures.connect(Arc::new(procedure_tools(&dispatch, skills, &store, &clock)));
        Ok(App {
            dispatch,
            memories,
            graph,
            grants: Arc::new(config.grants()),
            follows_root: config.follows_root,
            registry,
            procedures,
            store,
            hub,
            reloading,
            cleans: config.memory.retention.enabled && toolset == Toolset::Standard,
            label,
            clock,
        })
    }

    pub(crate) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    pub(crate) fn procedures(&self) -> &Procedures {
        &self.procedures
    }

    pub(crate) fn grants(&self) -> Arc<Grants> {
        self.grants.clone()
    }

    /// Calls a tool as a client would.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Result<Reply, Failure> {
        let context = Context::new(Caller::new(self.grants.clone(), self.clock.new_id()));
        let reply = self.dispatch.call(name, arguments, context).await;
        reply.map_err(CallError::into_failure)
    }

    /// Serves stdin and stdout until the client leaves or a signal comes.
    pub(crate) async fn serve(self) -> Result<(), Failure> {
        let (grants, follows_root) = (self.grants.clone(), self.follows_root);
        self.serving_with(async |server, shutdown| {
            server.serve_stdio(grants, follows_root, shutdown).await
        })
        .await
    }

    /// Runs `serve` together with the background work: procedures, retention, encoding
    /// and reloads of skills.
    async fn serving_with(
        self,
        serve: impl AsyncFnOnce(Arc<Server>, CancellationToken) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.procedures.recover_periodically();
        let cleaning = self.cleans.then(|| {
            let (memories, store) = (self.memories.clone(), self.store.clone());
            tokio::spawn(async move { memories.keep_clean(|| store.exists()).await })
        });
        let (memories, store) = (self.memories.clone(), self.store.clone());
        let encoding = async move { memories.keep_encoded(|| store.exists()).await };
        let encoding = Some(tokio::spawn(encoding));
        let reloader = self.reloading.as_ref().map(|each| each.reloader.clone());
        let on_sighup = move || reloader.as_ref().is_some_and(|each| each.request_reload());
        let shutdown = server::shutdown_signals(on_sighup)?;
        let following = self
            .reloading
            .as_ref()
            .map(|each| each.follow(&*self.clock));
        let catalog = self.registry.clone();
        let catalog = catalog.map(|registry| self.catalog(registry));
        let server = Arc::new(Server::new(
            self.dispatch.clone(),
            catalog.map(Arc::new),
            self.hub.clone().unwrap_or_default(),
        ));
        let served = serve(server, shutdown).await;
        for task in [following, cleaning, encoding].into_iter().flatten() {
            task.abort();
        }
        self.close().await;
        served
    }

    fn catalog(&self, registry: Arc<Registry>) -> Catalog {
        let names: Arc<dyn NameStore> = self.store.clone();
        let serves = |tool: &str| self.dispatch.serves(tool, &ToolGrants::All);
        let offers = tools::offers(
            &self.memories,
            &self.graph,
            &self.procedures,
            &names,
            serves,
        );
        Catalog::new(offers, commits(&self.store), registry)
    }

    /// Shuts the parts down in reverse order of their use.
    pub(crate) async fn close(self) {
        self.procedures.close().await;
        if let Some(registry) = &self.registry {
            registry.shutdown().await;
        }
        self.memories.settle().await;
    }
}

/// Notifies the catalog of commits, without creating a store that does not exist
/// yet.
fn commits(store: &Arc<dyn Store>) -> Commits {
    let asked = store.clone();
    Commits {
        local: store.stored(),
        version: Arc::new(move || {
            let store = asked.clone();
            Box::pin(async move {
                match store.exists() {
                    true => store.version().await.ok(),
                    false => None,
                }
            })
        }),
    }
}

/// Procedures call tools through the dispatch, like every other caller. A procedure
/// that a key started continues only while the key is usable.
fn procedure_tools(
    dispatch: &Arc<Dispatch>,
    skills: Option<Arc<Skills>>,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> ProcedureTools {
    let through = Arc::downgrade(dispatch);
    let (store, clock) = (store.clone(), clock.clone());
    let call = move |name: String, arguments, context: Context| -> BoxFuture<'static, _> {
        let (dispatch, store, clock) = (through.upgrade(), store.clone(), clock.clone());
        Box::pin(async move {
            let Some(dispatch) = dispatch else {
                return Err(Failure::new(Kind::Unavailable, "Mimo is shutting down").into());
            };
            let key = context.caller.grants.key.as_deref().and_then(KeyId::parse);
            if let Some(id) = key {
                let key = store.key(id).await.map_err(Failure::from)?;
                if !key.is_some_and(|key| key.state(clock.now()).is_usable()) {
                    let message = "the key that started this procedure is no longer usable";
                    return Err(Failure::new(Kind::Refused, message).into());
                }
            }
            dispatch.call_within(&name, arguments, context).await
        })
    };
    // A procedure uses the current names of tools.
    let today = dispatch
        .tools()
        .filter(|tool| legacy::replacement(tool.name).is_none());
    ProcedureTools::new(today, skills, Arc::new(call))
}

/// Lets a tool reload the skills.
fn reload(reloading: &Reloading) -> legacy::Reload {
    let reloading = reloading.clone();
    Arc::new(move || {
        let reloading = reloading.clone();
        Box::pin(async move { reloading.reload().await })
    })
}

/// The models that may write answers.
fn writers(config: &Config) -> Writers {
    let endpoint = config.ask.endpoint();
    let endpoint = endpoint
        .map(|endpoint| Endpoint::new(&endpoint.url, &endpoint.model, encoders::key(endpoint)));
    Writers {
        endpoint,
        client: config.ask.client(),
    }
}

fn settings(config: &MemorySettings) -> memory::Settings {
    memory::Settings {
        weights: Weights {
            keyword: config.keyword_weight as f32,
            semantic: config.semantic_weight as f32,
            neighbours: config.neighbour_weights.map(|weight| weight as f32),
            ..Weights::default()
        },
        similar_threshold: config.similar_threshold as f32,
        refuse_credentials: config.refuse_credentials,
        retention: retention(&config.retention),
    }
}

fn retention(config: &RetentionSettings) -> memory::retention::Rules {
    memory::retention::Rules {
        idle_days: config.idle_days,
        idle_importance: config.idle_importance,
        minor_days: config.minor_days,
        minor_importance: config.minor_importance,
        active_max: config.active_max,
        restore_days: config.restore_days,
    }
}
