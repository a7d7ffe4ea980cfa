//! The owner of table and children: every event goes through [`Core::feed`],
//! which performs the effects before anyone else gets a look.

mod background;
mod lists;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::files::{Files, Fresh, Lists, fingerprint};
use super::list_cache::ListCache;
use super::table::{Call, Effect, Event, LeaseError, Millis, ReloadOutcome, Run, Table};
use super::{OfferedTool, Parts, PendingApproval, SkillStatus};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::skills::child::ChildLauncher;
use crate::skills::client::{DownstreamClient, SkillClient, Tool};
use crate::skills::job::{Job, JobEvent};
use crate::skills::pins::{ApprovalState, FirstUse, Pins};
use crate::skills::spec::{SkillName, SkillSpec};

pub use background::run as keep_saved;

/// The owner.
pub struct Core {
    state: Mutex<State>,
    launch: Arc<dyn ChildLauncher>,
    downstream: Arc<dyn DownstreamClient>,
    files: Option<Files>,
    /// What skills offer beside tools.
    pub offers: ListCache,
    first_use: FirstUse,
    began: Instant,
    /// There may be another time to wake up at, or something to save.
    wake: Notify,
    /// Counts the changes of the tool list.
    pub changed: watch::Sender<u64>,
    /// Children that are not over.
    pub runs_left: watch::Sender<usize>,
}

struct State {
    table: Table,
    children: HashMap<Run, Running>,
    waiting: HashMap<Call, oneshot::Sender<Granted>>,
    reload: Option<oneshot::Sender<ReloadOutcome>>,
    /// Of the tools that are on offer now.
    approvals: BTreeMap<SkillName, Judged>,
    pins: Pins,
    /// The pins as the file had them the last time.
    pins_saved: Pins,
    lists: Lists,
    /// Those that the file does not have yet.
    fresh: Vec<Fresh>,
    /// What the last run of each skill left on stderr.
    tails: BTreeMap<SkillName, String>,
    calls: u64,
    unsaved: bool,
}

struct Judged {
    tools: Arc<[Tool]>,
    approvals: BTreeMap<String, ApprovalState>,
}

struct Running {
    spec: Arc<SkillSpec>,
    job: Job,
    /// The way to it and its process, once it is ready.
    ready: Option<(SkillClient, u32)>,
}

type Granted = Result<SkillClient, LeaseError>;

/// A call's right to a run; dropping it gives it back.
pub struct Lease {
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
    /// An owner of nothing yet.
    pub fn new(parts: Parts) -> Result<Arc<Core>, Failure> {
        let files = parts.files;
        let pins = files.as_ref().map_or(Ok(Pins::default()), Files::pins);
        let pins = pins.map_err(background::unreadable)?;
        let state = State {
            table: Table::default(),
            children: HashMap::new(),
            waiting: HashMap::new(),
            reload: None,
            approvals: BTreeMap::new(),
            pins_saved: pins.clone(),
            pins,
            lists: files.as_ref().map(Files::lists).unwrap_or_default(),
            fresh: Vec::new(),
            tails: BTreeMap::new(),
            calls: 0,
            unsaved: false,
        };
        Ok(Arc::new(Core {
            state: Mutex::new(state),
            launch: parts.launch,
            downstream: parts.downstream,
            offers: ListCache::load(files.as_ref().map(Files::offers)),
            files,
            first_use: parts.first_use,
            began: Instant::now(),
            wake: Notify::new(),
            changed: watch::Sender::new(0),
            runs_left: watch::Sender::new(0),
        }))
    }

    /// Takes an event in and performs what follows from it.
    pub fn feed(self: &Arc<Self>, event: Event) {
        self.step(&mut self.state(), event);
    }

    /// The tools this skill had in an earlier run.
    pub fn known_tools(&self, spec: &SkillSpec) -> Option<Arc<[Tool]>> {
        self.state().lists.get(&fingerprint(spec)).cloned()
    }

    /// How long one call to the skill may take, as its entry says.
    pub fn patience(&self, skill: &SkillName) -> Option<Duration> {
        let state = self.state();
        let skill = state.table.skills().get(skill)?;
        Some(skill.spec.timeouts.call)
    }

    /// A lease, granted or refused through the receiver.
    pub fn lease(
        core: &Arc<Core>,
        skill: &SkillName,
        deadline: Instant,
    ) -> (Lease, oneshot::Receiver<Granted>) {
        let (grant, granted) = oneshot::channel();
        let mut state = core.state();
        state.calls += 1;
        let call = Call(state.calls);
        state.waiting.insert(call, grant);
        let deadline = core.millis(deadline);
        core.step(&mut state, Event::Call(call, skill.clone(), deadline));
        drop(state);
        let core = core.clone();
        (Lease { core, call }, granted)
    }

