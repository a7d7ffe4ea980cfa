//! The reader, the schema and the guide agree on every key.

use serde_json::Value;

use super::file;
use super::keys::KEYS;
use super::rules::{FileSettings, Rule};
use super::*;
use crate::limits::NAME_BYTES_MAX;

/// The schema's leaves as (path, description of the leaf).
fn leaves(above: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    assert_eq!(
        schema["additionalProperties"], false,
        "{above}: unknown keys are refused"
    );
    for (name, inner) in schema["properties"].as_object().expect("properties") {
        let path = format!("{above}{name}");
        if inner["type"] == "object" {
            leaves(&format!("{path}."), inner, found);
        } else {
            found.push((path, inner.clone()));
        }
    }
}

#[test]
fn the_schema_and_the_reader_name_the_same_keys_with_the_same_bounds() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/config.schema.json")).expect("JSON");
    let mut found = Vec::new();
    leaves("", &schema, &mut found);
    let mut named: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
    let mut read: Vec<_> = KEYS.iter().map(|key| key.path).collect();
    named.sort_unstable();
    read.sort_unstable();
    assert_eq!(named, read);
    let mut settings = FileSettings::default();
    for (path, leaf) in &found {
        let key = KEYS.iter().find(|key| key.path == path).expect("compared");
        match key.rule {
            Rule::Project(_) => {
                assert_eq!(leaf["default"], PROJECT_SHARED);
                assert_eq!(leaf["maxLength"], NAME_BYTES_MAX);
            }
            Rule::OneOf(words, _) => assert_eq!(leaf["enum"], serde_json::json!(words)),
            Rule::Text(..) => assert_eq!(leaf["type"], "string", "{path}"),
            Rule::Switch(field) => {
                assert_eq!(leaf["type"], "boolean", "{path}");
                assert_eq!(leaf["default"], *field(&mut settings), "{path}");
            }
            Rule::Between(low, high, field) => {
                assert_eq!(leaf["minimum"].as_f64(), Some(low), "{path}");
                assert_eq!(leaf["maximum"].as_f64(), Some(high), "{path}");
                let default = *field(&mut settings.memory);
                assert_eq!(leaf["default"].as_f64(), Some(default), "{path}");
            }
            Rule::Whole(low, high, field) => {
                assert_eq!(leaf["type"], "integer", "{path}");
                assert_eq!(leaf["minimum"], low, "{path}");
                assert_eq!(leaf["maximum"], high, "{path}");
                assert_eq!(leaf["default"], *field(&mut settings), "{path}");
            }
            Rule::Texts(_, _, field) => {
                assert_eq!(leaf["maxItems"], crate::limits::CONFIG_LIST_MAX, "{path}");
                let default = field(&mut settings).clone();
                assert_eq!(leaf["default"], serde_json::json!(default), "{path}");
            }
        }
        assert!(leaf["description"].is_string(), "{path} is explained");
    }
}

#[test]
fn the_guide_lists_every_key_with_its_default() {
    let guide = include_str!("../../install/guide/settings.md");
    let block = guide.split("```toml\n").nth(1).expect("a list of keys");
    let block = block.split("```").next().expect("an end");
    let mut listed = file::parse("settings.md", block).expect("valid settings");
    // Keys without a default value describe what Mimo does without them.
    assert_eq!(listed.project.take().as_deref(), Some(PROJECT_SHARED));
    assert_eq!(listed.profile.take().as_deref(), Some(PROFILE_DEFAULT));
    let listen = FileSettings::default().http.listen().to_owned();
    assert_eq!(listed.http.listen.take(), Some(listen));
    assert_eq!(listed.store.schema.take().as_deref(), Some("mimo"));
    assert_eq!(listed.log_level.take().as_deref(), Some("warn"));
    assert_eq!(listed.ask.synthesis.take().as_deref(), Some("auto"));
    assert_eq!(listed.skills.first_sight.take().as_deref(), Some("approve"));
    assert_eq!(listed, FileSettings::default());
    for key in KEYS {
        let name = key.path.rsplit('.').next().expect("a name");
        let line = format!("{name} = ");
        let is_listed = block
            .lines()
            .any(|each| each.trim_start_matches("# ").starts_with(&line));
        assert!(is_listed, "{} is missing", key.path);
    }
}
