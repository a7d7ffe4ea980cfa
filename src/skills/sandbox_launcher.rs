//! The product's [`ChildLauncher`]: checks the program's version, sets up a
//! container run where the skill is one, and starts the sandbox.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use futures::future::BoxFuture;
use serde_json::Value;

use super::child::{Child, ChildLauncher};
use super::containers;
use super::logs::{Log, Logs};
use super::record::Records;
use super::sandbox::policy::{Layer, LayerState};
use super::sandbox_process::{LayerReports, Starter};
use super::spec::{SkillName, SkillSpec};
use super::versions::VersionCache;
use crate::failure::Failure;

/// Starts skills in their sandboxes.
pub(crate) struct SandboxLauncher {
    starter: Starter,
    /// They say where the private folder of each skill is.
    records: Records,
    logs: Logs,
    versions: Arc<VersionCache>,
    reports: LayerReports,
}

impl SandboxLauncher {
    /// `executable` is Mimo itself, which supervises each sandbox. Skills keep
    /// their files beside `records`, and their stderr goes to `logs`.
    pub(crate) fn new(
        executable: PathBuf,
        records: Records,
        strict: bool,
        logs: Logs,
    ) -> SandboxLauncher {
        SandboxLauncher {
            starter: Starter { executable, strict },
            records,
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

impl ChildLauncher for SandboxLauncher {
    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let (starter, records) = (self.starter.clone(), self.records.clone());
        let (versions, reports) = (self.versions.clone(), self.reports.clone());
        let spec = spec.clone();
        Box::pin(async move {
            versions.check(&spec, &starter, records.folder()).await?;
            // Last, so that little time is left to change what was compared.
            let (judged, of) = (spec.clone(), records.clone());
            let state_folder = tokio::task::spawn_blocking(move || of.admit(&judged)).await;
            let state_folder = state_folder.map_err(Failure::internal)??;
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
