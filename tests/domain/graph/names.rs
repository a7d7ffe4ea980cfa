//! Name resolution: exact ids, aliases, similar names, and ambiguous ones.

use mimo::caller::Reach;
use mimo::failure::Kind;
use mimo::graph::error::{AssertionPart, GraphError, Part, Problem};
use mimo::graph::query::Walk;
use mimo::graph::update::{Outcome, Update};

use super::bench::{Bench, assertion, update_of};

/// The end of the only path from `start`, and the note on how `start` was
/// resolved.
fn end_of(bench: &Bench, start: &str) -> Result<(String, Vec<(String, String)>), String> {
    let walk = Walk {
        start: start.to_owned(),
        depth: 1,
        ..Walk::default()
    };
    let found = bench
        .reach(bench.scope(&["global"]), walk)
        .map_err(|failure| failure.to_string())?;
    let end = found.items[0].entities.last().expect("an end").clone();
    Ok((end, found.resolved))
}

#[test]
fn ids_names_and_aliases_resolve_to_the_same_entity() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("person:alice_smith", "works_at", "company:acme"),
        ("person:alice_smith", "alias", "Ally S."),
    ]);
    for start in [
        "person:alice_smith",
        "PERSON:Alice Smith",
        "alice smith",
        "Alice  Smith",
        "ally s",
        "person:Ally S.",
        "thing:alice smith",
    ] {
        let (end, resolved) = end_of(&bench, start).expect(start);
        assert_eq!(
            (end.as_str(), resolved),
            ("company:acme", vec![]),
            "{start}"
        );
    }
}

#[test]
fn likely_misspelling_is_resolved_with_a_note() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("person:katherine_johnson", "works_at", "company:nasa"),
        ("room:meeting_room_12", "located_in", "city:berlin"),
    ]);
    for start in ["Katherine Jonson", "katherin johnson", "Catherine Johnson"] {
        let (end, resolved) = end_of(&bench, start).expect(start);
        assert_eq!(end, "company:nasa");
        let expected = [(start.to_owned(), "person:katherine_johnson".to_owned())];
        assert_eq!(resolved, expected);
    }
    // A different number or word is a different entity.
    for start in [
        "meeting room 13",
        "Dorothy Vaughan",
        "city:katherine johnson",
    ] {
        let failure = end_of(&bench, start).expect_err(start);
        assert!(failure.contains("no entity is called"), "{failure}");
    }
}

#[test]
fn ambiguous_name_is_reported_with_its_candidates() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("person:mercury", "sings_in", "band:queen"),
        ("planet:mercury", "orbits", "star:sun"),
        ("person:anna_schmidt", "works_at", "company:acme"),
        ("person:anna_schmitt", "works_at", "company:acme"),
    ]);
    let failure = end_of(&bench, "Mercury").expect_err("two of them");
    assert!(
        failure.contains("person:mercury, planet:mercury"),
        "{failure}"
    );
    assert_eq!(end_of(&bench, "planet:mercury").expect("one").0, "star:sun");
    // Equally similar to two names: neither is chosen.
    let failure = end_of(&bench, "Anna Schmidtt").expect_err("two of them");
    assert!(
        failure.contains("person:anna_schmidt, person:anna_schmitt"),
        "{failure}"
    );
    // Nor is one chosen for a write.
    let update = Update {
        assertions: vec![assertion("Mercury", "is", "hot", 1.0)],
        ..update_of("global")
    };
    let error = bench.wait(bench.graph.update(&Reach::Everything, update));
    let Err(GraphError::Part(part, Problem::AmbiguousName { .. })) = error else {
        panic!("{error:?}");
    };
    assert_eq!(part, Part::Assertion(0, AssertionPart::Subject));
}

