//! The skill tools: finding the tools of other servers, and calling them
//! through the registry.

mod find;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::find::Finder;
use self::pages::Pages;
use super::arguments::Reader;
use super::{Arguments, Context, Document, Reply, Tool};
use crate::clock::Clock;
use crate::embed::Embedder;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::registry::{Conduct, Offer, Registry, SkillName, Standing};

/// What the skill tools work with.
pub struct Skills {
    registry: Arc<Registry>,
    /// What the sandbox of a skill enforces, as a document.
    sandbox: Arc<dyn Fn(&SkillName) -> Value + Send + Sync>,
    /// Why there are no skills although a manifest names some.
    problem: Option<String>,
    finder: Finder,
    pages: Pages,
}

impl Skills {
    /// Tools over `registry`; `embedder` ranks what is looked for, `sandbox`
    /// tells what holds a skill, `problem` why the manifest is not in use.
    pub fn new(
        registry: Arc<Registry>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        sandbox: Arc<dyn Fn(&SkillName) -> Value + Send + Sync>,
        problem: Option<String>,
    ) -> Skills {
        Skills {
            registry,
            sandbox,
            problem,
            finder: Finder::new(embedder),
            pages: Pages::new(clock),
        }
    }

    /// What skills there are, and their tools.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How each skill is, for `mimo_status`.
    pub fn statuses(&self) -> Value {
        let status = |status: crate::registry::Status| {
            json!({
                "name": status.name.as_str(),
                "state": status.state,
                "pid": status.pid,
                "tools": status.tools,
                "restarts": status.restarts,
                "ended": status.ended,
                "faults": status.faults,
                "sandbox": (self.sandbox)(&status.name),
                "stderr_tail": status.stderr_tail,
            })
        };
        self.registry.statuses().into_iter().map(status).collect()
    }

    /// Why the manifest is not in use.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Waits, within bounds, while a skill whose tools nobody knows yet starts.
    async fn wait_for_lists(&self) {
        let unlisted = || {
            let statuses = self.registry.statuses();
            statuses
                .iter()
                .any(|s| s.state == "starting" && s.tools == 0)
        };
        let mut changes = self.registry.changes();
        let look = Duration::from_millis(limits::SKILL_LOOK_MILLIS_MAX);
        let end = Instant::now() + Duration::from_secs(limits::SKILL_LIST_SECONDS_MAX);
        while unlisted() && Instant::now() < end {
            // A start that fails changes no list: that is seen at the next look.
            let _ = tokio::time::timeout(look, changes.changed()).await;
        }
    }

    /// The tool that `name` (`<skill>__<tool>`, as skill_find gives it) means.
    fn offer(&self, name: &str) -> Result<(SkillName, String, Option<Offer>), Failure> {
        let unknown = || {
            Failure::invalid("/tool", format!("there is no tool {name:?}"))
                .hint("pass a name that skill_find gave, such as files__read_file")
        };
        let (skill, tool) = name.split_once("__").ok_or_else(unknown)?;
        let skill = SkillName::new(skill).ok_or_else(unknown)?;
        let mut offers = self.registry.tools().into_iter();
        let offer = offers.find(|offer| offer.skill == skill && offer.tool.name == tool);
        Ok((skill, tool.to_owned(), offer))
    }
}

/// `skill_find`, `skill_read` and `skill_call`.
pub fn tools(skills: Arc<Skills>) -> Vec<Tool> {
    let (finds, reads) = (skills.clone(), skills.clone());
    vec![
        Tool {
            name: "skill_find",
            definition: include_str!("../../../schemas/tools/skill_find.json"),
            handler: Arc::new(move |arguments, _| Box::pin(find(finds.clone(), arguments))),
        },
        Tool {
            name: "skill_read",
            definition: include_str!("../../../schemas/tools/skill_read.json"),
            handler: Arc::new(move |arguments, context| {
                Box::pin(call(reads.clone(), arguments, context, true))
            }),
        },
        Tool {
            name: "skill_call",
            definition: include_str!("../../../schemas/tools/skill_call.json"),
            handler: Arc::new(move |arguments, context| {
                Box::pin(call(skills.clone(), arguments, context, false))
            }),
        },
    ]
}

