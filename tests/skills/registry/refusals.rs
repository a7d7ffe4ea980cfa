//! The table's refusals, its state names, and the reset of its failure count.

use std::sync::Arc;

use mimo::limits;
use mimo::registry::table::{Call, Effect, Event, LeaseError, Millis, Run, State, Table};
use mimo::skills::spec::SkillName;

use super::interleavings::spec;

fn name() -> SkillName {
    SkillName::new("a").expect("a name")
}

/// A table with the skill `a`, which starts at once.
fn starting() -> Table {
    let mut table = Table::default();
    table.step(0, Event::Register(spec("a", 0, true), None));
    table
}

fn refusal(effects: &[Effect]) -> Option<&LeaseError> {
    effects.iter().find_map(|effect| match effect {
        Effect::Refuse(_, why) => Some(why),
        _ => None,
    })
}

fn call(table: &mut Table, now: Millis, id: u64, deadline: Millis) -> Vec<Effect> {
    table.step(now, Event::Call(Call(id), name(), deadline))
}

#[test]
fn call_after_its_deadline_is_refused() {
    let refused = call(&mut starting(), 5, 1, 5);
    assert!(matches!(refusal(&refused), Some(LeaseError::Late)));
}

#[test]
fn calls_beyond_the_queue_are_refused() {
    let mut table = starting();
    for id in 0..limits::SKILL_WAITING_CALLS_MAX as u64 {
        assert!(refusal(&call(&mut table, 0, id, 1_000)).is_none());
    }
    let refused = call(&mut table, 0, 1_000, 1_000);
    assert!(matches!(refusal(&refused), Some(LeaseError::Crowded)));
}

#[test]
fn call_of_an_unknown_skill_or_during_shutdown_is_refused() {
    let refused = call(&mut Table::default(), 0, 1, 1_000);
    assert!(matches!(refusal(&refused), Some(LeaseError::Unknown)));
    let mut table = starting();
    table.step(1, Event::Shutdown);
    let refused = call(&mut table, 2, 1, 1_000);
    assert!(matches!(refusal(&refused), Some(LeaseError::Closing)));
}

#[test]
fn long_run_resets_the_failures() {
    let mut table = starting();
    let mut now = 0;
    // One more exit than the circuit breaker allows, each after a long run.
    for _ in 0..=limits::SKILL_FAILURES_MAX {
        let run = table.live_runs()[0];
        table.step(now, Event::Listed(run, Arc::from([])));
        now += limits::SKILL_RECOVERED_MILLIS_MIN;
        table.step(now, Event::Exited(run, "died".to_owned()));
        let state = &table.skills()[&name()].state;
        assert!(matches!(state, State::Backoff { .. }), "{}", state.name());
        now = table.next_tick().expect("a restart");
        table.step(now, Event::Tick);
    }
}

#[test]
fn reload_is_counted_once_complete() {
    let mut table = starting();
    table.step(1, Event::Listed(Run(1), Arc::from([])));
    assert_eq!(table.generation(), 0);
    table.step(2, Event::Reload(vec![(spec("a", 1, true), None)]));
    table.step(3, Event::Listed(Run(2), Arc::from([])));
    assert_eq!(table.generation(), 1);
}

#[test]
fn states_have_names() {
    let run = Run(1);
    for (state, name) in [
        (State::Pending, "pending"),
        (State::Starting(run), "starting"),
        (State::Backoff { until: 1 }, "restarting"),
        (State::Broken { until: 1 }, "broken"),
        (State::Stopped, "stopped"),
    ] {
        assert_eq!(state.name(), name);
    }
}
