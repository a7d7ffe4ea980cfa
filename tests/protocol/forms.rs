//! Calls as real clients send them: arguments in other forms than the schema's, names
//! in another case, and definitions that every vendor takes.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::server::{Reply, ask, initialize, mimo};

pub(super) struct World {
    server: Server,
    _folder: TempDir,
}

impl World {
    pub(super) fn new() -> World {
        World::of(&[])
    }

    pub(super) fn of(more: &[&str]) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["serve", "--profile", "standard"].iter().chain(more);
        let mut server = Server::of(mimo(folder.path()).args(arguments));
        initialize(&mut server);
        World {
            server,
            _folder: folder,
        }
    }

    pub(super) fn ask(&mut self, tool: &str, arguments: Value) -> Reply {
        ask(&mut self.server, tool, arguments)
    }

    pub(super) fn good(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask(tool, arguments).good()
    }

    pub(super) fn contents(&mut self, arguments: Value) -> Vec<String> {
        let found = self.good("memory_search", arguments);
        let items = found["items"].as_array().expect("items").iter();
        let text = |item: &Value| item["content"].as_str().expect("a text").to_owned();
        items.map(text).collect()
    }
}

/// The definitions of the tools, by name.
pub(super) fn definitions() -> Vec<(String, Value)> {
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
