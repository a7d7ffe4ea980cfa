//! Owns the table and the children. Every event goes through [`Core::feed`],
//! which performs its effects under one lock that is never held across an await.

mod approval;
mod background;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use self::approval::{GatedLauncher, ToolApprovals};
use super::Parts;
use super::approvals::Approvals;
use super::list_cache::ListCache;
use super::pins::{FirstUse, Pins};
use super::table::{Call, Effect, Event, LeaseError, Millis, ReloadOutcome, Run, Table};
use super::tool_cache::{ToolCache, ToolList, ToolLists, fingerprint};
use crate::limits;
use crate::meter::skills as metrics;
use crate::skills::child::ChildLauncher;
use crate::skills::client::{DownstreamClient, SkillClient, Tool};
use crate::skills::job::{Job, JobEvent};
use crate::skills::spec::{SkillName, SkillSpec};
use crate::store::pins::FirstListing;

pub(super) use background::{run as run_background, save};

pub(super) struct Core {
    state: Mutex<State>,
    launcher: Arc<dyn ChildLauncher>,
    downstream: Arc<dyn DownstreamClient>,
    cache: Option<ToolCache>,
    approvals: Option<Approvals>,
    /// Held while the pins are read, so that callers wait for one read together.
    reading_pins: tokio::sync::Mutex<()>,
    /// Held while the caches are written.
    saving: tokio::sync::Mutex<()>,
    pub(super) list_cache: ListCache,
    first_use: FirstUse,
    began: Instant,
    /// Wakes the background task: a timer moved, or something is unsaved.
    wake: Notify,
    /// Counts the changes of the tool list.
    pub(super) changed: watch::Sender<u64>,
    /// Children that have not ended.
    pub(super) runs_left: watch::Sender<usize>,
}

struct State {
    table: Table,
    children: HashMap<Run, RunningChild>,
    waiting: HashMap<Call, oneshot::Sender<LeaseResult>>,
    reload: Option<oneshot::Sender<ReloadOutcome>>,
    /// The approvals of the tools on offer.
    judged: BTreeMap<SkillName, ToolApprovals>,
    /// `None` until they have been read.
    pins: Option<Pins>,
    /// The digest of the offers at the last announcement.
    announced: u64,
    /// Entries seen for the first time, which the store lacks.
    trusted: Vec<FirstListing>,
    lists: ToolLists,
    /// Lists that the cache file lacks.
    new_lists: Vec<ToolList>,
    /// The end of what the last run of each skill wrote to stderr.
    stderr_tails: BTreeMap<SkillName, String>,
    calls: u64,
    unsaved: bool,
}

struct RunningChild {
    spec: Arc<SkillSpec>,
    job: Job,
    /// Its client and its process id, once it is ready.
    ready: Option<(SkillClient, u32)>,
}

type LeaseResult = Result<SkillClient, LeaseError>;

/// A call's right to use a run; dropping it gives the right back.
pub(super) struct Lease {
    core: Arc<Core>,
    call: Call,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.core.state();
        state.waiting.remove(&self.call);
        self.core.step(&mut state, Event::Ended(self.call));
    }
}

impl Core {
    pub(super) fn new(parts: Parts) -> Arc<Core> {
        let Parts {
            launcher,
            downstream,
            cache,
            approvals,
            first_use,
        } = parts;
        let state = State {
            table: Table::default(),
            children: HashMap::new(),
            waiting: HashMap::new(),
            reload: None,
            judged: BTreeMap::new(),
            pins: approvals.is_none().then(Pins::default),
            announced: 0,
            trusted: Vec::new(),
            lists: cache.as_ref().map(ToolCache::lists).unwrap_or_default(),
            new_lists: Vec::new(),
            stderr_tails: BTreeMap::new(),
            calls: 0,
            unsaved: false,
        };
        Arc::new(Core {
            state: Mutex::new(state),
            launcher,
            downstream,
            approvals,
            reading_pins: tokio::sync::Mutex::default(),
            saving: tokio::sync::Mutex::default(),
            list_cache: ListCache::load(cache.as_ref().map(ToolCache::offers_file)),
            cache,
            first_use,
            began: Instant::now(),
            wake: Notify::new(),
            changed: watch::Sender::new(0),
            runs_left: watch::Sender::new(0),
        })
    }

