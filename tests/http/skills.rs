//! Tools of a skill: those that a key may not use are not there for it, by any way.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Http, Team};
use crate::support::{call_of, machine};

/// A skill `small` with the tools `read_file` and `repeat_text`; the folder of its
/// script is returned.
fn add_skill(team: &Team) -> TempDir {
    let node = machine::node().expect("node");
    let text = include_str!("../skills/calling/server.mjs");
    team.add_skill("small", &node, "small.mjs", text)
}

/// The answers to every way to call a tool of a skill, and to every list.
fn ways(http: &Http, key: &str, tool: &str, arguments: &Value) -> (Vec<(u16, String)>, String) {
    let wrapped = json!({"tool": tool, "arguments": arguments});
    let answer = |(status, document): (u16, Value)| (status, document.to_string());
    let mut calls = vec![
        answer(http.tool(key, tool, arguments.clone())),
        answer(http.tool(key, "skill_call", wrapped.clone())),
        answer(http.tool(key, "skill_read", wrapped.clone())),
    ];
    for call in [
        call_of(1, tool, arguments.clone()),
        call_of(1, "skill_call", wrapped.clone()),
    ] {
        let reply = http.post(key, None, &call).whole();
        calls.push((reply.status, reply.body));
    }
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let lists = [
        http.get("/v1/mimo/tools", key).body,
        http.post(key, None, &list).whole().body,
        answer(http.tool(key, "skill_find", json!({"query": "repeat a text"}))).1,
        answer(http.tool(
            key,
            "ask_mimo",
            json!({"query": "Which tool repeats a text?"}),
        ))
        .1,
    ];
    (calls, lists.join("\n"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_tool_of_a_skill_that_is_not_granted_is_not_there() {
    skip_unless!(node);
    let team = Team::new();
    let _script = add_skill(&team);
    let all = team.key(&[]);
    let few = team.key(&["--tools", "skill_*,ask_mimo,small__read_file"]);
    let fenced = team.key(&["--projects", "a"]);
    let reads = team.key(&["--scopes", "read"]);
    let http = team.serve(&[]);
    let found = http.tool(&all, "skill_find", json!({"query": "repeat a text"}));
    assert!(
        found.1.to_string().contains("small__repeat_text"),
        "{}",
        found.1
    );
    let arguments = json!({"times": 2});
    let text = http.tool(
        &all,
        "skill_call",
        json!({"tool": "small__repeat_text", "arguments": arguments}),
    );
    assert_eq!(text.0, 200, "{}", text.1);
    assert_eq!(text.1["content"][0]["text"], "word word ");
    for key in [&few, &fenced, &reads] {
        let (calls, lists) = ways(&http, key, "small__repeat_text", &arguments);
        for call in &calls {
            assert!(!call.1.contains("word word"), "{call:?}");
        }
        assert!(!lists.contains("repeat_text"), "{lists}");
    }
    let (_, lists) = ways(&http, &few, "small__read_file", &json!({"path": "/none"}));
    assert!(lists.contains("small__read_file"), "{lists}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_rest_of_a_result_is_for_who_called() {
    skip_unless!(node);
    let team = Team::new();
    let _script = add_skill(&team);
    let all = team.key(&[]);
    let others = [
        team.key(&["--tools", "skill_*"]),
        team.key(&["--projects", "a", "--tools", "skill_*"]),
    ];
    let http = team.serve(&[]);
    http.tool(&all, "skill_find", json!({"query": "repeat a text"}));
    let call = json!({"tool": "small__repeat_text", "arguments": {"times": 2_000},
        "max_tokens": 1_000});
    let (status, page) = http.tool(&all, "skill_call", call);
    assert_eq!(status, 200, "{page}");
    let rest = page["content"][1]["text"]
        .as_str()
        .expect("where it goes on");
    let rest: Value = serde_json::from_str(rest).expect("JSON");
    let cursor = rest["next_cursor"].as_str().expect("a cursor").to_owned();
    let next = |cursor: &str| json!({"tool": "small__repeat_text", "arguments": {}, "cursor": cursor, "max_tokens": 1_000});
    for key in &others {
        let (status, answer) = http.tool(key, "skill_call", next(&cursor));
        assert_ne!(status, 200, "{answer}");
        let unknown = http.tool(key, "skill_call", next("0123456789abcdef.5"));
        assert_eq!((status, &answer["error"]), (unknown.0, &unknown.1["error"]));
    }
    let (status, answer) = http.tool(&all, "skill_call", next(&cursor));
    assert_eq!(status, 200, "{answer}");
}
