//! Capabilities of skills beside tools: direct tool names, resources, prompts,
//! completions, log messages, and requests to the client.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Mimo, text};
use crate::support::WATCHDOG;

pub const FULL: &str = include_str!("full.mjs");

/// A server and a client that initialized with these capabilities.
pub fn greeted(capabilities: Value, skills: &[&str]) -> Mimo {
    let mut mimo = Mimo::with(FULL, skills);
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": capabilities,
        "clientInfo": {"name": "test", "version": "1"},
    });
    mimo.request("initialize", params);
    mimo.server
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    // Waits until the first run of each skill has listed its tools.
    mimo.document("skill_find", json!({"query": "ask"}));
    mimo
}

impl Mimo {
    /// Sends a request; the messages before its response, and the response.
    pub(super) fn exchange(&mut self, method: &str, params: Value) -> (Vec<Value>, Value) {
        self.id += 1;
        let id = self.id;
        self.server
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let mut before = Vec::new();
        loop {
            let message = self.server.message();
            if message["id"] == id && message.get("method").is_none() {
                return (before, message);
            }
            before.push(message);
        }
    }

    pub(super) fn request(&mut self, method: &str, params: Value) -> Value {
        let (_, mut answer) = self.exchange(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    }

    /// Waits for this notification.
    pub fn note(&mut self, method: &str) -> Value {
        loop {
            let message = self.server.message();
            if message["method"] == method {
                return message;
            }
        }
    }

    /// The JSON document in the skill's text result.
    pub fn said(&mut self, tool: &str, arguments: Value) -> Value {
        let called = json!({"name": format!("full__{tool}"), "arguments": arguments});
        let result = self.request("tools/call", called);
        serde_json::from_str(text(&result)).expect("JSON in a text")
    }
}

#[test]
fn direct_tools_have_legal_names_and_pass_results_byte_for_byte() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let listed = mimo.request("tools/list", json!({}));
    let names: Vec<&str> = listed["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect();
    assert!(names.contains(&"full__exact") && names.contains(&"memory_store"));
    let odd = names
        .iter()
        .find(|name| name.starts_with("full__echo_meta"));
    let odd = (*odd.expect("a legal name")).to_owned();
    let echoed = mimo.request(
        "tools/call",
        json!({"name": odd, "arguments": {"z": 1, "a": {"y": 2, "b": 3}}, "_meta": {"trace": "t-1"}}),
    );
    assert_eq!(
        text(&echoed),
        r#"{"arguments":{"z":1,"a":{"y":2,"b":3}},"meta":{"trace":"t-1"}}"#
    );
    // skill_find gives the same name.
    let found = mimo.document("skill_find", json!({"query": "show the request"}));
    assert_eq!(found["tools"][0]["tool"], odd.as_str());
    assert_eq!(
        found["instructions"],
        json!({"full": "Ask before you touch."})
    );

    mimo.id += 1;
    mimo.server.call(mimo.id, "full__exact", json!({}));
    let line = mimo.server.line().expect("an answer");
    let expected =
        r#""result":{"z":1.0,"a":123456789012345678901234567890,"content":[ ],"e":1e3}}"#;
    assert!(line.ends_with(expected), "{line}");
    assert!(mimo.server.exit().success());
}

#[test]
fn protocol_error_of_a_direct_tool_stays_a_protocol_error() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let (_, failed) = mimo.exchange("tools/call", json!({"name": "full__fail", "arguments": {}}));
    let theirs = json!({"code": -31999, "message": "not today", "data": {"why": ["rain"]}});
    assert_eq!(failed["error"], theirs);
    let failed = mimo.document("skill_call", json!({"tool": "full__fail", "arguments": {}}));
    assert_eq!(failed["error"]["message"], "the skill refused: not today");
    assert_eq!(failed["error"]["code"], -31999);
    assert_eq!(failed["error"]["data"], json!({"why": ["rain"]}));
    let (_, unknown) = mimo.exchange("tools/call", json!({"name": "full__none"}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert!(mimo.server.exit().success());
}

#[test]
fn progress_arrives_before_the_result() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let called =
        json!({"name": "full__progress", "arguments": {}, "_meta": {"progressToken": "p"}});
    let (mut before, _) = mimo.exchange("tools/call", called);
    // The skill's tools may become known meanwhile.
    before.retain(|message| message["method"] == "notifications/progress");
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(
        before[0]["params"],
        json!({"progressToken": "p", "progress": 1.0, "total": 2.0})
    );
    assert!(mimo.server.exit().success());
}

/// A client that was promised structured content gets it, or a result that need not
/// have it; the rest of a long one is read by either way.
#[test]
fn structured_content_survives_paging() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let call = |mimo: &mut Mimo, arguments: Value| {
        mimo.request(
            "tools/call",
            json!({"name": "full__structured", "arguments": arguments}),
        )
    };
    let whole = call(&mut mimo, json!({"words": 12_200}));
    assert_eq!(text(&whole).len(), 61_000);
    assert_eq!(whole["structuredContent"]["content"], text(&whole));

