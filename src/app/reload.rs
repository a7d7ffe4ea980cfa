//! Connects the parts that reload skills while Mimo serves.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::{skill_rules, store_as_it_is};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::platform;
use crate::registry::instances::Mailbox;
use crate::registry::nodes::Nodes;
use crate::registry::{ManifestProblem, Registry, Reloader};
use crate::skills::manifest::source::Source;
use crate::store::nodes::NodeLabel;

/// The manifest that `config` names, under its rules.
pub(super) fn source(config: &Config) -> Arc<Source> {
    let path = config.skills.manifest.clone();
    Arc::new(Source::new(path, skill_rules(config)))
}

/// How the other Mimos on the same database see this process.
pub(super) fn label(clock: &dyn Clock) -> NodeLabel {
    NodeLabel {
        name: clock.new_id(),
        host: platform::host_name(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The Mimos on the database that the settings name, for a command; `None` on a file.
pub(crate) fn nodes(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<Nodes>, Failure> {
    if config.store.url.is_none() {
        return Ok(None);
    }
    let store = store_as_it_is(config)?;
    Ok(Nodes::of(&store, label(&**clock), clock.clone()))
}

/// A digest of the current `skills.json`.
pub(crate) fn manifest_digest(config: &Config) -> String {
    source(config).digest()
}

/// A reloader, and the folder through which commands reach it.
#[derive(Clone)]
pub(super) struct Reloading {
    pub(super) reloader: Arc<Reloader>,
    mailboxes: PathBuf,
    /// Present on a database that several Mimos may serve from.
    nodes: Option<Nodes>,
}

impl Reloading {
    pub(super) fn new(
        config: &Config,
        registry: Arc<Registry>,
        source: Arc<Source>,
        problem: ManifestProblem,
        nodes: Option<Nodes>,
    ) -> Reloading {
        Reloading {
            reloader: Arc::new(Reloader::new(registry, source, problem)),
            mailboxes: config.running_folder(),
            nodes,
        }
    }

    /// Follows the manifest until the task is aborted. Without a mailbox, which
    /// needs a folder that can be written, commands do not reach it.
    pub(super) fn follow(&self, clock: &dyn Clock) -> JoinHandle<()> {
        let (reloader, folder) = (self.reloader.clone(), self.mailboxes.clone());
        let (id, nodes) = (clock.new_id(), self.nodes.clone());
        tokio::spawn(async move {
            let opened = config::private_folder(&folder)
                .and_then(|()| Mailbox::open(folder, id).map_err(Failure::internal));
            if let Err(failure) = &opened {
                tracing::warn!("commands do not reach this Mimo: {failure}");
            }
            let running = reloader.run(opened.ok());
            match nodes {
                None => running.await,
                Some(nodes) => drop(tokio::join!(running, nodes.follow(&reloader))),
            }
        })
    }

    /// Reloads the skills of this Mimo and of all others on its database.
    pub(super) async fn reload(&self) -> Result<Value, Failure> {
        match &self.nodes {
            None => self.reloader.reload().await,
            Some(nodes) => nodes.reload(self.reloader.manifest_digest()).await,
        }
    }
}
