//! The state machine of the registry: skills, their runs, and the calls that hold
//! leases on them. Pure: takes an event and the time, gives effects.

mod reload;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::limits;
use crate::skills::client::Tool;
use crate::skills::spec::{SkillName, SkillSpec};

pub(crate) use reload::ReloadOutcome;

/// Milliseconds since the registry started.
pub type Millis = u64;

/// Identifies one run of a child; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run(pub u64);

/// Identifies one call; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u64);

#[derive(Clone, Debug)]
pub enum State {
    /// Starts at its first call.
    Pending,
    /// Started, but its tools are not listed yet.
    Starting(Run),
    /// Ready for calls.
    Running { run: Run, since: Millis },
    /// It failed, and is started again later.
    Backoff { until: Millis },
    /// It failed so often that the circuit breaker is open.
    Broken { until: Millis },
    /// The registry is shutting down.
    Stopped,
}

#[derive(Clone, Debug)]
pub struct Skill {
    pub spec: Arc<SkillSpec>,
    pub state: State,
    /// The tools of its run, or, before the first run, those of an earlier process.
    /// `None` where they are unknown or were withdrawn with their run.
    pub tools: Option<Arc<[Tool]>>,
    pub(crate) restarts: u32,
    /// Why the last run ended.
    pub(crate) ended: Option<String>,
    failures: u32,
}

/// Why a call gets no lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseError {
    /// There is no such skill.
    Unknown,
    /// It does not run and will not before the call's deadline; why.
    Down(String),
    /// Too many calls wait for the skill.
    Crowded,
    /// The registry is being shut down.
    Closing,
    /// The deadline passed while the call waited.
    Late,
}

/// A skill of the next generation, and its tools where they are cached.
pub(crate) type NextSkill = (Arc<SkillSpec>, Option<Arc<[Tool]>>);

#[derive(Clone, Debug)]
pub enum Event {
    /// A skill, and its tools where they are cached.
    Register(Arc<SkillSpec>, Option<Arc<[Tool]>>),
    /// A run has listed its tools, for the first time or again.
    Listed(Run, Arc<[Tool]>),
    /// A run ended; why.
    Exited(Run, String),
    /// A call needs a lease before its deadline.
    Call(Call, SkillName, Millis),
    /// A call was answered, cancelled, or is late.
    Ended(Call),
    /// The skills of the next generation.
    Reload(Vec<NextSkill>),
    Tick,
    Shutdown,
}

#[derive(Clone, Debug)]
pub enum Effect {
    Start(Run, Arc<SkillSpec>),
    Stop(Run),
    Grant(Call, Run),
    Refuse(Call, LeaseError),
    /// The tool list changed.
    Changed,
    Reloaded(ReloadOutcome),
    /// A reload is under way already, or the registry is shutting down.
    ReloadRefused,
}

#[derive(Clone, Debug)]
enum CallState {
    Waiting { skill: SkillName, deadline: Millis },
    Leased { run: Run, deadline: Millis },
}

impl CallState {
    fn is_lease_on(&self, run: Run) -> bool {
        matches!(self, CallState::Leased { run: on, .. } if *on == run)
    }
}

#[derive(Debug, Default)]
pub struct Table {
    skills: BTreeMap<SkillName, Skill>,
    calls: HashMap<Call, CallState>,
    /// Runs that get no more calls, and the deadline of their open calls; `None`
    /// once they were told to stop.
    draining: BTreeMap<Run, Option<Millis>>,
    reload: Option<reload::Reload>,
    generation: u64,
    /// The number of runs so far.
    runs: u64,
    closing: bool,
}

