//! What `skill_find` answers, and what is said of names and skills that are of no use.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Mimo, text};
use crate::support::WATCHDOG;

const MANY: &str = include_str!("many.mjs");

fn names(found: &Value) -> Vec<&str> {
    let tools = found["tools"].as_array().expect("tools").iter();
    tools.filter_map(|tool| tool["tool"].as_str()).collect()
}

/// The tools for it in the client's list, the search, the call and its answer together
/// cost less than 3,000 tokens; the definitions of all tools cost ten times as much.
#[test]
fn one_tool_among_many_is_cheap_to_find_and_call() {
    skip_unless!(node);
    let script = MANY.replace("length: 20", "length: 77");
    let mut mimo = Mimo::with(&script, &["many"]);
    let found = mimo.call("skill_find", json!({"query": "read row 14 of the table"}));
    let called = json!({"tool": "many__table_14", "arguments": {"field_0": "x"}});
    let answer = mimo.call("skill_read", called.clone());
    assert_eq!(text(&answer), "table_14");
    let listed = mimo.request("tools/list", json!({}));
    let of_skills: Value = {
        let tools = listed["tools"].as_array().expect("tools").iter();
        let name = |tool: &&Value| tool["name"].as_str().expect("a name").to_owned();
        assert!(
            tools.clone().all(|tool| !name(&tool).contains("__")),
            "{listed}"
        );
        tools
            .filter(|tool| name(tool).starts_with("skill_"))
            .cloned()
            .collect()
    };
    assert_eq!(of_skills.as_array().map(Vec::len), Some(3));
    let bytes = [&of_skills, &found, &called, &answer].map(|value| value.to_string().len());
    assert!(bytes.iter().sum::<usize>() < 3_000 * 4, "{bytes:?}");
    let found: Value = serde_json::from_str(text(&found)).expect("a document");
    assert!(found["tools"][0]["inputSchema"].is_object(), "{found}");
    assert_eq!(names(&found).len(), 5, "{found}");
    assert!(found["tools"][4].get("inputSchema").is_none(), "{found}");

    for exact in ["many__table_7", "table_7"] {
        let found = mimo.document("skill_find", json!({ "query": exact }));
        assert_eq!(names(&found)[0], "many__table_7", "{found}");
    }
    let nothing = mimo.document("skill_find", json!({"query": "zxqv blorp"}));
    assert_eq!(nothing, json!({"tools": []}));

    let status = mimo.document("mimo_status", json!({"section": "skills"}));
    let tail = status["skills"][0]["stderr_tail"].as_str().expect("a text");
    assert!(tail.lines().count() <= 5, "{tail}");
    assert!(mimo.server.exit().success());
}

