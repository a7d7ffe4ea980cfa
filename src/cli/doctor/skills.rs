//! The skills: entries that are refused, and programs that do not start.

use std::sync::Arc;
use std::time::Duration;

use super::{Finding, State};
use crate::app;
use crate::cli::skill::start_once::start_once;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::limits::DOCTOR_SKILL_SECONDS_MAX;
use crate::skills::child::ChildLauncher;
use crate::skills::manifest::{self, Manifest};
use crate::skills::rules::Rules;
use crate::skills::spec::SkillSpec;

const NAME: &str = "skills";

/// The manifest, and each entry that is not in use.
pub(super) fn entries(config: &Config, rules: &Rules) -> (Manifest, Vec<Finding>) {
    let file = config.skills.manifest.display();
    let see = "`mimo skill check` shows everything";
    let manifest = match manifest::load(&config.skills.manifest, rules) {
        Ok(manifest) => manifest,
        Err(refusals) => {
            let first = refusals.first();
            let reason = first.map(ToString::to_string).unwrap_or_default();
            let fix = first.map(|first| first.fix.clone()).unwrap_or_default();
            let why = format!("{file} cannot be read: {reason}");
            let finding = Finding::new(NAME, State::Failed, why).next(format!("{fix}; {see}"));
            return (Manifest::default(), vec![finding]);
        }
    };
    let refused = manifest.refused.iter().map(|entry| {
        let first = entry.refusals.first();
        let reason = first.map(ToString::to_string).unwrap_or_default();
        let fix = first.map(|first| first.fix.clone()).unwrap_or_default();
        let why = format!("{:?} in {file} is not in use: {reason}", entry.key);
        Finding::new(NAME, State::Failed, why).next(format!("{fix}; {see}"))
    });
    let mut findings: Vec<Finding> = refused.collect();
    if findings.is_empty() {
        let count = counted(manifest.skills.len(), "entry", "entries");
        findings.push(Finding::new(NAME, State::Ok, format!("{file}, {count}")));
    }
    (manifest, findings)
}

/// Starts each skill once, all at the same time, as a serving Mimo would.
pub(super) fn started(manifest: &Manifest, config: &Config, clock: Arc<dyn Clock>) -> Vec<Finding> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let installer = app::installer(config);
    let launcher: Arc<dyn ChildLauncher> = Arc::new(app::launcher(config, clock));
    let is_installed = |spec: &SkillSpec| {
        let package = spec.package.as_ref();
        package.is_none_or(|package| installer.installed(package).is_some())
    };
    let (ready, missing): (Vec<_>, Vec<_>) = manifest.enabled().into_iter().partition(is_installed);
    let mut findings: Vec<Finding> = missing
        .iter()
        .map(|spec| {
            let why = format!("{} is not installed yet", spec.name);
            let next = format!("`mimo skill test {}` installs and starts it", spec.name);
            Finding::new("skill", State::Partial, why).next(next)
        })
        .collect();
    let started = app::run(async {
        let starts = ready.into_iter().map(|spec| start(spec, launcher.clone()));
        Ok(futures::future::join_all(starts).await)
    });
    findings.extend(started.unwrap_or_default());
    findings
}

async fn start(spec: SkillSpec, launcher: Arc<dyn ChildLauncher>) -> Finding {
    let name = spec.name.clone();
    let bound = Duration::from_secs(DOCTOR_SKILL_SECONDS_MAX);
    let logs = format!(
        "`mimo skill logs {name}` shows what it wrote, `mimo skill test {name}` tries again"
    );
    match tokio::time::timeout(bound, start_once(spec, launcher)).await {
        Ok(Ok(answer)) => {
            let tools = counted(answer.tools.len(), "tool", "tools");
            let after = answer.after.as_millis();
            Finding::new(
                "skill",
                State::Ok,
                format!("{name}, {tools} after {after} ms"),
            )
        }
        Ok(Err(failure)) => Finding::new("skill", State::Failed, failure.message).next(logs),
        Err(_) => {
            let why = format!("{name} did not list its tools within {DOCTOR_SKILL_SECONDS_MAX} s");
            Finding::new("skill", State::Failed, why).next(logs)
        }
    }
}
