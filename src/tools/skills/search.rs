//! `skill_find`: the tools that match a query within a budget of tokens, and the
//! skills that cannot offer theirs now.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::starting::ListWait;
use super::{ExposedTools, Skills};
use crate::caller::Grants;
use crate::diagnostics::{clip, nearest};
use crate::failure::{Failure, Kind};
use crate::limits::{self, TOKEN_BYTES};
use crate::registry::tool_names::SEPARATOR;
use crate::registry::{ApprovalState, OfferedTool, SkillName, SkillStatus};
use crate::tools::arguments::ArgumentReader;
use crate::tools::{Arguments, Context, Document};

pub(super) async fn find(
    skills: Arc<Skills>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let reader = ArgumentReader::new(&arguments);
    let query = reader.query("query")?.unwrap_or_default().trim().to_owned();
    let server = reader.name("server")?;
    let limit = reader.limit(5, limits::SEARCH_LIMIT_MAX)?;
    skills.ready().await;
    let grants = context.caller.grants.clone();
    let progress = context.progress;
    let mut waiting = ListWait::new(&skills, server.as_deref(), progress, Some(grants.clone()));
    let soon = waiting.began() + Duration::from_millis(limits::SKILL_LIST_MILLIS_MAX);
    // The answer must precede the deadline.
    let last = Duration::from_millis(limits::SKILL_FIND_ANSWER_MILLIS_MIN);
    let last = context.deadline.checked_sub(last).unwrap_or(soon);
    let search = loop {
        let search = Search::over(&skills, &query, server.as_deref(), &grants).await?;
        // A tool that is not listed yet may be the one that is meant.
        let end = if search.is_close { soon } else { last };
        if !waiting.until_changed(end.min(last)).await {
            break search;
        }
    };
    let mut states = skills.registry.statuses();
    states.retain(|status| grants.allow_skill(status.name.as_str()));
    let problem = skills.problem().filter(|_| grants.operates);
    if let Some(server) = &server
        && search.is_empty()
    {
        return Err(no_server(&skills, &states, problem, server));
    }
    let mut document = search.document(&skills, &states, server.as_deref(), limit);
    if let (true, Some(problem)) = (search.finds_nothing(limit), problem) {
        document["problem"] = problem.into();
    }
    Document::of(&document)
}

/// The tools on offer at one moment that match a query.
struct Search {
    exposed: Arc<ExposedTools>,
    /// The places of the searched tools in `exposed`.
    searched: Vec<usize>,
    /// Those of the tools that match, best first.
    found: Vec<usize>,
    is_close: bool,
}

impl Search {
    async fn over(
        skills: &Skills,
        query: &str,
        server: Option<&str>,
        grants: &Grants,
    ) -> Result<Search, Failure> {
        let exposed = skills.exposed();
        let is_meant = |nth: &usize| {
            let skill = exposed.offers()[*nth].skill.as_str();
            server.is_none_or(|server| server == skill) && grants.tools.allow(exposed.name(*nth))
        };
        let searched: Vec<usize> = (0..exposed.offers().len()).filter(is_meant).collect();
        // A query with the exact name finds only that tool.
        let is_exact = |nth: &usize| {
            exposed.name(*nth).eq_ignore_ascii_case(query)
                || exposed.offers()[*nth].tool.name.eq_ignore_ascii_case(query)
        };
        let mut found: Vec<usize> = searched.iter().copied().filter(is_exact).collect();
        let mut is_close = !found.is_empty();
        if query.is_empty() {
            // The order of the skills is kept.
            found.clone_from(&searched);
            is_close = !found.is_empty();
        } else if found.is_empty() {
            let offers: Vec<OfferedTool> = searched
                .iter()
                .map(|nth| exposed.offers()[*nth].clone())
                .collect();
            let ranked = skills.finder.rank(query.to_owned(), &offers).await?;
            found = ranked.order.into_iter().map(|nth| searched[nth]).collect();
            is_close = ranked.is_close;
        }
        Ok(Search {
            exposed,
            searched,
            found,
            is_close,
        })
    }

    fn is_empty(&self) -> bool {
        self.searched.is_empty()
    }

