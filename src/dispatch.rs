//! Every tool call goes through here, whoever makes it: grants, a permit, a deadline,
//! cancellation and an unwind guard. A call returns exactly once. This module knows
//! neither the wire format nor the tools' work.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::caller::ToolGrants;
use crate::clock::Clock;
use crate::diagnostics::did_you_mean;
use crate::failure::{CallError, Failure, Kind};
use crate::limits::{CALL_STOP_MILLIS_MAX, CALLS_RUNNING_MAX};
use crate::meter::calls::{self as metrics, Outcome};
use crate::tools::listed::listed;
use crate::tools::profile::Profile;
use crate::tools::schema::Schema;
use crate::tools::skills::{self, AutoChoice, ExposedTools, Load, Skills, Target};
use crate::tools::{Context, Reply, ReplyFuture, Tool, legacy};

/// The tools by name, and the bounds on their calls.
pub(crate) struct Dispatch {
    tools: Vec<(Tool, Schema, metrics::Tool)>,
    by_name: HashMap<&'static str, usize>,
    /// The profile: which of our own tools clients see and may call.
    profile: Profile,
    skills: Option<Arc<Skills>>,
    permits: Semaphore,
    clock: Arc<dyn Clock>,
}

/// The tool that a name resolves to.
enum Route<'a> {
    Own(&'a Tool, &'a Schema, metrics::Tool),
    Skill(Arc<Skills>, Target),
}

impl Route<'_> {
    fn timeout(&self) -> Duration {
        match self {
            Route::Own(tool, ..) => tool.timeout,
            Route::Skill(..) => skills::CALL_TIMEOUT,
        }
    }

    /// The tool's name in metrics.
    fn label(&self) -> metrics::Tool {
        match self {
            Route::Own(.., label) => *label,
            Route::Skill(..) => metrics::Tool::Skill,
        }
    }

    /// Starts the handler, unless the arguments are refused.
    fn start(self, arguments: Value, context: Context) -> Result<ReplyFuture, Failure> {
        match self {
            Route::Own(tool, schema, _) => Ok((tool.handler)(schema.check(arguments)?, context)),
            Route::Skill(skills, target) => Ok(Box::pin(skills.call(target, arguments, context))),
        }
    }
}

impl Dispatch {
    /// Serves `tools`, whose names are unique, and the tools of `skills`.
    pub(crate) fn new(
        tools: Vec<Tool>,
        skills: Option<Arc<Skills>>,
        clock: Arc<dyn Clock>,
    ) -> Dispatch {
        let tools: Vec<(Tool, Schema, metrics::Tool)> = tools
            .into_iter()
            .map(|tool| {
                let schema = Schema::new(tool.name, tool.definition);
                let today = legacy::replacement(tool.name).unwrap_or(tool.name);
                (tool, schema, metrics::Tool::named(today))
            })
            .collect();
        let names = tools.iter().enumerate();
        let by_name: HashMap<_, _> = names.map(|(at, (tool, ..))| (tool.name, at)).collect();
        assert_eq!(by_name.len(), tools.len(), "two tools of one name");
        Dispatch {
            tools,
            by_name,
            profile: Profile::default(),
            skills,
            permits: Semaphore::new(CALLS_RUNNING_MAX),
            clock,
        }
    }

    pub(crate) fn with_profile(self, profile: Profile) -> Dispatch {
        Dispatch { profile, ..self }
    }

    /// Our own tools in the order they are listed, including those that the
    /// profile leaves out.
    pub(crate) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().map(|(tool, ..)| tool)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn skills(&self) -> Option<&Arc<Skills>> {
        self.skills.as_ref()
    }

