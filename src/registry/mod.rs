//! The skills that run, and the calls to them. [`table`] decides, [`core`]
//! performs its decisions under a lock that is never held across an await: a
//! lease needs no queue, and dropping a call gives its lease back at once.

pub mod approvals;
mod core;
mod file_watch;
pub(crate) mod instances;
pub(crate) mod list_cache;
pub(crate) mod nodes;
mod pins;
mod reloader;
pub mod table;
pub mod tool_cache;
pub(crate) mod tool_names;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::approvals::Approvals;
use self::core::{Core, Lease};
use self::table::{Event, LeaseError, ReloadOutcome};
use self::tool_cache::ToolCache;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::meter;
use crate::meter::calls::Outcome;
use crate::skills::child::ChildLauncher;
use crate::skills::client::{SkillClient, Tool};
use crate::skills::spec::SkillSpec;

pub use self::pins::{ApprovalState, FirstUse};
pub(crate) use self::reloader::{ManifestProblem, Reloader};
pub(crate) use crate::failure::CallError;
pub(crate) use crate::skills::client::{CallHandlers, DownstreamClient};
pub(crate) use crate::skills::spec::{Expose, Identity, SkillName};

/// All skills. Dropping it stops them.
pub struct Registry(Arc<Core>);

/// What a registry is built from.
pub struct Parts {
    pub launcher: Arc<dyn ChildLauncher>,
    /// The client that skills may ask.
    pub downstream: Arc<dyn DownstreamClient>,
    /// The tool lists of earlier runs, if they are kept.
    pub cache: Option<ToolCache>,
    /// Approved tool definitions; without them each run starts from none.
    pub approvals: Option<Approvals>,
    pub first_use: FirstUse,
}

/// How a call is made.
pub struct CallOptions {
    /// The deadline of the call, including the skill's start. The skill's own timeout
    /// may end it earlier.
    pub deadline: Instant,
    /// Cancelled when the client cancels the call.
    pub cancel: CancellationToken,
    /// The client's `_meta`.
    pub meta: Map<String, Value>,
    pub handlers: CallHandlers,
}

/// A tool that a skill offers.
#[derive(Clone, Debug)]
pub struct OfferedTool {
    pub(crate) skill: SkillName,
    pub tool: Tool,
    pub approval: ApprovalState,
    pub(crate) expose: Expose,
}

/// A tool that may not be called until a person approves it.
#[derive(Clone, Debug)]
pub(crate) struct PendingApproval {
    pub(crate) skill: SkillName,
    pub(crate) tool: String,
    pub(crate) why: &'static str,
}

/// The state of a skill as `mimo_status` shows it.
#[derive(Clone, Debug)]
pub struct SkillStatus {
    pub name: SkillName,
    pub state: &'static str,
    /// The process, where one runs.
    pub pid: Option<u32>,
    /// How many tools it offers.
    pub tools: usize,
    pub restarts: u32,
    /// Why the last run ended.
    pub ended: Option<String>,
    pub stderr_tail: String,
    /// The first line of that reason that names an error.
    pub(crate) first_error: Option<String>,
    /// How often the skill broke the protocol.
    pub faults: u64,
    /// Corrections of its lists, and the items left out of them.
    pub notes: Vec<String>,
    /// The beginnings of the last lines on its stdout that were not messages.
    pub(crate) junk_lines: Vec<String>,
    /// Its `instructions`.
    pub(crate) instructions: String,
}

impl Registry {
    /// Begins with `specs`, each valid and with a name of its own. Returns before
    /// any of them has started.
    pub fn start(parts: Parts, specs: Vec<SkillSpec>) -> Registry {
        let core = Core::new(parts);
        for spec in specs.into_iter().take(limits::SKILLS_MAX) {
            let tools = core.known_tools(&spec);
            core.handle(Event::Register(Arc::new(spec), tools));
        }
        tokio::spawn(self::core::run_background(Arc::downgrade(&core)));
        let registry = Registry(core);
        registry.load_pins_soon();
        registry
    }

    /// All tools on offer, by skill, in the order that each skill gives.
    pub fn tools(&self) -> Vec<OfferedTool> {
        self.0.offered_tools()
    }

    /// The tools that wait for a person's approval.
    pub(crate) fn pending(&self) -> Vec<PendingApproval> {
        self.0.pending_approvals()
    }

    pub fn statuses(&self) -> Vec<SkillStatus> {
        self.0.statuses()
    }

    /// Marked as changed whenever the tool list changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Calls a tool and gives its result as the skill wrote it. Starts a skill
    /// that does not run. Dropping the future cancels the call.
    pub async fn call(
        &self,
        skill: &SkillName,
        tool: &str,
        arguments: Option<&RawValue>,
        options: CallOptions,
    ) -> Result<Box<RawValue>, CallError> {
        let CallOptions {
            deadline: latest,
            cancel,
            meta,
            mut handlers,
        } = options;
        let timeout = self.0.call_timeout(skill);
        let began = Instant::now();
        let after = move |from: Instant, factor: u32| {
            // A timeout beyond the clock's range bounds nothing.
            let own = timeout.and_then(|timeout| from.checked_add(timeout.checked_mul(factor)?));
            own.map_or(latest, |own| own.min(latest))
        };
        let first = after(began, 1);
        handlers.deadline = Some(first);
        let deadline = Arc::new(Mutex::new(first));
        if let Some(report) = handlers.progress.take() {
            let deadline = deadline.clone();
            let last = after(began, limits::SKILL_PROGRESS_FACTOR_MAX);
            handlers.progress = Some(Arc::new(move |params: &RawValue| {
                let later = after(Instant::now(), 1).min(last);
                let mut deadline = lock(&deadline);
                *deadline = later.max(*deadline);
                drop(deadline);
                report(params);
            }));
        }
        let work = async {
            let (_lease, client) = self.lease(skill, first).await?;
            self.0.may_call(skill, tool)?;
            client.call(tool, arguments, meta, handlers).await
        };
        let started = std::time::Instant::now();
        let result = within(skill, deadline_reached(&deadline), &cancel, work).await;
        meter::skills::called(skill.as_str(), Outcome::of(&result), started.elapsed());
        result
    }