    fn document(
        &self,
        skills: &Skills,
        states: &[SkillStatus],
        server: Option<&str>,
        limit: usize,
    ) -> Value {
        let offer = |nth: &usize| &self.exposed.offers()[*nth];
        let named = &self.found[..limit.min(self.found.len())];
        let state = |skill: &SkillName| {
            let status = states.iter().find(|status| status.name == *skill);
            status.map_or("unknown", |status| status.state)
        };
        let mut left = limits::SKILL_FIND_TOKENS_MAX * TOKEN_BYTES;
        let mut found = Vec::new();
        for nth in named {
            let (name, offer) = (self.exposed.name(*nth), offer(nth));
            let forms = [
                document(name, offer, state(&offer.skill)),
                brief(name, offer),
            ];
            // The names of the rest are short, and there are few.
            let fits = |form: &Value| form.to_string().len() <= left;
            let form = forms.into_iter().find(fits);
            let form = form.unwrap_or_else(|| json!({"tool": name}));
            left = left.saturating_sub(form.to_string().len());
            found.push(form);
        }
        let mut document = json!({ "tools": found });
        // Text of a skill is shown only while nothing of it waits for approval.
        let is_trusted = |skill: &SkillName| {
            let mut own = self.searched.iter().map(offer);
            own.all(|offer| offer.skill != *skill || offer.approval == ApprovalState::Approved)
        };
        let is_found = |skill: &SkillName| named.iter().any(|nth| offer(nth).skill == *skill);
        let instructions: Map<String, Value> = states
            .iter()
            .filter(|status| !status.instructions.is_empty())
            .filter(|status| is_found(&status.name) && is_trusted(&status.name))
            .map(|status| (status.name.to_string(), json!(status.instructions)))
            .collect();
        if !instructions.is_empty() {
            document["instructions"] = instructions.into();
        }
        let is_meant = |skill: &SkillName| server.is_none_or(|server| server == skill.as_str());
        let not_ready: Vec<Value> = states
            .iter()
            .filter(|status| is_meant(&status.name) && is_unready(status))
            .enumerate()
            .map(|(nth, status)| not_ready(skills, status, nth < limits::SKILLS_UNREADY_SHOWN_MAX))
            .collect();
        if !not_ready.is_empty() {
            document["not_ready"] = not_ready.into();
        }
        document
    }

    fn finds_nothing(&self, limit: usize) -> bool {
        limit == 0 || self.found.is_empty()
    }
}

/// A skill that is not ready, with the reason where `is_explained`.
fn not_ready(skills: &Skills, status: &SkillStatus, is_explained: bool) -> Value {
    let mut document = json!({"server": status.name.as_str(), "state": status.state});
    if is_explained {
        document["reason"] = reason(skills, status).into();
    }
    document
}

/// Whether a skill cannot offer its tools now. One that starts at its first call
/// can, as soon as they are known.
pub(super) fn is_unready(status: &SkillStatus) -> bool {
    match status.state {
        "running" => false,
        "pending" => status.tools == 0,
        _ => true,
    }
}

/// Why a skill is not ready.
fn reason(skills: &Skills, status: &SkillStatus) -> String {
    if let Some(step) = skills.installing(&status.name) {
        return format!("it is being installed: {step}");
    }
    let said = status.first_error.as_deref();
    let why = said
        .or(status.ended.as_deref())
        .unwrap_or("it has not listed its tools yet");
    clip(why, limits::SKILL_NOTE_CHARS_MAX)
}

/// A skill that exists and cannot be called.
pub(super) fn unready(skills: &Skills, status: &SkillStatus) -> Failure {
    let (name, state) = (&status.name, status.state);
    let message = format!(
        "the skill {name} is not ready ({state}): {}",
        reason(skills, status)
    );
    Failure::new(Kind::Unavailable, message)
        .hint("it is restarted automatically; mimo_status shows its state")
}

