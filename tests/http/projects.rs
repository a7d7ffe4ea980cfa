//! What a key reaches: its projects, its scopes and its tools, and nothing else.

use serde_json::{Value, json};

use crate::client::{Http, Team};

/// The text of everything that a key sees through every way to read.
fn everything(http: &Http, key: &str) -> String {
    let session = http.initialize(key);
    let ask = |id: u32, method: &str, params: Value| {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        http.post(key, Some(&session), &message).whole().body
    };
    let tool = |name: &str, arguments: Value| http.tool(key, name, arguments).1.to_string();
    let ids: Vec<u32> = (1..20).collect();
    let mut seen = vec![
        tool(
            "memory_search",
            json!({"query": "the secret plan", "limit": 100}),
        ),
        tool("memory_search", json!({"query": "plan", "project": "*"})),
        tool("memory_search", json!({"query": "plan", "project": "b"})),
        tool("memory_search", json!({"ids": ids})),
        tool(
            "ask_mimo",
            json!({"query": "What is the secret plan of Bob?"}),
        ),
        tool("graph_query", json!({"start": "Bob"})),
        tool("graph_query", json!({"patterns": [["?x", "builds", "?z"]]})),
        tool("procedure_find", json!({})),
        tool("mimo_status", json!({})),
        ask(1, "resources/list", json!({})),
        ask(2, "prompts/list", json!({})),
        ask(3, "tools/list", json!({})),
    ];
    for id in ids {
        let params = json!({"uri": format!("mimo://memory/{id}")});
        seen.push(ask(100 + id, "resources/read", params));
    }
    for (name, value) in [("project", ""), ("tag", ""), ("topic", "")] {
        let params = json!({"ref": {"type": "ref/resource", "uri": "mimo://project/{project}"},
            "argument": {"name": name, "value": value}});
        seen.push(ask(200, "completion/complete", params));
    }
    seen.join("\n")
}

#[test]
fn nothing_of_another_project_is_seen_or_changed() {
    let team = Team::new();
    let (a, b) = (
        team.key(&["--projects", "a"]),
        team.key(&["--projects", "b"]),
    );
    let http = team.serve(&[]);
    let (status, stored) = http.tool(
        &b,
        "memory_store",
        json!({"content": "Bob's secret plan is a zeppelin", "tags": ["zeppelins"]}),
    );
    assert_eq!(status, 200, "{stored}");
    let triple = json!({"subject": "Bob", "predicate": "builds", "object": "a zeppelin"});
    let (status, asserted) = http.tool(&b, "graph_update", json!({"assert": [triple]}));
    assert_eq!(status, 200, "{asserted}");
    let own = http.tool(&a, "memory_store", json!({"content": "Ann plans a picnic"}));
    assert_eq!(own.0, 200, "{}", own.1);
    assert!(everything(&http, &b).contains("zeppelin"), "b sees its own");
    let seen = everything(&http, &a);
    assert!(
        seen.contains("picnic") && !seen.contains("zeppelin"),
        "{seen}"
    );
    assert!(!seen.contains("\"b\""), "not even its name: {seen}");
    let id = stored["results"][0]["id"].clone();
    for change in [
        json!({"ids": [id], "action": "forget"}),
        json!({"ids": [id], "action": "update", "content": "taken"}),
        json!({"ids": [9999], "action": "forget"}),
    ] {
        let (status, answer) = http.tool(&a, "memory_edit", change.clone());
        assert_ne!(status, 200, "{change}: {answer}");
    }
    for project in ["b", "global"] {
        let stored = json!({"content": "smuggled", "project": project});
        let (status, answer) = http.tool(&a, "memory_store", stored);
        assert_ne!(status, 200, "{answer}");
    }
    assert!(everything(&http, &b).contains("secret plan is a zeppelin"));
}

