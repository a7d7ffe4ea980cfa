//! What Mimo offers beside tools: its own resources, and the resources and
//! prompts of skills, joined into one list each, with the way from a name or a
//! URI back to its skill. What is a skill's is passed on as it was written.

mod own;
mod prompts;
mod resources;
mod template;
mod watch;

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use self::prompts::Prompts;
use self::resources::Resources;
use self::watch::Watched;
use crate::failure::Failure;
use crate::limits;
use crate::registry::list_cache::{Items, List};
use crate::registry::{CallError, Registry, SkillName};
use crate::tools::Offers;
use crate::tools::complete::{Asked, Of};

pub use self::watch::{Change, Signals, Term};

/// A whole result, as it is sent.
pub type Answer = Result<Arc<RawValue>, CallError>;

/// The joined offers.
pub struct Catalog {
    own: Offers,
    signals: Signals,
    registry: Arc<Registry>,
    watched: Watched,
    prompts: Mutex<Prompts>,
    resources: Mutex<Resources>,
}

impl Catalog {
    /// These offers of our own, followed by these signals, and the offers of
    /// these skills.
    pub fn new(own: Offers, signals: Signals, registry: Arc<Registry>) -> Catalog {
        Catalog {
            own,
            signals,
            registry,
            watched: Watched::default(),
            prompts: Mutex::default(),
            resources: Mutex::default(),
        }
    }

    /// What a prompt's argument or a resource's template can be completed with;
    /// nothing where its skill does not do that. `params` are those of
    /// `completion/complete`.
    pub async fn complete(&self, mut params: Value, cancel: &CancellationToken) -> Answer {
        match (self.own.complete)(asked(&params)).await {
            Ok(Some(completion)) => return raw(&completion),
            Ok(None) => {}
            Err(failure) => return Err(CallError::Gateway(failure)),
        }
        let place = match asked(&params).of {
            Of::Prompt(name) => {
                let place = self.prompt_place(&name, cancel).await;
                place.map(|(skill, prompt)| (skill, "name", prompt))
            }
            Of::Resource(uri) => {
                let mut places = self.resource_places(&uri).into_iter();
                places.next().map(|(skill, uri)| (skill, "uri", uri))
            }
        };
        if let Some((skill, member, own)) = place
            && self.registry.with("completions").contains(&skill)
        {
            params["ref"][member] = own.into();
            return self
                .pass(&skill, "completion/complete", &params, cancel)
                .await;
        }
        raw(&json!({"completion": {"values": [], "total": 0, "hasMore": false}}))
    }

    /// Tells the skills that run and log to their client from which level on it
    /// wants to know.
    pub async fn set_level(&self, level: impl serde::Serialize, cancel: &CancellationToken) {
        let params = json!({ "level": level });
        let skills = self.registry.with("logging").into_iter();
        let running = skills.filter(|skill| self.registry.runs(skill));
        let told = running.map(|skill| {
            let params = &params;
            async move { self.pass(&skill, "logging/setLevel", params, cancel).await }
        });
        for told in join_all(told).await {
            if let Err(miss) = told {
                let failure = miss.into_failure();
                tracing::debug!(%failure, "a skill does not take the level");
            }
        }
    }

    /// Tells the skills that run that the client's roots are other ones.
    pub fn roots_changed(&self) {
        self.registry.tell("notifications/roots/list_changed");
    }

    /// The lists of all skills that have such a one. A skill that is late or
    /// fails is left out: the others' offers are good without it.
    async fn lists(&self, list: List, cancel: &CancellationToken) -> Vec<(SkillName, Items)> {
        let end = Instant::now() + Duration::from_secs(limits::SKILL_LIST_SECONDS_MAX);
        let skills = self.registry.with(list.capability());
        let asked = skills.iter().map(|skill| async move {
            match self.registry.list(skill, list, end, cancel).await {
                Ok(items) => Some((skill.clone(), items)),
                Err(miss) => {
                    let failure = miss.into_failure();
                    tracing::warn!(%skill, method = list.method(), %failure, "left out");
                    None
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn pass(
        &self,
        skill: &SkillName,
        method: &str,
        params: &Value,
        cancel: &CancellationToken,
    ) -> Answer {
        let end = Instant::now() + Duration::from_secs(limits::CALL_SECONDS_MAX);
        let params =
            to_raw_value(params).map_err(|error| CallError::Gateway(Failure::internal(error)))?;
        let passed = self
            .registry
            .pass(skill, method, Some(&params), end, cancel);
        passed.await.map(Arc::from)
    }
}

/// What the parameters of `completion/complete` ask.
fn asked(params: &Value) -> Asked {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = match params["ref"]["type"].as_str() {
        Some("ref/prompt") => Of::Prompt(text(&params["ref"]["name"])),
        _ => Of::Resource(text(&params["ref"]["uri"])),
    };
    let others = params["context"]["arguments"].as_object();
    Asked {
        of,
        argument: text(&params["argument"]["name"]),
        value: text(&params["argument"]["value"]),
        others: others.cloned().unwrap_or_default(),
    }
}

/// A result of our own.
fn raw(result: &Value) -> Answer {
    match to_raw_value(result) {
        Ok(raw) => Ok(raw.into()),
        Err(error) => Err(CallError::Gateway(Failure::internal(error))),
    }
}

/// `{"member":[items]}`, the items as they were written.
fn joined(member: &str, items: &[String]) -> Answer {
    let text = format!("{{{}:[{}]}}", Value::from(member), items.join(","));
    match RawValue::from_string(text) {
        Ok(raw) => Ok(raw.into()),
        Err(error) => Err(CallError::Gateway(Failure::internal(error))),
    }
}

/// An item with another `member`: its text, and what stood there.
fn with_member(item: &RawValue, member: &str, value: &str) -> Option<String> {
    let mut item: Value = serde_json::from_str(item.get()).ok()?;
    *item.get_mut(member)? = value.into();
    Some(item.to_string())
}

/// The text that stands in `member` of an item.
fn text_of(item: &RawValue, member: &str) -> Option<String> {
    let item: Value = serde_json::from_str(item.get()).ok()?;
    item[member].as_str().map(str::to_owned)
}
