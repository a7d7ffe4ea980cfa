//! Records where this shell finds the programs of skills, because a client that is
//! started from a desktop has a shorter PATH.

use crate::app;
use crate::config::{self, Config, Environment};
use crate::skills::policy;

/// Records the programs on the PATH, and the versions that they must be run to learn.
/// Returns the settings with that record. If this fails, only the record is missing.
pub(super) fn record(mut config: Config, environment: &Environment) -> Config {
    if environment.program_folders.is_empty() {
        return config;
    }
    let mut rules = app::skill_rules(&config);
    rules.recorded.retain(|path, _| path.exists());
    for path in policy::of_shell(&environment.program_folders, &rules) {
        rules.recorded.entry(path).or_default();
    }
    let installer = app::installer(&config);
    for (path, read) in policy::without_version(&rules) {
        let asked = app::run(async { Ok(installer.version_of(&path, &read).await) });
        if let Ok(Some(printed)) = asked {
            rules.recorded.insert(path, printed);
        }
    }
    if rules.recorded == config.skills.recorded {
        return config;
    }
    if let Err(failure) = config::record_programs(&config.data_folder, &rules.recorded) {
        tracing::warn!(%failure, "the programs of this shell were not recorded");
    }
    config.skills.recorded = rules.recorded;
    config
}
