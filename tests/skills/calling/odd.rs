//! Faulty definitions of a skill: each costs itself at most, and the status names it.

use mimo::skills::client::List;
use serde_json::{Value, json};

use super::{Mimo, text};
use crate::definitions::accepted;

fn names<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    let items = items.as_array().expect("a list").iter();
    items.filter_map(|item| item[field].as_str()).collect()
}

#[test]
fn odd_definition_costs_one_item() {
    skip_unless!(node);
    let mut mimo = Mimo::with(include_str!("odd.mjs"), &["odd"]);
    mimo.document("skill_find", json!({"query": "good"}));
    for (list, method, member) in [
        (List::Tools, "tools/list", "tools"),
        (List::Resources, "resources/list", "resources"),
        (
            List::Templates,
            "resources/templates/list",
            "resourceTemplates",
        ),
        (List::Prompts, "prompts/list", "prompts"),
    ] {
        let listed = mimo.request(method, json!({}));
        let items = listed[member].as_array().expect("a list");
        let validator = jsonschema::validator_for(&accepted(list)).expect("a schema");
        for item in items {
            assert!(validator.is_valid(item), "{item}");
        }
        let (field, expected) = match list {
            List::Tools => (
                "name",
                [
                    "odd__good",
                    "odd__bare",
                    "odd__choice",
                    "odd__lost",
                    "odd__aged",
                ]
                .as_slice(),
            ),
            List::Resources => ("uri", ["odd://a", "odd://b"].as_slice()),
            List::Templates => ("uriTemplate", ["odd://{x}"].as_slice()),
            List::Prompts => ("name", ["odd__p", "odd__q"].as_slice()),
        };
        let found = names(&listed[member], field);
        let found: Vec<&str> = found
            .into_iter()
            .filter(|name| name.starts_with("odd"))
            .collect();
        assert_eq!(found, expected, "{method}");
    }
    let called = mimo.request("tools/call", json!({"name": "odd__bare", "arguments": {}}));
    assert_eq!(text(&called), "bare");
    let status = mimo.document("mimo_status", json!({"section": "skills"}));
    let notes = status["skills"][0]["notes"].to_string();
    for expected in [
        r#"tool \"bare\""#,
        r#"tool \"choice\""#,
        r#"tool \"lost\""#,
        r#"tool \"aged\""#,
        r#"tool \"text\": left out"#,
        "tool 7: left out: it has no name",
        "tool 8: left out: it is no JSON object",
        "an empty cursor is taken as the end",
        "resource 1: /name",
        r#"resource \"no address\": left out"#,
        r#"prompt \"p\": /arguments is dropped"#,
    ] {
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    assert!(mimo.server.exit().success());
}
