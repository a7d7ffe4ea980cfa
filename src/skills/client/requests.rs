//! Mimo's own requests: the handshake, the tool list, a call.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::definitions::{List, repair};
use super::{CallError, CallHandlers, SkillClient};
use crate::diagnostics::clip;
use crate::failure::{Failure, Kind};
use crate::limits;

/// The protocol revision that Mimo proposes.
const PROPOSED: &str = "2025-11-25";

const SUPPORTED: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", PROPOSED];

/// A skill's result of `initialize`.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    pub revision: String,
    pub(crate) result: Value,
}

impl ServerInfo {
    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.result["capabilities"].get(name).is_some()
    }

    /// The skill's `instructions`, within a bound.
    pub(crate) fn instructions(&self) -> String {
        let text = self.result["instructions"].as_str().unwrap_or_default();
        clip(text.trim(), limits::SKILL_INSTRUCTIONS_CHARS_MAX)
    }
}

/// A tool of a skill.
#[derive(Clone, Debug)]
pub struct Tool {
    pub name: String,
    pub(crate) description: String,
    /// Whether the skill declares that it changes nothing.
    pub read_only: bool,
    /// The definition as the skill wrote it, which is what is approved.
    pub raw: Arc<RawValue>,
    /// The definition that clients get: `raw`, where every client accepts that.
    pub definition: Arc<RawValue>,
    /// How `definition` differs from `raw`.
    pub(crate) note: Option<Arc<str>>,
}

impl Tool {
    /// Parses a definition; fails with the reason why it is unusable.
    pub(crate) fn read(raw: &RawValue) -> Result<Tool, String> {
        #[derive(Deserialize)]
        struct Definition {
            name: String,
            #[serde(default)]
            description: String,
            #[serde(default)]
            annotations: Value,
        }
        let repaired = repair(List::Tools, raw)?;
        let raw: Arc<RawValue> = Arc::from(raw.to_owned());
        let definition = repaired.text.map_or_else(|| raw.clone(), Arc::from);
        let read: Definition =
            serde_json::from_str(definition.get()).map_err(|error| error.to_string())?;
        Ok(Tool {
            name: read.name,
            description: read.description,
            read_only: read.annotations["readOnlyHint"] == true,
            raw,
            definition,
            note: repaired.note.map(Arc::from),
        })
    }

    /// The names of its arguments.
    pub(crate) fn properties(&self) -> Vec<String> {
        let definition: Value = serde_json::from_str(self.definition.get()).unwrap_or_default();
        let properties = definition["inputSchema"]["properties"].as_object();
        properties
            .into_iter()
            .flat_map(Map::keys)
            .cloned()
            .collect()
    }
}

/// Corrections of a list and the items left out of it, within a bound.
#[derive(Default)]
struct Notes {
    texts: Vec<String>,
    more: usize,
}

impl Notes {
    fn add(&mut self, text: String) {
        match self.texts.len() < limits::SKILL_NOTES_MAX {
            true => self.texts.push(clip(&text, limits::SKILL_NOTE_CHARS_MAX)),
            false => self.more += 1,
        }
    }

    /// About the item at `at`, which may have a name.
    fn add_item(&mut self, list: List, at: usize, item: &RawValue, what: &str) {
        let named: Option<Value> = serde_json::from_str(item.get()).ok();
        let name = named.as_ref().and_then(|item| item["name"].as_str());
        let name = name.map_or_else(|| (at + 1).to_string(), |name| format!("{name:?}"));
        self.add(format!("{} {name}: {what}", list.item()));
    }

    fn into_texts(mut self) -> Vec<String> {
        if self.more > 0 {
            self.texts.push(format!("and {} more", self.more));
        }
        self.texts
    }
}

impl SkillClient {
    /// Performs the handshake.
    pub(crate) async fn initialize(&self) -> Result<ServerInfo, Failure> {
        self.0.downstream.wait_initialized().await;
        let params = json!({
            "protocolVersion": PROPOSED,
            "capabilities": self.0.downstream.capabilities(),
            "clientInfo": {"name": "mimo", "version": env!("CARGO_PKG_VERSION")},
        });
        let result = self
            .request("initialize", CallHandlers::default(), |_| {
                Some(params.to_string())
            })
            .await;
        let result = result.map_err(CallError::into_failure)?;
        let result: Value =
            serde_json::from_str(result.get()).map_err(|_| self.unreadable("initialize"))?;
        let revision = result["protocolVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !SUPPORTED.contains(&revision.as_str()) {
            let message = format!("{} speaks MCP revision {revision:?}", self.0.skill);
            return Err(Failure::new(Kind::Unavailable, message)
                .hint(format!("Mimo supports {}", SUPPORTED.join(", "))));
        }
        self.notify("notifications/initialized", None);
        Ok(ServerInfo { revision, result })
    }

    /// All usable tools of the skill.
    pub(crate) async fn tools(&self) -> Result<Arc<[Tool]>, Failure> {
        let list = List::Tools;
        let (items, mut notes) = self.pages(list).await.map_err(CallError::into_failure)?;
        let (mut tools, mut names) = (Vec::new(), HashSet::new());
        for (at, item) in items.iter().enumerate() {
            match Tool::read(item) {
                Ok(tool) if !names.insert(tool.name.clone()) => {
                    notes.add_item(list, at, item, "left out: another one has this name");
                }
                Ok(tool) => {
                    if let Some(note) = &tool.note {
                        notes.add_item(list, at, item, note);
                    }
                    tools.push(tool);
                }
                Err(why) => notes.add_item(list, at, item, &format!("left out: {why}")),
            }
        }
        self.remember(list, notes);
        Ok(tools.into())
    }

