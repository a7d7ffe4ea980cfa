//! The tool lists of earlier runs, so that a lazy skill is listed without being
//! started. One private file in the data folder that all Mimos share.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::files::replace;
use crate::limits;
use crate::platform;
use crate::skills::client::Tool;
use crate::skills::spec::{Expose, Identity, SkillName, SkillSpec};

/// Tool lists by the fingerprint of their skill.
pub(super) type ToolLists = BTreeMap<String, Arc<[Tool]>>;

/// A tool list of this run that the file lacks.
#[derive(Clone)]
pub(super) struct ToolList {
    pub(super) fingerprint: String,
    pub(super) skill: SkillName,
    pub(super) identity: Identity,
    pub(super) tools: Arc<[Tool]>,
}

/// A tool list in the file.
#[derive(Serialize, Deserialize)]
struct Entry {
    skill: String,
    /// Absent in entries of earlier versions.
    #[serde(default)]
    identity: Identity,
    /// Grows with each list that is written.
    number: u64,
    tools: Vec<Box<RawValue>>,
}

/// The cache in one data folder.
pub struct ToolCache(PathBuf);

impl ToolCache {
    /// `folder` exists and is private to this user.
    pub fn in_folder(folder: PathBuf) -> ToolCache {
        ToolCache(folder)
    }

    /// Where the lists of prompts and resources are cached.
    pub(super) fn offers_file(&self) -> PathBuf {
        self.0.join("skill-offers.json")
    }

    /// All tool lists; none where the file cannot be read.
    pub(super) fn lists(&self) -> ToolLists {
        let entries = self.entries().into_iter();
        entries
            .map(|(key, entry)| (key, tools(&entry.tools)))
            .collect()
    }

    /// The tools that each skill listed last, under any fingerprint.
    pub(crate) fn latest(&self) -> BTreeMap<SkillName, (Identity, Arc<[Tool]>)> {
        let mut entries: Vec<Entry> = self.entries().into_values().collect();
        entries.sort_by_key(|entry| entry.number);
        // The last entry of a name wins.
        let named = entries.into_iter().filter_map(|entry| {
            let name = SkillName::new(&entry.skill)?;
            Some((name, (entry.identity, tools(&entry.tools))))
        });
        named.collect()
    }

    fn file(&self) -> PathBuf {
        self.0.join("skill-tools.json")
    }

    fn entries(&self) -> BTreeMap<String, Entry> {
        read_bounded(&self.file())
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Adds lists to those in the file, which another Mimo may have changed.
    pub(super) fn save(&self, lists: &[ToolList]) -> io::Result<()> {
        if lists.is_empty() {
            return Ok(());
        }
        let lock = create_private(&self.0.join("skills.lock"))?;
        lock.lock()?;
        let mut entries = self.entries();
        let last = entries.values().map(|entry| entry.number).max();
        for (number, list) in (last.unwrap_or(0) + 1..).zip(lists) {
            let entry = Entry {
                skill: list.skill.to_string(),
                identity: list.identity.clone(),
                number,
                tools: list
                    .tools
                    .iter()
                    .map(|tool| (*tool.raw).to_owned())
                    .collect(),
            };
            entries.insert(list.fingerprint.clone(), entry);
        }
        // The oldest go first: skills that are gone, or run otherwise by now.
        let mut numbers: Vec<u64> = entries.values().map(|entry| entry.number).collect();
        numbers.sort_unstable();
        let excess = numbers.len().saturating_sub(limits::SKILL_LISTS_KEPT_MAX);
        if let Some(oldest) = numbers.get(excess) {
            entries.retain(|_, entry| entry.number >= *oldest);
        }
        let text = serde_json::to_string(&entries)?;
        match text.len() <= limits::SKILL_CACHE_BYTES_MAX {
            true => replace(&self.file(), text.as_bytes()),
            false => Ok(()),
        }
    }
}

fn tools(raws: &[Box<RawValue>]) -> Arc<[Tool]> {
    raws.iter().filter_map(|raw| Tool::read(raw).ok()).collect()
}

/// A digest of everything that a tool list depends on. It does not reveal secrets of
/// the environment.
pub(super) fn fingerprint(spec: &SkillSpec) -> String {
    let expose = Expose::default();
    let run = SkillSpec {
        expose,
        ..spec.clone()
    };
    base16ct::lower::encode_string(&Sha256::digest(format!("{run:?}").as_bytes()))
}

/// The text of a cache file, unless it is missing, unreadable or too long.
pub(super) fn read_bounded(path: &Path) -> Option<String> {
    let bytes = fs::metadata(path).ok()?.len();
    (bytes <= limits::SKILL_CACHE_BYTES_MAX as u64)
        .then(|| fs::read_to_string(path).ok())
        .flatten()
}

/// Opens an empty file that only this user can read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = platform::private_options();
    options.write(true).create(true).truncate(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(fingerprint: &str, skill: &str, tool: &str) -> ToolList {
        let raw = format!(r#"{{"name":"{tool}","inputSchema":{{"type":"object"}}}}"#);
        let raw = RawValue::from_string(raw).expect("JSON");
        ToolList {
            fingerprint: fingerprint.to_owned(),
            skill: SkillName::new(skill).expect("a name"),
            identity: Identity::default(),
            tools: Tool::read(&raw).into_iter().collect(),
        }
    }

    fn latest(cache: &ToolCache, skill: &str) -> String {
        let lists = cache.latest();
        let (_, tools) = &lists[&SkillName::new(skill).expect("a name")];
        tools[0].name.clone()
    }

    #[test]
    fn two_processes_share_the_lists_and_the_last_of_a_skill_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || ToolCache::in_folder(folder.path().to_owned());
        let (one, two) = (open(), open());
        let save = |cache: &ToolCache, list| cache.save(&[list]).expect("saved");
        save(&one, list("f", "a", "old"));
        save(&two, list("f", "a", "new"));
        // This does not bring back the list of `a` that the first one wrote.
        save(&one, list("g", "b", "other"));
        assert_eq!(
            (latest(&one, "a"), latest(&two, "b")),
            ("new".into(), "other".into())
        );
        // Another environment has another fingerprint.
        save(&one, list("h", "a", "newer"));
        assert_eq!(latest(&two, "a"), "newer");
        assert_eq!(two.lists()["f"][0].name, "new");

        for number in 0..3 * limits::SKILL_LISTS_KEPT_MAX {
            save(&one, list(&format!("x{number}"), "c", "t"));
        }
        assert_eq!(one.lists().len(), limits::SKILL_LISTS_KEPT_MAX);
    }
}
