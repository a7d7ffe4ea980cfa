//! Name resolution: exact ids, aliases, similar names, and ambiguous ones.

use mimo::caller::Reach;
use mimo::failure::Kind;
use mimo::graph::error::{AssertionPart, GraphError, Part, Problem};
use mimo::graph::mention::Mention;
use mimo::graph::query::Walk;
use mimo::graph::update::{Outcome, Rename, Renamed, Update};

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
fn part_of_a_name_resolves_where_it_is_the_only_one() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("person:Karim Benhaddou", "works_at", "company:acme"),
        ("person:Bo Larsen", "works_at", "company:bolt"),
        ("person:Bo Nilsson", "works_at", "company:bolt"),
        ("room:Hall 12", "part_of", "company:acme"),
    ]);
    let (end, resolved) = end_of(&bench, "Karim").expect("unique");
    assert_eq!(end, "company:acme");
    assert_eq!(
        resolved,
        [("Karim".to_owned(), "person:karim_benhaddou".to_owned())]
    );
    assert_eq!(end_of(&bench, "larsen").expect("unique").0, "company:bolt");
    // A hall with a number is not the hall.
    assert!(end_of(&bench, "hall").is_err());
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
        "ALLY  S.",
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
        ("project:project_alpha", "uses", "rust"),
        ("region:us_east", "uses", "kafka"),
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
        "Project Gamma",
        "project beta",
        "US West",
        "Katherine Watson",
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
fn names_that_differ_in_a_symbol_are_different_entities() {
    let groups = [
        &["C", "C++", "C#"][..],
        &[".NET", "NET"],
        &["A-", "A+"],
        &["10.5", "10-5", "10⁵", "105"],
        &["src/a.rs", "src a rs", "src-a-rs"],
        &["#general", "General"],
    ];
    for group in groups {
        let bench = Bench::new(&[]);
        for (nth, name) in group.iter().enumerate() {
            let update = Update {
                assertions: vec![assertion(name, "is", &format!("object {nth}"), 1.0)],
                report_similar: true,
                ..update_of("global")
            };
            let recorded = bench.update(update).expect("recorded");
            let entity = &recorded.entities[0];
            assert!(entity.is_new, "{name} joined {}", entity.key);
            let is_suggested = nth == 0 || !entity.similar.is_empty();
            let is_word_for_word = name.contains(char::is_alphabetic);
            assert!(is_suggested || !is_word_for_word, "{name}: {entity:?}");
        }
        for (nth, name) in group.iter().enumerate() {
            let (end, resolved) = end_of(&bench, name).expect(name);
            assert_eq!(
                (end, resolved),
                (format!("thing:object_{nth}"), vec![]),
                "{name}"
            );
        }
    }
}

#[test]
fn reading_suggests_the_name_of_the_same_words() {
    let bench = Bench::new(&[]);
    bench.assert(&[("src/a.rs", "is", "a file"), ("Ally S.", "is", "a person")]);
    for (asked, known) in [("src a rs", "thing:src/a.rs"), ("ally s", "thing:ally_s.")] {
        let (_, resolved) = end_of(&bench, asked).expect(asked);
        assert_eq!(resolved, [(asked.to_owned(), known.to_owned())]);
    }
}

#[test]
fn renamed_entity_answers_to_both_names() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("person:Anna Lind", "works_at", "company:acme"),
        ("Karim", "reports_to", "person:Anna Lind"),
    ]);
    let update = Update {
        renames: vec![rename("Anna Lind", "Anna Brandt")],
        assertions: vec![assertion("Anna Lind", "lives_in", "Kiel", 1.0)],
        ..update_of("global")
    };
    let done = bench.update(update).expect("renamed");
    assert_eq!(
        done.renamed,
        [renamed("person:anna_lind", "person:anna_brandt", false)]
    );
    assert_eq!(done.entities[0].key, "person:anna_brandt");
    for start in [
        "Anna Brandt",
        "Anna Lind",
        "person:anna_brandt",
        "person:anna_lind",
    ] {
        let walk = Walk {
            start: start.to_owned(),
            depth: 1,
            ..Walk::default()
        };
        let found = bench.reach(bench.scope(&["global"]), walk).expect(start);
        let ends = found.items.iter().map(|path| path.entities[1].as_str());
        let starts = found.items.iter().map(|path| path.entities[0].as_str());
        assert_eq!(ends.collect::<Vec<_>>(), ["company:acme", "thing:kiel"]);
        assert!(
            starts
                .into_iter()
                .all(|start| start == "person:anna_brandt")
        );
        assert_eq!(found.resolved, vec![], "{start}");
    }
    let nobody = Update {
        renames: vec![rename("Nobody", "Somebody")],
        ..update_of("global")
    };
    let failure = bench.update(nobody).expect_err("unknown");
    assert_eq!(failure.kind, Kind::NotFound);
}

#[test]
fn merged_entities_leave_no_ghost() {
    let bench = Bench::new(&[]);
    bench.assert(&[
        ("person:lind", "works_at", "company:acme"),
        ("person:brandt", "lives_in", "city:kiel"),
        ("person:lind", "also_known_as", "person:brandt"),
    ]);
    let update = Update {
        renames: vec![rename("Lind", "Brandt")],
        ..update_of("global")
    };
    let done = bench.update(update).expect("merged");
    assert_eq!(
        done.renamed,
        [renamed("person:lind", "person:brandt", true)]
    );
    for start in ["Lind", "person:brandt"] {
        let walk = Walk {
            start: start.to_owned(),
            depth: 1,
            ..Walk::default()
        };
        let found = bench.reach(bench.scope(&["global"]), walk).expect(start);
        let ends: Vec<&str> = found
            .items
            .iter()
            .map(|path| path.entities[1].as_str())
            .collect();
        assert_eq!(ends, ["company:acme", "city:kiel"], "no link to itself");
    }
    // Written in another case, only the display changes.
    let update = Update {
        renames: vec![rename("person:brandt", "BRANDT")],
        ..update_of("global")
    };
    let done = bench.update(update).expect("renamed");
    assert_eq!(
        done.renamed,
        [renamed("person:brandt", "person:brandt", false)]
    );
}

fn rename(from: &str, to: &str) -> Rename {
    Rename {
        from: Mention::parse(from).expect("a name"),
        to: Mention::parse(to).expect("a name"),
    }
}

fn renamed(from: &str, to: &str, merged: bool) -> Renamed {
    Renamed {
        from: from.to_owned(),
        to: to.to_owned(),
        merged,
    }
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
