//! The door every call goes through, whoever makes it: a permit, a deadline,
//! cancellation, an unwind guard and the way to the tool by name. It answers
//! exactly once and knows neither a wire nor what the tools do.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits::{CALL_STOP_MILLIS_MAX, CALLS_RUNNING_MAX};
use crate::registry::UpstreamError;
use crate::tools::profile::Profile;
use crate::tools::schema::{Schema, nearest};
use crate::tools::skills::{self, Exposed, Load, Skills, Target};
use crate::tools::{Answer, Context, Reply, Tool, legacy};

/// The tools by name, and what bounds their calls.
pub struct Dispatch {
    tools: Vec<(Tool, Schema)>,
    by_name: HashMap<&'static str, usize>,
    /// Which of them clients see and may call.
    profile: Profile,
    /// The tools of skills, by their own names.
    skills: Option<Arc<Skills>>,
    running: Semaphore,
    clock: Arc<dyn Clock>,
}

/// Where a name leads.
enum Route<'a> {
    Own(&'a Tool, &'a Schema),
    Skill(Arc<Skills>, Target),
}

impl Route<'_> {
    fn patience(&self) -> Duration {
        match self {
            Route::Own(tool, _) => tool.patience,
            Route::Skill(..) => skills::PATIENCE,
        }
    }

    /// The answer that is on its way, unless the arguments are refused.
    fn begin(self, arguments: Value, context: Context) -> Result<Answer, Failure> {
        match self {
            Route::Own(tool, schema) => Ok((tool.handler)(schema.check(arguments)?, context)),
            Route::Skill(skills, target) => Ok(Box::pin(skills.call(target, arguments, context))),
        }
    }
}

/// The source of the failure that a panicking handler leaves: the wire answers
/// it as a protocol error, see [`Dispatch::panicked`].
#[derive(Debug)]
pub struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a handler panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

impl Dispatch {
    /// A door to these tools, no two of one name, and to those of `skills`.
    pub fn new(tools: Vec<Tool>, skills: Option<Arc<Skills>>, clock: Arc<dyn Clock>) -> Dispatch {
        let tools: Vec<(Tool, Schema)> = tools
            .into_iter()
            .map(|tool| {
                let schema = Schema::new(tool.name, tool.definition);
                (tool, schema)
            })
            .collect();
        let names = tools.iter().enumerate();
        let by_name: HashMap<_, _> = names.map(|(at, (tool, _))| (tool.name, at)).collect();
        assert_eq!(by_name.len(), tools.len(), "two tools of one name");
        Dispatch {
            tools,
            by_name,
            profile: Profile::default(),
            skills,
            running: Semaphore::new(CALLS_RUNNING_MAX),
            clock,
        }
    }

    /// The same door, where clients are served this profile.
    pub fn with_profile(self, profile: Profile) -> Dispatch {
        Dispatch { profile, ..self }
    }