    for through_call in [true, false] {
        let mut arguments = match through_call {
            true => json!({"tool": "full__structured", "arguments": {"words": 12_200}}),
            false => json!({"words": 30_000}),
        };
        let mut read = String::new();
        loop {
            let page = match through_call {
                true => mimo.call("skill_call", arguments.clone()),
                false => call(&mut mimo, arguments.clone()),
            };
            if read.is_empty() {
                assert_eq!(page["_meta"], json!({"kept": 1}));
            }
            assert_eq!(page["isError"], true, "it has no structured content");
            read += text(&page);
            let Some(trailer) = page["content"][1]["text"].as_str() else {
                break;
            };
            let trailer: Value = serde_json::from_str(trailer).expect("a trailer");
            assert_eq!(
                trailer["total_bytes"],
                if through_call { 61_000 } else { 150_000 }
            );
            let last = json!({"cursor": trailer["last_cursor"], "tool": "x", "arguments": {}});
            let last = mimo.call("skill_read", last);
            assert!(text(&last).ends_with("word "), "the end");
            assert_eq!(last["content"].as_array().map(Vec::len), Some(1), "{last}");
            arguments["cursor"] = trailer["next_cursor"].clone();
        }
        assert_eq!(
            read,
            "word ".repeat(if through_call { 12_200 } else { 30_000 })
        );
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn skill_learns_only_of_roots_that_it_was_granted() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"roots": {}}), &["full"]);
    let shared = mimo.folder.path().join("shared");
    let shared = format!("file://{}", shared.display());
    let roots = [
        format!("{shared}/deeper"),
        format!("{shared}/../secret.txt"),
        "file:///etc".to_owned(),
        shared,
    ];
    let roots: Vec<Value> = roots.iter().map(|uri| json!({ "uri": uri })).collect();
    let (_, heard) = mimo.asked("roots/list", json!({}), json!({"result": {"roots": roots}}));
    assert_eq!(heard["result"], json!({"roots": [roots[0], roots[3]]}));
    assert!(mimo.server.exit().success());
}

#[test]
fn end_of_an_elicitation_reaches_the_client() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"elicitation": {"url": {}}}), &["full"]);
    mimo.server.call(99, "full__elicited", json!({}));
    let note = mimo.note("notifications/elicitation/complete");
    assert_eq!(note["params"], json!({"elicitationId": "e-1"}));
    assert!(mimo.server.exit().success());
}

