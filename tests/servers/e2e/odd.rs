//! A skill with odd definitions and answers, read through Mimo by the official SDKs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mimo::skills::client::List;
use mimo::skills::client::definitions::repair;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::client::{Sdk, node_packages, python_sdk, server};
use crate::support::definitions::definition;
use crate::support::random::{Random, repeat};
use crate::support::{fixture, machine, odd};

/// Starts a client of this kind on the server of an entry.
type Start = fn(&Value, &Path) -> Sdk;

const PYTHON: [Start; 2] = [
    |server, folder| Sdk::python_on(server, "session", folder, "2025-11-25"),
    |server, folder| Sdk::python_on(server, "client", folder, "2026-07-28"),
];
const TYPESCRIPT: [Start; 3] = [
    |server, folder| Sdk::typescript_on(server, "sdk", folder, "2025-11-25"),
    |server, folder| Sdk::typescript_on(server, "legacy", folder, "2025-11-25"),
    |server, folder| Sdk::typescript_on(server, "auto", folder, "2026-07-28"),
];

/// Mimo's folders with a skill that runs `script`, whose tools are listed by name.
pub fn write_skill(folder: &Path, name: &str, script: &str) {
    let path = folder.join(format!("{name}.mjs"));
    fs::write(&path, script).expect("written");
    let config = folder.join("config");
    fs::create_dir(&config).expect("made");
    let write = |name: &str, text: String| {
        let path = config.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    };
    let node = machine::node().expect("node");
    let programs = node.parent().expect("a folder").display();
    write(
        "config.toml",
        format!("[skills]\ncommands = [\"node\"]\npath = [\"{programs}\"]\n"),
    );
    let entry = json!({"command": "node", "args": [path], "expose": "direct", "sandbox": {}});
    write("skills.json", json!({"skills": {name: entry}}).to_string());
}

fn reads_odd_lists(clients: &[Start]) {
    let mut items = BTreeMap::new();
    repeat(1, |random| {
        for (method, ..) in odd::LISTS {
            items.insert(method, odd::items(method, random));
        }
    });
    for start in clients {
        let folder = fixture::trusted_dir();
        let folder = folder.path();
        write_skill(folder, "odd", &odd::server(&items, &BTreeMap::new()));
        let mut client = start(&server(folder), folder);
        // Waits until the skill has listed its tools.
        let first = json!({"tool": "odd__t0", "arguments": {}});
        let called = client.outcome("skill_call", first);
        assert_eq!(called["result"]["content"][0]["text"], "t0", "{called}");
        for (method, member, _, key) in odd::LISTS {
            let expected = items[method].iter().filter(|(_, is_kept)| *is_kept);
            let named = |(text, _): &odd::Item| {
                let item: Value = serde_json::from_str(text).expect("JSON");
                let name = item[key].as_str().expect("a name");
                match key {
                    "name" => format!("odd__{name}"),
                    _ => name.to_owned(),
                }
            };
            let expected: Vec<String> = expected.map(named).collect();
            assert!(expected.len() > 50, "{method}");
            let listed = client.page(method, None);
            let listed = listed[member].as_array().expect("a list").iter();
            let names = listed.map(|item| item[key].as_str().expect("a name"));
            let names: Vec<&str> = names
                .filter(|name| name.starts_with("odd") || name.starts_with("file:///with"))
                .collect();
            assert_eq!(names, expected, "{method}");
        }
        client.end();
    }
}

#[test]
fn python_reads_odd_lists() {
    skip_unless!(node);
    skip_unless!(python_sdk());
    reads_odd_lists(&PYTHON);
}

#[test]
fn typescript_reads_odd_lists() {
    skip_unless!(node_packages());
    reads_odd_lists(&TYPESCRIPT);
}

