//! What skills offer beside tools: their capabilities, and the lists of their
//! prompts and resources. Kept between runs, so that asking what there is starts
//! no skill; a file of this user's only, and no more than a cache.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::files::fingerprint;
use super::{Registry, SkillName};
use crate::failure::{Failure, Kind};
use crate::files::replace;
use crate::limits;
use crate::skills::client::CallError;

/// A list that a skill may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Its prompts.
    Prompts,
    /// Its resources.
    Resources,
    /// The templates of more of them.
    Templates,
}

impl List {
    /// The method that asks for it.
    pub fn method(self) -> &'static str {
        match self {
            List::Prompts => "prompts/list",
            List::Resources => "resources/list",
            List::Templates => "resources/templates/list",
        }
    }

    /// The member of the answer that holds it.
    pub fn member(self) -> &'static str {
        match self {
            List::Prompts => "prompts",
            List::Resources => "resources",
            List::Templates => "resourceTemplates",
        }
    }

    /// The capability of those who have it.
    pub fn capability(self) -> &'static str {
        match self {
            List::Prompts => "prompts",
            List::Resources | List::Templates => "resources",
        }
    }
}

/// The items of a list, as they were written.
pub type Items = Arc<Vec<Box<RawValue>>>;

/// All of it, by the fingerprint of the skill.
#[derive(Default)]
pub struct ListCache {
    kept: Mutex<BTreeMap<String, Kept>>,
    file: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    capabilities: Map<String, Value>,
    lists: BTreeMap<List, Items>,
}

impl ListCache {
    /// What earlier runs left in `file`, if anything is kept there.
    pub fn load(file: Option<PathBuf>) -> ListCache {
        let bound = limits::SKILL_CACHE_BYTES_MAX as u64;
        let read = |path: &PathBuf| {
            let small = fs::metadata(path).ok()?.len() <= bound;
            small.then(|| fs::read_to_string(path).ok()).flatten()
        };
        let text = file.as_ref().and_then(read);
        let kept = text.and_then(|text| serde_json::from_str(&text).ok());
        ListCache {
            kept: Mutex::new(kept.unwrap_or_default()),
            file,
        }
    }

    /// Whether the skill has said that it has `capability`.
    pub fn can(&self, skill: &str, capability: &str) -> bool {
        let kept = self.kept();
        kept.get(skill)
            .is_some_and(|kept| kept.capabilities.contains_key(capability))
    }

    /// A list as it was the last time.
    pub fn list(&self, skill: &str, list: List) -> Option<Items> {
        self.kept().get(skill)?.lists.get(&list).cloned()
    }

    /// The skill has introduced itself; whether it offers something else than
    /// the last time. What it listed then is its list until it is asked again.
    pub fn introduced(&self, skill: String, capabilities: &Map<String, Value>) -> bool {
        let mut kept = self.kept();
        let known = kept.entry(skill).or_default();
        let changed = known.capabilities != *capabilities;
        known.capabilities = capabilities.clone();
        changed
    }

    /// The skill has listed this; whether it is something else than before.
    pub fn listed(&self, skill: String, list: List, items: Items) -> bool {
        let texts = |items: &Items| -> Vec<String> {
            let items = items.iter();
            items.map(|item| item.get().to_owned()).collect()
        };
        let now = texts(&items);
        let before = self
            .kept()
            .entry(skill)
            .or_default()
            .lists
            .insert(list, items);
        before.is_none_or(|before| texts(&before) != now)
    }

    /// Writes it for the next run, without the skills that are not `here` any
    /// more once there are many of them. Blocks.
    pub fn save(&self, here: &BTreeSet<String>) {
        {
            let mut kept = self.kept();
            if kept.len() > limits::SKILLS_MAX {
                kept.retain(|skill, _| here.contains(skill));
            }
        }
        let text = serde_json::to_string(&*self.kept()).unwrap_or_default();
        if let Some(file) = &self.file
            && text.len() <= limits::SKILL_CACHE_BYTES_MAX
            && let Err(error) = replace(file, text.as_bytes())
        {
            tracing::warn!(%error, "what skills offer was not kept");
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// The skills that have `capability`, as far as they have ever said what
    /// they have, by name.
    pub fn with(&self, capability: &str) -> Vec<SkillName> {
        let skills = self.0.specs().into_iter();
        let able = skills.filter(|spec| self.0.offers.can(&fingerprint(spec), capability));
        able.map(|spec| spec.name.clone()).collect()
    }

    /// A list as a skill gave it the last time, without asking it.
    pub fn kept(&self, skill: &SkillName, list: List) -> Option<Items> {
        let specs = self.0.specs();
        let spec = specs.iter().find(|spec| spec.name == *skill)?;
        self.0.offers.list(&fingerprint(spec), list)
    }

    /// What a skill lists: asked of it where it runs, else as it was the last
    /// time, and only where that is not known it is started for it.
    pub async fn list(
        &self,
        skill: &SkillName,
        list: List,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Items, CallError> {
        if !self.0.runs(skill)
            && let Some(kept) = self.kept(skill, list)
        {
            return Ok(kept);
        }
        let (mut items, mut bytes) = (Vec::new(), 0);
        let mut cursor: Option<String> = None;
        for _ in 0..limits::SKILL_TOOL_PAGES_MAX {
            let params = cursor
                .take()
                .map(|cursor| to_raw_value(&json!({ "cursor": cursor })).unwrap_or_default());
            let page = self.pass(skill, list.method(), params.as_deref(), deadline, cancel);
            let page = page.await?;
            bytes += page.get().len();
            let mut page: BTreeMap<String, Box<RawValue>> =
                serde_json::from_str(page.get()).map_err(|_| odd(skill, list))?;
            let found = page.remove(list.member());
            let found = found.and_then(|found| serde_json::from_str(found.get()).ok());
            let found: Vec<Box<RawValue>> = found.ok_or_else(|| odd(skill, list))?;
            items.extend(found);
            if items.len() > limits::SKILL_TOOLS_MAX || bytes > limits::SKILL_TOOLS_BYTES_MAX {
                break;
            }
            let next = page.remove("nextCursor");
            cursor = next.and_then(|next| serde_json::from_str(next.get()).ok());
            if cursor.is_none() {
                let items = Arc::new(items);
                self.0.keep_list(skill, list, items.clone());
                return Ok(items);
            }
        }
        let message = format!("the answer of {skill} to {} has no end", list.method());
        Err(CallError::Gateway(Failure::new(
            Kind::LimitExceeded,
            message,
        )))
    }
}

fn odd(skill: &SkillName, list: List) -> CallError {
    let message = format!("{skill} answered {} with no such thing", list.method());
    CallError::Gateway(Failure::new(Kind::Unavailable, message))
}