fn no_server(
    skills: &Skills,
    statuses: &[SkillStatus],
    problem: Option<String>,
    server: &str,
) -> Failure {
    let status = statuses
        .iter()
        .find(|status| status.name.as_str() == server);
    match status {
        Some(status) if is_unready(status) => return unready(skills, status),
        Some(_) => return Failure::invalid("/server", format!("{server:?} offers no tools")),
        None => {}
    }
    let names: Vec<&str> = statuses.iter().map(|status| status.name.as_str()).collect();
    let failure = Failure::invalid("/server", format!("there is no skill {server:?}"));
    if let Some(problem) = problem {
        return failure.hint(problem);
    }
    match names.is_empty() {
        true => failure.hint("no skill is set up; `mimo skill add --help` shows how"),
        false => failure.hint(format!("the skills are {}", names.join(", "))),
    }
}

/// No tool has this name: the nearest ones among `names`, and a call of the first
/// with the caller's own arguments. With none near, `problem` of the manifest may be
/// the reason.
pub(super) fn unknown_tool<'a>(
    name: &str,
    arguments: Option<&Value>,
    names: impl Iterator<Item = &'a str>,
    problem: Option<String>,
) -> Failure {
    let names: Vec<&str> = names.collect();
    let mut near = nearest(name, names.iter().copied());
    if near.is_empty() {
        let meant = name.rsplit(SEPARATOR).next().unwrap_or(name);
        let tools = nearest(meant, names.iter().map(|name| tool_of(name)));
        let has = |name: &&&str| tools.first().is_some_and(|first| tool_of(name) == *first);
        near = names.iter().filter(has).take(3).copied().collect();
    }
    let unknown = Failure::new(Kind::NotFound, format!("there is no tool {name:?}")).at("/tool");
    let Some(first) = near.first() else {
        return unknown.hint(
            problem.unwrap_or_else(|| {
                "skill_find gives the names, such as files__read_file".to_owned()
            }),
        );
    };
    let empty = json!({});
    let arguments = arguments.unwrap_or(&empty).to_string();
    let example = format!("{{\"tool\":\"{first}\",\"arguments\":{arguments}}}");
    let quoted: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
    unknown.hint(format!(
        "did you mean {}? For example {}",
        quoted.join(" or "),
        clip(&example, limits::SKILL_NOTE_CHARS_MAX)
    ))
}

/// The tool's part of a name.
fn tool_of(name: &str) -> &str {
    name.split_once(SEPARATOR).map_or(name, |(_, tool)| tool)
}

/// The end of what a skill wrote to stderr: a few lines while it is healthy.
pub(super) fn stderr_end(status: &SkillStatus) -> String {
    let lines = match is_unready(status) {
        true => limits::SKILL_STDERR_LINES_MAX,
        false => limits::SKILL_STDERR_HEALTHY_LINES_MAX,
    };
    let mut last: Vec<String> = status
        .stderr_tail
        .lines()
        .rev()
        .take(lines)
        .map(|line| clip(line, limits::SKILL_NOTE_CHARS_MAX))
        .collect();
    last.reverse();
    last.join("\n")
}

/// A tool as models see it. Nothing that the server wrote is shown of a tool that is
/// not approved: the text may be the very reason why.
fn document(name: &str, offer: &OfferedTool, state: &str) -> Value {
    if offer.approval != ApprovalState::Approved {
        return json!({
            "tool": name,
            "server": offer.skill.as_str(),
            "state": "quarantined",
            "description": format!(
                "Not what was approved; a person decides with `mimo skill approve {}`.",
                offer.skill
            ),
        });
    }
    let definition: Value = serde_json::from_str(offer.tool.definition.get()).unwrap_or_default();
    json!({
        "tool": name,
        "server": offer.skill.as_str(),
        "description": offer.tool.description,
        "inputSchema": definition["inputSchema"],
        "call_with": call_with(offer),
        "state": state,
    })
}

/// The same without its schema.
fn brief(name: &str, offer: &OfferedTool) -> Value {
    if offer.approval != ApprovalState::Approved {
        return json!({"tool": name, "state": "quarantined"});
    }
    json!({
        "tool": name,
        "description": clip(&offer.tool.description, limits::SKILL_NOTE_CHARS_MAX),
        "arguments": offer.tool.properties(),
        "call_with": call_with(offer),
    })
}

fn call_with(offer: &OfferedTool) -> &'static str {
    match offer.tool.read_only {
        true => "skill_read",
        false => "skill_call",
    }
}
