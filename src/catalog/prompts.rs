//! Prompts, our own and those of skills: listed under names that never collide,
//! and got from whom a name means.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Answer, Catalog, joined, raw, text_of, with_member};
use crate::failure::{Failure, Kind};
use crate::registry::list_cache::List;
use crate::registry::tool_names::names;
use crate::registry::{CallError, SkillName};

/// Where each name leads, as it was listed last.
pub type Prompts = HashMap<String, (SkillName, String)>;

impl Catalog {
    /// `{"prompts":[..]}`: ours, then those of all skills.
    pub async fn prompts(&self, cancel: &CancellationToken) -> Answer {
        let lists = self.lists(List::Prompts, cancel).await;
        let items = lists
            .iter()
            .flat_map(|(skill, items)| items.iter().map(move |item| (skill, &**item)));
        let found: Vec<(&SkillName, String, _)> = items
            .filter_map(|(skill, item)| Some((skill, text_of(item, "name")?, item)))
            .collect();
        let names = names(found.iter().map(|(skill, name, _)| (*skill, name.as_str())));
        let mut places = Prompts::new();
        let mut shown = self.listed_prompts().await;
        for ((skill, own, item), name) in found.iter().zip(names) {
            shown.extend(with_member(item, "name", &name));
            places.insert(name, ((*skill).clone(), own.clone()));
        }
        *self.known_prompts() = places;
        joined(List::Prompts.member(), &shown)
    }

    /// The prompt `name` with these arguments.
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Option<Map<String, Value>>,
        cancel: &CancellationToken,
    ) -> Answer {
        let given = arguments.clone().unwrap_or_default();
        for own in &self.own.prompts {
            match (own.get)(name.to_owned(), given.clone()).await {
                Ok(Some(prompt)) => return raw(&prompt),
                Ok(None) => {}
                Err(failure) => return Err(CallError::Gateway(failure)),
            }
        }
        let Some((skill, own)) = self.prompt_place(name, cancel).await else {
            let message = format!("there is no prompt \"{name}\"");
            let failure = Failure::new(Kind::NotFound, message);
            return Err(CallError::Gateway(failure.hint("prompts/list names them")));
        };
        let mut params = json!({ "name": own });
        if let Some(arguments) = arguments {
            params["arguments"] = Value::Object(arguments);
        }
        self.pass(&skill, "prompts/get", &params, cancel).await
    }

    /// The skill of a prompt, and its own name for it.
    pub(super) async fn prompt_place(
        &self,
        name: &str,
        cancel: &CancellationToken,
    ) -> Option<(SkillName, String)> {
        let known = || self.known_prompts().get(name).cloned();
        if let Some(place) = known() {
            return Some(place);
        }
        // A client may have the name from an earlier session.
        self.prompts(cancel).await.ok()?;
        known()
    }

    fn known_prompts(&self) -> MutexGuard<'_, Prompts> {
        self.prompts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
