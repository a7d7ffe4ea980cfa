//! Projects as every tool that filters by one takes them.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{ask, mimo};

#[test]
fn every_tool_says_an_unknown_project_and_takes_a_known_one_in_any_case() {
    let unknown = r#"nothing is in a project "websit"; did you mean "website"?"#;
    for (tool, arguments) in [
        (
            "graph_query",
            json!({"patterns": [["?a", "uses", "?b"]], "project": "websit"}),
        ),
        (
            "ask_mimo",
            json!({"query": "What is the site built with?", "project": "websit"}),
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Server::of(&mut mimo(folder.path()));
        ask(
            &mut server,
            "memory_store",
            json!({"content": "The site is built with Hugo", "project": "website"}),
        )
        .good();
        let update = json!({"assert": [{"subject": "site", "predicate": "uses", "object": "Hugo"}],
                            "project": "Drawings"});
        ask(&mut server, "graph_update", update).good();
        let found = ask(&mut server, tool, arguments).good();
        let degraded = found["degraded"].as_str().unwrap_or_default();
        assert!(degraded.contains(unknown), "{tool}: {found}");
        // A project that only the graph has, in other letters.
        let query = json!({"start": "Hugo", "direction": "in", "project": "drawings"});
        let found = ask(&mut server, "graph_query", query).good();
        assert_eq!(found["degraded"], Value::Null, "{found}");
        assert_eq!(found["paths"].as_array().map(Vec::len), Some(1), "{found}");
        assert!(server.exit().success());
    }
}