    /// Begins a reload; `None` if one is under way.
    pub fn begin_reload(
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

    /// Refuses a tool that is not there or not approved.
    pub fn may_call(&self, skill: &SkillName, tool: &str) -> Result<(), Failure> {
        let state = self.state();
        match state
            .approvals
            .get(skill)
            .and_then(|judged| judged.approvals.get(tool))
        {
            Some(ApprovalState::Approved) => Ok(()),
            Some(ApprovalState::New | ApprovalState::Changed(_)) => Err(Failure::new(
                Kind::Refused,
                format!("the tool {tool} of {skill} is not what was approved"),
            )
            .hint(format!("`mimo skill approve {skill}` shows the difference"))),
            None => Err(Failure::new(
                Kind::NotFound,
                format!("the skill {skill} has no tool \"{tool}\""),
            )
            .hint("skill_find names its tools")),
        }
    }

    /// Pins a tool as it is now.
    pub fn approve(self: &Arc<Self>, skill: &SkillName, name: &str) -> Result<(), Failure> {
        let mut state = self.state();
        let tools = state
            .table
            .skills()
            .get(skill)
            .and_then(|skill| skill.tools.clone());
        let tools = tools.unwrap_or_default();
        let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
            let message = format!("the skill {skill} offers no tool \"{name}\" now");
            return Err(Failure::new(Kind::NotFound, message));
        };
        state.pins.approve(skill, tool);
        state.approvals.remove(skill);
        self.perform(&mut state, Effect::Changed);
        self.wake.notify_one();
        Ok(())
    }

    /// All tools on offer.
    pub fn offers(&self) -> Vec<OfferedTool> {
        let state = self.state();
        let mut offers = Vec::new();
        for (name, skill) in state.table.skills() {
            let approvals = state.approvals.get(name);
            for tool in skill.tools.iter().flat_map(|tools| tools.iter()) {
                let approval = approvals.and_then(|judged| judged.approvals.get(&tool.name));
                offers.push(OfferedTool {
                    skill: name.clone(),
                    tool: tool.clone(),
                    approval: approval.cloned().unwrap_or(ApprovalState::New),
                    expose: skill.spec.expose,
                });
            }
        }
        offers
    }

    /// The tools on offer that wait for a person.
    pub fn pending(&self) -> Vec<PendingApproval> {
        let why = |offer: OfferedTool| {
            let why = match offer.approval {
                ApprovalState::Approved => return None,
                ApprovalState::New => "nobody has approved it yet",
                ApprovalState::Changed(_) => "it is not what was approved any more",
            };
            Some(PendingApproval {
                skill: offer.skill,
                tool: offer.tool.name,
                why,
            })
        };
        self.offers().into_iter().filter_map(why).collect()
    }

