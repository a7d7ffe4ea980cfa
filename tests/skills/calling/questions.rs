//! What a skill sends by itself: questions to the client, notifications, and
//! answers that cannot be read.

use std::time::Instant;

use serde_json::{Value, json};

use super::capabilities::{FULL, greeted, inline};
use super::{Mimo, text};
use crate::support::WATCHDOG;

impl Mimo {
    /// Calls `ask` and responds with `answer`; the skill's request, and what
    /// the skill received.
    pub(super) fn asked(&mut self, method: &str, params: Value, answer: Value) -> (Value, Value) {
        self.id += 1;
        let id = self.id;
        let arguments = json!({"method": method, "params": params});
        self.server.call(id, "full__ask", arguments);
        let mut question = self.server.message();
        while question["method"] != method {
            question = self.server.message();
        }
        let mut reply = json!({"jsonrpc": "2.0", "id": question["id"]});
        for (member, value) in answer.as_object().expect("members") {
            reply[member] = value.clone();
        }
        self.server.send(&reply);
        let mut heard = self.server.message();
        while heard["id"] != id {
            heard = self.server.message();
        }
        let heard = serde_json::from_str(text(&heard["result"])).expect("JSON in a text");
        (question["params"].take(), heard)
    }
}

#[test]
fn skill_asks_the_client_and_gets_its_answer_verbatim() {
    skip_unless!(node);
    let offered = json!({"sampling": {}, "elicitation": {}, "roots": {"listChanged": true}});
    let mut mimo = greeted(offered.clone(), &["full"]);
    assert_eq!(mimo.said("capabilities", json!({})), offered);
    for (method, params, answer) in [
        (
            "sampling/createMessage",
            json!({
                "messages": [{"role": "user", "content": {"type": "text", "text": "a\u{202e}b"}}],
                "maxTokens": 5, "x-own": {"z": 1, "a": 2}, "includeContext": "allServers",
            }),
            json!({"result": {"model": "m", "later": 1.5}}),
        ),
        (
            "elicitation/create",
            json!({"message": "Sure?"}),
            json!({"error": {"code": -1, "message": "no", "data": [1]}}),
        ),
        ("roots/list", json!({}), json!({"result": {"roots": []}})),
    ] {
        let (question, heard) = mimo.asked(method, params.clone(), answer.clone());
        // It bears the skill's name, and takes nothing from the conversation.
        let mut named = params;
        match method {
            "sampling/createMessage" => {
                named["messages"][0]["content"]["text"] =
                    "[From the skill full] a\\u{202e}b".into();
                named
                    .as_object_mut()
                    .expect("members")
                    .remove("includeContext");
            }
            "elicitation/create" => named["message"] = "[From the skill full] Sure?".into(),
            _ => {}
        }
        assert_eq!((question, heard), (named, answer), "{method}");
    }
    mimo.server
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}));
    let told = mimo.note("notifications/message");
    assert_eq!(told["params"]["data"], "roots changed");
    assert!(mimo.server.exit().success());
}

#[test]
fn a_flood_of_notifications_is_dropped_and_counted() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let (before, flooded) = mimo.exchange("tools/call", json!({"name": "full__flood"}));
    assert_eq!(text(&flooded["result"]), r#""flooded""#);
    let told = before
        .iter()
        .filter(|note| note["method"] == "notifications/message");
    let told = told.count() as u64;
    // The burst, and the rate for as long as a call may take.
    assert!((100..3_000).contains(&told), "{told}");
    let status = mimo.document("mimo_status", json!({"section": "skills"}));
    let faults = status["skills"][0]["faults"].as_u64();
    assert!(
        faults.is_some_and(|faults| faults + told >= 10_000),
        "{told} of {status}"
    );
    assert!(mimo.server.exit().success());
}

#[test]
fn an_answer_that_is_not_utf_8_ends_its_call() {
    skip_unless!(node);
    let mut mimo = greeted(json!({}), &["full"]);
    let result = mimo.request("tools/call", json!({"name": "full__latin"}));
    assert!(text(&result).contains("not UTF-8"), "{result}");
    assert_eq!(mimo.said("capabilities", json!({})), json!({}));
    assert!(mimo.server.exit().success());
}

