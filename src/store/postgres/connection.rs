//! Connections: their target, their security, and the two pools.

use std::net::IpAddr;
use std::ops::Deref;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
    Timeouts,
};
use futures::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PostgresSettings, locks, migrate, pooler};
use crate::limits;
use crate::meter::MovedGuard;
use crate::meter::store::{CONNECTIONS, ConnectionState, QUEUE, Side};
use crate::store::StoreError;

/// The next step after an error in the URL.
const CORRECT_URL: &str = "correct the URL of the database";

/// The target, and the settings of a session.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    pub(crate) settings: PostgresSettings,
    /// Set once the schema is known to be usable.
    is_ready: OnceCell<()>,
}

impl Connector {
    pub(crate) fn new(settings: PostgresSettings) -> Result<Connector, StoreError> {
        settings.check()?;
        let (config, roots) = read_url(settings.url.reveal())?;
        Ok(Connector {
            config,
            tls: MakeRustlsConnect::new(tls(roots)?),
            settings,
            is_ready: OnceCell::new(),
        })
    }

    /// The database and its hosts, for messages; without a password.
    pub(crate) fn place(&self) -> String {
        let hosts = self.config.get_hosts().iter();
        let hosts: Vec<String> = hosts
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(folder) => folder.display().to_string(),
            })
            .collect();
        let user = self.config.get_user().unwrap_or_default();
        let name = self.config.get_dbname().unwrap_or(user);
        format!("the database {name} on {}", hosts.join(", "))
    }

    /// Distinguishes the locks of this schema from those of others.
    pub(crate) fn schema_key(&self) -> i32 {
        locks::schema_key(&self.settings.schema)
    }

    /// A session outside the pools. The connection has to be polled for the client to
    /// work.
    pub(crate) async fn connect(
        &self,
    ) -> Result<
        (
            Client,
            Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>,
        ),
        StoreError,
    > {
        Ok(self.config.connect(self.tls.clone()).await?)
    }

    /// A session outside the pools, which ends when the client is dropped.
    pub(crate) async fn open(&self) -> Result<Client, StoreError> {
        let (client, connection) = self.connect().await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        self.begin_session(&client).await?;
        Ok(client)
    }

    pub(crate) async fn begin_session(&self, client: &Client) -> Result<(), StoreError> {
        Ok(client.batch_execute(&self.session_settings()).await?)
    }

    /// The statements with which every session begins.
    fn session_settings(&self) -> String {
        let PostgresSettings {
            schema,
            statement_seconds,
            ..
        } = &self.settings;
        let lock = limits::DATABASE_LOCK_SECONDS_MAX;
        let idle = limits::DATABASE_IDLE_SECONDS_MAX;
        // Compiling a plan or starting workers takes longer than a search, and the
        // extension may be in a schema of its own.
        format!(
            "SET jit = off; SET max_parallel_workers_per_gather = 0; SET timezone = 'UTC'; SET statement_timeout = '{statement_seconds}s'; \
             SET lock_timeout = '{lock}s'; SET idle_in_transaction_session_timeout = '{idle}s'; \
             SELECT set_config('search_path', '{schema}, ' || coalesce((SELECT quote_ident(nspname) \
             FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
             WHERE e.extname = 'vector'), 'public'), false)"
        )
    }

    /// Creates or checks the schema, once. Through a pooler by transaction, session
    /// settings would reach other sessions and be missing in this one's statements.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        let make = || async {
            let (one, two) = tokio::try_join!(self.open(), self.open())?;
            if pooler::is_pooled(&one, &two).await? {
                return Err(pooler::refusal());
            }
            migrate::prepare(one, &self.settings).await
        };
        self.is_ready.get_or_try_init(make).await.copied()
    }
}

/// The connections for reading and for writing.
#[derive(Clone)]
pub(super) struct Pools {
    readers: Pool,
    writers: Pool,
}

impl Pools {
    pub(crate) fn new(connector: &Arc<Connector>) -> Result<Pools, StoreError> {
        Ok(Pools {
            readers: pool(connector, connector.settings.readers)?,
            writers: pool(connector, connector.settings.writers)?,
        })
    }

    pub(crate) async fn reader(&self, connector: &Connector) -> Result<Leased, StoreError> {
        connector.ready().await?;
        Leased::of(&self.readers, Side::Read).await
    }

    pub(crate) async fn writer(&self, connector: &Connector) -> Result<Leased, StoreError> {
        connector.ready().await?;
        Leased::of(&self.writers, Side::Write).await
    }
}

/// A connection that is out of its pool, and counted as busy.
pub(super) struct Leased {
    client: Object,
    _busy: MovedGuard<ConnectionState, { ConnectionState::ALL.len() }>,
}

impl Leased {
    async fn of(pool: &Pool, side: Side) -> Result<Leased, StoreError> {
        let waits = QUEUE.hold(side);
        let client = pool.get().await?;
        drop(waits);
        Ok(Leased {
            client,
            _busy: CONNECTIONS.lend(ConnectionState::Idle, ConnectionState::Busy),
        })
    }

    /// Closes the connection.
    pub(super) fn discard(self) {
        drop(Object::take(self.client));
    }
}

impl Deref for Leased {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.client
    }
}

/// Opens the connections of a pool. Each is counted until it ends.
struct CountedConnector(MakeRustlsConnect);

