//! The `mimo procedure` commands.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::pty::openpty;
use serde_json::{Value, json};

use super::workspace::{Mimo, Workspace};
use crate::support::Server;

/// Approves at a terminal; the exit code and the output.
pub fn approves(workspace: &Workspace, id: &str, more: &[&str]) -> (i32, String) {
    let mut arguments = vec!["procedure", "approve", id];
    arguments.extend(more);
    at_terminal(workspace.command(&arguments))
}

/// Runs a command at a terminal and types yes; the exit code and the output.
fn at_terminal(mut command: Command) -> (i32, String) {
    let terminal = openpty(None, None).expect("a terminal");
    let side = || Stdio::from(terminal.slave.try_clone().expect("a descriptor"));
    command.stdin(side()).stdout(side()).stderr(side());
    let mut child = command.spawn().expect("mimo starts");
    drop(command);
    drop(terminal.slave);
    let mut master = File::from(terminal.master);
    master.write_all(b"yes\n").expect("typed");
    let mut shown = Vec::new();
    // On Linux the end of a terminal is an error, not an empty read.
    let _ = master.read_to_end(&mut shown);
    let code = child.wait().expect("it ends").code().expect("no signal");
    (code, String::from_utf8_lossy(&shown).into_owned())
}

fn mimo(workspace: &Workspace, arguments: &[&str]) -> (i32, String, String) {
    let mut command = workspace.command(arguments);
    let done = command
        .stderr(Stdio::piped())
        .output()
        .expect("mimo starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        done.status.code().expect("no signal"),
        text(done.stdout),
        text(done.stderr),
    )
}