#[test]
fn a_skill_with_a_tool_that_waits_for_approval_asks_nobody() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"elicitation": {}}), &["full"]);
    mimo.said("change", json!({}));
    let start = Instant::now();
    while mimo.document("mimo_status", json!({"section": "skills"}))["pending"] == json!([]) {
        assert!(start.elapsed() < WATCHDOG, "the change was not noticed");
    }
    let heard = mimo.said("ask", json!({"method": "elicitation/create", "params": {}}));
    let why = heard["error"]["message"].as_str().expect("a reason");
    assert!(why.contains("wait for approval"), "{heard}");
    assert!(mimo.server.exit().success());
}

#[test]
fn unoffered_requests_are_refused_and_withdrawn_ones_cancelled() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"sampling": {}}), &["full"]);
    let heard = mimo.said("ask", json!({"method": "roots/list", "params": {}}));
    assert_eq!(heard["error"]["code"], -32601, "{heard}");
    let (before, _) = mimo.exchange("tools/call", json!({"name": "full__give_up"}));
    let asked = before
        .iter()
        .find(|message| message["method"] == "sampling/createMessage");
    if let Some(asked) = asked {
        let id = asked["id"].clone();
        let cancelled = |note: &Value| {
            note["method"] == "notifications/cancelled" && note["params"]["requestId"] == id
        };
        if !before.iter().any(cancelled) {
            assert!(cancelled(&mimo.note("notifications/cancelled")));
        }
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn open_request_does_not_delay_shutdown() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"sampling": {}}), &["full"]);
    let arguments = json!({"method": "sampling/createMessage", "params": {}});
    mimo.server.call(77, "full__ask", arguments);
    mimo.note("sampling/createMessage");
    mimo.server.end();
    let heard = mimo.server.message();
    assert_eq!(heard["id"], 77, "{heard}");
    let heard = text(&heard["result"]);
    assert!(heard.contains("no client to ask"), "{heard}");
    assert!(mimo.server.exit().success());
}

#[test]
fn stateless_client_is_asked_in_the_result() {
    skip_unless!(node);
    let mut mimo = Mimo::with(FULL, &["full"]);
    let meta = inline(json!({"sampling": {}}));
    let found = json!({"name": "skill_find", "arguments": {"query": "ask"}, "_meta": meta});
    mimo.request("tools/call", found);
    let question = json!({"method": "sampling/createMessage", "params": {"maxTokens": 3}});
    for name in ["full__ask", "skill_call"] {
        let arguments = match name {
            "skill_call" => json!({"tool": "full__ask", "arguments": question}),
            _ => question.clone(),
        };
        let mut call = json!({"name": name, "arguments": arguments, "_meta": meta});
        let asked = mimo.request("tools/call", call.clone());
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        let requests = asked["inputRequests"].as_object().expect("requests");
        let (key, request) = requests.iter().next().expect("one");
        assert_eq!(request["method"], question["method"]);
        let message = &request["params"]["messages"][0]["content"]["text"];
        assert_eq!(message, "[From the skill full] ");
        assert_eq!(request["params"]["maxTokens"], 3);
        call["requestState"] = asked["requestState"].clone();
        call["inputResponses"] = json!({ key: {"model": "m", "content": 1} });
        let answer = mimo.request("tools/call", call.clone());
        assert_eq!(answer["resultType"], "complete");
        assert_eq!(text(&answer), r#"{"result":{"model":"m","content":1}}"#);
        // The same response again fails, since that call is over.
        let (_, again) = mimo.exchange("tools/call", call);
        let refused = again["error"]["message"].to_string();
        assert!(
            refused.contains("the call that asked this is over"),
            "{again}"
        );
        assert_eq!(again["error"]["code"], -32602);
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn request_goes_to_the_call_that_offers_the_capability() {
    skip_unless!(node);
    let mut mimo = Mimo::with(FULL, &["full"]);
    let found =
        json!({"name": "skill_find", "arguments": {"query": "ask"}, "_meta": inline(json!({}))});
    mimo.request("tools/call", found);
    let question = json!({"method": "sampling/createMessage", "params": {"maxTokens": 3}});
    let mut call = |offered: Value| {
        let call = json!({"name": "full__ask", "arguments": question, "_meta": inline(offered)});
        mimo.request("tools/call", call)
    };
    for offered in [json!({}), json!({"elicitation": {}, "roots": {}})] {
        let answer = call(offered);
        assert_eq!(answer["resultType"], "complete", "{answer}");
        assert!(text(&answer).contains("does not offer this"), "{answer}");
    }
    // Regardless of what the first request offered.
    let asked = call(json!({"sampling": {}}));
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert!(mimo.server.exit().success());
}

#[test]
fn only_an_accepted_form_with_the_field_set_approves_a_procedure() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"elicitation": {}}), &[]);
    let definition = json!({
        "name": "ask", "version": "1", "initial_state": "ask", "description": "Asks",
        "states": {
            "ask": {"action": {"wait_for_approval": {"message": "Sure?\u{202e}\nnext: forged"}}, "next": "done"},
            "done": {"end": true},
        },
    });
    let defined = mimo.document("procedure_define", json!({"definition": definition}));
    assert_eq!(defined["outcome"], "created", "{defined}");
    for (reply, status) in [
        (json!({"action": "decline"}), "waiting_approval"),
        (
            json!({"action": "accept", "content": {}}),
            "waiting_approval",
        ),
        (
            json!({"action": "accept", "content": {"approve": "true"}}),
            "waiting_approval",
        ),
        (
            json!({"action": "accept", "content": {"approve": true}}),
            "completed",
        ),
    ] {
        mimo.id += 1;
        let id = mimo.id;
        mimo.server
            .call(id, "procedure_run", json!({"name": "ask"}));
        let question = mimo.note("elicitation/create");
        let message = question["params"]["message"].as_str().expect("a message");
        assert!(
            message.contains("Sure?\\u{202e}\n  | next: forged"),
            "{message}"
        );
        mimo.server
            .send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": reply}));
        let mut answer = mimo.server.message();
        while answer["id"] != id {
            answer = mimo.server.message();
        }
        let document: Value = serde_json::from_str(text(&answer["result"])).expect("a document");
        assert_eq!(document["status"], status, "{reply}: {document}");
    }
    assert!(mimo.server.exit().success());
}

