//! Resource lists, templates, reads, and the instructions.

use serde_json::{Value, json};

use super::{BOTH, Lifecycle, Mimo, procedure};

fn uris(listed: &Value) -> Vec<&str> {
    let items = listed["resources"].as_array().expect("resources");
    items
        .iter()
        .map(|item| item["uri"].as_str().expect("a URI"))
        .collect()
}

#[test]
fn latest_memories_and_procedures_are_listed() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        let none = mimo.request("resources/list", json!({}));
        assert_eq!(uris(&none), ["mimo://procedure/_language"]);
        let topic = json!({"content": "To be replaced", "project": "global", "topic_key": "last"});
        let first = mimo.store(topic);
        let memories: Vec<Value> = (1..=12)
            .map(|n| json!({"content": format!("Number {n}")}))
            .collect();
        mimo.tool("memory_store", json!({ "memories": memories }));
        mimo.store(json!({"content": "Theirs", "project": "rockets"}));
        let last = mimo.store(json!({
            "content": "The\nlast one", "project": "global", "tags": ["b", "a"],
            "importance": 0.75, "category": "plan", "topic_key": "last",
        }));
        mimo.tool("procedure_define", procedure("deploy", "Deploys it"));
        let listed = mimo.request("resources/list", json!({}));
        let uris = uris(&listed);
        assert_eq!(
            uris.len(),
            mimo::limits::MEMORIES_LISTED_MAX + 2,
            "{uris:?}"
        );
        assert_eq!(uris[0], format!("mimo://memory/{last}"));
        assert_eq!(uris[1], "mimo://memory/13");
        assert_eq!(last, first, "an old memory with a new text is a late one");
        assert_eq!(uris.last(), Some(&"mimo://procedure/deploy"));
        let first = &listed["resources"][0];
        assert_eq!(first["title"], "The last one");
        assert_eq!(first["mimeType"], "application/json");
        assert_eq!(first["annotations"]["priority"], 0.75);
        let modified = first["annotations"]["lastModified"].as_str();
        assert!(modified.is_some_and(|time| time.ends_with('Z')), "{first}");
        let description = first["description"].as_str().expect("a description");
        assert!(description.starts_with("plan, ") && description.ends_with("tags: a, b"));
        assert_eq!(listed["resources"][11]["description"], "Deploys it");
        for uri in uris {
            let read = mimo.request("resources/read", json!({ "uri": uri }));
            assert_eq!(read["contents"][0]["uri"], uri);
        }
        mimo.end();
    }
}

#[test]
fn every_template_is_described() {
    let mut mimo = Mimo::start(Lifecycle::Session);
    let listed = mimo.request("resources/templates/list", json!({}));
    let templates = listed["resourceTemplates"].as_array().expect("templates");
    let uris: Vec<&Value> = templates.iter().map(|each| &each["uriTemplate"]).collect();
    let expected = [
        "mimo://memory/{id}",
        "mimo://procedure/{name}",
        "mimo://graph/{entity}",
    ];
    assert_eq!(uris, expected);
    for template in templates {
        assert!(template["title"].is_string() && template["mimeType"].is_string());
        assert!(
            template["description"]
                .as_str()
                .is_some_and(|text| text.len() > 20)
        );
    }
    mimo.end();
}

#[test]
fn missing_resource_has_the_revisions_code_and_a_next_step() {
    for (lifecycle, code) in [(Lifecycle::Session, -32002), (Lifecycle::Stateless, -32602)] {
        let mut mimo = Mimo::start(lifecycle);
        mimo.store(json!({"content": "Something"}));
        for (uri, hint) in [
            ("mimo://memory/99", "the id that memory_search gave"),
            ("mimo://memory/x", "the id that memory_search gave"),
            ("mimo://graph/person:nobody", "graph_query finds"),
            ("mimo://procedure/nothing", "procedure_define"),
            ("mimo://nothing/1", "resources/list names"),
        ] {
            let refused = mimo.refusal("resources/read", json!({ "uri": uri }));
            let message = refused["message"].as_str().expect("a message");
            assert_eq!(refused["code"], code, "{uri}: {message}");
            assert_eq!(refused["data"]["uri"], uri);
            assert!(message.contains(hint), "{uri}: {message}");
        }
        mimo.end();
    }
}

#[test]
fn instructions_are_short_and_name_existing_tools() {
    for lifecycle in BOTH {
        let mut mimo = Mimo::start(lifecycle);
        let said = match lifecycle {
            Lifecycle::Session => mimo.hello(),
            Lifecycle::Stateless => mimo.request("server/discover", json!({})),
        };
        let text = said["instructions"].as_str().expect("instructions");
        let words = text.split_whitespace().count();
        assert!(words <= mimo::limits::INSTRUCTIONS_WORDS_MAX, "{words}");
        for capability in ["completions", "prompts", "resources"] {
            assert!(said["capabilities"][capability].is_object(), "{said}");
        }
        assert_eq!(said["capabilities"]["prompts"]["listChanged"], true);
        assert_eq!(said["capabilities"]["resources"]["subscribe"], true);
        let listed = mimo.request("tools/list", json!({}));
        let tools: Vec<&str> = listed["tools"]
            .as_array()
            .expect("tools")
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let named = text
            .split(|c| !is_name(c))
            .filter(|word| word.contains('_'));
        // These two are arguments.
        let named: Vec<&str> = named
            .filter(|word| !matches!(*word, "supersedes_id" | "topic_key"))
            .collect();
        assert!(named.len() >= 8, "{named:?}");
        for name in named {
            assert!(tools.contains(&name), "{name} is no tool");
        }
        mimo.end();
    }
}