    /// The items of another list, each as every client accepts it.
    pub(crate) async fn items(&self, list: List) -> Result<Vec<Box<RawValue>>, CallError> {
        let (mut items, mut notes) = self.pages(list).await?;
        let mut at = 0;
        items.retain_mut(|item| {
            let repaired = repair(list, item);
            match &repaired {
                Ok(repaired) => {
                    if let Some(note) = &repaired.note {
                        notes.add_item(list, at, item, note);
                    }
                }
                Err(why) => notes.add_item(list, at, item, &format!("left out: {why}")),
            }
            at += 1;
            let is_kept = repaired.is_ok();
            if let Some(text) = repaired.ok().and_then(|repaired| repaired.text) {
                *item = text;
            }
            is_kept
        });
        self.remember(list, notes);
        Ok(items)
    }

    fn remember(&self, list: List, notes: Notes) {
        let texts = notes.into_texts();
        let texts = texts
            .iter()
            .map(|text| self.0.secrets.redact(text).into_owned());
        let texts = texts.collect();
        self.0.state().notes.insert(list, texts);
    }

    /// The items of all pages of a list. A list that goes wrong on the way keeps
    /// what came before.
    async fn pages(&self, list: List) -> Result<(Vec<Box<RawValue>>, Notes), CallError> {
        let method = list.method();
        let (mut items, mut notes) = (Vec::new(), Notes::default());
        let (mut bytes, mut cursors) = (0, HashSet::new());
        let mut cursor: Option<Box<RawValue>> = None;
        for number in 0..limits::SKILL_TOOL_PAGES_MAX {
            let params = cursor
                .take()
                .map(|cursor| format!("{{\"cursor\":{cursor}}}"));
            let page = self
                .request(method, CallHandlers::default(), |_| params)
                .await;
            let page = match page {
                Ok(page) => page,
                // A skill may declare a capability that it lacks.
                Err(CallError::Upstream(error)) if number > 0 || is_unknown_method(&error) => {
                    notes.add(format!("{method}: the list ends with an error: {error}"));
                    return Ok((items, notes));
                }
                Err(error) => return Err(error),
            };
            let unreadable = || CallError::Gateway(self.unreadable(method));
            let mut page: BTreeMap<String, Box<RawValue>> =
                serde_json::from_str(page.get()).map_err(|_| unreadable())?;
            // An empty list of Go is null.
            let found: Option<Vec<Box<RawValue>>> = match page.remove(list.member()) {
                Some(found) => serde_json::from_str(found.get()).map_err(|_| unreadable())?,
                None => None,
            };
            if found.is_none() {
                notes.add(format!("{method}: an answer without {}", list.member()));
            }
            for item in found.into_iter().flatten() {
                bytes += item.get().len();
                if items.len() >= limits::SKILL_TOOLS_MAX || bytes > limits::SKILL_TOOLS_BYTES_MAX {
                    let count = items.len();
                    notes.add(format!("{method}: only the first {count} are kept"));
                    return Ok((items, notes));
                }
                items.push(item);
            }
            let Some(next) = page
                .remove("nextCursor")
                .filter(|next| next.get() != "null")
            else {
                return Ok((items, notes));
            };
            if next.get() == "\"\"" {
                notes.add(format!("{method}: an empty cursor is taken as the end"));
                return Ok((items, notes));
            }
            if !next.get().starts_with('"') {
                notes.add(format!("{method}: a cursor is no text: {next}"));
            }
            if !cursors.insert(next.get().to_owned()) {
                notes.add(format!("{method}: the cursor {next} comes again"));
                return Ok((items, notes));
            }
            cursor = Some(next);
        }
        notes.add(format!(
            "{method}: only {} pages are read",
            limits::SKILL_TOOL_PAGES_MAX
        ));
        Ok((items, notes))
    }

    /// Calls a tool. `meta` is the client's `_meta`, whose progress token is
    /// replaced by one that is unique here.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Option<&RawValue>,
        mut meta: Map<String, Value>,
        handlers: CallHandlers,
    ) -> Result<Box<RawValue>, CallError> {
        meta.remove("progressToken");
        let wants_progress = handlers.progress.is_some();
        let params = |id: u64| {
            let mut params = format!("{{\"name\":{}", Value::from(tool));
            if let Some(arguments) = arguments {
                // Pretty-printed arguments would break the line.
                let arguments = arguments.get().replace(['\n', '\r'], " ");
                params.push_str(&format!(",\"arguments\":{arguments}"));
            }
            if wants_progress {
                meta.insert("progressToken".to_owned(), id.into());
            }
            if !meta.is_empty() {
                params.push_str(&format!(",\"_meta\":{}", Value::Object(meta)));
            }
            params.push('}');
            Some(params)
        };
        let method = "tools/call";
        let result = self.request(method, handlers, params).await?;
        Ok(self.repaired(method, None, result))
    }

    fn unreadable(&self, method: &str) -> Failure {
        let message = format!("the answer of {} to {method} cannot be read", self.0.skill);
        Failure::new(Kind::Unavailable, message)
    }
}

/// Whether a JSON-RPC error says that there is no such method.
fn is_unknown_method(error: &RawValue) -> bool {
    let error: Value = serde_json::from_str(error.get()).unwrap_or_default();
    error["code"] == -32601
}