    /// Takes in an event and performs its effects.
    pub(super) fn handle(self: &Arc<Self>, event: Event) {
        self.step(&mut self.state(), event);
    }

    /// The tools that this skill had in an earlier run.
    pub(super) fn known_tools(&self, spec: &SkillSpec) -> Option<Arc<[Tool]>> {
        self.state().lists.get(&fingerprint(spec)).cloned()
    }

    /// How long one call may take, as the skill's manifest entry says.
    pub(super) fn call_timeout(&self, skill: &SkillName) -> Option<Duration> {
        let state = self.state();
        let skill = state.table.skills().get(skill)?;
        Some(skill.spec.timeouts.call)
    }

    /// A lease, granted or refused through the receiver.
    pub(super) fn lease(
        self: &Arc<Self>,
        skill: &SkillName,
        deadline: Instant,
    ) -> (Lease, oneshot::Receiver<LeaseResult>) {
        let (grant, granted) = oneshot::channel();
        let mut state = self.state();
        state.calls += 1;
        let call = Call(state.calls);
        state.waiting.insert(call, grant);
        let deadline = self.millis(deadline);
        self.step(&mut state, Event::Call(call, skill.clone(), deadline));
        drop(state);
        let core = self.clone();
        (Lease { core, call }, granted)
    }

