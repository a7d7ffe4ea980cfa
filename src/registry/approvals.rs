//! The approved tool definitions of all skills, kept in the store. Earlier
//! versions kept them in `skill-pins.json`, which is imported once.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde::Deserialize;
use serde_json::Value;

use super::pins::{ApprovalState, FirstUse, Pins, pin};
use super::tool_cache::ToolCache;
use crate::failure::{Failure, Kind};
use crate::skills::client::Tool;
use crate::skills::spec::{Identity, SkillName};
use crate::store::PinStore;
use crate::store::pins::{FirstListing, OnPinned, Pin};

#[derive(Clone)]
pub struct Approvals {
    store: Arc<dyn PinStore>,
    /// The file of an earlier version, which may still wait to be imported.
    file: PathBuf,
}

/// A tool that waits for approval, as its skill listed it last.
pub(crate) struct PendingTool {
    pub(crate) skill: SkillName,
    pub(crate) identity: Identity,
    pub(crate) tool: Tool,
    /// `new` or `changed`.
    pub(crate) why: &'static str,
    /// One line for each difference from what was approved.
    pub(crate) difference: Vec<String>,
}

impl PendingTool {
    /// The wanted tools that wait.
    pub(crate) fn all(
        pins: &Pins,
        cache: &ToolCache,
        first_use: FirstUse,
        mut is_wanted: impl FnMut(&SkillName, &Tool) -> bool,
    ) -> Vec<PendingTool> {
        let mut pending = Vec::new();
        for (skill, (identity, tools)) in cache.latest() {
            let (states, _) = pins.judge(&skill, &identity, &tools, first_use);
            for tool in tools.iter().filter(|tool| is_wanted(&skill, tool)) {
                let why = match states.get(&tool.name) {
                    Some(ApprovalState::New) => "new",
                    Some(ApprovalState::Changed(_)) => "changed",
                    _ => continue,
                };
                pending.push(PendingTool {
                    skill: skill.clone(),
                    identity: identity.clone(),
                    tool: tool.clone(),
                    why,
                    difference: pins.difference(&skill, &identity, tool),
                });
            }
        }
        pending
    }

    /// Differs from that of any other definition of the tool.
    pub(crate) fn mark(&self) -> String {
        pin(&self.skill, &self.identity, &self.tool).hash
    }
}

impl Approvals {
    /// The approvals in `store`; `folder` may hold the file of an earlier version.
    pub fn new(store: Arc<dyn PinStore>, folder: &Path) -> Approvals {
        let file = folder.join("skill-pins.json");
        Approvals { store, file }
    }

    /// Fails where the pins cannot be read: without them a changed tool would
    /// pass for a new one.
    pub(crate) async fn load(&self) -> Result<Pins, Failure> {
        self.import_file().await?;
        let pins = self.store.pins().await.map_err(|error| {
            let mut failure = Failure::from(error);
            let why = failure.message;
            failure.message = format!("the approved tool definitions cannot be read: {why}");
            failure
        })?;
        Ok(pins.into())
    }

    /// Records entries that were seen for the first time, unless another process
    /// saw them first.
    pub(crate) async fn trust(&self, listings: Vec<FirstListing>) -> Result<Pins, Failure> {
        Ok(self.store.trust(listings).await?.into())
    }

    /// Approves tools as they are now.
    pub async fn approve(&self, tools: &[(SkillName, Identity, Tool)]) -> Result<(), Failure> {
        let pins = tools.iter();
        let pins = pins.map(|(skill, identity, tool)| pin(skill, identity, tool));
        let approved = self.store.pin(pins.collect(), OnPinned::Replace).await;
        Ok(approved.map(drop)?)
    }

    /// Several processes may do this at once: each finds the same pins, and none
    /// replaces one that is in the store.
    async fn import_file(&self) -> Result<(), Failure> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || read_file(&file)).await;
        let pins = read.map_err(io::Error::other).flatten().map_err(|error| {
            let file = self.file.display();
            let message =
                format!("the approved tool definitions in {file} cannot be read: {error}");
            Failure::new(Kind::Unavailable, message)
                .hint("restore that file, or remove it and approve the tools again")
        })?;
        let Some(pins) = pins else { return Ok(()) };
        self.store.pin(pins, OnPinned::Keep).await?;
        let migrated = self.file.with_extension("json.migrated");
        match fs::rename(&self.file, &migrated) {
            // Another process imported it at the same time.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "skill-pins.json stays after its import"),
            Ok(()) => {
                tracing::info!(file = %migrated.display(), "approved tools moved to the database")
            }
        }
        Ok(())
    }
}

