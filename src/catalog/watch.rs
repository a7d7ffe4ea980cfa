//! Who wants to know of changes to what is Mimo's own, and finding out whether
//! there are any. After whatever was stored, by this process or another, what is
//! watched is looked at again: that sees every writer, and tells only of what a
//! reader would see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::Catalog;
use super::own::about_uri;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::registry::CallError;

/// What of our own has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// What this resource holds.
    Updated(String),
}

/// Tells that something was stored.
pub struct Signals {
    /// Moves after each change that this process has stored.
    pub stored: watch::Receiver<u64>,
    /// A number that another one takes the place of once any process has stored
    /// something; `None` while there is no store.
    pub version: Version,
}

/// See [`Signals::version`].
pub type Version = Arc<dyn Fn() -> BoxFuture<'static, Option<i64>> + Send + Sync>;

/// Stands for a text; zeros for that there is none.
type Mark = [u8; 32];

/// What is watched.
#[derive(Default)]
pub struct Watched {
    resources: Mutex<BTreeMap<String, Entry>>,
    lists: Mutex<Lists>,
}

/// A resource that somebody watches.
#[derive(Default)]
struct Entry {
    /// The client of an older revision, which asks once for its session.
    session: bool,
    /// Subscriptions of the newest revision that name it.
    listening: usize,
    /// What it held when it was last looked at.
    seen: Option<Mark>,
}

/// What the lists held when they were last looked at; unknown until somebody
/// wants to know them.
#[derive(Default)]
struct Lists {
    prompts: Option<Mark>,
    resources: Option<Mark>,
}

/// For how long a resource is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Until the client takes it back.
    Session,
    /// Until the subscription ends that names it.
    Listening,
}

impl Watched {
    fn resources(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything is.
    fn is_any(&self) -> bool {
        let lists = self.lists();
        lists.prompts.is_some() || lists.resources.is_some() || !self.resources().is_empty()
    }

    fn begin(&self, uri: &str, term: Term) -> Result<(), Failure> {
        let mut resources = self.resources();
        let most = limits::RESOURCES_WATCHED_MAX;
        if resources.len() >= most && !resources.contains_key(uri) {
            let message = format!("{most} resources are watched already, and no more can be");
            return Err(Failure::new(Kind::LimitExceeded, message)
                .hint("unsubscribe from one that matters no longer"));
        }
        let entry = resources.entry(uri.to_owned()).or_default();
        match term {
            Term::Session => entry.session = true,
            Term::Listening => entry.listening += 1,
        }
        Ok(())
    }

    fn end(&self, uri: &str, term: Term) {
        let mut resources = self.resources();
        if let Some(entry) = resources.get_mut(uri) {
            match term {
                Term::Session => entry.session = false,
                Term::Listening => entry.listening = entry.listening.saturating_sub(1),
            }
            if !entry.session && entry.listening == 0 {
                resources.remove(uri);
            }
        }
    }

    /// Notes what a resource holds, unless that is known.
    fn first(&self, uri: &str, mark: Mark) {
        if let Some(entry) = self.resources().get_mut(uri) {
            entry.seen.get_or_insert(mark);
        }
    }

    /// Notes what a resource holds; whether it held something else before.
    fn note(&self, uri: &str, mark: Mark) -> bool {
        let mut resources = self.resources();
        let entry = resources.get_mut(uri);
        let before = entry.and_then(|entry| entry.seen.replace(mark));
        before.is_some_and(|before| before != mark)
    }
}

impl Catalog {
    /// Watches a resource of ours; `None` if it is none. A subscription, which may
    /// name many, may also name one that is not there yet.
    pub(super) async fn watch(&self, uri: &str, term: Term) -> Option<Result<(), CallError>> {
        self.family(uri)?;
        // Before it is looked at, so that no change falls between.
        if let Err(failure) = self.watched.begin(uri, term) {
            return Some(Err(CallError::Gateway(failure)));
        }
        Some(match self.look_at(uri).await {
            Ok(None) if term == Term::Session => {
                self.watched.end(uri, term);
                let message = format!("there is no resource {uri}");
                let failure = Failure::new(Kind::NotFound, message);
                Err(CallError::Gateway(failure.hint("resources/list names some, and resources/templates/list says how others are named")))
            }
            Ok(mark) => {
                self.watched.first(uri, mark.unwrap_or_default());
                Ok(())
            }
            Err(failure) => {
                self.watched.end(uri, term);
                Err(CallError::Gateway(about_uri(failure)))
            }
        })
    }

