//! Thousands of random histories of the table, checked against its invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mimo::limits;
use mimo::registry::table::{Call, Effect, Event, LeaseError, Millis, Run, State, Table};
use mimo::skills::client::Tool;
use mimo::skills::spec::{SkillName, SkillSpec, Timeouts};

use crate::support::children::program;
use crate::support::random::{Random, repeat};

/// A skill for tests; `version` makes a different spec of the same name.
pub fn spec(name: &str, version: u64, eager: bool) -> Arc<SkillSpec> {
    let patience = Duration::from_secs(20);
    Arc::new(SkillSpec {
        timeouts: Timeouts {
            initialize: patience,
            call: patience,
        },
        eager,
        ..program(name, PathBuf::from("/fake"), &[&version.to_string()])
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Starting,
    Listed,
    Over,
}

/// The state of an observer of the effects.
#[derive(Default)]
struct World {
    table: Table,
    now: Millis,
    runs: BTreeMap<Run, (Life, SkillName, bool)>,
    /// Open calls and the run each has a lease on.
    open: BTreeMap<Call, Option<Run>>,
    answered: BTreeSet<Call>,
    calls: u64,
    reloading: bool,
    closing: bool,
    seen: BTreeSet<&'static str>,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl World {
    fn feed(&mut self, event: Event) {
        let past_drain = matches!(event, Event::Tick | Event::Shutdown);
        let reload = matches!(event, Event::Reload(_));
        let exited = match &event {
            Event::Exited(run, _) => Some(*run),
            _ => None,
        };
        if let Some(run) = exited {
            // The link fails calls in flight before the exit is reported.
            let under_way = self.open.iter().filter(|(_, on)| **on == Some(run));
            for call in under_way.map(|(call, _)| *call).collect::<Vec<_>>() {
                self.answer(call);
            }
            self.runs.get_mut(&run).expect("a known run").0 = Life::Over;
        }
        let effects = self.table.step(self.now, event);
        let (mut refused, mut reloaded) = (false, false);
        for effect in effects {
            match effect {
                Effect::Start(run, spec) => {
                    self.seen.insert("start");
                    assert!(!self.closing, "a start after the end");
                    let known = self
                        .runs
                        .insert(run, (Life::Starting, spec.name.clone(), false));
                    assert!(known.is_none(), "{run:?} starts twice");
                }
                Effect::Stop(run) => {
                    self.seen.insert("stop");
                    let known = self.runs.get_mut(&run).expect("a known run");
                    assert!(
                        known.0 != Life::Over && !known.2,
                        "{run:?} stops twice or too late"
                    );
                    known.2 = true;
                    let busy = self.open.values().any(|on| *on == Some(run));
                    assert!(past_drain || !busy, "{run:?} stops under its calls");
                }
                Effect::Grant(call, run) => {
                    self.seen.insert("grant");
                    let (life, _, stopped) = self.runs[&run];
                    assert_eq!(
                        (life, stopped),
                        (Life::Listed, false),
                        "{call:?} to {run:?}"
                    );
                    assert_eq!(
                        self.open.insert(call, Some(run)),
                        Some(None),
                        "{call:?} twice"
                    );
                }
                Effect::Refuse(call, why) => {
                    self.seen.insert(match why {
                        LeaseError::Unknown => "unknown",
                        LeaseError::Down(_) => "down",
                        LeaseError::Crowded => "crowded",
                        LeaseError::Closing => "closing",
                        LeaseError::Late => "late",
                    });
                    assert_eq!(self.open.get(&call), Some(&None), "{call:?} refused late");
                    self.answer(call);
                }
                Effect::Changed => {}
                Effect::Reloaded(_) => {
                    self.seen.insert("reloaded");
                    reloaded = true;
                }
                Effect::ReloadRefused => refused = true,
            }
        }
        assert_eq!(
            refused && reload,
            reload && (self.reloading || self.closing)
        );
        // A refusal ends the reload under way only where it answers a shutdown.
        let ended = reloaded || (refused && !reload);
        self.reloading = (self.reloading || reload) && !ended;
        self.check();
    }

    fn answer(&mut self, call: Call) {
        assert!(self.open.remove(&call).is_some(), "{call:?} is not open");
        assert!(self.answered.insert(call), "{call:?} answered twice");
    }

    fn check(&self) {
        assert_eq!(self.table.open_calls(), self.open.len(), "a lease leaks");
        let mut live = self.table.live_runs();
        live.sort();
        let alive = self.runs.iter().filter(|(_, run)| run.0 != Life::Over);
        assert_eq!(live, alive.map(|(run, _)| *run).collect::<Vec<_>>());
        for skill in self.table.skills().values() {
            match &skill.state {
                State::Backoff { .. } | State::Broken { .. } | State::Stopped => {
                    assert!(skill.tools.is_none(), "a dead skill's tools are offered");
                }
                State::Running { run, .. } => {
                    assert_eq!(self.runs[run].0, Life::Listed);
                    assert!(!self.runs[run].2, "a run on its way out is offered");
                }
                State::Starting(run) => assert_eq!(self.runs[run].0, Life::Starting),
                State::Pending => {}
            }
        }
    }

    fn pick(&self, random: &mut Random, wanted: impl Fn(Life) -> bool) -> Option<Run> {
        let runs: Vec<Run> = self
            .runs
            .iter()
            .filter(|(_, run)| wanted(run.0))
            .map(|(run, _)| *run)
            .collect();
        (!runs.is_empty()).then(|| runs[random.below(runs.len())])
    }

    fn list(&mut self, run: Run) {
        let known = self.runs.get_mut(&run).expect("a known run");
        known.0 = Life::Listed;
        self.feed(Event::Listed(run, Arc::from([])));
    }

    fn random_event(&mut self, random: &mut Random) {
        let tools = |random: &mut Random| (random.below(2) == 0).then(|| Arc::<[Tool]>::from([]));
        match random.below(20) {
            0 => {
                let spec = spec(
                    NAMES[random.below(4)],
                    random.below(3) as u64,
                    random.below(2) == 0,
                );
                let tools = tools(random);
                self.feed(Event::Register(spec, tools));
            }
            1..=4 => {
                if let Some(run) = self.pick(random, |life| life != Life::Over) {
                    // A stopping run lists no tools any more.
                    if !self.runs[&run].2 {
                        self.list(run);
                    }
                }
            }
            5..=6 => {
                if let Some(run) = self.pick(random, |life| life != Life::Over) {
                    self.feed(Event::Exited(run, "died".to_owned()));
                }
            }
            7..=12 => {
                self.calls += 1;
                let call = Call(self.calls);
                self.open.insert(call, None);
                let deadline = self.now + 10 + random.below(1000) as u64;
                let name = SkillName::new(NAMES[random.below(4)]).expect("a name");
                self.feed(Event::Call(call, name, deadline));
            }
            13..=15 => {
                let open: Vec<Call> = self.open.keys().copied().collect();
                if !open.is_empty() {
                    let call = open[random.below(open.len())];
                    self.answer(call);
                    self.feed(Event::Ended(call));
                    // Repeating the event changes nothing.
                    self.feed(Event::Ended(call));
                }
            }
            16..=18 => {
                self.now += random.below(400) as u64;
                self.feed(Event::Tick);
            }
            _ => {
                let (names, specs) = (random.below(16), random.below(3) as u64);
                let chosen = (0..4).filter(|at| names >> at & 1 == 1);
                let specs =
                    chosen.map(|at| (spec(NAMES[at], specs, random.below(2) == 0), tools(random)));
                let specs = specs.collect();
                self.feed(Event::Reload(specs));
            }
        }
    }

    /// Lets everything finish without a shutdown; no call may be lost.
    fn settle(&mut self) {
        for _ in 0..4 {
            while let Some(run) = self
                .runs
                .iter()
                .find(|(_, run)| run.0 == Life::Starting && !run.2)
            {
                let run = *run.0;
                self.list(run);
            }
            self.now += limits::SKILL_CIRCUIT_OPEN_MILLIS_MAX;
            self.feed(Event::Tick);
        }
        while let Some((call, on)) = self.open.first_key_value() {
            assert!(on.is_some(), "{call:?} waits for ever");
            let call = *call;
            self.answer(call);
            self.feed(Event::Ended(call));
        }
        let leaving = self
            .runs
            .iter()
            .filter(|(_, run)| run.2 && run.0 != Life::Over);
        for run in leaving.map(|(run, _)| *run).collect::<Vec<_>>() {
            self.feed(Event::Exited(run, "stopped".to_owned()));
        }
        // Every remaining run belongs to a skill.
        let behind: BTreeSet<Run> = self
            .table
            .skills()
            .values()
            .filter_map(|skill| skill.state.run())
            .collect();
        assert_eq!(
            self.table.live_runs().into_iter().collect::<BTreeSet<_>>(),
            behind
        );
    }

    fn shut_down(&mut self) {
        self.closing = true;
        self.feed(Event::Shutdown);
        for run in self.table.live_runs() {
            assert!(self.runs[&run].2, "{run:?} is not told to stop");
            self.feed(Event::Exited(run, "stopped".to_owned()));
        }
        assert!(self.table.live_runs().is_empty() && self.open.is_empty());
    }
}

#[test]
fn every_history_keeps_the_invariants() {
    let mut seen = BTreeSet::new();
    repeat(5_000, |random| {
        let mut world = World::default();
        for _ in 0..120 {
            world.random_event(random);
        }
        if random.below(2) == 0 {
            world.settle();
        }
        world.shut_down();
        seen.append(&mut world.seen);
    });
    // The histories must reach every kind of event.
    let all = [
        "down", "grant", "late", "reloaded", "start", "stop", "unknown",
    ];
    for one in all {
        assert!(seen.contains(one), "no history has {one}");
    }
}

#[test]
fn circuit_breaker_opens_after_repeated_exits() {
    let mut table = Table::default();
    table.step(0, Event::Register(spec("a", 0, true), None));
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..limits::SKILL_FAILURES_MAX {
        let run = table.live_runs()[0];
        table.step(now, Event::Exited(run, "died".to_owned()));
        let next = table.next_tick().expect("another chance");
        waits.push(next - now);
        now = next;
        table.step(now, Event::Tick);
    }
    assert_eq!(
        waits,
        [250, 500, 1000, 2000, limits::SKILL_CIRCUIT_OPEN_MILLIS_MAX]
    );
    // It gets one chance, then the circuit opens again.
    let run = table.live_runs()[0];
    table.step(now, Event::Exited(run, "died".to_owned()));
    assert!(matches!(
        table.skills()[&SkillName::new("a").unwrap()].state,
        State::Broken { .. }
    ));
    let refused = table.step(
        now,
        Event::Call(Call(1), SkillName::new("a").unwrap(), now + 50),
    );
    assert!(matches!(&refused[..], [Effect::Refuse(_, LeaseError::Down(why))] if why == "died"));
}

#[test]
fn lazy_skill_with_known_tools_starts_at_its_first_call() {
    let mut table = Table::default();
    let name = SkillName::new("a").unwrap();
    table.step(0, Event::Register(spec("a", 0, false), Some(Arc::from([]))));
    assert!(table.live_runs().is_empty());
    let started = table.step(5, Event::Call(Call(1), name.clone(), 500));
    assert!(matches!(started[..], [Effect::Start(Run(1), _)]));
    assert_eq!(table.next_tick(), Some(500));
    let granted = table.step(9, Event::Listed(Run(1), Arc::from([])));
    assert!(matches!(granted[0], Effect::Grant(Call(1), Run(1))));
}

#[test]
fn running_skill_is_replaced_only_by_one_that_started() {
    let mut table = Table::default();
    let name = SkillName::new("a").unwrap();
    table.step(0, Event::Register(spec("a", 0, true), None));
    table.step(1, Event::Listed(Run(1), Arc::from([])));
    let next = || Event::Reload(vec![(spec("a", 1, true), None)]);
    let behind = |table: &Table| table.skills()[&name].state.run();

    table.step(2, next());
    let failed = table.step(3, Event::Exited(Run(2), "no".to_owned()));
    let outcome = failed.iter().find_map(|effect| match effect {
        Effect::Reloaded(outcome) => Some(outcome),
        _ => None,
    });
    let outcome = outcome.expect("it is complete");
    assert_eq!(
        (&outcome.kept[..], &outcome.replaced[..]),
        (&[name.clone()][..], &[][..])
    );
    assert_eq!(outcome.failed[&name], "no");
    assert!(
        !failed
            .iter()
            .any(|effect| matches!(effect, Effect::Stop(_)))
    );
    assert_eq!(behind(&table), Some(Run(1)));
    // The next reload tries again, as the specs still differ.
    table.step(4, next());
    let replaced = table.step(5, Event::Listed(Run(3), Arc::from([])));
    assert!(
        replaced
            .iter()
            .any(|effect| matches!(effect, Effect::Stop(Run(1))))
    );
    assert_eq!(behind(&table), Some(Run(3)));

    // A dead skill does not block its replacement.
    table.step(6, Event::Reload(vec![(spec("a", 2, true), None)]));
    table.step(7, Event::Exited(Run(3), "died".to_owned()));
    table.step(8, Event::Exited(Run(4), "no".to_owned()));
    assert_eq!(*table.skills()[&name].spec, *spec("a", 2, true));
}
