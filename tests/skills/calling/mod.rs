//! Skills through the real binary: a manifest, the sandbox, a child on node, and
//! the tools that find and call it.

mod capabilities;
mod odd;
mod questions;
mod search;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Server, fixture, machine};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A server whose manifest names one or two skills.
struct Mimo {
    server: Server,
    folder: TempDir,
    /// Holds the skill's script.
    _trusted: TempDir,
    id: u64,
}

/// The program, with its files in `folder`.
fn mimo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .env_clear()
        .env("MIMO_DATA_DIR", folder.join("data"))
        .env("MIMO_CONFIG_DIR", folder.join("config"))
        .env("HOME", folder)
        .env("GITHUB_TOKEN", "never to be seen");
    command
}

impl Mimo {
    /// Approves one tool as `mimo skill approve` does; whether it succeeded.
    fn approve(&self, tool: &[&str]) -> bool {
        let mut command = mimo(self.folder.path());
        command.args(["skill", "approve"]).args(tool).arg("--yes");
        command.output().expect("mimo starts").status.success()
    }

    /// With `small`, a server that has tools only.
    fn start() -> Mimo {
        Mimo::with(include_str!("server.mjs"), &["small"])
    }

    /// With a skill of each name, all running `script`.
    fn with(script: &str, skills: &[&str]) -> Mimo {
        Mimo::with_entry(script, skills, &json!({}))
    }

    /// The same with `more` members of each entry.
    fn with_entry(script: &str, skills: &[&str], more: &Value) -> Mimo {
        let skills = skills.iter().map(|name| (*name, script));
        Mimo::with_scripts(&skills.collect::<Vec<_>>(), more)
    }

    /// The same with a script of each skill.
    fn with_scripts(skills: &[(&str, &str)], more: &Value) -> Mimo {
        let folder = TempDir::new().expect("a folder");
        let trusted = fixture::trusted_dir();
        let node = machine::node().expect("node");
        let shared = folder.path().join("shared");
        fs::create_dir(&shared).expect("made");
        fs::write(shared.join("note.txt"), "a shared note").expect("written");
        fs::write(folder.path().join("secret.txt"), "a secret").expect("written");
        let config = folder.path().join("config");
        fs::create_dir(&config).expect("made");
        let write = |name: &str, text: String| {
            let path = config.join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        };
        let parent = node.parent().expect("a folder").display();
        write(
            "config.toml",
            format!("[skills]\ncommands = [\"node\"]\npath = [\"{parent}\"]\n"),
        );
        let entry = |(name, script): &(&str, &str)| {
            let path = trusted.path().join(format!("{name}.mjs"));
            fs::write(&path, script).expect("written");
            let mut entry = json!({
                "command": "node",
                "args": [path],
                "env": {"GREETING": "hello", "SHARED": shared},
                "sandbox": {"fs": {"read": [shared]}},
            });
            for (name, value) in more.as_object().expect("members") {
                entry[name] = value.clone();
            }
            ((*name).to_owned(), entry)
        };
        let skills: Map<String, Value> = skills.iter().map(entry).collect();
        write("skills.json", json!({ "skills": skills }).to_string());
        let mut command = mimo(folder.path());
        command.arg("serve").stderr(Stdio::null());
        Mimo {
            server: Server::of(&mut command),
            folder,
            _trusted: trusted,
            id: 0,
        }
    }

    /// The whole result of a call; skips notifications.
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.id += 1;
        self.server.call(self.id, tool, arguments);
        loop {
            let mut message = self.server.message();
            if message["id"] == self.id {
                return message["result"].take();
            }
            assert!(message["method"].is_string(), "{message}");
        }
    }

    /// The document of one of Mimo's own tools.
    fn document(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        let text = result["content"][0]["text"].as_str().expect("a text");
        serde_json::from_str(text).expect("a document")
    }

    fn skill(&mut self, tool: &str, arguments: Value) -> Value {
        let tool = format!("small__{tool}");
        self.call("skill_call", json!({"tool": tool, "arguments": arguments}))
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().expect("a text")
}

#[test]
fn skill_is_found_called_and_sandboxed() {
    skip_unless!(node);
    let mut mimo = Mimo::start();
    let found = mimo.document(
        "skill_find",
        json!({"query": "what does this document on disk say"}),
    );
    let first = &found["tools"][0];
    assert_eq!(first["tool"], "small__read_file", "{found}");
    assert_eq!(first["call_with"], "skill_read");
    assert_eq!(first["inputSchema"]["required"], json!(["path"]));

    let note = mimo.folder.path().join("shared/note.txt");
    let read = mimo.call(
        "skill_read",
        json!({"tool": "small__read_file", "arguments": {"path": note}}),
    );
    assert_eq!(text(&read), "a shared note");
    assert_eq!(read["later"], "field", "unknown fields come through");

    mimo.document("memory_store", json!({"content": "makes the database"}));
    // The kernel refuses what was not granted, not the skill: in a root of its own it
    // does not even exist.
    let secrets = ["secret.txt", "config/skills.json", "data/mimo.db"];
    for name in secrets {
        let path = mimo.folder.path().join(name);
        let refused = mimo.skill("read_file", json!({"path": path}));
        assert!(["ENOENT", "EACCES"].contains(&text(&refused)), "{name}");
        assert_eq!(refused["isError"], true, "{name}");
        assert!(path.exists(), "{name}");
    }

    let environment = mimo.skill("show_environment", json!({}));
    let environment: Value = serde_json::from_str(text(&environment)).expect("variables");
    assert_eq!(environment["GREETING"], "hello");
    assert_eq!(environment["GITHUB_TOKEN"], Value::Null);
    let home = environment["HOME"].as_str().expect("a home");
    assert!(home.contains("/skills/small"), "a home of its own: {home}");
    assert!(mimo.server.exit().success());
}

