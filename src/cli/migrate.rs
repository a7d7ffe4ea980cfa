//! `mimo migrate`: copies everything from the file to PostgreSQL, back, or to another
//! server.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::output::{Output, Progress};
use crate::app;
use crate::config::{Config, Environment};
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::store::transfer::{self, CopiedTable, TransferEnd, TransferOptions};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo migrate --to MIMO_DATABASE_URL --dry-run   what would be copied, and is the target empty?
  mimo migrate --to MIMO_DATABASE_URL             from the file to the database of that URL
  mimo migrate --to sqlite:/srv/mimo.db           from the database to a new file
  mimo migrate --schema                           only bring the tables up to date

Close the clients first: changes made meanwhile are not copied. The target must be
empty, and the source is not changed. At the end every table is read again and compared
by the number and the hash of its rows.")]
pub(super) struct Arguments {
    /// The variable that holds the URL of a PostgreSQL database, or sqlite:FILE
    #[arg(
        long,
        value_name = "PLACE",
        required_unless_present = "schema",
        conflicts_with = "schema"
    )]
    to: Option<String>,
    /// Create the tables, or bring them up to date, as a deployment does before it starts nodes
    #[arg(long)]
    schema: bool,
    /// Only count, and check that the target is empty
    #[arg(long, conflicts_with = "schema")]
    dry_run: bool,
    /// Continue an interrupted migration
    #[arg(long, conflicts_with_all = ["schema", "dry_run"])]
    resume: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> Result<()> {
    let Some(to) = &arguments.to else {
        return bring_up_to_date(config, output);
    };
    let (from, to) = source_and_target(to, config, environment)?;
    let options = TransferOptions {
        resume: arguments.resume,
        dry_run: arguments.dry_run,
    };
    let begun = Instant::now();
    let progress = Progress::new(output, "copying");
    let mut lines = Ok(());
    let mut report = |table: &'static str, rows: u64, copied: Option<&CopiedTable>| {
        progress.name(format!("{table}, {}", counted(rows, "row", "rows")));
        if let Some(copied) = copied
            && output.json
            && lines.is_ok()
        {
            lines = output.document(&json!({
                "table": copied.table,
                "rows": copied.summary.rows,
                "sha256": copied.summary.sha256,
                "resumed": copied.was_done,
            }));
        }
    };
    let done = app::run(async { Ok(transfer::migrate(from, to, options, &mut report).await?) });
    progress.end();
    let done = done?;
    lines?;
    let rows: u64 = done.iter().map(|each| each.summary.rows).sum();
    let mut id = Sha256::new();
    for each in &done {
        id.update(&each.summary.sha256);
    }
    let id = base16ct::lower::encode_string(&id.finalize()[..8]);
    if output.json {
        return output.document(&json!({
            "ok": true,
            "id": id,
            "dry_run": arguments.dry_run,
            "tables": done.len(),
            "rows": rows,
            "seconds": (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        }));
    }
    let mut text = output.text();
    for each in done.iter().filter(|each| each.summary.rows > 0) {
        text.push(&format!("  {:16}  {:>9}\n", each.table, each.summary.rows));
    }
    text.push(&match arguments.dry_run {
        true => format!("{} would be copied\n", counted(rows, "row", "rows")),
        false => format!(
            "copied {} and compared them: they are equal ({id})\n",
            counted(rows, "row", "rows")
        ),
    });
    output.print(text)
}

fn bring_up_to_date(config: &Config, output: &Output) -> Result<()> {
    let mut config = config.clone();
    config.store.migrate = true;
    let store = app::store_as_it_is(&config)?;
    app::run(async { Ok(store.ready().await?) })?;
    let format = store.format();
    match output.json {
        true => output.document(&json!({
            "ok": true,
            "kind": format.kind,
            "schema": format.schema,
            "place": store.place(),
        })),
        false => output.print(format!(
            "{} is up to date: schema {}\n",
            store.place(),
            format.schema
        )),
    }
}

/// The source, which the settings name, and the target. If the target is the settings'
/// own variable, the source is the file.
fn source_and_target(
    to: &str,
    config: &Config,
    environment: &Environment,
) -> Result<(TransferEnd, TransferEnd), Failure> {
    let variable = config.store.url_variable();
    let file = || TransferEnd::File(config.database.clone());
    let from = match &config.store.url {
        Some(url) if to != variable => {
            TransferEnd::Database(app::database(config, url.clone(), variable))
        }
        _ => file(),
    };
    if let TransferEnd::File(file) = &from
        && !file.exists()
    {
        let message = format!("there is no database at {}", file.display());
        return Err(Failure::new(Kind::NotFound, message)
            .hint("--data-dir names the folder of another one"));
    }
    let target = match to.strip_prefix("sqlite:") {
        Some("") => {
            return Err(Failure::invalid("", "sqlite: names no file")
                .hint("write for example --to sqlite:/srv/mimo.db"));
        }
        Some(path) => TransferEnd::File(PathBuf::from(path)),
        None if to.contains("://") => {
            let message = "a URL on the command line would be seen by everybody on this machine";
            return Err(Failure::invalid("", message)
                .hint("put it into a variable, and name that: --to MIMO_DATABASE_URL"));
        }
        None => {
            let url = environment.secret(to).ok_or_else(|| {
                Failure::invalid("", format!("the variable {to} is not set"))
                    .hint("set it to the URL of the database: postgresql://user@host/database")
            })?;
            let mut settings = app::database(config, url, to);
            settings.migrate = true;
            TransferEnd::Database(settings)
        }
    };
    Ok((from, target))
}
