//! Connects what follows the manifest while Mimo serves.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::skill_rules;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::registry::instances::Mailbox;
use crate::registry::{ManifestProblem, Registry, Reloader};
use crate::skills::manifest::source::Source;

/// The manifest that `config` names, under its rules.
pub(super) fn source(config: &Config) -> Arc<Source> {
    let path = config.skills.manifest.clone();
    Arc::new(Source::new(path, skill_rules(config)))
}

/// A reloader, and where commands reach it.
pub(super) struct Reloading {
    pub(super) reloader: Arc<Reloader>,
    mailboxes: PathBuf,
}

impl Reloading {
    pub(super) fn new(
        config: &Config,
        registry: Arc<Registry>,
        source: Arc<Source>,
        problem: ManifestProblem,
    ) -> Reloading {
        Reloading {
            reloader: Arc::new(Reloader::new(registry, source, problem)),
            mailboxes: config.running_folder(),
        }
    }

    /// Follows the manifest until the task is aborted. Without a mailbox, which
    /// needs a folder that can be written, commands do not reach it.
    pub(super) fn follow(&self, clock: &dyn Clock) -> JoinHandle<()> {
        let (reloader, folder) = (self.reloader.clone(), self.mailboxes.clone());
        let id = clock.new_id();
        tokio::spawn(async move {
            let opened = config::private_folder(&folder).and_then(|()| {
                Mailbox::open(folder, id).map_err(crate::failure::Failure::internal)
            });
            if let Err(failure) = &opened {
                tracing::warn!("commands do not reach this Mimo: {failure}");
            }
            reloader.run(opened.ok()).await;
        })
    }
}
