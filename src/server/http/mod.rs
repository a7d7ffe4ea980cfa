//! Serving clients over HTTP: `/mcp`, plain calls of tools, health and metrics, and the
//! page for people.
//!
//! ```text
//! accept -> head -> gate (host, origin, address, key, bounds) -> body -> exchange -> Mcp
//! ```
//!
//! A POST to `/mcp` is a connection of its own, so that everything that holds on standard
//! input and output holds here.

mod body;
mod connections;
mod gate;
mod headers;
mod inline;
mod listens;
mod page_sessions;
mod plain;
mod post;
mod refusal;
mod routes;
mod sessions;
mod stream;
mod view;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::body::Bodies;
use self::connections::{ConnectionSlots, Connections};
use self::gate::{Gate, Principal};
use self::inline::NullPeer;
use self::listens::Listens;
use self::refusal::Refusal;
use self::sessions::Sessions;
use super::Server;
use crate::caller::Grants;
use crate::failure::{Failure, Kind};
use crate::keys::{KeyId, KeyRing};
use crate::limits::{
    DRAIN_SECONDS_MAX, HTTP_ACCEPT_SECONDS_AFTER_SIGNAL, HTTP_KEYS_FOLLOWED_SECONDS,
    HTTP_SWEEP_SECONDS,
};
use crate::store::keys::KeyStore;
use crate::store::sessions::SessionStore;
use crate::telemetry::audit;
use crate::tools::health::Health;
use crate::view::View;

/// What the settings and the command line say about serving over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    /// Where `/metrics` alone is served, without a key.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Accepted names in `Host` besides this machine's own.
    pub(crate) hosts: Vec<String>,
    /// Origins of pages that may use Mimo.
    pub(crate) origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) body_bytes: usize,
    pub(crate) body_total_bytes: usize,
    pub(crate) connections: usize,
    pub(crate) requests_per_minute: u32,
    pub(crate) at_once: u32,
    pub(crate) sessions: usize,
    pub(crate) session_idle: Duration,
    /// The project of a key that names none.
    pub(crate) project: String,
}

/// The parts that HTTP adds to a server.
pub(crate) struct HttpParts {
    pub(crate) settings: Settings,
    pub(crate) keys: Arc<dyn KeyStore>,
    /// Changes when another process announces a change of the keys.
    pub(crate) keys_announced: watch::Receiver<u64>,
    pub(crate) ring: KeyRing,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) health: Health,
    pub(crate) view: View,
    /// The grants of the only person who is served, through the page.
    pub(crate) local: Option<Arc<Grants>>,
}

struct Http {
    server: Arc<Server>,
    gate: Gate,
    sessions: Sessions,
    listens: Listens,
    bodies: Bodies,
    health: Health,
    view: View,
    null_peer: NullPeer,
    keys_announced: watch::Receiver<u64>,
    /// The open exchanges.
    exchanges: TaskTracker,
    /// Cancelled by the signal to end.
    draining: CancellationToken,
    /// Cancelled when no more connections are accepted: streams without an end then
    /// end.
    ending: CancellationToken,
}

/// The bound sockets: of clients, and of metrics where those have their own.
struct Listeners {
    clients: TcpListener,
    metrics: Option<TcpListener>,
}

/// The id of a request in the log.
#[derive(Clone)]
struct RequestId(String);

/// The address at the other end of a connection.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

impl Server {
    /// Serves HTTP until `shutdown` is cancelled and open requests are answered. Fails
    /// if it cannot listen, or has no usable key. `listening` gets the addresses.
    pub(crate) async fn serve_http(
        self: Arc<Self>,
        parts: HttpParts,
        shutdown: CancellationToken,
        listening: impl FnOnce(SocketAddr, Option<SocketAddr>),
    ) -> Result<(), Failure> {
        let settings = parts.settings;
        let hint = match parts.local {
            Some(_) => "name another port with --port, or leave it out to get a free one",
            None => "name another address with --http, for example 127.0.0.1:8420",
        };
        let gate = Gate::new(
            &settings,
            parts.ring,
            parts.keys,
            parts.local,
            &self.dispatch,
        );
        if gate.usable_keys().await?.usable == 0 {
            let message = "there is no key that a client could use";
            return Err(Failure::new(Kind::Refused, message)
                .hint("make one with `mimo keys generate --name NAME`"));
        }
        let listeners = Listeners::bind(&settings, hint).await?;
        let clock = self.dispatch.clock().clone();
        let http = Arc::new(Http {
            gate,
            sessions: Sessions::new(
                parts.sessions,
                clock,
                settings.sessions,
                settings.session_idle,
            ),
            listens: Listens::default(),
            bodies: Bodies::new(settings.body_bytes, settings.body_total_bytes),
            health: parts.health,
            view: parts.view,
            null_peer: inline::null_peer(),
            keys_announced: parts.keys_announced,
            exchanges: TaskTracker::new(),
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
            server: self,
        });
        crate::meter::process::started_seconds();
        let (address, metrics_address) = listeners.addresses()?;
        listening(address, metrics_address);
        audit::record("serve.started", &[("address", &address.to_string())]);
        let slots = ConnectionSlots::new(settings.connections, settings.trusted_proxies);
        let connections = Connections::new(slots);
        http.serve(listeners, &connections, shutdown).await;
        http.drain(&connections).await;
        audit::record("serve.stopped", &[]);
        Ok(())
    }
}

