//! The product's [`ChildLauncher`]: checks the program's version, sets up a
//! container run where the skill is one, and starts the sandbox.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use futures::future::BoxFuture;
use serde_json::Value;

use super::child::{Child, ChildLauncher};
use super::containers;
use super::logs::{Log, Logs};
use super::record;
use super::sandbox::policy::{Layer, LayerState};
use super::sandbox_process::{LayerReports, Starter};
use super::spec::{SkillName, SkillSpec};
use super::versions::VersionCache;
use crate::failure::{Failure, Kind};

/// Starts skills in their sandboxes.
pub(crate) struct SandboxLauncher {
    starter: Starter,
    /// Holds a private folder for each skill.
    folder: PathBuf,
    logs: Logs,
    versions: Arc<VersionCache>,
    reports: LayerReports,
}

impl SandboxLauncher {
    /// `executable` is Mimo itself, which supervises each sandbox. Skills keep
    /// their files below `folder`, and their stderr goes to `logs`.
    pub(crate) fn new(
        executable: PathBuf,
        folder: PathBuf,
        strict: bool,
        logs: Logs,
    ) -> SandboxLauncher {
        SandboxLauncher {
            starter: Starter { executable, strict },
            folder,
            logs,
            versions: Arc::default(),
            reports: LayerReports::default(),
        }
    }

    /// The last sandbox report of a skill: the state of each layer, with the
    /// reason where it is not enforced. Null before the first run.
    pub(crate) fn report(&self, skill: &SkillName) -> Value {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(layers) = reports.get(skill) else {
            return Value::Null;
        };
        let entry = |(layer, state, why): &(Layer, LayerState, String)| {
            // What the network layer enforces depends on the entry.
            let known = *state == LayerState::Enforced && *layer != Layer::Network;
            let text = match why.is_empty() || known {
                true => state.name().to_owned(),
                false => format!("{}: {why}", state.name()),
            };
            (layer.name().to_owned(), Value::String(text))
        };
        Value::Object(layers.0.iter().map(entry).collect())
    }
}

async fn state_folder(spec: &SkillSpec, folder: &Path) -> Result<PathBuf, Failure> {
    let (spec, below) = (spec.clone(), folder.to_owned());
    let found = tokio::task::spawn_blocking(move || record::folder_of(&spec, &below)).await;
    found.map_err(io::Error::other).flatten().map_err(|error| {
        let message = format!(
            "the record of the skill below {} cannot be used: {error}",
            folder.display()
        );
        Failure::new(Kind::Unavailable, message)
            .hint("may your account write there, and is the disk full?")
    })
}

impl ChildLauncher for SandboxLauncher {
    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let (starter, folder) = (self.starter.clone(), self.folder.clone());
        let (versions, reports) = (self.versions.clone(), self.reports.clone());
        let spec = spec.clone();
        Box::pin(async move {
            let state_folder = state_folder(&spec, &folder).await?;
            versions.check(&spec, &starter, &folder).await?;
            let spec = spec.with_private_folder(&state_folder.to_string_lossy());
            match spec.sandbox.docker {
                true => containers::launch(spec, starter, state_folder, reports).await,
                false => starter.start(spec, state_folder, reports).await,
            }
        })
    }

    fn log(&self, skill: &SkillName) -> Option<Log> {
        self.logs.open(skill)
    }
}
