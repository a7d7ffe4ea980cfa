//! For any history of assertions and retractions, with hostile names, queries
//! answer as the model does.

use std::collections::{BTreeMap, BTreeSet};

use mimo::graph::query::{NamedPath, Page, Plan, Scope, Walk};
use mimo::graph::reach::Direction;
use mimo::graph::update::Update;
use proptest::prelude::*;

use crate::support::random::property;

use super::bench::{Bench, NOON, assertion, update_of};
use super::model::{self, Claim, Edges, Model, Term, rounded};

/// `type:id` as the graph gives them back; two types.
const ENTITIES: [&str; 7] = [
    "person:o'brien",
    "person:\"quoted\"",
    "person:'; drop_table_triple; --",
    "city:東京",
    "city:%_like%",
    "city:?wildcard",
    "person:𝕬💥\u{202e}x",
];
const PREDICATES: [&str; 3] = ["lives_in", "knows", "';delete_from_triple;"];
const PROJECTS: [&str; 2] = ["global", "site'--"];

/// The keys as they come back: NFKC and lower case, spaces as `_`.
fn key(entity: usize) -> String {
    [
        "person:o'brien",
        "person:\"quoted\"",
        "person:';_drop_table_triple;_--",
        "city:東京",
        "city:%_like%",
        "city:?wildcard",
        "person:a💥\u{202e}x",
    ][entity]
        .to_owned()
}

fn kind(entity: usize) -> usize {
    usize::from(ENTITIES[entity].starts_with("city"))
}

#[derive(Clone, Debug)]
enum Step {
    Assert(Vec<Claim>),
    Retract(usize),
    Wait(i64),
}

fn claim() -> impl Strategy<Value = Claim> {
    let spo = (0..ENTITIES.len(), 0..PREDICATES.len(), 0..ENTITIES.len());
    let confidence = prop_oneof![Just(1.0), Just(0.9), Just(0.8), Just(0.5)];
    let from = prop_oneof![3 => Just(None), 1 => (-40..20i64).prop_map(Some)];
    let until = prop_oneof![3 => Just(None), 1 => (21..60i64).prop_map(Some)];
    (spo, 0..2usize, confidence, from, until).prop_map(
        |((s, p, o), project, confidence, from, until)| Claim {
            spo: [s, p, o],
            project,
            confidence,
            from,
            until,
        },
    )
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => proptest::collection::vec(claim(), 1..6).prop_map(Step::Assert),
        2 => (0..12usize).prop_map(Step::Retract),
        1 => (1..30i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..9)
}

fn term(entities: usize) -> impl Strategy<Value = Term> {
    let kind = prop_oneof![3 => Just(None), 1 => (0..2usize).prop_map(Some)];
    prop_oneof![
        1 => (0..entities).prop_map(Term::Known),
        3 => (0..3usize, kind).prop_map(|(number, kind)| Term::Variable(number, kind)),
    ]
}

fn patterns() -> impl Strategy<Value = Vec<[Term; 3]>> {
    let predicate = prop_oneof![
        3 => (0..PREDICATES.len()).prop_map(Term::Known),
        1 => (7..9usize).prop_map(|number| Term::Variable(number, None)),
    ];
    let pattern = (term(ENTITIES.len()), predicate, term(ENTITIES.len()));
    let pattern = pattern.prop_map(|(s, p, o)| [s, p, o]);
    proptest::collection::vec(pattern, 1..4)
}

/// Applies a history to both.
fn play(history: &[Step]) -> (Bench, Model) {
    let bench = Bench::new(&[PREDICATES[0]]);
    let mut model = Model::default();
    for step in history {
        let now = seconds(&bench);
        match step {
            Step::Wait(seconds) => bench.clock.advance_seconds(*seconds),
            Step::Retract(nth) => {
                let update = Update {
                    retract: vec![*nth as i64 + 1],
                    ..update_of(PROJECTS[0])
                };
                let done = bench.update(update);
                assert_eq!(done.is_ok(), *nth < model.said.len(), "{done:?}");
                model.retract(*nth, now);
            }
            Step::Assert(claims) => {
                // One update has one project.
                let project = claims[0].project;
                let mut update = update_of(PROJECTS[project]);
                for claim in claims {
                    let claim = Claim {
                        project,
                        ..claim.clone()
                    };
                    let [s, p, o] = claim.spo;
                    let (s, p, o) = (ENTITIES[s], PREDICATES[p], ENTITIES[o]);
                    let mut said = assertion(s, p, o, claim.confidence);
                    said.valid_from = claim.from.map(|from| moment(now + from));
                    said.valid_until = claim.until.map(|until| moment(now + until));
                    update.assertions.push(said);
                    model.assert(&claim, now);
                }
                bench.update(update).expect("asserted");
            }
        }
    }
    (bench, model)
}