    /// Our own prompts as a client is given their list: from now on it wants to
    /// know of changes of it.
    pub(super) async fn listed_prompts(&self) -> Vec<String> {
        let listed = self.own_prompts().await;
        self.watched.lists().prompts = Some(mark(&listed.concat()));
        listed
    }

    /// The same of our own resources.
    pub(super) async fn listed_resources(&self) -> Vec<String> {
        let listed = self.own_resources().await;
        self.watched.lists().resources = Some(mark(&listed.concat()));
        listed
    }

    /// Counts what this process has stored.
    pub fn stored(&self) -> u64 {
        *self.signals.stored.borrow()
    }

    /// Whether a resource is of a family of ours.
    pub fn owns(&self, uri: &str) -> bool {
        self.family(uri).is_some()
    }

    /// Somebody wants to know of changes of the list of prompts.
    pub async fn watch_prompts(&self) {
        if self.watched.lists().prompts.is_none() {
            self.listed_prompts().await;
        }
    }

    /// Somebody wants to know of changes of the list of resources.
    pub async fn watch_resources(&self) {
        if self.watched.lists().resources.is_none() {
            self.listed_resources().await;
        }
    }

    /// Watches it no longer; whether it is one of ours.
    pub(super) fn unwatch(&self, uri: &str, term: Term) -> bool {
        self.watched.end(uri, term);
        self.owns(uri)
    }

    /// What a resource of ours holds; nothing where there is none.
    async fn look_at(&self, uri: &str) -> Result<Option<Mark>, Failure> {
        let Some(family) = self.family(uri) else {
            return Ok(None);
        };
        match (family.read)(uri.to_owned()).await {
            Ok(document) => Ok(Some(mark(&document.0))),
            Err(failure) if failure.kind == Kind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tells every change of what is watched, for as long as it is awaited. While
    /// nothing is, the store is left alone.
    pub async fn follow(&self, announce: impl Fn(Change)) {
        let mut stored = self.signals.stored.clone();
        let mut version = None;
        loop {
            let pause = Duration::from_millis(limits::CHANGES_LOOK_MILLIS_MAX);
            let ours = tokio::select! {
                moved = stored.changed() => {
                    if moved.is_err() {
                        return;
                    }
                    sleep(Duration::from_millis(limits::CHANGES_SETTLE_MILLIS)).await;
                    stored.mark_unchanged();
                    true
                }
                () = sleep(pause) => false,
            };
            if !self.watched.is_any() {
                continue;
            }
            let now = (self.signals.version)().await;
            let theirs = std::mem::replace(&mut version, now) != now;
            if !ours && !theirs {
                continue;
            }
            for change in self.look().await {
                announce(change);
            }
        }
    }

    /// Looks at everything once; what is another thing than it was.
    async fn look(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.watched.lists().prompts.is_some() {
            let prompts = mark(&self.own_prompts().await.concat());
            if self.watched.lists().prompts.replace(prompts) != Some(prompts) {
                changes.push(Change::Prompts);
            }
        }
        if self.watched.lists().resources.is_some() {
            let resources = mark(&self.own_resources().await.concat());
            if self.watched.lists().resources.replace(resources) != Some(resources) {
                changes.push(Change::Resources);
            }
        }
        let uris: Vec<String> = self.watched.resources().keys().cloned().collect();
        for uri in uris {
            match self.look_at(&uri).await {
                Ok(mark) => {
                    if self.watched.note(&uri, mark.unwrap_or_default()) {
                        changes.push(Change::Updated(uri));
                    }
                }
                Err(failure) => tracing::debug!(uri, %failure, "not looked at"),
            }
        }
        changes
    }
}

fn mark(text: &str) -> Mark {
    Sha256::digest(text).into()
}
