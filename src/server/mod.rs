//! Serving clients: the connection on standard input and output, the signals
//! that end it, and the translation between MCP and the dispatch.

mod mcp;
mod passing;
mod signals;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use mcp::Mcp;
pub use passing::Passing;
pub use signals::shutdown_signals;

use crate::clock::Clock;
use crate::dispatch::Dispatch;
use crate::failure::{Failure, Kind};
use crate::wire::Stdio;

/// Serves standard input and output until the input ends, the client stops
/// reading, or `shutdown` is cancelled; what has been read by then is answered
/// first (except for a client that reads no more). Only protocol lines go to
/// standard output. Needs a tokio runtime with I/O and time.
pub async fn serve_stdio(
    dispatch: Arc<Dispatch>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let (transport, handle) = Stdio::open().map_err(|error| {
        Failure::new(
            Kind::Unavailable,
            "standard input and output cannot be opened",
        )
        .source(error)
    })?;
    let service = Passing(Mcp::new(
        dispatch,
        clock.new_id().into(),
        Some(handle.clone()),
    ));
    let cancel = CancellationToken::new();
    // Directly, without rmcp's handshake: that would refuse a script that
    // pipes a call without `initialize`. The service answers `initialize`.
    let running = rmcp::service::serve_directly_with_ct(service, transport, None, cancel);
    let stop = async {
        shutdown.cancelled().await;
        handle.stop();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // Not rmcp's own end: it waits for handlers nobody waits for.
        () = handle.finished().cancelled() => Ok(()),
        ended = running.waiting() => ended.map(|_| ()).map_err(Failure::internal),
        () = stop => Ok(()),
    }
}
