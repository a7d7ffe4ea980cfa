//! Serving clients: their sessions, the connection on standard input and output, HTTP,
//! the signals that end it, and the translation between MCP and the dispatch.

mod encode;
mod errors;
mod http;
mod hub;
mod input_requests;
mod instructions;
mod listen;
mod listing;
mod mcp;
mod root;
mod session;
mod signals;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::input_requests::InputRequests;
use self::listing::Listings;
use self::mcp::Mcp;
use self::session::{ChangeNotice, Session};
use crate::caller::{Caller, Grants};
use crate::catalog::Catalog;
use crate::dispatch::Dispatch;
use crate::failure::{Failure, Kind};
use crate::wire::{Connection, Stdio};

pub(crate) use self::http::{HttpParts, Settings as HttpSettings};
pub(crate) use hub::Hub;
pub(crate) use signals::shutdown_signals;

/// The parts that all sessions of this process share.
pub(crate) struct Server {
    dispatch: Arc<Dispatch>,
    /// Absent in tests of the protocol.
    catalog: Option<Arc<Catalog>>,
    hub: Arc<Hub>,
    listings: Listings,
    input_requests: InputRequests,
}

impl Server {
    pub(crate) fn new(
        dispatch: Arc<Dispatch>,
        catalog: Option<Arc<Catalog>>,
        hub: Arc<Hub>,
    ) -> Server {
        Server {
            input_requests: InputRequests::new(dispatch.clock().clone()),
            dispatch,
            catalog,
            hub,
            listings: Listings::default(),
        }
    }

    /// Serves standard input and output until the input ends, the client stops
    /// reading, or `shutdown` is cancelled; requests read by then are answered
    /// first (except for a client that reads no more). Only protocol lines go to
    /// standard output. `follows_root`: the client's only root names the current project.
    /// Needs a tokio runtime with I/O and time.
    pub(crate) async fn serve_stdio(
        self: Arc<Self>,
        grants: Arc<Grants>,
        follows_root: bool,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        let (transport, connection) = Stdio::open().map_err(|error| {
            let message = "standard input and output cannot be opened";
            Failure::new(Kind::Unavailable, message).source(error)
        })?;
        let caller = Caller::new(grants, self.dispatch.clock().new_id());
        let session = self.open_session(caller, connection.clone());
        if follows_root {
            session.follow_root();
        }
        let changes = self.clone().announce_changes(session.clone());
        let _changes = AbortOnDropHandle::new(tokio::spawn(changes));
        let service = Mcp::new(self, session, connection.clone());
        let cancel = CancellationToken::new();
        // Directly, without rmcp's handshake: that would refuse a script that
        // pipes a call without `initialize`. The service answers `initialize`.
        let running = rmcp::service::serve_directly_with_ct(service, transport, None, cancel);
        let stop = async {
            shutdown.cancelled().await;
            connection.stop();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // Not rmcp's own shutdown, which waits for handlers that nobody waits for.
            () = connection.finished().cancelled() => Ok(()),
            ended = running.waiting() => ended.map(|_| ()).map_err(Failure::internal),
            () = stop => Ok(()),
        }
    }

    /// A session of `caller`, which hears of the skills' changes.
    fn open_session(&self, caller: Caller, connection: Arc<dyn Connection>) -> Arc<Session> {
        let session = self.session(caller, connection);
        self.hub.open(&session);
        session
    }

    /// A session that ends before anything can change.
    fn session(&self, caller: Caller, connection: Arc<dyn Connection>) -> Arc<Session> {
        let catalog = self.catalog.as_ref();
        let catalog = catalog.map(|catalog| catalog.view(caller.clone()));
        Arc::new(Session::new(caller, catalog, connection))
    }

    /// Announces changes of the lists and of watched resources to a session.
    async fn announce_changes(self: Arc<Self>, session: Arc<Session>) {
        let tools = self.announce_tool_changes(&session);
        let others = async {
            if let Some(catalog) = &session.catalog {
                let announce = |change| session.announce(ChangeNotice::from(change));
                catalog.announce_changes(announce).await;
            }
        };
        tokio::join!(tools, others);
    }

    async fn announce_tool_changes(&self, session: &Session) {
        let Some(skills) = self.dispatch.skills() else {
            return;
        };
        let mut changes = skills.changes();
        let grants = &session.caller.grants;
        let list = || {
            // Only a list that the client receives fixes its choice.
            let mut choice = session.auto_choice().clone();
            self.listings
                .tools(&self.dispatch, grants, &mut choice)
                .ok()
        };
        let mut before = list();
        while changes.changed().await.is_ok() {
            let after = list();
            if before.as_ref().map(|list| list.get()) != after.as_ref().map(|list| list.get()) {
                session.announce(ChangeNotice::ToolList);
            }
            before = after;
        }
    }
}
