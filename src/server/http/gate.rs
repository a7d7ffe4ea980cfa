//! Decides which requests are served. Checks are ordered by cost: each one passes
//! before the next, more expensive one runs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode, header};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use super::page_sessions::PageSessions;
use super::refusal::Refusal;
use crate::caller::{Grants, Scope, ToolGrants};
use crate::clock::Clock;
use crate::dispatch::Dispatch;
use crate::failure::Failure;
use crate::keys::{self, Key, KeyId, KeyRing, KeyState, UnusableKey};
use crate::limits::{
    HTTP_ADDRESSES_KEPT_MAX, HTTP_AUDITED_BYTES_MAX, HTTP_FAILURES_A_MINUTE_MAX,
    KEY_EXPIRES_SOON_SECONDS,
};
use crate::meter::http::{self as meter, AuthFailure, RateLimit};
use crate::store::keys::KeyStore;
use crate::telemetry::audit;
use crate::tools::profile::Profile;

/// Names for this machine itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

pub(super) struct Gate {
    /// Present if only one person at this machine is served.
    local: Option<Local>,
    pub(super) pages: PageSessions,
    hosts: Vec<String>,
    origins: Vec<String>,
    trusted_proxies: Vec<IpAddr>,
    pub(super) ring: KeyRing,
    store: Arc<dyn KeyStore>,
    /// Failures by address.
    failures: DefaultKeyedRateLimiter<IpAddr>,
    /// Addresses with too many of them, and until when they are refused.
    refused: Mutex<HashMap<IpAddr, Instant>>,
    visitors: Mutex<HashMap<KeyId, Arc<KeyInUse>>>,
    /// Mimo's own tools with the scope that each needs.
    tools: Vec<(&'static str, Scope)>,
    /// The project of a key that names none.
    project: String,
    requests_per_minute: u32,
    at_once: u32,
    clock: Arc<dyn Clock>,
}

/// The user at this machine, whose only key is in a link that works once.
struct Local {
    grants: Arc<Grants>,
    is_used: AtomicBool,
}

/// A key that was used in this process, and its bounds.
struct KeyInUse {
    key: Arc<Key>,
    grants: Arc<Grants>,
    rate: DefaultDirectRateLimiter,
    at_once: Arc<Semaphore>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct UsableKeys {
    pub(super) usable: u64,
    /// Within a week.
    pub(super) expire_soon: u64,
}

/// The key that a request authenticated with, and the request's slot.
#[derive(Clone)]
pub(super) struct Principal {
    pub(super) key: Arc<Key>,
    pub(super) grants: Arc<Grants>,
    in_use: Arc<KeyInUse>,
    slot: RequestSlot,
}

/// A slot among the open requests of a key, held until the last copy is dropped.
#[derive(Clone)]
pub(super) struct RequestSlot(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl RequestSlot {
    /// Releases the slot while copies are still about to be dropped, so that the client
    /// finds it free once it has its answer.
    pub(super) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Principal {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.key.grant.scopes.allow(scope)
    }

    pub(super) fn slot(&self) -> RequestSlot {
        self.slot.clone()
    }

    /// Counts the requests of a batch; the first one was counted when the batch
    /// arrived.
    pub(super) fn count_batch(&self, requests: usize) -> Result<(), Refusal> {
        let more = u32::try_from(requests.saturating_sub(1)).unwrap_or(u32::MAX);
        let Some(more) = NonZeroU32::new(more) else {
            return Ok(());
        };
        let message = "this batch has more requests than the key has left in this minute";
        let wait = match self.in_use.rate.check_n(more) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(until)) => {
                until
                    .wait_time_from(DefaultClock::default().now())
                    .as_secs()
                    + 1
            }
            Err(_) => 60,
        };
        meter::RATE_LIMITED.increment(RateLimit::Requests);
        Err(limited(message).retry_after(wait))
    }
}

impl Gate {
    pub(super) fn new(
        settings: &Settings,
        ring: KeyRing,
        store: Arc<dyn KeyStore>,
        local: Option<Arc<Grants>>,
        dispatch: &Dispatch,
    ) -> Gate {
        let listen = settings.listen;
        let own = [listen.ip().to_string(), format!("[{}]", listen.ip())];
        let hosts = LOOPBACK.map(str::to_owned).into_iter().chain(own);
        let tools = dispatch.tools();
        Gate {
            local: local.map(|grants| Local {
                grants,
                is_used: AtomicBool::new(false),
            }),
            pages: PageSessions::new(dispatch.clock().clone()),
            hosts: hosts.chain(settings.hosts.iter().cloned()).collect(),
            origins: settings.origins.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            ring,
            store,
            failures: RateLimiter::keyed(per_minute(HTTP_FAILURES_A_MINUTE_MAX)),
            refused: Mutex::default(),
            visitors: Mutex::default(),
            tools: tools.map(|tool| (tool.name, tool.scope())).collect(),
            project: settings.project.clone(),
            requests_per_minute: settings.requests_per_minute,
            at_once: settings.at_once,
            clock: dispatch.clock().clone(),
        }
    }

