//! The resources of skills beside our own: listed under their own URIs, since what skills
//! answer speaks of them by these, and read from the skill that has them.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::watch::Term;
use super::{Answer, Catalog, joined, raw, template, text_of, with_member};
use crate::failure::{Failure, Kind};
use crate::registry::list_cache::List;
use crate::registry::{CallError, SkillName};

/// The skill of each URI, as they were listed last.
pub type Resources = HashMap<String, SkillName>;

/// Begins the URI of a resource whose own one another skill has as well; the
/// skill's name and its own URI follow.
const APART: &str = "mimo://skill/";

impl Catalog {
    /// `{"resources":[..]}`: a few of ours, then those of all skills.
    pub async fn resources(&self, cancel: &CancellationToken) -> Answer {
        let lists = self.lists(List::Resources, cancel).await;
        let (mut places, mut shown) = (Resources::new(), self.listed_resources().await);
        for (skill, items) in &lists {
            for item in items.iter() {
                let Some(uri) = text_of(item, "uri") else {
                    continue;
                };
                match places.get(&uri) {
                    None => {
                        places.insert(uri, skill.clone());
                        shown.push(item.get().to_owned());
                    }
                    Some(_) => shown.extend(with_member(item, "uri", &apart(skill, &uri))),
                }
            }
        }
        *self.known_resources() = places;
        joined(List::Resources.member(), &shown)
    }

    /// `{"resourceTemplates":[..]}`: ours, then those of all skills.
    pub async fn templates(&self, cancel: &CancellationToken) -> Answer {
        let lists = self.lists(List::Templates, cancel).await;
        let mut seen = HashMap::new();
        let mut shown = self.own_templates();
        for (skill, items) in &lists {
            for item in items.iter() {
                let Some(uri) = text_of(item, "uriTemplate") else {
                    continue;
                };
                let apart = apart(skill, &uri);
                match seen.insert(uri, skill) {
                    None => shown.push(item.get().to_owned()),
                    Some(_) => shown.extend(with_member(item, "uriTemplate", &apart)),
                }
            }
        }
        joined(List::Templates.member(), &shown)
    }

    /// The contents of a resource.
    pub async fn read(&self, uri: &str, cancel: &CancellationToken) -> Answer {
        if let Some(own) = self.own(uri).await {
            return own;
        }
        self.first(uri, "resources/read", cancel).await
    }

    /// Asks to be told whenever a resource changes, for such a term.
    pub async fn subscribe(&self, uri: &str, term: Term, cancel: &CancellationToken) -> Answer {
        match self.watch(uri, term).await {
            Some(Ok(())) => raw(&json!({})),
            Some(Err(miss)) => Err(miss),
            None => self.first(uri, "resources/subscribe", cancel).await,
        }
    }

    /// Asks not to be told any more.
    pub async fn unsubscribe(&self, uri: &str, cancel: &CancellationToken) -> Answer {
        if self.unwatch(uri, Term::Session) {
            return raw(&json!({}));
        }
        self.first(uri, "resources/unsubscribe", cancel).await
    }

    /// A subscription that named these of ours has ended.
    pub fn ended(&self, uris: &[String]) {
        for uri in uris {
            self.unwatch(uri, Term::Listening);
        }
    }

    /// The answer of the first skill that has one.
    async fn first(&self, uri: &str, method: &str, cancel: &CancellationToken) -> Answer {
        let message = format!("there is no resource {uri}");
        let failure = Failure::new(Kind::NotFound, message).hint("resources/list names them");
        let mut last = CallError::Gateway(failure);
        for (skill, own) in self.resource_places(uri) {
            match self
                .pass(&skill, method, &json!({ "uri": own }), cancel)
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(miss) => last = miss,
            }
        }
        Err(last)
    }

    /// The skills that may have a resource, the likeliest first, and the URI
    /// that each knows it by. Where no list and no template has it, it may still
    /// be one that a tool's result named.
    pub(super) fn resource_places(&self, uri: &str) -> Vec<(SkillName, String)> {
        let all = self.registry.with(List::Resources.capability());
        let named = uri.strip_prefix(APART).and_then(|rest| {
            let (skill, own) = rest.split_once('/')?;
            let skill = all.iter().find(|each| each.as_str() == skill)?;
            Some((skill.clone(), own.to_owned()))
        });
        if let Some(place) = named {
            return vec![place];
        }
        let listed = self.known_resources().get(uri).cloned();
        let fits = |skill: &SkillName| {
            let kept = self.registry.kept(skill, List::Templates);
            let templates = kept.iter().flat_map(|items| items.iter());
            templates
                .filter_map(|item| text_of(item, "uriTemplate"))
                .any(|template| template == uri || template::fits(&template, uri))
        };
        let has = |skill: &SkillName| {
            let kept = self.registry.kept(skill, List::Resources);
            let items = kept.iter().flat_map(|items| items.iter());
            items
                .filter_map(|item| text_of(item, "uri"))
                .any(|own| own == uri)
        };
        let mut ranked: Vec<(u8, SkillName)> = all
            .into_iter()
            .map(|skill| match () {
                () if listed.as_ref() == Some(&skill) => (0, skill),
                () if has(&skill) => (1, skill),
                () if fits(&skill) => (2, skill),
                () => (3, skill),
            })
            .collect();
        ranked.sort();
        if ranked.first().is_some_and(|(rank, _)| *rank < 3) {
            ranked.retain(|(rank, _)| *rank < 3);
        }
        let place = |(_, skill)| (skill, uri.to_owned());
        ranked.into_iter().map(place).collect()
    }

    fn known_resources(&self) -> MutexGuard<'_, Resources> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn apart(skill: &SkillName, uri: &str) -> String {
    format!("{APART}{skill}/{uri}")
}