/// The pins in the file of an earlier version, where there is one.
fn read_file(path: &Path) -> io::Result<Option<Vec<Pin>>> {
    #[derive(Deserialize)]
    struct Entry {
        hash: String,
        definition: Value,
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let skills: BTreeMap<String, BTreeMap<String, Entry>> = serde_json::from_str(&text)?;
    let mut pins = Vec::new();
    for (skill, tools) in skills {
        pins.extend(tools.into_iter().map(|(tool, entry)| Pin {
            skill: skill.clone(),
            identity: String::new(),
            tool,
            hash: entry.hash,
            definition: entry.definition.to_string(),
        }));
    }
    Ok(Some(pins))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;
    use crate::store::sqlite::SqliteStore;

    fn tool(description: &str) -> (SkillName, Identity, Tool) {
        let raw = json!({"name": "echo", "description": description, "inputSchema": {}});
        let raw = RawValue::from_string(raw.to_string()).expect("JSON");
        let skill = SkillName::new("files").expect("a name");
        (
            skill,
            Identity::default(),
            Tool::read(&raw).expect("a tool"),
        )
    }

    fn open(folder: &Path) -> Approvals {
        let store = SqliteStore::start(folder.join("mimo.db")).expect("a store");
        Approvals::new(Arc::new(store), folder)
    }

    async fn state(
        approvals: &Approvals,
        (skill, identity, tool): &(SkillName, Identity, Tool),
    ) -> ApprovalState {
        let pins = approvals.load().await.expect("pins");
        let (mut states, _) =
            pins.judge(skill, identity, std::slice::from_ref(tool), FirstUse::Trust);
        states.remove("echo").expect("judged")
    }

    #[tokio::test]
    async fn the_file_of_an_earlier_version_is_imported_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("skill-pins.json");
        let (skill, identity, approved) = tool("as approved");
        let Pin {
            hash, definition, ..
        } = pin(&skill, &identity, &approved);
        let definition: Value = serde_json::from_str(&definition).expect("JSON");
        let old = json!({"files": {"echo": {"hash": hash, "definition": definition}}});
        fs::write(&file, old.to_string()).expect("written");

        let approvals = open(folder.path());
        assert_eq!(
            state(&approvals, &tool("as approved")).await,
            ApprovalState::Approved
        );
        assert!(!file.exists() && folder.path().join("skill-pins.json.migrated").exists());
        let changed = state(&open(folder.path()), &tool("changed")).await;
        assert!(matches!(changed, ApprovalState::Changed(_)), "{changed:?}");

        // A file that an old version writes later does not undo an approval.
        approvals
            .approve(&[tool("changed")])
            .await
            .expect("approved");
        fs::write(&file, old.to_string()).expect("written");
        assert_eq!(
            state(&approvals, &tool("changed")).await,
            ApprovalState::Approved
        );
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_fails_the_load_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("skill-pins.json");
        fs::write(&file, "no pins").expect("written");
        let failed = open(folder.path()).load().await.expect_err("unreadable");
        assert_eq!(failed.kind, Kind::Unavailable);
        assert!(failed.message.contains("skill-pins.json"), "{failed}");
        assert!(file.exists());
        fs::remove_file(&file).expect("removed");
        open(folder.path())
            .load()
            .await
            .expect("nothing is approved");
    }

    #[tokio::test]
    async fn a_tool_trusted_by_another_process_first_is_changed_here() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (open(folder.path()), open(folder.path()));
        let listing = |(skill, identity, tool): (SkillName, Identity, Tool)| {
            let tools = [tool];
            let (_, listing) = Pins::default().judge(&skill, &identity, &tools, FirstUse::Trust);
            Vec::from_iter(listing)
        };
        one.trust(listing(tool("first"))).await.expect("pinned");
        two.trust(listing(tool("second"))).await.expect("pinned");
        assert_eq!(state(&two, &tool("first")).await, ApprovalState::Approved);
        assert!(matches!(
            state(&two, &tool("second")).await,
            ApprovalState::Changed(_)
        ));
    }
}