    /// Sends a request of another kind (`resources/read`, `prompts/get`) and
    /// gives the answer as the skill wrote it.
    pub(crate) async fn forward(
        &self,
        skill: &SkillName,
        method: &str,
        params: Option<&RawValue>,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Box<RawValue>, CallError> {
        let work = async {
            let (_lease, client) = self.lease(skill, deadline).await?;
            client.forward(method, params).await
        };
        within(skill, tokio::time::sleep_until(deadline), cancel, work).await
    }

    /// Whether a skill answers at the moment.
    pub(crate) fn is_running(&self, skill: &SkillName) -> bool {
        self.0.is_running(skill)
    }

    /// Sends a notification to all skills that run.
    pub(crate) fn notify_all(&self, method: &str) {
        for client in self.0.running_clients() {
            client.notify(method, None);
        }
    }

    /// Replaces the skills. Returns once the new ones have taken over; the old
    /// ones finish their calls meanwhile and afterwards.
    pub async fn reload(&self, specs: Vec<SkillSpec>) -> Result<ReloadOutcome, Failure> {
        if specs.len() > limits::SKILLS_MAX {
            let (count, most) = (specs.len(), limits::SKILLS_MAX);
            let message = format!("the manifest has {count} skills, and at most {most} may run");
            return Err(Failure::new(Kind::LimitExceeded, message).hint("remove some of them"));
        }
        let refused = reloader::in_progress;
        let done = self.0.begin_reload(specs).ok_or_else(refused)?;
        self.load_pins_soon();
        let outcome = done.await.map_err(|_| refused())?;
        // Another process may have approved something meanwhile.
        if let Err(failure) = self.0.refresh_pins().await {
            tracing::warn!("{failure}");
        }
        Ok(outcome)
    }

    /// Reads the approved tools again: another process has changed them.
    pub async fn refresh_approvals(&self) -> Result<(), Failure> {
        self.0.refresh_pins().await
    }

    /// Ready once it is known which tools are approved, or that this cannot be
    /// read now.
    pub async fn approvals_known(&self) {
        if !self.0.specs().is_empty() {
            let most = std::time::Duration::from_millis(limits::SKILL_PINS_MILLIS_MAX);
            // Tools whose approval is unknown are not listed.
            let _ = tokio::time::timeout(most, self.0.load_pins()).await;
        }
    }

    /// Tools of skills that are not started are listed as soon as their pins
    /// are known.
    fn load_pins_soon(&self) {
        if self.0.specs().is_empty() {
            return;
        }
        let core = self.0.clone();
        tokio::spawn(async move {
            if let Err(failure) = core.load_pins().await {
                tracing::error!("no skill is started: {failure}");
            }
        });
    }

    /// Stops all skills. Returns once none of their processes is left, and their
    /// newly trusted tools and their lists are stored.
    pub async fn shutdown(&self) {
        self.0.handle(Event::Shutdown);
        let mut runs = self.0.runs_left.subscribe();
        // This fails only if the sender, which `self` holds, is gone.
        let _ = runs.wait_for(|left| *left == 0).await;
        self.0.save_trusted().await;
        self::core::save(&self.0).await;
    }

    async fn lease(
        &self,
        skill: &SkillName,
        deadline: Instant,
    ) -> Result<(Lease, SkillClient), Failure> {
        let (lease, granted) = self.0.lease(skill, deadline);
        match granted.await {
            Ok(Ok(client)) => Ok((lease, client)),
            Ok(Err(error)) => Err(no_lease(skill, error)),
            Err(_) => Err(no_lease(skill, LeaseError::Closing)),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.0.handle(Event::Shutdown);
    }
}

/// Ready once a deadline has passed that may still move to a later time.
async fn deadline_reached(deadline: &Mutex<Instant>) {
    loop {
        let until = *lock(deadline);
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

fn lock(deadline: &Mutex<Instant>) -> MutexGuard<'_, Instant> {
    deadline.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` until it is cancelled or it is `late`.
async fn within<T>(
    skill: &SkillName,
    late: impl Future<Output = ()>,
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::select! {
        biased;
        result = work => result,
        () = cancel.cancelled() => {
            Err(Failure::new(Kind::Cancelled, "the request was cancelled").into())
        }
        () = late => Err(no_lease(skill, LeaseError::Late).into()),
    }
}

fn no_lease(skill: &SkillName, error: LeaseError) -> Failure {
    match error {
        LeaseError::Unknown => Failure::new(Kind::NotFound, format!("there is no skill {skill}"))
            .hint("skill_find names the tools of all skills"),
        LeaseError::Down(why) => Failure::new(
            Kind::Unavailable,
            format!("the skill {skill} does not run: {why}"),
        )
        .hint("it is restarted automatically; mimo_status shows its state"),
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
        .hint("what it had begun may have taken effect; ask for less at once, or raise its setting timeouts.call_s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deadline_that_moves_passes_late() {
        let began = Instant::now();
        let deadline = Mutex::new(began + Duration::from_secs(1));
        let progress = async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            *lock(&deadline) = began + Duration::from_secs(3);
        };
        tokio::join!(deadline_reached(&deadline), progress);
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }
}