    /// Begins a reload; `None` where one is under way.
    pub(super) fn begin_reload(
        self: &Arc<Self>,
        specs: Vec<SkillSpec>,
    ) -> Option<oneshot::Receiver<ReloadOutcome>> {
        let known = |spec: SkillSpec| {
            let tools = self.known_tools(&spec);
            (Arc::new(spec), tools)
        };
        let specs = specs.into_iter().map(known).collect();
        let (done, outcome) = oneshot::channel();
        let mut state = self.state();
        if state.reload.is_some() {
            return None;
        }
        state.reload = Some(done);
        self.step(&mut state, Event::Reload(specs));
        Some(outcome)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug, but the other skills carry on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> Millis {
        let since = at.saturating_duration_since(self.began).as_millis();
        Millis::try_from(since).unwrap_or(Millis::MAX)
    }

    fn step(self: &Arc<Self>, state: &mut State, event: Event) {
        let is_call = matches!(event, Event::Call(..) | Event::Ended(_));
        let is_tick = matches!(event, Event::Tick);
        let effects = state.table.step(self.millis(Instant::now()), event);
        let mut wake = false;
        for effect in effects {
            // An immediate grant, which nearly every call gets, moves no timer.
            wake |= !matches!(effect, Effect::Grant(..));
            if let (true, Effect::Start(_, spec)) = (is_tick, &effect) {
                metrics::restarted(spec.name.as_str());
            }
            self.perform(state, effect);
        }
        // A call that only got or returned a lease changed no skill's state.
        if wake || !is_call {
            state.meter();
        }
        if wake || !state.waiting.is_empty() {
            self.wake.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, state: &mut State, effect: Effect) {
        match effect {
            Effect::Start(run, spec) => self.start_child(state, run, spec),
            Effect::Stop(run) => {
                if let Some(child) = state.children.get(&run) {
                    child.job.stop();
                }
            }
            Effect::Grant(call, run) => {
                let ready = state
                    .children
                    .get(&run)
                    .and_then(|child| child.ready.as_ref());
                let client = ready.map(|(client, _)| client.clone());
                state.answer_waiting(call, client.ok_or(LeaseError::Closing));
            }
            Effect::Refuse(call, why) => state.answer_waiting(call, Err(why)),
            Effect::Changed => {
                state.judge(self.first_use);
                state.allow_questions();
                state.meter();
                // An unchanged list is not announced again.
                let offered = state.digest_of_offers();
                if std::mem::replace(&mut state.announced, offered) != offered {
                    self.changed.send_modify(|count| *count += 1);
                }
            }
            Effect::Reloaded(outcome) => {
                let skills = state.table.skills();
                state
                    .stderr_tails
                    .retain(|name, _| skills.contains_key(name));
                // The requester may be gone; the reload is done all the same.
                let _ = state.reload.take().map(|done| done.send(outcome));
            }
            Effect::ReloadRefused => state.reload = None,
        }
    }

    fn start_child(self: &Arc<Self>, state: &mut State, run: Run, spec: Arc<SkillSpec>) {
        let core = Arc::downgrade(self);
        let launcher: Arc<dyn ChildLauncher> = Arc::new(GatedLauncher::new(self));
        let on_event = {
            let spec = spec.clone();
            move |event| {
                if let Some(core) = core.upgrade() {
                    core.on_job_event(run, &spec, event);
                }
            }
        };
        let job = Job::start(spec.clone(), &launcher, self.downstream.clone(), on_event);
        let ready = None;
        state
            .children
            .insert(run, RunningChild { spec, job, ready });
        self.runs_left.send_replace(state.children.len());
    }

    fn on_job_event(self: &Arc<Self>, run: Run, spec: &SkillSpec, event: JobEvent) {
        let mut guard = self.state();
        let state = &mut *guard;
        match event {
            JobEvent::Listed {
                client,
                pid,
                server,
                tools,
            } => {
                let child = state.children.entry(run);
                child.and_modify(|child| child.ready = Some((client, pid)));
                let capabilities = server.result["capabilities"].as_object().cloned();
                let capabilities = capabilities.unwrap_or_default();
                state.unsaved |= self.list_cache.set_server(
                    fingerprint(spec),
                    &capabilities,
                    &server.instructions(),
                );
                self.listed(state, run, spec, tools);
            }
            JobEvent::Relisted(tools) => self.listed(state, run, spec, tools),
            JobEvent::Ended(why) => {
                tracing::info!(skill = %spec.name, why, "a skill has ended");
                if let Some(child) = state.children.remove(&run) {
                    let tail = child.job.stderr_tail();
                    state.stderr_tails.insert(spec.name.clone(), tail);
                }
                self.step(state, Event::Exited(run, why));
                self.wake.notify_one();
                self.runs_left.send_replace(state.children.len());
            }
        }
    }

    fn listed(self: &Arc<Self>, state: &mut State, run: Run, spec: &SkillSpec, tools: Arc<[Tool]>) {
        state.remember_list(spec, &tools);
        self.step(state, Event::Listed(run, tools));
        // A new run of a known list changes nothing else.
        state.allow_questions();
    }
}

impl State {
    /// Keeps a tool list for the next run, and drops those of skills that are
    /// gone once there are too many.
    fn remember_list(&mut self, spec: &SkillSpec, tools: &Arc<[Tool]>) {
        if self.lists.len() >= limits::SKILLS_MAX {
            let current = self.table.skills().values();
            let current: BTreeSet<String> = current.map(|skill| fingerprint(&skill.spec)).collect();
            self.lists.retain(|key, _| current.contains(key));
        }
        let list = ToolList {
            fingerprint: fingerprint(spec),
            skill: spec.name.clone(),
            identity: spec.identity.clone(),
            tools: tools.clone(),
        };
        self.lists.insert(list.fingerprint.clone(), tools.clone());
        self.new_lists
            .retain(|old| old.fingerprint != list.fingerprint);
        self.new_lists.push(list);
        self.unsaved = true;
    }

    /// Equal while the tools on offer, their approval and their exposure are.
    fn digest_of_offers(&self) -> u64 {
        let mut digest = DefaultHasher::new();
        for (name, skill) in self.table.skills() {
            let approvals = self.judged.get(name).map(|judged| &judged.approvals);
            for tool in skill.tools.iter().flat_map(|tools| tools.iter()) {
                let approval = approvals.and_then(|approvals| approvals.get(&tool.name));
                let exposure = skill.spec.expose.name();
                (name.as_str(), exposure, tool.raw.get()).hash(&mut digest);
                format!("{approval:?}").hash(&mut digest);
            }
        }
        digest.finish()
    }

    fn answer_waiting(&mut self, call: Call, result: LeaseResult) {
        if let Some(waiting) = self.waiting.remove(&call) {
            // A caller that has gone gives its lease back by dropping it.
            let _ = waiting.send(result);
        }
    }
}