/// 10,000 random definitions as Mimo sends them, in pages of 100.
fn reads_random_lists(start: Start) {
    const PAGE: usize = 100;
    const PAGES: usize = 100;
    let lists = [
        (List::Tools, odd::LISTS[0]),
        (List::Prompts, odd::LISTS[1]),
        (List::Resources, odd::LISTS[2]),
        (List::Templates, odd::LISTS[3]),
    ];
    let mut pages = json!({});
    repeat(1, |random: &mut Random| {
        for (list, (method, member, ..)) in lists {
            let mut all = Vec::new();
            while all.len() < PAGE * PAGES / lists.len() {
                let raw = to_raw_value(&definition(random)).expect("JSON");
                if let Ok(repaired) = repair(list, &raw) {
                    all.push(repaired.text.unwrap_or(raw).get().to_owned());
                }
            }
            let pages_of = all.chunks(PAGE).enumerate().map(|(nth, items)| {
                let next = (nth + 1) * PAGE < all.len();
                let next = if next {
                    format!(",\"nextCursor\":\"{}\"", nth + 1)
                } else {
                    String::new()
                };
                format!("{{\"{member}\":[{}]{next}}}", items.join(","))
            });
            pages[method] = pages_of.collect();
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("pages.mjs");
    fs::write(&script, odd::script(&json!({"pages": pages, "lines": {}}))).expect("written");
    let entry = json!({"command": machine::node().expect("node"), "args": [script]});
    let mut client = start(&entry, folder.path());
    for (_, (method, member, ..)) in lists {
        let (mut cursor, mut count) = (None, 0);
        loop {
            let page = client.page(method, cursor.as_deref());
            count += page[member].as_array().expect("a list").len();
            match page["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(count, PAGE * PAGES / lists.len(), "{method}");
    }
    client.end();
}

#[test]
fn python_reads_random_lists() {
    skip_unless!(node);
    skip_unless!(python_sdk());
    reads_random_lists(PYTHON[0]);
}

#[test]
fn typescript_reads_random_lists() {
    skip_unless!(node_packages());
    reads_random_lists(TYPESCRIPT[0]);
    reads_random_lists(TYPESCRIPT[1]);
}

/// The lines with which the skill answers, by tool; `ID` is the request's id.
fn answers() -> BTreeMap<&'static str, String> {
    let line = |result: Value| format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{result}}}");
    let heard = json!({"content": [{"type": "text", "text": "heard"}]});
    let with = |name: &str, value: Value| {
        let mut result = heard.clone();
        result[name] = value;
        line(result)
    };
    let error = json!({"code": -31999, "message": "not today", "data": {"why": ["rain"]}});
    let document = |words: usize| {
        let text = "word ".repeat(words);
        line(json!({
            "content": [{"type": "text", "text": text}],
            "structuredContent": {"content": text},
            "_meta": {"kept": 1},
        }))
    };
    BTreeMap::from([
        ("plain", line(heard.clone())),
        ("banner", format!("Listening {{now}} {}", line(heard.clone()))),
        ("text_id", line(heard.clone()).replace("ID", "\"ID\"")),
        ("null_error", line(heard.clone()).replace("\"result\"", "\"error\":null,\"result\"")),
        ("null_structured", with("structuredContent", json!(null))),
        ("listed_structured", with("structuredContent", json!([1]))),
        ("null_flag", with("isError", json!(null))),
        ("null_meta", with("_meta", json!(null))),
        ("text_content", line(json!({"content": "heard"}))),
        ("single_block", line(json!({"content": heard["content"][0]}))),
        ("bare_text", line(json!("heard"))),
        ("untyped", line(json!({"content": [{"text": "heard"}, null]}))),
        ("later", with("resultType", json!("input_required"))),
        (
            "annotated",
            line(json!({"content": [{"type": "text", "text": "heard", "annotations": {"priority": 7}, "_meta": []}]})),
        ),
        ("error", format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"error\":{error}}}")),
        ("null_result", format!("{{\"jsonrpc\":\"2.0\",\"id\":\"ID\",\"result\":null,\"error\":{error}}}")),
        ("fits", document(12_200)),
        ("exceeds", document(30_000)),
        // Half of an emoji, as programs cut texts.
        ("cut", line(json!({"content": [{"type": "text", "text": "CUT"}], "structuredContent": {"CUT": "CUT"}})).replace("CUT", "heard \\ud83d")),
    ])
}

/// Lines about resources and prompts, by URI and name.
fn offers() -> BTreeMap<&'static str, String> {
    let line = |result: Value| format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{result}}}");
    let contents = |part: Value| line(json!({"contents": [part]}));
    let block = json!({"type": "text", "text": "heard"});
    let message = |message: Value| line(json!({"messages": [message], "description": null}));
    BTreeMap::from([
        (
            "odd://null",
            contents(json!({"uri": "odd://null", "mimeType": null, "text": "heard", "blob": null})),
        ),
        (
            "odd://nowhere",
            contents(json!({"text": "heard", "_meta": null})),
        ),
        ("odd://bare", contents(json!("heard"))),
        (
            "odd://single",
            line(json!({"contents": {"uri": "odd://single", "text": "heard"}})),
        ),
        (
            "p_system",
            message(json!({"role": "system", "content": block})),
        ),
        (
            "p_bare",
            message(json!({"role": "user", "content": "heard"})),
        ),
        (
            "p_listed",
            message(json!({"role": "user", "content": [block]})),
        ),
        ("p_text", line(json!({"messages": "heard"}))),
    ])
}

