//! Mimo's resources and prompts, each joined with those of skills into one list,
//! and the routing of a name or a URI to its skill. Text from skills is forwarded
//! byte for byte.

mod own;
mod prompts;
mod resources;
mod subscriptions;
mod template;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use self::prompts::PromptOwners;
use self::resources::ResourceOwners;
use self::subscriptions::Subscriptions;
use crate::caller::Caller;
use crate::failure::{CallError, Failure};
use crate::limits;
use crate::registry::list_cache::{Items, List};
use crate::registry::{Registry, SkillName};
use crate::tools::complete::{CompletionRequest, CompletionTarget};
use crate::tools::{Offers, Reply};

pub(crate) use self::subscriptions::{CatalogChange, Commits, SubscriptionEnd};

/// The joined offers.
pub(crate) struct Catalog {
    own: Offers,
    commits: Commits,
    registry: Arc<Registry>,
}

/// The catalog as one session sees it, and what the session subscribed to.
pub(crate) struct View {
    catalog: Arc<Catalog>,
    caller: Mutex<Caller>,
    subscriptions: Subscriptions,
    prompts: Mutex<PromptOwners>,
    resources: Mutex<ResourceOwners>,
}

impl Catalog {
    /// `own` offers, whose changes `commits` announces, and those of the skills in
    /// `registry`.
    pub(crate) fn new(own: Offers, commits: Commits, registry: Arc<Registry>) -> Catalog {
        Catalog {
            own,
            commits,
            registry,
        }
    }

    pub(crate) fn view(self: &Arc<Self>, caller: Caller) -> View {
        View {
            catalog: self.clone(),
            caller: Mutex::new(caller),
            subscriptions: Subscriptions::default(),
            prompts: Mutex::default(),
            resources: Mutex::default(),
        }
    }

    /// The skills with this capability that `caller` may use.
    fn skills_with(&self, capability: &str, caller: &Caller) -> Vec<SkillName> {
        let mut skills = self.registry.skills_with(capability);
        skills.retain(|skill| caller.grants.allow_skill(skill.as_str()));
        skills
    }

    /// The lists of all skills of `caller` that have this kind. A skill that is late or
    /// fails is left out: the others' offers are good without it.
    async fn lists(
        &self,
        list: List,
        caller: &Caller,
        cancel: &CancellationToken,
    ) -> Vec<(SkillName, Items)> {
        let deadline = Instant::now() + Duration::from_secs(limits::SKILL_LIST_SECONDS_MAX);
        let skills = self.skills_with(list.capability(), caller);
        let asked = skills.iter().map(|skill| async move {
            match self.registry.list(skill, list, deadline, cancel).await {
                Ok(items) => Some((skill.clone(), items)),
                Err(error) => {
                    let failure = error.into_failure();
                    tracing::warn!(%skill, method = list.method(), %failure, "left out");
                    None
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Sends a request to a skill and forwards its result.
    async fn forward(
        &self,
        skill: &SkillName,
        method: &str,
        params: &Value,
        cancel: &CancellationToken,
    ) -> Result<Reply, CallError> {
        let deadline = Instant::now() + Duration::from_secs(limits::CALL_SECONDS_MAX);
        let params = to_raw_value(params).map_err(Failure::internal)?;
        let result = self
            .registry
            .forward(skill, method, Some(&params), deadline, cancel);
        Ok(Reply::Forwarded(result.await?.into()))
    }
}

impl View {
    fn caller(&self) -> Caller {
        let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        caller.clone()
    }

    /// Sets the caller whose view this session shows from now on.
    pub(crate) fn set_caller(&self, caller: Caller) {
        *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = caller;
    }

    /// Completes a prompt's argument or a resource template; with no values where
    /// its skill completes nothing. `params` are those of `completion/complete`.
    pub(crate) async fn complete(
        &self,
        mut params: Value,
        cancel: &CancellationToken,
    ) -> Result<Reply, CallError> {
        let request = completion_request(&params);
        let completer = &self.catalog.own.completer;
        if let Some(completion) = completer.complete(&request, &self.caller()).await? {
            return Ok(Reply::Object(completion));
        }
        let owner = match &request.target {
            CompletionTarget::Prompt(name) => {
                let owner = self.prompt_owner(name, cancel).await;
                owner.map(|(skill, prompt)| (skill, "name", prompt))
            }
            CompletionTarget::Resource(uri) => {
                let owners = self.resource_owners(uri);
                let mut owners = owners.into_iter();
                owners.next().map(|(skill, uri)| (skill, "uri", uri))
            }
        };
        let registry = &self.catalog.registry;
        if let Some((skill, member, name)) = owner
            && registry.skills_with("completions").contains(&skill)
        {
            params["ref"][member] = name.into();
            let method = "completion/complete";
            return self.catalog.forward(&skill, method, &params, cancel).await;
        }
        let none = json!({"completion": {"values": [], "total": 0, "hasMore": false}});
        Ok(Reply::Object(none))
    }

    /// Sets the log level of the running skills that log to their client.
    pub(crate) async fn set_level(&self, level: impl serde::Serialize, cancel: &CancellationToken) {
        let params = json!({ "level": level });
        let registry = &self.catalog.registry;
        let skills = self.catalog.skills_with("logging", &self.caller());
        let set = skills
            .into_iter()
            .filter(|skill| registry.is_running(skill))
            .map(|skill| {
                let params = &params;
                async move {
                    let method = "logging/setLevel";
                    self.catalog.forward(&skill, method, params, cancel).await
                }
            });
        for set in join_all(set).await {
            if let Err(error) = set {
                let failure = error.into_failure();
                tracing::debug!(%failure, "a skill did not take the log level");
            }
        }
    }

    /// Tells the running skills that the client's roots changed. Only the local user's
    /// roots reach skills.
    pub(crate) fn announce_roots_changed(&self) {
        if !self.caller().grants.is_local {
            return;
        }
        self.catalog
            .registry
            .notify_all("notifications/roots/list_changed");
    }
}

fn completion_request(params: &Value) -> CompletionRequest {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = match params["ref"]["type"].as_str() {
        Some("ref/prompt") => CompletionTarget::Prompt(text(&params["ref"]["name"])),
        _ => CompletionTarget::Resource(text(&params["ref"]["uri"])),
    };
    let others = params["context"]["arguments"].as_object();
    CompletionRequest {
        target,
        argument: text(&params["argument"]["name"]),
        value: text(&params["argument"]["value"]),
        others: others.cloned().unwrap_or_default(),
    }
}

/// The result of a list method; `items` stay as they were written.
fn listed(list: List, items: &[String]) -> Result<Reply, CallError> {
    let text = format!("{{\"{}\":[{}]}}", list.member(), items.join(","));
    let raw = RawValue::from_string(text).map_err(Failure::internal)?;
    Ok(Reply::Forwarded(raw.into()))
}

/// An item with `value` in place of its `member`.
fn with_member(item: &RawValue, member: &str, value: &str) -> Option<String> {
    let mut item: Value = serde_json::from_str(item.get()).ok()?;
    *item.get_mut(member)? = value.into();
    Some(item.to_string())
}

/// The text of an item's `member`.
fn text_of(item: &RawValue, member: &str) -> Option<String> {
    let item: Value = serde_json::from_str(item.get()).ok()?;
    item[member].as_str().map(str::to_owned)
}
