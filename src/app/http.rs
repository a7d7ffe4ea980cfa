//! The parts that only a Mimo serving HTTP needs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::caller::{Grants, Scope};
use crate::config::{Config, parse_address};
use crate::failure::{Failure, Kind};
use crate::keys::{Grant, Key, KeyRing, KeyText, Scopes};
use crate::limits::KEY_REQUESTS_PER_MINUTE_MAX;
use crate::registry::tool_cache::ToolCache;
use crate::server::{HttpParts, HttpSettings};
use crate::store::changes::Topic;
use crate::telemetry::audit;
use crate::tools::health::{Health, HealthSettings};
use crate::view::{SkillFiles, View};

/// The port is replaced by the requested one.
const LOOPBACK: &str = "127.0.0.1:0";

impl App {
    /// Serves HTTP until a signal comes. `address` wins over the settings; `listening`
    /// gets the addresses once clients can connect.
    pub(crate) async fn serve_http(
        self,
        config: &Config,
        address: Option<&str>,
        listening: impl FnOnce(SocketAddr, Option<SocketAddr>),
    ) -> Result<(), Failure> {
        let settings = settings(config, address)?;
        let mut ring = KeyRing::new(self.clock.clone());
        if let Some(key) = &config.http.key {
            ring = ring.with_environment_key(key)?;
        }
        self.serve_parts(config, settings, ring, None, listening)
            .await
    }

    /// Serves the page to the user at this machine until a signal comes. `listening` gets
    /// the address and the key that signs in a browser, once.
    pub(crate) async fn serve_view(
        self,
        config: &Config,
        port: u16,
        listening: impl FnOnce(SocketAddr, &KeyText),
    ) -> Result<(), Failure> {
        let settings = HttpSettings {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
            metrics_listen: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            ..settings(config, Some(LOOPBACK))?
        };
        let grant = Grant {
            scopes: Scopes::up_to(Scope::Admin),
            requests_per_minute: Some(KEY_REQUESTS_PER_MINUTE_MAX),
            ..Grant::default()
        };
        let (key, text) = Key::generate(&*self.clock, "mimo view", grant, None)?;
        let ring = KeyRing::new(self.clock.clone());
        ring.replace(0, vec![key]);
        let grants = Some(self.grants.clone());
        self.serve_parts(config, settings, ring, grants, |address, _| {
            listening(address, &text);
        })
        .await
    }

    async fn serve_parts(
        self,
        config: &Config,
        settings: HttpSettings,
        ring: KeyRing,
        local: Option<Arc<Grants>>,
        listening: impl FnOnce(SocketAddr, Option<SocketAddr>),
    ) -> Result<(), Failure> {
        audit::start(&config.log_folder(), self.clock.clone())?;
        let parts = HttpParts {
            settings,
            ring,
            keys: self.store.clone(),
            keys_announced: self.store.announced(Topic::Keys),
            sessions: self.store.clone(),
            health: self.health(config),
            view: self.view(config)?,
            local,
        };
        self.serving_with(async |server, shutdown| {
            server.serve_http(parts, shutdown, listening).await
        })
        .await
    }

    fn view(&self, config: &Config) -> Result<View, Failure> {
        Ok(View {
            graph: self.graph.clone(),
            procedures: self.procedures.clone(),
            names: self.store.clone(),
            counts: self.store.clone(),
            skills: SkillFiles {
                approvals: super::approvals(config)?,
                cache: ToolCache::in_folder(config.data_folder.clone()),
                first_use: super::first_use(config),
                manifest: config.skills.manifest.clone(),
                logs: config.skill_log_folder(),
                running: config.running_folder(),
                clock: self.clock.clone(),
            },
        })
    }

    fn health(&self, config: &Config) -> Health {
        let settings = HealthSettings {
            node: self.label.name.clone(),
            folder: config.data_folder.clone(),
            model: self.memories.model().to_owned(),
            cleans: self.cleans,
        };
        Health::new(
            self.store.clone(),
            self.graph.clone(),
            self.dispatch.skills().cloned(),
            settings,
            self.clock.clone(),
        )
    }
}

fn settings(config: &Config, address: Option<&str>) -> Result<HttpSettings, Failure> {
    let http = &config.http;
    let parsed = |text: &str| parse_address(text).map_err(|why| Failure::invalid("", why));
    let listen = parsed(address.unwrap_or(http.listen()))?;
    if !listen.ip().is_loopback() && !http.behind_proxy {
        let message = format!("{listen} can be reached from other machines, and Mimo has no TLS");
        return Err(Failure::new(Kind::Refused, message).hint(
            "listen on 127.0.0.1, or put a proxy with TLS in front and set behind_proxy = true \
             in [http] of config.toml",
        ));
    }
    let metrics_listen = http.metrics_listen.as_deref().map(parsed).transpose()?;
    let megabytes = |count: u64| usize::try_from(count << 20).unwrap_or(usize::MAX);
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(HttpSettings {
        listen,
        metrics_listen,
        hosts: http.hosts.clone(),
        origins: http.origins.clone(),
        trusted_proxies: http.trusted_proxies()?,
        body_bytes: megabytes(http.body_mb),
        body_total_bytes: megabytes(http.body_total_mb),
        connections: number(http.connections) as usize,
        requests_per_minute: number(http.requests_per_minute),
        at_once: number(http.at_once),
        sessions: number(http.sessions) as usize,
        session_idle: Duration::from_secs(http.session_idle_minutes * 60),
        project: config.project.clone(),
    })
}
