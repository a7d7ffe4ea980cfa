//! Logging to stderr and to a bounded set of files, never to stdout, which belongs
//! to the protocol.

pub(crate) mod audit;
mod event_writer;
mod rotating;
#[cfg(feature = "otlp")]
mod traces;

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
use crate::failure::Failure;
#[cfg(not(feature = "otlp"))]
use crate::failure::Kind;
use crate::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_MAX};
use crate::meter::calls::PANICS;

use event_writer::EventWriter;
pub(crate) use rotating::RotatingFile;

const FILE_NAME: &str = "mimo.log";
/// stderr is read by a person or a client, and gets only what concerns them.
const STDERR_DEFAULT: &str = "warn";
/// The file also records Mimo's start with its settings, and its end.
const FILE_DEFAULT: &str = "info";
/// rmcp logs each message at info, and each error response at warn. These events
/// are filtered at their source, so that a call does not pay for them. A filter
/// that names rmcp overrides this.
const RMCP_FILTER: &str = "rmcp=error";

#[cfg(feature = "otlp")]
pub(crate) use traces::{Exporter, continue_trace};

/// Exports nothing in this build.
#[cfg(not(feature = "otlp"))]
pub(crate) struct Exporter;

#[cfg(not(feature = "otlp"))]
pub(crate) fn continue_trace(_: &tracing::Span, _: &http::HeaderMap) {}

/// Starts logging for the rest of the process. `filter` applies to stderr and to
/// the files in `folder`. If no file can be written, one line on stderr says so.
/// Traces go to the collector at `traces` for as long as the exporter lives.
pub(crate) fn start(
    filter: Option<&str>,
    folder: &Path,
    traces: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Option<Exporter> {
    // A client may close its end of stderr. Reporting that failure would print
    // to stderr and panic, so a line that cannot be written is dropped.
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(EventWriter(io::stderr))
        .log_internal_errors(false)
        .with_ansi(false)
        .with_timer(LogTime(clock.clone()))
        .with_filter(filtered(filter.unwrap_or(STDERR_DEFAULT)));
    let (file, file_error) =
        match RotatingFile::open(folder, FILE_NAME, LOG_FILE_BYTES_MAX, LOG_FILES_MAX) {
            Ok(file) => (Some(file), None),
            Err(failure) => (None, Some(failure)),
        };
    let file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_writer(EventWriter(file))
            .log_internal_errors(false)
            .with_ansi(false)
            .with_timer(LogTime(clock))
            .with_filter(filtered(filter.unwrap_or(FILE_DEFAULT)))
    });
    let exporter = traces.map(exporter);
    let subscriber = tracing_subscriber::registry().with(stderr).with(file);
    #[cfg(feature = "otlp")]
    let subscriber = {
        let exporter = exporter.as_ref().and_then(|built| built.as_ref().ok());
        subscriber.with(exporter.map(Exporter::layer))
    };
    let started = subscriber.try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    if let Some(failure) = file_error {
        tracing::warn!("no log file is written: {failure}");
    }
    match exporter? {
        Ok(exporter) => Some(exporter),
        Err(error) => {
            tracing::warn!("no traces are sent: {error}");
            None
        }
    }
}

#[cfg(feature = "otlp")]
fn exporter(endpoint: &str) -> Result<Exporter, Failure> {
    Exporter::new(endpoint).map_err(|error| Failure::invalid("", error.to_string()))
}

#[cfg(not(feature = "otlp"))]
fn exporter(_: &str) -> Result<Exporter, Failure> {
    let message = "http.traces is set, but this Mimo was built without them; build it with \
                   `cargo install --path . --features otlp`";
    Err(Failure::new(Kind::Unavailable, message))
}

/// The settings have checked `filter`. Parts of it that are still invalid are
/// ignored.
fn filtered(filter: &str) -> EnvFilter {
    match filter {
        // RMCP_FILTER would add events to these.
        "off" | "error" => EnvFilter::new(filter),
        _ => EnvFilter::new(format!("{RMCP_FILTER},{filter}")),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    PANICS.increment(());
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

    /// Whether events are logged: of rmcp at info and at warn, of Mimo at debug.
    fn logged(filter: &str) -> [bool; 3] {
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
        assert_eq!(logged("warn"), [false, false, false]);
        assert_eq!(logged("debug"), [false, false, true]);
        assert_eq!(logged("debug,rmcp=info"), [true, true, true]);
        assert_eq!(logged("debug,rmcp=warn"), [false, true, true]);
        assert_eq!(logged("error"), [false, false, false]);
        assert_eq!(logged("off"), [false, false, false]);
    }
}
