//! Calls tools of skills: through `skill_read` and `skill_call`, and by their own
//! names.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::search::{is_unready, unknown_tool, unready};
use super::{Skills, exposure};
use crate::caller::ToolGrants;
use crate::failure::{CallError, Failure, Kind};
use crate::limits;
use crate::registry::tool_names::SEPARATOR;
use crate::registry::{CallHandlers, CallOptions, OfferedTool, SkillName};
use crate::tools::arguments::ArgumentReader;
use crate::tools::{Arguments, Context, Reply};

pub(crate) struct Target {
    skill: SkillName,
    tool: String,
    /// Whether it is declared read-only.
    read_only: bool,
    /// The names of its arguments.
    properties: Vec<String>,
}

impl From<&OfferedTool> for Target {
    fn from(offer: &OfferedTool) -> Target {
        Target {
            skill: offer.skill.clone(),
            tool: offer.tool.name.clone(),
            read_only: offer.tool.read_only,
            properties: offer.tool.properties(),
        }
    }
}

impl Skills {
    /// The tool that clients call by this name.
    pub(crate) fn target(&self, name: &str) -> Option<Target> {
        self.exposed().find(name).map(Target::from)
    }

    /// Calls a tool by its own name. Of Mimo's own arguments it takes `cursor` and
    /// `max_tokens`, where the tool itself declares no such property.
    pub(crate) async fn call(
        self: Arc<Skills>,
        target: Target,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, CallError> {
        let mut arguments = object(arguments)?;
        let caller = context.caller.clone();
        let mut paging = Arguments::new();
        for name in ["cursor", "max_tokens"] {
            if !target.properties.iter().any(|own| own == name)
                && let Some(value) = arguments.shift_remove(name)
            {
                paging.insert(name.to_owned(), value);
            }
        }
        let reader = ArgumentReader::new(&paging);
        let budget = reader.budget(limits::SKILL_DIRECT_TOKENS_DEFAULT)?;
        if let Some(cursor) = reader.text("cursor")? {
            return Ok(self.pages.next(&caller, cursor, budget)?);
        }
        let arguments = Value::Object(arguments);
        let result = self.result(target, Some(&arguments), context).await?;
        Ok(self.pages.first(&caller, result, None, budget)?)
    }

    async fn result(
        &self,
        target: Target,
        arguments: Option<&Value>,
        context: Context,
    ) -> Result<Box<RawValue>, CallError> {
        let by_procedure = context.caller.execution.is_some();
        let session = (!context.caller.grants.is_local).then(|| context.caller.session.clone());
        let grants = context.caller.grants.clone();
        let arguments = arguments.map(to_raw_value).transpose();
        let arguments = arguments.map_err(Failure::internal)?;
        let options = CallOptions {
            deadline: context.deadline,
            cancel: context.cancel.clone(),
            meta: context.meta.clone(),
            handlers: CallHandlers {
                ask: context.caller.ask.clone(),
                session,
                progress: context.progress.is_wanted().then(|| progress(context)),
                ..CallHandlers::default()
            },
        };
        let Target { skill, tool, .. } = target;
        let arguments = arguments.as_deref();
        let called = self.registry.call(&skill, &tool, arguments, options).await;
        let result = called?;
        if let Some(recorder) = self.recorder.get()
            && !by_procedure
            && !is_error(&result)
        {
            let arguments = arguments.map_or("{}", RawValue::get);
            recorder(
                &grants.project,
                format!("{skill}{SEPARATOR}{tool}"),
                arguments,
            );
        }
        Ok(result)
    }
}

/// Handles `skill_read` and `skill_call`.
pub(crate) async fn run(
    skills: Arc<Skills>,
    arguments: Arguments,
    context: Context,
    read_only: bool,
) -> Result<Reply, CallError> {
    let reader = ArgumentReader::new(&arguments);
    let budget = reader.budget(limits::SKILL_CALL_TOKENS_DEFAULT)?;
    if let Some(cursor) = reader.text("cursor")? {
        return Ok(skills.pages.next(&context.caller, cursor, budget)?);
    }
    let name = reader.text("tool")?.unwrap_or_default();
    let own = reader.value("arguments");
    if skills.target(name).is_none()
        && let Some((skill, _)) = exposure::split(name)
    {
        // Its entry may just have changed, so that it starts again.
        skills.wait_for_lists(Some(skill.as_str())).await;
    }
    let grants = &context.caller.grants.tools;
    let target = match skills.target(name) {
        Some(target) => target,
        None => unlisted(&skills, name, own, read_only, grants)?,
    };
    check_granted(&target, &context.caller.grants.tools)?;
    if read_only && !target.read_only {
        return Err(
            Failure::new(Kind::Refused, format!("{name} is not declared read-only"))
                .at("/tool")
                .hint("use skill_call, which may change things")
                .into(),
        );
    }
    let caller = context.caller.clone();
    let result = skills.result(target, own, context).await?;
    let select = reader.text("select")?;
    Ok(skills.pages.first(&caller, result, select, budget)?)
}

/// A tool that is not on offer. Where its skill is not ready, a call still goes
/// there: the skill may start again or give the reason why not.
fn unlisted(
    skills: &Skills,
    name: &str,
    arguments: Option<&Value>,
    read_only: bool,
    grants: &ToolGrants,
) -> Result<Target, Failure> {
    let statuses = skills.registry.statuses();
    let parts = exposure::split(name).and_then(|(skill, tool)| {
        let status = statuses.iter().find(|status| status.name == skill)?;
        is_unready(status).then_some((skill, tool, status))
    });
    match parts {
        Some((_, _, status)) if read_only => Err(unready(skills, status)),
        Some((skill, tool, _)) => Ok(Target {
            skill,
            tool: tool.to_owned(),
            read_only: false,
            properties: Vec::new(),
        }),
        None => {
            if let Some(disabled) = skills.disabled(name) {
                return Err(disabled);
            }
            let exposed = skills.exposed();
            let names = (0..exposed.offers().len()).map(|nth| exposed.name(nth));
            let granted = names.filter(|name| grants.allow(name));
            Err(unknown_tool(name, arguments, granted, skills.problem()))
        }
    }
}

/// A grant of `skill_call` alone is no grant of the tools behind it.
fn check_granted(target: &Target, grants: &ToolGrants) -> Result<(), Failure> {
    let name = format!("{}{SEPARATOR}{}", target.skill, target.tool);
    match grants.allow(&name) {
        true => Ok(()),
        false => Err(
            Failure::new(Kind::NotFound, format!("there is no tool {name:?}"))
                .at("/tool")
                .hint("this caller may not use it; whoever granted the others can grant it"),
        ),
    }
}

fn is_error(result: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Outcome {
        #[serde(rename = "isError", default)]
        is_error: bool,
    }
    let text = result.get();
    memchr::memmem::find(text.as_bytes(), b"\"isError\"").is_some()
        && serde_json::from_str::<Outcome>(text).is_ok_and(|outcome| outcome.is_error)
}

/// The arguments as an object; some clients send it as a string.
fn object(arguments: Value) -> Result<Arguments, Failure> {
    match arguments {
        Value::Null => Ok(Arguments::new()),
        Value::Object(object) => Ok(object),
        other => {
            let written = other.as_str().map(serde_json::from_str::<Value>);
            match written {
                Some(Ok(Value::Object(object))) => Ok(object),
                _ => Err(Failure::invalid("", "the arguments are not a JSON object")),
            }
        }
    }
}

/// Forwards a skill's progress to the client.
fn progress(context: Context) -> Arc<dyn Fn(&RawValue) + Send + Sync> {
    Arc::new(move |params| {
        let params: Value = serde_json::from_str(params.get()).unwrap_or_default();
        if let Some(done) = params["progress"].as_f64() {
            let message = params["message"].as_str().map(str::to_owned);
            context
                .progress
                .report(done, params["total"].as_f64(), message);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_of_skill_call_does_not_grant_its_targets() {
        let target = Target {
            skill: SkillName::new("files").expect("a name"),
            tool: "delete".to_owned(),
            read_only: false,
            properties: Vec::new(),
        };
        let allowed = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|pattern| (*pattern).to_owned());
            check_granted(&target, &ToolGrants::Matching(patterns.collect())).is_ok()
        };
        assert!(!allowed(&["skill_call"]));
        assert!(!allowed(&["skill_call", "files__*", "!files__delete"]));
        assert!(allowed(&["skill_call", "files__*"]));
        assert!(check_granted(&target, &ToolGrants::All).is_ok());
    }
}
