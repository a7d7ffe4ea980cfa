//! A session's subscriptions to Mimo's own offers, and the detection of changes.
//! After each commit, by this process or another, everything subscribed is read
//! again, so that every writer is seen and only visible changes are announced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::View;
use super::own::without_path;
use crate::failure::{Failure, Kind};
use crate::limits;

/// A change of Mimo's own offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogChange {
    PromptList,
    ResourceList,
    /// The contents of this resource.
    Resource(String),
}

/// Notifies of commits to the store.
pub(crate) struct Commits {
    /// Changes with each commit of this process.
    pub(crate) local: watch::Receiver<u64>,
    /// Opaque change counter: differs whenever any process has committed a write;
    /// `None` while there is no database.
    pub(crate) version: Version,
}

pub(crate) type Version = Arc<dyn Fn() -> BoxFuture<'static, Option<i64>> + Send + Sync>;

/// How long a subscription to a resource lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionEnd {
    /// Until `resources/unsubscribe` (revisions before 2026-07-28).
    Unsubscribed,
    /// Until the `subscriptions/listen` stream that names it ends.
    StreamEnds,
}

/// The digest of a text; zeros where there is no text.
type Digest = [u8; 32];

#[derive(Default)]
pub(super) struct Subscriptions {
    resources: Mutex<BTreeMap<String, Subscription>>,
    /// Skills' resources: the URI that the skill knows, and the one that the client used.
    forwarded: Mutex<BTreeMap<String, String>>,
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Subscription {
    until_unsubscribed: bool,
    /// How many open streams name the resource.
    streams: usize,
    /// Its contents when it was last read.
    seen: Option<Digest>,
}

/// The lists when they were last read; `None` until the client wants to know.
#[derive(Default)]
struct Lists {
    prompts: Option<Digest>,
    resources: Option<Digest>,
}

impl Subscriptions {
    fn resources(&self) -> MutexGuard<'_, BTreeMap<String, Subscription>> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forwarded(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.forwarded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        let lists = self.lists();
        lists.prompts.is_none() && lists.resources.is_none() && self.resources().is_empty()
    }

    fn add(&self, uri: &str, ends: SubscriptionEnd) -> Result<(), Failure> {
        let mut resources = self.resources();
        let most = limits::RESOURCES_WATCHED_MAX;
        if resources.len() >= most && !resources.contains_key(uri) {
            let message = format!("there are {most} resource subscriptions, the most allowed");
            return Err(Failure::new(Kind::LimitExceeded, message)
                .hint("unsubscribe from a resource that no longer matters"));
        }
        let subscription = resources.entry(uri.to_owned()).or_default();
        match ends {
            SubscriptionEnd::Unsubscribed => subscription.until_unsubscribed = true,
            SubscriptionEnd::StreamEnds => subscription.streams += 1,
        }
        Ok(())
    }

    fn remove(&self, uri: &str, ends: SubscriptionEnd) {
        let mut resources = self.resources();
        if let Some(subscription) = resources.get_mut(uri) {
            match ends {
                SubscriptionEnd::Unsubscribed => subscription.until_unsubscribed = false,
                SubscriptionEnd::StreamEnds => {
                    subscription.streams = subscription.streams.saturating_sub(1);
                }
            }
            if !subscription.until_unsubscribed && subscription.streams == 0 {
                resources.remove(uri);
            }
        }
    }

    /// Remembers the contents of a resource, unless they are known.
    fn remember_first(&self, uri: &str, digest: Digest) {
        if let Some(subscription) = self.resources().get_mut(uri) {
            subscription.seen.get_or_insert(digest);
        }
    }

    /// Remembers the contents of a resource; whether they changed.
    fn remember(&self, uri: &str, digest: Digest) -> bool {
        let mut resources = self.resources();
        let subscription = resources.get_mut(uri);
        let before = subscription.and_then(|each| each.seen.replace(digest));
        before.is_some_and(|before| before != digest)
    }
}

impl View {
    /// Subscribes to one of Mimo's own resources; `None` if `uri` is none. A stream,
    /// which may name many resources, may also name one that does not exist yet.
    pub(super) async fn watch(
        &self,
        uri: &str,
        ends: SubscriptionEnd,
    ) -> Option<Result<(), Failure>> {
        self.own_source(uri)?;
        // Before it is read, so that no change falls between.
        if let Err(failure) = self.subscriptions.add(uri, ends) {
            return Some(Err(failure));
        }
        Some(match self.digest_of(uri).await {
            Ok(None) if ends == SubscriptionEnd::Unsubscribed => {
                self.subscriptions.remove(uri, ends);
                let failure = Failure::new(Kind::NotFound, format!("there is no resource {uri}"));
                Err(failure.hint(
                    "resources/list names some, and resources/templates/list says how others are named",
                ))
            }
            Ok(digest) => {
                self.subscriptions
                    .remember_first(uri, digest.unwrap_or_default());
                Ok(())
            }
            Err(failure) => {
                self.subscriptions.remove(uri, ends);
                Err(without_path(failure))
            }
        })
    }