fn seconds(bench: &Bench) -> i64 {
    (mimo::clock::Clock::now(&*bench.clock).0 - NOON.0) / 1_000_000
}

fn moment(seconds: i64) -> mimo::clock::Timestamp {
    NOON.plus_seconds(seconds)
}

/// The confidence of a path, by walking it over the model's edges.
fn walked(edges: &Edges, path: &NamedPath) -> f64 {
    let number = |name: &String| {
        (0..ENTITIES.len())
            .find(|e| key(*e) == *name)
            .expect("ours")
    };
    let mut product = 1.0;
    for (ends, predicate) in path.entities.windows(2).zip(&path.predicates) {
        let (plain, backwards) = match predicate.strip_prefix('^') {
            Some(plain) => (plain, true),
            None => (predicate.as_str(), false),
        };
        let predicate = PREDICATES.iter().position(|p| *p == plain).expect("ours");
        let (from, to) = (number(&ends[0]), number(&ends[1]));
        let spo = if backwards {
            [to, predicate, from]
        } else {
            [from, predicate, to]
        };
        product *= edges
            .get(&spo)
            .unwrap_or_else(|| panic!("{spo:?} of {path:?}"));
    }
    product
}

/// A start that no visible project names finds nothing.
fn found<T>(answer: Result<Page<T>, mimo::failure::Failure>) -> Option<Page<T>> {
    match answer {
        Ok(found) => {
            assert!(found.resolved.is_empty(), "{:?}", found.resolved);
            Some(found)
        }
        Err(failure) => {
            assert_eq!(failure.kind.name(), "not_found", "{failure}");
            None
        }
    }
}

#[derive(Clone, Debug)]
struct Asked {
    start: usize,
    goal: usize,
    direction: Direction,
    predicates: Vec<usize>,
    depth: usize,
    least: f64,
    projects: Vec<usize>,
    back: i64,
}

fn asked() -> impl Strategy<Value = Asked> {
    let ends = (0..ENTITIES.len(), 0..ENTITIES.len());
    let direction = prop_oneof![
        Just(Direction::Out),
        Just(Direction::In),
        Just(Direction::Both)
    ];
    let predicates = proptest::sample::subsequence(vec![0, 1, 2], 0..3);
    let projects = prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1])];
    let least = prop_oneof![Just(0.0), Just(0.5), Just(0.7)];
    let back = prop_oneof![1 => Just(0), 1 => 0..60i64];
    (
        ends,
        direction,
        predicates,
        1..9usize,
        least,
        projects,
        back,
    )
        .prop_map(
            |((start, goal), direction, predicates, depth, least, projects, back)| Asked {
                start,
                goal,
                direction,
                predicates,
                depth,
                least,
                projects,
                back,
            },
        )
}

fn scope(bench: &Bench, asked: &Asked) -> Scope {
    let projects: Vec<&str> = asked.projects.iter().map(|p| PROJECTS[*p]).collect();
    Scope {
        at: moment(seconds(bench) - asked.back),
        min_confidence: asked.least,
        ..bench.scope(&projects)
    }
}