#[test]
fn unknown_tool_is_answered_with_the_nearest_and_an_example() {
    skip_unless!(node);
    let mut mimo = Mimo::with(MANY, &["many"]);
    mimo.document("skill_find", json!({"query": "row"}));
    for wrong in ["many__tabel_14", "table_14", "manny__table_14"] {
        let arguments = json!({"tool": wrong, "arguments": {"field_0": "x"}});
        let failed = mimo.document("skill_read", arguments);
        assert_eq!(failed["error"]["kind"], "not_found", "{failed}");
        let hint = failed["error"]["hint"].as_str().expect("a hint");
        let example = r#"{"tool":"many__table_14","arguments":{"field_0":"x"}}"#;
        assert!(hint.contains(example), "{wrong}: {hint}");
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn broken_skill_is_reported_with_its_first_error() {
    skip_unless!(node);
    let script = MANY.replace(r#"process.argv[2] === "broken""#, "true");
    let mut mimo = Mimo::with(&script, &["many"]);
    let found = mimo.document("skill_find", json!({"query": "row"}));
    assert_eq!(found["tools"], json!([]));
    let unready = &found["not_ready"][0];
    assert_eq!(unready["server"], "many", "{found}");
    let reason = unready["reason"].as_str().expect("a reason");
    assert!(reason.contains("no database here"), "{reason}");
    for failed in [
        mimo.document("skill_find", json!({"query": "row", "server": "many"})),
        mimo.document(
            "skill_read",
            json!({"tool": "many__table_1", "arguments": {}}),
        ),
        mimo.document(
            "skill_call",
            json!({"tool": "many__table_1", "arguments": {}}),
        ),
    ] {
        assert_eq!(failed["error"]["kind"], "unavailable", "{failed}");
        let message = failed["error"]["message"].as_str().expect("a message");
        assert!(message.contains("no database here"), "{message}");
    }
    assert!(mimo.server.exit().success());
}

/// Beside it a skill whose tools are known.
fn with_slow_skill() -> Mimo {
    let slow = include_str!("slow.mjs");
    let mut mimo = Mimo::with_scripts(&[("many", MANY), ("slow", slow)], &json!({}));
    // This waits for the list of the one only.
    mimo.document("skill_find", json!({"query": "row", "server": "many"}));
    mimo
}

/// Sends a search, and answers what the client reads once it is told that the search
/// waits: the message of that, and the document after `then`.
fn waiting(mimo: &mut Mimo, arguments: Value, then: &str) -> (String, Value) {
    let call =
        json!({"name": "skill_find", "arguments": arguments, "_meta": {"progressToken": "t"}});
    mimo.server
        .send(&json!({"jsonrpc": "2.0", "id": "f", "method": "tools/call", "params": call}));
    let mut message = None;
    let mut last = -1.0;
    loop {
        let line = mimo.server.message();
        if line["method"] == "notifications/progress" {
            let progress = line["params"]["progress"].as_f64().expect("a number");
            assert!(progress > last, "{line}");
            last = progress;
            let text = line["params"]["message"].as_str().expect("a text");
            if message.replace(text.to_owned()).is_none() && !then.is_empty() {
                fs::write(mimo.folder.path().join("shared").join(then), "").expect("written");
            }
        } else if line["id"] == "f" {
            let found = serde_json::from_str(text(&line["result"])).expect("a document");
            return (message.expect("progress"), found);
        }
    }
}

#[test]
fn search_waits_for_a_skill_that_is_starting() {
    skip_unless!(node);
    for query in ["weather", "weather forecast for Paris"] {
        let mut mimo = with_slow_skill();
        let (message, found) = waiting(&mut mimo, json!({ "query": query }), "go");
        assert_eq!(message, "waiting for skills to start: slow");
        assert_eq!(names(&found)[0], "slow__forecast", "{found}");
        assert_eq!(found.get("not_ready"), None, "{found}");
        assert!(mimo.server.exit().success());
    }
}

#[test]
fn search_stops_waiting_for_a_skill_that_fails() {
    skip_unless!(node);
    let mut mimo = with_slow_skill();
    let (_, found) = waiting(&mut mimo, json!({"query": "weather"}), "end");
    let unready = &found["not_ready"][0];
    assert_eq!(unready["server"], "slow", "{found}");
    let reason = unready["reason"].as_str().expect("a reason");
    assert!(reason.contains("no forecast here"), "{reason}");
    assert!(mimo.server.exit().success());
}

/// The skill that is still starting is named in the answer.
#[test]
fn search_with_a_close_tool_does_not_wait_for_others() {
    skip_unless!(node);
    let mut mimo = with_slow_skill();
    for query in ["read row 14 of the table", "many__table_14", ""] {
        let (_, found) = waiting(&mut mimo, json!({ "query": query }), "");
        assert!(names(&found)[0].starts_with("many__table_"), "{found}");
        let unready = &found["not_ready"][0];
        assert_eq!(unready["server"], "slow", "{found}");
        assert_eq!(unready["state"], "starting", "{found}");
        assert!(unready["reason"].is_string(), "{found}");
    }
    assert!(mimo.server.exit().success());
}

/// Claude Code puts `mcp__mimo__` before a name and takes 64 characters at most.
#[test]
fn long_tool_names_leave_room_for_the_prefix_of_the_client() {
    skip_unless!(node);
    let long = "x".repeat(60);
    let script = MANY.replace("`table_${nth}`", &format!("`{long}_${{nth}}`"));
    let mut mimo = Mimo::with(&script, &["many"]);
    mimo.document("skill_find", json!({"query": "row"}));
    let listed = mimo.request("tools/list", json!({}));
    let tools = listed["tools"].as_array().expect("tools").iter();
    let names: Vec<&str> = tools.filter_map(|tool| tool["name"].as_str()).collect();
    let shortened: BTreeSet<&&str> = names.iter().filter(|name| name.contains("__x")).collect();
    assert_eq!(shortened.len(), 20, "{names:?}");
    for name in &names {
        assert!("mcp__mimo__".len() + name.len() <= 64, "{name}");
    }
    let name = names.iter().find(|name| name.contains("__x"));
    let called = mimo.call(name.expect("a tool"), json!({"field_0": "x"}));
    assert!(text(&called).starts_with(&long), "{called}");
    assert!(mimo.server.exit().success());
}

/// A client does not lose tools because another skill came up.
#[test]
fn direct_tools_stay_when_another_skill_comes_up() {
    skip_unless!(node);
    let mut mimo = Mimo::with(MANY, &["many"]);
    mimo.document("skill_find", json!({"query": "row"}));
    let count = |listed: &Value, skill: &str| {
        let tools = listed["tools"].as_array().expect("tools").iter();
        let names = tools.filter_map(|tool| tool["name"].as_str());
        names.filter(|name| name.starts_with(skill)).count()
    };
    assert_eq!(count(&mimo.request("tools/list", json!({})), "many__"), 20);

    let manifest = mimo.folder.path().join("config/skills.json");
    let written = fs::read(&manifest).expect("a manifest");
    let mut skills: Value = serde_json::from_slice(&written).expect("JSON");
    skills["skills"]["other"] = skills["skills"]["many"].clone();
    skills["skills"]["third"] = skills["skills"]["many"].clone();
    fs::write(&manifest, skills.to_string()).expect("written");
    mimo.server.signal(Signal::SIGHUP);
    let found = json!({"tool": "third__table_1", "arguments": {}});
    let begun = Instant::now();
    while text(&mimo.call("skill_read", found.clone())) != "table_1" {
        assert!(begun.elapsed() < WATCHDOG, "the skill does not come up");
    }
    let listed = mimo.request("tools/list", json!({}));
    assert_eq!(count(&listed, "many__"), 20, "{listed}");
    assert!(mimo.server.exit().success());
}