#[test]
fn writes_never_resolve_similar_names() {
    let bench = Bench::new(&[]);
    bench.assert(&[("Project Apollo", "uses", "Rust")]);
    let recorded = {
        let update = Update {
            assertions: vec![assertion("Project Apolo", "uses", "Rust", 1.0)],
            report_similar: true,
            ..update_of("global")
        };
        bench.update(update).expect("recorded")
    };
    assert_eq!(recorded.triples[0].1, Outcome::Created);
    assert_eq!(recorded.entities[0].key, "thing:project_apolo");
    assert!(recorded.entities[0].is_new);
    assert_eq!(recorded.entities[0].similar, ["thing:project_apollo"]);
    assert!(!recorded.entities[1].is_new);
}

#[test]
fn entity_gets_its_type_when_first_stated() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("Alice", "works_at", "Acme"),
        ("Acme", "located_in", "Paris"),
    ]);
    let recorded = bench.assert(&[("person:alice", "works_at", "company:acme")]);
    assert_eq!(recorded.triples[0].1, Outcome::Unchanged);
    let keys: Vec<&str> = recorded.entities.iter().map(|e| e.key.as_str()).collect();
    assert_eq!(keys, ["person:alice", "company:acme"]);
    let walk = Walk {
        start: "alice".to_owned(),
        depth: 2,
        ..Walk::default()
    };
    let found = bench.reach(bench.scope(&["global"]), walk).expect("found");
    assert_eq!(
        found.items[1].entities,
        ["person:alice", "company:acme", "thing:paris"]
    );
    let pattern = ["?p:person", "works_at", "?c:company"].map(str::to_owned);
    let rows = bench
        .matches(bench.scope(&["global"]), &[pattern])
        .expect("rows");
    assert_eq!(rows.items.len(), 1);
}

#[test]
fn name_is_visible_where_its_project_is() {
    let bench = Bench::new(&[]);
    for (project, company) in [
        ("global", "everywhere"),
        ("site", "here"),
        ("other", "yonder"),
    ] {
        let update = Update {
            assertions: vec![assertion(&format!("{company} inc"), "makes", company, 1.0)],
            ..update_of(project)
        };
        bench.update(update).expect("recorded");
    }
    let start = |name: &str, projects: &[&str]| {
        let walk = Walk {
            start: name.to_owned(),
            depth: 1,
            ..Walk::default()
        };
        bench
            .reach(bench.scope(projects), walk)
            .map(|found| found.items.len())
    };
    assert_eq!(start("here inc", &["site", "global"]).expect("known"), 1);
    assert_eq!(
        start("everywhere inc", &["site", "global"]).expect("known"),
        1
    );
    for name in ["yonder inc", "thing:yonder_inc", "yonder incc"] {
        let failure = start(name, &["site", "global"]).expect_err("another project's");
        assert_eq!(failure.kind, Kind::NotFound);
        assert!(!failure.to_string().contains("thing:"), "{failure}");
    }
    assert_eq!(start("yonder inc", &[]).expect("all projects"), 1);
}

#[test]
fn alias_equal_to_another_entitys_name_is_refused() {
    let bench = Bench::new(&[]);
    bench.assert(&[("Bob", "knows", "Robert")]);
    let update = Update {
        assertions: vec![
            assertion("Zed", "knows", "Bob", 1.0),
            assertion("Bob", "alias", "Robert", 1.0),
        ],
        ..update_of("global")
    };
    let failure = bench.update(update).expect_err("taken");
    assert_eq!(failure.kind, Kind::Conflict);
    // Nothing of the call was stored.
    let walk = Walk {
        start: "Zed".to_owned(),
        depth: 1,
        ..Walk::default()
    };
    bench
        .reach(bench.scope(&[]), walk)
        .expect_err("never stored");
}

#[test]
fn variable_of_two_types_is_refused() {
    let bench = Bench::new(&[]);
    let patterns = [["?x:ghost", "?r", "?x:spirit"].map(str::to_owned)];
    let refused = bench
        .matches(bench.scope(&["global"]), &patterns)
        .expect_err("two types");
    assert_eq!(refused.kind, Kind::InvalidArguments, "{refused}");

    let patterns = [["?x:ghost", "?r", "?x:GHOST"].map(str::to_owned)];
    let found = bench.matches(bench.scope(&["global"]), &patterns);
    assert!(found.expect("one type, twice").items.is_empty());
}
