//! The skills and whoever calls them: performs what the table decides. The one
//! owner is a lock that is never held while anything waits, so a lease costs no
//! way through a queue and is given back the moment its call is dropped; a task
//! beside it keeps the time and the files.

mod core;
mod file_watch;
pub mod files;
pub mod instances;
pub mod list_cache;
mod reloader;
pub mod table;
pub mod tool_names;

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::core::{Core, Lease};
use self::files::Files;
use self::table::{Event, LeaseError, ReloadOutcome};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::skills::child::ChildLauncher;
use crate::skills::client::{SkillClient, Tool};
use crate::skills::pins::FirstUse;
use crate::skills::spec::SkillSpec;

pub use self::reloader::{ManifestProblem, Reloader};
pub use crate::failure::CallError;
pub use crate::skills::client::{CallHandlers, DownstreamClient};
pub use crate::skills::pins::ApprovalState;
pub use crate::skills::spec::{Expose, SkillName};

/// All skills. Dropping it stops them.
pub struct Registry(Arc<Core>);

/// What a registry works with.
pub struct Parts {
    /// Makes the children.
    pub launch: Arc<dyn ChildLauncher>,
    /// The client that the skills may ask.
    pub downstream: Arc<dyn DownstreamClient>,
    /// Where tool lists and pins are kept, if anywhere.
    pub files: Option<Files>,
    /// What becomes of a tool that was never seen before.
    pub first_use: FirstUse,
}

/// How a call is made.
pub struct CallOptions {
    /// When it must be over, its wait for the skill's start included; the
    /// skill's own bound for a call may end it earlier.
    pub deadline: Instant,
    /// Cancelled when the client takes it back.
    pub cancel: CancellationToken,
    /// The client's `_meta`.
    pub meta: Map<String, Value>,
    /// Who follows it.
    pub handlers: CallHandlers,
}

/// A tool that a skill offers.
#[derive(Clone, Debug)]
pub struct OfferedTool {
    /// Whose it is.
    pub skill: SkillName,
    /// The tool itself.
    pub tool: Tool,
    /// Whether it may be called.
    pub approval: ApprovalState,
    /// How clients are to see it.
    pub expose: Expose,
}

/// A tool that may not be called until a person approves it.
#[derive(Clone, Debug)]
pub struct PendingApproval {
    /// Whose it is.
    pub skill: SkillName,
    /// Its name, which its skill chose.
    pub tool: String,
    /// Why it waits, in words.
    pub why: &'static str,
}

/// How a skill is, for a person.
#[derive(Clone, Debug)]
pub struct SkillStatus {
    /// Its name.
    pub name: SkillName,
    /// Its state, in a word.
    pub state: &'static str,
    /// Its process, if one runs.
    pub pid: Option<u32>,
    /// How many tools it offers.
    pub tools: usize,
    /// How often it was started again.
    pub restarts: u32,
    /// Why its last run ended.
    pub ended: Option<String>,
    /// The last that it wrote to stderr.
    pub stderr_tail: String,
    /// Lines, answers and requests against the rules.
    pub faults: u64,
}

impl Registry {
    /// Begins with `specs`, each valid and of another name; returns before any
    /// of them has started.
    pub fn start(parts: Parts, specs: Vec<SkillSpec>) -> Result<Registry, Failure> {
        let core = Core::new(parts)?;
        for spec in specs.into_iter().take(limits::SKILLS_MAX) {
            let tools = core.known_tools(&spec);
            core.feed(Event::Register(Arc::new(spec), tools));
        }
        tokio::spawn(core::keep_saved(Arc::downgrade(&core)));
        Ok(Registry(core))
    }

    /// All tools on offer, by skill, in the order each skill gives.
    pub fn tools(&self) -> Vec<OfferedTool> {
        self.0.offers()
    }

    /// The tools that wait for a person's approval.
    pub fn pending(&self) -> Vec<PendingApproval> {
        self.0.pending()
    }

    /// How each skill is.
    pub fn statuses(&self) -> Vec<SkillStatus> {
        self.0.statuses()
    }

    /// Marked as changed whenever the list of tools is another one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Calls a tool and gives its result as the skill wrote it. A skill that is
    /// not running yet is started. Dropping this takes the call back.
    pub async fn call(
        &self,
        skill: &SkillName,
        tool: &str,
        arguments: Option<&RawValue>,
        options: CallOptions,
    ) -> Result<Box<RawValue>, CallError> {
        let CallOptions {
            deadline,
            cancel,
            meta,
            handlers,
        } = options;
        let deadline = self.0.patience(skill).map_or(deadline, |own| {
            // One that is too long to be counted is none.
            let own = Instant::now().checked_add(own).unwrap_or(deadline);
            deadline.min(own)
        });
        let work = async {
            let (_lease, link) = self
                .lease(skill, deadline)
                .await
                .map_err(CallError::Gateway)?;
            self.0.may_call(skill, tool).map_err(CallError::Gateway)?;
            link.call(tool, arguments, meta, handlers).await
        };
        within(skill, deadline, &cancel, work).await
    }