impl Connect for CountedConnector {
    fn connect(
        &self,
        config: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let (config, tls) = (config.clone(), self.0.clone());
        Box::pin(async move {
            let (client, connection) = config.connect(tls).await?;
            let open = CONNECTIONS.hold(ConnectionState::Idle);
            let polled = tokio::spawn(async move {
                let _open = open;
                if let Err(error) = connection.await {
                    tracing::warn!(%error, "a connection to the database ended");
                }
            });
            Ok((client, polled))
        })
    }
}

fn pool(connector: &Arc<Connector>, size: usize) -> Result<Pool, StoreError> {
    let config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let connect = CountedConnector(connector.tls.clone());
    let manager = Manager::from_connect(connector.config.clone(), connect, config);
    let begin = connector.session_settings();
    let begin = Hook::async_fn(move |client, _| {
        let begin = begin.clone();
        Box::pin(async move {
            let done = client.batch_execute(&begin).await;
            done.map_err(HookError::Backend)
        })
    });
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(Duration::from_secs(limits::DATABASE_WAIT_SECONDS_MAX)),
            create: Some(Duration::from_secs(limits::DATABASE_CONNECT_SECONDS_MAX)),
            recycle: None,
        })
        .post_create(begin);
    pool.build()
        .map_err(|error| StoreError::Defect(Box::new(error)))
}

/// Where the URL leads, and the file of certificates that it names.
fn read_url(url: &str) -> Result<(Config, Option<String>), StoreError> {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    if !place.starts_with("postgresql://") && !place.starts_with("postgres://") {
        return Err(wrong_url("it does not begin with postgresql://"));
    }
    let mut mode = None;
    let mut roots = None;
    let mut others = Vec::new();
    // The crate knows neither the modes that check certificates nor their file.
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => roots = Some(value.replace("%2F", "/")),
            _ => others.push(option),
        }
    }
    let plain = match others.is_empty() {
        true => place.to_owned(),
        false => format!("{place}?{}", others.join("&")),
    };
    // The crate's error repeats no part of the URL.
    let mut config = Config::from_str(&plain).map_err(|error| wrong_url(&error.to_string()))?;
    if config.get_hosts().is_empty() {
        return Err(wrong_url("it names no host"));
    }
    config.ssl_mode(ssl_mode(mode, &config)?);
    config.application_name("mimo");
    config.connect_timeout(Duration::from_secs(limits::DATABASE_CONNECT_SECONDS_MAX));
    config.keepalives_idle(Duration::from_secs(5));
    config.keepalives_interval(Duration::from_secs(2));
    config.keepalives_retries(2);
    config.tcp_user_timeout(Duration::from_secs(9));
    Ok((config, roots))
}

/// Certificates are always checked. Without a mode in the URL, connections to another
/// machine require TLS.
fn ssl_mode(asked: Option<&str>, config: &Config) -> Result<SslMode, StoreError> {
    match asked {
        Some("disable") => Ok(SslMode::Disable),
        Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        Some(_) => Err(wrong_url("its sslmode is neither verify-full nor disable")),
        None if config.get_hosts().iter().all(is_this_machine) => Ok(SslMode::Disable),
        None => Ok(SslMode::Require),
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || IpAddr::from_str(name).is_ok_and(|address| address.is_loopback())
        }
    }
}

fn tls(roots: Option<String>) -> Result<ClientConfig, StoreError> {
    let mut store = RootCertStore::empty();
    match roots {
        None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let wrong = |what: String| wrong_url(&format!("its sslrootcert {path:?} {what}"));
            let all = CertificateDer::pem_file_iter(Path::new(&path))
                .map_err(|error| wrong(format!("cannot be read: {error}")))?;
            for certificate in all {
                let certificate =
                    certificate.map_err(|error| wrong(format!("is not a PEM file: {error}")))?;
                let added = store.add(certificate);
                added.map_err(|error| wrong(format!("has no certificate to trust: {error}")))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Defect(Box::new(error)))?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}

fn wrong_url(why: &str) -> StoreError {
    StoreError::Unavailable {
        reason: format!("the URL of the database cannot be used: {why}"),
        hint: CORRECT_URL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, String> {
        let (config, _) = read_url(url).map_err(|error| error.to_string())?;
        Ok(config.get_ssl_mode())
    }

    #[test]
    fn other_machines_are_spoken_to_through_tls_only() {
        for (url, expected) in [
            ("postgresql://a:b@db.example/mimo", SslMode::Require),
            ("postgresql://a:b@localhost/mimo", SslMode::Disable),
            ("postgresql://a@[::1]:5433/mimo", SslMode::Disable),
            #[cfg(unix)]
            (
                "postgresql://a@/mimo?host=/run/postgresql",
                SslMode::Disable,
            ),
            ("postgresql://a@127.0.0.1,db.example/mimo", SslMode::Require),
            (
                "postgres://a@localhost/m?sslmode=verify-full",
                SslMode::Require,
            ),
            ("postgres://a@db/m?sslmode=disable", SslMode::Disable),
        ] {
            assert_eq!(mode(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_named_without_its_password() {
        for url in [
            "mysql://a:hush@db/mimo",
            "postgresql://a:hush@db/mimo?sslmode=prefer",
            "postgresql://a:hush@db:port/mimo",
            "postgresql:///mimo?password=hush",
        ] {
            let said = mode(url).expect_err(url);
            assert!(!said.contains("hush"), "{said}");
        }
    }
}
