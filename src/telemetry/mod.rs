//! Logging: events to stderr and to a bounded set of files, never to stdout,
//! which belongs to the protocol. What is logged is decided where it happens.

mod rotating;

use std::io;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::clock::Clock;
use crate::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_MAX};

pub use rotating::RotatingFile;

/// What Mimo itself does.
const NAME: &str = "mimo.log";
/// A person or a client reads stderr: only what needs them.
const STDERR_DEFAULT: &str = "warn";
/// The file also tells when Mimo started, with what, and when it stopped.
const FILE_DEFAULT: &str = "info";
/// rmcp reports each message at info, and at warn each error that a client was
/// answered with, which is the client's fault and known to it: filtered where
/// it is raised, so that a call does not pay for it. A filter that names rmcp
/// itself still wins.
const QUIET: &str = "rmcp=error";

/// Starts logging for the rest of the process. `filter` is for both stderr and
/// the files in `folder`; where no file can be written, stderr says so once
/// and Mimo goes on.
pub fn start(filter: Option<&str>, folder: &Path, clock: Arc<dyn Clock>) {
    // A client may close its end of stderr. Reporting that failure would print
    // to stderr and panic, so a line that cannot be written is dropped.
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(false)
        .with_timer(LogTime(clock.clone()))
        .with_filter(filtered(filter.unwrap_or(STDERR_DEFAULT)));
    let (file, refused) = match RotatingFile::open(folder, NAME, LOG_FILE_BYTES_MAX, LOG_FILES_MAX)
    {
        Ok(file) => (Some(file), None),
        Err(failure) => (None, Some(failure)),
    };
    let file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_writer(file)
            .log_internal_errors(false)
            .with_ansi(false)
            .with_timer(LogTime(clock))
            .with_filter(filtered(filter.unwrap_or(FILE_DEFAULT)))
    });
    let started = tracing_subscriber::registry()
        .with(stderr)
        .with(file)
        .try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    if let Some(failure) = refused {
        tracing::warn!("no log file is written: {failure}");
    }
}

/// `filter` was checked when the settings were read; should it still be
/// unusable, the levels that can be understood hold.
fn filtered(filter: &str) -> EnvFilter {
    match filter {
        // No louder than what was asked for.
        "off" | "error" => EnvFilter::new(filter),
        _ => EnvFilter::new(format!("{QUIET},{filter}")),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(
        thread = thread.name().unwrap_or("unnamed"),
        at = place.as_deref().unwrap_or("unknown"),
        "panic: {message}"
    );
}

/// The house's clock in front of each line.
struct LogTime(Arc<dyn Clock>);

impl FormatTime for LogTime {
    fn format_time(&self, line: &mut Writer<'_>) -> std::fmt::Result {
        line.write_str(&self.0.now().to_iso())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// Whether events (of rmcp at info, at warn, of Mimo at debug) are raised.
    fn raised(filter: &str) -> [bool; 3] {
        let layer = tracing_subscriber::fmt::layer().with_writer(io::sink);
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filtered(filter)));
        tracing::subscriber::with_default(subscriber, || {
            [
                tracing::enabled!(target: "rmcp::service", Level::INFO),
                tracing::enabled!(target: "rmcp::service", Level::WARN),
                tracing::enabled!(target: "mimo::server", Level::DEBUG),
            ]
        })
    }

    #[test]
    fn rmcp_is_quiet_unless_it_is_named() {
        assert_eq!(raised("warn"), [false, false, false]);
        assert_eq!(raised("debug"), [false, false, true]);
        assert_eq!(raised("debug,rmcp=info"), [true, true, true]);
        assert_eq!(raised("debug,rmcp=warn"), [false, true, true]);
        assert_eq!(raised("error"), [false, false, false]);
        assert_eq!(raised("off"), [false, false, false]);
    }
}