    pub(crate) fn unwatch(&self, uri: &str, ends: SubscriptionEnd) {
        self.subscriptions.remove(uri, ends);
    }

    /// The resources that are watched until they are unsubscribed, skills' among them.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        let resources = self.subscriptions.resources();
        let lasting = resources.iter().filter(|(_, it)| it.until_unsubscribed);
        let own: Vec<String> = lasting.map(|(uri, _)| uri.clone()).collect();
        drop(resources);
        let forwarded = self.subscriptions.forwarded();
        let mut all: Vec<String> = forwarded.values().cloned().chain(own).collect();
        all.sort();
        all
    }

    /// The URI by which this session subscribed to a skill's resource.
    pub(crate) fn subscribed_as(&self, own: &str) -> Option<String> {
        self.subscriptions.forwarded().get(own).cloned()
    }

    /// Whether `uri` is of one of Mimo's own sources.
    pub(crate) fn owns(&self, uri: &str) -> bool {
        self.own_source(uri).is_some()
    }

    /// Mimo's own prompts for a client, which is notified of changes from now on.
    pub(super) async fn list_own_prompts(&self) -> Vec<String> {
        let items = self.own_prompts().await;
        self.subscriptions.lists().prompts = Some(digest(&items.concat()));
        items
    }

    /// Mimo's own resources for a client, which is notified of changes from now on.
    pub(super) async fn list_own_resources(&self) -> Vec<String> {
        let items = self.own_resources().await;
        self.subscriptions.lists().resources = Some(digest(&items.concat()));
        items
    }

    /// Counts the commits of this process.
    pub(crate) fn commits(&self) -> u64 {
        *self.catalog.commits.local.borrow()
    }

    pub(crate) async fn watch_prompt_list(&self) {
        if self.subscriptions.lists().prompts.is_none() {
            self.list_own_prompts().await;
        }
    }

    pub(crate) async fn watch_resource_list(&self) {
        if self.subscriptions.lists().resources.is_none() {
            self.list_own_resources().await;
        }
    }

    /// The digest of one of Mimo's own resources; `None` where it does not exist.
    async fn digest_of(&self, uri: &str) -> Result<Option<Digest>, Failure> {
        let Some(source) = self.own_source(uri) else {
            return Ok(None);
        };
        match source.read(uri, &self.caller()).await {
            Ok(document) => Ok(Some(digest(&document.0))),
            Err(failure) if failure.kind == Kind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Announces every change of what the session subscribed to, for as long as it
    /// is awaited. Without a subscription the store is left alone.
    pub(crate) async fn announce_changes(&self, announce: impl Fn(CatalogChange)) {
        let mut local = self.catalog.commits.local.clone();
        let mut version = None;
        loop {
            let pause = Duration::from_millis(limits::CHANGES_POLL_MILLIS_MAX);
            let is_local = tokio::select! {
                committed = local.changed() => {
                    if committed.is_err() {
                        return;
                    }
                    sleep(Duration::from_millis(limits::CHANGES_SETTLE_MILLIS)).await;
                    local.mark_unchanged();
                    true
                }
                () = sleep(pause) => false,
            };
            if self.subscriptions.is_empty() {
                continue;
            }
            let now = (self.catalog.commits.version)().await;
            let is_foreign = std::mem::replace(&mut version, now) != now;
            if !is_local && !is_foreign {
                continue;
            }
            for change in self.find_changes().await {
                announce(change);
            }
        }
    }

    /// Reads everything subscribed once.
    async fn find_changes(&self) -> Vec<CatalogChange> {
        let mut changes = Vec::new();
        let subscriptions = &self.subscriptions;
        if subscriptions.lists().prompts.is_some() {
            let prompts = digest(&self.own_prompts().await.concat());
            if subscriptions.lists().prompts.replace(prompts) != Some(prompts) {
                changes.push(CatalogChange::PromptList);
            }
        }
        if subscriptions.lists().resources.is_some() {
            let resources = digest(&self.own_resources().await.concat());
            if subscriptions.lists().resources.replace(resources) != Some(resources) {
                changes.push(CatalogChange::ResourceList);
            }
        }
        let uris: Vec<String> = subscriptions.resources().keys().cloned().collect();
        for uri in uris {
            match self.digest_of(&uri).await {
                Ok(digest) => {
                    if subscriptions.remember(&uri, digest.unwrap_or_default()) {
                        changes.push(CatalogChange::Resource(uri));
                    }
                }
                Err(failure) => {
                    tracing::debug!(uri, %failure, "a subscribed resource was not read")
                }
            }
        }
        changes
    }
}

fn digest(text: &str) -> Digest {
    Sha256::digest(text).into()
}
