//! Folders of valid and invalid definitions with their expected refusals.

use std::path::Path;

use mimo::diagnostics::Diagnostic;
use mimo::procedure::check::{CheckedDefinition, KnownNames, check};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The tools that the definitions may name.
struct Few;

impl KnownNames for Few {
    fn tool(&self, name: &str) -> Result<(), (String, String)> {
        match name {
            "memory_search" | "memory_store" | "memory_edit" => Ok(()),
            "procedure_run" => Err(("not from a procedure".into(), "use call_procedure".into())),
            name if name.contains("__") => Ok(()),
            name => Err((format!("there is no tool {name:?}"), "name another".into())),
        }
    }

    fn procedure(&self, name: &str) -> bool {
        name == "other"
    }
}

fn files(folder: &str) -> Vec<(String, Value)> {
    let folder = Path::new(ROOT)
        .join("tests/domain/procedure/files")
        .join(folder);
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let text = std::fs::read_to_string(&path).expect("its text");
            let value = serde_json::from_str(&text).expect("JSON");
            (name.into_owned(), value)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn checked(value: &Value) -> Result<CheckedDefinition, Vec<Diagnostic>> {
    check(value, &Few)
}

fn schema() -> jsonschema::Validator {
    let path = Path::new(ROOT).join("schemas/procedure.schema.json");
    let text = std::fs::read_to_string(path).expect("a file");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema), "a schema of its draft");
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn valid_definitions_and_their_stored_forms_pass_the_schema() {
    let schema = schema();
    let files = files("valid");
    assert!(files.len() >= 25);
    for (name, value) in files {
        let checked = checked(&value).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:#?}"));
        assert!(schema.is_valid(&checked.value), "{name}");
        assert_eq!(checked.definition.name, "example", "{name}");
        // The stored form parses to itself, so its hash is stable.
        let again = self::checked(&checked.value).expect(&name);
        assert_eq!(again.hash, checked.hash, "{name}");
    }
}

/// Each definition of the guide, and all actions are in one of them.
#[test]
fn the_definitions_of_the_guide_are_valid() {
    let path = Path::new(ROOT).join("install/guide/procedures.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let blocks: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 2);
    for block in &blocks {
        let value: Value = serde_json::from_str(block).expect("JSON");
        check(&value, &mimo::procedure::check::AnyName)
            .unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    }
    for action in [
        "tool",
        "set",
        "validate",
        "delay_ms",
        "choice",
        "map",
        "wait_for_approval",
        "call_procedure",
    ] {
        let shown = format!("\"action\": {{\"{action}\":");
        assert!(
            blocks.iter().any(|block| block.contains(&shown)),
            "{action}"
        );
    }
}

#[test]
fn words_of_other_languages_and_a_missing_beginning_are_named() {
    let value = json!({
        "name": "example", "version": "one two", "initial_state": "start",
        "states": {
            "a": {"action": {"wait": 5}, "nxt": "b", "transitions": 5},
            "b": {"end": true},
        },
    });
    let mistakes = checked(&value).expect_err("it is wrong");
    let of = |path: &str| {
        let found = mistakes.iter().find(|each| each.path == path);
        let found = found.unwrap_or_else(|| panic!("{path}: {mistakes:#?}"));
        (found.reason.clone(), found.fix.clone())
    };
    assert_eq!(of("/states/a/action/wait").1, "did you mean \"delay_ms\"?");
    assert_eq!(of("/initial_state").0, "there is no state \"start\"");
    assert_eq!(of("/version").0, "this is not a valid version");
}

#[test]
fn invalid_definitions_are_refused_at_the_expected_paths() {
    let path = Path::new(ROOT).join("tests/domain/procedure/files/expected.json");
    let expected: Value = std::fs::read_to_string(path)
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .expect("a file");
    let files = files("invalid");
    assert!(files.len() >= 60);
    assert_eq!(
        expected.as_object().map(serde_json::Map::len),
        Some(files.len())
    );
    for (name, value) in files {
        let mistakes = checked(&value).expect_err(&name);
        let found: Vec<[&str; 2]> = mistakes
            .iter()
            .map(|each| [each.path.as_str(), each.reason.as_str()])
            .collect();
        assert_eq!(json!(found), expected[&name], "{name}");
        for each in &mistakes {
            assert!(!each.fix.is_empty(), "{name}: {each}");
            assert!(
                json!(each.value).to_string().len() < 1000,
                "{name}: cut short"
            );
        }
    }
}

#[test]
fn names_that_nothing_sets_are_found_as_members_of_the_context_too() {
    let state = json!({"action": {"set": {"x": "{{ topic }} {{ context.topic.a }} {{ context.tpic }}"}},
                       "end": true});
    let value = json!({"name": "example", "version": "1", "initial_state": "a",
        "context_schema": {"properties": {"topic": {"type": "string"}}}, "states": {"a": state}});
    let mistakes = checked(&value).expect_err("a name is unknown");
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    assert_eq!(mistakes[0].reason, "nothing sets the variable tpic");
    assert!(mistakes[0].fix.contains("topic"), "{}", mistakes[0].fix);
}

#[test]
fn a_value_of_another_type_is_told_its_shape() {
    let state = |state: Value| {
        json!({"name": "example", "version": "1", "initial_state": "a",
                                      "states": {"a": state, "b": {"end": true}}})
    };
    for (definition, path, shape) in [
        (
            state(json!({"transitions": {"success": "b"}})),
            "/states/a/transitions",
            r#"[{"event""#,
        ),
        (
            state(json!({"transitions": ["b"]})),
            "/states/a/transitions/0",
            r#"{"event""#,
        ),
        (
            state(json!({"action": "memory_search", "next": "b"})),
            "/states/a/action",
            r#"{"tool""#,
        ),
        (state(json!("b")), "/states/a", r#"{"action""#),
        (json!([]), "", r#"{"name""#),
    ] {
        let mistakes = checked(&definition).expect_err(path);
        let mistake = mistakes.iter().find(|each| each.path == path);
        let fix = &mistake
            .unwrap_or_else(|| panic!("{path}: {mistakes:#?}"))
            .fix;
        assert!(
            fix.starts_with("write it as ") && fix.contains(shape),
            "{path}: {fix}"
        );
        // What it shows fits in that place.
        let shown = fix.trim_start_matches("write it as ");
        let mut corrected = definition.clone();
        *corrected.pointer_mut(path).expect("the place") =
            serde_json::from_str(shown).expect("JSON");
        let left = checked(&corrected).err().unwrap_or_default();
        let is_there = |mistake: &Diagnostic| mistake.path == path && mistake.fix == *fix;
        assert!(!left.iter().any(is_there), "{shown}: {left:#?}");
    }
}

#[test]
fn fix_names_the_likely_intention() {
    let value = json!({
        "name": "example", "version": "1", "initial_state": "begin",
        "states": {"begn": {"action": {"tool": "memory_search"}, "nxt": "done"}, "done": {"end": true}},
    });
    let mistakes = checked(&value).expect_err("it is wrong");
    let fix = |path: &str| {
        let found = mistakes.iter().find(|each| each.path == path);
        found
            .unwrap_or_else(|| panic!("{path}: {mistakes:#?}"))
            .fix
            .clone()
    };
    assert_eq!(fix("/states/begn/nxt"), "did you mean \"next\"?");
    assert_eq!(fix("/initial_state"), "did you mean \"begn\"?");
}