/// A person reads more of a form than its message.
#[test]
fn no_text_of_a_form_hides_or_steers() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"elicitation": {}}), &["full"]);
    let bad = "a\u{202e}b\u{1b}[2J";
    let property = json!({"type": "string", "title": format!("{bad}\nc"), "description": bad,
        "enum": [bad], "enumNames": [bad], "default": bad});
    let form = json!({"type": "object", "properties": {bad: property.clone()}, "required": [bad]});
    let choice = json!({"type": "string", "oneOf": [{"const": bad, "title": bad}]});
    let params = json!({"message": bad, "requestedSchema": form, "url": format!("https://x/{bad}"),
        "choice": choice});
    let answer = json!({"result": {"action": "decline"}});
    let (question, _) = mimo.asked("elicitation/create", params, answer);
    let shown = "a\\u{202e}b\\u{1b}[2J";
    let form = &question["requestedSchema"];
    assert_eq!(form["required"], json!([shown]), "{question}");
    let property = &form["properties"][shown];
    assert_eq!(property["title"], format!("{shown}\\u{{a}}c"), "{question}");
    assert_eq!(property["enum"], json!([shown]));
    let steers = |c: char| c.is_control() || c == '\u{202e}';
    let strings = question.to_string();
    assert!(
        !strings.contains(steers) && !strings.contains("\\u001b"),
        "{strings}"
    );
    assert!(mimo.server.exit().success());
}

#[test]
fn a_flood_of_questions_is_refused_and_counted() {
    skip_unless!(node);
    let mut mimo = greeted(json!({"elicitation": {}}), &["full"]);
    let (mut asked, mut refused) = (0, 0);
    let mut last = Value::Null;
    // More than the burst, and than the rate gives in the time that this takes.
    for _ in 0..300 {
        mimo.id += 1;
        let id = mimo.id;
        let arguments = json!({"method": "elicitation/create", "params": {"message": "Sure?"}});
        mimo.server.call(id, "full__ask", arguments);
        loop {
            let message = mimo.server.message();
            if message["method"] == "elicitation/create" {
                asked += 1;
                let reply = json!({"action": "decline"});
                mimo.server
                    .send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": reply}));
            } else if message["id"] == id {
                let heard: Value =
                    serde_json::from_str(text(&message["result"])).expect("JSON in a text");
                if heard.get("error").is_some() {
                    refused += 1;
                    last = heard;
                }
                break;
            }
        }
    }
    assert!(
        asked >= 20 && refused > 0 && asked + refused == 300,
        "{asked} {refused}"
    );
    let why = last["error"]["message"].as_str().expect("a reason");
    assert!(why.contains("too many requests"), "{last}");
    assert!(mimo.server.exit().success());
}
