//! Validity of triples: confidence, ends, contradictions, and queries about the
//! past.

use mimo::caller::Reach;
use mimo::clock::Clock;
use mimo::failure::Kind;
use mimo::graph::error::{AssertionPart, GraphError, Part, Problem};
use mimo::graph::query::{Scope, Walk};
use mimo::graph::update::{Outcome, Update};

use super::bench::{Bench, assertion, update_of};

fn objects(bench: &Bench, scope: Scope) -> Vec<(String, f64)> {
    let walk = Walk {
        start: "person:ada".to_owned(),
        depth: 1,
        ..Walk::default()
    };
    let found = bench.reach(scope, walk).expect("found");
    let end = |path: &mimo::graph::query::NamedPath| {
        (
            path.entities.last().expect("an end").clone(),
            path.confidence,
        )
    };
    found.items.iter().map(end).collect()
}

fn say(bench: &Bench, object: &str, confidence: f64) -> (Option<i64>, Outcome, usize) {
    let update = Update {
        assertions: vec![assertion("person:ada", "works_at", object, confidence)],
        ..update_of("global")
    };
    let recorded = bench.update(update).expect("recorded");
    (
        recorded.triples[0].0,
        recorded.triples[0].1,
        recorded.contradictions.len(),
    )
}

#[test]
fn repeated_fact_keeps_the_higher_confidence() {
    let bench = Bench::new(&[]);
    assert_eq!(
        say(&bench, "company:acme", 0.6),
        (Some(1), Outcome::Created, 0)
    );
    assert_eq!(
        say(&bench, "company:acme", 0.6),
        (Some(1), Outcome::Unchanged, 0)
    );
    assert_eq!(
        say(&bench, "company:acme", 0.4),
        (Some(1), Outcome::Unchanged, 0)
    );
    assert_eq!(
        say(&bench, "company:acme", 0.9),
        (Some(1), Outcome::Updated, 0)
    );
    let all = bench.scope(&[]);
    assert_eq!(objects(&bench, all), [("company:acme".to_owned(), 0.9)]);
}

#[test]
fn functional_predicate_closes_and_keeps_the_older_triple() {
    let bench = Bench::new(&["works_at"]);
    say(&bench, "company:acme", 1.0);
    let between = bench.scope(&[]);
    assert_eq!(
        say(&bench, "company:beta", 1.0),
        (Some(2), Outcome::Created, 1)
    );
    assert_eq!(objects(&bench, bench.scope(&[]))[0].0, "company:beta");
    assert_eq!(objects(&bench, bench.scope(&[])).len(), 1);
    // A time between the two assertions.
    let then = Scope {
        at: mimo::clock::Timestamp(between.at.0 - 1),
        ..between
    };
    assert_eq!(objects(&bench, then)[0].0, "company:acme");
    // Asserted again: a new triple, and the history stays.
    assert_eq!(
        say(&bench, "company:acme", 1.0),
        (Some(3), Outcome::Created, 1)
    );
    let history = bench.history();
    let states: Vec<_> = history
        .iter()
        .map(|triple| triple.closed.map(|(closed, _)| closed.name()))
        .collect();
    assert_eq!(states, [Some("superseded"), Some("superseded"), None]);
}

#[test]
fn retracted_fact_was_valid_until_then() {
    let bench = Bench::new(&[]);
    say(&bench, "company:acme", 1.0);
    let before = bench.scope(&[]);
    let retract = |ids: Vec<i64>| {
        bench.update(Update {
            retract: ids,
            ..update_of("global")
        })
    };
    bench.clock.advance_seconds(10);
    assert_eq!(retract(vec![1]).expect("retracted").retracted, [1]);
    assert_eq!(
        retract(vec![1]).expect("again").retracted,
        Vec::<i64>::new()
    );
    assert_eq!(objects(&bench, bench.scope(&[])), []);
    assert_eq!(objects(&bench, before).len(), 1);
    // An invalid id rolls everything back.
    say(&bench, "company:beta", 1.0);
    let failure = retract(vec![2, 99]).expect_err("no triple 99");
    assert_eq!(failure.kind, Kind::NotFound);
    assert_eq!(objects(&bench, bench.scope(&[])).len(), 1);
}

#[test]
fn end_of_validity_is_kept_and_may_lie_in_the_past() {
    let bench = Bench::new(&[]);
    let now = bench.clock.now();
    let mut past = assertion("person:ada", "works_at", "company:old", 1.0);
    past.valid_from = Some(now.plus_seconds(-1_000));
    past.valid_until = Some(now.plus_seconds(-500));
    let mut soon = assertion("person:ada", "works_at", "company:soon_over", 1.0);
    soon.valid_until = Some(now.plus_seconds(500));
    let update = Update {
        assertions: vec![past, soon],
        ..update_of("global")
    };
    bench.update(update).expect("recorded");
    let at = |seconds: i64| {
        let scope = Scope {
            at: now.plus_seconds(seconds),
            ..bench.scope(&[])
        };
        objects(&bench, scope)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(at(-1_001), Vec::<String>::new());
    assert_eq!(at(-1_000), ["company:old"]);
    assert_eq!(at(-500), Vec::<String>::new());
    assert_eq!(at(1), ["company:soon_over"]);
    assert_eq!(at(500), Vec::<String>::new());
    let mut wrong = assertion("person:ada", "works_at", "company:x", 1.0);
    wrong.valid_until = Some(now.plus_seconds(-500));
    let update = Update {
        assertions: vec![wrong],
        ..update_of("global")
    };
    let error = bench.wait(bench.graph.update(&Reach::Everything, update));
    let Err(GraphError::Part(part, Problem::EndsBeforeItBegins)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(part, Part::Assertion(0, AssertionPart::ValidUntil));
}
