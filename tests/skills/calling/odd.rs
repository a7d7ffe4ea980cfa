//! Faulty definitions of a skill: each costs itself at most, and the status names it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Mimo, text};
use crate::support::odd;
use crate::support::official::{REVISIONS, check, official};
use crate::support::random::repeat;

fn names<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    let items = items.as_array().expect("a list").iter();
    items.filter_map(|item| item[field].as_str()).collect()
}

#[test]
fn odd_definition_costs_one_item() {
    skip_unless!(node);
    let mut mimo = Mimo::with(include_str!("odd.mjs"), &["odd"]);
    mimo.document("skill_find", json!({"query": "good"}));
    let tools = ["good", "bare", "choice", "lost", "aged"].map(|name| format!("odd__{name}"));
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    for (method, member, result, field, expected) in [
        ("tools/list", "tools", "ListToolsResult", "name", &*tools),
        (
            "resources/list",
            "resources",
            "ListResourcesResult",
            "uri",
            &["odd://a", "odd://b"],
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            "ListResourceTemplatesResult",
            "uriTemplate",
            &["odd://{x}"],
        ),
        (
            "prompts/list",
            "prompts",
            "ListPromptsResult",
            "name",
            &["odd__p", "odd__q"],
        ),
    ] {
        let listed = mimo.request(method, json!({}));
        check(&official("2025-11-25", result), &listed);
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
        "tool 8: left out: it is not a JSON object",
        "an empty cursor is taken as the end",
        "resource 1: /name",
        r#"resource \"no address\": left out"#,
        r#"prompt \"p\": /arguments is dropped"#,
    ] {
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    assert!(mimo.server.exit().success());
}

/// Whatever the skill lists, and in both lifecycles: the whole result that goes over
/// the wire is valid by the official schema of the client's revision.
#[test]
fn odd_lists_are_valid_in_each_revision() {
    skip_unless!(node);
    let mut items = BTreeMap::new();
    repeat(1, |random| {
        for (method, ..) in odd::LISTS {
            items.insert(method, odd::items(method, random));
        }
    });
    let script = odd::server(&items, &BTreeMap::new());
    let mut mimo = Mimo::with_entry(&script, &["odd"], &json!({"expose": "direct"}));
    let first = json!({"tool": "odd__t0", "arguments": {}});
    assert_eq!(text(&mimo.call("skill_call", first)), "t0");
    for revision in REVISIONS {
        let params = json!({"_meta": {
            "io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        for (method, member, result, _) in odd::LISTS {
            let listed = mimo.request(method, params.clone());
            check(&official(revision, result), &listed);
            let kept = items[method].iter().filter(|(_, is_kept)| *is_kept).count();
            let listed = listed[member].as_array().expect("a list").len();
            assert!(listed >= kept, "{method}: {listed} of {kept}");
        }
    }
    assert!(mimo.server.exit().success());
}
