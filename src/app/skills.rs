//! Builds what runs skills: the installer, the launcher, the rules of the manifest, and
//! the registry over them.

use std::sync::Arc;

use super::reload::{self, Reloading};
use super::store::store;
use crate::clock::Clock;
use crate::config::Config;
use crate::embed;
use crate::failure::Failure;
use crate::registry::approvals::Approvals;
use crate::registry::nodes::Nodes;
use crate::registry::tool_cache::ToolCache;
use crate::registry::{DownstreamClient, FirstUse, ManifestProblem, Parts, Registry, SkillName};
use crate::skills::install::{Installer, PACKAGES};
use crate::skills::logs::Logs;
use crate::skills::record::Records;
use crate::skills::rules::Rules;
use crate::skills::sandbox;
use crate::skills::sandbox_launcher::SandboxLauncher;
use crate::store::Store;
use crate::store::nodes::NodeLabel;
use crate::tools::skills::Skills;

/// Installs the packages of skills as a serving Mimo does.
pub(crate) fn installer(config: &Config) -> Installer {
    let packages = config.data_folder.join(PACKAGES);
    Installer::new(
        crate::config::own_program(),
        config.skills.strict,
        packages,
        config.skills.home.clone(),
    )
}

/// Starts skills as a serving Mimo does.
pub(crate) fn launcher(config: &Config, clock: Arc<dyn Clock>) -> SandboxLauncher {
    SandboxLauncher::new(
        crate::config::own_program(),
        Records::below(&config.data_folder),
        config.skills.strict,
        installer(config),
        Logs::in_folder(config.skill_log_folder(), clock),
    )
}

/// The limits that the settings put on skills.
pub(crate) fn skill_rules(config: &Config) -> Rules {
    let settings = &config.skills;
    Rules {
        commands: settings.commands.clone(),
        path: settings.path.clone(),
        recorded: settings.recorded.clone(),
        temporary: settings.temporary.clone(),
        secrets: settings.secrets.clone(),
        inherited: settings.inherited.clone(),
        fetching: settings.fetching.clone(),
        home: settings.home.clone(),
        no_sandbox: !sandbox::IS_AVAILABLE,
        protected: vec![
            config.config_folder.clone(),
            config.data_folder.clone(),
            config.database.clone(),
            settings.manifest.clone(),
        ],
    }
}

/// The approved tool definitions.
pub(crate) fn approvals(config: &Config) -> Result<Approvals, Failure> {
    Ok(Approvals::new(store(config)?, &config.data_folder))
}

/// Whether a new tool is trusted or needs approval first.
pub(crate) fn first_use(config: &Config) -> FirstUse {
    match config.skills.ask_first {
        true => FirstUse::Ask,
        false => FirstUse::Trust,
    }
}

/// The registry of the manifest's skills, the tools over it, and the watcher of
/// the manifest. With an invalid manifest the server starts without skills, and
/// the status says why.
pub(super) fn skills(
    config: &Config,
    store: &Arc<dyn Store>,
    label: &NodeLabel,
    clock: Arc<dyn Clock>,
    downstream: Arc<dyn DownstreamClient>,
) -> (Arc<Registry>, Skills, Reloading) {
    let (source, problem) = (reload::source(config), ManifestProblem::default());
    let specs = match source.load() {
        Ok(manifest) => {
            problem.set(source.refused_entries(&manifest));
            problem.set_disabled(manifest.disabled());
            manifest.enabled()
        }
        Err(refusals) => {
            problem.set(Some(source.problem(&refusals)));
            Vec::new()
        }
    };
    let launcher = Arc::new(launcher(config, clock.clone()));
    let parts = Parts {
        launcher: launcher.clone(),
        downstream,
        cache: Some(ToolCache::in_folder(config.data_folder.clone())),
        approvals: Some(Approvals::new(store.clone(), &config.data_folder)),
        first_use: first_use(config),
    };
    let registry = Arc::new(Registry::start(parts, specs));
    let details = Arc::new(move |skill: &SkillName| launcher.details(skill));
    let nodes = Nodes::of(store, label.clone(), clock.clone());
    let reloading = Reloading::new(config, registry.clone(), source, problem.clone(), nodes);
    let skills = Skills::new(registry.clone(), embed::builtin(), clock, details, problem);
    (registry, skills, reloading)
}