#[test]
fn procedures_are_checked_added_run_drawn_and_approved() {
    skip_unless!(node);
    let workspace = Workspace::counting();
    let file = workspace.path("ask.json");
    let path = file.display().to_string();
    let mut definition = json!({
        "name": "ask-first", "version": "1", "description": "Asks, then does it", "initial_state": "put",
        "states": {
            "put": {"action": {"tool": "memory_store", "arguments": {"content": "put {{ context.what }}"}},
                    "compensate": {"tool": "memory_edit", "arguments": {"action": "forget", "ids": ["{{ result.results[0].id }}"]}},
                    "next": "ask"},
            "ask": {"action": {"wait_for_approval": {"message": "Go on with {{ context.what }}?"}}, "next": "done"},
            "done": {"ends": true},
        },
    });
    fs::write(&file, definition.to_string()).expect("written");
    let (code, _, told) = mimo(&workspace, &["procedure", "check", &path]);
    assert_eq!(code, 1);
    assert!(
        told.contains("/states/done/ends") && told.contains("did you mean \"end\"?"),
        "{told}"
    );
    definition["states"]["done"] = json!({"end": true});
    fs::write(&file, definition.to_string()).expect("written");
    assert_eq!(
        mimo(&workspace, &["procedure", "check", &path]).1,
        "ask-first 1: valid\n"
    );
    assert_eq!(
        mimo(&workspace, &["procedure", "add", &path]).1,
        "ask-first 1: created\n"
    );
    let listed = mimo(&workspace, &["procedure", "list"]).1;
    assert_eq!(listed, "ask-first  1  Asks, then does it\n");

    let (code, shown, _) = mimo(
        &workspace,
        &["procedure", "run", "ask-first", r#"{"what":"it"}"#],
    );
    assert_eq!(code, 1, "it is not over");
    let waits: Value = serde_json::from_str(&shown).expect("JSON");
    let id = waits["execution_id"].as_str().expect("an id");
    assert_eq!(waits["status"], "waiting_approval");
    let next = waits["next_step"].as_str().expect("a next step");
    let (_, status, _) = mimo(&workspace, &["status"]);
    let says = format!(
        "  ask-first 1 (execution {id}) waits in its state {}\n  | Go on with it?\n  next: {next}\n",
        waits["state"].as_str().expect("a state")
    );
    assert!(status.contains(&says), "{status}");
    let (_, status, _) = mimo(&workspace, &["--json", "status"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let waiting = &status["procedures"]["waiting"][0];
    assert_eq!(waiting["next_step"], next);
    assert_eq!(waiting["waits_for"]["kind"], "approval");
    let (code, _, told) = mimo(&workspace, &["procedure", "approve", id]);
    assert_eq!(code, 1);
    assert!(told.contains("not a terminal"), "{told}");
    let (code, shown) = approves(&workspace, id, &["--note", "looks good"]);
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("Go on with it?") && shown.contains("completed"),
        "{shown}"
    );

    let history = mimo(&workspace, &["procedure", "history", id]).1;
    let history: Value = serde_json::from_str(&history).expect("JSON");
    assert_eq!(history["decisions"][0]["note"], "looks good");
    assert_eq!(history["actions"][0]["arguments"]["content"], "put it");
    let (_, drawn, _) = mimo(
        &workspace,
        &["procedure", "show", "ask-first", "--execution", id],
    );
    assert!(
        drawn.starts_with("stateDiagram-v2\n") && drawn.contains("classDef now"),
        "{drawn}"
    );
    let (_, drawn, _) = mimo(&workspace, &["procedure", "show", "ask-first", "--svg"]);
    assert!(
        drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"),
        "{drawn}"
    );

    let (_, shown, _) = mimo(
        &workspace,
        &["procedure", "run", "ask-first", r#"{"what":"more"}"#],
    );
    let waits: Value = serde_json::from_str(&shown).expect("JSON");
    let id = waits["execution_id"].as_str().expect("an id");
    let (code, shown) = approves(&workspace, id, &["--reject"]);
    assert_eq!(code, 1);
    assert!(
        shown.contains("undone: put") && shown.contains("rolled_back"),
        "{shown}"
    );
}

/// What is told to a person is typed as it stands, in a shell that knows nothing of the
/// folders.
#[test]
fn next_steps_are_whole_commands() {
    skip_unless!(node);
    let workspace = Workspace::counting();
    let serve = |arguments: &[&str]| {
        let mut command = workspace.command(&[&["serve"], arguments].concat());
        command.env("MIMO_DATA_DIR", workspace.path("my data"));
        Mimo::of(Server::of(&mut command))
    };
    let asks = json!({"action": {"wait_for_approval": {"message": "Go on?"}}, "end": true});
    let stores = json!({"action": {"tool": "memory_store", "arguments": {"content": "once"},
                                   "idempotent": false}, "end": true});
    let mut decided = Vec::new();
    for (name, state, decisions) in [("asks", asks, 2), ("stores", stores, 3)] {
        for nth in 0..decisions {
            let start = json!({"name": name, "idempotency_key": nth.to_string()});
            // It ends once the intent of the first action is written.
            let mut mimo = serve(&["--die-at-journal", "4"]);
            let definition = json!({"name": name, "version": "1", "initial_state": "a",
                                    "states": {"a": state}});
            mimo.good("procedure_define", json!({"definition": definition}));
            mimo.ask("procedure_run", start.clone());
            mimo.server.exit_by_itself();
            let mut mimo = serve(&[]);
            let waits = mimo.good("procedure_run", start);
            let next = waits["next_step"]
                .as_str()
                .unwrap_or_else(|| panic!("{waits}"));
            let commands: Vec<&str> = next.split('`').skip(1).step_by(2).collect();
            assert_eq!(commands.len(), decisions, "{next}");
            let status = mimo.good("mimo_status", json!({}));
            let waiting = &status["procedures"]["waiting"][0]["next_step"];
            assert!(next.contains(waiting.as_str().expect("a text")), "{status}");
            assert!(mimo.server.exit().success());

            let program = Path::new(env!("CARGO_BIN_EXE_mimo"))
                .parent()
                .expect("a folder");
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", commands[nth]]).env_clear();
            shell
                .env("PATH", program)
                .env("HOME", workspace.folder.path());
            let (_, shown) = at_terminal(shell);
            let id = waits["execution_id"].as_str().expect("an id");
            let mut mimo = serve(&[]);
            let run = mimo.good("procedure_run", json!({"execution_id": id}));
            decided.push(run["status"].as_str().expect("a status").to_owned());
            assert!(run.get("waits_for").is_none(), "{}: {shown}", commands[nth]);
            assert!(mimo.server.exit().success());
        }
    }
    assert_eq!(
        decided,
        ["completed", "failed", "completed", "completed", "failed"]
    );
}

#[test]
fn refusals_of_a_context_and_of_a_skill_say_the_next_step() {
    let workspace = Workspace::counting();
    let file = workspace.path("typed.json");
    let path = file.display().to_string();
    let mut definition = json!({"name": "typed", "version": "1", "initial_state": "a",
        "context_schema": {"required": ["changelog"], "properties": {"n": {"type": "integer"}}},
        "states": {"a": {"end": true}}});
    fs::write(&file, definition.to_string()).expect("written");
    assert_eq!(mimo(&workspace, &["procedure", "add", &path]).0, 0);
    for (context, said) in [
        (r#"{"n": 1}"#, r#""changelog" is a required property"#),
        (
            r#"{"changelog": 1, "n": "7"}"#,
            r#""7" is not of type "integer""#,
        ),
    ] {
        let (code, _, err) = mimo(&workspace, &["procedure", "run", "typed", context]);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(said) && !err.contains('\\'), "{err}");
    }
    definition["name"] = json!("calls");
    definition["states"] = json!({"a": {"action": {"tool": "files__read_file"}, "end": true}});
    fs::write(&file, definition.to_string()).expect("written");
    let (_, _, err) = mimo(&workspace, &["procedure", "add", &path]);
    let step = "mimo skill add files -- npx -y @modelcontextprotocol/server-filesystem FOLDER";
    assert!(err.contains(step), "{err}");
}