impl Table {
    pub fn step(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Register(spec, tools) => self.register(spec, tools, &mut out),
            Event::Listed(run, tools) => self.listed(now, run, tools, &mut out),
            Event::Exited(run, why) => self.exited(now, run, why, &mut out),
            Event::Call(call, skill, deadline) => self.call(now, call, skill, deadline, &mut out),
            Event::Ended(call) => self.ended(call, &mut out),
            Event::Reload(specs) => self.begin_reload(specs, &mut out),
            Event::Tick => self.tick(now, &mut out),
            Event::Shutdown => self.shutdown(&mut out),
        }
        out
    }

    pub fn skills(&self) -> &BTreeMap<SkillName, Skill> {
        &self.skills
    }

    /// The number of completed reloads.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether the registry is shutting down.
    pub(crate) fn is_closed(&self) -> bool {
        self.closing
    }

    /// The runs that may still have a process.
    pub fn live_runs(&self) -> Vec<Run> {
        let front = self.skills.values().filter_map(|skill| skill.state.run());
        let incoming = self.reload.iter().flat_map(reload::Reload::runs);
        front
            .chain(incoming)
            .chain(self.draining.keys().copied())
            .collect()
    }

    /// When [`Event::Tick`] has something to do next.
    pub fn next_tick(&self) -> Option<Millis> {
        let skills = self.skills.values().filter_map(|skill| match skill.state {
            State::Backoff { until } | State::Broken { until } => Some(until),
            _ => None,
        });
        let calls = self.calls.values().filter_map(|state| match state {
            CallState::Waiting { deadline, .. } => Some(*deadline),
            CallState::Leased { .. } => None,
        });
        let draining = self.draining.values().filter_map(|until| *until);
        skills.chain(calls).chain(draining).min()
    }

    fn register(
        &mut self,
        spec: Arc<SkillSpec>,
        tools: Option<Arc<[Tool]>>,
        out: &mut Vec<Effect>,
    ) {
        if self.closing || self.skills.contains_key(&spec.name) {
            return;
        }
        let starts = spec.eager || tools.is_none();
        let mut skill = Skill::new(spec, tools);
        if starts {
            skill.start(&mut self.runs, out);
        }
        self.skills.insert(skill.spec.name.clone(), skill);
        out.push(Effect::Changed);
    }

    fn listed(&mut self, now: Millis, run: Run, tools: Arc<[Tool]>, out: &mut Vec<Effect>) {
        if self.incoming_listed(now, run, &tools, out) {
            return;
        }
        let behind = |skill: &&mut Skill| skill.state.run() == Some(run);
        let Some(skill) = self.skills.values_mut().find(behind) else {
            return;
        };
        if let State::Starting(_) = skill.state {
            skill.state = State::Running { run, since: now };
        }
        skill.tools = Some(tools);
        let name = skill.spec.name.clone();
        self.grant_waiting(&name, run, out);
        out.push(Effect::Changed);
    }

    fn grant_waiting(&mut self, name: &SkillName, run: Run, out: &mut Vec<Effect>) {
        for (call, deadline) in self.waiting_for(name) {
            self.grant(call, run, deadline, out);
        }
    }

    fn grant(&mut self, call: Call, run: Run, deadline: Millis, out: &mut Vec<Effect>) {
        self.calls.insert(call, CallState::Leased { run, deadline });
        out.push(Effect::Grant(call, run));
    }

    /// The calls that wait for a skill, oldest first, and their deadlines.
    fn waiting_for(&self, name: &SkillName) -> Vec<(Call, Millis)> {
        let waiting = self.calls.iter().filter_map(|(call, state)| match state {
            CallState::Waiting { skill, deadline } if skill == name => Some((*call, *deadline)),
            _ => None,
        });
        let mut waiting: Vec<(Call, Millis)> = waiting.collect();
        waiting.sort();
        waiting
    }

    fn refuse_waiting(&mut self, name: &SkillName, why: &LeaseError, out: &mut Vec<Effect>) {
        for (call, _) in self.waiting_for(name) {
            self.calls.remove(&call);
            out.push(Effect::Refuse(call, why.clone()));
        }
    }

    /// A run that ends loses its leases and tools in this step. The client has
    /// answered its calls by then.
    fn exited(&mut self, now: Millis, run: Run, why: String, out: &mut Vec<Effect>) {
        self.calls.retain(|_, state| !state.is_lease_on(run));
        if self.draining.remove(&run).is_some() || self.incoming_exited(now, run, &why, out) {
            return;
        }
        let behind = |skill: &&mut Skill| skill.state.run() == Some(run);
        let Some(skill) = self.skills.values_mut().find(behind) else {
            return;
        };
        skill.fail(now, why.clone());
        let name = skill.spec.name.clone();
        self.refuse_waiting(&name, &LeaseError::Down(why), out);
        out.push(Effect::Changed);
    }

    fn call(
        &mut self,
        now: Millis,
        call: Call,
        name: SkillName,
        deadline: Millis,
        out: &mut Vec<Effect>,
    ) {
        let refusal = match self.skills.get(&name) {
            _ if self.closing => LeaseError::Closing,
            None => LeaseError::Unknown,
            Some(skill) => match skill.state {
                State::Running { run, .. } => return self.grant(call, run, deadline, out),
                State::Broken { .. } | State::Stopped => skill.down(),
                State::Backoff { until } if until >= deadline => skill.down(),
                _ if deadline <= now => LeaseError::Late,
                _ if self.waiting_for(&name).len() >= limits::SKILL_WAITING_CALLS_MAX => {
                    LeaseError::Crowded
                }
                _ => return self.wait(call, name, deadline, out),
            },
        };
        out.push(Effect::Refuse(call, refusal));
    }

    fn wait(&mut self, call: Call, name: SkillName, deadline: Millis, out: &mut Vec<Effect>) {
        let is_pending = |skill: &&mut Skill| matches!(skill.state, State::Pending);
        if let Some(skill) = self.skills.get_mut(&name).filter(is_pending) {
            skill.start(&mut self.runs, out);
        }
        let skill = name;
        self.calls
            .insert(call, CallState::Waiting { skill, deadline });
    }

    fn ended(&mut self, call: Call, out: &mut Vec<Effect>) {
        if let Some(CallState::Leased { run, .. }) = self.calls.remove(&call) {
            self.stop_if_drained(run, out);
        }
    }

    /// Routes no more calls to `run`; it stops once its open calls have ended.
    fn drain(&mut self, run: Run, out: &mut Vec<Effect>) {
        let last = self.calls.values().filter_map(|state| match state {
            CallState::Leased { run: on, deadline } if *on == run => Some(*deadline),
            _ => None,
        });
        let until = last.max().unwrap_or_default() + limits::SKILL_DRAIN_MILLIS_MAX;
        self.draining.insert(run, Some(until));
        self.stop_if_drained(run, out);
    }

    fn stop_if_drained(&mut self, run: Run, out: &mut Vec<Effect>) {
        let draining = self.draining.get_mut(&run);
        if let Some(until) = draining.filter(|until| until.is_some())
            && !self.calls.values().any(|state| state.is_lease_on(run))
        {
            *until = None;
            out.push(Effect::Stop(run));
        }
    }

    fn tick(&mut self, now: Millis, out: &mut Vec<Effect>) {
        for (run, until) in &mut self.draining {
            if until.is_some_and(|until| until <= now) {
                *until = None;
                out.push(Effect::Stop(*run));
            }
        }
        let late = self.calls.iter().filter_map(|(call, state)| match state {
            CallState::Waiting { deadline, .. } if *deadline <= now => Some(*call),
            _ => None,
        });
        let mut late: Vec<Call> = late.collect();
        late.sort();
        for call in late {
            self.calls.remove(&call);
            out.push(Effect::Refuse(call, LeaseError::Late));
        }
        for skill in self.skills.values_mut() {
            if let State::Backoff { until } | State::Broken { until } = skill.state
                && until <= now
            {
                skill.restarts += 1;
                skill.start(&mut self.runs, out);
            }
        }
    }

    fn shutdown(&mut self, out: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        for run in self.live_runs() {
            if !matches!(self.draining.insert(run, None), Some(None)) {
                out.push(Effect::Stop(run));
            }
        }
        if self.reload.take().is_some() {
            out.push(Effect::ReloadRefused);
        }
        let names: Vec<SkillName> = self.skills.keys().cloned().collect();
        for name in names {
            self.refuse_waiting(&name, &LeaseError::Closing, out);
        }
        for skill in self.skills.values_mut() {
            (skill.state, skill.tools) = (State::Stopped, None);
        }
        out.push(Effect::Changed);
    }
}

