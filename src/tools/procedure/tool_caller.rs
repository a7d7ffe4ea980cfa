//! How procedures call tools: ours by their names, a skill's as
//! `<skill>__<tool>`, both through the door that every call goes through.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, Grants, PROJECT_SHARED};
use crate::diagnostics::suggest;
use crate::failure::{CallError, Failure};
use crate::limits;
use crate::procedure::ToolCaller;
use crate::procedure::journal::{ActionError, SideEffects};
use crate::tools::skills::Skills;
use crate::tools::{Context, Reply, ReplyFuture, Tool};

/// Calls a tool of ours by name.
pub type DispatchCall = Arc<dyn Fn(String, Value, Context) -> ReplyFuture + Send + Sync>;

/// The tools, as procedures see them.
pub struct ProcedureTools {
    own: BTreeMap<&'static str, SideEffects>,
    skills: Option<Arc<Skills>>,
    through: DispatchCall,
}

impl ProcedureTools {
    /// The door to `tools` and to the tools of `skills`.
    pub fn new<'a>(
        tools: impl Iterator<Item = &'a Tool>,
        skills: Option<Arc<Skills>>,
        through: DispatchCall,
    ) -> ProcedureTools {
        let own = tools.map(|tool| {
            let definition: Value = serde_json::from_str(tool.definition).unwrap_or_default();
            (tool.name, declared_effects(&definition["annotations"]))
        });
        ProcedureTools {
            own: own.collect(),
            skills,
            through,
        }
    }

    fn offers(&self, skill: &str) -> Vec<crate::registry::OfferedTool> {
        let mut offers = match &self.skills {
            Some(skills) => skills.registry().tools(),
            None => Vec::new(),
        };
        offers.retain(|offer| offer.skill.as_str() == skill);
        offers
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
    fn check(&self, name: &str) -> Result<(), (String, String)> {
        if matches!(name, "procedure_run" | "procedure_define") {
            let message = format!("a procedure cannot call {name}");
            return Err((message, "use the action call_procedure".to_owned()));
        }
        if matches!(name, "skill_call" | "skill_read") {
            let message = format!("a procedure names a skill's tool itself, not {name}");
            return Err((message, "write the tool as <skill>__<tool>".to_owned()));
        }
        if self.own.contains_key(name) {
            return Ok(());
        }
        let unknown = |fix: String| Err((format!("there is no tool {name:?}"), fix));
        let Some((skill, tool)) = name.split_once("__") else {
            return unknown(suggest(name, self.own.keys().copied()));
        };
        let statuses = self
            .skills
            .as_ref()
            .map(|skills| skills.registry().statuses());
        let statuses = statuses.unwrap_or_default();
        if !statuses.iter().any(|status| status.name.as_str() == skill) {
            let skills = statuses.iter().map(|status| status.name.as_str());
            return unknown(format!(
                "no skill is called {skill}: {}",
                suggest(skill, skills)
            ));
        }
        let offers = self.offers(skill);
        // A skill that never ran has no list yet.
        if offers.is_empty() || offers.iter().any(|offer| offer.tool.name == tool) {
            return Ok(());
        }
        unknown(suggest(
            tool,
            offers.iter().map(|offer| offer.tool.name.as_str()),
        ))
    }

    fn side_effects(&self, name: &str) -> SideEffects {
        if let Some(effects) = self.own.get(name) {
            return *effects;
        }
        let (skill, tool) = name.split_once("__").unwrap_or_default();
        let offers = self.offers(skill);
        let offer = offers.iter().find(|offer| offer.tool.name == tool);
        let definition =
            offer.and_then(|offer| serde_json::from_str::<Value>(offer.tool.raw.get()).ok());
        definition.map_or(SideEffects::default(), |definition| {
            declared_effects(&definition["annotations"])
        })
    }

    fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        execution: &str,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Value, ActionError>> {
        let grants = Arc::new(Grants::local(PROJECT_SHARED));
        let context = Context {
            cancel,
            ..Context::new(Caller::for_execution(grants, execution))
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
        let answer = (self.through)(tool, arguments, context);
        Box::pin(async move { result(answer.await.map_err(CallError::into_failure)?) })
    }
}

/// A reply as templates see it: our document, or a skill's whole result with its
/// texts together as `text`.
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
