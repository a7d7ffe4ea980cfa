//! `mimo search WORDS`.

use std::sync::Arc;

use anyhow::Result;

use super::call;
use super::memory::view::{self, Filter};
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// What to look for.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo search when do we launch
  mimo search --tag launch --since 30d berlin
  mimo search --mode keyword --json ECONNRESET")]
pub(super) struct Arguments {
    /// Words or a question
    #[arg(required = true)]
    words: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// hybrid, semantic or keyword
    #[arg(long, default_value = "hybrid")]
    mode: String,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let mut given = arguments.filter.arguments();
    given["query"] = arguments.words.join(" ").into();
    given["mode"] = arguments.mode.into();
    let answer = call::own_tool("memory_search", given.clone(), config, clock.clone())?;
    let none = match view::elsewhere(given, &answer, config, clock, output)? {
        "" => "nothing was found; `mimo memory list` shows the newest memories".to_owned(),
        elsewhere => format!("nothing was found{elsewhere}"),
    };
    view::print(&answer, &none, output)
}