impl State {
    pub fn run(&self) -> Option<Run> {
        match self {
            State::Starting(run) | State::Running { run, .. } => Some(*run),
            State::Pending | State::Backoff { .. } | State::Broken { .. } | State::Stopped => None,
        }
    }

    /// The word in `mimo_status`.
    pub fn name(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Starting(_) => "starting",
            State::Running { .. } => "running",
            State::Backoff { .. } => "restarting",
            State::Broken { .. } => "broken",
            State::Stopped => "stopped",
        }
    }
}

impl Skill {
    fn new(spec: Arc<SkillSpec>, tools: Option<Arc<[Tool]>>) -> Skill {
        Skill {
            spec,
            state: State::Pending,
            tools,
            restarts: 0,
            ended: None,
            failures: 0,
        }
    }

    fn start(&mut self, runs: &mut u64, out: &mut Vec<Effect>) {
        *runs += 1;
        let run = Run(*runs);
        self.state = State::Starting(run);
        out.push(Effect::Start(run, self.spec.clone()));
    }

    /// The refusal of a call while it does not run.
    fn down(&self) -> LeaseError {
        LeaseError::Down(self.ended.clone().unwrap_or_default())
    }

    /// Schedules the next start after a run ended, and withdraws the tools.
    fn fail(&mut self, now: Millis, why: String) {
        if let State::Running { since, .. } = self.state
            && now.saturating_sub(since) >= limits::SKILL_RECOVERED_MILLIS_MIN
        {
            self.failures = 0;
        }
        self.failures += 1;
        self.state = if self.failures >= limits::SKILL_FAILURES_MAX {
            // One more failure after that opens the circuit again.
            self.failures = limits::SKILL_FAILURES_MAX - 1;
            State::Broken {
                until: now + limits::SKILL_CIRCUIT_OPEN_MILLIS_MAX,
            }
        } else {
            let wait = limits::SKILL_BACKOFF_MILLIS_MIN << (self.failures - 1);
            State::Backoff {
                until: now + wait.min(limits::SKILL_BACKOFF_MILLIS_MAX),
            }
        };
        (self.tools, self.ended) = (None, Some(why));
    }
}
