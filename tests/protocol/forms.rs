//! Calls as real clients send them: arguments in other forms than the schema's, names
//! in another case, the examples in hints, and definitions that every vendor takes.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::server::{Reply, ask, initialize, mimo};

struct World {
    server: Server,
    _folder: TempDir,
}

impl World {
    fn new() -> World {
        World::of(&[])
    }

    fn of(more: &[&str]) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["serve", "--profile", "standard"].iter().chain(more);
        let mut server = Server::of(mimo(folder.path()).args(arguments));
        initialize(&mut server);
        World {
            server,
            _folder: folder,
        }
    }

    fn ask(&mut self, tool: &str, arguments: Value) -> Reply {
        ask(&mut self.server, tool, arguments)
    }

    fn good(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask(tool, arguments).good()
    }

    fn contents(&mut self, arguments: Value) -> Vec<String> {
        let found = self.good("memory_search", arguments);
        let items = found["items"].as_array().expect("items").iter();
        let text = |item: &Value| item["content"].as_str().expect("a text").to_owned();
        items.map(text).collect()
    }
}

/// The definitions of the tools, by name.
fn definitions() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/tools");
    let files = std::fs::read_dir(folder).expect("the schemas");
    let files = files.map(|file| file.expect("a file").path());
    let mut all: Vec<(String, Value)> = files
        .filter(|path| path.is_file())
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("its text");
            let definition: Value = serde_json::from_str(&text).expect("JSON");
            let name = definition["name"].as_str().expect("a name").to_owned();
            (name, definition)
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(all.len(), 13);
    all
}

#[test]
fn arguments_in_other_forms_do_what_was_meant() {
    let mut world = World::new();
    world.good(
        "memory_store",
        json!({"content": "Tea is at four", "tags": "[\"drinks\"]", "importance": "0.9",
               "project": "null", "topic_key": "", "supersedes_id": "undefined", "thread": "None"}),
    );
    world.good(
        "memory_store",
        json!({"memories": "[{\"content\":\"Coffee is at nine\",\"tags\":\"drinks\",\"importance\":\"0.2\",\"project\":null}]"}),
    );
    world.good(
        "memory_store",
        json!({"memories": {"content": "Lunch is at noon"}}),
    );
    let found = world.good(
        "memory_search",
        json!({"query": "undefined", "tags": "drinks", "limit": "1", "ids": "[]", "cursor": ""}),
    );
    assert_eq!(found["items"][0]["content"], "Coffee is at nine");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    for ids in [json!("[1]"), json!(1), json!("1"), json!(["1"])] {
        assert_eq!(world.contents(json!({"ids": ids})), ["Tea is at four"]);
    }
    let edited = world.good(
        "memory_edit",
        json!({"action": "forget", "ids": "[1]", "dry_run": "true", "tags": "null"}),
    );
    assert_eq!(
        edited,
        json!({"changed": [1], "dry_run": true, "project": "global"})
    );
    world.good(
        "graph_update",
        json!({"assert": "[{\"subject\":\"person:alice\",\"predicate\":\"knows\",\"object\":\"person:bob\",\"confidence\":\"0.9\",\"valid_until\":\"null\"}]",
               "text": "None", "accept": "false"}),
    );
    let found = world.good(
        "graph_query",
        json!({"patterns": "[\"person:alice\",\"knows\",\"?who\"]", "min_confidence": "0.8"}),
    );
    assert_eq!(found["bindings"][0]["?who"], "person:bob");
}

#[test]
fn a_query_for_everything_lists_the_newest() {
    let mut world = World::new();
    for text in ["The first of all", "The second"] {
        world.good("memory_store", json!({"content": text}));
    }
    for query in ["*", ".*", "all", "Everything", " ", "null"] {
        let newest = world.contents(json!({"query": query}));
        assert_eq!(newest, ["The second", "The first of all"], "{query}");
    }
    assert_eq!(
        world.contents(json!({"query": "of all", "mode": "keyword"})),
        ["The first of all"]
    );
    for query in ["*", "all"] {
        assert!(world.good("procedure_find", json!({"query": query}))["procedures"].is_array());
        assert!(world.good("skill_find", json!({"query": query}))["tools"].is_array());
    }
}

