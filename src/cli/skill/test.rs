//! `mimo skill test`: starts a skill once, in its sandbox, as a serving Mimo would.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::edit::report;
use super::enable::enabled;
use super::install;
use super::refusals::report_refusals;
use super::start_once::start_once;
use crate::app;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::skills::child::ChildLauncher;
use crate::skills::manifest::file;

/// The skill to test.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill test memory
  mimo skill test memory --json | jq '.tools[]'

Installs its package first, where that is still to be done. A disabled skill is
tested as if it were enabled. The exit code is 1, with the reason, where the skill
does not start or does not list its tools.")]
pub(super) struct Arguments {
    /// Its name, or its key in skills.json
    name: String,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let path = &config.skills.manifest;
    let bytes = file::read(path).map_err(|refusal| report_refusals(path, &[refusal], output))?;
    let rules = app::skill_rules(config);
    let (_, skill) = enabled(bytes.as_deref(), &arguments.name, &rules)
        .map_err(|refused| report(config, refused, output))?;
    let spec = skill.spec;
    if spec.package.is_some() {
        install::install(&app::installer(config), &spec, false, output)?;
    }
    let name = spec.name.to_string();
    let launcher: Arc<dyn ChildLauncher> = Arc::new(app::launcher(config, clock));
    let answer = app::run(start_once(spec, launcher))?;
    let server = &answer.server.result["serverInfo"];
    let tools: Vec<&str> = answer.tools.iter().map(|tool| tool.name.as_str()).collect();
    if output.json {
        return output.document(&json!({
            "ok": true,
            "name": name,
            "server": server,
            "protocol": answer.server.revision,
            "ready_ms": answer.after.as_millis() as u64,
            "tools": tools,
        }));
    }
    let text = |key: &str| server[key].as_str().unwrap_or("?");
    let mut shown = output.text();
    shown.push(&format!(
        "{name} works: {} {}, ready after {} ms, {}\n",
        text("name"),
        text("version"),
        answer.after.as_millis(),
        counted(tools.len(), "tool", "tools"),
    ));
    for tool in tools {
        shown.push(&format!("  {}\n", crate::printable::line(tool)));
    }
    output.print(shown)
}