    pub(crate) fn owns(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether a client's call of this name would find a tool now.
    pub(crate) fn serves(&self, name: &str, grants: &ToolGrants) -> bool {
        self.client_route(name, grants).is_some()
    }

    /// Whether clients see our own tool of this name now.
    pub(crate) fn lists(&self, name: &str, grants: &ToolGrants) -> bool {
        self.owns(name) && grants.allow(name) && self.profile.lists(name, self.has_skills())
    }

    fn has_skills(&self) -> bool {
        self.skills.as_ref().is_some_and(|skills| skills.any())
    }

    /// The definitions that a client sees, each on one line: those of our own
    /// tools, then those of `exposed` that are shown by name beside them, by the
    /// session's `choice`.
    pub(crate) fn definitions(
        &self,
        exposed: Option<&ExposedTools>,
        choice: &mut AutoChoice,
        grants: &ToolGrants,
    ) -> Vec<Arc<RawValue>> {
        let own = self
            .tools()
            .filter(|tool| self.lists(tool.name, grants))
            .filter_map(|tool| listed(tool.definition));
        let mut definitions: Vec<Arc<RawValue>> = own.map(Arc::from).collect();
        let load = Load {
            tools: definitions.len(),
            bytes: definitions.iter().map(|each| each.get().len()).sum(),
        };
        let direct = exposed.map(|exposed| exposed.direct(load, choice, |name| grants.allow(name)));
        definitions.extend(direct.into_iter().flatten());
        definitions
    }

    /// The definition of the tool that a client calls by this name.
    pub(crate) fn definition(&self, name: &str, grants: &ToolGrants) -> Option<Value> {
        match self.client_route(name, grants)? {
            Route::Own(tool, ..) => serde_json::from_str(tool.definition).ok(),
            Route::Skill(skills, _) => {
                let exposed = skills.exposed();
                serde_json::from_str(exposed.find(name)?.tool.definition.get()).ok()
            }
        }
    }

    /// Waits for the list of the skill that `name` names, where it is not known yet.
    pub(crate) async fn await_tool(&self, name: &str, grants: &ToolGrants) {
        if let Some(skills) = &self.skills
            && grants.allow(name)
            && self.route(name).is_none()
        {
            skills.wait_for_tool(name).await;
        }
    }

    fn route(&self, name: &str) -> Option<Route<'_>> {
        if let Some(at) = self.by_name.get(name) {
            let (tool, schema, label) = &self.tools[*at];
            return Some(Route::Own(tool, schema, *label));
        }
        let skills = self.skills.as_ref()?;
        let target = skills.target(name)?;
        Some(Route::Skill(skills.clone(), target))
    }