    pub(super) fn is_local(&self) -> bool {
        self.local.is_some()
    }

    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// The address that a request comes from: that of the connection, or what a trusted
    /// proxy says.
    pub(super) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusted_proxies.contains(&peer) {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter();
        let forwarded = forwarded.map(|value| value.to_str().unwrap_or_default());
        let addresses: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        // The last one that is not a proxy of ours: those before it are the client's
        // claim, even if a proxy's own entry cannot be parsed.
        for address in addresses.into_iter().rev() {
            match parse_forwarded(address.trim()) {
                None => return peer,
                Some(address) if !self.trusted_proxies.contains(&address) => return address,
                Some(_) => {}
            }
        }
        peer
    }

    /// Refuses a request that another site's page has a browser send. Load balancers
    /// use `/health/live` and `/health/ready` by IP address, which DNS cannot give to a
    /// page.
    pub(super) fn check_origin(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
        is_probe: bool,
    ) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let name = without_port(host);
        let is_own = self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
            || is_probe && is_address(name);
        // With two, a proxy may have checked the other one.
        if hosts.next().is_some() || !is_own {
            meter::AUTH_FAILURES.increment(AuthFailure::WrongHost);
            self.record_refused(address, "host.refused", "host", host);
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "host_refused",
                "this host name is not Mimo's: add it to hosts in [http] of config.toml",
            ));
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let is_known = self.origins.iter().any(|known| known == origin);
            if !is_known && !is_same_origin(origin, host) {
                meter::AUTH_FAILURES.increment(AuthFailure::WrongOrigin);
                self.record_refused(address, "origin.refused", "origin", origin);
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "origin_refused",
                    "pages of this origin may not use Mimo: add it to origins in [http] of \
                     config.toml",
                ));
            }
        }
        Ok(())
    }

    /// Nobody without a key can fill the audit log: an address has as many entries as
    /// it has failures.
    fn record_refused(&self, address: IpAddr, event: &str, name: &str, value: &str) {
        if self.refused_until(&address).is_some() {
            return;
        }
        self.count_failure(address);
        // Text of a header is ASCII.
        let value = value.get(..HTTP_AUDITED_BYTES_MAX).unwrap_or(value);
        let facts = [("address", &*address.to_string()), (name, value)];
        audit::record(event, &facts);
    }

    /// Checks the key of a request and its bounds.
    pub(super) async fn admit(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
        event: &str,
    ) -> Result<Principal, Refusal> {
        let read = self.refresh().await;
        read.map_err(|failure| Refusal::failure(&failure))?;
        let mut credentials = headers.get_all(header::AUTHORIZATION).iter();
        let header = credentials.next().map(|value| value.as_bytes());
        let checked = match credentials.next() {
            None => self.ring.authenticate(header),
            Some(_) => Err(keys::Refusal::Malformed),
        };
        let checked = match &self.local {
            Some(local) if checked.is_ok() && local.is_used.swap(true, Ordering::Relaxed) => {
                Err(keys::Refusal::Invalid(None))
            }
            _ => checked,
        };
        let key = checked.map_err(|refusal| self.refused(address, &refusal, event))?;
        if let Some(at) = self.ring.touch_due(&key.id).filter(|_| !self.is_local()) {
            // Failing to record the use must not fail the request.
            if let Err(error) = self.store.touch_key(key.id.clone(), at).await {
                tracing::warn!(%error, "the use of a key was not recorded");
            }
        }
        self.bounded(key)
    }

    fn refused_until(&self, address: &IpAddr) -> Option<Instant> {
        let until = self.refused_addresses().get(address).copied()?;
        (until > Instant::now()).then_some(until)
    }

    /// Counts a failure of this address.
    fn count_failure(&self, address: IpAddr) {
        let Err(until) = self.failures.check_key(&address) else {
            return;
        };
        let wait = until.wait_time_from(DefaultClock::default().now());
        let mut refused = self.refused_addresses();
        if refused.len() < HTTP_ADDRESSES_KEPT_MAX || refused.contains_key(&address) {
            refused.insert(address, Instant::now() + wait);
        }
    }

    fn refused_addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request without a valid key. Requests with one are served from
    /// the same address all the same: it may be that of a proxy, or of a browser with a
    /// malicious page.
    fn refused(&self, address: IpAddr, refusal: &keys::Refusal, event: &str) -> Refusal {
        if let Some(until) = self.refused_until(&address) {
            meter::AUTH_LIMITED.increment(());
            let message = "too many requests without a valid key came from this address";
            return Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message)
                .retry_after(until.duration_since(Instant::now()).as_secs() + 1)
                .header(header::CONNECTION, "close");
        }
        self.count_failure(address);
        meter::AUTH_FAILURES.increment(match refusal {
            keys::Refusal::Missing => AuthFailure::Missing,
            keys::Refusal::Malformed => AuthFailure::Malformed,
            keys::Refusal::Invalid(None) => AuthFailure::Unknown,
            keys::Refusal::Invalid(Some(UnusableKey { state, .. })) => match state {
                KeyState::Revoked => AuthFailure::Revoked,
                _ => AuthFailure::Expired,
            },
        });
        let (state, id) = match refusal {
            keys::Refusal::Invalid(Some(unusable)) => {
                (unusable.state.name(), unusable.id.to_string())
            }
            _ => ("", String::new()),
        };
        audit::record(
            "auth.failed",
            &[
                ("event_id", event),
                ("reason", refusal.reason()),
                ("address", &address.to_string()),
                ("key", &id),
                ("state", state),
            ],
        );
        Refusal::unauthorized(refusal, event)
    }

    pub(super) fn bounded(&self, key: Arc<Key>) -> Result<Principal, Refusal> {
        let in_use = self.in_use(&key);
        if let Err(until) = in_use.rate.check() {
            meter::RATE_LIMITED.increment(RateLimit::Requests);
            let wait = until.wait_time_from(DefaultClock::default().now());
            return Err(limited("this key's requests for this minute are used up")
                .retry_after(wait.as_secs() + 1));
        }
        let slot = in_use.at_once.clone().try_acquire_owned().map_err(|_| {
            meter::RATE_LIMITED.increment(RateLimit::AtOnce);
            limited("this key has too many open requests").retry_after(1)
        })?;
        Ok(Principal {
            key,
            grants: in_use.grants.clone(),
            in_use,
            slot: RequestSlot(Arc::new(Mutex::new(Some(slot)))),
        })
    }

    fn in_use(&self, key: &Arc<Key>) -> Arc<KeyInUse> {
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = visitors.get(&key.id)
            && known.key.grant == key.grant
        {
            return known.clone();
        }
        let requests = key.grant.requests_per_minute;
        let at_once = key.grant.at_once.unwrap_or(self.at_once);
        let in_use = Arc::new(KeyInUse {
            key: key.clone(),
            grants: self.grants(key),
            rate: RateLimiter::direct(per_minute(requests.unwrap_or(self.requests_per_minute))),
            at_once: Arc::new(Semaphore::new(at_once as usize)),
        });
        visitors.insert(key.id.clone(), in_use.clone());
        in_use
    }

    /// What a caller with this key may do. A profile of its own leaves out tools of the
    /// server's.
    fn grants(&self, key: &Key) -> Arc<Grants> {
        if let Some(local) = &self.local {
            return local.grants.clone();
        }
        let mut grants = key
            .grant
            .to_caller(&self.project, self.tools.iter().copied());
        grants.key = Some(key.id.as_str().to_owned());
        let profile = key.grant.profile.as_deref().and_then(Profile::named);
        if let (Some(profile), ToolGrants::Matching(patterns)) = (profile, &mut grants.tools) {
            let left_out = self.tools.iter().filter(|(name, _)| !profile.serves(name));
            patterns.extend(left_out.map(|(name, _)| format!("!{name}")));
        }
        Arc::new(grants)
    }

    /// Reads the keys again if they have changed.
    pub(super) async fn refresh(&self) -> Result<(), Failure> {
        if self.is_local() {
            return Ok(());
        }
        Ok(crate::store::keys::refresh(&*self.store, &self.ring).await?)
    }

    /// Whether a key that was accepted is still usable.
    pub(super) fn is_usable(&self, key: &KeyId) -> bool {
        self.ring.find(key).is_some()
    }

    /// Counts the keys that are usable now.
    pub(super) async fn usable_keys(&self) -> Result<UsableKeys, Failure> {
        self.refresh().await?;
        let usable = self.ring.usable();
        meter::KEYS_USABLE.set((), usable.len() as i64);
        let ends = || usable.iter().filter_map(|key| key.expires_at);
        match ends().min() {
            Some(at) => meter::KEY_EXPIRES.set((), at.0 / 1_000_000),
            None => meter::KEY_EXPIRES.clear(()),
        }
        let soon = self.clock.now().plus_seconds(KEY_EXPIRES_SOON_SECONDS);
        Ok(UsableKeys {
            usable: usable.len() as u64,
            expire_soon: ends().filter(|at| *at < soon).count() as u64,
        })
    }

    /// Forgets addresses and keys that were not used lately.
    pub(super) fn sweep(&self) {
        self.failures.retain_recent();
        self.refused_addresses()
            .retain(|_, until| *until > Instant::now());
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        visitors.retain(|id, _| self.ring.find(id).is_some());
        self.pages.sweep();
    }
}

fn limited(message: &str) -> Refusal {
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)
}

fn per_minute(most: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN))
}

/// Whether a page's origin is the address it requests, whose name was checked.
pub(super) fn is_same_origin(origin: &str, host: &str) -> bool {
    let authority = origin.split_once("://");
    authority.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

/// An address in `X-Forwarded-For`, to which some proxies add the port.
fn parse_forwarded(text: &str) -> Option<IpAddr> {
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address = text.parse().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

fn is_address(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