#[test]
fn a_key_that_reads_changes_nothing() {
    let team = Team::new();
    let key = team.key(&["--scopes", "read"]);
    let http = team.serve(&[]);
    let listed = http.get("/v1/mimo/tools", &key).json();
    let names: Vec<&str> = listed["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert!(names.contains(&"memory_search"), "{names:?}");
    for tool in [
        "memory_store",
        "memory_edit",
        "graph_update",
        "procedure_run",
        "procedure_define",
    ] {
        assert!(!names.contains(&tool), "{names:?}");
        let (status, answer) = http.tool(&key, tool, json!({}));
        assert_eq!(
            (status, answer["error"].as_str()),
            (403, Some("insufficient_scope"))
        );
        let call = crate::support::call_of(1, tool, json!({}));
        let answer = http.post(&key, None, &call).whole();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["error"]["code"], -32602, "{}", answer.body);
    }
    assert_eq!(http.get("/metrics", &key).status, 403);
    let metrics = team.key(&["--scopes", "metrics"]);
    assert_eq!(http.get("/metrics", &metrics).status, 200);
    assert_eq!(http.get("/health", &metrics).status, 403);
}

#[test]
fn patterns_of_tools_hold_on_every_way_to_call() {
    let team = Team::new();
    let key = team.key(&["--tools", "memory_*", "--tools", "!memory_edit"]);
    let http = team.serve(&[]);
    let listed = http.get("/v1/mimo/tools", &key).json();
    assert_eq!(
        listed["tools"].as_array().expect("tools").len(),
        2,
        "{listed}"
    );
    assert_eq!(
        http.tool(&key, "memory_search", json!({"query": "x"})).0,
        200
    );
    for tool in ["memory_edit", "ask_mimo", "skill_call"] {
        assert_eq!(http.tool(&key, tool, json!({})).0, 403, "{tool}");
    }
    assert_eq!(http.tool(&key, "no_such_tool", json!({})).0, 404);
    let body = json!({"query": "x"}).to_string();
    let authorization = crate::client::bearer(&key);
    let headers = [
        ("Authorization", &*authorization),
        ("Content-Type", "application/json"),
    ];
    assert_eq!(
        http.send("POST", "/v1/mimo/ask", &headers, &body).status,
        403
    );
}

#[test]
fn a_profile_of_a_key_leaves_out_tools_of_the_server() {
    let team = Team::new();
    let key = team.key(&["--profile", "core"]);
    let http = team.serve(&[]);
    let every = http.get("/v1/mimo/tools", &team.key(&[])).json();
    let core = http.get("/v1/mimo/tools", &key).json();
    let count = |listed: &Value| listed["tools"].as_array().expect("tools").len();
    assert!((1..count(&every)).contains(&count(&core)), "{core}");
    assert_eq!(http.tool(&key, "graph_update", json!({})).0, 403);
    assert_eq!(
        http.tool(&key, "memory_search", json!({"query": "x"})).0,
        200
    );
}

#[test]
fn a_procedure_stops_with_the_key_that_started_it() {
    let team = Team::new();
    let (key, other) = (team.key(&[]), team.key(&[]));
    let http = team.serve(&[]);
    let store = |content: &str| json!({"tool": "memory_store", "arguments": {"content": content}});
    let definition = json!({
        "name": "late", "version": "1", "initial_state": "first", "states": {
            "first": {"action": store("before"), "compensate": store("undone"), "next": "wait"},
            "wait": {"action": {"delay_ms": 3000}, "next": "second"},
            "second": {"action": store("after"), "end": true},
        },
    });
    let defined = http.tool(&key, "procedure_define", json!({"definition": definition}));
    assert_eq!(defined.0, 200, "{}", defined.1);
    let run = json!({"name": "late", "async": true});
    let (status, started) = http.tool(&key, "procedure_run", run);
    assert_eq!(status, 200, "{started}");
    let id = started["execution_id"].as_str().expect("an id");
    let (code, ..) = team.run(&["keys", "revoke", crate::client::id(&key)]);
    assert_eq!(code, Some(0));
    let wait = json!({"execution_id": id});
    let (_, ended) = http.tool(&other, "procedure_run", wait.clone());
    let (_, found) = http.tool(&other, "procedure_find", wait);
    let shown = format!("{ended} {found}");
    assert!(shown.contains("no longer usable"), "{shown}");
    let ids: Vec<u32> = (1..9).collect();
    let (_, stored) = http.tool(&other, "memory_search", json!({"ids": ids}));
    let has = |text: &str| stored.to_string().contains(text);
    assert!(has("before") && !has("after"), "{stored}");
    assert!(has("undone"), "what it did is undone: {stored}");
}