    /// All tools, in the order they are listed, those too that the profile
    /// leaves out.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().map(|(tool, _)| tool)
    }

    /// Whether a client's call of this name leads anywhere now.
    pub fn knows(&self, name: &str) -> bool {
        self.served(name).is_some()
    }

    /// Whether this is the name of a tool of ours.
    pub fn owns(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The tools of skills, where there are any.
    pub fn skills(&self) -> Option<&Arc<Skills>> {
        self.skills.as_ref()
    }

    /// Whether clients see our own tool of this name now.
    pub fn shows(&self, name: &str) -> bool {
        self.owns(name) && self.profile.lists(name, self.has_skills())
    }

    fn has_skills(&self) -> bool {
        self.skills.as_ref().is_some_and(|skills| skills.any())
    }

    /// The definitions that clients see, each on one line: those of our own
    /// tools, then those of `exposed` that are shown by name beside them.
    pub fn listed(&self, exposed: Option<&Exposed>) -> Vec<Arc<RawValue>> {
        let skills = self.has_skills();
        let own = self
            .tools()
            .filter(|tool| self.profile.lists(tool.name, skills))
            .map(|tool| one_line(tool.definition));
        let mut listed: Vec<Arc<RawValue>> = own.flatten().map(Arc::from).collect();
        let load = Load {
            tools: listed.len(),
            bytes: listed.iter().map(|definition| definition.get().len()).sum(),
        };
        listed.extend(exposed.into_iter().flat_map(|exposed| exposed.direct(load)));
        listed
    }

    fn route(&self, name: &str) -> Option<Route<'_>> {
        if let Some(at) = self.by_name.get(name) {
            let (tool, schema) = &self.tools[*at];
            return Some(Route::Own(tool, schema));
        }
        let skills = self.skills.as_ref()?;
        let target = skills.target(name)?;
        Some(Route::Skill(skills.clone(), target))
    }

    /// Where a client's call of this name leads. A profile chooses among our own
    /// tools only.
    fn served(&self, name: &str) -> Option<Route<'_>> {
        self.route(name).filter(|route| match route {
            Route::Own(tool, _) => self.profile.serves(tool.name),
            Route::Skill(..) => true,
        })
    }

    /// Where a caller gets time and ids from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// That there is no such tool, and which names come near.
    pub fn unknown(&self, name: &str) -> Failure {
        if self.owns(name) || legacy::successor(name).is_some() {
            let message = format!("the profile in use has no tool \"{name}\"");
            return Failure::new(Kind::NotFound, message).hint(Profile::advice(name));
        }
        let served = self.by_name.keys().copied();
        let near = nearest(name, served.filter(|name| self.profile.serves(name)));
        let failure = Failure::new(Kind::NotFound, format!("there is no tool \"{name}\""));
        if near.is_empty() {
            failure.hint("tools/list names the tools")
        } else {
            failure.hint(format!("did you mean {}?", near.join(" or ")))
        }
    }

    /// Whether this failure is what a panicking handler left.
    pub fn panicked(failure: &Failure) -> bool {
        std::error::Error::source(failure).is_some_and(|source| source.is::<Panicked>())
    }

    /// The JSON-RPC error of a skill that this failure was made of.
    pub fn theirs(failure: &Failure) -> Option<&RawValue> {
        let source = std::error::Error::source(failure)?;
        source
            .downcast_ref::<UpstreamError>()
            .map(|theirs| &*theirs.0)
    }

    /// The definition of the tool of this name.
    pub fn definition(&self, name: &str) -> Option<Value> {
        if let Some(at) = self.by_name.get(name).filter(|_| self.profile.serves(name)) {
            return serde_json::from_str(self.tools[*at].0.definition).ok();
        }
        let exposed = self.skills.as_ref()?.exposed();
        serde_json::from_str(exposed.find(name)?.tool.raw.get()).ok()
    }

    /// Calls a tool and waits for its answer.
    pub async fn call(
        &self,
        name: &str,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, Failure> {
        self.call_when(std::future::ready(()), name, arguments, context)
            .await
    }

    /// Like [`Dispatch::call`], but once it is this call's turn, it first waits
    /// for `room`: for a caller that can take no answer just now.
    pub async fn call_when(
        &self,
        room: impl Future<Output = ()>,
        name: &str,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, Failure> {
        let Some(route) = self.served(name) else {
            return Err(self.unknown(name));
        };
        let cancel = context.cancel.clone();
        let patience = route.patience();
        let end = Instant::now() + patience;
        let turn = async {
            let permit = self.running.acquire().await;
            room.await;
            permit
        };
        let _permit = tokio::select! {
            biased;
            permit = turn => permit.map_err(Failure::internal)?,
            () = cancel.cancelled() => return Err(cancelled()),
            () = tokio::time::sleep_until(end) => return Err(late(name, patience)),
        };
        run(route, end, name, arguments, context).await
    }

    /// A call on behalf of a call that already holds a permit, such as a
    /// procedure's step: were it to wait for a second one, enough procedures
    /// together would wait for each other. Every tool is within its reach,
    /// whatever the profile shows a client.
    pub async fn call_within(
        &self,
        name: &str,
        arguments: Value,
        context: Context,
    ) -> Result<Reply, Failure> {
        let Some(route) = self.route(name) else {
            return Err(self.unknown(name));
        };
        let end = Instant::now() + route.patience();
        run(route, end, name, arguments, context).await
    }
}

/// Performs a call, whose time is up at `end`.
async fn run(
    route: Route<'_>,
    end: Instant,
    name: &str,
    arguments: Value,
    mut context: Context,
) -> Result<Reply, Failure> {
    let cancel = context.cancel.clone();
    let stop = cancel.child_token();
    context.cancel = stop.clone();
    context.deadline = end;
    let patience = route.patience();
    // The handler's own code up to its first await may panic as well.
    let guarded = std::panic::catch_unwind(AssertUnwindSafe(|| route.begin(arguments, context)));
    let mut answer = match guarded {
        Ok(answer) => AssertUnwindSafe(answer?).catch_unwind(),
        Err(panic) => return Err(defect(name, &*panic)),
    };
    let why = tokio::select! {
        biased;
        answer = &mut answer => return settle(name, answer),
        () = cancel.cancelled() => cancelled(),
        () = tokio::time::sleep_until(end) => late(name, patience),
    };
    wind_up(name, &stop, answer, why).await
}

/// Tells a handler to end and gives it a moment to do so: what it has committed
/// by then is reported as done, not as timed out.
async fn wind_up(
    name: &str,
    stop: &CancellationToken,
    answer: futures::future::CatchUnwind<AssertUnwindSafe<Answer>>,
    why: Failure,
) -> Result<Reply, Failure> {
    stop.cancel();
    let moment = Duration::from_millis(CALL_STOP_MILLIS_MAX);
    match tokio::time::timeout(moment, answer).await {
        Ok(Ok(Ok(reply))) => Ok(reply),
        Ok(Err(panic)) => settle(name, Err(panic)),
        // Its own failure says no more than that it was told to stop.
        Ok(Ok(Err(_))) | Err(_) => Err(why),
    }
}

fn late(name: &str, patience: Duration) -> Failure {
    let message = format!(
        "{name} was not done within {} s and was stopped",
        patience.as_secs()
    );
    Failure::new(Kind::Timeout, message).hint("ask for less at once, or try again later")
}

/// A schema file without its line breaks and indentation.
fn one_line(definition: &str) -> Option<Box<RawValue>> {
    let value: Value = serde_json::from_str(definition).ok()?;
    to_raw_value(&value).ok()
}

fn cancelled() -> Failure {
    Failure::new(Kind::Cancelled, "the request was taken back")
}

fn settle(
    name: &str,
    answer: Result<Result<Reply, Failure>, Box<dyn Any + Send>>,
) -> Result<Reply, Failure> {
    match answer {
        Ok(Err(failure)) if failure.kind == Kind::Internal => {
            let source = std::error::Error::source(&failure).map(ToString::to_string);
            tracing::error!(tool = name, source, "{failure}");
            Err(failure)
        }
        Ok(answer) => answer,
        Err(panic) => Err(defect(name, &*panic)),
    }
}

fn defect(name: &str, panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    tracing::error!(tool = name, panic = text, "a handler panicked");
    Failure::internal(Panicked(text))
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
