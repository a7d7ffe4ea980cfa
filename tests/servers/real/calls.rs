//! Calls of every tool of every server, with arguments that give the same results
//! each time, or nearly.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// A call, and the part of its result that is the same each time.
pub struct Call {
    pub tool: &'static str,
    pub arguments: Value,
    /// Removes what depends on the time from a part of the result.
    pub steady: fn(String) -> String,
}

/// A call whose whole result is the same each time.
fn call(tool: &'static str, arguments: Value) -> Call {
    let steady = |part| part;
    Call {
        tool,
        arguments,
        steady,
    }
}

/// A call with only a part of its result the same each time.
fn varying(tool: &'static str, arguments: Value, steady: fn(String) -> String) -> Call {
    Call {
        tool,
        arguments,
        steady,
    }
}

/// The text without the lines that begin with one of `names`.
fn without_lines(part: &str, names: &[&str]) -> String {
    let begins = |line: &&str| {
        let line = line.trim_start_matches([' ', '"', '\\', '{']);
        !names.iter().any(|name| line.starts_with(name))
    };
    let lines: Vec<&str> = part.split("\\n").filter(begins).collect();
    lines.join("\\n")
}

pub fn everything(_: &Path) -> Vec<Call> {
    // Each elicitation has its own id.
    let numbered = |part: String| {
        let (before, rest) = part.split_once("Elicitation ID: ").unwrap_or((&part, ""));
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        format!("{before}{after}")
    };
    // It contains its creation time in seconds.
    let clock = |part: String| {
        part.split(" created at ")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let blob = |part: String| {
        part.split("\"blob\":")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    // The sides have different environments; only the type is compared.
    let variables = |part: String| part.chars().filter(|c| "{}".contains(*c)).take(2).collect();
    let gzip = |kind: &str| json!({"name": "a.gz", "data": "data:text/plain;base64,aGVsbG8=", "outputType": kind});
    let mut calls = vec![
        call("echo", json!({"message": "a \"b\"\n\u{1F600} ä\u{2028}"})),
        call("echo", json!({})),
        varying("get-env", json!({}), variables),
        call("get-resource-links", json!({"count": 3})),
        varying(
            "get-resource-reference",
            json!({"resourceType": "Text", "resourceId": 2}),
            clock,
        ),
        varying(
            "get-resource-reference",
            json!({"resourceType": "Blob", "resourceId": 3}),
            blob,
        ),
        call("get-resource-reference", json!({"resourceId": -1})),
        call("get-sum", json!({"a": 0.1, "b": 0.2})),
        call("get-sum", json!({"a": 1e300, "b": -7})),
        call("get-roots-list", json!({})),
        call("trigger-elicitation-request", json!({})),
        call(
            "trigger-sampling-request",
            json!({"prompt": "say it", "maxTokens": 5}),
        ),
        varying(
            "trigger-url-elicitation",
            json!({"url": "http://127.0.0.1/"}),
            numbered,
        ),
        call("get-tiny-image", json!({})),
        call("gzip-file-as-resource", gzip("resource")),
        call("gzip-file-as-resource", gzip("resourceLink")),
        call("toggle-simulated-logging", json!({})),
        call("toggle-simulated-logging", json!({})),
        call("toggle-subscriber-updates", json!({})),
        call("toggle-subscriber-updates", json!({})),
        call(
            "trigger-long-running-operation",
            json!({"duration": 0.02, "steps": 2}),
        ),
    ];
    for kind in ["error", "success", "debug"] {
        let arguments = json!({"messageType": kind, "includeImage": true});
        calls.push(call("get-annotated-message", arguments));
    }
    for city in ["New York", "Chicago", "Los Angeles"] {
        calls.push(call("get-structured-content", json!({"location": city})));
    }
    calls
}

/// Files for the file server.
pub fn fill_files(work: &Path) {
    fs::create_dir_all(work.join("folder/inner")).expect("made");
    fs::write(work.join("notes.txt"), "one\ntwo\nthree ä\n").expect("written");
    fs::write(work.join("folder/inner/deep.md"), "# deep\n").expect("written");
    let pixel = b"\x89PNG\r\n\x1a\n not much of a picture";
    fs::write(work.join("pixel.png"), pixel).expect("written");
}

pub fn filesystem(work: &Path) -> Vec<Call> {
    let at = |name: &str| work.join(name).to_str().expect("text").to_owned();
    let times = |part: String| without_lines(&part, &["created", "accessed", "modified"]);
    let edits = json!([{"oldText": "two", "newText": "zwei"}]);
    vec![
        call("list_allowed_directories", json!({})),
        call("read_file", json!({"path": at("notes.txt")})),
        call(
            "read_text_file",
            json!({"path": at("notes.txt"), "head": 2}),
        ),
        call(
            "read_text_file",
            json!({"path": at("notes.txt"), "tail": 1}),
        ),
        call("read_text_file", json!({"path": at("missing")})),
        call("read_text_file", json!({"path": "/etc/shadow"})),
        call("read_media_file", json!({"path": at("pixel.png")})),
        call(
            "read_multiple_files",
            json!({"paths": [at("notes.txt"), at("missing"), at("folder/inner/deep.md")]}),
        ),
        call("list_directory", json!({"path": at("")})),
        call(
            "list_directory_with_sizes",
            json!({"path": at(""), "sortBy": "size"}),
        ),
        call("directory_tree", json!({"path": at("")})),
        call(
            "search_files",
            json!({"path": at(""), "pattern": "**/*.md"}),
        ),
        varying("get_file_info", json!({"path": at("notes.txt")}), times),
        call(
            "edit_file",
            json!({"path": at("notes.txt"), "edits": edits, "dryRun": true}),
        ),
        call(
            "edit_file",
            json!({"path": at("notes.txt"), "edits": edits}),
        ),
        call("read_text_file", json!({"path": at("notes.txt")})),
        call(
            "write_file",
            json!({"path": at("new.txt"), "content": "new\n"}),
        ),
        call("create_directory", json!({"path": at("made/deeper")})),
        call(
            "move_file",
            json!({"source": at("new.txt"), "destination": at("made/new.txt")}),
        ),
        call(
            "move_file",
            json!({"source": at("none"), "destination": at("made/none")}),
        ),
        call("read_text_file", json!({"path": at("made/new.txt")})),
    ]
}

pub fn memory(_: &Path) -> Vec<Call> {
    let entities = json!([
        {"name": "Ada", "entityType": "person", "observations": ["wrote the first program"]},
        {"name": "Engine", "entityType": "machine", "observations": ["was never built"]},
    ]);
    let relations = json!([{"from": "Ada", "to": "Engine", "relationType": "wrote for"}]);
    let more = json!([{"entityName": "Ada", "contents": ["born 1815", "wrote the first program"]}]);
    let nobody = json!([{"entityName": "Nobody", "contents": ["x"]}]);
    let less = json!([{"entityName": "Ada", "observations": ["born 1815"]}]);
    vec![
        call("read_graph", json!({})),
        call("create_entities", json!({"entities": entities})),
        call("create_relations", json!({"relations": relations})),
        call("add_observations", json!({"observations": more})),
        call("add_observations", json!({"observations": nobody})),
        call("search_nodes", json!({"query": "program"})),
        call("open_nodes", json!({"names": ["Ada", "Nobody"]})),
        call("delete_observations", json!({"deletions": less})),
        call("delete_relations", json!({"relations": relations})),
        call("read_graph", json!({})),
        call("delete_entities", json!({"entityNames": ["Engine"]})),
        call("read_graph", json!({})),
    ]
}

pub fn time(_: &Path) -> Vec<Call> {
    // A converted time has today's date and offset.
    let today = |part: String| {
        let moment = |piece: &&str| !piece.starts_with("20") && !piece.contains("day");
        part.split('"')
            .filter(moment)
            .collect::<Vec<_>>()
            .join("\"")
    };
    let from = |zone: &str, time: &str| json!({"source_timezone": zone, "time": time, "target_timezone": "Asia/Kolkata"});
    vec![
        varying("get_current_time", json!({"timezone": "Asia/Tokyo"}), today),
        call("get_current_time", json!({"timezone": "Nowhere/Atlantis"})),
        varying("convert_time", from("UTC", "14:30"), today),
        call("convert_time", from("UTC", "25:99")),
    ]
}

/// A repository with two commits, whose hashes are always the same.
pub fn fill_repository(work: &Path) {
    let git = |arguments: &[&str]| {
        let ran = Command::new("git")
            .args(arguments)
            .current_dir(work)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2020-02-02T02:02:02Z")
            .env("GIT_COMMITTER_DATE", "2020-02-02T02:02:02Z")
            .output()
            .expect("git starts");
        assert!(ran.status.success(), "{ran:?}");
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["config", "user.name", "Ada"]);
    git(&["config", "user.email", "ada@example.com"]);
    for text in ["one\n", "one\ntwo\n"] {
        fs::write(work.join("file.txt"), text).expect("written");
        git(&["add", "file.txt"]);
        git(&["commit", "--quiet", "--message", text.trim()]);
    }
    fs::write(work.join("file.txt"), "one\ntwo\nthree\n").expect("written");
    fs::write(work.join("other.txt"), "other\n").expect("written");
}

pub fn git(work: &Path) -> Vec<Call> {
    let with = |more: Value| {
        let mut arguments = more;
        arguments["repo_path"] = work.to_str().expect("text").into();
        arguments
    };
    // The new commit's hash holds its time.
    let hash = |part: String| match part.split_once("with hash ") {
        Some((before, _)) => before.to_owned(),
        None => part,
    };
    vec![
        call("git_status", with(json!({}))),
        call("git_diff_unstaged", with(json!({"context_lines": 1}))),
        call("git_add", with(json!({"files": ["other.txt"]}))),
        call("git_diff_staged", with(json!({}))),
        call("git_diff", with(json!({"target": "HEAD~1"}))),
        call("git_diff", with(json!({"target": "--output=/tmp/x"}))),
        call("git_log", with(json!({"max_count": 2}))),
        call("git_show", with(json!({"revision": "HEAD"}))),
        call("git_branch", with(json!({"branch_type": "local"}))),
        call("git_create_branch", with(json!({"branch_name": "side"}))),
        call("git_checkout", with(json!({"branch_name": "side"}))),
        call("git_reset", with(json!({}))),
        call("git_add", with(json!({"files": ["file.txt"]}))),
        varying("git_commit", with(json!({"message": "three"})), hash),
        call("git_status", with(json!({}))),
        call("git_status", json!({"repo_path": "/usr"})),
    ]
}
