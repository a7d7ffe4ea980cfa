//! `mimo skill update`, and the install within `mimo skill add`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::refusals::report_refusals;
use super::tool_changes::{ToolChanges, known, listed};
use crate::app;
use crate::cli::output::{Exit, Output, Progress};
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::registry::tool_cache::ToolCache;
use crate::skills::child::ChildLauncher;
use crate::skills::install::{Installed, Installer};
use crate::skills::manifest;
use crate::skills::spec::SkillSpec;

/// The skills to update.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill update                    every skill that npx or uvx would fetch
  mimo skill update memory

Installs the newest version that each entry allows, beside the one in use, and
starts it once to show which tools are added, removed or changed. A running skill
goes on with its old version until it starts again; `mimo skill reload` has it start
now. New or changed tools wait for `mimo skill approve`.")]
pub(super) struct UpdateArguments {
    /// The skill; all where none is named
    name: Option<String>,
}

pub(super) fn update(
    arguments: &UpdateArguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let file = &config.skills.manifest;
    let manifest = manifest::load(file, &app::skill_rules(config))
        .map_err(|refusals| report_refusals(file, &refusals, output))?;
    let wanted = |spec: &SkillSpec| {
        let name = arguments.name.as_deref();
        name.is_none_or(|name| name == spec.name.as_str())
    };
    let specs: Vec<SkillSpec> = manifest.enabled().into_iter().filter(wanted).collect();
    if let (Some(name), true) = (&arguments.name, specs.is_empty()) {
        let message = format!("there is no skill {name} that could run");
        let hint = "`mimo skill list` shows the skills and what is wrong with the others";
        return Err(Failure::new(Kind::NotFound, message).hint(hint).into());
    }
    let installer = app::installer(config);
    let launcher: Arc<dyn ChildLauncher> = Arc::new(app::launcher(config, clock));
    let cache = ToolCache::in_folder(config.data_folder.clone());
    let mut documents = Vec::new();
    let mut succeeded = true;
    for spec in &specs {
        let Some(package) = &spec.package else {
            continue;
        };
        let before = installer.installed(package);
        let tools = before.as_ref().map(|_| known(spec, &cache, &launcher));
        let result = install(&installer, spec, true, output);
        succeeded &= result.is_ok();
        // The tools of an unchanged version are unchanged.
        let is_new = |now: &Installed| {
            before
                .as_ref()
                .is_some_and(|before| before.version != now.version)
        };
        let changes = match (&result, tools) {
            (Ok(now), Some(tools)) if is_new(now) => {
                Some(tools.and_then(|tools| Ok(ToolChanges::of(&tools, &listed(spec, &launcher)?))))
            }
            _ => None,
        };
        let mut document = document(spec, before.as_ref(), &result);
        let mut text = output.text();
        text.push(&format!("{}\n", line(spec, before.as_ref(), &result)));
        match changes {
            Some(Ok(changes)) => {
                document["tools"] = changes.document();
                changes.push(&mut text);
            }
            Some(Err(failure)) => {
                document["tools_unknown"] = json!(failure.to_string());
                text.push(&format!("  its tools could not be compared: {failure}\n"));
            }
            None => {}
        }
        documents.push(document);
        if !output.json {
            output.print(text)?;
        }
    }
    if output.json {
        output.document(&json!({"ok": succeeded, "skills": documents}))?;
    } else if documents.is_empty() {
        output.print("no skill is fetched by npx or uvx, so there is nothing to update\n")?;
    }
    match succeeded {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

/// Installs the package of `spec`, with progress where a person watches.
pub(super) fn install(
    installer: &Installer,
    spec: &SkillSpec,
    anew: bool,
    output: &Output,
) -> Result<Installed, Failure> {
    let Some(package) = &spec.package else {
        let message = format!("{} is not fetched by npx or uvx", spec.name);
        return Err(Failure::new(Kind::Refused, message));
    };
    let bar = Arc::new(Progress::new(output, "installing"));
    let shown = bar.clone();
    let progress = Arc::new(move |text: String| shown.name(text)) as _;
    let installed = app::run(async {
        match anew {
            true => installer.update(package, &progress).await,
            false => installer.ensure(package, &progress).await,
        }
    });
    bar.end();
    installed
}

fn document(
    spec: &SkillSpec,
    before: Option<&Installed>,
    result: &Result<Installed, Failure>,
) -> Value {
    let mut document = match result {
        Ok(installed) => json!({"version": installed.version, "notes": installed.notes}),
        Err(failure) => failure.document(),
    };
    document["name"] = json!(spec.name.as_str());
    document["before"] = json!(before.map(|installed| &installed.version));
    document
}

/// The outcome of an install in one line.
pub(super) fn line(
    spec: &SkillSpec,
    before: Option<&Installed>,
    result: &Result<Installed, Failure>,
) -> String {
    let name = &spec.name;
    match (result, before) {
        (Err(failure), _) => format!("{name}: {failure}"),
        (Ok(now), Some(before)) if now.version == before.version => {
            format!(
                "{name}: {} is the newest that its entry allows",
                now.version
            )
        }
        (Ok(now), Some(before)) => format!("{name}: {} to {}", before.version, now.version),
        (Ok(now), None) => format!("{name}: installed {}", now.version),
    }
}
