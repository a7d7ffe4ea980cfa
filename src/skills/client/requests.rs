//! The requests that Mimo itself makes: the handshake, the tool list, a call.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{CallError, CallHandlers, SkillClient};
use crate::failure::{Failure, Kind};
use crate::limits;

/// The protocol revision that Mimo proposes.
const PROPOSED: &str = "2025-11-25";

const SUPPORTED: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", PROPOSED];

/// What a skill answered to `initialize`.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    pub revision: String,
    pub(crate) result: Value,
}

impl ServerInfo {
    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.result["capabilities"].get(name).is_some()
    }
}

/// A tool of a skill.
#[derive(Clone, Debug)]
pub struct Tool {
    pub name: String,
    pub(crate) description: String,
    /// Whether the skill declares that it changes nothing.
    pub read_only: bool,
    /// The definition as the skill wrote it.
    pub raw: Arc<RawValue>,
}

impl Tool {
    /// Reads a definition; `None` where it is not one.
    pub(crate) fn read(raw: &RawValue) -> Option<Tool> {
        #[derive(Deserialize)]
        struct Definition {
            name: String,
            #[serde(default)]
            description: Option<String>,
            #[serde(default)]
            annotations: Value,
        }
        let definition: Definition = serde_json::from_str(raw.get()).ok()?;
        (!definition.name.is_empty()).then(|| Tool {
            name: definition.name,
            description: definition.description.unwrap_or_default(),
            read_only: definition.annotations["readOnlyHint"] == true,
            raw: Arc::from(raw.to_owned()),
        })
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(default, rename = "nextCursor")]
    next: Option<String>,
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

    /// All tools of the skill, from all pages.
    pub(crate) async fn tools(&self) -> Result<Arc<[Tool]>, Failure> {
        let (mut tools, mut names) = (Vec::new(), HashSet::new());
        let (mut bytes, mut cursor) = (0, None::<String>);
        for _ in 0..limits::SKILL_TOOL_PAGES_MAX {
            let params = cursor
                .as_ref()
                .map(|cursor| json!({ "cursor": cursor }).to_string());
            let page = self
                .request("tools/list", CallHandlers::default(), |_| params)
                .await;
            let page = page.map_err(CallError::into_failure)?;
            let page: Page<'_> =
                serde_json::from_str(page.get()).map_err(|_| self.unreadable("tools/list"))?;
            for raw in page.tools {
                bytes += raw.get().len();
                // Of two tools with one name the first counts.
                let tool = Tool::read(raw).filter(|tool| names.insert(tool.name.clone()));
                tools.extend(tool);
            }
            if tools.len() > limits::SKILL_TOOLS_MAX || bytes > limits::SKILL_TOOLS_BYTES_MAX {
                break;
            }
            match page.next {
                None => return Ok(tools.into()),
                next if next == cursor => break,
                next => cursor = next,
            }
        }
        let message = format!(
            "the tool list of {} is too long or never ends",
            self.0.skill
        );
        Err(Failure::new(Kind::LimitExceeded, message))
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
        self.request("tools/call", handlers, params).await
    }

    fn unreadable(&self, method: &str) -> Failure {
        let message = format!("the answer of {} to {method} cannot be read", self.0.skill);
        Failure::new(Kind::Unavailable, message)
    }
}
