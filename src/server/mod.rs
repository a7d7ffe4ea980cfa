//! Serving clients: the connection on standard input and output, the signals
//! that end it, and the translation between MCP and the dispatch.

mod client;
mod errors;
mod instructions;
mod listening;
mod listing;
mod mcp;
mod rounds;
mod signals;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::client::News;
use self::listing::Listing;
use self::mcp::Mcp;

pub(crate) use client::Client;
pub(crate) use signals::shutdown_signals;

use crate::caller::{Caller, Grants};
use crate::catalog::{Catalog, Change, View};
use crate::clock::Clock;
use crate::dispatch::Dispatch;
use crate::failure::{Failure, Kind};
use crate::wire::Stdio;

/// What clients are served with.
#[derive(Clone)]
pub(crate) struct Served {
    /// What the client may see and do.
    pub(crate) grants: Arc<Grants>,
    /// The tools.
    pub(crate) dispatch: Arc<Dispatch>,
    /// Everything beside them, where there is anything.
    pub(crate) catalog: Option<Arc<Catalog>>,
    /// The client, once it is connected.
    pub(crate) client: Arc<Client>,
}

/// Serves standard input and output until the input ends, the client stops
/// reading, or `shutdown` is cancelled; what has been read by then is answered
/// first (except for a client that reads no more). Only protocol lines go to
/// standard output. Needs a tokio runtime with I/O and time.
pub(crate) async fn serve_stdio(
    served: Served,
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
    let listing = Arc::new(Listing::default());
    let tools = announce_tools(served.clone(), listing.clone());
    let caller = Caller::new(served.grants.clone(), clock.new_id());
    let catalog = served.catalog.as_ref();
    let catalog = catalog.map(|catalog| Arc::new(catalog.view(caller.clone())));
    let others = announce_others(served.client.clone(), catalog.clone());
    let watch = async { tokio::join!(tools, others) };
    let watch = AbortOnDropHandle::new(tokio::spawn(watch));
    let service = Mcp::new(served, catalog, caller, handle.clone(), listing);
    let cancel = CancellationToken::new();
    // Directly, without rmcp's handshake: that would refuse a script that
    // pipes a call without `initialize`. The service answers `initialize`.
    let running = rmcp::service::serve_directly_with_ct(service, transport, None, cancel);
    let stop = async {
        shutdown.cancelled().await;
        handle.stop();
        std::future::pending::<()>().await;
    };
    let served = tokio::select! {
        // Not rmcp's own end: it waits for handlers nobody waits for.
        () = handle.finished().cancelled() => Ok(()),
        ended = running.waiting() => ended.map(|_| ()).map_err(Failure::internal),
        () = stop => Ok(()),
    };
    drop(watch);
    served
}

/// Announces that the tools are other ones, whenever what clients see of them
/// is.
async fn announce_tools(served: Served, listing: Arc<Listing>) {
    let Some(skills) = served.dispatch.skills() else {
        return;
    };
    let mut changes = skills.changes();
    let now = || listing.now(&served.dispatch, &served.grants.tools).ok();
    let mut before = now();
    while changes.changed().await.is_ok() {
        let after = now();
        if before.as_ref().map(|list| list.get()) != after.as_ref().map(|list| list.get()) {
            served.client.announce(News::Tools);
        }
        before = after;
    }
}

/// Announces changes of what Mimo itself offers beside tools.
async fn announce_others(client: Arc<Client>, catalog: Option<Arc<View>>) {
    let Some(catalog) = catalog else {
        return;
    };
    let announce = |change| {
        client.announce(match change {
            Change::PromptList => News::Prompts,
            Change::ResourceList => News::Resources,
            Change::Resource(uri) => News::Updated(uri),
        });
    };
    catalog.announce_changes(announce).await;
}
