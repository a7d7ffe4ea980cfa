//! The state machine under random definitions, outcomes and interruptions. Every
//! journal replays to the same machine, and its history matches a model that does
//! not know the implementation.

use std::collections::BTreeMap;
use std::sync::Arc;

use mimo::caller::Grants;
use mimo::clock::Timestamp;
use mimo::procedure::check::{AnyName, check};
use mimo::procedure::definition::Definition;
use mimo::procedure::journal::{
    ActionError, ActionOutcome, Decision, Entry, Event, SideEffects, StopReason,
};
use mimo::procedure::machine::{Ending, EvaluatedAction, Machine, Next, StepStart, Task};
use proptest::prelude::*;

use crate::support::random::property;
use serde_json::{Map, Value, json};

/// A random definition: every state leads to a later one, or sometimes back.
fn definition() -> impl Strategy<Value = Value> {
    let state = (
        0..9_u8,
        any::<u8>(),
        any::<u8>(),
        any::<bool>(),
        0..3_u32,
        any::<bool>(),
    );
    prop::collection::vec(state, 1..9).prop_map(|drawn| {
        let count = drawn.len();
        let name = |nth: usize| format!("s{nth}");
        let mut states = Map::new();
        for (nth, (kind, one, two, undo, retries, catches)) in drawn.into_iter().enumerate() {
            let ahead = |draw: u8| name(nth + 1 + usize::from(draw) % (count - nth));
            let tool = json!({"tool": format!("t__{nth}"), "arguments": {"n": "{{ context.n }}"}});
            let mut state = json!({
                "action": match kind {
                    0 => json!({"set": {"n": "{{ context.n + 1 }}"}}),
                    1 => json!({"choice": [{"when": "{{ context.n % 2 == 0 }}", "event": "even"}, {"event": "odd"}]}),
                    2 => json!({"validate": [{"that": "{{ context.n < 6 }}"}]}),
                    3 => json!({"wait_for_approval": {"message": "so?"}}),
                    4 => json!({"map": {"items": [1, 2, 3], "action": tool}}),
                    5 => json!({"delay_ms": 5}),
                    6 => json!({"call_procedure": {"name": "other", "context": {"n": "{{ context.n }}"}}}),
                    _ => tool,
                },
                "next": ahead(one),
            });
            if kind == 1 {
                // A backward edge: the loop ends because n grows on it.
                state["transitions"] = json!([{"event": "even", "target": ahead(two)}]);
            }
            if undo && !matches!(kind, 0..=3 | 5) {
                state["compensate"] = json!({"tool": format!("u__{nth}"), "arguments": {"r": "{{ result }}"}});
            }
            if retries > 0 {
                state["retry"] = json!({"max_attempts": retries, "interval_ms": 7});
            }
            if catches {
                state["catch"] = json!([{"errors": ["flaky"], "target": ahead(two)}]);
            }
            states.insert(name(nth), state);
        }
        states.insert(name(count), json!({"end": true}));
        json!({"name": "random", "version": "1", "initial_state": "s0", "states": states})
    })
}

/// The definition without unreachable states.
fn sound(mut value: Value) -> Arc<Definition> {
    loop {
        match check(&value, &AnyName) {
            Ok(checked) => return Arc::new(checked.definition),
            Err(mistakes) => {
                for mistake in mistakes {
                    assert!(
                        mistake.reason.starts_with("nothing leads to"),
                        "{mistake}: {value:#}"
                    );
                    let name = mistake.path.trim_start_matches("/states/").to_owned();
                    value["states"]
                        .as_object_mut()
                        .expect("states")
                        .remove(&name);
                }
            }
        }
    }
}

fn start(at: i64) -> Entry {
    let context = Map::from_iter([("n".to_owned(), json!(0))]);
    Entry::new(
        Timestamp(at),
        Event::Started {
            context,
            timeout_ms: 1000,
            grants: Arc::new(Grants::local("global")),
        },
    )
}

/// Outcomes, drawn beforehand.
type Fate = u8;

