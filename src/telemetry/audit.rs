//! The audit log: who was authenticated, who was refused, and changes of keys and
//! grants. Never arguments, texts or keys.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, json};
use tracing_subscriber::fmt::MakeWriter;

use super::RotatingFile;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_MAX};

const FILE_NAME: &str = "audit.jsonl";

static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    file: RotatingFile,
    clock: Arc<dyn Clock>,
}

/// Starts the log in `folder`. Before that, and in processes that serve no network,
/// nothing is recorded.
pub(crate) fn start(folder: &Path, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let file = RotatingFile::open(folder, FILE_NAME, LOG_FILE_BYTES_MAX, LOG_FILES_MAX)?;
    // A second start in one process keeps the first log.
    let _ = LOG.set(Log { file, clock });
    Ok(())
}

/// Records an event with the facts that are known.
pub(crate) fn record(event: &str, facts: &[(&str, &str)]) {
    let Some(log) = LOG.get() else {
        return;
    };
    let mut line = Map::new();
    line.insert("at".to_owned(), json!(log.clock.now().to_iso()));
    line.insert("event".to_owned(), json!(event));
    let known = facts.iter().filter(|(_, value)| !value.is_empty());
    line.extend(known.map(|(name, value)| ((*name).to_owned(), json!(value))));
    let line = format!("{}\n", serde_json::Value::Object(line));
    tracing::debug!(target: "mimo::audit", "{}", line.trim_end());
    // A full disk must not stop Mimo.
    let _ = log.file.make_writer().write_all(line.as_bytes());
}