#[test]
fn question_finds_the_matching_tool() {
    skip_unless!(node);
    let mut mimo = Mimo::start();
    // Its tools are known from now on.
    mimo.document("skill_find", json!({"query": "read"}));
    let query = "Which tool can read a file on disk and say what the document holds?";
    let answer = mimo.document(
        "ask_mimo",
        json!({"query": query, "timeout_ms": 50_000, "detail": "full"}),
    );
    let tool = &answer["results"]["skills"][0];
    assert_eq!(tool["tool"], "small__read_file", "{answer}");
    assert_eq!(tool["call_with"], "skill_read", "{answer}");
    let cited = answer["synthesis"]["citations"].as_array();
    let cited = cited.expect("citations");
    assert!(cited.contains(&json!("skill:small__read_file")), "{answer}");
    assert_eq!(answer["failed"], json!({}), "{answer}");
    assert!(mimo.server.exit().success());
}

#[test]
fn read_only_calls_are_checked_and_wrong_names_explained() {
    skip_unless!(node);
    let mut mimo = Mimo::start();
    mimo.document("skill_find", json!({"query": "repeat"}));
    let refused = mimo.document(
        "skill_read",
        json!({"tool": "small__repeat_text", "arguments": {"times": 1}}),
    );
    assert_eq!(refused["error"]["kind"], "refused");
    for wrong in ["small__nothing", "nobody__read_file", "read_file"] {
        let failed = mimo.document("skill_call", json!({"tool": wrong, "arguments": {}}));
        let kind = failed["error"]["kind"].as_str().expect("a kind");
        assert!(
            matches!(kind, "not_found" | "invalid_arguments"),
            "{wrong}: {failed}"
        );
    }
    assert!(mimo.server.exit().success());
}

#[test]
fn long_result_is_paged_without_loss() {
    skip_unless!(node);
    let mut mimo = Mimo::start();
    let mut arguments = json!({
        "tool": "small__repeat_text", "arguments": {"times": 2_000}, "max_tokens": 1_000,
    });
    let mut whole = String::new();
    loop {
        let page = mimo.call("skill_call", arguments.clone());
        whole += text(&page);
        let Some(rest) = page["content"][1]["text"].as_str() else {
            break;
        };
        let rest: Value = serde_json::from_str(rest).expect("where it goes on");
        arguments["cursor"] = rest["next_cursor"].clone();
    }
    assert_eq!(whole, "word ".repeat(2_000));
    let selected = mimo.call(
        "skill_call",
        json!({
            "tool": "small__repeat_text", "arguments": {"times": 2}, "select": "/content/0/text",
        }),
    );
    assert_eq!(text(&selected), "word word ");
    assert!(mimo.server.exit().success());
}

#[test]
fn crashed_skill_costs_one_call_and_memory_keeps_working() {
    skip_unless!(node);
    let mut mimo = Mimo::start();
    mimo.document("skill_find", json!({"query": "end"}));
    let died = mimo.document("skill_call", json!({"tool": "small__die", "arguments": {}}));
    assert_eq!(died["error"]["kind"], "unavailable", "{died}");
    let stored = mimo.document("memory_store", json!({"content": "still here"}));
    assert_eq!(stored["results"][0]["outcome"], "created");
    let note = mimo.folder.path().join("shared/note.txt");
    let again = mimo.skill("read_file", json!({"path": note}));
    assert_eq!(text(&again), "a shared note", "it was started again");
    let status = mimo.document("mimo_status", json!({"section": "skills"}));
    let skill = &status["skills"][0];
    assert_eq!(
        (&skill["name"], &skill["state"]),
        (&json!("small"), &json!("running"))
    );
    assert!(skill["sandbox"]["seccomp"].is_string(), "{skill}");
    assert!(mimo.server.exit().success());
}

#[test]
fn invalid_manifest_stops_no_server_and_the_status_says_why() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("config");
    fs::create_dir(&config).expect("made");
    let path = config.join("skills.json");
    fs::write(
        &path,
        r#"{"skills":{"x":{"command":"bash","args":["-c","id"]}}}"#,
    )
    .expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .arg("serve")
        .env_clear()
        .env("MIMO_DATA_DIR", folder.path().join("data"))
        .env("MIMO_CONFIG_DIR", &config)
        .stderr(Stdio::null());
    let mut mimo = Mimo {
        server: Server::of(&mut command),
        folder,
        _trusted: TempDir::new().expect("a folder"),
        id: 0,
    };
    let status = mimo.document("mimo_status", json!({}));
    assert_eq!(status["skills"], json!([]));
    let problem = status["skills_problem"].as_str().expect("a reason");
    assert!(problem.contains("/skills/x/command"), "{problem}");
    assert!(mimo.server.exit().success());
}