fn effects(task: &Task) -> SideEffects {
    SideEffects {
        read_only: matches!(&task.work, EvaluatedAction::Tool { name, .. } if name.ends_with('7')),
        idempotent: matches!(&task.work, EvaluatedAction::Tool { name, .. } if name.ends_with(['1', '3', '7'])),
    }
}

/// The next entry that a runner would write.
fn answer(machine: &Machine, fate: Fate, now: Timestamp) -> Option<Event> {
    match machine.next() {
        Next::Ended(_) => None,
        Next::Perform(_) if fate > 250 && !machine.rolling_back() => Some(Event::Stopped {
            reason: if fate.is_multiple_of(2) {
                StopReason::Cancelled
            } else {
                StopReason::TimedOut
            },
        }),
        Next::Perform(task) => {
            assert!(task.not_before.is_none_or(|at| at.0 <= now.0 + 1_000_000));
            Some(Event::StepStarted {
                step: machine.next_step(),
                effects: effects(task),
            })
        }
        Next::Await(task, started) => Some(ending(machine, task, started, fate)),
    }
}

fn ending(machine: &Machine, task: &Task, started: StepStart, fate: Fate) -> Event {
    let step = started.step;
    if machine.waits_for().is_some() {
        let choices: &[Decision] = match started.interrupted {
            true => &[Decision::Done, Decision::Again, Decision::Failed],
            false => &[Decision::Approved, Decision::Approved, Decision::Rejected],
        };
        let decision = choices[usize::from(fate) % choices.len()];
        let (by, note) = ("someone".to_owned(), String::new());
        return Event::Decided {
            step,
            decision,
            by,
            note,
        };
    }
    if fate > 240 && !started.effects.idempotent {
        return Event::StepInterrupted { step };
    }
    let outcome = match fate % 8 {
        0 => ActionOutcome::Error(ActionError::new("flaky", "not this time")),
        1 if fate < 60 => ActionOutcome::Error(ActionError::new("timeout", "late")),
        _ => ActionOutcome::Result(json!({"step": step, "of": task.work.label()})),
    };
    Event::StepFinished { step, outcome }
}

/// A model of an execution that only sees entries and tasks.
#[derive(Default)]
struct Model {
    /// Compensations of completed states that are not undone yet, in order.
    done: Vec<(String, Option<usize>, bool)>,
    undone: Vec<(String, Option<usize>)>,
    /// A StepStart without its end whose step must not be repeated.
    started: BTreeMap<u64, bool>,
}

proptest! {
    #![proptest_config(property(400))]

    #[test]
    fn journals_replay_and_rollbacks_mirror_completed_steps(
        definition in definition(),
        fates in prop::collection::vec(any::<Fate>(), 400),
    ) {
        let definition = sound(definition);
        let mut now = 1_000_000;
        let mut journal = vec![start(now)];
        let mut machine = Machine::replay(definition.clone(), "x", &journal).expect("begun");
        let mut model = Model::default();
        for fate in fates {
            let Some(event) = answer(&machine, fate, Timestamp(now)) else { break };
            now += i64::from(fate) + 1;
            let entry = Entry::new(Timestamp(now), event);
            watch(&mut model, &definition, &machine, &entry);
            machine.apply(&entry).expect("it fits");
            journal.push(entry);

            // Replaying the journal, also from its text, gives the same
            // machine.
            let text = serde_json::to_string(&journal).expect("written");
            let read: Vec<Entry> = serde_json::from_str(&text).expect("read");
            let again = Machine::replay(definition.clone(), "x", &read).expect("it fits");
            prop_assert_eq!(format!("{machine:?}"), format!("{again:?}"));
        }
        judge(&model, &definition, &machine)?;
    }

    #[test]
    fn unexpected_event_changes_nothing(
        definition in definition(),
        fates in prop::collection::vec(any::<Fate>(), 40),
        wrong in 0..7_usize,
    ) {
        let definition = sound(definition);
        let mut machine = Machine::replay(definition, "x", &[start(0)]).expect("begun");
        for (nth, fate) in fates.into_iter().enumerate() {
            let before = format!("{machine:?}");
            let step = machine.next_step();
            let wrong = [
                start(5).event,
                Event::StepStarted { step: step + 1, effects: SideEffects::default() },
                Event::StepFinished { step, outcome: ActionOutcome::Result(Value::Null) },
                Event::StepInterrupted { step: step + 7 },
                Event::Decided {
                    step,
                    decision: Decision::Approved,
                    by: String::new(),
                    note: String::new(),
                },
                Event::Stopped { reason: StopReason::Reverted },
                Event::StepStarted { step: 0, effects: SideEffects::default() },
            ][wrong].clone();
            let completed = matches!(machine.next(), Next::Ended(Ending::Completed(_)));
            if !(completed && matches!(wrong, Event::Stopped { .. })) {
                prop_assert!(machine.apply(&Entry::new(Timestamp(9), wrong)).is_err());
                prop_assert_eq!(before, format!("{machine:?}"));
            }
            let Some(event) = answer(&machine, fate, Timestamp(0)) else { break };
            machine.apply(&Entry::new(Timestamp(nth as i64), event)).expect("it fits");
        }
    }

    #[test]
    fn no_template_panics(text in r#"[-a-z{}%#|.()\[\]'"\\ +*0-9~]{0,40}"#) {
        use mimo::procedure::template::{check, evaluate, variables};
        for text in [text.clone(), format!("{{{{{text}}}}}"), format!("a {{{{ {text} }}}} b")] {
            let _ = check(&text);
            let _ = variables(&text);
            let _ = evaluate(&json!(text), &Map::new());
        }
    }
}

