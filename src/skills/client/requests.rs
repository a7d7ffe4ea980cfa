//! What is said over a link: the handshake, the list of tools, a call.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{CallError, CallHandlers, SkillClient};
use crate::failure::{Failure, Kind};
use crate::limits;

/// The revision that is offered to a skill.
const OFFERED: &str = "2025-11-25";

/// The revisions that are understood.
const UNDERSTOOD: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", OFFERED];

/// What a skill says about itself.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The revision it speaks.
    pub revision: String,
    /// All of its answer to `initialize`.
    pub result: Value,
}

impl ServerInfo {
    /// Whether it has the capability `name`.
    pub fn can(&self, name: &str) -> bool {
        self.result["capabilities"].get(name).is_some()
    }
}

/// A tool of a skill.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The name the skill knows it by.
    pub name: String,
    /// What it says of itself.
    pub description: String,
    /// Whether the skill declares that it changes nothing.
    pub read_only: bool,
    /// Its definition as it was written.
    pub raw: Arc<RawValue>,
}

impl Tool {
    /// Reads a definition; `None` if it is none.
    pub fn read(raw: &RawValue) -> Option<Tool> {
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
    /// Introduces Mimo to the skill.
    pub async fn initialize(&self) -> Result<ServerInfo, Failure> {
        self.0.downstream.wait_initialized().await;
        let params = json!({
            "protocolVersion": OFFERED,
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
            serde_json::from_str(result.get()).map_err(|_| self.odd("initialize"))?;
        let revision = result["protocolVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !UNDERSTOOD.contains(&revision.as_str()) {
            let message = format!("{} speaks revision {revision:?} of MCP", self.0.skill);
            return Err(Failure::new(Kind::Unavailable, message)
                .hint(format!("these are understood: {}", UNDERSTOOD.join(", "))));
        }
        self.notify("notifications/initialized", None);
        Ok(ServerInfo { revision, result })
    }

    /// All tools of the skill, page by page.
    pub async fn tools(&self) -> Result<Arc<[Tool]>, Failure> {
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
                serde_json::from_str(page.get()).map_err(|_| self.odd("tools/list"))?;
            for raw in page.tools {
                bytes += raw.get().len();
                // A name that stands twice could mean either.
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
        let message = format!("the tool list of {} has no end", self.0.skill);
        Err(Failure::new(Kind::LimitExceeded, message))
    }

    /// Calls a tool. `meta` is the client's `_meta`; its progress token becomes
    /// one of ours.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Option<&RawValue>,
        mut meta: Map<String, Value>,
        handlers: CallHandlers,
    ) -> Result<Box<RawValue>, CallError> {
        meta.remove("progressToken");
        let wanted = handlers.progress.is_some();
        let params = |id: u64| {
            let mut params = format!("{{\"name\":{}", Value::from(tool));
            if let Some(arguments) = arguments {
                // Pretty-printed arguments must not break the line.
                let arguments = arguments.get().replace(['\n', '\r'], " ");
                params.push_str(&format!(",\"arguments\":{arguments}"));
            }
            if wanted {
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

    fn odd(&self, method: &str) -> Failure {
        let message = format!("{} answered {method} with no such thing", self.0.skill);
        Failure::new(Kind::Unavailable, message)
    }
}
