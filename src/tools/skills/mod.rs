//! `skill_find`, `skill_read` and `skill_call`: find the tools of skills and call
//! them through the registry.

mod call;
mod exposure;
mod find;
mod pages;
mod search;
mod starting;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use self::find::Finder;
use self::pages::Pages;
use super::Tool;
use crate::caller::Grants;
use crate::clock::Clock;
use crate::embed::Embedder;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::registry::{ApprovalState, ManifestProblem, OfferedTool, Registry, SkillName};

pub(crate) use self::call::Target;
pub(crate) use self::exposure::{AutoChoice, ExposedTools, Load};

/// The longest timeout that a manifest may give a skill.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(limits::SKILL_CALL_SECONDS_MAX);

/// Records a call: the caller's project, the tool as `<skill>__<tool>`, and the
/// JSON of its arguments.
pub(crate) type CallRecorder = Arc<dyn Fn(&str, String, &str) + Send + Sync>;

/// The state of a skill's sandbox and installation, for `mimo_status`.
pub(crate) type Details = Arc<dyn Fn(&SkillName) -> Map<String, Value> + Send + Sync>;

pub struct Skills {
    registry: Arc<Registry>,
    details: Details,
    problem: ManifestProblem,
    finder: Finder,
    pages: Pages,
    /// Records each call that succeeds.
    recorder: OnceLock<CallRecorder>,
    /// When the skills started.
    began: Instant,
    /// The tools at one count of `Registry::changes`.
    exposed: Mutex<Option<(u64, Arc<ExposedTools>)>>,
}

impl Skills {
    pub(crate) fn new(
        registry: Arc<Registry>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        details: Details,
        problem: ManifestProblem,
    ) -> Skills {
        Skills {
            registry,
            details,
            problem,
            finder: Finder::new(embedder),
            pages: Pages::new(clock),
            recorder: OnceLock::new(),
            began: Instant::now(),
            exposed: Mutex::default(),
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Passes each successful call to `recorder`, except those of procedures, which
    /// keep a journal. Only the first recorder counts.
    pub(crate) fn record_to(&self, recorder: CallRecorder) {
        let _ = self.recorder.set(recorder);
    }

    /// Whether there is any skill.
    pub(crate) fn any(&self) -> bool {
        !self.registry.statuses().is_empty()
    }

    /// The skills for `mimo_status`: those of the caller, with the state of their
    /// processes for those who operate them.
    pub(crate) fn statuses(&self, grants: &Grants) -> Value {
        let status = |status: crate::registry::SkillStatus| {
            let name = status.name.as_str();
            if !grants.operates {
                return json!({"name": name, "state": status.state, "tools": status.tools});
            }
            let mut document = json!({
                "name": status.name.as_str(),
                "state": status.state,
                "pid": status.pid,
                "tools": status.tools,
                "restarts": status.restarts,
                "ended": status.ended,
                "faults": status.faults,
                "notes": status.notes,
                "stray_lines": status.junk_lines,
                "stderr_tail": search::stderr_end(&status),
            });
            if let Some(document) = document.as_object_mut() {
                document.extend((self.details)(&status.name));
            }
            document
        };
        let mut statuses = self.registry.statuses();
        statuses.retain(|each| grants.allow_skill(each.name.as_str()));
        statuses.into_iter().map(status).collect()
    }

    /// The caller's tools that wait for approval, for `mimo_status`.
    pub(crate) fn pending(&self, grants: &Grants) -> Value {
        let pending = self.registry.pending().into_iter();
        let pending = pending.filter(|each| grants.allow_skill(each.skill.as_str()));
        let shown = pending
            .map(|each| json!({"skill": each.skill.as_str(), "tool": each.tool, "why": each.why}));
        shown.collect()
    }

    /// The step of a skill's installation, while that goes on.
    fn installing(&self, skill: &SkillName) -> Option<String> {
        let details = (self.details)(skill);
        details.get("installing")?.as_str().map(str::to_owned)
    }

    /// Why the manifest is not in use.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.get()
    }

    /// The approved tools that match `query`, best first, under their names for
    /// clients.
    pub(super) async fn best(
        &self,
        query: String,
        limit: usize,
    ) -> Result<Vec<(String, OfferedTool)>, Failure> {
        self.wait_for_lists(None).await;
        let exposed = self.exposed();
        let approved = (0..).zip(exposed.offers());
        let approved = approved.filter(|(_, offer)| offer.approval == ApprovalState::Approved);
        let (names, offers): (Vec<&str>, Vec<OfferedTool>) = approved
            .map(|(nth, offer)| (exposed.name(nth), offer.clone()))
            .unzip();
        let ranked = self.finder.rank(query, &offers).await?;
        let named = |nth: usize| (names[nth].to_owned(), offers[nth].clone());
        Ok(ranked.order.into_iter().take(limit).map(named).collect())
    }

    /// Why no tool has this name: its skill is set up, and disabled.
    pub(crate) fn disabled(&self, name: &str) -> Option<Failure> {
        let (skill, _) = exposure::split(name)?;
        if !self.problem.is_disabled(&skill) {
            return None;
        }
        let why = format!("the skill {skill} is disabled, so its tools cannot be called");
        let hint = format!("a person enables it with `mimo skill enable {skill}`");
        Some(Failure::new(Kind::Unavailable, why).hint(hint))
    }

    /// Waits for the list of the skill that `name` names.
    pub(crate) async fn wait_for_tool(&self, name: &str) {
        if let Some((skill, _)) = exposure::split(name) {
            self.wait_for_lists(Some(skill.as_str())).await;
        }
    }

    /// Ready once it is known which tools may be listed.
    pub(crate) async fn ready(&self) {
        self.registry.approvals_known().await;
    }

    /// The tools on offer, under their names for clients.
    pub(crate) fn exposed(&self) -> Arc<ExposedTools> {
        let generation = *self.registry.changes().borrow();
        let mut kept = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, exposed)) if *of == generation => exposed.clone(),
            _ => {
                let exposed = Arc::new(ExposedTools::of(self.registry.tools()));
                *kept = Some((generation, exposed.clone()));
                exposed
            }
        }
    }

    /// Encodes the descriptions of tools in the background: a session that sees no tool
    /// of a skill by name begins with a search.
    pub(crate) fn prepare_search(&self) {
        let encoded = self.finder.encode(self.exposed().offers());
        tokio::spawn(async move {
            // A search that needs them says why they cannot be encoded.
            let _ = encoded.await;
        });
    }

    /// Marked as changed whenever the tools on offer change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.registry.changes()
    }
}

pub(crate) fn tools(skills: Arc<Skills>) -> Vec<Tool> {
    let caller = |name, definition, read_only| Tool {
        timeout: CALL_TIMEOUT,
        ..Tool::of(
            name,
            definition,
            &skills,
            move |skills, arguments, context| call::run(skills, arguments, context, read_only),
        )
    };
    vec![
        Tool::of(
            "skill_find",
            include_str!("../../../schemas/tools/skill_find.json"),
            &skills,
            search::find,
        ),
        caller(
            "skill_read",
            include_str!("../../../schemas/tools/skill_read.json"),
            true,
        ),
        caller(
            "skill_call",
            include_str!("../../../schemas/tools/skill_call.json"),
            false,
        ),
    ]
}
