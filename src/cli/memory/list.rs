//! `mimo memory list`.

use std::sync::Arc;

use anyhow::Result;

use super::view::{self, Filter};
use crate::cli::call;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// Which ones.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory list                       the ten newest
  mimo memory list -n 50 --since 7d
  mimo memory list --tag launch --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// The cursor that an earlier list printed
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let mut given = arguments.filter.arguments();
    given["cursor"] = arguments.cursor.into();
    let answer = call::own_tool("memory_search", given.clone(), config, clock.clone())?;
    let elsewhere = view::elsewhere(given, &answer, config, clock, output)?;
    let none = format!("no memory is stored here{elsewhere}");
    view::print(&answer, &none, output)?;
    if let Some(cursor) = answer["next_cursor"].as_str()
        && !output.json
    {
        output.print_error(format!("more: add --cursor {cursor}\n"));
    }
    Ok(())
}