    /// How each skill is.
    pub fn statuses(&self) -> Vec<SkillStatus> {
        let state = self.state();
        let status = |(name, skill): (&SkillName, &super::table::Skill)| {
            let child = skill.state.run().and_then(|run| state.children.get(&run));
            let ready = child.and_then(|child| child.ready.as_ref());
            let tail = child.map(|child| child.job.stderr_tail());
            SkillStatus {
                name: name.clone(),
                state: skill.state.name(),
                pid: ready.map(|(_, pid)| *pid),
                tools: skill.tools.as_ref().map_or(0, |tools| tools.len()),
                restarts: skill.restarts,
                ended: skill.ended.clone(),
                stderr_tail: tail
                    .filter(|tail| !tail.is_empty())
                    .or_else(|| state.tails.get(name).cloned())
                    .unwrap_or_default(),
                faults: ready.map_or(0, |(link, _)| faults(link)),
            }
        };
        state.table.skills().iter().map(status).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock would be a defect; the others go on all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> Millis {
        let since = at.saturating_duration_since(self.began).as_millis();
        Millis::try_from(since).unwrap_or(Millis::MAX)
    }

    fn step(self: &Arc<Self>, state: &mut State, event: Event) {
        let effects = state.table.step(self.millis(Instant::now()), event);
        let mut wake = false;
        for effect in effects {
            // An immediate grant, which nearly every call gets, moves no timer.
            wake |= !matches!(effect, Effect::Grant(..));
            self.perform(state, effect);
        }
        if wake || !state.waiting.is_empty() {
            self.wake.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, state: &mut State, effect: Effect) {
        match effect {
            Effect::Start(run, spec) => self.begin(state, run, spec),
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
                let granted = ready
                    .map(|(link, _)| link.clone())
                    .ok_or(LeaseError::Closing);
                state.settle(call, granted);
            }
            Effect::Refuse(call, why) => state.settle(call, Err(why)),
            Effect::Changed => {
                state.judge(self.first_use);
                self.changed.send_modify(|count| *count += 1);
            }
            Effect::Reloaded(outcome) => {
                let skills = state.table.skills();
                state.tails.retain(|name, _| skills.contains_key(name));
                // Another process may have approved something meanwhile.
                state.unsaved = true;
                if let Some(done) = state.reload.take() {
                    // Whoever asked may have gone; it is done all the same.
                    let _ = done.send(outcome);
                }
            }
            Effect::ReloadRefused => state.reload = None,
        }
    }

    fn begin(self: &Arc<Self>, state: &mut State, run: Run, spec: Arc<SkillSpec>) {
        let core = Arc::downgrade(self);
        let job = Job::start(
            spec.clone(),
            &self.launch,
            self.downstream.clone(),
            move |said| {
                if let Some(core) = core.upgrade() {
                    core.hear(run, said);
                }
            },
        );
        let ready = None;
        state.children.insert(run, Running { spec, job, ready });
        self.runs_left.send_replace(state.children.len());
    }

    fn hear(self: &Arc<Self>, run: Run, said: JobEvent) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(child) = state.children.get_mut(&run) else {
            return;
        };
        let spec = child.spec.clone();
        match said {
            JobEvent::Listed {
                link,
                pid,
                hello,
                tools,
            } => {
                child.ready = Some((link, pid));
                let capabilities = hello.result["capabilities"].as_object().cloned();
                let capabilities = capabilities.unwrap_or_default();
                state.unsaved |= self.offers.introduced(fingerprint(&spec), &capabilities);
                self.listed(state, run, &spec, tools);
            }
            JobEvent::Relisted(tools) => self.listed(state, run, &spec, tools),
            JobEvent::Ended(why) => {
                tracing::info!(skill = %spec.name, why, "a skill has ended");
                state
                    .tails
                    .insert(spec.name.clone(), child.job.stderr_tail());
                state.children.remove(&run);
                self.step(state, Event::Exited(run, why));
                self.wake.notify_one();
                self.runs_left.send_replace(state.children.len());
            }
        }
    }

    fn listed(self: &Arc<Self>, state: &mut State, run: Run, spec: &SkillSpec, tools: Arc<[Tool]>) {
        state.remember(spec, &tools);
        self.step(state, Event::Listed(run, tools));
    }
}

impl State {
    /// Judges the tools on offer, where they are not those judged before.
    fn judge(&mut self, first: FirstUse) {
        let mut before = std::mem::take(&mut self.approvals);
        for (name, skill) in self.table.skills() {
            let Some(tools) = &skill.tools else {
                continue;
            };
            let same = |judged: &Judged| Arc::ptr_eq(&judged.tools, tools);
            let judged = before.remove(name).filter(same).unwrap_or_else(|| {
                self.unsaved = true;
                Judged {
                    tools: tools.clone(),
                    approvals: self.pins.judge(name, tools, first),
                }
            });
            self.approvals.insert(name.clone(), judged);
        }
    }

    /// Keeps a tool list for the next run; those of skills that are not here
    /// any more go when there are too many.
    fn remember(&mut self, spec: &SkillSpec, tools: &Arc<[Tool]>) {
        if self.lists.len() >= limits::SKILLS_MAX {
            let here = self.table.skills().values();
            let here: BTreeSet<String> = here.map(|skill| fingerprint(&skill.spec)).collect();
            self.lists.retain(|key, _| here.contains(key));
        }
        let fresh = Fresh {
            fingerprint: fingerprint(spec),
            skill: spec.name.clone(),
            tools: tools.clone(),
        };
        self.lists.insert(fresh.fingerprint.clone(), tools.clone());
        self.fresh
            .retain(|old| old.fingerprint != fresh.fingerprint);
        self.fresh.push(fresh);
        self.unsaved = true;
    }

    fn settle(&mut self, call: Call, granted: Granted) {
        if let Some(waiting) = self.waiting.remove(&call) {
            // A caller that has gone gives its lease back by itself.
            let _ = waiting.send(granted);
        }
    }
}

fn faults(link: &SkillClient) -> u64 {
    let faults = link.faults();
    [
        &faults.junk,
        &faults.oversize,
        &faults.stray,
        &faults.unanswered,
    ]
    .into_iter()
    .map(|count| count.load(Ordering::Relaxed))
    .sum()
}
