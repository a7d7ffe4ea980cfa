//! Two fenced callers on one database do random things with every tool,
//! resource, prompt and completion. Nothing that one of them wrote ever reaches
//! the other, and nothing that one of them keeps is changed by the other.
//!
//! A failing run prints the seed that repeats it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::random::{Random, repeat};
use crate::support::server::{ask, initialize, mimo};

const STEPS: usize = 400;

/// One fenced Mimo, what it keeps, and the ids it was given.
struct Side {
    server: Server,
    project: &'static str,
    /// Stands in everything that this side writes, and in nothing that it asks.
    secret: &'static str,
    requests: u64,
    stored: BTreeSet<i64>,
    /// Every id that names an edit, a run or a context.
    handles: Vec<String>,
}

impl Side {
    fn start(folder: &TempDir, project: &'static str, secret: &'static str) -> Side {
        let arguments = ["serve", "--project", project, "--fence"];
        let mut server = Server::of(mimo(folder.path()).args(arguments));
        initialize(&mut server);
        Side {
            server,
            project,
            secret,
            requests: 0,
            stored: BTreeSet::new(),
            handles: Vec::new(),
        }
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.server
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.server.message();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool: the whole answer, and its document where it has one.
    fn call(&mut self, tool: &str, arguments: Value) -> (String, Value) {
        let answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        let text = answer["result"]["content"][0]["text"].as_str();
        let document = text.and_then(|text| serde_json::from_str(text).ok());
        let document: Value = document.unwrap_or_default();
        for key in ["undo_id", "execution_id", "context_id", "next_cursor"] {
            if let Some(handle) = document[key].as_str() {
                self.handles.push(handle.to_owned());
            }
        }
        (answer.to_string(), document)
    }

    /// Does one random thing; everything that came back. `foreign` are the
    /// handles of the other side.
    fn step(&mut self, random: &mut Random, foreign: &[String]) -> String {
        let nth = random.below(1_000_000);
        let id = i64::try_from(random.below(60)).expect("small") + 1;
        let entity = format!("person:p{}", random.below(5));
        let handle = match random.below(2) {
            0 if !foreign.is_empty() => random.pick(foreign).clone(),
            _ if !self.handles.is_empty() => random.pick(&self.handles).clone(),
            _ => "0".to_owned(),
        };
        let other = match self.project {
            "left" => "right",
            _ => "left",
        };
        let project = *random.pick(&[self.project, other, "*", "global"]);
        let secret = self.secret;
        match random.below(24) {
            0..=3 => self.store(json!({
                "content": format!("{secret} launches rocket {nth}"),
                "tags": [format!("{secret}tag")],
                "topic_key": format!("topic/{}", random.below(4)),
            })),
            4 => self.store(json!({
                "content": format!("{secret} note {nth} about {entity}"),
                "project": project,
            })),
            5 => self.store(json!({
                "content": format!("{secret} replaces {nth}"),
                "supersedes_id": id,
            })),
            6 => self.call("memory_search", json!({"ids": [id, id + 1]})).0,
            7 => {
                let mode = *random.pick(&["hybrid", "semantic", "keyword"]);
                let query = json!({"query": "rocket launches note", "project": project,
                    "mode": mode, "threshold": -1, "include_superseded": true});
                self.call("memory_search", query).0
            }
            8 => self.call("memory_search", json!({"project": project})).0,
            9 => self.edit(json!({"action": "forget", "ids": [id]})),
            10 => self.edit(
                json!({"action": "update", "ids": [id], "content": format!("{secret} edit {nth}")}),
            ),
            11 => self.edit(
                json!({"action": random.pick(&["restore", "protect", "unprotect"]), "ids": [id]}),
            ),
            12 => self.edit(json!({"action": "undo", "undo_id": handle})),
            13 | 14 => {
                let triple = json!({"subject": entity, "predicate": format!("{secret}_likes"),
                    "object": format!("thing:{secret}{}", random.below(5))});
                self.call(
                    "graph_update",
                    json!({"assert": [triple], "project": project, "source": secret}),
                )
                .0
            }
            15 => self.call("graph_update", json!({"retract": [id]})).0,
            16 => {
                let start = random
                    .pick(&[entity, format!("memory:{id}"), "thing:x".to_owned()])
                    .clone();
                self.call(
                    "graph_query",
                    json!({"start": start, "direction": "both", "project": project,
                    "min_confidence": 0}),
                )
                .0
            }
            17 => {
                self.call(
                    "graph_query",
                    json!({"patterns": [["?a", "?p", "?b"]], "project": project}),
                )
                .0
            }
            18 => {
                let asked = json!({"query": random.pick(&["What was launched?", "Who likes things?", "how do I deploy?"])});
                let asked = match random.below(2) {
                    0 => asked,
                    _ => json!({"query": "and then?", "context_id": handle}),
                };
                self.call("ask_mimo", asked).0
            }
            19 => self.procedure(random, nth, &handle),
            20 => {
                let uri = random
                    .pick(&[
                        format!("mimo://memory/{id}"),
                        format!("mimo://graph/{entity}"),
                        format!("mimo://procedure/{other}-flow"),
                    ])
                    .clone();
                self.request("resources/read", json!({"uri": uri}))
                    .to_string()
            }
            21 => {
                let method = *random.pick(&["resources/list", "prompts/list", "tools/list"]);
                self.request(method, json!({})).to_string()
            }
            22 => self.complete(random),
            _ => {
                let prompt = match random.below(3) {
                    0 => json!({"name": "handoff"}),
                    1 => json!({"name": "recall", "arguments": {"topic": "rocket"}}),
                    _ => json!({"name": format!("{other}-flow")}),
                };
                let got = self.request("prompts/get", prompt).to_string();
                got + &self.call("mimo_status", json!({})).0
            }
        }
    }

    fn store(&mut self, memory: Value) -> String {
        let (answer, document) = self.call("memory_store", memory);
        if let Some(id) = document["results"][0]["id"].as_i64() {
            self.stored.insert(id);
        }
        answer
    }

    fn edit(&mut self, edit: Value) -> String {
        self.call("memory_edit", edit).0
    }

    fn procedure(&mut self, random: &mut Random, nth: usize, handle: &str) -> String {
        let name = format!("{}-flow", self.project);
        match random.below(4) {
            0 => {
                let definition = json!({
                    "name": name, "version": format!("1.0.{}", nth % 3), "initial_state": "keep",
                    "description": format!("{} flow", self.secret),
                    "states": {
                        "keep": {"action": {"tool": "memory_store",
                            "arguments": {"content": format!("{} ran {nth}", self.secret)}},
                            "on": {"success": "done"}},
                        "done": {"end": true},
                    },
                });
                self.call("procedure_define", json!({"definition": definition}))
                    .0
            }
            1 => self.call("procedure_run", json!({"name": name})).0,
            2 => {
                self.call("procedure_find", json!({"execution_id": handle}))
                    .0
            }
            _ => self.call("procedure_find", json!({"query": "flow"})).0,
        }
    }

    fn complete(&mut self, random: &mut Random) -> String {
        let (reference, argument) = random
            .pick(&[
                (json!({"type": "ref/prompt", "name": "recall"}), "topic"),
                (json!({"type": "ref/prompt", "name": "recall"}), "project"),
                (
                    json!({"type": "ref/resource", "uri": "mimo://memory/{id}"}),
                    "id",
                ),
                (
                    json!({"type": "ref/resource", "uri": "mimo://graph/{entity}"}),
                    "entity",
                ),
                (
                    json!({"type": "ref/resource", "uri": "mimo://procedure/{name}"}),
                    "name",
                ),
            ])
            .clone();
        let asked = json!({"ref": reference, "argument": {"name": argument, "value": ""}});
        self.request("completion/complete", asked).to_string()
    }
}

#[test]
fn fenced_callers_share_no_data() {
    repeat(1, |random| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sides = [
            Side::start(&folder, "left", "zebrafin"),
            Side::start(&folder, "right", "quokkamoss"),
        ];
        let mut own_words_seen = [0, 0];
        for step in 0..STEPS {
            let acting = random.below(2);
            let [left, right] = &mut sides;
            let (acts, other) = match acting {
                0 => (left, right),
                _ => (right, left),
            };
            let answer = acts.step(random, &other.handles);
            let leaked = answer.contains(other.secret);
            assert!(!leaked, "step {step}: {} was told {answer}", acts.project);
            own_words_seen[acting] += usize::from(answer.contains(acts.secret));
        }
        // Both saw their own words, so that the search for foreign ones means
        // something.
        let enough = own_words_seen.iter().all(|seen| *seen > STEPS / 40);
        assert!(enough, "{own_words_seen:?}");
        without_a_fence_each_memory_is_its_owners(&folder, &sides);
    });
}

fn without_a_fence_each_memory_is_its_owners(folder: &TempDir, sides: &[Side]) {
    let mut local = Server::of(mimo(folder.path()).args(["serve", "--project", "left"]));
    initialize(&mut local);
    for side in sides {
        for id in &side.stored {
            let found = ask(&mut local, "memory_search", json!({"ids": [id]})).good();
            let item = &found["items"][0];
            let content = item["content"].as_str().expect("a text");
            assert!(content.contains(side.secret), "{item}");
            let project = item["project"].as_str().unwrap_or("left");
            assert_eq!(project, side.project, "{item}");
        }
    }
}