    /// The route of a client's call. A profile chooses among our own tools only.
    fn client_route(&self, name: &str, grants: &ToolGrants) -> Option<Route<'_>> {
        let route = self.route(name).filter(|_| grants.allow(name))?;
        match &route {
            Route::Own(tool, ..) if !self.profile.serves(tool.name) => None,
            _ => Some(route),
        }
    }

    /// Reports that no tool has this name, with the nearest name.
    pub(crate) fn unknown_tool(&self, name: &str, grants: &ToolGrants) -> Failure {
        let unknown = Failure::new(Kind::NotFound, format!("there is no tool \"{name}\""));
        if !grants.allow(name) && self.route(name).is_some() {
            return unknown.hint("this caller may not use it; tools/list names the tools it may");
        }
        if self.owns(name) || legacy::replacement(name).is_some() {
            let message = format!("the profile in use has no tool \"{name}\"");
            return Failure::new(Kind::NotFound, message).hint(Profile::advice(name));
        }
        let disabled = self
            .skills
            .as_ref()
            .and_then(|skills| skills.disabled(name));
        if let Some(disabled) = disabled {
            return disabled;
        }
        let served = self.by_name.keys().copied();
        let served = served.filter(|name| self.profile.serves(name) && grants.allow(name));
        let question = did_you_mean(name, served);
        unknown.hint(question.unwrap_or_else(|| "tools/list names the tools".to_owned()))
    }

    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, CallError> {
        self.call_when(std::future::ready(()), name, arguments, context)
            .await
    }

    /// Like [`Dispatch::call`], but after getting its permit the call waits for
    /// `ready`: back-pressure from a client that does not read its results.
    pub(crate) async fn call_when(
        &self,
        ready: impl Future<Output = ()>,
        name: &str,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, CallError> {
        let grants = &context.caller.grants.tools;
        self.await_tool(name, grants).await;
        let Some(route) = self.client_route(name, grants) else {
            let unknown = self.unknown_tool(name, grants);
            return Err(refused(metrics::Tool::Other, unknown));
        };
        let label = route.label();
        let cancel = context.cancel.clone();
        let timeout = route.timeout();
        let deadline = Instant::now() + timeout;
        let waits_since = std::time::Instant::now();
        let permit = async {
            let permit = self.permits.acquire().await;
            ready.await;
            permit
        };
        let permit = tokio::select! {
            biased;
            permit = permit => permit.map_err(Failure::internal),
            () = cancel.cancelled() => Err(cancelled()),
            () = tokio::time::sleep_until(deadline) => Err(timed_out(name, timeout)),
        };
        metrics::WAIT.since((), waits_since);
        let _permit = permit.map_err(|failure| refused(label, failure))?;
        let _running = metrics::RUNNING.hold(());
        run(route, deadline, name, arguments, context).await
    }

    /// A call on behalf of a call that already holds a permit, such as a
    /// procedure's step. It takes no second permit, which could deadlock many
    /// procedures. The grants restrict it, the profile does not.
    pub(crate) async fn call_within(
        &self,
        name: &str,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, CallError> {
        let grants = &context.caller.grants.tools;
        // A step that names a skill's tool needs a grant for that tool alone.
        let granted = match name {
            "skill_call" => arguments["tool"].as_str().unwrap_or(name),
            name => name,
        };
        let route = self.route(name).filter(|_| grants.allow(granted));
        let Some(route) = route else {
            let unknown = self.unknown_tool(granted, grants);
            return Err(refused(metrics::Tool::Other, unknown));
        };
        let deadline = Instant::now() + route.timeout();
        run(route, deadline, name, arguments, context).await
    }
}

/// Counts a call that did not reach its tool.
fn refused(label: metrics::Tool, failure: Failure) -> CallError {
    metrics::ended(label, failure.kind.into());
    failure.into()
}

async fn run(
    route: Route<'_>,
    deadline: Instant,
    name: &str,
    arguments: Value,
    context: Context,
) -> Result<Reply, CallError> {
    let (label, started) = (route.label(), std::time::Instant::now());
    let result = guarded(route, deadline, name, arguments, context).await;
    metrics::SECONDS.since(label, started);
    metrics::ended(label, Outcome::of(&result));
    result
}

async fn guarded(
    route: Route<'_>,
    deadline: Instant,
    name: &str,
    arguments: Value,
    mut context: Context,
) -> Result<Reply, CallError> {
    let cancel = context.cancel.clone();
    let stop = cancel.child_token();
    context.cancel = stop.clone();
    context.deadline = deadline;
    let timeout = route.timeout();
    // The handler's own code up to its first await may panic as well.
    let started = std::panic::catch_unwind(AssertUnwindSafe(|| route.start(arguments, context)));
    let mut reply = match started {
        Ok(reply) => AssertUnwindSafe(reply?).catch_unwind(),
        Err(panic) => return Err(panicked(name, &*panic)),
    };
    let reason = tokio::select! {
        biased;
        reply = &mut reply => return finish(name, reply),
        () = cancel.cancelled() => cancelled(),
        () = tokio::time::sleep_until(deadline) => timed_out(name, timeout),
    };
    cancel_and_wait(name, &stop, reply, reason).await
}

/// Cancels a handler and waits briefly for its end: work that it has committed by
/// then is reported as done, not as timed out.
async fn cancel_and_wait(
    name: &str,
    stop: &CancellationToken,
    reply: futures::future::CatchUnwind<AssertUnwindSafe<ReplyFuture>>,
    reason: Failure,
) -> Result<Reply, CallError> {
    stop.cancel();
    let moment = Duration::from_millis(CALL_STOP_MILLIS_MAX);
    match tokio::time::timeout(moment, reply).await {
        Ok(Ok(Ok(reply))) => Ok(reply),
        Ok(Err(panic)) => finish(name, Err(panic)),
        // Its own error only reports the cancellation.
        Ok(Ok(Err(_))) | Err(_) => Err(reason.into()),
    }
}

fn timed_out(name: &str, timeout: Duration) -> Failure {
    let message = format!(
        "{name} was not done within {} s and was stopped",
        timeout.as_secs()
    );
    Failure::new(Kind::Timeout, message).hint("ask for less at once, or try again later")
}

fn cancelled() -> Failure {
    Failure::new(Kind::Cancelled, "the request was cancelled")
}

fn finish(
    name: &str,
    reply: Result<Result<Reply, CallError>, Box<dyn Any + Send>>,
) -> Result<Reply, CallError> {
    let reply = reply.unwrap_or_else(|panic| Err(panicked(name, &*panic)));
    if let Err(CallError::Gateway(failure)) = &reply
        && failure.kind == Kind::Internal
    {
        let source = std::error::Error::source(failure).map(ToString::to_string);
        tracing::error!(tool = name, source, "{failure}");
    }
    reply
}

fn panicked(name: &str, panic: &(dyn Any + Send)) -> CallError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    tracing::error!(tool = name, panic = text, "a handler panicked");
    CallError::Panicked
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