    /// Sends a request of another kind (`resources/read`, `prompts/get`) as it
    /// was written, and gives the answer as it was written.
    pub async fn pass(
        &self,
        skill: &SkillName,
        method: &str,
        params: Option<&RawValue>,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Box<RawValue>, CallError> {
        let work = async {
            let (_lease, link) = self
                .lease(skill, deadline)
                .await
                .map_err(CallError::Gateway)?;
            link.pass(method, params).await
        };
        within(skill, deadline, cancel, work).await
    }

    /// Whether a skill answers just now.
    pub fn runs(&self, skill: &SkillName) -> bool {
        self.0.runs(skill)
    }

    /// Sends a notification to all skills that run.
    pub fn tell(&self, method: &str) {
        for link in self.0.links() {
            link.notify(method, None);
        }
    }

    /// Makes these the skills; returns once the new ones have taken over. The
    /// old ones finish their calls meanwhile and afterwards.
    pub async fn reload(&self, specs: Vec<SkillSpec>) -> Result<ReloadOutcome, Failure> {
        if specs.len() > limits::SKILLS_MAX {
            let message = format!(
                "{} skills are more than {}",
                specs.len(),
                limits::SKILLS_MAX
            );
            return Err(Failure::new(Kind::LimitExceeded, message));
        }
        let refused = reloader::in_progress;
        let done = self.0.begin_reload(specs).ok_or_else(refused)?;
        done.await.map_err(|_| refused())
    }

    /// Takes over what was approved in the file of pins since it was read.
    pub async fn take_approvals(&self) -> Result<(), Failure> {
        self.0.take_approvals().await
    }

    /// Approves a tool as it is now.
    pub fn approve(&self, skill: &SkillName, tool: &str) -> Result<(), Failure> {
        self.0.approve(skill, tool)
    }

    /// Stops all skills; returns once none of their processes is left.
    pub async fn shutdown(&self) {
        self.0.feed(Event::Shutdown);
        let mut runs = self.0.runs_left.subscribe();
        // It fails only if the sender, which `self` holds, is gone.
        let _ = runs.wait_for(|left| *left == 0).await;
    }

    async fn lease(
        &self,
        skill: &SkillName,
        deadline: Instant,
    ) -> Result<(Lease, SkillClient), Failure> {
        let (lease, granted) = Core::lease(&self.0, skill, deadline);
        match granted.await {
            Ok(Ok(link)) => Ok((lease, link)),
            Ok(Err(refusal)) => Err(refused(skill, refusal)),
            Err(_) => Err(refused(skill, LeaseError::Closing)),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.0.feed(Event::Shutdown);
    }
}

/// The call, unless it is taken back or late before it is done.
async fn within(
    skill: &SkillName,
    deadline: Instant,
    cancel: &CancellationToken,
    work: impl Future<Output = Result<Box<RawValue>, CallError>>,
) -> Result<Box<RawValue>, CallError> {
    tokio::select! {
        biased;
        result = work => result,
        () = cancel.cancelled() => Err(CallError::Gateway(Failure::new(
            Kind::Cancelled,
            "the request was taken back",
        ))),
        () = tokio::time::sleep_until(deadline) => Err(CallError::Gateway(refused(skill, LeaseError::Late))),
    }
}

fn refused(skill: &SkillName, refusal: LeaseError) -> Failure {
    match refusal {
        LeaseError::Unknown => Failure::new(Kind::NotFound, format!("there is no skill {skill}"))
            .hint("skill_find names the tools of all skills"),
        LeaseError::Down(why) => Failure::new(
            Kind::Unavailable,
            format!("the skill {skill} does not run: {why}"),
        )
        .hint("it is started again by itself; mimo_status tells how it is"),
        LeaseError::Crowded => Failure::new(
            Kind::LimitExceeded,
            format!("too many calls wait for the skill {skill} to start"),
        )
        .hint("try again later"),
        LeaseError::Closing => Failure::new(Kind::Unavailable, "Mimo is shutting down"),
        LeaseError::Late => Failure::new(
            Kind::Timeout,
            format!("the skill {skill} did not answer in time"),
        )
        .hint("ask for less at once, or give it a longer timeout"),
    }
}
