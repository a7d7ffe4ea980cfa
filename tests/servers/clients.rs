//! Settings that `mimo setup` wrote, in the hands of the clients' own programs.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{fixture, machine};

const CONTINUE: &str = "@continuedev/config-yaml@1.42.0";
const CLAUDE_CODE: &str = "@anthropic-ai/claude-code@2.1.332";

/// A program in an account of its own.
fn run(program: &Path, arguments: &[&str], home: &Path) -> Output {
    let node = machine::node().expect("node");
    let path = format!(
        "{}:/usr/bin:/bin",
        node.parent().expect("a folder").display()
    );
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", path)
        .current_dir(home);
    command.output().expect("it starts")
}

fn setup(client: &str, home: &Path) {
    let mimo = Path::new(env!("CARGO_BIN_EXE_mimo"));
    let done = run(mimo, &["setup", client], home);
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn continue_accepts_its_settings() {
    let installed = machine::npm("continue", &[CONTINUE]);
    skip_unless!(installed.clone());
    let checker = installed
        .expect("installed")
        .join("node_modules/.bin/config-yaml");
    let home = fixture::trusted_dir();
    let file = home.path().join(".continue/config.yaml");
    let path = file.to_str().expect("text");
    for (arguments, servers) in [(&["continue"][..], 1), (&["continue", "--remove"], 0)] {
        let mimo = Path::new(env!("CARGO_BIN_EXE_mimo"));
        let arguments = [&["setup"][..], arguments].concat();
        assert!(run(mimo, &arguments, home.path()).status.success());
        let text = std::fs::read_to_string(&file).expect("settings");
        assert_eq!(text.matches("name: mimo").count(), servers, "{text}");
        let checked = run(&checker, &[path], home.path());
        assert!(checked.status.success(), "{text}\n{checked:?}");
    }
}

#[test]
fn claude_code_connects() {
    let installed = machine::npm("claude-code", &[CLAUDE_CODE]);
    skip_unless!(installed.clone());
    let claude = installed
        .expect("installed")
        .join("node_modules/.bin/claude");
    let home = fixture::trusted_dir();
    setup("claude-code", home.path());
    let listed = run(&claude, &["mcp", "list"], home.path());
    let shown = String::from_utf8_lossy(&listed.stdout);
    let is_connected = |line: &str| line.starts_with("mimo: ") && line.ends_with("Connected");
    assert!(shown.lines().any(is_connected), "{listed:?}");
}
