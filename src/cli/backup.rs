//! `mimo backup`: a copy of the database while clients go on using it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::output::{Output, Progress};
use crate::app;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::failure::{Failure, Kind};

/// The current time to the second, without the colons that some file systems refuse.
pub(super) fn time_in_name(clock: &dyn Clock) -> String {
    clock.now().to_iso().replace(':', "-")
}

/// The default folder of backups, in the data folder.
const FOLDER: &str = "backups";

/// Where to.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo backup                      to backups/ in the data folder, named by the time
  mimo backup /media/stick         the same name, in another folder
  mimo backup before-the-move.db

With PostgreSQL it prints the command of pg_dump instead. It replaces nothing: a file
that is there already is left alone. To go back to a backup, close the clients and run
mimo restore.")]
pub(super) struct Arguments {
    /// The new file, or a folder for it
    file: Option<PathBuf>,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: &dyn Clock,
    output: &Output,
) -> Result<()> {
    let from = &config.database;
    let store = app::store_as_it_is(config)?;
    if config.store.url.is_some() {
        // The store says how it is done.
        let name = format!("mimo-{}.dump", time_in_name(clock));
        let to = arguments.file.clone().unwrap_or_else(|| name.into());
        app::run(async { Ok(store.backup(&to, "", &mut |_, _| ()).await?) })?;
        return Ok(());
    }
    if !store.exists() {
        let message = format!("there is no database yet at {}", from.display());
        let hint = "it is made when something is stored; --data-dir names another folder";
        return Err(Failure::new(Kind::NotFound, message).hint(hint).into());
    }
    let to = target_file(arguments.file.as_deref(), config, clock)?;
    let progress = Progress::new(output, "pages");
    let mut report = |copied: u64, all: u64| progress.show(copied, Some(all));
    let unique = clock.new_id();
    let done = app::run(async { Ok(store.backup(&to, &unique, &mut report).await?) });
    progress.end();
    let bytes = done?;
    match output.json {
        true => output.document(&json!({
            "ok": true,
            "file": to.display().to_string(),
            "database": from.display().to_string(),
            "bytes": bytes,
        })),
        false => output.print(format!(
            "Backed up {:.1} MB, checked\n  from: {}\n  to:   {}\n",
            bytes as f64 / 1e6,
            from.display(),
            to.display()
        )),
    }
}

fn target_file(
    named: Option<&Path>,
    config: &Config,
    clock: &dyn Clock,
) -> Result<PathBuf, Failure> {
    let name = format!("mimo-{}.db", time_in_name(clock));
    let Some(file) = named else {
        let folder = folder(config);
        config::private_folder(&folder)?;
        return Ok(folder.join(name));
    };
    if file.is_dir() {
        return Ok(file.join(name));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match folder.is_dir() && file.file_name().is_some() {
        true => Ok(folder.join(file.file_name().unwrap_or_default())),
        false => Err(Failure::new(
            Kind::NotFound,
            format!("there is no folder {}", folder.display()),
        )
        .hint("make it, or name another file")),
    }
}

/// The default folder of backups.
pub(super) fn folder(config: &Config) -> PathBuf {
    config.data_folder.join(FOLDER)
}
