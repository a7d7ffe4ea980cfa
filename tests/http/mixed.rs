//! Two keys with projects of their own, and random calls of both: whatever one does,
//! and whichever ids of the other it names, it learns and changes nothing there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{Http, Team};
use crate::support::call_of;
use crate::support::random::{Random, repeat};

/// In every text of `b`, and in no request of `a`.
const MARK: &str = "zeppelin";
/// In this place of a request of `a` stands an id of `b`, or one of nobody.
const NOBODYS: &str = "0123456789abcdef";

/// What `b` has, as it knows it.
#[derive(Default)]
struct Known {
    /// The texts of memories that are not forgotten.
    memories: BTreeMap<i64, String>,
    /// Ids of edits, conversations and executions.
    edits: Vec<String>,
    conversations: Vec<String>,
    executions: Vec<String>,
}

struct Two<'a> {
    http: &'a Http,
    a: String,
    b: String,
    known: Known,
}

impl Two<'_> {
    fn b(&self, tool: &str, arguments: Value) -> Value {
        let (status, document) = self.http.tool(&self.b, tool, arguments.clone());
        assert_eq!(status, 200, "{tool} {arguments}: {document}");
        document
    }

    /// Sends a call of `a`: neither the answer nor what it is about is of `b`.
    fn a(&self, tool: &str, arguments: &Value) -> (u16, String) {
        let (status, document) = self.http.tool(&self.a, tool, arguments.clone());
        let answer = document.to_string();
        assert!(!answer.contains(MARK), "{tool} {arguments}: {answer}");
        (status, answer)
    }

    /// A call of `a` that names an id of `b` is answered like one with an id of nobody.
    fn foreign(&self, tool: &str, arguments: impl Fn(&str) -> Value, id: &str, nobodys: &str) {
        let plain = |(status, answer): (u16, String)| {
            // Ids of requests and conversations are new each time.
            let mut document: Value = serde_json::from_str(&answer).expect("JSON");
            for name in ["request_id", "context_id", "query_id"] {
                if let Some(map) = document.as_object_mut() {
                    map.remove(name);
                }
            }
            (status, document.to_string())
        };
        let theirs = plain(self.a(tool, &arguments(id)));
        let (status, answer) = plain(self.a(tool, &arguments(nobodys)));
        let unknown = (status, answer.replace(nobodys, id));
        assert_eq!(theirs, unknown, "{tool} {id}");
    }

    fn message(&self, method: &str, params: &Value) -> String {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.http.post(&self.a, None, &message).whole().body;
        assert!(!answer.contains(MARK), "{method} {params}: {answer}");
        answer
    }

    fn b_does_something(&mut self, random: &mut Random) {
        let number = random.below(1_000_000);
        let ids: Vec<i64> = self.known.memories.keys().copied().collect();
        match random.below(6) {
            1 if !ids.is_empty() => {
                let (id, content) = (*random.pick(&ids), format!("{MARK} renamed {number}"));
                let edit = json!({"action": "update", "ids": [id], "content": content});
                let edited = self.b("memory_edit", edit);
                let undo = edited["undo_id"].as_str().expect("an id").to_owned();
                self.known.edits.push(undo);
                self.known.memories.insert(id, content);
            }
            2 => {
                let triple = json!({"subject": format!("{MARK} {number}"),
                    "predicate": "flies to", "object": format!("{MARK} harbor")});
                self.b("graph_update", json!({"assert": [triple]}));
            }
            3 => {
                let asked = self.b("ask_mimo", json!({"query": format!("Which {MARK}?")}));
                let conversation = asked["context_id"].as_str().map(str::to_owned);
                self.known.conversations.extend(conversation);
            }
            4 => {
                let store = json!({"tool": "memory_search",
                    "arguments": {"query": format!("{MARK} {number}")}});
                let definition = json!({"name": format!("{MARK}-{number}"), "version": "1",
                    "initial_state": "one", "states": {"one": {"action": store, "end": true}}});
                self.b("procedure_define", json!({"definition": definition}));
                let run = json!({"name": format!("{MARK}-{number}")});
                let ran = self.b("procedure_run", run);
                let execution = ran["execution_id"].as_str().expect("an id").to_owned();
                self.known.executions.push(execution);
            }
            _ => {
                let content = format!("{MARK} number {number}");
                let stored = json!({"content": content, "tags": [format!("{MARK}s")]});
                let stored = self.b("memory_store", stored);
                let id = stored["results"][0]["id"].as_i64().expect("an id");
                self.known.memories.insert(id, content);
            }
        }
    }

    fn a_tries_something(&self, random: &mut Random) {
        let ids: Vec<i64> = self.known.memories.keys().copied().collect();
        let unknown = "99999999";
        let id = match ids.is_empty() {
            true => unknown.to_owned(),
            false => random.pick(&ids).to_string(),
        };
        let number = |id: &str| id.parse::<i64>().expect("a number");
        let one = |from: &[String], random: &mut Random| match from.is_empty() {
            true => NOBODYS.to_owned(),
            false => random.pick(from).clone(),
        };
        match random.below(13) {
            0 => {
                self.a("memory_store", &json!({"content": "a picnic is planned"}));
            }
            1 => {
                let project = *random.pick(&["a", "b", "*", "global"]);
                let query = json!({"query": "number", "project": project, "limit": 50});
                self.a("memory_search", &query);
            }
            2 => self.foreign(
                "memory_search",
                |id| json!({"ids": [number(id)]}),
                &id,
                unknown,
            ),
            3 => {
                let action = *random.pick(&["forget", "restore", "protect", "unprotect"]);
                let edit = |id: &str| json!({"action": action, "ids": [number(id)]});
                self.foreign("memory_edit", edit, &id, unknown);
            }
            4 => {
                let edit = |id: &str| {
                    json!({"action": "update", "ids": [number(id)],
                    "content": "taken"})
                };
                self.foreign("memory_edit", edit, &id, unknown);
            }
            5 => {
                let undo = |id: &str| json!({"action": "undo", "undo_id": id});
                let id = one(&self.known.edits, random);
                self.foreign("memory_edit", undo, &id, NOBODYS);
            }
            6 => {
                let query = |id: &str| json!({"query": "And the one before?", "context_id": id});
                let id = one(&self.known.conversations, random);
                self.foreign("ask_mimo", query, &id, NOBODYS);
            }
            7 => {
                let id = one(&self.known.executions, random);
                let find = |id: &str| json!({"execution_id": id});
                self.foreign("procedure_find", find, &id, NOBODYS);
                self.foreign("procedure_run", find, &id, NOBODYS);
                let cancel = |id: &str| json!({"execution_id": id, "cancel": true});
                self.foreign("procedure_run", cancel, &id, NOBODYS);
            }
            8 => {
                let patterns = json!([["?x", "flies to", "?y"], ["?x", "?p", "?z"]]);
                for pattern in patterns.as_array().expect("patterns") {
                    self.a("graph_query", &json!({"patterns": [pattern]}));
                }
                self.a("procedure_find", &json!({}));
                self.a("mimo_status", &json!({}));
            }
            9 => {
                let read = |id: &str| {
                    let params = json!({"uri": format!("mimo://memory/{id}")});
                    self.message("resources/read", &params)
                };
                assert_eq!(read(&id), read(unknown).replace(unknown, &id));
            }
            10 => {
                for method in ["resources/list", "prompts/list", "resources/templates/list"] {
                    self.message(method, &json!({}));
                }
                for (uri, name) in [
                    ("mimo://project/{project}", "project"),
                    ("mimo://memory/{id}", "id"),
                    ("mimo://graph/{entity}", "entity"),
                ] {
                    for value in ["", "z", "b"] {
                        self.message(
                            "completion/complete",
                            &json!({"ref": {"type": "ref/resource", "uri": uri},
                                "argument": {"name": name, "value": value}}),
                        );
                    }
                }
            }
            11 => {
                let store = |id: &str| {
                    json!({"memories": [{"content": "newer",
                    "supersedes_id": number(id)}]})
                };
                self.foreign("memory_store", store, &id, unknown);
            }
            _ => {
                let call = call_of(1, "ask_mimo", json!({"query": "What is planned?"}));
                let answer = self.http.post(&self.a, None, &call).whole().body;
                assert!(!answer.contains(MARK), "{answer}");
            }
        }
    }

    fn b_still_has_everything(&self) {
        for (id, content) in &self.known.memories {
            let found = self.b("memory_search", json!({"ids": [id]})).to_string();
            assert!(found.contains(content.as_str()), "{id} {content}: {found}");
        }
    }
}

#[test]
fn random_calls_of_two_keys_do_not_meet() {
    repeat(2, |random| {
        let team = Team::new();
        let of = |project| team.key(&["--projects", project, "--requests-per-minute", "6000"]);
        let (a, b) = (of("a"), of("b"));
        let http = team.serve(&[]);
        let mut two = Two {
            http: &http,
            a,
            b,
            known: Known::default(),
        };
        for _ in 0..60 {
            match random.below(2) {
                0 => two.b_does_something(random),
                _ => two.a_tries_something(random),
            }
        }
        two.b_still_has_everything();
    });
}