fn reads_odd_answers(clients: &[Start]) {
    let mut lines = answers();
    let shape = json!({"type": "object", "properties": {"content": {"type": "string"}}});
    let tools = lines.keys().map(|name| {
        let mut tool = json!({"name": name, "inputSchema": {"type": "object"}});
        if ["fits", "exceeds"].contains(name) {
            tool["outputSchema"] = shape.clone();
        }
        (tool.to_string(), true)
    });
    let tools: Vec<odd::Item> = tools.collect();
    let names: Vec<&str> = lines.keys().copied().collect();
    let offers = offers();
    let (uris, prompts): (Vec<&str>, Vec<&str>) =
        offers.keys().partition(|name| name.starts_with("odd://"));
    let resource = |uri: &&str| (json!({"uri": uri, "name": "r"}).to_string(), true);
    let prompt = |name: &&str| (json!({ "name": name }).to_string(), true);
    let items = BTreeMap::from([
        ("tools/list", tools),
        ("resources/list", uris.iter().map(resource).collect()),
        ("prompts/list", prompts.iter().map(prompt).collect()),
    ]);
    lines.extend(offers.clone());
    for start in clients {
        let folder = fixture::trusted_dir();
        let folder = folder.path();
        write_skill(folder, "odd", &odd::server(&items, &lines));
        let mut client = start(&server(folder), folder);
        let ways: [fn(&mut Sdk, &str, Value) -> Value; 2] = [
            |client, tool, mut arguments| {
                arguments["tool"] = format!("odd__{tool}").into();
                arguments["arguments"] = json!({});
                client.outcome("skill_call", arguments)
            },
            |client, tool, arguments| client.outcome(&format!("odd__{tool}"), arguments),
        ];
        let text = |answer: &Value| -> String {
            let text = answer["result"]["content"][0]["text"].as_str();
            text.unwrap_or_else(|| panic!("no text in {answer}"))
                .to_owned()
        };
        for (nth, call) in ways.into_iter().enumerate() {
            for tool in &names {
                let answer = call(&mut client, tool, json!({}));
                match *tool {
                    "error" | "null_result" => {
                        let error = match nth {
                            0 => serde_json::from_str(&text(&answer)).expect("JSON"),
                            _ => answer.clone(),
                        };
                        assert_eq!(error["error"]["code"], -31999, "{tool}: {answer}");
                        assert_eq!(error["error"]["data"], json!({"why": ["rain"]}), "{tool}");
                    }
                    "fits" => {
                        let long = call(&mut client, tool, json!({"max_tokens": 50_000}));
                        let result = &long["result"];
                        assert_eq!(text(&long).len(), 61_000);
                        assert_eq!(result["structuredContent"]["content"], text(&long));
                        assert_eq!(result["_meta"]["kept"], 1);
                    }
                    "exceeds" => {
                        assert_eq!(answer["result"]["_meta"]["kept"], 1);
                        let (mut page, mut read) = (answer, String::new());
                        loop {
                            read += &text(&page);
                            let Some(rest) = page["result"]["content"][1]["text"].as_str() else {
                                break;
                            };
                            let rest: Value = serde_json::from_str(rest).expect("a trailer");
                            page = call(&mut client, tool, json!({"cursor": rest["next_cursor"]}));
                        }
                        assert_eq!(read, "word ".repeat(30_000));
                    }
                    "cut" => assert_eq!(text(&answer), "heard \u{fffd}", "{answer}"),
                    _ => assert_eq!(text(&answer), "heard", "{tool}: {answer}"),
                }
            }
            // From now on the client knows the schemas of the results.
            client.page("tools/list", None);
        }
        for uri in &uris {
            let answer = client.read(uri);
            let part = &answer["result"]["contents"][0];
            assert_eq!(
                (&part["text"], &part["uri"]),
                (&json!("heard"), &json!(uri)),
                "{answer}"
            );
        }
        for name in &prompts {
            let answer = client.prompt(&format!("odd__{name}"));
            let message = &answer["result"]["messages"][0];
            assert_eq!(message["role"], "user", "{answer}");
            assert_eq!(message["content"]["text"], "heard", "{answer}");
        }
        client.end();
    }
}

#[test]
fn python_reads_odd_answers() {
    skip_unless!(node);
    skip_unless!(python_sdk());
    reads_odd_answers(&PYTHON);
}

#[test]
fn typescript_reads_odd_answers() {
    skip_unless!(node_packages());
    reads_odd_answers(&TYPESCRIPT);
}