#[test]
fn longer_tool_list_is_announced_once_it_is_approved() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    mimo.request("tools/list", json!({}));
    mimo.document("skill_call", json!({"tool": "full__grow", "arguments": {}}));
    // The file that the command reads is written soon after.
    let start = Instant::now();
    while !mimo.approve(&["full", "new_one"]) {
        assert!(start.elapsed() < WATCHDOG, "the list is not written");
        // The interval of polling, not a bound.
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // The first notification may still be that of the start.
    loop {
        mimo.note("notifications/tools/list_changed");
        let listed = mimo.request("tools/list", json!({})).to_string();
        if listed.contains("full__new_one") {
            break;
        }
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn resources_are_listed_read_and_watched() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full", "twin"]);
    let listed = mimo.request("resources/list", json!({}));
    let uris: Vec<&str> = listed["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|item| item["uri"].as_str().expect("a URI"))
        .collect();
    // Both skills have both, so every page was fetched.
    assert_eq!(
        uris,
        [
            "mimo://procedure/_language",
            "full://a",
            "full://b",
            "mimo://skill/twin/full://a",
            "mimo://skill/twin/full://b"
        ]
    );
    let first = listed["resources"][1].to_string();
    assert!(first.contains(r#""x-own":{"z":1,"a":2}"#), "{first}");
    let templates = mimo.request("resources/templates/list", json!({}));
    let templates = templates["resourceTemplates"]
        .as_array()
        .expect("templates");
    let theirs = templates
        .iter()
        .find(|each| each["uriTemplate"] == "full://item/{id}");
    assert_eq!(theirs.expect("the skill's")["name"], "item");
    for (uri, own) in [
        ("full://a", "full://a"),
        ("full://item/7", "full://item/7"),
        ("mimo://skill/twin/full://b", "full://b"),
    ] {
        let read = mimo.request("resources/read", json!({ "uri": uri }));
        assert_eq!(read["contents"][0]["text"], format!("contents of {own}"));
        assert_eq!(read["x-own"], true);
    }
    mimo.request("resources/subscribe", json!({"uri": "full://a"}));
    mimo.request("logging/setLevel", json!({"level": "warning"}));
    let (before, touched) = mimo.exchange("tools/call", json!({"name": "full__touch"}));
    assert_eq!(text(&touched["result"]), r#""warning""#);
    let told: Vec<(&str, &Value)> = before
        .iter()
        .map(|note| (note["method"].as_str().expect("a method"), &note["params"]))
        .collect();
    let log = json!({"level": "error", "logger": "full/core", "data": "loud"});
    for expected in [
        (
            "notifications/resources/updated",
            &json!({"uri": "full://a"}),
        ),
        ("notifications/resources/list_changed", &Value::Null),
        ("notifications/prompts/list_changed", &Value::Null),
        ("notifications/message", &log),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    assert_eq!(told.len(), 4, "what is below the level is not sent");
    mimo.request("resources/unsubscribe", json!({"uri": "full://a"}));
    let (after, _) = mimo.exchange("tools/call", json!({"name": "full__touch"}));
    let updated = |note: &&Value| note["method"] == "notifications/resources/updated";
    assert_eq!(after.iter().filter(updated).count(), 0, "nobody subscribes");
    let (_, wrong) = mimo.exchange("resources/read", json!({"uri": "mimo://skill/none/x"}));
    assert!(wrong["result"]["contents"][0]["text"].is_string() || wrong["error"].is_object());
    assert!(mimo.server.exit().success());
}

#[test]
fn a_memory_is_a_resource() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &[]);
    let stored = mimo.document("memory_store", json!({"content": "Ines bakes rye"}));
    let uri = format!("mimo://memory/{}", stored["results"][0]["id"]);
    let read = mimo.request("resources/read", json!({ "uri": uri }));
    let contents = &read["contents"][0];
    assert_eq!(
        (&contents["uri"], &contents["mimeType"]),
        (&json!(uri), &json!("application/json"))
    );
    assert!(
        contents["text"]
            .as_str()
            .expect("a text")
            .contains("Ines bakes rye")
    );
    for wrong in ["mimo://memory/99", "mimo://memory/x", "mimo://nothing/1"] {
        let (_, refused) = mimo.exchange("resources/read", json!({ "uri": wrong }));
        assert_eq!(refused["error"]["code"], -32002, "{refused}");
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn a_procedure_is_a_resource_and_a_prompt() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &[]);
    let definition = json!({
        "name": "greet", "version": "1.0.0", "initial_state": "done",
        "description": "Greets someone",
        "context_schema": {"type": "object", "required": ["who"],
                           "properties": {"who": {"type": "string"}}},
        "states": {"done": {"end": true}},
    });
    mimo.document("procedure_define", json!({ "definition": definition }));
    let listed = mimo.request("prompts/list", json!({}));
    let prompts = listed["prompts"].as_array().expect("prompts");
    let prompt = prompts.last().expect("one");
    assert_eq!(prompt["name"], "greet");
    assert_eq!(prompt["arguments"][0]["required"], true);
    let got = mimo.request(
        "prompts/get",
        json!({"name": "greet", "arguments": {"who": "Ada"}}),
    );
    let text = got["messages"][0]["content"]["text"]
        .as_str()
        .expect("a text");
    assert!(
        text.contains(r#"{"name":"greet","context":{"who":"Ada"}}"#),
        "{text}"
    );
    let read = mimo.request("resources/read", json!({"uri": "mimo://procedure/greet"}));
    let text = read["contents"][0]["text"].as_str().expect("a text");
    assert!(text.contains("stateDiagram"), "{text}");
    assert!(mimo.server.exit().success());
}

#[test]
fn an_entity_is_a_resource() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &[]);
    let triple = json!({"subject": "person:ada", "predicate": "repairs", "object": "lamp"});
    mimo.document("graph_update", json!({"assert": [triple]}));
    let read = mimo.request("resources/read", json!({"uri": "mimo://graph/person:ada"}));
    let text = read["contents"][0]["text"].as_str().expect("a text");
    assert!(text.contains("repairs"), "{text}");
    assert!(mimo.server.exit().success());
}

#[test]
fn prompts_are_listed_fetched_and_completed() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let listed = mimo.request("prompts/list", json!({}));
    let prompts = listed["prompts"].as_array().expect("prompts");
    let prompt = prompts.last().expect("one");
    let name = prompt["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("full__greet_me_"), "{name}");
    assert_eq!(prompt["x-own"], 1);
    let got = mimo.request(
        "prompts/get",
        json!({"name": name, "arguments": {"who": "Ada"}}),
    );
    assert_eq!(got["messages"][0]["content"]["text"], "greet me: Ada");
    let (_, wrong) = mimo.exchange("prompts/get", json!({"name": "none"}));
    assert!(wrong["error"]["message"].is_string());
    for (asked, own) in [
        (json!({"type": "ref/prompt", "name": name}), "greet me"),
        (
            json!({"type": "ref/resource", "uri": "full://item/{id}"}),
            "full://item/{id}",
        ),
    ] {
        let completed = mimo.request(
            "completion/complete",
            json!({"ref": asked, "argument": {"name": "who", "value": "A"}}),
        );
        assert_eq!(completed["completion"]["values"], json!([own, "A"]));
    }
    assert!(mimo.server.exit().success());
}

/// The `_meta` of a stateless client's requests.
pub fn inline(capabilities: Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

#[test]
fn stateless_results_carry_the_revisions_fields() {
    skip_unless!(node);
    let mut mimo = Mimo::with(FULL, &["full"]);
    let meta = inline(json!({}));
    let found = json!({"name": "skill_find", "arguments": {"query": "ask"}, "_meta": meta});
    mimo.request("tools/call", found);
    let listed = mimo.request("tools/list", json!({"_meta": meta}));
    assert_eq!(
        (&listed["resultType"], &listed["cacheScope"]),
        (&json!("complete"), &json!("private"))
    );
    let (_, answer) = mimo.exchange(
        "tools/call",
        json!({"name": "full__capabilities", "arguments": {}, "_meta": meta}),
    );
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(text(&answer["result"]), "{}");
    let read = mimo.request("resources/read", json!({"uri": "full://a", "_meta": meta}));
    assert_eq!(read["resultType"], "complete");
    assert!(mimo.server.exit().success());
}
