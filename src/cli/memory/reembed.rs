//! `mimo memory reembed`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::cli::output::{Output, Progress};
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory reembed

Gives each memory a vector of the model in use ([embedding] in config.toml, or
Ollama's variables), then removes those of other models. A serving Mimo
encodes by itself, but removes no vectors; searches work meanwhile. The command can
be stopped at any time, and continues where it was.")]
pub(super) struct Arguments {}

pub(super) fn run(
    _: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let memories = app::memories(config, clock)?;
    let progress = Progress::new(output, "memories");
    let report = |done, total| progress.show(done as u64, Some(total as u64));
    let encoded = app::run(memories.reembed(&CancellationToken::new(), report))?;
    progress.end();
    let model = memories.model();
    if output.json {
        return output.document(&json!({"model": model, "encoded": encoded}));
    }
    let count = counted(encoded, "memory", "memories");
    output.print(format!(
        "encoded {count} with {model}; all have a vector of it\n"
    ))
}