async fn find(skills: Arc<Skills>, arguments: Arguments) -> Result<Reply, Failure> {
    let reader = Reader::new(&arguments);
    let query = reader.text("query")?.unwrap_or_default().to_owned();
    let server = reader.name("server")?;
    let limit = reader.integer("limit")?.unwrap_or(5);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=limits::SEARCH_LIMIT_MAX).contains(limit))
        .ok_or_else(|| {
            let most = limits::SEARCH_LIMIT_MAX;
            Failure::invalid("/limit", format!("{limit} is not between 1 and {most}"))
        })?;
    skills.wait_for_lists().await;
    let mut offers = skills.registry.tools();
    if let Some(server) = &server {
        offers.retain(|offer| offer.skill.as_str() == server);
        if offers.is_empty() {
            return Err(no_server(&skills.registry, server));
        }
    }
    let best = skills.finder.rank(query, &offers).await?;
    let states = skills.registry.statuses();
    let state = |skill: &SkillName| {
        let status = states.iter().find(|status| status.name == *skill);
        status.map_or("unknown", |status| status.state)
    };
    let found: Vec<Value> = best
        .into_iter()
        .take(limit)
        .map(|nth| shown(&offers[nth], state(&offers[nth].skill)))
        .collect();
    Ok(Document::of(&json!({ "tools": found }))?.into())
}

fn no_server(registry: &Registry, server: &str) -> Failure {
    let statuses = registry.statuses();
    let names: Vec<&str> = statuses.iter().map(|status| status.name.as_str()).collect();
    let failure = Failure::invalid("/server", format!("{server:?} offers no tools"));
    match names.is_empty() {
        true => failure.hint("no skill is set up; `mimo skill add --help` shows how"),
        false => failure.hint(format!("the skills are {}", names.join(", "))),
    }
}

/// What a model sees of a tool. Of one that is not approved nothing that its
/// server wrote: that text may be the very reason why it is not.
fn shown(offer: &Offer, state: &str) -> Value {
    let name = format!("{}__{}", offer.skill, offer.tool.name);
    if offer.standing != Standing::Approved {
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
    let definition: Value = serde_json::from_str(offer.tool.raw.get()).unwrap_or_default();
    json!({
        "tool": name,
        "server": offer.skill.as_str(),
        "description": offer.tool.description,
        "inputSchema": definition["inputSchema"],
        "call_with": if offer.tool.read_only { "skill_read" } else { "skill_call" },
        "state": state,
    })
}

async fn call(
    skills: Arc<Skills>,
    arguments: Arguments,
    context: Context,
    only_reads: bool,
) -> Result<Reply, Failure> {
    let reader = Reader::new(&arguments);
    let budget = reader.budget(8000)?;
    if let Some(cursor) = reader.text("cursor")? {
        return skills.pages.next(cursor, budget);
    }
    let name = reader.text("tool")?.unwrap_or_default();
    let (skill, tool, offer) = skills.offer(name)?;
    let reads = offer.is_some_and(|offer| offer.tool.read_only);
    if only_reads && !reads {
        return Err(Failure::new(
            Kind::Refused,
            format!("{name} is not declared to only read"),
        )
        .at("/tool")
        .hint("use skill_call, which may change things"));
    }
    let own = reader.value("arguments").map(to_raw_value).transpose();
    let own = own.map_err(Failure::internal)?;
    let conduct = Conduct {
        deadline: Instant::now() + Duration::from_secs(limits::CALL_SECONDS_MAX),
        cancel: context.cancel.clone(),
        meta: Map::new(),
        progress: Some(progress(context)),
    };
    let result = skills
        .registry
        .call(&skill, &tool, own.as_deref(), conduct)
        .await
        .map_err(|miss| miss.into_failure())?;
    skills.pages.first(&result, reader.text("select")?, budget)
}

/// Takes a skill's progress over into ours.
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
