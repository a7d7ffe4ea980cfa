//! The signals that end a server, and the one that reloads its skills.

use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::platform::Signals;

/// The number of SIGHUP.
const HANGUP: i32 = 1;

/// A token that the first SIGTERM or SIGINT cancels, so that calls in flight are
/// finished; a second one ends the process at once. SIGHUP counts as
/// one of them if `on_sighup` returns false because there is nothing to reload, so
/// that a closing terminal ends the server. Needs a tokio runtime with I/O.
pub(crate) fn shutdown_signals(
    on_sighup: impl Fn() -> bool + Send + 'static,
) -> Result<CancellationToken, Failure> {
    let mut signals = Signals::install().map_err(Failure::internal)?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            let number = signals.next().await;
            if number == HANGUP && !shutdown.is_cancelled() && on_sighup() {
                continue;
            }
            if shutdown.is_cancelled() {
                tracing::warn!(number, "a second signal: ending without waiting");
                std::process::exit(128 + number);
            }
            tracing::info!(number, "a signal: finishing the calls in flight");
            shutdown.cancel();
        }
    });
    Ok(token)
}