fn watch(model: &mut Model, definition: &Definition, machine: &Machine, entry: &Entry) {
    let task = match machine.next() {
        Next::Perform(task) | Next::Await(task, _) => task.clone(),
        Next::Ended(_) => return,
    };
    let worldly = matches!(
        task.work,
        EvaluatedAction::Tool { .. }
            | EvaluatedAction::Procedure { .. }
            | EvaluatedAction::Revert { .. }
    );
    let good = match &entry.event {
        Event::StepStarted { step, .. } => {
            assert!(
                model.started.insert(*step, true).is_none(),
                "a step begins once"
            );
            false
        }
        Event::StepFinished { outcome, .. } => matches!(outcome, ActionOutcome::Result(_)),
        Event::Decided { decision, .. } => *decision == Decision::Done,
        _ => false,
    };
    if !good || !worldly {
        return;
    }
    if task.is_compensation {
        model.undone.push((task.state.clone(), task.item));
        return;
    }
    let state = &definition.states[&task.state];
    let has_undo =
        state.compensate.is_some() || matches!(task.work, EvaluatedAction::Procedure { .. });
    let reads = effects(&task).read_only;
    if has_undo || !reads {
        model.done.push((task.state.clone(), task.item, has_undo));
    }
}

/// Compensation mirrors completion in reverse, and the end reports it.
fn judge(model: &Model, definition: &Definition, machine: &Machine) -> Result<(), TestCaseError> {
    let Next::Ended(ending) = machine.next() else {
        return Ok(());
    };
    let to_undo: Vec<_> = model.done.iter().rev().filter(|each| each.2).collect();
    let mut rest = to_undo.iter();
    for (state, item) in &model.undone {
        let found = rest.any(|each| each.0 == *state && each.1 == *item);
        prop_assert!(found, "{state} is undone in its turn, once");
    }
    let failed = machine.uncompensated();
    match ending {
        Ending::Completed(_) => {
            prop_assert!(model.undone.is_empty());
            prop_assert!(definition.states[machine.state()].end);
        }
        Ending::RolledBack => {
            prop_assert_eq!(model.undone.len(), model.done.len(), "all of it is undone");
            prop_assert!(failed.is_empty() && !model.undone.is_empty());
        }
        Ending::Failed | Ending::Cancelled => {
            let accounted = failed.len() + model.undone.len();
            prop_assert!(accounted >= model.done.len(), "what remains is told");
            prop_assert!(machine.failure().is_some());
        }
    }
    prop_assert_eq!(machine.compensated().len(), model.undone.len());
    Ok(())
}
