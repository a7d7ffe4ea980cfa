//! Prompts, Mimo's own and those of skills: listed under unique names, and got
//! from the owner of the name.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{View, listed, text_of, with_member};
use crate::failure::{CallError, Failure, Kind};
use crate::registry::SkillName;
use crate::registry::list_cache::List;
use crate::registry::tool_names::names;
use crate::tools::Reply;

/// By listed name: the skill that has the prompt, and the skill's name for it.
pub(super) type PromptOwners = HashMap<String, (SkillName, String)>;

impl View {
    /// `{"prompts":[..]}`: Mimo's own, then those of all skills.
    pub(crate) async fn prompts(&self, cancel: &CancellationToken) -> Result<Reply, CallError> {
        let lists = self
            .catalog
            .lists(List::Prompts, &self.caller(), cancel)
            .await;
        let items = lists
            .iter()
            .flat_map(|(skill, items)| items.iter().map(move |item| (skill, &**item)));
        let found: Vec<(&SkillName, String, _)> = items
            .filter_map(|(skill, item)| Some((skill, text_of(item, "name")?, item)))
            .collect();
        let names = names(found.iter().map(|(skill, name, _)| (*skill, name.as_str())));
        let mut owners = PromptOwners::new();
        let mut all = self.list_own_prompts().await;
        for ((skill, own, item), name) in found.iter().zip(names) {
            all.extend(with_member(item, "name", &name));
            owners.insert(name, ((*skill).clone(), own.clone()));
        }
        *self.prompt_owners() = owners;
        listed(List::Prompts, &all)
    }

    /// The prompt `name` with these arguments.
    pub(crate) async fn prompt(
        &self,
        name: &str,
        arguments: Option<Map<String, Value>>,
        cancel: &CancellationToken,
    ) -> Result<Reply, CallError> {
        let given = arguments.clone().unwrap_or_default();
        for source in &self.catalog.own.prompts {
            if let Some(prompt) = source.get(name, given.clone(), &self.caller()).await? {
                return Ok(Reply::Object(prompt));
            }
        }
        let Some((skill, own)) = self.prompt_owner(name, cancel).await else {
            let failure = Failure::new(Kind::NotFound, format!("there is no prompt \"{name}\""));
            return Err(failure.hint("prompts/list names them").into());
        };
        let mut params = json!({ "name": own });
        if let Some(arguments) = arguments {
            params["arguments"] = Value::Object(arguments);
        }
        self.catalog
            .forward(&skill, "prompts/get", &params, cancel)
            .await
    }

    pub(super) async fn prompt_owner(
        &self,
        name: &str,
        cancel: &CancellationToken,
    ) -> Option<(SkillName, String)> {
        let known = || self.prompt_owners().get(name).cloned();
        if let Some(owner) = known() {
            return Some(owner);
        }
        // A client may have the name from an earlier session.
        self.prompts(cancel).await.ok()?;
        known()
    }

    fn prompt_owners(&self) -> MutexGuard<'_, PromptOwners> {
        self.prompts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
