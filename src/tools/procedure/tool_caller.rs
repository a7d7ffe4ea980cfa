//! How procedures call tools: ours by name, a skill's as `<skill>__<tool>`, both
//! through the dispatch like every call.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, ToolGrants};
use crate::diagnostics::{did_you_mean, suggest};
use crate::failure::{CallError, Failure};
use crate::limits;
use crate::procedure::ToolCaller;
use crate::procedure::journal::{ActionError, SideEffects};
use crate::registry::OfferedTool;
use crate::registry::tool_names::SEPARATOR;
use crate::tools::skills::Skills;
use crate::tools::{Context, Reply, ReplyFuture, Tool};

/// Calls one of Mimo's own tools through the dispatch.
pub(crate) type DispatchCall = Arc<dyn Fn(String, Value, Context) -> ReplyFuture + Send + Sync>;

pub(crate) struct ProcedureTools {
    own: BTreeMap<&'static str, (SideEffects, Value)>,
    skills: Option<Arc<Skills>>,
    dispatch: DispatchCall,
}

impl ProcedureTools {
    pub(crate) fn new<'a>(
        tools: impl Iterator<Item = &'a Tool>,
        skills: Option<Arc<Skills>>,
        dispatch: DispatchCall,
    ) -> ProcedureTools {
        let own = tools.map(|tool| {
            let mut definition: Value = serde_json::from_str(tool.definition).unwrap_or_default();
            let effects = declared_effects(&definition["annotations"]);
            (tool.name, (effects, definition["inputSchema"].take()))
        });
        ProcedureTools {
            own: own.collect(),
            skills,
            dispatch,
        }
    }

    /// The definition of a skill's tool.
    fn of_skill(&self, name: &str) -> Option<Value> {
        let (skill, tool) = name.split_once(SEPARATOR)?;
        let offered = self.offered(skill);
        let offer = offered.iter().find(|offer| offer.tool.name == tool)?;
        serde_json::from_str(offer.tool.raw.get()).ok()
    }

    fn offered(&self, skill: &str) -> Vec<OfferedTool> {
        let all = self
            .skills
            .iter()
            .flat_map(|skills| skills.registry().tools());
        all.filter(|offer| offer.skill.as_str() == skill).collect()
    }
}

fn declared_effects(annotations: &Value) -> SideEffects {
    let read_only = annotations["readOnlyHint"] == true;
    SideEffects {
        read_only,
        idempotent: read_only || annotations["idempotentHint"] == true,
    }
}

impl ToolCaller for ProcedureTools {
    fn check(&self, name: &str, grants: &ToolGrants) -> Result<(), (String, String)> {
        if matches!(name, "procedure_run" | "procedure_define") {
            let message = format!("a procedure cannot call {name}");
            return Err((message, "use the action call_procedure".to_owned()));
        }
        if matches!(name, "skill_call" | "skill_read") {
            let message = format!("a procedure names a skill's tool itself, not {name}");
            return Err((message, "write the tool as <skill>__<tool>".to_owned()));
        }
        let own = || self.own.keys().copied().filter(|own| grants.allow(own));
        if own().any(|own| own == name) {
            return Ok(());
        }
        let unknown = |fix: String| Err((format!("there is no tool {name:?}"), fix));
        let Some((skill, tool)) = name.split_once(SEPARATOR) else {
            return unknown(suggest(name, own()));
        };
        let visible = self.skills.iter().filter(|_| grants.allow(name));
        let statuses: Vec<_> = visible
            .flat_map(|skills| skills.registry().statuses())
            .collect();
        if !statuses.iter().any(|status| status.name.as_str() == skill) {
            if let Some(disabled) = self.skills.iter().find_map(|skills| skills.disabled(name)) {
                return unknown(disabled.next_step().unwrap_or_default());
            }
            let skills = statuses.iter().map(|status| status.name.as_str());
            return unknown(add_skill(skill, did_you_mean(skill, skills)));
        }
        let offered = self.offered(skill);
        // A skill that never ran has no list yet.
        if offered.is_empty() || offered.iter().any(|offer| offer.tool.name == tool) {
            return Ok(());
        }
        unknown(suggest(
            tool,
            offered.iter().map(|offer| offer.tool.name.as_str()),
        ))
    }

    fn side_effects(&self, name: &str) -> SideEffects {
        if let Some((effects, _)) = self.own.get(name) {
            return *effects;
        }
        self.of_skill(name)
            .map_or(SideEffects::default(), |definition| {
                declared_effects(&definition["annotations"])
            })
    }

    fn arguments(&self, name: &str) -> Option<Value> {
        match self.own.get(name) {
            Some((_, schema)) => Some(schema.clone()),
            None => Some(self.of_skill(name)?["inputSchema"].take()),
        }
    }

    fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        caller: Caller,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Value, ActionError>> {
        let context = Context {
            cancel,
            ..Context::new(caller)
        };
        let (tool, arguments) = match self.own.contains_key(name) {
            true => (name.to_owned(), Value::Object(arguments)),
            false => (
                "skill_call".to_owned(),
                json!({
                    "tool": name,
                    "arguments": arguments,
                    "max_tokens": limits::RESULT_TOKENS_MAX,
                }),
            ),
        };
        let answer = (self.dispatch)(tool, arguments, context);
        Box::pin(async move { result(answer.await.map_err(CallError::into_failure)?) })
    }
}

/// How to add the skill that a definition names.
fn add_skill(skill: &str, meant: Option<String>) -> String {
    let server = match skill {
        "files" | "filesystem" => "npx -y @modelcontextprotocol/server-filesystem FOLDER",
        "memory" => "npx -y @modelcontextprotocol/server-memory",
        "fetch" => "uvx mcp-server-fetch",
        "git" => "uvx mcp-server-git",
        _ => "COMMAND ARGUMENTS",
    };
    let meant = meant
        .map(|question| format!("{question} or "))
        .unwrap_or_default();
    format!("{meant}add the skill that it calls: `mimo skill add {skill} -- {server}`")
}

/// A reply as templates see it: our document, or a skill's whole result with all
/// its texts joined as `text`.
fn result(reply: Reply) -> Result<Value, ActionError> {
    match reply {
        Reply::Document(document) => {
            serde_json::from_str(&document.0).map_err(|error| Failure::internal(error).into())
        }
        reply => {
            let mut result = reply.into_object()?;
            let blocks = result["content"].as_array();
            let texts: Vec<&str> = blocks
                .into_iter()
                .flatten()
                .filter_map(|block| block["text"].as_str())
                .collect();
            let text = texts.join("\n");
            if result["isError"] == true {
                return Err(ActionError::new("tool_failed", text));
            }
            if let Some(members) = result.as_object_mut() {
                members.insert("text".to_owned(), json!(text));
            }
            Ok(result)
        }
    }
}