proptest! {
    #![proptest_config(property(160))]

    #[test]
    fn traversals_match_the_model(history in history(), asked in asked()) {
        let (bench, model) = play(&history);
        let scope = scope(&bench, &asked);
        let edges = model.edges(&asked.projects, seconds(&bench) - asked.back);
        let expected = model::reach(
            &edges, asked.start, asked.direction, &asked.predicates, asked.depth, asked.least,
        );
        let walk = Walk {
            start: ENTITIES[asked.start].to_owned(),
            direction: asked.direction,
            predicates: asked.predicates.iter().map(|p| PREDICATES[*p].to_owned()).collect(),
            depth: asked.depth,
        };
        let Some(reached) = found(bench.reach(scope.clone(), walk.clone())) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let mut got = BTreeMap::new();
        for path in &reached.items {
            prop_assert_eq!(rounded(walked(&edges, path)), rounded(path.confidence));
            prop_assert_eq!(&path.entities[0], &key(asked.start));
            prop_assert_eq!(path.triples.len() + 1, path.entities.len());
            let end = path.entities.last().expect("an end").clone();
            got.insert(end, (path.triples.len(), rounded(path.confidence)));
        }
        let named = expected.iter().map(|(e, (hops, sure))| (key(*e), (*hops, rounded(*sure))));
        prop_assert_eq!(&got, &named.collect::<BTreeMap<_, _>>());
        let order: Vec<_> = reached.items.iter()
            .map(|path| (path.triples.len(), u64::MAX - rounded(path.confidence))).collect();
        prop_assert!(order.is_sorted());

        // Paging gives the same list.
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = Scope { limit: 2, ..scope.clone() };
            let page = bench.wait(bench.graph.reach(page, walk.clone(), after)).expect("a page");
            after = page.items.last().map(|path| path.position);
            pages.extend(page.items);
            if !page.has_more { break }
        }
        prop_assert_eq!(pages, reached.items);

        // The shortest path equals the traversal's.
        let goal = ENTITIES[asked.goal].to_owned();
        let path = found(bench.wait(bench.graph.path(scope, walk, goal)).map_err(Into::into));
        let path = path.and_then(|found| found.items.into_iter().next());
        if asked.goal == asked.start {
            prop_assert!(path.is_some_and(|path| path.triples.is_empty()));
        } else {
            if let Some(path) = &path {
                prop_assert_eq!(rounded(walked(&edges, path)), rounded(path.confidence));
            }
            let path = path.map(|path| (path.triples.len(), rounded(path.confidence)));
            let expected = expected.get(&asked.goal);
            prop_assert_eq!(path, expected.map(|(hops, sure)| (*hops, rounded(*sure))));
        }
    }

    #[test]
    fn pattern_matches_match_the_model(history in history(), patterns in patterns(), asked in asked()) {
        let (bench, model) = play(&history);
        let scope = scope(&bench, &asked);
        let edges = model.edges(&asked.projects, seconds(&bench) - asked.back);
        let written: Vec<[String; 3]> = patterns.iter().map(|pattern| {
            let name = |place: usize| match pattern[place] {
                Term::Known(known) if place == 1 => PREDICATES[known].to_owned(),
                Term::Known(known) => ENTITIES[known].to_owned(),
                Term::Variable(number, None) => format!("?v{number}"),
                Term::Variable(number, Some(kind)) => format!("?v{number}:{}", ["person", "city"][kind]),
            };
            [name(0), name(1), name(2)]
        }).collect();
        // A type given once applies wherever its variable occurs.
        let types: BTreeSet<(usize, usize)> = patterns.iter().flatten().filter_map(|term| match term {
            Term::Variable(number, Some(kind)) => Some((*number, *kind)),
            _ => None,
        }).collect();
        let contradicting = types.iter().any(|(n, k)| types.contains(&(*n, 1 - k)));
        let answer = bench.matches(scope.clone(), &written);
        if contradicting {
            if let Err(failure) = answer {
                prop_assert!(["invalid_arguments", "not_found"].contains(&failure.kind.name()));
            } else {
                prop_assert!(false, "two types at once");
            }
            return Ok(());
        }
        let expected = model::matches(&edges, &patterns, asked.least, kind);
        let Some(answer) = found(answer) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let rows = |items: &[mimo::graph::query::NamedRow]| -> Vec<(Vec<(usize, usize)>, u64)> {
            items.iter().map(|row| {
                let values = answer.variables.iter().zip(&row.values).map(|(variable, value)| {
                    let number: usize = variable[2..].parse().expect("ours");
                    let place = match number {
                        7.. => PREDICATES.iter().position(|p| p == value),
                        _ => (0..ENTITIES.len()).find(|e| key(*e) == *value),
                    };
                    (number, place.expect("ours"))
                });
                let mut values: Vec<(usize, usize)> = values.collect();
                values.sort_unstable();
                (values, rounded(row.confidence))
            }).collect()
        };
        let got = rows(&answer.items);
        prop_assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), got.len(), "a row twice");

        let (mut pages, mut plan) = (Vec::new(), Plan::default());
        loop {
            let page = Scope { limit: 2, ..scope.clone() };
            let page = bench.wait(bench.graph.matches(page, written.clone(), plan)).expect("a page");
            plan = page.plan;
            pages.extend(page.items);
            if !page.has_more { break }
        }
        prop_assert_eq!(pages, answer.items);
    }
}
