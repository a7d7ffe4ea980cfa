//! Resources, Mimo's own and those of skills. A skill's resource keeps its own
//! URI, since the skill's results refer to it by that.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::subscriptions::SubscriptionEnd;
use super::{View, listed, template, text_of, with_member};
use crate::failure::{CallError, Failure, Kind};
use crate::limits::RESOURCES_WATCHED_MAX;
use crate::registry::SkillName;
use crate::registry::list_cache::List;
use crate::tools::Reply;

/// The skill that has each URI.
pub(super) type ResourceOwners = HashMap<String, SkillName>;

/// Begins the URI of a resource whose own URI another skill has as well; the
/// skill's name and its own URI follow.
const QUALIFIED: &str = "mimo://skill/";

impl View {
    /// `{"resources":[..]}`: a few of Mimo's own, then those of all skills.
    pub(crate) async fn resources(&self, cancel: &CancellationToken) -> Result<Reply, CallError> {
        let lists = self
            .catalog
            .lists(List::Resources, &self.caller(), cancel)
            .await;
        let (mut owners, mut all) = (ResourceOwners::new(), self.list_own_resources().await);
        for (skill, items) in &lists {
            for item in items.iter() {
                let Some(uri) = text_of(item, "uri") else {
                    continue;
                };
                match owners.get(&uri) {
                    None => {
                        owners.insert(uri, skill.clone());
                        all.push(item.get().to_owned());
                    }
                    Some(_) => all.extend(with_member(item, "uri", &qualified(skill, &uri))),
                }
            }
        }
        *self.listed_owners() = owners;
        listed(List::Resources, &all)
    }

    /// `{"resourceTemplates":[..]}`: Mimo's own, then those of all skills.
    pub(crate) async fn templates(&self, cancel: &CancellationToken) -> Result<Reply, CallError> {
        let lists = self
            .catalog
            .lists(List::Templates, &self.caller(), cancel)
            .await;
        let mut seen = HashMap::new();
        let mut all = self.own_templates();
        for (skill, items) in &lists {
            for item in items.iter() {
                let Some(uri) = text_of(item, "uriTemplate") else {
                    continue;
                };
                let qualified = qualified(skill, &uri);
                match seen.insert(uri, skill) {
                    None => all.push(item.get().to_owned()),
                    Some(_) => all.extend(with_member(item, "uriTemplate", &qualified)),
                }
            }
        }
        listed(List::Templates, &all)
    }

    /// The contents of a resource.
    pub(crate) async fn read(
        &self,
        uri: &str,
        cancel: &CancellationToken,
    ) -> Result<Reply, CallError> {
        match self.read_own(uri).await {
            Some(own) => Ok(own?),
            None => {
                let forwarded = self.forward_to_owner(uri, "resources/read", cancel).await;
                forwarded.map(|(reply, _)| reply)
            }
        }
    }

    /// Subscribes the session to changes of a resource.
    pub(crate) async fn subscribe(
        &self,
        uri: &str,
        ends: SubscriptionEnd,
        cancel: &CancellationToken,
    ) -> Result<Reply, CallError> {
        match self.watch(uri, ends).await {
            Some(watched) => watched.map(|()| empty()).map_err(CallError::Gateway),
            None => {
                let method = "resources/subscribe";
                let (reply, own) = self.forward_to_owner(uri, method, cancel).await?;
                let mut forwarded = self.subscriptions.forwarded();
                if forwarded.len() < RESOURCES_WATCHED_MAX {
                    forwarded.insert(own, uri.to_owned());
                }
                Ok(reply)
            }
        }
    }

    /// Takes a subscription back.
    pub(crate) async fn unsubscribe(
        &self,
        uri: &str,
        cancel: &CancellationToken,
    ) -> Result<Reply, CallError> {
        if self.owns(uri) {
            self.unwatch(uri, SubscriptionEnd::Unsubscribed);
            return Ok(empty());
        }
        let method = "resources/unsubscribe";
        let (reply, own) = self.forward_to_owner(uri, method, cancel).await?;
        self.subscriptions.forwarded().remove(&own);
        Ok(reply)
    }

    /// Forwards a request to the skills that may have the resource, until one of
    /// them has a result; with the URI by which that one knows it.
    async fn forward_to_owner(
        &self,
        uri: &str,
        method: &str,
        cancel: &CancellationToken,
    ) -> Result<(Reply, String), CallError> {
        let none = Failure::new(Kind::NotFound, format!("there is no resource {uri}"));
        let mut last = CallError::Gateway(none.hint("resources/list names them"));
        for (skill, own) in self.resource_owners(uri) {
            let params = json!({ "uri": own });
            match self.catalog.forward(&skill, method, &params, cancel).await {
                Ok(reply) => return Ok((reply, own)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The skills that may have a resource, the likeliest first, with the URI
    /// that each knows it by. A resource that no list and no template names may
    /// still come from a tool's result, so every skill is a candidate then.
    pub(super) fn resource_owners(&self, uri: &str) -> Vec<(SkillName, String)> {
        let registry = &self.catalog.registry;
        let capability = List::Resources.capability();
        let all = self.catalog.skills_with(capability, &self.caller());
        let owner = uri.strip_prefix(QUALIFIED).and_then(|rest| {
            let (skill, own) = rest.split_once('/')?;
            let skill = all.iter().find(|each| each.as_str() == skill)?;
            Some((skill.clone(), own.to_owned()))
        });
        if let Some(owner) = owner {
            return vec![owner];
        }
        let listed = self.listed_owners().get(uri).cloned();
        let matches_template = |skill: &SkillName| {
            let kept = registry.cached_list(skill, List::Templates);
            let templates = kept.iter().flat_map(|items| items.iter());
            templates
                .filter_map(|item| text_of(item, "uriTemplate"))
                .any(|template| template == uri || template::matches(&template, uri))
        };
        let lists = |skill: &SkillName| {
            let kept = registry.cached_list(skill, List::Resources);
            let items = kept.iter().flat_map(|items| items.iter());
            items
                .filter_map(|item| text_of(item, "uri"))
                .any(|own| own == uri)
        };
        let mut ranked: Vec<(u8, SkillName)> = all
            .into_iter()
            .map(|skill| match () {
                () if listed.as_ref() == Some(&skill) => (0, skill),
                () if lists(&skill) => (1, skill),
                () if matches_template(&skill) => (2, skill),
                () => (3, skill),
            })
            .collect();
        ranked.sort();
        if ranked.first().is_some_and(|(rank, _)| *rank < 3) {
            ranked.retain(|(rank, _)| *rank < 3);
        }
        let owner = |(_, skill)| (skill, uri.to_owned());
        ranked.into_iter().map(owner).collect()
    }

    fn listed_owners(&self) -> MutexGuard<'_, ResourceOwners> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn qualified(skill: &SkillName, uri: &str) -> String {
    format!("{QUALIFIED}{skill}/{uri}")
}

fn empty() -> Reply {
    Reply::Object(Value::Object(Default::default()))
}
