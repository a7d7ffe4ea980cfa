//! Calls that wait for a skill while a reload replaces it, and runs that end.

use std::sync::Arc;

use mimo::registry::table::{Call, Effect, Event, LeaseError, Run, State, Table};
use mimo::skills::client::Tool;
use mimo::skills::spec::SkillName;

use super::interleavings::spec;

fn name() -> SkillName {
    SkillName::new("a").expect("a name")
}

fn tools() -> Arc<[Tool]> {
    Arc::from([])
}

/// A table whose skill `a` starts, and a call that waits for it.
fn waiting() -> Table {
    let mut table = Table::default();
    table.step(0, Event::Register(spec("a", 0, true), None));
    assert!(
        table
            .step(0, Event::Call(Call(1), name(), 60_000))
            .is_empty()
    );
    table
}

/// What happens to the call that waits.
fn decision(effects: &[Effect]) -> Option<&Effect> {
    let decides = |effect: &&Effect| matches!(effect, Effect::Grant(..) | Effect::Refuse(..));
    effects.iter().find(decides)
}

fn stops(effects: &[Effect], run: Run) -> bool {
    let stops = |effect: &Effect| matches!(effect, Effect::Stop(stopped) if *stopped == run);
    effects.iter().any(stops)
}

#[test]
fn waiting_call_of_a_replaced_skill_goes_to_the_new_run() {
    let mut table = waiting();
    let begun = table.step(1, Event::Reload(vec![(spec("a", 1, true), None)]));
    assert!(decision(&begun).is_none());
    let listed = table.step(2, Event::Listed(Run(2), tools()));
    assert!(matches!(
        decision(&listed),
        Some(Effect::Grant(Call(1), Run(2)))
    ));
    assert!(stops(&listed, Run(1)));
}

#[test]
fn waiting_call_of_a_removed_skill_is_refused() {
    let mut table = waiting();
    let reloaded = table.step(1, Event::Reload(Vec::new()));
    assert!(matches!(
        decision(&reloaded),
        Some(Effect::Refuse(Call(1), LeaseError::Unknown))
    ));
    assert!(stops(&reloaded, Run(1)));
}

#[test]
fn waiting_call_goes_on_waiting_while_the_new_skill_starts_again() {
    let mut table = waiting();
    table.step(1, Event::Reload(vec![(spec("a", 1, true), None)]));
    let failed = table.step(2, Event::Exited(Run(2), "died".to_owned()));
    assert!(decision(&failed).is_none());
    assert!(stops(&failed, Run(1)));
    let restart = table.next_tick().expect("a restart");
    assert!(decision(&table.step(restart, Event::Tick)).is_none());
    let listed = table.step(restart, Event::Listed(Run(3), tools()));
    assert!(matches!(
        decision(&listed),
        Some(Effect::Grant(Call(1), Run(3)))
    ));
}

#[test]
fn waiting_call_starts_the_lazy_skill_that_takes_over() {
    let lazy = || Event::Reload(vec![(spec("a", 1, false), Some(tools()))]);
    let mut table = Table::default();
    table.step(0, Event::Register(spec("a", 0, true), None));
    table.step(0, Event::Exited(Run(1), "died".to_owned()));
    table.step(0, Event::Call(Call(1), name(), 60_000));
    let reloaded = table.step(1, lazy());
    assert!(decision(&reloaded).is_none());
    let listed = table.step(2, Event::Listed(Run(2), tools()));
    assert!(matches!(
        decision(&listed),
        Some(Effect::Grant(Call(1), Run(2)))
    ));

    // Without a call it does not start.
    let mut table = Table::default();
    table.step(0, Event::Register(spec("a", 0, true), None));
    table.step(0, Event::Exited(Run(1), "died".to_owned()));
    table.step(1, lazy());
    assert!(matches!(table.skills()[&name()].state, State::Pending));
}

#[test]
fn events_of_a_run_that_is_gone_change_nothing() {
    let mut table = waiting();
    table.step(1, Event::Listed(Run(1), tools()));
    table.step(2, Event::Exited(Run(1), "died".to_owned()));
    for late in [
        Event::Exited(Run(1), "again".to_owned()),
        Event::Listed(Run(1), tools()),
    ] {
        assert!(table.step(3, late).is_empty());
    }
    let state = &table.skills()[&name()].state;
    assert!(matches!(state, State::Backoff { .. }), "{}", state.name());
}
