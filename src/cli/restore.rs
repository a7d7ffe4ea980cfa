//! `mimo restore`: replaces the database with a backup.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::backup;
use super::output::{Output, Progress};
use crate::app;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::files::with_ending;

/// Which backup.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo restore before-the-move.db
  mimo restore ~/.local/share/mimo/backups/mimo-2026-11-20T09-00-00Z.db

It checks the backup first, and copies it: the backup stays. The database that was
there is kept beside the new one, under a name with the time. It refuses while a
Mimo uses the database, so close the clients before.")]
pub(super) struct Arguments {
    /// The backup
    file: PathBuf,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: &dyn Clock,
    output: &Output,
) -> Result<()> {
    let (from, to) = (&arguments.file, &config.database);
    if !from.is_file() {
        let message = format!("there is no file {}", from.display());
        let hint = format!(
            "`ls '{}'` shows the backups",
            backup::folder(config).display()
        );
        return Err(Failure::new(Kind::NotFound, message).hint(hint).into());
    }
    if config.store.url.is_some() {
        // The store says how it is done.
        let store = app::store_as_it_is(config)?;
        let nowhere = Path::new("");
        app::run(async { Ok(store.restore(from, nowhere, "", &mut |_| ()).await?) })?;
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        config::private_folder(folder)?;
    }
    let store = app::store_in(to)?;
    let progress = Progress::new(output, "looking at");
    let mut report = |part| progress.name(part);
    let unique = clock.new_id();
    let ending = format!(".replaced-{}", backup::time_in_name(clock));
    let aside = with_ending(to, &ending);
    let done = app::run(async { Ok(store.restore(from, &aside, &unique, &mut report).await?) });
    progress.end();
    let done = done?;
    let replaced = done.replaced.map(|path| path.display().to_string());
    if output.json {
        return output.document(&json!({
            "ok": true,
            "file": from.display().to_string(),
            "database": to.display().to_string(),
            "schema": done.schema,
            "memories": done.memories,
            "replaced": replaced,
        }));
    }
    let mut text = format!(
        "Restored {}, checked\n  from: {}\n  to:   {}\n",
        counted(done.memories, "memory", "memories"),
        from.display(),
        to.display()
    );
    if let Some(replaced) = replaced {
        text.push_str(&format!("  the old one is now {replaced}\n"));
    }
    output.print(text)
}
