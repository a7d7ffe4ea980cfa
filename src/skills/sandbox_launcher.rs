//! The product's [`ChildLauncher`]: checks the program's version, sets up a
//! container run where the skill is one, and starts the sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::child::{Child, ChildLauncher};
use super::containers;
use super::install::{Installer, Progress};
use super::logs::{Log, Logs};
use super::record::Records;
use super::sandbox::policy::{Layer, LayerState};
use super::sandbox_process::{LayerReports, Starter};
use super::spec::{SkillName, SkillSpec};
use super::versions::VersionCache;
use crate::failure::{Failure, Kind};

/// Starts skills in their sandboxes.
pub(crate) struct SandboxLauncher {
    starter: Starter,
    /// They say where the private folder of each skill is.
    records: Records,
    logs: Logs,
    versions: Arc<VersionCache>,
    reports: LayerReports,
    installer: Installer,
    installing: Installing,
}

/// The progress of each install that is under way.
type Installing = Arc<Mutex<BTreeMap<SkillName, String>>>;

impl SandboxLauncher {
    /// `executable` is Mimo itself, which supervises each sandbox. Skills keep
    /// their files beside `records`, `installer` fetches their packages, and their
    /// stderr goes to `logs`.
    pub(crate) fn new(
        executable: PathBuf,
        records: Records,
        strict: bool,
        installer: Installer,
        logs: Logs,
    ) -> SandboxLauncher {
        SandboxLauncher {
            starter: Starter { executable, strict },
            installer,
            installing: Installing::default(),
            records,
            logs,
            versions: Arc::default(),
            reports: LayerReports::default(),
        }
    }

    /// For `mimo_status`: the state of each layer of the last sandbox, with the reason
    /// where it is not enforced, null before the first run; and what an install is
    /// doing.
    pub(crate) fn details(&self, skill: &SkillName) -> Map<String, Value> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(layer, state, why): &(Layer, LayerState, String)| {
            // What the network layer enforces depends on the entry.
            let known = *state == LayerState::Enforced && *layer != Layer::Network;
            let text = match why.is_empty() || known {
                true => state.name().to_owned(),
                false => format!("{}: {why}", state.name()),
            };
            (layer.name().to_owned(), Value::String(text))
        };
        let layers = reports
            .get(skill)
            .map(|layers| layers.0.iter().map(entry).collect());
        let mut details = Map::from_iter([("sandbox".to_owned(), layers.unwrap_or(Value::Null))]);
        let installing = self
            .installing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = installing.get(skill) {
            details.insert("installing".to_owned(), text.as_str().into());
        }
        details
    }
}

impl ChildLauncher for SandboxLauncher {
    fn prepare(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<(), Failure>> {
        let (installer, installing) = (self.installer.clone(), self.installing.clone());
        let (name, package) = (spec.name.clone(), spec.package.clone());
        let is_strict = self.starter.strict;
        Box::pin(async move {
            let Some(package) = package else {
                return Ok(());
            };
            if is_strict && installer.installed(&package).is_none() {
                let why = format!(
                    "the package {} is not installed, and in strict mode Mimo installs nothing \
                     by itself",
                    package.specs[0]
                );
                return Err(Failure::new(Kind::Refused, why)
                    .hint(format!("install it with `mimo skill update {name}`")));
            }
            let shown = (installing.clone(), name.clone());
            let progress: Progress = Arc::new(move |text| {
                let (installing, name) = &shown;
                let mut installing = installing.lock().unwrap_or_else(PoisonError::into_inner);
                installing.insert(name.clone(), text);
            });
            let installed = installer.ensure(&package, &progress).await;
            installing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&name);
            installed.map(drop)
        })
    }

    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let (starter, records) = (self.starter.clone(), self.records.clone());
        let (versions, reports) = (self.versions.clone(), self.reports.clone());
        let (spec, installer) = (spec.clone(), self.installer.clone());
        Box::pin(async move {
            versions.check(&spec, &starter, records.folder()).await?;
            // Last, so that little time is left to change what was compared.
            let (judged, of) = (spec.clone(), records.clone());
            let state_folder = tokio::task::spawn_blocking(move || of.admit(&judged)).await;
            let state_folder = state_folder.map_err(Failure::internal)??;
            let spec = match &spec.package {
                Some(package) => {
                    let installed = installer.installed(package).ok_or_else(|| {
                        let why = format!("the package {} was removed", package.name);
                        Failure::new(Kind::Unavailable, why)
                            .hint("it is installed again at the next start")
                    })?;
                    installer.resolved(&spec, &installed)
                }
                None => spec,
            };
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