#[test]
fn projects_and_tags_are_one_in_whatever_case() {
    let mut world = World::new();
    let stored = world.good(
        "memory_store",
        json!({"content": "The site is built with Hugo", "project": "WebSite", "tags": ["Build"]}),
    );
    assert_eq!(stored["results"][0]["project"], "WebSite");
    let stored = world.good(
        "memory_store",
        json!({"memories": [
            {"content": "Its colours are blue and grey", "project": "website", "tags": ["build", "Style", "STYLE"]},
            {"content": "It opens in May", "project": "WEBSITE"},
            {"content": "Nothing to do with it", "project": "Other"},
            {"content": "Nor this", "project": "other"},
        ]}),
    );
    let projects: Vec<&Value> = stored["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|each| &each["project"])
        .collect();
    assert_eq!(projects, ["WebSite", "WebSite", "Other", "Other"]);
    assert_eq!(world.contents(json!({"project": "wEBsITE"})).len(), 3);
    let found = world.good(
        "memory_search",
        json!({"project": "website", "tags": ["BUILD"]}),
    );
    let items = found["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["tags"], json!(["Build", "STYLE"]));
    assert_eq!(found["degraded"], Value::Null);
    let found =
        world.contents(json!({"query": "which colours", "project": "website", "tags": "style"}));
    assert_eq!(found, ["Its colours are blue and grey"]);
    // A move goes to the project there is, and the shared one is one as well.
    world.good(
        "memory_edit",
        json!({"action": "update", "ids": [4], "project": "WEBsite", "tags": ["style"]}),
    );
    assert_eq!(
        world
            .contents(json!({"project": "WebSite", "tags": ["STYLE"]}))
            .len(),
        2
    );
    let stored = world.good(
        "memory_store",
        json!({"content": "Tea", "project": "Global"}),
    );
    assert_eq!(stored["results"][0]["project"], "global");
    world.good(
        "graph_update",
        json!({"project": "WEBSITE", "assert": [{"subject": "Hugo", "predicate": "builds", "object": "the site"}]}),
    );
    assert_eq!(
        world.good(
            "graph_query",
            json!({"start": "Hugo", "project": "website"})
        )["paths"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn the_current_project_is_one_in_whatever_case() {
    let folder = tempfile::tempdir().expect("a folder");
    for (project, text) in [("Website", "The first"), ("WEBSITE", "The second")] {
        let mut server = Server::of(mimo(folder.path()).args(["serve", "--project", project]));
        initialize(&mut server);
        let stored = ask(&mut server, "memory_store", json!({"content": text})).good();
        assert_eq!(stored["results"][0]["project"], "Website");
        if project == "WEBSITE" {
            let found = ask(&mut server, "memory_search", json!({})).good();
            assert_eq!(found["items"].as_array().map(Vec::len), Some(2));
        }
        assert!(server.exit().success());
    }
}

#[test]
fn an_unknown_project_or_tag_is_said_with_the_nearest() {
    let mut world = World::new();
    world.good(
        "memory_store",
        json!({"content": "The site is built with Hugo", "project": "website", "tags": ["build"]}),
    );
    let table = [
        (
            json!({"project": "websit"}),
            r#"nothing is in a project "websit"; did you mean "website"?"#,
        ),
        (
            json!({"query": "Hugo", "project": "zzz"}),
            r#"nothing is in a project "zzz""#,
        ),
        (
            json!({"project": "*", "tags": ["biuld"]}),
            r#"no memory has the tag "biuld"; did you mean "build"?"#,
        ),
    ];
    for (arguments, said) in table {
        let found = world.good("memory_search", arguments.clone());
        let degraded = found["degraded"].as_str().unwrap_or_default();
        assert!(degraded.starts_with(said), "{arguments}: {found}");
    }
    // The current project and the shared one may be empty.
    for arguments in [
        json!({}),
        json!({"project": "global"}),
        json!({"project": "*"}),
    ] {
        assert_eq!(
            world.good("memory_search", arguments)["degraded"],
            Value::Null
        );
    }
}

#[test]
fn a_project_called_null_is_refused() {
    for name in ["null", "undefined", "None"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = mimo(folder.path());
        let ran = command.args(["remember", "Tea is at four", "--project", name]);
        assert!(!ran.status().expect("it runs").success(), "{name}");
    }
}

#[test]
fn moments_are_named_as_people_name_them() {
    let mut world = World::new();
    world.good(
        "memory_store",
        json!({"content": "Tea is at four", "valid_until": "next month"}),
    );
    for (arguments, count) in [
        (json!({"since": "yesterday"}), 1),
        (json!({"since": "this week", "until": "tomorrow"}), 1),
        (json!({"since": "P7D"}), 1),
        (json!({"until": "last week"}), 0),
        (json!({"until": "2020-11"}), 0),
        (json!({"query": "tea", "until": "2 days ago"}), 0),
        (json!({"query": "tea", "since": "3 days ago"}), 1),
        (json!({"as_of": "yesterday"}), 0),
        (json!({"as_of": "today"}), 1),
    ] {
        assert_eq!(
            world.contents(arguments.clone()).len(),
            count,
            "{arguments}"
        );
    }
    for (tool, arguments) in [
        ("memory_search", json!({"until": "soon"})),
        (
            "memory_store",
            json!({"content": "x", "valid_until": "soon"}),
        ),
        ("graph_query", json!({"start": "x", "as_of": "soon"})),
    ] {
        let error = world.ask(tool, arguments).bad();
        let hint = error["hint"].as_str().expect("a hint");
        for form in ["2026-11", "7d", "P7D", "yesterday", "last week"] {
            assert!(hint.contains(form), "{hint}");
        }
    }
}

#[test]
fn days_begin_where_the_settings_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config");
    std::fs::create_dir_all(&config).expect("a folder");
    let set = |zone: &str| {
        let text = format!("time_zone = \"{zone}\"\n");
        std::fs::write(config.join("config.toml"), text).expect("settings");
    };
    let until = |zone: &str| {
        set(zone);
        let mut server = Server::of(mimo(folder.path()).arg("serve"));
        initialize(&mut server);
        let call = json!({"content": format!("The {zone}"), "valid_until": "2100-01-01"});
        ask(&mut server, "memory_store", call).good();
        let found = ask(&mut server, "memory_search", json!({"limit": 1})).good();
        assert!(server.exit().success());
        found["items"][0]["valid_until"].clone()
    };
    assert_eq!(until("Asia/Tokyo"), "2100-01-01T15:00:00Z");
    assert_eq!(until("UTC"), "2100-01-02T00:00:00Z");
    set("Middle-earth/Shire");
    let ran = mimo(folder.path()).arg("status").output().expect("it runs");
    assert!(!ran.status.success());
}

/// The calls that a hint shows.
fn examples(tool: &str, hint: &str) -> Vec<(String, Value)> {
    let starts = hint.match_indices('{').map(|(at, _)| at);
    let mut calls = Vec::new();
    let mut end = 0;
    for start in starts {
        if start < end {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(&hint[start..]).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            end = start + values.byte_offset();
            let (name, arguments) = match value.get("name").and(value.get("arguments")) {
                Some(arguments) => (value["name"].as_str().expect("a name"), arguments.clone()),
                None => (tool, value.clone()),
            };
            calls.push((name.to_owned(), arguments));
        }
    }
    calls
}

#[test]
fn every_example_in_a_hint_is_a_valid_call() {
    let mut world = World::new();
    let mut wrong: Vec<(String, Value)> = [
        ("memory_store", json!({})),
        ("memory_store", json!({"tags": ["x"]})),
        ("memory_edit", json!({"action": "undo"})),
        ("memory_edit", json!({"action": "update", "ids": [1]})),
        ("graph_query", json!({})),
        ("graph_update", json!({})),
        ("procedure_define", json!({})),
        ("procedure_run", json!({})),
    ]
    .map(|(tool, arguments)| (tool.to_owned(), arguments))
    .into();
    for action in ["update", "forget", "restore", "protect", "unprotect"] {
        wrong.push(("memory_edit".to_owned(), json!({"action": action})));
    }
    for (tool, definition) in definitions() {
        wrong.push((tool.clone(), json!({"unheard_of": 1})));
        wrong.push((tool.clone(), json!([])));
        let properties = definition["inputSchema"]["properties"]
            .as_object()
            .expect("properties");
        for (name, schema) in properties {
            let bad = match schema["type"].as_str() {
                Some("string") => json!({"a": 1}),
                Some("object") => json!(["a"]),
                _ => json!([true]),
            };
            wrong.push((tool.clone(), json!({name: bad})));
        }
    }
    let mut shown = 0;
    for (tool, arguments) in wrong {
        let error = world.ask(&tool, arguments.clone()).bad();
        let hint = error["hint"].as_str().unwrap_or_default();
        let calls = examples(&tool, hint);
        assert!(!calls.is_empty(), "{tool} {arguments}: {error}");
        for (tool, example) in calls {
            shown += 1;
            let reply = world.ask(&tool, example.clone());
            let kind = &reply.document["error"]["kind"];
            let is_shape = hint.contains("in place of the <..>");
            let is_invalid = kind == "invalid_arguments";
            // What the placeholders of patterns find is nothing, and no error.
            let is_refused = is_invalid || tool == "graph_query";
            assert!(
                (if is_shape { is_refused } else { !is_invalid }) && kind != "internal",
                "{tool} {arguments}, so {example}: {}",
                reply.document
            );
        }
    }
    assert!(shown > 90, "{shown}");
}

/// The call that a refused one is answered with says what the caller said.
#[test]
fn a_corrected_call_keeps_what_the_caller_wrote() {
    let mut world = World::new();
    world.good("memory_store", json!({"content": "Ana lives in Rome"}));
    let table = [
        (
            "memory_edit",
            json!({"action": "delete", "ids": [12]}),
            json!({"action": "forget", "ids": [12]}),
        ),
        (
            "memory_edit",
            json!({"action": "archive", "ids": [12]}),
            json!({"action": "forget", "ids": [12]}),
        ),
        (
            "memory_edit",
            json!({"action": "forget", "id": 1}),
            json!({"action": "forget", "ids": [1]}),
        ),
        (
            "memory_edit",
            json!({"action": "update", "memory_id": 4, "content": "New address"}),
            json!({"action": "update", "ids": [4], "content": "New address"}),
        ),
        (
            "memory_edit",
            json!({"action": "update", "ids": [5], "importance": 2}),
            json!({"action": "update", "ids": [5], "importance": "<number from 0 to 1>"}),
        ),
        (
            "memory_edit",
            json!({"ids": [5], "content": "x"}),
            json!({"ids": [5], "content": "x", "action": "<update|forget|restore|protect|unprotect|undo>"}),
        ),
        (
            "memory_store",
            json!({"text": "Ana moved"}),
            json!({"content": "Ana moved"}),
        ),
        (
            "memory_store",
            json!({"memories": ["a", "b"]}),
            json!({"memories": [{"content": "<content>"}, {"content": "<content>"}]}),
        ),
        (
            "memory_store",
            json!({"content": "x", "category": "plans"}),
            json!({"content": "x", "category": "plan"}),
        ),
        (
            "graph_update",
            json!({"subject": "Ana", "predicate": "likes", "object": "tea"}),
            json!({"assert": [{"subject": "Ana", "predicate": "likes", "object": "tea"}]}),
        ),
        (
            "graph_update",
            json!({"assert": [{"from": "Ana", "relation": "likes", "to": "tea"}]}),
            json!({"assert": [{"subject": "Ana", "predicate": "likes", "object": "tea"}]}),
        ),
        (
            "procedure_run",
            json!({"name": "x", "arguments": {"a": 1}}),
            json!({"name": "x", "context": {"a": 1}}),
        ),
        (
            "procedure_run",
            json!({"execution_id": "x", "approve": true}),
            json!({"execution_id": "x"}),
        ),
        (
            "skill_call",
            json!({"name": "files__read", "arguments": {}}),
            json!({"tool": "files__read", "arguments": {}}),
        ),
        (
            "graph_query",
            json!({"start": "Ana", "direction": "inbound"}),
            json!({"start": "Ana", "direction": "in"}),
        ),
        (
            "memory_search",
            json!({"query": "x", "limit": 1000}),
            json!({"query": "x", "limit": 100}),
        ),
    ];
    for (tool, sent, expected) in table {
        let error = world.ask(tool, sent.clone()).bad();
        let hint = error["hint"].as_str().expect("a hint");
        let shown = examples(tool, hint);
        assert_eq!(shown, [(tool.to_owned(), expected)], "{sent}: {hint}");
    }
    let error = world.ask(
        "graph_update",
        json!({"assert": [{"from": "a", "relation": "b", "to": "c"}]}),
    );
    let hint = error.bad()["hint"].to_string();
    assert!(!hint.contains("valid_from"), "{hint}");
    let error = world.ask(
        "procedure_run",
        json!({"execution_id": "x", "approve": true}),
    );
    let hint = error.bad()["hint"].to_string();
    assert!(hint.contains("mimo procedure approve"), "{hint}");
    // A shape that is sent as it stands changes nothing.
    let error = world.ask(
        "memory_edit",
        json!({"action": "update", "ids": [1], "content": "<content>"}),
    );
    assert_eq!(error.bad()["path"], "/content");
    assert_eq!(world.contents(json!({})), ["Ana lives in Rome"]);
}

/// A fenced caller is not told to write where it may not.
#[test]
fn a_fence_does_not_offer_the_shared_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut told = Vec::new();
    for fence in [&["--fence"][..], &[]] {
        let arguments = [&["serve", "--project", "web"], fence].concat();
        let mut server = Server::of(mimo(folder.path()).args(arguments));
        let mut text = initialize(&mut server)["instructions"].to_string();
        let mut result = |method: &str, params: Value| {
            server
                .send(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}));
            server.message()["result"].to_string()
        };
        text += &result("tools/list", json!({}));
        text += &result("prompts/get", json!({"name": "remember"}));
        told.push(
            text.contains("project global")
                || text.contains("'global'")
                || text.contains(r#"\"global\""#),
        );
    }
    assert_eq!(told, [false, true]);
}

/// What the function schemas of Gemini (the `Schema` object of its API), OpenAI and
/// Anthropic all document.
const KEYWORDS: [&str; 13] = [
    "type",
    "description",
    "properties",
    "required",
    "items",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "additionalProperties",
    "title",
];

fn check_subset(at: &str, schema: &Value, depth: usize) -> usize {
    let members = schema
        .as_object()
        .unwrap_or_else(|| panic!("{at} is no object"));
    for (keyword, value) in members {
        assert!(KEYWORDS.contains(&keyword.as_str()), "{at}: {keyword}");
        // OpenAI allows 1,024 characters of a description.
        assert!(
            value
                .as_str()
                .is_none_or(|text| text.chars().count() <= 1024),
            "{at}"
        );
    }
    let word = schema["type"]
        .as_str()
        .unwrap_or_else(|| panic!("{at} has not one type"));
    if let Some(options) = schema["enum"].as_array() {
        assert!(
            word == "string" && options.iter().all(Value::is_string),
            "{at}"
        );
    }
    match word {
        "object" => {
            let properties = schema["properties"].as_object();
            let properties = properties.unwrap_or_else(|| panic!("{at} has no properties"));
            // OpenAI's depth of nesting.
            assert!(depth <= 5, "{at} is too deep");
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    properties.contains_key(name.as_str().expect("a name")),
                    "{at}: {name}"
                );
            }
            let inner = properties.iter().map(|(name, schema)| {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
                assert!(
                    name.len() <= 64 && name.chars().all(allowed),
                    "{at}: {name}"
                );
                1 + check_subset(&format!("{at}/{name}"), schema, depth + 1)
            });
            inner.sum()
        }
        "array" => check_subset(&format!("{at}/items"), &schema["items"], depth + 1),
        "string" | "integer" | "number" | "boolean" => 0,
        other => panic!("{at} is of type {other}"),
    }
}

#[test]
fn definitions_are_within_what_every_vendor_documents() {
    for (name, definition) in definitions() {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.len() <= 64 && name.chars().all(allowed), "{name}");
        let description = definition["description"].as_str().expect("a description");
        assert!(description.chars().count() <= 1024, "{name}");
        let schema = &definition["inputSchema"];
        assert_eq!(schema["type"], "object", "{name}");
        // OpenAI's number of properties in all.
        assert!(check_subset(&name, schema, 1) <= 100, "{name}");
    }
}
