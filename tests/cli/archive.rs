//! `mimo export` and `mimo import` as inverses, and files of other programs.

use serde_json::{Value, json};

use super::home::{Home, Ran};
use crate::support::random::{Random, cases, repeat};

impl Home {
    fn read_archive(&self, path: &std::path::Path, more: &[&str]) -> Ran {
        let path = path.to_string_lossy();
        self.run(&[&["--json", "import", &path], more].concat())
    }

    /// The lines of an archive without its first, sorted.
    fn archive(&self) -> Vec<Value> {
        let ran = self.run(&["export", "-"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let mut lines: Vec<&str> = ran.out.lines().skip(1).collect();
        lines.sort_unstable();
        let lines = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let lines = lines.filter(|line: &Value| line["format"] != "mimo-memories");
        lines.collect()
    }
}

const NAMES: &[&str] = &[
    "Apple",
    "company:Apple",
    "fruit:apple",
    "person:Ada Lovelace",
    "ada_lovelace",
    "C++",
    "https://example.org/a b",
    "東京",
    "city:東京",
    "person:ada",
    "Ada",
];
const PROJECTS: &[&str] = &["global", "harbour", "mill"];
const TEXTS: &[&str] = &[
    "Ada repairs the lamp",
    "Bo paints the door",
    "the ferry berths at pier nine",
    "sell the boat",
    "Cy oils the hinge",
    "two\nlines and a \"quote\"",
    "the gate opens at dawn",
    "東京の灯台は光る",
];

/// A random assertion; some contradict each other, and some give another name.
fn assertion(random: &mut Random) -> Value {
    let predicate = ["works_at", "likes", "part_of", "alias"][random.below(4)];
    let mut said = json!({"subject": random.pick(NAMES), "predicate": predicate,
        "object": random.pick(NAMES), "confidence": *random.pick(&[0.25, 0.5, 1.0])});
    if random.below(2) == 0 {
        let from = 1 + random.below(5);
        said["valid_from"] = json!(format!("2026-01-0{from}"));
        if random.below(2) == 0 {
            said["valid_until"] = json!(format!("2026-01-0{}", from + 1 + random.below(3)));
        }
    }
    said
}

/// Does something that may be refused, as some of what clients ask is.
fn step(home: &Home, random: &mut Random, nth: usize) {
    let project = *random.pick(PROJECTS);
    let (tool, arguments) = match random.below(6) {
        0 | 1 => {
            let count = 1 + random.below(4);
            let all: Vec<Value> = (0..count).map(|_| assertion(random)).collect();
            (
                "graph_update",
                json!({"assert": all, "project": project, "source": "test"}),
            )
        }
        2 => ("graph_update", json!({"retract": [1 + random.below(6)]})),
        3 => {
            let mut memory = json!({"content": random.pick(TEXTS), "project": project,
                "tags": [random.pick(&["a", "b", "ä"])], "importance": 0.1 * random.below(11) as f64});
            if random.below(3) == 0 {
                memory["topic_key"] = json!(["berth", "host"][random.below(2)]);
            }
            ("memory_store", json!({"memories": [memory]}))
        }
        4 => {
            let action = ["forget", "protect", "restore", "update"][random.below(4)];
            let mut edit = json!({"action": action, "ids": [1 + random.below(5)]});
            if action == "update" {
                edit["content"] = json!(format!("{} {nth}", random.pick(TEXTS)));
            }
            ("memory_edit", edit)
        }
        _ => {
            let name = ["greet", "release"][random.below(2)];
            let version = ["1.0.0", "1.1.0"][random.below(2)];
            let query = ["a", "b", "c"][random.below(3)];
            let definition = json!({"name": name, "version": version, "initial_state": "one",
                "states": {"one": {"action": {"tool": "memory_search",
                    "arguments": {"query": query}}, "end": true}}});
            ("procedure_define", json!({"definition": definition}))
        }
    };
    let mut command = vec!["--project", project, "call", tool];
    let arguments = arguments.to_string();
    command.push(&arguments);
    home.run(&command);
}

/// Without the choice of one name for the entities that several projects have: each
/// entity is shown by one, which is that of the project where it came first.
fn by_names(mut lines: Vec<Value>) -> Vec<Value> {
    let is_entity = |line: &Value| line["type"] == "entity";
    let ids: Vec<Value> = lines
        .iter()
        .filter(|line| is_entity(line))
        .map(|line| line["id"].clone())
        .collect();
    for line in lines.iter_mut().filter(|line| is_entity(line)) {
        if ids.iter().filter(|id| **id == line["id"]).count() < 2 {
            continue;
        }
        let aliases = line["aliases"].take();
        let aliases = aliases.as_array().into_iter().flatten().cloned();
        let mut names: Vec<Value> = aliases.chain([line["name"].take()]).collect();
        names.sort_by_key(Value::to_string);
        line["names"] = names.into();
    }
    lines.sort_by_key(Value::to_string);
    lines
}

#[test]
fn an_import_of_an_export_makes_the_same_again() {
    repeat(cases(4, 60), |random| {
        let home = Home::with_config("[graph]\nfunctional = [\"works_at\"]\n");
        for nth in 0..12 {
            step(&home, random, nth);
        }
        let file = home.path().join("all.jsonl");
        let written = home.run(&["export", &file.to_string_lossy()]);
        assert_eq!(written.code, Some(0), "{written:?}");
        let before = by_names(home.archive());
        let other = Home::with_config("[graph]\nfunctional = [\"works_at\"]\n");
        for round in 0..2 {
            let ran = other.read_archive(&file, &["--strict"]);
            assert_eq!(
                (ran.code, &ran.json()["skipped"]),
                (Some(0), &json!(0)),
                "{ran:?}"
            );
            assert_eq!(by_names(other.archive()), before, "import {round}");
        }
        // Checksums and counts too are right after whatever happened.
        for home in [&home, &other] {
            let whole = home.run(&["verify"]);
            assert_eq!(whole.code, Some(0), "{whole:?}");
        }
    });
}

#[test]
fn entities_with_one_name_and_without_a_triple_are_kept() {
    let home = Home::new();
    let triples = json!({"assert": [
        {"subject": "company:apple", "predicate": "makes", "object": "phones"},
        {"subject": "fruit:apple", "predicate": "grows_on", "object": "trees"},
        {"subject": "Lonely", "predicate": "alias", "object": "The Lonely One"},
    ]});
    home.call(&["graph_update", &triples.to_string()]);
    let lines = home.run(&["graph", "export", "--all"]).out;
    assert!(lines.contains("The Lonely One"), "{lines}");
    let other = Home::new();
    let file = other.file("graph.jsonl", &lines);
    let ran = other.run(&["graph", "import", &file.to_string_lossy()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(other.run(&["graph", "export", "--all"]).out, lines);
}

#[test]
fn an_archive_that_was_cut_off_is_an_error_and_its_begin_is_in() {
    let home = Home::new();
    home.store(json!([{"content": "one"}, {"content": "two"}, {"content": "three"}]));
    let whole = home.run(&["export", "-"]).out;
    let lines: Vec<&str> = whole.lines().collect();
    let half = &lines[lines.len() - 2][..20];
    for cut in [
        lines[..lines.len() - 1].join("\n"),
        format!("{}\n{half}", lines[..lines.len() - 2].join("\n")),
        lines[..2].join("\n"),
    ] {
        let other = Home::new();
        let ran = other.read_archive(&other.file("cut.jsonl", &cut), &[]);
        assert_eq!(
            (ran.code, &ran.json()["cut_off"]),
            (Some(1), &json!(true)),
            "{ran:?}"
        );
        let count = cut.matches("\"content\"").count()
            - usize::from(cut.ends_with(half)) * half.matches("\"content\"").count();
        assert_eq!(other.exported().len(), count, "{cut}");
    }
    let ran = Home::new();
    let file = ran.file(
        "cut.json",
        "{\"memories\": [\n  {\"content\": \"a\"},\n  {\"cont",
    );
    assert_eq!(ran.read_archive(&file, &[]).code, Some(1));
}

#[test]
fn a_bad_part_leaves_the_rest_in_and_strict_refuses() {
    let home = Home::new();
    let file = home.file(
        "mixed.jsonl",
        "{\"content\": \"first\"}\n{\"content\": 7}\nnot json\n{\"content\": \"second\"} {\"content\": \"third\"}\n\
         {\"type\":\"relation\",\"from\":\"a\",\"to\":\"\",\"relationType\":\"likes\"}\n",
    );
    let refused = home.read_archive(&file, &["--strict"]);
    assert_eq!(
        (refused.code, &refused.json()["skipped"]),
        (Some(1), &json!(3)),
        "{refused:?}"
    );
    assert!(home.exported().is_empty());
    let ran = home.read_archive(&file, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        (&ran.json()["created"], &ran.json()["skipped"]),
        (&json!(3), &json!(3))
    );
    let told = home.run(&["import", &file.to_string_lossy()]).err;
    for says in [
        "skipped 3 parts",
        "line 2: ",
        "line 3: this is not JSON",
        "line 5: the relation has no to",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    // The first line may be the bad one, and a file of nothing else is an error.
    let file = home.file(
        "first.jsonl",
        "{\"content\": \"cut\n{\"content\": \"fourth\"}\n",
    );
    assert_eq!(home.read_archive(&file, &[]).json()["created"], 1);
    let file = home.file("none.jsonl", "[1, 2]\n");
    assert_eq!(home.read_archive(&file, &[]).code, Some(1));
}
