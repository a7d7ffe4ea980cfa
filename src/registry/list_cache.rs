//! The capabilities of skills, and their lists of prompts and resources. Cached in
//! a private file between runs, so that listing starts no skill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::tool_cache::{ToolCache, fingerprint, read_bounded};
use super::{CallError, Registry, SkillName, within};
use crate::files::replace;
use crate::limits;
pub(crate) use crate::skills::client::List;
use crate::skills::client::definitions::repair;
use crate::skills::spec::SkillSpec;

/// The items of a list as every client accepts them.
pub(crate) type Items = Arc<Vec<Box<RawValue>>>;

#[derive(Default)]
pub(super) struct ListCache {
    /// By the fingerprint of the skill.
    entries: Mutex<BTreeMap<String, Entry>>,
    file: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
struct Entry {
    capabilities: Map<String, Value>,
    #[serde(default)]
    instructions: String,
    lists: BTreeMap<List, Items>,
}

impl ListCache {
    /// The entries that earlier runs left in `file`.
    pub(super) fn load(file: Option<PathBuf>) -> ListCache {
        let text = file.as_deref().and_then(read_bounded);
        let entries = text.and_then(|text| serde_json::from_str(&text).ok());
        let mut entries: BTreeMap<String, Entry> = entries.unwrap_or_default();
        for entry in entries.values_mut() {
            for (list, items) in &mut entry.lists {
                // Another version may have written the file.
                let items = Arc::make_mut(items);
                items.retain_mut(|item| match repair(*list, item) {
                    Ok(repaired) => {
                        if let Some(text) = repaired.text {
                            *item = text;
                        }
                        true
                    }
                    Err(_) => false,
                });
            }
        }
        ListCache {
            entries: Mutex::new(entries),
            file,
        }
    }

    /// Whether the skill has declared `capability`.
    fn has_capability(&self, skill: &str, capability: &str) -> bool {
        let entries = self.entries();
        let entry = entries.get(skill);
        entry.is_some_and(|entry| entry.capabilities.contains_key(capability))
    }

    /// The skill's `instructions`.
    pub(super) fn instructions(&self, skill: &str) -> String {
        let entries = self.entries();
        entries
            .get(skill)
            .map(|entry| entry.instructions.clone())
            .unwrap_or_default()
    }

    fn list(&self, skill: &str, list: List) -> Option<Items> {
        self.entries().get(skill)?.lists.get(&list).cloned()
    }

    /// Whether the capabilities or the instructions changed. The cached lists stay
    /// until the skill is asked again.
    pub(super) fn set_server(
        &self,
        skill: String,
        capabilities: &Map<String, Value>,
        instructions: &str,
    ) -> bool {
        let mut entries = self.entries();
        let entry = entries.entry(skill).or_default();
        let changed = entry.capabilities != *capabilities || entry.instructions != instructions;
        entry.instructions = instructions.to_owned();
        entry.capabilities = capabilities.clone();
        changed
    }

    /// Whether the list changed.
    pub(super) fn set_list(&self, skill: String, list: List, items: Items) -> bool {
        let texts = |items: &Items| -> Vec<String> {
            let items = items.iter();
            items.map(|item| item.get().to_owned()).collect()
        };
        let now = texts(&items);
        let mut entries = self.entries();
        let before = entries.entry(skill).or_default().lists.insert(list, items);
        before.is_none_or(|before| texts(&before) != now)
    }

    /// Writes the file. Once there are many entries, those of skills that are
    /// not `current` go. Blocks.
    pub(super) fn save(&self, current: &BTreeSet<String>) {
        let text = {
            let mut entries = self.entries();
            if entries.len() > limits::SKILLS_MAX {
                entries.retain(|skill, _| current.contains(skill));
            }
            serde_json::to_string(&*entries).unwrap_or_default()
        };
        if let Some(file) = &self.file
            && text.len() <= limits::SKILL_CACHE_BYTES_MAX
            && let Err(error) = replace(file, text.as_bytes())
        {
            tracing::warn!(%error, "lists of prompts and resources were not saved");
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The instructions that each of these skills sent last; empty where it sent none.
pub(crate) fn instructions<'a>(
    cache: &ToolCache,
    specs: impl Iterator<Item = &'a SkillSpec>,
) -> Vec<String> {
    let cache = ListCache::load(Some(cache.offers_file()));
    specs
        .map(|spec| cache.instructions(&fingerprint(spec)))
        .collect()
}

impl Registry {
    /// The skills that have declared `capability` in this run or an earlier one.
    pub(crate) fn skills_with(&self, capability: &str) -> Vec<SkillName> {
        let skills = self.0.specs().into_iter();
        let able = skills.filter(|spec| {
            self.0
                .list_cache
                .has_capability(&fingerprint(spec), capability)
        });
        able.map(|spec| spec.name.clone()).collect()
    }

    /// The list that a skill gave last, without asking it again.
    pub(crate) fn cached_list(&self, skill: &SkillName, list: List) -> Option<Items> {
        let specs = self.0.specs();
        let spec = specs.iter().find(|spec| spec.name == *skill)?;
        self.0.list_cache.list(&fingerprint(spec), list)
    }

    /// A list of a skill: requested if the skill runs, else cached. A skill is started
    /// only for a list that is in no cache.
    pub(crate) async fn list(
        &self,
        skill: &SkillName,
        list: List,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Items, CallError> {
        if !self.0.is_running(skill)
            && let Some(cached) = self.cached_list(skill, list)
        {
            return Ok(cached);
        }
        let work = async {
            let (_lease, client) = self.lease(skill, deadline).await?;
            client.items(list).await
        };
        let items =
            Arc::new(within(skill, tokio::time::sleep_until(deadline), cancel, work).await?);
        self.0.cache_list(skill, list, items.clone());
        Ok(items)
    }
}