impl Http {
    /// Accepts connections until `shutdown` is cancelled and load balancers have had time
    /// to notice.
    async fn serve(
        self: &Arc<Self>,
        listeners: Listeners,
        connections: &Connections,
        shutdown: CancellationToken,
    ) {
        let clients = connections.accept_all(listeners.clients, routes::router(self));
        let metrics = async {
            match listeners.metrics {
                Some(listener) => {
                    let router = routes::metrics_router();
                    connections.accept_all(listener, router).await;
                }
                None => std::future::pending().await,
            }
        };
        let until_signal = async {
            shutdown.cancelled().await;
            // Load balancers notice by /health/ready, and send nothing more.
            self.draining.cancel();
            if !self.gate.is_local() {
                sleep(Duration::from_secs(HTTP_ACCEPT_SECONDS_AFTER_SIGNAL)).await;
            }
        };
        tokio::select! {
            () = clients => {}
            () = metrics => {}
            () = self.sweep_periodically() => {}
            () = self.follow_keys() => {}
            () = self.health.keep_metrics() => {}
            () = until_signal => {}
        }
    }

    /// Waits for the open exchanges, for a bounded time, and closes the connections.
    async fn drain(&self, connections: &Connections) {
        self.ending.cancel();
        self.exchanges.close();
        let drained = timeout(
            Duration::from_secs(DRAIN_SECONDS_MAX),
            self.exchanges.wait(),
        );
        if drained.await.is_err() {
            tracing::warn!("calls were not answered before the end");
        }
        self.sessions.end_streams();
        connections.close().await;
    }

    async fn sweep_periodically(&self) {
        let mut turns = interval(Duration::from_secs(HTTP_SWEEP_SECONDS));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            self.gate.sweep();
            if let Err(failure) = self.sessions.sweep().await {
                tracing::warn!(%failure, "sessions were not swept");
            }
            if let Err(failure) = self.gate.usable_keys().await {
                tracing::warn!(%failure, "the keys were not read");
            }
        }
    }

    /// Ends the streams of keys that are no longer usable: a stream sends no requests
    /// that could be refused.
    async fn follow_keys(&self) {
        let mut turns = interval(Duration::from_secs(HTTP_KEYS_FOLLOWED_SECONDS));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut announced = self.keys_announced.clone();
        loop {
            tokio::select! {
                _ = turns.tick() => {}
                _ = announced.changed() => {}
            }
            if let Err(failure) = self.gate.refresh().await {
                tracing::debug!(%failure, "the keys were not read");
                continue;
            }
            let is_usable = |key: &KeyId| self.gate.is_usable(key);
            self.sessions.end_unusable(is_usable);
            self.listens.end_unusable(is_usable);
        }
    }

    /// The thread of a caller without a session: its key and the day.
    fn day_of(&self, principal: &Principal) -> String {
        let now = self.server.dispatch.clock().now().to_iso();
        let day = now.split('T').next().unwrap_or_default();
        format!("{}/{day}", principal.key.id)
    }
}

impl Listeners {
    /// `hint` is the next step if the address of clients cannot be had.
    async fn bind(settings: &Settings, hint: &'static str) -> Result<Listeners, Failure> {
        let clients = listen(settings.listen, hint).await?;
        let metrics = match settings.metrics_listen {
            Some(address) => {
                let hint = "name another address in metrics_listen of [http]";
                Some(listen(address, hint).await?)
            }
            None => None,
        };
        Ok(Listeners { clients, metrics })
    }

    fn addresses(&self) -> Result<(SocketAddr, Option<SocketAddr>), Failure> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(Failure::internal);
        let metrics = self.metrics.as_ref().map(address).transpose()?;
        Ok((address(&self.clients)?, metrics))
    }
}

async fn listen(address: SocketAddr, hint: &'static str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("nothing can listen on {address}: {error}");
        Failure::new(Kind::Unavailable, message).hint(hint)
    })
}

fn unavailable(message: &str) -> Refusal {
    Refusal::failure(&Failure::new(Kind::Unavailable, message))
}
