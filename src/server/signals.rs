//! The signals that end a server, and the one that reloads its skills.

use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// A token that the first SIGTERM or SIGINT cancels, so that calls in flight are
/// finished; a second one ends the process at once. SIGHUP counts as
/// one of them if `on_sighup` returns false because there is nothing to reload, so
/// that a closing terminal ends the server. Needs a tokio runtime with I/O.
#[cfg(unix)]
pub(crate) fn shutdown_signals(
    on_sighup: impl Fn() -> bool + Send + 'static,
) -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let install = |kind| signal(kind).map_err(Failure::internal);
    let mut term = install(SignalKind::terminate())?;
    let mut int = install(SignalKind::interrupt())?;
    let mut hup = install(SignalKind::hangup())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                _ = term.recv() => 15,
                _ = int.recv() => 2,
                _ = hup.recv() => 1,
            };
            if number == 1 && !shutdown.is_cancelled() && on_sighup() {
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

/// A token that Ctrl-C cancels; a second one ends the process at once.
#[cfg(not(unix))]
pub(crate) fn shutdown_signals(
    _: impl Fn() -> bool + Send + 'static,
) -> Result<CancellationToken, Failure> {
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if shutdown.is_cancelled() {
                std::process::exit(130);
            }
            shutdown.cancel();
        }
    });
    Ok(token)
}
